"""Fusions against slow transcriptions of their papers' equations, and what they refuse."""

import itertools
import re

import pytest
import torch

from affect.encoders import (
    ConvolutionalEncoder,
    EmbeddingEncoder,
    GRUEncoder,
    LSTMEncoder,
    PooledEncoder,
    TransformerEncoder,
)
from affect.errors import ConfigError, ShapeError
from affect.fusion import (
    ConcatenationFusion,
    Fusion,
    HybridFusion,
    LateFusion,
    LowRankFusion,
    PerStep,
    TensorFusion,
    VectorFusion,
    WeightedSumFusion,
)
from affect.kernels import fast
from affect.pooling import LastPooling, MaxPooling, MeanPooling, MeanStdPooling
from affect.sequences import Sequence, pick

DIMS = {"a": 2, "b": 3, "c": 4}


def built(cls, **options):
    torch.manual_seed(0)
    module = cls(DIMS, 5, **options).double().eval()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return module


def sample(present=("a", "b", "c"), time=1):
    torch.manual_seed(1)
    inputs = {m: Sequence.full(torch.randn(1, time, d, dtype=torch.float64)) for m, d in DIMS.items()}
    return {m: x.keep(torch.tensor(m in present)) for m, x in inputs.items()}


SUBSETS = [s for n in range(4) for s in itertools.combinations(DIMS, n)]


@pytest.mark.parametrize("present", SUBSETS)
def test_tensor_fusion_is_the_paper_s(present):
    module, inputs = built(TensorFusion), sample(present)
    a, b, c = ([1.0, *inputs[m].values[0, 0].tolist()] for m in DIMS)
    product = [x * y * z for x in a for y in b for z in c]
    weight, bias = module.project.weight.tolist(), module.project.bias.tolist()
    expected = [
        sum(w * p for w, p in zip(row, product, strict=True)) + o for row, o in zip(weight, bias, strict=True)
    ]
    assert module(inputs).values[0, 0].tolist() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("present", SUBSETS)
def test_low_rank_fusion_is_the_paper_s(present):
    module, inputs = built(LowRankFusion, rank=3), sample(present)
    expected = []
    for o in range(5):
        total = module.bias[o].item()
        for r in range(3):
            term = module.weights[r].item()
            for m in DIMS:
                h = [1.0, *inputs[m].values[0, 0].tolist()]
                term *= sum(module.factors[m][r, i, o].item() * h[i] for i in range(len(h)))
            total += term
        expected.append(total)
    assert module(inputs).values[0, 0].tolist() == pytest.approx(expected, abs=1e-9)


def test_low_rank_fusion_is_a_tensor_fusion_of_that_rank():
    low, full, inputs = built(LowRankFusion, rank=2), built(TensorFusion), sample()
    with torch.no_grad():
        weight = torch.einsum("r,rio,rjo,rko->oijk", low.weights, *(low.factors[m] for m in DIMS))
        full.project.weight.copy_(weight.flatten(1))
        full.project.bias.copy_(low.bias)
    assert torch.allclose(low(inputs).values, full(inputs).values)


def test_gradients_of_the_low_rank_product():
    module = built(LowRankFusion, rank=2)
    vectors = [torch.randn(2, d, dtype=torch.float64, requires_grad=True) for d in DIMS.values()]
    assert torch.autograd.gradcheck(lambda *v: module.combine(dict(zip(DIMS, v, strict=True)), {}), vectors)


@pytest.mark.parametrize("present", SUBSETS)
@pytest.mark.parametrize("fusion", [WeightedSumFusion, LateFusion, HybridFusion])
def test_weights_are_of_those_that_are_there(fusion, present):
    weights = built(fusion).with_extras(sample(present))[1]["weights"][0].tolist()
    there = [m in present for m in DIMS]
    assert [w > 0 for w in weights[:3]] == there
    assert sum(weights) == pytest.approx(float(bool(present)))


def test_late_fusion_averages_decisions():
    module, inputs = built(LateFusion), sample()
    decisions = [module.experts[m](inputs[m].values[0, 0]) for m in DIMS]
    shares = module.weigh.logits.exp() / module.weigh.logits.exp().sum()
    expected = sum(s * d for s, d in zip(shares, decisions, strict=True))
    assert torch.allclose(module(inputs).values[0, 0], expected)


def test_late_fusion_has_no_product_of_modalities():
    """The second difference over two modalities is zero where there is no interaction."""
    module = built(LateFusion)
    one, other = sample(), {m: x.with_values(x.values + 1) for m, x in sample().items()}
    mixed = [module({**one, **{m: other[m] for m in changed}}).values for changed in ("", "a", "b", "ab")]
    assert torch.allclose(mixed[3] - mixed[1] - mixed[2] + mixed[0], torch.zeros(1, dtype=torch.float64))


def test_concatenation_puts_a_learned_vector_for_what_is_absent():
    module, inputs = built(ConcatenationFusion), sample(("a", "c"))
    filled = torch.cat([inputs["a"].values[0, 0], module.absent["b"], inputs["c"].values[0, 0]])
    assert torch.allclose(module(inputs).values[0, 0], module.layers(filled))


@pytest.mark.parametrize("fusion", [TensorFusion, LateFusion, ConcatenationFusion])
def test_per_step_is_the_fusion_at_each_step(fusion):
    module, inputs = built(PerStep, fusion=fusion), sample(time=4)
    inputs["b"] = inputs["b"].keep(torch.tensor([True, False, True, True]))
    out = module(inputs)
    for step in range(4):
        alone = {m: Sequence(x.values[:, [step]], x.mask[:, [step]]) for m, x in inputs.items()}
        assert torch.allclose(out.values[:, [step]], module.fusion(alone).values)


def test_poolings_read_observed_steps_alone():
    values = torch.tensor([[[1.0], [-5.0], [3.0], [9.0]]])
    x = Sequence(values, torch.tensor([[True, True, True, False]]))
    found = {type(p).__name__: p(x).flatten().tolist() for p in (MeanPooling(), MaxPooling(), LastPooling())}
    assert found == {
        "MeanPooling": [pytest.approx(-1 / 3)],
        "MaxPooling": [3.0],
        "LastPooling": [3.0],
    }
    spread = torch.tensor([1.0, -5.0, 3.0]).std(correction=0).item()
    assert MeanStdPooling()(x).flatten().tolist() == pytest.approx([-1 / 3, spread])
    nothing = x.keep(torch.tensor(False))
    for pooling in (MeanPooling(), MaxPooling(), LastPooling(), MeanStdPooling()):
        assert pooling(nothing).eq(0).all()


@pytest.mark.parametrize("pooling", [MeanPooling, MaxPooling, LastPooling, MeanStdPooling])
def test_a_pooling_needs_no_step_but_those_it_reads(pooling):
    mask = torch.tensor([[True, False, True, False], [False] * 4, [True] * 4])
    x = Sequence(torch.randn(3, 4, 2), mask)
    read = pooling().reads(mask)
    assert (read is None) == (pooling is not LastPooling)
    if read is not None:
        assert torch.equal(pooling()(x), pooling()(Sequence(pick(x.values, read), mask.gather(1, read))))


def test_a_recurrent_encoder_skips_holes_and_turns_round_at_the_last_observed_step():
    torch.manual_seed(0)
    encoder = LSTMEncoder(3, 4, layers=2).double().eval()
    dense = torch.randn(1, 5, 3, dtype=torch.float64)
    mask = torch.tensor([[True, False, True, True, False]])
    packed = encoder(Sequence.full(dense[:, [0, 2, 3]])).values
    assert torch.allclose(encoder(Sequence(dense, mask)).values[:, [0, 2, 3]], packed)

    def read(network, x):
        lstm = torch.nn.LSTM(x.shape[-1], 4, batch_first=True).double()
        lstm.load_state_dict(network.state_dict())
        return lstm(x)[0]

    forward = read(encoder.forwards[0], dense[:, [0, 2, 3]])
    backward = read(encoder.backwards[0], dense[:, [3, 2, 0]])
    both = torch.cat([forward, backward.flip(1)], -1)
    forward, backward = read(encoder.forwards[1], both), read(encoder.backwards[1], both.flip(1))
    assert torch.allclose(packed, encoder.project(torch.cat([forward, backward.flip(1)], -1)))


@pytest.mark.parametrize("encoder", [LSTMEncoder, GRUEncoder])
@pytest.mark.parametrize("pooling", [MeanPooling, LastPooling, MeanStdPooling])
@pytest.mark.parametrize("quick", [False, True])
def test_a_recurrent_encoder_pools_its_states(encoder, pooling, quick):
    torch.manual_seed(0)
    x = Sequence(torch.randn(3, 5, 2), torch.rand(3, 5) < torch.tensor([[0.7], [1.0], [0.0]]))
    pooled, states = encoder(2, 4, pooling=pooling()).eval(), encoder(2, 8, width=4).eval()
    as_they_are = {"project.weight": torch.eye(8), "project.bias": torch.zeros(8)}
    states.load_state_dict(pooled.state_dict() | as_they_are)
    with fast(quick):
        out = pooled(x)
        expected = pooled.project(pooling()(states(x))) * x.present.unsqueeze(1)
    assert torch.allclose(out.values[:, 0], expected, atol=1e-6)
    assert out.mask.flatten().tolist() == x.present.tolist() == [True, True, False]


def test_padding_in_front_does_not_move_a_transformer_s_positions():
    encoder = TransformerEncoder(3, 8).eval()
    x = torch.randn(1, 4, 3)
    shifted = Sequence(torch.cat([torch.zeros(1, 2, 3), x], 1), torch.tensor([[False] * 2 + [True] * 4]))
    assert torch.allclose(encoder(shifted).values[:, 2:], encoder(Sequence.full(x)).values, atol=1e-5)


class Forgetful(Fusion):
    pass


class Narrow(VectorFusion):
    def combine(self, vectors, present):
        return vectors["a"]


def full(dims, time=2):
    return {m: Sequence.full(torch.ones(1, time, d)) for m, d in dims.items()}


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (
            lambda: TensorFusion({}, 4),
            ConfigError,
            "TensorFusion: needs at least one modality and positive sizes, got dims={}, out_dim=4",
        ),
        (
            lambda: TensorFusion({"a": 99, "b": 99, "c": 199}, 4),
            ConfigError,
            "TensorFusion: the outer product of {'a': 99, 'b': 99, 'c': 199} has 2,000,000 entries, "
            "the limit is 1,048,576; make the encoders narrower, raise the limit, or use LowRankFusion",
        ),
        (
            lambda: LowRankFusion(DIMS, 4, rank=0),
            ConfigError,
            "LowRankFusion: rank must be at least 1, got 0",
        ),
        (
            lambda: TensorFusion(DIMS, 4, pooling=MeanStdPooling()),
            ConfigError,
            "TensorFusion: MeanStdPooling changes the feature size; use it in a PooledEncoder",
        ),
        (
            lambda: TensorFusion(DIMS, 4)(full({"a": 2, "b": 3})),
            ShapeError,
            "TensorFusion: expected modalities ['a', 'b', 'c'], got ['a', 'b']; "
            "a modality that is missing is a Sequence whose mask is False",
        ),
        (
            lambda: TensorFusion(DIMS, 4)(full({"a": 2, "b": 3, "c": 5})),
            ShapeError,
            "TensorFusion: c needs feature size 4, got 5",
        ),
        (
            lambda: PerStep(DIMS, 4)({**full(DIMS), **full({"b": 3}, time=3)}),
            ShapeError,
            "PerStep: needs aligned sequences, got steps a 2, b 3, c 2; put an aligner before it "
            "(ResamplingAligner, WarpingAligner or AttentionAligner)",
        ),
        (lambda: Narrow(DIMS, 4)(full(DIMS)), ShapeError, "Narrow.fuse must return feature size 4, got 2"),
        (lambda: Forgetful(DIMS, 4)(full(DIMS)), NotImplementedError, "Forgetful must define fuse"),
        (
            lambda: PooledEncoder(3, 4)(full({"a": 2})["a"]),
            ShapeError,
            "PooledEncoder: expected feature size 3, got 2; build the encoder for this modality's feature size",
        ),
        (
            lambda: PooledEncoder(0, 4),
            ConfigError,
            "PooledEncoder: sizes must be positive, got in_dim=0, out_dim=4",
        ),
        (
            lambda: ConvolutionalEncoder(3, 4, kernel=2),
            ConfigError,
            "ConvolutionalEncoder: kernel must be odd, got 2",
        ),
        (
            lambda: TransformerEncoder(3, 6),
            ConfigError,
            "TransformerEncoder: width must be divisible by heads, got 6 and 4",
        ),
        (
            lambda: EmbeddingEncoder(3, 4),
            ConfigError,
            "EmbeddingEncoder: expected in_dim 1 (a word index), got 3; use StepEncoder",
        ),
    ],
)
def test_refusals(ask, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        ask()
