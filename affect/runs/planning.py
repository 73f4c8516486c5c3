"""Runs of one configuration, and what is refused before the first of them begins."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from affect import metrics, papers
from affect.baselines import Baseline
from affect.classes import beside, within
from affect.data.corpus import Corpus
from affect.data.sources.options import model_path
from affect.data.tokens import TOKENS
from affect.errors import AffectError, ConfigError
from affect.model import FusionModel
from affect.naming import slug
from affect.runs.borrowed import check_borrowed
from affect.runs.configuration import Configuration, parse, resolve
from affect.runs.finished import FinishedRun, check_unseen, corpus_path, prepare, read_stages
from affect.runs.jobs import Job, digest
from affect.runs.reading import read
from affect.runs.repetitions import check_seeds, folds_to_run
from affect.training.stages import auxiliary_of, check_stage_corpus, check_stages, frozen
from affect.training.terms import joined, made_terms


def jobs_of(
    path: str | Path,
    out: str | Path,
    seeds: Iterable[int] | None = None,
    *,
    corpus: str | None = None,
    tokens: str | None = None,
    trust: bool = False,
) -> list[Job]:
    """The runs of a configuration's file: one for each seed and fold, each in a folder below `out`.

    Args:
        path: the file, or a paper that is named; a section `search`, which is for `affect tune`, is left out.
        out: the folder of runs.
        seeds: other ones than the configuration's.
        corpus: another one than the configuration's.
        tokens: the pretrained encoder whose sub-words are read, other than the configuration's.
        trust: whether the file, where a search wrote it, and runs that these learn from may execute code that
            is not known to be one's own.
    Raises:
        ConfigError: the file is no configuration, or names code that may not be executed.
    Example:
        >>> path = getfixture("tmp_path") / "model.yaml"
        >>> _ = path.write_text("{corpus: synthetic, seeds: [0, 1]}", encoding="utf-8")
        >>> [job.folder.name for job in jobs_of(path, "runs")]
        ['seed0-fold0', 'seed1-fold0']
    """
    path = Path(path)
    plain = read(path, corpus, None if tokens is None else model_path(tokens, Path.cwd()))
    plain.pop("search", None)
    if corpus is not None:
        plain["corpus"] = corpus_path(corpus, Path.cwd())
    name = papers.file_name(path)
    if seeds is not None:
        check_seeds(seeds := list(seeds), f"{path}: seeds")
    with within(beside(path.parent)):
        check_borrowed(path, plain, trust)
        content = resolve(plain, str(path))
        configuration = parse(content, str(path))
    base = Path(out) / f"{slug(name)}-{digest(content)}"
    return [
        Job(content, name, seed, fold, path.parent, base / f"seed{seed}-fold{fold}", trust)
        for seed in (configuration.seeds if seeds is None else seeds)
        for fold in folds_to_run(configuration.fold, configuration.folds)
    ]


def check_jobs(todo: list[Job], path: Path) -> Corpus | None:
    """What cannot be run is refused here, not in the runs.

    Args:
        todo: runs of one corpus; where there are none, nothing is looked at.
        path: the file that they come from.
    Returns:
        the corpus without its test split; None where there are no runs.
    Raises:
        ConfigError: one of them, its optimiser, its schedule, its terms or its stages cannot be made; it
            learns from what is no run, or would test on samples of the search that chose its configuration.
    """
    if not todo:
        return None
    from affect.training.arguments import check_optimisation
    from affect.training.learner import Learner

    one_each = {job.folder.parent: job for job in todo}
    parsed = {place: parse(job.own_content, str(path), job.home) for place, job in one_each.items()}
    for job in todo:
        check_unseen(parsed[job.folder.parent], job.fold, job.root)
    first = parsed[todo[0].folder.parent]
    corpus = prepare(first, todo[0].fold, todo[0].root).without("test")  # all models have one corpus
    known: dict[str, Corpus] = {}
    for place, job in one_each.items():
        configuration = _with_stages(parsed[place], job, known, path)
        try:
            made = configuration.model.for_corpus(corpus, configuration.target)
        except ConfigError as error:
            of_many = f"models: {job.name}: " if job.name != papers.file_name(path) else ""
            raise ConfigError(f"{path}: {of_many}{error}") from error
        check_tokens(made, configuration, path)
        if isinstance(made, FusionModel):
            with within(job.home), metrics.using(*configuration.measured):
                learner = configuration.learner or Learner
                check_optimisation(learner, made, configuration.training, len(corpus["train"]))
                check_parts(made, corpus, configuration, path)
    for job in todo:
        if job.teacher is not None:
            _ = FinishedRun.read(job.teacher, trust=job.trust).configuration
        if job.init is not None:
            FinishedRun.read(job.init)
    return corpus


def _with_stages(
    configuration: Configuration, job: Job, known: dict[str, Corpus], path: Path | str
) -> Configuration:
    """The configuration with the corpora of its stages; those that are known are not read again."""

    def once(name: str, place: str, read: Callable[[], Corpus]) -> Corpus:
        if place not in known:
            known[place] = read()
        return known[place]

    try:
        return read_stages(configuration, job.fold, job.root, once)
    except AffectError as error:
        raise type(error)(f"{path}: {error}") from error


def check_tokens(made: FusionModel | Baseline, configuration: Configuration, where: Path | str) -> None:
    """Refuse a model that reads the indices of sub-words as if they were features.

    Args:
        made: the model of the configuration, or its baseline.
        configuration: that asks for sub-words, or does not.
        where: begins the message.
    Raises:
        ConfigError: it does.
    """
    fusion = isinstance(made, FusionModel)
    read = {*made.encoders} - {*made.indices} if isinstance(made, FusionModel) else {*made.dims}
    if configuration.tokens is not None and TOKENS in read:
        remedy = (
            f"choose other `modalities`{f', or encoders: {{{TOKENS}: PretrainedEncoder}}' if fusion else ''}"
        )
        raise ConfigError(
            f"{where}: {TOKENS}: the model reads indices of sub-words as if they were features; {remedy}"
        )


def check_parts(model: FusionModel, corpus: Corpus, configuration: Configuration, where: Path | str) -> None:
    """Refuse terms and stages that cannot be made, or whose corpora are of other features.

    Args:
        model: of the configuration.
        corpus: of the whole, with the split `train`.
        configuration: with the corpora of its stages read.
        where: begins the message.
    Raises:
        ConfigError: as said.
    """
    teacher = None if configuration.teacher is None else model  # of which nothing is asked
    try:
        for stage in check_stages(configuration.stages):
            check_stage_corpus(stage, corpus, model)
            other = auxiliary_of(stage, corpus, model) is not None
            own = stage.corpus or corpus
            ids, targets = own["train"].ids, own.targets
            training = stage.training or configuration.training
            terms = joined(configuration.terms, stage.terms)
            with frozen(model, stage.frozen, f"stages: {stage.name}"):
                made_terms(model, ids, terms, training, teacher, stage.supervised, targets, other)
    except ConfigError as error:
        raise ConfigError(f"{where}: {str(error).removeprefix('fit: ')}") from error
