"""Files that somebody made to harm whoever reads them.

Each writes itself to a path; what it would do is to make the file `marker`, which nobody else makes.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

Payload = Callable[[Path, Path], None]
"""Writes to a path what would make a marker."""


class Runs:
    """Whoever unpickles it executes a command."""

    def __init__(self, marker: Path, by: Callable[..., Any] = os.system) -> None:
        self.marker, self.by = marker, by

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """The command."""
        if self.by is eval:
            return eval, (f"open({str(self.marker)!r}, 'w').close()",)
        return self.by, (f"touch '{self.marker}'",)


def code(marker: Path) -> str:
    """Python that makes the marker when it is imported."""
    return f"open({str(marker)!r}, 'w').close()\nfrom affect.fusion import TensorFusion as Evil\n"


def pickled(by: Callable[..., Any] = os.system, protocol: int = 4, nested: bool = False) -> Payload:
    """A pickle that calls something."""

    def write(path: Path, marker: Path) -> None:
        held: Any = Runs(marker, by)
        path.write_bytes(pickle.dumps({"train": {"text": [held]}} if nested else held, protocol))

    return write


def raw(content: bytes) -> Payload:
    """Bytes as they are."""

    def write(path: Path, marker: Path) -> None:
        path.write_bytes(content)

    return write


def torch_file(path: Path, marker: Path) -> None:
    """A file of torch's, with code."""
    import torch

    torch.save({"weight": Runs(marker)}, path)


def torch_legacy(path: Path, marker: Path) -> None:
    """The same before torch zipped its files."""
    import torch

    torch.save({"weight": Runs(marker)}, path, _use_new_zipfile_serialization=False)


def objects(path: Path, marker: Path) -> None:
    """Arrays of objects: a pickle within a file of NumPy's."""
    import numpy as np

    held = np.array([Runs(marker)], dtype=object)
    if path.suffix == ".npy":
        np.save(path, held, allow_pickle=True)
    else:
        np.savez(path, text=held, labels=held, ids=held)


def npy_claims(path: Path, marker: Path) -> None:
    """A header that claims a hundred terabytes."""
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (10000000, 1000000), }".ljust(118) + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + bytes(64))


def zip_bomb(name: str) -> Payload:
    """A zip of 2 MB whose one member has 2 GB."""

    def write(path: Path, marker: Path) -> None:
        with (
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file,
            file.open(name, "w", force_zip64=True) as held,
        ):
            shape = (268_435_456,)
            head = (
                f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
            )
            held.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head)
            for _ in range(128):
                held.write(bytes(1 << 24))

    return write


def zip_escape(path: Path, marker: Path) -> None:
    """A zip whose members lie above it."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("../../escaped.npy", b"")
        file.writestr("/tmp/affect-escaped.npy", b"")


def safetensors(header: bytes, length: int | None = None) -> Payload:
    """A header, and how long it claims to be."""
    return raw(struct.pack("<Q", len(header) if length is None else length) + header + bytes(64))


def hdf5(kind: str) -> Payload:
    """HDF5 that leads out of the file, round in circles, or to a petabyte."""

    def write(path: Path, marker: Path) -> None:
        import h5py
        import numpy as np

        with h5py.File(path, "w") as file:
            group = file.create_group("words/data/video")
            if kind == "external link":
                group["features"] = h5py.ExternalLink("../outside/secret.h5", "/secret")
                group["intervals"] = np.zeros((1, 2))
            elif kind == "external storage":
                group.create_dataset("features", (8, 1), "u1", external=[("../outside/secret.txt", 0, 8)])
                group["intervals"] = np.zeros((8, 2))
            elif kind == "circle":
                group["features"] = h5py.SoftLink("/words/data/video/features")
                group["intervals"] = h5py.SoftLink("/words")
                file["words/data/again"] = file["words"]
            elif kind == "claims":
                group.create_dataset("features", (10**12, 300), "f8", chunks=(1024, 300))
                group.create_dataset("intervals", (10**12, 2), "f8", chunks=(1024, 2))
            else:
                layout = h5py.VirtualLayout((8, 1), "u1")
                layout[:] = h5py.VirtualSource("../outside/secret.h5", "secret", (8, 1))
                group.create_virtual_dataset("features", layout)
                group["intervals"] = np.zeros((8, 2))

    return write


def pickle_bomb(path: Path, marker: Path) -> None:
    """Lists of lists of lists: 10^10 of them, in a few bytes."""
    held: Any = ["lol"] * 10
    for _ in range(9):
        held = [held] * 10
    path.write_bytes(pickle.dumps({"train": held}))


def memo_bomb(path: Path, marker: Path) -> None:
    """A text that doubles itself."""
    path.write_bytes(b"\x80\x04\x8e" + struct.pack("<Q", 1 << 60) + b"short.")


def fifo(path: Path, marker: Path) -> None:
    """A pipe that nobody writes into."""
    os.mkfifo(path)


def link(target: str) -> Payload:
    """A link to something else."""
    return lambda path, marker: path.symlink_to(target)


def deep_json(depth: int = 200_000) -> bytes:
    """Lists within lists."""
    return b"[" * depth + b"]" * depth


ALIASES = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
"""YAML of 500 bytes that stands for a billion."""


def tag(marker: Path) -> str:
    """YAML that asks its reader to call something."""
    return f"!!python/object/apply:os.system [\"touch '{marker}'\"]"


def seal(path: Path) -> None:
    """Give a JSON file the sizes and digests of what lies there now, as affect writes them."""
    facts = json.loads(path.read_text())
    if "files" in facts:
        files = {
            **facts["files"],
            **{p.relative_to(path.parent).as_posix(): 0 for p in path.parent.rglob("modules/**/*.py")},
        }
        facts["files"] = {
            name: [
                (path.parent / name).stat().st_size,
                hashlib.sha256((path.parent / name).read_bytes()).hexdigest(),
            ]
            for name in files
            if (path.parent / name).is_file()
        }
    facts.pop("digest", None)
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()
    path.write_text(json.dumps({**facts, "digest": hashlib.sha256(canonical).hexdigest()}, indent=1))


def modules(folder: Path) -> dict[str, Any]:
    """What a run says of the Python files in it, as affect says it."""
    files = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.py"))
    }
    whole = "".join(f"{len(place)}:{place}:{one}\n" for place, one in files.items())
    return {"digest": hashlib.sha256(whole.encode()).hexdigest(), "files": files}


def corpus(ids: list[str] | None = None, modality: str = "text") -> Payload:
    """A sound corpus, with ids or a modality of one's choice."""

    def write(path: Path, marker: Path) -> None:
        from dataclasses import replace

        from affect.data import synthetic
        from affect.data.native import save

        dims = {"text": 4, "acoustic": 3, "visual": 2}
        made = synthetic.additive(samples={"train": 24, "valid": 12, "test": 16}, dims=dims)
        if ids is not None:
            named = {
                name: replace(part, ids=tuple(f"{ids[n % len(ids)]}{name}{n}" for n in range(len(part))))
                for name, part in made.splits.items()
            }
            made = replace(made, splits=named)
        save(made, path)
        if modality != "text":  # in the header alone: affect itself may refuse to write it
            content = path.read_bytes()
            (size,) = struct.unpack("<Q", content[:8])
            header = content[8 : 8 + size].replace(b"text", modality.encode())
            path.write_bytes(struct.pack("<Q", len(header)) + header + content[8 + size :])

    return write
