"""What stands below figures and tables, so that they can stand in a paper."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from affect.robustness.summary import Comparison

BOLD = "bold: the best mean"
"""What stands below a table without ties."""


def setting(corpus: str, target: str, seeds: Iterable[float], *parts: str) -> str:
    """What was measured on, and how often, in brackets.

    Args:
        corpus: its name.
        target: the same.
        seeds: of each model; none where they are not known.
        parts: what else is to be said.
    Example:
        >>> setting("mosi", "sentiment", [5, 3], "test split")
        '(mosi · sentiment, test split, 3 to 5 seeds of each model)'
    """
    found = [f"{corpus} · {target}", *parts]
    if known := sorted({int(count) for count in seeds if count > 0}):
        few, most = known[0], known[-1]
        number = f"{few}" if few == most else f"{few} to {most}"
        found.append(f"{number} {'seed' if most == 1 else 'seeds'} of each model")
    return f"({', '.join(found)})"


def setting_of(summary: pd.DataFrame, metric: str = "") -> str:
    """The setting of a summary's rows.

    Args:
        summary: of one corpus and target.
        metric: whose labels are counted; those of all by default.
    """
    rows = summary[summary["count"].notna()]
    labels = rows.loc[rows["metric"] == metric, "count"] if metric else rows["count"]
    corpus, target = (str(rows[name].iloc[0]) for name in ("corpus", "target"))
    return setting(corpus, target, rows.get("seeds", ()), "test split", f"n = {labels.max():,.0f} labels")


def setting_of_sweeps(compared: Comparison) -> str:
    """The setting of sweeps.

    Args:
        compared: the models side by side.
    """
    parts = (f"{compared.split} split", f"n = {compared.labels:,} labels")
    return setting(compared.corpus, compared.target.name, compared.seeds.values(), *parts)


def intervals_of(summary: pd.DataFrame) -> str:
    """What the intervals of a summary are for, as a sentence.

    Args:
        summary: of one corpus and target.
    """

    def so(key: str) -> bool:
        return key in summary and bool(summary[key].eq(True).any())

    new = (
        "new groups of samples (videos, speakers), which were drawn whole"
        if so("by_group")
        else "new samples"
    )
    alone = "; of a model with one seed, for its weights alone" if so("one_seed") else ""
    return f"95% intervals are for a new seed on {new}{alone}."


def table_caption(summary: pd.DataFrame, legend: str = "") -> str:
    """What a table of a summary shows.

    Args:
        summary: of one corpus and target.
        legend: what bold and underlined mean, where any cell is so.
    """
    told = [
        f"results {setting_of(summary)}",
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
