"""What fusions of conversations share: the modalities of an utterance side by side, and who speaks."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from affect.errors import ConfigError, DataError
from affect.fusion.base import Fusion
from affect.kernels.tracing import is_traced, on_cpu_kernel
from affect.naming import ParameterDict
from affect.sequences import Sequence


class DialogueFusion(Fusion):
    """A fusion of the utterances of a conversation, which may know who speaks.

    Write `fuse`, beginning with `utterances`.

    Args:
        dims: feature size of each modality.
        out_dim: feature size of a fused step.
        speaker: a modality that tells who speaks: in the same words for the same speaker. It is not fused.
    Missing:
        a learned vector, zero until trained, takes the place of a modality that is unobserved at a step. A
        step of which only the speaker is known is one that was not heard: it is told from the others. It is
        unobserved where nothing is known of it, not even who speaks.
    Raises:
        ConfigError: no such speaker, or nothing but one.
        ShapeError: the sequences differ in their steps.
    """

    needs_alignment: ClassVar[bool] = True

    def __init__(self, dims: dict[str, int], out_dim: int, speaker: str | None = None) -> None:
        super().__init__(dims, out_dim)
        self.speaker = None if speaker is None else self.named(speaker)
        said = {m: d for m, d in self.dims.items() if m != self.speaker}
        if not said:
            raise ConfigError(
                f"{type(self).__name__}: expected something that is said, got the speaker alone"
            )
        self.absent = ParameterDict({m: nn.Parameter(torch.zeros(d)) for m, d in said.items()})
        self.said = sum(said.values())

    def utterances(self, inputs: dict[str, Sequence]) -> Sequence:
        """What is said, the modalities side by side, (batch, time, sum of their sizes)."""
        said = {m: inputs[m] for m in self.absent}
        filled = [torch.where(x.mask.unsqueeze(-1), x.values, self.absent[m]) for m, x in said.items()]
        known = [x.mask for x in said.values()]
        if self.speaker is not None:
            known.append(inputs[self.speaker].mask)
        return Sequence(torch.cat(filled, -1), torch.stack(known).any(0))

    def numbered(self, need: str) -> None:
        """Refuse a speaker that is not the number of a party; `need` says what reads it.

        Raises:
            ConfigError: there is no speaker, or it has more than one feature.
        """
        who = f"{type(self).__name__}: {need} needs the number of a party"
        if self.speaker is None:
            raise ConfigError(f"{who}; name the modality that has it as speaker")
        if self.dims[self.speaker] != 1:
            raise ConfigError(f"{who}, got '{self.speaker}' with feature size {self.dims[self.speaker]}")

    def parties(self, inputs: dict[str, Sequence]) -> Sequence:
        """The numbers of parties, where the CPU computes refused if they were scaled.

        Raises:
            DataError: a number is not whole.
        """
        x = inputs[str(self.speaker)]
        if on_cpu_kernel(x.values) and bool((x.values != x.values.round()).any()):
            raise DataError(
                f"{type(self).__name__}: expected whole numbers of parties from '{self.speaker}', got others;"
                " leave them unscaled: PassEncoder with indices=True"
            )
        return x

    def turns(self, inputs: dict[str, Sequence]) -> Tensor:
        """Which party speaks: a number from 0 in the order of first utterances, -1 where nobody knows.

        Shapes:
            -> (batch, time)
        """
        mask = next(iter(inputs.values())).mask
        if self.speaker is None or not mask.shape[1]:
            return torch.zeros_like(mask, dtype=torch.long)
        speaker = known_speaker(inputs[self.speaker])
        every = torch.arange(speaker.time, device=mask.device).expand(len(mask), speaker.time, -1)
        first = (same_speaker(speaker, every) == 1).to(torch.uint8).argmax(-1)
        number = (speaker.mask & (first == every[:, 0])).cumsum(1) - 1
        return torch.where(speaker.mask, number.gather(1, first), -1)


def parties_in(turns: Tensor) -> int:
    """How many parties there are in a batch at most, of `DialogueFusion.turns`; a compiler asks no values.

    Example:
        >>> parties_in(torch.tensor([[0, 1, 0], [0, -1, -1]]))
        2
    """
    if is_traced() or not turns.shape[1]:
        return turns.shape[1]
    return int(turns.max().clamp(min=0)) + 1


def known_speaker(speaker: Sequence) -> Sequence:
    """Where it is known who speaks: nobody knows of a step that is unobserved, or all zeros as party 0 is.

    Example:
        >>> known_speaker(Sequence.full(torch.tensor([[[1.0], [0.0], [2.0]]]))).mask
        tensor([[ True, False,  True]])
    """
    return speaker.keep((speaker.values != 0).any(-1))


def same_speaker(speaker: Sequence, index: Tensor) -> Tensor:
    """Whether the speaker of a step and of others is the same: 0 for another, 1 the same, 2 nobody knows.

    Shapes:
        speaker: (batch, time, any size), index: (batch, time, others) -> (batch, time, others)
    Example:
        >>> speaker = Sequence(torch.tensor([[[1.0], [2.0], [1.0]]]), torch.tensor([[True, True, False]]))
        >>> same_speaker(speaker, torch.arange(3).expand(1, 3, 3))
        tensor([[[1, 0, 2],
                 [0, 1, 2],
                 [2, 2, 2]]])
    """
    flat = index.flatten(1)
    other = speaker.values.gather(1, flat.unsqueeze(-1).expand(-1, -1, speaker.dim))
    same = (other.view(*index.shape, -1) == speaker.values.unsqueeze(2)).all(-1)
    known = speaker.mask.gather(1, flat).view(index.shape) & speaker.mask.unsqueeze(-1)
    return torch.where(known, same.long(), 2)
