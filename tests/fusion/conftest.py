import itertools

import pytest
import torch

from affect.sequences import Sequence

DIMS = {"a": 2, "b": 3, "c": 4}
SUBSETS = [s for n in range(len(DIMS) + 1) for s in itertools.combinations(DIMS, n)]


@pytest.fixture
def built():
    """Makes a fusion of three modalities, or others, in float64 and eval mode, every parameter drawn anew."""

    def build(cls, out_dim=5, dims=DIMS, **options):
        torch.manual_seed(0)
        module = cls(dims, out_dim, **options).double().eval()
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


TALKS = {
    "two parties": [1, 2, 2, 1],
    "three parties": [1, 2, 3, 1, 3, 3, 2],
    "five parties": [1, 2, 3, 4, 5, 2, 4, 1],
    "one party": [1, 1, 1],
    "one utterance": [1],
    "nobody known": [None, None, None],
    "unknown between": [1, None, 2, 0, 1, 1, None, 2, 3, 1],
    "a hundred utterances": [i * i % 13 + 1 for i in range(100)],
}
"""Who speaks at each utterance; party 0 is observed and unknown."""


@pytest.fixture(params=TALKS.values(), ids=TALKS)
def talk(request):
    """One dialogue of two modalities and who speaks; modalities are lost at some steps, both at step 8."""
    torch.manual_seed(4)
    parties = torch.tensor([[float(who or 0) for who in request.param]], dtype=torch.float64)
    steps = torch.arange(parties.shape[1])
    return {
        "a": Sequence(torch.randn(1, len(steps), 2, dtype=torch.float64), (steps % 5 != 3).unsqueeze(0)),
        "b": Sequence(torch.randn(1, len(steps), 3, dtype=torch.float64), (steps % 3 != 2).unsqueeze(0)),
        "who": Sequence(parties.unsqueeze(-1), torch.tensor([[who is not None for who in request.param]])),
    }


@pytest.fixture
def nothing_later_is_read():
    """Whether what a fusion of dialogues says of a step is the same whatever is said, and by whom, later."""

    def check(module, cut=4):
        torch.manual_seed(5)
        masks = torch.rand(3, 9) < 0.8
        inputs = {
            m: Sequence(torch.randn(3, 9, d, dtype=torch.float64), masks.roll(i, 1))
            for i, (m, d) in enumerate(module.dims.items())
        }
        inputs["who"] = inputs["who"].with_values(torch.randint(1, 4, (3, 9, 1)).double())
        steps = torch.arange(9)
        others = {
            m: Sequence(
                torch.where(steps.unsqueeze(-1) < cut, x.values, 7 - x.values),
                torch.where(steps < cut, x.mask, ~x.mask),
            )
            for m, x in inputs.items()
        }
        one, other = module(inputs), module(others)
        cut_off = module({m: Sequence(x.values[:, :cut], x.mask[:, :cut]) for m, x in inputs.items()})
        return all(
            torch.allclose(one.values[:, :cut], x.values[:, :cut], atol=1e-10) for x in (other, cut_off)
        )

    return check
