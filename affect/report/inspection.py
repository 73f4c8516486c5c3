"""What a corpus holds, as tables for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from affect.data.corpora import CORPORA, identify, published_file
from affect.data.corpus import Corpus, Split
from affect.data.quality import Columns, empty_steps, lag, sha256
from affect.data.targets import Regression, Target

_BARS = " ▁▂▃▄▅▆▇█"
_QUANTILES = (0, 25, 50, 75, 95, 100)


def describe(corpus: Corpus, path: Path | None = None) -> Iterator[Table | str]:
    """Splits, modalities, targets, and warnings about what would spoil results.

    Args:
        corpus: what was read.
        path: the file that it was read from, for its checksum.
    """
    form = "aligned" if corpus.aligned else "unaligned"
    yield f"[bold]{corpus.name}[/bold], {form}"
    yield from corpus.notes
    if path is not None and path.is_file():
        checksum = sha256(path)
        known = published_file(checksum)
        yield f"SHA-256: {checksum}, " + (f"as published: {known}" if known else "of no published file")
    if corpus.ceiling:
        yield "best possible: " + ", ".join(f"{name} {value:.3f}" for name, value in corpus.ceiling.items())
    columns = {
        (split, modality): Columns.of(rows)
        for split, part in corpus.splits.items()
        for modality, rows in part.modalities.items()
    }
    yield _splits(corpus)
    if corpus.dims:
        yield _modalities(corpus, columns)
    if corpus.targets:
        yield _targets(corpus)
    for warning in warnings(corpus, columns):
        yield f"[yellow]warning:[/yellow] {warning}"


def warnings(corpus: Corpus, columns: dict[tuple[str, str], Columns]) -> Iterator[str]:
    """What would spoil results, a sentence each; `columns` by split and modality."""
    public = CORPORA.get(identify(corpus.splits))
    if public and corpus.targets and public.splits and _counts(corpus) != public.splits:
        expected = ", ".join(f"{name} {count:,}" for name, count in public.splits.items())
        yield f"not the counts published for {public.title} ({expected}): figures are not comparable"
    for name, split in corpus.splits.items():
        twice = [i for i, count in Counter(split.ids).items() if count > 1]
        if twice:
            yield f"{name}: {len(twice)} ids occur more than once, the first is {twice[0]}"
        for modality, rows in split.modalities.items():
            yield from _spoiled(f"{name}, {modality}", columns[name, modality], empty_steps(rows), rows.total)
        places = 0 if split.words is None else lag(split.words)
        if places:
            yield (
                f"{name}: the words seem to stand {abs(places)} place {'before' if places > 0 else 'behind'} "
                "their times, since their lengths fit the neighbours' durations: the file is shifted"
            )
        for target in corpus.targets.values():
            yield from _mislabelled(name, split, target)
    yield from _shared(corpus)


def _spoiled(where: str, columns: Columns, empty: int, steps: int) -> Iterator[str]:
    for kind, counts in (("NaN", columns.nan), ("infinite", columns.infinite)):
        if counts.any():
            yield f"{where}: {counts.sum():,} {kind} values, in columns {_listed(np.flatnonzero(counts))}"
    if columns.constant.any():
        yield (
            f"{where}: {columns.constant.sum()} of {len(columns.low)} columns are constant: "
            f"{_listed(np.flatnonzero(columns.constant))}"
        )
    if empty:
        yield (
            f"{where}: {empty:,} of {steps:,} steps hold only zeros and count as observed: "
            "were they measured?"
        )


def _mislabelled(name: str, split: Split, target: Target) -> Iterator[str]:
    labels = split.labels(target.name)
    unlabelled = int((~split.targets[target.name].present).sum())
    if unlabelled:
        yield f"{name}: {unlabelled} samples have no label '{target.name}'"
    if len(labels) > 1 and (labels == labels[0]).all():
        yield f"{name}: all labels '{target.name}' are the same"
    if isinstance(target, Regression):
        low = -np.inf if target.low is None else target.low
        high = np.inf if target.high is None else target.high
        outside = int(((labels < low) | (labels > high)).sum())
        if outside:
            yield f"{name}: {outside} labels '{target.name}' lie outside [{low:g}, {high:g}]"


def _shared(corpus: Corpus) -> Iterator[str]:
    for kind in ("ids", "groups"):
        owners: dict[str, str] = {}
        shared = set()
        for name, split in corpus.splits.items():
            for member in set(getattr(split, kind) or ()):
                if owners.setdefault(member, name) != name:
                    shared.add(member)
        if shared:
            yield f"{len(shared)} {kind} are in more than one split, such as {min(shared)}"


def _splits(corpus: Corpus) -> Table:
    public = CORPORA.get(identify(corpus.splits)) if corpus.targets else None
    heads = ["split", "samples", "groups", "words"] + ([f"published ({public.title})"] if public else [])
    table = Table(*heads, title="splits", title_justify="left")
    for name, split in corpus.splits.items():
        groups = "" if split.groups is None else str(len(set(split.groups)))
        words = "" if split.words is None else f"{split.words.total:,}"
        published = [f"{public.splits[name]:,}" if name in public.splits else ""] if public else []
        table.add_row(name, f"{len(split):,}", groups, words, *published)
    return table


def _modalities(corpus: Corpus, columns: dict[tuple[str, str], Columns]) -> Table:
    heads = (
        "modality",
        "split",
        "features",
        f"steps at {', '.join(f'{q}%' for q in _QUANTILES)}",
        "unobserved",
        "absent",
        "NaN",
        "infinite",
    )
    table = Table(*heads, title="modalities", title_justify="left")
    for modality in corpus.dims:
        for name, split in corpus.splits.items():
            rows = split.modalities[modality]
            there = rows.lengths[rows.lengths > 0]
            quantiles = (
                ", ".join(f"{q:.0f}" for q in np.percentile(there, _QUANTILES)) if there.size else "none"
            )
            seen = rows.observed[rows.index]
            holes = f"{1 - seen.mean():.1%}" if seen.size else ""
            absent, found = int((~rows.present).sum()), columns[name, modality]
            table.add_row(
                modality, name, str(rows.dim), quantiles, holes, str(absent),
                f"{found.nan.sum():,}", f"{found.infinite.sum():,}",
            )  # fmt: skip
    return table


def _targets(corpus: Corpus) -> Table:
    table = Table("target", "kind", "split", "labels", "distribution", title="targets", title_justify="left")
    for target in corpus.targets.values():
        for name, split in corpus.splits.items():
            kind = type(target).__name__ + (" per step" if target.per_step else "")
            table.add_row(target.name, kind, name, *_distribution(split, target))
    return table


def _distribution(split: Split, target: Target) -> tuple[str, str]:
    """How many labels, and how they are spread."""
    labels = split.labels(target.name)
    if isinstance(target, Regression):
        if not len(labels):
            return "0", ""
        spread = f"mean {labels.mean():.2f}, deviation {labels.std():.2f}"
        return f"{len(labels):,}", (
            f"{_histogram(labels, target)}; {labels.min():.2f} to {labels.max():.2f}, {spread}"
        )
    classes = getattr(target, "classes", ())
    if target.size > 1:
        shares = dict(zip(classes, labels.mean(0), strict=True)) if len(labels) else {}
    else:
        names = classes or ("no", "yes")
        shares = {names[int(c)]: float((labels == c).mean()) for c in np.unique(labels)}
    return f"{len(labels):,}", ", ".join(f"{name} {share:.1%}" for name, share in shares.items())


def _histogram(labels: NDArray[np.float64], target: Regression) -> str:
    """Bars over the whole numbers of the scale, or over ten equal parts of what there is."""
    low = labels.min() if target.low is None else target.low
    high = labels.max() if target.high is None else target.high
    whole = 2 <= high - low <= 12
    edges = np.arange(np.floor(low), np.ceil(high) + 2) - 0.5 if whole else np.linspace(low, high, 11)
    counts, _ = np.histogram(labels, edges)
    top = max(counts.max(), 1)
    return f"{low:g} " + "".join(_BARS[int(np.ceil(8 * n / top))] for n in counts) + f" {high:g}"


def _listed(columns: NDArray[np.integer], most: int = 8) -> str:
    more = f" and {len(columns) - most} more" if len(columns) > most else ""
    return ", ".join(map(str, columns[:most])) + more


def _counts(corpus: Corpus) -> dict[str, int]:
    return {name: len(split) for name, split in corpus.splits.items()}
