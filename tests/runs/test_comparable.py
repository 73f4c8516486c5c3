"""Runs of one name that were made otherwise are not one model, wherever that stands."""

import logging
import re
import shutil

import pytest
from small_corpus import small

from affect.classes import beside, within
from affect.errors import DataError
from affect.results import gather
from affect.robustness.runs import runs_to_sweep
from affect.runs import FinishedRun, Job, jobs
from affect.runs.configuration import resolve

FUSION = "from affect.fusion import WeightedSumFusion\n\n\nclass Mine(WeightedSumFusion):\n    scale = {}\n"


@pytest.fixture(autouse=True)
def _own_list(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("AFFECT_TRUST", str(tmp_path_factory.mktemp("trust") / "list"))


def made(home, seed, name="mine", **content):
    """A finished run of 'mine', with a corpus of its own folder."""
    if not (home / "small.safetensors").exists():
        small(home / "small.safetensors")
    model = {"width": 4, **content.pop("model", {})}
    content = {
        "corpus": "small.safetensors",
        "training": {"epochs": 1},
        "model": model,
        "seeds": [seed],
        **content,
    }
    with within(beside(home)):
        content = resolve(content, "test")
    place = home / f"{name}-{jobs.digest(content)}" / f"seed{seed}-fold0"
    return Job(content, name, seed, 0, home, place).run()


def refused(first, second, found):
    """Both ways that lay runs together refuse these, in the same words."""
    said = (
        f"{second}: made in another setting than {first}, and both are called 'mine' ({found}); compare them under "
        "names of their own, or leave one out"
    )
    for use in (
        lambda: gather(map(FinishedRun.read, (first, second))),
        lambda: runs_to_sweep([first, second]),
    ):
        with pytest.raises(DataError, match=f"^{re.escape(said)}$"):
            use()


def taken(*folders):
    assert len(gather(map(FinishedRun.read, folders))) == 1
    assert len(runs_to_sweep(folders)) == len(folders)


def test_edited_code_is_another_setting(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    for home, scale in ((first, 1), (second, 2), (tmp_path / "c", 1)):
        home.mkdir()
        (home / "parts.py").write_text(FUSION.format(scale))
    model = {"fusion": "parts.Mine"}
    refused(made(first, 0, model=model), made(second, 1, model=model), "parts.py was edited")
    taken(made(first, 0, model=model), made(tmp_path / "c", 1, model=model))


def test_a_teacher_or_first_weights_are_part_of_the_setting(tmp_path):
    other = made(tmp_path, 7, "other")
    alone, again = made(tmp_path, 0), made(tmp_path, 3, "other")
    for key in ("teacher", "init"):
        given = {key: f"{other.parent.name}/seed{{seed}}-fold0".replace("{seed}", "7")}
        taught = made(tmp_path, 1, **given)
        end = f"{other.parent.name}/seed7-fold0"
        refused(alone, taught, f'{key}: none -> "{end}"')
        taken(taught, made(tmp_path, 2, **given))
        given = {key: f"{again.parent.name}/seed3-fold0"}
        refused(taught, made(tmp_path, 4, **given), f'{key}: "{end}" -> "{again.parent.name}/seed3-fold0"')


def test_each_seed_may_have_a_teacher_of_its_own_and_none_may_be_made_anew(tmp_path):
    teachers = [made(tmp_path / "a", seed, "other") for seed in (0, 1)]
    for teacher in teachers:
        shutil.copytree(teacher, tmp_path / "a/own" / teacher.name)
    own, fixed = ({"teacher": f"../a/own/{run}-fold0"} for run in ("seed{seed}", "seed0"))
    taken(*(made(tmp_path / "b", seed, **own) for seed in (0, 1)))
    before = made(tmp_path / "b", 0, **fixed)
    weights = (teachers[0] / "model.safetensors").read_bytes()
    rewritten = made(tmp_path / "a", 0, "other", training={"epochs": 2})
    assert (rewritten / "model.safetensors").read_bytes() != weights
    shutil.rmtree(tmp_path / "a/own/seed0-fold0")
    shutil.copytree(rewritten, tmp_path / "a/own/seed0-fold0")
    refused(before, made(tmp_path / "b", 1, **fixed), "teacher: own/seed0-fold0 was made anew")


def test_how_the_corpus_is_read_is_part_of_the_setting(tmp_path):
    first, second = made(tmp_path, 0), made(tmp_path, 1, duplicates="first")
    refused(first, second, 'duplicates: "refuse" -> "first"')


def test_an_encoder_that_only_one_states_is_another_setting(tmp_path):
    first = made(tmp_path, 0, model={"encoders": {"text": "PooledEncoder"}})
    second = made(tmp_path, 1, model={"encoders": {"text": "PooledEncoder", "acoustic": "GRUEncoder"}})
    refused(first, second, "model.encoders.acoustic: none -> GRUEncoder")


def test_a_corpus_of_one_name_elsewhere_is_the_same_only_by_its_content(tmp_path, caplog):
    first, moved = made(tmp_path / "a", 0), made(tmp_path / "b", 1)
    small(tmp_path / "c/small.safetensors", shift=1.0)
    other, theirs = made(tmp_path / "c", 1), made(tmp_path / "c", 0, "theirs")
    with caplog.at_level(logging.WARNING):
        taken(first, moved)
    assert not caplog.records
    refused(first, other, "the corpus has other content")
    taken(first, theirs)
    before, after = (FinishedRun.read(run).facts["corpus"]["content"][:8] for run in (first, theirs))
    assert (
        f"small: runs were made from corpora of this name that differ: SHA-256 {before} in {first}, "
        in caplog.text
    )
    assert f"{after} in {theirs}" in caplog.text


def test_each_seed_may_have_a_corpus_of_its_own_and_no_seed_two(tmp_path, caplog):
    home, other = tmp_path / "a", tmp_path / "b"
    for place, begin in ((home, 0.0), (other, 5.0)):
        for seed in (0, 1, 2):
            small(place / f"own-seed{seed}.safetensors", begin + seed)
    own = {"corpus": "own-seed{seed}.safetensors"}
    runs = [made(home, seed, **own) for seed in (0, 1)]
    for seed, run in enumerate(map(FinishedRun.read, runs)):
        assert run.content["corpus"] == str(home / f"own-seed{seed}.safetensors")
        assert run.facts["corpus"]["by_seed"] == "own-seed{seed}.safetensors"
    taken(*runs)
    assert "differ" not in caplog.text
    refused(runs[0], made(home, 2, corpus="own-seed2.safetensors"), "the corpus has other content")
    elsewhere = made(other, 1, **own)
    with pytest.raises(DataError, match=re.escape(f"{elsewhere}: made in another setting than {runs[1]}, ")):
        gather(map(FinishedRun.read, (*runs, elsewhere)))


def test_a_corpus_of_one_seed_that_changed_makes_its_run_anew(tmp_path):
    for seed in (0, 1):
        small(tmp_path / f"own-seed{seed}.safetensors")
    content = {"corpus": "own-seed{seed}.safetensors", "training": {"epochs": 1}, "model": {"width": 4}}
    todo = [Job(resolve(content, "test"), "mine", seed, 0, tmp_path, tmp_path / f"{seed}") for seed in (0, 1)]
    for job in todo:
        job.run()
    assert [job.done for job in todo] == [True, True]
    small(tmp_path / "own-seed1.safetensors", shift=1.0)
    changed = f"the corpus {tmp_path}/own-seed1.safetensors has other content"
    assert [job.changes() for job in todo] == [[], [changed]]
