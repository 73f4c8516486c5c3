"""What ends a search that is not a trial's fault uses none of its trials up, and the same command goes on."""

import os

import pytest
import yaml
from optuna.trial import TrialState

import affect
from affect.data.native import save
from affect.errors import DataError
from affect.runs.studies import FAILURE, START, load, open_storage, retry_of, sqlite
from affect.tuning import task_of, tune
from affect.tuning.working import WorkerTask, begin_or_join, work_at

ONCE = """
import os, pathlib
from affect.errors import MemoryTakenError
from affect.fusion import ConcatenationFusion

HERE = pathlib.Path(__file__).parent

class Once(ConcatenationFusion):
    def combine(self, vectors, present):
        happens = HERE / "happens"
        if self.training and happens.exists():
            what = happens.read_text()
            happens.unlink()
            exec(what)
        return super().combine(vectors, present)
"""
"""A fusion in which something happens once, if there is a file that says what."""

FULL = 'raise OSError(28, "No space left on device", "log.csv")'
TAKEN = 'raise MemoryTakenError("fit: Once takes 20 GB, and 2.1 GB are free")'
CHANGED = 'os.replace(HERE / "other.safetensors", HERE / "corpus.safetensors")'


@pytest.fixture
def path(tmp_path):
    """A small search of a corpus in a file, beside which another one lies."""
    for name, kind in {"corpus": "additive", "other": "interaction"}.items():
        save(affect.load(f"synthetic:{kind}"), tmp_path / f"{name}.safetensors")
    (tmp_path / "once.py").write_text(ONCE)
    content = {
        "corpus": "corpus.safetensors",
        "training": {"epochs": 1},
        "model": {"fusion": "once.Once", "width": 4},
        "search": {"seeds": [0], "fresh": [], "space": {"*": "fixed", "model.width": [4, 8]}},
    }
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def work(path, trials):
    return tune(path, path.parent / "out", trials=trials, quiet=True)


@pytest.mark.parametrize(
    ("what", "line"),
    [
        (
            FULL,
            "no space left on device; finished trials are kept, and the same command goes on when the disk takes "
            "what is written",
        ),
        (
            TAKEN,
            "fit: Once takes 20 GB, and 2.1 GB are free; finished trials are kept, and the same command goes on "
            "when other processes leave more (--memory GB lets such trials fail instead)",
        ),
        (CHANGED, "{corpus}: the corpus changed while it was learned from: "),
    ],
    ids=["disk", "memory", "corpus"],
)
def test_a_trial_that_is_interrupted_is_tried_again(what, line, path):
    corpus = path.with_name("corpus.safetensors")
    content = corpus.read_bytes()
    path.with_name("happens").write_text(what)
    with pytest.raises(DataError) as ended:
        work(path, 3)
    assert str(ended.value).startswith(f"tune: a trial could not be trained: {line.format(corpus=corpus)}")
    corpus.with_name("back").write_bytes(content)
    os.replace(corpus.with_name("back"), corpus)
    trials = work(path, 3).study.trials
    assert [t.state for t in trials] == [TrialState.FAIL] + [TrialState.COMPLETE] * 3
    assert not any(FAILURE in t.user_attrs for t in trials)
    assert (retry_of(trials[1]), trials[1].user_attrs[START]) == (0, "the configuration")


def test_a_worker_refuses_another_corpus_than_the_search_began_with(path):
    task, url = task_of(path), sqlite(path.with_name("study.db"))
    study, alone = begin_or_join(open_storage(url), task)
    os.replace(path.with_name("other.safetensors"), path.with_name("corpus.safetensors"))
    with pytest.raises(
        DataError,
        match=r"^\S+/corpus.safetensors: a worker reads another corpus than the search began with: expected "
        r"SHA-256 \w{8}, got \w{8}; bring that one back, or run the command again$",
    ):
        work_at(WorkerTask(task, url, study.study_name, alone, 2, None, None), 1, "loky", None)
    assert not load(open_storage(url), study.study_name).get_trials(states=(TrialState.COMPLETE,))
