"""How figures look, and how a page holds them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape, unescape
from typing import TYPE_CHECKING, Any

from affect.errors import ConfigError
from affect.report.copies import SIGNS

if TYPE_CHECKING:
    import plotly.graph_objects as go

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c8c8c", "#b8a700")
"""Told apart by the colour-blind too, on white and on black (Okabe and Ito)."""

GREY = "#6e7688"
"""Of letters and axes: 4.5 to 1 on white and on black; a page puts its own colour in place of it."""


def styled(figure: go.Figure, title: str, height: int) -> go.Figure:
    """Readable on light and on dark paper."""
    figure.update_layout(
        title_text=title, title_font_size=16, height=height, margin={"l": 10, "r": 10, "t": 76, "b": 10},
        font={"family": "system-ui, sans-serif", "color": GREY}, paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)", legend={"orientation": "h", "y": 1, "yanchor": "bottom"},
    )  # fmt: skip
    for update in (figure.update_xaxes, figure.update_yaxes):
        update(gridcolor="rgba(122,132,150,.25)", zerolinecolor="rgba(122,132,150,.5)", automargin=True)
    return figure


def colour_of(place: int) -> str:
    """The colour of a figure's n-th model."""
    return COLOURS[place % len(COLOURS)]


def band_of(place: int) -> str:
    """The colour of its interval: others are seen through it."""
    red, green, blue = bytes.fromhex(colour_of(place)[1:])
    return f"rgba({red},{green},{blue},.18)"


def dash_of(place: int) -> str:
    """Its line: after every eight models another one."""
    return ("solid", "dash", "dot")[place // len(COLOURS) % 3]


def shown(name: str) -> str:
    """A name as plotly shows it to the letter: it reads markup."""
    return escape(name, quote=False)


def wrapped(label: str) -> str:
    """A label on several lines of about 24 letters, broken after points and spaces.

    Example:
        >>> wrapped("LowRankBilinearFusion.dropout")
        'LowRankBilinearFusion.<br>dropout'
    """
    lines = [""]
    for part in re.split(r"(?<= )|(?<=\.)(?!\d)", unescape(label)):
        if lines[-1] and len(lines[-1] + part.rstrip()) > _WIDE:
            lines.append("")
        lines[-1] += part
    return "<br>".join(shown(line.rstrip()) for line in lines)


_WIDE = 24


def named_rows(figure: go.Figure, names: list[str], height: int) -> int:
    """Names beside the rows of a figure, the long ones on several lines.

    Args:
        figure: whose y axis has the names for categories.
        names: as plotly reads them.
        height: of a row, in pixels, where all names are short.
    Returns:
        the height of all rows.
    """
    texts = [wrapped(name) for name in names]
    figure.update_yaxes(type="category", tickmode="array", tickvals=names, ticktext=texts)
    lines = 1 + max(text.count("<br>") for text in texts)
    return max(height, 16 * lines + 4) * len(names)


def plotly() -> Any:
    """Its figures.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import plotly.graph_objects as go
    except ImportError:
        raise ConfigError('pictures need plotly; pip install "affect[report]"') from None
    return go


def embedded(figures: Mapping[str, go.Figure], choice: str = "", caption: str = "") -> dict[str, Any]:
    """Figures as plain values, for the page's script to draw one at a time.

    Args:
        figures: by what a reader chooses.
        choice: what that is; empty where there is one figure.
        caption: what stands below, after the title of the figure that is chosen: true of all of them.
    """
    options = {}
    for name, figure in figures.items():
        content = json.loads(figure.to_json())
        layout = content["layout"] | {"showlegend": False}  # the page has its own, which a keyboard reaches
        layout.pop("template", None)
        del layout["title"]
        layout["margin"] = layout.get("margin", {}) | {"t": 16}
        options[name] = {"title": figure.layout.title.text, "data": content["data"], "layout": layout}
    first = next(iter(options.values()))
    size = {"least_width": 0, "most_width": 0, **first["layout"].get("meta", {})}
    size["height"] = first["layout"]["height"]
    return {"choice": choice, "title": first["title"], "caption": caption, **size, "options": options}


def rendered(template: str, **values: object) -> str:
    """A page of this folder's templates, filled in; everything is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("affect", "report"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.policies["json.dumps_kwargs"] = {
        "separators": (",", ":"),
        "ensure_ascii": False,
        "allow_nan": False,
    }
    return environment.get_template(template).render(values, signs=SIGNS)


def script() -> str:
    """All of plotly, for a page that must not ask a network for it; empty where it is not installed."""
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        return ""
    return str(get_plotlyjs())
