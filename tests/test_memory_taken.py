"""Memory that other processes have taken is told from what is too large for the machine."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import affect
from affect import encoders, fusion, memory
from affect.errors import ConfigError, MemoryTakenError
from affect.training.demand import check_demand

GROUP = Path("/sys/fs/cgroup/ours")
MACHINE = {
    Path("/proc/meminfo"): "MemTotal: 8000000 kB\nMemAvailable: 100000 kB\n",
    Path("/proc/self/cgroup"): "0::/\n",
}
"""8 GB, of which 0.1 GB are free."""
GROUPED = {
    Path("/proc/meminfo"): "MemTotal: 64000000 kB\nMemAvailable: 64000000 kB\n",
    Path("/proc/self/cgroup"): "0::/ours\n",
    GROUP / "memory.max": "8000000000\n",
    GROUP / "memory.current": "7900000000\n",
    GROUP / "memory.stat": "inactive_file 0\n",
}
"""The same of a control group."""


@pytest.fixture(params=[MACHINE, GROUPED], ids=["machine", "group"])
def busy(request, monkeypatch):
    """A system that says other processes have taken nearly all of its memory."""
    plain = memory._text

    def text(path):
        if path in request.param:
            return request.param[path]
        if Path("/sys/fs/cgroup") in path.parents:
            raise FileNotFoundError(path)
        return plain(path)

    monkeypatch.setattr(memory, "_text", text)
    monkeypatch.setattr(memory, "_kept", lambda: 0)  # of other tests of this process
    monkeypatch.delenv(memory.LIMIT, raising=False)


def register(rows):
    """Weights of 4 * 10^5 bytes a row, which are never there."""
    with memory.weighed("any"):
        nn.Module().register_parameter("weight", nn.Parameter(torch.empty(1).expand(rows, 10**5)))


def test_weights_are_told_apart(busy):
    with pytest.raises(
        MemoryTakenError, match=r"^any takes 2 GB for its weights, and 0\.\d+ GB are free; give"
    ):
        register(5000)
    with pytest.raises(ConfigError, match=r"^any takes 40 GB for its weights") as refused:
        register(10**5)
    assert type(refused.value) is ConfigError


def test_what_a_limit_refuses_is_too_large(busy, monkeypatch):
    monkeypatch.setenv(memory.LIMIT, "1000000000")
    with pytest.raises(ConfigError, match=r"^any takes 2 GB for its weights") as refused:
        register(5000)
    assert type(refused.value) is ConfigError


def test_batches_are_told_apart(busy):
    rng = np.random.default_rng(0)
    split = {m: rng.normal(size=(128, 2000, 2)).astype("float32") for m in ("ecg", "eeg")}
    splits = {name: {**split, "y": rng.normal(size=128)} for name in ("train", "valid", "test")}
    corpus = affect.Corpus.from_arrays(splits, {"y": "regression"}, aligned=True)
    model = affect.FusionModel.for_corpus(
        corpus, encoder=encoders.StepEncoder, fusion=fusion.ContextualAttentionFusion, width=8
    )
    with pytest.raises(
        MemoryTakenError, match=r"^fit: ContextualAttentionFusion takes \S+ GB of \S+ GB for 16"
    ):
        check_demand("fit", model, corpus["train"], 16, torch.device("cpu"))
    with pytest.raises(
        ConfigError, match=r"^fit: ContextualAttentionFusion takes \S+ GB of \S+ GB for 128"
    ) as refused:
        check_demand("fit", model, corpus["train"], 128, torch.device("cpu"))
    assert type(refused.value) is ConfigError
