"""Terms against loops over samples, in float64: written from their docstrings."""

import math
import statistics
from dataclasses import replace

import pytest
import torch

import affect
from affect.corruption.draws import Draws
from affect.data.targets import Binary, MultiClass, Regression
from affect.errors import ConfigError
from affect.objectives.terms import (
    CorrelationAlignment,
    DecompositionContrast,
    DomainConfusion,
    Matching,
    MaximumMeanDiscrepancy,
    SupervisedContrast,
)
from affect.testing.terms import TermPart

IDS = ("x",) * 12


def part_of(target):
    return TermPart(CorrelationAlignment, ("a", "b", "c"), target, affect.fusion.SharedPrivateFusion)


def seen_of(target=None, seed=0, without=()):
    """A model and a batch in which samples lack modalities, two have no label, and one has nothing at all."""
    part = part_of(target or Regression("t"))
    model, _ = part.made()
    batch = part.batch(seed)
    some = (torch.arange(12) != 7).unsqueeze(1)
    inputs = {m: x.keep(some & (m not in without)) for m, x in batch.inputs.items()}
    labelled = torch.tensor([row not in (4, 11) for row in range(12)]).unsqueeze(1)
    return model, part.seen(model, replace(batch, inputs=inputs, target=batch.target.keep(labelled)))


def rows_of(seen, a, b):
    """The shared parts of two modalities, of the samples that have both."""
    shared = seen.extra("shared")
    rows = [i for i in range(12) if seen.present[a][i] and seen.present[b][i]]
    return [shared[a][i].tolist() for i in rows], [shared[b][i].tolist() for i in rows]


PAIRS = (("a", "b"), ("a", "c"), ("b", "c"))


def squared(x, y):
    return sum((u - v) ** 2 for u, v in zip(x, y, strict=True))


def mmd(x, y):
    count = len(x)
    every = x + y
    places = range(len(every))
    apart = sorted(squared(every[i], every[j]) for i in places for j in places if i != j)
    middle = statistics.median(apart)

    def kernel(one, other):
        return sum(math.exp(-squared(one, other) / (wide * middle)) for wide in (1 / 4, 1 / 2, 1, 2, 4))

    n = range(count)
    within = [
        sum(kernel(part[i], part[j]) for i in n for j in n if i != j) / (count * (count - 1))
        for part in (x, y)
    ]
    across = sum(kernel(one, other) for one in x for other in y) / count**2
    return within[0] + within[1] - 2 * across


@pytest.mark.parametrize("seed", [0, 1])
def test_mmd_is_of_the_kernels_means(seed):
    model, seen = seen_of(seed=seed)
    expected = [mmd(*rows_of(seen, a, b)) for a, b in PAIRS]
    assert MaximumMeanDiscrepancy(model, IDS)(seen).item() == pytest.approx(sum(expected) / 3, rel=1e-9)


def covariance(rows):
    count, width = len(rows), range(len(rows[0]))
    mean = [sum(row[j] for row in rows) / count for j in width]
    return [
        [sum((row[i] - mean[i]) * (row[j] - mean[j]) for row in rows) / (count - 1) for j in width]
        for i in width
    ]


def test_coral_is_how_far_covariances_are_apart():
    model, seen = seen_of()
    expected = []
    for a, b in PAIRS:
        one, other = (covariance(rows) for rows in rows_of(seen, a, b))
        expected.append(sum(squared(x, y) for x, y in zip(one, other, strict=True)) / (4 * len(one) ** 2))
    assert CorrelationAlignment(model, IDS)(seen).item() == pytest.approx(sum(expected) / 3, rel=1e-9)


@pytest.mark.parametrize("term", [MaximumMeanDiscrepancy, CorrelationAlignment])
def test_a_pair_that_no_sample_has_counts_as_zero(term):
    model, seen = seen_of(without=("c",))
    (x, y) = rows_of(seen, "a", "b")
    if term is MaximumMeanDiscrepancy:
        only = mmd(x, y)
    else:
        one, other = covariance(x), covariance(y)
        only = sum(squared(u, v) for u, v in zip(one, other, strict=True)) / (4 * len(one) ** 2)
    assert term(model, IDS)(seen).item() == pytest.approx(only / 3, rel=1e-9)


def softmax_loss(scores, truth):
    return math.log(sum(math.exp(s) for s in scores)) - scores[truth]


@pytest.mark.parametrize(("growth", "turned"), [(0, 1.0), (4, 2 / (1 + math.exp(-10 / 4)) - 1)])
def test_domain_confusion_is_the_classifier_s_error_and_its_gradient_is_turned(growth, turned):
    model, seen = seen_of()
    torch.manual_seed(0)
    term = DomainConfusion(model, IDS, growth=growth).double()
    shared = seen.output.extras["shared"].detach().requires_grad_()
    seen = replace(seen, output=replace(seen.output, extras={**seen.output.extras, "shared": shared}))
    hidden, out = term.tell[0], term.tell[2]

    def told(x):
        first = [max(0.0, v) for v in (hidden.weight @ x + hidden.bias).tolist()]
        return [
            sum(w * v for w, v in zip(row, first, strict=True)) + b
            for row, b in zip(out.weight.tolist(), out.bias.tolist(), strict=True)
        ]

    cells = [(row, at) for row in range(12) for at, m in enumerate("abc") if seen.present[m][row]]
    losses = [softmax_loss(told(shared[row, at]), at) for row, at in cells]
    value = term(seen)
    assert value.item() == pytest.approx(sum(losses) / len(losses), rel=1e-9)
    value.backward()
    row, at = cells[5]
    step = torch.zeros(shared.shape[-1], dtype=torch.float64)
    step[2] = 1e-5
    with torch.no_grad():
        slope = softmax_loss(told(shared[row, at] + step), at) - softmax_loss(
            told(shared[row, at] - step), at
        )
    assert shared.grad[row, at, 2].item() == pytest.approx(-turned * slope / 2e-5 / len(cells), rel=1e-5)


def unit(values):
    length = math.sqrt(sum(v * v for v in values))
    return [v / length for v in values]


def dot(x, y):
    return sum(u * v for u, v in zip(x, y, strict=True))


@pytest.mark.parametrize(
    "target", [Regression("t"), Binary("t"), MultiClass("t", classes=("u", "v", "w", "x", "y"))]
)
def test_supervised_contrast_is_how_near_those_of_near_labels_are(target):
    model, seen = seen_of(target)
    torch.manual_seed(0)
    term = SupervisedContrast(model, IDS, width=5, temperature=0.3, spread=0.7).double()
    vectors = [unit(row) for row in term.project(seen.output.fused.mean()).tolist()]
    truth, labelled = seen.batch.target.values[:, 0, 0].tolist(), seen.batch.target.present.tolist()
    losses = []
    for i in range(12):
        others = [j for j in range(12) if j != i and labelled[j]]
        if not labelled[i]:
            continue
        if isinstance(target, Regression):
            alike = [math.exp(-abs(truth[i] - truth[j]) / 0.7) for j in others]
        else:
            alike = [float(truth[i] == truth[j]) for j in others]
        if not sum(alike):
            continue
        scores = [dot(vectors[i], vectors[j]) / 0.3 for j in others]
        losses.append(sum(w / sum(alike) * softmax_loss(scores, at) for at, w in enumerate(alike)))
    assert 2 < len(losses) <= 10
    assert term(seen).item() == pytest.approx(sum(losses) / len(losses), rel=1e-9)


@pytest.mark.parametrize("anchor", [None, "c"])
@pytest.mark.parametrize("target", [Regression("t"), MultiClass("t", classes=("u", "v", "w", "x", "y"))])
def test_shared_parts_are_told_from_private_ones_and_from_those_of_far_labels(target, anchor):
    model, seen = seen_of(target)
    term = DecompositionContrast(model, IDS, anchor=anchor, near=0.7, temperature=0.3).double()
    shared, private = ({m: x.tolist() for m, x in seen.extra(part).items()} for part in ("shared", "private"))
    truth, labelled = seen.batch.target.values[:, 0, 0].tolist(), seen.batch.target.present.tolist()
    there = {m: x.tolist() for m, x in seen.present.items()}

    def score(one, other):
        return dot(unit(one), unit(other)) / 0.3

    means = []
    for i in range(12):
        losses = []
        for m in (m for m in "abc" if there[m][i]):
            others = [j for j in range(12) if j != i and there[m][j] and labelled[i] and labelled[j]]
            alike = {
                j: abs(truth[i] - truth[j]) <= (0.7 if isinstance(target, Regression) else 0) for j in others
            }
            good = [score(shared[m][i], shared[m][j]) for j in others if alike[j]]
            bad = [score(shared[m][i], shared[m][j]) for j in others if not alike[j]]
            if m == (anchor or "a"):
                here = [n for n in "abc" if there[n][i]]
                good += [score(shared[m][i], shared[n][i]) for n in here if n != m]
                bad += [score(shared[m][i], private[n][i]) for n in here]
            if bad:
                losses += [math.log1p(sum(math.exp(b - g) for b in bad)) for g in good]
        if losses:
            means.append(sum(losses) / len(losses))
    assert 4 < len(means) < 12
    assert term(seen).item() == pytest.approx(sum(means) / len(means), rel=1e-9)


@pytest.mark.parametrize(
    ("options", "target", "message"),
    [
        ({"anchor": "d"}, Regression("t"), "anchor: no modality 'd'; known: a, b, c"),
        ({"near": -1}, Regression("t"), "near"),
        ({"temperature": 0}, Regression("t"), "temperature"),
        ({}, Regression("t", per_step=True), "is for one label per sample; 't' has one per step"),
    ],
)
def test_what_decomposition_cannot_compare_is_refused(options, target, message):
    model, _ = part_of(target).made()
    with pytest.raises(ConfigError, match=f"DecompositionContrast: {message}"):
        DecompositionContrast(model, IDS, **options)


def softplus(x):
    return math.log1p(math.exp(x))


def test_matching_is_told_from_hard_pairs():
    model, seen = seen_of()
    torch.manual_seed(0)
    term = Matching(model, IDS, temperature=0.2).double()

    def logit(fused):
        return dot(term.tell.weight[0].tolist(), fused.tolist()) + term.tell.bias.item()

    there = {m: x.tolist() for m, x in seen.present.items()}
    several = [sum(there[m][i] for m in "abc") > 1 for i in range(12)]
    fused = seen.output.fused.mean()
    matched = [softplus(-logit(fused[i])) for i in range(12) if several[i]]
    draws, mismatched = Draws(seen.batch.ids, seen.draw), []
    for m in "abc":
        vectors = [
            unit(row) if own else None for row, own in zip(seen.vectors[m].tolist(), there[m], strict=True)
        ]
        noise = draws.uniform(m, 12).tolist()
        for i in range(12):
            others = [j for j in range(12) if j != i and there[m][j]]
            if not (several[i] and there[m][i] and others):
                continue
            gumbel = {j: dot(vectors[i], vectors[j]) / 0.2 - math.log(-math.log(noise[i][j])) for j in others}
            given = max(gumbel, key=gumbel.__getitem__)
            one = {n: x.take(torch.tensor([given if n == m else i])) for n, x in seen.output.encoded.items()}
            mismatched.append(softplus(logit(model.fuse(one).fused.mean()[0])))
    expected = (sum(matched) / len(matched) + sum(mismatched) / len(mismatched)) / 2
    assert term(seen).item() == pytest.approx(expected, rel=1e-9)


def test_hard_pairs_are_drawn_by_the_softmax_of_cosines():
    """Each other sample of the batch, over many draws, as often as its softmax says."""
    model, seen = seen_of()
    drawn = []

    class Fuses:
        def fuse(self, encoded):
            drawn.append(encoded["a"].mean())
            return seen.output

    term = Matching(model, IDS, temperature=0.5).double()
    vectors, there = seen.vectors["a"], seen.present["a"].tolist()
    counts = dict.fromkeys(range(12), 0)
    for draw in range(150):
        with torch.no_grad():
            term(replace(seen, model=Fuses(), draw=draw))
        (place,) = [j for j in range(12) if torch.equal(drawn[-3][0], vectors[j]) and there[j]]
        counts[place] += 1
    near = {j: math.exp(dot(unit(vectors[0].tolist()), unit(vectors[j].tolist())) / 0.5)
            for j in range(1, 12) if there[j]}  # fmt: skip
    for place, count in counts.items():
        share = near.get(place, 0.0) / sum(near.values())
        assert abs(count / 150 - share) <= 4 * math.sqrt(share * (1 - share) / 150)
