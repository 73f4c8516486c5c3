"""The public conversations, beside pandas and a plain unpickling."""

import pickle

import numpy as np
import pandas as pd
import pytest

import affect

MEANT = {i: bytes([i]).decode("cp1252", "replace") for i in range(128, 160)}
COUNTS = {"train": (1038, 9989), "valid": (114, 1109), "test": (280, 2610)}
CONVERSATIONS = {
    "meld/cosmic_meld.pkl": COUNTS,
    "iemocap/iemocap.pkl": {"train": (108, 5163), "valid": (12, 647), "test": (31, 1623)},
}


@pytest.fixture(scope="module")
def meld(real_data):
    return affect.load(real_data / "conversations" / "meld")


@pytest.fixture(scope="module")
def pickles(real_data):
    return {file: affect.load(real_data / "conversations" / file) for file in CONVERSATIONS}


def test_meld_itself(meld, real_data):
    corpus = meld
    assert {name: (len(x), x.words.total) for name, x in corpus.splits.items()} == COUNTS
    for name, split in corpus.splits.items():
        file = f"{'dev' if name == 'valid' else name}_sent_emo.csv"
        frame = pd.read_csv(
            real_data / "conversations" / "meld" / file, keep_default_na=False, encoding="utf-8"
        )
        assert frame["Dialogue_ID"].is_monotonic_increasing
        assert list(split.words.tokens) == frame["Utterance"].tolist()
        assert split.ids == tuple(f"{name}-{i}" for i in frame["Dialogue_ID"].unique())
        for target in ("emotion", "sentiment"):
            classes = corpus.targets[target].classes
            assert [classes[int(i)] for i in split.labels(target).ravel()] == frame[
                target.capitalize()
            ].tolist()
        first = frame["StartTime"].str.split("[:,]", expand=True).astype(float) @ [3600, 60, 1, 0.001]
        assert np.allclose(split.words.times[:, 0], first, atol=1e-6)
        start = 0
        for i, (_, own) in enumerate(frame.groupby("Dialogue_ID", sort=False)):
            names = list(dict.fromkeys(own["Speaker"]))
            assert split.modalities["speaker"][i].ravel().tolist() == [
                names.index(n) + 1 for n in own["Speaker"]
            ]
            start += len(own)
        assert start == split.words.total


@pytest.mark.parametrize("file", CONVERSATIONS)
def test_the_public_pickles(file, pickles, real_data):
    path, corpus = real_data / "conversations" / file, pickles[file]
    assert {name: (len(x), x.words.total) for name, x in corpus.splits.items()} == CONVERSATIONS[file]
    with path.open("rb") as raw:
        held = pickle.load(raw, encoding="latin1")
    if len(held) == 7:
        speakers, emotions, sentiments, texts, *_ = held
    else:
        speakers, emotions, texts, *_ = held
        sentiments = None
    for split in corpus.splits.values():
        for i, key in enumerate(split.ids):
            key = int(key) if key.isdecimal() else key
            assert split.targets["emotion"][i].ravel().tolist() == emotions[key]
            assert sentiments is None or split.targets["sentiment"][i].ravel().tolist() == sentiments[key]
            own = [text.translate(MEANT) for text in texts[key]]
            assert split.words[i] == own
            names = list(dict.fromkeys(map(str, speakers[key])))
            assert split.modalities["speaker"][i].ravel().tolist() == [
                names.index(str(n)) + 1 for n in speakers[key]
            ]


def test_the_pickle_of_meld_is_its_tables(meld, pickles):
    one, other = meld, pickles["meld/cosmic_meld.pkl"]
    assert one.targets == other.targets
    for name, split in one.splits.items():
        twin = other[name]
        assert [text.replace("\xa0", " ") for text in twin.words.tokens] == list(split.words.tokens)
        for rows, again in ((split.modalities, twin.modalities), (split.targets, twin.targets)):
            assert rows.keys() == again.keys()
            assert all(np.array_equal(x.values, again[m].values) for m, x in rows.items())
