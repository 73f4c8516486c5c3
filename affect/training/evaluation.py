"""What a trained model predicts, and how good that is."""

from __future__ import annotations

import pandas as pd
import torch

from affect import metrics, renamed
from affect.data.corpus import Corpus, Split
from affect.data.loading import batches
from affect.data.targets import Target
from affect.metrics import Array
from affect.model import FusionModel

EVALUATED = 32
"""Samples of a batch in validation, of like length: larger ones are padded more."""

COLUMNS = ("corpus", "model", "seed", "fold", "split", "condition", "level", "metric", "value", "count")
"""Columns of the tidy table; `count` is how many labels a metric was computed on."""


def evaluate(
    model: FusionModel,
    corpus: Corpus,
    split: str,
    *,
    name: str = "",
    seed: int = 0,
    batch_size: int = EVALUATED,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure a model on one split: its tidy rows, and one row per label.

    Args:
        model: in eval mode afterwards.
        corpus: has the model's target and modalities.
        split: the name of the split.
        name: the model's name in the results; its fusion's class by default.
        seed: as it stands in the results.
        batch_size: samples per batch; does not change the figures beyond rounding.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> results, predictions = evaluate(affect.FusionModel.for_corpus(corpus), corpus, "test")
        >>> len(predictions), results.loc[0, "count"].item()
        (400, 400)
    """
    target = model.head.target
    predictions = _predict(model, corpus[split], batch_size, target.name)
    truth = corpus[split].labels(target.name)
    return tidy(
        predictions, truth, target, corpus=corpus.name, model=name or type(model.fusion).__name__,
        split=split, seed=seed,
    )  # fmt: skip


def tidy(
    predictions: pd.DataFrame, truth: Array, target: Target, *, corpus: str, model: str, split: str, seed: int
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
    Example:
        >>> import pandas as pd
        >>> from affect.data.targets import Regression
        >>> said = pd.DataFrame({"id": ["a", "b"], "step": 0, "prediction": [0.0, 2.0]})
        >>> target, where = Regression("y"), {"corpus": "c", "model": "m", "split": "test", "seed": 0}
        >>> rows, _ = tidy(said, np.array([[1.0], [2.0]]), target, **where)
        >>> rows.set_index("metric").loc["mae", "value"].item()
        0.5
    """
    scores = metrics.score(target, predictions.filter(regex=r"^prediction").to_numpy(), truth)
    row = {"corpus": corpus, "model": model, "seed": seed, "fold": 0}
    where = {"split": split, "condition": "clean", "level": 0.0}
    results = [
        {**row, **where, "metric": metric, "value": score.value, "count": score.count}
        for metric, score in scores.items()
    ]
    beside = dict(zip(columns("truth", target, target.size), truth.T, strict=True))
    predictions = predictions.assign(**beside, split=split, seed=seed, fold=0)
    return pd.DataFrame(results, columns=list(COLUMNS)), predictions


@renamed.arguments(aligned="")
def predict(model: FusionModel, split: Split, batch_size: int = EVALUATED) -> pd.DataFrame:
    """What a model says of every sample, and of every observed step where it predicts per step.

    Columns: `id`, `step`, and `prediction` or, with classes, `prediction.CLASS`: a value on the target's
    scale, or a probability. The split needs no labels.

    Example:
        >>> corpus = affect.load("synthetic")
        >>> predict(affect.FusionModel.for_corpus(corpus), corpus["test"]).columns.tolist()
        ['id', 'step', 'prediction']
    """
    return _predict(model, split, batch_size, None)


def _predict(model: FusionModel, split: Split, batch_size: int, labels: str | None) -> pd.DataFrame:
    """Predictions for every step that has one of `labels`; without them, for every step that was observed."""
    target = model.head.target
    model.eval()
    device = next(model.parameters()).device
    rows: list[pd.DataFrame] = []
    loader = batches(split, labels, batch_size, by_length=True)
    with torch.inference_mode():
        for own, batch in zip(loader.batch_sampler or (), loader, strict=True):
            output = model(batch.to(device).inputs)
            said = model.head.decide(output.prediction).double().cpu()
            wanted = torch.ones(said.shape[:2], dtype=torch.bool)
            if target.per_step:
                wanted = output.fused.mask.cpu()
            if labels is not None:
                wanted = batch.target.mask
            row, step = wanted.nonzero(as_tuple=True)
            frame = pd.DataFrame(said[wanted].numpy(), columns=columns("prediction", target, target.outputs))
            frame.insert(0, "id", [batch.ids[i] for i in row.tolist()])
            frame.insert(1, "step", step.numpy())
            frame.index = pd.Index([own[i] for i in row.tolist()])
            rows.append(frame)
    return pd.concat(rows).sort_index(kind="stable").reset_index(drop=True)


def columns(kind: str, target: Target, size: int) -> list[str]:
    """The columns of predictions or of truth: one per class where there is a number for each."""
    classes = getattr(target, "classes", ())
    return [f"{kind}.{name}" for name in classes] if size == len(classes) > 0 else [kind]
