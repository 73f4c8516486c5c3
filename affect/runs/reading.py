"""What a configuration's file says, and the paper that it may begin with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from affect import papers
from affect.data.sources.options import model_path
from affect.data.tokens import TOKENS
from affect.errors import ConfigError
from affect.yaml_files import read_yaml


def plain(path: str | Path) -> dict[str, Any]:
    """The content of a YAML file; nothing in it is imported.

    Args:
        path: of the file.
    Raises:
        ConfigError: there is no such file, or `affect.yaml_files.parse_yaml` refuses it; it holds no keys.
    """
    path = Path(path)
    try:
        content = read_yaml(path)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; expected a YAML file") from None
    except ValueError as error:
        raise ConfigError(f"{path}: not YAML: {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected keys and values, got {type(content).__name__}")
    return content


def read(path: str | Path, corpus: str | None = None, tokens: str | None = None) -> dict[str, Any]:
    """The content of a configuration's file, or of a paper that is named; nothing in it is imported.

    A file that begins with a paper, `paper: misa`, has the paper's sections where it has none of its own, and
    changes them where it has (`affect.papers.adapted`).

    Args:
        path: of the file, or `paper:NAME` (`affect.papers`).
        corpus: what a paper is for, other than a file says; where none does, it has to be named.
        tokens: the pretrained encoder that a paper reads the text with, other than a file says.
    Raises:
        ConfigError: as `plain`; there is no such paper, or it cannot be read so (`affect.papers.content`).
    Example:
        >>> path = getfixture("tmp_path") / "model.yaml"
        >>> _ = path.write_text("{paper: tfn, corpus: synthetic, training: {epochs: 2}}", encoding="utf-8")
        >>> read(path)["training"]["epochs"], read(path)["model"]["fusion"]["class_path"]
        (2, 'TensorFusion')
    """
    if papers.is_named(path):
        if corpus is None:
            raise ConfigError(f"{path}: a paper names no corpus; give one (--corpus PATH)")
        return papers.content(path, corpus, tokens)
    content = plain(path)
    if tokens is not None:
        content["tokens"] = tokens
    if "paper" not in content:
        return content
    own = _own(content)
    return papers.adapted(_paper(content, own, Path(path), corpus), own)


def settings_said(path: str | Path, corpus: str | None = None) -> list[str]:
    """Whose settings the paper has that a configuration is, or begins with (`affect.papers.said`).

    A line says too where an encoder for all takes the place of the paper's own for some.

    Args:
        path: of the file, or `paper:NAME`.
        corpus: other than the file says.
    Raises:
        ConfigError: as `read`.
    """
    if papers.is_named(path):
        return papers.said([path], corpus) if corpus else []  # `read` refuses it without one
    content = plain(path)
    if "paper" not in content:
        return []
    own = _own(content)
    named = _paper(content, own, Path(path), corpus)
    return [
        *papers.said([papers.paper_in(content)], corpus or content["corpus"]),
        *encoders_said(str(path), named, own),
    ]


def encoders_said(where: str, paper: Mapping[str, Any], own: Mapping[str, Any]) -> list[str]:
    """The line that names the modalities of `affect.papers.replaced`, where there are any.

    Args:
        where: begins it.
        paper: sections of a paper.
        own: of the user.
    Example:
        >>> encoders_said("doc", affect.papers.lmf.content, {"model": {"encoder": "GRUEncoder"}})
        ["doc: encoder: in the place of the paper's own for text too; `encoders` can name another"]
    """
    if not (names := ", ".join(papers.replaced(paper, own))):
        return []
    return [f"{where}: encoder: in the place of the paper's own for {names} too; `encoders` can name another"]


def _own(content: Mapping[str, Any]) -> dict[str, Any]:
    """What a file has beside its paper's name; a key without a value is as if it were not there."""
    return {key: value for key, value in content.items() if key != "paper" and value is not None}


def _paper(
    content: Mapping[str, Any], own: Mapping[str, Any], path: Path, corpus: str | None
) -> dict[str, Any]:
    """The sections of the paper that a file begins with."""
    corpus, tokens = corpus or own.get("corpus"), own.get("tokens")
    named = papers.paper_in(content)
    if corpus is None or not named:
        lacking = "corpus" if named else "paper"
        raise ConfigError(f"{path}: {lacking} is missing; expected `paper: NAME` and a corpus")
    reading = None if tokens is None else model_path(tokens, path.parent)
    try:
        return papers.content(named, str(corpus), reading, strict=TOKENS not in papers.encoders_in(own))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
