"""Computational sequences -> a native corpus file, video by video: memory does not grow with the corpus."""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from affect.data.corpora import CORPORA, folds, recognise
from affect.data.corpus import Corpus, Split
from affect.data.formats import csd
from affect.data.formats.csd import ComputationalSequence, Timed
from affect.data.provenance import Provenance
from affect.data.rules.labels import Labels
from affect.data.words import videos
from affect.data.words.overlaps import Collapse, function
from affect.data.words.selection import common, lasting
from affect.data.words.videos import Segments
from affect.data.writer import CorpusWriter
from affect.errors import ConfigError
from affect.files import real
from affect.workers import processes, work_through

File: TypeAlias = str | Path | tuple[str, str | Path]
_SECONDS = 5.0
_CHUNK = 32
"""Videos that are read from a file before it is opened anew: HDF5 keeps something of each."""


def align(
    reference: File,
    sequences: Iterable[File],
    out: str | Path,
    *,
    labels: str | Path | None = None,
    aligned: bool = True,
    collapse: str | Collapse = "mean",
    tolerance: float = 1e-5,
    incomplete: bool = False,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Corpus:
    """Bring computational sequences to the steps of one of them, most often the words.

    Entries belong to the reference intervals that they overlap, by the CMU Multimodal SDK's rules; a step
    without any is unobserved, not zero. Official splits are those of the SDK, where the videos are known.
    Work that was cut goes on from where it was.

    Args:
        reference: the .csd file whose intervals become the steps. Every file is a path, or a name and a path
            where the name that stands in the file does not tell the modality.
        sequences: the other .csd files.
        out: the native file to write.
        labels: the .csd file of labelled segments: each is a sample, with the steps whose midpoint it holds,
            but for those that are shorter than the tolerance. Without, every video is a sample.
        aligned: False keeps every modality's own entries.
        collapse: what becomes of a step's entries: `mean`, `max`, `last`, `weighted`, or a function of one
            step's clipped intervals (entries, 2) and values (entries, feature).
        tolerance: seconds; 1e-5 as in the SDK's source, 1e-3 as in its copy on PyPI.
        incomplete: keep the videos that some file lacks, without that modality; the SDK drops them.
        jobs: videos at the same time.
        progress: is told how many videos are done, of how many.
    Raises:
        DataError: a file is damaged, or no video is in all of them.
        ConfigError: two files stand for the same modality.
        WorkerDiedError: the process that made a sample died, each time.
    """
    task = Task.of([reference, *sequences], labels, aligned, collapse, tolerance, incomplete)
    with CorpusWriter(out, task.digest) as growing:
        last = time.monotonic()
        for done, (split, piece) in enumerate(task.pieces(jobs, growing.done), growing.done + 1):
            growing.append(split, piece)
            if progress:
                progress(done, len(task.videos))
            if time.monotonic() - last > _SECONDS:
                growing.checkpoint(done)
                last = time.monotonic()
        return growing.finish(Path(out).stem, **task.about)


@dataclass(frozen=True)
class Task:
    """What is to be aligned: enough for any process to make any video's samples.

    Args:
        files: the .csd file of each modality, and of the words; the first is the reference.
        dims: feature sizes, 0 for words.
        segments: the label file.
        labels: what is in it.
        videos: in the order in which they are written, with the split of each.
        columns: the names of the features, for the modalities whose file has them.
        provenance: who made the features, for the modalities whose file says it.
    """

    files: dict[str, Path]
    dims: dict[str, int]
    segments: Path | None
    labels: Labels
    videos: dict[str, str]
    aligned: bool
    collapse: str | Collapse
    tolerance: float
    notes: tuple[str, ...]
    citation: str
    columns: dict[str, tuple[str, ...]]
    provenance: dict[str, Provenance]

    @classmethod
    def of(
        cls,
        files: Iterable[File],
        labels: str | Path | None,
        aligned: bool,
        collapse: str | Collapse = "mean",
        tolerance: float = 1e-5,
        incomplete: bool = False,
    ) -> Task:
        """Look into the files, the reference first, and find what they have in common; see `align`."""
        collapse = function(collapse) if isinstance(collapse, str) else collapse
        with ExitStack() as stack:
            given = [file if isinstance(file, tuple) else ("", file) for file in files]
            opened = [(name, stack.enter_context(csd.opened(Path(path)))) for name, path in given]
            segments = None if labels is None else stack.enter_context(csd.opened(Path(labels)))
            named = _distinct(opened)
            kept, notes = common(list(named.values()), segments, aligned, incomplete)
            if segments is not None:
                kept, short = lasting(segments, kept, tolerance)
                notes += short
            columns, unnamed = _columns(named, renamed=aligned and callable(collapse))
            notes += unnamed
            corpus = recognise(kept)
            placed = {video: folds()[corpus].get(video, "") if corpus else "all" for video in kept}
            outside = [video for video, split in placed.items() if not split]
            if outside:
                notes.append(
                    f"{len(outside)} videos are in no official split of {CORPORA[corpus].title} and are left "
                    f"out, such as {outside[0]}."
                )
            if aligned:
                notes.append(
                    f"Steps are those of {opened[0][1].path.name}; other entries belong where they overlap "
                    f"by more than {tolerance:g} s, collapsed by {_called(collapse)}."
                )
            order = ("train", "valid", "test", "all")
            return cls(
                files={name: sequence.path for name, sequence in named.items()},
                dims={name: sequence.dim for name, sequence in named.items()},
                segments=segments.path if segments else None,
                labels=Labels.of(segments.dim, segments.columns, corpus) if segments else Labels({}),
                videos={v: s for split in order for v, s in placed.items() if s == split},
                aligned=aligned,
                collapse=collapse,
                tolerance=tolerance,
                notes=tuple(notes),
                citation=CORPORA[corpus].citation if corpus else "",
                columns=columns,
                provenance={
                    name: made
                    for name, file in named.items()
                    if not file.is_words and (made := file.provenance) is not None
                },
            )

    @property
    def about(self) -> dict[str, Any]:
        """What a corpus made of this says of itself; arguments of `Corpus`."""
        return {
            "targets": self.labels.targets,
            "aligned": self.aligned,
            "notes": self.notes,
            "citation": self.citation,
            "main": self.labels.main,
            "columns": self.columns,
            "provenance": self.provenance,
        }

    @property
    def digest(self) -> str:
        """The same for the same work on the same files."""
        files = [*self.files.values(), *([self.segments] if self.segments else [])]
        seen = [(str(real(path)), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
        way = _called(self.collapse)
        return json.dumps([seen, list(self.files), self.videos, self.aligned, way, self.tolerance])

    def pieces(self, jobs: int = 1, skip: int = 0) -> Iterator[tuple[str, Split]]:
        """The split and the samples of each video, in order, behind the first `skip`."""
        names = list(self.videos)[skip:]
        chunks = (names[i : i + _CHUNK] for i in range(0, len(names), _CHUNK))
        made = map(self.make, chunks) if jobs == 1 else self._side_by_side(jobs, chunks)
        for name, piece in zip(names, itertools.chain.from_iterable(made), strict=True):
            yield self.videos[name], piece

    def _side_by_side(self, jobs: int, chunks: Iterable[list[str]]) -> Iterator[Iterable[Split]]:
        from joblib import delayed

        with processes(jobs):
            yield from work_through(delayed(_make_all)(self, chunk) for chunk in chunks)

    def make(self, names: list[str]) -> Iterator[Split]:
        """The samples of each of these videos."""
        with ExitStack() as stack:
            files = {name: stack.enter_context(csd.opened(path)) for name, path in self.files.items()}
            label_file = stack.enter_context(csd.opened(self.segments)) if self.segments else None
            memory = {name: csd.Scratch() for name in files} if self.aligned else {}
            for video in names:
                segments = None
                if label_file is not None:
                    segments = self._segments(label_file, video)
                entries = {
                    name: self._entries(name, file, video, memory.get(name)) for name, file in files.items()
                }
                if self.aligned:
                    yield videos.aligned(video, entries, segments, self.collapse, self.tolerance)
                else:
                    yield videos.unaligned(video, entries, segments)

    def _segments(self, file: ComputationalSequence, video: str) -> Segments:
        timed = file.read(video)
        places = np.flatnonzero(~videos.momentary(timed.intervals, self.tolerance))
        labels = self.labels.of_rows(timed.values[places])
        return Segments(timed.intervals[places], labels, places).check(f"{file.path}, {video}")

    def _entries(self, name: str, file: ComputationalSequence, video: str, into: csd.Scratch | None) -> Timed:
        if video in file:
            return file.read(video, into)
        tokens = () if file.is_words else None
        return Timed(np.zeros((0, 2)), np.zeros((0, self.dims[name]), np.float32), tokens)


def _called(collapse: str | Collapse) -> str:
    """The name of a way of collapsing, the same in every process."""
    if isinstance(collapse, str):
        return collapse
    return f"{collapse.__module__}.{getattr(collapse, '__qualname__', type(collapse).__name__)}"


def _make_all(task: Task, names: list[str]) -> list[Split]:
    return list(task.make(names))


def _distinct(opened: list[tuple[str, ComputationalSequence]]) -> dict[str, ComputationalSequence]:
    """Each under its given name, else its role, or the file's own name where two play the same."""
    roles = Counter(file.role for name, file in opened if not name and not file.is_words)
    named: dict[str, ComputationalSequence] = {}
    for given, file in opened:
        name = given or ("words" if file.is_words else file.role if roles[file.role] == 1 else file.name)
        if name in named or (file.is_words and any(other.is_words for other in named.values())):
            raise ConfigError(
                f"{file.path}: '{name}' is already in {named.get(name, file).path}; keep one of the two, or "
                "name them: NAME=PATH"
            )
        named[name] = file
    return named


def _columns(
    named: dict[str, ComputationalSequence], renamed: bool
) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """The names of the features, and what is to be said of those that do not fit.

    Where a user's function makes other features of them, `renamed`, only the reference keeps its names.
    """
    columns, notes, reference = {}, [], next(iter(named), "")
    for name, file in named.items():
        if file.is_words or not file.columns:
            continue
        if len(file.columns) != file.dim:
            notes.append(
                f"{file.path.name} names {len(file.columns)} columns for {file.dim} features: the names are "
                "not kept."
            )
        elif not renamed or name == reference:
            columns[name] = file.columns
    return columns, notes
