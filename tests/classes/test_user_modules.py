"""A user's modules: found by file, loaded under names of their own, and carried along."""

import statistics
import sys

import pytest

from affect.classes import (
    Home,
    Modules,
    beside,
    class_of,
    kept,
    module_of,
    modules_in,
    modules_of,
    path_of,
    within,
)
from affect.classes.following import local_modules
from affect.classes.trust import is_trusted, mark_trusted
from affect.errors import ConfigError


def write(folder, **files):
    for name, content in files.items():
        path = folder / f"{name.replace('__', '/').replace('INIT', '__init__')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


@pytest.fixture
def lab(tmp_path):
    """A folder of modules that import one another in every way."""
    write(
        tmp_path,
        mine="import sums\nfrom parts.deep import two\nimport parts.late\nfrom torch import nn\nimport statistics\n\n"
        "class Mine:\n    def value(self):\n        import helpers\n        return sums.ONE + two() + "
        "parts.late.FOUR + helpers.EIGHT + statistics.mean\n",
        sums="ONE = 1",
        helpers="EIGHT = 8",
        statistics="mean = 16",
        parts__late="FOUR = 4",
        parts__deep="from . import near\nfrom .near import TWO as T\n\ndef two():\n    from ..parts.near import TWO\n"
        "    assert near.TWO == T == TWO\n    return TWO\n",
        parts__near="TWO = 2",
        other="raise RuntimeError('nobody asked for it')",
    )
    write(tmp_path, parts__INIT="")
    return tmp_path


def test_every_way_of_importing_a_neighbour(lab):
    before = {*sys.modules}
    with within(beside(lab)):
        mine = class_of("mine.Mine")
        assert mine().value() == 31
        found = modules_in({"fusion": {"class_path": "mine.Mine"}})
    expected = {"helpers.py", "mine.py", "sums.py", "statistics.py"} | {
        f"parts/{name}.py" for name in ("__init__", "deep", "late", "near")
    }
    assert {*found.files} == expected
    assert path_of(mine) == "mine.Mine"
    assert "mine" not in sys.modules
    assert all(name.startswith("affect_user_") for name in {*sys.modules} - before if "mine" in name)
    assert statistics.mean([1, 3]) == sys.modules["statistics"].mean([1, 3]) == 2
    assert str(lab) not in sys.path


def test_the_copy_is_the_same_without_the_files(lab, tmp_path_factory):
    away = tmp_path_factory.mktemp("away")
    with within(beside(lab)):
        facts = kept(modules_of([class_of("mine.Mine")]), away)
    assert kept(modules_of([dict]), away) is None
    modules = Modules.read(away / "modules")
    assert facts == modules.facts()
    assert modules.changes(facts) == []
    for path in lab.rglob("*.py"):
        path.unlink()
    with within(Home((away / "modules",), modules)):
        assert class_of("mine.Mine")().value() == 31
    (away / "modules" / "sums.py").write_text("ONE = 3")
    (away / "modules" / "new.py").write_text("")
    (away / "modules" / "helpers.py").unlink()
    now = Modules.read(away / "modules")
    assert now.digest != modules.digest
    assert now.changes(facts) == [
        "sums.py was edited",
        "new.py is used now",
        "helpers.py is not used any more",
    ]


def test_modules_of_one_name_live_side_by_side_and_an_edit_is_seen(tmp_path):
    found = {}
    for name in ("one", "two"):
        write(tmp_path / name, same=f"class Same:\n    home = '{name}'\n")
        with within(beside(tmp_path / name)):
            found[name] = class_of("same.Same")
    assert {name: cls.home for name, cls in found.items()} == {"one": "one", "two": "two"}
    with within(beside(tmp_path / "one")):
        assert class_of("same.Same") is found["one"]
        write(tmp_path / "one", same="class Same:\n    home = 'edited'\n")
        assert class_of("same.Same").home == "edited"


def test_a_file_beside_comes_before_what_is_installed_and_that_is_said(tmp_path, caplog):
    write(
        tmp_path, statistics="class Mine: ...", torch__nn="class Mine: ...", affect__fusion="class Mine: ..."
    )
    with within(beside(tmp_path)):
        assert module_of("statistics").__file__ == str(tmp_path / "statistics.py")
        assert module_of("torch.nn") is sys.modules["torch.nn"]  # a folder that is no package hides none
        assert not hasattr(module_of("affect.fusion"), "Mine")
    assert caplog.messages == [
        f"statistics: the file {tmp_path / 'statistics.py'} is used, not the installed one ({statistics.__file__})"
    ]
    assert module_of("statistics") is statistics


def test_what_is_not_there_is_missed_by_its_own_name(tmp_path):
    write(tmp_path, mine="import parts.gone", parts__INIT="")
    with (
        within(beside(tmp_path)),
        pytest.raises(ModuleNotFoundError, match=r"^No module named 'parts\.gone'$"),
    ):
        module_of("mine")


def test_a_module_that_python_imported_is_carried_too(tmp_path, monkeypatch):
    write(tmp_path, editable__parts="from editable import sums\n\nclass Part: ...\n", editable__sums="")
    write(tmp_path, editable__INIT="")
    monkeypatch.syspath_prepend(tmp_path)
    part = class_of("editable.parts.Part")
    assert part.__module__ == "editable.parts"
    assert {*modules_in("editable.parts.Part").files} == {
        f"editable/{n}.py" for n in ("__init__", "parts", "sums")
    }


def test_a_class_of_a_program_cannot_be_carried():
    homeless = type("Homeless", (), {"__module__": "__main__"})
    with pytest.raises(
        ConfigError, match="^Homeless: a class of a notebook or program cannot be kept with a run; "
    ):
        modules_of([homeless])


def test_star_imports_take_the_whole_package(tmp_path):
    write(tmp_path, mine="from parts import *", parts__a="", parts__b="", parts__INIT="__all__ = ['a', 'b']")
    assert [*local_modules(["mine"], (tmp_path,)).names] == ["mine", "parts", "parts.a", "parts.b"]


def test_the_list_of_trust(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("AFFECT_TRUST", str(tmp_path / "deep" / "list"))
    one, two = Modules({"a.py": b"1"}), Modules({"a.py": b"2"})
    for modules in (one, two, one, Modules()):
        mark_trusted(modules)
    assert is_trusted(one.digest)
    assert not is_trusted("")
    lines = (tmp_path / "deep" / "list").read_text().splitlines()
    assert lines == [f"{one.digest} a", f"{two.digest} a"]
    monkeypatch.delenv("AFFECT_TRUST")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    mark_trusted(one)
    assert (tmp_path / "data" / "affect" / "trusted").is_file()
    monkeypatch.setenv("AFFECT_TRUST", str(tmp_path / "data" / "affect" / "trusted" / "no folder"))
    mark_trusted(two)
    assert not is_trusted(two.digest)
    assert (
        caplog.messages[0].endswith(
            "cannot be written (Not a directory): to load runs made with a later, say --trust (trust=True)"
        )
        or "File exists" in caplog.messages[0]
    )


def test_a_function_of_a_file_is_sent_to_other_processes(tmp_path):
    from joblib import Parallel, delayed

    from affect.workers import processes

    write(tmp_path, mine="from sums import ONE\n\ndef more(x):\n    return x + ONE\n", sums="ONE = 1")
    with within(beside(tmp_path)):
        more = class_of("mine.more")
    with processes(2):
        assert Parallel()(delayed(more)(x) for x in (1, 2)) == [2, 3]
