"""The laws catch what the field's published code gets wrong."""

import pytest
import torch
from torch import nn

from affect import testing
from affect.encoders import Encoder
from affect.fusion import Fusion, VectorFusion
from affect.sequences import Sequence


class Sum(VectorFusion):
    """Keeps every law; the broken ones below differ from it in one place."""

    def __init__(self, dims, out_dim):
        super().__init__(dims, out_dim)
        self.project = nn.ModuleDict({m: nn.Linear(d, out_dim) for m, d in self.dims.items()})

    def combine(self, vectors, present):
        return sum(self.project[m](v) * present[m].unsqueeze(-1) for m, v in vectors.items())


class MeanOverPadding(Sum):
    def fuse(self, inputs):
        return Sequence.vector(
            self.combine(
                {m: x.values.mean(1) for m, x in inputs.items()}, {m: x.present for m, x in inputs.items()}
            )
        )


class LastStep(Sum):
    def fuse(self, inputs):
        vectors = {m: x.values[:, -1] for m, x in inputs.items()}
        return Sequence.vector(self.combine(vectors, {m: x.present for m, x in inputs.items()}))


class FactorsInAList(Sum):
    def __init__(self, dims, out_dim):
        super().__init__(dims, out_dim)
        self.factors = [torch.randn(out_dim, dtype=torch.float64) for _ in dims]

    def combine(self, vectors, present):
        return super().combine(vectors, present) * sum(self.factors)


class NeverTrained(Sum):
    def __init__(self, dims, out_dim):
        super().__init__(dims, out_dim)
        self.weight = nn.Parameter(torch.ones(out_dim))

    def combine(self, vectors, present):
        return super().combine(vectors, present) * self.weight.detach()


class ByPosition(Sum):
    def forward(self, inputs):
        first = next(iter(inputs.values())).mean().sum(-1)
        fused = super().forward(inputs)
        return fused.with_values(fused.values + first[:, None, None])


class BatchMean(Sum):
    def combine(self, vectors, present):
        fused = super().combine(vectors, present)
        return fused - fused.mean(0)


class ForgetsOne(Sum):
    def combine(self, vectors, present):
        first = next(iter(vectors))
        return super().combine({**vectors, first: 0 * vectors[first]}, present)


class DividesByNothing(Sum):
    def combine(self, vectors, present):
        return super().combine(vectors, present) / sum(present.values()).unsqueeze(-1)


class AlwaysDrops(Sum):
    def combine(self, vectors, present):
        return nn.functional.dropout(super().combine(vectors, present), 0.5, training=True)


class Wide(Sum):
    def fuse(self, inputs):
        fused = super().fuse(inputs)[0]
        return Sequence.full(fused.values.repeat(1, 1, 2))

    def with_extras(self, inputs):
        return self.fuse(inputs), {}


def test_an_honest_fusion_keeps_every_law():
    testing.check_fusion(Sum)


@pytest.mark.parametrize(
    ("fusion", "law"),
    [
        (MeanOverPadding, "padding_is_not_read: more padding changes the output"),
        (LastStep, "padding_is_not_read: more padding changes the output"),
        (FactorsInAList, "state_is_complete: state_dict does not hold all that matters"),
        (NeverTrained, "every_parameter_learns: no gradient reaches weight"),
        (ByPosition, "order_of_names_is_free: the order of the modalities matters"),
        (BatchMean, "batch_independent: sample 0 depends on the other samples of its batch"),
        (ForgetsOne, "holes_are_not_read: an observed step of ecg does not reach the output"),
        (DividesByNothing, "any_subset_works: the output is not finite for some subset of the modalities"),
        (AlwaysDrops, "padding_is_not_read: more padding changes the output"),
        (Wide, "shape_is_declared: expected (4, time, 8), got (4, 1, 16)"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_broken_fusion_is_caught(fusion, law):
    torch.manual_seed(0)
    with pytest.raises(testing.BrokenLawError) as caught:
        testing.check_fusion(fusion)
    assert str(caught.value) == law


class SeesPadding(Encoder):
    def __init__(self, in_dim, out_dim):
        super().__init__(in_dim, out_dim)
        self.convolution = nn.Conv1d(in_dim, out_dim, 3, padding=1)
        self.again = nn.Conv1d(out_dim, out_dim, 3, padding=1)

    def encode(self, x):
        h = self.convolution(x.values.transpose(1, 2))  # the bias makes padded steps differ from zero
        return x.with_values(self.again(h).transpose(1, 2))


def test_a_broken_encoder_is_caught():
    with pytest.raises(testing.BrokenLawError) as caught:
        testing.check_encoder(SeesPadding)
    assert str(caught.value) == "padding_is_not_read: more padding changes the output"


class KeepsTime(Fusion):
    needs_alignment = True

    def __init__(self, dims, out_dim):
        super().__init__(dims, out_dim)
        self.project = nn.ModuleDict({m: nn.Linear(d, out_dim) for m, d in self.dims.items()})

    def fuse(self, inputs):
        total = sum(self.project[m](x.values) * x.mask.unsqueeze(-1) for m, x in inputs.items())
        return Sequence(total, torch.stack([x.mask for x in inputs.values()]).any(0))


def test_a_fusion_that_keeps_time_can_keep_every_law():
    testing.check_fusion(KeepsTime)


class Branches(Sum):
    """Goes one way or the other by what a tensor holds, which breaks the graph."""

    def combine(self, vectors, present):
        out = super().combine(vectors, present)
        return out if next(iter(present.values())).any() else -out


class Fragile(Sum):
    """Loses a small difference between large numbers in half precision."""

    def combine(self, vectors, present):
        return (super().combine(vectors, present) + 1000) - 1000


class Overflows(Sum):
    def combine(self, vectors, present):
        out = super().combine(vectors, present)
        return out * torch.tensor(1e38) * 1e38 * 0 if out.dtype == torch.bfloat16 else out


def test_deployment_holds_for_the_plain_sum():
    for service in testing.DEPLOYMENT:
        service(testing.fusion_part(Sum))


def test_a_break_in_the_graph_is_caught():
    with pytest.raises(torch._dynamo.exc.Unsupported):
        testing.compiles(testing.fusion_part(Branches))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (Fragile, "bfloat16 computes something else"),
        (Overflows, "output or gradients are not finite in bfloat16"),
    ],
)
def test_what_fails_in_half_precision_is_caught(broken, message):
    with pytest.raises(testing.BrokenLawError, match=f"^{message}$"):
        testing.runs_in_half_precision(testing.fusion_part(broken))


class Frozen(Sum):
    def __init__(self, dims, out_dim):
        super().__init__(dims, out_dim)
        for parameter in self.project.parameters():
            parameter.requires_grad_(False)


def test_a_frozen_parameter_need_not_learn_but_some_must():
    with pytest.raises(testing.BrokenLawError, match="there are none"):
        testing.every_parameter_learns(testing.fusion_part(Frozen))
