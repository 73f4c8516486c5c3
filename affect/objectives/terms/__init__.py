"""Terms: what is learned beside the label."""

from affect.objectives.terms.base import Model, Seen, Term, TermFactory
from affect.objectives.terms.views import Consistency, Distillation, Imputation

__all__ = ["Consistency", "Distillation", "Imputation", "Model", "Seen", "Term", "TermFactory"]
