"""Damaged files of runs, benches, sweeps and studies, under every command that reads them."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from experiments.faults.commands import Command, run
from experiments.faults.inputs import case
from experiments.faults.lanes import Steps
from experiments.faults.verbs import VERBS, arguments, results
from experiments.faults.verdicts import Case, judged

READERS = {
    "compare": "bench",
    "report": "bench tune",
    "sweep": "bench",
    "predict": "runs",
    "bench": "bench",
    "train": "runs",
    "tune": "tune",
}
"""Each command, and the folders that it reads."""
UNREAD = (".lock", "hparams.yaml", ".png", ".pdf", ".svg")
"""How names of files end that no command reads: they say nothing, whatever is in them."""


def _cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content) or 1)]


def _flip(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for place in rng.sample(range(len(content)), min(3, len(content))):
        changed[place] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _figure(content: bytes, rng: random.Random) -> bytes:
    """One digit behind a point is another one; a flipped bit where there is none."""
    places = [found.start(1) for found in re.finditer(rb"\.(\d)", content)]
    if not places:
        return _flip(content, rng)
    place = rng.choice(places)
    return content[:place] + str((int(content[place : place + 1]) + 5) % 10).encode() + content[place + 1 :]


def _line(content: bytes, rng: random.Random) -> bytes:
    """A line less, as an editor does it."""
    rows = content.splitlines(keepends=True)
    if len(rows) > 1:
        del rows[rng.randrange(1, len(rows))]
    return b"".join(rows)


DAMAGES: dict[str, Callable[[bytes, random.Random], bytes | None]] = {
    "truncated": _cut,
    "emptied": lambda content, rng: b"",
    "garbled": lambda content, rng: rng.randbytes(len(content)),
    "missing": lambda content, rng: None,
    "bits flipped": _flip,
    "a figure changed": _figure,
    "a line lost": _line,
    "zeros": lambda content, rng: bytes(len(content)),
    "other JSON": lambda content, rng: rng.choice(
        [b"[]", b"{}", b"null", b"7", b'"text"', b'[{"a": 1}]', b"[" * 5000]
    ),
    "appended": lambda content, rng: content + content[-20:],
}
"""What is done to a file: its content to another one, or to none."""


def files(template: Path, reader: str) -> list[Path]:
    """What a command reads, relative to the template."""
    return [
        path.relative_to(template)
        for folder in READERS[reader].split()
        for path in sorted((template / folder).rglob("*"))
        if path.is_file() and not path.name.endswith(UNREAD) and "events.out" not in path.name
    ]


def cases(template: Path, scratch: Path, count: int, seed: int = 0) -> Iterator[Steps]:
    """So many files damaged, drawn evenly over commands and damages.

    Args:
        template: with `bench`, `tune`, `runs` and `sweep`, finished.
        scratch: where copies are made.
        count: how many.
        seed: of the draws.
    """
    rng, right = random.Random(seed), dict[str, dict[str, str]]()
    for reader in READERS:
        folder = case(template, scratch / f"right-{reader}", READERS[reader].split())
        ended = run(arguments(VERBS[reader], folder), folder)
        if ended.status:
            raise RuntimeError(f"{ended.command}: {ended.err}")
        right[reader] = results(VERBS[reader], folder)
    for number in range(count):
        reader = [*READERS][number % len(READERS)]
        damage = [*DAMAGES][(number // len(READERS)) % len(DAMAGES)]
        path = rng.choice(files(template, reader))
        yield one(
            template, scratch / f"case{number}", reader, path, damage, right[reader], rng.randrange(2**31)
        )


def one(
    template: Path, folder: Path, reader: str, path: Path, damage: str, right: dict[str, str], seed: int
) -> Steps:
    """One damaged file under one command."""
    case(template, folder, READERS[reader].split())
    asked = arguments(VERBS[reader], folder)
    content = (folder / path).read_bytes()
    changed = DAMAGES[damage](content, random.Random(seed))
    if changed is None:
        (folder / path).unlink()
    else:
        (folder / path).write_bytes(changed)
    outcome = yield Command(asked, folder)
    found = results(VERBS[reader], folder)
    if outcome.status:
        found.pop(path.as_posix(), None)
    verdict, detail, ended = judged(outcome, found, right, [path.name])
    shutil.rmtree(folder, ignore_errors=True)
    where = re.sub(r"-[0-9a-f]{8}/", "/", path.as_posix())
    return Case(
        "damaged", f"{reader}: {where} {damage} (seed {seed})", verdict, detail, outcome.command, ended
    )
