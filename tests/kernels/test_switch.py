"""The switch between the fast ways and the plain references."""

import os
import subprocess
import sys
import threading

import pytest

import affect
from affect.kernels import fast, is_fast


@pytest.fixture(autouse=True)
def as_before():
    yield
    fast(True)


def test_a_call_sets_it():
    fast(False)
    assert not is_fast()
    fast(True)
    assert affect.kernels.is_fast()


def test_a_block_ends_with_the_state_from_before():
    with fast(False):
        assert not is_fast()
        with fast(True):
            assert is_fast()
        assert not is_fast()
    assert is_fast()
    with pytest.raises(ZeroDivisionError), fast(False):
        _ = 1 / 0
    assert is_fast()


def test_a_call_within_a_block_holds_until_its_end():
    with fast(False):
        fast(True)
        assert is_fast()
        fast(False)
    assert is_fast()


def test_all_threads_see_it():
    seen = []
    with fast(False):
        thread = threading.Thread(target=lambda: seen.append(is_fast()))
        thread.start()
        thread.join()
    assert seen == [False]


def started(said):
    return subprocess.run(
        [sys.executable, "-c", "from affect.kernels import is_fast; print(is_fast())"],
        env=os.environ | {"AFFECT_FAST": said}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_environment_says_how_a_process_begins():
    assert [started(said).stdout.strip() for said in ("0", "1")] == ["False", "True"]
    assert started("no").stderr.splitlines()[-1] == (
        "affect.errors.ConfigError: AFFECT_FAST: expected 0 or 1, got 'no'"
    )
