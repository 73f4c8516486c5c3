"""What `fit` is given."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Integral
from typing import Any

from affect.classes.factories import check_factory
from affect.data.checks import check_corpus
from affect.errors import ConfigError, described
from affect.model import FusionModel, check_model
from affect.objectives import Objective, objective_for
from affect.training.learner import MONITOR, Learner
from affect.training.optimisation import make_optimizer, make_schedule
from affect.training.options import Training


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
        ConfigError: a class where an object is wanted or the reverse, a text, a dictionary.
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
    if teacher is not None:
        check_model("fit: teacher", teacher)
    check_learner(learner)


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
        affect.errors.ConfigError: fit: seed: expected a whole number of at least 0, got the text '7'
    """
    if isinstance(seed, bool) or not isinstance(seed, Integral) or int(seed) < 0:
        raise ConfigError(f"{who}: seed: expected a whole number of at least 0, got {described(seed)}")


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


def _options(given: Any) -> str:
    """How options are written: the end of a message."""
    if isinstance(given, dict):
        return f"write affect.Training({', '.join(f'{key}={value!r}' for key, value in given.items())})"
    return "write affect.Training(epochs=20), with what is to differ from its defaults"
