"""MELD: the utterances of its dialogues, text alone, official splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from affect.data.corpora import CORPORA
from affect.data.corpus import Corpus, Split
from affect.data.ragged import Ragged, Words
from affect.data.targets import MultiClass
from affect.data.text import embed, tokenize

FILES = tuple(f"conversations/meld/{name}_sent_emo.csv" for name in ("train", "dev", "test"))
CLASSES = {
    "emotion": ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"),
    "sentiment": ("neutral", "positive", "negative"),
}


def meld(data: Path, text_model: str) -> Corpus:
    """Each utterance by itself, its words split at blanks; a dialogue is a group."""
    corpus = Corpus(
        name="meld",
        splits={
            name: _split(data / file, name)
            for name, file in zip(("train", "valid", "test"), FILES, strict=True)
        },
        targets={name: MultiClass(name, classes=classes) for name, classes in CLASSES.items()},
        notes=("Utterances without their dialogue, text alone: published figures are of another setting.",),
        citation=CORPORA["meld"].citation,
    )
    return tokenize(embed(corpus, text_model), text_model)


def _split(file: Path, name: str) -> Split:
    table = pd.read_csv(file, encoding="utf-8")
    dialogues = [f"{name}-{number}" for number in table["Dialogue_ID"]]
    return Split(
        ids=tuple(f"{one}-{number}" for one, number in zip(dialogues, table["Utterance_ID"], strict=True)),
        modalities={},
        targets={
            target: Ragged.vectors(
                np.array([[classes.index(one)] for one in table[target.capitalize()]], dtype=np.float32)
            )
            for target, classes in CLASSES.items()
        },
        groups=tuple(dialogues),
        words=Words.from_rows([text.split() for text in table["Utterance"]]),
    )
