"""Whether a corpus stays what it was while it is learned from."""

from __future__ import annotations

import lightning
from lightning.pytorch.callbacks import Callback

from affect.data.corpus_files import CorpusFiles


class CorpusWatch(Callback):
    """Ends a training whose corpus changes, before a checkpoint of it is written.

    Args:
        files: of the corpus; None where it was not read from any.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus)
        >>> watch = CorpusWatch(CorpusFiles())
        >>> len(affect.fit(model, corpus, training=affect.Training(epochs=1), callbacks=[watch]).history)
        1
    """

    def __init__(self, files: CorpusFiles | None) -> None:
        self.files = files

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """It may have changed since it was read."""
        self._check()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Lightning writes checkpoints after all other callbacks."""
        self._check()

    def _check(self) -> None:
        if self.files is not None:
            self.files.check()
