"""Recurrent layers, one upon the other, over the observed steps alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from affect.kernels.recurrence import both_ways, lstm
from affect.kernels.switch import is_fast
from affect.kernels.tracing import is_traced
from affect.sequences import observed_first, pick


def lstm_layers(
    x: Tensor,
    observed: Tensor,
    layers: Iterable[Iterable[Iterable[Tensor]]],
    change: Callable[[Tensor], Tensor],
    training: bool = False,
) -> Tensor:
    """Hidden states of the last layer after every step; those of unobserved steps mean nothing.

    PyTorch's own layers compute them, but it hides from compilers what they do: there, and as the plain
    reference, every layer is `affect.kernels.recurrence.lstm` or `both_ways`.

    Args:
        x: what the first layer reads.
        observed: where.
        layers: weights and biases of each layer, in `torch.nn.LSTM`'s order, of one network that reads from
            the first step to the last, and perhaps of one that reads from the last to the first.
        change: what becomes of the values that a layer reads before it does, such as dropout.
        training: whether a backward pass will follow; some devices keep less where none does.
    Shapes:
        x: (batch, time, in_dim), observed: (batch, time) bool -> (batch, time, width), or 2 width
    Example:
        >>> weights = list(torch.nn.LSTM(3, 4).parameters())
        >>> x, observed = torch.ones(2, 7, 3), torch.ones(2, 7, dtype=torch.bool)
        >>> lstm_layers(x, observed, [[weights, weights]], F.gelu).shape
        torch.Size([2, 7, 8])
    """
    if is_fast() and not is_traced() and x.shape[1]:
        own = [[partial(_states, list(weights), training) for weights in networks] for networks in layers]
        return _over_observed(x, observed, own, change)
    for networks in layers:
        x = change(x)
        forwards, *backwards = networks
        x = both_ways(x, observed, forwards, *backwards) if backwards else lstm(x, observed, *forwards)[0]
    return x


def gru_layers(
    x: Tensor,
    observed: Tensor,
    layers: Iterable[Iterable[nn.Module]],
    change: Callable[[Tensor], Tensor],
) -> Tensor:
    """`lstm_layers` of gated recurrent units: each a `torch.nn.GRU` of one layer, or has its parameters.

    Example:
        >>> gru = torch.nn.GRU(3, 4, batch_first=True)
        >>> gru_layers(torch.ones(2, 7, 3), torch.ones(2, 7, dtype=torch.bool), [[gru]], F.gelu).shape
        torch.Size([2, 7, 4])
    """
    if is_fast() and not is_traced() and x.shape[1]:
        own = [
            [partial(_states_of, list(gru.parameters()), gru.training) for gru in networks]
            for networks in layers
        ]
        return _over_observed(x, observed, own, change)
    for networks in layers:
        x = change(x)
        forwards, *backwards = [list(gru.parameters()) for gru in networks]
        states = [plain_gru(x, observed, *forwards)]
        states += [plain_gru(x.flip(1), observed.flip(1), *own).flip(1) for own in backwards]
        x = torch.cat(states, -1)
    return x


def plain_gru(
    x: Tensor, observed: Tensor, weight_in: Tensor, weight: Tensor, bias_in: Tensor, bias: Tensor
) -> Tensor:
    """States of gated recurrent units after every step; they stay where nothing is observed.

    Shapes:
        x: (batch, time, in_dim), observed: (batch, time) bool -> (batch, time, width)
    Example:
        >>> cell = torch.nn.GRUCell(3, 4)
        >>> states = plain_gru(torch.ones(2, 7, 3), torch.ones(2, 7, dtype=torch.bool), *cell.parameters())
        >>> torch.allclose(states[:, 0], cell(torch.ones(2, 3)), atol=1e-6)
        True
    """
    state = x.new_zeros(len(x), weight.shape[1])
    states = []
    for step, seen in zip(x.unbind(1), observed.unsqueeze(-1).unbind(1), strict=True):
        read, held = F.linear(step, weight_in, bias_in), F.linear(state, weight, bias)
        (reset, keep, new), (own_reset, own_keep, own) = read.chunk(3, -1), held.chunk(3, -1)
        keep = (keep + own_keep).sigmoid()
        new = (new + (reset + own_reset).sigmoid() * own).tanh()
        state = torch.where(seen, keep * state + (1 - keep) * new, state)
        states.append(state)
    return torch.stack(states, 1) if states else F.linear(x, weight_in)[..., : weight.shape[1]]


def _over_observed(
    x: Tensor,
    observed: Tensor,
    layers: Iterable[Iterable[Callable[[Tensor], Tensor]]],
    change: Callable[[Tensor], Tensor],
) -> Tensor:
    """States of layers that know nothing of holes.

    Observed steps are moved to the front, so that none meets a hole; only a processor is asked whether there
    are any, as the answer of another device would have to be waited for.
    """
    holes = x.device.type != "cpu" or bool((observed[:, 1:] & ~observed[:, :-1]).any())
    if holes:
        x = pick(x, observed_first(observed))
    steps = torch.arange(observed.shape[1], device=observed.device)
    # observed steps, turned round
    back = (observed.sum(1, keepdim=True) - 1 - steps).remainder(observed.shape[1])
    for forwards, *backwards in layers:
        x = change(x)
        x = torch.cat([forwards(x), *(pick(own(pick(x, back)), back) for own in backwards)], -1)
    if holes:
        x = pick(x, (observed.cumsum(1) - 1).clamp(min=0))  # place of an observed step among such
    return x


def _states(weights: list[Tensor], training: bool, x: Tensor) -> Tensor:
    """The states of one LSTM, by PyTorch's own; in float32 where the processor has none in half precision."""
    if x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        half = torch.bfloat16 if torch.backends.cpu.get_cpu_capability() == "AVX512" else None
        if torch.get_autocast_dtype("cpu") != half:
            with torch.autocast("cpu", enabled=False):
                return _states([weight.float() for weight in weights], training, x.float())
    zeros = x.new_zeros(1, len(x), weights[1].shape[1])
    return torch.lstm(x, [zeros, zeros], weights, True, 1, 0.0, training, False, True)[0]


def _states_of(weights: list[Tensor], training: bool, x: Tensor) -> Tensor:
    """The states of one layer of gated recurrent units, by PyTorch's own."""
    zeros = x.new_zeros(1, len(x), weights[1].shape[1])
    return torch.gru(x, zeros, weights, True, 1, 0.0, training, False, True)[0]
