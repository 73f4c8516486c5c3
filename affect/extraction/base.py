"""The contract of an extractor."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

import numpy as np

from affect.classes.paths import path_of
from affect.classes.plain import arguments_of, plain
from affect.data.provenance import Provenance
from affect.data.samples import Steps
from affect.errors import ConfigError, DataError, described
from affect.media import Media


class Extractor(ABC):
    """What makes the steps of one modality of a recording: Media -> Steps.

    Write the call, and set `columns`. Every argument of the constructor is kept under its own name: who made
    features, and how, goes into the corpus, and a model refuses those of others.

    - `columns`: the name of each feature.
    - `rate`: steps per second, where they are regular.
    - `version`: raised when the same arguments give other values.
    - `files`: weights that it reads, of which the corpus keeps the SHA-256.
    - `local`: names of arguments that say where something lies on this machine, and change no value.

    Example:
        >>> class Loudness(Extractor):
        ...     columns = ("loudness",)
        ...     def __call__(self, media):
        ...         blocks = list(media.audio(16_000) or ())
        ...         if not blocks:
        ...             return None
        ...         loud = [[np.abs(block.samples).mean()] for block in blocks]
        ...         times = [(block.start, block.start + len(block.samples) / 16_000) for block in blocks]
        ...         return affect.Steps(loud, times, [True] * len(blocks))
        >>> Loudness().provenance.extractor.endswith("Loudness")
        True
    """

    columns: tuple[str, ...] = ()
    rate: float | None = None
    version: str = "1"
    local: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def __call__(self, media: Media) -> Steps | None:
        """The steps of a recording, or of a part of it, with times in seconds on the clock of `media`.

        Steps at which nothing was found, or nothing was recorded, are there, unobserved, and hold zeros.

        Args:
            media: sound and pictures.
        Returns:
            None where the recording does not have what it reads.
        """

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of weights that it reads."""
        return ()

    @property
    def provenance(self) -> Provenance:
        """Who makes the features: class, version, all arguments, and SHA-256 of the weights.

        Raises:
            ConfigError: an argument is not kept under its own name, or cannot be written down.
        """
        cls, arguments = type(self), {}
        for name in arguments_of(cls):
            if not hasattr(self, name):
                raise ConfigError(
                    f"{cls.__name__}: expected its argument '{name}' as the attribute of that name"
                )
            if name not in self.local:
                arguments[name] = plain(getattr(self, name), f"{cls.__name__}: {name}")
        return Provenance(path_of(cls), self.version, arguments, _digest(self.files), "recording", self.rate)


def _digest(files: Iterable[Path]) -> str:
    """SHA-256 of a file, or of those of several in their order; empty where there are none."""
    found = []
    for path in files:
        with path.open("rb") as file:
            found.append(hashlib.file_digest(file, "sha256").hexdigest())
    return (
        found[0] if len(found) == 1 else hashlib.sha256("".join(found).encode()).hexdigest() if found else ""
    )


def steps_of(extractor: Extractor, media: Media) -> Steps | None:
    """The steps that an extractor makes, looked at: None where there are none.

    Args:
        extractor: is called.
        media: what it reads.
    Raises:
        DataError: they are not what its contract says.
    """
    who = type(extractor).__name__
    found = extractor(media)
    if found is None:
        return None
    if not isinstance(found, Steps):
        raise DataError(f"{who}: expected affect.Steps or None, got {described(found)}")
    if found.times is None or found.observed is None:
        lacking = "times" if found.times is None else "observed"
        raise DataError(f"{who}: expected Steps with times and observed, got none of {lacking}")
    if not len(found.values):
        return None
    if found.values.shape[1] != len(extractor.columns):
        got = found.values.shape[1]
        raise DataError(f"{who}: expected {len(extractor.columns)} features, as its columns are, got {got}")
    wild = ~np.isfinite(found.values).all(0)
    if wild.any():
        column = extractor.columns[int(np.flatnonzero(wild)[0])]
        raise DataError(f"{who}: expected finite values, got others in {column}; observed says where none is")
    if found.values[~found.observed].any():
        raise DataError(f"{who}: expected zeros at unobserved steps, got others")
    if not np.isfinite(found.times).all():
        raise DataError(f"{who}: expected times in seconds, got others")
    return found
