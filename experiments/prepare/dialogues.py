"""MELD and IEMOCAP as whole dialogues: text and speakers, official splits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from affect.data.corpora import CORPORA
from affect.data.corpus import Corpus
from affect.data.ragged import Ragged
from affect.data.sources import load
from affect.data.targets import MultiClass
from affect.data.text import embed, tokenize
from experiments.prepare import meld

FILES = ("conversations/iemocap/iemocap.pkl",)
FOUR = {"happy": "happy", "excited": "happy", "sad": "sad", "neutral": "neutral", "angry": "angry"}
"""The four emotions that IEMOCAP's are in other papers; frustration is left out there."""
SUB_WORDS = 64
"""Kept of an utterance for an encoder that is trained; of longer ones the first."""


def meld_dialogues(data: Path, text_model: str) -> Corpus:
    """The dialogues of MELD, a label of 7 emotions and of 3 sentiments for each utterance."""
    return _encoded(load(data / meld.FILES[0]), "meld_dialogues", "meld", text_model)


def iemocap_text(data: Path, text_model: str) -> Corpus:
    """The dialogues of IEMOCAP, a label of 6 emotions for each utterance; session 5 is the test.

    `emotion4` is a label of four: excited is happy there, and frustrated utterances have none.
    """
    return _encoded(with_four(load(data / FILES[0])), "iemocap_text", "iemocap", text_model)


def with_four(corpus: Corpus) -> Corpus:
    """IEMOCAP with the target of four emotions beside that of six."""
    classes = tuple(dict.fromkeys(FOUR.values()))
    six = corpus.target("emotion")
    assert isinstance(six, MultiClass)
    codes = np.array([classes.index(FOUR[name]) if name in FOUR else -1 for name in six.classes], np.float32)

    def four(labels: Ragged) -> Ragged:
        known = codes[labels.values.astype(int)]
        return replace(labels, values=known.clip(min=0), observed=labels.observed & (known[:, 0] >= 0))

    return replace(
        corpus,
        splits={
            name: replace(split, targets={**split.targets, "emotion4": four(split.targets["emotion"])})
            for name, split in corpus.splits.items()
        },
        targets={**corpus.targets, "emotion4": replace(six, name="emotion4", classes=classes)},
        main="emotion",
    )


def _encoded(corpus: Corpus, name: str, public: str, text_model: str) -> Corpus:
    """The same with a vector of each utterance, read by itself, and with its sub-words."""
    named = replace(
        corpus,
        name=name,
        citation=CORPORA[public].citation,
        notes=(
            *corpus.notes,
            "Text alone, each utterance by a small frozen encoder: published figures are of RoBERTa-large, "
            "fine-tuned, and of epochs chosen on the test split.",
        ),
    )
    return tokenize(embed(named, text_model, alone=True), text_model, most=SUB_WORDS)
