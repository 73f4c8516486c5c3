"""Early fusion over time: all modalities side by side, read by one encoder."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn

from affect.encoders import EncoderFactory, LSTMEncoder
from affect.errors import ConfigError
from affect.fusion.base import Fusion
from affect.naming import ParameterDict
from affect.pooling import Pooling
from affect.sequences import Sequence
from affect.sizes import of_inputs


class EarlyFusion(Fusion):
    """The steps of all modalities side by side, then one encoder over them.

    With a unidirectional `LSTMEncoder` and `LastPooling` it is nearest to EF-LSTM.

    Args:
        dims: feature size of each modality.
        out_dim: feature size of what comes out.
        encoder: reads the joined steps: an Encoder class, or a partial of one; the fusion is causal where it
            is, and where there is no pooling.
        pooling: how the encoded steps become a vector; none leaves them as they are.
    Shapes:
        inputs[m]: (batch, time, dims[m]) -> (batch, time' of the encoder, out_dim), or (batch, 1, out_dim)
        with a pooling
    Missing:
        a learned vector, zero until trained, takes the place of a modality that is unobserved at a step; a
        step is unobserved where no modality was observed, and means to the encoder what it says. With a
        pooling, a sample without any step gets zeros, which count as observed.
    Raises:
        ConfigError: the encoder or the pooling has another feature size than `out_dim`.
        ShapeError: the sequences differ in their steps.
    Also known as:
        EF-LSTM, early fusion.
    Reference:
        Early fusion as in Baltrusaitis et al., Multimodal Machine Learning, TPAMI 2019, section 7.1; EF-LSTM
        as in Zadeh et al., Memory Fusion Network for Multi-view Sequential Learning, AAAI 2018, section 4.3.
        Differs: the learned vectors. The EF-LSTM of MMSA also has a batch norm of the joined steps, and a
        hidden layer with ReLU between the last state and the prediction.
    Example:
        >>> fusion = EarlyFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 7, 4])
    """

    needs_alignment: ClassVar[bool] = True

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        encoder: EncoderFactory = LSTMEncoder,
        pooling: Pooling | None = None,
    ) -> None:
        super().__init__(dims, out_dim)
        self.absent = ParameterDict({m: nn.Parameter(torch.zeros(d)) for m, d in self.dims.items()})
        self.encoder, self.pooling = encoder(sum(self.dims.values()), out_dim), pooling
        self.causal = pooling is None and self.encoder.causal
        if self.encoder.out_dim != out_dim:
            raise ConfigError(
                f"EarlyFusion: {type(self.encoder).__name__} gives feature size {self.encoder.out_dim}, "
                f"expected {out_dim}; use an encoder that gives the size it is asked for"
            )
        if pooling is not None:
            pooling.check_keeps_size("EarlyFusion")

    def fuse(self, inputs: dict[str, Sequence]) -> Sequence:
        filled = [torch.where(x.mask.unsqueeze(-1), x.values, self.absent[m]) for m, x in inputs.items()]
        observed = torch.stack([x.mask for x in inputs.values()]).any(0)
        encoded: Sequence = self.encoder(Sequence(torch.cat(filled, -1), observed))
        return encoded if self.pooling is None else Sequence.vector(self.pooling(encoded))

    def activations(self, batch: int, steps: dict[str, int]) -> int:
        encoded = self.encoder.activations(batch, max(steps.values()))
        return encoded + of_inputs(self.dims, batch, steps)
