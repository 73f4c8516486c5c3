"""Runs that are to be done."""

from __future__ import annotations

import hashlib
import json
import shutil
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock

from affect import metrics
from affect.classes import FOLDER, Home, beside, kept, modules_in, within
from affect.data.contents import corpus_digest, files_in
from affect.data.corpus import Corpus
from affect.data.corpus_files import CorpusFiles, file_digest
from affect.data.tokens import tokenizer_digest
from affect.errors import AffectError, DataError
from affect.files import fresh, of_disk, put_in_place, settle, writing
from affect.runs.configuration import BaselineModel, complete, parse
from affect.runs.costs import forget_peak_memory
from affect.runs.damage import damage
from affect.runs.finished import (
    OF_SEED,
    FinishedRun,
    prepare,
    read_stages,
    with_absolute_paths,
    with_corpus_of_seed,
)
from affect.runs.making import fit_baseline, teacher_of, train_model
from affect.runs.sameness import Origin, in_full
from affect.runs.staged import last_part, named_corpora, stage_digests
from affect.runs.standing import FAILED
from affect.training import Progress
from affect.training.devices import check_alone
from affect.training.environment import environment
from affect.training.saving import CONFIG, DONE, WEIGHTS, keep_others, write_run
from affect.training.stages import STAGES
from affect.workers.crashes import traced_as

STARTED = "started.json"
"""What an interrupted run was made from: its checkpoint is of nothing else."""


@dataclass(frozen=True)
class Job:
    """One run that is to be done: a configuration, one of its seeds, one of its folds.

    Args:
        content: the configuration's plain values, classes by their full import path.
        name: the model's name in tables.
        seed: of the initial weights, of dropout and of the order of samples.
        fold: which fold is the test split; 0 where the corpus has official splits.
        root: the folder that a relative corpus path starts from, and that users' modules lie in.
        folder: where the run goes.
        trust: whether runs that this one learns from may execute code that is not known to be one's own.
    """

    content: Mapping[str, Any]
    name: str
    seed: int
    fold: int
    root: Path
    folder: Path
    trust: bool = False

    @property
    def home(self) -> Home:
        """Where its classes are looked for first."""
        return beside(self.root)

    @property
    def own_content(self) -> dict[str, Any]:
        """The configuration's plain values with the corpus of its seed, where each has its own."""
        return with_corpus_of_seed(self.content, self.seed)

    @property
    def done(self) -> bool:
        """Whether the run was finished, from what it would be made from now."""
        return self.changes() == []

    def changes(self, origin: Origin | None = None) -> list[str] | None:
        """What a finished run in its folder was made from otherwise, or what of it is damaged.

        None where there is no finished run.

        Args:
            origin: what it would be made from now, where that is known already.
        Raises:
            ConfigError: the configuration names a class or argument that is not there any more.
        """
        return self._changes(self.folder, origin)

    @property
    def origin(self) -> Origin:
        """What it would be made from now."""
        content = with_absolute_paths(self.own_content, self.root)
        with within(self.home):
            full = complete(content, str(self.folder))
            modules = modules_in(full)
        runs = {"teacher": self.teacher, "init": self.init}
        return Origin(
            {**full, "seeds": [self.seed]},
            modules,
            corpus_digest(content["corpus"]),
            {key: file_digest(run / WEIGHTS) for key, run in runs.items() if run is not None},
            stage_digests(content),
            None if content.get("tokens") is None else tokenizer_digest(content["tokens"]),
        )

    @property
    def failed(self) -> bool:
        """Whether the last attempt failed, or there was none; what was edited since does not matter."""
        return (self.folder / FAILED).is_file() or not (self.folder / DONE).is_file()

    @property
    def failure(self) -> str:
        """The last line of why the last attempt failed; empty where none did."""
        failed = self.folder / FAILED
        if not failed.is_file():
            return ""
        return failed.read_text(encoding="utf-8", errors="replace").rstrip().rpartition("\n")[2]

    @property
    def teacher(self) -> Path | None:
        """The run that this one learns from too."""
        return teacher_of(self.content.get("teacher"), self.root, self.seed, self.fold)

    @property
    def init(self) -> Path | None:
        """The run whose weights this one begins with."""
        return teacher_of(self.content.get("init"), self.root, self.seed, self.fold)

    def run(self, again: bool = False, progress: Progress = False) -> Path:
        """Do it, unless it is done; an interrupted run goes on from its best epoch so far, like `affect.fit`.

        A finished run that was made from something else is replaced when the new one is finished.

        Args:
            again: do it though it is done.
            progress: of the epochs, as in `affect.fit`.
        Raises:
            ConfigError: a launcher has started the same command for every device.
        """
        check_alone((self.content.get("training") or {}).get("devices", 1))
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        lock = self.folder.with_name(f".{self.folder.name}.lock")
        with FileLock(lock), within(self.home):  # a worker may outlive a bench that was killed
            settle(self.folder, DONE)
            origin = self.origin
            if again or self.changes(origin) != []:
                self._replace(again, origin, progress)
        return self.folder

    def attempt(self, again: bool = False, progress: Progress = False) -> bool:
        """Do it; where it fails, `failed.txt` in its folder says why.

        Args:
            again: do it though it is done.
            progress: of the epochs, as in `affect.fit`.

        Raises:
            OSError: a disk is full, cannot be written to, or is gone.

        Returns:
            whether it is done: what is edited meanwhile is another matter, which `changes` tells.
        """
        try:
            self.run(again, progress)
        except Exception as error:
            if of_disk(error):  # the next run would fail too, and goes on when there is room
                raise
            self.fail(error)
            return False
        (self.folder / FAILED).unlink(missing_ok=True)
        return True

    def fail(self, error: Exception) -> None:
        """Record in its folder why it failed."""
        own = isinstance(error, AffectError)
        text = str(error) if own else "".join(traceback.format_exception(error))
        with writing(self.folder / FAILED) as path:
            path.write_text(f"{type(error).__name__}: {text}" if own else text, encoding="utf-8")

    def _changes(self, folder: Path, origin: Origin | None = None) -> list[str] | None:
        if not (folder / DONE).is_file():
            return None
        if (found := damage(folder)) is not None:
            return [f"done again: {found}"]
        return (origin or self.origin).changes(FinishedRun.read(folder), self.home)

    def _replace(self, again: bool, origin: Origin, progress: Progress = False) -> None:
        """Do it beside the run that is there, if one is, and put it in its place."""
        into = fresh(self.folder) if (self.folder / DONE).is_file() else self.folder
        finished = not again and self._changes(into, origin) == []  # and killed before it was in its place
        if not finished:
            started = json.dumps(origin.facts(), sort_keys=True).encode()
            kept_from = into / STARTED
            if again or not kept_from.is_file() or kept_from.read_bytes() != started:
                for rest in ("checkpoints", STAGES, "log", FOLDER):
                    shutil.rmtree(into / rest, ignore_errors=True)
                with writing(kept_from) as path:
                    path.write_bytes(started)
            corpus = origin.configuration["corpus"]
            traced_as(f"the run {self.name}, {self.seed} of the corpus {corpus}", self._make)(
                into, origin, progress
            )
            for rest in ("checkpoints", STAGES):
                shutil.rmtree(into / rest, ignore_errors=True)
        (into / STARTED).unlink(missing_ok=True)
        if into != self.folder:
            keep_others(self.folder, into)
            put_in_place(self.folder)

    def _make(self, into: Path, origin: Origin, progress: Progress = False) -> None:
        forget_peak_memory()
        configuration = parse(self.own_content, str(self.folder / CONFIG))
        path = origin.configuration["corpus"]
        corpus = unchanged(path, origin.corpus, partial(prepare, configuration, self.fold, self.root))
        configuration = read_stages(
            configuration, self.fold, self.root,
            lambda name, path, read: unchanged(path, origin.stages[name], read),
        )  # fmt: skip
        target = corpus.target(configuration.target)
        with metrics.using(*configuration.measured):
            if isinstance(configuration.model, BaselineModel):
                made = fit_baseline(self, configuration.model, configuration, corpus)
            else:
                made = train_model(self, configuration.model, configuration, corpus, into, progress)
        if corpus.files is not None:
            corpus.files.check()
        of_corpus = {"sha256": file_digest(Path(path)), "content": origin.corpus}
        of_corpus |= {} if origin.tokens is None else {"tokens": origin.tokens}
        if OF_SEED in self.content["corpus"]:
            of_corpus["by_seed"] = last_part(self.content["corpus"])
        facts = {
            **made.facts,
            "corpus": {**made.facts["corpus"], **of_corpus},
            **self._of_stages(made.facts.get("stage_corpora"), origin),
            "modules": kept(origin.modules, into),
            "learned_from": origin.runs,
            "ran_on": environment(configuration.training.accelerator),
        }
        origin.trust()
        tables = {"results": made.results, "predictions": made.predictions, "history": made.history}
        write_run(into, in_full(origin.configuration, target), tables, facts, made.model, made.terms)

    def _of_stages(self, facts: Mapping[str, Any] | None, origin: Origin) -> dict[str, Any]:
        """What `run.json` says of the corpora that stages alone have learned from."""
        named = named_corpora(origin.configuration)
        found = {
            name: {**own, "sha256": file_digest(Path(named[name])), "content": origin.stages[name]}
            for name, own in (facts or {}).items()
        }
        return {"stage_corpora": found} if found else {}


def unchanged(path: str, held: str | None, read: Callable[[], Corpus]) -> Corpus:
    """A corpus that holds what its digest says, and says of which files it is.

    Args:
        path: of the corpus, or the name of a generated one.
        held: its digest.
        read: reads it.
    Raises:
        DataError: the files changed while they were read.
    Example:
        >>> unchanged("synthetic", corpus_digest("synthetic"), lambda: affect.load("synthetic")).name
        'synthetic:interaction'
    """
    files = CorpusFiles.of(files_in(path), digests=True)
    corpus = read()
    files.check()
    if (now := corpus_digest(path)) != held:
        then, now = (held or "none")[:8], (now or "none")[:8]
        raise DataError(
            f"{path}: the corpus changed while it was read: SHA-256 {then} then, {now} now; run the "
            "command again"
        )
    return corpus.read_from(corpus.source, files)


def digest(content: Mapping[str, Any]) -> str:
    """Eight letters that change with the content, so that results of another configuration stay apart."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]
