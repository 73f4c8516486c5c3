import itertools

import pytest
import torch

from affect.sequences import Sequence

DIMS = {"a": 2, "b": 3, "c": 4}
SUBSETS = [s for n in range(len(DIMS) + 1) for s in itertools.combinations(DIMS, n)]


@pytest.fixture
def built():
    """Makes a fusion of three modalities in float64 and eval mode, every parameter drawn anew."""

    def build(cls, out_dim=5, **options):
        torch.manual_seed(0)
        module = cls(DIMS, out_dim, **options).double().eval()
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter, std=0.4)
        return module

    return build


@pytest.fixture(params=SUBSETS, ids=lambda names: "".join(names) or "nothing")
def sample(request):
    """One sample of vectors, with every subset of modalities."""
    torch.manual_seed(1)
    inputs = {m: Sequence.full(torch.randn(1, 1, d, dtype=torch.float64)) for m, d in DIMS.items()}
    return {m: x.keep(torch.tensor(m in request.param)) for m, x in inputs.items()}


@pytest.fixture(params=SUBSETS, ids=lambda names: "".join(names) or "nothing")
def steps(request):
    """One sample of unaligned steps with holes, in front too, with every subset of modalities."""
    torch.manual_seed(2)
    masks = {"a": [0, 1, 1, 0, 1], "b": [1, 1, 0, 1], "c": [1, 0, 1, 1, 1, 1]}
    return {
        m: Sequence(
            torch.randn(1, len(mask), DIMS[m], dtype=torch.float64), torch.tensor([mask], dtype=torch.bool)
        ).keep(torch.tensor(m in request.param))
        for m, mask in masks.items()
    }


@pytest.fixture(params=SUBSETS, ids=lambda names: "".join(names) or "nothing")
def aligned(request):
    """One sample of aligned steps, at some of which a modality, or all, are unobserved."""
    torch.manual_seed(3)
    masks = {"a": [0, 1, 1, 0, 1, 0], "b": [0, 1, 0, 0, 1, 1], "c": [0, 0, 1, 0, 1, 1]}
    return {
        m: Sequence(
            torch.randn(1, 6, DIMS[m], dtype=torch.float64), torch.tensor([mask], dtype=torch.bool)
        ).keep(torch.tensor(m in request.param))
        for m, mask in masks.items()
    }
