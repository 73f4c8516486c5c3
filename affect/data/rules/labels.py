"""What the columns of labels of the CMU corpora are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect.data.precision import beyond
from affect.data.ragged import Ragged
from affect.data.targets import MultiLabel, Regression, Target, main_of

_EMOTIONS = ("happy", "sad", "anger", "surprise", "disgust", "fear")


def finite(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which labels (labels, columns) are there: NaN, and what is infinite in float32, is none given.

    Example:
        >>> finite(np.array([[1.0, 2.0], [np.nan, 0.0], [1e300, 0.0]])).tolist()
        [True, False, False]
    """
    known: NDArray[np.bool_] = (np.isfinite(values) & ~beyond(values)).all(1)
    return known


def lacking(split: str, targets: Mapping[str, Ragged], what: str = "NaN or infinite") -> list[str]:
    """Notes on the labels of a split that are not given, target by target.

    Args:
        split: its name.
        targets: the labels of each target.
        what: those labels are.
    Example:
        >>> lacking("train", {"joy": Ragged.vectors(np.zeros(2), np.array([True, False]))})
        ['train: 1 of 2 labels of joy is NaN or infinite, and counts as not given.']
    """
    notes = []
    for target, rows in targets.items():
        none = len(rows) - int(rows.present.sum())
        count = f"is {what}, and counts" if none == 1 else f"are {what}, and count"
        if none:
            notes.append(f"{split}: {none:,} of {len(rows):,} labels of {target} {count} as not given.")
    return notes


@dataclass(frozen=True)
class Labels:
    """Targets, and the columns that each is read from.

    Args:
        columns: by target; a `MultiLabel` is yes where a column is above zero.
    """

    columns: dict[Target, tuple[int, ...]]

    @classmethod
    def of(cls, dim: int, names: tuple[str, ...], corpus: str) -> Labels:
        """What a file's columns are.

        Args:
            dim: how many there are.
            names: what they are called, where the file says it.
            corpus: the public corpus, or nothing.
        Example:
            >>> [target.name for target in Labels.of(7, (), "mosei").columns]
            ['sentiment', 'emotion', 'happy', 'sad', 'anger', 'surprise', 'disgust', 'fear']
        """
        scale = (-3, 3) if corpus in ("mosi", "mosei") else (None, None)
        sentiment = Regression("sentiment", low=scale[0], high=scale[1])
        if dim == 1:
            return cls({sentiment: (0,)})
        if corpus == "mosei" and dim == 1 + len(_EMOTIONS):
            return cls(
                {
                    sentiment: (0,),
                    MultiLabel("emotion", classes=_EMOTIONS): tuple(range(1, dim)),
                    **{Regression(name, low=0, high=3): (i,) for i, name in enumerate(_EMOTIONS, 1)},
                }
            )
        plain = [re.sub(r"\W+", "_", name.lower()).strip("_") for name in names]
        if len(set(plain)) != dim:
            plain = [f"label{i}" for i in range(dim)]
        return cls({Regression(name): (i,) for i, name in enumerate(plain)})

    @property
    def targets(self) -> dict[str, Target]:
        """The targets by name."""
        return {target.name: target for target in self.columns}

    @property
    def main(self) -> str:
        """The target that is meant where none is named."""
        return main_of(self.targets)

    def of_rows(self, values: NDArray[Any]) -> dict[str, Ragged]:
        """Each target's labels, from rows of all columns (labels, columns).

        NaN is none given, and so is what is infinite in float32.
        """
        found = {}
        for target, columns in self.columns.items():
            own = values[:, columns]
            known = finite(own)
            own = (own > 0).astype(np.float32) if isinstance(target, MultiLabel) else own
            found[target.name] = Ragged.vectors(own, known)
        return found
