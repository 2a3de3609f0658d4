"""The Models page, clicked."""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from CrossModalSegLib.bridge.model_catalogue import ModelCatalogue
from CrossModalSegLib.bundle.archive import CONFIG_FILE, METADATA_FILE, WEIGHTS_FILE
from CrossModalSegLib.bundle.library import ModelLibrary
from CrossModalSegLib.bundle.metadata import describe_for_monai
from CrossModalSegLib.bundle.packing import pack_files
from CrossModalSegLib.bundle.reading import read_bundle
from CrossModalSegLib.bundle.schema import BundleConfig, MeasuredScores, Modalities
from CrossModalSegLib.core.config import to_dict
from CrossModalSegLib.core.errors import BundleError
from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.data.preprocessing import default_preprocessing
from Testing.scene.harness.interaction import (
    GuiClock,
    click,
    enter_text,
    screenshot,
    tool_tip,
    wait_until,
)
from Testing.scene.harness.session import SlicerApplication, slicer_application

UI_FILE = Path(__file__).parents[2] / "CrossModalSeg" / "Resources" / "UI" / "ModelsPage.ui"


def describe(name: str, task: str = "cardiac", target: str = "mr_bssfp") -> BundleConfig:
    """Describe a model as if it had been trained and measured."""
    means = {"dice": {region.name: 0.875 for region in TASKS[task].regions}}
    return BundleConfig(
        name=name,
        title=f"{TASKS[task].label} on {MODALITIES[target].label}, DSAN",
        description="Made for tests.",
        method="dsan",
        method_settings={"num_classes": TASKS[task].num_classes},
        task=TASKS[task],
        modalities=Modalities(source=MODALITIES["ct"], target=MODALITIES[target]),
        preprocessing=default_preprocessing(TASKS[task], MODALITIES[target], matrix=(16, 16)),
        scores=(MeasuredScores(domain="target", split="test", num_cases=6, means=means),),
        references=("Han et al., IEEE TMI 2022, https://arxiv.org/abs/2101.06853",),
    )


def write(config: BundleConfig, output: Path) -> Path:
    """Write a bundle whose weights file is sound and empty; this page reads no weights."""
    header = b'{"__metadata__":{}}'
    files = {
        CONFIG_FILE: json.dumps(to_dict(config)).encode(),
        METADATA_FILE: json.dumps(to_dict(describe_for_monai(config))).encode(),
        WEIGHTS_FILE: len(header).to_bytes(8, "little") + header,
    }
    pack_files(files, output, config.name)
    return output


class OpenPage:
    """The page in its own window, over a catalogue in a temporary folder."""

    def __init__(self, folder: Path) -> None:
        import slicer

        from CrossModalSegLib.widget.models_page import ModelsPage

        self.folder = folder
        self.changes = 0
        self.catalogue = ModelCatalogue(ModelLibrary(folder / "models", folder / "shipped"))
        self.widget = slicer.util.loadUI(str(UI_FILE))
        self.widget.resize(520, 860)
        self.widget.show()
        self.page = ModelsPage(self.widget, self.catalogue, on_changed=self._count)
        self.ui = self.page.ui

    @property
    def names(self) -> list[str]:
        """Names of the models on the disk."""
        return [card.name for card in self.catalogue.entries()]

    @property
    def message(self) -> str:
        """What the message area says; "" if it is hidden."""
        return str(self.ui.messageLabel.text) if self.ui.messageFrame.visible else ""

    @property
    def rows(self) -> list[str]:
        """First column of the table, as shown."""
        table = self.ui.modelsTable
        return [table.item(row, 0).text() for row in range(table.rowCount)]

    @property
    def card(self) -> str:
        """What the card says."""
        return str(self.ui.detailsBrowser.plainText) if self.ui.detailsBrowser.visible else ""

    def wait(self) -> None:
        """Wait for work with files."""
        wait_until(lambda: not self.page.is_busy, what="files copied")

    def _count(self) -> None:
        self.changes += 1


@pytest.fixture
def slicer_app() -> Iterator[SlicerApplication]:
    with slicer_application() as application:
        yield application


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A heart model that ships and an abdomen model of the user's."""
    write(describe("heart"), tmp_path / "shipped" / "heart")
    write(describe("belly", "abdomen", "mr_t2spir"), tmp_path / "models" / "belly")
    return tmp_path


@pytest.fixture
def opened(slicer_app: SlicerApplication, folder: Path) -> Iterator[OpenPage]:  # noqa: ARG001
    opened = OpenPage(folder)
    yield opened
    opened.page.cleanup()
    opened.widget.delete()


def test_models_are_listed_with_the_card_of_one(opened: OpenPage, folder: Path) -> None:
    assert opened.rows == ["Abdominal organs on T2-SPIR MR, DSAN", describe("x").title]
    assert opened.page.selected_name == "belly"
    table = opened.ui.modelsTable
    texts = [table.item(0, column).text() for column in range(table.columnCount)]
    assert texts[1:5] == ["Abdominal organs", "CT → T2-SPIR MR", "DSAN", "87.5 %"]
    for said in ("Research use only", "Right kidney", "6 cases of the target's test", "2101.06853"):
        assert said in opened.card
    assert "Imported models: 1," in opened.ui.folderLabel.text
    assert str(folder / "models") in opened.ui.folderLabel.text


def test_selecting_a_row_shows_its_card(opened: OpenPage) -> None:
    opened.ui.modelsTable.selectRow(1)
    assert opened.page.selected_name == "heart"
    assert "Ascending aorta" in opened.card
    opened.page.select("belly")
    assert "Spleen" in opened.card
    opened.page.select("no such model")
    assert opened.page.selected_name == "belly"


def test_what_ships_cannot_be_deleted_and_the_button_says_why(opened: OpenPage) -> None:
    assert opened.ui.deleteButton.enabled
    opened.page.select("heart")
    assert not opened.ui.deleteButton.enabled
    assert "came with CrossModalSeg" in tool_tip(opened.ui.deleteButton)
    assert opened.ui.exportButton.enabled


@pytest.mark.parametrize("packed", [True, False])
def test_an_imported_model_is_listed_and_selected(
    opened: OpenPage, slicer_app: SlicerApplication, folder: Path, *, packed: bool
) -> None:
    source = write(describe("brain", "brain_tumour", "t2"), folder / ("b.zip" if packed else "b"))
    if packed:
        slicer_app.dialogs.choose_file(source)
        click(opened.ui.importZipButton)
    else:
        slicer_app.dialogs.choose_folder(source)
        click(opened.ui.importFolderButton)
    opened.wait()
    assert opened.names == ["belly", "brain", "heart"]
    assert opened.page.selected_name == "brain"
    assert "Enhancing tumour" in opened.card
    assert opened.message == "Imported brain."
    assert opened.changes == 1
    click(opened.ui.dismissButton)
    assert not opened.message


def test_a_model_trained_here_is_added_once_under_a_free_name(
    opened: OpenPage, folder: Path
) -> None:
    bundle = write(describe("heart", target="mr_t2spir"), folder / "runs" / "mine" / "bundle")
    added: list[str] = []
    for _ in range(2):
        assert opened.page.add(bundle, added.append)
        opened.wait()
    assert added == ["heart-2", "heart-2"]  # "heart" is another model, that ships
    assert opened.names == ["belly", "heart", "heart-2"]
    assert opened.changes == 2


def test_nothing_happens_when_a_dialog_is_cancelled(
    opened: OpenPage, slicer_app: SlicerApplication
) -> None:
    slicer_app.dialogs.choose_file("")
    click(opened.ui.importZipButton)
    slicer_app.dialogs.choose_folder("")
    click(opened.ui.importFolderButton)
    slicer_app.dialogs.choose_save_file("")
    click(opened.ui.exportButton)
    slicer_app.dialogs.answer_message("Cancel", containing="Delete the model belly")
    click(opened.ui.deleteButton)
    assert not opened.page.is_busy
    assert opened.names == ["belly", "heart"]
    assert opened.changes == 0


def test_a_dangerous_model_is_refused_in_the_words_of_the_shell(
    opened: OpenPage, slicer_app: SlicerApplication, folder: Path
) -> None:
    source = write(describe("evil"), folder / "evil.zip")
    with zipfile.ZipFile(source, "a") as packed:
        packed.writestr("evil/models/model.pt", b"x")
    with pytest.raises(BundleError) as refused:
        opened.catalogue.import_model(source)
    slicer_app.dialogs.choose_file(source)
    click(opened.ui.importZipButton)
    opened.wait()
    assert opened.message == str(refused.value)
    assert "was refused" in opened.message
    assert opened.names == ["belly", "heart"]
    assert opened.changes == 0
    click(opened.ui.copyMessageButton)
    assert slicer_app.app.clipboard().text() == opened.message


@pytest.mark.parametrize(
    ("button", "names"),
    [("replaceButton", ["belly", "heart"]), ("keepBothButton", ["belly", "belly-2", "heart"])],
)
def test_a_name_that_is_taken_is_asked_about(
    opened: OpenPage, slicer_app: SlicerApplication, folder: Path, button: str, names: list[str]
) -> None:
    config = dataclasses.replace(describe("belly", "abdomen", "t2"), title="The new one")
    slicer_app.dialogs.choose_file(write(config, folder / "new.zip"))
    click(opened.ui.importZipButton)
    opened.wait()
    assert "There is a model named belly already" in opened.message
    assert opened.names == ["belly", "heart"]
    click(getattr(opened.ui, button))
    opened.wait()
    assert opened.names == names
    assert "The new one" in opened.rows
    assert "The new one" in opened.card
    assert ("Abdominal organs on T2-SPIR MR, DSAN" in opened.rows) == (button == "keepBothButton")
    assert opened.changes == 1
    assert not opened.ui.keepBothButton.visible


def test_what_ships_is_not_replaced(
    opened: OpenPage, slicer_app: SlicerApplication, folder: Path
) -> None:
    slicer_app.dialogs.choose_file(write(describe("heart"), folder / "new.zip"))
    click(opened.ui.importZipButton)
    opened.wait()
    assert not opened.ui.replaceButton.visible
    click(opened.ui.dismissButton)
    assert not opened.ui.keepBothButton.visible
    assert opened.names == ["belly", "heart"]


def test_an_exported_model_can_be_imported_elsewhere(
    opened: OpenPage, slicer_app: SlicerApplication, folder: Path
) -> None:
    opened.page.select("heart")
    slicer_app.dialogs.choose_save_file(folder / "out")  # without the ending
    click(opened.ui.exportButton)
    opened.wait()
    assert read_bundle(folder / "out.zip").config == describe("heart")
    assert opened.message == f"Exported to {folder / 'out.zip'}."
    slicer_app.dialogs.choose_save_file(folder / "out")
    click(opened.ui.exportButton)
    opened.wait()
    assert "exists already" in opened.message  # the dialog did not ask about out.zip
    slicer_app.dialogs.choose_save_file(folder / "out.zip")
    click(opened.ui.exportButton)
    opened.wait()
    assert "Exported" in opened.message  # it did ask
    assert opened.changes == 0


def test_the_folder_of_a_model_is_opened(
    opened: OpenPage, slicer_app: SlicerApplication, folder: Path
) -> None:
    click(opened.ui.revealButton)
    assert slicer_app.opened_urls == [(folder / "models" / "belly").as_uri()]


def test_a_deleted_model_is_gone_after_confirmation(
    opened: OpenPage, slicer_app: SlicerApplication, folder: Path
) -> None:
    slicer_app.dialogs.answer_message("Ok", containing="Delete the model belly")
    click(opened.ui.deleteButton)
    opened.wait()
    assert not (folder / "models" / "belly").exists()
    assert opened.rows == [describe("heart").title]
    assert opened.page.selected_name == "heart"
    assert opened.message == "Deleted belly."
    assert opened.changes == 1


def test_what_cannot_be_deleted_stays_and_says_why(
    opened: OpenPage, slicer_app: SlicerApplication, folder: Path
) -> None:
    shutil.rmtree(folder / "models" / "belly")
    slicer_app.dialogs.answer_message("Ok")
    click(opened.ui.deleteButton)
    opened.wait()
    assert "No model 'belly'" in opened.message
    assert opened.rows == [describe("heart").title]


def test_a_search_narrows_the_list_and_says_when_nothing_fits(opened: OpenPage) -> None:
    enter_text(opened.ui.searchEdit, "kidney")
    assert opened.rows == ["Abdominal organs on T2-SPIR MR, DSAN"]
    enter_text(opened.ui.searchEdit, "<b>knee")
    assert opened.ui.emptyLabel.text == "No model mentions “<b>knee”."
    assert not opened.ui.modelsTable.visible
    assert not opened.card
    for button in (opened.ui.exportButton, opened.ui.revealButton, opened.ui.deleteButton):
        assert not button.enabled
    opened.page.select("heart")
    assert opened.ui.searchEdit.text == ""
    assert opened.page.selected_name == "heart"


def test_no_models_at_all_says_how_to_get_one(
    slicer_app: SlicerApplication,  # noqa: ARG001
    tmp_path: Path,
) -> None:
    opened = OpenPage(tmp_path)
    assert "No models yet" in opened.ui.emptyLabel.text
    assert "Imported models: 0, 0.0 MB" in opened.ui.folderLabel.text
    assert opened.ui.importZipButton.enabled
    opened.page.cleanup()
    opened.widget.delete()


def test_a_broken_model_is_listed_last_with_the_reason_and_can_be_deleted(
    opened: OpenPage, slicer_app: SlicerApplication, folder: Path
) -> None:
    (folder / "models" / "belly" / WEIGHTS_FILE).write_bytes(b"")
    click(opened.ui.refreshButton)
    assert opened.rows == [describe("heart").title, "belly"]
    assert opened.page.selected_name == "belly"  # as before
    assert "cannot be used" in opened.card
    assert "is damaged" in opened.card
    assert not opened.ui.exportButton.enabled
    assert "cannot be exported" in tool_tip(opened.ui.exportButton)
    slicer_app.dialogs.answer_message("Ok")
    click(opened.ui.deleteButton)
    opened.wait()
    assert opened.rows == [describe("heart").title]


def test_refreshing_finds_what_came_from_elsewhere(opened: OpenPage, folder: Path) -> None:
    write(describe("brain", "brain_tumour", "t2"), folder / "models" / "brain")
    click(opened.ui.refreshButton)
    assert len(opened.rows) == 3
    assert opened.changes == 1


def test_markup_in_a_title_stays_text(opened: OpenPage, folder: Path) -> None:
    title = "<img src='x'> & <b>bold</b>"
    write(dataclasses.replace(describe("brain"), title=title), folder / "models" / "brain")
    click(opened.ui.refreshButton)
    opened.page.select("brain")
    assert title in opened.rows
    assert title in opened.card
    row = opened.rows.index(title)
    assert "&lt;img" in opened.ui.modelsTable.item(row, 0).toolTip()


def test_slow_files_do_not_freeze_the_page(
    opened: OpenPage,
    slicer_app: SlicerApplication,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = opened.catalogue.plan_import

    def slow(path: Path | str) -> Any:
        time.sleep(0.4)
        return plan(path)

    monkeypatch.setattr(opened.catalogue, "plan_import", slow)
    slicer_app.dialogs.choose_file(write(describe("brain"), folder / "b.zip"))
    with GuiClock() as clock:
        click(opened.ui.importZipButton)
        assert opened.ui.busyFrame.visible
        assert opened.ui.busyLabel.text == "Importing b.zip…"
        for button in (opened.ui.importZipButton, opened.ui.deleteButton, opened.ui.exportButton):
            assert not button.enabled
        opened.page.select("heart")  # looking around is possible
        assert "Ascending aorta" in opened.card
        opened.wait()
    assert clock.longest_gap_seconds < 0.1
    assert not opened.ui.busyFrame.visible
    assert opened.ui.importZipButton.enabled
    assert "brain" in opened.names


def test_leaving_in_the_middle_finishes_what_is_being_written(
    slicer_app: SlicerApplication, folder: Path
) -> None:
    opened = OpenPage(folder)
    slicer_app.dialogs.choose_file(write(describe("brain"), folder / "b.zip"))
    click(opened.ui.importZipButton)
    opened.page.cleanup()
    opened.widget.delete()
    assert opened.names == ["belly", "brain", "heart"]
    assert not list((folder / "models").glob(".*"))


def test_a_folder_that_cannot_be_read_is_told_and_not_a_crash(
    opened: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise PermissionError(13, "Permission denied", "models")

    monkeypatch.setattr(opened.catalogue, "entries", fail)
    click(opened.ui.refreshButton)
    assert "Permission denied" in opened.message
    assert opened.rows == []


def test_the_page_looks_like_something(opened: OpenPage, folder: Path) -> None:
    screenshot(opened.widget, folder / "page.png", width=520, height=860)
    assert (folder / "page.png").stat().st_size > 20_000
