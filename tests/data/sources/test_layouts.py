"""A pickle of no known layout is described in one short line, with the layout that it is nearest to."""

import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest

import affect
from affect.data.sources import layouts
from affect.errors import DataError

SPLITS = "a dict of train, valid (dev, val) and test"
RULE = "((words, visual, acoustic), label, segment)"
HELD = {
    "a list": ([np.zeros((2, 3), np.float32), "so", 1.5], f"list of 3 (array (2, 3) of float32, str, float); expected {SPLITS}"),
    "a number": (7, f"int; expected {SPLITS}"),
    "nothing": (None, f"None; expected {SPLITS}"),
    "an empty dictionary": ({}, f"dict of 0; expected {SPLITS}"),
    "two levels": (
        {"a": [(1, {"x": 2})], "b": {"c": [np.zeros(3)]}},
        f"dict of 2 ('a': list of 1 (tuple of 2 (int, dict of 1)), 'b': dict of 1 ('c': list of 1 (array (3,) of float64))); expected {SPLITS}",
    ),
    "dialogues": (
        [{f"d{i}": ["u"] * 5 for i in range(50)} for _ in range(7)],
        "list of 7 (dict of 50 ('d0': list of 5, 'd1': list of 5, 'd2': list of 5, 'd3': list of 5, ...), dict of 50 ('d0': list of 5, "
        "'d1': list of 5, 'd2': list of 5, 'd3': list of 5, ...), dict of 50 ('d0': list of 5, 'd1': list of 5, 'd2': list of 5, 'd3': "
        f"list of 5, ...), dict of 50 ('d0': list of 5, 'd1': list of 5, 'd2': list of 5, 'd3': list of 5, ...), ...); expected {SPLITS}",
    ),
    "control characters": ({"a\nb\x1b[31m": 1}, f"dict of 1 ('a\\nb\\x1b[31m': int); expected {SPLITS}"),
    "a long key": ({"x" * 99: 1}, f"dict of 1 ('{'x' * 39}…': int); expected {SPLITS}"),
    "no splits": (
        {"text": np.zeros((1, 2, 3)), "audio": np.zeros((1, 2, 3)), "labels": [1]},
        f"dict of 3 ('text': array (1, 2, 3) of float64, 'audio': array (1, 2, 3) of float64, 'labels': list of 1 (int)); nearest is mult, whose keys stand in {SPLITS}",
    ),
    "one split of MISA": (
        [((["so"], np.zeros((1, 2)), np.zeros((1, 2))), 1.0, "a")],
        "list of 1 (tuple of 3 (tuple of 3 (list of 1, array (1, 2) of float64, array (1, 2) of float64), float, str)); nearest is mag, of "
        "which it is one split: call the file train.pkl, dev.pkl or test.pkl",
    ),
    "splits without features": (
        {"train": {"glove": 1, "y": 2}, "test": {"glove": 1}},
        "dict of 2 ('train': dict of 2 ('glove': int, 'y': int), 'test': dict of 1 ('glove': int)); nearest is lmf, of which its splits "
        "lack covarep, facet, label",
    ),
    "lists of other samples": (
        {"train": [{"x": 1}]},
        f"dict of 1 ('train': list of 1 (dict of 1 ('x': int))); nearest is mag, which has lists of {RULE} for all splits, and not a list of 1 (dict of 1)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HELD)
def test_what_is_held_is_said(name, tmp_path):
    content, said = HELD[name]
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(DataError) as error:
        affect.load(path)
    assert (
        str(error.value)
        == f"{path}: a pickle of no known layout: {said}; known: mmsa, mult, mag, lmf, dialogue_rnn, bc_lstm"
    )


def test_the_line_is_short_whatever_is_held(tmp_path):
    path = tmp_path / "a.pkl"
    wide = {f"{'k' * 50}{i}": [np.zeros((1,) * 30)] * 9 for i in range(9)}
    for content in (
        wide,
        [wide] * 9,
        {"train": [[wide]], "test": "x" * 10_000},
        {"train": {f"{i}\n": 1 for i in range(999)}},
    ):
        path.write_bytes(pickle.dumps(content))
        with pytest.raises(DataError) as error:
            affect.load(path)
        said = str(error.value).removeprefix(str(path))
        assert len(said) < 900
        assert said.isprintable()


def test_packed_tensors_are_refused_before_they_are_unpacked(tmp_path):
    path = tmp_path / "a.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", bytes(1 << 26))
    tracemalloc.start()
    assert layouts.read(path) is None
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 24


def test_codes_are_noted_unless_their_kind_is_given(tmp_path):
    rng = np.random.default_rng(0)
    part = {
        "text": rng.normal(size=(12, 3, 2)),
        "audio": rng.normal(size=(12, 3, 2)),
        "vision": rng.normal(size=(12, 3, 2)),
    }
    content = {"train": {**part, "labels": np.arange(12.0).reshape(12, 1, 1) % 3}}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content))
    said = "sentiment holds 3 whole numbers and is read as a number"
    assert any(note.startswith(said) for note in affect.load(tmp_path / "a.pkl").notes)
    corpus = affect.load(tmp_path / "a.pkl", targets={"sentiment": "multiclass"})
    assert corpus.target().classes == ("0", "1", "2")
    assert not any(note.startswith(said) for note in corpus.notes)
