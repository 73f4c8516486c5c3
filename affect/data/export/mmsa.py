"""A corpus in the pickle layout of the MMSA toolkit."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect.data.corpus import Corpus, Split
from affect.data.ragged import Ragged
from affect.errors import DataError
from affect.files import writing

_KEYS = {"text": "text", "acoustic": "audio", "visual": "vision"}
_SPLITS = ("train", "valid", "test")
_LETTERS = {"text": "T", "acoustic": "A", "visual": "V"}


def to_mmsa(corpus: Corpus, path: str | Path) -> None:
    """Write the dictionary of padded arrays that MMSA reads, as a pickle.

    Padding stands behind; unobserved steps become zeros. `text_bert` carries the text's lengths, and token
    ids where the corpus has a modality `tokens`. Times are left out; an id `video[3]` becomes `video$_$3`.

    Args:
        corpus: with modalities text, acoustic and visual, a target `sentiment`, and three splits.
        path: the file to write.
    Raises:
        DataError: something of that is missing, or a sample has no label.
    Example:
        >>> path = getfixture("tmp_path") / "mine.pkl"
        >>> to_mmsa(affect.load("synthetic:interaction"), path)
        >>> affect.load(path).dims
        {'acoustic': 5, 'text': 8, 'visual': 6}
    """
    wanted = (
        ("modality", _KEYS, corpus.dims),
        ("split", _SPLITS, corpus.splits),
        ("target", ("sentiment",), corpus.targets),
    )
    for kind, names, there in wanted:
        missing = [name for name in names if name not in there]
        if missing:
            raise DataError(f"{corpus.name}: MMSA's layout needs the {kind} {', '.join(missing)}, not there")
    times = {
        name: max(int(corpus[split].modalities[name].lengths.max(initial=1)) for split in _SPLITS)
        for name in corpus.dims
    }
    if corpus.aligned:
        times = dict.fromkeys(times, max(times.values()))
    content = {split: _split(corpus, corpus[split], times) for split in _SPLITS}
    with writing(path) as partial, partial.open("wb") as file:
        pickle.dump(content, file, protocol=4)


def _split(corpus: Corpus, split: Split, times: dict[str, int]) -> dict[str, Any]:
    labels = {
        name: _labels(corpus.name, split, name) for name in split.targets if name.startswith("sentiment")
    }
    sentiment = labels["sentiment"]
    sign = np.sign(sentiment).astype(int)
    lengths = {name: rows.lengths for name, rows in split.modalities.items()}
    if corpus.aligned:
        longest = np.max(list(lengths.values()), axis=0)
        lengths = dict.fromkeys(lengths, longest)
    tokens = np.zeros((len(split), 3, times["text"]), np.float32)
    tokens[:, 1] = np.arange(times["text"]) < lengths["text"][:, None]
    if "tokens" in split.modalities:
        tokens[:, 0] = _padded(split.modalities["tokens"], times["text"])[..., 0]
    content = {
        "raw_text": np.array(
            ["" if split.words is None else " ".join(split.words[i]) for i in range(len(split))]
        ),
        "id": np.array([re.sub(r"\[(.*)\]$", r"$_$\1", one) for one in split.ids]),
        "text_bert": tokens,
        "annotations": np.array(["Negative", "Neutral", "Positive"])[sign + 1],
        "classification_labels": labels.get("sentiment_class", (sign + 1).astype(np.float32)),
        "regression_labels": sentiment,
    }
    for name, key in _KEYS.items():
        content[key] = _padded(split.modalities[name], times[name])
        if f"sentiment_{name}" in labels:
            content[f"regression_labels_{_LETTERS[name]}"] = labels[f"sentiment_{name}"]
        if not corpus.aligned and name != "text":
            content[f"{key}_lengths"] = lengths[name].tolist()
    return content


def _padded(rows: Ragged, time: int) -> NDArray[np.float32]:
    """(samples, time, feature), with zeros behind each sample and where nothing was observed."""
    steps = np.arange(time) < rows.lengths[:, None]
    index = rows.index
    padded = np.zeros((*steps.shape, rows.dim), np.float32)
    padded[steps] = np.where(rows.observed[index, None], rows.values[index], 0)
    return padded


def _labels(corpus: str, split: Split, target: str) -> NDArray[np.float32]:
    rows = split.targets[target]
    unlabelled = np.flatnonzero(~rows.present)
    if target == "sentiment" and unlabelled.size:
        raise DataError(
            f"{corpus}, sample {split.ids[unlabelled[0]]}: MMSA needs a label 'sentiment' everywhere"
        )
    values = np.full(len(rows), np.nan, np.float32)
    values[rows.present] = split.labels(target)[:, 0]
    return values
