"""Methods of a comparison measured: sizes, scores against references, where they disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.bridge.comparison.agreement import Disagreement, measure_disagreement
from CrossModalSegLib.bridge.comparison.comparison import Comparison
from CrossModalSegLib.bridge.comparison.comparison_labels import REFERENCE, ComparisonLabels
from CrossModalSegLib.bridge.comparison.score_table import ScoreRow
from CrossModalSegLib.bridge.comparison.staged_files import StagedCase, StagedFiles
from CrossModalSegLib.bridge.comparison.stepped_job import SteppedJob, Steps
from CrossModalSegLib.core.tasks import Task
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.evaluation.records import SCORES_FILE, ScoreRecord, read_scores

READING, COMPARING = "Reading the segmentations…", "Comparing the segmentations…"
SCORING = "Measuring against the reference…"

Labels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class MeasuredCase:
    """What was found out about one volume.

    Attributes:
        staged: The comparison, and its names among files.
        rows: One for each method and structure.
        disagreement: Where methods differ.
        stamp: Of the segmentations that were measured.
    """

    staged: StagedCase
    rows: tuple[ScoreRow, ...]
    disagreement: Disagreement
    stamp: tuple[int, ...]

    @property
    def is_current(self) -> bool:
        """Whether nothing was changed since."""
        return self.staged.comparison.is_whole and stamp_of(self.staged.comparison) == self.stamp

    def mean_dice(self, key: str) -> float | None:
        """Return a method's mean Dice over the structures, 0 to 1; None where one is undefined."""
        found = [row.dice for row in self.rows if row.method == key]
        values = [dice for dice in found if dice is not None]
        return sum(values) / len(values) if values and len(values) == len(found) else None


@dataclass(frozen=True, eq=False)
class Measurement:
    """What was found out about all volumes.

    Attributes:
        files: What commands of the library can work with.
        cases: One for each volume.
        records: Scores of those that have a reference.
    """

    files: StagedFiles
    cases: tuple[MeasuredCase, ...]
    records: tuple[ScoreRecord, ...]

    @property
    def rows(self) -> tuple[ScoreRow, ...]:
        """Of all volumes."""
        return tuple(row for case in self.cases for row in case.rows)

    @property
    def is_current(self) -> bool:
        """Whether no segmentation was changed since."""
        return all(case.is_current for case in self.cases)

    def case_of(self, comparison: Comparison) -> MeasuredCase | None:
        """Return what was found out about the volume of a comparison."""
        found = (case for case in self.cases if case.staged.comparison is comparison)
        return next(found, None)


@dataclass(frozen=True, eq=False)
class _Compared:
    disagreement: Disagreement
    volumes_ml: dict[tuple[str, str], float]
    """By method and region."""


def measure(job: SteppedJob, comparisons: Sequence[Comparison]) -> Steps[Measurement]:
    """Measure comparisons of one task; steps of a job.

    Args:
        job: Runs the steps.
        comparisons: One for each volume, one or more.

    Raises:
        CrossModalSegError: A segmentation cannot be sampled or scored, or the disk is full.
    """
    files = StagedFiles(comparisons)
    try:
        measurement = yield from _measure(job, files)
    except BaseException:  # cancelled too
        files.close()
        raise
    return measurement


def _measure(job: SteppedJob, files: StagedFiles) -> Steps[Measurement]:
    compared, stamps = [], []
    for case in files.cases:
        job.tell(READING)
        labels = ComparisonLabels(case.comparison)
        while not labels.step():
            yield True
        stamps.append(stamp_of(case.comparison))
        maps = [labels.of(shown.name) for shown in case.comparison.methods]
        reference = labels.of(REFERENCE) if case.comparison.reference is not None else None
        grid = labels.grid
        job.tell(COMPARING)
        found = yield from job.in_thread(
            lambda c=case, m=maps, r=reference, g=grid: _compare(files, c, m, r, g)  # type: ignore[misc]
        )
        compared.append(found)
    yield from job.in_thread(files.write_lists)
    records: tuple[ScoreRecord, ...] = ()
    if files.scored:
        job.tell(SCORING)
        yield from job.run(_evaluate_arguments(files))
        records = read_scores(files.scores / SCORES_FILE)
    cases = tuple(
        MeasuredCase(case, _rows(case, files.task, each, records), each.disagreement, stamp)
        for case, each, stamp in zip(files.cases, compared, stamps, strict=True)
    )
    return Measurement(files, cases, records)


def _compare(
    files: StagedFiles,
    case: StagedCase,
    maps: Sequence[Labels],
    reference: Labels | None,
    grid: Volume,
) -> _Compared:
    methods = dict(zip(case.keys, maps, strict=True))
    if reference is not None:
        files.write_labels(files.reference_path(case), reference, grid)
    volumes_ml = {}
    for key, labels in methods.items():
        files.write_labels(files.method_path(case, key), labels, grid)
        counts = np.bincount(labels.ravel(), minlength=files.task.num_classes)
        for region in files.task.regions:
            volumes_ml[key, region.name] = float(counts[list(region.values)].sum()) * grid.voxel_ml
    return _Compared(measure_disagreement(methods, reference, files.task, grid), volumes_ml)


def _evaluate_arguments(files: StagedFiles) -> list[str]:
    return [
        "evaluate",
        *("--task", files.task_argument),
        *("--manifest", str(files.manifest)),
        *("--output", str(files.scores)),
    ]


def _rows(
    case: StagedCase, task: Task, compared: _Compared, records: Sequence[ScoreRecord]
) -> tuple[ScoreRow, ...]:
    """Return a row for each method and structure, with scores where there are any."""
    own = {(r.method, r.region): r for r in records if r.case == case.name}
    rows = []
    for key, label in case.labels.items():
        for region in task.regions:
            record = own.get((key, region.name))
            scores: dict[str, Any] = {}
            if record is not None:
                names = ("dice", "hd95_mm", "assd_mm", "reference_volume_ml")
                scores = {name: getattr(record, name) for name in names}
            rows.append(
                ScoreRow(
                    case=case.name,
                    scan=case.scan,
                    method=key,
                    label=label,
                    structure=region.name,
                    structure_label=region.label,
                    volume_ml=compared.volumes_ml[key, region.name],
                    **scores,
                )
            )
    return tuple(rows)


def stamp_of(comparison: Comparison) -> tuple[int, ...]:
    """Return numbers that change with the segmentations, the volume, and where they are."""
    nodes = [shown.segmentation for shown in comparison.methods]
    if comparison.reference is not None:
        nodes.append(comparison.reference)
    times = []
    for node in nodes:
        segmentation = node.GetSegmentation()
        parts = [segmentation.GetSegment(each) for each in segmentation.GetSegmentIDs()]
        times += [segmentation.GetMTime(), *(part.GetMTime() for part in parts)]
    for node in (*nodes, comparison.volume):
        transform = node.GetParentTransformNode()
        times.append(0 if transform is None else transform.GetTransformToWorldMTime())
    image = comparison.volume.GetImageData()
    return (*(int(each) for each in times), 0 if image is None else int(image.GetMTime()))
