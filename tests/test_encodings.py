"""Text is read and written as UTF-8, whatever the system's own encoding is."""

import ast
from pathlib import Path

import affect


def without_encoding(path):
    """The lines of a file on which text is read or written in whatever encoding the system has."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        plain = isinstance(node.func, ast.Name) and node.func.id == "open"
        given = {keyword.arg for keyword in node.keywords}
        places = {"read_text": 0, "write_text": 1}
        if method in places and "encoding" not in given and len(node.args) <= places[method]:
            yield node.lineno
        if plain or (method == "open" and isinstance(node.func.value, ast.Name | ast.BinOp)):
            own = ast.unparse(node.func)
            if own in ("os.open", "h5o.open", "av.open", "archive.open", "zipfile.open", "tarfile.open"):
                continue
            rest = node.args[1:] if plain else node.args
            modes = [one.value for one in rest[:1] if isinstance(one, ast.Constant)]
            modes += [k.value.value for k in node.keywords if k.arg == "mode"]
            if "encoding" not in given and not any("b" in str(mode) for mode in modes):
                yield node.lineno


def test_every_text_says_its_encoding():
    root = Path(affect.__file__).parent
    assert [
        f"{p.relative_to(root)}:{n}" for p in sorted(root.rglob("*.py")) for n in without_encoding(p)
    ] == []
