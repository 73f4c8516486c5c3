"""What tables say of splits by numbers, of classes by codes, and of ids twice."""

import numpy as np
import pytest

import affect
from affect.data.splitting import fold
from affect.errors import DataError

CODES = (
    "{name} holds {count} whole numbers and is read as a number; targets: {{{name}: {kind}}} (or --target "
    "{name}:{kind}) makes them classes."
)


@pytest.fixture
def table(tmp_path):
    """Write a table with these columns, each a function of the row; gives its path."""

    def writer(rows=30, **columns):
        path = tmp_path / "mine.csv"
        lines = [",".join(("id", "ecg.hr", *columns))]
        for i in range(rows):
            lines.append(",".join((f"s{i}", f"{i / 10}", *(str(own(i)) for own in columns.values()))))
        path.write_text("\n".join(lines) + "\n")
        return path

    return writer


def refusal(path, **options):
    with pytest.raises(DataError) as error:
        affect.load(path, **options)
    return str(error.value).replace(str(path), "FILE")


def test_folds_become_groups_and_cut_along_themselves(table):
    path = table(fold=lambda i: i % 5, y=lambda i: i / 7)
    corpus = affect.load(path)
    assert list(corpus.splits) == ["all"]
    assert corpus["all"].groups == tuple(str(i % 5) for i in range(30))
    assert corpus.notes == (
        "Column 'fold' numbers 5 folds and is read as groups: `folds: 5` with `valid_share: 0.25` cuts along "
        "them, the largest first.",
    )
    tested = set()
    for index in range(5):
        cut = fold(corpus, index, folds=5, valid_share=0.25)
        groups = {name: set(split.groups) for name, split in cut.splits.items()}
        assert {name: len(own) for name, own in groups.items()} == {"train": 3, "valid": 1, "test": 1}
        tested |= groups["test"]
    assert tested == set("01234")


@pytest.mark.parametrize("count", [3, 4, 8, 10])
def test_the_share_that_is_said_leaves_a_fold_to_validate(table, count):
    corpus = affect.load(table(40, fold=lambda i: f"{i % count}.0", speaker=lambda i: f"p{i % 20}"))
    (note,) = corpus.notes
    assert note.startswith(
        f"Column 'fold' numbers {count} folds and is read as groups, in place of 'speaker'"
    )
    share = float(note.partition("`valid_share: ")[2].partition("`")[0])
    cut = fold(corpus, 0, folds=count, valid_share=share)
    assert len(set(cut["valid"].groups)) == len(set(cut["test"].groups)) == 1


def test_two_folds_leave_none_to_validate(table):
    corpus = affect.load(table(fold=lambda i: i % 2))
    assert corpus.notes == ("Column 'fold' numbers 2 folds and is read as groups.",)


def test_splits_0_1_and_2(table):
    corpus = affect.load(table(split=lambda i: i % 3))
    assert {name: split.ids[:2] for name, split in corpus.splits.items()} == {
        "train": ("s0", "s3"),
        "valid": ("s1", "s4"),
        "test": ("s2", "s5"),
    }
    assert corpus.notes == ("Column 'split' holds 0, 1 and 2, which are read as train, valid and test.",)


def test_other_numbers_are_no_splits(table):
    said = "expected train, valid (dev, val) or test"
    assert refusal(table(split=lambda i: i % 2)) == f"FILE, sample s0: split '0'; {said}"
    assert refusal(table(mode=lambda i: i % 3 + 1)) == f"FILE, sample s0: split '1'; {said}"
    assert refusal(table(fold=lambda i: "" if i == 3 else i % 3)) == f"FILE, sample s0: split '0'; {said}"


def test_names_in_fold_are_splits(table):
    assert sorted(affect.load(table(fold=lambda i: ["train", "Dev", "test"][i % 3])).splits) == [
        "test",
        "train",
        "valid",
    ]


def test_of_two_columns_that_say_the_same_one_is_read_and_that_is_said(table):
    corpus = affect.load(
        table(split=lambda i: ["train", "test"][i % 2], fold=lambda i: i % 5, group=str, speaker=str)
    )
    assert corpus["test"].groups[0] == "1"
    assert corpus.notes == (
        "Column 'speaker' is not read, as 'group' is.",
        "Column 'fold' is not read, as 'split' is.",
    )


@pytest.mark.parametrize(
    ("values", "count", "kind"),
    [
        (lambda i: i % 6, 6, "multiclass"),
        (lambda i: i % 10 + 1, 10, "multiclass"),
        (lambda i: i % 2 * 2 - 1, 2, "binary"),
        (lambda i: "?" if i < 5 else i % 7 - 3, 7, "multiclass"),
        (lambda i: i % 2, 0, ""),
        (lambda i: 3, 0, ""),
        (lambda i: i % 6 / 2, 0, ""),
        (lambda i: i, 0, ""),
        (lambda i: i % 4 * 10, 0, ""),
    ],
)
def test_few_whole_numbers_are_said(table, values, count, kind):
    path = table(emotion=values)
    lacking = "all: 5 of 30 labels of emotion are missing, and count as not given."
    blank = (lacking,) if values(0) == "?" else ()
    expected = (CODES.format(name="emotion", count=count, kind=kind),) if count else ()
    assert affect.load(path).notes == expected + blank
    if count:
        corpus = affect.load(path, targets={"emotion": kind})
        assert corpus.notes == blank
        assert type(corpus.targets["emotion"]).__name__.lower() == kind


def test_codes_of_classes_become_classes_when_it_is_said(table):
    corpus = affect.load(table(emotion=lambda i: i % 6), targets={"emotion": "multiclass"})
    assert corpus.targets["emotion"].classes == tuple("012345")
    assert corpus["all"].labels("emotion").ravel().tolist() == [i % 6 for i in range(30)]


@pytest.fixture
def twice(tmp_path):
    """A folder whose table has two rows of one id, in two splits."""
    (tmp_path / "set" / "ecg").mkdir(parents=True)
    rows = "id,label,split\na,1.5,train\nb,0.5,train\na,-2.5,test\nc,2.5,test\n"
    (tmp_path / "set" / "labels.csv").write_text(rows)
    for i, one in enumerate("abc"):
        np.save(tmp_path / "set" / "ecg" / f"{one}.npy", np.full((2, 1), i + 1.0))
    return tmp_path / "set"


def test_ids_that_are_twice_in_a_folder_s_table_are_refused(twice):
    assert refusal(twice).replace("FILE", "SET") == (
        "SET/labels.csv: 1 id occurs more than once: 'a'; 'a' in train (1), test (1); make them unique, or "
        "choose duplicates: number, or first"
    )


def test_or_numbered_or_the_first_stays(twice):
    corpus = affect.load(twice, duplicates="number")
    assert (corpus["train"].ids, corpus["test"].ids) == (("a[0]", "b"), ("a[1]", "c"))
    assert corpus["train"].labels("sentiment").ravel().tolist() == [1.5, 0.5]
    assert corpus["test"].labels("sentiment").ravel().tolist() == [-2.5, 2.5]
    assert corpus["test"].modalities["ecg"][0].tolist() == [[1], [1]]
    assert corpus.notes[-1] == (
        "1 id occurs more than once, such as 'a': they are numbered, 'a[0]' and so on."
    )
    corpus = affect.load(twice, duplicates="first")
    assert (corpus["train"].ids, corpus["test"].ids) == (("a", "b"), ("c",))
    assert affect.load(twice, duplicates="keep")["test"].ids == ("a", "c")
