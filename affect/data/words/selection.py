"""Which videos and segments of computational sequences become samples, and what is said of the others."""

from __future__ import annotations

import numpy as np

from affect.data.formats.csd import ComputationalSequence
from affect.data.words.videos import momentary
from affect.errors import DataError

_SHOWN = 3


def common(
    files: list[ComputationalSequence],
    segments: ComputationalSequence | None,
    aligned: bool,
    incomplete: bool,
) -> tuple[list[str], list[str]]:
    """The videos to make samples of, and what is to be said of the others.

    Args:
        files: the reference first.
        segments: the label file.
        aligned: whether every video needs the reference.
        incomplete: keep the videos that another file lacks.
    Raises:
        DataError: no video is in all that are needed.
    """
    labelled = [segments] if segments else []
    least = [*files[: int(aligned)], *labelled]
    needed = least if incomplete else [*files, *labelled]
    every = list(dict.fromkeys(video for file in [*files, *labelled] for video in file.keys))
    kept = [video for video in every if all(video in file.keys for file in needed)]
    left = [video for video in every if any(video not in file.keys for file in needed)]
    if not kept:
        first = ", ".join(f"{file.path} ({next(iter(file.keys), 'none')}, ...)" for file in needed)
        raise DataError(f"no video is in all of {first}")
    notes = []
    if left:
        saved = [video for video in left if all(video in file.keys for file in least)]
        remedy = f"; --incomplete keeps {len(saved):,} of them without that modality" if saved else ""
        notes.append(
            f"{len(left):,} of {len(every):,} videos are not in every file and are left out: "
            f"{_lacking(needed, left)}{remedy}."
        )
    if bare := [video for video in kept if any(video not in file.keys for file in files)]:
        notes.append(
            f"{len(bare):,} of {len(kept):,} videos are not in every file and are kept: "
            f"{_lacking(files, bare)}."
        )
    return kept, notes


def lasting(
    segments: ComputationalSequence, names: list[str], tolerance: float
) -> tuple[list[str], list[str]]:
    """The videos that have a segment which is long enough, and what is to be said of the short ones.

    Args:
        segments: the label file.
        names: of the videos.
        tolerance: seconds, see `momentary`.
    Raises:
        DataError: no segment is long enough.
    """
    kept, short, count = [], list[str](), 0
    for name in names:
        brief = momentary(segments.intervals(name), tolerance)
        short += [f"{name}[{i}]" for i in np.flatnonzero(brief)]
        count += len(brief)
        if not brief.all():
            kept.append(name)
    if not kept:
        raise DataError(f"{segments.path}: none of its {count:,} segments is as long as {tolerance:g} s")
    if not short:
        return kept, []
    return kept, [
        f"{len(short):,} of {count:,} segments are shorter than {tolerance:g} s and are no samples, as in "
        f"the SDK: {_listed(short)}."
    ]


def _lacking(files: list[ComputationalSequence], videos: list[str]) -> str:
    """Which of these videos each file lacks."""
    lacks = [(file.path.name, [video for video in videos if video not in file.keys]) for file in files]
    return "; ".join(f"{name} lacks {_listed(own)}" for name, own in lacks if own)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
