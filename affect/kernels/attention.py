"""Attention of queries to keys: the weights of a few heads at a time, PyTorch's kernel, or the formula."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from affect.kernels.switch import is_fast
from affect.kernels.tracing import Kernel, differentiable, on_cpu_kernel
from affect.sequences import observed_first, pick

HELD = 2**19
"""Weights that a thread computes at a time: two megabytes, which stay in its cache."""
KEPT = 2**23
"""Weights that the backward pass may find: thirty-two megabytes. It computes more of them once more."""
FAR = 2.0**64
"""A sum of powers that is far from what a number can hold, as its inverse is."""
NEVER = -1e30
"""A score whose weight is zero."""


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    seen: Tensor,
    asked: Iterable[Tensor] = (),
    offered: Iterable[Tensor] = (),
    allowed: Tensor | None = None,
) -> Tensor:
    """The mean of the values of the keys that are seen, weighted by the softmax of products with a query.

    On a processor the weights are computed for a few heads at a time, so that they do not leave its cache,
    and where they are many once more in the backward pass; features lie in rows there, which its products
    want. Heads with more weights, and other devices, are left to PyTorch's kernel.

    Args:
        query: of every head.
        key: of every head.
        value: of every head.
        seen: which keys are.
        asked: more features of the queries, of size one each.
        offered: of the keys, as many.
        allowed: which of the keys that are seen each query sees, or each of each head; none allows all. It is
            left to PyTorch's kernel.
    Shapes:
        query: (batch, heads, time, dim), key: (batch, heads, time of keys, dim),
        value: (batch, heads, time of keys, any dim), seen: (batch, time of keys), asked and offered:
        broadcast to (batch, heads, time, 1), allowed: (batch, time, time of keys), or
        (batch, heads, time, time of keys) -> (batch, heads, time, dim of the values)
    Missing:
        a key that is not seen has no weight; where none is, whatever comes out is finite.
    Example:
        >>> query, key = torch.zeros(1, 1, 1, 2), torch.zeros(1, 1, 3, 2)
        >>> value, seen = torch.tensor([[[[1.0], [3.0], [9.0]]]]), torch.tensor([[True, True, False]])
        >>> attend(query, key, value, seen)
        tensor([[[[2.]]]])
    """
    if not is_fast():
        return plain_attend(query, key, value, seen, asked, offered, allowed)
    if allowed is not None:
        return _by_pytorch(query, key, value, _seen(seen, allowed), list(asked), list(offered))
    seen = _seen(seen)
    few = query.shape[2] * key.shape[2] <= HELD
    way = _few_at_a_time if few and on_cpu_kernel(query, key, value) else _by_pytorch
    return way(query, key, value, seen, list(asked), list(offered))


def _seen(seen: Tensor, allowed: Tensor | None = None) -> Tensor:
    """Which keys are seen, by each query where some are `allowed`; all where none is, which would be NaN."""
    if allowed is not None:
        seen = allowed & (seen[:, None] if allowed.dim() == 3 else seen[:, None, None])
    return seen | ~seen.any(-1, keepdim=True)


def plain_attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    seen: Tensor,
    asked: Iterable[Tensor] = (),
    offered: Iterable[Tensor] = (),
    allowed: Tensor | None = None,
) -> Tensor:
    """`attend` by its formula; all weights are held.

    Example:
        >>> query, key = torch.zeros(1, 1, 1, 2), torch.zeros(1, 1, 3, 2)
        >>> value, seen = torch.tensor([[[[1.0], [3.0], [9.0]]]]), torch.tensor([[True, True, False]])
        >>> plain_attend(query, key, value, seen)
        tensor([[[[2.]]]])
    """
    seen = _of_heads(_seen(seen, allowed))
    dtype = torch.promote_types(query.dtype, torch.float32)
    with torch.autocast(query.device.type, enabled=False):
        scores = query.to(dtype) @ key.to(dtype).mT
        for one, other in zip(asked, offered, strict=True):
            scores = scores + one.to(dtype) * other.to(dtype).mT
        weights = scores.masked_fill(~seen, -torch.inf).softmax(-1)
        return (weights @ value.to(dtype)).to(query.dtype)


def attended(
    context: Tensor, seen: Tensor, places: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """What attention need read of a context some of whose steps are not seen: on a processor no other steps.

    Elsewhere all are left: how many are seen, another device would have to be waited for.

    Args:
        context: the steps.
        seen: which of them are.
        places: where they stand.
    Shapes:
        context: (batch, time, feature), seen and places: (batch, time) -> the same, with fewer steps
    Example:
        >>> context, seen = torch.tensor([[[1.0], [2.0], [3.0]]]), torch.tensor([[True, False, True]])
        >>> attended(context, seen)
        (tensor([[[1.],
                  [3.]]]), tensor([[True, True]]), None)
    """
    if not on_cpu_kernel(context):
        return context, seen, places
    left = observed_first(seen)[:, : max(seen.sum(1).tolist(), default=0)]
    return pick(context, left), seen.gather(1, left), None if places is None else places.gather(1, left)


def _of_heads(seen: Tensor) -> Tensor:
    """What all, each query, or each of each head sees -> what fits (batch, heads, queries, keys)."""
    if seen.dim() == 2:
        return seen[:, None, None]
    return seen[:, None] if seen.dim() == 3 else seen


def _by_pytorch(
    query: Tensor, key: Tensor, value: Tensor, seen: Tensor, asked: list[Tensor], offered: list[Tensor]
) -> Tensor:
    """By PyTorch's kernel, on features in number that it is quick with."""
    asked, offered = _in_parts(asked, offered, query.dtype)
    query, key = _beside(query, asked, -1), _beside(key, offered, -1)
    size = max(query.shape[-1], value.shape[-1])
    query, key, wide = (F.pad(x, (0, size + -size % 16 - x.shape[-1])) for x in (query, key, value))
    mixed = F.scaled_dot_product_attention(query, key, wide, attn_mask=_of_heads(seen), scale=1.0)
    return mixed[..., : value.shape[-1]]


def _few_at_a_time(
    query: Tensor, key: Tensor, value: Tensor, seen: Tensor, asked: list[Tensor], offered: list[Tensor]
) -> Tensor:
    """By the CPU kernel: the weights of a few heads at a time."""
    dtype = torch.promote_types(query.dtype, torch.float32)
    with torch.autocast("cpu", enabled=False):
        parts = [part.to(dtype).mT for part in (query, key, value)]
        hidden = torch.zeros_like(seen, dtype=dtype).masked_fill_(~seen, NEVER)
        one = hidden.new_ones(1, 1, 1, 1)
        parts[0] = _beside(parts[0], [*(part.mT for part in asked), one], -2)
        parts[1] = _beside(parts[1], [*(part.mT for part in offered), hidden[:, None, None]], -2)
        parts[2] = _beside(parts[2], [one], -2)
        rows = [part.flatten(0, 1) for part in parts]
        keep = torch.is_grad_enabled() and len(rows[0]) * query.shape[2] * key.shape[2] <= KEPT
        shifted = bool(asked) and key.shape[2] > 0  # such scores are large, as those of places are
        found: Tensor = _Mixed.apply(*rows, keep, shifted)[0]  # type: ignore[no-untyped-call]  # torch's own
    return found.view(*query.shape[:2], *found.shape[1:]).mT.to(query.dtype)


def _in_parts(
    asked: list[Tensor], offered: list[Tensor], dtype: torch.dtype
) -> tuple[list[Tensor], list[Tensor]]:
    """The features; where `dtype` is of half precision, each as three whose products sum up to its own.

    Such products may be large and cancel out: of what is rounded once, nothing would be left.
    """
    if torch.promote_types(dtype, torch.float32) == dtype:
        return asked, offered
    queries, keys = ([(x.to(dtype), x - x.to(dtype)) for x in features] for features in (asked, offered))
    return (
        [part for whole, rest in queries for part in (whole, whole, rest)],
        [part for whole, rest in keys for part in (whole, rest, whole)],
    )


class _Mixed(Kernel):
    """(query, key, value) -> weighted values, and what the backward pass wants; (row, feature, time) each.

    Weights are powers of two. The last value, which is one, gathers their sum, by which the others are
    divided when they have gathered theirs: features are fewer than keys. The greatest score is taken from all
    scores only where it must be: if `shifted` says so, or if a sum comes near to what a number can hold.
    """

    @staticmethod
    def forward(query: Tensor, key: Tensor, value: Tensor, keep: bool, shifted: bool) -> tuple[Tensor, ...]:
        summed = value.new_empty(*value.shape[:2], query.shape[2])
        kept = query.new_empty(len(query) if keep else 0, query.shape[2], key.shape[2])
        for shift in (query.new_empty(0), query.new_empty(len(query), query.shape[2], 1))[shifted:]:
            for rows, powers, _ in _pieces(query, key, kept):
                _score(query[rows], key[rows], powers)
                if len(shift):
                    powers.sub_(torch.amax(powers, -1, keepdim=True, out=shift[rows]))
                torch.bmm(value[rows], powers.exp2_().mT, out=summed[rows])
            share = summed[:, -1:].reciprocal() if key.shape[2] else torch.ones_like(summed[:, -1:])
            if len(shift) or not share.numel() or all(1 / FAR < x.item() < FAR for x in share.aminmax()):
                break
        return summed[:, :-1] * share, share, shift, kept

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.save_for_backward(*inputs[:3], *output)
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:
        if grad is None:
            return None, None, None, None, None
        query, key, value, mixed, share, shift, kept = ctx.saved_tensors
        if torch.is_grad_enabled():
            again = value @ (query.mT @ key).softmax(-1).mT
            again = again[:, :-1] / again[:, -1:]
            return *differentiable([again], (query, key, value), [grad]), None, None
        of_query, of_key, of_value = map(torch.empty_like, (query, key, value))
        grad = grad * share
        # behind it that of the sum, which divides
        grad = torch.cat([grad, -(grad * mixed).sum(1, keepdim=True)], 1)
        for rows, powers, change in _pieces(query, key, kept):
            if not len(kept):
                _score(query[rows], key[rows], powers)
                if len(shift):
                    powers.sub_(shift[rows])
                powers.exp2_()
            torch.bmm(grad[rows], powers, out=of_value[rows])
            torch.bmm(grad[rows].mT, value[rows], out=change).mul_(powers)
            torch.bmm(key[rows], change.mT, out=of_query[rows])
            torch.bmm(query[rows], change, out=of_key[rows])
        return of_query, of_key, of_value, None, None


def _score(query: Tensor, key: Tensor, scores: Tensor) -> None:
    """Write `scores` whose powers of two are the weights."""
    torch.baddbmm(scores, query.mT, key, beta=0, alpha=math.log2(math.e), out=scores)


def _pieces(query: Tensor, key: Tensor, kept: Tensor) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Some rows, and twice memory of (row, time, time of keys) for them; the first in `kept`, if any is."""
    shape = query.shape[2], key.shape[2]
    at_once = max(1, min(len(query), torch.get_num_threads() * HELD // max(1, shape[0] * shape[1])))
    scratch = query.new_empty(1 if len(kept) else 2, at_once, *shape)
    for start in range(0, len(query), at_once):
        rows = slice(start, min(start + at_once, len(query)))
        many = rows.stop - start
        yield rows, kept[rows] if len(kept) else scratch[1, :many], scratch[0, :many]


def _beside(values: Tensor, features: Iterable[Tensor], dim: int) -> Tensor:
    """More features behind those of `values` along `dim`, each broadcast to all heads and steps."""
    shape = list(values.shape)
    shape[dim] = 1
    return torch.cat([values, *(f.to(values.dtype).expand(shape) for f in features)], dim)
