"""Opening a file through PyAV: a file on disk in a container that is known, and nothing that it names."""

from __future__ import annotations

import logging
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from affect.errors import ConfigError, DataError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.frame import Frame
    from av.stream import Stream

logger = logging.getLogger(__name__)

CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "wav", "mp3", "flac", "ogg", "aac",
)  # fmt: skip
"""What is opened, as ffmpeg calls it: no playlists and scripts, which name other files and addresses."""

SEEKABLE = (*CONTAINERS[:2], "wav", "flac")
"""Containers whose stamps are the same wherever reading begins."""

PIXELS = 2**25
"""Of the largest picture: 8K has 33 million."""

LONGEST = 24 * 3600
"""Seconds of the longest recording; stamps beyond are damage."""

_OPTIONS = {"max_pixels": str(PIXELS)}
_CONTAINER = {"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": "file"}


@dataclass(frozen=True)
class Facts:
    """What the head of a file says.

    Args:
        container: as ffmpeg calls it.
        zero: second 0 of the recording, on the clock of the stamps: when the first of its streams begins.
        audio: number of the stream of sound; None where there is none.
        video: number of the stream of pictures; None where there is none.
        seconds: from second 0 to the end, as far as the file says; None where it does not.
        ends: the seconds at which its streams end, by number, of those of which the file says it.
    """

    container: str
    zero: Fraction
    audio: int | None
    video: int | None
    seconds: float | None
    ends: Mapping[int, float]


def pyav(who: str) -> Any:
    """The module `av`.

    Args:
        who: begins the message.
    Raises:
        ConfigError: it is not installed.
    """
    try:
        import av
    except ModuleNotFoundError:
        raise ConfigError(f'{who}: needs PyAV, which is not installed; pip install "affect[media]"') from None
    return av


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """A file, open.

    Args:
        path: of the file.
    Raises:
        ConfigError: PyAV is not installed.
        DataError: there is no such file, or it is none of sound or pictures; it fails while it is read.
    """
    av = pyav("Recording")
    try:
        seen = path.stat()
    except (OSError, ValueError) as error:  # the latter for a name with a zero in it
        why = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read: {_said(error)}"
        raise DataError(f"{path}: {why}") from None
    if not stat.S_ISREG(seen.st_mode):  # a pipe would be waited for
        raise DataError(f"{path}: is no file; expected a recording")
    with refusing(path):
        container = av.open(
            f"file:{path}", "r", options=_OPTIONS, container_options=_CONTAINER, metadata_errors="replace"
        )
    try:
        yield container
    finally:
        container.close()


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Say in one line what PyAV says of a file that it cannot read."""
    av = pyav("Recording")
    try:
        yield
    except DataError:
        raise
    except (av.FFmpegError, ValueError, OSError, MemoryError, ArithmeticError, LookupError) as error:
        raise DataError(f"{path}: cannot be read as a recording: {_said(error)}") from None


def facts_of(path: Path) -> Facts:
    """What the head of a file says.

    Raises:
        ConfigError: PyAV is not installed.
        DataError: it is no recording, or has neither sound nor pictures.
    """
    with opened(path) as container, refusing(path):
        streams = {kind: _streams(container, kind) for kind in ("audio", "video")}
        zero = min((_begin(one) for own in streams.values() for one in own), default=None)
        if zero is None:
            raise DataError(f"{path}: expected a recording, got a file without sound and pictures")
        found = [own[0] for own in streams.values() if own]
        ends = {
            stream.index: float(_begin(stream) + stream.duration * stream.time_base - zero)
            for stream in found
            if stream.duration and stream.time_base
        }
        seconds = max(ends.values(), default=None)
        if seconds is None and container.duration:
            seconds = float(Fraction((container.start_time or 0) + container.duration, 1_000_000) - zero)
        numbers = {kind: own[0].index if own else None for kind, own in streams.items()}
        return Facts(container.format.name, zero, numbers["audio"], numbers["video"], seconds, ends)


def decoded(path: Path, container: InputContainer, number: int, notes: list[str]) -> Iterator[Any]:
    """The frames of a stream as they come; what cannot be decoded is passed over.

    Args:
        path: of the file.
        container: that is open.
        number: of the stream.
        notes: is told what was wrong.
    Raises:
        DataError: it is in a form that is not known.
    """
    av = pyav("Recording")
    stream = container.streams[number]
    kind = "sound" if stream.type == "audio" else "pictures"
    coder: Any = stream.codec_context
    if coder is None:
        raise DataError(f"{path}: its {kind} are in a form that PyAV cannot decode")
    coder.thread_count, coder.options = 1, _OPTIONS
    lost = 0
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except (av.FFmpegError, OSError, ValueError) as error:
            notes.append(f"its {kind} end early: {_said(error)}")
            packet = None
        try:
            frames = coder.decode(packet)
        except (av.FFmpegError, ValueError) as error:
            if not isinstance(error, av.error.EOFError):
                lost += 1
            frames = []
        yield from frames
        if packet is None or packet.size == 0 and packet.dts is None:
            break
    if lost:
        notes.append(f"{lost:,} packet{'s' * (lost > 1)} of its {kind} cannot be decoded")


def stamp(frame: Frame, zero: Fraction) -> Fraction | None:
    """When a frame begins, in seconds of the recording; None where the file does not say."""
    given = frame.dts if frame.pts is None else frame.pts
    if given is None or frame.time_base is None:
        return None
    return given * frame.time_base - zero


def check_stamp(
    path: Path, time: Fraction | float, before: float, kind: Literal["sound", "pictures"]
) -> None:
    """Refuse times that no recording has: far back, or a day ahead.

    Args:
        path: of the file.
        time: in seconds of the recording.
        before: the time that it follows.
        kind: of stream.
    Raises:
        DataError: it does.
    """
    if time > LONGEST:
        what = f"expected times up to {LONGEST // 3600} hours, got second {float(time):,.0f}"
        raise DataError(f"{path}: its {kind}: {what}; cut the file, or write it anew")
    if time < before - 1:
        what = f"expected times that do not fall, got second {float(time):.2f} after {before:.2f}"
        raise DataError(f"{path}: its {kind}: {what}; write the file anew")


def _streams(container: InputContainer, kind: str) -> list[Stream]:
    """The streams of a kind, but for pictures of a cover."""
    found = [one for one in container.streams if one.type == kind]
    return [one for one in found if not one.disposition & type(one.disposition).attached_pic]


def _begin(stream: Stream) -> Fraction:
    return (stream.start_time or 0) * (stream.time_base or Fraction(1))


def _said(error: BaseException) -> str:
    """What an error says, on one line, without the path that it names."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split()).rstrip(".").lower()
