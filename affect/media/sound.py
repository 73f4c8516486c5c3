"""Sound as one channel at one rate, a block at a time."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from affect.errors import DataError
from affect.media.base import TOLERANCE, AudioBlock
from affect.media.opening import check_stamp, pyav, refusing, stamp

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame

GAPS = 3600
"""Seconds of a recording, in all, for which there may be no sound between sound; more is damage."""

_SLOWEST, _FASTEST = 1_000, 768_000
"""Samples per second of a file; what changes other rates takes memory without bounds."""


def blocks(
    path: Path, frames: Iterator[AudioFrame], zero: Fraction, rate: int, notes: list[str]
) -> Iterator[AudioBlock]:
    """The blocks of decoded sound: where it goes on, each begins where the one before it ended.

    Args:
        path: of the file.
        frames: as they are decoded.
        zero: second 0, on the clock of the stamps.
        rate: samples per second.
        notes: is told of values that are no numbers.
    Raises:
        DataError: its times, or its samples per second, are none of a recording.
    """
    run: _Run | None = None
    gaps, wrong = 0.0, 0
    for frame in frames:
        with refusing(path):
            samples, own, time = mono(frame), frame.sample_rate, stamp(frame, zero)
        _check_own_rate(path, own)
        whole = np.isfinite(samples)
        wrong += int((~whole).sum())
        samples = np.where(whole, samples, np.float32(0))
        due = Fraction(0) if run is None else run.start + Fraction(run.taken, run.own)
        time = due if time is None else time
        check_stamp(path, time, float(time if run is None else due), "sound")
        late = 0.0 if run is None else float(time - due)
        if late < -TOLERANCE:  # what was heard already is not heard twice
            samples, time, late = samples[round(-late * own) :], due, 0.0
        if run is not None and (late > TOLERANCE or own != run.own):
            gaps += max(0.0, late)
            if gaps > GAPS:
                what = f"expected gaps of at most {GAPS // 60} minutes in all, got {gaps / 60:,.0f}"
                raise DataError(f"{path}: its sound: {what}; write the file anew")
            yield from run.rest()
            run = None
        run = run or _Run(path, time, own, rate)
        if len(samples):
            yield from run.more(samples)
    if run is not None:
        yield from run.rest()
    if wrong:
        notes.append(f"{wrong:,} samples of its sound are no numbers, and count as 0")


def _check_own_rate(path: Path, own: int) -> None:
    if not _SLOWEST <= own <= _FASTEST:
        what = f"expected {_SLOWEST:,} to {_FASTEST:,} samples of sound per second"
        raise DataError(f"{path}: {what}, got {own:,}")


class _Run:
    """Sound without a gap, from one rate to another.

    Args:
        path: of the file.
        start: second of its first sample.
        own: its samples per second.
        rate: those asked for.
    """

    def __init__(self, path: Path, start: Fraction, own: int, rate: int) -> None:
        self.path, self.start, self.own, self.rate = path, start, own, rate
        self.taken = self.given = 0
        self._change: Any = None if own == rate else pyav("Recording").AudioResampler("flt", "mono", rate)

    def more(self, samples: NDArray[np.float32]) -> Iterator[AudioBlock]:
        """What comes of some more samples."""
        at, self.taken = self.taken, self.taken + len(samples)
        if self._change is None:
            yield self._block(samples)
            return
        frame = pyav("Recording").AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = self.own, at, Fraction(1, self.own)
        yield from self._changed(frame)

    def rest(self) -> Iterator[AudioBlock]:
        """What is left when no more comes."""
        if self._change is not None and self.taken:
            yield from self._changed(None)

    def _changed(self, frame: Any) -> Iterator[AudioBlock]:
        with refusing(self.path):
            made = [np.asarray(one.to_ndarray()[0]) for one in self._change.resample(frame)]
        for samples in made:
            if len(samples):
                yield self._block(samples)

    def _block(self, samples: NDArray[np.float32]) -> AudioBlock:
        start = float(self.start + Fraction(self.given, self.rate))
        self.given += len(samples)
        return AudioBlock(start, samples)


def mono(frame: AudioFrame) -> NDArray[np.float32]:
    """The mean of a frame's channels, -1 to 1.

    Shapes:
        -> (samples,)
    """
    form, stored = frame.format, np.asarray(frame.to_ndarray())
    channels = len(frame.layout.channels)
    values = stored if form.is_planar else stored.reshape(-1, channels).T
    if values.dtype.kind == "u":
        values = (values.astype(np.float32) - 128) / 128
    elif values.dtype.kind == "i":
        values = values.astype(np.float32) / float(2 ** (8 * stored.dtype.itemsize - 1))
    mean: NDArray[np.float32] = values.mean(0, dtype=np.float32)
    return mean
