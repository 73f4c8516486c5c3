"""Where a configuration's classes are looked for before what is installed: beside its file, or in its run."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from affect import renamed
from affect.classes.following import (
    IMPORT_PATH,
    find,
    is_local,
    local_modules,
    may_be_local,
    needed,
    origin,
)
from affect.classes.loading import PREFIX, loaded, modules_at
from affect.classes.sources import Modules, union
from affect.errors import ConfigError
from affect.files import real

logger = logging.getLogger(__name__)
FOLDER = "modules"
"""The folder in a run, or beside a configuration, that holds a copy of the user's modules."""


@dataclass(frozen=True)
class Home:
    """A place where modules are looked for.

    Args:
        roots: folders of modules, the first one before the others.
        carried: the modules that a run brings along; nothing else of its folder is executed.
        refusal: why they are not executed; empty where they may be.
    """

    roots: tuple[Path, ...] = ()
    carried: Modules | None = None
    refusal: str = ""

    def modules(self, name: str) -> Modules:
        """A module of this place with all that it needs; none where it is not here."""
        if self.carried is not None:
            here = self.carried.has(name) and may_be_local(name)
            return self.carried if here else Modules()
        return local_modules([name], self.roots) if find(name, self.roots) is not None else Modules()

    def load(self, name: str) -> ModuleType | None:
        """A module of this place, executed; None where it is not here.

        Raises:
            ConfigError: it may not be executed.
        """
        found = self.modules(name)
        place = found.place(name)
        if place is None:
            return None
        if self.refusal:
            raise ConfigError(self.refusal)
        _say_which(name.partition(".")[0], found.places[place], found.files[place])
        return loaded(
            name, found, (*map(str, self.roots), "" if self.carried is None else self.carried.digest)
        )


_NOWHERE = Home()
_HOME: ContextVar[Home] = ContextVar("home", default=_NOWHERE)


@contextmanager
def within(home: Home | None) -> Iterator[None]:
    """Within the block, classes are looked for there first; None changes nothing."""
    if home is None:
        yield
        return
    token = _HOME.set(home)
    try:
        yield
    finally:
        _HOME.reset(token)


def beside(folder: str | Path) -> Home:
    """The home of a configuration in a folder: the folder, and the modules that came along with it.

    Example:
        >>> folder = getfixture("tmp_path")
        >>> _ = (folder / "statistics.py").write_text("mean = 'mine'")
        >>> with within(beside(folder)):
        ...     module_of("statistics").mean
        'mine'
        >>> callable(module_of("statistics").mean)
        True
    """
    folder = real(folder)
    return Home((folder, folder / FOLDER))


def module_of(name: str) -> ModuleType:
    """A module: of the home that the block around says, or one that is installed.

    Raises:
        ImportError: there is neither.
        ConfigError: it is of a run whose code may not be executed.
    """
    if not IMPORT_PATH.fullmatch(f"{name}.x"):  # what looks for code would not see it
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    own = None if name.startswith(PREFIX) else _HOME.get().load(name)
    return importlib.import_module(name) if own is None else own


def is_here(name: str) -> bool:
    """Whether a module is of the home that the block around says.

    Example:
        >>> is_here("os")
        False
    """
    return _HOME.get().modules(name).place(name) is not None


def modules_in(content: Any) -> Modules:
    """The user's modules that a configuration's plain values name, with every local one that they import.

    Args:
        content: values that were resolved in the same home: each class has its import path.
    """
    names = {path.rpartition(".")[0] for path in _texts(content) if IMPORT_PATH.fullmatch(path)}
    return union(_user_modules(name) for name in sorted(names))


def modules_of(classes: Iterable[type]) -> Modules:
    """The user's modules that classes are from, with every local one that they import.

    Args:
        classes: affect's own may be among them.
    Raises:
        ConfigError: a class was made in a notebook or a program, not in a module, or its module was edited
            since it was imported.
    """
    found = []
    for cls in classes:
        module = sys.modules.get(cls.__module__)
        if cls.__module__ == "__main__":
            raise ConfigError(
                f"{cls.__name__}: a class of a notebook or program cannot be kept with a run; "
                "put it into a module of its own, and import it"
            )
        if cls.__module__.startswith(PREFIX):
            name = cls.__module__.partition(".")[2]
            found.append(needed([name], modules_at(cls.__module__)))
        elif is_local(getattr(module, "__file__", None)):
            found.append(_user_modules(cls.__module__))
    every = union(found)
    for name in every.names:
        _refuse_edited(name)
    return every


def kept(modules: Modules, folder: Path) -> dict[str, Any] | None:
    """Copy the user's modules into a run's folder.

    Args:
        modules: as `modules_in` or `modules_of` finds them.
        folder: the run's.
    Returns:
        what `run.json` says under `modules`; None where all classes are installed.
    """
    if not modules.files:
        return None
    for place, content in modules.files.items():
        if b"__file__" in content:
            _say_alone(place)
    modules.write(folder / FOLDER)
    return modules.facts()


def importable(content: Any) -> Any:
    """Plain values in which every class path of a user's is one that Python can import in this process."""
    if isinstance(content, Mapping):
        values = {key: importable(value) for key, value in content.items()}
        path = values.get("class_path")
        if isinstance(path, str) and "." in path:
            module, _, name = renamed.path(path).rpartition(".")
            own = None if module.startswith(PREFIX) else _HOME.get().load(module)
            if own is not None:
                values["class_path"] = f"{own.__name__}.{name}"
        return values
    return [importable(value) for value in content] if isinstance(content, list) else content


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, Mapping):
        for value in content.values():
            yield from _texts(value)
    elif isinstance(content, list | tuple):
        for value in content:
            yield from _texts(value)


def _user_modules(name: str) -> Modules:
    """A user's module: of the home around, or one that Python imported from a file that is not installed."""
    home = _HOME.get()
    found = home.modules(name)
    if found.files or not may_be_local(name):
        return found
    path = getattr(sys.modules.get(name), "__file__", None)
    if path is None or not is_local(path):
        return Modules()
    inside = name.count(".") + Path(path).name.startswith("__init__.")
    root = real(path).parents[inside]
    return local_modules([name], (*home.roots, root))


def _refuse_edited(name: str) -> None:
    """A module that Python imported and that was edited since: what was executed is not in its file any more.

    Python's own note of the file that it compiled says so; where Python keeps none, nothing is known.
    """
    module = sys.modules.get(name)
    cached, file = getattr(module, "__cached__", None), getattr(module, "__file__", None)
    if not cached or not file or not Path(cached).is_file() or not Path(file).is_file():
        return
    header, seen = Path(cached).read_bytes()[:16], Path(file).stat()
    flags, time, size = (int.from_bytes(header[at : at + 4], "little") for at in (4, 8, 12))
    if flags == 0 and (time, size) != (int(seen.st_mtime) & 0xFFFFFFFF, seen.st_size & 0xFFFFFFFF):
        raise ConfigError(
            f"{Path(file).name} was edited since it was imported, so the code that was executed cannot be "
            "kept with the run; import it anew in a fresh process, and train again"
        )


@cache
def _say_alone(place: str) -> None:
    logger.warning("%s looks for files beside itself (__file__), which a run does not bring along", place)


@cache
def _say_which(top: str, path: Path, content: bytes) -> None:
    """A log line where a module of the same name is installed too."""
    other = origin(top)
    if other is None or (Path(other).is_file() and Path(other).read_bytes() == content):
        return
    logger.warning("%s: the file %s is used, not the installed one (%s)", top, path, other)
