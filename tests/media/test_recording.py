"""Sound and pictures of files, on the files' own clock."""

import re
import subprocess
from shutil import which

import numpy as np
import pytest
from made_clips import CODERS, click_of, clip, flash_of, sound
from scipy.io import wavfile
from scipy.signal import resample_poly

import affect
from affect.errors import ConfigError, DataError
from affect.media import Recording

pytest.importorskip("av", reason='needs PyAV: pip install "affect[media]"')

FRAME, NEAR = 0.04, 0.01


def joined(blocks):
    return np.concatenate([block.samples for block in blocks])


@pytest.mark.parametrize("kind", CODERS)
def test_a_click_and_a_flash_come_out_when_they_were(kind, tmp_path):
    recording = Recording(clip(tmp_path / f"a.{kind}"))
    assert click_of(recording) == pytest.approx(1, abs=NEAR)
    assert recording.seconds == pytest.approx(2, abs=0.05)
    if CODERS[kind][0] is None:
        assert recording.frames() is None
    else:
        assert flash_of(recording) == pytest.approx(1, abs=FRAME)
        assert flash_of(recording, 10) == pytest.approx(1, abs=0.1)


CASES = {
    "late sound": ("mp4", {"sound_from": 0.7}, 1.7, 1.0),
    "late sound, mkv": ("mkv", {"sound_from": 0.7}, 1.7, 1.0),
    "late sound, webm": ("webm", {"sound_from": 0.7}, 1.7, 1.0),
    "late pictures": ("mov", {"pictures_from": 0.4}, 1.0, 1.4),
    "sound first": ("mp4", {"sound_first": True}, 1.0, 1.0),
    "pictures first": ("mkv", {"sound_first": False}, 1.0, 1.0),
    "both late": ("mkv", {"sound_from": 3.2, "pictures_from": 3.0}, 1.2, 1.0),
    "8 kHz": ("mkv", {"rate": 8_000}, 1.0, 1.0),
    "5.1": ("mp4", {"layout": "5.1", "rate": 48_000}, 1.0, 1.0),
    "variable": ("mp4", {"stamps": [0, 0.04, 0.055, 0.3, 0.5, 0.9, 1.0, 1.017, 1.4, 1.9]}, 1.0, 1.0),
    "turned": ("mov", {"turned": 90}, 1.0, 1.0),
    "fragments": ("mp4", {"fragments": True}, 1.0, 1.0),
    "no sound": ("mp4", {"audio": False}, None, 1.0),
    "no pictures": ("mp4", {"video": False}, 1.0, None),
}


@pytest.mark.parametrize("case", CASES)
def test_streams_that_begin_late_or_vary_keep_the_times_of_their_packets(case, tmp_path):
    kind, options, click, flash = CASES[case]
    path = clip(tmp_path / f"a.{kind}", **options)
    recording = Recording(path)
    if click is None:
        assert recording.audio() is None
    else:
        assert click_of(recording) == pytest.approx(click, abs=NEAR)
    if flash is None:
        assert recording.frames() is None
    else:
        frames = list(recording.frames())
        assert next(one.start for one in frames if one.image.mean() > 130) == pytest.approx(flash, abs=1e-3)
        assert [one.start for one in frames] == pytest.approx(stamps(path, "video"), abs=1e-6)
        assert len(frames) > 9


def stamps(path, kind):
    """The times of packets as PyAV's demuxer says them, counted from the earliest of the file."""
    import av

    with av.open(str(path)) as file:
        zero = min((s.start_time or 0) * s.time_base for s in file.streams)
        stream = next(s for s in file.streams if s.type == kind)
        return sorted(float(p.pts * p.time_base - zero) for p in file.demux(stream) if p.pts is not None)


def ffprobe(path, kind):
    """The times of frames as ffprobe says them, counted from the earliest stream."""
    about = ["ffprobe", "-v", "error", "-of", "csv=p=0", "-show_entries"]
    begin = subprocess.run([*about, "stream=start_time", path], capture_output=True, text=True, check=True)
    zero = min(float(x) for x in re.findall(r"-?[\d.]+", begin.stdout))
    said = subprocess.run(
        [*about, "frame=pts_time", "-select_streams", kind, path], capture_output=True, text=True, check=True
    )
    return [float(x) - zero for x in re.findall(r"-?\d+\.\d+", said.stdout)]


@pytest.mark.skipif(which("ffprobe") is None, reason="ffprobe is not installed (ffmpeg's Debian package)")
@pytest.mark.parametrize("case", ["late sound", "late pictures", "variable"])
def test_times_are_those_that_ffprobe_says(case, tmp_path):
    kind, options, _, _ = CASES[case]
    path = clip(tmp_path / f"a.{kind}", **options)
    recording = Recording(path)
    assert [frame.start for frame in recording.frames()] == pytest.approx(ffprobe(path, "v"), abs=1e-5)
    said = ffprobe(path, "a")
    first = next(recording.audio(8_000))
    assert first.start == pytest.approx(said[0], abs=1e-5)
    end = first.start + len(joined(recording.audio(8_000))) / 8_000
    assert end == pytest.approx(said[-1], abs=0.05)


@pytest.mark.parametrize("media_time", [0, 441 * 9])
def test_an_edit_list_is_followed(media_time, tmp_path):
    path = clip(tmp_path / "a.m4a", seconds=2)
    stored = bytearray(path.read_bytes())
    at = stored.index(b"elst") + 4 + 4 + 4 + 4  # type, version and flags, count, duration
    before = int.from_bytes(stored[at : at + 4], "big", signed=True)
    stored[at : at + 4] = (before + media_time).to_bytes(4, "big")
    path.write_bytes(stored)
    assert click_of(Recording(path)) == pytest.approx(1 - media_time / 44_100, abs=NEAR)


@pytest.mark.parametrize("turned", [0, 90, 180, -90])
@pytest.mark.parametrize("mirrored", [False, True])
def test_pictures_are_upright(turned, mirrored, tmp_path):
    plain = next(Recording(clip(tmp_path / "a.mov", audio=False, seconds=0.2)).frames()).image
    path = clip(tmp_path / "b.mov", audio=False, seconds=0.2, turned=turned, mirrored=mirrored)
    image = next(Recording(path).frames()).image
    assert image.shape == ((48, 64, 3) if turned in (0, 180) else (64, 48, 3))
    expected = np.rot90(plain, turned // 90)
    expected = expected[:, ::-1] if mirrored else expected
    assert np.abs(image.astype(int) - expected.astype(int)).max() < 12


def test_at_each_tick_the_picture_that_is_seen(tmp_path):
    times = [0, 0.04, 0.055, 0.3, 0.5, 0.9, 1.0, 1.017, 1.4, 1.9]
    recording = Recording(clip(tmp_path / "a.mp4", stamps=times, audio=False))
    whole = list(recording.frames())
    assert [frame.end for frame in whole[:-1]] == [frame.start for frame in whole[1:]]
    for rate in (3, 10, 37):
        found = list(recording.frames(rate))
        assert [frame.start for frame in found] == pytest.approx(np.arange(len(found)) / rate)
        assert abs(found[-1].end - whole[-1].end) < 1 / rate
        for frame in found:
            seen = [one for one in whole if one.start <= frame.start + 1e-3][-1]
            assert (frame.image == seen.image).all()


def test_pictures_at_their_own_rate_come_once_each_though_stamps_are_rounded(tmp_path):
    recording = Recording(clip(tmp_path / "a.mkv", fps=30, audio=False))
    whole, found = list(recording.frames()), list(recording.frames(30))
    assert len(found) == len(whole) == 60
    assert all((one.image == other.image).all() for one, other in zip(found, whole, strict=True))


@pytest.mark.parametrize("form", [np.int16, np.int32, np.uint8, np.float32, np.float64])
def test_sound_at_its_own_rate_is_what_was_written(form, tmp_path):
    wave = sound(8_000, 0.5, click=0.1)
    both = np.stack([wave, np.zeros_like(wave)], 1)
    if np.dtype(form).kind == "f":
        stored, back = both.astype(form), both
    else:
        size = 2 ** (8 * np.dtype(form).itemsize - 1)
        stored = np.round(both * (size - 1)) + (128 if form is np.uint8 else 0)
        stored = stored.astype(form)
        back = (stored.astype(np.float64) - (128 if form is np.uint8 else 0)) / size
    wavfile.write(tmp_path / "a.wav", 8_000, stored)
    blocks = list(Recording(tmp_path / "a.wav").audio(8_000))
    assert {block.samples.dtype for block in blocks} == {np.dtype(np.float32)}
    assert joined(blocks) == pytest.approx(back.mean(1), abs=1e-6)
    starts = np.cumsum([0, *(len(block.samples) for block in blocks)])[:-1] / 8_000
    assert [block.start for block in blocks] == pytest.approx(starts)


@pytest.mark.parametrize(("own", "rate"), [(8_000, 16_000), (44_100, 16_000), (48_000, 16_000)])
def test_another_rate_is_what_scipy_makes_of_it(own, rate, tmp_path):
    time = np.arange(own) / own
    wave = (np.sin(2 * np.pi * 440 * time) * np.hanning(own)).astype(np.float32)
    wavfile.write(tmp_path / "a.wav", own, wave)
    found = joined(Recording(tmp_path / "a.wav").audio(rate))
    divisor = np.gcd(own, rate)
    expected = resample_poly(wave.astype(np.float64), rate // divisor, own // divisor)
    assert abs(len(found) - len(expected)) <= 1
    assert np.abs(found[: len(expected)] - expected[: len(found)]).max() < 2e-3


def test_a_gap_is_a_gap_and_no_silence(tmp_path):
    path = clip(tmp_path / "a.mkv", without=(0.4, 0.8), video=False)
    blocks = list(Recording(path).audio(8_000))
    ends = [block.start + len(block.samples) / 8_000 for block in blocks]
    gaps = [later.start - end for end, later in zip(ends, blocks[1:], strict=False)]
    assert sum(gap > 0.001 for gap in gaps) == 1
    assert max(gaps) == pytest.approx(0.4, abs=0.05)
    assert min(gaps) > -1e-6
    assert click_of(Recording(path)) == pytest.approx(1, abs=NEAR)


def test_a_part_is_what_lies_in_it(tmp_path):
    path = clip(tmp_path / "a.mp4", seconds=8)
    whole = Recording(path)
    heard = joined(whole.audio(8_000))
    seen = list(whole.frames())
    for start, end in ((0.5, 1.25), (6.013, 7.5), (7.2, None)):  # beyond second 5 by the index
        part = whole.part(start, end)
        blocks = list(part.audio(8_000))
        assert blocks[0].start == pytest.approx(start, abs=2e-4)
        expected = heard[round(blocks[0].start * 8_000) :][: len(joined(blocks))]
        assert abs(len(expected) - ((end or 8) - start) * 8_000) < 200
        assert np.abs(joined(blocks)[: len(expected)] - expected).max() < 0.01
        frames = list(part.frames())
        assert frames[0].start == start
        assert frames[-1].end == pytest.approx(end or 8, abs=1e-3)
        inside = [one for one in seen if one.end > start and (end is None or one.start < end)]
        assert len(frames) == len(inside)
        assert all((one.image == other.image).all() for one, other in zip(frames, inside, strict=True))
        assert next(part.frames(10)).start == start
    inner = whole.part(2, 7).part(1, 20)
    assert (inner.start, inner.end) == (2, 7)


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3"])
def test_a_part_far_into_sound_is_what_lies_in_it(kind, tmp_path):
    samples = (np.random.default_rng(0).normal(size=9 * 8_000) * 0.1).astype(np.float32)
    whole = Recording(clip(tmp_path / f"a.{kind}", rate=8_000, samples=samples))
    found = joined(whole.part(7.25, 8.5).audio(8_000))
    assert np.array_equal(found, joined(whole.audio(8_000))[58_000:68_000])


def test_any_name_of_a_file_is_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plain = clip(tmp_path / "plain.wav").read_bytes()
    for name in ("a b%20é:#?.wav", "concat:plain.wav|plain.wav", "%03d.wav", "-i.wav"):
        (tmp_path / name).write_bytes(plain)
        assert click_of(Recording(name)) == pytest.approx(1, abs=NEAR)


@pytest.mark.parametrize("kind", ["mp4", "wav", "mkv"])
def test_a_file_of_one_frame(kind, tmp_path):
    recording = Recording(clip(tmp_path / f"a.{kind}", seconds=0.04))
    assert 0.02 < len(joined(recording.audio(8_000))) / 8_000 < 0.1
    if recording.frames() is not None:
        (frame,) = recording.frames()
        assert (frame.start, frame.end) == pytest.approx((0, 0.04), abs=2e-3)
        assert len(list(recording.frames(100))) == 4


def test_a_cover_is_no_picture(tmp_path):
    import av

    plain = clip(tmp_path / "a.mp3")
    with av.open(str(tmp_path / "b.mp3"), "w") as out, av.open(str(plain)) as source:
        cover = out.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 16, 16, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        audio = out.add_stream_from_template(source.streams[0])
        for packet in source.demux(source.streams[0]):
            if packet.dts is not None:
                packet.stream = audio
                out.mux(packet)
        frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24").reformat(
            format="yuvj420p"
        )
        for one in (frame, None):
            for packet in cover.encode(one):
                out.mux(packet)
    with av.open(str(tmp_path / "b.mp3")) as file:
        assert [stream.type for stream in file.streams] == ["audio", "video"]
    recording = Recording(tmp_path / "b.mp3")
    assert recording.frames() is None
    assert click_of(recording) == pytest.approx(1, abs=NEAR)


@pytest.mark.parametrize("kind", ["mp4", "mkv", "avi"])
def test_a_file_that_was_cut_gives_what_is_left(kind, tmp_path, caplog):
    path = clip(tmp_path / f"a.{kind}", seconds=4, fragments=kind == "mp4")
    stored = path.read_bytes()
    path.write_bytes(stored[: len(stored) * 2 // 3])
    recording = Recording(path)
    blocks, frames = list(recording.audio(8_000)), list(recording.frames())
    assert click_of(recording) == pytest.approx(1, abs=NEAR)
    assert flash_of(recording) == pytest.approx(1, abs=FRAME)
    assert 1.4 < blocks[-1].start < 3.8
    assert 1.4 < frames[-1].end < 3.8
    if kind != "avi":  # whose end is where its pieces are
        assert any(note.startswith("stream 0 ends at second ") for note in recording.notes)
        assert all(f"{path}: {note}" in caplog.text for note in recording.notes)


def test_what_a_cut_off_head_says(tmp_path):
    path = clip(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(
        DataError, match="^" + re.escape(f"{path}: cannot be read as a recording: ") + "[^\n]+$"
    ):
        Recording(path)


def test_what_is_no_recording_is_refused(tmp_path, monkeypatch):
    for name, content in (
        ("a.mp4", b"hello" * 100),
        ("empty.wav", b""),
        ("list.m3u8", b"#EXTM3U\n#EXTINF:1,\na.wav\n"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        why = "invalid data found when processing input"
        with pytest.raises(
            DataError, match="^" + re.escape(f"{path}: cannot be read as a recording: {why}") + "$"
        ):
            Recording(path)
    with pytest.raises(DataError, match=r"^.*none\.mp4: is missing$"):
        Recording(tmp_path / "none.mp4")
    with pytest.raises(DataError, match=": is no file; expected a recording$"):
        Recording(tmp_path)
    with pytest.raises(DataError, match="^http:/[^\n]*: is missing$"):
        Recording("http://localhost:1/a.mp4")
    with pytest.raises(ConfigError, match="^Recording: expected the path of a file, got 3$"):
        Recording(3)


def test_a_list_of_other_files_is_not_followed(tmp_path):
    other = clip(tmp_path / "secret.wav")
    for content in (
        f"ffconcat version 1.0\nfile '{other}'\n",
        f"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:2,\n{other}\n",
    ):
        path = tmp_path / "a.mp4"
        path.write_text(content)
        with pytest.raises(DataError, match="cannot be read as a recording"):
            Recording(path)


def test_numbers_that_are_none(tmp_path):
    path = clip(tmp_path / "a.wav")
    recording = Recording(path)
    with pytest.raises(
        ConfigError, match=r"^Recording\.audio: rate must be between 1,000 and 192,000, got 0$"
    ):
        recording.audio(0)
    with pytest.raises(
        ConfigError, match=r"^Recording\.frames: rate must be above 0 and at most 1,000, got -1$"
    ):
        recording.frames(-1)
    with pytest.raises(ConfigError, match="^Recording: start must be at least 0, got -1$"):
        Recording(path, start=-1)
    with pytest.raises(DataError, match="^Recording: expected an end after second 1, got 0.5$"):
        recording.part(1, 0.5)
    with pytest.raises(DataError, match="expected a part within its 2 seconds, got one from 3$"):
        recording.part(3)


def test_values_that_are_no_numbers_are_told(tmp_path, caplog):
    wave = sound(8_000, 1)
    wave[100:103] = np.nan
    wavfile.write(tmp_path / "a.wav", 8_000, wave)
    recording = Recording(tmp_path / "a.wav")
    assert np.isfinite(joined(recording.audio(16_000))).all()
    assert recording.notes == ["3 samples of its sound are no numbers, and count as 0"]


def test_without_pyav_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(
        ConfigError, match=r'^Recording: needs PyAV, which is not installed; pip install "affect\[media\]"$'
    ):
        affect.media.Recording(tmp_path / "a.wav")
