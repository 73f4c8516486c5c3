"""Configuration: YAML files that name classes and their arguments.

A part is named by its class, alone or with arguments, as in Lightning's command line:

    fusion: TensorFusion                        # a class of affect
    fusion: my_fusions.MyFusion                 # a class of yours, in my_fusions.py beside the configuration
    fusion: {class_path: LowRankFusion, init_args: {rank: 8}}

A model is one of torch (`affect.model.ModelSpec`), or a `BaselineModel` where its section names a baseline.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container, Mapping
from copy import deepcopy
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from affect import metrics, renamed
from affect.baselines import Baseline
from affect.bounds import NATURAL
from affect.classes import Home, as_written, importable, path_of, within
from affect.data.corpus import Corpus
from affect.data.sources.options import Options
from affect.data.targets import Target
from affect.errors import ConfigError, did_you_mean
from affect.model import ModelSpec
from affect.objectives import Objective
from affect.objectives.terms import TermFactory
from affect.runs.named import check_named
from affect.runs.parts import FACTORIES, factory_of, parser_of, part_of
from affect.runs.repetitions import check_fold, check_seeds
from affect.runs.searched import Searched
from affect.runs.staged import NamedStage, StageKeys
from affect.runs.type_errors import without_names, wrong_value
from affect.scaling import Nonfinite, Scaling
from affect.training import Stage, Training
from affect.training.stages import OWN

if TYPE_CHECKING:  # seconds to import, when a configuration is parsed
    from lightning.pytorch.loggers import Logger

    from affect.training import LearnerFactory


@dataclass
class BaselineModel:
    """A model outside torch, and what it reads.

    Args:
        baseline: the model.
        modalities: which to use; all by default.
        scaling: standard, robust or none.
        nonfinite: what becomes of NaN and infinite values: mean, mask or refuse.
    """

    baseline: Callable[[dict[str, int], Target], Baseline]
    modalities: list[str] | None = None
    scaling: Scaling = "standard"
    nonfinite: Nonfinite = "mean"

    def for_corpus(self, corpus: Corpus, target: str | None) -> Baseline:
        """The baseline for a corpus and one of its targets; it has not learned yet."""
        corpus = corpus if self.modalities is None else corpus.select(self.modalities)
        return self.baseline(corpus.dims, corpus.target(target))


@dataclass
class Configuration:
    """What one run does.

    Args:
        corpus: a file, relative to the configuration's own folder, or a generated corpus; `{seed}` in it
            stands for the run's seed, where each has a corpus of its own, as of learned features.
        target: what to predict; the only target of the corpus by default.
        model: the model.
        training: how it is trained; a baseline reads its `monitor` alone.
        objective: the plain loss of the kind of target by default.
        teacher: the folder of a finished run to learn from too, relative to the configuration's own; `{seed}`
            and `{fold}` in it stand for those of the run.
        init: the folder of a finished run whose weights to begin with, named as a teacher is; those that
            fit by name and shape are taken, its scaler among them.
        learner: a class of one's own that trains, derived from `affect.training.Learner`.
        terms: what is learned beside the label, by name; none in the place of one switches off what an option
            of `training` asks for.
        loggers: any Lightning loggers, beside the CSV and TensorBoard logs in the run folder.
        stages: parts of the training, one after the other: mappings of the fields of `affect.training.Stage`;
            `training` there changes what differs from the whole, and so do `terms`; `corpus` is a file or a
            name, as the `corpus` of the whole is, and is read and cut as that one is.
        seeds: one run each.
        folds: for a corpus without official splits, into how many to cut it; 0 uses the splits it has.
        fold: the only one of them that is run; each by default.
        valid_share: share of the training samples that validate, where the corpus has no validation split.
        columns: columns of the corpus's files that are features though they look like none; this, and what
            follows, as in `affect.load`.
        targets: the kinds of targets, where the corpus stores codes: `{emotion: {kind: multiclass}}`.
        duplicates: what becomes of ids that occur more than once: refuse, number or first.
        prefixes: names of modalities in the columns of a table that hold a dot themselves.
        reader: what reads the corpus's file, by its import path; by default what recognises it.
        tokens: the pretrained encoder whose sub-words are the modality `tokens`: a folder, or a hub's name.
        metrics: metrics that are measured beside those that always are: one's own, by their import path
            (`affect.metrics.Metric`), and the names of affect's others; what `monitor` names is measured too.
        searched: what the search that chose this configuration was done on, as it wrote it; a run that would
            test on samples of that is refused.
    """

    corpus: str
    target: str | None = None
    model: ModelSpec | BaselineModel = field(default_factory=ModelSpec)
    training: Training = field(default_factory=Training)
    objective: Callable[[Target], Objective] | None = None
    teacher: str | None = None
    init: str | None = None
    learner: LearnerFactory | None = None
    terms: dict[str, TermFactory | None] = field(default_factory=dict)
    stages: list[Stage] = field(default_factory=list)
    loggers: list[Callable[[], Logger]] = field(default_factory=list)
    seeds: list[int] = field(default_factory=lambda: [0])
    folds: int = 0
    fold: int | None = None
    valid_share: float = 0.2
    columns: list[str] = field(default_factory=list)
    targets: dict[str, Any] = field(default_factory=dict)
    duplicates: str = "refuse"
    prefixes: list[str] = field(default_factory=list)
    reader: str | None = None
    tokens: str | None = None
    metrics: list[str] = field(default_factory=list)
    searched: Searched | None = None

    def __post_init__(self) -> None:
        check_seeds(self.seeds, "seeds")
        NATURAL.check("folds", self.folds)
        check_fold(self.fold, self.folds, "fold")
        for base in (name.partition(": ")[0] for name in self.metrics):
            if not metrics.is_path(base):
                metrics.known(base)  # refuses what is not one

    @property
    def measured(self) -> list[str]:
        """The metrics that are measured beside those that always are."""
        return metrics_in({"metrics": self.metrics, "training": {"monitor": self.training.monitor}})

    @property
    def measured_training(self) -> Training:
        """How the last stage is trained, which is the one that is measured."""
        return (self.stages[-1].training if self.stages else None) or self.training

    @property
    def reading(self) -> dict[str, Any]:
        """How the corpus is to be read: arguments of `affect.load`."""
        return {name: getattr(self, name) for name in READING}


READING = tuple(inspect.signature(Options.of).parameters)
"""The keys of a configuration that say how the corpus is to be read."""


def metrics_in(content: Mapping[str, Any]) -> list[str]:
    """The metrics that are measured only as a configuration's plain values name them, each once.

    Example:
        >>> metrics_in({"training": {"monitor": "my_metrics.Near"}, "metrics": ["mae", "auc", "auc: shift"]})
        ['auc', 'my_metrics.Near']
    """
    training = content.get("training") or {}
    monitor = training.get("monitor", "loss") if isinstance(training, Mapping) else "loss"
    named = [*(content.get("metrics") or []), monitor]
    bases = [name.partition(": ")[0] for name in named if isinstance(name, str)]
    return list(dict.fromkeys(name for name in bases if metrics.is_extra(name)))


def parse(content: Mapping[str, Any], where: str, home: Home | None = None) -> Configuration:
    """A configuration from plain values.

    Args:
        content: the values.
        where: begins the message when they do not make one.
        home: where users' classes are looked for first (`affect.classes.beside`); by default as the block
            around says.
    Raises:
        ConfigError: an unknown key, class or argument, with the nearest known one; a value of another type.
    Example:
        >>> parse({"corpus": "synthetic", "model": {"fusion": "TensorFusion"}}, "doc").seeds
        [0]
    """
    from jsonargparse import ArgumentError

    if home is not None:
        with within(home):
            return parse(content, where)
    plain = resolve(content, where)
    check_named(plain, where)
    stages = [_stage(own, plain, where) for own in plain.pop("stages")]
    factories: dict[str, Any] = {"learner": factory_of(plain.pop("learner", None)), "stages": stages}
    training = {key: factory_of(plain["training"].pop(key)) for key in FACTORIES if key in plain["training"]}
    wrong = wrong_value(plain, Configuration)
    if wrong is not None and wrong.endswith("got null"):  # jsonargparse takes it for nothing
        raise ConfigError(f"{where}: {wrong}")
    # where there is no type, jsonargparse makes an object of what has a class path
    untyped: dict[str, Any] = {"targets": plain.pop("targets", None) or {}}
    kind: type = kind_of(plain["model"])
    parser = parser_of(Configuration, kind)
    try:
        with metrics.using(*metrics_in(plain)):
            parsed = parser.parse_object(importable(plain))
            made = parser.instantiate(parsed).as_dict()
    except ArgumentError as error:
        raise ConfigError(f"{where}: {wrong or as_written(without_names(str(error)))}") from None
    try:
        made["training"] = replace(made["training"], **training)
        configuration = Configuration(**made, **factories, **untyped)
        Options.of(**configuration.reading)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    return configuration


def resolve(content: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The same values with every key checked and every class under its full import path."""
    check_keys(content, Configuration, where)
    if "corpus" not in content:
        raise ConfigError(f"{where}: corpus is missing; name a file or 'synthetic'")
    plain = dict(content)
    for key, kind in (("model", kind_of(plain.get("model"))), ("training", Training)):
        section = plain.get(key) or {}
        if isinstance(section, Mapping):
            section = renamed.keys(section, kind, f"{where}: {key}")
        check_keys(section, kind, f"{where}: {key}")
        plain[key] = {name: part_of(value, name, f"{where}: {key}") for name, value in section.items()}
    if not isinstance(plain.get("loggers") or [], list):
        raise ConfigError(f"{where}: loggers: expected a list of classes, got {plain['loggers']!r}")
    plain["loggers"] = [part_of(logger, "logger", where) for logger in plain.get("loggers") or []]
    for key in ("objective", "learner"):
        if plain.get(key) is not None:
            plain[key] = part_of(plain[key], key, where)
    if not isinstance(terms := plain.get("terms") or {}, Mapping) or "class_path" in terms:
        raise ConfigError(f"{where}: terms: expected a name and a class for each term, got {terms!r}")
    plain["terms"] = part_of(terms, "terms", where)
    plain["stages"] = _stages(plain.get("stages") or [], where)
    return plain


def complete(content: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The values of `resolve` with every field of a configuration, its model and its training written out.

    Said in full, a run can be repeated when a default has changed.

    Example:
        >>> complete({"corpus": "synthetic"}, "doc")["model"]["width"]
        32
    """
    plain = resolve(content, where)
    for key in ("model", "training"):
        kind = kind_of(plain[key]) if key == "model" else Training
        plain[key] = {**_defaults(kind), **plain[key]}
    plain["stages"] = [
        {**own, "training": deepcopy({**plain["training"], **own["training"]})} for own in plain["stages"]
    ]
    return {**_defaults(Configuration, but=("corpus", "model", "training")), **plain}


def _defaults(kind: type, but: Container[str] = ()) -> dict[str, Any]:
    """The plain values that the fields of a dataclass default to; a field that has to be given has none."""
    found: dict[str, Any] = {}
    for one in fields(kind):
        value = one.default if one.default_factory is MISSING else one.default_factory()
        if one.name not in but and value is not MISSING:
            found[one.name] = part_of(path_of(value), one.name, "") if inspect.isclass(value) else value
    return found


def _stages(stages: Any, where: str) -> list[dict[str, Any]]:
    """The stages with every key checked and every class under its full import path."""
    if not isinstance(stages, list):
        raise ConfigError(f"{where}: stages: expected a list, got {stages!r}")
    found = []
    for own in stages:
        check_keys(own, StageKeys, f"{where}: stages")
        place = f"{where}: stages: {own.get('name', '')}"
        for key in OWN:
            if not isinstance(own.get(key) or "", str):
                raise ConfigError(f"{place}: {key}: expected a file or a name, got {own[key]!r}")
        training, terms = (own.get(key) or {} for key in ("training", "terms"))
        check_keys(training, Training, f"{place}: training")
        training = {name: part_of(value, name, f"{place}: training") for name, value in training.items()}
        found.append({**own, "training": training, "terms": part_of(terms, "terms", place)})
    return found


def _stage(own: Mapping[str, Any], whole: Mapping[str, Any], where: str) -> Stage:
    """A stage, from plain values."""
    training = {**whole["training"], **own["training"]}
    content = {"corpus": whole["corpus"], "training": training, "terms": own["terms"]}
    made = parse(content, f"{where}: stages: {own.get('name', '')}")
    given = {key: own[key] for key in ("name", "supervised", "frozen") if key in own}
    try:
        named = {key: own[key] for key in OWN if own.get(key) is not None}
        return NamedStage(training=made.training, terms=made.terms, named=named, **given)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def kind_of(section: Any) -> type[ModelSpec] | type[BaselineModel]:
    """What a model section describes: the one place where baselines part from torch models."""
    return BaselineModel if isinstance(section, Mapping) and "baseline" in section else ModelSpec


def merged(shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """One model's section: what all share, but for the parts that only the other kind has, and its own.

    Example:
        >>> merged({"width": 8, "scaling": "robust"}, {"baseline": "KernelSVM"})
        {'scaling': 'robust', 'baseline': 'KernelSVM'}
    """
    kind = kind_of({**shared, **own})
    known = {entry.name for either in (ModelSpec, BaselineModel) for entry in fields(either)}
    foreign = known - {entry.name for entry in fields(kind)}
    return {**{key: value for key, value in shared.items() if key not in foreign}, **own}


def check_keys(content: Any, kind: type, where: str) -> None:
    """Refuse keys that the dataclass `kind` does not have."""
    if not isinstance(content, Mapping):
        raise ConfigError(f"{where}: expected keys and values, got {content!r}")
    known = [entry.name for entry in fields(kind)]
    for key in content:
        if key not in known:
            raise ConfigError(f"{where}: no key '{key}'; {did_you_mean(str(key), known)}")
