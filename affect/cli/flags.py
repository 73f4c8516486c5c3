"""Flags, and what may stand behind them: checked before anything is imported that takes time."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from affect.bounds import COUNT, POSITIVE, SEED, Bounds
from affect.errors import AffectError, ConfigError, did_you_mean
from affect.files import LONGEST, check_replaceable
from affect.workers import BACKENDS

_Value = TypeVar("_Value")


class Parser(argparse.ArgumentParser):
    """A parser whose refusals are one line: who, what is wrong, and where to read on."""

    def error(self, message: str) -> NoReturn:
        """End with the line, and with the status 2."""
        line = AffectError(message.removeprefix("argument "))
        self.exit(2, f"{self.prog}: {line}; see {self.prog} --help\n")

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print as everything else is printed: argparse keeps silent of a reader that has gone."""
        file = file or sys.stderr
        file.write(message)
        file.flush()

    @property
    def flags(self) -> list[str]:
        """What they are called."""
        return [name for name in self._option_string_actions if name.startswith("--")]


def number(bounds: Bounds) -> Callable[[str], Any]:
    """A number between some bounds."""
    kind: type = int if bounds.whole else float

    def read(given: str) -> Any:
        try:
            value = kind(given)
        except ValueError:
            value = given  # which the bounds refuse
        try:
            bounds.check("it", value)
        except ConfigError as error:
            raise argparse.ArgumentTypeError(str(error).removeprefix("it ")) from None
        return value

    return read


def one_of(known: Collection[str]) -> Callable[[str], str]:
    """One of several names."""

    def read(given: str) -> str:
        if given not in known:
            raise argparse.ArgumentTypeError(f"no '{given}'; {did_you_mean(given, known)}")
        return given

    return read


def file(*suffixes: str) -> Callable[[str], Path]:
    """A file that can be written, whose name ends as its content asks for."""

    def read(given: str) -> Path:
        return _asked(lambda: check_file(Path(given), suffixes))

    return read


def folder(given: str) -> Path:
    """A folder that is there, or can be made."""
    return _asked(lambda: check_folder(Path(given)))


def check_file(path: Path, suffixes: Collection[str] = ()) -> Path:
    """The path, if a file can be written there.

    Raises:
        ConfigError: it is a folder or a device, ends otherwise, or cannot be written.
    """
    _short(path)
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name a file")
    check_replaceable(path)
    if suffixes and path.suffix.lower() not in suffixes:
        raise ConfigError(f"{path}: expected a file that ends with {' or '.join(suffixes)}")
    return _writable(path, path.absolute().parent)


def check_folder(path: Path) -> Path:
    """The path, if a folder is there that can be written into, or can be made.

    Raises:
        ConfigError: it is a file, or cannot be made.
    """
    _short(path)
    if path.exists() and not path.is_dir():
        raise ConfigError(f"{path} is a file; name a folder")
    return _writable(path, path)


def _writable(path: Path, folder: Path) -> Path:
    """Refuse a path where nothing can be made in a folder, or in the next above it that is there.

    A file's own permission does not matter: another is renamed to it (`affect.files.writing`).
    """
    there = next(above for above in (folder, *folder.absolute().parents) if above.exists())
    if not there.is_dir():
        raise ConfigError(f"{path} cannot be made: {there} is a file")
    if not os.access(there, os.W_OK):
        raise ConfigError(f"{path} cannot be written: no permission to write to {there}")
    return path


def _short(path: Path) -> None:
    """Refuse a name that is too long for a file."""
    for part in path.parts:
        if len(os.fsencode(part)) > LONGEST:
            raise ConfigError(
                f"{part[:20]}...{part[-20:]}: a name of more than {LONGEST} bytes; choose a shorter one"
            )


def _asked(check: Callable[[], _Value]) -> _Value:
    """What a check returns; what it refuses, argparse says with the flag's name."""
    try:
        return check()
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def kind_of_target(given: str) -> tuple[str, str]:
    """A target, and its kind behind the last colon."""
    name, colon, kind = given.rpartition(":")
    if not colon:
        raise argparse.ArgumentTypeError(f"expected NAME:KIND such as emotion:multiclass, got '{given}'")
    return name, kind


def pair(given: str) -> tuple[str, str]:
    """A name, and what it stands for: itself where nothing follows."""
    name, equals, other = given.partition("=")
    if not name or (equals and not other):
        raise argparse.ArgumentTypeError(f"expected NAME=OTHER such as joy=positive, got '{given}'")
    return name, other or name


def once(flag: str, pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Pairs by their names, none of which may be there twice."""
    found: dict[str, str] = {}
    for name, other in pairs:
        if found.setdefault(name, other) != other:
            raise ConfigError(f"{flag}: {name} is both {found[name]} and {other}; give it once")
    return found


def reading(verb: argparse.ArgumentParser) -> None:
    """How a corpus's file is to be read; a configuration has keys of the same names."""
    verb.add_argument(
        "--columns", nargs="+", metavar="NAME",
        help="columns that are features though they look like none, such as confidence",
    )  # fmt: skip
    verb.add_argument(
        "--prefixes", nargs="+", metavar="NAME",
        help="modalities in a table's columns whose names hold a dot, such as wav2vec2.0",
    )  # fmt: skip
    verb.add_argument(
        "--target", dest="targets", nargs="+", type=kind_of_target, metavar="NAME:KIND",
        help="what a column of labels is: emotion:multiclass, joy:regression, sarcasm:binary",
    )  # fmt: skip


def tokens(verb: argparse.ArgumentParser, then: str = "") -> None:
    """The pretrained text encoder that sub-words are made for."""
    verb.add_argument(
        "--tokens", metavar="MODEL",
        help="a pretrained text encoder, a folder or a name on the Hugging Face hub: its sub-words of the "
        f"text become the modality tokens{then}",
    )  # fmt: skip


def reader(verb: argparse.ArgumentParser) -> None:
    """Who reads the file, where none of affect's readers does."""
    verb.add_argument(
        "--reader", metavar="MODULE.FUNCTION",
        help="your own function that reads the file: from its path to an affect.Corpus",
    )  # fmt: skip


def interactions(verb: argparse.ArgumentParser) -> None:
    """What modalities say about a target, and how that is estimated."""
    verb.add_argument(
        "--interactions", action="store_true",
        help="what the modalities say about a target, in bits: redundancy, unique information, synergy",
    )  # fmt: skip
    verb.add_argument("--about", metavar="TARGET", help="the target of interactions (default: the main one)")
    verb.add_argument("--label", metavar="CLASS", help="one class of a target with several labels at once")
    verb.add_argument(
        "--modalities", nargs="+", metavar="NAME",
        help="between these alone (default: all but those of word indices)",
    )  # fmt: skip
    verb.add_argument(
        "--rest", action="store_true", help="each modality and all others together, in place of each pair"
    )
    verb.add_argument(
        "--predictions", metavar="RUN", help="about what the model of a finished run predicts, not the labels"
    )
    verb.add_argument("--out", type=file(".html", ".htm"), help="a page of the interactions, with a picture")


def trust(verb: argparse.ArgumentParser) -> None:
    """Whether a run's own code is executed."""
    verb.add_argument(
        "--trust", action="store_true",
        help="execute the code that somebody else's run brings along; your own runs need no such flag",
    )  # fmt: skip


def again(verb: argparse.ArgumentParser) -> None:
    """Whether what is done is done anew."""
    verb.add_argument("--again", action="store_true", help="do anew what was finished before, too")


def duplicates(verb: argparse.ArgumentParser) -> None:
    """What becomes of ids that occur more than once."""
    known = ("refuse", "number", "first")
    verb.add_argument(
        "--duplicates", choices=known, type=one_of(known),
        help="what becomes of ids that occur more than once (default: refuse)",
    )  # fmt: skip


def reading_of(args: argparse.Namespace) -> dict[str, Any]:
    """What the flags of `reading`, `duplicates`, `reader` and `tokens` say, as `affect.load` takes it."""
    given = {
        name: getattr(args, name, None)
        for name in ("columns", "prefixes", "targets", "duplicates", "reader", "tokens")
    }
    if given["targets"] is not None:
        given["targets"] = dict(given["targets"])
    return {name: value for name, value in given.items() if value is not None}


def parallel(verb: argparse.ArgumentParser) -> None:
    """Where runs are done, and how many at the same time."""
    verb.add_argument(
        "--jobs", type=number(COUNT), help="at the same time (default: 1, on a cluster as many as it has)"
    )
    verb.add_argument(
        "--backend", choices=BACKENDS, type=one_of(BACKENDS), default="loky",
        help="where: this machine (default), or a cluster of Ray or Dask that was started before",
    )  # fmt: skip
    verb.add_argument("--address", help="of the cluster, such as 10.0.0.1:6379 or tcp://10.0.0.1:8786")


def memory(verb: argparse.ArgumentParser) -> None:
    """What all of it may take together."""
    verb.add_argument(
        "--memory", type=number(POSITIVE), metavar="GB",
        help="gigabytes that all processes may take together; what needs more is refused before it begins "
        "(default: what is free)",
    )  # fmt: skip


def seeds(verb: argparse.ArgumentParser, name: str, help: str) -> None:
    """Numbers that draws begin with."""
    verb.add_argument(name, type=number(SEED), nargs="+", help=help)
