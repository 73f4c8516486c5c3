"""Run folders, benches and studies of somebody else's, with right digests: no secret guards them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from experiments.faults.hostile import payloads
from experiments.faults.hostile.building import READING, Build, run_of
from experiments.faults.hostile.payloads import Payload


def builds() -> Iterator[tuple[str, Build, bool]]:
    """Run folders, benches and studies of somebody else's, with right digests."""

    def configured(work: Path, marker: Path, change: Callable[[dict[str, object], Path], None]) -> None:
        for run in [*(work / "runs").glob("*/seed*"), *(work / "bench").glob("runs/*/seed*")]:
            path = run / "config.yaml"
            content = yaml.safe_load(path.read_text())
            change(content, marker)
            path.write_text(yaml.safe_dump(content, sort_keys=False))
            payloads.seal(run / "run.json")

    def named(path: str) -> Callable[[Path, Path], None]:
        def hurt(work: Path, marker: Path) -> None:
            def change(content: dict[str, object], marker: Path) -> None:
                model = content["model"]
                assert isinstance(model, dict)
                model["fusion"] = path
                if path.startswith("evil"):
                    for folder in (work, *(run.parent for run in work.rglob("run.json"))):
                        (folder / "evil.py").write_text(payloads.code(marker))
                        (folder / "modules").mkdir(exist_ok=True)
                        (folder / "modules" / "evil.py").write_text(payloads.code(marker))

            configured(work, marker, change)
            if path.startswith("evil"):
                for run in work.rglob("run.json"):
                    _facts(run, modules=payloads.modules(run.parent / "modules"))

        return hurt

    def tagged(work: Path, marker: Path) -> None:
        for run in work.rglob("run.json"):
            (run.parent / "config.yaml").write_text(f"corpus: a\nmodel: {payloads.tag(marker)}\n")
            payloads.seal(run)

    def text(content: str) -> Callable[[Path, Path], None]:
        def hurt(work: Path, marker: Path) -> None:
            for run in work.rglob("run.json"):
                (run.parent / "config.yaml").write_text(content)
                payloads.seal(run)

        return hurt

    def file(name: str, payload: Payload, sealed: bool = False) -> Callable[[Path, Path], None]:
        def hurt(work: Path, marker: Path) -> None:
            for path in [*work.rglob(name)]:
                path.unlink()
                payload(path, marker)
            if sealed:
                for run in work.rglob("run.json"):
                    payloads.seal(run)

        return hurt

    def facts(**values: object) -> Callable[[Path, Path], None]:
        def hurt(work: Path, marker: Path) -> None:
            for run in work.rglob("run.json"):
                if "joined" not in str(run):  # two models of one name are refused for that
                    _facts(run, **values)

        return hurt

    def linked(work: Path, marker: Path) -> None:
        for one in ("runs", "bench"):
            (work / one / "again").symlink_to("..")

    def written(path: str, content: str) -> Callable[[Path, Path], None]:
        def hurt(work: Path, marker: Path) -> None:
            (work / path).write_text(content)

        return hurt

    hurts: dict[str, Callable[[Path, Path], None]] = {
        "modules": named("evil.Evil"),
        "names os.system": named("os.system"),
        "names os._exit": named("os._exit"),
        "names antigravity": named("antigravity.X"),
        "!!python tag": tagged,
        "YAML aliases": text(payloads.ALIASES),
        "weights are a pickle": file("model.safetensors", payloads.pickled(), sealed=True),
        "weights are a pipe": file("model.safetensors", payloads.fifo),
        "weights are /dev/zero": file("model.safetensors", payloads.link("/dev/zero")),
        "run.json is a pipe": file("run.json", payloads.fifo),
        "run.json is /dev/zero": file("run.json", payloads.link("/dev/zero")),
        "run.json is deep": file("run.json", payloads.raw(payloads.deep_json())),
        "tables are pipes": file("results.csv", payloads.fifo),
        "answers are /dev/zero": file("predictions.csv", payloads.link("/dev/zero")),
        "sweeps are pickles": file("predictions.npz", payloads.objects),
        "a link to itself": linked,
        "named above": facts(name="../../escape"),
        "named as a script": facts(name="</script><script>alert(7)</script>"),
        "named with ESC": facts(name="\x1b[2Jred"),
        "named as a formula": facts(name="=1+1"),
        "seed of a path": facts(seed="../../escape"),
    }
    for name, hurt in hurts.items():
        for verb, asked in READING.items():
            if verb in {"predict", "sweep"} or name in MOST_READ:
                yield f"{verb} a run, {name}", _hurt(hurt, asked), False
    listed = {
        "runs.json lists above": (
            "bench/runs.json",
            '["../../outside", "../../../../etc"]',
            "compare bench --out out.csv",
        ),
        "search.json names above": (
            "tune/search.json",
            '{"study": "s", "chosen": {"a": 0}, "files": {"a": "../../outside/secret.txt"}}',
            "report tune --out out.html",
        ),
        "study.db is text": ("tune/study.db", "secret", "report tune --out out.html"),
        "study.db is text, tune": ("tune/study.db", "secret", "tune small.yaml --out tune --trials 3"),
    }
    for name, (path, content, asked) in listed.items():
        yield name, _hurt(written(path, content), asked), False


MOST_READ = (
    "modules",
    "names os.system",
    "!!python tag",
    "run.json is a pipe",
    "run.json is deep",
    "tables are pipes",
    "answers are /dev/zero",
    "named as a script",
    "named with ESC",
    "named as a formula",
    "a link to itself",
)
"""What `compare` and `report` read too."""


def _hurt(hurt: Callable[[Path, Path], None], asked: str) -> Build:
    def build(work: Path, marker: Path) -> str:
        run = run_of(work).relative_to(work).as_posix()
        hurt(work, marker)
        return asked.format(run=run)

    return build


def _facts(path: Path, **values: object) -> None:
    """Other values in `run.json`, with a right digest."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    payloads.seal(path)
