"""Training with Lightning."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import pandas as pd
from lightning.pytorch.callbacks import Callback, EarlyStopping
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from torch import Tensor

from affect import metrics
from affect.data.corpus import Corpus
from affect.data.targets import Target, to_json
from affect.files import scratch
from affect.model import FusionModel
from affect.naming import slug
from affect.objectives import Objective, class_weights, objective_for
from affect.objectives.terms import TermFactory
from affect.seeding import seeded
from affect.training.arguments import check_around, check_fit, check_terms, made_learner, prepared
from affect.training.checkpoints import (
    LAST,
    BestCheckpoint,
    WholeCheckpoints,
    naming_disk,
    newest_whole,
    read_whole,
)
from affect.training.demand import affordable, askable, check_demand
from affect.training.evaluation import EVALUATED, evaluate
from affect.training.facts import corpus_facts, facts_of
from affect.training.learner import MONITOR, Learner
from affect.training.loaders import loaders
from affect.training.machine import float32_after, make_trainer, strategy_of
from affect.training.options import Progress, Training
from affect.training.processes import DeviceProcesses, HistoryFile, one_line
from affect.training.progress import EpochProgress, heard
from affect.training.quietness import quiet
from affect.training.resuming import check_resumed
from affect.training.run import Run
from affect.training.stages import (
    FINISHED,
    STAGES,
    Finished,
    Stage,
    auxiliary_of,
    check_labelled,
    check_stage_corpus,
    check_stages,
    frozen,
)
from affect.training.start import start_from
from affect.training.terms import Terms, joined, made_terms
from affect.training.watching import CorpusWatch
from affect.workers.crashes import traced_as

ObjectiveFactory: TypeAlias = Callable[[Target], Objective]
"""An Objective class, or a partial of one: whatever makes an objective for a target."""

LearnerFactory: TypeAlias = Callable[..., Learner]
"""`Learner`, a class derived from it, or a partial of one."""


@metrics.measuring_monitor
def fit(
    model: FusionModel,
    corpus: Corpus,
    seed: int = 0,
    *,
    training: Training | None = None,
    objective: ObjectiveFactory | None = None,
    name: str = "",
    fold: int = 0,
    folder: str | Path | None = None,
    loggers: Iterable[Logger] = (),
    callbacks: Iterable[Callback] = (),
    teacher: FusionModel | None = None,
    learner: LearnerFactory = Learner,
    terms: Mapping[str, TermFactory | None] | None = None,
    stages: Iterable[Stage] = (),
    init: FusionModel | Mapping[str, Tensor] | None = None,
    progress: Progress = False,
) -> Run:
    """Train on the split `train`, choose the epoch on `valid`, then measure `valid` and `test`.

    Training is given the corpus without its test split, which `evaluate` alone is handed, afterwards. The
    same seed gives the same run, also when it was interrupted and resumed.

    On several devices (`Training.devices`) each has its own rows of every batch, and the loss is the mean
    over the whole batch: two devices with 16 samples each learn, but for dropout and rounding, what one
    learns with 32. Their processes are started anew: that takes some seconds, each has a copy of the corpus,
    and a script needs `if __name__ == "__main__":`. Users' modules and the metrics in use are there too.
    Callbacks run in the processes of the devices, and what they change is lost with them; a function
    `progress` is called in this process. What is measured at the end is measured once, in this process.

    Args:
        model: is trained in place.
        corpus: has the splits `train` and `valid`; a search hands over a corpus without `test`.
        seed: of the order of samples and of dropout. The initial weights are the model's own.
        training: how to train.
        objective: an Objective class or a partial of one; the plain one for the kind of target by default.
        name: the model's name in the results; its fusion's class by default.
        fold: as it stands in the results.
        folder: where checkpoints and logs go; a training that finds its own checkpoint there, of the best
            epoch so far, goes on from it, also to more epochs where its rate does not depend on how many
            there are. What it had learned since is learned again, and is the same.
        loggers: any Lightning loggers, beside the CSV and TensorBoard logs that a folder gets.
        callbacks: any Lightning callbacks, beside the checkpoints and early stopping; `history` of the module
            that they are handed has a row per epoch.
        teacher: a trained model of the same target, with any modalities of the corpus, to learn from too.
        learner: a class derived from `affect.training.Learner`, or a partial of one; its docstring says what
            to write.
        terms: what is learned beside the label, by name: classes of `affect.objectives.terms`, or partials of
            them. None in the place of one switches off what an option of `training` asks for.
        stages: parts of the training, one after the other, each with options and terms of its own
            (`affect.training.Stage`); the last one is measured. Without any there is one stage. A training
            that was interrupted goes on within the stage that it was in.
        init: a model, the `state_dict` of one, or a Run, whose weights to begin with: those that fit by name
            and shape, statistics of scaler and head included; the others are named in a warning.
        progress: show a bar on standard error, where that is a terminal: epochs, the monitored value, its
            best, time left. Or a function that is called after every epoch (`affect.training.Progress`).

    Raises:
        ConfigError: an argument is of another kind; there is no validation split to choose the epoch on; the
            corruption uses the values of word indices; the teacher is for another target; the class weights
            are for other classes; nothing of `init` fits; the folder holds another training's
            checkpoint; the processes of several devices cannot be started, or cannot be sent what they need.
        DataError: the files that the corpus was read from changed meanwhile.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus, fusion=affect.fusion.TensorFusion)
        >>> run = affect.fit(model, corpus, training=Training(epochs=2))
        >>> sorted(run.results["split"].unique())
        ['test', 'valid']
    """
    check_fit(model, corpus, seed, training, objective, teacher, learner)
    loggers, callbacks = check_around(name, fold, folder, loggers, callbacks, progress)
    every = check_stages(stages)
    check_terms(terms)
    asked, make = training or Training(), objective or objective_for(model.head.target)
    apart = {name: one for stage in every for name, one in stage.corpora.items()}
    for stage in every:
        check_stage_corpus(stage, corpus, model)
    auxiliaries = [auxiliary_of(stage, corpus, model) for stage in every]
    if init is not None:
        start_from(model, init)
    history: list[dict[str, float]] = []  # of all stages; epochs are counted on
    names: list[str] = []
    learned: Learned | None = None
    beside = Terms({})  # of all stages
    targets = {name: one for used in (*apart.values(), corpus) for name, one in used.targets.items()}
    for place, stage in enumerate(every):
        last = place == len(every) - 1
        below = [] if last else [STAGES, f"{place}-{slug(stage.name)}"]
        within = None if folder is None else Path(folder, *below)
        with frozen(model, stage.frozen, f"stages: {stage.name}"):
            learned = learn(
                model,
                stage.corpus or (corpus if last else corpus.without("test")),
                seed,
                training=stage.training or asked,
                objective=make,
                terms=joined(terms or {}, stage.terms),
                auxiliary=auxiliaries[place],
                supervised=stage.supervised,
                before=beside,
                name=name,
                stage=stage.name if len(every) > 1 else "",
                folder=within,
                finished=not last,
                loggers=loggers,
                callbacks=callbacks,
                teacher=teacher,
                learner=learner,
                progress=progress,
            )
        beside = beside.joined_by(learned.learner.terms)
        rows = learned.learner.history
        learned.learner.terms.tell_idle(rows, learned.learner.options.batch_size)
        done = len(history)
        if len(every) > 1:
            rows = [{**row, "epoch": row["epoch"] + done} for row in rows]
        history += rows
        names += [stage.name] * len(rows)
    assert learned is not None
    run = measured(learned.learner, corpus, done + learned.best_epoch, name, fold)
    for used in (corpus, *apart.values()):
        if used.files is not None:
            used.files.check()
    own: dict[str, Any] = {
        "objective": make,
        "learner": None if learner is Learner else learner,
        "terms": dict(terms or {}),
    }
    given = [key for key, one in (("teacher", teacher), ("init", init)) if one is not None]
    read = {one: to_json(targets[one]) for one in beside.targets}
    if len(every) > 1:
        own["stages"] = every
    return replace(
        run,
        history=pd.DataFrame(history).assign(**({"stage": names} if len(every) > 1 else {})),
        terms=beside.eval(),
        asked={**run.asked, "training": asked, **own},
        facts={
            **run.facts,
            **({"given": given} if given else {}),
            **({"stage_corpora": {key: corpus_facts(one) for key, one in apart.items()}} if apart else {}),
            **({"learned_rows": {key: term.rows for key, term in beside.items()}} if beside else {}),
            **({"learned_targets": read} if read else {}),
        },
    )


class Learned(NamedTuple):
    """What has come of a stage."""

    learner: Learner
    best_epoch: int


def learn(
    model: FusionModel,
    corpus: Corpus,
    seed: int,
    *,
    training: Training,
    objective: ObjectiveFactory,
    terms: Mapping[str, TermFactory | None],
    auxiliary: Corpus | None,
    supervised: float,
    before: Terms,
    name: str,
    stage: str,
    folder: Path | None,
    finished: bool,
    loggers: list[Logger],
    callbacks: list[Callback],
    teacher: FusionModel | None,
    learner: LearnerFactory,
    progress: Progress,
) -> Learned:
    """Train a model for a stage; it has the weights of its best epoch afterwards.

    Args:
        model: is trained in place; and the others are named as in `fit`, but for these.
        corpus: the same.
        seed: the same.
        training: the same.
        objective: the same.
        terms: the same.
        auxiliary: the corpus that they alone see.
        supervised: weight of the objective.
        before: the terms of earlier stages, from which those of the same names and sizes go on.
        name: of the model, for the progress.
        stage: its name, for the progress and for messages; empty where it is the only one.
        folder: the same.
        finished: whether the folder says when the stage is over, so that it is not learned again.
        loggers: the same.
        callbacks: the same.
        teacher: the same.
        learner: the same.
        progress: the same.
    Raises:
        ConfigError: as `fit` says.
    """
    target, asked = model.head.target, training
    development, training = prepared(model, corpus, asked, teacher)
    if supervised:
        check_labelled(development, target.name)
    else:
        training = replace(training, monitor="loss")  # the terms'
    weights = None
    if training.class_weights is not None:
        weights = class_weights(target, development["train"].labels(target.name), training.class_weights)
    train = development["train"]
    with seeded(seed):
        beside_label = made_terms(
            model, train.ids, terms, training, teacher, supervised, corpus.targets, auxiliary is not None
        )
    beside_label.go_on_from(before)
    learning = made_learner(learner, model, objective(target), training, seed, teacher, weights, beside_label)
    learning.label_weight, learning.last_stage = supervised, not finished
    if folder is not None:
        check_resumed(
            folder / "checkpoints", model, development, seed,
            training=replace(asked, monitor=training.monitor), objective=objective, learner=learner,
            teacher=teacher,
            terms=[terms, supervised, beside_label.state_dict()] if terms or supervised != 1 else None,
            auxiliary=auxiliary,
        )  # fmt: skip
    beside_label.fit(model, train)
    told = target.name if target.name in train.targets else None
    with ExitStack() as stack:
        beside = stack.enter_context(scratch(folder and folder / "checkpoints"))
        for around in (seeded(seed), quiet(), one_line()):
            stack.enter_context(around)
        root = folder or beside
        stack.enter_context(naming_disk(root))
        checkpoint = BestCheckpoint(  # the best epoch's, from which an interrupted training goes on
            root / "checkpoints", Path(LAST).stem, monitor=MONITOR, mode=learning.mode,
            save_weights_only=folder is None, enable_version_counter=False,
        )  # fmt: skip
        stopping = EarlyStopping(MONITOR, patience=training.patience, mode=learning.mode)
        logs = list(loggers)
        if folder is not None:
            logs += [CSVLogger(root, name="", version="log"), TensorBoardLogger(root, name="", version="log")]
        tell = None if isinstance(progress, bool) else progress
        if tell is not None and isinstance(strategy_of(training), DeviceProcesses):
            tell = stack.enter_context(heard(beside / "epochs", tell))
        shown = f"{name} {stage}".strip() or type(model.fusion).__name__
        bar = [EpochProgress(shown, tell)] if progress else []
        back = HistoryFile(beside / "history.json")
        around_epochs = [checkpoint, stopping, back, CorpusWatch(corpus.files), *bar, *callbacks]
        trainer = make_trainer(training, around_epochs, logs, WholeCheckpoints(kept=folder is not None))
        devices = trainer.world_size
        room_on = trainer.strategy.root_device
        shares = devices if room_on.type == "cpu" else 1  # their models and batches lie in one memory
        asked_for_room = askable(room_on, trains_here=trainer.strategy.launcher is None)
        batch = training.batch_size * (1 if auxiliary is None else 2)
        check_demand("fit", model, development["train"], batch, asked_for_room, shares)
        evaluated = affordable("fit", model, development["valid"], EVALUATED, asked_for_room, shares)
        over = Finished(root / "checkpoints" / FINISHED, training.epochs)
        with float32_after(model, training.precision):
            if not (finished and over.read_into(learning)):
                model.train()
                traced_as(f"learning from {corpus.source.get('corpus', corpus.name)}", trainer.fit)(
                    learning,
                    *loaders(
                        development, told, beside_label, supervised, training, seed, devices, evaluated,
                        every=bool(beside_label) or learner is not Learner, auxiliary=auxiliary,
                    ),
                    ckpt_path=None
                    if folder is None
                    else newest_whole(root / "checkpoints", learning.state_dict(), stage),
                    weights_only=True,
                )  # fmt: skip
                back.read_into(learning)
                if finished and folder is not None:
                    over.write(learning)
            best = read_whole(root / "checkpoints" / LAST)
            learning.load_state_dict(best["state_dict"])
    return Learned(learning, int(best["epoch"]))


def measured(learner: Learner, corpus: Corpus, best_epoch: int, name: str, fold: int = 0) -> Run:
    """What has come of a training, whose model has the weights of its best epoch again.

    Args:
        learner: after its training.
        corpus: whose splits `valid` and `test` are measured.
        best_epoch: that it has the weights of.
        name: the model's in the results.
        fold: as it stands in the results.
    """
    model = learner.model.cpu().eval()
    found = [
        evaluate(model, corpus, split, name=name, seed=learner.seed, fold=fold)
        for split in ("valid", "test")
        if split in corpus.splits
    ]
    results, predictions = (pd.concat(parts, ignore_index=True) for parts in zip(*found, strict=True))
    return Run(
        model=model,
        results=results,
        predictions=predictions,
        history=pd.DataFrame(learner.history),
        best_epoch=best_epoch,
        monitor=learner.options.monitor,
        seconds=learner.seconds,
        asked={
            "corpus": corpus.name,
            **corpus.source,
            "target": model.head.target.name,
            "model": model.spec,
            "seeds": [learner.seed],
        },
        facts=facts_of(
            corpus,
            model.head.target,
            model.encoders,
            name=name or type(model.fusion).__name__,
            seed=learner.seed,
            fold=fold,
            scaled=model.scaler.dims if model.scaler else (),
        ),
    )
