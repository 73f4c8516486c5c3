"""Variable-length rows without padding."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from affect.data.precision import in_float32_range
from affect.data.steps import check_times, join_times
from affect.errors import DataError, described

if TYPE_CHECKING:
    from affect.sequences import Sequence

Rows = NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False)
class _Slices:
    """Rows that are slices of one long array; taking rows copies no step.

    Args:
        starts: where each row begins, (rows,).
        lengths: how many steps it has, (rows,); 0 where the sample has nothing.
    """

    starts: Rows
    lengths: Rows

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def total(self) -> int:
        """Steps of all rows."""
        return int(self.lengths.sum())

    @property
    def index(self) -> Rows:
        """(total,): the step behind every position when all rows are laid end to end."""
        ends = np.cumsum(self.lengths)
        index: Rows = np.arange(self.total) + np.repeat(self.starts - (ends - self.lengths), self.lengths)
        return index

    @property
    def offsets(self) -> Rows:
        """(rows + 1,): where each row begins when all are laid end to end, and where the last one ends."""
        return np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int64)

    def blocks(self, steps: int = 65536) -> Iterator[slice | Rows]:
        """Where the steps of all rows stand in the long array, in order, at most `steps` at a time.

        Example:
            >>> [block.tolist() for block in Words.from_rows([["a", "b"], ["c"]]).take([1, 0]).blocks(2)]
            [[2, 0], [1]]
        """
        if self._is_laid_out:
            for begin in range(0, self.total, steps):
                yield slice(begin, min(begin + steps, self.total))
        else:
            index = self.index
            for begin in range(0, len(index), steps):
                yield index[begin : begin + steps]

    @property
    def _is_laid_out(self) -> bool:
        return bool((self.starts == self.offsets[:-1]).all())


@dataclass(frozen=True, eq=False, repr=False)
class Ragged(_Slices):
    """Features of every sample, laid end to end: row i is `values[starts[i] : starts[i] + lengths[i]]`.

    Args:
        values: features of all steps, in memory or memory-mapped.
        observed: False at steps that hold nothing (no face found, no label given).
        times: start and end of each step in seconds, where they are known of any; NaN at steps of which they
            are not, which only come from samples without times that were joined to samples with
            (`times_of` gives those of one row).
    Shapes:
        values: (steps, feature)
        observed: (steps,)
        times: (steps, 2)
    Raises:
        DataError: the arrays do not fit together.
    Example:
        >>> rows = Ragged.from_rows([np.ones((2, 3)), None, np.ones((4, 3))], dim=3)
        >>> rows.lengths.tolist(), rows.total, rows.dim
        ([2, 0, 4], 6, 3)
        >>> rows.pad(np.array([0, 1])).mask.tolist()
        [[True, True], [False, False]]
    """

    values: NDArray[Any]
    observed: NDArray[np.bool_]
    times: NDArray[np.float64] | None = None

    def __repr__(self) -> str:
        times = "" if self.times is None else ", with times"
        return f"Ragged({len(self):,} rows, {self.total:,} steps of {self.values.shape[1]} features{times})"

    def __post_init__(self) -> None:
        steps = len(self.values)
        if self.values.ndim != 2 or self.values.dtype.kind != "f":
            raise DataError(
                "Ragged: values must be floating point of shape (steps, feature), "
                f"got {self.values.dtype} of shape {self.values.shape}"
            )
        if self.observed.dtype != bool or self.observed.shape != (steps,):
            raise DataError(
                f"Ragged: observed must be bool of shape ({steps},), "
                f"got {self.observed.dtype} of shape {self.observed.shape}"
            )
        if self.times is not None and self.times.shape != (steps, 2):
            raise DataError(f"Ragged: times must have shape ({steps}, 2), got {self.times.shape}")
        inside = (self.starts >= 0) & (self.lengths >= 0) & (self.starts + self.lengths <= steps)
        if self.starts.shape != self.lengths.shape or self.starts.ndim != 1 or not inside.all():
            raise DataError(f"Ragged: starts and lengths must describe rows inside the {steps} steps")

    @classmethod
    def from_offsets(
        cls,
        values: NDArray[Any],
        offsets: Rows,
        observed: NDArray[np.bool_] | None = None,
        times: NDArray[np.float64] | None = None,
    ) -> Self:
        """Rows that follow each other: row i is `values[offsets[i] : offsets[i + 1]]`."""
        observed = np.ones(len(values), dtype=bool) if observed is None else observed
        offsets = np.asarray(offsets, dtype=np.int64)
        return cls(offsets[:-1], np.diff(offsets), values, observed, times)

    @classmethod
    def from_rows(
        cls,
        rows: Iterable[NDArray[Any] | None],
        dim: int,
        observed: Iterable[NDArray[np.bool_] | None] | None = None,
        times: Iterable[NDArray[np.float64] | None] | None = None,
    ) -> Self:
        """One array (steps, dim) per sample; None where the sample lacks the modality.

        Args:
            rows: the steps of each sample.
            dim: feature size.
            observed: which of its steps hold something, (steps,) per sample; None: all do.
            times: start and end of its steps, (steps, 2) per sample; None: they are not known. Where some
                samples have times, those of the others are NaN.
        Raises:
            DataError: the arrays of a sample do not fit together.
        Example:
            >>> seconds = np.array([[0.0, 0.5], [0.5, 1.0]])
            >>> rows = [np.ones((2, 1)), None, np.ones((1, 1))]
            >>> Ragged.from_rows(rows, 1, times=[seconds, None, None]).times.tolist()
            [[0.0, 0.5], [0.5, 1.0], [nan, nan]]
        """
        filled = [np.zeros((0, dim), np.float32) if row is None else np.asarray(row) for row in rows]
        wrong = next((i for i, row in enumerate(filled) if row.ndim != 2 or row.shape[1] != dim), None)
        if wrong is not None:
            raise DataError(f"Ragged: row {wrong} must have shape (steps, {dim}), got {filled[wrong].shape}")
        counts = [len(row) for row in filled]
        with np.errstate(over="ignore", invalid="ignore"):  # beyond float32 is infinite
            values = np.concatenate(
                [*filled, np.zeros((0, dim), np.float32)], dtype=np.float32, casting="unsafe"
            )
        seen = None
        if observed is not None:
            given = check_times(observed, counts, (), "observed")
            seen = np.concatenate(
                [
                    np.ones(count, dtype=bool) if row is None else np.asarray(row, dtype=bool)
                    for row, count in zip(given, counts, strict=True)
                ]
                + [np.zeros(0, dtype=bool)]
            )
        seconds = None if times is None else join_times(check_times(times, counts, (2,), "times"), counts)
        return cls.from_offsets(values, np.cumsum([0, *counts]), seen, seconds)

    @classmethod
    def vectors(cls, values: NDArray[Any], observed: NDArray[np.bool_] | None = None) -> Self:
        """One step per sample: `values` (samples, feature), or (samples,) for one feature."""
        with np.errstate(over="ignore", invalid="ignore"):  # beyond float32 is infinite
            values = np.asarray(values, dtype=np.float32)
        values = values if values.ndim == 2 else values.reshape(len(values), 1)
        return cls.from_offsets(values, np.arange(len(values) + 1), observed)

    @classmethod
    def join(cls, parts: Iterable[Ragged]) -> Self:
        """The rows of all, one after the other.

        Times are kept where any part with steps has them: a part without steps takes none away, and the
        steps of a part that has no times get NaN.

        Raises:
            DataError: the parts differ in feature size.
        Example:
            >>> one = Ragged.from_rows([np.ones((2, 3)), None], dim=3)
            >>> Ragged.join([one, one]).lengths.tolist()
            [2, 0, 2, 0]
        """
        flat = [part.flat() for part in parts]
        sizes = [part.dim for part in flat]
        if len(set(sizes)) > 1:
            raise DataError(f"Ragged: parts with features of one size can be joined, got sizes {sizes}")
        return cls.from_offsets(
            np.concatenate([part.values for part in flat]),
            np.cumsum([0, *(n for part in flat for n in part.lengths)]),
            np.concatenate([part.observed for part in flat]),
            join_times([part.times for part in flat], [len(part.values) for part in flat]),
        )

    @property
    def dim(self) -> int:
        """Feature size."""
        return int(self.values.shape[1])

    def __getitem__(self, row: int) -> NDArray[Any]:
        """The steps of one sample, (steps, feature)."""
        return self.values[self.starts[row] : self.starts[row] + self.lengths[row]]

    def take(self, rows: Rows) -> Ragged:
        """The samples `rows`, as a view."""
        return Ragged(self.starts[rows], self.lengths[rows], self.values, self.observed, self.times)

    def flat(self) -> Ragged:
        """The same rows laid end to end with nothing between them; itself where they already are."""
        if self._is_laid_out and self.total == len(self.values):
            return self
        index = self.index
        times = None if self.times is None else self.times[index]
        return Ragged.from_offsets(self.values[index], self.offsets, self.observed[index], times)

    def keep(self, observed: NDArray[np.bool_]) -> Ragged:
        """Lose the steps where `observed`, (steps,), is False. Nothing moves."""
        return Ragged(self.starts, self.lengths, self.values, self.observed & observed, self.times)

    @property
    def present(self) -> NDArray[np.bool_]:
        """(rows,): whether the sample has the modality at all."""
        seen = np.concatenate([[0], np.cumsum(self.observed)])
        present: NDArray[np.bool_] = seen[self.starts + self.lengths] > seen[self.starts]
        return present

    def chunks(self, steps: int | None = None) -> Iterator[NDArray[np.float64]]:
        """The observed steps as float64 blocks of at most `steps`: a mapped file is never copied whole.

        By default a block holds what fits into a processor's cache. What float32 cannot hold is infinite, as
        it is to a model.
        """
        for block in self.blocks(max(1, 2**18 // self.dim) if steps is None else steps):
            yield in_float32_range(self.values[block][self.observed[block]])

    def pad(self, rows: Rows, time: int = 1) -> Sequence:
        """The samples `rows` as a Sequence, as long as the longest of them and at least `time` steps."""
        import torch

        from affect.sequences import Sequence

        starts, lengths = self.starts[rows], self.lengths[rows]
        shape = (len(lengths), max(int(lengths.max(initial=0)), time, 1))
        padded, observed = torch.empty(*shape, self.dim), torch.zeros(shape, dtype=torch.bool)
        values, mask = padded.numpy(), observed.numpy()
        with np.errstate(over="ignore", invalid="ignore"):  # beyond float32 is infinite
            for row, begin, length in zip(
                range(len(lengths)), starts.tolist(), lengths.tolist(), strict=True
            ):
                values[row, :length] = self.values[begin : begin + length]
                values[row, length:] = 0
                mask[row, :length] = self.observed[begin : begin + length]
        values[~mask] = 0
        return Sequence(padded, observed, zeroed=True)


@dataclass(frozen=True, eq=False)
class Words(_Slices):
    """The words of every sample, with their times where they are known.

    Args:
        tokens: all words.
        times: start and end of each word in seconds, (words, 2), NaN as in `Ragged`.
    Example:
        >>> words = Words.from_rows([["so", "good"], []])
        >>> words[0], words.lengths.tolist()
        (['so', 'good'], [2, 0])
    """

    tokens: tuple[str, ...]
    times: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        if len(self) and int((self.starts + self.lengths).max()) > len(self.tokens):
            raise DataError(f"Words: rows must lie inside the {len(self.tokens)} words")
        if self.times is not None and self.times.shape != (len(self.tokens), 2):
            raise DataError(f"Words: times must have shape ({len(self.tokens)}, 2), got {self.times.shape}")

    @classmethod
    def from_offsets(
        cls, tokens: Iterable[str], offsets: Rows, times: NDArray[np.float64] | None = None
    ) -> Self:
        """Rows that follow each other: row i is `tokens[offsets[i] : offsets[i + 1]]`."""
        offsets = np.asarray(offsets, dtype=np.int64)
        return cls(offsets[:-1], np.diff(offsets), tuple(tokens), times)

    @classmethod
    def from_rows(
        cls, rows: Iterable[Iterable[str]], times: Iterable[NDArray[np.float64] | None] | None = None
    ) -> Self:
        """One list of words per sample.

        Args:
            rows: the words of each sample.
            times: start and end of its words, (words, 2) per sample; None: they are not known.
        """
        lists = [list(row) for row in rows]
        counts = [len(row) for row in lists]
        seconds = None if times is None else join_times(check_times(times, counts, (2,), "times"), counts)
        return cls.from_offsets(itertools.chain.from_iterable(lists), np.cumsum([0, *counts]), seconds)

    @classmethod
    def join(cls, parts: Iterable[Words]) -> Self:
        """The rows of all, one after the other; times as in `Ragged.join`."""
        flat = [part.flat() for part in parts]
        return cls.from_offsets(
            itertools.chain.from_iterable(part.tokens for part in flat),
            np.cumsum([0, *(n for part in flat for n in part.lengths)]),
            join_times([part.times for part in flat], [len(part.tokens) for part in flat]),
        )

    def __getitem__(self, row: int) -> list[str]:
        return list(self.tokens[self.starts[row] : self.starts[row] + self.lengths[row]])

    def take(self, rows: Rows) -> Words:
        """The samples `rows`, as a view."""
        return Words(self.starts[rows], self.lengths[rows], self.tokens, self.times)

    def flat(self) -> Words:
        """The same rows laid end to end with nothing between them; itself where they already are."""
        if self._is_laid_out and self.total == len(self.tokens):
            return self
        index = self.index
        times = None if self.times is None else self.times[index]
        return Words.from_offsets([self.tokens[i] for i in index], self.offsets, times)


def times_of(rows: Ragged | Words, row: int, partial: bool = False) -> NDArray[np.float64] | None:
    """Start and end of the steps, or words, of one row; None where they are not known, or there are none.

    Args:
        rows: of any times.
        row: which.
        partial: that some times may be NaN; else all are None where one is.
    Shapes:
        -> (steps, 2)
    Example:
        >>> words = Words.from_rows([["so"], ["good"]], times=[np.array([[0.0, 0.5]]), None])
        >>> times_of(words, 0).tolist(), times_of(words, 1)
        ([[0.0, 0.5]], None)
    """
    if rows.times is None or not rows.lengths[row]:
        return None
    times = rows.times[rows.starts[row] : rows.starts[row] + rows.lengths[row]]
    unknown = np.isnan(times)
    return None if (unknown.all() if partial else unknown.any()) else times


def row_numbers(who: str, rows: Any, count: int) -> Rows:
    """Rows by number, from numbers or a mask of all; `who` begins the message.

    Raises:
        DataError: they are no whole numbers below `count`, and no mask of that length.
    Example:
        >>> row_numbers("Split.take", [True, False, True], 3)
        array([0, 2])
    """
    found = np.asarray(rows)
    if found.dtype == bool and found.shape == (count,):
        return np.flatnonzero(found)
    if not found.size and found.ndim == 1:
        return np.zeros(0, dtype=np.int64)
    if found.ndim != 1 or found.dtype.kind not in "iu" or not ((-count <= found) & (found < count)).all():
        raise DataError(
            f"{who}: expected numbers of rows from 0 to {count - 1}, or a mask of {count}, "
            f"got {described(rows)}"
        )
    return found
