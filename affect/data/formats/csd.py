"""A computational sequence of the CMU Multimodal SDK: an HDF5 file of timed entries, video by video."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect.data.corpora import SEQUENCES
from affect.data.formats import hdf5
from affect.data.provenance import Provenance
from affect.errors import DataError

_CORPUS = re.compile(r"^(CMU[ _-]?)?(MOSEI|MOSI|POM)[ _-]+", re.IGNORECASE)


@dataclass(frozen=True)
class Timed:
    """Entries of one video in the file's order: features, or words.

    Args:
        intervals: (entries, 2) start and end in seconds.
        values: (entries, feature); no features where there are words.
        tokens: the words, where the entries are words.
    """

    intervals: NDArray[np.float64]
    values: NDArray[Any]
    tokens: tuple[str, ...] | None = None


class ComputationalSequence:
    """An open .csd file.

    Args:
        path: where it is.
        file: the open HDF5 file.
    Raises:
        DataError: the file is not a computational sequence.
    """

    def __init__(self, path: Path, file: Any) -> None:
        roots = [name for name in hdf5.names(file) if is_root(file, name)]
        if len(roots) != 1:
            raise DataError(
                f"{path}: a computational sequence has one group with 'data' in it, got {len(roots)}"
            )
        self.path, self.name = path, roots[0]
        self._group = hdf5.group(file, self.name)
        self._data = hdf5.group(self._group, "data")

    @cached_property
    def keys(self) -> dict[str, list[str]]:
        """The file's entries by video: `video[i]` are pieces of `video`, in order.

        Raises:
            DataError: a video is an entry, and so is a piece of it.
        """
        found: dict[str, list[str]] = {}
        for key in hdf5.names(self._data):
            found.setdefault(key.partition("[")[0], []).append(key)
        for video, keys in found.items():
            if len(keys) > 1 and video in keys:
                piece = next(key for key in keys if key != video)
                raise DataError(
                    f"{self.path}: '{video}' is an entry, and so is '{piece}', which to the SDK is a piece "
                    "of it; rename one"
                )
            keys.sort(key=lambda key: int("0" + re.sub(r"\D", "", key.partition("[")[2])))
        return found

    @cached_property
    def role(self) -> str:
        """`labels`, a modality, or the file's own name where that says neither."""
        name = self.name.lower()
        return next((role for role, words in SEQUENCES.items() if re.search(words, name)), self.name)

    @cached_property
    def is_words(self) -> bool:
        """Whether the entries are words rather than numbers."""
        return self._example != "" and self._features(self._example).dtype.kind in "SO"

    @cached_property
    def dim(self) -> int:
        """Feature size; 0 for words."""
        key = self._example
        if not key or self.is_words:
            return 0
        shape = self._features(key).shape
        single = len(hdf5.dataset(self._data, f"{key}/intervals", str(self.path)).shape) == 1
        return math.prod(shape if single else shape[1:])

    @cached_property
    def _example(self) -> str:
        """The first key with features, else the first; empty where there is none."""
        keys = hdf5.names(self._data)
        return next((key for key in keys if math.prod(self._features(key).shape)), next(iter(keys), ""))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The names of the features, where the file says them."""
        names = self._said("dimension names")
        try:
            names = json.loads(names) if isinstance(names, str) else names
        except (ValueError, RecursionError):
            return ()
        return tuple(map(str, names)) if isinstance(names, list) else ()

    @cached_property
    def provenance(self) -> Provenance | None:
        """Who made the features; None where the file is named after its modality, as those of affect are.

        The name of the corpus is no part of it, nor is the person: the same extractor has been at work on
        several corpora.
        """
        extractor = _CORPUS.sub("", self._first("featureset name", "root name") or self.name)
        if extractor.lower() in (*SEQUENCES, self.role.lower()):
            return None
        version = self._first("featureset version", "computational sequence version")
        return Provenance(extractor, version, clock="recording")

    def intervals(self, video: str) -> NDArray[np.float64]:
        """Start and end of the entries of a video in seconds, (entries, 2), as `read` gives them."""
        keys = [video] if video in self._data else self.keys[video]
        return np.concatenate([self._intervals(key) for key in keys])

    def read(self, video: str, into: Scratch | None = None) -> Timed:
        """The entries of a video.

        Args:
            video: its id.
            into: memory to use again; the values are then good until the next video is read into it.
        """
        if video in self._data:
            return self._read(video, into)
        pieces = [self._read(key, None) for key in self.keys[video]]
        return Timed(
            np.concatenate([piece.intervals for piece in pieces]),
            np.concatenate([piece.values for piece in pieces]),
            tuple(token for piece in pieces for token in piece.tokens or ()) if self.is_words else None,
        )

    def __contains__(self, video: str) -> bool:
        return video in self._data or video in self.keys

    def _features(self, key: str) -> Any:
        return hdf5.dataset(self._data, f"{key}/features", str(self.path))

    def _first(self, *keys: str) -> str:
        """The first of these of which the metadata say something."""
        said = (str(self._said(key) or "").strip() for key in keys)
        return next((one for one in said if one.lower() not in ("", "none", "null")), "")

    def _said(self, key: str) -> Any:
        """What the metadata say of something, most often JSON; None where they do not, or it is null."""
        try:
            stored = hdf5.strings(self._group, f"metadata/{key}", str(self.path))[0]
        except (DataError, IndexError):  # the SDK asks for few, and checks none
            return None
        try:
            return json.loads(stored)
        except (ValueError, RecursionError):
            return stored

    def _intervals(self, key: str) -> NDArray[np.float64]:
        where = f"{self.path}, {key}"
        intervals = hdf5.numbers(self._data, f"{key}/intervals", where).astype(np.float64, copy=False)
        intervals = intervals[None] if intervals.shape == (2,) else intervals
        if intervals.ndim != 2 or intervals.shape[1] != 2:
            raise DataError(f"{where}: intervals must have shape (entries, 2), got {intervals.shape}")
        return intervals

    def _read(self, key: str, into: Scratch | None) -> Timed:
        where, intervals = f"{self.path}, {key}", self._intervals(key)
        if self.is_words:
            tokens = hdf5.strings(self._data, f"{key}/features", where)
            timed = Timed(intervals, np.zeros((len(tokens), 0), np.float32), tokens)
        else:
            values = hdf5.numbers(self._data, f"{key}/features", where, into.array if into else None)
            timed = Timed(intervals, self._rows(values, len(intervals), where))
        if len(timed.values) != len(intervals):
            raise DataError(f"{where}: {len(timed.values)} rows of features for {len(intervals)} intervals")
        return timed

    def _rows(self, values: NDArray[Any], count: int, where: str) -> NDArray[Any]:
        if values.ndim == 1:  # one entry, or one feature
            values = values.reshape(count, -1) if count == 1 else values[:, None]
        if values.ndim != 2 or values.shape[1] != self.dim:
            raise DataError(
                f"{where}: features must have shape (entries, {self.dim}) as in the first video, "
                f"got {values.shape}"
            )
        return values if values.dtype.kind == "f" else values.astype(np.float32)


class Scratch:
    """Memory for features, used again for one video after the other: fresh memory costs more than reading."""

    def __init__(self) -> None:
        self._memory = np.zeros(0, dtype=np.uint8)

    def array(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """An array in memory that the next one takes too."""
        size = math.prod(shape) * dtype.itemsize
        if size > self._memory.size:
            self._memory = np.empty(size + size // 2, dtype=np.uint8)
        return self._memory[:size].view(dtype).reshape(shape)


def is_root(file: Any, name: str) -> bool:
    """Whether an HDF5 group holds a computational sequence."""
    group = hdf5.group(file, name)
    return group is not None and hdf5.group(group, "data") is not None


@contextmanager
def opened(path: Path) -> Iterator[ComputationalSequence]:
    """A computational sequence, read as it is asked for.

    Raises:
        DataError: the file is not one, or is damaged.
    """
    with hdf5.opened(path) as file:
        yield ComputationalSequence(path, file)
