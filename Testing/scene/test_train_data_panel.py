"""The data panel of the Train page, clicked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from CrossModalSegLib.bridge import command_job
from CrossModalSegLib.bridge.segmentations import labels_to_node
from CrossModalSegLib.bridge.training.workspace import Workspace
from CrossModalSegLib.bridge.volumes import volume_to_node
from CrossModalSegLib.core.config import write_json
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from Testing.scene.fake_data_commands import fake_commands, make_cohort, survey_row
from Testing.scene.harness.interaction import (
    GuiClock,
    choose,
    click,
    enter_text,
    process_events,
    tool_tip,
    wait_until,
)
from Testing.scene.harness.session import SlicerApplication, slicer_application

UI_FILE = Path(__file__).parents[2] / "CrossModalSeg" / "Resources" / "UI" / "TrainDataPanel.ui"
CARDIAC = "Cardiac substructures"

MAX_GAP_SECONDS = 0.1


class OpenPanel:
    """The panel in its own window, over a workspace in a temporary folder."""

    def __init__(self, folder: Path) -> None:
        import slicer

        from CrossModalSegLib.widget.train_data_panel import TrainDataPanel

        self.folder = folder
        self.changes = 0
        self.widget = slicer.util.loadUI(str(UI_FILE))
        self.widget.resize(470, 900)
        self.widget.show()
        self.panel = TrainDataPanel(self.widget, Workspace(folder / "workspace"), self._count)
        self.ui = self.panel.ui
        self.panel.enter()
        process_events()

    @property
    def message(self) -> str:
        """What the message area says; "" if it is hidden."""
        return str(self.ui.messageLabel.text) if self.ui.messageFrame.visible else ""

    @property
    def commands(self) -> list[list[str]]:
        """What was asked of the library."""
        path = self.folder / "commands.txt"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    def rows(self, role: str) -> list[list[str]]:
        """The table of a domain."""
        table = getattr(self.ui, f"{role}Table")
        columns = range(table.columnCount)
        return [[table.item(r, c).text() for c in columns] for r in range(table.rowCount)]

    def choose_folders(self) -> None:
        """Choose a task, and data sets on the disk."""
        choose(self.ui.taskBox, CARDIAC)
        enter_text(self.ui.sourceFolderEdit, str(self.folder / "source-files"))
        choose(self.ui.sourceModalityBox, "CT")
        enter_text(self.ui.targetFolderEdit, str(self.folder / "target-files"))
        choose(self.ui.targetModalityBox, "bSSFP MR")

    def press(self, button: Any) -> None:
        """Press a button and wait until what it began has ended."""
        click(button)
        self.wait()

    def wait(self) -> None:
        """Wait for the processes."""
        wait_until(lambda: not self.panel.is_busy, 60.0, what="data checked or prepared")
        process_events()

    def _count(self) -> None:
        self.changes += 1


@pytest.fixture
def slicer_app() -> Iterator[SlicerApplication]:
    with slicer_application() as application:
        yield application


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commands that answer at once, with cohorts made beforehand."""
    for role in ("source", "target"):
        make_cohort(tmp_path / role, role)
        rows = [survey_row(f"{role}{number}") for number in range(2)]
        (tmp_path / f"{role}.json").write_text(json.dumps(rows), encoding="utf-8")
    command = fake_commands(tmp_path)
    monkeypatch.setattr(command_job, "library_command", lambda: command)
    return tmp_path


@pytest.fixture
def opened(slicer_app: SlicerApplication, folder: Path) -> Iterator[OpenPanel]:  # noqa: ARG001
    opened = OpenPanel(folder)
    yield opened
    opened.panel.cleanup()
    opened.widget.delete()


def scan(seed: int = 0) -> Volume:
    values = np.random.default_rng(seed).normal(100, 10, (6, 16, 16)).astype(np.float32)
    return Volume(values, np.eye(4))


def add_pair(app: SlicerApplication, name: str, seed: int = 0) -> tuple[Any, Any]:
    image = scan(seed)
    labels = np.zeros(image.shape_kji, np.uint8)
    for value in (1, 2, 3, 4):
        labels[1:5, 2:6, 3 * value - 1 : 3 * value + 1] = value
    volume = volume_to_node(image, app.scene, name)
    drawn = labels_to_node(
        image.with_array(labels), TASKS["cardiac"], app.scene, f"{name} drawn",
        reference=volume, with_surfaces=False,
    )  # fmt: skip
    return volume, drawn


def test_what_is_missing_is_said_one_after_the_other(opened: OpenPanel) -> None:
    ui, panel = opened.ui, opened.panel
    assert opened.changes == 0, "the page is being built"
    assert not ui.checkButton.enabled
    assert panel.task == ""
    assert panel.reason_not_ready == ui.statusLabel.text == "Choose a task."
    choose(ui.taskBox, CARDIAC)
    assert panel.task == "cardiac"
    assert panel.reason_not_ready == "Choose the source's data."
    enter_text(ui.sourceFolderEdit, "/no/such/folder")
    assert "/no/such/folder does not exist" in tool_tip(ui.checkButton)
    enter_text(ui.sourceFolderEdit, str(opened.folder))
    assert "what kind of scans the source's are" in tool_tip(ui.checkButton)
    choose(ui.sourceModalityBox, "CT")
    assert ui.checkButton.enabled
    assert not ui.prepareButton.enabled
    assert tool_tip(ui.prepareButton) == "Check the data first."
    assert panel.source is None


def test_data_are_checked_prepared_and_told_to_the_page(opened: OpenPanel) -> None:
    ui, panel = opened.ui, opened.panel
    opened.choose_folders()
    assert (panel.source_modality, panel.target_modality) == ("ct", "mr_bssfp")
    assert not ui.resultsTabs.visible
    opened.press(ui.checkButton)
    assert opened.rows("source")[0] == ["source0", "", "16x16x8", "1x1x1", "0 1", ""]
    assert ui.sourceTitleLabel.text == "folder, two cases"
    assert "Ignored: x." in ui.sourceFindingsLabel.text
    assert not ui.sourcePicture.visible
    assert panel.reason_not_ready == "Check and prepare the source's data."
    before = opened.changes
    opened.press(ui.prepareButton)
    assert opened.changes > before
    cohorts = opened.folder / "workspace" / "cohorts"
    assert panel.source == cohorts / "cardiac-ct-source-source_files"
    assert panel.target == cohorts / "cardiac-mr_bssfp-target-target_files"
    assert panel.reason_not_ready == ""
    assert ui.statusLabel.text == "The data are ready for training."
    first, second = opened.rows("source")
    assert first == ["source0", "train", "16x16x8", "1x1x1", "MYO", "it may be flipped"]
    assert second[4] == "MYO LAC"
    assert "Left atrium is missing in the labels of source0" in ui.sourceFindingsLabel.text
    assert ui.sourcePicture.visible
    assert not ui.sourcePicture.pixmap.isNull()
    assert not ui.bothLabel.visible
    assert not ui.prepareButton.enabled


def test_pictures_and_folders_open_outside(
    opened: OpenPanel, slicer_app: SlicerApplication
) -> None:
    opened.choose_folders()
    opened.press(opened.ui.checkButton)
    opened.press(opened.ui.prepareButton)
    click(opened.ui.sourcePictureButton)
    click(opened.ui.sourceRevealButton)
    picture, cohort = (str(url) for url in slicer_app.opened_urls)
    assert picture.endswith(".png") or ".png" in picture
    assert str(opened.panel.source) in cohort


def test_preprocessing_goes_to_both_domains(opened: OpenPanel) -> None:
    ui = opened.ui
    opened.choose_folders()
    click(ui.preprocessingButton)
    choose(ui.recipeBox, "sifa")
    enter_text(ui.matrixEdit, "64 64")
    enter_text(ui.spacingEdit, "3")
    enter_text(ui.splitEdit, "70/10/20")
    click(ui.dividesBox)
    enter_text(ui.sourceMeaningEdit, "205=1, 420=2")
    opened.press(ui.checkButton)
    source, target = (" ".join(line) for line in opened.commands)
    for line in (source, target):
        assert "--recipe sifa --split 70/10/20 --matrix 64 64 --spacing 3 3" in line
    assert "--domain source --label-values 205=1 420=2 --dry-run" in source
    assert "--domain target --dry-run" in target
    assert "--labels ignored" in target


def test_a_text_that_cannot_be_read_is_said_and_loses_nothing(opened: OpenPanel) -> None:
    ui, panel = opened.ui, opened.panel
    opened.choose_folders()
    opened.press(ui.checkButton)
    opened.press(ui.prepareButton)
    click(ui.preprocessingButton)
    enter_text(ui.matrixEdit, "64 by 64")
    assert "The size of slices is '64 by 64', expected two whole numbers" in panel.reason_not_ready
    assert panel.source is None
    assert not ui.checkButton.enabled
    enter_text(ui.matrixEdit, "")
    assert panel.reason_not_ready == ""
    assert panel.source is not None


def test_cohorts_of_the_workspace_and_others_can_be_chosen(
    opened: OpenPanel, slicer_app: SlicerApplication
) -> None:
    ui, panel = opened.ui, opened.panel
    make_cohort(opened.folder / "workspace" / "cohorts" / "mine", "source")
    panel.refresh()
    choose(ui.taskBox, CARDIAC)
    choose(ui.sourceKindBox, "Prepared cohort")
    assert not ui.sourceModalityBox.visible
    assert not ui.sourceMeaningEdit.visible
    choose(ui.sourceCohortBox, "mine")
    choose(ui.targetKindBox, "Prepared cohort")
    slicer_app.dialogs.choose_folder(opened.folder / "source")
    click(ui.targetCohortButton)
    assert ui.targetCohortBox.currentText == "source"
    opened.press(ui.checkButton)
    assert [line[0] for line in opened.commands] == ["inspect", "inspect"]
    assert panel.source == opened.folder / "workspace" / "cohorts" / "mine"
    assert (panel.source_modality, panel.target_modality) == ("ct", "ct")
    assert "source0, source1 are subjects of both" in panel.reason_not_ready
    assert "source0, source1 are subjects of both" in ui.bothLabel.text
    assert "nothing to adapt to" in ui.bothLabel.text


def test_a_folder_can_be_browsed_and_a_cancelled_dialog_changes_nothing(
    opened: OpenPanel, slicer_app: SlicerApplication
) -> None:
    slicer_app.dialogs.choose_folder("")
    click(opened.ui.sourceFolderButton)
    assert opened.ui.sourceFolderEdit.text == ""
    slicer_app.dialogs.choose_folder(opened.folder)
    click(opened.ui.sourceFolderButton)
    assert opened.ui.sourceFolderEdit.text == str(opened.folder)


def test_errors_are_shown_and_can_be_dismissed(opened: OpenPanel) -> None:
    error = {"kind": "cohort", "message": "No cases were recognised.", "hint": "Expected others."}
    write_json(opened.folder / "error.json", error)
    opened.choose_folders()
    opened.press(opened.ui.checkButton)
    assert opened.message == "No cases were recognised. Expected others."
    assert opened.ui.checkButton.enabled
    click(opened.ui.dismissButton)
    process_events()
    assert not opened.message
    opened.press(opened.ui.checkButton)
    assert opened.message, "the same error is shown again"


def test_cancel_stops_the_process_and_the_choices_can_be_changed_again(opened: OpenPanel) -> None:
    ui = opened.ui
    (opened.folder / "hold").touch()
    opened.choose_folders()
    click(ui.checkButton)
    wait_until(lambda: "1 of 4" in ui.statusLabel.text)
    assert ui.statusLabel.text == "Source: Reading, 1 of 4 cases"
    assert ui.progressBar.visible
    assert ui.progressBar.value == 250
    assert not ui.sourceGroup.enabled
    opened.press(ui.cancelButton)
    assert ui.sourceGroup.enabled
    assert not ui.progressBar.visible
    assert not opened.message
    assert len(opened.commands) == 1


def test_pairs_of_the_scene_are_collected(opened: OpenPanel, slicer_app: SlicerApplication) -> None:
    ui = opened.ui
    first, second = add_pair(slicer_app, "first CT", 0), add_pair(slicer_app, "second CT", 1)
    choose(ui.taskBox, CARDIAC)
    choose(ui.sourceKindBox, "Volumes and segmentations of the scene")
    assert not ui.sourceAddPairButton.enabled
    choose(ui.sourceVolumeSelector, "first CT")
    choose(ui.sourceSegmentationSelector, "second CT drawn")
    click(ui.sourceAddPairButton)
    assert ui.sourcePairsList.item(0).text() == "first CT  +  second CT drawn"
    assert opened.panel.source_modality == "ct", "suggested from the name"
    click(ui.sourceAddAllButton)
    texts = [ui.sourcePairsList.item(row).text() for row in range(ui.sourcePairsList.count)]
    assert texts == ["first CT  +  first CT drawn", "second CT  +  second CT drawn"]
    slicer_app.scene.RemoveNode(second[1])
    process_events()
    assert ui.sourcePairsList.count == 1
    ui.sourcePairsList.setCurrentRow(0)
    click(ui.sourceRemovePairButton)
    assert ui.sourcePairsList.count == 0
    assert "add pairs" in opened.panel.reason_not_ready
    assert slicer_app.scene.IsNodePresent(first[0])


def test_what_the_user_said_of_the_modality_stays(
    opened: OpenPanel, slicer_app: SlicerApplication
) -> None:
    node = volume_to_node(scan(), slicer_app.scene, "CT thorax")
    choose(opened.ui.targetModalityBox, "T2 MR")
    choose(opened.ui.targetKindBox, "Volumes of the scene")
    opened.ui.targetVolumesSelector.setCheckedNodes([node])
    process_events()
    assert opened.panel.target_modality == "t2"


def test_closing_the_scene_forgets_its_nodes(
    opened: OpenPanel, slicer_app: SlicerApplication
) -> None:
    add_pair(slicer_app, "first CT")
    choose(opened.ui.taskBox, CARDIAC)
    choose(opened.ui.sourceKindBox, "Volumes and segmentations of the scene")
    click(opened.ui.sourceAddAllButton)
    assert opened.ui.checkButton.enabled
    slicer_app.scene.Clear(0)
    process_events()
    assert opened.ui.sourcePairsList.count == 0
    assert not opened.ui.checkButton.enabled


def test_series_of_the_database_are_searched_and_checked(
    opened: OpenPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    import qt
    import slicer

    ui = opened.ui
    choose(ui.targetKindBox, "Series of the DICOM database")
    assert "database is not open" in ui.targetSeriesLabel.text
    uids = [f"1.{number}" for number in range(400)]
    database = SimpleNamespace(
        isOpen=True,
        patients=lambda: uids,
        studiesForPatient=lambda uid: [uid],
        seriesForStudy=lambda uid: [uid],
        filesForSeries=lambda uid: [uid],
        nameForPatient=lambda uid: f"Patient {uid}",
        descriptionForStudy=lambda _uid: "Heart",
        descriptionForSeries=lambda uid: f"cine {uid}",
        fileValue=lambda uid, tag: "MR" if tag == "0008,0060" else f"P{uid}",
    )
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    click(ui.targetSeriesButton)
    wait_until(lambda: ui.targetSeriesList.count == 300, what="the database read")
    assert "0 of 400 series are checked. 100 more are not shown" in ui.targetSeriesLabel.text
    enter_text(ui.targetSeriesSearch, "CINE 1.399")
    assert ui.targetSeriesList.count == 1
    item = ui.targetSeriesList.item(0)
    assert item.text() == "P1.399: Heart, cine 1.399, 1 files (MR)"
    item.setCheckState(qt.Qt.Checked)
    process_events()
    enter_text(ui.targetSeriesSearch, "")
    assert "1 of 400 series are checked." in ui.targetSeriesLabel.text
    choose(ui.taskBox, CARDIAC)
    assert opened.panel.data.reason_not_to_check() == "Choose the source's data."
    choose(ui.targetModalityBox, "bSSFP MR")
    assert opened.panel.data.reason_not_to_check() == ""
    request = opened.panel.data.state("target").request
    assert request is not None
    assert getattr(request.data, "uids", ()) == ("1.399",)


def test_a_task_of_the_users_own_comes_from_a_file(
    opened: OpenPanel, slicer_app: SlicerApplication
) -> None:
    good, bad = opened.folder / "vertebra.toml", opened.folder / "bad.toml"
    good.write_text(
        'name = "vertebra"\nlabel = "Vertebra"\nslicing = "axial"\n'
        '[[classes]]\nvalue = 1\nname = "V"\nlabel = "body"\ncolour = [1, 2, 3]\n'
        '[[regions]]\nname = "V"\nlabel = "body"\nvalues = [1]\ncolour = [1, 2, 3]\n',
        encoding="utf-8",
    )
    bad.write_text("name = 1\n", encoding="utf-8")
    choose(opened.ui.taskBox, CARDIAC)
    slicer_app.dialogs.choose_file(bad)
    choose(opened.ui.taskBox, "From a file…")
    assert str(bad) in opened.message
    assert opened.panel.task == "cardiac"
    slicer_app.dialogs.choose_file(good)
    choose(opened.ui.taskBox, "From a file…")
    assert opened.panel.task == str(good)
    assert opened.ui.taskBox.currentText == "Vertebra (vertebra.toml)"


def test_thousands_of_cases_do_not_hold_the_window_up(opened: OpenPanel) -> None:
    rows = [survey_row(f"case{number}") for number in range(3000)]
    rows[-1]["problems"] = "its slices seem to be out of order"
    (opened.folder / "source.json").write_text(json.dumps(rows), encoding="utf-8")
    opened.choose_folders()
    with GuiClock() as clock:
        opened.press(opened.ui.checkButton)
        wait_until(lambda: opened.ui.sourceTable.item(199, 0) is not None, what="the table filled")
    assert opened.rows("source")[0][0] == "case2999", "what is suspicious comes first"
    assert "2800 more cases" in opened.ui.sourceMoreLabel.text
    assert clock.longest_gap_seconds < MAX_GAP_SECONDS


def test_cleanup_stops_what_runs(slicer_app: SlicerApplication, folder: Path) -> None:
    del slicer_app
    (folder / "hold").touch()
    opened = OpenPanel(folder)
    opened.choose_folders()
    click(opened.ui.checkButton)
    wait_until(lambda: "1 of 4" in opened.ui.statusLabel.text)
    opened.panel.cleanup()
    opened.widget.delete()
    process_events(0.1)


def test_scene_data_become_cohorts_by_the_library_itself(
    opened: OpenPanel, slicer_app: SlicerApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    ui = opened.ui
    for number in range(2):
        add_pair(slicer_app, f"CT {number}", number)
    targets = [volume_to_node(scan(9), slicer_app.scene, "ssfp 9")]
    choose(ui.taskBox, CARDIAC)
    choose(ui.sourceKindBox, "Volumes and segmentations of the scene")
    click(ui.sourceAddAllButton)
    choose(ui.targetKindBox, "Volumes of the scene")
    ui.targetVolumesSelector.setCheckedNodes(targets)
    process_events()
    click(ui.preprocessingButton)
    enter_text(ui.matrixEdit, "16")
    enter_text(ui.splitEdit, "100/0/0")
    with GuiClock() as clock:
        click(ui.checkButton)
        wait_until(lambda: not opened.panel.is_busy, 300.0)
        process_events()
        assert not opened.message
        click(ui.prepareButton)
        wait_until(lambda: not opened.panel.is_busy, 300.0)
    process_events()
    assert not opened.message
    assert opened.panel.reason_not_ready == ""
    assert [row[0] for row in opened.rows("source")] == ["CT 0", "CT 1"]
    assert opened.rows("source")[0][4] == "MYO LAC LVC AA"
    assert [row[0] for row in opened.rows("target")] == ["ssfp 9"]
    assert (opened.panel.source_modality, opened.panel.target_modality) == ("ct", "mr_bssfp")
    assert not list((opened.folder / "workspace" / "exports").iterdir()), "nothing is left over"
    assert clock.longest_gap_seconds < MAX_GAP_SECONDS
