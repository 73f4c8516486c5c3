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
from affect.encoders import Encoder, EncoderFactory, PooledEncoder
from affect.errors import ConfigError, ShapeError, did_you_mean
from affect.fusion import ConcatenationFusion, Fusion, FusionFactory
from affect.heads import Head, head_for
from affect.imputation import Imputer, ImputerFactory
from affect.naming import ModuleDict, refused_names
from affect.outputs import Output
from affect.sequences import Sequence

HeadFactory: TypeAlias = Callable[[int, Target], Head]
"""A Head class, or a partial of one: whatever makes a head from `in_dim` and a target."""


class FusionModel(nn.Module):
    """An encoder per modality, an aligner where the fusion needs one, a fusion, a head.

    `forward` is `fuse(encode(inputs))`; the two can be called apart, so that a sweep over what is missing
    encodes once. Imputing and aligning are the first parts of `fuse`: a modality that is dropped before it is
    absent there, as if it had been missing from the start. Inputs are on the corpus's own scale: the scaler
    inside brings them to the training split's.

    Args:
        encoders: one per modality; other modalities of a batch are left alone.
        fusion: built for the encoders' sizes.
        head: built for the fusion's size.
        scaler: normalisation; none leaves the inputs as they are.
        aligner: built for the encoders' sizes; none gives the fusion the encoded sequences as they are.
        imputer: built for the encoders' sizes; none leaves absent what is absent.
        helpers: modalities that are there in training alone: in eval mode they are absent, and need not be
            given.
    Shapes:
        inputs[m]: (batch, time of m, in_dim of m) -> Output
    Missing:
        what the imputer and the fusion say; a modality that a batch does not have at all must still be
        given, unobserved.
    Raises:
        ShapeError: a modality is left out, or sizes differ.
        ConfigError: the fusion, the aligner or the imputer was built for other modalities than there are
            encoders; a helper is none of them, or all are helpers.
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
        imputer: Imputer | None = None,
        helpers: Iterable[str] = (),
    ) -> None:
        super().__init__()
        sizes = {name: encoder.out_dim for name, encoder in sorted(encoders.items())}
        for part in (fusion, aligner, imputer):
            if part is not None and sizes != part.dims:
                raise ConfigError(
                    f"FusionModel: the encoders give {sizes}, but {type(part).__name__} is for {part.dims}"
                )
        self.encoders = ModuleDict({name: encoders[name] for name in sizes})
        self.fusion, self.head, self.scaler, self.aligner = fusion, head, scaler, aligner
        self.imputer = imputer
        for name in (helpers := tuple(helpers)):
            if name not in sizes:
                raise ConfigError(f"helpers: no modality '{name}'; {did_you_mean(name, sizes)}")
        self.helpers = {name: encoders[name].in_dim for name in helpers}
        if sizes.keys() <= self.helpers.keys():
            raise ConfigError("helpers: expected some modality that is there after training, got all of them")

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
        imputer: ImputerFactory | None = None,
        helpers: Iterable[str] = (),
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
            out_dim: feature size of what the fusion gives, unless it has one of its own.
            scaling: standard, robust or none.
            nonfinite: what becomes of NaN and infinite values.
            aligner: an Aligner class or a partial of one, before the fusion; none by default.
            imputer: an Imputer class or a partial of one, before the aligner; none by default.
            helpers: modalities that are there in training alone.

        Raises:
            ConfigError: an unknown target or modality; a fusion that needs aligned sequences, on a corpus
                that has none and without an aligner; a part of a user's own that holds what belongs to a
                modality in `torch.nn.ModuleDict`, which does not take its name.
        """
        corpus = corpus if modalities is None else corpus.select(modalities)
        model = cls.for_shape(
            corpus.dims, corpus.target(target), corpus.aligned,
            encoder=encoder, fusion=fusion, head=head, width=width, out_dim=out_dim,
            aligner=aligner, imputer=imputer, helpers=helpers,
        )  # fmt: skip
        read = [name for name in model.encoders if name not in model.indices]
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
        imputer: ImputerFactory | None = None,
        helpers: Iterable[str] = (),
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
        with refused_names(sizes):
            built = fusion(sizes, out_dim)
            aligns = None if aligner is None else aligner(sizes)
            imputes = None if imputer is None else imputer(sizes)
        made = (head_for(target) if head is None else head)(built.out_dim, target)
        model = cls(encoders, built, made, aligner=aligns, imputer=imputes, helpers=helpers)
        if model.needs_alignment and not aligned:
            raise ConfigError(
                f"{type(built).__name__}: needs aligned sequences, and the corpus is not aligned; "
                "put an aligner before it (ResamplingAligner, WarpingAligner or AttentionAligner) or choose "
                "a fusion that reads unaligned ones"
            )
        return model

    @property
    def modalities(self) -> list[str]:
        """What it reads in use: the modalities that are no helpers."""
        return [name for name in self.encoders if name not in self.helpers]

    @property
    def indices(self) -> list[str]:
        """The modalities whose values are numbers of words."""
        return [name for name, encoder in self.encoders.items() if encoder.reads_indices]

    @property
    def needs_alignment(self) -> bool:
        """Whether step t must be the same moment in every modality that comes in."""
        return self.fusion.needs_alignment and self.aligner is None

    def forward(self, inputs: Mapping[str, Sequence]) -> Output:
        """Predict from a Sequence for each modality."""
        return self.fuse(self.encode(inputs))

    def encode(self, inputs: Mapping[str, Sequence], partly: bool = False) -> dict[str, Sequence]:
        """The encoded modalities.

        Args:
            inputs: a Sequence for each modality; others are left alone.
            partly: encode those that are given, and do not ask for all.
        """
        if partly:
            return self._encode({name: inputs[name] for name in self.encoders if name in inputs})
        if not self.training:
            inputs = {**inputs, **self._without_helpers(inputs)}
        absent = sorted(self.encoders.keys() - inputs.keys())
        if absent:
            raise ShapeError(
                f"FusionModel: expected modalities {sorted(self.encoders)}, got {sorted(inputs)}; "
                "a modality that is missing is a Sequence whose mask is False"
            )
        return self._encode({name: inputs[name] for name in self.encoders})

    def fuse(self, encoded: Mapping[str, Sequence]) -> Output:
        """The prediction from encoded modalities, which are aligned first where there is an aligner."""
        complete = encoded if self.imputer is None else self.imputer(encoded)
        aligned = complete if self.aligner is None else self.aligner(complete)
        fused, extras = self.fusion.with_extras(aligned)
        if self.imputer is not None and self.training:
            extras = {**extras, "imputation": self.imputer.error(encoded)}
        return Output(self.head(fused), fused, dict(encoded), extras)

    def _encode(self, inputs: dict[str, Sequence]) -> dict[str, Sequence]:
        scaled = inputs if self.scaler is None else self.scaler(inputs)
        return {name: self.encoders[name](x) for name, x in scaled.items()}

    def _without_helpers(self, inputs: Mapping[str, Sequence]) -> dict[str, Sequence]:
        """The helpers, unobserved."""
        some = next(iter(inputs.values()))
        nothing = torch.zeros_like(some.mask)
        return {
            name: Sequence(some.values.new_zeros(*some.mask.shape, dim), nothing)
            for name, dim in self.helpers.items()
        }
