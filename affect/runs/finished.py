"""Runs that are done: what they hold, and what they say of new data."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pandas as pd

from affect.baselines import Baseline
from affect.classes import FOLDER, Home, Modules, within
from affect.classes.factories import made_by
from affect.classes.strangers import PACKAGES, not_brought, present, strange
from affect.classes.trust import digest_of, is_trusted
from affect.data import splitting, targets
from affect.data.contents import corpus_digest, is_generated, kept_digest
from affect.data.corpus import Corpus
from affect.data.sources import load as load_corpus
from affect.data.sources.options import model_path
from affect.data.targets import MultiLabel, Target
from affect.errors import ConfigError, DataError, check_flag, path_in
from affect.files import real
from affect.manifest import Manifest
from affect.metrics import Stored
from affect.model import FusionModel
from affect.objectives.terms import Term
from affect.runs.configuration import BaselineModel, Configuration, parse
from affect.runs.recorded import REMEDY, content_of_run, facts_of_run, manifest_of, table_of_run
from affect.runs.staged import renamed_corpora, with_corpora
from affect.scaling import Scaler
from affect.training.saving import CONFIG, DONE, TERMS, WEIGHTS
from affect.training.stages import terms_of
from affect.training.terms import Terms
from affect.training.weights import load_weights

logger = logging.getLogger(__name__)

OF_SEED = "{seed}"
"""What stands for a run's seed in the path of a corpus."""


@dataclass(frozen=True)
class FinishedRun:
    """A finished run.

    Args:
        folder: where it lies.
        facts: what its `run.json` says.
        trust: whether code that it brings along may be executed, though it is not known to be one's own.
    """

    folder: Path
    facts: dict[str, Any] = field(hash=False)
    trust: bool = False

    def __post_init__(self) -> None:
        check_flag("trust", self.trust)

    @classmethod
    def read(cls, folder: str | Path, *, trust: bool = False) -> FinishedRun:
        """The run in a folder; none of its code is executed before its model is asked for.

        Args:
            folder: of the run.
            trust: as in `FinishedRun`.
        Raises:
            DataError: the folder is not a finished run, or a file of it is gone, has another size, or says
                no run.
            ConfigError: it is no path; `trust` is neither True nor False.
        """
        check_flag("trust", trust)
        folder = path_in("a finished run", folder)
        if not (folder / DONE).is_file():
            raise DataError(f"{folder}: not a finished run; expected a folder that holds {DONE}")
        return cls(folder, facts_of_run(folder), trust)

    @property
    def name(self) -> str:
        """The model's name in tables."""
        return str(self.facts["name"])

    @property
    def seed(self) -> int:
        """What it drew from."""
        return int(self.facts["seed"])

    @property
    def fold(self) -> int:
        """Which fold was its test split."""
        return int(self.facts["fold"])

    @cached_property
    def manifest(self) -> Manifest:
        """Its files as they were written."""
        return manifest_of(self.folder, self.facts)

    @cached_property
    def target(self) -> Target:
        """What it predicts."""
        return targets.from_json(self.facts["shape"]["target"], str(self.folder / DONE))

    @cached_property
    def metrics(self) -> dict[str, Stored]:
        """The metrics of somebody's own that it was measured with, by their names in its results."""
        known = self.facts.get("metrics", {})
        found = {name: Stored(name, about, self.target) for name, about in known.items()}
        classes = self.target.classes if isinstance(self.target, MultiLabel) else ()
        return found | {f"{name}.{one}": metric for name, metric in found.items() for one in classes}

    @cached_property
    def content(self) -> dict[str, Any]:
        """The plain values of its configuration.

        Raises:
            DataError: the file was edited since it was written, or holds no configuration.
        """
        return content_of_run(self.manifest)

    @cached_property
    def configuration(self) -> Configuration:
        """What was asked for.

        Raises:
            ConfigError: it names code that may not be executed: of modules that the run brings along, or that
                is no part of affect, torch, optuna or lightning.
        """
        if self.home.refusal:
            raise ConfigError(self.home.refusal)
        return parse(self.content, str(self.folder / CONFIG), self.home)

    @cached_property
    def home(self) -> Home:
        """Where its classes are looked for first: among the modules that it brings along."""
        folder = real(self.folder) / FOLDER
        carried = Modules.read(folder)
        return Home((folder,), carried, "" if self.trust else self._refusal(carried))

    def _refusal(self, carried: Modules) -> str:
        """Why its code is not executed; empty where it is one's own, as the run was made with it."""
        known = (self.facts.get("modules") or {}).get("digest", "")
        others = strange(self.content, carried)
        own = is_trusted(digest_of(carried, others))
        if carried.files and not (own and carried.digest == known):
            why = "known to be yours" if carried.digest == known else "what the run was made with"
            named = ", ".join([*carried.files, *present(others)])
            reason = f"the run brings code that is not {why}: {named}; read it in {self.folder / FOLDER}"
        elif not own and (named := ", ".join(present(others))):
            packages = f"{', '.join(PACKAGES[:-1])} or {PACKAGES[-1]}"
            reason = f"{CONFIG} names {named}, no part of {packages}, nor known to be yours; see what it does"
        elif (found := not_brought(self.content, carried)) is not None:
            reason = f"{CONFIG} names {found[0]}, which the run does not bring along; see what {found[1]} is"
        else:
            return ""
        return f"{self.folder}: {reason}, then allow it with --trust (trust=True)"

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row per epoch; none where it has no epochs."""
        return self.table("history")

    def model(self) -> FusionModel:
        """Its model, in eval mode.

        Raises:
            DataError: the weights are gone, were changed, or are of another model.
            ConfigError: it is a baseline's run, which has no weights.
        """
        parts, shape = self.configuration.model, self.facts["shape"]
        if isinstance(parts, BaselineModel):
            raise ConfigError(
                f"{self.folder}: a baseline has no weights to load; affect.runs.predict fits it again"
            )
        if "scaled" not in shape:
            raise DataError(f"{self.folder / DONE}: shape.scaled: is missing; {REMEDY}")
        with within(self.home):
            model = parts.for_shape(shape["dims"], self.target, shape["aligned"])
        if shape["scaled"]:
            dims = {name: shape["dims"][name] for name in shape["scaled"]}
            model.scaler = Scaler(dims, parts.scaling, parts.nonfinite)
        load_weights(model, self.manifest.check(WEIGHTS), self.facts.get("frozen") or {})
        return model.eval()

    def terms(self, model: FusionModel) -> Terms:
        """What its configuration names to be learned beside the label: in the best epoch of its last stage.

        Args:
            model: of the run.
        Raises:
            DataError: what they learned is gone, was changed, or is of others.
        """
        rows = self.facts.get("learned_rows", {})
        known = self.facts.get("learned_targets", {})
        read = {name: targets.from_json(one, str(self.folder / DONE)) for name, one in known.items()}
        with within(self.home):
            made = {}
            for name, own in terms_of(self.configuration.terms, self.configuration.stages).items():
                if own is not None:
                    ids = ("",) * int(rows.get(name, 0))
                    made[name] = made_by(name, own, Term, model, ids, who="terms")
                    made[name].prepare(read)
            terms = Terms(made)
        if terms.state_dict():
            load_weights(terms, self.manifest.check(TERMS), {})
        return terms.eval()

    def table(self, name: str) -> pd.DataFrame:
        """One of its tables: results, predictions or history; empty where it has none.

        Args:
            name: of the table.
        Raises:
            DataError: the file was changed since it was written, or is no such table.
        """
        rows = table_of_run(self.manifest, name)
        if name == "results" and "target" not in rows and len(rows):  # of a release before it had one
            rows.insert(1, "target", self.target.name)
        return rows


def load_model(folder: str | Path, *, trust: bool = False) -> FusionModel:
    """The model of a finished run, in eval mode.

    Args:
        folder: of the run.
        trust: whether code that the run brings along may be executed, though it is not known to be one's own.
    Raises:
        DataError: the folder is not a finished run.
        ConfigError: the run is a baseline's, which has no weights; it brings code that is not trusted.
    """
    return FinishedRun.read(folder, trust=trust).model()


def say_corpus(run: FinishedRun, source: str) -> None:
    """A log line where a run meets another corpus than the one that it was made with.

    Args:
        run: the finished one.
        source: a file's whole path, or the name of a generated corpus.
    """
    known, now = kept_digest(run.facts["corpus"], run.content["corpus"]), corpus_digest(source)
    if known is None or now is None or known == now:
        return
    if source == run.content["corpus"]:
        logger.warning(
            "%s: the corpus %s has other content than when the run was made: SHA-256 %s then, %s now",
            run.folder, source, known[:8], now[:8],
        )  # fmt: skip
    else:
        logger.warning(
            "%s: not %s, which the run was made with: SHA-256 %s, and %s there",
            Path(source).name, Path(run.content["corpus"]).name, now[:8], known[:8],
        )  # fmt: skip


def prepare(configuration: Configuration, fold: int, root: Path) -> Corpus:
    """The corpus of a configuration, cut into the splits that training needs.

    Raises:
        ConfigError: it has no split to train on, or its test split was in the search of the configuration.
    """
    check_unseen(configuration, fold, root)
    corpus = load_corpus(
        corpus_path(configuration.corpus, root), **with_model_path(configuration.reading, root)
    )
    if configuration.folds:
        return splitting.fold(corpus, fold, configuration.folds, configuration.valid_share)
    if "train" not in corpus.splits:
        raise ConfigError(
            f"{corpus.name}: no split 'train', only {', '.join(corpus.splits)}; give `folds` to cut it"
        )
    return corpus if "valid" in corpus.splits else splitting.carve(corpus, configuration.valid_share)


def check_unseen(configuration: Configuration, fold: int, root: Path) -> None:
    """Refuse a run whose test split was in the search that chose its configuration (`Searched.check`)."""
    if configuration.searched is not None:
        configuration.searched.check(corpus_path(configuration.corpus, root), configuration.folds, fold)


def corpus_path(corpus: str, root: Path) -> str:
    """A generated corpus by its name; a file by its whole path."""
    return corpus if is_generated(corpus) else str(real(root / corpus))


def with_corpus_of_seed(content: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """A configuration's plain values with the corpus of one seed, where each has its own.

    Args:
        content: the values.
        seed: stands in the place of `{seed}`.
    Example:
        >>> with_corpus_of_seed({"corpus": "tuned-seed{seed}.safetensors"}, 3)
        {'corpus': 'tuned-seed3.safetensors'}
    """
    return {**content, "corpus": content["corpus"].replace(OF_SEED, str(seed))}


def with_model_path(content: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """The same values, the encoder of `tokens` by its whole path (`affect.data.sources.options.model_path`).

    Args:
        content: of a configuration, or how its corpus is to be read.
        root: the folder that what it names is relative to.
    Example:
        >>> with_model_path({"corpus": "synthetic", "tokens": None}, Path())["tokens"] is None
        True
    """
    if content.get("tokens") is None:
        return dict(content)
    return {**content, "tokens": model_path(content["tokens"], root)}


def read_stages(
    configuration: Configuration,
    fold: int,
    root: Path,
    checked: Callable[[str, str, Callable[[], Corpus]], Corpus] = lambda name, path, read: read(),
) -> Configuration:
    """The configuration with the corpora that its stages name, read and cut as its own.

    Args:
        configuration: as it was parsed.
        fold: which one the corpora are cut for.
        root: the folder that their paths are relative to.
        checked: reads one, from the name of the stage, the corpus's whole path, and what reads it.
    """

    def read(name: str, named: str) -> Corpus:
        own = replace(configuration, corpus=named, searched=None)
        return checked(name, corpus_path(named, root), partial(prepare, own, fold, root))

    return replace(configuration, stages=with_corpora(configuration.stages, read))


def with_absolute_paths(content: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """A configuration's plain values for use from any folder: what they name has its whole path.

    Args:
        content: the values.
        root: the folder that what they name is relative to.
    """
    runs = {key: content[key] for key in ("teacher", "init") if content.get(key) is not None}
    return {
        **with_model_path(content, root),
        "corpus": corpus_path(content["corpus"], root),
        **{key: str(real(root / run)) for key, run in runs.items()},
        **renamed_corpora(content, partial(corpus_path, root=root)),
    }


def fitted_baseline(
    parts: BaselineModel, configuration: Configuration, corpus: Corpus, seed: int
) -> Baseline:
    """The baseline of a configuration, fitted."""
    return parts.for_corpus(corpus, configuration.target).fit(
        corpus,
        seed,
        monitor=configuration.training.monitor,
        scaling=parts.scaling,
        nonfinite=parts.nonfinite,
    )
