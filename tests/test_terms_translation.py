"""Translation: a loop that says the same, and a model that reads the source alone in use."""

import math
import subprocess
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch

import affect
from affect.corruption import ModalityDropout
from affect.corruption.draws import Draws
from affect.data.native import save
from affect.data.ragged import Ragged
from affect.data.targets import Regression
from affect.encoders import EmbeddingEncoder, StepEncoder
from affect.errors import ConfigError
from affect.fusion import ConcatenationFusion
from affect.objectives.terms import Translation
from affect.testing.terms import TermPart

NAMES = ("a", "b", "c")
STEPS = 4


def numbers(linear):
    bias = 0.0 if linear.bias is None else linear.bias.detach().numpy()
    return linear.weight.detach().numpy(), bias


def linear(layer, x):
    weight, bias = numbers(layer)
    return weight @ x + bias


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gru(cell, x, h):
    """The gated unit, written out."""
    given = cell.weight_ih.detach().numpy() @ x + cell.bias_ih.detach().numpy()
    kept = cell.weight_hh.detach().numpy() @ h + cell.bias_hh.detach().numpy()
    (r, z, n), (hr, hz, hn) = np.split(given, 3), np.split(kept, 3)
    r, z = sigmoid(r + hr), sigmoid(z + hz)
    return (1 - z) * np.tanh(n + r * hn) + z * h


def decoded(decoder, source, truth, forced):
    """What a decoder tells of one sample, and its states, from lists of vectors."""
    state = np.tanh(linear(decoder.begin, np.mean(source, 0)))
    before, told, states = np.zeros(len(truth[0])), [], []
    for step, true in enumerate(truth):
        asked = linear(decoder.ask, state)
        scores = [linear(decoder.keys, one) @ asked / math.sqrt(len(asked)) for one in source]
        shares = np.exp(scores - np.max(scores)) / np.exp(scores - np.max(scores)).sum()
        heard = sum(share * one for share, one in zip(shares, source, strict=True))
        state = gru(decoder.cell, np.concatenate([before, heard]), state)
        told.append(linear(decoder.out, np.concatenate([state, heard])))
        states.append(state)
        before = true if forced[step] else told[-1]
    return told, states


def evenly(steps):
    kept = min(len(steps), STEPS)
    return [steps[(2 * place + 1) * len(steps) // (2 * kept)] for place in range(kept)]


def error(told, truth):
    return np.mean([np.mean((one - true) ** 2) for one, true in zip(told, truth, strict=True)])


@pytest.mark.parametrize("cycle", [0.0, 0.7])
def test_translation_is_what_a_loop_says(cycle):
    part = TermPart(Translation, NAMES, Regression("t"), ConcatenationFusion, StepEncoder)
    model, _ = part.made()
    torch.manual_seed(1)
    own = Translation(model, ("x",) * 12, source="b", cycle=cycle, steps=STEPS, width=5).double()
    batch = part.batch()
    seen = part.seen(model, batch)
    draws = Draws(batch.ids, seen.draw).apart("Translation")
    losses, encoded = [], seen.output.encoded["b"]
    for m in ("a", "c"):
        there = draws.uniform(m, STEPS) < 0.5
        back = draws.uniform(f"{m} and back", STEPS) < 0.5
        for row in range(12):
            source = [v.detach().numpy() for v in encoded.values[row][encoded.mask[row]]]
            x = batch.inputs[m]  # the model has no scaler
            truth = evenly([v.numpy() for v in x.values[row][x.mask[row]]]) if x.mask[row].any() else []
            if not source or not truth:
                continue
            told, states = decoded(own.there[m], source, truth, there[row])
            losses.append(error(told, truth))
            if cycle:
                returned, _ = decoded(own.back[m], states, evenly(source), back[row])
                losses[-1] += cycle * error(returned, evenly(source))
    assert own(seen).item() == pytest.approx(np.mean(losses), rel=1e-9)


def test_a_step_is_told_from_another_modality_that_holds_it():
    """Targets are a turned copy of the source: what is left of them is little, and of foreign ones is not."""
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    samples = []
    for row in range(160):
        x = rng.normal(size=(1, 3)).repeat(4, 0) + 0.1 * rng.normal(size=(4, 3))
        foreign = rng.normal(size=(4, 3))
        split = "train" if row < 120 else "valid"
        samples.append(
            affect.Sample(f"s{row}", {"a": x, "b": x @ turn, "c": foreign}, {"y": x.mean()}, split=split)
        )
    corpus = affect.Corpus.from_samples(samples, name="turned")
    model = affect.FusionModel.for_corpus(corpus, encoder=partial(StepEncoder, dropout=0.0), seed=0, width=8)
    terms = {m: partial(Translation, source="a", targets=[m], weight=1.0, cycle=0.1) for m in ("b", "c")}
    options = affect.Training(epochs=8, learning_rate=0.01, patience=8)
    history = affect.fit(model, corpus, training=options, terms=terms).history
    assert history["term: b"].iloc[-1] < 0.4 < 0.8 < history["term: c"].iloc[-1]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("translated")
    corpus = affect.load("synthetic:mosi_unaligned:40")
    save(corpus, folder / "whole.safetensors")
    corpus = affect.load(folder / "whole.safetensors")
    others = ["acoustic", "visual"]
    model = affect.FusionModel.for_corpus(corpus, training_only=others, encoder=StepEncoder, width=8, seed=0)
    dropped = ModalityDropout(rate=1.0, spare=False, modalities=others)
    options = affect.Training(epochs=1, corruption=dropped)
    made = affect.fit(model, corpus, training=options, terms={"told": partial(Translation, steps=4)})
    assert made.history["term: told"].item() > 0
    return made.save(folder / "run"), corpus, folder


PREDICT = """
import sys
import affect
for file in sys.argv[2:]:
    affect.runs.predict(sys.argv[1], file).to_csv(file + ".csv")
"""


def test_the_source_alone_is_read_in_use(run):
    """Bit for bit in a fresh process, where the other modalities of the file are noise, or are not there."""
    path, corpus, folder = run
    rng, others = np.random.default_rng(0), ("acoustic", "visual")
    noise = {
        m: {
            name: replace(split.modalities[m], values=rng.normal(size=split.modalities[m].values.shape).astype("f4"))
            for name, split in corpus.splits.items()
        }
        for m in others
    }  # fmt: skip
    nothing = {
        m: {
            name: Ragged.from_rows([None] * len(split), corpus.dims[m])
            for name, split in corpus.splits.items()
        }
        for m in others
    }
    files = ["whole.safetensors"]
    for kind, rows in (("noise", noise), ("nothing", nothing)):
        changed = corpus
        for m in others:
            changed = changed.with_modality(m, rows[m])
        save(changed, folder / f"{kind}.safetensors")
        files.append(f"{kind}.safetensors")
    without = {
        name: replace(split, modalities={"text": split.modalities["text"]})
        for name, split in corpus.splits.items()
    }
    save(replace(corpus, splits=without, columns={}, provenance={}), folder / "text.safetensors")
    done = subprocess.run(
        [sys.executable, "-c", PREDICT, str(path), *(str(folder / file) for file in (*files, "text.safetensors"))],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = [pd.read_csv(folder / f"{file}.csv", dtype=str) for file in (*files, "text.safetensors")]
    assert len(said[0]) > 0
    for one in said[1:]:
        pd.testing.assert_frame_equal(said[0], one)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "d"}, "source: no 'd'"),
        ({"targets": ["d"]}, "targets: no 'd'"),
        ({"source": "a", "targets": ["a"]}, "targets: no 'a'"),
        ({"targets": []}, "none is left beside the source 'a'"),
        ({"forcing": 2}, "forcing"),
        ({"cycle": -1}, "cycle"),
        ({"steps": 0}, "steps"),
        ({"source": "b", "targets": ["a"]}, "'a' holds word indices"),
    ],
)
def test_what_cannot_be_translated_is_refused(options, message):
    encoders = {"a": partial(EmbeddingEncoder, size=5)}
    target = Regression("t")
    model = affect.FusionModel.for_shape(dict.fromkeys(NAMES, 1), target, aligned=False, encoders=encoders)
    with pytest.raises(ConfigError, match=message):
        Translation(model, (), **options)
