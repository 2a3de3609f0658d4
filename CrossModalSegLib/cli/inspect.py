"""`inspect`: a cohort as a picture and tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from CrossModalSegLib.cli.command import JobCommand
from CrossModalSegLib.core.events import Reporter


@dataclass(frozen=True, kw_only=True)
class Inspect(JobCommand):
    """Show a cohort: a contact sheet with the outlines of labels, and tables of its numbers."""

    cohort: tyro.conf.Positional[Path]
    """The cohort's folder."""
    output: Annotated[Path | None, tyro.conf.arg(metavar="PNG")] = None
    """The picture. Default: <cohort>-contact-sheet.png beside the cohort."""
    verify: bool = False
    """Read every file and compare it with its checksum."""

    def run(self, reporter: Reporter) -> None:
        """Write the picture and show the tables.

        Raises:
            OutputExistsError: The picture exists and is not to be replaced.
            CrossModalSegError: The cohort is damaged.
        """
        from CrossModalSegLib.core.errors import OutputExistsError
        from CrossModalSegLib.data.cohort import Cohort
        from CrossModalSegLib.data.contact_sheet import (
            case_table,
            class_table,
            write_contact_sheet,
        )

        folder = self.cohort.absolute()
        picture = self.output or folder.with_name(f"{folder.name}-contact-sheet.png")
        if picture.exists() and not self.overwrite:
            raise OutputExistsError(picture)
        cohort = Cohort.open(folder)
        if self.verify:
            cohort.verify()
        shown = write_contact_sheet(cohort, picture)
        reporter.preview(picture, f"{shown} of {len(cohort.cases)} cases")
        record = cohort.record
        summary = {
            "task": record.task.name,
            "modality": ", ".join(modality.name for modality in record.modalities),
            "dataset": record.dataset,
            "split_rule": record.split_rule,
            "cases": case_table(cohort),
            "classes": class_table(cohort),
            "hash": cohort.content_hash,
        }
        reporter.done([picture], {name: value for name, value in summary.items() if value})
