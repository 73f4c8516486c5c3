"""A run that carries its own classes, and is used again only where it would be made from the same."""

import json
import shutil
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from forks import Command
from small_corpus import small
from unsealed import unseal

import affect
from affect.data.contents import corpus_digest
from affect.errors import ConfigError
from affect.robustness.protocols import protocol
from affect.robustness.runs import stored_sweeps, sweep_run
from affect.runs import FinishedRun, Job, due, find, jobs, load_model, predict
from affect.runs.configuration import resolve
from affect.runs.sameness import differences
from affect.runs.studies import open_storage, sqlite
from affect.tuning import task_of
from affect.tuning.working import begin_or_join

FUSION = """
from torch import nn
from parts_of_mine import scaled
from affect import VectorFusion

class MyFusion(VectorFusion):
    def __init__(self, dims, out_dim=8):
        super().__init__(dims, out_dim)
        self.project = nn.ModuleDict({name: nn.Linear(dim, out_dim) for name, dim in self.dims.items()})

    def combine(self, vectors, present):
        return scaled(sum(self.project[m](v) * present[m].unsqueeze(-1) for m, v in vectors.items()))
"""
PARTS = "def scaled(x):\n    return 1.5 * x\n"


@pytest.fixture(autouse=True)
def _own_list(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("AFFECT_TRUST", str(tmp_path_factory.mktemp("trust") / "list"))


def job_of(home, runs=None, epochs=1, **model):
    content = {"corpus": "small.safetensors", "training": {"epochs": epochs}, "model": {"width": 4, **model}}
    with affect.classes.within(affect.classes.beside(home)):
        content = resolve(content, "test")
    return Job(content, "mine", 0, 0, home, (runs or home) / f"mine-{jobs.digest(content)}" / "seed0-fold0")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A home with a fusion of its own, and a run of it."""
    home = tmp_path_factory.mktemp("home")
    (home / "my_fusions.py").write_text(FUSION)
    (home / "parts_of_mine.py").write_text(PARTS)
    small(home / "small.safetensors")
    job_of(home, fusion="my_fusions.MyFusion").run()
    return home


@pytest.fixture
def home(made, tmp_path):
    """A copy of it that may be changed."""
    shutil.copytree(made, tmp_path / "home")
    job = job_of(tmp_path / "home", fusion="my_fusions.MyFusion")
    affect.classes.trust.mark_trusted(job.origin.modules)
    return tmp_path / "home"


def mine(home):
    return job_of(home, fusion="my_fusions.MyFusion")


def test_the_folder_says_all_that_it_was_made_from(made):
    folder = mine(made).folder
    content = yaml.safe_load((folder / "config.yaml").read_text())
    assert {*content["training"]} == {one.name for one in fields(affect.Training)}
    assert {*content["model"]} == {one.name for one in fields(affect.ModelSpec)}
    assert content["model"]["fusion"]["class_path"] == "my_fusions.MyFusion"
    assert content["model"]["head"]["class_path"] == "affect.heads.RegressionHead"
    assert content["objective"]["class_path"].startswith("affect.objectives.")
    facts = json.loads((folder / "run.json").read_text())
    assert [*facts["modules"]["files"]] == ["my_fusions.py", "parts_of_mine.py"]
    assert (
        facts["corpus"]["content"]
        == facts["corpus"]["sha256"]
        == corpus_digest(str(made / "small.safetensors"))
    )
    assert (folder / "modules" / "parts_of_mine.py").read_text() == PARTS
    assert not (folder / "started.json").exists()


def test_nothing_changed_so_nothing_is_done(home, caplog):
    job = mine(home)
    stamp = (job.folder / "run.json").stat().st_mtime_ns
    (home / "my_fusions.py").touch()
    small(home / "small.safetensors")
    (home / "small.safetensors").rename(home / "again.safetensors")
    (home / "again.safetensors").rename(home / "small.safetensors")
    assert due([job]) == []
    job.run()
    assert (job.folder / "run.json").stat().st_mtime_ns == stamp
    assert caplog.messages == ["1 runs finished before, 0 to do"]
    assert due([job], again=True) == [job]


def test_what_changed_is_said_by_name(home, caplog):
    job = mine(home)
    (home / "parts_of_mine.py").write_text(PARTS.replace("1.5", "2.5"))
    (home / "my_fusions.py").write_text(f"import more\n{FUSION}")
    (home / "more.py").write_text("")
    small(home / "small.safetensors", shift=1.0)
    assert due([job]) == [job]
    assert caplog.messages == [
        f"mine: my_fusions.py was edited; parts_of_mine.py was edited; more.py is used now; the corpus "
        f"{home / 'small.safetensors'} has other content",
        "0 runs finished before, 1 to do",
    ]
    caplog.clear()
    longer = job_of(home, epochs=2, fusion="my_fusions.MyFusion")
    assert longer.folder != job.folder
    due([longer])
    assert caplog.messages[0] == "mine: training.epochs: 1 -> 2"
    assert differences(job.origin.configuration, job_of(home).origin.configuration) == [
        "model.fusion: MyFusion -> ConcatenationFusion"
    ]


def test_an_edit_makes_the_run_anew_and_a_kill_leaves_one_of_both(home, monkeypatch):
    job = mine(home)
    before = (job.folder / "predictions.csv").read_bytes()
    (home / "parts_of_mine.py").write_text(PARTS.replace("1.5", "2.5"))
    new = job.folder.with_name(".seed0-fold0.new")

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("affect.training.fitting.fit", killed)
        with pytest.raises(KeyboardInterrupt):
            job.run()
    assert (job.folder / "predictions.csv").read_bytes() == before
    started = json.loads((new / "started.json").read_text())
    assert started["modules"] == job.origin.modules.digest
    assert [run.folder for run in find([home])] == [job.folder]  # what is being made is no run
    (new / "checkpoints").mkdir()
    (new / "checkpoints" / "of-something-else").touch()
    (new / "started.json").write_text("{}")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)  # finished, and killed before it takes the other's place
        with pytest.raises(KeyboardInterrupt):
            job.run()
    assert (job.folder / "predictions.csv").read_bytes() == before
    assert FinishedRun.read(new).facts["modules"]["digest"] == job.origin.modules.digest
    with monkeypatch.context() as patch:
        patch.setattr("affect.training.fitting.fit", killed)  # it need not be trained
        job.folder.rename(job.folder.with_name(".seed0-fold0.old"))  # a kill between the two renames
        job.run()
    assert job.done
    assert (job.folder / "predictions.csv").read_bytes() != before
    assert {path.name for path in job.folder.parent.iterdir()} == {"seed0-fold0", ".seed0-fold0.lock"}


def test_two_commands_may_sweep_one_run_at_once(home):
    run = mine(home).folder
    command = ["sweep", run, "--protocol", "fixed_subsets", "--trust", "--again", "--out"]
    both = [Command(home, [*command, home / name]) for name in ("a", "b")]
    assert [one.ended().returncode for one in both] == [0, 0]
    assert (home / "a/robustness.csv").read_bytes() == (home / "b/robustness.csv").read_bytes()
    (kept,) = (path for path in (run / "sweeps").iterdir() if path.suffix != ".lock")
    assert len(stored_sweeps([FinishedRun.read(run)])) == 1


def test_other_content_of_the_corpus_is_said_where_the_run_meets_it(home, caplog):
    run, grid = mine(home).folder, protocol(["fixed_subsets"])
    first = sweep_run(run, grid)
    (kept,) = (run / "sweeps").glob("[!.]*")
    stamp = (kept / "predictions.npz").stat().st_mtime_ns
    sweep_run(run, grid)
    assert (kept / "predictions.npz").stat().st_mtime_ns == stamp
    assert len(stored_sweeps([FinishedRun.read(run)])) == 1
    assert caplog.messages == []
    then = corpus_digest(str(home / "small.safetensors"))[:8]
    path = Path(FinishedRun.read(run).content["corpus"])
    small(path, shift=1.0)
    try:
        assert stored_sweeps([FinishedRun.read(run)]) == []
        assert not first.results["value"].equals(sweep_run(run, grid).results["value"])
        now = corpus_digest(str(path))[:8]
        said = (
            f"{run}: the corpus {path} has other content than when the run was made: "
            f"SHA-256 {then} then, {now} now"
        )
        again = f"swept again: {kept}: made from other weights, or another content of the corpus"
        assert caplog.messages == [said, again]
        assert len(stored_sweeps([FinishedRun.read(run)])) == 1
        caplog.clear()
        predict(run, path)
        assert caplog.messages == [said]
    finally:
        small(path)


def test_a_fresh_process_elsewhere_needs_none_of_the_files(home, tmp_path):
    run = tmp_path / "moved"
    shutil.move(mine(home).folder, run)
    away = tmp_path / "away"
    away.mkdir()
    (away / "my_fusions.py").write_text("raise RuntimeError('not of the run')")
    shutil.rmtree(home)
    script = (
        "import affect, sys\n"
        "table = affect.runs.predict(sys.argv[1], 'synthetic:additive')\n"
        "print(len(table), type(affect.runs.load_model(sys.argv[1]).fusion).__name__, 'my_fusions' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(run)], cwd=away, capture_output=True, text=True, check=True
    )
    assert done.stdout == "400 MyFusion False\n"


def test_a_stranger_s_code_is_not_executed(home, tmp_path, monkeypatch):
    run, trace = mine(home).folder, tmp_path / "was here"
    assert load_model(run).fusion is not None
    modules = run / "modules" / "parts_of_mine.py"
    modules.write_text(f"open({str(trace)!r}, 'w').close()\n{PARTS}")
    refused = (
        f"{run}: the run brings code that is not what the run was made with: my_fusions.py, parts_of_mine.py; "
        f"read it in {run / 'modules'}, then allow it with --trust (trust=True)"
    )
    with pytest.raises(ConfigError) as changed:
        load_model(run)
    assert str(changed.value) == refused
    facts = json.loads((unseal(run) / "run.json").read_text())
    facts["modules"] = affect.classes.Modules.read(run / "modules").facts()
    (run / "run.json").write_text(json.dumps(facts))
    for use in (
        lambda: load_model(run),
        lambda: predict(run, "synthetic:additive"),
        lambda: affect.robustness.runs.sweep_runs([run], protocol(["fixed_subsets"]), tmp_path / "out"),
        lambda: affect.load_run(run),
    ):
        with pytest.raises(ConfigError) as unknown:
            use()
        assert str(unknown.value) == refused.replace("what the run was made with", "known to be yours")
    main = affect.cli.main
    main(["compare", str(run), "--out", str(tmp_path / "c.csv")])
    main(["report", str(run), "--out", str(tmp_path / "r.html")])
    assert not trace.exists()
    learner = replace(mine(home), content={**job_of(home).content, "teacher": str(run)})
    with pytest.raises(ConfigError) as unknown:
        learner.run()
    assert "known to be yours" in str(unknown.value)
    assert not trace.exists()
    load_model(run, trust=True)
    assert trace.exists()


def test_two_runs_of_one_name_live_in_one_process(home, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(home, other)
    for path in (other / "parts_of_mine.py", *other.rglob("modules/parts_of_mine.py")):
        path.write_text(PARTS.replace("1.5", "-1.5"))
    one, two = (load_model(mine(place).folder, trust=True) for place in (home, other))
    batch = next(iter(affect.batches(affect.load(home / "small.safetensors")["test"], None, 4)))
    assert type(one.fusion) is not type(two.fusion)
    assert np.allclose(one(batch.inputs).fused.values.detach(), -two(batch.inputs).fused.values.detach())


def test_a_run_of_an_older_release_is_read_and_used_again(home, caplog):
    job = job_of(home)
    job.run()
    folder = unseal(job.folder)
    facts = json.loads((folder / "run.json").read_text())
    del facts["modules"], facts["learned_from"], facts["corpus"]["content"], facts["ran_on"]["affect_commit"]
    (folder / "run.json").write_text(json.dumps(facts))
    content = yaml.safe_load((folder / "config.yaml").read_text())
    old = {
        "corpus": content["corpus"],
        "target": None,
        "model": {"width": 4, "aligner": {"class_path": "affect.data.alignment.resampling.PoolingAligner"}},
        "training": {"epochs": 1},
        "loggers": [],
        "seeds": [0],
    }
    del old["model"]["aligner"]
    old["model"]["encoder"] = {"class_path": "affect.encoders.pooled.PooledEncoder", "init_args": {}}
    (folder / "config.yaml").write_text(yaml.safe_dump(old))
    same = job_of(home, encoder="PooledEncoder")
    same = replace(same, folder=folder)
    assert same.changes() == []
    assert len(predict(folder, "synthetic:additive")) == 400
    del facts["corpus"]["sha256"]
    (folder / "run.json").write_text(json.dumps({**facts, "corpus": {**facts["corpus"], "sha256": "0" * 64}}))
    assert same.changes() == [f"the corpus {home / 'small.safetensors'} has other content"]


def test_a_folder_is_its_data_and_a_file_may_have_neighbours(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "labels.csv").write_text("id")
    (data / "a.npy").write_bytes(b"1")
    folder, file = corpus_digest(str(data)), corpus_digest(str(data / "a.npy"))
    for name in ("notes.md", "mine.py", ".hidden", "runs/x/run.json", "runs/x/config.yaml"):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text("not data")
    assert corpus_digest(str(data)) == folder
    (data / "b.npy").write_bytes(b"2")
    assert corpus_digest(str(data)) != folder
    assert corpus_digest(str(data / "a.npy")) == file  # no array of a corpus
    assert corpus_digest("synthetic") != corpus_digest("synthetic:temporal")
    assert corpus_digest(str(tmp_path / "gone")) is None


def test_only_files_that_are_read_count(tmp_path):
    for name in ("text_train", "y_train"):
        np.save(tmp_path / f"{name}.npy", np.ones((4, 3)))
    np.savez(tmp_path / "all.npz", text=np.ones((4, 3)))
    one, whole = (corpus_digest(str(tmp_path / name)) for name in ("y_train.npy", "all.npz"))
    (tmp_path / "said.csv").write_text("id,sentiment,prediction\na,1,1\n")
    np.savez(tmp_path / "other.npz", text=np.ones((4, 3)))
    assert corpus_digest(str(tmp_path / "all.npz")) == whole
    assert corpus_digest(str(tmp_path / "y_train.npy")) == one
    np.save(tmp_path / "text_train.npy", np.zeros((4, 3)))
    assert corpus_digest(str(tmp_path / "y_train.npy")) != one


def test_an_edit_during_a_bench_makes_no_run_a_failed_one(home, caplog):
    experiment = {
        "corpus": "small.safetensors", "seeds": [0], "training": {"epochs": 1}, "metrics": ["mae"],
        "model": {"width": 4}, "models": {"mine": {"fusion": "my_fusions.MyFusion"}},
    }  # fmt: skip
    (home / "e.yaml").write_text(yaml.safe_dump(experiment))
    todo = affect.benchmark.jobs(affect.benchmark.load(home / "e.yaml"), home / "e.yaml", home / "out")
    affect.benchmark.run_jobs(todo, quiet=True)
    (home / "parts_of_mine.py").write_text(PARTS.replace("1.5", "2.5"))
    caplog.clear()
    made = affect.benchmark.tables_of(todo, home / "out", ["mae"])
    assert made.summary["failed"].tolist() == [0]
    assert caplog.messages == [
        "mine: parts_of_mine.py was edited (since the run was made; the tables hold what was made)"
    ]


def test_tables_hold_what_stands(home, caplog):
    experiment = {
        "corpus": "small.safetensors", "seeds": [0], "training": {"epochs": 1}, "metrics": ["mae"],
        "model": {"width": 4}, "models": {"mine": {"fusion": "my_fusions.MyFusion"}, "other": {}},
    }  # fmt: skip
    (home / "e.yaml").write_text(yaml.safe_dump(experiment))
    affect.benchmark.bench(home / "e.yaml", home / "out", quiet=True)
    assert "0 runs finished before, 2 to do" in caplog.messages
    (home / "my_fusions.py").write_text(FUSION.replace("return scaled(", "return broken("))
    caplog.clear()
    summary = affect.benchmark.bench(home / "e.yaml", home / "out", quiet=True)
    assert [*summary.set_index("model")["failed"].items()] == [("other", 0), ("mine", 1)]
    assert set(pd.read_csv(home / "out" / "results.csv")["model"]) == {"other"}
    assert "1 runs finished before, 1 to do" in caplog.messages


def test_an_edited_module_begins_a_study_of_its_own(home, caplog):
    content = {"corpus": "small.safetensors", "model": {"fusion": "my_fusions.MyFusion"}}
    (home / "model.yaml").write_text(yaml.safe_dump(content))
    storage = open_storage(sqlite(home / "study.db"))
    first, _ = begin_or_join(storage, task_of(home / "model.yaml"))
    same, _ = begin_or_join(storage, task_of(home / "model.yaml"))
    assert same.study_name == first.study_name
    (home / "parts_of_mine.py").write_text(PARTS.replace("1.5", "2.5"))
    other, _ = begin_or_join(storage, task_of(home / "model.yaml"))
    assert other.study_name != first.study_name
    assert caplog.messages == [
        f"{other.study_name}: a new study begins beside one of the same file: parts_of_mine.py was edited"
    ]
    other.enqueue_trial({})
    anew, _ = begin_or_join(storage, task_of(home / "model.yaml"), again=True)
    assert (anew.study_name, len(anew.trials)) == (other.study_name, 1)
