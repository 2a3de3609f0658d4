"""`evaluate`: segmentations against references."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from CrossModalSegLib.cli.command import JobCommand
from CrossModalSegLib.core.events import Reporter

if TYPE_CHECKING:
    from CrossModalSegLib.evaluation.provenance import Provenance
    from CrossModalSegLib.evaluation.records import ScoreRecord

SHOWN_METRICS = ("dice", "hd95_mm", "assd_mm")
"""Of the table on the terminal; the files hold all."""


@dataclass(frozen=True, kw_only=True)
class Evaluate(JobCommand):
    """Score segmentations against references: Dice and surface distances of every region.

    Cases are paired by name: <case>.nii.gz (or another volume format), or <case>/label.nii.gz.
    """

    task: str
    """What is labelled: brain_tumour, whole_tumour, cardiac, abdomen, or a TOML file."""
    predictions: Path
    """Folder of segmentations."""
    references: Path
    """Folder of reference segmentations of the same cases."""
    output: Path
    """Folder; gets scores.json, scores.csv and provenance.json."""
    method: str = ""
    """Name of the method in tables. Default: the name of the folder of predictions."""
    empty: Literal["brats", "exclude", "worst"] = "brats"
    """What empty masks score. "brats": 1 if rightly empty, else 0 and the volume's diagonal.
    "exclude": undefined. "worst": 0 and the diagonal in any case."""
    model: str = ""
    """The model that made the predictions, by name or path; provenance.json notes its hash."""
    cohort: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """The cohort whose cases these are; provenance.json notes its hash."""

    def run(self, reporter: Reporter) -> None:
        """Score everything; the output appears whole or not at all.

        Raises:
            OutputExistsError: The output exists and is not to be replaced.
            CrossModalSegError: See `evaluate_folder`.
        """
        from CrossModalSegLib.core.tasks import load_task
        from CrossModalSegLib.data.output_folders import replacing_folder, require_free
        from CrossModalSegLib.evaluation.provenance import PROVENANCE_FILE, write_provenance
        from CrossModalSegLib.evaluation.records import (
            SCORES_CSV_FILE,
            SCORES_FILE,
            scores_csv,
            write_scores,
            write_text,
        )
        from CrossModalSegLib.evaluation.scores import evaluate_folder

        require_free(self.output, SCORES_FILE, overwrite=self.overwrite)
        method = self.method or self.predictions.absolute().name
        provenance = self._provenance(method)
        records = evaluate_folder(
            self.predictions, self.references, load_task(self.task), method, self.empty, reporter
        )
        with replacing_folder(self.output) as partial:
            write_scores(partial / SCORES_FILE, records)
            write_text(partial / SCORES_CSV_FILE, scores_csv(records))
            write_provenance(partial / PROVENANCE_FILE, provenance)
        names = (SCORES_FILE, SCORES_CSV_FILE, PROVENANCE_FILE)
        reporter.done([self.output / name for name in names], _summary(records, self.empty))

    def _provenance(self, method: str) -> Provenance:
        from CrossModalSegLib import __version__
        from CrossModalSegLib.bundle.library import ModelLibrary
        from CrossModalSegLib.data.cohort import Cohort
        from CrossModalSegLib.evaluation.provenance import Provenance, package_versions

        bundle = ModelLibrary().open(self.model) if self.model else None
        cohort = Cohort.open(self.cohort) if self.cohort is not None else None
        return Provenance(
            version=__version__,
            command=shlex.join(["crossmodalseg", *sys.argv[1:]]),
            task=self.task,
            policy=self.empty,
            bundle_hashes={} if bundle is None else {method: bundle.content_hash},
            cohort_hashes={} if cohort is None else {"references": cohort.content_hash},
            packages=package_versions(),
        )


def _summary(records: Sequence[ScoreRecord], policy: Literal["brats", "exclude", "worst"]) -> Any:
    """Return one row a region with "mean ± standard deviation" of the shown metrics."""
    from CrossModalSegLib.evaluation.tables import METRICS, build_table

    tables = {name: build_table(records, name, policy) for name in SHOWN_METRICS}
    regions = next(iter(tables.values())).regions
    rows = []
    for region in regions:
        row: dict[str, str] = {"region": region}
        for name, table in tables.items():
            cell = table.rows[0].cells[region]
            is_defined = cell.mean is not None and cell.deviation is not None
            text = f"{cell.mean:.1f} ± {cell.deviation:.1f}" if is_defined else "undefined"
            row[METRICS[name].title] = text
        rows.append(row)
    dice = tables["dice"]
    return {
        "method": dice.rows[0].label,
        "cases": dice.patients,
        "scores": rows,
        "mean_dice_percent": dice.rows[0].average,
        "empty_masks": policy,
    }
