"""Fusion research in affective computing: any encoder, any fusion, any pattern of missing data.

Names are imported when they are first used, so that `import affect` is quick.
"""

# nothing stands before this, not even `__future__`: it could be a file of the folder that Python started in
from affect import started as started  # isort: split

import functools
import importlib
from typing import TYPE_CHECKING, Any

from affect import renamed

if TYPE_CHECKING:  # the same names for type checkers; a test holds the two equal
    from affect import aligners as aligners
    from affect import baselines as baselines
    from affect import benchmark as benchmark
    from affect import corruption as corruption
    from affect import data as data
    from affect import encoders as encoders
    from affect import errors as errors
    from affect import estimators as estimators
    from affect import explain as explain
    from affect import extraction as extraction
    from affect import fusion as fusion
    from affect import heads as heads
    from affect import imputation as imputation
    from affect import interactions as interactions
    from affect import kernels as kernels
    from affect import media as media
    from affect import metrics as metrics
    from affect import objectives as objectives
    from affect import papers as papers
    from affect import pooling as pooling
    from affect import report as report
    from affect import results as results
    from affect import retrieval as retrieval
    from affect import robustness as robustness
    from affect import runs as runs
    from affect import statistics as statistics
    from affect import testing as testing
    from affect import training as training
    from affect import tuning as tuning
    from affect.aligners import Aligner as Aligner
    from affect.corruption import Corruption as Corruption
    from affect.data.corpus import Corpus as Corpus
    from affect.data.corpus import Split as Split
    from affect.data.loading import batches as batches
    from affect.data.provenance import Provenance as Provenance
    from affect.data.ragged import Ragged as Ragged
    from affect.data.ragged import Words as Words
    from affect.data.samples import Sample as Sample
    from affect.data.samples import Steps as Steps
    from affect.data.sources import load as load
    from affect.data.targets import Binary as Binary
    from affect.data.targets import MultiClass as MultiClass
    from affect.data.targets import MultiLabel as MultiLabel
    from affect.data.targets import Regression as Regression
    from affect.data.targets import Target as Target
    from affect.encoders import Encoder as Encoder
    from affect.errors import AffectError as AffectError
    from affect.errors import ConfigError as ConfigError
    from affect.errors import DataError as DataError
    from affect.errors import ShapeError as ShapeError
    from affect.estimators import FusionClassifier as FusionClassifier
    from affect.estimators import FusionRegressor as FusionRegressor
    from affect.fusion import Fusion as Fusion
    from affect.fusion import VectorFusion as VectorFusion
    from affect.heads import Head as Head
    from affect.imputation import Imputer as Imputer
    from affect.model import FusionModel as FusionModel
    from affect.model import ModelSpec as ModelSpec
    from affect.naming import ModuleDict as ModuleDict
    from affect.naming import ParameterDict as ParameterDict
    from affect.objectives import Objective as Objective
    from affect.pooling import Pooling as Pooling
    from affect.runs.loading import load_run as load_run
    from affect.sequences import Batch as Batch
    from affect.sequences import Output as Output
    from affect.sequences import Sequence as Sequence
    from affect.training import Learner as Learner
    from affect.training import Run as Run
    from affect.training import Training as Training
    from affect.training import evaluate as evaluate
    from affect.training import fit as fit

renamed.install()

__version__ = "0.1.0.dev0"

_HOMES = {
    "affect.aligners": ("Aligner",),
    "affect.corruption": ("Corruption",),
    "affect.data.corpus": ("Corpus", "Split"),
    "affect.data.loading": ("batches",),
    "affect.data.provenance": ("Provenance",),
    "affect.data.ragged": ("Ragged", "Words"),
    "affect.data.samples": ("Sample", "Steps"),
    "affect.data.sources": ("load",),
    "affect.data.targets": ("Binary", "MultiClass", "MultiLabel", "Regression", "Target"),
    "affect.encoders": ("Encoder",),
    "affect.errors": ("AffectError", "ConfigError", "DataError", "ShapeError"),
    "affect.estimators": ("FusionClassifier", "FusionRegressor"),
    "affect.fusion": ("Fusion", "VectorFusion"),
    "affect.heads": ("Head",),
    "affect.imputation": ("Imputer",),
    "affect.model": ("FusionModel", "ModelSpec"),
    "affect.naming": ("ModuleDict", "ParameterDict"),
    "affect.objectives": ("Objective",),
    "affect.pooling": ("Pooling",),
    "affect.runs.loading": ("load_run",),
    "affect.sequences": ("Batch", "Output", "Sequence"),
    "affect.training": ("Learner", "Run", "Training", "evaluate", "fit"),
}
_ROOMS = (
    *("aligners", "baselines", "benchmark", "corruption", "data", "encoders", "errors", "estimators"),
    *("explain", "extraction", "fusion", "heads"),
    *(
        "imputation",
        "interactions",
        "kernels",
        "media",
        "metrics",
        "objectives",
        "papers",
        "pooling",
        "report",
        "results",
    ),
    *("retrieval", "robustness", "runs", "statistics", "testing", "training", "tuning"),
)
_NAMES = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted([*_NAMES, *_ROOMS, "__version__"])


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        value = getattr(importlib.import_module(_NAMES[name]), name)
    elif name in _ROOMS or name == "cli":
        value = importlib.import_module(f"affect.{name}")
    else:
        raise AttributeError(_refusal(name))
    globals()[name] = value
    return value


@functools.cache
def _refusal(name: str) -> str:
    """Is asked for thousands of times: jsonargparse looks for every class here first."""
    from affect.errors import did_you_mean

    return f"affect has no '{name}'; {did_you_mean(name, __all__)}"


def __dir__() -> list[str]:
    return __all__
