"""The order of the rooms, and what every public name owes its reader."""

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import affect
import affect.baselines

ROOT = Path(affect.__file__).parent
ORDER = [
    {
        "started",
        "renamed",
        "errors",
        "bounds",
        "spreadsheets",
        "yaml_files",
        "terminal",
        "files",
        "manifest",
        "console",
        "memory",
        "workers",
        "seeding",
        "classes",
    },
    {"sequences", "naming"},
    {"kernels"},
    {"pooling", "layers", "attention", "sizes"},
    {"flows"},
    {"metrics", "data", "media"},
    {"scaling", "corruption"},
    {"encoders", "aligners", "imputation", "fusion", "heads", "objectives", "extraction"},
    {"parts"},
    {"causality", "model"},
    {"testing", "training", "statistics", "explain"},
    {"baselines", "estimators", "interactions"},
    {"papers", "runs"},
    {"results"},
    {"retrieval", "robustness"},
    {"benchmark", "transfer"},
    {"tuning"},
    {"report"},
    {"cli"},
    {"__main__"},
]
FLOOR = {room: floor for floor, rooms in enumerate(ORDER) for room in rooms}
FILES = sorted(path for path in ROOT.rglob("*.py") if path.parent != ROOT or path.stem != "__init__")


def room_of(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "affect":
            parts = node.module.split(".")
            yield from [parts[1]] if len(parts) > 1 else [alias.name for alias in node.names]


def test_a_lower_room_never_imports_a_higher_one():
    higher = {
        str(path.relative_to(ROOT)): above
        for path in FILES
        if (above := {room for room in imported(path) if FLOOR[room] > FLOOR[room_of(path)]})
    }
    assert not higher


def test_a_file_can_be_read_in_one_sitting():
    assert [str(path) for path in FILES if len(path.read_text().splitlines()) > 400] == []


def test_no_code_outside_corpora_knows_a_modality_by_name():
    spared = {"conversations.py", "corpora.py", "factors.py", "synthetic.py", "text.py"}
    for path in FILES:
        code = ast.parse(path.read_text())
        words = {n.value for n in ast.walk(code) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
        if (
            path.name not in spared
            and "testing" not in path.parts
            and not {"sources", "export"} & set(path.parts)
        ):
            assert not words & {"text", "acoustic", "visual"}, path


def public_objects():
    for module in pkgutil.walk_packages(affect.__path__, "affect."):
        room = importlib.import_module(module.name)
        yield module.name, room
        for name, found in vars(room).items():
            own = getattr(found, "__module__", None) == module.name
            if own and not name.startswith("_") and (inspect.isclass(found) or inspect.isfunction(found)):
                yield f"{module.name}.{name}", found
                if inspect.isclass(found):
                    for member, value in vars(found).items():
                        if inspect.isfunction(value) and not member.startswith("_"):
                            yield f"{module.name}.{name}.{member}", getattr(found, member)


def test_everything_public_has_a_docstring():
    assert [name for name, found in public_objects() if not inspect.getdoc(found)] == []


def test_every_part_says_what_absence_means_to_it():
    for base in (affect.Encoder, affect.Fusion, affect.aligners.Aligner, affect.baselines.Baseline):
        queue = [base]
        while queue:
            for part in queue.pop().__subclasses__():
                queue.append(part)
                if part.__module__.startswith("affect.") and not part.__name__.startswith("_"):
                    assert part is affect.VectorFusion or "Missing:" in (part.__doc__ or ""), part


def test_every_public_name_is_there():
    for name in affect.__all__:
        assert getattr(affect, name) is not None
    with pytest.raises(AttributeError, match=r"affect has no 'FusionModl'; did you mean 'FusionModel'\?"):
        _ = affect.FusionModl
