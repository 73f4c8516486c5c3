"""What a corpus asks for: the kinds of target."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect.errors import ConfigError, DataError, described, did_you_mean, few, listed


@dataclass(frozen=True)
class Target:
    """A label of a sample, or of every step of a sample.

    Args:
        name: as the corpus calls it: `sentiment`, `emotion`, `sarcasm`.
        per_step: whether every step (an utterance of a video) has its own label.
    """

    name: str
    per_step: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise DataError(
                f"{type(self).__name__}: expected the name of a target, got {described(self.name)}"
            )
        if not isinstance(self.per_step, bool):
            raise DataError(
                f"{type(self).__name__}: per_step: expected True or False, got {described(self.per_step)}; "
                "arguments behind the name are written with theirs"
            )

    @property
    def size(self) -> int:
        """Numbers that are stored for one label."""
        return 1

    @property
    def outputs(self) -> int:
        """Numbers that a head predicts for one label."""
        return self.size

    def check(self, values: NDArray[np.floating], where: str) -> None:
        """Refuse labels that this kind of target cannot have; `where` begins the message."""
        if values.dtype.kind not in "fiub":
            raise DataError(
                f"{where}: target '{self.name}' needs numbers, got {values.dtype}; of classes the labels are "
                "their places among `classes`"
            )
        if values.ndim != 2 or values.shape[1] != self.size:
            raise DataError(
                f"{where}: target '{self.name}' needs shape (labels, {self.size}), got {tuple(values.shape)}"
            )
        bad = np.flatnonzero(~np.isfinite(values).all(1))
        if bad.size:
            raise DataError(
                f"{where}: target '{self.name}' has {bad.size} labels that are NaN or infinite, "
                f"the first is label {bad[0]}; mark unlabelled steps as unobserved instead"
            )


@dataclass(frozen=True)
class Regression(Target):
    """A number, between `low` and `high` where the scale has ends."""

    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for end in (self.low, self.high):
            if end is not None and (isinstance(end, bool) or not isinstance(end, Real)):
                raise ConfigError(
                    f"target '{self.name}': expected a number as low and high, got {described(end)}"
                )
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ConfigError(f"target '{self.name}': low must be below high, got {self.low} and {self.high}")


class _Classes(Target):
    """Labels are whole numbers below a count."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if hasattr(self, "classes"):  # of a frozen dataclass, whose classes are a tuple
            object.__setattr__(
                self, "classes", tuple(listed(f"{type(self).__name__}: classes", self.classes))
            )
            for name in self.classes:
                if self.classes.count(name) > 1:
                    raise ConfigError(f"target '{self.name}': class '{name}' is there more than once")

    @property
    def count(self) -> int:
        """How many classes a label can name."""
        raise NotImplementedError(type(self).__name__)

    def check(self, values: NDArray[np.floating], where: str) -> None:
        super().check(values, where)
        if values.size and not np.isin(values, np.arange(self.count)).all():
            wrong = values[~np.isin(values, np.arange(self.count))][0]
            raise DataError(
                f"{where}: target '{self.name}' needs labels 0 to {self.count - 1}, got {wrong:g}"
            )


@dataclass(frozen=True)
class Binary(_Classes):
    """No (0) or yes (1)."""

    @property
    def count(self) -> int:
        return 2


@dataclass(frozen=True)
class MultiClass(_Classes):
    """One of `classes`; a label is an index into them."""

    classes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        return len(self.classes)

    @property
    def outputs(self) -> int:
        return len(self.classes)


@dataclass(frozen=True)
class MultiLabel(_Classes):
    """Any of `classes`; a label holds 0 or 1 for each."""

    classes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        return 2

    @property
    def size(self) -> int:
        return len(self.classes)


def main_of(names: Collection[str]) -> str:
    """The target that is meant where none is named: `sentiment`, or the only one; else none.

    Example:
        >>> main_of(["joy", "sentiment"]), main_of(["joy"]), main_of(["joy", "fear"])
        ('sentiment', 'joy', '')
    """
    return "sentiment" if "sentiment" in names else next(iter(names)) if len(names) == 1 else ""


KINDS: dict[str, type[Target]] = {
    kind.__name__: kind for kind in (Regression, Binary, MultiClass, MultiLabel)
}


def to_json(target: Target) -> dict[str, Any]:
    """A target as plain values."""
    return {"kind": type(target).__name__, **asdict(target)}


def from_json(fields: dict[str, Any], where: str) -> Target:
    """A target from plain values; `where` begins the message when they do not make one.

    Example:
        >>> from_json(to_json(MultiClass("emotion", classes=("sad", "happy"))), "doc")
        MultiClass(name='emotion', per_step=False, classes=('sad', 'happy'))
    """
    kind = fields.get("kind", "") if isinstance(fields, dict) else fields
    if not isinstance(kind, str) or kind not in KINDS:
        raise DataError(
            f"{where}: no kind of target, got {described(kind)}; {did_you_mean(str(kind)[:60], KINDS)}"
        )
    rest: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in fields.items() if k != "kind"
    }
    try:
        return KINDS[kind](**rest)
    except TypeError as error:
        what = few([f"{key} {described(value)}" for key, value in rest.items()])
        raise DataError(f"{where}: a {kind} target cannot be made of {what} ({error})") from None
