"""ICT-MMMO in the layout of the Memory Fusion Network: 20 aligned steps, zero-padded in front."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from affect.data.corpus import Corpus, Split
from affect.data.sources import mfn

FILES = tuple(
    f"mfn/mmmo/{name}_{split}.h5" for split in ("train", "valid", "test") for name in ("audio", "video", "y")
) + ("mfn/mmmo/text_valid_emb.h5", "mfn/mmmo/text_test_emb.h5")


def mmmo(data: Path) -> Corpus:
    """Acoustic and visual steps, official split; the published files have no text for training."""
    corpus = mfn.read(data / "mfn" / "mmmo").select(["acoustic", "visual"])
    note = "Acoustic and visual only: the files have no text for the training split."
    return replace(corpus, notes=(note,), main="")


def mmmo_trimodal(data: Path) -> Corpus:
    """The 120 samples that have all three modalities, without official split."""
    corpus = mfn.read(data / "mfn" / "mmmo")
    whole = Split.join([corpus["valid"], corpus["test"]])
    note = "The 120 trimodal samples of the valid and test files, in folds."
    return replace(corpus, name="mmmo_trimodal", splits={"all": whole}, notes=(note,), main="")
