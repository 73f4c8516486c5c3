"""Tables come back from CSV as they were."""

import numpy as np
import pandas as pd
import pytest

from affect.spreadsheets import csv_of, frame_of

IDS = [
    "NA", "null", "nan", "", " a ", "a\rb", "a\nb", "a\r\nb", "\r", "\n", 'q"q', "a,b", "=1+1", "'=1", "''=1", "'x",
    "@x", "\t", "-3g5y[3]", "1e5", "007", "True", "#a", "\\", "a\u2028b", "\U0001f600",
    *(["a\0b"] if int(pd.__version__.partition(".")[0]) > 2 else []),  # before, C's strings end there
]  # fmt: skip


@pytest.mark.parametrize("ids", [IDS, *([one, "b"] for one in IDS)])
def test_hostile_ids_come_back(ids):
    frame = pd.DataFrame({"id": ids, "step": 0, "prediction.a\rb": 0.1, "truth": np.nan, "split": "NA"})
    frame.loc[0, "truth"] = 1 / 3
    pd.testing.assert_frame_equal(frame_of(csv_of(frame).encode()), frame, check_dtype=False)


def test_numbers_and_texts_that_may_be_missing():
    back = frame_of(b"model,mean,reference\n1e5,,\nnan,2,NA\n")
    assert back["model"].tolist() == ["1e5", "nan"]
    assert back["mean"].isna().tolist() == back["reference"].isna().tolist() == [True, False]
    assert back["reference"][1] == "NA"


def test_numbers_come_back_to_the_last_digit():
    rng = np.random.default_rng(0)
    values = rng.normal(size=10_000) * 10.0 ** rng.integers(-9, 9, 10_000)
    assert (frame_of(csv_of(pd.DataFrame({"mae": values})).encode())["mae"] == values).all()


@pytest.mark.parametrize("guarded", [True, False])
def test_names_of_columns_are_no_formulas_and_come_back(guarded):
    names = ["=1+1", "'=1", "@x", "+A1(", "\t"] if guarded else ["-3g5y[3]", "'a", "mae", "a=1"]
    frame = pd.DataFrame([range(len(names))], columns=names)
    text = csv_of(frame)
    assert text.splitlines()[0] == ",".join(f"'{name}" if guarded else name for name in names)
    pd.testing.assert_frame_equal(frame_of(text.encode()), frame)


def test_a_table_without_names_that_are_texts_stays_as_it_is():
    frame = pd.DataFrame([[1, 2]])
    assert csv_of(frame) == "0,1\n1,2\n"
