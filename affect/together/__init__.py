"""Several models of one architecture, trained at the same time as one stacked model."""

from affect.together.fitting import fit_together

__all__ = ["fit_together"]
