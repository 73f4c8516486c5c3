"""Memory that a process frees and takes again."""

import os
import platform
import subprocess
import sys

import pytest
from joblib import delayed

from affect.kernels import allocation
from affect.workers import processes, work

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")

FAULTS = """
import resource, torch
from affect.kernels.allocation import keep_freed_memory
{first}
for turn in range(20):
    if turn == 10:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.zeros(2**23)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(first, **variables):
    """Pages that the system had to find for ten tensors of 32 MiB, each freed before the next."""
    plain = {name: value for name, value in os.environ.items() if name not in allocation._CHOSEN}
    ended = subprocess.run(
        [sys.executable, "-c", FAULTS.format(first=first)],
        env=plain | variables, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(ended.stdout)


def test_freed_memory_is_used_again():
    assert faults("keep_freed_memory()") < faults("") / 2


def test_what_the_user_chose_stays():
    assert faults("keep_freed_memory()", MALLOC_MMAP_THRESHOLD_="131072") > faults("") / 2


BEGUN = []


def begun(which):
    return os.getpid(), which, len(BEGUN)


def test_a_worker_process_begins_with_it_and_this_one_is_left_alone():
    with processes(1):
        assert work([delayed(begun)(0)], first=begin) == [(os.getpid(), 0, 0)]
    with processes(2):
        found = work((delayed(begun)(which) for which in range(2)), first=begin)
    assert [which for _, which, _ in found] == [0, 1]
    assert all(home != os.getpid() and times for home, _, times in found)
    assert BEGUN == []


def begin():
    BEGUN.append(1)
