"""Which local modules a module needs: those that its imports name, wherever in it they stand."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache
from pathlib import Path

from affect.classes.sources import Modules
from affect.files import real

IMPORT_PATH = re.compile(r"[\w-]+(\.[\w-]+)*\.[^\W\d]\w*")
"""A text that could name something in a module; nothing else is imported (`homes.module_of`)."""

PACKAGES = ("affect", "torch", "optuna", "lightning")
"""What a part may come from without being asked about."""

_INSTALLED = (*PACKAGES, "numpy", "pandas", "scipy", "sklearn")
"""What is never a user's file: a `torch.py` that lies about is not what a configuration or a module means."""


def local_modules(names: Iterable[str], roots: tuple[Path, ...]) -> Modules:
    r"""The modules of these names that lie below some folders, with every local one that they import.

    Imports are read, not executed: those within functions and conditions too, relative ones, and submodules.
    A module that is named by a text when the program runs (`importlib.import_module`) is not found.

    Args:
        names: of modules; one that lies in none of the folders is left out.
        roots: the folders, the first one before the others; what the imports name is looked for in them.
    Example:
        >>> folder = getfixture("tmp_path")
        >>> _ = (folder / "mine.py").write_text("def f():\n    import sums, torch")
        >>> _ = (folder / "sums.py").write_text("")
        >>> sorted(local_modules(["mine", "torch"], (folder,)).files)
        ['mine.py', 'sums.py']
    """

    def look(name: str) -> tuple[str, Path, bytes] | None:
        found = find(name, roots)
        return None if found is None else (*found, found[1].read_bytes())

    return _followed(names, look, lambda package: _submodules(package, roots))


def needed(names: Iterable[str], modules: Modules) -> Modules:
    """Those of some modules that these are, and that they import, as `local_modules` finds them.

    Example:
        >>> every = Modules({"a.py": b"import b", "b.py": b"", "c.py": b""})
        >>> needed(["a"], every).names
        ('a', 'b')
    """

    def look(name: str) -> tuple[str, Path, bytes] | None:
        place = modules.place(name)
        return (
            None if place is None else (place, modules.places.get(place, Path(place)), modules.files[place])
        )

    return _followed(names, look, lambda package: [n for n in modules.names if n.startswith(f"{package}.")])


def _followed(
    names: Iterable[str],
    look: Callable[[str], tuple[str, Path, bytes] | None],
    submodules: Callable[[str], list[str]],
) -> Modules:
    files: dict[str, bytes] = {}
    places: dict[str, Path] = {}
    waiting = list(names)
    while waiting:
        for name in _with_parents(waiting.pop()):
            found = look(name)
            if found is None or found[0] in files:
                continue
            place, places[found[0]], files[found[0]] = found
            for imported, star in _imports(name, place.endswith("__init__.py"), files[place]):
                waiting.append(imported)
                if star:
                    waiting += submodules(imported)
    return Modules(files, places)


def find(name: str, roots: tuple[Path, ...]) -> tuple[str, Path] | None:
    """The file of a local module, by its place below a folder; None where it is not local."""
    parts = name.split(".")
    if not may_be_local(name) or not all(
        part.isidentifier() or part.replace("-", "_").isidentifier() for part in parts
    ):
        return None
    base = "/".join(parts)
    for root in roots:
        for place in (f"{base}/__init__.py", f"{base}.py"):
            if (root / place).is_file():
                if len(parts) > 1 and not _is_module(root, parts[0]) and is_installed(parts[0]):
                    return None  # a folder of that name, which is no package, hides no installed one
                return place, root / place
    return None


def may_be_local(name: str) -> bool:
    """Whether a module of this name may be a user's.

    Example:
        >>> may_be_local("torch.optim"), may_be_local("my_fusions")
        (False, True)
    """
    return name.partition(".")[0] not in _INSTALLED


def is_local(path: str | None) -> bool:
    """Whether a module's file is a user's: not of Python, of an installed distribution or of affect."""
    if not path or not Path(path).is_file():
        return False
    place = real(path)
    if {"site-packages", "dist-packages"} & {*place.parts}:
        return False
    return not any(place.is_relative_to(folder) for folder in _own())


def is_installed(top: str) -> bool:
    """Whether Python finds a module of this name, which is no user's."""
    found = origin(top)
    return found is not None and not is_local(found)


def origin(top: str) -> str | None:
    """The file that Python would import a module of the outermost level from, or what stands for it."""
    if top in sys.builtin_module_names:
        return "built-in"
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return None
    return None if spec is None else spec.origin


@cache
def _own() -> tuple[Path, ...]:
    python = sysconfig.get_paths()
    return (
        Path(__file__).resolve().parents[1],
        *(Path(python[key]).resolve() for key in ("stdlib", "platstdlib")),
    )


def _is_module(root: Path, top: str) -> bool:
    return (root / f"{top}.py").is_file() or (root / top / "__init__.py").is_file()


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    yield from (".".join(parts[:count]) for count in range(1, len(parts) + 1))


@lru_cache(256)
def _imports(name: str, package: bool, content: bytes) -> tuple[tuple[str, bool], ...]:
    """What the imports of a module name, each possible module, and whether all of it is imported (`*`)."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):
        return ()  # whoever executes it says so
    found: list[tuple[str, bool]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, False) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = name.split(".") if package else name.split(".")[:-1]
                above = above[: len(above) - node.level + 1]
                base = ".".join([*above, *([node.module] if node.module else [])])
            if base:
                found.append((base, any(alias.name == "*" for alias in node.names)))
            found += [
                (f"{base}.{alias.name}".lstrip("."), False) for alias in node.names if alias.name != "*"
            ]
    return tuple(dict.fromkeys(found))


def _submodules(name: str, roots: tuple[Path, ...]) -> list[str]:
    """The modules within a local package."""
    found = find(name, roots)
    if found is None or not found[0].endswith("__init__.py"):
        return []
    folder = found[1].parent
    inner = [path.stem for path in sorted(folder.glob("*.py")) if path.stem != "__init__"]
    inner += [path.parent.name for path in sorted(folder.glob("*/__init__.py"))]
    return [f"{name}.{one}" for one in inner]
