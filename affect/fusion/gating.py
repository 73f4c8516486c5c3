"""Gates: what one modality lets through of another."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from torch import Tensor, nn

from affect.encoders import LayeredEncoder, PretrainedEncoder, TransformerEncoder
from affect.errors import ConfigError
from affect.fusion.base import Extras, Fusion, VectorFusion
from affect.layers import Dropout, softmax_over
from affect.naming import ModuleDict
from affect.pooling import Pooling
from affect.sequences import Sequence
from affect.sizes import held, of_inputs


class ShiftGate(nn.Module):
    """Hidden states moved by what other modalities hold at the same step: the gate of `GatedShiftFusion`.

    With z the hidden state and h_m the step of modality m, g_m = relu(G_m [z; h_m] + c_m),
    s = sum_m g_m * (W_m h_m) + b, and out = norm(z + min(scale |z| / |s|, 1) s).

    Args:
        dim: feature size of the hidden states.
        dims: feature sizes of the others, in their order.
        scale: length of the shift, at most, as a share of the hidden state's.
        dropout: rate at which values of what comes out are dropped.
        inner: whether each W_m h_m has a bias of its own, which its gate lets through, in place of b.
    Shapes:
        hidden: (batch, time, dim), others[i]: (batch, time, dims[i]) -> (batch, time, dim)
    Missing:
        what is unobserved at a step does not shift it; with nothing observed the state is only normed.
    Reference:
        Rahman et al., Integrating Multimodal Information in Large Pretrained Transformers, ACL 2020, section
        3. With `inner` as in the authors' code.
    Example:
        >>> hidden, other = (Sequence.full(torch.ones(5, 7, d)) for d in (8, 3))
        >>> ShiftGate(8, [3])(hidden, [other]).values.shape
        torch.Size([5, 7, 8])
    """

    def __init__(
        self, dim: int, dims: list[int], scale: float = 1.0, dropout: float = 0.1, inner: bool = False
    ) -> None:
        super().__init__()
        self.scale = scale
        self.gates = nn.ModuleList(nn.Linear(dim + other, dim) for other in dims)
        self.shifts = nn.ModuleList(nn.Linear(other, dim, bias=inner) for other in dims)
        self.bias = None if inner else nn.Parameter(torch.zeros(dim))
        self.layers = nn.Sequential(nn.LayerNorm(dim), Dropout(dropout))

    def forward(self, hidden: Sequence, others: list[Sequence]) -> Sequence:
        """Shift the hidden states by `others`."""
        z = hidden.values
        parts = [
            gate(torch.cat([z, x.values], -1)).relu() * shift(x.values) * x.mask.unsqueeze(-1)
            for gate, shift, x in zip(self.gates, self.shifts, others, strict=True)
        ]
        shift = torch.stack(parts).sum(0)
        if self.bias is not None:
            shift = shift + self.bias * torch.stack([x.mask for x in others]).any(0).unsqueeze(-1)
        lengths = [x.norm(dim=-1, keepdim=True) for x in (z, shift)]
        share = (self.scale * lengths[0] / lengths[1].clamp(min=1e-6)).clamp(max=1)
        return hidden.with_values(self.layers(z + share * shift))


class GatedShiftFusion(Fusion):
    """The main modality's encoder, with its hidden states shifted by the other modalities at one layer.

    The encoder is part of the fusion, since its layers after the gate go on from the shifted states. So the
    main modality comes in raw: give it a `PassEncoder` in the model (with `indices: true` for sub-words).

    Args:
        dims: feature size of each modality.
        out_dim: feature size of the encoded steps.
        main: the modality that is encoded and shifted; the first by name where none is named.
        encoder: an encoder with layers: `TransformerEncoder`, or `PretrainedEncoder` for BERT and its kin.
            The fusion is causal where it is.
        layer: layers before the gate.
        scale: length of a shift, at most, as a share of the hidden state's.
        dropout: rate at which values are dropped behind the gate.
        inner: whether the gate has a bias for each modality in place of one (`ShiftGate`).
        special: whether the special tokens of a `PretrainedEncoder` are shifted too, by what the biases make
            of zeros, as in the authors' code, which pads the other modalities with rows of zeros there.
    Shapes:
        inputs[m]: (batch, time, dims[m]) -> (batch, time, out_dim)
    Missing:
        another modality does not shift where it is unobserved; a step without the main modality, or a sample
        without it, is unobserved.
    Raises:
        ConfigError: a single modality, no such main modality, a layer that the encoder does not have, or
            `special` with an encoder that has no special tokens.
        ShapeError: the sequences differ in their steps.
    Also known as:
        MAG, MAG-BERT, MAG-XLNet.
    Reference:
        Rahman et al., Integrating Multimodal Information in Large Pretrained Transformers, ACL 2020, section
        3.
        Differs: a shift needs an observed step, and special tokens are not shifted unless asked for.
    Example:
        >>> fusion = GatedShiftFusion({"text": 3, "visual": 2}, out_dim=8, main="text")
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 7, 8])
    """

    needs_alignment: ClassVar[bool] = True
    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "layer": IntDistribution(0, 1),
        "scale": FloatDistribution(0.1, 2.0, log=True),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        main: str | None = None,
        encoder: Callable[[int, int], LayeredEncoder] = TransformerEncoder,
        layer: int = 1,
        scale: float = 1.0,
        dropout: float = 0.1,
        inner: bool = False,
        special: bool = False,
    ) -> None:
        super().__init__(dims, out_dim)
        self.require(2)
        self.main = self.named(main)
        self.others = [m for m in self.dims if m != self.main]
        self.encoder = encoder(self.dims[self.main], out_dim)
        self.encoder.check_layer("GatedShiftFusion", layer)
        self.layer, self.special, self.causal = layer, special, self.encoder.causal
        if special and not isinstance(self.encoder, PretrainedEncoder):
            raise ConfigError(
                f"GatedShiftFusion: special: {type(self.encoder).__name__} has no special tokens; use a "
                "PretrainedEncoder, or leave it out"
            )
        sizes = [self.dims[m] for m in self.others]
        self.gate = ShiftGate(self.encoder.width, sizes, scale, dropout, inner)

    def fuse(self, inputs: dict[str, Sequence]) -> Sequence:
        others = [inputs[m] for m in self.others]
        if self.special and isinstance(self.encoder, PretrainedEncoder):
            return self.encoder.encode_with(inputs[self.main], self.gate, self.layer, others, special=True)
        return self.encoder.encode_with(inputs[self.main], self.gate, self.layer, others)

    def activations(self, batch: int, steps: dict[str, int]) -> int:
        time = max(steps.values())
        encoded = self.encoder.activations(batch, time)
        joined = 3 * batch * time * sum(self.encoder.width + self.dims[m] for m in self.others)
        return encoded + held(self.gate, batch * time) + joined + of_inputs(self.dims, batch, steps)


class GatedFusion(VectorFusion):
    """For each feature, a gate that sees all modalities says how much of each comes through.

    With h_m the vector of modality m, fused = sum_m z_m * tanh(W_m h_m + b_m), where z is, feature by
    feature, a softmax over the modalities that are there of G [h_1; ...; h_M] + c.

    Args:
        dims: feature size of each modality.
        out_dim: size of the fused vector.
        dropout: rate at which values of the vectors are dropped.
        pooling: how the steps of a modality become a vector; the mean by default.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
        extras["gates"]: (batch, modality, out_dim), in alphabetical order
    Missing:
        an absent modality's gate is closed, those of the others sum to one; with nothing there zeros come
        out.
    Also known as:
        GMU.
    Reference:
        Arevalo et al., Gated Multimodal Units for Information Fusion, ICLR workshop 2017, section 3.1.
        Differs: biases; more than two modalities have gates that sum to one as those of two do.
    Example:
        >>> fusion = GatedFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {"dropout": FloatDistribution(0.0, 0.5)}

    def __init__(
        self, dims: dict[str, int], out_dim: int, dropout: float = 0.1, pooling: Pooling | None = None
    ) -> None:
        super().__init__(dims, out_dim, pooling)
        self.require(2)
        self.dropout = Dropout(dropout)
        self.project = ModuleDict({m: nn.Linear(d, out_dim) for m, d in self.dims.items()})
        self.gate = nn.Linear(sum(self.dims.values()), len(self.dims) * out_dim)

    def combine(self, vectors: dict[str, Tensor], present: dict[str, Tensor]) -> tuple[Tensor, Extras]:
        vectors = {m: self.dropout(v) for m, v in vectors.items()}
        values = torch.stack([self.project[m](v).tanh() for m, v in vectors.items()], 1)
        there = torch.stack(list(present.values()), 1).unsqueeze(-1)  # (batch, modality, 1)
        logits = self.gate(torch.cat(list(vectors.values()), -1)).view(*there.shape[:2], -1)
        gates = softmax_over(logits, there, 1)
        return (gates * values).sum(1), {"gates": gates}


class GatedAdditionFusion(VectorFusion):
    """To each modality is added what its gates let through of every other one.

    With h_m the vector of modality m brought to `out_dim`, s_m = h_m + sum_{n != m} sigmoid(G_nm [h_n; h_m])
    * V_nm h_n, and fused = W relu([s_1; ...; s_M]) + b.

    Args:
        dims: feature size of each modality.
        out_dim: size of the fused vector.
        dropout: rate at which values of the sums are dropped.
        pooling: how the steps of a modality become a vector; the mean by default.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
    Missing:
        an absent modality adds nothing to the others; what they add stands in its own place.
    Reference:
        Kumar and Vepa, Gated Mechanism for Attention Based Multimodal Sentiment Analysis, ICASSP 2020.
        Differs: on pooled vectors; attention over time is the encoders' or `CoAttentionFusion`'s.
    Example:
        >>> fusion = GatedAdditionFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {"dropout": FloatDistribution(0.0, 0.5)}

    def __init__(
        self, dims: dict[str, int], out_dim: int, dropout: float = 0.1, pooling: Pooling | None = None
    ) -> None:
        super().__init__(dims, out_dim, pooling)
        self.require(2)
        self.project = ModuleDict({m: nn.Linear(d, out_dim) for m, d in self.dims.items()})
        self.gates = ModuleDict({pair: nn.Linear(2 * out_dim, out_dim) for pair in self.ordered_pairs})
        self.added = ModuleDict(
            {pair: nn.Linear(out_dim, out_dim, bias=False) for pair in self.ordered_pairs}
        )
        self.layers = nn.Sequential(nn.ReLU(), Dropout(dropout), nn.Linear(len(self.dims) * out_dim, out_dim))

    def combine(self, vectors: dict[str, Tensor], present: dict[str, Tensor]) -> Tensor:
        h = {m: self.project[m](v) * present[m].unsqueeze(-1) for m, v in vectors.items()}
        sums = dict(h)
        for pair, (source, to) in self.ordered_pairs.items():
            gate = self.gates[pair](torch.cat([h[source], h[to]], -1)).sigmoid()
            sums[to] = sums[to] + gate * self.added[pair](h[source])
        fused: Tensor = self.layers(torch.cat(list(sums.values()), -1))
        return fused


class ModulationFusion(VectorFusion):
    """Each modality is scaled and shifted, feature by feature, by all the others.

    With h_m the vector of modality m, f_m = (1 + sum_{n != m} C_nm h_n) * P_m h_m + sum_{n != m} B_nm h_n,
    each map with a bias, and fused = W relu(mean of the f_m that are there) + b.

    Args:
        dims: feature size of each modality.
        out_dim: size of the fused vector.
        dropout: rate at which values of the mean are dropped.
        pooling: how the steps of a modality become a vector; the mean by default.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
    Missing:
        an absent modality neither modulates nor is in the mean; with nothing there the mean is zero.
    Also known as:
        FiLM.
    Reference:
        Perez et al., FiLM: Visual Reasoning with a General Conditioning Layer, AAAI 2018, eq. 1-2.
        Differs: every modality is conditioned on all others, not the image on the question alone.
    Example:
        >>> fusion = ModulationFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {"dropout": FloatDistribution(0.0, 0.5)}

    def __init__(
        self, dims: dict[str, int], out_dim: int, dropout: float = 0.1, pooling: Pooling | None = None
    ) -> None:
        super().__init__(dims, out_dim, pooling)
        self.require(2)
        self.project = ModuleDict({m: nn.Linear(d, out_dim) for m, d in self.dims.items()})
        self.modulate = ModuleDict(
            {
                pair: nn.Linear(self.dims[source], 2 * out_dim)
                for pair, (source, _) in self.ordered_pairs.items()
            }
        )
        self.layers = nn.Sequential(nn.ReLU(), Dropout(dropout), nn.Linear(out_dim, out_dim))

    def combine(self, vectors: dict[str, Tensor], present: dict[str, Tensor]) -> Tensor:
        there = {m: p.unsqueeze(-1) for m, p in present.items()}
        scale = {m: vectors[m].new_ones(1) for m in self.dims}
        shift = {m: vectors[m].new_zeros(1) for m in self.dims}
        for pair, (source, to) in self.ordered_pairs.items():
            more, added = (self.modulate[pair](vectors[source]) * there[source]).chunk(2, -1)
            scale[to], shift[to] = scale[to] + more, shift[to] + added
        modulated = [(scale[m] * self.project[m](v) + shift[m]) * there[m] for m, v in vectors.items()]
        count = torch.stack(list(there.values())).sum(0).clamp(min=1)
        fused: Tensor = self.layers(torch.stack(modulated).sum(0) / count)
        return fused
