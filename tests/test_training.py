import math
import re
from functools import partial
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch

import affect
from affect.corruption import Corruption, ModalityDropout, ModalitySwap, StepDropout
from affect.data import splitting, synthetic
from affect.data.corpus import Corpus, Split
from affect.data.ragged import Ragged
from affect.data.targets import Binary, MultiClass, MultiLabel, Regression
from affect.encoders import LSTMEncoder, PooledEncoder, StepEncoder
from affect.errors import ConfigError, ShapeError
from affect.fusion import ConcatenationFusion, PerStep, TensorFusion, WeightedSumFusion
from affect.heads import BinaryHead, RegressionHead, head_for
from affect.metrics.ours import OURS
from affect.objectives import AbsoluteError, BinaryCrossEntropy, CrossEntropy, SquaredError, disagreement
from affect.sequences import Output, Sequence
from affect.training import Learner, Training, seeded

linear = partial(PooledEncoder, layers=0)
exact = partial(PooledEncoder, dropout=0.0)
TINY = {"train": 48, "valid": 24, "test": 24}


@pytest.fixture(scope="module")
def tiny():
    return synthetic.interaction(samples=TINY)


def model_of(corpus, seed=0, **options):
    with seeded(seed):
        return affect.FusionModel.for_corpus(corpus, **{"width": 8, **options})


def test_the_ceiling_of_the_interaction_needs_a_product():
    corpus = affect.load("synthetic:interaction")
    training, reached = Training(epochs=15, batch_size=64, learning_rate=0.01), {}
    for fusion in (ConcatenationFusion, TensorFusion):
        run = affect.fit(model_of(corpus, encoder=linear, fusion=fusion), corpus, training=training)
        rows = run.results.query("split == 'test' and metric == 'pearson'")
        reached[fusion] = rows["value"].item() / corpus.ceiling["pearson"]
    assert reached[TensorFusion] >= 0.9
    assert reached[ConcatenationFusion] < 0.4


def test_the_same_seed_gives_the_same_run_and_another_one_does_not(tiny):
    training = Training(epochs=3)
    runs = [affect.fit(model_of(tiny), tiny, seed, training=training) for seed in (0, 0, 1)]
    tables = [run.predictions["prediction"].to_numpy() for run in runs]
    assert np.array_equal(tables[0], tables[1])
    assert not np.array_equal(tables[0], tables[2])


def test_fit_leaves_the_caller_s_random_state_alone(tiny):
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    affect.fit(model_of(tiny), tiny, training=Training(epochs=1))
    assert torch.rand(1) == expected


class KilledError(Exception):
    pass


@pytest.mark.parametrize("patience", [50, 2])
def test_an_interrupted_training_resumes_to_the_same_end(tiny, tmp_path, monkeypatch, patience):
    training = Training(epochs=8, patience=patience, learning_rate=0.05)
    whole = affect.fit(model_of(tiny), tiny, training=training, folder=tmp_path / "whole")
    from affect.training import Learner

    start = Learner.on_train_epoch_start

    def die(learner):
        if learner.current_epoch == 2:
            raise KilledError
        start(learner)

    monkeypatch.setattr(Learner, "on_train_epoch_start", die)
    with pytest.raises(KilledError):
        affect.fit(model_of(tiny), tiny, training=training, folder=tmp_path / "cut")
    monkeypatch.undo()
    for _ in range(2):  # the second time it is already at its end
        again = affect.fit(model_of(tiny), tiny, training=training, folder=tmp_path / "cut")
        pd.testing.assert_frame_equal(again.predictions, whole.predictions)
        pd.testing.assert_frame_equal(
            again.history.drop(columns=["seconds", "epoch_seconds"]),
            whole.history.drop(columns=["seconds", "epoch_seconds"]),
        )
        assert again.best_epoch == whole.best_epoch


class Watched(Split):
    """Tells when anything in it is asked for."""

    touched = False

    def __getattribute__(self, name):
        if not name.startswith("__"):
            Watched.touched = True
        return super().__getattribute__(name)


def test_training_never_touches_the_test_split(tiny, monkeypatch):
    test, seen = tiny["test"], []
    corpus = Corpus("toy", dict(tiny.splits), tiny.targets)
    model = model_of(corpus)
    corpus.splits["test"] = Watched(test.ids, test.modalities, test.targets)
    measure = affect.evaluate

    def evaluate(model, corpus, split, **options):
        seen.append((split, Watched.touched))
        return measure(model, corpus, split, **options)

    monkeypatch.setattr("affect.training.fitting.evaluate", evaluate)
    Watched.touched = False
    affect.fit(model, corpus, training=Training(epochs=2))
    assert seen == [("valid", False), ("test", False)]
    assert Watched.touched


def test_a_corpus_without_a_test_split_can_be_trained_on(tiny):
    corpus = Corpus("toy", {name: tiny[name] for name in ("train", "valid")}, tiny.targets)
    run = affect.fit(model_of(corpus), corpus, training=Training(epochs=1))
    assert set(run.results["split"]) == {"valid"}


def test_the_kept_epoch_is_the_best_on_validation(tiny):
    run = affect.fit(model_of(tiny), tiny, training=Training(epochs=6, monitor="pearson", learning_rate=0.02))
    assert run.best_epoch == run.history["pearson"].idxmax()
    kept = run.results.query("split == 'valid' and metric == 'pearson'")["value"].item()
    assert kept == pytest.approx(run.history["pearson"].max(), abs=1e-6)


TARGETS = [
    (Regression("y"), lambda rng: rng.normal(size=8)),
    (Binary("y"), lambda rng: rng.permutation([0, 1] * 4)),
    (MultiClass("y", classes=("a", "b", "c")), lambda rng: rng.permutation([0, 1, 2] * 3)[:8]),
    (MultiLabel("y", classes=("a", "b")), lambda rng: rng.integers(0, 2, (8, 2))),
]


@pytest.mark.parametrize(("target", "labels"), TARGETS, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("encoder", [PooledEncoder, LSTMEncoder], ids=lambda encoder: encoder.__name__)
def test_eight_samples_can_be_learned_by_heart(target, labels, encoder):
    rng = np.random.default_rng(0)
    rows = {m: Ragged.from_rows([rng.normal(size=(n, 4)) for n in range(1, 9)], 4) for m in ("ecg", "eeg")}
    split = Split(tuple("abcdefgh"), rows, {"y": Ragged.vectors(labels(rng))})
    corpus = Corpus("toy", {"train": split, "valid": split}, {"y": target})
    with seeded(0):
        head = partial(affect.heads.head_for(target), dropout=0.0)
        model = affect.FusionModel.for_corpus(
            corpus,
            encoder=partial(encoder, dropout=0.0),
            fusion=partial(ConcatenationFusion, dropout=0.0),
            head=head,
        )
    run = affect.fit(
        model, corpus, training=Training(epochs=75, learning_rate=0.01, patience=75, weight_decay=0)
    )
    assert run.history["loss"].min() < 0.05


def a_video_corpus():
    rng = np.random.default_rng(0)
    splits = {}
    for name, count in (("train", 12), ("test", 4)):
        lengths = rng.integers(1, 6, count)
        values = [rng.normal(size=(n, 3)) for n in lengths]
        labels = [(v[:, :1] > 0).astype(np.float32) for v in values]
        splits[name] = Split(
            tuple(f"{name}{i}" for i in range(count)),
            {"ecg": Ragged.from_rows(values, 3), "eeg": Ragged.from_rows(values, 3)},
            {"y": Ragged.from_rows(labels, 1)},
        )
    corpus = Corpus("videos", splits, {"y": Binary("y", per_step=True)}, aligned=True)
    return splitting.carve(corpus, 0.25)


def test_labels_per_step_train_and_are_predicted_per_step():
    corpus = a_video_corpus()
    model = model_of(corpus, encoder=partial(StepEncoder, layers=0), fusion=PerStep)
    run = affect.fit(model, corpus, training=Training(epochs=60, learning_rate=0.02, patience=60))
    said = run.predictions.query("split == 'test'")
    assert len(said) == corpus["test"].targets["y"].total
    assert run.results.query("split == 'test' and metric == 'accuracy'")["value"].item() > 0.8
    assert said["step"].max() == corpus["test"].targets["y"].lengths.max() - 1


def test_a_label_that_is_missing_does_not_count():
    output = Output(torch.zeros(1, 2, 1), Sequence.full(torch.zeros(1, 2, 1)), {})
    truth = Sequence(torch.tensor([[[1.0], [5.0]]]), torch.tensor([[True, False]]))
    assert SquaredError(Regression("y"))(output, truth).tolist() == [1.0]


def test_predictions_stand_in_the_split_s_order(tiny):
    said = affect.training.predict(model_of(tiny), tiny["test"], batch_size=5)
    assert tuple(said["id"]) == tiny["test"].ids


def test_bfloat16_is_near(tiny):
    runs = [
        affect.fit(
            model_of(tiny, fusion=TensorFusion), tiny, training=Training(epochs=3, precision=precision)
        )
        for precision in ("float32", "bfloat16")
    ]
    one, other = (run.predictions["prediction"].to_numpy() for run in runs)
    assert runs[1].predictions["prediction"].dtype == np.float64
    assert not np.array_equal(one, other)
    assert np.abs(one - other).max() < 0.05


def test_a_compiled_model_trains_to_the_same_weights(tiny, monkeypatch):
    compiler, seen = torch.compile, []

    def eager(function, **options):
        seen.append(options)
        return compiler(function, backend="eager", **options)

    monkeypatch.setattr(torch, "compile", eager)
    runs = [
        affect.fit(
            model_of(tiny, encoder=exact, head=partial(RegressionHead, dropout=0.0)),
            tiny,
            training=Training(epochs=2, compile=compiled),
        )
        for compiled in (False, True)
    ]
    assert seen == [{"dynamic": True}]
    one, other = (run.predictions["prediction"].to_numpy() for run in runs)
    assert np.abs(one - other).max() < 1e-5


def test_accumulated_batches_are_one(tiny):
    batches_of, runs = ((48, 1), (24, 2), (24, 1)), []
    for batch_size, accumulate in batches_of:
        options = Training(epochs=3, batch_size=batch_size, accumulate=accumulate)
        model = model_of(tiny, encoder=exact, head=partial(RegressionHead, dropout=0.0))
        runs.append(affect.fit(model, tiny, training=options).predictions["prediction"].to_numpy())
    assert np.abs(runs[0] - runs[1]).max() < 1e-4
    assert np.abs(runs[0] - runs[2]).max() > 1e-3


def test_an_absent_modality_s_encoder_gets_no_gradient(tiny):
    for fusion in (ConcatenationFusion, TensorFusion, WeightedSumFusion):
        model = model_of(tiny, fusion=fusion)
        batch = next(iter(affect.batches(tiny["train"], "sentiment")))
        inputs = {**batch.inputs, "text": batch.inputs["text"].keep(torch.tensor(False))}
        model(inputs).prediction.square().sum().backward()
        gradients = [p.grad for p in model.encoders["text"].parameters() if p.grad is not None]
        assert not any(g.any() for g in gradients)
        assert any(p.grad.any() for p in model.encoders["visual"].parameters())


def test_encode_and_fuse_are_forward_in_two_steps(tiny):
    model = model_of(tiny).eval()
    batch = next(iter(affect.batches(tiny["train"], "sentiment")))
    apart = model.fuse(model.encode(batch.inputs)).prediction
    assert torch.equal(model(batch.inputs).prediction, apart)


class Seen(Corruption):
    """Keeps what it was asked, and damages nothing."""

    asked: ClassVar[list] = []

    def damage(self, chosen, inputs, draws):
        self.asked.append(draws.uniform("any", 1).sum().item())
        return chosen

    def weakened(self, share):
        self.asked.append(f"{share:.2f}")
        return self


def test_damage_differs_by_epoch_and_not_by_run(tiny, monkeypatch):
    asked = []
    for _ in range(2):
        monkeypatch.setattr(Seen, "asked", [])
        training = Training(epochs=3, batch_size=48, corruption=Seen())
        affect.fit(model_of(tiny), tiny, training=training)
        asked.append(Seen.asked)
    assert len(set(asked[0])) == 3
    assert asked[0] == asked[1]


def test_a_corruption_grows_over_the_ramp(tiny, monkeypatch):
    monkeypatch.setattr(Seen, "asked", [])
    affect.fit(
        model_of(tiny), tiny, training=Training(epochs=4, batch_size=48, corruption=Seen(), warmup_epochs=2)
    )
    assert [share for share in Seen.asked if isinstance(share, str)] == ["0.00", "0.50"]


def test_validation_is_not_damaged(tiny):
    gone = ModalityDropout(rate=1.0, spare=False)
    run = affect.fit(model_of(tiny), tiny, training=Training(epochs=1, corruption=gone))
    assert run.predictions["prediction"].nunique() > 1


def test_what_the_model_does_not_read_is_not_what_a_sample_keeps(tiny):
    model = model_of(tiny, modalities=["text", "visual"])
    training = Training(corruption=ModalityDropout(rate=1.0))
    learner = Learner(model, AbsoluteError(model.head.target), training, seed=0)
    learner.trainer = SimpleNamespace(current_epoch=0)
    batch = next(iter(affect.batches(tiny["train"], "sentiment")))
    shown = learner.shown(batch)
    assert shown.keys() == {"text", "visual"}
    assert (shown["text"].present ^ shown["visual"].present).all()


def test_a_swap_knows_the_training_split(tiny):
    swap = ModalitySwap(rate=0.5, modalities=("text",))
    affect.fit(model_of(tiny), tiny, training=Training(epochs=1, corruption=swap))


def losses(corpus, **options):
    """The loss of the first batch, by hand and by the learner."""
    model, other = model_of(corpus).eval(), model_of(corpus, seed=1).eval()
    corruption = ModalityDropout(rate=0.5)
    training = Training(corruption=corruption, **options)
    batch = next(iter(affect.batches(corpus["train"], "sentiment", batch_size=16)))
    learner = Learner(model, AbsoluteError(model.head.target), training, seed=3, teacher=other)
    learner.trainer = SimpleNamespace(current_epoch=0)
    damaged = model(corruption(batch.inputs, batch.ids, hash((3, 0)))).prediction
    said = [view(batch.inputs).prediction for view in (model, other)]
    return learner.training_step(batch), damaged, *said, batch.target.values


def test_a_teacher_and_the_clean_view_pull_the_prediction(tiny):
    loss, damaged, clean, taught, truth = losses(tiny, consistency=0.3, distillation=0.2)
    own = ((damaged - truth).abs() + (clean - truth).abs()) / 2
    pulled = 0.3 * (damaged - clean).square() + 0.2 * (damaged - taught).square()
    assert loss.item() == pytest.approx((own + pulled).mean().item(), rel=1e-5)


def test_without_consistency_the_damaged_view_is_all_there_is(tiny):
    loss, damaged, _, _, truth = losses(tiny, distillation=0.0)
    assert loss.item() == pytest.approx((damaged - truth).abs().mean().item(), rel=1e-5)


def test_a_student_learns_from_a_teacher_who_sees_more(tiny):
    teacher = affect.fit(model_of(tiny, fusion=TensorFusion), tiny, training=Training(epochs=2)).model
    before = {name: x.clone() for name, x in teacher.state_dict().items()}
    student = model_of(tiny, modalities=["text", "acoustic"])
    affect.fit(student, tiny, training=Training(epochs=2, distillation=2.0), teacher=teacher)
    assert all(torch.equal(x, before[name]) for name, x in teacher.state_dict().items())


def test_a_helper_is_there_in_training_alone(tiny):
    model = model_of(tiny, training_only=["visual"])
    batch = next(iter(affect.batches(tiny["train"], "sentiment")))
    absent = {**batch.inputs, "visual": batch.inputs["visual"].keep(torch.tensor(False))}
    assert not torch.equal(model.train()(batch.inputs).fused.values, model(absent).fused.values)
    without = {name: x for name, x in batch.inputs.items() if name != "visual"}
    model.eval()
    assert torch.equal(model(batch.inputs).prediction, model(absent).prediction)
    assert torch.equal(model(without).prediction, model(absent).prediction)
    affect.fit(model, tiny, training=Training(epochs=1, corruption=ModalityDropout(rate={"visual": 0.5})))
    with pytest.raises(ShapeError, match="expected modalities"):
        model.train()(without)


@pytest.mark.parametrize(
    "target",
    [
        Regression("y"),
        Binary("y"),
        MultiClass("y", classes=("a", "b", "c")),
        MultiLabel("y", classes=("a", "b")),
    ],
)
def test_to_agree_is_to_be_nowhere_apart(target):
    head = head_for(target)(4, target)
    raw = torch.randn(5, 1, target.outputs, requires_grad=True)
    apart = disagreement(target, raw, head.decide(raw).detach())
    assert torch.allclose(apart, torch.zeros(5, 1), atol=1e-6)
    assert (
        disagreement(target, raw, head.decide(raw + torch.randn(5, 1, target.outputs)).detach()) > 0
    ).all()


def test_disagreement_over_classes_is_the_divergence():
    target = MultiClass("y", classes=("a", "b"))
    raw, said = torch.tensor([[[0.0, 0.0]]]), torch.tensor([[[0.25, 0.75]]])
    expected = 0.25 * math.log(0.25 / 0.5) + 0.75 * math.log(0.75 / 0.5)
    assert disagreement(target, raw, said).item() == pytest.approx(expected, rel=1e-5)
    binary = disagreement(Binary("y"), torch.zeros(1, 1, 1), torch.full((1, 1, 1), 0.75))
    assert binary.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (
            lambda c: model_of(c, fusion=PerStep),
            ConfigError,
            "PerStep: needs aligned sequences, and the corpus is not aligned; put an aligner before it "
            "(ResamplingAligner, WarpingAligner or AttentionAligner) or choose a fusion that reads unaligned ones",
        ),
        (
            lambda c: Training(precision="float16"),
            ConfigError,
            "training: no precision 'float16'; did you mean 'bfloat16'? known: 16-mixed, 16-true, "
            "32-true, 64-true, bf16-mixed, bf16-true, bfloat16, float32, transformer-engine, "
            "transformer-engine-float16",
        ),
        (
            lambda c: model_of(c, encoder=partial(LSTMEncoder, width=0)),
            ConfigError,
            "LSTMEncoder: width must be at least 1, got 0",
        ),
        (
            lambda c: model_of(c, encoder={"txt": PooledEncoder}),
            ConfigError,
            "encoder: no modality 'txt'; did you mean 'text'? known: acoustic, text, visual",
        ),
        (
            lambda c: model_of(c, encoder={"text": PooledEncoder}),
            ConfigError,
            "encoder: modality 'acoustic' has none; given for: text",
        ),
        (
            lambda c: model_of(c, head=BinaryHead),
            ConfigError,
            "BinaryHead: expected a Binary target, got Regression 'sentiment'; "
            "leave the head out to get the one that fits",
        ),
        (
            lambda c: affect.fit(model_of(c), Corpus("toy", {"train": c["train"]}, c.targets)),
            ConfigError,
            "toy: no split 'valid' to choose the epoch on; carve one from the training groups "
            "(affect.data.splitting.carve)",
        ),
        (
            lambda c: affect.fit(model_of(c), c, training=Training(monitor="peason")),
            ConfigError,
            f"no metric 'peason'; did you mean 'pearson'? known: {', '.join(sorted(OURS))}",
        ),
        (
            lambda c: affect.fit(model_of(c), c, training=Training(monitor="uar")),
            ConfigError,
            "training: monitor 'uar' is not measured for target 'sentiment'; known: acc2_nonnegative, "
            "acc2_nonzero, acc5, acc7, acc7_bins, ccc, f1_nonnegative, f1_nonzero, loss, mae, pearson",
        ),
        (
            lambda c: affect.fit(model_of(c), c, objective=CrossEntropy),
            ConfigError,
            "CrossEntropy: is for MultiClass targets, got Regression 'sentiment'",
        ),
        (
            lambda c: model_of(c)({"text": Sequence.full(torch.ones(1, 1, 8))}),
            ShapeError,
            "FusionModel: expected modalities ['acoustic', 'text', 'visual'], got ['text']; "
            "a modality that is missing is a Sequence whose mask is False",
        ),
        (
            lambda c: Training(warmup_epochs=-1),
            ConfigError,
            "training: warmup_epochs must be at least 0, got -1",
        ),
        (
            lambda c: Training(consistency=0.5),
            ConfigError,
            "training: consistency needs a corruption; name one, or leave out consistency",
        ),
        (
            lambda c: affect.fit(
                model_of(c), c, training=Training(corruption=StepDropout(modalities=("txt",)))
            ),
            ConfigError,
            "StepDropout: no modality 'txt'; did you mean 'text'? known: acoustic, text, visual",
        ),
        (
            lambda c: affect.fit(model_of(c), c, teacher=model_of(a_video_corpus())),
            ConfigError,
            None,
        ),
        (
            lambda c: model_of(c, training_only=["visaul"]),
            ConfigError,
            "training_only: no modality 'visaul'; did you mean 'visual'? known: acoustic, text, visual",
        ),
        (
            lambda c: model_of(c, modalities=["text"], training_only=["text"]),
            ConfigError,
            "training_only: expected some modality that is there after training, got all of them",
        ),
        (lambda c: Training(epochs=0), ConfigError, "training: epochs must be at least 1, got 0"),
        (lambda c: Training(accumulate=0), ConfigError, "training: accumulate must be at least 1, got 0"),
        (
            lambda c: Training(learning_rate=-1),
            ConfigError,
            "training: learning_rate must be positive, got -1",
        ),
        (
            lambda c: affect.fit(model_of(a_video_corpus()), a_video_corpus()),
            ShapeError,
            None,
        ),
    ],
)
def test_refusals(tiny, ask, error, message):
    with pytest.raises(error, match=None if message is None else f"^{re.escape(message)}$"):
        ask(tiny)


def test_objectives_are_their_definitions():
    logits = torch.tensor([[[0.3, -1.2, 0.5]]])
    truth = torch.tensor([[[2.0]]])
    expected = -(logits[0, 0, 2] - logits.exp().sum().log())
    assert torch.allclose(CrossEntropy(MultiClass("y", classes=tuple("abc"))).loss(logits, truth), expected)
    p = torch.sigmoid(torch.tensor(0.7))
    loss = BinaryCrossEntropy(Binary("y")).loss(torch.tensor([[[0.7]]]), torch.tensor([[[0.0]]]))
    assert torch.allclose(loss, -(1 - p).log())
    assert AbsoluteError(Regression("y")).loss(torch.tensor([[[2.0]]]), truth).item() == 0
