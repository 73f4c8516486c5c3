"""Long short-term memory that begins anew in every span of a sequence: the frames of each word."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

from affect.kernels.recurrence import lstm
from affect.kernels.steps import wide
from affect.kernels.switch import is_fast
from affect.kernels.tracing import is_traced


def lstm_of_spans(x: Tensor, span: Tensor, count: int, weights: Iterable[Tensor]) -> Tensor:
    """Hidden state after the last step of each span; zeros after those that have none.

    Args:
        x: what is read.
        span: the number of the span that each step is of, or -1 where it is of none; numbers never fall.
        count: spans of a sample.
        weights: weights and biases, as in `affect.kernels.recurrence.lstm`.
    Shapes:
        x: (batch, time, in_dim), span: (batch, time) int -> (batch, count, width)
    Example:
        >>> cell = torch.nn.LSTMCell(3, 4)
        >>> x, span = torch.ones(2, 5, 3), torch.tensor([[0, 0, -1, 1, 3], [-1, 1, 1, 1, 1]])
        >>> lstm_of_spans(x, span, 4, cell.parameters()).any(-1).tolist()
        [[True, True, False, True], [False, True, False, False]]
    """
    if not is_fast() or is_traced() or not x.shape[1]:
        return plain_lstm_of_spans(x, span, count, weights)
    there = span >= 0
    own = (span + count * torch.arange(len(x), device=x.device).unsqueeze(1))[there]  # of all samples' spans
    many = torch.bincount(own, minlength=len(x) * count)
    spans = many.nonzero().squeeze(1)
    sizes, row = many[spans], (many > 0).cumsum(0)[own] - 1
    place = torch.arange(len(own), device=x.device) - (sizes.cumsum(0) - sizes)[row]
    longest = max(sizes.tolist(), default=1)
    read = x.new_zeros(len(spans), longest, x.shape[-1]).index_put((row, place), x[there])
    observed = torch.arange(longest, device=x.device) < sizes.unsqueeze(1)
    hidden, _ = lstm(read, observed, *weights)
    last = hidden[:, -1]
    found = last.new_zeros(len(x) * count, last.shape[1]).index_copy(0, spans, last)
    return found.view(len(x), count, last.shape[1])


def plain_lstm_of_spans(x: Tensor, span: Tensor, count: int, weights: Iterable[Tensor]) -> Tensor:
    """`lstm_of_spans`, one step after the other.

    Example:
        >>> cell = torch.nn.LSTMCell(3, 4)
        >>> x, span = torch.ones(2, 5, 3), torch.tensor([[0, 0, -1, 1, 3], [-1, 1, 1, 1, 1]])
        >>> states = [f(x, span, 4, cell.parameters()) for f in (lstm_of_spans, plain_lstm_of_spans)]
        >>> torch.allclose(*states, atol=1e-6)
        True
    """
    weight_in, weight, bias_in, bias = weights
    hidden = cell = x.new_zeros(len(x), weight.shape[1], dtype=wide(x.dtype))
    before = span.new_full((len(x), 1), -1)
    states = []
    for step, own in zip(x.unbind(1), span.unsqueeze(2).unbind(1), strict=True):
        seen = own >= 0
        begins = seen & (own != before)
        hidden, cell = (torch.where(begins, 0, state) for state in (hidden, cell))
        gates = F.linear(step, weight_in, bias_in) + F.linear(hidden.to(weight.dtype), weight, bias)
        enter, forget, new, out = gates.to(cell.dtype).chunk(4, -1)
        cell = torch.where(seen, forget.sigmoid() * cell + enter.sigmoid() * new.tanh(), cell)
        hidden = torch.where(seen, out.sigmoid() * cell.tanh(), hidden)
        before = torch.where(seen, own, before)
        states.append(hidden.to(weight.dtype))
    if not states:
        return F.linear(x.sum(1), weight_in)[:, None, : weight.shape[1]].expand(-1, count, -1)
    steps, spans = (torch.arange(many, device=x.device) for many in (x.shape[1], count))
    last = torch.where(span.unsqueeze(1) == spans.unsqueeze(1), steps, -1).amax(2, keepdim=True)
    found = torch.stack(states, 1).gather(1, last.clamp(min=0).expand(-1, -1, weight.shape[1]))
    return torch.where(last >= 0, found, 0)
