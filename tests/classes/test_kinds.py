"""What a configuration names is of a kind that may be called, or is refused before it is called."""

import functools
import os
import shutil
import subprocess

import joblib
import numpy as np
import pytest
import torch

import affect
from affect.classes import beside, class_of, within
from affect.classes.kinds import may_be_called, of_python
from affect.classes.objects import function_of
from affect.errors import ConfigError


@pytest.mark.parametrize(
    ("found", "path", "first", "may"),
    [
        (os.system, "os.system", "", False),
        (os.remove, "torch.hub.os.remove", "", False),
        (subprocess.run, "subprocess.run", "", False),
        (shutil.rmtree, "shutil.rmtree", "", False),
        (exec, "builtins.exec", "", False),
        (functools.partial(exec), "torch.x", "", False),
        (joblib.load, "joblib.load", "", False),
        (torch.relu, "torch.relu", "", True),
        (torch.nn.functional.gelu, "torch.nn.functional.gelu", "", True),
        (np.sqrt, "numpy.sqrt", "", True),
        (affect.load, "affect.load", "", True),
        (torch.hub.load, "torch.hub.load", "optimizer", False),
        (may_be_called, "tests.mine", "", True),
        ("a text", "affect.text", "", False),
    ],
)
def test_by_where_it_was_written(found, path, first, may):
    assert may_be_called(found, path, first=first) is may


def test_a_user_s_own_module_may_give_its_own_and_no_other(tmp_path):
    (tmp_path / "mine.py").write_text("from subprocess import run\ndef read(path): ...\n")
    with within(beside(tmp_path)):
        assert may_be_called(class_of("mine.read"), "mine.read")
        assert not may_be_called(class_of("mine.run"), "mine.run")
        assert not of_python("mine.read")


def test_python_s_own_library_is_not_even_imported(capsys):
    assert of_python("this.X")
    with pytest.raises(ConfigError) as caught:
        function_of("this.s", "reader", "Corpus")
    assert str(caught.value) == "no reader 'this.s' (Python's own library has none)"
    assert capsys.readouterr().out == ""


def test_a_file_called_as_torch_is_nobody_s(tmp_path):
    (tmp_path / "torch").mkdir()
    for name in ("torch/__init__", "torch/optim", "numpy", "lightning", "affect"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('executed')")
    (tmp_path / "mine.py").write_text("import numpy, torch.optim\nclass Mine: sgd = torch.optim.SGD")
    with within(beside(tmp_path)):
        assert class_of("torch.optim.SGD") is torch.optim.SGD is class_of("mine.Mine").sgd
        assert class_of("affect.fusion.TensorFusion") is affect.fusion.TensorFusion
