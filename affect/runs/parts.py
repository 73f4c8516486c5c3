"""Parts of a configuration: classes that are named, alone or with arguments."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from affect import renamed
from affect.classes import path_of
from affect.errors import ConfigError, did_you_mean

ROOMS = {
    "baseline": ("affect.baselines", "Baseline"),
    "encoder": ("affect.encoders", "Encoder"),
    "aligner": ("affect.aligners", "Aligner"),
    "imputer": ("affect.imputation", "Imputer"),
    "corruption": ("affect.corruption", "Corruption"),
    "fusion": ("affect.fusion", "Fusion"),
    "head": ("affect.heads", "Head"),
    "objective": ("affect.objectives", "Objective"),
    "pooling": ("affect.pooling", "Pooling"),
    "logger": ("lightning.pytorch.loggers", "Logger"),
    "schedule": ("torch.optim.lr_scheduler", "LRScheduler"),
    "sampler": ("optuna.samplers", "BaseSampler"),
    "pruner": ("optuna.pruners", "BasePruner"),
}
"""Where the class of a part is looked for when it is named without a module, and what it derives from."""


def part_of(value: Any, key: str, where: str) -> Any:
    """A value in which every class stands as `{class_path: full.import.Path, init_args: {...}}`.

    Args:
        value: a class, alone or with arguments, where `ROOMS` has the key; anything else is left as it is.
        key: what the value is called in its section.
        where: begins the message where there is no such class or argument.
    """
    if key == "encoders" and isinstance(value, Mapping):
        for name in value:
            if not isinstance(name, str):
                raise ConfigError(f"{where}: encoders: {name!r} is no text to YAML; put the name in quotes")
        return {name: part_of(entry, "encoder", f"{where}: {name}") for name, entry in value.items()}
    if key == "parts" and isinstance(value, list):
        return [part_of(entry, "corruption", where) for entry in value]
    if key not in ROOMS or value is None:
        return value
    if isinstance(value, str):
        value = {"class_path": value}
    if not isinstance(value, Mapping) or value.keys() - {"class_path", "init_args"}:
        raise ConfigError(f"{where}: {key}: expected a class, or class_path and init_args, got {value!r}")
    cls = _find(str(value["class_path"]), key, where)
    arguments = value.get("init_args") or {}
    known = [name for name in inspect.signature(cls).parameters if name not in _GIVEN]
    for name in arguments:
        if name not in known:
            raise ConfigError(
                f"{where}: {key}: {cls.__name__} has no argument '{name}'; {did_you_mean(name, known)}"
            )
    arguments = {name: part_of(entry, name, where) for name, entry in arguments.items()}
    return _named(cls, arguments)


def _named(cls: type, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A class with all its arguments: those that were left out have the values that they default to.

    Said in full, a run can be repeated when a default has changed, and jsonargparse cannot hand on arguments
    of a default class to the class that is named in its place.
    """
    defaults: dict[str, Any] = {}
    for name, parameter in inspect.signature(cls).parameters.items():
        value = parameter.default
        if name in _GIVEN:
            continue
        if inspect.isclass(value) and value is not parameter.empty:
            defaults[name] = _named(value, {})
        elif isinstance(value, tuple):
            defaults[name] = list(value)
        elif isinstance(value, int | float | str | None):
            defaults[name] = value
    return {"class_path": path_of(cls), "init_args": {**defaults, **arguments}}


_GIVEN = ("self", "dims", "in_dim", "out_dim", "target", "optimizer", "split")


def _find(path: str, key: str, where: str) -> type:
    """The class that a configuration names."""
    room, base = ROOMS[key]
    module_name, _, name = renamed.path(path).rpartition(".")
    module_name = module_name or room
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ConfigError(f"{where}: {key}: cannot import '{module_name}' ({error})") from None
    kind = getattr(importlib.import_module(room), base)
    known = {
        n: c for n, c in vars(module).items() if inspect.isclass(c) and issubclass(c, kind) and c is not kind
    }
    if name not in known:
        raise ConfigError(f"{where}: {key}: no {base} '{name}' in {module_name}; {did_you_mean(name, known)}")
    return known[name]
