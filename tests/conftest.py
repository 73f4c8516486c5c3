"""What tests of several rooms look at."""

import pytest

import affect
from affect.data.corpus import Split


class Sealed(Split):
    """A split that nobody may look at before its seal is broken."""

    broken = True

    def __getattribute__(self, name):
        if not name.startswith("__") and not Sealed.broken:
            raise AssertionError(f"the test split's {name} was read before the model was chosen")
        return super().__getattribute__(name)

    def __len__(self):
        if not Sealed.broken:
            raise AssertionError("the test split's length was read before the model was chosen")
        return super().__len__()


@pytest.fixture
def sealed(monkeypatch):
    """A corpus whose test split is sealed but while a model is evaluated on it; the splits that were."""
    corpus = affect.load("synthetic")
    test = corpus["test"]
    corpus.splits["test"] = Sealed(test.ids, test.modalities, test.targets, test.groups, test.words)
    opened = []

    def opening(evaluate):
        def evaluated(*args, **options):
            opened.extend(split for split in args if split in ("valid", "test"))
            Sealed.broken = "test" in args
            try:
                return evaluate(*args, **options)
            finally:
                Sealed.broken = False

        return evaluated

    monkeypatch.setattr("affect.training.fitting.evaluate", opening(affect.training.evaluate))
    monkeypatch.setattr("affect.baselines.Baseline.evaluate", opening(affect.baselines.Baseline.evaluate))
    for room in ("runs.jobs", "tuning.search"):
        monkeypatch.setattr(f"affect.{room}.prepare", lambda *_: corpus)
    monkeypatch.setattr(Sealed, "broken", False)
    yield opened
    Sealed.broken = True
