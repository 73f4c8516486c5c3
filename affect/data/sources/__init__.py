"""Reading corpora: a file is recognised by what it holds, a generated corpus by its name."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import cast

from affect.data.corpus import Corpus
from affect.errors import AffectError, DataError

FORMATS = (
    "native (safetensors)",
    "pickles of MMSA, of the Multimodal Transformer and of MAG-BERT",
    "computational sequences (.csd)",
    "HDF5 files of the Memory Fusion Network",
    "CSV and Parquet tables",
    "folders of feature files with a table of labels",
)
_PICKLES = ("mmsa", "mult", "mag")
"""Layouts of pickles, each a module that recognises what was read from one."""

_PATHS = ("computational_sequences", "mfn", "folders", "tables")
"""Formats of files and folders, each a module that recognises a path."""


def load(source: str | Path) -> Corpus:
    """A corpus from any published format, or a generated one.

    What a file is, is told from its content, never from its name; nothing in it is executed.

    Args:
        source: a native file (`affect.data.native.save`); a pickle in the layout of MMSA, of the Multimodal
            Transformer, or of MAG-BERT; a computational sequence (.csd) or a folder of them; the HDF5 files
            of the Memory Fusion Network; a folder of feature files with a table of labels; a CSV or Parquet
            table; or `synthetic`, `synthetic:additive`, `synthetic:interaction`, `synthetic:temporal`.
    Raises:
        DataError: there is no such file, or it is not a corpus.
        ConfigError: there is no such generated corpus.
    Example:
        >>> len(load("synthetic")["test"])
        400
    """
    if str(source).partition(":")[0] == "synthetic":
        from affect.data.synthetic import generate

        return generate(str(source))
    path = Path(source)
    if not path.exists():
        raise DataError(
            f"{path}: no such file; expected a corpus file, or 'synthetic' for a generated corpus"
        )
    try:
        for read in itertools.chain((_native, _pickle), map(_reader, _PATHS)):
            corpus = read(path)
            if corpus is not None:
                return corpus
    except AffectError as error:
        if str(path) in str(error):
            raise
        raise type(error)(f"{path}: {error}") from None
    except (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError) as error:
        # What no reader thought of in a file that is damaged, or made to be.
        said = " ".join(str(error).split())[:200]
        raise DataError(f"{path}: cannot be read ({type(error).__name__}: {said})") from error
    raise DataError(f"{path}: not a format that affect reads; known: {', '.join(FORMATS)}")


def _native(path: Path) -> Corpus | None:
    from affect.data import native

    return native.load(path) if path.is_file() and native.is_native(path) else None


def _pickle(path: Path) -> Corpus | None:
    from affect.data.sources.pickles import is_pickle, read_pickle

    if not path.is_file() or not is_pickle(path):
        return None
    content = read_pickle(path)
    for name in _PICKLES:
        layout = import_module(f"affect.data.sources.{name}")
        if layout.recognises(content):
            return cast(Corpus, layout.read(content, path))
    raise DataError(f"{path}: a pickle of no known layout{_outline(content)}; known: {', '.join(_PICKLES)}")


def _outline(content: object) -> str:
    """The keys of what a pickle holds, to tell its owner what was found."""
    return f" (keys {', '.join(map(str, list(content)[:6]))})" if isinstance(content, dict) else ""


def _reader(name: str) -> Callable[[Path], Corpus | None]:
    module = import_module(f"affect.data.sources.{name}")
    return lambda path: cast(Corpus, module.read(path)) if module.recognises(path) else None
