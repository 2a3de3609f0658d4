"""The report of a comparison: what it says, in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from CrossModalSegLib.evaluation.comparison import Comparison
from CrossModalSegLib.evaluation.comparison_provenance import source_facts
from CrossModalSegLib.evaluation.grids import Grid
from CrossModalSegLib.evaluation.provenance import Provenance
from CrossModalSegLib.evaluation.report import Headline, Picture, ReportContent, Section
from CrossModalSegLib.evaluation.score_table import UPPER_BOUND
from CrossModalSegLib.evaluation.table_formats import percent
from CrossModalSegLib.evaluation.tables import comparison_notes, gaps_closed

TESTED_METRICS = ("dice", "hd95_mm", "assd_voxels", "assd_mm", "nsd")
"""Those that tests and figures are made of, where the scores have them; tables have all."""


@dataclass
class ReportParts:
    """What goes into the report, as it comes about."""

    grids: dict[str, list[Grid]] = field(default_factory=dict)
    pictures: dict[str, list[Picture]] = field(default_factory=dict)


def report_of(
    comparison: Comparison, parts: ReportParts, title: str, provenance: Provenance
) -> ReportContent:
    """Put the report together."""
    return ReportContent(
        title=title,
        summary=_summary(comparison),
        headlines=_headlines(comparison),
        notes=_notes(comparison),
        sections=_sections(comparison, parts),
        provenance=provenance,
        facts=source_facts(comparison),
        commands=(provenance.command,),
        is_sortable=True,
    )


def shown_metrics(comparison: Comparison) -> tuple[str, ...]:
    """Return the metrics that tests and figures are made of."""
    return tuple(name for name in TESTED_METRICS if name in comparison.metrics)


def _summary(comparison: Comparison) -> str:
    methods = dict.fromkeys(name for d in comparison.directions for name in d.methods)
    names = ", ".join(comparison.label(name) for name in methods)
    counts = "; ".join(
        f"{len(d.cases)} {'case' if len(d.cases) == 1 else 'cases'}"
        f"{f' ({d.name})' if d.name else ''}"
        for d in comparison.directions
    )
    return (
        f"{names} on the same cases: {counts}. Deviations are across {comparison.across}. Empty "
        f"masks were scored by the policy {comparison.policy!r}."
    )


def _headlines(comparison: Comparison) -> tuple[Headline, ...]:
    """Name the best adapted method of each direction and the share of the gap that it closed."""
    headlines = []
    for direction in comparison.directions:
        table = comparison.table(direction, "dice")
        best = sorted(table.best(None))
        gaps = gaps_closed(direction.records)
        for row in table.rows:
            if row.method == UPPER_BOUND or row.method not in best or row.average is None:
                continue
            gap = percent(gaps.get(row.method))
            detail = f"mean Dice in percent{f'; {gap} of the gap closed' if gap else ''}"
            name = f"{direction.name}: " if direction.name else ""
            label = f"{name}{row.label}"
            headlines.append(Headline(label=label, value=f"{row.average:.1f}", detail=detail))
    return tuple(headlines)


def _notes(comparison: Comparison) -> tuple[str, ...]:
    notes: list[str] = []
    for direction in comparison.directions:
        notes += comparison_notes(comparison.table(direction, "dice"))
    for source in comparison.files:
        provenance = source.provenance
        for method, cases in (provenance.missing_predictions if provenance else {}).items():
            notes.append(f"{comparison.label(method)} has no prediction for: {', '.join(cases)}.")
        if provenance is not None and provenance.missing_references:
            missing = ", ".join(provenance.missing_references)
            notes.append(f"Predicted but not scored, for want of a reference: {missing}.")
    return tuple(dict.fromkeys(notes))


def _sections(comparison: Comparison, parts: ReportParts) -> tuple[Section, ...]:
    sections = []
    for direction in comparison.directions:
        where = f": {direction.name}" if direction.name else ""
        tables = [comparison.table(direction, metric) for metric in comparison.metrics]
        main = tuple(t for t in tables if t.metric.name in TESTED_METRICS)
        others = tuple(t for t in tables if t.metric.name not in TESTED_METRICS)
        sections += [
            Section(title=f"Scores{where}", tables=main),
            Section(title=f"Further metrics{where}", tables=others, is_folded=True),
        ]
    return (
        *sections,
        Section(title="Share of the gap", grids=tuple(parts.grids["gap"])),
        Section(title="In the papers' layouts", grids=tuple(parts.grids["papers"])),
        Section(
            title="Tests and intervals",
            grids=tuple(parts.grids.get("statistics", ())),
            is_folded=True,
        ),
        Section(title="Distributions", pictures=tuple(parts.pictures.get("figures", ()))),
        *_case_section(parts.pictures.get("cases", ())),
    )


def _case_section(pictures: Sequence[Picture]) -> tuple[Section, ...]:
    if not pictures:
        return ()
    text = (
        "Chosen by the mean Dice of the adapted methods: nearest to the median, highest, lowest. "
        "White: outline of the reference."
    )
    return (Section(title="Cases", text=text, pictures=tuple(pictures)),)
