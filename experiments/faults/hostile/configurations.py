"""Configurations that a user runs: they may name code of the user's, and nothing else may happen."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from experiments.faults.hostile import payloads
from experiments.faults.hostile.building import NAMES, Build
from experiments.faults.inputs import CONFIGURATIONS, MODEL


def builds() -> Iterator[tuple[str, Build, bool]]:
    """Configurations that a user runs: they may name code of the user's, and nothing else may happen."""

    def tagged(verb: str) -> Build:
        return _yaml(verb, lambda marker: f"corpus: tiny.safetensors\nmodel: {payloads.tag(marker)}\n")

    for verb in ("train", "bench", "tune"):
        yield f"{verb} !!python tag", tagged(verb), False
        yield f"{verb} YAML aliases", _yaml(verb, lambda marker: payloads.ALIASES), False
        yield f"{verb} YAML deep", _yaml(verb, lambda marker: "[" * 100_000), False
    texts = {
        "alias of itself": "corpus: &a [*a]\n",
        "a number of 100,000 digits": f"corpus: {'9' * 100_000}\n",
        "NUL": "corpus: 'a\0b'\n",
        "not UTF-8": "corpus: \udcff\n",
        "binary": "corpus: !!binary AAAA\nmodels: {a: {}}\n",
    }
    for name, text in texts.items():
        yield f"bench YAML, {name}", _yaml("bench", functools.partial(_same, text)), False
    for name, path in (
        ("os._exit", "os._exit"),
        ("os.abort", "os.abort"),
        ("os.getcwd", "os.getcwd"),
        ("antigravity", "antigravity.X"),
    ):
        for key in ("fusion", "encoder"):
            yield f"train {key}: {name}", _changed("train", model={key: path}), False
        yield (
            f"train lr_lambda: {name}",
            _changed(
                "train",
                training={
                    "schedule": {
                        "class_path": "torch.optim.lr_scheduler.LambdaLR",
                        "init_args": {"lr_lambda": path},
                    }
                },
            ),
            False,
        )
        yield f"train objective: {name}", _changed("train", objective=path), False
    for key, value in (
        ("gradient_clip", -1),
        ("batch_size", -1),
        ("epochs", 10**30),
        ("learning_rate", "nan"),
        ("accumulate", 0),
    ):
        yield f"train {key}: {value}", _changed("train", training={key: value}), False
    yield "train seeds: -1", _changed("train", seeds=[-1]), False
    for name, given in NAMES.items():
        yield f"bench model named {name}", _named_model(given), False


def _same(text: str, marker: Path) -> str:
    return text


def _yaml(verb: str, text: Callable[[Path], str]) -> Build:
    def build(work: Path, marker: Path) -> str:
        (work / "c.yaml").write_bytes(text(marker).encode("utf-8", "surrogateescape"))
        return f"{verb} c.yaml --out out"

    return build


def _changed(verb: str, **changes: object) -> Build:
    """The small configuration with other values."""

    def build(work: Path, marker: Path) -> str:
        content = json.loads(json.dumps(CONFIGURATIONS["small.yaml"]))
        content.pop("search")
        for key, value in changes.items():
            content[key] = {**content.get(key, {}), **value} if isinstance(value, dict) else value
        (work / "c.yaml").write_text(yaml.safe_dump(content))
        return f"{verb} c.yaml --out out"

    return build


def _named_model(given: str) -> Build:
    def build(work: Path, marker: Path) -> str:
        content = {**CONFIGURATIONS["mini.yaml"], "models": {given: MODEL}, "seeds": [0]}
        (work / "c.yaml").write_text(yaml.safe_dump(content))
        return "bench c.yaml --out out"

    return build
