"""A search of a training in stages: every stage is trained, and the last one alone is looked at."""

import pytest
import yaml
from optuna.trial import TrialState
from small_corpus import small

import affect
from affect.errors import ConfigError, DataError
from affect.runs.planning import check_jobs, jobs_of
from affect.runs.studies import load, open_storage, quietly, sqlite
from affect.tuning import task_of, tune
from affect.tuning.search import held

WEIGHT = "stages.pairs.terms.bind.Contrast.weight"
EPOCHS = "stages.pairs.training.epochs"
PAIRS = {
    "name": "pairs", "supervised": 0, "corpus": "data/pairs.affect", "training": {"learning_rate": 0.01},
    "terms": {"bind": {"class_path": "Contrast", "init_args": {"width": 4}}},
}  # fmt: skip
CONTENT = {
    "corpus": "whole.affect",
    "model": {"width": 4},
    "training": {"epochs": 2, "batch_size": 8},
    "stages": [PAIRS, {"name": "labels", "training": {"learning_rate": 0.001}}],
}
SPACE = {"model.*": "fixed", "training.*": "fixed", "stages.*": "fixed", WEIGHT: [0.1, 1.0], EPOCHS: [1, 3]}


@pytest.fixture
def folder(tmp_path):
    small(tmp_path / "whole.affect")
    small(tmp_path / "data" / "pairs.affect")
    return tmp_path


def written(folder, search, **changes):
    path = folder / "staged.yaml"
    search = {"metric": "mae", "seeds": [0], "fresh": [], **search}
    path.write_text(yaml.safe_dump({**CONTENT, **changes, "search": search}, sort_keys=False))
    return path


def varying(path):
    return {parameter.name for parameter, _ in task_of(path).space.every()}


def test_what_a_stage_says_itself_varies(folder):
    names = varying(written(folder, {}))
    rates = {f"stages.{stage}.training.learning_rate" for stage in ("pairs", "labels")}
    assert {name for name in names if name.startswith("stages")} >= {*rates, WEIGHT}
    assert "training.learning_rate" not in names  # which no stage has
    assert "training.weight_decay" in names
    named = {
        "stages.labels.training.weight_decay": {"low": 0.01, "high": 0.1},
        "stages.labels.supervised": [0.5, 1],
    }
    assert varying(written(folder, {"space": named})) == names | {*named}
    fixed = {"model.*": "fixed", "training.*": "fixed", "stages.*": "fixed"}
    assert not varying(written(folder, {"space": fixed}))


def test_all_stages_are_trained_and_the_last_one_is_looked_at(folder):
    start = [{WEIGHT: 1.0, EPOCHS: 3}]
    path = written(folder, {"space": SPACE, "start": start})
    done = tune(path, folder / "out", trials=2, quiet=True)
    assert [trial.params for trial in done.study.trials] == [{WEIGHT: 0.1, EPOCHS: 1}, start[0]]
    assert [trial.user_attrs["epochs"] for trial in done.study.trials] == [1 + 2, 3 + 2]
    for trial in done.study.trials:
        assert [*trial.intermediate_values] == [0, 1, 2]  # two epochs, and the mean of the seeds
        assert trial.intermediate_values[1] == trial.value
    (best,) = done.chosen.values()
    kept = yaml.safe_load((folder / "out" / "best.yaml").read_text(encoding="utf-8"))
    first = kept["stages"][0]
    assert first["terms"]["bind"]["init_args"]["weight"] == best.params[WEIGHT]
    assert first["training"]["epochs"] == best.params[EPOCHS]
    assert first["corpus"] == str(folder.resolve() / "data" / "pairs.affect")
    (job,) = jobs_of(folder / "out" / "best.yaml", folder / "runs")
    check_jobs([job], folder / "out" / "best.yaml")


def test_a_worker_refuses_another_corpus_of_a_stage(folder):
    task, place = task_of(written(folder, {"space": SPACE})), folder.resolve() / "data" / "pairs.affect"
    small(place, shift=1.0)
    with pytest.raises(
        DataError, match=r"pairs\.affect: a worker reads another corpus than the search began"
    ):
        held(str(place), task.stage_digests["pairs"], affect.load(place))


def test_a_pruner_sees_the_last_stage_alone(folder):
    pruner = {"class_path": "ThresholdPruner", "init_args": {"upper": -2.0}}
    path = written(folder, {"space": SPACE, "pruner": pruner})
    with pytest.raises(DataError, match="is complete; give it more time"):
        tune(path, folder / "out", trials=1, quiet=True)
    with quietly():
        storage = open_storage(sqlite(folder / "out" / "study.db"))
        (trial,) = load(storage, storage.get_all_studies()[0].study_name).trials
    assert trial.state == TrialState.PRUNED
    assert trial.user_attrs["epochs"] == 1 + 1


@pytest.mark.parametrize(
    ("search", "changes", "message"),
    [
        (
            {"space": {"stages.pair.training.epochs": [1, 2]}}, {},
            "search.space: 'stages.pair.training.epochs' names nothing of this model; did you mean "
            "'stages.pairs.training.epochs'?",
        ),
        (
            {}, {"stages": [{**PAIRS, "terms": {"alike": "Similarity"}}, {"name": "labels"}]},
            "the configuration: terms: alike: Similarity needs shared, which ConcatenationFusion does not offer",
        ),
        (
            {}, {"stages": [{**PAIRS, "corpus": "synthetic:mosi_aligned:12"}, {"name": "labels"}]},
            "the configuration: stages: pairs: corpus: text of synthetic:mosi_aligned:12 has feature size 768",
        ),
        ({}, {"stages": [PAIRS]}, "the configuration: stages: the last, 'pairs', has to learn the label"),
    ],
)  # fmt: skip
def test_what_cannot_be_searched_is_one_line(search, changes, message, folder):
    path = written(folder, search, **changes)
    with pytest.raises(ConfigError) as told:
        task_of(path)
    assert str(told.value).startswith(f"{path}: {message}")
    assert "\n" not in str(told.value)
