"""Every number that a constructor of affect takes: absurd ones are refused in one line, or have their reason."""

import functools
import importlib
import inspect
import math
from dataclasses import fields

import pytest

import affect
from affect import Training
from affect.bounds import ARGUMENTS, COUNT, NOT_NEGATIVE
from affect.cli.listing import _BASES
from affect.data.targets import Binary
from affect.errors import ConfigError, ShapeError
from affect.model import ModelSpec
from affect.runs.parts import ROOMS

ABSURD = (-1, 0, math.nan, math.inf, -math.inf, 1e300, True, 10**5000, -(10**30), "1", [], 0.5)
DIMS = {"one": 4, "two": 4}
FIRST = {
    "affect.fusion": (DIMS, 8),
    "affect.encoders": (4, 8),
    "affect.aligners": (DIMS,),
    "affect.imputation": (DIMS,),
    "affect.heads": (8, Binary("yes")),
    "affect.baselines": (DIMS, Binary("yes")),
}

RIGHT = {
    "dropout": (0, 0.5), "key_dropout": (0, 0.5), "residual_dropout": (0, 0.5), "rate": (0, 0.5), "consistency": (0, 0.5),
    "layers": (0,), "own_layers": (0,), "lora": (0,), "layer": (0,), "reach": (0,), "warmup_epochs": (0,),
    "unknown": (0,), "weight_decay": (0, 0.5), "gradient_clip": (0, 0.5), "imputation": (0, 0.5),
    "distillation": (0, 0.5), "snr": (-1, 0, 0.5, math.inf), "factor": (0.5,), "deviation": (0, 0.5),
    "strength": (0, 0.5), "gain": (0, 0.5), "offset": (0, 0.5), "learning_rate": (0.5,), "scale": (0, 0.5),
    "momentum": (0.5,), "keep": (0.5,), "learning_rate_warmup": (0, 0.5),
}  # fmt: skip
"""What is absurd for other numbers, and right for these: nothing is dropped, clipped, weighed or delayed."""


def classes():
    for room, base in ROOMS.values():
        if room in FIRST or room == "affect.corruption":
            queue = [getattr(importlib.import_module(room), base)]
            while queue:
                cls = queue.pop(0)
                queue += cls.__subclasses__()
                if (
                    cls.__module__.startswith("affect.")
                    and cls.__name__ not in _BASES
                    and cls.__name__[0] != "_"
                ):
                    yield cls, FIRST.get(room, ())
    yield Training, ()
    yield ModelSpec, ()


def numbers():
    for cls, first in classes():
        for name, own in inspect.signature(cls).parameters.items():
            kinds = {part.split("[")[0].strip() for part in str(own.annotation).split("|")}
            if own.default is not own.empty and kinds & {"int", "float"} and name not in WITHOUT:
                yield pytest.param(cls, first, name, own.default, id=f"{cls.__name__}.{name}")


WITHOUT = {
    "trained": "the layers of the model that is loaded",
    "in_dim": "an EmbeddingEncoder's, which is 1",
    "out_dim": "a size beside the arguments of a first place",
}
"""Numbers whose bounds are others, and what those are."""

NAMED = [*numbers()]


def right(cls, name, value, default):
    if isinstance(value, bool | str | list):
        return False
    if name == "steps" and cls.__name__ == "TimeShift":
        return value in (-1, 0, 0.5)
    return value in RIGHT.get(name, ()) and (not isinstance(default, int) or value != 0.5)


@pytest.mark.parametrize(("cls", "first", "name", "default"), NAMED)
def test_no_absurd_number_comes_in(cls, first, name, default):
    extra = {"model": "/nowhere"} if cls.__name__ == "PretrainedEncoder" else {}
    if name in ("consistency", "warmup_epochs"):
        extra = {"corruption": affect.corruption.StepDropout()}
    for value in ABSURD:
        if right(cls, name, value, default):
            continue
        with pytest.raises((ConfigError, ShapeError)) as caught:
            cls(*first, **extra, **{name: value})
        said = str(caught.value)
        assert name in said
        assert "\n" not in said
        assert len(said) < 300


def test_the_walk_meets_all_of_them():
    assert len(NAMED) > 130


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda: affect.fusion.TensorFusion(DIMS, 8, dropout=1),
            "TensorFusion: dropout must be at least 0 and below 1, got 1",
        ),
        (
            lambda: affect.fusion.CrossModalTransformer(DIMS, 8, layers=-1),
            "CrossModalTransformer: layers must be at least 0, got -1",
        ),
        (
            lambda: affect.fusion.CrossModalTransformer(DIMS, 8, layers=10**5000),
            "CrossModalTransformer: layers must be at most 1,000, got a whole number of 16,610 bits",
        ),
        (
            lambda: affect.encoders.LSTMEncoder(4, 8, layers=0),
            "LSTMEncoder: layers must be at least 1, got 0",
        ),
        (
            lambda: Training(gradient_clip=-1),
            "training: gradient_clip must be at least 0, got -1",
        ),
        (
            lambda: Training(learning_rate=math.nan),
            "training: learning_rate must be positive, got nan",
        ),
        (
            lambda: affect.corruption.StepDropout(rate={"one": True}),
            "StepDropout: rate must be a number, between 0 and 1, got True",
        ),
    ],
)
def test_refusals(ask, message):
    with pytest.raises(ConfigError) as caught:
        ask()
    assert str(caught.value) == message


def test_a_class_of_somebody_else_gives_names_its_own_meaning():
    class Own(affect.Fusion):
        def __init__(self, dims, out_dim, layers=(), dropout="none"):
            super().__init__(dims, out_dim)
            self.layers, self.dropout = layers, dropout

    assert Own(DIMS, 8, layers=[64, -1], dropout="strong").layers == [64, -1]

    class Narrow(affect.fusion.LowRankFusion):
        def __init__(self, dims, out_dim):
            super().__init__(dims, out_dim, rank=0)

    with pytest.raises(ConfigError, match=r"^Narrow: rank must be at least 1, got 0$"):
        Narrow(DIMS, 8)


def test_signatures_stay_what_was_written():
    written = inspect.signature(affect.fusion.LowRankFusion)
    assert [*written.parameters] == ["dims", "out_dim", "rank", "dropout", "pooling"]
    made = functools.partial(affect.fusion.LowRankFusion, rank=2)
    assert made(DIMS, 8).out_dim == 8


def test_numbers_of_numpy_are_numbers():
    import numpy as np

    COUNT.check("any", np.int64(3))
    NOT_NEGATIVE.check("any", np.float32(0))
    for bounds in ARGUMENTS.values():
        with pytest.raises(ConfigError):
            bounds.check("any", np.float64("nan"))


def test_every_field_of_a_training_that_is_a_number_has_bounds():
    for one in fields(Training):
        if isinstance(one.default, int | float) and not isinstance(one.default, bool):
            with pytest.raises(ConfigError):
                Training(**{one.name: math.nan})
