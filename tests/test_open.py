"""Metrics, readers and protocols of one's own, named by import path, all the way."""

import re
import textwrap

import numpy as np
import pandas as pd
import pytest
import yaml

import affect
from affect import metrics
from affect.benchmark import bench
from affect.classes import beside, within
from affect.data.native import save
from affect.errors import ConfigError, DataError
from affect.metrics import Metric
from affect.metrics.stored import MET, Facts
from affect.report import write_report
from affect.report.gathering import gather_contents
from affect.results import compare, gather, summarise
from affect.runs import find
from affect.runs.configuration import metrics_in
from affect.tuning import tune

METRICS = """
    import numpy as np

    from affect.metrics import Metric


    class Near(Metric):
        name = "near"
        bounds = (0.0, 1.0)

        def __call__(self, prediction, truth):
            return float((np.abs(prediction - truth) < 1).mean())


    class Within(Metric):
        higher_is_better = False

        def __init__(self, margin):
            self.name, self.margin = f"beyond_{margin}", margin

        def __call__(self, prediction, truth):
            return (np.abs(prediction - truth) > self.margin).mean()


    beyond_two = Within(2)


    class Broken(Metric):
        name = "broken"

        def __call__(self, prediction, truth):
            raise ValueError("no such luck")
"""
PROTOCOLS = """
    from affect.corruption import StepDropout
    from affect.robustness import levels


    def winter():
        return levels("winter", StepDropout(), (0.0, 0.5))


    def nothing():
        return None
"""
READERS = """
    import numpy as np

    from affect import Corpus


    def read_numbers(path):
        values = [float(line) for line in path.read_text().split()]
        rng = np.random.default_rng(0)
        return Corpus.from_arrays(
            {
                split: {
                    "skin": rng.normal(size=(len(values), 3, 2)).astype(np.float32),
                    "valence": np.array(values),
                }
                for split in ("train", "valid", "test")
            },
            {"valence": "regression"},
            name="numbers",
        )


    def read_with(path, options):
        return options


    def fail(path):
        raise KeyError("valence")
"""
CHEAP = {"encoder": {"class_path": "PooledEncoder", "init_args": {"layers": 0}}, "width": 4}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a small corpus and modules of one's own."""
    root = tmp_path_factory.mktemp("own")
    for name, content in (("my_metrics", METRICS), ("my_protocols", PROTOCOLS), ("my_readers", READERS)):
        (root / f"{name}.py").write_text(textwrap.dedent(content))
    whole = affect.load("synthetic")
    few = {name: split.take(np.arange(80)) for name, split in whole.splits.items()}
    save(affect.data.corpus.Corpus("small", few, whole.targets), root / "small.safetensors")
    return root


@pytest.fixture(scope="module")
def done(folder):
    """A bench whose table, monitor and protocol are one's own."""
    experiment = {
        "corpus": "small.safetensors",
        "metrics": ["pearson", "my_metrics.Near", "my_metrics.beyond_two"],
        "training": {"epochs": 2, "monitor": "near"},
        "model": CHEAP,
        "models": {"sum": {"fusion": "WeightedSumFusion"}, "late": {"fusion": "ConcatenationFusion"}},
        "seeds": [0, 1],
        "protocols": ["my_protocols.winter"],
    }
    (folder / "bench.yaml").write_text(yaml.safe_dump(experiment))
    return bench(folder / "bench.yaml", folder / "out", quiet=True), folder / "out"


@pytest.fixture
def fresh(monkeypatch):
    """As in a process that has met no metric but affect's."""
    for name in [*MET]:
        monkeypatch.delitem(MET, name)


def recomputed(run, split):
    rows = run.table("predictions").query("split == @split")
    apart = (rows["prediction"] - rows["truth"]).abs()
    return {"near": (apart < 1).mean(), "beyond_2": (apart > 2).mean()}


def test_a_run_measures_it_and_says_which_way_is_better(done):
    for run in find([done[1]]):
        rows = run.table("results")
        assert rows.columns[:4].tolist() == ["corpus", "target", "model", "seed"]
        assert rows[["target", "fold"]].drop_duplicates().values.tolist() == [["sentiment", 0]]
        for split in ("valid", "test"):
            values = rows[rows["split"] == split].set_index("metric")["value"]
            for name, value in recomputed(run, split).items():
                assert values[name] == pytest.approx(value)
        assert run.facts["metrics"] == {
            "near": {"higher_is_better": True, "bounds": [0.0, 1.0]},
            "beyond_2": {"higher_is_better": False, "bounds": [None, None]},
        }
        assert run.facts["chosen_by"] == "near on valid"
        history = run.history
        assert run.facts["best_epoch"] == history["near"].idxmax()
        assert run.content["metrics"] == ["my_metrics.Near", "my_metrics.beyond_two"]


def test_it_stands_in_the_tables_of_a_bench(done):
    summary, out = done
    assert summary["metric"].unique().tolist() == ["pearson", "near", "beyond_2"]
    own = summary[summary["metric"] != "pearson"]
    assert (own["low"] <= own["mean"]).all()
    assert (own["mean"] <= own["high"]).all()
    assert (own["high"][own["metric"] == "near"] <= 1).all()
    assert "near ↑ (n=80)" in (out / "table.md").read_text()
    assert "beyond_2 ↓ (n=80)" in (out / "table.md").read_text()
    rows = pd.read_csv(out / "results.csv")
    assert rows.columns.is_unique
    assert set(rows["metric"]) > {"near", "beyond_2"}


def test_it_is_swept_over_a_protocol_of_ones_own(done):
    _, out = done
    table = (out / "robustness" / "table.md").read_text()
    assert "near: mean, winter ↑" in table
    assert "beyond_2: mean, winter ↓" in table
    assert "near: retained, winter ↑" in table
    assert "beyond_2: retained, winter ↑" in table
    rows = pd.read_csv(out / "robustness" / "robustness.csv")
    clean = rows.query("condition == 'clean' and metric == 'near'").set_index(["model", "seed"])["value"]
    for run in find([out]):
        assert clean[run.name, run.seed] == pytest.approx(recomputed(run, "test")["near"])


def test_without_its_code_there_are_the_means_of_the_runs(done, fresh, caplog):
    answers = gather(find([done[1]]))
    pairs = compare(answers, ["near", "beyond_2"])
    assert pairs["verdict"].unique().tolist() == ["not tested: the metric's code is not here"]
    assert pairs[["low", "high", "p", "p_all"]].isna().all(axis=None)
    means = done[0].set_index(["metric", "model"])["mean"]
    for row in pairs.itertuples():
        apart = means[row.metric, row.better] - means[row.metric, row.worse]
        assert row.difference == pytest.approx(apart if row.metric == "near" else -apart)
        assert row.difference >= 0
    assert [record.getMessage() for record in caplog.records][0] == (
        "small, sentiment: near was measured by somebody's own code, which is not here: the means are those of "
        "the runs, without intervals or tests; name it by its import path to compute it again"
    )
    told = summarise(answers, ["near"]).set_index("model")
    assert told["mean"].to_dict() == pytest.approx(means["near"].to_dict())
    assert told[["low", "high"]].isna().all(axis=None)


def test_with_its_code_it_is_computed_again(done, folder, fresh):
    answers = gather(find([done[1]]))
    with within(beside(folder)):
        pairs = compare(answers, ["my_metrics.Near"])
        with metrics.using("my_metrics.Near"):
            assert summarise(answers)["metric"].unique().tolist()[-2:] == ["near", "beyond_2"]
    assert pairs["metric"].tolist() == ["near"]
    assert pairs[["low", "p"]].notna().all(axis=None)
    with metrics.using(Near()):
        pd.testing.assert_frame_equal(pairs, compare(answers, ["near"]))


class Near(Metric):
    name = "near"
    bounds = (0.0, 1.0)

    def __call__(self, prediction, truth):
        return float((np.abs(prediction - truth) < 1).mean())


NAMED_LIKE_ITS_MODULE = """
    from affect.data.targets import MultiLabel, Regression
    from affect.metrics import Metric


    class Near(Metric):
        name = "near"

        def __call__(self, prediction, truth):
            return 1.0


    class Nearer(Metric):
        name = "near"
        kinds = (Regression, MultiLabel)

        def __call__(self, prediction, truth):
            return 2.0
"""


@pytest.mark.parametrize("path", ["near.Near", "near.Nearer"])
def test_one_that_is_called_like_its_module_stays(fresh, tmp_path, path):
    (tmp_path / "near.py").write_text(textwrap.dedent(NAMED_LIKE_ITS_MODULE))
    content = {"metrics": [path]}
    with within(beside(tmp_path)):
        for _ in range(2):  # as the second run of a process
            assert metrics_in(content) == [path]
            with metrics.using(path):
                assert metrics_in(content) == [path]
                assert metrics.known(path).name == "near"
                assert metrics.name_of(path) == "near"
        assert metrics.known(path).name == "near"


def test_a_class_behind_the_name_is_no_path(fresh, tmp_path):
    (tmp_path / "near.py").write_text(textwrap.dedent(NAMED_LIKE_ITS_MODULE))
    target = affect.data.targets.MultiLabel("emotion", classes=("sad", "happy"))
    with within(beside(tmp_path)), metrics.using("near.Nearer"):
        assert not metrics.is_path("near.sad")
        assert metrics.name_of("near.sad") == "near.sad"
        assert metrics.higher_is_better("near.sad")
        metrics.metrics_for(target)
    assert MET.keys() == {"near", "near.sad", "near.happy"}
    assert not metrics.is_path("near.sad")
    assert metrics.is_path("near.Nearer")
    metrics.Stored("far", {"higher_is_better": False, "bounds": [None, 1]}, target)
    assert not metrics.higher_is_better("far.happy")
    assert metrics.bounds("far.happy") == (-np.inf, 1.0)
    assert metrics.is_path("far.Far")
    assert {type(one) for one in MET.values()} == {Facts}


def test_a_report_executes_no_code(done, folder, fresh, monkeypatch, tmp_path):
    def refuse(*_):
        raise AssertionError("code of a run was executed")

    monkeypatch.setattr("affect.metrics.catalogue.object_of", refuse)
    monkeypatch.setattr("affect.classes.homes.loaded", refuse)
    write_report(tmp_path / "runs.html", gather_contents([done[1] / "runs"]))
    assert "near" in (tmp_path / "runs.html").read_text()


def test_a_search_looks_for_it(folder, tmp_path):
    plain = {
        "corpus": "small.safetensors",
        "training": {"epochs": 1},
        "model": {**CHEAP, "fusion": "WeightedSumFusion"},
        "search": {
            "metric": ["my_metrics.Near", "my_metrics.beyond_two: worst subset"],
            "seeds": [0],
            "fresh": [7],
            "space": {"*": "fixed", "model.width": [2, 4]},
        },
    }
    (folder / "search.yaml").write_text(yaml.safe_dump(plain))
    found = tune(folder / "search.yaml", tmp_path, trials=1, quiet=True)
    assert found.study.metric_names == ["near", "beyond_2: worst subset"]
    assert {"near", "beyond_2"} < set(found.summary["metric"])
    (file, *_) = found.files.values()
    assert yaml.safe_load(file.read_text())["metrics"] == ["my_metrics.Near", "my_metrics.beyond_two"]


def test_in_python_a_class_will_do(folder):
    corpus = affect.load(folder / "small.safetensors")
    model = affect.FusionModel.for_corpus(corpus, fusion=affect.fusion.WeightedSumFusion)
    with metrics.using(Near):
        training = affect.training.Training(epochs=1, monitor="near")
        run = affect.fit(model, corpus, training=training)
        assert "near" in set(affect.evaluate(model, corpus, "test")[0]["metric"])
    assert run.monitor == "near"
    assert "near" in set(run.results["metric"])
    assert "near" not in set(affect.evaluate(model, corpus, "test")[0]["metric"])


def test_the_monitor_alone_brings_it_in(folder):
    corpus = affect.load(folder / "small.safetensors")
    model = affect.FusionModel.for_corpus(corpus, fusion=affect.fusion.WeightedSumFusion)
    with within(beside(folder)):
        training = affect.training.Training(epochs=1, monitor="my_metrics.Near")
        run = affect.fit(model, corpus, training=training)
    assert run.monitor == "near"
    assert "near" in run.history


def test_one_that_raises_costs_no_run_but_cannot_be_monitored(folder, caplog):
    corpus = affect.load(folder / "small.safetensors")
    model = affect.FusionModel.for_corpus(corpus, fusion=affect.fusion.WeightedSumFusion)
    with within(beside(folder)), metrics.using("my_metrics.Broken"):
        run = affect.fit(model, corpus, training=affect.training.Training(epochs=1))
        assert run.results.query("metric == 'broken'")["value"].isna().all()
        with pytest.raises(ConfigError) as caught:
            affect.fit(model, corpus, training=affect.training.Training(epochs=1, monitor="broken"))
    assert str(caught.value) == "training: monitor 'broken' has no value: ValueError: no such luck"
    said = "metrics: broken has no value: ValueError: no such luck; it is NaN in the results"
    assert [record.getMessage() for record in caplog.records].count(said) == 1


WRONG = [
    (
        "metrics: [my_metrics.Nearr]",
        r"no metric 'my_metrics.Nearr' \(module .* has no attribute 'Nearr'.*\); name",
    ),
    (
        "metrics: [nowhere.Near]",
        r"no metric 'nowhere.Near' \(No module named 'nowhere'\); name one of mae, .*",
    ),
    (
        "metrics: [my_metrics.np]",
        r"my_metrics.np: expected a class that derives from affect.metrics.Metric, or",
    ),
    (
        "metrics: [my_metrics.Within]",
        r"my_metrics.Within: cannot be made without arguments \(.*margin.*\); name an object",
    ),
    ("metrics: [maee]", r"no metric 'maee'; did you mean 'mae'\? known: .*"),
    (
        "protocols: [my_protocols.nothing]",
        r"protocol my_protocols.nothing: expected a grid, a function from a",
    ),
    ("protocols: [my_protocols.np]", r"no protocol 'my_protocols.np' \(.*"),
    ("protocols: [summer]", r"no protocol 'summer'; .*"),
]


@pytest.mark.parametrize(("line", "message"), WRONG, ids=[line for line, _ in WRONG])
def test_what_is_none_is_refused_before_work_begins(folder, line, message):
    path = folder / "wrong.yaml"
    models = "models: {sum: {fusion: WeightedSumFusion}}"
    path.write_text(f"corpus: small.safetensors\n{models}\n{line}\n")
    with pytest.raises(ConfigError) as caught:
        bench(path, folder / "wrong", quiet=True)
    assert re.search(message, str(caught.value)), caught.value
    assert "\n" not in str(caught.value)
    assert not (folder / "wrong").exists()


def test_a_reader_of_ones_own(folder, tmp_path):
    (folder / "a.numbers").write_text("1\n2\n0\n3\n")
    with within(beside(folder)):
        corpus = affect.load(folder / "a.numbers", reader="my_readers.read_numbers")
        assert len(corpus["test"]) == 4
        assert corpus.name == "numbers"
    plain = {
        "corpus": "a.numbers",
        "reader": "my_readers.read_numbers",
        "training": {"epochs": 1},
        "model": CHEAP,
    }
    from affect.runs.configuration import parse
    from affect.runs.finished import prepare

    with within(beside(folder)):
        assert len(prepare(parse(plain, "doc"), 0, folder)["train"]) == 4

    def read(path, options):
        assert options.columns == ("a",)
        return corpus

    with pytest.raises(ConfigError, match="columns: no column 'a'"):
        affect.load(folder / "a.numbers", reader=read, columns=["a"])


def test_a_reader_that_is_none_is_refused_in_one_line(folder):
    file = folder / "a.numbers"
    file.write_text("1\n2\n")
    wrong = {
        "my_readers.read_with": f"{file}: my_readers.read_with must return an affect.Corpus, got an "
        "Options; affect.Corpus.from_arrays and from_samples make one",
        "my_readers.fail": f"{file}: my_readers.fail failed (KeyError: 'valence')",
        "my_readers.np.pi": f"{file}: no reader 'my_readers.np.pi' (No module named 'my_readers')",
        "nothing": f"{file}: reader: expected the import path of a function, as in my_readers.read_deap, "
        "got 'nothing'",
    }
    for reader, message in wrong.items():
        with within(beside(folder)), pytest.raises((ConfigError, DataError)) as caught:
            affect.load(file, reader=reader)
        assert str(caught.value) == message
    with pytest.raises(ConfigError, match="synthetic: it is generated, not read; leave the reader out"):
        affect.load("synthetic", reader=lambda path: None)
    with pytest.raises(ConfigError, match="reader: expected a function or its import path, got 3"):
        affect.load(file, reader=3)
    with pytest.raises(
        DataError, match=r"for any other name a function from the path to a corpus \(reader\)"
    ):
        affect.load(file)
