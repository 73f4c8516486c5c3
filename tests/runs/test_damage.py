"""Damaged folders of runs, benches and searches: one line that names the file, or what was there before."""

import json
import logging
import os
import shutil
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
import yaml
from unsealed import unseal

import affect
from affect.benchmark import bench
from affect.data.corpus import Corpus
from affect.data.native import save
from affect.errors import AffectError, ConfigError, DataError
from affect.manifest import digest, write_facts
from affect.report.gathering import gather_contents
from affect.results import gather
from affect.robustness.protocols import protocol
from affect.robustness.runs import stored_sweeps, sweep_run
from affect.runs import FinishedRun, find, load_model, predict
from affect.runs.damage import damage
from affect.runs.recorded import REMEDY
from affect.runs.studies import open_storage, open_study, quietly, sqlite

FILES = ("run.json", "config.yaml", "results.csv", "predictions.csv", "history.csv", "model.safetensors")
GRID = protocol(["fixed_subsets"])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A bench of one model and two seeds, one of which was swept; its runs, by seed."""
    home = tmp_path_factory.mktemp("home")
    corpus = affect.load("synthetic:additive")
    splits = {name: corpus[name].take(np.arange(12)) for name in ("train", "valid", "test")}
    save(Corpus("small", splits, corpus.targets), home / "small.safetensors")
    content = {
        "corpus": "small.safetensors", "seeds": [0, 1], "training": {"epochs": 1}, "metrics": ["mae"],
        "model": {"width": 4, "out_dim": 4}, "models": {"sum": {"fusion": "WeightedSumFusion"}},
    }  # fmt: skip
    (home / "small.yaml").write_text(yaml.safe_dump(content))
    bench(home / "small.yaml", home / "out", quiet=True)
    sweep_run(next(home.rglob("seed0-fold0")), GRID)
    return home


@pytest.fixture
def home(whole, tmp_path):
    """A copy of it that may be damaged."""
    shutil.copytree(whole / "out", tmp_path / "out")
    return tmp_path


def run_of(home, seed=0):
    return next(home.rglob(f"seed{seed}-fold0"))


def bytes_as(make):
    return lambda path: path.write_bytes(make(path.read_bytes()))


def instead(make):
    def replaced(path):
        path.unlink()
        make(path)

    return replaced


BROKEN = {
    "emptied": bytes_as(lambda old: b""),
    "half": bytes_as(lambda old: old[: len(old) // 2]),
    "last byte lost": bytes_as(lambda old: old[:-1]),
    "random": bytes_as(lambda old: np.random.default_rng(0).bytes(len(old))),
    "zeros": bytes_as(lambda old: bytes(len(old))),
    "missing": Path.unlink,
    "folder": instead(Path.mkdir),
    "dangling": instead(lambda path: path.symlink_to("nowhere")),
    "circle": instead(lambda path: path.symlink_to(path.name)),
    "pipe": instead(os.mkfifo),
    "list": bytes_as(lambda old: b"[]"),
    "null": bytes_as(lambda old: b"null"),
    "nested": bytes_as(lambda old: b"[" * 20_000),
    "more": bytes_as(lambda old: old + b"\n1,2,3"),
}
EDITED = {
    "swapped": bytes_as(lambda old: old[:-9] + old[-8:-7] + old[-9:-8] + old[-7:]),
    "number": bytes_as(lambda old: old.replace(b"0.", b"1.", 1) + (b"" if b"0." in old else b" ")),
    "row": bytes_as(lambda old: b"\n".join(old.split(b"\n")[:-2]) + b"\n"),
    "twice": bytes_as(lambda old: old + b"\n".join(old.split(b"\n")[-2:])),
}


def outcome(read):
    """What a reader returns, or its one line; anything else that it raises is a fault."""
    try:
        return read()
    except AffectError as error:
        return str(error)


def gathered(home):
    (answers,) = gather(find([home / "out"]))
    return {seed: rows.tolist() for seed, rows in answers.predictions["sum"].items()}


def loaded(home):
    run = affect.load_run(run_of(home))
    return {name: x.tolist() for name, x in run.model.state_dict().items()}


def tables(home):
    run = FinishedRun.read(run_of(home))
    return [run.table(name).fillna(-1).to_numpy().tolist() for name in ("results", "predictions", "history")]


FEW = ("half", "missing", "circle", "random", "swapped")


@pytest.mark.parametrize("few", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_run_is_refused_by_name_or_right(home, name, sealed, few, caplog):
    run = run_of(home)
    if not sealed:
        unseal(run)
    own = tables if name.endswith(".csv") else loaded
    whole = {read: read(home) for read in (gathered, own)}
    kept = Path(shutil.copytree(run, home / "kept", symlinks=True))
    for how, apply in {**BROKEN, **(EDITED if sealed else {})}.items():
        if few and how not in FEW:
            continue
        before = (run / name).read_bytes()
        apply(run / name)
        if (run / name).is_file() and (run / name).read_bytes() == before:
            continue  # there was no such thing to change
        said = damage(run) if (run / "run.json").is_file() else "run.json"
        untold = not sealed and (name, how) == ("history.csv", "missing")  # a baseline has none
        right = not sealed and name == "config.yaml" and how in ("half", "last byte lost")  # YAML still
        assert untold or right or (said is not None and name in said), how
        quick = (
            sealed or name not in ("config.yaml", "model.safetensors") or how in ("half", "missing", "random")
        )
        for read, was in whole.items() if quick else ():
            found = outcome(lambda read=read: read(home))
            assert untold or found == was or (isinstance(found, str) and str(run) in found), (how, read)
        assert untold or right or not quick or isinstance(outcome(lambda: own(home)), str), how
        shutil.rmtree(run)
        shutil.copytree(kept, run)
    assert "left out" not in caplog.text


FORMS = [
    ("run.json", {"seed": "0"}, "run.json: seed: expected a whole number, got the text '0'"),
    ("run.json", {"seed": True}, "run.json: seed: expected a whole number, got True"),
    ("run.json", {"name": None}, "run.json: name: expected a text, got None"),
    ("run.json", {"shape": []}, "run.json: shape: expected keys and values, got a list"),
    ("run.json", {"corpus": {"name": "small"}}, "run.json: corpus.notes: is missing"),
    ("run.json", {"costs": 3}, "run.json: costs: expected keys and values, got 3"),
    ("run.json", {"modules": 3}, "run.json: modules: expected keys and values, got 3"),
    ("run.json", {"metrics": {"a": {}}}, "run.json: metrics.a.bounds: is missing"),
    ("run.json", {"files": {"a.csv": 3}}, "run.json: files: expected the size and SHA-256 of each file"),
    ("config.yaml", {"corpus": 3}, "config.yaml: corpus: expected a text, got 3"),
    ("config.yaml", {"model": None}, "config.yaml: model: expected keys and values, got None"),
    ("results.csv", {"value": "much"}, "results.csv: column 'value': expected numbers, got 'much'"),
    ("results.csv", {"metric": ...}, "results.csv: no column 'metric'"),
    ("predictions.csv", {"prediction": "a"}, "predictions.csv: column 'prediction': expected numbers, got 'a'"),
    ("predictions.csv", {"prediction": np.nan}, "predictions.csv: sample {id} has no prediction"),
    ("predictions.csv", {"id": "one"}, "predictions.csv: sample one stands in it twice"),
    ("predictions.csv", {"truth": "b"}, "predictions.csv: column 'truth': expected numbers, got 'b'"),
    ("history.csv", {"epoch": ...}, "history.csv: no column 'epoch'"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "change", "message"), FORMS, ids=[message for *_, message in FORMS])
def test_another_form_without_digests_is_said(home, name, change, message):
    path = unseal(run_of(home)) / name
    if path.suffix == ".csv":
        rows = pd.read_csv(path)
        message = message.replace("{id}", str(rows["id"].iloc[0]) if "id" in rows else "")
        (key, value), *_ = change.items()
        (rows.drop(columns=key) if value is ... else rows.assign(**{key: value})).to_csv(path, index=False)
    else:
        content = yaml.safe_load(path.read_text())
        path.write_text(json.dumps({**content, **change}))
    said = damage(path.parent)
    assert said == f"{path.parent}/{message}"
    if name not in ("history.csv", "results.csv"):  # which a report of runs without one reads not
        with pytest.raises(DataError) as caught:
            gather_contents([home / "out"])
        assert str(caught.value) == f"{said}; {REMEDY}"


def test_the_lines(home, capsys):
    run = run_of(home)
    was = {name: (run / name).stat().st_size for name in FILES}
    with (run / "model.safetensors").open("r+b") as file:
        file.truncate(100)
    size = f"{run}/model.safetensors: has 100 bytes, and {was['model.safetensors']:,} were written; {REMEDY}"
    for read in (load_model, affect.load_run, FinishedRun.read, lambda run: predict(run, "synthetic")):
        with pytest.raises(DataError) as caught:
            read(run)
        assert str(caught.value) == size
    for verb in (
        ["compare", str(home / "out")],
        ["report", str(home / "out"), "--out", str(home / "r.html")],
    ):
        with pytest.raises(SystemExit) as end:
            affect.cli.main(verb)
        assert str(end.value) == f"DataError: {size}"
    shutil.copy(run_of(home, 1) / "model.safetensors", run)
    with pytest.raises(
        DataError, match=r"model.safetensors: was changed after it was written: SHA-256 \w{8}"
    ):
        load_model(run)
    path = run / "config.yaml"
    path.write_text(path.read_text().replace("epochs: 1", "epochs: 2"))
    with pytest.raises(DataError, match=r"config.yaml: was changed after it was written: SHA-256 \w{8} then"):
        _ = FinishedRun.read(run).configuration
    (run / "run.json").unlink()
    with pytest.raises(DataError) as caught:
        find([home / "out" / "runs"])
    assert str(caught.value) == f"{run}/run.json: is missing; {REMEDY}"
    assert capsys.readouterr().out == ""


def test_what_somebody_puts_beside_a_run_is_nobody_s_business(home):
    run = run_of(home)
    (run / "notes.md").write_text("mine")
    (run / "sweeps" / "mine").mkdir()
    assert damage(run) is None
    assert len(find([home])) == 2


def test_a_maker_does_a_damaged_run_again_and_says_so(whole, tmp_path, caplog):
    home = Path(shutil.copytree(whole, tmp_path / "home"))
    for changed in (home / "out").rglob("config.yaml"):  # it lies elsewhere now
        assert damage(changed.parent) is None
    run = run_of(home)
    (run / "notes.md").write_text("mine")
    figures, stamp = (run / "results.csv").read_bytes(), (run_of(home, 1) / "run.json").stat().st_mtime_ns
    (run / "predictions.csv").write_text("id\n")
    with caplog.at_level(logging.WARNING):
        bench(home / "small.yaml", home / "out", quiet=True)
    assert f"done again: {run}/predictions.csv: has 3 bytes, and" in caplog.text
    assert "1 runs finished before, 1 to do" in caplog.text
    assert (run / "results.csv").read_bytes() == figures
    assert (run / "notes.md").read_text() == "mine"
    assert (run_of(home, 1) / "run.json").stat().st_mtime_ns == stamp
    other = run.with_name("seed1-fold0")
    shutil.rmtree(other)
    shutil.copytree(run, other)
    assert damage(other) == f"{other}: holds the run of seed 0, fold 0"
    with pytest.raises(DataError, match="another run of sum, seed 0, fold 0 is in"):
        find([home])
    shutil.rmtree(run)
    caplog.clear()
    with pytest.raises(
        DataError, match=rf"{home}/out/runs.json: the run {run} is missing, or has no run.json"
    ):
        find([home])
    (run_of(home, 1).parents[2] / "runs.json").unlink()
    with caplog.at_level(logging.WARNING):
        assert [one.seed for one in find([home])] == [0]
    assert f"{other}: holds the run of seed 0, fold 0; it counts as that" in caplog.text
    assert f"{home}/out/runs.json is missing: every run below it counts, those of earlier" in caplog.text


def test_two_settings_of_one_name_are_not_pooled(home):
    first, second = run_of(home, 0), unseal(run_of(home, 1))
    path = second / "config.yaml"
    content = yaml.safe_load(path.read_text())
    content["training"] |= {"epochs": 3, "devices": 2}
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(DataError) as caught:
        gather(find([home / "out"]))
    assert str(caught.value) == (
        f"{second}: made in another setting than {first}, and both are called 'sum' (training.epochs: 1 -> 3); "
        "compare them under names of their own, or leave one out"
    )


@pytest.mark.parametrize("few", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["runs.json", "summary.csv", "comparisons.csv", "notes.txt"])
def test_a_damaged_table_of_a_bench_is_refused(home, name, few):
    path = home / "out" / name
    before = path.read_bytes()
    for how, apply in {**BROKEN, **EDITED}.items():
        if few and how not in FEW:
            continue
        if len(before) < 10 and how in ("half", "last byte lost", "swapped", "row", "twice", "emptied"):
            continue  # an empty text
        apply(path)
        if (how, name) == ("missing", "runs.json"):  # as of an older release
            assert len(gather_contents([home / "out"]).summary)
        elif path.is_file() and path.read_bytes() == before:
            continue
        else:
            found = outcome(lambda: gather_contents([home / "out"]))
            if isinstance(found, str):
                assert str(path) in found, how
                assert found.endswith("; run the bench again, or bring the file back")
            else:  # other blanks
                assert name == "runs.json"
                assert json.loads(path.read_text()) == json.loads(before)
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        path.unlink(missing_ok=True)
        path.write_bytes(before)


@pytest.mark.parametrize("sealed", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_damaged_sweep_is_refused_by_a_report_and_done_again_by_a_sweep(home, sealed, caplog):
    run = run_of(home)
    (stored,) = (run / "sweeps").glob("[!.]*")
    if not sealed:
        facts = json.loads((stored / "made_from.json").read_text())
        (stored / "made_from.json").write_text(json.dumps({key: facts[key] for key in ("corpus", "run")}))
    kept = Path(shutil.copytree(stored, home / "stored"))
    for name in ("made_from.json", "conditions.csv", "results.csv", "predictions.npz"):
        for how in ("emptied", "half", "random", "missing", "folder", "circle", "list"):
            BROKEN[how](stored / name)
            found = outcome(lambda: stored_sweeps([FinishedRun.read(run)]))
            right = not isinstance(found, str)
            assert (not right and str(stored) in found) or (name, how) in {
                ("made_from.json", "missing"), ("results.csv", "half"),
            }, (name, how, found)  # fmt: skip
            if right and sealed:
                assert (name, how) == ("made_from.json", "missing")
            shutil.rmtree(stored)
            shutil.copytree(kept, stored)
    BROKEN["half"](stored / "predictions.npz")
    with caplog.at_level(logging.WARNING):
        again = sweep_run(run, GRID)
    assert "swept again: " in caplog.text
    assert str(stored) in caplog.text
    assert np.array_equal(again.predictions, sweep_run(run, GRID).predictions)


def test_damaged_searches_are_refused(tmp_path):
    with quietly():
        study = optuna.create_study(study_name="one", storage=open_storage(sqlite(tmp_path / "study.db")))
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    (tmp_path / "best.yaml").write_text("corpus: synthetic\n")
    numbers = {"trial 1": 1}
    facts = {"study": "one", "chosen": numbers, "configurations": {"trial 1": "best.yaml"}}
    write_facts(tmp_path / "search.json", facts, ["best.yaml"])
    assert open_study(tmp_path).chosen == numbers
    kept = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for path, content in kept.items():
        for how in FEW[:-1]:
            apply = BROKEN[how]
            if path.name == "study.db" and how in ("last byte lost", "more"):
                continue  # SQLite knows how many pages there are
            apply(path)
            with pytest.raises(DataError) as caught:
                open_study(tmp_path)
            assert str(tmp_path) in str(caught.value), how
            assert path.name in str(caught.value), how
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            path.unlink(missing_ok=True)
            path.write_bytes(content)
    for wrong in ({"chosen": {"trial 9": 9}}, {"study": "two"}, {"configurations": {"trial 1": "../a.yaml"}}):
        write_facts(tmp_path / "search.json", {**facts, **wrong}, [])
        with pytest.raises(DataError, match=str(tmp_path)):
            open_study(tmp_path)


def test_a_journal_that_was_cut_goes_on_and_another_file_is_left_alone(tmp_path, caplog):
    path = tmp_path / "study.log"
    url = f"journal://{path}"
    with quietly():
        study = optuna.create_study(study_name="one", storage=open_storage(url))
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
        path.write_bytes(path.read_bytes()[:-20])
        with caplog.at_level(logging.WARNING):
            study = optuna.load_study(study_name="one", storage=open_storage(url))
        assert f"{url}: the last record is cut off; its " in caplog.text
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
        again = optuna.load_study(study_name="one", storage=open_storage(url))
        assert [trial.state.name for trial in again.trials] == ["COMPLETE", "RUNNING", "COMPLETE"]
    whole = path.read_bytes()
    for content in (
        b"id,label\n1,2",
        b"\x00\xff\n",
        b"[]\n",
        whole + b"null\n",
        b'{"op_code":99}\n',
        whole[60:],
    ):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=f"^storage: {url}: ") as caught:
            open_storage(url)
        assert str(caught.value).endswith("; bring the file back, or name a new one")
        assert path.read_bytes() == content


def test_runs_that_do_not_match_are_not_left_out_in_silence(home, caplog):
    path = unseal(run_of(home)) / "predictions.csv"
    rows = pd.read_csv(path)
    of_test = rows[rows["split"] == "test"].index

    def refused(changed):
        changed.to_csv(path, index=False)
        with pytest.raises(DataError) as caught:
            gather(find([home]))
        return str(caught.value)

    first, second = run_of(home, 0), run_of(home, 1)
    assert refused(rows.drop(of_test[:1])) == (
        f"{first}: sum, seed 0 has 11 predictions of test, and sum, seed 1 has 12 ({second}); train the damaged "
        "one again"
    )
    moved = rows.assign(truth=rows["truth"].where(rows.index != of_test[3], 2.5))
    assert f"{second}: sum, seed 1 has other labels than {first}; compare runs on the same corpus" == refused(
        moved
    )
    rows.drop(of_test).to_csv(path, index=False)
    with caplog.at_level(logging.WARNING):
        (answers,) = gather(find([home]))
    assert [*answers.predictions["sum"]] == [1]
    assert "small, sentiment: sum, seed 0 has no predictions of test, fold 0, and is left out" in caplog.text


def test_a_manifest_is_of_the_values_not_of_the_text(home):
    path = run_of(home) / "run.json"
    facts = json.loads(path.read_text())
    path.write_text(json.dumps(dict(reversed(facts.items())), indent=3))
    assert FinishedRun.read(path.parent).facts == facts
    assert facts["digest"] == digest(facts)
    assert [*facts["files"]] == [
        "config.yaml",
        "results.csv",
        "predictions.csv",
        "history.csv",
        "model.safetensors",
    ]
    path.write_text(json.dumps({**facts, "seed": 5}))
    with pytest.raises(DataError, match=r"run.json: was changed after it was written: SHA-256 \w{8} then"):
        FinishedRun.read(path.parent)
