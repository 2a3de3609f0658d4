"""Tables of reports as HTML, and the script that sorts them."""

from __future__ import annotations

import base64
import hashlib
from html import escape

from CrossModalSegLib.evaluation.grids import Grid, GridRow
from CrossModalSegLib.evaluation.score_table import Row, ScoreTable
from CrossModalSegLib.evaluation.table_formats import NOT_RUN, TextTable, percent, text_table

SORT_SCRIPT = """
"use strict";
function keyOf(row, column) {
  const cell = row.cells[column];
  const text = cell ? cell.textContent.trim() : "";
  const number = parseFloat(text);
  return Number.isNaN(number) ? text.toLowerCase() : number;
}
function compare(first, second) {
  const kinds = [typeof first, typeof second];
  if (kinds[0] !== kinds[1]) { return kinds[0] === "number" ? -1 : 1; }
  return first < second ? -1 : first > second ? 1 : 0;
}
function sortBy(table, head, column) {
  const falling = head.getAttribute("aria-sort") === "ascending";
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  rows.sort((a, b) => compare(keyOf(a, column), keyOf(b, column)) * (falling ? -1 : 1));
  for (const other of table.querySelectorAll("thead th")) { other.removeAttribute("aria-sort"); }
  head.setAttribute("aria-sort", falling ? "descending" : "ascending");
  for (const row of rows) { body.appendChild(row); }
}
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = table.tHead.rows[table.tHead.rows.length - 1].cells;
  Array.from(heads).forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sortBy(table, head, column));
    head.replaceChildren(button);
  });
}
"""
"""Without it the tables are whole all the same; they only cannot be sorted."""

SORT_SCRIPT_HASH = "sha256-" + base64.b64encode(
    hashlib.sha256(SORT_SCRIPT.encode()).digest()
).decode("ascii")
"""The page allows this script and no other."""

SORT_STYLE = """
th button {
  all: unset; cursor: pointer; border-radius: .2rem; padding: 0 .15rem;
}
th button:focus-visible { outline: 2px solid var(--accent); }
th button::after { content: " \\2195"; color: var(--line); }
th[aria-sort=ascending] button::after { content: " \\2191"; color: var(--accent); }
th[aria-sort=descending] button::after { content: " \\2193"; color: var(--accent); }
th.group { text-align: center; border-bottom: 1px solid var(--line); }
tr.heading > * { font-weight: 600; color: var(--muted); background: var(--page); }
tr.apart > * { border-top: 2px solid var(--line) !important; }
.long { max-height: 32rem; overflow-y: auto; }
.long thead th { position: sticky; top: 0; background: var(--card); }
details { margin: 1rem 0; }
summary { cursor: pointer; font-weight: 600; }
@media print { th button::after { content: ""; } .long { max-height: none; } }
"""

LONG_ROWS = 25
"""A table with more lines scrolls in a box of its own."""


def grid_html(grid: Grid) -> str:
    """Return a grid with its heading; it can be sorted unless its lines form blocks."""
    has_blocks = any(not any(row.cells[1:]) for row in grid.rows)
    sortable = "" if has_blocks else ' class="sortable"'
    groups = [
        "<tr><td></td>"
        + "".join(
            f'<th class="group" colspan="{head.width}">{escape(head.text)}</th>' for head in group
        )
        + "</tr>"
        for group in grid.groups
    ]
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in grid.header)
    long = " long" if len(grid.rows) > LONG_ROWS else ""
    notes = " ".join(grid.notes)
    return "\n".join(
        (
            f'<h3>{escape(grid.title)}</h3>\n<div class="card scroll{long}">\n<table{sortable}>',
            f"<caption>{escape(notes)}</caption>" if notes else "",
            f"<thead>{''.join(groups)}<tr>{head}</tr></thead>\n<tbody>",
            *(_grid_row(row, is_first=not index) for index, row in enumerate(grid.rows)),
            "</tbody>\n</table>\n</div>",
        )
    )


def _grid_row(row: GridRow, *, is_first: bool) -> str:
    first, *others = row.cells
    if others and not any(others):
        return (
            f'<tr class="heading"><th scope="rowgroup">{escape(first)}</th>'
            f'<td colspan="{len(others)}"></td></tr>'
        )
    best = ' class="best"'
    cells = [
        f"<td{best if column in row.bold else ''}>{escape(cell)}</td>"
        for column, cell in enumerate(others, start=1)
    ]
    apart = ' class="apart"' if row.is_apart and not is_first else ""
    name = f'<th scope="row">{escape(first)}</th>'
    return f"<tr{apart}>{name}{''.join(cells)}</tr>"


def score_table_html(table: ScoreTable) -> str:
    """Return a score table with its heading; the share of the gap is a bar too."""
    text = text_table(table)
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in text.header)
    return "\n".join(
        (
            f'<h3>{escape(table.metric.title)}</h3>\n<div class="card scroll">',
            '<table class="sortable">',
            f"<caption>{escape(table.caption())}</caption>",
            f"<thead><tr>{head}</tr></thead>\n<tbody>",
            *(_table_row(text, index, row) for index, row in enumerate(table.rows)),
            "</tbody>\n</table>\n</div>",
        )
    )


def _table_row(text: TextTable, index: int, row: Row) -> str:
    cells = text.rows[index]
    shown = [f'<th scope="row">{escape(cells[0])}</th>']
    if not row.cells:
        return f'<tr class="bound">{shown[0]}<td colspan="{len(cells) - 1}">{NOT_RUN}</td></tr>'
    gap_column = len(cells) - 2
    for column, cell in enumerate(cells[1:], start=1):
        value, plus_minus, deviation = cell.partition(" ± ")
        inner = escape(value)
        if plus_minus:
            inner += f' <span class="deviation">± {escape(deviation)}</span>'
        if column == gap_column:
            inner = _gap_bar(row.gap_closed)
        best = ' class="best"' if (index, column) in text.bold else ""
        shown.append(f"<td{best}>{inner}</td>")
    bound = ' class="bound"' if row.is_bound else ""
    return f"<tr{bound}>{''.join(shown)}</tr>"


def _gap_bar(gap_closed: float | None) -> str:
    if gap_closed is None:
        return ""
    width = 100 * min(1.0, max(0.0, gap_closed))
    return (
        f'<span class="gap"><span class="bar" aria-hidden="true">'
        f'<span style="width:{width:.0f}%"></span></span>{percent(gap_closed)}</span>'
    )
