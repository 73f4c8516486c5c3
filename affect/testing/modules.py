"""The laws of encoders, imputers, aligners, fusions, heads and objectives."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from affect.aligners import AlignerFactory
from affect.data.targets import Regression, Target
from affect.encoders import EncoderFactory
from affect.errors import BrokenLawError
from affect.fusion import FusionFactory
from affect.imputation import ImputerFactory
from affect.model import HeadFactory
from affect.objectives import Objective
from affect.sequences import Output, Sequence

OUT_DIM = 8
LENGTHS = (5, 3, 1, 4)  # observed steps of each sample's first modality; the next ones are longer
NAMES = ("ecg", "text", "eeg", "visual")
ODD_NAMES = ("wav2vec2.0", "train", "a/b", "音频")
"""Names of modalities that `torch.nn.ModuleDict` refuses, or that are easily taken for something else."""

Inputs = dict[str, Sequence]


@dataclass(frozen=True)
class Part:
    """A module under the laws, and how it is called.

    Args:
        build: makes the module.
        dims: feature size of each input.
        call: runs the module and returns what it computes as a Sequence.
        out_dim: feature size that is expected.
        aligned: whether all inputs must have the same steps.
        learns: whether it has parameters.
    """

    build: Callable[[], nn.Module]
    dims: Mapping[str, int]
    call: Callable[[nn.Module, Inputs], Sequence]
    out_dim: int = OUT_DIM
    aligned: bool = False
    learns: bool = True

    def make(self, seed: int = 0) -> nn.Module:
        """The module in float64 and eval mode, its weights drawn from `seed`."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.build().double().eval()

    def inputs(self, seed: int = 0) -> Inputs:
        """Samples of several lengths, with a hole in the first one."""
        generator = torch.Generator().manual_seed(seed)
        inputs = {}
        for place, (name, dim) in enumerate(self.dims.items()):
            lengths = torch.tensor(LENGTHS) * (1 if self.aligned else place + 1)
            mask = torch.arange(int(lengths.max())) < lengths.unsqueeze(1)
            mask[0, 1] = False
            values = 3 * torch.randn(*mask.shape, dim, generator=generator, dtype=torch.float64)
            inputs[name] = Sequence(values, mask)
        return inputs

    def run(self, inputs: Inputs, seed: int = 0) -> Sequence:
        """What a freshly made module computes, without gradients."""
        with torch.no_grad():
            return self.call(self.make(seed), inputs)


def encoder_part(encoder: EncoderFactory, in_dim: int | None = None) -> Part:
    """An Encoder class, or a partial of one, under the laws."""
    size = in_dim or (1 if getattr(encoder, "reads_indices", False) else 6)
    made = encoder(size, OUT_DIM)
    return Part(
        lambda: encoder(size, OUT_DIM),
        {"signal": size},
        lambda module, x: module(x["signal"]),
        out_dim=made.out_dim,
        learns=any(True for _ in made.parameters()),
    )


def aligner_part(aligner: AlignerFactory, modalities: int = 3, names: Iterable[str] = NAMES) -> Part:
    """An Aligner class, or a partial of one, under the laws, with so many modalities of these names.

    What is looked at is all modalities side by side, each with its mask as one more feature.
    """
    dims = dict.fromkeys([*names][:modalities], 4)
    if not aligner(dims).needs_one_size:
        dims = {name: dim + place for place, (name, dim) in enumerate(dims.items())}

    def call(module: nn.Module, inputs: Inputs) -> Sequence:
        aligned = module(inputs)
        parts = [torch.cat([x.values, x.mask.unsqueeze(-1)], -1) for _, x in sorted(aligned.items())]
        return Sequence(torch.cat(parts, -1), torch.stack([x.mask for x in aligned.values()]).any(0))

    learns = any(True for _ in aligner(dims).parameters())
    return Part(lambda: aligner(dims), dims, call, out_dim=sum(dims.values()) + modalities, learns=learns)


def imputer_part(imputer: ImputerFactory, modalities: int = 3, names: Iterable[str] = NAMES) -> Part:
    """An Imputer class, or a partial of one, under the laws, with so many modalities of these names.

    What is looked at is all modalities side by side, each with its mask as one more feature: at every step
    for one that imputes per step, else the mean over steps.
    """
    dims = {name: 4 + place for place, name in enumerate([*names][:modalities])}
    made = imputer(dims)

    def call(module: nn.Module, inputs: Inputs) -> Sequence:
        filled = [x for _, x in sorted(module(inputs).items())]
        if made.per_step:
            parts = [torch.cat([x.values, x.mask.unsqueeze(-1)], -1) for x in filled]
            return Sequence(torch.cat(parts, -1), torch.stack([x.mask for x in filled]).any(0))
        vectors = [torch.cat([x.mean(), x.present.unsqueeze(-1)], -1) for x in filled]
        return Sequence.vector(torch.cat(vectors, -1))

    return Part(
        lambda: imputer(dims),
        dims,
        call,
        out_dim=sum(dims.values()) + modalities,
        aligned=made.per_step,
        learns=any(p.requires_grad for p in made.parameters()),
    )


def fusion_part(fusion: FusionFactory, modalities: int = 3, names: Iterable[str] = NAMES) -> Part:
    """A Fusion class, or a partial of one, under the laws, with so many modalities of these names."""
    dims = {name: 4 + place for place, name in enumerate([*names][:modalities])}
    made = fusion(dims, OUT_DIM)
    return Part(
        lambda: fusion(dims, OUT_DIM),
        dims,
        lambda module, x: module(x),
        out_dim=made.out_dim,
        aligned=made.needs_alignment,
    )


def head_part(head: HeadFactory, target: Target) -> Part:
    """A Head class, or a partial of one, under the laws."""

    def call(module: nn.Module, inputs: Inputs) -> Sequence:
        x, prediction = inputs["fused"], module(inputs["fused"])
        return x.with_values(prediction) if target.per_step else Sequence.full(prediction)

    return Part(lambda: head(6, target), {"fused": 6}, call, out_dim=target.outputs)


def objective_part(objective: Callable[[Target], Objective], target: Target) -> Part:
    """An Objective class, or a partial of one, under the laws; its inputs are prediction and truth."""

    def call(module: nn.Module, inputs: Inputs) -> Sequence:
        prediction, mask = inputs["prediction"].values, inputs["prediction"].mask
        classes = getattr(target, "count", None)
        truth = 1 - prediction[..., : target.size] / 2  # any values that are the sample's own
        truth = truth if classes is None else truth.round().abs().remainder(classes)
        fused = Sequence(prediction, mask)
        losses = module(Output(prediction, fused, {}), Sequence(truth.detach(), mask))
        return Sequence.vector(losses.unsqueeze(-1), mask.any(1))

    return Part(
        lambda: objective(target), {"prediction": target.outputs}, call, out_dim=1, learns=False
    )  # fmt: skip


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
    inputs = part.inputs()
    longer = {name: _padded(x, 3) for name, x in inputs.items()}
    _same(part.run(inputs), part.run(longer), "more padding changes the output")


def holes_are_not_read(part: Part) -> None:
    """NaN under unobserved steps changes nothing; an observed step does matter."""
    inputs = part.inputs()
    poisoned = {
        name: Sequence(torch.where(x.mask.unsqueeze(-1), x.values, torch.nan), x.mask)
        for name, x in inputs.items()
    }
    before = part.run(inputs)
    _same(before, part.run(poisoned), "what lies under an unobserved step reaches the output")
    for name, x in inputs.items():
        step = int(x.mask[0].nonzero()[-1])
        values = x.values.clone()
        values[0, step] = -2 * values[0, step] + 1
        after = part.run({**inputs, name: x.with_values(values)})
        if _close(before.values[0], after.values[0]):
            raise BrokenLawError(f"an observed step of {name} does not reach the output")


def batch_independent(part: Part) -> None:
    """A sample alone, cut to its own length, gets what it gets in a batch."""
    inputs = part.inputs()
    together = part.run(inputs)
    for row in range(len(LENGTHS)):
        alone = part.run({name: _alone(x, row) for name, x in inputs.items()})
        _same(together.take(torch.tensor([row])), alone, f"sample {row} depends on its company")


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
    for row, subset in enumerate(subsets):
        alone = part.run({name: x.take(torch.tensor([row])) for name, x in batch.items()})
        _same(
            out.take(torch.tensor([row])),
            alone,
            f"with {subset or 'nothing'}: a sample depends on its company",
        )


def order_of_names_is_free(part: Part) -> None:
    """The same inputs in another order give the same output."""
    inputs = part.inputs()
    turned = dict(reversed(inputs.items()))
    _same(part.run(inputs), part.run(turned), "the order of the modalities matters")


def every_modality_counts(part: Part) -> None:
    """Changing one input, or losing it, changes the output."""
    inputs = part.inputs()
    before = part.run(inputs)
    for name, x in inputs.items():
        changed = {**inputs, name: x.with_values(-2 * x.values + 1)}
        lost = {**inputs, name: x.keep(torch.zeros_like(x.mask))}
        for other in (changed, lost):
            if _close(before.values, part.run(other).values):
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
        _same(part.call(one, inputs), part.call(other, inputs), "state_dict does not hold all that matters")


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
        _same(part.call(module, inputs), part.call(module, inputs), "two calls in eval mode differ")


def compiles(part: Part) -> None:
    """`torch.compile` takes the module whole, without a break in its graph, and it computes the same."""
    module, inputs = part.make(), part.inputs()
    torch.compiler.reset()
    with torch.no_grad():
        compiled = torch.compile(part.call, backend="eager", fullgraph=True)(module, inputs)
        _same(part.call(module, inputs), compiled, "compiled, it computes something else")


def exports(part: Part) -> None:
    """`torch.export` takes the module, and what it makes of it computes the same."""
    inputs = part.inputs()
    tensors = {name: (x.values, x.mask) for name, x in inputs.items()}
    with torch.no_grad():
        program = torch.export.export(_OnTensors(part), (tensors,)).module()
        _same(part.run(inputs), Sequence(*program(tensors)), "exported, it computes something else")


def runs_in_half_precision(part: Part) -> None:
    """Under bfloat16 autocast, output and gradients are finite, and the output is near that of float32."""
    module = part.make().float()
    inputs = {name: x.to(torch.float32) for name, x in part.inputs().items()}
    full = part.call(module, inputs).values
    with torch.autocast("cpu", torch.bfloat16):
        half = part.call(module, inputs).values
        if half.requires_grad:
            half.float().square().sum().backward()  # type: ignore[no-untyped-call]
    found = [half, *(p.grad for p in module.parameters() if p.grad is not None)]
    if not all(tensor.isfinite().all() for tensor in found):
        raise BrokenLawError("output or gradients are not finite in bfloat16")
    if (half - full).abs().max() > 0.05 * full.abs().max().clamp(min=1):
        raise BrokenLawError("bfloat16 computes something else")


class _OnTensors(nn.Module):
    """A part whose inputs and output are plain tensors, as an export wants them."""

    def __init__(self, part: Part) -> None:
        super().__init__()
        self.module, self.run = part.make(), part.call

    def forward(self, tensors: dict[str, tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        out = self.run(self.module, {name: Sequence(*pair) for name, pair in tensors.items()})
        return out.values, out.mask


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
)

DEPLOYMENT: tuple[Callable[[Part], None], ...] = (compiles, exports, runs_in_half_precision)
"""What fusions of affect do besides. Not laws: a part of yours may do without."""


def check(part: Part) -> None:
    """Hold a part to all laws.

    Raises:
        BrokenLawError: names the law and what was found.
    """
    for law in LAWS:
        try:
            law(part)
        except BrokenLawError as broken:
            raise BrokenLawError(f"{law.__name__}: {broken}") from None


def check_encoder(encoder: EncoderFactory, in_dim: int | None = None) -> None:
    """Hold an encoder to all laws.

    Example:
        >>> check_encoder(affect.encoders.LSTMEncoder)
    """
    check(encoder_part(encoder, in_dim))


def check_aligner(
    aligner: AlignerFactory, modalities: Iterable[int] = (2, 3, 4), names: Iterable[str] = NAMES
) -> None:
    """Hold an aligner to all laws, with each number of modalities.

    Example:
        >>> check_aligner(affect.aligners.ResamplingAligner)
    """
    for count in modalities:
        check(aligner_part(aligner, count, names))


def check_imputer(
    imputer: ImputerFactory, modalities: Iterable[int] = (2, 3, 4), names: Iterable[str] = NAMES
) -> None:
    """Hold an imputer to all laws, with each number of modalities.

    Example:
        >>> check_imputer(affect.imputation.PlaceholderImputer)
    """
    for count in modalities:
        check(imputer_part(imputer, count, names))


def check_fusion(
    fusion: FusionFactory, modalities: Iterable[int] = (2, 3, 4), names: Iterable[str] = NAMES
) -> None:
    """Hold a fusion to all laws, with each number of modalities; `names=ODD_NAMES` asks for any name.

    Example:
        >>> check_fusion(affect.fusion.TensorFusion)
    """
    for count in modalities:
        check(fusion_part(fusion, count, names))


def check_head(head: HeadFactory, target: Target | None = None) -> None:
    """Hold a head to all laws; `target` is a regression by default.

    Example:
        >>> check_head(affect.heads.RegressionHead)
    """
    check(head_part(head, target or Regression("target")))


def check_objective(objective: Callable[[Target], Objective], target: Target | None = None) -> None:
    """Hold an objective to all laws; `target` is a regression by default.

    Example:
        >>> check_objective(affect.objectives.SquaredError)
    """
    check(objective_part(objective, target or Regression("target")))


def _padded(x: Sequence, steps: int) -> Sequence:
    return Sequence(pad(x.values, (0, 0, 0, steps)), pad(x.mask, (0, steps)))


def _alone(x: Sequence, row: int) -> Sequence:
    last = int(x.mask[row].nonzero()[-1]) + 1
    return Sequence(x.values[row : row + 1, :last], x.mask[row : row + 1, :last])


def _close(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, atol=1e-10, rtol=0)


def _same(one: Sequence, other: Sequence, law: str) -> None:
    """The same values and mask; steps that only one of them has are unobserved."""
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
