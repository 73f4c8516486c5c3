"""Split -> batches: of like or of mixed length, trimmed to the longest of each batch."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from affect import renamed
from affect.bounds import COUNT, NATURAL, SEED
from affect.data.checks import check_split
from affect.data.corpus import Split
from affect.data.ragged import Rows
from affect.errors import ConfigError, did_you_mean, listed
from affect.sequences import Batch, Sequence


class _Samples(Dataset[Batch]):
    """Whole batches of a split, gathered at once."""

    def __init__(self, split: Split, target: str | None, beside: tuple[str, ...]) -> None:
        self.split, self.target, self.beside = split, target, beside
        groups = split.groups
        self.groups = None if groups is None else torch.from_numpy(np.unique(groups, return_inverse=True)[1])

    def __len__(self) -> int:
        return len(self.split)

    def __getitems__(self, rows: list[int]) -> Batch:
        index = np.asarray(rows)
        shared = self.split.modalities.values() if self.split.aligned else ()
        time = max((int(x.lengths[index].max()) for x in shared), default=1)
        if self.target is None:
            target = Sequence.vector(torch.zeros(len(index), 1), torch.zeros(len(index), dtype=torch.bool))
        else:
            target = self.split.targets[self.target].pad(index)
        return Batch(
            inputs={name: x.pad(index, time) for name, x in self.split.modalities.items()},
            target=target,
            ids=tuple(self.split.ids[row] for row in rows),
            rows=torch.from_numpy(index),
            targets={name: self.split.targets[name].pad(index) for name in self.beside},
            groups=None if self.groups is None else self.groups[index],
        )


class Shuffle(Sampler[int]):
    """Rows in an order drawn from `seed` and the epoch, so that a resumed run meets the same order."""

    def __init__(self, rows: int, seed: int) -> None:
        self.rows, self.seed, self.epoch = rows, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch's order; Lightning calls this."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.rows

    def __iter__(self) -> Iterator[int]:
        yield from np.random.default_rng((self.seed, self.epoch)).permutation(self.rows).tolist()


class Buckets(Sampler[list[int]]):
    """Batches of rows of like length: shuffled pools of batches are sorted, cut, and shuffled again."""

    def __init__(self, lengths: Rows, batch_size: int, sampler: Shuffle, pool: int = 64) -> None:
        self.lengths, self.batch_size, self.sampler, self.pool = lengths, batch_size, sampler, pool

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        order = np.fromiter(self.sampler, dtype=np.int64, count=len(self.sampler))
        span = self.batch_size * self.pool
        batches = []
        for begin in range(0, len(order), span):
            pool = order[begin : begin + span]
            pool = pool[np.argsort(self.lengths[pool], kind="stable")]
            batches += [pool[at : at + self.batch_size] for at in range(0, len(pool), self.batch_size)]
        rng = np.random.default_rng((self.sampler.seed, self.sampler.epoch, 1))
        yield from (batches[at].tolist() for at in rng.permutation(len(batches)))


class Mixed(Sampler[list[int]]):
    """Batches of rows as they are shuffled, whatever their lengths; none has fewer than `least`.

    A last batch that would have fewer is joined to the one before, so that no row is lost.
    """

    def __init__(self, batch_size: int, sampler: Shuffle, least: int) -> None:
        self.batch_size, self.sampler, self.least = batch_size, sampler, least

    def __len__(self) -> int:
        whole, left = divmod(len(self.sampler), self.batch_size)
        return whole + (left >= self.least or (not whole and left > 0))

    def __iter__(self) -> Iterator[list[int]]:
        order, last = list(self.sampler), len(self) - 1
        for place in range(last + 1):
            begin = place * self.batch_size
            yield order[begin:] if place == last else order[begin : begin + self.batch_size]


class _Both(Dataset[Batch]):
    """Batches of two splits, each with one of the other's beside."""

    def __init__(self, own: Any, other: Any) -> None:
        self.own, self.other = own, other

    def __len__(self) -> int:
        return len(self.own)

    def __getitems__(self, rows: tuple[list[int], list[int]]) -> Batch:
        own: Batch = self.own.__getitems__(rows[0])
        return replace(own, auxiliary=self.other.__getitems__(rows[1]))


class _Orders:
    """Two orders whose epoch is chosen together."""

    def __init__(self, *orders: Any) -> None:
        self.orders = orders

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch's orders; Lightning calls this."""
        for order in self.orders:
            order.set_epoch(epoch)


class Paired(Sampler[tuple[list[int], list[int]]]):
    """Rows of each batch, and of one of another split, which begins anew where it ends before."""

    def __init__(self, own: Any, other: Any) -> None:
        self.own, self.other = own, other
        self.sampler = _Orders(own.sampler, other.sampler)

    def __len__(self) -> int:
        return len(self.own)

    def __iter__(self) -> Iterator[tuple[list[int], list[int]]]:
        yield from zip(self.own, itertools.cycle(self.other), strict=False)


def beside(loader: DataLoader[Batch], other: DataLoader[Batch]) -> DataLoader[Batch]:
    """The batches of a loader, each with one of another in `auxiliary`; as many as the first has.

    Args:
        loader: of a split, shuffled.
        other: of another split, shuffled too.
    Example:
        >>> one, other = (batches(affect.load("synthetic")[name], seed=0) for name in ("train", "valid"))
        >>> [len(batch.auxiliary) for batch in beside(one, other)][:3]
        [32, 32, 32]
    """
    paired: Any = Paired(loader.batch_sampler, other.batch_sampler)
    both = _Both(loader.dataset, other.dataset)
    return DataLoader(both, batch_sampler=paired, collate_fn=_as_it_is, generator=torch.Generator())


@renamed.arguments(aligned="")
def batches(
    split: Split,
    target: str | None = None,
    batch_size: int = 32,
    seed: int | None = None,
    by_length: bool = False,
    beside: Iterable[str] = (),
    mixed: int = 0,
) -> DataLoader[Batch]:
    """The samples of `split` in batches; where it is aligned, all modalities of a batch are as long.

    Args:
        split: where the samples come from; nothing but the rows of a batch is copied out of it.
        target: the target that the batches carry; none leaves it unobserved.
        batch_size: samples per batch; the last one may be smaller.
        seed: shuffle, with a new order each epoch; None keeps the split's order.
        by_length: without a seed, begin with the longest samples: little is padded, and memory grows no more.
        beside: other targets that the batches carry in `targets`.
        mixed: 0 puts samples of like length together. Any other number is how many samples each batch has at
            least, of any lengths: samples that are compared are told apart by more than their length. A last
            batch of fewer is joined to the one before. Without a seed, these batches are always the same.
    Raises:
        ConfigError: it is no split, it has no such target, the batch size is not positive, or `mixed` is
            below 0 or given with `by_length`.
    Example:
        >>> split = affect.load("synthetic")["valid"]
        >>> sum(len(batch) for batch in batches(split, "sentiment", seed=0)) == len(split)
        True
    """
    COUNT.check("batches: batch_size", batch_size)
    if seed is not None:
        SEED.check("batches: seed", seed)
    NATURAL.check("batches: mixed", mixed)
    if mixed and by_length:
        raise ConfigError("batches: mixed: lengths are mixed, or in order; leave out mixed, or by_length")
    check_split("batches", split)
    others = tuple(listed("batches: beside", beside))
    for name in (*([] if target is None else [target]), *others):
        if name not in split.targets:
            raise ConfigError(f"batches: no target '{name}'; {did_you_mean(name, split.targets)}")
    samples = _Samples(split, target, others)
    order: Sampler[list[int]] | list[list[int]]
    if mixed:
        order = Mixed(batch_size, Shuffle(len(split), seed or 0), mixed)
        if seed is None:
            order = list(order)  # which has no epochs
    elif seed is None:
        rows = np.argsort(-_lengths(split), kind="stable") if by_length else np.arange(len(split))
        order = [rows[at : at + batch_size].tolist() for at in range(0, len(split), batch_size)]
    else:
        order = Buckets(_lengths(split), batch_size, Shuffle(len(split), seed))
    return DataLoader(samples, batch_sampler=order, collate_fn=_as_it_is, generator=torch.Generator())


def _lengths(split: Split) -> Rows:
    """Steps of each sample's longest modality."""
    lengths: Rows = np.stack([x.lengths for x in split.modalities.values()]).max(0)
    return lengths


def _as_it_is(batch: Any) -> Any:
    return batch
