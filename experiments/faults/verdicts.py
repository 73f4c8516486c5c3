"""What is right and what is not: the same table to the byte, or one line and a status."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from experiments.faults.commands import Outcome

RIGHT = "right"
KINDS = (
    RIGHT,
    "traceback",
    "silent",
    "crash",
    "hung",
    "children left",
    "status",
    "not one line",
    "unnamed",
    "half written",
    "does not go on",
    "ran code",
    "wrote outside",
    "memory",
    "not injected",
)
"""What a case can come to. `silent`: a figure differs, and the command ends as if all were well."""
PROGRESS = re.compile(
    r"^[\d,]+ runs? finished before, [\d,]+ to do|: done again: |^set aside: |: .* set aside|^waiting |"
    r"^[\d,]+ of the finished runs were made by |: [\d,]+ finished runs are of settings that "
)
"""Lines of stderr that may stand before the last one."""
STOPPED = "stopped; the same command goes on from here"


@dataclass(frozen=True)
class Case:
    """One fault, and what became of it.

    Args:
        row: of the table.
        name: what was done.
        verdict: one of `KINDS`.
        detail: what shows it.
        command: to repeat it with.
        ended: how: "whole", "refused", "went on".
    """

    row: str
    name: str
    verdict: str
    detail: str = ""
    command: str = ""
    ended: str = ""

    def stored(self) -> dict[str, Any]:
        """As it stands in the record; of what is right, what it said is left out."""
        shown = asdict(self)
        for name in ("row", *(("detail", "command") if self.verdict == RIGHT else ())):
            del shown[name]
        return shown


def traceback_in(outcome: Outcome) -> bool:
    """Whether Python's own words about a mistake are in what it said."""
    said = outcome.err + outcome.out
    return "Traceback (most recent call last)" in said or "Exception ignored" in said


def broken(outcome: Outcome, signals: Collection[int] = ()) -> tuple[str, str] | None:
    """What no command may do, whatever is wrong: the kind, and what shows it.

    Args:
        outcome: the command's.
        signals: it may have been ended by these.
    """
    if outcome.hung:
        return "hung", f"after {outcome.seconds:.0f} s"
    if traceback_in(outcome):
        return "traceback", last(outcome.err)
    if outcome.status < 0 and -outcome.status not in signals:
        return "crash", f"signal {-outcome.status}; {last(outcome.err)}"
    if outcome.left:
        return "children left", "; ".join(outcome.left)
    return None


def lines(outcome: Outcome) -> list[str]:
    """What it said on stderr, progress aside."""
    return [line for line in outcome.err.splitlines() if line.strip() and not PROGRESS.search(line)]


def refused(outcome: Outcome, names: Collection[str] = (), status: int = 1) -> tuple[str, str] | None:
    """What is wrong with a refusal; None where it is one line, with the status, and names what it has to.

    Args:
        outcome: the command's.
        names: one of them has to stand in the line; all is well without any.
        status: the exit status that it has to have.
    """
    if outcome.status != status:
        return "status", f"{outcome.status} instead of {status}: {last(outcome.err)}"
    said = lines(outcome)
    if len(said) != 1:
        return "not one line", f"{len(said)} lines: {' | '.join(said)[:300]}"
    if names and not any(name in said[0] for name in names):
        return "unnamed", said[0][:300]
    return None


def judged(
    outcome: Outcome, found: dict[str, str], right: dict[str, str], names: Collection[str] = ()
) -> tuple[str, str, str]:
    """The verdict on a command that met something damaged: what, what shows it, and how it ended.

    Args:
        outcome: the command's.
        found: its results, as digests.
        right: those of a command that nothing disturbed.
        names: what is damaged, as a refusal has to name it.
    """
    if wrong := broken(outcome):
        return *wrong, ""
    if outcome.status == 0:
        if found == right:
            return RIGHT, "", "whole"
        differs = differing(found, right)
        told = any(name in outcome.err + outcome.out for name in names)
        return ("not one line" if told else "silent"), f"{differs}; said: {last(outcome.err)}", ""
    if wrong := refused(outcome, names):
        return *wrong, ""
    if half := {name: one for name, one in found.items() if right.get(name) != one}:
        return "half written", f"{', '.join(half)[:200]}; {last(outcome.err)}", ""
    return RIGHT, last(outcome.err), "refused"


def differing(found: dict[str, str], right: dict[str, str]) -> str:
    """Which results differ, lack, or are too many."""
    parts = [
        f"{name} {'lacks' if name not in found else 'differs'}"
        for name in right
        if found.get(name) != right[name]
    ]
    return ", ".join([*parts, *(f"{name} is too many" for name in found if name not in right)][:4])


def last(text: str) -> str:
    """The last line that is not empty."""
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")[:300]
