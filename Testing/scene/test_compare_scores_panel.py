"""Numbers and exports of the Compare page, clicked, with the real commands behind them."""

from __future__ import annotations

import csv
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from CrossModalSegLib.bridge.comparison.agreement_map import COMPOSITE_CLASS, is_shown, map_of
from CrossModalSegLib.bridge.comparison.comparison import Comparison, Shown
from CrossModalSegLib.bridge.comparison.score_table import TABLE_ROLE
from CrossModalSegLib.bridge.segmentations import labels_to_node
from CrossModalSegLib.bridge.volumes import volume_to_node
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from Testing.scene.conftest import landmarks, make_grid
from Testing.scene.harness.interaction import (
    GuiClock,
    choose,
    click,
    process_events,
    screenshot,
    tool_tip,
    wait_until,
)
from Testing.scene.harness.pythonqt import unwrap
from Testing.scene.harness.session import SlicerApplication, slicer_application

UI_FILE = Path(__file__).parents[2] / "CrossModalSeg" / "Resources" / "UI" / "CompareScoresPanel.ui"
TASK = TASKS["cardiac"]
PROCESS_SECONDS = 300.0
"""A process imports its packages from a cold disk at worst."""


class OpenPanel:
    """The panel in its own window."""

    def __init__(self, scene: Any) -> None:
        import slicer

        from CrossModalSegLib.widget.compare_scores_panel import ScoresPanel

        self.scene = scene
        self.jumps: list[tuple[str, int]] = []
        self.widget = slicer.util.loadUI(str(UI_FILE))
        self.widget.resize(480, 760)
        self.widget.show()
        self.panel = ScoresPanel(
            self.widget, lambda plane, index: self.jumps.append((plane, index))
        )
        self.ui = self.panel.ui

    def wait(self) -> None:
        """Wait for what is measured or written."""
        wait_until(lambda: not self.panel.is_busy, PROCESS_SECONDS, what="a job done")

    @property
    def headings(self) -> list[str]:
        """Of the table."""
        table = self.ui.scoresTable
        return [table.horizontalHeaderItem(each).text() for each in range(table.columnCount)]

    def column(self, heading: str) -> list[str]:
        """Return a column of the table, as shown."""
        table, number = self.ui.scoresTable, self.headings.index(heading)
        return [table.item(row, number).text() for row in range(table.rowCount)]

    def _note_jump(self, plane: str, index: int) -> None:
        self.jumps.append((plane, index))

    @property
    def message(self) -> str:
        """What the message area says; "" if it is hidden."""
        return str(self.ui.messageLabel.text) if self.ui.messageFrame.visible else ""


@pytest.fixture
def slicer_app() -> Iterator[SlicerApplication]:
    with slicer_application() as application:
        yield application


@pytest.fixture
def opened(slicer_app: SlicerApplication) -> Iterator[OpenPanel]:
    opened = OpenPanel(slicer_app.scene)
    yield opened
    opened.panel.cleanup()
    opened.widget.delete()


def compared(scene: Any, *, with_reference: bool, name: str = "Heart $1=x") -> Comparison:
    """Return a scan with a method that is right and one that lies 2 slices (4 mm) too high."""
    truth = landmarks(make_grid("plain"))
    image = truth.with_array(truth.array_kji.astype(np.float32) * 100)
    volume = volume_to_node(image, scene, name)
    higher = truth.with_array(np.roll(truth.array_kji, 2, axis=0))

    def segmentation(labels: Volume, title: str) -> Any:
        return labels_to_node(labels, TASK, scene, title, with_surfaces=False)

    methods = (
        Shown("high", "Too high", segmentation(higher, "high")),
        Shown("right", "Quite right", segmentation(truth, "right")),
    )
    reference = segmentation(truth, "reference") if with_reference else None
    return Comparison(volume, TASK, methods, reference)


def table_node_column(comparison: Comparison, title: str) -> list[float]:
    array = comparison.volume.GetNodeReference(TABLE_ROLE).GetTable().GetColumnByName(title)
    return [array.GetValue(row) for row in range(array.GetNumberOfTuples())]


def test_everything_is_measured_and_saved_with_a_reference(
    opened: OpenPanel, slicer_app: SlicerApplication, tmp_path: Path
) -> None:
    comparison = compared(opened.scene, with_reference=True)
    opened.panel.set_comparison(comparison)
    assert not opened.ui.csvButton.enabled
    with GuiClock() as clock:
        click(opened.ui.measureButton)
        opened.wait()
    assert opened.message == ""
    assert clock.longest_gap_seconds < 0.1
    headings = ["Method", "Structure", "Dice (%)", "HD95 (mm)", "ASSD (mm)", "Volume (mL)"]
    assert opened.headings == [*headings, "Reference (mL)"]
    assert opened.column("Dice (%)")[4:] == ["100.0"] * 4
    assert opened.column("HD95 (mm)")[:4] == ["4.00"] * 4
    _sorts(opened, comparison)
    _saves_tables(opened, slicer_app, tmp_path)
    _saves_figure(opened, slicer_app, tmp_path)
    slicer_app.dialogs.choose_save_file(tmp_path / "mine")
    click(opened.ui.reportButton)
    opened.wait()
    report = (tmp_path / "mine.html").read_text(encoding="utf-8")
    assert "Too high" in report
    assert "Quite right" in report
    assert "crossmodalseg compare" in report
    assert str(tmp_path / "mine.html") in opened.message
    assert any("mine.html" in url for url in slicer_app.opened_urls)


def _sorts(opened: OpenPanel, comparison: Comparison) -> None:
    header = unwrap(opened.ui.scoresTable).horizontalHeader()
    header.sectionClicked.emit(opened.headings.index("Dice (%)"))
    dice = [float(text) for text in opened.column("Dice (%)")]
    assert dice == sorted(dice, reverse=True)
    assert table_node_column(comparison, "Dice (%)") == pytest.approx(dice, abs=0.05)
    header.sectionClicked.emit(opened.headings.index("Dice (%)"))
    assert [float(text) for text in opened.column("Dice (%)")] == dice[::-1]
    assert table_node_column(comparison, "Dice (%)") == pytest.approx(dice[::-1], abs=0.05)
    header.sectionClicked.emit(opened.headings.index("Structure"))
    assert opened.column("Structure") == sorted(opened.column("Structure"))


def _saves_tables(opened: OpenPanel, app: SlicerApplication, folder: Path) -> None:
    app.dialogs.choose_save_file(folder / "scores")
    click(opened.ui.csvButton)
    opened.wait()
    with (folder / "scores.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["structure"] for row in rows] == opened.column("Structure")
    assert {row["scan"] for row in rows} == {"Heart $1=x"}
    assert {row["dice"] for row in rows if row["method_name"] == "right"} == {"1.0"}
    app.dialogs.choose_save_file(folder / "scores.tex")
    click(opened.ui.latexButton)
    opened.wait()
    latex = (folder / "scores.tex").read_text(encoding="utf-8")
    right = next(line for line in latex.splitlines() if line.startswith("Quite right"))
    assert right.count(r"\textbf{100.00}") == 5
    assert r"\multicolumn{5}{c}{Volume (mL)}" in latex
    assert "Gap closed" not in latex


def _saves_figure(opened: OpenPanel, app: SlicerApplication, folder: Path) -> None:
    choose(opened.ui.planesBox, "Axial")
    choose(opened.ui.slicesBox, "Of the largest disagreement")
    opened.ui.widthBox.setValue(900)
    app.dialogs.choose_save_file(folder / "figure.png")
    click(opened.ui.figureButton)
    opened.wait()
    assert "figure.png" in opened.message
    content = (folder / "figure.png").read_bytes()
    assert struct.unpack(">I", content[16:20]) == (900,)


def test_without_a_reference_volumes_and_disagreement_are_measured(
    opened: OpenPanel, tmp_path: Path
) -> None:
    comparison = compared(opened.scene, with_reference=False)
    composite = opened.scene.AddNewNodeByClass(COMPOSITE_CLASS)
    composite.SetBackgroundVolumeID(comparison.volume.GetID())
    opened.panel.set_comparison(comparison)
    click(opened.ui.measureButton)
    opened.wait()
    assert opened.headings == ["Method", "Structure", "Volume (mL)"]
    assert not opened.ui.reportButton.enabled
    assert "needs a reference" in tool_tip(opened.ui.reportButton)
    assert "pairs of methods" in opened.ui.agreementLabel.text
    click(opened.ui.mapBox)
    assert composite.GetForegroundVolumeID() == map_of(comparison).GetID()
    opened.ui.mapOpacitySlider.setValue(30)
    assert composite.GetForegroundOpacity() == pytest.approx(0.3)
    click(opened.ui.mapBox)
    assert not is_shown(comparison)
    click(opened.ui.jumpButton)
    ((plane, index),) = opened.jumps
    labels = landmarks(make_grid("plain")).array_kji
    differing = (labels != np.roll(labels, 2, axis=0)).sum(axis=(0, 2))
    assert (plane, differing[index]) == ("coronal", differing.max())  # the task's own plane
    screenshot(opened.widget, tmp_path / "panel.png")
    assert (tmp_path / "panel.png").stat().st_size > 1000


def test_a_row_leads_to_where_its_method_is_most_wrong(opened: OpenPanel) -> None:
    comparison = compared(opened.scene, with_reference=True)
    opened.panel.set_comparison(comparison)
    click(opened.ui.measureButton)
    opened.wait()
    assert not opened.ui.jumpRowButton.enabled
    table = unwrap(opened.ui.scoresTable)
    rows = list(zip(opened.column("Method"), opened.column("Structure"), strict=True))
    choose(opened.ui.planeBox, "Axial")
    table.selectRow(rows.index(("Too high", "Left ventricle")))
    click(opened.ui.jumpRowButton)
    labels = landmarks(make_grid("plain")).array_kji == 3
    differing = (labels != np.roll(labels, 2, axis=0)).sum(axis=(1, 2))
    assert opened.jumps[0][0] == "axial"
    assert differing[opened.jumps[0][1]] == differing.max() > 0
    table.itemDoubleClicked.emit(table.item(rows.index(("Quite right", "Left ventricle")), 0))
    process_events()
    assert len(opened.jumps) == 1
    assert "no disagreement" in opened.message


def test_changes_after_measuring_are_noticed(opened: OpenPanel) -> None:
    comparison = compared(opened.scene, with_reference=False)
    opened.panel.set_comparison(comparison)
    click(opened.ui.measureButton)
    opened.wait()
    assert opened.ui.staleLabel.text == ""
    segmentation = comparison.methods[0].segmentation.GetSegmentation()
    segmentation.RemoveSegment("LVC")
    wait_until(lambda: "measure again" in opened.ui.staleLabel.text, 5)
    opened.scene.RemoveNode(comparison.methods[1].segmentation)
    wait_until(lambda: not opened.ui.measureButton.enabled, 5)
    assert opened.panel.measurement is None


def test_measuring_can_be_cancelled_and_leaves_nothing(opened: OpenPanel) -> None:
    comparison = compared(opened.scene, with_reference=True)
    opened.panel.set_comparison(comparison)
    click(opened.ui.measureButton)
    process_events(0.3)
    click(opened.ui.cancelButton)
    assert not opened.panel.is_busy
    assert opened.panel.measurement is None
    assert comparison.volume.GetNodeReference(TABLE_ROLE) is None
    assert opened.ui.measureButton.enabled


def test_several_volumes_share_one_table(opened: OpenPanel) -> None:
    comparisons = [
        compared(opened.scene, with_reference=False, name=name) for name in ("One", "Two")
    ]
    opened.panel.set_comparisons(comparisons)
    click(opened.ui.measureButton)
    opened.wait()
    assert opened.column("Scan") == ["One"] * 8 + ["Two"] * 8
    table = unwrap(opened.ui.scoresTable)
    table.itemDoubleClicked.emit(table.item(8, 0))
    process_events()
    assert opened.message == "Show Two first."
    opened.panel.set_comparison(comparisons[1])
    table.itemDoubleClicked.emit(table.item(8, 0))
    process_events()
    assert [plane for plane, _index in opened.jumps] == ["coronal"]
