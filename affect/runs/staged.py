"""Stages of a configuration, and the corpora of their own that they name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from affect.data.contents import corpus_digest
from affect.data.corpus import Corpus
from affect.errors import AffectError
from affect.training import Stage
from affect.training.stages import OWN, name_of


@dataclass
class StageKeys:
    """What a stage of a configuration may say."""

    name: str
    training: dict[str, Any]
    terms: dict[str, Any]
    supervised: float
    frozen: list[str]
    corpus: str
    auxiliary: str


@dataclass(frozen=True, eq=False)
class NamedStage(Stage):
    """A stage as a configuration says it: of its own corpus it has the name, until that is read.

    Args:
        named: for each of `OWN`, where there is one, a file, relative to the configuration's own folder, or a
            generated corpus.
    Example:
        >>> NamedStage("pairs", named={"corpus": "synthetic"}).corpus is None
        True
    """

    named: Mapping[str, str] = field(default_factory=dict)


def with_corpora(stages: list[Stage], read: Callable[[str, str], Corpus]) -> list[Stage]:
    """The same stages with the corpora that they name, without their test splits.

    Args:
        stages: of a configuration.
        read: reads a corpus, from the name of the stage and what it names.
    Raises:
        AffectError: what reading says, with the name of the stage before it.
    Example:
        >>> named = [NamedStage("pairs", named={"corpus": "synthetic"})]
        >>> stages = with_corpora(named, lambda _, name: affect.load(name))
        >>> [*stages[0].corpus.splits]
        ['train', 'valid']
    """
    found = []
    for stage in stages:
        own: dict[str, Any] = {}
        for key, named in getattr(stage, "named", {}).items():
            try:
                own[key] = read(name_of(stage.name, key), named).without("test")
            except AffectError as error:
                raise type(error)(f"stages: {stage.name}: {key}: {error}") from error
        found.append(replace(stage, **own) if own else stage)
    return found


def named_corpora(content: Mapping[str, Any]) -> dict[str, str]:
    """The corpora that stages have of their own, by names (`affect.training.stages.name_of`).

    Args:
        content: a configuration's plain values.
    Example:
        >>> named_corpora({"stages": [{"name": "pairs", "corpus": "a.pkl"}, {"name": "labels"}]})
        {'pairs': 'a.pkl'}
    """
    stages = content.get("stages") or []
    return {
        name_of(own.get("name", ""), key): own[key]
        for own in stages
        for key in OWN
        if own.get(key) is not None
    }


def renamed_corpora(content: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """The section `stages`, where there are any, with the corpora that they name under other names.

    Args:
        content: a configuration's plain values.
        change: from a name to the other.
    Example:
        >>> renamed_corpora({"stages": [{"name": "pairs", "corpus": "a.pkl"}]}, str.upper)
        {'stages': [{'name': 'pairs', 'corpus': 'A.PKL'}]}
    """
    if not content.get("stages"):
        return {}
    return {
        "stages": [
            {**own, **{key: change(own[key]) for key in OWN if own.get(key) is not None}}
            for own in content["stages"]
        ]
    }


def stage_digests(content: Mapping[str, Any]) -> dict[str, str | None]:
    """What the corpora of stages hold (`affect.data.contents.corpus_digest`), by the names of the stages.

    Args:
        content: a configuration's plain values, with whole paths.
    Example:
        >>> stage_digests({"stages": [{"name": "pairs", "corpus": "nowhere.pkl"}, {"name": "labels"}]})
        {'pairs': None}
    """
    return {name: corpus_digest(corpus) for name, corpus in named_corpora(content).items()}


def shortened(own: Mapping[str, Any], epochs: int) -> dict[str, Any]:
    """A section of a configuration, a model or a stage, without epochs of its own.

    Args:
        own: the section.
        epochs: that it trains at most, where it says how many.
    Example:
        >>> shortened({"training": {"epochs": 9}, "stages": [{"name": "a"}]}, 2)
        {'training': {'epochs': 2}, 'stages': [{'name': 'a'}]}
    """
    training, stages = own.get("training"), own.get("stages")
    own = {**own, "training": {**training, "epochs": epochs}} if training else dict(own)
    return {**own, "stages": [shortened(one, epochs) for one in stages]} if stages else own


def last_part(corpus: str) -> str:
    """The name of a corpus's file, wherever it lies.

    Example:
        >>> last_part("/data/a.pkl"), last_part("synthetic:shared")
        ('a.pkl', 'synthetic:shared')
    """
    return corpus.replace("\\", "/").rpartition("/")[2]
