"""The folder that an evaluation writes: scores, what produced them, and their summary."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from CrossModalSegLib.evaluation.provenance import (
    PROVENANCE_FILE,
    Provenance,
    write_provenance,
)
from CrossModalSegLib.evaluation.records import (
    SCORES_CSV_FILE,
    SCORES_FILE,
    EmptyPolicy,
    ScoreRecord,
    scores_csv,
    write_scores,
    write_text,
)
from CrossModalSegLib.evaluation.table_formats import escape_markdown, to_csv, to_markdown
from CrossModalSegLib.evaluation.tables import ALL_METRICS, ScoreTable, build_table

SUMMARY_FILE, SUMMARY_CSV_FILE = "summary.md", "summary.csv"


def write_score_folder(
    folder: Path, records: Sequence[ScoreRecord], provenance: Provenance
) -> tuple[str, ...]:
    """Write all files into a folder that is there, and return their names.

    Raises:
        ConfigError: The same method, case and region is there twice.
        StorageError: The disk is full or not writable.
    """
    tables = all_tables(records, cast("EmptyPolicy", provenance.policy))
    write_scores(folder / SCORES_FILE, records)
    write_text(folder / SCORES_CSV_FILE, scores_csv(records))
    write_text(folder / SUMMARY_FILE, _summary(tables, provenance))
    write_text(folder / SUMMARY_CSV_FILE, to_csv(tables))
    write_provenance(folder / PROVENANCE_FILE, provenance)
    return SCORES_FILE, SCORES_CSV_FILE, SUMMARY_FILE, SUMMARY_CSV_FILE, PROVENANCE_FILE


def all_tables(records: Sequence[ScoreRecord], policy: EmptyPolicy) -> tuple[ScoreTable, ...]:
    """Return a table of each metric that all records have."""
    return tuple(build_table(records, name, policy) for name in shared_metrics(records))


def shared_metrics(records: Sequence[ScoreRecord]) -> tuple[str, ...]:
    """Return the metrics that can be shown and that all records have, in the order of tables."""
    lacking = {
        name
        for record in records
        for name in ALL_METRICS
        if name not in record.further and not hasattr(record, name)
    }
    return tuple(name for name in ALL_METRICS if name not in lacking)


def _summary(tables: Sequence[ScoreTable], provenance: Provenance) -> str:
    lines = [f"# Scores of {escape_markdown(', '.join(row.label for row in tables[0].rows))}", ""]
    for table in tables:
        lines += [f"## {escape_markdown(table.metric.title)}", "", to_markdown(table)]
    if provenance.missing_references:
        names = ", ".join(provenance.missing_references)
        lines += [f"Predicted, but without a reference to score by: {escape_markdown(names)}.", ""]
    tolerance = provenance.nsd_tolerance_mm
    if tolerance is not None:
        lines += [f"NSD: surfaces within {tolerance:g} mm of each other count as one.", ""]
    lines += [f"Made by: `{provenance.command}` (version {provenance.version}).", ""]
    return "\n".join(lines)
