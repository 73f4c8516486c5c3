"""Searches that begin with published settings: what they quote, and that each runs on the shape of its corpus."""

import csv
import json
import math
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

import affect
from affect.data import native
from affect.data.shapes import SHAPES
from affect.errors import ConfigError
from affect.runs.studies import CONFIGURATION, FAILURE
from affect.tuning import Setting, task_of, tune
from affect.tuning.starts import PUBLISHED
from affect.tuning.working import sampler_of

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "experiments" / "searches"
FILES = {path.stem: path for path in sorted(FOLDER.glob("*.yaml")) if "\n  published:\n" in path.read_text()}
SHARED = ROOT.parent / "shared" / PUBLISHED
TINY = {"epochs": 1, "seeds": [0], "fresh": [5], "quiet": True}
WORDS = ["so", "good", "bad", "film"]


def rows_of(path):
    with path.open(newline="") as file:
        return [tuple(row) for row in csv.reader(file)]


def settings(stem):
    content = yaml.safe_load(FILES[stem].read_text())
    return [Setting(**entry) for entry in content["search"]["published"]]


def name_of(setting):
    return f"{setting.model}, {setting.corpus}" + f": {setting.source}" * bool(setting.source)


def is_of(row, setting):
    return row[:2] == (setting.model, setting.corpus) and row[4].startswith(setting.source)


def said(setting, name):
    """What the file of published settings has: a value, an element of a list, or a product."""
    theirs = {row[2]: json.loads(row[3]) for row in rows_of(FOLDER / PUBLISHED) if is_of(row, setting)}
    values = []
    for one in name.split(" * "):
        key, _, place = one.partition(".")
        values.append(theirs[one] if one in theirs else theirs[key][int(place)])
    return math.prod(values)


@pytest.fixture
def sub_words(tmp_path):
    """MAG-BERT's pickle in small, as sub-words of a small encoder; and the search that names that encoder."""
    pytest.importorskip("transformers", reason="needs affect[text]")
    from small_encoders import bert

    from affect.data.text import tokenize

    rng = np.random.default_rng(0)

    def a_sample(split, i):
        words = [*rng.choice(WORDS, rng.integers(2, 6))]
        parts = (words, rng.normal(size=(len(words), 35)), rng.normal(size=(len(words), 74)))
        return parts, rng.normal(size=(1, 7)).clip(0, 3), f"{split}{i}[0]"

    counts = {"train": 12, "dev": 8, "test": 8}
    file = tmp_path / "mosei.pkl"
    file.write_bytes(
        pickle.dumps({name: [a_sample(name, i) for i in range(n)] for name, n in counts.items()})
    )
    (tmp_path / "bert").mkdir()
    model = str(bert(tmp_path / "bert"))
    native.save(tokenize(affect.load(file), model), tmp_path / "tokens.safetensors")
    content = FILES["mosei_finetuned"].read_text()
    assert content.count("model: bert-base-uncased") == 1
    path = tmp_path / "mosei_finetuned.yaml"
    path.write_text(content.replace("model: bert-base-uncased", f"model: {model}"))
    shutil.copy(FOLDER / PUBLISHED, tmp_path)
    return path, str(tmp_path / "tokens.safetensors")


@pytest.fixture
def search(request, stem):
    """A search's file, and a small corpus for it."""
    if stem == "mosei_finetuned":
        return request.getfixturevalue("sub_words")
    return FILES[stem], f"synthetic:{stem}:8"


def test_rows_are_those_of_the_shared_table_and_all_of_a_setting():
    if not SHARED.exists():
        pytest.skip(f"../shared/{PUBLISHED}, which the settings were taken from, is not there")
    quoted = [setting for stem in FILES for setting in settings(stem)]
    header, *known = rows_of(SHARED)
    wanted = [row for row in known if any(is_of(row, setting) for setting in quoted)]
    assert rows_of(FOLDER / PUBLISHED) == [header, *wanted]


def test_every_setting_is_begun_with():
    every = [setting for stem in FILES for setting in settings(stem)]
    rows = rows_of(FOLDER / PUBLISHED)[1:]
    assert all(sum(is_of(row, setting) for setting in every) == 1 for row in rows)


@pytest.mark.parametrize("stem", FILES)
def test_the_comment_says_the_command_and_what_is_needed(stem):
    text = FILES[stem].read_text()
    comment = text.split("\ncorpus:")[0].splitlines()
    assert all(line.startswith("#") for line in comment)
    assert comment[0].startswith(f"# affect tune experiments/searches/{stem}.yaml --trials ")
    assert yaml.safe_load(text)["corpus"].replace("..", "experiments") in " ".join(comment)
    assert "the test split" in comment[-1]
    if stem in SHAPES:
        assert f"Shape: synthetic:{stem}." in " ".join(comment)


@pytest.mark.parametrize("stem", FILES)
def test_the_starts_are_the_configuration_and_the_published_values(stem, search):
    path, corpus = search
    task = task_of(path, corpus=corpus)
    starts = task.starts
    assert list(starts) == [CONFIGURATION, *map(name_of, settings(stem))]
    for setting in settings(stem):
        values, differs = starts[name_of(setting)].values, starts[name_of(setting)].differs
        assert differs == setting.differs
        assert setting.values.items() <= values.items()
        for name, ours in setting.names.items():
            for one in [ours] if isinstance(ours, str) else ours:
                assert values[one] == said(setting, name), (name_of(setting), one)
        assert setting.differs
    begun, _ = task.space.fill(lambda parameter: starts[CONFIGURATION].values[parameter.name])
    for section in ("model", "training"):
        assert task.content[section].items() <= begun[section].items()


@pytest.mark.parametrize("stem", FILES)
def test_the_search_tries_every_start(stem, search, tmp_path):
    path, corpus = search
    count = 1 + len(settings(stem))
    found = tune(path, tmp_path / "out", trials=count, corpus=corpus, **TINY)
    trials = found.study.trials
    assert [trial.user_attrs["start"] for trial in trials] == [CONFIGURATION, *map(name_of, settings(stem))]
    assert [trial.user_attrs.get(FAILURE) for trial in trials] == [None] * count
    assert found.study.metric_names == ["mae"]
    assert set(found.summary["model"]) == {"default", *found.chosen}


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("batchsize", "no parameter 'batchsize'; did you mean 'batch_size'? known: "),
        ("memsize.0", "no parameter 'memsize.0'; "),
        ("hidden_dims.3", "no parameter 'hidden_dims.3'; did you mean 'hidden_dims'? known: "),
        ("batch_size * hidden_dims", "'batch_size * hidden_dims' is no product of numbers"),
    ],
)
def test_what_was_not_published_is_refused(name, why, tmp_path):
    shutil.copy(FOLDER / PUBLISHED, tmp_path)
    content = yaml.safe_load(FILES["mosi_aligned"].read_text())
    content["search"]["published"] = [{"model": "mfn", "corpus": "mosi", "names": {name: "model.width"}}]
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError) as caught:
        task_of(path, corpus="synthetic:mosi_aligned:8")
    assert str(caught.value).startswith(f"{path}: search: published: mfn, mosi: {why}")


def test_mertools_protocol_is_random_draws_and_six_runs_of_the_best():
    task = task_of(FOLDER / "mertools.yaml", corpus="synthetic:mosi_unaligned:24")
    assert type(sampler_of(task.search)).__name__ == "RandomSampler"
    assert not task.search.racing
    assert (len(task.search.seeds), len(task.search.fresh)) == (1, 6)
    drawn = {one.name.split(".")[-1] for one in task.space.parameters}
    assert drawn == {"width", "out_dim", "dropout", "learning_rate"}
