"""The one rule for columns that are no features, in folders and in tables."""

import numpy as np
import pandas as pd
import pytest

import affect
from affect.data.provenance import Provenance
from affect.errors import ConfigError, DataError

RNG = np.random.default_rng(0)
IDS = [f"s{i:02d}" for i in range(30)]
SPLITS = ["train"] * 20 + ["valid"] * 5 + ["test"] * 5


@pytest.fixture
def folder(tmp_path):
    """Write a folder with the modality `face`, a frame or a text for each sample; gives its path."""

    def writer(content_of, suffix="csv", name="face", **labels):
        table = pd.DataFrame({"id": IDS, "y": np.arange(30) % 2, "split": SPLITS} | labels)
        (tmp_path / "set" / name).mkdir(parents=True, exist_ok=True)
        table.to_csv(tmp_path / "set" / "labels.csv", index=False)
        for i, one in enumerate(IDS):
            content, path = content_of(i), tmp_path / "set" / name / f"{one}.{suffix}"
            if isinstance(content, str):
                path.write_text(content)
            else:
                content.to_csv(path)
        return tmp_path / "set"

    return writer


@pytest.fixture
def table(tmp_path):
    """Write a table; gives its path."""

    def writer(content):
        path = tmp_path / "mine.csv"
        path.write_text(content)
        return path

    return writer


def steps(corpus, modality):
    """Values, mask and times of all samples."""
    own = [split.modalities[modality].flat() for split in corpus.splits.values()]
    times = [one.times for one in own]
    return (
        np.concatenate([one.values for one in own]),
        np.concatenate([one.observed for one in own]),
        None if times[0] is None else np.concatenate(times),
    )


def test_row_numbers_are_no_feature(folder):
    frames = [pd.DataFrame(RNG.normal(size=(6, 3)), columns=list("abc")) for _ in IDS]
    for frame in frames:
        frame.iloc[2] = 0.0
    corpus = affect.load(folder(lambda i: frames[i]))
    values, seen, _ = steps(corpus, "face")
    np.testing.assert_array_equal(values, np.concatenate(frames).astype(np.float32))
    assert (corpus.columns["face"], seen.sum(), len(seen)) == (("a", "b", "c"), 150, 180)
    assert corpus.notes == (
        "face: column '' is no feature and is left out; `columns` keeps any by name.",
        "face: 30 of 180 steps hold nothing or zeros and count as unobserved.",
    )


def test_labels_are_no_features_under_whatever_name(folder):
    content = "a,b,label,Class,y,target,Unnamed: 3,index\n1,2,0,1,1,1,7,8\n"
    corpus = affect.load(folder(lambda _: content))
    assert corpus.columns == {"face": ("a", "b")}
    assert corpus.notes == (
        "face: columns 'label', 'Class', 'y', 'target', 'Unnamed: 3' and 'index' are no features and are left "
        "out; `columns` keeps any by name.",
    )
    assert affect.load(folder(lambda _: content), columns=["y"]).columns == {"face": ("a", "b", "y")}
    kept = affect.load(folder(lambda _: content), columns=["face.index", "label"])
    assert kept.columns == {"face": ("a", "b", "label", "index")}
    assert kept["train"].modalities["face"][0].tolist() == [[1, 2, 0, 8]]


def test_the_names_of_sentiment_labels_are_no_features_either(folder):
    corpus = affect.load(
        folder(lambda _: "label_T,sentiment_text,b\n1,2,3\n", label_T=np.linspace(-1, 1, 30))
    )
    assert corpus.columns == {"face": ("b",)}


def test_a_column_that_is_not_there_cannot_be_kept(folder):
    path = folder(lambda _: "a,b\n1,2\n")
    with pytest.raises(ConfigError) as error:
        affect.load(path, columns=["confidenc", "a"])
    assert str(error.value) == f"{path}: columns: no column 'confidenc'; known: a, b, y"


def test_failed_frames_of_openface_are_not_observed(folder):
    rng = np.random.default_rng(1)
    columns = ["frame", "face_id", "timestamp", "confidence", "success", "AU01_r", "AU02_r"]

    def rows(_):
        lines = [", ".join(columns)]
        for t in range(6):
            failed = t == 2
            au = "0, 0" if failed else f"{rng.uniform(0.1, 5):.2f}, {rng.uniform(0.1, 5):.2f}"
            lines.append(f"{t + 1}, 0, {t / 25:.3f}, {0.02 if failed else 0.98}, {int(not failed)}, {au}")
        return "\n".join(lines)

    path = folder(rows)
    corpus = affect.load(path)
    expected = pd.concat(
        [pd.read_csv(path / "face" / f"{one}.csv", skipinitialspace=True) for one in IDS], ignore_index=True
    )
    values, seen, times = steps(corpus, "face")
    np.testing.assert_array_equal(values, expected[["AU01_r", "AU02_r"]].to_numpy(np.float32))
    np.testing.assert_array_equal(seen, expected.success == 1)
    np.testing.assert_array_equal(times[:, 0], expected.timestamp)
    assert (values.shape, seen.sum()) == ((180, 2), 150)
    assert corpus.provenance == {"face": Provenance("OpenFace", clock="recording", rate=25.0)}
    assert corpus.notes == (
        "face: columns 'frame', 'face_id', 'confidence' and 'success' are no features and are left out; "
        "`columns` keeps any by name.",
        "face: in 30 files there are 30 steps without a face (success 0 or confidence below 0.7).",
        "face: 30 of 180 steps were not measured and count as unobserved.",
    )


def test_success_and_confidence_of_any_tool(folder):
    content = (
        "timestamp,success,confidence,x,y2\n0,1,0.9,1,2\n0.5,0,0.9,3,4\n1,1,0.6,5,6\n1.5,1,,0,0\n2,1,1,7,?\n"
    )
    corpus = affect.load(folder(lambda _: content))
    rows = corpus["train"].modalities["face"]
    assert rows.pad(np.array([0])).mask[0].tolist() == [True, False, False, False, True]
    assert rows.times[:5].tolist() == [[0, 0], [0.5, 0.5], [1, 1], [1.5, 1.5], [2, 2]]
    assert corpus.columns == {"face": ("x", "y2")}
    assert corpus.notes[1:] == (
        "face: in 30 files there are 90 steps that were not measured (success 0 or confidence below 0.7).",
        "face: 90 of 150 steps were not measured and count as unobserved.",
    )
    kept = affect.load(folder(lambda _: content), columns=["success"])
    assert kept["train"].modalities["face"].pad(np.array([0])).mask[0].tolist() == [True] * 5


def test_confidence_alone_hides_nothing(folder):
    corpus = affect.load(folder(lambda _: "confidence,x\n0.1,1\n0.9,2\n"))
    assert steps(corpus, "face")[1].all()
    assert corpus.columns == {"face": ("x",)}


def test_opensmile_s_class_is_missing_throughout(folder):
    content = "name;frameTime;F0;loud;class\n'x';0.0;1.5;2;?\n'x';0.1;1.6;2.1;?\n"
    corpus = affect.load(folder(lambda _: content, name="audio"))
    values, seen, times = steps(corpus, "acoustic")
    np.testing.assert_array_equal(values, np.array([[1.5, 2], [1.6, 2.1]] * 30, np.float32))
    assert seen.all()
    np.testing.assert_array_equal(times[:, 0], [0, 0.1] * 30)
    assert corpus.columns == {"acoustic": ("F0", "loud")}
    assert corpus.provenance["acoustic"].extractor == "openSMILE"


def test_what_is_missing_in_all_files_is_no_feature(folder):
    def content(i):
        return f"x,valence,arousal,odd\n1,?,,{5 if i == 7 else '?'}\n2,NA,None,nan\n"

    corpus = affect.load(folder(content))
    assert corpus.columns == {"face": ("x", "odd")}
    assert corpus.notes == (
        "face: columns 'valence' and 'arousal' are missing throughout and are no features.",
    )
    assert affect.load(folder(content), columns=["arousal"]).columns == {"face": ("x", "arousal", "odd")}
    assert affect.load(folder(lambda _: "x,z\n?,\n")).columns == {"face": ("x", "z")}


def test_files_by_several_makers_have_no_provenance(folder):
    def content(i):
        au = "confidence,AU01_r\n0.9,1\n"
        return au if i else "frame,AU01_r\n1,1\n"

    corpus = affect.load(folder(content))
    assert corpus.provenance == {}
    assert "face: its files were made by an unknown tool and OpenFace; no provenance is kept." in corpus.notes


def test_files_at_several_rates_have_none(folder):
    def content(i):
        rate = 25 if i % 2 else 30
        rows = "".join(f"{t / rate:.3f},0.9,1,{t}\n" for t in range(40))
        return f"timestamp,confidence,success,AU01_r\n{rows}"

    corpus = affect.load(folder(content))
    assert corpus.provenance == {"face": Provenance("OpenFace", clock="recording")}
    assert "face: its files have 25 to 30 steps per second, so no rate is kept." in corpus.notes


def test_files_that_lack_a_time_leave_the_others_theirs(folder):
    corpus = affect.load(folder(lambda i: f"time,x\n{'' if i < 2 else 0.5},1\n"))
    expected = np.full((len(IDS), 2), 0.5)
    expected[:2] = np.nan
    _, _, times = steps(corpus, "face")
    np.testing.assert_array_equal(times, expected)
    assert corpus.notes == (
        "face: 2 of 30 files have times that are missing, and no times of theirs are kept.",
    )
    none = affect.load(folder(lambda _: "time,x\n,1\n"))
    assert none["train"].modalities["face"].times is None


def test_numbers_beyond_float32_are_counted(folder):
    corpus = affect.load(folder(lambda _: "x,y2\n1e300,1\n-inf,2\n"))
    assert np.isinf(corpus["train"].modalities["face"][0][:, 0]).all()
    assert corpus.notes == (
        "face: in 30 files there are 30 finite values beyond float32, which count as infinite.",
    )


def test_in_a_table_the_rule_is_for_what_stands_behind_the_prefix(table):
    content = (
        "id,y,time,face.frame,face.success,face.confidence,face.au1,face.y,ecg.hr,ecg.empty\n"
        + "".join(f"{one},1.5,{t},{t},{int(t != 1)},0.9,{t + 1},2,{t},?\n" for one in "abc" for t in range(3))
    )
    corpus = affect.load(table(content))
    assert corpus.columns == {"face": ("au1",), "ecg": ("hr",)}
    assert steps(corpus, "face")[1].tolist() == [True, False, True] * 3
    assert steps(corpus, "ecg")[1].all()
    assert corpus.notes == (
        "A row is a step: 9 rows of 3 samples.",
        "face: columns 'frame', 'success', 'confidence' and 'y' are no features and are left out; `columns` "
        "keeps any by name.",
        "face: there are 3 steps that were not measured (success 0 or confidence below 0.7).",
        "face: 3 of 9 steps were not measured and count as unobserved.",
        "ecg: column 'empty' is missing throughout and is no feature.",
    )
    kept = affect.load(table(content), columns=["face.confidence", "empty"])
    assert kept.columns == {"face": ("confidence", "au1"), "ecg": ("hr", "empty")}


def test_in_a_table_row_numbers_and_the_like_are_no_labels(table):
    content = (
        "Unnamed: 0,id,frame,face_id,confidence,success,file,name,class,label,a.x\n0,s,1,0,0.9,1,f,n,k,2,3\n"
    )
    corpus = affect.load(table(content))
    assert list(corpus.targets) == ["class", "sentiment"]
    assert corpus.notes == (
        "Columns 'Unnamed: 0', 'frame', 'face_id', 'confidence', 'success', 'file' and 'name' are no labels and "
        "are left out; `columns` keeps any by name.",
        "Column 'label' is read as the target sentiment.",
    )
    assert list(affect.load(table(content), columns=["confidence"]).targets) == [
        "confidence",
        "class",
        "sentiment",
    ]
    assert "success" in affect.load(table(content), targets={"success": "binary"}).targets


def test_in_a_table_timestamp_is_time(table):
    corpus = affect.load(table("id,timestamp,a.x\ns,0.5,1\ns,0,2\n"))
    rows = corpus["all"].modalities["a"]
    assert (rows.values.ravel().tolist(), rows.times.tolist()) == ([2, 1], [[0, 0], [0.5, 0.5]])
    dated = affect.load(table("id,timestamp,a.x\ns,2020-01-01,1\nt,2020-01-02,2\n"))
    assert dated["all"].modalities["a"].times is None
    assert dated.notes == ("Column 'timestamp' is no label and is left out; `columns` keeps any by name.",)


def test_a_modality_of_a_table_may_have_its_own_times(table):
    content = "id,face.timestamp,face.x,ecg.hr\ns,0,1,2\ns,0.5,2,3\n"
    corpus = affect.load(table(content))
    assert corpus["all"].modalities["face"].times.tolist() == [[0, 0], [0.5, 0.5]]
    assert corpus["all"].modalities["ecg"].times is None
    corpus = affect.load(table(content.replace("id,", "id,time,").replace("s,", "s,7,")))
    assert corpus["all"].modalities["face"].times.tolist() == [[7, 7], [7, 7]]
    assert "face: its own times are not read, as the table has times for all." in corpus.notes


def test_a_modality_of_nothing_but_such_columns_is_left_out(table):
    corpus = affect.load(table("id,face.frame,ecg.hr\ns,1,2\n"))
    assert corpus.dims == {"ecg": 1}
    assert corpus.notes == (
        "face: column 'frame' is no feature and is left out; `columns` keeps any by name.",
    )


def test_what_a_tool_wrote_of_one_recording_is_no_corpus(tmp_path):
    path = tmp_path / "clip.csv"
    path.write_text("frame, timestamp, confidence, success, AU01_r\n1, 0, .9, 1, 2\n2, .5, .9, 1, 3\n")
    with pytest.raises(DataError) as error:
        affect.load(path)
    assert str(error.value) == (
        f"{path}: no column `id`: it is what OpenFace wrote of one recording; put it into MODALITY/ID.csv "
        "beside labels.csv"
    )
