"""A second corpus that terms alone see: what it changes, what it does not, and how a run knows it."""

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
import yaml
from small_corpus import small
from stopped import StopAt, StopError

import affect
from affect.cli import main
from affect.cli.listing import listing
from affect.data.native import save
from affect.data.targets import Regression
from affect.errors import ConfigError
from affect.fusion import ConcatenationFusion
from affect.objectives.terms import (
    Contrast,
    CorpusAlignment,
    CorpusConfusion,
    FeatureDistillation,
    OnAuxiliary,
    SupervisedContrast,
)
from affect.objectives.terms.spaces import mean_discrepancy
from affect.runs import find
from affect.testing.terms import TermPart
from affect.training import Stage, Training

NAMES = ("a", "b", "c")
TIMES = ["seconds", "epoch_seconds"]


def lots_of(seen, name):
    """The vectors of both corpora as lists, one of each sample that has one."""
    found = []
    for own in (seen, seen.auxiliary):
        rows = []
        for row in range(12):
            if name == "fused":
                if any(own.present[m][row] for m in NAMES):
                    rows.append(own.output.fused.values[row, 0].tolist())
            elif own.present[name][row]:
                rows.append(own.vectors[name][row].tolist())
        found.append(rows)
    return found


def kernel_distance(one, other):
    every = one + other
    squares = {
        (i, j): sum((p - q) ** 2 for p, q in zip(x, y, strict=True))
        for i, x in enumerate(every)
        for j, y in enumerate(every)
        if i != j
    }
    middle = float(np.median([*squares.values()]))

    def kernel(i, j):
        return sum(math.exp(-squares[i, j] / (middle * wide)) for wide in (0.25, 0.5, 1, 2, 4))

    n, m = len(one), len(other)
    first = [kernel(i, j) for i in range(n) for j in range(n) if i != j]
    second = [kernel(n + i, n + j) for i in range(m) for j in range(m) if i != j]
    across = [kernel(i, n + j) for i in range(n) for j in range(m)]
    return np.mean(first) + np.mean(second) - 2 * np.mean(across)


def covariance_distance(one, other):
    return ((np.cov(np.array(one).T) - np.cov(np.array(other).T)) ** 2).mean() / 4


@pytest.mark.parametrize("of", ["fused", "b"])
@pytest.mark.parametrize(("distance", "oracle"), [("mmd", kernel_distance), ("coral", covariance_distance)])
def test_alignment_is_the_distance_of_two_lots(of, distance, oracle):
    part = TermPart(CorpusAlignment, NAMES, Regression("t"), ConcatenationFusion)
    model, _ = part.made()
    own = CorpusAlignment(model, (), distance=distance, of=of).double()
    batch = part.batch()
    batch = replace(batch, auxiliary=replace(batch.auxiliary, inputs={
        m: x.take(torch.arange(12)).keep((torch.arange(12) > 2).unsqueeze(1)) for m, x in batch.auxiliary.inputs.items()
    }))  # fmt: skip
    seen = part.seen(model, batch)
    assert own(seen).item() == pytest.approx(oracle(*lots_of(seen, of)), rel=1e-9)


def test_confusion_is_a_cross_entropy_whose_gradient_is_turned():
    part = TermPart(CorpusConfusion, NAMES, Regression("t"), ConcatenationFusion)
    model, _ = part.made()
    own = CorpusConfusion(model, (), of="a").double()
    seen = part.seen(model, part.batch())
    first, _, last = own.tell
    expected = []
    for side, rows in enumerate(lots_of(seen, "a")):
        costs = []
        for row in rows:
            hidden = np.maximum(first.weight.detach().numpy() @ row + first.bias.detach().numpy(), 0)
            told = (last.weight.detach().numpy() @ hidden + last.bias.detach().numpy()).item()
            costs.append(math.log1p(math.exp(-told if side else told)))
        expected.append(np.mean(costs))
    value = own(seen)
    assert value.item() == pytest.approx(np.mean(expected), rel=1e-9)
    value.backward()
    grads = [p.grad.clone() for p in model.encoders["a"].parameters()]
    own.growth, seen = 10**9, replace(part.seen(model, part.batch()), epoch=0)
    model.zero_grad()
    own(seen).backward()
    assert all(p.grad.abs().max() == 0 for p in model.encoders["a"].parameters())  # none is turned yet
    assert any(grad.abs().max() > 0 for grad in grads)


def test_on_auxiliary_says_what_the_term_says_of_the_other_corpus():
    part = TermPart(OnAuxiliary, NAMES, Regression("t"), ConcatenationFusion)
    model, _ = part.made()
    own = OnAuxiliary(model, (), term=partial(Contrast, weight=0.7)).double()
    seen = part.seen(model, part.batch())
    assert own.weight == 0.7
    assert own(seen).item() == own.term(seen.auxiliary).item() != own.term(seen).item()


def test_two_domains_come_to_lie_together():
    """Of the second domain no label is known; the distance, measured by the same kernels, is less."""
    corpus, other = affect.load("synthetic:shared:aligned"), affect.load("synthetic:shared:aligned:shifted")
    few = {name: corpus[name].take(np.arange(200)) for name in ("train", "valid")}
    corpus = affect.Corpus("few", few, corpus.targets, aligned=True)
    found = []
    for weight in (0.0, 1.0):
        model = affect.FusionModel.for_corpus(corpus, "sentiment", seed=0, width=8)
        terms = {"near": partial(CorpusAlignment, weight=weight)}
        stage = Stage("both", terms=terms, auxiliary=other)
        affect.fit(model, corpus, training=Training(epochs=5, learning_rate=0.01), stages=[stage])
        vectors = []
        for one in (corpus["valid"], other["valid"].take(np.arange(200))):
            (batch,) = affect.batches(one, batch_size=len(one))
            vectors.append(model.eval()(batch.inputs).fused.mean())
        found.append(mean_discrepancy(*vectors).item())
    assert found[1] < found[0] / 2


def model_of(corpus):
    return affect.FusionModel.for_corpus(corpus, "sentiment", seed=0, width=4)


@pytest.fixture(scope="module")
def both():
    corpus, other = affect.load("synthetic:shared:aligned"), affect.load("synthetic:shared:aligned:shifted")
    few = {name: corpus[name].take(np.arange(count)) for name, count in (("train", 90), ("valid", 40))}
    return affect.Corpus("few", few, corpus.targets, aligned=True), other


def test_a_kill_changes_nothing(both, tmp_path):
    corpus, other = both
    options = {
        "training": Training(epochs=3, learning_rate=0.01),
        "stages": [Stage("both", terms={"pairs": OnAuxiliary, "which": CorpusConfusion}, auxiliary=other)],
    }
    whole = affect.fit(model_of(corpus), corpus, **options)
    with pytest.raises(StopError):
        affect.fit(model_of(corpus), corpus, **options, folder=tmp_path, callbacks=[StopAt(1, 0)])
    resumed = affect.fit(model_of(corpus), corpus, **options, folder=tmp_path)
    assert resumed.history.drop(columns=TIMES).equals(whole.history.drop(columns=TIMES))
    turned = replace(other, splits={**other.splits, "train": other["train"].take(np.arange(100))})
    stages = [replace(options["stages"][0], auxiliary=turned)]
    with pytest.raises(ConfigError, match="auxiliary"):
        affect.fit(model_of(corpus), corpus, **{**options, "stages": stages}, folder=tmp_path)


def test_what_it_lacks_is_absent_and_its_labels_are_not_learned(both, caplog):
    corpus, other = both
    half = {
        name: replace(split, modalities={"text": split.modalities["text"]}, targets={})
        for name, split in other.splits.items()
    }
    bare = affect.Corpus("bare", half, {}, aligned=True)
    stage = Stage("both", terms={"near": partial(CorpusAlignment, of="text")}, auxiliary=bare)
    run = affect.fit(model_of(corpus), corpus, training=Training(epochs=1), stages=[stage])
    assert (
        "stages: both: auxiliary: bare: it has no visual, which is absent from every sample of it"
        in caplog.text
    )
    assert run.history["term: near"].item() != 0


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"near": partial(CorpusAlignment, of="txt")}, "of: no 'txt'; did you mean 'text'"),
        ({"near": partial(CorpusAlignment, distance="mdm")}, "distance: no 'mdm'; did you mean 'mmd'"),
        ({"on": partial(OnAuxiliary, term=SupervisedContrast)}, "SupervisedContrast needs labels"),
        ({"on": partial(OnAuxiliary, term=CorpusAlignment)}, "CorpusAlignment needs auxiliary"),
    ],
)
def test_wrong_terms_are_one_line(both, terms, message):
    corpus, other = both
    with pytest.raises(ConfigError, match=message):
        affect.fit(model_of(corpus), corpus, stages=[Stage("both", terms=terms, auxiliary=other)])


def test_a_corpus_that_no_term_looks_at_is_refused(both):
    stage = Stage("both", terms={"bind": Contrast}, auxiliary=both[1])
    with pytest.raises(ConfigError, match="auxiliary: no term looks at that corpus"):
        affect.fit(model_of(both[0]), both[0], stages=[stage])


def test_without_another_corpus_it_is_refused(both):
    with pytest.raises(ConfigError, match="CorpusAlignment needs auxiliary, another corpus; give its stage"):
        affect.fit(model_of(both[0]), both[0], terms={"near": CorpusAlignment})


def test_several_devices_are_refused(both):
    stage = Stage("both", terms={"near": CorpusAlignment}, auxiliary=both[1])
    with pytest.raises(ConfigError, match="an auxiliary corpus is for one device, got 2"):
        affect.fit(
            model_of(both[0]), both[0], training=Training(devices=2, accelerator="cpu"), stages=[stage]
        )


def test_other_features_are_refused(both):
    stage = Stage(
        "both", terms={"near": CorpusAlignment}, auxiliary=affect.load("synthetic:mosi_unaligned:24")
    )
    with pytest.raises(
        ConfigError, match="stages: both: auxiliary: synthetic:mosi_unaligned:24: the model needs"
    ):
        affect.fit(model_of(both[0]), both[0], stages=[stage])


def test_from_files_it_is_part_of_what_makes_a_run_stale(tmp_path, caplog):
    small(tmp_path / "whole.affect")
    small(tmp_path / "data" / "other.affect", shift=1.0)
    content = {
        "corpus": "whole.affect",
        "model": {"width": 4},
        "training": {"epochs": 1},
        "stages": [{
            "name": "both", "auxiliary": "data/other.affect",
            "terms": {"pairs": {"class_path": "OnAuxiliary", "init_args": {"term": "Contrast"}}},
        }],
    }  # fmt: skip
    (tmp_path / "both.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    call = ["train", str(tmp_path / "both.yaml"), "--out", str(tmp_path / "runs")]
    main(call)
    (run,) = find([tmp_path / "runs"])
    assert run.facts["stage_corpora"].keys() == {"both: auxiliary"}
    first = run.table("history")["term: pairs"].item()
    assert first > 0
    main(call)  # nothing to do
    assert find([tmp_path / "runs"])[0].facts["ran_on"] == run.facts["ran_on"]
    corpus = affect.load("synthetic:interaction")
    other = {name: replace(corpus[name].take(np.arange(30, 54)), targets={}) for name in ("train", "valid")}
    save(affect.Corpus("small", other, {}), tmp_path / "data" / "other.affect")  # without labels
    main(call)
    assert "data/other.affect" in caplog.text
    assert find([tmp_path / "runs"])[0].table("history")["term: pairs"].item() != first
    again = find([tmp_path / "runs"])[0]
    assert again.terms(again.model())["pairs"].weight == 0.1


def test_terms_on_it_choose_no_epoch(both):
    """There is no batch of it beside the validation split."""
    terms = {"near": CorpusAlignment, "which": CorpusConfusion, "pairs": OnAuxiliary}
    stage = Stage("both", supervised=0, terms=terms, auxiliary=both[1])
    with pytest.raises(
        ConfigError, match="an auxiliary corpus, got near, which, pairs; name one, such as Contrast"
    ):
        affect.fit(model_of(both[0]), both[0], stages=[stage, Stage("label")])
    stage = replace(stage, terms={**terms, "bind": Contrast})
    run = affect.fit(model_of(both[0]), both[0], training=Training(epochs=1), stages=[stage, Stage("label")])
    assert np.isfinite(run.history["term: near"][0])


@pytest.mark.parametrize(
    ("term", "message"),
    [
        (CorpusAlignment, "CorpusAlignment needs auxiliary, another corpus; give its stage an `auxiliary`"),
        (FeatureDistillation, "FeatureDistillation needs teacher, a model to learn from; give a `teacher`"),
    ],
)
def test_what_no_fusion_offers_is_asked_for_by_its_name(both, term, message):
    with pytest.raises(ConfigError, match=message):
        affect.fit(model_of(both[0]), both[0], terms={"t": term})


def test_a_memory_that_is_not_by_sample_is_not_listed_as_such():
    lines = {line.split()[0]: line for line in listing("terms", [])}
    assert "a memory by sample" in lines["GeneratedLabels"]
    for name in ("OnAuxiliary", "MomentumContrast", "Prototypes", "GradientBlending"):
        assert "a memory, " in lines[name]
