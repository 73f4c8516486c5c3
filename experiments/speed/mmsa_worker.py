"""Trains a model of MMSA 2.2.1, epoch by epoch as it is told. Runs in MMSA's environment, without affect.

python -m experiments.speed.mmsa_worker MODEL PICKLE --seed 0 --threads 2 [--batches] [--hub FOLDER]

Every line on standard input lets it train for an epoch and its validation (`--batches`: one batch of
training), after which it prints the seconds as JSON; the end of the input ends it, with its peak memory. Two
calls of MMSA do not work with PyTorch 2.13 on a CPU, and are replaced: `torch.cuda.set_device`, and the
argument `verbose` of `ReduceLROnPlateau`; so are three that MAG-BERT makes and transformers 5 does not have.

Models that insist on BERT read `bert-base-uncased` in FOLDER. Without one, MISA, Self-MM and MMIM get a
linear layer in its place, on the mean of the words' features, which stand in the file's `text` and are handed
to it behind the word indices.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pickle
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from experiments.speed.memory import peak

NEEDS_BERT = ("misa", "self_mm", "mmim")


class Pace:
    """Waits for a line, and tells how long it took until the next wait."""

    def __init__(self) -> None:
        self.out = os.fdopen(os.dup(1), "w")  # what is trained may print what it likes
        os.dup2(2, 1)
        self.begin: float | None = None
        self.cpu = 0.0
        self.stopped = 0.0

    def __call__(self, **figures: Any) -> None:
        """Tell, and wait."""
        if self.begin is not None:
            cpu = time.process_time() - self.cpu
            self.say(seconds=time.perf_counter() - self.begin, cpu_seconds=cpu, **figures)
        if not sys.stdin.readline():
            self.say(peak=peak())
            os._exit(0)
        self.begin, self.cpu = time.perf_counter(), time.process_time()

    def stop(self) -> None:
        """What comes now does not count."""
        self.stopped = time.perf_counter()

    def start(self) -> None:
        """Count again."""
        if self.begin is not None:
            self.begin += time.perf_counter() - self.stopped

    def say(self, **figures: Any) -> None:
        """One line of JSON."""
        print(json.dumps(figures), file=self.out, flush=True)


class Words(torch.nn.Module):
    """In the place of BERT: the same vector for every word, of size 768 as BERT's."""

    def __init__(self, **_: Any) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(768, 768)

    def forward(self, text: torch.Tensor) -> torch.Tensor:
        """(batch, 3 + 768, words), the mask in the second row -> (batch, words, 768)."""
        mask = text[:, 1:2]
        mean = (text[:, 3:] * mask).sum(2) / mask.sum(2)
        return self.linear(mean).unsqueeze(1).expand(-1, text.shape[2], -1)


def replace_bert(python_name: str) -> None:
    """Give a model of MMSA `Words` in the place of BERT, and its data set the features for it."""
    from MMSA.data_loader import MMDataset

    parts = [name for name in sys.modules if name.startswith("MMSA.models") and name.endswith(python_name)]
    sys.modules[parts[0]].BertTextEncoder = Words
    init = MMDataset.__init__

    def with_features(self: Any, args: Any, mode: str = "train") -> None:
        init(self, args, mode)
        with open(args["featurePath"], "rb") as file:
            features = pickle.load(file)[mode]["text"]
        self.text = np.concatenate([self.text, features.swapaxes(1, 2)], 1)

    MMDataset.__init__ = with_features


def mend_mag() -> None:
    """What MAG-BERT asks of transformers, which has it no longer."""
    mag = importlib.import_module("MMSA.models.singleTask.BERT_MAG")
    for cls in (mag.MAG_BertForSequenceClassification, mag.MAG_BertModel):
        cls.all_tied_weights_keys = {}
        cls.get_head_mask = lambda self, mask, layers, *_: [None] * layers
        cls.get_extended_attention_mask = lambda self, mask, *_: -1e9 * (1 - mask)[:, None, None]


def main() -> None:
    """Train as long as there are lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("pickle", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batches", action="store_true")
    parser.add_argument("--aligned", action="store_true", help="the pickle is, of models that need BERT")
    parser.add_argument("--hub", type=Path, help="the folder of bert-base-uncased")
    parser.add_argument("--settings", default="mosi", help="the corpus whose settings are taken")
    args = parser.parse_args()
    pace = Pace()
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    torch.set_num_threads(args.threads)
    torch.cuda.set_device = lambda *_: None
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau
    init = scheduler.__init__
    scheduler.__init__ = lambda self, *known, verbose=None, **named: init(self, *known, **named)

    from MMSA.config import get_config_regression
    from MMSA.run import MMSA_run
    from MMSA.trains import ATIO

    make = ATIO.getTrain

    def paced(self: Any, config: Any) -> Any:
        trainer = make(self, config)
        test = trainer.do_test

        def do_test(model: Any, loader: Any, mode: str = "VAL", **named: Any) -> Any:
            found = test(model, loader, mode=mode, **named)
            pace(mae=float(found["MAE"]))
            return found

        trainer.do_test = do_test
        return trainer

    backward = torch.Tensor.backward

    def one_batch(*known: Any, **named: Any) -> None:
        backward(*known, **named)
        pace()

    if args.batches:
        torch.Tensor.backward = one_batch
    else:
        ATIO.getTrain = paced
    config = get_config_regression(args.model, args.settings)
    config["featurePath"], config["early_stop"] = str(args.pickle.resolve()), 10**6
    if args.aligned:
        config["need_data_aligned"] = True
    if args.hub:
        os.chdir(args.hub)
        mend_mag()
    else:
        config["use_bert"] = args.model in NEEDS_BERT
        if config["use_bert"]:
            replace_bert(args.model.upper())
    pace()
    with tempfile.TemporaryDirectory() as folder:
        MMSA_run(
            args.model, args.settings, config=config, seeds=[args.seed], gpu_ids=[], num_workers=0,
            verbose_level=0, model_save_dir=folder, res_save_dir=folder, log_dir=folder,
        )  # fmt: skip


if __name__ == "__main__":
    main()
