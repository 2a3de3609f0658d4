"""Bundles appear whole or not at all."""

from __future__ import annotations

import errno
import zipfile
from pathlib import Path
from typing import NoReturn

import pytest

from CrossModalSegLib.bundle.packing import copy_bundle, pack_files
from CrossModalSegLib.bundle.reading import Bundle, read_bundle
from CrossModalSegLib.core.errors import OutputExistsError, StorageError

BOTH = pytest.mark.parametrize("name", ["out", "out.zip"])


@BOTH
def test_a_copy_is_the_same_byte_by_byte(tmp_path: Path, bundle: Bundle, name: str) -> None:
    copy_bundle(bundle, tmp_path / "new" / name)
    copied = read_bundle(tmp_path / "new" / name)
    assert copied.read_files() == bundle.read_files()
    assert [path.name for path in (tmp_path / "new").iterdir()] == [name]


@BOTH
def test_nothing_is_replaced_silently(tmp_path: Path, bundle: Bundle, name: str) -> None:
    output = tmp_path / name
    pack_files(bundle.read_files() | {"LICENSE": b"old"}, output, "old")
    with pytest.raises(OutputExistsError):
        copy_bundle(bundle, output)
    assert read_bundle(output).read_files()["LICENSE"] == b"old"
    copy_bundle(bundle, output, overwrite=True)
    assert read_bundle(output).read_files() == bundle.read_files()


def test_a_folder_that_is_no_bundle_is_never_replaced(tmp_path: Path, bundle: Bundle) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    with pytest.raises(StorageError, match="something else"):
        copy_bundle(bundle, tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "thesis.txt").read_text() == "years of work"


@BOTH
def test_a_full_disk_leaves_nothing_and_keeps_what_was_there(
    tmp_path: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    copy_bundle(bundle, tmp_path / "new" / name)

    def fail(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    monkeypatch.setattr(zipfile.ZipFile, "writestr", fail)
    with pytest.raises(StorageError, match="disk is full"):
        copy_bundle(bundle, tmp_path / "new" / name, overwrite=True)
    monkeypatch.undo()
    assert [path.name for path in (tmp_path / "new").iterdir()] == [name]
    assert read_bundle(tmp_path / "new" / name).read_files() == bundle.read_files()


def test_the_same_bundle_gives_the_same_zip(tmp_path: Path, bundle: Bundle) -> None:
    copy_bundle(bundle, tmp_path / "a.zip")
    copy_bundle(bundle, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_a_zip_unpacks_into_a_folder_of_its_own(tmp_path: Path, bundle: Bundle) -> None:
    copy_bundle(bundle, tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as packed:
        tops = {name.partition("/")[0] for name in packed.namelist()}
        packed.extractall(tmp_path / "unpacked")
    assert tops == {bundle.config.name}
    unpacked = read_bundle(tmp_path / "unpacked" / bundle.config.name)
    assert unpacked.content_hash == bundle.content_hash
