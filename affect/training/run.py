"""What comes of a training."""

from __future__ import annotations

import logging
import shutil
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from affect.classes import Modules, kept, modules_in, modules_of
from affect.classes.plain import classes_of, named
from affect.classes.strangers import strange
from affect.classes.trust import mark_trusted
from affect.data.checks import check_corpus
from affect.data.contents import corpus_digest
from affect.data.corpus import Corpus, Split
from affect.data.corpus_files import file_digest
from affect.errors import ConfigError, described, did_you_mean, path_in
from affect.files import fresh, put_in_place, real, settle
from affect.heads import Head, head_for
from affect.model import FusionModel
from affect.training.environment import environment
from affect.training.evaluation import predict
from affect.training.facts import learning_facts
from affect.training.matching import matched, sub_words_of
from affect.training.saving import (
    CONFIG,
    DONE,
    TABLES,
    check_folder,
    check_spec,
    content_of,
    keep_others,
    write_run,
)
from affect.training.stages import OWN, name_of
from affect.training.terms import Terms

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """A trained model and what was measured on it.

    Args:
        model: with the weights of the best epoch on the validation split.
        results: tidy rows, one per split and metric.
        predictions: one row per label of the validation and test splits.
        history: one row per epoch: `seconds` since training began, `epoch_seconds` of training in this epoch,
            and what was measured on the validation split.
        best_epoch: the epoch that was kept, from 0; chosen by `monitor` on the validation split.
        monitor: what chose it.
        seconds: of training.
        asked: fields of the configuration that says the same, as objects.
        facts: of the corpus and of the model's sizes, as `run.json` keeps them.
        modules: those of the user's own that a run brought along; None of one that was trained here.
        terms: what was learned beside the label, by name, as it was in the best epoch; of a run that was
            loaded, those that its configuration names.
    """

    model: FusionModel
    results: pd.DataFrame
    predictions: pd.DataFrame
    history: pd.DataFrame
    best_epoch: int
    monitor: str
    seconds: float
    asked: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    modules: Modules | None = None
    terms: Terms = field(default_factory=lambda: Terms({}))

    def __repr__(self) -> str:
        name, corpus = self.facts.get("name", ""), self.facts.get("corpus", {}).get("name", "")
        own = name or type(self.model.fusion).__name__
        text = f"Run({own}{f' on {corpus}' if corpus else ''}, seed {self.facts.get('seed', 0)}: "
        text += f"epoch {self.best_epoch} of {len(self.history)}, by {self.monitor}"
        for split in self.results["split"].unique() if len(self.results) else ():
            rows = self.results[self.results["split"] == split]
            scores = zip(rows["metric"], rows["value"], strict=True)
            text += f"\n  {split}: " + ", ".join(f"{metric} {value:.3f}" for metric, value in scores)
        return text + ")"

    def predict(self, corpus: Corpus | Split, split: str = "test") -> pd.DataFrame:
        """What the model says of samples; columns as in `affect.training.predict`. They need no labels.

        Args:
            corpus: with features by the same names, columns and extractors as what was learned from; a
                modality that it does not have at all is absent from every sample, and a warning says so. Or
                a split of such a corpus, which is trusted to have the features.
            split: which one of the corpus.
        Raises:
            ConfigError: it is no corpus, has no such split, none of the modalities, or other features, or is
                not aligned as it must be.
        Example:
            >>> corpus = affect.load("synthetic")
            >>> model = affect.FusionModel.for_corpus(corpus)
            >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1))
            >>> len(run.predict(corpus)), len(run.predict(corpus["valid"].take([0, 1])))
            (400, 2)
        """
        if isinstance(corpus, Split):
            rows = corpus
            sizes = {name: self.model.encoders[name].in_dim for name in self.model.modalities}
            for name, dim in sizes.items():
                if name not in rows.modalities:
                    raise ConfigError(
                        f"run.predict: no modality '{name}'; {did_you_mean(name, rows.modalities)}"
                    )
                if rows.modalities[name].dim != dim:
                    got = rows.modalities[name].dim
                    raise ConfigError(f"run.predict: {name} needs feature size {dim}, got {got}")
        else:
            check_corpus("run.predict", corpus)
            rows = self._matched(corpus)[split]
        if self.model.needs_alignment and not rows.aligned:
            raise ConfigError("run.predict: the model needs aligned sequences, and the corpus is not aligned")
        return predict(self.model, rows)

    def save(self, folder: str | Path) -> Path:
        """Keep the run in a folder, from which `affect.load_run` and the command line read it.

        The parts of the model are named by their classes. Modules of your own that these are in are copied
        with it, and so are all local modules that they import; they are executed later without `trust`.

        `affect train FOLDER/config.yaml` does the same training again where the corpus is what `affect.load`
        returned. A teacher, or weights to begin with, that were given as objects have no place in it:
        `run.json` says under `given` that there were some, and so does a log line.

        Args:
            folder: is made; a run that is there is replaced when the new one is whole, its sweeps too.

        Returns:
            the folder.

        Raises:
            ConfigError: the folder holds something else; the model was built with `FusionModel(...)`
                itself, or was changed after it was made; a class is defined in a notebook or in a function.
        Example:
            >>> corpus = affect.load("synthetic")
            >>> model = affect.FusionModel.for_corpus(corpus)
            >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1))
            >>> again = affect.load_run(run.save(getfixture("tmp_path") / "run"))
            >>> bool((again.predict(corpus) == run.predict(corpus)).all(axis=None))
            True
        """
        given = path_in("run.save", folder)
        folder = real(given)
        check_folder(given)
        if not isinstance(self.model.head, Head):
            raise ConfigError(
                "run.save: the model was changed after it was made: its head is "
                f"{described(self.model.head)}; name a Head in affect.FusionModel.for_corpus"
            )
        content = self._content()
        check_spec(self.model, self.facts["shape"])
        modules = self.modules
        if modules is None:
            modules = modules_of(classes_of(self.asked)).joined(modules_in(content))
        tables = {name: getattr(self, name) for name in TABLES}
        settle(folder, DONE)
        shutil.rmtree(fresh(folder), ignore_errors=True)
        facts = {**self._facts(content), "modules": kept(modules, fresh(folder))}
        write_run(fresh(folder), content, tables, facts, self.model, self.terms)
        keep_others(folder, fresh(folder))
        put_in_place(folder)
        if self.modules is None:
            mark_trusted(modules, strange(content, modules))
        if objects := self.facts.get("given"):
            logger.warning(
                "%s: %s was given as an object, which %s cannot name; trained again, it is left out",
                folder,
                " and ".join(objects),
                CONFIG,
            )
        return Path(given)

    def _content(self) -> dict[str, Any]:
        """The plain values of the configuration that says the same, in full."""
        content = content_of(self.asked)
        if "ran_on" in self.facts:
            return content
        if content["model"].get("head") is None:
            content["model"]["head"] = named(head_for(self.model.head.target), {})
        if content["model"].get("modalities") is None:
            content["model"]["modalities"] = [*self.model.modalities]  # the corpus may have had others too
        none: dict[str, Any] = dict.fromkeys(("teacher", "init", "learner"))
        return {**none, "terms": {}, "loggers": [], "folds": 0, "metrics": [], **content}

    def _facts(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """What `run.json` says; that of a run that was loaded stays as it was."""
        if "ran_on" in self.facts:
            return dict(self.facts)
        epochs = (
            {"epoch_seconds": statistics.median(self.history["epoch_seconds"])} if len(self.history) else {}
        )
        costs = {"parameters": sum(p.numel() for p in self.model.parameters()), **epochs}
        corpus = dict(self.facts["corpus"])
        if "reader" in self.asked:  # it is from there, and how is known
            corpus |= _held(content["corpus"])
        apart = {
            name_of(own["name"], key): own[key]
            for own in content.get("stages", ())
            for key in OWN
            if key in own
        }
        stages = {key: {**self.facts["stage_corpora"][key], **_held(path)} for key, path in apart.items()}
        return {
            **self.facts,
            "corpus": corpus,
            **({"stage_corpora": stages} if stages else {}),
            **learning_facts(self.best_epoch, self.monitor, self.seconds, costs),
            "ran_on": environment(content["training"]["accelerator"]),
        }

    def _matched(self, corpus: Corpus) -> Corpus:
        return matched(
            corpus,
            self.facts["shape"],
            run="run.predict",
            source=corpus.name,
            where="run.predict",
            training_only=self.model.training_only,
            sub_words=sub_words_of(self.model),
        )


def _held(corpus: str) -> dict[str, str | None]:
    """What a corpus holds now: its file's digest, and its content's."""
    return {"sha256": file_digest(Path(corpus)), "content": corpus_digest(corpus)}
