"""`compare`: scores of several methods side by side."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from CrossModalSegLib.cli.command import JobCommand, UsageError, read_pairs
from CrossModalSegLib.core.events import Reporter

if TYPE_CHECKING:
    from CrossModalSegLib.evaluation.case_pictures import CaseSources
    from CrossModalSegLib.evaluation.comparison import Comparison


@dataclass(frozen=True, kw_only=True)
class Compare(JobCommand):
    """Compare methods on the same cases: tables as in the papers, tests, figures, a report.

    Several adaptation directions are named: --scores "CT to MR=a/scores.json" "MR to CT=b". With
    --across runs each file is one run of its methods, and deviations are across the runs.
    """

    scores: Annotated[tuple[str, ...], tyro.conf.arg(metavar="[DIRECTION=]FILE [...]")]
    """Files or folders that `evaluate` wrote."""
    output: Path
    """Folder; gets report.html, comparison.json, provenance.json, and tables, papers, statistics,
    figures and cases."""
    across: Literal["patients", "runs"] = "patients"
    """What standard deviations tell of."""
    empty: Annotated[
        Literal["brats", "exclude", "worst"] | None, tyro.conf.arg(metavar="POLICY")
    ] = None
    """How empty masks were scored (brats, exclude or worst), if no provenance.json says it."""
    against: str = ""
    """Test every method against this one. Default: all pairs."""
    label: Annotated[tuple[str, ...], tyro.conf.arg(metavar="METHOD=NAME [...]")] = ()
    """Names for people."""
    task: str = ""
    """For pictures of cases: what is labelled."""
    references: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """For pictures of cases: folder of references."""
    predictions: Annotated[tuple[str, ...], tyro.conf.arg(metavar="METHOD=DIR [...]")] = ()
    """For pictures of cases: each method's folder."""
    images: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """For pictures of cases: folder of the images."""
    focus: str = ""
    """Choose typical, best and worst case by this method. Default: by all adapted ones."""
    title: str = "Comparison of methods"
    """Of the report."""

    def run(self, reporter: Reporter) -> None:
        """Compare; the output appears whole or not at all.

        Raises:
            OutputExistsError: The output exists and is not to be replaced.
            UsageError: A name or folder is missing.
            CrossModalSegError: See `read_comparison` and `write_comparison`.
        """
        from CrossModalSegLib.data.output_folders import replacing_folder, require_free
        from CrossModalSegLib.evaluation.comparison import read_comparison
        from CrossModalSegLib.evaluation.comparison_folder import (
            COMPARISON_FILE,
            ComparisonOptions,
            write_comparison,
        )

        require_free(self.output, COMPARISON_FILE, overwrite=self.overwrite)
        options = ComparisonOptions(
            command=shlex.join(["crossmodalseg", *sys.argv[1:]]),
            against=self.against,
            seed=self.seed,
            cases=self._cases(),
            title=self.title,
        )
        labels = _titles() | read_pairs(self.label, "--label")
        comparison = read_comparison(
            self.scores, across=self.across, policy=self.empty, labels=labels
        )
        self._require_method(comparison)
        with replacing_folder(self.output) as partial:
            names = write_comparison(partial, comparison, options, reporter)
        reporter.done([self.output / name for name in names], _summary(comparison))

    def _cases(self) -> CaseSources | None:
        """Return where the files of cases lie, or None if no pictures were asked for."""
        if not (self.predictions or self.references or self.images):
            return None
        if not (self.predictions and self.references and self.task):
            raise UsageError(
                "Pictures of cases need --task, --references and --predictions together.",
                hint="Add what is missing (--images is optional), or leave all of them out.",
            )
        from CrossModalSegLib.core.tasks import load_task
        from CrossModalSegLib.evaluation.case_pictures import CaseSources

        folders = read_pairs(self.predictions, "--predictions")
        return CaseSources(
            task=load_task(self.task),
            references=self.references,
            predictions={name: Path(folder) for name, folder in folders.items()},
            images=self.images,
            focus=self.focus,
        )

    def _require_method(self, comparison: Comparison) -> None:
        from CrossModalSegLib.core.errors import UnknownNameError

        if self.against and self.against not in comparison.methods:
            raise UnknownNameError("method", self.against, comparison.methods)


def _titles() -> dict[str, str]:
    from CrossModalSegLib.methods import METHODS

    return {name: method.title for name, method in METHODS.items()}


def _summary(comparison: Comparison) -> dict[str, Any]:
    from CrossModalSegLib.evaluation.table_formats import to_text
    from CrossModalSegLib.evaluation.tables import gaps_closed

    direction = comparison.directions[0]
    return {
        "table": to_text(comparison.table(direction, "dice")),
        "directions": [entry.name for entry in comparison.directions],
        "across": comparison.across,
        "empty_masks": comparison.policy,
        "gap_closed": {
            entry.name or "all": {k: round(v, 4) for k, v in gaps_closed(entry.records).items()}
            for entry in comparison.directions
        },
    }
