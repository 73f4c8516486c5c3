"""Files that are whole or not there, on disks that are full, read-only or gone."""

import errno
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch.multiprocessing.spawn import ProcessRaisedException

import affect
from affect.cli.flags import check_file
from affect.data.export import to_csd
from affect.errors import ConfigError
from affect.files import LONGEST, of_disk, real, scratch, writing


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


def raised(how):
    try:
        how()
    except Exception as error:
        return error
    raise AssertionError


def in_sqlite(*commands):
    with closing(sqlite3.connect(":memory:")) as database:
        for command in commands:
            database.execute(command)


def hide():
    try:
        raise OSError(errno.ENOSPC, "No space left on device")
    except OSError:
        raise ValueError("not a number") from None


def lose_twice():
    try:
        raise OSError(errno.EIO, "Input/output error")
    finally:
        raise ValueError("not closed")


IN_A_DEVICE_S_PROCESS = """

-- Process 1 terminated with the following error:
Traceback (most recent call last):
  File "a.py", line 1, in <module>
OSError: [Errno 28] No space left on device
"""


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (OSError(errno.ENOTCONN, "Transport endpoint is not connected", "/mnt/a.csv"), errno.ENOTCONN),
        (OSError(errno.ENOTCONN, "Socket not connected"), 0),
        (OSError(errno.ENOENT, "No such file or directory", "a.csv"), 0),
        (ValueError("sample 3: input/output error"), 0),
        (RuntimeError("no space left on device"), 0),
        (SafetensorError("I/O error: No space left on device (os error 28)"), errno.ENOSPC),
        (SafetensorError("no tensor of this name (os error 2)"), 0),
        (ProcessRaisedException(IN_A_DEVICE_S_PROCESS, 1, 17), errno.ENOSPC),
        (raised(lambda: in_sqlite("PRAGMA max_page_count = 1", "CREATE TABLE many (one)")), errno.ENOSPC),
        (raised(lambda: in_sqlite("SELECT * FROM 'disk is full'")), 0),
        (raised(hide), 0),
        (raised(lose_twice), errno.EIO),
    ],
)
def test_what_is_of_a_disk_and_what_is_not(error, number):
    assert of_disk(error) == number


def test_a_disk_that_a_database_has_filled():
    errors = pytest.importorskip("psycopg", reason="needs affect[studies]").errors
    assert of_disk(errors.DiskFull("could not extend file")) == errno.ENOSPC
    assert of_disk(errors.UniqueViolation("Key (name)=(no space left on device) is there")) == 0


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


def killed_within(block, path):
    """A process that ended within a block of `affect.files`, and the name of what it left."""
    code = (
        "import os, pathlib, signal, sys; from affect import files\n"
        "with getattr(files, sys.argv[1])(pathlib.Path(sys.argv[2])) as left:\n"
        "    (left / 'in' if left.is_dir() else left).touch(); print(left.name, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    command = [sys.executable, "-c", code, block, path]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def of_others(left):
    """What it would be called of another machine's process, and of one that is at work."""
    here, pid = re.fullmatch(r"\..+\.(\w+)-(\d+)\.\w+", left).groups()
    return {left.replace(here, "0" * 8), left.replace(pid, str(os.getppid()))}


def test_what_a_kill_left_is_gone_when_the_file_is_written_again(tmp_path):
    path = tmp_path / "a[1].txt"
    left = killed_within("writing", path)
    others = of_others(left)
    for name in others:
        (tmp_path / name).touch()
    assert (tmp_path / left).exists()
    with writing(path) as partial:
        partial.write_text("whole")
    assert {file.name for file in tmp_path.iterdir()} == {path.name, *others}


def test_a_scratch_folder_that_a_kill_left_is_gone_at_the_next_one(tmp_path, caplog):
    caplog.set_level("INFO")
    left = killed_within("scratch", tmp_path)
    others = of_others(left)
    for name in others:
        (tmp_path / name).mkdir()
    assert (tmp_path / left / "in").exists()
    with scratch(tmp_path) as folder:
        assert {path.name for path in tmp_path.iterdir()} == {folder.name, *others}
    assert caplog.messages == [f"{tmp_path / left} is deleted: a process that was killed left it"]


def test_a_link_to_itself_is_no_file(tmp_path):
    link = tmp_path / "c.pkl"
    link.symlink_to(link)
    assert real(link) == link
    message = f"{link}: no such file; expected a corpus file, or 'synthetic' for a generated corpus"
    with pytest.raises(affect.errors.DataError, match=f"^{re.escape(message)}$"):
        affect.load(link)


@pytest.mark.skipif(os.name != "posix", reason="the longest names are those of Linux")
def test_every_name_that_a_flag_takes_can_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getpid", lambda: 1 << 22)  # the largest number of a process
    path = check_file(tmp_path / ("a" * LONGEST))
    with writing(path) as partial:
        partial.write_text("whole")
    assert path.read_text() == "whole"
    with pytest.raises(ConfigError, match=f"a name of more than {LONGEST} bytes; choose a shorter one$"):
        check_file(tmp_path / ("a" * (LONGEST + 1)))
    with (
        pytest.raises(OSError, match="File name too long"),
        writing(tmp_path / ("a" * (LONGEST + 1))) as path,
    ):
        path.touch()


AS_NOBODY = """
import os, sys
from pathlib import Path
from affect.cli.flags import check_file
from affect.files import writing
if os.getuid() == 0:
    os.setgroups([])
    os.setuid(65534)
try:
    with writing(check_file(Path(sys.argv[1]))) as partial:
        partial.write_text("after")
except Exception as error:
    print(f"{type(error).__name__}: {error}")
"""


@pytest.mark.skipif(os.name != "posix", reason="Windows has other permissions")
@pytest.mark.parametrize(
    ("of_folder", "of_file", "said"),
    [
        (0o777, 0o444, ""),
        (0o555, 0o666, "ConfigError: {0}/a.csv cannot be written: no permission to write to {0}\n"),
    ],
)
def test_the_permission_that_matters_is_the_folders(of_folder, of_file, said):
    with TemporaryDirectory() as place:  # pytest's own are for one user alone
        folder = Path(place, "folder")
        folder.mkdir()
        (folder / "a.csv").write_text("before")
        (folder / "a.csv").chmod(of_file)
        Path(place).chmod(0o755)
        folder.chmod(of_folder)
        trial = [sys.executable, "-c", AS_NOBODY, str(folder / "a.csv")]
        found = subprocess.run(trial, capture_output=True, text=True)
        folder.chmod(0o755)
        if "setgroups" in found.stderr or "setuid" in found.stderr:
            pytest.skip("root may not become another user here")
        assert (found.stdout, found.stderr) == (said.format(folder), "")
        assert (folder / "a.csv").read_text() == ("before" if said else "after")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a named pipe")
def test_no_file_takes_the_place_of_a_pipe_or_a_device(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    for use in (check_file, lambda path: writing(path).__enter__()):
        with pytest.raises(ConfigError, match=r"/pipe\.csv is a device or a pipe; name a file$"):
            use(tmp_path / "pipe.csv")
    assert (tmp_path / "pipe.csv").is_fifo()
