"""What is no part of a model is refused: where a part was expected, and where what makes one was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from affect.aligners import Aligner
from affect.classes.factories import check_factory
from affect.encoders import EmbeddingEncoder, Encoder, PassEncoder, SpeakerEncoder, StepEncoder
from affect.errors import ConfigError, described
from affect.fusion import Fusion
from affect.fusion.dialogue import DialogueFusion
from affect.heads import Head, is_general
from affect.imputation import Imputer
from affect.scaling import Scaler


def check_parts(encoders: Any, **parts: Any) -> None:
    """Refuse what is no part that was made.

    Args:
        encoders: by name.
        parts: all others: fusion, head, scaler, aligner and imputer.
    Raises:
        ConfigError: it is a class, an object of another kind, or none where there must be one.
    Example:
        >>> check_parts(affect.encoders.StepEncoder, fusion=None)
        Traceback (most recent call last):
        affect.errors.ConfigError: FusionModel: encoders: expected an Encoder for each modality by name, got
        the class StepEncoder; write {name: encoder}, or let affect.FusionModel.for_corpus make it
    """
    if not isinstance(encoders, Mapping):
        raise ConfigError(
            "FusionModel: encoders: expected an Encoder for each modality by name, got "
            f"{described(encoders)}; write {{name: encoder}}, or let affect.FusionModel.for_corpus make it"
        )
    kinds = {"fusion": Fusion, "head": Head, "scaler": Scaler, "aligner": Aligner, "imputer": Imputer}
    expected: list[tuple[str, Any, type]] = [
        (f"encoders: {name}", part, Encoder) for name, part in encoders.items()
    ]
    expected += [(key, parts[key], kind) for key, kind in kinds.items()]
    for key, part, kind in expected:
        if not isinstance(part, kind) and (part is not None or kind in (Encoder, Fusion, Head)):
            raise ConfigError(
                f"FusionModel: {key}: expected an object of class {kind.__name__}, got {described(part)}; "
                "make it, or let affect.FusionModel.for_corpus do so"
            )


def check_factories(encoders: Mapping[str, Any], **factories: Any) -> None:
    """Refuse what cannot make a part; none makes none, but for a fusion.

    Args:
        encoders: what makes those of modalities that have one of their own, by name.
        factories: what makes all others: encoder, fusion, aligner, imputer and head.
    Raises:
        ConfigError: as `affect.classes.factories.check_factory`.
    """
    kinds = {"encoder": Encoder, "fusion": Fusion, "aligner": Aligner, "imputer": Imputer, "head": Head}
    expected = [(key, factories[key], kind) for key, kind in kinds.items()]
    expected += [(f"encoders: {name}", factory, Encoder) for name, factory in encoders.items()]
    for key, factory, kind in expected:
        if (factory is not None or key == "fusion") and not is_general(factory):
            check_factory("FusionModel", key, factory, kind)


def check_speaker(encoders: Mapping[str, Encoder], fusion: Fusion) -> None:
    """Refuse an encoder after which a fusion of conversations cannot tell who is the same speaker.

    Args:
        encoders: by name; one of a user's own is trusted, but for dropout.
        fusion: any one; only those that are told who speaks are looked at.
    Raises:
        ConfigError: in training, or at another step, it gives another vector for the same speaker.
    Example:
        >>> dims = {"speaker": 4, "text": 4}
        >>> check_speaker(
        ...     {name: affect.encoders.StepEncoder(1, 4) for name in dims},
        ...     affect.fusion.DialogueRNNFusion(dims, out_dim=4, speaker="speaker"),
        ... )
        Traceback (most recent call last):
        affect.errors.ConfigError: DialogueRNNFusion: expected the same values of 'speaker' wherever the same
        party speaks, and StepEncoder has others at each step (dropout 0.1); leave it unencoded: PassEncoder
        with indices=True
    """
    if not isinstance(fusion, DialogueFusion) or fusion.speaker is None or fusion.speaker not in encoders:
        return
    encoder = encoders[fusion.speaker]
    rate = max((part.p for part in encoder.modules() if isinstance(part, nn.Dropout)), default=0.0)
    ours = type(encoder).__module__.partition(".")[0] == __name__.partition(".")[0]
    by_step = isinstance(encoder, (PassEncoder, StepEncoder, EmbeddingEncoder, SpeakerEncoder))
    if by_step and isinstance(encoder, SpeakerEncoder):
        by_step = encoder.form == "party"
    if rate or (ours and not by_step):
        why = f"dropout {rate:g}" if by_step or not ours else "it looks at others"
        raise ConfigError(
            f"{type(fusion).__name__}: expected the same values of '{fusion.speaker}' wherever the same "
            f"party speaks, and {type(encoder).__name__} has others at each step ({why}); leave it "
            "unencoded: PassEncoder with indices=True"
        )
