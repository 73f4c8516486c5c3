"""What can be known of what generated corpora plant, exactly: posteriors, and medians of counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Counts: TypeAlias = NDArray[np.int64]

EDGE = float(np.sqrt(3.0))  # latents are uniform on [-EDGE, EDGE]: variance 1


@dataclass(frozen=True)
class UniformPosterior:
    """The posterior of uniform latents: normal around what was measured, cut at the edges."""

    centre: Array
    spread: Array | float

    def _share(self, latent: Array | float) -> Array:
        from scipy.special import ndtr

        share: Array = ndtr((latent - self.centre) / self.spread)
        return share

    @classmethod
    def joint(cls, measured: Iterable[UniformPosterior]) -> UniformPosterior:
        """The posterior of latents that were measured more than once, with independent noise."""
        centre, precision = np.zeros(1), np.zeros(1)
        for x in measured:
            weight = np.asarray(x.spread, dtype=np.float64) ** -2
            centre, precision = centre + weight * x.centre, precision + weight
        return cls(centre / precision, precision**-0.5)

    def inside(self) -> Array:
        """How much of the normal that is cut lies between the edges."""
        inside: Array = self._share(EDGE) - self._share(-EDGE)
        return inside

    def below(self, latent: Array) -> Array:
        """Probability of less than `latent`, (..., samples)."""
        low, high = self._share(-EDGE), self._share(EDGE)
        below: Array = (self._share(np.clip(latent, -EDGE, EDGE)) - low) / (high - low)
        return below

    def at(self, shares: Array) -> Array:
        """(shares, samples): the latents that have these shares of the posterior below them."""
        from scipy.special import ndtri

        low, high = self._share(-EDGE), self._share(EDGE)
        latents: Array = self.centre + self.spread * ndtri(low + (high - low) * shares[:, None])
        return latents

    def mean(self) -> Array:
        """(samples,)."""
        low, high = ((edge - self.centre) / self.spread for edge in (-EDGE, EDGE))
        density = (np.exp(-(low**2) / 2) - np.exp(-(high**2) / 2)) / np.sqrt(2 * np.pi)
        mean: Array = self.centre + self.spread * density / (self._share(EDGE) - self._share(-EDGE))
        return mean


def median_count(shares: Array, ends: Counts) -> Counts:
    """How many of each sample's independent events happen, in the median.

    The distribution of a count is the inverse Fourier transform of its characteristic function, a product.

    Example:
        >>> median_count(np.array([0.9, 0.9, 0.1, 0.2]), np.array([0, 3, 4])).tolist()
        [2, 0]
    """
    size = int(np.diff(ends).max()) + 1
    turns = np.exp(-2j * np.pi * np.arange(size) / size)
    transform = np.multiply.reduceat(1 + shares[:, None] * (turns - 1), ends[:-1])
    chances = np.fft.ifft(transform).real
    counts: Counts = (chances.cumsum(1) < 0.5).sum(1)
    return counts
