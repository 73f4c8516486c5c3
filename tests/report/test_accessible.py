"""The page for everybody: a keyboard, a screen reader, paper, a phone; and how large it is."""

import re
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest
from test_studies import searched, written

import affect
from affect.data import synthetic
from affect.data.targets import Regression
from affect.report.contents import Contents
from affect.report.figures import script
from affect.report.gathering import contents_of
from affect.report.page import write_report
from affect.report.sweeps import write_robustness
from affect.results import Answers, compare, gather, summarise
from affect.robustness import Comparison, protocols, sweep
from affect.runs import FinishedRun

SET_UP = "lazy.every(box => box.ready && (!box.matches('.chart') || box.querySelector('.main-svg')))"
WIDEST = 8  # pixels of overflow that nobody scrolls for
CONTRAST = """() => {
    const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    const light = colour => {
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        const parts = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map(x => x / 255)
            .map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
    };
    const paper = light(getComputedStyle(document.body).backgroundColor);
    const onCell = one => one.closest(".textpoint") && one.closest(".plot").querySelector(".hm");
    return [...document.querySelectorAll(".plot text:not(.bartext)")].filter(one => !onCell(one)).filter(one => {
        const ink = light(getComputedStyle(one).fill);
        return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05) < 4.5;
    }).map(one => one.textContent);
}"""


@pytest.fixture(scope="session")
def bench(runs, tmp_path_factory):
    answers = gather(runs)
    path = tmp_path_factory.mktemp("page") / "bench.html"
    write_report(path, contents_of("a bench", answers, summarise(answers), compare(answers)))
    return path


@pytest.fixture(scope="session")
def search(tmp_path_factory):
    return written(searched(tmp_path_factory.mktemp("search"), ("pearson", "parameters")))


@pytest.fixture(scope="session")
def robustness(tmp_path_factory):
    corpus = synthetic.additive(samples={"train": 20, "test": 30})
    swept = [
        sweep(
            affect.FusionModel.for_corpus(corpus, fusion=fusion).eval(),
            corpus["test"],
            protocols.protocol(["fixed_subsets", "steps"], draws=1),
            corpus="additive",
            name=fusion.__name__,
        )
        for fusion in (affect.fusion.TensorFusion, affect.fusion.LateFusion)
    ]
    compared = Comparison(swept, resamples=5)
    summary = compared.scores(["pearson"]).assign(corpus=compared.corpus, target=compared.target.name)
    folder = tmp_path_factory.mktemp("robustness")
    write_robustness(folder, [compared], summary)
    return folder / "robustness.html"


@pytest.fixture(params=["bench", "search", "robustness"])
def page_of(request):
    return request.getfixturevalue(request.param)


def complete(page):
    """Nobody scrolls: a page sets itself up."""
    page.wait_for_function(SET_UP)
    return page


@pytest.mark.parametrize(
    ("page_of", "width", "scheme"),
    [
        ("bench", 1280, "light"),
        ("bench", 390, "dark"),
        ("search", 390, "dark"),
        ("robustness", 1280, "light"),
    ],
    indirect=["page_of"],
)
def test_axe_finds_nothing(width, scheme, look, page_of):
    pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    page = complete(look(page_of, width, scheme))
    for details in page.locator(".numbers, .configurations details").all():
        details.evaluate("details => { details.open = true; }")
    page.locator(".numbers tbody tr").first.wait_for()
    page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text())
    found = page.evaluate("axe.run()")
    assert found["passes"]
    assert [(one["id"], one["impact"], one["nodes"][0]["html"]) for one in found["violations"]] == []
    assert page.evaluate(CONTRAST) == []  # axe does not look into pictures


def test_every_chart_has_a_name_and_its_numbers(look, page_of):
    page = complete(look(page_of))
    assert page.locator(".chart").count() > 2
    for chart in page.locator(".chart").all():
        title = chart.locator(".title").inner_text()
        assert chart.get_by_role("img", name=title).count() == 1
        numbers = chart.locator(".numbers")
        numbers.locator("summary").press("Enter")
        numbers.locator("tbody tr").first.wait_for()
        heads = numbers.locator("thead th[scope=col]").count()
        assert heads == numbers.locator("tbody tr").first.locator("th[scope=row], td").count() > 1


def test_the_numbers_are_those_that_are_drawn(look, robustness, bench):
    page = complete(look(robustness))
    for place in range(page.locator(".chart").count()):
        page.locator(".numbers summary").nth(place).click()
        page.locator(".numbers").nth(place).locator("tbody tr").first.wait_for()
    heads = "chart => [...chart.querySelectorAll('.numbers thead th')].map(head => head.textContent)"
    shown = [chart.evaluate(heads) for chart in page.locator(".chart").all()]
    assert shown[0][:2] == ["name", "all"]
    assert shown[1][:2] == ["series", "name"]
    assert shown[2] == ["series", "steps missing", "pearson", "low", "high"]
    curves = page.locator(".chart").nth(2)
    rows = curves.locator(".numbers tbody tr")
    drawn = page.evaluate("[...document.querySelectorAll('.plot')][2].data[1].x.length ?? 11")
    assert rows.count() == 2 * drawn
    curves.locator(".legend").get_by_role("button", name="LateFusion").click()
    assert rows.count() == drawn
    page = complete(look(bench))
    page.locator("#part-1-curves .numbers summary").click()
    page.locator("#part-1-curves .numbers tbody tr").first.wait_for()
    assert page.locator("#part-1-curves").evaluate(heads)[-2:] == ["seed", "fold"]


@pytest.mark.parametrize("width", [390, 1280])
def test_what_goes_on_beyond_an_edge_says_so(width, look, page_of):
    page = complete(look(page_of, width))
    for box in page.locator(".wide:visible").all():
        beyond = box.evaluate("box => box.scrollWidth - box.clientWidth")
        sides = "box => box.dataset.more"
        assert (box.evaluate(sides), box.get_attribute("tabindex")) == (
            ("right", "0") if beyond > WIDEST else ("", None)
        )
        if beyond > WIDEST:
            assert box.evaluate("box => getComputedStyle(box, '::after').position") == "sticky"
            box.evaluate("box => { box.scrollLeft = 1e6; }")
            page.wait_for_function("box => box.dataset.more === 'left'", arg=box.element_handle())
        else:
            assert box.evaluate("box => getComputedStyle(box).overflowX") == "hidden"


def test_the_shade_stays_at_the_edge(look, search):
    """Over everything that is in the box, wherever it is scrolled to."""
    page = complete(look(search, 390))
    box = page.locator("#part-1-parallel .wide").first
    box.evaluate("box => { box.scrollLeft = 200; }")
    page.wait_for_function("box => box.dataset.more === 'left right'", arg=box.element_handle())
    frame = box.bounding_box()
    shot = box.screenshot()
    box.evaluate("box => { box.dataset.more = 'none'; }")
    assert frame["width"] < 390
    assert shot != box.screenshot()


def test_paper_holds_all_columns(look, page_of):
    page = look(page_of, 1032)  # a landscape A4 without its margins
    page.emulate_media(media="print")
    complete(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 1032
    over = "[...document.querySelectorAll('td, th, .main-svg')].filter(e => e.getBoundingClientRect().right > 1033)"
    assert page.evaluate(f"{over}.length") == 0
    assert page.locator(".numbers:visible").count() == 0
    # dots, intervals and shades of cells are backgrounds, which browsers leave out on paper unless told
    assert page.locator("body").evaluate("body => getComputedStyle(body).printColorAdjust") == "exact"


def test_a_page_of_ten_runs_is_small(runs, tmp_path):
    """Ten runs of 50 epochs with five measures, on as many samples as MOSI tests on, of as many words."""
    rng = np.random.default_rng(0)
    history = pd.DataFrame(
        {"epoch": np.arange(50), "seconds": 1.0}
        | {name: rng.random(50) for name in ("loss", "mae", "pearson", "acc2_nonzero", "acc7")}
    )
    ten = []
    for place in range(5):
        for seed in range(2):
            run = FinishedRun(runs[0].folder, {**runs[0].facts, "name": f"model {place}", "seed": seed})
            run.__dict__["history"] = history
            ten.append(run)
    names = tuple(f"03bSnISJMiM_{place}" for place in range(686))
    answers = Answers(
        target=Regression("sentiment"), corpus="mosi", samples=names, runs=tuple(ten),
        steps=np.zeros(686, np.int64), folds=np.zeros(686, np.int64), truth=rng.normal(size=(686, 1)),
        predictions={
            run.name: {seed: rng.normal(size=(686, 1)) for seed in range(2)} for run in ten
        },
    )  # fmt: skip
    contents = contents_of("ten", [answers], summarise([answers]), compare([answers]))
    said = dict.fromkeys(names, "a review of a film has some twelve words, as here they are")
    write_report(
        tmp_path / "ten.html",
        Contents(**{**vars(contents), "transcripts": said}),
    )
    page = (tmp_path / "ten.html").read_text()
    assert len(page.encode()) - len(script().encode()) < 1_500_000
    assert page.count(script()) == 1
    assert len(re.findall(r'<script type="text/plain"', page)) == 1
