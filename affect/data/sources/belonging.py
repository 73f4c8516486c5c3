"""Which files are read where one is named."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from affect.data.rules.splits import split_of

_NOT_DATA = (".py", ".yaml", ".yml", ".md", ".ipynb", ".html", ".log", ".db", ".partial")
_RUNS = (("run.json", "config.yaml"), ("started.json",), ("study.db",), ("metrics.csv", "hparams.yaml"))
"""Files that lie together in a folder of a run, done or not, of a search or of Lightning's logs."""


def files_of(path: Path) -> list[Path]:
    """The files that `affect.load` reads for a file, as its reader finds them: itself, most often.

    Of a folder, those below it that may be of a corpus: none of code, configurations, logs or results.

    Args:
        path: of a file or a folder that is there.
    Example:
        >>> folder = getfixture("tmp_path")
        >>> for name in ("text_train.npy", "y_train.npy"):
        ...     np.save(folder / name, np.zeros((2, 3)))
        >>> _ = (folder / "said.csv").write_text("id,sentiment")
        >>> [file.name for file in files_of(folder / "y_train.npy")]
        ['text_train.npy', 'y_train.npy']
    """
    if path.is_dir():
        return sorted(_data(path))
    try:
        found = _found(path)
    except Exception:  # whoever reads it says what is wrong
        found = []
    return sorted({path, *found})


def _found(path: Path) -> list[Path]:
    from affect.data.sources import bc_lstm, layouts, mfn
    from affect.data.sources.arrays import archives, files
    from affect.data.sources.dialogues import utterance_tables
    from affect.data.sources.pickles import is_pickle
    from affect.data.sources.tables import label_tables

    if mfn.recognises(path):
        return mfn.files_of(path)
    if split_of(path.stem) and is_pickle(path):
        return layouts.files_of(path)
    if utterance_tables.recognises(path):
        return list(utterance_tables.by_split(path).values())
    if is_pickle(path):
        return [*bc_lstm.modality_files(path)]
    if archives.kind(path) != "npy":
        return []
    plan = files.plan(path)
    own = [file for *_, file in plan.apart]
    labels = label_tables.single(path.parent, own) if own else None
    return [*own, *([] if labels is None else [labels]), *(file for _, file in plan.together)]


def _data(folder: Path) -> Iterator[Path]:
    found: list[tuple[str, Path]] = []
    of_runs, places = set(), set()
    for place, folders, files in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(place)) in places:  # a link that leads back has no end
            folders.clear()
            continue
        places.add(real)
        folders[:] = [name for name in folders if name[0] != "." and name != "__pycache__"]
        top = Path(place).relative_to(folder).parts[:1]
        if top and any({*files} >= {*marks} for marks in _RUNS):
            of_runs.add(top[0])
        found += [("".join(top), Path(place) / name) for name in files if name[0] != "."]
    for within, path in found:
        if within not in of_runs and path.suffix.lower() not in _NOT_DATA:
            yield path
