import itertools
import os
import re
import signal
import subprocess
import sys
import time
import warnings

import h5py
import numpy as np
import pytest

import affect
from affect.data import writer
from affect.data.provenance import Provenance
from affect.data.words import align, streaming
from affect.errors import ConfigError, DataError

RNG = np.random.default_rng(0)


def spoken(count, gap=0.1):
    """Words one after the other, with pauses."""
    length, pause = RNG.exponential(0.35, count) + 0.05, RNG.exponential(gap, count)
    start = np.cumsum(length + pause) - length
    return np.stack([start, start + length], 1)


def frames(seconds, rate, dim):
    at = np.arange(int(seconds * rate)) / rate
    return np.stack([at, at + 1 / rate], 1), RNG.normal(size=(len(at), dim)).astype(np.float32)


def words(count):
    return np.array([[f"w{i}".encode()] for i in range(count)])


@pytest.fixture
def small(write_csd):
    """Three videos: words, acoustic frames, visual frames with a hole, labelled segments."""
    times = {f"v{i}": spoken(20 + i) for i in range(3)}
    audio = {v: frames(t[-1, 1] + 0.5, 20, 4) for v, t in times.items()}
    video = {v: frames(t[-1, 1] + 0.5, 7, 3) for v, t in times.items()}
    for v, (intervals, values) in video.items():
        kept = (intervals[:, 0] < 2) | (intervals[:, 0] > 4)
        video[v] = intervals[kept], values[kept]
    segments = {v: np.array([[0.0, 3.0], [3.0, 6.0], [6.0, 99.0]], dtype=np.float32) for v in times}
    return {
        "words": write_csd("words", {v: (t, words(len(t))) for v, t in times.items()}),
        "acoustic": write_csd("COVAREP", audio),
        "visual": write_csd("FACET_4.2", video),
        "labels": write_csd(
            "Opinion Labels", {v: (s, np.array([[1.5], [-2.0], [0.0]], np.float32)) for v, s in segments.items()}
        ),
        "times": times, "audio": audio, "video": video, "segments": segments,
    }  # fmt: skip


def test_steps_are_those_of_the_words(small, tmp_path):
    corpus = align(small["words"], [small["acoustic"], small["visual"]], tmp_path / "out.safetensors")
    split = corpus["all"]
    assert (corpus.aligned, corpus.dims, split.ids) == (
        True,
        {"acoustic": 4, "visual": 3},
        ("v0", "v1", "v2"),
    )
    assert corpus.notes == (
        "Steps are those of words.csd; other entries belong where they overlap by more than 1e-05 s, collapsed by mean.",
    )
    for i, video in enumerate(split.ids):
        assert split.words[i] == [f"w{k}" for k in range(20 + i)]
        for name, (intervals, values) in (
            ("acoustic", small["audio"][video]),
            ("visual", small["video"][video]),
        ):
            rows = split.modalities[name]
            steps = slice(rows.starts[i], rows.starts[i] + rows.lengths[i])
            for k, (a, b) in enumerate(small["times"][video]):
                overlap = np.minimum(intervals[:, 1], b) - np.maximum(intervals[:, 0], a)
                held = values[overlap > 1e-5]
                assert rows.observed[steps][k] == (len(held) > 0)
                if len(held):
                    assert np.array_equal(rows.values[steps][k], held.mean(0))
    assert not split.modalities["visual"].observed.all()


def test_the_sdk_finds_the_same(small, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the SDK's own
        mmdatasdk = pytest.importorskip(
            "mmsdk.mmdatasdk", reason="the SDK is not installed: pip install 'affect[mmsdk]'"
        )
    recipe = {name: str(small[name]) for name in ("words", "acoustic", "visual")}
    dataset = mmdatasdk.mmdataset(recipe)
    dataset.align("words", collapse_functions=[lambda i, x: x if x.dtype.kind == "S" else x.mean(0)])
    corpus = align(
        small["words"], [small["acoustic"], small["visual"]], tmp_path / "out.safetensors", tolerance=1e-3
    )
    split = corpus["all"]
    for name in ("acoustic", "visual"):
        theirs = dataset.computational_sequences[name].data
        ours, rows = {}, split.modalities[name]
        for i, video in enumerate(split.ids):
            for k in range(rows.lengths[i]):
                if rows.observed[rows.starts[i] + k]:
                    ours[f"{video}[{k}]"] = rows[i][k]
        assert ours.keys() == theirs.keys()
        assert all(np.array_equal(ours[key], theirs[key]["features"][0]) for key in ours)


def test_segments_hold_the_words_whose_midpoint_they_hold(small, tmp_path):
    corpus = align(small["words"], [small["acoustic"]], tmp_path / "out.safetensors", labels=small["labels"])
    split = corpus["all"]
    assert (corpus.main, corpus.targets["sentiment"].low) == ("sentiment", None)
    assert split.ids == tuple(f"v{i}[{k}]" for i in range(3) for k in range(3))
    assert split.groups == tuple(f"v{i}" for i in range(3) for _ in range(3))
    assert split.labels("sentiment").ravel().tolist() == [1.5, -2, 0] * 3
    for i, (video, segment) in enumerate(itertools.product(small["times"], range(3))):
        middle = small["times"][video].mean(1)
        a, b = small["segments"][video][segment]
        inside = np.flatnonzero((middle >= a) & (middle < b))
        assert split.words[i] == [f"w{k}" for k in inside]
        assert split.modalities["acoustic"].lengths[i] == len(inside)
    assert split.words.total == sum(map(len, small["times"].values()))


def test_unaligned_sequences_keep_their_own_frames(small, tmp_path):
    corpus = align(
        small["words"], [small["acoustic"], small["visual"]], tmp_path / "out.safetensors",
        labels=small["labels"], aligned=False,
    )  # fmt: skip
    assert not corpus.aligned
    rows = corpus["all"].modalities["acoustic"]
    intervals, values = small["audio"]["v0"]
    inside = (intervals.mean(1) >= 3) & (intervals.mean(1) < 6)
    assert np.array_equal(rows[1], values[inside])
    assert np.array_equal(rows.times[rows.starts[1] : rows.starts[1] + rows.lengths[1]], intervals[inside])


def test_unsorted_entries_and_pieces_of_a_video_are_put_in_order(write_csd, tmp_path):
    times = np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]])
    said = write_csd("words", {"a": (times, words(3))})
    values = np.array([[1.0], [2.0], [3.0]])
    whole = write_csd("COVAREP", {"a": (times[::-1], values[::-1])})
    pieces = write_csd(
        "COVAREP", {f"a[{i}]": (times[i : i + 1], values[i : i + 1]) for i in (2, 1, 0)}, file="pieces"
    )
    for path in (whole, pieces):
        corpus = align(said, [path], tmp_path / "out.safetensors")
        assert corpus["all"].modalities["acoustic"][0].ravel().tolist() == [1, 2, 3]


def test_short_intervals_of_the_reference_are_no_steps(write_csd, tmp_path):
    said = write_csd("words", {"a": ([[0.0, 1.0], [1.0, 1.0], [1.0, 2.0]], words(3))})
    audio = write_csd("COVAREP", {"a": ([[0.0, 2.0]], [[5.0]])})
    split = align(said, [audio], tmp_path / "out.safetensors")["all"]
    assert split.words[0] == ["w0", "w2"]
    assert split.modalities["acoustic"][0].ravel().tolist() == [5, 5]


def test_features_can_be_the_reference(write_csd, tmp_path):
    steps = write_csd("FACET", {"a": ([[0.0, 1.0], [1.0, 2.0]], [[7.0], [8.0]])})
    audio = write_csd("COVAREP", {"a": ([[0.2, 0.4]], [[5.0]])})
    split = align(steps, [audio], tmp_path / "out.safetensors")["all"]
    assert split.modalities["visual"][0].ravel().tolist() == [7, 8]
    assert split.modalities["acoustic"].observed.tolist() == [True, False]
    assert split.words is None


def test_a_video_that_a_file_lacks_is_dropped_or_kept_without_it(write_csd, tmp_path):
    videos = [f"v{i}" for i in range(6)]
    said = write_csd("words", {v: ([[i, i + 1.0] for i in range(8)], words(8)) for v in videos})
    audio = write_csd("COVAREP", {v: frames(8, 10, 3) for v in videos})
    face = write_csd("FACET 4.2", {v: frames(8, 5, 2) for v in videos if v != "v2"})
    labels = write_csd("labels", {v: ([[0.0, 4.0], [4.0, 8.0]], [[1.0], [-1.0]]) for v in videos})
    corpus = align(said, [audio, face], tmp_path / "out.safetensors", labels=labels)
    assert len(corpus["all"]) == 10
    assert corpus.notes[0] == (
        "1 of 6 videos are not in every file and are left out: FACET 4.2.csd lacks v2; "
        "--incomplete keeps 1 of them without that modality."
    )
    whole = align(said, [audio, face], tmp_path / "out.safetensors", labels=labels, incomplete=True)
    assert len(whole["all"]) == 12
    assert whole["all"].modalities["visual"].present.sum() == 10
    assert whole["all"].modalities["acoustic"].present.all()
    assert whole.notes[0] == "1 of 6 videos are not in every file and are kept: FACET 4.2.csd lacks v2."


def test_the_first_videos_and_every_file_that_lacks_some_are_named(write_csd, tmp_path):
    videos = [f"v{i}" for i in range(9)]
    said = write_csd("words", {v: ([[0.0, 1.0]], words(1)) for v in videos[:-1]})
    audio = write_csd("COVAREP", {v: ([[0.0, 1.0]], [[5.0]]) for v in videos[5:]})
    labels = write_csd("labels", {v: ([[0.0, 1.0]], [[5.0]]) for v in videos[1:]})
    corpus = align(said, [audio], tmp_path / "out.safetensors", labels=labels)
    assert corpus["all"].groups == ("v5", "v6", "v7")
    assert corpus.notes[0] == (
        "6 of 9 videos are not in every file and are left out: words.csd lacks v8; COVAREP.csd lacks v0, v1, v2 "
        "and 2 more; labels.csd lacks v0; --incomplete keeps 4 of them without that modality."
    )
    loaded = affect.load(tmp_path)  # a folder keeps what has a label
    assert loaded.notes == (
        "1 of 9 videos are not in every file and are left out: labels.csd lacks v0.",
        "5 of 8 videos are not in every file and are kept: COVAREP.csd lacks v1, v2, v3 and 1 more; "
        "words.csd lacks v8.",
    )


@pytest.fixture
def brief(write_csd):
    """Words, and labelled segments of which one takes no time and one half a millisecond."""
    times = {v: np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]]) for v in "ab"}
    segments = {
        "a": [[0.0, 1.5], [1.5, 1.5], [1.5, 3.0], [3.0, 3.0005]],
        "b": [[2.0, 2.0]],
    }
    return {
        "words": write_csd("words", {v: (t, words(3)) for v, t in times.items()}),
        "labels": write_csd("labels", {v: (s, np.arange(len(s))[:, None] * 1.0) for v, s in segments.items()}),
    }  # fmt: skip


def test_a_segment_without_length_is_no_sample_and_the_others_keep_their_numbers(brief, tmp_path):
    corpus = align(brief["words"], [], tmp_path / "out.safetensors", labels=brief["labels"])
    split = corpus["all"]
    assert split.ids == ("a[0]", "a[2]", "a[3]")
    assert split.labels("sentiment").ravel().tolist() == [0, 2, 3]
    assert [split.words[i] for i in range(3)] == [["w0"], ["w1", "w2"], []]
    assert corpus.notes == (
        "2 of 5 segments are shorter than 1e-05 s and are no samples, as in the SDK: a[1], b[0].",
        "Steps are those of words.csd; other entries belong where they overlap by more than 1e-05 s, collapsed by mean.",
        "all: 1 of 3 samples hold nothing in any modality, such as 'a[3]'.",
    )
    assert affect.load(brief["labels"])["all"].ids == ("a[0]", "a[2]", "a[3]")


def test_the_sdk_makes_the_same_samples(brief, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the SDK's own
        mmdatasdk = pytest.importorskip(
            "mmsdk.mmdatasdk", reason="the SDK is not installed: pip install 'affect[mmsdk]'"
        )
    dataset = mmdatasdk.mmdataset({name: str(path) for name, path in brief.items()})
    dataset.align("labels")
    corpus = align(brief["words"], [], tmp_path / "out.safetensors", labels=brief["labels"], tolerance=1e-3)
    assert corpus["all"].ids == tuple(dataset["labels"].data.keys()) == ("a[0]", "a[2]")


def test_samples_with_nothing_are_counted_across_interruptions(small, write_csd, tmp_path, monkeypatch):
    monkeypatch.setattr(streaming, "_SECONDS", -1.0)
    labels = write_csd("Labels", {v: ([[0.0, 3.0], [98.0, 99.0]], [[1.0], [2.0]]) for v in small["times"]})
    out, note = (
        tmp_path / "out.safetensors",
        "all: 3 of 6 samples hold nothing in any modality, such as 'v0[1]'.",
    )

    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        align(small["words"], [small["acoustic"]], out, labels=labels, progress=stop)
    corpus = align(small["words"], [small["acoustic"]], out, labels=labels)
    assert corpus.notes[-1] == note
    assert affect.load(out).notes == corpus.notes  # said once


def test_columns_and_their_makers_come_along(write_csd, tmp_path, monkeypatch):
    said = write_csd("words", {"a": ([[0.0, 1.0]], words(1))})
    audio = write_csd("CMU_MOSI_COVAREP", {"a": ([[0.0, 1.0]], [[5.0, 6.0]])}, columns=["F0", "VUV"])
    face = write_csd("visual", {"a": ([[0.0, 1.0]], [[5.0, 6.0]])}, columns=["AU01"])
    with h5py.File(audio, "a") as file:
        for key, value in (("computational sequence version", "1.1"), ("root name", "COVAREP")):
            file[f"CMU_MOSI_COVAREP/metadata/{key}"][0] = value
    out = tmp_path / "out.safetensors"
    for corpus in (align(said, [audio, face], out), affect.load(out), affect.load(tmp_path)):
        assert corpus.columns == {"acoustic": ("F0", "VUV")}
        assert corpus.provenance == {"acoustic": Provenance("COVAREP", "1.1", clock="recording")}
        assert "visual.csd names 1 columns for 2 features: the names are not kept." in corpus.notes
        out.unlink(missing_ok=True)
    (tmp_path / "totals.py").write_text(
        "def total(intervals, values):\n    return values.sum(0).sum(keepdims=True)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert align(said, [audio], out, collapse="totals.total").columns == {}


def test_what_float32_cannot_hold_is_infinite(write_csd, tmp_path):
    said = write_csd("words", {"a": ([[0.0, 1.0], [1.0, 2.0]], words(2))})
    audio = write_csd("COVAREP", {"a": ([[0.0, 0.5], [0.5, 1.0], [1.0, 2.0]], [[1e300], [2.0], [3.0]])})
    labels = write_csd("labels", {"a": ([[0.0, 1.0], [1.0, 2.0]], [[1e300], [2.0]])})
    split = align(said, [audio], tmp_path / "out.safetensors", labels=labels)["all"]
    assert split.modalities["acoustic"].values.ravel().tolist() == [np.inf, 3]
    assert split.labels("sentiment").ravel().tolist() == [2]  # as a label that is infinite


@pytest.mark.parametrize("how", ["max", "last", "weighted", "numpy.median"])
def test_other_ways_of_collapsing(how, write_csd, tmp_path, monkeypatch):
    said = write_csd("words", {"a": ([[0.0, 1.0]], words(1))})
    audio = write_csd("COVAREP", {"a": ([[-1.0, 0.25], [0.25, 0.75], [0.75, 1.0]], [[9.0], [1.0], [4.0]])})
    expected = {"max": 9, "last": 4, "weighted": 9 * 0.25 + 0.5 + 1, "numpy.median": 4}[how]
    if how == "numpy.median":
        (tmp_path / "mine.py").write_text(
            "def median(intervals, values):\n    import numpy\n    return numpy.median(values, 0)\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        how = "mine.median"
    split = align(said, [audio], tmp_path / "out.safetensors", collapse=how)["all"]
    assert split.modalities["acoustic"][0].ravel().tolist() == [expected]


def test_several_processes_write_the_same_file(small, tmp_path, monkeypatch):
    monkeypatch.setattr(streaming, "_CHUNK", 1)
    others = [small["acoustic"], small["visual"]]
    align(small["words"], others, tmp_path / "one" / "out.safetensors", labels=small["labels"])
    align(small["words"], others, tmp_path / "two" / "out.safetensors", labels=small["labels"], jobs=2)
    assert (tmp_path / "one" / "out.safetensors").read_bytes() == (
        tmp_path / "two" / "out.safetensors"
    ).read_bytes()


def test_work_that_was_cut_goes_on_to_the_same_file(small, tmp_path, monkeypatch):
    monkeypatch.setattr(streaming, "_SECONDS", -1.0)
    out, others = tmp_path / "out.safetensors", [small["acoustic"], small["visual"]]
    whole = tmp_path / "whole" / "out.safetensors"
    align(small["words"], others, whole, labels=small["labels"])

    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        align(small["words"], others, out, labels=small["labels"], progress=stop)
    assert not out.exists()
    seen = []
    align(
        small["words"],
        others,
        out,
        labels=small["labels"],
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(2, 3), (3, 3)]
    assert out.read_bytes() == whole.read_bytes()
    assert {p.name for p in tmp_path.iterdir() if "out" in p.name} == {
        "out.safetensors",
        ".out.safetensors.lock",
    }


def test_a_killed_alignment_goes_on_to_the_same_file(small, tmp_path):
    out, whole = tmp_path / "out.safetensors", tmp_path / "whole" / "out.safetensors"
    align(small["words"], [small["acoustic"]], whole)
    code = (
        "import time\nfrom affect.data.words import streaming\nstreaming._SECONDS = -1.0\n"
        f"streaming.align({str(small['words'])!r}, [{str(small['acoustic'])!r}], {str(out)!r}, "
        "progress=lambda done, total: (print(done, flush=True), time.sleep(60 * (done == 3))))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    while process.stdout.readline().strip() != "3":
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    seen = []
    align(small["words"], [small["acoustic"]], out, progress=lambda done, total: seen.append(done))
    assert seen == [3]
    assert out.read_bytes() == whole.read_bytes()


def test_other_work_under_the_same_name_begins_anew(small, tmp_path, monkeypatch):
    monkeypatch.setattr(streaming, "_SECONDS", -1.0)
    out = tmp_path / "out.safetensors"

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        align(small["words"], [small["acoustic"]], out, progress=stop)
    split = align(small["words"], [small["visual"]], out)["all"]
    assert (list(split.modalities), split.ids) == (["visual"], ("v0", "v1", "v2"))


def test_two_processes_do_not_write_one_file(small, tmp_path):
    out = tmp_path / "out.safetensors"
    with writer.CorpusWriter(out, "x"), pytest.raises(DataError) as error:
        align(small["words"], [small["acoustic"]], out)
    assert str(error.value) == f"{out}: another process is writing it; wait for it, or name another"


def test_official_splits_where_the_videos_are_known(write_csd, tmp_path):
    videos = {"tmZoasNr4rU": "test", "03bSnISJMiM": "train", "WKA5OygbEKI": "valid", "holiday": ""}
    said = write_csd("words", {v: ([[0.0, 1.0]], words(1)) for v in videos})
    corpus = align(said, [], tmp_path / "out.safetensors")
    assert {name: split.ids for name, split in corpus.splits.items()} == {
        "train": ("03bSnISJMiM",), "valid": ("WKA5OygbEKI",), "test": ("tmZoasNr4rU",),
    }  # fmt: skip
    assert list(corpus.splits) == ["train", "valid", "test"]
    assert (
        corpus.notes[0] == "1 videos are in no official split of CMU-MOSI and are left out, such as holiday."
    )
    assert corpus.citation.startswith("Zadeh et al., MOSI")


def test_labels_of_mosei_are_sentiment_and_emotions(write_csd, tmp_path):
    video = next(
        v for v, split in affect.data.corpora.folds()["mosei"].items() if split == "train" and len(v) == 11
    )
    said = write_csd("words", {video: ([[0.0, 1.0]], words(1))})
    labels = write_csd("All Labels", {video: ([[0.0, 2.0]], [[-3.0, 0.0, 0.6, 0.0, 3.0, 0.0, 0.0]])})
    corpus = align(said, [], tmp_path / "out.safetensors", labels=labels)
    split = corpus["train"]
    assert split.labels("emotion").tolist() == [[0, 1, 0, 1, 0, 0]]
    assert (split.labels("sentiment").item(), split.labels("surprise").item()) == (-3, 3)
    assert (corpus.main, corpus.targets["sentiment"].low, corpus.targets["sad"].high) == ("sentiment", -3, 3)


def test_other_labels_have_the_names_in_the_file(write_csd, tmp_path):
    said = write_csd("words", {"a": ([[0.0, 1.0]], words(1))})
    labels = write_csd(
        "labels", {"a": ([[0.0, 2.0]], [[1.0, np.nan]])}, columns=["Confident!", "very humorous"]
    )
    corpus = align(said, [], tmp_path / "out.safetensors", labels=labels)
    assert list(corpus.targets) == ["confident", "very_humorous"]
    assert (corpus.main, corpus["all"].labels("very_humorous").tolist()) == ("", [])
    unnamed = write_csd("labels", {"a": ([[0.0, 2.0]], [[1.0, 2.0]])}, file="unnamed")
    assert list(align(said, [], tmp_path / "out.safetensors", labels=unnamed).targets) == ["label0", "label1"]


def refusal(call):
    with pytest.raises((DataError, ConfigError)) as error:
        call()
    return str(error.value)


def test_what_is_refused(write_csd, tmp_path):
    out = tmp_path / "out.safetensors"
    said = write_csd("words", {"a": ([[0.0, 1.0], [2.0, 1.0]], words(2))})
    good = write_csd("words", {"a": ([[0.0, 1.0]], words(1))}, file="good")
    audio = write_csd("COVAREP", {"a": ([[0.0, 1.0]], [[5.0]])})
    assert refusal(lambda: align(said, [audio], out)) == (
        "words, a[1]: the interval ends before it starts, so that what belongs to it is undefined; mend it in the file"
    )
    for bound in (np.nan, np.inf):
        endless = write_csd("words", {"a": ([[0.0, 1.0], [1.0, bound]], words(2))}, file="endless")
        assert refusal(lambda: align(endless, [audio], out)) == (  # noqa: B023
            f"words, a[1]: the interval must start and end at a number of seconds, got [ 1. {bound}]; mend it in the file"
        )
    labels = write_csd("labels", {"a": ([[1.0, 0.0]], [[1.0]])})
    assert refusal(lambda: align(good, [audio], out, labels=labels)) == (
        f"{labels}, a[0]: the segment must end after it starts, got [1. 0.]"
    )
    assert refusal(lambda: align(good, [audio, ("acoustic", audio)], out)) == (
        f"{audio}: 'acoustic' is already in {audio}; keep one of the two, or name them: NAME=PATH"
    )
    assert refusal(lambda: align(good, [said], out)) == (
        f"{said}: 'words' is already in {good}; keep one of the two, or name them: NAME=PATH"
    )
    assert refusal(lambda: align(good, [audio], out, collapse="medain")) == (
        "collapse: no way 'medain'; did you mean 'mean'? known: last, max, mean, weighted"
    )
    assert refusal(lambda: align(good, [audio], out, collapse="nowhere.medain")) == (
        "no collapse 'nowhere.medain' (No module named 'nowhere')"
    )
    assert refusal(lambda: align(good, [audio], out, collapse="antigravity.fly")) == (
        "no collapse 'antigravity.fly' (Python's own library has none)"
    )
    assert refusal(lambda: align(good, [audio], out, collapse="joblib.load")) == (
        "collapse joblib.load: expected a function of a module of yours, of affect, torch, optuna, lightning or "
        "numpy, or one that is annotated to return ndarray; write one that calls it"
    )
    other = write_csd("COVAREP", {"b": ([[0.0, 1.0]], [[5.0]])}, file="other")
    assert (
        refusal(lambda: align(good, [other], out))
        == f"no video is in all of {good} (a, ...), {other} (b, ...)"
    )
    uneven = write_csd(
        "COVAREP", {"a": ([[0.0, 1.0]], [[5.0]]), "b": ([[0.0, 1.0]], [[5.0, 6.0]])}, file="uneven"
    )
    both = write_csd("words", {v: ([[0.0, 1.0]], words(1)) for v in "ab"}, file="both")
    assert refusal(lambda: align(both, [uneven], out)) == (
        f"{uneven}, b: features must have shape (entries, 1) as in the first video, got (1, 2)"
    )
    assert refusal(lambda: align(good, [tmp_path / "no.csd"], out)) == f"{tmp_path / 'no.csd'}: no such file"
    short = write_csd("COVAREP", {"a": ([[0.0, 1.0], [1.0, 2.0]], [[5.0]])}, file="short")
    assert refusal(lambda: align(good, [short], out)) == f"{short}, a: 1 rows of features for 2 intervals"
    assert not out.exists()


def test_the_words_of_mosi_in_its_labelled_segments(real_data, tmp_path):
    mosi = real_data / "mosi"
    corpus = align(
        mosi / "mosi_words_shiftfixed.csd", [mosi / "mosi_audio73_utterance.csd"], tmp_path / "mosi.safetensors",
        labels=mosi / "CMU_MOSI_Opinion_Labels.csd",
    )  # fmt: skip
    assert {name: len(split) for name, split in corpus.splits.items()} == {
        "train": 1283,  # one of the published 1,284 takes no time
        "valid": 229,
        "test": 686,
    }
    assert corpus.notes[0] == (
        "1 of 2,199 segments are shorter than 1e-05 s and are no samples, as in the SDK: 2WGyTLYerpo[43]."
    )
    assert sum(split.words.total for split in corpus.splits.values()) == 33053
    with np.load(mosi / "mosi_joined.npz", allow_pickle=False) as joined:
        spans = zip(joined["word_ptr"][:-1], joined["word_ptr"][1:], strict=True)
        said = [" ".join(joined["word"][a:b]) for a, b in spans]
        rows = zip(joined["split"], joined["video"], said, joined["label"].round(4), strict=True)
        known = sorted(row for row, lasts in zip(rows, joined["end"] > joined["start"], strict=True) if lasts)
    ours = [
        (name, split.groups[i], " ".join(split.words[i]), np.float32(label).round(4))
        for name, split in corpus.splits.items()
        for i, label in enumerate(split.labels("sentiment").ravel())
    ]
    assert sorted(ours) == known


def test_names_of_files_on_the_command_line(small, tmp_path, capsys):
    from affect.cli import main

    out = tmp_path / "out.safetensors"
    main([
        "align", str(small["words"]), f"ecg={small['acoustic']}", str(small["visual"]), "--labels", str(small["labels"]),
        "--out", str(out),
    ])  # fmt: skip
    said = capsys.readouterr().out
    assert re.search(r"Steps are those of words.csd; .*\n.*out.safetensors: all 9\n", said)
    assert affect.load(out).dims == {"ecg": 4, "visual": 3}
    with pytest.raises(SystemExit) as error:
        main(["align", str(small["words"]), str(small["words"]), "--out", str(out)])
    assert str(error.value).startswith("ConfigError: ")
