"""The models of this computer as the pages show them. Reading them needs no third-party package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from CrossModalSegLib.bridge.model_cards import ModelCard
from CrossModalSegLib.bundle.library import ModelLibrary
from CrossModalSegLib.bundle.reading import read_bundle
from CrossModalSegLib.bundle.schema import BundleConfig

__all__ = ["ImportPlan", "ModelCard", "ModelCatalogue"]

Stamp = tuple[tuple[str, int, int], ...]
"""Path, time of change in nanoseconds and size of each file: other content, other stamp."""


@dataclass(frozen=True, kw_only=True)
class ImportPlan:
    """What importing a bundle would do.

    Attributes:
        source: The bundle.
        name: Its own name.
        taken_by: Which kind of model has that name already, if any.
        free_name: A name under which it can be imported beside that one.
    """

    source: Path
    name: str
    taken_by: str
    free_name: str


class ModelCatalogue:
    """Lists, imports, exports and deletes models.

    Args:
        library: Where the models are; by default those that ship and those of the user.
    """

    def __init__(self, library: ModelLibrary | None = None) -> None:
        self._library = library or ModelLibrary()
        self._cache: tuple[Stamp, tuple[ModelCard, ...]] | None = None

    @property
    def folder(self) -> Path:
        """Where imported models are kept."""
        return self._library.folder

    @property
    def disk_use_bytes(self) -> int:
        """Size of the imported models on the disk."""
        return sum(card.size_bytes for card in self.entries() if not card.is_shipped)

    def entries(self) -> tuple[ModelCard, ...]:
        """Return all models by name, those that cannot be used with the reason.

        Bundles are read again only when a file of one has changed.

        Raises:
            OSError: The folder cannot be read.
        """
        stamp = tuple(sorted(_stamps(self._library.shipped, self._library.folder)))
        cache = self._cache
        if cache is None or cache[0] != stamp:
            cache = (stamp, tuple(ModelCard(entry) for entry in self._library.entries()))
            self._cache = cache
        return cache[1]

    def matching(self, modality: str = "", task: str = "") -> tuple[ModelCard, ...]:
        """Return the usable models for scans of a modality, and of a task, by their names.

        Args:
            modality: Of the scans; "": any.
            task: What is to be segmented; "": anything.
        """
        return tuple(
            card
            for card in self.entries()
            if card.is_usable
            and modality in {"", card.target_modality.name}
            and task in {"", card.task.name}
        )

    def name_of(self, path: Path | str) -> str:
        """Return the name under which a bundle was imported before; "" if it was not.

        Raises:
            BundleError: It is damaged, foreign or dangerous.
        """
        config = read_bundle(path).config
        same = (c.name for c in self.entries() if c.is_usable and _is_same(c.config, config))
        return next(same, "")

    def plan_import(self, path: Path | str) -> ImportPlan:
        """Check a bundle and say under which name it would be imported; changes nothing.

        Raises:
            BundleError: It is damaged, foreign or dangerous.
        """
        name = read_bundle(path).config.name
        taken = {entry.name: entry.origin for entry in self._library.entries()}
        numbered = (f"{name[:76].rstrip('._-')}-{number}" for number in range(2, 1000))
        free_name = next(candidate for candidate in (name, *numbered) if candidate not in taken)
        return ImportPlan(
            source=Path(path), name=name, taken_by=taken.get(name, ""), free_name=free_name
        )

    def import_model(
        self, path: Path | str, *, name: str = "", overwrite: bool = False
    ) -> ModelCard:
        """Check a bundle and copy it to the models of this computer; nothing in it is executed.

        Args:
            path: Folder or zip.
            name: In the library; by default the bundle's own.
            overwrite: Whether an imported model of that name may be replaced.

        Raises:
            BundleError: It is damaged, foreign or dangerous, or its name is that of a shipped one.
            OutputExistsError: There is one of that name and `overwrite` is False.
            StorageError: The disk is full or not writable.
        """
        return ModelCard(self._library.import_bundle(path, name=name, overwrite=overwrite))

    def export_model(self, name: str, path: Path | str, *, overwrite: bool = False) -> None:
        """Copy a model to a folder, or to a file that ends in .zip.

        Raises:
            UnknownNameError: There is none of that name.
            BundleError: It cannot be used.
            OutputExistsError: The output is there and `overwrite` is False.
            StorageError: The disk is full or not writable.
        """
        self._library.export(name, path, overwrite=overwrite)

    def delete_model(self, name: str) -> None:
        """Remove an imported model.

        Raises:
            UnknownNameError: There is none of that name.
            BundleError: It ships with the program, or is a link to somewhere else.
            StorageError: It is not ours to remove.
        """
        self._library.delete(name)


def _is_same(imported: BundleConfig, config: BundleConfig) -> bool:
    """Tell whether two bundles come from the same training, whatever they are called."""
    return replace(imported, name=config.name) == config


def _stamps(*folders: Path) -> Iterator[tuple[str, int, int]]:
    """Yield the stamp of each file of a bundle; hidden folders are copies that are being made."""
    for folder in folders:
        bundles = folder.iterdir() if folder.is_dir() else ()
        for bundle in bundles:
            if not bundle.name.startswith("."):
                yield from _file_stamps(bundle)


def _file_stamps(bundle: Path) -> Iterator[tuple[str, int, int]]:
    yield str(bundle), 0, 0
    for path in bundle.rglob("*"):
        with suppress(FileNotFoundError):  # removed just now
            status = path.lstat()
            yield str(path), status.st_mtime_ns, status.st_size
