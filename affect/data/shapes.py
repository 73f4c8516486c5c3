"""Generated corpora in the shape of published files: counts, sizes, lengths and kinds of target.

An experiment on a corpus that not everybody may have can be tried on its shape, at full size or with a few
samples. What can be learned is planted and has nothing to do with language: every step of a modality holds a
latent of its sample along one direction, with noise, and the labels are made of the latents, with noise.

Sample counts are those of `affect.data.corpora` where a corpus has official splits. Sizes and steps:

- `mosi_aligned`, `mosi_unaligned`, `mosei_aligned`, `mosei_unaligned`, `sims` as MMSA's aligned_50.pkl,
  unaligned_50.pkl and unaligned_39.pkl hold them (github.com/thuiar/MMSA): BERT's 768 for text. Its own
  configuration names 500 acoustic and 375 visual steps for MOSI and MOSEI alike; here MOSI has 375 and 500,
  MOSEI 500 and 500.
- `sims` has a label of each modality too, as CH-SIMS does: `sentiment_text` and so on. Here each is what its
  modality's own latent says, without noise.
- `mosei_emotions` as CMU-MOSEI's computational sequences, aligned to words: GloVe 300, COVAREP 74, FACET 35.
- `iemocap` as the Multimodal Transformer's iemocap_data.pkl (Tsai et al., ACL 2019): yes or no for each of
  four emotions, one of which is true.
- `mosi_context` as `experiments/prepare/mosi.py` makes it of bc-LSTM's features (Poria et al., ACL 2017): a
  sample is a video, a sequence of 4 to 63 utterances with a label each.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from affect.data.corpora import CORPORA
from affect.data.corpus import Corpus, Split
from affect.data.ragged import Ragged
from affect.data.targets import Binary, MultiLabel, Regression, Target
from affect.errors import ConfigError, did_you_mean

Floats: TypeAlias = NDArray[np.float64]

SIGNAL = 0.3  # of a feature, beside noise of size one at every step
WEIGHTS = (0.9, 0.5, 0.3)  # of the modalities' latents in a number, in the order of the corpus's modalities
NOISE = 0.6  # of labels, beside latents of variance one
EDGE = float(np.sqrt(3.0))  # latents are uniform on [-EDGE, EDGE]
LIMIT = 3.0  # of a number whose latents and noise were not scaled
LEAST = 8  # samples of every split but the training split
VIDEO = 10  # samples
_BLOCK = 8192  # steps that get their signal at a time


@dataclass(frozen=True)
class Shape:
    """What a published file is like; sizes stand in the order of the corpus's modalities, words first.

    Args:
        corpus: its name in `CORPORA`.
        dims: feature sizes.
        steps: steps that the file keeps, at most.
        target: what it asks for.
        words: steps of the first modality in a sample, on average; the others have theirs in proportion.
        fewest: of these steps, at least.
        splits: sample counts, where they are not the corpus's official ones.
        shares: for several labels, how many samples have each; none where exactly one is true.
        unimodal: whether each modality has a label of its own beside the target, which is a number.
    """

    corpus: str
    dims: tuple[int, ...]
    steps: tuple[int, ...]
    target: Target
    words: float = 12.8
    fewest: int = 2
    splits: dict[str, int] = field(default_factory=dict)
    shares: tuple[float, ...] = ()
    unimodal: bool = False

    @property
    def targets(self) -> dict[str, Target]:
        """What the corpus has labels of; what the file asks for comes first.

        Example:
            >>> [*SHAPES["sims"].targets]
            ['sentiment', 'sentiment_text', 'sentiment_acoustic', 'sentiment_visual']
        """
        names = [f"{self.target.name}_{m}" for m in CORPORA[self.corpus].modalities if self.unimodal]
        return {name: replace(self.target, name=name) for name in (self.target.name, *names)}

    @property
    def aligned(self) -> bool:
        """Whether step t is the same moment in every modality."""
        return len(set(self.steps)) == 1

    @property
    def per_video(self) -> int:
        """Samples that are of one video: the whole of it where its steps have labels."""
        return 1 if self.target.per_step else VIDEO

    def counts(self, train: int = 0) -> dict[str, int]:
        """Samples of each split: as published, or in proportion to so many training samples."""
        published = self.splits or CORPORA[self.corpus].splits
        if not train:
            return published
        share = train / published["train"]
        return {
            name: train if name == "train" else max(LEAST, round(share * count))
            for name, count in published.items()
        }


_SENTIMENT = Regression("sentiment", low=-3, high=3)
_SIX = MultiLabel("emotion", classes=("happy", "sad", "anger", "surprise", "disgust", "fear"))
_FOUR = MultiLabel("emotion", classes=("neutral", "happy", "sad", "angry"))

SHAPES: dict[str, Shape] = {
    "mosi_aligned": Shape("mosi", (768, 5, 20), (50, 50, 50), _SENTIMENT),
    "mosi_unaligned": Shape("mosi", (768, 5, 20), (50, 375, 500), _SENTIMENT),
    "mosi_context": Shape(
        "mosi",
        (100, 73, 100),
        (63, 63, 63),
        Binary("sentiment", per_step=True),
        words=23.3,
        fewest=4,
        splits={"train": 62, "test": 31},
    ),
    "mosei_aligned": Shape("mosei", (768, 74, 35), (50, 50, 50), _SENTIMENT, words=19.0),
    "mosei_unaligned": Shape("mosei", (768, 74, 35), (50, 500, 500), _SENTIMENT, words=19.0),
    "mosei_emotions": Shape(
        "mosei", (300, 74, 35), (50, 50, 50), _SIX, words=19.0, shares=(0.5, 0.25, 0.2, 0.1, 0.15, 0.1)
    ),
    "sims": Shape(
        "sims",
        (768, 33, 709),
        (39, 400, 55),
        Regression("sentiment", low=-1, high=1),
        unimodal=True,
    ),
    "iemocap": Shape(
        "iemocap", (300, 74, 35), (20, 20, 20), _FOUR, splits={"train": 2717, "valid": 798, "test": 938}
    ),
}
"""By the name that follows `synthetic:`."""


def shaped(name: str, train: int = 0, seed: int = 0) -> Corpus:
    """A generated corpus in the shape of a published file.

    Args:
        name: one of `SHAPES`.
        train: training samples, for a quick look; the other splits shrink in proportion, to 8 samples at
            least. 0 makes as many as were published.
        seed: of the whole corpus.
    Raises:
        ConfigError: there is no such shape, or a number is below 0.
    Example:
        >>> corpus = shaped("mosi_unaligned", train=24)
        >>> corpus.dims, {name: len(split) for name, split in corpus.splits.items()}
        ({'acoustic': 5, 'text': 768, 'visual': 20}, {'train': 24, 'valid': 8, 'test': 13})
    """
    if name not in SHAPES:
        raise ConfigError(f"no generated corpus in the shape of '{name}'; {did_you_mean(name, SHAPES)}")
    for what, number in (("train", train), ("seed", seed)):
        if number < 0:
            raise ConfigError(f"synthetic:{name}: {what} must be 0 or more, got {number}")
    shape, public = SHAPES[name], CORPORA[SHAPES[name].corpus]
    fixed = _rng(name, 0, seed)
    directions = [SIGNAL * fixed.normal(size=dim) for dim in shape.dims]
    mixture = _mixture(fixed, shape)
    splits, first = {}, 0
    for stream, (split, count) in enumerate(shape.counts(train).items(), 1):
        splits[split] = _split(shape, _rng(name, stream, seed), count, directions, mixture, first)
        first += -(-count // shape.per_video)
    return Corpus(
        name=f"synthetic:{name}" + f":{train}" * bool(train),
        splits=splits,
        targets=shape.targets,
        main=shape.target.name if shape.unimodal else "",
        aligned=shape.aligned,
        notes=(f"Generated in the shape of {public.title}: its figures say nothing about {public.title}.",),
    )


def _rng(name: str, stream: int, seed: int) -> np.random.Generator:
    return np.random.default_rng((3, zlib.crc32(name.encode()), stream, seed))


def _mixture(rng: np.random.Generator, shape: Shape) -> Floats:
    """(modality, label): how the latents make a score for each label.

    Where one of four is true, the columns are the corners of a tetrahedron: each is as likely.
    """
    size, latents = shape.target.size, len(shape.dims)
    if shape.shares or size != latents + 1:
        return rng.normal(size=(latents, size))
    corners, _ = np.linalg.qr(np.column_stack([np.ones(size), rng.normal(size=(size, latents))]))
    return np.asarray(2 * corners[:, 1:].T)


def _split(
    shape: Shape, rng: np.random.Generator, count: int, directions: list[Floats], mixture: Floats, first: int
) -> Split:
    """Samples of a split; its videos are numbered from `first`."""
    words = np.clip(rng.gamma(2.2, shape.words / 2.2, count).round(), shape.fewest, shape.steps[0]).astype(
        np.int64
    )
    latent = rng.uniform(-EDGE, EDGE, (count, len(shape.dims)))
    if shape.target.per_step:  # half of what an utterance says is its video's
        own = rng.uniform(-EDGE, EDGE, (words.sum(), len(shape.dims)))
        latent = (np.repeat(latent, words, 0) + own) / np.sqrt(2)
    labels = _labels(shape, rng, latent, mixture)
    modalities = {}
    for i, m in enumerate(CORPORA[shape.corpus].modalities):
        lengths = np.maximum(1, np.rint(words * (shape.steps[i] / shape.steps[0]))).astype(np.int64)
        held = latent[:, i] if shape.target.per_step else np.repeat(latent[:, i], lengths)
        modalities[m] = Ragged.from_offsets(_steps(rng, held, directions[i]), _ends(lengths))
    per = shape.per_video
    videos = tuple(f"video{first + i // per:04d}" for i in range(count))
    return Split(
        ids=videos if per == 1 else tuple(f"{video}_{i % per}" for i, video in enumerate(videos)),
        modalities=modalities,
        targets={
            name: Ragged.from_offsets(one, _ends(words)) if shape.target.per_step else Ragged.vectors(one)
            for name, one in zip(shape.targets, [labels, *_unimodal(shape, latent)], strict=True)
        },
        groups=videos,
    )


def _steps(rng: np.random.Generator, held: Floats, direction: Floats) -> NDArray[np.float32]:
    """(steps, feature): what is held at each step along the direction, and noise; nothing else that large."""
    values = rng.standard_normal((len(held), len(direction)), dtype=np.float32)
    signal, along = held.astype(np.float32), direction.astype(np.float32)
    for begin in range(0, len(held), _BLOCK):
        block = slice(begin, begin + _BLOCK)
        values[block] += signal[block, None] * along
    return values


def _labels(shape: Shape, rng: np.random.Generator, latent: Floats, mixture: Floats) -> NDArray[np.float32]:
    """(labels, size): what the latents of all modalities make of each label.

    A number is the mean of five judges' whole ones, roughly: a fifth is the smallest step, and some are zero.
    """
    target, size = shape.target, len(latent)
    if isinstance(target, MultiLabel):
        score = latent @ mixture + NOISE * rng.normal(size=(size, target.size))
        if not shape.shares:
            return np.asarray(score == score.max(1, keepdims=True), dtype=np.float32)
        least = [np.quantile(own, 1 - share) for own, share in zip(score.T, shape.shares, strict=True)]
        return np.asarray(score > np.array(least), dtype=np.float32)
    score = (latent @ np.array(WEIGHTS) + NOISE * rng.normal(size=size))[:, None]
    if not isinstance(target, Regression):
        return np.asarray(score > 0, dtype=np.float32)
    return _fifths(score, LIMIT, target)


def _unimodal(shape: Shape, latent: Floats) -> list[NDArray[np.float32]]:
    """(samples, 1) for each modality: what its latent alone says on the target's scale; nothing is drawn."""
    target = shape.target
    if not (shape.unimodal and isinstance(target, Regression)):
        return []
    return [_fifths(own[:, None], EDGE, target) for own in latent.T]


def _fifths(score: Floats, largest: float, target: Regression) -> NDArray[np.float32]:
    """A score on the scale of a number, in fifths."""
    top = target.high or LIMIT
    fifths = np.rint(5 * (score * top / largest).clip(-top, top))
    return np.asarray(fifths / 5 + 0.0, dtype=np.float32)  # no negative zero


def _ends(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """(samples + 1,): where each row begins, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(counts)])
