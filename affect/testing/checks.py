"""A class held to all laws, in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from affect.aligners import Aligner, AlignerFactory
from affect.classes.factories import check_factory
from affect.data.targets import Regression, Target
from affect.encoders import Encoder, EncoderFactory
from affect.errors import BrokenLawError
from affect.fusion import Fusion, FusionFactory
from affect.heads import Head
from affect.imputation import Imputer, ImputerFactory
from affect.model import HeadFactory
from affect.objectives import Objective
from affect.testing.laws import LAWS
from affect.testing.parts import (
    NAMES,
    Part,
    aligner_part,
    encoder_part,
    fusion_part,
    head_part,
    imputer_part,
    objective_part,
)


def check(part: Part) -> None:
    """Hold a part to all laws.

    Raises:
        BrokenLawError: names the law and what was found.
    """
    for law in LAWS:
        try:
            law(part)
        except BrokenLawError as broken:
            raise BrokenLawError(f"{law.__name__}: {broken}") from None


def check_encoder(encoder: EncoderFactory, in_dim: int | None = None) -> None:
    """Hold an encoder to all laws.

    Example:
        >>> check_encoder(affect.encoders.LSTMEncoder)
    """
    check_factory("check_encoder", "encoder", encoder, Encoder)
    check(encoder_part(encoder, in_dim))


def check_aligner(
    aligner: AlignerFactory, modalities: Iterable[int] = (2, 3, 4), names: Iterable[str] = NAMES
) -> None:
    """Hold an aligner to all laws, with each number of modalities.

    Example:
        >>> check_aligner(affect.aligners.ResamplingAligner)
    """
    check_factory("check_aligner", "aligner", aligner, Aligner)
    for count in modalities:
        check(aligner_part(aligner, count, names))


def check_imputer(
    imputer: ImputerFactory, modalities: Iterable[int] = (2, 3, 4), names: Iterable[str] = NAMES
) -> None:
    """Hold an imputer to all laws, with each number of modalities.

    Example:
        >>> check_imputer(affect.imputation.PlaceholderImputer)
    """
    check_factory("check_imputer", "imputer", imputer, Imputer)
    for count in modalities:
        check(imputer_part(imputer, count, names))


def check_fusion(
    fusion: FusionFactory, modalities: Iterable[int] = (2, 3, 4), names: Iterable[str] = NAMES
) -> None:
    """Hold a fusion to all laws, with each number of modalities; `names=ODD_NAMES` asks for any name.

    Example:
        >>> check_fusion(affect.fusion.TensorFusion)
    """
    check_factory("check_fusion", "fusion", fusion, Fusion)
    for count in modalities:
        check(fusion_part(fusion, count, names))


def check_head(head: HeadFactory, target: Target | None = None) -> None:
    """Hold a head to all laws; `target` is a regression by default.

    Example:
        >>> check_head(affect.heads.RegressionHead)
    """
    check_factory("check_head", "head", head, Head)
    check(head_part(head, target or Regression("target")))


def check_objective(objective: Callable[[Target], Objective], target: Target | None = None) -> None:
    """Hold an objective to all laws; `target` is a regression by default.

    Example:
        >>> check_objective(affect.objectives.SquaredError)
    """
    check_factory("check_objective", "objective", objective, Objective)
    check(objective_part(objective, target or Regression("target")))
