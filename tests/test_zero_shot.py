"""Classes by their texts: with a small pretrained encoder that was bound to another modality."""

import re
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("transformers")

from small_encoders import bert  # noqa: E402, needs transformers

import affect  # noqa: E402
from affect import retrieval  # noqa: E402
from affect.cli import main  # noqa: E402
from affect.data.native import save  # noqa: E402
from affect.data.text import tokenize  # noqa: E402
from affect.errors import ConfigError, DataError  # noqa: E402
from affect.objectives.terms import Contrast  # noqa: E402
from affect.retrieval.runs import label_run  # noqa: E402
from affect.runs import FinishedRun  # noqa: E402
from affect.training import Stage, Training  # noqa: E402

MOODS = ("good", "bad")
SAMPLES = {"train": 96, "valid": 24, "test": 40}


def samples():
    """Words that name a mood, and numbers that hold it; the last of each split lacks the numbers."""
    rng = np.random.default_rng(0)
    for split, count in SAMPLES.items():
        for row in range(count):
            mood = int(rng.integers(2))
            steps = rng.normal(size=(3, 4)) + 3 * (2 * mood - 1) * np.array([1.0, -1.0, 1.0, 0.0])
            held = {} if row == count - 1 else {"a": steps}
            yield affect.Sample(
                f"{split}{row:02}", held, {"mood": MOODS[mood]}, words=f"so {MOODS[mood]} film", split=split
            )


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    return str(bert(tmp_path_factory.mktemp("bert")))


@pytest.fixture(scope="module")
def corpus(pieces, tmp_path_factory):
    folder = tmp_path_factory.mktemp("spoken")
    read = tokenize(affect.Corpus.from_samples(samples(), name="spoken"), pieces, "words")
    save(read, folder / "spoken.safetensors")
    return affect.load(folder / "spoken.safetensors")


@pytest.fixture(scope="module")
def run(corpus, pieces, tmp_path_factory):
    """Bound without a label, on the disk."""
    encoder = partial(affect.encoders.PretrainedEncoder, model=pieces, trained="none", dropout=0.0)
    model = affect.FusionModel.for_corpus(corpus, encoders={"words": encoder}, width=8, seed=0)
    bind = {"bind": partial(Contrast, weight=1.0, width=8)}
    options = Training(epochs=6, batch_size=32, learning_rate=0.02, patience=6)
    stages = [Stage("pairs", options, bind, supervised=0), Stage("labels", Training(1), frozen=["encoders"])]
    made = affect.fit(model, corpus, stages=stages)
    return FinishedRun.read(made.save(tmp_path_factory.mktemp("runs") / "run"))


def test_moods_are_told_by_their_texts(run, corpus, caplog, capsys, tmp_path):
    table, accuracy = label_run(run, MOODS)
    assert caplog.messages == ["zero_shot: 1 of 40 samples lack a modality, and are left out"]
    assert list(table) == ["id", "label", "cosine.good", "cosine.bad"]
    truth = dict(zip(corpus["test"].ids, corpus["test"].labels("mood")[:, 0], strict=True))
    target = corpus.target("mood")
    hits = [
        target.classes[int(truth[one])] == label
        for one, label in zip(table["id"], table["label"], strict=True)
    ]
    assert accuracy["mean"] == pytest.approx(np.mean(hits))
    assert accuracy["count"] == len(table) == 39
    assert accuracy["low"] > accuracy["floor"]  # no label was learned from
    main(["retrieve", str(run.folder), "--labels", *MOODS, "--out", str(tmp_path)])
    written, line = capsys.readouterr().out.splitlines()
    assert pd.read_csv(written)["label"].tolist() == table["label"].tolist()
    assert line.startswith(f"accuracy {accuracy['mean']:.3f} [")


def test_texts_are_read_as_the_corpus_was(run, corpus):
    """The text of a label lies where a sample with the same words does."""
    loaded = affect.load_run(run.folder)
    term = loaded.terms["bind"]
    held = retrieval.embed(loaded.model, corpus["test"], term)
    texts = {name: f"so {name} film" for name in MOODS}
    table = retrieval.zero_shot(loaded.model, held, texts, term, query=["words"])
    target, labels = corpus.target("mood"), corpus["test"].labels("mood")[:, 0]
    for row, own in enumerate(table.to_dict("records")):
        name = target.classes[int(labels[row])]
        assert own["label"] == name
        assert own[f"cosine.{name}"] == pytest.approx(1, abs=1e-5)


def test_a_text_is_one_step_where_each_step_is_read_by_itself(pieces):
    said = [
        replace(one, modalities={"a": np.ones((1, 2))}, words=[f"so {one.targets['mood']} film"])
        for one in samples()
    ]
    read = tokenize(affect.Corpus.from_samples(said, name="said"), pieces, "words")
    encoder = partial(affect.encoders.PretrainedEncoder, model=pieces, context="step")
    model = affect.FusionModel.for_corpus(read, encoders={"words": encoder}, width=8, seed=0)
    texts = {name: f"so {name} film" for name in MOODS}
    table = retrieval.zero_shot(model, retrieval.embed(model, read["test"]), texts, query=["words"])
    truth = [read.target("mood").classes[int(own)] for own in read["test"].labels("mood")[:, 0]]
    assert table["label"].tolist() == truth
    assert table[["cosine.good", "cosine.bad"]].max(axis=1).to_numpy() == pytest.approx(1, abs=1e-5)


def test_refusals(run, corpus):
    loaded = affect.load_run(run.folder)
    held = retrieval.embed(loaded.model, corpus["test"], loaded.terms["bind"])
    wrong = {
        "zero_shot: needs two labels or more, got good": (["good"], {}),
        "zero_shot: no modality 'word'; did you mean 'words'? known: a, words": (MOODS, {"query": ["word"]}),
        "zero_shot: label none: '' has no sub-words; give it a text": ({"good": "good", "none": ""}, {}),
        "zero_shot: the term has no embeddings; give a term such as Contrast, or none": (
            MOODS,
            {"term": run},
        ),
    }
    for line, (labels, more) in wrong.items():
        with pytest.raises((ConfigError, DataError), match=f"^{re.escape(line)}$"):
            retrieval.zero_shot(loaded.model, held, labels, **{"term": loaded.terms["bind"], **more})


def test_classes_of_another_corpus_are_told_by_their_texts(run, pieces, tmp_path, capsys):
    others = [replace(one, id=f"other-{one.id}", targets={"kind": one.targets["mood"]}) for one in samples()]
    read = tokenize(affect.Corpus.from_samples(others, name="others"), pieces, "words")
    save(read, path := tmp_path / "others.safetensors")
    call = ["transfer", str(run.folder), "--corpus", str(path), "--out", str(tmp_path / "out")]
    main([*call, "--labels", "good=so good", "bad"])
    assert "zero-shot: the text nearest to words, of 'bad', 'so good'" in capsys.readouterr().out
    rows = pd.read_csv(tmp_path / "out" / "summary.csv").set_index("metric")
    assert rows.loc["accuracy", "low"] > rows.loc["accuracy", "floor"]
    said = pd.read_csv(tmp_path / "out" / "predictions.csv")
    told = said[["prediction.bad", "prediction.good"]].to_numpy().argmax(1) == said["truth"]
    assert told.mean() == pytest.approx(rows.loc["accuracy", "mean"])


def test_words_of_more_sub_words_are_cut_and_told(run, corpus, tmp_path, caplog):
    own = {name: split.modalities["words"] for name, split in corpus.splits.items()}
    wide = {}
    for name, rows in own.items():
        values = np.concatenate([rows.values, np.zeros((len(rows.values), 2), np.float32)], 1)
        values[0, -1] = 5.0 if name == "test" else 0.0
        wide[name] = replace(rows, values=values)
    save(corpus.with_modality("words", wide), path := tmp_path / "wide.safetensors")
    table = affect.runs.predict(run.folder, path, trust=True)
    assert "1 words of words have more than" in caplog.text
    known = run.table("predictions").query("split == 'test'")
    columns = ["prediction.bad", "prediction.good"]
    assert table[columns].to_numpy() == pytest.approx(known[columns].to_numpy(), abs=1e-6)


def test_sub_words_of_another_vocabulary_are_refused(run, corpus, tmp_path):
    made = corpus.provenance["words"]
    rows = {name: split.modalities["words"] for name, split in corpus.splits.items()}
    other = corpus.with_modality("words", rows, provenance=replace(made, weights="0" * 64))
    save(other, path := tmp_path / "other.safetensors")
    with pytest.raises(ConfigError, match=f"expected weights {made.weights}, got 0000"):
        affect.runs.predict(run.folder, path)
