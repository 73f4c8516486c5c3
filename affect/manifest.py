"""What a folder holds: a JSON file in it says of the others how large they are and their SHA-256.

Under `files` stand the size and the digest of each file, by its place below the folder; under `digest` that
of the rest of the JSON itself. A folder of a release before it has neither, and is known by its form alone.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from affect.errors import DataError, described
from affect.files import writing

FILES, DIGEST = "files", "digest"
"""The keys of a JSON file that are the manifest."""

QUICK = 64 * 2**20
"""Bytes that are digested without being asked for: a tenth of a second."""


def write_facts(path: Path, facts: Mapping[str, Any], names: Iterable[str]) -> None:
    """Write facts as JSON, with the manifest of other files of the same folder; whole or not at all.

    Args:
        path: of the JSON file.
        facts: plain values; a manifest among them is replaced.
        names: of files that are there, by their places below the folder.
    Example:
        >>> folder = getfixture("tmp_path")
        >>> _ = (folder / "a.csv").write_text("id")
        >>> write_facts(folder / "all.json", {"seed": 0}, ["a.csv"])
        >>> read_facts(folder / "all.json", "")["files"]["a.csv"][0]
        2
    """
    files = {name: [(path.parent / name).stat().st_size, _sha256(path.parent / name)] for name in names}
    whole = {**_bare(facts), FILES: files}
    with writing(path) as partial:
        sealed = {**whole, DIGEST: digest(json.loads(json.dumps(whole)))}
        partial.write_text(json.dumps(sealed, indent=1), encoding="utf-8")


def read_facts(path: Path, remedy: str, older: type = dict) -> Any:
    """The facts of a JSON file, its manifest among them.

    Args:
        path: of the file.
        remedy: ends a message.
        older: what a release before manifests wrote, where that was something else than keys and values.
    Raises:
        DataError: the file is not there, is no JSON, holds no keys, or is not what was written.
    """
    if (size := _size(path, remedy)) > QUICK:
        raise DataError(f"{path}: expected at most {QUICK:,} bytes of JSON, got {size:,}; {remedy}")
    try:
        facts = json.loads(_content(path, remedy))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON: {' '.join(str(error).split())}; {remedy}") from None
    if not isinstance(facts, dict | older):
        raise DataError(f"{path}: expected keys and values, got {described(facts)}; {remedy}")
    if isinstance(facts, dict) and DIGEST in facts:
        _same(path, str(facts[DIGEST]), digest(facts), remedy)
    return facts


def digest(facts: Mapping[str, Any]) -> str:
    """SHA-256 of plain values but for a digest among them, as JSON with sorted keys and no blanks.

    Example:
        >>> digest({"a": 1, "digest": "any"}) == digest({"a": 1})
        True
    """
    rest = {key: value for key, value in facts.items() if key != DIGEST}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True)
class Manifest:
    """The files of a folder as they were written.

    Args:
        folder: where they lie.
        files: their sizes and digests; None of an older release, where any content is taken.
        remedy: ends every message.
    Example:
        >>> folder = getfixture("tmp_path")
        >>> _ = (folder / "a.csv").write_text("id")
        >>> write_facts(folder / "all.json", {}, ["a.csv"])
        >>> known = Manifest.of(folder / "all.json", "make it again")
        >>> _ = (folder / "a.csv").write_text("ids")
        >>> known.check_sizes()
        Traceback (most recent call last):
        affect.errors.DataError: .../a.csv: has 3 bytes, and 2 were written; make it again
    """

    folder: Path
    files: Mapping[str, tuple[int, str]] | None
    remedy: str

    @classmethod
    def of(cls, path: Path, remedy: str, facts: Mapping[str, Any] | None = None) -> Manifest:
        """The manifest in a JSON file.

        Args:
            path: of the file.
            remedy: ends every message.
            facts: what `read_facts` has returned, where it was read already.
        Raises:
            DataError: as `read_facts`; the manifest has another form.
        """
        facts = read_facts(path, remedy) if facts is None else facts
        if FILES not in facts:
            return cls(path.parent, None, remedy)
        files = facts[FILES]
        if not isinstance(files, dict) or not all(map(_entry, files.values())):
            raise DataError(f"{path}: {FILES}: expected the size and SHA-256 of each file; {remedy}")
        return cls(path.parent, {name: (size, known) for name, (size, known) in files.items()}, remedy)

    def has(self, name: str) -> bool:
        """Whether there is such a file, or was when the folder was written."""
        return (self.folder / name).is_file() if self.files is None else name in self.files

    def check_sizes(self, without: str = "") -> None:
        """Refuse a folder in which a file is gone or has another size; nothing is read.

        Args:
            without: a folder in it that is not looked into.
        Raises:
            DataError: as said.
        """
        for name, (size, _) in (self.files or {}).items():
            if not without or not name.startswith(f"{without}/"):
                self._check_size(name, size)

    def check(self, name: str, most: int | None = None) -> Path:
        """The path of a file whose content is what was written.

        Args:
            name: of the file.
            most: of a file that has more bytes the size alone is looked at.
        Raises:
            DataError: it is gone or has other content.
        """
        path, known = self.folder / name, (self.files or {}).get(name)
        if known is None:
            _size(path, self.remedy)
            return path
        self._check_size(name, known[0])
        if most is None or known[0] <= most:
            _same(path, known[1], _sha256(path), self.remedy)
        return path

    def read(self, name: str) -> bytes:
        """The content of a file, which is what was written.

        Args:
            name: of the file.
        Raises:
            DataError: it is gone or has other content.
        """
        path, known = self.folder / name, (self.files or {}).get(name)
        if known is not None:
            self._check_size(name, known[0])
        content = _content(path, self.remedy)
        if known is not None:
            _same(path, known[1], hashlib.sha256(content).hexdigest(), self.remedy)
        return content

    def _check_size(self, name: str, size: int) -> None:
        found = _size(self.folder / name, self.remedy)
        if found != size:
            raise DataError(
                f"{self.folder / name}: has {found:,} bytes, and {size:,} were written; {self.remedy}"
            )


def _bare(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in facts.items() if key not in (FILES, DIGEST)}


def _entry(value: Any) -> bool:
    return isinstance(value, list) and [type(one) for one in value] == [int, str]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _content(path: Path, remedy: str) -> bytes:
    _size(path, remedy)
    return path.read_bytes()


def _size(path: Path, remedy: str) -> int:
    """The bytes of a file; a folder, a pipe, a link to nothing or in a circle is none."""
    try:
        seen = path.stat()
    except (OSError, ValueError) as error:  # the latter for a name with a zero in it
        gone = isinstance(error, FileNotFoundError) and not path.is_symlink()
        why = "is missing" if gone else f"cannot be read: {getattr(error, 'strerror', None) or error}"
        raise DataError(f"{path}: {why}; {remedy}") from None
    if not stat.S_ISREG(seen.st_mode):
        raise DataError(f"{path}: is no file; {remedy}")
    return seen.st_size


def _same(path: Path, then: str, now: str, remedy: str) -> None:
    if then != now:
        raise DataError(
            f"{path}: was changed after it was written: SHA-256 {then[:8]} then, {now[:8]} now; {remedy}"
        )
