"""Training on several devices: each has its own rows of every batch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

import torch
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


def is_launched() -> bool:
    """Whether a launcher has started this process beside others, one for each device: torchrun, or srun.

    A job of SLURM that is one process is not launched so.

    Example:
        >>> is_launched()
        False
    """
    by_slurm = "SLURM_PROCID" in os.environ and os.environ.get("SLURM_NTASKS", "1") != "1"
    return "LOCAL_RANK" in os.environ or by_slurm


def check_alone(devices: Any) -> None:
    """Refuse to make a run's folder where a launcher has started the same command for every device.

    Args:
        devices: what the training asks for.
    Raises:
        ConfigError: torchrun has, or srun for a training on several devices.
    Example:
        >>> check_alone(2)
    """
    if "LOCAL_RANK" in os.environ or (is_launched() and devices != 1):
        raise ConfigError(
            "training: torchrun or srun has started this command once for every device, and they would wait "
            "for one another at the run's folder; start it once, with devices: N, or call affect.fit in a "
            "script"
        )


def _together() -> bool:
    return distributed.is_available() and distributed.is_initialized()
