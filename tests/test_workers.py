"""Calls in other processes, some of which die."""

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from joblib import delayed

from affect.workers import count_workers, processes, work, work_through
from affect.workers.dispatch import Died, made, outcomes, packed


def square(number):
    return number * number


def refuse(number):
    raise ValueError(f"not {number}")


def dies(folder, times, number=signal.SIGKILL):
    """End this process, the first so many times."""
    begun = len(list(folder.iterdir()))
    if begun < times:
        (folder / str(begun)).touch()
        os.kill(os.getpid(), number)
    return begun


def folders(tmp_path, count):
    made = [tmp_path / str(number) for number in range(count)]
    for folder in made:
        folder.mkdir()
    return made


def test_a_call_whose_process_dies_is_made_again_and_given_up_at_last(tmp_path):
    once, always, other = folders(tmp_path, 3)
    given_up, progress = {}, []
    with processes(2):
        assert count_workers() == 2
        found = work(
            (delayed(dies)(folder, times) for folder, times in ((once, 1), (always, 9), (other, 0))),
            progress.append,
            died=given_up.__setitem__,
        )
        assert found == [1, None, 0]
        assert progress == [1, 2, 3]
        assert [(number, str(error)) for number, error in given_up.items()] == [
            (1, "worker killed by SIGKILL 3 times (out of memory?)")
        ]
        assert len(list(always.iterdir())) == 3
        assert list(work_through(delayed(square)(number) for number in range(5))) == [0, 1, 4, 9, 16]
        with pytest.raises(ValueError, match=r"not \d"):
            work(delayed(refuse)(number) for number in (3, 4))
    assert work(delayed(square)(number) for number in (2, 3)) == [4, 9]


class Deadly:
    """A place whose processes die before they have done anything."""

    count = 2

    def __init__(self):
        self.begun = []

    def begin(self, payload):
        self.begun.append(payload)
        return len(self.begun)

    def ended(self, begun):
        return [(known_by, Died("SIGBUS")) for known_by in begun]


def test_who_died_twice_is_tried_again_when_nobody_else_is_at_work():
    place = Deadly()
    found = list(outcomes(place, [b"a", b"b", b"c"]))
    assert [str(error) for error in found] == [
        "worker killed by SIGBUS 3 times (a file that it read was cut short?)"
    ] * 3
    assert b"".join(place.begun) == b"ababccabc"


def test_deaths_are_forgotten_as_long_as_something_is_achieved_between_them():
    place = Deadly()
    (error,) = outcomes(place, [b"a"], achieved=lambda: min(len(place.begun), 5))
    assert len(error.deaths) == 3
    assert len(place.begun) == 7


class Steady(Deadly):
    """A place where call `a` dies twice, and call `b` goes on until `a` has been made again."""

    looks = 0

    def ended(self, begun):
        self.looks += 1
        found = []
        for known_by in begun:
            if self.begun[known_by - 1] == b"a":
                died = self.begun.count(b"a") < 3
                found.append((known_by, Died("SIGKILL") if died else pickle.dumps((True, "a"))))
            elif self.begun.count(b"a") == 3:
                found.append((known_by, pickle.dumps((True, "b"))))
        assert self.looks < 9, "a was not made again beside b"
        return found


def test_who_died_twice_is_tried_again_beside_others_once_these_achieve_something():
    place = Steady()
    assert list(outcomes(place, [b"a", b"b"], achieved=lambda: place.looks // 4)) == ["a", "b"]
    assert place.looks >= 4
    with pytest.raises(AssertionError, match="not made again"):
        list(outcomes(Steady(), [b"a", b"b"]))


ORPHANS = """
import os, time
from pathlib import Path
from joblib import delayed
from affect.workers import processes, work

def stay(folder):
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(60)

if __name__ == "__main__":
    import sys
    with processes(2):
        work(delayed(stay)(sys.argv[1]) for _ in range(2))
"""


def test_workers_do_not_outlive_whoever_began_them(tmp_path):
    pids = tmp_path / "pids"
    pids.mkdir()
    (tmp_path / "orphans.py").write_text(ORPHANS)
    began = subprocess.Popen([sys.executable, tmp_path / "orphans.py", pids], start_new_session=True)
    try:
        wait_for(lambda: len(list(pids.iterdir())) == 2)
    finally:
        began.kill()
        began.wait()
    wait_for(lambda: not any(alive(path.name) for path in pids.iterdir()))


def alive(pid):
    """Whether a process is at work; one whose parent has not asked for it yet is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(happened):
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_part_that_ends_the_process_is_an_error_of_its_call():
    call = packed(pickle, None, (sys.exit, ("no such option",), {}))
    returned, error = pickle.loads(made(call))
    assert (returned, str(error)) == (False, "SystemExit: no such option")
