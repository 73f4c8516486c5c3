"""Distillation between vectors, prototypes and recovery: loops that say the same, and what each is for."""

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

import affect
from affect.corruption import StepDropout
from affect.data.targets import Binary, MultiClass, Regression
from affect.encoders import PooledEncoder, StepEncoder
from affect.errors import ConfigError, ShapeError
from affect.fusion import ConcatenationFusion, Fusion, HyperModalityFusion, SharedPrivateTransformer
from affect.objectives.terms import (
    Completeness,
    DistillationGraph,
    FeatureDistillation,
    Prototypes,
    Regeneration,
)
from affect.objectives.terms.hiding import around
from affect.objectives.terms.recovery import lost_steps
from affect.sequences import Sequence
from affect.testing.terms import TermPart
from affect.training import Training

NAMES = ("a", "b", "c")
ROWS = range(12)
ADVERSARIES = {"with": {}, "against": {"adversarial": True}, "growing": {"adversarial": True, "growth": 4}}


def part_of(term, target=None, encoder=PooledEncoder):
    part = TermPart(term, NAMES, target or Regression("t"), ConcatenationFusion, encoder)
    return part, part.made()[0]


def cosine(x, y):
    return sum(a * b for a, b in zip(x, y, strict=True)) / (
        math.dist(x, [0] * len(x)) * math.dist(y, [0] * len(y))
    )


@pytest.mark.parametrize(("of", "like"), [("fused", None), ("a", "c")])
def test_features_are_distilled_by_cosines(of, like):
    part, model = part_of(FeatureDistillation)
    torch.manual_seed(1)
    own, seen = FeatureDistillation(model, (), of=of, like=like).double(), part.seen(model, part.batch())
    taught = seen.teacher(seen.batch.inputs)

    def vector(output, name, row):
        x = output.fused if name == "fused" else output.encoded[name]
        there = [m for m in NAMES if output.encoded[m].mask[row].any()]
        return (
            x.values[row][x.mask[row]].mean(0).tolist()
            if there and (name == "fused" or name in there)
            else None
        )

    apart = []
    for i in ROWS:
        for j in ROWS:
            mine = [vector(seen.output, of, row) for row in (i, j)]
            theirs = [vector(taught, like or of, row) for row in (i, j)]
            if i != j and None not in (*mine, *theirs):
                apart.append((cosine(*mine) - cosine(*theirs)) ** 2)
    assert own(seen).item() == pytest.approx(np.mean(apart), rel=1e-9)


def test_a_student_comes_to_see_samples_as_its_teacher_does():
    corpus = affect.load("synthetic:additive")
    teacher = affect.FusionModel.for_corpus(corpus, seed=0)
    affect.fit(teacher, corpus, training=Training(epochs=3, learning_rate=0.01))
    left = []
    for weight in (0.0, 10.0):
        model = affect.FusionModel.for_corpus(corpus, seed=1, width=8)
        terms = {"alike": partial(FeatureDistillation, weight=weight)}
        options = Training(epochs=3, learning_rate=0.01)
        made = affect.fit(
            model, corpus, training=options, teacher=teacher, terms={**terms, "distillation": None}
        )
        left.append(made.history["term: alike"].iloc[-1])
    assert left[1] < left[0] / 2


@pytest.mark.parametrize("of", [None, "shared", "attended"])
@pytest.mark.parametrize("target", [Regression("t"), MultiClass("t", classes=("u", "v", "w"))])
def test_the_graph_is_a_weighted_sum_of_distances(target, of):
    fusion = partial(SharedPrivateTransformer, width=4) if of else ConcatenationFusion
    part = TermPart(DistillationGraph, NAMES, target, fusion)
    model = part.made()[0]
    torch.manual_seed(1)
    own = DistillationGraph(model, (), graph=0.3, prior=0.7, width=5, of=of).double()
    seen = part.seen(model, part.batch())
    read = {m: seen.output.extras[of][:, i] if of else seen.vectors[m] for i, m in enumerate(NAMES)}
    read = {m: x.detach().numpy() for m, x in read.items()}

    def linear(layer, x):
        return layer.weight.detach().numpy() @ x + (0 if layer.bias is None else layer.bias.detach().numpy())

    lies = {m: [linear(own.project[m], v) for v in read[m]] for m in NAMES}
    told = {m: [linear(own.heads[m].layers[-1], v) for v in read[m]] for m in NAMES}

    def apart(j, k, row):
        if isinstance(target, Regression):
            own = (told[k][row][0] - told[j][row][0]) ** 2
        else:
            p, q = (np.exp(x[row] - x[row].max()) for x in (told[j], told[k]))
            p, q = p / p.sum(), q / q.sum()
            own = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
        return own + 1 - cosine(lies[j][row], lies[k][row])

    pairs = [(j, k) for j in NAMES for k in NAMES if j != k]
    distilled, off, count = [], dict.fromkeys(pairs, 0.0), 0
    for row in ROWS:
        here = [(j, k) for j, k in pairs if seen.present[j][row] and seen.present[k][row]]
        if not here:
            continue
        count += 1
        scores = [
            math.exp(linear(own.edge, np.concatenate([lies[j][row], lies[k][row]]))[0]) for j, k in here
        ]
        edges = {pair: score / sum(scores) for pair, score in zip(here, scores, strict=True)}
        distilled.append(sum(edge * apart(j, k, row) for (j, k), edge in edges.items()))
        for pair, edge in edges.items():
            off[pair] += edge - 1 / len(here)
    prior = sum((one / count) ** 2 for one in off.values())
    heads = torch.stack([seen.mean(*one) for one in own.losses(seen).values()]).mean().item()
    assert own(seen).item() == pytest.approx(heads + 0.3 * (np.mean(distilled) + 0.7 * prior), rel=1e-9)


@pytest.mark.parametrize("target", [Regression("t"), Binary("t"), MultiClass("t", classes=("u", "v", "w"))])
def test_prototypes_pull_what_is_behind(target):
    part, model = part_of(Prototypes, target)
    own = Prototypes(model, (), momentum=0.3).double()
    if isinstance(target, Regression):
        own.edges.copy_(torch.tensor([-0.3, 0.4]))
    means = {m: {} for m in NAMES}

    def class_of(seen, row):
        label = seen.batch.target.values[row, 0, 0].item()
        return sum(label > edge for edge in (-0.3, 0.4)) if isinstance(target, Regression) else int(label)

    for seed in range(3):  # what is remembered, batch by batch
        seen = part.seen(model, part.batch(seed))
        own.observe(seen)
        for m in NAMES:
            lots = {}
            for row in ROWS:
                if seen.present[m][row] and seen.batch.target.mask[row, 0]:
                    lots.setdefault(class_of(seen, row), []).append(seen.vectors[m][row].detach().numpy())
            for kind, lot in lots.items():
                new = np.mean(lot, 0)
                means[m][kind] = new if kind not in means[m] else 0.7 * means[m][kind] + 0.3 * new
    seen = part.seen(model, part.batch(9))
    cost, chance = {}, {}
    for m in NAMES:
        rows = [
            r
            for r in ROWS
            if seen.present[m][r] and seen.batch.target.mask[r, 0] and class_of(seen, r) in means[m]
        ]
        logs = []
        for row in rows:
            v = seen.vectors[m][row].detach().numpy()
            near = {
                kind: math.exp(-math.dist(v, mean) / math.sqrt(len(v))) for kind, mean in means[m].items()
            }
            logs.append(math.log(near[class_of(seen, row)] / sum(near.values())))
        cost[m], chance[m] = -np.mean(logs), np.mean(np.exp(logs))
    expected = 0.0
    for m in NAMES:
        others = np.mean([chance[o] for o in NAMES if o != m])
        expected += min(1, max(0, others / chance[m] - 1)) * cost[m] / 3
    assert expected > 0
    assert own(seen).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("precision", ["bfloat16", "bf16-true"])
def test_prototypes_are_kept_in_half_precision(precision):
    corpus = affect.load("synthetic:mosi_unaligned:24")
    model = affect.FusionModel.for_corpus(corpus, seed=0, width=4)
    options = Training(epochs=2, precision=precision)
    run = affect.fit(model, corpus, training=options, terms={"behind": Prototypes})
    assert run.history["term: behind"].iloc[-1] > 0


@pytest.mark.parametrize("encoder", [PooledEncoder, StepEncoder])
def test_lost_steps_are_told_from_what_is_left(encoder):
    part, model = part_of(Regeneration, encoder=encoder)
    torch.manual_seed(1)
    own, seen = Regeneration(model, (), width=6).double(), part.seen(model, part.batch())

    def huber(x, y):
        return np.mean([0.5 * d * d if d < 1 else d - 0.5 for d in np.abs(np.asarray(x) - np.asarray(y))])

    losses = []
    for m in NAMES:
        clean, shown = seen.batch.inputs[m], seen.inputs[m]
        for row in ROWS:
            lost = [t for t in range(clean.time) if clean.mask[row, t] and not shown.mask[row, t]]
            if not lost or not any(x.mask[row].any() for x in seen.inputs.values()):
                continue
            fused = seen.output.fused.values[row].mean(0)
            if encoder is PooledEncoder:
                told = own.tell[m](fused)
                losses.append(huber(told.tolist(), clean.values[row, lost].mean(0).tolist()))
            else:
                steps = around(seen.output.encoded[m])[row]
                told = [own.tell[m](torch.cat([fused, steps[t]])).tolist() for t in lost]
                losses.append(
                    np.mean(
                        [huber(x, clean.values[row, t].tolist()) for x, t in zip(told, lost, strict=True)]
                    )
                )
    assert losses
    assert own(seen).item() == pytest.approx(np.mean(losses), rel=1e-9)


class Steps(Fusion):
    """Each step of the only modality for itself."""

    def __init__(self, dims, out_dim):
        super().__init__(dims, out_dim)
        self.out = torch.nn.Linear(*self.dims.values(), out_dim)

    def fuse(self, inputs):
        (x,) = inputs.values()
        return x.with_values(self.out(x.values))


def test_a_lost_step_is_told_from_what_was_fused_there():
    part = TermPart(Regeneration, NAMES[:1], Regression("t"), Steps, StepEncoder)
    model = part.made()[0]
    torch.manual_seed(1)
    own, seen = Regeneration(model, (), width=6, at_step=True).double(), part.seen(model, part.batch())
    clean = seen.batch.inputs["a"]
    shown = clean.keep(torch.rand(clean.mask.shape) < 0.6)
    seen, losses = replace(seen, inputs={"a": shown}, output=model({"a": shown})), []
    steps = around(seen.output.encoded["a"])
    for row in ROWS:
        lost = [t for t in range(clean.time) if clean.mask[row, t] and not shown.mask[row, t]]
        if lost and shown.mask[row].any():
            errors = []
            for t in lost:
                told = own.tell["a"](torch.cat([seen.output.fused.values[row, t], steps[row, t]]))
                apart = (told - clean.values[row, t]).abs().tolist()
                errors.append(np.mean([0.5 * d * d if d < 1 else d - 0.5 for d in apart]))
            losses.append(np.mean(errors))
    assert losses
    assert own(seen).item() == pytest.approx(np.mean(losses), rel=1e-9)


def test_a_fusion_without_steps_has_none_to_tell_from():
    part, model = part_of(Regeneration, encoder=StepEncoder)
    own, seen = Regeneration(model, (), at_step=True).double(), part.seen(model, part.batch())
    with pytest.raises(ShapeError, match=r"Regeneration: at_step: expected a fused vector for each of the \d+ "
                                         r"steps of a, got 1; use a fusion that keeps time, or leave it out"):  # fmt: skip
        own(seen)


@pytest.mark.parametrize("term", [Regeneration, Completeness])
def test_without_a_corruption_nothing_is_told_of_damage_and_that_is_said(term, caplog):
    corpus = affect.load("synthetic:mosi_unaligned:24")
    model = affect.FusionModel.for_corpus(corpus, seed=0, width=4)
    affect.fit(model, corpus, training=Training(epochs=1), terms={"again": term})
    assert "terms: again: " in caplog.text


def test_completeness_is_the_share_that_is_left():
    part, model = part_of(Completeness)
    torch.manual_seed(1)
    own, seen = Completeness(model, ()).double(), part.seen(model, part.batch())
    expected = []
    for m in NAMES:
        errors = []
        for row in ROWS:
            clean, shown = seen.batch.inputs[m].mask[row], seen.inputs[m].mask[row]
            if shown.any():
                vector = seen.vectors[m][row].detach().numpy()
                layer = own.tell[m]
                told = 1 / (
                    1
                    + math.exp(-(layer.weight.detach().numpy() @ vector + layer.bias.detach().numpy()).item())
                )
                errors.append((told - shown.sum().item() / clean.sum().item()) ** 2)
        expected.append(np.mean(errors))
    assert own(seen).item() == pytest.approx(np.mean(expected), rel=1e-9)


def test_a_fusion_that_corrects_its_main_modality_tells_how_much_of_it_is_left():
    fusion = partial(HyperModalityFusion, main="b", width=8, proxy_layers=1)
    part = TermPart(partial(Completeness, corrected=True), NAMES, Regression("t"), fusion)
    model, own = part.made()
    seen, errors = part.seen(model, part.batch()), []
    for row in ROWS:
        clean, shown = seen.batch.inputs["b"].mask[row], seen.inputs["b"].mask[row]
        if shown.any():
            told = seen.output.extras["completeness"][row].item()
            errors.append((told - shown.sum().item() / clean.sum().item()) ** 2)
    assert own(seen).item() == pytest.approx(np.mean(errors), rel=1e-9)
    assert [*own.parameters()] == []
    own(seen).backward()
    assert all(
        p.grad is not None and p.grad.abs().max() > 0 for p in model.fusion.proxy.complete.parameters()
    )


@pytest.mark.parametrize(
    ("fusion", "options", "message"),
    [
        (
            ConcatenationFusion,
            {},
            "ConcatenationFusion corrects no modality; take a HyperModalityFusion with proxy_layers, or leave "
            "it out",
        ),
        (
            HyperModalityFusion,
            {},
            "HyperModalityFusion corrects no modality; take a HyperModalityFusion with proxy_layers, or leave "
            "it out",
        ),
        (
            partial(HyperModalityFusion, proxy_layers=1),
            {"adversarial": True},
            "expected no adversary, as the fusion needs what is told, got adversarial=True; make it another "
            "term",
        ),
    ],
)
def test_what_is_not_corrected_is_not_told(fusion, options, message):
    model, _ = TermPart(Completeness, NAMES, Regression("t"), fusion).made()
    with pytest.raises(ConfigError, match=f"^Completeness: corrected: {message}$"):
        Completeness(model, (), corrected=True, **options)


def test_an_adversary_turns_the_model_s_gradient_around_and_not_its_own():
    part, model = part_of(Completeness)
    own = {name: Completeness(model, (), **options).double() for name, options in ADVERSARIES.items()}
    found = {}
    for name, term in own.items():
        term.load_state_dict(own["with"].state_dict())
        model.zero_grad()
        value = term(part.seen(model, part.batch()))
        value.backward()
        encoders = [p.grad for p in model.encoders.parameters()]
        found[name] = value, encoders, [p.grad for p in term.parameters()]
    share = 2 / (1 + math.exp(-10 * 1 / 4)) - 1  # in the second of four epochs
    for name, factor in (("against", -1.0), ("growing", -share)):
        assert torch.equal(found[name][0], found["with"][0])
        for one, other in zip(found[name][1], found["with"][1], strict=True):
            assert torch.allclose(one, factor * other)
        assert all(torch.equal(*pair) for pair in zip(found[name][2], found["with"][2], strict=True))


def test_a_step_that_was_never_a_number_is_not_lost():
    clean = Sequence.full(torch.tensor([[[math.nan], [2.0], [3.0]]]))
    shown = clean.keep(torch.tensor([[True, True, False]]))
    assert lost_steps(clean, shown).tolist() == [[False, False, True]]


def test_what_is_left_is_learned_to_be_told():
    rng, samples = np.random.default_rng(0), []
    for row in range(240):  # damage shows: what is taken becomes zero
        x = 3 + rng.normal(size=(12, 2))
        split = "train" if row < 200 else "valid"
        samples.append(affect.Sample(f"s{row}", {"a": x, "b": x}, {"y": float(x.mean())}, split=split))
    corpus = affect.Corpus.from_samples(samples, name="damaged")
    model = affect.FusionModel.for_corpus(corpus, seed=0, width=8, scaling="none")
    options = Training(
        epochs=12, learning_rate=0.02, patience=12, corruption=StepDropout(rate=0.5, becomes="zero")
    )
    history = affect.fit(
        model, corpus, training=options, terms={"left": partial(Completeness, weight=1.0)}
    ).history
    assert history["term: left"].iloc[-1] < history["term: left"].iloc[0] / 2


@pytest.mark.parametrize(
    ("term", "options", "message"),
    [
        (FeatureDistillation, {"of": "d"}, "of: no 'd'"),
        (DistillationGraph, {"graph": -1}, "graph"),
        (Prototypes, {"momentum": 0}, "momentum"),
        (Prototypes, {"bins": 1}, "bins"),
        (Regeneration, {"modalities": ["d"]}, "modalities: no 'd'"),
        (Regeneration, {"width": 0}, "width"),
    ],
)
def test_what_cannot_be_made_is_refused(term, options, message):
    _, model = part_of(Completeness)
    with pytest.raises(ConfigError, match=message):
        term(model, (), **options)


def test_a_teacher_without_the_modality_is_refused():
    part, model = part_of(FeatureDistillation)
    own, seen = FeatureDistillation(model, (), like="d").double(), part.seen(model, part.batch())
    with pytest.raises(ConfigError, match="like: no 'd' there"):
        own(replace(seen))
