"""Corpora: named splits of samples, each with any modalities and targets."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from affect.data.consistency import check_consistency
from affect.data.provenance import Provenance
from affect.data.ragged import Ragged, Rows, Words, row_numbers
from affect.data.samples import Sample, samples_of
from affect.data.targets import Target
from affect.errors import ConfigError, DataError, described, did_you_mean, few, listed

if TYPE_CHECKING:
    from affect.data.corpus_files import CorpusFiles


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Samples, each with an id, its modalities and its targets.

    Args:
        ids: one per sample.
        modalities: features of each modality; a row without steps is a sample that lacks it.
        targets: labels; one step per sample, or a step per step where they are per step.
        groups: what must not be on two sides of a split (speaker, video), one per sample.
        words: the words of each sample, where they are known; of a dialogue its utterances, one a step.
        aligned: whether step t is the same moment in every modality.
    """

    ids: tuple[str, ...]
    modalities: dict[str, Ragged]
    targets: dict[str, Ragged]
    groups: tuple[str, ...] | None = None
    words: Words | None = None
    aligned: bool = False

    def __post_init__(self) -> None:
        for name, rows in (*self.modalities.items(), *self.targets.items()):
            if not isinstance(rows, Ragged):
                said = f"Split: {name}: expected rows of affect.Ragged, got {described(rows)}"
                raise DataError(f"{said}; affect.Corpus.from_arrays makes a corpus of arrays")

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        dims = few([f"{name} {x.dim}" for name, x in sorted(self.modalities.items())])
        form = "aligned" if self.aligned else "unaligned"
        also = [name for name in ("groups", "words") if getattr(self, name) is not None]
        said = "; ".join([dims, f"targets {few(sorted(self.targets))}", *also])
        return f"Split({len(self):,} samples, {form}: {said})"

    def labels(self, target: str) -> NDArray[np.float64]:
        """The labels of `target` that there are, sample by sample, (labels, size)."""
        return np.concatenate([np.zeros((0, self.targets[target].dim)), *self.targets[target].chunks()])

    def take(self, rows: Rows) -> Split:
        """The samples `rows`, by number or by a mask of all, as a view: no features are copied.

        Raises:
            DataError: they are no whole numbers below the number of samples, and no mask of that length.
        """
        rows = row_numbers("Split.take", rows, len(self))
        return Split(
            ids=tuple(self.ids[i] for i in rows),
            modalities={name: x.take(rows) for name, x in self.modalities.items()},
            targets={name: x.take(rows) for name, x in self.targets.items()},
            groups=None if self.groups is None else tuple(self.groups[i] for i in rows),
            words=None if self.words is None else self.words.take(rows),
            aligned=self.aligned,
        )

    @classmethod
    def join(cls, parts: Iterable[Split]) -> Self:
        """The samples of all, one after the other; all have the same modalities and targets.

        Where some parts have groups, a sample of another part is its own; where some have words, it has none;
        times are as in `Ragged.join`.

        Raises:
            DataError: the parts differ in modalities, in their feature sizes, or in targets.
        """
        parts = list(parts)
        for kind in ("modalities", "targets"):
            expected, *others = [sorted(getattr(part, kind)) for part in parts]
            for got in others:
                if got != expected:
                    raise DataError(f"Split.join: expected {kind} {expected} in every part, got {got}")
        grouped = any(part.groups is not None for part in parts)
        spoken = any(part.words is not None for part in parts)
        return cls(
            ids=tuple(i for part in parts for i in part.ids),
            modalities={m: Ragged.join(part.modalities[m] for part in parts) for m in parts[0].modalities},
            targets={t: Ragged.join(part.targets[t] for part in parts) for t in parts[0].targets},
            groups=tuple(g for part in parts for g in part.groups or part.ids) if grouped else None,
            words=Words.join(part.words or Words.from_rows([()] * len(part)) for part in parts)
            if spoken
            else None,
            aligned=all(part.aligned for part in parts),
        )


@dataclass(frozen=True, eq=False, repr=False)
class Corpus:
    """Splits with the same modalities and targets.

    Args:
        name: as in tables: `mosi_words`.
        splits: `train`, `valid` and `test` where the corpus has official ones, else `all`.
        targets: what can be predicted, by name.
        aligned: whether step t is the same moment in every modality; None: as the splits say.
        notes: what must stand beside every figure made with this corpus.
        citation: whom to cite.
        ceiling: the best possible score of the main target on the test split, by metric, where known.
        main: the target that is meant where none is named; empty where there is no obvious one.
        columns: the names of the features, for the modalities whose source has them.
        provenance: who made the features, for the modalities of which that is known.

    `source` says what `affect.load` was given for it, as a configuration does: `corpus`, its whole path or
    its name, and how it was read. It is empty where the corpus was made otherwise, or changed, but by
    `without` and `select`. `files` are those that it was read from, as they were: training looks after every
    epoch whether they still are.

    Raises:
        DataError: the splits do not fit together or cannot be trained on.
    Example:
        >>> corpus = affect.load("synthetic:interaction")
        >>> corpus
        Corpus(synthetic:interaction, unaligned: train 600, valid 200, test 400; acoustic 5, text 8, visual 6;
        sentiment (Regression); 0 notes)
        >>> corpus.dims
        {'acoustic': 5, 'text': 8, 'visual': 6}
    """

    name: str
    splits: dict[str, Split]
    targets: dict[str, Target]
    aligned: bool = None  # type: ignore[assignment]  # a bool, once the corpus is made
    notes: tuple[str, ...] = ()
    citation: str = ""
    ceiling: dict[str, float] = field(default_factory=dict)
    main: str = ""
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)
    provenance: dict[str, Provenance] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict, init=False)  # so that `replace` empties it
    files: CorpusFiles | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if not self.splits:
            raise DataError(f"{self.name}: a corpus needs at least one split")
        for name, split in self.splits.items():
            if not isinstance(split, Split):
                said = f"{self.name}, {name}: expected an affect.Split, got {described(split)}"
                raise DataError(f"{said}; affect.Corpus.from_arrays makes a corpus of arrays")
        for name, target in self.targets.items():
            if not isinstance(target, Target):
                said = f"target '{name}': expected a target such as affect.Regression('{name}')"
                raise DataError(f"{self.name}: {said}, got {described(target)}")
        if self.aligned is None:
            object.__setattr__(self, "aligned", all(split.aligned for split in self.splits.values()))
        splits = {
            name: split if split.aligned == self.aligned else replace(split, aligned=self.aligned)
            for name, split in self.splits.items()
        }
        object.__setattr__(self, "splits", splits)
        first = next(iter(self.splits.values()))
        for name, split in self.splits.items():
            where = f"{self.name}, {name}"
            dims = {m: x.dim for m, x in split.modalities.items()}
            expected = {m: x.dim for m, x in first.modalities.items()}
            if dims != expected:
                raise DataError(f"{where}: expected modalities with feature sizes {expected}, got {dims}")
            check_consistency(split, where, self.targets)
        if self.main and self.main not in self.targets:
            known = sorted(self.targets)
            raise DataError(f"{self.name}: its main target is '{self.main}', but it has {known}")
        for m in (*self.columns, *self.provenance):
            if m not in first.modalities:
                raise DataError(f"{self.name}: no modality '{m}'; {did_you_mean(m, first.modalities)}")
        for m, names in self.columns.items():
            if len(names) != (dim := first.modalities[m].dim):
                raise DataError(f"{self.name}: {m} has {dim} features and {len(names)} names of columns")

    @classmethod
    def from_arrays(
        cls,
        splits: Mapping[str, Mapping[str, Any]],
        targets: Mapping[str, Target | str | Mapping[str, Any]] | Iterable[str | Target] | None = None,
        *,
        name: str = "arrays",
        columns: Mapping[str, Iterable[str]] | None = None,
        aligned: bool | None = None,
        **about: Any,
    ) -> Corpus:
        """A corpus from arrays of numpy, tensors of torch, lists, or frames of pandas, by split and name.

        In each split, the names in `targets` are labels; `id` names the samples, `group` what must not be on
        two sides of a split, `words` what is said (texts, split at blanks, or lists of words), `times` when
        the words are; every other name is a modality:

        - (samples, feature), or a frame of a row for each sample: one step each. Of a frame, columns that are
          no features by their name are left out with a note, and those of times and of success are used.
        - (samples, time, feature), padded with zeros or NaN: the padding is found, and a note says where.
        - a list of what each sample has: (steps, feature), `affect.Steps`, a frame of a row for each step, or
          None where it lacks the modality.
        - `affect.Ragged` rows, as they are.
        - `{"values": ..., "lengths": ..., "mask": ..., "times": ...}`, with any of the last three beside
          values as above: steps of each sample (also of all steps laid end to end), which steps are there
          (samples, time), start and end of each in seconds (samples, time, 2), or instants.

        A step of NaN, or of zeros where there are several features, is one at which nothing was observed, but
        where a mask says it. Finite values beyond float32 are infinite. Arrays of float32 are not copied.

        Args:
            splits: by the names `train`, `valid` (`dev`, `val`), `test`, or `all`.
            targets: the kinds of the labels by name: `Regression("sentiment")`, `"regression"`, `"binary"`,
                `"multiclass"`, `"multilabel"`, `{"kind": "multiclass", "classes": [...]}`; or names alone,
                whose kinds are inferred as those of tables are. Labels of steps are a list of arrays; a label
                that is None or NaN is not given.
            name: of the corpus.
            columns: the names of the features by modality; of a frame, those columns that are features.
            aligned: whether step t is the same moment in every modality; None: guessed from the lengths, with
                a note.
            about: `provenance`, `duplicates` (as in `affect.load`), `notes`, `citation`, `main`, `ceiling`.
        Raises:
            ConfigError: a target is of no known kind.
            DataError: sizes do not fit, or values are not what their names say.
        Example:
            >>> acoustic, visual = np.ones((3, 5, 2)), [np.ones((4, 6)), None, np.ones((2, 6))]
            >>> train = {"acoustic": acoustic, "visual": visual, "joy": [0.5, 1.0, None]}
            >>> corpus = affect.Corpus.from_arrays({"train": train}, targets=["joy"])
            >>> corpus.dims, corpus["train"].modalities["visual"].lengths.tolist(), corpus.target().name
            ({'acoustic': 2, 'visual': 6}, [4, 0, 2], 'joy')
        """
        from affect.data.making.arrays import from_arrays

        if isinstance(targets, str):
            listed("Corpus.from_arrays: targets", targets)  # which is refused
        return from_arrays(splits, targets, name, columns=columns, aligned=aligned, **about)

    @classmethod
    def from_samples(
        cls,
        samples: Iterable[Sample],
        targets: Mapping[str, Target | str | Mapping[str, Any]] | Iterable[str | Target] | None = None,
        *,
        name: str = "samples",
        columns: Mapping[str, Iterable[str]] | None = None,
        aligned: bool | None = None,
        **about: Any,
    ) -> Corpus:
        """A corpus from samples one at a time, in any order of splits.

        Args:
            samples: `affect.Sample`.
            targets: as in `from_arrays`; all that any sample has, by default.
            name: of the corpus; what follows is as in `from_arrays`.
            columns: the names of the features by modality.
            aligned: whether step t is the same moment in every modality.
            about: the rest.
        Raises:
            ConfigError: a target is of no known kind.
            DataError: the samples do not fit together.
        Example:
            >>> corpus = affect.load("synthetic")
            >>> again = affect.Corpus.from_samples(corpus.samples(), corpus.targets)
            >>> again["test"].ids == corpus["test"].ids, again.dims == corpus.dims
            (True, True)
        """
        from affect.data.making.of_samples import from_samples

        return from_samples(samples, name, targets, columns=columns, aligned=aligned, **about)

    def samples(self) -> Iterator[Sample]:
        """The samples one at a time, split by split: what `from_samples` makes the same corpus of."""
        return samples_of(self)

    def __repr__(self) -> str:
        sizes = few([f"{name} {len(split):,}" for name, split in self.splits.items()])
        dims = few([f"{name} {dim}" for name, dim in self.dims.items()]) if self.dims else "no modality"
        kinds = [f"{name} ({type(one).__name__})" for name, one in self.targets.items()]
        form = "aligned" if self.aligned else "unaligned"
        asked = few(kinds) if kinds else "no labels"
        return f"Corpus({self.name}, {form}: {sizes}; {dims}; {asked}; {len(self.notes)} notes)"

    def __getitem__(self, split: str) -> Split:
        if not isinstance(split, str):
            raise ConfigError(f"{self.name}: expected the name of a split, got {described(split)}")
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
        if not self.targets:
            raise ConfigError(f"{self.name}: the corpus has no labels, so there is nothing to learn from it")
        if name is None and self.main:
            return self.targets[self.main]
        if name is None and len(self.targets) == 1:
            return next(iter(self.targets.values()))
        if name is None:
            raise ConfigError(f"{self.name}: name one of its targets: {', '.join(sorted(self.targets))}")
        if not isinstance(name, str):
            raise ConfigError(f"{self.name}: expected the name of a target, got {described(name)}")
        if name not in self.targets:
            raise ConfigError(f"{self.name}: no target '{name}'; {did_you_mean(name, self.targets)}")
        return self.targets[name]

    def without(self, split: str) -> Corpus:
        """The same corpus without a split: what is not there cannot be looked at.

        Example:
            >>> sorted(affect.load("synthetic").without("test").splits)
            ['train', 'valid']
        """
        if split not in self.splits and split not in ("train", "valid", "test"):
            raise ConfigError(f"{self.name}: no split '{split}'; {did_you_mean(split, self.splits)}")
        rest = {name: x for name, x in self.splits.items() if name != split}
        return replace(self, splits=rest).read_from(self.source, self.files)

    def select(self, modalities: Iterable[str]) -> Corpus:
        """The same corpus with only these modalities."""
        wanted = sorted(listed(f"{self.name}: select", modalities))
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
        ).read_from(self.source, self.files)

    def read_from(self, source: Mapping[str, Any], files: CorpusFiles | None = None) -> Corpus:
        """The same corpus, as read from there.

        Args:
            source: arguments of `affect.load`, the path or name as `corpus`.
            files: that were read, as they were before.
        Example:
            >>> affect.load("synthetic").without("test").source["corpus"]
            'synthetic'
        """
        same = copy.copy(self)
        object.__setattr__(same, "source", source)
        object.__setattr__(same, "files", files)
        return same

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
        Raises:
            DataError: there are no rows for a split, or they do not fit it.
        """
        if not isinstance(rows, Mapping) or (gone := sorted(self.splits.keys() - rows.keys())):
            got = f"none for {', '.join(gone)}" if isinstance(rows, Mapping) else f"got {described(rows)}"
            raise DataError(
                f"{self.name}: with_modality: {name}: expected affect.Ragged rows by split, {got}; write "
                "{split: affect.Ragged.from_rows(...)}"
            )
        named = {m: names for m, names in self.columns.items() if m != name}
        made = {m: by for m, by in self.provenance.items() if m != name}
        return replace(
            self,
            columns=named if columns is None else {**named, name: tuple(listed("columns", columns))},
            provenance=made if provenance is None else {**made, name: provenance},
            splits={
                split: replace(part, modalities={**part.modalities, name: rows[split]})
                for split, part in self.splits.items()
            },
        )
