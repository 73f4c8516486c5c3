"""What is learned from is what a run says, and no table is of two contents of one corpus."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_corpus import small

import affect
from affect.data.contents import corpus_digest, files_in
from affect.data.corpus_files import CorpusFiles, file_digest
from affect.errors import DataError
from affect.results import gather
from affect.robustness.runs import runs_to_sweep
from affect.runs import FinishedRun, Job, jobs
from affect.runs.configuration import resolve


@pytest.fixture(autouse=True)
def _own_list(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("AFFECT_TRUST", str(tmp_path_factory.mktemp("trust") / "list"))


def job_of(home, seed=0, epochs=2):
    content = {
        "corpus": "small.safetensors", "training": {"epochs": epochs}, "model": {"width": 4}, "seeds": [seed],
    }  # fmt: skip
    content = resolve(content, "test")
    return Job(content, "mine", seed, 0, home, home / f"mine-{jobs.digest(content)}" / f"seed{seed}-fold0")


def at_first(change):
    """Does something when the first epoch is validated, before its checkpoint is written."""

    def tell(done, total, found):
        if done == 1:
            change()

    return tell


def changed(path, what):
    return f"{path}: the corpus changed while it was learned from: it was {what}; bring it back, or run the command again"


def test_a_run_whose_corpus_is_written_to_ends_and_keeps_nothing(tmp_path):
    path, other = small(tmp_path / "small.safetensors"), small(tmp_path / "other", shift=1.0)
    job = job_of(tmp_path, epochs=50)
    with pytest.raises(DataError, match=r"small\.safetensors: the corpus changed while it was learned from"):
        job.run(progress=at_first(lambda: other.replace(path)))
    assert not (job.folder / "run.json").exists()
    assert not (job.folder / "checkpoints" / "last.ckpt").exists()


def test_a_corpus_that_is_touched_or_copied_over_itself_is_the_same(tmp_path):
    path = small(tmp_path / "small.safetensors")
    job = job_of(tmp_path)
    digest = corpus_digest(str(path))

    def copy():
        (tmp_path / "copy").write_bytes(path.read_bytes())
        (tmp_path / "copy").replace(path)

    job.run(progress=at_first(copy))
    assert FinishedRun.read(job.folder).facts["corpus"]["content"] == digest
    assert job.done


def test_a_corpus_that_was_loaded_is_watched_too(tmp_path):
    path = small(tmp_path / "small.safetensors")
    corpus = affect.load(path)
    os.utime(path, ns=(10**18, 10**18))
    model = affect.FusionModel.for_corpus(corpus)
    with pytest.raises(DataError) as error:
        affect.fit(model, corpus, training=affect.Training(epochs=1))
    size = path.stat().st_size
    was, now = (
        f"{size:,} bytes of {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(when / 1e9))}"
        for when in (next(iter(corpus.files.states.values()))[1], 10**18)
    )
    assert str(error.value) == changed(path, f"{was}, and is {now}")
    path.unlink()
    with pytest.raises(DataError) as error:
        affect.fit(model, corpus.select(["text"]), training=affect.Training(epochs=1))
    assert str(error.value) == changed(path, f"{was}, and is gone")


def test_every_file_of_a_folder_counts_and_those_of_runs_do_not(tmp_path):
    for name in ("a.csv", "b.csv", "runs/mine/seed0-fold0/started.json", "runs/mine/failed.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("id")
    files = CorpusFiles.of(files_in(str(tmp_path)), digests=True)
    assert [path.name for path in files.states] == ["a.csv", "b.csv"]
    files.check()
    assert files.digests[tmp_path / "a.csv"] == file_digest(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("di")
    with pytest.raises(DataError, match=r"b\.csv: the corpus changed"):
        files.check()


def test_runs_of_two_contents_are_not_compared(tmp_path):
    path = small(tmp_path / "small.safetensors")
    first, second = job_of(tmp_path, 0, 1), job_of(tmp_path, 1, 1)
    first.run()
    small(path, shift=1.0)
    second.run()
    runs = [FinishedRun.read(job.folder) for job in (first, second)]
    before, after = (run.facts["corpus"]["content"][:8] for run in runs)
    for use in (lambda: gather(runs), lambda: runs_to_sweep([first.folder, second.folder])):
        with pytest.raises(DataError) as error:
            use()
        assert str(error.value) == (
            f"{path}: the runs were made from 2 contents of it (SHA-256 {before}: {first.folder}; SHA-256 "
            f"{after}: {second.folder}); make them again from one (affect train and affect bench do where the "
            "content has changed), or leave some out"
        )
    assert first.changes() == [f"the corpus {path} has other content"]
    first.run()
    assert len(gather([FinishedRun.read(job.folder) for job in (first, second)])) == 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there a mapped file cannot be cut")
def test_a_crash_names_the_corpus(tmp_path):
    path = small(tmp_path / "small.safetensors")
    (tmp_path / "run.yaml").write_text(f"corpus: {path}\ntraining: {{epochs: 100000, patience: 100000}}\n")
    command = [sys.executable, "-m", "affect", "train", "run.yaml", "--out", "out"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        while not [*Path(tmp_path).glob("out/**/last.ckpt")]:
            assert process.poll() is None
            time.sleep(0.1)
        os.truncate(path, 100)
        said = process.communicate(timeout=60)[1]
    assert not [*Path(tmp_path).glob("out/**/run.json")]
    assert f"of the corpus {path}" in said if process.returncode == -signal.SIGBUS else str(path) in said
