"""Users' modules in this process: loaded by file, under a name of their own, never through the import path.

Two runs whose `my_fusions.py` differ live side by side, and a module called `statistics` hides no other and
is hidden by none: only modules of the same place see it.
"""

from __future__ import annotations

import builtins
import hashlib
import importlib
import re
import sys
from collections.abc import Mapping
from functools import partial
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import decode_source
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from affect.classes.sources import Modules

PREFIX = "affect_user_"
"""How the names of the packages begin that users' modules are in."""

_PRIVATE = re.compile(rf"{PREFIX}\w+\.")
_PACKAGES: dict[str, _Package] = {}
_LATEST: dict[tuple[str, ...], _Package] = {}


def as_written(name: str) -> str:
    """A module's name, or a message with such names, as the user writes it.

    Example:
        >>> as_written("No module named 'affect_user_0a1b.sums'")
        "No module named 'sums'"
    """
    return _PRIVATE.sub("", name)


def loaded(name: str, modules: Modules, home: tuple[str, ...]) -> ModuleType:
    """A module, executed when it is first asked for; one that was edited since is another one.

    Args:
        name: of the module.
        modules: it, and all that it imports.
        home: what is there belongs together: modules of one home are executed once.
    """
    package = _LATEST.get(home)
    if package is None or any(package.files.get(place, it) != it for place, it in modules.files.items()):
        _install()
        package = _LATEST[home] = _Package(home)
        _PACKAGES[package.name] = package
    package.add(modules)
    return importlib.import_module(f"{package.name}.{name}")


def modules_at(name: str) -> Modules:
    """The modules that lie beside a loaded one, by its whole name; none of a module that Python imported."""
    package = _PACKAGES.get(name.partition(".")[0])
    return Modules() if package is None else Modules(package.files, package.places)


def packages() -> list[ModuleType]:
    """What users' modules of this process are in: other processes are sent what is from there by value."""
    return [sys.modules[name] for name in _PACKAGES if name in sys.modules]


def contents() -> list[tuple[str, tuple[str, ...], Modules]]:
    """What users' modules of this process are made from, for `install` in another one.

    Example:
        >>> all(name.startswith("affect_user_") for name, _, _ in contents())
        True
    """
    return [(one.name, one.home, Modules(dict(one.files), dict(one.places))) for one in _PACKAGES.values()]


def install(found: list[tuple[str, tuple[str, ...], Modules]]) -> None:
    """Have users' modules of another process here under the same names: what it sends names them.

    Args:
        found: what `contents` returned there.
    Example:
        >>> install(contents())
    """
    _install()
    for name, home, modules in found:
        if name not in _PACKAGES:
            package = _PACKAGES[name] = _LATEST[home] = _Package(home)
            package.name = name
            package.add(modules)


class _Package:
    """What is loaded of one home."""

    def __init__(self, home: tuple[str, ...]) -> None:
        text = "\n".join((*home, str(len(_PACKAGES))))
        self.home = home
        self.name = PREFIX + hashlib.sha256(text.encode()).hexdigest()[:12]
        self.files: dict[str, bytes] = {}
        self.places: dict[str, Path] = {}
        self.builtins = {**vars(builtins), "__import__": partial(_import, self)}

    def add(self, modules: Modules) -> None:
        self.files |= modules.files
        self.places |= {place: where for place, where in modules.places.items() if place not in self.places}

    @property
    def modules(self) -> Modules:
        return Modules(self.files, self.places)


def _import(
    package: _Package,
    name: str,
    globals: Mapping[str, object] | None = None,
    locals: Mapping[str, object] | None = None,
    fromlist: tuple[str, ...] | None = (),
    level: int = 0,
) -> ModuleType:
    """What stands for `import` in a user's module: what lies beside it comes before what is installed."""
    top = name.partition(".")[0]
    if level or not package.modules.has(top):
        return builtins.__import__(name, globals, locals, fromlist or (), level)
    full = f"{package.name}.{name}"
    try:
        importlib.import_module(full)
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith(PREFIX):
            raise
        raise ModuleNotFoundError(as_written(str(error)), name=as_written(error.name)) from None
    if fromlist:
        return builtins.__import__(full, globals, locals, fromlist)
    return sys.modules[f"{package.name}.{top}"]


class _Finder(MetaPathFinder, InspectLoader):
    """Finds and executes users' modules."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        top, _, name = fullname.partition(".")
        package = _PACKAGES.get(top)
        if package is None or (name and not package.modules.has(name)):
            return None
        place = package.modules.place(name) if name else None
        inside = place is None or place.endswith("__init__.py")
        spec = ModuleSpec(fullname, self, is_package=inside)
        if place is not None:
            spec.origin, spec.has_location = str(package.places.get(place, place)), True
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        top, _, name = module.__name__.partition(".")
        place = _PACKAGES[top].modules.place(name) if name else None
        if place is not None:
            module.__dict__["__builtins__"] = _PACKAGES[top].builtins
            exec(self.get_code(module.__name__), module.__dict__)

    def get_code(self, fullname: str) -> CodeType:
        package, place = self._of(fullname)
        content = package.files[place]
        code: CodeType = compile(content, str(package.places.get(place, place)), "exec", dont_inherit=True)
        return code

    def get_source(self, fullname: str) -> str:
        package, place = self._of(fullname)
        return decode_source(package.files[place])

    def is_package(self, fullname: str) -> bool:
        return self._of(fullname)[1].endswith("__init__.py")

    def _of(self, fullname: str) -> tuple[_Package, str]:
        top, _, name = fullname.partition(".")
        package = _PACKAGES.get(top)
        place = None if package is None else package.modules.place(name)
        if package is None or place is None:
            raise ImportError(f"no source of {fullname}")
        return package, place


def _install() -> None:
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
