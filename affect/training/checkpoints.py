"""Checkpoints that are whole or not there, the last one and the one before it."""

from __future__ import annotations

import logging
import os
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor

from affect.errors import DataError, few
from affect.files import of_disk, writing

logger = logging.getLogger(__name__)

LAST, BEFORE = "last.ckpt", "previous.ckpt"
"""The newest checkpoint of a training, of the best epoch so far, and the one that it has followed."""

DAMAGED = ".damaged"
"""What is added to the name of a file that is no use any more."""

_KEYS = {
    "epoch",
    "global_step",
    "loops",
    "callbacks",
    "optimizer_states",
    "lr_schedulers",
    "history",
    "seconds",
}
"""What a training goes on from, beside the weights."""


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint beside its place, flushes and renames it, and keeps the one before it.

    Flushing takes a fiftieth of the time at most: where epochs follow fast, one of several checkpoints is
    flushed, and the one before is the last of these.

    Lightning's own collects the file in the system's folder for temporary files, and copies it where that is
    another disk: what is killed or finds no room leaves a part of it.

    Args:
        kept: whether the checkpoint is for a later process; one that is not is never flushed.
        wait: seconds before the first one is flushed.
    Example:
        >>> folder = getfixture("tmp_path")
        >>> for epoch in (0, 1):
        ...     WholeCheckpoints(wait=0).save_checkpoint({"epoch": epoch}, folder / "last.ckpt")
        >>> [read_whole(folder / name)["epoch"] for name in ("last.ckpt", "previous.ckpt")]
        [1, 0]
    """

    def __init__(self, kept: bool = True, wait: float = 0.5) -> None:
        self.kept, self._due, self._flushed = kept, time.monotonic() + wait, True

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write it.

        Raises:
            OSError: there is no room, or the disk is gone; what was there before stays.
        """
        path = Path(path)
        begin = time.monotonic()
        flush = self.kept and begin >= self._due
        with writing(path, flush) as partial:
            _write(checkpoint, partial, path)
            if self.kept and self._flushed and path.exists():
                _keep(path)
        self._flushed = flush
        if flush:
            self._due = time.monotonic() + 50 * (time.monotonic() - begin)


class BestCheckpoint(ModelCheckpoint):
    """Keeps the best epoch's checkpoint as `LAST`, also where its folder was moved or copied meanwhile.

    Lightning's own forgets in another folder how good the best epoch was, and names the one in the old.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what another process knew."""
        here = str(Path(str(self.dirpath)) / LAST)
        known = dict(zip([here], state_dict["best_k_models"].values(), strict=False))
        places = {"dirpath": self.dirpath, "best_model_path": here, "kth_best_model_path": here}
        super().load_state_dict({**state_dict, **places, "best_k_models": known})


def read_whole(path: Path) -> dict[str, Any]:
    """A checkpoint, of which every byte is what was written; nothing that it holds is executed.

    Args:
        path: of the file.
    Raises:
        DataError: it was cut, or changed, or is no checkpoint.
    Example:
        >>> file = getfixture("tmp_path") / "last.ckpt"
        >>> torch.save({"epoch": 3}, file)
        >>> read_whole(file)
        {'epoch': 3}
        >>> _ = file.write_bytes(file.read_bytes()[:-30])
        >>> read_whole(file)
        Traceback (most recent call last):
        affect.errors.DataError: .../last.ckpt: no whole checkpoint: File is not a zip file
    """
    try:
        with zipfile.ZipFile(path) as archive:  # torch does not compare the checksums that it writes
            for part in archive.infolist():
                if part.compress_type != zipfile.ZIP_STORED:
                    raise zipfile.BadZipFile(f"{part.filename} is compressed, which torch never does")
            if (changed := archive.testzip()) is not None:
                raise zipfile.BadZipFile(f"{changed} is not what was written")
        found = torch.load(path, weights_only=True, map_location="cpu")
    except MemoryError:
        raise
    except Exception as error:  # of a file that may hold anything
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{path}: no whole checkpoint: {said}") from None
    if not isinstance(found, dict):
        raise DataError(f"{path}: no whole checkpoint: it holds {type(found).__name__}, not a dict")
    return found


def newest_whole(folder: Path, weights: Mapping[str, Tensor], stage: str = "") -> Path | None:
    """The newest checkpoint that a training can go on from, as the last one; None: it begins anew.

    A log line says after which epoch it goes on. A checkpoint that is damaged is set aside, and a log line
    says so. What a kill left half written is deleted.

    Args:
        folder: of the checkpoints.
        weights: of the learner that goes on, as its `state_dict` has them.
        stage: the name of the training's stage that they are of; empty where there is one alone.
    """
    for rest in folder.glob(".*.partial"):
        rest.unlink(missing_ok=True)
    for name in (LAST, BEFORE):
        path = folder / name
        if not path.exists():
            continue
        try:
            epoch = _check_resumable(path, weights)
        except DataError as error:
            aside = set_aside(path)
            logger.warning(
                "%s; it is set aside as %s, and training goes on from the one before, or begins anew",
                error, aside.name,
            )  # fmt: skip
        else:
            logger.warning(
                "fit: %s: %s goes on after epoch %d, the best so far",
                folder.parent, f"the stage '{stage}'" if stage else "the training", epoch,
            )  # fmt: skip
            return path.replace(folder / LAST)
    return None


@contextmanager
def naming_disk(folder: Path) -> Iterator[None]:
    """Within the block, what a disk refuses to those who do not say where, Lightning's logs, names a folder.

    A thread that writes a log prints no traceback of it: its error is raised again where it is waited for.

    Args:
        folder: that is written to.
    Example:
        >>> with naming_disk(Path("runs")):
        ...     raise OSError(28, "No space left on device")
        Traceback (most recent call last):
        OSError: [Errno 28] No space left on device: 'runs'
    """
    printing = threading.excepthook
    threading.excepthook = lambda args: None if of_disk(args.exc_value) else printing(args)
    try:
        yield
    except OSError as error:
        if error.filename is None and (number := of_disk(error)):
            raise OSError(number, os.strerror(number), str(folder)) from error
        raise
    finally:
        threading.excepthook = printing


def set_aside(path: Path) -> Path:
    """Rename what is damaged; nothing reads it any more.

    Example:
        >>> file = getfixture("tmp_path") / "last.ckpt"
        >>> file.touch()
        >>> set_aside(file).name
        'last.ckpt.damaged'
    """
    return path.replace(path.with_name(path.name + DAMAGED))


def _check_resumable(path: Path, weights: Mapping[str, Tensor]) -> int:
    """The epoch that a checkpoint is of."""
    found = read_whole(path)
    if gone := sorted(_KEYS - found.keys()):
        raise DataError(f"{path}: no whole checkpoint: it has no {few(gone)}")
    state = found.get("state_dict")
    shapes = {key: getattr(x, "shape", None) for key, x in state.items()} if isinstance(state, dict) else {}
    if not shapes or any(key not in weights or weights[key].shape != x for key, x in shapes.items()):
        raise DataError(f"{path}: no whole checkpoint: its weights are of another model")
    return int(found["epoch"])


def _keep(path: Path) -> None:
    """Give a checkpoint that is to be replaced the name of the one before."""
    link, before = path.with_name(f".{BEFORE}.{os.getpid()}.partial"), path.with_name(BEFORE)
    try:
        link.unlink(missing_ok=True)
        os.link(path, link)
        link.replace(before)
    except OSError:  # a file has one name there: killed before the new one is in its place, it is this one
        path.replace(before)
    link.unlink(missing_ok=True)  # where both names were of one file already


def _write(checkpoint: dict[str, Any], at: Path, path: Path) -> None:
    """Write a checkpoint to `at`; errors name `path`, and say what the system did, which torch does not."""
    seen: list[OSError] = []
    try:
        with at.open("wb") as file:
            torch.save(checkpoint, cast(IO[bytes], _Noting(file, seen)))
    except (OSError, RuntimeError) as error:
        if isinstance(error, OSError):
            seen.append(error)
        if not seen:
            raise
        raise OSError(seen[0].errno, seen[0].strerror, str(path)) from None


class _Noting:
    """A file to write to, that notes which error of the system ended it."""

    def __init__(self, file: IO[bytes], seen: list[OSError]) -> None:
        self.file, self.seen, self.flush = file, seen, file.flush

    def write(self, data: Any) -> int:
        try:
            return self.file.write(data)
        except OSError as error:
            self.seen.append(error)
            raise
