"""Folders that appear whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import NoReturn

import pytest

from CrossModalSegLib.core.errors import OutputExistsError, StorageError
from CrossModalSegLib.data.output_folders import replacing_folder, require_free


def test_the_folder_appears_when_the_block_succeeds(tmp_path: Path) -> None:
    output = tmp_path / "new" / "out"
    with replacing_folder(output) as folder:
        (folder / "a.txt").touch()
        assert not output.exists()
    assert [path.name for path in output.iterdir()] == ["a.txt"]
    assert list(output.parent.iterdir()) == [output]


def test_nothing_is_left_when_the_block_fails(tmp_path: Path) -> None:
    def interrupted() -> None:
        with replacing_folder(tmp_path / "out") as folder:
            (folder / "a.txt").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_an_old_folder_is_replaced_only_by_success(tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "old.txt").touch()
    with pytest.raises(RuntimeError), replacing_folder(output):
        raise RuntimeError
    assert (output / "old.txt").exists()
    with replacing_folder(output) as folder:
        (folder / "new.txt").touch()
    assert [path.name for path in output.iterdir()] == ["new.txt"]
    assert list(tmp_path.iterdir()) == [output]


def test_an_old_folder_comes_back_when_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "old.txt").touch()
    rename = Path.replace

    def fail_for_new(self: Path, target: Path) -> Path:
        if self.name.endswith(".partial"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", fail_for_new)
    with pytest.raises(StorageError, match="disk is full"), replacing_folder(output):
        pass
    assert (output / "old.txt").exists()
    assert list(tmp_path.iterdir()) == [output]


def test_a_full_disk_is_a_storage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object, **_options: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(StorageError, match="disk is full"), replacing_folder(tmp_path / "out"):
        pytest.fail("the block must not run")


def test_only_folders_of_the_same_kind_may_be_replaced(tmp_path: Path) -> None:
    require_free(tmp_path / "nothing", "mark.json", overwrite=False)
    require_free(tmp_path, "mark.json", overwrite=False)
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(OutputExistsError):
        require_free(tmp_path, "mark.json", overwrite=False)
    with pytest.raises(StorageError, match="not overwritten"):
        require_free(tmp_path, "mark.json", overwrite=True)
    (tmp_path / "mark.json").touch()
    require_free(tmp_path, "mark.json", overwrite=True)
