"""A generated corpus of conversations, `synthetic:conversations`, and what is known of it exactly.

Every number below was chosen before anything was trained on the corpus; where one has to change,
`affect.data.synthetic.VERSION` is raised.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from affect.data.corpus import Corpus, Split
from affect.data.ragged import Ragged
from affect.data.speakers import SPEAKER, parties
from affect.data.targets import MultiClass
from affect.errors import ConfigError

Array: TypeAlias = NDArray[np.float64]
Counts: TypeAlias = NDArray[np.int64]

SAMPLES: Final = {"train": 300, "valid": 100, "test": 200}
CLASSES: Final = ("neutral", "happy", "sad", "angry")
PRIOR: Final = (0.4, 0.2, 0.2, 0.2)
STAYS: Final = 0.75  # the chance that a party's emotion is carried over to its next utterance
ANOTHER: Final = 0.8  # the chance that the next utterance is another party's
PARTIES: Final = (2, 3)
UTTERANCES: Final = (6, 24)
DIMS: Final = {"acoustic": 6, "text": 8}
NOISE: Final = {"acoustic": 1.6, "text": 1.2}  # beside emotions that lie 1.41 apart


def conversations(*, samples: Mapping[str, int] = SAMPLES, seed: int = 0) -> Corpus:
    """Every party of a conversation has an emotion that lasts, and says little of it at a time.

    Two or three parties take turns. With probability .75 a party's emotion is that of its last utterance,
    otherwise it is drawn anew (neutral with .4, the others with .2), and what the others feel has no part in
    it. An utterance has one vector of text and one of acoustics: a corner for each emotion, and noise. So the
    utterance alone leaves much open, the utterances of its party say more, those to come among them, and who
    reads a conversation without knowing who speaks mixes up parties. The modality `speaker` says it.

    The best accuracy on `test` is that of the posterior given all utterances, which follows exactly from the
    process (forward and backward over each party's own utterances); notes say what is best without context,
    and what without the utterances to come.

    Args:
        samples: how many conversations in each split; the ceiling is known where there is a `test`.
        seed: of the whole corpus.
    Raises:
        ConfigError: a number is too small.
    Example:
        >>> corpus = conversations(samples={"train": 20, "test": 10})
        >>> sorted(corpus.dims), corpus["train"].ids[0], sorted(corpus.ceiling)
        (['acoustic', 'speaker', 'text'], 'train0', ['accuracy'])
    """
    if not samples:
        raise ConfigError("synthetic:conversations: samples names no split; give a count for one")
    for what, number, least in (
        *((f"samples: {key}", n, 1) for key, n in samples.items()),
        ("seed", seed, 0),
    ):
        if number < least:
            raise ConfigError(f"synthetic:conversations: {what} must be {least} or more, got {number}")
    drawn = np.random.default_rng((3, 0, seed))
    corners = {m: np.linalg.qr(drawn.normal(size=(dim, len(CLASSES))))[0].T for m, dim in DIMS.items()}
    rngs = {name: np.random.default_rng((3, 1 + place, seed)) for place, name in enumerate(samples)}
    made = {
        name: [_Conversation.drawn(rngs[name], corners) for _ in range(count)]
        for name, count in samples.items()
    }
    best = {
        reading: np.mean(np.concatenate([one.right(reading, corners) for one in made["test"]]))
        for reading in ("alone", "until then", "all")
        if "test" in made
    }
    return Corpus(
        name="synthetic:conversations",
        splits={name: _split(name, own) for name, own in made.items()},
        targets={"emotion": MultiClass("emotion", classes=CLASSES, per_step=True)},
        aligned=True,
        ceiling={"accuracy": float(best["all"])} if best else {},
        notes=(
            f"The best accuracy on test is {best['all']:.3f}: {best['alone']:.3f} from an utterance alone, "
            f"{best['until then']:.3f} without the utterances to come.",
        )
        if best
        else (),
    )


def posterior(evidence: Array, spoken: Counts, reading: str = "all") -> Array:
    """The chance of each emotion at each utterance of a conversation, as it is made here.

    Args:
        evidence: the logarithm of how likely each emotion makes an utterance, up to a number.
        spoken: the party of each utterance.
        reading: what is read: each utterance `alone`, those of its party `until then`, or `all` of them.
    Shapes:
        evidence: (utterances, classes), spoken: (utterances,) -> (utterances, classes)
    Example:
        >>> says = np.array([[0.0, 3.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
        >>> posterior(says, np.array([0, 0]))[1].argmax(), posterior(says, np.array([0, 1]))[1].argmax()
        (np.int64(1), np.int64(0))
    """
    prior = np.array(PRIOR)
    likelihood = np.exp(evidence - evidence.max(1, keepdims=True))
    if reading == "alone":
        return _shares(prior * likelihood)
    before, behind = np.empty_like(likelihood), np.ones_like(likelihood)
    for party in np.unique(spoken):
        own = np.flatnonzero(spoken == party)
        belief = prior
        for i in own:
            before[i] = _shares(belief * likelihood[i])
            belief = STAYS * before[i] + (1 - STAYS) * prior
        for i, following in zip(own[-2::-1], own[:0:-1], strict=True):
            told = behind[following] * likelihood[following]
            behind[i] = _shares(STAYS * told + (1 - STAYS) * (prior @ told))
    return before if reading == "until then" else _shares(before * behind)


@dataclass(frozen=True)
class _Conversation:
    """Who speaks, what is felt, and what is heard of it.

    Shapes:
        spoken, felt: (utterances,); heard: (utterances, feature) of each modality
    """

    spoken: Counts
    felt: Counts
    heard: dict[str, Array]

    @classmethod
    def drawn(cls, rng: np.random.Generator, corners: Mapping[str, Array]) -> _Conversation:
        count = rng.integers(PARTIES[0], PARTIES[1] + 1)
        length = rng.integers(UTTERANCES[0], UTTERANCES[1] + 1)
        steps = np.where(rng.random(length) < ANOTHER, rng.integers(1, count, length), 0)
        spoken = np.cumsum(steps) % count
        felt = rng.choice(len(CLASSES), length, p=PRIOR)
        stays = rng.random(length) < STAYS
        for party in range(count):
            own = np.flatnonzero(spoken == party)
            for last, i in zip(own[:-1], own[1:], strict=True):
                felt[i] = felt[last] if stays[i] else felt[i]
        heard = {m: corners[m][felt] + NOISE[m] * rng.normal(size=(length, dim)) for m, dim in DIMS.items()}
        return cls(spoken, felt, heard)

    def right(self, reading: str, corners: Mapping[str, Array]) -> NDArray[np.bool_]:
        """(utterances,): where the likeliest emotion is the true one."""
        evidence = np.zeros((len(self.felt), len(CLASSES)))
        for m in DIMS:
            evidence += self.heard[m] @ corners[m].T / NOISE[m] ** 2
        right: NDArray[np.bool_] = posterior(evidence, self.spoken, reading).argmax(1) == self.felt
        return right


def _split(name: str, made: list[_Conversation]) -> Split:
    rows = {
        m: Ragged.from_rows([one.heard[m].astype(np.float32) for one in made], dim) for m, dim in DIMS.items()
    }
    return Split(
        ids=tuple(f"{name}{i}" for i in range(len(made))),
        modalities={**rows, SPEAKER: parties(one.spoken.tolist() for one in made)},
        targets={"emotion": Ragged.from_rows([one.felt[:, None].astype(np.float32) for one in made], 1)},
    )


def _shares(chances: Array) -> Array:
    """Chances that add up to 1."""
    shares: Array = chances / chances.sum(-1, keepdims=True)
    return shares
