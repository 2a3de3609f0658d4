"""The note of an installation."""

from __future__ import annotations

from pathlib import Path

import pytest

from CrossModalSegLib.bridge.installation_record import InstallationNote, InstallationRecord


def test_a_note_is_read_as_it_was_written(tmp_path: Path) -> None:
    note = InstallationNote(
        state="tried", versions={"torch": None, "a": "1"}, failures={"a": "Ä"}, message="x"
    )
    InstallationRecord("predict", tmp_path / "new").write(note)
    assert InstallationRecord("predict", tmp_path / "new").read() == note
    assert InstallationRecord("train", tmp_path / "new").read() == InstallationNote()


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"v": 2, "state": "tried"}', '{"v": 1, "state": "odd"}',
     '{"v": 1, "state": "tried", "more": 1}', "\x00"],
)  # fmt: skip
def test_a_note_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    record = InstallationRecord("predict", tmp_path)
    record.path.write_text(text, encoding="utf-8")
    assert record.read() == InstallationNote()


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    record = InstallationRecord("predict", tmp_path / "file")
    record.write(InstallationNote(state="failed"))
    assert record.read() == InstallationNote()


def test_another_python_has_another_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = InstallationRecord("predict", tmp_path).path
    monkeypatch.setattr("sys.prefix", "/another/Slicer")
    assert InstallationRecord("predict", tmp_path).path != here


def test_it_lies_in_the_folder_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSMODALSEG_HOME", str(tmp_path))
    assert InstallationRecord("predict").path.is_relative_to(tmp_path)
