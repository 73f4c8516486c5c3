"""The ids of a table's rows, or what in it might be ids."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from affect.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 12
_WHOLE = ("dialogue", "dialog", "conversation", "session", "video", "vid", "scene")
_PART = ("utterance", "clip", "segment", "turn", "sentence")
_SINGLE = ("id", "sample", "segment", "utterance", "clip", "key", "name", "file", "filename", "video")
_ENDS = ("id", "no", "num", "number", "index")


def ids(frame: pd.DataFrame, path: Path, rule: str, columns: Iterable[str]) -> list[str]:
    """The id of every row: `id`, or `video_id` and `clip_id`.

    Args:
        frame: its columns of ids are text.
        path: begins messages.
        rule: what tables of this kind have, for messages.
        columns: the names of all columns of the table, for messages.
    Raises:
        DataError: there are no ids, or one is empty.
    """
    if "id" in frame:
        found = [str(one).strip() for one in frame["id"]]
    elif {"video_id", "clip_id"} <= set(frame.columns):
        both = zip(frame["video_id"], frame["clip_id"], strict=True)
        found = [f"{video}$_${clip}" if video and clip else "" for video, clip in both]
    else:
        names = list(columns)
        more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
        got = ", ".join(name or "''" for name in names[:_SHOWN]) + more
        tool = _tool(path)
        if tool:
            raise DataError(
                f"{path}: no column `id`: it is what {tool} wrote of one recording; put it into "
                f"MODALITY/ID{path.suffix} beside labels.csv"
            )
        raise DataError(f"{path}: no column `id`; expected {rule}; got {got}{_remedy(names)}")
    if not found:
        raise DataError(f"{path}: the table has no rows")
    if "" in found:
        raise DataError(f"{path}, row {found.index('') + 2}: the id is empty")
    return found


def _tool(path: Path) -> str:
    """Which tool wrote a file; empty where none that is known did."""
    from affect.data.sources import tools

    try:
        found = tools.read(path)
    except (DataError, ValueError):
        return ""
    return "" if found is None or found.made is None else found.made.extractor


def _remedy(names: Iterable[str]) -> str:
    """What to call the columns that may be ids.

    Example:
        >>> _remedy(["Utterance", "Dialogue_ID", "Utterance_ID"])
        "; call 'Dialogue_ID' video_id and 'Utterance_ID' clip_id"
        >>> _remedy(["Utterance", "Sample ID"]), _remedy(["x", "y"])
        ("; call 'Sample ID' id", '')
    """
    plain = {re.sub(r"[\W_]+", "", name).lower(): name for name in reversed(list(names))}

    def known(stems: Iterable[str], ends: Iterable[str] = _ENDS) -> str | None:
        return next((plain[stem + end] for end in ends for stem in stems if stem + end in plain), None)

    whole, part = known(_WHOLE), known(_PART)
    if whole is not None and part is not None:
        return f"; call '{whole}' video_id and '{part}' clip_id"
    one = known(_SINGLE, (*_ENDS, ""))
    return "" if one is None else f"; call '{one}' id"
