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
from affect.data.targets import Regression, Target
from affect.errors import DataError
from affect.files import writing

_KEYS = {"text": "text", "acoustic": "audio", "visual": "vision"}
_SPLITS = ("train", "valid", "test")
_CLASSES = ("negative", "neutral", "positive")
_LETTERS = {"text": "T", "acoustic": "A", "visual": "V"}


def to_mmsa(corpus: Corpus, path: str | Path) -> None:
    """Write the dictionary of padded arrays that MMSA reads, as a pickle.

    Padding stands behind; unobserved steps become zeros. `text_bert` carries the text's lengths, and token
    ids where the corpus has a modality `tokens`. An id names its group, as `video$_$3`. Values become
    float32; an observed step of zeros is read again as unobserved; words are joined by
    blanks; times, other modalities and targets that the layout has no place for are left out.

    Args:
        corpus: with modalities text, acoustic and visual, a target `sentiment`, and three splits.
        path: the file to write.
    Raises:
        DataError: something of that is missing, `sentiment` is no number per sample, a sample has no label,
            has another number of tokens than of text steps, or a word that is empty or has a blank in it, or
            two samples would have one id.
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
            raise DataError(
                f"{corpus.name}: MMSA's layout needs the {kind} {', '.join(missing)}, not there"
                + ("; affect.data.splitting (fold, carve) makes it" if kind == "split" else "")
            )
    if not _is_regression(corpus.targets["sentiment"]):
        found = corpus.targets["sentiment"]
        raise DataError(
            f"{corpus.name}: MMSA's layout needs 'sentiment' as a Regression with one label per sample, "
            f"got {type(found).__name__}{' per step' if found.per_step else ''}"
        )
    times = {
        name: max(int(corpus[split].modalities[name].lengths.max(initial=1)) for split in _SPLITS)
        for name in _KEYS
    }
    if corpus.aligned:
        times = dict.fromkeys(times, max(times.values()))
    ids = _ids(corpus)
    content = {split: _split(corpus, corpus[split], times, ids[split]) for split in _SPLITS}
    with writing(path) as partial, partial.open("wb") as file:
        pickle.dump(content, file, protocol=4)


def _split(corpus: Corpus, split: Split, times: dict[str, int], ids: list[str]) -> dict[str, Any]:
    labels = {
        name: _labels(corpus.name, split, name)
        for name in ("sentiment", *(f"sentiment_{modality}" for modality in _KEYS))
        if name in corpus.targets and _is_regression(corpus.targets[name])
    }
    sentiment = labels["sentiment"]
    sign = np.sign(sentiment).astype(int)
    classes = (sign + 1).astype(np.float32)
    if getattr(corpus.targets.get("sentiment_class"), "classes", ()) == _CLASSES:
        classes = _labels(corpus.name, split, "sentiment_class")
    lengths = {name: split.modalities[name].lengths for name in _KEYS}
    if corpus.aligned:
        longest = np.max(list(lengths.values()), axis=0)
        lengths = dict.fromkeys(lengths, longest)
    tokens = np.zeros((len(split), 3, times["text"]), np.float32)
    tokens[:, 1] = np.arange(times["text"]) < lengths["text"][:, None]
    if "tokens" in split.modalities:
        counts = split.modalities["tokens"].lengths
        apart = np.flatnonzero(counts != lengths["text"])
        if apart.size:
            raise DataError(
                f"{corpus.name}, sample {split.ids[apart[0]]}: {counts[apart[0]]} tokens and "
                f"{lengths['text'][apart[0]]} text steps, but MMSA's layout has one length for both"
            )
        tokens[:, 0] = _padded(split.modalities["tokens"], times["text"])[..., 0]
    content = {
        "raw_text": np.array(_texts(corpus.name, split)),
        "id": np.array(ids),
        "text_bert": tokens,
        "annotations": np.array(["Negative", "Neutral", "Positive"])[sign + 1],
        "classification_labels": classes,
        "regression_labels": sentiment,
    }
    for name, key in _KEYS.items():
        content[key] = _padded(split.modalities[name], times[name])
        if f"sentiment_{name}" in labels:
            content[f"regression_labels_{_LETTERS[name]}"] = labels[f"sentiment_{name}"]
        if not corpus.aligned and name != "text":
            content[f"{key}_lengths"] = lengths[name].tolist()
    return content


def _texts(corpus: str, split: Split) -> list[str]:
    """The words of each sample as MMSA's layout has them, which splits at blanks."""
    if split.words is None:
        return [""] * len(split)
    found = []
    for i, one in enumerate(split.ids):
        words = split.words[i]
        wrong = next((word for word in words if word.split() != [word]), None)
        if wrong is not None:
            raise DataError(
                f"{corpus}, sample {one}: the word '{' '.join(wrong.split())}' is empty or has a blank in "
                "it, and MMSA's layout joins words by blanks; write it without, as in New_York"
            )
        found.append(" ".join(words))
    return found


def _ids(corpus: Corpus) -> dict[str, list[str]]:
    """`group$_$clip` by split, which is how MMSA's layout says what belongs together.

    The shorter of two forms in which no two samples are called the same.
    """
    every: list[tuple[str, str | None]] = []
    for name in _SPLITS:
        split = corpus[name]
        every += zip(split.ids, split.groups or (None,) * len(split), strict=True)
    for form in (_short, _long):
        made = [form(one, group) for one, group in every]
        if len(set(made)) == len(set(every)):
            found = iter(made)
            return {name: [next(found) for _ in corpus[name].ids] for name in _SPLITS}
    first: dict[str, tuple[str, str | None]] = {}
    one, other = next(
        (first[x], own) for x, own in zip(made, every, strict=True) if first.setdefault(x, own) != own
    )
    raise DataError(
        f"{corpus.name}: samples {one[0]} and {other[0]} would both be called '{_long(*one)}' in MMSA's "
        "layout; rename one"
    )


def _short(one: str, group: str | None) -> str:
    if group is None:
        return re.sub(r"\[(.*)\]$", r"$_$\1", one)
    rest = re.fullmatch(r"(?:\$_\$|_)(.+)|\[(.+)\]", one.removeprefix(group))
    return f"{group}$_${(rest[1] or rest[2]) if rest else one}"


def _long(one: str, group: str | None) -> str:
    return one if group is None else f"{group}$_${one}"


def _is_regression(target: Target) -> bool:
    return isinstance(target, Regression) and not target.per_step


def _padded(rows: Ragged, time: int) -> NDArray[np.float32]:
    """(samples, time, feature), with zeros behind each sample and where nothing was observed."""
    steps = np.arange(time) < rows.lengths[:, None]
    index = rows.index
    padded = np.zeros((*steps.shape, rows.dim), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # beyond float32 is infinite
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
