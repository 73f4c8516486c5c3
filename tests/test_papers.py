"""Published models by their names: each can be made, trained and listed, and says how it differs."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

import affect
from affect import papers
from affect.benchmark import load
from affect.cli import main
from affect.data.native import save
from affect.data.ragged import Ragged
from affect.data.targets import Regression
from affect.errors import ConfigError
from affect.papers.files import known
from affect.runs import find
from affect.runs.configuration import parse
from affect.runs.planning import check_parts

LABELLED = ("mtfn", "mlmf", "mlf_dnn")
"""Those that learn people's labels of each modality."""
OF_UTTERANCES = ("bc_lstm", "gcnet", "mmmu_ba")
"""Those that read videos or dialogues, with a label of each utterance."""


@pytest.fixture(scope="module")
def corpora():
    """Small ones: of MMSA's shape, the same with a label of each modality, and one of videos, by their names."""
    corpus = affect.load("synthetic:mosi_unaligned:24")
    own = {f"sentiment_{m}": Regression(f"sentiment_{m}") for m in corpus.dims}
    rng, splits = np.random.default_rng(0), {}
    for name, split in corpus.splits.items():
        labels = {target: Ragged.vectors(rng.normal(size=(len(split), 1)).astype("f4")) for target in own}
        splits[name] = replace(split, targets={**split.targets, **labels})
    labelled = replace(corpus, splits=splits, targets={**corpus.targets, **own})
    found = dict.fromkeys(known(), corpus) | dict.fromkeys(LABELLED, labelled)
    return found | dict.fromkeys(OF_UTTERANCES, affect.load("synthetic:mosi_context:8"))


@pytest.mark.parametrize("name", [name for name, own in known().items() if own.model])
def test_each_is_a_sound_configuration_of_known_parts(name, corpora):
    paper, corpus = papers.named(name), corpora[name]
    assert paper.citation[-4:].isdigit()
    assert paper.about.endswith(".")
    assert paper.differs
    made = parse({"corpus": "synthetic:mosi_unaligned:24", **paper.content}, name)
    model = made.model.for_corpus(corpus, "sentiment")
    check_parts(model, corpus, made, name)
    (batch,) = affect.batches(corpus["test"], "sentiment", batch_size=len(corpus["test"]))
    assert model.eval()(batch.inputs).prediction.isfinite().all()


def test_published_names_stand_among_the_published_figures():
    with (Path(__file__).parents[1] / "experiments" / "published.csv").open() as file:
        rows = {row["model"] for row in csv.DictReader(file)}
    assert {one.published for one in known().values() if one.published} <= rows


def test_one_line_trains_one(tmp_path, capsys):
    main(["train", "paper:lf_dnn", "--corpus", "synthetic:mosi_unaligned:24", "--out", str(tmp_path)])
    (run,) = find([tmp_path])
    assert run.name == "lf_dnn"
    assert f"{run.folder}: test " in capsys.readouterr().out
    own = yaml.safe_load((run.folder / "config.yaml").read_text())
    assert own["training"]["batch_size"] == 128
    assert own["model"]["fusion"]["class_path"] == "affect.fusion.ConcatenationFusion"


def test_those_of_several_labels_learn_them(corpora, tmp_path):
    save(corpora["mtfn"], tmp_path / "labelled.safetensors")
    content = {
        "corpus": "labelled.safetensors", "target": "sentiment", "seeds": [0],
        "models": {"own": "paper:mlf_dnn", "plain": {"training": {"batch_size": 8}}},
    }  # fmt: skip
    (tmp_path / "both.yaml").write_text(yaml.safe_dump(content))
    assert load(tmp_path / "both.yaml").models["own"]["training"]["batch_size"] == 32
    main(["bench", str(tmp_path / "both.yaml"), "--epochs", "1", "--out", str(tmp_path / "out")])
    history = {run.name: run.table("history") for run in find([tmp_path / "out"])}
    assert history["own"]["term: each"].item() > 0
    assert "term: each" not in history["plain"]


def test_it_is_found_by_what_papers_call_it(capsys):
    main(["list", "papers", "infomax"])
    assert capsys.readouterr().out.startswith("mmim  Bounds on the information")
    main(["list", "papers", "mult"])
    assert "Tsai et al., Multimodal Transformer" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (["train", "paper:misa"], "paper:misa: a paper names no corpus; give one (--corpus PATH)"),
        (["train", "paper:miza", "--corpus", "synthetic"], "paper: no 'miza'; did you mean 'misa'"),
        (
            ["train", "paper:mtfn", "--corpus", "synthetic:mosi_unaligned:24"],
            "ModalityTargets: targets: expected a target of the corpus for a modality",
        ),
        (
            ["train", "paper:bert_mag", "--corpus", "synthetic"],
            "paper:bert_mag: its text is read by a pretrained encoder; name one (--tokens MODEL)",
        ),
        (
            ["train", "paper:lmf", "--corpus", "synthetic", "--tokens", "a/b"],
            "paper:lmf: does not say how a pretrained encoder reads its text; those that do: bert_mag, misa, ",
        ),
    ],
)
def test_what_is_wrong_is_one_line(call, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*call, "--out", str(tmp_path)])
    assert message in str(ended.value.code) + capsys.readouterr().err


def test_a_paper_that_is_changed_stays_as_it_is():
    papers.named("tfn").content["model"]["width"] = 1
    assert papers.named("tfn").content["model"]["width"] == 32
    with pytest.raises(ConfigError, match="paper: no 'nobody'"):
        papers.content("paper:nobody")


@pytest.mark.parametrize("name", [name for name, own in known().items() if own.tokens])
def test_what_changes_with_tokens_is_what_its_file_says(name):
    """Every other value is as it was, and every pretrained encoder is the one that was asked for."""
    paper = papers.named(name)
    found = paper.with_tokens("a/b")
    assert found.pop("tokens") == "a/b"
    own = dict(flat(found))
    asked = {key: value for key, value in own.items() if key.endswith("PretrainedEncoder.model")}
    assert set(asked.values()) == {"a/b"}
    told = dict(flat(paper.tokens))
    assert {key: own[key] for key in told} == told
    before = dict(flat(paper.content)) if paper.model else {}
    assert {key: value for key, value in before.items() if own.get(key) != value}.keys() <= told.keys()
    assert own.keys() == before.keys() | told.keys() | asked.keys()
    assert any("--tokens" in line for line in (paper.needs, *paper.differs))


def flat(content, above=""):
    """Values by where they stand; a class is a value, and its arguments stand below its name."""
    for key, value in content.items():
        here = f"{above}.{key}".lstrip(".")
        if isinstance(value, dict) and "class_path" in value:
            yield here, value["class_path"]
            yield from flat(value.get("init_args", {}), f"{here}.{value['class_path']}")
        elif isinstance(value, dict):
            yield from flat(value, here)
        else:
            yield here, str(value)
