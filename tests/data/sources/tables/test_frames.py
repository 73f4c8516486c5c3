import codecs

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

import affect
from affect.data.sources import tables
from affect.data.sources.tables import frames
from affect.errors import DataError

GERMAN = "id;label;text;ecg.hr;ecg.rr\na;1,5;so;60,25;1\nb;-2;no;?;0,5\nc;,5;;61;\n"


@pytest.fixture
def write(tmp_path):
    """Write a table; gives its path."""

    def writer(content, encoding="utf-8"):
        path = tmp_path / "mine.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return writer


def refusal(path):
    with pytest.raises(DataError) as error:
        tables.read(path)
    return str(error.value).replace(str(path), "FILE")


@pytest.mark.parametrize(
    "content",
    [
        "a,b\n1,2\n3,4\n",
        "a,b\r\n1,2\r\n3,4",
        "a,b\n\n1,2\n\n  \n3,4\n\n",
        "a;b\n1;2.5\n-inf;1e300\n",
        'a,b\n"1",2\n3,"4"\n',
        '"a", "b"\r\n1,2\r\n3,"4" \r\n',
        "a\tb\n1\t\n\tnan\n",
        "a, b\n1 , 2\n3, 4\n",
        "a,b\n",
        "a\n1\n2\n",
        f"a,b\n{2**70},2\n3,4\n",
    ],
)
def test_numbers_are_as_pandas_reads_them(write, content):
    path = write(content)
    delimiter = max(",\t;", key=content.partition("\n")[0].count)
    expected = pd.read_csv(path, sep=delimiter, skipinitialspace=True)
    got = frames.table(path).frame
    assert list(got) == [name.strip() for name in expected]
    np.testing.assert_array_equal(got.to_numpy(float), expected.to_numpy(float))


def test_old_macs_ended_their_lines_otherwise(write):
    assert frames.table(write("a,b\r1,2\r3,4\r")).frame.to_numpy().tolist() == [[1, 2], [3, 4]]


def test_random_tables_with_every_kind_of_row(write):
    rng = np.random.default_rng(0)
    for _ in range(40):
        rows, columns = rng.integers(1, 6), rng.integers(2, 5)
        cells = rng.normal(size=(rows, columns)).round(3).astype(str)
        quoted = rng.random(cells.shape) < rng.choice([0, 0.2])
        cells = np.where(quoted, np.char.add(np.char.add('"', cells), '"'), cells)
        lines = [",".join(row) for row in cells]
        names = ",".join(f"c{i}" for i in range(columns))
        short, longer = rng.integers(rows, size=2)
        even = "\n".join([names, *lines])
        expected = np.char.strip(cells, '"').astype(float)
        np.testing.assert_array_equal(frames.table(write(even)).frame.to_numpy(float), expected)
        uneven = list(lines)
        uneven[short] = uneven[short].rpartition(",")[0]
        uneven[longer] += ",1"
        if short == longer:
            continue
        with pytest.raises(DataError) as error:
            frames.table(write("\n".join([names, *uneven])))
        first = min(short, longer)
        count = columns - 1 if first == short else columns + 1
        assert str(error.value).endswith(f"mine.csv, row {first + 2}: {count} cells for {columns} columns")


def test_what_is_missing(write):
    marks = [mark for mark in frames.MISSING if mark]
    content = "x,y,kind\n" + "".join(f"{mark},1,{mark}\n" for mark in marks) + ",2,k\n1,2,l\n"
    found = frames.table(write(content))
    assert found.frame.x.isna().tolist() == [True] * (len(marks) + 1) + [False]
    assert found.frame.kind.dropna().tolist() == ["k", "l"]
    assert found.marks == {"kind": (tuple(sorted(marks)), len(marks))}
    assert {"?", "NA", "N/A", "nan", "-nan", "NULL", "None"} <= set(marks)


def test_marks_in_labels_are_said(write):
    path = write("id,kind,a.x\na,k,1\nb,None,2\nc,?,3\nd,,4\ne,l,5\n")
    corpus = tables.read(path)
    assert corpus["all"].targets["kind"].observed.tolist() == [True, False, False, False, True]
    assert corpus.notes == (
        "Column 'kind': cells that hold '?' or 'None' are labels not given, 2 in all.",
        "all: 3 of 5 labels of kind are missing, and count as not given.",
    )


@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
def test_utf_16_is_read(write, mark):
    order = "utf-16-le" if mark == codecs.BOM_UTF16_LE else "utf-16-be"
    whole = mark + "id\tlabel\ttext\tecg.hr\nä\t1.5\tso gut\t60\n音\t-1\t好\t61\n".encode(order)
    corpus = affect.load(write(whole))
    assert corpus["all"].ids == ("ä", "音")
    assert corpus["all"].words[0] == ["so", "gut"]
    assert corpus["all"].modalities["ecg"].values.ravel().tolist() == [60, 61]
    assert refusal(write(whole[:-1])) == "FILE: the table is not whole UTF-16; save it as UTF-8"


@pytest.mark.parametrize(("text", "encoding"), [("schön", "latin-1"), ("很好", "gb18030")])
def test_other_encodings_are_refused_in_one_line(write, text, encoding):
    path = write(f"id,label,{text},a.x\na,1,{text},2\nb,2,{text},3\n", encoding)
    assert tables.recognises(path)
    assert refusal(path) == "FILE: the table is not in UTF-8; save it as UTF-8"


def test_decimal_commas_are_read(write):
    corpus = affect.load(write(GERMAN))
    split = corpus["all"]
    assert split.labels("sentiment").ravel().tolist() == [1.5, -2, 0.5]
    np.testing.assert_array_equal(split.modalities["ecg"].values, [[60.25, 1], [np.nan, 0.5], [61, np.nan]])
    assert corpus.notes == (
        "Column 'label' is read as the target sentiment.",
        "Columns 'label', 'ecg.hr' and 'ecg.rr' have decimal commas: 1,5 is read as 1.5.",
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id;label;a.x\nb;1,500;1\nc;2;2\n", "FILE: column 'label' holds '1,500', which may be 1.500 or 1500; write numbers with decimal points, and nothing between thousands"),
        ('id,label,a.x\nb,"1,500",1\n', "FILE: column 'label' holds '1,500', which may be 1.500 or 1500; write numbers with decimal points, and nothing between thousands"),
        ("id;a.x;a.y\nb;1,5;0.5\n", "FILE: column 'a.x' holds '1,5', but column 'a.y' has decimal points; write all numbers with points, and lists with blanks"),
        ("id;a.x\nb;1,5\nc;so\n", "FILE: column 'a.x' must hold numbers, got '1,5'"),
    ],
)  # fmt: skip
def test_commas_that_may_mean_another_thing_are_refused(write, content, message):
    assert refusal(write(content)) == message


def test_one_sure_comma_tells_what_the_others_are(write):
    values = tables.read(write("id;a.x;a.y\nb;1,500;0,25\nc;2;3\n"))["all"].modalities["a"].values
    assert values.tolist() == [[1.5, 0.25], [2, 3]]


def test_text_with_commas_is_text(write):
    corpus = tables.read(write("id;text;kind;a.x\n1,5;so, good;a,b;0.5\n2,5;1,5;c;1.5\n"))
    assert corpus["all"].ids == ("1,5", "2,5")
    assert corpus["all"].words[1] == ["1,5"]
    assert corpus.targets["kind"].classes == ("a,b", "c")


@pytest.mark.parametrize("whole", [GERMAN.encode(), GERMAN.encode("utf-16")], ids=["commas", "utf-16"])
def test_damage_never_ends_without_a_message(write, damaged, whole):
    read = 0
    for seed in range(500):
        path = write(damaged(whole, seed))
        tables.recognises(path)
        try:
            tables.read(path)
            read += 1
        except DataError:
            continue
    assert 10 < read < 490


def test_too_many_columns_are_refused(write):
    path = write("id," + ",".join(f"x.{i}" for i in range(65_536)) + "\na\n")
    assert refusal(path) == "FILE: 65,537 columns; expected at most 65,536"


def test_parquet_text_that_is_not_in_the_file_is_refused(tmp_path):
    path, ids = tmp_path / "a.parquet", [f"s{i}" for i in range(3000)]
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 3000, pa.int32()), pa.array(["x" * 10**6]))
    whole = pa.table({"id": ids, "m.x": [0.5] * 3000, "text": text})
    parquet.write_table(whole, path, compression="zstd", store_schema=False)
    assert refusal(path) == "FILE: claims 3,000 MB of text that are not in the file"


def test_parquet_nulls_are_missing_and_texts_are_as_they_were(tmp_path):
    path = tmp_path / "a.parquet"
    text = pa.array(["so", None, "so"], pa.large_string())
    parquet.write_table(pa.table({"id": ["a", "b", "c"], "x": pa.nulls(3), "kind": text}), path)
    frame = frames.table(path, ["id"]).frame
    assert frame.id.tolist() == ["a", "b", "c"]
    assert frame.x.dtype == float
    assert frame.x.isna().all()
    assert frame.kind.isna().tolist() == [False, True, False]
    assert set(frame.kind.dropna()) == {"so"}
