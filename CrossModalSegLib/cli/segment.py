"""`segment`: volumes become segmentations on their own grids."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from CrossModalSegLib.cli.command import JobCommand
from CrossModalSegLib.core.events import Reporter


@dataclass(frozen=True, kw_only=True)
class Segment(JobCommand):
    """Segment volumes with a model.

    The segmentation lies on the volume's own grid, whatever its orientation. A JSON file beside
    each says how it was made, with the volume of every structure in mL.
    """

    model: str
    """A model's name (see `models list`), or the path of a bundle: a folder or .zip."""
    input: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="PATH [PATH ...]")]
    """Volumes (.nii.gz, .nii, .nrrd, .mha), or one folder of them or of case folders."""
    output: Path
    """For one volume: a file, whose ending is the format, or a folder. Else a folder."""
    suffix: Literal[".nii.gz", ".nii", ".seg.nrrd", ".nrrd", ".mha"] = ".nii.gz"
    """Ending of the files in an output folder."""
    modality: str = ""
    """What the volumes are; a model for another modality is refused."""
    task: str = ""
    """What is wanted; a model for another task is refused."""
    structures: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME [NAME ...]")] = ()
    """Short names of those to keep, e.g. MYO; the others become background. Default: all."""
    uncertainty: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """Also write where the model is unsure: the entropy of its probabilities, 0 (sure) to 1 (no
    idea). A file for one volume that becomes a file, else a folder."""
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "auto"
    """Arithmetic of the networks; "auto" is the fastest that is safe on the device."""
    batch_size: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """Slices at once. Default: by their size; less when memory runs out."""

    def run(self, reporter: Reporter) -> None:
        """Segment everything; each result appears whole or not at all.

        Raises:
            CrossModalSegError: See `segment_files`.
        """
        from CrossModalSegLib.bundle.library import ModelLibrary

        bundle = ModelLibrary().open(self.model)
        from CrossModalSegLib.inference.files import SegmentOptions, segment_files

        options = SegmentOptions(
            device=self.device,
            precision=self.precision,
            batch_size=self.batch_size,
            suffix=self.suffix,
            overwrite=self.overwrite,
            task=self.task,
            modality=self.modality,
            structures=self.structures,
            uncertainty=self.uncertainty,
        )
        cases = segment_files(bundle, self.input, self.output, options, reporter)
        maps = [case.uncertainty for case in cases if case.uncertainty is not None]
        summary = {
            "model": bundle.config.title,
            "cases": len(cases),
            "intended_use": bundle.config.intended_use,
        }
        reporter.done([*(case.output for case in cases), *maps], summary)
