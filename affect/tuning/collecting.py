"""What a search may vary: declared beside each class's constructor, changed by the search's own section.

A parameter is called by its place in the configuration, with the class that it belongs to:
`training.learning_rate`, `model.width`, `model.fusion.LowRankFusion.rank`. The section `space` changes it:

    training.learning_rate: {low: 0.0001, high: 0.01, log: true}   # another range, or a part of one
    model.fusion: [TensorFusion, LowRankFusion]                    # a choice, each with its own parameters
    model.fusion.LowRankFusion.rank: [2, 4, 8]                     # these values alone
    training.batch_size: 32                                        # this value
    model.encoders.*: fixed                                        # as the configuration has it
    stages.pairs.terms.bind.Contrast.weight: [0.1, 1.0]            # of the stage `pairs`
    stages.pairs.training.epochs: {low: 5, high: 50}

Of a stage, what it says itself varies as its classes declare; any other option of its training, and its
weight `supervised`, where the section names it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import fields
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from affect import renamed
from affect.classes import class_of
from affect.errors import ConfigError, did_you_mean
from affect.runs.configuration import kind_of
from affect.runs.parts import ROOMS, part_of
from affect.training import Stage, Training
from affect.tuning.space import Branch, Number, Parameter, Place, Space, holds

FIXED = "fixed"
"""What a section says of that which stays as the configuration has it."""

_KEYS = ("low", "high", "log", "step", "choices", "when")


@renamed.arguments(wanted="changes")
def space_of(configuration: Mapping[str, Any], changes: Mapping[str, Any], where: str) -> Space:
    """What varies in a configuration.

    What is declared beside a constructor is widened to hold the value that the configuration has; what the
    section says is taken as it stands.

    Args:
        configuration: plain values, as `affect.runs.configuration.resolve` makes them, every part named.
        changes: the section `space`.
        where: begins the message where something is wrong.
    Raises:
        ConfigError: a key that names nothing, or a value that is no range, list or part.
    """
    content: dict[str, Any] = deepcopy(dict(configuration))
    collector = _Collector(changes, where)
    found: list[Parameter] = []
    training, stages = content.setdefault("training", {}), content.get("stages") or []
    of_stages = [one for number in range(len(stages)) for one in collector.stage(content, number)]
    everywhere = set.intersection(*({*own["training"]} for own in stages)) if stages else set()
    model = content.setdefault("model", {})
    found += collector.section(model, kind_of(model), "model", but=())
    found += collector.section(training, Training, "training", but=everywhere)  # of which no stage has any
    found += collector.part(content.get("objective"), "objective", "objective", ("objective",))
    for name, term in (content.get("terms") or {}).items():
        found += collector.part(term, "term", f"terms.{name}", ("terms", name))
    found += of_stages
    collector.finish()
    return Space(content, tuple(found))


class _Collector:
    """Walks through a configuration, and finds what varies."""

    def __init__(self, changes: Mapping[str, Any], where: str) -> None:
        self.changes, self.where = changes, f"{where}: search.space"
        self.used: set[str] = set()
        self.known: list[str] = []
        self.conditions: set[str] = set()

    def section(self, values: dict[str, Any], kind: type, name: str, but: Iterable[str]) -> list[Parameter]:
        """What varies in a section that a dataclass describes; what is in `but`, only where it is named."""
        for entry in fields(kind):
            if isinstance(entry.default, int | float | str):
                values.setdefault(entry.name, entry.default)
        return self._options(values, kind, name, (name,), but)

    def stage(self, content: Mapping[str, Any], number: int) -> list[Parameter]:
        """What varies in a stage: what it says itself, and what is named of it."""
        own = content["stages"][number]
        name, place = f"stages.{own.get('name') or number}", ("stages", number)
        training = own["training"]
        for entry in fields(Training):
            called = f"{name}.training.{entry.name}"
            if called in self.changes and entry.name not in ROOMS:
                training.setdefault(entry.name, content["training"].get(entry.name, entry.default))
            elif entry.name not in training:
                self.known.append(called)
        found = self._options(training, Training, f"{name}.training", (*place, "training"))
        for term, value in own["terms"].items():
            found += self.part(value, "term", f"{name}.terms.{term}", (*place, "terms", term))
        weight = f"{name}.supervised"
        if weight in self.changes:
            own.setdefault("supervised", Stage.supervised)
            found += self.plain(own, "supervised", None, weight, (*place, "supervised"))
        self.known.append(weight)
        return found

    def _options(
        self, values: dict[str, Any], kind: type, name: str, place: Place, but: Iterable[str] = ()
    ) -> list[Parameter]:
        """What varies of the options that a section has."""
        found: list[Parameter] = []
        for entry in fields(kind):
            called, where = f"{name}.{entry.name}", (*place, entry.name)
            if entry.name == "encoders":
                for modality, value in (values.get("encoders") or {}).items():
                    found += self.part(value, "encoder", f"{called}.{modality}", (*where, modality))
            elif entry.name in ROOMS:
                found += self.part(values.get(entry.name), entry.name, called, where)
            elif isinstance(values.get(entry.name), int | float | str):
                declared = getattr(kind, "search_space", {}).get(entry.name)
                found += self.plain(
                    values, entry.name, None if entry.name in but else declared, called, where
                )
        return found

    def part(self, value: Any, room: str, name: str, place: Place) -> list[Parameter]:
        """What varies in a part: which it is, or what its class declares."""
        self.known.append(name)
        change = self.changes.get(name)
        if change is not None and change != FIXED:
            self.used.add(name)
            return [self._choice(change, value, room, name, place)]
        if not isinstance(value, Mapping):
            return []
        return self._arguments(value, f"{name}.{_label(value)}", place)

    def plain(
        self, holder: dict[str, Any], key: str, declared: BaseDistribution | None, name: str, place: Place
    ) -> list[Parameter]:
        """A value that is no part, where it varies."""
        default = holder[key]
        if isinstance(default, Mapping | list):
            return []
        self.known.append(name)
        varies = declared is not None and default is not None  # None stays, unless the section says otherwise
        change = self._change_of(name, varies)
        if change == FIXED or (change is None and not varies):
            return []
        if change is None:
            assert declared is not None
            distribution = including(declared, default)
            return [Parameter(name, place, distribution, _nearest(distribution, default))]
        if not isinstance(change, Mapping | list):
            holder[key] = change
            return []
        distribution, when = self._distribution(name, change, declared, default)
        return [Parameter(name, place, distribution, _nearest(distribution, default), when)]

    def finish(self) -> None:
        """Refuse what named nothing."""
        for key in self.changes:
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
        declared = getattr(class_of(value["class_path"]), "search_space", {})
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

    def _choice(self, change: Any, value: Any, room: str, name: str, place: Place) -> Parameter:
        """A part that is one of several."""
        if isinstance(change, list) and change:
            parts = [self._resolved(entry, value, room, name) for entry in change]
            labels = [_label(part) for part in parts]
            if len(set(labels)) < len(labels):
                raise ConfigError(
                    f"{self.where}: {name}: two of one class; name them, as in {{shallow: ..., deep: ...}}"
                )
            chosen = dict(zip(labels, parts, strict=True))
        elif isinstance(change, Mapping) and change and "class_path" not in change:
            chosen = {str(key): self._resolved(entry, value, room, name) for key, entry in change.items()}
        else:
            raise ConfigError(
                f"{self.where}: {name}: expected a list of classes, or names and classes, got {change!r}"
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

    def _change_of(self, name: str, varies: bool) -> Any:
        """What the section says of a parameter: the last of its keys that means it."""
        found = None
        for key, value in self.changes.items():
            pattern = "*" in key
            means = key == name or (pattern and _matches(name, key))
            if value == FIXED:
                means = means or _matches(name, f"{key}.*")
            if means and (varies or not pattern):
                self.used.add(key)
                found = value
        return found

    def _distribution(
        self, name: str, change: Any, declared: BaseDistribution | None, default: Any
    ) -> tuple[BaseDistribution, Mapping[str, tuple[Any, ...]]]:
        """What a list or a range says."""
        given: dict[str, Any] = {"choices": change} if isinstance(change, list) else dict(change)
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
            usual = {"low": declared.low, "high": declared.high, "log": declared.log, "step": declared.step}
            given = {**usual, **given}
            if given["log"]:
                given["step"] = 1 if isinstance(declared, IntDistribution) else None
        for end in ("low", "high"):
            if not isinstance(given.get(end), int | float):
                raise ConfigError(
                    f"{self.where}: {name}: expected low and high, a list, a value or {FIXED}, got {change!r}"
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
    if holds(distribution, value):
        return distribution
    if isinstance(distribution, CategoricalDistribution):
        return CategoricalDistribution((*distribution.choices, value))
    if not isinstance(distribution, Number) or isinstance(value, str | bool):
        return distribution
    log = distribution.log and value > 0
    if isinstance(distribution, FloatDistribution) or not isinstance(value, int):
        return FloatDistribution(min(distribution.low, value), max(distribution.high, value), log=log)
    step = 1 if log else math.gcd(distribution.step, abs(value - distribution.low))
    return IntDistribution(min(distribution.low, value), max(distribution.high, value), log=log, step=step)


def _nearest(distribution: BaseDistribution, value: Any) -> Any:
    """The value, or what can be drawn that is nearest to it."""
    if holds(distribution, value):
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


def _matches(name: str, pattern: str) -> bool:
    """Whether a name is like a pattern, in which `*` stands for anything, and other signs for themselves."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name, re.DOTALL) is not None


def _label(part: Any) -> str:
    """What a part is called among several."""
    return part["class_path"].rpartition(".")[2] if isinstance(part, Mapping) else "none"
