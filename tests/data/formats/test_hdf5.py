import fcntl
import os

import h5py
import numpy as np
import pytest

from affect.data.formats import hdf5
from affect.errors import DataError


@pytest.fixture
def stored(tmp_path):
    """Write a file with the function given; gives its path."""

    def writer(write):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            write(file)
        return tmp_path / "a.h5"

    return writer


def refusal(path, read=hdf5.numbers):
    with pytest.raises(DataError) as error, hdf5.opened(path) as file:
        read(file, "a", "HERE")
    return str(error.value).replace(str(path), "FILE")


def whole(path, read=hdf5.numbers, **options):
    with hdf5.opened(path) as file:
        return read(file, "a", "HERE", **options)


@pytest.mark.parametrize("dtype", ["f2", "f4", ">f8", "i1", "u8", "?"])
@pytest.mark.parametrize("options", [{}, {"chunks": (2, 1), "compression": "gzip", "shuffle": True}])
def test_numbers_are_read_whole(stored, dtype, options):
    values = np.arange(6).reshape(3, 2).astype(dtype)
    path = stored(lambda file: file.create_dataset("a", data=values, **options))
    read = whole(path)
    assert read.dtype == values.dtype
    assert np.array_equal(read, values)


def test_numbers_of_no_axis_and_of_no_length(stored):
    assert whole(stored(lambda file: file.create_dataset("a", data=3.0))) == 3
    assert whole(stored(lambda file: file.create_dataset("a", (0, 4), "f4"))).shape == (0, 4)


def test_numbers_go_where_they_are_told(stored):
    memory = np.zeros(3)
    path = stored(lambda file: file.create_dataset("a", data=np.arange(3.0)))
    assert whole(path, memory=lambda shape, dtype: memory) is memory
    assert memory.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "said",
    [np.array(["so", "gü"], dtype=object), np.array([b"so", "gü".encode()]), np.array([b"so", b"g\xfc"])],
)
def test_strings_of_any_kind(stored, said):
    kind = {"dtype": h5py.string_dtype()} if said.dtype == object else {}
    assert whole(stored(lambda file: file.create_dataset("a", data=said, **kind)), hdf5.strings) == (
        "so",
        "gü",
    )


def test_what_is_not_numbers_or_not_strings_is_refused(stored):
    path = stored(lambda file: file.create_dataset("a", data=np.zeros(2, dtype=[("x", "f4")])))
    assert refusal(path) == "HERE: 'a' must hold numbers, got [('x', '<f4')]"
    path = stored(lambda file: file.create_dataset("a", (2,), dtype=h5py.vlen_dtype(np.float32)))
    assert refusal(path) == "HERE: 'a' must hold numbers, got object"
    path = stored(lambda file: file.create_dataset("a", data=["so"]))
    assert refusal(path) == "HERE: 'a' must hold numbers, got object"
    path = stored(lambda file: file.create_dataset("a", data=np.zeros(2)))
    assert refusal(path, hdf5.strings) == "HERE: 'a' must hold strings, got float64"
    path = stored(lambda file: file.create_dataset("a", data=h5py.Empty("f4")))
    assert refusal(path) == "HERE: 'a' is not a dataset with a shape"
    path = stored(lambda file: file.create_group("a"))
    assert refusal(path) == "HERE: 'a' is not a dataset with a shape"
    path = stored(lambda file: None)
    assert refusal(path) == "HERE: no dataset 'a' in the file itself"


def external_link(file, other):
    file["a"] = h5py.ExternalLink(str(other), "b")


def soft_link(file, other):
    file["b"] = np.ones(2)
    file["a"] = h5py.SoftLink("/b")


@pytest.mark.parametrize("link", [external_link, soft_link])
def test_no_link_is_followed(stored, tmp_path, link):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["b"] = np.ones(2)
    path = stored(lambda file: link(file, tmp_path / "other.h5"))
    assert refusal(path) == "HERE: no dataset 'a' in the file itself"
    with hdf5.opened(path) as file:
        assert hdf5.group(file, "a") is None


def test_nothing_beside_the_file_is_read(stored, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["b"] = np.ones(2)
    (tmp_path / "raw").write_bytes(bytes(16))
    layout = h5py.VirtualLayout((2,), np.float64)
    layout[:] = h5py.VirtualSource(tmp_path / "other.h5", "b", shape=(2,))
    message = "HERE: 'a' stands in another file; only what is in this one is read"
    assert refusal(stored(lambda file: file.create_virtual_dataset("a", layout))) == message
    raw = [(str(tmp_path / "raw"), 0, 16)]
    assert refusal(stored(lambda file: file.create_dataset("a", (2,), "f8", external=raw))) == message


def test_what_is_not_there_takes_no_memory(stored):
    path = stored(lambda file: file.create_dataset("a", (10**12,), "f4", chunks=(1000,)))
    assert refusal(path) == "HERE: 'a' claims 4,000,000 MB that are not in the file"
    path = stored(lambda file: file.create_dataset("a", (1000,), "f4", chunks=(1000,), fillvalue=7))
    assert set(whole(path)) == {7}  # little enough
    path = stored(
        lambda file: file.create_dataset(
            "a", (10,), "f4", maxshape=(None,), chunks=(10**9,), compression="gzip"
        )
    )
    assert refusal(path) == "HERE: 'a' holds 0.0 MB in chunks of 4,000 MB"


def test_what_compresses_well_is_believed(stored):
    path = stored(lambda file: file.create_dataset("a", data=np.zeros(10**6), compression="gzip"))
    assert path.stat().st_size < 40_000
    assert whole(path).shape == (10**6,)


def test_what_is_no_hdf5_file(tmp_path):
    path = tmp_path / "a.h5"
    path.write_bytes(b"so")
    assert refusal(path).startswith("FILE: not a whole HDF5 file (Unable to")
    assert refusal(tmp_path / "none") == "FILE: no such file"
    assert refusal(tmp_path) == "FILE: not a file"
    os.mkfifo(tmp_path / "pipe")
    assert refusal(tmp_path / "pipe") == "FILE: not a file"


def test_a_lock_on_the_file_does_not_matter(stored):
    path = stored(lambda file: file.create_dataset("a", data=np.ones(2)))
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert whole(path).tolist() == [1, 1]


def test_damage_never_ends_without_a_message(stored, damaged):
    def write(file):
        file.create_dataset("a", data=np.arange(40.0).reshape(8, 5), chunks=(4, 5), compression="gzip")
        file.create_dataset("b", data=["so", "good"])

    path = stored(write)
    raw, read = path.read_bytes(), 0
    for seed in range(500):
        path.write_bytes(damaged(raw, seed))
        try:
            with hdf5.opened(path) as file:
                for name in hdf5.names(file):
                    (hdf5.strings if name == "b" else hdf5.numbers)(file, name, "HERE")
                read += 1
        except DataError:
            continue
    assert 62 < read < 437
