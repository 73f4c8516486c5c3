"""A learner of one's own, and what `fit` says of wrong arguments."""

import re
from functools import partial

import numpy as np
import pytest
import torch
from small import model_of

import affect
from affect.corruption import ModalityDropout
from affect.data import synthetic
from affect.encoders import PooledEncoder
from affect.errors import ConfigError
from affect.objectives import AbsoluteError
from affect.training import Learner, Training


@pytest.fixture(scope="module")
def tiny():
    return synthetic.interaction(samples={"train": 48, "valid": 24, "test": 24})


class Mixed(Learner):
    """Adds a term, keeps what it logged, and chooses its own optimiser."""

    def __init__(self, *given, share: float = 0.0, seen: list | None = None, **named):
        super().__init__(*given, **named)
        self.share, self.seen = share, seen

    def training_step(self, batch):
        loss = super().training_step(batch)
        self.log("train/loss", loss)
        return loss + self.share * self.predict(self.shown(batch)).prediction.square().mean()

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameter_groups(), lr=self.options.learning_rate)
        self.seen.append(type(optimizer).__name__)
        return optimizer


def test_a_learner_of_one_s_own_trains(tiny):
    seen, runs = [], []
    for share in (0.0, 5.0):
        learner = partial(Mixed, share=share, seen=seen)
        runs.append(affect.fit(model_of(tiny), tiny, training=Training(epochs=2), learner=learner))
    assert seen == ["SGD", "SGD"]
    assert not runs[0].predictions.equals(runs[1].predictions)


def test_the_hooks_make_up_the_step(tiny):
    model, other = model_of(tiny).eval(), model_of(tiny, seed=1).eval()
    batch = next(iter(affect.batches(tiny["train"], "sentiment")))
    learner = Learner(model, AbsoluteError(model.head.target), Training(), 0)
    output = learner.predict(learner.shown(batch))
    assert torch.equal(learner.training_step(batch), learner.mean(learner.supervised(output, batch), batch))
    taught = Learner(model, AbsoluteError(model.head.target), Training(), 0, teacher=other)
    assert taught.state_dict().keys() == learner.state_dict().keys()


PRECISE = partial(PooledEncoder, dropout=0.0)


def precise(corpus, **options):
    head = partial(affect.heads.RegressionHead, dropout=0.0)
    model = model_of(corpus, encoder=PRECISE, head=head)
    return affect.fit(model, corpus, training=Training(epochs=2, **options))


@pytest.mark.parametrize(("precision", "near"), [("64-true", 1e-5), ("bf16-true", 0.1), ("32-true", 0)])
def test_lightning_s_precisions_end_in_float32(tiny, precision, near):
    scaler = {name: x.clone() for name, x in model_of(tiny).scaler.state_dict().items()}
    one, other = precise(tiny), precise(tiny, precision=precision)
    assert {x.dtype for x in other.model.state_dict().values()} == {torch.float32}
    assert all(torch.equal(x, scaler[name]) for name, x in other.model.scaler.state_dict().items())
    apart = np.abs(one.predictions["prediction"] - other.predictions["prediction"]).max()
    assert apart <= near
    assert (apart > 0) == (near > 0)


def test_a_teacher_is_heard_in_any_precision(tiny):
    teacher = model_of(tiny, seed=1).eval()
    options = Training(epochs=1, precision="64-true", corruption=ModalityDropout(rate=0.3), consistency=0.1)
    run = affect.fit(model_of(tiny), tiny, training=options, teacher=teacher)
    assert np.isfinite(run.predictions["prediction"]).all()
    assert {x.dtype for x in teacher.state_dict().values()} == {torch.float32}


def test_progress_is_told_epoch_by_epoch_and_nothing_is_shown_without_a_terminal(tiny, capsys):
    told = []
    run = affect.fit(
        model_of(tiny), tiny, training=Training(epochs=2, monitor="pearson"),
        progress=lambda done, most, found: told.append((done, most, found)),
    )  # fmt: skip
    last, best = run.history["pearson"].iloc[-1], run.history["pearson"].max()
    assert [row[:2] for row in told] == [(0, 2), (1, 2), (2, 2)]
    assert told[-1][2] == f"pearson {last:.4f}, best {best:.4f}"
    affect.fit(model_of(tiny), tiny, training=Training(epochs=1), progress=True)
    assert capsys.readouterr() == ("", "")


def test_on_a_terminal_there_is_a_bar(tiny, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    affect.fit(model_of(tiny), tiny, training=Training(epochs=1), progress=True, name="toy")
    out, err = capsys.readouterr()
    assert out == ""
    assert "toy" in err
    assert "epochs" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"model": affect.FusionModel},
            "fit: expected a FusionModel, got the class FusionModel; make one: "
            "affect.FusionModel.for_corpus(corpus)",
        ),
        (
            {"corpus": "mosi.pkl"},
            "fit: expected a Corpus, got the text 'mosi.pkl'; read it first: affect.load('mosi.pkl')",
        ),
        ({"seed": "7"}, "fit: seed must be a whole number, at least 0, got the text '7'"),
        ({"seed": -1}, "fit: seed must be at least 0, got -1"),
        ({"training": {}}, "fit: training: expected a Training, got a dict; write affect.Training()"),
        (
            {"training": Training},
            "fit: training: expected a Training, got the class Training; "
            "write affect.Training(epochs=20), with what is to differ from its defaults",
        ),
        (
            {"objective": "AbsoluteError"},
            "fit: objective: expected an Objective class or functools.partial of one, "
            "got the text 'AbsoluteError'; give affect.objectives.AbsoluteError",
        ),
        (
            {"teacher": "runs/best"},
            "fit: teacher: expected a FusionModel, got the text 'runs/best'; make one: "
            "affect.FusionModel.for_corpus(corpus)",
        ),
        (
            {"learner": torch.nn.Linear},
            "fit: learner: expected a class derived from affect.training.Learner, got the class torch.Linear",
        ),
        (
            {"init": "runs/best"},
            "init: expected a FusionModel or its state_dict, got the text 'runs/best'; "
            "affect.runs.load_model(RUN) gives a run's",
        ),
        (
            {"training": Training(strategy="dpp")},
            None,
        ),
    ],
)  # fmt: skip
def test_refusals(tiny, arguments, message):
    arguments = {"model": model_of(tiny), "corpus": tiny, **arguments}
    with pytest.raises(ConfigError, match=None if message is None else f"^{re.escape(message)}$") as found:
        affect.fit(**arguments)
    assert "\n" not in str(found.value)
