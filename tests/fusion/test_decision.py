"""Decisions against loops: products of experts, stacking, and averages."""

import math

import pytest
import torch
from loops import add, apply, mean

from affect.fusion import LateFusion, ProductOfExpertsFusion, StackingFusion

DIMS = {"a": 2, "b": 3, "c": 4}


def decisions(module, sample):
    return {m: apply(module.experts[m], x.values[0, 0].tolist()) for m, x in sample.items() if x.present}


def test_product_of_experts(built, sample):
    module = built(ProductOfExpertsFusion)
    experts = decisions(module, sample).values()
    expected = []
    for o in range(5):
        total, precision = 0.0, 1.0  # of the prior
        for expert in experts:
            sure = math.log1p(math.exp(expert[5 + o]))
            total, precision = total + sure * expert[o], precision + sure
        expected.append(total / precision)
    assert module(sample).values[0, 0].tolist() == pytest.approx(expected, abs=1e-9)


def test_a_product_of_normal_densities_has_that_mean(built):
    """On a grid: the mean of the product of all densities and the prior."""
    mean_, precision = torch.tensor([0.5, -1.0, 2.0]), torch.tensor([0.3, 2.0, 1.1])
    grid = torch.linspace(-20, 20, 400001, dtype=torch.float64)
    log = -grid.square() / 2 - sum(t * (grid - m).square() / 2 for m, t in zip(mean_, precision, strict=True))
    density = (log - log.max()).exp()
    expected = (precision * mean_).sum() / (1 + precision.sum())
    assert ((grid * density).sum() / density.sum()).item() == pytest.approx(expected.item(), abs=1e-6)


def test_stacking(built, sample):
    module = built(StackingFusion)
    found = decisions(module, sample)
    told = [v for i, m in enumerate(DIMS) for v in found.get(m, module.absent[i].tolist())]
    expected = add(mean(list(found.values()), 5), apply(module.second, told))
    assert module(sample).values[0, 0].tolist() == pytest.approx(expected, abs=1e-9)


def test_stacking_lets_experts_decide_alone(built, sample):
    """The second level moves no expert: its gradient is that of the plain mean of decisions."""
    module, plain = built(StackingFusion), built(LateFusion, weighted=False)
    plain.experts.load_state_dict(module.experts.state_dict())
    for each in (module, plain):
        each(sample).values.sum().backward()
    for one, other in zip(module.experts.parameters(), plain.experts.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)


def test_a_plain_average_has_nothing_to_learn_but_its_experts(built, sample):
    module = built(LateFusion, weighted=False)
    expected = mean(list(decisions(module, sample).values()), 5)
    assert module(sample).values[0, 0].tolist() == pytest.approx(expected, abs=1e-9)
    assert all(name.startswith("experts") for name, _ in module.named_parameters())
