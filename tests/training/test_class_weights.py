"""What a label counts by its class."""

import re
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_class_weight
from small import corpus_of, model_of
from torch.nn import functional as F

import affect
from affect.data.targets import Binary, MultiClass, MultiLabel, Regression
from affect.errors import ConfigError
from affect.objectives import BinaryCrossEntropy, CrossEntropy, class_weights
from affect.sequences import Output, Sequence
from affect.training import Training

THREE = MultiClass("y", classes=("sad", "angry", "happy"))
TWO = MultiLabel("y", classes=("joy", "fear"))
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("target", [Binary("y"), THREE])
def test_balanced_is_scikit_learn_s(target):
    labels = RNG.choice(target.count, size=(50, 1), p=[0.7, 0.3] if target.count == 2 else [0.6, 0.3, 0.1])
    expected = compute_class_weight("balanced", classes=np.arange(target.count), y=labels[:, 0])
    assert class_weights(target, labels, "balanced").numpy() == pytest.approx(expected[None])


def test_each_label_of_several_is_balanced_by_itself():
    labels = (RNG.random((40, 2)) < [0.2, 0.6]).astype(float)
    expected = [compute_class_weight("balanced", classes=np.arange(2), y=column) for column in labels.T]
    assert class_weights(TWO, labels, "balanced").numpy() == pytest.approx(np.stack(expected))


@pytest.mark.parametrize(
    ("target", "wanted", "expected"),
    [
        (THREE, {"happy": 3}, [[1, 1, 3]]),
        (THREE, [1, 2, 3.5], [[1, 2, 3.5]]),
        (Binary("y"), {"1": 4.0}, [[1, 4]]),
        (Binary("y"), {False: 0.5, True: 4.0}, [[0.5, 4]]),  # as YAML reads no and yes
        (Binary("y"), {0: 0.5, "yes": 4.0}, [[0.5, 4]]),
        (TWO, {"fear": 4.0}, [[1, 1], [1, 4]]),
        (TWO, [2, 4], [[1, 2], [1, 4]]),
    ],
)
def test_weights_by_name_and_in_order(target, wanted, expected):
    assert class_weights(target, np.zeros((0, target.size)), wanted).tolist() == expected


def test_a_class_without_a_sample_is_said(caplog):
    labels = np.array([[0], [0], [0], [2]])
    weights = class_weights(THREE, labels, "balanced")
    seen = compute_class_weight("balanced", classes=np.array([0, 2]), y=labels[:, 0])
    assert weights[0].tolist() == pytest.approx([seen[0], 1, seen[1]])
    class_weights(TWO, np.array([[1, 0], [0, 0]]), "balanced")
    assert [record.getMessage() for record in caplog.records] == [
        "class_weights: the training split has no sample of angry of 'y'; the other classes are balanced without it",
        "class_weights: the training split has no sample of fear: yes of 'y'; the other classes are balanced "
        "without it",
    ]


def output_of(prediction):
    return Output(prediction, Sequence.full(prediction), {})


def test_the_loss_of_a_label_is_multiplied():
    logits, truth = torch.randn(6, 2, 3), torch.tensor(RNG.integers(0, 3, (6, 2)))
    target = Sequence.full(truth.unsqueeze(-1).float())
    weights = torch.tensor([[0.5, 1.0, 4.0]])
    expected = F.cross_entropy(logits.transpose(1, 2), truth, weight=weights[0], reduction="none").mean(1)
    assert torch.allclose(CrossEntropy(THREE)(output_of(logits), target, weights), expected)

    logits, truth = torch.randn(6, 1, 2), torch.tensor(RNG.integers(0, 2, (6, 1, 2))).float()
    weights = torch.tensor([[1.0, 3.0], [1.0, 0.5]])  # of yes alone: what torch calls pos_weight
    expected = F.binary_cross_entropy_with_logits(
        logits, truth, pos_weight=weights[:, 1], reduction="none"
    ).mean((1, 2))
    assert torch.allclose(BinaryCrossEntropy(TWO)(output_of(logits), Sequence.full(truth), weights), expected)


def test_training_is_weighted_and_validation_is_not():
    labels = (RNG.random(24) < 0.25).astype(float)
    corpus = corpus_of(Binary("y"), labels)
    plain, heavy = (
        affect.fit(model_of(corpus), corpus, training=Training(epochs=8, class_weights=weights))
        for weights in (None, {"1": 20.0})
    )
    assert (heavy.predictions["prediction"] > 0.5).sum() > (plain.predictions["prediction"] > 0.5).sum()
    measured = log_loss(heavy.predictions["truth"], heavy.predictions["prediction"])
    assert heavy.history["loss"][heavy.best_epoch] == pytest.approx(measured, rel=1e-5)


class Joint(BinaryCrossEntropy):
    each = affect.objectives.Objective.each

    def loss(self, prediction, truth):
        return F.binary_cross_entropy_with_logits(prediction, truth, reduction="none").amax(-1)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda: class_weights(Regression("y"), np.zeros((1, 1)), "balanced"),
            "training: class_weights: 'y' is a Regression target, which has no classes; leave them out",
        ),
        (
            lambda: class_weights(THREE, np.zeros((1, 1)), {"hapy": 2}),
            "training: class_weights: 'y' has no class 'hapy'; did you mean 'happy'? known: angry, happy, sad",
        ),
        (
            lambda: class_weights(THREE, np.zeros((1, 1)), [1, 2]),
            "training: class_weights: 'y' has 3 classes (sad, angry, happy), got 2 weights",
        ),
        (
            lambda: Training(class_weights="equal"),
            "training: class_weights: expected 'balanced', a weight by class, or a list of weights, "
            "got the text 'equal'",
        ),
        (
            lambda: Training(class_weights={"happy": -1}),
            "training: class_weights: expected weights above 0, got -1; they multiply the loss of a label",
        ),
        (
            lambda: affect.fit(
                model_of(corpus_of(TWO, np.eye(24, 2))), corpus_of(TWO, np.eye(24, 2)), objective=Joint,
                training=Training(epochs=1, class_weights=[1, 2]),
            ),
            "training: class_weights: Joint gives one loss for the 2 classes of 'y' together; define each, or leave "
            "out class_weights",
        ),
    ],
)  # fmt: skip
def test_refusals(ask, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        ask()


def test_weights_go_with_a_learner_and_not_into_its_checkpoint():
    corpus = corpus_of(Binary("y"), np.eye(24, 1)[:, 0])
    model = model_of(corpus)
    make = partial(affect.training.Learner, model, BinaryCrossEntropy(Binary("y")), Training(), 0)
    weights = torch.ones(1, 2)
    assert make(class_weights=weights).state_dict().keys() == make().state_dict().keys()
    assert make(class_weights=weights).to(torch.float64).class_weights.dtype == torch.float64
