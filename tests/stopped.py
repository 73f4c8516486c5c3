"""A training that is stopped from outside."""

from lightning.pytorch.callbacks import Callback


class StopError(Exception):
    pass


class StopAt(Callback):
    """Stops before an epoch; of a training in stages, of the stage by its number."""

    def __init__(self, epoch=3, stage=0):
        self.epoch, self.left = epoch, stage

    def on_train_start(self, trainer, learner):
        self.left -= 1

    def on_train_epoch_start(self, trainer, learner):
        if self.left < 0 and trainer.current_epoch == self.epoch:
            raise StopError
