"""A MRML scene without the Slicer application, for tests and for drawing pictures.

Inside Slicer the other files of this folder work on `slicer.mrmlScene`; nothing here is needed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from CrossModalSegLib.core.errors import (
    InputFileError,
    MissingDependencyError,
    OutputExistsError,
    StorageError,
)

SCENE_SUFFIXES = (".mrb", ".mrml")


def import_slicer() -> Any:
    """Return Slicer's Python module.

    Raises:
        MissingDependencyError: Neither Slicer nor the package slicer-core is there.
    """
    try:
        import slicer
    except ImportError as error:
        raise MissingDependencyError(
            f"Slicer's libraries could not be imported: {error}.",
            hint="Run inside 3D Slicer, or install the package slicer-core with its vtk.",
        ) from error
    if not hasattr(slicer, "vtkMRMLScene"):
        raise MissingDependencyError(
            "The Python module 'slicer' that was found is not 3D Slicer's.",
            hint="Uninstall the package 'slicer' and any folder of that name on the Python path, "
            "then install slicer-core again.",
        )
    return slicer


def import_vtk() -> Any:
    """Return VTK's Python module, the one that Slicer's libraries use."""
    import_slicer()
    import vtk

    return vtk


class HeadlessScene:
    """A scene with the logics that volumes, segmentations and views rely on.

    Use `headless_scene()`, which closes it again.

    Attributes:
        mrml: The `vtkMRMLScene`.
        application: The `vtkMRMLApplicationLogic` that knows the other logics.
    """

    def __init__(self, temporary_folder: Path) -> None:
        slicer, vtk = import_slicer(), import_vtk()
        self._closing = ExitStack()
        self.mrml = slicer.vtkMRMLScene()
        self.application = slicer.vtkMRMLApplicationLogic()
        self.application.SetTemporaryPath(str(temporary_folder))
        # The application logic must know the colours before it sees the scene: without them,
        # display nodes find no default colour table.
        self._logics: list[Any] = []
        colours = self._add_logic("Colors", slicer.vtkMRMLColorLogic())
        self.application.SetMRMLScene(self.mrml)
        self.application.SetColorLogic(colours)
        self.application.SetSliceLogics(vtk.vtkCollection())
        self.application.SetViewLogics(vtk.vtkCollection())
        self._add_logic("Volumes", slicer.vtkSlicerVolumesLogic())
        self._add_logic("Segmentations", slicer.vtkSlicerSegmentationsModuleLogic())
        _keep_one_rule_of_each_kind(slicer.vtkSegmentationConverterFactory.GetInstance())
        self._add_logic("SubjectHierarchy", slicer.vtkSlicerSubjectHierarchyModuleLogic())
        self._connect_storage(slicer)
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(self.mrml)

    def on_close(self, callback: Callable[[], None]) -> None:
        """Call `callback` before the scene is taken down, last registered first."""
        self._closing.callback(callback)

    def save(self, path: Path, *, overwrite: bool = False) -> None:
        """Write the scene as `.mrb` (one file with its data) or `.mrml` (data beside it).

        Raises:
            OutputExistsError: The file is there and overwriting was not asked for.
            StorageError: Slicer could not write it.
        """
        _check_suffix(path)
        if path.exists() and not overwrite:
            raise OutputExistsError(path)
        if path.suffix == ".mrb":
            written = self.mrml.WriteToMRB(str(path), None)
        else:
            self.mrml.SetURL(str(path))
            self.mrml.SetRootDirectory(str(path.parent))
            written = self._write_data(path.parent) and self.mrml.Commit(str(path))
        if not written:
            raise StorageError(
                f"The scene could not be written to {path}.",
                hint="Check that the folder exists, can be written to and has room.",
            )

    def load(self, path: Path) -> None:
        """Replace the scene by one that was saved.

        Raises:
            InputFileError: The file is missing or Slicer could not read it.
        """
        _check_suffix(path)
        self.mrml.Clear(1)
        read = False
        if path.is_file() and path.suffix == ".mrb":
            read = bool(self.mrml.ReadFromMRB(str(path), 1))
        elif path.is_file():
            self.mrml.SetURL(str(path))
            read = bool(self.mrml.Import())
        if not read:
            raise InputFileError(
                f"{path} could not be read as a scene of 3D Slicer.",
                hint="Check the path, or save the scene again.",
            )

    def close(self) -> None:
        """Take views, scene and logics down, in the order that VTK bears."""
        self._closing.close()
        self.mrml.Clear(1)
        self.application.SetSliceLogics(None)
        self.application.SetViewLogics(None)
        self.application.SetColorLogic(None)
        self.mrml.SetCacheManager(None)
        self.mrml.SetDataIOManager(None)
        # Telling the logics that their scene is gone makes the subject hierarchy complain; letting
        # go of them, the newest first, frees them all.
        while self._logics:
            self._logics.pop()

    def _add_logic(self, name: str, logic: Any) -> Any:
        logic.SetMRMLApplicationLogic(self.application)
        logic.SetMRMLScene(self.mrml)
        self.application.SetModuleLogic(name, logic)
        self._logics.append(logic)
        return logic

    def _connect_storage(self, slicer: Any) -> None:
        """Let the scene read and write bundles (.mrb), which ask for the remote file machinery."""
        cache = slicer.vtkCacheManager()
        cache.SetRemoteCacheDirectory(self.application.GetTemporaryPath())
        cache.SetMRMLScene(self.mrml)
        self.mrml.SetCacheManager(cache)
        manager = slicer.vtkDataIOManager()
        manager.SetCacheManager(cache)
        self.mrml.SetDataIOManager(manager)
        self._add_logic("RemoteIO", slicer.vtkMRMLRemoteIOLogic())
        data = self._add_logic("DataIO", slicer.vtkDataIOManagerLogic())
        data.SetAndObserveDataIOManager(manager)

    def _write_data(self, folder: Path) -> bool:
        """Write every volume and segmentation of the scene beside the scene file."""
        written = True
        for index in range(self.mrml.GetNumberOfNodesByClass("vtkMRMLStorableNode")):
            node = self.mrml.GetNthNodeByClass(index, "vtkMRMLStorableNode")
            if not node.GetSaveWithScene() or node.IsA("vtkMRMLColorNode"):
                continue
            if node.AddDefaultStorageNode() and node.GetStorageNode() is not None:
                storage = node.GetStorageNode()
                suffix = storage.GetDefaultWriteFileExtension()
                storage.SetFileName(str(folder / f"{node.GetID()}.{suffix}"))
                written = bool(storage.WriteData(node)) and written
        return written


@contextmanager
def headless_scene() -> Iterator[HeadlessScene]:
    """Yield an empty scene of its own; several may follow each other in one process.

    Raises:
        MissingDependencyError: Slicer's libraries are not installed.
    """
    import_slicer()
    with tempfile.TemporaryDirectory(prefix="crossmodalseg-scene-") as folder:
        session = HeadlessScene(Path(folder))
        try:
            yield session
        finally:
            session.close()


def _keep_one_rule_of_each_kind(factory: Any) -> None:
    """Take back the conversions that a segmentations logic registers again for each scene.

    A surface takes a second after 400 scenes otherwise: every way of converting is looked at.
    """
    kinds: set[str] = set()
    for rule in list(factory.GetConverterRules()):
        if rule.GetClassName() in kinds:
            factory.UnregisterConverterRule(rule)
        kinds.add(rule.GetClassName())


def _check_suffix(path: Path) -> None:
    if path.suffix not in SCENE_SUFFIXES:
        raise InputFileError(
            f"{path} is not named like a scene, expected the ending {' or '.join(SCENE_SUFFIXES)}."
        )
