"""A training begins with the weights of another model."""

import logging
import re

import pytest
import torch
from small import model_of

import affect
from affect.data import synthetic
from affect.data.targets import Binary
from affect.errors import ConfigError
from affect.fusion import TensorFusion
from affect.training import Training, start_from


@pytest.fixture(scope="module")
def tiny():
    return synthetic.interaction(samples={"train": 48, "valid": 24, "test": 24})


def test_a_model_of_the_same_parts_becomes_the_same_one(tiny, caplog):
    caplog.set_level(logging.INFO)
    first, second = model_of(tiny), model_of(tiny, seed=1)
    before = {name: x.clone() for name, x in first.state_dict().items()}
    start_from(second, first, "the first")
    assert all(torch.equal(x, before[name]) for name, x in second.state_dict().items())
    count = len(before)
    assert caplog.messages == [f"init: {count} of {count} tensors taken from the first"]
    second.head.layers[1].weight.data.zero_()
    assert all(torch.equal(x, before[name]) for name, x in first.state_dict().items())


def test_what_does_not_fit_is_named(tiny, caplog):
    first, second = model_of(tiny), model_of(tiny, seed=1, out_dim=16)
    kept = second.head.layers[1].weight.clone()
    taken = start_from(second, first.state_dict(), "the first")
    left = [name for name in second.state_dict() if name not in taken]
    assert left == ["fusion.layers.0.weight", "fusion.layers.0.bias", "head.layers.1.weight"]
    assert torch.equal(second.head.layers[1].weight, kept)
    count = len(second.state_dict())
    assert caplog.messages == [
        f"init: {count - 3} of {count} tensors taken from the first; new: fusion.layers.0.weight (16, 24), "
        "fusion.layers.0.bias (16,), head.layers.1.weight (1, 16); not used: fusion.layers.0.weight (64, 24), "
        "fusion.layers.0.bias (64,), head.layers.1.weight (1, 64)"
    ]


def test_the_head_of_another_target_is_left_out(tiny):
    first, second = model_of(tiny), model_of(tiny, seed=1)
    second.head.target = Binary("sarcasm")
    assert not any(name.startswith("head.") for name in start_from(second, first))


def test_a_training_goes_on_from_there(tiny):
    learned = affect.fit(model_of(tiny), tiny, training=Training(epochs=4, learning_rate=0.01))
    rates = Training(epochs=1, learning_rate=1e-9)
    again = affect.fit(model_of(tiny, seed=1), tiny, training=rates, init=learned.model)
    apart = again.predictions["prediction"] - learned.predictions["prediction"]
    assert apart.abs().max() < 1e-4


def test_nothing_that_fits_is_refused(tiny):
    other = model_of(tiny, width=4, out_dim=3, fusion=TensorFusion).encoders["text"].state_dict()
    message = r"^init: nothing of a dict fits: the model has .*; there is .*$"
    with pytest.raises(ConfigError, match=message):
        start_from(model_of(tiny), dict(other))
    message = "init: expected a FusionModel or its state_dict, got an int; affect.runs.load_model(RUN) gives a run's"
    with pytest.raises(ConfigError, match=f"^{re.escape(message.replace('an int', '3'))}$"):
        start_from(model_of(tiny), 3)
