import io

import pytest

from affect.data.sources import progress


class Terminal(io.StringIO):
    """What looks like a terminal."""

    def __init__(self, is_one):
        super().__init__()
        self.is_one = is_one

    def isatty(self):
        return self.is_one


@pytest.mark.parametrize(
    ("seconds", "is_one", "shown"), [(0, True, True), (0, False, False), (9, True, False)]
)
def test_a_bar_is_shown_on_a_terminal_when_it_takes_long(monkeypatch, seconds, is_one, shown):
    monkeypatch.setattr(progress, "_SHOWN_AFTER", seconds - 0.5)
    monkeypatch.setattr("sys.stderr", Terminal(is_one))
    assert list(progress.counted(list("abc"), "files of face")) == list("abc")
    import sys

    assert ("files of face" in sys.stderr.getvalue()) == shown


def test_nothing_is_read_ahead(monkeypatch):
    for patience in (-1, 9):
        monkeypatch.setattr(progress, "_SHOWN_AFTER", patience)
        counted = progress.counted([], "files")
        assert next(counted, None) is None
