"""Configuration: YAML files that name classes and their arguments.

A part is named by its class, alone or with arguments, as in Lightning's command line:

    fusion: TensorFusion                        # a class of affect
    fusion: my_fusions.MyFusion                 # a class of yours, by its import path
    fusion: {class_path: LowRankFusion, init_args: {rank: 8}}

A model is a torch model (`Model`), or a baseline outside torch (`BaselineModel`) where its section names one.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar

import yaml
from lightning.pytorch.loggers import Logger
from optuna.distributions import BaseDistribution, IntDistribution

from affect.baselines import Baseline
from affect.corruption import Corruption
from affect.data.alignment.aligners import Aligner
from affect.data.corpus import Corpus
from affect.data.scaling import Nonfinite, Scaling
from affect.data.sources.options import Options
from affect.data.targets import Target
from affect.encoders import Encoder, PooledEncoder
from affect.errors import ConfigError, did_you_mean
from affect.fusion import ConcatenationFusion, Fusion
from affect.heads import Head
from affect.imputation import Imputer
from affect.model import FusionModel
from affect.objectives import Objective
from affect.training import Training

ROOMS = {
    "baseline": ("affect.baselines", "Baseline"),
    "encoder": ("affect.encoders", "Encoder"),
    "aligner": ("affect.data.alignment.aligners", "Aligner"),
    "imputer": ("affect.imputation", "Imputer"),
    "corruption": ("affect.corruption", "Corruption"),
    "fusion": ("affect.fusion", "Fusion"),
    "head": ("affect.heads", "Head"),
    "objective": ("affect.objectives", "Objective"),
    "pooling": ("affect.pooling", "Pooling"),
    "logger": ("lightning.pytorch.loggers", "Logger"),
    "schedule": ("torch.optim.lr_scheduler", "LRScheduler"),
    "sampler": ("optuna.samplers", "BaseSampler"),
    "pruner": ("optuna.pruners", "BasePruner"),
}
"""Where the class of a part is looked for when it is named without a module, and what it derives from."""


@dataclass
class Model:
    """A model: its parts, and what they read.

    Args:
        encoder: for every modality that has none of its own.
        encoders: for modalities by name.
        aligner: what brings the encoded modalities onto the same steps, for a fusion that needs it.
        imputer: what stands in for modalities that are absent.
        helpers: modalities that are there in training alone.
        fusion: how the encoded modalities become one.
        head: the one for the kind of target by default.
        modalities: which to use; all by default.
        width: feature size of what the encoders give.
        out_dim: feature size of what the fusion gives, unless it has one of its own.
        scaling: standard, robust or none.
        nonfinite: what becomes of NaN and infinite values: mean, mask or refuse.
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "width": IntDistribution(16, 64, step=16),
        "out_dim": IntDistribution(16, 128, step=16),
    }

    encoder: Callable[[int, int], Encoder] = PooledEncoder
    encoders: dict[str, Callable[[int, int], Encoder]] = field(default_factory=dict)
    aligner: Callable[[dict[str, int]], Aligner] | None = None
    imputer: Callable[[dict[str, int]], Imputer] | None = None
    helpers: list[str] = field(default_factory=list)
    fusion: Callable[[dict[str, int], int], Fusion] = ConcatenationFusion
    head: Callable[[int, Target], Head] | None = None
    modalities: list[str] | None = None
    width: int = 32
    out_dim: int = 64
    scaling: Scaling = "standard"
    nonfinite: Nonfinite = "mean"

    def encoder_of(self, name: str) -> Callable[[int, int], Encoder]:
        """What encodes the modality `name`."""
        return self.encoders.get(name, self.encoder)

    def build(self, corpus: Corpus, target: str | None) -> FusionModel:
        """The model for a corpus and one of its targets, its scaler fitted on the split `train`."""
        for name in self.encoders:
            if name not in corpus.dims:
                raise ConfigError(f"encoders: no modality '{name}'; {did_you_mean(name, corpus.dims)}")
        return FusionModel.for_corpus(
            corpus,
            target,
            modalities=self.modalities,
            scaling=self.scaling,
            nonfinite=self.nonfinite,
            **self.parts(self.modalities or corpus.dims),
        )

    def parts(self, modalities: Iterable[str]) -> dict[str, Any]:
        """What `FusionModel.for_shape` and `for_corpus` make the model of, for these modalities."""
        return {
            "encoder": {name: self.encoder_of(name) for name in modalities},
            "aligner": self.aligner,
            "imputer": self.imputer,
            "helpers": self.helpers,
            "fusion": self.fusion,
            "head": self.head,
            "width": self.width,
            "out_dim": self.out_dim,
        }


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

    def build(self, corpus: Corpus, target: str | None) -> Baseline:
        """The baseline for a corpus and one of its targets; it has not learned yet."""
        corpus = corpus if self.modalities is None else corpus.select(self.modalities)
        return self.baseline(corpus.dims, corpus.target(target))


@dataclass
class Configuration:
    """What one run does.

    Args:
        corpus: a file, relative to the configuration's own folder, or a generated corpus.
        target: what to predict; the only target of the corpus by default.
        model: the model.
        training: how it is trained; a baseline reads its `monitor` alone.
        objective: the plain loss of the kind of target by default.
        teacher: the folder of a finished run to learn from too, relative to the configuration's own; `{seed}`
            and `{fold}` in it stand for those of the run.
        loggers: any Lightning loggers, beside the CSV and TensorBoard logs in the run folder.
        seeds: one run each.
        folds: for a corpus without official splits, into how many to cut it; 0 uses the splits it has.
        valid_share: share of the training samples that validate, where the corpus has no validation split.
        columns: columns of the corpus's files that are features though they look like none; this, and what
            follows, as in `affect.load`.
        targets: the kinds of targets, where the corpus stores codes: `{emotion: {kind: multiclass}}`.
        duplicates: what becomes of ids that occur more than once: refuse, number or first.
        prefixes: names of modalities in the columns of a table that hold a dot themselves.
    """

    corpus: str
    target: str | None = None
    model: Model | BaselineModel = field(default_factory=Model)
    training: Training = field(default_factory=Training)
    objective: Callable[[Target], Objective] | None = None
    teacher: str | None = None
    loggers: list[Callable[[], Logger]] = field(default_factory=list)
    seeds: list[int] = field(default_factory=lambda: [0])
    folds: int = 0
    valid_share: float = 0.2
    columns: list[str] = field(default_factory=list)
    targets: dict[str, Any] = field(default_factory=dict)
    duplicates: str = "refuse"
    prefixes: list[str] = field(default_factory=list)

    @property
    def reading(self) -> dict[str, Any]:
        """How the corpus is to be read: arguments of `affect.load`."""
        return {name: getattr(self, name) for name in READING}


READING = tuple(inspect.signature(Options.of).parameters)
"""The keys of a configuration that say how the corpus is to be read."""


def read(path: str | Path) -> dict[str, Any]:
    """The content of a YAML file; classes beside it can be imported from then on."""
    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; expected a YAML file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected keys and values, got {type(content).__name__}")
    importable(path.resolve().parent)
    return content


def importable(folder: Path) -> None:
    """From here on, classes in a folder can be named by a configuration."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def parse(content: Mapping[str, Any], where: str) -> Configuration:
    """A configuration from plain values; `where` begins the message when they do not make one.

    Raises:
        ConfigError: an unknown key, class or argument, with the nearest known one; a value of another type.
    Example:
        >>> parse({"corpus": "synthetic", "model": {"fusion": "TensorFusion"}}, "doc").seeds
        [0]
    """
    from jsonargparse import ArgumentError, ArgumentParser, set_parsing_settings

    set_parsing_settings(subclasses_enabled=[Corruption])  # of a dataclass they are not, unless asked for
    plain = resolve(content, where)
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Configuration, None, skip={"model"}, fail_untyped=False)  # users' own classes
    parser.add_class_arguments(kind_of(plain["model"]), "model", fail_untyped=False)
    try:
        configuration = Configuration(**parser.instantiate(parser.parse_object(plain)).as_dict())
    except ArgumentError as error:
        raise ConfigError(f"{where}: {' '.join(str(error).split())}") from None
    try:
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
        check_keys(section, kind, f"{where}: {key}")
        plain[key] = {name: part_of(value, name, f"{where}: {key}") for name, value in section.items()}
    plain["loggers"] = [part_of(logger, "logger", where) for logger in plain.get("loggers") or []]
    if plain.get("objective") is not None:
        plain["objective"] = part_of(plain["objective"], "objective", where)
    return plain


def kind_of(section: Any) -> type[Model] | type[BaselineModel]:
    """What a model section describes: the one place where baselines part from torch models."""
    return BaselineModel if isinstance(section, Mapping) and "baseline" in section else Model


def merged(shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """One model's section: what all share, but for the parts that only the other kind has, and its own.

    Example:
        >>> merged({"width": 8, "scaling": "robust"}, {"baseline": "KernelSVM"})
        {'scaling': 'robust', 'baseline': 'KernelSVM'}
    """
    kind = kind_of({**shared, **own})
    known = {entry.name for either in (Model, BaselineModel) for entry in fields(either)}
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


def part_of(value: Any, key: str, where: str) -> Any:
    """A value in which every class stands as `{class_path: full.import.Path, init_args: {...}}`.

    Args:
        value: a class, alone or with arguments, where `ROOMS` has the key; anything else is left as it is.
        key: what the value is called in its section.
        where: begins the message where there is no such class or argument.
    """
    if key == "encoders" and isinstance(value, Mapping):
        for name in value:
            if not isinstance(name, str):
                raise ConfigError(f"{where}: encoders: {name!r} is no text to YAML; put the name in quotes")
        return {name: part_of(entry, "encoder", f"{where}: {name}") for name, entry in value.items()}
    if key == "parts" and isinstance(value, list):
        return [part_of(entry, "corruption", where) for entry in value]
    if key not in ROOMS or value is None:
        return value
    if isinstance(value, str):
        value = {"class_path": value}
    if not isinstance(value, Mapping) or value.keys() - {"class_path", "init_args"}:
        raise ConfigError(f"{where}: {key}: expected a class, or class_path and init_args, got {value!r}")
    cls = _find(str(value["class_path"]), key, where)
    arguments = value.get("init_args") or {}
    known = [name for name in inspect.signature(cls).parameters if name not in _GIVEN]
    for name in arguments:
        if name not in known:
            raise ConfigError(
                f"{where}: {key}: {cls.__name__} has no argument '{name}'; {did_you_mean(name, known)}"
            )
    arguments = {name: part_of(entry, name, where) for name, entry in arguments.items()}
    return _named(cls, arguments)


def _named(cls: type, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A class with all its arguments: those that were left out have the values that they default to.

    Said in full, a run can be repeated when a default has changed, and jsonargparse cannot hand on arguments
    of a default class to the class that is named in its place.
    """
    defaults: dict[str, Any] = {}
    for name, parameter in inspect.signature(cls).parameters.items():
        value = parameter.default
        if name in _GIVEN:
            continue
        if inspect.isclass(value) and value is not parameter.empty:
            defaults[name] = _named(value, {})
        elif isinstance(value, tuple):
            defaults[name] = list(value)
        elif isinstance(value, int | float | str | None):
            defaults[name] = value
    return {"class_path": path_of(cls), "init_args": {**defaults, **arguments}}


def path_of(cls: type) -> str:
    """The full import path of a class, as it stands in a resolved configuration.

    Example:
        >>> path_of(PooledEncoder)
        'affect.encoders.pooled.PooledEncoder'
    """
    return f"{cls.__module__}.{cls.__qualname__}"


def class_of(path: str) -> Any:
    """The class that a full import path names.

    Example:
        >>> class_of("affect.encoders.pooled.PooledEncoder") is PooledEncoder
        True
    """
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


_GIVEN = ("self", "dims", "in_dim", "out_dim", "target", "optimizer", "split")


def _find(path: str, key: str, where: str) -> type:
    """The class that a configuration names."""
    room, base = ROOMS[key]
    module_name, _, name = path.rpartition(".")
    module_name = module_name or room
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ConfigError(f"{where}: {key}: cannot import '{module_name}' ({error})") from None
    kind = getattr(importlib.import_module(room), base)
    known = {
        n: c for n, c in vars(module).items() if inspect.isclass(c) and issubclass(c, kind) and c is not kind
    }
    if name not in known:
        raise ConfigError(f"{where}: {key}: no {base} '{name}' in {module_name}; {did_you_mean(name, known)}")
    return known[name]
