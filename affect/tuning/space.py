"""Every configuration that a search can come upon, and how one of them is drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, TypeAlias

import yaml
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import BaseTrial

from affect.errors import ConfigError, did_you_mean

Place: TypeAlias = tuple[str | int, ...]
"""Keys that lead to a value in a configuration's plain content."""

Number: TypeAlias = IntDistribution | FloatDistribution


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
        content, drawn, later = deepcopy(dict(self.content)), dict[str, Any](), list[Parameter]()

        def take(parameter: Parameter) -> None:
            value = drawn[parameter.name] = ask(parameter)
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
            if all(drawn.get(name) in values for name, values in parameter.when.items()):
                take(parameter)
        return content, drawn

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
            if not holds(parameter.distribution, value):
                raise ConfigError(
                    f"{where}: {parameter.name}: {value!r} is not in "
                    f"{distribution_text(parameter.distribution)}; widen it in search.space"
                )
            return value

        drawn = self.fill(ask)[1]
        for name in given:
            if name not in drawn:
                raise ConfigError(f"{where}: '{name}' does not vary there; {did_you_mean(name, drawn)}")
        return drawn

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
            lines.append(
                f"    {_plain(parameter.name)}: {distribution_text(parameter.distribution)}  # {remark}\n"
            )
        return "".join(["search:\n  space:\n", *lines])


def distribution_text(distribution: BaseDistribution) -> str:
    """A distribution, as a section `space` says it.

    Example:
        >>> distribution_text(IntDistribution(1, 16, log=True))
        '{low: 1, high: 16, log: true}'
        >>> distribution_text(FloatDistribution(0.0, 0.5)), distribution_text(CategoricalDistribution((2, 4)))
        ('{low: 0.0, high: 0.5}', '[2, 4]')
    """
    plain: Any
    if isinstance(distribution, CategoricalDistribution):
        plain = [*distribution.choices]
    else:
        assert isinstance(distribution, Number)
        plain = {"low": distribution.low, "high": distribution.high}
        if distribution.step not in (None, 1):
            plain["step"] = distribution.step
        if distribution.log:
            plain["log"] = True
    return _plain(plain)


def _plain(value: Any) -> str:
    """A value in one line of YAML."""
    options: dict[str, Any] = {"default_flow_style": True, "sort_keys": False, "allow_unicode": True}
    text: str = yaml.safe_dump(value, width=math.inf, **options)
    return text.removesuffix("...\n").strip()


def holds(distribution: BaseDistribution, value: Any) -> bool:
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
