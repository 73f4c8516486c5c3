"""What the README shows works as it stands there."""

import re
from pathlib import Path

import yaml

from affect.configuration import parse

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_python_in_the_readme_runs(capsys):
    names = {}
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        exec(block, names)
    assert "TensorFusion" in capsys.readouterr().out


def test_the_configuration_in_the_readme_is_one():
    (block,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert parse(yaml.safe_load(block), "README").seeds == [0, 1, 2]


def test_every_experiment_file_is_sound():
    from affect.benchmark import load, published

    for path in (Path(__file__).parents[1] / "experiments").glob("*.yaml"):
        experiment = load(path)
        assert len(published(experiment, path)) >= len(experiment.published)
