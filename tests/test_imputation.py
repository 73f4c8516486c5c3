"""Imputers beside what they should compute, written out; their laws are in test_laws.py."""

import math
import re
from functools import partial

import pytest
import torch
from loops import add, apply, linear, mean

import affect
from affect.corruption import ModalityDropout, RandomSubset
from affect.data import synthetic
from affect.errors import ConfigError, ShapeError
from affect.flows import CouplingFlow
from affect.imputation import (
    CascadeImputer,
    FlowImputer,
    MeanImputer,
    PlaceholderImputer,
    TranslationImputer,
)
from affect.sequences import Sequence
from affect.training import Training, seeded

DIMS = {"a": 2, "b": 3, "c": 4}
ALL = (CascadeImputer, FlowImputer, MeanImputer, PlaceholderImputer, TranslationImputer)


def made(cls, **options):
    with seeded(0):
        return cls(DIMS, **options).double().eval()


@pytest.fixture
def inputs():
    """Three samples: one has everything, one lacks b, one has nothing."""
    generator = torch.Generator().manual_seed(0)
    found = {}
    for name, dim in DIMS.items():
        values = torch.randn(3, 4, dim, generator=generator, dtype=torch.float64)
        mask = torch.tensor([[True] * 4, [name != "b"] * 4, [False] * 4])
        mask[:, 2] = False
        found[name] = Sequence(values, mask)
    return found


def vector(x, row):
    return x.mean()[row].tolist()


@pytest.mark.parametrize("cls", ALL)
def test_what_is_there_stays_and_only_what_is_absent_is_filled(cls, inputs):
    filled = made(cls)(inputs)
    for name, x in inputs.items():
        assert torch.equal(filled[name].values[0], x.values[0])
        assert not filled[name].mask[2].any()
    assert torch.equal(filled["a"].mask[1], inputs["a"].mask[1])
    assert filled["b"].mask[1].tolist() == [True, False, False, False]


@pytest.mark.parametrize("cls", ALL)
def test_steps_are_filled_one_by_one(cls):
    x = torch.ones(1, 3, 2, dtype=torch.float64)
    a = Sequence(x, torch.tensor([[True, True, False]]))
    b = Sequence(x, torch.tensor([[True, False, False]]))
    imputer = cls({"a": 2, "b": 2}, per_step=True).double().eval()
    filled = imputer({"a": a, "b": b})
    assert filled["b"].mask.tolist() == [[True, True, False]]
    assert torch.equal(filled["b"].values[0, 0], x[0, 0])


def test_a_translation_is_the_mean_of_those_from_what_is_there(inputs):
    imputer = made(TranslationImputer)
    expected = mean([apply(imputer.translate[f"{m} to b"], vector(inputs[m], 1)) for m in "ac"], 3)
    assert imputer(inputs)["b"].values[1, 0].tolist() == pytest.approx(expected, abs=1e-9)


def test_a_cascade_reads_the_sum_of_what_came_before(inputs):
    imputer = made(CascadeImputer, width=6, blocks=3)
    heard = add(*(linear(imputer.project[m], vector(inputs[m], 1)) for m in "ac"))
    total = heard
    for block in imputer.blocks:
        said = apply(block, total)
        total = add(total, said)
    expected = linear(imputer.imagine["b"], said)
    assert imputer(inputs)["b"].values[1, 0].tolist() == pytest.approx(expected, abs=1e-9)


def drawn(module):
    torch.manual_seed(2)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return module


def coded(flow, x):
    """A flow as loops over numbers."""
    for place, size in enumerate(flow.first):
        scales, shifts = flow.scales[place].tolist(), flow.shifts[place].tolist()
        x = [v * math.exp(s) + t for v, s, t in zip(x, scales, shifts, strict=True)]
        if len(x) > 1:
            told = apply(flow.networks[place], x[:size])
            scale, shift = told[: len(x) - size], told[len(x) - size :]
            changed = [v * math.exp(math.tanh(s)) + t for v, s, t in zip(x[size:], scale, shift, strict=True)]
            x = changed + x[:size]
    return x


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_a_flow_can_be_taken_back_and_says_how_much_it_stretches(dim):
    flow = drawn(CouplingFlow(dim, layers=3, width=4).double())
    x = torch.randn(dim, dtype=torch.float64)
    codes, stretch = flow(x)
    assert codes.tolist() == pytest.approx(coded(flow, x.tolist()), abs=1e-9)
    assert torch.allclose(flow.inverse(codes), x, atol=1e-9)
    jacobian = torch.autograd.functional.jacobian(lambda v: flow(v)[0], x)
    assert stretch.item() == pytest.approx(jacobian.det().abs().log().item(), abs=1e-9)
    density = torch.distributions.Normal(0.0, 1.0).log_prob(codes).sum() + stretch
    assert flow.surprise(x).item() == pytest.approx(-density.item() / dim, abs=1e-9)
    with pytest.raises(
        ConfigError, match="CouplingFlow: sizes and layers must be at least 1, got dim=3, layers=0"
    ):
        CouplingFlow(3, layers=0)


def test_what_is_absent_has_the_codes_of_what_is_there(inputs):
    imputer = drawn(made(FlowImputer, layers=2))
    codes = [
        linear(imputer.bridges[f"{m} to b"], coded(imputer.flows[m], vector(inputs[m], 1))) for m in "ac"
    ]
    expected = mean([imputer.flows["b"].inverse(torch.tensor(c).double()).tolist() for c in codes], 3)
    assert imputer(inputs)["b"].values[1, 0].tolist() == pytest.approx(expected, abs=1e-6)
    alike = FlowImputer({"a": 2, "b": 2})
    assert not len(alike.bridges)


def test_training_raises_the_density_of_what_is_there(inputs):
    plain, own = (drawn(made(FlowImputer, likelihood=weight)) for weight in (0.0, 0.5))
    surprises = [own.flows[m].surprise(x.mean()[0]).item() for m, x in inputs.items()]
    assert (own.error(inputs) - plain.error(inputs))[0].item() == pytest.approx(0.5 * sum(surprises) / 3)


def test_the_mean_is_that_of_training_and_old_batches_fade(inputs):
    imputer = made(MeanImputer, momentum=0.25).train()
    imputer(inputs)
    first = vector(inputs["b"], 0)  # the only sample that has it
    assert imputer.means["b"].tolist() == pytest.approx([0.25 * v for v in first])
    imputer({**inputs, "b": inputs["b"].keep(torch.tensor(False))})
    assert imputer.means["b"].tolist() == pytest.approx([0.25 * v for v in first])
    assert imputer.eval()(inputs)["b"].values[1, 0].tolist() == pytest.approx([0.25 * v for v in first])


def test_the_error_leaves_each_modality_out_in_turn(inputs):
    imputer = made(TranslationImputer)
    errors = []
    for m, dim in DIMS.items():
        others = [apply(imputer.translate[f"{o} to {m}"], vector(inputs[o], 0)) for o in DIMS if o != m]
        apart = [(g - t) ** 2 for g, t in zip(mean(others, dim), vector(inputs[m], 0), strict=True)]
        errors.append(sum(apart) / dim)
    found = imputer.error(inputs)
    assert found[0].item() == pytest.approx(sum(errors) / 3)
    assert found[2] == 0
    alone = {m: x if m == "a" else x.keep(torch.tensor(False)) for m, x in inputs.items()}
    assert not imputer.error(alone).any()  # nothing to impute it from


def test_training_lowers_the_error():
    corpus = synthetic.additive(samples={"train": 200, "valid": 50, "test": 50})
    errors = {}
    for weight in (0.0, 1.0):
        with seeded(0):
            model = affect.FusionModel.for_corpus(corpus, imputer=TranslationImputer, width=8)
        training = Training(epochs=10, learning_rate=3e-3, imputation=weight)
        affect.fit(model, corpus, training=training)
        batch = next(iter(affect.batches(corpus["test"], batch_size=50)))
        encoded = model.encode(batch.inputs)
        spread = torch.stack([x.mean().var(0).mean() for x in encoded.values()]).mean()
        errors[weight] = (model.imputer.error(encoded).mean() / spread).item()
    assert errors[1.0] < errors[0.0]


def test_absent_before_encoding_or_after_it_is_the_same():
    corpus = affect.load("synthetic")
    batch = next(iter(affect.batches(corpus["test"], batch_size=8)))
    for cls in ALL:
        model = affect.FusionModel.for_corpus(corpus, imputer=partial(cls)).eval()
        lost = RandomSubset(subsets=(("acoustic", "visual"),))(batch.inputs, batch.ids)
        encoded = {m: x.keep(torch.tensor(m != "text")) for m, x in model.encode(batch.inputs).items()}
        assert torch.allclose(model(lost).prediction, model.fuse(encoded).prediction, atol=1e-6)


def test_only_training_asks_for_the_error():
    corpus = affect.load("synthetic")
    batch = next(iter(affect.batches(corpus["train"], batch_size=8)))
    model = affect.FusionModel.for_corpus(corpus, imputer=CascadeImputer)
    inputs = ModalityDropout(rate=0.5)(batch.inputs, batch.ids)
    assert model.train()(inputs).extras["imputation"].shape == (8,)
    assert "imputation" not in model.eval()(inputs).extras


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda: MeanImputer({"a": 2}), ConfigError, "MeanImputer: needs 2 modalities or more, got a"),
        (
            lambda: CascadeImputer(DIMS, blocks=0),
            ConfigError,
            "CascadeImputer: blocks must be at least 1, got 0",
        ),
        (
            lambda: MeanImputer(DIMS, momentum=0),
            ConfigError,
            "MeanImputer: momentum must be above 0 and at most 1, got 0",
        ),
        (
            lambda: MeanImputer(DIMS)({m: Sequence.full(torch.ones(1, 1, 9)) for m in DIMS}),
            ShapeError,
            "MeanImputer: a needs feature size 2, got 9",
        ),
    ],
)
def test_refusals(ask, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        ask()
