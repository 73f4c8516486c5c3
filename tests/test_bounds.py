"""Every number that a constructor of affect takes: absurd ones are refused in one line, or have their reason."""

import functools
import importlib
import inspect
import math
from dataclasses import fields

import numpy as np
import pytest
import yaml

import affect
from affect import Training, metrics, robustness, statistics, training
from affect.benchmark import experiment as experiments
from affect.bounds import ARGUMENTS, COUNT, NOT_NEGATIVE
from affect.cli.listing import _BASES
from affect.cli.parser import parse
from affect.data.splitting import carve, fold
from affect.data.targets import Binary
from affect.errors import ConfigError, ShapeError
from affect.model import ModelSpec
from affect.robustness import sweep
from affect.runs.parts import ROOMS
from affect.seeding import seeded
from affect.training.arguments import check_around, check_seed
from affect.tuning import Search, significantly_worse, tune
from affect.workers import processes

ABSURD = (-1, 0, math.nan, math.inf, -math.inf, 1e300, True, 10**5000, -(10**30), "1", [], 0.5)
DIMS = {"one": 4, "two": 4}
FIRST = {
    "affect.fusion": (DIMS, 8),
    "affect.encoders": (4, 8),
    "affect.aligners": (DIMS,),
    "affect.imputation": (DIMS,),
    "affect.heads": (8, Binary("yes")),
    "affect.baselines": (DIMS, Binary("yes")),
    "affect.objectives": (Binary("yes"),),
}

RIGHT = {
    "dropout": (0, 0.5), "key_dropout": (0, 0.5), "residual_dropout": (0, 0.5), "rate": (0, 0.5), "consistency": (0, 0.5),
    "layers": (0,), "own_layers": (0,), "lora": (0,), "layer": (0,), "reach": (0,), "warmup_epochs": (0,),
    "unknown": (0,), "weight_decay": (0, 0.5), "gradient_clip": (0, 0.5), "imputation": (0, 0.5),
    "distillation": (0, 0.5), "snr": (-1, 0, 0.5, math.inf), "factor": (0.5,), "deviation": (0, 0.5),
    "strength": (0, 0.5), "gain": (0, 0.5), "offset": (0, 0.5), "learning_rate": (0.5,), "smoothing": (0.5,), "scale": (0, 0.5),
    "momentum": (0.5,), "keep": (0.5,), "proxy_layers": (0,), "learning_rate_warmup": (0, 0.5), "backward": (0, 0.5),
    "likelihood": (0, 0.5), "past": (0,), "future": (0,), "kept": (0,), "window": (0,), "gamma": (0, 0.5),
}  # fmt: skip
"""What is absurd for other numbers, and right for these: nothing is dropped, clipped, weighed or delayed."""


def classes():
    for room, base in ROOMS.values():
        if room in FIRST or room == "affect.corruption":
            queue = [getattr(importlib.import_module(room), base)]
            while queue:
                cls = queue.pop(0)
                queue += cls.__subclasses__()
                if (
                    cls.__module__.startswith("affect.")
                    and cls.__name__ not in _BASES
                    and cls.__name__[0] != "_"
                ):
                    yield cls, FIRST.get(room, ())
    yield Training, ()
    yield ModelSpec, ()


def numbers():
    for cls, first in classes():
        for name, own in inspect.signature(cls).parameters.items():
            kinds = {part.split("[")[0].strip() for part in str(own.annotation).split("|")}
            if own.default is not own.empty and kinds & {"int", "float"} and name not in WITHOUT:
                yield pytest.param(cls, first, name, own.default, id=f"{cls.__name__}.{name}")


WITHOUT = {
    "trained": "the layers of the model that is loaded",
    "in_dim": "an EmbeddingEncoder's, which is 1",
    "out_dim": "a size beside the arguments of a first place",
}
"""Numbers whose bounds are others, and what those are."""

NAMED = [*numbers()]


def right(cls, name, value, default):
    if isinstance(value, bool | str | list):
        return False
    if name == "steps" and cls.__name__ == "TimeShift":
        return value in (-1, 0, 0.5)
    return value in RIGHT.get(name, ()) and (not isinstance(default, int) or value != 0.5)


@pytest.mark.parametrize(("cls", "first", "name", "default"), NAMED)
def test_no_absurd_number_comes_in(cls, first, name, default):
    extra = {"model": "/nowhere"} if cls.__name__ == "PretrainedEncoder" else {}
    if name in ("consistency", "warmup_epochs"):
        extra = {"corruption": affect.corruption.StepDropout()}
    for value in ABSURD:
        if right(cls, name, value, default):
            continue
        with pytest.raises((ConfigError, ShapeError)) as caught:
            cls(*first, **extra, **{name: value})
        said = str(caught.value)
        assert name in said
        assert "\n" not in said
        assert len(said) < 300


def test_the_walk_meets_all_of_them():
    assert len(NAMED) > 130


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda: affect.fusion.TensorFusion(DIMS, 8, dropout=1),
            "TensorFusion: dropout must be at least 0 and below 1, got 1",
        ),
        (
            lambda: affect.fusion.CrossModalTransformer(DIMS, 8, layers=-1),
            "CrossModalTransformer: layers must be at least 0, got -1",
        ),
        (
            lambda: affect.fusion.CrossModalTransformer(DIMS, 8, layers=10**5000),
            "CrossModalTransformer: layers must be at most 1,000, got a whole number of 16,610 bits",
        ),
        (
            lambda: affect.encoders.LSTMEncoder(4, 8, layers=0),
            "LSTMEncoder: layers must be at least 1, got 0",
        ),
        (
            lambda: Training(gradient_clip=-1),
            "training: gradient_clip must be at least 0, got -1",
        ),
        (
            lambda: Training(learning_rate=math.nan),
            "training: learning_rate must be positive, got nan",
        ),
        (
            lambda: affect.corruption.StepDropout(rate={"one": True}),
            "StepDropout: rate must be a number, between 0 and 1, got True",
        ),
        (
            lambda: affect.corruption.TimeShift(steps=2e9),
            "TimeShift: steps must be between -1e9 and 1e9, got 2000000000.0",
        ),
    ],
)
def test_refusals(ask, message):
    with pytest.raises(ConfigError) as caught:
        ask()
    assert str(caught.value) == message


def test_a_class_of_somebody_else_gives_names_its_own_meaning():
    class Own(affect.Fusion):
        def __init__(self, dims, out_dim, layers=(), dropout="none"):
            super().__init__(dims, out_dim)
            self.layers, self.dropout = layers, dropout

    assert Own(DIMS, 8, layers=[64, -1], dropout="strong").layers == [64, -1]

    class Narrow(affect.fusion.LowRankFusion):
        def __init__(self, dims, out_dim):
            super().__init__(dims, out_dim, rank=0)

    with pytest.raises(ConfigError, match=r"^Narrow: rank must be at least 1, got 0$"):
        Narrow(DIMS, 8)


def test_signatures_stay_what_was_written():
    written = inspect.signature(affect.fusion.LowRankFusion)
    assert [*written.parameters] == ["dims", "out_dim", "rank", "dropout", "pooling"]
    made = functools.partial(affect.fusion.LowRankFusion, rank=2)
    assert made(DIMS, 8).out_dim == 8


def test_numbers_of_numpy_are_numbers():
    COUNT.check("any", np.int64(3))
    NOT_NEGATIVE.check("any", np.float32(0))
    for bounds in ARGUMENTS.values():
        with pytest.raises(ConfigError):
            bounds.check("any", np.float64("nan"))


def test_every_field_of_a_training_that_is_a_number_has_bounds():
    for one in fields(Training):
        if isinstance(one.default, int | float) and not isinstance(one.default, bool):
            with pytest.raises(ConfigError):
                Training(**{one.name: math.nan})


def split_of(samples):
    return {
        "ecg": np.ones((samples, 2, 2), "f4"),
        "eeg": np.ones((samples, 2, 2), "f4"),
        "y": np.arange(samples),
    }


WHOLE = affect.Corpus.from_arrays({"all": split_of(6)}, {"y": "regression"}, aligned=True)
CORPUS = affect.Corpus.from_arrays(
    dict.fromkeys(("train", "valid", "test"), split_of(6)), {"y": "regression"}, aligned=True
)
MODEL = affect.FusionModel.for_corpus(CORPUS)
SUBSETS = robustness.modality_subsets()
ANSWERS = {"a": np.ones((1, 6)), "b": np.zeros((1, 6))}


def drawn(seed):
    with seeded(seed):
        pass


def measured(**given):
    return statistics.measure(metrics.mae, ANSWERS, np.arange(6.0), np.arange(6), **given)


def damaged(**given):
    return robustness.levels("loss", affect.corruption.StepDropout(), **given)(MODEL)


def searched(**given):
    Search(**given).check("doc")


FUNCTIONS = {
    "fold: fold": (lambda v: fold(WHOLE, v, 3), (0, 1)),
    "fold: folds": (lambda v: fold(WHOLE, 0, v), ()),
    "fold: valid_share": (lambda v: fold(WHOLE, 0, 3, v), (0.5,)),
    "carve: valid_share": (lambda v: carve(CORPUS, v), (0.5,)),
    "seeded": (drawn, (0, 1)),
    "for_corpus: seed": (lambda v: affect.FusionModel.for_corpus(CORPUS, seed=v), (0, 1)),
    "fit: seed": (lambda v: check_seed("fit", v), (0, 1)),
    "fit: fold": (lambda v: check_around("", v, None, [], [], False), (0, 1)),
    "batches: batch_size": (lambda v: affect.batches(CORPUS["train"], "y", batch_size=v), (1,)),
    "batches: seed": (lambda v: affect.batches(CORPUS["train"], "y", seed=v), (0, 1)),
    "batches: mixed": (lambda v: affect.batches(CORPUS["train"], "y", mixed=v), (0, 1)),
    "predict: batch_size": (lambda v: training.predict(MODEL, CORPUS["test"], batch_size=v), (1,)),
    "sweep: batch_size": (lambda v: sweep(MODEL, CORPUS["test"], SUBSETS, batch_size=v), (1,)),
    "sweep: seed": (lambda v: sweep(MODEL, CORPUS["test"], SUBSETS, seed=v), (0, 1)),
    "sweep: fold": (lambda v: sweep(MODEL, CORPUS["test"], SUBSETS, fold=v), (0, 1)),
    "levels: rate": (lambda v: damaged(values=[v]), (0, 0.5, 1)),
    "levels: draws": (lambda v: damaged(draws=v), (1,)),
    "protocol: draws": (lambda v: robustness.protocols.lnln(draws=v)(MODEL), (1,)),
    "measure: resamples": (lambda v: measured(resamples=v), (1,)),
    "measure: seed": (lambda v: measured(resamples=1, seed=v), (0, 1)),
    "measure: level": (lambda v: measured(resamples=1, level=v), (0.5,)),
    "corrected_t: test_share": (lambda v: statistics.corrected_t([0.0, 1.0], v), (0.5,)),
    "significantly_worse: level": (lambda v: significantly_worse([0.7], [[0.6]], v), (0, 0.5)),
    "search: seeds": (lambda v: searched(seeds=[v]), (0, 1)),
    "search: fold": (lambda v: searched(fold=v), (0, 1)),
    "search: racing": (lambda v: searched(racing=v), (0, 0.5)),
    "search: seed": (lambda v: searched(seed=v), (0, 1)),
    "search: heartbeat": (lambda v: searched(heartbeat=v), (1,)),
    "tune: trials": (lambda v: tune("gone.yaml", "out", trials=v), ()),
    "tune: timeout": (lambda v: tune("gone.yaml", "out", timeout=v), (0.5,)),
    "workers": (lambda v: processes(v).__enter__(), ()),
}
"""Functions that take a number, and which of `ABSURD` are right."""


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_refuse_absurd_numbers(name):
    ask, fine = FUNCTIONS[name]
    for value in ABSURD:
        if any(type(value) is type(one) and value == one for one in fine):
            continue
        with pytest.raises(ConfigError) as caught:
            ask(value)
        said = str(caught.value)
        assert name.partition(": ")[2] in said
        assert "\n" not in said
        assert len(said) < 200


@pytest.mark.parametrize(
    ("key", "fine"),
    [("seeds", (0,)), ("folds", (0,)), ("valid_share", (0.5,))],
)
def test_experiments_refuse_absurd_numbers(tmp_path, key, fine):
    path = tmp_path / "experiment.yaml"
    for value in ABSURD:
        if value in fine and not isinstance(value, bool) or isinstance(value, int) and abs(value) > 10**40:
            continue
        content = {"corpus": "synthetic", "models": {"a": {}}, key: [value] if key == "seeds" else value}
        path.write_text(yaml.safe_dump(content))
        with pytest.raises(ConfigError, match=key):
            experiments.load(path)


FLAGS = {
    "train good.yaml --seeds": (0,),
    "bench good.yaml --jobs": (),
    "bench good.yaml --epochs": (),
    "tune good.yaml --trials": (),
    "tune good.yaml --timeout": (0.5,),
    "sweep runs --draws": (),
    "retrieve runs -k": (),
    "align a --out b.safetensors --tolerance": (0, 0.5),
    "train good.yaml --memory": (0.5,),
}


@pytest.mark.parametrize("line", FLAGS)
def test_flags_refuse_absurd_numbers(line, capsys):
    for value in (-1, 0, math.nan, math.inf, 1e300, True, "9" * 5000, -(10**30), "", [], 0.5):
        if value in FLAGS[line] and not isinstance(value, bool):
            continue
        with pytest.raises(SystemExit) as ended:
            parse([*line.split()[:-1], f"{line.split()[-1]}={value}"])
        assert ended.value.code == 2
        said = capsys.readouterr().err
        assert f"{line.split()[-1]}: must be " in said
        assert said.count("\n") == 1
        assert len(said) < 200
