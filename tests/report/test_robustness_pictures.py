"""Pictures of sweeps: what they show, and what they refuse."""

import re

import numpy as np
import pandas as pd
import pytest

from affect.errors import ConfigError
from affect.report.robustness import contribution_chart, curve_names, rate_curves, subset_map

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


def test_a_map_has_a_cell_for_each_model_and_subset():
    heat = subset_map(POINTS, "pearson").data[0]
    assert list(heat.x) == ["all", "a", "b"]
    assert list(heat.y) == ["late", "tensor"]
    assert np.allclose(heat.z, [[0.8, 0.6, 0.3], [0.85, 0.65, 0.35]])
    assert not heat.reversescale
    assert subset_map(POINTS, "mae").data[0].reversescale  # dark is good


def test_curves_are_by_level_with_their_intervals():
    figure = rate_curves(POINTS, "pearson", "steps")
    band, line = figure.data[:2]
    assert line.name == "late"
    assert list(line.x) == [0.0, 0.5]
    assert np.allclose(line.y, [0.8, 0.5])
    assert np.allclose(band.y, [0.9, 0.6, 0.4, 0.7])
    assert curve_names(POINTS) == ["steps"]


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
        (lambda: rate_curves(POINTS, "mae", "step"), "rate_curves: no curve 'step'; known: steps"),
    ],
)
def test_refusals(ask, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        ask()


def test_without_plotly_it_says_what_to_install(no_plotly):
    with pytest.raises(ConfigError, match=r'^pictures need plotly; pip install "affect\[report\]"$'):
        subset_map(POINTS, "mae")
