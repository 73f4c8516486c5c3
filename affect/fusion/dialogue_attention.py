"""A transformer over the utterances of a conversation whose heads know who speaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal, TypeAlias, cast, get_args

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from torch import Tensor, nn

from affect.attention import TransformerLayer, check_heads
from affect.encoders import SpeakerEncoder
from affect.encoders.speakers import Form
from affect.errors import ConfigError, check_flag, did_you_mean
from affect.fusion.dialogue import DialogueFusion, known_speaker, same_speaker
from affect.layers import sinusoids
from affect.sequences import Sequence
from affect.sizes import weights_of_attention

Reading: TypeAlias = Literal["global", "local", "speaker", "listener"]
"""What a head reads: every utterance, those nearby, those of the same speaker, or those of others."""


class DialogueTransformerFusion(DialogueFusion):
    """A transformer over utterances whose heads read all of them, those nearby, the speaker's, or others'.

    The modalities of a step side by side are projected and told where the step stands, by sinusoids that are
    as loud as is learned, from nothing at the start. Of a step, global heads read all steps, local ones those
    at most `window` before or behind it, speaker heads those of the same speaker, each with the step itself;
    listener heads read those of other speakers.

    Args:
        dims: feature size of each modality.
        out_dim: feature size of a fused step.
        speaker: a modality that tells who speaks: in the same words for the same speaker. It is for heads and
            not fused; leave it unencoded (`PassEncoder` with `indices=True`, so that nothing is scaled).
        width: feature size of the steps; divisible by `heads`.
        heads: attention heads; as many of each kind that is read.
        layers: how many are stacked.
        reads: the kinds of heads, in turn, such as `[global, global, listener]` for two and one of three; by
            default `global`, `local`, and with a speaker `speaker` and `listener`.
        window: observed steps before and behind a step that its local heads read.
        vectors: also add a learned vector for the `party` that speaks, or for the `change` of it
            (`SpeakerEncoder`), to each step; the speaker must be the number of a party then.
        dropout: rate at which the output of attention and of feed-forward parts, and vectors, are dropped.
        causal: whether no head reads a later step.
    Shapes:
        inputs[m]: (batch, time, dims[m]) -> (batch, time, out_dim)
    Missing:
        a learned vector, zero until trained, takes the place of a modality that is unobserved at a step; a
        step is unobserved, and never read, where not even the speaker is known. Places and the window
        count observed steps alone. Nobody knows who speaks where the speaker is unobserved or all zeros: no
        other step's speaker or listener head reads such a step, whose own speaker head reads itself alone.
        A head that has nothing to read, as a listener head where nobody else speaks, gives zeros. No vector
        of who speaks is added where the speaker is unobserved.
    Raises:
        ConfigError: no such speaker, or nothing but one; speaker or listener heads, or vectors, without it; a
            kind of head that there is not; a width that heads, or heads that their kinds, do not divide; or
            no layers.
        ShapeError: the sequences differ in their steps.
        DataError: numbers of parties that vectors are for are not whole, as scaled ones are.
    Also known as:
        DialogXL, dialog-aware self-attention.
    Reference:
        Shen et al., DialogXL: All-in-One XLNet for Multi-Party Conversation Emotion Recognition, AAAI 2021,
        section "Dialog-Aware Self-Attention"; vectors of parties as in Ma et al., A Transformer-Based Model
        with Self-Distillation for Multimodal Emotion Recognition in Conversations (SDT), TMM 2023.
        Differs: over vectors of utterances, not words, so there is no XLNet and no memory of what it read;
        later steps are read unless causal; places are told by sinusoids.
    Example:
        >>> fusion = DialogueTransformerFusion({"text": 3, "speaker": 1}, out_dim=4, speaker="speaker")
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 7, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "width": CategoricalDistribution((32, 64, 128)),
        "heads": CategoricalDistribution((4, 8)),
        "layers": IntDistribution(1, 4),
        "window": IntDistribution(1, 10),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        speaker: str | None = None,
        width: int = 32,
        heads: int = 4,
        layers: int = 2,
        reads: list[Reading] | None = None,
        window: int = 5,
        vectors: Form | None = None,
        dropout: float = 0.1,
        causal: bool = False,
    ) -> None:
        super().__init__(dims, out_dim, speaker)
        check_heads("DialogueTransformerFusion", width, heads)
        check_flag("DialogueTransformerFusion: causal", causal)
        if layers < 1:
            raise ConfigError(f"DialogueTransformerFusion: layers must be at least 1, got {layers}")
        own: list[Reading] = ["global", "local"] if speaker is None else [*get_args(Reading)]
        self.reads = self._checked(own if reads is None else reads, heads)
        if vectors is not None:
            self.numbered("a vector of who speaks")
        self.heads, self.window, self.causal = heads, window, causal
        self.project = nn.Linear(self.said, width)
        self.loudness = nn.Parameter(torch.zeros(1))
        self.vectors = None if vectors is None else SpeakerEncoder(1, width, vectors, dropout=dropout)
        self.layers = nn.ModuleList(TransformerLayer(width, heads, dropout) for _ in range(layers))
        self.out = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, out_dim))

    def _checked(self, reads: list[Reading], heads: int) -> list[Reading]:
        who = "DialogueTransformerFusion: reads"
        if not isinstance(reads, list | tuple) or not reads:
            raise ConfigError(f"{who}: expected a list of kinds of heads, got {reads!r}")
        for kind in reads:
            if kind not in get_args(Reading):
                raise ConfigError(f"{who}: no kind '{kind}'; {did_you_mean(str(kind), get_args(Reading))}")
            if self.speaker is None and kind in ("speaker", "listener"):
                raise ConfigError(f"{who}: heads of kind '{kind}' need a speaker; name its modality")
        if heads % len(reads):
            raise ConfigError(
                f"DialogueTransformerFusion: heads must be divisible by the {len(reads)} kinds that are read "
                f"({', '.join(reads)}), got {heads}"
            )
        return [*reads]

    def fuse(self, inputs: dict[str, Sequence]) -> Sequence:
        x = self.utterances(inputs)
        h = self.project(x.values)
        at = x.mask.cumsum(1) - 1
        h = h + self.loudness * sinusoids(at.to(h.dtype), h.shape[-1])
        if self.vectors is not None:
            h = h + self.vectors(self.parties(inputs)).values
        allowed = self.allowed(inputs, x.mask)
        for layer in self.layers:
            h = cast(TransformerLayer, layer).change(h, x.mask, allowed=allowed)
        return x.with_values(self.out(h))

    def allowed(self, inputs: dict[str, Sequence], observed: Tensor) -> Tensor:
        """Which observed steps each head reads from each step, (batch, heads, time, time)."""
        steps = torch.arange(observed.shape[1], device=observed.device)
        at = observed.cumsum(1)
        every = observed.unsqueeze(1).expand(-1, len(steps), -1)
        if self.causal:
            every = every & (steps <= steps.unsqueeze(1))
        parts: dict[str, Callable[[], Tensor]] = {
            "global": lambda: every,
            "local": lambda: every & ((at.unsqueeze(1) - at.unsqueeze(2)).abs() <= self.window),
        }
        if self.speaker is not None:
            same = same_speaker(known_speaker(inputs[self.speaker]), steps.expand_as(every))
            parts["speaker"] = lambda: every & ((same == 1) | (steps == steps.unsqueeze(1)))
            parts["listener"] = lambda: every & (same == 0)
        kinds = torch.stack([parts[kind]() for kind in self.reads], 1)
        return kinds.repeat(1, self.heads // len(self.reads), 1, 1)

    def activations(self, batch: int, steps: dict[str, int]) -> int:
        time = max(steps.values())
        size = self.project.out_features // self.heads
        # PyTorch's kernel reads heads in sixteens of features
        kept = weights_of_attention(self.heads, batch, time, time)
        kept += 4 * batch * time * self.heads * (size + -size % 16)
        return super().activations(batch, steps) + len(self.layers) * kept
