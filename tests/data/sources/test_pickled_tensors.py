"""Tensors inside pickles, and files of torch's old kind: as torch reads them, without torch; nothing hostile is made."""

import io
import pickle
import struct

import numpy as np
import pytest

import affect
from affect.data.sources.pickles import is_pickle, read_pickle
from affect.errors import DataError

torch = pytest.importorskip("torch")
ADVICE = ": a corpus may hold only numpy arrays, plain containers, strings and numbers"


def tensors():
    whole = torch.arange(24.0).reshape(4, 6)
    return {
        **{str(kind): torch.tensor([[1, 0, 3]]).to(kind) for kind in (torch.float64, torch.float16, torch.int64, torch.int8, torch.bool)},
        "bfloat16": torch.tensor([1.5, -2.0], dtype=torch.bfloat16), "whole": whole, "view": whole[1:3, ::2], "turned": whole.T,
        "empty": torch.zeros(0, 3), "number": torch.tensor(2.5), "learned": torch.nn.Parameter(torch.ones(2)),
    }  # fmt: skip


def old(content):
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


@pytest.fixture
def read(tmp_path):
    def reader(raw):
        path = tmp_path / "a.pkl"
        path.write_bytes(raw)
        assert is_pickle(path)
        return read_pickle(path)

    return reader


def check(found, made):
    for name, tensor in made.items():
        expected = tensor.detach()
        expected = expected.float().numpy() if expected.dtype == torch.bfloat16 else expected.numpy()
        assert (found[name].dtype, found[name].shape) == (expected.dtype, expected.shape), name
        assert np.array_equal(found[name], expected), name


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_tensors_in_a_pickle(protocol, read):
    made = tensors()
    found = read(pickle.dumps({"train": [made, "so"], "n": 3}, protocol))
    check(found["train"][0], made)
    assert (found["train"][1], found["n"]) == ("so", 3)


def test_a_file_of_the_old_kind(read):
    made = tensors()
    found = read(old({"train": [made, "so"], "n": 3}))
    check(found["train"][0], made)
    assert (found["train"][1], found["n"]) == ("so", 3)


def test_numbers_are_not_copied(read):
    found = read(pickle.dumps([torch.arange(1000.0)]))[0]
    base = found
    while not isinstance(base, bytes):
        base = base.base
    assert found.nbytes == 4000 < len(base)


def test_a_corpus_of_the_old_kind(tmp_path):
    split = {"id": ["a", "b"], "audio": torch.ones(2, 3, 4), "regression_labels": torch.tensor([1.0, 2.0])}
    (tmp_path / "a.pt").write_bytes(old({"train": split}))
    corpus = affect.load(tmp_path / "a.pt")
    assert (corpus.dims, corpus["train"].labels("sentiment").ravel().tolist()) == ({"acoustic": 4}, [1, 2])


def test_an_archive_in_a_layout_of_pickles(tmp_path):
    split = {"covarep": torch.ones(2, 3), "glove": torch.ones(2, 4, 5), "label": torch.tensor([1.0, 2.0])}
    torch.save({"train": split}, tmp_path / "a.pt")
    assert affect.load(tmp_path / "a.pt").dims == {"acoustic": 3, "text": 5}


STORAGE = pickle.dumps(torch.arange(4.0).untyped_storage(), 2)
TENSOR = pickle.dumps(torch.arange(4.0), 2)
SIZE = b"K\x04\x85"
HOSTILE = {
    "a model": (pickle.dumps(torch.nn.Linear(2, 2)), "refused to read 'torch.nn.modules.linear.Linear'"),
    "a model of the old kind": (old(torch.nn.Linear(2, 2)), "refused to read 'torch.nn.modules.linear.Linear'"),
    "bytes that are no storage": (b"\x80\x02ctorch.storage\n_load_from_bytes\nU\x03abc\x85R.", "refused to read a storage of unknown form"),
    "a storage alone": (STORAGE, None),
    "a tensor of no storage": (b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(NK\x00)" + b")\x89Nt" + b"R.", "refused to make a tensor of what is no storage"),
    "a persistent id in a pickle": (b"\x80\x02(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x04tQ.", "refused to follow a persistent id"),
    "a part of another storage": (old(torch.ones(2)).replace(b"K\x02Nt", b"K\x02K\x01t"), "refused to read a storage without a name and a size"),
    "strides beyond the storage": (TENSOR.replace(b"K\x01\x85", b"K\x09\x85"), None),
    "a shape beyond the storage": (TENSOR.replace(SIZE, b"K\x7f\x85"), None),
    "one number in many places": (TENSOR.replace(SIZE, b"J\xff\xff\xff\x7f\x85").replace(b"K\x01\x85", b"K\x00\x85"), None),
    "no storage behind": (old(torch.ones(9))[:-8], None),
    "another count": (old(torch.ones(9)).replace(struct.pack("<q", 9), struct.pack("<q", 2**40)), None),
    "an announced count": (old(torch.ones(9)).replace(b"K\tN", b"J\xff\xff\xff\x7fN"), None),
    "another byte order": (old(1).replace(b"little_endianq\x02\x88", b"little_endianq\x02\x89"), None),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_hostile_is_made(name, read, tmp_path):
    raw, said = HOSTILE[name]
    with pytest.raises(DataError) as error:
        read(raw)
    assert str(error.value).startswith(f"{tmp_path / 'a.pkl'}: ")
    if said:
        assert str(error.value) == f"{tmp_path / 'a.pkl'}: {said}{ADVICE}"


@pytest.mark.parametrize("kind", ["pickle", "old"])
def test_damage_never_ends_without_a_message(kind, read, damaged):
    content = {"train": {"audio": torch.ones(2, 3), "text": torch.arange(6.0)[::2]}, "n": [1.5]}
    whole = pickle.dumps(content) if kind == "pickle" else old(content)
    read_again = 0
    for seed in range(500):
        try:
            read(damaged(whole, seed))
            read_again += 1
        except DataError:
            continue
        except AssertionError:  # no pickle by its first bytes
            continue
    assert 5 < read_again < 450
