"""`segment`: volumes become segmentations on their own grids."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from CrossModalSegLib.cli.command import JobCommand
from CrossModalSegLib.core.events import Reporter

Names = Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME [NAME ...]")]
Suffix = Literal["auto", ".nii.gz", ".nii", ".seg.nrrd", ".nrrd", ".mha", ".dcm"]
YES_OR_NO = {"auto": None, "yes": True, "no": False}
Flip = Literal["left-right", "anterior-posterior", "superior-inferior"]


@dataclass(frozen=True, kw_only=True)
class Segment(JobCommand):
    """Segment volumes with a model, or with several as one.

    The segmentation lies on the volume's own grid, whatever its orientation. A JSON file beside
    each says how it was made, with the volume of every structure in mL.
    """

    model: Names
    """A model's name (see `models list`), or the path of a bundle: a folder or .zip. Of several
    models for one task and the same images, the mean of the probabilities counts."""
    input: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="PATH [PATH ...]")]
    """Volumes (.nii.gz, .nii, .nrrd, .mha) and folders of one DICOM series each; or one folder, of
    volumes, of case folders, or of DICOM files. For a model that takes several images of a case:
    these, in its order, or a folder of case folders with image_<modality>.nii.gz."""
    output: Path
    """For one case: a file, whose ending is the format, or a folder. Else a folder. A .dcm is a
    DICOM segmentation object, for DICOM input."""
    suffix: Suffix = "auto"
    """Ending of the files in an output folder; "auto" is .dcm for DICOM input, else .nii.gz."""
    modality: str = ""
    """What the volumes are; a model for another modality is refused."""
    task: str = ""
    """What is wanted; a model for another task is refused."""
    series: str = ""
    """Part of the description of the DICOM series that is meant, where there are several."""
    structures: Names = ()
    """Short names of those to keep, e.g. MYO; the others become background. Default: all."""
    region: Annotated[tuple[str, ...], tyro.conf.arg(metavar="R R A A S S | PATH")] = ()
    """Segment only a box, six numbers: from and to along R, along A and along S in mm (left,
    posterior and inferior are negative); or only what is not 0 in a mask's file."""
    flips: Annotated[tuple[Flip, ...], tyro.conf.arg(metavar="AXIS [AXIS ...]")] = ()
    """More careful and slower: the mean over the slices and their mirror images along these axes of
    the patient. left-right suits brains; mirror images of hearts or abdomens are anatomy that no
    model knows."""
    largest_component: Literal["auto", "yes", "no"] = "auto"
    """Keep only the largest part of each structure; "auto" is as the model's makers say."""
    minimum_ml: Annotated[float | None, tyro.conf.arg(metavar="ML")] = None
    """Remove parts of structures that are smaller, in mL. Default: as the model's makers say."""
    uncertainty: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """Also write where the model is unsure: the entropy of its probabilities, 0 (sure) to 1 (no
    idea). A file for one volume that becomes a file, else a folder."""
    probabilities: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Also write the probability of each class: DIR/<case>/<class>.nii.gz."""
    maps: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Also write what the method has to show of its workings, if anything, as
    DIR/<case>/<map>.nii.gz."""
    quality: bool = False
    """Also say how good each result probably is, in its JSON file: how much it agrees with those of
    slightly changed images. Takes about five times as long."""
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "auto"
    """Arithmetic of the networks; "auto" is the fastest that is safe on the device."""
    batch_size: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """Slices at once. Default: as many as fit into the free memory and are of use; less when memory
    runs out."""

    def run(self, reporter: Reporter) -> None:
        """Segment everything; each result appears whole or not at all.

        Raises:
            CrossModalSegError: See `segment_files`.
        """
        from CrossModalSegLib.bundle.library import ModelLibrary

        library = ModelLibrary()
        bundles = [library.open(name) for name in self.model]
        from CrossModalSegLib.inference.files import SegmentOptions, segment_files

        options = SegmentOptions(
            device=self.device,
            precision=self.precision,
            batch_size=self.batch_size,
            suffix="" if self.suffix == "auto" else self.suffix,
            overwrite=self.overwrite,
            task=self.task,
            modality=self.modality,
            series=self.series,
            structures=self.structures,
            region=self.region,
            flips=self.flips,
            largest_component=YES_OR_NO[self.largest_component],
            minimum_ml=self.minimum_ml,
            uncertainty=self.uncertainty,
            probabilities=self.probabilities,
            maps=self.maps,
            quality=self.quality,
        )
        cases = segment_files(bundles, self.input, self.output, options, reporter)
        further = [path for case in cases for path in (*case.new_files[1:], *case.new_folders)]
        summary = {
            "model": " + ".join(bundle.config.title for bundle in bundles),
            "cases": len(cases),
            "intended_use": bundles[0].config.intended_use,
        }
        reporter.done([*(case.output for case in cases), *further], summary)
