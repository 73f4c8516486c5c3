"""What the README shows works as it stands there."""

import re
from pathlib import Path

import yaml

from affect.runs.configuration import parse
from affect.tuning import task_of

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_python_in_the_readme_runs(capsys):
    names = {}
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 5
    for block in blocks:
        exec(block, names)
    assert "TensorFusion" in capsys.readouterr().out


def test_the_configuration_in_the_readme_is_one():
    dialogue, block, terms, translation, stages, _ = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert parse(yaml.safe_load(dialogue), "README").model.causal
    assert parse(yaml.safe_load(block), "README").seeds == [0, 1, 2]
    misa = parse({"corpus": "synthetic", **yaml.safe_load(terms)}, "README")
    assert [*misa.terms] == ["alike", "apart", "rebuilt"]
    told = parse({"corpus": "synthetic", **yaml.safe_load(translation)}, "README")
    assert told.model.training_only == ["acoustic", "visual"]
    staged = parse({"corpus": "synthetic", **yaml.safe_load(stages)}, "README")
    assert [one.supervised for one in staged.stages] == [0, 1]


def test_the_search_in_the_readme_is_one(tmp_path):
    *_, block = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    (fusion,) = re.findall(r"```python\n(from torch import Tensor, nn.*?)affect.testing", README, re.DOTALL)
    (tmp_path / "my_fusions.py").write_text(fusion)
    (tmp_path / "model.yaml").write_text(block)
    task = task_of(tmp_path / "model.yaml")
    varies = {parameter.name: parameter for parameter, _ in task.space.every()}
    assert [*varies["model.fusion"].branches] == ["TensorFusion", "LowRankFusion", "MyFusion"]
    assert varies["model.fusion.LowRankFusion.dropout"].distribution.high == 0.3
    assert not [name for name in varies if name.startswith("model.encoder.")]


def test_every_experiment_file_is_sound():
    from affect.benchmark import load, published

    for path in (Path(__file__).parents[1] / "experiments").glob("*.yaml"):
        experiment = load(path)
        assert len(published(experiment, path)) >= len(experiment.published)
