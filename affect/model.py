"""Encoders, a fusion and a head as one model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, TypeAlias

import torch
from optuna.distributions import BaseDistribution, IntDistribution
from torch import nn

from affect import renamed
from affect.aligners import Aligner, AlignerFactory
from affect.bounds import COUNT
from affect.causality import causal_parts, check_causal, later_readers
from affect.classes.factories import made_by
from affect.data.checks import check_corpus, check_indices
from affect.data.corpus import Corpus
from affect.data.targets import Target
from affect.encoders import Encoder, EncoderFactory, PooledEncoder
from affect.errors import ConfigError, ShapeError, check_flag, described, did_you_mean, few, listed
from affect.fusion import ConcatenationFusion, Fusion, FusionFactory
from affect.heads import Head, head_of
from affect.imputation import Imputer, ImputerFactory
from affect.naming import ModuleDict, own_of, refused_names
from affect.parts import check_factories, check_parts, check_speaker
from affect.scaling import Nonfinite, Scaler, Scaling
from affect.seeding import seeded
from affect.sequences import Output, Sequence, check_modalities, check_sequences

HeadFactory: TypeAlias = Callable[[int, Target], Head]
"""A Head class, or a partial of one: whatever makes a head from `in_dim` and a target."""


@renamed.arguments(helpers="training_only")
class FusionModel(nn.Module):
    """An encoder per modality, an aligner where the fusion needs one, a fusion, a head.

    `forward` is `fuse(encode(inputs))`; the two can be called apart, so that a sweep over what is missing
    encodes once. Imputing and aligning are the first parts of `fuse`: a modality that is dropped before it is
    absent there, as if it had been missing from the start. Inputs are on the corpus's own scale: the scaler
    inside brings them to the training split's. `repr(model)` is a summary;
    `torch.nn.Module.__repr__(model)` is torch's own tree of every module inside.

    Args:
        encoders: one per modality; other modalities of a batch are left alone.
        fusion: built for the encoders' sizes.
        head: built for the fusion's size.
        scaler: normalisation; none leaves the inputs as they are.
        aligner: built for the encoders' sizes; none gives the fusion the encoded sequences as they are.
        imputer: built for the encoders' sizes; none leaves absent what is absent.
        training_only: modalities that are there in training alone: in eval mode they are absent, and need not
            be given.
    Shapes:
        inputs[m]: (batch, time of m, in_dim of m) -> Output
    Missing:
        what the imputer and the fusion say; a modality that a batch does not have at all must still be
        given, unobserved.
    Raises:
        ShapeError: a modality is left out, or sizes differ.
        ConfigError: a part is a class, not an object; the fusion, the aligner or the imputer was built for
            other modalities than there are encoders; one that is there in training only is none of them, or
            all are; the encoder of who speaks hides who is the same speaker from a fusion that must know.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = FusionModel.for_corpus(corpus, fusion=affect.fusion.TensorFusion)
        >>> batch = next(iter(affect.batches(corpus["test"], "sentiment", batch_size=4)))
        >>> model(batch.inputs).prediction.shape
        torch.Size([4, 1, 1])
        >>> model
        FusionModel(sentiment (Regression): 2,303,969 parameters, all learn)
          acoustic: 5 -> 32, PooledEncoder
          text: 8 -> 32, PooledEncoder
          visual: 6 -> 32, PooledEncoder
          aligner: none; imputer: none
          fusion: TensorFusion -> 64
          head: RegressionHead -> 1
    """

    spec: ModelSpec | None = None
    """What it was made from; none where it was built with `FusionModel(...)` itself."""

    def __init__(
        self,
        encoders: Mapping[str, Encoder],
        fusion: Fusion,
        head: Head,
        scaler: Scaler | None = None,
        aligner: Aligner | None = None,
        imputer: Imputer | None = None,
        training_only: Iterable[str] = (),
    ) -> None:
        super().__init__()
        check_parts(encoders, fusion=fusion, head=head, scaler=scaler, aligner=aligner, imputer=imputer)
        sizes = {name: encoder.out_dim for name, encoder in sorted(encoders.items())}
        for part in (fusion, aligner, imputer):
            if part is not None and sizes != part.dims:
                raise ConfigError(
                    f"FusionModel: the encoders give {sizes}, but {type(part).__name__} is for {part.dims}"
                )
        check_speaker(encoders, fusion)
        self.encoders = ModuleDict({name: encoders[name] for name in sizes})
        self.fusion, self.head, self.scaler, self.aligner = fusion, head, scaler, aligner
        self.imputer = imputer
        for name in (training_only := listed("training_only", training_only)):
            if name not in sizes:
                raise ConfigError(f"training_only: no modality '{name}'; {did_you_mean(name, sizes)}")
        self.training_only = {name: encoders[name].in_dim for name in training_only}
        if sizes.keys() <= self.training_only.keys():
            raise ConfigError(
                "training_only: expected some modality that is there after training, got all of them"
            )

    @classmethod
    def for_corpus(
        cls, corpus: Corpus, target: str | None = None, *, seed: int | None = None, **parts: Any
    ) -> FusionModel:
        """A model that fits a corpus's modalities and one of its targets.

        Args:
            corpus: the scaler and the head are fitted on its split `train`.
            target: name of the target; the main one, or the only one, by default.
            seed: of the initial weights; by default they are drawn as torch's own modules draw them.
            parts: fields of `ModelSpec` by name, such as `fusion`, `encoder`, `width`; `encoder` may be a
                dictionary of one by modality.

        Raises:
            ConfigError: an unknown part, target or modality; a fusion that needs aligned sequences, on a
                corpus that has none and without an aligner; a part of a user's own that holds what belongs to
                a modality in `torch.nn.ModuleDict`, which does not take its name.
        Example:
            >>> corpus = affect.load("synthetic")
            >>> model = FusionModel.for_corpus(corpus, seed=0, fusion=affect.fusion.LowRankFusion, width=16)
            >>> model.encoders["text"].out_dim
            16
        """
        return ModelSpec.of(**parts).for_corpus(corpus, target, seed)

    @classmethod
    def for_shape(cls, dims: Mapping[str, int], target: Target, aligned: bool, **parts: Any) -> FusionModel:
        """A model for modalities of these sizes, without a scaler; parts as in `for_corpus`."""
        return ModelSpec.of(**parts).for_shape(dims, target, aligned)

    @property
    def modalities(self) -> list[str]:
        """What it reads in use: the modalities that are not there in training only."""
        return [name for name in self.encoders if name not in self.training_only]

    @property
    def indices(self) -> list[str]:
        """The modalities whose values are word indices."""
        return [name for name, encoder in self.encoders.items() if encoder.reads_indices]

    @property
    def needs_alignment(self) -> bool:
        """Whether step t must be the same moment in every modality that comes in."""
        return self.fusion.needs_alignment and self.aligner is None

    @property
    def causal(self) -> bool:
        """Whether no step that is predicted depends on a later one, by what its parts say."""
        return not later_readers(self)

    def __repr__(self) -> str:
        count, learn = (
            sum(p.numel() for p in self.parameters() if p.requires_grad or frozen) for frozen in (True, False)
        )
        target = self.head.target
        learning = "all learn" if learn == count else f"{learn:,} learn"
        shown = [f"{m}: {x.in_dim} -> {x.out_dim}, {type(x).__name__}" for m, x in self.encoders.items()]
        if len(shown) > _SHOWN:
            shown = [*shown[: _SHOWN - 1], f"and {len(shown) - _SHOWN + 1} more modalities"]
        aligner, imputer = (
            "none" if part is None else type(part).__name__ for part in (self.aligner, self.imputer)
        )
        only = f"; in training only: {few(list(self.training_only))}" if self.training_only else ""
        return "\n  ".join(
            [
                f"FusionModel({target.name} ({type(target).__name__}): {count:,} parameters, {learning})",
                *shown,
                f"aligner: {aligner}; imputer: {imputer}{only}",
                f"fusion: {type(self.fusion).__name__} -> {self.fusion.out_dim}",
                f"head: {type(self.head).__name__} -> {target.outputs}",
            ]
        )

    def forward(self, inputs: Mapping[str, Sequence]) -> Output:
        """Predict from a Sequence for each modality."""
        return self.fuse(self.encode(inputs))

    def encode(self, inputs: Mapping[str, Sequence], partly: bool = False) -> dict[str, Sequence]:
        """The encoded modalities.

        Args:
            inputs: a Sequence for each modality; others are left alone.
            partly: encode those that are given, and do not ask for all.
        """
        check_sequences("FusionModel", inputs)
        if partly:
            return self._encode({name: inputs[name] for name in self.encoders if name in inputs})
        if not self.training:
            inputs = {**inputs, **self._without_training_only(inputs)}
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
        sizes: dict[str, Any] = {name: self.encoders[name].in_dim for name in inputs}
        check_modalities("FusionModel", sizes, inputs)
        scaled = inputs if self.scaler is None else self.scaler(inputs)
        return {name: self.encoders[name](x) for name, x in scaled.items()}

    def _without_training_only(self, inputs: Mapping[str, Sequence]) -> dict[str, Sequence]:
        """The modalities that are there in training only, unobserved."""
        some = next(iter(inputs.values()), None)
        if some is None:
            return {}
        nothing = torch.zeros_like(some.mask)
        return {
            name: Sequence(some.values.new_zeros(*some.mask.shape, dim), nothing)
            for name, dim in self.training_only.items()
        }


_SHOWN = 6
"""Modalities in the summary of a model."""


def check_model(who: str, model: Any) -> None:
    """Refuse what is no model that was made; `who` begins the message.

    Raises:
        ConfigError: it is a class, a text, or something else.
    Example:
        >>> check_model("fit", FusionModel)
        Traceback (most recent call last):
        affect.errors.ConfigError: fit: expected a FusionModel, got the class FusionModel; make one:
        affect.FusionModel.for_corpus(corpus)
    """
    if not isinstance(model, FusionModel):
        raise ConfigError(
            f"{who}: expected a FusionModel, got {described(model)}; make one: "
            "affect.FusionModel.for_corpus(corpus)"
        )


@renamed.arguments(helpers="training_only")
@dataclass
class ModelSpec:
    """What a model is made of: its parts, and what they read.

    Each part is a class, or a partial of one (`functools.partial(LowRankFusion, rank=8)`), that is called
    with the sizes it is for.

    Args:
        encoder: for every modality that has none of its own.
        encoders: for modalities by name; none in the place of one leaves its modality out.
        aligner: what brings the encoded modalities onto the same steps, for a fusion that needs it.
        imputer: what stands in for modalities that are absent, before the aligner.
        training_only: modalities that are there in training alone.
        fusion: how the encoded modalities become one.
        head: the one for the kind of target by default; `Head`, which may have arguments, stands for it too.
        modalities: which to use; all by default.
        width: feature size of what the encoders give, one for all or one for each by name.
        out_dim: feature size of what the fusion gives, unless it has one of its own.
        scaling: standard, robust or none.
        nonfinite: what becomes of NaN and infinite values: mean, mask or refuse.
        causal: whether a step is predicted from what was there until then, as while a conversation goes on.
            Parts that take `causal` are made so; recurrent encoders read forwards alone, whatever
            `bidirectional` says, and graphs have no edges from later steps, whatever `future` says. A part
            that reads later steps all the same is refused.
    Raises:
        ConfigError: a part is no class or partial of one; a size is not positive; names are no list; when it
            is built to be causal, a part that reads later steps, or a target that is one for the sample.
    Example:
        >>> spec = ModelSpec(fusion=affect.fusion.TensorFusion, width=8)
        >>> type(spec.for_corpus(affect.load("synthetic")).fusion).__name__
        'TensorFusion'
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "width": IntDistribution(16, 64, step=16),
        "out_dim": IntDistribution(16, 128, step=16),
    }

    encoder: EncoderFactory | None = PooledEncoder
    encoders: dict[str, EncoderFactory | None] = field(default_factory=dict)
    aligner: AlignerFactory | None = None
    imputer: ImputerFactory | None = None
    training_only: list[str] = field(default_factory=list)
    fusion: FusionFactory = ConcatenationFusion
    head: HeadFactory | None = None
    modalities: list[str] | None = None
    width: int | dict[str, int] = 32
    out_dim: int = 64
    scaling: Scaling = "standard"
    nonfinite: Nonfinite = "mean"
    causal: bool = False

    def __post_init__(self) -> None:
        keys = ("encoder", "fusion", "aligner", "imputer", "head")
        check_factories(self.encoders, **{key: getattr(self, key) for key in keys})
        widths = self.width.items() if isinstance(self.width, Mapping) else [("", self.width)]
        sizes = {f"width{name and f': {name}'}": size for name, size in widths}
        for key, size in (sizes | {"out_dim": self.out_dim}).items():
            COUNT.check(f"FusionModel: {key}", size)
        check_flag("FusionModel: causal", self.causal)
        for key in ("modalities", "training_only"):
            if getattr(self, key) is not None:
                setattr(self, key, listed(f"FusionModel: {key}", getattr(self, key)))

    @classmethod
    def of(cls, **parts: Any) -> ModelSpec:
        """From parts by name, as a call of `FusionModel.for_corpus` gives them.

        Raises:
            ConfigError: there is no such part.
        """
        known = [one.name for one in fields(cls)]
        for name in sorted(parts.keys() - {*known, *cls.renamed}):  # type: ignore[attr-defined]  # by its decorator
            raise ConfigError(f"FusionModel: no part '{name}'; {did_you_mean(name, known)}")
        if isinstance(own := parts.get("encoder"), Mapping):
            parts = {**parts, "encoder": None, "encoders": {**own, **parts.get("encoders", {})}}
        return cls(**parts)

    def for_corpus(self, corpus: Corpus, target: str | None = None, seed: int | None = None) -> FusionModel:
        """The model for a corpus and one of its targets; arguments as in `FusionModel.for_corpus`."""
        check_corpus("FusionModel.for_corpus", corpus)
        for name, own in self.encoders.items():
            if own is not None and name not in corpus.dims:
                raise ConfigError(f"encoder: no modality '{name}'; {did_you_mean(name, corpus.dims)}")
        corpus = corpus if self.modalities is None else corpus.select(self.modalities)
        with seeded(seed):
            model = self.for_shape(corpus.dims, corpus.target(target), corpus.aligned)
        read = [name for name in model.encoders if name not in model.indices]
        for name in model.indices:
            check_indices(type(model.encoders[name]).__name__, corpus, name)
        model.head.fit(torch.from_numpy(corpus["train"].labels(model.head.target.name)))
        train = corpus.select(read)["train"] if read else None
        model.scaler = None if train is None else Scaler.fit(train, self.scaling, self.nonfinite)
        return model

    def for_shape(self, dims: Mapping[str, int], target: Target, aligned: bool) -> FusionModel:
        """The model for modalities of these sizes, without a scaler."""
        if self.causal:
            model = causal_parts(self).for_shape(dims, target, aligned)
            check_causal(model)
            model.spec = self
            return model
        dims = {name: dims[name] for name in sorted(dims) if self.encoders.get(name, self) is not None}
        encoders = {
            name: made_by("encoder", self.encoder_of(name), Encoder, dim, self.width_of(name))
            for name, dim in dims.items()
        }
        sizes = {name: part.out_dim for name, part in encoders.items()}
        with refused_names(sizes):
            fusion = made_by("fusion", self.fusion, Fusion, sizes, self.out_dim)
            aligner = None if self.aligner is None else made_by("aligner", self.aligner, Aligner, sizes)
            imputer = None if self.imputer is None else made_by("imputer", self.imputer, Imputer, sizes)
        head = made_by("head", head_of(target, self.head), Head, fusion.out_dim, target)
        model = FusionModel(
            encoders, fusion, head, aligner=aligner, imputer=imputer, training_only=self.training_only
        )
        model.spec = self
        if model.needs_alignment and not aligned:
            raise ConfigError(
                f"{type(fusion).__name__}: needs aligned sequences, and the corpus is not aligned; "
                "put an aligner before it (ResamplingAligner, WarpingAligner or AttentionAligner) or choose "
                "a fusion that reads unaligned ones"
            )
        return model

    def encoder_of(self, name: str) -> EncoderFactory:
        """What encodes the modality `name`."""
        known = {m: own for m, own in self.encoders.items() if own is not None}
        return known.get(name) or self.encoder or own_of("encoder", known, name)

    def width_of(self, name: str) -> int:
        """The feature size that its encoder gives."""
        return self.width if isinstance(self.width, int) else own_of("width", self.width, name)
