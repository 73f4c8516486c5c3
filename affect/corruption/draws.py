"""Random numbers that belong to a sample: neither its place in a batch nor the device has a part in them."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from typing import Final

import torch
from torch import Tensor

_STRIDE: Final = -7046029254386353131  # the golden ratio's 64 bits, as a signed number
_MIX: Final = ((30, -4658895280553007687), (27, -7723592293110705685), (31, 1))


class Draws:
    """Numbers drawn for each sample of a batch from a seed, the sample's id, and what they are for.

    The same seed, id and name give the same numbers in any batch, and a longer draw begins with the numbers
    of a shorter one, so that padding changes nothing. They are drawn on the CPU: every device gets the same.

    Args:
        ids: of the samples.
        seed: what tells one draw for a sample from another.
    Reference:
        Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators, OOPSLA 2014, figure 17, as a
        hash of a counter.
    Example:
        >>> both, one = Draws(("a", "b"), seed=0), Draws(("b",), seed=0)
        >>> bool((both.uniform("rate", 5)[1:] == one.uniform("rate", 7)[:, :5]).all())
        True
    """

    def __init__(self, ids: Iterable[str], seed: int = 0) -> None:
        self.ids = tuple(ids)
        self._keys = _mixed(hashed(self.ids) ^ hashed([f"seed {seed}"]))

    def apart(self, name: str) -> Draws:
        """Other numbers for the same samples."""
        other = copy.copy(self)
        other._keys = self._for(name)
        return other

    def uniform(self, name: str, *shape: int) -> Tensor:
        """(batch, *shape) float64, above 0 and below 1."""
        count = torch.arange(1, math.prod(shape) + 1)
        bits = _mixed(self._for(name).unsqueeze(1) + _STRIDE * count)
        return ((_shifted(bits, 12).double() + 0.5) * 2**-52).view(-1, *shape)

    def normal(self, name: str, *shape: int) -> Tensor:
        """(batch, *shape) float64, of mean 0 and variance 1."""
        normal: Tensor = torch.special.ndtri(self.uniform(name, *shape))
        return normal

    def _for(self, name: str) -> Tensor:
        return _mixed(self._keys ^ hashed([name]))


def hashed(names: Iterable[str]) -> Tensor:
    """64 bits for each name, the same in every process.

    Args:
        names: of samples, say.
    Example:
        >>> bool(hashed(["a", "b"])[1] == hashed(["b"])[0])
        True
    """
    import numpy as np
    from pandas.util import hash_array

    found = hash_array(np.array([*names], dtype=object), categorize=False)
    return torch.from_numpy(found.view(np.int64))


def _mixed(bits: Tensor) -> Tensor:
    """Every bit of the outcome depends on every bit that came in."""
    for shift, factor in _MIX:
        bits = (bits ^ _shifted(bits, shift)) * factor
    return bits


def _shifted(bits: Tensor, places: int) -> Tensor:
    """To the right, with zeros from the left: torch's own shift keeps the sign."""
    return (bits >> places) & ((1 << (64 - places)) - 1)
