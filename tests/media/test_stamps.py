"""Stamps that no encoder should write: sound that overlaps, changes its rate, or jumps; pictures that do."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from affect.errors import DataError
from affect.media.pictures import shown
from affect.media.sound import blocks
from affect.testing import MadeRecording

av = pytest.importorskip("av", reason='needs PyAV: pip install "affect[media]"')

PATH = Path("a.mkv")


def sounds(*given, rate=8_000):
    """Frames of sound: (when, samples), or (when, samples, rate)."""
    for start, samples, *own in given:
        frame = av.AudioFrame.from_ndarray(
            np.asarray(samples, np.float32)[None], format="fltp", layout="mono"
        )
        frame.sample_rate, frame.time_base = (own or [rate])[0], Fraction(1, 1000)
        frame.pts = None if start is None else round(start * 1000)
        yield frame


def pictures(*times):
    for time in times:
        frame = av.VideoFrame(8, 8, "rgb24")
        frame.time_base = Fraction(1, 1000)
        frame.pts = None if time is None else round(time * 1000)
        yield frame


def heard(*given, rate=8_000):
    notes = []
    return [(b.start, b.samples.tolist()) for b in blocks(PATH, sounds(*given), Fraction(0), rate, notes)]


def seen(*times, media=None):
    found = shown(PATH, pictures(*times), Fraction(0), Fraction(1, 25), media or MadeRecording())
    return [(round(start, 6), round(end, 6)) for start, end, _ in found]


def test_stamps_that_are_rounded_leave_no_gap():
    given = [(round(i * 37 / 8_000, 3), [float(i)] * 37) for i in range(50)]
    assert [start for start, _ in heard(*given)] == pytest.approx(np.arange(50) * 37 / 8_000)


def test_what_was_heard_is_not_heard_twice():
    both = heard((0, np.arange(800)), (0.05, np.arange(400, 1200)), (0.06, np.arange(100)))
    assert np.concatenate([samples for _, samples in both]).tolist() == list(range(1200))
    assert [start for start, _ in both] == [0, 0.1]


def test_sound_without_stamps_goes_on():
    assert [start for start, _ in heard((None, np.ones(800)), (None, np.ones(800)))] == [0, 0.1]


def test_sound_that_changes_its_rate_keeps_its_time():
    found = heard((0, np.ones(800)), (0.1, np.ones(1600), 16_000), (0.2, np.ones(800)))
    starts = [start for start, _ in found]
    ends = [start + len(samples) / 8_000 for start, samples in found]
    assert starts[0] == 0
    assert ends[:-1] == pytest.approx(starts[1:], abs=1e-3)
    assert ends[-1] == pytest.approx(0.3, abs=1e-3)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([(0, [0.0] * 80), (3601.5, [0.0] * 80)], "its sound: expected gaps of at most 60 minutes in all, got 60; write the file anew"),
        ([(5, [0.0] * 80), (3.5, [0.0] * 80)], "its sound: expected times that do not fall, got second 3.50 after 5.01; write the file anew"),
        ([(90_000, [0.0] * 80)], "its sound: expected times up to 24 hours, got second 90,000; cut the file, or write it anew"),
        ([(0, [0.0] * 80, 8)], "expected 1,000 to 768,000 samples of sound per second, got 8"),
    ],
)  # fmt: skip
def test_sound_at_impossible_times(given, said):
    with pytest.raises(DataError) as refused:
        heard(*given)
    assert str(refused.value) == f"a.mkv: {said}"


def test_pictures_are_seen_until_the_next():
    assert seen(0, 0.1, 0.15) == [(0, 0.1), (0.1, 0.15), (0.15, 0.19)]
    assert seen(0, 0.1, 0.05, 0.2) == [(0, 0.1), (0.1, 0.2), (0.2, 0.24)]  # one comes too late to be seen
    assert seen(None, None) == [(0, 0.04), (0.04, 0.08)]
    assert seen(0, 1, 2, 3, media=MadeRecording(start=0.5, end=1.5)) == [(0.5, 1), (1, 1.5)]


def test_pictures_at_impossible_times():
    for times, said in (
        ((0, 3700), "expected pictures at least every 60 minutes, got none for 62"),
        (
            (5, 3),
            "its pictures: expected times that do not fall, got second 3.00 after 5.00; write the file anew",
        ),
    ):
        with pytest.raises(DataError) as refused:
            seen(*times)
        assert str(refused.value) == f"a.mkv: {said}"
