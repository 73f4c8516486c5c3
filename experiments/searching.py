"""What a search is worth: against random search, and with and without stopping what is worse.

python -m experiments.searching interaction    TPE against random search, the same budget
python -m experiments.searching mosi_words     50 trials by two workers, with and without pruning

`interaction` does each search alone with one worker, two searches at a time, so that a seed says all. The
second times whole searches; nothing else should run beside it. Searches are kept under `--out` and are not
done twice.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import affect
from affect.report import frame_table, markdown
from affect.studies import trials_table
from affect.tuning import tune
from affect.workers import processes, work

HERE = Path(__file__).parent
SAMPLERS = {"TPE": None, "random": "RandomSampler"}


def searched(name: str, folder: Path, trials: int, workers: int | None, **changes: Any) -> dict[str, Any]:
    """What a search came to; one that was done before is read from its folder."""
    found = tune(
        HERE / "searches" / f"{name}.yaml", folder, trials=trials, workers=workers, quiet=True, **changes
    )
    table, every = trials_table(found.study), found.study.trials
    last = max(trial.datetime_complete for trial in every if trial.datetime_complete is not None)
    return {
        "best": found.study.best_value,
        "found": next(iter(found.chosen)),
        "default": every[0].value,
        "epochs": int(table["epochs"].sum()),
        "trials": len(table),
        "stopped": int((table["state"] == "pruned").sum()),
        "minutes": (last - every[0].datetime_start).total_seconds() / 60,
        "summary": found.summary.set_index(["metric", "model"]),
    }


def interaction(out: Path, repeats: int) -> str:
    """TPE against random search."""
    import joblib

    asked = [(sampler, repeat) for repeat in range(repeats) for sampler in SAMPLERS]
    with processes(2):
        found = work(
            joblib.delayed(searched)(
                "interaction", out / f"{sampler}-{repeat}", 40, None, sampler=SAMPLERS[sampler], seed=repeat
            )
            for sampler, repeat in asked
        )
    ceiling = affect.load("synthetic:interaction").ceiling["pearson"]
    rows = []
    for (sampler, repeat), own in zip(asked, found, strict=True):
        tested = own["summary"].loc[("pearson", own["found"]), "mean"]
        rows.append({"search": sampler, "repeat": repeat, "tested": tested, **own})
    table = pd.DataFrame(rows)
    lines = []
    for sampler, own in table.groupby("search", sort=False):
        lines.append(
            {
                "search": sampler,
                "best r on validation": spread_of(own["best"]),
                "its r on test, five fresh seeds": spread_of(own["tested"]),
                "share of the best possible": spread_of(own["tested"] / ceiling),
                "epochs": f"{own['epochs'].median():,.0f}",
                "stopped early": f"{own['stopped'].median():.0f} of {own['trials'].median():.0f}",
            }
        )
    pairs = table.pivot_table(index="repeat", columns="search", values="best")
    wins = int((pairs["TPE"] > pairs["random"]).sum())
    note = f"TPE is ahead on validation in {wins} of {repeats} repeats. The best possible r is {ceiling:.3f}."
    return f"{markdown([frame_table(pd.DataFrame(lines), 'synthetic:interaction')])}\n{note}"


def spread_of(values: Iterable[float]) -> str:
    """The median, and the ends."""
    own = np.array([*values])
    return f"{np.median(own):.4f} [{own.min():.4f}, {own.max():.4f}]"


PRUNING: dict[str, dict[str, Any]] = {
    "median pruner and racing": {},
    "racing alone": {"pruner": "NopPruner"},
    "every epoch of every seed": {"pruner": "NopPruner", "racing": 0.0},
}


def mosi_words(out: Path, kinds: Iterable[str]) -> str:
    """Fifty trials by two workers, with and without pruning."""
    rows = []
    for kind in kinds:
        own = searched("mosi_words", out / kind.replace(" ", "-"), 50, 2, **PRUNING[kind])
        said = {
            model: f"{row['mean']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
            for model, row in own["summary"].loc["mae"].iterrows()
        }
        rows.append(
            {
                "search": kind,
                "MAE on validation, default": f"{own['default']:.4f}",
                "best": f"{own['best']:.4f}",
                "epochs": f"{own['epochs']:,}",
                "stopped early": f"{own['stopped']} of {own['trials']}",
                "minutes": f"{own['minutes']:.1f}",
                "MAE on test, default": said["default"],
                "found": said[own["found"]],
            }
        )
    return markdown([frame_table(pd.DataFrame(rows), "mosi_words")])


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("interaction", "mosi_words"))
    parser.add_argument("--repeats", type=int, default=5, help="of `interaction` (default: 5)")
    parser.add_argument("--kinds", nargs="+", default=[*PRUNING], choices=[*PRUNING], help="of `mosi_words`")
    parser.add_argument("--out", type=Path, default=Path("results/searching"), help="where searches are kept")
    args = parser.parse_args()
    out = args.out / args.what
    print(interaction(out, args.repeats) if args.what == "interaction" else mosi_words(out, args.kinds))


if __name__ == "__main__":
    main()
