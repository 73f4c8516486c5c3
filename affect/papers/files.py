"""The files of papers: what a published model is made of here."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from affect.errors import ConfigError, did_you_mean
from affect.yaml_files import parse_yaml

PREFIX: Final = "paper:"
"""What stands before the name where a configuration's file is asked for, or a model."""


@dataclass(frozen=True)
class Paper:
    """A published model.

    Args:
        name: by which it is asked for.
        citation: whom to cite.
        about: what it does, a sentence.
        model: what it is made of, as a configuration has it.
        training: how it is trained: the published settings, where a part has one of that name.
        terms: what is learned beside the label.
        stages: parts of the training.
        also: what else it is called.
        published: its name among published figures; empty where there are none.
        needs: of a corpus.
        differs: how it differs from what was published, a line each.
    Example:
        >>> named("misa").model["fusion"]["class_path"]
        'SharedPrivateFusion'
    """

    name: str
    citation: str
    about: str
    model: dict[str, Any]
    training: dict[str, Any]
    terms: dict[str, Any] = field(default_factory=dict)
    stages: list[dict[str, Any]] = field(default_factory=list)
    also: str = ""
    published: str = ""
    needs: str = ""
    differs: tuple[str, ...] = ()

    @property
    def content(self) -> dict[str, Any]:
        """The sections of a configuration, to be changed at will; without a corpus."""
        sections = {name: getattr(self, name) for name in ("model", "training", "terms", "stages")}
        return copy.deepcopy({name: own for name, own in sections.items() if own})


@cache
def known() -> dict[str, Paper]:
    """All papers by their names.

    Example:
        >>> "mult" in known()
        True
    """
    folder = files("affect.papers")
    found = {}
    for file in sorted(folder.iterdir(), key=lambda one: one.name):
        name, _, ending = file.name.rpartition(".")
        if ending == "yaml":
            own = parse_yaml(file.read_bytes())
            found[name] = Paper(name, **{**own, "differs": tuple(own.get("differs", ()))})
    return found


def named(name: str) -> Paper:
    """A paper by its name.

    Raises:
        ConfigError: there is none.
    Example:
        >>> named("mult").citation
        'Tsai et al., Multimodal Transformer for Unaligned Multimodal Language Sequences, ACL 2019'
    """
    if name not in known():
        raise ConfigError(f"paper: no '{name}'; {did_you_mean(name, known())}")
    return known()[name]


def is_named(given: Any) -> bool:
    """Whether what stands for a file, or a model, names a paper.

    Example:
        >>> is_named("paper:misa"), is_named("misa.yaml"), is_named(Path("paper:misa"))
        (True, False, True)
    """
    return isinstance(given, str | Path) and str(given).startswith(PREFIX)


def content(given: str | Path) -> dict[str, Any]:
    """The sections of the configuration of a paper that is named.

    Args:
        given: its name, with the prefix.
    Raises:
        ConfigError: there is no such paper.
    Example:
        >>> sorted(content("paper:self_mm"))
        ['model', 'terms', 'training']
    """
    return named(str(given).removeprefix(PREFIX)).content
