"""Files that lie in the folder where a command is started are not executed, by no verb and no worker of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import affect

NAMES = (
    *("__future__", "affect_user_0", "ast", "conftest", "h5py", "importlib", "jinja2", "joblib", "json", "jsonargparse"),
    *("lightning", "logging", "multiprocessing", "numpy", "optuna", "pandas", "pickle", "plotly", "pyarrow", "ray"),
    *("rich", "safetensors", "scipy", "signal", "sitecustomize", "sklearn", "sqlalchemy", "statistics", "tensorboard"),
    *("torch", "transformers", "typing", "usercustomize", "yaml"),
)  # fmt: skip
MODEL = {
    "corpus": "synthetic:additive",
    "seeds": [0],
    "training": {"epochs": 1, "optimizer": "torch.optim.SGD"},
    "model": {"width": 4},
    "search": {"seeds": [0], "fresh": [7], "space": {"*": "fixed", "model.width": [4, 8]}},
}
EXPERIMENT = {
    "corpus": "synthetic:additive",
    "seeds": [0],
    "training": {"epochs": 1},
    "model": {"width": 4},
    "models": {
        "../../a": {"fusion": "ConcatenationFusion"},
        "NUL": {"fusion": "affect.fusion.WeightedSumFusion"},
    },
}
VERBS = """
import json, sys
from pathlib import Path
from affect.cli import main
for command in json.loads(sys.argv[1]):
    found = [str(path.parent) for path in sorted(Path("out").rglob("run.json"))]
    main([found[0] if word == "RUN" else word for word in command])
"""
COMMANDS = [
    ["train", "model.yaml", "--out", "out/one"],
    ["bench", "experiment.yaml", "--out", "out/bench", "--jobs", "2"],
    ["tune", "model.yaml", "--out", "out/tuned", "--trials", "2", "--jobs", "2"],
    ["predict", "RUN", "synthetic:additive", "--out", "out/said.csv"],
    ["sweep", "RUN", "--out", "out/swept", "--protocol", "fixed_subsets"],
    ["compare", "out/bench/runs"],
    ["report", "out", "--out", "out/page.html"],
    ["train", "out/tuned/best.yaml", "--out", "out/best"],
    ["convert", "synthetic:additive", "out/corpus.safetensors"],
    ["inspect", "out/corpus.safetensors"],
    ["list", "fusions"],
]


@pytest.fixture
def hostile(tmp_path):
    """A folder in which every file says that it was executed."""
    folder = tmp_path / "a" / "b" / "hostile"
    payload = f"open({str(tmp_path)!r} + '/executed ' + __name__, 'w').close(); raise SystemExit(__name__)"
    for place in (folder, folder / "modules"):
        place.mkdir(parents=True)
        for name in NAMES:
            (place / f"{name}.py").write_text(payload)
        for name in ("torch", "safetensors", "affect_user_0"):
            (place / name).mkdir()
            for inner in ("__init__", "optim", "torch", "nn"):
                (place / name / f"{inner}.py").write_text(payload)
    (folder / "x.pth").write_text(f"import os; {payload}")
    (folder / "model.yaml").write_text(yaml.safe_dump(MODEL))
    (folder / "experiment.yaml").write_text(yaml.safe_dump(EXPERIMENT))
    return folder


def start(folder, tmp_path, *arguments):
    """A fresh process of Python in the folder; it does not look there by itself, as the command `affect` does."""
    environment = {
        **{key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"},
        "PYTHONPATH": str(Path(affect.__file__).parents[1]),
        "AFFECT_TRUST": str(tmp_path / "trust"),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.glob("executed*")] == []
    return done.stdout


def test_python_s_own_way_of_starting_a_package(hostile, tmp_path):
    assert "affect" in start(hostile, tmp_path, "-m", "affect", "--version")


def test_worker_processes(hostile, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from joblib import delayed\nfrom affect.workers import processes, work\n"
        "if __name__ == '__main__':\n    with processes(2):\n        print(work(delayed(abs)(x) for x in (-1, -2)))\n"
    )
    assert start(hostile, tmp_path, str(script)) == "[1, 2]\n"


@pytest.mark.slow
def test_every_verb(hostile, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(VERBS)
    before = {path for path in tmp_path.rglob("*") if "out" not in path.parts}
    start(hostile, tmp_path, str(script), json.dumps(COMMANDS))
    after = {path for path in tmp_path.rglob("*") if "out" not in path.parts}
    assert {path.name for path in after - before} <= {"trust", ".trust.lock"}
    assert len([*(hostile / "out").rglob("run.json")]) == 6
    names = {path.name.rpartition("-")[0] for path in (hostile / "out" / "bench" / "runs").iterdir()}
    assert names == {"%2E.%2F..%2Fa", "%4EUL"}
