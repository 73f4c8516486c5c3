"""The laws of terms: what each of them owes samples that lack something, and those who resume a training."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import pad

from affect.classes.factories import check_factory, made_of
from affect.data.targets import Binary, MultiClass, Regression, Target
from affect.encoders import EmbeddingEncoder, EncoderFactory, PooledEncoder
from affect.errors import BrokenLawError
from affect.fusion import FusionFactory, SharedPrivateFusion
from affect.model import FusionModel
from affect.objectives import objective_for
from affect.objectives.terms import Seen, Term, TermFactory
from affect.sequences import Batch, Sequence
from affect.testing.parts import NAMES

_SAMPLES = 12
_LENGTHS = (5, 3, 1, 4)
_WORDS = 9
_OTHER = 1000
"""Added to the seed of a batch for that of another corpus."""


@dataclass(frozen=True)
class TermPart:
    """A term under the laws, with a model that offers what it needs.

    Args:
        build: makes the term.
        modalities: names of the model's modalities.
        target: what it predicts.
        fusion: its fusion.
        encoder: of its modalities; the first is of word indices where the term needs words.
    """

    build: TermFactory
    modalities: tuple[str, ...]
    target: Target
    fusion: FusionFactory
    encoder: EncoderFactory = PooledEncoder

    @property
    def words(self) -> tuple[str, ...]:
        """The modalities of word indices."""
        return self.modalities[:1] if "words" in getattr(made_of(self.build), "needs", ()) else ()

    @property
    def dims(self) -> dict[str, int]:
        """Feature size of each modality."""
        return {name: 1 if name in self.words else 3 + place for place, name in enumerate(self.modalities)}

    @property
    def others(self) -> dict[str, Target]:
        """A target of each modality, of several kinds, beside what the model predicts."""
        kinds: tuple[Callable[[str], Target], ...]
        kinds = (Regression, Binary, functools.partial(MultiClass, classes=("low", "middle", "high")))
        names = [f"{self.target.name}_{name}" for name in self.modalities]
        return {name: kind(name) for name, kind in zip(names, itertools.cycle(kinds), strict=False)}

    def made(self, seed: int = 0) -> tuple[FusionModel, Term]:
        """A model in eval mode and the term, in float64."""
        of_words = functools.partial(EmbeddingEncoder, size=_WORDS)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = FusionModel.for_shape(
                self.dims, self.target, aligned=False, fusion=self.fusion, width=8, out_dim=8,
                encoder=self.encoder, encoders=dict.fromkeys(self.words, of_words),
            )  # fmt: skip
            term = self.build(model, tuple(f"s{row}" for row in range(_SAMPLES)))
            term.prepare(self.others)
        return model.double().eval(), term.double().eval()

    def batch(self, seed: int = 0) -> Batch:
        """Samples of several lengths; each modality is absent from two, and one has no label of a target."""
        generator = torch.Generator().manual_seed(seed)
        inputs = {}
        for place, name in enumerate(self.modalities):
            lengths = torch.tensor(_LENGTHS).repeat(_SAMPLES // len(_LENGTHS)) * (place + 1)
            mask = torch.arange(int(lengths.max())) < lengths.unsqueeze(1)
            mask[0, 1] = False
            mask[[2 * place + 1, 2 * place + 2]] = False
            shape = (*mask.shape, self.dims[name])
            values = torch.randn(shape, generator=generator, dtype=torch.float64)
            if name in self.words:
                values = torch.randint(1, _WORDS, shape, generator=generator).double()
            inputs[name] = Sequence(values, mask)
        places = torch.arange(_SAMPLES)
        target = _truth(self.target, generator, places != _SAMPLES - 1)
        others = {
            name: _truth(one, generator, places != _SAMPLES - 1 - place)
            for place, (name, one) in enumerate(self.others.items())
        }
        ids = tuple(f"s{row}" for row in range(_SAMPLES))
        looks = "auxiliary" in getattr(made_of(self.build), "needs", ()) and seed < _OTHER
        auxiliary = self.batch(seed + _OTHER) if looks else None
        return Batch(inputs, target, ids, places, others, places // 3, auxiliary)

    def seen(self, model: FusionModel, batch: Batch) -> Seen:
        """What the term is shown of a batch, damaged.

        Of every other sample the last modality is gone, and of every third the first step of the others.
        """
        objective = objective_for(self.target)(self.target)
        last = self.modalities[-1]
        rows = (torch.arange(len(batch)) % 2 == 0).unsqueeze(1)
        third = (torch.arange(len(batch)) % 3 > 0).unsqueeze(1)
        inputs = batch.inputs
        if len(self.modalities) > 1:
            inputs = {m: x.keep(third | (torch.arange(x.time) > 0)) for m, x in inputs.items()}
            inputs[last] = batch.inputs[last].keep(rows)

        def supervised(output: object) -> Tensor:
            losses: Tensor = objective(output, batch.target)
            labels = batch.target.lengths
            return (losses * labels).sum() / labels.sum().clamp(min=1)

        teacher = self.made(7)[0]
        output = model(inputs)
        extras = {"imputation": output.fused.mean().square().mean(-1), **output.extras}
        other = None if batch.auxiliary is None else self.seen(model, batch.auxiliary)
        output = replace(output, extras=extras)
        return Seen(model, batch, output, inputs, supervised, teacher, epoch=1, draw=3, auxiliary=other)

    def value(self, term: Term, model: FusionModel, batch: Batch) -> Tensor:
        """What the term says of a batch."""
        value: Tensor = term(self.seen(model, batch))
        return value


def value_is_a_number(part: TermPart) -> None:
    """One finite number with a gradient, also where nothing counts."""
    model, term = part.made()
    for batch in (part.batch(), _without(part.batch(), part.modalities)):
        value = part.value(term, model, batch)
        if value.shape != () or not value.isfinite() or not value.requires_grad:
            raise BrokenLawError(f"expected one finite number with a gradient, got {value}")


def nothing_unobserved_is_read(part: TermPart) -> None:
    """More padding, NaN under holes, and samples without anything change no value."""
    model, term = part.made()
    batch = part.batch()
    before = part.value(term, model, batch)
    longer = {
        name: Sequence(pad(x.values, (0, 0, 0, 2)), pad(x.mask, (0, 2))) for name, x in batch.inputs.items()
    }
    nans = {
        name: Sequence(torch.where(x.mask.unsqueeze(-1), x.values, torch.nan), x.mask)
        for name, x in batch.inputs.items()
    }
    for inputs in (longer, nans):
        _expect(before, part.value(term, model, replace(batch, inputs=inputs)), "what is unobserved is read")
    rows = torch.tensor([*range(_SAMPLES), 0, 1])
    there = torch.arange(len(rows)) < _SAMPLES
    phantoms = Batch(
        {name: x.take(rows).keep(there.unsqueeze(1)) for name, x in batch.inputs.items()},
        batch.target.take(rows).keep(there.unsqueeze(1)), (*batch.ids, "s0", "s1"), rows,
        {name: x.take(rows).keep(there.unsqueeze(1)) for name, x in batch.targets.items()}, rows // 3,
        batch.auxiliary,
    )  # fmt: skip
    _expect(before, part.value(term, model, phantoms), "samples without anything change the value")


def absent_encoders_learn_nothing(part: TermPart) -> None:
    """No gradient reaches the encoder of a modality that no sample has."""
    for name in part.modalities:
        model, term = part.made()
        value = part.value(term, model, _without(part.batch(), (name,)))
        value.backward()  # type: ignore[no-untyped-call]
        grads = [p.grad for p in model.encoders[name].parameters() if p.grad is not None]
        if any(grad.abs().max() > 0 for grad in grads):
            raise BrokenLawError(f"the encoder of {name} gets a gradient where no sample has it")


def company_matters_as_declared(part: TermPart) -> None:
    """The gradient at one sample does not depend on another's values, unless the term says `compares`."""
    model, term = part.made()
    if term.compares:
        return
    batch, grads = part.batch(), []
    for same in (True, False):
        leaves = {name: x.values.clone() for name, x in batch.inputs.items()}
        for name, leaf in leaves.items():
            if not same:
                leaf[-2] = _WORDS - leaf[-2] if name in part.words else -2 * leaf[-2]
            leaf.requires_grad_()
        inputs = {name: Sequence(leaf, batch.inputs[name].mask) for name, leaf in leaves.items()}
        value = part.value(term, model, replace(batch, inputs=inputs))
        found = torch.autograd.grad(value, [*leaves.values()], allow_unused=True)
        grads.append([None if own is None else own[:3] for own in found])
    for one, other in zip(*grads, strict=True):
        if one is not None and not torch.allclose(one, other, atol=1e-10):
            raise BrokenLawError("another sample's values change the gradient; declare compares = True")


def evaluation_changes_nothing(part: TermPart) -> None:
    """Asked twice in eval mode it says the same, and no memory moves."""
    model, term = part.made()
    batch, before = part.batch(), {name: x.clone() for name, x in term.state_dict().items()}
    values = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        values.append(part.value(term, model, batch))
    _expect(values[0], values[1], "what it draws does not depend on the seed, the epoch and the ids alone")
    for name, x in term.state_dict().items():
        if not torch.equal(x, before[name]):
            raise BrokenLawError(f"'{name}' moves where it only looks; write it in observe")


def every_parameter_of_a_term_learns(part: TermPart) -> None:
    """A gradient reaches every parameter: by `learn` those of critics, by the value all others."""
    model, term = part.made()
    critics = term.critics()
    held = {id(p) for p in critics.parameters()} if critics is not None else set()
    for seed in range(3):
        seen = part.seen(model, part.batch(seed))
        value = term(seen)
        if critics is not None:
            value = value + term.learn(seen.detached())
        if value.requires_grad:
            value.backward()
        with torch.no_grad():
            term.observe(seen)
    dead = [n for n, p in term.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]
    if dead:
        raise BrokenLawError(f"no gradient reaches {', '.join(dead)}")
    if critics is not None:
        fresh, own = part.made()
        own.learn(part.seen(fresh, part.batch()).detached()).backward()  # type: ignore[no-untyped-call]
        others = [p for p in own.parameters() if p.grad is not None]
        touched = any(p.grad is not None for p in fresh.parameters())
        if touched or len(others) > len(held):
            raise BrokenLawError("learn reaches more than the critics")


def state_of_a_term_is_complete(part: TermPart) -> None:
    """state_dict -> safetensors -> state_dict gives the same value, memories included."""
    from safetensors.torch import load, save

    model, one = part.made(0)
    _, other = part.made(1)
    batch = part.batch()
    with torch.no_grad():
        one.observe(part.seen(model, batch))
    state = {name: x.contiguous() for name, x in one.state_dict().items()}
    other.load_state_dict(load(save(state)) if state else {})
    _expect(part.value(one, model, batch), part.value(other, model, batch), "state_dict does not hold all")


TERM_LAWS: tuple[Callable[[TermPart], None], ...] = (
    value_is_a_number,
    evaluation_changes_nothing,
    nothing_unobserved_is_read,
    absent_encoders_learn_nothing,
    company_matters_as_declared,
    every_parameter_of_a_term_learns,
    state_of_a_term_is_complete,
)
"""The laws of terms."""


def check_term(
    term: TermFactory,
    fusion: FusionFactory = SharedPrivateFusion,
    target: Target | None = None,
    modalities: Iterable[int] = (2, 3),
) -> None:
    """Hold a term to its laws, with each number of modalities.

    Args:
        term: a Term class, or a partial of one.
        fusion: that offers what the term needs.
        target: of the model; a regression by default.
        modalities: numbers of them.
    Raises:
        BrokenLawError: names the law and what was found.
    Example:
        >>> check_term(affect.objectives.terms.Similarity)
    """
    check_factory("check_term", "term", term, Term)
    for count in modalities:
        part = TermPart(term, NAMES[:count], target or Regression("target"), fusion)
        for law in TERM_LAWS:
            try:
                law(part)
            except BrokenLawError as broken:
                raise BrokenLawError(f"{law.__name__}: {broken}") from None


def _truth(target: Target, generator: torch.Generator, labelled: Tensor) -> Sequence:
    count, classes = len(labelled), getattr(target, "count", 2)
    numbers = torch.randn(count, target.size, generator=generator, dtype=torch.float64)
    if not isinstance(target, Regression):
        numbers = torch.randint(classes, numbers.shape, generator=generator).double()
    return Sequence.vector(numbers, labelled)


def _without(batch: Batch, names: Iterable[str]) -> Batch:
    """The batch in which no sample has some modalities."""
    inputs = {
        name: x.keep(torch.zeros_like(x.mask)) if name in names else x for name, x in batch.inputs.items()
    }
    other = None if batch.auxiliary is None else _without(batch.auxiliary, names)
    return replace(batch, inputs=inputs, auxiliary=other)


def _expect(one: Tensor, other: Tensor, law: str) -> None:
    if not torch.allclose(one, other, atol=1e-9, rtol=1e-9):
        raise BrokenLawError(f"{law}: {one.item():.6g} and {other.item():.6g}")
