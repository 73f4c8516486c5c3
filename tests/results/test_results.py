"""Runs side by side: nothing is lost, mixed or compared with other samples than its own."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml

from affect import metrics
from affect.errors import ConfigError, DataError
from affect.results import compare, costs, gather, summarise
from affect.results.comparison import BETTER, EQUAL, MOST
from affect.results.tables import markdown, summary_tables
from affect.runs import find
from affect.statistics import corrected_t, measure, pairwise_tests

TRUTH = np.random.default_rng(0).uniform(-3, 3, 80).round(1)


def noisy(size, seed, truth=TRUTH):
    return truth + size * np.random.default_rng(seed).normal(size=len(truth))


@pytest.fixture
def make_run(tmp_path):
    """Writes a finished run that says what it is told to."""

    def make(
        name,
        seed,
        said,
        truth,
        *,
        fold=0,
        ids=None,
        modalities=("text", "visual"),
        kind="Regression",
        groups=None,
        place=tmp_path,
        **facts,
    ):
        folder = place / "runs" / name / f"seed{seed}-fold{fold}"
        folder.mkdir(parents=True)
        said, truth = np.asarray(said, float), np.asarray(truth, float)
        rows = pd.DataFrame(
            {
                "id": ids or [f"s{i:03d}" for i in range(len(truth))],
                "step": 0,
                "prediction": said,
                "truth": truth,
            }
        )
        if groups is not None:
            rows["group"] = groups
        rows.assign(split="test", seed=seed, fold=fold).to_csv(folder / "predictions.csv", index=False)
        own = {"low": -3.0, "high": 3.0} if kind == "Regression" else {}
        target = {"kind": kind, "name": "sentiment", "per_step": False, **own}
        (folder / "run.json").write_text(
            json.dumps(
                {
                    "name": name, "seed": seed, "fold": fold,
                    "corpus": {"name": "toy", "notes": [], "citation": "", "ceiling": {"pearson": 0.9}},
                    "shape": {"dims": dict.fromkeys(modalities, 2), "aligned": False, "target": target},
                    **facts,
                }
            )
        )  # fmt: skip
        (folder / "config.yaml").write_text(yaml.safe_dump({"corpus": "nowhere", "model": {}}))
        return folder

    return make


@pytest.fixture
def runs(make_run, tmp_path):
    """A good, a poor and a single-modality model, five seeds each."""
    for seed in range(5):
        make_run("good", seed, noisy(0.3, seed), TRUTH)
        make_run("poor", seed, noisy(1.5, 10 + seed), TRUTH)
        make_run("alone", seed, noisy(1.4, 20 + seed), TRUTH, modalities=("text",))
    return find([tmp_path])


def test_every_seed_of_every_model_is_there_in_one_order(runs):
    (own,) = gather(runs)
    assert (own.corpus, own.target.name) == ("toy", "sentiment")
    assert {name: list(seeds) for name, seeds in own.predictions.items()} == dict.fromkeys(
        ("alone", "good", "poor"), [0, 1, 2, 3, 4]
    )
    assert np.array_equal(own.truth[:, 0], TRUTH)
    assert np.allclose(own.predictions["good"][3][:, 0], noisy(0.3, 3))


def test_predictions_are_found_under_their_old_name(runs):
    (own,) = gather(runs)
    with pytest.warns(DeprecationWarning, match=r"^Answers\.said is Answers\.predictions now; "):
        assert own.said is own.predictions


def test_folds_are_laid_together_and_a_seed_that_lacks_one_is_left_out(make_run, tmp_path):
    halves = {0: slice(0, 40), 1: slice(40, 80)}
    for seed in (0, 1):
        for fold, part in halves.items():
            if (seed, fold) != (1, 1):
                ids = [f"s{i:03d}" for i in range(80)[part]]
                make_run("m", seed, noisy(1, seed)[part], TRUTH[part], fold=fold, ids=ids)
    (own,) = gather(find([tmp_path]))
    assert list(own.predictions["m"]) == [0]
    assert np.allclose(own.predictions["m"][0][:, 0], noisy(1, 0))
    assert own.folds.tolist() == [0] * 40 + [1] * 40


def test_runs_on_other_samples_are_not_compared(make_run, tmp_path):
    make_run("one", 0, TRUTH, TRUTH)
    make_run("other", 0, TRUTH, TRUTH, ids=[f"t{i}" for i in range(80)])
    with pytest.raises(DataError) as refused:
        gather(find([tmp_path]))
    assert str(refused.value) == (
        "toy, sentiment: other, seed 0 was measured on other samples than the rest; compare runs on the same file "
        "and folds"
    )


def test_the_summary_says_what_the_predictions_say(runs):
    answers = gather(runs)
    table = summarise(answers, ["mae", "pearson", "acc2_nonzero"]).set_index(["model", "metric"])
    for name in ("good", "poor", "alone"):
        values = [metrics.mae(said[:, 0], TRUTH) for said in answers[0].predictions[name].values()]
        row = table.loc[name, "mae"]
        assert row["mean"] == pytest.approx(np.mean(values))
        assert row["std"] == pytest.approx(np.std(values, ddof=1))
        assert row["low"] < row["mean"] < row["high"]
        assert row["count"] == 80
        assert table.loc[(name, "acc2_nonzero"), "count"] == np.count_nonzero(TRUTH)
        assert table.loc[(name, "pearson"), "high"] <= 1
        assert table.loc[(name, "pearson"), "ceiling"] == 0.9
    assert set(table["reference"]) == {"alone"}
    assert table.loc[("good", "mae"), "gain_low"] > 0
    gains = table.loc[("poor", "mae"), ["gain_low", "gain_high"]]
    assert gains["gain_low"] < 0 < gains["gain_high"]
    assert not table.loc[:, "tie"].any()  # good is far ahead of both


def test_a_lost_seed_leaves_the_other_seeds(make_run, tmp_path):
    for seed in range(3):
        make_run("whole", seed, noisy(0.5, seed), TRUTH, modalities=("text",))
        if seed:
            make_run("cut", seed, noisy(0.5, 9 + seed), TRUTH)
    lost = {("sentiment", "cut"): 1, ("sentiment", "gone"): 3}
    table = summarise(gather(find([tmp_path])), ["mae"], lost).set_index("model")
    assert table["seeds"].to_dict() == {"cut": 2, "whole": 3, "gone": 0}
    assert table["failed"].to_dict() == {"cut": 1, "whole": 0, "gone": 3}
    assert np.isfinite(table.loc["cut", "gain_low"])
    assert np.isnan(table.loc["gone", "mean"])


def test_a_comparison_is_made_of_the_tests_it_names(runs):
    answers = gather(runs)
    (own,) = answers
    pairs = compare(answers, ["mae"]).set_index(["better", "worse"])
    assert len(pairs) == 3
    said = own.every()
    mae = metrics.metrics_for(own.target)["mae"]
    tests = pairwise_tests(measure(mae, said, own.truth, np.arange(80)), 80)
    for (better, worse), row in pairs.iterrows():
        found = tests.get((better, worse)) or tests[worse, better]
        assert (row["p"], row["p_all"]) == (found.p, found.p_all)
        assert row["low"] < row["difference"] < row["high"]
    values = {name: np.array([mae(one, own.truth) for one in seeds]) for name, seeds in said.items()}
    for (better, worse), row in pairs.iterrows():
        assert row["difference"] == pytest.approx(values[worse].mean() - values[better].mean())
        assert row["difference"] >= 0
    verdicts = pairs["verdict"].to_dict()
    assert verdicts[("good", "poor")] == verdicts[("good", "alone")] == BETTER
    assert pairs.loc[("good", "poor"), "superiority"] == 1
    assert pairs.loc[("good", "poor"), "effect"] > 0.5
    third = next(v for pair, v in verdicts.items() if "good" not in pair)
    assert third == EQUAL


def test_a_model_is_not_better_than_itself(make_run, tmp_path):
    for seed in range(3):
        for name in ("one", "same"):
            make_run(name, seed, noisy(1, seed), TRUTH)
    (row,) = compare(gather(find([tmp_path]))).to_dict("records")
    assert (row["difference"], row["p"], row["p_all"], row["verdict"]) == (0, 1, 1, EQUAL)
    assert (row["effect"], row["superiority"]) == (0, 0.5)


def test_folds_are_compared_by_the_corrected_test(make_run, tmp_path):
    folds = np.arange(80) // 20
    for seed in (0, 1):
        for fold in range(4):
            own = np.flatnonzero(folds == fold)
            ids = [f"s{i:03d}" for i in own]
            make_run("a", seed, noisy(0.5, seed)[own], TRUTH[own], fold=fold, ids=ids)
            make_run("b", seed, noisy(0.8, 5 + seed)[own], TRUTH[own], fold=fold, ids=ids)
    (row,) = compare(gather(find([tmp_path])), ["mae"]).to_dict("records")
    apart = [
        np.mean(
            [
                metrics.mae(noisy(0.5, s)[folds == f], TRUTH[folds == f])
                - metrics.mae(noisy(0.8, 5 + s)[folds == f], TRUTH[folds == f])
                for s in (0, 1)
            ]
        )
        for f in range(4)
    ]
    expected = corrected_t(np.array(apart), 0.25)
    assert (row["p"], row["p_all"]) == (pytest.approx(expected.p), pytest.approx(expected.p))
    assert (-row["high"], -row["low"]) == pytest.approx((expected.low, expected.high))


def test_one_seed_speaks_for_its_weights_alone(make_run, tmp_path):
    make_run("one", 0, noisy(0.2, 0), TRUTH)
    make_run("other", 0, noisy(1.5, 1), TRUTH)
    answers = gather(find([tmp_path]))
    (row,) = compare(answers, ["mae"]).to_dict("records")
    assert (row["better"], row["verdict"]) == ("one", "one seed: for these weights only")
    assert np.isnan(row["p"])
    assert np.isnan(row["p_all"])
    assert 0 < row["low"] < row["difference"] < row["high"]
    table = markdown(summary_tables(summarise(answers, ["mae"])))
    assert "**" not in table.partition("---")[2]
    assert "<ins>" not in table
    assert "a: one seed: for these weights only." in table


def test_whole_videos_are_drawn_where_runs_say_them(make_run, tmp_path):
    groups = [f"v{i // 8}" for i in range(80)]
    shared = np.repeat(np.random.default_rng(3).normal(size=10), 8)
    for seed in range(3):
        for name, by in (("with", {"groups": groups}), ("without", {})):
            make_run(name, seed, TRUTH + shared + 0.1 * noisy(1, seed), TRUTH, place=tmp_path / name, **by)
    widths = {}
    for name in ("with", "without"):
        (own,) = gather(find([tmp_path / name]))
        table = summarise([own], ["mae"])
        assert own.by_group is (name == "with")
        assert len(np.unique(own.units)) == (10 if own.by_group else 80)
        widths[name] = (table["high"] - table["low"]).item()
        assert ("whole" in markdown(summary_tables(table))) is own.by_group
    assert widths["with"] > 1.5 * widths["without"]


def test_a_baseline_and_many_models(make_run, tmp_path):
    for i in range(MOST + 1):
        for seed in (0, 1):
            make_run(f"m{i:02d}", seed, noisy(0.2 + 0.1 * i, 2 * i + seed), TRUTH)
    answers = gather(find([tmp_path]))
    assert len(compare(answers, ["mae"])) == MOST
    assert set(compare(answers, ["mae"])["better"]) == {"m00"}
    pairs = compare(answers, ["mae"], "m05")
    assert len(pairs) == MOST
    assert all("m05" in pair for pair in zip(pairs["better"], pairs["worse"], strict=True))


def test_refusals(runs, tmp_path):
    answers = gather(runs)
    with pytest.raises(ConfigError) as refused:
        compare(answers, baseline="god")
    assert str(refused.value) == "compare: no model 'god'; did you mean 'good'? known: alone, good, poor"
    for table in (summarise, compare):
        with pytest.raises(
            ConfigError, match=r"^results: no target has the metric 'accuracy'; known: acc2_nonnegative,"
        ):
            table(answers, ["accuracy"])
    with pytest.raises(DataError) as nothing:
        find([tmp_path / "elsewhere"])
    assert str(nothing.value) == (
        f"no finished run in {tmp_path / 'elsewhere'}; expected folders that hold run.json"
    )


def test_costs_are_medians_over_runs(make_run, tmp_path):
    for seed, seconds in enumerate((1.0, 9.0, 2.0)):
        make_run("m", seed, TRUTH, TRUTH, costs={"parameters": 7, "epoch_seconds": seconds})
    make_run("baseline", 0, TRUTH, TRUTH)
    table = costs(find([tmp_path])).set_index("model")
    assert table.loc["m", "epoch_seconds"] == 2.0
    assert table.loc["m", "parameters"] == 7
    assert np.isnan(table.loc["baseline", "parameters"])
