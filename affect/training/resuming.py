"""Whether the checkpoint in a folder is of the training that is asked for."""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from affect.classes.factories import made_of
from affect.classes.paths import path_of
from affect.data.corpus import Corpus
from affect.data.ragged import Ragged
from affect.errors import ConfigError, DataError, few
from affect.manifest import DIGEST, FILES, read_facts, write_facts
from affect.model import FusionModel
from affect.training.checkpoints import BEFORE, LAST, set_aside
from affect.training.learner import Learner
from affect.training.optimisation import depends_on_all_epochs
from affect.training.options import Training
from affect.training.weights import digest

logger = logging.getLogger(__name__)

RECORD = "training.json"
"""What the checkpoints beside it are of."""

_ANYWHERE = ("accelerator", "strategy", "compile")
"""Options that a training may be taken up under others of."""


def check_resumed(
    checkpoints: Path,
    model: FusionModel,
    corpus: Corpus,
    seed: int,
    *,
    training: Training,
    objective: Any,
    learner: Any,
    teacher: FusionModel | None,
    terms: Any,
    auxiliary: Corpus | None = None,
) -> None:
    """Refuse checkpoints of another training; say beside them what those that are to come are of.

    More epochs are the same training, taken further, unless its rate depends on how many there are.

    Args:
        checkpoints: their folder, in the folder that `fit` was given.
        model: with the weights that training begins with.
        corpus: that is learned from.
        seed: as in `fit`, and so are the rest.
        training: the same.
        objective: the same.
        learner: the same.
        teacher: the same.
        terms: what they are made from, the weight of the label, and what they begin with; nothing of a
            training without terms.
        auxiliary: the corpus that terms alone see.
    Raises:
        ConfigError: they are of another training, or do not say of which.
    Example:
        >>> corpus, folder = affect.load("synthetic"), getfixture("tmp_path")
        >>> for seed in (0, 1):
        ...     model = affect.FusionModel.for_corpus(corpus, seed=0)
        ...     affect.fit(model, corpus, seed, training=affect.Training(epochs=1), folder=folder).best_epoch
        Traceback (most recent call last):
        affect.errors.ConfigError: fit: ... holds a training of seed 0; choose another folder or delete its
        checkpoints
    """
    content = {
        "seed": int(seed),
        "target": model.head.target.name,
        **{key: value for key, value in _plain(training).items() if key not in ("class", *_ANYWHERE)},
        "objective": _plain(objective),
        "learner": _plain(learner),
        **({"terms": _plain(terms)} if terms else {}),
        "model": _digest(nn.Module.__repr__(model), _plain(model.spec), sorted(_shapes(model).items())),
        "initial weights": digest(model.state_dict()),
        "teacher": None if teacher is None else digest(teacher.state_dict()),
        "corpus": _content(corpus),
        **({} if auxiliary is None else {"auxiliary": _content(auxiliary)}),
    }
    record, folder = checkpoints / RECORD, checkpoints.parent
    if (known := _known(record)) is not None:
        others = [key for key in {**known, **content} if known.get(key) != content.get(key)]
        if others == ["epochs"] and known["epochs"] < content["epochs"] and _may_go_on(training, learner):
            logger.info(
                "fit: %s: a training of %s epochs goes on to %s", folder, known["epochs"], content["epochs"]
            )
        elif others:
            raise ConfigError(
                f"fit: {folder} holds a training of {few([_said(key, known.get(key)) for key in others])}; "
                "choose another folder or delete its checkpoints"
            )
    write_facts(record, content, [])


def _known(record: Path) -> dict[str, Any] | None:
    """What the checkpoints beside a record are of; None where there are none.

    Where the record is damaged, nobody knows, and they are set aside with it.
    """
    beside = [path for name in (LAST, BEFORE) if (path := record.with_name(name)).is_file()]
    if not beside:
        return None
    if not record.is_file():
        raise ConfigError(
            f"fit: {record.parent.parent} holds a checkpoint without {RECORD}, which says what training it "
            "is of; choose another folder or delete its checkpoints"
        )
    try:
        known = read_facts(record, "it says what the checkpoints beside it are of")
    except DataError as error:
        for path in (record, *beside):
            set_aside(path)
        logger.warning("%s; they are set aside, and training begins anew", error)
        return None
    return {key: value for key, value in known.items() if key not in (FILES, DIGEST)}


def _may_go_on(training: Training, learner: Any) -> bool:
    """Whether more epochs leave the first ones as they were."""
    own = getattr(made_of(learner), "configure_optimizers", None) is not Learner.configure_optimizers
    return not own and not depends_on_all_epochs(training)


def _said(key: str, value: Any) -> str:
    if key in ("model", "objective", "learner", "terms", "teacher", "corpus", "corruption") or isinstance(
        value, dict
    ):
        return f"another {key}" if value is not None else f"no {key}"
    return f"other {key}" if key == "initial weights" else f"{key} {value}"


def _plain(value: Any, depth: int = 0) -> Any:
    """Plain values that are the same for what is made in the same way, in any process."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Tensor | np.ndarray):
        return digest({"": torch.as_tensor(value)})
    if depth > 8:
        return path_of(type(value))
    inner: Callable[[Any], Any] = functools.partial(_plain, depth=depth + 1)
    if isinstance(value, Mapping):
        return {str(key): inner(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [inner(one) for one in value]
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    if isinstance(value, functools.partial):
        return {"class": inner(value.func), "args": inner(value.args), **inner(value.keywords)}
    if isinstance(value, type):
        return path_of(value)
    if inspect.isfunction(value):
        held = inspect.getclosurevars(value).nonlocals
        code = _code(value.__code__)
        return {"function": value.__qualname__, "code": code, "given": inner([value.__defaults__, held])}
    if isinstance(value, nn.Module):
        return _digest(nn.Module.__repr__(value), digest(value.state_dict()))
    if is_dataclass(value):
        return {
            "class": path_of(type(value)),
            **{x.name: inner(getattr(value, x.name)) for x in fields(value)},
        }
    return {"class": path_of(type(value)), **inner(getattr(value, "__dict__", {}))}


def _code(code: CodeType) -> str:
    """Of a function, wherever its lines stand."""
    constants = [_code(one) if isinstance(one, CodeType) else repr(one) for one in code.co_consts]
    return _digest(code.co_code, constants, code.co_names)


def _shapes(model: nn.Module) -> dict[str, list[int]]:
    return {name: [*value.shape] for name, value in model.state_dict().items()}


def _content(corpus: Corpus) -> str:
    """What is learned from: names, labels and lengths, and the features of some samples, spread evenly."""
    parts: list[Any] = [corpus.name]
    for name, split in corpus.splits.items():
        rows = np.unique(np.linspace(0, len(split) - 1, 32).astype(int))
        parts += [name, split.aligned, *split.ids]
        for kind, arrays in (("target", split.targets), ("modality", split.modalities)):
            for own, part in sorted(arrays.items()):
                shown = part if kind == "target" else part.take(rows)
                parts += [kind, own, part.dim, part.lengths.tobytes(), *_values(shown)]
    return _digest(*parts)


def _values(rows: Ragged) -> Iterable[bytes]:
    for block in rows.blocks():
        yield np.ascontiguousarray(rows.values[block]).tobytes()
        yield np.ascontiguousarray(rows.observed[block]).tobytes()


def _digest(*parts: Any) -> str:
    whole = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else json.dumps(part, default=str).encode()
        whole.update(len(data).to_bytes(8, "little"))
        whole.update(data)
    return whole.hexdigest()[:16]
