"""What there is of each kind: found in the rooms of affect, so that what is new is listed."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from shutil import get_terminal_size
from typing import Any

from affect.errors import ConfigError, did_you_mean


@dataclass(frozen=True)
class Entry:
    """One thing of a kind.

    Args:
        name: under which a configuration or a flag knows it.
        about: what it is, a sentence.
        papers: what papers call it, and which one it is from.
    """

    name: str
    about: str = ""
    papers: str = ""

    @classmethod
    def of(cls, name: str, thing: Any) -> Entry:
        """What a docstring says."""
        doc = inspect.cleandoc(thing.__doc__ or "")
        sentence = re.match(r".*?\.(?=\s|$)", " ".join(doc.partition("\n\n")[0].split()))
        reference = section(doc, "Reference")
        paper = re.match(r".*?\b(?:19|20)\d\d\b|.*?(?=\.\s|$)", reference)
        papers = [
            part.rstrip(".") for part in (section(doc, "Also known as"), paper[0] if paper else "") if part
        ]
        return cls(name, sentence[0] if sentence else "", "; ".join(papers))

    def line(self, width: int = 0) -> str:
        """The name in so many columns, and the rest."""
        papers = f"  [{self.papers}]" if self.papers else ""
        return f"{self.name:<{width}}  {self.about}{papers}".rstrip()


def listing(kind: str | None = None, words: list[str] | None = None) -> Iterator[str]:
    r"""The lines of `affect list`; a terminal's width breaks them, and nothing else does.

    Args:
        kind: in the plural; all kinds and how many there are of each by default.
        words: that a line has to hold, in any case; the whole name of a paper alone asks for all about it,
            and `misa:mosei` for the same with the settings that were published for a corpus.
    Raises:
        ConfigError: there is no such kind, or nothing of it with these words.
    Example:
        >>> print(*listing("heads", ["class", "sum"]), sep="\n")
        MultiClassHead  One logit per class; probabilities that sum to one when decided.
    """
    if kind == "papers" and words and (about := _paper(words)):
        yield from about
        return
    known = kinds()
    if kind is None:
        entries = [Entry(name, f"{len(make()):>3}") for name, make in sorted(known.items())]
    elif kind in known:
        entries = known[kind]()
    else:
        raise ConfigError(f"list: no kind '{kind}'; {did_you_mean(kind, known)}")
    chosen = [one for one in entries if all(word.lower() in one.line().lower() for word in words or ())]
    if not chosen:
        names = ", ".join(one.name for one in entries)
        raise ConfigError(f"list: no {kind} with {' and '.join(words or ())}; known: {names}")
    width = max(len(one.name) for one in chosen)
    screen = get_terminal_size().columns if sys.stdout.isatty() else 0
    for one in chosen:
        line = one.line(width)
        if len(line) > screen > width + 20:
            line = textwrap.fill(line, screen, subsequent_indent=" " * (width + 2), break_on_hyphens=False)
        yield line


def kinds() -> dict[str, Callable[[], list[Entry]]]:
    """What makes the entries of each kind, by its name."""
    from affect.runs.parts import ROOMS

    parts = {
        f"{key}s": partial(_classes, *place) for key, place in ROOMS.items() if place[0].startswith("affect.")
    }
    return {
        **parts,
        "terms": _terms,
        "metrics": _metrics,
        "corpora": _corpora,
        "papers": _papers,
        "formats": _formats,
        "protocols": _protocols,
    }


def _papers() -> list[Entry]:
    """Published models: what each does, what else it is called, and whom to cite."""
    from affect.papers import known

    return [
        Entry(one.name, one.about, "; ".join(part for part in (one.also, one.citation) if part))
        for one in known().values()
    ]


def _paper(words: list[str]) -> list[str]:
    """All about a paper that is named: what it is made of here, and what was published; or nothing."""
    from affect.papers import PREFIX, known
    from affect.papers.figures import lines

    name, _, settings = words[0].removeprefix(PREFIX).partition(":")
    if len(words) != 1 or name not in known():
        return []
    one = known()[name]
    reader = None if one.model else "MODEL"
    own = one.content_for(settings, reader)
    parts = {key: value for key, value in own.items() if key not in ("training", "tokens")}
    told = {
        "also known as": [one.also],
        "paper": [one.citation],
        "made of": [f"{key}: {_written(value)}" for key, value in parts.items()],
        "training": [_written(own["training"])],
        "settings": [f"for {settings}"]
        if settings
        else [f"{name}: {_written(own) or 'as above'}" for name, own in one.by_corpus.items()],
        "settings from": [one.settings],
        "needs": [one.needs, f"modalities: {needed}" if (needed := ", ".join(one.modalities)) else ""],
        "differs": list(one.differs),
        "published": list(lines(one)),
    }
    about = [f"{title}: {line}" for title, found in told.items() for line in found if line]
    return [f"{one.name}  {one.about}", *about]


def _written(value: Any) -> str:
    """Keys and values on one line: a class with its arguments in brackets."""
    if isinstance(value, dict) and "class_path" in value:
        arguments = _written(value.get("init_args"))
        return f"{value['class_path']}({arguments})" if arguments else str(value["class_path"])
    if isinstance(value, dict) and [*value] == ["init_args"]:
        return f"({_written(value['init_args'])})"
    if isinstance(value, dict):
        return ", ".join(
            f"{key} ({_written(own)})"
            if isinstance(own, dict) and not {"class_path", "init_args"} & {*own}
            else f"{key} {_written(own)}"
            for key, own in value.items()
        )
    if isinstance(value, list):
        return "; ".join(map(_written, value))
    return "" if value is None else str(value)


def section(doc: str, title: str) -> str:
    r"""What stands in a section of a docstring, on one line; empty where there is none.

    Example:
        >>> section("A fusion.\n\nReference:\n    Zadeh et al.,\n    2017.\nExample:\n    >>> 1", "Reference")
        'Zadeh et al., 2017.'
    """
    found = re.search(rf"^{title}:[ ]*(.*(?:\n[ ]+.*)*)", doc, re.MULTILINE)
    return " ".join(found[1].split()) if found else ""


_BASES = (
    "Aligner", "Baseline", "Corruption", "Encoder", "Fusion", "Imputer", "LayeredEncoder", "ModalityLoss",
    "Objective", "Pooling", "ProjectedFusion", "StepLoss", "Term", "UtteranceLoss",
    "VectorFusion",
)  # fmt: skip
"""Classes to derive from, which lack a method."""


def _classes(room: str, base: str) -> list[Entry]:
    """The classes of a room that can be named: those that are not there to derive from alone."""
    module = importlib.import_module(room)
    kind = getattr(module, base)
    names = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
    found = {name: getattr(module, name) for name in names}
    return [
        Entry.of(name, cls)
        for name, cls in sorted(found.items())
        if inspect.isclass(cls) and issubclass(cls, kind) and name not in _BASES
    ]


def _terms() -> list[Entry]:
    """Terms, each with what it takes: read from what its class declares and writes."""
    from affect.objectives import terms

    found = _classes("affect.objectives.terms", "Term")
    return [replace(one, about=f"{one.about} {_taken(getattr(terms, one.name))}") for one in found]


def _taken(term: Any) -> str:
    """What a term takes, in a few words."""
    from affect.objectives.terms import Term

    traits = [
        *(f"needs {need}" for need in term.needs),
        "compares samples" if term.compares else "",
        "looks twice" if term.looks_again else "",
        f"a memory{' by sample' * term.by_sample}" if term.observe is not Term.observe else "",
        "critics with a step of their own" if term.critics is not Term.critics else "",
        "shortens steps" if term.paces is not Term.paces else "",
        "labelled samples alone" if term.needs_labels else "unlabelled samples too",
    ]
    return f"({', '.join(filter(None, traits))})"


def _metrics() -> list[Entry]:
    from affect import metrics

    found = {name: getattr(metrics, name) for name in metrics.__all__}
    return [
        Entry.of(name, metric)
        for name, metric in sorted(found.items())
        if isinstance(metric, metrics.Metric) and not inspect.isclass(metric)
    ]


def _corpora() -> list[Entry]:
    from affect.data.corpora import CORPORA

    return [
        Entry(
            name,
            f"{own.title}: {', '.join(own.targets)}; {', '.join(own.modalities)}; {own.homepage}",
            own.citation,
        )
        for name, own in sorted(CORPORA.items())
    ]


def _formats() -> list[Entry]:
    from affect.data.sources import FORMATS

    return [Entry(form) for form in FORMATS]


def _protocols() -> list[Entry]:
    from affect.robustness.protocols import PROTOCOLS

    return [Entry.of(name, make) for name, make in sorted(PROTOCOLS.items())]
