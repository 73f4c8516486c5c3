"""Pickles read without running them: numpy arrays, plain containers, strings and numbers only."""

from __future__ import annotations

import io
import pickle
import re
from pathlib import Path

from affect.data.formats.room import check_room
from affect.data.sources.pickle_reader import Bounded, Reader, measure
from affect.data.sources.pickled_tensors import MAGIC, TensorReader, read_old
from affect.data.sources.safe_pickle import RefusedError
from affect.errors import DataError

_ADVICE = "a corpus may hold only numpy arrays, plain containers, strings and numbers"
_BEGINNING = re.compile(rb"\(*(?:c[\w.]+\n\w+\n|[]}](?:[q.]|\()|[dl](?:p\d+\n|[.(SVc]))")
"""How the old text protocols begin a container, an array or a call."""


def is_pickle(path: Path) -> bool:
    """Whether a file begins as a pickle does, and, in the old text protocols, ends as one."""
    with path.open("rb") as file:
        start = file.read(128)
        if start[:1] == pickle.PROTO:  # a safetensors file may begin with these two bytes, but not with three
            return len(start) > 2 and start[1] <= pickle.HIGHEST_PROTOCOL and start[2] in Reader.dispatch
        if not _BEGINNING.match(start):
            return False
        file.seek(-1, io.SEEK_END)
        return file.read(1) == pickle.STOP


def read_pickle(path: Path) -> object:
    r"""What a pickle holds, without calling anything that it names.

    Byte strings of Python 2 come as bytes, but for the keys of dictionaries, which are text. Tensors come as
    arrays.

    Raises:
        DataError: it holds something else than numpy arrays, plain containers, strings and numbers, is not
            whole, contains itself, or would be far larger in memory than it is on disk.
    Example:
        >>> path = getfixture("tmp_path") / "a.pkl"
        >>> _ = path.write_bytes(pickle.dumps({"train": [np.arange(3), "so"]}))
        >>> read_pickle(path)
        {'train': [array([0, 1, 2]), 'so']}
        >>> _ = path.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
        >>> read_pickle(path)
        Traceback (most recent call last):
        affect.errors.DataError: .../a.pkl: refused to read 'os.system': a corpus may hold only ...
    """
    size = path.stat().st_size
    check_room(size, str(path), 1.5)  # arrays are in memory once, and the largest part again as float32
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) == MAGIC:
                content = read_old(MAGIC + file.read(size - len(MAGIC)))
            else:
                file.seek(0)
                content = TensorReader(Bounded(file, size), size).load()
        measure(content, {}, 10 * size + 1_000_000)
    except RefusedError as refusal:
        raise DataError(f"{path}: {refusal}: {_ADVICE}") from None
    except Exception as error:  # whatever the bytes lead to, the answer is the same
        said = ascii(" ".join(str(error)[:1000].split())[:200])[1:-1]
        raise DataError(f"{path}: not a whole pickle ({type(error).__name__}: {said})") from None
    return content
