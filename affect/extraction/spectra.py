"""Spectra of sound on the mel scale, and their cepstra."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from affect.bounds import COUNT, NOT_NEGATIVE, POSITIVE
from affect.data.samples import Steps
from affect.errors import ConfigError
from affect.extraction.base import Extractor
from affect.extraction.windows import Grid, Means
from affect.media import Media
from affect.media.base import AUDIO_RATE

FLOOR = 1e-10
"""The least energy of a band, so that silence has a logarithm."""


class _Spectra(Extractor):
    """What the two have in common: windows, bands, and means over stretches of time."""

    def __init__(
        self,
        bands: int,
        low: float,
        high: float | None,
        window: float,
        hop: float,
        rate: int,
        every: float | None,
    ) -> None:
        who = type(self).__name__
        AUDIO_RATE.check(f"{who}: sound_rate", rate)
        COUNT.check(f"{who}: bands", bands)
        NOT_NEGATIVE.check(f"{who}: low", low)
        for name, value in (("window", window), ("hop", hop), ("every", every), ("high", high)):
            if value is not None:
                POSITIVE.check(f"{who}: {name}", value)
        self.bands, self.low, self.high, self.window, self.hop = bands, low, high, window, hop
        self.sound_rate, self.every = rate, every
        self.grid = Grid(rate, round(window * rate), round(hop * rate))
        if self.grid.hop < 1 or self.grid.size < 2:
            raise ConfigError(
                f"{who}: expected a window of samples, got {window:g} and {hop:g} seconds at {rate} Hz"
            )
        if every is not None and every < hop:
            raise ConfigError(f"{who}: every: expected at least hop, {hop:g} seconds, got {every:g}")
        ends = low, rate / 2 if high is None else high
        if not ends[0] < ends[1] <= rate / 2:
            raise ConfigError(
                f"{who}: expected low < high <= {rate / 2:g} Hz, got {ends[0]:g} and {ends[1]:g}"
            )
        self._points = 1 << (self.grid.size - 1).bit_length()
        self._filters = mel_filters(bands, *ends, rate, self._points)
        if empty := int((self._filters.sum(1) == 0).sum()):
            what = f"{empty} of {bands} without any frequency of a spectrum of {self._points} points"
            raise ConfigError(f"{who}: bands: {what}; take fewer, or a longer window")
        self._taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.grid.size) / self.grid.size)
        self.rate = 1 / (hop if every is None else every)

    @abstractmethod
    def of_bands(self, energies: NDArray[np.float64]) -> NDArray[np.float64]:
        """What becomes of the logarithms of the bands' energies, (windows, bands)."""

    def __call__(self, media: Media) -> Steps | None:
        blocks = media.audio(self.sound_rate)
        if blocks is None:
            return None
        grid, dim = self.grid, len(self.columns)
        hop = grid.hop / grid.rate
        means = None if self.every is None else Means(self.every, dim)
        found: list[tuple[NDArray[np.float32], NDArray[np.bool_]]] = []
        start, count = 0.0, 0
        for begin, windows in grid.over(blocks):
            start = begin
            numbers = np.arange(windows.first, windows.first + len(windows.samples))
            values = self.of_bands(self._bands(windows.samples)) * windows.observed[:, None]
            count = int(numbers[-1]) + 1
            if means is None:
                found.append((values.astype(np.float32), windows.observed))
            else:
                means.add(values, windows.observed, numbers * np.float64(hop))
        if not count:
            return None
        if means is None:
            observed = np.concatenate([one for _, one in found])
            begins = np.arange(count) * hop
            times = np.stack([begins, begins + grid.size / grid.rate], 1)
            return Steps(np.concatenate([one for one, _ in found]), start + times, observed)
        values, observed = means.result()
        ends = np.arange(len(values) + 1) * means.every
        ends[-1] = min(ends[-1], (count - 1) * hop + grid.size / grid.rate)
        return Steps(values.astype(np.float32), start + np.stack([ends[:-1], ends[1:]], 1), observed)

    def _bands(self, samples: NDArray[np.float32]) -> NDArray[np.float64]:
        """The natural logarithm of the energy in each band: (windows, size) -> (windows, bands)."""
        spectra = np.fft.rfft(samples.astype(np.float64) * self._taper, self._points)
        return np.log(np.maximum((spectra.real**2 + spectra.imag**2) @ self._filters.T, FLOOR))


class MelSpectrum(_Spectra):
    """Log-mel spectrum: the logarithm of the sound's energy in bands that are equally wide to the ear.

    Of each window (Hann) the power spectrum, in triangles of height 1 whose centres are equally spaced on the
    mel scale 2595 log10(1 + f / 700), natural logarithm, energies below 1e-10 raised to that.

    Args:
        bands: how many.
        low: Hz at which the first begins.
        high: Hz at which the last ends; None: half of `sound_rate`.
        window: seconds.
        hop: seconds from one window to the next.
        sound_rate: Hz at which the sound is read.
        every: seconds; each step is the mean over the windows that begin in such a stretch, from the first
            sample on. None: each window is a step.
    Missing:
        a window that is not recorded from end to end is an unobserved step; a stretch without any other, too.
        Sound shorter than a window has no steps.
    Also known as:
        mel filter bank, fbank.
    Reference:
        Davis and Mermelstein, Comparison of Parametric Representations for Monosyllabic Word Recognition,
        IEEE TASSP 1980; the mel scale as in HTK. Differs: no pre-emphasis, and a Hann window.
    Example:
        >>> from scipy.io import wavfile
        >>> path = getfixture("tmp_path") / "tone.wav"
        >>> wavfile.write(path, 16_000, np.sin(0.4 * np.arange(16_000)).astype(np.float32))
        >>> steps = MelSpectrum(bands=8, every=0.25)(affect.media.Recording(path))
        >>> steps.values.shape, steps.times[:2].tolist(), int(steps.values[0].argmax())
        ((4, 8), [[0.0, 0.25], [0.25, 0.5]], 2)
    """

    def __init__(
        self,
        bands: int = 40,
        low: float = 20.0,
        high: float | None = None,
        window: float = 0.025,
        hop: float = 0.010,
        sound_rate: int = 16_000,
        every: float | None = None,
    ) -> None:
        super().__init__(bands, low, high, window, hop, sound_rate, every)
        self.columns = tuple(f"log_mel_{i}" for i in range(bands))

    def of_bands(self, energies: NDArray[np.float64]) -> NDArray[np.float64]:
        return energies


class MFCC(_Spectra):
    """Mel-frequency cepstral coefficients: the cosine transform of `MelSpectrum`'s bands.

    Coefficients 0 to `coefficients` - 1 of the orthonormal transform (type 2); 0 is the loudness.

    Args:
        coefficients: how many.
        bands: of the spectrum; the rest as in `MelSpectrum`.
        low: Hz.
        high: Hz.
        window: seconds.
        hop: seconds.
        sound_rate: Hz.
        every: seconds, or None.
    Missing:
        as in `MelSpectrum`.
    Reference:
        Davis and Mermelstein, Comparison of Parametric Representations for Monosyllabic Word Recognition,
        IEEE TASSP 1980. Differs: as in `MelSpectrum`, and no liftering.
    Example:
        >>> MFCC(coefficients=3).columns
        ('mfcc_0', 'mfcc_1', 'mfcc_2')
    """

    def __init__(
        self,
        coefficients: int = 13,
        bands: int = 40,
        low: float = 20.0,
        high: float | None = None,
        window: float = 0.025,
        hop: float = 0.010,
        sound_rate: int = 16_000,
        every: float | None = None,
    ) -> None:
        COUNT.check("MFCC: coefficients", coefficients)
        super().__init__(bands, low, high, window, hop, sound_rate, every)
        if coefficients > bands:
            raise ConfigError(
                f"MFCC: expected at most as many coefficients as bands, {bands}, got {coefficients}"
            )
        self.coefficients = coefficients
        self.columns = tuple(f"mfcc_{i}" for i in range(coefficients))
        order, band = np.arange(coefficients)[:, None], np.arange(bands)
        self._cosines = np.cos(np.pi * order * (2 * band + 1) / (2 * bands)) * np.sqrt(2 / bands)
        self._cosines[0] /= np.sqrt(2)

    def of_bands(self, energies: NDArray[np.float64]) -> NDArray[np.float64]:
        cepstra: NDArray[np.float64] = energies @ self._cosines.T
        return cepstra


def mel_filters(bands: int, low: float, high: float, rate: int, points: int) -> NDArray[np.float64]:
    """Triangles over the frequencies of a spectrum, each from the centre before it to the one behind it.

    Args:
        bands: how many.
        low: Hz at which the first begins.
        high: Hz at which the last ends.
        rate: samples per second.
        points: of the transform.
    Shapes:
        -> (bands, points // 2 + 1)
    Example:
        >>> filters = mel_filters(4, 0, 4000, 8000, 64)
        >>> filters.shape, bool((filters.max(1) > 0.5).all())
        ((4, 33), True)
    """
    ends = 2595 * np.log10(1 + np.array([low, high]) / 700)
    edges = 700 * (10 ** (np.linspace(float(ends[0]), float(ends[1]), bands + 2) / 2595) - 1)
    frequencies = np.arange(points // 2 + 1) * rate / points
    rising = (frequencies - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - frequencies) / np.diff(edges)[1:, None]
    filters: NDArray[np.float64] = np.maximum(0, np.minimum(rising, falling))
    return filters
