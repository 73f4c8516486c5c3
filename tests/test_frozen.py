"""A run with a frozen pretrained encoder: its weights are taken from where they came, and from nowhere else."""

import functools
import shutil

import numpy as np
import pytest

import affect
from affect.data.ragged import Ragged, Words
from affect.encoders import PretrainedEncoder
from affect.errors import DataError

pytest.importorskip("transformers", reason="needs affect[text]")

from small_encoders import bert  # noqa: E402, needs transformers

from affect.data.text import tokenize  # noqa: E402

ROWS = [["so", "good"], ["bad"], ["unbelievably", "bad", "film"], ["film", "so"]] * 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return bert(tmp_path_factory.mktemp("frozen") / "bert")


@pytest.fixture(scope="module")
def corpus(folder):
    ids = tuple(f"s{i}" for i in range(len(ROWS)))
    truth = Ragged.vectors(np.arange(float(len(ROWS))))
    split = affect.Split(ids, {}, {"y": truth}, words=Words.from_rows(ROWS))
    whole = affect.Corpus(
        "toy", dict.fromkeys(("train", "valid", "test"), split), {"y": affect.Regression("y")}
    )
    return tokenize(whole, folder)


def trained(corpus, folder, **options):
    encoder = functools.partial(PretrainedEncoder, model=str(folder), **options)
    model = affect.FusionModel.for_corpus(corpus, seed=0, encoder=encoder, width=4, out_dim=4)
    return affect.fit(model, corpus, training=affect.Training(epochs=1))


@pytest.mark.parametrize("options", [{"trained": "none"}, {"trained": 1}, {"trained": "all"}], ids=str)
def test_frozen_layers_are_not_saved(corpus, folder, tmp_path, options):
    run = trained(corpus, folder, **options)
    again = affect.load_run(run.save(tmp_path / "run"))
    assert again.predict(corpus).equals(run.predict(corpus))
    frozen = sum(p.numel() * 4 for p in run.model.parameters() if not p.requires_grad)
    every = sum(x.numel() * x.element_size() for x in run.model.state_dict().values())
    stored = (tmp_path / "run" / "model.safetensors").stat().st_size
    if options["trained"] == "all":
        assert "frozen" not in again.facts
        assert stored > every
    else:
        assert again.facts["frozen"]["encoders.tokens"]["name"] == str(folder)
        assert stored < every - frozen + 6000  # names and sizes


def test_adapters_are_saved_without_what_they_adapt(corpus, folder, tmp_path):
    pytest.importorskip("peft", reason="needs affect[text]")
    run = trained(corpus, folder, lora=2)
    again = affect.load_run(run.save(tmp_path / "run"))
    assert again.predict(corpus).equals(run.predict(corpus))
    assert again.facts["frozen"].keys() == {"encoders.tokens"}


def test_other_weights_of_that_name_are_refused(corpus, folder, tmp_path):
    from safetensors.torch import load_file, save_file

    own = shutil.copytree(folder, tmp_path / "own")
    run = trained(corpus, own, trained="none")
    saved = run.save(tmp_path / "run")
    weights = {name: x * 2 for name, x in load_file(own / "model.safetensors").items()}
    save_file(weights, own / "model.safetensors", {"format": "pt"})
    with pytest.raises(DataError) as caught:
        affect.load_run(saved)
    was = affect.runs.FinishedRun.read(saved).facts["frozen"]["encoders.tokens"]["weights"][:12]
    said = str(caught.value)
    assert said.startswith(
        f"{saved / 'model.safetensors'}: encoders.tokens was trained on the frozen weights of '{own}', "
        f"SHA-256 {was}, and got SHA-256 "
    )
    assert said.endswith("; put back what was there, or train again")
