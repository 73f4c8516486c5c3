"""Python that lies beside what is read: nobody may import it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from experiments.faults.hostile import payloads
from experiments.faults.hostile.building import READING, Build, run_of
from experiments.faults.inputs import CONFIGURATIONS

NEIGHBOURS = ("safetensors", "plotly", "torch", "yaml", "numpy", "affect", "sitecustomize", "pandas")
"""Modules that lie where a command reads; they make the marker when they are imported."""


def builds() -> Iterator[tuple[str, Build, bool]]:
    """Python beside what is read: each in a fresh interpreter."""

    def beside(folders: str, asked: str) -> Build:
        def build(work: Path, marker: Path) -> str:
            for pattern in folders.split():
                for folder in (
                    [work] if pattern == "." else [path for path in work.glob(pattern) if path.is_dir()]
                ):
                    for name in NEIGHBOURS:
                        if not (folder == work and name == "affect"):  # `python -m affect` is asked for there
                            (folder / f"{name}.py").write_text(payloads.code(marker))
            return asked.format(run=run_of(work).relative_to(work).as_posix())

        return build

    everywhere = "runs runs/* runs/*/seed* bench bench/runs/* bench/runs/*/seed* tune"
    for verb, asked in READING.items():
        yield f"{verb}: modules in the run's folder", beside(everywhere, asked), True
        yield f"{verb}: modules in the current folder", beside(".", asked), True
    for asked in (
        "inspect c/tiny.safetensors",
        "train c/small.yaml --out out",
        "bench c/mini.yaml --out out",
    ):
        build = beside("c", asked)

        def with_inputs(work: Path, marker: Path, build: Build = build) -> str:
            (work / "c").mkdir()
            for name in ("tiny.safetensors", *CONFIGURATIONS):
                shutil.copy2(work / name, work / "c")
            return build(work, marker)

        yield f"{asked.split()[0]}: modules beside the file", with_inputs, True
