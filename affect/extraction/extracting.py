"""Clips -> a corpus on disk."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np

from affect.data import native
from affect.data.corpus import Corpus
from affect.data.provenance import Provenance, to_json
from affect.data.ragged import Ragged
from affect.data.writer import CorpusWriter
from affect.errors import ConfigError, DataError, described, few
from affect.extraction.base import Extractor, steps_of
from affect.extraction.clips import Clip
from affect.manifest import digest, read_facts, write_facts
from affect.media import Recording

logger = logging.getLogger(__name__)

_TOLD = "told.json"


@dataclass(frozen=True, eq=False)
class Extracted:
    """What came of clips.

    Args:
        corpus: the clips that could be read.
        failed: why the others could not, by id; a note of the corpus names them, too.
    """

    corpus: Corpus
    failed: Mapping[str, str]


def extract(
    clips: Iterable[Clip],
    path: str | PathLike[str],
    extractors: Mapping[str, Extractor],
    targets: Any = None,
    *,
    name: str = "",
    progress: Callable[[int, int], None] | None = None,
    notes: Iterable[str] = (),
    citation: str = "",
) -> Extracted:
    """Make a corpus of recordings, a clip at a time; work that was cut goes on behind the last clip.

    Args:
        clips: the samples.
        path: the native corpus file to be written.
        extractors: by modality.
        targets: the kinds of the labels by name, as in `Corpus.from_samples`; all that any clip has, by
            default.
        name: of the corpus; that of the file by default.
        progress: is told how many clips are done, of how many.
        notes: what must stand beside every figure made with the corpus.
        citation: whom to cite.
    Returns:
        The corpus, and which clips failed: one that cannot be read is left out, and told.
    Raises:
        ConfigError: no clips, or no extractors; an extractor cannot say what it was made with.
        DataError: no clip can be read; labels do not fit together; an extractor does not keep its contract.
    Example:
        >>> from scipy.io import wavfile
        >>> folder = getfixture("tmp_path")
        >>> wavfile.write(folder / "a.wav", 16_000, np.sin(np.arange(16_000)).astype(np.float32))
        >>> clips = [Clip("a", folder / "a.wav", targets={"joy": 0.5}), Clip("b", folder / "b.wav")]
        >>> made = extract(clips, folder / "mine.safetensors", {"voice": affect.extraction.MFCC(every=0.1)})
        >>> made.corpus.dims, made.corpus.provenance["voice"].extractor, len(made.corpus["all"])
        ({'voice': 13}, 'affect.extraction.MFCC', 1)
        >>> made.failed
        {'b': '.../b.wav: is missing'}
    """
    given = _checked(clips, extractors)
    path = Path(path)
    said = Corpus.from_samples([clip.sample() for clip in given], targets, name=name or path.stem)
    places = {one: (split, i) for split, own in said.splits.items() for i, one in enumerate(own.ids)}
    provenance = {modality: one.provenance for modality, one in extractors.items()}
    with CorpusWriter(path, _work(given, said, provenance)) as growing:
        told = _Told.of(growing.folder / _TOLD, growing.done)
        for done, clip in enumerate(given[growing.done :], growing.done + 1):
            try:
                recording = clip.recording()
                modalities = {m: _rows(one, recording) for m, one in extractors.items()}
            except DataError as error:
                told.say("failed", clip.id, str(error))
            else:
                split, row = places[clip.id]
                growing.append(split, replace(said[split].take(np.array([row])), modalities=modalities))
                if recording.notes:
                    told.say("damaged", clip.id, "; ".join(recording.notes))
            growing.checkpoint(done)
            if progress:
                progress(done, len(given))
        if len(told.failed) == len(given):
            first = next(iter(told.failed.values()))
            raise DataError(f"{path}: none of {len(given)} clips can be read; the first: {first}")
        corpus = growing.finish(
            said.name,
            said.targets,
            notes=(*notes, *told.notes(len(given))),
            citation=citation,
            main=said.main,
            columns={m: one.columns for m, one in extractors.items()},
            provenance=provenance,
        )
    return Extracted(corpus, told.failed)


@dataclass(frozen=True)
class _Told:
    """What was wrong with clips, by id, kept on disk beside the pieces.

    Args:
        path: of the file.
        failed: why they were left out.
        damaged: what was found in others.
    """

    path: Path
    failed: dict[str, str]
    damaged: dict[str, str]

    @classmethod
    def of(cls, path: Path, done: int) -> _Told:
        """What was told of the first `done` clips."""
        if not done or not path.is_file():
            return cls(path, {}, {})
        facts = read_facts(path, "remove the folder")
        return cls(path, dict(facts["failed"]), dict(facts["damaged"]))

    def say(self, kind: Literal["failed", "damaged"], clip: str, what: str) -> None:
        """Keep it, before the clip counts as done."""
        getattr(self, kind)[clip] = what
        logger.warning("%s: %s: %s", clip, "left out" if kind == "failed" else "is damaged", what)
        write_facts(self.path, {"failed": self.failed, "damaged": self.damaged}, [])

    def notes(self, count: int) -> list[str]:
        """The same, for whoever reads the corpus."""
        both = {"Left out, as they cannot be read": self.failed, "Damaged": self.damaged}
        return [
            f"{what}: {len(own)} of {count} clips: {few([f'{one} ({why})' for one, why in own.items()], 3)}."
            for what, own in both.items()
            if own
        ]


def _work(given: list[Clip], said: Corpus, provenance: Mapping[str, Provenance]) -> str:
    """What is done, as text: another list, label, extractor or file is other work."""
    labels = hashlib.sha256()
    for split_name, split in said.splits.items():
        for tensor_name, tensor in native.tensors_of(split_name, split).items():
            labels.update(tensor_name.encode())
            for block in tensor.blocks:
                labels.update(np.ascontiguousarray(block).tobytes())
    files = [Path(clip.path) for clip in given]
    seen = [file.stat() if file.is_file() else None for file in files]
    return digest(
        {
            "name": said.name,
            "targets": [repr(target) for target in said.targets.values()],
            "labels": labels.hexdigest(),
            "clips": [[clip.id, clip.split, clip.start, clip.end] for clip in given],
            "files": [
                [str(file), *([one.st_size, one.st_mtime_ns] if one else [])]
                for file, one in zip(files, seen, strict=True)
            ],
            "made": {modality: to_json(one) for modality, one in provenance.items()},
        }
    )


def _checked(clips: Iterable[Clip], extractors: Mapping[str, Extractor]) -> list[Clip]:
    given = list(clips)
    for clip in given:
        if not isinstance(clip, Clip):
            raise ConfigError(f"extract: expected affect.extraction.Clip, got {described(clip)}")
        if not isinstance(clip.id, str):
            raise ConfigError(f"extract: expected the id of a clip as a text, got {described(clip.id)}")
    if not given or not extractors:
        raise ConfigError(f"extract: expected {'extractors by modality' if given else 'clips'}, got none")
    for modality, one in extractors.items():
        if not isinstance(one, Extractor):
            raise ConfigError(f"extract: {modality}: expected an Extractor, got {described(one)}")
    ids = [clip.id for clip in given]
    if len({*ids}) < len(ids):
        twice = next(one for one in ids if ids.count(one) > 1)
        raise DataError(f"extract: expected ids that occur once, got '{twice}' again")
    return given


def _rows(extractor: Extractor, recording: Recording) -> Ragged:
    found, dim = steps_of(extractor, recording), len(extractor.columns)
    if found is None:
        return Ragged.from_rows([None], dim, times=[np.zeros((0, 2))])
    return Ragged.from_rows([found.values], dim, [found.observed], [found.times])
