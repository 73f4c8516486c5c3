"""What a configuration says in full, and what it keeps apart."""

import pytest
import yaml

from affect.encoders import GRUEncoder
from affect.fusion import BottleneckFusion, HybridFusion
from affect.runs.configuration import parse, resolve


def model(**section):
    return parse({"corpus": "synthetic", "model": section}, "test").model


def test_no_argument_of_a_default_class_passes_to_the_class_that_is_named():
    """ConcatenationFusion, the default, has no hidden layer; HybridFusion has one, PooledEncoder too."""
    assert len(model(fusion="HybridFusion").fusion({"a": 2, "b": 3}, 4).joint) == len(
        HybridFusion({"a": 2}, 4).joint
    )
    assert model(encoder="EmbeddingEncoder").encoder(1, 4).table.embedding_dim == 4  # though it has a default
    assert len(model(encoder="TransformerEncoder").encoder(2, 4).layers) == 2
    assert len(model(encoders={"a": "GRUEncoder"}).encoders["a"](2, 4).forwards) == len(
        GRUEncoder(2, 4).forwards
    )


def test_nor_to_a_class_within_another():
    inner = model(fusion={"class_path": "PerStep", "init_args": {"fusion": "BottleneckFusion"}}).fusion
    assert len(inner({"a": 2, "b": 3}, 4).fusion.streams["a"]) == len(
        BottleneckFusion({"a": 2, "b": 3}, 4).streams["a"]
    )


@pytest.mark.parametrize(
    ("fusion", "known"),
    [
        ("LateFusion", {"layers": 1, "dropout": 0.1, "weighted": True, "pooling": None}),
        ({"class_path": "LateFusion", "init_args": {"layers": 0}}, {"layers": 0, "weighted": True}),
    ],
)
def test_a_resolved_configuration_says_every_argument(fusion, known):
    said = resolve({"corpus": "synthetic", "model": {"fusion": fusion}}, "test")["model"]["fusion"][
        "init_args"
    ]
    assert said.items() >= known.items()


def test_a_class_that_is_a_default_is_said_in_full_too():
    said = resolve({"corpus": "synthetic", "model": {"fusion": "GatedShiftFusion"}}, "test")
    encoder = said["model"]["fusion"]["init_args"]["encoder"]
    assert encoder["class_path"] == "affect.encoders.TransformerEncoder"
    own = encoder["init_args"]
    assert {key: own[key] for key in ("layers", "heads", "dropout")} == {
        "layers": 2,
        "heads": 4,
        "dropout": 0.1,
    }


@pytest.mark.parametrize("part", [{"fusion": "TensorFusion"}, {"baseline": "KernelSVM"}])
def test_resolving_twice_changes_nothing_and_is_plain_yaml(part):
    once = resolve({"corpus": "synthetic", "model": part}, "test")
    assert resolve(once, "test") == once
    assert yaml.safe_load(yaml.safe_dump(once)) == once
