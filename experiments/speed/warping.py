"""Dynamic time warping of affect beside other software: cost and path of the same pairs, in turns.

python experiments/speed/warping.py [--steps 600] [--other 600] [--features 32] [--runs 7] [--threads 2]

Besides `warp` and `soft_dtw` of affect stand the same sweep by torch's calls, a numba loop over cells, and,
where they are installed, dtaidistance (C), dtw-python (C) and tslearn (numba), for soft-DTW as a torch loss
too. affect needs none of them: pip install numba dtaidistance dtw-python tslearn.

Milliseconds, medians of seven in turns, two threads of a shared CPU, 32 features; costs agree to 1e-6:

                          600 x 600 steps      600 x 50 steps
    batch                     1        32          1       32
    affect warp            13.9       238        9.8     18.9
    torch sweep, no path   15.4       182        8.7     73.7
    numba loop              4.5       143        0.4     11.9
    dtaidistance (C)        5.1       154        1.9     49.5
    dtw-python (C)          8.0       247        1.7     43.2
    tslearn (numba)         4.0      97.5        1.4     18.9
    soft, affect           67.8       648       60.0     55.4
    soft, tslearn           123      4441       12.6      252

So numpy over anti-diagonals is kept: it needs no new dependency and takes 1.0 to 2.4 x the time of compiled
loops on batches of long pairs, 0.4 to 1.6 x of it on batches of frames against words. A single pair takes
1.7 to 25 x of it, but no model is trained on single pairs.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from affect.aligners.dtw import soft_dtw, warp
from affect.sequences import Sequence

Answer = tuple[np.ndarray, float]
"""Cost of each pair, and how many cells all paths have."""


def in_affect(x: torch.Tensor, y: torch.Tensor) -> Answer:
    """What the library does."""
    warping = warp(Sequence.full(x), Sequence.full(y))
    return warping.cost.numpy(), float(warping.matched.sum())


def in_torch(x: torch.Tensor, y: torch.Tensor) -> Answer:
    """The sweep over anti-diagonals by torch's own calls, which would run on any device; no path."""
    costs = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")
    batch, rows, columns = costs.shape
    flat = torch.nn.functional.pad(costs, (0, rows), value=1e25).flatten(1)[:, : rows * (rows + columns - 1)]
    slanted = flat.view(batch, rows, -1).permute(2, 0, 1).contiguous()
    sums = torch.full((rows + columns + 1, batch, rows + 1), 1e25)
    sums[0, :, 0] = 0
    for k in range(rows + columns - 1):
        least = torch.minimum(torch.minimum(sums[k + 1, :, 1:], sums[k + 1, :, :-1]), sums[k, :, :-1])
        torch.add(slanted[k], least, out=sums[k + 2, :, 1:])
    return sums[-1, :, rows].numpy(), 0.0


def in_numba(numba: Any) -> Callable[[torch.Tensor, torch.Tensor], Answer]:
    """A compiled loop over cells, one sample after the other."""

    @numba.njit(cache=False)  # type: ignore[untyped-decorator]
    def one(a: np.ndarray, b: np.ndarray) -> tuple[float, int]:
        sums = np.full((len(a) + 1, len(b) + 1), np.inf)
        sums[0, 0] = 0
        for i in range(len(a)):
            for j in range(len(b)):
                square = 0.0
                for f in range(a.shape[1]):
                    square += (a[i, f] - b[j, f]) ** 2
                sums[i + 1, j + 1] = np.sqrt(square) + min(sums[i, j], sums[i, j + 1], sums[i + 1, j])
        i, j, cells = len(a), len(b), 0
        while i > 0 and j > 0:
            cells += 1
            if sums[i - 1, j - 1] <= sums[i - 1, j] and sums[i - 1, j - 1] <= sums[i, j - 1]:
                i, j = i - 1, j - 1
            elif sums[i - 1, j] <= sums[i, j - 1]:
                i -= 1
            else:
                j -= 1
        return sums[-1, -1], cells

    return _each(one)


def in_dtaidistance(module: Any) -> Callable[[torch.Tensor, torch.Tensor], Answer]:
    """Its C code for many features; the cost is that of Euclidean distances, as here."""

    def one(a: np.ndarray, b: np.ndarray) -> tuple[float, int]:
        cost, sums = module.warping_paths_fast(a.astype(float), b.astype(float), inner_dist="euclidean")
        return cost, len(importlib.import_module("dtaidistance.dtw").best_path(sums))

    return _each(one)


def in_dtw_python(module: Any) -> Callable[[torch.Tensor, torch.Tensor], Answer]:
    """Its C code over a matrix of distances by scipy."""

    def one(a: np.ndarray, b: np.ndarray) -> tuple[float, int]:
        found = module.dtw(a, b, step_pattern="symmetric1", dist_method="euclidean")
        return found.distance, len(found.index1)

    return _each(one)


def in_tslearn(module: Any) -> Callable[[torch.Tensor, torch.Tensor], Answer]:
    """Its compiled loop over a given matrix of distances."""

    def one(a: np.ndarray, b: np.ndarray) -> tuple[float, int]:
        path, cost = module.dtw_path_from_metric(a, b, metric="euclidean")
        return cost, len(path)

    return _each(one)


def _each(one: Callable[[np.ndarray, np.ndarray], tuple[float, int]]) -> Callable[..., Answer]:
    def every(x: torch.Tensor, y: torch.Tensor) -> Answer:
        found = [one(a, b) for a, b in zip(x.numpy(), y.numpy(), strict=True)]
        return np.array([cost for cost, _ in found]), float(sum(cells for _, cells in found))

    return every


def soft_score(x: torch.Tensor, y: torch.Tensor) -> Answer:
    """The score alone."""
    return soft_dtw(Sequence.full(x), Sequence.full(y)).numpy(), 0.0


def soft_step(x: torch.Tensor, y: torch.Tensor) -> Answer:
    """The score and its gradient."""
    score = soft_dtw(Sequence.full(x.clone().requires_grad_()), Sequence.full(y))
    score.sum().backward()
    return score.detach().numpy(), 0.0


def soft_in_tslearn(module: Any) -> Callable[[torch.Tensor, torch.Tensor], Answer]:
    """Its score and gradient, computed by numba inside a torch loss."""
    loss = module.SoftDTWLossPyTorch(gamma=1.0)

    def step(x: torch.Tensor, y: torch.Tensor) -> Answer:
        score = loss(x.clone().requires_grad_(), y)
        score.sum().backward()
        return score.detach().numpy(), 0.0

    return step


OTHERS = {
    "numba loop": ("numba", in_numba),
    "dtaidistance (C)": ("dtaidistance.dtw_ndim", in_dtaidistance),
    "dtw-python (C)": ("dtw", in_dtw_python),
    "tslearn (numba)": ("tslearn.metrics", in_tslearn),
    "soft, tslearn": ("tslearn.metrics", soft_in_tslearn),
}


def main() -> None:
    """Print the median of each, taken in turns, and by what share its costs differ from affect's at most."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--other", type=int, default=600)
    parser.add_argument("--features", type=int, default=32)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    ways: dict[str, Callable[..., Answer]] = {
        "affect warp": in_affect,
        "torch sweep, no path": in_torch,
        "soft, affect": soft_step,
        "soft, no gradient": soft_score,
    }
    for name, (module, make) in OTHERS.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ways[name] = make(importlib.import_module(module))
        except ImportError:
            print(f"{name}: not installed")
    for batch in (1, 32):
        generator = torch.Generator().manual_seed(0)
        x, y = (torch.randn(batch, n, args.features, generator=generator) for n in (args.steps, args.other))
        answers = {name: way(x, y) for name, way in ways.items()}  # compiles what is to be compiled
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(args.runs):
            for name, way in ways.items():
                begin = time.perf_counter()
                way(x, y)
                seconds[name].append(time.perf_counter() - begin)
        print(f"{args.steps} x {args.other} steps, {args.features} features, batch {batch}")
        for name in sorted(ways, key=lambda name: name.startswith("soft")):
            first = "soft, affect" if name.startswith("soft") else "affect warp"
            median, cost = statistics.median(seconds[name]), answers[name][0]
            ratio = median / statistics.median(seconds[first])
            apart = np.abs(cost / answers[first][0] - 1).max()
            print(f"  {name:20} {1000 * median:8.1f} ms   x {ratio:5.2f}   {apart:.0e} apart")


if __name__ == "__main__":
    main()
