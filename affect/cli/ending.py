"""How the command ends when something is wrong: in one line, which says what to do."""

from __future__ import annotations

import importlib.metadata
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from affect.cli.stopping import stoppable
from affect.errors import AffectError, behind

CLOSED = 128 + 13
"""The exit status of a Unix tool whose reader has gone: of SIGPIPE, as the shell counts it."""


@contextmanager
def one_line() -> Iterator[None]:
    """Within the block, errors that a user can do something about end the process with one line on stderr.

    A reader of stdout that has gone (`affect predict RUN PATH | head`) ends it in silence, a signal with a
    line that says how to go on. What remains has its traceback: it is a mistake of affect's.

    Raises:
        SystemExit: with the line, or with a status.
    Example:
        >>> with one_line():
        ...     raise PermissionError(13, "Permission denied", "a.csv")
        Traceback (most recent call last):
        SystemExit: PermissionError: a.csv: permission denied
    """
    with stoppable() as stop:
        try:
            with _refusals():
                yield
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                stop.number = stop.number or signal.SIGINT
            if not stop.number:  # else it is what became of the signal
                raise
            stop.end()


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except AffectError as error:
        sys.exit(f"{type(error).__name__}: {error}")
    except BrokenPipeError:
        with suppress(OSError):  # whoever stands in for stdout may have no number
            os.dup2(
                os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
            )  # takes what is still to be written
        sys.exit(CLOSED)
    except OSError as error:
        sys.exit(f"{type(error).__name__}: {of_system(error)}")
    except ImportError as error:
        missing = missing_package(error)
        if missing is None:
            raise
        sys.exit(f"ImportError: {missing}")


def of_system(error: OSError) -> str:
    """What the system refused: of which file, and why.

    Example:
        >>> of_system(OSError(28, "No space left on device", "/runs/results.csv"))
        '/runs/results.csv: no space left on device'
    """
    what = error.strerror or " ".join(str(error).split())
    if not isinstance(what, str) or error.filename is None:
        return str(AffectError(str(what)))
    return str(AffectError(f"{os.fsdecode(error.filename)}: {what[:1].lower()}{what[1:]}"))


def missing_package(error: ImportError) -> str | None:
    """What to install; None where affect itself cannot be imported as it should.

    Example:
        >>> missing_package(ModuleNotFoundError("No module named 'plotly'", name="plotly"))
        'plotly is not installed; pip install "affect[report]"'
    """
    first = next((one for one in behind(error) if isinstance(one, ImportError) and one.name), error)
    package = (first.name or "").partition(".")[0]
    if package == "affect":
        return None
    if not package:
        return str(AffectError(" ".join(str(error).split())))
    if not isinstance(first, ModuleNotFoundError):  # it is there, and is broken
        return str(AffectError(f"{package} cannot be imported: {' '.join(str(error).split())}"))
    extra = extras().get(package)
    return f"{package} is not installed; pip install " + (f'"affect[{extra}]"' if extra else package)


def extras() -> dict[str, str]:
    """The extra of affect that brings each optional package, by the name that it is imported under."""
    found: dict[str, str] = {}
    for line in importlib.metadata.requires("affect") or ():
        name, _, condition = line.partition(";")
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", condition)
        package = re.match(r"[\w.-]+", name)
        if extra is not None and package is not None and extra[1] != "dev":
            module = _IMPORTED_AS.get(package[0], package[0].replace("-", "_"))
            found.setdefault(module, extra[1])
    return found


_IMPORTED_AS = {"cmu-multimodal-sdk": "mmsdk"}
