"""A run is a folder: what was asked, what came out, and what it ran on.

config.yaml         the resolved configuration, ready for `affect train`
results.csv         tidy rows
predictions.csv     one row per label
history.csv         one row per epoch
model.safetensors   weights of the kept epoch, the scaler's statistics among them
run.json            what it ran on, cost and was built for; it is written last
failed.txt          why there is no run, where an attempt failed

A baseline has neither a history nor weights: it is fitted again from its corpus when it is asked to predict.
"""

from affect import renamed
from affect.runs.finished import (
    FinishedRun,
    anchored,
    corpus_path,
    find,
    fitted,
    is_generated,
    load_model,
    predict,
    prepare,
)
from affect.runs.jobs import Job, digest, teacher_of, trained

__all__ = [
    "FinishedRun",
    "Job",
    "anchored",
    "corpus_path",
    "digest",
    "find",
    "fitted",
    "is_generated",
    "load_model",
    "predict",
    "prepare",
    "teacher_of",
    "trained",
]

__getattr__ = renamed.names(__name__, {"Finished": "FinishedRun"})
