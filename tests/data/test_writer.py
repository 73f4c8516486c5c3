import json

import numpy as np
import pytest

import affect
from affect.data import native
from affect.data.writer import CorpusWriter
from affect.errors import DataError

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
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []


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
    progress.write_text(json.dumps(state))
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
def test_a_damaged_checkpoint_is_none(text, tmp_path):
    path = tmp_path / "a.safetensors"
    with CorpusWriter(path, "all") as growing:
        growing.append(*next(pieces()))
        growing.checkpoint(1)
    (growing.folder / "progress.json").write_text(text)
    with CorpusWriter(path, "all") as growing:
        assert growing.done == 0
        assert list(growing.folder.iterdir()) == []


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
    assert not (tmp_path / ".a.safetensors.lock").exists()
