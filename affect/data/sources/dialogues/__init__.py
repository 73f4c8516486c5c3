"""Conversations: tables of utterances, and the JSON of MUStARD; a step is an utterance."""

from __future__ import annotations

from pathlib import Path

from affect.data.corpus import Corpus
from affect.data.sources.dialogues import mustard, utterance_tables, utterances
from affect.data.sources.dialogues.assembly import corpus
from affect.data.sources.layouts import with_codes_noted
from affect.data.sources.options import DEFAULTS, Options


def recognises(path: Path) -> bool:
    """Whether this is a table with a row for each utterance, a folder of such, or MUStARD's JSON."""
    return utterance_tables.recognises(path) or mustard.recognises(path)


def read(path: Path, options: Options = DEFAULTS) -> Corpus:
    """A corpus of whole dialogues.

    The labels are those of utterances, so that targets are per step. The words of a dialogue are its
    utterances, one for each step. The modality `speaker` says which party of the dialogue speaks, by the
    order in which they speak first (`affect.data.speakers.parties`). Who that is, is a modality
    `speaker_identity` where `options.columns` names the column of speakers: those of the training split are
    told apart.

    Args:
        path: of a file, or a folder of one table for each split.
        options: `columns`, and the targets whose kinds are said.
    Raises:
        DataError: the file is damaged.
    """
    reader = mustard.read if mustard.recognises(path) else utterances.read
    return with_codes_noted(corpus(reader(path), options), options.targets)
