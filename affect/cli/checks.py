"""What is looked at before work begins: a file of the wrong kind, names that no run has."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from affect.cli.flags import check_file, check_folder
from affect.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    import argparse

    from affect.data.corpus import Corpus
    from affect.runs import FinishedRun, Job

_FORMS = {"native": ".safetensors", "mmsa": ".pkl"}


def check_converted(path: Path, form: str) -> None:
    """Refuse a name that does not fit what it is converted to.

    Raises:
        ConfigError: the ending is of another format, or nothing can be written there.
    """
    others = {suffix: name for name, suffix in _FORMS.items() if name != form}
    if form == "csd":
        if path.suffix in {*others, ".csd", ".csv", ".h5", ".hdf5", ".npz", ".pt"}:
            raise ConfigError(f"{path}: csd is a folder, with a file for each modality; name a folder")
        check_folder(path)
    elif path.suffix in others:
        other = f"for {path.suffix} give --to {others[path.suffix]}"
        raise ConfigError(f"{path}: expected a file that ends with {_FORMS[form]}; {other}")
    else:
        check_file(path, (_FORMS[form],))


def check_interactions(args: argparse.Namespace) -> None:
    """Refuse flags that say how interactions are estimated where they are not asked for.

    Raises:
        ConfigError: one is given without `--interactions`.
    """
    given = {
        f"--{name}": getattr(args, name)
        for name in ("about", "label", "modalities", "rest", "predictions", "out")
    }
    for flag, value in given.items():
        if value and not args.interactions:
            raise ConfigError(f"{flag} says how interactions are estimated; give --interactions too")


def check_configuration(path: Path, verb: str) -> None:
    """Refuse a file that another verb reads, or that is no YAML at all; what else is wrong, its reader says.

    Args:
        path: of a configuration, or an experiment.
        verb: train, tune or bench.
    Raises:
        ConfigError: it is a folder, no text, empty, or meant for another verb.
    """
    from affect.yaml_files import read_yaml

    if path.is_dir():
        own = path / "config.yaml"
        raise ConfigError(
            f"{path}: a folder; expected a YAML file" + (f", such as {own}" if own.is_file() else "")
        )
    if not path.is_file():
        return
    with path.open("rb") as file:
        head = file.read(4096)
    if b"\0" in head or head.startswith((b"\x80", b"\x89")):
        raise ConfigError(
            f"{path}: not YAML but binary; a corpus is named in a YAML file, as `corpus: {path.name}`"
        )
    try:
        content = read_yaml(path)
    except ValueError:  # whoever reads it next says so
        return
    if content is None:
        model = "models" if verb == "bench" else "model"
        raise ConfigError(f"{path}: empty; expected a YAML file with corpus, {model} and training")
    if not isinstance(content, dict):
        return
    if verb != "bench" and "models" in content:
        raise ConfigError(f"{path}: several `models`, for affect bench; affect {verb} takes one `model`")
    if (
        verb == "bench"
        and "models" not in content
        and {"model", "paper", "training", "search"} & content.keys()
    ):
        raise ConfigError(f"{path}: one `model`, for affect train; affect bench compares several `models`")


def check_metrics(jobs: Iterable[Job], corpus: Corpus | None, path: Path) -> None:
    """Refuse metrics of a configuration that its target cannot be measured with.

    Args:
        jobs: runs of the configuration.
        corpus: theirs; none where there are no runs.
        path: the configuration, which begins the message.
    Raises:
        ConfigError: as `affect.results.parts.check_measurable`.
    """
    from affect import metrics
    from affect.classes import within
    from affect.results.parts import check_measurable
    from affect.runs.configuration import metrics_in

    job = next(iter(jobs), None)
    if job is None or corpus is None:
        return
    with within(job.home), metrics.using(*metrics_in(job.content)):
        target = corpus.target(job.content.get("target"))
        check_measurable(job.content.get("metrics") or (), corpus, [target], str(path))


def check_names(
    runs: Iterable[FinishedRun],
    *,
    metric: Collection[str] | None = None,
    baseline: str | None = None,
    split: str = "test",
    splits: Collection[str] = (),
    lacking: str | None = None,
    parts: bool = False,
) -> None:
    """Refuse names that none of some runs has.

    Args:
        runs: finished ones.
        metric: some target's.
        baseline: the name of a model.
        split: one that the runs were measured on.
        splits: others that may be asked for.
        lacking: a modality.
        parts: whether a metric may be one on a part of the labels, as `f1_weighted: shift` is.
    Raises:
        ConfigError: with the nearest name that there is.
    """
    from affect.metrics import is_extra, metrics_for, name_of
    from affect.results.parts import split_name

    runs = list(runs)
    measured = {name for run in runs for name in run.metrics}
    measured |= {str(name) for run in runs for name in run.table("results")["metric"].unique()}
    bases = [split_name(name)[0] for name in metric or ()]
    for name, base in zip(metric or (), bases, strict=True):
        if name != base and not parts:
            raise ConfigError(f"--metric: '{name}': a sweep measures all labels; name '{base}'")
    own = {name for name in bases if is_extra(name) and name_of(name)}  # which refuses what is none
    known = {
        "--metric: no metric": {*own, *measured, *(name for run in runs for name in metrics_for(run.target))},
        "--baseline: no model": {run.name for run in runs},
        "--split: no split": {*splits, *(name for run in runs for name in _splits(run))},
        "--lacking: no modality": {name for run in runs for name in run.facts["shape"]["dims"]},
    }
    asked = (
        bases,
        () if baseline is None else (baseline,),
        (split,),
        () if lacking is None else (lacking,),
    )
    for (what, names), required in zip(known.items(), asked, strict=True):
        for name in required:
            if name not in names:
                raise ConfigError(f"{what} '{name}' among these runs; {did_you_mean(name, names)}")


def check_one(runs: Collection[FinishedRun]) -> FinishedRun:
    """The run, where there is one alone.

    Args:
        runs: finished ones.
    Raises:
        ConfigError: there are several.
    """
    first = next(iter(runs))
    if len(runs) > 1:
        raise ConfigError(f"--query, --labels: of one run, got {len(runs)}; name one, such as {first.folder}")
    return first


def modalities_in(query: str | None, known: Collection[str]) -> list[str]:
    """The modalities that a query names: one by itself, or several with a plus between them.

    Args:
        query: as it was given; None names none.
        known: those that there are.
    Raises:
        ConfigError: there is no such modality.
    Example:
        >>> modalities_in("ecg+eeg", ["ecg", "eeg", "gsr"]), modalities_in("a+b", ["a+b", "c"])
        (['ecg', 'eeg'], ['a+b'])
    """
    if query is None or query in known:
        return [] if query is None else [query]
    names = [name.strip() for name in query.split("+")]
    for name in names:
        if name not in known:
            raise ConfigError(f"--with: no modality '{name}'; {did_you_mean(name, known)}")
    return names


def _splits(run: FinishedRun) -> Collection[str]:
    """Those that a run was measured on."""
    return [str(name) for name in run.table("results")["split"].unique()]
