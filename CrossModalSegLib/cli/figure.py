"""`figure`: one case, segmented by several methods, as a picture for a paper."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from CrossModalSegLib.cli.command import JobCommand, UsageError, read_pairs
from CrossModalSegLib.core.events import Reporter

if TYPE_CHECKING:
    from CrossModalSegLib.core.tasks import Task
    from CrossModalSegLib.evaluation.case_cuts import CaseVolumes

WIDTHS_PX = (200, 12000)
"""Least and most."""


@dataclass(frozen=True, kw_only=True)
class Figure(JobCommand):
    """Draw one case as papers show it: image, methods, reference as columns, and what is wrong.

    Each plane is a row of segmentations and a row of errors; without a reference, that row shows
    where a method differs from most of the others.
    """

    task: str
    """What is labelled: brain_tumour, whole_tumour, cardiac, abdomen, or a TOML file."""
    segmentations: Annotated[tuple[str, ...], tyro.conf.arg(metavar="METHOD=FILE [...]")]
    """One or more segmentations of the same scan, in the order of the columns."""
    output: Annotated[Path, tyro.conf.arg(metavar="PNG")]
    """The picture."""
    image: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """What was segmented. Default: a black background."""
    reference: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Segmentation that is held to be true."""
    planes: tuple[Literal["axial", "coronal", "sagittal"], ...] = ("axial", "coronal", "sagittal")
    """Which planes are shown."""
    point: tuple[float, float, float] | None = None
    """Right, anterior, superior (mm) of a point that the planes go through. Default: where the
    reference, or the first segmentation, is largest."""
    errors: Literal["yes", "no"] = "yes"
    """Whether each plane has a second row that shows what is wrong."""
    width: int = 0
    """Of the picture in pixels, from 200 to 12000. Default: 252 a column and some more."""
    label: Annotated[tuple[str, ...], tyro.conf.arg(metavar="METHOD=NAME [...]")] = ()
    """Names for people."""
    caption: Annotated[tuple[str, ...], tyro.conf.arg(metavar="METHOD=TEXT [...]")] = ()
    """Small text under the name, a score for example."""
    title: str = ""
    """Above everything."""

    def run(self, reporter: Reporter) -> None:
        """Draw the picture.

        Raises:
            OutputExistsError: The picture exists and is not to be replaced.
            UsageError: An option does not make sense.
            CrossModalSegError: A file cannot be read, or lies on another grid.
        """
        from CrossModalSegLib.core.errors import OutputExistsError
        from CrossModalSegLib.core.tasks import load_task
        from CrossModalSegLib.evaluation.case_panels import PanelStyle, draw_case
        from CrossModalSegLib.evaluation.figure_style import write_png

        self._check()
        if self.output.exists() and not self.overwrite:
            raise OutputExistsError(self.output)
        task = load_task(self.task)
        figure = draw_case(
            self._read(task),
            task,
            title=self.title,
            labels=read_pairs(self.label, "--label"),
            scores=read_pairs(self.caption, "--caption"),
            style=PanelStyle(
                planes=self.planes,
                with_errors=self.errors == "yes",
                as_in_papers=True,
                point_ras=self.point,
            ),
        )
        write_png(self.output, figure, width_px=self.width or None)
        reporter.preview(self.output, self.title or "Segmentations beside each other")
        reporter.done([self.output], {"methods": [*read_pairs(self.segmentations, "")]})

    def _check(self) -> None:
        low, high = WIDTHS_PX
        if self.width and not low <= self.width <= high:
            raise UsageError(f"--width is {self.width}, expected {low} to {high} pixels.")
        if not self.planes or len(set(self.planes)) != len(self.planes):
            raise UsageError("--planes needs one or more planes, each once.")
        if self.output.suffix.lower() != ".png":
            raise UsageError(f"--output is {self.output}, expected a name that ends in .png.")

    def _read(self, task: Task) -> CaseVolumes:
        from CrossModalSegLib.core.paths import case_name
        from CrossModalSegLib.data.segmentation_files import read_segmentation
        from CrossModalSegLib.data.volume_files import read_image
        from CrossModalSegLib.evaluation.case_cuts import CaseVolumes

        paths = read_pairs(self.segmentations, "--segmentations")
        image = read_image(self.image) if self.image is not None else None
        reference = None
        if self.reference is not None:
            reference = read_segmentation(self.reference, task, grid=image)
        grid = image or reference
        return CaseVolumes(
            case=case_name(next(iter(paths.values()), "")),
            image=image,
            reference=reference,
            predictions={
                name: read_segmentation(path, task, grid=grid) for name, path in paths.items()
            },
        )
