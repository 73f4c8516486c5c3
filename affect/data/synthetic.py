"""Generated corpora with a planted signal whose best possible score is known.

Words and frames have MOSI-like lengths (median about 11 words). The Bayes score, that of the posterior given
all features, is computed from the generating process and stands in `Corpus.ceiling`: no model beats it
but by chance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from affect import metrics
from affect.data.corpus import Corpus, Split
from affect.data.ragged import Ragged
from affect.data.targets import Regression
from affect.errors import ConfigError, did_you_mean

Array: TypeAlias = NDArray[np.float64]

SAMPLES = {"train": 600, "valid": 200, "test": 400}
DIMS = {"acoustic": 5, "text": 8, "visual": 6}
FRAMES_PER_WORD = {"acoustic": 3, "text": 1, "visual": 2}
NOISE = {"acoustic": 1.6, "text": 1.0, "visual": 1.4}  # of a step, beside a signal of size one
QUIET = {"acoustic": 0.7, "text": 0.45, "visual": 1.0}  # the same where a word must be heard alone
EDGE = np.sqrt(3.0)  # latents are uniform on [-EDGE, EDGE]: variance 1
DRAWS = 1024  # from the posterior, for its median
CODE_PERIODS = (8.0, 64.0)  # words


def generate(name: str, seed: int = 0) -> Corpus:
    """A generated corpus by its name.

    Args:
        name: `synthetic` (the interaction), `synthetic:additive`, `synthetic:interaction` or
            `synthetic:temporal`; `:aligned` may follow.
        seed: of the whole corpus.
    Raises:
        ConfigError: there is no such corpus.
    Example:
        >>> corpus = generate("synthetic:additive:aligned")
        >>> corpus.aligned, {name: len(split) for name, split in corpus.splits.items()}
        (True, {'train': 600, 'valid': 200, 'test': 400})
    """
    kind, _, form = name.partition(":")[2].partition(":")
    makers = {"additive": additive, "interaction": interaction, "temporal": temporal}
    kind = kind or "interaction"
    if kind not in makers:
        raise ConfigError(f"no generated corpus '{name}'; {did_you_mean(kind, makers)}")
    if form not in ("", "aligned"):
        raise ConfigError(f"no generated corpus '{name}'; only ':aligned' may follow 'synthetic:{kind}'")
    return makers[kind](aligned=form == "aligned", seed=seed)


def additive(*, samples: Mapping[str, int] = SAMPLES, aligned: bool = False, seed: int = 0) -> Corpus:
    """Each modality carries its own part: sentiment = 0.9 text + 0.5 acoustic + 0.3 visual.

    Every step of a modality holds the sample's latent along one direction, and noise; latents are uniform.

    Args:
        samples: how many in each split.
        aligned: the same number of steps in every modality.
        seed: of the whole corpus.
    """

    def target(z: Mapping[str, Array]) -> Array:
        return 0.9 * z["text"] + 0.5 * z["acoustic"] + 0.3 * z["visual"]

    return _latent("additive", target, samples, aligned, seed)


def interaction(*, samples: Mapping[str, int] = SAMPLES, aligned: bool = False, seed: int = 0) -> Corpus:
    """A product of two modalities: sentiment = 0.85 text * acoustic + 0.15 visual.

    No sum of functions of single modalities sees the product: a concatenation that is read linearly is left
    with the visual part (r about 0.2), while tensor and bilinear fusions can read it all.

    Args:
        samples: how many in each split.
        aligned: the same number of steps in every modality.
        seed: of the whole corpus.
    """

    def target(z: Mapping[str, Array]) -> Array:
        return 0.85 * z["text"] * z["acoustic"] + 0.15 * z["visual"]

    return _latent("interaction", target, samples, aligned, seed)


def temporal(*, samples: Mapping[str, int] = SAMPLES, aligned: bool = False, seed: int = 0) -> Corpus:
    """Which acoustic event meets which word: sentiment = 3 * mean over words of content * emphasis.

    Every word has a content, -1 or 1, and an emphasis, -1 or 1, heard in the frames of that word; all are
    drawn independently, so that neither modality alone, nor their means over time, say much. The last four
    features of every step are sines and cosines of the word's number: what an attention needs to
    find, in another modality, the moment of a word. The visual modality holds time codes and noise alone.

    Args:
        samples: how many in each split.
        aligned: the same number of steps in every modality.
        seed: of the whole corpus.
    """
    rng = np.random.default_rng((seed, 2))
    directions = _directions(rng, less=2 * len(CODE_PERIODS))
    splits, ceiling = {}, {}
    for place, (name, count) in enumerate(samples.items()):
        rng = np.random.default_rng((seed, 2, place))
        words = _words(rng, count)
        ends = np.concatenate([[0], np.cumsum(words)])
        number = np.arange(ends[-1]) - np.repeat(ends[:-1], words)
        sign = {m: rng.choice([-1.0, 1.0], size=ends[-1]) for m in ("text", "acoustic")}
        rows, posterior = {}, {}
        for m in DIMS:
            frames = 1 if aligned else FRAMES_PER_WORD[m]
            signal = np.repeat(sign.get(m, np.zeros(ends[-1])), frames)
            x = signal[:, None] * directions[m] + QUIET[m] * rng.normal(
                size=(len(signal), len(directions[m]))
            )
            along = (x @ directions[m]).reshape(-1, frames).sum(1)
            posterior[m] = np.tanh(along / QUIET[m] ** 2)
            angles = 2 * np.pi * np.repeat(number, frames)[:, None] / np.array(CODE_PERIODS)
            x = np.concatenate([x, np.sin(angles), np.cos(angles)], 1)
            rows[m] = Ragged.from_offsets(x.astype(np.float32), ends * frames)
        truth = 3 * np.add.reduceat(sign["text"] * sign["acoustic"], ends[:-1]) / words
        splits[name] = _split(place, rows, truth)
        if name == "test":
            together = posterior["text"] * posterior["acoustic"]  # the posterior mean of a word's product
            drawn = np.where(rng.uniform(-1, 1, (DRAWS, len(together))) < together, 1.0, -1.0)
            sums = np.add.reduceat(drawn, ends[:-1], axis=1)
            ceiling = _ceiling(3 * np.add.reduceat(together, ends[:-1]) / words, 3 * sums / words, truth)
    return _corpus("temporal", splits, aligned, ceiling)


def _latent(
    kind: str,
    target: Callable[[Mapping[str, Array]], Array],
    samples: Mapping[str, int],
    aligned: bool,
    seed: int,
) -> Corpus:
    """A corpus whose target is a function of latents; every step of a modality holds its latent."""
    from scipy.stats import norm

    directions = _directions(np.random.default_rng((seed, 1)))
    splits, ceiling = {}, {}
    for place, (name, count) in enumerate(samples.items()):
        rng = np.random.default_rng((seed, 1, place))
        words = _words(rng, count)
        latent = {m: rng.uniform(-EDGE, EDGE, count) for m in DIMS}
        rows, draws = {}, {}
        for m in DIMS:
            steps = words * (1 if aligned else FRAMES_PER_WORD[m])
            ends = np.concatenate([[0], np.cumsum(steps)])
            signal = np.repeat(latent[m], steps)[:, None] * directions[m]
            x = signal + NOISE[m] * rng.normal(size=signal.shape)
            rows[m] = Ragged.from_offsets(x.astype(np.float32), ends)
            # given the features, the latent is normal around their mean along the direction, cut at the edges
            centre = np.add.reduceat(x @ directions[m], ends[:-1]) / steps
            spread = NOISE[m] / np.sqrt(steps)
            low, high = (norm.cdf((edge - centre) / spread) for edge in (-EDGE, EDGE))
            draws[m] = centre + spread * norm.ppf(low + (high - low) * rng.uniform(size=(DRAWS, count)))
        truth = target(latent)
        splits[name] = _split(place, rows, truth)
        if name == "test":
            drawn = target(draws)
            ceiling = _ceiling(drawn.mean(0), drawn, truth)
    return _corpus(kind, splits, aligned, ceiling)


def _directions(rng: np.random.Generator, less: int = 0) -> dict[str, Array]:
    """A direction of length one for each modality, in all its features but the last `less`."""
    drawn = {m: rng.normal(size=dim - less) for m, dim in DIMS.items()}
    return {m: direction / np.linalg.norm(direction) for m, direction in drawn.items()}


def _words(rng: np.random.Generator, count: int) -> NDArray[np.int64]:
    """Words per sample: median about 11, 2 to 50, as in MOSI."""
    return np.clip(rng.gamma(2.2, 5.8, count).round(), 2, 50).astype(np.int64)


def _split(place: int, rows: dict[str, Ragged], truth: Array) -> Split:
    """Ten samples to a video; no video is in two splits."""
    videos = [f"video{place}{i // 10:04d}" for i in range(len(truth))]
    return Split(
        ids=tuple(f"{video}_{i % 10}" for i, video in enumerate(videos)),
        modalities=rows,
        targets={"sentiment": Ragged.vectors(truth)},
        groups=tuple(videos),
    )


def _ceiling(mean: Array, draws: Array, truth: Array) -> dict[str, float]:
    """What the posterior mean (r) and the posterior median (MAE) reach."""
    return {
        "pearson": metrics.pearson(mean, truth),
        "mae": metrics.mae(np.median(draws, axis=0), truth),
    }


def _corpus(kind: str, splits: dict[str, Split], aligned: bool, ceiling: dict[str, float]) -> Corpus:
    return Corpus(
        name=f"synthetic:{kind}" + ":aligned" * aligned,
        splits=splits,
        targets={"sentiment": Regression("sentiment", low=-3, high=3)},
        aligned=aligned,
        ceiling=ceiling,
    )
