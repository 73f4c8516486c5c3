"""Wrong calls of a newcomer: each ends in one line, and none is taken for something else."""

import functools
import logging

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR, StepLR

import affect
from affect import Corpus, FusionModel, Training, metrics, robustness, testing
from affect.encoders import EmbeddingEncoder, PretrainedEncoder
from affect.errors import AffectError, ConfigError
from affect.fusion import ConcatenationFusion, LowRankFusion
from affect.objectives import SquaredError
from affect.robustness import protocols
from affect.training import Learner

CORPUS = affect.load("synthetic")
SAMPLE = next(iter(CORPUS.samples()))
ARRAYS = {"acoustic": np.ones((3, 2)), "y": [0.0, 1.5, 2.0]}
FEW = CORPUS["test"].take(np.arange(8))


def made(**parts):
    return FusionModel.for_corpus(CORPUS, **{"seed": 0, "width": 8, **parts})


MODEL = made()
SGD = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1)


def fit(**given):
    return affect.fit(MODEL, CORPUS, **{"training": Training(epochs=1), **given})


def failing(groups):
    raise KeyError("lost")


class Narrow(Learner):
    def __init__(self, model, objective, training, seed):
        super().__init__(model, objective, training, seed)


def swept(grid):
    return robustness.sweep(MODEL, FEW, grid)


NO_GRID = "sweep: grid: expected a function from a model to conditions, got "
LOGGERS = "fit: loggers: expected a list of Lightning's loggers, got "
CALLBACKS = "fit: callbacks: expected a list of Lightning's callbacks, got "
PROGRESS = "fit: progress: expected True, False or a function that is called after every epoch, got "

WRONG = [
    (lambda: affect.load_run("run", trust="no"), "trust: expected True or False, got the text 'no'"),
    (lambda: affect.runs.load_model("run", trust=1), "trust: expected True or False, got 1"),
    (
        lambda: affect.runs.predict("run", "synthetic", trust=None),
        "trust: expected True or False, got None",
    ),
    (
        lambda: affect.runs.finished.FinishedRun("run", {}, "no"),
        "trust: expected True or False, got the text 'no'",
    ),
    (
        lambda: affect.kernels.fast("no"),
        "affect.kernels.fast: expected True or False, got the text 'no'",
    ),
    (lambda: affect.kernels.fast(None), "affect.kernels.fast: expected True or False, got None"),
    (lambda: fit(folder=3), "fit: folder: expected the path of a folder, got 3"),
    (lambda: fit(folder=__file__), f"fit: folder: {__file__} is a file; name a folder"),
    (lambda: fit(loggers="csv"), LOGGERS + "the text 'csv'"),
    (lambda: fit(loggers=True), LOGGERS + "True"),
    (lambda: fit(callbacks=[print]), CALLBACKS + "a builtin_function_or_method in it"),
    (
        lambda: fit(callbacks=EarlyStopping("x")),
        CALLBACKS + "a lightning.EarlyStopping; write [...] around it",
    ),
    (
        lambda: fit(callbacks=[EarlyStopping]),
        CALLBACKS + "the class lightning.EarlyStopping in it; make one: EarlyStopping(...)",
    ),
    (lambda: fit(progress="yes"), PROGRESS + "the text 'yes'"),
    (lambda: fit(progress=1), PROGRESS + "1"),
    (
        lambda: fit(objective=nn.MSELoss()),
        "fit: objective: expected an Objective class or functools.partial of one, got a torch.MSELoss; an "
        "Objective's forward takes (output, target)",
    ),
    (lambda: fit(name=3), "fit: name: expected a text, got 3"),
    (lambda: fit(fold="a"), "fit: fold must be a whole number, at least 0, got the text 'a'"),
    (
        lambda: fit(training=Training(epochs=1, optimizer=failing)),
        "training: optimizer: failing cannot be made: 'lost'",
    ),
    (
        lambda: fit(
            training=Training(epochs=3, schedule=functools.partial(OneCycleLR, max_lr=0.1, total_steps=2))
        ),
        "training: schedule: OneCycleLR is for 2 steps, and is stepped 3 times; leave total_steps out, which "
        "is known here",
    ),
    (
        lambda: fit(learner=Narrow),
        "fit: learner: Narrow cannot be made: got an unexpected keyword argument 'teacher'; write its "
        "__init__(self, *given, **named) and hand both on to super().__init__",
    ),
    (
        lambda: Training(schedule=StepLR(SGD, step_size=2)),
        "training: schedule: expected a LRScheduler class or functools.partial of one, got a torch.StepLR; "
        "write functools.partial(StepLR, ...), with its arguments but the first",
    ),
    (lambda: made(target=3), "synthetic:interaction: expected the name of a target, got 3"),
    (
        lambda: made(target=["sentiment"]),
        "synthetic:interaction: expected the name of a target, got a list",
    ),
    (
        lambda: made(fusion=functools.partial(LowRankFusion, rnk=3)),
        "FusionModel: fusion: LowRankFusion cannot be made: unexpected keyword argument 'rnk'; it has: "
        "dropout, pooling, rank",
    ),
    (
        lambda: made(fusion=functools.partial(LowRankFusion, rank="4")),
        "LowRankFusion: rank must be a whole number, at least 1, got the text '4'",
    ),
    (
        lambda: made(fusion=lambda d: 1),
        "FusionModel: fusion: <lambda> cannot be made: too many positional arguments; it is given 2 "
        "arguments, and those that a functools.partial holds",
    ),
    (lambda: made(fusion=lambda d, n: 1), "FusionModel: fusion: expected <lambda> to make a Fusion, got 1"),
    (
        lambda: made(encoder=PretrainedEncoder),
        "FusionModel: encoder: PretrainedEncoder cannot be made: missing a required argument: 'model'; it is "
        "given 2 arguments, and those that a functools.partial holds",
    ),
    (
        lambda: FusionModel.for_corpus(
            Corpus.from_arrays({"train": {"text": np.full((3, 1), 0.25), "y": [0.0, 1.5, 2.0]}}, ["y"]),
            encoder=functools.partial(EmbeddingEncoder, size=5),
        ),
        "arrays: EmbeddingEncoder reads indices, whole numbers of at least 0, but text holds 0.25; make a "
        "modality of them (affect.data.text.tokenize, or Vocabulary there), or choose an encoder of "
        "features",
    ),
    (lambda: affect.load_run(None), "a finished run: expected the path of a folder, got None"),
    (lambda: affect.load_run(3), "a finished run: expected the path of a folder, got 3"),
    (
        lambda: affect.load(__file__, reader=dict),
        f"{__file__}: reader: expected a function from a path to an affect.Corpus, got the class dict",
    ),
    (
        lambda: affect.batches(FEW, batch_size=1.5),
        "batches: batch_size must be a whole number, at least 1, got 1.5",
    ),
    (lambda: affect.batches(FEW, seed=-1), "batches: seed must be at least 0, got -1"),
    (
        lambda: affect.batches(FEW, seed="a"),
        "batches: seed must be a whole number, at least 0, got the text 'a'",
    ),
    (
        lambda: affect.evaluate(MODEL, CORPUS, "test", batch_size="8"),
        "batches: batch_size must be a whole number, at least 1, got the text '8'",
    ),
    (
        lambda: swept("tfr_net"),
        NO_GRID + "the text 'tfr_net'; write affect.robustness.protocols.protocol(['tfr_net'])",
    ),
    (
        lambda: swept(None),
        NO_GRID + "None; make one: affect.robustness.modality_subsets(), or "
        "affect.robustness.protocols.tfr_net()",
    ),
    (
        lambda: swept(robustness.modality_subsets),
        NO_GRID + "the function modality_subsets; call it: modality_subsets()",
    ),
    (
        lambda: robustness.Comparison(SWEEP),
        "Comparison: expected a list of Sweep, got a Sweep; write [sweep]",
    ),
    (
        lambda: robustness.Comparison([SWEEP], resamples=0),
        "Comparison: resamples must be at least 1, got 0",
    ),
    (lambda: protocols.protocol(None), "protocol: expected a list of names, got None"),
    (
        lambda: metrics.metrics_for("regression"),
        "metrics_for: expected a target such as affect.Regression('sentiment'), got the text 'regression'",
    ),
    (
        lambda: Corpus.from_arrays(None),
        "Corpus.from_arrays: expected a dict of arrays by split, got None; write {'train': {...}, 'test': "
        "{...}}",
    ),
    (
        lambda: Corpus.from_arrays({"train": ARRAYS}, ["y"], foo=1),
        "Corpus.from_arrays: no argument 'foo'; known: aligned, ceiling, citation, columns, duplicates, main, "
        "notes, provenance",
    ),
    (
        lambda: Corpus.from_arrays({"train": ARRAYS}, ["y"], aligned="yes"),
        "Corpus.from_arrays: aligned: expected True or False, got the text 'yes'",
    ),
    (
        lambda: Corpus.from_arrays({"trian": ARRAYS}, ["y"]),
        "arrays: no split 'trian'; did you mean 'train'? expected train, valid (dev, val) or test",
    ),
    (
        lambda: Corpus.from_samples(SAMPLE),
        "Corpus.from_samples: expected several affect.Sample, got a Sample",
    ),
    (
        lambda: CORPUS.with_modality("z", 3),
        "synthetic:interaction: with_modality: z: expected affect.Ragged rows by split, got 3; write {split: "
        "affect.Ragged.from_rows(...)}",
    ),
    (
        lambda: testing.check_fusion(MODEL.fusion),
        "check_fusion: fusion: expected a Fusion class or functools.partial of one, got a "
        "ConcatenationFusion; give the class ConcatenationFusion itself: it is called with the sizes that it "
        "is for",
    ),
    (
        lambda: testing.check_fusion(None),
        "check_fusion: fusion: expected a Fusion class or functools.partial of one, got None",
    ),
]

SWEEP = robustness.sweep(MODEL, FEW, robustness.modality_subsets(), corpus="synthetic")


@pytest.mark.parametrize(("call", "said"), WRONG)
def test_a_wrong_call_ends_in_one_line(call, said):
    with pytest.raises(AffectError) as caught:
        call()
    assert str(caught.value) == said


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_an_accelerator_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match=r"^training: accelerator 'cuda', devices 1, strategy 'auto'"):
        fit(training=Training(epochs=1, accelerator="cuda"))


def test_what_is_meant_is_taken():
    training = Training(epochs=np.int64(2), batch_size=np.int32(64), class_weights=np.array([1.0, 2.0]))
    assert (training.epochs, training.batch_size, training.class_weights) == (2, 64, [1.0, 2.0])
    assert type(training.epochs) is int
    assert len(protocols.protocol("fixed_subsets")(MODEL)) == 6
    assert "estimators" in dir(affect)


def test_representations_are_short():
    assert repr(SWEEP) == (
        "Sweep(corpus synthetic, model ConcatenationFusion, seed 0, fold 0, split test: 7 conditions, 8 labels "
        "of sentiment)"
    )
    assert repr(robustness.Comparison([SWEEP])) == (
        "Comparison(synthetic, sentiment: ConcatenationFusion; 7 conditions)"
    )
    assert repr(CORPUS["test"].modalities["text"]) == "Ragged(400 rows, 5,154 steps of 8 features)"


@pytest.fixture(scope="module")
def small():
    splits = {name: split.take(np.arange(24)) for name, split in CORPUS.splits.items()}
    return Corpus("small", splits, CORPUS.targets)


@pytest.fixture(scope="module")
def trained(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    model = FusionModel.for_corpus(small, seed=0, width=8)
    return affect.fit(model, small, training=Training(epochs=2), folder=folder), folder


class Own(Learner):
    pass


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"seed": 1}, "seed 0"),
        ({"weights": 1}, "other initial weights"),
        ({"width": 4}, "another model, other initial weights"),
        ({"fusion": functools.partial(ConcatenationFusion, dropout=0.5)}, "another model"),
        ({"training": Training(epochs=2, learning_rate=0.1)}, "learning_rate 0.001"),
        ({"training": Training(epochs=1)}, "epochs 2"),
        ({"training": Training(epochs=3, learning_rate_warmup=0.1)}, "epochs 2, learning_rate_warmup 0.0"),
        ({"training": Training(epochs=2, monitor="pearson")}, "monitor loss"),
        (
            {"training": Training(epochs=2, corruption=affect.corruption.ModalityDropout(rate=0.5))},
            "no corruption",
        ),
        ({"training": Training(epochs=2, optimizer=torch.optim.SGD)}, "optimizer torch.optim.AdamW"),
        ({"objective": SquaredError}, "another objective"),
        ({"learner": Own}, "another learner"),
        ({"init": MODEL}, "other initial weights"),
        ({"teacher": MODEL}, "no teacher"),
    ],
)
def test_a_folder_of_another_training_is_refused(small, trained, given, said):
    given = dict(given)
    parts = {"seed": given.pop("weights", 0), "width": given.pop("width", 8)}
    if "fusion" in given:
        parts["fusion"] = given.pop("fusion")
    model = FusionModel.for_corpus(small, **parts)
    with pytest.raises(ConfigError) as caught:
        affect.fit(model, small, **{"training": Training(epochs=2), "folder": trained[1], **given})
    assert str(caught.value) == (
        f"fit: {trained[1]} holds a training of {said}; choose another folder or delete its checkpoints"
    )


def test_a_folder_of_a_training_on_another_corpus_is_refused(small, trained):
    splits = {name: split.take(np.arange(20)) for name, split in small.splits.items()}
    model = FusionModel.for_corpus(small, seed=0, width=8)
    with pytest.raises(ConfigError, match=r"holds a training of another corpus; choose"):
        affect.fit(
            model, Corpus("small", splits, small.targets), training=Training(epochs=2), folder=trained[1]
        )


def test_more_epochs_go_on_and_give_what_they_give_at_once(small, tmp_path, caplog):
    def run(folder, epochs):
        model = FusionModel.for_corpus(small, seed=0, width=8)
        return affect.fit(model, small, training=Training(epochs=epochs), folder=folder)

    run(tmp_path / "parts", 2)
    with caplog.at_level(logging.INFO, "affect"):
        parts = run(tmp_path / "parts", 4)
    assert f"fit: {tmp_path / 'parts'}: a training of 2 epochs goes on to 4" in caplog.messages
    whole = run(tmp_path / "whole", 4)
    assert parts.predictions.equals(whole.predictions)
    assert parts.history["loss"].tolist() == whole.history["loss"].tolist()
    with pytest.raises(ConfigError, match="holds a training of epochs 4; choose"):
        run(tmp_path / "parts", 2)


def test_checkpoints_that_say_nothing_are_refused(small, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").touch()
    model = FusionModel.for_corpus(small, seed=0, width=8)
    with pytest.raises(ConfigError) as caught:
        affect.fit(model, small, training=Training(epochs=1), folder=tmp_path)
    assert str(caught.value) == (
        f"fit: {tmp_path} holds a checkpoint without training.json, which says what training it is of; choose "
        "another folder or delete its checkpoints"
    )


def test_a_run_is_something_to_begin_with_and_is_saved_as_it_is(small, trained, tmp_path):
    model = FusionModel.for_corpus(small, seed=5, width=8)
    run = affect.fit(model, small, training=Training(epochs=1), init=trained[0])
    for folder in (3, None):
        with pytest.raises(ConfigError, match=f"^run.save: expected the path of a folder, got {folder}$"):
            run.save(folder)
    with pytest.raises(ConfigError, match="^a finished run: expected the path of a folder, got a Run$"):
        affect.load_run(run)
    run.model.head = nn.Linear(2, 2)
    with pytest.raises(ConfigError) as caught:
        run.save(tmp_path / "run")
    assert str(caught.value) == (
        "run.save: the model was changed after it was made: its head is a torch.Linear; name a Head in "
        "affect.FusionModel.for_corpus"
    )
