"""Which words mattered to finished runs: what is stored, when it is stale, and what the page shows of it."""

import re

import numpy as np
import pytest
import yaml

import affect
from affect.cli import main
from affect.data.native import save
from affect.errors import DataError
from affect.explain import step_importances
from affect.report.gathering import gather_contents
from affect.report.samples import samples_records
from affect.runs import find
from affect.runs.explained import IMPORTANCES, explain_run, stored_importances

WORDS = ("</script>", "so", "good", "film")


def spoken(split, name):
    rng, rows = np.random.default_rng(len(name)), range(12)
    counts = [1 + row % 4 for row in rows]
    held = {
        m: affect.Ragged.from_rows(
            [rng.normal(size=(n, 3)) if m == "a" or n > 1 else None for n in counts], 3
        )
        for m in ("a", "b")
    }
    labels = affect.Ragged.from_rows([rng.normal(size=(1, 1)) for _ in rows], 1)
    words = affect.Words.from_rows([WORDS[:n] for n in counts])
    return affect.Split(tuple(f"{name}{row:02}" for row in rows), held, {"mood": labels}, words=words)


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explained")
    splits = {name: spoken(None, name) for name in ("train", "valid", "test")}
    save(affect.Corpus("said", splits, {"mood": affect.Regression("mood")}), folder / "said.affect")
    content = {
        "corpus": "said.affect",
        "seeds": [0, 1],
        "training": {"epochs": 1},
        "models": {"one": {"fusion": "ConcatenationFusion", "width": 4}},
    }
    (folder / "small.yaml").write_text(yaml.safe_dump(content))
    main(["bench", str(folder / "small.yaml"), "--out", str(folder / "out"), "--jobs", "1"])
    return folder / "out"


def test_the_words_of_a_bench_are_explained(bench, capsys):
    main(["explain", str(bench)])
    runs = find([bench])
    assert capsys.readouterr().out.split() == [str(run.folder / IMPORTANCES / "test.npz") for run in runs]
    stored = stored_importances(runs)
    split = affect.load(runs[0].content["corpus"])["test"]
    for own in stored:
        exact = step_importances(own.run.model(), split)
        assert own.words == {name: split.words[row] for row, name in enumerate(split.ids)}
        for row, name in enumerate(split.ids):
            assert np.allclose(own.values["a"][name], exact["a"][row], rtol=1e-5)
            assert len(own.values["b"][name]) == len(split.words[row])
            assert np.isnan(own.values["b"][name]).all() == (len(split.words[row]) == 1)  # it lacks `b`
    contents = gather_contents([bench])
    (answers,) = contents.answers
    table = samples_records(answers, contents.summary, {}, importances=contents.importances)
    for row, sample in enumerate(answers.samples):
        words = table["words"][row]
        assert words["words"] == stored[0].words[sample]
        for model, modality, values in words["lines"]:
            mean = np.mean([own.values[modality][sample] for own in stored], 0)
            assert model == "one"
            assert np.allclose(np.array(values, float), mean, rtol=0.06, equal_nan=True)


def test_importances_of_other_weights_are_not_shown(bench):
    runs = find([bench])
    path = explain_run(runs[0].folder)
    kept = path.read_bytes()
    assert len(stored_importances(runs[:1])) == 1
    with np.load(path) as held:
        np.savez(path, **{**held, "made_from": np.array(["x", "y"])})
    assert stored_importances(runs[:1]) == []
    path.write_bytes(kept[:99])
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}: no importances: "):
        stored_importances(runs[:1])
    path.write_bytes(kept)
