"""Files of arrays, `.npz`, `.npy` and `.pt`, that hold all samples of a split together."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect.data.corpora import citation, identify
from affect.data.corpus import Corpus, Split
from affect.data.making.arrays import Part, corpus_of
from affect.data.making.ids_and_words import check_count
from affect.data.making.labelling import Kind
from affect.data.making.step_features import StepFeatures
from affect.data.rules.arraylike import array
from affect.data.rules.columns import kept
from affect.data.rules.labels import Labels
from affect.data.rules.values import texts
from affect.data.sources.arrays import sample_files
from affect.data.sources.arrays.archives import contents
from affect.data.sources.arrays.by_name import Fields, Keyed, keyed, leaves
from affect.data.sources.arrays.files import RULE, are_arrays, plan
from affect.data.sources.arrays.single import columns_of, sample_features, steps
from affect.data.sources.options import DEFAULTS, Options
from affect.data.targets import MultiLabel
from affect.errors import DataError
from affect.files import real

__all__ = ["read", "recognises", "steps"]

_WHOLE = ("arr_0", "data", "array", "values")
recognises = are_arrays


def read(path: Path, options: Options = DEFAULTS) -> Corpus:
    """A corpus from arrays whose names say what they are.

    - One file of all: `train/text`, `train_text`, `text_train`, `X_train` and `y_train`, or in a `.pt` file
      `{"train": {"text": ...}}`; without splits, an array `split` may name that of each sample.
    - A file for each split (`train.npz`), or for each array (`text_train.npy`, `train/text.npy`), of which
      any may be named.
    - A file for each sample: `affect.data.sources.arrays.sample_files`.

    `text`, `audio`, `vision` and any other name is a modality, (samples, time, feature) or (samples,
    feature); `audio_lengths`, `audio_mask`, `audio_times` and `audio_columns` stand beside it, and without a
    modality's name beside all. `id`, `words` (`raw_text`) and `speaker` say what they do. `y`, `labels`,
    `..._labels`, what holds one number for each sample, and names in `options.targets` are labels.

    Args:
        path: a file, or a folder of some.
        options: which names are targets.
    Raises:
        DataError: a file is damaged, holds objects, or the arrays do not fit together.
    """
    files = plan(path)
    if files.apart:
        return sample_files.read(path, files.apart, options)
    items: list[tuple[str, Any]] = []
    for prefix, file in files.together:
        own = list(leaves(contents(file)))
        alone = len(own) == 1 and own[0][0] in ("", *_WHOLE)
        items += [("/".join(filter(None, (prefix, "" if alone else key))), value) for key, value in own]
    found, notes = keyed(items, str(path), options.targets)
    if not found:
        raise DataError(f"{path}: no arrays of a corpus, but {_listed(items)}; {RULE}")
    return _corpus(path, found, notes, options)


def _corpus(path: Path, found: Mapping[str, Keyed], notes: list[str], options: Options) -> Corpus:
    where = str(path)
    kinds: dict[str, Kind] = {}
    parts = {split: _part(own, f"{where}, {split}", options) for split, own in found.items()}
    notes += _unused(found)
    for split, part in parts.items():
        if part.ids is None:
            check_count(_size(found[split]), f"{where}, {split}")
    outlines = {split: _outline(part, _size(found[split])) for split, part in parts.items()}
    for name in dict.fromkeys(name for own in found.values() for name in own.labels):
        kinds |= _targets(name, found, parts, identify(outlines), options, where)
    return corpus_of(
        parts,
        where,
        real(path).name if path.is_dir() else path.stem,
        kinds,
        duplicates="keep",
        notes=notes,
        citation=citation(outlines),
    )


def _part(own: Keyed, where: str, options: Options) -> Part:
    count, targets = _size(own), options.targets
    said = {key: fields.get("values") for key, fields in own.said.items()}
    return Part(
        ids=said.get("id"),
        groups=said.get("group"),
        words=_words(said.get("words")),
        word_times=own.said.get("words", {}).get("times"),
        modalities={
            m: _modality(fields, own.shared, count, f"{where}: {m}", kept(options.columns, m), targets)
            for m, fields in own.modalities.items()
        },
    )


def _unused(found: Mapping[str, Keyed]) -> list[str]:
    """The note on what stands beside all modalities and fits none."""
    loose = [
        key
        for own in found.values()
        for key, content in own.shared.items()
        if not any(_fits(key, content, fields["values"], _size(own)) for fields in own.modalities.values())
    ]
    return (
        [f"Not read, since no modality has as many steps: {', '.join(dict.fromkeys(loose))}."]
        if loose
        else []
    )


def _size(own: Keyed) -> int:
    return next((len(fields["values"]) for fields in own.every if "values" in fields), 0)


def _words(content: Any) -> Any:
    return list(texts(content, "words")) if isinstance(content, np.ndarray) else content


def _modality(
    fields: Fields, shared: Fields, count: int, where: str, keep: Collection[str], targets: Collection[str]
) -> Any:
    """A modality as `affect.data.making.modalities.read_modality` takes it."""
    values = fields["values"]
    fields = {**{key: x for key, x in shared.items() if _fits(key, x, values, count)}, **fields}
    own = {key: x for key, x in fields.items() if key not in ("values", "columns")}
    if isinstance(values, list):
        own.pop("lengths", None)  # each has its own
        names = {key: x for key, x in fields.items() if key == "columns"}
        values = [
            one if one is None else sample_features(one, names, f"{where}, sample {i}", keep, targets)
            for i, one in enumerate(values)
        ]
    elif "columns" in fields:
        values = columns_of(StepFeatures(array(values, where)), fields, where, keep, targets)
    return {"values": values, **own}


def _fits(key: str, content: Any, values: Any, count: int) -> bool:
    """Whether what stands beside all modalities is of this one."""
    if not isinstance(values, np.ndarray):
        return False
    shape: tuple[int, ...] = np.shape(content)
    if key == "columns":
        return shape == (values.shape[-1],)
    if values.ndim != 3 or shape[:1] != (count,):
        return False
    if key == "lengths":
        return bool(np.max(content, initial=0) <= values.shape[1])
    return shape[:2] == tuple(values.shape[:2])


def _targets(
    name: str,
    found: Mapping[str, Keyed],
    parts: Mapping[str, Part],
    corpus: str,
    options: Options,
    where: str,
) -> dict[str, Kind]:
    """The kinds of targets that one array of labels becomes; the labels themselves are put into the parts."""
    own = {split: one.labels[name] for split, one in found.items() if name in one.labels}
    wide = _columns(own)
    labels = (
        None
        if name in options.targets or not wide
        else _known(own, wide, corpus if name == "sentiment" else "", f"{where}: {name}")
    )
    if labels is None:
        for split, fields in own.items():
            beside = {key: x for key, x in fields.items() if key in ("lengths", "mask")}
            parts[split].labels[name] = {"values": fields["values"], **beside} if beside else fields["values"]
        return {name: options.targets.get(name)}
    for target, columns in labels.columns.items():
        for split, values in wide.items():
            one = values[:, columns]
            yes = np.where(np.isnan(one), np.nan, one > 0)
            parts[split].labels[target.name] = yes if isinstance(target, MultiLabel) else one
    return {target.name: target for target in labels.columns}


def _columns(own: Mapping[str, Fields]) -> dict[str, NDArray[np.float64]]:
    """Labels (samples, columns) by split; empty where they are no numbers, or are those of steps."""
    found = {}
    for split, fields in own.items():
        values = fields["values"]
        if {"lengths", "mask"} & set(fields) or not isinstance(values, np.ndarray):
            return {}
        if values.dtype.kind not in "biuf" or sum(n != 1 for n in values.shape[1:]) > 1:
            return {}
        found[split] = values.reshape(len(values), -1).astype(np.float64)
    return found if len({values.shape[1] for values in found.values()}) == 1 else {}


def _known(
    own: Mapping[str, Fields], wide: Mapping[str, NDArray[np.float64]], corpus: str, where: str
) -> Labels | None:
    """What the columns are, by their names or in a public corpus; None where they are those of one label."""
    every = np.concatenate(list(wide.values()))
    several = every.shape[1] > 1 and not np.isin(every[~np.isnan(every)], (0, 1)).all()
    if not several and (not corpus or every.shape[1] > 1):
        return None
    names = next((texts(fields["columns"], where) for fields in own.values() if "columns" in fields), ())
    return Labels.of(every.shape[1], names, corpus)


def _outline(part: Part, count: int) -> Split:
    """The samples of a split, by which a public corpus is known."""
    ids = texts(part.ids, "id") if part.ids is not None else ("",) * count
    videos = tuple(one.partition("$_$")[0].partition("[")[0] for one in ids) if any(ids) else None
    return Split(ids, {}, {}, videos)


def _listed(items: list[tuple[str, Any]]) -> str:
    """What was found, for a refusal."""
    said = [f"{key or 'one thing'} ({_kind(value)})" for key, value in items[:6]]
    return ", ".join(said) + (", ..." if len(items) > 6 else "") if said else "nothing"


def _kind(value: Any) -> str:
    shape = f" of shape {value.shape}" if isinstance(value, np.ndarray) else ""
    return f"{type(value).__name__}{shape}"
