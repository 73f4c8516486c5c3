"""Options that parts have for networks as they were published: each beside a network of torch's own, or a loop."""

from functools import partial
from typing import get_args

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

import affect
from affect import testing
from affect.attention import TransformerLayer, TransformerStack, not_later
from affect.data.targets import Binary, MultiClass, Regression
from affect.encoders import ConvolutionalEncoder, GRUEncoder, LSTMEncoder, PooledEncoder, TransformerEncoder
from affect.errors import ConfigError, ShapeError
from affect.fusion import (
    BlockFusion,
    ConcatenationFusion,
    CrossModalTransformer,
    GatedShiftFusion,
    GraphMemoryFusion,
    MemoryFusion,
    MultiplicativeInteractionFusion,
    SharedPrivateFusion,
    TuckerFusion,
)
from affect.fusion.gating import ShiftGate
from affect.heads import BinaryHead, Head, MultiClassHead, RegressionHead
from affect.kernels import fast
from affect.kernels.gated_memory import _CHANGES
from affect.layers import _ACTIVATIONS, Activation, BatchNorm, activation_of
from affect.model import ModelSpec
from affect.pooling import EndsPooling, LastPooling
from affect.sequences import Sequence

LENGTHS = torch.tensor([7, 4, 1, 7])


@pytest.fixture
def x():
    torch.manual_seed(0)
    mask = torch.arange(7) < LENGTHS.unsqueeze(1)
    return Sequence(torch.randn(4, 7, 6, dtype=torch.float64), mask)


def same(a, b):
    assert a.shape == b.shape
    assert (a - b).abs().max() < 1e-12


def test_a_post_norm_layer_is_torch_s(x):
    own = TransformerLayer(6, 2, dropout=0.0, hidden=10, activation="relu", post_norm=True).double()
    other = nn.TransformerEncoderLayer(6, 2, 10, 0.0, batch_first=True).double()
    attention = own.attention
    weights = [attention.query.weight, attention.key.weight, attention.value.weight]
    biases = [attention.query.bias, torch.randn(6), attention.value.bias]  # any bias of the key is the same
    pairs = [
        (other.self_attn.in_proj_weight, torch.cat(weights)), (other.self_attn.in_proj_bias, torch.cat(biases)),
        (other.self_attn.out_proj.weight, attention.out.weight), (other.self_attn.out_proj.bias, attention.out.bias),
    ]  # fmt: skip
    with torch.no_grad():
        for goal, value in pairs:
            goal.copy_(value)
        for goal, source in (
            (other.linear1, own.feedforward[0]), (other.linear2, own.feedforward[2]),
            (other.norm1, own.norm), (other.norm2, own.last_norm),
        ):  # fmt: skip
            nn.init.normal_(source.weight)
            nn.init.normal_(source.bias)
            goal.load_state_dict(source.state_dict())
        found = own(x)
        expected = other(x.values, src_key_padding_mask=~x.mask)
    same(found.values, x.with_values(expected).values)


def test_a_post_norm_encoder_has_no_norm_behind_its_last_layer(x):
    encoder = TransformerEncoder(6, 8, layers=1, heads=2, dropout=0.0, post_norm=True, hidden=3).double()
    assert isinstance(encoder.norm, nn.Identity)
    assert encoder.layers[0].feedforward[0].out_features == 3
    encoded = encoder(x).values[x.mask]
    same(encoded.mean(-1), torch.zeros(len(encoded), dtype=torch.float64))


@pytest.mark.parametrize(("cls", "other"), [(LSTMEncoder, nn.LSTM), (GRUEncoder, nn.GRU)])
@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("normed", [False, True])
def test_both_ends_of_a_reading_are_torch_s_last_states(cls, other, joined, normed, x):
    encoder = cls(
        6, 5, layers=2, width=3, dropout=0.0, pooling=EndsPooling(), joined=joined, normed=normed
    ).double()
    layers = [other(size, 3, batch_first=True, bidirectional=True).double() for size in (6, 6)]
    with torch.no_grad():
        for layer, (forwards, backwards) in zip(layers, encoder.networks(), strict=True):
            for name, value in forwards.named_parameters():
                getattr(layer, name).copy_(value)
            for name, value in backwards.named_parameters():
                getattr(layer, f"{name}_reverse").copy_(value)
        read, ends = x.values, []
        for place, layer in enumerate(layers):
            packed = pack_padded_sequence(read, LENGTHS, batch_first=True, enforce_sorted=False)
            states, last = layer(packed)
            ends.append(last[0] if isinstance(last, tuple) else last)
            read, _ = nn.utils.rnn.pad_packed_sequence(states, batch_first=True)
            if normed and place == 0:
                read = encoder.norms[0](read)
        own = ends if joined else ends[-1:]
        expected = torch.cat([end[side] for side in (0, 1) for end in own], -1)
        same(encoder(x).values[:, 0], encoder.project(expected))
        with fast(False):
            same(encoder(x).values[:, 0], encoder.project(expected))


def test_ends_are_halves():
    with pytest.raises(
        ShapeError, match="EndsPooling: expected an even number of features, two halves, got 3"
    ):
        EndsPooling()(Sequence.full(torch.ones(1, 2, 3)))


def test_a_batch_norm_is_torch_s_of_the_rows_that_are_there():
    torch.manual_seed(0)
    own, other = BatchNorm(3).double(), nn.BatchNorm1d(3).double()
    there = torch.tensor([True, True, False, True, True])
    for _ in range(3):
        values = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
        found, expected = own(values, there)[there], other(values[there])
        same(found, expected)
        same(*(torch.autograd.grad(y.pow(3).sum(), values, retain_graph=True)[0] for y in (found, expected)))
    for name, buffer in other.named_buffers():
        if "running" in name:
            same(getattr(own, name), buffer)
    one = torch.tensor([True, False, False, False, False])
    before = own.running_mean.clone()
    usual = own.eval()(values, one)
    same(own.train()(values, one), usual)  # a single row has no spread
    same(own.running_mean, before)


@pytest.mark.parametrize("per_step", [False, True])
def test_a_head_s_layers_are_a_loop(per_step, x):
    target = Regression("t", low=-1, high=3, per_step=per_step)
    head = RegressionHead(
        6, target, dropout=0.0, layers=2, activation="tanh", normed=True, bounded=True
    ).double()
    head.fit(torch.tensor([[1.0], [9.0]]))
    head.norm.running_mean.normal_()
    first, last = (layer for layer in head.layers if isinstance(layer, nn.Linear))
    values, there = (x.values, x.mask) if per_step else (x.mean().unsqueeze(1), x.present.unsqueeze(1))
    head.eval()
    expected = torch.empty(*values.shape[:2], 1, dtype=torch.float64)
    for i in range(values.shape[0]):
        for t in range(values.shape[1]):
            h = (values[i, t] - head.norm.running_mean) / (head.norm.running_var + 1e-5).sqrt()
            h = h * there[i, t]
            h = torch.tanh(first.weight @ torch.tanh(h) + first.bias)
            expected[i, t] = -1 + 4 / (1 + torch.exp(-(last.weight @ h + last.bias)))
    same(head(x), expected)


def test_a_general_head_is_that_of_the_target():
    for target, kind in (
        (Regression("t"), RegressionHead), (Binary("t"), BinaryHead), (MultiClass("t", classes=("a", "b")), MultiClassHead),
    ):  # fmt: skip
        spec = ModelSpec(head=partial(Head, layers=1, activation="relu"))
        model = spec.for_shape({"text": 3}, target, aligned=True)
        assert type(model.head) is kind
        assert [type(layer).__name__ for layer in model.head.layers] == ["ReLU", "Dropout", "Linear"]
    with pytest.raises(
        ConfigError, match=r"^RegressionHead: bounded: needs both ends of 't', got low=None, high=1"
    ):
        ModelSpec(head=partial(Head, bounded=True)).for_shape(
            {"text": 3}, Regression("t", high=1), aligned=True
        )


def test_later_steps_are_not_read(x):
    stack = TransformerStack(6, 2, layers=2, dropout=0.0, causal=True).double().eval()
    whole = stack(x).values
    for t in range(7):
        values = x.values.clone()
        values[:, t + 1 :] = torch.randn_like(values[:, t + 1 :])
        same(stack(x.with_values(values)).values[:, : t + 1], whole[:, : t + 1])
    moved = values.clone()
    moved[:, 0] = torch.randn_like(moved[:, 0])
    assert (stack(x.with_values(moved)).values - whole)[:, -1][LENGTHS == 7].abs().max() > 1e-6
    with fast(False):
        same(stack(x).values, whole)
    same(stack(x, steps=torch.full((4, 1), 0)).values, whole[:, :1])


def test_what_is_no_later_is_counted_from_what_was_observed():
    mask = torch.tensor([[False, True, True, False]])
    context = torch.tensor([[True, True, True, True]])
    allowed = not_later(mask, context)
    # two steps beside four: two more are let in
    assert allowed[0, 1:3].int().tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]


def test_a_step_that_nothing_is_allowed_to_gets_nothing():
    stack = TransformerStack(4, 2, layers=1, dropout=0.0, causal=True).double()
    mask = torch.tensor([[False, False, True]])
    x = Sequence(torch.randn(1, 3, 4, dtype=torch.float64), mask)
    x.values.requires_grad_()
    found = stack(x).values
    found.sum().backward()
    assert found.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in stack.parameters())


def test_unpadded_projections_keep_the_steps_that_they_see_whole(x):
    fusion = CrossModalTransformer(
        {"a": 6, "b": 6}, 4, width=8, kernel={"a": 5, "b": 1}, padded=False
    ).double()
    projected = fusion.project({"a": x, "b": x})
    assert projected["a"].mask.sum(1).tolist() == [3, 2, 1, 3]
    assert torch.equal(projected["b"].mask, x.mask)
    convolved = fusion.projections["a"](x.values)[:, 2:5]
    same(projected["a"].values[0, 2:5], convolved[0])
    with pytest.raises(ConfigError, match="kernel: modality 'b' has none; given for: a"):
        CrossModalTransformer({"a": 6, "b": 6}, 4, kernel={"a": 5})


def test_inner_biases_go_through_the_gates():
    torch.manual_seed(0)
    gate = ShiftGate(3, [2, 2], scale=1e9, dropout=0.0, inner=True).double()
    z, a, b = (torch.randn(1, 2, d, dtype=torch.float64) for d in (3, 2, 2))
    there = Sequence(b, torch.tensor([[True, False]]))
    found = gate(Sequence.full(z), [Sequence.full(a), there]).values
    for t in range(2):
        shift = torch.zeros(3, dtype=torch.float64)
        for place, value in ((0, a), (1, b))[: 2 - t]:
            weight = (
                gate.gates[place].weight @ torch.cat([z[0, t], value[0, t]]) + gate.gates[place].bias
            ).relu()
            shift = shift + weight * (gate.shifts[place].weight @ value[0, t] + gate.shifts[place].bias)
        same(found[0, t], gate.layers[0](z[0, t] + shift))


LAWFUL = {
    "pooled": testing.encoder_part(partial(PooledEncoder, activation="relu", normed=True, activated=True)),
    "lstm": testing.encoder_part(partial(LSTMEncoder, layers=2, normed=True, joined=True, pooling=EndsPooling())),
    "convolutional": testing.encoder_part(partial(ConvolutionalEncoder, activation="tanh")),
    "post-norm": testing.encoder_part(partial(TransformerEncoder, post_norm=True, activation="relu")),
    "memory": testing.fusion_part(partial(MemoryFusion, activation="relu"), 2),
    "graph memory": testing.fusion_part(
        partial(GraphMemoryFusion, activation="relu", graph_activation="none", vertex_activation="relu", bounded=False), 2
    ),
    "crossed": testing.fusion_part(
        partial(
            CrossModalTransformer, causal=True, padded=False, kernel=3, activation="relu", local=False, bare=True,
            pooling=LastPooling(),
        ), 2
    ),
    "shared and private": testing.fusion_part(partial(SharedPrivateFusion, post_norm=True, hidden=5), 2),
    "shifted": testing.fusion_part(partial(GatedShiftFusion, inner=True), 2),
    "placed": testing.fusion_part(partial(CrossModalTransformer, fixed_positions=True, blank=True), 2),
    "core": testing.fusion_part(partial(TuckerFusion, full=True, width=5, activation="none", normed=True), 3),
    "blocks": testing.fusion_part(partial(BlockFusion, full=True, width=6, chunks=2), 3),
    "diagonal": testing.fusion_part(partial(MultiplicativeInteractionFusion, form="vector"), 3),
    "louder": testing.fusion_part(partial(MultiplicativeInteractionFusion, form="scalar"), 3),
    "side by side": testing.fusion_part(partial(ConcatenationFusion, layers=1, activation="tanh"), 2),
    "head": testing.head_part(partial(RegressionHead, layers=1, normed=True, bounded=True), Regression("t", low=-9, high=9)),
}  # fmt: skip


@pytest.mark.parametrize("law", testing.LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("part", LAWFUL.values(), ids=LAWFUL)
def test_options_keep_the_laws(part, law):
    law(part)


def test_sizes_by_modality():
    corpus = affect.load("synthetic:mosi_unaligned:24")
    model = ModelSpec(width={"text": 3, "acoustic": 4, "visual": 5, "tokens": 6}).for_corpus(corpus, seed=0)
    assert model.fusion.dims == {"acoustic": 4, "text": 3, "visual": 5}
    with pytest.raises(ConfigError, match=r"^width: modality 'visual' has none; given for: acoustic, text$"):
        ModelSpec(width={"text": 3, "acoustic": 4}).for_corpus(corpus)
    with pytest.raises(ConfigError, match=r"^FusionModel: width: text must be at least 1, got 0$"):
        ModelSpec(width={"text": 0})


def test_an_activation_that_there_is_not():
    with pytest.raises(
        ConfigError, match=r"^activation: no 'rleu'; did you mean 'relu'\? known: gelu, none, relu"
    ):
        activation_of("rleu")


def test_the_gated_memory_knows_every_activation():
    assert _CHANGES.keys() == set(get_args(Activation)) == _ACTIVATIONS.keys()
