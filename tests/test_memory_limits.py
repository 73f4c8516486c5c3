"""Sizes are refused before memory is gone: bounds hold for every part, and what is refused takes nothing."""

import re
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import affect
from affect import aligners, encoders, fusion, memory, testing
from affect.data.targets import Regression
from affect.errors import BrokenLawError, ConfigError
from affect.training.demand import affordable, askable, check_demand, demand, free_on

PARTS = {
    testing.encoder_part: (encoders, encoders.Encoder, {"LayeredEncoder", "PretrainedEncoder"}),
    testing.aligner_part: (aligners, aligners.Aligner, set()),
    testing.fusion_part: (fusion, fusion.Fusion, {"ProjectedFusion", "VectorFusion"}),
}
KNOWN = [
    pytest.param(make, found, id=name)
    for make, (room, base, spared) in PARTS.items()
    for name, found in vars(room).items()
    if isinstance(found, type) and issubclass(found, base) and found is not base and name not in spared
]


@pytest.mark.parametrize(("make", "part"), KNOWN)
def test_every_part_says_what_it_takes(make, part):
    testing.memory_is_bounded(make(part))


@pytest.mark.parametrize(
    "part",
    [
        partial(encoders.PooledEncoder, pooling=affect.pooling.MeanStdPooling()),
        partial(encoders.LSTMEncoder, layers=2, pooling=affect.pooling.LastPooling()),
        partial(encoders.ConvolutionalEncoder, kernel=5, layers=4),
        partial(encoders.ConvolutionalEncoder, causal=True),
        partial(encoders.TransformerEncoder, causal=True),
    ],
)
def test_encoders_with_other_arguments_say_what_they_take(part):
    testing.memory_is_bounded(testing.encoder_part(part))


@pytest.mark.parametrize(
    "part",
    [
        partial(fusion.PerStep, fusion=fusion.TensorFusion),
        partial(fusion.ContextualAttentionFusion, causal=True),
        partial(fusion.EarlyFusion, encoder=encoders.TransformerEncoder),
        partial(fusion.LowRankFusion, rank=40),
        partial(fusion.CompactBilinearFusion, size=2048),
        partial(fusion.LateFusion, pooling=affect.pooling.MaxPooling()),
        partial(fusion.ModalityGraphFusion, layers=4),
        partial(fusion.BottleneckFusion, bottlenecks=8),
        partial(fusion.LearnedQueryFusion, queries=16, layers=3),
        partial(fusion.HyperModalityFusion, tokens=16, token_layers=3, layers=1, proxy_layers=2),
        partial(fusion.CrossModalTransformer, main="text", layers=1),
        partial(fusion.CrossModalTransformer, causal=True, padded=False, kernel=3),
        partial(fusion.SharedPrivateTransformer, main="text", layers=1, own_layers=3),
        partial(fusion.ContextGraphFusion, causal=True, future=0, past=6),
        partial(fusion.RelationalGraphFusion, nodal_attention=True, past=0, future=1, bases=20),
        partial(fusion.RelationalGraphFusion, speaker="text", context="lstm", past=40, width=8),
        partial(fusion.DialogueTransformerFusion, speaker="text", heads=16, width=16, layers=4),
    ],
)
def test_fusions_with_other_arguments_say_what_they_take(part):
    testing.memory_is_bounded(testing.fusion_part(part))


class Quadratic(fusion.Fusion):
    """Holds the products of all steps, and says nothing of it."""

    needs_alignment = True

    def __init__(self, dims, out_dim):
        super().__init__(dims, out_dim)
        self.out = nn.Linear(sum(self.dims.values()), out_dim)

    def fuse(self, inputs):
        x = torch.cat([x.values for x in inputs.values()], -1)
        for _ in range(4):
            x = (x @ x.mT).softmax(-1) @ x
        return affect.Sequence(self.out(x), next(iter(inputs.values())).mask)


class Said(Quadratic):
    def activations(self, batch, steps):
        return super().activations(batch, steps) + 13 * batch * max(steps.values()) ** 2


class Boastful(Said):
    def activations(self, batch, steps):
        return 100 * super().activations(batch, steps)


def test_the_law_finds_what_is_not_said():
    testing.memory_is_bounded(testing.fusion_part(Said))
    with pytest.raises(
        BrokenLawError,
        match=r"^activations: 11,040 numbers for 3 samples of 40 steps with gradients, but it holds",
    ):
        testing.memory_is_bounded(testing.fusion_part(Quadratic))
    with pytest.raises(
        BrokenLawError, match=r"^activations: [\d,]+ numbers for .*, but it holds [\d,]+ only$"
    ):
        testing.memory_is_bounded(testing.fusion_part(Boastful))


def used(key="RssAnon"):
    """Bytes of this process, as Linux says."""
    found = re.search(rf"{key}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) << 10


def allow(monkeypatch, size):
    """Leave so many bytes to this process, whatever it holds and keeps."""
    monkeypatch.setenv(memory.LIMIT, str(used() + size))
    monkeypatch.setenv(memory.LIMIT, str(used() + 2 * size - memory.free()))


@pytest.fixture
def limited(monkeypatch):
    """300 MB for whatever a test does."""
    allow(monkeypatch, 300_000_000)


@pytest.mark.parametrize(
    ("parts", "part", "size"),
    [
        ({"width": 10**9}, "encoder: PooledEncoder", "12 GB"),
        ({"out_dim": 10**9}, "fusion: ConcatenationFusion", "256 GB"),
        ({"fusion": partial(fusion.LowRankFusion, rank=10**8)}, "fusion: LowRankFusion", "845 GB"),
        ({"encoder": partial(encoders.LSTMEncoder, width=10**6)}, "encoder: LSTMEncoder", "16,000 GB"),
        (
            {"encoder": partial(encoders.TransformerEncoder, layers=1000), "width": 512},
            "encoder: TransformerEncoder",
            r"0\.[23]\d? GB",
        ),
        (
            {"fusion": partial(fusion.TensorFusion, limit=10**9), "width": 3000},
            "fusion: TensorFusion",
            "2.3 GB",
        ),
    ],
)
def test_weights_beyond_what_is_free_are_refused_before_they_are_made(limited, parts, part, size):
    before = used()
    line = (
        rf"^FusionModel: {part} takes {size} for its weights, and 0\.\d+ GB are free; give it "
        r"smaller sizes, or fewer layers or modalities \(--memory GB raises the limit\)$"
    )
    with pytest.raises(ConfigError, match=line):
        affect.FusionModel.for_shape({"ecg": 3, "eeg": 4}, Regression("y"), True, **parts)
    assert used() - before < 400_000_000


@pytest.mark.parametrize("given", [(), (fusion.LowRankFusion, {"ecg": 3}, 300), (nn.Linear, 3)])
def test_what_may_be_large_is_seen_before_it_is_made(limited, given):
    with pytest.raises(ConfigError, match=r"^any takes 40 GB for its weights"), memory.weighed("any", *given):
        torch.randn(10**5, 10**5)


def test_parts_of_small_sizes_are_weighed_as_they_are_registered(limited):
    given = (partial(fusion.LowRankFusion, rank=4), {"ecg": 3, "eeg": 200}, 256)
    with memory.weighed("any", *given):
        assert torch.overrides._len_torch_function_stack() == 0
    with memory.weighed("any"):
        assert torch.overrides._len_torch_function_stack() == 1
    with pytest.raises(ConfigError, match=r"^any takes 40 GB for its weights"), memory.weighed("any", *given):
        nn.Module().register_parameter("weight", nn.Parameter(torch.empty(1).expand(10**5, 10**5)))


def test_a_part_of_too_many_tensors_is_refused():
    line = "^Many has more than 50,000 tensors of weights; give it fewer layers or modalities$"
    many, weight = nn.Module(), nn.Parameter(torch.ones(1))
    given = fusion.LowRankFusion  # with which each of them costs less

    def register():
        for i in range(memory.TENSORS + 1):
            many.register_parameter(f"weight{i}", weight)

    with pytest.raises(ConfigError, match=line), memory.weighed("Many", given):
        register()
    many.register_parameter("last", weight)  # nothing is counted behind the block


def test_a_thousand_modalities_through_a_tensor_end_with_a_short_line():
    line = r"^TensorFusion: the outer product of 1,000 modalities has 10\^698 entries, the limit is 1,048,576; make"
    with pytest.raises(ConfigError, match=line):
        fusion.TensorFusion({f"m{i}": 4 for i in range(1000)}, 8)


def corpus_of(steps, samples=16):
    rng = np.random.default_rng(0)

    def split():
        modalities = {m: rng.normal(size=(samples, steps, 2)).astype("float32") for m in ("ecg", "eeg")}
        return {**modalities, "y": rng.normal(size=samples)}

    splits = {name: split() for name in ("train", "valid", "test")}
    return affect.Corpus.from_arrays(splits, {"y": "regression"}, aligned=True)


LONG = r"fit: ContextualAttentionFusion takes 33 GB of 33 GB for 16 samples of 10,000 steps, and "


def test_a_batch_beyond_what_is_free_is_refused_and_the_line_says_what_would_do(limited):
    corpus = corpus_of(10_000)
    before = used()
    model = affect.FusionModel.for_corpus(
        corpus, encoder=encoders.StepEncoder, fusion=fusion.ContextualAttentionFusion, width=8
    )
    line = LONG + (
        r"0\.\d+ GB are free; give shorter sequences, or another part in its place "
        r"\(--memory GB raises the limit\)$"
    )
    with pytest.raises(ConfigError, match=line):
        affect.fit(model, corpus, training=affect.Training(epochs=1))
    with pytest.raises(
        ConfigError,
        match=r"^predict: ContextualAttentionFusion takes 1.2 GB of 1.2 GB for 1 sample of 10,000 steps, ",
    ):
        affect.training.predict(model, corpus["test"])
    assert used() - before < 100_000_000


def test_the_batch_size_that_would_do_does(monkeypatch):
    corpus = corpus_of(500)
    model = affect.FusionModel.for_corpus(
        corpus,
        encoder=encoders.StepEncoder,
        fusion=partial(fusion.ContextualAttentionFusion, width=8),
        width=8,
    )
    allow(monkeypatch, 70_000_000)
    with pytest.raises(ConfigError, match=r"give a smaller batch_size \(\d+ would do\), shorter") as refused:
        affect.fit(model, corpus, training=affect.Training(epochs=1, batch_size=10**9))
    fits = int(re.search(r"(\d+) would do", str(refused.value))[1])
    affect.fit(model, corpus, training=affect.Training(epochs=1, batch_size=fits))


def test_where_memory_is_short_fewer_samples_are_predicted_at_a_time(monkeypatch):
    corpus = corpus_of(1000, samples=8)
    model = affect.FusionModel.for_corpus(
        corpus,
        encoder=encoders.StepEncoder,
        fusion=partial(fusion.ContextualAttentionFusion, width=8),
        width=8,
    )
    whole = affect.training.predict(model, corpus["test"])
    subsets = affect.robustness.modality_subsets()
    swept = affect.robustness.sweep(model, corpus["test"], subsets)
    allow(monkeypatch, 70_000_000)
    assert affordable("predict", model, corpus["test"], 8, torch.device("cpu")) < 8
    few = affect.training.predict(model, corpus["test"])
    assert whole["id"].tolist() == few["id"].tolist()
    np.testing.assert_allclose(few["prediction"], whole["prediction"], rtol=1e-4, atol=1e-5)
    again = affect.robustness.sweep(model, corpus["test"], subsets)
    assert again.samples == swept.samples
    np.testing.assert_allclose(again.predictions, swept.predictions, rtol=1e-4, atol=1e-5)


def test_a_sweep_of_which_no_sample_fits_is_refused(limited):
    corpus = corpus_of(10_000)
    model = affect.FusionModel.for_corpus(
        corpus, encoder=encoders.StepEncoder, fusion=fusion.ContextualAttentionFusion, width=8
    )
    with pytest.raises(
        ConfigError, match=r"^sweep: ContextualAttentionFusion takes 2.5 GB of 2.5 GB for 1 sample"
    ):
        affect.robustness.sweep(model, corpus["test"], affect.robustness.modality_subsets())


def test_a_part_of_somebodys_own_is_warned_of_unless_it_says_what_it_takes(monkeypatch):
    corpus = corpus_of(200, samples=32)
    made = {
        part: affect.FusionModel.for_corpus(corpus, encoder=encoders.StepEncoder, fusion=part, width=256)
        for part in (Quadratic, Said)
    }
    allow(monkeypatch, 70_000_000)
    training = affect.Training(epochs=1)
    line = r"^fit: StepEncoder takes 0\.\d+ GB of .* GB are free; give .*; that may be wrong: Quadratic does not say"
    with pytest.raises(ConfigError, match=r"^fit: Said takes 0\.\d+ GB of "):
        affect.fit(made[Said], corpus, training=training)
    with pytest.warns(UserWarning, match=line):
        check_demand("fit", made[Quadratic], corpus["train"], 32, torch.device("cpu"))


GPU = torch.device("cuda", 0)


def test_what_torch_keeps_on_a_gpu_and_does_not_use_is_free(monkeypatch):
    said = {"mem_get_info": (100, 1000), "memory_reserved": 50, "memory_allocated": 20}
    for name, found in said.items():
        monkeypatch.setattr(torch.cuda, name, lambda device, found=found: found)
    assert free_on(GPU) == 130


@pytest.mark.parametrize(
    ("trains_here", "has_started", "asked"),
    [(True, False, GPU), (False, True, GPU), (False, False, None)],
)
def test_a_process_that_only_starts_others_does_not_start_cuda(monkeypatch, trains_here, has_started, asked):
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: has_started)
    assert askable(GPU, trains_here) == asked
    assert askable(torch.device("cpu"), trains_here) == torch.device("cpu")
    assert free_on(None) is None


def test_small_batches_of_small_corpora_are_never_refused(monkeypatch):
    corpus = corpus_of(20)
    monkeypatch.setenv(memory.LIMIT, "1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = affect.FusionModel.for_corpus(corpus)
        affect.fit(model, corpus, training=affect.Training(epochs=1, batch_size=10**9))


def test_demand_adds_up_what_parts_say():
    model = affect.FusionModel.for_shape(
        {"ecg": 3, "eeg": 4},
        Regression("y"),
        True,
        encoder=encoders.StepEncoder,
        fusion=fusion.PerStep,
        width=8,
    )
    steps = {"ecg": 10, "eeg": 10}
    said = demand(model, 5, steps)
    assert list(said) == ["StepEncoder", "PerStep", "RegressionHead"]
    own = sum(e.activations(5, 10) + 3 * 5 * 10 * e.in_dim for e in model.encoders.values())
    assert said["StepEncoder"] == 4 * own
    assert said["PerStep"] == 4 * model.fusion.activations(5, steps)
    assert demand(model, 10, steps) == {name: 2 * size for name, size in said.items()}


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf"), "4", True, 1e300])
def test_a_limit_is_a_number_above_zero(wrong):
    with pytest.raises(
        ConfigError, match=r"^memory: gigabytes must be (a number, )?(positive|at most 1e\+30), got "
    ):
        memory.limit(wrong)


def test_shares_are_parts_of_what_is_free(monkeypatch):
    allow(monkeypatch, 10**9)
    with memory.shared(4):
        share = int(__import__("os").environ[memory.LIMIT])
    assert 0.2e9 < share < 0.4e9
    assert memory.free() > 0.6e9
    with memory.shared(1):
        assert memory.free() > 0.6e9


def test_memory_that_the_process_keeps_counts_as_free(monkeypatch):
    affect.kernels.keep_freed_memory()
    monkeypatch.setenv(memory.LIMIT, str(used() + 300_000_000))
    before = memory.free()
    held = torch.ones(50_000_000)
    assert before - memory.free() > 150_000_000
    del held
    assert before - memory.free() < 100_000_000


WHAT_IS_FREE = """
import sys
{before}
from affect import memory
sys.stdout.write(str(memory.free()))
"""


def free_after(before, **options):
    code = WHAT_IS_FREE.format(before=before)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, **options)
    return int(done.stdout)


def test_a_limit_of_addresses_counts():
    before = "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))"
    assert 0 < free_after(before) < 2**30


def test_a_control_group_counts():
    root = Path("/sys/fs/cgroup/memory")
    version1 = root.is_dir()
    own = (root if version1 else Path("/sys/fs/cgroup")) / "affect-test-of-memory"
    try:
        own.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        try:
            (own / ("memory.limit_in_bytes" if version1 else "memory.max")).write_text(str(2**29))
        except OSError as error:
            pytest.skip(f"control groups have no limit of memory here: {error}")
        enter = f"import os, pathlib; pathlib.Path('{own}/cgroup.procs').write_text(str(os.getpid()))"
        assert 0 < free_after(enter) <= 2**29
    finally:
        own.rmdir()


MEASURED = """
import re, sys
import affect, numpy as np
from pathlib import Path
from affect import encoders, fusion
from affect.training.demand import demand

def status(key):
    return int(re.search(key + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) << 10

def run(steps, samples):
    rng = np.random.default_rng(0)
    splits = {
        name: {m: rng.normal(size=(samples, steps, 3)).astype("float32") for m in ("ecg", "eeg")} | {"y": rng.normal(size=samples)}
        for name in ("train", "valid", "test")
    }
    corpus = affect.Corpus.from_arrays(splits, {"y": "regression"}, aligned=True)
    model = affect.FusionModel.for_corpus(corpus, encoder=encoders.StepEncoder, fusion=getattr(fusion, sys.argv[1]))
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    affect.fit(model, corpus, training=affect.Training(epochs=1, batch_size=samples))
    return status("VmHWM") - before, sum(demand(model, samples, {"ecg": steps, "eeg": steps}).values())

run(20, 4)
took, said = run(1500, 8)
sys.stdout.write(f"{took} {said}")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "part", ["ContextualAttentionFusion", "TemporalGraphFusion", "CrossModalTransformer"]
)
def test_what_a_model_says_that_it_takes_is_what_the_process_takes(part):
    code = [sys.executable, "-c", MEASURED, part]
    done = subprocess.run(code, capture_output=True, text=True, check=True)
    took, said = map(int, done.stdout.split())
    assert took <= said <= 8 * took
