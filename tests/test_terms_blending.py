"""Gradients that are against nobody, and heads that are weighted by what they still learn."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from stopped import StopAt, StopError

import affect
from affect.data.targets import Regression
from affect.errors import ConfigError
from affect.fusion import ConcatenationFusion
from affect.objectives.terms import GradientBlending, ParetoGradients, UnimodalHeads
from affect.objectives.terms.blending import combined
from affect.testing.terms import TermPart
from affect.training import Stage, Training

NAMES = ("a", "b", "c")
TIMES = ["seconds", "epoch_seconds"]


@pytest.mark.parametrize("seed", range(6))
def test_two_gradients_become_the_shortest_that_is_against_neither(seed):
    rng = np.random.default_rng(seed)
    g, u = rng.normal(size=(2, 7))
    if seed % 2:
        u = -g * rng.uniform(0.2, 3) + 0.3 * u
    found = combined(torch.tensor(g), torch.tensor(u)).numpy()
    share = 0.5
    if g @ u <= 0:  # by search
        share = minimize_scalar(
            lambda k: ((k * g + (1 - k) * u) ** 2).sum(),
            bounds=(0, 1),
            method="bounded",
            options={"xatol": 1e-12},
        ).x
    expected = 2 * (share * g + (1 - share) * u)
    expected *= max(1, np.linalg.norm(g + u) / np.linalg.norm(expected))
    assert found == pytest.approx(expected, abs=1e-5)
    assert found @ g >= -1e-9
    assert found @ u >= -1e-9


def test_an_encoder_takes_the_combined_gradient_and_heads_their_own():
    part = TermPart(ParetoGradients, NAMES, Regression("t"), ConcatenationFusion)
    model, _ = part.made()
    torch.manual_seed(1)
    own = ParetoGradients(model, (), scale=1.5).double()
    plain = UnimodalHeads(model, ()).double()
    plain.load_state_dict(own.state_dict())
    seen = part.seen(model, part.batch())
    values = [x.values for x in seen.output.encoded.values()]
    joint = torch.autograd.grad(seen.objective(seen.output), values, retain_graph=True)
    alone = torch.autograd.grad(plain(seen), values, retain_graph=True)
    value = own(seen)
    assert value.item() == pytest.approx(plain(seen).item(), rel=1e-12)
    whole = torch.autograd.grad(seen.objective(seen.output) + value, values, retain_graph=True)
    for found, g, u in zip(whole, joint, alone, strict=True):
        assert torch.allclose(found, combined(g, u, 1.5), atol=1e-12)
    heads = [torch.autograd.grad(one(seen), [*one.parameters()], retain_graph=True) for one in (own, plain)]
    for one, other in zip(*heads, strict=True):
        assert torch.allclose(one, other, atol=1e-12)


def test_heads_are_weighted_by_what_was_gained_and_what_by_heart():
    part = TermPart(GradientBlending, NAMES, Regression("t"), ConcatenationFusion)
    model, _ = part.made()
    own = GradientBlending(model, (), most=100.0).double()
    losses = [  # training and validation, of three heads and the label, in two epochs
        ([1.0, 0.9, 1.2, 0.8], [1.1, 1.0, 1.3, 1.0]),
        ([0.5, 0.8, 0.6, 0.5], [0.9, 0.95, 1.35, 0.8]),
    ]
    for train, valid in losses:
        own.sums[0, 0], own.sums[0, 1] = torch.tensor(train, dtype=torch.float64) * 7, 7.0
        own.sums[1, 0], own.sums[1, 1] = torch.tensor(valid, dtype=torch.float64) * 3, 3.0
        own.end_epoch()
    weights = []
    for branch in range(4):
        (t0, v0), (t1, v1) = ((train[branch], valid[branch]) for train, valid in losses)
        weights.append(max(0.0, v0 - v1) / ((v1 - t1) - (v0 - t0)) ** 2)
    assert own.shares.tolist() == pytest.approx([one / weights[-1] for one in weights[:3]])
    assert own.shares[2] == 0  # its validation loss has risen
    seen = part.seen(model, part.batch())
    apart = [seen.mean(*one).item() for one in own.losses(seen).values()]
    expected = np.mean([share * loss for share, loss in zip(own.shares.tolist(), apart, strict=True)])
    assert own(seen).item() == pytest.approx(expected)


def test_losses_of_an_epoch_are_means_over_labels():
    part = TermPart(GradientBlending, NAMES, Regression("t"), ConcatenationFusion)
    model, own = part.made()
    batches = [part.seen(model, part.batch(seed)) for seed in range(2)]
    for seen in batches:
        own.observe(seen)
        own.validate(seen)
    own.end_epoch()
    parts = [list(own.losses(seen).values()) for seen in batches]
    for branch in range(3):
        total = sum((losses * there).sum() for losses, there in (one[branch] for one in parts))
        count = sum(there.sum() for _, there in (one[branch] for one in parts))
        assert own.before[:, branch].tolist() == pytest.approx([(total / count).item()] * 2)


@pytest.mark.parametrize("term", [GradientBlending, ParetoGradients])
def test_a_kill_changes_nothing(term, tmp_path):
    corpus = affect.load("synthetic:additive")
    few = {name: corpus[name].take(np.arange(count)) for name, count in (("train", 90), ("valid", 40))}
    corpus = affect.Corpus("few", few, corpus.targets)
    options = {"training": Training(epochs=4, learning_rate=0.01, patience=4), "terms": {"each": term}}
    made = [affect.FusionModel.for_corpus(corpus, seed=0, width=4) for _ in range(3)]
    whole = affect.fit(made[0], corpus, **options)
    with pytest.raises(StopError):
        affect.fit(made[1], corpus, **options, folder=tmp_path, callbacks=[StopAt(2, 0)])
    resumed = affect.fit(made[2], corpus, **options, folder=tmp_path)
    assert resumed.history.drop(columns=TIMES).equals(whole.history.drop(columns=TIMES))
    if term is GradientBlending:
        assert whole.terms["each"].shares.tolist() == resumed.terms["each"].shares.tolist() != [1.0, 1.0, 1.0]


@pytest.mark.parametrize(("weight", "label"), [(0.3, 1.0), (3.0, 1.0), (1.0, 0.4), (3.0, 0.4)])
def test_the_combined_gradient_is_that_of_the_losses_as_they_are_weighted(weight, label):
    part = TermPart(ParetoGradients, NAMES, Regression("t"), ConcatenationFusion)
    model, _ = part.made()
    torch.manual_seed(1)
    own = ParetoGradients(model, (), weight=weight).double()
    plain = UnimodalHeads(model, ()).double()
    plain.load_state_dict(own.state_dict())
    seen = replace(part.seen(model, part.batch()), label_weight=label)
    values = [x.values for x in seen.output.encoded.values()]
    learned = label * seen.objective(seen.output)
    parts = [torch.autograd.grad(x, values, retain_graph=True) for x in (learned, weight * plain(seen))]
    whole = torch.autograd.grad(learned + weight * own(seen), values)
    for found, g, u in zip(whole, *parts, strict=True):
        assert torch.allclose(found, combined(g, u, 1.5), atol=1e-12)
        assert (found * g).sum() >= 0
        assert (found * u).sum() >= 0


def test_without_a_label_or_a_weight_there_is_nothing_to_combine():
    part = TermPart(ParetoGradients, NAMES, Regression("t"), ConcatenationFusion)
    model, _ = part.made()
    plain = UnimodalHeads(model, ()).double()
    for weight, label in ((1.0, 0.0), (0.0, 1.0)):
        own = ParetoGradients(model, (), weight=weight).double()
        own.load_state_dict(plain.state_dict())
        seen = replace(part.seen(model, part.batch()), label_weight=label)
        values = [x.values for x in seen.output.encoded.values()]
        grads = [torch.autograd.grad(one(seen), values, retain_graph=True) for one in (own, plain)]
        assert all(torch.equal(one, other) for one, other in zip(*grads, strict=True))


def test_terms_are_told_the_weight_of_the_objective_in_their_stage():
    weights = []

    class Looks(UnimodalHeads):
        def forward(self, seen):
            weights.append(seen.label_weight)
            return super().forward(seen)

    corpus = affect.load("synthetic:mosi_unaligned:24")
    model = affect.FusionModel.for_corpus(corpus, seed=0, width=4)
    stages = [Stage("less", supervised=0.4), Stage("whole")]
    affect.fit(model, corpus, training=Training(epochs=1), stages=stages, terms={"looks": Looks})
    assert list(dict.fromkeys(weights)) == [0.4, 1.0]


@pytest.mark.parametrize("term", [GradientBlending, ParetoGradients])
@pytest.mark.parametrize("precision", ["bfloat16", "bf16-true"])
def test_they_learn_in_half_precision_with_clipping_and_several_batches_a_step(precision, term):
    corpus = affect.load("synthetic:mosi_unaligned:24")
    model = affect.FusionModel.for_corpus(corpus, seed=0, width=4)
    options = Training(epochs=2, precision=precision, gradient_clip=0.5, accumulate=2)
    history = affect.fit(model, corpus, training=options, terms={"each": term}).history
    assert np.isfinite(history["term: each"]).all()


@pytest.mark.parametrize(
    ("term", "options"),
    [(ParetoGradients, {"scale": 0}), (GradientBlending, {"every": 0}), (GradientBlending, {"most": 0})],
)
def test_numbers_out_of_range_are_refused(term, options):
    model = affect.FusionModel.for_shape(dict.fromkeys(NAMES, 2), Regression("t"), aligned=False)
    with pytest.raises(ConfigError, match=next(iter(options))):
        partial(term, **options)(model, ())
