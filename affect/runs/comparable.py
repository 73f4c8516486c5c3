"""Which runs may stand in one table: those of one content of a corpus, and under each name one setting."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

from affect.classes.sources import changed_files
from affect.data.contents import kept_digest
from affect.errors import DataError, few
from affect.runs.configuration import READING
from affect.runs.finished import FinishedRun
from affect.runs.making import filled
from affect.runs.sameness import differences
from affect.runs.staged import last_part, named_corpora, renamed_corpora
from affect.training.saving import CONFIG

logger = logging.getLogger(__name__)


def check_comparable(runs: Iterable[FinishedRun]) -> None:
    """Refuse runs of which no table can be made.

    No two may be made from different contents of one path; and no two of one corpus, target and name may be
    made otherwise, as a mean over them is of no model: of another configuration, of user modules that were
    edited, of a corpus with other content, or from another teacher or other first weights. Seeds, folders and
    what changes no figure are not compared, nor what an older release did not write. Where each seed has a
    corpus of its own (`{seed}` in its path), the contents of one seed's are. Models of different names whose
    corpora share a name and have other content are compared, with a log line.

    Args:
        runs: finished ones.
    Raises:
        DataError: as said; the runs are named.
    Example:
        >>> check_comparable([])
    """
    runs = list(runs)
    _check_contents(runs)
    lots: dict[tuple[str, str], list[FinishedRun]] = {}
    for run in runs:
        lots.setdefault((run.facts["corpus"]["name"], run.target.name), []).append(run)
    for (corpus, _), lot in lots.items():
        _check_settings(lot)
        contents: dict[Any, dict[str, Path]] = {}
        for run in lot:
            if (held := _content(run)) is not None:
                contents.setdefault(_own_seed(run), {})[held] = run.folder
        for (held, folder), (other, elsewhere) in (
            two for own in contents.values() for two in pairwise(own.items())
        ):
            logger.warning(
                "%s: runs were made from corpora of this name that differ: SHA-256 %s in %s, %s in %s",
                corpus, held[:8], folder, other[:8], elsewhere,
            )  # fmt: skip


def _content(run: FinishedRun) -> str | None:
    """What the corpus of a run held."""
    facts = run.facts["corpus"]
    return kept_digest(facts, "" if "content" in facts else run.content["corpus"])


def _own_seed(run: FinishedRun) -> tuple[str, int] | None:
    """The path and the seed of a run's corpus, where each seed has its own; none where all have one."""
    named = run.facts["corpus"].get("by_seed")
    return None if named is None else (named, run.seed)


def _of_stages(run: FinishedRun) -> dict[str, Any]:
    """What the corpora held that stages of a run alone have learned from."""
    return {stage: own.get("content") for stage, own in run.facts.get("stage_corpora", {}).items()}


def _check_contents(runs: list[FinishedRun]) -> None:
    if (
        not any(map(_of_stages, runs))
        and len({run.facts["corpus"].get("content") for run in runs} - {None}) == 1
        and all("content" in run.facts["corpus"] for run in runs)
    ):
        return  # whatever their paths
    contents: dict[str, dict[str, list[str]]] = {}
    for run in runs:
        if (held := _content(run)) is not None:
            contents.setdefault(run.content["corpus"], {}).setdefault(held, []).append(str(run.folder))
        named = named_corpora(run.content) if _of_stages(run) else {}
        for stage, held in _of_stages(run).items():
            if held is not None:
                contents.setdefault(named[stage], {}).setdefault(held, []).append(str(run.folder))
    for corpus, found in contents.items():
        if len(found) > 1:
            said = "; ".join(f"SHA-256 {held[:8]}: {few(own)}" for held, own in found.items())
            raise DataError(
                f"{corpus}: the runs were made from {len(found)} contents of it ({said}); make them again "
                "from one (affect train and affect bench do where the content has changed), or leave some out"
            )


def _check_settings(runs: Iterable[FinishedRun]) -> None:
    first: dict[str, tuple[FinishedRun, bytes]] = {}
    learned: dict[tuple[str, str], tuple[FinishedRun, Any]] = {}
    same_corpus: dict[tuple[str, tuple[str, int]], FinishedRun] = {}
    for run in runs:
        if "modules" not in run.facts:  # of a release that stated what the user wrote
            continue
        text = _SEEDS.sub(b"", run.manifest.read(CONFIG))
        other, known = first.setdefault(run.name, (run, text))
        found = [] if text == known else differences(*_stated(other, run))
        found += changed_files(*(one.facts["modules"] or {} for one in (other, run)))
        beside, own = other, _own_seed(run)
        if own is not None and own[0] == other.facts["corpus"].get("by_seed"):
            beside = same_corpus.setdefault((run.name, own), run)
        if _content(beside) != _content(run) and None not in (_content(beside), _content(run)):
            other = other if found else beside
            found.append("the corpus has other content")
        found += [
            f"the corpus of the stage '{stage}' has other content"
            for stage, held in _of_stages(run).items()
            if None not in (held, was := _of_stages(other).get(stage)) and held != was
        ]
        for key, place, weights in _learned_from(run):
            before, theirs = learned.setdefault((run.name, f"{key} {place}"), (run, weights))
            if theirs != weights and not found:
                other, found = before, [f"{key}: {place} was made anew"]
        if found:
            raise DataError(
                f"{run.folder}: made in another setting than {other.folder}, and both are called "
                f"'{run.name}' ({few(found)}); compare them under names of their own, or leave one out"
            )


_SEEDS = re.compile(rb"^seeds:\n(- \d+\n)+", re.MULTILINE)
_SETTINGS = ("model", "training", "objective", "learner", "terms", "stages", "folds", "valid_share", *READING)
_MACHINE = ("accelerator", "devices", "strategy")
_OTHERS = ("teacher", "init")


def _stated(one: FinishedRun, other: FinishedRun) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings of two runs; of two releases, as far as both state them."""
    made = [run.facts.get("ran_on") or {} for run in (one, other)]
    releases = {(facts.get("affect"), facts.get("affect_commit")) for facts in made}
    settings = _settings(one), _settings(other)
    return settings if len(releases) == 1 else _shared(*settings)


def _settings(run: FinishedRun) -> dict[str, Any]:
    """What a model is and learned with, wherever that was."""
    content = run.content
    kept = {key: content[key] for key in _SETTINGS if key in content}
    training = {key: x for key, x in (kept.get("training") or {}).items() if key not in _MACHINE}
    others = {key: content[key] and _end(content[key]) for key in _OTHERS if key in content}
    return {**kept, "training": training, **others, **renamed_corpora(kept, last_part)}


def _learned_from(run: FinishedRun) -> Iterator[tuple[str, str, Any]]:
    """The runs that one learned from: the key, where it is, and the digest of its weights."""
    for key, weights in (run.facts.get("learned_from") or {}).items():
        if weights is not None and run.content.get(key):
            yield key, filled(_end(run.content[key]), run.seed, run.fold), weights


def _end(folder: str) -> str:
    """The end of a run's path, which stays where all are moved to another machine."""
    return "/".join(PurePosixPath(folder.replace("\\", "/")).parts[-2:])


def _shared(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two settings, as far as both state them."""
    keys = [key for key in one if key in other]
    inner = {
        key: _shared(one[key], other[key])
        if isinstance(one[key], Mapping) and isinstance(other[key], Mapping)
        else (one[key], other[key])
        for key in keys
    }
    return {key: inner[key][0] for key in keys}, {key: inner[key][1] for key in keys}
