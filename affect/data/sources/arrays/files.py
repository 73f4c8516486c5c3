"""Which files of arrays make a corpus, and what their names say of split, array and sample."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from affect.data.sources.arrays.archives import contents, kind
from affect.data.sources.arrays.roles import role_of, split_of
from affect.data.sources.tables.label_tables import known_ids
from affect.errors import DataError

RULE = "expected train.npz, text_train.npy, y_train.npy, or a file of all arrays of a sample named after it"

_ALONE = ("arr_0", "values", "features", "feature")
"""What the only array in a file of one modality is called."""


@dataclass(frozen=True)
class Plan:
    """The files of a corpus.

    Args:
        together: those that hold all samples of a split, by what their names say of split and array.
        apart: those of one sample each, by split and id.
    """

    together: tuple[tuple[str, Path], ...] = ()
    apart: tuple[tuple[str, str, Path], ...] = ()


def are_arrays(path: Path) -> bool:
    """Whether this is a file of arrays, or a folder with some that are not one modality each."""
    try:
        if path.is_file():
            return bool(kind(path))
        if not path.is_dir():
            return False
        files = list(_files(path))
        if not files:
            return False
        others = [one for one in path.iterdir() if one.is_dir() and split_of(one.name) == ("", one.name)]
        seen = (file for one in others if not one.name.startswith(".") for file in one.iterdir())
        # A folder for each modality is another layout.
        return not any(map(kind, seen)) and not _is_modality(path, [file for split, file in files if split])
    except (OSError, ValueError):
        return False


def _is_modality(path: Path, inner: list[Path]) -> bool:
    """Whether a folder named after a split is a modality: its files hold one array for each id of a table."""
    ids = known_ids(path) if inner else frozenset()
    file = next((file for file in inner if file.stem in ids), None)
    if file is None:
        return False
    try:
        return kind(file) == "npy" or not {*_ALONE}.isdisjoint(contents(file))
    except (DataError, TypeError):  # a single tensor is no container
        return kind(file) == "pt"


def plan(path: Path) -> Plan:
    """Which files hold what.

    Raises:
        DataError: their names do not say it.
    """
    if path.is_file() and kind(path) != "npy":
        return Plan(together=((split_of(path.stem)[0], path),))
    folder = path if path.is_dir() else path.parent
    files = [(*_said(split, file), file) for split, file in _files(folder)]
    if path.is_file():
        files = [(split, rest, file) for split, rest, file in files if kind(file) == "npy"]
    files = _shortened(files)
    rests = {rest for _, rest, _ in files}
    together = []
    for split, rest, file in files:
        plain = not rest or role_of(rest).plain or (bool(split) and kind(file) == "npy")
        if not plain and len(rests) > 1:
            break
        together.append(("/".join(filter(None, (split, rest if plain else ""))), file))
    names = [name for name, _ in together]
    if len(together) == len(files) and len(set(names)) == len(names):
        return Plan(together=tuple(together))
    if _are_beside(files):
        return Plan(together=tuple((rest, file) for _, rest, file in files))
    if path.is_file():
        contents(path)  # what is wrong with the file that was named comes first
    alone = [(file, role_of(rest).plain) for _, rest, file in files if kind(file) == "npy"]
    odd = min(alone, key=lambda one: (one[1], one[0] != path), default=(None, False))[0]
    if odd is not None:
        if odd == path or path.is_dir():
            raise DataError(f"{odd}: its name says neither split nor modality; {RULE}")
        raise DataError(
            f"{path}: beside it is {odd.name}, whose name says neither split nor modality; {RULE}"
        )
    return Plan(apart=tuple((split, file.stem, file) for split, _, file in files))


def _are_beside(files: list[tuple[str, str, Path]]) -> bool:
    """Whether each file is an array of all samples: one holds ids or labels, and all are as long.

    Raises:
        DataError: a file is damaged, or holds objects.
    """
    roles = [role_of(rest) for _, rest, _ in files]
    if any(split or kind(file) != "npy" for split, _, file in files):
        return False
    if not any(role.kind in ("id", "label") and role.field == "values" for role in roles):
        return False
    shapes = [
        np.shape(contents(file))
        for role, (_, _, file) in zip(roles, files, strict=True)
        if role.field != "columns"
    ]
    return len({shape[:1] for shape in shapes}) == 1 and () not in shapes


def _shortened(files: list[tuple[str, str, Path]]) -> list[tuple[str, str, Path]]:
    """The same files, without what all names begin with before an array: `mosi_text`, `mosi_y`."""
    start = os.path.commonprefix([rest for _, rest, _ in files])
    start = start[: start.rfind("_") + 1]
    short = [(split, rest.removeprefix(start), file) for split, rest, file in files]
    return short if start and all(role_of(rest).plain for _, rest, _ in short) else files


def _said(split: str, file: Path) -> tuple[str, str]:
    """Split and array that the name of a file says."""
    if split:
        return split, file.stem
    return split_of(file.stem)


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Files of arrays in a folder and in those that are named after splits, with their splits."""
    for one in sorted(folder.iterdir()):
        if one.name.startswith("."):
            continue
        split, rest = split_of(one.name)
        if one.is_dir() and split and not rest:
            yield from ((split, file) for file in sorted(one.iterdir()) if kind(file))
        elif kind(one):
            yield "", one
