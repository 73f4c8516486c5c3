"""What finished runs say of a corpus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from affect.baselines import Baseline
from affect.classes import within
from affect.data.contents import corpus_digest, kept_digest
from affect.data.corpus import Corpus, Split
from affect.data.sources import read as read_corpus
from affect.data.sources.options import Options
from affect.data.tokens import TOKENS
from affect.errors import ConfigError, DataError
from affect.model import FusionModel
from affect.runs.configuration import BaselineModel
from affect.runs.finished import FinishedRun, corpus_path, fitted_baseline, prepare, say_corpus
from affect.training import predict as predict_split
from affect.training.matching import matched, sub_words_of
from affect.training.saving import DONE

Say: TypeAlias = Callable[[Split], pd.DataFrame]
"""From samples to predictions."""


def predict(
    folder: str | Path, source: str | Path, split: str | None = None, *, trust: bool = False, **reading: Any
) -> pd.DataFrame:
    """What a finished run says of a corpus that has its modalities; columns as in `affect.training.predict`.

    The corpus needs no labels. A modality that it does not have at all is absent from every sample, as long
    as it has some other; a warning says so. A baseline is fitted again, from the corpus that it was made
    with.

    Args:
        folder: the run.
        source: a corpus in any format, or a generated one.
        split: the split `test` by default, or the first one where there is none.
        trust: whether code that the run brings along may be executed, though it is not known to be one's own.
        reading: how the corpus is to be read, as in `affect.load`; by default as that of the run was, as far
            as the file has its columns and prefixes. Either of these takes the place of both. A model that
            reads sub-words is given those of the text, and refuses a corpus that has none.
    Raises:
        DataError: the folder is not a finished run; a baseline's corpus is gone or was changed.
        ConfigError: the corpus has none of the modalities, has features of another size, of other names or by
            another extractor, or is not aligned as it must be; the run brings code that is not trusted.
    """
    run = FinishedRun.read(folder, trust=trust)
    _ = run.configuration  # refuses code that is not trusted, before anything else is said
    say_corpus(run, corpus_path(str(source), Path.cwd()))
    corpus, say = asked(run, source, **reading)
    return say(corpus[split or default_split(corpus)])


def default_split(corpus: Corpus) -> str:
    """The split that is meant where none is named: `test`, or the first.

    Example:
        >>> default_split(affect.load("synthetic"))
        'test'
    """
    return "test" if "test" in corpus.splits else next(iter(corpus.splits))


def asked(run: FinishedRun, source: str | Path, **reading: Any) -> tuple[Corpus, Say]:
    """A corpus as a run reads it, and what says the run's predictions for a split of it.

    Args:
        run: the finished one.
        source: a corpus in any format, or a generated one.
        reading: as in `predict`.
    Raises:
        DataError: as `predict` says.
        ConfigError: the same.
    """
    configuration = run.configuration
    named = bool({"columns", "prefixes"} & reading.keys())
    kept = ("duplicates",) if named else ("duplicates", "columns", "prefixes")  # labels are not needed
    kept = (*kept, "tokens") if TOKENS in run.facts["shape"]["dims"] else kept
    kept_reading = {key: configuration.reading[key] for key in kept}
    options = replace(Options.of(**{**kept_reading, **reading}), required=named)
    model: FusionModel | Baseline
    if isinstance(configuration.model, BaselineModel):
        model, sub_words = _fitted_again(run, configuration.model), []
        say: Say = model.predict
    else:
        model = run.model()
        say, sub_words = partial(predict_split, model), sub_words_of(model)
    corpus = matched(
        read_corpus(source, options),
        run.facts["shape"],
        run=str(run.folder),
        source=str(source),
        where=str(run.folder / DONE),
        training_only=getattr(configuration.model, "training_only", ()),  # a baseline has none
        sub_words=sub_words,
    )
    if model.needs_alignment and not corpus.aligned:
        raise ConfigError(f"{source}: {run.folder} needs aligned sequences, and the corpus is not aligned")
    return corpus, say


def _fitted_again(run: FinishedRun, parts: BaselineModel) -> Baseline:
    """The baseline of a finished run, which is what its corpus, its settings and its seed make it."""
    configuration = run.configuration
    if corpus_digest(configuration.corpus) != kept_digest(run.facts["corpus"], configuration.corpus):
        raise DataError(
            f"{run.folder}: a baseline is fitted again to predict, but {configuration.corpus} is gone or is "
            "not the file that the run was made with; put that file back, or train again"
        )
    with within(run.home):
        return fitted_baseline(parts, configuration, prepare(configuration, run.fold, Path()), run.seed)
