"""The contract of a baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution

from affect import metrics
from affect.bounds import Bounded
from affect.data.corpus import Corpus, Split
from affect.data.ragged import Ragged
from affect.data.speakers import parties_of
from affect.data.targets import Target
from affect.errors import ConfigError, ShapeError, did_you_mean
from affect.metrics import Array
from affect.scaling import Nonfinite, Scaler, Scaling
from affect.sequences import Sequence
from affect.training import columns, tidy
from affect.workers import one_thread


class Baseline(Bounded):
    """A model outside torch: it learns from a training split and chooses its settings on a validation split.

    Write `learn` and `decide`. They are given splits that are easy to read: only the modalities of `dims`,
    every step observed, finite and scaled as for the torch models, so that `split.modalities[m][i]` is
    (steps, feature) of sample i; and one label per sample. Where labels are per step, each step of the
    corpus is a sample, of one step. `fit`, `predict` and `evaluate` are the same for all.

    Args:
        dims: feature size of each modality, under any names.
        target: what to predict.
    Missing:
        a modality that a sample lacks is a row without steps.
    Raises:
        ConfigError: there is no modality.
        ShapeError: a split lacks a modality, or `decide` gives another shape than it should.
    Example:
        >>> class Median(Baseline):
        ...     def learn(self, train, valid, seed):
        ...         self.median = np.median(self.truth(train), axis=0)
        ...
        ...     def decide(self, split):
        ...         return np.tile(self.median, (len(split), 1))
        >>> corpus = affect.load("synthetic")
        >>> Median(corpus.dims, corpus.target()).fit(corpus).predict(corpus["test"]).columns.tolist()
        ['id', 'step', 'prediction']
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {}
    reads_nan: ClassVar[bool] = False
    """Whether what is not finite comes as NaN, in the place of the training mean (`nonfinite: mean`)."""

    def __init__(self, dims: Mapping[str, int], target: Target) -> None:
        if not dims:
            raise ConfigError(f"{type(self).__name__}: needs at least one modality, got none")
        self.dims = dict(sorted(dims.items()))
        self.target = target
        self.monitor = next(iter(metrics.metrics_for(target)))
        self.chosen: dict[str, Any] = {}
        self.scaler: Scaler | None = None

    def learn(self, train: Split, valid: Split, seed: int) -> dict[str, Any] | None:
        """What the author writes: learn from `train`; settings that are chosen, and only they, on `valid`.

        Returns:
            what was chosen on `valid`, by name; nothing where nothing was.
        """
        raise NotImplementedError(f"{type(self).__name__} must define learn")

    def decide(self, split: Split) -> Array:
        """What the author writes: (samples, target.outputs), values on the target's scale or probabilities.

        The split has no labels when it is called by `predict` and `evaluate`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define decide")

    def truth(self, split: Split) -> Array:
        """The labels of a split that `learn` was given, (samples, target.size)."""
        return split.labels(self.target.name)

    def merit(self, predictions: Array, split: Split) -> float:
        """The monitored metric of predictions for `split`, with its sign so that more is better."""
        value = metrics.metrics_for(self.target)[self.monitor](predictions, self.truth(split))
        rises = metrics.higher_is_better(self.monitor)
        return -np.inf if np.isnan(value) else value if rises else -value

    @property
    def needs_alignment(self) -> bool:
        """Whether step t must be the same moment in every modality: labels per step belong to such steps."""
        return self.target.per_step

    @property
    def chosen_by(self) -> str:
        """What was chosen, and on what."""
        settings = ", ".join(f"{name}={value}" for name, value in self.chosen.items())
        return f"{self.monitor} on valid: {settings}" if settings else "nothing was chosen"

    def fit(
        self,
        corpus: Corpus,
        seed: int = 0,
        *,
        monitor: str = "loss",
        scaling: Scaling = "standard",
        nonfinite: Nonfinite = "mean",
    ) -> Self:
        """Learn from the split `train`, choose on `valid`; no other split is touched. It keeps to one core.

        Args:
            corpus: has the splits `train` and `valid`.
            seed: of all that is drawn.
            monitor: the metric that chooses; `loss`, which a baseline does not have, stands for the first
                metric of the target: `mae`, `accuracy` or `weighted_accuracy`.
            scaling: standard, robust or none; statistics are those of `train`.
            nonfinite: what becomes of NaN and infinite values: mean, mask or refuse.

        Raises:
            ConfigError: there is no validation split to choose on, or no such metric.
        """
        for name in ("train", "valid"):
            if name not in corpus.splits:
                raise ConfigError(
                    f"{corpus.name}: no split '{name}' for {type(self).__name__}; cut the corpus first "
                    "(affect.data.splitting)"
                )
        self.monitor = self._metric(monitor)
        train, valid = self._own(corpus["train"]), self._own(corpus["valid"])
        self.scaler = Scaler.fit(train, scaling, nonfinite)
        train, valid = (self._samples(s, _places(s.targets[self.target.name])) for s in (train, valid))
        with one_thread(), metrics.using(monitor):
            self.chosen = self.learn(train, valid, seed) or {}
        return self

    def predict(self, split: Split) -> pd.DataFrame:
        """What is predicted of every sample, and of every observed step where labels are per step.

        Columns as those of `affect.training.predict`. The split needs no labels.
        """
        own = self._own(split)
        if self.target.per_step:
            places = np.unique(np.concatenate([_places(rows) for rows in own.modalities.values()]), axis=0)
        else:
            places = np.stack([np.arange(len(split)), np.zeros(len(split), np.int64)], 1)
        return self._say(own, places)

    def evaluate(
        self, corpus: Corpus, split: str, *, name: str = "", seed: int = 0, fold: int = 0
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Measure on one split: its tidy rows, and one row per label, as `affect.evaluate` does."""
        rows = corpus[split]
        own, truth = self._own(rows), self.truth(rows)
        predictions = self._say(own, _places(own.targets[self.target.name]))
        return tidy(
            predictions, truth, self.target, corpus=corpus.name, model=name or type(self).__name__,
            split=split, seed=seed, fold=fold, group_of=dict(zip(rows.ids, rows.groups or (), strict=False)),
            speaker_of=parties_of(rows),
        )  # fmt: skip

    def _metric(self, monitor: str) -> str:
        with metrics.using(monitor):
            known = list(metrics.metrics_for(self.target))
        monitor = metrics.name_of(monitor)
        if monitor == "loss":
            return known[0]
        if monitor not in known:
            raise ConfigError(
                f"training: monitor '{monitor}' is not measured for target '{self.target.name}'; "
                f"{did_you_mean(monitor, known)}"
            )
        return monitor

    def _own(self, split: Split) -> Split:
        """The split with the modalities of `dims` and the target alone."""
        for name, dim in self.dims.items():
            got = split.modalities[name].dim if name in split.modalities else "no such modality"
            if got != dim:
                raise ShapeError(f"{type(self).__name__}: {name} needs feature size {dim}, got {got}")
        return replace(
            split,
            modalities={name: split.modalities[name] for name in self.dims},
            targets={name: x for name, x in split.targets.items() if name == self.target.name},
        )

    def _say(self, split: Split, places: NDArray[np.int64]) -> pd.DataFrame:
        with one_thread():
            predictions = np.asarray(self.decide(self._samples(replace(split, targets={}), places)))
        expected = (len(places), self.target.outputs)
        if predictions.shape != expected:
            raise ShapeError(
                f"{type(self).__name__}.decide must return shape {expected} for target "
                f"'{self.target.name}', got {predictions.shape}"
            )
        frame = pd.DataFrame(predictions, columns=columns("prediction", self.target, self.target.outputs))
        frame.insert(0, "id", [split.ids[i] for i in places[:, 0]])
        frame.insert(1, "step", places[:, 1])
        return frame

    def _samples(self, split: Split, places: NDArray[np.int64]) -> Split:
        """A split in which each of `places` is a sample, its steps scaled and all of them observed."""
        per_step = self.target.per_step
        cut = partial(_steps, places=places) if per_step else partial(Ragged.take, rows=places[:, 0])
        return Split(
            ids=tuple(split.ids[i] for i in places[:, 0]),
            modalities={name: self._scaled(name, cut(x)) for name, x in split.modalities.items()},
            targets={name: cut(x) for name, x in split.targets.items()},
        )

    def _scaled(self, name: str, rows: Ragged) -> Ragged:
        """The same rows without steps that hold nothing, on the scale of the training split."""
        if self.scaler is None:
            raise ConfigError(f"{type(self).__name__}: has not learned yet; call fit first")
        rows = rows.flat()
        with np.errstate(over="ignore", invalid="ignore"):  # beyond float32 is infinite
            values = rows.values.astype(np.float32)
        observed = rows.observed.copy()  # a mapped file is read-only
        whole = Sequence(torch.from_numpy(values).unsqueeze(0), torch.from_numpy(observed).unsqueeze(0))
        scaled = self.scaler({name: whole})[name]
        kept, told = scaled.mask[0].numpy(), scaled.values[0].numpy()
        if self.reads_nan and self.scaler.nonfinite == "mean":
            told[~np.isfinite(values)] = np.nan
        ends = np.concatenate([[0], np.cumsum(kept)])
        return Ragged.from_offsets(told[kept], ends[rows.offsets])


def _places(rows: Ragged) -> NDArray[np.int64]:
    """(observed steps, 2): row and step of each."""
    row = np.repeat(np.arange(len(rows)), rows.lengths)
    step = np.arange(rows.total) - np.repeat(rows.offsets[:-1], rows.lengths)
    places: NDArray[np.int64] = np.stack([row, step], 1)[rows.observed[rows.index]]
    return places


def _steps(rows: Ragged, places: NDArray[np.int64]) -> Ragged:
    """A row of one step for each of `places`; without steps where there is no such step."""
    row, step = places.T
    there = step < rows.lengths[row]
    starts = np.where(there, rows.starts[row] + step, 0)
    return Ragged(starts, there.astype(np.int64), rows.values, rows.observed)
