"""The tutorials run from their first cell to their last."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EPOCHS = re.compile(r"(epochs[=:] ?|options\()\d+")
NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")  # the kernel client's own
def test_notebook(path, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # beside other tests, more threads wait for each other
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:  # two epochs show whether it runs
        cell.source = EPOCHS.sub(r"\g<1>2", cell.source)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    pictures = [
        o for cell in notebook.cells for o in cell.get("outputs", []) if "image/png" in o.get("data", {})
    ]
    assert pictures
