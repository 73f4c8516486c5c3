"""Bilinear pooling against loops, and the count sketch against the outer product."""

import itertools
import math
import re

import pytest
import torch
from loops import apply, linear, times

from affect.errors import ConfigError
from affect.fusion import (
    BlockFusion,
    CompactBilinearFusion,
    FactorizedBilinearFusion,
    LowRankBilinearFusion,
    TuckerFusion,
)
from affect.fusion.bilinear import ChunkedBilinear, ChunkedLinear, CountSketch

DIMS = {"a": 2, "b": 3, "c": 4}


def by_pairs(module, sample, factor, reduce, forms=()):
    """The fused vector from what a factor is, and what a pair's two factors become; forms are a pair's own."""
    found = []
    for number, pair in enumerate(itertools.combinations(DIMS, 2)):
        factors = []
        for m in pair:
            side = f"{m} in {pair}"
            there = bool(sample[m].present)
            x = sample[m].values[0, 0].tolist()
            factors.append(factor(module.factors[side], x) if there else module.absent[side].tolist())
        found += reduce(*factors, *forms[number : number + 1])
    return linear(module.out, found)


def agrees(module, sample, expected):
    assert module(sample).values[0, 0].tolist() == pytest.approx(expected, abs=1e-9)


def root(x):
    """The signed root, of bounded slope, divided by its length."""
    roots = [v / math.sqrt(abs(v) + 1e-4) for v in x]
    length = math.sqrt(sum(r * r for r in roots))
    return [r / length for r in roots]


def test_low_rank_bilinear(built, sample):
    module = built(LowRankBilinearFusion, width=6)
    agrees(module, sample, by_pairs(module, sample, apply, times))


@pytest.mark.parametrize("order", [1, 3])
def test_factorized_bilinear(built, sample, order):
    width, rank = 4, 2
    module = built(FactorizedBilinearFusion, width=width, rank=rank, order=order)

    def reduce(one, other):
        product, found = [1.0] * (width * rank), []
        for i in range(order):
            now = slice(i * width * rank, (i + 1) * width * rank)
            product = times(product, one[now], other[now])
            found += root([sum(product[rank * j : rank * (j + 1)]) for j in range(width)])
        return found

    agrees(module, sample, by_pairs(module, sample, linear, reduce))


def test_tucker(built, sample):
    width, rank = 4, 3
    module = built(TuckerFusion, width=width, rank=rank)

    def reduce(one, other):
        product = times(one, other)
        return [sum(product[r * width + j] for r in range(rank)) for j in range(width)]

    agrees(module, sample, by_pairs(module, sample, apply, reduce))


def form(core, one, other, chunks):
    """A core tensor's sums over the products of the features of each chunk."""
    size, found = len(one) // chunks, []
    for c in range(chunks):
        weight, bias = core.weight[c].tolist(), core.bias[c].tolist()
        for o in range(size):
            products = [
                one[c * size + i] * other[c * size + j] * weight[i][j][o]
                for i in range(size)
                for j in range(size)
            ]
            found.append(sum(products) + bias[o])
    return found


@pytest.mark.parametrize(("activation", "normed"), [("tanh", False), ("none", True)])
def test_tucker_with_a_full_core(built, sample, activation, normed):
    module = built(TuckerFusion, width=3, full=True, activation=activation, normed=normed)

    def reduce(one, other, core):
        z = form(core, one, other, 1)
        return root(z) if normed else z

    factor = apply if activation == "tanh" else lambda layers, x: linear(layers[0], x)
    agrees(module, sample, by_pairs(module, sample, factor, reduce, module.cores))


def test_tucker_of_low_rank_without_an_activation(built, sample):
    module = built(TuckerFusion, width=3, rank=2, activation="none", normed=True)

    def reduce(one, other):
        product = times(one, other)
        return root([product[j] + product[3 + j] for j in range(3)])

    def factor(layers, x):
        return linear(layers[2], linear(layers[0], x))

    agrees(module, sample, by_pairs(module, sample, factor, reduce))


def test_a_full_block_is_torch_s_bilinear_form_of_each_chunk():
    torch.manual_seed(0)
    own, chunks = ChunkedBilinear(6, 2).double(), [torch.nn.Bilinear(3, 3, 3).double() for _ in range(2)]
    with torch.no_grad():
        for c, theirs in enumerate(chunks):
            theirs.weight.copy_(own.weight[c].permute(2, 0, 1))
            theirs.bias.copy_(own.bias[c])
    one, other = torch.randn(2, 4, 6, dtype=torch.float64)
    pairs = zip(chunks, one.chunk(2, 1), other.chunk(2, 1), strict=True)
    expected = torch.cat([theirs(x, y) for theirs, x, y in pairs], 1)
    assert (own(one, other) - expected).abs().max() < 1e-12


def test_block_with_full_blocks(built, sample):
    chunks = 2
    module = built(BlockFusion, width=4, chunks=chunks, full=True)

    def reduce(one, other, blocks):
        made = form(blocks, one, other, chunks)
        return root(made[:2]) + root(made[2:])

    agrees(
        module,
        sample,
        by_pairs(module, sample, lambda layers, x: linear(layers[0], x), reduce, module.blocks),
    )


def test_tucker_is_a_bilinear_form_of_the_projections(built):
    """The sum over ranks is x' T y' with a core tensor that can be written down."""
    module = built(TuckerFusion, width=3, rank=2)
    one, other = (module.factors[f"{m} in ('a', 'b')"] for m in "ab")
    x, y = torch.randn(2, dtype=torch.float64), torch.randn(3, dtype=torch.float64)
    for factor in (one, other):
        torch.nn.init.zeros_(factor[2].bias)
    core = torch.einsum(
        "rzi,rzj->zij", one[2].weight.view(2, 3, 3), other[2].weight.view(2, 3, 3)
    )  # (out, width, width)
    form = torch.einsum("zij,i,j->z", core, one[:2](x), other[:2](y))
    assert torch.allclose(module.reduce((one(x) * other(y)).unsqueeze(0))[0], form)


def test_compact_bilinear(built, sample):
    size = 8
    module = built(CompactBilinearFusion, size=size)

    def sketch(layer, x):
        places = [0.0] * size
        for i, v in enumerate(x):
            places[int(layer.place[i])] += layer.sign[i].item() * v
        return places

    def convolved(one, other):
        return root([sum(one[i] * other[(place - i) % size] for i in range(size)) for place in range(size)])

    agrees(module, sample, by_pairs(module, sample, sketch, convolved))


def test_convolving_sketches_sketches_the_outer_product(built):
    module = built(CompactBilinearFusion, size=7)
    one, other = (module.factors[f"{m} in ('a', 'b')"] for m in "ab")
    x, y = torch.randn(1, 2, dtype=torch.float64), torch.randn(1, 3, dtype=torch.float64)
    expected = torch.zeros(7, dtype=torch.float64)
    for i in range(2):
        for j in range(3):
            place = (int(one.place[i]) + int(other.place[j])) % 7
            expected[place] += one.sign[i] * other.sign[j] * x[0, i] * y[0, j]
    assert torch.allclose(module.multiply(one(x), other(y))[0], expected)


def test_an_absent_sketch_is_neutral_until_trained():
    module = CompactBilinearFusion(DIMS, 4, size=7)
    sketch = torch.randn(2, 7)
    for absent in module.absent.values():
        assert torch.allclose(module.multiply(absent.expand(2, -1), sketch), sketch, atol=1e-6)


def test_sketches_keep_inner_products_in_expectation():
    torch.manual_seed(0)
    x, y = torch.randn(2, 1, 6)
    found = []
    for _ in range(2000):
        sketch = CountSketch(6, size=16)
        found.append((sketch(x) * sketch(y)).sum().item())
    error = 2 * x.norm() * y.norm() / math.sqrt(16 * 2000)  # two deviations of the mean, and more
    assert sum(found) / 2000 == pytest.approx((x * y).sum().item(), abs=2 * error.item())


def test_block(built, sample):
    width, chunks, rank = 4, 2, 3
    module = built(BlockFusion, width=width, chunks=chunks, rank=rank)

    def factor(layers, x):
        projection, blocks = layers
        return chunked(blocks, linear(projection, x), chunks)

    def reduce(one, other):
        product, found, size = times(one, other), [], width // chunks
        for c in range(chunks):
            block = product[c * rank * size : (c + 1) * rank * size]
            found += root([sum(block[r * size + j] for r in range(rank)) for j in range(size)])
        return found

    agrees(module, sample, by_pairs(module, sample, factor, reduce))


def chunked(layer, x, chunks):
    size, found = len(x) // chunks, []
    for c in range(chunks):
        weight, bias = layer.weight[c].tolist(), layer.bias[c].tolist()
        for o, b in enumerate(bias):
            found.append(b + sum(x[c * size + i] * weight[i][o] for i in range(size)))
    return found


@pytest.mark.parametrize(
    "make",
    [lambda: CountSketch(4, 6), lambda: ChunkedLinear(4, 6, 2), lambda: Halved(ChunkedBilinear(2, 1))],
)
def test_gradients_of_what_is_written_by_hand(make):
    torch.manual_seed(0)
    layer = make().double()
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (x,))


class Halved(torch.nn.Module):
    """A form of the two halves of what is read."""

    def __init__(self, form):
        super().__init__()
        self.form = form

    def forward(self, x):
        return self.form(*x.chunk(2, 1))


def test_gradients_of_the_convolution_and_the_root(built):
    module = built(CompactBilinearFusion, size=6)
    one, other = torch.randn(2, 2, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, y: module.reduce(module.multiply(x, y)), (one, other))
    zero = torch.zeros(1, 6, dtype=torch.float64, requires_grad=True)
    module.reduce(zero).sum().backward()
    assert zero.grad.isfinite().all()


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda: LowRankBilinearFusion({"a": 2}, 4),
            "LowRankBilinearFusion: needs 2 modalities or more, got a",
        ),
        (lambda: TuckerFusion(DIMS, 4, rank=0), "TuckerFusion: rank must be at least 1, got 0"),
        (
            lambda: CompactBilinearFusion(DIMS, 4, size=0),
            "CompactBilinearFusion: size must be at least 1, got 0",
        ),
        (
            lambda: FactorizedBilinearFusion(DIMS, 4, order=0),
            "FactorizedBilinearFusion: order must be at least 1, got 0",
        ),
        (lambda: BlockFusion(DIMS, 4, chunks=0), "BlockFusion: chunks must be at least 1, got 0"),
        (
            lambda: BlockFusion(DIMS, 4, width=10, chunks=4),
            "BlockFusion: width must be divisible by chunks, got 10 and 4",
        ),
    ],
)
def test_refusals(ask, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        ask()
