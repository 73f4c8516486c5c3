"""Steps of one modality that are enhanced by what they find in others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from torch import nn

from affect.attention import Attention, check_heads
from affect.encoders import LayeredEncoder, TransformerEncoder
from affect.fusion.base import Fusion
from affect.naming import ModuleDict
from affect.sequences import Sequence
from affect.sizes import held, of_inputs, weights_of_attention


class CrossModalEnhancementFusion(Fusion):
    """The main modality's encoder, whose hidden states attend at one layer to the other modalities.

    A perceptron brings the steps of each other modality to the size of the hidden states, which attend to
    them; what they find, through a linear map for each modality, is added to them. The encoder is part of the
    fusion, since its layers behind go on from there. So the main modality comes in raw: give it a
    `PassEncoder` in the model (with `indices: true` for sub-words). Modalities need not be aligned.

    Args:
        dims: feature size of each modality.
        out_dim: feature size of the encoded steps.
        main: the modality that is encoded and enhanced; the first by name where none is named.
        encoder: an encoder with layers: `TransformerEncoder`, or `PretrainedEncoder` for BERT and its kin.
        layer: layers before the enhancement.
        heads: of the attention; a divisor of the hidden states' size.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, time of the main modality, out_dim)
    Missing:
        an absent modality adds nothing, and unobserved steps are never attended to; steps of the main
        modality stay observed or not as they were, so that a sample without it is unobserved.
    Raises:
        ConfigError: a single modality, no such main modality, a layer that the encoder does not have, or
            heads that do not divide its size.
    Also known as:
        CENET, cross-modal enhancement (CE) module.
    Reference:
        Wang et al., Cross-modal Enhancement Network for Multimodal Sentiment Analysis, IEEE Transactions on
        Multimedia 2022, section 3.
        Differs: features as they are, not embeddings of the clusters that they lie in (as in MMSA's port).
        Scores are divided by the root of a head's size; the authors' code multiplies them by 8. A key has no
        bias; key masks. Their one linear map of what all modalities gave is here one for each, which is the
        same, but for a bias that is there where the modality is.
    Example:
        >>> fusion = CrossModalEnhancementFusion({"text": 3, "visual": 2}, out_dim=8, main="text")
        >>> fusion({m: Sequence.full(torch.ones(5, 7 * d, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 21, 8])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "layer": IntDistribution(0, 1),
        "heads": CategoricalDistribution((1, 2, 4)),
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        main: str | None = None,
        encoder: Callable[[int, int], LayeredEncoder] = TransformerEncoder,
        layer: int = 1,
        heads: int = 1,
    ) -> None:
        super().__init__(dims, out_dim)
        self.require(2)
        self.main = self.named(main)
        self.encoder = encoder(self.dims[self.main], out_dim)
        self.encoder.check_layer("CrossModalEnhancementFusion", layer)
        check_heads("CrossModalEnhancementFusion", self.encoder.width, heads)
        self.layer = layer
        self.enhance = _Enhancement(
            self.encoder.width, {m: d for m, d in self.dims.items() if m != self.main}, heads
        )

    def fuse(self, inputs: dict[str, Sequence]) -> Sequence:
        def enhanced(hidden: Sequence, _: Iterable[Sequence]) -> Sequence:
            found: Sequence = self.enhance(hidden, inputs)
            return found

        return self.encoder.encode_with(inputs[self.main], enhanced, self.layer, [])

    def activations(self, batch: int, steps: dict[str, int]) -> int:
        time = steps[self.main]
        encoded = self.encoder.activations(batch, time)
        rows = {m: batch * (own + time) for m, own in steps.items()}
        kept = sum(
            weights_of_attention(self.enhance.heads, batch, time, own)
            for m, own in steps.items()
            if m != self.main
        )
        return encoded + held(self.enhance, 0, rows) + kept + of_inputs(self.dims, batch, steps)


class _Enhancement(nn.Module):
    """Hidden states, and what they find in each other modality."""

    def __init__(self, width: int, dims: dict[str, int], heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.project = ModuleDict(
            {
                m: nn.Sequential(nn.Linear(d, width), nn.ReLU(), nn.Linear(width, width))
                for m, d in dims.items()
            }
        )
        self.attention = ModuleDict({m: Attention(width, heads) for m in dims})

    def forward(self, hidden: Sequence, inputs: dict[str, Sequence]) -> Sequence:
        """Add what the steps of `hidden` find."""
        enhanced = hidden.values
        for m, attention in self.attention.items():
            context = inputs[m].with_values(self.project[m](inputs[m].values))
            enhanced = enhanced + attention(hidden.values, hidden.mask, context.values, context.mask)
        return hidden.with_values(enhanced)
