"""A run is a folder: what was asked, what came out, and what it ran on.

config.yaml         the configuration in full, ready for `affect train`
modules/            the user's own modules that it names, and the local ones that these import
results.csv         tidy rows
predictions.csv     one row per label
history.csv         one row per epoch
model.safetensors   weights of the kept epoch, the scaler's statistics among them
run.json            what it ran on, cost and was built for, and the sizes and digests of the others; it is
                    written last
sweeps/             predictions under conditions of protocols (`affect.robustness.runs`)
failed.txt          why there is no run, where an attempt failed

A baseline has neither a history nor weights: it is fitted again from its corpus when it is asked to predict.

A run is used again as it is only if it would be made from the same: the configuration in full, the user's
modules, the content of the corpus and the weights of the runs that it learns from (`affect.runs.sameness`).
Another version of affect is told, and changes nothing.

Trust boundary. A run's configuration may name code that is no part of affect, torch, optuna or lightning
(`affect.classes.strangers`): the files in `modules/`, or what is installed. It is executed only

- where the run is one's own: the digest of both stands in the list of this user (`affect.classes.trust`),
  which training a run appends to, and that of the modules is the one that `run.json` says; or
- where `--trust`, `trust=True`, says so.

Otherwise the run is refused before any of it is executed. `affect compare` and `affect report` read tables
alone, and never execute it, trusted or not. Training, tuning or a bench from a YAML file executes the modules
beside it, those in `modules/` beside it, and whatever it names: whoever names the file wants that. A file
that a search wrote is under the same rule as a run (`affect.runs.borrowed`), and so is a run that is learned
from (`teacher`); of one whose weights are the start (`init`) nothing is executed. Modules are loaded by file
under names of their own (`affect.classes.loading`): they change no import of anything else.
"""

from affect import renamed
from affect.data.contents import is_generated
from affect.runs.finding import find
from affect.runs.finished import (
    FinishedRun,
    corpus_path,
    fitted_baseline,
    load_model,
    prepare,
    with_absolute_paths,
)
from affect.runs.jobs import Job, digest
from affect.runs.making import teacher_of, trained_run
from affect.runs.planning import check_jobs, jobs_of
from affect.runs.predicting import predict
from affect.runs.standing import due

__all__ = [
    "FinishedRun",
    "Job",
    "check_jobs",
    "corpus_path",
    "digest",
    "due",
    "find",
    "fitted_baseline",
    "is_generated",
    "jobs_of",
    "load_model",
    "predict",
    "prepare",
    "teacher_of",
    "trained_run",
    "with_absolute_paths",
]

__getattr__ = renamed.names(
    __name__,
    {
        "Finished": "FinishedRun",
        "anchored": "with_absolute_paths",
        "fitted": "fitted_baseline",
        "trained": "trained_run",
    },
)
