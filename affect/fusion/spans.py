"""Steps of one modality moved by what others hold within their spans: words, and the frames of each."""

from __future__ import annotations

from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from torch import Tensor, nn

from affect.encoders import EncoderFactory, LSTMEncoder
from affect.errors import ConfigError
from affect.fusion.base import Extras, Fusion
from affect.kernels.spans import lstm_of_spans
from affect.layers import Dropout
from affect.naming import ModuleDict
from affect.pooling import Pooling
from affect.sequences import Sequence, extent
from affect.sizes import held, of_inputs


class SpanShiftFusion(Fusion):
    """Each step of the main modality is shifted by networks that read the others' steps within its span.

    Of every other modality n an LSTM begins anew in each span and ends in h_n. With x the main modality's
    step, g_n = sigmoid(w_n [h_n; x] + c_n), s = sum_n g_n V_n h_n + b, and x + min(scale |x| / |s|, 1) s is
    what an encoder reads. The extent of a modality, from its first observed step to its last, is cut into
    as many equal spans as that of the main one has steps: where they are aligned, a span is one step.

    Args:
        dims: feature size of each modality.
        out_dim: feature size of what comes out.
        main: the modality whose steps are shifted; the first by name where none is named.
        width: size of the state of each LSTM.
        scale: length of a shift, at most, as a share of the step's own.
        encoder: reads the shifted steps: an Encoder class, or a partial of one.
        pooling: how the encoded steps become a vector; none leaves them as they are.
        dropout: rate at which values of other modalities, and of shifted steps, are dropped.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, time' of the encoder, out_dim), or
        (batch, 1, out_dim) with a pooling
        extras["gates"]: (batch, time of the main modality, other modalities), zeros where there is no shift
    Missing:
        another modality does not shift a step where it has none observed in the span; a step without the main
        modality is unobserved. With a pooling, a sample without any gets zeros, which count as observed.
    Raises:
        ConfigError: a single modality, no such main modality; the encoder or the pooling has another feature
            size than `out_dim`.
    Also known as:
        RAVEN, Recurrent Attended Variation Embedding Network.
    Reference:
        Wang et al., Words Can Shift: Dynamically Adjusting Word Representations Using Nonverbal Behaviors,
        AAAI 2019, section 3.
        Differs: spans are of equal length, as times of words are not read; gradients pass through the shift,
        as in the paper and not in the authors' code, whose gates have no sigmoid either.
    Example:
        >>> fusion = SpanShiftFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7 * d, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 21, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "width": CategoricalDistribution((16, 32, 64)),
        "scale": FloatDistribution(0.1, 2.0, log=True),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        main: str | None = None,
        width: int = 32,
        scale: float = 1.0,
        encoder: EncoderFactory = LSTMEncoder,
        pooling: Pooling | None = None,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(dims, out_dim)
        self.require(2)
        self.main, self.width, self.scale = self.named(main), width, scale
        size, others = self.dims[self.main], [m for m in self.dims if m != self.main]
        self.cells = ModuleDict({m: nn.LSTMCell(self.dims[m], width) for m in others})
        self.gates = ModuleDict({m: nn.Linear(width + size, 1) for m in others})
        self.shifts = ModuleDict({m: nn.Linear(width, size, bias=False) for m in others})
        self.bias = nn.Parameter(torch.zeros(size))
        self.dropout = Dropout(dropout)
        self.encoder, self.pooling = encoder(size, out_dim), pooling
        if self.encoder.out_dim != out_dim:
            raise ConfigError(
                f"SpanShiftFusion: {type(self.encoder).__name__} gives feature size {self.encoder.out_dim}, "
                f"expected {out_dim}; use an encoder that gives the size it is asked for"
            )
        if pooling is not None:
            pooling.check_keeps_size("SpanShiftFusion")

    def fuse(self, inputs: dict[str, Sequence]) -> tuple[Sequence, Extras]:
        x = inputs[self.main]
        parts, gates, seen = [], [], []
        for m, cell in self.cells.items():
            other = inputs[m]
            span = spans_of(other.mask, x.mask)
            state = lstm_of_spans(self.dropout(other.values), span, x.time, list(cell.parameters()))
            steps = torch.arange(x.time, device=span.device)
            there = (span.unsqueeze(1) == steps.unsqueeze(1)).any(2)
            gate = self.gates[m](torch.cat([state, x.values], -1)).sigmoid() * there.unsqueeze(-1)
            parts.append(gate * self.shifts[m](state))
            gates.append(gate.squeeze(-1))
            seen.append(there)
        shift = (torch.stack(parts).sum(0) + self.bias) * torch.stack(seen).any(0).unsqueeze(-1)
        lengths = [part.norm(dim=-1, keepdim=True) for part in (x.values, shift)]
        share = (self.scale * lengths[0] / lengths[1].clamp(min=1e-6)).clamp(max=1)
        encoded: Sequence = self.encoder(x.with_values(self.dropout(x.values + share * shift)))
        extras = {"gates": torch.stack(gates, -1)}
        return (encoded if self.pooling is None else Sequence.vector(self.pooling(encoded))), extras

    def activations(self, batch: int, steps: dict[str, int]) -> int:
        rows = {m: batch * steps[m] for m in self.cells}
        time = batch * steps[self.main]
        shifted = held([self.gates, self.shifts], time)
        joined = 4 * time * len(rows) * (self.width + 2 * self.dims[self.main])
        read = held(self.cells, time, rows) + joined + self.encoder.activations(batch, steps[self.main])
        return shifted + read + of_inputs(self.dims, batch, steps)


def spans_of(mask: Tensor, main: Tensor) -> Tensor:
    """Of which step of the main modality each step of another is; -1 where either was not observed.

    The extent of the one is cut into as many equal spans as that of the other has steps; a step belongs where
    its middle lies.

    Shapes:
        mask: (batch, time) bool, main: (batch, other time) bool -> (batch, time) int
    Example:
        >>> mask = torch.tensor([[True] * 6 + [False]])
        >>> spans_of(mask, torch.tensor([[True, True, False]])).tolist()
        [[0, 0, 0, 1, 1, 1, -1]]
        >>> spans_of(mask, torch.tensor([[True, False, True]])).tolist()
        [[0, 0, -1, -1, 2, 2, -1]]
    """
    (first, size), (start, count) = extent(mask), extent(main)
    steps = torch.arange(mask.shape[1], device=mask.device) - first
    step = start + (2 * steps + 1) * (count + 1) // (2 * (size + 1))
    step = step.clamp(0, main.shape[1] - 1)
    return torch.where(mask & main.gather(1, step), step, -1)
