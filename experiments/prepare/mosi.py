"""CMU-MOSI: utterances of the official split, and videos of bc-LSTM's."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from affect.data.corpora import CORPORA
from affect.data.corpus import Corpus, Split
from affect.data.ragged import Ragged, Words
from affect.data.targets import Binary, Regression
from affect.data.text import embed, tokenize

FILES = ("mosi/mosi_joined.npz",)


def mosi_words(data: Path, text_model: str) -> Corpus:
    """Words with times and one acoustic vector per utterance, official split, sentiment in [-3, 3]."""
    mosi = _read(data)
    splits = {
        name: _utterances(mosi, np.flatnonzero(mosi["split"] == name)) for name in ("train", "valid", "test")
    }
    corpus = Corpus(
        name="mosi_words",
        splits=splits,
        targets={"sentiment": Regression("sentiment", low=-3, high=3)},
        notes=(
            "Text is word features of a pretrained encoder, acoustic one openSMILE vector per utterance, and "
            "there is no visual modality: published trimodal figures on CMU-MOSI are of another setting.",
        ),
        citation=CORPORA["mosi"].citation,
    )
    return tokenize(embed(corpus, text_model), text_model)


def mosi_context(data: Path) -> Corpus:
    """Videos as sequences of utterances with a label each, bc-LSTM's split and features."""
    mosi = _read(data)
    features = {"acoustic": "audio73", "text": "text100_supervised", "visual": "video100_supervised"}
    splits = {}
    for name in ("train", "test"):
        rows = np.flatnonzero(mosi["split_bclstm"] == name)
        rows = rows[np.lexsort((mosi["index"][rows], mosi["video"][rows]))]
        videos, begins = np.unique(mosi["video"][rows], return_index=True)
        ends = np.append(begins, len(rows))
        splits[name] = Split(
            ids=tuple(map(str, videos)),
            modalities={m: Ragged.from_offsets(mosi[key][rows], ends) for m, key in features.items()},
            targets={"sentiment": Ragged.from_offsets(mosi["label_bc"][rows, None].astype(np.float32), ends)},
            groups=tuple(map(str, videos)),
        )
    return Corpus(
        name="mosi_context",
        splits=splits,
        targets={"sentiment": Binary("sentiment", per_step=True)},
        aligned=True,
        notes=(
            "Supervised features: text and visual are activations of networks trained with the labels of "
            "this split's training videos (a linear probe of the text reaches .988 in training, .766 in "
            "test), so validation videos carved from training are inflated, and figures are comparable "
            "only with others on the same features and split.",
        ),
        citation=CORPORA["mosi"].citation,
    )


def _read(data: Path) -> dict[str, np.ndarray]:
    with np.load(data / FILES[0], allow_pickle=False) as file:
        return dict(file)


def _utterances(mosi: dict[str, np.ndarray], rows: np.ndarray) -> Split:
    begin, end = mosi["word_ptr"][rows], mosi["word_ptr"][rows + 1]
    spoken = [np.flatnonzero(mosi["word"][a:b] != "sp") + a for a, b in zip(begin, end, strict=True)]
    places = np.concatenate(spoken)
    words = Words.from_offsets(
        map(str, mosi["word"][places]),
        np.cumsum([0, *map(len, spoken)]),
        np.stack([mosi["word_start"][places], mosi["word_end"][places]], 1).astype(np.float64),
    )
    return Split(
        ids=tuple(map(str, mosi["id"][rows])),
        modalities={"acoustic": Ragged.vectors(mosi["audio73"][rows])},
        targets={"sentiment": Ragged.vectors(mosi["label"][rows])},
        groups=tuple(map(str, mosi["video"][rows])),
        words=words,
    )
