"""What models cost, side by side."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from affect.runs import FinishedRun
from affect.runs.costs import COSTS


def costs(runs: Iterable[FinishedRun]) -> pd.DataFrame:
    """One row per corpus, target and model: medians over its runs; NaN for what a baseline does not have.

    Times are those of the machine that the runs were on, beside whatever else it did.

    Args:
        runs: finished ones.
    Example:
        >>> costs([]).columns.tolist()[:3]
        ['corpus', 'target', 'model']
    """
    rows = [
        {"corpus": run.facts["corpus"]["name"], "target": run.target.name, "model": run.name}
        | {name: run.facts.get("costs", {}).get(name) for name in COSTS}
        for run in runs
    ]
    whose = ["corpus", "target", "model"]
    table = pd.DataFrame(rows, columns=[*whose, *COSTS]).astype(dict.fromkeys(COSTS, float))
    return table.groupby(whose, sort=False, as_index=False).median()
