"""Terms of correlation: loops, numpy's decompositions and scikit-learn say the same."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.cross_decomposition import CCA

import affect
from affect.data.targets import Regression
from affect.errors import ConfigError
from affect.objectives.terms import (
    CanonicalCorrelation,
    Contrast,
    GeneralizedCorrelation,
    Matching,
    MaximalCorrelation,
    MomentumContrast,
    RedundancyReduction,
    Seen,
    VarianceCovariance,
)
from affect.sequences import Output, Sequence
from affect.testing.terms import TermPart

NAMES = ("a", "b", "c")
PAIRS = (("a", "b"), ("a", "c"), ("b", "c"))
IDS = ("x",) * 40
EVERY = (
    MaximalCorrelation, CanonicalCorrelation, GeneralizedCorrelation, RedundancyReduction, VarianceCovariance,
)  # fmt: skip


def seen_of(term, seed=0, without=(), names=NAMES, **options):
    """A term of width 3, and 40 samples that lack modalities; one has nothing at all."""
    model, _ = TermPart(term, names, Regression("t"), affect.fusion.ConcatenationFusion).made()
    torch.manual_seed(seed)
    own = term(model, IDS, width=3, **options).double()
    values, there = torch.randn(40, 6, dtype=torch.float64), torch.rand(3, 40) < 0.7
    there[:, 7] = False
    encoded = {
        m: Sequence.vector(values @ torch.randn(6, own.dims[m], dtype=torch.float64).tanh(), there[place])
        for place, m in enumerate(names)
    }
    encoded = {m: x.keep(torch.full((40, 1), m not in without)) for m, x in encoded.items()}
    output = Output(values[:, :1], Sequence.vector(values, there.any(0)), encoded)
    return own, Seen(model, None, output, {}, None)


def rows_of(term, seen, names):
    """Projections of modalities as arrays, of the samples that have all of them."""
    lies = {m: x.detach().numpy() for m, x in term.embedded(seen.vectors).items()}
    rows = [i for i in range(40) if all(seen.present[m][i] for m in names)]
    assert 9 < len(rows) < 40
    return [lies[m][rows] for m in names]


def covariance(x, y):
    """By a loop over samples."""
    count = len(x)
    means = [sum(rows) / count for rows in (x, y)]
    return sum(np.outer(u - means[0], v - means[1]) for u, v in zip(x, y, strict=True)) / (count - 1)


def maximal(x, y):
    width = range(x.shape[1])
    across, one, other = covariance(x, y), covariance(x, x), covariance(y, y)
    together = sum(across[i, i] for i in width)
    return (sum(one[i, j] * other[j, i] for i in width for j in width) / 2 - together) / len(width)


def barlow(x, y, redundancy=0.3):
    def standard(z):
        return (z - z.mean(0)) / np.sqrt(z.var(0) + 1e-5)

    found, width = standard(x).T @ standard(y) / len(x), x.shape[1]
    same = sum((found[i, i] - 1) ** 2 for i in range(width)) / width
    others = [found[i, j] ** 2 for i in range(width) for j in range(width) if i != j]
    return same + redundancy * sum(others) / len(others)


def vicreg(x, y, variance=0.7, covaries=0.2):
    width, value = x.shape[1], ((x - y) ** 2).mean()
    for z in (x, y):
        found = covariance(z, z)
        little = sum(max(0.0, 1 - math.sqrt(found[i, i] + 1e-4)) for i in range(width)) / width
        both = sum(found[i, j] ** 2 for i in range(width) for j in range(width) if i != j) / width
        value += (variance * little + covaries * both) / 2
    return value


@pytest.mark.parametrize(
    ("term", "options", "loop"),
    [
        (MaximalCorrelation, {}, maximal),
        (RedundancyReduction, {"redundancy": 0.3}, barlow),
        (VarianceCovariance, {"variance": 0.7, "covariance": 0.2}, vicreg),
    ],
)
@pytest.mark.parametrize("anchor", [None, "b"])
def test_terms_of_pairs_are_those_of_loops(term, options, loop, anchor):
    own, seen = seen_of(term, anchor=anchor, **options)
    expected = [loop(*rows_of(own, seen, pair)) for pair in PAIRS if anchor in (None, *pair)]
    assert own(seen).item() == pytest.approx(np.mean(expected), rel=1e-9)


def canonical(x, y):
    """The canonical correlations: singular values between the bases of QR."""
    bases = [np.linalg.qr(z - z.mean(0))[0] for z in (x, y)]
    return np.linalg.svd(bases[0].T @ bases[1], compute_uv=False)


def test_canonical_correlations_are_those_of_qr_and_of_scikit_learn():
    own, seen = seen_of(CanonicalCorrelation, ridge=1e-12)
    found = {pair: canonical(*rows_of(own, seen, pair)) for pair in PAIRS}
    assert own(seen).item() == pytest.approx(1 - np.mean([*found.values()]), rel=1e-6)
    x, y = rows_of(own, seen, ("a", "b"))
    one, other = CCA(n_components=3, max_iter=5000, tol=1e-12).fit_transform(x, y)
    expected = [np.corrcoef(one[:, k], other[:, k])[0, 1] for k in range(3)]
    assert found["a", "b"] == pytest.approx(expected, rel=1e-4)
    best, seen = seen_of(CanonicalCorrelation, ridge=1e-12, best=1, published=True)
    assert best(seen).item() == pytest.approx(-np.mean([own[0] for own in found.values()]), rel=1e-6)


def test_generalized_correlation_is_of_the_sum_of_projections():
    own, seen = seen_of(GeneralizedCorrelation, ridge=1e-12, best=2)
    bases = [np.linalg.qr(z - z.mean(0))[0] for z in rows_of(own, seen, NAMES)]
    values = np.linalg.eigvalsh(sum(basis @ basis.T for basis in bases))
    assert own(seen).item() == pytest.approx(1 - values[-2:].mean() / 3, rel=1e-6)


def test_of_two_modalities_generalized_correlation_is_the_canonical_one():
    """The eigenvalues of the sum of two projections are 1 and more by the canonical correlations."""
    own, seen = seen_of(GeneralizedCorrelation, names=("a", "b"), ridge=1e-12)
    found = canonical(*rows_of(own, seen, ("a", "b")))
    assert own(seen).item() == pytest.approx(1 - (1 + found.mean()) / 2, rel=1e-6)


@pytest.mark.parametrize("term", EVERY)
def test_a_pair_that_no_sample_has_does_not_count(term):
    own, seen = seen_of(term, without=("c",))
    value = own(seen)
    value.backward()
    if term is GeneralizedCorrelation:
        assert value.item() == 0
        return
    only, seen = seen_of(term, without=("c",), anchor="a")
    assert value.item() == pytest.approx(only(seen).item(), rel=1e-12)
    assert value.item() != 0


@pytest.mark.parametrize("term", EVERY)
def test_gradients_are_those_of_differences(term):
    own, seen = seen_of(term)
    weight = own.project["a"][-1].weight
    own(seen).backward()
    for place in ((0, 0), (2, 1)):
        values = []
        for step in (1e-6, -1e-6):
            with torch.no_grad():
                weight[place] += step
                values.append(own(seen).item())
                weight[place] -= step
        assert weight.grad[place].item() == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize(
    ("term", "best"), [(MaximalCorrelation, -0.5), (CanonicalCorrelation, 0.0), (GeneralizedCorrelation, 0.0)]
)
def test_what_is_the_same_in_all_modalities_is_at_best(term, best):
    """White, so that soft correlations are whole."""
    own, seen = seen_of(term)
    rows = np.linalg.qr(np.random.default_rng(0).normal(size=(40, 4)))[0]
    rows = np.linalg.qr(rows - rows.mean(0))[0][:, :3] * math.sqrt(39)
    own.embedded = lambda vectors: dict.fromkeys(vectors, torch.from_numpy(rows))
    encoded = {m: Sequence.vector(x.mean()) for m, x in seen.output.encoded.items()}
    whole = replace(seen, output=replace(seen.output, encoded=encoded))
    assert own(whole).item() == pytest.approx(best, abs=2e-3)


@pytest.mark.parametrize(
    ("term", "options", "message"),
    [
        (MaximalCorrelation, {"anchor": "txt"}, "MaximalCorrelation: anchor: no modality 'txt'; known: a, b, c"),
        (CanonicalCorrelation, {"best": 9}, "CanonicalCorrelation: best must be from 1 to the width, 4, got 9; leave it out for all"),
        (CanonicalCorrelation, {"ridge": 0.0}, "CanonicalCorrelation: ridge must be positive, got 0.0"),
        (GeneralizedCorrelation, {"width": 0}, "GeneralizedCorrelation: width must be at least 1, got 0"),
        (RedundancyReduction, {"redundancy": -1.0}, "RedundancyReduction: redundancy must be at least 0, got -1.0"),
        (VarianceCovariance, {"variance": -1.0}, "VarianceCovariance: variance must be at least 0, got -1.0"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_line(term, options, message):
    model, _ = TermPart(term, NAMES, Regression("t"), affect.fusion.ConcatenationFusion).made()
    with pytest.raises(ConfigError) as told:
        term(model, IDS, **options)
    assert str(told.value) == message


@pytest.mark.parametrize(
    "term",
    [
        MaximalCorrelation,
        CanonicalCorrelation,
        GeneralizedCorrelation,
        RedundancyReduction,
        VarianceCovariance,
        Contrast,
        MomentumContrast,
        Matching,
    ],
)
def test_one_modality_has_nothing_to_be_compared_with(term):
    model = affect.FusionModel.for_corpus(affect.load("synthetic"), modalities=["text"])
    with pytest.raises(ConfigError) as told:
        term(model, IDS)
    assert str(told.value) == f"{term.__name__}: needs 2 modalities or more, got text; leave it out"
