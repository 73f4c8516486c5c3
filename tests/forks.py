"""Processes that have nothing of affect, but what it imports of others, which takes most of a command's time.

They are forked from a server that was begun anew, not from the process of the tests.
"""

import multiprocessing
import os
import sys
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).parents[1]
IMPORTED = (
    "lightning.pytorch",
    "jsonargparse",
    "optuna",
    "pandas",
    "safetensors.torch",
    "scipy.stats",
    "sklearn.svm",
    "joblib",
    "alembic.command",
    "optuna.storages._rdb.models",
    "optuna.storages._rdb.storage",
    "optuna.visualization",
    "plotly.graph_objs.scatter",
    "plotly.offline",
    "sqlalchemy.dialects.sqlite",
)


def server():
    """Multiprocessing's context of such processes."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*IMPORTED])
    return context


class Command:
    """Commands of affect's, one after the other in one process, in a folder.

    Args:
        folder: where it stands.
        commands: lists of arguments.
        path: where affect is imported from; the tests' own by default.
        changes: of the environment.
    """

    def __init__(self, folder, *commands, path=ROOT, **changes):
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(path)}
        environment |= {name: str(value) for name, value in changes.items()}
        self._said = [Path(folder).parent / f".{id(self)}.{name}" for name in ("stdout", "stderr")]
        given = (folder, [[*map(str, one)] for one in commands], str(path), environment, self._said)
        self.process = server().Process(target=_become, args=given)
        self.process.start()

    def ended(self):
        """Its exit code, and what it wrote on stdout and stderr."""
        self.process.join()
        stdout, stderr = (path.read_text() for path in self._said)
        return SimpleNamespace(returncode=self.process.exitcode, stdout=stdout, stderr=stderr)

    def kill(self):
        """End it, and what it has begun, at once."""
        os.killpg(self.process.pid, 9)
        self.process.join()


def _become(folder, commands, path, environment, said):
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for number, file in enumerate(said, 1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.path[:] = [path, *(one for one in sys.path if not Path(one).resolve().is_relative_to(ROOT / "tests"))]
    sys.path[1:] = [one for one in sys.path[1:] if Path(one).resolve() != ROOT]
    assert "affect" not in sys.modules
    import affect.cli

    assert affect.__file__.startswith(path), affect.__file__
    for command in commands:
        affect.cli.main(command)
