"""Fusion research in affective computing: any encoder, any fusion, any pattern of missing data.

Names are imported when they are first used, so that `import affect` is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from affect import renamed

if TYPE_CHECKING:
    from affect import (
        baselines,
        corruption,
        encoders,
        errors,
        fusion,
        heads,
        imputation,
        metrics,
        objectives,
        pooling,
        robustness,
        testing,
    )
    from affect.data.corpus import Corpus, Split
    from affect.data.loading import batches
    from affect.data.ragged import Ragged, Words
    from affect.data.samples import Sample, Steps
    from affect.data.sources import load
    from affect.encoders import Encoder
    from affect.errors import AffectError, ConfigError, DataError, ShapeError
    from affect.fusion import Fusion, VectorFusion
    from affect.heads import Head
    from affect.model import FusionModel
    from affect.naming import ModuleDict, ParameterDict
    from affect.objectives import Objective
    from affect.sequences import Batch, Output, Sequence
    from affect.training import Run, evaluate, fit

renamed.install()

__version__ = "0.1.0.dev0"

_HOMES = {
    "affect.data.corpus": ("Corpus", "Split"),
    "affect.data.loading": ("batches",),
    "affect.data.ragged": ("Ragged", "Words"),
    "affect.data.samples": ("Sample", "Steps"),
    "affect.data.sources": ("load",),
    "affect.encoders": ("Encoder",),
    "affect.errors": ("AffectError", "ConfigError", "DataError", "ShapeError"),
    "affect.fusion": ("Fusion", "VectorFusion"),
    "affect.heads": ("Head",),
    "affect.model": ("FusionModel",),
    "affect.naming": ("ModuleDict", "ParameterDict"),
    "affect.objectives": ("Objective",),
    "affect.sequences": ("Batch", "Output", "Sequence"),
    "affect.training": ("Run", "evaluate", "fit"),
}
_NAMES = {name: home for home, names in _HOMES.items() for name in names}
_ROOMS = (
    "baselines",
    "cli",
    "corruption",
    "data",
    "encoders",
    "errors",
    "fusion",
    "heads",
    "imputation",
    "metrics",
    "objectives",
    "pooling",
    "robustness",
    "testing",
    "training",
)

__all__ = [
    "AffectError",
    "Batch",
    "ConfigError",
    "Corpus",
    "DataError",
    "Encoder",
    "Fusion",
    "FusionModel",
    "Head",
    "ModuleDict",
    "Objective",
    "Output",
    "ParameterDict",
    "Ragged",
    "Run",
    "Sample",
    "Sequence",
    "ShapeError",
    "Split",
    "Steps",
    "VectorFusion",
    "Words",
    "baselines",
    "batches",
    "corruption",
    "encoders",
    "errors",
    "evaluate",
    "fit",
    "fusion",
    "heads",
    "imputation",
    "load",
    "metrics",
    "objectives",
    "pooling",
    "robustness",
    "testing",
]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        value = getattr(importlib.import_module(_NAMES[name]), name)
    elif name in _ROOMS:
        value = importlib.import_module(f"affect.{name}")
    else:
        from affect.errors import did_you_mean

        raise AttributeError(f"affect has no '{name}'; {did_you_mean(name, __all__)}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
