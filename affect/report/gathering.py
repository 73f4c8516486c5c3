"""What lies in the folders of benches, searches and runs -> what a report shows."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pandas as pd

from affect import renamed
from affect.benchmark.bench import COMPARISONS, NOTES, SUMMARY
from affect.data.sources import load as load_corpus
from affect.errors import AffectError
from affect.files import real
from affect.report.contents import Contents
from affect.results import Answers, compare, costs, gather, summarise
from affect.retrieval import summarise as summarise_searches
from affect.retrieval.runs import stored_searches
from affect.robustness.runs import TABLE, stored_sweeps
from affect.runs import FinishedRun, find
from affect.runs.configuration import READING
from affect.runs.explained import stored_importances
from affect.runs.finding import RUNS, notes_of_bench, table_of_bench
from affect.runs.studies import SEARCH, StoredStudy, open_study
from affect.training.saving import DONE

logger = logging.getLogger(__name__)


def gather_contents(folders: Iterable[str | Path], title: str = "") -> Contents:
    """Everything that is known of the runs and searches in some folders.

    Tables that a bench left are read; of other runs they are made.

    Args:
        folders: of benches, searches or runs.
        title: the report's; the folders' names by default.
    Raises:
        DataError: there is neither a finished run nor a search, or there are two runs of the same corpus,
            target, model, seed and fold.
    """
    places = [real(folder) for folder in folders]
    title, searches = title or ", ".join(place.name for place in places), _searches(places)
    if searches and not any(any(place.rglob(DONE)) for place in places):
        return Contents(title, pd.DataFrame(), [], searches=searches)
    return replace(_of_runs(find(places), places, title), searches=searches)


def _searches(places: Iterable[Path]) -> list[StoredStudy]:
    """The searches in or below the folders, in their order and then by path."""
    files = [file for place in places for file in sorted(place.rglob(SEARCH))]
    return [open_study(folder) for folder in dict.fromkeys(file.parent for file in files)]


def _of_runs(runs: list[FinishedRun], places: list[Path], title: str) -> Contents:
    answers = gather(runs)
    benches = [place for place in places if _is_bench(place)]
    alone = [run for run in runs if not any(real(run.folder).is_relative_to(b) for b in benches)]
    rest = gather(alone) if benches else answers
    summaries, pairs = ([table_of_bench(b, name) for b in benches] for name in (SUMMARY, COMPARISONS))
    notes = [note for b in benches for note in notes_of_bench(b, NOTES)]
    notes += [
        f"{bench}: its tables are of an older release, whose verdicts are for the seeds that were run "
        "alone; affect bench makes them anew from the same runs"
        for bench, summary in zip(benches, summaries, strict=True)
        if "one_seed" not in summary
    ]
    return contents_of(
        title,
        answers,
        pd.concat([*summaries, summarise(rest)], ignore_index=True),
        pd.concat([*pairs, compare(rest)], ignore_index=True),
        notes,
    )


def _is_bench(place: Path) -> bool:
    """Whether tables of a bench lie in a folder; one of a sweep adds nothing, and a log line says so."""
    if (place / RUNS).exists():
        return True
    if (place / TABLE).exists():
        logger.warning("%s: tables of a sweep; shown are the sweeps of the runs that are given", place)
        return False
    return (place / SUMMARY).exists()


def contents_of(
    title: str,
    answers: list[Answers],
    summary: pd.DataFrame,
    comparisons: pd.DataFrame,
    notes: Iterable[str] = (),
) -> Contents:
    """Tables, and what the runs behind them have to say beside.

    Args:
        title: the report's.
        answers: the predictions of the models.
        summary: as in `Contents`.
        comparisons: the same.
        notes: beside those of the corpora.
    """
    runs = [run for own in answers for run in own.runs]
    of_corpora = [note for run in runs for note in run.facts["corpus"]["notes"]]
    of_corpora += [
        f"The stage '{stage}' learned from {corpus['name']}. {' '.join(corpus['notes'])}".strip()
        for run in runs
        for stage, corpus in run.facts.get("stage_corpora", {}).items()
    ]
    return Contents(
        title=title,
        summary=summary,
        answers=answers,
        comparisons=comparisons,
        costs=costs(runs),
        robustness=stored_sweeps(runs),
        retrieval=summarise_searches(stored_searches(runs)),
        importances=stored_importances(runs),
        transcripts=_transcripts(answers),
        notes=tuple(dict.fromkeys([*of_corpora, *notes])),
    )


def _transcripts(answers: Iterable[Answers]) -> dict[str, str]:
    """What was said in each sample, where the corpus is still where it was and has words."""
    found: dict[str, str] = {}
    runs = [run for own in answers for run in own.runs]
    for source, content in {run.content["corpus"]: run.content for run in runs}.items():
        if content.get("reader"):  # a report executes nobody's code
            continue
        reading = {key: content[key] for key in READING if key in content and key != "tokens"}
        try:
            corpus = load_corpus(source, **reading)
        except AffectError:  # moved or deleted since: a report needs it for nothing else
            continue
        for split in corpus.splits.values():
            if split.words is not None:
                found |= {i: " ".join(split.words[place]) for place, i in enumerate(split.ids)}
    return found


__getattr__ = renamed.names(__name__, {"gathered": "gather_contents"})
