"""Computational sequences in the SDK's own layout."""

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
