"""Libraries of bundles."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from CrossModalSegLib.bundle.library import ModelLibrary, user_folder
from CrossModalSegLib.bundle.packing import copy_bundle
from CrossModalSegLib.bundle.reading import Bundle, read_bundle
from CrossModalSegLib.core.errors import (
    BundleError,
    ConfigError,
    OutputExistsError,
    UnknownNameError,
)


@pytest.fixture
def library(tmp_path: Path, bundle: Bundle) -> ModelLibrary:
    """Return a library with one bundle that ships and none of the user's."""
    copy_bundle(bundle, tmp_path / "shipped" / "standard")
    return ModelLibrary(tmp_path / "models", tmp_path / "shipped")


def names(library: ModelLibrary) -> list[tuple[str, str]]:
    return [(entry.name, entry.origin) for entry in library.entries()]


@pytest.mark.parametrize("packed", [False, True])
def test_an_imported_bundle_is_listed_opened_exported_and_deleted(
    tmp_path: Path, library: ModelLibrary, bundle: Bundle, *, packed: bool
) -> None:
    source = bundle.path
    if packed:
        source = tmp_path / "b.zip"
        copy_bundle(bundle, source)
    entry = library.import_bundle(source)
    name = bundle.config.name
    assert names(library) == [(name, "user"), ("standard", "shipped")]
    assert entry.config == bundle.config
    assert library.num_bytes == entry.num_bytes == bundle.num_bytes
    assert library.open(name).content_hash == bundle.content_hash
    library.export(name, tmp_path / "exported.zip")
    assert read_bundle(tmp_path / "exported.zip").content_hash == bundle.content_hash
    library.delete(name)
    assert names(library) == [("standard", "shipped")]
    assert list(library.folder.iterdir()) == []
    assert source.exists()


def test_names_are_unique(library: ModelLibrary, bundle: Bundle) -> None:
    library.import_bundle(bundle.path)
    with pytest.raises(OutputExistsError):
        library.import_bundle(bundle.path)
    library.import_bundle(bundle.path, overwrite=True)
    library.import_bundle(bundle.path, name="second")
    with pytest.raises(BundleError, match="ships with the program"):
        library.import_bundle(bundle.path, name="standard", overwrite=True)
    assert len(library.entries()) == 3


@pytest.mark.parametrize("name", ["../x", "a/b", "..", ".hidden", "C:x"])
def test_no_name_leads_out_of_the_library(
    tmp_path: Path, library: ModelLibrary, bundle: Bundle, name: str
) -> None:
    with pytest.raises(ConfigError):
        library.import_bundle(bundle.path, name=name)
    (tmp_path / "x").mkdir()
    library.folder.mkdir()
    with pytest.raises(UnknownNameError):
        library.delete(name)
    assert (tmp_path / "x").is_dir()


def test_what_ships_cannot_be_deleted(library: ModelLibrary) -> None:
    with pytest.raises(BundleError, match="cannot be deleted"):
        library.delete("standard")
    assert library.open("standard").config.method == "dsan"


@pytest.mark.skipif(sys.platform == "win32", reason="links need privileges on Windows")
def test_deleting_never_follows_a_link(tmp_path: Path, library: ModelLibrary) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    library.folder.mkdir()
    (library.folder / "linked").symlink_to(precious)
    with pytest.raises(BundleError, match="outside the library"):
        library.delete("linked")
    assert precious.is_dir()


def test_a_bundle_that_cannot_be_used_is_listed_with_the_reason_and_can_be_deleted(
    library: ModelLibrary, bundle: Bundle
) -> None:
    library.import_bundle(bundle.path, name="broken")
    (library.folder / "broken" / "models" / "model.safetensors").write_bytes(b"")
    entry = next(entry for entry in library.entries() if entry.name == "broken")
    assert entry.config is None
    assert "damaged" in entry.problem
    with pytest.raises(BundleError):
        library.open("broken")
    library.delete("broken")
    assert names(library) == [("standard", "shipped")]


def test_a_damaged_bundle_is_not_imported(library: ModelLibrary, bundle: Bundle) -> None:
    (bundle.path / "models" / "model.safetensors").write_bytes(b"")
    with pytest.raises(BundleError):
        library.import_bundle(bundle.path)
    assert names(library) == [("standard", "shipped")]


def test_a_bundle_opens_by_path_too(library: ModelLibrary, bundle: Bundle) -> None:
    assert library.open(bundle.path).content_hash == bundle.content_hash
    with pytest.raises(UnknownNameError, match="No model 'standart'") as caught:
        library.open("standart")
    assert "Did you mean 'standard'?" in caught.value.hint


@pytest.mark.parametrize("name", ["", "x" * 300, "x" * 9999, "a\0b"])
def test_what_can_be_no_file_is_an_unknown_name(library: ModelLibrary, name: str) -> None:
    with pytest.raises(UnknownNameError, match="No model"):
        library.open(name)


def test_an_empty_library_says_how_to_get_models(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError) as caught:
        ModelLibrary(tmp_path / "absent", tmp_path / "none").open("some")
    assert "import one" in caught.value.hint


def test_a_dangerous_bundle_leaves_nothing_in_the_library(
    tmp_path: Path, library: ModelLibrary, bundle: Bundle
) -> None:
    copy_bundle(bundle, tmp_path / "evil.zip")
    with zipfile.ZipFile(tmp_path / "evil.zip", "a") as packed:
        packed.writestr("../../evil.txt", b"x")
    with pytest.raises(BundleError, match="was refused"):
        library.import_bundle(tmp_path / "evil.zip")
    assert not library.folder.exists()
    assert not list(tmp_path.rglob("evil.txt"))


def test_the_users_folder_can_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSMODALSEG_HOME", str(tmp_path))
    assert user_folder() == tmp_path
    assert ModelLibrary().folder == tmp_path / "models"
    monkeypatch.delenv("CROSSMODALSEG_HOME")
    assert user_folder().is_absolute()
    assert "crossmodalseg" in user_folder().name.lower()


def test_a_library_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    library = ModelLibrary(tmp_path / "absent", tmp_path / "none")
    assert library.entries() == []
    assert library.num_bytes == 0
