"""MUStARD-209: TV dialogue clips, unaligned text, sound and faces."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np

from affect.data.corpora import CORPORA
from affect.data.corpus import Corpus, Split
from affect.data.ragged import Ragged, Words
from affect.data.targets import Binary, MultiClass, Regression
from affect.data.text import Vocabulary, embed

FILES = ("mustard/mustard209.h5", "mustard/mustard209_index.csv")


def mustard(data: Path, text_model: str) -> Corpus:
    """209 clips of 17 speakers, without official splits; a step in which no face was found is unobserved.

    The words come twice: `text` as features of a pretrained encoder, `words` as indices.
    """
    import h5py

    features, index = (data / file for file in FILES)
    with index.open(newline="") as file:
        rows = list(csv.DictReader(file))
    classes = {
        kind: tuple(sorted({row[kind] for row in rows})) for kind in ("implicit_emotion", "explicit_emotion")
    }
    with h5py.File(features) as clips:
        rates = json.loads(clips.attrs["rates_hz"])
        found = json.loads(clips.attrs["visual_columns"]).index("face_found")
        acoustic = [clips[row["id"]]["acoustic"][:] for row in rows]
        visual = [clips[row["id"]]["visual"][:] for row in rows]
        text = [clips[row["id"]]["text"][()].decode() for row in rows]
    seen = np.concatenate([clip[:, found] > 0 for clip in visual])
    faces = [np.delete(clip, found, axis=1) for clip in visual]
    targets = {
        kind: np.array([float(row[kind]) for row in rows]) for kind in ("sarcasm", "valence", "arousal")
    }
    targets |= {kind: np.array([names.index(row[kind]) for row in rows]) for kind, names in classes.items()}
    split = Split(
        ids=tuple(row["id"] for row in rows),
        modalities={
            "acoustic": _timed(acoustic, rates["acoustic"]),
            "visual": _timed(faces, rates["visual"]).keep(seen),
        },
        targets={name: Ragged.vectors(values) for name, values in targets.items()},
        groups=tuple(row["speaker"] for row in rows),
        words=Words.from_rows([line.split() for line in text]),
    )
    corpus = Corpus(
        name="mustard",
        splits={"all": split},
        targets={
            "sarcasm": Binary("sarcasm"),
            "valence": Regression("valence", low=1, high=9),
            "arousal": Regression("arousal", low=1, high=9),
            **{kind: MultiClass(kind, classes=names) for kind, names in classes.items()},
        },
        notes=(
            "209 of MUStARD's 690 clips, with features computed for them; folds are grouped by speaker. "
            "Not the corpus's published setting.",
        ),
        citation=CORPORA["mustard"].citation,
    )
    # an index says which word it is and no more: what a word means is learned from the training folds
    indexed = Vocabulary.fit(split).apply(corpus, "words")
    return embed(indexed, text_model)


def _timed(rows: list[np.ndarray], rate: float) -> Ragged:
    """Frames at `rate` Hz, with the time of each in seconds."""
    steps = np.concatenate([np.arange(len(row)) for row in rows])
    times = np.stack([steps, steps + 1], 1) / rate
    plain = Ragged.from_rows(rows, rows[0].shape[1])
    return Ragged.from_offsets(plain.values, plain.offsets, times=times)
