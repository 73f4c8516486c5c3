"""What a model costs: parameters, operations, time and memory."""

from __future__ import annotations

import math
import re
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from affect import renamed
from affect.data.corpus import Split
from affect.data.loading import batches
from affect.model import FusionModel
from affect.training import predict
from affect.training.stages import frozen

COSTS = {
    "parameters": "parameters",
    "epoch_seconds": "training, s per epoch",
    "sample_milliseconds": "inference, ms per sample",
    "sample_megaflops": "inference, MFLOP per sample",
    "peak_memory_mb": "peak memory, MB",
}
"""What is measured of every run, and how tables call it."""


def parameters(model: FusionModel) -> int:
    """How many numbers a model has that can be learned.

    Args:
        model: or a part of one.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> parameters(affect.FusionModel.for_corpus(corpus).head)
        65
    """
    return sum(parameter.numel() for parameter in model.parameters())


@renamed.arguments(aligned="")
def sample_megaflops(model: FusionModel, split: Split, samples: int = 32) -> float:
    """Millions of floating-point operations for one sample: matrix products, convolutions and attention.

    A mean over the first samples, padded as they are in a batch: what a longer neighbour costs counts too.
    A product and its sum are two operations; what is done element by element is not counted.

    Args:
        model: in eval mode afterwards.
        split: whose samples are read.
        samples: how many of them.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus)
        >>> 0 < sample_megaflops(model, corpus["valid"]) < 1
        True
    """
    from torch.utils.flop_counter import FlopCounterMode

    (batch,) = batches(split.take(np.arange(min(samples, len(split)))), None, samples)
    model.eval()
    counter = FlopCounterMode(display=False, custom_mapping=_recurrent())
    parts = dict(model.named_children())
    with frozen(model, parts), torch.inference_mode(), counter:  # which awaits the gradients of what learns
        model(batch.to(next(model.parameters()).device).inputs)
    return float(counter.get_total_flops()) / len(batch.ids) / 1e6


@renamed.arguments(aligned="")
def sample_milliseconds(model: FusionModel, split: Split, seconds: float = 0.2) -> float:
    """Time to predict one sample, in milliseconds: the median over passes through a split, in batches of 128.

    Args:
        model: in eval mode afterwards.
        split: what is predicted.
        seconds: after which no further pass begins; at most five are made.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> sample_milliseconds(affect.FusionModel.for_corpus(corpus), corpus["valid"]) > 0
        True
    """
    passes: list[float] = []
    while not passes or (sum(passes) < seconds and len(passes) < 5):
        begin = time.perf_counter()
        predict(model, split)
        passes.append(time.perf_counter() - begin)
    return 1000 * statistics.median(passes) / len(split)


def forget_peak_memory() -> None:
    """Count the peak of memory anew from here, where the system can: a process may do several runs.

    Example:
        >>> forget_peak_memory()
    """
    # else it has no peak, and asking would take up the GPU
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # torch's
        torch.cuda.reset_peak_memory_stats()
    with suppress(OSError):  # Linux alone has it
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def peak_memory_mb(accelerator: str = "cpu") -> int:
    """The most memory that this process had, in MB: on the accelerator where it trains on one, else its own.

    Args:
        accelerator: that it trains on, as in `affect.Training`.
    Returns:
        0 where the system does not count it.
    Example:
        >>> peak_memory_mb() > 10
        True
    """
    if accelerator != "cpu" and torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated() >> 20)
    with suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
        if found:
            return int(found[1]) >> 10
    with suppress(ImportError):  # Windows has none
        import resource

        most = int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        return most >> (20 if sys.platform == "darwin" else 10)
    return 0


def _recurrent() -> dict[Any, Callable[..., int]]:
    """Counts of fused recurrent layers, which torch's own counter does not know."""

    def layer(steps: torch.Size, *weights: Any, **_: Any) -> int:
        return sum(2 * steps[0] * steps[1] * math.prod(shape) for shape in weights[:2])  # input's and state's

    def stack(steps: torch.Size, weights: list[torch.Size], *_: Any, **__: Any) -> int:
        return sum(2 * steps[0] * steps[1] * math.prod(shape) for shape in weights if len(shape) == 2)

    return {torch.ops.aten.mkldnn_rnn_layer: layer, torch.ops.aten._cudnn_rnn: stack}
