"""What flows: sequences with time, padding and absence; batches of them; what a model gives back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import InitVar, dataclass, field
from typing import Any, Self

import torch
from torch import Tensor

from affect.errors import ShapeError, described, few


@dataclass(frozen=True, eq=False, repr=False)
class Sequence:
    """Steps over time, and which of them were observed.

    Padding, dropped steps and a missing modality are one thing: steps where the mask is False.
    Their values are set to zero here, so nothing that lies under them can reach a model.
    A sample lacks a modality when its whole row is False; a vector is a sequence of one step.

    Args:
        values: features of every step, floating point.
        mask: bool, True where the step was observed.
        zeroed: that the values are zero already where nothing was observed, which is then not seen to again.
    Shapes:
        values: (batch, time, feature)
        mask: (batch, time)
    Raises:
        ShapeError: they are no tensors, or the two do not fit together.
    Example:
        >>> x = Sequence(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([[True, True, False]]))
        >>> x
        Sequence(batch 1, time 3, feature 1; float32, cpu)
        >>> x.mean()
        tensor([[2.]])
        >>> x.values[0, 2]
        tensor([0.])
    """

    values: Tensor
    mask: Tensor
    zeroed: InitVar[bool] = False

    def __post_init__(self, zeroed: bool) -> None:
        _check_tensors("Sequence", values=self.values, mask=self.mask)
        if self.values.dim() != 3 or not self.values.is_floating_point():
            raise ShapeError(
                "Sequence: values must be floating point of shape (batch, time, feature), "
                f"got {self.values.dtype} of shape {tuple(self.values.shape)}"
            )
        if self.mask.dtype != torch.bool or self.mask.shape != self.values.shape[:2]:
            raise ShapeError(
                f"Sequence: mask must be torch.bool of shape {tuple(self.values.shape[:2])}, "
                f"got {self.mask.dtype} of shape {tuple(self.mask.shape)}"
            )
        if not zeroed:
            object.__setattr__(self, "values", torch.where(self.mask.unsqueeze(-1), self.values, 0))

    def __repr__(self) -> str:
        batch, time, feature = self.values.shape
        kind = str(self.values.dtype).removeprefix("torch.")
        return f"Sequence(batch {batch}, time {time}, feature {feature}; {kind}, {self.values.device})"

    @classmethod
    def full(cls, values: Tensor) -> Self:
        """Observe every step of `values`, (batch, time, feature)."""
        _check_tensors("Sequence.full", values=values)
        return cls(values, torch.ones(values.shape[:2], dtype=torch.bool, device=values.device), zeroed=True)

    @classmethod
    def vector(cls, values: Tensor, present: Tensor | None = None) -> Self:
        """One step: `values` (batch, feature), observed where `present` (batch,), everywhere by default."""
        _check_tensors("Sequence.vector", values=values, **({} if present is None else {"present": present}))
        if values.dim() != 2:
            raise ShapeError(
                f"Sequence.vector: values must be of shape (batch, feature), got {tuple(values.shape)}; "
                "steps over time are Sequence.full(values), or Sequence(values, mask)"
            )
        if present is None:
            return cls.full(values.unsqueeze(1))
        return cls(values.unsqueeze(1), present.unsqueeze(1))

    @property
    def time(self) -> int:
        """Steps per row, padding included."""
        return self.values.shape[1]

    @property
    def dim(self) -> int:
        """Feature size."""
        return self.values.shape[2]

    @property
    def present(self) -> Tensor:
        """(batch,) bool: whether the sample has the modality at all."""
        return self.mask.any(1)

    @property
    def lengths(self) -> Tensor:
        """(batch,) int: how many steps were observed."""
        return self.mask.sum(1)

    def with_values(self, values: Tensor) -> Sequence:
        """The same steps with other values, (batch, time, any feature size)."""
        return Sequence(values, self.mask)

    def keep(self, mask: Tensor) -> Sequence:
        """Lose the steps where `mask`, (batch, time) or broadcastable, is False. Nothing moves."""
        return Sequence(self.values, self.mask & mask)

    def take(self, rows: Tensor) -> Sequence:
        """The samples `rows`, an index or a bool mask over the batch."""
        return Sequence(self.values[rows], self.mask[rows], zeroed=True)

    def mean(self) -> Tensor:
        """(batch, feature): the mean over observed steps; zeros where there are none."""
        return self.values.sum(1) / self.lengths.clamp(min=1).unsqueeze(-1).to(self.values.dtype)

    def to(self, *args: Any, **kwargs: Any) -> Sequence:
        """Move or cast the values as `Tensor.to` does; the mask follows the device."""
        values = self.values.to(*args, **kwargs)
        return Sequence(values, self.mask.to(values.device), zeroed=True)


def join(parts: Iterable[Sequence]) -> Sequence:
    """The steps of several sequences one after the other, (batch, sum of their times, feature).

    Example:
        >>> x = Sequence.full(torch.ones(2, 3, 4))
        >>> join([x, x]).time
        6
    """
    sequences = list(parts)
    values, mask = (
        torch.cat(parts, 1) for parts in zip(*((x.values, x.mask) for x in sequences), strict=True)
    )
    return Sequence(values, mask, zeroed=True)


def extent(mask: Tensor) -> tuple[Tensor, Tensor]:
    """First observed step of each sample, and how many steps later the last one is; zeros for none.

    Shapes:
        mask: (batch, time) bool -> (batch, 1), (batch, 1)
    Example:
        >>> [x.flatten().tolist() for x in extent(torch.tensor([[False, True, False, True], [False] * 4]))]
        [[1, 0], [2, 0]]
    """
    index = torch.arange(mask.shape[1], device=mask.device)
    first = torch.where(mask, index, mask.shape[1]).amin(1, keepdim=True)
    last = torch.where(mask, index, -1).amax(1, keepdim=True)
    some = last >= 0
    return torch.where(some, first, 0), torch.where(some, last - first, 0)


def place(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Where each step stands between a sample's first observed step, 0, and its last, 1; a single one at 0.5.

    Shapes:
        mask: (batch, time) bool -> (batch, time)
    Example:
        >>> place(torch.tensor([[True, False, True], [False, True, False]]), torch.float32)
        tensor([[0.0000, 0.5000, 1.0000],
                [0.5000, 0.5000, 0.5000]])
    """
    start, span = extent(mask)
    steps = (torch.arange(mask.shape[1], device=mask.device) - start).clamp(min=0).minimum(span)
    return torch.where(span > 0, steps.to(dtype) / span.clamp(min=1), 0.5)


def observed_first(mask: Tensor) -> Tensor:
    """Which step comes where, if the observed ones move to the front in their order, (batch, time).

    Example:
        >>> observed_first(torch.tensor([[False, True, False, True]]))
        tensor([[1, 3, 0, 2]])
    """
    return torch.argsort((~mask).to(torch.int8), dim=1, stable=True)


def pick(values: Tensor, index: Tensor) -> Tensor:
    """Steps `index`, (batch, any time), of `values`, (batch, time, feature).

    Example:
        >>> pick(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([[2, 0]]))
        tensor([[[9.],
                 [1.]]])
    """
    batch, time = values.shape[:2]
    # whole rows of one long list: much faster than to gather value by value
    rows = index + time * torch.arange(batch, device=index.device).unsqueeze(1)
    return values.flatten(0, 1).index_select(0, rows.flatten()).view(*index.shape, values.shape[-1])


@dataclass(frozen=True, eq=False, repr=False)
class Batch:
    """Some samples of one split.

    A target is a Sequence too: one step where a sample has one label, and a step per utterance
    where labels are per step. A step without a label is unobserved.

    Args:
        inputs: a Sequence for each modality; all have the same batch size, each its own time.
        target: the truth, with feature size 1 (a number, or a class index) or one per label.
        ids: the sample ids.
        rows: where the samples stand in their split, (batch,); none of a batch that is of no split.
        targets: other truths that were asked for, by name.
        groups: a number for the group of each sample (its video, its speaker), (batch,); none without groups.
        auxiliary: a batch of another corpus, which terms alone see.
    Example:
        >>> x = Sequence.full(torch.ones(2, 3, 4))
        >>> len(Batch({"text": x}, Sequence.vector(torch.zeros(2, 1)), ("a", "b")).to("cpu"))
        2
    """

    inputs: dict[str, Sequence]
    target: Sequence
    ids: tuple[str, ...]
    rows: Tensor | None = None
    targets: dict[str, Sequence] = field(default_factory=dict)
    groups: Tensor | None = None
    auxiliary: Batch | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        inputs = few([f"{name} {tuple(x.values.shape)}" for name, x in self.inputs.items()])
        return f"Batch({len(self)} samples: {inputs}; target {tuple(self.target.values.shape)})"

    def to(self, *args: Any, **kwargs: Any) -> Batch:
        """Move or cast every tensor."""
        inputs, targets = (
            {name: x.to(*args, **kwargs) for name, x in own.items()} for own in (self.inputs, self.targets)
        )
        target = self.target.to(*args, **kwargs)
        rows, groups = (
            None if one is None else one.to(target.values.device) for one in (self.rows, self.groups)
        )
        auxiliary = None if self.auxiliary is None else self.auxiliary.to(*args, **kwargs)
        return Batch(inputs, target, self.ids, rows, targets, groups, auxiliary)


def check_sequences(who: str, inputs: Mapping[str, Sequence]) -> None:
    """Refuse what is not a Sequence for each modality; `who` begins the message.

    Raises:
        ShapeError: it is no dictionary, or something in it is no Sequence.
    Example:
        >>> check_sequences("Sum", {"ecg": torch.ones(2, 3, 5)})
        Traceback (most recent call last):
        affect.errors.ShapeError: Sum: ecg: expected affect.Sequence, got a torch.Tensor; write
        affect.Sequence.full(x), or affect.Sequence(x, mask) where steps were not observed
    """
    if not isinstance(inputs, Mapping):
        remedy = "give its inputs: batch.inputs" if isinstance(inputs, Batch) else "write {name: sequence}"
        raise ShapeError(
            f"{who}: expected a dictionary of an affect.Sequence for each modality, got {described(inputs)}; "
            f"{remedy}"
        )
    for name, x in inputs.items():
        if not isinstance(x, Sequence):
            raise ShapeError(f"{who}: {name}: expected affect.Sequence, got {described(x)}; {_made_of(x)}")


def _made_of(x: Any) -> str:
    """How a Sequence is made of something that is none: the end of a message."""
    if not isinstance(x, Tensor):
        return "make a tensor of it, and write affect.Sequence.full(torch.as_tensor(x, dtype=torch.float32))"
    return "write affect.Sequence.full(x), or affect.Sequence(x, mask) where steps were not observed"


def _check_tensors(who: str, **given: Any) -> None:
    for name, x in given.items():
        if not isinstance(x, Tensor):
            raise ShapeError(
                f"{who}: {name} must be a torch.Tensor, got {described(x)}; write torch.as_tensor({name})"
            )


def check_modalities(who: str, dims: Mapping[str, int], inputs: Mapping[str, Sequence]) -> None:
    """Refuse inputs that are not the modalities of `dims`, each of its size; `who` begins the message.

    Raises:
        ShapeError: a modality is not in `dims`, is left out, is no Sequence, or has another feature size.
    Example:
        >>> check_modalities("Sum", {"ecg": 4}, {"ecg": Sequence.full(torch.ones(2, 3, 5))})
        Traceback (most recent call last):
        affect.errors.ShapeError: Sum: ecg needs feature size 4, got 5
    """
    check_sequences(who, inputs)
    if inputs.keys() != dims.keys():
        raise ShapeError(
            f"{who}: expected modalities {sorted(dims)}, got {sorted(inputs)}; "
            "a modality that is missing is a Sequence whose mask is False"
        )
    for modality, dim in dims.items():
        if inputs[modality].dim != dim:
            raise ShapeError(f"{who}: {modality} needs feature size {dim}, got {inputs[modality].dim}")


@dataclass(frozen=True, eq=False, repr=False)
class Output:
    """A prediction and everything on the way to it.

    Args:
        prediction: raw numbers of the head.
        fused: what came out of the fusion.
        encoded: what came out of the encoders.
        extras: what the fusion offers to auxiliary losses and to a curious reader.
    Shapes:
        prediction: (batch, steps, outputs); one step where a sample has one label
    """

    prediction: Tensor
    fused: Sequence
    encoded: dict[str, Sequence]
    extras: dict[str, Tensor] = field(default_factory=dict)

    def __repr__(self) -> str:
        encoded = few([f"{name} {tuple(x.values.shape)}" for name, x in self.encoded.items()])
        extras = f"; extras {few(list(self.extras))}" if self.extras else ""
        return (
            f"Output(prediction {tuple(self.prediction.shape)}; fused {tuple(self.fused.values.shape)}; "
            f"encoded {encoded}{extras})"
        )
