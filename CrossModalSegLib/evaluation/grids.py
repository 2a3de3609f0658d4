"""A table of texts with several lines of heads, and its forms: CSV, JSON, Markdown, LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from CrossModalSegLib.core.config import write_json
from CrossModalSegLib.evaluation.records import write_text
from CrossModalSegLib.evaluation.table_formats import escape_latex, escape_markdown


@dataclass(frozen=True)
class Head:
    """A head that stands above `width` columns."""

    text: str
    width: int


@dataclass(frozen=True, kw_only=True)
class GridRow:
    """One line of a grid.

    Attributes:
        cells: One text a column, the first the line's name.
        bold: Columns with the best values.
        is_apart: Whether a rule separates it from the line above.
    """

    cells: tuple[str, ...]
    bold: frozenset[int] = frozenset()
    is_apart: bool = False


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A table of texts.

    Attributes:
        name: File name without ending.
        title: What it is.
        groups: Lines of heads above the columns' own, outermost first; each covers all columns
            but the first.
        header: Head of each column.
        rows: The lines.
        notes: What the numbers are.
    """

    name: str
    title: str
    header: tuple[str, ...]
    rows: tuple[GridRow, ...]
    groups: tuple[tuple[Head, ...], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def full_header(self) -> tuple[str, ...]:
        """Heads in one line: "group | group | column"."""
        lines = [[head.text for head in group for _ in range(head.width)] for group in self.groups]
        first, *others = self.header
        return (
            first,
            *(
                " | ".join(text for text in (*(line[index] for line in lines), name) if text)
                for index, name in enumerate(others)
            ),
        )


def grid_csv(grid: Grid) -> str:
    """Return the grid as CSV with one line of heads."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(grid.full_header)
    writer.writerows(row.cells for row in grid.rows)
    return stream.getvalue()


def grid_json(grid: Grid) -> dict[str, Any]:
    """Return the grid as JSON values, one object a line; "best" names the bold columns."""
    header = grid.full_header
    return {
        "name": grid.name,
        "title": grid.title,
        "columns": list(header),
        "rows": [
            {
                "cells": dict(zip(header, row.cells, strict=True)),
                "best": [header[column] for column in sorted(row.bold)],
            }
            for row in grid.rows
        ],
        "notes": list(grid.notes),
    }


def grid_markdown(grid: Grid) -> str:
    """Return the grid in GitHub's Markdown, which knows one line of heads."""
    header = grid.full_header
    lines = [f"**{escape_markdown(grid.title)}**", "", _line([escape_markdown(h) for h in header])]
    lines.append(_line(["---", *("---:" for _ in header[1:])]))
    for row in grid.rows:
        cells = [escape_markdown(cell) for cell in row.cells]
        lines.append(_line([f"**{c}**" if i in row.bold else c for i, c in enumerate(cells)]))
    notes = [line for note in grid.notes for line in (escape_markdown(note), "")]
    return "\n".join([*lines, "", *notes])


def grid_latex(grid: Grid) -> str:
    """Return the grid as a LaTeX table (needs booktabs)."""
    columns = len(grid.header)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape_latex(grid.title)}}}",
        rf"\begin{{tabular}}{{l{'c' * (columns - 1)}}}",
        r"\toprule",
    ]
    for group in grid.groups:
        lines += _latex_heads(group)
    lines += [rf"{' & '.join(escape_latex(head) for head in grid.header)} \\", r"\midrule"]
    for index, row in enumerate(grid.rows):
        if row.is_apart and index:
            lines.append(r"\midrule")
        texts = [escape_latex(cell) for cell in row.cells]
        shown = [rf"\textbf{{{t}}}" if i in row.bold else t for i, t in enumerate(texts)]
        lines.append(rf"{' & '.join(shown)} \\")
    lines += [r"\bottomrule", r"\end{tabular}", r"\end{table}"]
    return "\n".join([*lines, *(f"% {' '.join(note.split())}" for note in grid.notes), ""])


def write_grid(folder: Path, grid: Grid) -> None:
    """Write the grid in all forms, named after it; existing files are replaced.

    Raises:
        StorageError: The disk is full or not writable.
    """
    write_text(folder / f"{grid.name}.csv", grid_csv(grid))
    write_text(folder / f"{grid.name}.md", grid_markdown(grid))
    write_text(folder / f"{grid.name}.tex", grid_latex(grid))
    write_json(folder / f"{grid.name}.json", grid_json(grid))


def _latex_heads(group: Sequence[Head]) -> list[str]:
    texts, rules, column = [], [], 2
    for head in group:
        texts.append(rf"\multicolumn{{{head.width}}}{{c}}{{{escape_latex(head.text)}}}")
        if head.text:
            rules.append(rf"\cmidrule(lr){{{column}-{column + head.width - 1}}}")
        column += head.width
    return [rf" & {' & '.join(texts)} \\", "".join(rules)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
