"""The order of the rooms inside `affect.data`, as its docstring lists it."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import affect.data

ROOT = Path(affect.data.__file__).parent
ORDER = [line.strip().split(", ") for line in affect.data.__doc__.splitlines() if line.startswith("    ")]
FLOOR = {room: floor for floor, rooms in enumerate(ORDER) for room in rooms}
DOORS = {("corpus", "making")}
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in ROOT.rglob("*.py")
    if path != ROOT / "__init__.py"
}


def imported(code):
    """The files that code imports, inside functions too; what is imported for types alone is not."""
    if isinstance(code, ast.If) and ast.unparse(code.test) == "TYPE_CHECKING":
        return
    names = []
    if isinstance(code, ast.Import):
        names = [alias.name for alias in code.names]
    elif isinstance(code, ast.ImportFrom):
        names = [f"{code.module}.{alias.name}" for alias in code.names]
    for name in names:
        own = name.removeprefix("affect.data.")
        if own != name:
            yield own if own in FILES else own.rpartition(".")[0]
    for child in ast.iter_child_nodes(code):
        yield from imported(child)


def room_of(file):
    return file.partition(".")[0]


GRAPH = {file: {*imported(ast.parse(path.read_text()))} for file, path in FILES.items()}
EDGES = {(room_of(file), room_of(other)) for file, others in GRAPH.items() for other in others}


def test_the_list_has_every_room_once():
    assert sorted(room for rooms in ORDER for room in rooms) == sorted({*map(room_of, FILES)})


def test_a_room_imports_lower_ones_alone():
    assert {(room, other) for room, other in EDGES if FLOOR[other] >= FLOOR[room] and other != room} == DOORS


def test_no_files_import_each_other_in_a_circle():
    graph = {
        file: {other for other in others if (room_of(file), room_of(other)) not in DOORS}
        for file, others in GRAPH.items()
    }
    TopologicalSorter(graph).prepare()


def test_imports_inside_functions_count_and_those_of_types_do_not():
    code = """
if TYPE_CHECKING:
    from affect.data.corpus import Split
def read():
    import affect.data.words.videos
    from affect.data import native
    from affect.data.rules.columns import failed
"""
    assert list(imported(ast.parse(code))) == ["words.videos", "native", "rules.columns"]
