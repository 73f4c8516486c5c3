"""Files that are whole or not there, on disks that are full, read-only or gone."""

import os
import re
import subprocess

import pytest
import torch
from safetensors.torch import save_file

import affect
from affect.data.export import to_csd
from affect.files import of_disk, writing


@pytest.fixture
def full(tmp_path):
    """A file system with room for 64 KiB."""
    place = tmp_path / "full"
    place.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(mounting, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no program mount")
    if mounted.returncode:
        pytest.skip(f"nothing can be mounted: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


LARGE = torch.zeros(100_000)

WRITERS = {
    "bytes": lambda path: path.write_bytes(bytes(100_000)),
    "torch": lambda path: torch.save(LARGE, path),
    "safetensors": lambda path: save_file({"x": LARGE}, path),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_keeps_what_was_there(name, full):
    path = full / "there"
    path.write_text("before")
    line = re.escape(f"[Errno 28] No space left on device: '{path}'")
    with pytest.raises(OSError, match=f"^{line}$"), writing(path) as partial:
        WRITERS[name](partial)
    assert [file.name for file in full.iterdir()] == ["there"]
    assert path.read_text() == "before"


def test_hdf5_on_a_full_disk_does_not_end_the_process(full):
    with pytest.raises(OSError, match="No space left on device: '.*acoustic.csd'") as refused:
        to_csd(affect.load("synthetic"), full)
    assert of_disk(refused.value) == 28
    assert list(full.iterdir()) == []


def write_and_lose(path):
    with writing(path) as partial:
        partial.write_text("half")
        subprocess.run(["mount", "-o", "remount,ro", path.parent], check=True)
        path.with_name("other").touch()


def test_a_disk_that_becomes_read_only_ends_with_its_own_error(full):
    line = re.escape(f"[Errno 30] Read-only file system: '{full / 'other'}'")
    with pytest.raises(OSError, match=f"^{line}$"):
        write_and_lose(full / "there")


def test_what_a_reader_is_refused_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError) as refused, writing(tmp_path / "out") as _:
        (tmp_path / "in").read_bytes()
    assert refused.value.filename == str(tmp_path / "in")
    assert os.listdir(tmp_path) == []
