"""What a bench promises: every run once, wherever it is done, whatever befalls it."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import replace

import pandas as pd
import psutil
import pytest
import yaml
from forks import Command, server
from servers import free_port
from small_corpus import small

import affect
from affect.benchmark import bench, jobs, load, published
from affect.data.native import save
from affect.data.targets import Regression
from affect.errors import ConfigError, DataError
from affect.report import write_pages
from affect.runs import FinishedRun, find
from affect.workers import processes, work

SMALL = {
    "corpus": "synthetic:interaction",
    "metrics": ["pearson", "mae"],
    "seeds": [0, 1],
    "training": {"epochs": 2, "learning_rate": 0.01},
    "model": {"encoder": {"class_path": "PooledEncoder", "init_args": {"layers": 0}}, "width": 8},
    "models": {"text": {"modalities": ["text"]}, "tensor": {"fusion": "TensorFusion"}},
}
FRAGILE = """
import torch
from affect.fusion import TensorFusion

class Fragile(TensorFusion):
    def __init__(self, dims, out_dim):
        super().__init__(dims, out_dim)
        if torch.initial_seed() in BROKEN:
            raise RuntimeError("broken on purpose")
"""


def write(folder, content):
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def command(path, out, *more):
    return Command(path.parent, ["bench", path, "--out", out, *more])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A bench that nothing befell: its experiment file and its folder."""
    folder = tmp_path_factory.mktemp("whole")
    path = write(folder, SMALL)
    bench(path, folder / "out", quiet=True)
    return path, folder / "out"


def same_tables(one, other):
    for table in ("results.csv", "summary.csv", "comparisons.csv"):
        assert (one / table).read_bytes() == (other / table).read_bytes()


def bench_fragile(folder, broken):
    """A bench by the command line, one of whose models cannot be built with some seeds."""
    models = {**SMALL["models"], "fragile": {"fusion": "fragile.Fragile"}}
    path, out = write(folder, {**SMALL, "models": models, "training": {"epochs": 1}}), folder / "out"
    (folder / "fragile.py").write_text(FRAGILE.replace("BROKEN", broken))
    return path, out, command(path, out).ended()


def test_a_failed_run_is_recorded_and_tried_again(tmp_path):
    path, out, ended = bench_fragile(tmp_path, broken="{1}")
    assert ended.returncode == 1
    assert "fragile" in ended.stdout
    assert ended.stderr.splitlines()[-1] == (
        f"1 runs failed; {out / 'runs'}/*/*/failed.txt says why, and the same command tries them again"
    )
    (failed,) = out.rglob("failed.txt")
    assert failed.parent.name == "seed1-fold0"
    assert failed.read_text().startswith("Traceback (most recent call last):")
    assert failed.read_text().endswith("RuntimeError: broken on purpose\n")
    summary = pd.read_csv(out / "summary.csv").query("metric == 'mae'").set_index("model")
    assert summary["failed"].to_dict() == {"text": 0, "tensor": 0, "fragile": 1}
    assert summary["seeds"].to_dict() == {"text": 2, "tensor": 2, "fragile": 1}
    assert "1 run failed" in (out / "table.md").read_text()
    before = {run: run.stat().st_mtime_ns for run in out.rglob("run.json")}
    assert len(before) == 5
    (tmp_path / "fragile.py").write_text(FRAGILE.replace("BROKEN", "{}"))
    ended = command(path, out).ended()
    assert ended.returncode == 0
    assert "fragile: fragile.py was edited\n4 runs finished before, 2 to do\n" in ended.stderr
    assert not list(out.rglob("failed.txt"))
    after = {run: run.stat().st_mtime_ns for run in out.rglob("run.json")}
    assert len(after) == 6
    redone = {run for run in before if before[run] != after[run]}
    assert [run.parent.parent.name.partition("-")[0] for run in redone] == ["fragile"]
    assert set(pd.read_csv(out / "summary.csv")["failed"]) == {0}


def test_a_model_of_which_no_run_is_left_stands_in_the_table(tmp_path):
    path, out, ended = bench_fragile(tmp_path, broken="{0, 1}")
    assert ended.returncode == 1
    table = (out / "table.md").read_text()
    mark = re.search(r"^(\w): 2 runs failed\.", table, re.MULTILINE)[1]
    assert f"| fragile | failed {mark} | failed {mark} |" in table
    only = command(path, tmp_path / "only", "--models", "fragile").ended()
    assert only.stderr.splitlines()[-1].startswith(
        f"DataError: {tmp_path / 'only'}: every run failed, the first one so: RuntimeError: "
    )


def test_a_killed_bench_goes_on_with_more_workers_to_the_same_tables(whole, tmp_path):
    path, out = whole
    cut = tmp_path / "cut"
    killed = command(path, cut)
    while killed.process.is_alive() and not [*cut.rglob("run.json")]:
        time.sleep(0.05)
    killed.kill()
    finished = {run: run.stat().st_mtime_ns for run in cut.rglob("run.json")}
    bench(path, cut, 2, quiet=True)
    runs = {run: run.stat().st_mtime_ns for run in cut.rglob("run.json")}
    assert 0 < len(finished) < len(runs)
    assert finished.items() < runs.items()
    same_tables(cut, out)


def test_progress_counts_every_call():
    import joblib

    told = []
    with processes(2):
        assert work((joblib.delayed(abs)(-x) for x in range(5)), told.append) == [0, 1, 2, 3, 4]
    assert told[-1] == 5
    assert told == sorted(told)


def test_another_corpus_other_seeds_fewer_epochs_and_models(tmp_path):
    own = {**SMALL["models"]["tensor"], "training": {"epochs": 9}}
    content = {**SMALL, "models": {**SMALL["models"], "tensor": own}}
    path = write(tmp_path, content)
    changed = load(path).changed("synthetic:additive", [7], 1, ["tensor"])
    (job,) = jobs(changed, path, tmp_path / "out")
    assert (job.seed, job.content["corpus"], job.content["training"]["epochs"]) == (
        7,
        "synthetic:additive",
        1,
    )
    with pytest.raises(ConfigError) as refused:
        load(path).changed(models=["tensr"])
    assert str(refused.value) == "models: no model 'tensr'; did you mean 'tensor'? known: tensor, text"


def test_costs_stand_beside_the_scores(whole):
    path, out = whole
    costs = pd.read_csv(out / "costs.csv").set_index("model")
    run = next(run for run in find([out]) if run.name == "tensor")
    model = affect.runs.load_model(run.folder)
    assert costs.loc["tensor", "parameters"] == sum(p.numel() for p in model.parameters())
    assert (costs.drop(columns=["corpus", "target"]) > 0).all(axis=None)
    assert costs.loc["tensor", "sample_megaflops"] > costs.loc["text", "sample_megaflops"]
    assert "inference, MFLOP per sample" in (out / "table.md").read_text()


@pytest.mark.parametrize("model", [{}, {"baseline": "KernelSVM"}], ids=["torch", "baseline"])
def test_the_test_split_is_handed_to_evaluation_alone(model, sealed, tmp_path):
    content = affect.runs.configuration.resolve(
        {"corpus": "synthetic", "training": {"epochs": 1}, "model": model}, "test"
    )
    affect.runs.Job(content, "m", 0, 0, tmp_path, tmp_path / "run").run()
    assert sealed == ["valid", "test"]
    assert set(FinishedRun.read(tmp_path / "run").table("results")["split"]) == {"valid", "test"}


FIGURES = """corpus,setting,model,metric,value,source
toy,aligned,TFN,pearson,0.7,Somebody 2020
toy,aligned,TFN,acc2,0.8,Somebody 2020
toy,aligned,OLD,mae,0.9,"quoted from memory, to be verified: Nobody 1999"
"""


def test_published_figures_stand_beside_ours(tmp_path):
    (tmp_path / "published.csv").write_text(FIGURES)
    entry = {
        "corpus": "toy",
        "setting": "aligned",
        "models": {"TFN": "tensor", "OLD": None},
        "metrics": {"acc2": "acc2_nonzero"},
        "differs": "aligned there",
    }
    metrics = ["pearson", "mae", "acc2_nonzero"]
    path = write(tmp_path, {**SMALL, "metrics": metrics, "published": [entry]})
    found = published(load(path), path).set_index(["model", "metric"])
    assert found.loc[("TFN, published", "acc2_nonzero"), "mean"] == 0.8
    bench(path, tmp_path / "out", quiet=True, seeds=[0], epochs=1)
    table = (tmp_path / "out" / "table.md").read_text()
    rows = [line.split(" | ")[0] for line in table.splitlines() if line.startswith("| ")]
    assert rows[2:6] == ["| text", "| tensor", "| TFN, published", "| OLD, published"]
    assert "published: aligned; Somebody 2020 (differs: aligned there)" in table
    assert "quoted from memory, to be verified: Nobody 1999" in table
    bench(path, tmp_path / "made", quiet=True, seeds=[0], epochs=1, corpus="synthetic:additive")
    assert "published" not in (tmp_path / "made" / "table.md").read_text()  # they are of another corpus


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"setting": "alined"}, "{path}: published: {folder}/published.csv has no figure of toy for the setting "
         "'alined'; did you mean 'aligned'? known: aligned"),
        ({"models": {"TFM": None}}, "{path}: published: no model 'TFM' for the setting 'aligned'; did you mean 'TFN'? "
         "known: OLD, TFN, TFN"),
        ({"models": {"TFN": "tensr"}}, "{path}: published: models: no model 'tensr'; did you mean 'tensor'? "
         "known: tensor, text"),
        ({"as": "x"}, "{path}: published: no key 'as'; known: corpus, differs, metrics, models, score, setting, target"),
    ],
)  # fmt: skip
def test_wrong_references_to_published_figures(change, message, tmp_path):
    (tmp_path / "published.csv").write_text(FIGURES)
    entry = {"corpus": "toy", "setting": "aligned", **change}
    path = write(tmp_path, {**SMALL, "published": [entry]})
    with pytest.raises(ConfigError) as refused:
        bench(path, tmp_path / "out", quiet=True)
    assert str(refused.value) == message.format(path=path, folder=tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_protocol_is_swept_after_training(tmp_path):
    (tmp_path / "published.csv").write_text(FIGURES.replace("acc2", "mae"))
    entry = {"corpus": "toy", "setting": "aligned", "models": {"TFN": "tensor"}, "score": "mean subset"}
    path = write(tmp_path, {**SMALL, "protocols": ["fixed_subsets"], "published": [entry]})
    bench(path, tmp_path / "out", quiet=True, seeds=[0], epochs=1)
    assert "TFN, published" not in (tmp_path / "out" / "table.md").read_text()
    table = (tmp_path / "out" / "robustness" / "table.md").read_text()
    assert "| score | tensor | TFN, published |" in table
    scores = pd.read_csv(tmp_path / "out" / "robustness" / "summary.csv")
    assert set(scores["model"]) == {"tensor", "TFN, published"}  # one modality has no subsets
    assert "mae: mean subset" in set(scores["metric"])
    with pytest.raises(ConfigError, match=r"no protocol 'fixed_subset'; did you mean 'fixed_subsets'\?"):
        load(write(tmp_path, {**SMALL, "protocols": ["fixed_subset"]}))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"backend": "ray"}, "workers: ray needs the address of a cluster that was started"),
        ({"address": "here"}, "workers: loky has no address; leave it out"),
    ],
)
def test_a_cluster_has_an_address(asked, message, whole, tmp_path):
    with pytest.raises(ConfigError) as refused:
        bench(whole[0], tmp_path / "out", quiet=True, **asked)
    assert str(refused.value) == message


@contextmanager
def ray_cluster():
    """Two nodes of one core each on this machine, begun by Ray's own command; gives their address."""
    address = f"127.0.0.1:{free_port()}"
    ray = shutil.which("ray", path=os.path.dirname(sys.executable))
    folder = tempfile.mkdtemp(prefix="ray")  # pytest's own are too long for the names of sockets
    every = ["--disable-usage-stats", "--num-cpus=1", "--object-store-memory=80000000", "--block"]
    kinds = [
        [
            "--head",
            f"--port={address.partition(':')[2]}",
            "--include-dashboard=false",
            f"--temp-dir={folder}",
        ],
        [f"--address={address}"],
    ]
    nodes = []
    try:
        for count, kind in enumerate(kinds, 1):
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            nodes.append(subprocess.Popen([ray, "start", *every, *kind], start_new_session=True, **quiet))
            until = time.monotonic() + 90
            told = ""
            while told.count(" node_") < count:
                assert time.monotonic() < until, f"node {count} did not start: {told}"
                asked = [ray, "status", "--address", address]
                told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
                time.sleep(0.5)
        yield address
    finally:
        for node in reversed(nodes):
            for process in [*psutil.Process(node.pid).children(recursive=True), node]:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            node.wait()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow  # Ray's own processes; `test_a_dask_cluster_gives_the_same_rows` asks the same of Dask
def test_a_ray_cluster_of_two_nodes_gives_the_same_rows(whole, tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed")
    path, out = whole
    with ray_cluster() as address:
        ended = command(path, tmp_path / "out", "--backend", "ray", "--address", address).ended()
        assert ended.returncode == 0, ended.stderr
    same_tables(tmp_path / "out", out)


def test_a_dask_cluster_gives_the_same_rows(whole, tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed", reason="Dask is not installed")
    monkeypatch.setattr("distributed.process.get_mp_context", server)
    path, out = whole
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        ended = command(
            path, tmp_path / "out", "--backend", "dask", "--address", cluster.scheduler_address
        ).ended()
        assert ended.returncode == 0, ended.stderr
    same_tables(tmp_path / "out", out)


def test_a_target_of_which_no_run_is_left_is_said(tmp_path):
    rows = affect.load("synthetic")
    twice = {
        name: replace(part, targets={**part.targets, "arousal": part.targets["sentiment"]})
        for name, part in rows.splits.items()
    }
    targets = {**rows.targets, "arousal": Regression("arousal")}  # no scale, so no two-class accuracy
    save(affect.Corpus("twice", twice, targets), tmp_path / "twice.safetensors")
    content = {**SMALL, "corpus": "twice.safetensors", "target": ["sentiment", "arousal"], "seeds": [0]}
    content["training"] = {"epochs": 1, "monitor": "acc2_nonzero"}
    out = tmp_path / "out"
    with pytest.raises(DataError) as refused:
        bench(write(tmp_path, content), out, quiet=True)
    assert str(refused.value).startswith(
        f"{out}: every run for arousal failed, the first one so: ConfigError: "
    )
    assert set(pd.read_csv(out / "summary.csv")["target"]) == {"sentiment"}
    (report, *_) = write_pages(out)
    assert report.exists()


def test_every_run_failed_is_said(tmp_path):
    content = {**SMALL, "models": {"a": {}}, "training": {"epochs": 1, "monitor": "acuracy"}}
    with pytest.raises(ConfigError):
        bench(write(tmp_path, content), tmp_path / "out", quiet=True)
    content["training"]["monitor"] = "accuracy"  # a metric, but not of numbers
    with pytest.raises(DataError) as refused:
        bench(write(tmp_path, content), tmp_path / "out", quiet=True)
    assert "ConfigError: training: monitor 'accuracy' is not measured for target 'sentiment'" in str(
        refused.value
    )


def test_each_seed_has_a_corpus_of_its_own(tmp_path):
    for seed in (0, 1):
        small(tmp_path / f"own-seed{seed}.safetensors", float(seed))
    content = {
        **SMALL, "corpus": "own-seed{seed}.safetensors", "training": {"epochs": 1},
        "models": {"text": SMALL["models"]["text"]},
    }  # fmt: skip
    path = write(tmp_path, content)
    summary = bench(path, tmp_path / "out", quiet=True).set_index("metric")
    assert summary["seeds"].to_dict() == {"pearson": 2, "mae": 2}
    runs = find([tmp_path / "out"])
    assert len({run.folder.parent for run in runs}) == 1
    assert {run.seed: run.content["corpus"] for run in runs} == {
        seed: str(tmp_path / f"own-seed{seed}.safetensors") for seed in (0, 1)
    }
    with pytest.raises(DataError, match=r"own-seed2\.safetensors: no such file"):
        bench(path, tmp_path / "more", quiet=True, seeds=[0, 2])
    assert not (tmp_path / "more").exists()
