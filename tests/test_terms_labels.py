"""Terms of labels for single modalities: loops that say the same, and trainings with several targets."""

import itertools
import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from stopped import StopAt, StopError

import affect
from affect.classes import beside
from affect.data.targets import Binary, MultiClass, Regression
from affect.errors import ConfigError
from affect.objectives.terms import GeneratedLabels, ModalityTargets, Term
from affect.runs.configuration import parse
from affect.testing.terms import TermPart, check_term
from affect.training import Training

IDS = tuple(f"s{row}" for row in range(12))
TARGET = Regression("t", low=-1.5, high=1.5)
TRUTH = torch.linspace(-1.5, 1.5, 12, dtype=torch.float64)[
    torch.tensor([3, 9, 0, 6, 11, 1, 8, 4, 10, 2, 7, 5])
].view(12, 1, 1)
LEARNING = Training(epochs=3, learning_rate=0.01)


# loops that say the same


class Loops:
    """Self-MM of plain numbers, sample by sample."""

    def __init__(self, modalities, low, high):
        self.modalities, self.low, self.high = modalities, low, high
        self.labels, self.vectors = {}, {}  # by modality or "fused", and row

    def centre(self, kind, sign):
        rows = [
            vector for (own, row), vector in self.vectors.items()
            if own == kind and (own, row) in self.labels and sign * self.labels[own, row] > 0
        ]  # fmt: skip
        return [sum(column) / len(rows) for column in zip(*rows, strict=True)] if rows else None

    def centres(self):
        return {
            (kind, sign): self.centre(kind, sign) for kind in (*self.modalities, "fused") for sign in (1, -1)
        }

    def relative(self, centres, kind, vector):
        ends = centres[kind, 1], centres[kind, -1]
        if None in ends:
            return None
        positive, negative = (math.dist(vector, centre) for centre in ends)
        return (negative - positive) / (positive + 1e-8)

    def step(self, rows, truth, vectors, epoch):
        """`vectors` by kind and place of the sample in the batch; what is not there is no key."""
        centres = self.centres()
        for place, row in enumerate(rows):
            if truth[place] is None:
                continue
            for kind in (*self.modalities, "fused"):
                self.labels.setdefault((kind, row), truth[place])
            if epoch == 1 or ("fused", place) not in vectors:
                continue
            fused = self.relative(centres, "fused", vectors["fused", place])
            for m in self.modalities:
                own = self.relative(centres, m, vectors[m, place]) if (m, place) in vectors else None
                if own is None or fused is None:
                    continue
                divisor = math.copysign(max(abs(fused), 1e-3), fused)
                y = truth[place]
                new = 0.5 * own / divisor * y + 0.5 * (y + own - fused)
                new = min(max(new, self.low), self.high)
                before = self.labels[m, row]
                self.labels[m, row] = (epoch - 1) / (epoch + 1) * before + 2 / (epoch + 1) * new
        for (kind, place), vector in vectors.items():
            self.vectors[kind, rows[place]] = vector


def vectors_of(term, seen):
    """What the loops are given, as lists of numbers."""
    found = {}
    for m, there in seen.present.items():
        hidden = term.hidden[m](seen.vectors[m]).detach()
        found |= {(m, i): hidden[i].tolist() for i in range(len(there)) if there[i]}
    fused, there = seen.output.fused.mean().detach(), {i for _, i in found}
    return found | {("fused", i): fused[i].tolist() for i in there}


def epochs_of(part, model, epochs):
    """Batches of the same samples and labels, in another order with other gaps in each epoch."""
    target = part.batch().target
    for epoch in range(epochs):
        drawn = torch.Generator().manual_seed(100 + epoch)
        batch = replace(part.batch(seed=epoch), target=target)
        gone = {m: torch.rand(12, 1, generator=drawn) < 0.2 for m in part.modalities}
        inputs = {m: x.keep(~gone[m]) for m, x in batch.inputs.items()}
        for rows in torch.randperm(12, generator=drawn).split(5):
            own = replace(
                batch, inputs={m: x.take(rows) for m, x in inputs.items()}, target=target.take(rows),
                ids=tuple(IDS[row] for row in rows), rows=rows, targets={}, groups=None,
            )  # fmt: skip
            yield replace(part.seen(model, own), epoch=epoch)


@pytest.mark.parametrize("target", [TARGET, Regression("t", low=-40.0, high=40.0)], ids=["near", "far"])
def test_generated_labels_are_those_of_loops_over_three_epochs(target):
    part = TermPart(GeneratedLabels, ("a", "b", "c"), target, affect.fusion.SharedPrivateFusion)
    model, term = part.made()
    loops, weights = Loops(part.modalities, target.low, target.high), []
    for seen in epochs_of(part, model, 3):
        rows, labelled = seen.batch.rows.tolist(), seen.batch.target.present.tolist()
        truth = [
            y if there else None
            for y, there in zip(seen.batch.target.values[:, 0, 0].tolist(), labelled, strict=True)
        ]
        vectors = vectors_of(term, seen)
        means = []
        for m in part.modalities:
            losses = []
            for i, row in enumerate(rows):
                if truth[i] is None or (m, i) not in vectors:
                    continue
                label = loops.labels.get((m, row), truth[i])
                guess = term.heads[m](torch.tensor(vectors[m, i], dtype=torch.float64)).item()
                weights.append(math.tanh(abs(label - truth[i])))
                losses.append(weights[-1] * abs(guess - label))
            means.append(sum(losses) / max(1, len(losses)))
        assert term(seen).item() == pytest.approx(sum(means) / 3, rel=1e-9, abs=1e-12)
        term.published = True
        assert term(seen).item() == pytest.approx(sum(means), rel=1e-9, abs=1e-12)
        term.published = False
        with torch.no_grad():
            term.observe(seen)
        loops.step(rows, truth, vectors, seen.epoch + 1)
        generated = term.generated
        for m, row in itertools.product(part.modalities, range(12)):
            expected = loops.labels.get((m, row), math.nan)
            assert generated[m][row].item() == pytest.approx(expected, rel=1e-9, nan_ok=True)
        assert all(x.isfinite().all() for x in term.state_dict().values())
    assert max(weights) > 0.5
    assert generated["a"].isnan().tolist() == [False] * 11 + [True]  # the last has no label


@torch.no_grad()
def test_a_scale_with_another_middle_generates_the_same_labels():
    made = []
    for middle in (0.0, 3.0):
        target = Regression("t", low=middle - 1.5, high=middle + 1.5)
        own = partial(GeneratedLabels, middle=middle)
        part = TermPart(own, ("a", "b"), target, affect.fusion.SharedPrivateFusion)
        model, term = part.made()
        for seen in epochs_of(part, model, 3):
            batch = replace(seen.batch, target=seen.batch.target.with_values(TRUTH[seen.batch.rows] + middle))
            term.observe(replace(seen, batch=batch))
        made.append({m: labels - middle for m, labels in term.generated.items()})
    for m, labels in made[0].items():
        assert labels.allclose(made[1][m], equal_nan=True)
        assert (labels - TRUTH[:, 0, 0])[:-1].abs().max() > 0.1


@torch.no_grad()
def test_labels_stay_the_truth_in_the_first_epoch_and_where_a_side_is_empty():
    part = TermPart(GeneratedLabels, ("a", "b"), TARGET, affect.fusion.SharedPrivateFusion)
    model, term = part.made()
    batch = part.batch()
    positive = replace(batch, target=batch.target.with_values(batch.target.values.abs()))
    for epoch, own in ((0, batch), (0, batch)):
        seen = replace(part.seen(model, own), epoch=epoch)
        term.observe(seen)
        assert term(seen).item() == 0
    _, term = part.made()
    for epoch in range(3):
        seen = replace(part.seen(model, positive), epoch=epoch)
        term.observe(seen)
        assert term(seen).item() == 0
    assert torch.equal(term.generated["a"][:11], positive.target.values[:11, 0, 0])


def test_samples_without_anything_move_no_memory():
    part = TermPart(GeneratedLabels, ("a", "b"), TARGET, affect.fusion.SharedPrivateFusion)
    states = []
    for more in ([], [0, 1]):
        model, term = part.made()
        for seed in range(3):
            batch = replace(part.batch(seed), target=part.batch().target)
            rows, there = torch.tensor([*range(12), *more]), torch.arange(12 + len(more)) < 12
            own = replace(
                batch, inputs={m: x.take(rows).keep(there[:, None]) for m, x in batch.inputs.items()},
                target=batch.target.take(rows).keep(there[:, None]), ids=tuple(IDS[row] for row in rows),
                rows=rows, targets={}, groups=None,
            )  # fmt: skip
            with torch.no_grad():
                term.observe(part.seen(model, own))
        states.append(term.state_dict())
    assert all(torch.allclose(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_distances_of_nothing_give_finite_labels_in_any_precision(dtype):
    """All vectors are the same: every distance is zero."""
    target = Regression("t", low=-3, high=3)
    part = TermPart(GeneratedLabels, ("a", "b"), target, affect.fusion.SharedPrivateFusion)
    model, term = part.made()
    seen = part.seen(model, part.batch())
    for x in (*seen.output.encoded.values(), seen.output.fused):
        x.values.data.fill_(1.0)
    seen = replace(seen, epoch=2, output=replace(
        seen.output, fused=seen.output.fused.to(dtype),
        encoded={m: x.to(dtype) for m, x in seen.output.encoded.items()},
    ))  # fmt: skip
    term = term.to(dtype)
    with torch.no_grad():
        for _ in range(3):
            term.observe(seen)
    assert all(x.isfinite().all() for x in term.state_dict().values())
    assert term.labels.abs().max() <= 3


@pytest.mark.parametrize("weights", [None, {"a": 0.2, "b": 0.8, "c": 1.5}])
def test_modality_targets_are_the_losses_of_loops(weights):
    make = partial(ModalityTargets, weights=weights)
    part = TermPart(make, ("a", "b", "c"), Regression("t"), affect.fusion.SharedPrivateFusion)
    assert [type(one) for one in part.others.values()] == [Regression, Binary, MultiClass]
    model, term = part.made()
    seen, total = part.seen(model, part.batch()), 0.0
    for m, there in seen.present.items():
        truth, losses = seen.batch.targets[f"t_{m}"], []
        for i in range(12):
            if not there[i] or not truth.present[i]:
                continue
            x = seen.vectors[m][i]
            for layer in (0, 2):
                x = (term.hidden[m][layer].weight @ x + term.hidden[m][layer].bias).clamp(min=0)
            linear = term.heads[m].layers[1]
            guess, label = (linear.weight @ x + linear.bias).tolist(), truth.values[i, 0, 0].item()
            if m == "a":
                losses.append(abs(guess[0] - label))
            elif m == "b":
                share = 1 / (1 + math.exp(-guess[0]))
                losses.append(-math.log(share if label else 1 - share))
            else:
                losses.append(-guess[int(label)] + math.log(sum(map(math.exp, guess))))
        assert 4 < len(losses) < 11
        total += (1 / 3 if weights is None else weights[m]) * sum(losses) / len(losses)
    assert term(seen).item() == pytest.approx(total, rel=1e-9)


def test_modality_targets_keep_the_laws_with_some_modalities_and_a_shared_target():
    check_term(partial(ModalityTargets, targets={"ecg": "target_ecg"}), modalities=(2,))
    check_term(
        partial(ModalityTargets, targets={"ecg": "target_text", "text": "target_text"}), modalities=(2,)
    )


# training


def corpus_of(samples=48, seed=0):
    """What text and visual show apart makes the label; some have no label, modality, or unimodal label."""
    rng, splits = np.random.default_rng(seed), {}
    for name in ("train", "valid", "test"):
        text, visual = rng.uniform(-1.5, 1.5, (2, samples))
        rows = {
            m: [own + rng.normal(0, 0.3, (4, 3)) for own in values]
            for m, values in (("text", text), ("visual", visual))
        }
        rows["text"][3] = rows["visual"][5] = None
        labels = {
            "mood": [None if i == 7 else float(v) for i, v in enumerate(text + visual)],
            "mood_text": [None if i % 4 == 1 else float(v) for i, v in enumerate(text)],
            "mood_visual": [None if i % 5 == 2 else int(v > 0) for i, v in enumerate(visual)],
        }
        splits[name] = {"id": [f"{name}{i}" for i in range(samples)], **rows, **labels}
    kinds = [Regression("mood", low=-3, high=3), Regression("mood_text"), Binary("mood_visual")]
    return affect.Corpus.from_arrays(splits, {one.name: one for one in kinds}, main="mood")


def model_of(corpus):
    return affect.FusionModel.for_corpus(corpus, seed=0, width=8)


def test_a_training_that_was_killed_goes_on_with_the_same_labels_and_memories(tmp_path):
    corpus = corpus_of()
    options = {
        "training": Training(epochs=5, learning_rate=0.01, batch_size=16),
        "terms": {"generated": partial(GeneratedLabels, width=8), "own": ModalityTargets},
    }
    whole = affect.fit(model_of(corpus), corpus, **options)
    folder = tmp_path / "run"
    with pytest.raises(StopError):
        affect.fit(model_of(corpus), corpus, **options, folder=folder, callbacks=[StopAt()])
    resumed = affect.fit(model_of(corpus), corpus, **options, folder=folder)
    times = ["seconds", "epoch_seconds"]
    assert resumed.history.drop(columns=times).equals(whole.history.drop(columns=times))
    states = whole.terms.state_dict(), resumed.terms.state_dict()
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    term = whole.terms["generated"]
    assert (whole.history["term: generated"] > 0).tolist() == [False, False, True, True, True]
    assert term.labelled.sum() == 47
    assert term.known.sum(1).tolist() == [47, 47, 48]  # text, visual, fused
    truth = torch.tensor(corpus["train"].labels("mood")[:, 0]).float()
    generated = {m: labels[~labels.isnan()] for m, labels in term.generated.items()}
    assert all(len(labels) == 47 and labels.abs().max() <= 3 for labels in generated.values())
    assert (generated["text"] != truth).any()
    assert term.generated["text"][3] == truth[3]  # which has no text


def test_the_labels_of_a_saved_run_can_be_read_again(tmp_path):
    corpus = corpus_of()
    terms = {
        "generated": GeneratedLabels,
        "own": partial(ModalityTargets, targets={"visual": "mood_visual", "text": "mood"}, width=8),
    }
    run = affect.fit(model_of(corpus), corpus, training=LEARNING, terms=terms)
    assert run.terms.targets == ["mood_visual", "mood"]
    again = affect.load_run(run.save(tmp_path / "run"))
    assert again.terms.targets == ["mood_visual", "mood"]
    assert isinstance(again.terms["own"].heads["visual"], affect.heads.BinaryHead)
    states = run.terms.state_dict(), again.terms.state_dict()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    for m, labels in run.terms["generated"].generated.items():
        assert torch.equal(again.terms["generated"].generated[m].nan_to_num(), labels.nan_to_num())


@pytest.mark.parametrize("precision", ["bfloat16", "bf16-true"])
def test_they_learn_in_half_precision(precision):
    corpus = corpus_of()
    terms = {"generated": GeneratedLabels, "own": ModalityTargets}
    run = affect.fit(model_of(corpus), corpus, training=replace(LEARNING, precision=precision), terms=terms)
    assert run.history["term: generated"][2] > 0
    assert run.history["term: own"].notna().all()


def test_a_head_for_each_modality_learns_what_its_own_target_is():
    corpus = corpus_of(samples=200)
    training = Training(epochs=15, learning_rate=0.01)
    run = affect.fit(model_of(corpus), corpus, training=training, terms={"own": ModalityTargets})
    term, own = run.terms["own"], ("mood_text", "mood_visual")
    batch = next(iter(affect.batches(corpus["test"], "mood", 200, beside=own)))
    encoded, told, truth = run.model.eval().encode(batch.inputs), {}, {}
    for m, x in encoded.items():
        there = batch.targets[f"mood_{m}"].present & x.present
        told[m] = term.heads[m].layers(term.hidden[m](x.mean()))[there, 0].detach()
        truth[m] = batch.targets[f"mood_{m}"].values[there, 0, 0]
    assert np.corrcoef(told["text"], truth["text"])[0, 1] > 0.8
    assert ((told["visual"] > 0) == (truth["visual"] > 0.5)).double().mean() > 0.8


def test_a_configuration_names_targets_and_weights(tmp_path):
    arguments = {"targets": {"text": "mood_text"}, "weights": {"text": 0.5}, "width": 16}
    terms = {"own": {"class_path": "ModalityTargets", "init_args": arguments}, "generated": "GeneratedLabels"}
    parsed = parse({"corpus": "synthetic", "terms": terms}, "c.yaml", beside(tmp_path)).terms
    corpus = corpus_of()
    own = parsed["own"](model_of(corpus), corpus["train"].ids)
    own.prepare(corpus.targets)
    assert own.targets == ("mood_text",)
    assert own.weights == {"text": 0.5}
    assert list(own.heads) == ["text"]


# what is refused


class Reads(Term):
    targets = ("mood_txt",)

    def forward(self, seen):
        return seen.output.fused.values.sum() * 0


OWN = partial(partial, ModalityTargets)


@pytest.mark.parametrize(
    ("term", "message"),
    [
        (Reads, "Reads: targets: no target 'mood_txt'; did you mean 'mood_text'? known: mood, mood_text, mood_visual"),
        (OWN(targets={"txt": "mood"}), "ModalityTargets: targets: no modality 'txt'; did you mean 'text'? known: text, visual"),
        (OWN(targets={"text": "mod"}), "ModalityTargets: targets: no target 'mod'; did you mean 'mood'? known: mood, mood_text, mood_visual"),
        (OWN(targets={}), "ModalityTargets: targets: expected a target of the corpus for a modality or more, such as {text: mood}; modalities: text, visual; targets: mood, mood_text, mood_visual"),
        (OWN(weights={"texts": 1.0}), "ModalityTargets: weights: no modality 'texts'; did you mean 'text'? known: text, visual"),
        (OWN(weights={"text": 1.0}), "ModalityTargets: weights: expected one for each of text, visual, got text"),
        (OWN(weights={"text": -1.0, "visual": 1.0}), "ModalityTargets: weights: text must be at least 0, got -1.0"),
        (OWN(width=0), "ModalityTargets: width must be at least 1, got 0"),
    ],
)  # fmt: skip
def test_targets_that_are_not_there_are_one_line(term, message):
    corpus = corpus_of(samples=10)
    with pytest.raises(ConfigError) as told:
        affect.fit(model_of(corpus), corpus, terms={"own": term})
    assert str(told.value) == f"terms: own: {message}"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (Binary("irony"), "GeneratedLabels: is for a regression with a label per sample; 'irony' is Binary; leave it out"),
        (Regression("mood", per_step=True), "GeneratedLabels: is for a regression with a label per sample; 'mood' has a label per step; leave it out"),
        (Regression("valence", low=1, high=5), "GeneratedLabels: needs labels on both sides of the middle, 0; 'valence' is between 1 and 5; name its middle: middle: 3 of a scale from 1 to 5"),
        (Regression("loss", high=0), "GeneratedLabels: needs labels on both sides of the middle, 0; 'loss' is between None and 0; name its middle: middle: 3 of a scale from 1 to 5"),
    ],
)  # fmt: skip
def test_targets_without_two_sides_are_refused(target, message):
    with pytest.raises(ConfigError) as told:
        TermPart(GeneratedLabels, ("a", "b"), target, affect.fusion.ConcatenationFusion).made()
    assert str(told.value) == message


def test_a_target_per_step_is_refused_for_a_modality():
    model, _ = TermPart(GeneratedLabels, ("a", "b"), TARGET, affect.fusion.ConcatenationFusion).made()
    term = ModalityTargets(model, IDS, targets={"a": "mood"})
    with pytest.raises(ConfigError) as told:
        term.prepare({"mood": Regression("mood", per_step=True)})
    assert str(told.value) == (
        "ModalityTargets: targets: a: 'mood' has a label per step, and a head predicts one per sample; choose another"
    )
