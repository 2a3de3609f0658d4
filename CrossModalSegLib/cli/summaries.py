"""The summary of a finished command as tables and lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text


def summary_parts(summary: Mapping[str, Any]) -> Iterator[Table | Text]:
    """Yield a summary's entries: lists of objects as tables, objects as lists, others as lines."""
    for name, value in summary.items():
        if _is_table(value):
            yield _table(value)
        elif isinstance(value, Mapping):
            yield Text(f"{phrase_name(name)}:", "bold")
            yield _list(value)
        else:
            yield Text.assemble((f"{phrase_name(name)}: ", "bold"), phrase_value(value))


def phrase_name(name: str) -> str:
    """Return the name of a field as people write it."""
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def phrase_value(value: Any) -> str:
    """Return a value of a summary in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or (isinstance(value, (list, tuple)) and not value):
        return "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(phrase_value(entry) for entry in value)
    if isinstance(value, float):
        return phrase_number(value)
    return str(value)


def phrase_number(value: float | None) -> str:
    """Return a number with four digits that count; "undefined" for none."""
    return "undefined" if value is None else f"{value:.4g}"


def phrase_seconds(seconds: float) -> str:
    """Return a duration in the units that people use for it."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def _is_table(value: Any) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and len(value) > 0
        and all(isinstance(row, Mapping) for row in value)
    )


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in names:
        table.add_column(Text(phrase_name(name)), overflow="fold")
    for row in rows:
        table.add_row(*(Text(phrase_value(row[name]) if name in row else "") for name in names))
    return table


def _list(entries: Mapping[str, Any]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(overflow="fold")
    for name, value in entries.items():
        table.add_row(Text(f"  {phrase_name(name)}"), Text(phrase_value(value)))
    return table
