"""Finished runs on another corpus than their own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect import metrics
from affect.classes import within
from affect.data.contents import corpus_digest, kept_digest
from affect.data.corpus import Corpus, Split
from affect.data.targets import MultiClass, Target, main_of
from affect.errors import ConfigError, DataError, did_you_mean, listed
from affect.metrics import Array
from affect.results import Answers
from affect.results.summary import LEVEL, difference, values_and_tests
from affect.results.tables import Table, summary_tables, write_tables
from affect.retrieval import embed, zero_shot
from affect.retrieval.embeddings import term_with_embeddings
from affect.retrieval.zero_shot import text_modality
from affect.runs import FinishedRun
from affect.runs.comparable import check_comparable
from affect.runs.finished import corpus_path
from affect.runs.predicting import asked, default_split
from affect.training.evaluation import columns
from affect.transfer.labels import NEUTRAL, mapped

logger = logging.getLogger(__name__)

CONSTANT = "the best constant"
SUMMARY, PREDICTIONS = "summary.csv", "predictions.csv"
"""The files of what was measured, and of what was predicted of every label."""
NO_CORRELATION = 0.0
"""That of a constant, where that is not defined."""


@dataclass(frozen=True)
class ZeroShot:
    """Classes by label texts, in the space that the modalities of a run share.

    Args:
        texts: by the name of the class.
        term: the name of the term whose embeddings are meant, where several of a run have some.
        query: the modalities of a sample that are compared with the texts; by default the text itself.
    """

    texts: Mapping[str, str]
    term: str | None = None
    query: tuple[str, ...] = ()


@dataclass(frozen=True)
class Transferred:
    """What has come of runs on another corpus.

    Args:
        summary: a row per model and metric: `mean`, `std`, a 95% interval, `low` to `high`, for a new seed
            on new samples; `floor`, the best constant's value; and `gain_low` and `gain_high`, the interval
            of the difference to that constant on the same samples, positive where the model is better.
        predictions: a row per label and run, on the scale of the other corpus.
        notes: how labels were mapped, and what was left out.
    """

    summary: pd.DataFrame
    predictions: pd.DataFrame
    notes: tuple[str, ...]

    @property
    def tables(self) -> list[Table]:
        """The summary to read, with the notes below."""
        return [replace(one, notes=(*one.notes, *self.notes)) for one in summary_tables(self.summary)]

    def write(self, out: Path) -> list[Path]:
        """Write `summary.csv`, `predictions.csv`, and `table.md` and `table.tex`, the same to read.

        Args:
            out: the folder.
        Returns:
            the files that were written.
        """
        written = [out / name for name in (SUMMARY, "table.md", "table.tex")]
        for path in written:
            write_tables(path, self.tables, self.summary)
        write_tables(out / PREDICTIONS, (), self.predictions)
        return [*written, out / PREDICTIONS]


def transfer_runs(
    runs: Iterable[FinishedRun],
    source: str | Path,
    *,
    target: str | None = None,
    split: str | None = None,
    classes: Mapping[str, str] | None = None,
    neutral: float = NEUTRAL,
    labels: ZeroShot | None = None,
    names: Iterable[str] = (),
    progress: Callable[[int, int], None] | None = None,
    **reading: Any,
) -> Transferred:
    """Test finished runs on another corpus, which nothing was trained or chosen on.

    Labels are mapped by `affect.transfer.mapped`. Seeds, and folds, of a model are trainings of it. The
    constant that a model is compared with is the best one for the labels themselves, of each metric anew.

    Args:
        runs: finished ones, of one corpus and target or of several.
        source: the other corpus, in any format, or a generated one.
        target: its target; by default the one called as the runs', or its main one.
        split: its split; `test` by default, or the first one.
        classes: as in `mapped`.
        neutral: as in `mapped`.
        labels: classes by the texts nearest to a sample, in place of what the runs' heads predict.
        names: of metrics; by default all of the target.
        progress: is told how many runs are done, of how many.
        reading: how the corpus is to be read, as in `affect.load`.
    Missing:
        a modality that the other corpus does not have is absent from every sample, with a warning; samples
        without a label are left out.
    Raises:
        DataError: there is no run; the split has no label; runs of one name were made otherwise, or runs
            are tested on other targets or samples than one another.
        ConfigError: the corpus has not what a run reads; there is no such target or metric; labels cannot be
            mapped.
    """
    runs = [*runs]
    if not runs:
        raise DataError("transfer: no finished run was given")
    check_comparable(runs)
    found: dict[str, dict[int, Array]] = {}
    tables, notes, first, aim = [], dict[str, None](), None, runs[0].target
    several = len({(one.facts["corpus"]["name"], one.target.name) for one in runs}) > 1
    for done, run in enumerate(runs):
        if progress is not None:
            progress(done, len(runs))
        corpus, say = asked(run, source, **reading)
        goal = _goal(corpus, run.target, target)
        rows = corpus[part := split if split is not None else default_split(corpus)]
        truth = _labels(corpus, rows, goal)
        if first is None:
            first, aim, names = truth, goal, _names(names, goal)
        _check_same(run, aim, goal, first, truth)
        notes |= dict.fromkeys(_seen_in_training(run, source, part))
        if labels is None:
            becomes = mapped(run.target, goal, classes, neutral)
            notes |= dict.fromkeys(becomes.notes)
            given, there = _beside(truth, say(rows), columns("prediction", run.target, run.target.outputs))
            predictions = becomes(given)
        else:
            predictions, there, note = _nearest(run, rows, truth, goal, labels)
            notes |= dict.fromkeys((note,))
        if not there.all():
            lacking = f"{(~there).sum():,} of {len(there):,} labels have no prediction of {run.folder}"
            raise DataError(f"{source}: {lacking}: the run reads nothing there; choose another split")
        name = f"{run.name} ({run.facts['corpus']['name']}, {run.target.name})" if several else run.name
        own = found.setdefault(name, {})
        own[len(own)] = predictions
        tables.append(
            truth.assign(
                **dict(zip(columns("prediction", goal, goal.outputs), predictions.T, strict=True)),
                model=name, seed=run.seed, fold=run.fold,
            )
        )  # fmt: skip
    assert first is not None
    learned = ", ".join(dict.fromkeys(run.facts["corpus"]["name"] for run in runs))
    answers = Answers(
        target=aim,
        corpus=f"{learned} → {corpus.name}",
        samples=tuple(first["id"]),
        steps=first["step"].to_numpy(np.int64),
        folds=np.zeros(len(first), np.int64),
        truth=first[columns("truth", goal, goal.size)].to_numpy(np.float64),
        predictions=found,
        runs=(),
        grouped=tuple(first["group"]) if "group" in first else (),
    )
    summary = pd.DataFrame([row for metric in names for row in _rows(answers, metric)])
    return Transferred(summary, pd.concat(tables, ignore_index=True), tuple(notes))


def _goal(corpus: Corpus, source: Target, name: str | None) -> Target:
    """The target of the other corpus that is meant."""
    known = corpus.targets
    if not known:
        raise DataError(f"{corpus.name}: it has no labels to measure on; affect predict needs none")
    if name is None:
        name = source.name if source.name in known else main_of(known)
    if name not in known:
        said = f"no target '{name}'" if name else f"the runs predict '{source.name}'; name a target"
        raise ConfigError(f"{corpus.name}: {said}; {did_you_mean(name or source.name, known)}")
    return known[name]


def _check_same(
    run: FinishedRun, aim: Target, goal: Target, first: pd.DataFrame, truth: pd.DataFrame
) -> None:
    """Refuse a run that would be measured on another target, or on other samples, than those before it."""
    if goal.name != aim.name:
        raise DataError(
            f"transfer: {run.folder} would be tested on '{goal.name}', and those before it on '{aim.name}'; "
            "name one target for all of them (--about), or give the runs apart"
        )
    if not truth.equals(first):
        raise DataError(
            f"transfer: {run.folder} reads other labels of '{goal.name}' than the runs before it; give the "
            "runs apart, or say for all how the corpus is read"
        )


def _seen_in_training(run: FinishedRun, source: str | Path, split: str) -> tuple[str, ...]:
    """What is said of a run that has been trained or chosen on what it is tested on."""
    known = kept_digest(run.facts["corpus"], run.content["corpus"])
    if split == "test" or known is None or known != corpus_digest(corpus_path(str(source), Path.cwd())):
        return ()
    return (f"{run.name} has learned from this corpus: its split {split} is no test of it",)


def _names(given: Iterable[str], goal: Target) -> list[str]:
    """The metrics that are asked for."""
    known = metrics.metrics_for(goal)
    for name in (chosen := listed("transfer: names", given)):
        if name not in known:
            raise ConfigError(f"transfer: '{goal.name}' has no metric '{name}'; {did_you_mean(name, known)}")
    return [*chosen] or [*known]


def _labels(corpus: Corpus, rows: Split, goal: Target) -> pd.DataFrame:
    """A row per label: `id`, `step`, `truth`, and the `group` where there are groups."""
    if goal.name not in rows.targets or not len(rows.labels(goal.name)):
        raise DataError(f"{corpus.name}: the split has no label of '{goal.name}' to measure on")
    truth = rows.targets[goal.name].pad(np.arange(len(rows)))
    row, step = (one.numpy() for one in truth.mask.nonzero(as_tuple=True))
    values = truth.values[truth.mask].numpy().astype(np.float64)
    found = pd.DataFrame({"id": np.array(rows.ids, dtype=object)[row], "step": step})
    if rows.groups is not None:
        found["group"] = np.array(rows.groups, dtype=object)[row]
    return found.assign(**dict(zip(columns("truth", goal, goal.size), values.T, strict=True)))


def _beside(truth: pd.DataFrame, table: pd.DataFrame, names: list[str]) -> tuple[Array, NDArray[np.bool_]]:
    """What was predicted of each label, and whether anything was."""
    both = truth[["id", "step"]].merge(table, on=["id", "step"], how="left", validate="one_to_one")
    found = both[names].to_numpy(np.float64)
    return found, np.isfinite(found).all(1)


def _nearest(
    run: FinishedRun, rows: Split, truth: pd.DataFrame, goal: Target, labels: ZeroShot
) -> tuple[Array, NDArray[np.bool_], str]:
    """The class whose text lies nearest to each sample, 1 and the others 0."""
    if not isinstance(goal, MultiClass) or goal.per_step:
        raise ConfigError(
            f"transfer: labels: expected a target of one class for each sample, got {type(goal).__name__} "
            f"'{goal.name}'"
        )
    if (given := {*labels.texts}) != {*goal.classes}:
        odd = sorted(given ^ {*goal.classes})
        raise ConfigError(
            f"transfer: labels: expected a text for each class of '{goal.name}' "
            f"({', '.join(goal.classes)}), and {', '.join(odd)} is there on one side alone"
        )
    model = run.model()
    own = run.terms(model)
    query = labels.query or (text_modality(model),)
    with within(run.home):
        name = term_with_embeddings(dict(own.items()), labels.term)
        term = None if name is None else own[name]
        placed = embed(model, rows, term, name=name or "")
        table = zero_shot(model, placed, labels.texts, term, query)
    texts = ", ".join(f"'{labels.texts[one]}'" for one in goal.classes)
    note = f"zero-shot: the text nearest to {' + '.join(query)}, of {texts}; no label was learned from"
    both = truth[["id"]].merge(table[["id", "label"]], on="id", how="left")
    found: Array = np.stack([both["label"] == one for one in goal.classes], 1).astype(np.float64)
    return found, both["label"].notna().to_numpy(), note


def _rows(own: Answers, metric: str) -> Iterator[dict[str, Any]]:
    """The rows of one metric: models in their order, each against the best constant, and the best one."""
    function, rises = own.metrics[metric], metrics.higher_is_better(metric)
    constants = {
        place: np.tile(one, (len(own.truth), 1))
        for place, one in enumerate(metrics.constants(own.target, own.truth))
    }
    values = {place: (1 if rises else -1) * function(one, own.truth) for place, one in constants.items()}
    defined = {place: value for place, value in values.items() if np.isfinite(value)}
    compared = bool(defined) and not metrics.is_correlation(metric)
    floor = metrics.constant_baselines(own.target, own.truth)[metric]
    spreads, among = values_and_tests(own, metric)
    first = max(spreads, key=lambda name: (1 if rises else -1) * spreads[name]["mean"])
    tests: dict[tuple[str, str], Any] = {}
    if compared:
        most = max(own.predictions.values(), key=len)
        best = dict.fromkeys(most, constants[max(defined, key=defined.__getitem__)])
        beside = replace(own, predictions={**own.predictions, CONSTANT: best})
        _, tests = values_and_tests(beside, metric, [(name, CONSTANT) for name in own.predictions])
    for name, seeds in own.predictions.items():
        gain, behind = tests.get((name, CONSTANT)), difference(among, first, name)
        yield {
            "corpus": own.corpus,
            "target": own.target.name,
            "model": name,
            "metric": metric,
            **spreads[name],
            "count": metrics.count(metric, own.truth),
            "floor": NO_CORRELATION if metrics.is_correlation(metric) else floor,
            "ceiling": np.nan,
            "reference": CONSTANT if gain else None,
            "gain_low": gain.low if gain else np.nan,
            "gain_high": gain.high if gain else np.nan,
            "tie": behind is not None and bool(behind.p_all >= LEVEL),
            "one_seed": len(seeds) == 1,
            "by_group": own.by_group,
        }
