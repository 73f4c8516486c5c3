"""A run becomes a folder, in the layout that `affect.runs` describes."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from affect.classes import FOLDER
from affect.classes.plain import plain
from affect.errors import ConfigError
from affect.files import writing
from affect.manifest import write_facts
from affect.model import FusionModel
from affect.seeding import seeded
from affect.spreadsheets import csv_of
from affect.training.stages import OWN, Stage
from affect.training.terms import Terms
from affect.training.weights import save_weights

DONE = "run.json"
"""The file that a run's folder holds when it is done."""

CONFIG, WEIGHTS, TERMS = "config.yaml", "model.safetensors", "terms.safetensors"
"""The files of what was asked for, of what was learned, and of what terms have learned beside it."""

TABLES = ("results", "predictions", "history")
_WRITTEN = (*(f"{name}.csv" for name in TABLES), CONFIG, WEIGHTS, TERMS, FOLDER)
_MADE = (DONE, "sweeps", "log", "checkpoints", "stages", "failed.txt", "started.json")
"""What else a run's folder may hold that is of this run alone."""


def write_run(
    folder: Path,
    content: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    facts: Mapping[str, Any],
    model: FusionModel | None = None,
    terms: Terms | None = None,
) -> None:
    """Write a run's files, each aside and then renamed, `run.json` last: without it there is no run.

    It says of every other file how large it is, and its SHA-256 (`affect.manifest`).

    Args:
        folder: where they go; a run that was there is none from the first file on.
        content: the configuration's plain values.
        tables: by the names in `TABLES`; one that is empty is left out.
        facts: what `run.json` says; where frozen weights are from is added.
        model: whose weights are written; a baseline has none.
        terms: the same.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in (DONE, *_WRITTEN):
        if name != FOLDER and (folder / name).is_dir() and not (folder / name).is_symlink():
            shutil.rmtree(folder / name)  # something made a folder where a file of a run belongs
    (folder / DONE).unlink(missing_ok=True)
    with writing(folder / CONFIG) as path:
        path.write_text(yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True), encoding="utf-8")
    for name, rows in tables.items():
        if len(rows):
            with writing(folder / f"{name}.csv") as path:
                path.write_text(csv_of(rows), encoding="utf-8", newline="")
    frozen: dict[str, Any] = {}
    if model is not None:
        with writing(folder / WEIGHTS) as path:
            frozen = save_weights(model, path)
    if terms is not None and terms.state_dict():
        with writing(folder / TERMS) as path:
            save_weights(terms, path)
    written = [CONFIG, *(f"{name}.csv" for name, rows in tables.items() if len(rows))]
    written += [TERMS] if (folder / TERMS).is_file() else []
    written += [] if model is None else [WEIGHTS]
    written += [f"{FOLDER}/{place}" for place in (facts.get("modules") or {}).get("files", ())]
    write_facts(folder / DONE, {**facts, **({"frozen": frozen} if frozen else {})}, written)


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds something else than a run.

    Raises:
        ConfigError: as said.
    Example:
        >>> check_folder(getfixture("tmp_path"))
    """
    if folder.is_file():
        raise ConfigError(f"{folder}: is a file; name a folder")
    if not folder.is_dir() or (folder / DONE).is_file():
        return
    foreign = sorted(
        entry.name for entry in folder.iterdir() if entry.name not in _WRITTEN and entry.name[0] != "."
    )
    if foreign:
        raise ConfigError(f"{folder}: holds '{foreign[0]}' and is no run; name a new folder, or a run's")


def keep_others(folder: Path, into: Path) -> None:
    """Copy what somebody has put beside a run to another folder, which is to take its place.

    Args:
        folder: of the run; need not be there.
        into: the other.
    Example:
        >>> folder = getfixture("tmp_path")
        >>> for path in (folder / "run", folder / "new"):
        ...     path.mkdir()
        >>> for name in ("config.yaml", "notes.md"):
        ...     _ = (folder / "run" / name).write_text("")
        >>> keep_others(folder / "run", folder / "new")
        >>> [path.name for path in (folder / "new").iterdir()]
        ['notes.md']
    """
    for entry in folder.iterdir() if folder.is_dir() else ():
        if entry.name in {*_WRITTEN, *_MADE}:
            continue
        copy = into / entry.name  # may be there, from an attempt that was killed
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(entry, copy, symlinks=True)
        elif entry.is_file() or entry.is_symlink():
            copy.unlink(missing_ok=True)
            shutil.copy2(entry, copy, follow_symlinks=False)


def content_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The plain values of a configuration, from what a run was asked for as objects.

    Args:
        asked: fields of a configuration; the model is a `ModelSpec`, or plain values already.
    Raises:
        ConfigError: there is no spec, or something in it has no name that another process knows.
    Example:
        >>> content_of({"corpus": "synthetic", "model": affect.ModelSpec(width=8)})["model"]["width"]
        8
    """
    if asked.get("model") is None:
        raise ConfigError(
            "run.save: the model was built with affect.FusionModel(...), which does not record the classes "
            "of its parts; make it with affect.FusionModel.for_corpus, or keep "
            "torch.save(model.state_dict(), PATH)"
        )
    content: dict[str, Any] = {}
    for key, value in asked.items():
        where = f"run.save: {key}"
        if key == "stages":
            content[key] = [_stage_of(one, asked, f"{where}: {one.name}") for one in value]
            continue
        if dataclasses.is_dataclass(value) and key in ("model", "training"):
            content[key] = {
                one.name: plain(getattr(value, one.name), f"{where}: {one.name}")
                for one in dataclasses.fields(value)
            }
        else:
            content[key] = plain(value, where)
    return content


def _stage_of(stage: Stage, asked: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A stage as a configuration file holds it; its corpus is read as that of the whole."""
    named = {}
    for key in OWN:
        if (own := getattr(stage, key)) is None:
            continue
        source = dict(own.source)
        named[key] = source.pop("corpus", None)
        if named[key] is None or any(asked.get(k) != x for k, x in source.items()):
            raise ConfigError(
                f"{where}: {key}: learns from a corpus of its own that a configuration cannot name; expected "
                "what affect.load returned, read as the corpus of the whole"
            )
    training = (
        {} if stage.training is None else content_of({"model": {}, "training": stage.training})["training"]
    )
    return {
        "name": stage.name, "training": training, "terms": plain(stage.terms, where),
        "supervised": stage.supervised, "frozen": [*stage.frozen],
        **named,
    }  # fmt: skip


def check_spec(model: FusionModel, shape: Mapping[str, Any]) -> None:
    """Refuse a model whose parts are not those that its spec makes: it could not be loaded again.

    Args:
        model: was made from a spec.
        shape: what `affect.training.facts.facts_of` has said of it.
    Raises:
        ConfigError: a part was changed since.
    """
    if model.spec is None:
        return
    with seeded(0):
        again = model.spec.for_shape(shape["dims"], model.head.target, shape["aligned"])
    again.scaler = model.scaler
    parts, expected = ({n: type(m).__name__ for n, m in one.named_modules()} for one in (model, again))
    sizes, loaded = ({n: tuple(x.shape) for n, x in one.state_dict().items()} for one in (model, again))
    for got, was in ((parts, expected), (sizes, loaded)):
        for name in sorted({*got, *was}):
            if got.get(name) != was.get(name):
                raise ConfigError(
                    f"run.save: the model was changed after it was made: {name} is {got.get(name, 'gone')}, "
                    f"and its spec makes {was.get(name, 'no such part')}; name what it is made of in "
                    "affect.FusionModel.for_corpus"
                )
