"""ICT-MMMO in the layout of the Memory Fusion Network: 20 aligned steps, zero-padded in front."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from affect.data.corpora import CORPORA
from affect.data.corpus import Corpus, Split
from affect.data.ragged import Ragged
from affect.data.targets import Regression

FILES = tuple(
    f"mfn/mmmo/{name}_{split}.h5" for split in ("train", "valid", "test") for name in ("audio", "video", "y")
) + ("mfn/mmmo/text_valid_emb.h5", "mfn/mmmo/text_test_emb.h5")


def mmmo(data: Path) -> Corpus:
    """Acoustic and visual steps, official split; the published files have no text for training."""
    parts = {"acoustic": "audio_{}", "visual": "video_{}"}
    splits = {name: _split(data, parts, name) for name in ("train", "valid", "test")}
    return _corpus("mmmo", splits, "Acoustic and visual only: the files have no text for the training split.")


def mmmo_trimodal(data: Path) -> Corpus:
    """The 120 samples that have all three modalities, without official split."""
    parts = {"acoustic": "audio_{}", "visual": "video_{}", "text": "text_{}_emb"}
    both = [_split(data, parts, name) for name in ("valid", "test")]
    rows = {
        m: [x[i] for split in both for x in [split.modalities[m]] for i in range(len(split))] for m in parts
    }
    seen = {m: np.concatenate([split.modalities[m].observed for split in both]) for m in parts}
    whole = Split(
        ids=tuple(i for split in both for i in split.ids),
        modalities={m: Ragged.from_rows(rows[m], rows[m][0].shape[1]).keep(seen[m]) for m in parts},
        targets={"sentiment": Ragged.vectors(np.concatenate([s.targets["sentiment"].values for s in both]))},
    )
    return _corpus(
        "mmmo_trimodal", {"all": whole}, "The 120 trimodal samples of the valid and test files, in folds."
    )


def _corpus(name: str, splits: dict[str, Split], note: str) -> Corpus:
    return Corpus(
        name=name,
        splits=splits,
        targets={"sentiment": Regression("sentiment", low=1, high=5)},
        aligned=True,
        notes=(note,),
        citation=CORPORA["mmmo"].citation,
    )


def _split(data: Path, parts: dict[str, str], name: str) -> Split:
    """Steps from the first one in which any modality holds something; all zeros are nothing observed."""
    padded = {m: _read(data, file.format(name)) for m, file in parts.items()}
    labels = _read(data, f"y_{name}")
    held = {m: (x != 0).any(-1) for m, x in padded.items()}
    first = np.any(list(held.values()), axis=0).argmax(1)
    kept = np.arange(next(iter(held.values())).shape[1]) >= first[:, None]
    offsets = np.concatenate([[0], np.cumsum(kept.sum(1))])
    return Split(
        ids=tuple(f"{name}{i:03d}" for i in range(len(labels))),
        modalities={
            m: Ragged.from_offsets(x[kept].astype(np.float32), offsets, held[m][kept])
            for m, x in padded.items()
        },
        targets={"sentiment": Ragged.vectors(labels)},
    )


def _read(data: Path, stem: str) -> np.ndarray:
    import h5py

    with h5py.File(data / "mfn" / "mmmo" / f"{stem}.h5") as file:
        return np.asarray(file["d1"])
