"""The commands that are disturbed, and what of their results has to be the same to the byte.

Columns of seconds, milliseconds and peak memory are not compared; nor is what states them: costs, reports
of commands that measured anew, logs, databases, `run.json`.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import Path

PLACE = re.compile(rb"/[^\s\"<>]*affect-faults-[^/\s]+/[^\s\"<>]*?/(?:disk/)?(?=tune/best|tiny\.)")
"""The folder of a case, as it stands before what lies in it."""
TIMES = ("seconds", "milliseconds", "peak_memory")
"""What stands in the name of a column that is not compared."""


@dataclass(frozen=True)
class Verb:
    """A command, what it needs beside its inputs, and what it makes.

    Args:
        arguments: as they stand behind `affect`.
        needs: folders of the template that it reads.
        results: patterns of files to compare, relative to its folder.
        makes: what it makes first: a file or a folder.
    """

    arguments: tuple[str, ...]
    results: tuple[str, ...]
    needs: tuple[str, ...] = ()

    @property
    def makes(self) -> str:
        """The file or folder that it writes."""
        return self.results[0].partition("/")[0]


def _runs(folder: str) -> tuple[str, ...]:
    where = f"{folder}/runs/*/*" if folder == "bench" else f"{folder}/*/*"
    return tuple(
        f"{where}/{name}" for name in ("results.csv", "predictions.csv", "history.csv", "model.safetensors")
    )


def _verb(text: str, *results: str, needs: tuple[str, ...] = ()) -> Verb:
    return Verb(tuple(text.split()), results, needs)


VERBS = {
    "train": _verb("train small.yaml --out runs", *_runs("runs")),
    "bench": _verb(
        "bench mini.yaml --out bench", "bench/summary.csv", "bench/comparisons.csv", *_runs("bench")
    ),
    "tune": _verb(
        "tune small.yaml --out tune --trials 3", "tune/summary.csv", "tune/results.csv", "tune/best.yaml"
    ),
    "sweep": _verb(
        "sweep bench --out sweep --draws 1",
        "sweep/robustness.csv",
        "sweep/summary.csv",
        "sweep/table.md",
        needs=("bench",),
    ),
    "align": _verb(
        "align words.csd COVAREP.csd --labels labels.csd --out aligned.safetensors", "aligned.safetensors"
    ),
    "convert": _verb("convert tiny.safetensors other.safetensors", "other.safetensors"),
    "convert mmsa": _verb("convert tiny.safetensors mmsa.pkl --to mmsa", "mmsa.pkl"),
    "convert csd": _verb("convert tiny.safetensors csds --to csd", "csds/*"),
    "predict": _verb(
        "predict runs/small-* tiny.safetensors --out predictions.csv", "predictions.csv", needs=("runs",)
    ),
    "compare": _verb("compare bench --out pairs.csv", "pairs.csv", needs=("bench",)),
    "report": _verb("report bench tune --out page.html", "page.html", needs=("bench", "tune")),
}
"""Each verb that makes something."""


def arguments(verb: Verb, folder: Path, within: str = "") -> list[str]:
    """Its arguments.

    Args:
        verb: whose.
        folder: in which it is given; a `*` stands for the one run that is there.
        within: the folder in that one where results go, with a slash.
    """
    given = [
        str(next(folder.glob(f"{one}/seed*")).relative_to(folder)) if "*" in one else one
        for one in verb.arguments
    ]
    place = max(place for place, one in enumerate(given) if one == verb.makes)
    return [*given[:place], f"{within}{verb.makes}", *given[place + 1 :]]


def results(verb: Verb, folder: Path) -> dict[str, str]:
    """Each result's name, and the SHA-256 of what of it has to be the same."""
    found = {
        path
        for pattern in verb.results
        for path in folder.glob(pattern)
        if path.is_file() and path.name[0] != "."
    }
    return {path.relative_to(folder).as_posix(): digest(path) for path in sorted(found)}


def digest(path: Path) -> str:
    """The SHA-256 of a file without times, paths of the judge's own, and numbers of trials."""
    content = path.read_bytes()
    if path.suffix == ".csv":
        content = _timeless(content)
    if path.suffix in {".csv", ".yaml", ".html", ".md"}:
        content = re.sub(PLACE, b"FOLDER/", content)
        content = re.sub(rb"[Tt]rial ?\d+|(?<=small-)[0-9a-f]{8}", b"#", content)  # names, by the path
    if path.suffix == ".csd":
        return _of_hdf5(path)
    return hashlib.sha256(content).hexdigest()


def _timeless(content: bytes) -> bytes:
    """A table without its columns of times."""
    try:
        rows = [*csv.reader(io.StringIO(content.decode()))]
    except (UnicodeDecodeError, csv.Error):
        return content
    kept = [place for place, name in enumerate(rows[0] if rows else []) if not any(t in name for t in TIMES)]
    if not rows or len(kept) == len(rows[0]) or len({*map(len, rows)}) > 1:
        return content
    return repr([[row[place] for place in kept] for row in rows]).encode()


def _of_hdf5(path: Path) -> str:
    """The SHA-256 of what an HDF5 file holds; its bytes depend on the order of writing."""
    import h5py
    import numpy as np

    held = hashlib.sha256()

    def add(name: str, item: object) -> None:
        held.update(name.encode())
        if isinstance(item, h5py.Dataset):
            value = item[()]
            held.update(
                repr(value.tolist()).encode() if value.dtype.kind == "O" else np.asarray(value).tobytes()
            )

    try:
        with h5py.File(path, "r") as stored:
            stored.visititems(add)
    except OSError:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return held.hexdigest()
