import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

import affect
from affect.data import native
from affect.data.provenance import Provenance
from affect.data.ragged import Ragged
from affect.data.targets import Binary, MultiClass, MultiLabel, Regression
from affect.errors import ConfigError, DataError

RNG = np.random.default_rng(0)
LENGTHS = (3, 1, 4, 2)
NAMELESS = "train: there are no ids, and the samples are called train000 and so on."
ROWS = [RNG.normal(size=(n, 2)).astype(np.float32) for n in LENGTHS]


def padded(front=False, time=5, filler=0.0, rows=ROWS):
    values = np.full((len(rows), time, rows[0].shape[1]), filler, np.float32)
    for i, row in enumerate(rows):
        values[i, time - len(row) :] if front else values[i, : len(row)]
        values[i, (time - len(row) if front else 0) : (time if front else len(row))] = row
    return values


def make(targets=None, split="train", **content):
    options = {key: content.pop(key) for key in ("columns", "aligned") if key in content}
    return affect.Corpus.from_arrays({split: content}, targets, **options)


def rows_of(corpus, name="ecg", split="train"):
    return [corpus[split].modalities[name][i].tolist() for i in range(len(corpus[split]))]


def objects(*items):
    found = np.empty(len(items), dtype=object)
    found[:] = items
    return found


PLAIN = [row.tolist() for row in ROWS]


def test_one_step_each_from_anything():
    values = np.array([[1.0, 2.0], [0.0, 3.0], [0.0, 0.0], [np.nan, np.nan]])
    for given in (
        values,
        values.tolist(),
        torch.tensor(values, requires_grad=True),
        torch.tensor(values, dtype=torch.bfloat16),
        list(torch.tensor(values)),
        pd.DataFrame(values, columns=["a", "b"]),
        pd.DataFrame(values, columns=["a", "b"]).astype("Float64"),
        np.ma.masked_invalid(values),
        {"values": values},
        values[:, None],
    ):
        corpus = make(ecg=given)
        found = corpus["train"].modalities["ecg"]
        assert found.lengths.tolist() in ([1, 1, 1, 1], [1, 1, 0, 0])  # the last is of three axes: padding
        assert found.pad(np.arange(4)).mask[:, 0].tolist() == [True, True, False, False]
        assert found[0].tolist() == [[1, 2]]
        assert found[1].tolist() == [[0, 3]]
        assert corpus.aligned
    assert make(ecg=sparse.csr_matrix(np.nan_to_num(values))).dims == {"ecg": 2}
    assert make(ecg=[1, 2.5, 0]).dims == {"ecg": 1}
    assert make(ecg=[1, 2.5, 0])["train"].modalities["ecg"].observed.all()
    assert make(ecg=pd.Series([1, None, 3], dtype="Int64"))["train"].modalities["ecg"].observed.tolist() == [
        True,
        False,
        True,
    ]
    assert make(ecg=np.array([True, False])).dims == {"ecg": 1}


def test_what_is_said_of_zeros():
    corpus = make(ecg=np.array([[1.0, 2.0], [0.0, 0.0]]), id=["a", "b"])
    assert corpus.notes == (
        "ecg: 1 of 2 steps hold nothing or zeros and count as unobserved.",
        "train: 1 of 2 samples hold nothing in any modality, such as 'b'.",
    )


@pytest.mark.parametrize("front", [False, True])
@pytest.mark.parametrize("filler", [0.0, np.nan])
def test_padding_is_found(front, filler):
    corpus = make(ecg=padded(front, filler=filler))
    assert rows_of(corpus) == PLAIN
    side = "front" if front else "back"
    assert corpus.notes == (NAMELESS, f"ecg: no lengths are given; the padding found stands in {side}.")


@pytest.mark.parametrize("front", [False, True])
def test_lengths_and_masks_say_where_the_padding_is(front):
    values = padded(front, time=6)
    values[0, 5 if front else 2] = 0  # the last step of the first sample holds nothing
    lengths = torch.tensor(LENGTHS)
    mask = np.zeros((4, 6), bool)
    for i, n in enumerate(LENGTHS):
        mask[i, 6 - n :] = front
        mask[i, :n] |= not front
    by_length, by_mask = (
        make(ecg={"values": values, "lengths": lengths}),
        make(ecg={"values": values, "mask": mask}),
    )
    for corpus in (by_length, by_mask):
        assert corpus["train"].modalities["ecg"].lengths.tolist() == list(LENGTHS)
        assert rows_of(corpus)[1:] == PLAIN[1:]
        assert rows_of(corpus)[0][:2] == PLAIN[0][:2]
    assert by_length["train"].modalities["ecg"].flat().observed.sum() == sum(LENGTHS) - 1
    assert by_mask["train"].modalities["ecg"].flat().observed.all()
    assert by_length.notes == (NAMELESS, "ecg: 1 of 10 steps hold nothing or zeros and count as unobserved.")
    assert by_mask.notes == (NAMELESS,)


def test_lengths_beyond_the_steps_are_said():
    corpus = make(ecg={"values": np.ones((2, 3, 1)), "lengths": [3, 7]}, id=["a", "b"])
    assert corpus["train"].modalities["ecg"].lengths.tolist() == [3, 3]
    assert corpus.notes == ("ecg: 1 samples are longer by their lengths than the steps that are given.",)


def test_small_splits_are_padded_as_the_others():
    values = padded(front=True)
    odd = np.zeros((1, 5, 2), np.float32)
    odd[0, 2] = 1
    corpus = affect.Corpus.from_arrays({"train": {"ecg": values}, "test": {"ecg": odd}})
    assert corpus["test"].modalities["ecg"].lengths.tolist() == [3]
    told = {
        "train": {"ecg": {"values": values, "lengths": LENGTHS}},
        "test": {"ecg": {"values": odd, "lengths": [3]}},
    }
    assert affect.Corpus.from_arrays(told)["test"].modalities["ecg"][0].tolist() == [[1, 1], [0, 0], [0, 0]]


def test_a_mask_makes_holes():
    mask = np.array([[1, 0, 1, 0], [0, 0, 0, 0]])
    found = make(ecg={"values": np.ones((2, 4, 2)), "mask": mask})["train"].modalities["ecg"]
    assert found.lengths.tolist() == [3, 0]
    assert found.pad(np.array([0])).mask.tolist() == [[True, False, True]]


def test_lists_of_samples():
    for given in (
        [*ROWS[:1], None, *map(torch.tensor, ROWS[2:])],
        [ROWS[0].tolist(), [], *ROWS[2:]],
        [affect.Steps(ROWS[0]), None, affect.Steps(ROWS[2].tolist()), ROWS[3]],
        pd.Series([ROWS[0], None, ROWS[2], ROWS[3]]),
        objects(ROWS[0], None, ROWS[2], ROWS[3]),
        [pd.DataFrame(ROWS[0]), None, *ROWS[2:]],
        {"values": np.concatenate([ROWS[0], *ROWS[2:]]), "lengths": [3, 0, 4, 2]},
        Ragged.from_rows([ROWS[0], None, *ROWS[2:]], 2),
    ):
        assert rows_of(make(ecg=given)) == [PLAIN[0], [], PLAIN[2], PLAIN[3]]


def test_times_of_steps():
    instants = [np.arange(n) / 10 for n in LENGTHS]
    spans = [np.stack([one, one + 0.1], 1) for one in instants]
    behind = np.full((4, 5, 2), np.nan)
    for i, one in enumerate(spans):
        behind[i, : len(one)] = one
    whole = np.concatenate(ROWS)
    for given in (
        {"values": ROWS, "times": spans},
        {"values": padded(), "times": behind},
        {"values": whole, "lengths": LENGTHS, "times": np.concatenate(spans)},
        [affect.Steps(row, times) for row, times in zip(ROWS, spans, strict=True)],
        [
            pd.DataFrame({"start": t[:, 0], "end": t[:, 1], "a": r[:, 0], "b": r[:, 1]})
            for r, t in zip(ROWS, spans, strict=True)
        ],
    ):
        found = make(ecg=given)["train"].modalities["ecg"].flat()
        assert np.array_equal(found.times, np.concatenate(spans))
        assert np.array_equal(found.values, whole)
    found = make(ecg={"values": ROWS, "times": [instants[0], None, *instants[2:]]})["train"].modalities["ecg"]
    assert np.array_equal(found.times[:3], np.stack([instants[0]] * 2, 1))
    assert np.isnan(found.times[3]).all()
    assert affect.data.ragged.times_of(found, 1) is None


def test_columns_of_frames_by_the_one_rule():
    frame = pd.DataFrame(
        {
            "Unnamed: 0": [0, 1, 2],
            "timestamp": [0.0, 0.5, 1.0],
            "confidence": [0.9, 0.6, 0.9],
            "success": [1, 1, 0],
            "stress": [1.0, 2.0, 3.0],
            "AU01": [0.5, 0.25, 0.0],
            "AU02": [1.0, 2.0, 3.0],
        }
    )
    blank = pd.DataFrame({"success": [0, 1], "AU01": [1.0, 0.0], "AU02": [1.0, 0.0]})
    for given in (blank, [blank, None]):
        found = make(face=given)
        assert found["train"].modalities["face"].observed.tolist() == [False, False]
        assert found.notes[1:3] == (
            "face: column 'success' is no feature and is left out; `columns` keeps any by name.",
            "face: 1 steps were not measured (success 0 or confidence below 0.7) and count as unobserved.",
        )
        assert found.notes[3] == "face: 1 of 2 steps hold nothing or zeros and count as unobserved."
    corpus = make({"stress": "regression"}, face=frame, stress=frame.stress, id=["a", "b", "c"])
    found = corpus["train"].modalities["face"]
    assert corpus.columns == {"face": ("AU01", "AU02")}
    assert found.values.tolist() == [[0.5, 1], [0.25, 2], [0, 3]]
    assert found.observed.tolist() == [True, False, False]
    assert found.times.tolist() == [[0, 0], [0.5, 0.5], [1, 1]]
    assert corpus.notes == (
        "face: columns 'Unnamed: 0', 'confidence', 'success' and 'stress' are no features and are left out; "
        "`columns` keeps any by name.",
        "face: 2 steps were not measured (success 0 or confidence below 0.7) and count as unobserved.",
        "train: 2 of 3 samples hold nothing in any modality, such as 'b'.",
    )
    alone = make(face=pd.DataFrame({"confidence": [0.9, 0.1], "AU01": [1.0, 2.0]}))
    assert alone["train"].modalities["face"].observed.all()
    chosen = make(face=frame, columns={"face": ["AU02", "confidence"]})
    assert chosen.columns == {"face": ("AU02", "confidence")}
    assert chosen["train"].modalities["face"].values.tolist()[0] == [1, np.float32(0.9)]
    assert make(ecg=np.ones((2, 2)), columns={"ecg": ("x", "y")}).columns == {"ecg": ("x", "y")}


def test_beyond_float32_is_infinite():
    values = np.array([[1.0, 1e300, -1e39], [1.0, np.inf, 3e38]])
    corpus = make(ecg=values)
    assert corpus["train"].modalities["ecg"].values.tolist() == [
        [1, np.inf, -np.inf],
        [1, np.inf, np.float32(3e38)],
    ]
    assert corpus.notes[1:] == ("ecg: 2 finite values beyond float32 count as infinite.",)


def test_float32_is_not_copied():
    values = padded()
    assert np.shares_memory(make(ecg=values)["train"].modalities["ecg"].values, values)
    assert np.shares_memory(make(ecg=values[:, 0])["train"].modalities["ecg"].values, values)


def test_what_is_in_step_is_guessed_and_said():
    steps = "Step t counts as the same moment in every modality, since "
    corpus = make(a=padded(), b=padded(time=7))
    assert corpus.aligned
    assert corpus.notes[1] == steps + "no sample has two lengths."
    longer = [np.ones((n + 1, 3)) for n in LENGTHS]
    corpus = make(a=padded(), b=longer, id=list("wxyz"))
    assert not corpus.aligned
    assert (
        corpus.notes[0]
        == "The modalities count as not aligned, since their steps differ: a 3, b 4 in sample w."
    )
    hole = padded()
    hole[0, 2] = 0
    corpus = make(a=padded(), b=hole)
    assert corpus.aligned
    assert corpus["train"].modalities["b"].lengths.tolist() == list(LENGTHS)
    assert corpus["train"].modalities["b"].pad(np.array([0])).mask.tolist() == [[True, True, False]]
    assert corpus.notes[1] == steps + "all have one time axis and 3 of 4 samples fill the same steps of it."
    assert make(a=padded(), b=padded(front=True))["train"].modalities["b"].lengths.tolist() == list(LENGTHS)
    apart = [np.ones((5 - n, 2), np.float32) for n in LENGTHS]
    assert not make(a=padded(), b=padded(rows=apart)).aligned
    together = make(a=padded(), b=padded(rows=apart), aligned=True)
    assert together["train"].modalities["a"].lengths.tolist() == [3, 4, 4, 3]
    assert make(a={"values": padded(), "lengths": LENGTHS}, b=hole)["train"].modalities[
        "b"
    ].lengths.tolist() == [3, 1, 4, 2]
    assert not make(a=padded(), b=hole, aligned=False).aligned


def test_a_single_feature_may_be_zero():
    values = np.array([[[1.0], [0.0], [2.0], [0.0]], [[1.0], [0.0], [0.0], [0.0]]])
    found = make(ecg=values)["train"].modalities["ecg"]
    assert found.lengths.tolist() == [3, 1]
    assert found.pad(np.array([0])).mask.all()


def test_ids_groups_words_and_splits():
    corpus = affect.Corpus.from_arrays(
        {
            "Train": {"ecg": np.ones((2, 3)), "id": torch.tensor([7, 8]), "group": ["x", "y"], "words": ["so good", None]},
            "dev": {"ecg": np.ones((2, 3)), "id": np.array(["a", "b"]), "groups": ["x", "z"],
                    "words": [["well", "no way"], []], "times": [[[0, 1], [1, 2]], None]},
            "odd": {"ecg": np.ones((1, 3)), "ids": ["c"]},
        },
        name="toy",
    )  # fmt: skip
    assert {name: split.ids for name, split in corpus.splits.items()} == {
        "train": ("7", "8"),
        "valid": ("a", "b"),
        "odd": ("c",),
    }
    assert corpus["train"].groups == ("x", "y")
    assert [corpus["train"].words[i] for i in range(2)] == [["so", "good"], []]
    assert [corpus["valid"].words[i] for i in range(2)] == [["well", "no way"], []]
    assert corpus["valid"].words.times.tolist() == [[0, 1], [1, 2]]
    assert corpus["odd"].words is None
    assert (corpus.name, corpus.targets, corpus.notes) == ("toy", {}, ())


def labels(corpus, name="y", split="train"):
    rows = corpus[split].targets[name].flat()
    return [v.tolist() if seen else None for v, seen in zip(rows.values, rows.observed, strict=True)]


@pytest.mark.parametrize(
    ("given", "targets", "target", "expected"),
    [
        ([1.5, 2, None, 0.5], ["y"], Regression("y"), [[1.5], [2], None, [0.5]]),
        ([1.5, 2, np.nan, 0.5], {"y": Regression("y", low=-3, high=3)}, Regression("y", low=-3, high=3), [[1.5], [2], None, [0.5]]),
        (np.array([[1.5], [2], [0], [1]]), ["y"], Regression("y"), [[1.5], [2], [0], [1]]),
        (torch.ones(4, 1, 1) * 2.5, ["y"], Regression("y"), [[2.5]] * 4),
        (list(torch.tensor([0.5, 1, 2, 3])), ["y"], Regression("y"), [[0.5], [1], [2], [3]]),
        (pd.Series([1, None, 0, 1], dtype="Int64"), ["y"], Binary("y"), [[1], None, [0], [1]]),
        ([True, False, None, True], ["y"], Binary("y"), [[1], [0], None, [1]]),
        (np.array([True, False, True, True]), {"y": "binary"}, Binary("y"), [[1], [0], [1], [1]]),
        (["b", "a", None, ""], ["y"], MultiClass("y", classes=("a", "b")), [[1], [0], None, None]),
        (np.array(["b", "a", "c", "a"]), {"y": "multiclass"}, MultiClass("y", classes=("a", "b", "c")), [[1], [0], [2], [0]]),
        (pd.Series(["b", "a", None, "b"], dtype="category"), ["y"], MultiClass("y", classes=("a", "b")), [[1], [0], None, [1]]),
        (["b", "a", "a", "b"], {"y": {"kind": "multiclass", "classes": ["b", "a"]}}, MultiClass("y", classes=("b", "a")), [[0], [1], [1], [0]]),
        (["b", "a", "a", "b"], [MultiClass("y", classes=("b", "a", "z"))], MultiClass("y", classes=("b", "a", "z")), [[0], [1], [1], [0]]),
        (["b", "a", "a", "b"], {"y": "binary"}, Binary("y"), [[1], [0], [0], [1]]),
        ([3, 5, 3, 9], {"y": "multiclass"}, MultiClass("y", classes=("3", "5", "9")), [[0], [1], [0], [2]]),
        ([3, 5, 3, 9], {"y": MultiClass("y")}, MultiClass("y", classes=("3", "5", "9")), [[0], [1], [0], [2]]),
        ([0, 1, 2, 0], {"y": MultiClass("y", classes=("a", "b", "c"))}, MultiClass("y", classes=("a", "b", "c")), [[0], [1], [2], [0]]),
        ([0, 1, 1, 0], {"y": "regression"}, Regression("y"), [[0], [1], [1], [0]]),
        (np.eye(3)[[0, 2, 1, 1]], ["y"], MultiClass("y", classes=("0", "1", "2")), [[0], [2], [1], [1]]),
        (np.eye(3)[[0, 2, 1, 1]], {"y": "multilabel"}, MultiLabel("y", classes=("0", "1", "2")), [[1, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 0]]),
        ([[1, 1], [0, 1], [0, 0], [np.nan, 1]], ["y"], MultiLabel("y", classes=("0", "1")), [[1, 1], [0, 1], [0, 0], None]),
        (pd.DataFrame({"s": [1, 0, 1, 1], "t": [1, 1, 0, 0]}), ["y"], MultiLabel("y", classes=("s", "t")), [[1, 1], [0, 1], [1, 0], [1, 0]]),
    ],
)  # fmt: skip
def test_labels_of_any_kind(given, targets, target, expected):
    corpus = make(targets, ecg=np.ones((4, 2)), y=given)
    assert corpus.targets == {"y": target}
    assert labels(corpus) == expected
    assert corpus.main == "y"


def test_labels_of_steps():
    ragged = [[1.0, 2.0, None], [0.5], [], [3, 4]]
    flat = [[1], [2], None, [0.5], [3], [4]]
    ecg = [*ROWS[:2], None, ROWS[3]]
    values = np.array([[1, 2, np.nan], [0.5, 9, 9], [9, 9, 9], [3, 4, 9]])
    mask = np.array([[1, 1, 1], [1, 0, 0], [0, 0, 0], [1, 1, 0]])
    for given in (
        ragged,
        [[1.0, 2.0, np.nan], np.array([0.5]), None, torch.tensor([3, 4])],
        {"values": values, "lengths": [3, 1, 0, 2]},
        {"values": values[..., None], "mask": mask},
    ):
        corpus = make(["y"], ecg=ecg, y=given)
        assert corpus.targets == {"y": Regression("y", per_step=True)}
        assert corpus["train"].targets["y"].lengths.tolist() == [3, 1, 0, 2]
        assert labels(corpus) == flat
    target = MultiClass("y", per_step=True, classes=("a", "b"))
    for targets in (["y"], [target]):
        corpus = make(targets, ecg=ROWS[2:], y=[["a", "b", None, "a"], ["b", "b"]])
        assert corpus.targets == {"y": target}
        assert labels(corpus) == [[0], [1], None, [0], [1], [1]]
    many = MultiLabel("y", per_step=True, classes=("a", "b"))
    corpus = make([many], ecg=ROWS[2:], y=[np.ones((4, 2)), [[0, 1], [1, 0]]])
    assert labels(corpus) == [[1, 1]] * 4 + [[0, 1], [1, 0]]
    same = make({"y": Regression("y", per_step=True)}, ecg=np.ones((2, 3, 2)), y=np.arange(6).reshape(2, 3))
    assert labels(same) == [[0], [1], [2], [3], [4], [5]]


def test_few_whole_numbers_are_noted():
    corpus = make(["y"], ecg=np.ones((6, 2)), y=[0, 1, 2, 2, 1, 0])
    assert corpus.notes[1:] == (
        "y holds 3 whole numbers and is read as a number; targets: {y: multiclass} (or --target y:multiclass) "
        "makes them classes.",
    )
    assert make({"y": "regression"}, ecg=np.ones((6, 2)), y=[0, 1, 2, 2, 1, 0]).notes[1:] == ()
    columns = make(["y"], ecg=np.ones((2, 2)), y=np.eye(2))
    assert columns.notes[1:] == ("y: its 2 columns hold a single 1 in each row, and are classes.",)
    columns = make(["y"], ecg=np.ones((2, 2)), y=[[1, 1], [0, np.nan]])
    assert columns.notes[1:] == (
        "y: its 2 columns of 0 and 1 are a label for each class.",
        "train: 1 of 2 labels of y is missing, and counts as not given.",
    )


def test_what_a_split_lacks_is_said():
    corpus = affect.Corpus.from_arrays(
        {
            "train": {
                "id": ["a"],
                "ecg": np.ones((1, 2)),
                "eeg": np.ones((1, 3)),
                "gone": [None],
                "y": [1.5],
            },
            "test": {"id": ["b"], "ecg": np.ones((1, 2)), "y": None},
        },
        ["y"],
        provenance={"ecg": Provenance("a belt")},
        notes=["Made by hand."],
        citation="somebody",
    )
    assert not corpus["test"].modalities["eeg"].present.any()
    assert labels(corpus, split="test") == [None]
    assert corpus.notes == (
        "Made by hand.",
        "gone: no sample has it, and it is left out.",
        "test: no labels of y are given.",
        "eeg: no sample of test has it.",
    )
    assert (corpus.provenance, corpus.citation) == ({"ecg": Provenance("a belt")}, "somebody")


def test_any_name_is_a_modality_and_survives_the_file(tmp_path):
    names = ("wav2vec2.0", "train", "keys", "a b", "语音", "values", "text/x")
    corpus = affect.Corpus.from_arrays({"train": {name: np.ones((1, 2)) for name in names}})
    native.save(corpus, tmp_path / "a")
    assert set(affect.load(tmp_path / "a").dims) == set(names)


def test_duplicates_are_refused_or_numbered():
    content = {"train": {"id": ["a", "a"], "ecg": np.ones((2, 2))}}
    with pytest.raises(DataError, match="1 id occurs more than once: 'a'"):
        affect.Corpus.from_arrays(content)
    assert affect.Corpus.from_arrays(content, duplicates="number")["train"].ids == ("a[0]", "a[1]")


def refusal(splits, targets=None, **options):
    with pytest.raises((DataError, ConfigError)) as error:
        affect.Corpus.from_arrays(splits, targets, name="toy", **options)
    return str(error.value)


ONES = np.ones((2, 4, 3))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"ecg": np.ones((3, 2)), "y": [1, 2]}, "toy, train: ecg has 3 samples, expected 2 as target 'y' has"),
        ({"ecg": np.ones((3, 2)), "id": ["a", "b"]}, "toy, train: ecg has 3 samples, expected 2 as id has"),
        ({"ecg": np.ones((3, 2)), "words": ["a"]}, "toy, train: words has 1 samples, expected 3 as ecg has"),
        ({"ecg": np.ones((3, 2)), "group": ["a"]}, "toy, train: group has 1 samples, expected 3 as ecg has"),
        ({}, "toy, train: the split is empty; leave it out"),
        ({"ecg": np.ones((0, 2))}, "toy, train: the split is empty; leave it out"),
        ({"ecg": np.ones((2, 1, 2, 3))}, "toy, train: ecg must have shape (samples, feature) or (samples, time, feature), got (2, 1, 2, 3)"),
        ({"ecg": np.ones((2, 0))}, "toy, train: ecg needs at least one feature, got shape (2, 0)"),
        ({"ecg": np.ones(2) * 1j}, "toy, train: ecg must hold real numbers, got complex128"),
        ({"ecg": np.array(["2020-01-01"] * 2, dtype="M8[D]")}, "toy, train: ecg must hold real numbers, got datetime64[D]"),
        ({"ecg": objects({}, 1)}, "toy, train: ecg, sample train000 must hold numbers, got dict"),
        ({"ecg": ["a", "b"]}, "toy, train: ecg must hold numbers, got 'a'; name it in `targets`, or call it `group` or `words`"),
        ({"ecg": 3.0}, "toy, train: ecg must have an entry for each sample, got float"),
        ({"ecg": "so"}, "toy, train: ecg must have an entry for each sample, got str"),
        ({"ecg": np.float32(1)}, "toy, train: ecg must have an entry for each sample, got float32"),
        ({"ecg": (one for one in ROWS)}, "toy, train: ecg must have an entry for each sample, got generator"),
        ({"ecg": [np.ones((2, 3)), np.ones((2, 4))]}, "toy, train: ecg: sample train000 has 3 features and sample train001 4; a modality has one size"),
        ({"ecg": [np.ones((1, 2, 3)), None]}, "toy, train: ecg, sample train000 must have shape (steps, feature) or (feature,), got (1, 2, 3)"),
        ({"ecg": [["a"], None]}, "toy, train: ecg, sample train000 must hold numbers, got 'a'"),
        ({"ecg": [pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]})]}, "toy, train: ecg: samples train000 and train001 have other columns or another order of them"),
        ({"ecg": pd.DataFrame({"a": ["x", "y"]})}, "toy, train: ecg: column 'a' must hold numbers, got 'x'"),
        ({"ecg": pd.DataFrame({"frame": [1, 2]})}, "toy, train: ecg: no features among its columns frame"),
        ({"ecg": pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"])}, "toy, train: ecg: two columns are named 'a'; rename one"),
        ({"ecg": {"lengths": None}}, "toy, train: ecg: expected 'values' among its keys, got lengths"),
        ({"ecg": {"values": ONES, "length": [1, 2]}}, "toy, train: ecg: no key 'length' beside values; did you mean 'lengths'? known: lengths, mask, times, values"),
        ({"ecg": {"values": ONES, "lengths": [1, 2, 3]}, "id": ["a", "b"]}, "toy, train: ecg has 3 samples, expected 2 as id has"),
        ({"ecg": {"values": ONES, "lengths": [1.5, 2]}}, "toy, train: ecg: the length of sample 0 must be a whole number of steps from 0 to 2,147,483,647, got 1.5"),
        ({"ecg": {"values": ONES, "lengths": [-1, 2]}}, "toy, train: ecg: the length of sample 0 must be a whole number of steps from 0 to 2,147,483,647, got -1"),
        ({"ecg": {"values": ONES, "lengths": [[1, 2], [3, 4]]}}, "toy, train: ecg: lengths must have shape (2,), got (2, 2)"),
        ({"ecg": {"values": ONES, "lengths": [3, 4]}}, "toy, train, sample train000: ecg has 3 of 4 steps by its lengths, and content in steps 0 to 3; padding stands on one side of a split and holds zeros: mend its lengths, or leave it out of the file, and the padding is found"),
        ({"ecg": {"values": np.array([[[0.0], [1]], [[1], [0]]]), "lengths": [1, 1]}}, "toy, train, sample train000: ecg has 1 of 2 steps by its lengths, and content in steps 1 to 1, while sample train001 is padded on the other side; padding stands on one side of a split and holds zeros: mend its lengths, or leave it out of the file, and the padding is found"),
        ({"ecg": {"values": np.ones((5, 3)), "lengths": [3, 4]}}, "toy, train: ecg: 7 steps by its lengths, got values of shape (5, 3); expected (samples, time, feature), or all steps end to end"),
        ({"ecg": {"values": ROWS, "lengths": LENGTHS}}, "toy, train: ecg: a list has its own lengths; leave them out"),
        ({"ecg": {"values": ROWS, "times": [[0.0]]}}, "toy, train: ecg: times has 1 entries, expected 4"),
        ({"ecg": {"values": ROWS, "times": [[0.0]] * 4}}, "toy, train: ecg, sample train000: times must have shape (3, 2) (start and end) or (3,) (instants), got (1,)"),
        ({"ecg": {"values": ONES, "times": np.ones((2, 3))}}, "toy, train: ecg: times must have shape (2, 4, 2) (start and end) or (2, 4) (instants), got (2, 3)"),
        ({"ecg": {"values": ONES[:, 0], "times": [[1, 0], [0, 1]]}}, "toy, train: ecg: times has a step that ends before it begins: 1 to 0"),
        ({"ecg": {"values": ONES[:, 0], "times": [np.inf, 0]}}, "toy, train: ecg: times must be finite, or NaN where they are not known"),
        ({"ecg": {"values": ONES, "mask": np.ones((2, 3))}}, "toy, train: ecg: mask must have shape (2, 4), got (2, 3)"),
        ({"ecg": {"values": ONES, "mask": 2 * np.ones((2, 4))}}, "toy, train: ecg: mask must be True or False for each step, got 2"),
        ({"ecg": ONES, "times": [None, None]}, "toy, train: times are those of words, and there are none; those of a modality stand beside its values: {'values': ..., 'times': ...}"),
        ({"ecg": ONES, "words": ["a b", "c"], "times": [[0.0], None]}, "toy, train, sample train000: times of words must have shape (2, 2) (start and end) or (2,) (instants), got (1,)"),
        ({"ecg": ONES, "words": [1, 2]}, "toy, train, sample train000: words must be a text or a list of words, got int"),
        ({"ecg": ONES, "id": ["a", " "]}, "toy, train: the id of sample 1 is empty"),
        ({"ecg": ONES, "label": [1, 2]}, "toy, train: 'label' would be a modality; name it in targets=['label'] where it holds labels, and call it something else where it does not"),
        ({"ecg": ONES, "y": ["a", 1]}, "toy, train: target 'y' must hold numbers or names, got int '1' among names"),
        ({"ecg": ONES, "y": [np.inf, 1]}, "toy, train: target 'y' has 1 labels that are NaN or infinite, the first is label 0; mark unlabelled steps as unobserved instead"),
        ({"ecg": ONES, "y": [[0.5, 1], [2, 3]]}, "toy, train: target 'y' must have one label per sample, or 0 or 1 for each class, got 2 columns; give each column a name of its own, or declare it per step"),
        ({"ecg": ONES, "y": np.ones((2, 2, 2))}, "toy, train: target 'y' must have one label per sample or per step, got shape (2, 2, 2)"),
        ({"ecg": ONES, "y": [None, None]}, "toy: target 'y' holds no label; say what it is, as in MultiClass('y')"),
        ({"ecg": ONES, "y": {"values": [[1]]}}, "toy, train: ecg has 2 samples, expected 1 as target 'y' has"),
        ({"ecg": ONES, "y": {"values": np.ones((2, 3))}}, "toy, train: target 'y': expected values with lengths or a mask, got values"),
        ({"ecg": ONES, "y": {"values": np.ones((2, 3)), "lengths": [4, 1]}}, "toy, train: target 'y': the length of sample 0 must be a whole number of steps from 0 to 3, got 4"),
        ({"ecg": ONES, "y": {"values": np.ones((2, 3)), "lengths": [3, 1]}}, "toy, train, sample train000: ecg has 4 steps and target 'y' 3, but they are declared aligned"),
        ({"ecg": np.ones((60, 2)), "y": list(map(str, range(60)))}, "toy: target 'y' holds 60 names for 60 labels; say what it is, as in MultiClass('y')"),
    ],
)  # fmt: skip
def test_what_is_refused(content, message):
    assert refusal({"train": content}, ["y"] if "y" in content else None) == message


@pytest.mark.parametrize(
    ("splits", "targets", "message"),
    [
        ({"ecg": ONES}, None, "toy, ecg: expected a dict of arrays, got ndarray; without splits, give {'all': {...}}"),
        ({}, None, "toy: a corpus needs at least one split"),
        ({"val": {"ecg": ONES}, "dev": {"ecg": ONES}}, None, "toy: two splits are 'valid', one is called 'dev'; rename one"),
        ({"train": {"ecg": ONES}}, ["y"], "toy: no split has the target 'y'; leave it out of `targets`"),
        ({"train": {"ecg": ONES}, "test": {"ecg": ONES[..., :2]}}, None, "toy: ecg has 3 features in train and 2 in test; a modality has one size"),
        ({"train": {"ecg": pd.DataFrame({"a": [1]})}, "test": {"ecg": pd.DataFrame({"b": [1]})}}, None, "toy: ecg has other columns in test than in train, or another order of them"),
        ({"train": {"y": [1.5]}, "test": {"y": ["a"]}}, ["y"], "toy: target 'y' holds names in one split and numbers in another"),
        ({"train": {"y": [1.5]}, "test": {"y": [[1, 0]]}}, ["y"], "toy: target 'y' must have as many columns in every split, got {'train': 1, 'test': 2}"),
        ({"train": {"y": [[1, 2], [1]]}, "test": {"y": [1]}}, ["y"], "toy, test: target 'y' has a label per sample, but in another split one per step"),
        ({"train": {"y": ["a"]}}, {"y": "regression"}, "toy: targets: y: its labels are names of classes, which are no numbers"),
        ({"train": {"y": ["a"]}}, [Regression("y")], "toy, train: target 'y' must hold numbers for a Regression, got 'a'"),
        ({"train": {"y": ["ba"]}}, [MultiClass("y", classes=("bar", "c"))], "toy, train: target 'y' has no class 'ba'; did you mean 'bar'? known: bar, c"),
        ({"train": {"y": [2]}}, [Binary("y")], "toy, train: target 'y' needs labels 0 to 1, got 2"),
        ({"train": {"y": [[1, 0]]}}, [MultiLabel("y", classes=("a", "b", "c"))], "toy, train: target 'y' must have a column for each of 3 classes, got 2"),
        ({"train": {"y": [[1, 1]]}}, {"y": "multiclass"}, "toy, train: target 'y' must have a single 1 in each row, being of one class"),
        ({"train": {"y": [1]}}, {"y": 3}, "toy: targets: y: expected a target, or a kind such as 'regression', got 3"),
        ({"train": {"y": [1]}}, {"y": "regresion"}, "toy: targets: y: no kind 'regresion'; did you mean 'regression'? known: binary, multiclass, multilabel, regression"),
        ({"train": {"y": [1]}}, {"y": Regression("z")}, "toy: targets: 'y' is a target that is named 'z'"),
        ({"train": {"y": [1]}}, 3, "toy: targets: expected names, or a kind by name, got 3"),
    ],
)  # fmt: skip
def test_what_is_refused_of_splits_and_targets(splits, targets, message):
    assert refusal(splits, targets) == message


def test_columns_that_do_not_fit_are_refused():
    frame = pd.DataFrame({"a": [1, 2]})
    assert (
        refusal({"train": {"ecg": frame}}, columns={"ecg": ["b"]})
        == "toy, train: ecg: no column 'b'; known: a"
    )
    assert (
        refusal({"train": {"ecg": ONES}}, columns={"ecg": ["b"]})
        == "toy: ecg has 3 features and 1 names of columns"
    )
    assert (
        refusal({"train": {"ecg": ONES}}, columns={"egc": ["b"]})
        == "toy: no modality 'egc'; did you mean 'ecg'? known: ecg"
    )


def masked_labels(values, targets=("y",)):
    corpus = make(
        list(targets), ecg=np.ones((len(values), 2)) * np.arange(1, len(values) + 1)[:, None], y=values
    )
    rows = corpus["train"].targets["y"]
    return (
        corpus.targets["y"],
        rows.observed.tolist(),
        rows.values[rows.observed][:, 0].tolist(),
        corpus.notes[1:],
    )


def test_masked_labels_are_not_given():
    said = ("train: 6 of 12 labels of y are missing, and count as not given.",)
    numbers = np.ma.masked_less(np.array([-999.0, 1.5] * 6), 0)
    for given in (numbers, list(numbers), numbers[:, None]):
        assert masked_labels(given) == (Regression("y"), [False, True] * 6, [1.5] * 6, said)
    whole = masked_labels(np.ma.masked_less(np.array([-999, 1] * 6), 0))
    assert whole == (Binary("y"), [False, True] * 6, [1] * 6, said)
    names = masked_labels(np.ma.array(["?", "b"] * 6, mask=[True, False] * 6))
    assert names == (MultiClass("y", classes=("b",)), [False, True] * 6, [0] * 6, said)


def test_the_order_of_classes():
    given = ["low", "mid", "high"] * 2
    order = ("low", "mid", "high")
    for kind in (
        pd.Categorical(given, order, ordered=True),
        pd.Series(given).astype(pd.CategoricalDtype(order, True)),
    ):
        target, _, values, _ = masked_labels(kind)
        assert (target.classes, values) == (order, [0, 1, 2] * 2)
    for kind in (pd.Categorical(given, order), given):
        assert masked_labels(kind)[0].classes == ("high", "low", "mid")
    assert masked_labels(["10", "9", "-1", "9"])[0].classes == ("-1", "9", "10")
    assert masked_labels(["10", "9", "a", "9"])[0].classes == ("10", "9", "a")


def test_a_mask_against_the_content():
    values = padded(time=6)
    mask = np.arange(6) < np.array(LENGTHS)[:, None]
    assert make(ecg={"values": values, "mask": mask}).notes == (NAMELESS,)
    for wrong in (~mask, list(~mask)):
        with pytest.raises(DataError) as caught:
            make(ecg={"values": values if isinstance(wrong, np.ndarray) else list(values), "mask": wrong})
        assert str(caught.value) == (
            "arrays, train: ecg: the mask seems to be True where padding is; invert it: 10 of the 10 steps outside it "
            "hold something, and 0 of the 14 inside"
        )
    with pytest.raises(DataError, match="invert it: 10 of the 10 steps"):
        make(ecg=[affect.Steps(one, observed=seen) for one, seen in zip(values, ~mask, strict=True)])
    mask[0, :2] = False
    corpus = make(ecg={"values": values, "mask": mask})
    assert corpus.notes[1:] == ("ecg: 2 of the 16 steps that the mask leaves out hold something.",)
    assert int(corpus["train"].modalities["ecg"].observed.sum()) == 8


def test_samples_without_times_among_others_are_said():
    steps = [affect.Steps(np.ones((2, 2)), times=[0, 1]), affect.Steps(np.ones((2, 2)) * 2), None]
    corpus = make(ecg=steps, id=["a", "b", "c"])
    assert corpus.notes[0] == "ecg: 1 of 2 samples has no times, where others do."
