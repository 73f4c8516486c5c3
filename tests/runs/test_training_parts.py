"""Optimisers, schedules, learners and the weights to begin with, in a configuration."""

import json
import re
from functools import partial

import pytest
import torch
import yaml
from unsealed import unseal

import affect
from affect.classes import beside
from affect.errors import ConfigError
from affect.runs import Job
from affect.runs.configuration import complete, parse
from affect.runs.starting import start_from_run
from affect.training import Training

MODULE = """
import torch
from affect.training import Learner


def halved(optimizer, gamma=0.5):
    return torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma)


def descent(groups, lr, momentum=0.0):
    return torch.optim.SGD(groups, lr=lr, momentum=momentum)


class Calm(Learner):
    def __init__(self, *given, calm: float = 0.01, **named):
        super().__init__(*given, **named)
        self.calm = calm

    def supervised(self, output, batch):
        return super().supervised(output, batch) + self.calm * output.prediction.square().mean((1, 2))
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.py").write_text(MODULE)
    return tmp_path


def parsed(folder, training=None, **more):
    return parse({"corpus": "synthetic", "training": training or {}, **more}, "c.yaml", beside(folder))


def test_an_optimiser_and_a_schedule_are_classes_or_functions(folder):
    training = parsed(folder, {"optimizer": "SGD", "schedule": "mine.halved"}).training
    assert training.optimizer.func is torch.optim.SGD
    assert not {"lr", "weight_decay"} & training.optimizer.keywords.keys()
    assert (training.schedule.func.__name__, training.schedule.keywords) == ("halved", {"gamma": 0.5})
    named = {"class_path": "mine.descent", "init_args": {"momentum": 0.9}}
    assert parsed(folder, {"optimizer": named}).training.optimizer.keywords == {"momentum": 0.9}


def test_a_learner_s_own_arguments_are_all_that_it_has(folder):
    learner = parsed(folder, learner={"class_path": "mine.Calm", "init_args": {"calm": 0.2}}).learner
    assert (learner.func.__name__, learner.keywords) == ("Calm", {"calm": 0.2})


def test_every_option_is_written_out_and_read_again():
    content = complete({"corpus": "synthetic"}, "doc")
    again = parse(yaml.safe_load(yaml.safe_dump(content)), "doc").training
    options = {name: value for name, value in vars(again).items() if name != "optimizer"}
    assert options == {name: value for name, value in vars(Training()).items() if name != "optimizer"}
    assert isinstance(again.optimizer, partial)
    assert again.optimizer.func is torch.optim.AdamW


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"training": {"optimizer": {"class_path": "SGD", "init_args": {"lr": 0.1}}}},
            "c.yaml: training: optimizer: lr is the training's own; write learning_rate beside optimizer",
        ),
        (
            {"training": {"schedule": "mine.halvd"}},
            "c.yaml: training: schedule: no LRScheduler 'halvd' in mine; did you mean 'halved'? "
            "known: descent, halved",
        ),
        (
            {"training": {"schedule": {"class_path": "mine.halved", "init_args": {"gama": 1}}}},
            "c.yaml: training: schedule: halved has no argument 'gama'; did you mean 'gamma'? known: gamma",
        ),
        ({"learner": "mine.halved"}, "c.yaml: learner: no Learner 'halved' in mine; known: Calm"),
        (
            {"learner": {"class_path": "mine.Calm", "init_args": {"clam": 1}}},
            "c.yaml: learner: Calm has no argument 'clam'; did you mean 'calm'? known: calm",
        ),
    ],
)
def test_refusals(folder, content, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        parsed(folder, **content)


def test_a_run_begins_with_another_s_weights(folder, caplog):
    options = {"epochs": 1, "optimizer": "mine.descent", "schedule": "mine.halved", "class_weights": None}
    content = {"corpus": "synthetic", "training": options, "model": {"width": 4, "out_dim": 4}}
    told = []
    first = Job({**content, "learner": "mine.Calm"}, "m", 3, 0, folder, folder / "runs" / "seed3")
    first.run(progress=lambda *done: told.append(done[:2]))
    assert told == [(0, 1), (1, 1)]
    content = {"corpus": "synthetic", "training": options, "init": "runs/seed{seed}"}
    second = Job({**content, "model": {"width": 4, "out_dim": 5}}, "m", 3, 0, folder, folder / "second")
    second.run()
    assert first.done
    assert second.done
    assert json.loads((folder / "second" / "run.json").read_text())["learned_from"].keys() == {"init"}
    taken = r"init: \d+ of \d+ tensors taken from .*seed3; new: fusion\.layers\.0\.weight \(5, 12\), .*"
    assert re.fullmatch(taken, caplog.messages[-1])
    corpus = affect.load("synthetic")
    path = unseal(folder / "runs" / "seed3") / "run.json"
    facts = json.loads(path.read_text())
    del facts["shape"]["scaled"]  # as of a baseline
    path.write_text(json.dumps(facts))
    with pytest.raises(
        ConfigError, match="a baseline has no weights to begin with; name a run of a torch model$"
    ):
        start_from_run(affect.FusionModel.for_corpus(corpus), folder / "runs" / "seed3", corpus)
