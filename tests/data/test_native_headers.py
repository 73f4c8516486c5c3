"""Headers and offsets of native files that somebody else wrote: one line each."""

import copy
import json
import math

import numpy as np
import pytest

import affect
from affect.data import native
from affect.errors import DataError

CORPUS = affect.load("synthetic")
OFFSETS = "test/modality/text/offsets"


@pytest.fixture
def changed(tmp_path):
    """A native file: (a change of its header, of its tensors by name) -> its path."""
    path = tmp_path / "corpus.affect"
    native.save(CORPUS, path)
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    entries, body = json.loads(raw[8 : 8 + size]), bytearray(raw[8 + size :])

    def write(change=None, **tensors):
        own, kept = copy.deepcopy(entries), bytearray(body)
        if change is not None:
            header = json.loads(own["__metadata__"]["affect"])
            change(header)
            own["__metadata__"]["affect"] = json.dumps(header)
        for name, (place, value) in tensors.items():
            entry = own[name]
            begin, end = entry["data_offsets"]
            array = np.frombuffer(bytes(kept[begin:end]), native._DTYPES[entry["dtype"]]).copy()
            array.view(np.uint8 if array.dtype == bool else array.dtype)[place] = value
            kept[begin:end] = array.tobytes()
        start = json.dumps(own).encode()
        start += b" " * (-len(start) % 8)
        path.write_bytes(len(start).to_bytes(8, "little") + start + bytes(kept))
        return path

    return write


def putting(*keys, value):
    def change(header):
        for key in keys[:-1]:
            header = header[key]
        header[keys[-1]] = value

    return change


HEADERS = [
    (putting("version", value=True), "corpus file version True, this affect reads 1"),
    (
        putting("targets", 0, "kind", value="Rank"),
        "the header: no kind of target, got the text 'Rank'; known: Binary, MultiClass, MultiLabel, "
        "Regression",
    ),
    (
        putting("targets", 0, value=[]),
        "the header: no kind of target, got a list; known: Binary, MultiClass, MultiLabel, Regression",
    ),
    (
        putting("targets", 0, "low", value="a"),
        "target 'sentiment': expected a number as low and high, got the text 'a'",
    ),
    (putting("splits", value=["train", "test", "test"]), "the header names split 'test' twice"),
    (
        putting("ceiling", value={"mae": "x"}),
        "the header's ceiling of mae must be a number, got the text 'x'",
    ),
    (
        putting("provenance", value={"text": {"rate": math.nan}}),
        "the header's text: rate: expected a number above 0, got nan",
    ),
    (
        putting("provenance", value={"text": {"extractor": 3}}),
        "the header's text: extractor: expected a text, got 3",
    ),
]


@pytest.mark.parametrize(("change", "message"), HEADERS)
def test_a_wrong_header_is_one_line(changed, change, message):
    path = changed(change)
    with pytest.raises(DataError) as caught:
        native.load(path)
    assert str(caught.value) == f"{path}: {message}"


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (0, -1, f"{OFFSETS}: expected whole numbers (I64) in a row, the first 0"),
        (0, 5, f"{OFFSETS}: expected whole numbers (I64) in a row, the first 0"),
        (3, -9, f"{OFFSETS}: row 2 begins at 14 and ends at -9"),
        (
            -1,
            10**9,
            "test/modality/text: Ragged: starts and lengths must describe rows inside the 5154 steps",
        ),
    ],
)
def test_wrong_offsets_are_one_line(changed, place, value, message):
    path = changed(**{OFFSETS: (place, value)})
    with pytest.raises(DataError) as caught:
        native.load(path)
    assert str(caught.value) == f"{path}: {message}"


def test_a_mask_is_no_or_yes(changed):
    path = changed(**{"test/modality/text/observed": (0, 7)})
    with pytest.raises(DataError, match=r"test/modality/text/observed holds bytes that are neither 0 nor 1$"):
        native.load(path)


def test_what_a_header_holds_beside_is_said(changed):
    def change(header):
        header["colour"] = 3
        header["splits"].remove("test")

    assert native.load(changed(change)).notes[len(CORPUS.notes) :] == (
        "Left out: header keys of the file, which this affect does not know: 'colour'.",
        "Left out: tensors of the file, which this affect does not know: test.",
    )
