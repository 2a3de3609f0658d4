"""Pictures are drawn in a process of their own, and drawn all the same when that fails."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from CrossModalSegLib.bridge import rendering as module
from CrossModalSegLib.bridge.case_panel import REFERENCE_COLUMN, CasePanel
from CrossModalSegLib.bridge.panels import draw_case_panel, render_case_panel
from CrossModalSegLib.bridge.rendering import (
    PanelJob,
    RenderWindow,
    is_rendering_available,
    render_panels,
)
from CrossModalSegLib.core.errors import Cancelled, InputFileError, OutputExistsError
from CrossModalSegLib.core.events import CancelToken, Event, Reporter
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.volume_files import write_volume

CARDIAC = TASKS["cardiac"]


@pytest.fixture
def panel(plain_labels: Volume) -> CasePanel:
    image = np.random.default_rng(0).normal(100, 10, plain_labels.shape_kji).astype(np.float32)
    return CasePanel(
        image=plain_labels.with_array(image),
        segmentations={"DSAN": plain_labels.with_array(np.roll(plain_labels.array_kji, 1, axis=2))},
        task=CARDIAC,
        reference=plain_labels,
        title="Case 1",
        tile_px=120,
    )


@pytest.fixture
def jobs(panel: CasePanel, tmp_path: Path) -> list[PanelJob]:
    assert panel.reference is not None
    folder = tmp_path / "Fälle 1"
    write_volume(panel.image, folder / "image.nii.gz")
    write_volume(panel.segmentations["DSAN"], folder / "dsan.nii.gz")
    write_volume(panel.reference, folder / "label.nii.gz")
    return [
        PanelJob(
            image=folder / "image.nii.gz",
            segmentations={"DSAN": folder / "dsan.nii.gz"},
            reference=folder / "label.nii.gz",
            task="cardiac",
            output=folder / f"picture {number}.png",
            captions={"DSAN": "mean Dice 90.1"},
            tile_px=100,
        )
        for number in range(2)
    ]


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def reporter(events: list[Event]) -> Reporter:
    return Reporter(sinks=[events.append])


@pytest.fixture
def no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    window = RenderWindow(None, "no OpenGL on this machine.")
    monkeypatch.setattr(module, "find_render_window", lambda: window)


def test_slicer_draws_in_a_child_process(
    rendering: None,  # noqa: ARG001
    jobs: list[PanelJob],
    reporter: Reporter,
    events: list[Event],
) -> None:
    drawn = render_panels(jobs, reporter)
    assert [(panel.path, panel.drawn_by) for panel in drawn] == [
        (job.output, "slicer") for job in jobs
    ]
    for job in jobs:
        picture = _read(job.output)
        assert picture.shape[1] > 2 * 100
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 500
    assert not [event for event in events if event["event"] == "warning"]
    last = [event for event in events if event["event"] == "progress"][-1]
    assert (last["done"], last["total"]) == (2, 2)
    assert not list(jobs[0].output.parent.glob(".*")), "no temporary files are left"


def test_without_opengl_matplotlib_draws_and_a_warning_says_so(
    no_window: None,  # noqa: ARG001
    jobs: list[PanelJob],
    reporter: Reporter,
    events: list[Event],
) -> None:
    drawn = render_panels(jobs, reporter)
    assert {panel.drawn_by for panel in drawn} == {"matplotlib"}
    (warning,) = [event for event in events if event["event"] == "warning"]
    assert "2 of 2 pictures" in warning["message"]
    assert "no OpenGL on this machine" in warning["message"]
    assert all(job.output.is_file() for job in jobs)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os; os.abort()", "ended with code"),
        ("import sys; sys.exit('no pixels')", "no pixels"),
        ("import time; time.sleep(60)", "took longer than"),
    ],
)
def test_a_child_that_fails_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
    jobs: list[PanelJob],
    events: list[Event],
    code: str,
    said: str,
) -> None:
    _replace_child(monkeypatch, code)
    monkeypatch.setattr(module, "_PROBE_SECONDS", 1.0)
    drawn = render_panels(jobs[:1], Reporter(sinks=[events.append]), seconds_per_panel=0.5)
    assert drawn[0].drawn_by == "matplotlib"
    (warning,) = [event for event in events if event["event"] == "warning"]
    assert said in warning["message"]


def test_what_a_failing_child_has_finished_is_kept(
    monkeypatch: pytest.MonkeyPatch, jobs: list[PanelJob], reporter: Reporter
) -> None:
    code = (
        "import sys, pathlib, os; job = pathlib.Path(sys.argv[-1]);"
        f"pathlib.Path({str(jobs[0].output)!r}).write_bytes(b'drawn by the child');"
        "job.with_suffix('.finished').write_text('0\\n'); os.abort()"
    )
    _replace_child(monkeypatch, code)
    drawn = render_panels(jobs, reporter)
    assert [panel.drawn_by for panel in drawn] == ["slicer", "matplotlib"]
    assert jobs[0].output.read_bytes() == b"drawn by the child"


def test_cancelling_stops_the_child(monkeypatch: pytest.MonkeyPatch, jobs: list[PanelJob]) -> None:
    _replace_child(monkeypatch, "import time; time.sleep(60)")
    cancel = CancelToken()
    cancel.set()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        render_panels(jobs, Reporter(cancel=cancel))
    assert time.monotonic() - began < 10


def test_an_existing_picture_is_not_overwritten_silently(
    jobs: list[PanelJob], reporter: Reporter
) -> None:
    jobs[1].output.write_bytes(b"mine")
    with pytest.raises(OutputExistsError, match="picture 1"):
        render_panels(jobs, reporter)
    assert jobs[1].output.read_bytes() == b"mine"
    assert not jobs[0].output.exists()


def test_a_missing_input_is_an_error_that_names_it(
    no_window: None,  # noqa: ARG001
    jobs: list[PanelJob],
    reporter: Reporter,
) -> None:
    jobs[0].image.unlink()
    with pytest.raises(InputFileError, match=r"image\.nii\.gz"):
        render_panels(jobs, reporter)


def test_the_reason_is_given_when_no_window_works(monkeypatch: pytest.MonkeyPatch) -> None:
    module.find_render_window.cache_clear()
    monkeypatch.setattr(module, "_candidates", lambda: ["vtkNoSuchWindow"])
    try:
        available, reason = is_rendering_available()
    finally:
        module.find_render_window.cache_clear()
    assert not available
    assert "vtkNoSuchWindow" in reason
    assert "slicer-core" in reason


def test_both_ways_draw_the_same_layout(
    rendering: None,  # noqa: ARG001
    panel: CasePanel,
    tmp_path: Path,
) -> None:
    render_case_panel(panel, tmp_path / "slicer.png")
    draw_case_panel(panel, tmp_path / "hand.png", reason="a test.")
    by_slicer, by_hand = _read(tmp_path / "slicer.png"), _read(tmp_path / "hand.png")
    assert by_slicer.shape[1] == by_hand.shape[1]
    assert by_hand.shape[0] > by_slicer.shape[0], "the note takes a line more"
    # The slices agree but for edges; 3D views differ in perspective and light.
    rows = slice(92, 92 + 3 * 126)
    difference = np.abs(by_slicer[rows].astype(int) - by_hand[rows]).max(axis=2)
    assert (difference > 40).mean() < 0.03


def test_the_reference_comes_first_and_leads(panel: CasePanel) -> None:
    assert list(panel.columns) == [REFERENCE_COLUMN, "DSAN"]
    assert panel.leading_labels is panel.reference


def _replace_child(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Let the child process run `code`, the job file being its last argument."""
    monkeypatch.setattr(module, "find_render_window", lambda: RenderWindow("any", "a test"))
    original = subprocess.Popen

    def start(command: list[str], **options: Any) -> Any:
        return original([sys.executable, "-c", code, command[-1]], **options)

    monkeypatch.setattr(subprocess, "Popen", start)


def _read(path: Path) -> Any:
    from matplotlib.image import imread

    return (imread(path)[..., :3] * 255).round().astype(np.uint8)
