"""Comparisons measured and exported; the commands run in this process, without a new Python."""

from __future__ import annotations

import csv
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from CrossModalSegLib.bridge.command_job import CommandJob
from CrossModalSegLib.bridge.comparison.comparison import Comparison, Shown
from CrossModalSegLib.bridge.comparison.comparison_export import (
    FigureChoice,
    figure_arguments,
    point_of_disagreement,
    report_arguments,
    scores_csv,
    scores_latex,
    write_figure,
)
from CrossModalSegLib.bridge.comparison.comparison_scores import Measurement, measure
from CrossModalSegLib.bridge.comparison.staged_files import distinct
from CrossModalSegLib.bridge.comparison.stepped_job import SteppedJob, Steps
from CrossModalSegLib.bridge.scene import HeadlessScene
from CrossModalSegLib.bridge.segmentations import labels_to_node
from CrossModalSegLib.bridge.volumes import volume_to_node
from CrossModalSegLib.cli.compare import Compare
from CrossModalSegLib.cli.figure import Figure
from CrossModalSegLib.cli.main import read_command
from CrossModalSegLib.core.errors import CrossModalSegError
from CrossModalSegLib.core.events import Event, Reporter
from CrossModalSegLib.core.tasks import TASKS, Task
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.evaluation.scores import CaseLabels, score_case

BRAIN = TASKS["brain_tumour"]
OWN = replace(TASKS["cardiac"], name="own", label="Own & other structures")


class HereJob:
    """A command that runs at its start, in this process."""

    def __init__(self, arguments: Sequence[str], listen: Callable[[Event], None]) -> None:
        self.arguments, self._listen = arguments, listen

    def start(self) -> None:
        reporter = Reporter(sinks=[self._listen])
        try:
            read_command([*self.arguments, "--progress", "json"]).run(reporter)
        except CrossModalSegError as error:
            reporter.error(error)

    def poll(self) -> None:
        """Everything was said at the start."""


@pytest.fixture
def job() -> Iterator[SteppedJob]:
    def make_job(arguments: Sequence[str], listen: Callable[[Event], None]) -> CommandJob:
        return cast("CommandJob", HereJob(arguments, listen))

    job = SteppedJob(make_job=make_job)
    yield job
    job.shutdown()


def finish(job: SteppedJob, steps: Steps[Any]) -> Any:
    """Run a job to its end; return its result or raise its error."""
    ends: list[Any] = []
    job.start(steps, ends.append, ends.append)
    end = time.monotonic() + 120
    while job.is_active:
        assert time.monotonic() < end, "the job does not end"
        job.poll()
    if isinstance(ends[0], Exception):
        raise ends[0]
    return ends[0]


def label_map(task: Task, seed: int) -> Volume:
    """Return nested balls around a place that depends on the seed, of 2 x 2 x 3 mm voxels."""
    rng = np.random.default_rng(seed)
    k, j, i = np.indices((14, 24, 26))
    centre = np.array([7, 12, 13]) + rng.uniform(-1.5, 1.5, 3)
    distance = np.sqrt((1.5 * (k - centre[0])) ** 2 + (j - centre[1]) ** 2 + (i - centre[2]) ** 2)
    labels = np.zeros(k.shape, np.uint8)
    for value, radius in zip(task.known_values[1:], (9, 7, 5, 3), strict=False):
        labels[distance < radius] = value
    return Volume(labels, np.diag([2.0, 2.0, 3.0, 1.0]))


def compared(session: HeadlessScene, task: Task, name: str, seed: int) -> Comparison:
    truth = label_map(task, seed)
    image = truth.with_array(truth.array_kji.astype(np.float32))
    volume = volume_to_node(image, session.mrml, name)

    def node(labels: Volume) -> Any:
        return labels_to_node(labels, task, session.mrml, "segmentation", with_surfaces=False)

    methods = tuple(
        Shown(key, label, node(label_map(task, seed + number)))
        for number, (key, label) in enumerate((("one=1", "One & only"), ("two", "Two")), start=1)
    )
    return Comparison(volume, task, methods, node(truth))


@pytest.mark.parametrize("task", [BRAIN, OWN], ids=lambda task: task.name)
def test_scores_are_those_of_the_library_for_nested_and_own_tasks(
    session: HeadlessScene, job: SteppedJob, task: Task
) -> None:
    comparison = compared(session, task, "scan", 10)
    measurement: Measurement = finish(job, measure(job, [comparison]))
    assert [row.method for row in measurement.rows[:: len(task.regions)]] == ["one_1", "two"]
    mean_dice: dict[str, float] = {}
    for number, key in enumerate(("one_1", "two"), start=1):
        labels = CaseLabels(
            case="scan", prediction=label_map(task, 10 + number), reference=label_map(task, 10)
        )
        expected = {r.region: r for r in score_case(labels, task, method=key)}
        rows = [row for row in measurement.rows if row.method == key]
        assert [row.structure for row in rows] == list(expected)
        for row in rows:
            record = expected[row.structure]
            assert (row.dice, row.hd95_mm, row.assd_mm) == pytest.approx(
                (record.dice, record.hd95_mm, record.assd_mm)
            )
            assert row.volume_ml == pytest.approx(record.volume_ml)
            assert row.reference_volume_ml == pytest.approx(record.reference_volume_ml)
        mean_dice[key] = sum(record.dice or 0 for record in expected.values()) / len(expected)
    case = measurement.cases[0]
    assert {key: case.mean_dice(key) for key in mean_dice} == pytest.approx(mean_dice)
    measurement.files.close()
    assert not measurement.files.path.exists()


def test_tables_of_several_scans_have_means_and_spreads(
    session: HeadlessScene, job: SteppedJob
) -> None:
    comparisons = [compared(session, OWN, "scan", 10), compared(session, OWN, "Scan", 20)]
    measurement: Measurement = finish(job, measure(job, comparisons))
    assert [case.name for case in measurement.files.cases] == ["scan", "Scan-2"]
    found = [r for r in measurement.rows if (r.method, r.structure) == ("two", "MYO")]
    dice = [row.dice for row in found if row.dice is not None]
    assert len(dice) == 2
    mean, spread = 100 * np.mean(dice), 100 * np.std(dice)
    latex = scores_latex(measurement)
    assert f"{mean:.2f} $\\pm$ {spread:.2f}" in latex
    assert r"One \& only" in latex
    assert latex.endswith("% Own & other structures; scan, Scan. " + latex.split("Scan. ")[1])
    rows = list(csv.DictReader(scores_csv(measurement.rows).splitlines()))
    assert len(rows) == 2 * 2 * 4
    assert float(rows[0]["dice"]) == measurement.rows[0].dice
    command = read_command(report_arguments(measurement.files, "T", Path("out")))
    assert isinstance(command, Compare)
    assert command.task.endswith("task.json")
    assert command.label == ("one_1=One & only", "two=Two")
    measurement.files.close()


def test_a_figure_shows_scores_and_the_slices_of_largest_disagreement(
    session: HeadlessScene, job: SteppedJob, tmp_path: Path
) -> None:
    measurement: Measurement = finish(job, measure(job, [compared(session, BRAIN, "s", 10)]))
    case = measurement.cases[0]
    choice = FigureChoice(planes=("sagittal",), width_px=640, at_disagreement=True, title="-t")
    command = read_command(figure_arguments(measurement.files, case, choice, tmp_path / "f.png"))
    assert isinstance(command, Figure)
    point = point_of_disagreement(case)
    assert command.point == pytest.approx(point)
    assert re.fullmatch(r"two=Dice \d+\.\d %", command.caption[1])
    wrong = np.any(
        [label_map(BRAIN, 10).array_kji != label_map(BRAIN, s).array_kji for s in (11, 12)], axis=0
    )
    assert point is not None
    i, j, k = (round(value / mm) for value, mm in zip(point, (2, 2, 3), strict=True))
    assert wrong[k].any()
    assert wrong[:, j].any()
    assert wrong[:, :, i].any()
    assert finish(job, write_figure(job, measurement, case, choice, tmp_path / "f.png")).exists()
    measurement.files.close()


def test_a_change_after_measuring_is_noticed(session: HeadlessScene, job: SteppedJob) -> None:
    comparison = compared(session, BRAIN, "s", 10)
    measurement: Measurement = finish(job, measure(job, [replace(comparison, reference=None)]))
    was_current = measurement.is_current
    assert was_current
    transform = session.mrml.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    comparison.methods[0].segmentation.SetAndObserveTransformNodeID(transform.GetID())
    assert not measurement.is_current
    measurement.files.close()


def test_messages_name_nodes_and_not_files(session: HeadlessScene, job: SteppedJob) -> None:
    measurement: Measurement = finish(job, measure(job, [compared(session, BRAIN, "My scan", 1)]))
    files = measurement.files
    text = f"{files.method_path(files.cases[0], 'two')} is bad."
    assert files.without_paths(text) == "The segmentation by 'Two' of 'My scan' is bad."
    files.close()


def test_an_interrupted_measurement_leaves_no_folder(
    session: HeadlessScene, job: SteppedJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(job, "in_thread", lambda _work: iter([False] * 100))
    errors: list[Exception] = []
    job.start(measure(job, [compared(session, BRAIN, "s", 1)]), print, errors.append)
    while not list(tmp_path.iterdir()):
        job.poll()
    assert len(list(tmp_path.iterdir())) == 1
    job.cancel()
    assert list(tmp_path.iterdir()) == []
    assert len(errors) == 1


def test_names_are_told_apart_and_fit_options() -> None:
    assert distinct(["a", "A", "a=b", "a/b", "--x"]) == ["a", "A-2", "a_b", "a_b-2", "x"]
