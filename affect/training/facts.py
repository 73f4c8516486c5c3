"""What `run.json` says of a run, of a torch model and of a baseline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from affect import metrics
from affect.data import targets
from affect.data.corpus import Corpus
from affect.data.targets import Target
from affect.training.matching import shape_of


def facts_of(
    corpus: Corpus,
    target: Target,
    modalities: Iterable[str],
    *,
    name: str,
    seed: int,
    fold: int,
    scaled: Iterable[str] | None = None,
) -> dict[str, Any]:
    """Which run it is, of what, and what it takes to make its model again.

    Args:
        corpus: that it learned from.
        target: what it predicts.
        modalities: that it reads.
        name: the model's name in tables.
        seed: what it drew from.
        fold: which fold was its test split.
        scaled: the modalities that its scaler is for; None where it has no weights.
    """
    return {
        "name": name,
        "seed": seed,
        "fold": fold,
        "shape": {
            **shape_of(corpus, modalities),
            "target": targets.to_json(target),
            **({} if scaled is None else {"scaled": sorted(scaled)}),
        },
        "metrics": metrics.own_to_json(target),
        "corpus": {
            **corpus_facts(corpus),
            "ceiling": corpus.ceiling if corpus.main in ("", target.name) else {},
        },
    }


def corpus_facts(corpus: Corpus) -> dict[str, Any]:
    """Which corpus was learned from, and whom to cite.

    Args:
        corpus: that was learned from.
    """
    return {"name": corpus.name, "notes": corpus.notes, "citation": corpus.citation, "sha256": None}


def learning_facts(best_epoch: int, monitor: str, seconds: float, costs: Mapping[str, Any]) -> dict[str, Any]:
    """What came of training a torch model.

    Args:
        best_epoch: as in `affect.training.Run`.
        monitor: the same.
        seconds: the same.
        costs: as `affect.runs.costs` has them, as far as they are known.
    """
    return {
        "best_epoch": best_epoch,
        "chosen_by": f"{monitor} on valid",
        "seconds": seconds,
        "costs": dict(costs),
    }
