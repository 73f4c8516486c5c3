"""Timings beside MMSA: what both sides are given, and what is said of a process that ended early."""

import sys

import numpy as np
import pytest

from affect import papers
from experiments.speed.mmsa import EndedEarlyError, Worker
from experiments.speed.papers import ABSENT, ENCODED, PLAIN, SPECIAL, content_of, with_special

MMSA = {
    "tfn": (32, 1), "lmf": (64, 1), "mfn": (128, 1), "ef_lstm": (32, 1), "lf_dnn": (128, 1),
    "graph_mfn": (32, 1), "mult": (16, 8), "mfm": (64, 1), "mctn": (32, 1), "mtfn": (64, 1),
    "mlmf": (128, 1), "mlf_dnn": (32, 1), "bert_mag": (32, 1), "misa": (16, 2), "mmim": (32, 1),
    "self_mm": (16, 4), "tfr_net": (24, 1),
}  # fmt: skip
"""Its batches, and how many there are to a step: of CMU-MOSI, or of CH-SIMS where it has no others."""

WITH_TERMS = {"misa", "mmim", "self_mm", "tfr_net", "mfm", "mctn", "mtfn", "mlmf", "mlf_dnn"}


def test_all_twenty_are_there():
    assert len({*PLAIN, *ENCODED, *ABSENT}) == 20
    assert {*PLAIN, *ENCODED, *ABSENT} <= papers.known().keys()


@pytest.mark.parametrize("paper", [*PLAIN, *ENCODED])
def test_a_paper_has_batches_and_terms_as_mmsa_has(paper, tmp_path):
    content = content_of(paper, tmp_path)
    assert (content["training"]["batch_size"], content["training"].get("accumulate", 1)) == MMSA[paper]
    assert ("terms" in content) == (paper in WITH_TERMS)
    assert "stages" not in content


def test_special_tokens_are_where_mmsa_has_them():
    ours = np.zeros((2, 3, 50))
    ours[0, 0, :3], ours[0, 1, :3] = [8, 9, 7], 1
    ours[1, 0], ours[1, 1] = 6, 1  # as long as all steps: two words make room
    found = with_special(ours)
    first, last = SPECIAL.index("[CLS]"), SPECIAL.index("[SEP]")
    assert found[0, 0].tolist() == [first, 7, 8, 6, last, *[0] * 45]
    assert found[0, 1].tolist() == [1] * 5 + [0] * 45
    assert found[1, 0].tolist() == [first, *[5] * 48, last]
    assert found[1, 1].all()
    assert not found[:, 2].any()


def test_what_a_process_said_last_is_told():
    worker = Worker([sys.executable, "-c", "raise ValueError('no such model')"])
    with pytest.raises(EndedEarlyError, match=r"ended early: ValueError: no such model") as caught:
        worker.go()
    assert caught.value.args[1] == "ValueError: no such model"
