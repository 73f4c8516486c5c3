"""Heat maps whose numbers can be read on every cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from affect.metrics import Array
from affect.report.figures import plotly

if TYPE_CHECKING:
    import plotly.graph_objects as go

_SHARES = ("#e8f1f9", "#86bce4", "#08457e")
"""From little to much, at equal distances."""


def heat_map(
    values: Array,
    columns: list[str],
    rows: list[str],
    form: str,
    ends: tuple[float, float] | None = None,
    dark_is_low: bool = False,
    **more: Any,
) -> go.Figure:
    """Cells that are the darker the more they hold, each with its value in black or white, the clearer one.

    That has a contrast of 4.58:1 or more against any colour. A cell without a value is empty.

    Args:
        values: what the cells hold.
        columns: their names, as plotly reads them.
        rows: the same, from the top.
        form: of a value's text, as `str.format` takes it.
        ends: the values of the lightest and the darkest colour; by default the least and the greatest.
        dark_is_low: the less a cell holds, the darker it is.
        more: for plotly's `Heatmap`.
    Shapes:
        values: (rows, columns)
    Raises:
        ConfigError: plotly is not installed.
    """
    graphs = plotly()
    known = values[~np.isnan(values)]
    low, high = ends or ((known.min(), known.max()) if known.size else (0.0, 1.0))
    high = high if high > low else low + 1
    colours = _SHARES[::-1] if dark_is_low else _SHARES
    figure: go.Figure = graphs.Figure(
        graphs.Heatmap(
            z=values, x=columns, y=rows, zmin=low, zmax=high, xgap=2, ygap=2,
            colorscale=[*zip((0.0, 0.5, 1.0), colours, strict=True)], **more,
        )
    )  # fmt: skip
    bright = _luminance(np.nan_to_num((values - low) / (high - low)), colours) > _MIDDLE
    for ink, own in (("#000000", bright), ("#ffffff", ~bright)):
        places = np.argwhere(own & ~np.isnan(values)).tolist()
        where: dict[str, Any] = {
            "x": [columns[column] for _, column in places], "y": [rows[row] for row, _ in places],
        }  # fmt: skip
        figure.add_scatter(
            **where, text=[form.format(values[row, column]) for row, column in places],
            mode="markers+text", marker={"opacity": 0}, textfont={"color": ink, "size": 13},
            hoverinfo="skip", showlegend=False,
        )  # fmt: skip
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    return figure


_MIDDLE = 0.1791
"""The luminance on which black and white are equally clear: (1.05 x 0.05)^0.5 - 0.05."""


def _luminance(shares: Array, colours: tuple[str, ...]) -> NDArray[np.float64]:
    """The relative luminance of colours between those of a scale, as WCAG 2 defines it."""
    stops = np.array([[*bytes.fromhex(colour[1:])] for colour in colours]) / 255
    mixed = [np.interp(shares, np.linspace(0, 1, len(stops)), channel) for channel in stops.T]
    linear = [np.where(own <= 0.04045, own / 12.92, ((own + 0.055) / 1.055) ** 2.4) for own in mixed]
    return np.asarray(np.tensordot([0.2126, 0.7152, 0.0722], linear, 1))
