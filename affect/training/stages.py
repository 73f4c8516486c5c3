"""The stages of a training: what is learned first, and what then."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from affect.bounds import NOT_NEGATIVE
from affect.data.checks import check_corpus
from affect.data.corpus import Corpus
from affect.errors import ConfigError, DataError, described, did_you_mean, listed
from affect.manifest import read_facts, write_facts
from affect.model import FusionModel
from affect.objectives.terms import TermFactory
from affect.training.matching import check_features, shape_of, sub_words_of, with_features
from affect.training.options import Training
from affect.training.terms import joined

if TYPE_CHECKING:
    from affect.training.learner import Learner

logger = logging.getLogger(__name__)


OWN = ("corpus", "auxiliary")
"""What a stage calls corpora of its own."""
STAGES, FINISHED = "stages", "finished.json"
"""The folder of all stages but the last, within that of a training, and what lies beside the checkpoint of
one that is over."""


@dataclass(frozen=True, eq=False)
class Stage:
    """A part of a training, with options and terms of its own; weights are handed on from one to the next.

    Args:
        name: what it is called in the history and in messages.
        training: how it is trained; by default as the whole is.
        terms: what is learned beside the label, beside the terms of all stages; None in the place of one
            switches it off here. A term goes on from what one of the same name and sizes has learned before.
        supervised: weight of the objective. At 0 no label is learned from, and the epoch is chosen by the
            terms on the validation split, without damage that changes; a linear probe says beside it how well
            the fused vector predicts the label.
        frozen: modules of the model that do not learn, such as `encoders.text`.
        corpus: another corpus to learn from, of the same modalities.
        auxiliary: another corpus that terms alone see (`Seen.auxiliary`), a batch of it beside each batch;
            its labels are not learned. A modality that it does not have is absent. There is none beside the
            validation split: where `supervised` is 0 another term has to choose the epoch.
    Raises:
        ConfigError: a value is of another kind, or out of its range.
    Example:
        >>> pairs = Stage("pairs", supervised=0, terms={"bind": affect.objectives.terms.Contrast})
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus)
        >>> run = affect.fit(model, corpus, training=Training(epochs=2), stages=[pairs, Stage("labels")])
        >>> run.history[["stage", "epoch"]].values.tolist()
        [['pairs', 0], ['pairs', 1], ['labels', 2], ['labels', 3]]
    """

    name: str = ""
    training: Training | None = None
    terms: Mapping[str, TermFactory | None] = field(default_factory=dict)
    supervised: float = 1.0
    frozen: Iterable[str] = ()
    corpus: Corpus | None = None
    auxiliary: Corpus | None = None

    def __post_init__(self) -> None:
        where = f"stages: {self.name}" if self.name else "stages"
        if not isinstance(self.name, str):
            raise ConfigError(f"stages: name: expected a text, got {described(self.name)}")
        if self.training is not None and not isinstance(self.training, Training):
            raise ConfigError(f"{where}: training: expected a Training, got {described(self.training)}")
        if not isinstance(self.terms, Mapping):
            raise ConfigError(f"{where}: terms: expected a Term class by name, got {described(self.terms)}")
        NOT_NEGATIVE.check(f"{where}: supervised", self.supervised)
        object.__setattr__(self, "frozen", tuple(listed(f"{where}: frozen", self.frozen)))
        for key, one in (("corpus", self.corpus), ("auxiliary", self.auxiliary)):
            if one is not None:
                check_corpus(f"{where}: {key}", one)

    @property
    def corpora(self) -> dict[str, Corpus]:
        """Those of its own, by its name, and `auxiliary` behind it."""
        found = {name_of(self.name, key): getattr(self, key) for key in OWN}
        return {name: one for name, one in found.items() if one is not None}


def name_of(stage: str, key: str) -> str:
    """What a corpus of a stage's own is called where there are those of all stages.

    Example:
        >>> [name_of("labels", key) for key in OWN]
        ['labels', 'labels: auxiliary']
    """
    return stage if key == "corpus" else f"{stage}: {key}"


def check_stages(stages: Iterable[Stage]) -> list[Stage]:
    """A training's stages: one of no name where none are given.

    Args:
        stages: what `fit` was given.
    Raises:
        ConfigError: they are none; two have one name; the last learns from no label, or from another corpus.
    Example:
        >>> check_stages([Stage("a"), Stage("a")])
        Traceback (most recent call last):
        affect.errors.ConfigError: fit: stages: two are called 'a'; give each a name of its own
    """
    if isinstance(stages, Stage) or not isinstance(stages, Iterable):
        raise ConfigError(f"fit: stages: expected a list of affect.training.Stage, got {described(stages)}")
    found = list(stages)
    if not found:
        return [Stage()]
    names = [one.name if isinstance(one, Stage) else one for one in found]
    for place, one in enumerate(found):
        if not isinstance(one, Stage):
            raise ConfigError(
                f"fit: stages: expected affect.training.Stage, got {described(one)} in the list"
            )
        if names.count(one.name) > 1:
            raise ConfigError(f"fit: stages: two are called '{one.name}'; give each a name of its own")
        if place == len(found) - 1 and (not one.supervised or one.corpus is not None):
            raise ConfigError(
                f"fit: stages: the last, '{one.name}', has to learn the label of the corpus itself, which is "
                "what is measured: not with supervised: 0, nor from another corpus; put it before another"
            )
    return found


def terms_of(
    whole: Mapping[str, TermFactory | None], stages: Iterable[Stage]
) -> dict[str, TermFactory | None]:
    """The terms of all stages by name; of those of one name, the last.

    Args:
        whole: what is learned beside the label in all of them.
        stages: of a training; none for one.
    Example:
        >>> list(terms_of({}, [Stage("a", terms={"bind": affect.objectives.terms.Contrast}), Stage("b")]))
        ['bind']
    """
    found = dict(whole)
    for stage in stages:
        found |= {name: one for name, one in joined(whole, stage.terms).items() if one is not None}
    return found


def check_labelled(corpus: Corpus, target: str) -> None:
    """Refuse a training split without a label.

    Args:
        corpus: has the split `train`.
        target: whose labels are to be learned.
    Raises:
        ConfigError: there is none.
    Example:
        >>> check_labelled(affect.load("synthetic"), "sentiment")
    """
    if not len(corpus["train"].labels(target)):
        raise ConfigError(
            f"{corpus.name}: no sample of the split 'train' has a label of '{target}' to learn from; a stage "
            "with supervised: 0 learns from none"
        )


def check_stage_corpus(stage: Stage, corpus: Corpus, model: FusionModel) -> None:
    """Refuse a corpus of a stage's own whose features or labels are not those of the whole.

    Args:
        stage: whose corpus; one without is that of the whole.
        corpus: of the whole.
        model: is to be trained.
    Raises:
        ConfigError: a modality is not there, or has another size, columns or extractor; it is not aligned as
            the model needs; the target is another one, where it is learned from.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> other = Stage("pairs", corpus=affect.load("synthetic:mosi_unaligned:24"))
        >>> check_stage_corpus(other, corpus, affect.FusionModel.for_corpus(corpus))
        Traceback (most recent call last):
        affect.errors.ConfigError: stages: pairs: corpus: text of synthetic:mosi_unaligned:24 has feature size
        768, and that of synthetic:interaction has 8; choose a corpus of the same features
    """
    own = stage.corpus
    if own is None:
        return
    where, shape = f"stages: {stage.name}: corpus", shape_of(corpus, model.encoders)
    for name, size in shape["dims"].items():
        if name not in own.dims:
            raise ConfigError(
                f"{where}: {own.name} has no {name}, which the model reads; it has {', '.join(own.dims)}"
            )
        if own.dims[name] != size:
            raise ConfigError(
                f"{where}: {name} of {own.name} has feature size {own.dims[name]}, and that of {corpus.name} "
                f"has {size}; choose a corpus of the same features"
            )
        message = f"{where}: {name} of {own.name} is not that of {corpus.name}"
        check_features(own, name, shape, message=message, where=where)
    if model.needs_alignment and not own.aligned:
        raise ConfigError(f"{where}: the model needs aligned sequences, and {own.name} is not aligned")
    target = model.head.target
    if stage.supervised and own.targets.get(target.name) != target:
        raise ConfigError(
            f"{where}: {own.name} has not the target {target}, which the stage learns; it has "
            f"{', '.join(map(str, own.targets.values())) or 'none'}; with supervised: 0 it needs none"
        )


def auxiliary_of(stage: Stage, corpus: Corpus, model: FusionModel) -> Corpus | None:
    """The corpus that a stage's terms alone see, as the model reads it, without its test split.

    Args:
        stage: whose.
        corpus: of the whole.
        model: is to be trained.
    Raises:
        ConfigError: it has none of the modalities, or another size, columns or extractor of one; it is not
            aligned as the model needs; there is no split to learn from.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> stage = Stage("both", auxiliary=affect.load("synthetic:additive"))
        >>> auxiliary_of(stage, corpus, affect.FusionModel.for_corpus(corpus)).dims == corpus.dims
        True
    """
    own = stage.auxiliary
    if own is None:
        return None
    where = f"stages: {stage.name}: auxiliary: {own.name}"
    if "train" not in own.splits:
        raise ConfigError(f"{where}: no split 'train', only {', '.join(own.splits)}")
    if model.needs_alignment and not own.aligned:
        raise ConfigError(f"{where}: the model needs aligned sequences, and it is not aligned")
    return with_features(
        own.without("test"),
        shape_of(corpus, model.encoders),
        list(model.encoders),
        run="the model",
        source=where,
        where=corpus.name,
        sub_words=sub_words_of(model),
    )


@contextmanager
def frozen(model: FusionModel, names: Iterable[str], where: str = "stages") -> Iterator[None]:
    """Within the block, some modules of a model do not learn.

    Args:
        model: whose modules.
        names: of them, as `named_modules` has them.
        where: begins the message.
    Raises:
        ConfigError: there is no such module.
    Example:
        >>> model = FusionModel.for_corpus(affect.load("synthetic"))
        >>> with frozen(model, ["encoders"]):
        ...     any(p.requires_grad for p in model.encoders.parameters())
        False
    """
    modules = dict(model.named_modules())
    for name in names:
        if not name or name not in modules:
            near = [known for known in modules if known and known.count(".") < 2]
            raise ConfigError(f"{where}: frozen: no module '{name}'; {did_you_mean(name, near)}")
    held = [p for name in names for p in modules[name].parameters() if p.requires_grad]
    for parameter in held:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in held:
            parameter.requires_grad_(True)


class Finished:
    """The word beside a checkpoint that a stage is over, with its history.

    Args:
        path: of the file.
        epochs: of the stage, at most; of another number it was not.
    Example:
        >>> Finished(getfixture("tmp_path") / "finished.json", 3).path.name
        'finished.json'
    """

    def __init__(self, path: Path, epochs: int) -> None:
        self.path, self.epochs = path, epochs

    def read_into(self, learner: Learner) -> bool:
        """Whether it is over; the learner then has its history."""
        if not self.path.is_file():
            return False
        try:
            known = read_facts(self.path, "it says that a stage is over")
        except DataError as error:
            logger.warning("%s; the stage goes on from its checkpoint", error)
            return False
        if known["epochs"] != self.epochs:
            return False
        learner.history, learner.seconds = known["history"], known["seconds"]
        logger.info("%s: the stage is over, and is not learned again", self.path.parent.parent)
        return True

    def write(self, learner: Learner) -> None:
        """Say that it is over."""
        facts = {"epochs": self.epochs, "history": learner.history, "seconds": learner.seconds}
        write_facts(self.path, facts, [])
