"""What a stranger's run names is executed only with the user's word."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import affect
from affect.classes import Modules
from affect.classes.strangers import strange
from affect.classes.trust import mark_trusted
from affect.cli import main
from affect.errors import AffectError, ConfigError
from affect.robustness.protocols import protocol
from affect.robustness.runs import sweep_runs
from affect.runs import FinishedRun, jobs_of, load_model, predict
from affect.tuning import task_of


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    corpus = affect.load("synthetic:additive")
    model = affect.FusionModel.for_corpus(corpus, width=4)
    return affect.fit(model, corpus, training=affect.Training(epochs=1)).save(
        tmp_path_factory.mktemp("saved") / "run"
    )


@pytest.fixture
def run(saved, tmp_path, monkeypatch):
    monkeypatch.setenv("AFFECT_TRUST", str(tmp_path / "trust"))
    folder = Path(shutil.copytree(saved, tmp_path / "run"))
    facts = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    for key in ("files", "digest"):  # a stranger can write them anew; a run of before has none
        facts.pop(key, None)
    (folder / "run.json").write_text(json.dumps(facts), encoding="utf-8")
    return folder


def edited(run, **changes):
    content = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    for key, value in changes.items():
        section, _, name = key.rpartition("__")
        (content[section] if section else content)[name] = value
    (run / "config.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return content


def refusal(run, named):
    return (
        f"{run}: config.yaml names {named}, no part of affect, torch, optuna or lightning, nor known to be "
        "yours; see what it does, then allow it with --trust (trust=True)"
    )


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"reader": "runpy.run_path"}, "runpy.run_path"),
        ({"reader": "affect.runs.load_model"}, "affect.runs.load_model"),
        ({"training__schedule": "torch.hub.load"}, "torch.hub.load"),
        ({"training__optimizer": {"class_path": "os.system"}}, "os.system"),
        ({"training__monitor": "antigravity.Metric"}, "antigravity.Metric"),
        ({"metrics": ["affect.workers.work"]}, "affect.workers.work"),
        ({"objective": {"class_path": "subprocess.Popen"}}, "subprocess.Popen"),
        ({"learner": "torch.utils.data.DataLoader"}, "torch.utils.data.DataLoader"),
        ({"loggers": [{"class_path": "torch.hub.os.system"}]}, "torch.hub.os.system"),
        ({"model__fusion": {"class_path": "affect.fusion.TensorFusion", "init_args": {"x": "os.system"}}}, "os.system"),
    ],
)  # fmt: skip
def test_what_is_no_part_is_refused_by_name(run, changes, named):
    edited(run, **changes)
    with pytest.raises(ConfigError) as caught:
        load_model(run)
    assert str(caught.value) == refusal(run, named)


def test_a_reader_of_anything_is_not_called(run, tmp_path):
    payload = tmp_path / "payload.csv"
    payload.write_text(f"open({str(tmp_path / 'was here')!r}, 'w').close()")
    content = edited(run, reader="runpy.run_path", corpus=str(payload))
    for use in (
        lambda: sweep_runs([run], protocol(["fixed_subsets"]), tmp_path / "out"),
        lambda: predict(run, "synthetic:additive"),
        lambda: affect.load_run(run),
    ):
        with pytest.raises(ConfigError) as caught:
            use()
        assert str(caught.value) == refusal(run, "runpy.run_path")
    assert not (tmp_path / "was here").exists()
    mark_trusted(Modules(), strange(content, Modules()))  # as it is where one's own run is made
    assert FinishedRun.read(run).configuration.reader == "runpy.run_path"
    edited(run, learner="runpy.run_module")
    with pytest.raises(ConfigError):
        load_model(run)


def test_parts_of_affect_and_torch_need_no_word(run):
    edited(
        run,
        training__schedule={"class_path": "torch.optim.lr_scheduler.StepLR", "init_args": {"step_size": 1}},
        training__optimizer="torch.optim.SGD",
        training__monitor="affect.metrics.mae",
        reader="affect.load",
        corpus="my.corpus",
    )
    assert len(predict(run, "synthetic:additive")) == 400
    assert not (run.parent / "trust").exists()


SCRIPT = "import affect, sys; affect.runs.predict('.', 'synthetic:additive')"


@pytest.mark.parametrize("command", [["-m", "affect", "predict", ".", "synthetic:additive"], ["-c", SCRIPT]])
def test_a_file_in_the_folder_that_python_was_started_in_is_not_executed(run, tmp_path, command):
    trace = tmp_path / "was here"
    payload = f"open({str(trace)!r}, 'w').close()"
    (run / "payload2.py").write_text(payload)
    content = edited(run, model__fusion={"class_path": "payload2.Fusion"})
    if command[0] == "-m":
        (run / "safetensors.py").write_text(payload)
    environment = {**os.environ, "PYTHONPATH": str(Path(affect.__file__).parents[1])}

    def refused():
        done = subprocess.run(
            [sys.executable, *command], cwd=run, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode != 0
        assert not trace.exists()
        return done.stderr

    assert "payload2" in refused()
    if command[0] == "-c":
        mark_trusted(Modules(), strange(content, Modules()))  # one of this name was installed once
        assert f"the run does not bring along; see what {run / 'payload2.py'} is" in refused()


def test_a_class_of_a_run_s_own_modules_needs_them_to_be_trusted(run):
    (run / "modules").mkdir()
    (run / "modules" / "mine.py").write_text("from affect.fusion import ConcatenationFusion as Fusion")
    facts = json.loads((run / "run.json").read_text(encoding="utf-8"))
    carried = Modules.read(run / "modules")
    (run / "run.json").write_text(json.dumps({**facts, "modules": carried.facts()}))
    edited(run, training__schedule="os.system")
    mark_trusted(carried)
    with pytest.raises(ConfigError) as caught:
        load_model(run)
    assert str(caught.value) == (
        f"{run}: the run brings code that is not known to be yours: mine.py, os.system; read it in "
        f"{run / 'modules'}, then allow it with --trust (trust=True)"
    )
    edited(run, training__schedule=None)
    assert load_model(run) is not None


def test_what_looks_like_data_makes_nothing(run, tmp_path):
    trace = tmp_path / "was here"
    touch = {"class_path": "subprocess.run", "init_args": {"args": ["touch", str(trace)]}}
    before = (run / "config.yaml").read_text(encoding="utf-8")
    for place in ("targets", "columns", "prefixes", "corpus", "target", "model__modalities"):
        edited(run, **{place: {"a": touch}})
        with pytest.raises(AffectError):
            load_model(run)
        (run / "config.yaml").write_text(before, encoding="utf-8")
    assert not trace.exists()


@pytest.fixture
def search(tmp_path, monkeypatch):
    """The folder of a search that somebody else made."""
    monkeypatch.setenv("AFFECT_TRUST", str(tmp_path / "trust"))
    folder = tmp_path / "search"
    for path in (folder / "modules", folder / "front" / "modules"):
        path.mkdir(parents=True)
        (path / "mine.py").write_text(f"open({str(tmp_path / 'was here')!r}, 'w').close()")
    (folder / "search.json").write_text("{}")
    content = {"corpus": "synthetic:additive", "model": {"fusion": "mine.Fusion"}, "reader": "joblib.load"}
    for name in ("best.yaml", "front/trial1.yaml", "own.yaml"):
        (folder / name).write_text(yaml.safe_dump(content))
    return folder


@pytest.mark.parametrize("name", ["best.yaml", "front/trial1.yaml"])
@pytest.mark.parametrize(
    "use", [task_of, lambda path: jobs_of(path, "out"), lambda path: main(["train", str(path)])]
)
def test_what_somebody_else_s_search_found_is_data(search, name, use):
    path = search / name
    message = (
        f"{path}: was written by a search, and names code that is not known to be yours: mine.py, joblib.load; "
        f"read it in {path.parent}, then allow it with --trust (trust=True)"
    )
    with pytest.raises((ConfigError, SystemExit)) as caught:
        use(path)
    assert str(caught.value).removeprefix("ConfigError: ") == message
    assert not (search.parent / "was here").exists()


def test_what_one_s_own_search_found_is_one_s_own_until_it_is_edited(search):
    path, module = search / "best.yaml", search / "modules" / "mine.py"
    module.write_text("from affect.fusion import ConcatenationFusion as Fusion")
    mark_trusted(Modules.read(search / "modules"), ["joblib.load"])  # as `tune` does where it writes the file
    assert len(jobs_of(path, "out")) == 1
    (search / "mine.py").write_text("")  # comes before the one that is known
    for trusted in (False, True):
        with pytest.raises(ConfigError, match="names code" if not trusted else "no Fusion 'Fusion' in mine"):
            jobs_of(path, "out", trust=trusted)
    (search / "mine.py").unlink()
    module.write_text("from affect.fusion import TensorFusion as Fusion")
    with pytest.raises(ConfigError, match="names code that is not known to be yours"):
        jobs_of(path, "out")
    assert len(jobs_of(search / "own.yaml", "out")) == len(jobs_of(path, "out", trust=True)) == 1


@pytest.mark.parametrize("module", ["my-mod", "1evil", "my mod", "a\u00b7b"])
def test_a_module_of_any_name_needs_trust(run, tmp_path, monkeypatch, module):
    trace = tmp_path / "was here"
    (tmp_path / f"{module}.py").write_text(f"open({str(trace)!r}, 'w').close()")
    monkeypatch.syspath_prepend(tmp_path)
    edited(run, model__fusion={"class_path": f"{module}.Sum"})
    with pytest.raises(ConfigError):
        load_model(run)
    assert not trace.exists()


def test_a_program_of_torch_is_not_executed_for_its_name(run, capsys):
    edited(run, model__fusion={"class_path": "torch.utils.model_dump.__main__.Model"})
    with pytest.raises(ConfigError, match="names torch"):
        load_model(run)
    assert capsys.readouterr().out == ""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_module_that_is_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.py")
    with pytest.raises(AffectError, match=r"a\.py: expected a file of Python of at most 16,777,216 bytes"):
        Modules.read(tmp_path)
