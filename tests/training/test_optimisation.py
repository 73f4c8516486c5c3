"""Optimisers, schedules and warm-up by any callable."""

import re
from functools import partial

import pytest
import torch
from small import Watched, model_of
from torch.optim import lr_scheduler

import affect
from affect.data import synthetic
from affect.errors import ConfigError
from affect.training import Training
from affect.training.optimisation import make_optimizer, make_schedule

WEIGHTS = torch.nn.Parameter(torch.zeros(3))


@pytest.fixture(scope="module")
def tiny():
    return synthetic.interaction(samples={"train": 48, "valid": 24, "test": 24})


def optimizer_of(**options):
    training = Training(**options)
    return make_optimizer(training, [{"params": [WEIGHTS], "lr": training.learning_rate}])


def rates_of(corpus, **options):
    """The rate of each step of a training of three steps an epoch."""
    keep = []
    training = Training(optimizer=partial(Watched, keep=keep), learning_rate=0.1, batch_size=16, **options)
    return keep, affect.fit(model_of(corpus), corpus, training=training)


def test_an_optimiser_is_given_what_it_takes():
    made = optimizer_of(optimizer=partial(torch.optim.SGD, momentum=0.9), learning_rate=0.1, weight_decay=0.2)
    group = made.param_groups[0]
    assert (group["lr"], group["weight_decay"], group["momentum"]) == (0.1, 0.2, 0.9)
    made = optimizer_of(optimizer=lambda groups: torch.optim.Adagrad(groups), learning_rate=0.1)
    assert (made.param_groups[0]["lr"], made.param_groups[0]["weight_decay"]) == (0.1, 0)


@pytest.mark.parametrize(
    ("options", "fused"),
    [
        ({}, True),
        (
            {"optimizer": partial(torch.optim.AdamW, fused=None, foreach=None)},
            True,
        ),  # as a configuration has it
        ({"optimizer": partial(torch.optim.AdamW, fused=False)}, False),
        ({"optimizer": partial(torch.optim.AdamW, foreach=True)}, None),
        ({"optimizer": torch.optim.Adam}, None),
        ({"precision": "16-mixed"}, None),
    ],
)
def test_adamw_is_fused_unless_it_says_otherwise(options, fused):
    assert optimizer_of(**options).defaults["fused"] is fused


def test_adamw_written_out_is_the_default(tiny):
    named = partial(torch.optim.AdamW, betas=[0.9, 0.999], eps=1e-8, amsgrad=False, foreach=None, fused=None)
    runs = [
        affect.fit(model_of(tiny), tiny, training=Training(epochs=2, **options))
        for options in ({}, {"optimizer": named})
    ]
    assert runs[0].predictions.equals(runs[1].predictions)


def halved(optimizer):
    return lr_scheduler.ExponentialLR(optimizer, 0.5)


def test_a_function_makes_a_schedule_and_is_stepped_once_per_epoch(tiny):
    assert rates_of(tiny, epochs=3, schedule=halved)[0] == [0.1] * 3 + [0.05] * 3 + [0.025] * 3


def test_a_schedule_that_asks_for_the_monitored_value_is_given_it(tiny):
    lowering = partial(lr_scheduler.ReduceLROnPlateau, factor=0.5, patience=0, threshold=0.05)
    rates, run = rates_of(tiny, epochs=6, schedule=lowering)
    reference = lowering(torch.optim.SGD([WEIGHTS], lr=0.1))
    expected = []
    for loss in run.history["loss"]:
        expected.append(reference.get_last_lr()[0])
        reference.step(loss)
    assert rates[::3] == expected
    assert len(set(rates)) > 1


def linear(optimizer, num_warmup_steps, num_training_steps, last_epoch=-1):
    """Up over the warm-up, then down to nothing at the last step."""

    def share(step):
        if step < num_warmup_steps:
            return step / num_warmup_steps
        return (num_training_steps - step) / (num_training_steps - num_warmup_steps)

    return lr_scheduler.LambdaLR(optimizer, share, last_epoch)


def test_a_schedule_that_asks_for_the_number_of_steps_is_told(tiny):
    every = {"epochs": 2, "schedule": linear, "schedule_interval": "step"}
    steps = [i / 2 if i < 2 else (6 - i) / 4 for i in range(6)]
    assert rates_of(tiny, **every, learning_rate_warmup=2 / 6)[0] == pytest.approx([0.1 * x for x in steps])
    own = {**every, "schedule": partial(linear, num_warmup_steps=3)}
    steps = [i / 3 if i < 3 else (6 - i) / 3 for i in range(6)]
    assert rates_of(tiny, **own)[0] == pytest.approx([0.1 * x for x in steps])


def test_the_schedule_of_transformers_is_one_of_these(tiny):
    transformers = pytest.importorskip("transformers")
    schedule = partial(transformers.get_linear_schedule_with_warmup, num_warmup_steps=3)
    rates, _ = rates_of(tiny, epochs=2, schedule=schedule, schedule_interval="step")
    assert rates == pytest.approx([0.1 * (i / 3 if i < 3 else (6 - i) / 3) for i in range(6)])


def test_the_rate_grows_to_what_the_schedule_makes_of_it(tiny):
    rates, _ = rates_of(tiny, epochs=3, schedule=halved, learning_rate_warmup=4 / 9)
    whole = [0.1] * 3 + [0.05] * 3 + [0.025] * 3
    assert rates == pytest.approx([min(1, i / 4) * rate for i, rate in enumerate(whole, 1)])


def test_a_schedule_of_steps_in_epochs():
    optimizer = torch.optim.SGD([WEIGHTS], lr=0.1)
    options = Training(epochs=7, schedule=partial(lr_scheduler.OneCycleLR, max_lr=0.1, total_steps=None))
    assert make_schedule(options, optimizer, 70, "m", "min")["scheduler"].total_steps == 7


def schedule_of(schedule, mode="min", **options):
    return make_schedule(
        Training(schedule=schedule, **options), torch.optim.SGD([WEIGHTS], lr=0.1), 8, "m", mode
    )


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda: Training(optimizer="SGD"),
            "training: optimizer: expected an Optimizer class or functools.partial of one, got the text 'SGD'; "
            "give torch.optim.SGD",
        ),
        (
            lambda: Training(optimizer=torch.nn.Linear),
            "training: optimizer: expected an Optimizer class or functools.partial of one, "
            "got the class torch.Linear",
        ),
        (
            lambda: Training(optimizer=partial(torch.optim.SGD, lr=0.5)),
            "training: optimizer: lr is the training's own; write learning_rate = 0.5 beside optimizer, and leave "
            "it out there",
        ),
        (
            lambda: optimizer_of(optimizer=lambda groups: groups),
            "training: optimizer: expected a torch.optim.Optimizer, got a list",
        ),
        (
            lambda: optimizer_of(optimizer=partial(torch.optim.SGD, momentum=-1)),
            "training: optimizer: SGD cannot be made: Invalid momentum value: -1",
        ),
        (
            lambda: schedule_of(lr_scheduler.StepLR),
            "training: schedule: StepLR cannot be made: StepLR.__init__() missing 1 required positional argument: "
            "'step_size'",
        ),
        (
            lambda: schedule_of(lambda optimizer: optimizer),
            "training: schedule: expected a scheduler of torch.optim.lr_scheduler, got a SGD",
        ),
        (
            lambda: schedule_of(lr_scheduler.ReduceLROnPlateau, schedule_interval="step"),
            "training: schedule_interval: ReduceLROnPlateau needs the monitored value, which is measured after "
            "every epoch; leave schedule_interval at 'epoch'",
        ),
        (
            lambda: schedule_of(lr_scheduler.ReduceLROnPlateau, "max", monitor="pearson"),
            "training: schedule: ReduceLROnPlateau has mode 'min', but 'pearson' is better the higher; give it "
            "mode 'max'",
        ),
        (
            lambda: Training(schedule_interval="batch"),
            "training: no schedule_interval 'batch'; known: epoch, step",
        ),
        (
            lambda: Training(learning_rate_warmup=5),
            "training: learning_rate_warmup must be from 0 to 1, a share of all steps, got 5",
        ),
        (
            lambda: Training(warmup_epochs=3),
            "training: warmup_epochs needs a corruption, which is what grows over them; name one, or write "
            "learning_rate_warmup, a share of all steps, where the learning rate is meant",
        ),
        (
            lambda: Training(epochs="3"),
            "training: epochs must be a whole number, at least 1, got the text '3'",
        ),
        (
            lambda: Training(batch_size=2.5),
            "training: batch_size must be a whole number, at least 1, got 2.5",
        ),
        (
            lambda: Training(learning_rate=float("nan")),
            "training: learning_rate must be positive, got nan",
        ),
        (
            lambda: Training(corruption=affect.corruption.ModalityDropout),
            "training: corruption: expected a Corruption that was made, got the class ModalityDropout; write "
            "affect.corruption.ModalityDropout(rate=0.3)",
        ),
        (lambda: Training(compile="yes"), "training: compile: expected True or False, got the text 'yes'"),
        (
            lambda: Training(devices=0),
            "training: devices: expected how many, at least 1, a list of their numbers, or 'auto', got 0",
        ),
        (lambda: Training(strategy=None), "training: strategy: expected a name, got None"),
    ],
)
def test_refusals(ask, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        ask()
