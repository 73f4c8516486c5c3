"""Models of one architecture as one, and the seed behind each."""

from __future__ import annotations

import copy
import itertools
import math
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from affect.data.scaling import Scaler
from affect.errors import ConfigError
from affect.model import FusionModel
from affect.sequences import Batch, Sequence
from affect.together.draws import Draws
from affect.training import MONITOR, Learner, Training

_Pair: TypeAlias = tuple[Tensor, Tensor]
"""Values and mask of every model, (model, batch, time, feature) and (model, batch, time)."""


class Seed(Learner):
    """What each seed has to itself: its damage, its measurements, when it stops and what it keeps.

    A step is `Learner`'s own, of a batch that was damaged before it was padded.
    """

    epoch = best_epoch = waited = 0
    reached = best = math.nan
    stopped = False
    shown: Mapping[str, Sequence]
    kept: Mapping[str, Tensor]

    @property
    def current_epoch(self) -> int:
        return self.epoch

    def log(self, name: str, value: Any, *_: Any, **__: Any) -> None:
        if name == MONITOR:
            self.reached = torch.tensor(float(value)).item()  # in single precision, as Lightning compares

    def log_dict(self, *_: Any, **__: Any) -> None:
        pass

    def damaged(self, batch: Batch) -> dict[str, Sequence]:
        """What the model is shown of a batch of its own."""
        return super()._damaged(batch)

    def _damaged(self, batch: Batch) -> dict[str, Sequence]:
        return dict(self.shown)

    def forward(self, shown: Mapping[str, Sequence], batch: Batch) -> Any:
        """In training, the mean loss; else what is said of each sample, and its loss."""
        if self.training:
            self.shown = shown
            return self.training_step(batch)
        losses, _, prediction = self._losses(batch)
        return losses, self.model.head.decide(prediction)

    def judge(self, keep: Callable[[], Mapping[str, Tensor]]) -> None:
        """Keep what is better than all before; stop where nothing was for too long, or is not finite."""
        sign = 1 if self.mode == "max" else -1
        if len(self.history) == 1 or sign * (self.reached - self.best) > 0:
            self.best, self.best_epoch, self.waited, self.kept = self.reached, self.epoch, 0, keep()
        else:
            self.waited += 1
        self.stopped = not math.isfinite(self.reached) or self.waited >= self.training_.patience


class Stack:
    """The weights of several models, a row each, and what moves them.

    All that learns at one rate is one tensor, (model, weights): clipping and AdamW then are a handful of
    operations, however many layers there are.
    """

    def __init__(self, learners: list[Seed], training: Training, device: torch.device) -> None:
        self.learners, self.training, self.device = learners, training, device
        self.frame = copy.deepcopy(learners[0]).to(device)
        self.scaler = None if self.frame.teacher else _shared(learner.model.scaler for learner in learners)
        if self.scaler is not None:  # inputs are many: they are scaled as one batch, and not within vmap
            self.scaler, self.frame.model.scaler = self.frame.model.scaler, None
        names = {parameter: name for name, parameter in self.frame.named_parameters()}
        groups = self.frame.groups()
        self.parts = [{names[p]: p.shape for p in group["params"]} for group in groups]
        learning = {name for part in self.parts for name in part}
        tensors = [{**dict(x.named_parameters()), **dict(x.named_buffers())} for x in learners]
        kept = [*names.values(), *dict(self.frame.named_buffers())]
        rows = {name: torch.stack([own[name].detach() for own in tensors]).to(device) for name in kept}
        self.fixed = {name: x for name, x in rows.items() if name not in learning}
        self.weights = [
            nn.Parameter(torch.cat([rows[name].flatten(1) for name in part], 1)) for part in self.parts
        ]
        self.taken = {size for x in tensors[0].values() for size in x.shape}
        self.optimizer = torch.optim.AdamW(
            [{"params": [x], "lr": group["lr"]} for x, group in zip(self.weights, groups, strict=True)],
            lr=training.learning_rate,
            weight_decay=training.weight_decay,
            fused=True,
        )
        self.scheduler = None if training.schedule is None else training.schedule(self.optimizer)
        self.draws = Draws(device)

    def begin(self, seeds: list[int]) -> None:
        """An epoch, in which each model draws from its own of `seeds`."""
        self.frame.train()
        self.draws.begin(seeds)

    def step(self, own: Iterable[Batch]) -> None:
        """One step of every model, each on its own batch."""
        own, options = list(own), self.training
        sees_all = bool(options.consistency or self.frame.teacher)  # what was not damaged too
        views = [
            (learner.damaged(batch), batch.inputs if sees_all else {}, {"truth": batch.target})
            for learner, batch in zip(self.learners, own, strict=True)
        ]
        common = common_sizes(views, self.taken)
        self.draws.sizes = {size: own for own, size in common.items()}
        shown, clean, truth = (padded(view, common, self.device) for view in zip(*views, strict=True))
        with self.draws, _refused(self.frame.model):
            losses = self._apply(self._scaled(shown), self._scaled(clean), truth["truth"])
        self.optimizer.zero_grad()
        losses.sum().backward()
        if options.gradient_clip:
            self._clip(options.gradient_clip)
        self.optimizer.step()

    @torch.inference_mode()
    def validate(self, valid: Iterable[Batch]) -> None:
        """Give each model what it will be measured by."""
        self.frame.eval()
        for batch in valid:
            truth = batch.target
            moved = batch.to(self.device).inputs
            inputs = moved if self.scaler is None else self.scaler(moved)
            given = {name: self._for_all(x) for name, x in inputs.items()}
            with _refused(self.frame.model):
                losses, said = (x.cpu() for x in self._apply({}, given, self._for_all(truth.to(self.device))))
            for row, learner in enumerate(self.learners):
                learner.pieces.append(
                    (losses[row], truth.lengths, said[row][truth.mask], truth.values[truth.mask])
                )

    def copy(self, row: int) -> dict[str, Tensor]:
        """Weights and buffers of one model, by name."""
        named = self._named(
            [x.detach()[row] for x in self.weights], {k: x[row] for k, x in self.fixed.items()}
        )
        return {name: x.clone() for name, x in named.items()}

    def leave(self, rows: list[int]) -> None:
        """Go on with the models `rows` alone."""
        if len(rows) == len(self.learners):
            return
        self.learners = [self.learners[row] for row in rows]
        self.fixed = {name: x[rows] for name, x in self.fixed.items()}
        for i, (old, group) in enumerate(zip(self.weights, self.optimizer.param_groups, strict=True)):
            self.weights[i] = nn.Parameter(old.detach()[rows])
            group["params"] = [self.weights[i]]
            state = self.optimizer.state.pop(old, {})
            self.optimizer.state[self.weights[i]] = {
                key: x[rows] if x.shape == old.shape else x for key, x in state.items()
            }

    def _for_all(self, x: Sequence) -> _Pair:
        """The same for every model."""
        values, mask = (part.expand(len(self.learners), *part.shape) for part in (x.values, x.mask))
        return values, mask

    def _scaled(self, view: Mapping[str, _Pair]) -> Mapping[str, _Pair]:
        """On the scale of the training split, where the models share a scaler; else that is left to them."""
        if self.scaler is None:
            return view
        models = (len(self.learners), -1)
        one = self.scaler(
            {m: Sequence(values.flatten(0, 1), mask.flatten(0, 1)) for m, (values, mask) in view.items()}
        )
        return {m: (x.values.unflatten(0, models), x.mask.unflatten(0, models)) for m, x in one.items()}

    def _apply(self, shown: Mapping[str, _Pair], clean: Mapping[str, _Pair], truth: _Pair) -> Any:
        """What the frame returns with each model's weights, for each model's inputs."""

        def one(row: Tensor, weights: Any, fixed: Any, shown: Any, clean: Any, truth: Any) -> Any:
            self.draws.row = row
            views = ({m: Sequence(*x) for m, x in view.items()} for view in (shown, clean))
            given = (next(views), Batch(next(views), Sequence(*truth), ()))
            return functional_call(self.frame, self._named(weights, fixed), given)

        rows = torch.arange(len(self.learners), device=self.device)
        return vmap(one)(rows, self.weights, self.fixed, shown, clean, truth)

    def _named(self, weights: Iterable[Tensor], fixed: dict[str, Tensor]) -> dict[str, Tensor]:
        """What the weights of one model, each (weights,), are called."""
        named = dict(fixed)
        for part, x in zip(self.parts, weights, strict=True):
            pieces = torch.split(x, [shape.numel() for shape in part.values()])
            named |= {name: y.view(shape) for (name, shape), y in zip(part.items(), pieces, strict=True)}
        return named

    def _clip(self, most: float) -> None:
        """What `torch.nn.utils.clip_grad_norm_` does, to the gradient of each model by itself."""
        grads = [x.grad for x in self.weights if x.grad is not None]
        norm = torch.stack([grad.norm(dim=1) for grad in grads]).norm(dim=0)  # (model,)
        share = (most / (norm + 1e-6)).clamp(max=1)
        for grad in grads:
            grad.mul_(share.unsqueeze(1))


def _shared(scalers: Iterable[Scaler | None]) -> Scaler | None:
    """The first of these, where the others do the same."""
    first, *others = scalers
    if first is None:
        return None
    own = dict(first.named_buffers())
    alike = all(
        other is not None and all(torch.equal(x, own[name]) for name, x in other.named_buffers())
        for other in others
    )
    return first if alike else None


def common_sizes(
    views: Iterable[Iterable[Mapping[str, Sequence]]], taken: set[int]
) -> dict[tuple[int, ...], int]:
    """One size for what are several in the models' own batches: of samples, and of each modality's steps.

    Where models differ, it is a size that is no multiple or part of another, so that it says of what it is
    the size.

    Args:
        views: of each model, inputs by name.
        taken: sizes of weights.
    """
    shapes = [[x.mask.shape for view in own for x in view.values()] for own in views]
    every = sorted({sizes for own in zip(*shapes, strict=True) for sizes in zip(*own, strict=True)})
    common = {sizes: sizes[0] for sizes in every if len(set(sizes)) == 1}
    others = {*taken, *common.values()} - {1}
    for sizes in every:
        if sizes not in common:
            fitting = (n for n in itertools.count(max(sizes)) if all(n % m and m % n for m in others))
            common[sizes] = next(fitting)
            others.add(common[sizes])
    return common


def padded(
    views: Iterable[Mapping[str, Sequence]], common: Mapping[tuple[int, ...], int], device: torch.device
) -> dict[str, _Pair]:
    """Values, (model, batch, time, feature), and mask of each input; what was added is unobserved."""
    views, padded = list(views), {}
    for name in views[0]:
        own = [view[name] for view in views]
        batch, time = (common[sizes] for sizes in zip(*(x.mask.shape for x in own), strict=True))
        values = own[0].values.new_zeros(len(own), batch, time, own[0].dim)
        mask = own[0].mask.new_zeros(len(own), batch, time)
        for row, x in enumerate(own):
            values[row, : len(x.mask), : x.time] = x.values
            mask[row, : len(x.mask), : x.time] = x.mask
        padded[name] = (values.to(device), mask.to(device))
    return padded


@contextmanager
def _refused(model: FusionModel) -> Iterator[None]:
    """Say which part of a model it was that cannot be stacked."""
    try:
        yield
    except RuntimeError as error:
        if "vmap" not in str(error) and "atching rule" not in str(error):
            raise
        frames = [frame.f_locals.get("self") for frame, _ in traceback.walk_tb(error.__traceback__)]
        names = {part: name for name, part in model.named_modules() if name}
        part = next(
            (part for part in reversed(frames) if isinstance(part, nn.Module) and part in names), None
        )
        who = "the model" if part is None else f"{names[part]} ({type(part).__name__})"
        raise ConfigError(
            f"fit_together: {who} cannot be trained as one of a stack; train the seeds side by side instead "
            f"(affect bench --jobs), or one after the other (fit). PyTorch says: {str(error).splitlines()[0]}"
        ) from error
