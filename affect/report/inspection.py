"""What a corpus holds, as tables for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
from rich.table import Table

from affect.data.corpus import Corpus, Split
from affect.data.ragged import Ragged
from affect.data.scaling import nonfinite_counts
from affect.data.targets import Regression, Target


def describe(corpus: Corpus) -> Iterator[Table | str]:
    """Splits, modalities, targets, and warnings about what would spoil results."""
    form = "aligned" if corpus.aligned else "unaligned"
    yield f"[bold]{corpus.name}[/bold], {form}"
    yield from corpus.notes
    if corpus.ceiling:
        yield "best possible: " + ", ".join(f"{name} {value:.3f}" for name, value in corpus.ceiling.items())
    yield _splits(corpus)
    yield _modalities(corpus)
    yield _targets(corpus)
    for warning in warnings(corpus):
        yield f"[yellow]warning:[/yellow] {warning}"


def warnings(corpus: Corpus) -> Iterator[str]:
    """What would spoil results: values that are not finite, constant columns, ids and groups on two sides."""
    for name, split in corpus.splits.items():
        twice = [i for i, count in Counter(split.ids).items() if count > 1]
        if twice:
            yield f"{name}: {len(twice)} ids occur more than once, the first is {twice[0]}"
        for modality, rows in split.modalities.items():
            bad = nonfinite_counts(rows)
            if bad.any():
                columns = ", ".join(map(str, np.flatnonzero(bad)[:8]))
                yield f"{name}, {modality}: {bad.sum()} NaN or infinite values in columns {columns}"
            constant = _constant_columns(rows)
            if constant:
                yield f"{name}, {modality}: {constant} of {rows.dim} columns are constant"
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
    table = Table("split", "samples", "groups", "words", title="splits", title_justify="left")
    for name, split in corpus.splits.items():
        groups = "" if split.groups is None else str(len(set(split.groups)))
        words = "" if split.words is None else f"{split.words.total:,}"
        table.add_row(name, f"{len(split):,}", groups, words)
    return table


def _modalities(corpus: Corpus) -> Table:
    heads = (
        "modality",
        "split",
        "features",
        "steps: min / median / max",
        "unobserved",
        "absent",
        "not finite",
    )
    table = Table(*heads, title="modalities", title_justify="left")
    for modality in corpus.dims:
        for name, split in corpus.splits.items():
            rows = split.modalities[modality]
            there = rows.lengths[rows.lengths > 0]
            quantiles = (
                " / ".join(f"{q:.0f}" for q in np.percentile(there, [0, 50, 100])) if there.size else "none"
            )
            seen = rows.observed[rows.index]
            holes = f"{1 - seen.mean():.1%}" if seen.size else ""
            absent, bad = int((~rows.present).sum()), int(nonfinite_counts(rows).sum())
            table.add_row(modality, name, str(rows.dim), quantiles, holes, str(absent), f"{bad:,}")
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
        low, mean, high = labels.min(), labels.mean(), labels.max()
        return f"{len(labels):,}", f"{low:.2f} to {high:.2f}, mean {mean:.2f}, deviation {labels.std():.2f}"
    classes = getattr(target, "classes", ())
    if target.size > 1:
        shares = dict(zip(classes, labels.mean(0), strict=True))
    else:
        names = classes or ("no", "yes")
        shares = {names[int(c)]: float((labels == c).mean()) for c in np.unique(labels)}
    return f"{len(labels):,}", ", ".join(f"{name} {share:.1%}" for name, share in shares.items())


def _constant_columns(rows: Ragged) -> int:
    low, high = np.full(rows.dim, np.inf), np.full(rows.dim, -np.inf)
    for block in rows.chunks():
        low = np.minimum(low, block.min(0, initial=np.inf))
        high = np.maximum(high, block.max(0, initial=-np.inf))
    return int((low == high).sum())
