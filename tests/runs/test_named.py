"""What a configuration names is looked at before it is called: messages in full, and nothing has run."""

import pytest

from affect.benchmark.experiment import _check_apart
from affect.classes import beside
from affect.data.sources.readers import reader_of
from affect.errors import ConfigError
from affect.robustness.protocols import protocol
from affect.runs import Job, jobs_of
from affect.runs.configuration import parse

LAMBDA = "torch.optim.lr_scheduler.LambdaLR"
MODULE = """
from collections.abc import Callable
from subprocess import Popen

from affect.fusion import ConcatenationFusion


class Mine(ConcatenationFusion):
    def __init__(self, dims, out_dim=4, act: Callable = abs, extra=None):
        super().__init__(dims, out_dim)
"""


def part(path, **arguments):
    return {"class_path": path, "init_args": arguments}


@pytest.fixture
def trace(tmp_path):
    return tmp_path / "was here"


def changed(**changes):
    content = {"corpus": "synthetic:additive", "model": {}, "training": {}}
    for key, value in changes.items():
        section, _, name = key.rpartition("__")
        (content[section] if section else content)[name] = value
    return content


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training__optimizer": "os.system"}, "training: optimizer: no Optimizer 'system' in os, which is Python's own"),
        ({"training__optimizer": "torch.hub.load"}, "training: optimizer: no Optimizer 'load' in torch.hub; none are known"),
        ({"training__schedule": "shutil.rmtree"}, "training: schedule: no LRScheduler 'rmtree' in shutil, which is Python's own"),
        ({"training__schedule": "joblib.load"}, "training: schedule: no LRScheduler 'load' in joblib; none are known"),
        ({"training__schedule": part(LAMBDA, lr_lambda={"class_path": "os._exit"})}, "lr_lambda: no part 'os._exit' (Python's own library has none)"),
        ({"training__schedule": part(LAMBDA, lr_lambda=[part("joblib.load")])}, "lr_lambda: joblib.load is no part; expected a class that derives from one of affect's, torch's or Lightning's parts, or what a module of yours, of affect, torch, optuna, lightning or numpy defines"),
        ({"model__fusion": "antigravity.X"}, "model: fusion: no Fusion 'X' in antigravity, which is Python's own"),
        ({"model__fusion": part("TensorFusion", pooling="subprocess.run")}, "model: pooling: no Pooling 'run' in subprocess, which is Python's own"),
        ({"objective": "os.system"}, "objective: no Objective 'system' in os, which is Python's own"),
        ({"learner": "subprocess.Popen"}, "learner: no Learner 'Popen' in subprocess, which is Python's own"),
        ({"loggers": [part("CSVLogger", save_dir=part("os.system", command="true"))]}, "save_dir: no part 'os.system' (Python's own library has none)"),
        ({"model__width": part("os.system", command="true")}, "width: no part 'os.system' (Python's own library has none)"),
    ],
)  # fmt: skip
def test_what_is_of_no_wanted_kind_is_refused(changes, message):
    with pytest.raises(ConfigError) as caught:
        parse(changed(**changes), "doc")
    assert str(caught.value) == f"doc: {message}"


def test_nothing_is_made_where_there_is_no_type(trace, tmp_path):
    (tmp_path / "mine.py").write_text(MODULE)
    (tmp_path / "model.yaml").write_text("")
    touch = part("mine.Popen", args=["touch", str(trace)])
    places = {
        "targets": {"a": touch},
        "model__fusion": part("mine.Mine", extra=[{"deep": touch}]),
        "training__optimizer": part("torch.optim.SGD", foreach=touch),
    }
    for key, value in places.items():
        with pytest.raises(ConfigError, match=r"mine\.Popen is no part; expected a class that derives from"):
            parse(changed(**{key: value}), "doc", beside(tmp_path))
    fusion = {"model__fusion": part("mine.Mine", act="joblib.load")}
    with pytest.raises(ConfigError, match=r"^doc: act: joblib\.load is no part; "):
        parse(changed(**fusion), "doc", beside(tmp_path))
    fusion = {"model__fusion": part("mine.Mine", act="torch.relu", extra={"a": 1})}
    assert parse(changed(**fusion), "doc", beside(tmp_path)).model.fusion is not None
    assert not trace.exists()


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: reader_of("os.remove"), "no reader 'os.remove' (Python's own library has none)"),
        (
            lambda: reader_of("joblib.load"),
            "reader joblib.load: expected a function of a module of yours, of affect, torch, optuna, lightning or "
            "numpy, or one that is annotated to return Corpus; write one that calls it",
        ),
        (lambda: protocol(["os.getcwd"]), "no protocol 'os.getcwd' (Python's own library has none)"),
    ],
)
def test_readers_and_protocols(ask, message):
    with pytest.raises(ConfigError) as caught:
        ask()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": [0, -1]}, "seeds must be at least 0, got -1"),
        ({"seeds": [2**32]}, "seeds must be at most 4,294,967,295, got 4294967296"),
        ({"folds": -1}, "folds must be at least 0, got -1"),
    ],
)
def test_seeds_and_folds_are_numbers_of_a_folder(changes, message):
    with pytest.raises(ConfigError) as caught:
        parse(changed(**changes), "doc")
    assert str(caught.value) == f"doc: {message}"


def test_models_that_are_one_folder_elsewhere_are_refused(tmp_path):
    one, other = (Job({}, name, 0, 0, tmp_path, tmp_path / f"{name}-1") for name in ("MulT", "mult"))
    with pytest.raises(ConfigError) as caught:
        _check_apart([one, one, other], tmp_path / "e.yaml")
    assert str(caught.value) == (
        f"{tmp_path / 'e.yaml'}: models: 'MulT' and 'mult' are the same model, and one folder where capital "
        "letters do not count; leave one out, or rename it"
    )


def test_a_run_lies_below_its_folder_whatever_the_file_is_called(tmp_path):
    path = tmp_path / "con.yaml"
    path.write_text("{corpus: synthetic}")
    (job,) = jobs_of(path, tmp_path / "out")
    assert job.folder.parent.parent == tmp_path / "out"
    assert job.folder.parent.name.startswith("%63on-")
