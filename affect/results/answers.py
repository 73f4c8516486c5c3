"""What finished runs said of the same labels, laid side by side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect.data.targets import MultiClass, Regression, Target
from affect.errors import DataError
from affect.metrics import Array
from affect.runs import FinishedRun


@dataclass(frozen=True, eq=False)
class Answers:
    """What models said of every label of one target, on one split of one corpus.

    Args:
        target: what was predicted.
        corpus: the corpus's name.
        samples: the id of the sample that each label belongs to.
        steps: the step that it belongs to, 0 where a sample has one label.
        folds: the fold whose test split it is in.
        truth: the labels.
        said: decisions by model and seed, on the target's scale or probabilities.
        runs: the runs that they come from.
    Shapes:
        steps, folds: (labels,), truth: (labels, target.size), said[model][seed]: (labels, target.outputs)
    """

    target: Target
    corpus: str
    samples: tuple[str, ...]
    steps: NDArray[np.int64]
    folds: NDArray[np.int64]
    truth: Array
    said: dict[str, dict[int, Array]]
    runs: tuple[FinishedRun, ...]

    @cached_property
    def groups(self) -> NDArray[np.int64]:
        """(labels,): the number of the sample that each label belongs to."""
        groups: NDArray[np.int64] = pd.factorize(np.array(self.samples))[0].astype(np.int64)
        return groups

    @cached_property
    def shared(self) -> tuple[int, ...]:
        """The seeds that every model has: pairs of models are compared with them alone."""
        first, *rest = self.said.values()
        return tuple(seed for seed in first if all(seed in own for own in rest))

    def every(self, seeds: Iterable[int] | None = None) -> dict[str, Array]:
        """(seeds, labels, outputs) of every model, with all of its seeds or with these."""
        chosen = None if seeds is None else tuple(seeds)
        return {
            name: np.stack([*own.values()] if chosen is None else [own[seed] for seed in chosen])
            for name, own in self.said.items()
        }

    def errors(self, model: str) -> Array:
        """(samples,): how far off a model is on each, a mean over labels and the seeds that all models share.

        The distance for a number; the share of wrong decisions for classes.
        """
        said = np.stack([self.said[model][seed] for seed in self.shared])
        if isinstance(self.target, Regression):
            wrong = np.abs(said - self.truth)
        elif isinstance(self.target, MultiClass):
            wrong = (said.argmax(-1, keepdims=True) != self.truth).astype(np.float64)
        else:
            wrong = ((said > 0.5) != (self.truth > 0.5)).astype(np.float64)
        labels = wrong.mean((0, 2))
        errors: Array = np.bincount(self.groups, labels) / np.bincount(self.groups)
        return errors

    def run_of(self, model: str) -> FinishedRun:
        """The first run of a model: what its runs have in common can be read there."""
        return next(run for run in self.runs if run.name == model)


def gather(runs: Iterable[FinishedRun], split: str = "test") -> list[Answers]:
    """The answers of runs, for each corpus and target; the folds of a seed are laid together.

    Models and seeds keep the order of the runs. A seed that lacks a fold is left out.

    Args:
        runs: finished ones.
        split: of which split.
    Raises:
        DataError: runs of one corpus and target were measured on different samples.
    """
    kinds: dict[tuple[str, str], list[FinishedRun]] = {}
    for run in runs:
        kinds.setdefault((run.facts["corpus"]["name"], run.target.name), []).append(run)
    return [_together(own, split) for own in kinds.values()]


def _together(runs: list[FinishedRun], split: str) -> Answers:
    seeds: dict[tuple[str, int], list[pd.DataFrame]] = {}
    for run in runs:
        rows = run.table("predictions")
        seeds.setdefault((run.name, run.seed), []).append(rows[rows["split"] == split])
    whole = {key: pd.concat(parts).set_index(["id", "step"]).sort_index() for key, parts in seeds.items()}
    first = max(whole.values(), key=len)
    corpus, target = runs[0].facts["corpus"]["name"], runs[0].target
    said: dict[str, dict[int, Array]] = {}
    for (name, seed), frame in whole.items():
        if not frame.index.isin(first.index).all():
            raise DataError(
                f"{corpus}, {target.name}: {name}, seed {seed} was measured on other samples than the rest; "
                "compare runs on the same file and folds"
            )
        if len(frame) == len(first):
            said.setdefault(name, {})[seed] = frame.filter(regex=r"^prediction").to_numpy(np.float64)
    return Answers(
        target=target,
        corpus=corpus,
        samples=tuple(first.index.get_level_values("id")),
        steps=first.index.get_level_values("step").to_numpy(np.int64),
        folds=first["fold"].to_numpy(np.int64),
        truth=first.filter(regex=r"^truth").to_numpy(np.float64),
        said=said,
        runs=tuple(runs),
    )
