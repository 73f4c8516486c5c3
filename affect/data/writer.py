"""A native corpus file that grows on disk piece by piece: larger than memory, and it goes on after a kill."""

from __future__ import annotations

import logging
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from affect import renamed
from affect.data import native
from affect.data.corpus import Corpus, Split
from affect.data.provenance import Provenance
from affect.data.quality import empty_samples, empty_samples_note
from affect.data.targets import Target
from affect.errors import DataError
from affect.files import of_disk, writing
from affect.manifest import DIGEST, FILES, read_facts, write_facts

logger = logging.getLogger(__name__)

_STEP = 1 << 23
_PROGRESS, _ANEW = "progress.json", "the work begins anew"


class CorpusWriter:
    """A corpus on its way to `path`.

    Pieces stand in a folder beside it until `finish`; a hidden lock file stays. After a kill, the same work
    goes on from the last `checkpoint`. It begins anew where that is damaged, which a log line says, and where
    other work was begun under the same path.

    Args:
        path: the native file to be.
        work: what is being done, as text: goes on only where it is the same.
    Raises:
        DataError: another process is at work on the same path.
    Example:
        >>> split = affect.load("synthetic")["test"]
        >>> path = getfixture("tmp_path") / "twice.safetensors"
        >>> with CorpusWriter(path, "the same split twice") as growing:
        ...     growing.append("test", split.take(np.arange(3)))
        ...     growing.checkpoint(1)
        ...     growing.append("test", split.take(np.arange(3, 5)))
        ...     corpus = growing.finish("twice", {"sentiment": affect.load("synthetic").target()})
        >>> corpus["test"].ids == split.ids[:5]
        True
    """

    def __init__(self, path: str | Path, work: str) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.folder = self.path.with_name(f".{self.path.name}.growing")
        self._lock = FileLock(self.path.with_name(f".{self.path.name}.lock"))
        self._files: dict[str, BinaryIO] = {}
        self._state: dict[str, Any] = {"work": work, "done": 0, "splits": [], "tensors": {}, "nothing": {}}

    def __enter__(self) -> CorpusWriter:
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise DataError(
                f"{self.path}: another process is writing it; wait for it, or name another"
            ) from None
        try:
            self._go_on()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, kind: object = None, error: BaseException | None = None, _: object = None) -> None:
        for file in self._files.values():
            with suppress(OSError):  # what stands behind the last checkpoint is written again
                file.close()
        self._lock.release()  # the file stays: two processes could lock a deleted one and its successor
        if isinstance(error, OSError) and error.filename is None and (number := of_disk(error)):
            raise OSError(number, os.strerror(number), str(self.path)) from error

    @property
    def done(self) -> int:
        """What the last `checkpoint` was told."""
        return int(self._state["done"])

    def append(self, split_name: str, piece: Split) -> None:
        """Add samples to a split; every piece has the same modalities and targets.

        Where some pieces of a modality, or of the words, have times, the steps of the others get NaN.

        Raises:
            DataError: the piece does not go on from those before it.
        """
        if split_name not in self._state["splits"]:
            self._state["splits"].append(split_name)
        if rows := empty_samples(piece):
            count, first = self._state["nothing"].get(split_name, (0, piece.ids[rows[0]]))
            self._state["nothing"][split_name] = count + len(rows), first
        tensors = native.tensors_of(split_name, piece)
        for name, untimed in self._untimed(tensors):
            self._add(name, untimed, piece)
        for name, tensor in tensors.items():
            self._add(name, tensor, piece)

    def checkpoint(self, done: int) -> None:
        """Keep what there is: work that is cut goes on behind the first `done` pieces."""
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
        self._state["done"] = done
        write_facts(self.folder / _PROGRESS, self._state, [])

    def finish(
        self,
        name: str,
        targets: dict[str, Target],
        aligned: bool = False,
        notes: tuple[str, ...] = (),
        citation: str = "",
        main: str = "",
        columns: Mapping[str, tuple[str, ...]] | None = None,
        provenance: Mapping[str, Provenance] | None = None,
    ) -> Corpus:
        """Write the file and remove the pieces; arguments as in `Corpus`.

        The notes end with how many samples hold nothing.

        Raises:
            DataError: the pieces do not make a corpus.
        """
        for file in self._files.values():
            file.flush()
        tensors = {}
        for tensor, record in self._state["tensors"].items():
            framed = 2 if _is_text(tensor) else 0
            shape = (record["rows"] + framed, *record["tail"])
            tensors[tensor] = native.Tensor(np.dtype(record["dtype"]), shape, self._stored(tensor, record))
        header = native.header_of(
            name, self._state["splits"], targets, aligned, (*notes, *self._nothing()), citation, main,
            columns=columns, provenance=provenance,
        )  # fmt: skip
        with writing(self.path) as partial:
            native.write(partial, tensors, header)
            corpus = native.load(partial)
        shutil.rmtree(self.folder)
        return corpus

    def _go_on(self) -> None:
        """Take up what the last checkpoint left, where it is this work and whole; else begin anew."""
        if self.folder.is_symlink():  # what lies elsewhere is neither written nor removed
            raise DataError(f"{self.folder}: expected a folder, got a link; remove it")
        if (state := self._kept()) is not None and state["work"] == self._state["work"]:
            self._state = state
        elif self.folder.is_dir():
            shutil.rmtree(self.folder)
        self.folder.mkdir(exist_ok=True)

    def _kept(self) -> dict[str, Any] | None:
        """What the last checkpoint wrote; None where there is none, or not all of it is there as it was."""
        path = self.folder / _PROGRESS
        if not os.path.lexists(path):
            return None
        try:
            state: dict[str, Any] = read_facts(path, _ANEW)
            if not _is_state(state):
                raise DataError(f"{path}: not what a checkpoint writes; {_ANEW}")
            if not self._is_whole(state):
                raise DataError(f"{self.folder}: has not all pieces that {_PROGRESS} names; {_ANEW}")
        except DataError as error:
            logger.warning("%s", error)
            return None
        return state

    def _add(self, name: str, tensor: native.Tensor, piece: Split) -> None:
        record = self._state["tensors"].setdefault(
            name,
            {
                "file": _raw(len(self._state["tensors"])),
                "dtype": tensor.dtype.str,
                "tail": list(tensor.shape[1:]),
                "rows": 0,
                "last": 0,
            },
        )
        if record["tail"] != list(tensor.shape[1:]):
            raise DataError(
                f"{self.path}, {name}: expected shape (.., {record['tail']}), got {tensor.shape}, "
                f"at sample {piece.ids[0]}"
            )
        if record["dtype"] != tensor.dtype.str:
            raise DataError(
                f"{self.path}, {name}: expected {np.dtype(record['dtype'])}, got {tensor.dtype}, "
                f"at sample {piece.ids[0]}"
            )
        for block in tensor.blocks:
            self._write(record, self._continued(name, record, block))

    def _untimed(self, tensors: dict[str, native.Tensor]) -> Iterator[tuple[str, native.Tensor]]:
        """The times that this piece lacks, or that those before it lack, where the others have them."""
        known = self._state["tensors"]
        for offsets in [name for name in tensors if name.endswith("/offsets")]:
            name = offsets.removesuffix("offsets") + "times"
            own = name in tensors
            if own == (name in known):
                continue
            before = known.get(offsets, {}).get("last", 0)
            count = before if own else int(next(iter(tensors[offsets].blocks))[-1])
            if count:
                dtype = tensors[name].dtype if own else np.dtype(known[name]["dtype"])
                yield name, native.Tensor(dtype, (count, 2), (np.full((count, 2), np.nan, dtype),))

    def _nothing(self) -> Iterator[str]:
        """What `affect.data.quality.empty_samples_notes` says, counted as the pieces came."""
        for split, (count, first) in self._state["nothing"].items():
            offsets = next(
                record["rows"]
                for name, record in self._state["tensors"].items()
                if name.startswith(f"{split}/") and name.endswith("/offsets")
            )
            yield empty_samples_note(split, count, offsets - 1, first)

    def _is_whole(self, state: dict[str, Any]) -> bool:
        """Whether every piece that was kept is on the disk."""
        pieces = {self.folder / record["file"]: _bytes(record) for record in state["tensors"].values()}
        return all(
            not path.is_symlink() and (size == 0 or (path.is_file() and path.stat().st_size >= size))
            for path, size in pieces.items()
        )

    def _continued(self, name: str, record: dict[str, Any], block: NDArray[Any]) -> NDArray[Any]:
        """A block as it goes on from what is there: offsets count on, lists of text are one list."""
        if name.endswith("/offsets"):
            counted: NDArray[Any] = block + record["last"]
            record["last"] = int(counted[-1])
            return counted[1:] if record["rows"] else counted
        if _is_text(name):
            inner = block[1:-1]
            comma = np.frombuffer(b", ", dtype=np.uint8)
            return np.concatenate([comma, inner]) if record["rows"] and len(inner) else inner
        return block

    def _write(self, record: dict[str, Any], block: NDArray[Any]) -> None:
        name = record["file"]
        if name not in self._files:
            path = self.folder / name
            if not record["rows"]:  # what is there was not kept, and may lead elsewhere
                path.unlink(missing_ok=True)
            file = path.open("ab")
            file.truncate(_bytes(record))  # what was written after the checkpoint is written again
            self._files[name] = file
        self._files[name].write(np.ascontiguousarray(block).data)
        record["rows"] += len(block)

    def _stored(self, name: str, record: dict[str, Any]) -> Iterator[NDArray[Any]]:
        dtype, tail = np.dtype(record["dtype"]), record["tail"]
        width = math.prod(tail)
        rows = max(1, _STEP // max(1, width * dtype.itemsize))
        if _is_text(name):
            yield np.frombuffer(b"[", dtype=np.uint8)
        left = record["rows"]
        if left:
            with (self.folder / record["file"]).open("rb") as file:
                while left:
                    block = np.fromfile(file, dtype, min(rows, left) * width)
                    yield block.reshape(-1, *tail)
                    left -= min(rows, left)
        if _is_text(name):
            yield np.frombuffer(b"]", dtype=np.uint8)


def _raw(place: int) -> str:
    """What the piece of a tensor is called."""
    return f"{place}.raw"


def _is_state(state: dict[str, Any]) -> bool:
    """Whether something is what a checkpoint writes: it names no file but the writer's own."""
    kinds = {"work": str, "done": int, "splits": list, "tensors": dict, "nothing": dict}
    if state.keys() != {*kinds, FILES, DIGEST}:
        return False
    if not all(isinstance(state[key], kind) for key, kind in kinds.items()):
        return False
    return all(_is_record(record, place) for place, record in enumerate(state["tensors"].values()))


def _is_record(record: Any, place: int) -> bool:
    match record:
        case {"file": str(file), "dtype": str(dtype), "tail": [*tail], "rows": int(rows), "last": int()}:
            sizes = all(isinstance(size, int) and size >= 0 for size in (rows, *tail))
            return sizes and file == _raw(place) and dtype in {kind.str for kind in native.NAMES}
    return False


def _bytes(record: dict[str, Any]) -> int:
    return math.prod([record["rows"], *record["tail"], np.dtype(record["dtype"]).itemsize])


def _is_text(name: str) -> bool:
    return name.rpartition("/")[2] in ("ids", "groups", "tokens")


__getattr__ = renamed.names(__name__, {"Growing": "CorpusWriter"})
