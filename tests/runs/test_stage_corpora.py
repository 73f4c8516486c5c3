"""A stage with a corpus of its own, in a file: read as that of the whole, and part of what makes a run stale."""

import json
from dataclasses import replace
from functools import partial

import pandas as pd
import pytest
import yaml
from small_corpus import small
from stopped import StopError

import affect
from affect.cli import main
from affect.data import factors
from affect.errors import ConfigError, DataError
from affect.objectives.terms import Contrast
from affect.runs import FinishedRun
from affect.runs.comparable import check_comparable
from affect.runs.planning import check_jobs, jobs_of
from affect.training import Stage, Training

PAIRS = {
    "name": "pairs", "supervised": 0, "training": {"epochs": 2},
    "terms": {"bind": {"class_path": "Contrast", "init_args": {"width": 4}}},
}  # fmt: skip
SHARED = {
    "corpus": "synthetic:shared:5%labelled",
    "model": {"width": 4},
    "training": {"epochs": 3, "learning_rate": 0.01},
    "stages": [{**PAIRS, "corpus": "synthetic:shared:20%labelled"}, {"name": "labels"}],
}
FILES = {
    **SHARED,
    "corpus": "whole.affect",
    "training": {"epochs": 1},
    "stages": [{**PAIRS, "training": {}, "corpus": "data/pairs.affect"}, {"name": "labels"}],
}


def written(folder, content, name="staged.yaml"):
    path = folder / name
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def with_stage(**changes):
    first, *rest = FILES["stages"]
    return {**FILES, "stages": [{**first, **changes}, *rest]}


@pytest.fixture
def files(tmp_path):
    """A configuration of two small files."""
    small(tmp_path / "whole.affect")
    small(tmp_path / "data" / "pairs.affect", shift=1.0)
    return written(tmp_path, FILES)


def test_one_file_learns_from_two_corpora_and_goes_on_after_a_kill(monkeypatch, tmp_path, caplog, capsys):
    monkeypatch.setattr(factors, "SAMPLES", {"train": 40, "valid": 20, "test": 10})
    path, out = written(tmp_path, SHARED), tmp_path / "out"
    (job,), (whole,) = (jobs_of(path, folder) for folder in (out, tmp_path / "whole"))
    epochs = []

    def stop(*told):
        epochs.append(told)
        if len(epochs) == 6:  # each stage says 0 first
            raise StopError

    with pytest.raises(StopError):
        job.run(progress=stop)
    main(["train", str(path), "--out", str(out)])
    place = job.folder.resolve()
    assert f"fit: {place}: the stage 'labels' goes on after epoch 0, the best so far" in caplog.messages
    run, plain = FinishedRun.read(job.folder), FinishedRun.read(whole.run())
    assert run.history["stage"].tolist() == 2 * ["pairs"] + 3 * ["labels"]
    times = ["seconds", "epoch_seconds"]
    pd.testing.assert_frame_equal(run.history.drop(columns=times), plain.history.drop(columns=times))
    assert run.facts["corpus"]["name"] == "synthetic:shared:5%labelled"
    assert run.facts["stage_corpora"]["pairs"]["name"] == "synthetic:shared:20%labelled"
    caplog.clear()
    main(["train", str(path), "--out", str(out)])
    assert "1 runs finished before, 0 to do" in caplog.messages
    assert capsys.readouterr().out.count("test mae") == 2
    edited = [{**PAIRS, "corpus": "synthetic:shared:50%labelled"}, {"name": "labels"}]
    (other,) = jobs_of(written(tmp_path, {**SHARED, "stages": edited}), out)
    assert other.folder != job.folder


def test_what_a_stage_learned_from_is_what_its_own_corpus_holds(files, tmp_path):
    own, of_whole = (
        written(tmp_path, with_stage(corpus=named), f"{name}.yaml")
        for name, named in (("own", "synthetic:interaction"), ("of_whole", None))
    )
    one, other = (FinishedRun.read(jobs_of(path, tmp_path / "out")[0].run()) for path in (own, of_whole))
    kept = affect.load_run(one.folder)
    assert kept.history["loss"][0] != other.history["loss"][0]
    assert "stage_corpora" not in other.facts
    bind = {"bind": partial(Contrast, width=4)}
    pairs = Stage("pairs", supervised=0, terms=bind, corpus=affect.load("synthetic:interaction"))
    staged = [pairs, Stage("labels")]
    corpus = affect.load(tmp_path / "whole.affect")
    model = affect.FusionModel.for_corpus(corpus, seed=0, width=4)
    by_hand = affect.fit(model, corpus, training=Training(epochs=1), stages=staged)
    assert by_hand.history["loss"].tolist() == kept.history["loss"].tolist()
    saved = FinishedRun.read(by_hand.save(tmp_path / "saved"))
    assert saved.content["stages"][0]["corpus"] == one.content["stages"][0]["corpus"]
    assert saved.facts["stage_corpora"] == one.facts["stage_corpora"]


def test_an_edited_corpus_of_a_stage_makes_a_run_stale(files, tmp_path):
    (job,), (again,) = (jobs_of(files, tmp_path / out) for out in ("out", "again"))
    first = FinishedRun.read(job.run())
    place = tmp_path.resolve() / "data" / "pairs.affect"
    assert first.content["stages"][0]["corpus"] == str(place)
    facts = json.loads((job.folder / "run.json").read_text())["stage_corpora"]["pairs"]
    assert (
        facts["sha256"]
        == facts["content"]
        == FinishedRun.read(job.folder).facts["stage_corpora"]["pairs"]["content"]
    )
    assert job.done
    small(place, shift=2.0)
    assert job.changes() == [f"the corpus {place} of the stage 'pairs' has other content"]
    second = FinishedRun.read(again.run())
    with pytest.raises(DataError, match="were made from 2 contents of it") as told:
        check_comparable([first, second])
    assert str(told.value).startswith(f"{place}: ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"corpus": "synthetic:shared"},
            "stages: pairs: corpus: acoustic of synthetic:shared has feature size 20, and that of small has "
            "5; choose a corpus of the same features",
        ),
        (
            {"corpus": "synthetic:sared"},
            "stages: pairs: corpus: no generated corpus 'synthetic:sared'; did you mean 'shared'?",
        ),
        ({"corpus": "nowhere.affect"}, "stages: pairs: corpus: "),
        (
            {"corpus": ["a"]},
            "stages: pairs: corpus: expected a file or a name, got ['a']",
        ),
        (
            {"supervised": 1, "corpus": "synthetic:additive"},
            "stages: the last",
        ),
    ],
)
def test_a_corpus_that_does_not_fit_is_one_line_before_anything_begins(
    change, message, files, monkeypatch, tmp_path
):
    monkeypatch.setattr(factors, "SAMPLES", {"train": 20, "valid": 10, "test": 5})
    content = with_stage(**change)
    if message == "stages: the last":
        content["stages"] = content["stages"][:1]
    path = written(tmp_path, content)
    with pytest.raises((ConfigError, DataError)) as told:
        check_jobs(jobs_of(path, tmp_path / "out"), path)
    assert str(told.value).startswith(f"{path}: {message}")
    assert "\n" not in str(told.value)
    assert not (tmp_path / "out").exists()


def test_a_corpus_without_the_label_is_for_a_stage_that_learns_none():
    corpus = affect.load("synthetic:additive")
    bare = {name: replace(corpus[name], targets={}) for name in ("train", "valid")}
    other = affect.Corpus("bare", bare, {})
    model = affect.FusionModel.for_corpus(corpus, width=4)
    with pytest.raises(ConfigError) as told:
        affect.fit(model, corpus, stages=[Stage("more", corpus=other), Stage("labels")])
    assert str(told.value).startswith("stages: more: corpus: bare has not the target ")
    narrow = affect.Corpus("narrow", corpus.select(["text"]).splits, corpus.targets)
    with pytest.raises(ConfigError) as told:
        affect.fit(model, corpus, stages=[Stage("more", corpus=narrow), Stage("labels")])
    assert str(told.value) == (
        "stages: more: corpus: narrow has no acoustic, which the model reads; it has text"
    )


def test_a_corpus_that_no_configuration_can_name_is_not_saved(tmp_path):
    corpus = affect.load("synthetic:additive")
    own = affect.Corpus("own", corpus.splits, corpus.targets)
    model = affect.FusionModel.for_corpus(corpus, width=4)
    run = affect.fit(
        model, corpus, training=Training(epochs=1), stages=[Stage("more", corpus=own), Stage("labels")]
    )
    with pytest.raises(
        ConfigError, match="more: corpus: learns from a corpus of its own that a configuration cannot"
    ):
        run.save(tmp_path / "run")
