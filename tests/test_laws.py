"""Every encoder, imputer, aligner, fusion, head and objective there is keeps the laws; a class added later is covered too."""

import importlib
import inspect
import pkgutil
from functools import partial

import pytest

import affect
from affect import testing
from affect.aligners import Aligner
from affect.causality import causal
from affect.data.targets import Binary, MultiClass, MultiLabel, Regression
from affect.encoders import Encoder, LayeredEncoder
from affect.fusion import Fusion
from affect.heads import Head
from affect.imputation import Imputer
from affect.objectives import Objective

ABSTRACT = {"Encoder", "LayeredEncoder", "Fusion", "ProjectedFusion", "VectorFusion"}
TARGETS = [
    Regression("target"),
    Binary("target"),
    MultiClass("target", classes=("a", "b", "c")),
    MultiLabel("target", classes=("a", "b")),
    Regression("target", per_step=True),
]


def parts_of(base, written):
    """Every class of affect's own that is a `base` and has, or inherits, what the author of one writes."""
    for module in pkgutil.walk_packages(affect.__path__, "affect."):
        importlib.import_module(module.name)
    found, queue = set(), [base]
    while queue:
        for cls in queue.pop().__subclasses__():
            queue.append(cls)
            own = cls.__module__.startswith("affect.") and not cls.__name__.startswith("_")
            if own and getattr(cls, written) is not getattr(base, written, None):
                found.add(cls)
    return sorted(found - {affect.VectorFusion, LayeredEncoder}, key=lambda cls: cls.__name__)


def targets_of(cls):
    kinds = getattr(cls, "kinds", None) or (cls.kind,)
    return [target for target in TARGETS if isinstance(target, kinds)]


def online(base, written):
    """Every class whose constructor can be told to be causal, so told."""
    found = [cls for cls in parts_of(base, written) if "causal" in inspect.signature(cls).parameters]
    return {f"{cls.__name__}-causal": causal(cls) for cls in found}


CASES = {
    **{
        cls.__name__: testing.encoder_part(cls)
        for cls in parts_of(Encoder, "encode")
        if "model" not in inspect.signature(cls).parameters  # test_pretrained.py has one for it
    },
    **{name: testing.encoder_part(cls) for name, cls in online(Encoder, "encode").items()},
    **{name: testing.fusion_part(cls, 3) for name, cls in online(Fusion, "fuse").items()},
    **{
        f"{cls.__name__}-{count}": testing.aligner_part(cls, count)
        for cls in parts_of(Aligner, "carry")
        for count in (2, 3, 4)
    },
    **{
        f"{cls.__name__}{'-steps' if per_step else ''}-{count}": testing.imputer_part(
            partial(cls, per_step=per_step), count
        )
        for cls in parts_of(Imputer, "impute")
        for count in (2, 3, 4)
        for per_step in (False, True)
    },
    **{
        f"{cls.__name__}-{count}": testing.fusion_part(cls, count)
        for cls in parts_of(Fusion, "fuse")
        for count in (2, 3, 4)
    },
    **{
        f"{cls.__name__}-{i}": testing.head_part(cls, target)
        for cls in parts_of(Head, "kind")
        for i, target in enumerate(targets_of(cls))
    },
    **{
        f"{cls.__name__}-{i}": testing.objective_part(cls, target)
        for cls in parts_of(Objective, "loss")
        for i, target in enumerate(targets_of(cls))
    },
}


@pytest.mark.parametrize("law", testing.LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("part", CASES.values(), ids=CASES)
def test_law(part, law):
    law(part)


def deployed():
    """Every fusion in every service; tracing takes seconds, and more than two modalities wait for `-m slow`."""
    for cls in parts_of(Fusion, "fuse"):
        for count in (2, 3, 4):
            for service in testing.DEPLOYMENT:
                slow = count > 2 and service in (testing.compiles, testing.exports)
                name = f"{cls.__name__}-{count}-{service.__name__}"
                marks = [pytest.mark.slow] if slow else []
                yield pytest.param(testing.fusion_part(cls, count), service, id=name, marks=marks)


@pytest.mark.parametrize(("part", "service"), [*deployed()])
def test_deployment(part, service):
    service(part)


def test_all_parts_are_collected():
    names = {name.split("-")[0] for name in CASES}
    assert {"LSTMEncoder", "TensorFusion", "PerStep", "BinaryHead", "CrossEntropy"} <= names
    assert {"ResamplingAligner", "WarpingAligner", "AttentionAligner"} <= names
    for room in (affect.encoders, affect.fusion):
        public = {n for n in room.__all__ if inspect.isclass(getattr(room, n))}
        assert public - ABSTRACT - {"PretrainedEncoder"} <= names
