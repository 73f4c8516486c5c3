"""The module that a user names is the one that is kept, watched and executed; what is kept is what was executed."""

import importlib
import logging
import sys
import textwrap

import pytest

from affect.classes import beside, modules_in, modules_of, within
from affect.classes.homes import kept
from affect.data.contents import corpus_digest
from affect.errors import ConfigError
from affect.runs.configuration import parse, resolve

FUSION = """
    import affect


    class Impl(affect.fusion.WeightedSumFusion):
        K = 1.0
"""


def test_a_module_that_hands_a_class_on_is_kept_itself(tmp_path):
    (tmp_path / "impl.py").write_text(textwrap.dedent(FUSION))
    (tmp_path / "alias.py").write_text("from impl import Impl\nImpl.K = 3.0\n")
    with within(beside(tmp_path)):
        content = resolve({"corpus": "synthetic", "model": {"fusion": "alias.Impl"}}, "doc")
        assert content["model"]["fusion"]["class_path"] == "alias.Impl"
        assert sorted(modules_in(content).files) == ["alias.py", "impl.py"]
        assert parse(content, "doc").model.fusion is not None
        own = resolve({"corpus": "synthetic", "model": {"fusion": "impl.Impl"}}, "doc")
        assert sorted(modules_in(own).files) == ["impl.py"]
    shown = resolve(
        {"corpus": "synthetic", "model": {"encoder": "affect.encoders.recurrent.LSTMEncoder"}}, "doc"
    )
    assert shown["model"]["encoder"]["class_path"] == "affect.encoders.LSTMEncoder"


def test_a_module_that_was_edited_since_its_import_is_not_kept(tmp_path, monkeypatch):
    file = tmp_path / "edited_after_import.py"
    file.write_text(textwrap.dedent(FUSION))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    cls = importlib.import_module("edited_after_import").Impl
    assert sorted(modules_of([cls]).files) == ["edited_after_import.py"]
    file.write_text(textwrap.dedent(FUSION).replace("1.0", "50.0"))
    with pytest.raises(ConfigError) as refused:
        modules_of([cls])
    assert str(refused.value) == (
        "edited_after_import.py was edited since it was imported, so the code that was executed cannot be kept "
        "with the run; import it anew in a fresh process, and train again"
    )
    sys.modules.pop("edited_after_import")


def test_a_module_that_reads_files_beside_itself_is_said(tmp_path, caplog):
    (tmp_path / "with_data.py").write_text("from pathlib import Path\nHERE = Path(__file__).parent\n")
    with within(beside(tmp_path)), caplog.at_level(logging.WARNING):
        kept(modules_in("with_data.Anything"), tmp_path / "run")
    assert (
        "with_data.py looks for files beside itself (__file__), which a run does not bring along"
        in caplog.text
    )


def test_a_modality_may_be_called_results(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "a.csv").write_text("x\n1\n")
    (tmp_path / "labels.csv").write_text("id,y\na,1\n")
    before = corpus_digest(str(tmp_path))
    (tmp_path / "results" / "a.csv").write_text("x\n2\n")
    changed = corpus_digest(str(tmp_path))
    assert before != changed
    (tmp_path / "runs" / "model-1" / "seed0").mkdir(parents=True)
    for name in ("run.json", "config.yaml", "results.csv"):
        (tmp_path / "runs" / "model-1" / "seed0" / name).write_text("{}")
    assert corpus_digest(str(tmp_path)) == changed
    (tmp_path / "transcripts").mkdir()
    for text in ("a", "b"):  # a sample called run
        (tmp_path / "transcripts" / "run.json").write_text(text)
        before, changed = changed, corpus_digest(str(tmp_path))
        assert before != changed
