"""What each model of a stack would have drawn alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from affect.layers import dropout


class Draws(TorchFunctionMode):
    """Within the block, each row of a stack draws what its model would have drawn alone.

    The state of the device's own generator is changed for that of a model for as long as it draws, so that
    what draws, and how, is the same. What else draws at random is refused by `vmap`.
    """

    row: Tensor
    """Which row it is; within `vmap` a number for each."""
    sizes: Mapping[int, tuple[int, ...]]
    """What a padded size is in each model's own batch."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.source: Any = torch if device.type == "cpu" else torch.get_device_module(device)
        self.states: list[Tensor] = []

    def begin(self, seeds: list[int]) -> None:
        """Go on from other seeds, one for each row."""
        self.states = []
        for seed in seeds:
            torch.manual_seed(seed)
            self.states.append(self.source.get_rng_state())

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in (F.dropout, dropout):
            return self._dropout(func, *args, **kwargs)
        if func in (torch.rand, torch.randn) and "generator" not in kwargs:
            shape = args if isinstance(args[0], int) else args[0]
            return self._drawn(shape, lambda own: func(own, **kwargs))
        return func(*args, **kwargs)

    def _dropout(
        self,
        lose: Callable[[Tensor, float], Tensor],
        input: Tensor,
        p: float = 0.5,
        training: bool = True,
        inplace: bool = False,
    ) -> Tensor:
        if not (training and p):
            return input
        order = sorted(range(input.dim()), key=input.stride, reverse=True)  # draws follow memory

        def draw(own: list[int]) -> Tensor:
            ones = torch.ones([own[i] for i in order], dtype=input.dtype, device=input.device)
            return lose(ones.permute([order.index(i) for i in range(len(own))]), p)

        return input * self._drawn(input.shape, draw)

    def _drawn(self, shape: Iterable[int], draw: Callable[[list[int]], Tensor]) -> Tensor:
        """What `draw` gives for each row in its own shape, unobserved beyond it."""
        shape = list(shape)

        def rows() -> Tensor:
            stack = []
            for row, state in enumerate(self.states):
                own = [self.sizes[size][row] if size in self.sizes else size for size in shape]
                self.source.set_rng_state(state)
                drawn = draw(own)
                self.states[row] = self.source.get_rng_state()
                lacking = [(0, size - has) for size, has in zip(shape, own, strict=True)]
                stack.append(F.pad(drawn, [n for pair in reversed(lacking) for n in pair]))
            return torch.stack(stack)

        drawn: Tensor = _Aside.apply(self.row, rows)  # type: ignore[no-untyped-call]  # torch's own
        return drawn


class _Aside(torch.autograd.Function):
    """Rows that are made outside of `vmap`, as what one of them is within it."""

    @staticmethod
    def forward(row: Tensor, rows: Callable[[], Tensor]) -> Tensor:
        raise NotImplementedError("there are rows within vmap alone")

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Nothing goes back: what was drawn has no gradient."""

    @staticmethod
    def vmap(info: Any, dims: Any, row: Tensor, rows: Callable[[], Tensor]) -> tuple[Tensor, int]:
        return rows(), 0
