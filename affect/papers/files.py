"""The files of papers: what a published model is made of here."""

from __future__ import annotations

import copy
from collections.abc import Mapping
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
        model: what it is made of, as a configuration has it; empty where that takes a pretrained encoder.
        training: how it is trained: the published settings, where a part has one of that name.
        terms: what is learned beside the label.
        stages: parts of the training.
        also: what else it is called.
        published: its name among published figures; empty where there are none.
        needs: of a corpus.
        tokens: what of it changes where the text is read by a pretrained encoder that is fine-tuned within
            the model: sections as above. The `model` of a `PretrainedEncoder` is the one that is asked for.
        differs: how it differs from what was published, a line each.
    Example:
        >>> named("misa").model["fusion"]["class_path"]
        'SharedPrivateFusion'
    """

    name: str
    citation: str
    about: str
    model: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    terms: dict[str, Any] = field(default_factory=dict)
    stages: list[dict[str, Any]] = field(default_factory=list)
    also: str = ""
    published: str = ""
    needs: str = ""
    tokens: dict[str, Any] = field(default_factory=dict)
    differs: tuple[str, ...] = ()

    @property
    def content(self) -> dict[str, Any]:
        """The sections of a configuration, to be changed at will; without a corpus.

        Raises:
            ConfigError: it is made of a pretrained encoder, which has to be named (`with_tokens`).
        """
        if not self.model:
            raise ConfigError(
                f"{PREFIX}{self.name}: its text is read by a pretrained encoder; name one (--tokens MODEL)"
            )
        return self._sections()

    def with_tokens(self, model: str) -> dict[str, Any]:
        """The same, the text read by a pretrained encoder that is fine-tuned within the model.

        Args:
            model: the encoder, a folder or a name on the Hugging Face hub.
        Raises:
            ConfigError: the paper does not say what of it changes then.
        Example:
            >>> named("misa").with_tokens("bert-base-uncased")["model"]["encoders"]["tokens"]["init_args"]
            {'model': 'bert-base-uncased', 'learning_rate': 0.0001}
        """
        if not self.tokens:
            able = ", ".join(name for name, own in known().items() if own.tokens)
            raise ConfigError(
                f"{PREFIX}{self.name}: does not say how a pretrained encoder reads its text; those that do: "
                f"{able}"
            )
        return {**_changed(self._sections(), _reading(self.tokens, model)), "tokens": model}

    def _sections(self) -> dict[str, Any]:
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


def content(given: str | Path, tokens: str | None = None, strict: bool = True) -> dict[str, Any]:
    """The sections of the configuration of a paper that is named.

    Args:
        given: its name, with the prefix.
        tokens: the pretrained encoder that reads the text; none where its vectors are read.
        strict: whether a paper is refused that does not say how; else it leaves sub-words out.
    Raises:
        ConfigError: there is no such paper; it needs a pretrained encoder, or does not say how to use one.
    Example:
        >>> sorted(content("paper:self_mm"))
        ['model', 'terms', 'training']
        >>> content("paper:lmf", "bert-base-uncased", strict=False)["model"]["encoders"]["tokens"] is None
        True
    """
    paper = named(str(given).removeprefix(PREFIX))
    if tokens is None:
        return paper.content
    if paper.tokens or strict:
        return paper.with_tokens(tokens)
    return _changed(paper.content, {"model": {"encoders": {"tokens": None}}})


def _reading(own: Any, model: str) -> Any:
    """The same plain values, every `PretrainedEncoder` in them that of a model."""
    if isinstance(own, list):
        return [_reading(one, model) for one in own]
    if not isinstance(own, Mapping):
        return own
    found = {key: _reading(value, model) for key, value in own.items()}
    if found.get("class_path") == "PretrainedEncoder":
        found["init_args"] = {"model": model, **found.get("init_args", {})}
    return found


def _changed(own: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Sections with others' values in them; a class takes the place of a class."""
    found = dict(own)
    for key, value in other.items():
        before = found.get(key)
        if isinstance(before, Mapping) and isinstance(value, Mapping) and "class_path" not in value:
            value = _changed(before, value)
        found[key] = value
    return found
