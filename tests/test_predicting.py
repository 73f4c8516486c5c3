"""What a finished run takes for the features that it learned from."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml

import affect
from affect.cli import main
from affect.data.native import save
from affect.data.provenance import Provenance
from affect.errors import ConfigError
from affect.runs import predict

FACES = ("AU01", "AU02", "AU04", "AU06", "AU07", "AU09")
MADE = Provenance("OpenFace 2", version="2.2", clock="recording", rate=30.0)


def a_corpus():
    corpus = affect.load("synthetic")
    return replace(corpus, columns={"visual": FACES}, provenance={"visual": MADE})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run on named features."""
    folder = tmp_path_factory.mktemp("run")
    save(a_corpus(), folder / "corpus.safetensors")
    content = {"corpus": "corpus.safetensors", "training": {"epochs": 1}, "model": {"width": 4}}
    (folder / "a.yaml").write_text(yaml.safe_dump(content))
    main(["train", str(folder / "a.yaml"), "--out", str(folder / "runs")])
    return next((folder / "runs").glob("*/seed0-fold0"))


def test_the_native_file_keeps_names_and_provenance(tmp_path):
    save(a_corpus(), tmp_path / "a.safetensors")
    again = affect.load(tmp_path / "a.safetensors")
    assert (again.columns, again.provenance) == ({"visual": FACES}, {"visual": MADE})
    assert again.select(["text"]).columns == again.select(["text"]).provenance == {}


def test_a_corpus_without_labels_is_predicted(run, tmp_path, caplog):
    corpus = a_corpus()
    bare = {name: replace(split, targets={}) for name, split in corpus.splits.items()}
    save(replace(corpus, splits=bare, targets={}, main="", ceiling={}), path := tmp_path / "bare.safetensors")
    kept = pd.read_csv(run / "predictions.csv").query("split == 'test'")["prediction"]
    assert predict(run, path)["prediction"].to_numpy() == pytest.approx(kept.to_numpy(), abs=1e-5)
    assert re.fullmatch(
        r"bare\.safetensors: not corpus\.safetensors, which the run was made with: SHA-256 \w{8}, and \w{8} there",
        caplog.messages[0],
    )
    assert caplog.messages[1:] == [f"{path}: it has no labels, so there are predictions alone"]


def test_a_modality_that_is_not_there_is_absent_and_said(run, tmp_path, caplog):
    save(a_corpus().select(["text", "acoustic"]), path := tmp_path / "two.safetensors")
    said = predict(run, path)["prediction"].to_numpy()
    assert caplog.messages[1:] == [f"{path}: it has no visual, which is absent from every sample of it"]
    test = a_corpus()["test"]
    gone = test.modalities["visual"].keep(np.zeros(test.modalities["visual"].total, dtype=bool))
    lacking = replace(test, modalities={**test.modalities, "visual": gone})
    model = affect.runs.load_model(run)
    assert said == pytest.approx(affect.training.predict(model, lacking)["prediction"].to_numpy(), abs=1e-5)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"columns": {"visual": (*FACES[:5], "AU45")}}, "expected column AU09, got AU45"),
        (
            {"columns": {"visual": FACES[::-1]}},
            "the same columns in another order: expected AU01, AU02, AU04, AU06, AU07, AU09, "
            "got AU09, AU07, AU06, AU04, AU02, AU01",
        ),
        ({"provenance": {"visual": replace(MADE, extractor="py-feat")}}, "expected extractor OpenFace 2, got py-feat"),
        ({"provenance": {"visual": replace(MADE, version="2.0")}}, "expected version 2.2, got 2.0"),
    ],
)  # fmt: skip
def test_other_features_of_the_same_number_are_refused(run, tmp_path, change, why):
    save(replace(a_corpus(), **change), path := tmp_path / "other.safetensors")
    with pytest.raises(
        ConfigError, match=f"^{re.escape(f'{path}: visual is not what {run} learned from: {why}')}$"
    ):
        predict(run, path)


def test_what_a_file_does_not_say_is_not_held_against_it(run, tmp_path):
    plain = replace(a_corpus(), columns={}, provenance={"visual": Provenance(clock="sample", rate=5.0)})
    save(plain, path := tmp_path / "plain.safetensors")
    assert len(predict(run, path)) == 400


def test_nothing_that_it_reads_and_other_sizes_are_refused(run, tmp_path):
    corpus = affect.load("synthetic")
    text = {name: split.modalities["text"] for name, split in corpus.splits.items()}
    save(corpus.with_modality("ecg", text).select(["ecg"]), path := tmp_path / "ecg.safetensors")
    with pytest.raises(
        ConfigError, match=f"^{re.escape(f'{path}: {run} needs acoustic, text, visual, got ecg')}$"
    ):
        predict(run, path)
    save(corpus.with_modality("visual", text), path)
    message = f"{path}: {run} needs visual with feature size 6, got 8"
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        predict(run, path)


def test_a_corpus_without_labels_is_not_trained_on(tmp_path):
    corpus = affect.load("synthetic")
    bare = {name: replace(split, targets={}) for name, split in corpus.splits.items()}
    save(replace(corpus, splits=bare, targets={}, main="", ceiling={}), tmp_path / "bare.safetensors")
    (tmp_path / "a.yaml").write_text(yaml.safe_dump({"corpus": "bare.safetensors"}))
    with pytest.raises(SystemExit, match="the corpus has no labels, so there is nothing to learn from it$"):
        main(["train", str(tmp_path / "a.yaml"), "--out", str(tmp_path / "runs")])


def test_a_configuration_says_how_its_corpus_is_read(tmp_path, capsys):
    rows = [f"s{i},{i % 3},{['train', 'valid', 'test'][i % 7 % 3]},{i * 0.1},{i % 5}" for i in range(42)]
    (tmp_path / "t.csv").write_text("\n".join(["id,emotion,split,ecg.hr,ecg.confidence", *rows]))
    content = {
        "corpus": "t.csv", "targets": {"emotion": {"kind": "multiclass"}}, "columns": ["confidence"],
        "training": {"epochs": 1}, "model": {"width": 4},
    }  # fmt: skip
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(content))
    main(["train", str(tmp_path / "a.yaml"), "--out", str(tmp_path / "runs")])
    (folder,) = (tmp_path / "runs").glob("*/seed0-fold0")
    assert "accuracy" in set(pd.read_csv(folder / "results.csv")["metric"])
    capsys.readouterr()
    main(["predict", str(folder), str(tmp_path / "t.csv")])  # its corpus is read as the run's was
    assert capsys.readouterr().out.startswith("id,step,prediction.0,prediction.1,prediction.2\n")
    (tmp_path / "a.yaml").write_text(yaml.safe_dump({**content, "duplicates": "sum"}))
    with pytest.raises(
        SystemExit, match=r"a.yaml: duplicates: no 'sum'; known: first, keep, number, refuse$"
    ):
        main(["train", str(tmp_path / "a.yaml"), "--out", str(tmp_path / "runs")])


def test_the_command_line_says_how_a_corpus_is_read(tmp_path, capsys):
    rows = ["a,0,1.5", "b,1,2.5", "c,2,0.5"]
    (tmp_path / "t.csv").write_text("\n".join(["id,emotion,ecg.hr", *rows]))
    main(["inspect", str(tmp_path / "t.csv"), "--target", "emotion:multiclass"])
    assert "MultiClass" in capsys.readouterr().out
    out = tmp_path / "t.safetensors"
    main(["convert", str(tmp_path / "t.csv"), str(out), "--target", "emotion:multiclass"])
    assert affect.load(out).target().classes == ("0", "1", "2")
    with pytest.raises(SystemExit):
        main(["convert", str(tmp_path / "t.csv"), str(out), "--target", "emotion"])
    assert "expected NAME:KIND such as emotion:multiclass, got 'emotion'" in capsys.readouterr().err


def test_what_a_run_was_told_of_its_corpus_does_not_bind_another(tmp_path, caplog):
    head = "id,y,split,wav2vec2.0.a,wav2vec2.0.b,ecg.confidence,ecg.hr"
    rows = [
        f"s{i},{i % 5},{['train', 'valid', 'test'][i % 3]},{i},{i % 4},{i % 7},{i % 5}" for i in range(42)
    ]
    (tmp_path / "t.csv").write_text("\n".join([head, *rows]))
    content = {
        "corpus": "t.csv", "columns": ["confidence"], "prefixes": ["wav2vec2.0"], "duplicates": "number",
        "training": {"epochs": 1}, "model": {"width": 4},
    }  # fmt: skip
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(content))
    main(["train", str(tmp_path / "a.yaml"), "--out", str(tmp_path / "runs")])
    (folder,) = (tmp_path / "runs").glob("*/seed0-fold0")
    caplog.clear()
    (tmp_path / "ecg.csv").write_text("id,ecg.confidence,ecg.hr\na,1,2\nb,2,3\n")
    assert predict(folder, tmp_path / "ecg.csv")["id"].tolist() == ["a", "b"]
    (tmp_path / "wav.csv").write_text("id,wav2vec2.0.a,wav2vec2.0.b\na,1,2\n")
    assert len(predict(folder, tmp_path / "wav.csv")) == 1
    said = [message.rpartition(": ")[2] for message in caplog.messages]
    assert [one for one in said if one.startswith("it has") and "labels" not in one] == [
        "it has no wav2vec2.0, which is absent from every sample of it",
        "it has no ecg, which is absent from every sample of it",
    ]
    with pytest.raises(ConfigError, match="columns: no column 'confidenc'"):
        predict(folder, tmp_path / "ecg.csv", columns=["confidenc"])
