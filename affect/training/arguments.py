"""What `fit` is given."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from torch import Tensor, nn

from affect import metrics
from affect.bounds import NATURAL, SEED
from affect.classes.factories import check_factory
from affect.data.checks import check_corpus
from affect.data.corpus import Corpus
from affect.errors import ConfigError, described, path_in
from affect.model import FusionModel, check_model
from affect.objectives import Objective, objective_for
from affect.training.learner import MONITOR, Learner
from affect.training.optimisation import make_optimizer, make_schedule
from affect.training.options import Training
from affect.training.terms import Terms


def check_fit(
    model: Any, corpus: Any, seed: Any, training: Any, objective: Any, teacher: Any, learner: Any
) -> None:
    """Refuse arguments of `fit` that are of another kind.

    Args:
        model: and the others are named as in `fit`.
        corpus: the same.
        seed: the same.
        training: the same.
        objective: the same.
        teacher: the same.
        learner: the same.
    Raises:
        ConfigError: a class where an object is expected or the reverse, a text, a dictionary.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> affect.fit(affect.FusionModel.for_corpus(corpus), corpus, training={"epochs": 3})
        Traceback (most recent call last):
        affect.errors.ConfigError: fit: training: expected a Training, got a dict; write
        affect.Training(epochs=3)
    """
    check_model("fit", model)
    check_corpus("fit", corpus)
    check_seed("fit", seed)
    if training is not None and not isinstance(training, Training):
        raise ConfigError(
            f"fit: training: expected a Training, got {described(training)}; {_options(training)}"
        )
    if objective is not None:
        check_factory("fit", "objective", objective, Objective)
        if isinstance(objective, nn.Module):
            raise ConfigError(
                "fit: objective: expected an Objective class or functools.partial of one, got "
                f"{described(objective)}; an Objective's forward takes (output, target)"
            )
    if teacher is not None:
        check_model("fit: teacher", teacher)
    check_learner(learner)


def check_terms(terms: Any) -> None:
    """Refuse what is no mapping of terms; what is in it is looked at where they are made.

    Args:
        terms: what was given.
    Raises:
        ConfigError: it is none.
    Example:
        >>> check_terms(["Contrast"])
        Traceback (most recent call last):
        affect.errors.ConfigError: fit: terms: expected a dictionary of a Term class for each name, got a list
    """
    if not isinstance(terms, Mapping | None):
        raise ConfigError(
            f"fit: terms: expected a dictionary of a Term class for each name, got {described(terms)}"
        )


def check_seed(who: str, seed: Any) -> None:
    """Refuse what is no seed.

    Args:
        who: begins the message.
        seed: what was given.
    Raises:
        ConfigError: it is no whole number of at least 0.
    Example:
        >>> check_seed("fit", "7")
        Traceback (most recent call last):
        affect.errors.ConfigError: fit: seed must be a whole number, at least 0, got the text '7'
    """
    SEED.check(f"{who}: seed", seed)


def check_learner(learner: Any) -> None:
    """Refuse what makes no learner.

    Args:
        learner: what was given.
    Raises:
        ConfigError: it is not `Learner`, a class of its kind, or a partial of one.
    Example:
        >>> check_learner("MyLearner")
        Traceback (most recent call last):
        affect.errors.ConfigError: fit: learner: expected a class derived from affect.training.Learner, got
        the text 'MyLearner'
    """
    made = getattr(learner, "func", learner)
    if not isinstance(made, type) or not issubclass(made, Learner):
        raise ConfigError(
            f"fit: learner: expected a class derived from affect.training.Learner, got {described(made)}"
        )


def check_optimisation(
    learner: Callable[..., Learner], model: FusionModel, training: Training, rows: int
) -> None:
    """Refuse an optimiser or a schedule that cannot be made, before a training begins.

    A learner that makes its own is not asked.

    Args:
        learner: as `fit` takes it.
        model: is to be trained; it is not changed.
        training: how.
        rows: samples that it is to learn from.
    Raises:
        ConfigError: as `make_optimizer` and `make_schedule` say.
    Example:
        >>> model = affect.FusionModel.for_corpus(affect.load("synthetic"))
        >>> training = Training(schedule=torch.optim.lr_scheduler.StepLR)
        >>> check_optimisation(Learner, model, training, rows=480)
        Traceback (most recent call last):
        affect.errors.ConfigError: training: schedule: StepLR cannot be made: StepLR.__init__() missing 1
        required positional argument: 'step_size'
    """
    made = learner(model, objective_for(model.head.target)(model.head.target), training, 0)
    if type(made).configure_optimizers is not Learner.configure_optimizers:
        return
    optimizer = make_optimizer(training, made.parameter_groups())
    if training.schedule is not None:
        steps = training.epochs * math.ceil(rows / (training.batch_size * training.accumulate))
        make_schedule(training, optimizer, steps, MONITOR, made.mode)


def check_around(
    name: Any, fold: Any, folder: Any, loggers: Any, callbacks: Any, progress: Any
) -> tuple[list[Logger], list[Callback]]:
    """Refuse what `fit` is given beside the training itself, where it is of another kind.

    Args:
        name: and the others are named as in `fit`.
        fold: the same.
        folder: the same.
        loggers: the same.
        callbacks: the same.
        progress: the same.
    Returns:
        the loggers and the callbacks.
    Raises:
        ConfigError: as said.
    Example:
        >>> check_around("", 0, None, "csv", [], False)
        Traceback (most recent call last):
        affect.errors.ConfigError: fit: loggers: expected a list of Lightning's loggers, got the text 'csv'
    """
    if not isinstance(name, str):
        raise ConfigError(f"fit: name: expected a text, got {described(name)}")
    NATURAL.check("fit: fold", fold)
    if folder is not None:
        place = path_in("fit: folder", folder)
        for part in (place, *place.parents):
            if part.is_file():
                raise ConfigError(f"fit: folder: {part} is a file; name a folder")
    if not isinstance(progress, bool) and (isinstance(progress, type) or not callable(progress)):
        raise ConfigError(
            f"fit: progress: expected True, False or a function that is called after every epoch, got "
            f"{described(progress)}"
        )
    return _several("loggers", loggers, Logger), _several("callbacks", callbacks, Callback)


def made_learner(
    learner: Callable[..., Learner],
    model: FusionModel,
    objective: Objective,
    training: Training,
    seed: int,
    teacher: FusionModel | None,
    weights: Tensor | None,
    terms: Terms,
) -> Learner:
    """The learner of a training.

    Args:
        learner: as `fit` takes it.
        model: is to be trained.
        objective: made for its target.
        training: how.
        seed: of the order of samples and of dropout.
        teacher: to learn from too.
        weights: of the classes.
        terms: what is learned beside the label.
    Raises:
        ConfigError: its `__init__` does not take these.
    Example:
        >>> model = affect.FusionModel.for_corpus(affect.load("synthetic"))
        >>> objective = objective_for(model.head.target)(model.head.target)
        >>> type(made_learner(Learner, model, objective, Training(), 0, None, None, Terms({}))).__name__
        'Learner'
    """
    given = (model, objective, training, seed)
    try:
        inspect.signature(learner).bind(*given, teacher=teacher, class_weights=weights)
    except TypeError as error:
        name = getattr(learner, "__name__", "the learner")
        raise ConfigError(
            f"fit: learner: {name} cannot be made: {error}; write its __init__(self, *given, **named) and "
            "hand both on to super().__init__"
        ) from error
    made = learner(*given, teacher=teacher, class_weights=weights)
    made.terms = terms
    return made


def prepared(
    model: FusionModel, corpus: Corpus, training: Training, teacher: FusionModel | None
) -> tuple[Corpus, Training]:
    """The corpus without its test split, and the options with a corruption that knows what it may draw from.

    Args:
        model: is to be trained.
        corpus: with the splits `train` and `valid`.
        training: how to train.
        teacher: to learn from too.
    Raises:
        ConfigError: as `fit` says.
    """
    if "valid" not in corpus.splits:
        raise ConfigError(
            f"{corpus.name}: no split 'valid' to choose the epoch on; carve one from the training groups "
            "(affect.data.splitting.carve)"
        )
    target = model.head.target
    if teacher is not None and teacher.head.target != target:
        raise ConfigError(f"fit: the teacher is for {teacher.head.target}, and the model for {target}")
    development = corpus.without("test")
    if training.corruption is not None:
        training.corruption.check_indices(model.indices)
        training = replace(training, corruption=training.corruption.bound(development["train"]))
    return development, replace(training, monitor=metrics.name_of(training.monitor))


def _several(key: str, given: Any, kind: Any) -> list[Any]:
    """A list of Lightning's objects."""
    expected = f"fit: {key}: expected a list of Lightning's {key}"
    if isinstance(given, kind):
        raise ConfigError(f"{expected}, got {described(given)}; write [...] around it")
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise ConfigError(f"{expected}, got {described(given)}")
    found = list(given)
    for one in found:
        if not isinstance(one, kind):
            made = isinstance(one, type) and issubclass(one, kind)
            raise ConfigError(
                f"{expected}, got {described(one)} in it{f'; make one: {one.__name__}(...)' if made else ''}"
            )
    return found


def _options(given: Any) -> str:
    """How options are written: the end of a message."""
    if isinstance(given, dict):
        return f"write affect.Training({', '.join(f'{key}={value!r}' for key, value in given.items())})"
    return "write affect.Training(epochs=20), with what is to differ from its defaults"
