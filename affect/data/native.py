"""The native corpus file: a safetensors file of values and offsets, memory-mapped when it is read.

Tensors are named `split/part/name/field`. What is known of the corpus as a whole
stands in the header as JSON.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect.data import provenance as origins
from affect.data.corpus import Corpus, Split
from affect.data.provenance import Provenance
from affect.data.ragged import Ragged, Words
from affect.data.targets import Target, from_json, to_json
from affect.errors import AffectError, DataError, described, few
from affect.files import writing

KEY = "affect"
VERSION = 1
_HEADER: dict[str, type] = {
    **dict.fromkeys(("targets", "splits", "notes"), list),
    **dict.fromkeys(("name", "citation"), str),
    "aligned": bool,
    "ceiling": dict,
}
"""What a header holds, which others may have written."""

_DTYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "I64": np.int64,
    "U8": np.uint8,
    "BOOL": np.bool_,
}
NAMES = {np.dtype(kind).newbyteorder("<"): name for name, kind in _DTYPES.items()}
"""What the types of tensors that are written are called in the file."""


def save(corpus: Corpus, path: str | Path) -> None:
    """Write `corpus` to one file; an interrupted write leaves what was there before."""
    tensors = {
        name: tensor
        for split_name, split in corpus.splits.items()
        for name, tensor in tensors_of(split_name, split).items()
    }
    header = header_of(
        corpus.name, corpus.splits, corpus.targets, corpus.aligned, corpus.notes, corpus.citation,
        corpus.main, corpus.ceiling, corpus.columns, corpus.provenance,
    )  # fmt: skip
    with writing(path) as partial:
        write(partial, tensors, header)


def load(path: str | Path) -> Corpus:
    """Read a native file without running anything in it; features stay on disk until they are used."""
    path = Path(path)
    metadata, tensors = _map(path)
    try:
        header = json.loads(metadata[KEY])
    except (KeyError, ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise DataError(f"{path}: a safetensors file, but not a corpus written by affect")
    version = header.get("version")
    if version != VERSION or not isinstance(version, int) or isinstance(version, bool):
        raise DataError(f"{path}: corpus file version {described(version)}, this affect reads {VERSION}")
    try:
        for key, kind in _HEADER.items():
            if not isinstance(header[key], kind):
                raise DataError(f"the header's {key} must be a {kind.__name__}, got {header[key]!r:.50}")
        for key in ("splits", "notes"):
            _strings(header[key])
        for metric, value in header["ceiling"].items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise DataError(f"the header's ceiling of {metric} must be a number, got {described(value)}")
        kinds = [from_json(fields, "the header") for fields in header["targets"]]
        _once("split", header["splits"])
        _once("target", [target.name for target in kinds])
        return Corpus(
            name=header["name"],
            splits={name: _split(tensors, name) for name in header["splits"]},
            targets={target.name: target for target in kinds},
            aligned=header["aligned"],
            notes=(*header["notes"], *_left_out(header, tensors)),
            citation=header["citation"],
            ceiling=header["ceiling"],
            main=header.get("main", ""),
            columns={m: tuple(map(str, names)) for m, names in header.get("columns", {}).items()},
            provenance={
                m: origins.from_json(made, f"the header's {m}")
                for m, made in header.get("provenance", {}).items()
            },
        )
    except AffectError as error:
        raise DataError(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
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
            offsets, observed = _offsets(tensors, base), tensors[f"{base}/observed"]
            if observed.dtype == bool and observed.size and observed.view(np.uint8).max() > 1:
                raise DataError(f"{base}/observed holds bytes that are neither 0 nor 1")
            try:
                parts[part][row] = Ragged.from_offsets(
                    tensors[key], offsets, observed, tensors.get(f"{base}/times")
                )
            except AffectError as error:
                raise DataError(f"{base}: {error}") from None
    words = None
    if f"{name}/words/offsets" in tensors:
        words = Words.from_offsets(
            _text(tensors[f"{name}/words/tokens"]),
            _offsets(tensors, f"{name}/words"),
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


def _offsets(tensors: dict[str, NDArray[Any]], base: str) -> NDArray[Any]:
    """Where rows begin and end: whole numbers from 0 on that never fall."""
    offsets = tensors[f"{base}/offsets"]
    if offsets.dtype != np.int64 or offsets.ndim != 1 or not offsets.size or offsets[0] != 0:
        raise DataError(f"{base}/offsets: expected whole numbers (I64) in a row, the first 0")
    if falls := np.flatnonzero(np.diff(offsets) < 0)[:1].tolist():
        at = falls[0]
        raise DataError(f"{base}/offsets: row {at} begins at {offsets[at]} and ends at {offsets[at + 1]}")
    return offsets


def _once(what: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"the header names {what} '{name}' twice")


def _left_out(header: dict[str, Any], tensors: Iterable[str]) -> list[str]:
    """What this file holds beside what is read, as notes."""
    known = header_of("", (), {}, False, (), "", "")
    keys = [repr(key) for key in header if key not in known]
    splits = {name.partition("/")[0] for name in tensors} - {*header["splits"]}
    return [
        f"Left out: {what} of the file, which this affect does not know: {few(sorted(names))}."
        for what, names in (("header keys", keys), ("tensors", splits))
        if names
    ]


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


def header_of(
    name: str,
    splits: Iterable[str],
    targets: Mapping[str, Target],
    aligned: bool,
    notes: tuple[str, ...],
    citation: str,
    main: str,
    ceiling: Mapping[str, float] | None = None,
    columns: Mapping[str, tuple[str, ...]] | None = None,
    provenance: Mapping[str, Provenance] | None = None,
) -> dict[str, Any]:
    """What is known of a corpus as a whole, as plain values; arguments as in `Corpus`."""
    return {
        "version": VERSION,
        "name": name,
        "aligned": aligned,
        "notes": notes,
        "citation": citation,
        "ceiling": ceiling or {},
        "columns": columns or {},
        "provenance": {m: origins.to_json(made) for m, made in (provenance or {}).items()},
        "main": main,
        "splits": list(splits),
        "targets": [to_json(target) for target in targets.values()],
    }


@dataclass(frozen=True)
class Tensor:
    """A tensor on its way to a file: its blocks follow each other on the first axis."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    blocks: Iterable[NDArray[Any]]

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def tensors_of(split_name: str, split: Split) -> dict[str, Tensor]:
    """What is kept of a split, by tensor name."""
    found = {f"{split_name}/ids": _encoded(split.ids)}
    if split.groups is not None:
        found[f"{split_name}/groups"] = _encoded(split.groups)
    if split.words is not None:
        words = split.words.flat()
        found[f"{split_name}/words/tokens"] = _encoded(words.tokens)
        found[f"{split_name}/words/offsets"] = _whole(words.offsets)
        if words.times is not None:
            found[f"{split_name}/words/times"] = _whole(words.times)
    for part, rows in (("modality", split.modalities), ("target", split.targets)):
        for name, ragged in rows.items():
            base = f"{split_name}/{part}/{name}"
            found[f"{base}/offsets"] = _whole(ragged.offsets)
            fields = {"values": ragged.values, "observed": ragged.observed, "times": ragged.times}
            for field, array in fields.items():
                if array is not None:
                    found[f"{base}/{field}"] = _laid_out(array, ragged)
    return found


def _laid_out(array: NDArray[Any], rows: Ragged) -> Tensor:
    """The steps of `rows` end to end, a block at a time: a mapped or padded array is never copied whole."""
    dtype = array.dtype if array.dtype in NAMES else np.dtype(np.float64)
    blocks = (array[block].astype(dtype, copy=False) for block in rows.blocks())
    return Tensor(dtype, (rows.total, *array.shape[1:]), blocks)


def _whole(array: NDArray[Any]) -> Tensor:
    return Tensor(array.dtype, array.shape, (array,))


def _encoded(text: tuple[str, ...]) -> Tensor:
    return _whole(np.frombuffer(json.dumps(text, ensure_ascii=False).encode(), dtype=np.uint8))


def write(path: Path, tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
    """The safetensors format, written a block at a time; the library itself wants all of it in memory."""
    order = sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))
    entries: dict[str, Any] = {"__metadata__": {KEY: json.dumps(header)}}
    end = 0
    for name in order:
        tensor = tensors[name]
        begin, end = end, end + tensor.bytes
        entries[name] = {
            "dtype": NAMES[tensor.dtype],
            "shape": tensor.shape,
            "data_offsets": [begin, end],
        }
    start = json.dumps(entries, ensure_ascii=False).encode()
    start += b" " * (-len(start) % 8)
    with path.open("wb") as file:
        file.write(len(start).to_bytes(8, "little") + start)
        for name in order:
            for block in tensors[name].blocks:
                file.write(np.ascontiguousarray(block, dtype=tensors[name].dtype).data)


def _text(array: NDArray[Any]) -> tuple[str, ...]:
    return _strings(json.loads(array.tobytes().decode()))


def _strings(content: object) -> tuple[str, ...]:
    if not isinstance(content, list) or not all(isinstance(item, str) for item in content):
        raise DataError("a list of strings was expected")
    return tuple(content)
