"""The page of search between modalities in a browser."""

import numpy as np
import pytest

from affect import retrieval
from affect.report import write_retrieval
from affect.retrieval.ranks import normalised
from affect.spreadsheets import csv_of

HOSTILE = "</script><script>alert('x')</script> \"q\" & <b>"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Two models with two seeds; one group has all samples of a pair, so that it has no interval."""
    out, lot = tmp_path_factory.mktemp("searched"), []
    for model, noise in (("bound", 0.2), (HOSTILE, 5.0)):
        for seed in (0, 1):
            rng = np.random.default_rng((9, seed))
            factors = np.random.default_rng(0).normal(size=(40, 4))
            vectors = {
                m: normalised(factors + noise * rng.normal(size=(40, 4))) for m in ("ecg", "eeg", "gsr")
            }
            here = {"ecg": np.ones(40, bool), "eeg": np.ones(40, bool), "gsr": np.arange(40) < 10}
            vectors["gsr"] = vectors["gsr"] * here["gsr"][:, None]
            ids, groups = (
                tuple(f"s{i}" for i in range(40)),
                tuple("one" if i < 10 else f"v{i}" for i in range(40)),
            )
            found = retrieval.Embeddings(ids, vectors, here, "bind", groups, anchor="ecg")
            lot.append(retrieval.Searched("toy", "mood", model, "test", found, seed))
    summary = retrieval.summarise(lot, resamples=100)
    table = out / "retrieval.csv"
    table.write_text(csv_of(retrieval.tidy(lot)))
    return write_retrieval(out, summary, table)[-1]


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_can_be_read(page, look, width, scheme):
    shown = look(page, width, scheme)
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    section = shown.locator("section.retrieval")
    section.locator(".main-svg").first.wait_for(state="attached")
    table = section.locator(".records")
    rows = table.locator("tbody tr")
    assert rows.count() == 9
    said = rows.all_inner_texts()
    assert "never compared in training" in next(row for row in said if row.startswith("eeg\tgsr"))
    assert "30 of 40 samples lack a modality" in next(row for row in said if row.startswith("ecg\tgsr"))
    assert " [" in rows.nth(0).inner_text()
    alone = next(row for row in said if row.startswith("ecg\tgsr"))  # one group alone has no interval
    assert " [" not in alone
    table.locator("select").select_option(HOSTILE)
    assert rows.count() == 9
    assert "not clearly better than chance" in rows.nth(0).inner_text()
    assert "By chance: " in section.locator("p.faint").first.inner_text()
