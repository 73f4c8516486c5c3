"""The native corpus file: a safetensors file of values and offsets, memory-mapped when it is read.

Tensors are named `split/part/name/field`. What is known of the corpus as a whole
stands in the header as JSON.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect.data import targets
from affect.data.corpus import Corpus, Split
from affect.data.ragged import Ragged, Words
from affect.errors import AffectError, DataError
from affect.files import writing

KEY = "affect"
VERSION = 1
_DTYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "I64": np.int64,
    "U8": np.uint8,
    "BOOL": np.bool_,
}


def save(corpus: Corpus, path: str | Path) -> None:
    """Write `corpus` to one file; an interrupted write leaves what was there before."""
    from safetensors.numpy import save_file

    tensors: dict[str, NDArray[Any]] = {}
    for split_name, split in corpus.splits.items():
        _put_text(tensors, f"{split_name}/ids", split.ids)
        if split.groups is not None:
            _put_text(tensors, f"{split_name}/groups", split.groups)
        if split.words is not None:
            words = split.words.flat()
            _put_text(tensors, f"{split_name}/words/tokens", words.tokens)
            _put(tensors, f"{split_name}/words", offsets=words.offsets, times=words.times)
        for part, rows in (("modality", split.modalities), ("target", split.targets)):
            for name, ragged in rows.items():
                x = ragged.flat()
                _put(
                    tensors, f"{split_name}/{part}/{name}",
                    values=x.values, offsets=x.offsets, observed=x.observed, times=x.times,
                )  # fmt: skip
    header = {
        "version": VERSION,
        "name": corpus.name,
        "aligned": corpus.aligned,
        "notes": corpus.notes,
        "citation": corpus.citation,
        "ceiling": corpus.ceiling,
        "splits": list(corpus.splits),
        "targets": [targets.to_json(target) for target in corpus.targets.values()],
    }
    with writing(path) as partial:
        save_file(tensors, partial, metadata={KEY: json.dumps(header)})


def load(path: str | Path) -> Corpus:
    """Read a native file without running anything in it; features stay on disk until they are used."""
    path = Path(path)
    metadata, tensors = _map(path)
    try:
        header = json.loads(metadata[KEY])
    except (KeyError, ValueError):
        raise DataError(f"{path}: a safetensors file, but not a corpus written by affect") from None
    if header.get("version") != VERSION:
        raise DataError(f"{path}: corpus file version {header.get('version')}, this affect reads {VERSION}")
    try:
        kinds = [targets.from_json(fields, str(path)) for fields in header["targets"]]
        return Corpus(
            name=header["name"],
            splits={name: _split(tensors, name) for name in header["splits"]},
            targets={target.name: target for target in kinds},
            aligned=header["aligned"],
            notes=tuple(header["notes"]),
            citation=header["citation"],
            ceiling=header["ceiling"],
        )
    except AffectError as error:
        raise DataError(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: the corpus file is damaged ({type(error).__name__}: {error})") from None


def is_native(path: str | Path) -> bool:
    """Whether the file begins as a safetensors file does: a header length, then JSON."""
    with Path(path).open("rb") as file:
        start = file.read(9)
    return len(start) == 9 and start[8:] == b"{" and int.from_bytes(start[:8], "little") < 2**27


def _split(tensors: dict[str, NDArray[Any]], name: str) -> Split:
    parts: dict[str, dict[str, Ragged]] = {"modality": {}, "target": {}}
    for key in tensors:
        split, _, rest = key.partition("/")
        part, _, rest = rest.partition("/")
        if split == name and part in parts and rest.endswith("/values"):
            row = rest.removesuffix("/values")
            base = f"{name}/{part}/{row}"
            parts[part][row] = Ragged.from_offsets(
                tensors[key],
                tensors[f"{base}/offsets"],
                tensors[f"{base}/observed"],
                tensors.get(f"{base}/times"),
            )
    words = None
    if f"{name}/words/offsets" in tensors:
        words = Words.from_offsets(
            _text(tensors[f"{name}/words/tokens"]),
            tensors[f"{name}/words/offsets"],
            tensors.get(f"{name}/words/times"),
        )
    groups = tensors.get(f"{name}/groups")
    return Split(
        ids=_text(tensors[f"{name}/ids"]),
        modalities=parts["modality"],
        targets=parts["target"],
        groups=None if groups is None else _text(groups),
        words=words,
    )


def _map(path: Path) -> tuple[dict[str, str], dict[str, NDArray[Any]]]:
    """Header and memory-mapped tensors of a safetensors file that the safetensors library finds sound."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np"):
            pass  # opening checks the header, the offsets and the file's length
    except (SafetensorError, OSError, ValueError) as error:
        raise DataError(f"{path}: not a whole safetensors file ({error})") from None
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
    data = np.memmap(path, dtype=np.uint8, mode="r", offset=0)
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        if entry["dtype"] not in _DTYPES:
            raise DataError(f"{path}: {name} has type {entry['dtype']}; known: {', '.join(_DTYPES)}")
        begin, end = (8 + size + at for at in entry["data_offsets"])
        array = np.asarray(data[begin:end]).view(_DTYPES[entry["dtype"]]).reshape(entry["shape"])
        tensors[name] = array
    return header.get("__metadata__", {}), tensors


def _put(tensors: dict[str, NDArray[Any]], base: str, **fields: NDArray[Any] | None) -> None:
    tensors.update({f"{base}/{name}": np.ascontiguousarray(x) for name, x in fields.items() if x is not None})


def _put_text(tensors: dict[str, NDArray[Any]], name: str, text: tuple[str, ...]) -> None:
    tensors[name] = np.frombuffer(json.dumps(text, ensure_ascii=False).encode(), dtype=np.uint8)


def _text(array: NDArray[Any]) -> tuple[str, ...]:
    text = json.loads(array.tobytes().decode())
    if not isinstance(text, list) or not all(isinstance(item, str) for item in text):
        raise DataError("a list of strings was expected")
    return tuple(text)
