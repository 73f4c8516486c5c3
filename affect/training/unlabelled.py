"""What is measured on the validation split where no label is learned from."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from affect import metrics
from affect.data.targets import Binary, MultiClass, Regression, Target
from affect.metrics import Array
from affect.model import FusionModel
from affect.sequences import Batch
from affect.training import devices


def vectors(model: FusionModel, batches: Iterable[Batch]) -> tuple[Array, Array]:
    """The fused vector and the label of every labelled sample.

    Args:
        model: is asked in eval mode, and left in the mode that it was in.
        batches: of samples, on any device.
    Shapes:
        -> (samples, out_dim), (samples, size)
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus)
        >>> found = vectors(model, affect.batches(corpus["valid"], "sentiment"))
        >>> [own.shape for own in found]
        [(200, 64), (200, 1)]
    """
    training, device = model.training, next(model.parameters()).device
    model.eval()
    found: list[tuple[Tensor, Tensor]] = []
    with torch.no_grad():
        for batch in batches:
            own = batch.to(device)
            there = own.target.present
            fused = model(own.inputs).fused.mean()[there]
            found.append((fused.float().cpu(), own.target.values[there, 0].cpu()))
    model.train(training)
    fused, truth = devices.gathered([torch.cat(parts) for parts in zip(*found, strict=True)])
    return fused.double().numpy(), truth.double().numpy()


def probe(target: Target, learned: tuple[Array, Array], asked: tuple[Array, Array]) -> dict[str, float]:
    """How well a linear model of the fused vector predicts the label: ridge, or logistic regression.

    Args:
        target: what is predicted.
        learned: vectors and labels that it is fitted to.
        asked: those that it is measured on.
    Returns:
        the target's metrics; none of several labels, of labels per step, or where there are too few.
    Example:
        >>> target, rng = Regression("sentiment"), np.random.default_rng(0)
        >>> x = rng.normal(size=(100, 3))
        >>> round(probe(target, (x, x[:, :1]), (x, x[:, :1]))["pearson"], 2)
        1.0
    """
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    (x, y), (other, truth) = learned, asked
    known = isinstance(target, Regression | Binary | MultiClass) and not target.per_step
    if not known or len(np.unique(y)) < 2 or not len(truth):
        return {}
    if isinstance(target, Regression):
        said = make_pipeline(StandardScaler(), Ridge()).fit(x, y[:, 0]).predict(other)[:, None]
    else:
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(x, y[:, 0])
        shares = np.zeros((len(other), getattr(target, "count", 2)))
        shares[:, model.classes_.astype(int)] = model.predict_proba(other)
        said = shares[:, 1:] if isinstance(target, Binary) else shares
    return {name: score.value for name, score in metrics.score(target, said, truth).items()}
