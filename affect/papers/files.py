"""The files of papers: what a published model is made of here."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from affect.data.corpora import named_in
from affect.errors import ConfigError, did_you_mean
from affect.yaml_files import parse_yaml

if TYPE_CHECKING:
    from affect.data.corpus import Corpus
    from affect.model import FusionModel
    from affect.runs.configuration import Configuration

PREFIX: Final = "paper:"
"""What stands before the name where a configuration's file is asked for, or a model."""


@dataclass(frozen=True)
class Paper:
    """A published model; called with a corpus, it makes the model for it.

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
        settings: who published the settings of `by_corpus`.
        by_corpus: what is otherwise for a corpus, by its name among `affect.data.corpora.CORPORA`: parts of
            the sections; nothing where the settings of the file are those.
    Example:
        >>> misa = affect.papers.misa
        >>> misa.model["fusion"]["class_path"], misa.by_corpus["mosei"]["training"]
        ('SharedPrivateFusion', {'batch_size': 128, 'weight_decay': 5e-05})
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
    settings: str = ""
    by_corpus: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __call__(
        self,
        corpus: Corpus,
        target: str | None = None,
        *,
        seed: int | None = None,
        settings: str | None = None,
    ) -> FusionModel:
        """The model for a corpus; what trains it as published is `fitting`.

        Args:
            corpus: has the split `train`.
            target: what to predict; the main target, or the only one, by default.
            seed: of the initial weights; by default they are drawn as torch's own modules draw them.
            settings: the corpus whose published settings are meant; by default the one that the name of the
                corpus, or of its file, tells. An empty text stands for those of the paper's file as it is.
        Raises:
            ConfigError: there are no such settings; the corpus does not have what the model needs.
        Example:
            >>> corpus = affect.load("synthetic:mosei_unaligned:24")
            >>> model = affect.papers.lf_dnn(corpus, seed=0)
            >>> fitting = affect.papers.lf_dnn.fitting(corpus)
            >>> fitting["training"].batch_size, type(model.fusion).__name__
            (64, 'ConcatenationFusion')
        """
        spec: Any = self._made(corpus, settings).model  # of torch: no paper is a baseline
        model: FusionModel = spec.for_corpus(corpus, target, seed)
        return model

    def fitting(self, corpus: Corpus, *, settings: str | None = None) -> dict[str, Any]:
        """How it is trained: arguments for `affect.fit`, as `affect train` takes them.

        Args:
            corpus: the one that the model is for.
            settings: as for the model.
        Returns:
            `training`, and `terms` and `stages` where it has some.
        """
        made = self._made(corpus, settings)
        return {
            name: own for name in ("training", "terms", "stages", "objective") if (own := getattr(made, name))
        }

    @property
    def content(self) -> dict[str, Any]:
        """The sections of a configuration, to be changed at will; without a corpus."""
        return self.content_for("")

    def content_for(self, settings: str) -> dict[str, Any]:
        """The same with the settings that were published for a corpus.

        Args:
            settings: its name among `by_corpus`; an empty text stands for those of the file.
        Raises:
            ConfigError: there are no such settings.
        Example:
            >>> affect.papers.tfn.content_for("mosei")["training"]["learning_rate"]
            0.005
        """
        if settings and settings not in self.by_corpus:
            known = did_you_mean(settings, self.by_corpus) if self.by_corpus else "it has none by corpus"
            raise ConfigError(f"{PREFIX}{self.name}: no settings for '{settings}'; {known}")
        sections = {name: getattr(self, name) for name in ("model", "training", "terms", "stages")}
        own = self.by_corpus.get(settings, {})
        return copy.deepcopy({name: one for name, one in _joined(sections, own).items() if one})

    def settings_for(self, corpus: str) -> str:
        """The corpus among `by_corpus` that a file's path, or a generated corpus's name, tells; or nothing.

        Example:
            >>> affect.papers.misa.settings_for("MOSEI/Processed/unaligned_50.pkl")
            'mosei'
        """
        named = named_in(corpus)
        return named if named in self.by_corpus else ""

    def _made(self, corpus: Corpus, settings: str | None) -> Configuration:
        from affect.data.checks import check_corpus
        from affect.runs.configuration import parse

        where = f"{PREFIX}{self.name}"
        check_corpus(where, corpus)
        told = str(corpus.source.get("corpus") or corpus.name)
        own = self.settings_for(told) if settings is None else settings
        return parse({"corpus": told, **self.content_for(own)}, where)


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


def content(given: str | Path, corpus: str | None = None) -> dict[str, Any]:
    """The sections of the configuration of a paper that is named.

    Args:
        given: its name, with the prefix; `paper:misa:mosei` says whose settings are meant too.
        corpus: what it is for; settings are those of the public corpus that this names, where there are any.
    Raises:
        ConfigError: there is no such paper, or there are no such settings.
    Example:
        >>> sorted(content("paper:self_mm"))
        ['model', 'terms', 'training']
        >>> content("paper:tfn:sims") == content("paper:tfn", "synthetic:sims:24")
        True
    """
    paper, own = _asked(given)
    return paper.content_for(own or paper.settings_for(corpus or ""))


def said(given: str | Path, corpus: str | None = None) -> str:
    """Which settings those are, a line; empty where the paper has the same for every corpus.

    Args:
        given: as for `content`.
        corpus: the same.
    Example:
        >>> said("paper:misa", "synthetic:sims:24")
        'paper:misa: settings for sims, as in MMSA 2.2.1'
    """
    paper, own = _asked(given)
    name = PREFIX + paper.name
    if not paper.by_corpus:
        return ""
    if own := own or paper.settings_for(corpus or ""):
        return f"{name}: settings for {own}, as in {paper.settings}"
    known = ", ".join(paper.by_corpus)
    return (
        f"{name}: settings of its file, as {corpus or 'no corpus'} does not name one that it has others for "
        f"({known}); {name}:{next(iter(paper.by_corpus))} asks for them"
    )


def file_name(given: str | Path) -> str:
    """What a file, or a paper that is named, is called in folders: without its ending, or its prefix.

    Example:
        >>> file_name("runs/misa.yaml"), file_name("paper:misa:mosei")
        ('misa', 'misa')
    """
    return _asked(given)[0].name if is_named(given) else Path(given).stem


def _asked(given: str | Path) -> tuple[Paper, str]:
    """A paper, and the corpus whose settings are asked for."""
    name, _, own = str(given).removeprefix(PREFIX).partition(":")
    paper = named(name)
    if own:
        paper.content_for(own)  # refuses what is not there
    return paper, own


def _joined(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of both; where both have keys and values under one, the same of those."""
    both = dict(base)
    for key, value in own.items():
        there = both.get(key)
        both[key] = (
            _joined(there, value) if isinstance(there, Mapping) and isinstance(value, Mapping) else value
        )
    return both
