"""Import paths in a configuration's plain values that could have executed what is no part of a model.

A run's folder may be a stranger's: of what its configuration names, only parts of affect, torch, optuna and
lightning are called unasked. All else needs the user's word (`affect.classes.trust`).
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from affect import renamed
from affect.classes.following import IMPORT_PATH, is_local, may_be_local, origin
from affect.classes.following import PACKAGES as PACKAGES
from affect.classes.sources import Modules

_BASES = (
    *("affect.baselines.Baseline", "affect.encoders.Encoder", "affect.aligners.Aligner"),
    *("affect.imputation.Imputer", "affect.corruption.Corruption", "affect.fusion.Fusion"),
    *("affect.heads.Head", "affect.objectives.Objective", "affect.objectives.terms.Term"),
    "affect.pooling.Pooling",
    *("affect.metrics.Metric", "affect.training.Learner", "lightning.pytorch.loggers.Logger"),
    *("torch.optim.Optimizer", "torch.optim.lr_scheduler.LRScheduler", "torch.nn.Module"),
)
"""What a class has to derive from."""

_FUNCTIONS = {
    "optimizer": ("torch.optim",),
    "schedule": ("torch.optim",),
    "reader": ("affect.data.sources", "affect.data.native"),
}
"""Where functions are from that may be called, by the key that names them."""

_DATA = ("corpus", "target", "teacher", "init", "columns", "targets", "duplicates", "prefixes", "tokens")
_NAMES = ("modalities", "training_only")


def strange(content: Mapping[str, Any], carried: Modules) -> list[str]:
    """The import paths that are no parts of `PACKAGES`, nor in modules that a run brings along; in order.

    A text in its place counts where it could be an import path: whoever reads it may import it.

    Args:
        content: a configuration's plain values.
        carried: the modules that come with it.
    Example:
        >>> strange({"corpus": "a.csv", "reader": "runpy.run_path", "model": {"width": 8}}, Modules())
        ['runpy.run_path']
        >>> strange({"model": {"fusion": {"class_path": "affect.fusion.TensorFusion"}}}, Modules())
        []
        >>> strange({"training": {"schedule": "torch.hub.load"}}, Modules())
        ['torch.hub.load']
    """
    found = (
        path
        for key, path in _import_paths(content)
        if not _is_carried(path, carried) and not _is_part(key, path)
    )
    return sorted({*found})


def present(paths: list[str]) -> list[str]:
    """Those of some import paths whose outermost module there is: what is not there is not executed."""
    return [path for path in paths if _exists(path.partition(".")[0])]


def not_brought(content: Mapping[str, Any], carried: Modules) -> tuple[str, str] | None:
    """An import path that Python would find in a file which lies about, and that file; None where none is.

    A run brings the user's own modules along, so that a file of this name, in the folder in which Python was
    started, is another one.

    Args:
        content: a configuration's plain values.
        carried: the modules that come with it.
    """
    for _, path in _import_paths(content):
        top = path.partition(".")[0]
        if not _is_carried(path, carried) and top not in sys.modules and is_local(file := origin(top)):
            return path, str(file)
    return None


def _import_paths(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in content.items():
        if key not in _DATA:
            kept = key == "model" and isinstance(value, Mapping)
            yield from _texts(key, {k: v for k, v in value.items() if k not in _NAMES} if kept else value)


def _texts(key: str, content: Any) -> Iterator[tuple[str, str]]:
    """The texts that may be import paths, each with the key of the part that it is in."""
    if isinstance(content, str):
        if IMPORT_PATH.fullmatch(content):
            yield key, content
    elif isinstance(content, Mapping):
        for name, value in content.items():
            yield from _texts(key if name == "class_path" else str(name), value)
    elif isinstance(content, list | tuple):
        for value in content:
            yield from _texts(key, value)


def _is_carried(path: str, carried: Modules) -> bool:
    module = path.rpartition(".")[0]
    return may_be_local(module) and carried.has(module)


def _is_part(key: str, path: str) -> bool:
    """Whether this is of `PACKAGES`, and of a kind that may be called."""
    module, _, name = renamed.path(path).rpartition(".")
    top = module.partition(".")[0]
    if any(part.startswith("_") for part in module.split(".")):  # torch has programs among them
        return False
    if top not in PACKAGES or (top not in sys.modules and is_local(origin(top))):
        return False
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception:  # it is not there, or not for this machine
        return False
    if inspect.isclass(found):
        return is_part_class(found)
    if inspect.isfunction(found):
        return f"{found.__module__}.".startswith(tuple(f"{room}." for room in _FUNCTIONS.get(key, ("-",))))
    return isinstance(found, _class("affect.metrics.Metric"))


def is_part_class(cls: type) -> bool:
    """Whether a class derives from one of those that parts derive from.

    Example:
        >>> is_part_class(affect.fusion.TensorFusion), is_part_class(dict)
        (True, False)
    """
    return issubclass(cls, tuple(_class(base) for base in _BASES))


def _class(path: str) -> type:
    module, _, name = path.rpartition(".")
    found: type = getattr(importlib.import_module(module), name)
    return found


def _exists(top: str) -> bool:
    if top in sys.modules or top in sys.builtin_module_names:
        return True
    try:
        return importlib.util.find_spec(top) is not None
    except (ImportError, ValueError, AttributeError):
        return True
