"""What each verb does; a function's name is the verb's, and its docstring the help."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from affect.cli import checks
from affect.cli.flags import check_folder, once, reading_of
from affect.errors import ConfigError
from affect.spreadsheets import csv_of
from affect.terminal import say, say_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress

    from affect.data.corpus import Corpus
    from affect.report.lines import Lines
    from affect.runs import FinishedRun


def inspect(args: argparse.Namespace) -> None:
    """What a corpus holds, and what in it would spoil results."""
    from affect.console import TableConsole
    from affect.data.sources import load
    from affect.report.inspection import describe

    checks.check_interactions(args)
    console = TableConsole()
    reading = {**reading_of(args), "duplicates": "keep"}  # what they are is shown
    corpus = load(args.path, **reading)
    for part in describe(corpus, Path(args.path)):
        console.print(part)
    if args.interactions:
        for part in _interactions(args, corpus):
            console.print(part)


def _interactions(args: argparse.Namespace, corpus: Corpus) -> Iterator[Lines | str]:
    """What the modalities say about a target, or about a run's predictions, and what is known of errors."""
    from rich.markup import escape

    from affect.interactions import of_corpus
    from affect.report.interactions import BIASES, interaction_lines, write_interactions

    predictions = None
    if args.predictions is not None:
        from affect.runs import FinishedRun

        run = FinishedRun.read(args.predictions)
        predictions = run.table("predictions")
        args.about = args.about or run.target.name
    with _bar() as bar:
        task = bar.add_task("interactions", total=None)
        found = of_corpus(
            corpus, args.about, predictions=predictions, modalities=args.modalities, label=args.label,
            against="rest" if args.rest else "each",
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip
    yield interaction_lines(found)
    yield f"from {found[0].samples:,} samples of {found[0].groups:,} groups. {BIASES}"
    for note in dict.fromkeys(note for own in found for note in own.notes):
        yield f"[cyan]note:[/cyan] {escape(note)}"
    if args.out is not None:
        write_interactions(args.out, corpus.name, found)
        yield f"{escape(str(args.out))} written"


def convert(args: argparse.Namespace) -> None:
    """Any published format to the native file, or to what other software reads."""
    from affect.data.sources import load

    checks.check_converted(out := Path(args.out), args.to)
    corpus = load(args.path, **reading_of(args))
    if args.to == "native":
        from affect.data.native import save

        save(corpus, out)
    else:
        from affect.data.export import to_csd, to_mmsa

        {"mmsa": to_mmsa, "csd": to_csd}[args.to](corpus, out)
    say(f"{out} written")


def align(args: argparse.Namespace) -> None:
    """Computational sequences (.csd) to one corpus, in steps of the first: most often the words."""
    from affect.data.words import align as align_files

    reference, *others = (_named(given) for given in (args.reference, *args.sequences))
    with _bar() as bar:
        task = bar.add_task("videos", total=None)
        corpus = align_files(
            reference, others, args.out,
            labels=None if args.labels is None else Path(args.labels), aligned=not args.unaligned,
            collapse=args.collapse, tolerance=args.tolerance, incomplete=args.incomplete, jobs=args.jobs,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip
    counts = ", ".join(f"{name} {len(split):,}" for name, split in corpus.splits.items())
    say(*corpus.notes, f"{args.out}: {counts}")


def train(args: argparse.Namespace) -> None:
    """One model, one or more seeds, each a run folder."""
    from affect.runs import FinishedRun, check_jobs, due, jobs_of
    from affect.runs.reading import settings_said

    path = Path(args.config)
    checks.check_configuration(path, "train")
    jobs = jobs_of(path, args.out, args.seeds, corpus=args.corpus, tokens=args.tokens, trust=args.trust)
    say(*settings_said(path, args.corpus))
    checks.check_metrics(jobs, check_jobs(jobs, path), path)
    todo = due(jobs, args.again)
    for job in jobs:
        if job in todo:
            job.run(args.again, progress=True)
        rows = FinishedRun.read(job.folder).table("results").query("split == 'test'")
        figures = ", ".join(
            f"{metric} {value:.3f}" for metric, value in zip(rows["metric"], rows["value"], strict=True)
        )
        say(f"{job.folder}: test {figures}")


def bench(args: argparse.Namespace) -> None:
    """All models and seeds of an experiment, one table."""
    from affect.benchmark import bench as run_bench
    from affect.benchmark import settings_said
    from affect.report import show, summary_tables, write_pages

    checks.check_configuration(Path(args.experiment), "bench")
    say(*settings_said(args.experiment, args.models, args.corpus))
    out = check_folder(args.out or Path("results") / Path(args.experiment).stem)
    summary = run_bench(
        args.experiment, out, args.jobs, corpus=args.corpus, tokens=args.tokens, seeds=args.seeds,
        epochs=args.epochs, models=args.models, backend=args.backend, address=args.address,
        again=args.again, trust=args.trust,
    )  # fmt: skip
    show(summary_tables(summary))
    write_pages(out)
    files = {"report": "report.html", "results": "results.csv", "summary": "summary.csv", "runs": "runs"}
    say(*(f"{what + ':':8} {out / name}" for what, name in files.items()))
    if failed := int(summary.groupby(["target", "model"])["failed"].max().sum()):
        sys.exit(
            f"{failed} runs failed; {out / 'runs'}/*/*/failed.txt says why, "
            "and the same command tries them again"
        )


def tune(args: argparse.Namespace) -> None:
    """An Optuna search on the validation split; what it finds is trained anew, and tested once."""
    from affect import papers
    from affect.report import show, summary_tables, write_pages
    from affect.runs.reading import settings_said
    from affect.runs.studies import objectives
    from affect.tuning import task_of
    from affect.tuning import tune as search

    checks.check_configuration(Path(args.config), "tune")
    changes = {
        "corpus": args.corpus, "tokens": args.tokens, "epochs": args.epochs, "metric": args.metric,
        "seeds": args.seeds, "fresh": args.fresh, "fold": args.fold, "sampler": args.sampler,
        "pruner": args.pruner,
    }  # fmt: skip
    if args.show_space:
        sys.stdout.write(task_of(args.config, trust=args.trust, **changes).space.written())
        return
    out = check_folder(args.out or Path("results") / f"tune-{papers.file_name(args.config)}")
    say(*settings_said(args.config, args.corpus))
    found = search(
        args.config, out, trials=args.trials, timeout=args.timeout, storage=args.storage, resume=args.resume,
        workers=args.jobs, backend=args.backend, address=args.address, again=args.again, trust=args.trust,
        **changes,
    )  # fmt: skip
    write_pages(out)
    if not found.summary.empty:
        show(summary_tables(found.summary))
    names = objectives(found.study)
    for label, trial in found.chosen.items():
        values = ", ".join(f"{name} {value:.4g}" for name, value in zip(names, trial.values, strict=True))
        say(f"{label}: {values} on the validation split; affect train {found.files[label]}")
    say(f"report:  {out / 'report.html'}", f"trials:  {out / 'trials.csv'}")


def sweep(args: argparse.Namespace) -> None:
    """Finished runs under every condition of some protocols: what can go missing, noisy or out of step."""
    from affect import metrics
    from affect.report import show, summary_tables, write_robustness
    from affect.robustness.protocols import protocol
    from affect.robustness.runs import TABLE, runs_to_sweep, scores_of, sweep_runs

    grid = protocol(args.protocol, args.draws)
    checks.check_names(
        runs_to_sweep(args.run_folders), metric=args.metric, baseline=args.baseline, split=args.split,
        splits=("train",), lacking=args.lacking,
    )  # fmt: skip
    with _bar() as bar:
        task = bar.add_task("runs", total=None)
        compared = sweep_runs(
            args.run_folders, grid, args.out, split=args.split, lacking=args.lacking, workers=args.jobs,
            backend=args.backend, address=args.address, again=args.again, trust=args.trust,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip
    with metrics.using(*args.metric or ()):  # for the page too
        summary = scores_of(compared, args.metric or (), args.baseline)
        written = write_robustness(args.out, compared, summary)
    show(summary_tables(summary, turned=True))
    say(*map(str, [args.out / TABLE, *written]))


def retrieve(args: argparse.Namespace) -> None:
    """Search between the modalities of finished runs: recall of every pair and sum, ranks, and their gap."""
    from affect.report import show, write_retrieval
    from affect.retrieval.runs import TABLE, retrieve_runs, runs_to_search
    from affect.retrieval.tables import retrieval_tables

    runs = runs_to_search(args.run_folders, trust=args.trust)
    checks.check_names(runs, split=args.split, splits=("train",))
    if args.query is not None or args.labels is not None:
        _one_run(args, checks.check_one(runs))
        return
    if args.modalities is not None:
        raise ConfigError("--with says what --query or --labels searches with; give one of them too")
    with _bar() as bar:
        task = bar.add_task("runs", total=None)
        summary = retrieve_runs(
            runs, args.out, split=args.split, term=args.term, again=args.again,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip
        bar.update(task, description="intervals, tables and the page")
        written = write_retrieval(args.out, summary, args.out / TABLE)
    show(retrieval_tables(summary))
    say(*map(str, [args.out / TABLE, *written]))


def transfer(args: argparse.Namespace) -> None:
    """Finished runs tested on another corpus, whose labels are on another scale or have other classes."""
    from affect.report import show
    from affect.runs import find
    from affect.transfer import ZeroShot, transfer_runs

    labels = None
    if args.labels is not None:
        query = tuple(args.modalities.split("+")) if args.modalities else ()
        labels = ZeroShot(once("--labels", args.labels), args.term, query)
    elif args.term or args.modalities:
        raise ConfigError("--term and --with say what --labels is compared with; give it too")
    runs = [replace(run, trust=args.trust) for run in find(args.run_folders)]
    with _bar() as bar:
        task = bar.add_task("runs", total=None)
        found = transfer_runs(
            runs, args.corpus, target=args.about, split=args.split,
            classes=once("--classes", args.classes or ()), neutral=args.neutral, labels=labels,
            names=args.metric or (),
            progress=lambda done, total: bar.update(task, completed=done, total=total),
            **reading_of(args),
        )  # fmt: skip
    written = found.write(args.out)
    show(found.tables)
    say(*map(str, written))


def explain(args: argparse.Namespace) -> None:
    """Which words mattered to what finished runs predict, for their report."""
    from affect.robustness.runs import runs_to_sweep
    from affect.runs.explained import explain_run

    runs = runs_to_sweep(args.run_folders)
    with _bar() as bar:
        for run in bar.track(runs, description="runs"):
            say(str(explain_run(run.folder, args.split, trust=args.trust)))


def predict(args: argparse.Namespace) -> None:
    """A finished run's predictions for any corpus with its modalities."""
    from affect.files import writing
    from affect.runs import predict as predict_corpus

    reading = reading_of(args)
    table = predict_corpus(args.run_folder, args.path, args.split, trust=args.trust, **reading)
    if args.out is None:
        say_table(table)
    else:
        with writing(args.out) as partial:
            partial.write_text(csv_of(table), encoding="utf-8", newline="")


def compare(args: argparse.Namespace) -> None:
    """Which models of finished runs are better than which, and how sure that is."""
    from affect.report import frame_table, show, write_tables
    from affect.results import compare as compare_models
    from affect.results import gather
    from affect.runs import find

    runs = find(args.run_folders)
    checks.check_names(runs, metric=args.metric, baseline=args.baseline, split=args.split, parts=True)
    pairs = compare_models(gather(runs, args.split), args.metric or (), args.baseline)
    kinds = pairs.groupby(["corpus", "target", "metric"], sort=False)
    tables = [
        frame_table(own.drop(columns=["corpus", "target", "metric"]), " · ".join(map(str, kind)))
        for kind, own in kinds
    ]
    if args.out is None:
        show(tables)
    else:
        write_tables(args.out, tables, pairs)
        say(f"{args.out} written")


def report(args: argparse.Namespace) -> None:
    """One page that needs nothing but itself, of everything that is known of some runs."""
    from affect.report import write_report
    from affect.report.gathering import gather_contents

    with _bar() as bar:
        task = bar.add_task("reading runs and searches", total=None)
        contents = gather_contents([Path(folder) for folder in args.folders], args.title)
        bar.update(task, description="drawing and writing the page")
        write_report(args.out, contents)
    say(f"{args.out} written")


def list_(args: argparse.Namespace) -> None:
    """What there is of a kind, a line each: fusions, encoders, metrics, corpora, formats, protocols ..."""
    from affect.cli.listing import listing

    for line in listing(args.kind, args.words):
        say(line)


def _one_run(args: argparse.Namespace, run: FinishedRun) -> None:
    """What lies nearest to one sample, or which label to each, in one run."""
    from affect.files import writing
    from affect.report import frame_table, show
    from affect.retrieval.runs import label_run, search_run

    query = checks.modalities_in(args.modalities, run.facts["shape"]["dims"])
    if args.query is not None:
        if not query:
            raise ConfigError(
                f"--query: needs --with; known: {', '.join(sorted(run.facts['shape']['dims']))}"
            )
        found = search_run(run, args.split, args.term, again=args.again).embeddings
        rows = found.search(args.query, query, args.best)
        show([frame_table(rows, f"nearest to {' + '.join(query)} of {args.query}")])
    if args.labels is not None:
        table, accuracy = label_run(run, args.labels, args.split, args.term, query or None)
        with writing(args.out / "labels.csv") as path:
            path.write_text(csv_of(table), encoding="utf-8", newline="")
        say(str(args.out / "labels.csv"))
        if accuracy:
            say(
                "accuracy {mean:.3f} [{low:.3f}, {high:.3f}], for these weights only; the most frequent "
                "class has {floor:.3f} (n={count})".format(**accuracy)
            )


def _named(given: str) -> tuple[str, Path]:
    """A path, with the name before it where there is one."""
    name, _, path = given.partition("=")
    return ("", Path(given)) if not path or Path(given).exists() else (name, Path(path))


def _bar() -> Progress:
    """A bar on stderr, which is gone when all is done or something is wrong."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    console.quiet = not console.is_terminal  # a bar that is off ends with an empty line in older Rich
    return Progress(console=console, transient=True, disable=not console.is_terminal)
