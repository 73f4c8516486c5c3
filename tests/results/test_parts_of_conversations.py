"""Metrics on utterances where a party's emotion changes, and of single classes, from training to the page."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml
from conversations import EMOTIONS, TARGET, corpus
from sklearn.metrics import f1_score

import affect
from affect import metrics
from affect.benchmark import bench, load
from affect.cli import main
from affect.data.native import save
from affect.data.speakers import parties_of
from affect.errors import ConfigError, ShapeError
from affect.results import compare, gather, summarise
from affect.results.parts import check_part, split_name
from affect.runs import find

PARTS = ("f1_weighted", "f1_weighted: shift", "f1_weighted: no shift")
BENCH = {
    "corpus": "talk.safetensors",
    "metrics": [*PARTS, "f1.sad", "f1.angry: shift"],
    "seeds": [0, 1],
    "training": {"epochs": 1, "learning_rate": 0.02},
    "model": {"encoder": {"class_path": "StepEncoder", "init_args": {"layers": 0}}, "fusion": "PerStep", "width": 6},
    "models": {
        "text": {"modalities": ["text"]},
        "named": {"encoders": {"speaker": "SpeakerEncoder"}},
        "machine": {"baseline": "KernelSVM", "modalities": ["text"]},
    },
}  # fmt: skip


def shifts_by_loop(rows):
    """By dialogue, in the order of utterances: the last emotion of every party is remembered."""
    found = pd.Series(-1, rows.index)
    for _, dialogue in rows.groupby("id"):
        last = {}
        for at, row in dialogue.sort_values("step").iterrows():
            if row["speaker"] and row["speaker"] in last:
                found[at] = int(last[row["speaker"]] != row["truth"])
            last[row["speaker"]] = row["truth"]
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A bench of conversations, and its predictions of the test split, by model and seed."""
    folder = tmp_path_factory.mktemp("talk")
    save(corpus(), folder / "talk.safetensors")
    path = folder / "talk.yaml"
    path.write_text(yaml.safe_dump(BENCH, sort_keys=False))
    bench(path, folder / "out", quiet=True)
    tables = {}
    for file in sorted((folder / "out").rglob("predictions.csv")):
        rows = pd.read_csv(file)
        name = next(name for name in BENCH["models"] if file.parent.parent.name.startswith(name))
        tables.setdefault(name, []).append(rows[rows["split"] == "test"].reset_index(drop=True))
    return folder, tables


def judged(rows, part="", label=None):
    """scikit-learn's F1 of the rows of a part: weighted, or of one class."""
    rows = rows[
        {"": slice(None), "shift": shifts_by_loop(rows) == 1, "no shift": shifts_by_loop(rows) == 0}[part]
    ]
    decided = rows[[f"prediction.{name}" for name in EMOTIONS]].to_numpy().argmax(1)
    kinds = {"average": "weighted"} if label is None else {"average": None, "labels": [*range(len(EMOTIONS))]}
    found = f1_score(rows["truth"], decided, zero_division=0, **kinds)
    return found if label is None else found[EMOTIONS.index(label)]


JUDGED = {
    "f1_weighted": {}, "f1_weighted: shift": {"part": "shift"}, "f1_weighted: no shift": {"part": "no shift"},
    "f1.sad": {"label": "sad"}, "f1.angry: shift": {"part": "shift", "label": "angry"},
}  # fmt: skip


def test_shifts_are_those_of_a_loop_in_any_order_of_rows():
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "id": rng.choice(["a", "b", "c"], 300), "step": rng.permutation(300),
            "speaker": rng.integers(0, 4, 300), "truth": rng.integers(0, 3, 300),
        }
    )  # fmt: skip
    found = metrics.emotion_shifts(rows["truth"], rows["id"], rows["step"], rows["speaker"])
    assert found.tolist() == shifts_by_loop(rows).tolist()
    assert {*found.tolist()} == {-1, 0, 1}
    several = np.eye(3)[rows["truth"]]  # as of a target of several labels
    assert np.array_equal(metrics.emotion_shifts(several, rows["id"], rows["step"], rows["speaker"]), found)


def test_no_label_and_one_label_have_no_shift():
    assert metrics.emotion_shifts([], [], [], []).tolist() == []
    assert metrics.emotion_shifts([2], ["a"], [0], [1]).tolist() == [-1]
    with pytest.raises(ShapeError) as refused:
        metrics.emotion_shifts([1, 2], ["a", "a"], [0, 1], [1])
    assert str(refused.value) == (
        "emotion_shifts needs a dialogue, a step and a speaker for each of 2 labels, got 2, 2 and 1"
    )


def test_predictions_say_who_speaks_whether_or_not_the_model_reads_it(made):
    spoken = parties_of(corpus()["test"])
    for tables in made[1].values():
        for rows in tables:
            assert rows["speaker"].tolist() == [
                spoken[i][step] for i, step in zip(rows["id"], rows["step"], strict=True)
            ]
            assert {0, 1, 2, 3} == {*rows["speaker"]}


@pytest.mark.parametrize("metric", JUDGED)
def test_tables_say_what_scikit_learn_says_of_the_rows(metric, made):
    folder, tables = made
    expected = {name: [judged(rows, **JUDGED[metric]) for rows in seeds] for name, seeds in tables.items()}
    summary = pd.read_csv(folder / "out" / "summary.csv").query("metric == @metric").set_index("model")
    part = JUDGED[metric].get("part")
    some = tables["named"][0]
    count = len(some) if part is None else (shifts_by_loop(some) == (part == "shift")).sum()
    for name, values in expected.items():
        assert summary.loc[name, "mean"] == pytest.approx(np.mean(values), abs=1e-12)
        assert summary.loc[name, "std"] == pytest.approx(np.std(values, ddof=1), abs=1e-12)
        assert summary.loc[name, "count"] == count
        assert summary.loc[name, "low"] <= np.mean(values) <= summary.loc[name, "high"]
    pair = pd.read_csv(folder / "out" / "comparisons.csv").query("metric == @metric").iloc[0]
    apart = np.mean(expected[pair["better"]]) - np.mean(expected[pair["worse"]])
    assert pair["difference"] == pytest.approx(apart, abs=1e-12)
    assert apart >= 0


def test_a_constant_is_as_good_as_it_is_on_the_part(made):
    folder, tables = made
    floors = pd.read_csv(folder / "out" / "summary.csv").groupby("metric")["floor"].first()
    rows = tables["named"][0]
    truth = rows["truth"][shifts_by_loop(rows) == 1]
    best = max(f1_score(truth, np.full(len(truth), c), average="weighted", zero_division=0) for c in range(3))
    assert floors["f1_weighted: shift"] == pytest.approx(best, abs=1e-12)
    assert floors["f1_weighted: shift"] != floors["f1_weighted"]


def test_intervals_draw_whole_dialogues(made, monkeypatch):
    (own,) = gather(find([made[0] / "out"]))
    rows = pd.DataFrame(
        {"id": own.samples, "step": own.steps, "speaker": own.speakers, "truth": own.truth[:, 0]}
    )
    taken = own.take(shifts_by_loop(rows).to_numpy() == 1)
    drawn = {}
    real = affect.results.summary.measure

    def seen(metric, predictions, truth, groups, **more):
        drawn[len(truth)] = groups
        return real(metric, predictions, truth, groups, **more)

    monkeypatch.setattr(affect.results.summary, "measure", seen)
    found = summarise([own], ["accuracy", "accuracy: shift"]).set_index(["metric", "model"])
    for part, metric in ((own, "accuracy"), (taken, "accuracy: shift")):
        groups = drawn[len(part.samples)]
        assert pd.Series(groups).groupby(list(part.samples)).nunique().eq(1).all()  # one draw for a dialogue
        assert len({*groups}) == len({*part.samples}) < len(groups)
        right = np.stack([one.argmax(1) == part.truth[:, 0] for one in part.predictions["named"].values()])
        hits, counts = (
            [np.bincount(groups, w).astype(float) for w in own] for own in (right, np.ones(right.shape))
        )
        rng = np.random.default_rng(0)  # by hand: sums of dialogues, of which as many are drawn as there are
        chosen = rng.integers(len(counts[0]), size=(4000, len(counts[0])))
        draws = np.mean([h[chosen].sum(1) / n[chosen].sum(1) for h, n in zip(hits, counts, strict=True)], 0)
        sampled = real(metrics.metrics_for(TARGET)["accuracy"], {"it": np.stack([*part.predictions["named"].values()])},
                       part.truth, part.units)["it"].sampled  # fmt: skip
        assert sampled == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.06)
        row = found.loc[metric, "named"]
        assert row["low"] <= sampled[0]
        assert sampled[1] <= row["high"]


def test_dialogues_that_hang_together_widen_the_interval():
    """Ten utterances of a dialogue that are right or wrong together are one observation, not ten."""
    right = np.repeat(np.arange(20) % 2, 10).astype(float)
    truth, measured = np.ones((200, 1)), {}
    for name, samples in (("dialogues", np.repeat(np.arange(20), 10)), ("utterances", np.arange(200))):
        own = affect.results.Answers(
            TARGET, "talk", tuple(map(str, samples)), np.arange(200), np.zeros(200, np.int64), truth,
            {"m": {0: np.stack([1 - right, right, 0 * right], 1)}}, (),
        )  # fmt: skip
        metric = metrics.metrics_for(TARGET)["accuracy"]
        low, high = affect.statistics.measure(metric, own.every(), own.truth, own.units)["m"].sampled
        measured[name] = high - low
    assert measured["dialogues"] == pytest.approx(2 * 1.96 * 0.5 / np.sqrt(20), rel=0.15)
    assert measured["utterances"] == pytest.approx(2 * 1.96 * 0.5 / np.sqrt(200), rel=0.15)


def test_a_single_class_of_stored_runs_needs_no_new_run(made):
    answers = gather(find([made[0] / "out"]))
    names = [f"f1.{name}" for name in EMOTIONS]
    found = summarise(answers, [*names, "f1"]).set_index(["metric", "model"])["mean"]
    for model, tables in made[1].items():
        each = [np.mean([judged(rows, label=name) for rows in tables]) for name in EMOTIONS]
        assert [found[name, model] for name in names] == pytest.approx(each, abs=1e-12)
        assert found["f1", model] == pytest.approx(np.mean(each), abs=1e-12)
    assert {*compare(answers, names)["metric"]} == {*names}


def test_commands_take_the_names(made, tmp_path):
    out = made[0] / "out"
    main(
        [
            "compare",
            str(out),
            "--metric",
            "f1_weighted: shift",
            "f1.sad",
            "--out",
            str(tmp_path / "pairs.csv"),
        ]
    )
    assert {*pd.read_csv(tmp_path / "pairs.csv")["metric"]} == {"f1_weighted: shift", "f1.sad"}
    main(["report", str(out), "--out", str(tmp_path / "page.html")])
    page = (tmp_path / "page.html").read_text()
    for name in BENCH["metrics"]:
        assert page.count(name) > 1
    heads = re.findall(r"f1_weighted[^|]*\(n=\d+\)", (out / "table.md").read_text())
    assert [head.rpartition(" ↑")[0] for head in heads] == [*PARTS]
    assert "\\textbf" in (out / "table.tex").read_text()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("f1_weighted: shft", "--metric: no metric 'f1_weighted: shft' among these runs; did you mean 'f1_weighted'?"),
        ("f1.sadd", "results: no target has the metric 'f1.sadd'; did you mean 'f1.sad'?"),
        ("f2: shift", "--metric: no metric 'f2' among these runs; known: accuracy, "),
    ],
)  # fmt: skip
def test_wrong_names_on_the_command_line(asked, message, made):
    with pytest.raises(SystemExit) as ended:
        main(["compare", str(made[0] / "out"), "--metric", asked])
    assert str(ended.value.code).startswith(f"ConfigError: {message}")


def test_a_sweep_has_no_parts_and_says_so_before_it_begins(made, tmp_path):
    with pytest.raises(SystemExit) as ended:
        main(
            [
                "sweep",
                str(made[0] / "out"),
                "--metric",
                "f1_weighted: shift",
                "--out",
                str(tmp_path / "swept"),
            ]
        )
    assert ended.value.code == (
        "ConfigError: --metric: 'f1_weighted: shift': a sweep measures all labels; name 'f1_weighted'"
    )
    assert not (tmp_path / "swept").exists()


def test_sweeps_of_a_bench_stand_beside_parts(made, tmp_path):
    """Names of scores, such as `f1_weighted: mean parties missing`, are not taken for parts, nor parts for them."""
    folder = made[0]
    path = folder / "swept.yaml"
    models = {name: BENCH["models"][name] for name in ("text", "named")}
    path.write_text(yaml.safe_dump({**BENCH, "models": models, "seeds": [0], "protocols": ["parties"]}))
    shutil.copytree(folder / "out", tmp_path / "out")
    bench(path, tmp_path / "out", quiet=True)
    scores = pd.read_csv(tmp_path / "out" / "robustness" / "summary.csv")
    bases = {name.partition(": ")[0] for name in scores["metric"]}
    assert bases == {"f1_weighted", "f1.sad", "f1.angry"}
    assert not any("shift" in name for name in scores["metric"])
    assert scores["mean"].notna().all()
    assert {*pd.read_csv(tmp_path / "out" / "summary.csv")["metric"]} == {*BENCH["metrics"]}
    main(["report", str(tmp_path / "out"), "--out", str(tmp_path / "page.html")])
    page = (tmp_path / "page.html").read_text()
    assert "parties missing" in page
    assert "f1_weighted: no shift" in page


def test_runs_that_do_not_say_who_speaks_are_refused(made, tmp_path):
    (run,) = [run for run in find([made[0] / "out"]) if (run.name, run.seed) == ("text", 0)]
    old = tmp_path / "runs" / "text" / "seed0-fold0"
    shutil.copytree(run.folder, old)
    file, facts = old / "predictions.csv", old / "run.json"
    pd.read_csv(file).drop(columns="speaker").to_csv(file, index=False)
    plain = json.loads(facts.read_text())
    plain = {
        key: value for key, value in plain.items() if key not in ("files", "digest")
    }  # of an older release
    facts.write_text(json.dumps(plain))
    answers = gather(find([tmp_path]))
    assert answers[0].speakers == ()
    with pytest.raises(ConfigError) as refused:
        summarise(answers, ["f1_weighted: shift"])
    assert str(refused.value) == (
        f"results: 'f1_weighted: shift': {old}: its predictions do not say who speaks; the corpus needs the modality "
        "'speaker', and a run that was made before predictions said it is made again with --again"
    )
    assert len(summarise(answers, ["f1_weighted", "f1.sad"])) == 2  # what needs no speaker is there


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("f1_weighted: shft", "metrics: 'f1_weighted: shft': no part 'shft'; did you mean 'shift'? known: no shift, shift"),
        ("f3: shift", "no metric 'f3'; known: "),
        ({"f1_weighted": "shift"}, "metrics: expected a name, got a dict; "
                                   'write a name with a colon in quotes: "f1_weighted: shift"'),
    ],
)  # fmt: skip
def test_wrong_names_in_an_experiment(metric, message, tmp_path):
    path = tmp_path / "talk.yaml"
    path.write_text(yaml.safe_dump({**BENCH, "metrics": [metric]}))
    with pytest.raises(ConfigError) as refused:
        load(path)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("corpus", "metric", "message"),
    [
        ("talk", "f1.sadd", "no target has 'f1.sadd'; did you mean 'f1.sad'? known: accuracy, "),
        ("talk", "mae", "no target has 'mae'; "),
        ("mute", "uar: shift", "'uar: shift': mute has no modality 'speaker' that says who speaks at each step; leave "
                               "the metric out, or add it (affect.data.speakers.parties)"),
        ("synthetic", "mae: shift", "'mae: shift': no target has a class for each utterance"),
    ],
)  # fmt: skip
def test_what_cannot_be_measured_is_refused_before_the_first_run(corpus, metric, message, made, tmp_path):
    path = tmp_path / "talk.yaml"
    if corpus == "mute":
        mute = replace(affect.load(made[0] / "talk.safetensors").select(["text"]), name="mute")
        save(mute, tmp_path / "mute.safetensors")
    where = {"talk": str(made[0] / "talk.safetensors"), "mute": "mute.safetensors"}.get(corpus, corpus)
    models = {"text": {"modalities": ["text"], "encoder": "PooledEncoder", "fusion": "ConcatenationFusion"}}
    models = models if corpus == "synthetic" else {"text": BENCH["models"]["text"]}
    path.write_text(yaml.safe_dump({**BENCH, "corpus": where, "metrics": [metric], "models": models}))
    with pytest.raises(ConfigError) as refused:
        bench(path, tmp_path / "out", quiet=True)
    assert str(refused.value).startswith(f"{path}: metrics: {message}")
    assert not [*tmp_path.rglob("run.json")]


def test_names_of_parts_and_of_scores_are_told_apart():
    assert split_name("mae: worst subset") == ("mae: worst subset", "")
    assert split_name("my_metrics.Near: no shift") == ("my_metrics.Near", "no shift")
    assert check_part(3, "doc") == 3
    assert metrics.higher_is_better("f1_weighted: shift") is metrics.higher_is_better("f1_weighted") is True
    assert metrics.higher_is_better("mae: shift") is False
