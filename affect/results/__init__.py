"""Finished runs, side by side: what they predict, how they differ and what they cost."""

from affect.results.answers import Answers, gather
from affect.results.comparison import compare
from affect.results.costs import costs
from affect.results.summary import summarise

__all__ = ["Answers", "compare", "costs", "gather", "summarise"]
