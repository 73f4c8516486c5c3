"""The laws of encoders, imputers, aligners, fusions, heads and objectives."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import pad

from affect.errors import BrokenLawError
from affect.sequences import Sequence
from affect.testing.parts import LENGTHS, Inputs, Part


def shape_is_declared(part: Part) -> None:
    """(batch, time', out_dim), finite."""
    out = part.run(part.inputs())
    if out.values.shape[::2] != (len(LENGTHS), part.out_dim):
        raise BrokenLawError(
            f"expected ({len(LENGTHS)}, time, {part.out_dim}), got {tuple(out.values.shape)}"
        )
    if not out.values.isfinite().all():
        raise BrokenLawError("the output is not finite")


def padding_is_not_read(part: Part) -> None:
    """More padded steps change nothing."""
    run, inputs = part.ready(), part.inputs()
    longer = {name: _padded(x, 3) for name, x in inputs.items()}
    expect_same(run(inputs), run(longer), "more padding changes the output")


def holes_are_not_read(part: Part) -> None:
    """NaN under unobserved steps changes nothing; an observed step does matter."""
    run, inputs = part.ready(), part.inputs()
    poisoned = {
        name: Sequence(torch.where(x.mask.unsqueeze(-1), x.values, torch.nan), x.mask)
        for name, x in inputs.items()
    }
    before = run(inputs)
    expect_same(before, run(poisoned), "what lies under an unobserved step reaches the output")
    for name, x in inputs.items():
        step = int(x.mask[0].nonzero()[-1])
        values = x.values.clone()
        values[0, step] = -2 * values[0, step] + 1
        after = run({**inputs, name: x.with_values(values)})
        if _close(before.values[0], after.values[0]):
            raise BrokenLawError(f"an observed step of {name} does not reach the output")


def batch_independent(part: Part) -> None:
    """A sample alone, cut to its own length, gets what it gets in a batch."""
    run, inputs = part.ready(), part.inputs()
    together = run(inputs)
    for row in range(len(LENGTHS)):
        alone = run({name: _alone(x, row) for name, x in inputs.items()})
        expect_same(
            together.take(torch.tensor([row])),
            alone,
            f"sample {row} depends on the other samples of its batch",
        )


def any_subset_works(part: Part) -> None:
    """Every subset of the inputs, the empty one too, within one batch: finite output and gradients."""
    names = list(part.dims)
    subsets = list(
        itertools.chain.from_iterable(itertools.combinations(names, n) for n in range(len(names) + 1))
    )
    inputs = part.inputs()
    rows = torch.tensor([0] * len(subsets))
    batch = {}
    for name, x in inputs.items():
        there = torch.tensor([name in subset for subset in subsets])
        batch[name] = x.take(rows).keep(there.unsqueeze(1))
    leaves = {name: x.values.clone().requires_grad_() for name, x in batch.items()}
    module = part.make()
    out = part.call(module, {name: Sequence(leaves[name], x.mask) for name, x in batch.items()})
    if not out.values.isfinite().all():
        raise BrokenLawError("the output is not finite for some subset of the modalities")
    if out.values.requires_grad:
        out.values.square().sum().backward()  # type: ignore[no-untyped-call]
    gradients = [*(p.grad for p in module.parameters()), *(leaf.grad for leaf in leaves.values())]
    if not all(gradient is None or gradient.isfinite().all() for gradient in gradients):
        raise BrokenLawError("a gradient is not finite for some subset of the modalities")
    for name, leaf in leaves.items():
        if leaf.grad is not None and leaf.grad[~batch[name].present].any():
            raise BrokenLawError(f"{name} gets a gradient from samples that lack it")
    run = part.ready(module)
    for row, subset in enumerate(subsets):
        alone = run({name: x.take(torch.tensor([row])) for name, x in batch.items()})
        expect_same(
            out.take(torch.tensor([row])),
            alone,
            f"with {subset or 'nothing'}: a sample depends on the other samples of its batch",
        )


def order_of_names_is_free(part: Part) -> None:
    """The same inputs in another order give the same output."""
    run, inputs = part.ready(), part.inputs()
    turned = dict(reversed(inputs.items()))
    expect_same(run(inputs), run(turned), "the order of the modalities matters")


def every_modality_counts(part: Part) -> None:
    """Changing one input, or losing it, changes the output."""
    run, inputs = part.ready(), part.inputs()
    before = run(inputs)
    for name, x in inputs.items():
        changed = {**inputs, name: x.with_values(-2 * x.values + 1)}
        lost = {**inputs, name: x.keep(torch.zeros_like(x.mask))}
        for other in (changed, lost):
            if _close(before.values, run(other).values):
                raise BrokenLawError(f"{name} does not reach the output")


def every_parameter_learns(part: Part) -> None:
    """A gradient reaches every parameter that is not frozen, from inputs with and without each modality."""
    module = part.make().train()
    if not part.learns:
        return
    for seed, lost in itertools.product(range(3), (None, *part.dims)):
        inputs = part.inputs(seed)
        inputs = {n: x.keep(torch.tensor(n != lost or len(part.dims) == 1)) for n, x in inputs.items()}
        weights = torch.linspace(1, 2, part.out_dim, dtype=torch.float64)  # no symmetry cancels a gradient
        out = part.call(module, inputs).values
        if out.requires_grad:
            (out * weights).square().sum().backward()  # type: ignore[no-untyped-call]
    learning = [(n, p.grad) for n, p in module.named_parameters() if p.requires_grad]
    dead = [n for n, grad in learning if grad is None or grad.abs().max() < 1e-9]
    if dead or not learning:
        raise BrokenLawError(f"no gradient reaches {', '.join(dead) or 'any parameter: there are none'}")


def state_is_complete(part: Part) -> None:
    """state_dict -> safetensors -> state_dict gives the same output."""
    from safetensors.torch import load, save

    one, other, inputs = part.make(0), part.make(1), part.inputs()
    other.load_state_dict(load(save({name: x.contiguous() for name, x in one.state_dict().items()})))
    with torch.no_grad():
        expect_same(
            part.call(one, inputs), part.call(other, inputs), "state_dict does not hold all that matters"
        )


def state_moves(part: Part) -> None:
    """`.to()` leaves no tensor behind."""
    module = part.make().to("meta")
    known = {id(x) for x in itertools.chain(module.parameters(), module.buffers())}
    stray = sorted(
        {
            type(owner).__name__
            for owner in module.modules()
            for held in vars(owner).values()
            for x in _tensors(held)
            if id(x) not in known
        }
    )
    if stray:
        raise BrokenLawError(f".to() leaves tensors behind in {', '.join(stray)}")


def eval_is_deterministic(part: Part) -> None:
    """Eval mode gives the same output twice, and changes no state."""
    module, inputs = part.make(), part.inputs()
    with torch.no_grad():
        expect_same(part.call(module, inputs), part.call(module, inputs), "two calls in eval mode differ")


def nothing_later_is_read(part: Part) -> None:
    """Of a part that says it is `causal`: what comes later, were it other, more or nothing, changes no step.

    Modalities that begin late are looked at too: whether one is there must not be known before it is.
    """
    module = part.make()
    if not getattr(module, "causal", False):
        return
    run, whole = part.ready(module), part.inputs()
    time = max(x.time for x in whole.values())
    for step, late in itertools.product((0, 1, 3), (None, *part.dims)):
        past = torch.arange(time) <= step
        begun = {name: x.keep(past[: x.time]) for name, x in whole.items()}
        if late is not None:
            begun[late] = begun[late].keep(torch.zeros_like(begun[late].mask))
        expected = run(begun)
        for seed in (0, 1):
            after = _continued(begun, part.inputs(seed), past, full=seed == 1)
            found = run(after)
            times = {x.time for x in after.values()}
            if found.time not in times:
                raise BrokenLawError(f"it says causal, and makes {found.time} of {min(times)} steps")
            known = slice(step + 1)
            values = (x.values[:, known, : x.dim - part.of_sample] for x in (expected, found))
            if not (_close(*values) and torch.equal(expected.mask[:, known], found.mask[:, known])):
                raise BrokenLawError(f"it says causal, and step {step} depends on later ones")


LAWS: tuple[Callable[[Part], None], ...] = (
    shape_is_declared,
    padding_is_not_read,
    holes_are_not_read,
    batch_independent,
    any_subset_works,
    order_of_names_is_free,
    every_modality_counts,
    every_parameter_learns,
    state_is_complete,
    state_moves,
    eval_is_deterministic,
    nothing_later_is_read,
)


def _continued(begun: Inputs, others: Inputs, past: Tensor, full: bool) -> Inputs:
    """What has begun, with the later steps of others; all of these are observed where it is to be `full`."""
    continued = {}
    for name, x in begun.items():
        until, other = past[: x.time], others[name]
        values = torch.where(until.unsqueeze(-1), x.values, -2 * other.values + 1)
        continued[name] = Sequence(values, torch.where(until, x.mask, other.mask | full))
    return continued


def _padded(x: Sequence, steps: int) -> Sequence:
    return Sequence(pad(x.values, (0, 0, 0, steps)), pad(x.mask, (0, steps)))


def _alone(x: Sequence, row: int) -> Sequence:
    last = int(x.mask[row].nonzero()[-1]) + 1
    return Sequence(x.values[row : row + 1, :last], x.mask[row : row + 1, :last])


def _close(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, atol=1e-10, rtol=0)


def expect_same(one: Sequence, other: Sequence, law: str) -> None:
    """Demand the same values and mask; steps that only one of them has are unobserved.

    Raises:
        BrokenLawError: they are not, in the words of `law`.
    """
    time = min(one.time, other.time)
    rest = [x.mask[:, time:].any() for x in (one, other)]
    values = _close(one.values[:, :time], other.values[:, :time])
    if any(rest) or not values or not torch.equal(one.mask[:, :time], other.mask[:, :time]):
        raise BrokenLawError(law)


def _tensors(held: object) -> list[Tensor]:
    if isinstance(held, Tensor):
        return [held]
    if isinstance(held, dict):
        held = list(held.values())
    return [x for x in held if isinstance(x, Tensor)] if isinstance(held, list | tuple) else []
