"""Coupled translation against loops, and the term that keeps it honest."""

import itertools
from functools import partial

import numpy as np
import pytest
from loops import apply, linear

import affect
from affect.data.targets import Regression
from affect.errors import ConfigError
from affect.fusion import CoupledTranslationFusion
from affect.objectives.terms import CoupledTranslation
from affect.testing.terms import TermPart
from affect.training import Training

DIMS = {"a": 2, "b": 3, "c": 4}
PAIRS = [*itertools.permutations(DIMS, 2)]
WIDTH = 4


def test_what_is_half_way_is_fused(built, sample):
    module = built(CoupledTranslationFusion, width=WIDTH)
    names = {pair: name for name, pair in module.ordered_pairs.items()}
    here = [m for m, x in sample.items() if x.present]
    u = {m: apply(module.project[m], sample[m].values[0, 0].tolist()) for m in here}

    def told(a, b, x):
        return linear(module.translate[names[a, b]], apply(module.halfway[names[a, b]], x))

    whole = dict(u)
    for m in DIMS:
        if m not in whole:
            lot = [told(other, m, u[other]) for other in here]
            whole[m] = np.mean(lot, 0).tolist() if lot else [0.0] * WIDTH
    middle = [v for a, b in PAIRS for v in apply(module.halfway[names[a, b]], whole[a])]
    out, extras = module.with_extras(sample)
    assert out.values[0, 0].tolist() == pytest.approx(linear(module.out, middle), abs=1e-9)
    for place, (a, b) in enumerate(PAIRS):
        there = told(a, b, u[a]) if a in u else [0.0] * WIDTH
        back = told(b, a, there) if a in u else [0.0] * WIDTH
        assert extras["translated"][0, place].tolist() == pytest.approx(there, abs=1e-9)
        assert extras["returned"][0, place].tolist() == pytest.approx(back, abs=1e-9)


def test_the_term_is_the_squared_distances():
    part = TermPart(
        CoupledTranslation, ("a", "b", "c"), Regression("t"), partial(CoupledTranslationFusion, width=WIDTH)
    )
    model, _ = part.made()
    own, seen = CoupledTranslation(model, (), cycle=0.4).double(), part.seen(model, part.batch())
    extras = {name: x.detach().numpy() for name, x in seen.output.extras.items() if name != "imputation"}
    places, values = {m: at for at, m in enumerate(DIMS)}, []
    for row in range(12):
        for place, (a, b) in enumerate(PAIRS):
            if seen.present[a][row] and seen.present[b][row]:
                there = extras["translated"][row, place] - extras["projected"][row, places[b]]
                back = extras["returned"][row, place] - extras["projected"][row, places[a]]
                values.append(np.mean(there**2) + 0.4 * np.mean(back**2))
    assert own(seen).item() == pytest.approx(np.mean(values), rel=1e-9)


def test_translations_come_near():
    corpus = affect.load("synthetic:shared:aligned")
    left = []
    for weight in (0.0, 1.0):
        fusion = partial(CoupledTranslationFusion, width=8, dropout=0.0)
        model = affect.FusionModel.for_corpus(corpus, "sentiment", seed=0, width=8, fusion=fusion)
        terms = {"coupled": partial(CoupledTranslation, weight=weight)}
        history = affect.fit(
            model, corpus, training=Training(epochs=3, learning_rate=0.01), terms=terms
        ).history
        left.append(history["term: coupled"].iloc[-1])
    assert left[1] < left[0] / 2


def test_one_modality_and_a_width_of_one_are_refused():
    with pytest.raises(ConfigError, match="needs 2 modalities"):
        CoupledTranslationFusion({"a": 2}, 3)
    with pytest.raises(ConfigError, match="^CoupledTranslationFusion: width must be at least 2, got 1$"):
        CoupledTranslationFusion(DIMS, 3, width=1)
