"""Old names: who hears of them, where, and how often."""

import logging
import subprocess
import sys
import warnings

import pytest
import yaml

import affect
from affect import renamed
from affect.cli import main
from affect.errors import ConfigError
from affect.runs.configuration import parse


@renamed.arguments(helpers="training_only", aligned="")
def build(training_only=(), **rest):
    return training_only, rest


@renamed.arguments(ramp="warmup", aligned="")
class Thing:
    def __init__(self, warmup=0):
        self.warmup = warmup


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda: build(helpers=1), "build: 'helpers' is 'training_only' now"),
        (lambda: build(aligned=True), "build: 'aligned' is not needed any more"),
        (lambda: Thing(ramp=1), "Thing: 'ramp' is 'warmup' now"),
        (lambda: Thing(1).ramp, "Thing.ramp is Thing.warmup now"),
        (lambda: affect.corruption.Loss, "affect.corruption.Loss is affect.corruption.StepLoss now"),
        (
            lambda: affect.tuning.told,
            "affect.tuning.told is affect.tuning.distribution_text now",
        ),
        (
            lambda: affect.runs.anchored,
            "affect.runs.anchored is affect.runs.with_absolute_paths now",
        ),
    ],
)
def test_a_name_of_python_warns_where_it_is_used(use, message):
    with pytest.warns(DeprecationWarning, match=message.partition("(")[0]) as caught:
        use()
    (warning,) = caught
    assert str(warning.message) == f"{message}; the old name goes with the next release"
    assert warning.filename == __file__


def test_a_module_warns_where_it_is_imported():
    sys.modules.pop("affect.tracing", None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        import affect.tracing  # noqa: F401
    assert [one.filename for one in caught] == [__file__]


def test_a_script_sees_it_without_asking(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("from affect.corruption import Loss\n", encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stderr.startswith(f"{script}:1: DeprecationWarning: affect.corruption.Loss is affect.")


def test_what_is_not_needed_any_more_is_not_handed_on():
    with pytest.warns(DeprecationWarning, match="not needed"):
        assert build(aligned=True) == ((), {})
    assert not hasattr(Thing(), "aligned")


def test_old_and_new_together_are_refused():
    line = "build: 'helpers' is 'training_only' now, and both are given; leave 'helpers' out"
    with pytest.warns(DeprecationWarning, match="helpers"), pytest.raises(ConfigError, match=line):
        build(helpers=1, training_only=2)
    with pytest.raises(ConfigError) as refused:
        parse({"corpus": "synthetic", "training": {"ramp": 1, "warmup_epochs": 2}}, "a.yaml")
    assert str(refused.value) == (
        "a.yaml: training: 'ramp' is 'warmup_epochs' now, and both are given; leave 'ramp' out"
    )


def test_keys_of_a_configuration_are_told_once_for_each_file(tmp_path, caplog):
    caplog.set_level(logging.WARNING, "affect")
    paths = [tmp_path / name for name in ("a.yaml", "b.yaml")]
    for path in paths:
        training = {"epochs": 1, "ramp": 1, "corruption": "StepDropout"}
        model = {"width": 4, "helpers": ["visual"]}
        content = {"corpus": "synthetic", "seeds": [0, 1], "training": training, "model": model}
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        main(["train", str(path), "--out", str(tmp_path / "runs")])
    assert [line for line in caplog.messages if "old name" in line] == [
        f"{path}: {section}: '{old}' is '{new}' now; the old name goes with the next release"
        for path in paths
        for section, old, new in (
            ("model", "helpers", "training_only"),
            ("training", "ramp", "warmup_epochs"),
        )
    ]


def test_a_terminal_shows_them(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("{corpus: synthetic, training: {epochs: 0, ramp: 1}}", encoding="utf-8")
    done = subprocess.run([sys.executable, "-m", "affect", "train", path], capture_output=True, text=True)
    assert f"{path}: training: 'ramp' is 'warmup_epochs' now; the old name goes with" in done.stderr
