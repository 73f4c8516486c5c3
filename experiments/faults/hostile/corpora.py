"""Hostile files that are read as corpora."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from experiments.faults.hostile import payloads
from experiments.faults.hostile.building import NAMES, Build, run_of
from experiments.faults.hostile.payloads import Payload

STRANGE = {"version": 1, "splits": ["../../x"], "targets": [{"kind": "os.system", "name": "x"}]}
"""What a native file says of itself."""
IDS = [
    "=cmd|'/c calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\x1b[2J\x1b]0;owned\x07",
    "../../escape",
    "a\nb",
    "\u202egpj",
]
"""Ids that are formulas in spreadsheets, orders to terminals, or paths."""


def builds() -> Iterator[tuple[str, Build, bool]]:
    """Files that are read as corpora."""
    files: dict[str, tuple[str, Payload]] = {
        "pickle, os.system": ("c.pkl", payloads.pickled()),
        "pickle, eval": ("c.pkl", payloads.pickled(eval)),
        "pickle, protocol 0": ("c.pkl", payloads.pickled(protocol=0)),
        "pickle, nested": ("c.pkl", payloads.pickled(nested=True)),
        "pickle as .p": ("c.p", payloads.pickled(protocol=2)),
        "pickle, a billion lists": ("c.pkl", payloads.pickle_bomb),
        "pickle, claims an exabyte": ("c.pkl", payloads.memo_bomb),
        "pickle, claims a long": ("c.pkl", payloads.raw(b"\x80\x04\x8b\xff\xff\xff\x7f" + bytes(32) + b".")),
        "torch file": ("c.pt", payloads.torch_file),
        "torch file, legacy": ("c.pt", payloads.torch_legacy),
        "torch file as .pth": ("c.pth", payloads.torch_file),
        "torch file as .pkl": ("c.pkl", payloads.torch_file),
        "npz of objects": ("c.npz", payloads.objects),
        "npy of objects": ("c.npy", payloads.objects),
        "npy claims 80 TB": ("c.npy", payloads.npy_claims),
        "zip bomb": ("c.npz", payloads.zip_bomb("text.npy")),
        "zip with paths": ("c.npz", payloads.zip_escape),
        "safetensors claims 2^63": ("c.safetensors", payloads.safetensors(b"{}", 1 << 63)),
        "safetensors, deep JSON": ("c.safetensors", payloads.safetensors(payloads.deep_json())),
        "safetensors, offsets outside": (
            "c.safetensors",
            payloads.safetensors(
                b'{"a":{"dtype":"F64","shape":[1000000000000],"data_offsets":[0,8000000000000]}}'
            ),
        ),
        "safetensors, negative lengths": (
            "c.safetensors",
            payloads.safetensors(b'{"a":{"dtype":"F64","shape":[-1],"data_offsets":[8,0]}}'),
        ),
        "safetensors, metadata of nobody": (
            "c.safetensors",
            payloads.safetensors(json.dumps({"__metadata__": {"affect": json.dumps(STRANGE)}}).encode()),
        ),
        "csv of NUL": ("c.csv", payloads.raw(b"id,label\n" + b"\0" * 1000)),
        "csv, a cell of 50 MB": ("c.csv", payloads.raw(b"id,label\n" + b"x" * 50_000_000 + b",1\n")),
        "csv, 200,000 columns": (
            "c.csv",
            payloads.raw(b"id," * 200_000 + b"label\n" + b"1," * 200_000 + b"1\n"),
        ),
        "json, deep": ("c.json", payloads.raw(payloads.deep_json())),
        "json, big number": ("c.json", payloads.raw(b'{"a": ' + b"9" * 100_000 + b"}")),
        "parquet of nothing": ("c.parquet", payloads.raw(b"PAR1" + b"\xff" * 64 + b"PAR1")),
        "a pipe": ("c.pkl", payloads.fifo),
        "a pipe as csv": ("c.csv", payloads.fifo),
        "a pipe as safetensors": ("c.safetensors", payloads.fifo),
        "a pipe as csd": ("c.csd", payloads.fifo),
        "link to /dev/zero": ("c.pkl", payloads.link("/dev/zero")),
        "link to /dev/zero as csv": ("c.csv", payloads.link("/dev/zero")),
        "link to /dev/zero as safetensors": ("c.safetensors", payloads.link("/dev/zero")),
        "link to /dev/urandom": ("c.npz", payloads.link("/dev/urandom")),
        "link to itself": ("c.pkl", payloads.link("c.pkl")),
        "link out of the folder": ("c.csv", payloads.link("../outside/secret.txt")),
    }
    for kind in ("external link", "external storage", "circle", "claims", "virtual"):
        files[f"HDF5, {kind}"] = ("c.csd", payloads.hdf5(kind))
    for name, (file, payload) in files.items():
        yield f"inspect {name}", _file(file, payload, "inspect"), False
    for kind in ("external link", "external storage", "claims"):
        align = _file("c.csd", payloads.hdf5(kind), "align", "words.csd {} --out out.safetensors")
        yield f"align HDF5, {kind}", align, False
    yield (
        "convert a folder with a pipe",
        _file("many/c.csv", payloads.fifo, "convert", "many out.safetensors"),
        False,
    )
    yield (
        "inspect a folder that holds itself",
        _file("many/again", payloads.link("."), "inspect", "many"),
        False,
    )
    yield (
        "inspect a folder with a link to /",
        _file("many/root", payloads.link("/"), "inspect", "many"),
        False,
    )
    odd = payloads.corpus(IDS)
    for verb, rest in (
        ("inspect", "{}"),
        ("predict", "RUN {} --out out.csv"),
        ("predict", "RUN {}"),
        ("convert", "{} out --to csd"),
        ("convert", "{} out.pkl --to mmsa"),
    ):
        yield f"{verb} {rest.replace('{}', 'odd ids')}", _file("odd.safetensors", odd, verb, rest), False
    for name, given in NAMES.items():
        if name in {"above", "absolute", "300 letters", "reserved", "dots"}:
            payload = payloads.corpus(modality=given)
            yield (
                f"convert modality {name}",
                _file("m.safetensors", payload, "convert", "{} out --to csd"),
                False,
            )


def _file(name: str, payload: Payload, verb: str, rest: str = "{}") -> Build:
    """A file, and a verb that reads it."""

    def build(work: Path, marker: Path) -> str:
        path = work / name
        path.parent.mkdir(exist_ok=True)
        payload(path, marker)
        return f"{verb} {rest.format(name)}".replace("RUN", run_of(work).relative_to(work).as_posix())

    return build
