import io
import pickle
from contextlib import redirect_stdout

import numpy as np
import pandas as pd
import pytest
import yaml

import affect
from affect.benchmark.experiment import Experiment
from affect.cli import main
from affect.data.native import save
from affect.metrics.ours import OURS
from affect.robustness.protocols import PROTOCOLS
from affect.runs import predict

EXPERIMENT = {
    "corpus": "synthetic",
    "metrics": ["pearson", "mae", "acc2_nonzero"],
    "seeds": [0, 1],
    "training": {"epochs": 4, "learning_rate": 0.01},
    "model": {"encoder": {"class_path": "PooledEncoder", "init_args": {"layers": 0}}, "width": 8},
    "models": {"text": {"modalities": ["text"]}, "tensor": {"fusion": "TensorFusion"}},
}


def write(folder, content, name="toy.yaml"):
    path = folder / name
    path.write_text(yaml.safe_dump(content))
    return path


def test_inspect_tells_what_a_corpus_holds(capsys):
    main(["inspect", "synthetic:additive"])
    out = capsys.readouterr().out
    for said in ("synthetic:additive, unaligned", "best possible: ", "acoustic", "600", "Regression"):
        assert said in out


def test_train_and_predict(tmp_path, capsys):
    config = write(tmp_path, {"corpus": "synthetic", "training": {"epochs": 2}, "model": {"width": 4}})
    main(["train", str(config), "--seeds", "3", "--out", str(tmp_path / "runs")])
    (folder,) = (tmp_path / "runs").glob("*/seed3-fold0")
    assert {file.name for file in folder.iterdir()} >= {
        "config.yaml", "results.csv", "predictions.csv", "history.csv", "model.safetensors", "run.json", "log",
    }  # fmt: skip
    main(["predict", str(folder), "synthetic", "--out", str(tmp_path / "said.csv")])
    said, kept = pd.read_csv(tmp_path / "said.csv"), pd.read_csv(folder / "predictions.csv")
    kept = kept.query("split == 'test'").reset_index(drop=True)
    assert said["prediction"].to_numpy() == pytest.approx(kept["prediction"].to_numpy(), abs=1e-6)
    capsys.readouterr()
    again = folder / "config.yaml"
    main(["train", str(again), "--out", str(tmp_path / "again")])  # a run's own configuration is one to train
    (other,) = (tmp_path / "again").glob("*/seed3-fold0")
    pd.testing.assert_frame_equal(
        pd.read_csv(other / "predictions.csv"), pd.read_csv(folder / "predictions.csv")
    )


@pytest.fixture(scope="module")
def benched(tmp_path_factory):
    """The folder that a bench left, and what it said; nothing writes there but the bench."""
    folder, said = tmp_path_factory.mktemp("benched"), io.StringIO()
    with redirect_stdout(said):
        main(["bench", str(write(folder, EXPERIMENT)), "--out", str(folder / "out")])
    return folder / "out", said.getvalue()


def test_a_bench_writes_a_table_a_report_and_rows(benched):
    out, said = benched
    assert "not clearly better than a constant" in said
    assert f"report:  {out / 'report.html'}" in said
    rows = pd.read_csv(out / "results.csv")
    assert set(rows["split"]) == {"valid", "test"}
    assert len(rows.query("split == 'test' and metric == 'mae'")) == 4
    summary = pd.read_csv(out / "summary.csv").set_index(["model", "metric"])
    means = rows.query("split == 'test'").groupby(["model", "metric"])["value"].mean()
    for key in summary.index:
        assert summary.loc[key, "mean"] == pytest.approx(means[key], abs=1e-6)
        assert summary.loc[key, "low"] <= summary.loc[key, "mean"] <= summary.loc[key, "high"]
    page = (out / "report.html").read_text()
    assert "<script src" not in page
    assert "tensor" in page


def test_compare_and_report(benched, tmp_path, capsys):
    out, _ = benched
    main(["compare", str(out), "--metric", "pearson", "mae"])
    said = capsys.readouterr().out
    assert "synthetic:interaction · sentiment · pearson" in said
    assert "tensor" in said
    for form in ("csv", "md", "tex"):
        main(
            [
                "compare",
                *map(str, out.glob("runs/*")),
                "--baseline",
                "text",
                "--out",
                str(tmp_path / f"pairs.{form}"),
            ]
        )
        assert "tensor" in (tmp_path / f"pairs.{form}").read_text()
    pairs = pd.read_csv(tmp_path / "pairs.csv")
    assert pairs[["better", "worse"]].to_numpy().tolist() == [["tensor", "text"]]
    main(["report", str(out), "--title", "Two models", "--out", str(tmp_path / "page.html")])
    page = (tmp_path / "page.html").read_text()
    assert "<title>Two models" in page
    assert "<script src" not in page
    main(
        ["report", *map(str, out.glob("runs/*")), "--out", str(tmp_path / "runs.html")]
    )  # without the bench's tables
    assert "acc7_bins" in (tmp_path / "runs.html").read_text()
    for verb in ("compare", "report"):
        with pytest.raises(SystemExit) as end:
            main([verb, str(tmp_path / "nowhere")])
        assert str(end.value) == (
            f"DataError: no finished run in {tmp_path / 'nowhere'}; expected folders that hold run.json"
        )


def test_the_help_names_every_protocol(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["sweep", "--help"])
    said = capsys.readouterr().out
    assert all(name in said for name in PROTOCOLS)


def test_a_bench_is_swept(tmp_path, capsys):
    late = {"fusion": "LateFusion"}
    dropped = {
        "corruption": {"class_path": "ModalityDropout", "init_args": {"rate": {"text": 0.5, "visual": 0.3}}},
        "consistency": 0.1,
        "warmup_epochs": 2,
    }
    several = {"class_path": "Compose", "init_args": {"parts": ["StepDropout", "ModalitySwap"]}}
    models = {
        "late": late,
        "late, dropped": {**late, "imputer": "CascadeImputer", "training": dropped},
        "late, several": {**late, "training_only": ["visual"], "training": {"corruption": several}},
        "kernel SVM": {"baseline": "KernelSVM"},
    }
    content = {**EXPERIMENT, "models": models, "training": {"epochs": 2}}
    out, rob = tmp_path / "out", tmp_path / "robust"
    main(["bench", str(write(tmp_path, content)), "--out", str(out)])
    runs = {path.parent.name.rpartition("-")[0]: path for path in out.glob("runs/*/seed1-fold0")}
    ask = ["sweep", str(runs["late"].parent), str(runs["late, dropped"]), "--out", str(rob)]
    main(
        [
            *ask,
            "--protocol",
            "fixed_subsets",
            "steps",
            "--draws",
            "1",
            "--baseline",
            "late",
            "--metric",
            "mae",
        ]
    )
    said = capsys.readouterr().out
    assert "mae: worst subset ↓" in said
    assert all(
        f"{rob / name}\n" in said for name in ("robustness.csv", "summary.csv", "table.md", "robustness.html")
    )
    rows = pd.read_csv(rob / "robustness.csv")
    plain = pd.read_csv(out / "results.csv").query("split == 'test'")
    clean = rows.query("condition == 'clean'").merge(plain, on=["model", "seed", "metric"])
    assert len(clean) == 3 * plain["metric"].nunique()
    assert np.allclose(clean["value_x"], clean["value_y"], atol=1e-4)
    page = (rob / "robustness.html").read_text()
    assert "<script src" not in page
    assert "What each modality contributes" in page
    kept = next(runs["late"].glob("sweeps/*/predictions.npz"))
    written = kept.stat().st_mtime_ns
    main([*ask, "--protocol", "fixed_subsets", "steps", "--draws", "1"])  # is not done twice
    assert kept.stat().st_mtime_ns == written
    main(["sweep", str(runs["late, several"]), "--out", str(rob)])
    names = pd.read_csv(rob / "robustness.csv")["condition"].unique()
    assert names.tolist() == ["clean", "only acoustic", "only text"]
    for bad, message in (
        (
            [str(runs["kernel SVM"])],
            f"{runs['kernel SVM']}: runs of baselines alone; only torch models are swept",
        ),
        ([str(out), "--protocol", "tfr"], "no protocol 'tfr'; did you mean 'tfr_net'?"),
    ):
        with pytest.raises(SystemExit) as end:
            main(["sweep", *bad, "--out", str(tmp_path / "none")])
        assert message in str(end.value)
        assert not (tmp_path / "none").exists()


def test_a_student_learns_from_a_run(tmp_path):
    teacher = {"corpus": "synthetic", "training": {"epochs": 1}, "model": {"width": 4}}
    main(["train", str(write(tmp_path, teacher, "teacher.yaml")), "--out", str(tmp_path / "runs")])
    (folder,) = (tmp_path / "runs").glob("teacher-*")
    models = {"student": {"modalities": ["text"], "teacher": f"runs/{folder.name}/seed{{seed}}-fold{{fold}}"}}
    content = {**EXPERIMENT, "models": models, "seeds": [0], "training": {"epochs": 1}}
    main(["bench", str(write(tmp_path, content)), "--out", str(tmp_path / "out")])
    (run,) = (tmp_path / "out").glob("runs/student-*/seed0-fold0")
    again = str(run / "config.yaml")
    main(["train", again, "--out", str(tmp_path / "again")])
    missing = {**EXPERIMENT, "models": {"student": {"teacher": "nowhere"}}, "seeds": [0]}
    with pytest.raises(
        SystemExit, match="nowhere: not a finished run; expected a folder that holds run.json$"
    ):
        main(["bench", str(write(tmp_path, missing)), "--out", str(tmp_path / "other")])


def test_a_helper_is_not_asked_for_when_predicting(tmp_path):
    content = {
        "corpus": "synthetic",
        "training": {"epochs": 1},
        "model": {"width": 4, "training_only": ["visual"]},
    }
    main(["train", str(write(tmp_path, content)), "--out", str(tmp_path / "runs")])
    (run,) = (tmp_path / "runs").glob("*/seed0-fold0")
    path = tmp_path / "two.safetensors"
    save(affect.load("synthetic").select(["text", "acoustic"]), path)
    said = predict(run, path)["prediction"]
    kept = pd.read_csv(run / "predictions.csv").query("split == 'test'")["prediction"]
    assert said.to_numpy() == pytest.approx(kept.to_numpy(), abs=1e-5)


def test_two_runs_of_one_name_are_not_mixed(tmp_path):
    for epochs in (1, 2):
        content = {"corpus": "synthetic", "training": {"epochs": epochs}, "model": {"width": 4}}
        main(["train", str(write(tmp_path, content)), "--out", str(tmp_path / "runs")])
    with pytest.raises(
        SystemExit, match="another run of toy, seed 0, fold 0 is in .*; name the one that is meant$"
    ):
        main(["sweep", str(tmp_path / "runs"), "--out", str(tmp_path / "out")])


BAD = {
    "missing": (
        None,
        "ConfigError: {path}: no such file; expected a YAML file",
    ),
    "not yaml": (
        "a: [",
        "ConfigError: {path}: not YAML: while parsing a flow node expected the node content, "
        "but found '<stream end>' in \"<unicode string>\", line 1, column 5: a: [ ^",
    ),
    "not keys": ("- 1", "ConfigError: {path}: expected keys and values, got list"),
    "no corpus": ({"models": {"a": {}}}, "ConfigError: {path}: corpus is missing or empty"),
    "no models": ({"corpus": "synthetic", "models": {}}, "ConfigError: {path}: models is missing or empty"),
    "key": (
        {**EXPERIMENT, "sedes": [1]},
        "ConfigError: {path}: no key 'sedes'; did you mean 'seeds'? known: "
        + ", ".join(sorted(Experiment.__dataclass_fields__)),
    ),
    "class": (
        {**EXPERIMENT, "models": {"a": {"fusion": "TensorFusio"}}},
        "ConfigError: {path}: models: a: model: fusion: no Fusion 'TensorFusio' in affect.fusion; did you mean "
        "'TensorFusion'? known: " + ", ".join(sorted({*affect.fusion.__all__} - {"Fusion", "FusionFactory"})),
    ),
    "argument": (
        {**EXPERIMENT, "models": {"a": {"fusion": {"class_path": "LowRankFusion", "init_args": {"rnk": 2}}}}},
        "ConfigError: {path}: models: a: model: fusion: LowRankFusion has no argument 'rnk'; did you mean 'rank'? "
        "known: dropout, pooling, rank",
    ),
    "module": (
        {**EXPERIMENT, "models": {"a": {"fusion": "no_such_module.Mine"}}},
        "ConfigError: {path}: models: a: model: fusion: cannot import 'no_such_module' "
        "(No module named 'no_such_module')",
    ),
    "value": (
        {**EXPERIMENT, "training": {"epochs": 0}},
        "ConfigError: training: epochs must be at least 1, got 0",
    ),
    "type": (
        {**EXPERIMENT, "training": {"epochs": "many"}},
        "ConfigError: {path}: models: text: training.epochs: expected int, got 'many'",
    ),
    "corpus": (
        {**EXPERIMENT, "corpus": "nowhere.safetensors"},
        "DataError: {folder}/nowhere.safetensors: no such file; expected a corpus file, or 'synthetic' "
        "for a generated corpus",
    ),
    "target": (
        {**EXPERIMENT, "target": "sentimet"},
        "ConfigError: {path}: models: text: synthetic:interaction: no target 'sentimet'; did you mean 'sentiment'? known: sentiment",
    ),
    "modality": (
        {**EXPERIMENT, "models": {"a": {"modalities": ["txt"]}}},
        "ConfigError: {path}: models: a: synthetic:interaction: no modality 'txt'; did you mean 'text'? known: acoustic, text, visual",
    ),
    "metric": (
        {**EXPERIMENT, "metrics": ["peason"]},
        f"ConfigError: no metric 'peason'; did you mean 'pearson'? known: {', '.join(sorted(OURS))}",
    ),
    "unaligned": (
        {**EXPERIMENT, "models": {"a": {"fusion": "PerStep"}}},
        "ConfigError: {path}: models: a: PerStep: needs aligned sequences, and the corpus is not aligned; put an aligner before it "
        "(ResamplingAligner, WarpingAligner or AttentionAligner) or choose a fusion that reads unaligned ones",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_experiments_end_with_one_line(case, tmp_path):
    content, message = BAD[case]
    path = tmp_path / "toy.yaml"
    if content is not None:
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))
    with pytest.raises(SystemExit) as end:
        main(["bench", str(path), "--out", str(tmp_path / "out")])
    assert str(end.value) == message.format(path=path, folder=tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(SystemExit) as end:
        main(["predict", str(tmp_path), "synthetic"])
    assert (
        str(end.value) == f"DataError: {tmp_path}: not a finished run; expected a folder that holds run.json"
    )


def test_a_user_s_class_beside_the_configuration(tmp_path):
    (tmp_path / "my_fusions.py").write_text(
        "from torch import nn\nfrom affect import VectorFusion\n\n"
        "class MyFusion(VectorFusion):\n"
        "    def __init__(self, dims, out_dim, scale: float = 1.0):\n"
        "        super().__init__(dims, out_dim)\n"
        "        self.scale = scale\n"
        "        self.project = nn.ModuleDict({m: nn.Linear(d, out_dim) for m, d in self.dims.items()})\n\n"
        "    def combine(self, vectors, present):\n"
        "        return self.scale * sum(self.project[m](v) for m, v in vectors.items())\n"
    )
    mine = {"class_path": "my_fusions.MyFusion", "init_args": {"scale": 0.5}}
    content = {"corpus": "synthetic", "training": {"epochs": 1}, "model": {"fusion": mine}}
    main(["train", str(write(tmp_path, content)), "--out", str(tmp_path / "runs")])
    assert list((tmp_path / "runs").glob("*/seed0-fold0/run.json"))


def test_any_lightning_logger_by_configuration(tmp_path):
    logger = {
        "class_path": "CSVLogger",
        "init_args": {"save_dir": str(tmp_path / "elsewhere"), "name": "mine"},
    }
    content = {"corpus": "synthetic", "training": {"epochs": 1}, "loggers": [logger]}
    main(["train", str(write(tmp_path, content)), "--out", str(tmp_path / "runs")])
    assert list((tmp_path / "elsewhere" / "mine").rglob("metrics.csv"))
    (folder,) = (tmp_path / "runs").glob("*/seed0-fold0")
    assert (folder / "log" / "metrics.csv").exists()
    assert list((folder / "log").glob("events.out.tfevents.*"))


@pytest.mark.parametrize(
    "verb",
    [
        "inspect",
        "convert",
        "align",
        "train",
        "bench",
        "tune",
        "compare",
        "report",
        "sweep",
        "predict",
        "list",
    ],
)
def test_every_verb_has_help_with_an_example(verb, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([verb, "--help"])
    assert f"example: affect {verb} " in capsys.readouterr().out


def test_convert_to_every_format_and_back(tmp_path, capsys):
    corpus = affect.load("synthetic:interaction")
    for form, name in (("native", "a.safetensors"), ("mmsa", "a.pkl"), ("csd", "folder")):
        main(["convert", "synthetic:interaction", str(tmp_path / name), "--to", form])
        assert capsys.readouterr().out == f"{tmp_path / name} written\n"
        again = affect.load(tmp_path / name)
        assert again.dims == corpus.dims
        assert sum(map(len, again.splits.values())) == sum(map(len, corpus.splits.values()))
    with pytest.raises(SystemExit) as error:
        main(["convert", str(tmp_path / "no"), str(tmp_path / "b.safetensors")])
    assert str(error.value) == (
        f"DataError: {tmp_path / 'no'}: no such file; expected a corpus file, or 'synthetic' for a generated corpus"
    )


def test_inspect_shows_what_spoils_a_pickle(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    main(["convert", "synthetic:interaction", str(tmp_path / "a.pkl"), "--to", "mmsa"])
    content = pickle.loads((tmp_path / "a.pkl").read_bytes())
    content["train"]["audio"][0, 0, 1] = -np.inf
    content["test"]["id"][1] = content["test"]["id"][0]
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content))
    capsys.readouterr()
    main(["inspect", str(tmp_path / "a.pkl")])
    out = " ".join(capsys.readouterr().out.split())
    for said in (
        "train, acoustic: 1 infinite values, in columns 1", "test: 1 id occurs more than once", "SHA-256: ",
        "of no published file", "-3 ", "steps at 0%, 25%, 50%, 75%, 95%, 100%",
    ):  # fmt: skip
        assert said in out


def test_a_run_with_an_aligner_is_read_again(tmp_path):
    model = {
        "width": 4,
        "aligner": {"class_path": "AttentionAligner", "init_args": {"heads": 2, "reference": "text"}},
    }
    config = write(tmp_path, {"corpus": "synthetic", "training": {"epochs": 1}, "model": model})
    main(["train", str(config), "--out", str(tmp_path / "runs")])
    (folder,) = (tmp_path / "runs").glob("*/seed0-fold0")
    main(["predict", str(folder), "synthetic", "--out", str(tmp_path / "said.csv")])
    said, kept = (
        pd.read_csv(tmp_path / "said.csv"),
        pd.read_csv(folder / "predictions.csv").query("split == 'test'"),
    )
    assert said["prediction"].to_numpy() == pytest.approx(kept["prediction"].to_numpy(), abs=1e-5)
