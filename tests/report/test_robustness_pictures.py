"""Pictures of sweeps: what they show, and what they refuse."""

import re

import numpy as np
import pandas as pd
import pytest

from affect import metrics
from affect.data.targets import Regression
from affect.errors import ConfigError
from affect.report.heat import heat_map
from affect.report.robustness import bands_of, contribution_chart, curve_names, rate_curves, subset_map
from affect.robustness import Comparison, Sweep
from affect.statistics import measure, pairwise_tests

POINTS = pd.DataFrame(
    [
        {
            "model": model,
            "condition": condition,
            "level": level,
            "mean": mean,
            "low": mean - 0.1,
            "high": mean + 0.1,
        }
        for model, shift in (("late", 0.0), ("tensor", 0.05))
        for condition, level, mean in (
            ("clean", 0.0, 0.8 + shift),
            ("only a", 0.5, 0.6 + shift),
            ("only b", 0.5, 0.3 + shift),
            ("steps", 0.5, 0.5 + shift),
            ("steps", 0.0, 0.8 + shift),
        )
    ]
)

LEVELS, SAMPLES = (0.0, 0.2, 0.5), 40
"""The clean one, and two of a curve."""


def swept(errors, seeds=3):
    """Sweeps of models that err as much as is given, more at higher levels."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(SAMPLES, 1))
    conditions = pd.DataFrame({"condition": ["clean", "steps", "steps"], "level": LEVELS, "draw": [0, 0, 0]})
    growth = 1 + np.array(LEVELS)[:, None, None]
    return [
        Sweep(
            conditions=conditions,
            predictions=truth + error * growth * rng.normal(size=(len(LEVELS), SAMPLES, 1)),
            truth=truth,
            samples=tuple(f"s{place:02}" for place in range(SAMPLES)),
            present={"a": np.ones(SAMPLES, bool)},
            target=Regression("score"),
            where={"corpus": "toy", "split": "test", "model": name, "seed": seed, "fold": 0},
        )
        for name, error in errors.items()
        for seed in range(seeds)
    ]


def test_a_map_has_a_cell_for_each_model_and_subset():
    heat = subset_map(POINTS, "pearson").data[0]
    light, dark = heat.colorscale[0][1], heat.colorscale[-1][1]
    assert list(heat.x) == ["all", "a", "b"]
    assert list(heat.y) == ["late", "tensor"]
    assert np.allclose(heat.z, [[0.8, 0.6, 0.3], [0.85, 0.65, 0.35]])
    assert [stop[1] for stop in subset_map(POINTS, "mae").data[0].colorscale][::2] == [dark, light]  # is good


def test_curves_are_by_level_with_their_intervals():
    figure = rate_curves(POINTS, "pearson", "steps")
    band, line = figure.data[:2]
    assert line.name == "late"
    assert list(line.x) == [0.0, 0.5]
    assert np.allclose(line.y, [0.8, 0.5])
    assert np.allclose(band.y, [0.9, 0.6, 0.4, 0.7])
    assert band.visible
    assert curve_names(POINTS) == ["steps"]


def test_many_bands_are_hidden_and_of_very_many_models_the_best_are_seen():
    few, many = (
        pd.concat([POINTS.assign(model=f"model {i}", mean=POINTS["mean"] - i) for i in range(n)])
        for n in (3, 14)
    )
    assert not any(trace.visible for trace in rate_curves(few, "pearson", "steps").data if trace.fill)
    seen = {t.name: t.visible for t in rate_curves(many, "mae", "steps").data if not t.fill}
    assert [name for name, visible in seen.items() if visible != True] == ["model 0", "model 1"]  # noqa: E712 - or "legendonly"


@pytest.mark.parametrize("metric", ["pearson", "mae"])
def test_differences_are_for_a_new_seed_on_new_samples(metric):
    sweeps = swept({"base": 1.0, "better": 0.5, "worse": 2.0})
    compared = Comparison(sweeps, resamples=50)
    points = compared.curves(metric, baseline="base").set_index(["model", "condition", "level"])
    assert np.all(points.loc["base", ["gain", "gain_low", "gain_high"]] == 0)
    assert (points.loc["better", "gain"] > 0).all()
    assert (points.loc["worse", "gain"] < 0).all()
    sign = 1 if metric == "pearson" else -1
    score = metrics.metrics_for(compared.target)[metric]
    for place, level in enumerate(LEVELS):
        predictions = {
            name: np.stack([own.predictions[place] for own in sweeps if own.where["model"] == name])
            for name in compared.models
        }
        measured = measure(score, predictions, sweeps[0].truth, np.arange(SAMPLES), resamples=50)
        found = pairwise_tests(measured, SAMPLES)["base", "better"]
        row = points.loc["better", "clean" if place == 0 else "steps", level]
        ends = sorted([-sign * found.low, -sign * found.high])
        assert np.allclose(row[["gain", "gain_low", "gain_high"]].tolist(), [-sign * found.value, *ends])
        assert row["low"] < row["mean"] < row["high"]


def test_the_view_of_differences_has_the_baseline_at_zero_and_no_band_of_it():
    points = Comparison(swept({"base": 1.0, "better": 0.5}), resamples=50).curves("mae", baseline="base")
    figure = rate_curves(points, "mae", "steps", baseline="base")
    lines = {trace.name: trace for trace in figure.data if not trace.fill}
    assert list(lines["base"].y) == [0.0, 0.0]
    assert min(lines["better"].y) > 0
    assert [trace.legendgroup for trace in figure.data if trace.fill] == ["better"]
    assert figure.layout.yaxis.title.text == "difference in mae, above 0: better"
    assert figure.layout.yaxis.zeroline


def test_notes_say_for_whom_intervals_are():
    two = {"a": 1.0, "b": 0.5}
    assert "One seed" not in bands_of(Comparison(swept(two), resamples=5).curves("mae"))
    one = Comparison([*swept({"a": 1.0}), swept({"b": 1.0})[0]], resamples=5)
    assert bands_of(one.curves("mae")).endswith(" One seed, so for these weights only: b.")
    alone = Comparison([own for own in swept(two) if own.where["seed"] == 0], resamples=5)
    assert bands_of(alone.curves("mae")).endswith(" One seed, so for these weights only: all models.")


@pytest.mark.parametrize("dark_is_low", [False, True])
def test_cells_without_a_value_have_no_text(dark_is_low):
    values = np.array([[0.0, np.nan], [0.5, 1.0]])
    heat, black, white = heat_map(values, ["x", "y"], ["a", "b"], "{:.1f}", dark_is_low=dark_is_low).data
    assert sorted([*black.text, *white.text]) == ["0.0", "0.5", "1.0"]
    assert ("1.0" in black.text) == dark_is_low
    assert (heat.zmin, heat.zmax) == (0, 1)
    empty = heat_map(np.full((1, 1), np.nan), ["x"], ["a"], "{:.1f}").data
    assert not empty[1].text
    assert not empty[2].text


def test_contributions_sum_to_what_is_beyond_the_constant():
    bars = contribution_chart(POINTS, "pearson", floor=0.1).data
    assert [bar.name for bar in bars] == ["a", "b"]
    assert np.allclose(bars[0].x, [((0.6 - 0.1) + (0.8 - 0.3)) / 2, ((0.65 - 0.1) + (0.85 - 0.35)) / 2])
    assert np.allclose(np.add(bars[0].x, bars[1].x), [0.7, 0.75])
    errors = contribution_chart(POINTS, "mae", floor=1.1).data
    assert np.allclose(np.add(errors[0].x, errors[1].x), [0.3, 0.25])


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda: subset_map(POINTS[POINTS["condition"] == "steps"], "mae"),
            "subset_map: no subset was swept; sweep over modality_subsets()",
        ),
        (
            lambda: rate_curves(POINTS, "mae", "steps", baseline="late"),
            "rate_curves: the points have no differences to 'late'; make them with "
            "curves(metric, baseline='late')",
        ),
        (lambda: rate_curves(POINTS, "mae", "step"), "rate_curves: no curve 'step'; known: steps"),
    ],
)
def test_refusals(ask, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        ask()


def test_without_plotly_it_says_what_to_install(no_plotly):
    with pytest.raises(ConfigError, match=r'^pictures need plotly; pip install "affect\[report\]"$'):
        subset_map(POINTS, "mae")
