"""Published settings: what their experiments quote, and that each runs on the shape of its corpus."""

import csv
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml

import affect
from affect.benchmark import Experiment, bench, load, published
from affect.benchmark.experiment import jobs
from affect.data.shapes import SHAPES
from affect.robustness.protocols import protocol
from affect.runs.configuration import parse

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "experiments").glob("*.yaml"))
SHARED = ROOT.parent / "shared" / "published.csv"
SHAPE = {path.stem: path.stem for path in FILES if path.stem in SHAPES} | {"mosi_missing": "mosi_unaligned"}
BENCHED = {
    "iemocap": ["gated shift"],
    "mosei_aligned": ["text", "dynamic graph"],
    "mosei_emotions": ["low-rank"],
    "mosei_unaligned": ["text", "concatenation"],
    "mosi_aligned": ["text", "shared and private"],
    "mosi_context": ["concatenation after LSTMs"],
    "mosi_missing": ["late, dropout"],
    "mosi_unaligned": ["acoustic", "tensor"],
    "sims": ["text", "low-rank"],
}
"""A model or two of each experiment, to run whole; but for those of mosi_context, all of them take a step of training too."""


def path_of(stem):
    return ROOT / "experiments" / f"{stem}.yaml"


def experiment_of(path):
    """Unchecked, which is quick: `test_readme` checks every file."""
    return Experiment(**yaml.safe_load(path.read_text()))


def figures(path):
    with path.open(newline="") as file:
        return [tuple(row) for row in csv.reader(file)]


def quoted(path):
    return yaml.safe_load(path.read_text()).get("published") or []


def is_of(row, entry):
    corpus, setting, model, *_ = row
    return (corpus, setting) == (entry["corpus"], entry["setting"]) and model in entry.get("models", [model])


def test_every_figure_is_quoted_and_every_quotation_finds_figures():
    header, *rows = figures(ROOT / "experiments" / "published.csv")
    assert header == ("corpus", "setting", "model", "metric", "value", "source")
    entries = [(path.stem, entry) for path in FILES for entry in quoted(path)]
    assert entries
    for row in rows:
        assert any(is_of(row, entry) for _, entry in entries), row
        assert float(row[4]) == float(row[4])
        assert row[5]
    for stem, entry in entries:
        mine = [row for row in rows if is_of(row, entry)]
        assert mine, (stem, entry)
        assert {row[2] for row in mine} >= set(entry.get("models", ())), stem
        assert {row[3] for row in mine} >= set(entry.get("metrics", ())), stem
    assert len({row[:4] + row[5:] for row in rows}) == len(rows)


def test_figures_are_those_of_the_shared_table():
    if not SHARED.exists():
        pytest.skip("../shared/published.csv, which the figures were taken from, is not there")
    known = set(figures(SHARED))
    assert [row for row in figures(ROOT / "experiments" / "published.csv") if row not in known] == []


@pytest.mark.parametrize("path", [path for path in FILES if quoted(path)], ids=lambda path: path.stem)
def test_quotations_say_what_they_stand_beside(path):
    experiment = experiment_of(path)
    for entry in experiment.published:
        assert {*entry} <= {"corpus", "setting", "models", "metrics", "score", "differs"}
        assert set(filter(None, entry.get("models", {}).values())) <= set(experiment.models)
        assert set(entry.get("metrics", {}).values()) <= set(experiment.metrics)
        assert not set(entry.get("metrics", {})) & set(experiment.metrics)  # a name of ours needs no other
        if "score" in entry:
            kind, _, curve = entry["score"].partition(", ")
            model = affect.FusionModel.for_corpus(affect.load("synthetic:iemocap:8"))
            assert kind in ("mean", "retained", "area")
            assert curve in {condition.name for condition in protocol(experiment.protocols)(model)}


@pytest.mark.parametrize("stem", sorted(SHAPE.keys() - {"mosi_context"}))
def test_the_comment_names_the_file_and_its_shape(stem):
    text = path_of(stem).read_text()
    comment = [line for line in text.split("\ncorpus:")[0].splitlines() if line.startswith("#")]
    assert 2 <= len(comment) <= 6
    said = " ".join(comment)
    assert yaml.safe_load(text)["corpus"] in said
    assert f"Shape: synthetic:{SHAPE[stem]}." in said
    assert "Nothing was searched" in said


def test_every_shape_has_an_experiment():
    assert set(SHAPE.values()) == set(SHAPES)
    assert SHAPE.keys() == BENCHED.keys()


@pytest.mark.parametrize("stem", sorted(SHAPE.keys() - {"mosi_context"}))
def test_every_model_takes_a_step_on_the_shape(stem, tmp_path):
    path, corpus = path_of(stem), affect.load(f"synthetic:{SHAPE[stem]}:8")
    todo = jobs(replace(experiment_of(path), seeds=[0]), path, tmp_path)
    for job in todo:
        configuration = parse(job.content, f"{stem}: {job.name}")
        model = configuration.model.for_corpus(corpus, configuration.target)
        target = corpus.target(configuration.target).name
        batch = next(iter(affect.batches(corpus["train"], target, batch_size=2)))
        model(batch.inputs).prediction.square().mean().backward()
        moved = torch.stack([own.grad.abs().sum() for own in model.parameters() if own.grad is not None])
        assert torch.isfinite(moved).all(), job.name
        assert moved.sum() > 0, job.name


@pytest.mark.parametrize("stem", SHAPE)
def test_the_experiment_runs_on_the_shape(stem, tmp_path):
    path, models = path_of(stem), BENCHED[stem]
    summary = bench(
        path, tmp_path, quiet=True, corpus=f"synthetic:{SHAPE[stem]}:16", seeds=[0], epochs=1, models=models
    )
    ours = summary[summary["model"].isin(models)]
    assert set(ours["model"]) == set(models)
    assert set(ours["metric"]) == set(experiment_of(path).metrics)
    assert ours["mean"].notna().all()
    results = pd.read_csv(tmp_path / "results.csv")
    assert set(results["corpus"]) == {f"synthetic:{SHAPE[stem]}:16"}
    assert set(summary["model"]) == set(models)  # a published figure is of the corpus, not of its shape
    found = published(load(path), path)
    shown = set(zip(found["model"], found["metric"], strict=True))
    for entry in quoted(path):
        for row in figures(ROOT / "experiments" / "published.csv")[1:]:
            metric = entry.get("metrics", {}).get(row[3], row[3])
            if is_of(row, entry) and metric in set(ours["metric"]) and "score" not in entry:
                assert (f"{row[2]}, published", metric) in shown
