"""What modalities say about a target, in bits: for the terminal, as a picture, and as a page."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from affect.files import writing
from affect.interactions import Estimate
from affect.report.figures import colour_of, embedded, named_rows, plotly, rendered, script, shown, styled
from affect.report.lines import Lines
from affect.report.records import column, numbers, records
from affect.spreadsheets import csv_of

if TYPE_CHECKING:
    import plotly.graph_objects as go

BIASES = (
    "Estimates are of what predictors found in the features: what they do not find is missing, most of all "
    "synergy. Below zero is noise, or what the predictor of both missed and those of one found. Intervals "
    "(95%) are for new samples, and longer by what half of the samples would change; of few samples, synergy "
    "may be more all the same."
)
"""What must be known of estimates, beside them."""

_WIDTH = 16  # letters of the longest bar


def interaction_lines(estimates: Collection[Estimate]) -> Lines:
    """A table for the terminal: a row for each part, with a bar for its share of what there is to know.

    Args:
        estimates: of one target.
    Example:
        >>> a, b = np.random.default_rng(0).integers(0, 2, (2, 400))
        >>> found = affect.interactions.of_outputs(a, b, np.stack([a, b], 1), a ^ b, names=("ecg", "eeg"))
        >>> interaction_lines([found]).lines(99)[-1].split()[:3]
        ['synergy', '1.00', '0.98']
    """
    rows = []
    for own in estimates:
        half = [np.nan] * 4 if own.halved is None else astuple(own.halved)
        several = zip(_parts(own), astuple(own.value), astuple(own.low), astuple(own.high), half, strict=True)
        for place, (part, bits, low, high, halved) in enumerate(several):
            bar = "█" * round(_WIDTH * min(1.0, max(0.0, bits) / own.entropy))
            rows.append(
                (
                    f"{own.first}, {own.second}" if not place else "",
                    part, *(_written(x) for x in (bits, low, high, halved)), bar,
                )
            )  # fmt: skip
    first = next(iter(estimates))
    return Lines(
        f"interactions about {first.target}: bits, of {first.entropy:.2f} in it",
        (
            ("modalities", "name"),
            ("part", "name"),
            *((head, "number") for head in ("bits", "low", "high", "from half")),
            (f"share of {first.entropy:.2f}", "picture"),
        ),
        rows,
    )


def interaction_bars(estimates: Collection[Estimate]) -> go.Figure:
    """Bars with intervals: of each pair of modalities its redundancy, unique parts and synergy.

    Args:
        estimates: of one target.
    Raises:
        ConfigError: plotly is not installed.
    """
    figure = plotly().Figure()
    pairs = [shown(f"{own.first}, {own.second}") for own in estimates]
    kinds = ("redundancy", "unique to the first", "unique to the second", "synergy")
    for place, kind in enumerate(kinds):
        value, low, high = (
            [astuple(getattr(own, name))[place] for own in estimates] for name in ("value", "low", "high")
        )
        figure.add_bar(
            x=value, y=pairs, orientation="h", name=kind, legendgroup=kind, marker_color=colour_of(place),
            hovertext=[shown(_parts(own)[place]) for own in estimates],
            hovertemplate="%{y}: %{hovertext} %{x:.3f} bits<extra></extra>",
            error_x={
                "type": "data", "symmetric": False, "thickness": 1, "width": 3,
                "array": np.subtract(high, value), "arrayminus": np.subtract(value, low),
            },
        )  # fmt: skip
    figure.update_xaxes(title_text="bits")
    figure.update_yaxes(autorange="reversed")
    height = 130 + named_rows(figure, pairs, 92)
    target = next(iter(estimates)).target
    return styled(figure, f"What modalities say about {shown(target)}", height=height)


def write_interactions(path: Path, corpus: str, estimates: Collection[Estimate]) -> None:
    """Write a page that needs nothing but itself: the picture, its table, and what must be known of them.

    Where plotly is not installed the page has no picture, and says so.

    Args:
        path: the HTML file.
        corpus: its name.
        estimates: of one target.
    """
    from affect.report.page import addresses
    from affect.report.sections import Section

    source, first = script(), next(iter(estimates))
    table = pd.concat([own.table() for own in estimates], ignore_index=True)
    where = f"{corpus} · {first.target}, {first.samples:,} samples of {first.groups:,} groups"
    known = f"There are {first.entropy:.3f} bits to be known."
    columns = [
        column("first", table["first"]),
        column("second", table["second"]),
        column("part", table["part"].str.replace("_", " ")),
        column("bits", table["bits"], low=numbers(table["low"]), high=numbers(table["high"])),
        column("bias taken off", table["counted"] - table["bits"]),
        column("from half", table["halved"]),
    ]
    caption = f"Redundant, unique and synergistic information in bits ({where}). {known} {BIASES}"
    drawn = {"": interaction_bars(estimates)} if source else {}
    charts = [embedded(drawn, caption=f"({where}). {known} {BIASES}")] if drawn else []
    section = Section(
        "interactions", "Redundancy, unique information and synergy", charts=charts,
        records=records("parts", columns, searched=[0, 1, 2], caption=caption),
    )  # fmt: skip
    notes = dict.fromkeys(note for own in estimates for note in own.notes)
    page = rendered(
        "page.html",
        title=f"Interactions in {corpus}",
        notes=[f"{note}." for note in notes],
        parts=[{"title": f"{corpus} · {first.target}", "citation": "", "sections": [section]}],
        about=f"{where}. {known}",
        rest="All figures",
        measured=False,
        ranks=None,
        environment=(),
        environment_caption="",
        downloads=addresses({"interactions.csv": csv_of(table)}),
        plotly=source,
    )
    with writing(path) as partial:
        partial.write_text(page, encoding="utf-8")


def _parts(own: Estimate) -> tuple[str, str, str, str]:
    return "redundancy", f"unique: {own.first}", f"unique: {own.second}", "synergy"


def _written(bits: float) -> str:
    return "" if np.isnan(bits) else f"{bits:.2f}".replace("-0.00", "0.00")
