"""What a Python user sees: the public names, short `repr`s, and one line for wrong input; runs kept in folders."""

import ast
import functools
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import affect
from affect import FusionModel, Sequence, Training
from affect.data.ragged import Ragged
from affect.encoders import PooledEncoder
from affect.errors import AffectError, ConfigError, DataError
from affect.fusion import LowRankFusion, TensorFusion
from affect.training.saving import DONE
from affect.training.weights import frozen_keys, load_weights, save_weights

CORPUS = affect.load("synthetic")
MODEL = FusionModel.for_corpus(CORPUS, seed=0)
SEQUENCE = Sequence.full(torch.ones(2, 3, 8))
BATCH = next(iter(affect.batches(CORPUS["test"], "sentiment", batch_size=2)))
RUN = affect.Run(MODEL, None, None, None, 0, "loss", 0.0, facts={"shape": {"dims": CORPUS.dims}})


def arrays(train, targets):
    return affect.Corpus.from_arrays({"train": train}, targets)


WRONG = [
    (
        lambda: MODEL({"text": torch.ones(2, 3, 8)}),
        "FusionModel: text: expected affect.Sequence, got a torch.Tensor; write "
        "affect.Sequence.full(x), or affect.Sequence(x, mask) where steps were not observed",
    ),
    (
        lambda: MODEL({"text": np.ones((2, 3, 8))}),
        "FusionModel: text: expected affect.Sequence, got a numpy.ndarray; make a tensor of it, and "
        "write affect.Sequence.full(torch.as_tensor(x, dtype=torch.float32))",
    ),
    (
        lambda: MODEL({"text": [[[1.0]]]}),
        "FusionModel: text: expected affect.Sequence, got a list; make a tensor of it, and write "
        "affect.Sequence.full(torch.as_tensor(x, dtype=torch.float32))",
    ),
    (
        lambda: MODEL([SEQUENCE]),
        "FusionModel: expected a dictionary of an affect.Sequence for each modality, got a list; "
        "write {name: sequence}",
    ),
    (
        lambda: MODEL(BATCH),
        "FusionModel: expected a dictionary of an affect.Sequence for each modality, got a Batch; "
        "give its inputs: batch.inputs",
    ),
    (
        lambda: MODEL({"text": SEQUENCE}),
        "FusionModel: expected modalities ['acoustic', 'text', 'visual'], got ['text']; a modality "
        "that is missing is a Sequence whose mask is False",
    ),
    (
        lambda: MODEL.encoders["text"](torch.ones(2, 3, 8)),
        "PooledEncoder: x: expected affect.Sequence, got a torch.Tensor; write "
        "affect.Sequence.full(x), or affect.Sequence(x, mask) where steps were not observed",
    ),
    (
        lambda: affect.fit(FusionModel, CORPUS),
        "fit: expected a FusionModel, got the class FusionModel; make one: "
        "affect.FusionModel.for_corpus(corpus)",
    ),
    (
        lambda: affect.fit(MODEL, "mosi.pkl"),
        "fit: expected a Corpus, got the text 'mosi.pkl'; read it first: affect.load('mosi.pkl')",
    ),
    (
        lambda: affect.fit(MODEL, CORPUS["train"]),
        "fit: expected a Corpus, got a Split; give the corpus that the split is of",
    ),
    (
        lambda: affect.fit(MODEL, CORPUS, training={"epochs": 2}),
        "fit: training: expected a Training, got a dict; write affect.Training(epochs=2)",
    ),
    (
        lambda: affect.fit(MODEL, CORPUS, training={}),
        "fit: training: expected a Training, got a dict; write affect.Training()",
    ),
    (
        lambda: affect.fit(MODEL, CORPUS, training=Training),
        "fit: training: expected a Training, got the class Training; write "
        "affect.Training(epochs=20), with what is to differ from its defaults",
    ),
    (
        lambda: affect.fit(MODEL, CORPUS, objective="SquaredError"),
        "fit: objective: expected an Objective class or functools.partial of one, got the text "
        "'SquaredError'; give affect.objectives.SquaredError",
    ),
    (
        lambda: FusionModel.for_corpus("mosi.pkl"),
        "FusionModel.for_corpus: expected a Corpus, got the text 'mosi.pkl'; read it first: "
        "affect.load('mosi.pkl')",
    ),
    (
        lambda: FusionModel.for_corpus(CORPUS["train"]),
        "FusionModel.for_corpus: expected a Corpus, got a Split; give the corpus that the split is of",
    ),
    (
        lambda: FusionModel.for_corpus(CORPUS, "sentimnt"),
        "synthetic:interaction: no target 'sentimnt'; did you mean 'sentiment'? known: sentiment",
    ),
    (
        lambda: FusionModel.for_corpus(CORPUS, fusion="TensorFusion"),
        "FusionModel: fusion: expected a Fusion class or functools.partial of one, got the text "
        "'TensorFusion'; give affect.fusion.TensorFusion",
    ),
    (
        lambda: FusionModel.for_corpus(CORPUS, head="RegresionHead"),
        "FusionModel: head: expected a Head class or functools.partial of one, got the text "
        "'RegresionHead'; did you mean 'RegressionHead'? known: BinaryHead, MultiClassHead, "
        "MultiLabelHead, RegressionHead",
    ),
    (
        lambda: FusionModel.for_corpus(CORPUS, fusion=TensorFusion({"text": 8}, 4)),
        "FusionModel: fusion: expected a Fusion class or functools.partial of one, got a "
        "TensorFusion; give the class TensorFusion itself: it is called with the sizes that it is for",
    ),
    (
        lambda: FusionModel.for_corpus(CORPUS, fusion=PooledEncoder),
        "FusionModel: fusion: expected a Fusion class or functools.partial of one, got the class "
        "PooledEncoder",
    ),
    (
        lambda: FusionModel.for_corpus(CORPUS, fusion=affect.Fusion),
        "FusionModel: fusion: expected a Fusion class or functools.partial of one, got the class Fusion",
    ),
    (
        lambda: FusionModel.for_corpus(CORPUS, encoder=PooledEncoder(8, 4)),
        "FusionModel: encoder: expected an Encoder class or functools.partial of one, got a "
        "PooledEncoder; give the class PooledEncoder itself: it is called with the sizes that it is "
        "for",
    ),
    (
        lambda: FusionModel.for_corpus(CORPUS, encoder={"text": PooledEncoder}),
        "encoder: modality 'acoustic' has none; given for: text",
    ),
    (
        lambda: FusionModel.for_corpus(CORPUS, encoder={"txt": PooledEncoder}),
        "encoder: no modality 'txt'; did you mean 'text'? known: acoustic, text, visual",
    ),
    (
        lambda: FusionModel.for_corpus(CORPUS, modalities="text"),
        "FusionModel: modalities: expected a list of names, got the text 'text'; write ['text']",
    ),
    (
        lambda: FusionModel.for_corpus(CORPUS, modalities=["txt"]),
        "synthetic:interaction: no modality 'txt'; did you mean 'text'? known: acoustic, text, visual",
    ),
    (
        lambda: FusionModel.for_corpus(CORPUS, training_only="text"),
        "FusionModel: training_only: expected a list of names, got the text 'text'; write ['text']",
    ),
    (
        lambda: FusionModel.for_corpus(CORPUS, width=-1),
        "FusionModel: width must be at least 1, got -1",
    ),
    (
        lambda: FusionModel.for_corpus(CORPUS, out_dim=2.5),
        "FusionModel: out_dim must be a whole number, at least 1, got 2.5",
    ),
    (
        lambda: FusionModel.for_corpus(CORPUS, head="RegressionHead"),
        "FusionModel: head: expected a Head class or functools.partial of one, got the text "
        "'RegressionHead'; give affect.heads.RegressionHead",
    ),
    (
        lambda: FusionModel.for_corpus(CORPUS, widht=8),
        "FusionModel: no part 'widht'; did you mean 'width'? known: aligner, causal, encoder, encoders, "
        "fusion, head, imputer, modalities, nonfinite, out_dim, scaling, training_only, width",
    ),
    (
        lambda: FusionModel({"text": PooledEncoder}, MODEL.fusion, MODEL.head),
        "FusionModel: encoders: text: expected an object of class Encoder, got the class "
        "PooledEncoder; make it, or let affect.FusionModel.for_corpus do so",
    ),
    (
        lambda: FusionModel(PooledEncoder(8, 4), MODEL.fusion, MODEL.head),
        "FusionModel: encoders: expected an Encoder for each modality by name, got a PooledEncoder; "
        "write {name: encoder}, or let affect.FusionModel.for_corpus make it",
    ),
    (
        lambda: FusionModel(dict(MODEL.encoders), TensorFusion, MODEL.head),
        "FusionModel: fusion: expected an object of class Fusion, got the class TensorFusion; make "
        "it, or let affect.FusionModel.for_corpus do so",
    ),
    (
        lambda: Sequence(np.ones((2, 3, 1)), np.ones((2, 3), dtype=bool)),
        "Sequence: values must be a torch.Tensor, got a numpy.ndarray; write torch.as_tensor(values)",
    ),
    (
        lambda: Sequence(torch.ones(2, 3), torch.ones(2, 3, dtype=torch.bool)),
        "Sequence: values must be floating point of shape (batch, time, feature), got torch.float32 "
        "of shape (2, 3)",
    ),
    (
        lambda: Sequence(torch.ones(2, 3, 1), torch.ones(2, 3)),
        "Sequence: mask must be torch.bool of shape (2, 3), got torch.float32 of shape (2, 3)",
    ),
    (
        lambda: Sequence(torch.ones(2, 3, 1, dtype=torch.long), torch.ones(2, 3, dtype=torch.bool)),
        "Sequence: values must be floating point of shape (batch, time, feature), got torch.int64 of "
        "shape (2, 3, 1)",
    ),
    (
        lambda: Sequence.full(np.ones((2, 3, 1))),
        "Sequence.full: values must be a torch.Tensor, got a numpy.ndarray; write torch.as_tensor(values)",
    ),
    (
        lambda: Sequence.full(torch.ones(2, 3)),
        "Sequence: values must be floating point of shape (batch, time, feature), got torch.float32 "
        "of shape (2, 3)",
    ),
    (
        lambda: Sequence.vector(torch.ones(2, 3, 1)),
        "Sequence.vector: values must be of shape (batch, feature), got (2, 3, 1); steps over time "
        "are Sequence.full(values), or Sequence(values, mask)",
    ),
    (
        lambda: CORPUS["trian"],
        "synthetic:interaction: no split 'trian'; did you mean 'train'? known: test, train, valid",
    ),
    (
        lambda: CORPUS[0],
        "synthetic:interaction: expected the name of a split, got 0",
    ),
    (
        lambda: CORPUS.select("text"),
        "synthetic:interaction: select: expected a list of names, got the text 'text'; write ['text']",
    ),
    (
        lambda: CORPUS.select(["txt"]),
        "synthetic:interaction: no modality 'txt'; did you mean 'text'? known: acoustic, text, visual",
    ),
    (
        lambda: CORPUS.target("sentimnt"),
        "synthetic:interaction: no target 'sentimnt'; did you mean 'sentiment'? known: sentiment",
    ),
    (
        lambda: affect.batches(CORPUS),
        "batches: expected a Split, got a Corpus; choose one of its splits: corpus['train']",
    ),
    (
        lambda: affect.batches(CORPUS["train"], "sentimnt"),
        "batches: no target 'sentimnt'; did you mean 'sentiment'? known: sentiment",
    ),
    (
        lambda: affect.evaluate(FusionModel, CORPUS, "test"),
        "evaluate: expected a FusionModel, got the class FusionModel; make one: "
        "affect.FusionModel.for_corpus(corpus)",
    ),
    (
        lambda: affect.evaluate(MODEL, CORPUS["test"], "test"),
        "evaluate: expected a Corpus, got a Split; give the corpus that the split is of",
    ),
    (
        lambda: affect.training.predict(MODEL, CORPUS),
        "predict: expected a Split, got a Corpus; choose one of its splits: corpus['train']",
    ),
    (
        lambda: affect.Corpus("c", {"train": {"text": 1}}, {}),
        "c, train: expected an affect.Split, got a dict; affect.Corpus.from_arrays makes a corpus of arrays",
    ),
    (
        lambda: affect.Corpus("c", {"train": CORPUS["train"]}, {"sentiment": "regression"}),
        "c: target 'sentiment': expected a target such as affect.Regression('sentiment'), got the "
        "text 'regression'",
    ),
    (
        lambda: affect.Corpus(
            "c", {"train": replace(CORPUS["train"], modalities={"text": np.ones((600, 8))})}, CORPUS.targets
        ),
        "Split: text: expected rows of affect.Ragged, got a numpy.ndarray; affect.Corpus.from_arrays "
        "makes a corpus of arrays",
    ),
    (
        lambda: affect.MultiClass("emotion", "happy"),
        "MultiClass: per_step: expected True or False, got the text 'happy'; arguments behind the "
        "name are written with theirs",
    ),
    (
        lambda: affect.MultiClass(["emotion"]),
        "MultiClass: expected the name of a target, got a list",
    ),
    (
        lambda: affect.Regression(3),
        "Regression: expected the name of a target, got 3",
    ),
    (
        lambda: arrays({"text": np.ones((3, 2)), "y": ["low", "high", "low"]}, {"y": "regression"}),
        "arrays: targets: y: its labels are names of classes, which are no numbers",
    ),
    (
        lambda: arrays({"text": np.ones((3, 2)), "y": [0, 1, 2]}, {"y": "binary"}),
        "arrays: targets: y: a binary target has two classes, got 3: 0, 1, 2",
    ),
    (
        lambda: arrays({"text": np.ones((3, 2)), "y": [0, 1, 2]}, "y"),
        "Corpus.from_arrays: targets: expected a list of names, got the text 'y'; write ['y']",
    ),
    (
        lambda: arrays({"text": np.ones((3, 2)), "y": [0, 1, 2]}, ["z"]),
        "arrays, train: 'y' would be a modality; name it in targets=['y'] where it holds labels, and "
        "call it something else where it does not",
    ),
    (
        lambda: arrays({"text": np.ones((3, 2)), "y": [0, 1, 2]}, {"y": "regresion"}),
        "arrays: targets: y: no kind 'regresion'; did you mean 'regression'? known: binary, "
        "multiclass, multilabel, regression",
    ),
    (
        lambda: affect.load(np.ones((3, 2))),
        "load: expected a path or a name, got a numpy.ndarray; affect.Corpus.from_arrays makes a "
        "corpus of arrays, and a corpus is of one file or folder",
    ),
    (
        lambda: affect.load(["mosi.pkl"]),
        "load: expected a path or a name, got a list; affect.Corpus.from_arrays makes a corpus of "
        "arrays, and a corpus is of one file or folder",
    ),
    (
        lambda: RUN.predict("mosi.pkl"),
        "run.predict: expected a Corpus, got the text 'mosi.pkl'; read it first: affect.load('mosi.pkl')",
    ),
    (
        lambda: RUN.predict(CORPUS, "tset"),
        "synthetic:interaction: no split 'tset'; did you mean 'test'? known: test, train, valid",
    ),
    (
        lambda: RUN.predict(CORPUS.select(["text"])["test"]),
        "run.predict: no modality 'acoustic'; known: text",
    ),
    (
        lambda: affect.Training(epochs="5"),
        "training: epochs must be a whole number, at least 1, got the text '5'",
    ),
    (
        lambda: affect.Training(corruption=affect.corruption.ModalityDropout),
        "training: corruption: expected a Corruption that was made, got the class ModalityDropout; "
        "write affect.corruption.ModalityDropout(rate=0.3)",
    ),
    (
        lambda: affect.robustness.sweep(MODEL, CORPUS, affect.robustness.modality_subsets()),
        "sweep: expected a Split, got a Corpus; choose one of its splits: corpus['train']",
    ),
    (
        lambda: affect.robustness.sweep(FusionModel, CORPUS["test"], affect.robustness.modality_subsets()),
        "sweep: expected a FusionModel, got the class FusionModel; make one: "
        "affect.FusionModel.for_corpus(corpus)",
    ),
    (
        lambda: affect.FusionRegressor().fit("mosi.pkl", [1.0]),
        "FusionRegressor: X: expected modalities by name, samples, an array or a frame, got the text "
        "'mosi.pkl'",
    ),
    (
        lambda: affect.FusionRegressor().fit(
            {"text": np.ones((3, 2)), "face": np.ones((4, 2))}, [1.0, 2.0, 3.0]
        ),
        "FusionRegressor: expected as many samples of each modality, got face 4, text 3",
    ),
    (
        lambda: affect.FusionRegressor().fit(np.ones((3, 2)), None),
        "FusionRegressor: requires y to be passed, but the target y is None",
    ),
    (
        lambda: affect.FusionClassifier().fit(np.ones((3, 2)), ["a", "a", "a"]),
        "FusionClassifier: y: expected two classes or more, got one class",
    ),
    (
        lambda: affect.load_run("nowhere"),
        "nowhere: not a finished run; expected a folder that holds run.json",
    ),
    (
        lambda: affect.corruption.ModalityDropout(rate=0.5, modalities="text")(BATCH.inputs, BATCH.ids),
        "ModalityDropout: expected a list of names, got the text 'text'; write ['text']",
    ),
    (
        lambda: affect.results.summarise([], "mae"),
        "summarise: names: expected a list of names, got the text 'mae'; write ['mae']",
    ),
]
"""A wrong call, and what it says."""


@pytest.mark.parametrize(("call", "said"), WRONG, ids=lambda value: None if callable(value) else value[:40])
def test_a_wrong_call_ends_in_one_line(call, said):
    with pytest.raises(AffectError) as caught:
        call()
    assert str(caught.value) == said


def test_public_names_are_one_list():
    """Derived for Python, written for type checkers: the two are held equal."""
    tree = ast.parse(Path(affect.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    typed = [alias.asname for node in block.body for alias in node.names]
    assert sorted([*typed, "__version__"]) == affect.__all__ == dir(affect)
    assert len(typed) == len(set(typed))
    for node in block.body:
        for alias in node.names:
            home = __import__(node.module, fromlist=[alias.name])
            assert getattr(affect, alias.asname) is getattr(home, alias.name), alias.name


def test_importing_affect_is_quick():
    code = "import affect, sys; print(*({'torch', 'pandas', 'numpy', 'sklearn'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"\n"


def test_a_seed_draws_the_same_model_and_leaves_the_global_state():
    before = torch.get_rng_state()
    one, same, other = (FusionModel.for_corpus(CORPUS, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    weights = one.state_dict()
    assert all(torch.equal(x, weights[name]) for name, x in same.state_dict().items())
    assert any(not torch.equal(x, weights[name]) for name, x in other.state_dict().items())


def wide(modalities):
    rows = Ragged.vectors(np.ones((4, 2)))
    names = [f"m{place:03d}" for place in range(modalities)]
    split = affect.Split(tuple("abcd"), dict.fromkeys(names, rows), {"y": Ragged.vectors(np.zeros(4))})
    return affect.Corpus("wide", {"train": split}, {"y": affect.Regression("y")})


def test_what_is_shown_is_short():
    corpus = wide(40)
    model = FusionModel.for_corpus(corpus, training_only=["m001"])
    batch = next(iter(affect.batches(corpus["train"], "y")))
    output = model(batch.inputs)
    shown = [corpus, corpus["train"], model, batch, batch.target, output]
    for one in shown:
        assert len(repr(one).splitlines()) <= 10, one
        assert all(len(line) < 400 for line in repr(one).splitlines()), one
    assert repr(corpus["train"]) == (
        "Split(4 samples, unaligned: m000 2, m001 2, m002 2, m003 2, m004 2, m005 2, m006 2, m007 2 and 32 more; "
        "targets y)"
    )
    assert repr(batch.target) == "Sequence(batch 4, time 1, feature 1; float32, cpu)"
    assert repr(model).splitlines()[6:9] == [
        "  and 35 more modalities",
        "  aligner: none; imputer: none; in training only: m001",
        "  fusion: ConcatenationFusion -> 64",
    ]
    assert torch.nn.Module.__repr__(model).count("PooledEncoder") == 40


@pytest.fixture(scope="module")
def run():
    parts = {"fusion": functools.partial(LowRankFusion, rank=3), "width": 4, "out_dim": 4}
    model = FusionModel.for_corpus(
        CORPUS, seed=0, encoder={"text": PooledEncoder}, modalities=["text"], **parts
    )
    return affect.fit(model, CORPUS, training=Training(epochs=1, learning_rate=0.01), name="low rank")


def test_a_run_is_short_to_see(run):
    shown = repr(run).splitlines()
    assert shown[0] == "Run(low rank on synthetic:interaction, seed 0: epoch 0 of 1, by loss"
    assert [line[:8] for line in shown[1:]] == ["  valid:", "  test: "]


def test_a_saved_run_is_read_as_it_was(run, tmp_path):
    folder = run.save(tmp_path / "run")
    again = affect.load_run(folder)
    assert again.predict(CORPUS).equals(run.predict(CORPUS["test"]))
    assert affect.runs.predict(folder, "synthetic").equals(run.predict(CORPUS))
    assert (again.best_epoch, again.monitor, repr(again)) == (run.best_epoch, run.monitor, repr(run))
    assert again.results["metric"].tolist() == run.results["metric"].tolist()
    stored = affect.runs.FinishedRun.read(folder)
    assert stored.content["model"]["fusion"]["class_path"] == "affect.fusion.LowRankFusion"
    assert stored.content["model"]["fusion"]["init_args"]["rank"] == 3
    assert stored.content["training"]["learning_rate"] == 0.01
    assert affect.runs.find([tmp_path])[0].name == "low rank"


def test_a_loaded_run_is_saved_again(run, tmp_path):
    first = affect.load_run(run.save(tmp_path / "first"))
    second = first.save(tmp_path / "second")
    for name in ("config.yaml", "model.safetensors", DONE):
        assert (second / name).read_bytes() == (tmp_path / "first" / name).read_bytes(), name


def test_saving_replaces_a_run_and_nothing_else(run, tmp_path):
    run.save(tmp_path / "run")
    run.save(tmp_path / "run")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("")
    with pytest.raises(ConfigError) as caught:
        run.save(tmp_path / "thesis")
    assert str(caught.value) == (
        f"{tmp_path / 'thesis'}: holds 'chapter.tex' and is no run; name a new folder, or a run's"
    )
    with pytest.raises(ConfigError, match=r"chapter\.tex: is a file; name a folder$"):
        run.save(tmp_path / "thesis" / "chapter.tex")


def test_a_kill_while_saving_leaves_no_half_run(run, tmp_path, monkeypatch):
    folder = run.save(tmp_path / "run")
    monkeypatch.setattr("affect.training.saving.save_weights", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run.save(folder)
    assert len(affect.load_run(folder).predict(CORPUS)) == 400  # the one that was there
    monkeypatch.undo()
    assert len(affect.load_run(run.save(folder)).predict(CORPUS)) == 400


class Local(TensorFusion):
    """A fusion that stands in a test, as if in a notebook."""


def test_what_no_other_process_finds_is_refused(run, tmp_path, monkeypatch):
    class Inner(TensorFusion):
        """A fusion within a function."""

    monkeypatch.setattr(Local, "__module__", "__main__")
    for cls, home in ((Local, "this script or notebook"), (Inner, "a function")):
        asked = {**run.asked, "model": affect.ModelSpec(fusion=cls)}
        with pytest.raises(ConfigError) as caught:
            replace(run, asked=asked).save(tmp_path / "run")
        assert str(caught.value) == (
            f"run.save: model: fusion: {cls.__name__} is defined in {home}, where no other process finds it; "
            "move it into a module (my_parts.py) and import it from there"
        )
    with pytest.raises(ConfigError) as caught:
        replace(
            run, asked={**run.asked, "model": affect.ModelSpec(fusion=lambda d, o: TensorFusion(d, o))}
        ).save(tmp_path / "run")
    assert str(caught.value) == (
        "run.save: model: fusion: <lambda> is a function, which a configuration cannot name; give a class, or "
        "functools.partial of one"
    )
    with pytest.raises(ConfigError) as caught:
        replace(run, asked={**run.asked, "model": None}).save(tmp_path / "run")
    assert str(caught.value) == (
        "run.save: the model was built with affect.FusionModel(...), which does not record the classes of its parts; make it with "
        "affect.FusionModel.for_corpus, or keep torch.save(model.state_dict(), PATH)"
    )
    assert not (tmp_path / "run").exists()


def test_a_model_that_was_changed_is_refused(run, tmp_path):
    changed = FusionModel.for_corpus(CORPUS, seed=0, modalities=["text"], **{"width": 4, "out_dim": 4})
    changed.fusion = TensorFusion({"text": 4}, 4)
    with pytest.raises(ConfigError) as caught:
        replace(run, model=changed).save(tmp_path / "run")
    assert str(caught.value) == (
        "run.save: the model was changed after it was made: fusion is TensorFusion, and its spec makes "
        "ConcatenationFusion; name what it is made of in affect.FusionModel.for_corpus"
    )


def test_a_run_does_not_read_other_features(run):
    other = wide(1)
    with pytest.raises(ConfigError) as caught:
        run.predict(other, "train")
    assert str(caught.value) == "wide: run.predict needs text, got m000"


class Known(PooledEncoder):
    """An encoder that brings weights along."""

    def __init__(self, in_dim, out_dim, level=1.0):
        super().__init__(in_dim, out_dim)
        self.known = torch.nn.Parameter(torch.full((1000,), level), requires_grad=False)

    def frozen_keys(self):
        """What came with it."""
        return ["known"]

    def frozen_source(self):
        """Where that is from."""
        return {"name": "known-1", "revision": "0a1b2c"}


def test_frozen_weights_are_stored_by_name_and_digest(tmp_path):
    model = torch.nn.ModuleDict({"a": Known(2, 3), "b": PooledEncoder(2, 3)})
    path = tmp_path / "w.safetensors"
    facts = save_weights(model, path)
    assert facts["a"].keys() == {"name", "revision", "weights"}
    assert (
        path.stat().st_size < 4000 / 2 < torch.nn.utils.parameters_to_vector(model.parameters()).numel() * 4
    )
    again = torch.nn.ModuleDict({"a": Known(2, 3), "b": PooledEncoder(2, 3)})
    load_weights(again, path, facts)
    assert all(torch.equal(x, again.state_dict()[name]) for name, x in model.state_dict().items())
    other = torch.nn.ModuleDict({"a": Known(2, 3, level=2.0), "b": PooledEncoder(2, 3)})
    with pytest.raises(DataError) as caught:
        load_weights(other, path, facts)
    was, now = (
        facts["a"]["weights"][:12],
        save_weights(other, tmp_path / "o.safetensors")["a"]["weights"][:12],
    )
    assert str(caught.value) == (
        f"{path}: a was trained on the frozen weights of 'known-1', SHA-256 {was}, and got SHA-256 {now}; "
        "put back what was there, or train again"
    )
    with pytest.raises(DataError, match="'known-1', revision ffff, and got revision 0a1b2c; put back"):
        load_weights(other, path, {"a": {**facts["a"], "revision": "ffff"}})


def test_a_file_of_all_weights_stays_readable(tmp_path):
    from safetensors.torch import save_file

    model = torch.nn.ModuleDict({"a": Known(2, 3, level=2.0)})
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    again = torch.nn.ModuleDict({"a": Known(2, 3)})
    load_weights(again, tmp_path / "w.safetensors", {})
    assert again["a"].known[0] == 2


def test_what_learns_is_not_frozen():
    wrong = Known(2, 3).requires_grad_(True)
    with pytest.raises(ConfigError) as caught:
        frozen_keys(torch.nn.ModuleDict({"a": wrong}))
    assert str(caught.value) == (
        "a: Known.frozen_keys names 'known', which learns; name keys of its state_dict that have no gradient"
    )


def test_run_json_is_written_last(run, tmp_path):
    folder = run.save(tmp_path / "run")
    written = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert max(written, key=written.get) == DONE
    assert json.loads((folder / DONE).read_text())["chosen_by"] == "loss on valid"


def test_modules_of_ones_own_are_saved_with_the_run(tmp_path, monkeypatch):
    monkeypatch.setenv("AFFECT_TRUST", str(tmp_path / "trusted"))
    (tmp_path / "own_parts.py").write_text(
        "from affect.fusion import ConcatenationFusion\nfrom own_sums import SIZE\n\n\n"
        "class Own(ConcatenationFusion):\n    size = SIZE\n"
    )
    (tmp_path / "own_sums.py").write_text("SIZE = 3\n")
    with monkeypatch.context() as importing:
        importing.syspath_prepend(tmp_path)
        from own_parts import Own

        model = FusionModel.for_corpus(CORPUS, seed=0, fusion=Own, width=4, out_dim=4)
        own = affect.fit(model, CORPUS, training=Training(epochs=1))
        folder = own.save(tmp_path / "run")
    for name in ("own_parts", "own_sums"):
        del sys.modules[name]
        (tmp_path / f"{name}.py").unlink()
    again = affect.load_run(folder)
    assert again.model.fusion.size == 3
    assert again.predict(CORPUS).equals(own.predict(CORPUS))
    assert affect.load_run(again.save(tmp_path / "copy")).predict(CORPUS).equals(own.predict(CORPUS))
    (tmp_path / "trusted").unlink()
    with pytest.raises(
        ConfigError, match=r"the run brings code that is not known to be yours: own_parts\.py"
    ):
        affect.load_run(folder)
    assert affect.load_run(folder, trust=True).model.fusion.size == 3


def test_saving_over_an_older_run_leaves_nothing_of_it_but_what_somebody_put_there(run, tmp_path):
    folder = run.save(tmp_path / "run")
    (folder / "modules").mkdir()
    (folder / "modules" / "old.py").write_text("")
    (folder / "notes.md").write_text("mine")
    run.save(folder)
    assert not (folder / "modules").exists()
    assert (folder / "notes.md").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_saved_configuration_trains_the_same_again(tmp_path, caplog):
    from affect.data.contents import corpus_digest
    from affect.data.native import save

    save(affect.load("synthetic:additive"), tmp_path / "c.safetensors")
    corpus = affect.load(tmp_path / "c.safetensors", duplicates="number")
    assert corpus.without("test").source == corpus.select(["text"]).source == corpus.source
    assert replace(corpus, name="changed").source == {}
    narrow = corpus.select(["text", "visual"])
    model = FusionModel.for_corpus(narrow, seed=0, width=4, out_dim=4)
    run = affect.fit(model, narrow, training=affect.Training(epochs=1), teacher=model)
    folder = run.save(tmp_path / "run")
    assert caplog.messages == [
        f"{folder}: teacher was given as an object, which config.yaml cannot name; trained again, it is left out"
    ]
    stored = affect.runs.FinishedRun.read(folder)
    assert stored.content["corpus"] == str(tmp_path / "c.safetensors")
    assert (stored.content["duplicates"], stored.content["model"]["modalities"]) == (
        "number",
        ["text", "visual"],
    )
    assert stored.content["model"]["head"]["class_path"] == "affect.heads.RegressionHead"
    assert stored.facts["corpus"]["content"] == corpus_digest(str(tmp_path / "c.safetensors"))
    assert stored.facts["given"] == ["teacher"]
    assert affect.runs.configuration.parse(stored.content, "again").reading == {
        key: value for key, value in corpus.source.items() if key != "corpus"
    }
