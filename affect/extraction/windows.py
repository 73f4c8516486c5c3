"""Sound cut into windows, and features of windows averaged: a piece at a time, gaps kept as gaps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from affect.media import AudioBlock

_AT_ONCE = 512
"""Windows that are held at the same time."""


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows that follow each other.

    Args:
        first: number of the first of them.
        samples: the sound of each; zeros where there is none.
        observed: those that were recorded from end to end.
    Shapes:
        samples: (windows, size)
        observed: (windows,)
    """

    first: int
    samples: NDArray[np.float32]
    observed: NDArray[np.bool_]


@dataclass(frozen=True)
class Grid:
    """Windows over sound: window k begins k * `hop` samples after the first sample.

    Args:
        rate: samples per second.
        size: samples of a window.
        hop: samples from one to the next.
    """

    rate: int
    size: int
    hop: int

    def over(self, blocks: Iterator[AudioBlock]) -> Iterator[tuple[float, Windows]]:
        """When the first window begins, in seconds, and some windows, to the end; none is filled up.

        Memory does not depend on the length. Where sound is missing, windows are there, unobserved.

        Args:
            blocks: of sound at `rate`.
        """
        pieces: list[_Piece] = []
        start, held, done = 0.0, 0, 0
        for start, piece in self._pieces(blocks):
            pieces.append(piece)
            held += len(piece[0])
            if held >= self.size + self.hop * _AT_ONCE:
                sound, known = _joined(pieces)
                for windows in self._full(sound, known, done):
                    yield start, windows
                past = self._count(held) * self.hop
                pieces, held, done = [(sound[past:], known[past:])], held - past, done + self._count(held)
        if pieces:
            for windows in self._full(*_joined(pieces), done):
                yield start, windows

    def _pieces(self, blocks: Iterator[AudioBlock]) -> Iterator[tuple[float, _Piece]]:
        """When the sound begins, and a piece of it; a gap is some pieces of which nothing is known."""
        start, end, most = 0.0, 0, self.hop * _AT_ONCE
        for number, block in enumerate(blocks):
            start = start if number else block.start
            gap = max(0, round((block.start - start) * self.rate) - end)
            end += gap + len(block.samples)
            for some in (most,) * (gap // most) + (gap % most,):
                if some:
                    yield start, (np.zeros(some, np.float32), np.zeros(some, np.bool_))
            yield start, (block.samples, np.ones(len(block.samples), np.bool_))

    def _count(self, samples: int) -> int:
        return max(0, (samples - self.size) // self.hop + 1)

    def _full(self, sound: NDArray[np.float32], known: NDArray[np.bool_], done: int) -> Iterator[Windows]:
        count = self._count(len(sound))
        for first in range(0, count, _AT_ONCE):
            some = min(_AT_ONCE, count - first)
            piece = slice(first * self.hop, (first + some - 1) * self.hop + self.size)
            samples, whole = (sliding_window_view(x[piece], self.size)[:: self.hop] for x in (sound, known))
            yield Windows(done + first, samples.astype(np.float32, copy=False), np.all(whole, axis=1))


_Piece: TypeAlias = tuple[NDArray[np.float32], NDArray[np.bool_]]


def _joined(pieces: list[_Piece]) -> _Piece:
    return np.concatenate([sound for sound, _ in pieces]), np.concatenate([known for _, known in pieces])


class Means:
    """Means of observed steps over stretches of equal length, as the steps come.

    Args:
        every: seconds of a stretch; no less than from one step to the next.
        dim: features of a step.
    Example:
        >>> means = Means(0.5, 1)
        >>> means.add(np.array([[1.0], [3.0], [7.0]]), np.array([True, True, False]), np.array([0, 0.2, 0.6]))
        >>> means.add(np.array([[5.0]]), np.array([True]), np.array([0.8]))
        >>> values, observed = means.result()
        >>> values.tolist(), observed.tolist()
        ([[2.0], [5.0]], [True, True])
    """

    def __init__(self, every: float, dim: int) -> None:
        self.every, self.dim = every, dim
        self._sums: list[NDArray[np.float64]] = []
        self._counts: list[NDArray[np.int64]] = []
        self._first = 0

    def add(
        self, values: NDArray[np.float64], observed: NDArray[np.bool_], starts: NDArray[np.float64]
    ) -> None:
        """Some more steps.

        Args:
            values: (steps, dim)
            observed: (steps,)
            starts: seconds from the beginning of the first stretch, which do not fall, (steps,).
        """
        places = np.floor(starts / self.every + 1e-9).astype(np.int64)
        first, count = int(places[0]), int(places[-1] - places[0]) + 1
        sums, counts = np.zeros((count, self.dim)), np.zeros(count, np.int64)
        np.add.at(sums, places[observed] - first, values[observed])
        np.add.at(counts, places[observed] - first, 1)
        if self._sums and first < self._first:  # the last stretch goes on
            self._sums[-1][-1] += sums[0]
            self._counts[-1][-1] += counts[0]
            sums, counts = sums[1:], counts[1:]
        if len(sums):
            self._sums.append(sums)
            self._counts.append(counts)
        self._first = first + count

    def result(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """The mean of each stretch, zeros where nothing was observed in it, and where anything was.

        Shapes:
            -> (stretches, dim), (stretches,)
        """
        sums = np.concatenate([np.zeros((0, self.dim)), *self._sums])
        counts = np.concatenate([np.zeros(0, np.int64), *self._counts])
        return sums / np.maximum(counts, 1)[:, None], counts > 0
