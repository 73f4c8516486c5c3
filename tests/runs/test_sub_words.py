"""Runs whose text is read by a pretrained encoder, from MMSA's files: trained, predicted with, searched, transferred."""

import re
import shutil
from dataclasses import replace

import pandas as pd
import pytest
import yaml

import affect
from affect import papers
from affect.benchmark.experiment import jobs, load
from affect.cli import main
from affect.data.native import save
from affect.errors import ConfigError, DataError
from affect.model import ModelSpec
from affect.runs import check_jobs, due, find, jobs_of, predict
from affect.transfer import transfer_runs
from affect.tuning.search import task_of

transformers = pytest.importorskip("transformers", reason="needs affect[text]")

from small_encoders import bert  # noqa: E402, needs transformers
from spoken_corpus import content, write  # noqa: E402

NAMES = [name for name, own in papers.known().items() if own.tokens]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two corpora, a model, and one epoch of every paper that reads sub-words, beside one that does not."""
    place = tmp_path_factory.mktemp("sub_words")
    (place / "bert").mkdir()
    tokenizer = transformers.AutoTokenizer.from_pretrained(bert(place / "bert"))
    write(place / "aligned.pkl", content(tokenizer))
    write(place / "unaligned.pkl", content(tokenizer, aligned=False, seed=1))
    models = {name: f"paper:{name}" for name in [*NAMES, "lf_dnn"]}
    experiment = {
        "corpus": "aligned.pkl", "tokens": "bert", "target": "sentiment", "seeds": [0], "models": models,
    }  # fmt: skip
    (place / "all.yaml").write_text(yaml.safe_dump(experiment))
    for job in jobs(load(place / "all.yaml").changed(epochs=1), place / "all.yaml", place / "out"):
        job.run()
    return place


def run_of(folder, name):
    return next(run for run in find([folder / "out"]) if run.name == name)


def predictions(run):
    rows = run.table("predictions").query("split == 'test'")
    return rows.set_index("id")["prediction"]


@pytest.mark.parametrize("name", NAMES)
def test_each_reads_sub_words_and_is_predicted_with_from_its_folder(name, folder, tmp_path, monkeypatch):
    run = run_of(folder, name)
    model = run.model()
    assert sorted(model.encoders) == ["acoustic", "tokens", "visual"]
    assert model.indices == ["tokens"]
    assert run.content["tokens"] == str(folder / "bert")
    monkeypatch.chdir(tmp_path)  # nothing of it is relative
    again = predict(run.folder, folder / "aligned.pkl").set_index("id")["prediction"]
    pd.testing.assert_series_equal(again, predictions(run), check_exact=True, check_names=False)
    with pytest.raises(
        DataError, match=re.escape("synthetic:mosi_aligned:24: tokens: no text in train to make")
    ):
        predict(run.folder, "synthetic:mosi_aligned:24")


def test_a_paper_that_says_nothing_of_them_leaves_them_out(folder):
    run = run_of(folder, "lf_dnn")
    assert sorted(run.model().encoders) == ["acoustic", "text", "visual"]
    corpus = affect.load(folder / "aligned.pkl")
    save(replace(corpus, splits={"test": replace(corpus["test"], words=None)}), folder / "bare.safetensors")
    again = predict(run.folder, folder / "bare.safetensors").set_index("id")["prediction"]
    pd.testing.assert_series_equal(again, predictions(run), check_names=False)


def test_they_are_predicted_for_words_and_transferred(folder, tmp_path, caplog):
    run = run_of(folder, "misa")
    table = predict(run.folder, folder / "unaligned.pkl")
    assert table["prediction"].notna().all()
    assert "have more than 1 sub-words" in caplog.text
    transferred = transfer_runs([run], folder / "unaligned.pkl", names=["mae"])
    found = transferred.predictions.set_index("id")["prediction"]
    pd.testing.assert_series_equal(
        found, table.set_index("id")["prediction"].loc[found.index], check_names=False
    )


def test_one_line_trains_one_and_it_is_done_again_with_another_tokenizer(
    folder, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(papers.named("self_mm").training, "epochs", 1)
    model = shutil.copytree(folder / "bert", tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    call = ["paper:self_mm", "--corpus", str(folder / "unaligned.pkl"), "--tokens", "model"]
    main(["train", *call, "--out", "runs"])
    (run,) = find(["runs"])
    assert f"{run.folder}: test " in capsys.readouterr().out
    assert run.content["model"]["encoders"]["tokens"]["init_args"]["model"] == str(model)
    todo = jobs_of(call[0], "runs", corpus=call[2], tokens="model")
    assert due(todo) == []
    tokenizer = model / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text() + "\n")
    assert due(todo) == todo
    assert todo[0].changes() == [f"the tokenizer of {model} is another"]


def test_a_search_reads_them(folder):
    task = task_of(
        "paper:bert_mag", corpus=str(folder / "aligned.pkl"), tokens=str(folder / "bert"), epochs=1
    )
    assert task.content["tokens"] == str(folder / "bert")
    names = [parameter.name for parameter in task.space.parameters]
    assert "model.fusion.GatedShiftFusion.encoder.PretrainedEncoder.learning_rate" in names
    assert task.corpus().dims["tokens"] == 1


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            {},
            "tokens: the model reads indices of sub-words as if they were features; choose other `modalities`, or "
            "encoders: {tokens: PretrainedEncoder}",
        ),
        (
            {"baseline": "KernelSVM"},
            "tokens: the model reads indices of sub-words as if they were features; choose other `modalities`",
        ),
    ],
)
def test_indices_are_no_features(model, message, folder, tmp_path):
    path = folder / "features.yaml"
    path.write_text(
        yaml.safe_dump({"corpus": "unaligned.pkl", "target": "sentiment", "tokens": "bert", "model": model})
    )
    with pytest.raises(ConfigError) as refusal:
        check_jobs(jobs_of(path, tmp_path), path)
    assert str(refusal.value) == f"{path}: {message}"


def test_none_in_the_place_of_an_encoder_leaves_its_modality_out():
    corpus = affect.load("synthetic")
    model = ModelSpec(encoders={"text": None, "odour": None}).for_corpus(corpus)
    assert list(model.encoders) == ["acoustic", "visual"]
    assert sorted(model.scaler.state_dict()) == sorted(
        ModelSpec(modalities=["acoustic", "visual"]).for_corpus(corpus).scaler.state_dict()
    )
    with pytest.raises(ConfigError, match="encoder: no modality 'odour'"):
        ModelSpec(encoders={"odour": affect.encoders.PooledEncoder}).for_corpus(corpus)
