"""What is taken from a page: figures as SVG and PNG, tables as LaTeX, Markdown and CSV."""

import csv
import io
import re
import struct
from xml.etree import ElementTree

import pandas as pd
import pytest

import affect
from affect.report.captions import intervals_of, setting, setting_of
from affect.report.contents import Contents
from affect.report.page import write_report
from affect.report.sweeps import write_robustness
from affect.results import compare, costs, gather, summarise
from affect.results.markup import LATEX
from affect.robustness import Comparison, modality_subsets, sweep
from affect.runs import FinishedRun

HARD = '[a] 50% & a_b #1 $x^2 {~\\ </script> <b>"q" | *c*'
"""A name that LaTeX, Markdown, HTML and CSV would each like to read."""
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def contents(runs):
    named = [FinishedRun(r.folder, {**r.facts, "name": r.name.replace("late", HARD)}) for r in runs]
    answers = gather(named)
    summary = summarise(answers, ["pearson", "mae"])
    published = {
        "corpus": answers[0].corpus, "target": answers[0].target.name, "model": "TFN, published",
        "metric": "pearson", "mean": 0.99, "beside": "text", "source": "a table",
    }  # fmt: skip
    return Contents(
        title="a bench",
        summary=pd.concat([summary, pd.DataFrame([published])], ignore_index=True),
        answers=answers,
        comparisons=compare(answers, ["pearson", "mae"]),
        costs=costs(named),
        transcripts=dict.fromkeys(answers[0].samples, "=1+1\nthey, said"),
    )


@pytest.fixture(scope="module")
def report(contents, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report(path, contents)
    return path


def saved(page, figure, kind, tmp_path):
    """The name and the content of what a button saves."""
    with page.expect_download() as begun:
        figure.get_by_role("button", name=kind, exact=True).click()
    begun.value.save_as(tmp_path / kind)
    return begun.value.suggested_filename, (tmp_path / kind).read_bytes()


def drawn(page, section, tag=".chart"):
    figure = page.locator(f"#part-1-{section} {tag}").first
    figure.scroll_into_view_if_needed()
    if tag == ".chart":
        figure.locator(".main-svg").first.wait_for()
    return figure


def words_of(svg):
    """The texts of a drawing, its title and its description."""
    root = ElementTree.fromstring(svg)
    texts = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    return texts, root.findtext(f"{SVG}title"), root.findtext(f"{SVG}desc")


def wide(png):
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">I", png[16:20])[0]


def test_a_chart_is_saved_as_it_is_drawn(look, report, tmp_path):
    page = look(report, scheme="dark")
    curves = drawn(page, "curves")
    curves.get_by_label("measure").select_option("mae")
    curves.locator(".legend").get_by_role("button", name="low-rank").click()
    name, svg = saved(page, curves, "SVG", tmp_path)
    assert re.fullmatch(r"synthetic-\w+-sentiment-Learning-curves-mae-on-the-validation-split\.svg", name)
    texts, title, caption = words_of(svg)
    assert {"epoch", "mae, valid", "mae on the validation split", "text", HARD} <= {*texts}
    assert texts.count("text") == 1  # of its lines and its dots
    assert "low-rank" not in texts
    assert title == "mae on the validation split"
    assert caption == curves.locator("figcaption").inner_text()
    assert caption.startswith(f"{title} (synthetic")
    assert "2 seeds of each model). A line per seed and fold; the dot is the epoch that was kept." in caption
    assert b'fill="#ffffff"' in svg
    name, png = saved(page, curves, "PNG", tmp_path)
    assert name.endswith("-mae-on-the-validation-split.png")
    assert wide(png) > 1000
    assert curves.locator(".files [role=status]").inner_text() == "saved"


def test_the_caption_is_of_the_option_that_is_chosen(look, report, tmp_path):
    page = look(report)
    errors = drawn(page, "errors")
    for model in ("text", HARD):
        errors.get_by_label("model").select_option(model)
        title = f"{model}: prediction, mean over seeds, against the label"
        assert errors.locator("figcaption").inner_text().startswith(f"{title} (synthetic")
        texts, drawn_title, _ = words_of(saved(page, errors, "SVG", tmp_path)[1])
        assert drawn_title == title
        assert {"label", "prediction"} <= {*texts}
        assert model in " ".join(texts)


def test_the_intervals_are_saved_as_they_are_filtered(look, report, contents, tmp_path):
    page = look(report, width=390)
    figure = drawn(page, "results", ".picture")
    texts, title, caption = words_of(saved(page, figure, "SVG", tmp_path)[1])
    means = contents.summary[contents.summary["metric"] == "pearson"].set_index("model")["mean"]
    assert {"pearson (larger is better)", *means.index, *means.map("{:.3f}".format)} <= {*texts}
    assert {"published", "mean over seeds, with its 95% interval"} <= {*texts}
    assert title == "pearson of each model"
    assert setting_of(contents.summary, "pearson") in caption
    assert wide(saved(page, figure, "PNG", tmp_path)[1]) > 1000
    page.locator("#part-1-results").get_by_label("published figures").uncheck()
    page.locator("#part-1-results").get_by_label("Find a model").fill("text")
    texts = words_of(saved(page, figure, "SVG", tmp_path)[1])[0]
    assert "text" in texts
    assert not {"published", HARD, "TFN, published"} & {*texts}


def copied(page, section, form):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    box = page.locator(f"#{section} .copy").first
    box.scroll_into_view_if_needed()
    box.get_by_role("button", name=form, exact=True).click()
    page.wait_for_function(
        "section => document.querySelector(`#${section} .copy [role=status]`).textContent", arg=section
    )
    assert box.get_by_role("status").inner_text() == "copied"
    return page.evaluate("navigator.clipboard.readText()").replace("\r\n", "\n")


def letters(text):
    """A text as LaTeX prints it; braces and commands must be whole."""
    for sign, written in sorted(LATEX.items(), key=lambda pair: -len(pair[1])):
        text = text.replace(written, f"\0{ord(sign)};")
    text = re.sub(r"\\(caption|textbf|underline|textsuperscript|begin|end|usepackage)(?=\{)", "", text)
    depth = 0
    for sign in text.replace("\\\\", ""):
        depth += {"{": 1, "}": -1}.get(sign, 0)
        assert depth >= 0
    assert depth == 0
    bare = [line for line in text.splitlines() if not line.startswith("%")]
    assert not re.search(r"[%#$_^~<>|]", "\n".join(bare))
    return re.sub("\0(\\d+);", lambda found: chr(int(found[1])), text)


def test_results_are_copied_whole(look, report, contents):
    page = look(report)
    page.locator("#part-1-results").get_by_label("Find a model").fill("text")
    latex = copied(page, "part-1-results", "LaTeX")
    assert latex.count(r"\begin{table}") == latex.count(r"\end{table}") == 1
    assert HARD in letters(latex)
    assert f"results {setting_of(contents.summary)}".replace("r", "R", 1) in letters(latex)
    assert intervals_of(contents.summary) in letters(latex)
    assert r"\textbf{" in latex
    for mean in contents.summary["mean"]:
        assert f"{mean:.3f}" in latex
    markdown = copied(page, "part-1-results", "Markdown")
    assert markdown.count("\n| ") == 2 + 1 + len(contents.summary["model"].unique()) - 1
    rows = [*csv.DictReader(io.StringIO(copied(page, "part-1-results", "CSV")))]
    assert [row["model"] for row in rows] == [*contents.summary["model"]]
    assert "whole table, unfiltered" in page.locator("#part-1-results .copy").inner_text()


def test_records_are_copied_as_they_are_found_and_sorted(look, report, contents):
    page = look(report)
    pairs = page.locator("#part-1-comparisons")
    pairs.scroll_into_view_if_needed()
    pairs.get_by_label("metric").select_option("mae")
    pairs.get_by_label("Search").fill("50%")
    pairs.get_by_role("button", name="better").click()
    mine = contents.comparisons.query("metric == 'mae' and (better == @HARD or worse == @HARD)")
    rows = [*csv.DictReader(io.StringIO(copied(page, "part-1-comparisons", "CSV")))]
    assert sorted((row["better"], row["worse"]) for row in rows) == sorted(
        zip(mine["better"], mine["worse"], strict=True)
    )
    found = pd.DataFrame(rows).set_index(["better", "worse"])
    for row in mine.to_dict("records"):
        own = found.loc[row["better"], row["worse"]]
        assert float(own["difference, low"]) == pytest.approx(row["low"], rel=1e-3)
        assert float(own["p"]) == pytest.approx(row["p"], rel=1e-3)
    latex = copied(page, "part-1-comparisons", "LaTeX")
    assert "\n{}[a] 50\\% \\& a\\_b" in latex or "& [a] 50\\% \\& a\\_b" in latex
    assert HARD in letters(latex)
    assert "metric: mae." in letters(latex)
    assert latex.count("\\\\\n") == 1 + len(mine)
    markdown = copied(page, "part-1-comparisons", "Markdown").splitlines()
    assert re.fullmatch(r"\|( --- \|){3}( ---: \|)+", markdown[1])
    cells = re.split(r"(?<!\\)\|", markdown[2])[1:-1]
    assert len(cells) == len(re.split(r"(?<!\\)\|", markdown[0])) - 2
    assert re.sub(r"\\(.)", r"\1", cells[0].strip()) in {*mine["better"]}


def test_all_samples_that_match_are_copied_and_none_is_a_formula(look, report, contents):
    page = look(report)
    page.locator("#part-1-samples").scroll_into_view_if_needed()
    rows = [*csv.DictReader(io.StringIO(copied(page, "part-1-samples", "CSV")))]
    assert {row["id"] for row in rows} == {*contents.answers[0].samples}
    assert {row["transcript"] for row in rows} == {"'=1+1\nthey, said"}
    apart = [float(row["disagreement"]) for row in rows]
    assert apart == sorted(apart, reverse=True)
    latex = copied(page, "part-1-samples", "LaTeX")
    assert "=1+1 they, said" in latex  # a line is a row


def test_plain_tables_are_copied_as_they_are_seen(look, report):
    page = look(report)
    page.locator("#part-1-configurations").scroll_into_view_if_needed()
    section = page.locator("#part-1-configurations")
    section.get_by_label("Compare").select_option("text")
    section.get_by_label("with").select_option(HARD)
    rows = [*csv.reader(io.StringIO(copied(page, "part-1-configurations", "CSV")))]
    assert rows[0] == ["key", "text", HARD]
    assert [row[0] for row in rows[1:]] == section.locator("tbody th").all_inner_texts()
    assert "model.fusion" in rows[1][0]
    facts = dict(csv.reader(io.StringIO(copied(page, "environment", "CSV"))))
    assert facts["fact"] == "value"
    assert "epoch chosen by" in facts


def test_a_page_without_a_clipboard_copies_all_the_same(look, report):
    page = look(report)
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.evaluate(
        "document.execCommand = what => { window.taken = [what, document.activeElement.value]; return true; }"
    )
    box = page.locator("#part-1-results .copy")
    box.get_by_role("button", name="CSV").click()
    assert box.get_by_role("status").inner_text() == "copied"
    what, text = page.evaluate("window.taken")
    assert what == "copy"
    assert text.startswith("corpus,target,model,metric,mean")
    assert page.evaluate("document.activeElement.textContent") == "CSV"
    page.evaluate("document.execCommand = () => false")
    box.get_by_role("button", name="CSV").click()
    page.wait_for_function("document.querySelector('.copy [role=status]').textContent !== 'copied'")
    assert box.get_by_role("status").inner_text() == "not copied: the browser keeps its clipboard to itself"
    assert page.locator("textarea").count() == 0


def test_captions_say_what_the_intervals_are_for(contents):
    summary = contents.summary
    assert "for a new seed on new" in intervals_of(summary)
    assert "weights alone" in intervals_of(summary.assign(one_seed=True))
    assert "weights alone" not in intervals_of(summary.assign(one_seed=False))
    assert "groups of samples" in intervals_of(summary.assign(by_group=True))
    assert setting("c", "t", []) == "(c · t)"
    assert setting("c", "t", [1, 1]) == "(c · t, 1 seed of each model)"


def test_every_figure_and_every_table_has_a_caption(look, report):
    page = look(report)
    for box in page.locator("figure, .tabular, .records, .configurations").all():
        caption = box.locator("figcaption, .caption").first.text_content()
        assert len(caption) > 40
        assert caption.endswith(".")


def test_scores_of_robustness_are_copied_whole(look, tmp_path):
    corpus = affect.load("synthetic")
    model = affect.FusionModel.for_corpus(corpus, fusion=affect.fusion.LateFusion)
    compared = Comparison([sweep(model, corpus["test"], modality_subsets())], resamples=10)
    scores = compared.scores()
    write_robustness(tmp_path, [compared], scores)
    page = look(tmp_path / "robustness.html")
    latex = copied(page, "part-1-scores", "LaTeX")
    assert "mean subset" in letters(latex)
    assert "Every model met the same damage." in latex
    for mean in scores["mean"]:
        assert f"{mean:.3f}" in latex
    caption = page.locator("#part-1-picture-1 figcaption").inner_text()
    assert (
        f"test split, n = {len(corpus['test']):,} labels, 1 seed of each model). Every model met" in caption
    )
