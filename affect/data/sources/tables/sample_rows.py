"""What the rows of a sample say of it together: one text, its words, its labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from affect.data.ragged import Ragged, Rows, Words
from affect.data.rules.columns import quoted
from affect.data.rules.kinds import LABELS, inferred
from affect.data.targets import Target
from affect.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SampleRows:
    """The rows of a table, those of a sample together.

    Args:
        path: begins messages.
        ids: of the samples.
        order: rows of the table, those of a sample together.
        offsets: where each sample begins in `order`, and the end.
    """

    path: Path
    ids: tuple[str, ...]
    order: Rows
    offsets: Rows

    @property
    def starts(self) -> Rows:
        return self.order[self.offsets[:-1]]

    @property
    def sample(self) -> Rows:
        """(rows,): the sample of each row, in order."""
        return np.repeat(np.arange(len(self.ids)), np.diff(self.offsets))

    def once(self, column: pd.Series[Any], name: str) -> list[str]:
        """A text that all rows of a sample share."""
        own = column.to_numpy(object)
        apart = np.flatnonzero(own[self.order] != own[self.starts][self.sample])
        if apart.size:
            raise DataError(
                f"{self.path}, sample {self.ids[self.sample[apart[0]]]}: '{name}' differs between its rows"
            )
        return [str(one).strip() for one in own[self.starts]]

    def shared(self, column: pd.Series[Any], name: str) -> tuple[str, ...]:
        """The group of each sample; one without is its own."""
        return tuple(said or one for said, one in zip(self.once(column, name), self.ids, strict=True))

    def words(self, column: pd.Series[Any]) -> Words:
        """The transcript of each sample, or the words of its rows."""
        own = column.to_numpy(object)
        if (own[self.order] == own[self.starts][self.sample]).all():
            return Words.from_rows(str(one).split() for one in own[self.starts])
        said = own[self.order]
        spans = zip(self.offsets, self.offsets[1:], strict=False)
        return Words.from_rows(" ".join(map(str, said[begin:end])).split() for begin, end in spans)

    def labels(
        self, columns: Mapping[str, pd.Series[Any]]
    ) -> tuple[dict[str, Target], dict[str, Ragged], list[str]]:
        """Targets, labels, and notes on columns that are none."""
        targets: dict[str, Target] = {}
        labels: dict[str, Ragged] = {}
        notes: list[str] = []
        for column, content in columns.items():
            name = LABELS.get(column, column)
            if name in targets:
                raise DataError(f"{self.path}: column '{column}' is '{name}', and so is another; rename one")
            found = inferred(name, content)
            if found is None:
                notes.append(f"Column '{column}' is no label and is left out.")
                continue
            target, values, seen = found
            values, seen = values[self.order], seen[self.order]
            given = self._given(values, seen)
            if given is None:
                targets[name] = replace(target, per_step=True)
                labels[name] = Ragged.from_offsets(values[:, None], self.offsets, seen)
            else:
                targets[name], labels[name] = target, Ragged.vectors(*given)
        called = [column for column in columns if column in LABELS and LABELS[column] in targets]
        if called:
            said, is_one = quoted(called)
            verb = "is read as the target" if is_one else "are read as the targets"
            notes.append(f"C{said[1:]} {verb} {', '.join(LABELS[column] for column in called)}.")
        return targets, labels, notes

    def _given(
        self, values: NDArray[np.float32], seen: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]] | None:
        """The one label of each sample; None where the rows of some sample differ."""
        of, own = self.sample[seen], values[seen]
        one, known = np.zeros(len(self.ids), np.float32), np.zeros(len(self.ids), dtype=bool)
        one[of], known[of] = own, True
        return (one, known) if np.array_equal(one[of], own, equal_nan=True) else None
