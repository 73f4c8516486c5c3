"""Lengths that a file gives, proven by what stands outside them: content is never cut off."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from affect.data.ragged import Rows
from affect.data.rules.padding import holding
from affect.errors import DataError

Place: TypeAlias = Literal["given", "mirrored"]
"""Where the steps stand: as the file says, or at the other side of the time axis."""

LONGEST = (1 << 31) - 1
"""Steps of a sample, at most: their sum over all samples stays exact."""

_ANY = np.logical_or.reduce
"""As `any`, sooner for thousands of small arrays."""


@dataclass(frozen=True, eq=False)
class PaddedModality:
    """A padded modality of one split, and where its steps stand by what the file says.

    Args:
        name: of the modality.
        values: padded features, (samples, time, feature).
        begin: first step of each sample.
        lengths: how many steps it has.
        ids: of the samples.
        where: the file and the split.
        source: what in the file says the lengths.
    """

    name: str
    values: NDArray[Any]
    begin: Rows
    lengths: Rows
    ids: tuple[str, ...]
    where: str
    source: str

    def at(self, place: Place) -> Rows:
        """The first step of each sample, if its steps stand there."""
        return self.begin if place == "given" else self.values.shape[1] - self.begin - self.lengths

    def fits(self, place: Place) -> bool:
        """Whether nothing stands outside the steps of any sample."""
        return not any(self._outside(place))

    def outside(self, place: Place) -> NDArray[np.bool_]:
        """(samples,): which have content outside their steps."""
        return np.fromiter(self._outside(place), dtype=bool, count=len(self.values))

    def _outside(self, place: Place) -> Iterator[bool]:
        """Sample by sample, so that the first with content may end the search."""
        begin, end = self.at(place), self.at(place) + self.lengths
        time = self.values.shape[1]
        for own, first, last in zip(self.values, begin.tolist(), end.tolist(), strict=True):
            yield (first > 0 and holds(own[:first])) or (last < time and holds(own[last:]))

    def refusal(self) -> DataError:
        """What to say where content stands outside the steps on either side of the time axis."""
        out, mirrored = self.outside("given"), self.outside("mirrored")
        both = np.flatnonzero(out & mirrored)
        i = int(both[0] if both.size else np.flatnonzero(out)[0])
        steps = [t for t, held in enumerate(holding(self.values[i : i + 1])[0]) if held]
        other = ""
        if not both.size:
            other = f", while sample {self.ids[int(np.flatnonzero(mirrored)[0])]} is padded on the other side"
        return DataError(
            f"{self.where}, sample {self.ids[i]}: {self.name} has {self.lengths[i]} of "
            f"{self.values.shape[1]} steps by {self.source}, and content in steps {steps[0]} to {steps[-1]}"
            f"{other}; padding stands on one side of a split and holds zeros: mend {self.source}, or leave "
            "it out of the file, and the padding is found"
        )


def holds(steps: NDArray[np.floating[Any]]) -> bool:
    """Whether there is content: a step that is neither all zeros nor all NaN.

    Shapes:
        steps: (steps, feature)
    Example:
        >>> holds(np.array([[0.0, 0.0], [np.nan, np.nan]])), holds(np.array([[0.0, -1.0]]))
        (False, True)
    """
    return bool(_ANY(steps, None)) and bool(holding(steps[None]).any())


def whole(said: NDArray[Any], refused: Callable[[int], str], most: int) -> Rows:
    """Numbers of steps, as lengths are kept.

    Args:
        said: a number for each sample.
        refused: what the message begins with, for the place of a sample.
        most: steps that a sample may have.
    Raises:
        DataError: one is below 0, no whole number, or too great.
    Example:
        >>> whole(np.array([3.0, 0.0]), "at {}".format, 5).tolist()
        [3, 0]
    """
    lengths = said.astype(np.float64)
    wrong = np.flatnonzero(~((lengths >= 0) & (lengths <= most) & (lengths == np.rint(lengths))))
    if wrong.size:
        got = float(lengths[wrong[0]])
        raise DataError(
            f"{refused(int(wrong[0]))} must be a whole number of steps from 0 to {most:,}, got "
            + (f"{got:,.0f}" if got.is_integer() else f"{got:g}")
        )
    return lengths.astype(np.int64)


def places(given: Mapping[str, PaddedModality]) -> dict[str, Place]:
    """Where the steps of each split stand, by what is outside them.

    Where both places would do, that of the other splits is taken if they agree, and else what the file says.

    Args:
        given: a modality by split.
    Raises:
        DataError: in a split neither place will do for all samples.
    Example:
        >>> values = np.array([[[0.0], [1.0], [1.0]], [[0.0], [0.0], [2.0]]])
        >>> lengths, ids = np.array([2, 1]), ("a", "b")
        >>> places({"train": PaddedModality("text", values, np.zeros(2, int), lengths, ids, "doc", "len")})
        {'train': 'mirrored'}
    """
    found: dict[str, tuple[Place, ...]] = {}
    for split, own in given.items():
        options: tuple[Place, ...] = ("given", "mirrored")
        found[split] = tuple(place for place in options if own.fits(place))
        if not found[split]:
            raise own.refusal()
    return agreed(found)


def agreed(found: Mapping[str, tuple[Place, ...]]) -> dict[str, Place]:
    """One place for each split, of those that will do.

    Example:
        >>> agreed({"train": ("mirrored",), "test": ("given", "mirrored"), "valid": ("mirrored",)})["test"]
        'mirrored'
    """
    certain = {own[0] for own in found.values() if len(own) == 1}
    likely: Place = certain.pop() if len(certain) == 1 else "given"
    return {split: own[0] if len(own) == 1 else likely for split, own in found.items()}


def span(mask: NDArray[np.bool_]) -> tuple[Rows, Rows]:
    """First step of each sample and number of steps to the last, by a mask, holes included.

    Shapes:
        (samples, time) -> (samples,), (samples,)
    Example:
        >>> span(np.array([[False, True, False, True], [False] * 4]))
        (array([1, 0]), array([3, 0]))
    """
    some = mask.any(1)
    begin = np.where(some, mask.argmax(1), 0)
    end = np.where(some, mask.shape[1] - mask[:, ::-1].argmax(1), 0)
    return begin, end - begin
