"""`affect list`, `affect --version`, completion and tables that are piped."""

import subprocess
import sys

import pandas as pd
import pytest

import affect
from affect.cli import main
from affect.cli.listing import kinds, section
from affect.data.native import save
from affect.report import frame_table, show


def lines(arguments, capsys):
    main(arguments)
    return capsys.readouterr().out.splitlines()


def test_the_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"affect {affect.__version__}\n"


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom affect.cli import main\ntry:\n    main(['train', '--help'])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'torch', 'numpy', 'pandas', 'yaml', 'rich', 'lightning', 'optuna'} & {*sys.modules}))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[-1] == "[]"


def test_every_kind_is_counted(capsys):
    said = dict(line.split() for line in lines(["list"], capsys))
    assert {"fusions", "encoders", "aligners", "imputers", "corruptions", "metrics", "heads", "poolings"} <= {
        *said
    }
    assert {"objectives", "baselines", "corpora", "formats", "protocols"} <= {*said}
    assert said == {kind: str(len(make())) for kind, make in kinds().items()}
    assert all(int(count) > 0 for count in said.values())


def test_a_part_has_one_line_with_its_papers_name(capsys):
    said = lines(["list", "fusions"], capsys)
    names = [line.split()[0] for line in said]
    assert names == sorted(
        {*affect.fusion.__all__} - {"Fusion", "FusionFactory", "ProjectedFusion", "VectorFusion"}
    )
    assert lines(["list", "fusions", "[TFN"], capsys) == [
        "TensorFusion  The outer product of all vectors with a one in front of each, then a linear layer.  "
        "[TFN; Zadeh et al., Tensor Fusion Network for Multimodal Sentiment Analysis, EMNLP 2017]"
    ]
    assert [line.split()[0] for line in lines(["list", "fusions", "tensor", "rank"], capsys)] == [
        "LowRankFusion"
    ]


def test_a_new_part_is_listed(monkeypatch, capsys):
    class Newest(affect.VectorFusion):
        """The newest one.

        Also known as:
            NEW, N2.
        """

        def combine(self, vectors, present):
            return vectors

    monkeypatch.setattr(affect.fusion, "Newest", Newest, raising=False)
    monkeypatch.setattr(affect.fusion, "__all__", [*affect.fusion.__all__, "Newest"])
    monkeypatch.setattr(Newest, "__module__", "affect.fusion.newest")
    assert lines(["list", "fusions", "newest"], capsys) == ["Newest  The newest one.  [NEW, N2]"]


@pytest.mark.parametrize("kind", ["fusions", "encoders", "imputers", "aligners", "metrics"])
def test_every_line_says_something(kind, capsys):
    assert all(len(line.split()) > 3 for line in lines(["list", kind], capsys))


def test_a_published_fusion_says_what_papers_call_it():
    without = {
        name
        for name in affect.fusion.__all__
        if "Reference:" in (getattr(affect.fusion, name).__doc__ or "")
        and not section(getattr(affect.fusion, name).__doc__.replace("\n    ", "\n"), "Also known as")
    }
    assert without <= {"GatedAdditionFusion"}  # its paper has no name for it


def test_a_table_that_is_piped_is_whole(capsys):
    name = "a model with a long name, " * 8
    frame = pd.DataFrame({name: [name], **{f"metric {i} (n=400)": [0.5] for i in range(20)}})
    show([frame_table(frame, "one")])
    title, head, row, *_ = capsys.readouterr().out.splitlines()
    assert head.split("  ")[0] == name.strip()
    assert head.count("(n=400)") == 20
    assert row.count("0.500") == 20


def test_a_shell_completes(capsys):
    pytest.importorskip("shtab")
    with pytest.raises(SystemExit, match="0"):
        main(["--print-completion", "bash"])
    assert "--seeds" in capsys.readouterr().out


def test_what_can_be_named_is_listed_and_what_is_to_be_derived_from_is_not(capsys):
    said = [line.split()[0] for line in lines(["list", "corruptions"], capsys)]
    assert {"Compose", "StepDropout", "ModalityDropout", "GaussianNoise"} <= {*said}
    assert not {"Corruption", "StepLoss", "ModalityLoss"} & {*said}


def test_a_corpus_is_described_without_what_trains(tmp_path):
    save(affect.load("synthetic"), tmp_path / "a.safetensors")
    code = (
        "import sys\nfrom affect.cli import main\nmain(['inspect', sys.argv[1]])\n"
        "print(sorted({'lightning', 'optuna', 'transformers', 'affect.training'} & {*sys.modules}))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.safetensors")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[-1] == "[]"


def test_lightning_is_imported_by_what_trains_alone():
    code = (
        "import sys\nfrom affect.cli import main\nmain(['list', 'papers'])\n"
        "import affect.benchmark, affect.report, affect.retrieval, affect.robustness, affect.transfer, affect.tuning\n"
        "print('lightning' in sys.modules)\n"
        "import affect.training.learner\nprint('lightning' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[-2:] == ["False", "True"]
