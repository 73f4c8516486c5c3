import json
import os

import numpy as np
import pytest

import affect
from affect.data import native
from affect.data.sources.belonging import files_of
from affect.data.writer import CorpusWriter
from affect.errors import DataError
from affect.manifest import write_facts

CORPUS = affect.load("synthetic:interaction")
ABOUT = {"targets": CORPUS.targets, "notes": ("n",), "citation": "c", "main": "sentiment"}


def pieces(size=7):
    for name, split in CORPUS.splits.items():
        for begin in range(0, len(split), size):
            yield name, split.take(np.arange(begin, min(begin + size, len(split))))


def test_pieces_make_the_same_file_as_the_whole(tmp_path):
    with CorpusWriter(tmp_path / "grown.safetensors", "all") as growing:
        for name, piece in pieces():
            growing.append(name, piece)
        corpus = growing.finish("synthetic:interaction", **ABOUT)
    assert (corpus.notes, corpus.citation, corpus.main, list(corpus.splits)) == (
        ("n",),
        "c",
        "sentiment",
        list(CORPUS.splits),
    )
    native.save(corpus, tmp_path / "again.safetensors")
    assert (tmp_path / "grown.safetensors").read_bytes() == (tmp_path / "again.safetensors").read_bytes()
    for name, split in CORPUS.splits.items():
        assert corpus[name].ids == split.ids
        assert corpus[name].groups == split.groups
        for kind in ("modalities", "targets"):
            for part, rows in getattr(split, kind).items():
                kept = getattr(corpus[name], kind)[part]
                assert np.array_equal(kept.values, rows.flat().values)
                assert np.array_equal(kept.offsets, rows.offsets)
    assert [path.name for path in tmp_path.iterdir() if path.name[0] == "."] == [".grown.safetensors.lock"]


@pytest.mark.parametrize("cut", [0, 1, 5, 40])
def test_what_comes_after_a_checkpoint_is_written_once(cut, tmp_path):
    every, path = list(pieces()), tmp_path / "a.safetensors"
    with CorpusWriter(path, "all") as growing:
        for done, (name, piece) in enumerate(every[: cut + 3], 1):
            growing.append(name, piece)
            if done == cut:
                growing.checkpoint(done)
    with CorpusWriter(path, "all") as growing:
        assert growing.done == cut
        for name, piece in every[growing.done :]:
            growing.append(name, piece)
        corpus = growing.finish("synthetic:interaction", **ABOUT)
    assert [len(split) for split in corpus.splits.values()] == [
        len(split) for split in CORPUS.splits.values()
    ]
    assert corpus["test"].ids == CORPUS["test"].ids
    assert np.array_equal(corpus["test"].labels("sentiment"), CORPUS["test"].labels("sentiment"))


def test_pieces_that_the_disk_lost_are_made_anew(tmp_path):
    path = tmp_path / "a.safetensors"
    with CorpusWriter(path, "all") as growing:
        growing.append(*next(pieces()))
        growing.checkpoint(1)
    largest = max(growing.folder.glob("*.raw"), key=lambda file: file.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-1])
    with CorpusWriter(path, "all") as growing:
        assert growing.done == 0
    (growing.folder / "progress.json").write_text("{")
    with CorpusWriter(path, "all") as growing:
        assert growing.done == 0


def test_pieces_that_do_not_fit_are_refused(tmp_path):
    with CorpusWriter(tmp_path / "a.safetensors", "all") as growing:
        growing.append("train", CORPUS["train"].take(np.arange(2)))
        other = CORPUS["valid"].take(np.arange(2))
        other.modalities["text"] = other.modalities["visual"]
        with pytest.raises(DataError) as error:
            growing.append("train", other)
    assert str(error.value).startswith(
        f"{tmp_path / 'a.safetensors'}, train/modality/text/values: expected shape (.., [8])"
    )
    assert not (tmp_path / "a.safetensors").exists()


def test_the_header_says_what_it_is(tmp_path):
    path = tmp_path / "a.safetensors"
    native.save(CORPUS, path)
    size = int.from_bytes(path.read_bytes()[:8], "little")
    header = json.loads(path.read_bytes()[8 : 8 + size])
    assert size % 8 == 0
    places = [entry["data_offsets"] for name, entry in header.items() if name != "__metadata__"]
    assert places[0][0] == 0
    assert all(one[1] == other[0] for one, other in zip(places, places[1:], strict=False))
    assert places[-1][1] == path.stat().st_size - 8 - size


@pytest.mark.parametrize("file", ["../x", "/x", "1.raw", "0.raw/", 5, None])
def test_a_checkpoint_names_no_file_but_its_own(file, tmp_path):
    path, outside = tmp_path / "a.safetensors", tmp_path / "x"
    outside.write_bytes(b"of somebody else" * 100_000)
    every = list(pieces())
    with CorpusWriter(path, "all") as growing:
        growing.append(*every[0])
        growing.checkpoint(1)
    progress = growing.folder / "progress.json"
    state = json.loads(progress.read_text())
    next(iter(state["tensors"].values()))["file"] = file
    write_facts(progress, state, [])
    with CorpusWriter(path, "all") as growing:
        assert growing.done == 0
        for name, piece in every:
            growing.append(name, piece)
        corpus = growing.finish("synthetic:interaction", **ABOUT)
    assert [len(split) for split in corpus.splits.values()] == [
        len(split) for split in CORPUS.splits.values()
    ]
    assert outside.read_bytes() == b"of somebody else" * 100_000


@pytest.mark.parametrize(
    "text", ["[]", "null", "{}", '{"work": "all"}', "[" * 100_000, '{"work": "all", "tensors": 5}', ""]
)
def test_a_damaged_checkpoint_is_none(text, checkpointed, caplog):
    progress = checkpointed.folder / "progress.json"
    progress.write_text(text)
    assert_anew(checkpointed, caplog, f"{progress}: ")


@pytest.fixture
def checkpointed(tmp_path):
    with CorpusWriter(tmp_path / "a.safetensors", "all") as growing:
        growing.append(*next(pieces()))
        growing.checkpoint(1)
    return growing


def assert_anew(writer, caplog, why):
    with CorpusWriter(writer.path, "all") as growing:
        assert growing.done == 0
        assert list(growing.folder.iterdir()) == []
    (line,) = caplog.messages
    assert line.startswith(why)
    assert line.endswith("; the work begins anew")


@pytest.mark.parametrize(
    ("then", "now"), [('"done": 1', '"done": 2'), ('"<f4"', '"<f3"'), ('"<i8"', '"<f8"')]
)
def test_a_checkpoint_that_was_garbled_is_none(then, now, checkpointed, caplog):
    progress = checkpointed.folder / "progress.json"
    text = progress.read_text()
    assert then in text
    progress.write_text(text.replace(then, now, 1))
    assert_anew(checkpointed, caplog, f"{progress}: was changed after it was written: SHA-256 ")


@pytest.mark.parametrize("dtype", ["<f3", "<u8", ">f4", "float32", "O"])
def test_a_checkpoint_names_no_type_but_those_that_are_written(dtype, checkpointed, caplog):
    progress = checkpointed.folder / "progress.json"
    state = json.loads(progress.read_text())
    next(iter(state["tensors"].values()))["dtype"] = dtype
    write_facts(progress, state, [])
    assert_anew(checkpointed, caplog, f"{progress}: not what a checkpoint writes")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names on Windows")
def test_a_pipe_where_the_checkpoint_was_is_not_waited_for(checkpointed, caplog):
    progress = checkpointed.folder / "progress.json"
    progress.unlink()
    os.mkfifo(progress)
    assert_anew(checkpointed, caplog, f"{progress}: is no file")


def test_pieces_are_on_the_disk_before_the_checkpoint_that_names_them(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda number: flushed.append(os.fstat(number).st_ino))
    with CorpusWriter(tmp_path / "a.safetensors", "all") as growing:
        growing.append(*next(pieces()))
        growing.checkpoint(1)
    *before, last = flushed
    assert last == (growing.folder / "progress.json").stat().st_ino
    assert {*before} == {path.stat().st_ino for path in growing.folder.glob("*.raw")}


def test_two_never_write_though_one_came_while_another_ended(tmp_path):
    locking = pytest.importorskip("fcntl", reason="locks of Windows hold files that cannot be deleted")
    path = tmp_path / "a.safetensors"
    with CorpusWriter(path, "all") as first:
        second = os.open(first._lock.lock_file, os.O_RDWR)  # opened, and not locked yet
    with os.fdopen(second):
        locking.flock(second, locking.LOCK_EX | locking.LOCK_NB)
        with pytest.raises(DataError) as error, CorpusWriter(path, "all"):
            pass
    assert str(error.value) == f"{path}: another process is writing it; wait for it, or name another"


def test_the_lock_is_no_part_of_a_corpus(tmp_path):
    for name in ("text_train", "text_valid", "text_test", "y_train", "y_valid", "y_test"):
        np.save(tmp_path / f"{name}.npy", np.ones((2, 3) if name[0] == "t" else 2))
    before, known = affect.load(tmp_path), files_of(tmp_path)
    with CorpusWriter(tmp_path / "labels.csv", "all"):
        pass
    (tmp_path / ".labels.csv.growing").rmdir()
    assert [path.name for path in tmp_path.iterdir() if path not in known] == [".labels.csv.lock"]
    after = affect.load(tmp_path)
    assert (after.notes, after["train"].ids) == (before.notes, before["train"].ids)
    assert files_of(tmp_path) == known


@pytest.mark.parametrize("lead", ["symlink_to", "hardlink_to"])
def test_links_where_a_piece_will_be_are_not_written_to(lead, tmp_path):
    path, outside = tmp_path / "a.safetensors", tmp_path / "outside"
    outside.write_bytes(b"of somebody else" * 100_000)
    with CorpusWriter(path, "all") as growing:
        growing.checkpoint(0)
        for place in range(40):
            getattr(growing.folder / f"{place}.raw", lead)(outside)
    with CorpusWriter(path, "all") as growing:
        for name, piece in pieces():
            growing.append(name, piece)
        corpus = growing.finish("synthetic:interaction", **ABOUT)
    assert corpus["test"].ids == CORPUS["test"].ids
    assert outside.read_bytes() == b"of somebody else" * 100_000


def test_links_to_elsewhere_are_not_written_to(tmp_path):
    path, outside = tmp_path / "a.safetensors", tmp_path / "outside"
    with CorpusWriter(path, "all") as growing:
        growing.append(*next(pieces()))
        growing.checkpoint(1)
    piece = growing.folder / "0.raw"
    piece.rename(outside)
    piece.symlink_to(outside)
    before = outside.read_bytes()
    with CorpusWriter(path, "all") as growing:
        assert growing.done == 0
    assert outside.read_bytes() == before
    growing.folder.rename(tmp_path / "elsewhere")
    growing.folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError) as error, growing:
        pass
    assert str(error.value) == f"{growing.folder}: expected a folder, got a link; remove it"
    assert (tmp_path / "elsewhere").is_dir()
