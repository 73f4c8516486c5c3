"""Training epochs of affect's papers by name, beside the same models of MMSA.

python -m experiments.speed.papers --mmsa PYTHON [--only tfn mult ...] [--repeats 2] [--scale 0.5]
                                   [--clock cpu_seconds]

PYTHON is that of an environment with MMSA 2.2.1 and the same PyTorch:

    python -m venv mmsa && mmsa/bin/pip install -c constraints.txt torch==2.13.0 MMSA==2.2.1

Both sides have a process for each paper and train epoch by epoch in turn, with their validation, on one
thread, at the settings that MMSA has for CMU-MOSI and at its batch sizes; the first epoch does not count.
Generated corpora in CMU-MOSI's shape and with lengths like its own (`experiments.speed.shaped`).

MMSA's MulT and TFR-Net, whose epochs take many minutes, and affect's beside them are without validation, and
a batch of MMSA's stands for all, which are alike: it computes all padding. Where the text is read by
BERT, both sides fine-tune the same random one: two layers as BERT's own (768 numbers, 12 heads), and a sixth
of its vocabulary, as it has a sixth of its layers. What MMSA does not train is named, with its last line.
"""

from __future__ import annotations

import argparse
import os
import pickle
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from lightning.pytorch.callbacks import Callback

import affect
from affect import papers
from affect.data import native
from affect.data.export.mmsa import to_mmsa
from affect.data.ragged import Ragged
from affect.kernels import keep_freed_memory
from affect.runs.configuration import parse
from experiments.speed.mmsa import EndedEarlyError, Worker
from experiments.speed.mmsa_worker import Pace
from experiments.speed.shaped import SIZES, shaped

PLAIN: Final = (
    "tfn", "lmf", "mfn", "ef_lstm", "lf_dnn", "graph_mfn", "mult", "mfm", "mctn", "mtfn", "mlmf", "mlf_dnn",
)  # fmt: skip
ENCODED: Final = ("bert_mag", "misa", "mmim", "self_mm", "tfr_net")
"""Whose text is read by BERT."""
ABSENT: Final = ("cenet", "almt", "tetfn")
"""Which MMSA has, and its release 2.2.1 has not."""
ALIGNED: Final = ("mfn", "ef_lstm", "graph_mfn", "mfm", "mctn", "bert_mag", "misa")
"""MISA reads of each modality no more steps than there are tokens."""
OF_SIMS: Final = ("mtfn", "mlmf", "mlf_dnn")
"""Which MMSA trains on CH-SIMS alone."""
SLOW: Final = ("mult", "tfr_net")
BATCHES: Final = {"misa": (16, 2), "self_mm": (16, 4)}
"""A batch of MMSA's, and to how many there is a step, where a paper of affect's has another one."""
RELEASE: Final = "2.2.1"
HUB: Final = "bert-base-uncased"
VOCABULARY: Final = 30_522 // 6
SPECIAL: Final = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS: Final = 48
"""Of a sample, at most, beside the two special tokens in MMSA's files."""

Found = tuple[dict[str, list[float]], dict[str, float]]
"""Seconds, and the most memory, of both sides."""


def text_encoder(folder: Path) -> None:
    """A random BERT of two layers, with its tokenizer."""
    import transformers

    pieces = [*SPECIAL, *(f"w{i}" for i in range(VOCABULARY - len(SPECIAL)))]
    tokenizer = transformers.BertTokenizer(vocab={piece: i for i, piece in enumerate(pieces)})
    tokenizer.save_pretrained(folder)
    config = transformers.BertConfig(vocab_size=VOCABULARY, num_hidden_layers=2)
    transformers.BertModel(config).save_pretrained(folder)


def corpora(folder: Path, aligned: bool, scale: float, seed: int = 0) -> None:
    """A pickle for MMSA and two native files, with the text's vectors and with its words' indices.

    The label of each modality, which three papers learn, is that of all and noise.
    """
    corpus, rng = shaped("mosi", aligned, scale=scale, seed=seed), np.random.default_rng(seed)
    drawn: dict[str, Ragged] = {}
    for name, split in corpus.splits.items():
        of_text = split.modalities["text"].flat()
        ids = rng.integers(len(SPECIAL), VOCABULARY, (len(of_text.values), 1))
        drawn[name] = Ragged.from_offsets((ids + 1).astype(np.float32), of_text.offsets)
    spoken = corpus.with_modality("tokens", drawn)
    stem = "aligned" if aligned else "unaligned"
    native.save(corpus, folder / f"{stem}.safetensors")
    native.save(spoken.select(["tokens", "acoustic", "visual"]), folder / f"{stem}_tokens.safetensors")
    to_mmsa(spoken, folder / f"{stem}.pkl")
    with open(folder / f"{stem}.pkl", "rb") as file:
        content = pickle.load(file)  # of our own making
    for split in content.values():
        split["text_bert"] = with_special(split["text_bert"])
        for letter in "TAV":
            noise = rng.normal(0, 0.5, split["regression_labels"].shape)
            split[f"regression_labels_{letter}"] = split["regression_labels"] + noise.astype(np.float32)
    with open(folder / f"{stem}.pkl", "wb") as file:
        pickle.dump(content, file, protocol=4)


def with_special(text_bert: Any) -> Any:
    """Indices from 0 with special tokens around them, as MMSA has them, for ours, which are from 1."""
    words = np.minimum(text_bert[:, 1].sum(1).astype(int), WORDS)
    steps = np.arange(text_bert.shape[2])
    found = np.zeros_like(text_bert)
    found[:, 0, 1:] = text_bert[:, 0, :-1] - 1
    last = words[:, None] + 1
    found[:, 0, 0] = SPECIAL.index("[CLS]")
    found[:, 0] = np.where(steps == last, SPECIAL.index("[SEP]"), np.where(steps < last, found[:, 0], 0))
    found[:, 1] = steps <= last
    return found


def content_of(paper: str, hub: Path) -> dict[str, Any]:
    """The sections of a paper at MMSA's settings for CMU-MOSI; of stages, the last one alone."""
    own = papers.named(paper)
    settings = "mosi" if "mosi" in own.by_corpus else ""
    content = own.content_for(settings, str(hub / HUB) if paper in ENCODED else None)
    if stages := content.pop("stages", None):
        content["terms"] = stages[-1]["terms"]
    if paper in BATCHES:
        content["training"]["batch_size"], content["training"]["accumulate"] = BATCHES[paper]
    content["training"] |= {"epochs": 10**6, "patience": 10**6}
    content.pop("tokens", None)
    return content


def train(paper: str, corpus: Path, hub: Path, batches: bool) -> None:
    """Train as `mmsa_worker` does, as long as there are lines."""
    pace = Pace()
    keep_freed_memory()
    torch.set_num_threads(1)
    made = parse({"corpus": str(corpus), **content_of(paper, hub)}, paper)
    read = affect.load(corpus)

    class Paced(Callback):
        def on_train_batch_end(self, *_: Any) -> None:
            if batches:
                pace()

        def on_validation_start(self, *_: Any) -> None:
            if batches:
                pace.stop()

        def on_validation_end(self, *_: Any) -> None:
            pace.start() if batches else pace()

    model = made.model.for_corpus(read, None, 0)
    pace()
    affect.fit(
        model, read, training=made.training, objective=made.objective, terms=made.terms, callbacks=[Paced()]
    )


def begin(side: str, paper: str, mmsa: Path, folder: Path) -> Worker:
    """A process that waits."""
    stem = folder / ("aligned" if paper in ALIGNED else "unaligned")
    batches = ["--batches"] * (paper in SLOW)
    if side == "affect":
        corpus = f"{stem}{'_tokens' * (paper in ENCODED)}.safetensors"
        command = [sys.executable, "-m", "experiments.speed.papers", "--train", paper, "--corpus", corpus]
        return Worker([*command, "--folder", str(folder), *batches])
    command = [str(mmsa), "-m", "experiments.speed.mmsa_worker", paper, f"{stem}.pkl", "--threads", "1"]
    settings = ["--settings", "sims" if paper in OF_SIMS else "mosi"]
    encoder = ["--hub", str(folder)] * (paper in ENCODED)
    return Worker([*command, *settings, *encoder, *["--aligned"] * (paper == "misa"), *batches])


def pairs(paper: str, mmsa: Path, folder: Path, steps: int, repeats: int, clock: str) -> Found:
    """Seconds of epochs of both sides, in turn, and the most memory of each in bytes.

    Raises:
        EndedEarlyError: MMSA does not train it.
    """
    slow = paper in SLOW
    seconds: dict[str, list[float]] = {}
    workers: dict[str, Worker] = {}
    for turn in range(1 + repeats):
        for side in ("MMSA", "affect"):  # MMSA's first, which may not train
            if turn == 0:
                workers[side], seconds[side] = begin(side, paper, mmsa, folder), []
            at_once = steps if slow and side == "affect" else 1
            found = sum(workers[side].go()[clock] for _ in range(at_once))
            seconds[side] += [found * (steps if slow and side == "MMSA" else 1)] * (turn > 0)
    return seconds, {side: worker.end() for side, worker in workers.items()}


def table(paper: str, found: Found) -> float:
    """A line of the table; the median of the ratios."""
    seconds, peak = found
    ratios = [b / a for a, b in zip(seconds["affect"], seconds["MMSA"], strict=True)]
    cells = [statistics.median(seconds[side]) for side in ("affect", "MMSA")]
    cells += [min(ratios), statistics.median(ratios), max(ratios)]
    memory = [f"{peak[side] / 1e6:.0f}" for side in ("affect", "MMSA")]
    print(f"| {paper} | {' | '.join([*(f'{x:.2f}' for x in cells), *memory])} |", flush=True)
    return cells[3]


HEADER: Final = (
    "| paper | affect, s | MMSA, s | MMSA / affect, of pairs: min | median | max | affect, MB | MMSA, MB |\n"
    "|---|---|---|---|---|---|---|---|"
)


def compare(names: tuple[str, ...], given: argparse.Namespace, folder: Path, left: dict[str, str]) -> None:
    """A table, and the geometric mean of its ratios; what MMSA does not train goes to `left`."""
    print(HEADER, flush=True)
    ratios = []
    for paper in names:
        size = content_of(paper, folder)["training"]["batch_size"]
        steps = -(-round(given.scale * SIZES["train"]) // size)
        try:
            found = pairs(paper, given.mmsa, folder, steps, given.repeats, given.clock)
        except EndedEarlyError as error:
            left[paper] = error.args[1]
        else:
            ratios.append(table(paper, found))
    if ratios:
        print(f"\ngeometric mean of the ratios: {statistics.geometric_mean(ratios):.2f}", flush=True)


def main() -> None:
    """Both tables, and what is in neither."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mmsa", type=Path, help="Python of an environment with MMSA")
    parser.add_argument("--only", nargs="+", choices=PLAIN + ENCODED, default=PLAIN + ENCODED, metavar="NAME")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--scale", type=float, default=0.5, help="times CMU-MOSI's number of samples")
    parser.add_argument(
        "--clock",
        choices=("seconds", "cpu_seconds"),
        default="seconds",
        help="cpu_seconds where others work on the machine too",
    )
    for hidden in ("--train", "--corpus", "--folder"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--batches", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.train:
        train(given.train, Path(given.corpus), Path(given.folder), given.batches)
        return
    if given.mmsa is None:
        parser.error("--mmsa: expected the Python of an environment with MMSA")
    given.mmsa = Path(os.path.abspath(given.mmsa))
    left = {name: f"not in MMSA {RELEASE}" for name in ABSENT}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        text_encoder(folder / HUB)
        for aligned in (False, True):
            corpora(folder, aligned, given.scale)
        for title, names in (("Without a text encoder", PLAIN), ("With one, fine-tuned", ENCODED)):
            print(f"\n### {title}\n")
            compare(tuple(name for name in names if name in given.only), given, folder, left)
    print("\nNot compared, and why:\n")
    for name, why in left.items():
        print(f"- {name}: {why}")


if __name__ == "__main__":
    main()
