"""Every label with what each model predicts of it, and why: a table, and one sample at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect.data.targets import MultiClass, MultiLabel, Regression
from affect.errors import ConfigError
from affect.metrics import Array
from affect.report.chosen import chosen_models, left_out
from affect.report.pictures import classes_of
from affect.report.records import column, number, numbers, records
from affect.results import Answers
from affect.robustness import Comparison
from affect.runs.explained import WordImportances

MOST_EXPLAINED = 25
"""The samples whose words are on the page: those that models disagree on most."""

_WHICH: dict[type, str] = {
    MultiClass: "The class is that of the label.",
    MultiLabel: "The class is the one that models are farthest off on.",
}


def samples_note(answers: Answers, summary: pd.DataFrame) -> str:
    """How to read the table of samples.

    Args:
        answers: the predictions of all models.
        summary: of their corpus and target.
    """
    every = len(answers.predictions)
    fewer = left_out(len(chosen_models(answers, summary)), every, summary)
    alone = answers.truth.shape[1] == answers.target.outputs == 1
    return (
        "Predictions are means over seeds; disagreement is their standard deviation over models"
        + ("." if alone else ", over all classes together.")
        + (fewer and f"{fewer} Disagreement and largest error are over all of them.")
    )


def samples_records(
    answers: Answers,
    summary: pd.DataFrame,
    transcripts: Mapping[str, str],
    sweeps: Iterable[Comparison] = (),
    importances: Iterable[WordImportances] = (),
) -> dict[str, Any]:
    """Every label with what each model predicts of it, those first on which models disagree.

    Args:
        answers: the predictions of all models.
        summary: of their corpus and target.
        transcripts: what was said, by sample id.
        sweeps: of the same corpus and target.
        importances: of any runs.
    """
    means = {model: np.mean([*own.values()], 0) for model, own in answers.predictions.items()}
    stacked = np.stack([*means.values()])  # (models, labels, outputs)
    wrong = _wrong(answers, stacked)
    ids = list(answers.samples)
    if answers.target.per_step:
        ids = [f"{name}, step {step}" for name, step in zip(ids, answers.steps, strict=True)]
    columns = [column("id", ids)]
    if any(name in transcripts for name in answers.samples):
        columns.append(column("transcript", [transcripts.get(n, "") for n in answers.samples], wide=True))
    searched = list(range(len(columns)))
    columns += [
        column("label", _labels(answers)),
        column("disagreement", np.sqrt(stacked.var(0).mean(-1)), first="descending"),
        column("largest error", wrong.max(0), first="descending"),
    ]
    chosen = chosen_models(answers, summary)
    columns += [_model_column(answers, model, means[model]) for model in chosen]
    table = records("samples", columns, searched=searched, order=[searched[-1] + 2, "descending"])
    first = np.argsort(-stacked.var(0).mean(-1), kind="stable")[:MOST_EXPLAINED]
    words = {"words": _word_importances(answers, chosen, first, importances)}
    return table | _explained(answers, chosen, stacked, list(sweeps)) | words


def _model_column(answers: Answers, model: str, mean: Array) -> dict[str, Any]:
    """What a model predicts, with every seed; of numbers the page's script takes the mean."""
    seeds = answers.predictions[model]
    every = {"seeds": [*seeds], "predictions": [numbers(own.ravel()) for own in seeds.values()]}
    if answers.target.outputs == 1:
        return {"label": model, "first": "ascending", "form": "number", "digits": 3, **every}
    return column(model, _texts_of(answers, mean), **every)


def _explained(
    answers: Answers, chosen: list[str], stacked: Array, sweeps: list[Comparison]
) -> dict[str, Any]:
    """What the page needs beside the table to show one sample."""
    target, rows = answers.target, np.arange(len(answers.truth))
    outputs = [*target.classes] if isinstance(target, MultiClass | MultiLabel) else ["prediction"]
    truth, explained = answers.truth, np.zeros(len(rows), np.int64)
    low, high = 0.0, 1.0
    if isinstance(target, MultiClass):
        explained = truth[:, 0].astype(np.int64)
        truth = np.eye(len(outputs))[explained]
    elif isinstance(target, MultiLabel):
        explained = abs(stacked - truth).mean(0).argmax(-1)
    elif isinstance(target, Regression):
        ends = [end for end in (target.low, target.high) if end is not None]
        seeds = [own for model in chosen for own in answers.predictions[model].values()]
        shown = np.concatenate([truth.ravel(), *(own.ravel() for own in seeds), ends])
        low, high = float(np.nanmin(shown)), float(np.nanmax(shown))
    shares = {model: _shares(answers, model, explained, sweeps) for model in chosen}
    return {
        "outputs": outputs,
        "truth": numbers(truth.ravel()),
        "scale": [low, high],
        "explained": explained.tolist(),
        "contributions": {model: own for model, own in shares.items() if own},
        "explanation": _WHICH.get(type(target), ""),
        "lacking": _lacking(answers, sweeps),
    }


def _word_importances(
    answers: Answers, chosen: list[str], rows: Iterable[int], importances: Iterable[WordImportances]
) -> dict[int, dict[str, Any]]:
    """The words of some labels' samples, and how much each mattered to each model: means over seeds."""
    own = {run.folder for run in answers.runs}
    known = [one for one in importances if one.run.folder in own]
    found: dict[int, dict[str, Any]] = {}
    for row in map(int, rows):
        sample = answers.samples[row]
        mine = [one for one in known if sample in one.words]
        lines = [
            [model, name, _two_digits(np.mean([one.values[name][sample] for one in seeds], 0))]
            for model in chosen
            if (seeds := [one for one in mine if one.run.name == model])
            for name in seeds[0].values
        ]
        if lines:
            found[row] = {"words": mine[0].words[sample], "lines": lines}
    return found


def _two_digits(values: Array) -> list[float | None]:
    """As many as are shown; None for NaN."""
    return [None if np.isnan(value) else float(f"{value:.2g}") for value in values]


def _shares(
    answers: Answers, model: str, explained: NDArray[np.int64], sweeps: list[Comparison]
) -> dict[str, Any]:
    """What each modality contributes to one output of each label, from the first sweep that says it."""
    for compared in sweeps:
        if compared.samples != answers.samples:  # some folds alone
            continue
        try:
            rows = compared.sample_contributions(model)
        except ConfigError:  # another model's sweep, or not over all subsets
            continue
        names, seeds = rows["modality"].unique(), rows["seed"].unique()
        shape = len(answers.truth), answers.target.outputs, len(seeds), len(names)
        of_label = np.arange(shape[0]), explained
        found, constants, whole = (
            rows[name].to_numpy().reshape(shape)[of_label]  # (labels, seeds, modalities)
            for name in ("contribution", "baseline", "prediction")
        )
        return {
            "seeds": seeds.tolist(),
            "modalities": names.tolist(),
            "baseline": _short(constants[:, 0, 0]),
            "prediction": _short(whole[..., 0].mean(1)),
            "means": _short(found.mean(1).ravel()),
            "deviations": _short(found.std(1, ddof=1).ravel()) if len(seeds) > 1 else None,
        }
    return {}


def _lacking(answers: Answers, sweeps: list[Comparison]) -> dict[int, str]:
    """The modalities that a label's sample lacks, where it lacks some."""
    known = {
        name: there for own in sweeps if own.samples == answers.samples for name, there in own.present.items()
    }
    if not known:
        return {}
    names, there = np.array([*known], object), np.stack([*known.values()])
    return {int(row): ", ".join(names[~there[:, row]]) for row in np.flatnonzero(~there.all(0))}


def _short(values: Array) -> list[float | None]:
    """As many digits as are shown."""
    return [number(float(value)) for value in values.round(3) + 0.0]


def _labels(answers: Answers) -> Any:
    """Labels as numbers, or as the classes that they name."""
    if isinstance(answers.target, Regression | MultiLabel):
        return _texts_of(answers, answers.truth)
    return [classes_of(answers.target)[int(one)] for one in answers.truth[:, 0]]


def _texts_of(answers: Answers, values: Array) -> Any:
    """Predictions as numbers, or as the classes that they speak for."""
    target = answers.target
    if isinstance(target, MultiClass):
        return [f"{target.classes[row.argmax()]} {row.max():.2f}" for row in values]
    if isinstance(target, MultiLabel):
        return [
            ", ".join(n for n, x in zip(target.classes, row, strict=True) if x > 0.5) or "–" for row in values
        ]
    return values[:, 0]


def _wrong(answers: Answers, stacked: Array) -> Array:
    """(models, labels): how far predictions are from labels."""
    if isinstance(answers.target, MultiClass):
        rows = np.arange(len(answers.truth))
        wrong: Array = 1 - stacked[:, rows, answers.truth[:, 0].astype(np.int64)]
    else:
        wrong = np.abs(stacked - answers.truth).mean(-1)
    return wrong
