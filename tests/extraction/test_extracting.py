"""Clips become a corpus: what is in it, what failed, and that it goes on after a kill."""

import subprocess
import sys

import numpy as np
import pytest
from made_clips import clip
from scipy.io import wavfile

import affect
from affect.data.provenance import difference
from affect.errors import ConfigError, DataError
from affect.extraction import MFCC, Clip, Extractor, MelSpectrum, extract
from affect.testing import check_extractor

pytest.importorskip("av", reason='needs PyAV: pip install "affect[media]"')

MAKERS = {"voice": MelSpectrum(bands=8, every=0.1), "timbre": MFCC(coefficients=4, every=0.2)}


class Brightness(Extractor):
    """Of the picture."""

    columns = ("brightness",)

    def __init__(self, fps=5.0):
        self.fps = self.rate = fps

    def __call__(self, media):
        frames = media.frames(self.fps)
        if frames is None:
            return None
        found = [(frame.image.mean(), frame.start, frame.end) for frame in frames]
        return affect.Steps(
            [[one[0]] for one in found], [one[1:] for one in found], np.ones(len(found), bool)
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    clip(folder / "both.mp4", sound_from=0.7)
    clip(folder / "mute.mkv", audio=False)
    clip(folder / "gap.mkv", video=False, without=(0.4, 0.9))
    rng = np.random.default_rng(0)
    wavfile.write(folder / "long.wav", 16_000, (rng.normal(size=48_000) * 0.1).astype(np.float32))
    return folder


def clips(folder):
    return [
        Clip("both", folder / "both.mp4", targets={"joy": 0.5}, words="so good", word_times=[[0.8, 1], [1, 1.2]], split="train"),
        Clip("mute", folder / "mute.mkv", targets={"joy": -1}, split="train", group="x"),
        Clip("gap", folder / "gap.mkv", split="test"),
        Clip("part", folder / "long.wav", 0.5, 1.75, targets={"joy": 2}, split="test", words="well"),
        Clip("whole", folder / "long.wav", targets={"joy": 1}, split="train"),
    ]  # fmt: skip


def test_clips_become_a_corpus(folder, tmp_path):
    makers = {**MAKERS, "face": Brightness()}
    seen = []
    made = extract(clips(folder), tmp_path / "mine.safetensors", makers, progress=lambda *n: seen.append(n))
    corpus = affect.load(tmp_path / "mine.safetensors")
    assert made.failed == {}
    assert seen == [(i, 5) for i in range(1, 6)]
    assert corpus.dims == made.corpus.dims == {"voice": 8, "timbre": 4, "face": 1}
    assert (corpus["train"].ids, corpus["test"].ids) == (("both", "mute", "whole"), ("gap", "part"))
    assert corpus["train"].labels("joy").T.tolist() == [[0.5, -1, 1]]
    assert corpus.columns["timbre"] == ("mfcc_0", "mfcc_1", "mfcc_2", "mfcc_3")
    assert corpus.provenance["voice"] == MAKERS["voice"].provenance
    assert corpus.provenance["face"].arguments == {"fps": 5.0}
    assert corpus["train"].groups[1] == "x"
    assert corpus["train"].words[0] == ["so", "good"]
    voice, face = corpus["train"].modalities["voice"], corpus["train"].modalities["face"]
    assert voice.lengths[1] == 0
    assert face.lengths.tolist() == [10, 10, 0]
    assert voice.times[0, 0] == pytest.approx(0.676, abs=0.001)  # the sound begins so late
    assert voice.times[: voice.lengths[0], 1].max() == pytest.approx(2.7, abs=0.03)
    part = corpus["test"].modalities["voice"]
    times = part.times[part.starts[1] : part.starts[1] + part.lengths[1]]
    assert (times[0, 0], times[-1, 1]) == (0.5, pytest.approx(1.74, abs=0.011))
    gap = ~part.observed[: part.lengths[0]]
    assert 2 < gap.sum() < 7
    assert not part.values[: part.lengths[0]][gap].any()
    direct = MAKERS["voice"](affect.media.Recording(folder / "long.wav"))
    assert np.array_equal(voice[2], direct.values)


def test_extractors_keep_the_laws_on_pictures_and_on_files(folder):
    check_extractor(Brightness())
    check_extractor(MelSpectrum(bands=4), affect.media.Recording(folder / "both.mp4"))


def test_features_of_another_recipe_are_told_apart(folder, tmp_path):
    made = [
        extract(
            clips(folder)[4:], tmp_path / f"{hop}.safetensors", {"voice": MelSpectrum(bands=8, hop=hop)}
        ).corpus
        for hop in (0.01, 0.02)
    ]
    one, other = (corpus.provenance["voice"] for corpus in made)
    assert difference(made[0].columns["voice"], made[1].columns["voice"]) == ""
    assert difference(None, None, one, other).startswith("expected arguments {'bands': 8,")


def test_what_cannot_be_read_is_told_and_noted(folder, tmp_path, caplog):
    (tmp_path / "torn.mp4").write_bytes((folder / "both.mp4").read_bytes()[:500])
    given = [Clip("torn", tmp_path / "torn.mp4"), Clip("none", tmp_path / "none.wav"), *clips(folder)]
    made = extract(given, tmp_path / "mine.safetensors", MAKERS)
    assert made.failed.keys() == {"torn", "none"}
    assert made.failed["none"] == f"{tmp_path / 'none.wav'}: is missing"
    assert len(made.corpus["train"]) + len(made.corpus["test"]) == 5
    (note,) = (note for note in made.corpus.notes if note.startswith("Left out"))
    assert note.startswith("Left out, as they cannot be read: 2 of 7 clips: torn (")
    assert f"none: left out: {tmp_path / 'none.wav'}: is missing" in caplog.text
    with pytest.raises(
        DataError, match="mine.safetensors: none of 1 clips can be read; the first: .*: is missing$"
    ):
        extract(given[1:2], tmp_path / "mine.safetensors", MAKERS)


def test_damage_is_noted(folder, tmp_path):
    stored = clip(tmp_path / "whole.mkv", seconds=4).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(stored[: len(stored) // 2])
    made = extract([Clip("cut", tmp_path / "cut.mkv")], tmp_path / "mine.safetensors", MAKERS)
    (note,) = (
        note
        for note in made.corpus.notes
        if note.startswith("Damaged: 1 of 1 clips: cut (stream 1 ends at second ")
    )
    assert "were declared" in note


KILLED = """
import os, sys
sys.path[:0] = [sys.argv[3], sys.argv[4]]
from pathlib import Path
from affect.extraction import Clip, extract
from test_extracting import MAKERS, clips
given = [Clip("none", Path(sys.argv[1]) / "none.wav"), *clips(Path(sys.argv[1]))]
extract(given, sys.argv[2], MAKERS, progress=lambda done, _: done == 3 and os._exit(9))
"""


def test_a_killed_extraction_goes_on_to_the_same_bytes(folder, tmp_path, caplog):
    here = __file__.rpartition("/")[0]
    path = tmp_path / "killed.safetensors"
    killed = [sys.executable, "-c", KILLED, str(folder), str(path), here, here.rpartition("/")[0]]
    assert subprocess.run(killed, check=False).returncode == 9
    assert not path.exists()
    seen = []
    given = [Clip("none", folder / "none.wav"), *clips(folder)]
    again = extract(given, path, MAKERS, progress=lambda done, _: seen.append(done))
    assert seen == [4, 5, 6]
    assert [*again.failed] == ["none"]
    whole = extract(given, tmp_path / "whole.safetensors", MAKERS, name="killed")
    assert path.read_bytes() == (tmp_path / "whole.safetensors").read_bytes()
    assert whole.failed == again.failed


def test_what_is_no_list_of_clips(folder, tmp_path):
    path = tmp_path / "mine.safetensors"
    for given, makers, said in (
        ([], MAKERS, "extract: expected clips, got none"),
        (clips(folder), {}, "extract: expected extractors by modality, got none"),
        (["a.wav"], MAKERS, "extract: expected affect.extraction.Clip, got the text 'a.wav'"),
        (clips(folder), {"voice": MFCC}, "extract: voice: expected an Extractor, got the class MFCC"),
        ([Clip(3, "a.wav")], MAKERS, "extract: expected the id of a clip as a text, got 3"),
    ):
        with pytest.raises(ConfigError) as refused:
            extract(given, path, makers)
        assert str(refused.value) == said
    with pytest.raises(DataError, match="^extract: expected ids that occur once, got 'gap' again$"):
        extract([*clips(folder), clips(folder)[2]], path, MAKERS)
