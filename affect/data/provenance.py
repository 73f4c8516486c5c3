"""Where the features of a modality are from: their columns by name, and who made them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from affect.errors import DataError, described


@dataclass(frozen=True)
class Provenance:
    """Who made the features of a modality, and on which clock; what is not known is empty.

    Args:
        extractor: the software or the model: `OpenFace 2`, `openSMILE`.
        version: of it.
        arguments: what it was told, as plain values: `{"set": "eGeMAPSv02"}`.
        weights: SHA-256 of its weights.
        clock: where second 0 is: `recording`, `sample`.
        rate: steps per second, where they are regular.
    Example:
        >>> Provenance("OpenFace 2", clock="recording", rate=30.0)
        Provenance(extractor='OpenFace 2', version='', arguments={}, weights='', clock='recording', rate=30.0)
    """

    extractor: str = ""
    version: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    weights: str = ""
    clock: str = ""
    rate: float | None = None

    @property
    def maker(self) -> dict[str, Any]:
        """What makes features others though their columns be the same: all but the clock and the rate."""
        return {name: value for name, value in asdict(self).items() if name not in ("clock", "rate")}


def to_json(made: Provenance) -> dict[str, Any]:
    """A provenance as plain values, without what is not known."""
    return {name: value for name, value in asdict(made).items() if value not in ("", None, {})}


def from_json(values: Any, where: str) -> Provenance:
    """A provenance from plain values; `where` begins the message when they do not make one.

    Example:
        >>> from_json(to_json(Provenance("OpenFace 2", rate=30.0)), "doc").rate
        30.0
    """
    known = {entry.name for entry in fields(Provenance)}
    if not isinstance(values, dict) or not values.keys() <= known:
        raise DataError(f"{where}: expected a provenance of {', '.join(sorted(known))}, got {values!r:.80}")
    for name, value in values.items():
        kind, what = _KINDS.get(name, (str, "a text"))
        wrong = not isinstance(value, kind) or isinstance(value, bool)
        if wrong or (name == "rate" and not 0 < value < math.inf):
            raise DataError(f"{where}: {name}: expected {what}, got {described(value)}")
    return Provenance(**values)


_KINDS: dict[str, tuple[Any, str]] = {
    "arguments": (dict, "a dictionary"),
    "rate": (int | float, "a number above 0"),
}


def difference(
    names: tuple[str, ...] | None,
    other: tuple[str, ...] | None,
    made: Provenance | None = None,
    by: Provenance | None = None,
) -> str:
    """Why features are not those that were expected, as the end of a message; empty where they may well be.

    What one side does not know is not held against the other.

    Args:
        names: the columns that are expected.
        other: those that are there.
        made: who made the expected ones.
        by: who made those that are there.
    Example:
        >>> difference(("AU01", "AU02"), ("AU02", "AU01"))
        'the same columns in another order: expected AU01, AU02, got AU02, AU01'
        >>> difference(("AU01", "AU02"), ("AU01", "AU04"))
        'expected column AU02, got AU04'
        >>> difference(("AU01",), None), difference(("AU01",), ("AU01",))
        ('', '')
    """
    if names is not None and other is not None and names != other:
        lacking = [name for name in names if name not in other]
        foreign = [name for name in other if name not in names]
        if not lacking and not foreign:
            return f"the same columns in another order: expected {_listed(names)}, got {_listed(other)}"
        what = "columns" if len(lacking) != 1 else "column"
        return f"expected {what} {_listed(lacking) or 'none'}, got {_listed(foreign) or 'none'}"
    if made is not None and by is not None:
        for key, wanted in made.maker.items():
            got = by.maker[key]
            if wanted and got and wanted != got:
                return f"expected {key} {wanted}, got {got}"
    return ""


def _listed(names: tuple[str, ...] | list[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
