"""What every doctest finds in its namespace, and where the real corpora are."""

import os
import tempfile
from pathlib import Path

import pytest


def pytest_configure():
    """Leave a core to each of the tests that run side by side, and the user's own files alone."""
    import torch

    os.environ["AFFECT_TRUST"] = os.path.join(tempfile.mkdtemp(), "trusted")
    os.environ["AFFECT_CACHE"] = tempfile.mkdtemp()

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _names(doctest_namespace):
    import numpy as np
    import torch

    import affect
    from affect.sequences import Sequence

    doctest_namespace.update(affect=affect, np=np, torch=torch, Sequence=Sequence)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real corpora; tests that need it are skipped where there is none."""
    named = os.environ.get("AFFECT_DATA")
    folder = Path(named) if named else Path(__file__).parent.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real corpora: {folder} does not exist; AFFECT_DATA names their folder")
    return folder
