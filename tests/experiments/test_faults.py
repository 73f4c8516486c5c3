"""The judge of faults is itself judged: it sees what is planted, and is silent where all is well."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.faults import damaged, hostile, table, verbs
from experiments.faults.commands import Outcome
from experiments.faults.hostile import judging, payloads
from experiments.faults.lanes import alone
from experiments.faults.verdicts import RIGHT, STOPPED, Case, broken, judged, refused

ROOT = Path(__file__).parents[2]
TRACE = 'Traceback (most recent call last):\n  File "a.py", line 1\nValueError: no\n'


def outcome(status=0, err="", out="", **more):
    return Outcome("affect compare bench", status, out, err, 1.0, 450.0, **more)


@pytest.mark.parametrize(
    ("ended", "found", "verdict"),
    [
        (outcome(), {"a.csv": "1"}, RIGHT),
        (outcome(), {"a.csv": "2"}, "silent"),
        (outcome(), {}, "silent"),
        (outcome(), {"a.csv": "1", "b.csv": "1"}, "silent"),
        (outcome(out="a note on run.json"), {"a.csv": "2"}, "not one line"),
        (outcome(1, "DataError: x/run.json: not JSON\n"), {}, RIGHT),
        (outcome(1, "3 runs finished before, 1 to do\nDataError: x/run.json: not JSON\n"), {}, RIGHT),
        (outcome(1, "DataError: x/run.json: not JSON\n"), {"a.csv": "2"}, "half written"),
        (outcome(1, "DataError: something\n"), {}, "unnamed"),
        (outcome(1, "a warning\nDataError: x/run.json: not JSON\n"), {}, "not one line"),
        (outcome(1), {}, "not one line"),
        (outcome(3, "DataError: x/run.json: not JSON\n"), {}, "status"),
        (outcome(1, TRACE), {}, "traceback"),
        (outcome(0, TRACE), {"a.csv": "1"}, "traceback"),
        (outcome(-signal.SIGSEGV), {}, "crash"),
        (outcome(-signal.SIGKILL, hung=True), {}, "hung"),
        (outcome(left=("python -m loky",)), {"a.csv": "1"}, "children left"),
    ],
)
def test_what_a_command_ends_with_is_judged(ended, found, verdict):
    assert judged(ended, found, {"a.csv": "1"}, ["run.json"])[0] == verdict


def test_who_was_killed_has_not_crashed():
    killed = outcome(-signal.SIGKILL)
    assert broken(killed, [signal.SIGKILL]) is None
    assert broken(killed) == ("crash", "signal 9; ")


def test_a_stop_has_its_own_status():
    assert refused(outcome(143, f"{STOPPED}\n"), status=143) is None
    assert refused(outcome(1, f"{STOPPED}\n"), status=143) == ("status", f"1 instead of 143: {STOPPED}")


def test_times_and_paths_are_not_compared_and_figures_are(tmp_path):
    first, second = tmp_path / "affect-faults-a", tmp_path / "affect-faults-b"
    for folder, seconds, mae in ((first, "0.1", "0.5"), (second, "0.2", "0.5")):
        for run in ("one", "two"):
            (folder / "case" / "tune").mkdir(parents=True, exist_ok=True)
            table_ = folder / "case" / "tune" / "results.csv"
            table_.write_text(f"model,epoch_seconds,mae\ntrial 1,{seconds},{mae}\n{run},{seconds},{mae}\n")
            (folder / "case" / "tune" / "best.yaml").write_text(f"corpus: {folder}/case/tiny.safetensors\n")
    tune = verbs.VERBS["tune"]
    whole = verbs.results(tune, first / "case")
    assert whole.keys() == {"tune/results.csv", "tune/best.yaml"}
    assert verbs.results(tune, second / "case") == whole
    path = second / "case" / "tune" / "results.csv"
    path.write_text(path.read_text().replace("0.5", "0.6"))
    assert verbs.results(tune, second / "case") != whole


@pytest.mark.parametrize("damage", damaged.DAMAGES)
def test_every_damage_changes_the_file_and_is_the_same_again(damage):
    import random

    content = b'a,b\n0.123,"x"\n0.456,"y"\n'
    drawn = [damaged.DAMAGES[damage](content, random.Random(3)) for _ in range(2)]
    assert drawn[0] == drawn[1] != content


@pytest.fixture
def place(tmp_path):
    """The folder of a hostile case, and what was there before."""
    for name in ("work", "outside"):
        (tmp_path / name).mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("secret-7731")
    return tmp_path, judging.seen(tmp_path)


@pytest.mark.parametrize(
    ("plant", "ended", "verdict"),
    [
        (None, outcome(), RIGHT),
        (None, outcome(1, "DataError: c.pkl: refused\n"), RIGHT),
        (("work/out.csv", "id\na\n-0.5\n"), outcome(), RIGHT),
        (("marker", ""), outcome(1, "DataError: c.pkl: refused\n"), "ran code"),
        (("outside/a.csv", ""), outcome(), "wrote outside"),
        (("outside/secret.txt", ""), outcome(), "wrote outside"),
        (("a.csv", ""), outcome(), "wrote outside"),
        (("work/out.csv", "id\n=1+1\n"), outcome(), "ran code"),
        (("work/out.html", "<script>alert(7)</script>"), outcome(), "ran code"),
        (("work/out.csv", "secret-7731\n"), outcome(), "ran code"),
        (None, outcome(out="\x1b[2J"), "ran code"),
        (None, outcome(7), "status"),
        (None, outcome(-signal.SIGKILL, hung=True), "hung"),
    ],
)
def test_what_a_hostile_file_does_is_seen(plant, ended, verdict, place):
    folder, before = place
    if plant is not None:
        (folder / plant[0]).write_text(plant[1])
    assert judging.verdict_on(ended, folder, before)[0] == verdict


def test_memory_that_goes_is_seen(place):
    folder, before = place
    took = Outcome("affect inspect c.npz", 0, "", "", 1.0, 9_000.0)
    assert judging.verdict_on(took, folder, before) == ("memory", "9,000 MB")


def test_the_payload_is_one(tmp_path):
    """What a careless reader would do makes the marker."""
    import pickle

    path, marker = tmp_path / "c.pkl", tmp_path / "marker"
    payloads.pickled()(path, marker)
    pickle.loads(path.read_bytes())
    assert marker.exists()


def test_there_are_enough_hostile_ones():
    names = [name for name, _, _ in hostile.builds()]
    assert len(names) == len({*names}) >= 100


def test_a_case_that_needs_no_command_has_its_verdict():
    def nothing():
        return Case("row", "nothing", RIGHT)
        yield

    assert alone(nothing()) == Case("row", "nothing", RIGHT)


def test_the_table_counts(tmp_path):
    cases = [
        Case("kills", f"case {n}", kind)
        for n, kind in enumerate([RIGHT, RIGHT, "silent", "traceback", "hung", "not injected"])
    ]
    facts = table.record("kills", cases, 12.3, tmp_path)
    assert table.read(tmp_path) == [facts] == [json.loads((tmp_path / "kills.json").read_text())]
    assert (
        table.line(facts) == f"| kills | {table.ABOUT['kills']} | 2 of 5 | 1 | 1 | 1 hung, 1 not injected |"
    )
    page = table.page([facts])
    assert "- kills: case 2: silent: ``" in page
    assert "case 5" not in page


def test_no_such_row():
    ended = subprocess.run(
        [sys.executable, "-c", "from experiments.faults.__main__ import main; main(['kill'])"],
        cwd=ROOT, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert ended.returncode == 2
    assert "no row 'kill'; known: kills, signals" in ended.stderr


@pytest.mark.slow
def test_a_few_of_each():
    ended = subprocess.run(
        [sys.executable, "-m", "experiments.faults", "--quick"], cwd=ROOT, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
