"""`evaluate`: segmentations against references."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from CrossModalSegLib.cli.command import JobCommand, UsageError
from CrossModalSegLib.core.events import Reporter

if TYPE_CHECKING:
    from CrossModalSegLib.evaluation.pairing import Pairing
    from CrossModalSegLib.evaluation.provenance import Provenance
    from CrossModalSegLib.evaluation.records import ScoreRecord
    from CrossModalSegLib.evaluation.score_table import Cell

SHOWN_METRICS = ("dice", "hd95_mm", "assd_mm")
"""Of the table on the terminal; the files hold all."""


@dataclass(frozen=True, kw_only=True)
class Evaluate(JobCommand):
    """Score segmentations against references: Dice and surface distances of every region.

    Cases are paired by name: <case>.nii.gz (or another volume format), or <case>/label.nii.gz; or
    by a manifest, a CSV file with the columns case, prediction and reference, and of several
    methods also method. A case that lacks its prediction is scored by --empty, one that lacks its
    reference cannot be; both are reported.
    """

    task: str
    """What is labelled: brain_tumour, whole_tumour, cardiac, abdomen, or a TOML file."""
    output: Path
    """Folder; gets scores.json, scores.csv, summary.md, summary.csv and provenance.json."""
    predictions: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder of segmentations."""
    references: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder of reference segmentations of the same cases."""
    manifest: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Instead of the two folders: a .csv or .tsv file that lists the pairs."""
    method: str = ""
    """Name of the method in tables. Default: the name of the folder of predictions, or of the
    manifest."""
    empty: Literal["brats", "exclude", "worst"] = "brats"
    """What empty masks score. "brats": 1 if rightly empty, else 0 and the volume's diagonal.
    "exclude": undefined. "worst": 0 and the diagonal in any case."""
    tolerance_mm: float = 1.0
    """How far apart surfaces still count as one in the normalised surface Dice (NSD)."""
    model: str = ""
    """The model that made the predictions, by name or path; provenance.json notes its hash.
    Default: what `segment` noted beside the predictions."""
    cohort: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """The cohort whose cases these are; provenance.json notes its hash."""

    def run(self, reporter: Reporter) -> None:
        """Score everything; the output appears whole or not at all.

        Raises:
            OutputExistsError: The output exists and is not to be replaced.
            UsageError: Neither two folders nor a manifest were given.
            CrossModalSegError: See `pair_folders`, `read_manifest` and `evaluate_cases`.
        """
        from CrossModalSegLib.core.tasks import load_task
        from CrossModalSegLib.data.output_folders import replacing_folder, require_free
        from CrossModalSegLib.evaluation.records import SCORES_FILE
        from CrossModalSegLib.evaluation.rules import ScoringRules
        from CrossModalSegLib.evaluation.score_folder import write_score_folder
        from CrossModalSegLib.evaluation.scores import evaluate_cases

        require_free(self.output, SCORES_FILE, overwrite=self.overwrite)
        pairings, task = self._find_cases(), load_task(self.task)
        rules = ScoringRules(policy=self.empty, tolerance_mm=self.tolerance_mm)
        provenance = self._provenance(pairings)
        records: list[ScoreRecord] = []
        for method, pairing in pairings.items():
            records += evaluate_cases(pairing, task, method, rules, reporter)
        with replacing_folder(self.output) as partial:
            names = write_score_folder(partial, records, provenance)
        reporter.done(
            [self.output / name for name in names], _summary(records, self.empty, pairings)
        )

    def _find_cases(self) -> dict[str, Pairing]:
        """Return the pairs of files of each method."""
        from CrossModalSegLib.evaluation.pairing import pair_folders, read_manifest

        if self.manifest is not None and self.predictions is None and self.references is None:
            pairings = read_manifest(self.manifest)
            if len(pairings) > 1 and (self.method or self.model):
                raise UsageError(
                    f"{self.manifest} lists the methods {', '.join(pairings)}; one name or model "
                    "for all of them was given.",
                    hint="Leave --method and --model out.",
                )
            return {
                self.method or name or self.manifest.stem: each for name, each in pairings.items()
            }
        if self.manifest is not None or self.predictions is None or self.references is None:
            raise UsageError(
                "evaluate was given an incomplete or a double choice of files.",
                hint="Give --predictions and --references, or --manifest alone.",
            )
        pairing = pair_folders(self.predictions, self.references)
        return {self.method or self.predictions.absolute().name: pairing}

    def _provenance(self, pairings: Mapping[str, Pairing]) -> Provenance:
        from CrossModalSegLib import __version__
        from CrossModalSegLib.data.cohort import Cohort
        from CrossModalSegLib.evaluation.provenance import Provenance, package_versions

        cohort = Cohort.open(self.cohort) if self.cohort is not None else None
        missing = {name: each.missing_predictions for name, each in pairings.items()}
        return Provenance(
            version=__version__,
            command=shlex.join(["crossmodalseg", *sys.argv[1:]]),
            task=self.task,
            policy=self.empty,
            nsd_tolerance_mm=self.tolerance_mm,
            missing_predictions={name: cases for name, cases in missing.items() if cases},
            missing_references=_missing_references(pairings),
            bundle_hashes=self._bundle_hashes(pairings),
            cohort_hashes={} if cohort is None else {"references": cohort.content_hash},
            packages=package_versions(),
        )

    def _bundle_hashes(self, pairings: Mapping[str, Pairing]) -> dict[str, str]:
        from CrossModalSegLib.bundle.library import ModelLibrary
        from CrossModalSegLib.evaluation.pairing import model_hashes

        found = {name: model_hashes(pairing) for name, pairing in pairings.items()}
        if self.model:
            chosen = ModelLibrary().open(self.model).content_hash
            found = {name: {chosen} for name in found}
        return {name: ", ".join(sorted(hashes)) for name, hashes in found.items() if hashes}


def _missing_references(pairings: Mapping[str, Pairing]) -> tuple[str, ...]:
    cases = (case for pairing in pairings.values() for case in pairing.missing_references)
    return tuple(dict.fromkeys(cases))


def _summary(
    records: Sequence[ScoreRecord],
    policy: Literal["brats", "exclude", "worst"],
    pairings: Mapping[str, Pairing],
) -> Any:
    """Return one row a method and region with "mean ± standard deviation" of the shown metrics."""
    from CrossModalSegLib.evaluation.tables import METRICS, build_table

    tables = {name: build_table(records, name, policy) for name in SHOWN_METRICS}
    dice = tables["dice"]
    is_one = len(dice.rows) == 1
    rows = []
    for index, entry in enumerate(dice.rows):
        for region in dice.regions:
            row = {"region": region} if is_one else {"method": entry.label, "region": region}
            for name, table in tables.items():
                row[METRICS[name].title] = _spread(table.rows[index].cells[region])
            rows.append(row)
    means = {entry.label: entry.average for entry in dice.rows}
    missing = {name: list(pairing.missing_predictions) for name, pairing in pairings.items()}
    return {
        "method": ", ".join(means),
        "cases": dice.patients,
        "scores": rows,
        "mean_dice_percent": next(iter(means.values())) if is_one else means,
        "empty_masks": policy,
        "missing_predictions": next(iter(missing.values())) if is_one else missing,
        "missing_references": list(_missing_references(pairings)),
    }


def _spread(cell: Cell) -> str:
    is_defined = cell.mean is not None and cell.deviation is not None
    return f"{cell.mean:.1f} ± {cell.deviation:.1f}" if is_defined else "undefined"
