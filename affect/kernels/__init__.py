"""The fast ways to compute on a processor, each beside the plain reference that it is tested against.

Layers, encoders and fusions call one function for an operation (`attend`, `lstm`, `gated_memory`, ...); it
alone chooses. The reference is a short function of PyTorch's own operations with the same arguments and the
same result: `plain_attend` beside `attend`. `fast` is the one switch between them.
"""

from affect.kernels.allocation import keep_freed_memory
from affect.kernels.switch import fast, is_fast

__all__ = ["fast", "is_fast", "keep_freed_memory"]
