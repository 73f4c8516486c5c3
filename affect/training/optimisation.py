"""The optimiser and the schedule of a training."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau
from torch.optim.optimizer import Optimizer

from affect.errors import ConfigError
from affect.training.options import Training

Mode = Literal["min", "max"]


def make_optimizer(options: Training, groups: list[dict[str, Any]]) -> Optimizer:
    """The optimiser of a training.

    Args:
        options: name it.
        groups: of parameters, each with its `lr`.
    Raises:
        ConfigError: it cannot be made of that, or something else comes of it.
    Example:
        >>> weights = torch.nn.Parameter(torch.zeros(2))
        >>> options = Training(optimizer=torch.optim.SGD, learning_rate=0.1)
        >>> optimizer = make_optimizer(options, [{"params": [weights], "lr": 0.1}])
        >>> optimizer.defaults["lr"], optimizer.defaults["weight_decay"]
        (0.1, 0.01)
    """
    known: dict[str, Any] = {"lr": options.learning_rate, "weight_decay": options.weight_decay}
    handed = {name: known[name] for name in _open(options.optimizer) & known.keys()}
    if (
        _is_adamw(options.optimizer) and options.precision != "16-mixed"
    ):  # whose gradients are clipped unscaled
        handed["fused"] = True
    optimizer = _made("optimizer", options.optimizer, groups, handed)
    if not isinstance(optimizer, Optimizer):
        raise ConfigError(
            f"training: optimizer: expected a torch.optim.Optimizer, got a {type(optimizer).__name__}"
        )
    return optimizer


def make_schedule(
    options: Training, optimizer: Optimizer, steps: int, monitor: str, mode: Mode
) -> dict[str, Any]:
    """The schedule of a training, as Lightning takes it.

    Args:
        options: name it.
        optimizer: whose rates it sets.
        steps: of the optimiser in all epochs.
        monitor: what Lightning calls the monitored value.
        mode: whether that is better the lower, `min`, or the higher, `max`.
    Raises:
        ConfigError: it cannot be made of that, or something else comes of it; one that asks for the monitored
            value is to be stepped after every step, or looks in the wrong direction.
    Example:
        >>> options = Training(schedule=functools.partial(torch.optim.lr_scheduler.OneCycleLR, max_lr=0.1))
        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(2))])
        >>> made = make_schedule(options, optimizer, 480, "valid/monitor", "min")
        >>> made["scheduler"].total_steps, made["interval"]
        (60, 'epoch')
    """
    make = options.schedule
    assert make is not None
    times = steps if options.schedule_interval == "step" else options.epochs
    known = {
        "num_training_steps": times,
        "total_steps": times,
        "num_warmup_steps": math.ceil(options.learning_rate_warmup * times),
    }
    scheduler = _made("schedule", make, optimizer, {k: known[k] for k in _open(make) & known.keys()})
    if not all(hasattr(scheduler, name) for name in ("step", "state_dict", "load_state_dict", "optimizer")):
        raise ConfigError(
            "training: schedule: expected a scheduler of torch.optim.lr_scheduler, got a "
            f"{type(scheduler).__name__}"
        )
    if isinstance(scheduler, OneCycleLR) and scheduler.total_steps < times:
        raise ConfigError(
            f"training: schedule: OneCycleLR is for {scheduler.total_steps} steps, and is stepped {times} "
            "times; leave total_steps out, which is known here"
        )
    asks = needs_monitor(scheduler)
    if asks and options.schedule_interval == "step":
        raise ConfigError(
            f"training: schedule_interval: {type(scheduler).__name__} needs the monitored value, which is "
            "measured after every epoch; leave schedule_interval at 'epoch'"
        )
    if isinstance(scheduler, ReduceLROnPlateau) and scheduler.mode != mode:
        raise ConfigError(
            f"training: schedule: {type(scheduler).__name__} has mode '{scheduler.mode}', but "
            f"'{options.monitor}' is better the {'higher' if mode == 'max' else 'lower'}; "
            f"give it mode '{mode}'"
        )
    return {
        "scheduler": scheduler,
        "interval": options.schedule_interval,
        "monitor": monitor,
        "reduce_on_plateau": asks,
    }


def needs_monitor(scheduler: Any) -> bool:
    """Whether a scheduler's `step` asks for a value.

    Args:
        scheduler: that was made.
    Example:
        >>> needs_monitor(ReduceLROnPlateau(torch.optim.SGD([torch.nn.Parameter(torch.zeros(2))])))
        True
    """
    parameters = inspect.signature(scheduler.step).parameters.values()
    named = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return any(p.default is p.empty and p.kind in named for p in parameters)


def warms_up(options: Training) -> bool:
    """Whether the learner lets the rate grow; a schedule that takes `num_warmup_steps` does it itself.

    Args:
        options: of the training.
    Example:
        >>> warms_up(Training(learning_rate_warmup=0.1))
        True
    """
    own = options.schedule is not None and "num_warmup_steps" in _open(options.schedule)
    return options.learning_rate_warmup > 0 and not own


def depends_on_all_epochs(options: Training) -> bool:
    """Whether the learning rate of an epoch depends on how many there are to be.

    Args:
        options: of the training.
    Example:
        >>> depends_on_all_epochs(Training()), depends_on_all_epochs(Training(learning_rate_warmup=0.1))
        (False, True)
    """
    counted = {"num_training_steps", "total_steps"}
    return options.learning_rate_warmup > 0 or (
        options.schedule is not None and bool(counted & _open(options.schedule))
    )


def _open(factory: Callable[..., Any]) -> set[str]:
    """The arguments that a factory takes by name and was not given; None counts as not given."""
    bound = factory.keywords if isinstance(factory, functools.partial) else {}
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(factory).parameters.values()
    return {p.name for p in parameters if p.kind in by_name and bound.get(p.name) is None}


def _is_adamw(factory: Any) -> bool:
    """Whether it is AdamW, without an argument for how it takes its step."""
    made = factory.func if isinstance(factory, functools.partial) else factory
    return made is torch.optim.AdamW and {"fused", "foreach"} <= _open(factory)


def _made(key: str, factory: Callable[..., Any], first: Any, handed: dict[str, Any]) -> Any:
    try:
        return factory(first, **handed)
    except Exception as error:  # of somebody else's code
        made = factory.func if isinstance(factory, functools.partial) else factory
        name = getattr(made, "__name__", type(made).__name__)
        raise ConfigError(
            f"training: {key}: {name} cannot be made: {error or type(error).__name__}"
        ) from error
