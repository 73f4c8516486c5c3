"""A corpus and models that are trained in a moment."""

from __future__ import annotations

import numpy as np
import torch

import affect
from affect.data.corpus import Corpus, Split
from affect.data.ragged import Ragged
from affect.training import seeded


def model_of(corpus, seed=0, **options):
    with seeded(seed):
        return affect.FusionModel.for_corpus(corpus, **{"width": 8, **options})


def corpus_of(target, labels, rows=24):
    """A corpus of random features with these labels, in both of its splits."""
    rng = np.random.default_rng(0)
    values = {m: Ragged.from_rows([rng.normal(size=(3, 4)) for _ in range(rows)], 4) for m in ("ecg", "eeg")}
    split = Split(tuple(map(str, range(rows))), values, {"y": Ragged.vectors(np.asarray(labels))})
    return Corpus("toy", {"train": split, "valid": split}, {"y": target})


class Watched(torch.optim.SGD):
    """Keeps the rate of every step."""

    rates: list[float]

    def __init__(self, params, lr, keep):
        super().__init__(params, lr=lr)
        self.keep = keep

    def step(self, closure=None):
        self.keep.append(self.param_groups[0]["lr"])
        return super().step(closure)
