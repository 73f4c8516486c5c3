"""Splits of one file made alike: what some of them lack is absent from their samples, with a note."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from affect.data.corpus import Split
from affect.data.ragged import Ragged


def complete(splits: Mapping[str, Split]) -> tuple[dict[str, Split], list[str]]:
    """The same splits, all with the modalities and the targets of any; and what is to be said of it.

    Samples of a split without a modality lack it, and those of a split without a target have no label of it.
    A target of which no split has a label is left out.

    Args:
        splits: by name, with what the file has of each.
    Example:
        >>> rows = Ragged.vectors(np.ones((1, 2)))
        >>> train, test = Split(("a",), {"ecg": rows}, {}), Split(("b",), {}, {})
        >>> splits, notes = complete({"train": train, "test": test})
        >>> splits["test"].modalities["ecg"].lengths.tolist(), notes
        ([0], ['test: the file has no ecg features, and the samples lack them.'])
    """
    notes: list[str] = []
    dims = {m: rows.dim for split in splits.values() for m, rows in split.modalities.items()}
    sizes = {t: rows.dim for split in splits.values() for t, rows in split.targets.items()}
    for t in list(sizes):
        if not any(t in split.targets and split.targets[t].present.any() for split in splits.values()):
            notes.append(f"The target {t} is left out: the file gives no label of it.")
            del sizes[t]
    found = {}
    for name, split in splits.items():
        lacking = [m for m in dims if m not in split.modalities]
        if lacking:
            notes.append(
                f"{name}: the file has no {' and no '.join(lacking)} features, and the samples lack them."
            )
        notes += [f"{name}: no labels of {t} are given." for t in sizes if t not in split.targets]
        rows = {m: Ragged.from_rows([None] * len(split), dims[m]) for m in lacking}
        labels = {t: _unlabelled(len(split), size) for t, size in sizes.items() if t not in split.targets}
        found[name] = replace(
            split,
            modalities={m: rows[m] if m in rows else split.modalities[m] for m in dims},
            targets={t: labels[t] if t in labels else split.targets[t] for t in sizes},
        )
    return found, notes


def _unlabelled(samples: int, size: int) -> Ragged:
    return Ragged.vectors(np.zeros((samples, size), np.float32), np.zeros(samples, dtype=bool))
