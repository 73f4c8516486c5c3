"""Refusals: one line that says who, what was expected, what came, and a remedy."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import Any

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class AffectError(Exception):
    r"""Every error that affect raises on purpose; what it says is one line, whatever a file put into it.

    Args:
        message: control characters, and those that turn the direction of text, are shown escaped.
    Example:
        >>> str(AffectError("sample a\nb"))
        'sample a\\nb'
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(escaped(str(message)))


class ShapeError(AffectError, ValueError):
    """A tensor or a set of modalities does not have the shape its role requires."""


class DataError(AffectError, ValueError):
    """A file or its content cannot be used; names the file, split, sample and modality."""


class ConfigError(AffectError, ValueError):
    """A configuration names something that does not exist or does not fit."""


class MemoryTakenError(ConfigError):
    """What a configuration takes is not free, and would be if other processes had not taken it."""


class BrokenLawError(AssertionError):
    """A part does not keep a law (`affect.testing`)."""


def escaped(text: str) -> str:
    r"""A text on one line, in which nothing moves a terminal's cursor or turns the direction of writing.

    Example:
        >>> escaped("a\x1b[31m\nb\u202ec")
        'a\\x1b[31m\\nb\\u202ec'
    """
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the nearest known one, and all of them.

    Example:
        >>> did_you_mean("LowRankFusin", ["TensorFusion", "LowRankFusion"])
        "did you mean 'LowRankFusion'? known: LowRankFusion, TensorFusion"
        >>> did_you_mean("Self-MM", ["misa", "self_mm"])
        "did you mean 'self_mm'? known: misa, self_mm"
    """
    known = sorted(known)
    near = difflib.get_close_matches(str(name), known, n=1)
    if not near:  # capital letters aside
        small = {one.casefold(): one for one in known}
        near = [small[one] for one in difflib.get_close_matches(str(name).casefold(), small, n=1)]
    listing = f"known: {', '.join(known)}" if known else "none are known"
    return f"did you mean '{near[0]}'? {listing}" if near else listing


def behind(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what it was raised from, as far as a traceback shows it: not beyond `from None`.

    Example:
        >>> try:
        ...     raise ValueError from KeyError("a")
        ... except ValueError as error:
        ...     [type(one).__name__ for one in behind(error)]
        ['ValueError', 'KeyError']
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:  # one may be raised from itself, round about
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def described(value: Any) -> str:
    """What was given, as a message says it: not its content, which may be long, but what it is.

    Example:
        >>> described("mosi.pkl"), described(dict), described(np.ones(3)), described(None)
        ("the text 'mosi.pkl'", 'the class dict', 'a numpy.ndarray', 'None')
    """
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()  # a number of numpy's is one
    if isinstance(value, int) and abs(value) >= _LARGE:  # Python writes none of more than 4,300 digits
        return f"a whole number of {value.bit_length():,} bits"
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    if isinstance(value, str):
        return f"the text {value if len(value) <= 60 else value[:57] + '...'!r}"
    kind, what = (value, "the class ") if isinstance(value, type) else (type(value), "")
    room = kind.__module__.partition(".")[0]
    name = kind.__name__ if room in ("builtins", "affect", "__main__") else f"{room}.{kind.__name__}"
    return what + name if what else f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


_LARGE = 10**20


def listed(who: str, names: Iterable[str]) -> list[str]:
    """Names as a list; a lone text, which would be read letter by letter, is refused.

    Args:
        who: begins the message.
        names: what was given.
    Raises:
        ConfigError: it is no collection of texts.
    Example:
        >>> listed("select", ("ecg", "eeg"))
        ['ecg', 'eeg']
        >>> listed("select", "ecg")
        Traceback (most recent call last):
        affect.errors.ConfigError: select: expected a list of names, got the text 'ecg'; write ['ecg']
    """
    if isinstance(names, str):
        raise ConfigError(f"{who}: expected a list of names, got the text {names!r}; write [{names!r}]")
    if not isinstance(names, Iterable):
        raise ConfigError(f"{who}: expected a list of names, got {described(names)}")
    found = list(names)
    for name in found:
        if not isinstance(name, str):
            raise ConfigError(f"{who}: expected a list of names, got {described(name)} in it")
    return found


def check_flag(who: str, value: Any) -> None:
    """Refuse what is neither True nor False: a text such as 'no' would count as True.

    Args:
        who: begins the message.
        value: what was given.
    Raises:
        ConfigError: it is something else.
    Example:
        >>> check_flag("load_run: trust", "no")
        Traceback (most recent call last):
        affect.errors.ConfigError: load_run: trust: expected True or False, got the text 'no'
    """
    if not isinstance(value, bool):
        raise ConfigError(f"{who}: expected True or False, got {described(value)}")


def path_in(who: str, value: Any) -> Path:
    """A path as it was given.

    Args:
        who: begins the message.
        value: what was given.
    Raises:
        ConfigError: it is no path.
    Example:
        >>> path_in("run.save", 3)
        Traceback (most recent call last):
        affect.errors.ConfigError: run.save: expected the path of a folder, got 3
    """
    if not isinstance(value, str | PathLike) or isinstance(value, bytes):
        raise ConfigError(f"{who}: expected the path of a folder, got {described(value)}")
    return Path(value)


def few(parts: Collection[str], most: int = 8) -> str:
    """The first of several things, and how many more there are.

    Example:
        >>> few(["a", "b", "c"], most=2), few([])
        ('a, b and 1 more', 'none')
    """
    more = f" and {len(parts) - most} more" if len(parts) > most else ""
    return (", ".join(list(parts)[:most]) or "none") + more
