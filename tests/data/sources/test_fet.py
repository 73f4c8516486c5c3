"""What MMSA-FET's `run_dataset` and `run_single` write, by its own steps: padded, packed by split, with its configuration."""

import pickle

import numpy as np
import pytest

import affect
from affect.data import native
from affect.data.provenance import Provenance
from affect.data.ragged import times_of

torch = pytest.importorskip("torch")
RNG = np.random.default_rng(0)
CONFIG = {
    "audio": {
        "tool": "opensmile",
        "sample_rate": 16000,
        "args": {"feature_set": "eGeMAPSv02", "start": None},
    },
    "video": {"tool": "openface", "fps": 30, "average_over": 3, "args": {"action_units": True}},
    "text": {"model": "bert", "device": "cuda", "pretrained": "bert-base-uncased", "args": {}},
}
MODES = ("train", "train", "train", "valid", "test", "test")
TEXTS = ("so good", "a very bad film", "no", "so so", "well", "it is fine")


def padded(sequences, location):
    """Its paddingSequence: as long as the mean and three deviations, and no longer."""
    lengths = [len(own) for own in sequences]
    time = int(np.mean(lengths) + 3 * np.std(lengths))
    whole = np.zeros([len(sequences), time, sequences[0].shape[-1]])
    for i, own in enumerate(sequences):
        empty = np.zeros([time - min(len(own), time), own.shape[-1]])
        if len(own):
            whole[i] = np.concatenate([empty, own[:time]] if location == "start" else [own[:time], empty])
    return whole, time


def feature_file(tmp_path, config=CONFIG, location="end", return_type="np", failed=(), align=False):
    """Its run_dataset, and what it extracted of each clip."""
    data = {"id": [f"v{i}$_${i}" for i in range(6)], "raw_text": list(TEXTS), "annotations": ["Positive"] * 6}
    data["regression_labels"] = RNG.uniform(-1, 1, 6).tolist()
    sizes = {
        "text": [len(one.split()) + 2 for one in TEXTS],
        "audio": RNG.integers(3, 9, 6),
        "vision": RNG.integers(3, 9, 6),
    }
    names = {"text": "text", "audio": "audio", "vision": "video"}
    made = {}
    for key, dim in (("text", 4), ("audio", 3), ("vision", 5)):
        if names[key] in config:
            lengths = sizes["text"] if align else sizes[key]
            made[key] = [RNG.normal(size=(n, dim)) for n in lengths]
    for i in failed:
        made["vision"][i] = np.zeros((1, 1))
    for key in ("audio", "vision"):
        if key in made and not align:
            data[f"{key}_lengths"] = [len(own) for own in made[key]]
    if "text" in config:
        tokens = [np.stack([np.arange(1, n + 1), np.ones(n), np.zeros(n)], 1) for n in sizes["text"]]
        data["text_bert"] = padded(tokens, location)[0].transpose(0, 2, 1)
    for key, own in made.items():
        data[key], time = padded(own, location)
        if f"{key}_lengths" in data:
            data[f"{key}_lengths"] = [min(n, time) for n in data[f"{key}_lengths"]]
    if align:
        data["align"] = [
            [
                {"text": word, "start": float(i), "end": i + 0.5, "conf": np.float64(0.9)}
                for i, word in enumerate(one.split())
            ]
            for one in TEXTS
        ]
    final = {}
    for mode in ("train", "valid", "test"):
        rows = [i for i, own in enumerate(MODES) if own == mode]
        final[mode] = {
            key: ([own[i] for i in rows] if key == "align" else np.array([own[i] for i in rows]))
            if isinstance(own, list)
            else own[rows]
            for key, own in data.items()
        }
        if return_type == "pt":
            for key in ("audio", "vision", "text", "text_bert"):
                if key in final[mode]:
                    final[mode][key] = torch.from_numpy(final[mode][key])
    final["config"] = config | ({"align": {"language": "en-us"}} if align else {})
    path = tmp_path / "feature.pkl"
    path.write_bytes(pickle.dumps(final, pickle.HIGHEST_PROTOCOL))
    return path, made


def check(corpus, made):
    for name, split in corpus.splits.items():
        of = [i for i, own in enumerate(MODES) if own == name]
        for key, modality in (("text", "text"), ("audio", "acoustic"), ("vision", "visual")):
            rows = split.modalities.get(modality)
            for place, i in enumerate(of if key in made else ()):
                assert np.array_equal(rows[place], made[key][i])


@pytest.mark.parametrize("location", ["start", "end"])
@pytest.mark.parametrize("return_type", ["np", "pt"])
def test_what_run_dataset_writes(return_type, location, tmp_path):
    path, made = feature_file(tmp_path, location=location, return_type=return_type)
    corpus = affect.load(path)
    check(corpus, made)
    assert (corpus.aligned, corpus.dims) == (False, {"acoustic": 3, "text": 4, "visual": 5})
    assert corpus["train"].ids == ("v0$_$0", "v1$_$1", "v2$_$2")
    assert (
        "MMSA-FET keeps frames in which openface finds no face, and the file does not say which they are: those that hold "
        "zeros count as unobserved."
    ) in corpus.notes
    assert not any("Not read" in note for note in corpus.notes)


def test_who_made_the_features(tmp_path):
    corpus = affect.load(feature_file(tmp_path)[0])
    assert corpus.provenance == {
        "acoustic": Provenance(
            "opensmile",
            arguments={"sample_rate": 16000, "feature_set": "eGeMAPSv02", "start": None},
            clock="sample",
        ),
        "visual": Provenance("openface", arguments={"action_units": True}, clock="sample", rate=10.0),
        "text": Provenance("bert-base-uncased", clock="sample"),
    }
    native.save(corpus, tmp_path / "a.safetensors")
    assert native.load(tmp_path / "a.safetensors").provenance == corpus.provenance


@pytest.mark.parametrize("left", ["audio", "video", "text"])
def test_a_configuration_without_a_modality(left, tmp_path):
    path, made = feature_file(tmp_path, {key: own for key, own in CONFIG.items() if key != left})
    corpus = affect.load(path)
    check(corpus, made)
    assert len(corpus.dims) == 2
    assert corpus["test"].words[1] == ["it", "is", "fine"]


def test_a_clip_of_which_nothing_was_extracted(tmp_path):
    config = CONFIG | {"video": {"tool": "mediapipe", "fps": 30, "args": {"visualize": False}}}
    corpus = affect.load(feature_file(tmp_path, config, failed=(1, 5))[0])
    assert corpus["train"].modalities["visual"].present.tolist() == [True, False, True]
    for note in (
        "MMSA-FET leaves out frames in which mediapipe finds no face: visual steps have no regular rate.",
        "train, visual: nothing was extracted of 1 of 3 samples.",
        "test, visual: nothing was extracted of 1 of 2 samples.",
    ):
        assert note in corpus.notes
    assert corpus.provenance["visual"].rate is None


def test_aligned_words_have_times(tmp_path):
    path, made = feature_file(tmp_path, align=True)
    corpus = affect.load(path)
    check(corpus, made)
    words = corpus["train"].words
    assert (corpus.aligned, words[1]) == (True, ["a", "very", "bad", "film"])
    assert times_of(words, 1).tolist() == [[0, 0.5], [1, 1.5], [2, 2.5], [3, 3.5]]
    content = pickle.loads(path.read_bytes())
    content["train"]["align"][0][0]["text"] = "no"
    path.write_bytes(pickle.dumps(content))
    corpus = affect.load(path)
    assert corpus["train"].words[0] == ["so", "good"]
    assert corpus["train"].words.times is None


@pytest.mark.parametrize("align", [True, False])
def test_what_run_single_writes(align, tmp_path):
    content = {
        "audio": RNG.normal(size=(4, 3)),
        "vision": RNG.normal(size=(4 if align else 7, 5)),
        "config": CONFIG,
    }
    content["text"], content["text_bert"] = (
        RNG.normal(size=(4, 2)),
        np.stack([np.arange(4), np.ones(4), np.zeros(4)], 1),
    )
    if align:
        content["align"] = [{"text": word, "start": i, "end": i + 1} for i, word in enumerate(("so", "good"))]
    path = tmp_path / "clip.pkl"
    path.write_bytes(pickle.dumps(content))
    corpus = affect.load(path)
    split = corpus["all"]
    assert (split.ids, corpus.aligned, corpus.targets) == (("clip",), align, {})
    assert np.array_equal(split.modalities["visual"][0], content["vision"])
    assert times_of(split.words, 0).tolist() == [[0, 1], [1, 2]] if align else split.words is None


@pytest.mark.parametrize(
    "config",
    [
        {"video": {"tool": "x" * 9999, "args": {1: object, "f": float("nan")}}},
        {"video": 3},
        {"video": {"fps": "a"}},
        7,
    ],
)
def test_a_strange_configuration_is_no_harm(config, tmp_path):
    if isinstance(config, dict) and isinstance(config["video"], dict) and "args" in config["video"]:
        config["video"]["args"].pop(1)
    content = {"train": {"id": ["a"], "vision": np.ones((1, 2, 3)), "vision_lengths": [2]}, "config": config}
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(content))
    corpus = affect.load(path)
    assert all(len(made.extractor) <= 200 for made in corpus.provenance.values())
    native.save(corpus, tmp_path / "a.safetensors")
