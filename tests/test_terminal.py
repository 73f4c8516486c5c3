"""What names and ids may do to a terminal, a spreadsheet and a page: nothing."""

import io
import logging

import pandas as pd
import pytest
from rich.console import Console

from affect.errors import DataError, escaped
from affect.report import frame_table, latex, markdown, show
from affect.spreadsheets import guarded, unguarded
from affect.terminal import LogLines, say, say_table

EVIL = "a\x1b[2J\x07\r\nb\u202ec\x9bd\u2028e"
SHOWN = r"a\x1b[2J\x07\r\nb\u202ec\x9bd\u2028e"
CELLS = ["=1+1", "'=1", "''@x", "@x", "+A1+B2", "-cmd|'/c calc'!A0", "-(1)", "\tx", "\rx", "-1 2"]
PLAIN = ["a", "", "'", "'a", " =1", "-3g5yACwYnA[3]", "-a$_$1", "-1.5", "+1", "-1e-05", "-"]


def test_control_characters_are_shown_escaped_wherever_a_name_is_printed(capsys):
    assert escaped(EVIL) == SHOWN == str(DataError(EVIL))
    say(EVIL)
    assert capsys.readouterr().out == f"{SHOWN}\n"
    record = logging.makeLogRecord({"msg": "model %s", "args": ("a\x1b[2J",)})
    assert LogLines().format(record) == r"model a\x1b[2J"


def test_tables_hold_names_to_the_letter_and_on_one_line():
    frame = pd.DataFrame({"model": [f"{EVIL}|*<script>[red]"], EVIL: [0.5]})
    out = io.StringIO()
    show([frame_table(frame, EVIL)], Console(file=out, width=200))
    assert out.getvalue().count("[red]") == 1
    assert not {"\x1b", "\x07", "\r", "\u202e", "\x9b"} & {*out.getvalue()}
    row = markdown([frame_table(frame, "one")]).splitlines()[-1]
    assert row == "| a\\" + r"\x1b[2J\\x07\\r\\nb\\u202ec\\x9bd\\u2028e\|\*\<script>[red] | 0.500 |"
    assert latex([frame_table(frame, "a\nb")]).splitlines()[1] == r"% a\nb"


def test_csv_is_safe_in_spreadsheets_and_comes_back_unchanged():
    frame = pd.DataFrame({"id": [*CELLS, *PLAIN], "value": [-float(n) for n in range(len(CELLS + PLAIN))]})
    written = guarded(frame)
    assert written["id"].tolist() == [*(f"'{cell}" for cell in CELLS), *PLAIN]
    assert written["value"].equals(frame["value"])
    pd.testing.assert_frame_equal(unguarded(written), frame)
    kept = ~frame["id"].str.contains("\r")  # which pandas does not put in quotes
    text = written[kept].to_csv(index=False)
    back = pd.read_csv(io.StringIO(text), dtype={"id": str}, keep_default_na=False)
    assert unguarded(back)["id"].tolist() == frame.loc[kept, "id"].tolist()
    pd.testing.assert_frame_equal(unguarded(frame.iloc[len(CELLS) :]), frame.iloc[len(CELLS) :])


@pytest.mark.parametrize(("terminal", "shown"), [(False, "a\x1b[2J"), (True, r"a\x1b[2J")])
def test_a_terminal_alone_sees_ids_escaped(terminal, shown, monkeypatch):
    class Out(io.StringIO):
        def isatty(self):
            return terminal

    monkeypatch.setattr("sys.stdout", out := Out())
    say_table(pd.DataFrame({"id": ["a\x1b[2J"], "prediction": [0.5]}))
    assert out.getvalue() == f"id,prediction\n{shown},0.5\n"


def test_a_name_makes_no_line_of_the_log():
    assert LogLines().format(logging.makeLogRecord({"msg": "model a\rForged\x85b\u2028c"})).count("\n") == 0
    assert "\r" not in LogLines().format(logging.makeLogRecord({"msg": "model a\rForged"}))
