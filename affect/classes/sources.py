"""Python files of a user: by their place below a folder, with what is in them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from affect.errors import DataError
from affect.files import writing

_LONGEST = 2**24
"""Bytes of a file of Python that somebody wrote."""


@dataclass(frozen=True)
class Modules:
    """Python modules as they were read: what is executed is what was digested.

    Args:
        files: the content of each file by its place, `my_fusions.py` or `parts/__init__.py`.
        places: where each file lies, for tracebacks.
    Example:
        >>> found = Modules({"parts/sums.py": b"x = 1"})
        >>> found.place("parts.sums"), found.place("parts"), found.has("parts"), found.names
        ('parts/sums.py', None, True, ('parts.sums',))
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    places: Mapping[str, Path] = field(default_factory=dict, compare=False)

    @classmethod
    def read(cls, folder: Path) -> Modules:
        """Every Python file below a folder; none where there is no such folder.

        Raises:
            DataError: one is a pipe, a device or a link to nothing, or longer than anybody writes.
        """
        places = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.py"))}
        for path in places.values():
            if not path.is_file() or path.stat().st_size > _LONGEST:
                raise DataError(f"{path}: expected a file of Python of at most {_LONGEST:,} bytes; remove it")
        return cls({name: path.read_bytes() for name, path in places.items()}, places)

    @property
    def names(self) -> tuple[str, ...]:
        """What the modules are called."""
        return tuple(
            place.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            for place in sorted(self.files)
        )

    @cached_property
    def digest(self) -> str:
        """Changes with the name and the content of any file; empty where there is none."""
        if not self.files:
            return ""
        every = hashlib.sha256()
        for place, one in sorted(_digests(self.files).items()):
            every.update(f"{len(place)}:{place}:{one}\n".encode())
        return every.hexdigest()

    def place(self, name: str) -> str | None:
        """The file that a module is made of; None where there is none."""
        base = name.replace(".", "/")
        return next((one for one in (f"{base}/__init__.py", f"{base}.py") if one in self.files), None)

    def has(self, name: str) -> bool:
        """Whether there is such a module, or a folder of modules."""
        below = name.replace(".", "/") + "/"
        return self.place(name) is not None or any(place.startswith(below) for place in self.files)

    def joined(self, others: Modules) -> Modules:
        """These and those; of two of one place, this one."""
        return Modules({**others.files, **self.files}, {**others.places, **self.places})

    def write(self, folder: Path) -> None:
        """Copy them below a folder."""
        for place, content in self.files.items():
            with writing(folder / place) as partial:
                partial.write_bytes(content)

    def facts(self) -> dict[str, Any]:
        """What a run says of them: one digest, and that of each file."""
        return {"digest": self.digest, "files": _digests(self.files)}

    def changes(self, before: Mapping[str, Any]) -> list[str]:
        """How they differ from what a run says of those that it was made with, each file in a few words."""
        return changed_files(before, self.facts())


def changed_files(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """How the modules of one run differ from those of another, each file in a few words.

    Args:
        then: what the first says of its modules (`Modules.facts`); nothing where it used none.
        now: what the second says.
    Example:
        >>> changed_files(Modules({"a.py": b"1", "b.py": b""}).facts(), Modules({"a.py": b"2"}).facts())
        ['a.py was edited', 'b.py is not used any more']
    """
    before, after = then.get("files", {}), now.get("files", {})
    edited = [f"{place} was edited" for place in after if before.get(place, after[place]) != after[place]]
    added = sorted(f"{place} is used now" for place in after.keys() - before.keys())
    return [
        *edited,
        *added,
        *sorted(f"{place} is not used any more" for place in before.keys() - after.keys()),
    ]


def union(every: Iterable[Modules]) -> Modules:
    """All of them as one."""
    found = Modules()
    for one in every:
        found = found.joined(one)
    return found


def _digests(files: Mapping[str, bytes]) -> dict[str, str]:
    return {place: hashlib.sha256(files[place]).hexdigest() for place in sorted(files)}
