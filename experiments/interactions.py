"""How exact, and how near, `affect.interactions` is.

python -m experiments.interactions broja [--out tests/interactions/broja.json]    # needs dit and ecos
python -m experiments.interactions shared [--samples 4000] [--seeds 0 1 2]
python -m experiments.interactions coverage [--samples 300] [--worlds 60]

`broja` decomposes 100 random tables with dit, by its cone program, beside `of_table`; `--out` keeps dit's
figures for the tests. `shared` estimates what is known exactly of `synthetic:shared`. `coverage` draws
worlds: a random table of two symbols and a label, each symbol a point in ten dimensions with normal noise
around it, and every fifth world with labels that nothing knows of; it counts how often an interval holds what
true posteriors say of 20,000 other samples. The method was made with seeds 101 and 102 of `synthetic:shared`
and with worlds of other numbers.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import astuple
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affect.data.factors import DIMS, SharedFactors
from affect.interactions import of_corpus, of_features, of_outputs, of_table
from affect.interactions.estimates import PARTS

Array = NDArray[np.float64]
TABLES = 100


def tables() -> list[NDArray[np.int64]]:
    """Counts of random tables: of two to four values each, full ones and such with many zeros."""
    rng = np.random.default_rng(2026)
    found = []
    for number in range(TABLES):
        shape = rng.integers(2, 5, 3)
        p = rng.dirichlet(np.full(shape.prod(), (0.1, 0.3, 1.0, 3.0)[number % 4]))
        found.append(rng.multinomial((30, 200, 1000)[number % 3], p).reshape(shape))
    return found


def by_dit(counts: NDArray[np.int64]) -> list[float]:
    """Redundancy, both unique parts and synergy, as dit has them."""
    import dit
    from dit.pid import PID_BROJA

    places = [tuple(place) for place in np.argwhere(counts > 0).tolist()]
    p = counts / counts.sum()
    known = dit.Distribution([tuple(map(str, place)) for place in places], [p[place] for place in places])
    found = PID_BROJA(known, ((0,), (1,)), (2,), method="cone")
    nodes = (((0,), (1,)), ((0,),), ((1,),), ((0, 1),))
    return [float(found.get_pi(node)) for node in nodes]


def broja(out: Path | None) -> None:
    """The greatest difference to dit."""
    both = [(counts, by_dit(counts), astuple(of_table(counts))) for counts in tables()]
    worst = max(np.abs(np.subtract(theirs, ours)).max() for _, theirs, ours in both)
    print(f"{len(both)} tables, greatest difference {worst:.1e} bits")
    if out is not None:
        rows = [
            {"counts": counts.tolist(), "parts": np.round(theirs, 7).tolist()} for counts, theirs, _ in both
        ]
        out.write_text("[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows) + "\n]\n")


def shared(samples: int, seeds: list[int]) -> None:
    """Estimates and exact figures, and what is off by more than a tenth and 0.03 bits."""
    for seed in seeds:
        start = time.perf_counter()
        corpus = SharedFactors({"train": samples}, seed=seed).corpus()
        for found in of_corpus(corpus, "code", modalities=DIMS):
            exact = [*SharedFactors.information(found.first, found.second).values()]
            for part, truth, row in zip(PARTS, exact, found.table().to_dict("records"), strict=True):
                off = abs(row["bits"] - truth) > max(0.1 * truth, 0.03)
                print(
                    f"seed {seed}  {found.first + ', ' + found.second:18} {part:14} exact {truth:5.3f}",
                    f"estimate {row['bits']:6.3f} [{row['low']:6.3f}, {row['high']:6.3f}]",
                    f"half {row['halved']:6.3f}{'  off' if off else ''}",
                )
        print(f"seed {seed}: {time.perf_counter() - start:.0f} s", flush=True)


def world(number: int, samples: int) -> tuple[Array, Array, NDArray[np.int64], tuple[float, ...]]:
    """Features of two modalities, labels, and the parts: of the true posteriors of 20,000 other samples."""
    rng = np.random.default_rng((7, number))
    values, classes = int(rng.integers(2, 5)), int(rng.integers(2, 4))
    p = rng.dirichlet(np.full(values * values * classes, 0.3)).reshape(values, values, classes)
    if number % 5 == 4:
        p = np.broadcast_to(p.sum(2, keepdims=True) * p.sum((0, 1)), p.shape)
    centres = rng.normal(size=(2, values, 10))

    def drawn(count: int) -> tuple[list[Array], NDArray[np.int64]]:
        *symbols, labels = np.unravel_index(rng.choice(p.size, count, p=p.ravel()), p.shape)
        x = [own[at] + 0.3 * rng.normal(size=(count, 10)) for own, at in zip(centres, symbols, strict=True)]
        return x, labels

    (first, second), labels = drawn(samples)
    others, truth = drawn(20_000)
    log = [-((x[:, None] - own) ** 2).sum(2) / 0.18 for x, own in zip(others, centres, strict=True)]
    one, other = (np.exp(own - own.max(1, keepdims=True)) for own in log)  # (samples, values)
    known = one @ p.sum(1), other @ p.sum(0), np.einsum("na,nb,aby->ny", one, other, p)
    exact = of_outputs(*(own / own.sum(1, keepdims=True) for own in known), truth, resamples=20)
    return first, second, labels, astuple(exact.value)


def coverage(samples: int, worlds: int) -> None:
    """Mean error, root mean square error, and how often the interval holds the truth."""
    truths, values, lows, highs = [], [], [], []
    for number in range(worlds):
        x1, x2, labels, truth = world(number, samples)
        found = of_features(x1, x2, labels)
        truths.append(truth)
        values.append(astuple(found.value))
        lows.append(astuple(found.low))
        highs.append(astuple(found.high))
    off = np.subtract(values, truths)
    held = (np.array(lows) <= truths) & (truths <= np.array(highs))
    for place, part in enumerate(PARTS):
        print(
            f"{samples} samples, {worlds} worlds  {part:14} mean error {off[:, place].mean():6.3f}",
            f"root mean square {np.sqrt((off[:, place] ** 2).mean()):5.3f}",
            f"coverage {held[:, place].mean():.0%}",
        )


def main() -> None:
    """Run one of the three."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("broja", "shared", "coverage"))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--samples", type=int)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--worlds", type=int, default=60)
    args = parser.parse_args()
    if args.what == "broja":
        broja(args.out)
    elif args.what == "shared":
        shared(args.samples or 4000, args.seeds)
    else:
        coverage(args.samples or 300, args.worlds)


if __name__ == "__main__":
    main()
