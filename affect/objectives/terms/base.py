"""The contract of a term: what is learned beside the label."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, TypeAlias

from optuna.distributions import BaseDistribution, FloatDistribution
from torch import Tensor, nn

from affect.bounds import NOT_NEGATIVE, Bounded
from affect.data.targets import Target
from affect.errors import ConfigError, did_you_mean
from affect.fusion import Fusion
from affect.heads import Head
from affect.naming import ModuleDict
from affect.scaling import Scaler
from affect.sequences import Batch, Output, Sequence

if TYPE_CHECKING:
    from affect.data.corpus import Split


class Model(Protocol):
    """What a term knows of a model: its parts, and how to look again."""

    encoders: ModuleDict
    fusion: Fusion
    head: Head
    scaler: Scaler | None

    @property
    def modalities(self) -> list[str]:
        """What it reads in use: not what is there in training only."""

    def __call__(self, inputs: Mapping[str, Sequence]) -> Output: ...
    def encode(self, inputs: Mapping[str, Sequence]) -> dict[str, Sequence]:
        """The encoded modalities."""

    def fuse(self, encoded: Mapping[str, Sequence]) -> Output:
        """The prediction from encoded modalities."""


def at_least_one(count: Tensor) -> Tensor:
    """What a sum is divided by on one device.

    Example:
        >>> at_least_one(torch.tensor(0))
        tensor(1)
    """
    return count.clamp(min=1)


@dataclass(frozen=True)
class Seen:
    """What a term may look at: a batch, what the model made of it, and the model for another look.

    Args:
        model: under training.
        batch: its inputs are undamaged.
        output: of the model, which was shown `inputs`.
        inputs: what it was shown: damaged where the training has a corruption.
        objective: the mean supervised loss of an output for this batch.
        teacher: of the training; None where there is none.
        epoch: from 0.
        draw: a number that is the same where the seed and the epoch are: of masks that are drawn from ids.
        total: of how many there are here, by how many a sum is divided: on several devices so that the mean
            of the devices is that over all.
        auxiliary: what the model made of a batch of the stage's auxiliary corpus; None where there is none.
        label_weight: of the objective in the loss; 0 in a stage that learns no label.
    """

    model: Model
    batch: Batch
    output: Output
    inputs: Mapping[str, Sequence]
    objective: Callable[[Output], Tensor]
    teacher: Model | None = None
    epoch: int = 0
    draw: int = 0
    total: Callable[[Tensor], Tensor] = at_least_one
    auxiliary: Seen | None = None
    label_weight: float = 1.0

    @cached_property
    def vectors(self) -> dict[str, Tensor]:
        """The mean of each modality over its observed steps, (batch, dim); zeros where it is absent."""
        return {name: x.mean() for name, x in self.output.encoded.items()}

    @cached_property
    def present(self) -> dict[str, Tensor]:
        """Whether each sample has each modality, (batch,)."""
        return {name: x.present for name, x in self.output.encoded.items()}

    @cached_property
    def clean(self) -> Output:
        """The output for undamaged inputs: a second look where those that were shown are damaged."""
        undamaged = {name: self.batch.inputs[name] for name in self.model.encoders}
        same = all(self.inputs[name] is x for name, x in undamaged.items())
        return self.output if same else self.model(undamaged)

    def pairs(self, anchor: str | None = None) -> Iterator[tuple[str, str, Tensor]]:
        """Every two modalities, or each with the anchor, and which samples have both, (batch,)."""
        for a, b in itertools.combinations(self.output.encoded, 2):
            if anchor in (None, a, b):
                yield a, b, self.present[a] & self.present[b]

    def extra(self, name: str) -> dict[str, Tensor]:
        """What the fusion offers by modality: (batch, modality, size) apart, (batch, size) each."""
        return dict(zip(self.model.fusion.dims, self.output.extras[name].unbind(1), strict=True))

    def mean(self, values: Tensor, counts: Tensor) -> Tensor:
        """The mean of values over what counts, zero where nothing does.

        Args:
            values: one for each sample, say.
            counts: how often each counts, or whether.
        Shapes:
            values, counts: (...) -> ()
        """
        return (values * counts).sum() / self.total(counts.sum())

    def detached(self) -> Seen:
        """The same, from which no gradient reaches the model: what critics learn from."""
        encoded = {name: x.with_values(x.values.detach()) for name, x in self.output.encoded.items()}
        fused = self.output.fused.with_values(self.output.fused.values.detach())
        extras = {name: x.detach() for name, x in self.output.extras.items()}
        prediction = self.output.prediction.detach()
        other = None if self.auxiliary is None else self.auxiliary.detached()
        return replace(self, output=Output(prediction, fused, encoded, extras), auxiliary=other)


class Term(Bounded, nn.Module):
    """Something to learn beside the label: (Seen) -> a mean over what counts.

    Write `forward`. A term averages itself, since it alone knows what counts: a sample without a label can
    have one. Its parameters learn with the model's. What else it may do:

    - `critics`: parts of it that learn by `learn`, on values from which no gradient reaches the model, in a
      step of their own before the model's; `forward` then leaves them as they are. With `rhythm` `epoch`
      they take a step for every training batch at the beginning of each epoch instead.
    - `observe`: after the step, without gradients: memories by sample (`seen.batch.rows`), moving averages.
    - `validate`, `end_epoch`: of each batch of the validation split, without gradients, and after them all.
    - `paces`: by how much the step of a modality's encoder is shortened.
    - `fit`: what is made of the training split before the first step, such as clusters.
    - `targets`, `prepare`: other targets of the corpus that it reads, and what is made by their kinds.

    `validate` alone is called in evaluation. Parameters and buffers are saved with the run.

    Args:
        model: is to be trained; its sizes are read.
        ids: of the samples that it is to be trained on; `seen.batch.rows` are places in it.
        weight: what its value is multiplied by in the loss.
    Shapes:
        seen -> ()
    Raises:
        ConfigError: the weight is below zero.
    Example:
        >>> class Small(Term):
        ...     def forward(self, seen):
        ...         some = torch.stack([*seen.present.values()]).any(0)  # a sample may lack all modalities
        ...         return seen.mean(seen.output.fused.mean().square().mean(-1), some)
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus)
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1), terms={"small": Small})
        >>> list(run.terms)
        ['small']
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {"weight": FloatDistribution(1e-3, 1.0, log=True)}
    needs: ClassVar[tuple[str, ...]] = ()
    """What the fusion must offer (`Fusion.offers`); `teacher` and `imputation` are the training's and the
    imputer's, `words` are an encoder's, `auxiliary` is the stage's other corpus."""
    looks_again: ClassVar[bool] = False
    """Whether the model runs a second time."""
    needs_labels: ClassVar[bool] = False
    """Whether a sample without a label counts for nothing."""
    compares: ClassVar[bool] = False
    """Whether its value for a sample depends on the others of the batch: each device compares its own.
    Batches then are of mixed lengths (`affect.training.loaders`)."""
    by_sample: ClassVar[bool] = True
    """Whether what `observe` remembers is by the sample, so that it says nothing of the validation split."""

    rhythm: str = "step"
    """When critics learn: before each `step` of the model, or from all batches before each `epoch`."""
    targets: tuple[str, ...] = ()
    """Other targets of the corpus that it reads, in `seen.batch.targets`."""

    def __init__(self, model: Model, ids: tuple[str, ...], weight: float = 0.1) -> None:
        super().__init__()
        NOT_NEGATIVE.check(f"{type(self).__name__}: weight", weight)
        self.dims, self.fused_dim, self.target = model.fusion.dims, model.fusion.out_dim, model.head.target
        self.rows, self.weight = len(ids), float(weight)

    def check_several(self) -> None:
        """Refuse a model of one modality: for terms that compare two.

        Raises:
            ConfigError: there are fewer than two.
        """
        if len(self.dims) < 2:
            raise ConfigError(
                f"{type(self).__name__}: needs 2 modalities or more, got {', '.join(self.dims)}; leave it out"
            )

    def prepare(self, targets: Mapping[str, Target]) -> None:
        """Called once, when it was made: what depends on the kinds of the corpus's targets is made here.

        Args:
            targets: of the corpus, by name; of a run that was loaded, those that the terms read.
        Raises:
            ConfigError: one that it reads is not among them.
        """
        for name in self.targets:
            if name not in targets:
                raise ConfigError(
                    f"{type(self).__name__}: targets: no target '{name}'; {did_you_mean(name, targets)}"
                )

    def fit(self, model: Model, split: Split) -> None:
        """Called before the first step of a stage: what is made of the training split is made here.

        It belongs into buffers: where a training is resumed, its checkpoint then replaces what is made anew.
        A term that goes on from a stage before has that one's buffers, and should leave them as they are.

        Args:
            model: is to be trained.
            split: that it is to be trained on.
        """

    def forward(self, seen: Seen) -> Tensor:
        """What the author writes: a mean over what counts, zero with a gradient where nothing does."""
        raise NotImplementedError(f"{type(self).__name__} must define forward")

    def critics(self) -> nn.Module | None:
        """The parts that `learn` trains; none by default."""
        return None

    def learn(self, seen: Seen) -> Tensor:
        """What critics learn from; `seen` is detached."""
        raise NotImplementedError(f"{type(self).__name__} has critics and must define learn")

    def observe(self, seen: Seen) -> None:
        """Called after each step, for what is learned otherwise than by gradients."""

    def validate(self, seen: Seen) -> None:
        """Called with each batch of the validation split, where labels are learned."""

    def end_epoch(self) -> None:
        """Called after the validation of each epoch."""

    def paces(self, seen: Seen) -> Mapping[str, Tensor | float]:
        """Of modalities whose encoder is to take a shorter step: the share that is taken, 0 to 1."""
        return {}


RHYTHMS: Final = ("step", "epoch")
"""When critics learn."""

TermFactory: TypeAlias = Callable[[Any, tuple[str, ...]], Term]
"""A Term class, or a partial of one: whatever makes a term from a model and the ids that it learns from."""
