"""Fusion models as estimators of scikit-learn: for its pipelines, searches and cross-validation."""

# ruff: noqa: N803, N806  scikit-learn calls its samples X

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_is_fitted, column_or_1d, validate_data

from affect.aligners import AlignerFactory
from affect.corruption import Corruption
from affect.data.corpus import Corpus, Split
from affect.data.making.of_estimators import (
    SampleRows,
    check_counts,
    dim_of,
    in_step,
    is_aligned,
    ragged_of,
    rows_of,
    samples_of,
)
from affect.data.ragged import Ragged
from affect.data.splitting import carve
from affect.data.targets import Binary, MultiClass, Regression, Target
from affect.encoders import EncoderFactory, PooledEncoder
from affect.errors import DataError, ShapeError, described, did_you_mean
from affect.fusion import ConcatenationFusion, FusionFactory
from affect.imputation import ImputerFactory
from affect.model import FusionModel, HeadFactory, ModelSpec
from affect.scaling import Nonfinite, Scaling
from affect.training import ObjectiveFactory, Training, fit, predict

__all__ = ["FusionClassifier", "FusionRegressor", "samples_of"]

ONE = "features"
"""The only modality of samples that name none."""


class _FusionEstimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What regression and classification share."""

    notes_: tuple[str, ...]
    expected_failed_checks: ClassVar[dict[str, str]] = {
        "check_methods_subset_invariance": "models compute in float32: a prediction differs by "
        "rounding, more than the check's 1e-7, with the samples that are beside it in a batch",
    }
    """Checks of scikit-learn's `check_estimator` that may fail, and why."""

    def __init__(
        self,
        fusion: FusionFactory = ConcatenationFusion,
        encoder: EncoderFactory | None = PooledEncoder,
        encoders: Mapping[str, EncoderFactory] | None = None,
        aligner: AlignerFactory | None = None,
        imputer: ImputerFactory | None = None,
        head: HeadFactory | None = None,
        modalities: Iterable[str] | None = None,
        training_only: Iterable[str] = (),
        width: int = 32,
        out_dim: int = 64,
        scaling: Scaling = "standard",
        nonfinite: Nonfinite = "mean",
        epochs: int = 60,
        batch_size: int = 32,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-2,
        patience: int = 10,
        monitor: str = "loss",
        corruption: Corruption | None = None,
        accelerator: str = "cpu",
        options: Mapping[str, Any] | None = None,
        objective: ObjectiveFactory | None = None,
        valid_share: float = 0.2,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.fusion, self.encoder, self.encoders = fusion, encoder, encoders
        self.aligner, self.imputer, self.head = aligner, imputer, head
        self.modalities, self.training_only = modalities, training_only
        self.width, self.out_dim, self.scaling, self.nonfinite = width, out_dim, scaling, nonfinite
        self.epochs, self.batch_size, self.learning_rate = epochs, batch_size, learning_rate
        self.weight_decay, self.patience, self.monitor = weight_decay, patience, monitor
        self.corruption, self.accelerator, self.options = corruption, accelerator, options
        self.objective, self.valid_share, self.random_state = objective, valid_share, random_state

    def _fit(self, X: Any, labels: NDArray[np.float64], target: Target, groups: Any) -> Self:
        inputs = self._inputs(X, reset=True)
        count, aligned = len(next(iter(inputs.values()))), is_aligned(inputs)
        if groups is not None and len(groups) != count:
            raise DataError(f"{self._who}: {len(groups)} groups for {count} samples")
        split = Split(
            tuple(f"{place:06d}" for place in range(count)),
            ragged_of(inputs, self.dims_, count, aligned),
            {target.name: Ragged.vectors(labels)},
            groups=None if groups is None else tuple(str(group) for group in groups),
            aligned=aligned,
        )
        self.notes_ += tuple(
            f"{name}: {(~rows.observed).sum():,} of {rows.total:,} steps are NaN and count as unobserved"
            for name, rows in split.modalities.items()
            if not rows.observed.all()
        )
        if count < 2:
            raise DataError(f"{self._who}: one sample (n_samples=1) is too few: some have to validate")
        share = max(self.valid_share, 1 / count)
        corpus = carve(Corpus(self._who, {"train": split}, {target.name: target}), share)
        seed = int(check_random_state(self.random_state).randint(2**31))
        # a label of a whole sample is predicted from all of its steps
        names = {one.name for one in fields(ModelSpec)} - {"causal"}
        spec = {name: getattr(self, name) for name in names}
        spec |= {"encoders": dict(self.encoders or {}), "training_only": list(self.training_only)}
        shared = {one.name for one in fields(Training)} & self.get_params(deep=False).keys()
        training = Training(**{**{name: getattr(self, name) for name in shared}, **(self.options or {})})
        model = FusionModel.for_corpus(corpus, seed=seed, **spec)
        self.run_ = fit(model, corpus, seed, training=training, objective=self.objective)
        self.notes_ += (
            f"{len(corpus['valid'])} of the {count} samples chose the epoch and were not learned from",
        )
        return self

    def _predict(self, X: Any) -> NDArray[np.float64]:
        """What the model decides, (samples, outputs)."""
        check_is_fitted(self, "run_")
        inputs = self._inputs(X, reset=False)
        count = len(next(iter(inputs.values())))
        model = self.run_.model
        aligned = self.run_.facts["shape"]["aligned"] and in_step(inputs)
        rows = ragged_of(inputs, self.dims_, count, aligned)
        split = Split(tuple(f"{place:06d}" for place in range(count)), rows, {}, aligned=aligned)
        if model.needs_alignment and not split.aligned:
            raise ShapeError(f"{self._who}: the model needs aligned sequences, and these differ in length")
        predictions: NDArray[np.float64] = predict(model, split).filter(regex=r"^prediction").to_numpy()
        return predictions

    def _inputs(self, X: Any, reset: bool) -> dict[str, SampleRows]:
        """The rows of each modality; `reset` remembers names and sizes, which are checked otherwise."""
        notes: list[str] = []
        if isinstance(X, list) and X and isinstance(X[0], Mapping):
            names = sorted({name for sample in X for name in sample})
            X = {name: [sample.get(name) for sample in X] for name in names}
        if isinstance(X, Mapping) and not issparse(X):  # some sparse matrices are dictionaries
            rows = {name: rows_of(name, values) for name, values in sorted(X.items())}
        elif isinstance(X, np.ndarray) and X.ndim == 3:
            rows = {ONE: rows_of(ONE, X)}
        else:
            flat = validate_data(
                self, X, reset=reset, dtype="numeric", ensure_all_finite="allow-nan", ensure_min_samples=1
            )
            rows = {name: rows_of(name, flat[:, place]) for name, place in _columns(X, flat, notes).items()}
        if not rows:
            raise DataError(f"{self._who}: expected some modality, got none")
        check_counts(self._who, rows)
        if reset:
            self.dims_ = {name: dim_of(name, x) for name, x in rows.items()}
            self.n_features_in_ = sum(self.dims_.values())
            self.notes_ = tuple(notes)
        for name, x in rows.items():
            if name not in self.dims_:
                raise DataError(f"{self._who}: no modality '{name}'; {did_you_mean(name, self.dims_)}")
            for sample, own in enumerate(x):
                if own is not None and own.shape[1] != self.dims_[name]:
                    raise DataError(
                        f"{self._who}: sample {sample}: {name} needs feature size {self.dims_[name]}, "
                        f"got {own.shape[1]}"
                    )
        return rows

    @property
    def _who(self) -> str:
        return type(self).__name__

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class FusionRegressor(RegressorMixin, _FusionEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A fusion model that predicts a number, as an estimator of scikit-learn.

    `X` is one of:

    - a dictionary of modalities: of each an array (samples, feature) or (samples, time, feature), in which
      steps of NaN at the end are padding and others unobserved; or a list of what each sample has: (steps,
      feature), or None where it lacks it;
    - a list of samples, each a dictionary of what it has (`samples_of` makes one of the former): scikit-learn
      can cut it, for `cross_val_score` and searches;
    - an array (samples, feature) or (samples, time, feature): one modality, `features`;
    - a frame of pandas: where every column is `NAME.REST`, columns of one NAME are a modality.

    Part of the training samples is not learned from: it validates, which chooses the epoch; `notes_` says how
    many. Groups are kept on one side. `run_` is the run: its model, its history, `run_.save(folder)`.

    Args:
        fusion: how the encoded modalities become one; this, and what follows, as in `affect.ModelSpec`.
        encoder: for every modality that has none of its own.
        encoders: for modalities by name.
        aligner: before a fusion that needs aligned sequences.
        imputer: what stands in for absent modalities.
        head: the one for the kind of target by default.
        modalities: which to use; all by default.
        training_only: modalities that are there in training alone.
        width: feature size of what the encoders give.
        out_dim: feature size of what the fusion gives.
        scaling: standard, robust or none.
        nonfinite: what becomes of NaN in steps that are there: mean, mask or refuse.
        epochs: at most; this, and what follows, as in `affect.Training`.
        batch_size: samples per batch.
        learning_rate: of the optimiser.
        weight_decay: of the optimiser.
        patience: epochs without improvement after which training stops.
        monitor: what chooses the epoch.
        corruption: what happens to the training samples.
        accelerator: where to train.
        options: further fields of `affect.Training`, by name.
        objective: the loss; the plain one by default.
        valid_share: about the share of the training samples that validate.
        random_state: the seed of everything.
    Raises:
        DataError: sizes do not fit, or a modality is not known.
    Example:
        >>> rng = np.random.default_rng(0)
        >>> X = {"ecg": rng.normal(size=(40, 6, 2)), "age": rng.normal(size=(40, 1))}
        >>> model = affect.FusionRegressor(affect.fusion.LowRankFusion, epochs=2)
        >>> model.fit(X, X["age"][:, 0]).predict(X).shape
        (40,)
        >>> model.notes_
        ('8 of the 40 samples chose the epoch and were not learned from',)
    """

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Learn from samples.

        Args:
            X: the samples.
            y: a number for each.
            groups: what must not be on both sides of training and validation, one per sample.
        Raises:
            DataError: a label is no number, or there are not as many as samples.
        """
        labels = _labels(self, X, y)
        try:
            labels = check_array(labels, ensure_2d=False, dtype=np.float64)
        except ValueError as error:
            raise DataError(f"{self._who}: y: {error}") from None
        return self._fit(X, labels, Regression("y"), groups)

    def predict(self, X: Any) -> NDArray[np.float64]:
        """A number for each sample, (samples,).

        Args:
            X: the samples, in any of the forms.
        Raises:
            DataError: sizes do not fit, or a modality is not known.
        """
        return self._predict(X)[:, 0]


class FusionClassifier(ClassifierMixin, _FusionEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A fusion model that predicts a class, as an estimator of scikit-learn.

    `X`, the arguments and what is kept of a training are those of `FusionRegressor`.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> X = {"ecg": rng.normal(size=(40, 6, 2)), "age": rng.normal(size=(40, 1))}
        >>> y = np.where(X["age"][:, 0] > 0, "old", "young")
        >>> model = affect.FusionClassifier(affect.fusion.LowRankFusion, epochs=2).fit(X, y)
        >>> model.predict_proba(X).shape, model.classes_.tolist()
        ((40, 2), ['old', 'young'])
    """

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Learn from samples.

        Args:
            X: the samples.
            y: a class for each: numbers or texts.
            groups: what must not be on both sides of training and validation, one per sample.
        Raises:
            DataError: there are not two classes, or not as many labels as samples.
        """
        labels = _labels(self, X, y)
        try:
            check_classification_targets(labels)
        except ValueError as error:
            raise DataError(f"{self._who}: y: {error}") from None
        self.classes_, places = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise DataError(f"{self._who}: y: expected two classes or more, got one class")
        two = len(self.classes_) == 2
        target = Binary("y") if two else MultiClass("y", classes=tuple(map(str, self.classes_)))
        return self._fit(X, places.astype(np.float64), target, groups)

    def predict(self, X: Any) -> NDArray[Any]:
        """The class of each sample, (samples,).

        Args:
            X: the samples, in any of the forms.
        Raises:
            DataError: sizes do not fit, or a modality is not known.
        """
        chosen: NDArray[Any] = self.predict_proba(X).argmax(1)
        found: NDArray[Any] = self.classes_[chosen]
        return found

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """The probability of each of `classes_`, (samples, classes).

        Args:
            X: the samples, in any of the forms.
        Raises:
            DataError: sizes do not fit, or a modality is not known.
        """
        probabilities = self._predict(X)
        if probabilities.shape[1] == 1:
            return np.hstack([1 - probabilities, probabilities])
        return probabilities


def _labels(estimator: _FusionEstimator, X: Any, y: Any) -> NDArray[Any]:
    """The labels, (samples,)."""
    if isinstance(X, str):
        raise DataError(
            f"{estimator._who}: X: expected modalities by name, samples, an array or a frame, "
            f"got {described(X)}"
        )
    if y is None:
        raise DataError(f"{estimator._who}: requires y to be passed, but the target y is None")
    try:
        labels: NDArray[Any] = column_or_1d(y, warn=True)
    except ValueError as error:
        raise DataError(f"{estimator._who}: y: {error}") from None
    one = next(iter(X.values()), []) if isinstance(X, Mapping) and not issparse(X) else X
    if hasattr(one, "__len__") and not issparse(one) and len(one) != len(labels):
        raise DataError(f"{estimator._who}: y: inconsistent numbers: {len(labels)} for {len(one)} samples")
    return labels


def _columns(X: Any, flat: NDArray[Any], notes: list[str]) -> dict[str, list[int]]:
    """The places of each modality's columns."""
    names = list(X.columns) if isinstance(X, pd.DataFrame) else []
    prefixes = [name.partition(".")[0] if isinstance(name, str) and "." in name else "" for name in names]
    if not names or not all(prefixes):
        return {ONE: list(range(flat.shape[1]))}
    found = {name: [i for i, own in enumerate(prefixes) if own == name] for name in sorted({*prefixes})}
    notes.append(f"modalities by what stands before the dot in the names of columns: {', '.join(found)}")
    return found
