"""Terms of masked modelling: loops that say the same, what they refuse, and a training that is resumed."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from stopped import StopAt, StopError

import affect
from affect.corruption.draws import Draws
from affect.data.factors import SharedFactors
from affect.data.ragged import Ragged
from affect.data.targets import Regression
from affect.encoders import EmbeddingEncoder, LSTMEncoder, PassEncoder, PooledEncoder, StepEncoder
from affect.errors import ConfigError
from affect.objectives.terms import MaskedClusters, MaskedSteps, MaskedWords
from affect.objectives.terms.hiding import spans
from affect.scaling import Scaler
from affect.sequences import Sequence
from affect.testing.terms import TERM_LAWS, TermPart
from affect.training import Training
from affect.training.terms import made_terms

NAMES = ("a", "b", "c")
SHARE, LENGTH = 0.4, 2


class MaskTokenEncoder(EmbeddingEncoder):
    """With a mask token, the last of its words, and word 2 for an unknown one."""

    masked, unknown = 9, 2

    def __init__(self, in_dim, out_dim, size):
        super().__init__(in_dim, out_dim, size + 1)


class WordsInOrder(TermPart):
    """Its words have a mask token."""

    def made(self, seed=0):
        model, _ = super().made(seed)
        torch.manual_seed(seed)
        model.encoders["a"] = MaskTokenEncoder(1, 8, 9)
        term = self.build(model, tuple(f"s{row}" for row in range(12)))
        return model.double().eval(), term.double().eval()


def part_of(term, encoder=StepEncoder, kind=TermPart, count=3):
    return kind(term, NAMES[:count], Regression("t"), affect.fusion.SharedPrivateFusion, encoder)


@pytest.mark.parametrize("law", TERM_LAWS, ids=lambda law: law.__name__)
def test_they_keep_the_laws_with_encoders_that_keep_time(law):
    law(part_of(MaskedSteps, StepEncoder, count=2))


@pytest.mark.parametrize("law", TERM_LAWS, ids=lambda law: law.__name__)
def test_words_keep_the_laws_with_a_mask_token(law):
    law(part_of(MaskedWords, kind=WordsInOrder, count=2))


# loops that say the same


def hidden_of(term, seen, share, length):
    """By modality and row: the hidden steps."""
    found = {}
    for row, own_id in enumerate(seen.batch.ids):
        draws = Draws((own_id,), seen.draw).apart(type(term).__name__)
        numbers = dict(
            zip(term.modalities, draws.uniform("modality", len(term.modalities))[0].tolist(), strict=True)
        )
        masks = {m: seen.batch.inputs[m].mask[row].tolist() for m in term.modalities}
        there = [m for m in term.modalities if any(masks[m])]
        if not there:
            continue
        m = max(there, key=numbers.get)
        own, observed, parts = draws.apart(m), [t for t, on in enumerate(masks[m]) if on], {}
        begin = int(own.uniform("begin", 1).item() * length)
        for rank, t in enumerate(observed):
            parts.setdefault((rank + begin) // length, []).append(t)
        order = own.uniform("span", len(parts))[0].tolist()
        count = max(1, round(share * len(observed) / length))
        chosen = sorted(parts, key=lambda place, order=order: order[place])[:count]
        found[m, row] = sorted(t for place in chosen for t in parts[place])
    return found


def shown_alone(seen, row, covered):
    """One sample as the model is shown it; `covered` by modality and step: None, or another value."""
    inputs = {}
    for name, x in seen.batch.inputs.items():
        values, mask = x.values[row].clone(), x.mask[row].clone()
        for (m, t), value in covered.items():
            if m == name and value is None:
                mask[t] = False
            elif m == name:
                values[t] = value
        inputs[name] = Sequence(values.unsqueeze(0), mask.unsqueeze(0))
    return inputs


def read(term, model, inputs, m, t):
    """What the head reads for a step of one sample."""
    output = model(inputs)
    vector = output.fused.mean()[0]
    encoded = output.encoded[m]
    if encoded.time == 1 and isinstance(model.encoders[m], PooledEncoder):
        return vector
    on = encoded.mask[0].tolist()
    if on[t]:
        return torch.cat([vector, encoded.values[0, t]])
    near = [max((i for i in range(t) if on[i]), default=None)]
    near.append(min((i for i in range(t, len(on)) if on[i]), default=None))
    steps = [encoded.values[0, i] for i in near if i is not None]
    middle = sum(steps) / len(steps) if steps else torch.zeros(encoded.dim, dtype=torch.float64)
    return torch.cat([vector, middle])


def mean(values):
    return sum(values) / len(values)


def looked(term, encoder, kind=TermPart):
    part = part_of(term, encoder, kind)
    model, made = part.made()
    return model, made, part.seen(model, part.batch())


def alone(covered, seen, m, row):
    """Whether nothing is left of a sample."""
    steps = sum(int(x.mask[row].sum()) for x in seen.batch.inputs.values())
    return steps == len([key for key, value in covered.items() if value is None])


@pytest.mark.parametrize("encoder", [StepEncoder, LSTMEncoder, PooledEncoder], ids=lambda one: one.__name__)
def test_masked_steps_are_the_squared_error_of_what_is_told(encoder):
    model, term, seen = looked(partial(MaskedSteps, share=SHARE, length=LENGTH), encoder)
    model.scaler = Scaler({"b": 4})
    model.scaler.scale_of("b").copy_(torch.tensor([2.0, 3.0, 4.0, 5.0]))
    found = []
    for (m, row), steps in hidden_of(term, seen, SHARE, LENGTH).items():
        covered = {(m, t): None for t in steps}
        if alone(covered, seen, m, row):
            continue
        inputs = shown_alone(seen, row, covered)
        divisors = [2.0, 3.0, 4.0, 5.0] if m == "b" else [1.0] * 9
        truth = {
            t: [v / d for v, d in zip(seen.batch.inputs[m].values[row, t].tolist(), divisors, strict=False)]
            for t in steps
        }
        told = {t: term.tell[m](read(term, model, inputs, m, t)).tolist() for t in steps}
        if encoder is PooledEncoder:
            truth = {steps[0]: [mean(column) for column in zip(*truth.values(), strict=True)]}
        found.append(
            mean([mean([(u - v) ** 2 for u, v in zip(told[t], truth[t], strict=True)]) for t in truth])
        )
    assert len(found) > 8
    assert term(seen).item() == pytest.approx(mean(found), rel=1e-9)


@pytest.mark.parametrize("encoder", [StepEncoder, PooledEncoder], ids=lambda one: one.__name__)
def test_masked_clusters_are_the_cross_entropy_of_the_nearest_centroid(encoder):
    model, term, seen = looked(partial(MaskedClusters, share=SHARE, length=LENGTH, clusters=5), encoder)
    found = []
    for (m, row), steps in hidden_of(term, seen, SHARE, LENGTH).items():
        covered = {(m, t): None for t in steps}
        if alone(covered, seen, m, row):
            continue
        inputs, costs = shown_alone(seen, row, covered), []
        for t in steps:
            far = [
                math.dist(p, seen.batch.inputs[m].values[row, t]) for p in term.centroids[m].points.tolist()
            ]
            scores = term.tell[m](read(term, model, inputs, m, t)).tolist()
            total = sum(math.exp(score) for score in scores)
            costs.append(-math.log(math.exp(scores[far.index(min(far))]) / total) / math.log(5))
        found.append(mean(costs))
    assert term(seen).item() == pytest.approx(mean(found), rel=1e-9)


@pytest.mark.parametrize("kind", [TermPart, WordsInOrder], ids=["unobserved", "mask token"])
def test_masked_words_are_the_cross_entropy_of_the_word(kind):
    model, term, seen = looked(partial(MaskedWords, share=0.7), StepEncoder, kind)
    encoder = model.encoders["a"]
    words, unknown = encoder.table.weight, encoder.unknown
    seen.batch.inputs["a"].values[0, 0] = float(unknown)
    found, kinds = [], set()
    for (m, row), steps in hidden_of(term, seen, 0.7, 1).items():
        draws, covered = Draws((seen.batch.ids[row],), seen.draw).apart("MaskedWords"), {}
        for t in steps:
            if encoder.masked is None:
                covered[m, t] = None
                continue
            draw, other = draws.uniform("kind", t + 1)[0, t].item(), draws.uniform("word", t + 1, 1)[0, t, 0]
            kinds.add("mask" if draw < 0.8 else "other" if draw < 0.9 else "same")
            if draw < 0.9:
                covered[m, t] = 9.0 if draw < 0.8 else float(int(other * len(words)))
        truth = {t: int(seen.batch.inputs[m].values[row, t]) for t in steps}
        truth = {t: word for t, word in truth.items() if word != unknown}
        if not truth or alone(covered, seen, m, row):
            continue
        inputs, costs = shown_alone(seen, row, covered), []
        for t, word in truth.items():
            vector = term.tell[m](read(term, model, inputs, m, t))
            biases = term.often[m].bias.tolist()
            scores = [(vector @ own).item() + bias for own, bias in zip(words, biases, strict=True)]
            total = sum(math.exp(score) for score in scores)
            costs.append(-math.log(math.exp(scores[word]) / total) / math.log(len(words)))
        found.append(mean(costs))
    assert kinds == (set() if kind is TermPart else {"mask", "other", "same"})
    assert term(seen).item() == pytest.approx(mean(found), rel=1e-9)


def test_spans_hide_about_the_share_in_spans_and_at_least_one():
    mask = torch.arange(40) < torch.tensor([40, 7, 1, 0]).repeat(50).unsqueeze(1)
    ids = tuple(f"s{i}" for i in range(200))
    hidden = spans(mask, 0.3, 4, Draws(ids))
    counts = hidden.sum(1).view(50, 4)
    assert not (hidden & ~mask).any()
    assert (counts[:, :2].amin(0) >= 1).all()
    assert (counts[:, 1] <= 4).all()
    assert (counts[:, 2] == 1).all()
    assert counts[:, 0].double().mean().item() == pytest.approx(11.2, abs=0.5)  # three spans, some at an end
    assert not torch.equal(hidden, spans(mask, 0.3, 4, Draws(ids, seed=1)))


# what they refuse


def model_with(**encoders):
    return affect.FusionModel.for_shape(
        {m: 1 for m in encoders}, Regression("t"), aligned=False, width=4, encoders=encoders, encoder=None
    )


WORDS, STEPS, PASSED = partial(EmbeddingEncoder, size=9), StepEncoder, partial(PassEncoder, indices=True)


@pytest.mark.parametrize(
    ("term", "encoders", "message"),
    [
        (partial(MaskedWords, modalities=["v"]), {"t": WORDS, "v": STEPS},
         "MaskedWords: modalities: 'v' has no vocabulary; an EmbeddingEncoder or a PretrainedEncoder has one; "
         "it is for t"),
        (MaskedWords, {"t": PASSED, "v": STEPS},
         "MaskedWords: modalities: every modality has no vocabulary; an EmbeddingEncoder or a "
         "PretrainedEncoder has one"),
        (partial(MaskedSteps, modalities=["t"]), {"t": WORDS, "v": STEPS},
         "MaskedSteps: modalities: 't' holds word indices, which are no features; use MaskedWords; "
         "it is for v"),
        (MaskedClusters, {"t": PASSED},
         "MaskedClusters: modalities: every modality holds word indices, which are no features; use "
         "MaskedWords"),
        (partial(MaskedSteps, modalities=["vv"]), {"v": STEPS},
         "MaskedSteps: modalities: no 'vv'; did you mean 'v'?"),
        (partial(MaskedSteps, modalities=[]), {"v": STEPS},
         "MaskedSteps: modalities: expected one or more, got none; it is for v"),
        (partial(MaskedSteps, share=0), {"v": STEPS},
         "MaskedSteps: share must be above 0 and at most 1, got 0"),
        (partial(MaskedSteps, length=0), {"v": STEPS}, "MaskedSteps: length must be at least 1, got 0"),
        (partial(MaskedClusters, clusters=1), {"v": STEPS},
         "MaskedClusters: clusters must be at least 2, got 1"),
    ],
)  # fmt: skip
def test_what_makes_no_term_is_one_line(term, encoders, message):
    with pytest.raises(ConfigError) as told:
        term(model_with(**encoders), ("s",))
    assert str(told.value).startswith(message)
    assert "\n" not in str(told.value)


def test_what_is_there_in_training_only_is_not_hidden():
    model = affect.FusionModel.for_shape(
        {"a": 3, "b": 4}, Regression("t"), aligned=False, encoder=StepEncoder, training_only=["b"]
    )
    assert MaskedSteps(model, ("s",)).modalities == ["a"]


# training


@pytest.fixture(scope="module")
def corpus():
    """A small corpus of shared factors, with a word for each step of text."""
    made = SharedFactors(samples={"train": 64, "valid": 16}, aligned=True).corpus()
    words = {}
    for name, split in made.splits.items():
        rows = split.modalities["text"]
        signs = (rows.values[:, :3] > 0) @ np.array([1, 2, 4])
        words[name] = Ragged.from_offsets((1.0 + signs)[:, None].astype(np.float32), rows.offsets)
    return made.with_modality("words", words)


def model_of(corpus):
    encoders = {"words": partial(EmbeddingEncoder, size=9), "visual": StepEncoder}
    return affect.FusionModel.for_corpus(corpus, seed=0, width=8, encoders=encoders)


def test_they_learn_and_a_training_that_was_killed_goes_on_as_if_it_had_not_been(corpus, tmp_path):
    terms = {
        "steps": partial(MaskedSteps, weight=1.0),
        "clusters": partial(MaskedClusters, weight=1.0, clusters=8),
        "words": partial(MaskedWords, weight=1.0),
    }
    options = {"training": Training(epochs=3, learning_rate=0.02), "terms": terms}
    whole = affect.fit(model_of(corpus), corpus, **options)
    with pytest.raises(StopError):
        affect.fit(model_of(corpus), corpus, **options, folder=tmp_path, callbacks=[StopAt(epoch=1)])
    resumed = affect.fit(model_of(corpus), corpus, **options, folder=tmp_path)
    for name in terms:
        values = whole.history[f"term: {name}"].tolist()
        assert values[-1] < 0.97 * values[0]
        assert resumed.history[f"term: {name}"].tolist() == values
    states = whole.terms.state_dict(), resumed.terms.state_dict()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert whole.terms["clusters"].centroids["visual"].fitted


def test_centroids_are_of_the_scaled_training_steps_and_are_made_once(corpus):
    model, train = model_of(corpus), corpus["train"]
    term = MaskedClusters(model, train.ids, clusters=4)
    term.fit(model, train)
    points = term.centroids["visual"].points
    steps = model.scaler({"visual": train.modalities["visual"].pad(np.arange(64))})["visual"]
    own = term.centroids["visual"](steps.values)[steps.mask]
    for place, point in enumerate(points):
        assert torch.dist(point, steps.values[steps.mask][own == place].mean(0)) < 0.5 < point.norm()
    before = points.clone()
    term.fit(model, corpus["valid"])
    assert torch.equal(term.centroids["visual"].points, before)
    fresh = MaskedClusters(model, train.ids, clusters=800)
    with pytest.raises(ConfigError) as told:
        fresh.fit(model, train)
    assert str(told.value) == (
        "MaskedClusters: clusters: acoustic has 768 steps in training, got 800 clusters; ask for fewer"
    )


def test_a_stage_without_labels_can_be_chosen_by_clusters_alone(corpus):
    model = model_of(corpus)
    made = made_terms(model, corpus["train"].ids, {"c": MaskedClusters}, Training(), supervised=0)
    batch = next(iter(affect.batches(corpus["valid"], None, 16)))
    seen = affect.objectives.terms.Seen(model, batch, model(batch.inputs), batch.inputs, objective=None)
    made.fit(model, corpus["train"])
    model.eval()
    assert made.judged(seen)[0].item() == pytest.approx(0.1 * made["c"](seen).item())
