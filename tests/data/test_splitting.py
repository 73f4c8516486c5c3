import numpy as np
import pytest

import affect
from affect.data.ragged import Ragged
from affect.data.splitting import carve, fold
from affect.data.targets import Regression
from affect.errors import ConfigError


def corpus_of(samples=60, groups=12):
    rows = Ragged.vectors(np.arange(samples))
    names = None if groups is None else tuple(f"g{i % groups}" for i in range(samples))
    split = affect.Split(tuple(map(str, range(samples))), {"ecg": rows}, {"y": rows}, names)
    return affect.Corpus("toy", {"all": split}, {"y": Regression("y")})


@pytest.mark.parametrize("groups", [12, None])
def test_folds_cover_all_samples_once_and_no_group_is_on_two_sides(groups):
    corpus = corpus_of(groups=groups)
    tested = []
    for index in range(5):
        cut = fold(corpus, index)
        sides = [set(cut[name].groups or cut[name].ids) for name in ("train", "valid", "test")]
        assert not sides[0] & sides[1] | sides[0] & sides[2] | sides[1] & sides[2]
        assert sum(map(len, cut.splits.values())) == 60
        tested += cut["test"].ids
    assert sorted(tested) == sorted(corpus["all"].ids)


def test_folds_do_not_all_choose_on_the_same_groups():
    corpus = corpus_of()
    assert len({frozenset(fold(corpus, index)["valid"].groups) for index in range(5)}) > 1


def test_refusals():
    corpus = corpus_of(groups=3)
    for ask, message in [
        (lambda: fold(corpus, 0), r"^toy: 5 folds need as many groups, got 3$"),
        (lambda: fold(corpus, 3, 3), r"^toy: no fold 3; expected 0 to 2$"),
        (lambda: carve(corpus, 1.5), r"^toy: valid_share must be between 0 and 1, got 1.5$"),
        (lambda: carve(corpus), r"^toy: no split 'train'; known: all$"),
    ]:
        with pytest.raises(ConfigError, match=message):
            ask()
