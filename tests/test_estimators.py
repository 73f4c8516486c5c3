"""Fusion models as estimators of scikit-learn."""

import inspect
import warnings
from dataclasses import MISSING, fields

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.utils.estimator_checks import check_estimator, estimator_checks_generator

import affect
from affect.data.making.of_estimators import ragged_of
from affect.errors import DataError
from affect.estimators import samples_of
from affect.fusion import LowRankFusion, TensorFusion
from affect.model import ModelSpec

RNG = np.random.default_rng(0)
ECG, AGE = RNG.normal(size=(60, 5, 2)), RNG.normal(size=(60, 1))
ECG[::3, 3:] = np.nan  # padding
ECG[::7] = np.nan  # no such modality
X = {"ecg": ECG, "age": AGE}
Y = AGE[:, 0] + np.nan_to_num(ECG[:, 0, 0])
QUICK = {"epochs": 1, "width": 4, "out_dim": 4}
CHECKS = (
    "check_estimator_cloneable", "check_estimator_repr", "check_no_attributes_set_in_init",
    "check_estimators_unfitted", "check_do_not_raise_errors_in_init_or_set_params", "check_get_params_invariance",
    "check_set_params", "check_parameters_default_constructible", "check_estimators_empty_data_messages",
    "check_estimator_sparse_array", "check_complex_data", "check_fit2d_1sample", "check_fit1d", "check_n_features_in",
    "check_requires_y_none", "check_supervised_y_no_nan", "check_classifiers_one_label", "check_supervised_y_2d",
    "check_fit_score_takes_y", "check_dict_unchanged", "check_classifiers_regression_target",
)  # fmt: skip
"""Of `check_estimator`, those that train little."""


@pytest.fixture(scope="module")
def fitted():
    return affect.FusionRegressor(**QUICK).fit(X, Y)


@pytest.mark.parametrize("kind", [affect.FusionRegressor, affect.FusionClassifier])
@pytest.mark.filterwarnings("ignore")
def test_quick_checks_of_scikit_learn(kind):
    for estimator, check in estimator_checks_generator(kind(**QUICK)):
        if check.func.__name__ in CHECKS:
            check(estimator)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [affect.FusionRegressor, affect.FusionClassifier])
def test_all_checks_of_scikit_learn(kind):
    estimator = kind(epochs=40, learning_rate=0.01)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # checks of the array API are skipped with a warning
        found = check_estimator(
            estimator, expected_failed_checks=kind.expected_failed_checks, on_fail=None, on_skip=None
        )
    assert [one["check_name"] for one in found if one["status"] not in ("passed", "skipped", "xfail")] == []
    assert len(found) > 40


def test_modalities_of_several_forms_are_the_same():
    forms = [X, samples_of(X), {"ecg": [*ECG], "age": pd.DataFrame(AGE)}]
    predictions = [
        affect.FusionRegressor(LowRankFusion, **QUICK).fit(form, Y).predict(form) for form in forms
    ]
    assert predictions[0].shape == (60,)
    assert all(np.array_equal(one, predictions[0]) for one in predictions)


def test_columns_of_a_frame_are_modalities_by_their_prefix():
    frame = pd.DataFrame(np.hstack([ECG[:, 0], AGE]), columns=["ecg.a", "ecg.b", "age.years"])
    model = affect.FusionRegressor(**QUICK).fit(frame, Y)
    assert model.dims_ == {"age": 1, "ecg": 2}
    assert model.notes_ == (
        "modalities by what stands before the dot in the names of columns: age, ecg",
        "12 of the 60 samples chose the epoch and were not learned from",
    )
    assert model.feature_names_in_.tolist() == ["ecg.a", "ecg.b", "age.years"]
    plain = frame.rename(columns={"age.years": "age"})
    assert affect.FusionRegressor(**QUICK).fit(plain, Y).dims_ == {"features": 3}


def test_it_is_what_fit_makes_of_the_same_parts():
    model = affect.FusionRegressor(TensorFusion, random_state=5, **QUICK).fit(X, Y)
    assert type(model.run_.model.fusion) is TensorFusion
    assert model.run_.model.spec.width == 4
    assert len(model.run_.history) == 1
    again = clone(model).fit(X, Y)
    assert np.array_equal(again.predict(X), model.predict(X))
    other = clone(model).set_params(random_state=6).fit(X, Y)
    assert not np.array_equal(other.predict(X), model.predict(X))
    assert clone(model).set_params(options={"gradient_clip": 0.5}).get_params()["options"] == {
        "gradient_clip": 0.5
    }


def test_classes_keep_their_names():
    names = np.array(["low", "middle", "high"])
    for known in (names[:2], names):
        y = known[np.digitize(AGE[:, 0], [0.0, 0.5][: len(known) - 1])]
        model = affect.FusionClassifier(width=8, out_dim=8, epochs=8, learning_rate=0.05).fit(X, y)
        probabilities = model.predict_proba(X)
        assert model.classes_.tolist() == sorted(known)
        assert probabilities.shape == (60, len(known))
        assert np.allclose(probabilities.sum(1), 1)
        assert np.array_equal(model.predict(X), model.classes_[probabilities.argmax(1)])
        assert model.score(X, y) > 0.6


def test_a_missing_step_leaves_the_others_in_step():
    a, b = RNG.normal(size=(12, 4, 2)), RNG.normal(size=(12, 4, 1))
    a[0, 1], b[0, 3], a[1, 3], b[1, 3] = np.nan, np.nan, np.nan, np.nan
    for form in ({"a": a, "b": b}, samples_of({"a": a, "b": b})):
        model = affect.FusionRegressor(**QUICK).fit(form, Y[:12])
        assert model.run_.facts["shape"]["aligned"]
        assert model.notes_ == (
            "a: 1 of 47 steps are NaN and count as unobserved",
            "b: 1 of 47 steps are NaN and count as unobserved",
            "3 of the 12 samples chose the epoch and were not learned from",
        )
    rows = ragged_of({"a": [*a], "b": [*b]}, {"a": 2, "b": 1}, 12, aligned=True)
    both = [rows[name].pad(np.arange(2)) for name in ("a", "b")]
    assert both[0].mask.tolist() == [[True, False, True, True], [True, True, True, False]]
    assert both[1].mask.tolist() == [[True, True, True, False], [True, True, True, False]]
    for padded, given in zip(both, (a, b), strict=True):
        np.testing.assert_array_equal(padded.values[0, 2], given[0, 2].astype(np.float32))


def test_modalities_of_one_length_by_padding_alone_are_not_in_step():
    a, b = RNG.normal(size=(12, 4, 2)), RNG.normal(size=(12, 4, 1))
    a[:, 2:] = np.nan
    model = affect.FusionRegressor(**QUICK).fit({"a": a, "b": b}, Y[:12])
    assert not model.run_.facts["shape"]["aligned"]
    assert model.notes_ == ("3 of the 12 samples chose the epoch and were not learned from",)


@pytest.mark.parametrize("kind", [affect.FusionRegressor, affect.FusionClassifier])
def test_arguments_are_those_of_the_parts_and_of_training(kind):
    given = {name: one.default for name, one in inspect.signature(kind).parameters.items()}
    parts = {
        one.name: one.default if one.default_factory is MISSING else one.default_factory()
        for one in fields(ModelSpec)
        if one.name != "causal"  # a label of a whole sample is predicted from all of its steps
    }
    training = {one.name: one.default for one in fields(affect.Training)}
    assert {name: given[name] or None for name in parts} == {name: own or None for name, own in parts.items()}
    rest = {name: own for name, own in given.items() if name not in parts}
    own = {"options": None, "objective": None, "valid_share": 0.2, "random_state": 0}
    assert rest == {**{name: training[name] for name in rest if name in training}, **own}


def test_groups_are_on_one_side():
    groups = np.repeat(np.arange(10), 6)
    model = affect.FusionRegressor(**QUICK).fit(X, Y, groups=groups)
    valid = set(model.run_.predictions["id"].astype(int) // 6)
    assert model.notes_[0].startswith("12 of the 60")
    assert len(valid) == 2


def test_searches_and_cross_validation():
    samples = samples_of(X)
    found = GridSearchCV(affect.FusionRegressor(**QUICK), {"width": [2, 3]}, cv=2).fit(samples, Y)
    assert found.best_params_["width"] in (2, 3)
    scores = cross_val_score(
        affect.FusionRegressor(**QUICK), samples, Y, cv=GroupKFold(2), groups=np.repeat(range(20), 3)
    )
    assert np.isfinite(scores).all()
    flat = cross_val_score(affect.FusionClassifier(**QUICK), AGE, Y > 0, cv=2)
    assert ((flat >= 0) & (flat <= 1)).all()


def test_a_sample_may_lack_what_others_have(fitted):
    predictions = fitted.predict([{"age": AGE[0]}, {"ecg": ECG[1], "age": None}, {}])
    assert np.isfinite(predictions).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"ecg": ECG, "eeg": ECG}, "FusionRegressor: no modality 'eeg'; did you mean 'ecg'? known: age, ecg"),
        ({"age": ECG}, "FusionRegressor: sample 1: age needs feature size 1, got 2"),
        ({"age": AGE[:, 0]}, "age: expected (samples, feature) or (samples, time, feature), got shape (60,)"),
        ({"age": [["a"]]}, "age, sample 0: expected numbers, got a list"),
        ({"age": 3}, "age: expected an array, or a list of one for each sample, got 3"),
    ],
    ids=["name", "size", "rank", "text", "kind"],
)
def test_other_features_are_refused(fitted, wrong, message):
    with pytest.raises(DataError) as caught:
        fitted.predict(wrong)
    assert str(caught.value) == message
