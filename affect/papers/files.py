"""The files of papers: what a published model is made of here."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affect.data.corpora import named_in
from affect.errors import ConfigError, did_you_mean
from affect.papers.changes import PREFIX, changed
from affect.yaml_files import parse_yaml

if TYPE_CHECKING:
    from affect.data.corpus import Corpus
    from affect.model import FusionModel
    from affect.runs.configuration import Configuration


@dataclass(frozen=True)
class Paper:
    """A published model; called with a corpus, it makes the model for it.

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
        modalities: those that a corpus has to have; with any others, or none of them, it can be made.
        tokens: what of it changes where the text is read by a pretrained encoder that is fine-tuned within
            the model: sections as above. The `model` of a `PretrainedEncoder` is the one that is asked for.
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
    model: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    terms: dict[str, Any] = field(default_factory=dict)
    stages: list[dict[str, Any]] = field(default_factory=list)
    also: str = ""
    published: str = ""
    needs: str = ""
    modalities: tuple[str, ...] = ()
    tokens: dict[str, Any] = field(default_factory=dict)
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
            ConfigError: there are no such settings; the corpus lacks a modality, or what else it needs.
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
        """The sections of a configuration, to be changed at will; without a corpus.

        Raises:
            ConfigError: it is made of a pretrained encoder, which has to be named.
        """
        return self.content_for()

    def content_for(self, settings: str = "", tokens: str | None = None) -> dict[str, Any]:
        """The same with the settings that were published for a corpus, or with a pretrained text encoder.

        Args:
            settings: the name of the corpus among `by_corpus`; an empty text stands for the file as it is.
            tokens: the encoder, a folder or a name on the Hugging Face hub, which is fine-tuned within the
                model; none where the text's vectors are read.
        Raises:
            ConfigError: there are no such settings; it is made of a pretrained encoder, which has to be
                named, or does not say what of it changes where one reads the text.
        Example:
            >>> affect.papers.tfn.content_for("mosei")["training"]["learning_rate"]
            0.005
            >>> own = affect.papers.misa.content_for(tokens="bert-base-uncased")["model"]["encoders"]
            >>> own["tokens"]["init_args"]
            {'model': 'bert-base-uncased', 'learning_rate': 0.0001, 'output': 'mean', 'by_length': True}
        """
        if settings and settings not in self.by_corpus:
            known_ones = did_you_mean(settings, self.by_corpus) if self.by_corpus else "it has none by corpus"
            raise ConfigError(f"{PREFIX}{self.name}: no settings for '{settings}'; {known_ones}")
        if not self.model and tokens is None:
            raise ConfigError(
                f"{PREFIX}{self.name}: its text is read by a pretrained encoder; name one (--tokens MODEL)"
            )
        if tokens is not None and not self.tokens:
            able = ", ".join(name for name, own in known().items() if own.tokens)
            raise ConfigError(
                f"{PREFIX}{self.name}: does not say how a pretrained encoder reads its text; those that do: "
                f"{able}"
            )
        sections = {name: getattr(self, name) for name in ("model", "training", "terms", "stages")}
        found = changed(sections, self.by_corpus.get(settings, {}))
        if tokens is not None:
            found = {**changed(found, _reading(self.tokens, tokens)), "tokens": tokens}
        return copy.deepcopy({name: own for name, own in found.items() if own})

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
        if lacking := [name for name in self.modalities if name not in corpus.dims]:
            raise ConfigError(
                f"{where}: needs the modalities {', '.join(self.modalities)}, got {', '.join(corpus.dims)}; "
                f"it cannot be made without {', '.join(lacking)}"
            )
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
            lists = {key: tuple(own.get(key, ())) for key in ("differs", "modalities")}
            found[name] = Paper(name, **{**own, **lists})
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


def content(
    given: str | Path, corpus: str | None = None, tokens: str | None = None, strict: bool = True
) -> dict[str, Any]:
    """The sections of the configuration of a paper that is named.

    Args:
        given: its name, with the prefix; `paper:misa:mosei` says whose settings are meant too.
        corpus: what it is for; settings are those of the public corpus that this names, where there are any.
        tokens: the pretrained encoder that reads the text; none where its vectors are read.
        strict: whether a paper is refused that does not say how; else it leaves sub-words out.
    Raises:
        ConfigError: there is no such paper, or there are no such settings; it needs a pretrained encoder, or
            does not say how to use one.
    Example:
        >>> sorted(content("paper:self_mm"))
        ['model', 'terms', 'training']
        >>> content("paper:tfn:sims") == content("paper:tfn", "synthetic:sims:24")
        True
        >>> content("paper:lmf", tokens="bert-base-uncased", strict=False)["model"]["encoders"]["tokens"]
    """
    paper, own = _asked(given)
    settings = own or paper.settings_for(corpus or "")
    if tokens is None or paper.tokens or strict:
        return paper.content_for(settings, tokens)
    return changed(paper.content_for(settings), {"model": {"encoders": {"tokens": None}}})


def said(given: Iterable[str | Path], corpus: str | None = None) -> list[str]:
    """Which settings those of some papers are, in lines; none of papers that have the same for every corpus.

    Args:
        given: as for `content`, each.
        corpus: the same.
    Example:
        >>> said(["paper:misa", "paper:tfn", "paper:ctfn"], "synthetic:sims:24")
        ['paper:misa, paper:tfn: settings for sims, as in MMSA 2.2.1']
    """
    found: dict[str, list[str]] = {}
    for one in given:
        paper, own = _asked(one)
        if own := own or paper.settings_for(corpus or ""):
            line = f"settings for {own}, as in {paper.settings}"
        else:
            line = (
                f"settings of its file, as {corpus or 'no corpus'} does not name one that it has others for; "
                "paper:NAME:mosi asks for them (affect list papers NAME)"
            )
        if paper.by_corpus:
            found.setdefault(line, []).append(PREFIX + paper.name)
    return [f"{', '.join(dict.fromkeys(names))}: {line}" for line, names in found.items()]


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
    if own and own not in paper.by_corpus:
        paper.content_for(own)  # refuses what is not there
    return paper, own


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
