"""What a batch takes of the memory that is free, and the refusal of one that takes more."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import cast

import torch
from torch import nn

from affect import memory
from affect.aligners import Aligner
from affect.data.corpus import Split
from affect.encoders import Encoder
from affect.fusion import Fusion
from affect.model import FusionModel
from affect.sizes import held, of_inputs

NUMBER = 4
"""Bytes of a number."""
LEARNED = 4
"""Numbers beside each weight that learns: its gradient, two that an optimiser such as Adam keeps, and a copy
that products read."""


def demand(model: FusionModel, batch: int, steps: Mapping[str, int]) -> dict[str, int]:
    """A bound on the bytes that each part of a model takes for a batch, from its shapes alone.

    With gradients (`torch.is_grad_enabled()`) all parts hold what the backward pass needs, and the whole is
    their sum. Without them the parts compute one after the other, and the whole is about the largest.

    Args:
        model: whose weights, and their gradients, are not counted.
        batch: samples.
        steps: of each modality.
    Example:
        >>> model = FusionModel.for_corpus(affect.load("synthetic"))
        >>> sorted(demand(model, 32, dict.fromkeys(model.encoders, 100)))
        ['ConcatenationFusion', 'PooledEncoder', 'RegressionHead']
    """
    found: dict[str, int] = {}

    def add(part: nn.Module, numbers: int) -> None:
        name = type(part).__name__
        found[name] = found.get(name, 0) + NUMBER * numbers

    times = {}
    for name, module in model.encoders.items():
        encoder = cast(Encoder, module)
        scaled = 3 * batch * steps[name] * encoder.in_dim
        add(encoder, scaled + encoder.activations(batch, steps[name]))
        times[name] = encoder.time_of(steps[name])
    if model.imputer is not None:
        longest = batch * max(times.values())
        add(model.imputer, held(model.imputer, longest) + of_inputs(model.fusion.dims, batch, times))
    if model.aligner is not None:
        add(model.aligner, model.aligner.activations(batch, times))
        times = dict.fromkeys(times, model.aligner.time_of(times))
    add(model.fusion, model.fusion.activations(batch, times))
    add(model.head, held(model.head, batch * (max(times.values()) if model.head.target.per_step else 1)))
    return found


def check_demand(
    who: str, model: FusionModel, split: Split, batch_size: int, device: torch.device | None, copies: int = 1
) -> None:
    """Refuse batches that take more memory than is free, before the first one is made.

    Each modality is taken to have as many steps as in the longest sample of the split. Where a part of
    somebody's own does not say what it takes (`activations`), the refusal is a warning.

    Args:
        who: begins the message.
        model: that computes.
        split: whose samples are read.
        batch_size: samples of a batch.
        device: where; nothing is refused where it is None, or does not say what is free.
        copies: of the model, each with a batch of its own, that share this device's memory.
    Raises:
        ConfigError: they do; `MemoryTakenError` where other processes have taken what they lack.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = FusionModel.for_corpus(corpus)
        >>> check_demand("fit", model, corpus["train"], 32, torch.device("cpu"))
    """
    batch, steps = min(batch_size, len(split)), _longest(model, split)
    whole = sum if torch.is_grad_enabled() else max
    learn = sum(p.numel() for p in model.parameters() if p.requires_grad and torch.is_grad_enabled())
    weights = copies * LEARNED * NUMBER * learn
    parts = demand(model, batch, steps)
    taken = weights + copies * whole(parts.values())
    if not batch or taken <= memory.SMALL or (room := free_on(device)) is None or taken <= room:
        return
    free = f"and {memory.in_gigabytes(room)} are free"
    if weights > room:
        message = (
            f"{who}: the gradients of {learn:,} weights and what an optimiser keeps of them take "
            f"{memory.in_gigabytes(weights)}, {free}; make the model smaller{memory.remedy()}"
        )
    else:
        fits = int((room - weights) / (copies * whole(demand(model, 1, steps).values())))
        smaller = f"a smaller batch_size ({fits:,} would do), " if fits else ""
        largest = max(parts, key=parts.__getitem__)
        samples = "1 sample" if batch == 1 else f"{batch:,} samples"
        message = (
            f"{who}: {largest} takes {memory.in_gigabytes(copies * parts[largest])} of "
            f"{memory.in_gigabytes(taken)} for {samples} of {max(steps.values()):,} steps, {free}; "
            f"give {smaller}shorter sequences, or another part in its place{memory.remedy()}"
        )
    if strangers := _silent(model):
        warnings.warn(
            f"{message}; that may be wrong: {', '.join(strangers)} does not say what it takes (activations)",
            stacklevel=3,
        )
    else:
        raise memory.refusal(message, taken, free_on(device, alone=True))


def affordable(
    who: str, model: FusionModel, split: Split, batch_size: int, device: torch.device | None, copies: int = 1
) -> int:
    """The samples of a batch that are computed without gradients: fewer where memory is short of so many.

    Figures differ by rounding alone.

    Args:
        who: begins the message.
        model: that computes.
        split: whose samples are read.
        batch_size: samples of a batch, at most.
        device: where; nothing is refused where it is None, or does not say what is free.
        copies: as in `check_demand`.
    Raises:
        ConfigError: not even one fits.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> affordable("predict", FusionModel.for_corpus(corpus), corpus["test"], 32, torch.device("cpu"))
        32
    """
    with torch.no_grad():
        steps = _longest(model, split)
        taken = copies * max(demand(model, min(batch_size, len(split)), steps).values())
        if taken <= memory.SMALL or (room := free_on(device)) is None or taken <= room:
            return batch_size
        check_demand(who, model, split, 1, device, copies)
        return max(1, int(room / (copies * max(demand(model, 1, steps).values()))))


def _longest(model: FusionModel, split: Split) -> dict[str, int]:
    """Steps of each modality in its longest sample; one that is there in training only has the others'."""
    steps = {name: int(x.lengths.max(initial=1)) for name, x in split.modalities.items()}
    longest = max(steps.values(), default=1)
    return {name: longest if split.aligned else steps.get(name, longest) for name in model.encoders}


def free_on(device: torch.device | None, alone: bool = False) -> int | None:
    """Bytes that are free on a device; None where nobody says.

    Args:
        device: a processor or a GPU.
        alone: as if no other process had taken any.
    Example:
        >>> free_on(torch.device("cpu")) == 0
        False
    """
    if device is None or device.type not in ("cpu", "cuda"):
        return None
    if device.type == "cpu":
        return memory.free(alone)
    free, whole = torch.cuda.mem_get_info(device)
    taken = torch.cuda.memory_allocated(device)
    return (
        whole - taken if alone else free + torch.cuda.memory_reserved(device) - taken
    )  # it keeps some for later


def askable(device: torch.device, trains_here: bool) -> torch.device | None:
    """The device, if this process may ask it what is free; None where that would start CUDA in vain.

    A process in which CUDA has started can fork none that uses it.

    Args:
        device: that will train.
        trains_here: whether this process does, and none that it starts.
    Example:
        >>> askable(torch.device("cpu"), trains_here=False)
        device(type='cpu')
    """
    has_started = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]  # torch has no types of it
    return device if device.type != "cuda" or trains_here or has_started else None


def _silent(model: FusionModel) -> list[str]:
    """Classes of somebody's own that do not say what they take, whatever those say that they derive from."""
    found = set()
    for part in model.modules():
        if isinstance(part, Encoder | Fusion | Aligner):
            own = [kind for kind in type(part).__mro__ if not f"{kind.__module__}.".startswith("affect.")]
            own = [kind for kind in own if issubclass(kind, nn.Module) and kind is not nn.Module]
            if own and not any("activations" in vars(kind) for kind in own):
                found.add(type(part).__name__)
    return sorted(found)
