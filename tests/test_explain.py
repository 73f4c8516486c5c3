"""Which steps mattered: against arithmetic, slopes and captum; what was not observed is never a number."""

import copy
import re

import numpy as np
import pytest
import torch

import affect
from affect.encoders import EmbeddingEncoder, LSTMEncoder, PooledEncoder
from affect.errors import ConfigError, ShapeError
from affect.explain import step_importances
from affect.fusion import ConcatenationFusion, TensorFusion
from affect.sequences import Sequence
from affect.training import seeded

MOOD = affect.Regression("mood")
CLASSES = affect.MultiClass("mood", classes=("calm", "glad", "sad"))
LENGTHS = {"a": (4, 2, 6), "b": (1, 0, 5)}
DIMS = {"a": 3, "b": 2}


@pytest.fixture(scope="module")
def split():
    """Samples of several lengths; the second lacks `b`, the third has a hole in `a`, with NaN in it."""
    rng = np.random.default_rng(0)
    rows = {name: [rng.normal(size=(n, DIMS[name])) for n in lengths] for name, lengths in LENGTHS.items()}
    observed = [None, None, np.array([True, True, False, True, True, True])]
    rows["a"][2][2] = np.nan
    held = {"a": affect.Ragged.from_rows(rows["a"], 3, observed), "b": affect.Ragged.from_rows(rows["b"], 2)}
    return affect.Split(ids=("x", "y", "z"), modalities=held, targets={})


def linear(in_dim, out_dim):
    return PooledEncoder(in_dim, out_dim, layers=0)


def model_of(encoder=linear, fusion=ConcatenationFusion, target=MOOD):
    with seeded(0):
        parts = {"encoder": encoder, "fusion": fusion, "width": 4}
        return affect.FusionModel.for_shape(DIMS, target, False, **parts).eval()


def inputs_of(split):
    (batch,) = affect.batches(split)
    return {name: x.to(torch.float64) for name, x in batch.inputs.items()}


def test_of_a_linear_model_they_sum_to_the_prediction_without_its_bias(split):
    model = model_of()
    found, exact = step_importances(model, split), copy.deepcopy(model).double()
    inputs = inputs_of(split)
    with torch.no_grad():
        whole = exact(inputs).prediction[:, 0, 0]
        bias = exact({n: x.with_values(torch.zeros_like(x.values)) for n, x in inputs.items()})
    for row in range(3):
        total = sum(np.nansum(found[name][row]) for name in DIMS)
        assert np.isclose(total, float(whole[row] - bias.prediction[row, 0, 0]), atol=1e-6)


@pytest.mark.parametrize("encoder", [PooledEncoder, LSTMEncoder])
@pytest.mark.parametrize("fusion", [ConcatenationFusion, TensorFusion])
@pytest.mark.parametrize("target", [MOOD, CLASSES])
def test_they_are_the_slope_along_each_step(split, encoder, fusion, target):
    model = model_of(encoder, fusion, target)
    places = np.array([0, target.outputs - 1, 0])
    found, exact = step_importances(model, split, outputs=places, batch_size=2), copy.deepcopy(model).double()
    inputs = inputs_of(split)
    for name, x in inputs.items():
        for row, step in x.mask.nonzero().tolist():
            ends = []
            for by in (1 - 1e-4, 1 + 1e-4):
                values = x.values.clone()
                values[row, step] *= by
                with torch.no_grad():
                    raw = exact({**inputs, name: x.with_values(values)}).prediction[row, 0]
                ends.append(float(raw[places[row]]))
            assert np.isclose((ends[1] - ends[0]) / 2e-4, found[name][row][step], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("encoder", [linear, LSTMEncoder])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_what_was_not_observed_is_no_number(split, encoder, batch_size):
    found = step_importances(model_of(encoder), split, batch_size=batch_size)
    assert {name: tuple(map(len, own)) for name, own in found.items()} == LENGTHS
    assert np.isnan(found["a"][2]).tolist() == [False, False, True, False, False, False]
    assert all(np.isfinite(own).all() for own in (*found["a"][:2], *found["b"]))


def test_the_largest_output_is_explained_by_default(split):
    model = model_of(target=CLASSES)
    with torch.no_grad():
        (batch,) = affect.batches(split)
        largest = model(batch.inputs).prediction[:, 0].argmax(-1).numpy()
    for one, other in zip(
        *(step_importances(model, split, outputs=o)["a"] for o in (None, largest)), strict=True
    ):
        assert np.array_equal(one, other, equal_nan=True)


def test_the_scale_is_that_of_the_training_split():
    corpus = affect.load("synthetic")
    model = affect.FusionModel.for_corpus(corpus, seed=0, encoder=linear, width=4).eval()
    split = corpus["test"].take(range(5))
    found = step_importances(model, split)
    (batch,) = affect.batches(split)
    with torch.no_grad():
        whole = model(batch.inputs).prediction[:, 0, 0]
        centred = {n: x.with_values(torch.zeros_like(x.values)) for n, x in batch.inputs.items()}
        encoded = {n: model.encoders[n](x) for n, x in centred.items()}  # as the scaler leaves the means
        bias = model.fuse(encoded).prediction[:, 0, 0]
    total = np.array([sum(np.nansum(own[row]) for own in found.values()) for row in range(5)])
    assert np.allclose(total, (whole - bias).numpy(), atol=1e-4)


def test_word_indices_have_no_gradient():
    rows = [np.array([[1.0], [2.0]]), np.array([[3.0]])]
    split = affect.Split(("x", "y"), {"a": affect.Ragged.from_rows(rows, 1)}, {})
    with seeded(0):
        encoder = EmbeddingEncoder(1, 4, size=9)
        model = affect.FusionModel(
            {"a": encoder}, ConcatenationFusion({"a": 4}, 3), affect.heads.RegressionHead(3, MOOD)
        )
    found = step_importances(model, split)["a"]
    assert [len(own) for own in found] == [2, 1]
    assert all(np.isnan(own).all() for own in found)


def test_captum_says_the_same(split):
    captum = pytest.importorskip("captum.attr", reason="captum is not installed")
    model = model_of(LSTMEncoder, TensorFusion)
    (batch,) = affect.batches(split)
    names = [*batch.inputs]

    def raw(*values):
        inputs = {n: Sequence(v, batch.inputs[n].mask) for n, v in zip(names, values, strict=True)}
        return model(inputs).prediction[:, 0, 0]

    theirs = captum.InputXGradient(raw).attribute(
        tuple(batch.inputs[n].values.requires_grad_() for n in names)
    )
    found = step_importances(model, split)
    for name, values in zip(names, theirs, strict=True):
        for row, own in enumerate(found[name]):
            assert np.allclose(np.nan_to_num(own), values.sum(-1)[row, : len(own)].detach(), atol=1e-6)


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (
            lambda split: step_importances(model_of(target=affect.Regression("mood", per_step=True)), split),
            ConfigError,
            "step_importances: 'mood' has a label per step; only targets with one label per sample are explained",
        ),
        (
            lambda split: step_importances(model_of(target=CLASSES), split, outputs=[0, 1, 3]),
            ShapeError,
            "step_importances: outputs: expected 3 whole numbers from 0 to 2, got int64 of shape (3,)",
        ),
        (
            lambda split: step_importances(model_of(), split, outputs=[0.0, 0.0]),
            ShapeError,
            "step_importances: outputs: expected 3 whole numbers from 0 to 0, got float64 of shape (2,)",
        ),
    ],
)  # fmt: skip
def test_refusals(ask, error, message, split):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        ask(split)
