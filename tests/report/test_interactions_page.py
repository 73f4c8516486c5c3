"""Interactions on a terminal, as a picture and as a page, and the command that writes them."""

import numpy as np
import pytest

import affect
from affect.cli import main
from affect.data.native import save
from affect.interactions import of_outputs
from affect.report.interactions import BIASES, interaction_bars, interaction_lines, write_interactions

RNG = np.random.default_rng(0)
BITS = RNG.integers(0, 2, (2, 200))


@pytest.fixture(scope="module")
def found():
    xor = of_outputs(*BITS, np.stack(BITS, 1), BITS[0] ^ BITS[1], names=("ecg", "<b>eeg"), resamples=9)
    return [xor, of_outputs(BITS[0], BITS[1], BITS[0] * 0, BITS[0], names=("eda", "ppg"), resamples=9)]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A file of a corpus in which one modality holds the label."""
    given = {
        name: {
            "ecg": 2 * own[:, None] + RNG.normal(size=(40, 2)),
            "eeg": RNG.normal(size=(40, 2)),
            "joy": own,
        }
        for name, own in zip(("train", "valid"), BITS[0, :80].reshape(2, 40), strict=True)
    }
    path = tmp_path_factory.mktemp("corpus") / "toy.safetensors"
    save(affect.Corpus.from_arrays(given, {"joy": "binary"}, name="toy"), path)
    return path


def test_a_row_for_each_part_on_a_terminal(found):
    table = interaction_lines(found)
    lines = table.lines(80)
    assert all(len(line) <= 80 for line in lines)
    assert lines[0].startswith("interactions about target: bits, of ")
    parts = [(row[0], row[1]) for row in table.rows]
    assert parts == [
        ("ecg, <b>eeg", "redundancy"), ("", "unique: ecg"), ("", "unique: <b>eeg"), ("", "synergy"),
        ("eda, ppg", "redundancy"), ("", "unique: eda"), ("", "unique: ppg"), ("", "synergy"),
    ]  # fmt: skip
    full, below = table.rows[3], table.rows[7]
    assert full[-1] == "█" * 16
    assert full[2] == "1.00"
    assert float(below[2]) < -0.9
    assert below[-1] == ""


def test_bars_have_their_intervals(found):
    figure = interaction_bars(found)
    assert [bar.name for bar in figure.data] == [
        "redundancy", "unique to the first", "unique to the second", "synergy",
    ]  # fmt: skip
    synergy = figure.data[3]
    assert synergy.x == tuple(own.value.synergy for own in found)
    assert synergy.error_x.array == pytest.approx([own.high.synergy - own.value.synergy for own in found])
    assert synergy.error_x.arrayminus == pytest.approx([own.value.synergy - own.low.synergy for own in found])
    assert figure.data[2].hovertext == ("unique: &lt;b&gt;eeg", "unique: ppg")


def test_the_page_shows_the_picture_and_its_numbers(found, look, tmp_path):
    write_interactions(tmp_path / "page.html", "toy", found)
    page = look(tmp_path / "page.html")
    page.wait_for_selector(".plot .main-svg")
    assert page.locator(".plot .barlayer .point").count() == 8
    assert {"redundancy", "unique to the first", "unique to the second", "synergy"} <= {
        *page.locator(".legend button").all_inner_texts()
    }
    assert page.locator(".records tbody tr").count() == 8
    page.locator(".numbers summary").click()
    page.wait_for_selector(".numbers thead th")
    assert page.locator(".numbers thead th").all_inner_texts()[-3:] == ["bits", "low", "high"]


def test_the_page_without_plotly_has_its_table(found, tmp_path, no_plotly):
    write_interactions(tmp_path / "page.html", "toy", found)
    text = (tmp_path / "page.html").read_text()
    assert "This page has no charts because plotly is not installed" in text
    assert "interactions.csv" in text
    assert BIASES.split(":")[0] in text


def test_inspect_says_and_draws_them(corpus, tmp_path, capsys):
    main(["inspect", str(corpus), "--interactions", "--out", str(tmp_path / "page.html")])
    out = capsys.readouterr().out
    assert "interactions about joy: bits, of " in out
    assert "unique: ecg" in out
    assert f"from 80 samples of 80 groups. {BIASES}" in " ".join(out.split())
    assert "page.html written" in out
    assert "Interactions in toy" in (tmp_path / "page.html").read_text()


def test_inspect_looks_at_a_runs_predictions(corpus, tmp_path, capsys):
    model = affect.FusionModel.for_corpus(affect.load(corpus), encoder=affect.encoders.PooledEncoder, width=4)
    run = affect.fit(model, affect.load(corpus), training=affect.Training(epochs=5, learning_rate=0.01))
    run.save(tmp_path / "run")
    main(["inspect", str(corpus), "--interactions", "--rest", "--predictions", str(tmp_path / "run")])
    assert "interactions about predictions of joy" in capsys.readouterr().out


@pytest.mark.parametrize("flag", [["--rest"], ["--about", "joy"], ["--out", "page.html"]])
def test_flags_of_interactions_ask_for_them(corpus, flag):
    with pytest.raises(SystemExit) as caught:
        main(["inspect", str(corpus), *flag])
    assert (
        str(caught.value)
        == f"ConfigError: {flag[0]} says how interactions are estimated; give --interactions too"
    )
