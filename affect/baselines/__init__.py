"""Baselines: models outside torch that stand in the same tables."""

from affect.baselines.base import Baseline
from affect.baselines.bayes import BayesianNetwork
from affect.baselines.kernels import KernelSVM, MultipleKernelSVM
from affect.baselines.markov import HiddenMarkov
from affect.data.pooled import PooledFeatures

__all__ = ["Baseline", "BayesianNetwork", "HiddenMarkov", "KernelSVM", "MultipleKernelSVM", "PooledFeatures"]
