"""Which runs of a folder count."""

import logging

import pytest
import yaml

from affect.benchmark import bench
from affect.errors import DataError
from affect.report import write_pages
from affect.runs import find

SMALL = {
    "corpus": "synthetic",
    "seeds": [0],
    "training": {"epochs": 1},
    "model": {"width": 4, "out_dim": 4},
    "models": {"sum": {"fusion": "WeightedSumFusion"}},
}


def test_runs_of_settings_that_a_bench_no_longer_has_do_not_count(tmp_path, caplog):
    path, out = tmp_path / "experiment.yaml", tmp_path / "out"
    for width in (4, 8):
        path.write_text(yaml.safe_dump({**SMALL, "model": {"width": width, "out_dim": 4}}))
        bench(path, out, quiet=True)
    folders = {done.parent for done in out.rglob("run.json")}
    assert len(folders) == 2
    for place in (out, out / "runs", tmp_path):
        with caplog.at_level(logging.WARNING):
            (run,) = find([place])
        assert run.configuration.model.width == 8
        assert f"{place}: 1 finished runs are of settings that its tables no longer have" in caplog.text
        caplog.clear()
    (before,) = folders - {run.folder}
    assert [own.folder for own in find([before])] == [before]
    with pytest.raises(DataError, match="another run of sum, seed 0, fold 0 is in"):
        find([out, before])
    assert [page.name for page in write_pages(out)] == ["report.html"]


def test_a_run_that_was_being_replaced_is_not_left_out(tmp_path):
    (tmp_path / ".seed1-fold0.new").mkdir(parents=True)
    (tmp_path / ".seed1-fold0.new" / "run.json").write_text("{}")
    with pytest.raises(DataError) as caught:
        find([tmp_path])
    assert str(caught.value) == (
        f"{tmp_path / 'seed1-fold0'}: is being replaced, or was when it was killed; run the command that made "
        "it again"
    )
