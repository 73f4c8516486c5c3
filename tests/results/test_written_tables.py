"""A table says the same in every form."""

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from affect.errors import ConfigError
from affect.report import frame_table, latex, markdown, show, summary_tables, write_tables

SAME = {
    "corpus": "toy_set",
    "target": "sentiment",
    "metric": "mae",
    "floor": 1.5,
    "ceiling": 0.1,
    "failed": 0,
}
ROWS = [
    {"model": "best", "mean": 0.5, "std": 0.01, "low": 0.4, "high": 0.6, "count": 9, "tie": False},
    {"model": "near & dear", "mean": 0.52, "std": 0.02, "low": 0.4, "high": 0.6, "count": 9, "tie": True},
    {"model": "poor", "mean": 1.6, "std": np.nan, "low": 1.4, "high": 1.8, "count": 9, "tie": False, "failed": 1},
    {"model": "gone", "mean": np.nan, "count": 9, "tie": False, "failed": 5},
    {"model": "OLD, published", "mean": 0.7, "source": "A 2019", "beside": "poor", "differs": "other split"},
    {"model": "NEW, published", "mean": 0.3, "source": "B 2020", "beside": "", "differs": np.nan},
    {"model": "OLD, published", "metric": "acc2", "mean": 0.8, "source": "A 2019", "beside": "poor"},
]  # fmt: skip
SUMMARY = pd.DataFrame([SAME | row for row in ROWS])


def test_markdown():
    assert markdown(summary_tables(SUMMARY)) == (
        "**toy_set · sentiment**\n\n"
        "| model | mae ↓ (n=9) |\n| --- | ---: |\n"
        "| best | **0.500 ±0.010 [0.400, 0.600]** |\n"
        "| near & dear | <ins>0.520 ±0.020 [0.400, 0.600]</ins> |\n"
        "| poor | 1.600 [1.400, 1.800] ab |\n"
        "| OLD, published | 0.700 c |\n"
        "| gone | failed d |\n"
        "| NEW, published | 0.300 e |\n\n"
        "a: 1 run failed.  \n"
        "b: not clearly better than a constant (1.500).  \n"
        "c: published: A 2019 (differs: other split).  \n"
        "d: 5 runs failed.  \n"
        "e: published: B 2020.  \n"
        "Bold: the best mean; underlined: the best is not significantly better, for new seeds on new samples.\n\n"
        "**published, of other measures**\n\n"
        "| model | metric | value | source |\n| --- | ---: | ---: | ---: |\n"
        "| OLD, published | acc2 | 0.800 | A 2019 |\n"
    )


def test_latex():
    text = latex(summary_tables(SUMMARY))
    for line in (
        r"model & mae $\downarrow$ (n=9) \\",
        r"best & \textbf{0.500 $\pm$0.010 [0.400, 0.600]} \\",
        r"near \& dear & \underline{0.520 $\pm$0.020 [0.400, 0.600]} \\",
        r"poor & 1.600 [1.400, 1.800]\textsuperscript{ab} \\",
    ):
        assert line in text.splitlines()
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 2


def test_the_terminal_tells_ties_and_remarks_too():
    console = Console(record=True, width=120, file=io.StringIO())
    show(summary_tables(SUMMARY), console)
    said = console.export_text()
    assert "underlined: the best is not significantly better" in said
    assert "b not clearly better than a constant (1.500)" in said


def test_a_table_is_written_in_the_form_of_its_ending(tmp_path):
    tables = [frame_table(pd.DataFrame({"model": ["a"], "parameters": [1234.0]}), "cost")]
    frame = pd.DataFrame({"model": ["a"], "parameters": [1234.0]})
    for form, said in (("md", "| a | 1,234 |"), ("tex", r"a & 1,234 \\"), ("csv", "a,1234.0")):
        write_tables(tmp_path / f"t.{form}", tables, frame)
        assert said in (tmp_path / f"t.{form}").read_text().splitlines()
    with pytest.raises(ConfigError) as refused:
        write_tables(tmp_path / "t.doc", tables, frame)
    assert str(refused.value) == (
        f"{tmp_path / 't.doc'}: no table of this form; name a file that ends with .md, .tex, .csv"
    )
    assert not (tmp_path / "t.doc").exists()
