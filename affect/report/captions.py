"""What stands below figures and tables, so that they can stand in a paper."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from affect.results.tables import notes_of

BOLD = "bold: the best mean"
"""What stands below a table without ties."""


def setting(corpus: str, target: str, split: str, labels: float, seeds: Iterable[float]) -> str:
    """What was measured on, and how often.

    Args:
        corpus: its name.
        target: the same.
        split: the same.
        labels: of the split.
        seeds: of each model; none where they are not known.
    Example:
        >>> setting("mosi", "sentiment", "test", 686, [5, 3])
        'mosi · sentiment, test split, n = 686 labels, 3 to 5 seeds of each model'
    """
    parts = [f"{corpus} · {target}", f"{split} split", f"n = {labels:,.0f} labels"]
    if known := sorted({int(count) for count in seeds if count > 0}):
        few, most = known[0], known[-1]
        number = f"{few}" if few == most else f"{few} to {most}"
        parts.append(f"{number} {'seed' if most == 1 else 'seeds'} of each model")
    return ", ".join(parts)


def setting_of(summary: pd.DataFrame, metric: str = "") -> str:
    """The setting of a summary's rows.

    Args:
        summary: of one corpus and target.
        metric: whose labels are counted; those of all by default.
    """
    rows = summary[summary["count"].notna()]
    labels = rows.loc[rows["metric"] == metric, "count"] if metric else rows["count"]
    corpus, target = (str(rows[name].iloc[0]) for name in ("corpus", "target"))
    return setting(corpus, target, "test", labels.max(), rows.get("seeds", ()))


def intervals_of(summary: pd.DataFrame) -> str:
    """What the intervals of a summary are for, as sentences.

    Args:
        summary: of one corpus and target.
    """
    alone = "one_seed" in summary and summary["one_seed"].eq(True).any()
    text = "95% intervals are for a new seed on new samples"
    text += "; of a model with one seed, for its weights on new samples" if alone else ""
    return sentences([text, *notes_of(summary)])


def table_caption(summary: pd.DataFrame, legend: str = "") -> str:
    """What a table of a summary shows.

    Args:
        summary: of one corpus and target.
        legend: what bold and underlined mean, where any cell is so.
    """
    told = [
        f"results on {setting_of(summary)}",
        "mean ± standard deviation over seeds [95% interval]",
        legend,
    ]
    return f"{sentences(told)} {intervals_of(summary)}"


def sentences(parts: Iterable[str]) -> str:
    """Parts of a caption, each as a sentence.

    Example:
        >>> sentences(["bold: the best", ""])
        'Bold: the best.'
    """
    return " ".join(f"{part[0].upper()}{part[1:]}." for part in parts if part)
