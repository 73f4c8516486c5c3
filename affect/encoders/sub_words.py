"""Sub-words laid out for a pretrained encoder: special tokens around them, and the word that each is of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from affect.sequences import Sequence


@dataclass(frozen=True)
class SpecialTokens:
    """The tokens that stand around a text, for words that are unknown or hidden, and behind the end.

    Segments are the numbers of those before it, within, and behind it, where they are not all zero.
    """

    before: list[int]
    behind: list[int]
    unknown: int
    mask: int | None
    padding: int
    segments: tuple[list[int], int, list[int]] | None = None

    @classmethod
    def of(cls, tokenizer: Any) -> SpecialTokens:
        text = tokenizer([["a"]], is_split_into_words=True)
        ids, words = text["input_ids"][0], text.word_ids(0)
        inside = [i for i, word in enumerate(words) if word is not None]
        unknown = tokenizer.unk_token_id
        kinds = text.get("token_type_ids", [[0]])[0]
        segments = (kinds[: inside[0]], kinds[inside[0]], kinds[inside[-1] + 1 :]) if any(kinds) else None
        return cls(
            before=ids[: inside[0]],
            behind=ids[inside[-1] + 1 :],
            unknown=ids[inside[0]] if unknown is None else unknown,
            mask=tokenizer.mask_token_id,
            padding=tokenizer.pad_token_id,
            segments=segments,
        )


@dataclass(frozen=True)
class LaidOutTokens:
    """Sub-words of a batch, and the word that each belongs to.

    Shapes:
        ids, mask, inside, word, segments: (batch, token); `mask` holds special tokens too, `inside` sub-words
        alone
    """

    ids: Tensor
    mask: Tensor
    inside: Tensor
    word: Tensor
    segments: Tensor | None = None

    def spread(self, x: Sequence, special: bool = False) -> Sequence:
        """The steps of words, (batch, words, feature), at their sub-words.

        At special tokens they are unobserved, or, where these are asked for, zeros of what is present.
        """
        values = x.values.gather(1, self.word.unsqueeze(-1).expand(-1, -1, x.dim))
        mask = x.mask.gather(1, self.word) & self.inside
        if not special:
            return Sequence(values, mask)
        around = self.mask & ~self.inside & x.present.unsqueeze(1)
        return Sequence(values * self.inside.unsqueeze(-1), mask | around)

    def pool(self, hidden: Tensor, x: Sequence) -> Sequence:
        """The mean of each word's sub-words, at the steps of `x`."""
        own = hidden * self.inside.unsqueeze(-1)
        sums = hidden.new_zeros(*x.mask.shape, hidden.shape[-1])
        sums = sums.scatter_add(1, self.word.unsqueeze(-1).expand_as(own), own)
        counts = self.inside.new_zeros(x.mask.shape, dtype=torch.long)
        counts = counts.scatter_add(1, self.word, self.inside.long())
        return Sequence(sums / counts.clamp(min=1).unsqueeze(-1), counts > 0)


def lots(lengths: list[int], most: int) -> Iterator[slice]:
    """Texts that are read together: neighbours, of not more tokens than `most` with padding, or a single one.

    Args:
        lengths: tokens of each text, the longest first.
        most: tokens of a lot.
    Example:
        >>> [*lots([9, 4, 4, 3, 1], most=8)]
        [slice(0, 1, None), slice(1, 3, None), slice(3, 5, None)]
    """
    begin = 0
    while begin < len(lengths):
        end = min(begin + max(1, most // lengths[begin]), len(lengths))
        yield slice(begin, end)
        begin = end


def groups(lengths: list[int], cost: int) -> list[int]:
    """Sizes of groups of texts that make the least of padding and of groups.

    Args:
        lengths: tokens of each text, the shortest first.
        cost: tokens that take about as long as one group more.
    Example:
        >>> groups([4, 5, 5, 30, 31, 50], 64), groups([4, 5, 5, 7, 9, 10], 64), groups([5], 64)
        ([3, 3], [6], [1])
    """
    steps, least = np.array(lengths), np.zeros(len(lengths) + 1)
    ways: list[list[int]] = [[]]  # of the rows up to each
    for end in range(1, len(lengths) + 1):
        computed = least[:end] + np.arange(end, 0, -1) * steps[end - 1] + cost
        begin = int(computed.argmin())
        least[end] = computed[begin]
        ways.append([*ways[begin], end - begin])
    return ways[-1]
