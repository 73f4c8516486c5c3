"""Readers of one's own."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from affect.classes import as_written
from affect.classes.objects import function_of
from affect.data.corpus import Corpus
from affect.data.sources.options import Options
from affect.errors import AffectError, ConfigError, DataError, described


def by_reader(path: Path, options: Options) -> Corpus:
    """What a reader of one's own makes of a file.

    Args:
        path: of the file, or folder.
        options: with the reader; handed on where it has an argument of that name.
    Raises:
        ConfigError: there is no such reader.
        DataError: there is no such file; the reader failed, or gave something else than a corpus.
    """
    reader, name = reader_of(options.reader)
    if not path.exists():
        raise DataError(f"{path}: no such file; expected one for {name} to read")
    said = {"options": options} if "options" in inspect.signature(reader).parameters else {}
    try:
        corpus = reader(path, **said)
    except AffectError:
        raise
    except Exception as error:  # of somebody else's code
        why = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise DataError(f"{path}: {name} failed ({why})") from error
    if not isinstance(corpus, Corpus):
        raise DataError(
            f"{path}: {name} must return an affect.Corpus, got {described(corpus)}; "
            "affect.Corpus.from_arrays and from_samples make one"
        )
    return corpus


def reader_of(given: Any) -> tuple[Any, str]:
    """A reader and its name, from a function or its import path.

    Raises:
        ConfigError: there is no such function.
    Example:
        >>> reader_of("affect.load")[1]
        'affect.load'
        >>> reader_of("my_readers")
        Traceback (most recent call last):
        affect.errors.ConfigError: reader: expected the import path of a function, as in my_readers.read_deap,
        got 'my_readers'
    """
    if not isinstance(given, str):
        if isinstance(given, type) or not callable(given):
            raise ConfigError(
                f"reader: expected a function from a path to an affect.Corpus, got {described(given)}"
            )
        return given, getattr(given, "__name__", type(given).__name__)
    if "." not in given:
        raise ConfigError(
            f"reader: expected the import path of a function, as in my_readers.read_deap, got '{given}'"
        )
    return function_of(given, "reader", "Corpus"), given


def path_of_reader(given: Any) -> str | None:
    """The import path of a reader; None of one that no other process finds, and where there is none.

    Example:
        >>> path_of_reader(affect.load), path_of_reader(lambda path: None)
        ('affect.data.sources.load', None)
    """
    if given is None or isinstance(given, str):
        return given
    module, name = getattr(given, "__module__", None), getattr(given, "__qualname__", "")
    if not module or module == "__main__" or not name.isidentifier():
        return None
    return as_written(f"{module}.{name}")
