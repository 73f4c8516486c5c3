"""Runs to report on, and a browser to look at the page with."""

import builtins
import shutil
from pathlib import Path

import pytest
import yaml

EXPERIMENT = {
    "corpus": "synthetic",
    "metrics": ["pearson", "mae"],
    "seeds": [0, 1],
    "training": {"epochs": 2, "learning_rate": 0.01},
    "model": {"encoder": {"class_path": "PooledEncoder", "init_args": {"layers": 0}}, "width": 4},
    "models": {
        "text": {"modalities": ["text"]},
        "late": {"fusion": "LateFusion"},
        "low-rank": {"fusion": {"class_path": "LowRankFusion", "init_args": {"rank": 2}}},
    },
}


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """Finished runs of three models with two seeds each."""
    from affect.benchmark import jobs, load
    from affect.runs import FinishedRun

    folder = tmp_path_factory.mktemp("bench")
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(EXPERIMENT))
    return [FinishedRun.read(job.run()) for job in jobs(load(path), path, folder / "out")]


@pytest.fixture
def no_plotly(monkeypatch):
    """As where plotly is not installed."""
    real = builtins.__import__

    def without(name, *args, **options):
        if name.startswith("plotly"):
            raise ImportError(name)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)


@pytest.fixture(scope="session")
def browser():
    """Debian's Chromium without a window."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium")
    with playwright.sync_playwright() as driver:
        # a page of a zygote waits where others want the processor too: it took twice as long
        opened = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--no-zygote"])
        yield opened
        opened.close()


@pytest.fixture
def look(browser):
    """Opens a page of a file; at the end nothing may have been fetched, and nothing may have gone wrong."""
    wrong, opened = [], []

    def open_page(path: Path, width: int = 1280, scheme: str = "light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page = context.new_page()
        opened.append(context)
        page.on(
            "console", lambda told: wrong.append(told.text) if told.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "request",
            lambda asked: None if asked.url.startswith(("file:", "data:")) else wrong.append(asked.url),
        )
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in opened:
        context.close()
    assert wrong == []
