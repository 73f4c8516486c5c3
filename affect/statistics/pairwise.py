"""Whether models differ, for a new seed on new samples: tests of pairs, corrected for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import combinations
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from affect.bounds import COUNT, SEED
from affect.errors import ConfigError, ShapeError, did_you_mean
from affect.metrics import Array
from affect.statistics.intervals import check_level
from affect.statistics.resampling import Measured
from affect.statistics.significance import corrected_t

Pair: TypeAlias = tuple[str, str]
MOST = 100
"""Models up to which the correction knows how pairs hang together; beyond, it is Bonferroni's."""


class Difference(NamedTuple):
    """How far the first model of a pair is above the second.

    Args:
        value: of the means over seeds.
        low: the lower end of its interval.
        high: the upper end.
        p: two-sided, of this pair alone.
        p_all: corrected for all pairs of the family.
    """

    value: float
    low: float
    high: float
    p: float
    p_all: float


def pairwise_tests(
    models: Mapping[str, Measured],
    samples: int,
    pairs: Iterable[Pair] | None = None,
    *,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
    correlation: bool = False,
) -> dict[Pair, Difference]:
    """Tests of whether models differ, for a new seed of each on new samples; Welch's t with three variances.

    The difference of two means over seeds varies with the test samples, and with the seeds of either model:
    V = V_samples + s_a^2 / k_a + s_b^2 / k_b. V_samples is the bootstrap's variance of the difference, less
    the interaction of seeds and samples, which is in the seeds' variances too. t = difference / sqrt(V) is
    compared with Student's distribution of Satterthwaite's degrees of freedom.

    The correction is for the smallest p of all pairs of the family, as it is among equal models: sample parts
    that covary as the resamples do, seed parts that are normal, and all variances estimated anew. It holds
    where the best of several models is chosen by the same figures and compared with the rest, if the family
    is all pairs.

    Of 2 and 8 equal models it finds a difference in 3.8% to 6.0% of 2,000 simulated benches where it says 5%,
    with 2 to 20 seeds that differ not at all, as much as samples do, or three times as much
    (`python -m experiments.verdicts`).

    Args:
        models: what `measure` says of each, on the same resamples.
        samples: independent ones, that were drawn whole.
        pairs: the family; all pairs by default.
        level: of the intervals, each of its pair alone.
        draws: of the correction.
        seed: of them.
        correlation: whether the values are correlations. These vary the less the higher they are, and
            unevenly to both sides, so that the test is made, and the interval found, on Fisher's
            z = artanh r; the interval is told in r by the slope between the two models.
    Returns:
        by pair; p is NaN where a model has one seed, as nothing is known of another one, or no value.
        The interval of such a pair speaks for these weights alone.
    Raises:
        ConfigError: a pair names an unknown model; the level, the draws or the seed are out of range.
        ShapeError: there are fewer than two samples.
    Reference:
        Satterthwaite, An Approximate Distribution of Estimates of Variance Components, Biometrics 1946;
        Fisher, On the Probable Error of a Coefficient of Correlation, Metron 1921 (z); Lin, A Concordance
        Correlation Coefficient, Biometrics 1989 (the same of CCC);
        Westfall and Young, Resampling-Based Multiple Testing, 1993, chapter 2 (the smallest p). Differs: the
        reference draws are of a fitted normal model, not resamples of the data.
    Also known as: crossed random effects of seeds and samples.
    Example:
        >>> from affect.statistics import measure
        >>> rng = np.random.default_rng(0)
        >>> truth = rng.normal(size=50)
        >>> predictions = {"a": truth + rng.normal(size=(3, 50)), "b": truth + 3 * rng.normal(size=(3, 50))}
        >>> error = lambda p, t: np.abs(p - t).mean()
        >>> found = pairwise_tests(measure(error, predictions, truth, np.arange(50)), 50)
        >>> found["a", "b"].p_all < 0.05
        True
    """
    check_level(level)
    COUNT.check("pairwise_tests: draws", draws)
    SEED.check("pairwise_tests: seed", seed)
    if samples < 2:
        raise ShapeError(f"pairwise_tests needs at least 2 samples, got {samples}")
    pairs = _family(models, pairs)
    if not pairs:
        return {}
    values, at = np.array([own.seeds.mean() for own in models.values()]), _places(models, pairs)
    parts = _Parts({name: _fisher(own) for name, own in models.items()} if correlation else models, samples)
    apart = parts.values[at[0]] - parts.values[at[1]]
    whole, degrees, p = parts.welch(at, apart, parts.main, parts.seeds)
    known = parts.counts[at].min(0) > 1
    p = np.where(known, p, np.nan)
    whole = np.where(known, whole, _of_pairs(parts.whole, at))  # of these weights
    half = _quantile(level, np.where(known, degrees, samples - 1.0)) * np.sqrt(whole)
    differ = values[at[0]] - values[at[1]]
    if correlation:
        half = half * np.divide(differ, apart, out=1 - values[at[0]] ** 2, where=apart != 0)
    corrected = _corrected(
        p, len(models), lambda rng, size, own: parts.smallest(rng, size, at[:, own]), draws, seed
    )
    found = np.stack([differ, differ - half, differ + half, p, corrected], 1).tolist()
    return {pair: Difference(*own) for pair, own in zip(pairs, found, strict=True)}


def fold_tests(
    models: Mapping[str, Array],
    test_share: float,
    pairs: Iterable[Pair] | None = None,
    *,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> dict[Pair, Difference]:
    """Tests of whether models differ by their scores on the folds of cross-validation.

    Each pair has the corrected t-test (`corrected_t`). The correction for all pairs of the family is by the
    largest t of as many equal models with independent normal scores on as many folds.

    Args:
        models: the score of each on every fold, a mean over its seeds.
        test_share: of the samples, in the test split of a fold.
        pairs: the family; all pairs by default.
        level: of the intervals, each of its pair alone.
        draws: of the correction.
        seed: of them.
    Shapes:
        models[name]: (folds,)
    Raises:
        ConfigError: a pair names an unknown model; a number is out of range.
        ShapeError: there are fewer than two folds.
    Reference:
        Nadeau and Bengio, Inference for the Generalization Error, Machine Learning 2003, section 5.
    Example:
        >>> folds = {"a": np.array([0.52, 0.53, 0.51, 0.54, 0.52]), "b": np.full(5, 0.5)}
        >>> round(fold_tests(folds, 0.2)["a", "b"].p, 4)
        0.0349
    """
    COUNT.check("fold_tests: draws", draws)
    SEED.check("fold_tests: seed", seed)
    pairs = _family(models, pairs)
    if not pairs:
        return {}
    scores = np.stack([*models.values()]).astype(np.float64)
    first, second = _places(models, pairs)
    found = [corrected_t(row, test_share, level) for row in scores[first] - scores[second]]
    p, count = np.array([own.p for own in found]), scores.shape[1]

    def smallest(rng: np.random.Generator, size: int, known: NDArray[np.int64]) -> Array:
        drawn = rng.normal(size=(size, len(models), count))
        apart = drawn[:, first[known]] - drawn[:, second[known]]
        t = apart.mean(-1) / apart.std(-1, ddof=1) * np.sqrt(count)
        return np.asarray(_two_sided(t, np.array(count - 1.0)).min(-1))

    corrected = _corrected(p, len(models), smallest, draws, seed, count)
    return {
        pair: Difference(float(row.mean()), own.low, own.high, own.p, float(all_of_them))
        for pair, row, own, all_of_them in zip(
            pairs, scores[first] - scores[second], found, corrected, strict=True
        )
    }


class _Parts:
    """The variances that a difference has: of models' seeds, and of samples as models share them."""

    def __init__(self, models: Mapping[str, Measured], samples: int) -> None:
        every = [*models.values()]
        self.counts = np.array([len(own.seeds) for own in every])
        self.values = np.array([own.seeds.mean() for own in every])
        several = self.counts > 1
        self.seeds = np.array(
            [own.seeds.var(ddof=1) / len(own.seeds) if len(own.seeds) > 1 else 0.0 for own in every]
        )
        means = np.stack([own.draws.mean(1) for own in every], 1)  # (resamples, models)
        known = ~np.isnan(self.values)
        rows = ~np.isnan(means[:, known]).any(1)
        covariance = np.full((len(every), len(every)), np.nan)
        if rows.sum() > 1:
            unbiased = samples / (samples - 1)
            covariance[np.ix_(known, known)] = np.atleast_2d(np.cov(means[rows][:, known].T)) * unbiased
        self.samples, self.whole = samples, covariance
        interaction = np.zeros(len(every))
        for place in np.flatnonzero(several & known):
            own = every[place]
            apart = (own.draws - own.seeds)[rows]
            interaction[place] = apart.var(1, ddof=1).mean() / len(own.seeds) if len(apart) else np.nan
        self.main = covariance - np.diag(interaction)
        self._root = np.zeros_like(covariance)
        if known.any() and rows.sum() > 1:
            values, vectors = np.linalg.eigh(self.main[np.ix_(known, known)])
            self._root[np.ix_(known, known)] = vectors * np.sqrt(np.maximum(values, 0))

    def welch(
        self, at: NDArray[np.int64], apart: Array, main: Array, seeds: Array
    ) -> tuple[Array, Array, Array]:
        """(..., pairs) each: the variance of differences, its degrees of freedom, and p.

        Shapes:
            at: (2, pairs), apart: (..., pairs), main: (..., models, models), seeds: (..., models)
        """
        first, second = at
        samples, one, other = _of_pairs(main, at), seeds[..., first], seeds[..., second]
        free = np.maximum(self.counts - 1, 1)
        whole = samples + one + other
        shares = samples**2 / (self.samples - 1) + one**2 / free[first] + other**2 / free[second]
        with np.errstate(all="ignore"):  # of what never varies
            degrees = np.where(shares > 0, whole**2 / shares, 1.0)
            t = np.where(apart == 0, 0.0, apart / np.sqrt(whole))
        return whole, degrees, np.where(np.isnan(apart), np.nan, _two_sided(t, degrees))

    def smallest(self, rng: np.random.Generator, size: int, at: NDArray[np.int64]) -> Array:
        """(size,): the smallest p of pairs of equal models."""
        shape, free = (size, len(self.values)), np.maximum(self.counts - 1, 1)
        errors = rng.normal(size=shape) @ self._root.T + rng.normal(size=shape) * np.sqrt(self.seeds)
        samples = self._root @ _wishart(rng, self.samples - 1, *shape) @ self._root.T
        seeds = self.seeds * rng.chisquare(free, size=shape) / free
        p = self.welch(at, errors[:, at[0]] - errors[:, at[1]], samples, seeds)[2]
        return np.asarray(p.min(-1))


def _fisher(own: Measured) -> Measured:
    """Correlations on Fisher's z; the mean is that of the mean over seeds, so that signs stay."""
    seeds, draws, mean = (
        np.arctanh(np.clip(r, -_NEARLY, _NEARLY)) for r in (own.seeds, own.draws, own.seeds.mean())
    )
    return own._replace(seeds=seeds + (mean - seeds.mean()), draws=draws)


_NEARLY = 1 - 1e-9
"""The greatest correlation that has a z here."""


def _of_pairs(covariance: Array, at: NDArray[np.int64]) -> Array:
    """(..., pairs): the variances of differences; `covariance` is (..., models, models)."""
    first, second = at
    own = np.diagonal(covariance, axis1=-2, axis2=-1)
    variance: Array = own[..., first] + own[..., second] - 2 * covariance[..., first, second]
    return np.maximum(variance, 0)


def _wishart(rng: np.random.Generator, degrees: int, size: int, models: int) -> Array:
    """(size, models, models): covariances of independent normal values, estimated with so many degrees."""
    if degrees < models:  # singular, which scipy refuses
        drawn = rng.normal(size=(size, degrees, models))
        return np.asarray(drawn.swapaxes(1, 2) @ drawn / degrees)
    from scipy.stats import wishart

    found = wishart.rvs(degrees, np.eye(models), size, random_state=rng)
    return np.asarray(found).reshape(size, models, models) / degrees


_Smallest: TypeAlias = Callable[[np.random.Generator, int, NDArray[np.int64]], Array]
"""From how many draws, and which pairs: the smallest p of these in each draw, among equal models."""


def _corrected(p: Array, models: int, smallest: _Smallest, draws: int, seed: int, width: int = 1) -> Array:
    """(pairs,): in what share of the draws the smallest p of all that are known is as small; never 0."""
    known = np.flatnonzero(~np.isnan(p))
    corrected = np.full(len(p), np.nan)
    if models > MOST:
        corrected[known] = np.minimum(1, p[known] * len(known))
    elif len(known) == 1:
        corrected[known] = p[known]
    elif len(known):
        rng, size = np.random.default_rng(seed), max(1, min(draws, _AT_ONCE // (len(known) * width)))
        found = [smallest(rng, min(size, draws - done), known) for done in range(0, draws, size)]
        as_small = np.searchsorted(np.sort(np.concatenate(found)), p[known], side="right")
        corrected[known] = np.maximum(p[known], (1 + as_small) / (1 + draws))
    return corrected


_AT_ONCE = 1 << 20


def _family(models: Mapping[str, Any], pairs: Iterable[Pair] | None) -> list[Pair]:
    pairs = list(combinations(models, 2)) if pairs is None else list(pairs)
    for name in {name: None for pair in pairs for name in pair}:
        if name not in models:
            raise ConfigError(f"pairwise_tests: no model '{name}'; {did_you_mean(name, models)}")
    return pairs


def _places(models: Mapping[str, Any], pairs: list[Pair]) -> NDArray[np.int64]:
    """(2, pairs): the number of each pair's first and second model."""
    places = {name: place for place, name in enumerate(models)}
    return np.array([[places[name] for name in pair] for pair in pairs], np.int64).T


def _two_sided(t: Array, degrees: Array) -> Array:
    from scipy import special

    return np.asarray(2 * special.stdtr(degrees, -np.abs(t)), np.float64)


def _quantile(level: float, degrees: Array) -> Array:
    from scipy import special

    return np.asarray(special.stdtrit(degrees, (1 + level) / 2), np.float64)
