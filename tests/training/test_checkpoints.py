"""Checkpoints are whole or not there, and a damaged one costs epochs, never figures."""

import errno
import os
import shutil
import subprocess
import zipfile
from contextlib import contextmanager, suppress

import numpy as np
import pandas as pd
import pytest
import torch
from small import corpus_of, model_of
from torch.utils.tensorboard import SummaryWriter

import affect
from affect import Regression, Training
from affect.errors import DataError
from affect.files import scratch
from affect.training.checkpoints import WholeCheckpoints, naming_disk, newest_whole, read_whole

EPOCHS = 6


class StoppedError(Exception):
    pass


def stopping(after):
    def tell(done, total, found):
        if done == after:
            raise StoppedError

    return tell if after else False


def train(corpus, folder, stop=0):
    training = Training(epochs=EPOCHS, patience=EPOCHS, learning_rate=0.003)
    return affect.fit(model_of(corpus), corpus, training=training, folder=folder, progress=stopping(stop))


@pytest.fixture(scope="module")
def corpus():
    return corpus_of(Regression("y"), np.random.default_rng(1).normal(size=24))


@pytest.fixture(scope="module")
def whole(corpus, tmp_path_factory):
    return train(corpus, tmp_path_factory.mktemp("whole"))


def cut(path):
    path.write_bytes(path.read_bytes()[:-1000])
    return "File is not a zip file"


def empty(path):
    path.write_bytes(b"")
    return "File is not a zip file"


def garble(path):
    weights = max(read_whole(path)["state_dict"].values(), key=torch.numel).numpy().tobytes()
    path.write_bytes(path.read_bytes().replace(weights, bytes(len(weights))))
    return "is not what was written"


def replace(path):
    torch.save({"epoch": 3}, path)
    return "it has no callbacks, global_step, history"


def of_another_model(path):
    content = read_whole(path)
    content["state_dict"] = {"weight": torch.zeros(3)}
    torch.save(content, path)
    return "its weights are of another model"


@pytest.fixture(scope="module")
def stopped(corpus, tmp_path_factory):
    """A training that was stopped twice: what another process has written is kept as the one before."""
    folder = tmp_path_factory.mktemp("stopped")
    for stop in (2, 4):
        with pytest.raises(StoppedError):
            train(corpus, folder, stop)
    return folder, {path: path.read_bytes() for path in (folder / "checkpoints").iterdir()}


@pytest.fixture
def folder(stopped):
    """The same, as it was left."""
    folder, files = stopped
    shutil.rmtree(folder / "checkpoints")
    (folder / "checkpoints").mkdir()
    for path, content in files.items():
        path.write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("damage", "both"),
    [(cut, False), (empty, False), (garble, False), (replace, False), (of_another_model, False), (cut, True)],
)
def test_a_damaged_checkpoint_is_set_aside_and_the_end_is_the_same(
    corpus, whole, folder, caplog, damage, both
):
    last, previous = (folder / "checkpoints" / name for name in ("last.ckpt", "previous.ckpt"))
    assert [read_whole(path)["epoch"] for path in (last, previous)] == [2, 0]
    why = damage(last)
    if both:
        damage(previous)
    run = train(corpus, folder)
    pd.testing.assert_frame_equal(run.predictions, whole.predictions)
    lines = [line for line in caplog.messages if "set aside" in line]
    assert len(lines) == 1 + both
    assert lines[0].startswith(f"{last}: no whole checkpoint: ")
    assert why in lines[0]
    assert lines[0].endswith(
        "; it is set aside as last.ckpt.damaged, and training goes on from the one before, or begins anew"
    )
    assert last.with_name("last.ckpt.damaged").exists()


def test_checkpoints_of_which_nobody_knows_whose_they_are_begin_anew(corpus, whole, folder, caplog):
    record = folder / "checkpoints" / "training.json"
    record.write_bytes(record.read_bytes()[:100])
    run = train(corpus, folder)
    pd.testing.assert_frame_equal(run.predictions, whole.predictions)
    assert any(
        f"{record}: not JSON" in line and line.endswith("they are set aside, and training begins anew")
        for line in caplog.messages
    )


def test_the_one_before_is_the_last_that_was_flushed(tmp_path):
    quick = WholeCheckpoints(wait=0)
    for epoch in range(4):  # the first is flushed, and the others follow too fast
        quick.save_checkpoint({"epoch": epoch}, tmp_path / "last.ckpt")
    assert [read_whole(tmp_path / name)["epoch"] for name in ("last.ckpt", "previous.ckpt")] == [3, 0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last.ckpt", "previous.ckpt"]


def test_what_a_kill_left_half_written_goes(tmp_path):
    (tmp_path / ".last.ckpt.17.partial").write_bytes(b"PK")
    assert newest_whole(tmp_path, {}) is None
    assert [*tmp_path.iterdir()] == []


def test_the_scratch_folder_of_a_training_that_was_killed_goes(corpus, tmp_path):
    with scratch(tmp_path / "checkpoints") as own:
        of_this_process = own
    ended = subprocess.Popen(["true"])
    ended.wait()
    left = of_this_process.with_name(of_this_process.name.replace(f"-{os.getpid()}.", f"-{ended.pid}."))
    left.mkdir()
    train(corpus, tmp_path)
    assert not left.exists()


@contextmanager
def disk(folder, size):
    """A disk of this size."""
    folder.mkdir()
    if os.name != "posix" or os.geteuid():
        pytest.skip("a disk is mounted by root alone")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=False)
    if mounted.returncode:
        pytest.skip("mounting is refused here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_keeps_the_checkpoint_that_is_there(tmp_path):
    last = tmp_path / "disk" / "last.ckpt"
    checkpoints = [
        {"epoch": k, "state_dict": {f"w{i}": torch.full((9000,), k) for i in range(8)}} for k in (0, 1)
    ]
    with disk(tmp_path / "disk", "900k"):
        WholeCheckpoints().save_checkpoint(checkpoints[0], last)
        with pytest.raises(OSError, match="No space left on device") as error:
            WholeCheckpoints().save_checkpoint(checkpoints[1], last)
        assert (error.value.errno, error.value.filename) == (errno.ENOSPC, str(last))
        assert [path.name for path in last.parent.iterdir()] == ["last.ckpt"]
        assert read_whole(last)["epoch"] == 0
        subprocess.run(["mount", "-o", "remount,size=2m", last.parent], check=True)
        WholeCheckpoints().save_checkpoint(checkpoints[1], last)
        assert read_whole(last)["epoch"] == 1


def test_the_thread_of_a_log_prints_no_traceback_of_a_full_disk(tmp_path, capsys):
    refused = pytest.raises(OSError, match=r"No space left on device: '.*disk'$")
    with disk(tmp_path / "disk", "16k"), refused, naming_disk(tmp_path / "disk"):
        (tmp_path / "disk" / "log").mkdir()
        with suppress(OSError), (tmp_path / "disk" / "rest").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        SummaryWriter(tmp_path / "disk" / "log").close()
    assert capsys.readouterr().err == ""


def test_what_is_compressed_or_no_dict_is_no_checkpoint(tmp_path):
    torch.save([1], tmp_path / "a.ckpt")
    with pytest.raises(DataError) as error:
        read_whole(tmp_path / "a.ckpt")
    assert str(error.value) == f"{tmp_path / 'a.ckpt'}: no whole checkpoint: it holds list, not a dict"
    with zipfile.ZipFile(tmp_path / "b.ckpt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", bytes(1000))
    with pytest.raises(DataError) as error:
        read_whole(tmp_path / "b.ckpt")
    assert str(error.value) == (
        f"{tmp_path / 'b.ckpt'}: no whole checkpoint: a/data.pkl is compressed, which torch never does"
    )


def test_a_folder_that_was_copied_goes_on_by_itself(corpus, whole, tmp_path):
    with pytest.raises(StoppedError):
        train(corpus, tmp_path / "a", stop=2)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    shutil.rmtree(tmp_path / "a")
    moved = train(corpus, tmp_path / "b")
    assert moved.best_epoch == whole.best_epoch
    pd.testing.assert_frame_equal(moved.predictions, whole.predictions)
