"""Scores of several methods, adaptation directions and repeated runs, brought together."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from CrossModalSegLib.core.errors import CohortError, ConfigError
from CrossModalSegLib.evaluation.provenance import (
    PROVENANCE_FILE,
    Provenance,
    read_provenance,
)
from CrossModalSegLib.evaluation.records import (
    SCORES_FILE,
    EmptyPolicy,
    ScoreRecord,
    check_unique,
    read_scores,
)
from CrossModalSegLib.evaluation.score_folder import shared_metrics
from CrossModalSegLib.evaluation.score_table import ALL_METRICS, Across, Cell, ScoreTable
from CrossModalSegLib.evaluation.tables import (
    build_table,
    cell_of,
    gaps_closed,
    method_order,
    require_same_cases,
    summary_row,
)

Labels = Mapping[str, str]
"""Names of methods for people, by identifier."""

UNDEFINED = "-"
"""Where a metric has no value; also where a method was not run, as GLUA prints it."""


@dataclass(frozen=True, kw_only=True)
class ScoreFile:
    """One scores.json with what produced it."""

    direction: str
    """The adaptation direction that it belongs to, e.g. "CT to MR"; may be empty."""
    path: Path
    content_hash: str
    """SHA-256 of the file."""
    records: tuple[ScoreRecord, ...]
    provenance: Provenance | None


@dataclass(frozen=True, kw_only=True)
class Direction:
    """All scores of one adaptation direction.

    Attributes:
        name: For headings; may be empty if there is but one.
        runs: The records of each file.
        expected_regions: Columns of tables where nothing was scored.
    """

    name: str
    runs: tuple[tuple[ScoreRecord, ...], ...]
    expected_regions: tuple[str, ...] = ()

    @cached_property
    def records(self) -> tuple[ScoreRecord, ...]:
        """The records of all runs."""
        return tuple(record for run in self.runs for record in run)

    @property
    def methods(self) -> tuple[str, ...]:
        """Methods as tables list them: source-only first, supervised last."""
        return method_order(self.records)

    @property
    def regions(self) -> tuple[str, ...]:
        """Regions in the order of the scores."""
        found = tuple(dict.fromkeys(record.region for record in self.records))
        return found or self.expected_regions

    @property
    def cases(self) -> tuple[str, ...]:
        """Cases in the order of the scores."""
        return tuple(dict.fromkeys(record.case for record in self.records))


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What is compared, and how its spread is told.

    Attributes:
        directions: One or more; methods may lack in some.
        across: What standard deviations tell of.
        policy: How empty masks were scored, in all files.
        labels: Names of methods for people.
        files: Where the scores come from.
        listed: Methods that tables list even where they were not run, in order.
        absent: What stands there in the papers' layouts.
    """

    directions: tuple[Direction, ...]
    across: Across
    policy: EmptyPolicy
    labels: Labels = field(default_factory=dict)
    files: tuple[ScoreFile, ...] = ()
    listed: tuple[str, ...] = ()
    absent: str = UNDEFINED
    _tables: dict[tuple[str, str], ScoreTable] = field(default_factory=dict, init=False, repr=False)

    @property
    def methods(self) -> tuple[str, ...]:
        """Methods of all directions, and those that are to be listed."""
        found = method_order([record for d in self.directions for record in d.records])
        return _with_listed(found, self.listed)

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """Metrics that all records have."""
        return shared_metrics([record for d in self.directions for record in d.records])

    def label(self, method: str) -> str:
        """Return the name of a method for people."""
        return self.labels.get(method, method)

    def rows_of(self, direction: Direction) -> tuple[str, ...]:
        """Return the methods that the direction's tables list."""
        return _with_listed(direction.methods, self.listed)

    def table(self, direction: Direction, metric: str) -> ScoreTable:
        """Return the table of one direction and metric.

        Raises:
            UnknownNameError: No such metric.
        """
        key = direction.name, metric
        if key not in self._tables:
            self._tables[key] = self._build_table(direction, metric)
        return self._tables[key]

    def _build_table(self, direction: Direction, metric: str) -> ScoreTable:
        rows = self.rows_of(direction)
        if direction.runs and self.across == "patients":
            return build_table(
                direction.records, metric, self.policy, methods=rows, labels=self.labels
            )
        return run_table(direction, metric, self.policy, labels=self.labels, methods=rows)


def read_comparison(
    sources: Sequence[str],
    *,
    across: Across = "patients",
    policy: EmptyPolicy | None = None,
    labels: Labels | None = None,
) -> Comparison:
    """Read scores files and check that they can be compared.

    Args:
        sources: "PATH", or "DIRECTION=PATH" where there are several; a path is that of a
            scores.json or of the folder that holds one.
        across: "runs" takes each file as one run of its methods; "patients" allows but one.
        policy: How empty masks were scored, where no provenance.json says it.
        labels: Names of methods for people.

    Raises:
        ConfigError: A file cannot be read, policies or tolerances differ or are unknown, or a
            method was scored twice on a case without `across` being "runs".
        CohortError: Methods or runs were scored on different cases or regions.
    """
    files = tuple(_read_file(source) for source in sources)
    if not files:
        raise CohortError("No scores were given, expected at least one scores.json.")
    directions = []
    for name in dict.fromkeys(file.direction for file in files):
        runs = tuple(file.records for file in files if file.direction == name)
        direction = Direction(name=name, runs=runs)
        _require_comparable(direction, across)
        directions.append(direction)
    return Comparison(
        directions=tuple(directions),
        across=across,
        policy=_common_policy(files, policy),
        labels=labels or {},
        files=files,
    )


def run_table(
    direction: Direction,
    metric: str,
    policy: EmptyPolicy,
    *,
    labels: Labels | None = None,
    methods: Sequence[str] | None = None,
) -> ScoreTable:
    """Summarise one metric across repeated runs: each run is the mean over its cases.

    A run in which a region has no defined value is left out of that region's mean and counted.

    Args:
        direction: The scores.
        metric: Name in `ALL_METRICS`.
        policy: The policy for empty masks under which the records were made.
        labels: Names for people.
        methods: Rows in order; one without records is shown as not run. Default: all that have.
    """
    gaps = gaps_closed(direction.records)
    rows = []
    for method in direction.methods if methods is None else methods:
        runs = [[r for r in run if r.method == method] for run in direction.runs]
        runs = [run for run in runs if run]
        regions = direction.regions if runs else ()
        cells = {region: _run_cell(runs, metric, region) for region in regions}
        own = [record for run in runs for record in run]
        label = (labels or {}).get(method, method)
        rows.append(summary_row(method, label, cells, own, gaps.get(method), runs=len(runs)))
    return ScoreTable(
        metric=ALL_METRICS[metric],
        regions=direction.regions,
        rows=tuple(rows),
        patients=len(direction.cases),
        policy=policy,
        across="runs",
    )


def _with_listed(found: Sequence[str], listed: Sequence[str]) -> tuple[str, ...]:
    """Return the listed methods in their order, and after them those that are not listed."""
    return (*listed, *(name for name in found if name not in listed))


def _run_cell(runs: Sequence[Sequence[ScoreRecord]], metric: str, region: str) -> Cell:
    means = []
    for run in runs:
        values = [record.value(metric) for record in run if record.region == region]
        defined = [value for value in values if value is not None]
        if defined:
            means.append(sum(defined) / len(defined))
    cell = cell_of(means, ALL_METRICS[metric], len(runs) - len(means))
    if len(runs) > 1:
        return cell
    return Cell(mean=cell.mean, deviation=None, count=cell.count, undefined=cell.undefined)


def _read_file(source: str) -> ScoreFile:
    path = Path(source)
    direction = ""
    if not path.exists() and "=" in source:
        direction, _, place = source.partition("=")
        path = Path(place)
    if path.is_dir():
        path /= SCORES_FILE
    records = read_scores(path)
    beside = path.with_name(PROVENANCE_FILE)
    return ScoreFile(
        direction=direction.strip(),
        path=path,
        content_hash=hashlib.sha256(path.read_bytes()).hexdigest(),
        records=records,
        provenance=read_provenance(beside) if beside.is_file() else None,
    )


def _common_policy(files: Sequence[ScoreFile], policy: EmptyPolicy | None) -> EmptyPolicy:
    noted = {str(file.path): file.provenance for file in files if file.provenance is not None}
    policies = {path: provenance.policy for path, provenance in noted.items()}
    if policy is not None:
        policies["--empty"] = policy
    found = set(policies.values())
    if len(found) > 1:
        raise ConfigError(
            "Empty masks were scored by different policies: "
            f"{', '.join(f'{path} {name!r}' for path, name in policies.items())}.",
            hint="Evaluate all methods by one policy.",
        )
    if not found:
        raise ConfigError(
            f"No {PROVENANCE_FILE} beside the scores says how empty masks were scored.",
            hint="Say it (--empty brats, exclude or worst).",
        )
    tolerances = {p.nsd_tolerance_mm for p in noted.values()} - {None}
    if len(tolerances) > 1:
        raise ConfigError(
            "The surface Dice was measured with different tolerances: "
            f"{', '.join(sorted(map(str, tolerances)))} mm.",
            hint="Evaluate all methods with one tolerance.",
        )
    name = found.pop()
    for known in ("brats", "exclude", "worst"):
        if name == known:
            return known
    raise ConfigError(f"The scores were made by the policy {name!r}, which nobody knows.")


def _require_comparable(direction: Direction, across: Across) -> None:
    where = f"The scores of {direction.name}" if direction.name else "The scores"
    if across == "patients":
        try:
            check_unique(direction.records, where)
        except ConfigError as error:
            raise ConfigError(
                error.message,
                hint="Give each method a name of its own; or, if these are repeated runs of one "
                "method, pass --across runs.",
            ) from error
        require_same_cases(direction.records)
        return
    renamed = [
        replace(record, method=f"{record.method}, run {index}")
        for index, run in enumerate(direction.runs, start=1)
        for record in run
    ]
    require_same_cases(renamed)
