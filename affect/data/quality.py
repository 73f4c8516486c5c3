"""What in a corpus would spoil results, in numbers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affect.data.ragged import Ragged, Words

_LAGS = (0, 1, -1)


@dataclass(frozen=True)
class Columns:
    """The observed steps of a modality, by column.

    Args:
        nan: how many values are NaN, (feature,).
        infinite: how many are infinite, (feature,).
        low: the least finite value, (feature,); infinite where there is none.
        high: the greatest finite value, (feature,).
        mean: of the finite values, (feature,); zero where there is none.
        spread: their standard deviation, (feature,).
    """

    nan: NDArray[np.int64]
    infinite: NDArray[np.int64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    mean: NDArray[np.float64]
    spread: NDArray[np.float64]

    @classmethod
    def of(cls, rows: Ragged) -> Columns:
        """Look at every value once, a block of steps at a time.

        Deviations from the mean are those from each block's own mean and those of the blocks' means.

        Reference:
            Chan et al., Algorithms for Computing the Sample Variance, The American Statistician 1983.
        Example:
            >>> found = Columns.of(Ragged.vectors(np.array([[1.0, np.nan], [2.0, -np.inf]])))
            >>> found.nan.tolist(), found.infinite.tolist(), found.high.tolist(), found.mean.tolist()
            ([0, 1], [0, 1], [2.0, -inf], [1.5, 0.0])
        """
        nan, infinite = np.zeros((2, rows.dim), dtype=np.int64)
        low, high = np.full(rows.dim, np.inf), np.full(rows.dim, -np.inf)
        count, mean, square = np.zeros((3, rows.dim))
        for block in rows.chunks():
            total = block.sum(0)
            finite: bool | NDArray[np.bool_] = True
            here = np.full(rows.dim, len(block), dtype=np.float64)
            if not np.isfinite(total).all():
                finite = np.isfinite(block)
                nan += np.isnan(block).sum(0)
                infinite += np.isinf(block).sum(0)
                here, total = finite.sum(0, dtype=np.float64), block.sum(0, where=finite)
            low = np.minimum(low, np.min(block, axis=0, initial=np.inf, where=finite))
            high = np.maximum(high, np.max(block, axis=0, initial=-np.inf, where=finite))
            own = total / np.maximum(here, 1)
            away, both = own - mean, np.maximum(count + here, 1)
            square += ((block - own) ** 2).sum(0, where=finite) + away**2 * count * here / both
            mean += away * here / both
            count += here
        return cls(nan, infinite, low, high, mean, np.sqrt(square / np.maximum(count, 1)))

    @property
    def constant(self) -> NDArray[np.bool_]:
        """(feature,): columns with one finite value throughout."""
        return np.equal(self.low, self.high)


def empty_steps(rows: Ragged) -> int:
    """Observed steps that hold only zeros: most often nothing was measured there.

    Example:
        >>> empty_steps(Ragged.vectors(np.array([[0.0, 0.0], [0.0, 1.0]])))
        1
    """
    return sum(int((~block.any(1)).sum()) for block in rows.chunks())


def lag(words: Words) -> int:
    """How many places the words seem to stand before their times: 0 where they fit, or where nothing is told.

    Long words take long, so the place at which lengths and durations go together is the right one.

    Example:
        >>> tokens = ["a", "tremendously", "good", "I", "extraordinarily", "so"] * 20
        >>> ends = np.cumsum([0.05 * len(token) for token in tokens])
        >>> times = np.stack([ends - [0.05 * len(token) for token in tokens], ends], 1)
        >>> late = Words.from_offsets(["um", *tokens[:-1]], np.array([0, len(tokens)]), times)
        >>> lag(Words.from_offsets(tokens, np.array([0, len(tokens)]), times)), lag(late)
        (0, 1)
    """
    fit = dict.fromkeys(_LAGS, 0.0)
    if words.times is None or len(words.tokens) < 100:
        return 0
    size = np.log([max(len(token), 1) for token in words.tokens])
    seconds = np.log(np.maximum(words.times[:, 1] - words.times[:, 0], 1e-2))
    for places in _LAGS:
        a, b = np.roll(size, -places)[1:-1], seconds[1:-1]
        if a.std() > 0 and b.std() > 0:
            fit[places] = float(np.corrcoef(a, b)[0, 1])
    best = max(_LAGS, key=lambda places: fit[places])
    return best if fit[best] > 0.2 and fit[best] > fit[0] + 0.2 else 0


def sha256(path: Path) -> str:
    """The checksum by which published files are told apart."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
