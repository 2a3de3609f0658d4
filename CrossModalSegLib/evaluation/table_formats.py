"""Score tables as text: terminal, Markdown, CSV and LaTeX in the papers' layout."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from CrossModalSegLib.core.errors import CohortError
from CrossModalSegLib.evaluation.tables import Cell, Row, ScoreTable

NOT_RUN, UNDEFINED = "not run", "n/a"

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
}


@dataclass(frozen=True)
class TextTable:
    """A score table as unescaped text.

    Attributes:
        header: Head of each column.
        rows: One text a column.
        bold: (row, column) of the best values.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    bold: frozenset[tuple[int, int]]


def text_table(table: ScoreTable, decimals: int = 1) -> TextTable:
    """Lay a score table out: method, mean ± deviation of each region, average, gap, empties."""
    rows = tuple(
        (
            row.label,
            *_values(table, row, decimals),
            percent(row.gap_closed),
            str(sum(row.empties.values())) if row.cells else "",
        )
        for row in table.rows
    )
    header = ("Method", *table.regions, "Average", "Gap closed", "Empty masks")
    return TextTable(header, rows, _best_cells(table))


def to_rich(table: ScoreTable, decimals: int = 1) -> Table:
    """Return the table for a rich console; the caption says what the numbers are."""
    text = text_table(table, decimals)
    rich_table = Table(
        title=Text(table.metric.title),
        caption=Text(table.caption()),
        caption_justify="left",
        title_justify="left",
    )
    for column, head in enumerate(text.header):
        rich_table.add_column(
            Text(head), justify="right" if column else "left", no_wrap=column == 0
        )
    for index, (row, cells) in enumerate(zip(table.rows, text.rows, strict=True)):
        rich_table.add_row(
            *(
                Text(cell, style="bold" if (index, column) in text.bold else "")
                for column, cell in enumerate(cells)
            ),
            style="dim" if row.is_bound else "",
        )
    return rich_table


def to_text(table: ScoreTable, decimals: int = 1, width: int = 120) -> str:
    """Return the table as plain text of at most `width` columns, without colours."""
    stream = io.StringIO()
    Console(file=stream, width=width, no_color=True, force_terminal=False).print(
        to_rich(table, decimals)
    )
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def to_markdown(table: ScoreTable, decimals: int = 1) -> str:
    """Return the table in GitHub's Markdown, the caption below it."""
    text = text_table(table, decimals)
    lines = [
        _markdown_line([escape_markdown(head) for head in text.header]),
        _markdown_line(["---", *("---:" for _ in text.header[1:])]),
    ]
    for index, cells in enumerate(text.rows):
        shown = [escape_markdown(cell) for cell in cells]
        for row, column in text.bold:
            if row == index:
                shown[column] = f"**{shown[column]}**"
        lines.append(_markdown_line(shown))
    return "\n".join([*lines, "", escape_markdown(table.caption()), ""])


def to_csv(tables: Sequence[ScoreTable]) -> str:
    """Return several metrics as one tidy CSV: a line for each method, metric and region.

    Numbers have full precision; undefined ones are empty. The region "average" is the mean over
    the regions; `gap_closed` (a fraction, not percent) stands on that line of the Dice.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        (
            *("method", "label", "metric", "unit", "region", "mean", "std"),
            *("across", "count", "undefined", "gap_closed", "empty_policy", "empty_masks"),
            "missing_predictions",
        )
    )
    for table in tables:
        for row in table.rows:
            writer.writerows(_csv_lines(table, row))
    return stream.getvalue()


def to_latex(tables: Sequence[ScoreTable], decimals: int = 2, *, caption: str = "") -> str:
    """Return one table with a block of columns for each metric (DSAN, Table II; needs booktabs).

    The share of the gap has a column where any method has one.

    Args:
        tables: One for each metric.
        decimals: Of all numbers.
        caption: In comments below the table; "": what the tables say of themselves.

    Raises:
        CohortError: There is no table, or they have other methods or regions.
    """
    if not tables:
        raise CohortError("No table was given, expected at least one metric.")
    first = tables[0]
    for table in tables[1:]:
        if table.regions != first.regions or _methods(table) != _methods(first):
            raise CohortError(
                f"{table.metric.title} and {first.metric.title} are tables of different methods "
                "or regions, expected the same rows and columns."
            )
    has_gap = any(row.gap_closed is not None for row in first.rows)
    width = len(first.regions) + 1
    heads = "".join(
        rf" & \multicolumn{{{width}}}{{c}}{{{escape_latex(table.metric.title)}}}"
        for table in tables
    )
    rules = "".join(
        rf"\cmidrule(lr){{{2 + width * n}-{1 + width * (n + 1)}}}" for n in range(len(tables))
    )
    names = [escape_latex(name) for name in (*first.regions, "Average")] * len(tables)
    gap_heads = (" & Gap closed", r" & (\%)") if has_gap else ("", "")
    comments = caption.splitlines() or [table.caption() for table in tables]
    lines = [
        rf"\begin{{tabular}}{{l{'c' * (width * len(tables))}{'r' * has_gap}}}",
        r"\toprule",
        rf"Method{heads}{gap_heads[0]} \\",
        rules,
        rf" & {' & '.join(names)}{gap_heads[1]} \\",
        r"\midrule",
        *(
            _latex_line(tables, index, decimals, has_gap=has_gap)
            for index in range(len(first.rows))
        ),
        r"\bottomrule",
        r"\end{tabular}",
        *(f"% {line}" for line in comments),
    ]
    return "\n".join(lines) + "\n"


def percent(fraction: float | None) -> str:
    """Return a share in percent, or nothing for None."""
    return "" if fraction is None else f"{100 * fraction:.0f} %"


def mean_and_deviation(cell: Cell, decimals: int) -> str:
    """Return "mean ± deviation", the mean alone where there is but one run, or "n/a"."""
    if cell.mean is None:
        return UNDEFINED
    mean = f"{cell.mean:.{decimals}f}"
    return mean if cell.deviation is None else f"{mean} ± {cell.deviation:.{decimals}f}"


def escape_markdown(text: str) -> str:
    """Escape what Markdown would take for markup, and line breaks."""
    return re.sub(r"([\\`*_\[\]<>|~])", r"\\\1", " ".join(text.split()))


def escape_latex(text: str) -> str:
    """Escape what LaTeX would take for commands."""
    return "".join(_LATEX.get(character, character) for character in " ".join(text.split()))


def _values(table: ScoreTable, row: Row, decimals: int) -> list[str]:
    """Return the texts of the regions and of the average."""
    if not row.cells:
        return [NOT_RUN, *[""] * len(table.regions)]
    texts = [mean_and_deviation(row.cells[region], decimals) for region in table.regions]
    return [*texts, UNDEFINED if row.average is None else f"{row.average:.{decimals}f}"]


def _best_cells(table: ScoreTable) -> frozenset[tuple[int, int]]:
    columns: tuple[str | None, ...] = (*table.regions, None)
    return frozenset(
        (index, column)
        for column, region in enumerate(columns, start=1)
        for best in [table.best(region)]
        for index, row in enumerate(table.rows)
        if row.method in best
    )


def _markdown_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _csv_lines(table: ScoreTable, row: Row) -> list[tuple[object, ...]]:
    head = (row.method, row.label, table.metric.name, table.metric.unit)
    tail = (table.policy, sum(row.empties.values()), row.missing)
    across = table.across
    lines: list[tuple[object, ...]] = [
        (*head, region, cell.mean, cell.deviation, across, cell.count, cell.undefined, None, *tail)
        for region, cell in row.cells.items()
    ]
    gap = row.gap_closed if table.metric.name == "dice" else None
    count = (row.runs or table.patients) if row.cells else 0
    return [*lines, (*head, "average", row.average, None, across, count, None, gap, *tail)]


def _latex_line(tables: Sequence[ScoreTable], index: int, decimals: int, *, has_gap: bool) -> str:
    row = tables[0].rows[index]
    texts = [escape_latex(row.label)]
    for table in tables:
        bold = _best_cells(table)
        for column, value in enumerate(_values(table, table.rows[index], decimals), start=1):
            text = escape_latex(value)
            texts.append(rf"\textbf{{{text}}}" if (index, column) in bold else text)
    if has_gap:
        texts.append("" if row.gap_closed is None else f"{100 * row.gap_closed:.0f}")
    return f"{' & '.join(texts)} \\\\"


def _methods(table: ScoreTable) -> tuple[str, ...]:
    return tuple(row.method for row in table.rows)
