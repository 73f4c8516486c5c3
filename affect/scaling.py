"""Normalisation fitted on the training split, over observed steps only."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Literal, Self, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from affect.data.corpus import Split
from affect.data.quality import Columns
from affect.data.ragged import Ragged
from affect.errors import ConfigError, DataError, did_you_mean
from affect.naming import attribute_name
from affect.sequences import Sequence

logger = logging.getLogger(__name__)


Scaling: TypeAlias = Literal["standard", "robust", "none"]
"""Mean 0 and deviation 1; median 0 and interquartile range 1, for wild columns; or as they are."""

Nonfinite: TypeAlias = Literal["mean", "mask", "refuse"]
"""NaN and infinite values in observed steps become the training mean, or unobserved, or an error."""


class Scaler(nn.Module):
    """Brings features to the scale of the training split; its statistics are saved with the model.

    Args:
        dims: feature size of each modality.
        scaling: standard, robust, or none.
        nonfinite: what becomes of NaN and infinite values in observed steps.
        clip: scaled values beyond +-clip are cut there, so that no wild value rules a mean.
    Shapes:
        inputs[m]: (batch, time, dims[m]) -> the same
    Missing:
        unobserved steps are neither counted in the statistics nor changed.
    Example:
        >>> scaler = Scaler.fit(affect.load("synthetic")["train"])
        >>> scaler.scale_of("text").shape
        torch.Size([8])
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        scaling: Scaling = "standard",
        nonfinite: Nonfinite = "mean",
        clip: float = 10.0,
    ) -> None:
        super().__init__()
        for given, known in ((scaling, get_args(Scaling)), (nonfinite, get_args(Nonfinite))):
            if given not in known:
                raise ConfigError(f"Scaler: no '{given}'; {did_you_mean(given, known)}")
        self.dims = dict(sorted(dims.items()))
        self.scaling, self.nonfinite, self.clip = scaling, nonfinite, clip
        self._buffer_names: dict[tuple[str, str], str] = {}
        for name, dim in self.dims.items():
            for kind, start in (("centre", 0.0), ("scale", 1.0), ("fill", 0.0)):
                self._buffer_names[kind, name] = attribute_name(f"{kind}_{name}", self)
                self.register_buffer(self._buffer_names[kind, name], torch.full((dim,), start))

    @classmethod
    def fit(
        cls,
        split: Split,
        scaling: Scaling = "standard",
        nonfinite: Nonfinite = "mean",
        clip: float = 10.0,
    ) -> Self:
        """Statistics of `split`, which is the training split.

        Raises:
            DataError: a value is NaN or infinite and `nonfinite` is "refuse".
        """
        scaler = cls({name: x.dim for name, x in split.modalities.items()}, scaling, nonfinite, clip)
        for name in scaler.dims:
            rows = split.modalities[name]
            found = Columns.of(rows)
            bad = found.nan + found.infinite
            if bad.any():
                listing = ", ".join(
                    f"{count} in column {column}" for column, count in enumerate(bad) if count
                )
                if nonfinite == "refuse":
                    raise DataError(
                        f"{name}: NaN or infinite values: {listing}; choose nonfinite='mean' or 'mask'"
                    )
                logger.warning(
                    "%s: NaN or infinite values: %s; nonfinite='%s'", name, listing, scaler.nonfinite
                )
            centre, scale = _statistics(rows, found, scaler.scaling)
            for kind, value in (("centre", centre), ("scale", scale), ("fill", found.mean)):
                scaler._statistic(kind, name).copy_(torch.from_numpy(value))
        return scaler

    def scale_of(self, name: str) -> Tensor:
        """What the features of modality `name` are divided by, (feature,)."""
        return self._statistic("scale", name)

    def forward(self, inputs: Mapping[str, Sequence]) -> dict[str, Sequence]:
        """Scale the modalities that the scaler knows; others pass as they are."""
        return {name: self._scale(name, x) if name in self.dims else x for name, x in inputs.items()}

    def _statistic(self, kind: str, name: str) -> Tensor:
        """The centre, scale or fill of a modality, (feature,)."""
        return self.get_buffer(self._buffer_names[kind, name])

    def _scale(self, name: str, x: Sequence) -> Sequence:
        if self.nonfinite == "mask":
            x = x.keep(x.values.isfinite().all(-1))
        centre, fill = self._statistic("centre", name), self._statistic("fill", name)
        # each pass over the values costs as much as a layer that reads them: what can is done in place, and
        # what replaces values that are not finite is made zero, which takes a fifth of `where`
        if self.scaling == "none":
            values = torch.where(x.values.isfinite(), x.values, fill)
        else:
            values = (x.values - fill).nan_to_num_(0.0, 0.0, 0.0)
            if self.scaling == "robust":
                values += fill - centre
            values = values.div_(self.scale_of(name))
            values = F.hardtanh_(values, -self.clip, self.clip)  # `clamp_` has no rule for vmap
        return Sequence(values.mul_(x.mask.unsqueeze(-1)), x.mask, zeroed=True)


def _statistics(rows: Ragged, found: Columns, scaling: Scaling) -> tuple[NDArray[np.float64], ...]:
    """Centre and scale of each column over its finite values; 0 and 1 where there are none."""
    if scaling == "none":
        return np.zeros(rows.dim), np.ones(rows.dim)
    if scaling == "standard":
        return found.mean, _divisor(found.spread, found.mean)
    quartiles = np.zeros((3, rows.dim))
    together = max(1, 2**24 // max(1, rows.total))  # columns that are held at a time
    for begin in range(0, rows.dim, together):
        some = slice(begin, begin + together)
        columns = np.concatenate([np.zeros((0, rows.dim))[:, some], *(x[:, some] for x in rows.chunks())])
        for column, values in enumerate(columns.T, begin):
            finite = values[np.isfinite(values)]
            if finite.size:
                quartiles[:, column] = np.percentile(finite, [25, 50, 75])
    width = quartiles[2] - quartiles[0]
    return quartiles[1], _divisor(np.where(width > 0, width, found.spread), found.mean)


def _divisor(spread: NDArray[np.float64], mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """The spread, or one where a column is constant but for rounding."""
    return np.where(spread > 1e-7 * np.maximum(np.abs(mean), 1e-30), spread, 1.0)
