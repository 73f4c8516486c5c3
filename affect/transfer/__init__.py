"""Transfer: a model that was trained on one corpus, tested on another, whose labels are on another scale."""

from affect.transfer.labels import Mapped, mapped
from affect.transfer.runs import Transferred, ZeroShot, transfer_runs

__all__ = ["Mapped", "Transferred", "ZeroShot", "mapped", "transfer_runs"]
