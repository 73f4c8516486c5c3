"""What a corpus holds, for the terminal, and what in it would spoil results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.markup import escape

from affect.data.corpora import CORPORA, identify, published_file
from affect.data.corpus import Corpus, Split
from affect.data.leaks import leaks
from affect.data.quality import Columns, empty_samples_notes, empty_steps, lag, sha256
from affect.data.targets import Regression, Target
from affect.report.lines import Lines, plain
from affect.report.overview import overview


def describe(corpus: Corpus, path: Path | None = None) -> Iterator[Lines | str]:
    """Splits, modalities, targets, and warnings about what would spoil results.

    Args:
        corpus: what was read.
        path: the file that it was read from, for its checksum.
    """
    form = "aligned" if corpus.aligned else "unaligned"
    yield f"[bold]{escape(plain(corpus.name))}[/bold], {form}"
    warned = empty_samples_notes(corpus.splits)
    for note in corpus.notes:
        if note not in warned:
            yield f"[cyan]note:[/cyan] {escape(plain(note))}"
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
    yield from overview(corpus, columns)
    for number, warning in enumerate(warnings(corpus, columns)):
        yield ("" if number else "\n") + f"[yellow]warning:[/yellow] {escape(plain(warning))}"


def warnings(corpus: Corpus, columns: dict[tuple[str, str], Columns]) -> Iterator[str]:
    """What would spoil results, a sentence each; `columns` by split and modality."""
    public = CORPORA.get(identify(corpus.splits))
    if public and corpus.targets and public.splits and _counts(corpus) != public.splits:
        expected = ", ".join(f"{name} {count:,}" for name, count in public.splits.items())
        yield f"not the counts published for {public.title} ({expected}): figures are not comparable"
    yield from _leaking(corpus)
    yield from (note.removesuffix(".") for note in empty_samples_notes(corpus.splits))
    for name, split in corpus.splits.items():
        twice = [i for i, count in Counter(split.ids).items() if count > 1]
        if twice:
            occur = "id occurs" if len(twice) == 1 else "ids occur"
            yield f"{name}: {len(twice)} {occur} more than once, the first is {twice[0]}"
        for modality, rows in split.modalities.items():
            called = corpus.columns.get(modality, ())
            found = columns[name, modality]
            yield from _spoiled(f"{name}, {modality}", found, called, empty_steps(rows), rows.total)
        places = 0 if split.words is None else lag(split.words)
        if places:
            yield (
                f"{name}: the words seem to stand {abs(places)} place {'before' if places > 0 else 'behind'} "
                "their times, since their lengths fit the neighbours' durations: the file is shifted"
            )
        for target in corpus.targets.values():
            yield from _mislabelled(name, split, target)
    yield from _shared(corpus)


def _leaking(corpus: Corpus) -> Iterator[str]:
    """Columns that give a target away, those that do it alike together."""
    alike: dict[tuple[Any, ...], list[int]] = {}
    for leak in leaks(corpus):
        key = leak.modality, leak.target, leak.equal, tuple(leak.splits.items())
        alike.setdefault(key, []).append(leak.column)
    for (modality, target, equal, splits), places in alike.items():
        several = len(places) > 1
        verb = ("equal" if several else "equals") if equal else ("give away" if several else "gives away")
        where = ", ".join(f"{name} ({count:,} labels)" for name, count in splits)
        why = "the label is among the features" if equal else "is the one made of the other?"
        yield (
            f"{modality}: column{'s' if several else ''} "
            f"{_listed(np.array(places), corpus.columns.get(modality, ()))} {verb} the target '{target}' in "
            f"{where}: {why}"
        )


def _spoiled(where: str, columns: Columns, names: tuple[str, ...], empty: int, steps: int) -> Iterator[str]:
    for kind, counts in (("NaN", columns.nan), ("infinite", columns.infinite - columns.beyond)):
        if counts.any():
            listed = _listed(np.flatnonzero(counts), names)
            yield f"{where}: {counts.sum():,} {kind} values, in columns {listed}"
    if columns.beyond.any():
        yield (
            f"{where}: {columns.beyond.sum():,} values are beyond what float32 holds and count as infinite, "
            f"in columns {_listed(np.flatnonzero(columns.beyond), names)}"
        )
    if columns.constant.any():
        yield (
            f"{where}: {columns.constant.sum()} of {len(columns.low)} columns are constant: "
            f"{_listed(np.flatnonzero(columns.constant), names)}"
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


def _listed(columns: NDArray[np.integer], names: tuple[str, ...], most: int = 8) -> str:
    """Columns by number, and by name where they have one."""
    more = f" and {len(columns) - most} more" if len(columns) > most else ""
    return ", ".join(f"{i} ({names[i]})" if names else str(i) for i in columns[:most]) + more


def _counts(corpus: Corpus) -> dict[str, int]:
    return {name: len(split) for name, split in corpus.splits.items()}
