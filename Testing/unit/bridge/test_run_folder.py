"""A run's temporary files stay while somebody needs them, and no longer."""

from __future__ import annotations

import gc
from pathlib import Path

from CrossModalSegLib.bridge.run_folder import RunFolder


def test_the_last_to_let_go_removes_the_folder(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "new" / "parent")
    folder.hold("run")
    folder.hold("job")
    (folder.path / "file").write_text("x")
    folder.release("run")
    folder.release("run")
    assert folder.path.exists()
    folder.release("job")
    assert not folder.path.exists()
    folder.release("job")


def test_a_forgotten_folder_is_removed(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.hold("run")
    path = folder.path
    del folder
    gc.collect()
    assert not path.exists()


def test_folders_of_two_runs_are_two(tmp_path: Path) -> None:
    first, second = RunFolder(tmp_path), RunFolder(tmp_path)
    assert first.path != second.path
    first.release("nobody")
    assert second.path.exists()
