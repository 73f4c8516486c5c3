"""Runs tested on another corpus: how labels are mapped, what is measured, and what is refused."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import accuracy_score, f1_score, mean_absolute_error

import affect
from affect.cli import main
from affect.data.native import save
from affect.data.targets import Binary, MultiClass, MultiLabel, Regression
from affect.errors import ConfigError, DataError
from affect.runs import find
from affect.transfer import mapped, transfer_runs

WIDE = Regression("sentiment", low=-3, high=3)
POLARITY = MultiClass("sentiment", classes=("neutral", "Positive", "negative"))
TWO = MultiClass("polarity", classes=("negative", "positive"))
MOODS = MultiClass("mood", classes=("joy", "anger", "fear"))
SEVERAL = MultiLabel("m", classes=("joy", "negative", "positive"))
PER_STEP = Regression("sentiment", per_step=True, low=-3, high=3)

CASES = [
    (WIDE, Regression("v", low=1, high=9), {}, [[-3], [0], [3]], [[1], [5], [9]]),
    (WIDE, Regression("v"), {}, [[2.5]], [[2.5]]),
    (WIDE, POLARITY, {}, [[-0.5], [-0.51], [0.5], [2]], [[1, 0, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0]]),
    (WIDE, TWO, {}, [[-0.01], [0.0]], [[1, 0], [0, 1]]),
    (WIDE, Binary("good"), {}, [[-0.01], [0.0]], [[0], [1]]),
    (POLARITY, WIDE, {}, [[0.2, 0.7, 0.1], [0, 0, 1]], [[1.8], [-3]]),
    (Binary("good"), WIDE, {}, [[0.75]], [[1.5]]),
    (POLARITY, TWO, {}, [[0.5, 0.4, 0.1], [1, 0, 0]], [[0.2, 0.8], [0.5, 0.5]]),
    (MOODS, TWO, {"joy": "positive", "anger": "negative", "fear": "negative"}, [[0.4, 0.3, 0.3]], [[0.6, 0.4]]),
    (MOODS, WIDE, {"joy": "positive", "anger": "negative"}, [[0.2, 0.2, 0.6], [0.3, 0.1, 0.6]], [[0], [1.5]]),
    (Binary("a"), Binary("b"), {}, [[0.3]], [[0.3]]),
    (Binary("a"), TWO, {"yes": "negative", "no": "positive"}, [[0.3]], [[0.3, 0.7]]),
    (TWO, Binary("good"), {"positive": "yes", "negative": "no"}, [[0.3, 0.7]], [[0.7]]),
    (MultiLabel("m", classes=("a", "b")), MultiLabel("n", classes=("c", "B")), {}, [[0.3, 0.8]], [[0, 0.8]]),
]  # fmt: skip


@pytest.mark.parametrize(("source", "goal", "classes", "given", "expected"), CASES)
def test_labels_are_mapped(source, goal, classes, given, expected):
    becomes = mapped(source, goal, classes)
    assert becomes(np.array(given, float)) == pytest.approx(np.array(expected, float))
    assert becomes.notes or source.outputs == goal.outputs


REFUSED = [
    (PER_STEP, WIDE, {}, "predicted per step, and 'sentiment' has a label per sample"),
    (WIDE, MOODS, {}, "classes of 'mood' (joy, anger, fear) lie on no scale"),
    (MOODS, WIDE, {}, "say which are negative, neutral, positive"),
    (MOODS, TWO, {}, "no class of 'mood' (joy, anger, fear) is called as one of 'polarity'"),
    (MOODS, TWO, {"joi": "positive"}, "'mood' has no 'joi'; did you mean 'joy'"),
    (MOODS, TWO, {"joy": "positve"}, "joy: no class 'positve'; did you mean 'positive'"),
    (Regression("v"), POLARITY, {}, "the scale of 'v' has no ends"),
    (WIDE, WIDE, {"joy": "positive"}, "is a number and has none"),
    (MOODS, MultiLabel("n", classes=("joy",)), {}, "probabilities of classes that exclude each other"),
    (SEVERAL, WIDE, {"joy": "positive"}, "the classes of 'm' do not exclude each other"),
    (WIDE, SEVERAL, {}, "the classes of 'm' do not exclude each other"),
]


@pytest.mark.parametrize(("source", "goal", "classes", "message"), REFUSED)
def test_what_cannot_be_mapped_is_refused(source, goal, classes, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        mapped(source, goal, classes)


def test_what_is_lost_is_said():
    assert mapped(MOODS, TWO, {"joy": "positive"}).notes == (
        "joy is positive",
        "anger, fear of mood, which is no class here, gives its probability to the others",
        "negative of polarity is never predicted, and always wrong",
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two seeds on one scale, and the same samples with classes, and on another scale without a modality."""
    folder = tmp_path_factory.mktemp("transfer")
    corpus = affect.load("synthetic")
    (folder / "own.yaml").write_text(
        "corpus: synthetic\nseeds: [0, 1]\ntraining: {epochs: 5, learning_rate: 0.01}\nmodels: {sum: {fusion: TensorFusion}}\n"
    )
    main(["bench", str(folder / "own.yaml"), "--out", str(folder / "runs")])
    rows = corpus["test"]
    values = rows.labels("sentiment")
    classes = np.select([values < -0.5, values > 0.5], [1.0, 2.0], 0.0).astype(np.float32)
    moods = affect.data.ragged.Ragged.vectors(classes, np.arange(len(rows)) % 10 > 0)  # a tenth unlabelled
    groups = tuple(f"g{row // 4}" for row in range(len(rows)))
    mood = MultiClass("mood", classes=("neutral", "negative", "positive"))
    named = replace(rows, targets={"mood": moods}, groups=groups)
    save(affect.Corpus("moods", {"test": named}, {"mood": mood}), folder / "moods.safetensors")
    small = replace(
        rows,
        modalities={"text": rows.modalities["text"], "acoustic": rows.modalities["acoustic"]},
        targets={"s": affect.data.ragged.Ragged.vectors((values / 3).astype(np.float32))},
    )
    narrow = affect.Corpus("narrow", {"other": small}, {"s": Regression("s", low=-1, high=1)})
    save(narrow, folder / "narrow.safetensors")
    return folder


def test_a_number_becomes_classes_and_is_measured_as_such(runs, capsys):
    out = runs / "a"
    main(["transfer", str(runs / "runs"), "--corpus", str(runs / "moods.safetensors"), "--out", str(out)])
    shown = capsys.readouterr().out
    assert "synthetic:interaction → moods · mood" in shown
    assert "sentiment, -3 to 3: neutral is -0.5 to 0.5" in shown
    assert "sentiment, -3 to 3: neutral is -0.5 to 0.5" in (out / "table.md").read_text().lower()
    rows = pd.read_csv(out / "summary.csv").set_index("metric")
    accuracies, scores = [], []
    for run in find([runs / "runs"]):  # by hand, and by another package
        said = run.table("predictions").query("split == 'test'")
        decided = np.select([said["prediction"] < -0.5, said["prediction"] > 0.5], [1, 2], 0)
        truth = np.select([said["truth"] < -0.5, said["truth"] > 0.5], [1, 2], 0)
        kept = np.arange(len(said)) % 10 > 0
        accuracies.append(accuracy_score(truth[kept], decided[kept]))
        scores.append(f1_score(truth[kept], decided[kept], average="weighted"))
    assert rows.loc["accuracy", "mean"] == pytest.approx(np.mean(accuracies))
    assert rows.loc["f1_weighted", "mean"] == pytest.approx(np.mean(scores))
    assert rows.loc["accuracy", ["count", "seeds", "by_group"]].tolist() == [360, 2, True]
    most = np.bincount(truth[kept]).max() / kept.sum()
    assert rows.loc["accuracy", "floor"] == pytest.approx(most)
    low, high = rows.loc["accuracy", ["gain_low", "gain_high"]]
    assert low <= np.mean(accuracies) - most <= high
    assert len(pd.read_csv(out / "predictions.csv")) == 2 * 360


def test_a_scale_is_stretched_and_an_absent_modality_told(runs, caplog):
    found = transfer_runs(find([runs / "runs"]), runs / "narrow.safetensors", names=["mae", "pearson"])
    assert "it has no visual, which is absent from every sample" in caplog.text
    rows, said = found.summary.set_index("metric"), found.predictions
    assert found.notes == ("sentiment, -3 to 3, is stretched to s, -1 to 1",)
    one = [own for _, own in said.groupby("seed")]
    errors = [mean_absolute_error(own["truth"], own["prediction"]) for own in one]
    assert rows.loc["mae", "mean"] == pytest.approx(np.mean(errors))
    together = [pearsonr(own["truth"], own["prediction"])[0] for own in one]
    assert rows.loc["pearson", "mean"] == pytest.approx(np.mean(together))
    assert rows.loc["pearson", "floor"] == 0
    raw = affect.runs.predict(find([runs / "runs"])[0].folder, runs / "narrow.safetensors", "other")
    assert one[0]["prediction"].to_numpy() == pytest.approx(raw["prediction"].to_numpy() / 3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--about", "moods"], "moods: no target 'moods'; did you mean 'mood'"),
        (["--split", "tset"], "no split 'tset'; did you mean 'test'"),
        (["--metric", "f1"], "'mood' has no metric 'f1'"),
        (["--classes", "a=b"], "'sentiment' is a number and has none"),
        (["--classes", "a=b", "a=c"], "--classes: a is both b and c; give it once"),
        (["--term", "bind"], "--term and --with say what --labels is compared with"),
        (["--labels", "neutral", "positive"], "expected a text for each class of 'mood'"),
        (["--labels", "neutral", "positive", "negative=bad"], "needs one PretrainedEncoder"),
    ],
)
def test_wrong_calls_end_with_a_line(runs, given, message, tmp_path, capsys):
    call = ["transfer", str(runs / "runs"), "--corpus", str(runs / "moods.safetensors")]
    with pytest.raises(SystemExit) as ended:
        main([*call, "--out", str(tmp_path / "out"), *given])
    said = str(ended.value.code) + capsys.readouterr().err
    assert message in said
    assert ended.value.code not in (0, None)
    assert not (tmp_path / "out").exists() or not [*(tmp_path / "out").iterdir()]


def test_of_models_that_are_not_told_apart_none_is_best_alone(runs, tmp_path):
    (tmp_path / "same.yaml").write_text(
        "corpus: synthetic\nseeds: [0, 1]\ntraining: {epochs: 2, learning_rate: 0.01}\nmodels: {one: {}, two: {}}\n"
    )
    main(["bench", str(tmp_path / "same.yaml"), "--out", str(tmp_path / "runs")])
    found = transfer_runs(find([tmp_path / "runs"]), runs / "moods.safetensors", names=["accuracy"])
    assert found.summary["mean"].nunique() == 1  # the same model by two names
    assert found.summary["tie"].tolist() == [False, True]  # the first is in bold


def test_no_run_and_no_label_are_refused(runs):
    with pytest.raises(DataError, match="no finished run"):
        transfer_runs([], runs / "moods.safetensors")


def _trained(folder, target, **settings):
    """One run on a small corpus of that target's name and scale."""
    rows = affect.load("synthetic").splits
    low, high = settings.pop("scale", (-3, 3))
    own = {name: replace(one, targets={target: one.targets["sentiment"]}) for name, one in rows.items()}
    save(
        affect.Corpus(target, own, {target: Regression(target, low=low, high=high)}), folder / f"{target}.st"
    )
    seed = settings.pop("seed", 0)
    (folder / "run.yaml").write_text(
        f"corpus: {target}.st\nseeds: [{seed}]\nmodel: {{fusion: LateFusion}}\ntraining: {settings}\n"
    )
    main(["train", str(folder / "run.yaml"), "--out", str(folder / f"{target}{seed}")])
    return find([folder / f"{target}{seed}"])


def test_runs_in_one_table_are_tested_on_one_target(tmp_path):
    found = [*_trained(tmp_path, "sentiment", epochs=1), *_trained(tmp_path, "valence", epochs=1)]
    rows = affect.load("synthetic")["test"]
    labels = rows.targets["sentiment"]
    opposed = affect.data.ragged.Ragged.vectors(-rows.labels("sentiment"))
    goals = {name: Regression(name, low=-3, high=3) for name in ("sentiment", "valence")}
    both = affect.Corpus(
        "both", {"test": replace(rows, targets={"sentiment": labels, "valence": opposed})}, goals
    )
    save(both, tmp_path / "both.st")
    with pytest.raises(DataError, match="would be tested on 'valence', and those before it on 'sentiment'"):
        transfer_runs(found, tmp_path / "both.st")
    one = transfer_runs(found, tmp_path / "both.st", target="valence", names=["mae"])
    for (_, own), mean in zip(one.predictions.groupby("model"), one.summary["mean"], strict=True):
        assert mean == pytest.approx(
            np.abs(own["prediction"] + rows.labels("sentiment")[:, 0]).mean(), rel=1e-5
        )
    unlabelled = replace(both, splits={"test": replace(rows, targets={})}, targets={})
    save(unlabelled, tmp_path / "none.st")
    with pytest.raises(DataError, match="it has no labels to measure on; affect predict needs none"):
        transfer_runs(found, tmp_path / "none.st")


def test_seeds_of_other_settings_are_no_seeds_of_a_model(tmp_path):
    found = [*_trained(tmp_path, "valence", epochs=1), *_trained(tmp_path, "valence", epochs=2, seed=1)]
    with pytest.raises(DataError, match="training.epochs"):
        transfer_runs(found, tmp_path / "valence.st")


def test_a_split_that_was_learned_from_is_said_to_be_no_test(tmp_path):
    found = _trained(tmp_path, "valence", epochs=1)
    said = "run has learned from this corpus: its split train is no test of it"
    assert said in transfer_runs(found, tmp_path / "valence.st", split="train", names=["mae"]).notes
    assert not transfer_runs(found, tmp_path / "valence.st", names=["mae"]).notes
