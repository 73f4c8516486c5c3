"""The page of sweeps in a browser: what can be read, and what a reader's hands change."""

import base64
import io
import re

import numpy as np
import pandas as pd
import pytest

from affect.data.targets import Regression
from affect.report import write_robustness
from affect.robustness import Comparison, Sweep

HOSTILE = "</script><script>alert('x')</script> \"q\" & <b>"
NAMES = (
    "text",
    "concatenation after LSTMs, dropout 0.9",
    HOSTILE,
    "LowRankBilinearFusion.dropout=0.5",
    "gated",
)
MODALITIES = ("acoustic", "text", "visual")
CURVES = ("picture-3", "picture-4")


def written(out, count, corpora=("toy",)):
    """The page of models that are close to one another; the first is the baseline."""
    rng = np.random.default_rng(0)
    subsets = [*MODALITIES, "acoustic + text", "acoustic + visual", "text + visual"]
    rows = [("clean", 0.0, 0), *((f"only {name}", 0.5, 0) for name in subsets)]
    rows += [(curve, level, 0) for curve in ("steps", HOSTILE) for level in (0.0, 0.5, 1.0)]
    conditions = pd.DataFrame(rows, columns=["condition", "level", "draw"])
    truth = rng.normal(size=(30, 1))
    error = np.linspace(0.5, 1.5, len(rows))[:, None, None] * rng.normal(size=(len(rows), 30, 1))
    names = [*NAMES, *(f"concatenation after LSTMs, dropout 0.{place}" for place in range(count))][:count]
    compared = [
        Comparison(
            [
                Sweep(
                    conditions=conditions,
                    predictions=truth + error + 0.02 * rng.normal(size=error.shape),
                    truth=truth,
                    samples=tuple(f"s{place:02}" for place in range(30)),
                    present={name: np.ones(30, bool) for name in MODALITIES},
                    target=Regression("score"),
                    where={"corpus": corpus, "split": "test", "model": name, "seed": seed, "fold": 0},
                )
                for name in names
                for seed in (0, 1)
            ],
            resamples=20,
        )
        for corpus in corpora
    ]
    scores = pd.concat([own.scores(["mae"], names[0]) for own in compared], ignore_index=True)
    return write_robustness(out, compared, scores)[-1]


@pytest.fixture(scope="module")
def eight(tmp_path_factory):
    return written(tmp_path_factory.mktemp("sweeps"), 8, ("toy", "other"))


def seen(page, name, part=1):
    chart = page.locator(f"#part-{part}-{name} .chart")
    chart.scroll_into_view_if_needed()
    chart.locator(".main-svg").first.wait_for()
    return chart


def test_every_picture_has_a_heading_that_can_be_reached(eight):
    page = eight.read_text()
    for part in (1, 2):
        for name in ("picture-1", "picture-2", *CURVES, "scores"):
            assert f'<section id="part-{part}-{name}"' in page
            assert f'href="#part-{part}-{name}"' in page
    assert "Curve: steps" in page
    assert "<script>alert" not in page
    found = re.findall(r'download="([^"]+)" href="data:[^,]+;base64,([^"]+)"', page)
    files = {name: base64.b64decode(content).decode() for name, content in found}
    assert list(files) == ["summary.csv", "table.md", "table.tex", "points.csv"]
    for name in list(files)[:3]:
        assert files[name] == (eight.parent / name).read_text()
    points = pd.read_csv(io.StringIO(files["points.csv"]))
    assert {*points["corpus"]} == {"toy", "other"}
    assert {"metric", "model", "condition", "level", "mean", "low", "high", "gain", "gain_low"} <= {*points}


def test_without_plotly_there_are_scores_and_points(tmp_path, no_plotly):
    page = written(tmp_path, 2).read_text()
    assert "plotly is not installed" in page
    assert 'id="part-1-scores"' in page
    assert 'class="chart"' not in page
    assert "points.csv" in page


BOXES = """chart => {
    const inside = chart.querySelector(".main-svg").getBoundingClientRect();
    return [...chart.querySelectorAll(".annotation-text")].map(text => {
        const {left, right, top, bottom} = text.getBoundingClientRect();
        return {text: text.textContent, left, right, top, bottom,
                whole: left >= inside.left && right <= inside.right && top >= inside.top && bottom <= inside.bottom};
    });
}"""


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", CURVES)
def test_names_at_the_ends_of_lines_are_whole_and_apart(look, eight, width, name):
    page = look(eight, width=width)
    chart = seen(page, name)
    for value in range(2):
        chart.get_by_label("values").select_option(index=value)
        boxes = chart.evaluate(BOXES)
        assert len(boxes) == 8
        assert all(box["whole"] for box in boxes)
        boxes.sort(key=lambda box: box["top"])
        for above, below in zip(boxes, boxes[1:], strict=False):
            assert above["bottom"] <= below["top"] + 1.5, (above, below)  # a line's box is a little too high
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    texts = {box["text"].replace(" ", "") for box in boxes}
    assert HOSTILE.replace(" ", "") in texts


def test_what_is_hidden_has_no_name_at_its_end(look, eight):
    chart = seen(look(eight), "picture-3")
    chart.get_by_role("button", name="gated").click()
    assert len(chart.evaluate(BOXES)) == 7
    chart.get_by_role("button", name="none").click()
    assert chart.evaluate(BOXES) == []


BANDS = """chart => chart.querySelector(".plot").data
    .filter(trace => trace.fill && trace.visible && trace.opacity !== 0).map(trace => trace.legendgroup)"""


def test_one_band_is_drawn_at_a_time_and_two_always(look, eight):
    page = look(eight)
    chart = seen(page, "picture-3")
    assert chart.evaluate(BANDS) == []
    button = chart.get_by_role("button", name="gated")
    button.hover()
    assert chart.evaluate(BANDS) == ["gated"]
    page.mouse.move(0, 0)
    assert chart.evaluate(BANDS) == []
    button.focus()
    assert chart.evaluate(BANDS) == ["gated"]
    button.blur()
    assert chart.evaluate(BANDS) == []
    point = chart.locator(".point").nth(1)
    point.scroll_into_view_if_needed()
    dot = point.bounding_box()
    page.mouse.move(dot["x"] + dot["width"] / 2, dot["y"] + dot["height"] / 2)
    page.wait_for_function(f"({BANDS})(document.querySelector('#part-1-picture-3 .chart')).length === 1")
    chart.get_by_role("button", name="none").click()
    for name in ("text", "gated"):
        chart.get_by_role("button", name=name, exact=True).click()
    page.mouse.move(0, 0)
    assert chart.evaluate(BANDS) == ["text", "gated"]


CONTRASTS = """async chart => {
    const image = chart.querySelector(".heatmaplayer image");
    const picture = new Image();
    picture.src = image.getAttribute("href") ?? image.getAttribute("xlink:href");
    await picture.decode();
    const canvas = Object.assign(document.createElement("canvas"), {width: picture.width, height: picture.height});
    const pen = canvas.getContext("2d", {willReadFrequently: true});
    pen.drawImage(picture, 0, 0);
    const box = image.getBoundingClientRect();
    const luminance = rgb => rgb.map(c => c / 255).map(c => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
    return [...chart.querySelectorAll(".textpoint text")].map(text => {
        const {left, right, top, bottom} = text.getBoundingClientRect();
        const [x, y] = [(left + right) / 2 - box.left, (top + bottom) / 2 - box.top];
        const cell = [...pen.getImageData(
            Math.round(x / box.width * picture.width), Math.round(y / box.height * picture.height), 1, 1).data];
        const ink = getComputedStyle(text).fill.match(/\\d+/g).slice(0, 3).map(Number);
        const [dark, light] = [luminance(cell.slice(0, 3)), luminance(ink)].sort((a, b) => a - b);
        return {text: text.textContent, cell, ratio: (light + .05) / (dark + .05)};
    });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_cell_of_a_heat_map_can_be_read(look, eight, scheme):
    cells = seen(look(eight, scheme=scheme), "picture-1").evaluate(CONTRASTS)
    assert len(cells) == 8 * 7
    assert all(cell["cell"][3] == 255 for cell in cells)
    assert min(cell["ratio"] for cell in cells) >= 4.5
