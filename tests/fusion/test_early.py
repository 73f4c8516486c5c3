"""Early fusion over time against loops over the joined steps."""

import re
from functools import partial

import pytest
import torch
from loops import linear, lstm, moments

from affect.encoders import LSTMEncoder, PassEncoder, StepEncoder
from affect.errors import ConfigError, ShapeError
from affect.fusion import EarlyFusion
from affect.pooling import LastPooling, MeanPooling, MeanStdPooling
from affect.runs.configuration import parse
from affect.sequences import Sequence

DIMS = {"a": 2, "b": 3, "c": 4}


def encoded(module, aligned):
    """What the encoder says after every step at which anything was observed."""
    encoder, found = module.encoder, []
    state = [0.0] * 5, [0.0] * 5
    parameters = list(encoder.forwards[0].parameters())
    for now in moments(aligned):
        joined = [v for m in DIMS for v in now.get(m, module.absent[m].tolist())]
        state = lstm(parameters, joined, state) if now else state
        found.append(linear(encoder.project, state[0]) if now else [0.0] * 5)
    return found


@pytest.mark.parametrize("pooling", [None, LastPooling, MeanPooling])
def test_early_fusion_reads_the_joined_steps(built, aligned, pooling):
    one_way = partial(LSTMEncoder, bidirectional=False)
    module = built(EarlyFusion, encoder=one_way, pooling=pooling and pooling())
    found, out = encoded(module, aligned), module(aligned)
    seen = [bool(now) for now in moments(aligned)]
    if pooling is None:
        assert out.mask[0].tolist() == seen
        assert out.values[0].tolist() == [pytest.approx(step, abs=1e-9) for step in found]
        return
    steps = [step for step, there in zip(found, seen, strict=True) if there] or [[0.0] * 5]
    last = pooling is LastPooling
    expected = steps[-1] if last else [sum(values) / len(steps) for values in zip(*steps, strict=True)]
    assert out.mask.tolist() == [[True]]
    assert out.values[0, 0].tolist() == pytest.approx(expected, abs=1e-9)


def test_any_encoder_reads_them(built, aligned):
    out = built(EarlyFusion, encoder=StepEncoder)(aligned)
    assert out.values.shape == (1, 6, 5)


def test_it_is_named_in_a_configuration():
    lstm_of_two = {"class_path": "LSTMEncoder", "init_args": {"layers": 2}}
    content = {"class_path": "EarlyFusion", "init_args": {"encoder": lstm_of_two, "pooling": "LastPooling"}}
    fusion = parse({"corpus": "synthetic", "model": {"fusion": content}}, "doc").model.fusion(DIMS, 5)
    assert len(fusion.encoder.forwards) == 2
    assert isinstance(fusion.pooling, LastPooling)
    plain = parse({"corpus": "synthetic", "model": {"fusion": "EarlyFusion"}}, "doc").model.fusion(DIMS, 5)
    assert isinstance(plain.encoder, LSTMEncoder)
    assert plain.pooling is None


@pytest.mark.parametrize("name", ["MemoryFusion", "GraphMemoryFusion", "HybridMemoryFusion"])
@pytest.mark.parametrize("width", [3, {"a": 2, "b": 3, "c": 2}])
def test_widths_are_given_in_a_configuration(name, width):
    content = {"class_path": name, "init_args": {"width": width}}
    fusion = parse({"corpus": "synthetic", "model": {"fusion": content}}, "doc").model.fusion(DIMS, 5)
    assert fusion.widths == (width if isinstance(width, dict) else dict.fromkeys(DIMS, width))


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (
            lambda: EarlyFusion(DIMS, 4, encoder=lambda in_dim, _: PassEncoder(in_dim, in_dim)),
            ConfigError,
            "EarlyFusion: PassEncoder gives feature size 9, expected 4; use an encoder that gives the size it is "
            "asked for",
        ),
        (
            lambda: EarlyFusion(DIMS, 4, pooling=MeanStdPooling()),
            ConfigError,
            "EarlyFusion: MeanStdPooling changes the feature size; use one that keeps it",
        ),
        (
            lambda: EarlyFusion(DIMS, 4)(
                {m: Sequence.full(torch.ones(1, 1 + d, d)) for m, d in DIMS.items()}
            ),
            ShapeError,
            "EarlyFusion: needs aligned sequences, got steps a 3, b 4, c 5; put an aligner before it "
            "(ResamplingAligner, WarpingAligner or AttentionAligner)",
        ),
    ],
)
def test_refusals(ask, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        ask()
