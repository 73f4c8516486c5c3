"""The picture of all models' intervals, drawn without plotly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from affect import metrics
from affect.report.captions import intervals_of, sentences, setting_of
from affect.report.records import number


def interval_picture(summary: pd.DataFrame) -> dict[str, object]:
    """Places, in percent of the width, of the first metric's means and intervals, and what is said of them.

    Args:
        summary: of one corpus and target.
    """
    metric = str(summary["metric"].iloc[0])
    rises = metrics.higher_is_better(metric)
    rows = summary[(summary["metric"] == metric) & summary["mean"].notna()].sort_values(
        "mean", ascending=not rises, kind="stable"
    )
    rows = rows.assign(floor=rows["floor"].max(), ceiling=rows["ceiling"].max())
    where = rows[["mean", "low", "high", "floor", "ceiling"]]
    low, high = float(where.min().min()), float(where.max().max())

    def place(value: Any) -> Any:
        return (value - low) / ((high - low) or 1) * 96 + 2

    base = 10 ** np.floor(np.log10((high - low) or 1))
    step = next(base * part for part in (0.2, 0.5, 1, 2) if high - low <= 8 * base * part)
    ticks = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
    marks = place(where).assign(model=rows["model"], value=rows["mean"], published=rows["count"].isna())
    better = f"{'larger' if rises else 'smaller'} is better"
    dashed = ["best constant prediction"] if rows["floor"].notna().any() else []
    dashed += ["best possible value"] if rows["ceiling"].notna().any() else []
    published = bool(rows["count"].isna().any())
    keys = [("mean", "mean over seeds, with its 95% interval")]
    keys += [("edge", " and ".join(dashed))] if dashed else []
    keys += [("published", "published")] if published else []
    told = [better, "dots: means over seeds"]
    told += [f"dashed: {' and '.join(dashed)}"] if dashed else []
    told += ["hollow: published"] if published else []
    return {
        "metric": metric,
        "better": better,
        "keys": keys,
        "caption": f"{setting_of(summary, metric)}. {sentences(told)} {intervals_of(summary)}",
        "marks": [{key: number(x) for key, x in row.items()} for row in marks.to_dict("records")],
        "ticks": [(place(tick), f"{tick + 0.0:.6g}") for tick in ticks],
        "published": published,
    }
