"""Corpora: named splits of samples, each with any modalities and targets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from affect.data.provenance import Provenance
from affect.data.ragged import Ragged, Rows, Words
from affect.data.targets import Target
from affect.errors import ConfigError, DataError, did_you_mean


@dataclass(frozen=True, eq=False)
class Split:
    """Samples, each with an id, its modalities and its targets.

    Args:
        ids: one per sample.
        modalities: features of each modality; a row without steps is a sample that lacks it.
        targets: labels; one step per sample, or a step per step where they are per step.
        groups: what must not be on two sides of a split (speaker, video), one per sample.
        words: the words of each sample, where they are known.
    """

    ids: tuple[str, ...]
    modalities: dict[str, Ragged]
    targets: dict[str, Ragged]
    groups: tuple[str, ...] | None = None
    words: Words | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def labels(self, target: str) -> NDArray[np.float64]:
        """The labels of `target` that there are, sample by sample, (labels, size)."""
        return np.concatenate([np.zeros((0, self.targets[target].dim)), *self.targets[target].chunks()])

    def take(self, rows: Rows) -> Split:
        """The samples `rows`, as a view: no features are copied."""
        return Split(
            ids=tuple(self.ids[i] for i in rows),
            modalities={name: x.take(rows) for name, x in self.modalities.items()},
            targets={name: x.take(rows) for name, x in self.targets.items()},
            groups=None if self.groups is None else tuple(self.groups[i] for i in rows),
            words=None if self.words is None else self.words.take(rows),
        )

    @classmethod
    def join(cls, parts: Iterable[Split]) -> Self:
        """The samples of all, one after the other; all have the same modalities and targets."""
        parts = list(parts)
        groups = [group for part in parts for group in part.groups or ()]
        words = [part.words for part in parts if part.words is not None]
        return cls(
            ids=tuple(i for part in parts for i in part.ids),
            modalities={m: Ragged.join(part.modalities[m] for part in parts) for m in parts[0].modalities},
            targets={t: Ragged.join(part.targets[t] for part in parts) for t in parts[0].targets},
            groups=tuple(groups) if groups else None,
            words=Words.join(words) if words else None,
        )

    def check(self, where: str, targets: dict[str, Target], aligned: bool) -> None:
        """Refuse what cannot be trained on; `where` begins the message."""
        if not len(self):
            raise DataError(f"{where}: the split is empty; leave it out")
        parts = {**self.modalities, **{f"target '{name}'": x for name, x in self.targets.items()}}
        if self.words is not None:
            parts["words"] = self.words  # type: ignore[assignment]  # only its length is read
        for name, part in parts.items():
            if len(part) != len(self):
                raise DataError(f"{where}: {name} has {len(part)} rows for {len(self)} samples")
        if self.groups is not None and len(self.groups) != len(self):
            raise DataError(f"{where}: {len(self.groups)} groups for {len(self)} samples")
        if self.targets.keys() != targets.keys():
            raise DataError(f"{where}: expected targets {sorted(targets)}, got {sorted(self.targets)}")
        for name, target in targets.items():
            labels = self.targets[name]
            target.check(self.labels(name), where)
            if not target.per_step and (labels.lengths != 1).any():
                worst = int(np.flatnonzero(labels.lengths != 1)[0])
                raise DataError(
                    f"{where}, sample {self.ids[worst]}: target '{name}' needs one label per sample, "
                    f"got {labels.lengths[worst]}; declare it per step"
                )
        per_step = [name for name, target in targets.items() if target.per_step]
        if per_step and not aligned:
            raise DataError(
                f"{where}: target '{per_step[0]}' is per step, but the modalities are not aligned: "
                "a label would belong to no step"
            )
        in_step = {name: x for name, x in self.modalities.items() if aligned}
        in_step |= {f"target '{name}'": self.targets[name] for name in per_step}
        for (one, a), (other, b) in zip(in_step.items(), list(in_step.items())[1:], strict=False):
            apart = np.flatnonzero((a.lengths != b.lengths) & (a.lengths > 0) & (b.lengths > 0))
            if apart.size:
                i = int(apart[0])
                raise DataError(
                    f"{where}, sample {self.ids[i]}: {one} has {a.lengths[i]} steps and {other} "
                    f"{b.lengths[i]}, but they are declared aligned"
                )


@dataclass(frozen=True, eq=False)
class Corpus:
    """Splits with the same modalities and targets.

    Args:
        name: as in tables: `mosi_words`.
        splits: `train`, `valid` and `test` where the corpus has official ones, else `all`.
        targets: what can be predicted, by name.
        aligned: whether step t is the same moment in every modality.
        notes: what must stand beside every figure made with this corpus.
        citation: whom to cite.
        ceiling: the best possible score on the test split, by metric, where it is known.
        main: the target that is meant where none is named; empty where there is no obvious one.
        columns: the names of the features, for the modalities whose source has them.
        provenance: who made the features, for the modalities of which that is known.
    Raises:
        DataError: the splits do not fit together or cannot be trained on.
    Example:
        >>> corpus = affect.load("synthetic:interaction")
        >>> sorted(corpus.splits), corpus.dims
        (['test', 'train', 'valid'], {'acoustic': 5, 'text': 8, 'visual': 6})
    """

    name: str
    splits: dict[str, Split]
    targets: dict[str, Target]
    aligned: bool = False
    notes: tuple[str, ...] = ()
    citation: str = ""
    ceiling: dict[str, float] = field(default_factory=dict)
    main: str = ""
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)
    provenance: dict[str, Provenance] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.splits:
            raise DataError(f"{self.name}: a corpus needs at least one split")
        first = next(iter(self.splits.values()))
        for name, split in self.splits.items():
            where = f"{self.name}, {name}"
            dims = {m: x.dim for m, x in split.modalities.items()}
            expected = {m: x.dim for m, x in first.modalities.items()}
            if dims != expected:
                raise DataError(f"{where}: expected modalities with feature sizes {expected}, got {dims}")
            split.check(where, self.targets, self.aligned)
        if self.main and self.main not in self.targets:
            raise DataError(
                f"{self.name}: its main target is '{self.main}', but it has {sorted(self.targets)}"
            )
        for m in (*self.columns, *self.provenance):
            if m not in first.modalities:
                raise DataError(f"{self.name}: no modality '{m}'; {did_you_mean(m, first.modalities)}")
        for m, names in self.columns.items():
            if len(names) != first.modalities[m].dim:
                raise DataError(
                    f"{self.name}: {m} has {first.modalities[m].dim} features and {len(names)} names of "
                    "columns"
                )

    def __getitem__(self, split: str) -> Split:
        if split not in self.splits:
            raise ConfigError(f"{self.name}: no split '{split}'; {did_you_mean(split, self.splits)}")
        return self.splits[split]

    @property
    def dims(self) -> dict[str, int]:
        """Feature size of each modality, by name in alphabetical order."""
        first = next(iter(self.splits.values()))
        return {name: first.modalities[name].dim for name in sorted(first.modalities)}

    def target(self, name: str | None = None) -> Target:
        """The target `name`; by default the main one, or the only one."""
        if name is None and self.main:
            return self.targets[self.main]
        if name is None and len(self.targets) == 1:
            return next(iter(self.targets.values()))
        if name is None:
            raise ConfigError(f"{self.name}: name one of its targets: {', '.join(sorted(self.targets))}")
        if name not in self.targets:
            raise ConfigError(f"{self.name}: no target '{name}'; {did_you_mean(name, self.targets)}")
        return self.targets[name]

    def without(self, split: str) -> Corpus:
        """The same corpus without a split: what is not there cannot be looked at.

        Example:
            >>> sorted(affect.load("synthetic").without("test").splits)
            ['train', 'valid']
        """
        return replace(self, splits={name: x for name, x in self.splits.items() if name != split})

    def select(self, modalities: Iterable[str]) -> Corpus:
        """The same corpus with only these modalities."""
        wanted = sorted(modalities)
        for name in wanted:
            if name not in self.dims:
                raise ConfigError(f"{self.name}: no modality '{name}'; {did_you_mean(name, self.dims)}")
        return replace(
            self,
            splits={
                name: replace(split, modalities={m: split.modalities[m] for m in wanted})
                for name, split in self.splits.items()
            },
            columns={m: names for m, names in self.columns.items() if m in wanted},
            provenance={m: made for m, made in self.provenance.items() if m in wanted},
        )

    def with_modality(
        self,
        name: str,
        rows: Mapping[str, Ragged],
        columns: Iterable[str] | None = None,
        provenance: Provenance | None = None,
    ) -> Corpus:
        """The same corpus with one more modality, given for every split.

        Args:
            name: of the modality; one of that name is replaced.
            rows: by split.
            columns: the names of its features, where it has them.
            provenance: who made them, where that is known.
        """
        named = {m: names for m, names in self.columns.items() if m != name}
        made = {m: by for m, by in self.provenance.items() if m != name}
        return replace(
            self,
            columns=named if columns is None else {**named, name: tuple(columns)},
            provenance=made if provenance is None else {**made, name: provenance},
            splits={
                split: replace(part, modalities={**part.modalities, name: rows[split]})
                for split, part in self.splits.items()
            },
        )
