"""A small corpus file for tests that train in a second."""

from dataclasses import replace

import numpy as np

import affect
from affect.data.corpus import Corpus
from affect.data.native import save


def small(path, shift=0.0):
    """24 samples of each split at a path; the test features are moved by `shift`."""
    corpus = affect.load("synthetic:additive")
    splits = {name: corpus[name].take(np.arange(24)) for name in ("train", "valid", "test")}
    test = splits["test"]
    moved = {name: replace(rows, values=rows.values + shift) for name, rows in test.modalities.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save(Corpus("small", {**splits, "test": replace(test, modalities=moved)}, corpus.targets), path)
    return path
