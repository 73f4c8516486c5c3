"""What finished runs predict of the same labels, laid side by side."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect import metrics, renamed
from affect.data.speakers import SPEAKER
from affect.data.targets import MultiClass, Regression, Target
from affect.errors import DataError
from affect.metrics import Array, Measure, Stored
from affect.runs import FinishedRun
from affect.runs.comparable import check_comparable
from affect.statistics import units

logger = logging.getLogger(__name__)


@renamed.arguments(said="predictions")
@dataclass(frozen=True, eq=False)
class Answers:
    """What models predict of every label of one target, on one split of one corpus.

    Args:
        target: what was predicted.
        corpus: the corpus's name.
        samples: the id of the sample that each label belongs to.
        steps: the step that it belongs to, 0 where a sample has one label.
        folds: the fold whose test split it is in.
        truth: the labels.
        predictions: decisions by model and seed, on the target's scale or probabilities.
        runs: the runs that they come from.
        split: of which split they are.
        grouped: the group that each label's sample belongs to, a video or a speaker; empty where the runs
            say none.
        speakers: the party of the dialogue that each label's step is of, 0 where it is not known; empty where
            the runs say none.
    Shapes:
        steps, folds, speakers: (labels,), truth: (labels, target.size),
        predictions[model][seed]: (labels, target.outputs)
    """

    target: Target
    corpus: str
    samples: tuple[str, ...]
    steps: NDArray[np.int64]
    folds: NDArray[np.int64]
    truth: Array
    predictions: dict[str, dict[int, Array]]
    runs: tuple[FinishedRun, ...]
    split: str = "test"
    grouped: tuple[str, ...] = ()
    speakers: tuple[int, ...] = ()

    def take(self, labels: NDArray[np.bool_]) -> Answers:
        """The same over some of the labels.

        Args:
            labels: a mask of all.
        """
        rows = np.flatnonzero(labels)
        return replace(
            self,
            samples=tuple(self.samples[i] for i in rows),
            steps=self.steps[rows],
            folds=self.folds[rows],
            truth=self.truth[rows],
            predictions={
                name: {seed: one[rows] for seed, one in own.items()} for name, own in self.predictions.items()
            },
            grouped=tuple(self.grouped[i] for i in rows) if self.grouped else (),
            speakers=tuple(self.speakers[i] for i in rows) if self.speakers else (),
        )

    @property
    def metrics(self) -> dict[str, Measure]:
        """What is known of them, by name.

        The metrics of the target, with those of one's own that are in use; and those that the runs were
        measured with, of which there may be the values alone (`affect.metrics.Stored`).

        Raises:
            DataError: two runs do not agree which way a metric is better.
        """
        stored: dict[str, Stored] = {}
        for run in self.runs:
            for name, metric in run.metrics.items():
                if stored.setdefault(name, metric).higher_is_better != metric.higher_is_better:
                    raise DataError(
                        f"{run.folder}: another run has a metric '{name}' of which the other way is better; "
                        "compare runs that were measured alike"
                    )
        known = metrics.metrics_for(self.target)
        return {**known, **{name: metric for name, metric in stored.items() if name not in known}}

    def stored(self, metric: str, model: str) -> dict[int, float]:
        """What the runs of a model stored of a metric, by seed: of several folds the mean.

        Args:
            metric: its name.
            model: the model's.
        """
        values: dict[int, list[float]] = {}
        for run in self.runs:
            if run.name == model and metric in run.metrics:
                rows = run.table("results").query("split == @self.split and metric == @metric")
                values.setdefault(run.seed, []).extend(rows["value"].tolist())
        seeds = self.predictions.get(model, {})
        return {seed: float(np.mean(values[seed])) for seed in seeds if values.get(seed)}

    @cached_property
    def units(self) -> NDArray[np.int64]:
        """(labels,): the number of the group of each label, or of its sample (`affect.statistics.units`)."""
        return units(self.samples, self.grouped)

    @property
    def by_group(self) -> bool:
        """Whether whole groups are drawn."""
        return len({*self.grouped}) > 1

    def every(self) -> dict[str, Array]:
        """(seeds, labels, outputs) of every model."""
        return {name: np.stack([*own.values()]) for name, own in self.predictions.items()}

    def errors(self, model: str) -> Array:
        """(samples,): how far off a model is on each, a mean over labels and seeds.

        The distance for a number; the share of wrong decisions for classes.

        Args:
            model: its name.
        """
        predictions = np.stack([*self.predictions[model].values()])
        if isinstance(self.target, Regression):
            wrong = np.abs(predictions - self.truth)
        elif isinstance(self.target, MultiClass):
            wrong = (predictions.argmax(-1, keepdims=True) != self.truth).astype(np.float64)
        else:
            wrong = ((predictions > 0.5) != (self.truth > 0.5)).astype(np.float64)
        labels = wrong.mean((0, 2))
        samples = units(self.samples)
        errors: Array = np.bincount(samples, labels) / np.bincount(samples)
        return errors

    def run_of(self, model: str) -> FinishedRun:
        """The first run of a model: what its runs have in common can be read there.

        Args:
            model: its name.
        """
        return next(run for run in self.runs if run.name == model)


def gather(runs: Iterable[FinishedRun], split: str = "test") -> list[Answers]:
    """The answers of runs, for each corpus and target; the folds of a seed are laid together.

    Models and seeds keep the order of the runs. A seed that lacks a fold, or was measured on no such split
    where others were, is left out; a log line says so.

    Args:
        runs: finished ones.
        split: of which split.
    Raises:
        DataError: runs of one corpus and target were measured on different samples or against different
            labels, or made from different contents of one file; those of one model were made in different
            settings; a run has no predictions.
    """
    kinds: dict[tuple[str, str], list[FinishedRun]] = {}
    check_comparable(runs := list(runs))
    for run in runs:
        _ = run.metrics  # which way its own are better is known from here on
        kinds.setdefault((run.facts["corpus"]["name"], run.target.name), []).append(run)
    return [_together(own, split) for own in kinds.values()]


def _together(runs: list[FinishedRun], split: str) -> Answers:
    seeds: dict[tuple[str, int], list[pd.DataFrame]] = {}
    places: dict[tuple[str, int], Path] = {}
    for run in runs:
        rows = run.table("predictions")
        if rows.empty:
            raise DataError(f"{run.folder}: holds no predictions; train it again")
        seeds.setdefault((run.name, run.seed), []).append(rows[rows["split"] == split])
        places.setdefault((run.name, run.seed), run.folder)
    whole = _by_label(
        {key: parts[0] if len(parts) == 1 else pd.concat(parts) for key, parts in seeds.items()}
    )
    most = max(whole, key=lambda key: len(whole[key]))
    first, folds = whole[most], {*whole[most]["fold"]}
    corpus, target = runs[0].facts["corpus"]["name"], runs[0].target
    outputs, truth = _matching(first, "prediction"), _truth(first)
    predictions: dict[str, dict[int, Array]] = {}
    for (name, seed), frame in whole.items():
        who = f"{corpus}, {target.name}: {name}, seed {seed}"
        same = frame.index.equals(first.index)
        if not same and not frame.index.isin(first.index).all():
            raise DataError(
                f"{who} was measured on other samples than the rest; compare runs on the same file and folds"
            )
        if not same and {*frame["fold"]} != folds:
            lacks = ", ".join(map(str, sorted(folds - {*frame["fold"]})))
            logger.warning("%s has no predictions of %s, fold %s, and is left out", who, split, lacks)
        elif not same:
            raise DataError(
                f"{places[name, seed]}: {name}, seed {seed} has {len(frame):,} predictions of {split}, and "
                f"{most[0]}, seed {most[1]} has {len(first):,} ({places[most]}); train the damaged one again"
            )
        elif _matching(frame, "prediction") != outputs or not np.array_equal(
            _truth(frame), truth, equal_nan=True
        ):
            what = "labels" if _matching(frame, "prediction") == outputs else "columns of predictions"
            raise DataError(
                f"{places[name, seed]}: {name}, seed {seed} has other {what} than {places[most]}; compare "
                "runs on the same corpus"
            )
        else:
            predictions.setdefault(name, {})[seed] = frame[outputs].to_numpy(np.float64)
    same_labels = [frame for frame in whole.values() if frame.index.equals(first.index)]
    return Answers(
        target=target,
        corpus=corpus,
        samples=tuple(first.index.get_level_values("id")),
        steps=first.index.get_level_values("step").to_numpy(np.int64),
        folds=first["fold"].to_numpy(np.int64),
        truth=truth,
        predictions=predictions,
        runs=tuple(runs),
        split=split,
        grouped=next((tuple(own["group"].astype(str)) for own in same_labels if "group" in own), ()),
        speakers=next((tuple(own[SPEAKER].tolist()) for own in same_labels if _says_who_speaks(own)), ()),
    )


def _by_label(tables: dict[tuple[str, int], pd.DataFrame]) -> dict[tuple[str, int], pd.DataFrame]:
    """Tables by id and step; where they list the same labels, as they mostly do, these are sorted once."""
    found, labels, order = {}, pd.DataFrame(), pd.Series()
    for key, table in tables.items():
        own = table[["id", "step"]]
        if not own.equals(labels):
            labels = own
            order = pd.Series(np.arange(len(own)), pd.MultiIndex.from_frame(own)).sort_index()
        kept = [
            name for name in table
            if name in ("fold", "group", SPEAKER) or str(name).startswith(("prediction", "truth"))
        ]  # fmt: skip
        found[key] = table[kept].iloc[order.to_numpy()]
        found[key].index = order.index
    return found


def _says_who_speaks(frame: pd.DataFrame) -> bool:
    """Of every label: of the folds of a seed, some may be of a release that did not say it."""
    return SPEAKER in frame and bool(frame[SPEAKER].notna().all())


def _matching(frame: pd.DataFrame, kind: str) -> list[str]:
    """The columns of predictions or of truth."""
    return [column for column in frame.columns if column.startswith(kind)]


def _truth(frame: pd.DataFrame) -> Array:
    truth: Array = frame[_matching(frame, "truth")].to_numpy(np.float64)
    return truth


def say_stored(metric: str, answers: Answers) -> None:
    """A log line for a metric that cannot be computed here, whose values are those that runs stored.

    Args:
        metric: its name.
        answers: of the runs.
    """
    logger.warning(
        "%s, %s: %s was measured by somebody's own code, which is not here: the means are those of the runs, "
        "without intervals or tests; name it by its import path to compute it again",
        answers.corpus, answers.target.name, metric,
    )  # fmt: skip
