"""Several devices: processes of this machine's processor."""

import os
import pickle
import re
import subprocess
import sys
import threading
from contextlib import ExitStack
from functools import partial

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from small import model_of

import affect
from affect import kernels, metrics
from affect.classes import beside, class_of, loading, within
from affect.data import synthetic
from affect.data.loading import batches
from affect.encoders import PooledEncoder
from affect.errors import ConfigError
from affect.objectives import AbsoluteError
from affect.runs import Job
from affect.training import Learner, Training, processes
from affect.training.devices import SharedBatches, check_alone, is_launched, shared
from affect.training.machine import make_trainer, strategy_of

TIMES = ["seconds", "epoch_seconds"]


def corpus_of(train=48):
    return synthetic.interaction(samples={"train": train, "valid": 25, "test": 24})


@pytest.mark.parametrize("devices", [2, 3, 4])
@pytest.mark.parametrize("train", [48, 49, 50])
def test_no_row_is_in_two_shares_and_all_have_as_many_batches(devices, train):
    loader = batches(corpus_of(train)["train"], "sentiment", 8 * devices, seed=0)
    whole = shared(loader, devices).batch_sampler
    assert whole.sampler is loader.batch_sampler.sampler
    for epoch in (0, 1):
        whole.sampler.set_epoch(epoch)
        shares = [whole.rows_of(rank) for rank in range(devices)]
        assert {len(share) for share in shares} == {len(whole)}
        assert all(batch for share in shares for batch in share)
        rows = [row for share in shares for batch in share for row in batch]
        assert sorted(rows) == list(range(train))


def test_fewer_samples_than_devices_are_refused():
    message = "^training: 1 samples are too few for 2 devices; give fewer devices$"
    with pytest.raises(ConfigError, match=message):
        SharedBatches([[0]], 2).rows_of(0)


def trained(corpus, **options):
    model = model_of(
        corpus,
        encoder=partial(PooledEncoder, dropout=0.0),
        head=partial(affect.heads.RegressionHead, dropout=0.0),
    )
    return affect.fit(model, corpus, training=Training(epochs=2, **options))


def test_two_devices_learn_what_one_learns_with_batches_of_twice_the_size():
    corpus = corpus_of()
    one = trained(corpus, batch_size=24)
    two = trained(corpus, batch_size=12, devices=2, strategy="ddp_fork")
    for table in ("predictions", "results"):
        expected, got = (getattr(run, table).select_dtypes("number") for run in (one, two))
        assert np.allclose(expected, got, atol=1e-5)
    assert np.allclose(one.history.drop(columns=TIMES), two.history.drop(columns=TIMES), atol=1e-5)
    assert (two.best_epoch, len(two.predictions)) == (one.best_epoch, 49)


def test_a_refusal_of_a_process_is_one_line_here():
    with pytest.raises(
        ConfigError, match="^training: monitor 'uar' is not measured for target 'sentiment'; "
    ):
        trained(corpus_of(), monitor="uar", devices=2, strategy="ddp_fork")


@pytest.mark.parametrize(
    ("options", "strategy"),
    [
        ({}, "auto"),
        ({"devices": 2}, "spawn"),
        ({"devices": [0, 1]}, "spawn"),
        ({"strategy": "ddp"}, "spawn"),
        ({"strategy": "ddp_find_unused_parameters_true"}, "spawn"),
        ({"devices": 2, "strategy": "ddp_fork"}, "fork"),
        ({"devices": "auto"}, "auto"),
        ({"strategy": "single_device"}, "single_device"),
    ],
)
def test_ddp_starts_processes_anew_unless_a_fork_is_asked_for(options, strategy):
    found = strategy_of(Training(**options))
    assert getattr(found, "method", found) == strategy


@pytest.mark.parametrize("strategy", ["fsdp", "FSDP_cpu_offload", "deepspeed_stage_2"])
def test_strategies_that_share_out_the_weights_are_refused(strategy):
    message = (
        f"training: strategy: '{strategy}' shares out a model's weights, and checkpoints and gradient_clip "
        "need them whole; write strategy: ddp"
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        Training(devices=2, strategy=strategy)


@pytest.mark.parametrize(
    ("variables", "launched"),
    [
        ({}, False),
        ({"LOCAL_RANK": "0"}, True),
        ({"SLURM_PROCID": "0"}, False),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "1"}, False),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "2"}, True),
    ],
)
def test_a_launcher_s_processes_are_kept(monkeypatch, variables, launched):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    strategy = strategy_of(Training(devices=2))
    assert (strategy == "ddp_find_unused_parameters_true") == launched == is_launched()
    if not launched:
        made = make_trainer(Training(devices=2), [], [])
        assert type(made.strategy.cluster_environment).__name__ == "LightningEnvironment"
        return
    with pytest.raises(ConfigError, match="^training: torchrun or srun has started this command once for "):
        check_alone(2)


def test_a_run_s_folder_is_not_made_by_every_process_of_a_launcher(monkeypatch, tmp_path):
    monkeypatch.setenv("LOCAL_RANK", "1")
    job = Job({"training": {"devices": 2}}, "toy", 0, 0, tmp_path, tmp_path / "runs" / "toy")
    with pytest.raises(ConfigError, match="^training: torchrun or srun has started this command once for "):
        job.run()
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_sent_is_refused_before_a_process_is_started():
    class Locked(Callback):
        lock = threading.Lock()

    message = (
        "training: several devices: their processes cannot be sent the model, its objective, learner or "
        "callbacks (cannot pickle '_thread.lock' object); leave that out, or leave devices at 1"
    )
    corpus = corpus_of()
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        affect.fit(model_of(corpus), corpus, training=Training(epochs=1, devices=2), callbacks=[Locked()])


MODULE = """
from affect.metrics import Metric
from affect.training import Learner

class Near(Metric):
    name = "near"
    higher_is_better = True

    def __call__(self, prediction, truth):
        return float((abs(prediction - truth) < 1).mean())

class Mine(Learner):
    def on_train_start(self):
        from affect import kernels
        super().on_train_start()
        assert not kernels.is_fast()
"""


def test_a_process_of_a_device_has_users_modules_the_metrics_and_the_switch(tmp_path, monkeypatch):
    (tmp_path / "sent_parts.py").write_text(MODULE)
    with within(beside(tmp_path)):
        near = class_of("sent_parts.Near")
    with metrics.using(near, "f1"), kernels.fast(False):
        sent = pickle.dumps([processes._Surroundings(), near])
    package = near.__module__.partition(".")[0]
    for table in ("_PACKAGES", "_LATEST"):
        monkeypatch.setattr(loading, table, {})
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    with ExitStack() as held, kernels.fast(True):
        monkeypatch.setattr(processes, "_HELD", held)
        _, again = pickle.loads(sent)
        assert (again.__module__, again is near) == (near.__module__, False)
        own, name = metrics.own()
        assert (type(own), name) == (again, "f1")
        assert not kernels.is_fast()


def test_a_learner_can_be_sent_though_its_model_is_compiled(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda forward, dynamic: lambda *given: forward(*given))
    model = model_of(corpus_of())
    learner = Learner(model, AbsoluteError(model.head.target), Training(compile=True), 0)
    again = pickle.loads(pickle.dumps(learner))
    assert again.predict is not None
    assert again.options == learner.options


SCRIPT = """
import affect
corpus = affect.load("synthetic")
model = affect.FusionModel.for_corpus(corpus, seed=0, width=8)
run = affect.fit(model, corpus, training=affect.training.Training(epochs=2, devices=2, strategy=STRATEGY), folder="run")
print(len(run.history), len(run.results["split"].unique()))
model = affect.FusionModel.for_corpus(corpus, seed=0, width=8)
again = affect.fit(model, corpus, training=affect.training.Training(epochs=2, devices=2, strategy=STRATEGY), folder="run")
print(len(again.history), again.predictions.equals(run.predictions))
"""


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "ddp_fork"])
def test_a_script_trains_on_two_devices_and_resumes(tmp_path, strategy):
    body = "\n".join("    " + line for line in SCRIPT.replace("STRATEGY", repr(strategy)).splitlines())
    (tmp_path / "script.py").write_text(f"if __name__ == '__main__':\n{body}\n")
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["2 2", "2 True"]


THREADED = """
import sys
import affect, torch
from affect import kernels, metrics
from affect.classes import beside, class_of, within

if __name__ == "__main__":
    torch.set_num_threads(2)
    torch.rand(1200, 1200) @ torch.rand(1200, 1200)
    torch.rand(4_000_000).exp().sum()
    corpus, calls = affect.load("synthetic"), []
    model = affect.FusionModel.for_corpus(corpus, seed=0, width=8)
    with within(beside("parts")):
        near, mine = class_of("sent_parts.Near"), class_of("sent_parts.Mine")
    with metrics.using(near), kernels.fast(False):
        training = affect.Training(epochs=2, devices=2, monitor="near")
        run = affect.fit(model, corpus, training=training, learner=mine, progress=lambda *x: calls.append(x))
    print(len(run.history), run.monitor, [call[:2] for call in calls])
"""


@pytest.mark.slow
def test_a_process_that_has_used_threads_trains_on_devices_with_parts_of_one_s_own(tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "sent_parts.py").write_text(MODULE)
    (tmp_path / "script.py").write_text(THREADED)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "2"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["2 near [(0, 2), (1, 2), (2, 2)]"]


@pytest.mark.slow
def test_what_a_script_defines_is_sent_by_value_though_nothing_can_be_imported(tmp_path):
    script = """
import affect
class Mine(affect.training.Learner):
    def on_train_start(self):
        super().on_train_start()
        self.history.append({"loss": 9.0})
corpus = affect.load("synthetic")
model = affect.FusionModel.for_corpus(corpus, seed=0, width=8)
run = affect.fit(model, corpus, training=affect.Training(epochs=1, devices=2), learner=Mine)
print(run.history["loss"][0])
"""
    done = subprocess.run(
        [sys.executable, "-i", "-"], input=script.replace("\ncorpus", "\n\ncorpus", 1), cwd=tmp_path,
        capture_output=True, text=True, check=False, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "9.0\n"), done.stderr


@pytest.mark.slow
def test_a_script_without_a_guard_is_refused_in_one_line(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT.replace("STRATEGY", "'ddp'"))
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 1
    assert "A script needs `if __name__ == '__main__':` around its calls" in done.stderr.splitlines()[-1]
