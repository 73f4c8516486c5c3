"""From the labels of one corpus to those of another: scales are stretched, classes go by their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from affect.bounds import SHARE
from affect.data.targets import Binary, MultiLabel, Regression, Target
from affect.errors import ConfigError, did_you_mean
from affect.metrics import Array

POLARITY: Final = {"negative": -1.0, "neutral": 0.0, "positive": 1.0}
"""The classes that lie on a scale, and where: from one end of it to the other."""
NEUTRAL: Final = 1 / 6
"""The share of half a scale that is neutral, to either side of its middle: from -0.5 to 0.5 of -3 to 3."""


@dataclass(frozen=True)
class Mapped:
    """How predictions of one target become predictions of another.

    Args:
        goal: the target that they become.
        notes: what was done, a line each, to be said beside every figure.
        function: (labels, outputs of the source) -> (labels, goal.outputs).
    Example:
        >>> stretched = mapped(Regression("valence", low=1, high=9), Regression("sentiment", low=-1, high=1))
        >>> stretched(np.array([[5.0], [9.0]])).tolist(), stretched.notes
        ([[0.0], [1.0]], ('valence, 1 to 9, is stretched to sentiment, -1 to 1',))
    """

    goal: Target
    notes: tuple[str, ...]
    function: Callable[[Array], Array]

    def __call__(self, predictions: Array) -> Array:
        """The predictions as those of the goal."""
        return self.function(np.asarray(predictions, np.float64))


def mapped(
    source: Target, goal: Target, classes: Mapping[str, str] | None = None, neutral: float = NEUTRAL
) -> Mapped:
    """How the predictions of one target become those of another.

    - From number to number: stretched from one scale's ends to the other's. Where a scale has no ends, the
      numbers are taken as they are.
    - From class to class: by equal names, whatever their case, or as `classes` says; what several are mapped
      to has the sum of their probabilities. A class that goes nowhere gives its probability to the others in
      their proportion.
    - From a number to the classes negative, neutral and positive, or two of these: neutral is what lies
      within `neutral` of the middle. To a yes or no: yes is the middle and above.
    - From such classes, or from a yes or no, to a number: the probability of positive less that of negative,
      stretched from -1 and 1 to the scale's ends.

    Args:
        source: what was predicted.
        goal: what is asked for.
        classes: names of the source's classes, each with the goal's that it becomes, beside the equal ones;
            those of a yes or no are `no` and `yes`.
        neutral: share of half the scale.
    Raises:
        ConfigError: one has a label per step, the other has not; no class is mapped to any; a scale lacks
            ends that are needed; an unknown class.
    Also known as:
        label mapping, cross-corpus evaluation.
    Example:
        >>> goal = affect.data.targets.MultiClass("mood", classes=("neutral", "positive", "negative"))
        >>> becomes = mapped(Regression("sentiment", low=-3, high=3), goal)
        >>> becomes(np.array([[-2.0], [0.4], [3.0]])).argmax(1).tolist()
        [2, 0, 1]
    """
    SHARE.check("transfer: neutral", neutral)
    if source.per_step != goal.per_step:
        one, other = ("step", "sample") if source.per_step else ("sample", "step")
        raise ConfigError(
            f"transfer: '{source.name}' is predicted per {one}, and '{goal.name}' has a label per {other}; "
            "choose a target of the same kind"
        )
    if isinstance(source, Regression):
        if classes:
            raise ConfigError(f"transfer: classes: '{source.name}' is a number and has none; leave them out")
        return (_stretched if isinstance(goal, Regression) else _cut)(source, goal, neutral)
    return (_summed if isinstance(goal, Regression) else _named)(source, goal, classes or {})


def names_of(target: Target) -> tuple[str, ...]:
    """What the classes of a target are called.

    Example:
        >>> names_of(Binary("sarcasm"))
        ('no', 'yes')
    """
    return ("no", "yes") if isinstance(target, Binary) else tuple(getattr(target, "classes", ()))


def _ends(target: Target) -> tuple[float, float] | None:
    """Of its scale; none where it has not both."""
    low, high = getattr(target, "low", None), getattr(target, "high", None)
    return None if low is None or high is None else (float(low), float(high))


def _needed(target: Target) -> tuple[float, float]:
    """The ends of a scale, which has to have them."""
    found = _ends(target)
    if found is None:
        raise ConfigError(
            f"transfer: the scale of '{target.name}' has no ends, so that its middle is not known; give it "
            "low and high (affect convert, or Regression(name, low=, high=))"
        )
    return found


def _scale(target: Target) -> str:
    """A target with the ends of its scale."""
    low, high = _needed(target)
    return f"{target.name}, {low:g} to {high:g}"


def _stretched(source: Target, goal: Target, _: float) -> Mapped:
    here, there = _ends(source), _ends(goal)
    if here is None or there is None:
        lacking = " and ".join(f"'{one.name}'" for one in (source, goal) if _ends(one) is None)
        note = f"the scale of {lacking} has no ends: the numbers are taken as they are"
        return Mapped(goal, (note,), lambda given: given)
    if here == there:
        return Mapped(goal, (), lambda given: given)
    factor = (there[1] - there[0]) / (here[1] - here[0])
    note = f"{_scale(source)}, is stretched to {_scale(goal)}"
    return Mapped(goal, (note,), lambda given: there[0] + factor * (given - here[0]))


def _cut(source: Target, goal: Target, neutral: float) -> Mapped:
    """From a number to classes."""
    low, high = _needed(source)
    middle, half = (low + high) / 2, (high - low) / 2
    if isinstance(goal, Binary):
        note = f"{_scale(source)}: {goal.name} is yes from {middle:g} on"
        return Mapped(goal, (note,), lambda given: (given >= middle).astype(np.float64))
    places = {name: _polarity(name) for name in names_of(goal)}
    known = [place for place in places.values() if place is not None]
    if isinstance(goal, MultiLabel):
        raise ConfigError(
            f"transfer: '{source.name}' is a number, and the classes of '{goal.name}' do not exclude each "
            "other, so that none of them is a part of its scale; choose a target of one class for each sample"
        )
    if len(known) < 2:
        raise ConfigError(
            f"transfer: '{source.name}' is a number, and the classes of '{goal.name}' "
            f"({', '.join(names_of(goal))}) lie on no scale; expected two of {', '.join(POLARITY)}"
        )
    edge = half * neutral if 0.0 in known else 0.0
    said = f"neutral is {middle - edge:g} to {middle + edge:g}" if edge else f"positive is from {middle:g} on"
    never = [name for name, place in places.items() if place is None]
    notes = (f"{_scale(source)}: {said}", *_never(goal, never))

    wanted = np.array([np.nan if place is None else place for place in places.values()])

    def cut(given: Array) -> Array:
        side = np.where(given < middle, -1.0, 1.0)
        if 0.0 in known:
            side = np.where(np.abs(given - middle) <= edge, 0.0, side)
        found: Array = (np.clip(side, min(known), max(known)) == wanted).astype(np.float64)
        return found

    return Mapped(goal, notes, cut)


def _summed(source: Target, goal: Target, classes: Mapping[str, str]) -> Mapped:
    """From classes to a number."""
    if isinstance(source, MultiLabel):
        raise ConfigError(
            f"transfer: '{goal.name}' is a number, and the classes of '{source.name}' do not exclude each "
            "other, so that none of them is its place on a scale; choose a target with several labels at once"
        )
    low, high = _needed(goal)
    own = names_of(source)
    said = {**({"no": "negative", "yes": "positive"} if isinstance(source, Binary) else {}), **classes}
    becomes = _becomes(source, said, {name: name for name in POLARITY})
    if len({*becomes.values()}) < 2:
        raise ConfigError(
            f"transfer: '{goal.name}' is a number, and the classes of '{source.name}' ({', '.join(own)}) lie "
            f"on no scale; say which are {', '.join(POLARITY)} (classes; --classes joy=positive)"
        )
    where = np.array([POLARITY.get(becomes.get(name, ""), np.nan) for name in own])
    notes = (
        f"{goal.name} is the probability of positive less that of negative, stretched to {low:g} to {high:g}",
        *_said(becomes, own),
        *_nowhere(source, [name for name in own if name not in becomes]),
    )
    known = np.isfinite(where)

    def summed(given: Array) -> Array:
        shares = _shares(_all_of(source, given) * known)
        polarity = shares @ np.where(known, where, 0.0)
        value: Array = ((low + high) / 2 + (high - low) / 2 * polarity)[:, None]
        return value

    return Mapped(goal, notes, summed)


def _named(source: Target, goal: Target, classes: Mapping[str, str]) -> Mapped:
    """From classes to classes."""
    own, asked = names_of(source), names_of(goal)
    if isinstance(source, MultiLabel) != isinstance(goal, MultiLabel):
        raise ConfigError(
            f"transfer: '{source.name}' is {type(source).__name__} and '{goal.name}' {type(goal).__name__}: "
            "probabilities of classes that exclude each other are not those of classes that do not"
        )
    becomes = _becomes(source, classes, {name.casefold(): name for name in asked})
    if not becomes:
        raise ConfigError(
            f"transfer: no class of '{source.name}' ({', '.join(own)}) is called as one of '{goal.name}' "
            f"({', '.join(asked)}); say which is which (classes; --classes joy=happy)"
        )
    table = np.zeros((len(own), len(asked)))
    for name, other in becomes.items():
        table[own.index(name), asked.index(other)] = 1.0
    several = isinstance(source, MultiLabel)
    notes = (
        *_said(becomes, own),
        *(() if several else _nowhere(source, [name for name in own if name not in becomes])),
        *_never(goal, [name for name in asked if name not in becomes.values()]),
    )

    def named(given: Array) -> Array:
        found: Array = (
            np.max(given[:, :, None] * table, axis=1) if several else _shares(_all_of(source, given) @ table)
        )
        return found[:, 1:] if isinstance(goal, Binary) else found

    return Mapped(goal, notes, named)


def _becomes(source: Target, given: Mapping[str, str], asked: Mapping[str, str]) -> dict[str, str]:
    """The class that each class of the source becomes, where it becomes one."""
    own = names_of(source)
    for name, other in given.items():
        if name not in own:
            raise ConfigError(
                f"transfer: classes: '{source.name}' has no '{name}'; {did_you_mean(name, own)}"
            )
        if other.casefold() not in asked:
            raise ConfigError(
                f"transfer: classes: {name}: no class '{other}'; {did_you_mean(other, asked.values())}"
            )
    return {
        name: asked[given.get(name, name).casefold()]
        for name in own
        if given.get(name, name).casefold() in asked
    }


def _polarity(name: str) -> float | None:
    return POLARITY.get(name.casefold())


def _all_of(source: Target, given: Array) -> Array:
    """The probability of every class."""
    return np.concatenate([1 - given, given], 1) if isinstance(source, Binary) else given


def _shares(found: Array) -> Array:
    """Rows that sum to 1; equal shares where all is lost."""
    total = found.sum(1, keepdims=True)
    shares: Array = np.divide(found, total, out=np.full_like(found, 1 / found.shape[1]), where=total > 0)
    return shares


def _said(becomes: Mapping[str, str], own: tuple[str, ...]) -> tuple[str, ...]:
    """Which classes become others."""
    changed = [f"{name} is {becomes[name]}" for name in own if becomes.get(name, name) != name]
    return (", ".join(changed),) if changed else ()


def _nowhere(source: Target, names: list[str]) -> tuple[str, ...]:
    """What is said of classes that become none."""
    one = f"{', '.join(names)} of {source.name}, which is no class here, gives its probability to the others"
    return (one,) if names else ()


def _never(goal: Target, names: list[str]) -> tuple[str, ...]:
    """What is said of classes that are never predicted."""
    return (f"{', '.join(names)} of {goal.name} is never predicted, and always wrong",) if names else ()
