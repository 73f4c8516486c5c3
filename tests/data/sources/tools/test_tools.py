"""Files of features as known tools write them: right values worked out apart, full messages, damage."""

import io
import json
import os
import struct
import time
import zlib

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io

from affect.data.provenance import Provenance
from affect.data.sources import tools
from affect.data.sources.tools import matlab
from affect.errors import DataError

RNG = np.random.default_rng(0)
NAN = np.nan


@pytest.fixture
def write(tmp_path):
    """Write a file's text or bytes, under a name that says nothing; gives its path."""

    def writer(content):
        path = tmp_path / "a"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return writer


@pytest.fixture
def read(write):
    def reader(content, **options):
        return tools.read(write(content), **options)

    return reader


@pytest.fixture
def refusal(write):
    def refuser(content, **options):
        path = write(content)
        with pytest.raises(DataError) as error:
            tools.read(path, **options)
        return str(error.value).replace(str(path), "FILE")

    return refuser


def lines(*rows):
    return "".join(f"{row}\n" for row in rows)


def equal(found, expected):
    np.testing.assert_array_equal(found, np.array(expected, found.dtype))


# OpenFace


def openface(success=(1, 1, 0, 1, 1), confidence=(0.98, 0.69, 0.98, 0.7, 0.98), end=""):
    rows = [
        f"{i + 1}, 0, {i / 30:.3f}, {sure}, {yes}, {i + 0.5}, {i}.0{end}"
        for i, (yes, sure) in enumerate(zip(success, confidence, strict=True))
    ]
    return lines("frame, face_id, timestamp, confidence, success, AU01_r, AU01_c", *rows)


def test_openface(read):
    found = read(openface())
    assert found.columns == ("AU01_r", "AU01_c")
    assert found.values.dtype == np.float32
    equal(found.values, [[0.5, 0], [1.5, 1], [2.5, 2], [3.5, 3], [4.5, 4]])
    equal(found.observed, [True, False, False, True, True])
    starts = np.array([0, 0.033, 0.067, 0.1, 0.133])
    np.testing.assert_allclose(found.times, np.stack([starts, starts + 0.133 / 4], 1), rtol=1e-12)
    assert found.made == Provenance("OpenFace", clock="recording", rate=30.075)
    assert found.left == ("frame", "face_id", "confidence", "success")
    assert found.notes == (("steps without a face (success 0 or confidence below 0.7)", 2),)


def test_openface_of_a_minute_has_the_rate_of_its_video(read):
    assert read(openface([1] * 1800, [1] * 1800)).made.rate == 30.0
    assert read(openface([1], [1])).times.tolist() == [[0, 0]]


def test_openface_columns_can_be_kept(read):
    found = read(openface(), keep=["confidence", "face_id"])
    assert found.columns == ("face_id", "confidence", "AU01_r", "AU01_c")
    assert found.values[1, 1] == np.float32(0.69)
    equal(found.observed, [True, False, False, True, True])
    assert found.left == ("frame", "success")


def test_a_row_number_in_front_changes_nothing(read):
    plain = read(openface())
    numbered = "".join(
        f"{'' if i == 0 else i - 1},{line}" for i, line in enumerate(openface().splitlines(keepends=True))
    )
    found = read(numbered)
    assert found.columns == plain.columns
    equal(found.values, plain.values)
    equal(found.observed, plain.observed)
    assert found.left == ("", *plain.left)


def test_targets_and_labels_are_no_features(read):
    text = openface().replace("AU01_c", "Joy")
    assert read(text, targets=["joy"]).columns == ("AU01_r",)
    assert read(text.replace("Joy", "label")).columns == ("AU01_r",)
    assert read(text, targets=["joy"], keep=["Joy"]).columns == ("AU01_r", "Joy")


FACES = "frame,face_id,timestamp,confidence,success,AU01_r\n"


def test_of_several_faces_the_one_that_is_seen_most_often(read):
    rows = [  # face 1 in frames 1, 2, 4; face 0 in 1, 3 and, unseen, in 2
        "1,0,0.0,0.9,1,10", "1,1,0.0,0.9,1,11", "2,0,0.1,0.2,0,20", "2,1,0.1,0.9,1,21",
        "3,0,0.2,0.9,1,30", "4,1,0.3,0.9,1,41", "5,0,0.4,0.9,0,50", "5,1,0.4,0.9,0,51",
    ]  # fmt: skip
    found = read(FACES + lines(*rows))
    equal(found.values[:, 0], [11, 21, 30, 41, 51])
    equal(found.observed, [True, True, False, True, False])
    np.testing.assert_allclose(found.times[:, 0], [0, 0.1, 0.2, 0.3, 0.4])
    assert found.notes == (
        ("rows of other faces than the one that is seen most often", 2),
        ("steps without a face (success 0 or confidence below 0.7)", 2),
    )


def test_one_face_under_several_numbers_is_one_face(read):
    found = read(FACES + lines("1,0,0.0,0.9,1,10", "2,3,0.1,0.9,1,20"))
    equal(found.values[:, 0], [10, 20])
    assert found.notes == ()


def test_recordings_end_to_end_keep_their_rows_and_lose_their_times(read):
    found = read(FACES + lines("1,0,0.0,0.9,1,10", "2,0,0.1,0.9,1,20", "1,0,0.0,0.9,1,30"))
    assert len(found.values) == 3
    assert found.times is None
    assert found.made == Provenance("OpenFace")
    assert found.notes == (("files whose times go back, so that their steps are left without times", 1),)


def test_openface_of_a_picture(read):
    found = read("face, confidence, gaze_0_x, x_0\n0, 0.725, 1, 2\n1, 0.95, 3, 4\n")
    assert found.columns == ("gaze_0_x", "x_0")
    equal(found.values, [[3, 4]])
    equal(found.observed, [True])
    assert found.times is None
    assert found.left == ("face", "confidence")
    assert found.notes == (("rows of other faces than the one that is most certain", 1),)


def test_openface_as_the_avec_challenges_give_it(read):
    found = read("name;frameTime;confidence;AU01_r\n'x';0.0;0.9;1\n'x';0.1;0.1;2\n")
    assert (found.columns, found.made.extractor) == (("AU01_r",), "OpenFace")
    equal(found.observed, [True, False])
    np.testing.assert_allclose(found.times, [[0, 0.1], [0.1, 0.2]])


@pytest.mark.parametrize("missing", ["?", "NA", "", "nan", "-nan(ind)", "NULL", "NaN"])
def test_what_is_missing(read, missing):
    found = read(openface().replace("2.5", missing))
    equal(found.values[:, 0], [0.5, 1.5, NAN, 3.5, 4.5])


def test_what_is_beyond_float32_is_infinite(read):
    equal(read(openface().replace("2.5", "1e39")).values[2], [np.inf, 2])
    equal(read(openface().replace("2.5", "-1e400")).values[2], [-np.inf, 2])


def test_windows_and_no_last_newline(read):
    expected = read(openface())
    for text in (
        openface().replace("\n", "\r\n"),
        "\ufeff" + openface(),
        openface()[:-1],
        openface() + "\n\n",
    ):
        found = read(text)
        equal(found.values, expected.values)
        equal(found.observed, expected.observed)


def test_a_header_alone(read):
    found = read("frame, timestamp, confidence, success, AU01_r\n")
    assert found.values.shape == (0, 1)
    assert found.times.shape == (0, 2)


def test_broken_openface(refusal):
    assert refusal(openface().replace("2.5", "high")) == (
        "FILE, row 4: column 'AU01_r' must hold numbers, got 'high'; drop the column if it is no feature"
    )
    assert refusal(openface().replace(" 2.5,", "")) == "FILE, row 4: 6 cells for 7 columns"
    assert refusal(openface().replace("2.5", "2.5, 2")) == "FILE, row 4: 8 cells for 7 columns"
    assert refusal(openface(end=",")) == "FILE, row 2: 8 cells for 7 columns"
    assert refusal(openface().replace("0.067", "")) == "FILE, row 4: no number in column 'timestamp'"
    assert refusal(openface().replace("0.067", "1e300")) == "FILE, row 4: no number in column 'timestamp'"
    assert (
        refusal(openface().replace("AU01_c", "AU01_r")) == "FILE: two columns are named 'AU01_r'; rename one"
    )
    both = openface().replace(" 2.5,", "").replace("3.5", "3.5, 3")
    assert refusal(both).startswith("FILE: not a whole table (Error tokenizing data. C error: Expected 7")
    assert refusal(openface().replace("2.5, ", "2.5,\r")) == "FILE, row 5: 1 cells for 7 columns"


# openSMILE

SMILE = ["name;frameTime;F0_sma;loud_sma3;class", "'x';0.000000;1.5;2;?", "'x';0.010000;1.6;2.1;?"]


def test_opensmile(read):
    found = read(lines(*SMILE))
    assert found.columns == ("F0_sma", "loud_sma3")
    equal(found.values, [[1.5, 2], [1.6, 2.1]])
    equal(found.times, [[0, 0.01], [0.01, 0.02]])
    assert found.observed is None
    assert found.made == Provenance("openSMILE", clock="recording", rate=100.0)
    assert found.left == ("name", "class")


def test_opensmile_with_a_frame_length(read):
    found = read("frameIndex;frameTime;frameLength;F0\n0;0.0;0.025;1\n1;0.01;0.025;2\n")
    np.testing.assert_allclose(found.times, [[0, 0.025], [0.01, 0.035]])
    assert (found.columns, found.left, found.made.rate) == (("F0",), ("frameIndex", "frameLength"), 100.0)


def test_opensmile_labels_that_nobody_gave(read):
    text = lines(*(line.replace("class", "mood") for line in SMILE))
    assert read(text).columns == ("F0_sma", "loud_sma3")
    assert read(text, keep=["mood"]).columns == ("F0_sma", "loud_sma3", "mood")
    # what is missing before a feature is a feature that is missing
    assert read(text.replace("1.5", "?").replace("1.6", "?")).columns == ("F0_sma", "loud_sma3")


def test_functionals(read):
    found = read("name;frameTime;F0_sma_mean\n'x';0.0;1.5\n")
    assert found.times.tolist() == [[0, 0]]
    assert found.made.rate is None


def test_numbered_names_are_one_recording(read, refusal):
    text = "name,frameTime,F0_sma\n'a_b_0',0.0,1\n'a_b_1',0.1,2\n"
    assert read(text).values.shape == (2, 1)
    remedy = "write a file for each, named after the sample: for name, rows in table.groupby('name'): rows.to_csv(...)"
    assert refusal(text.replace("a_b_1", "a_c_1")) == (
        f"FILE: the rows of 2 recordings ('name' is a_b_0, a_c_1); {remedy}"
    )
    assert refusal(text.replace("0.1", "0.0")) == (
        f"FILE: the rows of 2 recordings ('name' is a_b_0, a_b_1); {remedy}"
    )
    more = lines("name;F0_sma", "a.wav;1", "b.wav;2", "c.wav;2")
    assert refusal(more) == f"FILE: the rows of 3 recordings ('name' is a.wav, b.wav, ...); {remedy}"


# ARFF

ARFF = """% made by hand
@RELATION smile

@attribute name string
@attribute frameIndex numeric
@attribute 'frameTime' numeric
@attribute "F0 final" real
@attribute pcm_fftMag_fband250-650_sma[1] NUMERIC
@attribute arousal numeric
@attribute class {0,1,2,3}

@data

'x y',0,0.000000,1.5,?,0.5,0
% between
'x y',1,0.020000,?,2.5e0,0.5,0
"""


def test_arff(read):
    found = read(ARFF, targets=["arousal"])
    assert found.columns == ("F0 final", "pcm_fftMag_fband250-650_sma[1]")
    equal(found.values, [[1.5, NAN], [NAN, 2.5]])
    equal(found.times, [[0, 0.02], [0.02, 0.04]])
    assert found.made == Provenance("openSMILE", clock="recording", rate=50.0)
    assert found.left == ("name", "frameIndex", "arousal", "class")
    assert read(ARFF.replace("\n", "\r\n")).columns == (*found.columns, "arousal")


def test_arff_of_others(read):
    text = "@relation x\n@attribute a real\n@attribute b date 'yyyy'\n@attribute c{u,v}\n@attribute 'd\\'s' integer\n@data\n"
    found = read(text + "1,'2001',u,3\n2,?,?,4\n")
    assert found.columns == ("a", "d's")
    equal(found.values, [[1, 3], [2, 4]])
    assert (found.times, found.made, found.left) == (None, Provenance(), ("b", "c"))


def test_broken_arff(refusal):
    assert (
        refusal(ARFF.replace("@data", "@date")) == "FILE, line 12: expected @attribute NAME KIND, got '@date'"
    )
    assert refusal(ARFF.split("@data")[0]) == "FILE: not a whole ARFF file: no @data"
    assert refusal(ARFF.replace("class {0,1,2,3}", "class")).startswith(
        "FILE, line 10: expected @attribute NAME KIND"
    )
    assert refusal(ARFF.replace("arousal numeric", "arousal relational")) == (
        "FILE, line 9: a relational attribute; expected numbers, text or classes"
    )
    sparse = ARFF.split("'x y'")[0] + "{1 0.5, 3 2}\n"
    assert (
        refusal(sparse) == "FILE: sparse ARFF; write it dense, with a value for every attribute in each row"
    )
    assert refusal(ARFF.replace(",0.5,0\n", ",0.5\n", 1)) == "FILE, row 14: 6 cells for 7 columns"
    assert refusal(ARFF.replace("2.5e0", "loud")) == (
        "FILE, row 16: column 'pcm_fftMag_fband250-650_sma[1]' must hold numbers, got 'loud'; "
        "drop the column if it is no feature"
    )
    assert (
        refusal("@relation x\n@attribute a real\n@data\n1\n")
        == "FILE: 1 attributes; expected times and features"
    )


# openSMILE's Python package


def deltas(ends, files=None, names=("loudness_sma3", "F0_sma3")):
    starts = pd.to_timedelta(np.arange(len(ends)) * 0.01, unit="s")
    levels = [starts, pd.to_timedelta(ends, unit="s")]
    index = pd.MultiIndex.from_arrays(
        ([files] if files else []) + levels, names=(["file"] if files else []) + ["start", "end"]
    )
    values = np.arange(len(ends) * len(names)).reshape(len(ends), -1) / 2
    return pd.DataFrame(values, index=index, columns=names).to_csv()


def test_opensmile_python(read):
    text = deltas([0.02, 0.03, 0.04, 1.5], ["a/b.wav"] * 4)
    assert ",0 days 00:00:00.010000,0 days 00:00:00.030000," in text
    found = read(text)
    assert found.columns == ("loudness_sma3", "F0_sma3")
    equal(found.values, np.arange(8).reshape(4, 2) / 2)
    np.testing.assert_allclose(found.times, [[0, 0.02], [0.01, 0.03], [0.02, 0.04], [0.03, 0.05]])
    assert found.made == Provenance("openSMILE", clock="recording", rate=100.0)
    assert found.left == ("file",)
    assert found.notes == (
        ("last steps that ran to the end of the recording and are cut to the length of the others", 1),
    )


def test_opensmile_python_of_a_signal_and_of_others(read):
    found = read(deltas([0.02, 0.03, 0.04], names=("a", "b")))
    np.testing.assert_allclose(found.times[:, 1], [0.02, 0.03, 0.04])
    assert (found.made.extractor, found.notes) == ("", ())
    days = "file,start,end,a,b\nx,0 days,1 days 00:00:02.500000000,1,2\nx,1 day 01:00:00,,3,4\n"
    equal(read(days).times, [[0, 86402.5], [90000, 90000]])
    equal(read("start,end,a\n-1 days +23:59:59,0 days,1\n").times, [[-1, 0]])


def test_opensmile_python_of_several_files(refusal):
    assert refusal(deltas([0.02, 0.03], ["a.wav", "b.wav"])) == (
        "FILE: the rows of 2 recordings ('file' is a.wav, b.wav); write a file for each, named after the "
        "sample: for name, rows in table.groupby('file'): rows.to_csv(...)"
    )
    text = deltas([0.02, 0.03, 0.04])
    assert refusal(text.replace("0 days 00:00:00.010000,", ",")) == "FILE, row 3: no time in column 'start'"
    assert refusal(text.replace("0 days 00:00:00.010000,", "soon,")) == (
        "FILE, row 3: column 'start' must hold time deltas, such as 0 days 00:00:01.5, got 'soon'"
    )


# py-feat

FEAT = "frame,FaceRectX,FaceRectY,FaceRectWidth,FaceRectHeight,FaceScore,AU01,happiness"


def test_pyfeat(read):
    found = read(
        lines(f"{FEAT},input", "0,1,2,3,4,0.9,0.5,0.25,a.mp4", "1,,,,,,,,a.mp4", "2,1,2,3,4,0.6,0.75,1,a.mp4")
    )
    assert found.columns == ("AU01", "happiness")
    equal(found.values, [[0.5, 0.25], [NAN, NAN], [0.75, 1]])
    equal(found.observed, [True, False, True])
    assert (found.times, found.made) == (None, Provenance("py-feat"))
    assert found.left == ("frame ... FaceScore", "input")
    assert found.notes == (("steps without a face", 1),)


def test_pyfeat_in_whole_seconds(read):
    def rows(rate, count, skip=1):
        frames = np.arange(0, count, skip)
        marks = [f"{int(f / rate) // 60:02d}:{int(f / rate) % 60:02d}" for f in frames]
        return [f"{f},1,2,3,4,0.9,{f},1,{mark}" for f, mark in zip(frames, marks, strict=True)]

    header = f"{FEAT},approx_time"
    for rate, count in ((25.0, 60), (30.0, 100), (24.0, 60), (29.97, 1200), (60.0, 130)):
        found = read(lines(header, *rows(rate, count)))
        assert found.made.rate == pytest.approx(rate)
        np.testing.assert_allclose(found.times[:, 0], np.arange(count) / rate)
        np.testing.assert_allclose(found.times[:, 1], (np.arange(count) + 1) / rate)
        assert found.notes == (
            ("files whose frames are timed by the usual rate that fits the whole seconds of approx_time", 1),
        )
        assert "approx_time" not in found.left
    every = read(lines(header, *rows(30, 300, 5)))
    np.testing.assert_allclose(every.times[1], [5 / 30, 10 / 30])
    for unknown in (rows(30, 20), rows(37.2, 400), [row.replace("00:01", "") for row in rows(30, 60)]):
        found = read(lines(header, *unknown))
        assert (found.times, found.notes) == (None, ())
        assert found.left[-1] == "approx_time"


def test_pyfeat_with_several_faces(read):
    rows = [
        "0,1,2,3,4,0.90,10,1,Person_1,.1,.2,.3,.4", "0,1,2,3,4,0.99,20,1,Person_2,.1,.2,.3,.4",
        "1,1,2,3,4,0.90,11,1,Person_1,.1,.2,.3,.4", "1,1,2,3,4,0.95,12,1,Person_1,.1,.2,.3,.4",
        "2,1,2,3,4,0.90,13,1,Person_2,.1,.2,.3,.4", "3,,,,,,,,,,,,", "4,1,2,3,4,0.9,14,1,Person_1,.1,.2,.3,.4",
    ]  # fmt: skip
    found = read(lines(f"{FEAT},Identity,Identity_1,Identity_2,Identity_3,Identity_4", *rows))
    equal(found.values[:, 0], [10, 12, 13, NAN, 14])
    equal(found.observed, [True, True, False, False, True])
    assert found.left == ("frame ... FaceScore", "Identity ... Identity_4")
    assert found.notes == (
        ("rows of other faces than the one that is seen most often", 3),
        ("steps without a face", 2),
    )
    nobody = read(lines(FEAT, *(row.rsplit(",", 5)[0] for row in rows)))
    equal(nobody.values[:, 0], [20, 12, 13, NAN, 14])
    equal(nobody.observed, [True, True, True, False, True])


def test_pyfeat_of_several_recordings(refusal):
    rows = ["0,1,2,3,4,0.9,1,1,a.mp4", "1,1,2,3,4,0.9,1,1,a.mp4", "0,1,2,3,4,0.9,1,1,b.mp4"]
    assert refusal(lines(f"{FEAT},input", *rows)).startswith(
        "FILE: the rows of 2 recordings ('input' is a.mp4, b.mp4); write a file for each"
    )


# FACET

IMOTIONS = [
    "#Study : S\t\t", "#Version : 6.1.2667.3\t\t", "\t\t",
    "StudyName\tName\tEventSource\tTimestamp\tFrameNo\tFrameTime\tNoOfFaces\tFaceRect X\tJoy Evidence\tYaw Degrees\tIsMale Probability\tMarkerText",
    "S\tNäte\tET\t7\t\t\t\t\t\t\t\t", "S\tNäte\tEmotient FACET\t10\t0\t0\t1\t9\t-1.5\t3\t.9\t",
    "S\tNäte\tET\t25\t0\t0\t1\t9\t-1.5\t3\t.9\t", "S\tNäte\tET|Emotient FACET\t45\t1\t33\t-1\t\t\t\t\t",
    "S\tNäte\tEmotient FACET\t77\t2\t67\t0\t\t\t\t\tx", "S\tNäte\tEmotient FACET\t110\t3\t100\t2\t9\t2.5\t-3\t.9\tx",
]  # fmt: skip
UNSEEN = ("steps without a face (NoOfFaces 0 or -1)", 2)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_facet(read, encoding):
    found = read("\r\n".join([*IMOTIONS, ""]).encode(encoding))
    assert found.columns == ("Joy Evidence", "Yaw Degrees")
    equal(found.values, [[-1.5, 3], [NAN, NAN], [NAN, NAN], [2.5, -3]])
    equal(found.observed, [True, False, False, True])
    starts = np.array([0, 0.033, 0.067, 0.1])
    np.testing.assert_allclose(found.times, np.stack([starts, starts + 0.1 / 3], 1))
    assert found.made == Provenance("FACET", "iMotions 6.1.2667.3", clock="recording", rate=30.0)
    assert found.left == (
        "StudyName ... FrameNo",
        "NoOfFaces",
        "FaceRect X",
        "IsMale Probability",
        "MarkerText",
    )
    assert found.notes == (("rows of other sensors, which repeat FACET's last frame", 2), UNSEEN)


def test_facet_without_a_source_counts_every_frame_once(read):
    table = [line.split("\t") for line in IMOTIONS]
    text = lines(*IMOTIONS[:2], *("\t".join([*row[:2], *row[3:]]) for row in table[3:]))
    found = read(text, keep=["FaceRect X"])
    equal(found.values[:, 1:], [[-1.5, 3], [NAN, NAN], [NAN, NAN], [2.5, -3]])
    assert found.columns == ("FaceRect X", "Joy Evidence", "Yaw Degrees")


def test_facet_of_several_stimuli_goes_by_the_timestamp(read):
    found = read(lines(*IMOTIONS).replace("\t3\t100\t", "\t-1\t0\t"))
    np.testing.assert_allclose(found.times[:, 0], [0.01, 0.045, 0.077, 0.11])
    assert found.left[0] == "StudyName"
    assert found.left[3] == "FrameNo ... FaceRect X"
    assert found.notes[-1] == ("files whose FrameTime begins anew, so that Timestamp is the clock", 1)
    lost = read(lines(*IMOTIONS).replace("\t110\t3\t100\t", "\t9\t-1\t0\t"))
    assert lost.times is None
    assert lost.notes[-1] == ("files whose times go back, so that their steps are left without times", 1)


# COVAREP

NAMES = ["F0", "VUV", "NAQ", "QOQ", "H1H2"]


def covarep(features=None, names=NAMES, **options):
    raw = io.BytesIO()
    content = {"names": np.array(names, dtype=object)} if names else {}
    features = np.array([[1, 0, -np.inf, 4, 5], [6, 1, 8, 9, 10.5]]) if features is None else features
    scipy.io.savemat(raw, {"x": np.ones(3), "features": features, **content}, **options)
    return raw.getvalue()


@pytest.mark.parametrize("packed", [False, True])
def test_covarep(read, packed):
    found = read(covarep(do_compression=packed))
    assert found.columns == tuple(NAMES)
    equal(found.values, [[1, 0, -np.inf, 4, 5], [6, 1, 8, 9, 10.5]])
    equal(found.times, [[0, 0.01], [0.01, 0.02]])
    assert found.observed is None
    assert found.made == Provenance("COVAREP", clock="recording", rate=100.0)


def test_covarep_columns(read, refusal):
    labelled = [*NAMES[:4], "label"]
    found = read(covarep(names=labelled))
    assert (found.columns, found.left, found.values.shape) == (tuple(NAMES[:4]), ("label",), (2, 4))
    assert read(covarep(names=labelled), keep=["label"]).columns == tuple(labelled)
    other = read(covarep(names=list("abcde")))
    assert (other.columns, other.times, other.made) == (tuple("abcde"), None, None)
    assert read(covarep(names=None)).columns is None
    assert refusal(covarep(names=NAMES[:4])) == "FILE: 4 names for 5 columns of `features`"
    assert refusal(covarep(np.ones((2, 2, 2)))) == (
        "FILE: expected COVAREP's matrix `features` (steps, feature), and `names`"
    )


def test_covarep_of_matlab_7_3(tmp_path, refusal):
    with h5py.File(tmp_path / "b", "w", userblock_size=512) as file:
        file["features"] = np.ones((5, 2))
    raw = bytearray((tmp_path / "b").read_bytes())
    raw[:19] = b"MATLAB 7.3 MAT-file"
    assert refusal(bytes(raw)) == "FILE: a MATLAB 7.3 file; save it again with save(..., '-v7')"


def test_covarep_as_csv(read):
    found = read("time,f0,VUV,NAQ,QOQ,MCEP_0\n0.005,1,0,-Inf,4,5\n0.015,6,1,8,9,10\n")
    assert found.columns == ("f0", "VUV", "NAQ", "QOQ", "MCEP_0")
    np.testing.assert_allclose(found.times, [[0, 0.01], [0.01, 0.02]], atol=1e-12)
    equal(found.values[0], [1, 0, -np.inf, 4, 5])
    assert found.made == Provenance("COVAREP", clock="recording", rate=100.0)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_matlab_as_scipy_writes_it(write, packed, order):
    stored = {
        "f8": RNG.normal(size=(3, 4)), "f4": RNG.normal(size=(2, 2, 2)).astype("f4"), "empty": np.zeros((0, 3)),
        "i2": np.array([[1, -2]], "i2"), "u1": np.array([[255]], "u1"), "whole": np.arange(6.0).reshape(2, 3),
        "words": np.array(["F0", "Größe", ""], dtype=object), "word": "gü", "flag": np.array([[True, False]]),
        "complex": np.array([[1j]]), "struct": {"a": 1}, "cells": np.array([np.ones(2), "a"], dtype=object),
    }  # fmt: skip
    raw = io.BytesIO()
    scipy.io.savemat(raw, stored, do_compression=packed)
    found = matlab.variables(write(raw.getvalue()), stored)
    for name in ("f8", "f4", "empty", "i2", "u1", "whole", "flag"):
        np.testing.assert_array_equal(found.pop(name), stored[name].astype("f8"))
    assert found == {"words": ["F0", "Größe", ""], "word": "gü", "cells": ["a"]}
    assert list(matlab.variables(write(raw.getvalue()), ["f8"])) == ["f8"]


def test_matlab_of_the_other_order_of_bytes(write):
    def element(kind, content):
        return struct.pack(">II", kind, len(content)) + content + bytes(-len(content) % 8)

    parts = [
        element(6, struct.pack(">II", 6, 0)), element(5, struct.pack(">ii", 1, 2)),
        struct.pack(">HH4s", 1, 1, b"x"), element(9, struct.pack(">dd", 1.5, -2)),
    ]  # fmt: skip
    raw = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(">H", 0x0100) + b"MI" + element(14, b"".join(parts))
    assert matlab.variables(write(raw), ["x"])["x"].tolist() == [[1.5, -2]]


def test_what_is_not_there_takes_no_memory(refusal, read):
    begun = time.perf_counter()
    raw = covarep()
    cells = raw.replace(struct.pack("<ii", 1, 5), struct.pack("<ii", 20_000, 20_000), 1)
    assert refusal(cells) == "FILE: not a whole MATLAB file ('names' claims 400,000,000 cells)"
    numbers = raw.replace(struct.pack("<ii", 2, 5), struct.pack("<ii", 60_000, 60_000))
    assert refusal(numbers) == (
        "FILE: not a whole MATLAB file ('features' claims 3,600,000,000 numbers and has 10)"
    )
    assert refusal(raw.replace(struct.pack("<ii", 2, 5), struct.pack("<ii", -2, -5))) == (
        "FILE: not a whole MATLAB file (sizes [-2, -5])"
    )
    head, inner = raw[:128], covarep(names=None)[128:]
    at = inner.index(b"features") - 48
    size = struct.pack("<II", 14, 1 << 30)
    packed = zlib.compress(size + inner[at + 8 : at + 64] + bytes(1 << 27))
    bomb = head + struct.pack("<II", 15, len(packed)) + packed
    assert refusal(bomb) == "FILE: not a whole MATLAB file (a variable is cut short, or larger than 67 MB)"
    assert refusal(raw[:-1]).startswith("FILE: not a whole MATLAB file (")
    wide = "frame,success,confidence," + ",".join(f"AU{i:02d}_r" for i in range(10_000))
    assert refusal(wide + "\n" + ",\n" * 10_000) == "FILE, row 2: 2 cells for 10003 columns"
    assert read("\n" * 1_000_000 + "@relation") is None
    assert time.perf_counter() - begun < 60  # what would fill the claimed memory takes minutes


def test_dimensions_without_end_are_refused(refusal):
    head = covarep()[:128]
    axes = struct.pack("<IIIIII", 6, 8, 6, 0, 5, 4_000_000) + struct.pack("<i", 1 << 30) * 1_000_000
    cell = struct.pack("<IIIIIIII", 6, 8, 1, 0, 5, 8, 1, 1) + struct.pack("<II8s", 1, 5, b"names")
    packed = zlib.compress(
        struct.pack("<II", 14, len(cell) + 8 + len(axes)) + cell + struct.pack("<II", 14, len(axes)) + axes
    )
    assert refusal(head + struct.pack("<II", 15, len(packed)) + packed) == (
        "FILE: not a whole MATLAB file (1,000,000 dimensions)"
    )


# what is no tool's


def test_what_no_tool_wrote(tmp_path, read):
    npy = io.BytesIO()
    np.save(npy, np.ones((2, 3)))
    for content in (
        "", "\n", "a,b\n1,2\n", "a\n1\n", "time,x\n0,1\n", "frame,timestamp,x\n1,0,2\n", "id,label\n1,2\n",
        "start,end,x\n0,1,2\n", "x_0,y_0,confidence\n1,2,3\n", b"\xff\xfea\0,\0b\0\n\0", npy.getvalue(),
        b"\x80\x04]\x94.", json.dumps({"frame": 1, "success": 1}), "#\n" * 60, "%\n", '"', "a,b",
    ):  # fmt: skip
        assert read(content) is None
    assert tools.read(tmp_path) is None
    assert tools.read(tmp_path / "none") is None
    os.mkfifo(tmp_path / "pipe")
    assert tools.read(tmp_path / "pipe") is None


def test_columns_without_features(refusal):
    assert (
        refusal("name;frameTime;label\n'x';0;1\n")
        == "FILE: no features among its columns name, frameTime, label"
    )


WHOLE = {
    "openface": openface([1] * 9, [0.98] * 9).encode(),
    "faces": (FACES + lines(*(f"{i // 2},{i % 2},{i // 2 / 30:.3f},0.9,1,{i}" for i in range(12)))).encode(),
    "opensmile": lines(SMILE[0], *(f"'x';{i / 100:f};{i};1.5e-3;?" for i in range(9))).encode(),
    "arff": ARFF.encode(),
    "python": deltas([0.02, 0.03, 0.04, 1], ["a.wav"] * 4).encode(),
    "pyfeat": lines(
        f"{FEAT},approx_time", *(f"{i},1,2,3,4,0.9,1,1,00:{i // 30:02d}" for i in range(35))
    ).encode(),
    "facet": lines(*IMOTIONS).encode(),
    "covarep": covarep(),
    "covarep, packed": covarep(RNG.normal(size=(20, 5)), do_compression=True),
    "covarep, csv": b"time,f0,VUV,NAQ,QOQ\n0.005,1,0,-Inf,4\n0.015,6,1,8,9\n",
}


@pytest.mark.parametrize("name", WHOLE)
def test_damage_never_ends_without_a_message(write, damaged, name):
    read, said = 0, []
    for seed in range(150):
        path = write(damaged(WHOLE[name], seed))
        try:
            found = tools.read(path)
        except DataError as error:
            said.append(str(error))
            continue
        if found is not None:
            read += 1
            steps = len(found.values)
            assert found.values.dtype == np.float32
            assert found.columns is None or len(found.columns) == found.values.shape[1]
            assert found.observed is None or found.observed.shape == (steps,)
            assert found.times is None or (found.times.shape == (steps, 2) and np.isfinite(found.times).all())
            assert found.made is None or found.made.rate is None or 0 < found.made.rate < 1e7
    assert all(one.startswith(str(path)) and "\n" not in one for one in said)
    assert read > 1
    assert len(said) > 15
