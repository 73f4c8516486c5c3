"""A search on one fold: what it found is tested on the samples alone that it never saw."""

from dataclasses import replace

import pytest
import yaml

import affect
from affect.benchmark import bench
from affect.cli import main
from affect.data.contents import corpus_digest
from affect.data.corpus import Split
from affect.data.native import save
from affect.errors import ConfigError
from affect.results import compare, gather, summarise
from affect.runs import FinishedRun, check_jobs, jobs_of
from affect.tuning import task_of, tune

SMALL = {
    "corpus": "whole.safetensors",
    "folds": 3,
    "training": {"epochs": 1},
    "model": {"width": 4},
    "search": {"seeds": [0], "fresh": [10, 11], "space": {"model.*": "fixed"}},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A corpus without official splits, a configuration of it, and a search on its second fold."""
    folder = tmp_path_factory.mktemp("folds")
    corpus = affect.load("synthetic:additive")
    whole = Split.join(corpus.splits.values())
    save(replace(corpus, splits={"all": whole}), folder / "whole.safetensors")
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL))
    main(
        ["tune", str(folder / "small.yaml"), "--fold", "1", "--trials", "2", "--out", str(folder / "out")],
    )
    return folder


def changed(path, into, **keys):
    """The same configuration with other keys; those of None are left out."""
    content = {**yaml.safe_load(path.read_text()), **keys}
    into.write_text(yaml.safe_dump({key: value for key, value in content.items() if value is not None}))
    return into


def refusal(folder, then, now):
    return (
        f"{folder / 'whole.safetensors'}: this configuration was searched with `{then}`, and `{now}` would "
        f"test it on samples that the search saw; give `{then}`, or search it with `{now}`"
    )


def test_what_a_search_of_a_fold_found_is_tested_on_that_fold_alone(folder, tmp_path):
    best = folder / "out" / "best.yaml"
    jobs = jobs_of(best, tmp_path)
    assert [job.folder.name for job in jobs] == ["seed10-fold1", "seed11-fold1"]
    assert " on the validation split of fold 1.\n" in best.read_text()
    seen = task_of(folder / "small.yaml", fold=1).corpus()
    seen = {sample for split in seen.splits.values() for sample in split.ids}
    for job in jobs:
        tested = FinishedRun.read(job.run()).table("predictions").query("split == 'test'")["id"]
        assert len(tested)
        assert not seen & {*tested}


def test_the_log_says_which_fold_is_tested(folder, tmp_path, caplog):
    tune(folder / "small.yaml", tmp_path, trials=1, quiet=True, fresh=[])
    (line,) = (one.message for one in caplog.records if "fold" in one.message)
    assert line.endswith(
        ": searched on fold 0 of 3; what was found is trained and tested on that fold alone, as the search "
        "saw the test samples of the others"
    )


@pytest.mark.parametrize(
    ("keys", "now"),
    [
        ({"fold": None}, "folds: 3, fold: 0"),
        ({"fold": 2}, "folds: 3, fold: 2"),
        ({"folds": 4}, "folds: 4, fold: 1"),
        ({"folds": None, "fold": None}, "folds: 0"),
    ],
)
def test_train_refuses_to_test_what_was_searched(keys, now, folder, tmp_path):
    path = changed(folder / "out" / "best.yaml", tmp_path / "edited.yaml", **keys)
    with pytest.raises(SystemExit) as refused:
        main(["train", str(path), "--out", str(tmp_path / "runs")])
    assert str(refused.value) == f"ConfigError: {refusal(folder, 'folds: 3, fold: 1', now)}"
    assert not (tmp_path / "runs").exists()
    with pytest.raises(ConfigError, match="would test it on samples that the search saw"):
        jobs_of(path, tmp_path / "runs")[0].run()


def test_so_does_the_configuration_of_a_run(folder, tmp_path):
    (run,) = (folder / "out" / "runs").glob("trial*/seed10-fold1")
    jobs = jobs_of(run / "config.yaml", tmp_path)
    assert [job.folder.name for job in jobs] == ["seed10-fold1"]
    path = changed(run / "config.yaml", tmp_path / "edited.yaml", fold=None)
    with pytest.raises(ConfigError, match="was searched with `folds: 3, fold: 1`"):
        check_jobs(jobs_of(path, tmp_path), path)


def test_a_further_search_stays_on_the_fold_or_is_refused(folder):
    best = folder / "out" / "best.yaml"
    assert task_of(best).search.fold == 1
    with pytest.raises(ConfigError) as refused:
        task_of(best, fold=0)
    assert str(refused.value) == refusal(folder, "folds: 3, fold: 1", "folds: 3, fold: 0")


def test_another_corpus_is_not_compared(folder, tmp_path):
    other = {"corpus": "synthetic:additive", "folds": None, "fold": None}
    path = changed(folder / "out" / "best.yaml", tmp_path / "other.yaml", **other)
    check_jobs(jobs_of(path, tmp_path), path)


@pytest.mark.parametrize("digest", [corpus_digest("synthetic:additive"), None])
def test_official_splits_are_not_cut_after_a_search(digest, tmp_path):
    """Without a digest no corpus is known to be another one."""
    content = {"corpus": "synthetic:additive", "searched": {"corpus": digest, "folds": 0}}
    path = tmp_path / "best.yaml"
    path.write_text(yaml.safe_dump(content))
    check_jobs(jobs_of(path, tmp_path), path)
    path.write_text(yaml.safe_dump({**content, "folds": 5}))
    with pytest.raises(ConfigError) as refused:
        check_jobs(jobs_of(path, tmp_path), path)
    assert str(refused.value) == (
        "synthetic:additive: this configuration was searched with `folds: 0`, and `folds: 5, fold: 0` would "
        "test it on samples that the search saw; give `folds: 0`, or search it with `folds: 5, fold: 0`"
    )


def test_what_no_search_wrote_is_refused(tmp_path):
    path = tmp_path / "best.yaml"
    path.write_text("{corpus: synthetic, searched: {fold: 1.5}}")
    with pytest.raises(ConfigError) as refused:
        jobs_of(path, tmp_path)
    assert str(refused.value) == f"{path}: searched.fold: expected int, got 1.5"


def test_a_bench_runs_the_fold_and_refuses_the_others(folder, tmp_path):
    best = yaml.safe_load((folder / "out" / "best.yaml").read_text())
    own = {**best["model"], "training": best["training"], "searched": best["searched"]}
    shared = {"corpus": best["corpus"], "seeds": [0, 1], "folds": 3, "models": {"plain": {}, "best": own}}
    path = tmp_path / "experiment.yaml"
    path.write_text(yaml.safe_dump(shared))
    with pytest.raises(ConfigError) as refused:
        bench(path, tmp_path / "out", quiet=True, epochs=1)
    assert str(refused.value) == refusal(folder, "folds: 3, fold: 1", "folds: 3, fold: 0")
    assert not (tmp_path / "out").exists()
    path.write_text(yaml.safe_dump({**shared, "fold": 1}))
    bench(path, tmp_path / "out", quiet=True, epochs=1)
    runs = [FinishedRun.read(found.parent) for found in (tmp_path / "out").glob("runs/*/*/run.json")]
    assert sorted((run.name, run.seed, run.fold) for run in runs) == [
        ("best", 0, 1), ("best", 1, 1), ("plain", 0, 1), ("plain", 1, 1)
    ]  # fmt: skip


def test_one_fold_for_all_is_compared_by_samples(folder):
    """Verdicts over folds need two of them."""
    runs = [FinishedRun.read(found.parent) for found in (folder / "out" / "runs").glob("*/*/run.json")]
    (own,) = gather(runs)
    assert {*own.folds} == {1}
    assert len(own.predictions) == 2
    assert (summarise([own])["seeds"] == 2).all()
    (pair,) = compare([own], ["mae"]).to_dict("records")
    assert pair["p"] >= 0


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"fold": 3}, "fold must be at least 0 and below `folds: 3`, got 3"),
        ({"fold": -1}, "fold must be at least 0 and below `folds: 3`, got -1"),
        ({"folds": 0, "fold": 0}, "fold must be at least 0 and below `folds: 0`, got 0"),
    ],
)
def test_a_fold_that_there_is_not_is_refused(keys, message, folder, tmp_path):
    path = changed(folder / "small.yaml", tmp_path / "small.yaml", **keys)
    with pytest.raises(ConfigError) as refused:
        jobs_of(path, tmp_path)
    assert str(refused.value) == f"{path}: {message}"
    content = {"corpus": "synthetic", "models": {"plain": {}}, "folds": 3, **keys}
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError) as refused:
        affect.benchmark.load(path)
    assert str(refused.value) == f"{path}: {message}"


def test_a_fold_of_official_splits_cannot_be_searched(tmp_path):
    path = tmp_path / "plain.yaml"
    path.write_text("corpus: synthetic\n")
    with pytest.raises(ConfigError) as refused:
        task_of(path, fold=2)
    assert str(refused.value) == f"{path}: search: fold 2 of no folds; give `folds`, or leave it out"
