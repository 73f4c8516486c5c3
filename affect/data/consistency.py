"""Whether what a split holds fits together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from affect.data.ragged import Ragged, Words
from affect.data.targets import Target
from affect.errors import DataError

if TYPE_CHECKING:
    from affect.data.corpus import Split


def check_consistency(split: Split, where: str, targets: dict[str, Target]) -> None:
    """Refuse a split that cannot be trained on; `where` begins the message.

    Args:
        split: the samples.
        where: the corpus and the split.
        targets: the kinds of its labels, by name.
    Raises:
        DataError: there is no sample, rows do not fit to samples, labels are none of their kind, or steps
            that are declared aligned are not as many.
    """
    if not len(split):
        raise DataError(f"{where}: the split is empty; leave it out")
    parts: list[tuple[str, Ragged | Words]] = [*split.modalities.items()]
    parts += [(f"target '{name}'", x) for name, x in split.targets.items()]
    parts += [("words", split.words)] if split.words is not None else []
    for name, part in parts:
        if len(part) != len(split):
            raise DataError(f"{where}: {name} has {len(part)} rows for {len(split)} samples")
    if split.groups is not None and len(split.groups) != len(split):
        raise DataError(f"{where}: {len(split.groups)} groups for {len(split)} samples")
    if split.targets.keys() != targets.keys():
        raise DataError(f"{where}: expected targets {sorted(targets)}, got {sorted(split.targets)}")
    for name, target in targets.items():
        labels = split.targets[name]
        target.check(split.labels(name), where)
        if not target.per_step and (labels.lengths != 1).any():
            worst = int(np.flatnonzero(labels.lengths != 1)[0])
            raise DataError(
                f"{where}, sample {split.ids[worst]}: target '{name}' needs one label per sample, "
                f"got {labels.lengths[worst]}; declare it per step"
            )
    per_step = [name for name, target in targets.items() if target.per_step]
    if per_step and not split.aligned:
        raise DataError(
            f"{where}: target '{per_step[0]}' is per step, but the modalities are not aligned: "
            "a label would belong to no step"
        )
    in_step = {name: x for name, x in split.modalities.items() if split.aligned}
    in_step |= {f"target '{name}'": split.targets[name] for name in per_step}
    for (one, a), (other, b) in zip(in_step.items(), list(in_step.items())[1:], strict=False):
        apart = np.flatnonzero((a.lengths != b.lengths) & (a.lengths > 0) & (b.lengths > 0))
        if apart.size:
            i = int(apart[0])
            raise DataError(
                f"{where}, sample {split.ids[i]}: {one} has {a.lengths[i]} steps and {other} "
                f"{b.lengths[i]}, but they are declared aligned"
            )
