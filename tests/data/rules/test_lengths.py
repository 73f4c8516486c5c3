"""Lengths that a file gives are proven by what stands outside them: nothing is cut off without a word."""

import pickle

import numpy as np
import pytest

import affect
from affect.data.rules.lengths import PaddedModality, agreed, places
from affect.data.sources import mmsa
from affect.errors import DataError

NAMES = {"text": "text", "audio": "acoustic", "vision": "visual"}
TIMES = {True: {"text": 20, "audio": 20, "vision": 20}, False: {"text": 20, "audio": 30, "vision": 25}}
DIM = 3


def a_split(name, count, front, aligned, rng, masked=True):
    """What MMSA-FET writes with its padding at the start or at the end, and the rows that went into it."""
    times = TIMES[aligned]
    lengths = {key: rng.integers(2, time + 1, count) for key, time in times.items()}
    if aligned:
        lengths = dict.fromkeys(times, lengths["text"])
    content = {"id": [f"{name}{i}$_$0" for i in range(count)], "regression_labels": rng.uniform(-3, 3, count)}
    rows = {}
    for key, time in times.items():
        rows[key] = [rng.normal(size=(n, DIM)) for n in lengths[key]]
        content[key] = np.stack([padded(row, time, front) for row in rows[key]])
    if masked:
        mask = np.stack([padded(np.ones((n, 1)), 20, front)[:, 0] for n in lengths["text"]])
        content["text_bert"] = np.stack([7 * mask, mask, 0 * mask], 1)
    if not aligned:
        content |= {f"{key}_lengths": lengths[key].tolist() for key in ("audio", "vision")}
    return content, rows


def padded(row, time, front):
    empty = np.zeros((time - len(row), row.shape[1]))
    return np.concatenate([empty, row] if front else [row, empty])


def a_file(tmp_path, front, aligned, change=None, masked=True):
    """A file, and the rows of each split and modality."""
    rng, content, rows = np.random.default_rng(0), {}, {}
    for name, count in (("train", 40), ("valid", 10), ("test", 10)):
        side = front[name] if isinstance(front, dict) else front
        content[name], rows[name] = a_split(name, count, side, aligned, rng, masked)
    if change:
        change(content)
    path = tmp_path / "feature.pkl"
    path.write_bytes(pickle.dumps(content, 5))
    return path, rows, content


def check(corpus, rows):
    for name, split in corpus.splits.items():
        for key, modality in NAMES.items():
            found = split.modalities[modality]
            assert found.lengths.tolist() == [len(row) for row in rows[name][key]]
            assert found.observed[found.index].all()
            assert all(np.array_equal(found[i], row) for i, row in enumerate(rows[name][key]))


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("front", [True, False])
def test_front_padding_is_read_as_back_padding_is(front, aligned, tmp_path):
    path, rows, _ = a_file(tmp_path, front, aligned)
    corpus = affect.load(path)
    check(corpus, rows)
    said = [note for note in corpus.notes if "front" in note]
    assert said == (
        [
            f"{m}: the content shows that the padding stands in front, in train, valid, test."
            for m in ("acoustic", "visual")
        ]
        if front and not aligned
        else []
    )


@pytest.mark.parametrize(("aligned", "steps"), [(False, (436, 690, 532)), (True, (436, 436, 436))])
def test_the_steps_of_the_case(aligned, steps, tmp_path):
    """`cases/04`, whose arrays these are: as many steps of either side as its back-padded file has."""
    for front in (True, False):
        split = affect.load(a_file(tmp_path, front, aligned)[0])["train"]
        found = [split.modalities[m].flat() for m in NAMES.values()]
        assert tuple(rows.total for rows in found) == steps
        assert all(rows.observed.all() for rows in found)


def test_the_side_is_one_of_each_split_and_need_not_be_one_of_the_file(tmp_path):
    path, rows, _ = a_file(tmp_path, {"train": False, "valid": False, "test": True}, False)
    corpus = affect.load(path)
    check(corpus, rows)
    assert corpus.notes[0] == "acoustic: the content shows that the padding stands in front, in test."


def test_where_both_places_would_do_the_other_splits_decide():
    lengths, ids = np.array([2]), ("a",)
    both = np.array([[[0.0], [1.0], [0.0]]])
    front = np.array([[[0.0], [1.0], [1.0]]])

    def given(values):
        return PaddedModality("text", values, np.zeros(1, int), lengths, ids, "doc", "lengths")

    assert places({"train": given(front), "valid": given(both)}) == {"train": "mirrored", "valid": "mirrored"}
    assert places({"valid": given(both)}) == {"valid": "given"}
    assert (
        places({"train": given(front), "valid": given(both), "test": given(front[:, ::-1])})["valid"]
        == "given"
    )
    assert agreed({"a": ("given", "mirrored")}) == {"a": "given"}


def test_padding_of_nan_is_padding(tmp_path):
    def change(content):
        for split in content.values():
            for i, n in enumerate(split["audio_lengths"]):
                split["audio"][i, n:] = np.nan

    path, rows, _ = a_file(tmp_path, False, False, change)
    check(affect.load(path), rows)


REFUSED = {
    "content outside both": (
        lambda split: split["audio"].__setitem__((0, slice(None)), 1.0),
        {"audio_lengths": 4},
        "has 4 of 30 steps by audio_lengths, and content in steps 0 to 29; padding stands on one side of a split and "
        "holds zeros: mend audio_lengths, or leave it out of the file, and the padding is found",
    ),
    "a length of zero": (
        lambda split: (
            split["vision"].__setitem__((0, slice(None)), 0) or split["vision"].__setitem__((0, 3), 1.0)
        ),
        {"vision_lengths": 0},
        "has 0 of 25 steps by vision_lengths, and content in steps 3 to 3; padding stands on one side of a split and "
        "holds zeros: mend vision_lengths, or leave it out of the file, and the padding is found",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_content_outside_the_lengths_is_refused(name, tmp_path):
    change, lengths, said = REFUSED[name]

    def changed(content):
        change(content["valid"])
        for key, length in lengths.items():
            content["valid"][key][0] = length

    path = a_file(tmp_path, False, False, changed)[0]
    modality = NAMES[next(iter(lengths)).removesuffix("_lengths")]
    with pytest.raises(DataError) as error:
        affect.load(path)
    assert str(error.value) == f"{path}, valid, sample valid0$_$0: {modality} {said}"


def test_a_mixture_of_sides_in_a_split_is_refused(tmp_path):
    def change(content):
        content["test"]["audio"][3] = content["test"]["audio"][3, ::-1].copy()

    path, rows, _ = a_file(tmp_path, False, False, change)
    n = len(rows["test"]["audio"][3])
    other = next(i for i, row in enumerate(rows["test"]["audio"]) if len(row) < 30)
    with pytest.raises(DataError) as error:
        affect.load(path)
    assert str(error.value) == (
        f"{path}, test, sample test3$_$0: acoustic has {n} of 30 steps by audio_lengths, and content in steps {30 - n} to "
        f"29, while sample test{other}$_$0 is padded on the other side; padding stands on one side of a split and holds "
        "zeros: mend audio_lengths, or leave it out of the file, and the padding is found"
    )


def test_the_remedy_of_the_refusal_works(tmp_path):
    def change(content):
        for split in content.values():
            split["audio_lengths"] = [1] * len(split["id"])

    path = a_file(tmp_path, False, False, change)[0]
    with pytest.raises(DataError, match="leave it out of the file"):
        affect.load(path)

    def mended(content):
        for split in content.values():
            del split["audio_lengths"]

    path, rows, _ = a_file(tmp_path, False, False, mended)
    check(affect.load(path), rows)


@pytest.mark.parametrize("aligned", [True, False])
def test_a_mask_that_stands_on_the_other_side_than_the_features(aligned, tmp_path):
    def change(content):
        for split in content.values():
            split["text_bert"] = split["text_bert"][..., ::-1].copy()

    path, rows, content = a_file(tmp_path, True, aligned, change)
    corpus = affect.load(path)
    check(corpus, rows)
    assert [note for note in corpus.notes if "mirrored" in note] == [
        f"{split}: the mask of text_bert is mirrored, since the content stands on the other side."
        for split in ("train", "valid", "test")
    ]
    tokens = mmsa.read(content, path, tokens=True)["train"].modalities["tokens"]
    assert tokens.lengths.tolist() == [len(row) for row in rows["train"]["text"]]
    assert (tokens.values[tokens.index] == 7).all()


def test_holes_of_the_mask_are_steps(tmp_path):
    def change(content):
        long = content["train"]["text_bert"][:, 1].sum(1) > 2
        content["train"]["text_bert"][long, 1, 1] = 0
        content["train"]["text"][np.flatnonzero(long)[0], 1] = 0

    path, rows, content = a_file(tmp_path, False, False, change)
    holes = sum(len(row) > 2 for row in rows["train"]["text"])
    corpus = mmsa.read(content, path, tokens=True)
    text, tokens = (corpus["train"].modalities[m] for m in ("text", "tokens"))
    assert text.lengths.tolist() == tokens.lengths.tolist() == [len(row) for row in rows["train"]["text"]]
    assert text.observed[text.index].sum() == text.total - 1  # what a hole holds is there
    assert tokens.observed[tokens.index].sum() == tokens.total - holes
    assert (
        f"train: the mask of text_bert leaves out {holes} steps between others, in {holes} samples; they count as steps, "
        "observed where they hold anything."
    ) in corpus.notes


def test_features_of_padding_are_left_out_with_a_note(tmp_path):
    """A tokenizer that pads to one length leads to features of the padding too: the mask alone knows them."""

    def change(content):
        for split in content.values():
            split["text"] = np.where(split["text"] == 0, 5.0, split["text"])

    path, rows, _ = a_file(tmp_path, False, False, change)
    corpus = affect.load(path)
    check(corpus, rows)
    left = sum(20 - len(row) for row in rows["train"]["text"])
    assert (
        f"train, text: {left} steps outside the mask of text_bert hold features of padding, and are left out."
        in corpus.notes
    )


def test_text_outside_its_mask_is_refused(tmp_path):
    def change(content):
        content["train"]["text"][0] = 0
        content["train"]["text"][0, [0, 19]] = 1
        content["train"]["text_bert"][0, 1] = np.arange(20) < 4

    path = a_file(tmp_path, False, False, change)[0]
    with pytest.raises(DataError) as error:
        affect.load(path)
    assert str(error.value) == (
        f"{path}, train, sample train0$_$0: text has 4 of 20 steps by the mask of text_bert, and content in steps 0 to "
        "19; padding stands on one side of a split and holds zeros: mend the mask of text_bert, or leave it out of the "
        "file, and the padding is found"
    )


def test_other_modalities_outside_the_mask_of_the_text_are_kept(tmp_path):
    def change(content):
        for split in content.values():
            split["text_bert"][0, 1] = np.arange(20) < 2
            split["text"][0, 2:] = 0
            split["audio"][0, :6] = 1
            split["audio"][0, 6:] = split["vision"][0, 2:] = 0

    path, _, _ = a_file(tmp_path, False, True, change)
    corpus = affect.load(path)
    rows = corpus["train"].modalities
    assert [rows[m].lengths[0] for m in ("text", "acoustic", "visual")] == [6, 6, 6]
    assert rows["acoustic"].observed[:6].all()
    assert rows["text"].observed[:6].tolist() == [True] * 2 + [False] * 4
    assert (
        "train, acoustic: 1 samples hold content outside the mask of text_bert, which is kept: the steps of these samples "
        "are more than the mask says."
    ) in corpus.notes


def test_a_mask_of_other_steps_is_not_used(tmp_path):
    def change(content):
        for split in content.values():
            split["text_bert"] = np.ones((len(split["id"]), 3, 8))

    path, rows, _ = a_file(tmp_path, False, False, change)
    corpus = affect.load(path)
    check(corpus, rows)
    assert (
        "train, text: the mask of text_bert has 8 steps and text 20; the padding found stands in back."
        in corpus.notes
    )


def test_without_lengths_a_small_split_does_not_decide_the_side(tmp_path):
    def change(content):
        content["valid"]["text"][:] = 1
        content["valid"]["text"][:, -1] = 0

    path, _, _ = a_file(tmp_path, True, False, change, masked=False)
    text = affect.load(path)["valid"].modalities["text"]
    assert text.lengths.tolist() == [20] * 10
    assert text.observed.reshape(10, 20)[:, -1].tolist() == [False] * 10


def test_content_is_never_cut_off_without_a_word(tmp_path):
    """Whatever lengths and masks a file gives: every value is in the corpus, or the file is refused, or a note says it."""
    rng, outcomes = np.random.default_rng(0), {"read": 0, "refused": 0, "noted": 0}
    for _ in range(300):
        count, time = 3, 4
        split = {"id": list("abc"), "regression_labels": np.zeros(count)}
        for key in NAMES:
            lengths, front = rng.integers(0, time + 1, count), rng.random() < 0.5
            steps = np.arange(time)
            inside = steps >= time - lengths[:, None] if front else steps < lengths[:, None]
            full = rng.random() < 0.1
            split[key] = rng.normal(size=(count, time, 2)) * (inside | full)[..., None]
            if rng.random() < 0.4 and key != "text":
                split[f"{key}_lengths"] = np.clip(lengths + (rng.random(count) < 0.1), 0, time).tolist()
        if rng.random() < 0.7:
            mask = rng.random((count, time)) < 0.9 if rng.random() < 0.2 else inside
            split["text_bert"] = np.stack([7 * mask, mask, 0 * mask], 1).astype(float)
        try:
            corpus = mmsa.read({"train": split}, tmp_path / "a.pkl")
        except DataError:
            outcomes["refused"] += 1
            continue
        noted = any("left out" in note and "steps outside" in note for note in corpus.notes)
        outcomes["noted" if noted else "read"] += 1
        for key, modality in NAMES.items():
            rows = corpus["train"].modalities[modality]
            kept = rows.values[rows.index][rows.observed[rows.index]]
            if not noted or modality != "text":
                assert np.array_equal(np.sort(kept[kept != 0]), np.sort(split[key][split[key] != 0]))
    assert min(outcomes.values()) > 3, outcomes
