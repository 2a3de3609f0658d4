"""`phantom`: labelled volumes of people who do not exist, as files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from CrossModalSegLib.cli.command import JobCommand, UsageError
from CrossModalSegLib.core.events import Reporter

if TYPE_CHECKING:
    from CrossModalSegLib.data.phantoms.grid import PhantomGrid

PHANTOM_FILE = "phantom.json"


@dataclass(frozen=True, kw_only=True)
class Phantom(JobCommand):
    """Make phantom subjects, one folder each with image and labels.

    Each subject has an anatomy, diseases and an acquisition of its own. The same options give the
    same files; another seed or modality gives other people.
    """

    kind: tyro.conf.Positional[Literal["cardiac"]]
    """Which part of the body."""
    modality: Literal["ct", "mr_bssfp"]
    """Of all images."""
    subjects: int
    """How many."""
    output: Path
    """Folder; gets OUTPUT/<case>/image.nii.gz, label.nii.gz and phantom.json."""
    unlabelled: bool = False
    """Leave the labels out, as in a target cohort."""
    matrix: Annotated[tuple[int, int, int] | None, tyro.conf.arg(metavar="I J K")] = None
    """Voxels along each axis; together with --spacing. Default: the modality's usual protocol, a
    little different for each subject."""
    spacing: Annotated[tuple[float, float, float] | None, tyro.conf.arg(metavar="MM MM MM")] = None
    """Size of a voxel in mm along each axis; together with --matrix."""
    orientation: Annotated[str | None, tyro.conf.arg(metavar="LETTERS")] = None
    """Anatomical directions of the axes, e.g. LPS (default) or LIP; with --matrix and --spacing."""

    def run(self, reporter: Reporter) -> None:
        """Make the subjects; the folder appears when all of them are there.

        Raises:
            UsageError: Less than one subject, or a part of a grid.
            OutputExistsError: The output exists and is not to be replaced.
        """
        if self.subjects < 1:
            raise UsageError(f"--subjects is {self.subjects}, expected at least 1.")
        grid = self._grid()
        from CrossModalSegLib.core.config import write_json
        from CrossModalSegLib.data.output_folders import replacing_folder, require_free
        from CrossModalSegLib.data.phantoms.cardiac import CARDIAC_PHANTOM_VERSION
        from CrossModalSegLib.data.phantoms.files import (
            PhantomOptions,
            subject_seeds,
            write_cardiac_subjects,
        )

        require_free(self.output, PHANTOM_FILE, overwrite=self.overwrite)
        seeds = subject_seeds(self.seed, self.modality, self.subjects)
        with replacing_folder(self.output) as partial:
            options = PhantomOptions(grid=grid, labelled=not self.unlabelled)
            cases = write_cardiac_subjects(partial, self.modality, seeds, reporter, options)
            facts = {
                "v": 1,
                "phantom": self.kind,
                "version": CARDIAC_PHANTOM_VERSION,
                "modality": self.modality,
                "seed": self.seed,
                "cases": [case.name for case in cases],
            }
            write_json(partial / PHANTOM_FILE, facts)
        summary = {"subjects": self.subjects, "phantom_version": CARDIAC_PHANTOM_VERSION}
        reporter.done([self.output], summary)

    def _grid(self) -> PhantomGrid | None:
        if self.matrix is None and self.spacing is None and self.orientation is None:
            return None
        if self.matrix is None or self.spacing is None:
            raise UsageError("A grid of your own needs both --matrix and --spacing.")
        from CrossModalSegLib.data.phantoms.grid import PhantomGrid

        return PhantomGrid(
            matrix_ijk=self.matrix,
            spacing_mm=self.spacing,
            orientation=self.orientation or "LPS",
        )
