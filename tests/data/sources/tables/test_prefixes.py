import numpy as np
import pytest

import affect
from affect.data.sources import tables
from affect.data.sources.options import Options
from affect.errors import ConfigError, DataError


@pytest.fixture
def write(tmp_path):
    """Write a table of one row with these columns; gives its path."""

    def writer(*names):
        path = tmp_path / "mine.csv"
        row = ",".join(str(i) for i in range(len(names)))
        path.write_text(f"id,label,{','.join(names)}\na,1.5,{row}\n")
        return path

    return writer


def refusal(path, error=DataError, **options):
    with pytest.raises(error) as caught:
        tables.read(path, options=Options.of(**options))
    return str(caught.value).replace(str(path), "FILE")


def test_the_longest_prefix_that_is_named_wins(write):
    path = write("wav2vec2.0.f1", "wav2vec2.0.f2", "wav2vec2.g", "clip.vit.f", "clip.rn50.f", "audio.f0")
    corpus = affect.load(path, prefixes=["clip", "clip.vit", "wav2vec2.0"])
    assert corpus.columns == {
        "wav2vec2.0": ("f1", "f2"),
        "wav2vec2": ("g",),
        "clip.vit": ("f",),
        "clip": ("rn50.f",),
        "acoustic": ("f0",),
    }
    assert corpus["all"].modalities["clip"].values.tolist() == [[4]]
    assert corpus["all"].modalities["wav2vec2.0"].values.tolist() == [[0, 1]]
    assert corpus.notes == ("Column 'label' is read as the target sentiment.",)


def test_what_is_named_is_called_so(write):
    path = write("audio.f0", "acoustic.f0")
    assert affect.load(path, prefixes=["audio"]).dims == {"audio": 1, "acoustic": 1}


def test_a_longer_prefix_that_all_share_is_said(write):
    corpus = affect.load(write("wav2vec2.0.f1", "wav2vec2.0.f2"))
    assert corpus.columns == {"wav2vec2": ("0.f1", "0.f2")}
    assert corpus.notes == (
        "Column 'label' is read as the target sentiment.",
        "wav2vec2: all its columns begin with 'wav2vec2.0.'; the first dot ends the name of the modality, "
        "`prefixes: [wav2vec2.0]` makes it wav2vec2.0.",
    )


@pytest.mark.parametrize(
    "names",
    [
        ("acoustic.F0semitoneFrom27.5Hz_sma3nz", "acoustic.loudness"),
        ("acoustic.F0semitoneFrom27.5Hz_sma3nz", "acoustic.spectralRollOff25.0_sma", "acoustic.mfcc50.0"),
        ("ecg.hr.mean", "ecg.hr"),
    ],
)
def test_dots_in_the_names_of_features_are_theirs(write, names):
    corpus = affect.load(write(*names))
    ((m, columns),) = corpus.columns.items()
    assert tuple(f"{m}.{name}" for name in columns) == names
    assert corpus.notes == ("Column 'label' is read as the target sentiment.",)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("clip.vit.f", "clip.rn50.f"), "FILE: columns 'clip.vit.f' and 'clip.rn50.f' would be of one modality, clip; name the modalities in `prefixes`: clip.vit, clip.rn50; or clip if it is one"),
        (("w2v.1.f", "w2v.1.g", "w2v.2.f", "w2v.3.f"), "FILE: columns 'w2v.1.f' and 'w2v.2.f' would be of one modality, w2v; name the modalities in `prefixes`: w2v.1, w2v.2, ...; or w2v if it is one"),
        (("audio.f0", "acoustic.f1"), "FILE: columns 'audio.f0' and 'acoustic.f1' would be of one modality, acoustic; rename one, or name the modalities in `prefixes`: audio, acoustic"),
        (("video.x", "vision.x"), "FILE: columns 'video.x' and 'vision.x' would be of one modality, visual; rename one, or name the modalities in `prefixes`: video, vision"),
    ],
)  # fmt: skip
def test_what_would_become_one_is_refused(write, names, message):
    assert refusal(write(*names)) == message


def test_the_remedies_work(write):
    path = write("clip.vit.f", "clip.rn50.f")
    assert affect.load(path, prefixes=["clip.vit", "clip.rn50"]).dims == {"clip.vit": 1, "clip.rn50": 1}
    assert affect.load(path, prefixes=["clip"]).columns == {"clip": ("vit.f", "rn50.f")}


def test_a_prefix_that_no_column_has_is_refused(write):
    path = write("wav2vec2.0.f1")
    assert refusal(path, ConfigError, prefixes=["wav2vec3.0"]) == (
        "FILE: prefixes: no column begins with 'wav2vec3.0.'; did you mean 'wav2vec2'? known: wav2vec2"
    )


def test_prefixes_are_refused_where_no_column_has_a_name(write, tmp_path):
    arrays = tmp_path / "a.npz"
    np.savez(arrays, y=np.arange(3.0), **{"wav2vec2.0": np.ones((3, 4))})
    message = "FILE: prefixes: no modality 'open.face', and no columns with names; known: wav2vec2.0"
    with pytest.raises(ConfigError) as caught:
        affect.load(arrays, prefixes=["open.face"])
    assert str(caught.value).replace(str(arrays), "FILE") == message
    assert affect.load(arrays, prefixes=["wav2vec2.0"]).dims == {"wav2vec2.0": 4}
    with pytest.raises(ConfigError) as caught:
        affect.load("synthetic", prefixes=["open.face"])
    assert str(caught.value) == (
        "prefixes: no modality 'open.face', and no columns with names; known: acoustic, text, visual"
    )


def test_a_native_file_takes_the_prefixes_of_its_table(write, tmp_path):
    """A finished run says them of whatever it predicts."""
    corpus = affect.load(write("wav2vec2.0.f1"), prefixes=["wav2vec2.0"])
    affect.data.native.save(corpus, tmp_path / "a.affect")
    assert affect.load(tmp_path / "a.affect", prefixes=["wav2vec2.0"]).dims == {"wav2vec2.0": 1}
