"""The laws that every part keeps: hold your own encoder, fusion, head, objective or corruption to them.

    affect.testing.check_fusion(MyFusion)

raises `BrokenLawError` with the law's name and what was found. Each law is also a function of its own,
so that there can be a test for each: `for law in LAWS: law(fusion_part(MyFusion))`.
"""

from affect import renamed
from affect.errors import BrokenLawError
from affect.testing.checks import (
    check,
    check_aligner,
    check_encoder,
    check_fusion,
    check_head,
    check_imputer,
    check_objective,
)
from affect.testing.corruptions import CORRUPTION_LAWS, check_corruption
from affect.testing.deployment import DEPLOYMENT, compiles, exports, runs_in_half_precision
from affect.testing.extractors import EXTRACTOR_LAWS, check_extractor
from affect.testing.laws import (
    LAWS,
    any_subset_works,
    batch_independent,
    eval_is_deterministic,
    every_modality_counts,
    every_parameter_learns,
    holes_are_not_read,
    nothing_later_is_read,
    order_of_names_is_free,
    padding_is_not_read,
    shape_is_declared,
    state_is_complete,
    state_moves,
)
from affect.testing.memory import memory_is_bounded
from affect.testing.parts import (
    LENGTHS,
    NAMES,
    ODD_NAMES,
    OUT_DIM,
    Part,
    aligner_part,
    encoder_part,
    fusion_part,
    head_part,
    imputer_part,
    objective_part,
)
from affect.testing.recordings import MadeRecording
from affect.testing.terms import TERM_LAWS, TermPart, check_term

__all__ = [
    "BrokenLawError",
    "CORRUPTION_LAWS",
    "DEPLOYMENT",
    "EXTRACTOR_LAWS",
    "LAWS",
    "LENGTHS",
    "MadeRecording",
    "NAMES",
    "ODD_NAMES",
    "OUT_DIM",
    "Part",
    "TERM_LAWS",
    "TermPart",
    "aligner_part",
    "any_subset_works",
    "check",
    "check_aligner",
    "check_corruption",
    "check_encoder",
    "check_extractor",
    "check_fusion",
    "check_head",
    "check_imputer",
    "check_objective",
    "check_term",
    "batch_independent",
    "compiles",
    "encoder_part",
    "eval_is_deterministic",
    "every_modality_counts",
    "every_parameter_learns",
    "exports",
    "fusion_part",
    "imputer_part",
    "head_part",
    "memory_is_bounded",
    "holes_are_not_read",
    "nothing_later_is_read",
    "objective_part",
    "order_of_names_is_free",
    "padding_is_not_read",
    "runs_in_half_precision",
    "shape_is_declared",
    "state_is_complete",
    "state_moves",
]

__getattr__ = renamed.names(__name__, {"company_does_not_matter": "batch_independent"})
