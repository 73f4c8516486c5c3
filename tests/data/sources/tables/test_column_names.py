"""What columns of tables are called, and what is read otherwise than it seems."""

import numpy as np
import pytest

import affect
from affect.data.samples import Steps
from affect.errors import DataError


@pytest.fixture
def load(tmp_path):
    """Write a table and load it."""

    def loaded(content, **options):
        (tmp_path / "mine.csv").write_text(content)
        return affect.load(tmp_path / "mine.csv", **options)

    return loaded


@pytest.fixture
def folder(tmp_path):
    """Write a folder of files of `face`, and tables beside it; loads it."""

    def loaded(files, **tables):
        (tmp_path / "face").mkdir()
        for name, content in files.items():
            (tmp_path / "face" / f"{name}.csv").write_text(content)
        for name, content in tables.items():
            (tmp_path / f"{name}.csv").write_text(content)
        return affect.load(tmp_path)

    return loaded


def test_a_doubled_label_is_no_feature(load):
    content = "id,ecg.hr,y,y.1,split\na,70,1,1,train\nb,71,0,0,test\nc,72,1,1,test\n"
    corpus = load(content)
    assert (corpus.dims, list(corpus.targets)) == ({"ecg": 1}, ["y"])
    assert corpus.notes == (
        "Column 'y.1' is left out: pandas numbers columns of one name so; `prefixes` makes it a feature.",
    )
    assert load(content, prefixes=["y"]).dims == {"y": 1, "ecg": 1}
    kept = load(content.replace("y.1", "y.f1"))
    assert kept.dims == {"ecg": 1, "y": 1}
    assert kept.notes == ("y: column 'y' is a target, whose name its columns begin with.",)


def test_row_numbers_of_a_second_round_are_no_feature(load, folder):
    corpus = load("Unnamed: 0.1,Unnamed: 0,index.1,id,ecg.hr,y\n0,0,0,a,70,1\n1,1,1,b,71,0\n")
    assert (corpus.dims, list(corpus.targets)) == ({"ecg": 1}, ["y"])
    one = folder({"a": "Unnamed: 0.1,Unnamed: 0,x\n0,0,7\n1,1,8\n"}, labels="id,y\na,1\n")
    assert one.columns == {"face": ("x",)}


@pytest.mark.parametrize("name", ["set", "Partition", "subset", "Split", "FOLD"])
def test_columns_of_splits_are_known_by_what_they_hold(load, name):
    corpus = load(f"ID,{name},ecg.hr,y\n007,Train,70,1\n008,val,71,0\n009,test,72,1\n")
    assert {split: own.ids for split, own in corpus.splits.items()} == {
        "train": ("007",),
        "valid": ("008",),
        "test": ("009",),
    }
    said = {"Split": "is read as 'split'", "FOLD": "is read as 'fold'"}.get(
        name, "holds names of splits and is read as 'split'"
    )
    assert list(corpus.targets) == ["y"]
    assert corpus.notes == ("Column 'ID' is read as 'id'.", f"Column '{name}' {said}.")


def test_a_set_of_other_things_is_a_label(load):
    assert list(load("id,set,ecg.hr\na,train,70\nb,bus,71\n").targets) == ["set"]


def test_frames_order_the_steps_where_there_is_no_time(load):
    corpus = load("id,frame,ecg.hr,y\na,10,70,1\na,9,71,1\nb,1,72,0\n")
    rows = corpus["all"].modalities["ecg"]
    assert (rows.values[:, 0].tolist(), rows.times) == ([71, 70, 72], None)
    assert corpus.notes == (
        "A row is a step: 3 rows of 2 samples.",
        "Column 'frame' orders the steps of each sample, as there is no time.",
    )
    both = load("id,frame,step,ecg.hr,y\na,1,2,70,1\na,2,1,71,1\n")
    assert both.notes[1] == (
        "Column 'frame' orders the steps of each sample, as there is no time. Column 'step' is not read."
    )
    timed = load("id,step,time,ecg.hr,y\na,1,2,70,1\na,2,1,71,1\n")
    assert timed["all"].modalities["ecg"].values[:, 0].tolist() == [71, 70]
    assert (list(timed.targets), timed.notes[1]) == (["y"], "Column 'step' numbers steps and is not read.")


def test_success_without_a_prefix_is_of_every_modality(load):
    corpus = load(
        "id,success,confidence,face.x,own.x,own.success,y\n"
        "a,1,0.9,1,1,1,1\na,0,0.9,2,2,1,1\na,1,0.5,3,3,0,1\n"
    )
    masks = {m: rows.observed.tolist() for m, rows in corpus["all"].modalities.items()}
    assert masks == {"face": [True, False, False], "own": [True, True, False]}
    assert corpus.notes[1:4] == (
        "Columns 'success' and 'confidence' say of every modality without its own which steps were measured.",
        "face: there are 2 steps that were not measured (success 0 or confidence below 0.7).",
        "face: 2 of 3 steps were not measured and count as unobserved.",
    )


def test_files_whose_times_decrease_are_sorted(folder):
    files = {"a": "timestamp,x\n2,20\n0,1\n1,10\n", "b": "timestamp,x\n0,5\n1,6\n"}
    corpus = folder(files, labels="id,y\na,1\nb,0\n", meta="id,age\na,30\nb,40\n")
    rows = corpus["all"].modalities["face"]
    assert rows.values[:, 0].tolist() == [1, 10, 20, 5, 6]
    assert rows.times[:, 0].tolist() == [0, 1, 2, 0, 1]
    assert corpus.notes == (
        "labels.csv is read as the table of labels, and meta.csv is not.",
        "face: in 2 files there are 1 files whose steps did not follow each other in time and were sorted by "
        "their start.",
    )


def test_steps_whose_times_decrease_are_refused():
    with pytest.raises(DataError) as error:
        Steps(np.ones((3, 1)), times=[0.0, 2.0, 1.0])
    assert str(error.value) == "Steps: times must not decrease, got 1 after 2; sort the steps by start"
    assert Steps(np.ones((3, 1)), times=[0.0, np.nan, 1.0]).times[2].tolist() == [1, 1]


def test_blanks_around_names_of_classes_are_no_part_of_them(load):
    corpus = load('id,mood,ecg.hr\na,"happy ",1\nb,happy,2\nc," sad",3\n')
    assert corpus.target("mood").classes == ("happy", "sad")
