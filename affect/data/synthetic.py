"""Generated corpora with a planted signal whose best possible score is known.

Words have MOSI-like counts (median about 11, 2 to 50), frames follow them in proportion, and every step has
noise of its own. The Bayes score, that of the posterior given all features, follows exactly from the
generating process (no sampling) and stands in `Corpus.ceiling`: no model beats it but by chance. Targets stay
inside [-3, 3] because latents are bounded; nothing is clipped.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from affect import metrics
from affect.data.conversations import conversations
from affect.data.corpus import Corpus, Split
from affect.data.factors import SharedFactors
from affect.data.posteriors import EDGE, Array, Counts, UniformPosterior, median_count
from affect.data.ragged import Ragged
from affect.data.shapes import SHAPES, shaped
from affect.data.targets import Regression
from affect.errors import ConfigError, did_you_mean

Line: TypeAlias = Callable[[Mapping[str, Array]], tuple[Array, Array]]

VERSION = 1
"""Raised when what is drawn under a name changes: finished runs on it are then done again."""

SAMPLES = {"train": 600, "valid": 200, "test": 400}
DIMS = {"acoustic": 5, "text": 8, "visual": 6}
FRAMES_PER_WORD = {"acoustic": 3, "text": 1, "visual": 2}
NOISE = {"acoustic": 1.4, "text": 0.9, "visual": 1.4}  # of a step, beside a signal of size about one
MOMENT_NOISE = {"acoustic": 1.2, "text": 0.7, "visual": 1.0}  # the same where a word is heard alone
LIMIT = 3.0  # of the target
CODE_PERIODS = (8.0, 64.0)  # words
CODES = 2 * len(CODE_PERIODS)  # a sine and a cosine each


def generate(name: str, seed: int = 0) -> Corpus:
    """A generated corpus by its name.

    Args:
        name: `synthetic` (the interaction), `synthetic:additive`, `synthetic:interaction` or
            `synthetic:temporal`; `:aligned` may follow each. Or the shape of a published file
            (`affect.data.shapes`): `synthetic:mosi_unaligned`, `synthetic:iemocap` and others; a number of
            training samples may follow each, as in `synthetic:mosi_unaligned:24`. Or `synthetic:shared`
            (`affect.data.factors`), which `:aligned`, `:shifted`, `:5%labelled` and `:50%unpaired` may
            follow, in this order and with other percentages. Or `synthetic:conversations`
            (`affect.data.conversations`).
        seed: of the whole corpus.
    Raises:
        ConfigError: there is no such corpus.
    Example:
        >>> corpus = generate("synthetic:additive:aligned")
        >>> corpus.aligned, {name: len(split) for name, split in corpus.splits.items()}
        (True, {'train': 600, 'valid': 200, 'test': 400})
    """
    makers = {"additive": additive, "interaction": interaction, "temporal": temporal}
    family = name.partition(":")[0]
    if family != "synthetic":
        raise ConfigError(f"no generated corpus '{name}'; {did_you_mean(family, ['synthetic'])}")
    kind, _, form = full_name(name).partition(":")[2].partition(":")
    if kind == "shared":
        return SharedFactors.named(name, seed).corpus()
    if kind == "conversations" and not form:
        return conversations(seed=seed)
    if kind not in makers and kind not in SHAPES:
        if kind == "conversations":
            raise ConfigError(f"no generated corpus '{name}'; nothing may follow 'synthetic:{kind}'")
        known = did_you_mean(kind, [*makers, *SHAPES, "conversations", "shared"])
        raise ConfigError(f"no generated corpus '{name}'; {known}")
    if kind in SHAPES:
        if form and not (form.isdecimal() and int(form)):
            raise ConfigError(
                f"no generated corpus '{name}'; only a number of training samples may follow "
                f"'synthetic:{kind}', such as 'synthetic:{kind}:24'"
            )
        return shaped(kind, train=int(form or 0), seed=seed)
    if form not in ("", "aligned"):
        raise ConfigError(f"no generated corpus '{name}'; only ':aligned' may follow 'synthetic:{kind}'")
    return makers[kind](aligned=form == "aligned", seed=seed)


def full_name(name: str) -> str:
    """A generated corpus's name with its kind.

    Example:
        >>> full_name("synthetic"), full_name("synthetic:aligned"), full_name("synthetic:temporal")
        ('synthetic:interaction', 'synthetic:interaction:aligned', 'synthetic:temporal')
    """
    family, _, rest = name.partition(":")
    return f"{family}:interaction{rest and ':'}{rest}" if rest in ("", "aligned") else name


def additive(
    *,
    samples: Mapping[str, int] = SAMPLES,
    dims: Mapping[str, int] = DIMS,
    frames_per_word: Mapping[str, int] = FRAMES_PER_WORD,
    aligned: bool = False,
    seed: int = 0,
) -> Corpus:
    """Each modality carries its own part: sentiment = 0.9 text + 0.5 acoustic + 0.3 visual.

    Every step of a modality holds the sample's latent along one direction, and noise; latents are uniform.

    Args:
        samples: how many in each split; the ceiling is known where there is a `test`.
        dims: feature sizes that differ from the usual 8 (text), 5 (acoustic) and 6 (visual).
        frames_per_word: steps per word that differ from the usual 1 (text), 3 (acoustic) and 2 (visual).
        aligned: one step per word everywhere, the mean of the word's frames.
        seed: of the whole corpus.
    Raises:
        ConfigError: a number is too small, or a modality does not exist.
    Example:
        >>> corpus = additive(samples={"train": 20, "test": 10}, seed=1)
        >>> corpus["test"].ids[0], sorted(corpus.ceiling)
        ('video0002_0', ['mae', 'pearson'])
    """
    form = _Form.checked("additive", samples, dims, frames_per_word, aligned, seed)
    return _latent(form, lambda z: (np.full_like(z["visual"], 0.9), 0.5 * z["acoustic"] + 0.3 * z["visual"]))


def interaction(
    *,
    samples: Mapping[str, int] = SAMPLES,
    dims: Mapping[str, int] = DIMS,
    frames_per_word: Mapping[str, int] = FRAMES_PER_WORD,
    aligned: bool = False,
    seed: int = 0,
) -> Corpus:
    """A product of two modalities: sentiment = 0.85 text * acoustic + 0.15 visual.

    No sum of functions of single modalities sees the product: a concatenation that is read linearly is left
    with the visual part (r about 0.2), while tensor and bilinear fusions of means over time can read it all.

    Args:
        samples: how many in each split; the ceiling is known where there is a `test`.
        dims: feature sizes that differ from the usual 8 (text), 5 (acoustic) and 6 (visual).
        frames_per_word: steps per word that differ from the usual 1 (text), 3 (acoustic) and 2 (visual).
        aligned: one step per word everywhere, the mean of the word's frames.
        seed: of the whole corpus.
    Raises:
        ConfigError: a number is too small, or a modality does not exist.
    Example:
        >>> interaction(samples={"train": 20}, dims={"text": 3}).dims
        {'acoustic': 5, 'text': 3, 'visual': 6}
    """
    form = _Form.checked("interaction", samples, dims, frames_per_word, aligned, seed)
    return _latent(form, lambda z: (0.85 * z["acoustic"], 0.15 * z["visual"]))


def temporal(
    *,
    samples: Mapping[str, int] = SAMPLES,
    dims: Mapping[str, int] = DIMS,
    frames_per_word: Mapping[str, int] = FRAMES_PER_WORD,
    aligned: bool = False,
    seed: int = 0,
) -> Corpus:
    """Which word is emphasised: sentiment = 3 * mean over words of content * emphasis.

    Words come in twos of opposite content, 1 and -1 in either order ("not bad but great"); the voice raises
    one of the two (1) and drops the other (-1), independently of the content; the last word of an odd count
    has neither. So means over time hold noise alone, and neither they, nor their products, nor any single
    modality say anything about the target's sign: a model has to know which event meets which word.
    The last four features of every step, in every modality, are the sines and cosines of 2 pi i / 8 and
    2 pi i / 64 for word i, without noise: what attention needs to find a word's moment in another modality
    (the codes of one word have the greatest inner product). The visual modality holds codes and noise alone.

    Args:
        samples: how many in each split; the ceiling is known where there is a `test`.
        dims: feature sizes that differ from the usual 8 (text), 5 (acoustic) and 6 (visual); 5 or more.
        frames_per_word: steps per word that differ from the usual 1 (text), 3 (acoustic) and 2 (visual).
        aligned: one step per word everywhere, the mean of the word's frames.
        seed: of the whole corpus.
    Raises:
        ConfigError: a number is too small, or a modality does not exist.
    Example:
        >>> rows = temporal(samples={"train": 20}, aligned=True)["train"].modalities["text"]
        >>> np.round(rows[0][1, -4:].astype(float), 2).tolist()  # sines, then cosines, of the second word
        [0.71, 0.1, 0.71, 1.0]
    """
    form = _Form.checked("temporal", samples, dims, frames_per_word, aligned, seed, least=CODES + 1)
    directions = form.directions(less=CODES)
    splits, ceiling = {}, {}
    for name in samples:
        rng, words = form.begin(name)
        ends = _ends(words)
        number = np.arange(ends[-1]) - np.repeat(ends[:-1], words)
        swing = np.where(number % 2 == 0, 1.0, -1.0)  # first and second of a pair
        paired = number < np.repeat(words - words % 2, words)
        first = _ends(words // 2)  # pairs of each sample
        sign = {m: rng.choice([-1.0, 1.0], size=first[-1]) for m in ("text", "acoustic")}
        rows, believed = {}, {}
        for m in DIMS:
            signal = np.zeros(ends[-1])
            signal[paired] = np.repeat(sign.get(m, np.zeros(first[-1])), 2) * swing[paired]
            x, along = form.steps(rng, m, signal, directions[m], MOMENT_NOISE[m])
            evidence = (along * swing)[paired].reshape(-1, 2).sum(1) * form.frames_per_word[m]
            believed[m] = np.tanh(evidence / MOMENT_NOISE[m] ** 2)  # the sign's posterior mean
            frames = form.steps_per_word(m)
            angles = 2 * np.pi * np.repeat(number, frames)[:, None] / np.array(CODE_PERIODS)
            x = np.concatenate([x, np.sin(angles), np.cos(angles)], 1)
            rows[m] = Ragged.from_offsets(x.astype(np.float32), ends * frames)
        scale = 2 * LIMIT / words  # two words to a pair
        truth = scale * np.add.reduceat(sign["text"] * sign["acoustic"], first[:-1])
        splits[name] = form.split(name, rows, truth)
        if name == "test":
            together = believed["text"] * believed["acoustic"]
            mean = scale * np.add.reduceat(together, first[:-1])
            ups = median_count((1 + together) / 2, first)
            ceiling = _ceiling(mean, scale * (2 * ups - words // 2), truth)
    return form.corpus(splits, ceiling)


def _latent(form: _Form, line: Line) -> Corpus:
    """Every step of a modality holds its sample's latent; the target is slope * text + rest.

    Args:
        form: what was asked for.
        line: from the acoustic and visual latents to (slope, rest).
    """
    directions = form.directions()
    splits, ceiling = {}, {}
    for name, count in form.samples.items():
        rng, words = form.begin(name)
        ends = _ends(words)
        latent = {m: rng.uniform(-EDGE, EDGE, count) for m in DIMS}
        rows, posterior = {}, {}
        for m in DIMS:
            x, along = form.steps(rng, m, np.repeat(latent[m], words), directions[m], NOISE[m])
            rows[m] = Ragged.from_offsets(x.astype(np.float32), ends * form.steps_per_word(m))
            spread = NOISE[m] / np.sqrt(words * form.frames_per_word[m])
            posterior[m] = UniformPosterior(np.add.reduceat(along, ends[:-1]) / words, spread)
        slope, rest = line(latent)
        truth = slope * latent["text"] + rest
        splits[name] = form.split(name, rows, truth)
        if name == "test":
            if form.key not in _CEILINGS:
                _CEILINGS[form.key] = _latent_ceiling(line, posterior, truth)
            ceiling = {**_CEILINGS[form.key]}
    return form.corpus(splits, ceiling)


_CEILINGS: dict[Hashable, dict[str, float]] = {}
"""Of corpora that this process has made, as they are most of the time that making one takes."""


def _latent_ceiling(line: Line, posterior: Mapping[str, UniformPosterior], truth: Array) -> dict[str, float]:
    """What nobody is better than who knows the posterior of each latent."""
    slope, rest = line({m: cut.mean() for m, cut in posterior.items()})
    mean = slope * posterior["text"].mean() + rest  # latents are independent, also given the features
    return _ceiling(mean, _median(line, posterior), truth)


def _median(line: Line, posterior: Mapping[str, UniformPosterior]) -> Array:
    """(samples,): the posterior median of slope * text + rest, by bisection.

    Text is integrated out exactly, acoustic and visual by Gauss's quadrature.
    """
    (a, weight_a), (v, weight_v) = (np.polynomial.legendre.leggauss(n) for n in (32, 8))
    weights = np.outer(weight_a, weight_v).reshape(-1, 1) / 4
    nodes = {
        "acoustic": posterior["acoustic"].at(np.repeat((a + 1) / 2, len(v))),
        "visual": posterior["visual"].at(np.tile((v + 1) / 2, len(a))),
    }
    slope, rest = line(nodes)  # (nodes, samples)
    low = np.full(slope.shape[1], -LIMIT)
    high = -low
    for _ in range(26):  # to 1e-7
        middle = (low + high) / 2
        share = posterior["text"].below((middle - rest) / slope)
        under = (weights * np.where(slope > 0, share, 1 - share)).sum(0) < 0.5
        low, high = np.where(under, middle, low), np.where(under, high, middle)
    median: Array = (low + high) / 2
    return median


@dataclass(frozen=True)
class _Form:
    """What was asked for, checked; `dims` and `frames_per_word` name every modality."""

    kind: str
    samples: Mapping[str, int]
    dims: Mapping[str, int]
    frames_per_word: Mapping[str, int]
    aligned: bool
    seed: int

    @classmethod
    def checked(
        cls,
        kind: str,
        samples: Mapping[str, int],
        dims: Mapping[str, int],
        frames_per_word: Mapping[str, int],
        aligned: bool,
        seed: int,
        least: int = 1,
    ) -> _Form:
        where = f"synthetic:{kind}"
        for what, given in (("dims", dims), ("frames_per_word", frames_per_word)):
            for m in given.keys() - DIMS.keys():
                raise ConfigError(f"{where}: {what}: no modality '{m}'; {did_you_mean(m, DIMS)}")
        for what, given, floor in (
            ("samples", samples, 1),
            ("dims", dims, least),
            ("frames_per_word", frames_per_word, 1),
        ):
            for key, value in given.items():
                if value < floor:
                    raise ConfigError(f"{where}: {what}: {key} must be {floor} or more, got {value}")
        if not samples:
            raise ConfigError(f"{where}: samples names no split; give a count for one, such as 'train'")
        if seed < 0:
            raise ConfigError(f"{where}: seed must be 0 or more, got {seed}")
        dims, frames_per_word = {**DIMS, **dims}, {**FRAMES_PER_WORD, **frames_per_word}
        return cls(kind, samples, dims, frames_per_word, aligned, seed)

    @property
    def key(self) -> Hashable:
        """What the same corpus is made from, in the order that its randomness is drawn in."""
        sizes = (tuple(given.items()) for given in (self.samples, self.dims, self.frames_per_word))
        return self.kind, *sizes, self.aligned, self.seed

    def steps_per_word(self, modality: str) -> int:
        return 1 if self.aligned else self.frames_per_word[modality]

    def directions(self, less: int = 0) -> dict[str, Array]:
        """A direction of length one for each modality, in all its features but the last `less`."""
        rng = self._rng(0)
        drawn = {m: rng.normal(size=self.dims[m] - less) for m in DIMS}
        return {m: direction / np.linalg.norm(direction) for m, direction in drawn.items()}

    def begin(self, split: str) -> tuple[np.random.Generator, Counts]:
        """A split's own randomness, and its words per sample, as in MOSI."""
        rng = self._rng(1 + list(self.samples).index(split))
        words = np.clip(rng.gamma(2.2, 5.8, self.samples[split]).round(), 2, 50).astype(np.int64)
        return rng, words

    def steps(
        self, rng: np.random.Generator, modality: str, signal: Array, direction: Array, noise: float
    ) -> tuple[Array, Array]:
        """(steps, feature): each word's signal along the direction, and noise; (words,): what is heard of it.

        The second is the mean over the word's frames along the direction: all that the features say of it.
        """
        frames = self.frames_per_word[modality]
        size = (len(signal), frames, len(direction))
        x = signal[:, None, None] * direction + noise * rng.normal(size=size)
        words = x.mean(1)
        return words if self.aligned else x.reshape(-1, len(direction)), words @ direction

    def split(self, name: str, rows: dict[str, Ragged], truth: Array) -> Split:
        """Ten samples to a video; no video is in two splits."""
        counts = list(self.samples.values())
        before = sum(-(-count // 10) for count in counts[: list(self.samples).index(name)])
        videos = [f"video{before + i // 10:04d}" for i in range(len(truth))]
        return Split(
            ids=tuple(f"{video}_{i % 10}" for i, video in enumerate(videos)),
            modalities=rows,
            targets={"sentiment": Ragged.vectors(truth)},
            groups=tuple(videos),
        )

    def corpus(self, splits: dict[str, Split], ceiling: dict[str, float]) -> Corpus:
        return Corpus(
            name=f"synthetic:{self.kind}" + ":aligned" * self.aligned,
            splits=splits,
            targets={"sentiment": Regression("sentiment", low=-LIMIT, high=LIMIT)},
            aligned=self.aligned,
            ceiling=ceiling,
        )

    def _rng(self, stream: int) -> np.random.Generator:
        # a whole key of fixed length: numpy fills short ones with zeros, so (1, 2) and (1, 2, 0) draw alike
        return np.random.default_rng((2 if self.kind == "temporal" else 1, stream, self.seed))


def _ends(counts: Counts) -> Counts:
    """(samples + 1,): where each row begins, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(counts)])


def _ceiling(mean: Array, median: Array, truth: Array) -> dict[str, float]:
    """What the posterior mean (r) and the posterior median (MAE) reach."""
    return {"pearson": metrics.pearson(mean, truth), "mae": metrics.mae(median, truth)}
