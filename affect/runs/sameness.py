"""What figures are made from: the configuration in full, the user's code, and what the corpus holds.

A finished run is used again only where all three are what they were; `differences` says what is not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from affect.classes import Home, Modules, path_of, within
from affect.classes.strangers import strange
from affect.classes.trust import mark_trusted
from affect.data.contents import kept_digest
from affect.data.targets import Target
from affect.errors import ConfigError
from affect.heads import head_for
from affect.model import ModelSpec
from affect.objectives import objective_for
from affect.runs.configuration import complete, kind_of
from affect.runs.finished import FinishedRun
from affect.runs.parts import part_of
from affect.runs.staged import last_part, named_corpora, renamed_corpora


@dataclass(frozen=True)
class Origin:
    """What a run is made from.

    Args:
        configuration: its plain values in full, with whole paths.
        modules: the user's modules that it names.
        corpus: the digest of what the corpus holds; None where it is gone.
        runs: the digest of the weights of each run that it learns from, by the key that names it.
        stages: the digest of each corpus that a stage alone learns from, by the stage's name.
        tokens: the digest of the tokenizer that makes sub-words; None where none does, or it is the hub's.
    """

    configuration: dict[str, Any]
    modules: Modules
    corpus: str | None
    runs: dict[str, str | None]
    stages: dict[str, str | None] = field(default_factory=dict)
    tokens: str | None = None

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
            **({"stages": self.stages} if self.stages else {}),
            **({"tokens": self.tokens} if self.tokens else {}),
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
        if self.tokens is not None and self.tokens != run.facts["corpus"].get("tokens", self.tokens):
            found.append(f"the tokenizer of {self.configuration['tokens']} is another")
        held = {name: own.get("content") for name, own in facts.get("stage_corpora", {}).items()}
        found += [
            f"the corpus {corpus} of the stage '{name}' has other content"
            for name, corpus in named_corpora(self.configuration).items()
            if self.stages[name] is not None and self.stages[name] != held.get(name, self.stages[name])
        ]
        before = facts.get("learned_from", self.runs)  # of a release that did not keep it
        found += [
            f"{key}: the run {self.configuration[key]} was made anew"
            for key, one in self.runs.items()
            if one is not None and one != before.get(key)
        ]
        return found


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
    left_out = ("seeds", "fold", "searched", "teacher", "init")
    apart = {key: value for key, value in content.items() if key not in left_out}
    return {**apart, "corpus": last_part(content["corpus"]), **renamed_corpora(content, last_part)}


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
