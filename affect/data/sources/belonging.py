"""Which files are read where one is named."""

from __future__ import annotations

from pathlib import Path

from affect.data.rules.splits import split_of
from affect.errors import AffectError


def files_of(path: Path) -> list[Path]:
    """The files that `affect.load` reads for a file, as its reader finds them: itself, most often.

    Args:
        path: of a file that is there.
    Example:
        >>> folder = getfixture("tmp_path")
        >>> for name in ("text_train.npy", "y_train.npy"):
        ...     np.save(folder / name, np.zeros((2, 3)))
        >>> _ = (folder / "said.csv").write_text("id,sentiment")
        >>> [file.name for file in files_of(folder / "y_train.npy")]
        ['text_train.npy', 'y_train.npy']
    """
    try:
        found = _found(path)
    except (AffectError, OSError, ValueError):  # whoever reads it says what is wrong
        found = []
    return sorted({path, *found})


def _found(path: Path) -> list[Path]:
    from affect.data.sources import layouts, mfn
    from affect.data.sources.arrays import archives, files
    from affect.data.sources.pickles import is_pickle
    from affect.data.sources.tables import label_tables

    if mfn.recognises(path):
        return mfn.files_of(path)
    if split_of(path.stem) and is_pickle(path):
        return layouts.files_of(path)
    if archives.kind(path) != "npy":
        return []
    plan = files.plan(path)
    own = [file for *_, file in plan.apart]
    labels = label_tables.single(path.parent, own) if own else None
    return [*own, *([] if labels is None else [labels]), *(file for _, file in plan.together)]
