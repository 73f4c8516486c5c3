"""The verbs and their flags."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

import affect
from affect.bounds import COUNT, NATURAL, NOT_NEGATIVE, POSITIVE, SHARE
from affect.cli import verbs
from affect.cli.completion import Completion
from affect.cli.flags import (
    Parser,
    again,
    duplicates,
    file,
    folder,
    interactions,
    memory,
    number,
    one_of,
    pair,
    parallel,
    reader,
    reading,
    seeds,
    tokens,
    trust,
)
from affect.errors import did_you_mean

TABLES = (".csv", ".md", ".tex")

_READS = ", which a paper then reads in the place of the text's vectors"


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """What a command line asks for: `run`, the verb's function, and its arguments."""
    given = sys.argv[1:] if arguments is None else arguments
    parser, known = _parser()
    if given and not given[0].startswith("-") and given[0] not in known:
        parser.error(f"no verb '{given[0]}'; {did_you_mean(given[0], known)}")
    args, unknown = parser.parse_known_args(given)
    if unknown:
        own: Parser = args.parser
        flag = next((one for one in unknown if one.startswith("-")), None)
        name = "" if flag is None else flag.partition("=")[0]
        own.error(
            f"unexpected '{unknown[0]}'"
            if flag is None
            else f"no flag '{name}'; {did_you_mean(name, own.flags)}"
        )
    if args.computes:
        _check_backend(args)
    return args


def _check_backend(args: argparse.Namespace) -> None:
    """Refuse a cluster without an address, and an address without a cluster."""
    own: Parser = args.parser
    address, backend = getattr(args, "address", None), getattr(args, "backend", "loky")
    if backend != "loky" and address is None:
        own.error(f"--backend {backend} needs the --address of a cluster that was started")
    if backend == "loky" and address is not None:
        own.error("--address is that of a cluster; give --backend ray or --backend dask too")


def _parser() -> tuple[Parser, dict[str, Parser]]:
    """The parser, and those of the verbs by their names."""
    parser = Parser(prog="affect", description="Fusion research in affective computing.")
    parser.add_argument("--version", action="version", version=f"affect {affect.__version__}")
    parser.add_argument(
        "--print-completion", action=Completion, help="print what completes the command in bash, zsh or tcsh"
    )
    group = parser.add_subparsers(metavar="VERB", required=True, parser_class=Parser)
    known: dict[str, Parser] = {}

    def add(run: Callable[[argparse.Namespace], None], example: str, computes: bool = False) -> Parser:
        """A verb named, and described, as its function is."""
        name, about = run.__name__.rstrip("_"), (run.__doc__ or "").strip()
        verb = known[name] = group.add_parser(
            name, help=about, description=about, epilog=f"example: affect {name} {example}"
        )
        verb.set_defaults(run=run, parser=verb, computes=computes)
        if computes:
            memory(verb)
        return verb

    _corpora(add)
    _runs(add)
    _tables(add)
    return parser, known


def _corpora(add: Callable[..., Parser]) -> None:
    """Verbs that read and write corpora."""
    verb = add(verbs.inspect, "synthetic")
    verb.add_argument("path", help="a corpus in any format, or a generated one such as synthetic:temporal")
    reading(verb)
    reader(verb)
    tokens(verb)
    interactions(verb)

    verb = add(verbs.convert, "unaligned_50.pkl mosi.safetensors")
    verb.add_argument("path", help="a corpus in any format that affect reads")
    verb.add_argument("out", help="the file to write; a folder for csd")
    forms = ("native", "mmsa", "csd")
    verb.add_argument(
        "--to", choices=forms, type=one_of(forms), default="native",
        help="native (default), MMSA's pickle, or computational sequences",
    )  # fmt: skip
    reading(verb)
    reader(verb)
    tokens(verb)
    duplicates(verb)

    verb = add(
        verbs.align, "words.csd covarep.csd visual=facet.csd --labels labels.csd --out mosi.safetensors"
    )
    verb.add_argument("reference", metavar="REF", help="the .csd file whose intervals become the steps")
    verb.add_argument(
        "sequences", metavar="SEQ", nargs="*",
        help="other .csd files; NAME=PATH where the file's own name does not tell the modality",
    )  # fmt: skip
    verb.add_argument("--out", type=file(".safetensors"), required=True, help="the native file to write")
    verb.add_argument("--labels", help="a .csd file of labelled segments: each becomes a sample")
    verb.add_argument("--unaligned", action="store_true", help="keep every modality's own steps")
    verb.add_argument(
        "--collapse", default="mean", metavar="HOW",
        help="what becomes of a step's entries: mean (default), max, last, weighted, or module.function",
    )  # fmt: skip
    verb.add_argument(
        "--tolerance", type=number(NOT_NEGATIVE), default=1e-5, metavar="SECONDS",
        help="overlap that counts: 1e-5 (default) as in the SDK's source, 1e-3 as in its copy on PyPI",
    )  # fmt: skip
    verb.add_argument(
        "--incomplete", action="store_true", help="keep videos that some file lacks; the SDK drops them"
    )
    verb.add_argument("--jobs", type=number(COUNT), default=1, help="videos at the same time (default: 1)")


def _runs(add: Callable[..., Parser]) -> None:
    """Verbs that train, and predict."""
    verb = add(verbs.train, "model.yaml --seeds 0 1 2", computes=True)
    verb.add_argument(
        "config",
        metavar="CONFIG",
        help="a YAML file (corpus, model, training), or paper:NAME (affect list papers)",
    )
    verb.add_argument("--corpus", help="another corpus than the configuration's; of a paper the only one")
    tokens(verb, _READS)
    seeds(verb, "--seeds", "instead of the configuration's own")
    verb.add_argument("--out", type=folder, default="runs", help="where run folders go (default: runs)")
    again(verb)
    trust(verb)

    verb = add(verbs.bench, "experiments/synthetic.yaml --jobs 2", computes=True)
    verb.add_argument("experiment", metavar="EXPERIMENT", help="a YAML file: corpus, models, training")
    verb.add_argument("--out", type=folder, help="where results go (default: results/EXPERIMENT)")
    verb.add_argument(
        "--corpus", help="another corpus, such as synthetic:mosi_unaligned for its shapes alone"
    )
    tokens(verb, _READS)
    seeds(verb, "--seeds", "instead of the experiment's own")
    verb.add_argument("--epochs", type=number(COUNT), help="at most, instead of the experiment's own")
    verb.add_argument("--models", nargs="+", metavar="NAME", help="these of the experiment's alone")
    parallel(verb)
    again(verb)
    trust(verb)

    verb = add(verbs.tune, "model.yaml --trials 50 --jobs 2", computes=True)
    verb.add_argument(
        "config", metavar="CONFIG", help="a YAML file as `train` reads it, with a section `search` if need be"
    )
    verb.add_argument(
        "--trials", type=number(COUNT), default=50, help="how many the study shall have (default: 50)"
    )
    verb.add_argument(
        "--timeout", type=number(POSITIVE), metavar="SECONDS", help="no trial begins after that"
    )
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
    seeds(verb, "--seeds", "that each trial is trained with")
    seeds(verb, "--fresh", "that what was found is trained and tested with")
    verb.add_argument(
        "--fold", type=number(NATURAL), metavar="NUMBER",
        help="the fold, from 0, whose test split the search does not see (default: the configuration's)",
    )  # fmt: skip
    verb.add_argument("--corpus", help="another corpus, such as synthetic:mosi_unaligned:200")
    tokens(verb, _READS)
    verb.add_argument("--epochs", type=number(COUNT), help="at most, instead of the configuration's own")
    verb.add_argument("--out", type=folder, help="where results go (default: results/tune-CONFIG)")
    parallel(verb)
    again(verb)
    trust(verb)

    verb = add(
        verbs.sweep, "results/synthetic --protocol fixed_subsets tfr_net --baseline late", computes=True
    )
    verb.add_argument("run_folders", metavar="RUN", nargs="+", help="folders of runs, or a bench's folder")
    verb.add_argument(
        "--protocol", nargs="+", default=["fixed_subsets"], metavar="NAME",
        help="fixed_subsets (default), random_modality, tfr_net, lnln, multibench, steps, noise, shifts, "
        "utterances, parties",
    )  # fmt: skip
    verb.add_argument(
        "--draws", type=number(COUNT), help="how often each damage is drawn (default: the protocol's own)"
    )
    verb.add_argument(
        "--metric", nargs="+", metavar="NAME", help="whose scores are made (default: the target's first)"
    )
    verb.add_argument("--baseline", metavar="MODEL", help="the model that others are compared with")
    verb.add_argument("--split", default="test", help="which split (default: test)")
    verb.add_argument("--lacking", metavar="MODALITY", help="score the samples alone that never had it")
    verb.add_argument(
        "--out", type=folder, default="results/robustness",
        help="where tables and pictures go (default: results/robustness)",
    )  # fmt: skip
    parallel(verb)
    again(verb)
    trust(verb)

    verb = add(verbs.retrieve, "results/pretraining --out results/retrieval", computes=True)
    verb.add_argument("run_folders", metavar="RUN", nargs="+", help="folders of runs, or a bench's folder")
    verb.add_argument("--split", default="test", help="which split (default: test)")
    verb.add_argument(
        "--term", metavar="NAME", help="whose embeddings, where several terms of a run have some"
    )
    verb.add_argument(
        "--out", type=folder, default="results/retrieval",
        help="where tables and the page go (default: results/retrieval)",
    )  # fmt: skip
    verb.add_argument("--query", metavar="SAMPLE", help="print what lies nearest to one sample of one run")
    verb.add_argument(
        "--with", dest="modalities", metavar="NAME", help="what to search with: a modality, or A+B"
    )
    verb.add_argument(
        "--labels", nargs="+", metavar="TEXT",
        help="write which of these texts lies nearest to each sample, where the text encoder is pretrained",
    )  # fmt: skip
    verb.add_argument(
        "-k", dest="best", type=number(COUNT), default=5, help="how many of each modality (default: 5)"
    )
    again(verb)
    trust(verb)

    verb = add(verbs.transfer, "results/mosi_words --corpus meld.safetensors", computes=True)
    verb.add_argument("run_folders", metavar="RUN", nargs="+", help="folders of runs, or a bench's folder")
    verb.add_argument("--corpus", required=True, help="the other corpus, in any format, or a generated one")
    verb.add_argument(
        "--about", metavar="TARGET", help="its target (default: the one called as the runs', or its main one)"
    )
    verb.add_argument("--split", help="its split (default: test, else the first)")
    verb.add_argument(
        "--classes", nargs="+", type=pair, metavar="OWN=OTHER",
        help="a class of the runs, and the one there that it becomes, such as joy=positive",
    )  # fmt: skip
    verb.add_argument(
        "--neutral", type=number(SHARE), default=1 / 6, metavar="SHARE",
        help="what is neutral of a number, as a share of half its scale (default: a sixth, -0.5 to 0.5 of 3)",
    )  # fmt: skip
    verb.add_argument(
        "--labels", nargs="+", type=pair, metavar="CLASS=TEXT",
        help="zero-shot: the class whose text lies nearest, where a term bound a pretrained text encoder",
    )  # fmt: skip
    verb.add_argument("--term", metavar="NAME", help="whose embeddings --labels is compared in")
    verb.add_argument(
        "--with", dest="modalities", metavar="NAME",
        help="what --labels is compared with: a modality, or A+B (default: the text)",
    )  # fmt: skip
    verb.add_argument("--metric", nargs="+", metavar="NAME", help="which metrics (default: all)")
    verb.add_argument(
        "--out", type=folder, default="results/transfer",
        help="where tables and predictions go (default: results/transfer)",
    )  # fmt: skip
    reading(verb)
    reader(verb)
    tokens(verb)
    duplicates(verb)
    trust(verb)

    verb = add(verbs.explain, "results/synthetic", computes=True)
    verb.add_argument("run_folders", metavar="RUN", nargs="+", help="folders of runs, or a bench's folder")
    verb.add_argument("--split", default="test", help="which split (default: test)")
    trust(verb)

    verb = add(
        verbs.predict, "runs/model-1a2b3c4d/seed0-fold0 synthetic --out predictions.csv", computes=True
    )
    verb.add_argument("run_folder", metavar="RUN", help="the folder of a finished run")
    verb.add_argument("path", metavar="PATH", help="a corpus file, or a generated corpus")
    verb.add_argument("--split", help="which split (default: test, else the first)")
    verb.add_argument("--out", type=file(".csv"), help="a CSV file (default: print)")
    reading(verb)
    reader(verb)
    tokens(verb)
    duplicates(verb)
    trust(verb)


def _tables(add: Callable[..., Parser]) -> None:
    """Verbs that read what there is."""
    verb = add(verbs.compare, "results/synthetic --metric pearson --baseline tensor")
    verb.add_argument("run_folders", metavar="RUN", nargs="+", help="folders of runs, or a bench's folder")
    verb.add_argument(
        "--metric", nargs="+", metavar="NAME", help="which metrics (default: the target's first)"
    )
    verb.add_argument(
        "--baseline", metavar="MODEL", help="compare the others with it alone (default: all pairs)"
    )
    verb.add_argument("--split", default="test", help="which split (default: test)")
    verb.add_argument("--out", type=file(*TABLES), help="a .csv, .md or .tex file (default: print)")

    verb = add(verbs.report, "results/synthetic --out report.html")
    verb.add_argument("folders", metavar="DIR", nargs="+", help="folders of benches, or of runs")
    verb.add_argument("--title", default="", help="of the page (default: the folders' names)")
    verb.add_argument(
        "--out", type=file(".html", ".htm"), default="report.html", help="the page (default: report.html)"
    )

    verb = add(verbs.list_, "fusions tensor")
    verb.add_argument(
        "kind", metavar="KIND", nargs="?", help="fusions, metrics, corpora ... (default: name the kinds)"
    )
    verb.add_argument("words", metavar="WORD", nargs="*", help="those alone whose line holds all of these")
