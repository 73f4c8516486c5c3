"""Encoders, a fusion and a head as one model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

import torch
from torch import nn

from affect.data.alignment.aligners import Aligner, AlignerFactory
from affect.data.corpus import Corpus
from affect.data.scaling import Nonfinite, Scaler, Scaling
from affect.data.targets import Target
from affect.encoders import Encoder, PooledEncoder
from affect.errors import ConfigError, ShapeError, did_you_mean
from affect.fusion import ConcatenationFusion, Fusion, FusionFactory
from affect.heads import Head, head_for
from affect.outputs import Output
from affect.sequences import Sequence

EncoderFactory: TypeAlias = Callable[[int, int], Encoder]
"""An Encoder class, or a partial of one: whatever makes an encoder from `in_dim` and `out_dim`."""

HeadFactory: TypeAlias = Callable[[int, Target], Head]
"""A Head class, or a partial of one: whatever makes a head from `in_dim` and a target."""


class FusionModel(nn.Module):
    """An encoder per modality, an aligner where the fusion needs one, a fusion, a head.

    `forward` is `fuse(encode(inputs))`; the two can be called apart, so that a sweep over what is missing
    encodes once. Aligning is the first part of `fuse`: a modality that is dropped between the two is neither
    aligned nor aligned to, as if it had been missing from the start. Inputs are on the corpus's own scale:
    the scaler inside brings them to the training split's.

    Args:
        encoders: one per modality; other modalities of a batch are left alone.
        fusion: built for the encoders' sizes.
        head: built for the fusion's size.
        scaler: normalisation; none leaves the inputs as they are.
        aligner: built for the encoders' sizes; none gives the fusion the encoded sequences as they are.
    Shapes:
        inputs[m]: (batch, time of m, in_dim of m) -> Output
    Missing:
        what the fusion says; a modality that a batch does not have at all must still be given, unobserved.
    Raises:
        ShapeError: a modality is left out, or sizes differ.
        ConfigError: the fusion or the aligner was built for other modalities than there are encoders.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = FusionModel.for_corpus(corpus, fusion=affect.fusion.TensorFusion)
        >>> batch = next(iter(affect.batches(corpus["test"], "sentiment", batch_size=4)))
        >>> model(batch.inputs).prediction.shape
        torch.Size([4, 1, 1])
    """

    def __init__(
        self,
        encoders: Mapping[str, Encoder],
        fusion: Fusion,
        head: Head,
        scaler: Scaler | None = None,
        aligner: Aligner | None = None,
    ) -> None:
        super().__init__()
        sizes = {name: encoder.out_dim for name, encoder in sorted(encoders.items())}
        for part in (fusion, aligner):
            if part is not None and sizes != part.dims:
                raise ConfigError(
                    f"FusionModel: the encoders give {sizes}, but {type(part).__name__} is for {part.dims}"
                )
        self.encoders = nn.ModuleDict({name: encoders[name] for name in sizes})
        self.fusion, self.head, self.scaler, self.aligner = fusion, head, scaler, aligner

    @classmethod
    def for_corpus(
        cls,
        corpus: Corpus,
        target: str | None = None,
        *,
        encoder: EncoderFactory | Mapping[str, EncoderFactory] = PooledEncoder,
        fusion: FusionFactory = ConcatenationFusion,
        head: HeadFactory | None = None,
        modalities: Iterable[str] | None = None,
        width: int = 32,
        out_dim: int = 64,
        scaling: Scaling = "standard",
        nonfinite: Nonfinite = "mean",
        aligner: AlignerFactory | None = None,
    ) -> FusionModel:
        """A model that fits a corpus's modalities and one of its targets.

        Args:
            corpus: the scaler and the head are fitted on its split `train`.
            target: name of the target; the only one by default.
            encoder: an Encoder class or a partial of one, for every modality or by name.
            fusion: a Fusion class or a partial of one.
            head: a Head class or a partial of one; the one for the kind of target by default.
            modalities: which to use; all by default.
            width: feature size of what the encoders give.
            out_dim: feature size of what the fusion gives.
            scaling: standard, robust or none.
            nonfinite: what becomes of NaN and infinite values.
            aligner: an Aligner class or a partial of one, before the fusion; none by default.

        Raises:
            ConfigError: an unknown target or modality, or a fusion that needs aligned sequences, on a corpus
                that has none and without an aligner.
        """
        corpus = corpus if modalities is None else corpus.select(modalities)
        model = cls.for_shape(
            corpus.dims, corpus.target(target), corpus.aligned,
            encoder=encoder, fusion=fusion, head=head, width=width, out_dim=out_dim, aligner=aligner,
        )  # fmt: skip
        read = [name for name, part in model.encoders.items() if not part.reads_indices]
        model.head.fit(torch.from_numpy(corpus["train"].labels(model.head.target.name)))
        model.scaler = Scaler.fit(corpus.select(read)["train"], scaling, nonfinite) if read else None
        return model

    @classmethod
    def for_shape(
        cls,
        dims: Mapping[str, int],
        target: Target,
        aligned: bool,
        *,
        encoder: EncoderFactory | Mapping[str, EncoderFactory] = PooledEncoder,
        fusion: FusionFactory = ConcatenationFusion,
        head: HeadFactory | None = None,
        width: int = 32,
        out_dim: int = 64,
        aligner: AlignerFactory | None = None,
    ) -> FusionModel:
        """A model for modalities of these sizes, without a scaler; arguments as in `for_corpus`."""
        by_name = encoder if isinstance(encoder, Mapping) else dict.fromkeys(dims, encoder)
        for name in by_name:
            if name not in dims:
                raise ConfigError(f"encoder: no modality '{name}'; {did_you_mean(name, dims)}")
        for name in dims:
            if name not in by_name:
                raise ConfigError(
                    f"encoder: modality '{name}' has none; given for: {', '.join(sorted(by_name))}"
                )
        encoders = {name: by_name[name](dim, width) for name, dim in sorted(dims.items())}
        sizes = {name: part.out_dim for name, part in encoders.items()}
        built = fusion(sizes, out_dim)
        make_head = head_for(target) if head is None else head
        model = cls(
            encoders,
            built,
            make_head(out_dim, target),
            aligner=None if aligner is None else aligner(sizes),
        )
        if model.needs_alignment and not aligned:
            raise ConfigError(
                f"{type(built).__name__}: needs aligned sequences, and the corpus is not aligned; "
                "put an aligner before it (ResamplingAligner, WarpingAligner or AttentionAligner) or choose "
                "a fusion that reads unaligned ones"
            )
        return model

    @property
    def needs_alignment(self) -> bool:
        """Whether step t must be the same moment in every modality that comes in."""
        return self.fusion.needs_alignment and self.aligner is None

    def forward(self, inputs: Mapping[str, Sequence]) -> Output:
        """Predict from a Sequence for each modality."""
        return self.fuse(self.encode(inputs))

    def encode(self, inputs: Mapping[str, Sequence]) -> dict[str, Sequence]:
        """The encoded modalities."""
        absent = sorted(self.encoders.keys() - inputs.keys())
        if absent:
            raise ShapeError(
                f"FusionModel: expected modalities {sorted(self.encoders)}, got {sorted(inputs)}; "
                "a modality that is missing is a Sequence whose mask is False"
            )
        own = {name: inputs[name] for name in self.encoders}
        scaled = own if self.scaler is None else self.scaler(own)
        return {name: encoder(scaled[name]) for name, encoder in self.encoders.items()}

    def fuse(self, encoded: Mapping[str, Sequence]) -> Output:
        """The prediction from encoded modalities, which are aligned first where there is an aligner."""
        aligned = encoded if self.aligner is None else self.aligner(encoded)
        fused, extras = self.fusion.with_extras(aligned)
        return Output(self.head(fused), fused, dict(encoded), extras)
