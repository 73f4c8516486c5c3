"""Any name of a modality works, the whole way: files, models, configurations, sweeps, searches, reports."""

import importlib
import inspect
import pkgutil
from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from rich.console import Console
from safetensors.torch import load, save

import affect
from affect import testing
from affect.aligners import Aligner
from affect.cli import main
from affect.data.corpus import Corpus, Split
from affect.data.export import to_csd
from affect.data.native import save as save_corpus
from affect.data.ragged import Ragged
from affect.data.targets import Regression
from affect.fusion import Fusion
from affect.imputation import Imputer
from affect.report import Table, show
from affect.report.inspection import describe
from affect.report.robustness import contribution_chart, subset_map
from affect.results.tables import Cell
from affect.robustness import Comparison, modality_subsets, sweep
from affect.robustness.sweeps import left_of
from affect.runs import load_model
from affect.tuning import task_of
from affect.tuning.collecting import space_of

CASE = ("wav2vec2.0", "open.face", "train", "keys", "a b", "音频")
NAMES = (*CASE, "a/b", "%41", " x", "a + b", "[red]")
SIZES = {name: 2 + place % 3 for place, name in enumerate(NAMES)}


def corpus_of(names, samples=12, steps=3):
    """Every feature of sample i at step t of the modality at place m is i + t / 10 + 100 m."""
    splits = {}
    for split in ("train", "valid", "test"):
        ids = tuple(f"{split}{i}" for i in range(samples))
        base = np.repeat(np.arange(samples), steps) + np.tile(np.arange(steps), samples) / 10
        offsets = np.arange(0, samples * steps + 1, steps)
        modalities = {
            name: Ragged.from_offsets(
                np.tile(base[:, None] + 100 * place, SIZES.get(name, 2)).astype(np.float32), offsets
            )
            for place, name in enumerate(names)
        }
        labels = Ragged.from_offsets(
            np.arange(samples, dtype=np.float64)[:, None] % 5, np.arange(samples + 1)
        )
        splits[split] = Split(ids, modalities, {"y": labels})
    return Corpus("odd", splits, {"y": Regression("y")}, aligned=True)


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    path = tmp_path_factory.mktemp("odd") / "odd.safetensors"
    save_corpus(corpus_of(NAMES), path)
    return path


def parts_of(base, written):
    """Every class of affect's own that has, or inherits, what the author of a `base` writes."""
    for module in pkgutil.walk_packages(affect.__path__, "affect."):
        importlib.import_module(module.name)
    queue = [base]
    while queue:
        for cls in queue.pop().__subclasses__():
            queue.append(cls)
            own = cls.__module__.startswith("affect.") and not cls.__name__.startswith("_")
            if (
                own
                and getattr(cls, written) is not getattr(base, written, None)
                and cls is not affect.VectorFusion
            ):
                yield cls


PARTS = {
    cls.__name__: (cls, make)
    for base, written, make in (
        (Fusion, "fuse", testing.fusion_part),
        (Imputer, "impute", testing.imputer_part),
        (Aligner, "carry", testing.aligner_part),
    )
    for cls in parts_of(base, written)
}
# each in alphabetical order, as ("a", "b", "c") are; pairs of the last ones are easily taken for each other
RENAMED = [["train", "wav2vec2.0", "音频"], ["", "%41", "a/b"], ["a", "a to b", "b to a"]]


@pytest.mark.parametrize("name", PARTS)
def test_a_part_computes_the_same_under_any_names(name):
    cls, make = PARTS[name]
    plain = make(cls, 3, ("a", "b", "c"))
    inputs, expected = plain.inputs(), plain.run(plain.inputs()).values
    for names in RENAMED:
        part = make(cls, 3, names)
        module, given = part.make(), dict(zip(names, inputs.values(), strict=True))
        with torch.no_grad():
            assert torch.equal(part.call(module, given).values, expected), names
        state = load(save({key: x.contiguous() for key, x in module.state_dict().items()}))
        assert len(state) == len(plain.make().state_dict())
        module.load_state_dict(state)


def test_the_fusions_are_all_there():
    public = {n for n in affect.fusion.__all__ if inspect.isclass(getattr(affect.fusion, n))}
    assert {*PARTS} >= public - {"Fusion", "ProjectedFusion", "VectorFusion"}
    assert {"TranslationImputer", "AttentionAligner", "PerStep"} <= {*PARTS}


@pytest.mark.parametrize("fusion", ["BlockFusion", "GatedAdditionFusion"])
def test_deployment_takes_any_names(fusion):
    part = testing.fusion_part(getattr(affect.fusion, fusion), 2, testing.ODD_NAMES)
    testing.compiles(part)
    testing.exports(part)


def test_a_user_holds_a_fusion_to_any_names():
    testing.check_fusion(affect.fusion.ConcatenationFusion, (4,), names=testing.ODD_NAMES)


def test_the_weights_of_ordinary_names_are_called_what_they_were():
    dims, target = {"acoustic": 2, "text": 3}, affect.load("synthetic").target()

    def keys(**parts):
        return {*affect.FusionModel.for_shape(dims, target, True, **parts).state_dict()}

    assert keys(fusion=affect.fusion.LowRankBilinearFusion) >= {
        "encoders.acoustic.layers.1.0.weight", "fusion.factors.text in ('acoustic', 'text').0.weight",
        "fusion.absent.acoustic in ('acoustic', 'text')",
    }  # fmt: skip
    assert keys(fusion=affect.fusion.GatedAdditionFusion, imputer=affect.imputation.TranslationImputer) >= {
        "fusion.gates.acoustic to text.weight", "imputer.translate.text to acoustic.0.weight",
    }  # fmt: skip
    assert "fusion.networks.('acoustic', 'text').0.weight" in keys(fusion=affect.fusion.DynamicGraphFusion)
    scaler = affect.FusionModel.for_corpus(affect.load("synthetic")).scaler
    assert {*scaler.state_dict()} == {
        f"{kind}_{name}" for kind in ("centre", "scale", "fill") for name in ("acoustic", "text", "visual")
    }


@pytest.mark.parametrize("name", CASE)
def test_a_folder_named_after_an_extractor_is_a_modality_like_any_other(name, tmp_path):
    """The case of nn.ModuleDict, which forbids dots and the names of its methods."""
    rng, ids = np.random.default_rng(0), [f"s{i:02d}" for i in range(30)]
    splits = ["train"] * 20 + ["valid"] * 5 + ["test"] * 5
    pd.DataFrame({"id": ids, "y": np.arange(30) % 2, "split": splits}).to_csv(
        tmp_path / "labels.csv", index=False
    )
    (tmp_path / name).mkdir()
    written = {i: rng.normal(size=(4, 2)).astype(np.float32) for i in ids}
    for i, values in written.items():
        np.save(tmp_path / name / f"{i}.npy", values)
    corpus = affect.load(tmp_path)
    assert corpus.dims == {name: 2}
    for split in corpus.splits.values():
        for place, i in enumerate(split.ids):
            assert np.array_equal(split.modalities[name][place], written[i])
    model = affect.FusionModel.for_corpus(corpus, fusion=affect.fusion.ConcatenationFusion)
    train = np.concatenate([written[i] for i in ids[:20]])
    assert np.allclose(model.scaler.scale_of(name), train.std(0), rtol=1e-5)
    (batch,) = affect.batches(corpus["test"], batch_size=5)
    assert model.eval()(batch.inputs).prediction.isfinite().all()


def test_a_modality_of_the_scaler_may_have_the_name_of_its_method():
    scaler = affect.FusionModel.for_corpus(corpus_of(["of", "a.b"])).scaler
    assert torch.allclose(scaler.scale_of("of"), scaler.scale_of("a.b"))
    assert sorted(scaler.state_dict())[-1] == "scale_a%2Eb"
    other = type(scaler)(scaler.dims)
    other.load_state_dict(scaler.state_dict())
    assert torch.equal(other.scale_of("of"), scaler.scale_of("of"))


def test_a_native_file_keeps_names(odd):
    there, expected = affect.load(odd), corpus_of(NAMES)
    assert there.dims == SIZES
    for name in NAMES:
        found, wanted = there["test"].modalities[name], expected["test"].modalities[name]
        assert all(np.array_equal(found[i], wanted[i]) for i in range(12))


def test_a_csd_file_is_named_after_its_modality_and_never_after_another(tmp_path):
    names = ("wav2vec2.0", "a/b", "a%2Fb", "../up", "labels", "音频")
    to_csd(corpus_of(names), tmp_path / "out")
    stored_as = {
        "wav2vec2.0": 0, "a%2Fb": 1, "a%252Fb": 2, "..%2Fup": 3, "%6Cabels": 4, "音频": 5,
    }  # fmt: skip
    files = {stored: stored.replace("..", "%2E.") for stored in stored_as}
    assert {file.name for file in tmp_path.rglob("*.csd")} == {
        f"{name}.csd" for name in (*files.values(), "labels")
    }
    for stored, place in stored_as.items():
        with h5py.File(tmp_path / "out" / f"{files[stored]}.csd") as file:
            assert [*file] == [stored]
            assert file[stored]["data"]["test3"]["features"][1, 0] == pytest.approx(3.1 + 100 * place)


def test_names_of_subsets_are_told_apart():
    model = affect.FusionModel.for_corpus(corpus_of(["a", "b", "a + b"]))
    found = sweep(model, corpus_of(["a", "b", "a + b"])["test"], modality_subsets())
    names = found.conditions["condition"].tolist()[1:]
    assert names == ["only a + a %2B b", "only a + b", "only a %2B b + b", "only a", "only a %2B b", "only b"]
    assert [sorted(left_of(name)) for name in names] == [
        ["a", "a + b"], ["a", "b"], ["a + b", "b"], ["a"], ["a + b"], ["b"],
    ]  # fmt: skip
    points = Comparison([found], resamples=10).curves("mae")
    assert [bar.name for bar in contribution_chart(points, "mae", floor=1.0).data] == ["a", "a + b", "b"]


def test_pictures_and_tables_show_names_to_the_letter(capsys):
    names = ["<b>", "[/red]", "%{x}"]
    model = affect.FusionModel.for_corpus(corpus_of(names))
    points = Comparison([sweep(model, corpus_of(names)["test"], modality_subsets())], resamples=10).curves(
        "mae"
    )
    assert "&lt;b&gt;" in subset_map(points, "mae").data[0].x
    for bar in contribution_chart(points, "mae", floor=1.0).data:
        assert bar.hovertemplate == "%{y}, %{hovertext}: %{x:.3f}<extra></extra>"
    console = Console(width=200)
    for part in describe(corpus_of(["[red]", "[/red]"])):
        console.print(part)
    show([Table("[a]", "[b]", ["mae: mean, noise: [/red]"], [("[c]", [Cell("1")])])], console)
    out = capsys.readouterr().out
    for said in ("\n[red] ", "\n[/red] ", "train, [red]", "[a]", "[b]", "noise: [/red]", "[c]"):
        assert said in out


def test_compiled_under_any_names():
    corpus = corpus_of(NAMES[:3])
    model = affect.FusionModel.for_corpus(corpus, fusion=affect.fusion.LowRankFusion).eval()
    torch.compiler.reset()
    compiled = torch.compile(model.forward, backend="eager", fullgraph=True)
    inputs = next(iter(affect.batches(corpus["test"], batch_size=4))).inputs
    with torch.no_grad():
        assert torch.allclose(compiled(inputs).prediction, model(inputs).prediction, atol=1e-6)


CONFIGURATION = {
    "model": {
        "encoder": "LSTMEncoder",
        "encoders": {
            "wav2vec2.0": "GRUEncoder",
            "train": {"class_path": "ConvolutionalEncoder", "init_args": {"kernel": 5}},
        },
        "modalities": ["wav2vec2.0", "train", "a + b", "open.face"],
        "training_only": ["open.face"],
        "fusion": {"class_path": "MemoryFusion", "init_args": {"width": {"wav2vec2.0": 3, "train": 2, "a + b": 2, "open.face": 2}}},
        "imputer": "TranslationImputer",
        "width": 4,
    },
    "training": {
        "epochs": 1,
        "corruption": {"class_path": "ModalityDropout", "init_args": {"rate": {"wav2vec2.0": 0.5, "train": 0.1}}},
    },
}  # fmt: skip


def test_the_command_goes_the_whole_way(odd, tmp_path, capsys):
    config = tmp_path / "model.yaml"
    config.write_text(yaml.safe_dump({"corpus": str(odd), **CONFIGURATION}, allow_unicode=True))
    main(["train", str(config), "--out", str(tmp_path / "runs")])
    (folder,) = (tmp_path / "runs").glob("*/seed0-fold0")
    model = load_model(folder)
    assert model.modalities == ["a + b", "train", "wav2vec2.0"]
    assert type(model.encoders["wav2vec2.0"]).__name__ == "GRUEncoder"
    assert model.fusion.widths == {"a + b": 2, "open.face": 2, "train": 2, "wav2vec2.0": 3}
    main(["predict", str(folder), str(odd), "--out", str(tmp_path / "said.csv")])
    kept = pd.read_csv(folder / "predictions.csv").query("split == 'test'")
    said = pd.read_csv(tmp_path / "said.csv")
    assert said["prediction"].to_numpy() == pytest.approx(kept["prediction"].to_numpy(), abs=1e-6)
    main(["sweep", str(folder), "--out", str(tmp_path / "swept"), "--protocol", "fixed_subsets"])
    rows = pd.read_csv(tmp_path / "swept" / "robustness.csv")
    assert "only a %2B b + wav2vec2.0" in set(rows["condition"])
    main(["report", str(tmp_path / "runs"), "--out", str(tmp_path / "report.html")])
    assert "wav2vec2.0" in (tmp_path / "report.html").read_text()


def test_a_search_finds_dotted_names_and_writes_them_down(odd, tmp_path):
    space = {
        "*": "fixed",
        "model.encoders.open.face": ["PooledEncoder", "GRUEncoder"],
        "model.encoders.open.face.GRUEncoder.layers": [1, 2],
        "model.encoders.a + b.PooledEncoder.layers": {"low": 0, "high": 2},
    }
    path = tmp_path / "model.yaml"
    model = {"modalities": ["open.face", "a + b"]}
    path.write_text(yaml.safe_dump({"corpus": str(odd), "model": model, "search": {"space": space}}))
    task = task_of(path)
    assert {parameter.name for parameter, _ in task.space.every()} == {*space} - {"*"}
    written = yaml.safe_load(task.space.written())["search"]["space"]
    assert {**written, "*": "fixed"} == space
    values = {"model.encoders.open.face": "GRUEncoder", "model.encoders.open.face.GRUEncoder.layers": 2}
    content, _ = task.space.fill(lambda own: values.get(own.name, 0))
    found = yaml.safe_load(yaml.safe_dump(content))["model"]["encoders"]
    assert found["open.face"]["class_path"] == "affect.encoders.GRUEncoder"
    assert found["open.face"]["init_args"]["layers"] == 2
    assert found["a + b"]["init_args"]["layers"] == 0


def test_a_search_takes_brackets_for_themselves():
    encoder = {
        "class_path": "affect.encoders.pooled.PooledEncoder",
        "init_args": {"layers": 1, "dropout": 0.1},
    }
    content = {"corpus": "", "model": {"encoders": {"face[0]": encoder, "face0": encoder, "a: b": encoder}}}
    space = space_of(content, {"training.*": "fixed", "model.encoders.face[0].*": "fixed"}, "doc")
    names = [parameter.name for parameter in space.parameters]
    assert not [name for name in names if "[" in name]
    assert [name for name in names if "face0" in name]
    assert "model.encoders.a: b.PooledEncoder.layers" in yaml.safe_load(space.written())["search"]["space"]
    whole = space_of(content, {"model.encoders.face[0]": "fixed"}, "doc")
    assert not [parameter for parameter in whole.parameters if "[" in parameter.name]


def test_of_two_names_the_longer_one_is_meant(odd, tmp_path):
    path, corpus = tmp_path / "model.yaml", corpus_of(["open", "open.face"])
    save_corpus(corpus, tmp_path / "two.safetensors")
    space = {"*": "fixed", "model.encoders.open.face.PooledEncoder.layers": [0, 1]}
    path.write_text(yaml.safe_dump({"corpus": "two.safetensors", "search": {"space": space}}))
    content = task_of(path).space.content["model"]
    assert [*content["encoders"]] == ["open.face"]


def test_a_split_of_odd_names_is_taken_apart_and_joined():
    split = corpus_of(NAMES)["test"]
    again = Split.join([split.take(np.arange(4)), split.take(np.arange(4, 12))])
    assert [*again.modalities] == [*NAMES]
    assert replace(corpus_of(NAMES), name="other").select(["a/b"]).dims == {"a/b": SIZES["a/b"]}
