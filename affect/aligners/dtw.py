"""Dynamic time warping, and its differentiable relative, over batches of sequences.

Both compare steps feature by feature, so the two sequences need one common space: the same features, or
encoders with the same `out_dim`. All cells of one anti-diagonal of the cost matrix are computed at once, for
the whole batch; `experiments/speed/warping.py` compares with other software.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from affect.errors import ConfigError, ShapeError, did_you_mean
from affect.sequences import Sequence, observed_first, pick

Distance: TypeAlias = Literal["euclidean", "cosine"]
Band: TypeAlias = int | float | None
Table = TypeVar("Table", Tensor, NDArray[Any])
_FAR = 1e25  # finite, since infinity minus infinity is not a number; its sums fit into float32


@dataclass(frozen=True, eq=False)
class Warping:
    """How two sequences run beside each other.

    Args:
        cost: sum of distances along each sample's best path; 0 where a sample lacks a sequence.
        matched: whether step i of the one and step j of the other are matched: the cells of the path.
    Shapes:
        cost: (batch,)
        matched: (batch, time of one, time of other)
    """

    cost: Tensor
    matched: Tensor

    def path(self, row: int) -> Tensor:
        """The path of sample `row`: pairs of steps from the first to the last, (pairs, 2)."""
        return self.matched[row].nonzero()  # row by row is path order: a path never turns back

    def carry(self, other: Sequence) -> Sequence:
        """The other's steps on the one's time axis: the mean of the steps that are matched.

        Shapes:
            other: (batch, time of other, any feature size) -> (batch, time of one, the same)
        Example:
            >>> one = Sequence.full(torch.tensor([[[0.0], [9.0]]]))
            >>> other = Sequence.full(torch.tensor([[[0.0], [8.0], [9.0]]]))
            >>> warp(one, other).carry(other).values.flatten().tolist()
            [0.0, 8.5]
        """
        if other.mask.shape != self.matched.shape[::2]:
            raise ShapeError(
                f"Warping.carry: expected (batch, time) {tuple(self.matched.shape[::2])}, "
                f"got {tuple(other.mask.shape)}"
            )
        matched = self.matched.to(other.values.dtype)
        counts = matched.sum(2, keepdim=True)
        return Sequence(matched @ other.values / counts.clamp(min=1), self.matched.any(2))


def warp(one: Sequence, other: Sequence, distance: Distance = "euclidean", band: Band = None) -> Warping:
    """The best path through the distances of all steps of `one` to all steps of `other`.

    A path begins at both first steps, ends at both last steps, and goes on by a step in the one, in the
    other, or in both; of equally good ways the one through both is taken. Only observed steps take part.
    No gradient flows through cost or path; `soft_dtw` is the differentiable score.

    Args:
        one: the reference.
        other: in the same feature space.
        distance: euclidean, or cosine: 1 - cos, and 1/2 from any other step to one of zeros.
        band: how far a path may stray from the straight line between both ends (Sakoe and Chiba), in steps of
            the longer sequence: an int is a number of steps, a float a share of the longer one's length,
            rounded. Where the line itself skips more, as much as it needs. None does not restrict.
    Raises:
        ShapeError: batch or feature size differ.
        ConfigError: there is no such distance or band.
    Reference:
        Sakoe and Chiba, Dynamic Programming Algorithm Optimization for Spoken Word Recognition, 1978.
        Differs: steps in both sequences count once, not twice; the band follows the line between the ends.
    Example:
        >>> x = Sequence.full(torch.tensor([[[0.0], [1.0], [5.0]]]))
        >>> y = Sequence.full(torch.tensor([[[0.0], [0.0], [1.0], [4.0]]]))
        >>> warping = warp(x, y)
        >>> warping.cost.tolist(), warping.path(0).tolist()
        ([1.0], [[0, 0], [0, 1], [1, 2], [2, 3]])
    """
    if distance not in ("euclidean", "cosine"):
        raise ConfigError(
            f"warp: no distance '{distance}'; {did_you_mean(distance, ['euclidean', 'cosine'])}"
        )
    _check(one, other, band, "warp")
    both = one.present & other.present
    with torch.no_grad():
        (a, rows, steps_one), (b, columns, steps_other) = _packed(one), _packed(other)
        if distance == "cosine":
            a, b = F.normalize(a, dim=-1), F.normalize(b, dim=-1)
        costs = _distances(a, b)
        if distance == "cosine":
            costs = costs.square() / 2
        cost, (sample, i, j) = _shortest(_banded(costs, rows, columns, band), rows, columns)
        matched = one.mask.new_zeros(*one.mask.shape, other.time)
        matched[sample, steps_one[sample, i], steps_other[sample, j]] = both[sample]
    return Warping(torch.where(both, cost, 0).to(one.values.dtype), matched)


def soft_dtw(
    one: Sequence, other: Sequence, gamma: float = 1.0, band: Band = None, *, normalise: bool = False
) -> Tensor:
    """Soft dynamic time warping: the soft minimum over all paths, differentiable in both sequences.

    Steps are compared by squared Euclidean distance. Second derivatives are not defined.

    Args:
        one: any sequence.
        other: in the same feature space.
        gamma: how soft; towards 0 the score becomes that of the best path.
        band: as in `warp`.
        normalise: take off the mean of the scores of both with themselves: a divergence that is zero for
            equal sequences, which the score itself is not.
    Shapes:
        one, other: (batch, any time, feature) -> (batch,)
    Missing:
        unobserved steps take no part; a sample that lacks either sequence scores zero, with no gradient.
    Raises:
        ShapeError: batch or feature size differ.
        ConfigError: gamma is not positive, or there is no such band.
    Reference:
        Cuturi and Blondel, Soft-DTW: a Differentiable Loss Function for Time-Series, ICML 2017, alg. 1-2;
        normalised: Blondel, Mensch and Vert, Differentiable Divergences Between Time Series, AISTATS 2021.
    Example:
        >>> x, y = Sequence.full(torch.zeros(1, 3, 2)), Sequence.full(torch.ones(1, 4, 2))
        >>> soft_dtw(x, y, gamma=0.01).item(), soft_dtw(x, x, normalise=True).item()
        (7.9..., 0.0)
    """
    _check(one, other, band, "soft_dtw")
    if not gamma > 0:
        raise ConfigError(f"soft_dtw: gamma must be positive, got {gamma}")
    first, second = _packed(one)[:2], _packed(other)[:2]
    score = _soft(first, second, gamma, band)
    if normalise:
        score = score - (_soft(first, first, gamma, band) + _soft(second, second, gamma, band)) / 2
    return torch.where(one.present & other.present, score, 0).to(one.values.dtype)


class _SoftMinimum(torch.autograd.Function):
    """The soft minimum over all paths; its gradient is how much of all paths goes through each cell."""

    @staticmethod
    def forward(ctx: Any, slanted: Tensor, rows: Tensor, columns: Tensor, gamma: float) -> Tensor:
        sums = _sweep(slanted, gamma)
        ctx.save_for_backward(sums, rows, columns)
        ctx.gamma = gamma
        return sums[rows + columns, torch.arange(len(rows), device=rows.device), rows]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        sums, rows, columns = ctx.saved_tensors
        return _trace(sums, rows, columns, ctx.gamma) * gradient.unsqueeze(1), None, None, None


def _soft(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor], gamma: float, band: Band) -> Tensor:
    (a, rows), (b, columns) = sorted(
        (one, other), key=lambda x: x[0].shape[1]
    )  # symmetric; few rows are fast
    slanted = _slant(_banded(_distances(a, b).square(), rows, columns, band))
    score: Tensor = _SoftMinimum.apply(slanted, rows, columns, gamma)  # type: ignore[no-untyped-call]
    return score


def _check(one: Sequence, other: Sequence, band: Band, who: str) -> None:
    if len(one.mask) != len(other.mask) or one.dim != other.dim:
        raise ShapeError(
            f"{who}: expected the same batch and feature size, got {tuple(one.values.shape)} and "
            f"{tuple(other.values.shape)}; bring both into one space first (encoders with the same out_dim)"
        )
    check_band(band, who)


def check_distance(distance: str, who: str) -> None:
    """Refuse a distance that `warp` does not know; `who` begins the message."""
    if distance not in get_args(Distance):
        raise ConfigError(f"{who}: no distance '{distance}'; {did_you_mean(distance, get_args(Distance))}")


def check_band(band: Band, who: str) -> None:
    """Refuse a band that is neither a number of steps nor a share; `who` begins the message."""
    if band is not None and (band < 0 or (isinstance(band, float) and not band <= 1)):
        raise ConfigError(
            f"{who}: band must be a number of steps (an int, at least 0) or a share of the longer sequence "
            f"(a float from 0 to 1), got {band}"
        )


def _packed(x: Sequence) -> tuple[Tensor, Tensor, Tensor]:
    """Observed steps moved to the front, their number, 1 where there is none, and where they stood."""
    steps = observed_first(x.mask)
    longest = max(int(x.lengths.max()), 1) if len(x.mask) else 1
    values = pick(x.values, steps[:, :longest])
    return values.to(torch.promote_types(values.dtype, torch.float32)), x.lengths.clamp(min=1), steps


def _distances(a: Tensor, b: Tensor) -> Tensor:
    # by matrix products, neighbours would differ by rounding, and by what else is in the batch
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def _banded(costs: Tensor, rows: Tensor, columns: Tensor, band: Band) -> Tensor:
    """Costs (batch, rows, columns), far away outside the band of each sample's own lengths."""
    if band is None:
        return costs
    longer = torch.maximum(rows, columns)
    steps = (band * longer.double()).round().long() if isinstance(band, float) else band
    across, down = (rows - 1)[:, None, None], (columns - 1)[:, None, None]
    i = torch.arange(costs.shape[1], device=costs.device)[:, None]
    j = torch.arange(costs.shape[2], device=costs.device)
    # |i / across - j / down| in steps of the longer one, times 2 * across * down, in whole numbers;
    # half of what the line itself skips per step always stays, else no path would be left
    reach = 2 * (steps * torch.minimum(rows - 1, columns - 1))[:, None, None]
    inside = 2 * (i * down - j * across).abs() <= torch.maximum(reach, (longer - 1)[:, None, None])
    return torch.where(inside, costs, _FAR)


def _slant(costs: Tensor) -> Tensor:
    """Anti-diagonals as rows: (batch, rows, columns) -> (rows + columns - 1, batch, rows)."""
    rows, columns = costs.shape[1:]
    slanted = F.pad(costs, (0, rows), value=_FAR).flatten(1)[:, : rows * (rows + columns - 1)]
    return slanted.view(-1, rows, rows + columns - 1).permute(2, 0, 1).contiguous()


def _shortest(costs: Tensor, rows: Tensor, columns: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """The cost of each sample's best path, (batch,), and all cells of all paths: sample, row, column.

    In numpy, on the processor: these are thousands of calls on little, done before torch has begun.
    """
    turned = costs.shape[1] > costs.shape[2]  # diagonals are as wide as there are rows
    if turned:
        costs, rows, columns = costs.mT, columns, rows
    slanted, i, j = (x.cpu().numpy() for x in (_slant(costs), rows, columns))
    diagonals, batch, width = slanted.shape
    sums = np.full((diagonals + 2, batch, width + 1), _FAR, slanted.dtype)  # a border before the first cells
    sums[0, :, 0] = 0
    least = np.empty_like(slanted[0])
    for k, cell in enumerate(slanted):
        both, up, left = _ways(sums, k)
        np.minimum(up, left, out=least)
        np.minimum(both, least, out=least)
        np.add(cell, least, out=sums[k + 2, :, 1:])
    sample = np.arange(batch)
    ends, cells = sums[i + j, sample, i], []
    while sample.size:  # one cell of every sample at a time, from the last one back
        cells.append((sample, j - 1, i - 1) if turned else (sample, i - 1, j - 1))
        both, up = sums[i + j - 2, sample, i - 1], sums[i + j - 1, sample, i - 1]
        left = sums[i + j - 1, sample, i]
        by_both = (both <= up) & (both <= left)
        by_up = ~by_both & ((up < left) if turned else (up <= left))
        i, j = i - (by_both | by_up), j - ~by_up
        going = (i > 0) & (j > 0)
        sample, i, j = sample[going], i[going], j[going]
    device = costs.device
    a, b, c = (torch.from_numpy(np.concatenate(part)).to(device) for part in zip(*cells, strict=True))
    return torch.from_numpy(ends).to(device), (a, b, c)


def _sweep(slanted: Tensor, gamma: float) -> Tensor:
    """The soft minimum of all ways to every cell, (diagonals + 2, batch, rows + 1), after a border."""
    diagonals, batch, width = slanted.shape
    sums = slanted.new_full((diagonals + 2, batch, width + 1), _FAR)
    sums[0, :, 0] = 0
    for k in range(diagonals):
        softest = torch.logsumexp(torch.stack(_ways(sums, k)) / -gamma, 0)
        torch.add(slanted[k], softest, alpha=-gamma, out=sums[k + 2, :, 1:])
    return sums


def _trace(sums: Tensor, rows: Tensor, columns: Tensor, gamma: float) -> Tensor:
    """How much of all ways to each sample's last cell goes through every cell, (diagonals, batch, rows)."""
    through = torch.zeros_like(sums)
    through[rows + columns, torch.arange(len(rows), device=rows.device), rows] = 1
    for k in reversed(range(len(sums) - 2)):
        shares = (torch.stack(_ways(sums, k)) / -gamma).softmax(0)
        for target, came in zip(_ways(through, k), shares * through[k + 2, :, 1:], strict=True):
            target += came
    return through[2:, :, 1:]


def _ways(table: Table, k: int) -> tuple[Table, Table, Table]:
    """The cells before those of diagonal k: a step back in both sequences, in the one, in the other."""
    return table[k, :, :-1], table[k + 1, :, :-1], table[k + 1, :, 1:]
