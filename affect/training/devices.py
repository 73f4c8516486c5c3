"""Training on several devices: each has its own rows of every batch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, distributed
from torch.utils.data import DataLoader, Sampler

from affect.errors import ConfigError
from affect.sequences import Batch


def count() -> int:
    """How many devices train together; one where none do."""
    return distributed.get_world_size() if _together() else 1


def rank() -> int:
    """Which of them this is, from 0."""
    return distributed.get_rank() if _together() else 0


def share_of_total(labels: Tensor) -> Tensor:
    """What a device divides its sum over labels by, so that the mean of the devices is that over all labels.

    Args:
        labels: how many this device has.
    Example:
        >>> share_of_total(torch.tensor(3))
        tensor(3)
    """
    if count() == 1:
        return labels.clamp(min=1)
    total = labels.clone()
    distributed.all_reduce(total)
    return total.clamp(min=1) / count()


def average(tensors: list[Tensor]) -> None:
    """Give tensors of every device the mean of all of them, in place.

    Example:
        >>> average([torch.ones(2)])
    """
    if count() > 1:
        for tensor in tensors:
            distributed.all_reduce(tensor)
            tensor.div_(count())


def gathered(parts: list[Tensor]) -> list[Tensor]:
    """The rows of every device, one after the other, on each of them.

    Args:
        parts: tensors of this device, on the processor.
    Example:
        >>> gathered([torch.ones(2)])
        [tensor([1., 1.])]
    """
    if count() == 1:
        return parts
    found: list[Any] = [None] * count()
    distributed.all_gather_object(found, [part.numpy() for part in parts])
    return [torch.cat([torch.from_numpy(own[at]) for own in found]) for at in range(len(parts))]


class SharedBatches(Sampler[list[int]]):
    """The rows of one device in batches that several cut up among them.

    No row is in two of them, and each has as many batches. A last batch that has fewer rows than there are
    devices is joined to another.

    Args:
        whole: the batches of all devices.
        devices: how many there are.
    Example:
        >>> shared = SharedBatches([[0, 1, 2, 3], [4]], devices=2)
        >>> [shared.rows_of(rank) for rank in (0, 1)]
        [[[0, 2, 4]], [[1, 3]]]
    """

    def __init__(self, whole: Iterable[list[int]], devices: int) -> None:
        self.whole, self.devices = whole, devices

    @property
    def sampler(self) -> Any:
        """What orders the rows: Lightning tells it the epoch."""
        return getattr(self.whole, "sampler", None)

    def rows_of(self, rank: int) -> list[list[int]]:
        """The batches of one device, in this epoch."""
        batches = [list(batch) for batch in self.whole]
        kept = [batch for batch in batches if len(batch) >= self.devices]
        for batch in batches:
            if len(batch) < self.devices:
                if not kept:
                    raise ConfigError(
                        f"training: {len(batch)} samples are too few for {self.devices} devices; "
                        "give fewer devices"
                    )
                kept[0] = kept[0] + batch
        return [batch[rank :: self.devices] for batch in kept]

    def __len__(self) -> int:
        return len(self.rows_of(0))

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.rows_of(rank()))


def shared(loader: DataLoader[Batch], devices: int) -> DataLoader[Batch]:
    """The same batches for several devices; `loader` itself for one.

    Args:
        loader: its batches are those of all devices together.
        devices: how many there are.
    Example:
        >>> loader = affect.batches(affect.load("synthetic")["valid"])
        >>> shared(loader, 1) is loader
        True
    """
    if devices == 1:
        return loader
    sampler: Any = SharedBatches(loader.batch_sampler or (), devices)
    return DataLoader(
        loader.dataset, batch_sampler=sampler, collate_fn=loader.collate_fn, generator=torch.Generator()
    )


class HistoryFile(Callback):
    """Brings the history back from the processes of the devices, which the first of them writes.

    Args:
        path: of the file.
    Example:
        >>> HistoryFile("history.json").path.name
        'history.json'
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def on_fit_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write it."""
        if count() > 1 and rank() == 0:
            learner: Any = pl_module
            self.path.write_text(json.dumps([learner.history, learner.seconds]), encoding="utf-8")

    def read_into(self, learner: Any) -> None:
        """Give it to the learner of this process, where there is one to give."""
        if self.path.exists():
            learner.history, learner.seconds = json.loads(self.path.read_text(encoding="utf-8"))


def _together() -> bool:
    return distributed.is_available() and distributed.is_initialized()
