"""An experiment file -> the runs that it asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from affect import metrics, papers
from affect.bounds import INSIDE, NATURAL
from affect.classes import beside, within
from affect.data.sources.options import DEFAULTS, Options
from affect.errors import ConfigError, described, did_you_mean, listed
from affect.files import real
from affect.naming import slug
from affect.results.parts import check_part
from affect.robustness.protocols import protocol
from affect.runs import Job, corpus_path, digest
from affect.runs.configuration import (
    READING,
    check_keys,
    merged,
    metrics_in,
    parse,
    resolve,
)
from affect.runs.finished import with_model_path
from affect.runs.reading import encoders_said, plain
from affect.runs.repetitions import check_fold, check_seeds, folds_to_run
from affect.runs.staged import shortened
from affect.training.terms import joined


@dataclass
class Experiment:
    """Models that are compared on one corpus.

    Args:
        corpus: a file, relative to the experiment's own folder, or a generated corpus; `{seed}` in it as in a
            configuration.
        models: what is compared: a name, and what its model has that `model` has not; under `training` there,
            how its training differs, under `terms` what it learns beside the label, under `teacher` the run
            that it learns from too, under `init` the run whose weights it begins with, and under `searched`
            what a search wrote there (`Configuration`).
        target: what is predicted, or several, one after the other; the corpus's only one by default.
        metrics: which stand in the table; all by default. One's own are named by their import path, and
            measured in every run; `f1.CLASS` is of one class. In quotes, `"METRIC: shift"` and
            `"METRIC: no shift"` are a metric on a part of a conversation (`affect.results.summarise`).
        model: what all models share; a baseline takes of it what it can read.
        training: how all are trained; a baseline reads its `monitor` alone.
        objective: the plain loss of the kind of target by default; by target where there are several.
        learner: a class of one's own that trains all, as in a configuration.
        terms: what all learn beside the label, as in a configuration; a model's own come beside these, and
            none in the place of one switches it off there.
        stages: parts of the training of all, as in a configuration; a model's own take their place.
        loggers: any Lightning loggers, beside the CSV and TensorBoard logs in the run folders.
        seeds: one run each.
        folds: for a corpus without official splits, into how many to cut it.
        fold: the only one of them that is run; each by default.
        valid_share: share of the training samples that validate, where the corpus has no validation split.
        protocols: what else the trained models meet, by the names of `affect.robustness.PROTOCOLS`, or the
            import paths of one's own.
        published: figures to stand beside ours (`affect.benchmark.published`).
        notes: what must stand beside every figure.
        columns: columns of the corpus's files that are features though they look like none; this, and what
            follows, as in a configuration.
        targets: the kinds of targets.
        duplicates: what becomes of ids that occur more than once.
        prefixes: names of modalities in the columns of a table that hold a dot themselves.
        reader: what reads the corpus's file, by its import path.
        tokens: the pretrained encoder whose sub-words are the modality `tokens`. Papers read them that say
            how; other papers leave them out.
    """

    corpus: str
    models: dict[str, dict[str, Any]]
    target: str | list[str] | None = None
    metrics: list[str] = field(default_factory=list)
    model: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    objective: Any = None
    learner: Any = None
    terms: dict[str, Any] = field(default_factory=dict)
    stages: list[Any] = field(default_factory=list)
    loggers: list[Any] = field(default_factory=list)
    seeds: list[int] = field(default_factory=lambda: [0, 1, 2, 3, 4])
    folds: int = 0
    fold: int | None = None
    valid_share: float = 0.2
    protocols: list[str] = field(default_factory=list)
    published: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    targets: dict[str, Any] = field(default_factory=dict)
    duplicates: str = "refuse"
    prefixes: list[str] = field(default_factory=list)
    reader: str | None = None
    tokens: str | None = None

    def changed(
        self,
        corpus: str | None = None,
        seeds: Iterable[int] | None = None,
        epochs: int | None = None,
        models: Iterable[str] | None = None,
    ) -> Experiment:
        """The same experiment in another form; what is None stays.

        Args:
            corpus: another one, of the same modalities and targets: a generated one, or a file.
            seeds: others.
            epochs: at most.
            models: these alone.
        Raises:
            ConfigError: there is no such model.
        """
        chosen = self.models
        if models is not None:
            chosen = {name: self._model(name) for name in listed("models", models)}
        if epochs is not None:
            chosen = {name: shortened(own or {}, epochs) for name, own in chosen.items()}
        return replace(
            self,
            corpus=self.corpus if corpus is None else corpus_path(corpus, Path.cwd()),
            seeds=self.seeds if seeds is None else list(seeds),
            training=self.training if epochs is None else {**self.training, "epochs": epochs},
            stages=self.stages if epochs is None else [shortened(own, epochs) for own in self.stages],
            models=chosen,
        )

    def _model(self, name: str) -> dict[str, Any]:
        if name not in self.models:
            raise ConfigError(f"models: no model '{name}'; {did_you_mean(name, self.models)}")
        return self.models[name]


def load(path: str | Path, tokens: str | None = None, corpus: str | None = None) -> Experiment:
    """Read and check an experiment file.

    Args:
        path: of the file.
        tokens: the pretrained encoder whose sub-words are read, other than the file says.
        corpus: what papers are for, other than the file says; `changed` takes it for all models.
    Raises:
        ConfigError: it is not YAML, or has an unknown key, class or argument.
    """
    if papers.is_named(path):
        name = papers.file_name(path)
        raise ConfigError(
            f"{path}: one model, for affect train; an experiment's file compares several: "
            f'models: {{{name}: "{path}"}}'
        )
    content = plain(path) | ({} if tokens is None else {"tokens": tokens})
    with within(beside(Path(path).parent)):
        return _checked(with_model_path(content, Path(path).parent), path, corpus)


def _checked(content: Mapping[str, Any], path: str | Path, corpus: str | None) -> Experiment:
    check_keys(content, Experiment, str(path))
    for key in ("corpus", "models"):
        if not content.get(key):
            raise ConfigError(f"{path}: {key} is missing or empty")
    if not isinstance(content["models"], Mapping):
        raise ConfigError(f"{path}: models: expected a name and a model for each, got {content['models']!r}")
    tokens = content.get("tokens")
    named = {}
    for name, own in content["models"].items():
        try:
            named[name] = _of_paper(own, corpus or content["corpus"], tokens)
        except ConfigError as error:
            raise ConfigError(f"{path}: models: {name}: {error}") from None
    given = {key: value for key, value in content.items() if value is not None}  # a key without a value
    experiment = Experiment(**{**given, "models": named})
    check_seeds(experiment.seeds, f"{path}: seeds")
    NATURAL.check(f"{path}: folds", experiment.folds)
    check_fold(experiment.fold, experiment.folds, f"{path}: fold")
    INSIDE.check(f"{path}: valid_share", experiment.valid_share)
    if not isinstance(experiment.metrics, list):
        raise ConfigError(f"{path}: metrics: expected a list of names, got {described(experiment.metrics)}")
    for metric in experiment.metrics:
        metrics.known(check_part(metric, str(path)))  # refuses what is not one
    with metrics.using(*experiment.metrics):  # refuses two of one name
        pass
    if experiment.protocols:
        protocol(experiment.protocols)  # refuses an unknown one
    for name, own in experiment.models.items():
        parse(_content(experiment, own or {}, None), f"{path}: models: {name}")
    return experiment


def settings_said(
    path: str | Path, models: Iterable[str] | None = None, corpus: str | None = None
) -> list[str]:
    """Whose settings the papers of an experiment's file have (`affect.papers.said`).

    Lines say too where a paper's own `training` stands before the experiment's, and where an encoder for all
    takes the place of its own for some.

    Args:
        path: of the file.
        models: those that are meant; all by default.
        corpus: other than the file says.
    Raises:
        ConfigError: as `load` says.
    """
    written = None if papers.is_named(path) else plain(path).get("models")
    written = written if isinstance(written, Mapping) else {}  # which the bench refuses
    kept = written if models is None else [*models]
    asked = {name: paper for name, own in written.items() if name in kept and (paper := _paper_of(own))}
    if not asked:  # all models would be looked at twice for nothing
        return []
    whole = load(path, corpus=corpus)
    before: dict[str, list[str]] = {}
    encoders = []
    for name, paper in asked.items():
        own = written[name] if isinstance(written[name], Mapping) else {}
        sections = papers.content(paper, corpus or whole.corpus, whole.tokens, strict=False)
        encoders += encoders_said(name, sections, {"model": own})
        training = whole.models[name].get("training", {})
        for key, value in whole.training.items():
            if key not in (own.get("training") or {}) and training.get(key, value) != value:
                before.setdefault(f"{key} {training[key]}, not the experiment's {value}", []).append(name)
    return [
        *papers.said(asked.values(), corpus or whole.corpus),
        *(f"{', '.join(names)}: the paper's own training: {line}" for line, names in before.items()),
        *encoders,
    ]


def _paper_of(own: Any) -> str:
    """The paper that a model names, alone or as what it begins with; or nothing."""
    return papers.paper_in(own) or (str(own) if papers.is_named(own) else "")


def _of_paper(own: Any, corpus: Any, tokens: str | None) -> Any:
    """A model as the paper that is named has it, with what is changed of it; any other as it is."""
    if not (named := _paper_of(own)):
        return own
    content = papers.content(named, str(corpus), tokens, strict=False)
    content.pop("tokens", None)  # they are the experiment's
    if isinstance(own, Mapping):
        beside = {key: own[key] for key in ("training", "terms", "stages") if key in own}
        model = {key: value for key, value in own.items() if key not in {"paper", *beside}}
        content = papers.adapted(content, {"model": model, **beside})
    return {**content.pop("model"), **content}


def jobs(experiment: Experiment, path: Path, out: Path) -> list[Job]:
    """Every run of an experiment, the same ones in the same folders each time."""
    names = experiment.target if isinstance(experiment.target, list) else [experiment.target]
    found = []
    for target in names:
        for name, own in experiment.models.items():
            with within(beside(path.parent)):
                content = resolve(_content(experiment, own or {}, target), f"{path}: models: {name}")
            called = slug(f"{target}-{name}" if target else name)
            base = out / "runs" / f"{called}-{digest(content)}"
            found += [
                Job(content, name, seed, fold, real(path.parent), base / f"seed{seed}-fold{fold}")
                for fold in folds_to_run(experiment.fold, experiment.folds)
                for seed in experiment.seeds
            ]
    _check_apart(found, path)
    return found


def _check_apart(found: Iterable[Job], path: Path) -> None:
    """Refuse two models whose folders are one where capital letters do not count."""
    places: dict[str, Job] = {}
    for job in found:
        other = places.setdefault(str(job.folder).casefold(), job)
        if other.folder != job.folder:
            raise ConfigError(
                f"{path}: models: '{other.name}' and '{job.name}' are the same model, and one folder where "
                "capital letters do not count; leave one out, or rename it"
            )


def _content(experiment: Experiment, own: Mapping[str, Any], target: str | None) -> dict[str, Any]:
    """The configuration of one of an experiment's models."""
    objective = experiment.objective
    if isinstance(objective, Mapping) and "class_path" not in objective:
        objective = objective.get(target)
    own = dict(own)
    training = {**experiment.training, **(own.pop("training", None) or {})}
    terms = joined(experiment.terms, own.pop("terms", None) or {})
    stages = own.pop("stages", experiment.stages)
    beside = {key: value for key in ("teacher", "init", "searched") if (value := own.pop(key, None))}
    measured = metrics_in({"metrics": experiment.metrics})
    return {
        "corpus": experiment.corpus,
        "target": target,
        "model": merged(experiment.model, own),
        "training": training,
        "objective": objective,
        "loggers": experiment.loggers,
        **beside,
        **({"learner": experiment.learner} if experiment.learner else {}),
        **({"terms": terms} if terms else {}),
        **({"stages": stages} if stages else {}),
        **({"metrics": measured} if measured else {}),
        "folds": experiment.folds,
        **({} if experiment.fold is None else {"fold": experiment.fold}),
        "valid_share": experiment.valid_share,
        **{
            name: value
            for name in READING
            if Options.of(**{name: (value := getattr(experiment, name))}) != DEFAULTS
        },
    }
