"""One sample on the page: what was said, every seed's prediction, and what each modality contributes."""

import itertools
import json
import re
from dataclasses import replace
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest

from affect.data.targets import MultiClass, MultiLabel, Regression
from affect.report.contents import Contents
from affect.report.page import write_report
from affect.results import Answers
from affect.robustness import Comparison, Sweep
from affect.runs import FinishedRun
from affect.runs.explained import WordImportances

HOSTILE = "</script><script>alert('x')</script> \"q\" & <b>"
MODALITIES = ("a", "b", "c")
CLASSES = ("calm", "glad, or so", HOSTILE)
TARGETS = {
    "number": Regression("mood", low=-3.0, high=3.0),
    "steps": Regression("mood", per_step=True),
    "classes": MultiClass("mood", classes=CLASSES),
    "labels": MultiLabel("mood", classes=CLASSES),
}
NAMES = (HOSTILE, "first", "fourth", "second")  # in their order


def bench(runs, kind, seeds=(0, 1, 2), left_out=()):
    """Answers of two models to four labels, and their sweeps; the last sample lacks `c`."""
    target, rng = TARGETS[kind], np.random.default_rng(0)
    truth = {
        "classes": np.array([[0.0], [1], [2], [1]]),
        "labels": np.array([[1.0, 0, 0], [0, 1, 1], [1, 1, 1], [0, 0, 0]]),
    }.get(kind, np.array([[-1.0], [0.5], [2], [3]]))
    samples = (NAMES[0], NAMES[0], NAMES[1], NAMES[2]) if target.per_step else NAMES
    subsets = [s for size in (2, 1) for s in itertools.combinations(MODALITIES, size) if s not in left_out]
    conditions = ["clean", *("only " + " + ".join(subset) for subset in subsets)]
    table = pd.DataFrame({"condition": conditions, "level": 0.0, "draw": 0})
    predictions, sweeps = {}, []
    for model, seed in itertools.product(("late", HOSTILE), seeds):
        drawn = rng.uniform(size=(len(table), 4, target.outputs)).round(3)
        predictions.setdefault(model, {})[seed] = drawn[0]
        present = {name: np.array([True] * 3 + [name != "c"]) for name in MODALITIES}
        where = {"corpus": "x", "model": model, "seed": seed, "fold": 0, "split": "test"}
        sweeps.append(Sweep(table, drawn, truth, samples, present, target, where))
    steps = np.array([0, 1, 0, 0]) if target.per_step else np.zeros(4, np.int64)
    made = tuple(FinishedRun(runs[0].folder, {**runs[0].facts, "name": name}) for name in predictions)
    answers = Answers(target, "x", samples, steps, np.zeros(4, np.int64), truth, predictions, made)
    return answers, Comparison(sweeps)


def contents(runs, kind, **how):
    answers, compared = bench(runs, kind, **how)
    rows = [
        {"corpus": "x", "target": "mood", "model": name, "metric": metric, "mean": 0.5, "count": 4}
        for name in answers.predictions
        for metric in ["mae" if isinstance(answers.target, Regression) else "accuracy"]
    ]
    summary = pd.DataFrame(rows).assign(std=0.1, low=0.4, high=0.6, floor=0.5, ceiling=np.nan)
    said = {name: f"they said {name}" for name in answers.samples}
    return Contents("samples", summary, [answers], robustness=[compared], transcripts=said)


@pytest.fixture
def written(runs, tmp_path, no_plotly):
    def write(kind, **how):
        made = contents(runs, kind, **how)
        write_report(tmp_path / "report.html", made)
        return tmp_path / "report.html", made

    return write


def table_of(path):
    found = re.search(r'id="part-1-samples".*?class="records".*?json">(.*?)</script>', path.read_text(), re.S)
    return json.loads(found[1])


def cells(page, table):
    rows = page.locator(f"#part-1-samples table.{table} tbody tr")
    return [row.locator("th, td").all_inner_texts() for row in rows.all()]


def opened(look, path, **how):
    page = look(path, **how)
    page.locator("#part-1-samples").scroll_into_view_if_needed()
    page.locator("#part-1-samples .records tbody tr").first.wait_for()
    return page


def ids(page):
    return page.locator("#part-1-samples .records tbody th").all_inner_texts()


@pytest.mark.parametrize("kind", TARGETS)
def test_contributions_sum_to_the_prediction_minus_the_baseline(kind, runs):
    answers, compared = bench(runs, kind)
    rows = compared.sample_contributions("late")
    assert len(rows) == 4 * answers.target.outputs * 3 * 3
    one = rows.groupby(["label", "output", "seed"], sort=False)
    sums, first = one["contribution"].sum(min_count=3), one[["prediction", "baseline"]].first()
    there = sums.index.get_level_values("label") != 3
    beyond = first["prediction"] - first["baseline"]
    assert np.allclose(sums[there], beyond[there])
    assert sums[~there].isna().all()
    means = np.eye(3)[[0, 1, 2, 1]].mean(0) if kind == "classes" else answers.truth.mean(0)
    assert np.allclose(first["baseline"].unique(), np.unique(means)) or kind in ("classes", "labels")
    assert np.allclose(first["baseline"].to_numpy().reshape(4, -1, 3)[0, :, 0], means)
    seeds = np.stack([*answers.predictions["late"].values()], 2)
    assert np.allclose(first["prediction"].to_numpy(), seeds.ravel())
    assert tuple(rows["sample"].iloc[:: len(rows) // 4]) == answers.samples


def test_a_contribution_is_the_mean_over_all_orders(runs):
    _, compared = bench(runs, "number", seeds=(7,))
    rows = compared.sample_contributions("late")
    (sweep,) = compared._models["late"]
    values = {
        frozenset(name.removeprefix("only ").split(" + ")): own[0, 0]
        for name, own in zip(sweep.conditions["condition"], sweep.predictions, strict=True)
    }
    values |= {frozenset(MODALITIES): values.pop(frozenset({"clean"})), frozenset(): sweep.truth.mean()}
    gains = dict.fromkeys(MODALITIES, 0.0)
    for order in itertools.permutations(MODALITIES):
        for place, name in enumerate(order):
            gains[name] += (values[frozenset(order[: place + 1])] - values[frozenset(order[:place])]) / 6
    assert np.allclose(rows.loc[rows["label"] == 0, "contribution"], [*gains.values()])


def test_a_sample_is_picked_by_keyboard(look, written):
    path, made = written("number")
    (answers,) = made.answers
    page = opened(look, path)
    order = ids(page)
    stacked = np.stack([np.mean([*own.values()], 0)[:, 0] for own in answers.predictions.values()])
    assert order == [answers.samples[row] for row in np.argsort(-stacked.std(0), kind="stable")]
    panel = page.locator("#part-1-samples .sample")
    assert panel.locator("h4").inner_text() == order[0]
    assert panel.locator("output").inner_text() == "1 of 4"
    page.locator(".open").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert panel.locator("h4").inner_text() == order[1]
    assert page.evaluate("document.activeElement.className") == "sample"
    assert page.locator("tr[aria-current]").inner_text().startswith(order[1])
    page.keyboard.press("ArrowRight")
    assert panel.locator("h4").inner_text() == order[2]
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")  # there is none before the first
    for place, name in enumerate(order):
        row = answers.samples.index(name)
        assert panel.locator("h4").inner_text() == name
        assert panel.locator("blockquote").inner_text() == f"they said {name}"
        for line, (model, seeds) in zip(cells(page, "predictions"), answers.predictions.items(), strict=True):
            values = [own[row, 0] for own in seeds.values()]
            assert line[0] == model
            mean, listed = line[1].split("\n")
            assert mean == f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"
            assert listed == ", ".join(f"{value:.3f}" for value in values)
        dots = panel.locator(".predictions .track").first.get_attribute("aria-label")
        assert dots == ", ".join(
            f"seed {seed}: {own[row, 0]:.3f}" for seed, own in answers.predictions["late"].items()
        )
        if place < 3:
            panel.get_by_role("button", name="next").click()
    assert panel.get_by_role("button", name="next").is_disabled()


@pytest.mark.parametrize("kind", TARGETS)
def test_the_page_shows_the_contributions(kind, look, written):
    path, made = written(kind)
    (answers,), (compared,) = made.answers, made.robustness
    page = opened(look, path)
    rows = compared.sample_contributions("late")
    stacked = np.stack([np.mean([*own.values()], 0) for own in answers.predictions.values()])
    names = [
        f"{n}, step {s}" if kind == "steps" else n
        for n, s in zip(answers.samples, answers.steps, strict=True)
    ]
    panel = page.locator("#part-1-samples .sample")
    for _ in names:
        label = names.index(panel.locator("h4").inner_text())
        far = abs(stacked - answers.truth).mean(0).argmax(-1) if kind == "labels" else answers.truth[:, 0]
        output = CLASSES[int(far[label])] if kind in ("classes", "labels") else ""
        mine = rows[(rows["label"] == label) & (rows["output"] == output)]
        spread = mine.groupby("modality")["contribution"].agg(["mean", "std"])
        head, without, *parts, whole = cells(page, "contributions")[0]
        assert (head, without) == ("late", f"{mine['baseline'].iloc[0]:.3f}")
        assert whole == f"{mine['prediction'].mean():.3f}"
        if label == 3:
            assert parts == ["–"] * 3
            assert "This sample lacks c:" in panel.locator(".note").inner_text()
        else:
            shown = [re.findall(r"[+-]?[0-9.]+", part) for part in parts]
            assert np.allclose(np.array(shown, float), spread, atol=6e-4)
        if output:
            assert f"probability of {output}:" in panel.locator(".note").inner_text()
        if panel.get_by_role("button", name="next").is_enabled():
            panel.get_by_role("button", name="next").click()


def test_a_subset_that_was_not_swept(look, written, runs):
    path, made = written("number", left_out=[("a", "b")])
    with pytest.raises(Exception, match="needs the score of every subset"):
        made.robustness[0].sample_contributions("late")
    page = opened(look, path)
    note = page.locator("#part-1-samples .note").inner_text()
    assert note == f"Not swept over all subsets of several modalities (affect sweep): late, {HOSTILE}."
    assert page.locator("table.contributions").is_hidden()
    assert cells(page, "predictions")[0][0] == "late"


def test_one_seed_has_no_spread(look, written):
    page = opened(look, written("number", seeds=(4,))[0])
    texts = [text for table in ("predictions", "contributions") for row in cells(page, table) for text in row]
    assert "±" not in "".join(texts)
    assert "standard deviation" not in page.locator("#part-1-samples .note").inner_text()


@pytest.mark.parametrize("width", [390, 1280])
def test_an_address_opens_a_sample_and_names_stay_text(width, look, written):
    path, _ = written("classes")
    page = look(path, width=width)
    page.goto(f"{path.as_uri()}#part-1-samples={quote(HOSTILE, safe='')}")
    page.reload()
    panel = page.locator("#part-1-samples .sample")
    assert panel.locator("h4").inner_text() == HOSTILE
    assert panel.locator("blockquote").inner_text() == f"they said {HOSTILE}"
    assert HOSTILE in panel.locator("thead").first.inner_text()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.evaluate("location.hash = '#part-1-samples=fourth'")
    page.wait_for_function("document.querySelector('.sample h4').textContent === 'fourth'")
    for odd in ("nobody", "%E0%A4%A", ""):
        page.evaluate(f"location.hash = '#part-1-samples={odd}'")
    assert panel.locator("h4").inner_text() == "fourth"
    page.evaluate("history.replaceState(null, '', '#')")
    panel.get_by_role("link", name="link to this sample").click()
    assert page.url.endswith("#part-1-samples=fourth")


def test_a_search_leaves_the_open_sample(look, written):
    page = opened(look, written("number")[0])
    panel, order = page.locator("#part-1-samples .sample"), ids(page)
    page.locator("#part-1-samples").get_by_label("Search").fill("nothing")
    assert panel.locator("h4").inner_text() == order[0]
    assert panel.locator("output").inner_text() == "not among the rows below"
    page.locator("#part-1-samples").get_by_label("Search").fill(order[-1])
    panel.get_by_role("button", name="next").click()
    assert panel.locator("h4").inner_text() == order[-1]


def test_words_are_shown_with_their_importances(look, runs, tmp_path, no_plotly):
    made = contents(runs, "number")
    (answers,) = made.answers
    words = {name: ["so", HOSTILE] for name in answers.samples[:3]}
    values = {"a": {name: np.array([0.5, np.nan]) for name in words}}
    own = [WordImportances(run, words, values) for run in answers.runs[:1]]
    write_report(tmp_path / "report.html", replace(made, importances=own))
    page = opened(look, tmp_path / "report.html")
    table, panel = page.locator("#part-1-samples table.importances"), page.locator("#part-1-samples .sample")
    for name in answers.samples:
        page.evaluate(f"location.hash = '#part-1-samples={quote(name, safe='')}'")
        page.wait_for_function("name => document.querySelector('.sample h4').textContent === name", arg=name)
        if name in words:
            heads = [text for text in table.locator("thead th").all_text_contents()]
            assert heads == ["model · modality", "so", HOSTILE]
            assert cells(page, "importances") == [["late · a", "0.5", "–"]]
        else:
            assert table.is_hidden()
            assert "this is none of them" in panel.locator(".mattered").inner_text()


def test_sweeps_of_other_samples_are_no_explanation(runs, tmp_path, no_plotly):
    made = contents(runs, "number")
    (compared,) = made.robustness
    fewer = Comparison([own.take(np.arange(3)) for seeds in compared._models.values() for own in seeds])
    write_report(tmp_path / "report.html", replace(made, robustness=[fewer]))
    assert table_of(tmp_path / "report.html")["contributions"] == {}
