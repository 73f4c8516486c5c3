"""The files of real corpora become native ones, with the counts that their description gives."""

import re

import numpy as np
import pytest

import affect
from affect.data import native
from affect.errors import ConfigError, DataError
from experiments.prepare.__main__ import MAKERS, default_text_model, prepare
from experiments.prepare.mmmo import mmmo, mmmo_trimodal
from experiments.prepare.mosi import mosi_context, mosi_words
from experiments.prepare.mustard import mustard


@pytest.fixture(autouse=True)
def no_embedding(monkeypatch):
    """What the encoder does has tests of its own; here it would take most of the time."""
    for module in ("mosi", "mustard"):
        monkeypatch.setattr(f"experiments.prepare.{module}.embed", lambda corpus, model: corpus)


def test_mustard(real_data):
    corpus = mustard(real_data, "")
    split = corpus["all"]
    assert (len(split), len(set(split.groups))) == (209, 17)
    assert split.labels("sarcasm").sum() == 105
    visual, acoustic = split.modalities["visual"], split.modalities["acoustic"]
    assert (~visual.present).sum() == 7
    assert (acoustic.dim, visual.dim) == (16, 57)  # whether a face was found is the mask, not a feature
    assert (acoustic.lengths.min(), acoustic.lengths.max()) == (12, 300)
    assert (split.words.lengths.min(), split.words.lengths.max()) == (1, 31)
    assert 0.25 < 1 - visual.observed.mean() < 0.3
    assert np.allclose(np.diff(acoustic.times[:12], axis=0), 0.05)
    assert not corpus.aligned


def test_mosi_words(real_data):
    corpus = mosi_words(real_data, "")
    assert {name: len(split) for name, split in corpus.splits.items()} == {
        "train": 1284,
        "valid": 229,
        "test": 686,
    }
    labels = np.concatenate([split.labels("sentiment") for split in corpus.splits.values()])
    assert np.bincount(np.round(labels[:, 0]).astype(int) + 3).tolist() == [80, 385, 404, 403, 379, 463, 85]
    for split in corpus.splits.values():
        assert "sp" not in split.words.tokens
        assert split.modalities["acoustic"].lengths.max() == 1
        for row in range(len(split)):
            begin = split.words.times[split.words.starts[row] :][: split.words.lengths[row], 0]
            assert (np.diff(begin) >= 0).all()
    videos = [set(split.groups) for split in corpus.splits.values()]
    assert [len(v) for v in videos] == [52, 10, 31]


def test_mosi_context(real_data):
    corpus = mosi_context(real_data)
    assert {name: (len(s), s.targets["sentiment"].total) for name, s in corpus.splits.items()} == {
        "train": (62, 1447),
        "test": (31, 752),
    }
    lengths = np.concatenate([split.targets["sentiment"].lengths for split in corpus.splits.values()])
    assert (lengths.min(), lengths.max()) == (9, 63)
    assert corpus.aligned
    assert corpus.notes[0].startswith("Supervised features")


def test_mmmo(real_data):
    corpus = mmmo(real_data)
    assert {name: len(split) for name, split in corpus.splits.items()} == {
        "train": 220,
        "valid": 40,
        "test": 80,
    }
    for split in corpus.splits.values():
        acoustic, visual = (split.modalities[m] for m in ("acoustic", "visual"))
        assert np.array_equal(acoustic.lengths, visual.lengths)
        first = acoustic.observed[acoustic.starts] | visual.observed[visual.starts]
        assert first.all()
    assert mmmo_trimodal(real_data).dims == {"acoustic": 74, "text": 300, "visual": 36}
    assert len(mmmo_trimodal(real_data)["all"]) == 120


def test_the_file_is_the_corpus(real_data, tmp_path, capsys):
    path = prepare("mosi_context", str(real_data), tmp_path, "")
    whole, again = mosi_context(real_data), affect.load(path)
    for name, split in whole.splits.items():
        for m, rows in split.modalities.items():
            assert np.array_equal(again[name].modalities[m].values, rows.values)
    prepare("mosi_context", None, tmp_path, "")
    assert capsys.readouterr().out.endswith(f"{path} is there; --force makes it anew\n")


def test_real_data_can_be_inspected(real_data, tmp_path, capsys):
    native.save(mustard(real_data, ""), tmp_path / "mustard")
    affect.cli.main(["inspect", str(tmp_path / "mustard")])
    assert "visual" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "data", "error", "message"),
    [
        (
            "mmmo",
            None,
            DataError,
            "prepare: mmmo needs mfn/mmmo/audio_train.h5 in the folder that AFFECT_DATA names, and AFFECT_DATA is "
            "not set; ICT-MMMO is had at https://github.com/pliang279/MFN",
        ),
        (
            "mustard",
            "nowhere",
            DataError,
            "prepare: mustard needs nowhere/mustard/mustard209.h5, which is not there; MUStARD is had at "
            "https://github.com/soujanyaporia/MUStARD",
        ),
        (
            "mustrad",
            None,
            ConfigError,
            f"prepare: no corpus 'mustrad'; did you mean 'mustard'? known: {', '.join(sorted(MAKERS))}",
        ),
    ],
)
def test_refusals(name, data, error, message, tmp_path):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        prepare(name, data, tmp_path, "")


def test_a_text_model_can_be_named(monkeypatch):
    monkeypatch.setenv("AFFECT_TEXT_MODEL", "somewhere")
    assert default_text_model() == "somewhere"
