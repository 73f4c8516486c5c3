"""Samples one at a time: what a loop over recordings makes, and what a corpus gives back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from affect.data.ragged import Ragged, times_of
from affect.data.rules.arraylike import array, seconds, truths
from affect.data.targets import MultiClass, Target
from affect.errors import DataError

if TYPE_CHECKING:
    from affect.data.corpus import Corpus, Split


@dataclass(frozen=True, eq=False)
class Steps:
    """One sample's steps of one modality.

    Args:
        values: an array, a tensor or lists; one axis is one step.
        times: start and end of each step in seconds, or instants; NaN where they are not known.
        observed: at which steps anything was observed; where None, a step of NaN, or of zeros where there are
            several features, is one at which nothing was.
    Shapes:
        values: (steps, feature) or (feature,)
        times: (steps, 2) or (steps,)
        observed: (steps,)
    Raises:
        DataError: they do not fit together, or times decrease.
    Example:
        >>> Steps([[1.0], [2.0]], times=[0.0, 0.5]).times.tolist()
        [[0.0, 0.0], [0.5, 0.5]]
    """

    values: NDArray[Any]
    times: NDArray[np.float64] | None = None
    observed: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        values = array(self.values, "Steps: values")
        if values.ndim == 1:
            values = values[None] if values.size else values[:, None]
        if values.ndim != 2:
            raise DataError(f"Steps: values must have shape (steps, feature), got {values.shape}")
        object.__setattr__(self, "values", values)
        if self.times is not None:
            object.__setattr__(self, "times", seconds(self.times, (len(values),), "Steps: times"))
            _in_order(self.times)
        if self.observed is not None:
            object.__setattr__(self, "observed", truths(self.observed, (len(values),), "Steps: observed"))


def _in_order(times: NDArray[np.float64]) -> None:
    """Refuse steps that begin before those in front of them; times that are not known count for nothing."""
    starts = times[:, 0][np.isfinite(times[:, 0])]
    back = np.flatnonzero(np.diff(starts) < 0)
    if back.size:
        one, other = starts[back[0]], starts[back[0] + 1]
        raise DataError(
            f"Steps: times must not decrease, got {other:g} after {one:g}; sort the steps by start"
        )


@dataclass(frozen=True, eq=False)
class Sample:
    """One sample, for `Corpus.from_samples`.

    Args:
        id: its name, which no other sample has.
        modalities: `Steps`, or what they are made from, or a pandas frame of a row for each step; a modality
            that is None, or not there, is one that the sample lacks.
        targets: its labels: a number, the name of a class, 0 or 1 for each of several classes, or a row of
            any of them for each step; None or NaN is a label not given, as is one that is not there.
        words: what is said, as a list or as a text that is split at blanks; None where it is not known.
        word_times: start and end of each word in seconds, (words, 2).
        group: what must not be on two sides of a split (speaker, video).
        split: `train`, `valid` or `test`.
    Example:
        >>> sample = affect.Sample("a", {"ecg": np.ones((3, 2))}, {"stress": 1.5}, words="so good")
        >>> corpus = affect.Corpus.from_samples([sample], name="one")
        >>> corpus.dims, corpus.targets
        ({'ecg': 2}, {'stress': Regression(name='stress', per_step=False, low=None, high=None)})
    """

    id: str
    modalities: Mapping[str, Any] = field(default_factory=dict)
    targets: Mapping[str, Any] = field(default_factory=dict)
    words: str | Iterable[str] | None = None
    word_times: Any = None
    group: str | None = None
    split: str = "all"


def samples_of(corpus: Corpus) -> Iterator[Sample]:
    """The samples of a corpus, split by split: `Corpus.from_samples` makes the same corpus of them."""
    for split_name, split in corpus.splits.items():
        for i, one in enumerate(split.ids):
            words, word_times = None, None
            if split.words is not None:
                words, word_times = split.words[i], times_of(split.words, i, partial=True)
            yield Sample(
                id=one,
                modalities={m: _steps(rows, i) for m, rows in split.modalities.items()},
                targets={t: _label(split, i, target) for t, target in corpus.targets.items()},
                words=words,
                word_times=word_times,
                group=None if split.groups is None else split.groups[i],
                split=split_name,
            )


def _steps(rows: Ragged, i: int) -> Steps:
    place = slice(rows.starts[i], rows.starts[i] + rows.lengths[i])
    return Steps(rows.values[place], times_of(rows, i, partial=True), rows.observed[place])


def _label(split: Split, i: int, target: Target) -> Any:
    """What a sample is labelled with: numbers, names of classes, or a list of them for its steps."""
    rows = split.targets[target.name]
    steps = range(rows.starts[i], rows.starts[i] + rows.lengths[i])
    found: list[Any] = []
    for step in steps:
        values = rows.values[step]
        if not rows.observed[step]:
            found.append(None if target.size == 1 else np.full(target.size, np.nan))
        elif isinstance(target, MultiClass) and target.classes:
            found.append(target.classes[int(values[0])])
        else:
            found.append(float(values[0]) if target.size == 1 else values)
    if target.per_step:
        return found
    return found[0] if found else None
