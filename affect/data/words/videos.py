"""Timed entries of a video -> samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from affect.data.corpus import Split
from affect.data.formats.csd import Timed
from affect.data.ragged import Ragged, Rows, Words
from affect.data.words.overlaps import Collapse, Seconds, collapse, overlaps
from affect.errors import DataError


@dataclass(frozen=True)
class Segments:
    """The labelled segments of a video; each is a sample.

    Args:
        intervals: (segments, 2) start and end in seconds.
        labels: of each target, one per segment.
        places: the number of each in the file; where None, they are all there.
    """

    intervals: Seconds
    labels: dict[str, Ragged]
    places: Rows | None = None

    @property
    def numbers(self) -> list[int]:
        """What stands in the brackets of their ids."""
        return list(range(len(self.intervals))) if self.places is None else self.places.tolist()

    def check(self, where: str) -> Self:
        """Itself, where every segment ends after it starts; `where` begins the message otherwise."""
        wrong = np.flatnonzero(~(self.intervals[:, 1] >= self.intervals[:, 0]))
        if wrong.size:
            got, number = self.intervals[wrong[0]], self.numbers[wrong[0]]
            raise DataError(f"{where}[{number}]: the segment must end after it starts, got {got}")
        return self


def momentary(intervals: Seconds, tolerance: float) -> NDArray[np.bool_]:
    """(intervals,): which are shorter than the tolerance; such a one is no step and no sample to the SDK.

    Example:
        >>> momentary(np.array([[1.0, 1.0], [1.0, 1.5]]), 1e-5).tolist()
        [True, False]
    """
    short: NDArray[np.bool_] = np.abs(intervals[:, 1] - intervals[:, 0]) < tolerance
    return short


@dataclass(frozen=True)
class Track:
    """Entries in time, and which of them hold something."""

    entries: Timed
    observed: NDArray[np.bool_]

    def cut(self, segments: Segments | None) -> Track:
        """The same entries in the order of their midpoints, where they are to be cut."""
        middle = self.entries.intervals.mean(1)
        if segments is None or (np.diff(middle) >= 0).all():
            return self
        order = np.argsort(middle, kind="stable")
        tokens = self.entries.tokens
        return Track(
            Timed(
                self.entries.intervals[order],
                self.entries.values[order],
                None if tokens is None else tuple(tokens[i] for i in order),
            ),
            self.observed[order],
        )

    def rows(self, segments: Segments | None) -> tuple[Rows, Rows]:
        """Where each sample begins and how many entries it has: those whose midpoint is in the segment."""
        if segments is None:
            return np.array([0]), np.array([len(self.observed)])
        middle = self.entries.intervals.mean(1)
        begin, end = (np.searchsorted(middle, segments.intervals[:, side]) for side in (0, 1))
        return begin, np.maximum(end - begin, 0)


def aligned(
    video: str,
    entries: Mapping[str, Timed],
    segments: Segments | None = None,
    how: str | Collapse = "mean",
    tolerance: float = 1e-5,
) -> Split:
    """The samples of a video, every modality brought to the steps of the first.

    A reference interval shorter than the tolerance is no step. A step in which a modality has no entry is
    unobserved there. With segments, each is a sample `video[i]` with the steps whose midpoint it holds;
    without, the video is the sample. What is infinite in float32 stays so in what it is collapsed to.

    Args:
        video: its id.
        entries: of the reference, then of the others; none where the video lacks them.
        segments: what is labelled.
        how: what becomes of a step's entries, see `collapse`.
        tolerance: seconds, see `overlaps`.
    Raises:
        DataError: an interval of the reference ends before it starts, or has no start or no end.
    Example:
        >>> words = Timed(np.array([[0.0, 1.0], [1.0, 2.0]]), np.zeros((2, 0)), ("so", "good"))
        >>> pitch = Timed(np.array([[0.0, 0.5], [0.5, 0.9]]), np.array([[1.0], [3.0]]))
        >>> split = aligned("a", {"words": words, "ecg": pitch})
        >>> split.modalities["ecg"][0].ravel().tolist(), split.modalities["ecg"].observed.tolist()
        ([2.0, 0.0], [True, False])
    """
    reference, steps = next(iter(entries.items()))
    backwards = np.flatnonzero(steps.intervals[:, 1] < steps.intervals[:, 0])
    if backwards.size:
        raise DataError(
            f"{reference}, {video}[{backwards[0]}]: the interval ends before it starts, so that what belongs "
            "to it is undefined; mend it in the file"
        )
    endless = np.flatnonzero(~np.isfinite(steps.intervals).all(1))
    if endless.size:
        raise DataError(
            f"{reference}, {video}[{endless[0]}]: the interval must start and end at a number of seconds, "
            f"got {steps.intervals[endless[0]]}; mend it in the file"
        )
    kept = np.flatnonzero(~momentary(steps.intervals, tolerance))
    times = steps.intervals[kept]
    tracks = {}
    for name, timed in entries.items():
        if name == reference:
            tokens = None if timed.tokens is None else tuple(timed.tokens[i] for i in kept)
            tracks[name] = Track(Timed(times, timed.values[kept], tokens), np.ones(len(kept), dtype=bool))
        else:
            found = overlaps(times, timed.intervals, tolerance)
            with np.errstate(over="ignore", invalid="ignore"):
                values = collapse(found, timed.values, how)
            tracks[name] = Track(Timed(times, values), found.counts > 0)
    return samples(video, tracks, segments)


def unaligned(video: str, entries: Mapping[str, Timed], segments: Segments | None = None) -> Split:
    """The samples of a video, every modality with its own entries; otherwise as `aligned`."""
    tracks = {
        name: Track(timed, np.ones(len(timed.intervals), dtype=bool)) for name, timed in entries.items()
    }
    return samples(video, tracks, segments)


def samples(video: str, tracks: Mapping[str, Track], segments: Segments | None) -> Split:
    """Tracks cut into samples; the one of words becomes `Split.words`."""
    count = 1 if segments is None else len(segments.intervals)
    modalities, words = {}, None
    for name, track in tracks.items():
        whole = track.cut(segments)
        starts, lengths = whole.rows(segments)
        entries = whole.entries
        if entries.tokens is not None:
            words = Words(starts, lengths, entries.tokens, entries.intervals)
        else:
            modalities[name] = Ragged(starts, lengths, entries.values, whole.observed, entries.intervals)
    return Split(
        ids=(video,) if segments is None else tuple(f"{video}[{i}]" for i in segments.numbers),
        modalities=modalities,
        targets={} if segments is None else segments.labels,
        groups=(video,) * count,
        words=words,
    )
