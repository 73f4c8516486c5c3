"""Where each modality of each sample lies in the space that modalities share."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from affect.bounds import COUNT
from affect.data.checks import check_split
from affect.data.corpus import Split
from affect.data.loading import batches
from affect.errors import ConfigError, DataError, described, did_you_mean
from affect.metrics import Array
from affect.model import FusionModel, check_model
from affect.retrieval.ranks import Index, Ranks, check_modalities, combine, modality_gap, normalised, rank
from affect.training.demand import affordable
from affect.training.evaluation import EVALUATED

ENCODERS = "the encoders"
"""What made vectors that no term has brought into a space."""


class NoSharedSpaceError(ConfigError):
    """A model has no two modalities whose vectors can be compared."""


@runtime_checkable
class Embedding(Protocol):
    """A term that brings modalities into one space, such as `affect.objectives.terms.Contrast`."""

    def embedded(self, vectors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """From the mean of each encoded modality, (batch, dim), to where it lies, (batch, width)."""
        ...


@dataclass(frozen=True, eq=False, repr=False)
class Embeddings:
    """Vectors of one width, for each modality of some samples, to search among.

    A search is among the samples that have all its modalities: those of the query, and the one searched for.

    Args:
        ids: of the samples.
        vectors: by modality, of length 1; of a sample that lacks it, zeros.
        present: by modality, which samples have it.
        source: what made the vectors: the name of a term, or `ENCODERS`.
        groups: the group of each sample, a video or a speaker; empty where there are none.
        anchor: the modality that every other one was bound to, so that no two of the others were ever
            compared in training; empty where any two were.
    Shapes:
        vectors[m]: (samples, width), present[m]: (samples,)
    Raises:
        NoSharedSpaceError: the vectors are not all of one width, or there are fewer than two modalities.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus)
        >>> embed(model, corpus["valid"])
        Embeddings(200 samples, width 32: acoustic 200, text 200, visual 200; of the encoders)
    """

    ids: tuple[str, ...]
    vectors: dict[str, Array]
    present: dict[str, NDArray[np.bool_]]
    source: str = ENCODERS
    groups: tuple[str, ...] = ()
    anchor: str = ""
    _ranks: dict[Hashable, Ranks] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        if len(self.vectors) < 2:
            raise NoSharedSpaceError(
                f"retrieval: needs two modalities to search between, got {', '.join(self.vectors) or 'none'}"
            )
        widths = {m: v.shape[1] for m, v in self.vectors.items()}
        if len({*widths.values()}) > 1:
            said = ", ".join(f"{m} {width}" for m, width in widths.items())
            raise NoSharedSpaceError(
                f"retrieval: {self.source} give vectors of different widths ({said}), which have no cosine; "
                "train with a term that has embeddings, such as Contrast"
            )

    def __repr__(self) -> str:
        counts = ", ".join(f"{m} {int(here.sum())}" for m, here in self.present.items())
        width = next(iter(self.vectors.values())).shape[1]
        return f"Embeddings({len(self)} samples, width {width}: {counts}; of {self.source})"

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def modalities(self) -> list[str]:
        """Those that any sample has."""
        return [m for m, here in self.present.items() if here.any()]

    def having(self, modalities: Iterable[str]) -> NDArray[np.bool_]:
        """(samples,): which samples have all of some modalities."""
        here = np.stack([self.present[m] for m in modalities])
        return np.asarray(here.all(0))

    def rank(
        self,
        query: Mapping[str, float] | str | Iterable[str],
        key: str,
        among: NDArray[np.bool_] | None = None,
    ) -> Ranks:
        """Where each sample's own key comes, searched with one of its modalities, or the sum of several.

        Args:
            query: a modality, names of several, or their weights (`affect.retrieval.combine`).
            key: the modality that is searched for.
            among: which samples search, and are searched; by default those that have all these modalities.
        Shapes:
            among: (samples,) -> `Ranks` of those that search, in their order
        Raises:
            ConfigError: there is no such modality; one is searched for with itself.
            DataError: fewer than two samples have all of them.
        Example:
            >>> vectors = {"ecg": np.eye(3), "eeg": np.eye(3)[[0, 2, 1]]}
            >>> held = Embeddings(("a", "b", "c"), vectors, dict.fromkeys(vectors, np.ones(3, bool)))
            >>> held.rank("ecg", "eeg").recall(1).tolist()
            [1.0, 0.0, 0.0]
        """
        weights = _weights(query)
        check_modalities("rank", [*weights, key], self.vectors)
        if key in weights:
            raise ConfigError(f"rank: {key} is searched for with itself; leave it out of the query")
        rows = self.having([*weights, key]) if among is None else among
        if rows.sum() < 2:
            raise DataError(
                f"rank: {int(rows.sum())} of {len(self)} samples have {', '.join([*weights, key])}, and a "
                "search needs 2 or more"
            )
        place = (tuple(weights.items()), key, rows.tobytes())
        if place not in self._ranks:  # a table and a summary ask for the same
            queries = combine({m: self.vectors[m][rows] for m in weights}, weights)
            self._ranks[place] = rank(queries, self.vectors[key][rows])
        return self._ranks[place]

    def gap(self, one: str, other: str) -> float:
        """The distance of two modalities' mean vectors (`affect.retrieval.modality_gap`)."""
        check_modalities("gap", [one, other], self.vectors)
        rows = self.having([one, other])
        return modality_gap(self.vectors[one][rows], self.vectors[other][rows])

    def search(
        self, sample: str, query: Mapping[str, float] | str | Iterable[str], best: int = 5
    ) -> pd.DataFrame:
        """The samples whose other modalities lie nearest to one sample's query.

        Args:
            sample: its id.
            query: a modality that it has, names of several, or their weights.
            best: how many of each modality.
        Returns:
            columns `for`, the modality; `place`, from 1; `id`; `cosine`; `own`, whether it is the sample
            itself.
        Raises:
            ConfigError: there is no such sample or modality.
            DataError: the sample lacks a modality of the query, or the query has all that there are.
        Example:
            >>> vectors = {"ecg": np.eye(3), "eeg": np.eye(3)[[0, 2, 1]]}
            >>> held = Embeddings(("a", "b", "c"), vectors, dict.fromkeys(vectors, np.ones(3, bool)))
            >>> held.search("b", "ecg", best=1)["id"].tolist()
            ['c']
        """
        weights = _weights(query)
        COUNT.check("search: best", best)
        check_modalities("search", weights, self.vectors)
        if sample not in self.ids:
            raise ConfigError(f"search: no sample '{sample}'; {_near(sample, self.ids)}")
        row = self.ids.index(sample)
        for m in weights:
            if not self.present[m][row]:
                raise DataError(f"search: sample {sample} has no {m}; search with another modality")
        others = [m for m in self.modalities if m not in weights]
        if not others:
            raise DataError("search: the query has all modalities, and none is left to search for")
        own = combine({m: self.vectors[m][[row]] for m in weights}, weights)
        found = []
        for m in others:
            there = np.flatnonzero(self.present[m])
            rows, cosines = Index(self.vectors[m][there]).search(own, best)
            for place, (at, cosine) in enumerate(zip(there[rows[0]], cosines[0], strict=True), 1):
                found.append((m, place, self.ids[at], float(cosine), bool(at == row)))
        return pd.DataFrame(found, columns=["for", "place", "id", "cosine", "own"])


def embed(
    model: FusionModel,
    split: Split,
    term: nn.Module | None = None,
    *,
    name: str = "",
    batch_size: int = EVALUATED,
) -> Embeddings:
    """Where a trained model puts each modality of each sample.

    A vector is the mean of a modality's encoded steps, through the term's projections where there is a term.

    Args:
        model: in eval mode afterwards.
        split: the samples; needs no labels.
        term: a term with `embedded`, as `run.terms["bind"]` is where it is a `Contrast`; without one the
            encoders' means are taken as they are.
        name: of the term, as tables name it; its class by default.
        batch_size: samples per batch; does not change the figures beyond rounding.
    Missing:
        a sample without any observed step of a modality has no vector there, and takes no part in a search
        that has to do with it.
    Raises:
        ConfigError: it is no model, or no split; the term has no embeddings.
        NoSharedSpaceError: vectors are of different widths; there are fewer than two modalities.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus)
        >>> terms = {"bind": affect.objectives.terms.Contrast}
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1), terms=terms)
        >>> len(embed(run.model, corpus["valid"], run.terms["bind"]).rank("text", "visual"))
        200
    """
    check_model("embed", model)
    check_split("embed", split)
    if term is not None and not isinstance(term, Embedding):
        raise ConfigError(
            f"embed: {described(term)} has no embeddings; give a term such as Contrast, or none"
        )
    source = ENCODERS if term is None else name or type(term).__name__
    model.eval()
    if term is not None:
        term.eval()
    device = next(model.parameters()).device
    batch_size = affordable("embed", model, split, batch_size, device)
    loader = batches(split, None, batch_size, by_length=True)
    found: dict[str, list[Tensor]] = {}
    present: dict[str, list[Tensor]] = {}
    order: list[int] = []
    with torch.inference_mode():
        for rows, batch in zip(loader.batch_sampler or (), loader, strict=True):
            encoded = model.encode(batch.to(device).inputs)
            means: Mapping[str, Tensor] = {m: x.mean() for m, x in encoded.items()}
            for m, vectors in (means if term is None else term.embedded(means)).items():
                found.setdefault(m, []).append(vectors.double().cpu())
                present.setdefault(m, []).append(encoded[m].present.cpu())
            order += rows
    back = np.argsort(order)
    here = {m: torch.cat(parts).numpy()[back] for m, parts in present.items()}
    return Embeddings(
        ids=split.ids,
        vectors={
            m: normalised(torch.cat(parts).numpy()[back] * here[m][:, None]) for m, parts in found.items()
        },
        present=here,
        source=source,
        groups=split.groups or (),
        anchor=getattr(term, "anchor", None) or "",
    )


def term_with_embeddings(terms: Mapping[str, Any], name: str | None = None) -> str | None:
    """The name of the term whose embeddings are to be searched; None where no term has any.

    Args:
        terms: of a run, by name.
        name: of the one that is meant; needed where several have embeddings.
    Raises:
        ConfigError: there is no such term, or it has no embeddings; several have some, and none is named.
    Example:
        >>> term_with_embeddings({}) is None
        True
    """
    known = [own for own, term in terms.items() if isinstance(term, Embedding)]
    if name is not None:
        if name not in known:
            raise ConfigError(f"retrieval: no term '{name}' with embeddings; {did_you_mean(name, known)}")
        return name
    if len(known) > 1:
        raise ConfigError(f"retrieval: {len(known)} terms have embeddings; name one of {', '.join(known)}")
    return known[0] if known else None


def _weights(query: Mapping[str, float] | str | Iterable[str]) -> dict[str, float]:
    if isinstance(query, Mapping):
        return dict(query)
    return dict.fromkeys([query] if isinstance(query, str) else query, 1.0)


def _near(sample: str, ids: tuple[str, ...]) -> str:
    """The nearest ids; a split has too many to name them all."""
    near = difflib.get_close_matches(sample, ids, n=3)
    return f"did you mean {' or '.join(near)}?" if near else f"the first of {len(ids):,} is {ids[0]}"
