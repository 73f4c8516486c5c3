"""Classes by their names alone: the label text that lies nearest to a sample."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from affect.data.ragged import Words
from affect.data.text import indexed, pretrained
from affect.encoders.pretrained import PretrainedEncoder
from affect.errors import ConfigError, DataError, listed
from affect.metrics import Array
from affect.model import FusionModel, check_model
from affect.retrieval.embeddings import Embedding, Embeddings
from affect.retrieval.ranks import Index, check_modalities, combine, normalised

logger = logging.getLogger(__name__)


def zero_shot(
    model: FusionModel,
    embeddings: Embeddings,
    labels: Mapping[str, str] | Iterable[str],
    term: nn.Module | None = None,
    query: Mapping[str, float] | Iterable[str] | None = None,
) -> pd.DataFrame:
    """Which of several label texts lies nearest to each sample, in the space that its modalities share.

    The texts are read by the model's own `PretrainedEncoder`, split at blanks and into sub-words as
    `affect.data.text.tokenize` does, and go through the term's projection. No label was learned from.

    Args:
        model: has one `PretrainedEncoder`; in eval mode afterwards.
        embeddings: of the samples, as `affect.retrieval.embed` makes them of the same model and term.
        labels: texts, or texts by the names of classes: `{"happy": "a happy face"}`.
        term: that the embeddings are of.
        query: the modalities of a sample that are compared with the texts, or their weights; by default all
            but the text.
    Missing:
        a sample that lacks one of these modalities is left out; a log line says how many were.
    Returns:
        columns `id`, `label`, the nearest one, and `cosine.LABEL` of each.
    Raises:
        ConfigError: there are fewer than two labels; no encoder of the model, or several, are pretrained on
            text; a modality is not there.
        DataError: a text has no sub-words in the encoder's vocabulary; no sample has all the modalities.
    Reference:
        Radford et al., Learning Transferable Visual Models From Natural Language Supervision, ICML 2021,
        section 3.1. Differs: each class has one text.
    """
    check_model("zero_shot", model)
    texts = (
        dict(labels) if isinstance(labels, Mapping) else {name: name for name in listed("zero_shot", labels)}
    )
    if len(texts) < 2:
        raise ConfigError(f"zero_shot: needs two labels or more, got {', '.join(texts) or 'none'}")
    if term is not None and not isinstance(term, Embedding):
        raise ConfigError("zero_shot: the term has no embeddings; give a term such as Contrast, or none")
    name = text_modality(model)
    asked = [m for m in embeddings.modalities if m != name] if query is None else query
    weights = asked if isinstance(asked, Mapping) else dict.fromkeys(asked, 1.0)
    check_modalities("zero_shot", weights, embeddings.vectors)
    rows = embeddings.having(weights)
    if not rows.any():
        raise DataError(f"zero_shot: no sample has {', '.join(weights)}; name other modalities")
    if not rows.all():
        logger.warning(
            "zero_shot: %d of %d samples lack a modality, and are left out", (~rows).sum(), len(rows)
        )
    keys = _encoded(model, name, texts, term)
    vectors = combine({m: embeddings.vectors[m][rows] for m in weights}, weights)
    nearest, _ = Index(keys).search(vectors, 1)
    known = [*texts]
    found: dict[str, list[str] | Array] = {
        "id": [one for one, here in zip(embeddings.ids, rows, strict=True) if here],
        "label": [known[place] for place in nearest[:, 0]],
    }
    cosines = vectors @ keys.T
    return pd.DataFrame({**found, **{f"cosine.{one}": cosines[:, at] for at, one in enumerate(known)}})


def text_modality(model: FusionModel) -> str:
    """The modality that a model reads with a pretrained text encoder.

    Args:
        model: any.
    Raises:
        ConfigError: there is none, or there are several.
    """
    named = [m for m in model.modalities if isinstance(model.encoders[m], PretrainedEncoder)]
    if len(named) != 1:
        kinds = ", ".join(f"{m} {type(model.encoders[m]).__name__}" for m in model.modalities)
        raise ConfigError(
            f"zero_shot: needs one PretrainedEncoder, to read the labels' texts, got {len(named)} ({kinds})"
        )
    return named[0]


def _encoded(model: FusionModel, name: str, texts: Mapping[str, str], term: nn.Module | None) -> Array:
    """(labels, width): where the texts lie."""
    encoder = model.encoders[name]
    assert isinstance(encoder, PretrainedEncoder)  # `text_modality` has refused all others
    tokenizer, _ = pretrained("zero_shot", encoder.model)
    whole = encoder.context == "step"  # which reads a text as one step
    words = Words.from_rows([[text] if whole else text.split() for text in texts.values()])
    values = indexed(words, tokenizer, encoder.in_dim)
    for place, (label, text) in enumerate(texts.items()):
        if not values.lengths[place] or not values.pad(np.array([place])).mask.any():
            raise DataError(f"zero_shot: label {label}: '{text}' has no sub-words; give it a text")
    device = next(model.parameters()).device
    model.eval()
    with torch.inference_mode():
        encoded = model.encode({name: values.pad(np.arange(len(texts))).to(device)}, partly=True)
        means: Mapping[str, Tensor] = {name: encoded[name].mean()}
        placed = means if not isinstance(term, Embedding) else term.eval().embedded(means)
    return normalised(placed[name].double().cpu().numpy())
