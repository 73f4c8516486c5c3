"""Small corpora of conversations for tests: a sample is a dialogue, a step an utterance."""

import numpy as np

from affect.data.corpus import Corpus, Split
from affect.data.ragged import Ragged
from affect.data.speakers import parties
from affect.data.targets import MultiClass

EMOTIONS = ("angry", "happy", "sad")
TARGET = MultiClass("emotion", classes=EMOTIONS, per_step=True)


def conversation(spoken, emotions, text, name="d", **more):
    """A split of dialogues: who speaks at each utterance, its class or None, its features."""
    rows = [np.array([[0 if one is None else one] for one in own], np.float32) for own in emotions]
    labels = Ragged.from_rows(rows, 1, [np.array([one is not None for one in own]) for own in emotions])
    modalities = {"speaker": parties(spoken), "text": Ragged.from_rows(text, text[0].shape[1])}
    ids = tuple(f"{name}{i}" for i in range(len(spoken)))
    return Split(ids, {**modalities, **more}, {"emotion": labels}, aligned=True)


def drawn(dialogues, seed, name="d", longest=9):
    """Dialogues of up to three parties, in which some utterances have no label, and some nobody known speaks."""
    rng = np.random.default_rng(seed)
    sizes = [1, 2, *rng.integers(3, longest + 1, dialogues - 2)]
    spoken = [
        [(None, "Ann", "Bob", "Cem")[k] for k in rng.choice(4, n, p=(0.15, 0.35, 0.3, 0.2))] for n in sizes
    ]
    emotions = [[(None, 0, 1, 2)[k] for k in rng.choice(4, n, p=(0.1, 0.3, 0.3, 0.3))] for n in sizes]
    text = [
        np.array([[k is not None and k == c for c in range(3)] for k in own]) + rng.normal(size=(len(own), 3))
        for own in emotions
    ]
    return conversation(spoken, emotions, [one.astype(np.float32) for one in text], name)


def corpus():
    """24, 10 and 16 dialogues."""
    sizes = {"train": 24, "valid": 10, "test": 16}
    splits = {name: drawn(size, seed, name) for seed, (name, size) in enumerate(sizes.items())}
    return Corpus("talk", splits, {"emotion": TARGET}, aligned=True)
