"""What a model costs is counted as one would by hand."""

import sys

import numpy as np
import pytest
import torch

import affect
from affect.data.ragged import Ragged
from affect.data.targets import Regression
from affect.encoders import GRUEncoder, LSTMEncoder, PooledEncoder
from affect.runs.costs import forget_peak_memory, peak_memory_mb, sample_megaflops, sample_milliseconds

STEPS, FEATURES, WIDTH, OUT = 7, 5, 4, 6


@pytest.fixture(scope="module")
def corpus():
    rows = np.random.default_rng(0).normal(size=(10 * STEPS, FEATURES)).astype(np.float32)
    split = affect.Split(
        ids=tuple(f"s{i}" for i in range(10)),
        modalities={"signal": Ragged.from_offsets(rows, np.arange(0, 10 * STEPS + 1, STEPS))},
        targets={"y": Ragged.vectors(np.linspace(-1, 1, 10))},
    )
    return affect.Corpus("ten", {"train": split, "valid": split}, {"y": Regression("y")})


@pytest.mark.parametrize(("encoder", "gates"), [(LSTMEncoder, 4), (GRUEncoder, 3)])
def test_recurrent_layers_count_their_gates(corpus, encoder, gates):
    model = affect.FusionModel.for_corpus(corpus, encoder=encoder, width=WIDTH, out_dim=OUT)
    both = 2 * gates * WIDTH * (FEATURES + WIDTH) * 2  # two directions
    project = 2 * 2 * WIDTH * WIDTH
    expected = STEPS * (both + project)
    head = 1e6 * sample_megaflops(model, corpus["valid"]) - expected
    assert 0 < head <= 2 * (WIDTH * OUT + OUT * OUT + OUT)  # what fusion and head add


def test_it_does_not_depend_on_how_many_samples_are_counted(corpus):
    model = affect.FusionModel.for_corpus(corpus, encoder=PooledEncoder, width=WIDTH, out_dim=OUT)
    one = sample_megaflops(model, corpus["valid"], samples=1)
    assert one == pytest.approx(sample_megaflops(model, corpus["valid"], samples=10))
    wider = affect.FusionModel.for_corpus(corpus, encoder=PooledEncoder, width=4 * WIDTH, out_dim=OUT)
    assert sample_megaflops(wider, corpus["valid"]) > one


def test_time_is_per_sample(corpus):
    model = affect.FusionModel.for_corpus(corpus)
    assert 0 < sample_milliseconds(model, corpus["valid"], seconds=0) < 1000


def test_the_peak_of_memory_is_counted_anew():
    forget_peak_memory()
    before = peak_memory_mb()
    held = torch.ones(64 << 20)  # 256 MB
    assert peak_memory_mb() >= before + 200
    del held
    forget_peak_memory()
    assert peak_memory_mb() < before + 200


def test_a_system_that_counts_no_memory_has_none(monkeypatch):
    def nowhere(*_):
        raise FileNotFoundError

    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    monkeypatch.setattr("affect.runs.costs.Path", nowhere)
    assert peak_memory_mb() == 0


def test_asking_for_memory_does_not_take_up_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: pytest.fail("a GPU was taken up"))
    forget_peak_memory()


def test_parameters_that_modules_are_handed_are_counted_and_learn_on():
    """torch's counter hooks the gradient of whatever goes into a module, which there is none of here."""
    corpus = affect.load("synthetic:aligned")
    model = affect.FusionModel.for_corpus(
        corpus, fusion=affect.fusion.LearnedQueryFusion, encoder=affect.encoders.StepEncoder
    )
    model.fusion.out.requires_grad_(False)
    assert sample_megaflops(model, corpus["valid"]) > 0
    assert {name for name, p in model.named_parameters() if not p.requires_grad} == {
        f"fusion.out.{name}" for name, _ in model.fusion.out.named_parameters()
    }
