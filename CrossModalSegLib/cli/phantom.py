"""`phantom`: labelled volumes of people who do not exist, as files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import tyro

from CrossModalSegLib.cli.command import JobCommand, UsageError
from CrossModalSegLib.core.events import Reporter

if TYPE_CHECKING:
    from CrossModalSegLib.data.phantoms.files import PhantomOptions
    from CrossModalSegLib.data.phantoms.grid import PhantomGrid

PHANTOM_FILE = "phantom.json"

MODALITIES = {"cardiac": ("ct", "mr_bssfp"), "brain": ("t1", "t1ce", "t2", "flair")}
"""What each kind is imaged in."""


@dataclass(frozen=True, kw_only=True)
class Phantom(JobCommand):
    """Make phantom subjects, one folder each with images and labels.

    Each subject has an anatomy, diseases and an acquisition of its own. The same options give the
    same files; another seed gives other people. CT and MR of the heart are of different people; all
    modalities of the brain are of the same, on one grid, so domains need seeds of their own.
    """

    kind: tyro.conf.Positional[Literal["cardiac", "brain"]]
    """Which part of the body."""
    modality: Annotated[
        tuple[Literal["ct", "mr_bssfp", "t1", "t1ce", "t2", "flair"], ...],
        tyro.conf.arg(metavar="NAME [NAME ...]"),
    ]
    """Of the images: ct or mr_bssfp of the heart; one or more of t1, t1ce, t2 and flair of the
    brain."""
    subjects: int
    """How many."""
    output: Path
    """Folder; gets OUTPUT/<case>/image.nii.gz (of the brain image_<modality>.nii.gz), label.nii.gz
    and phantom.json."""
    unlabelled: bool = False
    """Leave the labels out, as in a target cohort."""
    matrix: Annotated[tuple[int, int, int] | None, tyro.conf.arg(metavar="I J K")] = None
    """Voxels along each axis; together with --spacing. Default: the usual protocol, of the heart a
    little different for each subject."""
    spacing: Annotated[tuple[float, float, float] | None, tyro.conf.arg(metavar="MM MM MM")] = None
    """Size of a voxel in mm along each axis; together with --matrix."""
    orientation: Annotated[str | None, tyro.conf.arg(metavar="LETTERS")] = None
    """Anatomical directions of the axes, e.g. LPS (default) or LIP; with --matrix and --spacing."""

    def run(self, reporter: Reporter) -> None:
        """Make the subjects; the folder appears when all of them are there.

        Raises:
            UsageError: Less than one subject, modalities of another kind, or a part of a grid.
            OutputExistsError: The output exists and is not to be replaced.
        """
        if self.subjects < 1:
            raise UsageError(f"--subjects is {self.subjects}, expected at least 1.")
        self._check_modalities()
        grid = self._grid()
        from CrossModalSegLib.core.config import write_json
        from CrossModalSegLib.data.output_folders import replacing_folder, require_free
        from CrossModalSegLib.data.phantoms.files import PhantomOptions

        require_free(self.output, PHANTOM_FILE, overwrite=self.overwrite)
        with replacing_folder(self.output) as partial:
            options = PhantomOptions(grid=grid, labelled=not self.unlabelled)
            version, cases = self._write(partial, reporter, options)
            facts = {
                "v": 1,
                "phantom": self.kind,
                "version": version,
                "modality": self.modality[0] if self.kind == "cardiac" else list(self.modality),
                "seed": self.seed,
                "cases": [case.name for case in cases],
            }
            write_json(partial / PHANTOM_FILE, facts)
        summary = {"subjects": self.subjects, "phantom_version": version}
        reporter.done([self.output], summary)

    def _write(
        self, folder: Path, reporter: Reporter, options: PhantomOptions
    ) -> tuple[int, list[Path]]:
        """Write the cases; returns the phantom's version and their folders."""
        from CrossModalSegLib.data.phantoms import files
        from CrossModalSegLib.data.phantoms.brain import BRAIN_PHANTOM_VERSION
        from CrossModalSegLib.data.phantoms.cardiac import CARDIAC_PHANTOM_VERSION

        if self.kind == "brain":
            seeds = files.subject_seeds(self.seed, files.BRAIN, self.subjects)
            cases = files.write_brain_subjects(
                folder, cast(Any, self.modality), seeds, reporter, options
            )
            return BRAIN_PHANTOM_VERSION, cases
        modality: Any = self.modality[0]
        seeds = files.subject_seeds(self.seed, modality, self.subjects)
        cases = files.write_cardiac_subjects(folder, modality, seeds, reporter, options)
        return CARDIAC_PHANTOM_VERSION, cases

    def _check_modalities(self) -> None:
        known = MODALITIES[self.kind]
        strange = [name for name in self.modality if name not in known]
        most = 1 if self.kind == "cardiac" else len(known)
        is_right = not strange and len(set(self.modality)) == len(self.modality)
        if not is_right or not 1 <= len(self.modality) <= most:
            count = "one" if most == 1 else "one or more, each once,"
            raise UsageError(
                f"--modality is {' '.join(self.modality) or 'empty'}; a {self.kind} phantom has "
                f"{count} of {', '.join(known)}.",
            )

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
