"""Files for the tests of readers: computational sequences in the SDK's own layout, and damaged ones."""

import json

import h5py
import numpy as np
import pytest

METADATA = (
    "root name", "computational sequence description", "computational sequence version", "alignment compatible",
    "dataset name", "dataset version", "creator", "contact", "featureset bib citation", "dataset bib citation",
)  # fmt: skip


@pytest.fixture
def write_csd(tmp_path):
    """Write a .csd file: (name, {key: (intervals, features)}, dimension names) -> its path."""

    def writer(name, entries, columns=None, file=None):
        path = tmp_path / f"{file or name}.csd"
        with h5py.File(path, "w") as stored:
            for key, (intervals, features) in entries.items():
                group = stored.create_group(f"{name}/data/{key}")
                group["intervals"], group["features"] = np.asarray(intervals), np.asarray(features)
            stored.require_group(f"{name}/data")
            said = {**dict.fromkeys(METADATA, name), "root name": name}
            if columns is not None:
                said["dimension names"] = columns
            for key, value in said.items():
                text = stored.create_dataset(f"{name}/metadata/{key}", (1,), dtype=h5py.string_dtype())
                text[0] = json.dumps(value)
        return path

    return writer


@pytest.fixture
def damaged():
    """A file's bytes cut short or with flipped bits: (bytes, seed) -> others."""

    def damager(whole, seed):
        rng = np.random.default_rng(seed)
        if seed % 3 == 0:
            return bytes(whole[: rng.integers(len(whole))])
        raw = bytearray(whole)
        for place in rng.integers(len(raw), size=rng.integers(1, 9)):
            raw[place] ^= 1 << rng.integers(8)
        return bytes(raw)

    return damager
