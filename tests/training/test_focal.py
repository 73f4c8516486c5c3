"""The focal loss, against loops and against cross-entropy."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss
from small import corpus_of, model_of

import affect
from affect.data.targets import Binary, MultiClass, MultiLabel, Regression
from affect.errors import ConfigError
from affect.objectives import BinaryCrossEntropy, CrossEntropy, FocalLoss
from affect.sequences import Output, Sequence
from affect.training import Training

THREE = MultiClass("y", classes=("sad", "angry", "happy"), per_step=True)
TWO = MultiLabel("y", classes=("joy", "fear"))
PLAIN = [(THREE, CrossEntropy), (Binary("y"), BinaryCrossEntropy), (TWO, BinaryCrossEntropy)]
RNG = np.random.default_rng(0)


def labelled(target, steps=4):
    """A prediction in float64, its truth, some steps of which have no label, and a weight for each class."""
    prediction = torch.tensor(RNG.normal(scale=3, size=(5, steps, target.outputs)))
    classes = 3 if isinstance(target, MultiClass) else 2
    truth = torch.tensor(RNG.integers(0, classes, (5, steps, target.size))).double()
    mask = torch.tensor(RNG.random((5, steps)) < 0.8)
    weights = torch.tensor(RNG.uniform(0.5, 4, (target.size, classes)))
    return Output(prediction, Sequence.full(prediction), {}), Sequence(truth, mask), weights


def by_loop(prediction, truth, weights, gamma):
    """One loss per sample."""
    found = []
    for values, labels, observed in zip(prediction, truth.values, truth.mask, strict=True):
        steps = []
        for row, label, there in zip(values.tolist(), labels.tolist(), observed.tolist(), strict=True):
            apart = []
            for i, true in enumerate(label):
                if len(label) == 1 and len(row) > 1:
                    every = [math.exp(z) for z in row]
                    p = every[int(true)] / sum(every)
                else:
                    p = 1 / (1 + math.exp(-row[i]))
                    p = p if true else 1 - p
                apart.append(weights[i][int(true)] * (1 - p) ** gamma * -math.log(p))
            steps += [sum(apart) / len(apart)] if there else []
        found.append(sum(steps) / len(steps) if steps else 0.0)
    return found


@pytest.mark.parametrize("gamma", [0, 0.5, 2, 5.0])
@pytest.mark.parametrize("target", [target for target, _ in PLAIN], ids=lambda own: type(own).__name__)
def test_it_is_the_loop(target, gamma):
    output, truth, weights = labelled(target)
    objective = FocalLoss(target, gamma)
    plain = torch.ones_like(weights)
    for given, said in ((plain, None), (weights, weights)):
        expected = by_loop(output.prediction, truth, given.tolist(), gamma)
        assert objective(output, truth, said).tolist() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("target", "plain"), PLAIN)
def test_without_gamma_it_is_the_cross_entropy(target, plain):
    output, truth, weights = labelled(target)
    for own in (None, weights):
        assert torch.equal(FocalLoss(target, 0)(output, truth, own), plain(target)(output, truth, own))
    assert (FocalLoss(target)(output, truth) < plain(target)(output, truth)).any()


@pytest.mark.parametrize("gamma", [0, 0.5, 1, 2])
def test_its_gradient_is_finite_where_nothing_is_left_to_learn(gamma):
    prediction = torch.tensor([[[200.0, -200.0, 0.0]], [[-200.0, 200.0, 0.0]]], requires_grad=True)
    FocalLoss(THREE, gamma).loss(prediction, torch.zeros(2, 1, 1)).sum().backward()
    assert torch.isfinite(prediction.grad).all()
    assert prediction.grad[0].abs().max() == 0 < prediction.grad[1].abs().max()


def test_it_trains_with_class_weights_and_validation_measures_it_without():
    labels = (RNG.random(24) < 0.25).astype(float)
    corpus = corpus_of(Binary("y"), labels)
    run = affect.fit(
        model_of(corpus),
        corpus,
        objective=partial(FocalLoss, gamma=1.5),
        training=Training(epochs=3, class_weights="balanced"),
    )
    valid = run.predictions[run.predictions["split"] == "valid"]
    right = np.where(valid["truth"] == 1, valid["prediction"], 1 - valid["prediction"])
    each = [log_loss([1], [p], labels=[0, 1]) * (1 - p) ** 1.5 for p in right]
    assert run.history["loss"][run.best_epoch] == pytest.approx(np.mean(each), rel=1e-4)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: FocalLoss(TWO, gamma=-1), "FocalLoss: gamma must be at least 0, got -1"),
        (
            lambda: FocalLoss(Regression("sentiment")),
            "FocalLoss: is for Binary or MultiClass or MultiLabel targets, got Regression 'sentiment'",
        ),
    ],
)
def test_refusals(ask, message):
    with pytest.raises(ConfigError) as caught:
        ask()
    assert str(caught.value) == message
