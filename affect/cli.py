"""The `affect` command: one function per verb, and nothing is imported before a verb is known."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def main(arguments: list[str] | None = None) -> None:
    """Run a verb; bad input ends with one line on stderr and exit status 1."""
    from affect.errors import AffectError

    args = _parser().parse_args(arguments)
    try:
        args.run(args)
    except AffectError as error:
        sys.exit(f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on from here")


def inspect(args: argparse.Namespace) -> None:
    """What a corpus holds, and what in it would spoil results."""
    from rich.console import Console

    from affect.data.sources import load
    from affect.report.inspection import describe

    console = Console()
    reading = {**_reading_of(args), "duplicates": "keep"}  # what they are is shown
    for part in describe(load(args.path, **reading), Path(args.path)):
        console.print(part)


def convert(args: argparse.Namespace) -> None:
    """Any published format to the native file, or to what other software reads."""
    from affect.data.sources import load

    corpus = load(args.path, **_reading_of(args))
    if args.to == "native":
        from affect.data.native import save

        save(corpus, args.out)
    else:
        from affect.data.export import to_csd, to_mmsa

        {"mmsa": to_mmsa, "csd": to_csd}[args.to](corpus, args.out)
    sys.stdout.write(f"{args.out} written\n")


def align(args: argparse.Namespace) -> None:
    """Computational sequences (.csd) to one corpus, in steps of the first: most often the words."""
    from rich.console import Console
    from rich.progress import Progress

    from affect.data.words import align as align_files

    sys.path.append(str(Path.cwd()))  # --collapse may name a function of the user's
    reference, *others = (_named(given) for given in (args.reference, *args.sequences))
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("videos", total=None)
        corpus = align_files(
            reference, others, args.out,
            labels=args.labels, aligned=not args.unaligned, collapse=args.collapse, tolerance=args.tolerance,
            incomplete=args.incomplete, jobs=args.jobs,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip
    counts = ", ".join(f"{name} {len(split):,}" for name, split in corpus.splits.items())
    sys.stdout.write("\n".join([*corpus.notes, f"{args.out}: {counts}", ""]))


def train(args: argparse.Namespace) -> None:
    """One model, one or more seeds, each a run folder."""
    import pandas as pd
    from rich.console import Console

    from affect.runs import Job, digest
    from affect.runs.configuration import parse, read, resolve

    plain = read(args.config)
    plain.pop("search", None)  # that is for `affect tune`
    content = resolve(plain, str(args.config))
    configuration = parse(content, str(args.config))
    seeds = configuration.seeds if args.seeds is None else args.seeds
    console = Console()
    name = Path(args.config).stem
    for seed in seeds:
        for fold in range(configuration.folds or 1):
            folder = args.out / f"{name}-{digest(content)}" / f"seed{seed}-fold{fold}"
            with console.status(f"seed {seed}, fold {fold}"):
                Job(content, name, seed, fold, Path(args.config).parent, folder).run()
            rows = pd.read_csv(folder / "results.csv").query("split == 'test'").set_index("metric")["value"]
            figures = ", ".join(f"{metric} {value:.3f}" for metric, value in rows.items())
            console.print(f"{folder}: test {figures}", soft_wrap=True, highlight=False)


def bench(args: argparse.Namespace) -> None:
    """All models and seeds of an experiment, one table."""
    from affect.benchmark import bench as run_bench
    from affect.report import show, summary_tables

    out = args.out or Path("results") / Path(args.experiment).stem
    summary = run_bench(
        args.experiment, out, args.jobs, corpus=args.corpus, seeds=args.seeds, epochs=args.epochs,
        models=args.models, backend=args.backend, address=args.address,
    )  # fmt: skip
    show(summary_tables(summary))
    sys.stdout.write(
        f"report:  {out / 'report.html'}\nresults: {out / 'results.csv'}\nsummary: {out / 'summary.csv'}\n"
        f"runs:    {out / 'runs'}\n"
    )
    if failed := int(summary.groupby(["target", "model"])["failed"].max().sum()):
        sys.exit(
            f"{failed} runs failed; {out / 'runs'}/*/*/failed.txt says why, "
            "and the same command tries them again"
        )


def tune(args: argparse.Namespace) -> None:
    """An Optuna search on the validation split; what it finds is trained anew, and tested once."""
    from affect.report import show, summary_tables
    from affect.runs.studies import objectives
    from affect.tuning import task_of
    from affect.tuning import tune as search

    changes = {
        "corpus": args.corpus, "epochs": args.epochs, "metric": args.metric, "seeds": args.seeds,
        "fresh": args.fresh, "sampler": args.sampler, "pruner": args.pruner,
    }  # fmt: skip
    if args.show_space:
        sys.stdout.write(task_of(args.config, **changes).space.written())
        return
    out = args.out or Path("results") / f"tune-{Path(args.config).stem}"
    found = search(
        args.config, out, trials=args.trials, timeout=args.timeout, storage=args.storage, resume=args.resume,
        workers=args.jobs, backend=args.backend, address=args.address, **changes,
    )  # fmt: skip
    if not found.summary.empty:
        show(summary_tables(found.summary))
    names = objectives(found.study)
    for label, trial in found.chosen.items():
        values = ", ".join(f"{name} {value:.4g}" for name, value in zip(names, trial.values, strict=True))
        sys.stdout.write(f"{label}: {values} on the validation split; affect train {found.files[label]}\n")
    sys.stdout.write(f"report:  {out / 'report.html'}\ntrials:  {out / 'trials.csv'}\n")


def compare(args: argparse.Namespace) -> None:
    """Which models of finished runs are better than which, and how sure that is."""
    from affect.report import frame_table, show, write_tables
    from affect.results import compare as compare_models
    from affect.results import gather
    from affect.runs import find

    pairs = compare_models(gather(find(args.run_folders), args.split), args.metric or (), args.baseline)
    kinds = pairs.groupby(["corpus", "target", "metric"], sort=False)
    tables = [
        frame_table(own.drop(columns=["corpus", "target", "metric"]), " · ".join(map(str, kind)))
        for kind, own in kinds
    ]
    if args.out is None:
        show(tables)
    else:
        write_tables(args.out, tables, pairs)
        sys.stdout.write(f"{args.out} written\n")


def report(args: argparse.Namespace) -> None:
    """One page that needs nothing but itself, of everything that is known of some runs."""
    from affect.report import write_report
    from affect.report.gathering import gathered

    write_report(args.out, gathered(args.folders, args.title))
    sys.stdout.write(f"{args.out} written\n")


def sweep(args: argparse.Namespace) -> None:
    """Finished runs under every condition of some protocols: what can go missing, noisy or out of step."""
    from rich.console import Console
    from rich.progress import Progress

    from affect.report import show, summary_tables, write_robustness
    from affect.robustness.protocols import protocol
    from affect.robustness.runs import scores_of, sweep_runs

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("runs", total=None)
        compared = sweep_runs(
            args.run_folders, protocol(args.protocol, args.draws), args.out, split=args.split,
            lacking=args.lacking, workers=args.jobs, backend=args.backend, address=args.address,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip
    summary = scores_of(compared, args.metric or (), args.baseline)
    written = write_robustness(args.out, compared, summary)
    show(summary_tables(summary, turned=True))
    sys.stdout.write("".join(f"{path}\n" for path in [args.out / "robustness.csv", *written]))


def predict(args: argparse.Namespace) -> None:
    """A finished run's predictions for any corpus with its modalities."""
    from affect.files import writing
    from affect.runs import predict as predict_corpus

    table = predict_corpus(args.run_folder, args.path, args.split, **_reading_of(args))
    if args.out is None:
        table.to_csv(sys.stdout, index=False)
    else:
        with writing(args.out) as partial:
            table.to_csv(partial, index=False)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="affect", description="Fusion research in affective computing.")
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    verb = _verb(verbs, inspect, "affect inspect synthetic")
    verb.add_argument("path", help="a corpus in any format, or a generated one such as synthetic:temporal")
    _reading(verb)

    verb = _verb(verbs, convert, "affect convert unaligned_50.pkl mosi.safetensors")
    verb.add_argument("path", help="a corpus in any format that affect reads")
    verb.add_argument("out", type=Path, help="the file to write; a folder for csd")
    verb.add_argument(
        "--to", choices=("native", "mmsa", "csd"), default="native",
        help="native (default), MMSA's pickle, or computational sequences",
    )  # fmt: skip
    _reading(verb)
    _duplicates(verb)

    verb = _verb(
        verbs,
        align,
        "affect align words.csd covarep.csd visual=facet.csd --labels labels.csd --out mosi.safetensors",
    )
    verb.add_argument("reference", metavar="REF", help="the .csd file whose intervals become the steps")
    verb.add_argument(
        "sequences", metavar="SEQ", nargs="*",
        help="other .csd files; NAME=PATH where the file's own name does not tell the modality",
    )  # fmt: skip
    verb.add_argument("--out", type=Path, required=True, help="the native file to write")
    verb.add_argument("--labels", type=Path, help="a .csd file of labelled segments: each becomes a sample")
    verb.add_argument("--unaligned", action="store_true", help="keep every modality's own steps")
    verb.add_argument(
        "--collapse", default="mean", metavar="HOW",
        help="what becomes of a step's entries: mean (default), max, last, weighted, or module.function",
    )  # fmt: skip
    verb.add_argument(
        "--tolerance", type=float, default=1e-5, metavar="SECONDS",
        help="overlap that counts: 1e-5 (default) as in the SDK's source, 1e-3 as in its copy on PyPI",
    )  # fmt: skip
    verb.add_argument(
        "--incomplete", action="store_true", help="keep videos that some file lacks; the SDK drops them"
    )
    verb.add_argument("--jobs", type=int, default=1, help="videos at the same time (default: 1)")

    verb = _verb(verbs, train, "affect train model.yaml --seeds 0 1 2")
    verb.add_argument("config", help="a YAML file: corpus, model, training")
    verb.add_argument("--seeds", type=int, nargs="+", help="instead of the configuration's own")
    verb.add_argument("--out", type=Path, default=Path("runs"), help="where run folders go (default: runs)")

    verb = _verb(verbs, bench, "affect bench experiments/synthetic.yaml --jobs 2")
    verb.add_argument("experiment", help="a YAML file: corpus, models, training")
    verb.add_argument("--out", type=Path, help="where results go (default: results/EXPERIMENT)")
    verb.add_argument(
        "--corpus", help="another corpus, such as synthetic:mosi_unaligned for its shapes alone"
    )
    verb.add_argument("--seeds", type=int, nargs="+", help="instead of the experiment's own")
    verb.add_argument("--epochs", type=int, help="at most, instead of the experiment's own")
    verb.add_argument("--models", nargs="+", metavar="NAME", help="these of the experiment's alone")
    _parallel(verb)

    verb = _verb(verbs, tune, "affect tune model.yaml --trials 50 --jobs 2")
    verb.add_argument("config", help="a YAML file as `train` reads it, with a section `search` if need be")
    verb.add_argument("--trials", type=int, default=50, help="how many the study shall have (default: 50)")
    verb.add_argument("--timeout", type=float, metavar="SECONDS", help="no trial begins after that")
    verb.add_argument(
        "--metric", nargs="+", metavar="NAME",
        help="what is looked for (default: the target's first metric); several make a Pareto front",
    )  # fmt: skip
    verb.add_argument(
        "--storage", metavar="URL",
        help="sqlite:///study.db, postgresql://user@host/name, journal:///study.log, redis://host "
        "(default: study.db in the folder of results)",
    )  # fmt: skip
    verb.add_argument(
        "--resume", action="store_true",
        help="the study is there and nobody works at it: begin interrupted trials again at once",
    )  # fmt: skip
    verb.add_argument(
        "--show-space",
        action="store_true",
        help="print what varies, as the section `search` says it, and search nothing",
    )
    verb.add_argument("--sampler", metavar="NAME", help="any of Optuna's (default: multivariate TPE)")
    verb.add_argument("--pruner", metavar="NAME", help="any of Optuna's (default: MedianPruner)")
    verb.add_argument("--seeds", type=int, nargs="+", help="that each trial is trained with")
    verb.add_argument("--fresh", type=int, nargs="+", help="that what was found is trained and tested with")
    verb.add_argument("--corpus", help="another corpus, such as synthetic:mosi_unaligned:200")
    verb.add_argument("--epochs", type=int, help="at most, instead of the configuration's own")
    verb.add_argument("--out", type=Path, help="where results go (default: results/tune-CONFIG)")
    _parallel(verb)

    verb = _verb(verbs, compare, "affect compare results/synthetic --metric pearson --baseline tensor")
    verb.add_argument("run_folders", metavar="RUN", nargs="+", help="folders of runs, or a bench's folder")
    verb.add_argument("--metric", nargs="+", help="which metrics (default: the target's first)")
    verb.add_argument(
        "--baseline", metavar="MODEL", help="compare the others with it alone (default: all pairs)"
    )
    verb.add_argument("--split", default="test", help="which split (default: test)")
    verb.add_argument("--out", type=Path, help="a .csv, .md or .tex file (default: print)")

    verb = _verb(verbs, report, "affect report results/synthetic --out report.html")
    verb.add_argument("folders", metavar="DIR", type=Path, nargs="+", help="folders of benches, or of runs")
    verb.add_argument("--title", default="", help="of the page (default: the folders' names)")
    verb.add_argument("--out", type=Path, default=Path("report.html"), help="the page (default: report.html)")

    verb = _verb(
        verbs, sweep, "affect sweep results/synthetic --protocol fixed_subsets tfr_net --baseline late"
    )
    verb.add_argument("run_folders", metavar="RUN", nargs="+", help="folders of runs, or a bench's folder")
    verb.add_argument(
        "--protocol", nargs="+", default=["fixed_subsets"], metavar="NAME",
        help="fixed_subsets (default), random_modality, tfr_net, lnln, multibench, steps, noise, shifts",
    )  # fmt: skip
    verb.add_argument(
        "--draws", type=int, help="how often each damage is drawn (default: the protocol's own)"
    )
    verb.add_argument("--metric", nargs="+", help="whose scores are made (default: the target's first)")
    verb.add_argument("--baseline", metavar="MODEL", help="the model that others are compared with")
    verb.add_argument("--split", default="test", help="which split (default: test)")
    verb.add_argument("--lacking", metavar="MODALITY", help="score the samples alone that never had it")
    verb.add_argument(
        "--out", type=Path, default=Path("results/robustness"),
        help="where tables and pictures go (default: results/robustness)",
    )  # fmt: skip
    _parallel(verb)

    verb = _verb(verbs, predict, "affect predict runs/model-1a2b3c4d/seed0-fold0 synthetic --out said.csv")
    verb.add_argument("run_folder", metavar="RUN", help="the folder of a finished run")
    verb.add_argument("path", help="a corpus file, or a generated corpus")
    verb.add_argument("--split", help="which split (default: test, else the first)")
    verb.add_argument("--out", type=Path, help="a CSV file (default: print)")
    _reading(verb)
    _duplicates(verb)
    return parser


def _reading(verb: argparse.ArgumentParser) -> None:
    """How a corpus's file is to be read; a configuration has keys of the same names."""
    verb.add_argument(
        "--columns", nargs="+", metavar="NAME",
        help="columns that are features though they look like none, such as confidence",
    )  # fmt: skip
    verb.add_argument(
        "--prefixes", nargs="+", metavar="NAME",
        help="modalities in a table's columns whose names hold a dot, such as wav2vec2.0",
    )  # fmt: skip
    verb.add_argument(
        "--target", dest="targets", nargs="+", type=_kind, metavar="NAME:KIND",
        help="what a column of labels is: emotion:multiclass, joy:regression, sarcasm:binary",
    )  # fmt: skip


def _duplicates(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--duplicates", choices=("refuse", "number", "first"),
        help="what becomes of ids that occur more than once (default: refuse)",
    )  # fmt: skip


def _kind(given: str) -> tuple[str, str]:
    """A target, and its kind behind the last colon."""
    name, colon, kind = given.rpartition(":")
    if not colon:
        raise argparse.ArgumentTypeError(f"expected NAME:KIND such as emotion:multiclass, got '{given}'")
    return name, kind


def _reading_of(args: argparse.Namespace) -> dict[str, Any]:
    """What was said of how the corpus is to be read, as `affect.load` takes it."""
    said = {name: getattr(args, name, None) for name in ("columns", "prefixes", "targets", "duplicates")}
    if said["targets"] is not None:
        said["targets"] = dict(said["targets"])
    return {name: value for name, value in said.items() if value is not None}


def _parallel(verb: argparse.ArgumentParser) -> None:
    """Where runs are done, and how many at the same time."""
    from affect.workers import BACKENDS

    verb.add_argument(
        "--jobs", type=int, help="at the same time (default: 1, on a cluster as many as it has)"
    )
    verb.add_argument(
        "--backend", choices=BACKENDS, default="loky",
        help="where: this machine (default), or a cluster of Ray or Dask that was started before",
    )  # fmt: skip
    verb.add_argument("--address", help="of the cluster, such as 10.0.0.1:6379 or tcp://10.0.0.1:8786")


def _named(given: str) -> tuple[str, Path]:
    """A path, with the name before it where there is one."""
    name, _, path = given.partition("=")
    return ("", Path(given)) if not path or Path(given).exists() else (name, Path(path))


def _verb(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser],
    run: Callable[[argparse.Namespace], None],
    example: str,
) -> argparse.ArgumentParser:
    """A verb named, and described, as its function is."""
    about = (run.__doc__ or "").strip()
    verb = verbs.add_parser(run.__name__, help=about, description=about, epilog=f"example: {example}")
    verb.set_defaults(run=run)
    return verb
