"""Search by cosine: where a sample's own vector comes among others, and what lies nearest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affect.bounds import COUNT
from affect.errors import ConfigError, ShapeError, did_you_mean
from affect.metrics import Array

TIED = 1e-7
"""Cosines that differ by no more are equal: encoders compute in float32, which cannot tell them apart."""

_NUMBERS = 2**22  # cosines at a time: 32 MB


@dataclass(frozen=True, eq=False)
class Ranks:
    """Where the key of the same sample comes in the list of all keys, for each query.

    Keys that are equally near stand in an order drawn by chance, and what is said is the mean over all such
    orders. So vectors that have all become one have the recall of chance, whatever order they are stored in.

    Args:
        nearer: how many keys are nearer than the query's own.
        tied: how many others are as near as it (`TIED`).
        keys: among how many each query was searched.
    Shapes:
        nearer, tied, keys: (queries,)
    Example:
        >>> ranks = Ranks(np.array([0, 2]), np.array([1, 0]), np.array([4, 4]))
        >>> ranks.mean.tolist(), ranks.recall(1).tolist(), ranks.chance(1).tolist()
        ([1.5, 3.0], [0.5, 0.0], [0.25, 0.25])
    """

    nearer: NDArray[np.int64]
    tied: NDArray[np.int64]
    keys: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.nearer)

    @property
    def mean(self) -> Array:
        """(queries,): from 1; of keys that tie the mean of their places."""
        return 1 + self.nearer + self.tied / 2

    def recall(self, best: int) -> Array:
        """(queries,): the probability that the own key is among the `best` nearest, 0 or 1 without ties."""
        COUNT.check("recall: best", best)
        return np.clip((best - self.nearer) / (1 + self.tied), 0.0, 1.0)

    def chance(self, best: int) -> Array:
        """(queries,): the same of keys in an order that says nothing."""
        COUNT.check("chance: best", best)
        return np.minimum(best / self.keys, 1.0)

    @staticmethod
    def join(parts: Iterable[Ranks]) -> Ranks:
        """The queries of several searches, each among keys of its own.

        Example:
            >>> len(Ranks.join([rank(np.eye(3), np.eye(3)), rank(np.eye(2), np.eye(2))]))
            5
        """
        several = list(parts)
        names = ("nearer", "tied", "keys")
        return Ranks(*(np.concatenate([getattr(own, name) for own in several]) for name in names))


def rank(queries: ArrayLike, keys: ArrayLike) -> Ranks:
    """Where each query's own key comes, among all keys by their cosine.

    Args:
        queries: query i belongs to key i.
        keys: as many. A vector of zeros has the cosine 0 to all.
    Shapes:
        queries, keys: (samples, width)
    Raises:
        ShapeError: they are not of one shape.
    Also known as:
        cross-modal retrieval; recall@k (R@k), median rank (MedR).
    Example:
        >>> rank([[1.0, 0.0], [1.0, 0.1]], [[1.0, 0.0], [0.0, 1.0]]).mean.tolist()
        [1.0, 2.0]
    """
    a, b = _vectors("rank: queries", queries), _vectors("rank: keys", keys)
    if a.shape != b.shape:
        raise ShapeError(
            f"rank needs a key for each query, (samples, width) both, got {a.shape} and {b.shape}"
        )
    count = len(a)
    nearer, tied = np.zeros((2, count), np.int64)
    for rows in _blocks(count, count):
        cosines = a[rows] @ b.T
        places = np.arange(count)[rows]
        own = cosines[np.arange(len(places)), places][:, None]
        nearer[rows] = np.count_nonzero(cosines > own + TIED, axis=1)
        tied[rows] = np.count_nonzero(cosines >= own - TIED, axis=1) - nearer[rows] - 1
    return Ranks(nearer, tied, np.full(count, count))


class Index:
    """Vectors to search among, by cosine, all of them exactly.

    Args:
        keys: what is searched.
    Shapes:
        keys: (keys, width)
    Raises:
        ShapeError: they are no such vectors.
    Example:
        >>> rows, cosines = Index([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]]).search([[0.0, 3.0]], best=2)
        >>> rows.tolist(), cosines.round(3).tolist()
        ([[1, 2]], [[1.0, 0.707]])
    """

    def __init__(self, keys: ArrayLike) -> None:
        self._keys = _vectors("Index: keys", keys)

    def __len__(self) -> int:
        return len(self._keys)

    def search(self, queries: ArrayLike, best: int = 5) -> tuple[NDArray[np.int64], Array]:
        """The rows of the nearest keys, the nearest first, and their cosines; of equal ones the first row.

        Args:
            queries: what is searched with.
            best: how many keys, or all where there are fewer.
        Shapes:
            queries: (queries, width) -> (queries, best), (queries, best)
        Raises:
            ShapeError: the queries are of another width.
            ConfigError: `best` is not a whole number above 0.
        """
        COUNT.check("Index.search: best", best)
        asked = _vectors("Index.search: queries", queries)
        if asked.shape[1] != self._keys.shape[1]:
            raise ShapeError(
                f"Index.search: expected queries of width {self._keys.shape[1]}, got {asked.shape[1]}"
            )
        found = np.zeros((len(asked), min(best, len(self))), np.int64)
        cosines = np.zeros(found.shape)
        for rows in _blocks(len(asked), len(self)):
            every = asked[rows] @ self._keys.T
            found[rows] = np.argsort(-every, 1, kind="stable")[:, :best]
            cosines[rows] = np.take_along_axis(every, found[rows], 1)
        return found, cosines


def combine(
    vectors: Mapping[str, ArrayLike], weights: Mapping[str, float] | Iterable[str] | None = None
) -> Array:
    """Arithmetic of embeddings: the weighted sum of vectors of length 1, brought to length 1 again.

    e = normalise(sum_m w_m normalise(e_m)): what lies near it is near all that have a weight above zero, and
    far from those that have one below.

    Args:
        vectors: by modality; all samples have them.
        weights: by modality, or the names of those that count alike; all by default.
    Shapes:
        vectors[m]: (samples, width) -> (samples, width)
    Raises:
        ConfigError: there is no such modality, or none is named.
        ShapeError: the vectors are not of one shape.
    Reference:
        Girdhar et al., ImageBind, CVPR 2023, section 4.3 (embedding space arithmetic).
    Example:
        >>> combine({"ecg": [[2.0, 0.0]], "eeg": [[0.0, 1.0]]}).round(3).tolist()
        [[0.707, 0.707]]
    """
    held = {name: _vectors(f"combine: {name}", own) for name, own in vectors.items()}
    if weights is None:
        weights = [*held]
    if not isinstance(weights, Mapping):
        weights = dict.fromkeys([weights] if isinstance(weights, str) else weights, 1.0)
    check_modalities("combine", weights, held)
    shapes = {name: held[name].shape for name in weights}
    if len({*shapes.values()}) > 1:
        said = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ShapeError(f"combine needs vectors of one shape, got {said}")
    return normalised(np.sum([weight * held[name] for name, weight in weights.items()], axis=0))


def check_modalities(who: str, asked: Iterable[str], known: Iterable[str]) -> None:
    """Refuse names of modalities that are not there, or none at all; `who` begins the message.

    Raises:
        ConfigError: as said.
    Example:
        >>> check_modalities("combine", ["ecq"], ["ecg", "eeg"])
        Traceback (most recent call last):
        affect.errors.ConfigError: combine: no modality 'ecq'; did you mean 'ecg'? known: ecg, eeg
    """
    asked, known = list(asked), list(known)
    for name in asked:
        if name not in known:
            raise ConfigError(f"{who}: no modality '{name}'; {did_you_mean(name, known)}")
    if not asked:
        raise ConfigError(f"{who}: names no modality; known: {', '.join(sorted(known))}")


def modality_gap(one: ArrayLike, other: ArrayLike) -> float:
    """How far the mean vectors of two modalities are apart, each vector of length 1: from 0 to 2.

    Args:
        one: of the one modality; a vector of zeros counts as it is.
        other: of the other one, of the same samples.
    Shapes:
        one, other: (samples, width) -> ()
    Raises:
        ShapeError: they are not of one width.
    Reference:
        Liang et al., Mind the Gap: Understanding the Modality Gap in Multi-modal Contrastive Representation
        Learning, NeurIPS 2022, section 4.2.
    Example:
        >>> modality_gap([[1.0, 0.0], [2.0, 0.0]], [[-1.0, 0.0]])
        2.0
    """
    a, b = _vectors("modality_gap: one", one), _vectors("modality_gap: other", other)
    if a.shape[1] != b.shape[1]:
        raise ShapeError(f"modality_gap needs vectors of one width, got {a.shape[1]} and {b.shape[1]}")
    return float(np.linalg.norm(a.mean(0) - b.mean(0)))


def normalised(vectors: Array) -> Array:
    """Vectors brought to length 1; those of zeros stay.

    Shapes:
        vectors: (..., width) -> (..., width)
    Example:
        >>> normalised(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
        [[0.6, 0.8], [0.0, 0.0]]
    """
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1.0))


def _vectors(who: str, given: ArrayLike) -> Array:
    """Of length 1."""
    vectors = np.asarray(given, np.float64)
    if vectors.ndim != 2 or not vectors.size:
        raise ShapeError(f"{who} need the shape (samples, width), at least one sample, got {vectors.shape}")
    if not np.isfinite(vectors).all():
        wrong = int((~np.isfinite(vectors).all(1)).sum())
        raise ShapeError(f"{who}: {wrong} of {len(vectors)} vectors hold NaN or infinity; leave them out")
    return normalised(vectors)


def _blocks(rows: int, columns: int) -> Iterable[slice]:
    """So many rows at a time that not too many numbers are held."""
    size = max(1, _NUMBERS // max(1, columns))
    return (slice(at, at + size) for at in range(0, rows, size))
