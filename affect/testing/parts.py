"""Parts under the laws: how an encoder, aligner, imputer, fusion, head or objective is built and called."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from affect.aligners import AlignerFactory
from affect.data.targets import Target
from affect.encoders import EncoderFactory
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
        of_sample: how many of the last features, at every step, are of the whole sample and not of the step.
    """

    build: Callable[[], nn.Module]
    dims: Mapping[str, int]
    call: Callable[[nn.Module, Inputs], Sequence]
    out_dim: int = OUT_DIM
    aligned: bool = False
    learns: bool = True
    of_sample: int = 0

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
        return self.ready(self.make(seed))(inputs)

    def ready(self, module: nn.Module | None = None) -> Callable[[Inputs], Sequence]:
        """What a module, made here unless it is given, computes of inputs each time, without gradients."""
        module = self.make() if module is None else module

        def run(inputs: Inputs) -> Sequence:
            with torch.no_grad():
                return self.call(module, inputs)

        return run


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

    What is looked at is all modalities side by side, each with its mask as one more feature, and the error
    that training lowers: at every step for one that imputes per step, else the mean over steps.
    """
    dims = {name: 4 + place for place, name in enumerate([*names][:modalities])}
    made = imputer(dims)

    def call(module: Any, inputs: Inputs) -> Sequence:
        filled, error = [x for _, x in sorted(module(inputs).items())], module.error(inputs).unsqueeze(-1)
        if made.per_step:
            parts = [torch.cat([x.values, x.mask.unsqueeze(-1)], -1) for x in filled]
            parts.append(error.unsqueeze(1).expand(-1, filled[0].time, -1))
            return Sequence(torch.cat(parts, -1), torch.stack([x.mask for x in filled]).any(0))
        vectors = [torch.cat([x.mean(), x.present.unsqueeze(-1)], -1) for x in filled]
        return Sequence.vector(torch.cat([*vectors, error], -1))

    return Part(
        lambda: imputer(dims),
        dims,
        call,
        out_dim=sum(dims.values()) + modalities + 1,
        aligned=made.per_step,
        learns=any(p.requires_grad for p in made.parameters()),
        of_sample=1,
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
