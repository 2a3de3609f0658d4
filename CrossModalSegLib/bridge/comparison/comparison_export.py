"""A measured comparison as figure, table and report, in the form of the papers."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from CrossModalSegLib.bridge.comparison.comparison_scores import MeasuredCase, Measurement
from CrossModalSegLib.bridge.comparison.score_table import ScoreRow
from CrossModalSegLib.bridge.comparison.staged_files import (
    IMAGES,
    METHODS,
    REFERENCES,
    StagedCase,
    StagedFiles,
)
from CrossModalSegLib.bridge.comparison.stepped_job import SteppedJob, Steps
from CrossModalSegLib.bridge.comparison.structure_jumps import slice_axis
from CrossModalSegLib.bridge.planes import ORIENTATIONS, Orientation, PointRas
from CrossModalSegLib.bridge.volume_export import VolumeCopy
from CrossModalSegLib.core.config import atomic_write
from CrossModalSegLib.core.errors import storage_errors

if TYPE_CHECKING:
    from CrossModalSegLib.evaluation.score_table import Metric, ScoreTable

COPYING, DRAWING, REPORTING = "Copying the scan…", "Drawing the figure…", "Writing the report…"

REPORT_FILE = "report.html"
CSV_FIELDS = (
    *("scan", "method", "method_name", "structure", "structure_name"),
    *("dice", "hd95_mm", "assd_mm", "volume_ml", "reference_volume_ml"),
)


@dataclass(frozen=True, kw_only=True)
class FigureChoice:
    """What a figure shows.

    Attributes:
        planes: Its rows.
        width_px: Of the picture.
        with_errors: Whether each plane has a second row with errors, or what differs from most.
        at_disagreement: Whether slices are those in which methods differ most; otherwise those in
            which most is to be seen.
        with_scores: Whether the mean Dice stands under the names, where there is a reference.
        title: Above everything.
    """

    planes: tuple[Orientation, ...] = ORIENTATIONS
    width_px: int = 2400
    with_errors: bool = True
    at_disagreement: bool = False
    with_scores: bool = True
    title: str = ""


def write_figure(
    job: SteppedJob, measurement: Measurement, case: MeasuredCase, choice: FigureChoice, path: Path
) -> Steps[Path]:
    """Draw a case as PNG, replacing what is there; steps of a job.

    Raises:
        CrossModalSegError: The volume cannot be read, or the disk is full.
    """
    yield from _write_images(job, measurement.files, [case.staged])
    job.tell(DRAWING)
    yield from job.run(figure_arguments(measurement.files, case, choice, path))
    return path


def write_report(job: SteppedJob, measurement: Measurement, title: str, path: Path) -> Steps[Path]:
    """Write the report of `compare` as one HTML file, replacing what is there; steps of a job.

    Raises:
        CrossModalSegError: A volume cannot be read, or the disk is full.
    """
    files = measurement.files
    yield from _write_images(job, files, files.scored)
    job.tell(REPORTING)
    folder = files.path / "comparison"
    yield from job.run(report_arguments(files, title, folder))

    def place() -> None:
        with storage_errors(path):
            shutil.copyfile(folder / REPORT_FILE, path)

    yield from job.in_thread(place)
    return path


def write_text(job: SteppedJob, text: Callable[[], str], path: Path) -> Steps[Path]:
    """Write a text, made in a thread, replacing what is there; steps of a job.

    Raises:
        CrossModalSegError: The text cannot be made, or the disk is full.
    """

    def write() -> None:
        content = text()
        with atomic_write(path) as temporary:
            temporary.write_text(content, encoding="utf-8", newline="\n")

    yield from job.in_thread(write)
    return path


def figure_arguments(
    files: StagedFiles, case: MeasuredCase, choice: FigureChoice, path: Path
) -> list[str]:
    """Return the command line that draws a case."""
    staged = case.staged
    arguments = ["figure", "--task", files.task_argument, "--output", str(path), "--overwrite"]
    arguments += ["--segmentations"]
    arguments += [f"{key}={files.method_path(staged, key)}" for key in staged.keys]
    arguments += ["--label", *(f"{key}={label}" for key, label in staged.labels.items())]
    arguments += ["--image", str(files.image_path(staged)), "--planes", *choice.planes]
    arguments += ["--width", str(choice.width_px), f"--title={choice.title}"]
    arguments += ["--errors", "yes" if choice.with_errors else "no"]
    if staged.comparison.reference is not None:
        arguments += ["--reference", str(files.reference_path(staged))]
    captions = _captions(case) if choice.with_scores else []
    if captions:
        arguments += ["--caption", *captions]
    point = point_of_disagreement(case) if choice.at_disagreement else None
    if point is not None:
        arguments += ["--point", *(f"{value:.3f}" for value in point)]
    return arguments


def report_arguments(files: StagedFiles, title: str, folder: Path) -> list[str]:
    """Return the command line that writes the report of all volumes that have a reference."""
    place = files.path
    return [
        *("compare", "--scores", str(files.scores), "--output", str(folder), "--overwrite"),
        *("--task", files.task_argument, f"--title={title}"),
        *("--references", str(place / REFERENCES), "--images", str(place / IMAGES)),
        *("--predictions", *(f"{key}={place / METHODS / key}" for key in files.keys)),
        *("--label", *(f"{key}={label}" for key, label in files.labels.items())),
    ]


def point_of_disagreement(case: MeasuredCase) -> PointRas | None:
    """Return the point in which the slices of largest disagreement meet; None where all agree."""
    disagreement = case.disagreement
    grid = disagreement.percent
    index_ijk = (np.array(grid.shape_ijk, float) - 1) / 2
    for orientation in ORIENTATIONS:
        index = disagreement.largest_slice(orientation)
        if index is None:
            return None
        index_ijk[slice_axis(grid.affine_ras, orientation)] = index
    right, front, top = grid.affine_ras[:3, :3] @ index_ijk + grid.affine_ras[:3, 3]
    return float(right), float(front), float(top)


def scores_csv(rows: Sequence[ScoreRow]) -> str:
    """Return rows as CSV, in their order and with full precision; undefined numbers are empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_FIELDS)
    for row in rows:
        writer.writerow(
            (row.scan, row.label, row.method, row.structure_label, row.structure)
            + (row.dice, row.hd95_mm, row.assd_mm, row.volume_ml, row.reference_volume_ml)
        )
    return text.getvalue()


def scores_latex(measurement: Measurement) -> str:
    """Return Dice, HD95, ASSD and volume as a LaTeX table in the papers' layout.

    Numbers of several scans are mean and population standard deviation.

    Raises:
        MissingDependencyError: The library's packages are not installed.
    """
    from CrossModalSegLib.evaluation.score_table import METRICS, Metric
    from CrossModalSegLib.evaluation.table_formats import to_latex

    volume = Metric(name="volume_ml", label="Volume", unit="mL", is_ranked=False)
    metrics = [METRICS["dice"], METRICS["hd95_mm"], METRICS["assd_mm"]]
    has_scores = bool(measurement.files.scored)
    tables = [_table(measurement, metric) for metric in (*metrics * has_scores, volume)]
    scans = [case.staged.scan for case in measurement.cases]
    spread = " Mean ± population standard deviation." if len(scans) > 1 else ""
    caption = f"{measurement.files.task.label}; {', '.join(scans)}.{spread}"
    return to_latex(tables, caption=" ".join(caption.split()))


def _table(measurement: Measurement, metric: Metric) -> ScoreTable:
    """Summarise one metric over the scans; the spread of a single scan is left out."""
    from CrossModalSegLib.evaluation.score_table import Cell, ScoreTable
    from CrossModalSegLib.evaluation.tables import cell_of, summary_row

    regions = tuple(region.name for region in measurement.files.task.regions)
    methods = []
    for key, label in measurement.files.labels.items():
        cells = {}
        for region in regions:
            found = [
                getattr(row, metric.name)
                for row in measurement.rows
                if (row.method, row.structure) == (key, region)
            ]
            values = [value for value in found if value is not None]
            cell = cell_of(values, metric, len(found) - len(values))
            deviation = cell.deviation if len(measurement.cases) > 1 else None
            cells[region] = Cell(
                mean=cell.mean, deviation=deviation, count=cell.count, undefined=cell.undefined
            )
        methods.append(summary_row(key, label, cells, [], None))
    return ScoreTable(
        metric=metric,
        regions=regions,
        rows=tuple(methods),
        patients=len(measurement.cases),
        policy="brats",
    )


def _write_images(job: SteppedJob, files: StagedFiles, cases: Sequence[StagedCase]) -> Steps[None]:
    """Hand scans over that are not there yet."""
    for case in cases:
        path = files.image_path(case)
        if path.exists():
            continue
        job.tell(COPYING)
        copy = VolumeCopy(case.comparison.volume)
        while not copy.step():
            yield True
        image = copy.volume
        yield from job.in_thread(lambda p=path, i=image: files.write_image(p, i))  # type: ignore[misc]


def _captions(case: MeasuredCase) -> list[str]:
    means = {key: case.mean_dice(key) for key in case.staged.keys}
    return [f"{key}=Dice {100 * dice:.1f} %" for key, dice in means.items() if dice is not None]
