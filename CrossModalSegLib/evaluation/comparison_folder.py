"""The folder that a comparison writes: tables, tests, figures, panels, and one report."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from CrossModalSegLib.core.config import atomic_write, to_dict, write_json
from CrossModalSegLib.core.errors import storage_errors
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.evaluation.case_pictures import CaseSources, draw_chosen_cases
from CrossModalSegLib.evaluation.comparison import Comparison
from CrossModalSegLib.evaluation.comparison_grids import gap_grid, intervals_grid, tests_grid
from CrossModalSegLib.evaluation.comparison_provenance import merged_provenance
from CrossModalSegLib.evaluation.comparison_report import ReportParts, report_of, shown_metrics
from CrossModalSegLib.evaluation.figure_style import png_bytes
from CrossModalSegLib.evaluation.figures import box_plots, mean_dice_bars, violin_plots
from CrossModalSegLib.evaluation.grids import write_grid
from CrossModalSegLib.evaluation.paper_layouts import paper_tables
from CrossModalSegLib.evaluation.provenance import PROVENANCE_FILE, write_provenance
from CrossModalSegLib.evaluation.records import write_text
from CrossModalSegLib.evaluation.report import (
    Picture,
    build_report,
)
from CrossModalSegLib.evaluation.score_table import ALL_METRICS
from CrossModalSegLib.evaluation.significance import intervals, paired_tests
from CrossModalSegLib.evaluation.table_formats import to_csv, to_latex, to_markdown

REPORT_FILE = "report.html"
COMPARISON_FILE = "comparison.json"


@dataclass(frozen=True, kw_only=True)
class ComparisonOptions:
    """What a comparison writes.

    Attributes:
        command: The command line, for the provenance.
        against: Test every method against this one; "": all pairs.
        seed: Of the bootstrap.
        cases: Where images and label maps lie; None: no pictures of cases.
        title: Of the report.
        metrics: That tests and figures are made of; none: `shown_metrics`.
    """

    command: str
    against: str = ""
    seed: int = 0
    cases: CaseSources | None = None
    title: str = "Comparison of methods"
    metrics: tuple[str, ...] = ()

    def metrics_of(self, comparison: Comparison) -> tuple[str, ...]:
        """Return the metrics that tests and figures are made of."""
        wanted = (name for name in self.metrics if name in comparison.metrics)
        return tuple(wanted) if self.metrics else shown_metrics(comparison)


def write_comparison(
    folder: Path, comparison: Comparison, options: ComparisonOptions, reporter: Reporter
) -> tuple[str, ...]:
    """Write everything into a folder that is there, and return the names of the main files.

    Raises:
        CrossModalSegError: A case's files cannot be read, or the disk is full.
        Cancelled: The job was cancelled between two steps.
    """
    parts = ReportParts()
    steps = (_write_cases, _write_tables, _write_papers, _write_statistics, _write_figures)
    for step in reporter.track(steps, "compare", len(steps)):
        step(folder, comparison, options, parts)
    provenance = merged_provenance(comparison, options.command, {"bootstrap": options.seed})
    write_provenance(folder / PROVENANCE_FILE, provenance)
    content = report_of(comparison, parts, options.title, provenance)
    build_report(content, folder / REPORT_FILE)
    return REPORT_FILE, COMPARISON_FILE, PROVENANCE_FILE


def _write_tables(
    folder: Path, comparison: Comparison, options: ComparisonOptions, parts: ReportParts
) -> None:
    """Write the table of each direction and metric, in all forms."""
    del options
    place = _subfolder(folder, "tables")
    markdown: list[str] = []
    latex: list[str] = []
    for direction in comparison.directions:
        tables = [comparison.table(direction, metric) for metric in comparison.metrics]
        if direction.name:
            markdown.append(f"# {direction.name}\n")
            latex.append(f"% {direction.name}")
        for table in tables:
            markdown.append(f"## {table.metric.title}\n\n{to_markdown(table)}")
            latex.append(to_latex([table]))
    write_text(place / "scores.md", "\n".join(markdown))
    write_text(place / "scores.tex", "\n".join(latex))
    write_text(place / "scores.csv", _tables_csv(comparison))
    write_json(place / "scores.json", [*_table_values(comparison)])
    gap = gap_grid(comparison)
    write_grid(place, gap)
    parts.grids["gap"] = [gap]


def _tables_csv(comparison: Comparison) -> str:
    """Return the tidy CSV of all tables, with the direction as its first column."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    for index, direction in enumerate(comparison.directions):
        tables = [comparison.table(direction, metric) for metric in comparison.metrics]
        header, *rows = csv.reader(io.StringIO(to_csv(tables)))
        if not index:
            writer.writerow(("direction", *header))
        writer.writerows((direction.name, *row) for row in rows)
    return stream.getvalue()


def _table_values(comparison: Comparison) -> list[dict[str, object]]:
    return [
        {
            "direction": direction.name,
            "metric": metric,
            "title": table.metric.title,
            "across": table.across,
            "empty_policy": table.policy,
            "patients": table.patients,
            "caption": table.caption(),
            "rows": [
                {
                    "method": row.method,
                    "label": row.label,
                    "runs": row.runs,
                    "regions": to_dict(row.cells),
                    "average": row.average,
                    "gap_closed": row.gap_closed if metric == "dice" else None,
                    "empty_masks": dict(row.empties),
                    "missing_predictions": row.missing,
                }
                for row in table.rows
            ],
        }
        for direction in comparison.directions
        for metric in comparison.metrics
        for table in [comparison.table(direction, metric)]
    ]


def _write_papers(
    folder: Path, comparison: Comparison, options: ComparisonOptions, parts: ReportParts
) -> None:
    del options
    place = _subfolder(folder, "papers")
    grids = paper_tables(comparison)
    for grid in grids:
        write_grid(place, grid)
    parts.grids["papers"] = list(grids)


def _write_statistics(
    folder: Path, comparison: Comparison, options: ComparisonOptions, parts: ReportParts
) -> None:
    place = _subfolder(folder, "statistics")
    everything: dict[str, object] = {}
    for metric in options.metrics_of(comparison):
        found = intervals(comparison, metric, options.seed)
        grids = [intervals_grid(comparison, found, metric)]
        tests = paired_tests(comparison, metric, against=options.against, seed=options.seed)
        if tests:
            grids.insert(0, tests_grid(comparison, tests, metric))
        for grid in grids:
            write_grid(place, grid)
        parts.grids.setdefault("statistics", []).extend(grids)
        everything[metric] = {"tests": to_dict(tests), "intervals": to_dict(found)}
    write_json(folder / COMPARISON_FILE, _as_json(comparison, everything))


def _as_json(comparison: Comparison, statistics: Mapping[str, object]) -> dict[str, object]:
    return {
        "v": 1,
        "across": comparison.across,
        "empty_policy": comparison.policy,
        "methods": {name: comparison.label(name) for name in comparison.methods},
        "tables": _table_values(comparison),
        "statistics": dict(statistics),
    }


def _write_figures(
    folder: Path, comparison: Comparison, options: ComparisonOptions, parts: ReportParts
) -> None:
    place = _subfolder(folder, "figures")
    for direction in comparison.directions:
        where = f", {direction.name}" if direction.name else ""
        ending = f"_{slug(direction.name)}" if direction.name else ""
        figures: dict[str, tuple[Figure, str]] = {
            f"mean_dice{ending}": (
                mean_dice_bars(direction.records, comparison.labels),
                f"Mean Dice{where}: bar over all, a dot for each case.",
            )
        }
        for metric in options.metrics_of(comparison):
            title = ALL_METRICS[metric].title
            for kind, draw in (("box", box_plots), ("violin", violin_plots)):
                figure = draw(direction.records, metric, comparison.labels)
                caption = f"{title}{where}: {kind} plot, a dot for each case."
                figures[f"{kind}_{metric}{ending}"] = figure, caption
        for name, (figure, caption) in figures.items():
            picture = save_figure(figure, place / name)
            parts.pictures.setdefault("figures", []).append(
                Picture(content=picture, alternative=caption, caption=caption)
            )


def _write_cases(
    folder: Path, comparison: Comparison, options: ComparisonOptions, parts: ReportParts
) -> None:
    if options.cases is None:
        return
    place = _subfolder(folder, "cases")
    for chosen, figure, caption in draw_chosen_cases(comparison, options.cases):
        content = save_figure(figure, place / f"{chosen.kind}_{slug(chosen.case)}")
        picture = Picture(content=content, alternative=caption, caption=caption, wide=True)
        parts.pictures.setdefault("cases", []).append(picture)


def save_figure(figure: Figure, path: Path) -> bytes:
    """Write a figure as PNG and PDF, `path` being without ending, and return the PNG."""
    content = png_bytes(figure)
    with atomic_write(path.with_name(f"{path.name}.png")) as temporary:
        temporary.write_bytes(content)
    with atomic_write(path.with_name(f"{path.name}.pdf")) as temporary:
        figure.savefig(temporary, format="pdf", metadata={"CreationDate": None})
    return content


def slug(text: str) -> str:
    """Return a text as part of a file name."""
    return "".join(c if c.isalnum() or c in "-." else "_" for c in text.lower()).strip("_.")


def _subfolder(folder: Path, name: str) -> Path:
    place = folder / name
    with storage_errors(place):
        place.mkdir()
    return place
