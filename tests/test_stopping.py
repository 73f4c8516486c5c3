"""Signals that ask a command to stop."""

import signal
import subprocess
import sys
import time

import pytest

from affect.cli.ending import one_line
from affect.cli.stopping import LINE

WAITS = """
import sys, time, weakref
from affect.cli.ending import one_line
with one_line():
    try:
        if "text" in sys.argv:  # as dataclasses are made
            exec("print('begun', flush=True); time.sleep(60)")
        if "lost" in sys.argv:  # where no error goes on, as at the end of each import
            weakref.finalize(held := set(), lambda: print("begun", flush=True) or time.sleep(60))
            del held
        print("begun", flush=True)
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
    ways = ((signal.SIGINT, "exit"), (signal.SIGINT, "text"), (signal.SIGTERM, "lost"), (signal.SIGHUP, ""))
    heard = [way for way in ways if signal.getsignal(way[0]) != signal.SIG_IGN]  # under nohup not all
    commands = [(number, begin(way)) for number, way in heard]
    for number, command in commands:
        wait_for(command)
        command.send_signal(number)
    time.sleep(0.2)
    for number, command in commands:
        command.send_signal(number)
    for number, command in commands:
        _, said = command.communicate(timeout=60)
        assert (command.returncode, said) == (128 + number, f"{LINE}\n")


def test_ctrl_c_is_quiet_before_the_command_listens(tmp_path):
    script = tmp_path / "affect"
    script.write_text("import affect, os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(9)")
    given = {"capture_output": True, "text": True, "check": False}
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # under nohup it is ignored
    try:
        ended = subprocess.run([sys.executable, script], **given)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, "")


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
