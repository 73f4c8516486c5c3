"""What is shown, or called, while a training goes on."""

import time

import pytest

from affect.training.progress import heard, progress_bar


def test_what_is_called_elsewhere_is_called_here_in_order(tmp_path):
    calls = []
    with heard(tmp_path / "epochs", lambda *found: calls.append(found)) as call:
        call(0, 2, "")
        time.sleep(0.3)
        assert calls == [(0, 2, "")]
        call(1, 2, "loss 0.5, best \u00bd")
    assert calls == [(0, 2, ""), (1, 2, "loss 0.5, best \u00bd")]


def test_what_it_raises_is_raised_here(tmp_path):
    with (
        pytest.raises(ZeroDivisionError),
        heard(tmp_path / "epochs", lambda done, most, found: done / most) as call,
    ):
        call(0, 0, "")


def test_a_bar_is_on_standard_error_and_a_quiet_one_is_not(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    for quiet in (False, True):
        with progress_bar("epochs", quiet=quiet) as progress:
            progress.add_task("toy", total=2)
        shown = capsys.readouterr()
        assert shown.out == ""
        assert ("toy" in shown.err) == ("epochs" in shown.err) == (not quiet)
