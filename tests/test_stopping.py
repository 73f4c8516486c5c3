"""Signals that ask a command to stop."""

import signal
import subprocess
import sys
import time

import pytest

from affect.cli.ending import one_line
from affect.cli.stopping import LINE

WAITS = """
import sys, time
from affect.cli.ending import one_line
with one_line():
    print("begun", flush=True)
    try:
        time.sleep(60)
    except BaseException as error:
        end = error
    if "swallow" in sys.argv:
        time.sleep(60)
    time.sleep(0.5)  # while it ends, as trainings do
    if "exit" in sys.argv:  # as Lightning does
        sys.exit(1)
    raise RuntimeError("what became of it") from end
"""


def begin(*arguments):
    """A command that will wait for a signal."""
    return subprocess.Popen(
        [sys.executable, "-c", WAITS, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for(command):
    """Until it waits for a signal."""
    assert command.stdout.readline() == "begun\n"


def test_a_signal_ends_with_a_line_and_another_one_changes_nothing():
    ways = {signal.SIGINT: "exit", signal.SIGTERM: "raise", signal.SIGHUP: "raise"}
    heard = [number for number in ways if signal.getsignal(number) != signal.SIG_IGN]  # under nohup not all
    commands = {number: begin(ways[number]) for number in heard}
    for number, command in commands.items():
        wait_for(command)
        command.send_signal(number)
    time.sleep(0.2)
    for number, command in commands.items():
        command.send_signal(number)
    for number, command in commands.items():
        _, said = command.communicate(timeout=60)
        assert (command.returncode, said) == (128 + number, f"{LINE}\n")


def test_a_closed_terminal_does_not_end_what_nohup_has_begun():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        command = begin()
    finally:
        signal.signal(signal.SIGHUP, before)
    wait_for(command)
    command.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        command.wait(0.3)
    command.kill()
    command.communicate()
    assert command.returncode == -signal.SIGKILL


@pytest.mark.slow
def test_who_swallows_the_error_is_ended_all_the_same():
    command = begin("swallow")
    wait_for(command)
    command.send_signal(signal.SIGTERM)
    _, said = command.communicate(timeout=30)
    assert (command.returncode, said) == (143, f"{LINE}\n")


def test_handlers_are_as_they_were_when_nothing_has_come():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with one_line():
        assert signal.getsignal(signal.SIGTERM) is not before[1]
    assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]


def interrupt():
    with one_line():
        raise KeyboardInterrupt


def test_an_interruption_without_a_signal_ends_so_too(capsys):
    with pytest.raises(SystemExit) as ended:
        interrupt()
    assert (ended.value.code, capsys.readouterr().err) == (130, f"{LINE}\n")
