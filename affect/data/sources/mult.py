"""The pickles of the Multimodal Transformer: mosi_data.pkl, iemocap_data.pkl, their noalign twins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect.data.corpora import citation
from affect.data.corpus import Corpus, Split
from affect.data.ragged import Ragged, Rows
from affect.data.sources.padding import Side, extent, holding, told, unpad
from affect.data.sources.values import floats, text
from affect.data.targets import MultiLabel, Regression, Target
from affect.errors import DataError

_MODALITIES = {"text": "text", "audio": "acoustic", "vision": "visual"}
_SPLITS = ("train", "valid", "test")
_EMOTIONS = ("neutral", "happy", "sad", "angry")


def recognises(content: object) -> bool:
    """Whether a pickle's content is in this layout."""
    if not isinstance(content, dict) or not any(name in content for name in _SPLITS):
        return False
    splits = [content[name] for name in _SPLITS if name in content]
    return all(isinstance(split, dict) and {"labels", *_MODALITIES} <= split.keys() for split in splits)


def read(content: Any, path: Path) -> Corpus:
    """A corpus from the content of a pickle; the arrays stay where they are, their padding is not read.

    The file gives no lengths: steps of zeros at the side on which a split has more of them are padding; a
    step of zeros elsewhere is one at which nothing was observed.

    Args:
        content: what the pickle holds.
        path: where it is, for messages and the name.
    Raises:
        DataError: the parts of a split do not fit together.
    """
    found = {name: content[name] for name in _SPLITS if name in content}
    arrays = {name: _arrays(split, f"{path}, {name}") for name, split in found.items()}
    aligned = all(len({values.shape[1] for values in own.values()}) == 1 for own in arrays.values())
    notes: list[str] = []
    modalities = _modalities(arrays, aligned, notes)
    splits: dict[str, Split] = {}
    target: Target | None = None
    for name, split in found.items():
        where = f"{path}, {name}"
        values, kind = _labels(split["labels"], where)
        for key, own in _MODALITIES.items():
            if len(arrays[name][own]) != len(values):
                raise DataError(
                    f"{where}: {key} has {len(arrays[name][own])} samples for {len(values)} labels"
                )
        if target is not None and kind != target:
            raise DataError(
                f"{where}: expected labels of {target.name} as in the other splits, got {kind.name}"
            )
        target = kind
        ids, groups = _ids(split.get("id"), name, len(values), where)
        missing = np.flatnonzero(~np.isfinite(values).all(1))
        if missing.size:
            raise DataError(f"{where}, sample {ids[missing[0]]}: labels hold what is not a number")
        splits[name] = Split(
            ids=ids,
            modalities=modalities[name],
            targets={kind.name: Ragged.vectors(values)},
            groups=groups,
        )
    if target is None:
        raise DataError(f"{path}: no split among {', '.join(_SPLITS)}")
    return Corpus(
        name=path.stem,
        splits=splits,
        targets={target.name: target},
        aligned=aligned,
        notes=tuple(notes),
        citation=citation(splits),
        main=target.name,
    )


def _arrays(split: dict[str, Any], where: str) -> dict[str, NDArray[Any]]:
    arrays = {name: floats(split[key], f"{where}: {key}", axes=3) for key, name in _MODALITIES.items()}
    for key, name in _MODALITIES.items():
        if 0 in arrays[name].shape[1:]:
            raise DataError(
                f"{where}: {key} needs at least one step and one feature, got {arrays[name].shape}"
            )
    return arrays


def _modalities(
    arrays: dict[str, dict[str, NDArray[Any]]], aligned: bool, notes: list[str]
) -> dict[str, dict[str, Ragged]]:
    """Rows by split and modality."""
    held = {split: {name: holding(x) for name, x in own.items()} for split, own in arrays.items()}
    together = {split: np.any(list(own.values()), axis=0) for split, own in held.items() if aligned}
    extents = {
        name: _extents(together or {split: own[name] for split, own in held.items()})
        for name in _MODALITIES.values()
    }
    rows: dict[str, dict[str, Ragged]] = {split: {} for split in arrays}
    for split, own in arrays.items():
        for name, values in own.items():
            begin, lengths, side = extents[name][split]
            empty = int(lengths.sum() - held[split][name].sum())
            notes.append(
                f"{split}, {name}: "
                + ("no padding was found" if side == "none" else f"the padding found stands in {side}")
                + f"; {told(empty, int(lengths.sum()))}"
            )
            rows[split][name] = unpad(values, begin, lengths, held[split][name])
    return rows


def _extents(held: dict[str, NDArray[np.bool_]]) -> dict[str, tuple[Rows, Rows, Side]]:
    """As `extent`, by split; the side is one for the file, since a small split may mislead."""
    if len({own.shape[1] for own in held.values()}) > 1:
        return {split: extent(own) for split, own in held.items()}
    begin, lengths, side = extent(np.concatenate(list(held.values())))
    cuts = np.cumsum([len(own) for own in held.values()])[:-1]
    parts = zip(held, np.split(begin, cuts), np.split(lengths, cuts), strict=True)
    return {split: (first, count, side) for split, first, count in parts}


def _labels(content: object, where: str) -> tuple[NDArray[Any], Target]:
    """Sentiment (samples, 1), or four emotions, each a pair of no and yes, as 0 and 1."""
    labels = floats(content, f"{where}: labels")
    if labels.ndim == 3 and labels.shape[1:] == (len(_EMOTIONS), 2):
        return labels.argmax(-1).astype(np.float32), MultiLabel("emotion", classes=_EMOTIONS)
    if labels.ndim == 2 and labels.shape[1] == len(_EMOTIONS):
        return labels, MultiLabel("emotion", classes=_EMOTIONS)
    if not labels.ndim or labels.size != len(labels):
        raise DataError(
            f"{where}: labels must have shape (samples, 1, 1) or (samples, {len(_EMOTIONS)}, 2), "
            f"got {labels.shape}"
        )
    return labels.reshape(-1, 1), Regression("sentiment", low=-3, high=3)


def _ids(content: Any, split: str, count: int, where: str) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """Ids, and the videos where they say them: `video`, or `video start end`."""
    if content is None:
        return tuple(f"{split}{i}" for i in range(count)), None
    if not isinstance(content, list | tuple | np.ndarray) or not np.ndim(content):
        raise DataError(f"{where}: id must be a list or an array, got {type(content).__name__}")
    rows = [np.asarray(row).reshape(-1).tolist() for row in content]
    if len(rows) != count:
        raise DataError(f"{where}: {len(rows)} ids for {count} labels")
    ids = tuple(" ".join(map(text, row)) for row in rows)
    videos = tuple(
        text(row[0]) if len(row) > 1 else one.partition("[")[0] for row, one in zip(rows, ids, strict=True)
    )
    if len(set(ids)) < len(ids):  # some files number nothing but the videos
        seen: dict[str, int] = {}
        numbered = []
        for one in ids:
            seen[one] = seen.get(one, -1) + 1
            numbered.append(f"{one}[{seen[one]}]")
        return tuple(numbered), videos
    return ids, videos
