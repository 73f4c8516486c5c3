"""Where the time of a training epoch goes, beside what the machine could do at best.

python -m experiments.speed.where [--lengths mosi full] [--models tfn lmf ...] [--repeats 3] [--threads 2]

The seven models of `experiments.speed.mmsa`, on the same generated corpora. At best: the batches' bytes, read
and written once, at the speed of copying memory (data); the products of matrices, those that are computed
once more included, at the speed of the fastest of them (forward and backward); seven numbers read or written
for each weight (optimiser: the gradient, and weight and both moments in and out). Medians over epochs after
the first.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from affect.data.loading import batches
from affect.objectives import AbsoluteError
from affect.training import Learner
from experiments.speed.models import ALIGNED, MODELS, settings
from experiments.speed.shaped import Lengths, shaped

PHASES = ("data", "forward", "backward", "optimiser")


def read_by_lstm(x: torch.Size, weight_in: torch.Size, weight: torch.Size, *_: Any, **__: Any) -> int:
    """Operations of an LSTM over `x`, (time, batch, feature)."""
    return 2 * x[0] * x[1] * (weight_in.numel() + weight.numel())


# what PyTorch does not count by itself
PRODUCTS = {
    torch.ops.aten.addmm_: lambda _, a, b, **__: 2 * a.numel() * b[1],
    torch.ops.aten.mkldnn_rnn_layer: read_by_lstm,
    # the gradients of what is read and of the weights
    torch.ops.aten.mkldnn_rnn_layer_backward: lambda *args, **more: 2 * read_by_lstm(*args, **more),
}


def best(run: Callable[[], object], repeats: int = 9) -> float:
    """The least seconds that it took."""
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def machine() -> tuple[float, float]:
    """The most floating point operations, and bytes read and written, in a second."""
    a, b = torch.randn(2, 2048, 2048)
    source = torch.randn(2**26)
    target = torch.empty_like(source)
    return 2 * 2048**3 / best(lambda: a @ b), 2 * 4 * 2**26 / best(lambda: target.copy_(source))


def epochs(name: str, lengths: Lengths, repeats: int) -> tuple[dict[str, float], dict[str, float]]:
    """Seconds of an epoch's parts; and bytes of its batches, operations, and weights that it changes."""
    setting, corpus = settings()[name], shaped(lengths, name in ALIGNED)
    model, options = setting.build(corpus, seed=0), setting.training()
    learner = Learner(model, AbsoluteError(model.head.target), options, seed=0)
    optimizer = learner.configure_optimizers()
    loader = batches(corpus["train"], "sentiment", setting.batch_size, 0, corpus.aligned)
    took: dict[str, list[float]] = {phase: [] for phase in PHASES}
    counts = {"bytes": 0.0, "operations": 0.0, "weights": 0.0}
    weights = sum(parameter.numel() for parameter in model.parameters())
    for epoch in range(repeats + 1):
        spent = dict.fromkeys(PHASES, 0.0)
        clock = time.perf_counter()

        def tick(phase: str, spent: dict[str, float] = spent) -> None:
            nonlocal clock
            now = time.perf_counter()
            spent[phase] += now - clock
            clock = now

        for number, batch in enumerate(loader, 1):
            tick("data")
            steps = number % options.accumulate == 0 or number == len(loader)
            if not epoch:  # the one that does not count is the one that is counted
                with FlopCounterMode(display=False, custom_mapping=PRODUCTS) as counter:
                    learner.training_step(batch).backward()
                counts["operations"] += counter.get_total_flops()
                counts["bytes"] += sum(4 * x.values.numel() for x in batch.inputs.values())
                counts["weights"] += weights * steps
            else:
                loss = learner.training_step(batch)
                tick("forward")
                loss.backward()
                tick("backward")
            if steps:
                optimizer.step()
                optimizer.zero_grad()
            tick("optimiser")
        for phase, seconds in spent.items():
            took[phase].append(seconds)
    return {phase: statistics.median(found[1:]) for phase, found in took.items()}, counts


def main() -> None:
    """One table for each kind of lengths."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lengths", nargs="+", choices=("mosi", "full"), default=["mosi", "full"])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    operations, bytes_ = machine()
    print(f"{operations / 1e9:.0f} GFLOP/s, {bytes_ / 1e9:.1f} GB/s")
    for lengths in args.lengths:
        print(f"\n{lengths} lengths; seconds of an epoch / at best\n")
        print("| model | data | forward and backward | forward | backward | optimiser | all | to the best |")
        print("|---|---|---|---|---|---|---|---|")
        for name in args.models:
            took, counts = epochs(name, lengths, args.repeats)
            floor = (
                2 * counts["bytes"] / bytes_,
                counts["operations"] / operations,
                7 * 4 * counts["weights"] / bytes_,
            )
            both = took["forward"] + took["backward"]
            whole = took["data"] + both + took["optimiser"]
            times = [took["data"], both, took["forward"], took["backward"], took["optimiser"], whole]
            least = [floor[0], floor[1], None, None, floor[2], sum(floor)]
            cells = [
                f"{t:.2f}" if f is None else f"{t:.2f} / {f:.2f}" for t, f in zip(times, least, strict=True)
            ]
            print(f"| {name} | {' | '.join(cells)} | {whole / sum(floor):.1f} |", flush=True)


if __name__ == "__main__":
    main()
