"""What is searched for, and where: a configuration's file with its section `search`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial

from affect import metrics
from affect.bounds import NATURAL, RATE, SEED, Bounds
from affect.classes import Home, beside, path_of, within
from affect.data.contents import corpus_digest
from affect.data.corpus import Corpus
from affect.data.sources.options import model_path
from affect.data.targets import Target
from affect.errors import ConfigError, DataError
from affect.files import real
from affect.heads import head_for
from affect.model import FusionModel, ModelSpec
from affect.objectives import objective_for
from affect.runs import corpus_path, prepare, with_absolute_paths
from affect.runs.borrowed import check_borrowed
from affect.runs.configuration import check_keys, kind_of, metrics_in, parse, resolve
from affect.runs.finished import OF_SEED, read_stages
from affect.runs.planning import check_parts, check_tokens
from affect.runs.reading import read
from affect.runs.repetitions import check_seeds
from affect.runs.searched import Searched
from affect.runs.staged import shortened, stage_digests
from affect.training.stages import OWN
from affect.tuning.aims import Aim, aim_of
from affect.tuning.collecting import space_of
from affect.tuning.space import Parameter, Space
from affect.tuning.starts import Start, starts


@dataclass(frozen=True)
class Search:
    """How a configuration is searched: the section `search` of its file.

    Args:
        metric: what is looked for on the validation split, as a mean over the seeds: a metric of the target,
            its first one by default, or one's own by its import path; `METRIC: mean subset` or `METRIC: worst
            subset`, when modalities are missing; `parameters`, `sample_megaflops` or `sample_milliseconds`.
            Several are looked for together: what comes out is a Pareto front.
        space: what varies, where it differs from what the classes declare (`affect.tuning.collecting`).
        seeds: each configuration is trained with all of them, unless it is stopped before.
        fresh: seeds that what was found is trained with again, and tested; they chose nothing.
        fold: for a corpus without official splits, the fold whose test split is kept from the search; by
            default the configuration's own `fold`, or the first.
        sampler: any sampler of Optuna's; multivariate TPE, which learns each branch by itself, by default.
        pruner: any pruner of Optuna's, which sees the metric after each epoch of the first seed (of its last
            stage, where there are several) and the mean after each seed; by default a configuration stops
            that is worse, after a quarter of the epochs, than the median of those that were trained with all
            seeds.
        racing: level of the test by which a configuration stops that is significantly worse than the best
            after some of its seeds (`affect.tuning.significantly_worse`); 0 leaves stopping to the pruner.
        start: values to begin with, by the names of the parameters; the configuration itself comes first.
        published: published settings to begin with (`affect.tuning.Setting`).
        seed: of the sampler; one worker alone that begins anew finds the same again.
        heartbeat: seconds between the signs of life of a running trial.
    """

    metric: str | list[str] = ""
    space: dict[str, Any] = field(default_factory=dict)
    seeds: list[int] = field(default_factory=lambda: [0, 1, 2])
    fresh: list[int] = field(default_factory=lambda: [100, 101, 102, 103, 104])
    fold: int = 0
    sampler: Any = None
    pruner: Any = None
    racing: float = 0.05
    start: list[dict[str, Any]] = field(default_factory=list)
    published: list[dict[str, Any]] = field(default_factory=list)
    seed: int = 0
    heartbeat: int = 20

    def check(self, where: str) -> None:
        """Refuse what contradicts itself."""
        for name in ("seeds", "fresh"):
            check_seeds(getattr(self, name), f"{where}: search: {name}")
        NATURAL.check(f"{where}: search: fold", self.fold)
        if not self.seeds:
            raise ConfigError(f"{where}: search: seeds is empty; give one at least")
        both = sorted({*self.seeds} & {*self.fresh})
        if both:
            raise ConfigError(
                f"{where}: search: seed {both[0]} is in seeds and in fresh; what chose may not be tested with"
            )
        SEED.check(f"{where}: search: seed", self.seed)
        RATE.check(f"{where}: search: racing", self.racing)
        _SECONDS.check(f"{where}: search: heartbeat", self.heartbeat)


_SECONDS = Bounds("at least 1 second", 1, limit=10**6, whole=True)


@dataclass(frozen=True, eq=False)
class Task:
    """A search, ready to be worked at.

    Args:
        search: how it is done.
        content: the configuration that it begins with, as it was given.
        space: what varies.
        target: what is predicted.
        aims: what is looked for.
        starts: the trials that come first, by what they are called.
        path: the configuration's file, from the root of the disk; users' modules lie beside it.
        digest: of what its corpus held when the search was read (`affect.data.contents.corpus_digest`).
        stage_digests: the same of the corpora that stages alone learn from, by the stages' names.
        trust: whether runs that it learns from may execute code that is not known to be one's own.
    """

    search: Search
    content: dict[str, Any]
    space: Space
    target: Target
    aims: tuple[Aim, ...]
    starts: dict[str, Start]
    path: Path
    digest: str | None
    trust: bool = False
    stage_digests: dict[str, str | None] = field(default_factory=dict)

    @property
    def home(self) -> Home:
        """Where classes are looked for first."""
        return beside(self.path.parent)

    @property
    def epochs(self) -> int:
        """How many its configuration trains at most, in its last stage."""
        return parse(self.content, str(self.path), self.home).measured_training.epochs

    @property
    def looked_at(self) -> str:
        """What trials are measured on, in words."""
        return "the validation split" + (f" of fold {self.search.fold}" if self.content.get("folds") else "")

    def found(self, trial: FrozenTrial) -> dict[str, Any]:
        """The configuration of a trial, for runs: it says what was searched, and tests on nothing of that.

        Args:
            trial: one that was chosen.
        """
        content, fold = self.space.suggest(trial), self.search.fold
        folds = content.get("folds", 0)
        searched = asdict(Searched(self.digest, folds, fold))
        return {**content, **({"fold": fold} if folds else {}), "searched": searched}

    def corpus(self) -> Corpus:
        """What a search may see: training and validation.

        Raises:
            DataError: the corpus is not what it was when the search was read.
        """
        corpus = development(self.content, self.search.fold, self.path)
        return held(corpus_path(self.content["corpus"], self.path.parent), self.digest, corpus)


def held(path: str, digest: str | None, corpus: Corpus) -> Corpus:
    """The corpus, if it is what it was when the search was read.

    Args:
        path: of it, or the name of a generated one.
        digest: what it held then.
        corpus: as it was read from there now.
    Raises:
        DataError: it holds something else.
    """
    if (now := corpus_digest(path)) != digest:
        then, now = (digest or "none")[:8], (now or "none")[:8]
        raise DataError(
            f"{path}: a worker reads another corpus than the search began with: expected SHA-256 {then}, "
            f"got {now}; bring that one back, or run the command again"
        )
    return corpus


def task_of(
    path: str | Path,
    *,
    corpus: str | None = None,
    tokens: str | None = None,
    epochs: int | None = None,
    trust: bool = False,
    **changes: Any,
) -> Task:
    """Read a configuration and how it is to be searched; where nothing says how, as the classes declare.

    Args:
        path: the configuration's file, or a paper that is named.
        corpus: another corpus of the same modalities and targets.
        tokens: the pretrained encoder whose sub-words are read, other than the configuration's.
        epochs: at most, other than the configuration's.
        trust: as in `Task`.
        changes: of the section `search`; what is None stays.
    Raises:
        ConfigError: an unknown key, class or argument; a space that names nothing; a configuration, or a part
            that can be chosen, that cannot be built for the corpus.
    """
    with within(beside(Path(path).parent)):
        return _task(Path(path), corpus, tokens, epochs, trust, changes)


def _task(
    path: Path,
    corpus: str | None,
    tokens: str | None,
    epochs: int | None,
    trust: bool,
    changes: Mapping[str, Any],
) -> Task:
    content = read(path, corpus, None if tokens is None else model_path(tokens, Path.cwd()))
    check_borrowed(path, content, trust)
    section = content.pop("search", None) or {}
    check_keys(section, Search, f"{path}: search")
    section = {"fold": content.pop("fold", None) or 0, **section}
    search = replace(Search(**section), **{key: value for key, value in changes.items() if value is not None})
    search.check(str(path))
    if search.fold and not content.get("folds"):
        raise ConfigError(f"{path}: search: fold {search.fold} of no folds; give `folds`, or leave it out")
    if corpus is not None:
        content["corpus"] = corpus_path(corpus, Path.cwd())
    if OF_SEED in str(content.get("corpus")):
        raise ConfigError(
            f"{path}: corpus: a search has one corpus for all its trials, got {content['corpus']}; name that "
            "of one seed (--corpus), and train what is found on those of the others"
        )
    if epochs is not None:
        content = shortened({**content, "training": content.get("training") or {"epochs": epochs}}, epochs)
    metric_names = [search.metric] if isinstance(search.metric, str) else search.metric
    if own := metrics_in({"metrics": [name.partition(": ")[0] for name in metric_names]}):
        content["metrics"] = list(dict.fromkeys([*(content.get("metrics") or []), *own]))
    content = resolve(content, str(path))
    content.pop("seeds", None)
    visible = development(content, search.fold, path)
    target = visible.target(content.get("target"))
    space = space_of(with_parts(content, visible, search.space, str(path)), search.space, str(path))
    with metrics.using(*metrics_in(content)):
        aims = tuple(aim_of(metric, target, str(path)) for metric in metric_names)
    first = starts(search.start, search.published, space, path)
    digest = corpus_digest(corpus_path(content["corpus"], real(path).parent))
    stages = stage_digests(with_absolute_paths(content, real(path).parent))
    task = Task(search, content, space, target, aims, first, real(path), digest, trust, stages)
    _check(task, visible)
    return task


def development(content: Mapping[str, Any], fold: int, path: Path) -> Corpus:
    """The corpus of a configuration without its test split."""
    with within(beside(path.parent)):
        return prepare(parse(content, str(path)), fold, path.parent).without("test")


def with_parts(
    configuration: Mapping[str, Any], corpus: Corpus, keys: Iterable[str], where: str
) -> dict[str, Any]:
    """The configuration with every part written out: what it leaves to a default can vary too.

    Args:
        configuration: as it was given.
        corpus: what it is for.
        keys: of the section `space`; an encoder that is named there is a modality's own.
        where: begins the message where something is wrong.
    """
    content: dict[str, Any] = deepcopy(dict(configuration))
    target = corpus.target(content.get("target"))
    model = content.setdefault("model", {})
    if kind_of(model) is ModelSpec:
        defaults: dict[str, Any] = {entry.name: entry.default for entry in fields(ModelSpec)}
        for key in ("encoder", "fusion"):
            model[key] = model.get(key) or path_of(defaults[key])
        model["head"] = model.get("head") or path_of(head_for(target))
        encoders = dict(model.get("encoders") or {})
        for key in keys:
            if key.startswith(_OWN) and "*" not in key:
                meant = [m for m in corpus.dims if f"{key}.".startswith(f"{_OWN}{m}.")]
                if meant:  # of `open` and `open.face`, the longer one
                    encoders.setdefault(max(meant, key=len), deepcopy(model["encoder"]))
        model["encoders"] = encoders
        if {*encoders} >= {*(model.get("modalities") or corpus.dims)}:
            del model["encoder"]  # nobody has it
        content["objective"] = content.get("objective") or path_of(objective_for(target))
    return resolve(content, where)


def _with_branch(name: str, label: str, parameter: Parameter) -> Any:
    return label if parameter.name == name else parameter.default


_OWN = "model.encoders."


def _check(task: Task, corpus: Corpus) -> None:
    """What cannot be built is refused here, not in a trial: the configuration, and each part to choose."""
    tried = [("the configuration", task.content)]
    for parameter in task.space.parameters:
        for label in parameter.branches:
            content, _ = task.space.fill(partial(_with_branch, parameter.name, label))
            tried.append((f"{parameter.name} = {label}", content))
    of_stages = read_stages(parse(task.content, str(task.path)), task.search.fold, task.path.parent).stages
    read = {stage.name: {key: getattr(stage, key) for key in OWN} for stage in of_stages}
    for what, content in tried:
        configuration = parse(content, str(task.path))
        stages = [replace(stage, **read[stage.name]) for stage in configuration.stages]
        try:
            made = configuration.model.for_corpus(corpus, configuration.target)
        except ConfigError as error:
            raise ConfigError(f"{task.path}: {what}: {error}") from None
        check_tokens(made, configuration, f"{task.path}: {what}")
        if isinstance(made, FusionModel):
            check_parts(made, corpus, replace(configuration, stages=stages), f"{task.path}: {what}")
