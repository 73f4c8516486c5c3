"""A model, a split and many conditions -> one tidy table, without encoding twice what stays as it is."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeAlias
from zipfile import BadZipFile

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from affect import metrics, renamed
from affect.bounds import COUNT, NATURAL, SEED
from affect.corruption import Corruption, RandomSubset, subsets_of
from affect.corruption.base import Becomes, Inputs
from affect.data.checks import check_split
from affect.data.corpus import Split
from affect.data.loading import batches
from affect.data.targets import Target
from affect.errors import ConfigError, DataError, described
from affect.files import writing
from affect.metrics import Array
from affect.model import FusionModel, check_model
from affect.naming import apart, original
from affect.sequences import Batch
from affect.spreadsheets import csv_of, frame_of
from affect.training import COLUMNS
from affect.training.demand import affordable

_UNREADABLE = (
    OSError, ValueError, LookupError, TypeError, EOFError, MemoryError, RuntimeError, BadZipFile, zlib.error,
)  # fmt: skip
"""What numpy, zipfile and pandas raise where a file is damaged."""

ONLY = "only "
"""How conditions begin under which some modalities are left; `left_of` says which."""

RATES = tuple(round(0.1 * i, 1) for i in range(11))
"""0 to 1 in steps of 0.1."""


@dataclass(frozen=True)
class Condition:
    """Something that happens to every sample.

    Args:
        name: as in tables: conditions of one name are points of one curve.
        level: how much of it, on the curve's own scale.
        corruption: what happens.
        draws: how often it is drawn anew; the table has each.
    """

    name: str
    level: float
    corruption: Corruption
    draws: int = 1

    def __post_init__(self) -> None:
        COUNT.check(f"{self.name}: draws", self.draws)


Grid: TypeAlias = Callable[[FusionModel], list[Condition]]
"""What makes the conditions for a model: `modality_subsets()`, `rates(...)`, or a protocol."""


@renamed.arguments(said="predictions")
@dataclass(frozen=True, eq=False, repr=False)
class Sweep:
    """What a model predicts of a split under every condition.

    Args:
        conditions: one row each: `condition`, `level` and `draw`; the first one is clean.
        predictions: decisions, on the target's scale or probabilities.
        truth: the labels.
        samples: the id of the sample that each label belongs to.
        present: for each modality, whether that sample has it before any damage.
        target: what was predicted.
        where: the other columns of the tidy table: corpus, model, seed, fold, split.
        grouped: the group of that sample, a video or a speaker; empty where none is known.
    Shapes:
        predictions: (condition, label, target.outputs), truth: (label, target.size), present[m]: (label,)
    """

    conditions: pd.DataFrame
    predictions: Array
    truth: Array
    samples: tuple[str, ...]
    present: dict[str, NDArray[np.bool_]]
    target: Target
    where: dict[str, Any]
    grouped: tuple[str, ...] = ()

    def __repr__(self) -> str:
        where = ", ".join(f"{key} {value}" for key, value in self.where.items() if value != "")
        labels = f"{len(self.truth):,} labels of {self.target.name}"
        return f"Sweep({where}: {len(self.conditions)} conditions, {labels})"

    @cached_property
    def results(self) -> pd.DataFrame:
        """Tidy rows, one for every condition, draw and metric."""
        where = {**self.where, "target": self.target.name}
        rows = [
            {**where, **condition, "metric": metric, "value": score.value, "count": score.count}
            for condition, prediction in zip(
                self.conditions.to_dict("records"), self.predictions, strict=True
            )
            for metric, score in metrics.score(self.target, prediction, self.truth).items()
        ]
        place = COLUMNS.index("metric")
        return pd.DataFrame(rows, columns=[*COLUMNS[:place], "draw", *COLUMNS[place:]])

    def take(self, labels: NDArray[np.integer[Any]] | NDArray[np.bool_]) -> Sweep:
        """The same over some of the labels, an index or a mask."""
        return replace(
            self,
            predictions=self.predictions[:, labels],
            truth=self.truth[labels],
            samples=tuple(np.array(self.samples)[labels].tolist()),
            present={name: there[labels] for name, there in self.present.items()},
            grouped=tuple(np.array(self.grouped)[labels].tolist()) if self.grouped else (),
        )

    def save(self, folder: Path) -> None:
        """Write `results.csv`, `conditions.csv` and `predictions.npz`, from which `load` makes it again."""
        for name, table in (("conditions", self.conditions), ("results", self.results)):
            with writing(folder / f"{name}.csv") as path:
                path.write_text(csv_of(table), encoding="utf-8", newline="")
        held: dict[str, NDArray[Any]] = {f"present.{name}": there for name, there in self.present.items()}
        held |= {
            "said": self.predictions.astype(np.float32),
            "truth": self.truth,
            "samples": np.array(self.samples),
            **({"groups": np.array(self.grouped)} if self.grouped else {}),
        }
        with writing(folder / "predictions.npz") as path, path.open("wb") as file:
            np.savez_compressed(file, **held)  # type: ignore[arg-type]  # numpy takes names for its options

    @classmethod
    def load(cls, folder: Path, target: Target) -> Self:
        """What `save` wrote.

        Raises:
            DataError: a file of it is gone, or is not what `save` writes.
        """
        try:
            found = cls._read(folder, target)
            labels = len(found.truth)
            sizes = [len(found.samples), len(found.grouped) or labels, *map(len, found.present.values())]
            if found.predictions.shape != (len(found.conditions), labels, target.outputs):
                raise ValueError(
                    f"predictions of shape {found.predictions.shape} for {len(found.conditions)} conditions, "
                    f"{labels} labels"
                )
            if any(size != labels for size in sizes):
                raise ValueError(f"{sizes} entries for {labels} labels")
            return found
        except _UNREADABLE as error:
            text = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
            raise DataError(f"{folder}: no sweep: {text}") from None

    @classmethod
    def _read(cls, folder: Path, target: Target) -> Self:
        first = frame_of((folder / "results.csv").read_bytes())
        with (folder / "predictions.npz").open("rb") as file, np.load(file, allow_pickle=False) as held:
            return cls(
                conditions=frame_of((folder / "conditions.csv").read_bytes()),
                predictions=held["said"].astype(np.float64),
                truth=held["truth"],
                samples=tuple(map(str, held["samples"])),
                present={
                    name.removeprefix("present."): held[name] for name in held if name.startswith("present.")
                },
                target=target,
                where={
                    column: first[column].iloc[0] for column in ("corpus", "model", "seed", "fold", "split")
                },
                grouped=tuple(map(str, held["groups"])) if "groups" in held else (),
            )


@renamed.arguments(aligned="")
def sweep(
    model: FusionModel,
    split: Split,
    grid: Grid,
    *,
    batch_size: int = 128,
    corpus: str = "",
    name: str = "",
    seed: int = 0,
    fold: int = 0,
    split_name: str = "test",
    progress: Callable[[int, int], None] | None = None,
) -> Sweep:
    """Measure a model under every condition of a grid, and clean.

    A batch is encoded once; under a condition only the modalities that it changes are encoded again, and none
    where whole modalities go missing. A level that damages nothing costs nothing.

    Args:
        model: in eval mode afterwards.
        split: has the model's target and modalities.
        grid: makes the conditions.
        batch_size: samples per batch, fewer where memory is short; figures change by rounding alone.
        corpus: its name in the results.
        name: the model's name in the results; its fusion's class by default.
        seed: of the model, as it stands in the results.
        fold: as it stands in the results.
        split_name: as it stands in the results.
        progress: is told how many batches are done, of how many.
    Raises:
        ConfigError: a corruption uses the values of word indices, or is for a modality that there is not.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus, fusion=affect.fusion.TensorFusion)
        >>> found = sweep(model, corpus["test"], modality_subsets())
        >>> found.results["condition"].unique().tolist()[:3]
        ['clean', 'only acoustic + text', 'only acoustic + visual']
    """
    check_model("sweep", model)
    check_split("sweep", split)
    COUNT.check("sweep: batch_size", batch_size)
    SEED.check("sweep: seed", seed)
    NATURAL.check("sweep: fold", fold)
    model.eval()
    target = model.head.target
    conditions = [*_drawn(_conditions(grid, model), model, split)]
    device = next(model.parameters()).device
    # what is clean stays, while what is damaged is computed
    batch_size = affordable("sweep", model, split, batch_size, device, copies=2)
    loader = batches(split, target.name, batch_size, by_length=True)
    predictions: list[list[Tensor]] = [[] for _ in range(len(conditions) + 1)]
    truth, samples, places = [], [], []
    present: dict[str, list[NDArray[np.bool_]]] = {name: [] for name in sorted(split.modalities)}
    with torch.inference_mode():
        for done, (own, batch) in enumerate(zip(loader.batch_sampler or (), loader, strict=True), 1):
            batch = batch.to(device)
            for place, prediction in enumerate(_predictions(model, batch, conditions)):
                predictions[place].append(prediction[batch.target.mask].double().cpu())
            truth.append(batch.target.values[batch.target.mask].double().cpu())
            rows = batch.target.mask.nonzero()[:, 0].cpu()
            places += [own[row] for row in rows.tolist()]
            samples += [batch.ids[row] for row in rows.tolist()]
            for modality, x in batch.inputs.items():
                present[modality].append(x.present.cpu()[rows].numpy())
            if progress is not None:
                progress(done, len(loader))
    points = [{"condition": "clean", "level": 0.0, "draw": 0}]
    points += [{"condition": c.name, "level": c.level, "draw": draw} for c, draw in conditions]
    found = Sweep(
        conditions=pd.DataFrame(points),
        predictions=torch.stack([torch.cat(parts) for parts in predictions]).numpy(),
        truth=torch.cat(truth).numpy(),
        samples=tuple(samples),
        present={modality: np.concatenate(parts) for modality, parts in present.items()},
        target=target,
        where={"corpus": corpus, "model": name or type(model.fusion).__name__, "seed": seed, "fold": fold,
               "split": split_name},
        grouped=() if split.groups is None else tuple(split.groups[row] for row in places),
    )  # fmt: skip
    return found.take(np.argsort(places, kind="stable"))  # in the split's order


def modality_subsets(becomes: Becomes = "missing") -> Grid:
    """Every sample keeps the same modalities: all subsets that are neither empty nor whole.

    Levels are the share of the modalities that is lost. All of them together are the clean condition.
    """

    def conditions(model: FusionModel) -> list[Condition]:
        names = model.modalities
        return [
            Condition(
                ONLY + " + ".join(apart(name, "+") for name in subset),
                1 - len(subset) / len(names),
                RandomSubset(subsets=(subset,), modalities=tuple(names), becomes=becomes),
            )
            for subset in subsets_of(names)[1:]
        ]

    return conditions


def left_of(condition: str) -> frozenset[str]:
    """The modalities that are left under a condition of `modality_subsets`.

    Example:
        >>> sorted(left_of("only text + visual"))
        ['text', 'visual']
    """
    return frozenset(map(original, condition.removeprefix(ONLY).split(" + ")))


def levels(
    name: str,
    corruption: Corruption,
    values: Iterable[float] = RATES,
    *,
    draws: int = 1,
    each: bool = False,
) -> Grid:
    """A corruption at several levels: one curve, or one for each modality.

    Args:
        name: of the curve.
        corruption: at any level.
        values: the levels.
        draws: how often each is drawn.
        each: a curve for each modality by itself, beside that of all.
    Example:
        >>> grid = levels("noise", affect.corruption.GaussianNoise(), (20, 10, 0), each=True)
        >>> model = affect.FusionModel.for_corpus(affect.load("synthetic"))
        >>> sorted({condition.name for condition in grid(model)})
        ['noise', 'noise: acoustic', 'noise: text', 'noise: visual']
    """
    values = tuple(values)

    def conditions(model: FusionModel) -> list[Condition]:
        at_risk = corruption.among(model.modalities)
        curves = [(name, corruption)]
        if each:
            curves += [(f"{name}: {m}", replace(corruption, modalities=(m,))) for m in at_risk]
        return [Condition(curve, level, own.at(level), draws) for curve, own in curves for level in values]

    return conditions


def every(*grids: Grid) -> Grid:
    """The conditions of several grids."""
    return lambda model: [condition for grid in grids for condition in grid(model)]


_Drawn: TypeAlias = tuple[Condition, int]


def _conditions(grid: Any, model: FusionModel) -> list[Condition]:
    """What a grid makes for a model."""
    name = getattr(grid, "__name__", "")
    remedy = "make one: affect.robustness.modality_subsets(), or affect.robustness.protocols.tfr_net()"
    if isinstance(grid, str):
        remedy = f"write affect.robustness.protocols.protocol([{grid!r}])"
    found = grid(model) if callable(grid) and not isinstance(grid, type | Corruption) else None
    if isinstance(found, list) and all(isinstance(one, Condition) for one in found):
        return found
    if callable(found):
        remedy = f"call it: {name}()"
    raise ConfigError(
        "sweep: grid: expected a function from a model to conditions, got "
        f"{'the function ' + name if callable(found) else described(grid)}; {remedy}"
    )


def _drawn(conditions: list[Condition], model: FusionModel, split: Split) -> Iterator[_Drawn]:
    """Every draw of every condition, each corruption knowing the split."""
    for condition in conditions:
        condition.corruption.check_indices(model.indices)
        condition.corruption.among(model.modalities)
        known = Condition(condition.name, condition.level, condition.corruption.bound(split), condition.draws)
        yield from ((known, draw) for draw in range(condition.draws))


def _predictions(model: FusionModel, batch: Batch, conditions: list[_Drawn]) -> Iterator[Tensor]:
    """Decisions on the clean batch, then under each condition."""
    inputs = {name: batch.inputs[name] for name in model.modalities}
    encoded = model.encode(inputs)
    clean = model.head.decide(model.fuse(encoded).prediction)
    yield clean
    for condition, draw in conditions:
        if condition.corruption.idle:
            yield clean
            continue
        damaged = condition.corruption(inputs, batch.ids, draw)
        yield model.head.decide(
            model.fuse(_encoded(model, condition.corruption, inputs, damaged, encoded)).prediction
        )


def _encoded(
    model: FusionModel, corruption: Corruption, inputs: Inputs, damaged: Inputs, encoded: Inputs
) -> Inputs:
    """The damaged inputs encoded, from the clean ones as far as may be."""
    if corruption.whole:
        return {
            name: encoded[name].keep(damaged[name].present.unsqueeze(1)) if name in damaged else x
            for name, x in encoded.items()
        }
    changed = {name: x for name, x in damaged.items() if x is not inputs[name]}
    return {**encoded, **model.encode(changed, partly=True)}
