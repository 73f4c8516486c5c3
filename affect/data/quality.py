"""What in a corpus would spoil results, in numbers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affect.data.corpus import Corpus, Split
from affect.data.precision import beyond, in_float32_range
from affect.data.ragged import Ragged, Words

_LAGS = (0, 1, -1)
_NOTHING = "hold nothing in any modality"


@dataclass(frozen=True)
class Columns:
    """The observed steps of a modality, by column.

    Args:
        nan: how many values are NaN, (feature,).
        infinite: how many are infinite in float32, (feature,).
        beyond: how many of these are finite in 64 bits, (feature,).
        low: the least finite value, (feature,); infinite where there is none.
        high: the greatest finite value, (feature,).
        mean: of the finite values, (feature,); zero where there is none.
        spread: their standard deviation, (feature,).
    """

    nan: NDArray[np.int64]
    infinite: NDArray[np.int64]
    beyond: NDArray[np.int64]
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
        nan, infinite, wild = np.zeros((3, rows.dim), dtype=np.int64)
        low, high = np.full(rows.dim, np.inf), np.full(rows.dim, -np.inf)
        count, mean, square = np.zeros((3, rows.dim))
        for place in rows.blocks(max(1, 2**18 // max(1, rows.dim))):
            block = in_float32_range(rows.values[place][rows.observed[place]])
            with np.errstate(invalid="ignore"):  # the one infinity and the other
                total = block.sum(0)
            finite: bool | NDArray[np.bool_] = True
            here = np.full(rows.dim, len(block), dtype=np.float64)
            if not np.isfinite(total).all():
                finite = np.isfinite(block)
                nan += np.isnan(block).sum(0)
                infinite += np.isinf(block).sum(0)
                wild += beyond(rows.values[place][rows.observed[place]]).sum(0)
                here, total = finite.sum(0, dtype=np.float64), block.sum(0, where=finite)
            low = np.minimum(low, np.min(block, axis=0, initial=np.inf, where=finite))
            high = np.maximum(high, np.max(block, axis=0, initial=-np.inf, where=finite))
            own = total / np.maximum(here, 1)
            away, both = own - mean, np.maximum(count + here, 1)
            square += ((block - own) ** 2).sum(0, where=finite) + away**2 * count * here / both
            mean += away * here / both
            count += here
        return cls(nan, infinite, wild, low, high, mean, np.sqrt(square / np.maximum(count, 1)))

    @property
    def constant(self) -> NDArray[np.bool_]:
        """(feature,): columns with one finite value throughout."""
        return np.equal(self.low, self.high)


def empty_samples(split: Split) -> list[int]:
    """The samples that hold nothing: no step of any modality was observed, and there is no word.

    None where the split has neither modalities nor words: it is labels alone, and says so. Only the masks
    are read, and those of further modalities only where the first ones are empty.

    Example:
        >>> ecg = Ragged.from_rows([np.ones((2, 1)), None], 1)
        >>> empty_samples(Split(("a", "b"), {"ecg": ecg}, {}))
        [1]
    """
    if not split.modalities and split.words is None:
        return []
    left = np.arange(len(split)) if split.words is None else np.flatnonzero(split.words.lengths == 0)
    for rows in split.modalities.values():
        if len(left):
            left = left[~rows.take(left).present]
    found: list[int] = left.tolist()
    return found


def empty_samples_notes(splits: Mapping[str, Split]) -> tuple[str, ...]:
    """What is to be said of samples that hold nothing in any modality, a sentence for each split.

    Example:
        >>> ecg = Ragged.from_rows([np.ones((2, 1)), None], 1)
        >>> empty_samples_notes({"all": Split(("a", "b"), {"ecg": ecg}, {})})
        ("all: 1 of 2 samples hold nothing in any modality, such as 'b'.",)
    """
    found = {name: empty_samples(split) for name, split in splits.items()}
    return tuple(
        empty_samples_note(name, len(rows), len(splits[name]), splits[name].ids[rows[0]])
        for name, rows in found.items()
        if rows
    )


def empty_samples_note(split: str, count: int, samples: int, first: str) -> str:
    """The sentence of `empty_samples_notes` for one split, in which `first` is one of its `count` samples.

    Example:
        >>> empty_samples_note("train", 1200, 2000, "a")
        "train: 1,200 of 2,000 samples hold nothing in any modality, such as 'a'."
    """
    return f"{split}: {count:,} of {samples:,} samples {_NOTHING}, such as '{first}'."


def with_notes(corpus: Corpus) -> Corpus:
    """The same corpus, whose notes say which samples hold nothing; itself where they do already.

    What was noted of that before gives way: it may be of other modalities or ids.

    Example:
        >>> ecg = Ragged.from_rows([np.ones((2, 1)), None], 1)
        >>> corpus = Corpus("c", {"all": Split(("a", "b"), {"ecg": ecg}, {})}, {})
        >>> with_notes(with_notes(corpus)).notes
        ("all: 1 of 2 samples hold nothing in any modality, such as 'b'.",)
    """
    said = empty_samples_notes(corpus.splits)
    before = [note for note in corpus.notes if re.search(rf": [\d,]+ of [\d,]+ samples {_NOTHING}\b", note)]
    if set(before) == set(said) and len(before) == len(said):
        return corpus
    return replace(corpus, notes=(*(note for note in corpus.notes if note not in before), *said))


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
    known = ~np.isnan(words.times).any(1)
    if known.sum() < 100:
        return 0
    size = np.log([max(len(token), 1) for token in words.tokens])[known]
    seconds = np.log(np.maximum(words.times[:, 1] - words.times[:, 0], 1e-2))[known]
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
