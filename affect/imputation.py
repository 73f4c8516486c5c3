"""What stands in for a modality that is absent: between the encoders and the fusion."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import ClassVar, TypeAlias, cast

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from torch import Tensor, nn

from affect.bounds import NOT_NEGATIVE, Bounded
from affect.errors import ConfigError
from affect.flows import CouplingFlow
from affect.layers import Dropout, perceptron
from affect.naming import ModuleDict, ParameterDict, pair_name
from affect.sequences import Sequence, check_modalities


class Imputer(Bounded, nn.Module):
    """dict[str, Sequence] -> dict[str, Sequence] in which no modality is absent, unless the sample has none.

    Write `impute`, from vectors to vectors. What is absent as a whole becomes one step, the first; what was
    observed stays as it is. `error` says how well each modality would have been imputed from the others, and
    training lowers it (`Training.imputation`).

    Args:
        dims: feature size of each modality.
        per_step: impute each step by itself, from the other modalities at that step: for aligned sequences.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> the same
    Missing:
        a sample without any modality, or a step without any, stays so.
    Raises:
        ConfigError: there is only one modality.
        ShapeError: a modality is not in `dims`, is left out, or has another feature size.
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {}

    def __init__(self, dims: Mapping[str, int], per_step: bool = False) -> None:
        super().__init__()
        self.dims, self.per_step = dict(sorted(dims.items())), per_step
        self.causal = per_step  # no step that comes out depends on a later one that came in
        if len(self.dims) < 2:
            raise ConfigError(
                f"{type(self).__name__}: needs 2 modalities or more, got {', '.join(self.dims)}"
            )

    def forward(self, inputs: Mapping[str, Sequence]) -> dict[str, Sequence]:
        """Fill what is absent."""
        vectors, present = self._look(inputs)
        if self.training:
            self.observe(vectors, present)
        guessed = self.impute(vectors, present)
        some = torch.stack([*present.values()]).any(0)
        return {name: self._filled(inputs[name], guessed[name], some & ~present[name]) for name in self.dims}

    def error(self, inputs: Mapping[str, Sequence]) -> Tensor:
        """(batch,): the mean squared error of imputing each modality that is there from the others."""
        vectors, present = self._look(inputs)
        errors, known = [], []
        for name in self.dims:
            rest = {m: there & (m != name) for m, there in present.items()}
            seen = {m: x * rest[m].unsqueeze(-1) for m, x in vectors.items()}
            errors.append(self.errors(name, self.impute(seen, rest)[name], vectors, rest))
            known.append(present[name] & torch.stack([*rest.values()]).any(0))
        batch = len(next(iter(inputs.values())).mask)
        found = Sequence(torch.stack(errors, -1).view(batch, -1, 1), torch.stack(known, -1).view(batch, -1))
        return found.mean().squeeze(-1)

    def errors(
        self, name: str, guessed: Tensor, vectors: dict[str, Tensor], rest: dict[str, Tensor]
    ) -> Tensor:
        """(samples,): how far off a guess at a modality is, that was made from the `rest`.

        Args:
            name: of the modality.
            guessed: (samples, dims[name]).
            vectors: as they are, (samples, dims[m]).
            rest: which modalities the guess was made from, (samples,).
        """
        return (guessed - vectors[name].detach()).square().mean(-1)

    def impute(self, vectors: dict[str, Tensor], present: dict[str, Tensor]) -> dict[str, Tensor]:
        """What the author writes: a guess at each modality; that at one which is present is not used.

        Shapes:
            vectors[m]: (samples, dims[m]), zeros where absent; present[m]: (samples,) bool -> as vectors
        """
        raise NotImplementedError(f"{type(self).__name__} must define impute")

    def observe(self, vectors: dict[str, Tensor], present: dict[str, Tensor]) -> None:
        """Called in training, for what is learned otherwise than by gradients."""

    def _look(self, inputs: Mapping[str, Sequence]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """A vector of each sample, or of each of its steps, and whether it is there."""
        check_modalities(type(self).__name__, self.dims, inputs)
        if not self.per_step:
            return {m: inputs[m].mean() for m in self.dims}, {m: inputs[m].present for m in self.dims}
        return (
            {m: inputs[m].values.flatten(0, 1) for m in self.dims},
            {m: inputs[m].mask.flatten() for m in self.dims},
        )

    def _filled(self, x: Sequence, guessed: Tensor, lost: Tensor) -> Sequence:
        if self.per_step:
            guessed, lost = guessed.view(x.values.shape), lost.view(x.mask.shape)
        else:
            lost = lost.unsqueeze(1) & (torch.arange(x.time, device=lost.device) == 0)
            guessed = guessed.unsqueeze(1)
        return Sequence(torch.where(lost.unsqueeze(-1), guessed.to(x.values.dtype), x.values), x.mask | lost)


ImputerFactory: TypeAlias = Callable[[dict[str, int]], Imputer]
"""An Imputer class, or a partial of one: whatever makes an imputer from the encoders' sizes."""


class PlaceholderImputer(Imputer):
    """A learned vector for each modality.

    Args:
        dims: feature size of each modality.
        per_step: fill each step that another modality has: for aligned sequences.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> the same
    Missing:
        an absent modality is its vector; a sample without any stays so.
    Example:
        >>> absent = Sequence.vector(torch.zeros(1, 2), torch.tensor([False]))
        >>> inputs = {"text": Sequence.full(torch.ones(1, 4, 3)), "visual": absent}
        >>> bool(PlaceholderImputer({"text": 3, "visual": 2})(inputs)["visual"].present)
        True
    """

    def __init__(self, dims: Mapping[str, int], per_step: bool = False) -> None:
        super().__init__(dims, per_step)
        self.vectors = ParameterDict({m: nn.Parameter(0.02 * torch.randn(d)) for m, d in self.dims.items()})

    def impute(self, vectors: dict[str, Tensor], present: dict[str, Tensor]) -> dict[str, Tensor]:
        return {m: self.vectors[m].expand(x.shape) for m, x in vectors.items()}


class MeanImputer(Imputer):
    """The mean of what the encoder gave in training, exponentially forgotten.

    Args:
        dims: feature size of each modality.
        per_step: fill each step that another modality has: for aligned sequences.
        momentum: weight of the newest batch.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> the same
    Missing:
        an absent modality is the mean one; a sample without any stays so.
    Raises:
        ConfigError: `momentum` is not in (0, 1].
    Example:
        >>> imputer = MeanImputer({"text": 1, "visual": 1}, momentum=1.0)
        >>> text = Sequence.vector(torch.tensor([[1.0], [3.0], [0.0]]), torch.tensor([True, True, False]))
        >>> imputer({"text": text, "visual": Sequence.full(torch.ones(3, 1, 1))})["text"].values.flatten()
        tensor([1., 3., 2.])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {"momentum": FloatDistribution(0.01, 0.5, log=True)}

    def __init__(self, dims: Mapping[str, int], per_step: bool = False, momentum: float = 0.1) -> None:
        super().__init__(dims, per_step)
        self.momentum = momentum
        self.means = ParameterDict(
            {m: nn.Parameter(torch.zeros(d), requires_grad=False) for m, d in self.dims.items()}
        )

    def impute(self, vectors: dict[str, Tensor], present: dict[str, Tensor]) -> dict[str, Tensor]:
        return {m: self.means[m].expand(x.shape) for m, x in vectors.items()}

    @torch.no_grad()
    def observe(self, vectors: dict[str, Tensor], present: dict[str, Tensor]) -> None:
        for m, x in vectors.items():
            mean = Sequence(x.unsqueeze(0), present[m].unsqueeze(0)).mean()[0]
            weight = self.momentum * present[m].any()
            self.means[m].lerp_(mean.to(self.means[m]), weight.to(self.means[m]))


class TranslationImputer(Imputer):
    """The mean of what each modality that is there is translated to.

    A perceptron goes from every modality to every other one.

    Args:
        dims: feature size of each modality.
        per_step: translate each step by itself: for aligned sequences.
        layers: hidden layers of a translation; 0 makes it linear.
        dropout: rate at which hidden values are dropped.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> the same
    Missing:
        an absent modality is translated from those that are there; a sample without any stays so.
    Also known as:
        MCTN.
    Reference:
        Pham et al., Found in Translation: Learning Robust Joint Representations by Cyclic Translations
        between Modalities, AAAI 2019. Differs: vectors, not sequences; no cycle.
    Example:
        >>> absent = Sequence.vector(torch.zeros(1, 2), torch.tensor([False]))
        >>> inputs = {"text": Sequence.full(torch.ones(1, 4, 3)), "visual": absent}
        >>> bool(TranslationImputer({"text": 3, "visual": 2})(inputs)["visual"].present)
        True
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "layers": IntDistribution(0, 2),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self, dims: Mapping[str, int], per_step: bool = False, layers: int = 1, dropout: float = 0.1
    ) -> None:
        super().__init__(dims, per_step)
        self.pairs = {pair: pair_name(*pair) for pair in itertools.permutations(self.dims, 2)}
        self.translate = ModuleDict(
            {
                name: perceptron(self.dims[source], self.dims[goal], layers, dropout)
                for (source, goal), name in self.pairs.items()
            }
        )

    def impute(self, vectors: dict[str, Tensor], present: dict[str, Tensor]) -> dict[str, Tensor]:
        return {goal: self._translated(goal, vectors, present) for goal in self.dims}

    def _translated(self, goal: str, vectors: dict[str, Tensor], present: dict[str, Tensor]) -> Tensor:
        others = [m for m in self.dims if m != goal]
        translated = torch.stack([self.translate[self.pairs[m, goal]](vectors[m]) for m in others], 1)
        return Sequence(translated, torch.stack([present[m] for m in others], 1)).mean()


class CascadeImputer(Imputer):
    """A cascade of residual autoencoders imagines all modalities from those that are there.

    Block b reads the sum of what came in and of what the blocks before it gave; what is imagined is a
    linear map of the last block's output.

    Args:
        dims: feature size of each modality.
        per_step: imagine each step by itself: for aligned sequences.
        width: feature size between the blocks.
        blocks: autoencoders.
        dropout: rate at which hidden values are dropped.
        backward: weight of the way back in what training lowers: a second cascade imagines what was there
            from the modality that was imagined alone.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> the same
    Missing:
        an absent modality is imagined from those that are there; a sample without any stays so.
    Raises:
        ConfigError: fewer than one block.
    Also known as:
        MMIN, CRA.
    Reference:
        Zhao et al., Missing Modality Imagination Network for Emotion Recognition with Uncertain Missing
        Modalities, ACL 2021. Differs: what is imagined goes to the fusion in the place of what is absent; the
        way back, which is in the paper, is off unless `backward` says so.
    Example:
        >>> absent = Sequence.vector(torch.zeros(1, 2), torch.tensor([False]))
        >>> inputs = {"text": Sequence.full(torch.ones(1, 4, 3)), "visual": absent}
        >>> bool(CascadeImputer({"text": 3, "visual": 2})(inputs)["visual"].present)
        True
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "width": CategoricalDistribution((16, 32, 64, 128)),
        "blocks": IntDistribution(1, 5),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self,
        dims: Mapping[str, int],
        per_step: bool = False,
        width: int = 64,
        blocks: int = 3,
        dropout: float = 0.1,
        backward: float = 0.0,
    ) -> None:
        super().__init__(dims, per_step)
        NOT_NEGATIVE.check("CascadeImputer: backward", backward)
        self.project = ModuleDict({m: nn.Linear(d, width) for m, d in self.dims.items()})
        narrow = max(width // 2, 1)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(width, narrow), nn.GELU(), Dropout(dropout), nn.Linear(narrow, width))
            for _ in range(blocks)
        )
        self.imagine = ModuleDict({m: nn.Linear(width, d) for m, d in self.dims.items()})
        self.way_back = float(backward)
        self.back = CascadeImputer(self.dims, per_step, width, blocks, dropout) if backward else None

    def errors(
        self, name: str, guessed: Tensor, vectors: dict[str, Tensor], rest: dict[str, Tensor]
    ) -> Tensor:
        there = super().errors(name, guessed, vectors, rest)
        if self.back is None:
            return there
        alone = {
            m: torch.ones_like(here) if m == name else torch.zeros_like(here) for m, here in rest.items()
        }
        only = {m: guessed if m == name else torch.zeros_like(x) for m, x in vectors.items()}
        imagined = self.back.impute(only, alone)
        others = [m for m in vectors if m != name]
        back = [(imagined[m] - vectors[m].detach()).square().mean(-1) for m in others]
        known = Sequence(torch.stack(back, 1).unsqueeze(-1), torch.stack([rest[m] for m in others], 1))
        return there + self.way_back * known.mean().squeeze(-1)

    def impute(self, vectors: dict[str, Tensor], present: dict[str, Tensor]) -> dict[str, Tensor]:
        heard = torch.stack([self.project[m](x) * present[m].unsqueeze(-1) for m, x in vectors.items()])
        total = heard.sum(0)
        for block in self.blocks:
            change = block(total)
            total = total + change
        return {m: self.imagine[m](change) for m in self.dims}


class FlowImputer(Imputer):
    """The code of what is there, taken back to what is absent: a normalising flow for each modality.

    Flows bring each modality's vector to a code, and codes of all modalities to one density, the standard
    normal. What is absent is the mean over what is there of its code, taken back through the flow of the
    absent one. Training lowers the squared error, and raises the density of what is there.

    Args:
        dims: feature size of each modality; between two that differ a linear map changes the code's size.
        per_step: impute each step by itself: for aligned sequences.
        layers: of each flow (`affect.flows.CouplingFlow`).
        width: hidden units of each of their perceptrons.
        likelihood: weight of the negative log density per feature, which can be below zero, in what training
            lowers.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> the same
    Missing:
        an absent modality is made from those that are there; a sample without any stays so.
    Raises:
        ConfigError: fewer than one layer or hidden unit, or a weight below zero.
    Also known as:
        DiCMoR, distribution-consistent modality recovering.
    Reference:
        Wang et al., Distribution-Consistent Modal Recovering for Incomplete Multimodal Learning, ICCV 2023.
        Differs: vectors, not sequences; real NVP, not Glow; one density, not one for each class, as labels
        are not read; means, in place of convolutions and of the network that refines what was recovered.
    Example:
        >>> absent = Sequence.vector(torch.zeros(1, 2), torch.tensor([False]))
        >>> inputs = {"text": Sequence.full(torch.ones(1, 4, 3)), "visual": absent}
        >>> bool(FlowImputer({"text": 3, "visual": 2})(inputs)["visual"].present)
        True
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "layers": IntDistribution(1, 8),
        "width": CategoricalDistribution((16, 32, 64, 128)),
        "likelihood": FloatDistribution(1e-3, 1.0, log=True),
    }

    def __init__(
        self,
        dims: Mapping[str, int],
        per_step: bool = False,
        layers: int = 2,
        width: int = 32,
        likelihood: float = 0.1,
    ) -> None:
        super().__init__(dims, per_step)
        NOT_NEGATIVE.check("FlowImputer: likelihood", likelihood)
        self.likelihood = float(likelihood)
        self.flows = ModuleDict({m: CouplingFlow(d, layers, width) for m, d in self.dims.items()})
        self.pairs = {pair: pair_name(*pair) for pair in itertools.permutations(self.dims, 2)}
        self.bridges = ModuleDict(
            {
                name: nn.Linear(self.dims[source], self.dims[goal], bias=False)
                for (source, goal), name in self.pairs.items()
                if self.dims[source] != self.dims[goal]
            }
        )

    def errors(
        self, name: str, guessed: Tensor, vectors: dict[str, Tensor], rest: dict[str, Tensor]
    ) -> Tensor:
        surprise = cast(CouplingFlow, self.flows[name]).surprise(vectors[name].detach())
        return super().errors(name, guessed, vectors, rest) + self.likelihood * surprise

    def impute(self, vectors: dict[str, Tensor], present: dict[str, Tensor]) -> dict[str, Tensor]:
        codes = {m: self.flows[m](x)[0] for m, x in vectors.items()}
        return {goal: self._recovered(goal, codes, present) for goal in self.dims}

    def _recovered(self, goal: str, codes: dict[str, Tensor], present: dict[str, Tensor]) -> Tensor:
        others = {m: self.pairs[m, goal] for m in self.dims if m != goal}
        own = [
            self.bridges[pair](codes[m]) if pair in self.bridges else codes[m] for m, pair in others.items()
        ]
        recovered = cast(CouplingFlow, self.flows[goal]).inverse(torch.stack(own, 1))
        return Sequence(recovered, torch.stack([present[m] for m in others], 1)).mean()
