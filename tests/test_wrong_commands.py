"""Wrong command lines: each ends with one line, before anything is trained or written."""

import builtins
import errno
import inspect
import os
import pathlib
import pickle
import subprocess
import sys
from dataclasses import replace

import optuna
import pandas as pd
import pytest
import yaml

import affect
from affect.cli import main
from affect.cli.listing import kinds
from affect.data.native import save
from affect.data.sources import FORMATS
from affect.metrics import metrics_for
from affect.robustness.protocols import PROTOCOLS
from affect.runs.configuration import Configuration
from affect.tuning.aims import MEASURED, SUBSETS

MODEL = {"corpus": "synthetic", "training": {"epochs": 1}, "model": {"width": 4}}
EXPERIMENT = {"corpus": "synthetic", "training": {"epochs": 1}, "models": {"a": {"width": 4}}}
RANK = {"class_path": "LowRankFusion", "init_args": {"rank": "abc"}}

PER_STEP = {"encoder": "StepEncoder", "fusion": "PerStep"}

FILES = {
    "good": MODEL,
    "experiment": EXPERIMENT,
    "empty": "",
    "words": "just words",
    "broken": "a: [",
    "typo": {**MODEL, "trainig": {}},
    "class": {**MODEL, "model": {"fusion": "TensorFusio"}},
    "module": {**MODEL, "model": {"fusion": "no_such_module.Mine"}},
    "argument": {**MODEL, "model": {"fusion": {"class_path": "LowRankFusion", "init_args": {"rnk": 2}}}},
    "whole": {**MODEL, "model": {"fusion": RANK}},
    "nested": {**MODEL, "model": {"fusion": {"class_path": "PerStep", "init_args": {"fusion": RANK}}}},
    "number": {**MODEL, "training": {"learning_rate": "fast"}},
    "truth": {**MODEL, "training": {"compile": "maybe"}},
    "names": {**MODEL, "model": {"modalities": "text"}},
    "entry": {**MODEL, "seeds": [0, "one"]},
    "literal": {**MODEL, "model": {"scaling": "standrad"}},
    "null": {**MODEL, "training": {"epochs": None}},
    "no_class": {**MODEL, "model": {"encoder": 3}},
    "no_arguments": {**MODEL, "model": {"fusion": {"class_path": "LowRankFusion", "init_args": [2]}}},
    "needed": {**MODEL, "model": {"fusion": "mine.Mine"}},
    "loggers": {**MODEL, "loggers": "CSVLogger"},
    "epochs": {**MODEL, "training": {"epochs": 0}},
    "monitor": {**MODEL, "training": {"monitor": "peason"}},
    "target": {**MODEL, "target": "sentimet"},
    "modality": {**MODEL, "model": {"modalities": ["txt"]}},
    "gone": {**MODEL, "corpus": "gone.safetensors"},
    "schedule": {**MODEL, "training": {"epochs": 1, "schedule": "StepLR"}},
    "beginning": {**MODEL, "init": "corpora"},
    "unlabelled": {**MODEL, "corpus": "unlabelled.safetensors"},
    "metric": {**EXPERIMENT, "metrics": ["peason"]},
    "measured": {**MODEL, "metrics": ["peason"]},
    "unsuited": {**MODEL, "metrics": ["f1_macro"]},
    "no_part": {
        **MODEL,
        "corpus": "synthetic:conversations",
        "model": PER_STEP,
        "metrics": ["f1_macro: shft"],
    },
    "one_metric": {**EXPERIMENT, "metrics": "mae"},
    "by_seed": {**MODEL, "corpus": "tuned-seed{seed}.safetensors"},
    "protocol": {**EXPERIMENT, "protocols": ["tfr"]},
    "space": {**MODEL, "search": {"metrc": "mae"}},
}

ENDS = "a finished run; expected a folder that holds run.json"
TARGET = affect.load("synthetic").target()
METRICS = ", ".join(sorted(metrics_for(TARGET)))
FUSIONS = ", ".join(sorted({*affect.fusion.__all__} - {"Fusion", "FusionFactory"}))
ALL = ", ".join(
    sorted(n for n in affect.metrics.__all__ if isinstance(getattr(affect.metrics, n), affect.metrics.Metric))
)
AIMS = ", ".join(
    sorted([*(f"{m}{s}" for m in metrics_for(TARGET) for s in ("", *(f": {x}" for x in SUBSETS))), *MEASURED])
)
SAMPLERS = ", ".join(
    sorted(
        n
        for n, c in vars(optuna.samplers).items()
        if inspect.isclass(c) and issubclass(c, optuna.samplers.BaseSampler) and n != "BaseSampler"
    )
)
VERBS = "align, bench, compare, convert, explain, inspect, list, predict, report, retrieve, sweep, train, transfer, tune"
KEYS = ", ".join(sorted(Configuration.__dataclass_fields__))

WRONG = {
    "affect": "affect: the following arguments are required: VERB; see affect --help",
    "affect trian good.yaml": f"affect: no verb 'trian'; did you mean 'train'? known: {VERBS}; see affect --help",
    "affect train": "affect train: the following arguments are required: CONFIG; see affect train --help",
    "affect train good.yaml --sedes 1": "affect train: no flag '--sedes'; did you mean '--seeds'? known: --again, --corpus, "
    "--help, --memory, --out, --seeds, --tokens, --trust; see affect train --help",
    "affect train good.yaml more.yaml": "affect train: unexpected 'more.yaml'; see affect train --help",
    "affect train good.yaml --seeds one": "affect train: --seeds: must be a whole number, at least 0, got the text 'one'; "
    "see affect train --help",
    "affect train good.yaml --seeds -1": "affect train: --seeds: must be at least 0, got -1; "
    "see affect train --help",
    "affect train good.yaml --memory 0": "affect train: --memory: must be positive, got 0.0; "
    "see affect train --help",
    "affect train good.yaml --out a_file": "affect train: --out: a_file is a file; name a folder; see affect train --help",
    "affect train good.yaml --out a_file/runs": "affect train: --out: a_file/runs cannot be made: {home}/a_file is a file; "
    "see affect train --help",
    "affect train none.yaml": "ConfigError: none.yaml: no such file; expected a YAML file",
    "affect train corpora": "ConfigError: corpora: a folder; expected a YAML file",
    "affect train {run}": "ConfigError: {run}: a folder; expected a YAML file, such as {run}/config.yaml",
    "affect train corpus.pkl": "ConfigError: corpus.pkl: not YAML but binary; a corpus is named in a YAML file, as "
    "`corpus: corpus.pkl`",
    "affect train empty.yaml": "ConfigError: empty.yaml: empty; expected a YAML file with corpus, model and training",
    "affect train words.yaml": "ConfigError: words.yaml: expected keys and values, got str",
    "affect train broken.yaml": "ConfigError: broken.yaml: not YAML: while parsing a flow node expected the node content, "
    "but found '<stream end>' in \"<unicode string>\", line 1, column 5: a: [ ^",
    "affect train experiment.yaml": "ConfigError: experiment.yaml: several `models`, for affect bench; affect train "
    "takes one `model`",
    "affect train typo.yaml": f"ConfigError: typo.yaml: no key 'trainig'; did you mean 'training'? known: {KEYS}",
    "affect train class.yaml": "ConfigError: class.yaml: model: fusion: no Fusion 'TensorFusio' in affect.fusion; did "
    f"you mean 'TensorFusion'? known: {FUSIONS}",
    "affect train module.yaml": "ConfigError: module.yaml: model: fusion: cannot import 'no_such_module' (No module "
    "named 'no_such_module')",
    "affect train argument.yaml": "ConfigError: argument.yaml: model: fusion: LowRankFusion has no argument 'rnk'; did "
    "you mean 'rank'? known: dropout, pooling, rank",
    "affect train whole.yaml": "ConfigError: whole.yaml: model.fusion: rank: expected int, got 'abc'",
    "affect train nested.yaml": "ConfigError: nested.yaml: model.fusion: fusion: rank: expected int, got 'abc'",
    "affect train number.yaml": "ConfigError: number.yaml: training.learning_rate: expected float, got 'fast'",
    "affect train truth.yaml": "ConfigError: truth.yaml: training.compile: expected bool, got 'maybe'",
    "affect train names.yaml": "ConfigError: names.yaml: model.modalities: expected a list of str or null, got 'text'",
    "affect train entry.yaml": "ConfigError: entry.yaml: seeds[1]: expected int, got 'one'",
    "affect train literal.yaml": "ConfigError: literal.yaml: model.scaling: no 'standrad'; did you mean 'standard'? "
    "known: none, robust, standard",
    "affect train null.yaml": "ConfigError: null.yaml: training.epochs: expected int, got null",
    "affect train no_class.yaml": "ConfigError: no_class.yaml: model: encoder: expected a class, or class_path and "
    "init_args, got 3",
    "affect train no_arguments.yaml": "ConfigError: no_arguments.yaml: model: fusion: init_args: expected names and "
    "values, got [2]",
    "affect train needed.yaml": "ConfigError: needed.yaml: model.fusion: Mine needs 'scale' (float); give it under "
    "init_args",
    "affect train loggers.yaml": "ConfigError: loggers.yaml: loggers: expected a list of classes, got 'CSVLogger'",
    "affect train unsuited.yaml": "ConfigError: unsuited.yaml: metrics: no target has 'f1_macro'; known: "
    f"{METRICS}",
    "affect train no_part.yaml": "ConfigError: no_part.yaml: metrics: 'f1_macro: shft': no part 'shft'; did you mean "
    "'shift'? known: no shift, shift",
    "affect train epochs.yaml": "ConfigError: training: epochs must be at least 1, got 0",
    "affect train monitor.yaml": f"ConfigError: no metric 'peason'; did you mean 'pearson'? known: {ALL}",
    "affect train measured.yaml": f"ConfigError: measured.yaml: no metric 'peason'; did you mean 'pearson'? known: {ALL}",
    "affect train schedule.yaml": "ConfigError: training: schedule: StepLR cannot be made: StepLR.__init__() missing 1 "
    "required positional argument: 'step_size'",
    "affect train beginning.yaml": f"DataError: corpora: not {ENDS}",
    "affect train target.yaml": "ConfigError: target.yaml: synthetic:interaction: no target 'sentimet'; did you mean "
    "'sentiment'? known: sentiment",
    "affect train modality.yaml": "ConfigError: modality.yaml: synthetic:interaction: no modality 'txt'; did you mean "
    "'text'? known: acoustic, text, visual",
    "affect train gone.yaml": "DataError: {home}/gone.safetensors: no such file; expected a corpus file, or 'synthetic' "
    "for a generated corpus",
    "affect train unlabelled.yaml": "ConfigError: unlabelled.yaml: synthetic:interaction: the corpus has no labels, so there is nothing to "
    "learn from it",
    "affect bench good.yaml": "ConfigError: good.yaml: one `model`, for affect train; affect bench compares several `models`",
    "affect bench empty.yaml": "ConfigError: empty.yaml: empty; expected a YAML file with corpus, models and training",
    "affect bench experiment.yaml --jobs 0": "affect bench: --jobs: must be at least 1, got 0; see "
    "affect bench --help",
    "affect bench experiment.yaml --jobs two": "affect bench: --jobs: must be a whole number, at least 1, got the text 'two'; "
    "see affect bench --help",
    "affect bench experiment.yaml --epochs 0": "affect bench: --epochs: must be at least 1, got 0; "
    "see affect bench --help",
    "affect bench experiment.yaml --backend lokey": "affect bench: --backend: no 'lokey'; did you mean 'loky'? known: "
    "dask, loky, ray; see affect bench --help",
    "affect bench experiment.yaml --backend ray": "affect bench: --backend ray needs the --address of a cluster that was started; see affect bench --help",
    "affect bench experiment.yaml --models b": "ConfigError: models: no model 'b'; known: a",
    "affect bench experiment.yaml --corpus gone.csv": "DataError: {home}/gone.csv: no such file; expected a corpus file, "
    "or 'synthetic' for a generated corpus",
    "affect bench experiment.yaml --out a_file": "affect bench: --out: a_file is a file; name a folder; see affect bench --help",
    "affect bench metric.yaml": f"ConfigError: no metric 'peason'; did you mean 'pearson'? known: {ALL}",
    "affect bench one_metric.yaml": "ConfigError: one_metric.yaml: metrics: expected a list of names, got the text 'mae'",
    "affect bench protocol.yaml": f"ConfigError: no protocol 'tfr'; did you mean 'tfr_net'? known: {', '.join(sorted(PROTOCOLS))}",
    "affect tune experiment.yaml": "ConfigError: experiment.yaml: several `models`, for affect bench; affect tune takes "
    "one `model`",
    "affect tune by_seed.yaml": "ConfigError: by_seed.yaml: corpus: a search has one corpus for all its trials, got "
    "tuned-seed{{seed}}.safetensors; name that of one seed (--corpus), and train what is found on those of the others",
    "affect tune good.yaml --trials 0": "affect tune: --trials: must be at least 1, got 0; see "
    "affect tune --help",
    "affect tune good.yaml --timeout never": "affect tune: --timeout: must be a number, positive, got the text 'never'; "
    "see affect tune --help",
    "affect tune good.yaml --metric peason": f"ConfigError: good.yaml: search: no metric 'peason'; did you mean 'pearson'? known: {AIMS}",
    "affect tune good.yaml --sampler TPE": f"ConfigError: search: sampler: no BaseSampler 'TPE' in optuna.samplers; known: {SAMPLERS}",
    "affect tune good.yaml --seeds 1 --fresh 1": "ConfigError: good.yaml: search: seed 1 is in seeds and in fresh; what "
    "chose may not be tested with",
    "affect tune space.yaml": "ConfigError: space.yaml: search: no key 'metrc'; did you mean 'metric'? known: fold, fresh, "
    "heartbeat, metric, pruner, published, racing, sampler, seed, seeds, space, start",
    "affect sweep runs --protocol tfr": f"ConfigError: no protocol 'tfr'; did you mean 'tfr_net'? known: {', '.join(sorted(PROTOCOLS))}",
    "affect sweep runs --draws 0": "affect sweep: --draws: must be at least 1, got 0; see affect "
    "sweep --help",
    "affect sweep runs --metric peason": f"ConfigError: --metric: no metric 'peason' among these runs; did you mean "
    f"'pearson'? known: {METRICS}",
    "affect sweep runs --baseline god": "ConfigError: --baseline: no model 'god' among these runs; did you mean 'good'? "
    "known: good",
    "affect sweep runs --split tset": "ConfigError: --split: no split 'tset' among these runs; did you mean 'test'? "
    "known: test, train, valid",
    "affect sweep runs --lacking txt": "ConfigError: --lacking: no modality 'txt' among these runs; did you mean 'text'? "
    "known: acoustic, text, visual",
    "affect sweep corpora": "DataError: no finished run in corpora; expected folders that hold run.json",
    "affect sweep runs --out a_file": "affect sweep: --out: a_file is a file; name a folder; see affect sweep --help",
    "affect retrieve runs --split tset": "ConfigError: --split: no split 'tset' among these runs; did you mean 'test'? "
    "known: test, train, valid",
    "affect retrieve runs --out a_file": "affect retrieve: --out: a_file is a file; name a folder; see affect retrieve --help",
    "affect retrieve runs --query a": "ConfigError: --query: needs --with; known: acoustic, text, visual",
    "affect retrieve corpora": "DataError: no finished run in corpora; expected folders that hold run.json",
    "affect predict corpora synthetic": f"DataError: corpora: not {ENDS}",
    "affect predict {run} gone.csv": "DataError: gone.csv: no such file; expected a corpus file, or 'synthetic' for a "
    "generated corpus",
    "affect predict {run} words.yaml": "DataError: words.yaml: not a format that affect reads; known: "
    + ", ".join(FORMATS)
    + "; for any other name a function from the path to a corpus (reader)",
    "affect predict {run} synthetic --split tset": "ConfigError: synthetic:interaction: no split 'tset'; did you mean "
    "'test'? known: test, train, valid",
    "affect predict {run} synthetic --out a.txt": "affect predict: --out: a.txt: expected a file that ends with .csv; "
    "see affect predict --help",
    "affect predict {run} synthetic --out corpora": "affect predict: --out: corpora is a folder; name a file; see affect "
    "predict --help",
    "affect predict {run} synthetic --out {long}.csv": "affect predict: --out: xxxxxxxxxxxxxxxxxxxx...xxxxxxxxxxxxxxxx.csv: a name of more "
    "than 229 bytes; choose a shorter one; see affect predict --help",
    "affect predict {run} unlabelled.safetensors --target emotion": "affect predict: --target: expected NAME:KIND such as "
    "emotion:multiclass, got 'emotion'; see affect predict --help",
    "affect predict {run} unlabelled.safetensors --duplicates drop": "affect predict: --duplicates: no 'drop'; known: "
    "first, number, refuse; see affect predict --help",
    "affect predict {run} unlabelled.safetensors --reader nowhere.read": "ConfigError: unlabelled.safetensors: no reader "
    "'nowhere.read' (No module named 'nowhere')",
    "affect compare runs --out a.xlsx": "affect compare: --out: a.xlsx: expected a file that ends with .csv or .md or "
    ".tex; see affect compare --help",
    "affect compare runs --metric peason": f"ConfigError: --metric: no metric 'peason' among these runs; did you mean "
    f"'pearson'? known: {METRICS}",
    "affect compare runs --baseline god": "ConfigError: --baseline: no model 'god' among these runs; did you mean "
    "'good'? known: good",
    "affect compare runs --split train": "ConfigError: --split: no split 'train' among these runs; known: test, valid",
    "affect compare nowhere": "DataError: no finished run in nowhere; expected folders that hold run.json",
    "affect report runs --out page.pdf": "affect report: --out: page.pdf: expected a file that ends with .html or .htm; "
    "see affect report --help",
    "affect report corpora": "DataError: no finished run in {home}/corpora; expected folders that hold run.json",
    "affect inspect gone.pkl": "DataError: gone.pkl: no such file; expected a corpus file, or 'synthetic' for a generated "
    "corpus",
    "affect inspect synthetic:tempral": "ConfigError: no generated corpus 'synthetic:tempral'; did you mean 'temporal'? known: "
    "additive, conversations, iemocap, interaction, mosei_aligned, mosei_emotions, mosei_unaligned, mosi_aligned, mosi_context, "
    "mosi_unaligned, shared, sims, temporal",
    "affect convert corpus.pkl out.csv": "ConfigError: out.csv: expected a file that ends with .safetensors",
    "affect convert corpus.pkl out.pkl": "ConfigError: out.pkl: expected a file that ends with .safetensors; for .pkl "
    "give --to mmsa",
    "affect convert synthetic a.csd --to csd": "ConfigError: a.csd: csd is a folder, with a file for each modality; name "
    "a folder",
    "affect convert synthetic a_file/b.safetensors": "ConfigError: a_file/b.safetensors cannot be made: {home}/a_file is "
    "a file",
    "affect align gone.csd --out a.safetensors": "DataError: gone.csd: no such file",
    "affect align gone.csd --out a.safetensors --tolerance -1": "affect align: --tolerance: must be "
    "at least 0, got -1.0; see affect align --help",
    "affect list fusion": f"ConfigError: list: no kind 'fusion'; did you mean 'fusions'? known: {', '.join(sorted(kinds()))}",
    "affect list heads nothing": "ConfigError: list: no heads with nothing; known: BinaryHead, Head, MultiClassHead, "
    "MultiLabelHead, RegressionHead",
    "affect --print-completion fish": "affect: --print-completion: no 'fish'; known: bash, tcsh, zsh; see affect --help",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with one finished run, and files of which most are wrong."""
    folder = tmp_path_factory.mktemp("home")
    for name, content in FILES.items():
        text = content if isinstance(content, str) else yaml.safe_dump(content)
        (folder / f"{name}.yaml").write_text(text)
    (folder / "mine.py").write_text(
        "from affect import VectorFusion\n\nclass Mine(VectorFusion):\n"
        "    def __init__(self, dims, out_dim, scale: float):\n        super().__init__(dims, out_dim)\n"
    )
    (folder / "a_file").touch()
    (folder / "corpora").mkdir()
    (folder / "corpus.pkl").write_bytes(pickle.dumps({"train": 1}))
    corpus = affect.load("synthetic")
    bare = {name: replace(split, targets={}) for name, split in corpus.splits.items()}
    save(replace(corpus, splits=bare, targets={}), folder / "unlabelled.safetensors")
    main(["train", str(folder / "good.yaml"), "--out", str(folder / "runs")])
    return folder


def tree(folder):
    return {path for path in folder.rglob("*") if "__pycache__" not in path.parts}


def ending(arguments, capsys):
    """What stderr holds when a command has ended, and that it has said nothing else."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(arguments)
    said = capsys.readouterr()
    assert said.out == ""
    assert end.value.code not in (0, None)
    return said.err + (f"{end.value.code}\n" if isinstance(end.value.code, str) else "")


@pytest.mark.parametrize("command", WRONG)
def test_one_line(command, home, monkeypatch, capsys):
    monkeypatch.chdir(home)
    before = tree(home)
    (run,) = home.glob("runs/good-*/seed0-fold0")
    places = {"home": home, "run": run.relative_to(home), "long": 300 * "x"}
    arguments = [word.format(**places) for word in command.split()[1:]]
    assert ending(arguments, capsys) == WRONG[command].format(**places) + "\n"
    assert tree(home) == before


def refusing(name):
    """Python's import without one package."""
    plain = builtins.__import__

    def find(module, *rest, **named):
        if module.partition(".")[0] == name:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
        return plain(module, *rest, **named)

    return find


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("matplotlib.pyplot", 'matplotlib is not installed; pip install "affect[report]"'),
        ("transformers", 'transformers is not installed; pip install "affect[text]"'),
        ("ray", 'ray is not installed; pip install "affect[distributed]"'),
        ("mmsdk.mmdatasdk", 'mmsdk is not installed; pip install "affect[mmsdk]"'),
        ("psycopg", 'psycopg is not installed; pip install "affect[studies]"'),
        ("somebody_s", "somebody_s is not installed; pip install somebody_s"),
    ],
)
def test_a_package_that_is_missing(module, line, monkeypatch, capsys):
    def find(*_, **__):
        raise ModuleNotFoundError(f"No module named '{module}'", name=module)

    monkeypatch.setattr("affect.data.sources.load", find)
    assert ending(["inspect", "synthetic"], capsys) == f"ImportError: {line}\n"


def test_a_package_that_another_one_misses(monkeypatch, capsys):
    def find(*_, **__):
        try:
            raise ModuleNotFoundError("No module named 'pyarrow'", name="pyarrow")
        except ModuleNotFoundError as error:
            raise ImportError("Missing optional dependency 'pyarrow'.  Use pip.") from error

    monkeypatch.setattr("affect.data.sources.load", find)
    said = ending(["inspect", "synthetic"], capsys)
    assert said == 'ImportError: pyarrow is not installed; pip install "affect[parquet]"\n'


def test_nothing_is_written_without_h5py(home, monkeypatch, capsys):
    monkeypatch.chdir(home)
    for name in [name for name in sys.modules if name.partition(".")[0] == "h5py"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", refusing("h5py"))
    said = ending(["convert", "synthetic", "new", "--to", "csd"], capsys)
    assert said == "ImportError: h5py is not installed; pip install h5py\n"
    assert not list(home.glob("new/*"))


def test_completion_without_shtab(monkeypatch, capsys):
    monkeypatch.setattr(builtins, "__import__", refusing("shtab"))
    said = ending(["--print-completion", "bash"], capsys)
    assert said == 'ConfigError: completion: shtab is not installed; pip install "affect[completion]"\n'


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT])
@pytest.mark.parametrize(
    ("command", "file"),
    [
        ("predict {run} synthetic --out new.csv", "new.csv"),
        ("compare runs --out new.md", "new.md"),
        ("convert synthetic new.safetensors", "new.safetensors"),
    ],
)
def test_what_the_system_refuses(command, file, number, home, monkeypatch, capsys):
    def refuse(source, target):
        raise OSError(number, os.strerror(number), str(source))

    monkeypatch.chdir(home)
    before = tree(home)
    (run,) = home.glob("runs/good-*/seed0-fold0")
    monkeypatch.setattr(pathlib.Path, "replace", refuse)
    said = ending(command.format(run=run).split(), capsys)
    why = os.strerror(number)
    kind = "PermissionError" if number == errno.EACCES else "OSError"
    assert said == f"{kind}: {file}: {why[0].lower()}{why[1:]}\n"
    assert tree(home) == before


def test_a_file_that_is_written_line_by_line(home, monkeypatch, capsys):
    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.chdir(home)
    (run,) = home.glob("runs/good-*/seed0-fold0")
    monkeypatch.setattr(pd.DataFrame, "to_csv", refuse)
    said = ending(["predict", str(run), "synthetic", "--out", "new.csv"], capsys)
    assert said == "OSError: new.csv: no space left on device\n"


def test_a_reader_of_stdout_that_goes():
    code = "from affect.cli.ending import one_line\nwith one_line():\n    print('x' * 100_000)\n"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_a_mistake_of_affect_s_own_keeps_its_traceback(monkeypatch):
    def fail(*_, **__):
        raise ImportError("cannot import name 'x' from 'affect.data'", name="affect.data")

    monkeypatch.setattr("affect.data.sources.load", fail)
    with pytest.raises(ImportError, match="cannot import name"):
        main(["inspect", "synthetic"])
