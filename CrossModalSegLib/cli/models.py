"""`models`: the models of this computer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro

from CrossModalSegLib.cli.command import Command
from CrossModalSegLib.core.events import Reporter

if TYPE_CHECKING:
    from CrossModalSegLib.bundle.library import LibraryEntry
    from CrossModalSegLib.bundle.reading import Bundle


@dataclass(frozen=True, kw_only=True)
class ListModels(Command):
    """List the models of this computer."""

    def run(self, reporter: Reporter) -> None:
        """List them, those that cannot be used with the reason."""
        from CrossModalSegLib.bundle.library import ModelLibrary

        library = ModelLibrary()
        entries = library.entries()
        for entry in entries:
            if entry.problem:
                reporter.warning("bundle", f"{entry.name}: {entry.problem}")
        summary = {"models": [_row(entry) for entry in entries], "folder": str(library.folder)}
        reporter.done([], summary)


@dataclass(frozen=True, kw_only=True)
class ShowModel(Command):
    """Show what a model is, what it was trained on and how well it did."""

    name: tyro.conf.Positional[str]
    """Name of a model, or path of a bundle."""

    def run(self, reporter: Reporter) -> None:
        """Show it.

        Raises:
            UnknownNameError: There is no such model.
            BundleError: It cannot be used.
        """
        from CrossModalSegLib.bundle.library import ModelLibrary

        reporter.done([], _card(ModelLibrary().open(self.name)))


@dataclass(frozen=True, kw_only=True)
class ImportModel(Command):
    """Check a bundle and copy it to the models of this computer."""

    path: tyro.conf.Positional[Path]
    """A bundle: a folder or .zip."""
    name: str = ""
    """Name of the model. Default: the bundle's own."""
    overwrite: bool = False
    """Replace a model of that name."""

    def run(self, reporter: Reporter) -> None:
        """Import it; nothing in it is executed.

        Raises:
            BundleError: It cannot be used.
            OutputExistsError: There is a model of that name.
        """
        from CrossModalSegLib.bundle.library import ModelLibrary

        entry = ModelLibrary().import_bundle(self.path, name=self.name, overwrite=self.overwrite)
        reporter.done([entry.path], {"model": entry.name})


@dataclass(frozen=True, kw_only=True)
class ExportModel(Command):
    """Copy a model out, to import it elsewhere, or in a form that other programs run.

    The forms "monai", "onnx" and "torchscript" are programs: whoever loads them runs them. They
    need none of this program.
    """

    name: tyro.conf.Positional[str]
    """Name of the model, or path of a bundle."""
    output: tyro.conf.Positional[Path]
    """A folder or a .zip; for "onnx" a .onnx, for "torchscript" a .ts or .pt."""
    format: Literal["bundle", "monai", "onnx", "torchscript"] = "bundle"
    """"bundle": as it is. "monai": for `python -m monai.bundle run`, from volumes to labels.
    "onnx", "torchscript": the network alone, from slices in [-1, 1] to probabilities."""
    overwrite: bool = False
    """Replace an output that exists."""

    def run(self, reporter: Reporter) -> None:
        """Export it.

        Raises:
            UnknownNameError: There is no such model.
            CrossModalSegError: See `export_bundle`.
        """
        from CrossModalSegLib.bundle.library import ModelLibrary
        from CrossModalSegLib.bundle.packing import copy_bundle

        bundle = ModelLibrary().open(self.name)
        if self.format == "bundle":
            copy_bundle(bundle, self.output, overwrite=self.overwrite)
        else:
            from CrossModalSegLib.inference.export.exporting import export_bundle

            export_bundle(bundle, self.output, self.format, overwrite=self.overwrite)
        reporter.done([self.output], {"model": self.name, "format": self.format})


@dataclass(frozen=True, kw_only=True)
class DeleteModel(Command):
    """Delete an imported model."""

    name: tyro.conf.Positional[str]
    """Name of the model."""

    def run(self, reporter: Reporter) -> None:
        """Delete it.

        Raises:
            UnknownNameError: There is no such model.
            BundleError: It ships with the program.
        """
        from CrossModalSegLib.bundle.library import ModelLibrary

        ModelLibrary().delete(self.name)
        reporter.done([], {"deleted": self.name})


def _row(entry: LibraryEntry) -> dict[str, Any]:
    row: dict[str, Any] = {"name": entry.name, "megabytes": entry.num_bytes / 2**20}
    if entry.config is None:
        return {**row, "structures": "cannot be used"}
    return {**row, **_purpose(entry.config.task.label, entry.config), "origin": entry.origin}


def _purpose(structures: str, config: Any) -> dict[str, str]:
    return {
        "structures": structures,
        "modality": config.modalities.images_label,
        "adapted_from": config.modalities.source.label,
        "method": config.method,
    }


def _card(bundle: Bundle) -> dict[str, Any]:
    """Return what users ask about a model, in the order in which they ask it."""
    config = bundle.config
    training = config.training
    return {
        "name": config.name,
        "title": config.title,
        "description": config.description,
        **_purpose(", ".join(region.label for region in config.task.regions), config),
        "inputs": [modality.label for modality in config.modalities.images],
        "preset": training.preset,
        "overrides": list(training.overrides),
        "iterations": training.iterations,
        "chosen_iteration": training.chosen_iteration,
        "chosen_by": training.selection,
        "scores": [
            {"split": s.split, "domain": s.domain, "cases": s.num_cases, "metric": name} | means
            for s in config.scores
            for name, means in s.means.items()
        ],
        "licence": config.licence,
        "intended_use": config.intended_use,
        "megabytes": bundle.num_bytes / 2**20,
        "hash": bundle.content_hash,
    }
