"""A corpus as computational sequences, for the CMU Multimodal SDK."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from affect.data.corpus import Corpus, Split
from affect.data.ragged import Ragged, Words, times_of
from affect.data.targets import MultiLabel
from affect.errors import DataError
from affect.files import writing
from affect.naming import file_name, slug

_OWN = ("labels", "words")
"""Files beside those of the modalities."""

Entry: TypeAlias = tuple[str, NDArray[np.float64], NDArray[Any]]
"""A key, its intervals (entries, 2) and its features (entries, feature)."""


def to_csd(corpus: Corpus, folder: str | Path) -> None:
    """Write a .csd file for each modality, `words.csd` for the words and `labels.csd` for all targets.

    To the SDK a sample is an entry under its id; one with the id `video[i]` is a piece of `video`. It knows
    neither splits nor masks: unobserved steps are left out. Where no times are known, the steps of a sample
    count as seconds, and a modality with fewer steps than another spreads them evenly. A slash in an id or in
    the name of a modality, and what else HDF5 takes for no name, is percent-encoded, as is a name that those
    two files have; the file of a modality is called as `affect.naming.slug` says. A modality without an
    observed step has no file, nor have words where nothing is said.

    Args:
        corpus: what to write.
        folder: where the files go; those of the same names are replaced, or removed where there is nothing.
    Raises:
        DataError: an id is in use twice, pieces of a video overlap in time, or a video is a sample too.
    Example:
        >>> folder = getfixture("tmp_path")
        >>> to_csd(affect.load("synthetic:interaction"), folder)
        >>> sorted(file.name for file in folder.iterdir())
        ['acoustic.csd', 'labels.csd', 'text.csd', 'visual.csd']
    """
    split = Split.join(corpus.splits.values())
    if len(set(split.ids)) < len(split):
        raise DataError(f"{corpus.name}: an id is in use twice, and a .csd file has one entry for each")
    whole = set(split.ids)
    piece = next((one for one in split.ids if "[" in one and one.partition("[")[0] in whole), None)
    if piece is not None:
        raise DataError(
            f"{corpus.name}: '{piece.partition('[')[0]}' is a sample, and so is '{piece}', which to the SDK "
            "is a piece of it; give them ids without brackets"
        )
    tracks: dict[str, Ragged | Words] = {file_name(m, _OWN): x for m, x in split.modalities.items()}
    files = {file_name(m, _OWN): slug(m) for m in split.modalities if m not in _OWN}
    if split.words is not None:
        tracks["words"] = split.words
    spans = _spans(split.ids, tracks)
    for name, track in tracks.items():
        path, entries = Path(folder) / f"{files.get(name, name)}.csd", _entries(split.ids, track, spans)
        first = next(entries, None)
        if first is None:
            path.unlink(missing_ok=True)
        else:
            _write(path, name, corpus, chain([first], entries))
    if split.targets:
        columns: list[str] = []
        for target in corpus.targets.values():
            columns += target.classes if isinstance(target, MultiLabel) else [target.name]
        labels = _labels(split, next(iter(split.modalities.values()), None), spans)
        _write(Path(folder) / "labels.csd", "labels", corpus, labels, columns)


def _spans(ids: tuple[str, ...], tracks: dict[str, Ragged | Words]) -> NDArray[np.float64]:
    """(samples, 2): when each sample begins and ends; samples without times follow each other in a video."""
    spans, ends = np.zeros((len(ids), 2)), dict[str, float]()
    for i, key in enumerate(ids):
        every = [times_of(track, i) for track in tracks.values()]
        known = [times for times in every if times is not None]
        video = key.partition("[")[0]
        if known:
            spans[i] = min(times.min() for times in known), max(times.max() for times in known)
        else:
            begin = ends.get(video, 0.0)
            spans[i] = begin, begin + max((int(track.lengths[i]) for track in tracks.values()), default=1)
        ends[video] = spans[i, 1]
    pieces = [i for i, key in enumerate(ids) if "[" in key]
    pieces.sort(key=lambda i: (ids[i].partition("[")[0], spans[i, 0]))
    for one, other in zip(pieces, pieces[1:], strict=False):
        same = ids[one].partition("[")[0] == ids[other].partition("[")[0]
        if same and spans[other, 0] < spans[one, 1] - 1e-3:
            raise DataError(
                f"{ids[one]} and {ids[other]} overlap in time, and to the SDK both are pieces of one video; "
                "give them ids without brackets"
            )
    return spans


def _entries(ids: tuple[str, ...], track: Ragged | Words, spans: NDArray[np.float64]) -> Iterator[Entry]:
    for i, key in enumerate(ids):
        steps = slice(track.starts[i], track.starts[i] + track.lengths[i])
        known = times_of(track, i)
        times = _even(spans[i], int(track.lengths[i])) if known is None else known
        if isinstance(track, Words):
            tokens = [token.encode() for token in track.tokens[steps]]
            if tokens:
                yield key, times, np.array(tokens)[:, None]
        elif track.observed[steps].any():
            seen = track.observed[steps]
            yield key, times[seen], track.values[steps][seen]


def _labels(split: Split, steps: Ragged | None, spans: NDArray[np.float64]) -> Iterator[Entry]:
    """One entry for each sample, or for each step where labels are per step; NaN where there is no label."""
    for i, key in enumerate(split.ids):
        rows = []
        for target in split.targets.values():
            place = slice(target.starts[i], target.starts[i] + target.lengths[i])
            rows.append(np.where(target.observed[place, None], target.values[place], np.nan))
        count = max(map(len, rows))
        times = _even(spans[i], count)
        known = None if steps is None or count < 2 else times_of(steps, i)
        if known is not None and len(known) == count:
            times = known
        whole = [row if len(row) == count else np.full((count, row.shape[1]), np.nan) for row in rows]
        yield key, times, np.concatenate(whole, axis=1).astype(np.float32)


def _even(span: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """(count, 2): intervals of the same length from begin to end."""
    edges = np.linspace(float(span[0]), float(span[1]), count + 1)
    return np.stack([edges[:-1], edges[1:]], 1)


def _write(
    path: Path, name: str, corpus: Corpus, entries: Iterable[Entry], columns: list[str] | None = None
) -> None:
    import h5py

    from affect.data.export.hdf5 import hdf5

    metadata = {
        "root name": name,
        "computational sequence description": f"{name} of {corpus.name}, written by affect",
        "computational sequence version": "1.0",
        "alignment compatible": "true",
        "dataset name": corpus.name,
        "dataset version": "1.0",
        "creator": "affect",
        "contact": "",
        "featureset bib citation": "",
        "dataset bib citation": corpus.citation,
    }
    with writing(path) as partial, hdf5(partial) as file:
        data = file.create_group(f"{name}/data")
        for key, intervals, features in entries:
            entry = data.create_group(file_name(key))
            entry["intervals"], entry["features"] = intervals, features
        for key, value in {**metadata, **({"dimension names": columns} if columns else {})}.items():
            stored = file.create_dataset(f"{name}/metadata/{key}", (1,), dtype=h5py.string_dtype())
            stored[0] = json.dumps(value)
