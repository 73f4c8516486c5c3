"""Dialogues whose text is read by an encoder fine-tuned on the training utterances, one for each seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from affect.data.corpus import Corpus
from affect.data.sources import load
from affect.data.text import embed, tokenizer_of
from affect.encoders import PretrainedEncoder
from affect.runs import FinishedRun, Job
from affect.runs.configuration import resolve

TRAINING = {"epochs": 3, "learning_rate": 1e-3, "weight_decay": 0.01, "learning_rate_warmup": 0.1}
LEARNING_RATE = 5e-5
"""Of the pretrained weights; the epoch is the one of the lowest validation loss. Nothing was searched."""


@dataclass(frozen=True)
class Tuned:
    """What an encoder learns from.

    Args:
        corpus: the dialogues that it reads, as `experiments.prepare` calls them.
        target: what it predicts of each utterance.
        dialogues: in a batch, for some 40 utterances.
    """

    corpus: str
    target: str
    dialogues: int


TUNED = {
    "meld_emotion": Tuned("meld_dialogues", "emotion", 4),
    "meld_sentiment": Tuned("meld_dialogues", "sentiment", 4),
    "iemocap_emotion": Tuned("iemocap_text", "emotion", 1),
}
"""Corpora by their names without the seed: `meld_emotion-seed0` and so on are made."""


def finetuned(name: str, seed: int, dialogues: Path, text_model: str) -> Corpus:
    """The dialogues with a vector of each utterance from an encoder that was fine-tuned without its context.

    The encoder and a linear layer behind it learn from the training utterances, each by itself; then the
    encoder is frozen, and a vector is the mean of an utterance's sub-words, as before. What it made of the
    test split chooses nothing.

    Args:
        name: one of `TUNED`.
        seed: of the linear layers, of dropout and of the order of dialogues.
        dialogues: the file of the corpus, made before; the run and its encoder lie in `encoders` beside it.
        text_model: the pretrained encoder to begin with.
    """
    own = TUNED[name]
    folder = dialogues.parent / "encoders" / f"{name}-seed{seed}"
    encoder: dict[str, Any] = {"model": text_model, "context": "step", "learning_rate": LEARNING_RATE}
    content = {
        "corpus": str(dialogues.absolute()),
        "target": own.target,
        "model": {
            "modalities": ["tokens"],
            "encoders": {"tokens": {"class_path": "PretrainedEncoder", "init_args": encoder}},
            "fusion": "PerStep",
        },
        "training": {**TRAINING, "batch_size": own.dialogues},
    }
    run = Job(resolve(content, "prepare"), name, seed, 0, dialogues.parent, folder / "run").run()
    tuned = FinishedRun.read(run).model().encoders["tokens"]
    assert isinstance(tuned, PretrainedEncoder)
    tuned.encoder.config.save_pretrained(folder)
    weights = {name: x.contiguous() for name, x in tuned.encoder.state_dict().items()}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    tokenizer_of("prepare", text_model).save_pretrained(folder)
    corpus = embed(load(dialogues), folder, alone=True)
    return replace(
        corpus,
        name=name,
        main=own.target,
        notes=(
            *corpus.notes,
            "The text's encoder has learned the labels of the training utterances, once for each seed. All "
            "models of a seed read the same vectors; those of training utterances tell more than others.",
        ),
    )
