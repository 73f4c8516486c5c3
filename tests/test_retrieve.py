"""Search in finished runs: what is stored, when it is stale, the command, and its page."""

import io
import re
from contextlib import redirect_stdout

import numpy as np
import pandas as pd
import pytest
import yaml

import affect
from affect.benchmark import jobs, load
from affect.cli import main
from affect.data.factors import SharedFactors
from affect.data.native import save
from affect.errors import DataError
from affect.model import ModelSpec
from affect.report.gathering import gather_contents
from affect.retrieval import embed
from affect.retrieval import runs as room
from affect.retrieval.runs import RETRIEVAL, runs_to_search, search_run, stored_searches
from affect.runs import find
from affect.runs.configuration import BaselineModel

SAMPLES = {"train": 400, "valid": 60, "test": 300}
BIND = {"class_path": "Contrast", "init_args": {"weight": 1.0, "width": 16}}
ANCHORED = {**BIND, "init_args": {**BIND["init_args"], "anchor": "text"}}


def staged(term, **labels):
    pairs = {"name": "pairs", "supervised": 0, "terms": {"bind": term}}
    return {"stages": [pairs, {"name": "labels", "training": {"epochs": 1}, **labels}]}


EXPERIMENT = {
    "corpus": "shared.safetensors",
    "seeds": [0],
    "training": {"epochs": 6, "batch_size": 32, "learning_rate": 0.01},
    "model": {"encoder": {"class_path": "PooledEncoder", "init_args": {"layers": 0}}, "width": 16},
    "models": {
        "bound": staged(ANCHORED, frozen=["encoders"]),
        "tuned": {"training": {"epochs": 1}, **staged(BIND)},
        "text": {"modalities": ["text"], "training": {"epochs": 1}},
    },
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bound")
    save(SharedFactors(SAMPLES, aligned=True).corpus(), folder / "shared.safetensors")
    (folder / "small.yaml").write_text(yaml.safe_dump(EXPERIMENT))
    for job in jobs(load(folder / "small.yaml"), folder / "small.yaml", folder / "out"):
        job.run()
    return folder / "out"


@pytest.fixture
def split(bench):
    return affect.load(bench.parent / "shared.safetensors")["test"]


def run_of(bench, model):
    return next(run for run in find([bench]) if run.name == model)


@pytest.fixture(scope="module")
def searched(bench, tmp_path_factory):
    """What the command prints of the bound run, and where it wrote."""
    out = tmp_path_factory.mktemp("found")
    with redirect_stdout(io.StringIO()) as said:
        main(["retrieve", str(run_of(bench, "bound").folder), "--out", str(out)])
    return said.getvalue(), out


def test_sums_of_modalities_find_the_third_and_pairs_that_were_never_compared_do(searched):
    said, out = searched
    summary = pd.read_csv(out / "summary.csv").set_index(["query", "key", "metric"])
    both = summary.loc["acoustic + text", "visual", "recall@1"]
    assert both["chance"] == pytest.approx(1 / 300)
    assert both["low"] > 30 * both["chance"]
    assert both["mean"] > max(summary.loc[m, "visual", "recall@1"]["mean"] for m in ("acoustic", "text"))
    assert both["gain_low"] > 0  # better than the better of the two alone
    never = summary[summary["compared"].astype(str) == "False"]
    assert {*never.index.droplevel("metric")} == {("acoustic", "visual"), ("visual", "acoustic")}
    assert (never.xs("recall@1", level="metric")["low"] > 30 / 300).all()
    assert summary.loc["acoustic", "visual", "median rank"]["high"] < 10
    assert re.search(r"by chance +300 +0\.0033 +0\.0167 +0\.0333 +150\.5", said)
    for line in ("never compared in training", "one seed: for these weights only", "of the term 'bind'"):
        assert line in said
    names = ("retrieval.csv", "summary.csv", "table.md", "table.tex", "retrieval.html")
    assert [line for line in said.splitlines() if line.startswith(str(out))] == [str(out / n) for n in names]
    rows = pd.read_csv(out / "retrieval.csv").set_index(["query", "key", "metric"])
    assert rows["value"].to_dict() == pytest.approx(summary["mean"].to_dict())


def test_what_is_stored_is_what_the_run_says(bench, split, searched, monkeypatch, caplog):
    run = run_of(bench, "bound")
    loaded = affect.load_run(run.folder)
    exact = embed(loaded.model, split, loaded.terms["bind"])
    (stored,) = stored_searches([run])
    for m, vectors in exact.vectors.items():
        assert stored.embeddings.vectors[m] == pytest.approx(vectors, abs=1e-6)
    assert (stored.embeddings.anchor, stored.embeddings.groups) == ("text", split.groups)
    path = run.folder / RETRIEVAL / "test.npz"
    before = path.stat().st_mtime_ns
    with monkeypatch.context() as patched:
        patched.setattr(room, "embed", None)  # which would fail
        assert search_run(run).embeddings.ids == split.ids
    kept = path.read_bytes()
    with np.load(path) as held:
        np.savez(path, **{**held, "made_from": np.array(["x", "y", "z", ""])})
    assert stored_searches([run]) == []
    search_run(run)
    assert len(stored_searches([run])) == 1
    assert path.stat().st_mtime_ns > before
    path.write_bytes(kept[:99])
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}: no embeddings: "):
        stored_searches([run])
    search_run(run)
    assert [line[:14] for line in caplog.messages] == ["embedded again"]
    assert len(stored_searches([run])) == 1


def test_a_report_shows_what_was_searched(bench, searched):
    _, out = searched
    page = (out / "retrieval.html").read_text()
    contents = gather_contents([bench])
    summary = pd.read_csv(out / "summary.csv")
    assert contents.retrieval["mean"].to_numpy() == pytest.approx(summary["mean"].to_numpy())
    main(["report", str(run_of(bench, "bound").folder), "--out", str(out / "report.html")])
    for own in (page, (out / "report.html").read_text()):
        assert own.count('class="retrieval"') == 1
        assert (
            "By chance: recall@1 0.0033, recall@5 0.0167, recall@10 0.0333, median rank 150.5 (n = 300)"
            in own
        )
        assert "recall@1 between modalities: bound" in own
        assert (
            "for a new seed on new groups of samples (videos, speakers), which were drawn whole; of a model"
            in own
        )


def test_encoders_that_learned_on_are_named(bench, caplog):
    found = search_run(run_of(bench, "tuned"), again=True)
    assert found.note == (
        "'bind' was learned in the stage 'pairs', and encoders learned on without it in 'labels'; freeze them "
        "there to search as it was learned"
    )
    assert caplog.messages[-1].endswith(found.note)
    assert search_run(run_of(bench, "bound")).note == ""


def ending(arguments):
    with pytest.raises(SystemExit) as end:
        main(["retrieve", *map(str, arguments)])
    return end.value.code


def test_refusals(bench, tmp_path):
    bound, text = (run_of(bench, m).folder for m in ("bound", "text"))
    out = ["--out", tmp_path / "none"]
    wrong = {
        f"ConfigError: {text}: needs two modalities to search between, got text": [text],
        "ConfigError: retrieval: no term 'bnd' with embeddings; did you mean 'bind'? known: bind": [
            bound, "--term", "bnd",
        ],
        "ConfigError: --split: no split 'tset' among these runs; did you mean 'test'? known: test, train, valid": [
            bound, "--split", "tset",
        ],
        f"ConfigError: --query, --labels: of one run, got 3; name one, such as {bound}": [bench, "--query", "a"],
        "ConfigError: --query: needs --with; known: acoustic, text, visual": [bound, "--query", "a"],
        "ConfigError: --with says what --query or --labels searches with; give one of them too": [
            bound, "--with", "text",
        ],
        "ConfigError: --with: no modality 'txt'; did you mean 'text'? known: acoustic, text, visual": [
            bound, "--query", "a", "--with", "txt+visual",
        ],
        "ConfigError: zero_shot: needs one PretrainedEncoder, to read the labels' texts, got 0 (acoustic "
        "PooledEncoder, text PooledEncoder, visual PooledEncoder)": [bound, "--labels", "sad", "happy"],
    }  # fmt: skip
    for line, arguments in wrong.items():
        assert ending([*arguments, *out]) == line
    assert not (tmp_path / "none").exists()


def test_runs_without_a_space_are_left_out_beside_others(bench, tmp_path, caplog):
    folders = [run_of(bench, m).folder for m in ("bound", "text")]
    main(["retrieve", *map(str, folders), "--out", str(tmp_path)])
    assert pd.read_csv(tmp_path / "summary.csv")["model"].unique().tolist() == ["bound"]
    assert caplog.messages == [f"{folders[1]}: needs two modalities to search between, got text; left out"]


def test_baselines_have_nothing_to_search_with(bench, monkeypatch, caplog):
    one, other = (run_of(bench, m).folder for m in ("bound", "text"))
    kinds = {True: ModelSpec, False: BaselineModel}
    monkeypatch.setattr(room, "kind_of", lambda model: kinds[model["modalities"] is None])
    assert [run.name for run in runs_to_search([one, other])] == ["bound"]
    assert caplog.messages == ["1 runs of baselines have no encoders, and are left out"]
    line = f"{other}: runs of baselines alone, which have no encoders"
    with pytest.raises(DataError, match=f"^{re.escape(line)}$"):
        runs_to_search([other])


def test_one_sample_is_searched_with(bench, split, capsys):
    run = run_of(bench, "bound")
    main(["retrieve", str(run.folder), "--query", split.ids[0], "--with", "text+acoustic", "-k", "2"])
    title, heads, *rows = capsys.readouterr().out.strip().splitlines()
    assert title.strip() == f"nearest to text + acoustic of {split.ids[0]}"
    assert heads.split() == ["for", "place", "id", "cosine", "own"]
    expected = search_run(run).embeddings.search(split.ids[0], ["text", "acoustic"], 2)
    assert [row.split()[2] for row in rows] == expected["id"].tolist()
