"""What a search promises: what it looks at, what it leaves, and what it refuses."""

import json
import re
from dataclasses import replace

import numpy as np
import optuna
import pandas as pd
import pytest
import yaml
from forks import server
from optuna.trial import TrialState

import affect
from affect.cli import main
from affect.data.corpus import Split
from affect.data.native import save
from affect.errors import ConfigError, DataError
from affect.report import write_pages
from affect.runs.studies import SEEDS, finished_trials, load, open_storage, quietly, sqlite
from affect.training import Training
from affect.tuning import Search, task_of, tune
from affect.tuning.working import pruner_of, sampler_of

SMALL = {
    "corpus": "synthetic:interaction",
    "training": {"epochs": 2, "learning_rate": 0.01, "batch_size": 256},  # a few steps
    "model": {"encoder": {"class_path": "PooledEncoder", "init_args": {"layers": 0}}, "width": 8},
    "search": {
        "metric": "pearson",
        "seeds": [0, 1],
        "fresh": [10, 11],
        "space": {
            "model.fusion": ["ConcatenationFusion", "LowRankFusion"],
            "model.width": [4, 8],
            "model.encoder": "fixed",
            "training.batch_size": "fixed",
        },
    },
}


def write(folder, search=None, **content):
    """A configuration with its section, as a file."""
    path = folder / "small.yaml"
    plain = {**SMALL, **content, "search": {**SMALL["search"], **(search or {})}}
    path.write_text(yaml.safe_dump(plain, sort_keys=False))
    return path


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """A small search that nothing befell."""
    folder = tmp_path_factory.mktemp("search")
    return tune(write(folder), folder / "out", trials=6, quiet=True), folder


def test_the_first_trial_is_the_configuration(found):
    first = found[0].study.trials[0]
    assert first.user_attrs["start"] == "the configuration"
    assert first.params["training.learning_rate"] == 0.01
    assert first.params["model.fusion"] == "ConcatenationFusion"


def test_a_trial_is_the_mean_of_its_seeds(found):
    for trial in found[0].study.get_trials(states=(TrialState.COMPLETE,)):
        assert len(trial.user_attrs[SEEDS]) == 2
        assert trial.value == pytest.approx(np.mean(trial.user_attrs[SEEDS]))


def test_what_was_found_is_tested_beside_the_configuration(found):
    result, folder = found
    assert result.study.best_trial.value >= result.study.trials[0].value
    rows = result.summary.query("metric == 'pearson'").set_index("model")
    assert [*rows.index] == ["default", f"trial {result.study.best_trial.number}"]
    assert (rows["seeds"] == 2).all()
    assert rows["low"].notna().all()
    for name in ("results", "comparisons", "costs", "trials"):
        assert len(pd.read_csv(folder / "out" / f"{name}.csv"))
    assert [path.name for path in write_pages(folder / "out")] == ["report.html"]
    assert "which was read once for each run" in (folder / "out" / "notes.txt").read_text()


def test_the_best_configuration_trains(found, tmp_path, capsys):
    result, _ = found
    (path,) = result.files.values()
    assert path.name == "best.yaml"
    content = yaml.safe_load(path.read_text())
    best = result.study.best_trial.params
    assert content["training"]["learning_rate"] == best["training.learning_rate"]
    assert content["model"]["width"] == best["model.width"]
    assert content["seeds"] == [10, 11]
    main(["train", str(path), "--seeds", "10", "--out", str(tmp_path)])
    (values,) = re.findall(r"pearson (-?[\d.]+)", capsys.readouterr().out)
    rows = pd.concat(pd.read_csv(p) for p in (path.parent / "runs").glob("trial*/seed10-fold0/results.csv"))
    assert float(values) == pytest.approx(
        rows.query("split == 'test' and metric == 'pearson'")["value"], abs=6e-4
    )


def test_the_table_of_trials_says_everything(found):
    table = pd.read_csv(found[1] / "out" / "trials.csv")
    assert [*table["trial"]] == [*range(6)]
    complete = table[table["state"] == "complete"]
    assert (complete["epochs"] == 4).all()
    assert complete["pearson"].notna().all()
    assert {"model.fusion", "training.learning_rate"} <= {*table.columns}


def test_the_same_seed_finds_the_same_again(found, tmp_path):
    again = tune(write(tmp_path), tmp_path / "out", trials=6, quiet=True, fresh=[])
    ours, theirs = ([(t.params, t.values) for t in study.trials] for study in (again.study, found[0].study))
    assert ours == theirs
    other = tune(write(tmp_path), tmp_path / "other", trials=3, quiet=True, seed=1, fresh=[])
    assert other.study.trials[2].params != again.study.trials[2].params


def test_the_same_command_joins_and_ends_where_enough_is_done(tmp_path):
    path = write(tmp_path, {"fresh": []})
    tune(path, tmp_path / "out", trials=2, quiet=True)
    more = tune(path, tmp_path / "out", trials=4, quiet=True, workers=2)
    assert len(finished_trials(more.study)) in (4, 5)
    again = tune(path, tmp_path / "out", trials=4, quiet=True)
    assert len(again.study.trials) == len(more.study.trials)


def test_a_changed_configuration_is_another_study(tmp_path):
    first = tune(write(tmp_path, {"fresh": []}), tmp_path / "out", trials=1, quiet=True)
    changed = write(tmp_path, {"fresh": []}, training={"epochs": 1})
    other = tune(changed, tmp_path / "out", trials=1, quiet=True)
    assert first.study.study_name != other.study.study_name
    assert len(other.study.trials) == 1


@pytest.mark.parametrize("model", [{}, {"baseline": "MultipleKernelSVM"}], ids=["torch", "baseline"])
def test_the_search_never_sees_the_test_split(model, sealed, tmp_path):
    path = tmp_path / "small.yaml"
    search = {"seeds": [0], "fresh": [5]}
    path.write_text(
        yaml.safe_dump({"corpus": "synthetic", "training": {"epochs": 1}, "model": model, "search": search})
    )
    tune(path, tmp_path / "out", trials=3, quiet=True)
    assert sealed[:3] == ["valid"] * 3
    assert sealed[3:] == ["valid", "test"] * 2  # the configuration, and the best


def test_a_trial_that_cannot_be_done_says_why_and_the_search_goes_on(tmp_path):
    space = {"model.fusion": ["TensorFusion"], "model.width": [8, 2000]}
    done = tune(
        write(tmp_path, {"space": space, "fresh": [], "start": [{"model.width": 2000}]}),
        tmp_path / "out",
        trials=3,
        quiet=True,
    )
    (failed,) = [t for t in done.study.trials if t.number == 1]
    assert failed.state == TrialState.FAIL
    assert failed.user_attrs["failure"].startswith("TensorFusion: the outer product of")
    assert len(finished_trials(done.study)) == 3


def test_a_search_without_a_result_says_what_went_wrong(tmp_path):
    (tmp_path / "broken.py").write_text(
        "from affect.fusion import ConcatenationFusion\n\n\n"
        "class Broken(ConcatenationFusion):\n"
        "    def combine(self, vectors, present):\n"
        "        raise RuntimeError('broken on purpose')\n"
    )
    path = write(tmp_path, {"space": {}}, model={"fusion": "broken.Broken"})
    with pytest.raises(
        DataError, match=r"no trial of 'small-\w+' is complete; the first one so: .*broken on purpose"
    ):
        tune(path, tmp_path / "out", trials=2, quiet=True)


def test_training_stops_when_the_pruner_says_so(tmp_path):
    search = {"pruner": {"class_path": "ThresholdPruner", "init_args": {"upper": -2.0}}, "fresh": []}
    with pytest.raises(DataError, match="is complete; give it more time"):
        tune(write(tmp_path, search), tmp_path / "out", trials=2, quiet=True)
    storage = open_storage(sqlite(tmp_path / "out" / "study.db"))
    (name,) = optuna.get_all_study_names(storage)
    trials = load(storage, name).trials
    assert [t.state for t in trials] == [TrialState.PRUNED] * 2
    assert [t.user_attrs["epochs"] for t in trials] == [1, 1]


def test_a_training_that_ends_early_stands_at_its_best(tmp_path):
    training = {"epochs": 8, "patience": 1, "learning_rate": 0.5, "monitor": "pearson"}
    done = tune(
        write(tmp_path, {"seeds": [0], "fresh": []}, training=training),
        tmp_path / "out",
        trials=1,
        quiet=True,
    )
    (trial,) = done.study.trials
    values = [value for _, value in sorted(trial.intermediate_values.items())]
    assert len(values) == 9  # every epoch, and the mean of the seeds
    assert values[:8] == sorted(values[:8])
    assert values[-1] == trial.value == pytest.approx(values[7])


def test_several_aims_make_a_front(tmp_path):
    metrics = ["pearson", "sample_megaflops", "mae: mean subset", "parameters"]
    done = tune(write(tmp_path, {"metric": metrics, "seeds": [0]}), tmp_path / "out", trials=4, quiet=True)
    assert done.study.metric_names == metrics
    assert [d.name for d in done.study.directions] == ["MAXIMIZE", "MINIMIZE", "MINIMIZE", "MINIMIZE"]
    assert {t.number for t in done.study.best_trials} == {t.number for t in done.chosen.values()}
    assert set(done.files) == set(done.chosen)
    assert all(path.is_file() and path.parent.name == "front" for path in done.files.values())
    assert set(done.summary["model"]) == {"default", *done.chosen}


def test_samplers_and_pruners_are_named_as_optuna_does():
    def made(**section):
        return Search(**SMALL["search"], **section)

    assert isinstance(sampler_of(made(), 0), optuna.samplers.TPESampler)
    assert isinstance(sampler_of(made(sampler="RandomSampler"), 0), optuna.samplers.RandomSampler)
    nested = {
        "class_path": "PatientPruner",
        "init_args": {"wrapped_pruner": {"class_path": "MedianPruner"}, "patience": 2},
    }
    assert isinstance(pruner_of(made(pruner=nested)), optuna.pruners.PatientPruner)
    with pytest.raises(ConfigError, match="did you mean 'RandomSampler'"):
        sampler_of(made(sampler="RandmSampler"), 0)


@pytest.mark.parametrize(
    ("search", "content", "message"),
    [
        ({"metrc": "mae"}, {}, "search: no key 'metrc'; did you mean 'metric'? known: "),
        ({"metric": "maee"}, {}, "search: no metric 'maee'; did you mean 'mae'? known: "),
        ({"seeds": []}, {}, "search: seeds is empty; give one at least"),
        ({"fresh": [1]}, {}, "search: seed 1 is in seeds and in fresh; what chose may not be tested with"),
        ({"racing": 1.0}, {}, "search: racing must be at least 0 and below 1, got 1.0"),
        ({"heartbeat": 0}, {}, "search: heartbeat must be at least 1 second, got 0"),
        (
            {"space": {"model.fusion": ["ConcatenationFusion", "MemoryFusion"]}},
            {"corpus": "synthetic:temporal"},
            "model.fusion = MemoryFusion: MemoryFusion: needs aligned sequences, and the corpus is not aligned; ",
        ),
        (
            {"start": [{"model.width": 5}]},
            {},
            "search: start 1: model.width: 5 is not in [4, 8]; widen it in search.space",
        ),
    ],
)
def test_what_cannot_be_searched_is_refused_before_anything_runs(search, content, message, tmp_path):
    path = write(tmp_path, search, **content)
    with pytest.raises(ConfigError) as refused:
        task_of(path)
    assert str(refused.value).startswith(f"{path}: {message}")
    assert not (tmp_path / "out").exists()


def test_a_fold_is_a_search_of_its_own(tmp_path):
    corpus = affect.load("synthetic:additive")
    whole = Split.join(corpus.splits.values())
    save(replace(corpus, splits={"all": whole}), tmp_path / "whole.safetensors")
    path = tmp_path / "folds.yaml"
    path.write_text(yaml.safe_dump({"corpus": "whole.safetensors", "folds": 3, "training": {"epochs": 1}}))
    zero, one = (task_of(path, fold=fold).corpus()["train"].ids for fold in (0, 1))
    assert set(zero) != set(one)


def test_a_plain_configuration_can_be_searched_as_it_is(tmp_path, capsys):
    path = tmp_path / "plain.yaml"
    path.write_text(yaml.safe_dump({"corpus": "synthetic", "training": {"epochs": 1}}))
    main(["tune", str(path), "--trials", "2", "--seeds", "0", "--fresh", "7", "--out", str(tmp_path / "out")])
    out = capsys.readouterr().out
    assert " on the validation split; affect train " in out
    assert f"affect train {tmp_path / 'out' / 'best.yaml'}" in out
    assert json.loads((tmp_path / "out" / "search.json").read_text())["configurations"] in (
        {"trial 0": "best.yaml"},
        {"trial 1": "best.yaml"},
    )


def test_training_declares_what_varies():
    assert set(Training.search_space) == {"learning_rate", "batch_size", "weight_decay"}


def test_the_command_shows_the_space_and_searches_nothing(tmp_path, capsys):
    path = write(tmp_path)
    main(["tune", str(path), "--show-space", "--out", str(tmp_path / "out")])
    said = yaml.safe_load(capsys.readouterr().out)["search"]["space"]
    assert said["model.fusion"] == ["ConcatenationFusion", "LowRankFusion"]
    assert not (tmp_path / "out").exists()


def test_training_reads_the_same_file(tmp_path, capsys):
    main(["train", str(write(tmp_path)), "--out", str(tmp_path / "runs")])
    assert ": test mae " in capsys.readouterr().out


def test_a_cluster_works_at_a_study(tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed", reason="needs affect[distributed]")
    monkeypatch.setattr("distributed.process.get_mp_context", server)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=str(tmp_path / "dask")
    ) as cluster:
        done = tune(
            write(tmp_path, {"fresh": [], "seeds": [0]}),
            tmp_path / "out",
            trials=4,
            quiet=True,
            backend="dask",
            address=cluster.scheduler_address,
        )
    assert len(finished_trials(done.study)) in (4, 5)


def test_nothing_stops_within_a_quarter_of_the_epochs():
    with quietly():
        study = optuna.create_study(pruner=pruner_of(Search(), 40))
        for _ in range(5):
            trial = study.ask()
            for epoch in range(40):
                trial.report(0.5, epoch)
            study.tell(trial, 0.5)
        worse = study.ask()
        stopped = []
        for epoch in range(12):
            worse.report(0.6, epoch)
            stopped.append(worse.should_prune())
    assert stopped == [False] * 10 + [True] * 2
