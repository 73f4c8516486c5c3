"""A folder of transcripts with times beside folders of features: the words of every sample."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from affect.data.ragged import Words
from affect.data.sources import transcripts
from affect.data.sources.features import Transcript
from affect.data.sources.progress import counted
from affect.errors import DataError

_FIRST = 3


def are_transcripts(files: Iterable[Path]) -> bool:
    """Whether one of the first files is a transcript with times.

    Raises:
        DataError: it is one, but damaged.
    """
    first = [file for file, _ in zip(files, range(_FIRST), strict=False)]
    return any(transcripts.read(file) is not None for file in first)


def words(files: Mapping[str, Path], ids: Iterable[str], name: str) -> tuple[Words, tuple[str, ...]]:
    """The words of every sample with their times, and notes; a sample without a file has none.

    Args:
        files: by id.
        ids: of all samples, in order.
        name: of the folder.
    Raises:
        DataError: a file is damaged, or no transcript as the others are.
    """
    every = list(ids)
    found: dict[str, Transcript] = {}
    for one in counted(list(files), f"files of {name}"):
        file = files[one]
        said = transcripts.read(file)
        if said is None:
            if file.stat().st_size:
                raise DataError(f"{file}: no transcript with times, as others in its folder are")
            said = Transcript(())
        found[one] = said
    lacking = len(every) - len(set(every) & files.keys())
    notes = transcripts.notes(found.values())
    if lacking:
        notes = (*notes, f"words: {lacking:,} of {len(every):,} samples have no transcript.")
    none = Transcript(())
    rows = [found.get(one, none) for one in every]
    return Words.from_rows([one.words for one in rows], [one.times for one in rows]), notes
