"""Numbers that constructors and functions take: of what kind, and between which ends."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Final

from affect.errors import ConfigError, described


@dataclass(frozen=True)
class Bounds:
    """What a number may be; what is infinite is no number.

    Args:
        expected: as a message says it, behind `must be`.
        least: the smallest.
        most: the largest.
        whole: whether it is a count.
        above: whether `least` itself is too small.
        below: whether `most` itself is too large.
        limit: the largest that is computed with, where `expected` has no upper end.
    """

    expected: str
    least: float = -math.inf
    most: float = math.inf
    whole: bool = False
    above: bool = False
    below: bool = False
    limit: float = math.inf

    def check(self, who: str, value: Any) -> None:
        """Refuse another kind, NaN, and what lies outside.

        Args:
            who: begins the message, with the name of the argument.
            value: what was given.
        Raises:
            ConfigError: it is refused.
        Example:
            >>> COUNT.check("training: epochs", 0)
            Traceback (most recent call last):
            affect.errors.ConfigError: training: epochs must be at least 1, got 0
        """
        if isinstance(value, bool) or not isinstance(value, Integral if self.whole else Real):
            what = "a whole number" if self.whole else "a number"
            raise ConfigError(f"{who} must be {what}, {self.expected}, got {described(value)}")
        number: Any = value
        if self.limit < number < math.inf:
            raise ConfigError(f"{who} must be at most {self.limit:,}, got {described(value)}")
        large_enough = number > self.least if self.above else number >= self.least
        small_enough = number < self.most if self.below or self.most == math.inf else number <= self.most
        if not (large_enough and small_enough and number > -math.inf):
            raise ConfigError(f"{who} must be {self.expected}, got {described(value)}")


COUNT: Final = Bounds("at least 1", 1, limit=10**9, whole=True)
NATURAL: Final = Bounds("at least 0", 0, limit=10**9, whole=True)
NOT_NEGATIVE: Final = Bounds("at least 0", 0, limit=1e30)
POSITIVE: Final = Bounds("positive", 0, limit=1e30, above=True)
SHARE: Final = Bounds("between 0 and 1", 0, 1)
INSIDE: Final = Bounds("between 0 and 1", 0, 1, above=True, below=True)
PART: Final = Bounds("above 0 and at most 1", 0, 1, above=True)
SEED: Final = Bounds("at least 0", 0, limit=2**32 - 1, whole=True)
"""What numpy, torch and Lightning can all draw from."""

RATE: Final = Bounds("at least 0 and below 1", 0, 1, below=True)
"""Of dropout: at 1 nothing is left."""

_MODULES: Final = Bounds("at least 0", 0, limit=1000, whole=True)

ARGUMENTS: Final[Mapping[str, Bounds]] = {
    **dict.fromkeys(("dropout", "key_dropout", "residual_dropout"), RATE),
    **dict.fromkeys(("momentum", "keep"), PART),
    **dict.fromkeys(("layers", "own_layers", "proxy_layers"), _MODULES),
    **dict.fromkeys(
        ("attentions", "blocks", "crossed_layers", "hops", "order", "token_layers"),
        Bounds("at least 1", 1, limit=1000, whole=True),
    ),
    **dict.fromkeys(("lora", "layer", "reach", "past", "future", "kept", "window"), NATURAL),
    **dict.fromkeys(
        (
            "bases", "bins", "bottlenecks", "chunks", "code", "heads", "hidden", "kernel", "levels", "limit",
            "memory", "parties", "queries", "rank", "size", "states", "tokens", "vertex", "width",
        ),
        COUNT,
    ),
    **dict.fromkeys(("learning_rate", "smoothing"), POSITIVE),
    "scale": NOT_NEGATIVE,
}  # fmt: skip
"""What affect's own parts call their numbers: one name means the same in all of them."""


class Bounded:
    """A part whose numbers are looked at before its constructor is.

    The constructors of affect's own classes are; whoever derives a class may give a name another meaning.

    Example:
        >>> affect.fusion.LowRankFusion({"text": 3}, out_dim=4, dropout=float("nan"))
        Traceback (most recent call last):
        affect.errors.ConfigError: LowRankFusion: dropout must be at least 0 and below 1, got nan
    """

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        if "__init__" in vars(cls) and cls.__module__.partition(".")[0] == "affect":
            cls.__init__ = _looking(cls.__init__)  # type: ignore[method-assign]  # which keeps its signature


def check_arguments(who: str, given: Mapping[str, Any]) -> None:
    """Refuse numbers that are out of the bounds of their names; of a dictionary, each value.

    Args:
        who: begins the message.
        given: arguments by name; None stands for none.
    Raises:
        ConfigError: one is.
    Example:
        >>> check_arguments("MemoryFusion", {"width": {"text": 8, "visual": 0}, "note": "any"})
        Traceback (most recent call last):
        affect.errors.ConfigError: MemoryFusion: width: visual must be at least 1, got 0
    """
    for name, value in given.items():
        if name in ARGUMENTS and value is not None:
            several = value if isinstance(value, Mapping) else {"": value}
            for key, one in several.items():
                ARGUMENTS[name].check(f"{who}: {name}{key and f': {key}'}", one)


def _looking(init: Callable[..., None]) -> Callable[..., None]:
    signature = inspect.signature(init)

    @functools.wraps(init)
    def looked(self: Any, *given: Any, **named: Any) -> None:
        try:
            bound = signature.bind(self, *given, **named)
        except TypeError:
            pass  # which the constructor itself says better
        else:
            check_arguments(type(self).__name__, bound.arguments)
        init(self, *given, **named)

    return looked
