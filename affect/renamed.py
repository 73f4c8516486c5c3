"""Old names: each works for one more release, with a warning that says the new one.

Modules that moved are found where they are now; a class or function that was renamed is found by the module's
`__getattr__`; an argument, or a key of a configuration, is handed on under its new name.

Names in Python warn with a `DeprecationWarning` at the line that uses them; of a key of a configuration a log
line says so, once for each file: whoever wrote it sees no warnings of Python's.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import logging
import sys
import warnings
from collections.abc import Callable, Mapping
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, TypeVar

from affect.errors import ConfigError

logger = logging.getLogger(__name__)

MODULES = {
    "affect.allocation": "affect.kernels.allocation",
    "affect.attending": "affect.kernels.attention",
    "affect.configuration": "affect.runs.configuration",
    "affect.costs": "affect.runs.costs",
    "affect.data.alignment": "affect.aligners",
    "affect.data.alignment.aligners": "affect.aligners",
    "affect.data.alignment.overlaps": "affect.data.words.overlaps",
    "affect.data.alignment.resampling": "affect.aligners.resampling",
    "affect.data.alignment.selection": "affect.data.words.selection",
    "affect.data.alignment.streaming": "affect.data.words.streaming",
    "affect.data.alignment.videos": "affect.data.words.videos",
    "affect.data.alignment.warping": "affect.aligners.dtw",
    "affect.data.growing": "affect.data.writer",
    "affect.data.scaling": "affect.scaling",
    "affect.data.sources.columns": "affect.data.rules.columns",
    "affect.data.sources.csd": "affect.data.formats.csd",
    "affect.data.sources.hdf5": "affect.data.formats.hdf5",
    "affect.data.sources.labels": "affect.data.rules.labels",
    "affect.data.sources.lengths": "affect.data.rules.lengths",
    "affect.data.sources.observed": "affect.data.rules.observed",
    "affect.data.sources.padding": "affect.data.rules.padding",
    "affect.data.sources.splits": "affect.data.rules.splits",
    "affect.data.sources.tables.codes": "affect.data.rules.codes",
    "affect.data.sources.tables.kinds": "affect.data.rules.kinds",
    "affect.data.sources.values": "affect.data.rules.values",
    "affect.kernels.memory": "affect.kernels.gated_memory",
    "affect.outputs": "affect.sequences",
    "affect.report.table": "affect.results.tables",
    "affect.recurrence": "affect.kernels.recurrence",
    "affect.studies": "affect.runs.studies",
    "affect.testing.modules": "affect.testing",
    "affect.tracing": "affect.kernels.tracing",
}
"""Where modules were, and where they are."""

Renamed = TypeVar("Renamed", bound=Callable[..., Any])


def names(module: str, old: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a module some of whose names have changed.

    Args:
        module: its name.
        old: the new names by the old ones; with a dot, one of another module.
    Example:
        >>> find = names("affect.corruption", {"Loss": "StepLoss"})
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     find("Loss").__name__, str(caught[0].message)
        ('StepLoss',
        'affect.corruption.Loss is affect.corruption.StepLoss now; the old name goes with the next release')
    """

    def find(name: str) -> Any:
        if name not in old:
            raise AttributeError(f"module '{module}' has no attribute '{name}'")
        new = old[name] if "." in old[name] else f"{module}.{old[name]}"
        _warn(f"{module}.{name}", new)
        home, _, own = new.rpartition(".")
        return getattr(importlib.import_module(home), own)

    return find


def arguments(**old: str) -> Callable[[Renamed], Renamed]:
    """Decorates a function, or a class, some of whose arguments were renamed; empty: are not needed any more.

    The old names of a class are attributes of its objects too. An old name beside its new one is refused with
    a `ConfigError`.

    Args:
        old: the new names by the old ones.
    Example:
        >>> @arguments(helpers="training_only", aligned="")
        ... def build(training_only=()):
        ...     return training_only
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     build(helpers=["visual"]), str(caught[0].message)
        (['visual'], "build: 'helpers' is 'training_only' now; the old name goes with the next release")
    """

    def decorate(decorated: Renamed) -> Renamed:
        who = decorated.__name__
        call: Any = decorated.__init__ if inspect.isclass(decorated) else decorated

        @functools.wraps(call)
        def called(*args: Any, **given: Any) -> Any:
            for name in given.keys() & old.keys():
                _warn(f"{who}: '{name}'", old[name] and f"'{old[name]}'")
            return call(*args, **_handed_on(given, old, who))

        if not inspect.isclass(decorated):
            return called  # type: ignore[return-value]  # the same signature
        made: Any = decorated
        made.__init__, made.renamed = called, old
        for name, new in old.items():
            if new:
                setattr(decorated, name, property(functools.partial(_attribute, who, name, new)))
        return decorated

    return decorate


def keys(section: Mapping[str, Any], kind: type, where: str) -> dict[str, Any]:
    """A section of a configuration under the new names of the arguments of the class `kind`.

    A log line says what each old key is called now, once for each file and section.

    Args:
        section: keys and values.
        kind: the class that has them as arguments.
        where: the file and the section.
    Raises:
        ConfigError: a key is there under its old name and under its new one.
    Example:
        >>> keys({"ramp": 2, "epochs": 3}, affect.training.Training, "doc: training")
        {'warmup_epochs': 2, 'epochs': 3}
    """
    old: Mapping[str, str] = getattr(kind, "renamed", {})
    for name in section:
        if name in old:
            _log_once(_sentence(f"{where}: '{name}'", old[name] and f"'{old[name]}'"))
    return _handed_on(section, old, where)


def path(old: str) -> str:
    """The import path of a class today, by one that may be of an older release.

    Example:
        >>> path("affect.data.alignment.aligners.WarpingAligner")
        'affect.aligners.WarpingAligner'
    """
    module, _, name = old.rpartition(".")
    return f"{MODULES.get(module, module)}.{name}"


class _Finder(MetaPathFinder, Loader):
    """Modules under their old names."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(fullname, self, is_package=True) if fullname in MODULES else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        new = MODULES[spec.name]
        _warn(spec.name, new)
        module = ModuleType(spec.name, f"{spec.name} is {new} now.")
        rooms = [importlib.import_module(new)]
        if spec.name == "affect.data.alignment":  # it held two rooms
            rooms.append(importlib.import_module("affect.data.words"))
        for room in reversed(rooms):
            module.__dict__.update({k: v for k, v in vars(room).items() if not k.startswith("__")})
        return module

    def exec_module(self, module: ModuleType) -> None:
        pass


def install() -> None:
    """From here on, modules are found under their old names."""
    sys.meta_path.append(_Finder())


def _attribute(who: str, name: str, new: str, own: Any) -> Any:
    _warn(f"{who}.{name}", f"{who}.{new}")
    return getattr(own, new)


def _handed_on(given: Mapping[str, Any], old: Mapping[str, str], where: str) -> dict[str, Any]:
    """Values under their new names, without those that are not needed any more."""
    for name in given:
        if old.get(name) and old[name] in given:
            raise ConfigError(
                f"{where}: '{name}' is '{old[name]}' now, and both are given; leave '{name}' out"
            )
    return {old.get(name, name): value for name, value in given.items() if old.get(name, name)}


@functools.cache
def _log_once(line: str) -> None:
    logger.warning(line)


def _sentence(old: str, new: str) -> str:
    now = f"is {new} now" if new else "is not needed any more"
    return f"{old} {now}; the old name goes with the next release"


def _warn(old: str, new: str) -> None:
    """Warn the caller of the function that calls this one."""
    warnings.warn(_sentence(old, new), DeprecationWarning, stacklevel=3)
