"""Spectra and cepstra against loops and scipy, and what becomes of gaps."""

import math

import numpy as np
import pytest
import scipy.fft

import affect
from affect.errors import ConfigError
from affect.extraction import MFCC, MelSpectrum
from affect.media.base import AudioBlock, Media
from affect.testing import EXTRACTOR_LAWS, MadeRecording

RATE = 16_000


class Sound(Media):
    """Blocks that are given."""

    def __init__(self, *blocks):
        super().__init__()
        self.blocks = [AudioBlock(start, np.asarray(samples, np.float32)) for start, samples in blocks]

    def audio(self, rate=RATE):
        return iter(self.blocks)

    def frames(self, rate=None):
        return None

    def part(self, start, end=None):
        raise NotImplementedError


def noise(seconds, seed=0):
    return np.random.default_rng(seed).normal(size=round(seconds * RATE)).astype(np.float32) * 0.1


def hertz(mel):
    return 700 * (math.exp(mel / 1127.0104804) - 1)  # the same scale with natural logarithms


def mels(hz):
    return 1127.0104804 * math.log(1 + hz / 700)


def log_mel(samples, bands, low, high, size=400, hop=160, points=512):
    """One window, one band, one frequency after another."""
    rows = []
    centres = [hertz(mels(low) + i * (mels(high) - mels(low)) / (bands + 1)) for i in range(bands + 2)]
    taper = scipy.signal.get_window("hann", size)
    for first in range(0, len(samples) - size + 1, hop):
        power = np.abs(scipy.fft.fft(samples[first : first + size].astype(np.float64) * taper, points)) ** 2
        row = []
        for before, centre, behind in zip(centres, centres[1:], centres[2:], strict=False):
            energy = 0.0
            for k in range(points // 2 + 1):
                f = k * RATE / points
                if before < f <= centre:
                    energy += power[k] * (f - before) / (centre - before)
                elif centre < f < behind:
                    energy += power[k] * (behind - f) / (behind - centre)
            row.append(math.log(max(energy, 1e-10)))
        rows.append(row)
    return np.array(rows)


@pytest.mark.parametrize(("bands", "low", "high"), [(23, 20, 8000), (10, 300, 3400)])
def test_a_mel_spectrum_is_what_loops_make(bands, low, high):
    samples = noise(0.07)
    samples[600:1100] = 0  # a window of nothing lies at the floor
    expected = log_mel(samples, bands, low, high)
    found = MelSpectrum(bands=bands, low=low, high=high)(
        Sound((2.5, samples[:700]), (2.5 + 700 / RATE, samples[700:]))
    )
    assert found.values == pytest.approx(expected, abs=1e-4)
    assert found.values.min() == pytest.approx(math.log(1e-10))
    assert found.times[:, 0] == pytest.approx(2.5 + 0.01 * np.arange(len(expected)))
    assert found.times[:, 1] == pytest.approx(found.times[:, 0] + 0.025)
    assert found.observed.all()


def test_cepstra_are_what_scipy_makes():
    samples = noise(0.05)
    expected = scipy.fft.dct(log_mel(samples, 40, 20, 8000), type=2, norm="ortho")[:, :13]
    assert MFCC()(Sound((0, samples))).values == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("block", [37, 1000, 5000, 10**6])
def test_how_sound_is_cut_into_blocks_does_not_matter(block):
    samples = noise(6.0)  # more windows than are held at a time
    pieces = [(at / RATE, samples[at : at + block]) for at in range(0, len(samples), block)]
    whole, cut = (MelSpectrum(bands=4)(Sound(*own)) for own in ([(0, samples)], pieces))
    assert np.array_equal(whole.values, cut.values)
    assert np.array_equal(whole.times, cut.times)
    assert len(whole.values) == (len(samples) - 400) // 160 + 1


@pytest.mark.parametrize("gap", [0.003, 0.5, 7.0])
def test_a_gap_is_unobserved_and_what_is_behind_keeps_its_time(gap):
    one, other = noise(0.5), noise(0.5, seed=1)
    found = MelSpectrum(bands=4)(Sound((1.0, one), (1.5 + gap, other)))
    zeros = np.zeros(round(gap * RATE), np.float32)
    filled = MelSpectrum(bands=4)(Sound((1.0, np.concatenate([one, zeros, other]))))
    assert np.array_equal(found.times, filled.times)
    begins = np.round((found.times[:, 0] - 1.0) * RATE)
    whole = (begins + 400 <= len(one)) | (begins >= len(one) + len(zeros))
    assert np.array_equal(found.observed, whole)
    assert not found.observed.all()
    assert np.array_equal(found.values[whole], filled.values[whole])
    assert not found.values[~whole].any()


def test_every_is_the_mean_over_the_observed_windows_that_begin_in_it():
    one, other = noise(0.52), noise(0.33, seed=1)
    sound = Sound((3.0, one), (3.9, other))
    for extractor in (MelSpectrum, MFCC):
        single, means = extractor()(sound), extractor(every=0.1)(sound)
        for i, (start, _) in enumerate(means.times):
            inside = (single.times[:, 0] > start - 1e-6) & (single.times[:, 0] < start + 0.1 - 1e-6)
            seen = inside & single.observed
            assert means.observed[i] == seen.any()
            expected = single.values[seen].mean(0) if seen.any() else 0
            assert means.values[i] == pytest.approx(expected, abs=1e-4)
        assert not means.observed.all()
        assert means.times[:, 0] == pytest.approx(3.0 + 0.1 * np.arange(len(means.times)))
        assert means.times[-1, 1] == pytest.approx(min(means.times[-1, 0] + 0.1, single.times[-1, 1]))
        assert extractor(every=0.1).rate == pytest.approx(10)


def test_sound_that_is_shorter_than_a_window_has_no_steps():
    assert MFCC()(Sound((0, noise(0.02)))) is None
    assert MFCC()(Sound()) is None
    assert len(MFCC()(Sound((0, noise(0.025)))).values) == 1
    assert MFCC()(MadeRecording(1.0, None, None)) is None


@pytest.mark.parametrize("law", EXTRACTOR_LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("extractor", [MelSpectrum(), MFCC(every=0.05)], ids=["mel", "mfcc"])
def test_spectra_keep_the_laws(extractor, law):
    law(extractor, MadeRecording(3.0))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"bands": 0}, "MelSpectrum: bands must be at least 1, got 0"),
        ({"sound_rate": 10}, "MelSpectrum: sound_rate must be between 1,000 and 192,000, got 10"),
        ({"every": 0.001}, "MelSpectrum: every: expected at least hop, 0.01 seconds, got 0.001"),
        ({"high": 9000}, "MelSpectrum: expected low < high <= 8000 Hz, got 20 and 9000"),
        ({"low": -1}, "MelSpectrum: low must be at least 0, got -1"),
        ({"window": 0}, "MelSpectrum: window must be positive, got 0"),
        ({"hop": 1e-6}, "MelSpectrum: expected a window of samples, got 0.025 and 1e-06 seconds at 16000 Hz"),
        ({"bands": 128}, "MelSpectrum: bands: 1 of 128 without any frequency of a spectrum of 512 points; take fewer, or a longer window"),
    ],
)  # fmt: skip
def test_what_makes_no_spectrum(options, said):
    with pytest.raises(ConfigError) as refused:
        MelSpectrum(**options)
    assert str(refused.value) == said


def test_more_coefficients_than_bands():
    with pytest.raises(
        ConfigError, match="^MFCC: expected at most as many coefficients as bands, 8, got 13$"
    ):
        MFCC(bands=8)


def test_who_made_the_features_is_said_in_full():
    made = affect.extraction.MFCC(every=0.1).provenance
    assert (made.extractor, made.version, made.rate) == ("affect.extraction.MFCC", "1", 10)
    assert made.arguments == {
        "coefficients": 13, "bands": 40, "low": 20.0, "high": None, "window": 0.025, "hop": 0.01,
        "sound_rate": 16_000, "every": 0.1,
    }  # fmt: skip
