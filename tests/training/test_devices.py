"""Several devices: processes of this machine's processor."""

import os
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from small import model_of

import affect
from affect.data import synthetic
from affect.data.loading import batches
from affect.encoders import PooledEncoder
from affect.errors import ConfigError
from affect.training import Training
from affect.training.devices import SharedBatches, shared
from affect.training.machine import strategy_of

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
    two = trained(corpus, batch_size=12, devices=2, strategy="ddp")
    for table in ("predictions", "results"):
        expected, got = (getattr(run, table).select_dtypes("number") for run in (one, two))
        assert np.allclose(expected, got, atol=1e-5)
    assert np.allclose(one.history.drop(columns=TIMES), two.history.drop(columns=TIMES), atol=1e-5)
    assert (two.best_epoch, len(two.predictions)) == (one.best_epoch, 49)


def test_a_refusal_of_a_process_is_one_line_here():
    with pytest.raises(
        ConfigError, match="^training: monitor 'uar' is not measured for target 'sentiment'; "
    ):
        trained(corpus_of(), monitor="uar", devices=2)


@pytest.mark.parametrize(
    ("options", "strategy"),
    [
        ({}, "auto"),
        ({"devices": 2}, "ddp_fork_find_unused_parameters_true"),
        ({"devices": [0, 1]}, "ddp_fork_find_unused_parameters_true"),
        ({"strategy": "ddp"}, "ddp_fork_find_unused_parameters_true"),
        ({"devices": 2, "strategy": "fsdp"}, "fsdp"),
        ({"devices": "auto"}, "auto"),
    ],
)
def test_ddp_starts_processes_from_this_one(options, strategy):
    assert strategy_of(Training(**options)) == strategy


def test_a_launcher_s_processes_are_kept(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert strategy_of(Training(devices=2)) == "ddp_find_unused_parameters_true"


SCRIPT = """
import affect
corpus = affect.load("synthetic")
model = affect.FusionModel.for_corpus(corpus, seed=0, width=8)
run = affect.fit(model, corpus, training=affect.training.Training(epochs=2, devices=2, strategy=STRATEGY), folder="run")
print(len(run.history), len(run.results["split"].unique()))
again = affect.fit(model, corpus, training=affect.training.Training(epochs=2, devices=2, strategy=STRATEGY), folder="run")
print(len(again.history), again.predictions.equals(run.predictions))
"""


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "ddp_spawn"])
def test_a_script_trains_on_two_devices_and_resumes(tmp_path, strategy):
    body = "\n".join("    " + line for line in SCRIPT.replace("STRATEGY", repr(strategy)).splitlines())
    (tmp_path / "script.py").write_text(f"if __name__ == '__main__':\n{body}\n")
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["2 2", "2 True"]
