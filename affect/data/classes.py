"""Another kind for a target: what a file stores as numbers may be codes of classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect.data.corpus import Corpus
from affect.data.ragged import Ragged
from affect.data.targets import Binary, MultiClass, MultiLabel, Regression, Target
from affect.errors import ConfigError, DataError, did_you_mean

_KINDS: dict[str, tuple[type[Target], frozenset[str]]] = {
    "regression": (Regression, frozenset(("low", "high"))),
    "binary": (Binary, frozenset(("classes",))),
    "multiclass": (MultiClass, frozenset(("classes",))),
    "multilabel": (MultiLabel, frozenset(("classes",))),
}


def with_kinds(corpus: Corpus, kinds: Mapping[str, Mapping[str, Any]]) -> Corpus:
    """The same corpus with some of its targets of another kind.

    The codes of classes are the whole numbers that occur in any split, in ascending order; a binary target
    has two, of which the greater is yes. Classes that have names already can be put in another order.

    Args:
        corpus: has the targets.
        kinds: by target: `kind`, and beside it `classes` (names, in the order of the codes) or `low` and
            `high` (the ends of a scale).
    Raises:
        ConfigError: there is no such target or kind, or the kind has no such part.
        DataError: the labels cannot be of that kind.
    Example:
        >>> split = affect.Split(("a", "b", "c"), {}, {"joy": Ragged.vectors(np.array([1.0, 5.0, 1.0]))})
        >>> corpus = affect.Corpus("c", {"all": split}, {"joy": Regression("joy")})
        >>> changed = with_kinds(corpus, {"joy": {"kind": "multiclass"}})
        >>> changed.target(), changed["all"].labels("joy").ravel().tolist()
        (MultiClass(name='joy', per_step=False, classes=('1', '5')), [0.0, 1.0, 0.0])
    """
    for name, wanted in kinds.items():
        if name not in corpus.targets:
            raise ConfigError(
                f"{corpus.name}: targets: no target '{name}'; {did_you_mean(name, corpus.targets)}"
            )
        corpus = _with_kind(corpus, name, dict(wanted))
    return corpus


def _with_kind(corpus: Corpus, name: str, wanted: dict[str, Any]) -> Corpus:
    where = f"{corpus.name}: targets: {name}"
    kind = str(wanted.pop("kind", "")).lower()
    if kind not in _KINDS:
        raise ConfigError(f"{where}: no kind '{kind}'; {did_you_mean(kind, _KINDS)}")
    cls, known = _KINDS[kind]
    for key in wanted:
        if key not in known:
            raise ConfigError(f"{where}: {kind} has no '{key}'; {did_you_mean(key, known)}")
    target = corpus.targets[name]
    if isinstance(target, MultiLabel) and cls is MultiLabel:
        if tuple(wanted.get("classes") or target.classes) == target.classes:
            return corpus
        raise DataError(f"{where}: its labels are named {', '.join(target.classes)} already")
    if target.size != 1 or cls is MultiLabel:
        count = f" of {target.size} labels" if target.size > 1 else ""
        raise DataError(f"{where}: a {type(target).__name__}{count} cannot be {kind}")
    if isinstance(target, cls) and not wanted:
        return corpus
    if cls is Regression:
        if isinstance(target, MultiClass):
            raise DataError(f"{where}: its labels are names of classes, which are no numbers")
        return _replaced(corpus, Regression(name, target.per_step, **wanted), None)
    classes = wanted.get("classes")
    if isinstance(target, MultiClass):
        order = target.classes if classes is None else tuple(map(str, classes))
        if sorted(order) != sorted(target.classes):
            raise DataError(
                f"{where}: its classes are named {', '.join(target.classes)}; `classes` can only put them in "
                f"another order, got {', '.join(order)}"
            )
        places = np.array([target.classes.index(one) for one in order], dtype=np.float64)
        return _replaced(corpus, _classes(where, target, order, cls, None), places)
    codes = np.unique(np.concatenate([split.labels(name) for split in corpus.splits.values()]))
    if (codes != np.rint(codes)).any():
        wrong = codes[codes != np.rint(codes)][0]
        raise DataError(f"{where}: codes of classes are whole numbers, got {wrong:g}")
    made = _classes(where, target, tuple(f"{code:.0f}" for code in codes), cls, classes)
    return _replaced(corpus, made, codes)


def _classes(where: str, target: Target, found: tuple[str, ...], cls: type[Target], classes: Any) -> Target:
    """The target, once its classes are as many as there are names for."""
    if cls is Binary:
        if classes is not None:
            raise ConfigError(f"{where}: numbers have no names of classes; the greater is yes")
        if len(found) > 2:
            raise DataError(f"{where}: a binary target has two classes, got {len(found)}: {', '.join(found)}")
        return Binary(target.name, target.per_step)
    names = found if classes is None else tuple(map(str, classes))
    if len(names) != len(found):
        raise DataError(
            f"{where}: expected a name for each of the {len(found)} classes {', '.join(found)}, "
            f"got {len(names)}"
        )
    return MultiClass(target.name, target.per_step, names)


def _replaced(corpus: Corpus, target: Target, codes: NDArray[np.float64] | None) -> Corpus:
    """The corpus with that target in place of the one of its name; labels become places in `codes`."""

    def coded(rows: Ragged) -> Ragged:
        if codes is None or not len(codes):
            return rows
        flat, order = rows.flat(), np.argsort(codes)
        given = np.where(flat.observed, flat.values[:, 0], codes[0])
        places = order[np.searchsorted(codes, given, sorter=order)]
        return replace(flat, values=places.astype(np.float32)[:, None])

    return replace(
        corpus,
        targets={**corpus.targets, target.name: target},
        splits={
            name: replace(split, targets={**split.targets, target.name: coded(split.targets[target.name])})
            for name, split in corpus.splits.items()
        },
    )
