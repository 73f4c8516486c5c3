"""A run begins with the weights of another."""

from __future__ import annotations

from pathlib import Path

from affect.data.corpus import Corpus
from affect.errors import ConfigError
from affect.model import FusionModel
from affect.runs.finished import FinishedRun
from affect.training import start_from
from affect.training.matching import check_features
from affect.training.saving import DONE, WEIGHTS
from affect.training.weights import read_weights


def start_from_run(model: FusionModel, folder: Path, corpus: Corpus) -> None:
    """Give a model the weights of a finished run, as far as they fit; nothing of the run is executed.

    Its scaler holds for every modality that both have: its weights are right for inputs that are scaled so.
    The head is left out where the run predicts another target.

    Args:
        model: is changed in place.
        folder: the run.
        corpus: what the model is to learn from.
    Raises:
        DataError: the folder is not a finished run, or its weights are gone or were changed.
        ConfigError: the run is a baseline's, nothing of it fits, or a modality has as many features and is
            not what the run learned from.
    """
    run = FinishedRun.read(folder)
    shape = run.facts["shape"]
    if "scaled" not in shape:
        raise ConfigError(
            f"init: {folder}: a baseline has no weights to begin with; name a run of a torch model"
        )
    for name, dim in shape["dims"].items():
        if corpus.dims.get(name) != dim or name not in model.encoders:
            continue
        message = f"init: {name} of {corpus.name} is not what {folder} learned from"
        check_features(corpus, name, shape, message=message, where=str(folder / DONE))
    without = () if run.target == model.head.target else ("head.",)
    start_from(model, read_weights(run.manifest.check(WEIGHTS)), str(folder), without)
