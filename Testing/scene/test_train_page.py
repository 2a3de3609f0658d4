"""The Train page with its real panels, real processes and tiny cohorts, clicked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from CrossModalSegLib.bridge.training.workspace import Workspace
from CrossModalSegLib.bundle.reading import read_bundle
from Testing.scene.harness.interaction import (
    GuiClock,
    choose,
    click,
    process_events,
    screenshot,
    tool_tip,
    wait_until,
)
from Testing.scene.harness.session import SlicerApplication, slicer_application
from Testing.scene.open_train_page import PATIENCE_SECONDS, OpenTrainPage, queue_processes
from Testing.unit.tiny_cohorts import tiny_cohort

LONGEST_GAP_SECONDS = 0.1

TINY = {
    "method.iterations": "6",
    "method.backbone.width": "4",
    "method.backbone.levels": "3",
    "training.batch_size": "3",
    "training.log_every": "2",
    "training.checkpoint_every": "20",
    "training.validate_every": "90",
    "training.preview_every": "100",
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("prepared")
    return {
        "source": tiny_cohort(folder, "ct", seed=1, labels="required"),
        "target": tiny_cohort(folder, "mr_bssfp", seed=2, labels="ignored"),
    }


@pytest.fixture
def application() -> Iterator[SlicerApplication]:
    with slicer_application() as application:
        yield application


@pytest.fixture
def workspace(
    tmp_path: Path, prepared: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> Workspace:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # tiny networks: more threads wait for one another
    workspace = Workspace(tmp_path / "training")
    workspace.cohorts.mkdir(parents=True)
    for cohort in prepared.values():
        (workspace.cohorts / cohort.name).symlink_to(cohort, target_is_directory=True)
    return workspace


@pytest.fixture
def page(application: SlicerApplication, workspace: Workspace) -> Iterator[OpenTrainPage]:  # noqa: ARG001
    page = OpenTrainPage(workspace)
    yield page
    page.close()


def test_nothing_can_start_before_data_are_chosen(page: OpenTrainPage) -> None:
    assert not page.method.startButton.enabled
    assert tool_tip(page.method.startButton)
    assert "No training" in page.progress.stateLabel.text
    assert not page.workspace.runs.exists()
    assert not page.workspace.queue.exists()


def test_a_training_from_the_first_click_to_the_model(
    page: OpenTrainPage, application: SlicerApplication, tmp_path: Path
) -> None:
    page.choose_data()
    assert "No adaptation" in _described(page, "Source only")
    choose_tiny(page, **{"method.iterations": "300"})
    page.start("first")
    page.wait_for("running")
    wait_until(lambda: page.done >= 2, PATIENCE_SECONDS, what="iterations")
    click(page.progress.pauseButton)
    page.wait_for("paused")
    process_events(0.5)
    paused_at = page.done
    process_events(1.5)
    assert page.done == paused_at
    click(page.progress.plotButton)
    (table,) = [
        node
        for node in application.scene.GetNodesByClass("vtkMRMLTableNode")
        if node.GetName().startswith("first")
    ]
    rows = table.GetNumberOfRows()
    with GuiClock() as clock:
        click(page.progress.pauseButton)
        page.wait_for("running")
        seen = page.done
        wait_until(lambda: page.done > seen, PATIENCE_SECONDS, what="live progress")
        page.wait_for("finished")
        process_events(1.5)
    assert clock.longest_gap_seconds < LONGEST_GAP_SECONDS, "the page was frozen"
    assert table.GetNumberOfRows() > rows
    assert page.page.progress.previews is not None
    assert page.progress.previewCaption.text
    screenshot(page.widget, tmp_path / "finished.png", width=520)
    click(page.progress.useButton)
    (bundle,) = page.used
    assert read_bundle(bundle).config.method == "source_only"
    config = json.loads((page.workspace.runs / "first" / "config.json").read_text("utf-8"))
    assert "method.backbone.width=4" in config["overrides"]


def test_a_cancelled_run_is_resumed_and_others_wait_for_it(page: OpenTrainPage) -> None:
    page.choose_data()
    choose_tiny(page, **{"method.iterations": "4000"})
    page.start("long")
    page.wait_for("running")
    page.set_value("method.iterations", "6")
    page.start("short")
    wait_until(lambda: "1 run waits" in page.progress.queueLabel.text, 20, what="a queue")
    wait_until(lambda: page.done >= 4, PATIENCE_SECONDS, what="a checkpoint")
    click(page.progress.cancelButton)
    page.wait_for("cancelled")
    choose(page.progress.runBox, _entry(page, "short"))
    page.wait_for("finished")
    choose(page.progress.runBox, "long")
    page.wait_for("cancelled")
    before = page.done
    click(page.progress.resumeButton)
    page.wait_for("running")
    wait_until(lambda: page.done > before, PATIENCE_SECONDS, what="the rest of it")
    click(page.progress.cancelButton)
    page.wait_for("cancelled")


def test_a_killed_trainer_is_noticed_and_a_new_page_follows_what_runs(
    page: OpenTrainPage, workspace: Workspace
) -> None:
    page.choose_data()
    choose_tiny(page, **{"method.iterations": "4000"})
    page.start("long")
    page.wait_for("running")
    page.page.cleanup()
    again = OpenTrainPage(workspace)
    assert again.page.progress.followed == "long"
    again.wait_for("running")
    wait_until(lambda: again.done >= 4, PATIENCE_SECONDS, what="a checkpoint")
    lock = json.loads((workspace.runs / "long" / "run.lock").read_text("utf-8"))
    os.kill(lock["pid"], signal.SIGKILL)
    again.wait_for("killed")
    assert again.progress.resumeButton.visible
    again.close()


def test_a_training_may_end_with_the_program_that_started_it(workspace: Workspace) -> None:
    with program_that_trains(workspace, keeps_running=False):
        pass
    wait_until(lambda: _says(_journal(workspace), '"cancelled"'), PATIENCE_SECONDS, what="its end")
    assert (workspace.runs / "long" / "checkpoints" / "last.ckpt").is_file()


@pytest.mark.usefixtures("application")
def test_a_training_outlives_the_program_that_was_killed_and_is_found_by_the_next(
    workspace: Workspace,
) -> None:
    with program_that_trains(workspace, keeps_running=True):
        pass
    again = OpenTrainPage(workspace)
    assert again.page.progress.followed == "long"
    again.wait_for("running")
    before = again.done
    wait_until(lambda: again.done > before, PATIENCE_SECONDS, what="further iterations")
    click(again.progress.cancelButton)
    again.wait_for("cancelled")
    again.close()


@pytest.mark.usefixtures("application")
def test_program_and_trainer_may_be_killed_together_and_the_next_goes_on(
    workspace: Workspace,
) -> None:
    checkpoint = workspace.runs / "long" / "checkpoints" / "last.ckpt"
    with program_that_trains(workspace, keeps_running=True):
        wait_until(checkpoint.is_file, PATIENCE_SECONDS, what="a checkpoint")
        for process in queue_processes(workspace):
            process.kill()
    again = OpenTrainPage(workspace)
    assert again.page.progress.followed == "long"
    again.wait_for("killed")
    before = again.done
    assert before >= int(TINY["training.checkpoint_every"])
    click(again.progress.resumeButton)
    again.wait_for("running")
    wait_until(lambda: again.done > before, PATIENCE_SECONDS, what="the rest of it")
    click(again.progress.cancelButton)
    again.wait_for("cancelled")
    again.close()


@contextmanager
def program_that_trains(workspace: Workspace, *, keeps_running: bool) -> Iterator[None]:
    """Start a training in another process, as the page does, and kill that process at the end."""
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from CrossModalSegLib.bridge.training.queue_runner import QueueRunner\n"
        "from CrossModalSegLib.bridge.training.training_request import TrainingRequest\n"
        "from CrossModalSegLib.bridge.training.workspace import Workspace\n"
        "folder, overrides = Path(sys.argv[1]), eval(sys.argv[2])\n"
        "runner = QueueRunner(Workspace(folder))\n"
        "runner.keeps_running = eval(sys.argv[3])\n"
        "cohorts = folder / 'cohorts'\n"
        "runner.add(TrainingRequest(task='cardiac', method='source_only', preset='quick',"
        " source=cohorts / 'cohort ct', target=cohorts / 'cohort mr_bssfp',"
        " overrides=overrides, device='cpu', name='long'))\n"
        "time.sleep(600)\n"
    )
    overrides = {name: int(value) for name, value in TINY.items()} | {"method.iterations": 9000}
    arguments = (str(workspace.folder), repr(overrides), repr(keeps_running))
    program = subprocess.Popen([sys.executable, "-c", script, *arguments])
    try:
        journal = _journal(workspace)
        wait_until(lambda: _says(journal, '"progress"'), PATIENCE_SECONDS, what="a training")
        yield
    finally:
        program.kill()
        program.wait()


def _journal(workspace: Workspace) -> Path:
    return workspace.runs / "long" / "journal.jsonl"


def test_settings_are_checked_and_a_measurement_writes_nothing(page: OpenTrainPage) -> None:
    page.choose_data()
    choose_tiny(page, **{"training.batch_size": "0"})
    assert not page.method.startButton.enabled
    assert "training.batch_size" in tool_tip(page.method.startButton)
    page.set_value("training.batch_size", "2")
    assert page.method.startButton.enabled
    values = page.page.method.overrides.values()
    assert values == {name: int(value) for name, value in TINY.items()} | {"training.batch_size": 2}
    click(page.method.estimateButton)
    label = page.method.estimateLabel
    wait_until(lambda: "GiB" in label.text, PATIENCE_SECONDS, what="a measurement")
    assert "Measured over" in label.text
    assert not page.workspace.runs.exists()


def choose_tiny(page: OpenTrainPage, method: str = "Source only", **changes: str) -> None:
    """Choose a method and make its preset tiny."""
    page.choose_method(method, {**TINY, **changes})


def _described(page: OpenTrainPage, method: str) -> str:
    choose(page.method.methodBox, method)
    return str(page.method.methodLabel.text)


def _entry(page: OpenTrainPage, name: str) -> str:
    box: Any = page.progress.runBox
    texts = [str(box.itemText(row)) for row in range(box.count)]
    return next(text for text in texts if text.startswith(name))


def _says(journal: Path, text: str) -> bool:
    return journal.is_file() and text in journal.read_text("utf-8")
