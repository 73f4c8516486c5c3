from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch

import affect
from affect.corruption import StepDropout
from affect.data import synthetic
from affect.data.corpus import Corpus, Split
from affect.data.ragged import Ragged
from affect.data.targets import Binary
from affect.encoders import ConvolutionalEncoder, PassEncoder, PooledEncoder, StepEncoder
from affect.errors import ConfigError, DataError
from affect.fusion import ConcatenationFusion, CrossModalTransformer, LowRankFusion, PerStep, TensorFusion
from affect.imputation import TranslationImputer
from affect.together import fit_together
from affect.together.stack import common_sizes
from affect.training import Training, fit, seeded

SEEDS = (3, 0)
small = partial(CrossModalTransformer, width=8, heads=2, layers=1, key_dropout=0.2)


@pytest.fixture(scope="module")
def tiny():
    """Samples of unequal length, and a last batch that is smaller."""
    return synthetic.interaction(samples={"train": 70, "valid": 24, "test": 24})


def build(corpus, seed, **options):
    with seeded(seed):
        return affect.FusionModel.for_corpus(corpus, **{"width": 8, "out_dim": 8, **options})


def without_dropout(model):
    for part in model.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
        if isinstance(getattr(part, "dropout", None), float):
            part.dropout = 0.0
    return model


def both(corpus, make, training, seeds=SEEDS, **options):
    """The runs of `fit`, one after the other, and those of the stack."""
    alone = [fit(make(seed), corpus, seed, training=training, **options) for seed in seeds]
    return alone, fit_together(map(make, seeds), corpus, seeds, training=training, **options)


def assert_equal(alone, together, within=1e-4):
    for one, other in zip(alone, together, strict=True):
        assert (other.best_epoch, other.monitor) == (one.best_epoch, one.monitor)
        seconds = ["seconds", "epoch_seconds"]
        pd.testing.assert_frame_equal(
            other.history.drop(columns=seconds), one.history.drop(columns=seconds), atol=1e-3
        )
        pd.testing.assert_frame_equal(other.predictions, one.predictions, rtol=0, atol=within)
        pd.testing.assert_frame_equal(other.results, one.results, atol=1e-2)


@pytest.mark.parametrize("dropout", [False, True], ids=["plain", "dropout"])
@pytest.mark.parametrize(
    ("encoder", "fusion"),
    [
        (PooledEncoder, TensorFusion),
        (PooledEncoder, LowRankFusion),
        (PooledEncoder, ConcatenationFusion),
        (StepEncoder, small),
        (ConvolutionalEncoder, ConcatenationFusion),  # drops what lies (batch, feature, time) in memory
    ],
    ids=["tensor", "low-rank", "concatenation", "cross-modal", "convolutional"],
)
def test_runs_are_those_of_fit(tiny, encoder, fusion, dropout):
    def make(seed):
        model = build(tiny, seed, encoder=encoder, fusion=fusion)
        return model if dropout else without_dropout(model)

    assert_equal(*both(tiny, make, Training(epochs=3, batch_size=16, learning_rate=5e-3)))


def test_seeds_stop_each_in_its_own_epoch_and_leave_the_stack(tiny, monkeypatch):
    from affect.together.stack import Stack

    sizes, begin = [], Stack.begin

    def spy(stack, seeds):
        assert len({len(x) for x in [*stack.weights, *stack.fixed.values(), seeds, stack.learners]}) == 1
        sizes.append(len(seeds))
        begin(stack, seeds)

    monkeypatch.setattr(Stack, "begin", spy)
    training = Training(epochs=20, batch_size=16, learning_rate=0.02, patience=2)
    alone, together = both(tiny, partial(build, tiny), training, seeds=(0, 1, 2, 3))
    lengths = [len(run.history) for run in alone]
    assert len(set(lengths)) > 1
    assert [len(run.history) for run in together] == lengths
    assert sizes == [sum(length > epoch for length in lengths) for epoch in range(max(lengths))]
    assert_equal(alone, together)


def test_the_monitor_may_rise_and_the_rate_may_fall(tiny):
    schedule = partial(torch.optim.lr_scheduler.StepLR, step_size=1, gamma=0.5)
    training = Training(
        epochs=4, batch_size=16, learning_rate=0.02, monitor="pearson", schedule=schedule, patience=2
    )
    assert_equal(*both(tiny, partial(build, tiny), training))


def test_each_gradient_is_clipped_by_its_own_norm(tiny):
    def make(seed):
        model = build(tiny, seed, fusion=LowRankFusion)
        if seed == 0:
            with torch.no_grad():
                model.fusion.bias += 1e6
        return model

    training = Training(epochs=2, batch_size=16, gradient_clip=0.1)
    alone, together = both(tiny, make, training, seeds=(0, 1))
    assert_equal(alone[1:], together[1:])
    (other,) = fit_together([make(1)], tiny, [1], training=training)
    pd.testing.assert_frame_equal(other.predictions, together[1].predictions, rtol=0, atol=1e-6)
    free = fit(make(1), tiny, 1, training=Training(epochs=2, batch_size=16, gradient_clip=0))
    assert not np.allclose(free.predictions["prediction"], together[1].predictions["prediction"], atol=1e-4)


def test_a_model_that_says_nan_ends_the_training_of_all_as_it_ends_its_own(tiny):
    models = [build(tiny, seed) for seed in (0, 1)]
    with torch.no_grad():
        next(models[1].head.parameters()).fill_(torch.nan)
    with pytest.raises(DataError) as caught:
        fit_together(models, tiny, (0, 1), training=Training(epochs=1))
    assert str(caught.value) == (
        "metrics: 24 of 24 predictions of 'sentiment' are NaN or infinite; lower the learning rate or look at "
        "the inputs (affect inspect)"
    )


@pytest.mark.parametrize("samples", [15, 16, 17, 33])
def test_a_last_small_batch_counts_for_what_it_holds(samples):
    corpus = synthetic.interaction(samples={"train": samples, "valid": 8, "test": 8})
    assert_equal(*both(corpus, partial(build, corpus), Training(epochs=2, batch_size=16)))


def test_damage_consistency_a_teacher_and_an_imputer_are_those_of_fit(tiny):
    teacher = build(tiny, 9)
    training = Training(
        epochs=3, batch_size=16, corruption=StepDropout(rate=0.4), ramp=2, consistency=0.5, distillation=0.3
    )
    make = partial(build, tiny, encoder=StepEncoder, imputer=TranslationImputer)
    assert_equal(*both(tiny, make, training, teacher=teacher))


class Slow(StepEncoder):
    learning_rate = 1e-5


def test_a_part_s_own_learning_rate_and_frozen_weights_are_kept(tiny):
    def make(seed):
        model = build(tiny, seed, encoder={"text": Slow, "acoustic": StepEncoder, "visual": PooledEncoder})
        model.encoders["visual"].requires_grad_(False)
        return model

    alone, together = both(tiny, make, Training(epochs=3, batch_size=16))
    assert_equal(alone, together)
    for seed, run in zip(SEEDS, together, strict=True):
        before, after = (model.encoders["visual"].state_dict() for model in (make(seed), run.model))
        assert all(torch.equal(before[name], after[name]) for name in before)


def test_models_of_other_scales_keep_their_own(tiny):
    def make(seed):
        model = build(tiny, seed)
        model.scaler.scale_of("text").mul_(1 + seed)
        return model

    assert_equal(*both(tiny, make, Training(epochs=2, batch_size=16)))


def test_labels_per_step():
    rng, splits = np.random.default_rng(0), {}
    for split, count in (("train", 20), ("valid", 6), ("test", 6)):
        steps = rng.integers(2, 6, count)
        values = [rng.normal(size=(n, 3)) for n in steps]
        splits[split] = Split(
            tuple(f"{split}{i}" for i in range(count)),
            {"ecg": Ragged.from_rows(values, 3), "eeg": Ragged.from_rows(values, 3)},
            {"y": Ragged.from_rows([(x[:, :1] > 0).astype(float) for x in values], 1)},
        )
    corpus = Corpus("videos", splits, {"y": Binary("y", per_step=True)}, aligned=True)

    def make(seed):
        return without_dropout(build(corpus, seed, encoder=StepEncoder, fusion=PerStep))

    assert_equal(*both(corpus, make, Training(epochs=3, batch_size=8)))


def test_sizes_of_batches_say_of_what_they_are_the_size():
    def view(batch, time):
        return [{"ecg": affect.Sequence.full(torch.ones(batch, time, 1))}]

    common = common_sizes([view(8, 5), view(7, 5), view(8, 5)], {1, 8, 3})
    assert common == {(8, 7, 8): 11, (5, 5, 5): 5}  # 8 is a weight's, 9 three of them, 10 two fives


class Watched(Split):
    """Refuses to be touched while `closed`."""

    closed = False

    def __getattribute__(self, name):
        if not name.startswith("__") and Watched.closed:
            raise AssertionError(name)
        return super().__getattribute__(name)


def test_training_never_touches_the_test_split(tiny, monkeypatch):
    corpus, test = Corpus("toy", dict(tiny.splits), tiny.targets), tiny["test"]
    models, measure = [build(corpus, seed) for seed in (0, 1)], affect.evaluate
    corpus.splits["test"] = Watched(test.ids, test.modalities, test.targets)

    def evaluate(*args, **options):
        Watched.closed = False
        return measure(*args, **options)

    monkeypatch.setattr("affect.training.evaluate", evaluate)
    monkeypatch.setattr(Watched, "closed", True)
    runs = fit_together(models, corpus, (0, 1), training=Training(epochs=2))
    assert all(set(run.results["split"]) == {"valid", "test"} for run in runs)


def test_the_caller_s_random_state_stays_and_seconds_are_shares(tiny):
    state = torch.get_rng_state()
    runs = fit_together([build(tiny, seed) for seed in SEEDS], tiny, SEEDS, training=Training(epochs=2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(0 < run.history["epoch_seconds"].sum() < run.seconds for run in runs)
    assert runs[0].seconds == pytest.approx(runs[1].seconds, rel=0.5)


class Looking(PassEncoder):
    def encode(self, x):
        return x if x.values.sum() > 0 else x


class Drawing(PassEncoder):
    def encode(self, x):
        return x.with_values(x.values * torch.rand_like(x.values))


REMEDY = (
    "cannot be trained as one of a stack; train the seeds side by side instead (affect bench --jobs), or one "
    "after the other (fit). PyTorch says: "
)


def ask(corpus, makes, seeds=(0, 1), **options):
    return fit_together([make(seed) for seed, make in enumerate(makes)], corpus, seeds, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": Looking}, "encoders.acoustic (Looking) " + REMEDY + "vmap: It looks like you're "),
        ({"encoder": Drawing}, "encoders.acoustic (Drawing) " + REMEDY + "vmap: called random operation "),
    ],
)
def test_a_part_that_cannot_be_stacked_is_named(tiny, options, message):
    with pytest.raises(ConfigError) as caught:
        ask(tiny, [partial(build, tiny, **options)] * 2)
    assert str(caught.value).startswith("fit_together: " + message)  # the rest is PyTorch's


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"width": 4}, "encoders.acoustic.out_dim is 8 in the first and 4 in number 2"),
        (
            {"encoder": partial(PooledEncoder, dropout=0.3)},
            "encoders.acoustic.layers.0.p is 0.1 in the first and 0.3 in number 2",
        ),
        (
            {"fusion": TensorFusion},
            "fusion is ConcatenationFusion in the first and TensorFusion in number 2",
        ),
        (
            {"imputer": TranslationImputer},
            "imputer is not there in the first and TranslationImputer in number 2",
        ),
    ],
)
def test_models_that_differ_in_more_than_weights_are_refused(tiny, others, message):
    with pytest.raises(ConfigError) as caught:
        ask(tiny, [partial(build, tiny), partial(build, tiny, **others)])
    assert str(caught.value) == (
        f"fit_together: expected models that are alike but for their weights, but {message}; train them one "
        "after the other (fit)"
    )


def the_same_twice(corpus):
    model = build(corpus, 0)
    return fit_together([model, model], corpus, (0, 1))


def taught_otherwise(corpus):
    teacher = build(corpus, 0)
    teacher.head.target = Binary("sarcasm")
    return ask(corpus, [partial(build, corpus)] * 2, teacher=teacher)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            lambda c: ask(c, [partial(build, c)] * 2, seeds=(0,)),
            "fit_together: expected a seed for each model, got 1 seeds for 2 models",
        ),
        (
            lambda c: fit_together([], c, ()),
            "fit_together: expected a seed for each model, got 0 seeds for 0 models",
        ),
        (the_same_twice, "fit_together: expected separate models, got one of them twice; build it anew"),
        (
            lambda c: ask(Corpus("toy", {"train": c["train"]}, c.targets), [partial(build, c)] * 2),
            "toy: no split 'valid' to choose the epoch on; carve one from the training groups "
            "(affect.data.splitting.carve)",
        ),
        (
            lambda c: ask(c, [partial(build, c)] * 2, training=Training(epochs=1, monitor="accuracy")),
            "training: monitor 'accuracy' is not measured for target 'sentiment'; known: ",
        ),
        (
            lambda c: ask(c, [partial(build, c)] * 2, training=Training(precision="bfloat16", compile=True)),
            "fit_together: a stack is trained in float32, not compiled, with a step for every batch, got "
            "precision=bfloat16, compile=True, accumulate=1; use fit for these",
        ),
        (
            lambda c: ask(c, [partial(build, c)] * 2, training=Training(accumulate=2)),
            "fit_together: a stack is trained in float32, not compiled, with a step for every batch, got "
            "precision=float32, compile=False, accumulate=2; use fit for these",
        ),
        (taught_otherwise, "fit: the teacher is for Binary"),
    ],
)
def test_refusals(tiny, wrong, message):
    with pytest.raises(ConfigError) as caught:
        wrong(tiny)
    assert str(caught.value).startswith(message)
