"""What a search may vary: declared by the classes in use, and changed by the section `space`."""

import importlib
import inspect

import optuna
import pytest
import yaml
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from affect.data.sources import load
from affect.errors import ConfigError
from affect.runs.configuration import parse, resolve
from affect.runs.parts import ROOMS
from affect.runs.studies import quietly
from affect.tuning.collecting import including, space_of
from affect.tuning.search import with_parts

CONTENT = {
    "corpus": "synthetic",
    "model": {"fusion": {"class_path": "LowRankFusion", "init_args": {"rank": 8}}, "width": 16},
    "training": {"learning_rate": 0.003, "batch_size": 32},
}


@pytest.fixture(scope="module")
def corpus():
    return load("synthetic:mosi_aligned:12").without("test")


def space(corpus, changes=None, content=None):
    content = resolve(content or CONTENT, "doc")
    return space_of(with_parts(content, corpus, changes or {}, "doc"), changes or {}, "doc")


def ranges(found):
    return {parameter.name: parameter.distribution for parameter, _ in found.every()}


def drawn(found, count, seed=0):
    """Configurations that a search might come upon."""
    with quietly():
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
        return [found.suggest(study.ask()) for _ in range(count)]


def test_every_part_in_use_says_what_varies(corpus):
    found = ranges(space(corpus))
    assert found["model.fusion.LowRankFusion.rank"] == IntDistribution(1, 16, log=True)
    assert found["model.encoder.PooledEncoder.dropout"] == FloatDistribution(0.0, 0.5)
    assert found["model.head.RegressionHead.dropout"] == FloatDistribution(0.0, 0.5)
    assert found["training.learning_rate"] == FloatDistribution(1e-4, 1e-2, log=True)
    assert found["model.width"] == IntDistribution(16, 64, step=16)


def test_a_corruption_and_what_lies_within_a_part_vary_too(corpus):
    content = {
        "corpus": "synthetic",
        "model": {
            "fusion": {"class_path": "GatedShiftFusion", "init_args": {"encoder": "TransformerEncoder"}}
        },
        "training": {
            "corruption": {
                "class_path": "Compose",
                "init_args": {"parts": ["ModalityDropout", "GaussianNoise"]},
            }
        },
    }
    found = ranges(space(corpus, content=content))
    assert found["model.fusion.GatedShiftFusion.encoder.TransformerEncoder.layers"]
    assert found["training.corruption.Compose.0.ModalityDropout.rate"] == FloatDistribution(0.0, 0.9)
    assert found["training.corruption.Compose.1.GaussianNoise.snr"]


def test_an_encoder_that_no_modality_has_does_not_vary(corpus):
    content = {"corpus": "synthetic", "model": {"encoders": dict.fromkeys(corpus.dims, "LSTMEncoder")}}
    found = ranges(space(corpus, content=content))
    assert "model.encoders.visual.LSTMEncoder.layers" in found
    assert not [name for name in found if name.startswith("model.encoder.")]


def test_the_configuration_is_always_in_the_space(corpus):
    content = {
        "corpus": "synthetic",
        "model": {
            "width": 8,
            "fusion": {"class_path": "LowRankFusion", "init_args": {"rank": 40, "dropout": 0.7}},
        },
        "training": {"learning_rate": 0.05, "batch_size": 24, "weight_decay": 0.0},
    }
    found = space(corpus, content=content)
    start = found.start({}, "doc")
    assert start["model.width"] == 8
    assert start["model.fusion.LowRankFusion.rank"] == 40
    assert start["training.batch_size"] == 24
    assert start["training.weight_decay"] == 0.0
    filled, said = found.fill(lambda parameter: parameter.default)
    assert said == start
    assert filled["model"]["fusion"]["init_args"] == {"rank": 40, "dropout": 0.7, "pooling": None}


def test_ranges_grow_as_far_as_the_value():
    assert including(FloatDistribution(1e-4, 0.3, log=True), 0.0) == FloatDistribution(0.0, 0.3)
    assert including(IntDistribution(1, 16, log=True), 40) == IntDistribution(1, 40, log=True)
    assert including(IntDistribution(16, 128, step=16), 50) == IntDistribution(16, 128, step=2)
    assert including(CategoricalDistribution((16, 32)), 24) == CategoricalDistribution((16, 32, 24))


def test_the_section_narrows_fixes_and_adds(corpus):
    changes = {
        "training.learning_rate": {"high": 0.005},
        "training.batch_size": 64,
        "training.patience": {"low": 5, "high": 20},
        "model.*.dropout": {"high": 0.2},
        "model.encoder": "fixed",
        "model.fusion.LowRankFusion.rank": [2, 4],
        "model.width": {"low": 8, "high": 64, "log": True},
    }
    found = space(corpus, changes)
    known = ranges(found)
    assert known["training.learning_rate"] == FloatDistribution(1e-4, 0.005, log=True)
    assert "training.batch_size" not in known
    assert known["training.patience"] == IntDistribution(5, 20)
    assert known["model.fusion.LowRankFusion.dropout"] == FloatDistribution(0.0, 0.2)
    assert not [name for name in known if name.startswith("model.encoder.")]
    assert known["model.fusion.LowRankFusion.rank"] == CategoricalDistribution((2, 4))
    assert known["model.width"] == IntDistribution(8, 64, log=True)
    content = found.fill(lambda parameter: parameter.default)[0]
    assert content["training"]["batch_size"] == 64
    assert content["model"]["fusion"]["init_args"]["rank"] == 2  # 8 cannot be drawn


def test_a_choice_brings_each_branch_with_its_own_parameters(corpus):
    changes = {
        "model.fusion": ["ConcatenationFusion", "LowRankFusion"],
        "model.fusion.LowRankFusion.dropout": "fixed",
    }
    found = space(corpus, changes)
    when = {parameter.name: dict(conditions) for parameter, conditions in found.every()}
    assert when["model.fusion.LowRankFusion.rank"] == {"model.fusion": ("LowRankFusion",)}
    assert "model.fusion.LowRankFusion.dropout" not in when
    start = found.start({}, "doc")
    assert start["model.fusion"] == "LowRankFusion"
    assert start["model.fusion.LowRankFusion.rank"] == 8  # a bare name is the configuration's own part
    assert "model.fusion.ConcatenationFusion.layers" not in start
    for content in drawn(found, 12):
        fusion = content["model"]["fusion"]
        assert ("rank" in fusion["init_args"]) == fusion["class_path"].endswith("LowRankFusion")


def test_branches_may_have_names_and_be_nothing(corpus):
    changes = {
        "model.fusion": {
            "average": {"class_path": "LateFusion", "init_args": {"weighted": False}},
            "weighted": {"class_path": "LateFusion", "init_args": {"weighted": True}},
        },
        "model.fusion.*.weighted": "fixed",
        "training.corruption": [None, "ModalityDropout"],
        "model.encoders.acoustic": ["PooledEncoder", "LSTMEncoder"],
    }
    found = space(corpus, changes)
    seen = drawn(found, 30)
    assert {content["model"]["fusion"]["init_args"]["weighted"] for content in seen} == {True, False}
    assert {content["training"]["corruption"] is None for content in seen} == {True, False}
    assert len({content["model"]["encoders"]["acoustic"]["class_path"] for content in seen}) == 2
    assert found.start({}, "doc")["training.corruption"] == "none"


def test_a_condition_decides_whether_a_parameter_matters(corpus):
    changes = {
        "training.corruption": [None, "ModalityDropout"],
        "training.consistency": {"low": 0.1, "high": 1.0, "when": {"training.corruption": "ModalityDropout"}},
    }
    found = space(corpus, changes)
    for content in drawn(found, 20):
        damaged = content["training"]["corruption"] is not None
        assert (content["training"]["consistency"] > 0) == damaged
        parse(content, "doc")  # consistency without a corruption would be refused


def test_a_finished_trial_gives_its_configuration_again(corpus):
    found = space(corpus, {"model.fusion": ["ConcatenationFusion", "LowRankFusion"]})
    with quietly():
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
        trial = study.ask()
        content = found.suggest(trial)
        study.tell(trial, 1.0)
    assert found.suggest(study.trials[0]) == content


def test_what_is_shown_is_the_section_that_says_it(corpus):
    changes = {
        "model.fusion": ["ConcatenationFusion", "LowRankFusion"],
        "training.patience": {"low": 5, "high": 20},
    }
    found = space(corpus, changes)
    said = yaml.safe_load(found.written())["search"]["space"]
    assert ranges(space(corpus, said)) == ranges(found)


def test_a_start_may_lie_on_any_step_of_a_range(corpus):
    found = space(corpus, {"training.gradient_clip": {"low": 0.0, "high": 1.0, "step": 0.1}})
    assert found.start({"training.gradient_clip": 0.3}, "doc")["training.gradient_clip"] == 0.3
    with pytest.raises(ConfigError, match=r"training.gradient_clip: 0.35 is not in"):
        found.start({"training.gradient_clip": 0.35}, "doc")


CLASSES = [
    pytest.param(room, cls, id=f"{room}-{cls.__name__}")
    for room, (module, base) in ROOMS.items()
    for cls in vars(importlib.import_module(module)).values()
    if inspect.isclass(cls)
    and issubclass(cls, getattr(importlib.import_module(module), base))
    and getattr(cls, "search_space", None)
    and cls.__name__ not in ("ProjectedFusion", "ModalityLoss", "StepLoss", "Term")
]


@pytest.mark.parametrize(("room", "cls"), CLASSES)
def test_whatever_a_class_declares_its_constructor_takes(room, cls, corpus):
    arguments = inspect.signature(cls).parameters
    assert set(cls.search_space) <= set(arguments)
    if cls.__name__ in ("EmbeddingEncoder", "PretrainedEncoder", "SpeakerEncoder") or room in (
        "head",
        "objective",
    ):
        return  # need words, parties, weights, or another target
    path = f"{cls.__module__}.{cls.__qualname__}"
    section = {"corruption": "training", "objective": None}.get(room, "model")
    content = {"corpus": "synthetic", section: {room: path}}
    if room == "term":
        content = {"corpus": "synthetic", "terms": {"own": path}}
    if room == "encoder":
        content = {"corpus": "synthetic", "model": {"encoders": {"acoustic": path}}}
    found = space(corpus, content=content)
    given = {name for name in cls.search_space if arguments[name].default is not None}
    assert {name.rpartition(".")[2] for name in ranges(found)} >= given
    for each in drawn(found, 2):
        parse(each, "doc").model.for_corpus(corpus, None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"model.fuson": ["LowRankFusion"]},
            "doc: search.space: 'model.fuson' names nothing of this model; did you mean 'model.fusion'? known: ",
        ),
        (
            {"training.batch_size": {"lo": 1}},
            "doc: search.space: training.batch_size: no key 'lo'; did you mean 'low'? "
            "known: choices, high, log, low, step, when",
        ),
        (
            {"training.patience": {"low": 5}},
            "doc: search.space: training.patience: expected low and high, a list, a value or fixed, got {'low': 5}",
        ),
        (
            {"training.learning_rate": {"low": 1.0, "high": 0.1}},
            "doc: search.space: training.learning_rate: `low <= high` must hold, but got (low=1.0, high=0.1).",
        ),
        (
            {"training.learning_rate": {"low": 0.0}},
            "doc: search.space: training.learning_rate: `low > 0` must hold for `log=True`, but got (low=0.0, high=0.01).",
        ),
        (
            {"training.batch_size": []},
            "doc: search.space: training.batch_size: expected numbers or words, got []",
        ),
        (
            {"model.fusion": "LowRankFusion"},
            "doc: search.space: model.fusion: expected a list of classes, or names and classes, got 'LowRankFusion'",
        ),
        (
            {"model.fusion": ["LowRankFusin"]},
            "doc: search.space: model.fusion: fusion: no Fusion 'LowRankFusin' in affect.fusion; "
            "did you mean 'LowRankFusion'? known: ",
        ),
        (
            {"model.fusion": ["LateFusion", {"class_path": "LateFusion"}]},
            "doc: search.space: model.fusion: two of one class; name them, as in {shallow: ..., deep: ...}",
        ),
        (
            {"training.consistency": {"low": 0.0, "high": 1.0, "when": {"training.corupt": 1}}},
            "doc: search.space: 'training.corupt' names nothing of this model; did you mean 'training.corruption'? known: ",
        ),
    ],
)
def test_what_names_nothing_is_refused(changes, message, corpus):
    with pytest.raises(ConfigError) as refused:
        space(corpus, changes)
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"training.learning_rate": 5.0},
            "doc: training.learning_rate: 5.0 is not in {low: 0.0001, high: 0.01, log: true}; widen it in search.space",
        ),
        (
            {"model.fusion.TensorFusion.dropout": 0.1},
            "doc: 'model.fusion.TensorFusion.dropout' does not vary there; ",
        ),
    ],
)
def test_a_start_outside_the_space_is_refused(given, message, corpus):
    with pytest.raises(ConfigError) as refused:
        space(corpus).start(given, "doc")
    assert str(refused.value).startswith(message)
