"""Which steps of a sample mattered to what a model predicts of it."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from affect.data.checks import check_split
from affect.data.corpus import Split
from affect.data.loading import batches
from affect.errors import ConfigError, ShapeError
from affect.metrics import Array
from affect.model import FusionModel, check_model
from affect.sequences import Sequence


def step_importances(
    model: FusionModel, split: Split, *, outputs: ArrayLike | None = None, batch_size: int = 32
) -> dict[str, list[Array]]:
    """The gradient times the input of each step of each modality, summed over features.

    importance_t = sum_d x_td dy / dx_td, with x as the encoders read it, scaled: zero is the training mean.
    y is the raw prediction: a number on the target's scale, or a logit. What a linear model predicts is its
    bias and the sum of all importances.

    Args:
        model: in eval mode afterwards; of a target with one label per sample.
        split: the samples; needs no labels.
        outputs: which output of each sample is explained, by its place among the classes; by default the
            largest.
        batch_size: samples per batch; does not change the figures beyond rounding.
    Shapes:
        outputs: (samples,) -> for each modality that the model reads, an array (steps,) for each sample
    Missing:
        a step that was not observed has NaN, and a sample that lacks the modality no number; there is no
        padding. Word indices have no gradient: all their steps have NaN.
    Raises:
        ConfigError: what is given is no model, or no split; the target is per step.
        ShapeError: `outputs` is not a place among the classes for each sample.
    Reference:
        Shrikumar et al., Learning Important Features Through Propagating Activation Differences, ICML 2017,
        section 2 (gradient x input).
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus, seed=0)
        >>> found = step_importances(model, corpus["test"])
        >>> len(found["text"]), found["text"][0].shape == (corpus["test"].modalities["text"].lengths[0],)
        (400, True)
    """
    check_model("step_importances", model)
    check_split("step_importances", split)
    target = model.head.target
    if target.per_step:
        raise ConfigError(
            f"step_importances: '{target.name}' has a label per step; only targets with one label per sample "
            "are explained"
        )
    places = None if outputs is None else _checked(outputs, len(split), target.outputs)
    model.eval()
    device = next(model.parameters()).device
    found: dict[str, list[Array]] = {name: [] for name in model.modalities}
    loader = batches(split, None, batch_size)
    for rows, batch in zip(loader.batch_sampler or (), loader, strict=True):
        own = None if places is None else places[rows].to(device)
        for name, values in _of_batch(model, batch.to(device).inputs, own).items():
            lengths = split.modalities[name].lengths[rows]
            found[name] += [row[:length] for row, length in zip(values, lengths, strict=True)]
    return found


def _checked(outputs: ArrayLike, samples: int, count: int) -> Tensor:
    places = np.asarray(outputs)
    whole = places.dtype.kind in "iu" and places.shape == (samples,)
    if not whole or (samples and not 0 <= places.min() <= places.max() < count):
        raise ShapeError(
            f"step_importances: outputs: expected {samples} whole numbers from 0 to {count - 1}, got "
            f"{places.dtype} of shape {places.shape}"
        )
    return torch.from_numpy(places.astype(np.int64))


def _of_batch(model: FusionModel, inputs: dict[str, Sequence], places: Tensor | None) -> dict[str, Array]:
    """(batch, time) of each modality, NaN where nothing was observed."""
    read: dict[str, Sequence] = {}
    hooks = [
        model.encoders[name].register_forward_pre_hook(partial(_remember, read, name))
        for name in model.modalities
    ]
    try:
        with (
            torch.enable_grad(),
            torch.backends.cudnn.flags(enabled=False),
        ):  # its recurrence has no eval mode
            raw = model(inputs).prediction[:, 0]
            chosen = raw.argmax(-1) if places is None else places
            total = raw.gather(1, chosen.unsqueeze(1)).sum()  # no sample reads another
            gradients = torch.autograd.grad(total, [x.values for x in read.values()], allow_unused=True)
    finally:
        for hook in hooks:
            hook.remove()
    found = {}
    for (name, x), gradient in zip(read.items(), gradients, strict=True):
        product = torch.zeros_like(x.values) if gradient is None else gradient * x.values
        seen = x.mask & (not model.encoders[name].reads_indices)
        found[name] = product.detach().sum(-1).masked_fill(~seen, np.nan).double().cpu().numpy()
    return found


def _remember(read: dict[str, Sequence], name: str, _: nn.Module, given: tuple[Any, ...]) -> tuple[Sequence]:
    """What an encoder reads, as a leaf that gradients reach."""
    (x,) = given
    read[name] = Sequence(x.values.detach().requires_grad_(), x.mask, zeroed=True)
    return (read[name],)
