import pytest

import affect
from affect.data.sources import tables
from affect.data.sources.tables import headers
from affect.errors import DataError

MELD = 'Sr No.,Remark,Speaker,Emotion,Dialogue_ID,Utterance_ID\n1,"Hi, you.",A,joy,0,0\n2,No.,B,anger,0,1\n'
TABLES = {
    "MELD without its texts": MELD,
    "text alone, three columns": "Utterance,Speaker,Emotion\nHi.,A,joy\nNo.,B,anger\n",
    "an index in front": ",valence,arousal\n0,0.5,0.1\n1,0.2,0.3\n",
    "tabs": "clip\tscore\nv1\t0.5\nv2\t?\n",
    "semicolons and decimal commas": "clip;score\nv1;0,5\nv2;1,5\n",
    "units and other scripts": "名字,得分 (1-9),x_mean [Hz]\na,1,2\n".replace(" [Hz]", ""),
    "a text over several lines": 'name,said,score\na,"so,\ngood",1\nb,no,2\n',
}
OTHERS = {
    "prose": "Hello, world.\nThis, too.\n",
    "prose in three parts": "So, it is, well done.\nAnd, then again, not so.\n",
    "Python": "import os, sys\na, b = 1, 2\n",
    "C": "int a, b, c;\nint d, e, f;\n",
    "calls": "f(a, b, c)\ng(d, e, f)\n",
    "JSON lines": '{"id": 1, "b": 2}\n{"id": 2, "b": 3}\n',
    "numbers alone": "1,2,3\n4,5,6\n",
    "an uneven table": "name,score,kind\na,1,k\nb,2\n",
    "a name twice": "name,score,score\na,1,2\nb,2,3\n",
    "one line": "name,score,kind\n",
    "one column": "name\na\nb\n",
    "SQL": "INSERT INTO t VALUES (1, 2, 3);\nINSERT INTO t VALUES (4, 5, 6);\n",
    "YAML": "a: [1, 2]\nb: [3, 4]\n",
    "nothing": "",
}


@pytest.fixture
def write(tmp_path):
    """Write a text; gives its path."""

    def writer(content):
        path = tmp_path / "mine.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return writer


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_one_whatever_its_columns_are_called(write, name):
    for encoding in ("utf-8", "utf-16", "gb18030"):
        path = write(TABLES[name].encode(encoding))
        assert headers.is_table(path)
        assert tables.recognises(path)
    with pytest.raises(DataError, match=r"mine\.csv: no column `id`; expected .*; got "):
        affect.load(write(TABLES[name]))


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_table(write, name):
    path = write(OTHERS[name])
    assert not headers.is_table(path)
    with pytest.raises(DataError, match="not a format that affect reads"):
        affect.load(path)


def test_a_table_without_ids_is_told_what_was_found_and_what_may_be_ids(write):
    path = write(MELD)
    with pytest.raises(DataError) as error:
        affect.load(path)
    assert str(error.value) == (
        f"{path}: no column `id`; expected a column `id` (or `video_id` and `clip_id`), features as "
        "`modality.feature`, all else is a label; got Sr No., Remark, Speaker, Emotion, Dialogue_ID, "
        "Utterance_ID; call 'Dialogue_ID' video_id and 'Utterance_ID' clip_id"
    )


def test_of_many_columns_the_first_are_named(write):
    names = [f"c{i}" for i in range(1000)]
    with pytest.raises(
        DataError, match="; got c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11 and 988 more$"
    ):
        affect.load(write(",".join(names) + "\n" + ",".join("1" * 1000) + "\n"))


def test_a_header_longer_than_the_first_look_is_read(write):
    names = [f"acoustic.pcm_fftMag_spectralRollOff_sma_de_{i}" for i in range(1600)]
    path = write("id,label," + ",".join(names) + "\n" + "a,1," + ",".join("5" * 1600) + "\n")
    assert path.stat().st_size > 65_536
    assert affect.load(path).dims == {"acoustic": 1600}
