"""The weight of a term is searched: pruned within a seed, raced after it, and kept in best.yaml."""

import pytest
import yaml
from optuna.trial import TrialState
from small_corpus import small

from affect.cli import main
from affect.runs import FinishedRun
from affect.tuning import tune

WEIGHT = "terms.off.Off.weight"
TERM = '''
import torch

import affect


class Off(affect.objectives.terms.Term):
    """Draws every prediction to 3."""

    def forward(self, seen):
        return (seen.output.prediction - 3).square().mean()
'''


@pytest.fixture
def folder(tmp_path):
    """A small corpus, and a term that is the worse the larger its weight is."""
    small(tmp_path / "small.affect")
    (tmp_path / "off.py").write_text(TERM)
    return tmp_path


def written(folder, **changes):
    content = {
        "corpus": "small.affect",
        "model": {"width": 8},
        "training": {"epochs": 3, "batch_size": 8, "learning_rate": 0.01},
        "terms": {"off": {"class_path": "off.Off", "init_args": {"weight": 0.001}}},
        **changes,
    }
    path = folder / "searched.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def test_a_weight_is_pruned_and_raced_and_the_best_one_trains(folder):
    others = [0.002, 0.003]
    search = {
        "metric": "mae", "seeds": [0, 1, 2], "fresh": [], "racing": 0.05,
        "space": {"model.*": "fixed", "training.*": "fixed", WEIGHT: {"low": 0.001, "high": 1000.0, "log": True}},
        "pruner": {"class_path": "ThresholdPruner", "init_args": {"upper": 1.47}},
        "start": [{WEIGHT: weight} for weight in (*others, 0.05, 1000.0)],
    }  # fmt: skip
    path = written(folder, search=search)
    done = tune(path, folder / "out", trials=5, quiet=True)
    trials = done.study.trials
    assert [t.params[WEIGHT] for t in trials] == [0.001, *others, 0.05, 1000.0]
    complete, raced, pruned = trials[:3], trials[3], trials[4]
    assert {t.state for t in complete} == {TrialState.COMPLETE}
    assert raced.state == pruned.state == TrialState.PRUNED
    assert raced.user_attrs["epochs"] == 3
    assert len(raced.user_attrs["seeds"]) == 1
    assert pruned.user_attrs["epochs"] < 3
    best = min(complete, key=lambda trial: trial.value)
    kept = yaml.safe_load(done.files[f"trial {best.number}"].read_text(encoding="utf-8"))
    assert kept["terms"]["off"]["init_args"]["weight"] == best.params[WEIGHT]
    main(["train", str(folder / "out" / "best.yaml"), "--out", str(folder / "runs")])
    (run,) = (folder / "runs").glob("*/*/run.json")
    assert FinishedRun.read(run.parent).content["terms"] == kept["terms"]
