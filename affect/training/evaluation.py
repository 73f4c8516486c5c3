"""What a trained model predicts, and how good that is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from affect import metrics, renamed
from affect.bounds import COUNT
from affect.data.checks import check_corpus, check_split
from affect.data.corpus import Corpus, Split
from affect.data.loading import batches
from affect.data.speakers import SPEAKER, parties_of
from affect.data.targets import Target
from affect.errors import ConfigError, DataError, did_you_mean
from affect.metrics import Array
from affect.model import FusionModel, check_model
from affect.training.demand import affordable
from affect.workers.crashes import traced_as

EVALUATED = 32
"""Samples of a batch in validation, of like length: larger ones are padded more."""

COLUMNS = (
    "corpus", "target", "model", "seed", "fold", "split", "condition", "level", "metric", "value", "count",
)  # fmt: skip
"""Columns of the tidy table; `count` is how many labels a metric was computed on."""


def evaluate(
    model: FusionModel,
    corpus: Corpus,
    split: str,
    *,
    name: str = "",
    seed: int = 0,
    fold: int = 0,
    batch_size: int = EVALUATED,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure a model on one split: its tidy rows, and one row per label.

    Args:
        model: in eval mode afterwards.
        corpus: has the model's target and modalities.
        split: the name of the split.
        name: the model's name in the results; its fusion's class by default.
        seed: as it stands in the results.
        fold: the same.
        batch_size: samples per batch; does not change the figures beyond rounding.
    Raises:
        ConfigError: what is given is no model, no corpus, or no split of it; the corpus lacks the target.
        DataError: the split has no label of it.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> results, predictions = evaluate(affect.FusionModel.for_corpus(corpus), corpus, "test")
        >>> len(predictions), results.loc[0, "count"].item()
        (400, 400)
    """
    check_model("evaluate", model)
    check_corpus("evaluate", corpus)
    target, rows = model.head.target, corpus[split]
    if target.name not in rows.targets:
        raise ConfigError(
            f"{corpus.name}: no target '{target.name}', which the model predicts; "
            f"{did_you_mean(target.name, corpus.targets)}"
        )
    truth = rows.labels(target.name)
    if not len(truth):
        raise DataError(
            f"{corpus.name}: the split '{split}' has no label of '{target.name}' to measure on; "
            "affect.training.predict needs none"
        )
    measuring = traced_as(f"reading {corpus.source.get('corpus', corpus.name)}", _predict)
    return tidy(
        measuring(model, rows, batch_size, target.name), truth, target, corpus=corpus.name,
        model=name or type(model.fusion).__name__, split=split, seed=seed, fold=fold,
        group_of=dict(zip(rows.ids, rows.groups or (), strict=False)), speaker_of=parties_of(rows),
    )  # fmt: skip


def tidy(
    predictions: pd.DataFrame,
    truth: Array,
    target: Target,
    *,
    corpus: str,
    model: str,
    split: str,
    seed: int,
    fold: int = 0,
    group_of: Mapping[str, str] | None = None,
    speaker_of: Mapping[str, NDArray[np.int64]] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tidy rows of predictions for one split, and the predictions with the truth beside them.

    Args:
        predictions: one row per label, as `predict` makes them.
        truth: (labels, target.size).
        target: what was predicted.
        corpus: its name in the results.
        model: its name in the results.
        split: the name of the split.
        seed: as it stands in the results.
        fold: the same.
        group_of: the group of each sample, by id, where there are groups: the predictions say it too.
        speaker_of: the party of each step, by id, where it is known who speaks: of a target with a label per
            step the predictions say it, as `speaker`, too.
    Example:
        >>> import pandas as pd
        >>> from affect.data.targets import Regression
        >>> predictions = pd.DataFrame({"id": ["a", "b"], "step": 0, "prediction": [0.0, 2.0]})
        >>> target, where = Regression("y"), {"corpus": "c", "model": "m", "split": "test", "seed": 0}
        >>> rows, _ = tidy(predictions, np.array([[1.0], [2.0]]), target, **where)
        >>> rows.set_index("metric").loc["mae", "value"].item()
        0.5
    """
    scores = metrics.score(target, predictions.filter(regex=r"^prediction").to_numpy(), truth)
    row = {"corpus": corpus, "target": target.name, "model": model, "seed": seed, "fold": fold}
    where = {"split": split, "condition": "clean", "level": 0.0}
    results = [
        {**row, **where, "metric": metric, "value": score.value, "count": score.count}
        for metric, score in scores.items()
    ]
    beside: dict[str, Any] = dict(zip(columns("truth", target, target.size), truth.T, strict=True))
    if group_of:
        beside["group"] = predictions["id"].map(group_of)
    if speaker_of and target.per_step:
        beside[SPEAKER] = [
            int(speaker_of[i][step]) if step < len(speaker_of[i]) else 0
            for i, step in zip(predictions["id"], predictions["step"], strict=True)
        ]
    predictions = predictions.assign(**beside, split=split, seed=seed, fold=fold)
    return pd.DataFrame(results, columns=list(COLUMNS)), predictions


@renamed.arguments(aligned="")
def predict(model: FusionModel, split: Split, batch_size: int = EVALUATED) -> pd.DataFrame:
    """A model's prediction for every sample, and for every observed step where it predicts per step.

    Columns: `id`, `step`, and `prediction` or, with classes, `prediction.CLASS`: a value on the target's
    scale, or a probability. The split needs no labels.

    Args:
        model: in eval mode afterwards.
        split: the samples.
        batch_size: samples per batch; does not change the figures beyond rounding.
    Raises:
        ConfigError: what is given is no model, or no split.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> predict(affect.FusionModel.for_corpus(corpus), corpus["test"]).columns.tolist()
        ['id', 'step', 'prediction']
    """
    check_model("predict", model)
    check_split("predict", split)
    return _predict(model, split, batch_size, None)


def _predict(model: FusionModel, split: Split, batch_size: int, labels: str | None) -> pd.DataFrame:
    """Predictions for every step that has one of `labels`; without them, for every step that was observed."""
    target = model.head.target
    model.eval()
    device = next(model.parameters()).device
    rows: list[pd.DataFrame] = []
    COUNT.check("batches: batch_size", batch_size)
    batch_size = affordable("predict", model, split, batch_size, device)
    loader = batches(split, labels, batch_size, by_length=True)
    with torch.inference_mode():
        for own, batch in zip(loader.batch_sampler or (), loader, strict=True):
            output = model(batch.to(device).inputs)
            decided = model.head.decide(output.prediction).double().cpu()
            chosen = torch.ones(decided.shape[:2], dtype=torch.bool)
            if target.per_step:
                chosen = output.fused.mask.cpu()
            if labels is not None:
                chosen = batch.target.mask
            row, step = chosen.nonzero(as_tuple=True)
            frame = pd.DataFrame(
                decided[chosen].numpy(), columns=columns("prediction", target, target.outputs)
            )
            frame.insert(0, "id", [batch.ids[i] for i in row.tolist()])
            frame.insert(1, "step", step.numpy())
            frame.index = pd.Index([own[i] for i in row.tolist()])
            rows.append(frame)
    return pd.concat(rows).sort_index(kind="stable").reset_index(drop=True)


def columns(kind: str, target: Target, size: int) -> list[str]:
    """The columns of predictions or of truth: one per class where there is a number for each.

    Args:
        kind: `prediction` or `truth`.
        target: what is predicted.
        size: how many numbers there are of each label.
    Example:
        >>> columns("prediction", affect.data.targets.MultiClass("mood", classes=("low", "high", "none")), 3)
        ['prediction.low', 'prediction.high', 'prediction.none']
    """
    classes = getattr(target, "classes", ())
    return [f"{kind}.{name}" for name in classes] if size == len(classes) > 0 else [kind]
