"""Honest pickles come back as they were; hostile ones end in one line, and nothing in them runs."""

import io
import itertools
import os
import pickle
import re
import struct
import subprocess
import sys
import tracemalloc
from collections import OrderedDict, defaultdict
from decimal import Decimal
from functools import partial

import numpy as np
import pytest

from affect.data.sources.pickles import is_pickle, read_pickle
from affect.errors import DataError

RNG = np.random.default_rng(0)
ADVICE = ": a corpus may hold only numpy arrays, plain containers, strings and numbers"


@pytest.fixture
def read(tmp_path):
    def reader(raw):
        path = tmp_path / "a.pkl"
        path.write_bytes(raw)
        return read_pickle(path)

    return reader


def same(a, b):
    assert type(a) is type(b), (type(a), type(b))
    if isinstance(a, np.ndarray):
        assert (a.dtype.newbyteorder("="), a.shape) == (b.dtype.newbyteorder("="), b.shape)
        if a.dtype == object:
            for x, y in zip(a.flat, b.flat, strict=True):
                same(x, y)
        else:
            assert np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    else:
        assert a == b


ARRAYS = {
    **{kind: RNG.normal(size=(3, 4)).astype(kind) for kind in ("f2", "f4", "f8", ">f4", ">f8", "c8")},
    **{kind: RNG.integers(0, 9, (2, 3)).astype(kind) for kind in ("i1", "u1", "i4", "i8", ">i8", "?")},
    "fortran": np.asfortranarray(RNG.normal(size=(3, 4, 2))), "empty": np.zeros((0, 5)), "point": np.array(3.0),
    "slice": RNG.normal(size=(4, 6))[::2, 1:3], "words": np.array(["so", "gü", ""]), "bytes": np.array([b"so", b"good"]),
    "big words": np.array(["so", "gü"]).astype(">U2"), "nan": np.array([np.nan, np.inf, -np.inf]),
    "objects": np.array([["so", None], [1.5, b"x"]], dtype=object), "ragged": np.array([np.zeros(2), np.ones(3)], dtype=object),
    "no words": np.array([], dtype="U3"), "turned": RNG.normal(size=(2, 3, 4)).transpose(1, 0, 2), "turned, empty": np.zeros((0, 3, 2)).transpose(1, 2, 0),
}  # fmt: skip
VALUES = [
    "so", "gü", b"\xff\x00", bytearray(b"abc"), b"", 0, -1, 2**70, -(2**70), 255, 65536, 1.5, float("inf"), 1 + 2j, True, None,
    [], (), {}, set(), {"a", "b"}, frozenset({1, 2}), [[1, (2, [3])]], {1: "x", (1, 2): "y", 1.5: None, None: 0, b"k"[:0].decode(): 1},
    {np.str_("so"): 1, np.int64(3): 2, np.float32(1.5): 3}, np.float32(1.5), np.int64(-3), np.bool_(True), np.str_("so"), np.str_(""), np.bytes_(b""),
]  # fmt: skip


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_come_back_as_they_were(protocol, read):
    for array in ARRAYS.values():
        same(
            read(pickle.dumps(array, protocol)),
            np.array(array, order="K") if array.dtype != object else array,
        )
    same(read(pickle.dumps(ARRAYS, protocol)), ARRAYS)


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_come_back_as_they_were(protocol, read):
    for value in VALUES:
        assert read(pickle.dumps(value, protocol)) == value
    assert read(pickle.dumps(VALUES, protocol)) == VALUES
    pairs = [("b", 1), ("a", 2)]
    assert list(read(pickle.dumps(OrderedDict(pairs), protocol)).items()) == pairs
    assert read(pickle.dumps(defaultdict(list, pairs), protocol)) == dict(pairs)


@pytest.mark.parametrize("protocol", range(6))
def test_what_is_shared_stays_shared(protocol, read):
    array = RNG.normal(size=(4, 3))
    one, (other, words), again = read(pickle.dumps([array, (array, ["so"]), array], protocol))
    assert one is other
    assert one is again
    assert words == ["so"]


def test_old_and_new_names_of_numpy(read):
    array, number = RNG.normal(size=(2, 3)), np.float32(2.5)
    for protocol, thing in itertools.product((2, 4, 5), (array, number)):
        raw = pickle.dumps(thing, protocol)
        for new, old in (
            (b"numpy._core.multiarray", b"numpy.core.multiarray"),
            (b"numpy._core.numeric", b"numpy.core.numeric"),
        ):
            shorter = raw.replace(b"\x8c" + bytes([len(new)]) + new, b"\x8c" + bytes([len(old)]) + old)
            shorter = shorter.replace(b"c" + new + b"\n", b"c" + old + b"\n")
            if protocol >= 4 and shorter != raw:  # the frame is as long as it says
                at = shorter.index(b"\x95")
                (size,) = struct.unpack("<Q", shorter[at + 1 : at + 9])
                shorter = (
                    shorter[: at + 1] + struct.pack("<Q", size - len(raw) + len(shorter)) + shorter[at + 9 :]
                )
            same(read(shorter), thing)


def string2(raw):
    """A byte string as Python 2 pickles it in protocol 2."""
    return (b"U" + bytes([len(raw)]) if len(raw) < 256 else b"T" + struct.pack("<i", len(raw))) + raw


def array2(array, code):
    """An array as Python 2 pickles it."""
    shape = b"".join(b"K" + bytes([n]) for n in array.shape)
    return (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01(" + shape + b"t"
        b"cnumpy\ndtype\n"
        + string2(code)
        + b"K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89" + string2(array.tobytes()) + b"tb"
    )


def test_pickles_of_python_2(read):
    array = RNG.normal(size=(9, 5))
    raw = (
        b"\x80\x02}("
        + string2(b"train")
        + b"]"
        + array2(array, b"f8")
        + b"a"
        + string2(b"gut")
        + string2(b"g\xfct")
        + b"u."
    )
    content = read(raw)
    assert list(content) == ["train", "gut"]
    same(content["train"][0], array)
    assert content["gut"] == b"g\xfct"
    text = b"(dp0\nS'train'\np1\n(lp2\nS'so'\np3\naI5\naF1.5\naL7L\naI01\naVg\\u00fc\np4\nas."
    assert read(text) == {"train": [b"so", 5, 1.5, 7, True, "gü"]}


class Run:
    """Pickles to a call."""

    def __init__(self, call, *arguments):
        self.made = call, arguments

    def __reduce__(self):
        return self.made


def stack_global(module, name):
    short = [b"\x8c" + bytes([len(part)]) + part for part in (module, name)]
    return b"\x80\x04" + short[0] + short[1] + b"\x93"


NDARRAY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
F8 = b"cnumpy\ndtype\nX\x02\x00\x00\x00f8\x89\x88\x87R"
PAIRS = b"".join(b"\x940h" + bytes([i]) + b"h" + bytes([i]) + b"\x86" for i in range(200))
"""MEMOIZE, POP, and a tuple of the last one twice."""


def state(shape, kind=F8, data=b"C\x08" + b"\0" * 8):
    return b"(K\x01" + shape + kind + b"\x89" + data + b"tb"


TOUCH = "touch ran"
HOSTILE = {
    **{f"system, protocol {p}": (pickle.dumps(Run(os.system, TOUCH), p), "refused to read 'posix.system'") for p in range(6)},
    "system by hand": (b"cos\nsystem\n(S'touch ran'\ntR.", "refused to read 'os.system'"),
    "instance by hand": (b"(S'touch ran'\nios\nsystem\n.", "refused to make an object of a class"),
    "object by hand": (b"\x80\x02(cos\nsystem\nU\x09touch rano.", "refused to read 'os.system'"),
    "stack global": (stack_global(b"os", b"system") + b"\x8c\x09touch ran\x85R.", "refused to read 'os.system'"),
    "dotted name": (stack_global(b"numpy", b"ndarray.dumps") + b".", "refused to read 'numpy.ndarray.dumps'"),
    "in a list": (pickle.dumps({"train": [1, {"text": Run(os.system, TOUCH)}]}), "refused to read 'posix.system'"),
    "in an array": (pickle.dumps(np.array([Run(os.system, TOUCH)], dtype=object)), "refused to read 'posix.system'"),
    "eval": (pickle.dumps(Run(eval, "open('ran', 'w')"), 2), "refused to read '__builtin__.eval'"),
    "exec": (pickle.dumps(Run(exec, "open('ran', 'w')"), 4), "refused to read 'builtins.exec'"),
    "getattr": (pickle.dumps(Run(getattr, "", "upper")), "refused to read 'builtins.getattr'"),
    "import": (pickle.dumps(Run(__import__, "os")), "refused to read 'builtins.__import__'"),
    "open": (pickle.dumps(Run(open, "ran", "w")), "refused to read 'io.open'"),
    "subprocess": (pickle.dumps(Run(subprocess.Popen, ["touch", "ran"])), "refused to read 'subprocess.Popen'"),
    "partial": (pickle.dumps(partial(os.system, TOUCH)), "refused to read 'functools.partial'"),
    "attrgetter": (b"coperator\nattrgetter\n(S'x'\ntR.", "refused to read 'operator.attrgetter'"),
    "numpy.load": (b"cnumpy\nload\n(S'x'\ntR.", "refused to read 'numpy.load'"),
    "torch": (b"ctorch.nn\nLinear\n.", "refused to read 'torch.nn.Linear'"),
    "a name of torch alone": (b"ctorch._utils\n_rebuild_tensor_v2\n.", "refused to read a name in place of a value"),
    "pandas": (b"cpandas.core.frame\nDataFrame\n)R.", "refused to read 'pandas.core.frame.DataFrame'"),
    "decimal": (pickle.dumps(Decimal(1)), "refused to read 'decimal.Decimal'"),
    "a name alone": (b"cnumpy\nndarray\n.", "refused to read a name in place of a value"),
    "array by hand": (b"cnumpy\nndarray\n((I9999999999\ntS'f8'\ntR.", "refused to make an array by hand"),
    "subclass": (b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\ndtype\nK\x00\x85C\x01b\x87R.", "refused to read a subclass of array"),
    "call of a value": (b"I5\n)R.", "refused to call what is not a name"),
    "new object": (b"\x80\x02cnumpy\nndarray\n)\x81.", "refused to make an object of a class"),
    "new object, protocol 4": (b"\x80\x04cnumpy\nndarray\n)}\x92.", "refused to make an object of a class"),
    "change a name": (b"cnumpy.core.multiarray\nscalar\n}X\x04\x00\x00\x00callI1\nsb.", "refused to change a Named"),
    "change a list": (b"]}X\x01\x00\x00\x00aI1\nsb.", "refused to change a list"),
    "change an array by slots": (NDARRAY + b"N}X\x05\x00\x00\x00shapeI1\ns\x86b.", "refused to change an array that is made"),
    "change an array twice": (NDARRAY + state(b"K\x01\x85") + state(b"K\x01\x85") + b".", "refused to change an array that is made"),
    "records": (
        NDARRAY + state(b"K\x01\x85", b"cnumpy\ndtype\nX\x02\x00\x00\x00V8\x89\x88\x87R") + b".",
        "refused to read an array of records or of an unknown type",
    ),
    "fields in a number": (
        F8 + b"(K\x03X\x01\x00\x00\x00<NX\x01\x00\x00\x00a\x85}NJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb.",
        "refused to read an array of records",
    ),
    "write into an array": (NDARRAY + state(b"K\x01\x85") + b"K\x00K\x01s.", "refused to add to a ndarray"),
    "append to a bytearray": (b"\x80\x05\x96\x01\0\0\0\0\0\0\0xK\x01a.", "refused to add to a bytearray"),
    "persistent id": (b"Pabc\n.", "refused to follow a persistent id"),
    "persistent id, protocol 2": (b"\x80\x02U\x03abcQ.", "refused to follow a persistent id"),
    "extension": (b"\x80\x02\x82\x01.", "refused to look up extension 1"),
    "buffer elsewhere": (b"\x80\x05\x97.", "refused to look for a buffer outside the file"),
    "buffer in memory": (b"\x80\x05\x96\x01\0\0\0\0\0\0\0x\x98.", "refused to look for a buffer outside the file"),
    "memory of an array": (b"\x80\x05" + NDARRAY + b"\x98.", "refused to look for a buffer outside the file"),
    "extension, wide": (b"\x80\x02\x84\x01\x00\x00\x7f.", "refused to look up extension 2130706433"),
    "encode otherwise": (b"c_codecs\nencode\n(VAAAA\nVrot13\ntR.", "refused to encode text in another way than Latin-1"),
    "a dictionary as a key": (b"}}I1\ns.", "refused to read a dict as a key"),
    "a factory that runs": (b"ccollections\ndefaultdict\n(ccollections\nOrderedDict\ntR.", "refused to read a defaultdict of that kind"),
    "a complex number as a key": (pickle.dumps({1j: 1}, 2), "refused to read a complex as a key"),
    "a wide number as a key": (pickle.dumps({np.longdouble(1): 1}, 2), "refused to read a longdouble as a key"),
    "numbers of one hash": (pickle.dumps({2**60: 1}, 2), "refused to read a int as a key"),
    "tuples of one hash": (pickle.dumps({(1, 2**31): 1}, 2), "refused to read a tuple as a key"),
    "tuples of one hash, of three": (pickle.dumps({(1, 2, 3): 1}, 2), "refused to read a tuple as a key"),
    "tuples of one hash, of fractions": (pickle.dumps({(1.5, 2): 1}, 2), "refused to read a tuple as a key"),
    "a tuple of many": (pickle.dumps({("a",) * 4: 1}, 2), "refused to read a tuple as a key"),
    "a long tuple of bytes": (b"\x80\x04}B\xe9\x03\0\0" + b"a" * 1001 + b"\x85K\x01s.", "refused to read a tuple as a key"),
    "long bytes": (b"\x80\x04}B\xe9\x03\0\0" + b"a" * 1001 + b"K\x01s.", "refused to read a bytes as a key"),
    "members of one hash": (b"\x80\x02c__builtin__\nset\n](" + b"J\0\0\0\x7fJ\0\0\0\x7fJ\0\0\0\x7f\x87e\x85R.", "refused to read a tuple as a key"),
    "endless hashing": (b"\x80\x04})" + PAIRS + b"I1\ns.", "refused to read a tuple as a key"),
    "endless walking": (b"\x80\x04]" + b"".join(b"\x94](h" + bytes([i]) * 1 + (b"h" + bytes([i])) * 9 + b"e" for i in range(0, 20)) + b".", None),
    "itself": (b"\x80\x02]q\x00h\x00a.", "refused to read what contains itself"),
    "deep, one inside the next": (
        b"\x80\x04](]" + b"".join(b"q" + bytes([i]) + b"]h" + bytes([i]) + b"a" for i in range(40)) + b"e.",
        "refused to read what is nested deeper than 30",
    ),
    "marks without end": (b"(" * 5_000_000, "refused to read what is nested deeper than 30"),
    "an endless axis": (NDARRAY + state(b"\x8a\x06" + (2**40).to_bytes(6, "little") + b"K\0\x86", data=b"C\0") + b".", "refused to read an array with an endless axis"),
    "an endless axis of empty text": (
        NDARRAY + state(b"\x8a\x06" + (2**40).to_bytes(6, "little") + b"\x85", b"cnumpy\ndtype\nX\x02\0\0\0U0\x89\x88\x87R", b"C\0") + b".",
        "refused to read an array with an endless axis",
    ),
    "a name of two lines": (stack_global(b"a\nb\x1b", b"\xed\xa0\x80") + b".", r"refused to read 'a\nb\x1b.\ud800'"),
    "a name without end": (b"\x80\x04X\x10\x27\0\0" + b"a" * 10_000 + b"\x8c\x01b\x93.", f"refused to read '{'a' * 100}'"),
    "deep": (b"]" * 60 + b"a" * 59 + b".", "refused to read what is nested deeper than 30"),
    "containers without end": (b"(" + b"]" * 20_000 + b"l.", "refused to make more containers than the file has room for"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_hostile_runs(name, read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    raw, said = HOSTILE[name]
    with pytest.raises(DataError) as error:
        read(raw)
    message = str(error.value)
    assert message.startswith(f"{tmp_path / 'a.pkl'}: ")
    if said:
        assert message == f"{tmp_path / 'a.pkl'}: {said}{ADVICE}"
    assert not (tmp_path / "ran").exists()


BROKEN = {
    "nothing": b"",
    "no end": b"\x80\x04]",
    "unknown opcode": b"\x80\x04\xff.",
    "no such memo": b"\x80\x02h\x07.",
    "nothing on the stack": b"0.",
    "no mark": b"t.",
    "bytes": b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x.",
    "text": b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b"x.",
    "bytearray": b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"x.",
    "frame": b"\x80\x04\x95" + struct.pack("<Q", 2**60) + b"].",
    "long": b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"x.",
    "negative long": b"\x80\x02\x8b" + struct.pack("<i", -5) + b"x.",
    "negative string": b"\x80\x02T" + struct.pack("<i", -5) + b"x.",
    "digits without end": b"L" + b"9" * 100_000 + b"L\n.",
    "wrong size": NDARRAY + state(b"K\x02\x85") + b".",
    "negative shape": NDARRAY + state(b"J\xff\xff\xff\xff\x85") + b".",
    "endless shape": NDARRAY + state(b"\x8a\x09" + b"\xff" * 8 + b"\x00\x85") + b".",
    "shape of text": NDARRAY + state(b"U\x01x\x85") + b".",
    "shape without end": b"\x80\x04)"
    + b"".join(b"\x940h" + bytes([i]) + b"h" + bytes([i]) + b"\x86" for i in range(100))
    + b"\x940"
    + NDARRAY
    + state(b"hd\x85")
    + b".",
    "too many axes": NDARRAY + state(b"(" + b"K\x01" * 65 + b"t") + b".",
    "objects from bytes": NDARRAY
    + state(b"K\x01\x85", b"cnumpy\ndtype\nX\x02\x00\x00\x00O8\x89\x88\x87R")
    + b".",
    "scalar of objects' size": b"cnumpy.core.multiarray\nscalar\n" + F8 + b"C\x01x\x86R.",
    "no character": pickle.dumps(np.array(["ab"]), 2).replace(b"a\x00\x00\x00", b"a\x00\x00\x7f"),
    "bad unicode": b"\x80\x04\x8c\x02\xff\xff.",
    "newer protocol": b"\x80\x09].",
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_ends_in_one_line(name, read, tmp_path):
    with pytest.raises(DataError) as error:
        read(BROKEN[name])
    assert re.fullmatch(
        rf"{re.escape(str(tmp_path))}/a.pkl: not a whole pickle \(\w+: .*\)", str(error.value)
    )


ANNOUNCED = {
    "bytes": (b"\x80\x04\x8e" + struct.pack("<Q", 2**40), b"x."),
    "text": (b"\x80\x04\x8d" + struct.pack("<Q", 2**40), b"x."),
    "a frame": (b"\x80\x04\x95" + struct.pack("<Q", 2**40), b"x."),
    "a bytearray": (b"\x80\x05\x96" + struct.pack("<Q", 2**40), b"x."),
}


@pytest.mark.parametrize("name", ANNOUNCED)
def test_no_room_is_made_for_what_is_only_announced(name, read, tmp_path):
    start, rest = ANNOUNCED[name]
    left = f"the file has {len(start + rest)}" if name == "a bytearray" else f"{len(rest)} are left"
    said = f"{tmp_path / 'a.pkl'}: not a whole pickle (EOFError: {2**40} bytes are announced, and {left})"
    with pytest.raises(DataError, match=f"^{re.escape(said)}$"):
        read(start + rest)


def test_a_bytearray_may_not_be_longer_than_what_is_left(read, tmp_path):
    said = f"{tmp_path / 'a.pkl'}: not a whole pickle (EOFError: 12 bytes are announced, and 2 are left)"
    with pytest.raises(DataError, match=f"^{re.escape(said)}$"):
        read(b"\x80\x05\x96" + struct.pack("<Q", 12) + b"x.")


def test_numbers_of_the_memo_may_be_apart(read):
    raw = b"\x80\x04(K\x01q\x05K\x02\x94h\x01h\x05l."
    assert read(raw) == pickle.loads(raw) == [1, 2, 2, 1]


def test_a_memo_far_out_takes_no_memory(tmp_path):
    """The reader in C makes room for the whole memo: 2**31 places of 8 bytes. In a process of its own, with a limit."""
    path = tmp_path / "a.pkl"
    path.write_bytes(b"\x80\x02]r\xff\xff\xff\x7f.")
    code = (
        "import resource, pathlib, numpy\nfrom affect.data.sources.pickles import read_pickle\n"
        "resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))\n"
        f"assert read_pickle(pathlib.Path({str(path)!r})) == []"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def again(call, handed, times=200_000):
    """A list of calls of one thing with the same arguments: five bytes each."""
    return b"\x80\x04](" + call + b"q\x000" + handed + b"q\x010" + b"h\x00h\x01R" * times + b"e."


LARGE = struct.pack("<I", 1_000_000) + b"a" * 1_000_000
FLOATS = (
    b"cnumpy\ndtype\nX\x02\0\0\0f8\x89\x88\x87R(K\x03X\x01\0\0\0>NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
)
EMPTY = b"cnumpy.core.multiarray\n_reconstruct\nq\x000cnumpy\nndarray\nK\0\x85C\x01b\x87q\x010"
MULTIPLIED = {
    "encoding": again(b"c_codecs\nencode\n", b"X\xe8\x03\0\0" + b"a" * 1000 + b"X\x06\0\0\0latin1\x86"),
    "bytearrays": again(b"cbuiltins\nbytearray\n", b"B" + LARGE + b"\x85"),
    "sets": again(b"cbuiltins\nset\n", b"](" + b"K\x01" * 100_000 + b"e\x85"),
    "numbers": again(b"cnumpy.core.multiarray\nscalar\n", b"cnumpy\ndtype\nX\x08\0\0\0S1000000\x89\x88\x87RB" + LARGE + b"\x86"),
    "swapped arrays": b"\x80\x04](" + EMPTY + b"(K\x01J" + struct.pack("<i", 125_000) + b"\x85" + FLOATS + b"\x89B" + LARGE + b"tq\x020"
    + b"h\x00h\x01Rh\x02b" * 50_000 + b"e.",
}  # fmt: skip


def test_a_few_bytes_do_not_multiply_what_is_large(tmp_path):
    """Up to 1 MB copied for every five bytes of the file. In a process of its own, with limits of memory and time."""
    for name, raw in MULTIPLIED.items():
        (tmp_path / name).write_bytes(raw)
    code = (
        "import pathlib, resource, sys, numpy\n"
        "from affect.data.sources.pickles import read_pickle\nfrom affect.errors import DataError\n"
        "resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))\n"
        "resource.setrlimit(resource.RLIMIT_CPU, (20, 20))\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    try:\n        print(path.name, len(read_pickle(path)))\n"
        "    except DataError as error:\n        print(error)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=True, timeout=60, capture_output=True, text=True
    )
    assert ran.stdout.splitlines() == [
        f"{tmp_path / name}: refused to make more of the same content than the file holds{ADVICE}"
        for name in sorted(MULTIPLIED)
    ]


def test_names_cannot_be_changed_from_within(read):
    for target in (b"cnumpy\ndtype\n", b"c_codecs\nencode\n"):
        for content in (b"}X\x04\x00\x00\x00callI1\nsb.", b"N}X\x04\x00\x00\x00callI1\ns\x86b."):
            with pytest.raises(DataError, match="refused to change a Named"):
                read(target + content)
    same(read(pickle.dumps(ARRAYS)), ARRAYS)


def test_the_same_thing_many_times_is_no_harm(read):
    word, array = "so", np.ones(3)
    content = read(pickle.dumps({"words": [word] * 5000, "arrays": [array] * 500}))
    assert content["words"] == [word] * 5000
    assert all(x is content["arrays"][0] for x in content["arrays"])
    labels = {f"label {i}": i for i in range(20)}
    assert read(pickle.dumps([labels] * 2000)) == [labels] * 2000


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_damage_never_ends_without_a_message(protocol, read, damaged):
    split = {
        "text": RNG.normal(size=(3, 4, 2)).astype("f4"),
        "id": ["a$_$1", "b"],
        "raw_text": np.array(["so", "gü"]),
    }
    whole = pickle.dumps({"train": split, "valid": [(split["text"], 1.5, None)]}, protocol)
    read_again = 0
    for seed in range(500):
        try:
            read(damaged(whole, seed))
            read_again += 1
        except DataError:
            continue
    assert 5 < read_again < 450


def test_pickles_are_told_from_other_files(tmp_path):
    path = tmp_path / "any"
    for protocol in range(6):
        for content in ({"a": 1}, [1], ({"a": np.ones(2)}, 1)):
            path.write_bytes(pickle.dumps(content, protocol))
            assert is_pickle(path)
    others = io.BytesIO()
    np.savez(others, a=np.ones(2))
    for raw in (
        b"",
        b"x",
        b"id,text\n1,so.",
        b"(hello",
        b"(I agree.",
        b"(lost).",
        b"clip,label\n1,0.",
        b"called so.",
        b"[1, 2].",
        b"{}.",
        b"]] so.",
        b"\x80\x02" + b"\0" * 6 + b'{"a":{}}',  # safetensors with a header of 640 bytes
        b"\x89HDF\r\n\x1a\n",
        b"PAR1....PAR1",
        others.getvalue(),
        b"{}",
        b"\x80\x09",
    ):
        path.write_bytes(raw)
        assert not is_pickle(path), raw


def test_arrays_that_were_written_as_text_are_not_kept_twice(read):
    arrays = [RNG.normal(size=(1 << 17,)) for _ in range(6)]  # a megabyte each
    raw = pickle.dumps(arrays, 2)
    tracemalloc.start()
    try:
        content = read(raw)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert all(map(np.array_equal, content, arrays))
    assert peak < 1.7 * sum(array.nbytes for array in arrays)


@pytest.mark.parametrize("protocol", [4, 5])
def test_large_arrays_are_in_memory_once(protocol, read):
    array = RNG.normal(size=(1 << 20,))  # in protocol 5 a bytearray, which is easily read as bytes first
    raw = pickle.dumps([array], protocol)
    tracemalloc.start()
    try:
        content = read(raw)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    same(content[0], array)
    assert peak < 1.1 * array.nbytes


@pytest.mark.parametrize("protocol", range(6))
def test_large_byte_strings_come_back_as_they_were(protocol, read):
    large = [
        b"\xffx" * 2000,
        b"\xfey" * 2000,
        bytearray(b"\xfdz" * 2000),
        np.bytes_(b"x" * 3000),
        np.bytes_(b"y" * 3000),
    ]
    large.append(large[0])
    assert read(pickle.dumps(large, protocol)) == large
