"""Published models by their names: each can be made, trained and listed, and says how it differs."""

import csv
from pathlib import Path

import pytest
import torch
import yaml

import affect
from affect import papers
from affect.benchmark import load, settings_said
from affect.cli import main
from affect.data.corpora import CORPORA
from affect.data.native import save
from affect.errors import ConfigError
from affect.papers.files import known
from affect.runs import find
from affect.runs.configuration import parse
from affect.runs.planning import check_parts
from affect.runs.reading import read
from affect.runs.reading import settings_said as whose_settings
from affect.tuning import task_of

LABELLED = ("mtfn", "mlmf", "mlf_dnn")
"""Those that learn people's labels of each modality."""
OF_UTTERANCES = ("bc_lstm", "gcnet", "mmmu_ba")
"""Those that read videos or dialogues, with a label of each utterance."""


@pytest.fixture(scope="module")
def corpora():
    """Small ones: of MMSA's shape, the same with a label of each modality, and one of videos, by their names."""
    corpus = affect.load("synthetic:mosi_unaligned:24")
    found = dict.fromkeys(known(), corpus) | dict.fromkeys(LABELLED, affect.load("synthetic:sims:24"))
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
    for settings, own in paper.by_corpus.items():
        changed = parse({"corpus": "synthetic", **paper.content_for(settings)}, name)
        check_parts(changed.model.for_corpus(corpus, "sentiment"), corpus, changed, name)
        assert settings in CORPORA
        assert paper.settings
        assert (paper.content_for(settings) == paper.content) is (own == {})


def test_published_names_stand_among_the_published_figures():
    with (Path(__file__).parents[1] / "experiments" / "published.csv").open() as file:
        rows = {row["model"] for row in csv.DictReader(file)}
    assert {one.published for one in known().values() if one.published} <= rows


@pytest.mark.parametrize("name", [name for name, own in known().items() if own.modalities])
def test_each_says_which_modalities_it_cannot_do_without(name, corpora):
    paper, corpus = papers.named(name), corpora[name]
    for absent in paper.modalities:
        left = corpus.select([m for m in corpus.dims if m != absent])
        wanted, given = ", ".join(paper.modalities), ", ".join(left.dims)
        said = (
            f"^paper:{name}: needs the modalities {wanted}, got {given}; it cannot be made without {absent}$"
        )
        for ask in (paper, paper.fitting):
            with pytest.raises(ConfigError, match=said):
                ask(left)
        with pytest.raises(ConfigError, match=f"'{absent}'|some modality"):  # as the parts say too
            made_without(paper, left)


@pytest.mark.parametrize("name", [name for name, own in known().items() if own.model and not own.modalities])
def test_the_others_can_do_without_words(name, corpora):
    made_without(papers.named(name), corpora[name].select(["acoustic", "visual"]))


def made_without(paper, corpus):
    """Make a model for a corpus, and its terms."""
    made = parse({"corpus": "synthetic", **paper.content}, paper.name)
    check_parts(made.model.for_corpus(corpus, "sentiment"), corpus, made, paper.name)


def test_figures_are_those_of_the_experiments():
    with (Path(__file__).parents[1] / "experiments" / "published.csv").open() as file:
        rows = [*csv.DictReader(file)]
    names = {one.published for one in known().values() if one.published}
    found = [vars(one) for paper in known().values() for one in papers.figures(paper)]
    expected = [{**row, "value": float(row["value"])} for row in rows if row["model"] in names]
    key = lambda row: (row["model"], row["corpus"], row["setting"], row["metric"])  # noqa: E731  # beside its use
    assert sorted(found, key=key) == sorted(expected, key=key)
    assert papers.figures(papers.named("ctfn")) == []


def test_one_line_trains_one(tmp_path, capsys):
    main(["train", "paper:lf_dnn", "--corpus", "synthetic:mosi_unaligned:24", "--out", str(tmp_path)])
    (run,) = find([tmp_path])
    assert run.name == "lf_dnn"
    said = capsys.readouterr().out
    assert said.startswith("paper:lf_dnn: settings for mosi, as in MMSA 2.2.1\n")
    assert f"{run.folder}: test " in said
    own = yaml.safe_load((run.folder / "config.yaml").read_text())
    assert own["training"]["batch_size"] == 128
    assert own["model"]["fusion"]["class_path"] == "affect.fusion.ConcatenationFusion"


def test_a_configuration_may_begin_with_a_paper(tmp_path, capsys, monkeypatch):
    path = tmp_path / "mine.yaml"
    corpus = "synthetic:mosi_unaligned:24"
    own = {"model": {"encoder": "PooledEncoder", "width": 8}, "training": {"epochs": 1}}
    path.write_text(yaml.safe_dump({"paper": "lf_dnn", "corpus": corpus, **own}))
    main(["train", str(path), "--out", str(tmp_path / "runs")])
    (run,) = find([tmp_path / "runs"])
    assert capsys.readouterr().out.startswith(
        "paper:lf_dnn: settings for mosi, as in MMSA 2.2.1\n"
        f"{path}: encoder: in the place of the paper's own for text too; `encoders` can name another\n"
    )
    made = yaml.safe_load((run.folder / "config.yaml").read_text())
    assert run.name == "mine"
    assert (made["training"]["epochs"], made["training"]["batch_size"], made["model"]["width"]) == (1, 128, 8)
    assert made["model"]["encoders"] == {}
    experiment = load_with(tmp_path / "e.yaml", {"a": {"paper": "lf_dnn", **own["model"]}}, corpus=corpus)
    assert experiment.models["a"]["encoders"] == {}
    assert settings_said(tmp_path / "e.yaml")[1].startswith(
        "a: encoder: in the place of the paper's own for text"
    )
    task = task_of(path)
    assert task.starts["the configuration"].values["training.batch_size"] == 128
    assert read(path, "mosei.pkl")["training"]["batch_size"] != 128
    assert whose_settings(path, "mosei.pkl")[0] == "paper:lf_dnn: settings for mosei, as in MMSA 2.2.1"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"paper": "miza", "corpus": "synthetic"}, "paper: no 'miza'; did you mean 'misa'?"),
        ({"paper": "misa"}, "corpus is missing; expected `paper: NAME` and a corpus"),
        ({"paper": None, "corpus": "synthetic"}, "paper is missing; expected `paper: NAME` and a corpus"),
        (
            {"paper": "lmf", "corpus": "synthetic", "tokens": "a/b"},
            "paper:lmf: does not say how a pretrained",
        ),
        ({"paper": "lmf", "corpus": "synthetic", "model": 3}, "model: expected keys and values, got 3"),
        ({"paper": "lmf", "corpus": "synthetic", "model": {"encoders": 3}}, "model.encoders: expected"),
        ({"paper": "misa", "corpus": "synthetic", "terms": ["alike"]}, "terms: expected a name and a class"),
    ],
)
def test_one_that_begins_with_a_paper_wrongly_is_one_line(content, message, tmp_path, capsys):
    (tmp_path / "m.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(SystemExit) as ended:
        main(["train", str(tmp_path / "m.yaml"), "--out", str(tmp_path)])
    assert f"{tmp_path / 'm.yaml'}: {message}" in str(ended.value.code) + capsys.readouterr().err


def test_an_encoder_for_all_takes_the_place_of_those_of_some():
    lmf, misa = papers.named("lmf").content, papers.named("misa").content_for(tokens="a/b")
    every = {"model": {"encoder": "GRUEncoder"}}
    assert papers.adapted(lmf, every)["model"]["encoders"] == {}
    mine = {"model": {"encoder": "GRUEncoder", "encoders": {"text": {"init_args": {"width": 3}}}}}
    assert papers.adapted(lmf, mine)["model"]["encoders"]["text"]["class_path"] == "LSTMEncoder"
    changed = {"model": {"encoder": {"init_args": {"dropout": 0.0}}}}
    assert papers.adapted(lmf, changed)["model"]["encoders"] == lmf["model"]["encoders"]
    assert papers.adapted(misa, every)["model"]["encoders"] == misa["model"]["encoders"]


def test_terms_of_a_paper_s_stages_can_be_changed_and_switched_off():
    misa, self_mm = papers.named("misa").content, papers.named("self_mm").content
    stages = lambda own: papers.adapted(misa, own)["stages"]  # noqa: E731  # beside its use
    terms = misa["stages"][1]["terms"]
    assert [stage.get("terms", {}) for stage in stages({"terms": {}})] == [{}, {}]
    assert stages({"terms": {"alike": None, "new": "Consistency"}})[1]["terms"].keys() == {"apart", "rebuilt"}
    assert papers.adapted(misa, {"terms": {"alike": None, "new": "Consistency"}})["terms"] == {
        "new": "Consistency"
    }
    louder = {"terms": {"alike": {"init_args": {"weight": 2.0}}}}
    assert stages(louder)[1]["terms"] == terms | {
        "alike": {"class_path": "Similarity", "init_args": {"weight": 2.0}}
    }
    assert papers.adapted(misa, {"stages": [], "terms": {"alike": "Similarity"}}) == {
        **misa, "stages": [], "terms": {"alike": "Similarity"}
    }  # fmt: skip
    assert papers.adapted(self_mm, {"terms": {"own": None}})["terms"] == {}
    assert papers.adapted(self_mm, {"terms": {}})["terms"] == {}
    assert papers.adapted(misa, {}) == misa
    assert papers.named("misa").content == misa


def test_each_is_a_function_of_its_corpus(corpora):
    assert {*known()} <= {*dir(affect.papers)}
    assert affect.papers.misa is papers.named("misa")
    model = affect.papers.misa(corpora["mtfn"], seed=0)
    same = affect.papers.misa(corpora["mtfn"], "sentiment", seed=0, settings="sims")
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), same.parameters(), strict=True))
    fitting = affect.papers.misa.fitting(corpora["mtfn"])
    assert [stage.name for stage in fitting["stages"]] == ["label", "parts"]
    assert (fitting["training"].batch_size, fitting["training"].gradient_clip) == (128, 1.0)
    assert affect.papers.misa.fitting(corpora["mtfn"], settings="")["training"].batch_size == 32
    assert [*affect.papers.self_mm.fitting(corpora["lf_dnn"])] == ["training", "terms"]
    with pytest.raises(AttributeError, match=r"^affect\.papers has no 'miza'; did you mean 'misa'\? known: "):
        _ = affect.papers.miza
    with pytest.raises(ConfigError, match="paper:mtfn: no settings for 'mosi'; known: sims"):
        affect.papers.mtfn(corpora["mtfn"], settings="mosi")
    with pytest.raises(
        ConfigError, match=r"^paper:misa: expected a Corpus, got the text 'mosi\.pkl'; read it"
    ):
        affect.papers.misa("mosi.pkl")


def test_settings_are_those_of_the_corpus_that_is_named(capsys, tmp_path):
    read = {
        corpus: papers.content("paper:mult", corpus)["training"]["learning_rate"]
        for corpus in ("MOSEI/Processed/unaligned_50.pkl", "synthetic:mosei_aligned", "mosi.pkl", "any.pkl")
    }
    assert [*read.values()] == [0.0005, 0.0005, 0.002, 0.002]
    assert papers.content("paper:mult:mosei", "any.pkl") == papers.content("paper:mult", "mosei.pkl")
    heads = papers.content("paper:mult:mosei")["model"]["fusion"]["init_args"]
    assert (heads["width"], heads["heads"], heads["layers"], heads["causal"]) == (30, 6, 4, True)
    assert heads["kernel"] == {"text": 5, "acoustic": 1, "visual": 3}
    assert papers.content("paper:mult") == papers.named("mult").content
    assert papers.said(["paper:ctfn"], "mosi.pkl") == []
    assert papers.said(["paper:misa:mosi"], "any.pkl") == ["paper:misa: settings for mosi, as in MMSA 2.2.1"]
    assert papers.said(["paper:misa", "paper:lmf"], "any.pkl") == [
        "paper:misa, paper:lmf: settings of its file, as any.pkl does not name one that it has others for; "
        "paper:NAME:mosi asks for them (affect list papers NAME)"
    ]
    experiment = {
        "corpus": "synthetic:sims:24",
        "models": {"a": "paper:lmf", "b": "paper:lmf:mosei", "c": {}},
    }
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(experiment))
    widths = {
        name: own.get("width", {}).get("visual") for name, own in load(tmp_path / "e.yaml").models.items()
    }
    assert widths == {"a": 64, "b": 128, "c": None}
    assert settings_said(tmp_path / "e.yaml") == [
        "paper:lmf: settings for sims, as in MMSA 2.2.1", "paper:lmf: settings for mosei, as in MMSA 2.2.1",
    ]  # fmt: skip


def test_a_bench_of_another_corpus_has_the_settings_for_that(tmp_path):
    path = tmp_path / "e.yaml"
    path.write_text("{corpus: synthetic:sims:24, models: {a: 'paper:lmf'}}")
    other = "synthetic:mosei_unaligned:24"
    assert settings_said(path, corpus=other) == ["paper:lmf: settings for mosei, as in MMSA 2.2.1"]
    found, before = load(path, corpus=other).models, load(path).models
    assert found == load_with(path, {"a": "paper:lmf:mosei"}).models != before


def test_a_paper_s_own_training_that_stands_before_the_experiment_s_is_said(tmp_path):
    path = tmp_path / "e.yaml"
    own = {"paper": "ctfn", "training": {"epochs": 2}}
    path.write_text("{corpus: synthetic, training: {epochs: 3, compile: false}, models: {}}")
    load_with(path, {"a": "paper:ctfn", "b": own, "c": {"fusion": "TensorFusion"}})
    epochs = papers.named("ctfn").training["epochs"]
    assert settings_said(path) == [f"a: the paper's own training: epochs {epochs}, not the experiment's 3"]
    assert load_with(path, {"b": own}).models["b"]["training"]["epochs"] == 2


def test_a_key_without_a_value_is_as_if_it_were_not_there(tmp_path):
    path = tmp_path / "e.yaml"
    path.write_text("corpus: synthetic\ntraining:\nstages:\nmodels: {a: 'paper:ctfn'}\n")
    assert (found := load(path)).training == {}
    assert found == load_with(path, found.models)


def load_with(path, models, **others):
    """The experiment of a file that is written anew with these models."""
    before = {} if others else yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**before, **others, "models": models}))
    return load(path)


def test_a_search_starts_from_the_paper_s_configuration():
    task = task_of("paper:misa", corpus="synthetic:sims:24")
    first = task.starts["the configuration"]
    assert task.content["training"]["batch_size"] == first.values["training.batch_size"] == 128
    filled, _ = task.space.fill(lambda parameter: first.values[parameter.name])
    assert filled["stages"][1]["terms"].keys() == {"alike", "apart", "rebuilt"}
    assert filled["training"]["learning_rate"] == 0.0001


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
    main(["list", "papers", "Tsai", "unaligned"])
    assert capsys.readouterr().out.startswith("mult  Each modality")


def test_one_that_is_named_says_all_about_it(capsys):
    main(["list", "papers", "misa"])
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("misa  A shared and a private part")
    assert "paper: Hazarika et al., MISA" in said[2]
    (made,) = (line for line in said if line.startswith("made of: model: "))
    assert (
        ", fusion SharedPrivateFusion(width 128, dropout 0.1, activation relu, hidden 2048, post_norm True)"
        in made
    )
    assert (
        "settings: mosei: model (head (dropout 0.5)), training (batch_size 128, weight_decay 5e-05)" in said
    )
    assert "settings from: MMSA 2.2.1" in said
    assert "differs: gradients are clipped by norm, not by value" in said
    (figures,) = (line for line in said if line.startswith("published: mosi "))
    assert "acc2_nonnegative 0.8184" in figures
    assert figures.endswith("; thuiar/MMSA@a94e65d results/result-stat.md (MAE/Corr divided by 100)")
    main(["list", "papers", "misa:mosei"])
    of_mosei = capsys.readouterr().out.splitlines()
    assert "settings: for mosei" in of_mosei
    (training,) = (line for line in of_mosei if line.startswith("training: "))
    assert "batch_size 128" in training
    assert "weight_decay 5e-05" in training
    assert {line for line in said if line.startswith("published: ")} <= {*of_mosei}
    main(["list", "papers", "bert_mag"])
    assert "PretrainedEncoder(model MODEL, " in capsys.readouterr().out
    with pytest.raises(SystemExit, match="paper:misa: no settings for 'mosie'; did you mean 'mosi'"):
        main(["list", "papers", "misa:mosie"])
    capsys.readouterr()
    main(["list", "papers", "mctn"])
    assert "needs: modalities: text, acoustic, visual\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (["train", "paper:misa"], "paper:misa: a paper names no corpus; give one (--corpus PATH)"),
        (["train", "paper:miza", "--corpus", "synthetic"], "paper: no 'miza'; did you mean 'misa'"),
        (["train", "paper:Self-MM", "--corpus", "synthetic"], "paper: no 'Self-MM'; did you mean 'self_mm'"),
        (
            ["bench", "paper:misa", "--corpus", "synthetic"],
            "paper:misa: one model, for affect train; an experiment's file compares several: "
            'models: {misa: "paper:misa"}',
        ),
        (["tune", "paper:misa"], "paper:misa: a paper names no corpus; give one (--corpus PATH)"),
        (
            ["train", "paper:misa:mosie", "--corpus", "synthetic"],
            "paper:misa: no settings for 'mosie'; did you mean 'mosi'? known: mosei, mosi, sims",
        ),
        (
            ["train", "paper:ctfn:mosi", "--corpus", "synthetic"],
            "paper:ctfn: no settings for 'mosi'; it has none by corpus",
        ),
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
    papers.named("tfn").content["model"]["width"]["text"] = 1
    assert papers.named("tfn").content["model"]["width"]["text"] == 32
    with pytest.raises(ConfigError, match="paper: no 'nobody'"):
        papers.content("paper:nobody")


@pytest.mark.parametrize("name", [name for name, own in known().items() if own.tokens])
def test_what_changes_with_tokens_is_what_its_file_says(name):
    """Every other value is as it was, and every pretrained encoder is the one that was asked for."""
    paper = papers.named(name)
    found = paper.content_for(tokens="a/b")
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


def test_a_model_may_begin_with_a_paper(tmp_path):
    own = {
        "paper": "self_mm",
        "width": 8,
        "terms": {"own": {"class_path": "GeneratedLabels", "init_args": {"middle": 1}}},
    }
    content = {"corpus": "synthetic:mosi_unaligned:24", "models": {"a": own, "b": "paper:self_mm"}}
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(content))
    models = load(tmp_path / "e.yaml").models
    assert {key for key in models["b"] if models["a"][key] != models["b"][key]} == {"width", "terms"}
    assert models["a"].keys() == models["b"].keys()
    assert models["a"]["terms"]["own"]["init_args"] == {"middle": 1}
    content["models"]["a"] = {"paper": "miza"}
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError, match=r"e\.yaml: models: a: paper: no 'miza'; did you mean 'misa'"):
        load(tmp_path / "e.yaml")


@pytest.mark.parametrize("name", ["mfn", "graph_mfn", "tfn", "mult"])
def test_a_corpus_may_have_fewer_modalities(name, corpora):
    corpus = corpora[name].select(["text", "acoustic"])
    assert set(papers.named(name)(corpus, seed=0).fusion.dims) == {"text", "acoustic"}
