"""MELD and IEMOCAP as whole dialogues: text and speakers, official splits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from affect.data.corpora import CORPORA
from affect.data.corpus import Corpus
from affect.data.sources import load
from affect.data.text import embed, tokenize
from experiments.prepare import meld

FILES = ("conversations/iemocap/iemocap.pkl",)
SUB_WORDS = 64
"""Kept of an utterance for an encoder that is trained; of longer ones the first."""


def meld_dialogues(data: Path, text_model: str) -> Corpus:
    """The dialogues of MELD, a label of 7 emotions and of 3 sentiments for each utterance."""
    return _encoded(load(data / meld.FILES[0]), "meld_dialogues", "meld", text_model)


def iemocap_text(data: Path, text_model: str) -> Corpus:
    """The dialogues of IEMOCAP, a label of 6 emotions for each utterance; session 5 is the test."""
    return _encoded(load(data / FILES[0]), "iemocap_text", "iemocap", text_model)


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
