"""The README's path with a fusion of one's own, from a wheel, in fresh processes, from one folder to another."""

import shutil
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from forks import Command

import affect
from affect.data.native import save

FUSION = """
    from torch import nn

    from affect import VectorFusion
    from parts_of_mine import scaled


    class MyFusion(VectorFusion):
        def __init__(self, dims, out_dim=8):
            super().__init__(dims, out_dim)
            self.project = nn.ModuleDict({name: nn.Linear(dim, out_dim) for name, dim in self.dims.items()})

        def combine(self, vectors, present):
            return scaled(sum(self.project[m](v) * present[m].unsqueeze(-1) for m, v in vectors.items()))
"""
PARTS = "def scaled(x):\n    return 1.0 * x\n"
EXPERIMENT = {
    "corpus": "labelled.safetensors",
    "seeds": [0, 1],
    "training": {"epochs": 2},
    "model": {"width": 4, "out_dim": 8},
    "models": {
        "mine": {"fusion": "my_fusions.MyFusion"},
        "sum": {"fusion": "WeightedSumFusion"},
    },
}
CONFIGURATION = {
    "corpus": "labelled.safetensors",
    "training": {"epochs": 1},
    "model": {"fusion": "my_fusions.MyFusion", "width": 4},
    "search": {"seeds": [0], "fresh": [7], "space": {"*": "fixed", "model.width": [4, 8]}},
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that holds affect as a wheel has it, and nothing of the repository."""
    root, folder = Path(affect.__file__).parents[1], tmp_path_factory.mktemp("wheel")
    shutil.copytree(
        root / "affect", folder / "source" / "affect", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, folder / "source")
    build = (
        "from setuptools import build_meta; import sys; sys.stderr.write(build_meta.build_wheel(sys.argv[1]))"
    )
    subprocess.run(
        [sys.executable, "-c", build, str(folder)], cwd=folder / "source", check=True, capture_output=True
    )
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "installed")
    return folder / "installed"


@pytest.fixture
def run(installed, tmp_path):
    """Commands in one fresh process, in a folder: what each wrote on stdout and stderr."""

    def run(folder, *commands, ends=0):
        done = Command(folder, *commands, path=installed, AFFECT_TRUST=tmp_path / "trust").ended()
        assert done.returncode == ends, done.stderr
        return done

    return run


def small(path):
    corpus = affect.load("synthetic:additive:aligned")
    rows = {"train": 60, "valid": 30, "test": 30}
    splits = {name: corpus[name].take(np.arange(rows[name])) for name in rows}
    save(affect.data.corpus.Corpus("small", splits, corpus.targets, corpus.aligned), path)


def unlabelled(path):
    corpus = affect.load("synthetic:additive:aligned")
    split = corpus["test"].take(np.arange(50, 60))
    save(
        affect.data.corpus.Corpus(
            "new", {"all": affect.Split(split.ids, split.modalities, {}, aligned=True)}, {}
        ),
        path,
    )


def test_from_a_bench_to_the_best_of_a_search(run, tmp_path):
    home, away = tmp_path / "home", tmp_path / "away"
    home.mkdir()
    away.mkdir()
    small(home / "labelled.safetensors")
    unlabelled(away / "new.safetensors")
    (home / "my_fusions.py").write_text(textwrap.dedent(FUSION))
    (home / "parts_of_mine.py").write_text(PARTS)
    (home / "experiment.yaml").write_text(yaml.safe_dump(EXPERIMENT))
    (home / "model.yaml").write_text(yaml.safe_dump(CONFIGURATION))
    bench = ["bench", "experiment.yaml", "--out", "out"]

    first = run(home, bench)
    assert "4 to do" in first.stderr
    before = pd.read_csv(home / "out" / "results.csv")
    assert {"fold", "target"} <= set(before.columns)

    # nothing changed, then a local import was edited: its runs alone are done again
    (home / "parts_of_mine.py").touch()
    again = run(home, bench)
    assert "4 runs finished before" in again.stderr
    pd.testing.assert_frame_equal(pd.read_csv(home / "out" / "results.csv"), before)
    (home / "parts_of_mine.py").write_text(PARTS.replace("1.0", "3.0"))
    edited = run(home, bench, ["tune", "model.yaml", "--trials", "2", "--out", "tuned"])
    assert "parts_of_mine" in edited.stderr
    assert "2 runs finished before, 2 to do" in edited.stderr
    after = pd.read_csv(home / "out" / "results.csv")
    same = (
        after.set_index(["model", "seed", "split", "metric"])["value"]
        == before.set_index(["model", "seed", "split", "metric"])["value"]
    )
    assert same["sum"].all()
    assert not same["mine"].all()

    # somewhere else, without the user's files
    runs = home / "out" / "runs"
    (home / "my_fusions.py").unlink()
    (home / "parts_of_mine.py").unlink()
    (mine, *_) = sorted(folder.parent for folder in runs.rglob("run.json") if "mine" in str(folder))
    elsewhere = run(
        away,
        ["sweep", runs, "--out", "swept"],
        ["predict", mine, "new.safetensors", "--out", "said.csv"],
        ["compare", runs, "--out", "compared.csv"],
        ["report", home / "out", "--out", "page.html"],
        ["train", home / "tuned" / "best.yaml", "--out", "trained"],
    )
    assert len(pd.read_csv(away / "said.csv")) == 10
    assert {"mine", "sum"} <= set(pd.read_csv(away / "swept" / "robustness.csv")["model"])
    assert len(pd.read_csv(away / "compared.csv")) > 0
    assert "mine" in (away / "page.html").read_text()

    assert "test" in elsewhere.stdout
    assert [*(away / "trained").rglob("run.json")]

    # a stranger's machine does not know these runs
    (tmp_path / "trust").unlink()
    refused = run(away, ["predict", mine, "new.safetensors"], ends=1)
    assert refused.stderr.count("\n") == 1
    assert "my_fusions" in refused.stderr
    assert "--trust" in refused.stderr
    run(away, ["predict", mine, "new.safetensors", "--trust", "--out", "again.csv"])
    assert (away / "again.csv").read_text() == (away / "said.csv").read_text()
