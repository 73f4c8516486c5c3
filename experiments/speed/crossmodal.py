"""One training step of the cross-modal transformer, beside the same one with attention done in other ways.

python -m experiments.speed.crossmodal [--repeats 5] [--threads 2]

Text 50, acoustic 375, visual 500 unmasked steps, batch 16, width 50, 10 heads, 4 layers (and 4 of each
modality's own), AdamW. Every way runs in a process of its own; seconds are medians, memory is the peak.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from affect.fusion import CrossModalTransformer
from affect.kernels import attention, keep_freed_memory
from affect.sequences import Sequence
from experiments.speed.memory import peak

STEPS = {"text": (50, 300), "acoustic": (375, 74), "visual": (500, 35)}

Attend = Callable[..., Tensor]


def dropping_weights(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor, scale: float) -> Tensor:
    """PyTorch's own, with single weights dropped as MulT does: off its fast path."""
    return PLAIN(query, key, value, attn_mask=attn_mask, dropout_p=0.1, scale=scale)


def with_matrices(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor, scale: float) -> Tensor:
    """The formula as it is written, with the weights held."""
    scores = (scale * query @ key.mT).masked_fill(~attn_mask, -torch.inf)
    return scores.softmax(-1) @ value


PLAIN: Attend = F.scaled_dot_product_attention
WAYS: dict[str, tuple[Attend | None, float]] = {
    "affect": (None, 0.0),
    "affect, keys dropped": (None, 0.1),
    "PyTorch's kernel": (PLAIN, 0.0),
    "weights dropped": (dropping_weights, 0.0),
    "matrices held": (with_matrices, 0.0),
}


def measure(way: str, repeats: int, threads: int) -> dict[str, float]:
    """Seconds of a step and peak memory in bytes, in this process."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    keep_freed_memory()
    attend, key_dropout = WAYS[way]
    if attend is not None:
        attention.HELD, F.scaled_dot_product_attention = 0, attend  # not by the CPU kernel
    fusion = CrossModalTransformer(
        {m: dim for m, (_, dim) in STEPS.items()}, 50, width=50, heads=10, layers=4, own_layers=4,
        key_dropout=key_dropout,
    )  # fmt: skip
    optimizer = torch.optim.AdamW(fusion.parameters())
    inputs = {m: Sequence.full(torch.randn(16, time, dim)) for m, (time, dim) in STEPS.items()}
    seconds = []
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        optimizer.zero_grad()
        fusion(inputs).values.square().mean().backward()
        optimizer.step()
        seconds.append(time.perf_counter() - begin)
    return {"seconds": statistics.median(seconds[1:]), "peak": peak()}


def main() -> None:
    """Every way in turn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way:
        print(json.dumps(measure(args.way, args.repeats, args.threads)))
        return
    print(f"{'':24}{'seconds':>8}{'ratio':>7}{'MB':>7}")
    first = None
    for way in WAYS:
        options = ["--repeats", str(args.repeats), "--threads", str(args.threads), "--way", way]
        command = [sys.executable, "-m", "experiments.speed.crossmodal", *options]
        said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        first = first or said["seconds"]
        print(f"{way:24}{said['seconds']:8.2f}{said['seconds'] / first:7.2f}{said['peak'] / 1e6:7.0f}")


if __name__ == "__main__":
    main()
