"""What a command does whose stdout is closed, or is read no further."""

import os
import shlex
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a shell of Unix closes them")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("asked", ["--help", "--version"])
@pytest.mark.parametrize("end", [">&-", "<&- >&-", "| true"])
def test_nobody_reads_what_is_printed(end, asked, unbuffered, tmp_path):
    command = f"PYTHONUNBUFFERED={unbuffered} {shlex.quote(sys.executable)} -m affect {asked}"
    done = subprocess.run(
        f"({command}; echo $? > status) {end}", shell=True, cwd=tmp_path, stderr=subprocess.PIPE, text=True,
        check=False,
    )  # fmt: skip
    assert (done.stderr, (tmp_path / "status").read_text()) == ("", "141\n")


def test_nobody_hears_what_is_wrong(tmp_path):
    done = subprocess.run(
        f"{shlex.quote(sys.executable)} -m affect nothing 2>&- >&-", shell=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 2
