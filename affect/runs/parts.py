"""Parts of a configuration: classes that are named, alone or with arguments."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from affect import renamed
from affect.classes import as_written, class_of, module_of, modules_in
from affect.classes.kinds import FIRST, may_be_called, of_python
from affect.classes.plain import arguments_of, named
from affect.corruption import Corruption
from affect.errors import ConfigError, did_you_mean
from affect.training.options import Training

ROOMS = {
    "baseline": ("affect.baselines", "Baseline"),
    "encoder": ("affect.encoders", "Encoder"),
    "aligner": ("affect.aligners", "Aligner"),
    "imputer": ("affect.imputation", "Imputer"),
    "corruption": ("affect.corruption", "Corruption"),
    "fusion": ("affect.fusion", "Fusion"),
    "head": ("affect.heads", "Head"),
    "objective": ("affect.objectives", "Objective"),
    "term": ("affect.objectives.terms", "Term"),
    "pooling": ("affect.pooling", "Pooling"),
    "logger": ("lightning.pytorch.loggers", "Logger"),
    "learner": ("affect.training", "Learner"),
    "optimizer": ("torch.optim", "Optimizer"),
    "schedule": ("torch.optim.lr_scheduler", "LRScheduler"),
    "sampler": ("optuna.samplers", "BaseSampler"),
    "pruner": ("optuna.pruners", "BasePruner"),
}
"""Where the class of a part is looked for when it is named without a module, and what it derives from."""

NAMED = {"encoders": "encoder", "terms": "term"}
"""Mappings of parts by names that a user gives them, and what each of them is."""

FACTORIES = ("optimizer", "schedule", "learner")
"""Parts that a configuration holds as what makes them, which may be a function but for a learner."""


def part_of(value: Any, key: str, where: str) -> Any:
    """A value in which every class stands as `{class_path: full.import.Path, init_args: {...}}`.

    Args:
        value: a class, alone or with arguments, where `ROOMS` has the key; anything else is left as it is.
        key: what the value is called in its section.
        where: begins the message where there is no such class or argument.
    """
    if key in NAMED and isinstance(value, Mapping) and "class_path" not in value:
        for name in value:
            if not isinstance(name, str):
                raise ConfigError(f"{where}: {key}: {name!r} is no text to YAML; put the name in quotes")
        return {name: part_of(entry, NAMED[key], f"{where}: {name}") for name, entry in value.items()}
    if key == "parts" and isinstance(value, list):
        return [part_of(entry, "corruption", where) for entry in value]
    if key not in ROOMS or value is None:
        return value
    if isinstance(value, str):
        value = {"class_path": value}
    if not isinstance(value, Mapping) or {*value} - {"init_args"} != {"class_path"}:
        raise ConfigError(f"{where}: {key}: expected a class, or class_path and init_args, got {value!r}")
    cls = _find(str(value["class_path"]), key, where)
    arguments = value.get("init_args") or {}
    if not isinstance(arguments, Mapping):
        raise ConfigError(f"{where}: {key}: init_args: expected names and values, got {arguments!r}")
    known = arguments_of(cls)
    for name in arguments:
        if key == "optimizer" and name in ("lr", "weight_decay"):
            own = "learning_rate" if name == "lr" else name
            raise ConfigError(f"{where}: {key}: {name} is the training's own; write {own} beside optimizer")
        if name not in known:
            raise ConfigError(
                f"{where}: {key}: {cls.__name__} has no argument '{name}'; {did_you_mean(name, known)}"
            )
    arguments = {name: part_of(entry, name, where) for name, entry in arguments.items()}
    return named(cls, arguments, _users_path(str(value["class_path"])))


def factory_of(part: Any) -> Any:
    """What makes a part of `FACTORIES`: the class or function itself, or a partial of it with its arguments.

    Args:
        part: as `part_of` has it.
    Example:
        >>> factory_of({"class_path": "torch.optim.SGD", "init_args": {"momentum": 0.9}}).keywords
        {'momentum': 0.9}
    """
    if not isinstance(part, Mapping) or "class_path" not in part:
        return part
    made = class_of(part["class_path"])
    arguments = {name: factory_of(value) for name, value in (part.get("init_args") or {}).items()}
    return functools.partial(made, **arguments) if arguments else made


@functools.cache
def parser_of(whole: type, model: type) -> Any:
    """The parser of a configuration, of jsonargparse; making one takes as long as parsing with it.

    Args:
        whole: the configuration's own class.
        model: what its model section describes.
    """
    from jsonargparse import ArgumentParser, set_parsing_settings

    set_parsing_settings(subclasses_enabled=[Corruption])  # of a dataclass they are not, unless asked for
    parser = ArgumentParser(exit_on_error=False)
    skipped = {"model", "training", "learner", "stages", "targets"}
    parser.add_class_arguments(whole, None, skip=skipped, fail_untyped=False)  # users' own classes
    parser.add_class_arguments(Training, "training", skip={*FACTORIES} - {"learner"}, fail_untyped=False)
    parser.add_class_arguments(model, "model", fail_untyped=False)
    return parser


def _users_path(path: str) -> str:
    """A path in a user's module, as it was written; empty for others, whose public path is the better one.

    The module that a user names may change a class that it has from another one: it is the one to be kept.
    """
    return path if modules_in(path).files else ""


def _find(path: str, key: str, where: str) -> Any:
    """The class, or the function, that a configuration names."""
    room, base = ROOMS[key]
    module_name, _, name = renamed.path(path).rpartition(".")
    module_name = module_name or room
    if of_python(f"{module_name}.{name}"):
        raise ConfigError(f"{where}: {key}: no {base} '{name}' in {module_name}, which is Python's own")
    try:
        module = module_of(module_name)
    except ImportError as error:
        raise ConfigError(
            f"{where}: {key}: cannot import '{module_name}' ({as_written(str(error))})"
        ) from None
    except SyntaxError as error:
        raise ConfigError(f"{where}: {key}: {error.filename}, line {error.lineno}: {error.msg}") from None
    kind = getattr(importlib.import_module(room), base)
    known: dict[str, Any] = {
        n: c
        for n, c in vars(module).items()
        if inspect.isclass(c) and issubclass(c, kind) and (c is not kind or key == "head")
    }
    if key in FACTORIES and key != "learner":
        known |= {n: f for n, f in vars(module).items() if _makes(f, key, f"{module_name}.{n}")}
    if name not in known:
        raise ConfigError(f"{where}: {key}: no {base} '{name}' in {module_name}; {did_you_mean(name, known)}")
    return known[name]


def _makes(found: Any, key: str, path: str) -> bool:
    """Whether a function may make a part of `FACTORIES`."""
    public = not path.rpartition(".")[2].startswith("_")
    return public and inspect.isfunction(found) and may_be_called(found, path, first=FIRST[key])
