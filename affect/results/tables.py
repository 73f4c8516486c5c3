"""Tables to read: in the terminal, in Markdown and in LaTeX."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
from rich import table as terminal
from rich.console import Console
from rich.text import Text

from affect import metrics
from affect.console import WIDE, TableConsole
from affect.errors import ConfigError, escaped
from affect.files import writing
from affect.results.markup import latex_row, latex_text, markdown_text
from affect.results.summary import ONE_SEED
from affect.spreadsheets import csv_of


@dataclass(frozen=True)
class Cell:
    """What stands in a table for one model and metric.

    Args:
        text: mean, deviation over seeds, interval; or whatever else a table holds.
        remarks: what a reader must know beside it.
        best: whether no other measured model has a better mean.
        tie: whether the best one is not significantly better.
    """

    text: str
    remarks: tuple[str, ...] = ()
    best: bool = False
    tie: bool = False


@dataclass(frozen=True)
class Table:
    """Cells in rows, to be written in any form; control characters in them are shown escaped.

    Args:
        title: what it is about.
        corner: what the first column holds.
        heads: of the other columns.
        rows: each with its label.
        notes: what stands below, beside the remarks of cells.
        caption: what it shows, as a paper says it; in LaTeX it then floats.
    """

    title: str
    corner: str
    heads: list[str]
    rows: list[tuple[str, list[Cell]]] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    caption: str = ""

    @property
    def ties(self) -> bool:
        """Whether any cell ties with the best."""
        return any(cell.tie for _, row in self.rows for cell in row)

    @property
    def legend(self) -> list[str]:
        """What stands below: what the underlines mean, where there are any, and the notes."""
        return [*([LEGEND] if self.ties else []), *self.notes]

    def __post_init__(self) -> None:
        for name in ("title", "corner", "caption"):
            object.__setattr__(self, name, escaped(getattr(self, name)))
        object.__setattr__(self, "heads", [escaped(head) for head in self.heads])
        object.__setattr__(
            self, "rows", [(escaped(label), [_plain(cell) for cell in cells]) for label, cells in self.rows]
        )

    def marked(self) -> tuple[list[tuple[str, list[tuple[Cell, str]]]], dict[str, str]]:
        """The rows, each cell with the letters that stand for its remarks; and the letter of each remark."""
        marks: dict[str, str] = {}
        rows = [(label, [(cell, _signs(cell, marks)) for cell in cells]) for label, cells in self.rows]
        return rows, marks


def _plain(cell: Cell) -> Cell:
    """The same, each text on one line."""
    text, remarks = escaped(cell.text), tuple(map(escaped, cell.remarks))
    return cell if (text, remarks) == (cell.text, cell.remarks) else replace(cell, text=text, remarks=remarks)


NO_BETTER = "not clearly better than a constant"
"""The best constant prediction lies within the interval, or beyond it."""

LEGEND = "bold: the best mean; underlined: the best is not significantly better, for new seeds on new samples"
"""What stands below a table with ties."""

BY_GROUP = "intervals and tests are for new groups of samples (videos, speakers), which were drawn whole"
"""What stands below a table of samples that come in groups."""


def cells(summary: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    """For each corpus and target a frame of `Cell`s, models by metrics.

    Published figures are marked by their source and stand below the model that they are beside.

    Args:
        summary: as `affect.results.summarise` makes it.
    """
    tables = {}
    for (corpus, target), rows in summary.groupby(["corpus", "target"], sort=False):
        measured = rows[rows["count"].notna()]
        found: dict[str, dict[str, Cell]] = {metric: {} for metric in measured["metric"].unique()}
        for metric, column in rows[rows["metric"].isin(found)].groupby("metric", sort=False):
            sign = 1 if metrics.higher_is_better(str(metric)) else -1
            best = (sign * column.loc[column["count"].notna(), "mean"]).max()
            for row in column.to_dict("records"):
                best_one = sign * row["mean"] == best and not _is_so(row, "one_seed")
                found[str(metric)][row["model"]] = _cell(row, sign, best_one)
        tables[str(corpus), str(target)] = pd.DataFrame(found, index=_order(rows), dtype=object)
    return tables


def summary_tables(summary: pd.DataFrame, turned: bool = False) -> list[Table]:
    """A summary as one table per corpus and target.

    Args:
        summary: as `affect.results.summarise` makes it, or `affect.robustness.Comparison.scores`.
        turned: a column for each model, not a row.
    """
    tables = []
    for (corpus, target), frame in cells(summary).items():
        counted = {metric: f"{metric} {_arrow(metric)}" for metric in frame.columns}
        mine = summary[(summary["corpus"] == corpus) & (summary["target"] == target)]
        if not turned:
            counts = mine.groupby("metric")["count"].max()
            counted = {metric: f"{head} (n={counts[metric]:.0f})" for metric, head in counted.items()}
        frame = frame.rename(columns=counted)
        frame = frame.T if turned else frame
        rows = [(str(label), _cells_of(row)) for label, row in frame.iterrows()]
        corner = "score" if turned else "model"
        heads = [str(head) for head in frame.columns]
        tables.append(Table(f"{corpus} · {target}", corner, heads, rows, notes_of(mine)))
        others = elsewhere(mine)
        if not others.empty:
            tables.append(frame_table(others, "published, of other measures"))
    return tables


def notes_of(summary: pd.DataFrame) -> tuple[str, ...]:
    """What stands below the tables of a summary, whatever their cells say.

    Args:
        summary: of one corpus and target.
    """
    return (BY_GROUP,) if "by_group" in summary and summary["by_group"].eq(True).any() else ()


def elsewhere(rows: pd.DataFrame) -> pd.DataFrame:
    """Published figures of metrics that are not measured here, or not certainly by the same definition.

    Args:
        rows: of a summary, of one corpus and target.
    """
    measured = rows["count"].notna()
    others = rows[~measured & ~rows["metric"].isin(rows.loc[measured, "metric"])]
    if others.empty:
        return others
    return others[["model", "metric", "mean", "source"]].rename(columns={"mean": "value"})


def frame_table(frame: pd.DataFrame, title: str, digits: int = 3) -> Table:
    """Any frame as a table, its first column as labels.

    Args:
        frame: plain values.
        title: what it is about.
        digits: behind the point, of numbers below a hundred.
    """
    corner, *heads = (str(name) for name in frame.columns)
    rows = [
        (str(row[0]), [Cell(_written(value, digits)) for value in row[1:]])
        for row in frame.itertuples(index=False, name=None)
    ]
    return Table(title, corner, heads, rows)


def markdown(tables: Iterable[Table]) -> str:
    r"""Tables in Markdown: the best in bold, ties underlined, remarks as lettered notes below.

    Args:
        tables: in their order.
    Example:
        >>> print(markdown([frame_table(pd.DataFrame({"model": ["a|b"], "mae": [0.5]}), "one")]), end="")
        **one**
        <BLANKLINE>
        | model | mae |
        | --- | ---: |
        | a\|b | 0.500 |
    """
    parts = []
    for table in tables:
        rows, marks = table.marked()
        lines = [
            f"**{markdown_text(table.title)}**",
            "",
            _line(map(markdown_text, (table.corner, *table.heads))),
        ]
        lines.append(_line(["---", *["---:"] * len(table.heads)]))
        for label, row in rows:
            known = [(replace(cell, text=markdown_text(cell.text)), signs) for cell, signs in row]
            texts = [f"{_decorated(cell, '**', '**', '<ins>', '</ins>')} {signs}" for cell, signs in known]
            lines.append(_line([markdown_text(label), *texts]))
        notes = [f"{mark}: {markdown_text(remark)}.  " for remark, mark in marks.items()]
        notes += [f"{markdown_text(line[0].upper() + line[1:])}.  " for line in table.legend]
        notes += [markdown_text(table.caption)] if table.caption else []
        parts.append("\n".join([*lines, *([""] if notes else []), *notes]).rstrip())
    return "\n\n".join(parts) + "\n"


def latex(tables: Iterable[Table]) -> str:
    r"""Tables in LaTeX (booktabs): the best in bold, ties underlined, remarks as lettered notes below.

    Args:
        tables: in their order.
    Example:
        >>> print(latex([frame_table(pd.DataFrame({"model": ["a_b"], "mae": [0.5]}), "one")]), end="")
        % needs \usepackage{booktabs}
        % one
        \begin{tabular}{lr}
        \toprule
        model & mae \\
        \midrule
        a\_b & 0.500 \\
        \bottomrule
        \end{tabular}
    """
    parts = [r"% needs \usepackage{booktabs}"]
    for table in tables:
        rows, marks = table.marked()
        parts.append(f"% {table.title}")
        if table.caption:
            parts += [r"\begin{table}", r"\centering", rf"\caption{{{latex_text(table.caption)}}}"]
        heads = [latex_text(head) for head in (table.corner, *table.heads)]
        parts += [rf"\begin{{tabular}}{{l{'r' * len(table.heads)}}}", r"\toprule"]
        parts += [latex_row(heads), r"\midrule"]
        for label, row in rows:
            texts = [
                _decorated(replace(cell, text=latex_text(cell.text)), r"\textbf{", "}", r"\underline{", "}")
                + (rf"\textsuperscript{{{signs}}}" if signs else "")
                for cell, signs in row
            ]
            parts.append(latex_row([latex_text(label), *texts]))
        parts += [r"\bottomrule", r"\end{tabular}"]
        notes = [rf"\textsuperscript{{{mark}}}{latex_text(remark)}" for remark, mark in marks.items()]
        notes += map(latex_text, table.legend)
        if notes:
            parts.append(r"\par\footnotesize " + "; ".join(notes) + ".")
        if table.caption:
            parts.append(r"\end{table}")
    return "\n".join(parts) + "\n"


def show(tables: Iterable[Table], console: Console | None = None) -> None:
    """Print tables, remarks as marks that are explained below; no row and no remark is wrapped by us.

    Args:
        tables: in their order.
        console: where; on stdout by default.
    Example:
        >>> show([frame_table(pd.DataFrame({"model": ["sum"], "mae": [0.5]}), "one")])
          one
        model    mae
        sum    0.500
        <BLANKLINE>
    """
    console = console or TableConsole()
    for table in tables:
        rows, marks = table.marked()
        shown = terminal.Table(
            title=Text(table.title), title_style="bold", box=None, header_style="bold", pad_edge=False
        )
        shown.add_column(Text(table.corner))
        for head in table.heads:
            lines = head if console.width == WIDE else head.replace(" (", "\n(")
            shown.add_column(Text(lines), justify="right", overflow="fold")
        for label, row in rows:
            texts = []
            for cell, signs in row:
                text = Text(cell.text, "bold" if cell.best else "underline" if cell.tie else "")
                text.append(f" {signs}", "dim not underline not bold")
                texts.append(text)
            shown.add_row(Text(label), *texts)
        console.print(shown, markup=False)
        for remark, mark in marks.items():
            console.print(f"{mark} {remark}", style="dim", highlight=False, markup=False, soft_wrap=True)
        for line in table.legend:
            console.print(line, style="dim", highlight=False, markup=False, soft_wrap=True)
        console.print()


def write_tables(path: Path, tables: Iterable[Table], frame: pd.DataFrame) -> None:
    """Write tables in the form that a path's ending asks for: .md, .tex or .csv.

    Args:
        path: the file.
        tables: what is written into .md and .tex.
        frame: what is written into .csv: the plain values.
    Raises:
        ConfigError: the ending is another one.
    """
    forms = {
        ".md": lambda: markdown(tables),
        ".tex": lambda: latex(tables),
        ".csv": lambda: csv_of(frame),
    }
    if path.suffix not in forms:
        raise ConfigError(f"{path}: no table of this form; name a file that ends with {', '.join(forms)}")
    text = forms[path.suffix]()
    with writing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _cell(row: Mapping[Any, Any], sign: int, best: bool) -> Cell:
    value = {key: float(x) for key, x in row.items() if isinstance(x, int | float)}
    if "count" not in value or pd.isna(value["count"]):
        differs = row.get("differs")
        apart = f" (differs: {differs})" if isinstance(differs, str) and differs else ""
        return Cell(f"{value['mean']:.3f}", (f"published: {row['source']}{apart}",))
    failed = int(value.get("failed", 0))
    remarks = [f"{failed} {'run' if failed == 1 else 'runs'} failed"] if failed else []
    if pd.isna(value["mean"]):
        return Cell("failed" if failed else "undefined", tuple(remarks))
    text = f"{value['mean']:.3f}"
    if not pd.isna(value["std"]):
        text += f" ±{value['std']:.3f}"
    text += f" [{value['low']:.3f}, {value['high']:.3f}]"
    worst = value["low"] if sign > 0 else value["high"]
    if sign * worst <= sign * value["floor"]:
        remarks.append(f"{NO_BETTER} ({value['floor']:.3f})")
    gains = value.get("gain_low", float("nan")), value.get("gain_high", float("nan"))
    if _is_so(row, "one_seed"):
        remarks.append(ONE_SEED)
    elif gains[0] <= 0 <= gains[1]:
        remarks.append(f"not distinguishable from {row['reference']}")
    return Cell(text, tuple(remarks), best, tie=_is_so(row, "tie") and not best)


def _is_so(row: Mapping[Any, Any], key: str) -> bool:
    """Whether a row says yes; one of a release that did not ask says nothing."""
    return pd.notna(row.get(key)) and bool(row[key])


def _order(rows: pd.DataFrame) -> list[str]:
    """The models, each with the published ones that stand beside it below; those beside none at the end."""
    if "beside" not in rows:
        return [str(name) for name in rows["model"].unique()]
    beside = rows.loc[rows["count"].isna()].groupby("model", sort=False)["beside"].first()
    own = [str(name) for name in rows.loc[rows["count"].notna(), "model"].unique()]
    placed = [label for name in own for label in (name, *beside.index[beside == name])]
    return [*placed, *(str(name) for name in beside.index if name not in placed)]


def _cells_of(row: pd.Series) -> list[Cell]:
    """A row's cells; an empty one where a published model has no such figure."""
    return [cell if isinstance(cell, Cell) else Cell("") for cell in row]


def _signs(cell: Cell, marks: dict[str, str]) -> str:
    """The letters that stand for a cell's remarks; new remarks get new ones."""
    return "".join(sorted(marks.setdefault(remark, _letter(len(marks))) for remark in cell.remarks))


def _letter(number: int) -> str:
    """A to z, then A to Z, then numbers in brackets."""
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return letters[number] if number < len(letters) else f"[{number + 1}]"


def _written(value: Any, digits: int) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.{digits}f}" if abs(value) < 100 else f"{value:,.0f}"
    return str(value)


def _decorated(cell: Cell, bold: str, ended: str, under: str, under_ended: str) -> str:
    if cell.best:
        return f"{bold}{cell.text}{ended}"
    return f"{under}{cell.text}{under_ended}" if cell.tie else cell.text


def _arrow(metric: str) -> str:
    return "↑" if metrics.higher_is_better(metric) else "↓"


def _line(texts: Iterable[str]) -> str:
    return "| " + " | ".join(text.strip() for text in texts) + " |"
