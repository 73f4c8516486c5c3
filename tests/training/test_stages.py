"""Trainings in stages: weights and terms are handed on, a kill inside any stage changes nothing."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
import yaml
from lightning.pytorch.callbacks import Callback
from stopped import StopAt, StopError

import affect
from affect.benchmark import jobs, load
from affect.data.factors import SharedFactors
from affect.data.ragged import Ragged
from affect.errors import ConfigError
from affect.objectives.terms import Contrast, ModalityTargets, Term
from affect.runs import FinishedRun
from affect.training import Stage, Training

BIND = {"bind": partial(Contrast, width=8)}
SHORT = Training(epochs=3, learning_rate=0.01)
TIMES = ["seconds", "epoch_seconds"]


@pytest.fixture(scope="module")
def corpus():
    return affect.load("synthetic")


def model_of(corpus):
    return affect.FusionModel.for_corpus(corpus, seed=0, width=8)


def stages(**first):
    options = {"supervised": 0, "terms": BIND, **first}
    return [Stage("pairs", **options), Stage("labels", terms=BIND, frozen=["encoders.text"])]


def same(one, other):
    states = one.state_dict(), other.state_dict()
    return states[0].keys() == states[1].keys() and all(
        torch.equal(x, states[1][k]) for k, x in states[0].items()
    )


@pytest.fixture(scope="module")
def few(corpus):
    """The same corpus, of 100 samples."""
    splits = {name: corpus[name].take(np.arange(count)) for name, count in (("train", 60), ("valid", 40))}
    return affect.Corpus("few", splits, corpus.targets)


@pytest.fixture(scope="module")
def whole(few):
    """Trained on it in stages, without a kill."""
    return affect.fit(model_of(few), few, training=SHORT, stages=stages())


@pytest.mark.parametrize(("stage", "epoch"), [(0, 1), (0, 2), (1, 0), (1, 2)])
def test_a_kill_inside_any_stage_changes_nothing(few, whole, stage, epoch, tmp_path, caplog):
    options = {"training": SHORT, "stages": stages()}
    with pytest.raises(StopError):
        affect.fit(model_of(few), few, **options, folder=tmp_path, callbacks=[StopAt(epoch, stage)])
    resumed = affect.fit(model_of(few), few, **options, folder=tmp_path)
    own = whole.history[whole.history["stage"] == ["pairs", "labels"][stage]].head(epoch)
    place, name = [(tmp_path / "stages" / "0-pairs", "pairs"), (tmp_path, "labels")][stage]
    best = own["loss"].argmin() if epoch else None
    assert [line for line in caplog.messages if "goes on" in line] == (
        [f"fit: {place}: the stage '{name}' goes on after epoch {best}, the best so far"] if epoch else []
    )
    assert resumed.history.drop(columns=TIMES).equals(whole.history.drop(columns=TIMES))
    assert same(whole.model, resumed.model)
    assert same(whole.terms, resumed.terms)


def test_a_stage_that_is_over_is_not_learned_again(corpus, tmp_path, caplog):
    options = {"training": Training(epochs=2), "stages": stages(), "folder": tmp_path}
    with pytest.raises(StopError):
        affect.fit(model_of(corpus), corpus, **options, callbacks=[StopAt(0, stage=1)])
    starts = []

    class Counts(Callback):
        def on_train_epoch_start(self, trainer, learner):
            starts.append(trainer.current_epoch)

    with caplog.at_level("INFO", logger="affect"):
        affect.fit(model_of(corpus), corpus, **options, callbacks=[Counts()])
    assert starts == [0, 1]
    assert "the stage is over, and is not learned again" in caplog.text


def test_without_labels_nothing_of_them_is_learned(corpus):
    labels = np.zeros((len(corpus["train"]), 1), np.float32)
    train = replace(corpus["train"], targets={"sentiment": Ragged.vectors(labels)})
    other = replace(corpus, splits={**corpus.splits, "train": train})
    pairs = [
        Stage("pairs", supervised=0, terms=BIND),
        Stage("labels", training=Training(epochs=1, learning_rate=1e-12)),
    ]
    runs = [
        affect.fit(model_of(corpus), own, training=Training(epochs=1), stages=pairs)
        for own in (corpus, other)
    ]
    assert same(runs[0].model.encoders, runs[1].model.encoders)
    assert runs[0].history.iloc[0][["loss: supervised", "gradient: supervised"]].tolist() == [0, 0]


def test_what_was_learned_is_handed_on(corpus):
    first = affect.fit(model_of(corpus), corpus, training=Training(epochs=2), stages=[
        Stage("pairs", supervised=0, terms=BIND),
        Stage("labels", terms=BIND, training=Training(epochs=1, learning_rate=1e-12, weight_decay=0.0)),
    ])  # fmt: skip
    alone = affect.fit(model_of(corpus), corpus, training=Training(epochs=1, learning_rate=1e-12), terms=BIND)
    assert first.terms["bind"].warmth.item() != alone.terms["bind"].warmth.item()
    assert not same(first.model.encoders, alone.model.encoders)
    assert first.history["epoch"].tolist() == [0, 1, 2]
    assert first.history["stage"].tolist() == ["pairs", "pairs", "labels"]
    assert first.best_epoch == 2


def test_frozen_parts_stay_and_learn_again_afterwards(corpus):
    model = model_of(corpus)
    before = {name: x.clone() for name, x in model.state_dict().items()}
    only = [Stage("a", frozen=["encoders", "head"], terms=BIND)]
    run = affect.fit(model, corpus, training=Training(epochs=1), stages=only)
    after = run.model.state_dict()
    for name, x in before.items():
        if name.startswith(("encoders", "head.layers")):
            assert torch.equal(after[name], x), name
    moved = [name for name, x in before.items() if not torch.equal(after[name], x)]
    assert moved
    assert all(name.startswith("fusion") for name in moved)
    assert all(p.requires_grad for p in model.parameters())


def test_validation_of_a_stage_without_labels_draws_the_same_every_epoch(corpus):
    class Drawn(Term):
        def forward(self, seen):
            return seen.output.fused.values.sum() * 0 + seen.draw % 1000

    still = Training(epochs=3, learning_rate=1e-12)
    run = affect.fit(
        model_of(corpus), corpus, training=still,
        stages=[Stage("a", supervised=0, terms={"d": Drawn}), Stage("b", training=Training(epochs=1))],
    )  # fmt: skip
    assert run.history["loss"][:3].nunique() == 1
    assert run.history["term: d"][:3].nunique() == 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([Stage("a"), Stage("a")], "two are called 'a'"),
        ([Stage("a", supervised=0, terms=BIND)], "the last, 'a', has to learn the label"),
        (
            [Stage("a", supervised=0), Stage("b")],
            "expected a term with a weight by which the epoch is chosen",
        ),
        (
            [Stage("a", frozen=["encoder"]), Stage("b")],
            "frozen: no module 'encoder'; did you mean 'encoders'",
        ),
        ([Training()], "expected affect.training.Stage, got"),
        (Stage("a"), "expected a list of affect.training.Stage"),
    ],
)
def test_wrong_stages_are_one_line(given, message, corpus):
    with pytest.raises(ConfigError) as told:
        affect.fit(model_of(corpus), corpus, stages=given)
    assert message in str(told.value)
    assert "\n" not in str(told.value)


def test_a_stage_says_what_it_takes():
    for options, message in (
        ({"supervised": -1}, "stages: s: supervised must be at least 0"),
        ({"terms": ["Contrast"]}, "stages: s: terms: expected"),
        ({"training": {"epochs": 3}}, "stages: s: training: expected a Training"),
        ({"frozen": "head"}, "stages: s: frozen"),
        ({"corpus": "synthetic"}, "stages: s: corpus"),
    ):
        with pytest.raises(ConfigError, match=message):
            Stage("s", **options)


CONTENT = {
    "corpus": "synthetic",
    "seeds": [0],
    "model": {"width": 8},
    "training": {"epochs": 2, "learning_rate": 0.01},
    "stages": [
        {
            "name": "pairs", "supervised": 0, "training": {"epochs": 1},
            "terms": {"bind": {"class_path": "Contrast", "init_args": {"width": 8}}},
        },
        {"name": "labels", "frozen": ["encoders.text"]},
    ],
}  # fmt: skip


def test_one_command_and_one_folder(corpus, tmp_path):
    path = tmp_path / "staged.yaml"
    path.write_text(
        yaml.safe_dump({**CONTENT, "models": {"staged": {}, "plain": {"stages": []}}}, sort_keys=False)
    )
    staged, plain = (job.run() for job in jobs(load(path), path, tmp_path / "out"))
    run = affect.load_run(staged)
    assert run.history["stage"].tolist() == ["pairs", "labels", "labels"]
    assert not (staged / "stages").exists()
    assert "stage" not in affect.load_run(plain).history
    by_hand = affect.fit(
        model_of(corpus), corpus, training=Training(epochs=2, learning_rate=0.01),
        stages=[
            Stage("pairs", supervised=0, training=Training(epochs=1, learning_rate=0.01), terms=BIND),
            Stage("labels", frozen=["encoders.text"]),
        ],
    )  # fmt: skip
    kept = affect.load_run(by_hand.save(tmp_path / "by_hand"))
    assert kept.history["stage"].tolist() == run.history["stage"].tolist()
    again = FinishedRun.read(tmp_path / "by_hand").configuration
    assert [one.name for one in again.stages] == ["pairs", "labels"]
    assert again.stages[0].training.epochs == 1
    assert (
        FinishedRun.read(tmp_path / "by_hand").content["stages"][0]["terms"]["bind"]["init_args"]["width"]
        == 8
    )


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ({"pairs": {}}, "stages: expected a list"),
        ([{"nme": "a"}], "stages: no key 'nme'; did you mean 'name'"),
        (
            [{"name": "a", "training": {"epoch": 3}}],
            "stages: a: training: no key 'epoch'; did you mean 'epochs'",
        ),
        ([{"name": "a", "terms": {"b": "Contrst"}}], "stages: a: b: term: no Term 'Contrst'"),
        ([{"name": "a", "training": {"epochs": 0}}], "epochs must be at least 1"),
    ],
)
def test_wrong_stages_of_a_configuration_are_one_line(stages, message, tmp_path):
    from affect.runs.configuration import parse

    with pytest.raises(ConfigError) as told:
        parse({**CONTENT, "stages": stages}, "doc")
    assert message in str(told.value)
    assert "\n" not in str(told.value)


def test_a_bench_of_stages_has_a_page(tmp_path):
    from affect.report import write_pages

    path = tmp_path / "staged.yaml"
    pairs, labels = CONTENT["stages"]
    pairs = {**pairs, "corpus": "synthetic:additive"}
    path.write_text(yaml.safe_dump({**CONTENT, "stages": [pairs, labels], "models": {"staged": {}}}))
    for job in jobs(load(path), path, tmp_path / "out"):
        job.run()
    (page,) = write_pages(tmp_path / "out")
    text = page.read_text(encoding="utf-8")
    assert "term: bind in training" in text
    assert "The stage &#39;pairs&#39; learned from synthetic:additive." in text
    assert "SHA-256 of synthetic:additive, of the stage &#39;pairs&#39; alone" in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"terms": {"supervised": "Contrast"}}, "terms: supervised: is what the label's part is called"),
        ({"terms": {"bnd": None}}, "terms: bnd: is not there to be switched off"),
        (
            {"terms": {"bind": {"class_path": "Contrast", "init_args": {"weight": -1}}}},
            "terms: bind: Contrast: weight",
        ),
        ({"terms": {"alike": "Similarity"}}, "terms: alike: Similarity needs shared"),
        ({"stages": [{"name": "a"}, {"name": "a"}]}, "stages: two are called 'a'"),
        (
            {"stages": [{"name": "a", "supervised": 0, "terms": {"bind": "Contrast"}}]},
            "the last, 'a', has to learn",
        ),
        (
            {"stages": [{"name": "a", "frozen": ["nothing"]}]},
            "frozen: no module 'nothing'; known: encoders, ",
        ),
    ],
)
def test_wrong_terms_and_stages_are_refused_before_anything_begins(change, message, tmp_path):
    from affect.runs.planning import check_jobs, jobs_of

    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump({**{k: x for k, x in CONTENT.items() if k != "stages"}, **change}))
    with pytest.raises(ConfigError) as told:
        check_jobs(jobs_of(path, tmp_path / "out"), path)
    assert str(told.value).startswith(f"{path}: ")
    assert message in str(told.value)
    assert "\n" not in str(told.value)
    assert not (tmp_path / "out").exists()


def test_a_corpus_without_labels_is_refused_in_their_words():
    corpus = affect.load("synthetic:shared:0%labelled")
    with pytest.raises(ConfigError, match="no sample of the split 'train' has a label of 'sentiment'"):
        affect.fit(model_of(corpus), corpus, training=Training(epochs=1))


def test_a_run_keeps_the_terms_of_every_stage(corpus, tmp_path):
    """Also of one that a later stage does not have; a third goes on from what the first has learned."""
    every = [
        *stages()[:1],
        Stage("labels"),
        Stage("both", terms=BIND, training=Training(1, learning_rate=1e-9)),
    ]
    run = affect.fit(model_of(corpus), corpus, training=Training(epochs=1), stages=every[:2])
    longer = affect.fit(model_of(corpus), corpus, training=Training(epochs=1), stages=every)
    again = affect.load_run(run.save(tmp_path / "run"))
    assert same(run.terms, again.terms)
    for name, own in run.terms.state_dict().items():
        torch.testing.assert_close(longer.terms.state_dict()[name], own, rtol=0, atol=1e-6)


def test_a_term_may_read_a_target_that_the_corpus_of_its_stage_alone_has(tmp_path):
    whole = SharedFactors(samples={"train": 40, "valid": 16}, aligned=True).corpus()
    kept = {key: replace(x, targets={"sentiment": x.targets["sentiment"]}) for key, x in whole.splits.items()}
    plain = replace(whole, splits=kept, targets={"sentiment": whole.targets["sentiment"]})
    own = {"own": partial(ModalityTargets, targets={"text": "own_text"}, width=4)}
    every = [Stage("factors", corpus=whole, terms=own), Stage("labels")]
    run = affect.fit(model_of(plain), plain, training=Training(epochs=1), stages=every)
    assert run.terms.targets == ["own_text"]
    assert run.facts["learned_targets"]["own_text"]["name"] == "own_text"
