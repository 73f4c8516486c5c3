"""Contrast with a queue: loops in float64 that say the same, and a training that is killed and resumed."""

import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from stopped import StopAt, StopError

import affect
from affect.data import synthetic
from affect.data.targets import Regression
from affect.errors import ConfigError
from affect.objectives.terms import Contrast, MomentumContrast
from affect.testing.terms import TermPart, check_term
from affect.training import Stage, Training

PART = TermPart(MomentumContrast, ("a", "b", "c"), Regression("t"), affect.fusion.ConcatenationFusion)
IDS = ("x",) * 12


def seen_of(model, seed, first, groups=3):
    """A batch of 12 samples from `first` on; the last two have nothing."""
    batch = PART.batch(seed)
    there = (torch.arange(12) < 10).unsqueeze(1)
    inputs = {m: x.keep(there) for m, x in batch.inputs.items()}
    places = torch.arange(first, first + 12)
    named = replace(batch, inputs=inputs, ids=tuple(f"s{n}" for n in places), groups=places // groups)
    return PART.seen(model, named)


def lies(project, vector):
    said = project(vector).tolist()
    length = math.sqrt(sum(v * v for v in said))
    return [v / length for v in said]


class Loop:
    """The term, from its docstring: places of a queue, and projections that follow slowly."""

    def __init__(self, term):
        self.term, self.places, self.next = term, [None] * term.queue, 0

    def keys(self, seen, row):
        return {
            m: lies(self.term.slow[m], seen.vectors[m][row]) for m, x in seen.present.items() if x[row].item()
        }

    def observe(self, seen):
        for row, name in enumerate(seen.batch.ids):
            keys = self.keys(seen, row)
            if len(keys) < 2 or not self.places:
                continue
            self.places = [None if old is not None and old[0] == name else old for old in self.places]
            self.places[self.next] = (name, seen.batch.groups[row].item(), keys)
            self.next = (self.next + 1) % len(self.places)

    def value(self, seen, anchor, apart, published):
        with_keys = [self.keys(seen, row) for row in range(12)]
        in_batch = {name for name, keys in zip(seen.batch.ids, with_keys, strict=True) if len(keys) > 1}
        groups = seen.batch.groups.tolist()
        fresh = [(None, group, keys) for group, keys in zip(groups, with_keys, strict=True)]
        old = [one for one in self.places if one is not None and one[0] not in in_batch]
        found = []
        for a, b in (("a", "b"), ("a", "c"), ("b", "c")):
            if anchor not in (None, a, b):
                continue
            for x, y in ((a, b), (b, a)):
                losses = []
                for i in range(12):
                    if not {a, b} <= with_keys[i].keys():
                        continue
                    query = lies(self.term.project[x], seen.vectors[x][i])
                    scores = []
                    for j, (_, group, keys) in enumerate(fresh + old):
                        own = j == i
                        if {a, b} <= keys.keys() and (own or apart == "sample" or group != groups[i]):
                            cosine = sum(u * v for u, v in zip(query, keys[y], strict=True))
                            scores.append((cosine / 0.07, own))
                    if len(scores) == 1 and not published:
                        continue
                    total = sum(math.exp(score) for score, _ in scores)
                    (own,) = [score for score, own in scores if own]
                    loss = -math.log(math.exp(own) / total)
                    losses.append(loss if published else loss / math.log(len(scores)))
                found.append(sum(losses) / len(losses))
        return sum(found) / len(found)


@pytest.mark.parametrize(
    ("queue", "anchor", "apart", "published"),
    [
        (0, None, "sample", False), (5, "b", "sample", False), (15, None, "group", False),
        (15, None, "sample", True), (40, "c", "group", False),
    ],
)  # fmt: skip
def test_keys_of_earlier_batches_are_chosen_from_too(queue, anchor, apart, published):
    model, _ = PART.made()
    torch.manual_seed(1)
    term = MomentumContrast(
        model, IDS, width=4, anchor=anchor, apart=apart, published=published, queue=queue, momentum=0.25
    ).double()
    loop = Loop(term)
    with torch.no_grad():
        # the second batch has two samples of the first, the last one half of the third
        for seed, first in enumerate((0, 8, 30, 36)):
            seen = seen_of(model, seed, first)
            expected = loop.value(seen, anchor, apart, published)
            assert term(seen).item() == pytest.approx(expected, rel=1e-6)
            for p in term.project.parameters():  # as a step of the optimiser
                p.add_(0.3 * torch.randn_like(p))
            loop.observe(seen)
            slow = [0.75 * s + 0.25 * p for s, p in zip(
                term.slow.parameters(), term.project.parameters(), strict=True)]  # fmt: skip
            term.observe(seen)
            for one, other in zip(slow, term.slow.parameters(), strict=True):
                assert torch.allclose(one, other, rtol=1e-12)
    kept = {one[0] for one in loop.places if one is not None}
    assert not kept & {"s46", "s47"}  # which have nothing
    assert int(term.used.sum()) == len(kept) == sum(one is not None for one in loop.places)


def test_without_queue_and_average_it_says_what_contrast_says_and_keys_have_no_gradient():
    model, _ = PART.made()
    seen = seen_of(model, 0, 0)
    plain = Contrast(model, IDS).double()
    term = MomentumContrast(model, IDS, queue=0, momentum=1.0).double()
    term.load_state_dict({**term.state_dict(), **plain.state_dict()})
    with torch.no_grad():
        term.observe(seen)  # the average is the projections then
    assert term(seen).item() == pytest.approx(plain(seen).item(), rel=1e-12)
    term(seen).backward(retain_graph=True)
    assert all(p.grad is None for p in term.slow.parameters())
    plain(seen).backward()
    both = zip(term.project.parameters(), plain.project.parameters(), strict=True)
    assert not all(torch.allclose(one.grad, other.grad) for one, other in both)


def test_keys_of_vectors_in_bfloat16_are_kept_as_numbers_of_the_term():
    model, _ = PART.made()
    seen = seen_of(model, 0, 0)
    encoded = {m: x.with_values(x.values.bfloat16()) for m, x in seen.output.encoded.items()}
    term = MomentumContrast(model, IDS, queue=20)
    with torch.no_grad():
        term.observe(replace(seen, output=replace(seen.output, encoded=encoded)))
    assert term.keys.dtype == torch.float32
    assert term.used.any()


def test_it_keeps_the_laws_without_a_queue():
    check_term(partial(MomentumContrast, queue=0, width=4), modalities=(2,))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"queue": -1}, "MomentumContrast: queue must be at least 0, got -1"),
        ({"momentum": 0.0}, "MomentumContrast: momentum must be above 0 and at most 1, got 0.0"),
    ],
)
def test_numbers_out_of_range_are_one_line(given, message):
    with pytest.raises(ConfigError, match=f"^{message}$"):
        MomentumContrast(PART.made()[0], IDS, **given)


def test_a_kill_changes_nothing_and_the_epoch_without_labels_is_chosen_by_it(tmp_path):
    corpus = synthetic.interaction(samples={"train": 70, "valid": 37, "test": 12})
    terms = {"bind": partial(MomentumContrast, width=8, queue=24)}

    def model():
        return affect.FusionModel.for_corpus(corpus, seed=0, width=8)

    options = {
        "training": Training(epochs=2, learning_rate=0.01),
        "stages": [Stage("pairs", supervised=0, terms=terms), Stage("labels", terms=terms)],
    }
    whole = affect.fit(model(), corpus, **options)
    with pytest.raises(StopError):
        affect.fit(model(), corpus, **options, folder=tmp_path, callbacks=[StopAt(1, stage=1)])
    resumed = affect.fit(model(), corpus, **options, folder=tmp_path)
    times = ["seconds", "epoch_seconds"]
    assert resumed.history.drop(columns=times).equals(whole.history.drop(columns=times))
    states = whole.terms.state_dict(), resumed.terms.state_dict()
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert whole.terms["bind"].used.all()
    bind = whole.terms["bind"]
    assert not torch.equal(bind.slow["text"][0].weight, bind.project["text"][0].weight)
    assert whole.history["loss"][:2].notna().all()
