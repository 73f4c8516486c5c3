"""What figures are made from: the configuration in full, the user's code, and what the corpus holds.

A finished run is used again only where all three are what they were; `differences` says what is not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from affect.classes import Home, Modules, path_of, within
from affect.classes.strangers import strange
from affect.classes.trust import mark_trusted
from affect.data.contents import kept_digest
from affect.data.targets import Target
from affect.errors import ConfigError, DataError, few
from affect.heads import head_for
from affect.model import ModelSpec
from affect.objectives import objective_for
from affect.runs.configuration import complete, kind_of
from affect.runs.finished import FinishedRun
from affect.runs.parts import part_of
from affect.runs.recorded import CONFIG


@dataclass(frozen=True)
class Origin:
    """What a run is made from.

    Args:
        configuration: its plain values in full, with whole paths.
        modules: the user's modules that it names.
        corpus: the digest of what the corpus holds; None where it is gone.
        runs: the digest of the weights of each run that it learns from, by the key that names it.
    """

    configuration: dict[str, Any]
    modules: Modules
    corpus: str | None
    runs: dict[str, str | None]

    def trust(self) -> None:
        """Write down that what is executed of it is the user's own."""
        mark_trusted(self.modules, strange(self.configuration, self.modules))

    def facts(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {
            "configuration": self.configuration,
            "modules": self.modules.digest,
            "corpus": self.corpus,
            "runs": self.runs,
        }

    def changes(self, run: FinishedRun, home: Home) -> list[str]:
        """What a finished run was made from otherwise, each in a few words; what is gone is not compared.

        Args:
            run: the finished one.
            home: where the classes of a configuration of an older release are looked for.
        """
        facts, found = run.facts, changed_values(run, self, home)
        if self.modules.files or facts.get("modules"):
            found += self.modules.changes(facts.get("modules") or {})
        if self.corpus is not None and self.corpus != kept_digest(facts["corpus"], run.content["corpus"]):
            found.append(f"the corpus {self.configuration['corpus']} has other content")
        before = facts.get("learned_from", self.runs)  # of a release that did not keep it
        found += [
            f"{key}: the run {self.configuration[key]} was made anew"
            for key, one in self.runs.items()
            if one is not None and one != before.get(key)
        ]
        return found


def check_one_content(runs: Iterable[FinishedRun]) -> None:
    """Refuse runs of which some were made when their corpus held something else: no table compares them.

    Args:
        runs: of any corpora.
    Raises:
        DataError: as said; the runs of each content are named.
    Example:
        >>> check_one_content([])
    """
    runs = list(runs)
    if len({run.facts["corpus"].get("content") for run in runs} - {None}) == 1 and all(
        "content" in run.facts["corpus"] for run in runs
    ):
        return  # whatever their paths
    contents: dict[str, dict[str, list[str]]] = {}
    for run in runs:
        corpus = run.content["corpus"]
        if (held := kept_digest(run.facts["corpus"], corpus)) is not None:
            contents.setdefault(corpus, {}).setdefault(held, []).append(str(run.folder))
    for corpus, found in contents.items():
        if len(found) > 1:
            said = "; ".join(f"SHA-256 {held[:8]}: {few(own)}" for held, own in found.items())
            raise DataError(
                f"{corpus}: the runs were made from {len(found)} contents of it ({said}); make them again "
                "from one (affect train and affect bench do where the content has changed), or leave some out"
            )


def check_one_setting(runs: Iterable[FinishedRun]) -> None:
    """Refuse runs of which two have one name and were made otherwise: a mean over them is of no model.

    Seeds, paths, and what changes no figure are not compared, nor what an older release did not write.

    Args:
        runs: of one corpus and target.
    Raises:
        DataError: as said; the two runs are named.
    Example:
        >>> check_one_setting([])
    """
    first: dict[str, tuple[FinishedRun, bytes]] = {}
    for run in runs:
        if "modules" not in run.facts:  # of a release that stated what the user wrote
            continue
        text = _SEEDS.sub(b"", run.manifest.read(CONFIG))
        other, known = first.setdefault(run.name, (run, text))
        if text == known:
            continue
        found = differences(*_shared(*(_settings(one.content) for one in (other, run))))
        if found:
            raise DataError(
                f"{run.folder}: made in another setting than {other.folder}, and both are called "
                f"'{run.name}' ({few(found)}); compare them under names of their own, or leave one out"
            )


_SEEDS = re.compile(rb"^seeds:\n(- \d+\n)+", re.MULTILINE)
_SETTINGS = ("model", "training", "objective", "learner", "folds", "valid_share")
_MACHINE = ("accelerator", "devices", "strategy")


def _settings(content: Mapping[str, Any]) -> dict[str, Any]:
    """What a model is and learned with, wherever that was."""
    kept = {key: content[key] for key in _SETTINGS if key in content}
    training = {key: x for key, x in (kept.get("training") or {}).items() if key not in _MACHINE}
    return {**kept, "training": training}


def _shared(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two settings, as far as both state them."""
    keys = [key for key in one if key in other]
    inner = {
        key: _shared(one[key], other[key])
        if isinstance(one[key], Mapping) and isinstance(other[key], Mapping)
        else (one[key], other[key])
        for key in keys
    }
    return {key: inner[key][0] for key in keys}, {key: inner[key][1] for key in keys}


def changed_values(run: FinishedRun, now: Origin, home: Home) -> list[str]:
    """What differs between the configuration of a finished run and another, each in a few words.

    Args:
        run: the finished one.
        now: of the other.
        home: where the classes of a configuration of an older release are looked for.
    """
    full = in_full(now.configuration, run.target)
    return differences(*(_comparable(one) for one in (_in_full(run, home), full)))


def _in_full(run: FinishedRun, home: Home) -> dict[str, Any]:
    """The configuration of a finished run in full; fields that it does not know have their defaults."""
    content = run.content
    if "modules" not in run.facts:  # of a release that stated what the user wrote, by old paths
        with within(home):
            try:
                content = complete(content, str(run.folder))
            except ConfigError as error:
                return {**content, "model": str(error)}
    bare: dict[str, Any] = {"corpus": "synthetic"}
    if kind_of(content["model"]) is not ModelSpec:
        bare |= {"model": {"baseline": content["model"]["baseline"]}}
    with within(home):
        defaults = complete(bare, "")
    filled = {key: {**defaults[key], **content[key]} for key in ("model", "training")}
    return in_full({**defaults, **content, **filled}, run.target)


def _comparable(content: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration without what is compared by content, or makes no other run."""
    apart = {key: value for key, value in content.items() if key not in ("seeds", "teacher", "init")}
    return {**apart, "corpus": content["corpus"].replace("\\", "/").rpartition("/")[2]}


def in_full(content: Mapping[str, Any], target: Target) -> dict[str, Any]:
    """A complete configuration with the head and the objective that its target has by default.

    Args:
        content: as `affect.runs.configuration.complete` makes it.
        target: of the corpus.
    Example:
        >>> target = affect.load("synthetic").target()
        >>> plain = affect.runs.configuration.complete({"corpus": "synthetic"}, "doc")
        >>> in_full(plain, target)["model"]["head"]["class_path"]
        'affect.heads.RegressionHead'
    """
    if kind_of(content["model"]) is not ModelSpec:
        return dict(content)
    head = content["model"].get("head") or part_of(path_of(head_for(target)), "head", "")
    objective = content.get("objective") or part_of(path_of(objective_for(target)), "objective", "")
    return {**content, "model": {**content["model"], "head": head}, "objective": objective}


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two configurations in full, each in a few words.

    Args:
        then: plain values.
        now: the same.
    Example:
        >>> differences({"training": {"epochs": 10, "lr": 1}}, {"training": {"epochs": 20, "lr": 1}})
        ['training.epochs: 10 -> 20']
    """
    return list(_differences(then, now, ""))


def _differences(then: Any, now: Any, where: str) -> Iterator[str]:
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        paths = [either.get("class_path") for either in (then, now)]
        if paths[0] != paths[1]:
            yield f"{where}: {_name(then)} -> {_name(now)}"
            return
        for key in dict.fromkeys([*then, *now]):
            inner = where if key == "init_args" else f"{where}.{key}".lstrip(".")
            yield from _differences(then.get(key), now.get(key), inner)
    elif then != now:
        yield f"{where}: {_name(then)} -> {_name(now)}"


def _name(value: Any) -> str:
    """A value, short."""
    if isinstance(value, Mapping) and "class_path" in value:
        return str(value["class_path"]).rpartition(".")[2]
    text = "none" if value is None else json.dumps(value, default=str)
    return text if len(text) < 60 else f"{text[:57]}..."
