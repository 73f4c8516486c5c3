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
import optuna
import pandas as pd
from optuna.trial import TrialState

import affect
from affect.report import frame_table, markdown
from affect.runs.studies import EPOCHS, SEEDS, quietly, trials_table
from affect.tuning import lost, task_of, tune
from affect.tuning.working import pruner_of
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
        "study": found.study,
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
    "every epoch of every seed": {"pruner": "NopPruner", "racing": 0.0},
}
REPLAYED: dict[str, Any] = {
    "median pruner and racing": None,
    "racing alone": "NopPruner",
    "median after 3 epochs": {
        "class_path": "MedianPruner",
        "init_args": {"n_startup_trials": 5, "n_warmup_steps": 2},
    },
}


def mosi_words(out: Path) -> str:
    """Fifty trials by two workers, with and without pruning; and what pruning does to the same trials."""
    rows = []
    for kind, changes in PRUNING.items():
        own = searched("mosi_words", out / kind.replace(" ", "-"), 50, 2, **changes)
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
    again = []
    for kind, pruner in REPLAYED.items():
        spent, all_of_them, best, stopped = replayed(own["study"], pruner)
        again.append(
            {
                "the trials of the second search, stopped by": kind,
                "epochs": f"{spent:,} of {all_of_them:,}",
                "saved": f"{1 - spent / all_of_them:.0%}",
                "stopped early": f"{stopped} of {len(own['study'].trials)}",
                "best": f"{best:.4f}",
            }
        )
    return markdown([frame_table(pd.DataFrame(own), "mosi_words") for own in (rows, again)])


def replayed(study: optuna.Study, pruner: Any) -> tuple[int, int, float, int]:
    """What a pruner and a race would have made of a search that stopped nothing.

    A trial reports each epoch of its first seed, and stands at its best where that ended by itself, after its
    patience. What its later seeds took is known together, and shared out evenly.

    Args:
        study: of a search in which every trial was trained with all seeds.
        pruner: as a section `search` names it; the default where it is None.
    Returns:
        epochs spent, epochs of all trials, the best value that is left, and how many trials were stopped.
    """
    task = task_of(HERE / "searches" / "mosi_words.yaml", pruner=pruner)
    seeds, limit, patience = task.search.seeds, task.epochs, task.content["training"]["patience"]
    spent, all_of_them, known = 0.0, 0, list[list[float]]()
    with quietly():
        again = optuna.create_study(direction="minimize", pruner=pruner_of(task.search, limit))
        for trial in study.trials:
            told = np.array([trial.intermediate_values[epoch] for epoch in range(limit)])
            changed = np.flatnonzero(np.diff(told))
            first = min(limit, (changed[-1] + 1 if len(changed) else 0) + patience + 1)
            rest = (trial.user_attrs[EPOCHS] - first) / (len(seeds) - 1)
            all_of_them += trial.user_attrs[EPOCHS]
            values = np.ravel(trial.user_attrs[SEEDS])
            own, over = again.ask(), False
            for epoch in range(limit):
                own.report(told[epoch], epoch)
                spent += epoch < first
                if over := epoch < first and own.should_prune():
                    break
            for place in range(1, len(seeds)):
                if not over:
                    own.report(float(values[:place].mean()), limit + place - 1)
                    over = own.should_prune() or lost(-values[:place], [[-x for x in row] for row in known])
                    spent += 0 if over else rest
            if over:
                again.tell(own, state=TrialState.PRUNED)
            else:
                known.append([*values])
                again.tell(own, float(values.mean()))
    return round(spent), all_of_them, again.best_value, len(study.trials) - len(known)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("interaction", "mosi_words"))
    parser.add_argument("--repeats", type=int, default=5, help="of `interaction` (default: 5)")
    parser.add_argument("--out", type=Path, default=Path("results/searching"), help="where searches are kept")
    args = parser.parse_args()
    out = args.out / args.what
    print(interaction(out, args.repeats) if args.what == "interaction" else mosi_words(out))


if __name__ == "__main__":
    main()
