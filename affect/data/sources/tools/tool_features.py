"""From a tool's table to the steps of one sample."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affect.data.provenance import Provenance
from affect.data.rules.columns import ColumnKinds
from affect.data.sources.features import Features
from affect.data.sources.tools.clock import Clock
from affect.data.sources.tools.delimited import Table
from affect.errors import DataError

_RUN = 3


def tool_features(
    table: Table,
    parted: ColumnKinds,
    extractor: str,
    clock: Clock | None = None,
    seen: NDArray[np.bool_] | None = None,
    version: str = "",
    notes: Iterable[tuple[str, int]] = (),
    timed: Collection[str] = (),
) -> Features:
    """The features of a table, with who made them.

    Args:
        table: its rows are the steps.
        parted: which of its columns are features.
        extractor: the tool.
        clock: when the steps are.
        seen: where anything was measured, where the tool says so.
        version: of the tool.
        notes: beside those of the clock.
        timed: the columns that became times; the rest that is no feature is said to be left out.
    Raises:
        DataError: a feature holds text, or there is none.
    """
    names, features = table.header.names, set(parted.features)
    if not parted.features:
        raise DataError(f"{table.header.file}: no features among its columns {', '.join(names)[:100]}")
    clock = clock or Clock()
    return Features(
        values=table.values(parted.features),
        columns=parted.features,
        times=clock.times,
        observed=seen,
        made=Provenance(
            extractor, version, clock="" if clock.times is None else "recording", rate=clock.rate
        ),
        left=tuple(_runs(names, [name in features or name in timed for name in names])),
        notes=(*((said, count) for said, count in notes if count), *clock.notes),
    )


def one_recording(file: Path, column: str, said: Iterable[str]) -> None:
    """Refuse the rows of several recordings as the steps of one.

    Args:
        file: whose rows they are.
        column: what names the recording.
        said: what stands in it.
    Raises:
        DataError: there is more than one name.
    """
    names = list(dict.fromkeys(" ".join(name.split())[:50] for name in said))
    if len(names) > 1:
        raise DataError(
            f"{file}: the rows of {len(names):,} recordings ('{column}' is {names[0]}, {names[1]}"
            f"{', ...' if len(names) > 2 else ''}); write a file for each, named after the sample: "
            f"for name, rows in table.groupby('{column}'): rows.to_csv(...)"
        )


def _runs(names: tuple[str, ...], kept: list[bool]) -> Iterable[str]:
    """The names that are not kept; of many that follow each other the first and the last."""
    run: list[str] = []
    for name, other in zip((*names, ""), (*kept, True), strict=True):
        if not other:
            run.append(name)
            continue
        yield from run if len(run) <= _RUN else [f"{run[0]} ... {run[-1]}"]
        run = []
