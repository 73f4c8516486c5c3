"""Training of a stack of models."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable
from typing import Any

import lightning
import torch

from affect.allocation import keep_freed_memory
from affect.data.corpus import Corpus
from affect.data.loading import batches
from affect.errors import ConfigError
from affect.model import FusionModel
from affect.objectives import objective_for
from affect.together.stack import Seed, Stack
from affect.training import EVALUATED, ObjectiveFactory, Run, Training, measured, prepared, seeded


def fit_together(
    models: Iterable[FusionModel],
    corpus: Corpus,
    seeds: Iterable[int],
    *,
    training: Training | None = None,
    objective: ObjectiveFactory | None = None,
    name: str = "",
    teacher: FusionModel | None = None,
) -> list[Run]:
    """Train models that are alike but for their weights at once; each run is the one that `fit` would give.

    The weights of all models lie in one tensor, a row each, and a step moves all rows: on a GPU, where a
    small model leaves most of the device idle, five seeds need as many kernels as one. Each model keeps to
    its own seed: the order of its samples, its damage, its draws, the norm at which its gradient is clipped,
    its early stopping, its best epoch. One that has stopped leaves the stack and costs nothing more. On a CPU
    a stack gains nothing; seeds are best trained in processes there (`affect bench --jobs`).

    Equal to `fit` but for rounding: everything without dropout, and with it wherever what is dropped has an
    axis of samples and at most one of the steps of one modality, in any order. Where axes are laid end to end
    (`PerStep`; the joined steps of `MergedAttentionFusion`, `BottleneckFusion` and `TemporalGraphFusion`),
    draws have the padded shape: as random as those of `fit`, but others, in every epoch in which batches of
    the seeds differ in size, and then they depend on which seeds are trained together. Rounding alone makes
    weights drift apart over many epochs, as it does between two machines.

    Every part must keep the laws (`affect.testing`): batches are padded to one size with samples and steps
    that nobody observed. What ends one training, as predictions that are not finite do, ends all. There are
    no checkpoints: a training that was killed begins anew, where `fit` resumes. The loop is not Lightning's,
    whose checkpoints, stopping and clipping know one model each.

    Args:
        models: are trained in place.
        corpus: has the splits `train` and `valid`; `test` is measured afterwards, where there is one.
        seeds: one for each model: of the order of samples and of dropout.
        training: how to train, for all.
        objective: an Objective class or a partial of one; the plain one for the kind of target by default.
        name: the model's name in the results; its fusion's class by default.
        teacher: a trained model of the same target to learn from too, the same for all.
    Returns:
        a run for each model, in their order; its `seconds` are its share of what the stack took, so that
        those of all runs add up.
    Raises:
        ConfigError: there is no seed for each model; two models are the same one, or differ in more than
            their weights; a part does what cannot be done to a stack; another precision than float32,
            compiling, or accumulating gradients; and what `fit` refuses.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> models = [affect.FusionModel.for_corpus(corpus) for _ in range(2)]
        >>> runs = fit_together(models, corpus, (0, 1), training=Training(epochs=2))
        >>> [run.results["seed"].unique().tolist() for run in runs]
        [[0], [1]]
    """
    models, seeds, training = list(models), list(seeds), training or Training()
    _check_alike(models, seeds)
    keep_freed_memory()
    if training.compile or training.precision != "float32" or training.accumulate > 1:
        raise ConfigError(
            "fit_together: a stack is trained in float32, not compiled, with a step for every batch, got "
            f"precision={training.precision}, compile={training.compile}, accumulate={training.accumulate}; "
            "use fit for these"
        )
    target = models[0].head.target
    development, training = prepared(models[0], corpus, training, teacher)
    make = objective_for(target) if objective is None else objective
    learners = [
        Seed(model, make(target), training, seed, teacher) for model, seed in zip(models, seeds, strict=True)
    ]
    device = lightning.Fabric(accelerator=training.accelerator, devices=1).device
    with seeded(seeds[0]), warnings.catch_warnings():
        # where vmap has no rule of its own it goes row by row, which is slower and right
        warnings.filterwarnings("ignore", message=".*performance drop.*")
        _train(learners, development, training, device)
    return [_measured(learner, corpus, name) for learner in learners]


def _train(learners: list[Seed], development: Corpus, training: Training, device: torch.device) -> None:
    """Epoch by epoch, with those that have not stopped."""
    target, split = learners[0].model.head.target.name, development["train"]
    loaders: dict[Seed, Any] = {
        learner: batches(split, target, training.batch_size, learner.seed, development.aligned)
        for learner in learners
    }
    valid = batches(development["valid"], target, EVALUATED, aligned=development.aligned, by_length=True)
    stack = Stack(learners, training, device)
    for epoch in range(training.epochs):
        begin, going = time.perf_counter(), stack.learners
        for learner in going:
            learner.epoch = epoch
            loaders[learner].batch_sampler.sampler.set_epoch(epoch)
        stack.begin([hash((learner.seed, epoch)) for learner in going])
        for step in zip(*(loaders[learner] for learner in going), strict=True):
            stack.step(step)
        if stack.scheduler is not None:
            stack.scheduler.step()
        trained = time.perf_counter() - begin
        stack.validate(valid)
        share = 1 / len(going)
        spent = time.perf_counter() - begin
        for row, learner in enumerate(going):
            learner.begin, learner.trained = time.perf_counter() - share * spent, share * trained
            learner.on_validation_epoch_end()
            learner.judge(lambda row=row: stack.copy(row))  # type: ignore[misc]  # mypy infers no default
        stack.leave([row for row, learner in enumerate(going) if not learner.stopped])
        if not stack.learners:
            break


def _check_alike(models: list[FusionModel], seeds: list[int]) -> None:
    """Refuse models that are not one architecture, as the first one stands for all of them."""
    if not models or len(models) != len(seeds):
        raise ConfigError(
            f"fit_together: expected a seed for each model, got {len(seeds)} seeds for {len(models)} models"
        )
    if len(set(models)) < len(models):
        raise ConfigError("fit_together: expected separate models, got one of them twice; build it anew")
    first, *others = map(_described, models)
    for number, other in enumerate(others, 2):
        for key in first | other:
            if (one := first.get(key, "not there")) != (another := other.get(key, "not there")):
                raise ConfigError(
                    f"fit_together: expected models that are alike but for their weights, but {key} is {one} "
                    f"in the first and {another} in number {number}; train them one after the other (fit)"
                )


def _described(model: FusionModel) -> dict[str, Any]:
    """All that a stack takes from its first model alone, by name."""
    found: dict[str, Any] = {"target": model.head.target, "helpers": model.helpers}
    for name, part in model.named_modules():
        found[name] = type(part).__name__
        for key, value in vars(part).items():
            if isinstance(value, bool | int | float | str) and key != "training":
                found[f"{name}.{key}"] = value
    for name, x in [*model.named_parameters(), *model.named_buffers()]:
        found[name] = f"{'learned' if x.requires_grad else 'fixed'} of shape {tuple(x.shape)}"
    return found


def _measured(learner: Seed, corpus: Corpus, name: str) -> Run:
    """The run of a model, with the weights of its best epoch."""
    own = learner.state_dict(keep_vars=True)
    with torch.no_grad():
        for key, x in learner.kept.items():
            if key in own:
                own[key].copy_(x)
    return measured(learner, corpus, learner.best_epoch, name)
