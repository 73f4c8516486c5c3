"""A generated corpus whose modalities share factors: `synthetic:shared`, and what is known of it exactly.

The other generated corpora have independent modalities: whatever makes modalities alike can only hurt there.
Every number below was chosen before anything was trained on the corpus and is not changed for a result; where
one has to change, `affect.data.synthetic.VERSION` is raised.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from affect import metrics
from affect.data.corpus import Corpus, Split
from affect.data.posteriors import EDGE, Array, UniformPosterior
from affect.data.ragged import Ragged
from affect.data.targets import MultiClass, Regression, Target
from affect.errors import ConfigError, did_you_mean

SAMPLES = {"train": 1000, "valid": 200, "test": 400}
DIMS = {"acoustic": 20, "text": 24, "visual": 18}
WORDS = 12  # of every sample: lengths say nothing of which sample it is
FRAMES_PER_WORD = {"acoustic": 3, "text": 1, "visual": 2}
NOISE = {"acoustic": 1.4, "text": 0.9, "visual": 1.4}  # of a step, beside factors of size one
SHARED = 6  # factors that every modality holds; the first is in the label
STYLES = 8  # factors of each modality that are in no label
STYLE = 0.7  # their size, beside shared and own factors of size one
BIT_NOISE = 0.8  # around 1 and -1, uniform: below 1, so that a bit can always be read
STRENGTHS = {"shared": 0.8, "own_text": 0.25, "own_acoustic": 0.15, "own_visual": 0.1, "synergy": 0.24}
LIMIT = 3.0  # of the label
TURN = np.pi / 6  # of every direction in feature space, in the second domain
OFFSET = 2.0  # of the features there, in length
VIDEO = 10  # samples

BITS = {"shared": 0.5, "own_text": 0.5, "own_acoustic": 0.25, "key_text": 0.5, "key_acoustic": 0.5}
"""How often each bit is 1."""
SEEN = {
    "acoustic": ("shared", "own_acoustic", "key_acoustic"),
    "text": ("shared", "own_text", "key_text"),
    "visual": ("shared",),
}
"""The bits that each modality holds."""
CODES = tuple(f"{i:04b}" for i in range(16))

_FORMS = re.compile(
    r"(:aligned)?(:shifted)?(?::(%s)%%labelled)?(?::(%s)%%unpaired)?" % ((r"\d+(?:\.\d+)?",) * 2)
)


@dataclass(frozen=True)
class _Drawn:
    """Samples of a split: what was planted, and what can be measured of it.

    Args:
        shared: (samples, SHARED).
        own: (samples,) of each modality.
        bits: (samples,), 0 or 1, by name.
        measured: (samples, dims[m]) of each modality, the mean over all steps of each planted quantity.
        steps: (samples, steps, dims[m]) of each modality.
    """

    shared: Array
    own: dict[str, Array]
    bits: dict[str, Array]
    measured: dict[str, Array]
    steps: dict[str, Array]


@dataclass(frozen=True)
class SharedFactors:
    """Shared, private and synergistic factors of given strength.

    Factors are independent and uniform with mean 0 and variance 1: six that all modalities share (s_1 to
    s_6), one of its own for each modality (o_text, o_acoustic, o_visual), and eight of style for each, which
    are in no label. With strengths w, the main target is

        sentiment = w_shared s_1 + sum_m w_own_m o_m + w_synergy o_text o_acoustic

    of whose variance the shared factor makes 81%, the own factors 12%, and their product 7%. The target
    `code` is made of four independent bits: one that all modalities hold, one of text's own, one of
    acoustic's own (which is 1 in a quarter of the samples), and the XOR of a key bit of text and one of
    acoustic, of which neither says anything alone. A step of modality m is

        x = Q_m [s_1 .. s_6, o_m, 0.7 styles, bits as 1 and -1, 0 ..] + noise,

    where Q_m is a rotation of its features. Noise is normal, but along the bits uniform between -0.8 and
    0.8: bits can be read from every step without error. All samples have 12 words, so lengths say nothing.
    At best, r is about 0.987, and recall@1 between two modalities of the 400 test samples 0.80 to 0.87.

    Targets: `sentiment` and `code` are labels; `shared` (s_1), `own_text`, `own_acoustic` and `own_visual`
    are the true factors, which every sample has: they are for measuring, not for learning.

    Args:
        samples: how many in each split; the ceiling is known where there is a `test`.
        strengths: of `shared`, `own_text`, `own_acoustic`, `own_visual` and `synergy` in sentiment, where
            they differ from 0.8, 0.25, 0.15, 0.1 and 0.24.
        labelled: share of the samples in `train` that have labels; those of a smaller share are among those
            of a greater one.
        unpaired: share of the samples in `train` that have one modality alone.
        shifted: the second domain, with samples of its own: every direction in feature space is turned by 30
            degrees, and each modality's features have an offset of length 2. Labels are made as in the first.
        aligned: one step per word everywhere, the mean of the word's frames.
        seed: of the whole corpus.
    Raises:
        ConfigError: a number is out of its range, or there is no such strength.
    Example:
        >>> plan = SharedFactors(labelled=0.05, aligned=True)
        >>> plan.name, plan.corpus()["train"].labels("sentiment").shape
        ('synthetic:shared:aligned:5%labelled', (50, 1))
    """

    samples: Mapping[str, int] = field(default_factory=lambda: SAMPLES)
    strengths: Mapping[str, float] = field(default_factory=lambda: STRENGTHS)
    labelled: float = 1.0
    unpaired: float = 0.0
    shifted: bool = False
    aligned: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        where = "synthetic:shared"
        for key in self.strengths.keys() - STRENGTHS.keys():
            raise ConfigError(f"{where}: strengths: no '{key}'; {did_you_mean(key, STRENGTHS)}")
        object.__setattr__(self, "strengths", {**STRENGTHS, **self.strengths})
        if not self.samples:
            raise ConfigError(f"{where}: samples names no split; give a count for one, such as 'train'")
        for split, count in self.samples.items():
            if count < 1:
                raise ConfigError(f"{where}: samples: {split} must be 1 or more, got {count}")
        for key, value in self.strengths.items():
            if not (value > 0 if key == "shared" else value >= 0):
                least = "above 0" if key == "shared" else "0 or more"
                raise ConfigError(f"{where}: strengths: {key} must be {least}, got {value}")
        weights = dict(self.strengths)
        most = EDGE**2 * weights.pop("synergy") + EDGE * sum(weights.values())
        if not most <= LIMIT:
            raise ConfigError(f"{where}: strengths: sentiment must stay within 3, got {most:.2f}; lower them")
        for what, share in (("labelled", self.labelled), ("unpaired", self.unpaired)):
            if not 0 <= share <= 1:
                raise ConfigError(f"{where}: {what} must be between 0 and 1, got {share}")
        if self.seed < 0:
            raise ConfigError(f"{where}: seed must be 0 or more, got {self.seed}")

    @classmethod
    def named(cls, name: str, seed: int = 0) -> SharedFactors:
        """What a name asks for: `synthetic:shared`, and what may follow it, in the order below.

        Args:
            name: `:aligned`, `:shifted`, `:5%labelled` and `:50%unpaired` may follow, with other percentages
                up to 100.
            seed: of the whole corpus.
        Raises:
            ConfigError: something else follows, a size among it, or in another order.
        Example:
            >>> SharedFactors.named("synthetic:shared:shifted:50%unpaired").unpaired
            0.5
        """
        found = _FORMS.fullmatch(name.removeprefix("synthetic:shared"))
        aligned, shifted, labelled, unpaired = found.groups() if found else [None] * 4
        made = cls(
            labelled=min(1.0, float(labelled or 100) / 100),  # of more, the name is another
            unpaired=min(1.0, float(unpaired or 0) / 100),
            shifted=bool(shifted),
            aligned=bool(aligned),
            seed=seed,
        )
        if made.name != name:
            raise ConfigError(
                f"no generated corpus '{name}'; only ':aligned', ':shifted', ':5%labelled' and "
                "':50%unpaired' may follow 'synthetic:shared', in this order, with other percentages up to "
                "100; its size is always the same"
            )
        return made

    @property
    def name(self) -> str:
        """As in tables, and for `affect.load`."""
        labelled = f":{100 * self.labelled:g}%labelled" if self.labelled < 1 else ""
        unpaired = f":{100 * self.unpaired:g}%unpaired" if self.unpaired else ""
        return f"synthetic:shared{':aligned' * self.aligned}{':shifted' * self.shifted}{labelled}{unpaired}"

    def corpus(self) -> Corpus:
        """The corpus; `ceiling` is of `sentiment`, given all features of the samples in `test`."""
        splits, ceiling = {}, {}
        for name in self.samples:
            drawn = self._draw(name)
            truth = self._sentiment(drawn.shared[:, 0], drawn.own)
            splits[name] = self._split(name, drawn, truth)
            if name == "test":
                ceiling = self._ceiling(drawn, truth)
        numbers: list[Target] = [Regression("sentiment", low=-LIMIT, high=LIMIT)]
        numbers += [Regression(name, low=-EDGE, high=EDGE) for name in STRENGTHS if name != "synergy"]
        return Corpus(
            name=self.name,
            splits=splits,
            targets={target.name: target for target in [*numbers, MultiClass("code", classes=CODES)]},
            aligned=self.aligned,
            notes=self._notes(),
            ceiling=ceiling,
            main="sentiment",
        )

    def recall(self, query: str, key: str, split: str = "test", best: int = 1) -> float:
        """The best possible recall: how often the key of the same sample is among the `best` likeliest.

        Keys are those of all samples of the split. They are ordered by the ratio of p(query, key) of one
        sample to p(query) p(key), which no other order beats on average.

        Args:
            query: the modality that is searched with.
            key: the modality that is searched.
            split: one of `samples`.
            best: how many keys may be returned.
        Raises:
            ConfigError: there is no such modality or split, or both modalities are the same.
        Example:
            >>> 0.8 < SharedFactors().recall("text", "acoustic") < 0.9
            True
        """
        self._pair("recall", query, key)
        if split not in self.samples:
            raise ConfigError(f"recall: no split '{split}'; {did_you_mean(split, self.samples)}")
        drawn = self._draw(split)
        one, other = (UniformPosterior(drawn.measured[m][:, :SHARED], _spread(m)) for m in (query, key))
        found = 0
        for i, bit in enumerate(drawn.bits["shared"]):
            mine = UniformPosterior(one.centre[i], one.spread)
            gap = (mine.centre - other.centre) ** 2 / (mine.spread**2 + other.spread**2)
            both = UniformPosterior.joint([mine, other])
            score = (np.log(both.inside()) - np.log(other.inside()) - gap / 2).sum(1)
            score[drawn.bits["shared"] != bit] = -np.inf
            found += int((score > score[i]).sum() < best)
        return found / len(one.centre)

    @staticmethod
    def information(first: str, second: str) -> dict[str, float]:
        """What two modalities say about `code`, in bits: in common, each alone, and only together.

        This is the decomposition of Bertschinger et al. (Quantifying Unique Information, Entropy 2014), which
        adds up over independent parts: a bit that both hold is redundant, one that a modality holds alone is
        its unique information, and the XOR of a key of each is synergy. Bits that neither holds count for
        nothing. Features hold the bits without error, so that this is true of features, too.

        Args:
            first: a modality.
            second: another one.
        Raises:
            ConfigError: there is no such modality, or both are the same.
        Example:
            >>> SharedFactors.information("text", "visual")
            {'redundancy': 1.0, 'unique_text': 1.0, 'unique_visual': 0.0, 'synergy': 0.0}
        """
        SharedFactors._pair("information", first, second)
        keys = {bit for m in (first, second) for bit in SEEN[m]} & {"key_text", "key_acoustic"}
        return {
            "redundancy": _entropy(BITS["shared"]),
            **{f"unique_{m}": _entropy(BITS.get(f"own_{m}", 0.0)) for m in (first, second)},
            "synergy": 1.0 if len(keys) == 2 else 0.0,
        }

    @staticmethod
    def _pair(who: str, *modalities: str) -> None:
        for m in modalities:
            if m not in DIMS:
                raise ConfigError(f"{who}: no modality '{m}'; {did_you_mean(m, DIMS)}")
        if len({*modalities}) < 2:
            raise ConfigError(f"{who}: expected two modalities, got '{modalities[0]}' twice")

    def _draw(self, split: str) -> _Drawn:
        rng, count = self._rng("samples", split), self.samples[split]
        shared = rng.uniform(-EDGE, EDGE, (count, SHARED))
        own = {m: rng.uniform(-EDGE, EDGE, count) for m in DIMS}
        bits = {name: (rng.random(count) < chance).astype(np.float64) for name, chance in BITS.items()}
        measured, steps = {}, {}
        for m, dim in DIMS.items():
            styles = STYLE * rng.uniform(-EDGE, EDGE, (count, STYLES))
            signs = np.stack([2 * bits[name] - 1 for name in SEEN[m]], 1)
            planted = np.concatenate([shared, own[m][:, None], styles, signs], 1)
            size = planted.shape[1]
            x = NOISE[m] * rng.normal(size=(count, WORDS, FRAMES_PER_WORD[m], dim))
            places = slice(size - signs.shape[1], size)  # of the bits
            x[..., places] = rng.uniform(-BIT_NOISE, BIT_NOISE, x[..., places].shape)
            x[..., :size] += planted[:, None, None]
            words = x.mean(2)
            measured[m] = words.mean(1)
            rotation, offset = self._place(m)
            steps[m] = (words if self.aligned else x.reshape(count, -1, dim)) @ rotation.T + offset
        return _Drawn(shared, own, bits, measured, steps)

    def _place(self, modality: str) -> tuple[Array, Array]:
        """(feature, planted) and (feature,): where the planted quantities lie in feature space."""
        dim = DIMS[modality]
        rotation = _rotation(self._rng("directions", modality, domain=0), dim)
        if not self.shifted:
            return rotation, np.zeros(dim)
        rng = self._rng("shift", modality)
        planes, direction = _rotation(rng, dim), rng.normal(size=dim)
        turn = np.kron(np.eye(dim // 2), [[np.cos(TURN), -np.sin(TURN)], [np.sin(TURN), np.cos(TURN)]])
        return planes @ turn @ planes.T @ rotation, OFFSET * direction / np.linalg.norm(direction)

    def _split(self, name: str, drawn: _Drawn, truth: Array) -> Split:
        """Ten samples to a video; no video is in two splits, or in both domains."""
        count = len(truth)
        videos = [f"{'shifted_' * self.shifted}{name}{i // VIDEO:04d}" for i in range(count)]
        bits = {bit: values.astype(int) for bit, values in drawn.bits.items()}
        code = 8 * bits["shared"] + 4 * bits["own_text"] + 2 * bits["own_acoustic"]
        code += bits["key_text"] ^ bits["key_acoustic"]
        labelled, alone = np.ones(count, dtype=bool), np.full(count, "")
        if name == "train":
            labelled = self._rng("labels", name).permutation(count) < round(self.labelled * count)
            rng = self._rng("pairs", name)
            paired = rng.permutation(count) >= round(self.unpaired * count)
            alone = np.where(paired, "", rng.choice([*DIMS], count))
        rows = {}
        for m, x in drawn.steps.items():
            held = (alone == "") | (alone == m)
            ends = np.concatenate([[0], np.cumsum(held * x.shape[1])])
            rows[m] = Ragged.from_offsets(x[held].reshape(-1, x.shape[2]).astype(np.float32), ends)
        return Split(
            ids=tuple(f"{video}_{i % VIDEO}" for i, video in enumerate(videos)),
            modalities=rows,
            targets={
                "sentiment": Ragged.vectors(truth, labelled),
                "code": Ragged.vectors(code, labelled),
                "shared": Ragged.vectors(drawn.shared[:, 0]),
                **{f"own_{m}": Ragged.vectors(own) for m, own in drawn.own.items()},
            },
            groups=tuple(videos),
        )

    def _sentiment(self, shared: Array | float, own: Mapping[str, Array]) -> Array:
        w = self.strengths
        said: Array = w["shared"] * shared + w["synergy"] * own["text"] * own["acoustic"]
        return said + sum(w[f"own_{m}"] * own[m] for m in DIMS)

    def _ceiling(self, drawn: _Drawn, truth: Array) -> dict[str, float]:
        """What the posterior mean (r) and the posterior median (MAE) reach."""
        shared = UniformPosterior.joint(UniformPosterior(drawn.measured[m][:, 0], _spread(m)) for m in DIMS)
        own = {m: UniformPosterior(drawn.measured[m][:, SHARED], _spread(m)) for m in DIMS}
        mean = self._sentiment(shared.mean(), {m: cut.mean() for m, cut in own.items()})
        median = self._median(shared, own)
        return {"pearson": metrics.pearson(mean, truth), "mae": metrics.mae(median, truth)}

    def _median(self, shared: UniformPosterior, own: Mapping[str, UniformPosterior]) -> Array:
        """(samples,): the posterior median of sentiment, by bisection.

        The shared factor is integrated out exactly, the own ones by Gauss's quadrature.
        """
        sizes = {"text": 8, "acoustic": 8, "visual": 4}
        gauss = {m: np.polynomial.legendre.leggauss(size) for m, size in sizes.items()}
        grid = np.meshgrid(*(nodes for nodes, _ in gauss.values()), indexing="ij")
        nodes = {m: own[m].at((x.ravel() + 1) / 2) for m, x in zip(sizes, grid, strict=True)}
        weights = np.einsum("t,a,v->tav", *(weight / 2 for _, weight in gauss.values())).reshape(-1, 1)
        rest = self._sentiment(0.0, nodes)  # (nodes, samples)
        low = np.full(rest.shape[1], -LIMIT)
        high = -low
        for _ in range(20):  # to 6e-6
            middle = (low + high) / 2
            below = (weights * shared.below((middle - rest) / self.strengths["shared"])).sum(0)
            low, high = np.where(below < 0.5, middle, low), np.where(below < 0.5, high, middle)
        median: Array = (low + high) / 2
        return median

    def _notes(self) -> tuple[str, ...]:
        bits = self.information("text", "acoustic")
        notes = [
            f"Generated. Bits of `code` that text and acoustic hold: both {bits['redundancy']:g}, text alone "
            f"{bits['unique_text']:g}, acoustic alone {bits['unique_acoustic']:.3f}, only both together "
            f"{bits['synergy']:g}."
        ]
        if self.labelled < 1:
            notes.append(f"{100 * self.labelled:g}% of the training samples have labels.")
        if self.unpaired:
            notes.append(f"{100 * self.unpaired:g}% of the training samples have one modality alone.")
        return tuple(notes)

    def _rng(self, what: str, of: str, domain: int | None = None) -> np.random.Generator:
        # a whole key of fixed length, which numpy does not fill with zeros
        domain = int(self.shifted) if domain is None else domain
        return np.random.default_rng((4, domain, zlib.crc32(f"{what} {of}".encode()), self.seed))


def _spread(modality: str) -> float:
    """The standard deviation of what is measured of a factor."""
    return NOISE[modality] / float(np.sqrt(WORDS * FRAMES_PER_WORD[modality]))


def _rotation(rng: np.random.Generator, dim: int) -> Array:
    q, r = np.linalg.qr(rng.normal(size=(dim, dim)))
    return np.asarray(q * np.sign(np.diag(r)))


def _entropy(chance: float) -> float:
    """In bits, of what happens with this chance."""
    return float(sum(p * np.log2(1 / p) for p in (chance, 1 - chance) if p))
