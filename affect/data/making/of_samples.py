"""Samples one at a time -> a corpus."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from affect.data.corpus import Corpus
from affect.data.making.arrays import Part, check_about, corpus_of, kinds
from affect.data.making.ids_and_words import given_any, groups_of
from affect.data.samples import Sample
from affect.errors import ConfigError, DataError, described


def from_samples(samples: Iterable[Sample], name: str, targets: Any, **about: Any) -> Corpus:
    """The corpus of samples that come one at a time; `Corpus.from_samples` says what the arguments are."""
    if isinstance(samples, Sample) or not isinstance(samples, Iterable):
        raise ConfigError(f"Corpus.from_samples: expected several affect.Sample, got {described(samples)}")
    check_about("Corpus.from_samples", about)
    gathered: dict[str, list[Sample]] = {}
    for i, sample in enumerate(samples):
        if not isinstance(sample, Sample):
            raise DataError(f"{name}: sample {i}: expected affect.Sample, got {type(sample).__name__}")
        gathered.setdefault(str(sample.split), []).append(sample)
    every = [sample for own in gathered.values() for sample in own]
    modalities = dict.fromkeys(m for sample in every for m in sample.modalities)
    labels = dict.fromkeys(t for sample in every for t in sample.targets)
    asked = dict.fromkeys(labels, None) if targets is None else kinds(targets, name)
    for sample in every:
        foreign = next((t for t in sample.targets if t not in asked), None)
        if foreign is not None:
            raise DataError(
                f"{name}, sample {sample.id}: expected targets {sorted(asked)}, got '{foreign}'; name it too"
            )
    parts = {
        split: Part(
            ids=[sample.id for sample in own],
            groups=groups_of([sample.group for sample in own], [sample.id for sample in own]),
            words=given_any([sample.words for sample in own]),
            word_times=given_any([sample.word_times for sample in own]),
            modalities={m: [sample.modalities.get(m) for sample in own] for m in modalities},
            labels={t: [sample.targets.get(t) for sample in own] for t in labels},
        )
        for split, own in gathered.items()
    }
    return corpus_of(parts, name, name, asked, **about)
