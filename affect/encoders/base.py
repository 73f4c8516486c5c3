"""The contract of an encoder."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, TypeAlias

import optuna
from torch import Tensor, nn

from affect.bounds import Bounded
from affect.errors import ConfigError, ShapeError
from affect.sequences import Sequence, check_sequences
from affect.sizes import held


class Encoder(Bounded, nn.Module):
    """One modality's Sequence -> Sequence with feature size `out_dim`.

    Write `encode`; `forward` checks sizes on both sides. Read steps only where the mask is True,
    and leave a sample that has none without observed steps. Where no step reads a later one, say `causal =
    True`: a law looks whether it is so.

    Args:
        in_dim: feature size of the modality.
        out_dim: feature size of the encoded steps.
    Shapes:
        x: (batch, time, in_dim) -> (batch, time', out_dim)
    Raises:
        ShapeError: the input has another feature size than `in_dim`.
    """

    search_space: ClassVar[dict[str, optuna.distributions.BaseDistribution]] = {}
    causal: bool = False
    """Whether no step that comes out depends on a later one that came in."""
    reads_indices: bool = False
    """Whether values are word indices: they are not normalised then."""
    unknown: int = 0
    """The index that is read as an unknown word, where values are indices."""
    masked: int | None = None
    """The index that is read as a word that is hidden, where values are indices and there is one."""
    first_word: int = 0
    """The index of the first of `words`."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        if not (in_dim >= 1 and out_dim >= 1):  # of NaN neither holds
            raise ConfigError(
                f"{type(self).__name__}: sizes must be positive, got in_dim={in_dim}, out_dim={out_dim}"
            )
        self.in_dim, self.out_dim = in_dim, out_dim

    def forward(self, x: Sequence) -> Sequence:
        """Encode `x`, (batch, time, in_dim)."""
        check_sequences(type(self).__name__, {"x": x})
        if x.dim != self.in_dim:
            raise ShapeError(
                f"{type(self).__name__}: expected feature size {self.in_dim}, got {x.dim}; "
                "build the encoder for this modality's feature size"
            )
        encoded = self.encode(x)
        if encoded.dim != self.out_dim:
            raise ShapeError(
                f"{type(self).__name__}.encode must return feature size {self.out_dim}, got {encoded.dim}"
            )
        return encoded

    @property
    def words(self) -> Tensor | None:
        """The vectors of the words of its vocabulary, (words, size), where values are indices into one."""
        return None

    def time_of(self, steps: int) -> int:
        """How many steps come out of so many."""
        return steps

    def activations(self, batch: int, steps: int) -> int:
        """A bound on the numbers that are held while samples of so many steps are encoded.

        With gradients it is all that the backward pass needs, else the most at one time. By default it is
        drawn from the weights, each of which is taken to read every step. Write another where something grows
        otherwise, such as with the square of the steps.
        """
        return held(self, batch * steps) + 4 * batch * steps * self.in_dim

    def encode(self, x: Sequence) -> Sequence:
        """What the author of an encoder writes."""
        raise NotImplementedError(f"{type(self).__name__} must define encode")


EncoderFactory: TypeAlias = Callable[[int, int], Encoder]
"""An Encoder class, or a partial of one: whatever makes an encoder from `in_dim` and `out_dim`."""

Gate: TypeAlias = Callable[[Sequence, list[Sequence]], Sequence]
"""From hidden states and other modalities at the same steps to hidden states."""


class LayeredEncoder(Encoder):
    """An encoder that other modalities can be let into between its layers.

    Write `encode_with`; `encode` is the same without a gate.

    Missing:
        steps are read only where the mask is True, also by the gate.
    """

    width: int
    """Feature size of the hidden states."""
    depth: int
    """Layers."""

    def check_layer(self, who: str, layer: int) -> None:
        """Refuse a layer that it does not have; `who` begins the message.

        Raises:
            ConfigError: it is below zero or above `depth`.
        """
        if not 0 <= layer <= self.depth:
            raise ConfigError(f"{who}: {type(self).__name__} has layers 0 to {self.depth}, got layer={layer}")

    def encode(self, x: Sequence) -> Sequence:
        return self.encode_with(x, None, 0, [])

    def encode_with(self, x: Sequence, gate: Gate | None, layer: int, others: list[Sequence]) -> Sequence:
        """Encode `x`; after `layer` layers the hidden states become what `gate` makes of them and `others`.

        Args:
            x: (batch, time, in_dim)
            gate: what changes the hidden states; none leaves them alone.
            layer: layers before the gate, 0 to `depth`.
            others: at the same steps as `x`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define encode_with")
