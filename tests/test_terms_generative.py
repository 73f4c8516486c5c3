"""Generative terms, the autoencoder of a correlation, and the way back of an imputer: loops that say the same."""

import math
from functools import partial

import numpy as np
import pytest
import torch

import affect
from affect.corruption.draws import Draws
from affect.data.targets import Regression
from affect.errors import ConfigError
from affect.fusion import SharedPrivateFusion
from affect.imputation import CascadeImputer
from affect.objectives.terms import CanonicalCorrelation, FactorisedCodes, SharedLatent
from affect.sequences import Sequence
from affect.testing import check_imputer
from affect.testing.terms import TermPart, check_term
from affect.training import Training

NAMES = ("a", "b", "c")
ROWS = range(12)


def made(term, **options):
    part = TermPart(term, NAMES, Regression("t"), SharedPrivateFusion)
    model, _ = part.made()
    torch.manual_seed(1)
    return term(model, (), **options).double(), part.seen(model, part.batch())


def features(seen, m, row):
    """The mean of the observed, undamaged steps; the model has no scaler."""
    x = seen.batch.inputs[m]
    return x.values[row][x.mask[row]].mean(0).numpy() if x.mask[row].any() else None


def applied(module, x):
    return module(torch.as_tensor(x)).detach().numpy()


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("by", ["product", "mixture"])
def test_a_latent_is_what_loops_say(by, published):
    own, seen = made(SharedLatent, by=by, divergence=0.3, width=4, published=published)
    draws = Draws(seen.batch.ids, seen.draw).apart("SharedLatent")
    together = np.sum if published else np.mean
    values = []
    for row in ROWS:
        density = {}
        for m in NAMES:
            if seen.present[m][row]:
                mean, raw = np.split(applied(own.experts[m], seen.vectors[m][row].detach()), 2)
                density[m] = mean, np.log1p(np.exp(raw)) + 1e-3
        known = {m: x for m in NAMES if (x := features(seen, m, row)) is not None}
        drawn = []
        lots = [[m] for m in NAMES] if by == "mixture" else [NAMES, *([m] for m in NAMES)]
        for lot in lots:
            here = [m for m in lot if m in density]
            told = [m for m in (known if by == "mixture" else lot) if m in known]
            if not here or not told:
                continue
            if by == "mixture":
                mean, precision = density[here[0]]
            else:
                precision = 1 + sum(density[m][1] for m in here)
                mean = sum(density[m][0] * density[m][1] for m in here) / precision
            name = "all" if len(lot) > 1 else lot[0]
            code = mean + draws.normal(name, 4)[row].numpy() / np.sqrt(precision)
            errors = [together((applied(own.decode[m], code) - known[m]) ** 2) / 2 for m in told]
            apart = together((mean**2 + 1 / precision - 1 + np.log(precision)) / 2)
            drawn.append((sum(errors) if published else np.mean(errors)) + 0.3 * apart)
        if drawn:
            values.append(np.mean(drawn))
    assert own(seen).item() == pytest.approx(np.mean(values), rel=1e-9)


def test_codes_are_what_loops_say():
    own, seen = made(FactorisedCodes, prior=0.4, width=3)
    draws = Draws(seen.batch.ids, seen.draw).apart("FactorisedCodes")
    shared, private = seen.extra("shared"), seen.extra("private")
    common, lots, errors = {}, {"common": []}, []
    for row in ROWS:
        parts = [shared[m][row].detach().numpy() for m in NAMES if seen.present[m][row]]
        if parts:
            common[row] = applied(own.common, np.mean(parts, 0))
            lots["common"].append((common[row], draws.normal("common", 3)[row].numpy()))
    for m in NAMES:
        lots[m], squares = [], []
        for row in ROWS:
            if seen.present[m][row]:
                code = applied(own.own[m], private[m][row].detach())
                lots[m].append((code, draws.normal(m, 3)[row].numpy()))
                told = applied(own.decode[m], np.concatenate([common[row], code]))
                squares.append(np.mean((told - features(seen, m, row)) ** 2))
        errors.append(np.mean(squares))

    def apart(pairs):
        x, y = ([one[side] for one in pairs] for side in (0, 1))
        every = [*x, *y]
        squares = {
            (i, j): ((p - q) ** 2).sum() for i, p in enumerate(every) for j, q in enumerate(every) if i != j
        }
        middle = float(np.median([*squares.values()]))
        kernel = {
            pair: sum(math.exp(-d / middle / wide) for wide in (0.25, 0.5, 1, 2, 4))
            for pair, d in squares.items()
        }
        n = len(x)
        within = [
            np.mean([k for (i, j), k in kernel.items() if (i < n) == (j < n) == side])
            for side in (True, False)
        ]
        return sum(within) - 2 * np.mean([kernel[i, n + j] for i in range(n) for j in range(n)])

    expected = np.mean(errors) + 0.4 * np.mean([apart(lots[name]) for name in ("common", *NAMES)])
    assert own(seen).item() == pytest.approx(expected, rel=1e-9)


def test_a_modality_is_told_from_another_by_a_latent():
    """One that is a turned copy, by the code of the other alone: far better than the mean, which costs 1."""
    rng, samples = np.random.default_rng(0), []
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    for row in range(240):
        x = rng.normal(size=(1, 4))
        split = "train" if row < 200 else "valid"
        samples.append(affect.Sample(f"s{row}", {"a": x, "b": x @ turn}, {"y": float(x.mean())}, split=split))
    corpus = affect.Corpus.from_samples(samples, name="turned")
    model = affect.FusionModel.for_corpus(corpus, seed=0, width=8)
    terms = {"latent": partial(SharedLatent, by="mixture", weight=10.0, divergence=0.001)}
    run = affect.fit(
        model, corpus, training=Training(epochs=25, learning_rate=0.02, patience=25), terms=terms
    )
    own = run.terms["latent"]
    (batch,) = affect.batches(corpus["valid"], batch_size=40)
    with torch.inference_mode():
        mean, _ = own.experts["a"](run.model.eval().encode(batch.inputs)["a"].mean()).chunk(2, -1)
        truth = run.model.scaler(batch.inputs)["b"].mean()
        error = (own.decode["b"](mean) - truth).square().mean()
    assert error < 0.3


def test_a_correlation_may_have_an_autoencoder():
    own, seen = made(CanonicalCorrelation, width=2, autoencoder=0.6)
    plain = super(CanonicalCorrelation, own).forward(seen).item()
    errors = []
    for m in NAMES:
        squares = []
        for row in ROWS:
            if seen.present[m][row]:
                vector = seen.vectors[m][row].detach()
                told = applied(own.decode[m], own.project[m](vector).detach())
                squares.append(np.mean((told - vector.numpy()) ** 2))
        errors.append(np.mean(squares))
    assert own(seen).item() == pytest.approx(plain + 0.6 * np.mean(errors), rel=1e-9)
    check_term(partial(CanonicalCorrelation, width=2, autoencoder=0.6))


def test_a_cascade_may_imagine_back():
    torch.manual_seed(0)
    dims = {"a": 2, "b": 3, "c": 4}
    own = CascadeImputer(dims, width=6, backward=0.5).double().eval()
    present = {"a": [1, 1, 0], "b": [1, 0, 1], "c": [1, 1, 1]}
    vectors = {
        m: torch.randn(3, d, dtype=torch.float64) * torch.tensor(present[m]).unsqueeze(1)
        for m, d in dims.items()
    }
    inputs = {m: Sequence.vector(v, torch.tensor(present[m], dtype=torch.bool)) for m, v in vectors.items()}

    def imagined(cascade, given):
        total = sum(cascade.project[m](v) for m, v in given.items())
        for block in cascade.blocks:
            change = block(total)
            total = total + change
        return {m: cascade.imagine[m](change).detach().numpy() for m in dims}

    expected = []
    for row in range(3):
        here = [m for m in dims if present[m][row]]
        errors = []
        for m in here:
            rest = [other for other in here if other != m]
            guess = imagined(own, {other: vectors[other][row] for other in rest})[m]
            back = imagined(own.back, {m: torch.as_tensor(guess)})
            returned = [np.mean((back[other] - vectors[other][row].numpy()) ** 2) for other in rest]
            errors.append(np.mean((guess - vectors[m][row].numpy()) ** 2) + 0.5 * np.mean(returned))
        expected.append(np.mean(errors))
    assert own.error(inputs).tolist() == pytest.approx(expected, rel=1e-9)
    assert CascadeImputer(dims).back is None
    check_imputer(partial(CascadeImputer, backward=0.5), modalities=(3,))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda model: SharedLatent(model, (), by="sum"), "by: no 'sum'; known: mixture, product"),
        (lambda model: SharedLatent(model, (), divergence=-1), "divergence"),
        (lambda model: SharedLatent(model, (), width=0), "width"),
        (lambda model: FactorisedCodes(model, (), prior=-1), "prior"),
        (lambda model: CanonicalCorrelation(model, (), autoencoder=-1), "autoencoder"),
        (lambda model: CascadeImputer({"a": 1, "b": 1}, backward=-1), "backward"),
    ],
)
def test_what_cannot_be_made_is_refused(make, message):
    model = affect.FusionModel.for_shape(dict.fromkeys(NAMES, 2), Regression("t"), aligned=False)
    with pytest.raises(ConfigError, match=message):
        make(model)
