"""Models that predict a step from what was there until then: of a conversation while it goes on.

What is known of a step is what its encoder, its fusion and its head were given of it. Features that were made
with later steps in view (a language model's that read the whole dialogue) stay so: no model can tell.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from torch import nn

from affect.classes.factories import made_of
from affect.errors import ConfigError

if TYPE_CHECKING:
    from affect.model import FusionModel, ModelSpec

logger = logging.getLogger(__name__)

CAUSAL: Final[Mapping[str, tuple[str, ...]]] = {
    "encoder": (
        "StepEncoder",
        "PassEncoder",
        "EmbeddingEncoder",
        "SpeakerEncoder",
        "LSTMEncoder",
        "GRUEncoder",
        "TransformerEncoder",
        "ConvolutionalEncoder",
    ),
    "fusion": (
        "PerStep",
        "EarlyFusion",
        "MemoryFusion",
        "GraphMemoryFusion",
        "HybridMemoryFusion",
        "ContextualAttentionFusion",
        "GatedShiftFusion",
        "ConversationMemoryFusion",
        "ContextGraphFusion",
        "RelationalGraphFusion",
        "DialogueRNNFusion",
        "DialogueTransformerFusion",
    ),
}
"""Classes whose parts read no later step, as they are or with the right arguments."""


def causal(factory: Any) -> Any:
    """What makes the same part as one that reads no later step, where its constructor can be told so.

    An argument `causal` becomes true, and `future`, the later steps that edges of a graph come from, 0 beside
    it; where there is none, `bidirectional` becomes false. What makes the encoder within a fusion is changed
    likewise. Whatever these said before: a configuration writes out all arguments, so that nobody knows which
    of them a user gave. What was true or above 0 is said to have changed.

    Args:
        factory: a class, a partial of one, or none.
    Example:
        >>> causal(affect.encoders.LSTMEncoder).keywords, causal(affect.encoders.TransformerEncoder).keywords
        ({'bidirectional': False}, {'causal': True})
    """
    changed: dict[str, Any] = {}
    arguments = _arguments(factory)
    for name, value in arguments.items():
        if name == "causal":
            changed[name] = True
        elif name == "future" and value != 0 and "causal" in arguments:
            changed[name] = 0
            _say(f"causal: {made_of(factory).__name__} has no edges from later steps, as with future: 0")
        elif name == "bidirectional" and value is True and "causal" not in arguments:
            changed[name] = False
            _say(f"causal: {made_of(factory).__name__} reads forwards alone, as with bidirectional: false")
        elif name == "encoder" and (own := causal(value)) is not value:
            changed[name] = own
    return functools.partial(factory, **changed) if changed else factory


def causal_parts(spec: ModelSpec) -> ModelSpec:
    """A `ModelSpec` whose parts read no later step, where they can be told so; `causal` itself is false."""
    keys = ("encoder", "fusion", "aligner", "imputer", "head")
    encoders = {name: causal(own) for name, own in spec.encoders.items()}
    parts: dict[str, Any] = {key: causal(getattr(spec, key)) for key in keys}
    return replace(spec, causal=False, encoders=encoders, **parts)


def later_readers(model: FusionModel) -> dict[str, nn.Module]:
    """The parts of a model that may read later steps, by what they are in it.

    Example:
        >>> model = affect.FusionModel.for_corpus(affect.load("synthetic"))
        >>> list(later_readers(model))
        ['encoder: acoustic', 'encoder: text', 'encoder: visual', 'fusion', 'head']
    """
    parts: dict[str, Any] = {f"encoder: {name}": part for name, part in model.encoders.items()}
    parts |= {key: getattr(model, key) for key in ("imputer", "aligner", "fusion", "head")}
    return {key: part for key, part in parts.items() if part is not None and not part.causal}


def check_causal(model: FusionModel) -> None:
    """Refuse a model that may read later steps than the one it predicts.

    Raises:
        ConfigError: its target is one for the whole sample, or some part of it is not causal.
    Example:
        >>> check_causal(affect.FusionModel.for_corpus(affect.load("synthetic")))
        Traceback (most recent call last):
        affect.errors.ConfigError: FusionModel: causal: 'sentiment' is one label of a whole sample, so that
        all of its steps are read; choose a target per step, such as one of utterances, or leave causal out
    """
    target = model.head.target
    if not target.per_step:
        raise ConfigError(
            f"FusionModel: causal: '{target.name}' is one label of a whole sample, so that all of its steps "
            "are read; choose a target per step, such as one of utterances, or leave causal out"
        )
    for key, part in later_readers(model).items():
        raise ConfigError(
            f"FusionModel: causal: {key}: {type(part).__name__} reads later steps; {_remedy(key, part)}"
        )


def _remedy(key: str, part: nn.Module) -> str:
    for name in ("steps", "per_step"):
        if getattr(part, name, None) is False:
            return f"say {name}: true"
    kind = key.partition(":")[0]
    known = CAUSAL.get(kind, ())
    within = getattr(part, "encoder", None)
    if type(part).__name__ in known and getattr(part, "pooling", None) is not None:
        return "leave its pooling out"
    if type(part).__name__ in known and within is not None:
        return f"choose another encoder in it than {type(within).__name__}: {', '.join(CAUSAL['encoder'])}"
    if kind == "aligner":
        return "leave it out, and align the corpus"
    return f"choose {', '.join([*known, 'or one of your own that says causal = True'])}"


def _arguments(factory: Any) -> dict[str, Any]:
    """The arguments of what a factory calls, by name, with the values that they will have."""
    if factory is None:
        return {}
    try:
        found = inspect.signature(made_of(factory)).parameters
    except (TypeError, ValueError):  # a callable that does not say
        return {}
    given = factory.keywords if isinstance(factory, functools.partial) else {}
    return {name: given.get(name, one.default) for name, one in found.items()}


@functools.cache
def _say(message: str) -> None:
    """Once in a process: many models are made alike."""
    logger.warning("%s", message)
