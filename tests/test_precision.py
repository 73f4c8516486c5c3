"""A finite number that float32 cannot hold is an infinite one to whatever learns."""

from dataclasses import replace

import numpy as np
import torch

import affect
from affect.baselines import KernelSVM
from affect.data.corpus import Corpus
from affect.data.ragged import Ragged
from affect.training import Training

RNG = np.random.default_rng(0)


def corpora():
    """The same corpus in 64 and in 32 bits, with a value beyond float32 in every split."""
    whole = affect.load("synthetic")
    found = []
    for kind in (np.float64, np.float32):
        splits = {}
        for name, split in whole.splits.items():
            part = split.take(np.arange(40))
            rows = {}
            for m, x in part.modalities.items():
                flat = x.flat()
                values = flat.values.astype(np.float64)
                values[3, 1], values[5, 0] = 1e300, -1e39
                with np.errstate(over="ignore"):
                    rows[m] = Ragged.from_offsets(values.astype(kind), flat.offsets)
            splits[name] = replace(part, modalities=rows)
        found.append(Corpus("c", splits, whole.targets, main=whole.main))
    return found


def test_a_baseline_learns_and_predicts_the_same():
    said = []
    for corpus in corpora():
        model = KernelSVM(corpus.dims, corpus.target()).fit(corpus)
        said.append(model.predict(corpus["test"])["prediction"].to_numpy())
    assert np.isfinite(said[0]).all()
    np.testing.assert_array_equal(*said)


def test_a_model_learns_and_predicts_the_same():
    said = []
    for corpus in corpora():
        torch.manual_seed(0)
        model = affect.FusionModel.for_corpus(corpus, fusion=affect.fusion.ConcatenationFusion, width=4)
        run = affect.fit(model, corpus, seed=0, training=Training(epochs=1))
        said.append(run.predictions["prediction"].to_numpy())
    assert np.isfinite(said[0]).all()
    np.testing.assert_array_equal(*said)
