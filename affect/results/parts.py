"""Metrics on a part of the labels, as `f1_weighted: shift` names one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from affect import metrics
from affect.data.corpus import Corpus
from affect.data.speakers import SPEAKER, parties_of
from affect.data.targets import Regression, Target
from affect.errors import ConfigError, described, did_you_mean
from affect.metrics import Stored
from affect.results.answers import Answers

Mask: TypeAlias = NDArray[np.bool_]


def _shifts(own: Answers) -> NDArray[np.int64]:
    return metrics.emotion_shifts(own.truth, own.samples, own.steps, own.speakers)


PARTS: Final[Mapping[str, Callable[[Answers], Mask]]] = MappingProxyType(
    {"shift": lambda own: _shifts(own) == 1, "no shift": lambda own: _shifts(own) == 0}
)
"""Which labels each is: where a party's emotion is another than at its last utterance, and where not."""


def split_name(metric: str) -> tuple[str, str]:
    """A metric's own name, and the part of the labels that it is measured on; that is empty for all of them.

    Args:
        metric: as in tables.
    Example:
        >>> split_name("f1_weighted: shift"), split_name("f1.sad"), split_name("mae: worst subset")
        (('f1_weighted', 'shift'), ('f1.sad', ''), ('mae: worst subset', ''))
    """
    base, _, part = metric.partition(": ")
    return (base, part) if part in PARTS else (metric, "")


def check_part(given: Any, who: str) -> Any:
    """The metric without its part of the labels; refuses a part that there is not.

    Args:
        given: a metric, as it is named.
        who: begins the message.
    Raises:
        ConfigError: there is no such part, or YAML has taken the name for a key and its value.
    Example:
        >>> check_part("f1_weighted: no shift", "experiment.yaml")
        'f1_weighted'
    """
    if isinstance(given, Mapping):
        raise ConfigError(
            f"{who}: metrics: expected a name, got {described(given)}; write a name with a colon in quotes: "
            '"f1_weighted: shift"'
        )
    if not isinstance(given, str):
        return given
    base, colon, part = given.partition(": ")
    if colon and part not in PARTS:
        raise ConfigError(f"{who}: metrics: '{given}': no part '{part}'; {did_you_mean(part, PARTS)}")
    return base


def check_measurable(names: Iterable[str], corpus: Corpus, targets: Iterable[Target], who: str) -> None:
    """Refuse, before anything is run, what no target of a corpus can be measured with.

    Args:
        names: of metrics.
        corpus: what will be measured on; of its splits the first is looked at.
        targets: what will be predicted.
        who: begins the message.
    Raises:
        ConfigError: no target has one of them; or has a class for each utterance, of which it is known who
            speaks; or there is no such part.
    """
    targets = list(targets)
    known = {name for target in targets for name in metrics.metrics_for(target)}
    for name in map(metrics.name_of, names):
        check_part(name, who)
        base, part = split_name(name)
        if base not in known:
            raise ConfigError(f"{who}: metrics: no target has '{base}'; {did_you_mean(base, known)}")
        if part and not any(target.per_step and not isinstance(target, Regression) for target in targets):
            raise ConfigError(f"{who}: metrics: '{name}': no target has a class for each utterance")
        if part and not parties_of(next(iter(corpus.splits.values()))):
            raise ConfigError(
                f"{who}: metrics: '{name}': {corpus.name} has no modality '{SPEAKER}' that says who speaks "
                "at each step; leave the metric out, or add it (affect.data.speakers.parties)"
            )


def part_of(own: Answers, metric: str) -> tuple[Answers, str]:
    """The answers that a metric is measured on, and its name without the part.

    Args:
        own: all answers.
        metric: one that `lacking` says nothing of.
    """
    base, part = split_name(metric)
    return (own.take(PARTS[part](own)), base) if part else (own, metric)


def lacking(own: Answers, metric: str) -> str:
    """Why a metric on a part of the labels cannot be measured; empty where it can, or is on all labels.

    Args:
        own: the answers.
        metric: its whole name.
    """
    base, part = split_name(metric)
    if not part:
        return ""
    name = own.target.name
    if isinstance(own.metrics.get(base), Stored):
        return f"{base} was measured by somebody's own code, which is not here"
    if isinstance(own.target, Regression) or not own.target.per_step:
        return f"'{name}' has no class for each utterance"
    if not own.speakers:
        where = own.runs[0].folder if own.runs else own.corpus
        return (
            f"{where}: its predictions do not say who speaks; the corpus needs the modality 'speaker', and a "
            "run that was made before predictions said it is made again with --again"
        )
    if not PARTS[part](own).any():
        return f"no utterance of '{name}' in the split {own.split} is of that part"
    return ""
