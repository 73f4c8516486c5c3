"""Batches of mixed lengths, where terms compare the samples of a batch; as ever where none does."""

from functools import partial

import numpy as np
import pytest
from lightning.pytorch.callbacks import Callback
from small import model_of

import affect
from affect.data import synthetic
from affect.errors import ConfigError
from affect.objectives.terms import Contrast, Imputation, Term
from affect.training import Stage, Training
from affect.training.devices import SharedBatches
from affect.training.loaders import loaders
from affect.training.terms import Terms

BIND = {"bind": partial(Contrast, width=8)}


@pytest.fixture(scope="module")
def corpus():
    return synthetic.interaction(samples={"train": 70, "valid": 37, "test": 12})


def ids(loader):
    return [batch.ids for batch in loader]


@pytest.mark.parametrize(
    ("rows", "sizes"),
    [
        (0, []), (3, [3]), (16, [16]), (23, [23]), (24, [16, 8]), (39, [16, 23]), (40, [16, 16, 8]),
        (48, [16, 16, 16]),
    ],
)  # fmt: skip
def test_a_small_last_batch_is_joined_to_the_one_before(corpus, rows, sizes):
    split = corpus["train"].take(np.arange(rows))
    loader = affect.batches(split, None, 16, seed=3, mixed=8)
    for epoch in (0, 1):
        loader.batch_sampler.sampler.set_epoch(epoch)
        found = ids(loader)
        assert [len(batch) for batch in found] == sizes
        assert len(loader) == len(sizes)
        assert sorted(sum(found, ())) == sorted(split.ids)
        order = np.random.default_rng((3, epoch)).permutation(rows)
        assert list(sum(found, ())) == [split.ids[row] for row in order]


def test_without_a_seed_mixed_batches_are_always_the_same_and_not_in_the_split_s_order(corpus):
    loader = affect.batches(corpus["valid"], None, 16, mixed=8)
    assert not hasattr(loader.batch_sampler, "sampler")  # by which Lightning tells the epoch
    assert ids(loader) == ids(loader)
    assert [len(batch) for batch in ids(loader)] == [16, 21]
    assert sum(ids(loader), ()) != corpus["valid"].ids


def test_lengths_are_mixed_or_in_order():
    message = "^batches: mixed: lengths are mixed, or in order; leave out mixed, or by_length$"
    with pytest.raises(ConfigError, match=message):
        affect.batches(affect.load("synthetic")["valid"], mixed=8, by_length=True)


def spread(split, found):
    """How far lengths differ within a batch."""
    lengths = np.stack([x.lengths for x in split.modalities.values()]).max(0)
    length = dict(zip(split.ids, lengths, strict=True))
    return np.mean([np.std([length[one] for one in batch]) for batch in found])


def test_samples_that_are_compared_are_of_mixed_lengths():
    corpus = affect.load("synthetic")
    options = (1.0, Training(batch_size=32), 0)
    plain, _ = loaders(corpus, "sentiment", Terms({}), *options)
    terms = Terms({"bind": Contrast(model_of(corpus), corpus["train"].ids)})
    mixed, _ = loaders(corpus, "sentiment", terms, *options)
    assert spread(corpus["train"], ids(plain)) < 0.3 * spread(corpus["train"], ids(mixed))


@pytest.mark.parametrize("terms", [{}, {"imputation": Imputation}])
@pytest.mark.parametrize("supervised", [0, 1.0])
def test_where_nothing_is_compared_batches_are_as_they_were(corpus, terms, supervised):
    made = Terms({name: term(model_of(corpus), corpus["train"].ids) for name, term in terms.items()})
    found = loaders(corpus, "sentiment", made, supervised, Training(batch_size=16), 5, evaluated=8)
    before = (
        affect.batches(corpus["train"], "sentiment", 16, 5),
        affect.batches(corpus["valid"], "sentiment", 8, by_length=True),
    )
    for one, other in zip(found, before, strict=True):
        assert ids(one) == ids(other)


@pytest.mark.parametrize("devices", [2, 3])
def test_each_device_has_enough_to_compare(corpus, devices):
    terms = Terms({"bind": Contrast(model_of(corpus), corpus["train"].ids)})
    found = loaders(corpus, "sentiment", terms, 0, Training(batch_size=9), 5, devices, evaluated=4)
    for loader, split in zip(found, ("train", "valid"), strict=True):
        sampler = loader.batch_sampler
        assert isinstance(sampler, SharedBatches)
        shares = [sampler.rows_of(rank) for rank in range(devices)]
        assert min(len(batch) for share in shares for batch in share) >= 8
        assert sorted(row for share in shares for batch in share for row in batch) == [
            *range(len(corpus[split]))
        ]


class Batches(Callback):
    """Keeps the ids of every batch, by stage and epoch."""

    def __init__(self):
        self.learned, self.asked, self.stage = {}, {}, -1

    def on_train_start(self, trainer, learner):
        self.stage += 1

    def on_train_batch_start(self, trainer, learner, batch, place):
        self.learned.setdefault((self.stage, trainer.current_epoch), []).append(batch.ids)

    def on_validation_batch_start(self, trainer, learner, batch, place, which=0):
        self.asked.setdefault((self.stage, trainer.current_epoch), []).append(batch.ids)


class Alone(Term):
    def forward(self, seen):
        return seen.mean(seen.output.fused.mean().square().mean(-1), seen.batch.target.present)


def test_stages_with_and_without_comparing_terms(corpus):
    stages = [
        Stage("bind", supervised=0, terms=BIND), Stage("alone", supervised=0, terms={"a": Alone}),
        Stage("labels"),
    ]  # fmt: skip
    kept = {}
    for seed in (1, 2):
        kept[seed] = Batches()
        affect.fit(
            model_of(corpus), corpus, seed, training=Training(epochs=2, batch_size=16), stages=stages,
            callbacks=[kept[seed]],
        )  # fmt: skip
    one, other = kept[1], kept[2]
    assert [len(batch) for batch in one.learned[0, 0]] == [16, 16, 16, 22]
    assert one.learned[0, 0] != one.learned[0, 1]
    fixed = ids(affect.batches(corpus["valid"], None, 16, mixed=8))
    for found in (one, other):
        assert found.asked[0, 0] == found.asked[0, 1] == fixed
    plain = affect.batches(corpus["train"], None, 16, 1)
    for stage in (1, 2):
        for epoch in (0, 1):
            plain.batch_sampler.sampler.set_epoch(epoch)
            assert one.learned[stage, epoch] == ids(plain)
        by_length = affect.batches(corpus["valid"], None, 32, by_length=True)
        assert one.asked[stage, 0] == ids(by_length)
