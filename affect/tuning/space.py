"""What a search may vary: declared beside each class's constructor, changed by the search's own section.

A parameter is called by its place in the configuration, with the class that it belongs to:
`training.learning_rate`, `model.width`, `model.fusion.LowRankFusion.rank`. The section `space` changes it:

    training.learning_rate: {low: 0.0001, high: 0.01, log: true}   # another range, or a part of one
    model.fusion: [TensorFusion, LowRankFusion]                    # a choice, each with its own parameters
    model.fusion.LowRankFusion.rank: [2, 4, 8]                     # these values alone
    training.batch_size: 32                                        # this value
    model.encoders.*: fixed                                        # as the configuration has it
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import MISSING, dataclass, field, fields
from fnmatch import fnmatchcase
from functools import reduce
from math import gcd
from typing import Any, TypeAlias

import yaml
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import BaseTrial

from affect.configuration import ROOMS, kind_of, part_of
from affect.errors import ConfigError, did_you_mean
from affect.training import Training

Place: TypeAlias = tuple[str | int, ...]
"""Keys that lead to a value in a configuration's plain content."""

Number: TypeAlias = IntDistribution | FloatDistribution

FIXED = "fixed"
"""What a section says of that which stays as the configuration has it."""

_KEYS = ("low", "high", "log", "step", "choices", "when")


@dataclass(frozen=True)
class Parameter:
    """Something that varies.

    Args:
        name: what it is called.
        place: where its value stands in the configuration.
        distribution: what it is drawn from.
        default: what the configuration says, or the nearest value to it that can be drawn.
        when: the values of other parameters with which alone it varies.
        branches: for a choice of parts, what each brings along.
    """

    name: str
    place: Place
    distribution: BaseDistribution
    default: Any
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    branches: Mapping[str, Branch] = field(default_factory=dict)


@dataclass(frozen=True)
class Branch:
    """A part that can be chosen.

    Args:
        content: what stands at the choice's place.
        parameters: what of it varies.
    """

    content: Any
    parameters: tuple[Parameter, ...]


@dataclass(frozen=True)
class Space:
    """Every configuration that a search can come upon.

    Args:
        content: the configuration's plain values, classes by their full import path.
        parameters: what varies.
    """

    content: Mapping[str, Any]
    parameters: tuple[Parameter, ...]

    def fill(self, ask: Callable[[Parameter], Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """A configuration, and the values that it has by the names of the parameters.

        Args:
            ask: is asked for the value of each parameter that matters, choices before what depends on them.
        """
        content, said, later = deepcopy(dict(self.content)), dict[str, Any](), list[Parameter]()

        def take(parameter: Parameter) -> None:
            value = said[parameter.name] = ask(parameter)
            if not parameter.branches:
                _put(content, parameter.place, value)
                return
            branch = parameter.branches[value]
            _put(content, parameter.place, deepcopy(branch.content))
            for own in branch.parameters:
                later.append(own) if own.when else take(own)

        for parameter in self.parameters:
            later.append(parameter) if parameter.when else take(parameter)
        for parameter in later:
            if all(said.get(name) in values for name, values in parameter.when.items()):
                take(parameter)
        return content, said

    def suggest(self, trial: BaseTrial) -> dict[str, Any]:
        """The configuration of a trial: of a running one, which draws, or of one that is over."""
        return self.fill(lambda parameter: _suggested(trial, parameter))[0]

    def start(self, given: Mapping[str, Any], where: str) -> dict[str, Any]:
        """Values to begin a search with: those that are given, and the defaults of the others.

        Raises:
            ConfigError: a name that does not vary there, or a value that cannot be drawn.
        """

        def ask(parameter: Parameter) -> Any:
            if parameter.name not in given:
                return parameter.default
            value = given[parameter.name]
            if not _holds(parameter.distribution, value):
                raise ConfigError(
                    f"{where}: {parameter.name}: {value!r} is not in {told(parameter.distribution)}; "
                    "widen it in search.space"
                )
            return value

        said = self.fill(ask)[1]
        for name in given:
            if name not in said:
                raise ConfigError(f"{where}: '{name}' does not vary there; {did_you_mean(name, said)}")
        return said

    def every(self) -> Iterator[tuple[Parameter, Mapping[str, tuple[Any, ...]]]]:
        """All parameters, each with the values of others that it depends on."""
        waiting: list[tuple[Parameter, Mapping[str, tuple[Any, ...]]]]
        waiting = [(parameter, parameter.when) for parameter in self.parameters]
        while waiting:
            parameter, when = waiting.pop(0)
            yield parameter, when
            waiting = [
                (own, {**when, parameter.name: (label,), **own.when})
                for label, branch in parameter.branches.items()
                for own in branch.parameters
            ] + waiting

    def written(self) -> str:
        """What varies, as the section `search` of a configuration says it."""
        lines = []
        for parameter, when in self.every():
            remark = f"{parameter.default}"
            if when:
                given = [f"{name} = {' or '.join(map(str, values))}" for name, values in when.items()]
                remark += f", where {' and '.join(given)}"
            lines.append(f"    {parameter.name}: {told(parameter.distribution)}  # {remark}\n")
        return "".join(["search:\n  space:\n", *lines])


def space_of(configuration: Mapping[str, Any], wanted: Mapping[str, Any], where: str) -> Space:
    """What varies in a configuration.

    What is declared beside a constructor is widened to hold the value that the configuration has; what the
    section says is taken as it stands.

    Args:
        configuration: plain values, as `affect.configuration.resolve` makes them, every part named.
        wanted: the section `space`.
        where: begins the message where something is wrong.
    Raises:
        ConfigError: a key that names nothing, or a value that is no range, list or part.
    """
    content: dict[str, Any] = deepcopy(dict(configuration))
    collector = _Collector(wanted, where)
    found: list[Parameter] = []
    for section, kind in (("model", kind_of(content.get("model"))), ("training", Training)):
        found += collector.section(content.setdefault(section, {}), kind, section)
    found += collector.part(content.get("objective"), "objective", "objective", ("objective",))
    collector.finish()
    return Space(content, tuple(found))


def told(distribution: BaseDistribution) -> str:
    """A distribution, as a section `space` says it.

    Example:
        >>> told(IntDistribution(1, 16, log=True))
        '{low: 1, high: 16, log: true}'
        >>> told(FloatDistribution(0.0, 0.5)), told(CategoricalDistribution((2, 4)))
        ('{low: 0.0, high: 0.5}', '[2, 4]')
    """
    said: Any
    if isinstance(distribution, CategoricalDistribution):
        said = [*distribution.choices]
    else:
        assert isinstance(distribution, Number)
        said = {"low": distribution.low, "high": distribution.high}
        if distribution.step not in (None, 1):
            said["step"] = distribution.step
        if distribution.log:
            said["log"] = True
    return yaml.safe_dump(said, default_flow_style=True, sort_keys=False, width=math.inf).strip()


class _Collector:
    """Walks through a configuration, and finds what varies."""

    def __init__(self, wanted: Mapping[str, Any], where: str) -> None:
        self.wanted, self.where = wanted, f"{where}: search.space"
        self.used: set[str] = set()
        self.known: list[str] = []
        self.conditions: set[str] = set()

    def section(self, values: dict[str, Any], kind: type, name: str) -> list[Parameter]:
        """What varies in a section that a dataclass describes."""
        found: list[Parameter] = []
        for entry in fields(kind):
            if entry.name == "encoders":
                for modality, value in (values.get("encoders") or {}).items():
                    place = (name, "encoders", modality)
                    found += self.part(value, "encoder", f"{name}.encoders.{modality}", place)
            elif entry.name in ROOMS:
                value = values.get(entry.name)
                found += self.part(value, entry.name, f"{name}.{entry.name}", (name, entry.name))
            elif isinstance(values.setdefault(entry.name, entry.default), int | float | str):
                declared = getattr(kind, "search_space", {}).get(entry.name)
                found += self.plain(values, entry.name, declared, f"{name}.{entry.name}", (name, entry.name))
            elif values[entry.name] is entry.default or values[entry.name] is MISSING:
                del values[entry.name]
        return found

    def part(self, value: Any, room: str, name: str, place: Place) -> list[Parameter]:
        """What varies in a part: which it is, or what its class declares."""
        self.known.append(name)
        wanted = self.wanted.get(name)
        if wanted is not None and wanted != FIXED:
            self.used.add(name)
            return [self._choice(wanted, value, room, name, place)]
        if not isinstance(value, Mapping):
            return []
        return self._arguments(value, f"{name}.{value['class_path'].rpartition('.')[2]}", place)

    def plain(
        self, holder: dict[str, Any], key: str, declared: BaseDistribution | None, name: str, place: Place
    ) -> list[Parameter]:
        """A value that is no part, where it varies."""
        default = holder[key]
        if isinstance(default, Mapping | list):
            return []
        self.known.append(name)
        varies = declared is not None and default is not None  # None stays, unless the section says otherwise
        wanted = self._wanted(name, varies)
        if wanted == FIXED or (wanted is None and not varies):
            return []
        if wanted is None:
            assert declared is not None
            distribution = including(declared, default)
            return [Parameter(name, place, distribution, _nearest(distribution, default))]
        if not isinstance(wanted, Mapping | list):
            holder[key] = wanted
            return []
        distribution, when = self._distribution(name, wanted, declared, default)
        return [Parameter(name, place, distribution, _nearest(distribution, default), when)]

    def finish(self) -> None:
        """Refuse what named nothing."""
        for key in self.wanted:
            if key not in self.used:
                raise self._unknown(key)
        for key in self.conditions:
            if key not in self.known:
                raise self._unknown(key)

    def _unknown(self, key: str) -> ConfigError:
        return ConfigError(
            f"{self.where}: '{key}' names nothing of this model; {did_you_mean(key, self.known)}"
        )

    def _arguments(self, value: Mapping[str, Any], prefix: str, place: Place) -> list[Parameter]:
        """What varies of a part's arguments."""
        module, _, name = value["class_path"].rpartition(".")
        declared = getattr(getattr(importlib.import_module(module), name), "search_space", {})
        arguments, place = value["init_args"], (*place, "init_args")
        found: list[Parameter] = []
        for key, own in list(arguments.items()):
            if key in ROOMS:
                found += self.part(own, key, f"{prefix}.{key}", (*place, key))
            elif key == "parts":
                for number, one in enumerate(own):
                    found += self.part(one, "corruption", f"{prefix}.{number}", (*place, key, number))
            else:
                found += self.plain(arguments, key, declared.get(key), f"{prefix}.{key}", (*place, key))
        return found

    def _choice(self, wanted: Any, value: Any, room: str, name: str, place: Place) -> Parameter:
        """A part that is one of several."""
        if isinstance(wanted, list) and wanted:
            parts = [self._resolved(entry, value, room, name) for entry in wanted]
            labels = [_label(part) for part in parts]
            if len(set(labels)) < len(labels):
                raise ConfigError(
                    f"{self.where}: {name}: two of one class; name them, as in {{shallow: ..., deep: ...}}"
                )
            chosen = dict(zip(labels, parts, strict=True))
        elif isinstance(wanted, Mapping) and wanted and "class_path" not in wanted:
            chosen = {str(key): self._resolved(entry, value, room, name) for key, entry in wanted.items()}
        else:
            raise ConfigError(
                f"{self.where}: {name}: expected a list of classes, or names and classes, got {wanted!r}"
            )
        branches = {
            label: Branch(part, tuple(self._arguments(part, f"{name}.{label}", place) if part else ()))
            for label, part in chosen.items()
        }
        same = [label for label, part in chosen.items() if part == value]
        alike = [label for label, part in chosen.items() if _label(part) == _label(value)]
        default = next(iter([*same, *alike, *chosen]))
        return Parameter(name, place, CategoricalDistribution(tuple(chosen)), default, branches=branches)

    def _resolved(self, entry: Any, value: Any, room: str, name: str) -> Any:
        """A part with all its arguments: those of the configuration, where it names the class alone."""
        part = part_of(entry, room, f"{self.where}: {name}")
        same = isinstance(entry, str) and isinstance(value, Mapping) and part is not None
        return deepcopy(dict(value)) if same and part["class_path"] == value["class_path"] else part

    def _wanted(self, name: str, varies: bool) -> Any:
        """What the section says of a parameter: the last of its keys that means it."""
        found = None
        for key, value in self.wanted.items():
            pattern = "*" in key
            means = fnmatchcase(name, key) if pattern else key == name
            if value == FIXED:
                means = means or fnmatchcase(name, f"{key}.*")
            if means and (varies or not pattern):
                self.used.add(key)
                found = value
        return found

    def _distribution(
        self, name: str, wanted: Any, declared: BaseDistribution | None, default: Any
    ) -> tuple[BaseDistribution, Mapping[str, tuple[Any, ...]]]:
        """What a list or a range says."""
        given: dict[str, Any] = {"choices": wanted} if isinstance(wanted, list) else dict(wanted)
        for key in given:
            if key not in _KEYS:
                raise ConfigError(f"{self.where}: {name}: no key '{key}'; {did_you_mean(str(key), _KEYS)}")
        conditions = given.pop("when", {})
        when = {
            other: tuple(values) if isinstance(values, list) else (values,)
            for other, values in conditions.items()
        }
        self.conditions |= when.keys()
        if "choices" in given:
            choices = given["choices"]
            if not choices or any(isinstance(choice, Mapping | list) for choice in choices):
                raise ConfigError(f"{self.where}: {name}: expected numbers or words, got {choices!r}")
            return CategoricalDistribution(tuple(choices)), when
        if isinstance(declared, Number):
            kept = {"low": declared.low, "high": declared.high, "log": declared.log, "step": declared.step}
            given = {**kept, **given}
            if given["log"]:
                given["step"] = 1 if isinstance(declared, IntDistribution) else None
        for end in ("low", "high"):
            if not isinstance(given.get(end), int | float):
                raise ConfigError(
                    f"{self.where}: {name}: expected low and high, a list, a value or {FIXED}, got {wanted!r}"
                )
        numbers = [given["low"], given["high"], *([] if declared is not None else [default])]
        whole = isinstance(declared, IntDistribution) or (
            declared is None and all(isinstance(number, int) for number in numbers)
        )
        given = {key: value for key, value in given.items() if value is not None}
        try:
            return (IntDistribution if whole else FloatDistribution)(**given), when
        except (ValueError, TypeError) as error:
            raise ConfigError(f"{self.where}: {name}: {' '.join(str(error).split())}") from None


def including(distribution: BaseDistribution, value: Any) -> BaseDistribution:
    """The distribution, widened to hold a value that it does not.

    A logarithmic one that must hold zero is no longer logarithmic; the steps of whole numbers become as fine
    as the value needs.

    Example:
        >>> including(FloatDistribution(0.0, 0.5), 0.9).high
        0.9
        >>> including(IntDistribution(16, 128, step=16), 24)
        IntDistribution(high=128, log=False, low=16, step=8)
    """
    if _holds(distribution, value):
        return distribution
    if isinstance(distribution, CategoricalDistribution):
        return CategoricalDistribution((*distribution.choices, value))
    if not isinstance(distribution, Number) or isinstance(value, str | bool):
        return distribution
    log = distribution.log and value > 0
    if isinstance(distribution, FloatDistribution) or not isinstance(value, int):
        return FloatDistribution(min(distribution.low, value), max(distribution.high, value), log=log)
    step = 1 if log else gcd(distribution.step, abs(value - distribution.low))
    return IntDistribution(min(distribution.low, value), max(distribution.high, value), log=log, step=step)


def _nearest(distribution: BaseDistribution, value: Any) -> Any:
    """The value, or what can be drawn that is nearest to it."""
    if _holds(distribution, value):
        return value
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[0]
    assert isinstance(distribution, Number)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return distribution.low
    inside = min(max(value, distribution.low), distribution.high)
    if distribution.step is not None:
        inside = distribution.low + round((inside - distribution.low) / distribution.step) * distribution.step
    return int(inside) if isinstance(distribution, IntDistribution) else float(inside)


def _holds(distribution: BaseDistribution, value: Any) -> bool:
    """Whether a value can be drawn."""
    if isinstance(distribution, CategoricalDistribution):
        return any(value == choice and type(value) is type(choice) for choice in distribution.choices)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if isinstance(distribution, IntDistribution) and not isinstance(value, int):
        return False
    assert isinstance(distribution, Number)
    if not distribution.low <= value <= distribution.high:
        return False
    steps = 0.0 if distribution.step is None else (value - distribution.low) / distribution.step
    return math.isclose(steps, round(steps), abs_tol=1e-8)


def _suggested(trial: BaseTrial, parameter: Parameter) -> Any:
    """A parameter's value in a trial."""
    name, distribution = parameter.name, parameter.distribution
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(
            name, distribution.low, distribution.high, step=distribution.step, log=distribution.log
        )
    assert isinstance(distribution, FloatDistribution)
    return trial.suggest_float(
        name, distribution.low, distribution.high, step=distribution.step, log=distribution.log
    )


def _put(content: Any, place: Place, value: Any) -> None:
    """Set a value of nested plain content."""
    *way, last = place
    reduce(lambda inner, key: inner[key], way, content)[last] = value


def _label(part: Any) -> str:
    """What a part is called among several."""
    return part["class_path"].rpartition(".")[2] if isinstance(part, Mapping) else "none"
