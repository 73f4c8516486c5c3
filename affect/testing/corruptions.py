"""The laws of corruptions."""

from __future__ import annotations

from collections.abc import Callable

import torch

from affect.corruption.base import Corruption, Inputs, StepLoss, lengthened
from affect.errors import BrokenLawError
from affect.sequences import Sequence

IDS = ("one", "two", "three", "four", "five")
_LENGTHS = (7, 1, 4, 6, 5)


def sample_inputs(seed: int = 0) -> Inputs:
    """Five samples of three modalities: of several lengths, with holes, and some without a modality."""
    generator = torch.Generator().manual_seed(seed)
    inputs = {}
    for place, name in enumerate(("a", "b", "c")):
        values = torch.randn(len(IDS), max(_LENGTHS), 4 + place, generator=generator)
        mask = torch.arange(max(_LENGTHS)) < torch.tensor(_LENGTHS).unsqueeze(1)
        mask = mask & (torch.rand(mask.shape, generator=generator) < 0.9)
        mask[place] &= place == 0
        inputs[name] = Sequence(values, mask)
    return inputs


def clean_changes_nothing(corruption: Corruption) -> None:
    """Without strength, nothing happens."""
    inputs = sample_inputs()
    for clean in (corruption.at(corruption.clean), corruption.weakened(0)):
        expect_same(
            clean(inputs, IDS), inputs, f"at {corruption.scale} {corruption.clean:g} something changes"
        )
    if corruption.weakened(1) != corruption:
        raise BrokenLawError("weakened(1) is not the corruption itself")


def inputs_stay(corruption: Corruption) -> None:
    """The inputs are not changed in place, and the same call gives the same damage."""
    inputs, untouched = sample_inputs(), sample_inputs()
    first, second = (corruption(inputs, IDS, seed=3) for _ in range(2))
    expect_same(inputs, untouched, "the inputs were changed in place")
    expect_same(first, second, "two calls differ")


def batch_independent(corruption: Corruption) -> None:
    """A sample alone, cut to its own length, or in a batch of another order, gets the same damage."""
    inputs = sample_inputs()
    together = corruption(inputs, IDS)
    turned = torch.arange(len(IDS)).flip(0)
    mirrored = corruption({name: x.take(turned) for name, x in inputs.items()}, IDS[::-1])
    expect_same(_rows(mirrored, turned), together, "the order of the samples matters")
    for row, (sample, length) in enumerate(zip(IDS, _LENGTHS, strict=True)):
        cut = {
            name: Sequence(x.values[row : row + 1, :length], x.mask[row : row + 1, :length])
            for name, x in inputs.items()
        }
        expected = _rows(together, torch.tensor([row]))
        expect_same(
            corruption(cut, (sample,)), expected, f"sample {row} depends on the other samples of its batch"
        )


def padding_is_not_read(corruption: Corruption) -> None:
    """More padded steps change nothing."""
    inputs = sample_inputs()
    longer = {name: lengthened(x, x.time + 3) for name, x in inputs.items()}
    expect_same(corruption(longer, IDS), corruption(inputs, IDS), "more padding changes the damage")


def order_of_names_is_free(corruption: Corruption) -> None:
    """The same inputs in another order get the same damage."""
    inputs = sample_inputs()
    turned = dict(reversed(inputs.items()))
    expect_same(corruption(turned, IDS), corruption(inputs, IDS), "the order of the modalities matters")


def more_contains_less(corruption: Corruption) -> None:
    """What is lost at a rate is lost at every higher one."""
    if not isinstance(corruption, StepLoss):
        return
    inputs, before = sample_inputs(), sample_inputs()
    for share in (0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 1.0):
        after = corruption.weakened(share)(inputs, IDS)
        if any((after[name].mask & ~before[name].mask).any() for name in inputs):
            raise BrokenLawError(f"at {share:g} of its strength it leaves what it took at less")
        before = after


CORRUPTION_LAWS: tuple[Callable[[Corruption], None], ...] = (
    clean_changes_nothing,
    inputs_stay,
    batch_independent,
    padding_is_not_read,
    order_of_names_is_free,
    more_contains_less,
)


def check_corruption(corruption: Corruption) -> None:
    """Hold a corruption to all its laws.

    Raises:
        BrokenLawError: names the law and what was found.
    Example:
        >>> check_corruption(affect.corruption.StepDropout(rate=0.5))
    """
    for law in CORRUPTION_LAWS:
        try:
            law(corruption)
        except BrokenLawError as broken:
            raise BrokenLawError(f"{law.__name__}: {broken}") from None


def _rows(inputs: Inputs, rows: torch.Tensor) -> Inputs:
    return {name: x.take(rows) for name, x in inputs.items()}


def expect_same(one: Inputs, other: Inputs, law: str) -> None:
    """The same values and masks; steps that only one of them has are unobserved."""
    for name in one.keys() | other.keys():
        time = max(one[name].time, other[name].time)
        a, b = lengthened(one[name], time), lengthened(other[name], time)
        if not torch.equal(a.mask, b.mask) or not torch.allclose(a.values, b.values, atol=1e-6):
            raise BrokenLawError(law)
