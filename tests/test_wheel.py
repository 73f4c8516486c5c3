"""What is built for others: the wheel holds the package and nothing else, and works outside the repository."""

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
SUFFIXES = {".csv", ".py", ".json", ".html", ".css", ".js", ".typed", ".yaml"}
TINY = {
    "corpus": "synthetic",
    "training": {"epochs": 1},
    "model": {"encoder": "PooledEncoder", "fusion": "TensorFusion", "width": 4, "out_dim": 4},
}


def files_of_the_package():
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "affect").rglob("*")
        if path.suffix in SUFFIXES or path.name == "py.typed"
    }


def run(*command, cwd):
    """What a command prints; it finds no module through this process's own path."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of wheel and sdist, built of a copy, so that the repository stays as it is."""
    folder = tmp_path_factory.mktemp("built")
    source = folder / "source"
    shutil.copytree(ROOT / "affect", source / "affect", ignore=shutil.ignore_patterns("__pycache__"))
    for room in ("tests", "experiments"):  # what must not be taken along
        (source / room).mkdir()
        (source / room / "__init__.py").touch()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, source, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """The commands of a new environment that has the wheel, and all else from the one that runs the tests."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True, symlinks=True)
    (wheel,) = built.glob("*.whl")
    run(
        folder / "bin" / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        wheel,
        cwd=folder,
    )
    (packages,) = folder.glob("lib/python*/site-packages")
    others = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "others.pth").write_text("\n".join(others))  # they come after the new environment's own
    return folder / "bin"


def test_the_wheel_holds_the_package_and_nothing_else(built):
    (wheel,) = built.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == files_of_the_package()


def test_the_source_distribution_holds_the_package(built):
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert names >= files_of_the_package() | {"pyproject.toml", "README.md", "LICENSE"}


@pytest.mark.slow
def test_the_wheel_works_outside_the_repository(installed, tmp_path):
    home = run(installed / "python", "-c", "import affect; print(affect.__file__)", cwd=tmp_path).strip()
    assert Path(home).is_relative_to(installed.parent)
    affect = installed / "affect"
    assert "inspect" in run(affect, "--help", cwd=tmp_path)
    assert "Regression" in run(affect, "inspect", "synthetic", cwd=tmp_path)
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(TINY))
    run(affect, "train", "toy.yaml", "--out", "runs", cwd=tmp_path)
    (folder,) = (tmp_path / "runs").glob("*/seed0-fold0")
    run(affect, "predict", folder, "synthetic", "--out", "said.csv", cwd=tmp_path)
    assert (tmp_path / "said.csv").read_text().count("\n") > 100
    run(affect, "report", folder, "--out", "page.html", cwd=tmp_path)
    assert "<style>" in (tmp_path / "page.html").read_text()
