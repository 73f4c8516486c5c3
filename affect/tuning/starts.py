"""What a search begins with: the configuration itself, and settings that others published."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

import pandas as pd

from affect.errors import ConfigError, did_you_mean
from affect.runs.configuration import check_keys
from affect.runs.studies import CONFIGURATION
from affect.tuning.space import Space

PUBLISHED = "published_hyperparameters.csv"
"""The file of published settings, beside the configuration."""


@dataclass(frozen=True)
class Setting:
    """A published setting, as far as the space can say it.

    Args:
        model: as the file of published settings calls it.
        corpus: the same.
        names: which of our parameters each of theirs is; `dropouts.3` is the fourth of a list, and
            `batch_size * update_epochs` a product. Several of ours may be one of theirs.
        source: where the file has several of the model and the corpus, how the one that is meant begins.
        values: of other parameters, such as the fusion that the model is.
        differs: what of it the space cannot say.
    """

    model: str
    corpus: str
    names: dict[str, str | list[str]]
    source: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    differs: str = ""


@dataclass(frozen=True)
class Start:
    """A trial that comes first.

    Args:
        values: of all parameters that vary there.
        differs: what of a published setting they cannot say.
    """

    values: dict[str, Any]
    differs: str = ""


def starts(
    given: Iterable[Mapping[str, Any]], published: Iterable[Mapping[str, Any]], space: Space, path: Path
) -> dict[str, Start]:
    """The trials that come first, by what they are called; each once.

    Args:
        given: the section `start`.
        published: the section `published`.
        space: what varies.
        path: the configuration's file, which that of published settings lies beside.
    Raises:
        ConfigError: an entry names a parameter that does not vary, a value that cannot be drawn, or a setting
            that is not in the file.
    """
    found = {CONFIGURATION: Start(space.start({}, str(path)))}
    for number, values in enumerate(given, 1):
        found[f"start {number}"] = Start(space.start(values, f"{path}: search: start {number}"))
    for entry in published:
        setting = _checked(entry, path)
        name = f"{setting.model}, {setting.corpus}{': ' + setting.source if setting.source else ''}"
        values = space.start(_values(setting, path), f"{path}: search: published: {name}")
        found[name] = Start(values, setting.differs)
    once: dict[str, Start] = {}
    for name, start in found.items():
        if all(start.values != other.values for other in once.values()):
            once[name] = start
    return once


def _checked(entry: Mapping[str, Any], path: Path) -> Setting:
    where = f"{path}: search: published"
    check_keys(entry, Setting, where)
    for known in fields(Setting):
        if known.default is MISSING and known.default_factory is MISSING and known.name not in entry:
            raise ConfigError(f"{where}: {known.name} is missing in {dict(entry)}")
    return Setting(**entry)


def _values(setting: Setting, path: Path) -> dict[str, Any]:
    """The values that a published setting gives our parameters."""
    where = f"{path}: search: published: {setting.model}, {setting.corpus}"
    file = path.parent / PUBLISHED
    table = pd.read_csv(file, dtype=str, keep_default_na=False)
    rows = table[(table["model"] == setting.model) & (table["corpus"] == setting.corpus)]
    rows = rows[rows["source"].str.startswith(setting.source)]
    if rows.empty:
        known = (table["model"] + ", " + table["corpus"]).unique()
        raise ConfigError(
            f"{where}: not in {file}; {did_you_mean(f'{setting.model}, {setting.corpus}', known)}"
        )
    if rows["source"].nunique() > 1:
        raise ConfigError(f"{where}: {rows['source'].nunique()} of them in {file}; say which with `source`")
    theirs = {name: json.loads(text) for name, text in zip(rows["parameter"], rows["value"], strict=True)}
    found = dict(setting.values)
    for name, ours in setting.names.items():
        factors = [_published_value(theirs, one, where) for one in name.split(" * ")]
        if len(factors) > 1 and not all(isinstance(one, int | float) for one in factors):
            raise ConfigError(f"{where}: '{name}' is no product of numbers")
        value = factors[0] if len(factors) == 1 else math.prod(factors)
        found |= dict.fromkeys([ours] if isinstance(ours, str) else ours, value)
    return found


def _published_value(theirs: Mapping[str, Any], name: str, where: str) -> Any:
    """The value of one of their parameters, or of an element of it."""
    if name in theirs:
        return theirs[name]
    key, _, place = name.partition(".")
    if not isinstance(theirs.get(key), list) or not place.isdigit() or int(place) >= len(theirs[key]):
        raise ConfigError(f"{where}: no parameter '{name}'; {did_you_mean(name, theirs)}")
    return theirs[key][int(place)]
