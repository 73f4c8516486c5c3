"""Generated corpora in the shape of CMU-MOSI, for timing.

The target is a sum of one latent per modality and of a product of two of them. Features are noise, in which
the latent shows in bursts. Lengths are all the longest there is, as in a padded file that is read with its
padding, or like CMU-MOSI's: a median of 11 words, and frames in proportion.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from affect.data.corpus import Corpus, Split
from affect.data.ragged import Ragged
from affect.data.targets import Regression

DIMS = {"text": 768, "acoustic": 5, "visual": 20}
WORDS = 50
FRAMES = {"text": 50, "acoustic": 375, "visual": 500}
SIZES = {"train": 1284, "valid": 229, "test": 686}

Lengths = Literal["mosi", "full"]
Rng = np.random.Generator


def shaped(
    lengths: Lengths, aligned: bool, frames: dict[str, int] = FRAMES, scale: float = 1.0, seed: int = 0
) -> Corpus:
    """A corpus of CMU-MOSI's sizes.

    Args:
        lengths: like CMU-MOSI's, or all the longest.
        aligned: a step of every modality to a word, or `frames`.
        frames: the most steps of each modality where they are not aligned.
        scale: times CMU-MOSI's number of samples.
        seed: of everything.
    """
    rng = np.random.default_rng(seed)
    directions = {m: 3 * rng.standard_normal(dim) / np.sqrt(dim) for m, dim in DIMS.items()}
    most = dict.fromkeys(DIMS, WORDS) if aligned else frames
    splits = {
        name: _split(rng, name, round(scale * n), lengths, most, directions) for name, n in SIZES.items()
    }
    return Corpus("mosi_shaped", splits, {"sentiment": Regression("sentiment", low=-3, high=3)}, aligned)


def _split(
    rng: Rng,
    name: str,
    size: int,
    lengths: Lengths,
    most: dict[str, int],
    directions: dict[str, NDArray[Any]],
) -> Split:
    latent = rng.standard_normal((size, len(DIMS)))
    target = latent @ [1.2, 0.5, 0.4] + 0.45 * np.sign(latent[:, 1] * latent[:, 2]) * latent[:, 0]
    target += 0.3 * rng.standard_normal(size)
    words = np.clip(rng.gamma(2.2, 5.5, size).astype(int), 3, WORDS)
    words[0] = WORDS  # so that padding reaches the longest
    if lengths == "full":
        words[:] = WORDS
    modalities = {}
    for place, (modality, dim) in enumerate(DIMS.items()):
        steps = np.maximum(3, words * most[modality] // WORDS)
        values = rng.standard_normal((steps.sum(), dim), dtype=np.float32)
        burst = rng.random(len(values)) < 0.3
        shown = np.repeat(latent[:, place], steps)[burst]
        values[burst] += (shown[:, None] * directions[modality]).astype(np.float32)
        modalities[modality] = Ragged.from_offsets(values, np.cumsum([0, *steps]))
    ids = tuple(f"{name}{i // 20:04d}$_${i % 20}" for i in range(size))
    labels = Ragged.vectors(np.clip(target, -3, 3).astype(np.float32)[:, None])
    return Split(ids, modalities, {"sentiment": labels})
