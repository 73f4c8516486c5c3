"""What a corpus holds, as tables: splits, modalities, their steps and values, and targets."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from affect.data.corpora import CORPORA, identify
from affect.data.corpus import Corpus, Split
from affect.data.provenance import Provenance
from affect.data.quality import Columns
from affect.data.targets import Regression, Target
from affect.report.lines import Kind, Lines, plain, shortened

_BARS = " ▁▂▃▄▅▆▇█"
_QUANTILES = (0, 25, 50, 75, 95, 100)
_CLASSES, _ACROSS = 20, 5
"""Classes that are listed, and splits that stand side by side."""


def overview(corpus: Corpus, columns: Mapping[tuple[str, str], Columns]) -> Iterator[Lines | str]:
    """The tables, and a line where a table would be empty; `columns` by split and modality."""
    yield _splits(corpus)
    if corpus.dims:
        yield _modalities(corpus)
        yield _steps(corpus)
        yield _values(corpus, columns)
    numbers = [target for target in corpus.targets.values() if isinstance(target, Regression)]
    classes = [target for target in corpus.targets.values() if not isinstance(target, Regression)]
    if numbers:
        yield _numbers(corpus, numbers)
    splits = list(corpus.splits.items())
    for begin in range(0, len(splits) if classes else 0, _ACROSS):
        yield _classes(dict(splits[begin : begin + _ACROSS]), classes)


def _splits(corpus: Corpus) -> Lines:
    public = CORPORA.get(identify(corpus.splits)) if corpus.targets else None
    rows = [
        (
            name,
            f"{len(split):,}",
            "" if split.groups is None else f"{len(set(split.groups)):,}",
            "" if split.words is None else f"{split.words.total:,}",
            f"{public.splits[name]:,}" if public and name in public.splits else "",
        )
        for name, split in corpus.splits.items()
    ]
    heads = ("samples", "groups", "words", f"published ({public.title})" if public else "")
    return Lines("splits", (("split", "name"), *((head, "number") for head in heads)), rows)


def _modalities(corpus: Corpus) -> Lines:
    rows = []
    for name, dim in corpus.dims.items():
        named, made = corpus.columns.get(name, ("",)), corpus.provenance.get(name)
        rows.append((name, f"{dim:,}", named[0], named[-1], "" if made is None else _made(made)))
    heads: tuple[tuple[str, Kind], ...] = (
        ("modality", "name"),
        ("features", "number"),
        ("first column" if corpus.columns else "", "name"),
        ("last column" if corpus.columns else "", "name"),
        ("made by" if corpus.provenance else "", "name"),
    )
    return Lines("modalities", heads, rows)


def _made(made: Provenance) -> str:
    """Who made features, in a few words."""
    facts = [f"{key} {value}" for key, value in made.arguments.items()]
    if made.rate is not None:
        facts.append(f"{made.rate:g} Hz")
    return ", ".join([f"{made.extractor} {made.version}".strip(), *facts]).removeprefix(", ")


def _steps(corpus: Corpus) -> Lines:
    rows = []
    for modality in corpus.dims:
        for name, split in corpus.splits.items():
            own = split.modalities[modality]
            there = own.lengths[own.lengths > 0]
            quantiles = [f"{q:.0f}" for q in np.percentile(there, _QUANTILES)] if there.size else []
            seen = int(sum(own.observed[block].sum() for block in own.blocks()))
            holes = f"{1 - seen / own.total:.1%}" if own.total else ""
            quantiles += [""] * (len(_QUANTILES) - len(quantiles))
            rows.append((modality, name, *quantiles, holes, f"{int((~own.present).sum()):,}"))
    heads = (*(f"{q}%" for q in _QUANTILES), "unobserved", "absent")
    return Lines(
        f"steps at {', '.join(f'{q}%' for q in _QUANTILES)} of the samples",
        (("modality", "name"), ("split", "name"), *((head, "number") for head in heads)),
        rows,
    )


def _values(corpus: Corpus, columns: Mapping[tuple[str, str], Columns]) -> Lines | str:
    """Counts where any is above zero."""
    rows = []
    for modality in corpus.dims:
        for name in corpus.splits:
            found = columns[name, modality]
            counts = (
                found.nan.sum(),
                (found.infinite - found.beyond).sum(),
                found.beyond.sum(),
                found.constant.sum(),
            )
            if any(counts):
                rows.append((modality, name, *(f"{count:,}" for count in counts)))
    if not rows:
        return "\nvalues: none is NaN, infinite or beyond float32, and no column is constant"
    heads = ("NaN", "infinite", "beyond float32", "constant columns")
    return Lines(
        "values at observed steps",
        (("modality", "name"), ("split", "name"), *((head, "number") for head in heads)),
        rows,
    )


def _numbers(corpus: Corpus, targets: Collection[Regression]) -> Lines:
    rows = []
    for target in targets:
        for name, split in corpus.splits.items():
            labels = split.labels(target.name)
            called = f"{target.name}, per step" if target.per_step else target.name
            if len(labels):
                figures = tuple(map(_number, (labels.min(), labels.mean(), labels.max(), labels.std())))
                rows.append((called, name, f"{len(labels):,}", *figures, _histogram(labels, target)))
            else:
                rows.append((called, name, "0", "", "", "", "", ""))
    heads = ("labels", "least", "mean", "most", "deviation")
    return Lines(
        "targets: numbers (Regression)",
        (
            ("target", "name"),
            ("split", "name"),
            *((head, "number") for head in heads),
            ("histogram", "picture"),
        ),
        rows,
    )


def _classes(splits: Mapping[str, Split], targets: Collection[Target]) -> Lines:
    rows = []
    for target in targets:
        labels = {name: split.labels(target.name) for name, split in splits.items()}
        names = getattr(target, "classes", ()) or ("no", "yes")
        shares = np.stack([_shares(own, target, len(names)) for own in labels.values()], 1)
        kind = type(target).__name__ + (", per step" if target.per_step else "")
        rows.append((target.name, kind, "labels", *(f"{len(own):,}" for own in labels.values())))
        order = np.sort(np.argsort(-shares.sum(1), kind="stable")[:_CLASSES])
        for place in order:
            figures = (
                f"{x:.1%}" if len(own) else "" for x, own in zip(shares[place], labels.values(), strict=True)
            )
            rows.append(("", "", names[place], *figures))
        if len(names) > _CLASSES:
            rows.append(("", "", f"and {len(names) - _CLASSES} more", *("" for _ in labels)))
    return Lines(
        "targets: classes",
        (
            ("target", "name"),
            ("kind", "name"),
            ("class", "name"),
            *((shortened(plain(name), 9), "number") for name in splits),
        ),
        rows,
    )


def _shares(labels: NDArray[np.float64], target: Target, count: int) -> NDArray[np.float64]:
    """(classes,): the share of each class among the labels."""
    if not len(labels):
        return np.zeros(count)
    if target.size > 1:
        return np.asarray(labels.mean(0))
    return np.bincount(labels[:, 0].astype(np.int64), minlength=count) / len(labels)


def _number(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 1e5 else f"{value:.3g}"


def _histogram(labels: NDArray[np.float64], target: Target) -> str:
    """Bars over the whole numbers of the scale, or over ten equal parts of what there is."""
    low, high = getattr(target, "low", None), getattr(target, "high", None)
    low = labels.min() if low is None else low
    high = labels.max() if high is None else high
    whole = 2 <= high - low <= 12
    edges = np.arange(np.floor(low), np.ceil(high) + 2) - 0.5 if whole else np.linspace(low, high, 11)
    counts, _ = np.histogram(labels, edges)
    top = max(counts.max(), 1)
    return f"{low:.4g} " + "".join(_BARS[int(np.ceil(8 * n / top))] for n in counts) + f" {high:.4g}"
