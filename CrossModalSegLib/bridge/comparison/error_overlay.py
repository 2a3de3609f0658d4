"""Where methods differ from the reference: missed and extra voxels, over each method's slice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.bridge.comparison.comparison import Comparison
from CrossModalSegLib.bridge.comparison.comparison_labels import REFERENCE, ComparisonLabels
from CrossModalSegLib.bridge.comparison.comparison_layout import Column
from CrossModalSegLib.bridge.segments import colour_fractions
from CrossModalSegLib.bridge.volumes import array_to_image, local_affine, matrix_to_vtk
from CrossModalSegLib.core.tasks import Colour

LABEL_VOLUME_CLASS = "vtkMRMLLabelMapVolumeNode"
COLOURS_CLASS = "vtkMRMLColorTableNode"
COLOURS_TAG = "CrossModalSegErrors"


class ErrorKind(NamedTuple):
    """One value of an error map.

    Attributes:
        value: In the map.
        label: For people.
        colour: Told apart by people who see red and green alike.
    """

    value: int
    label: str
    colour: Colour


MISSED = ErrorKind(1, "Missed", (0, 170, 255))
EXTRA = ErrorKind(2, "Extra", (255, 200, 0))
CONFUSED = ErrorKind(3, "Other structure", (190, 30, 160))
KINDS = (MISSED, EXTRA, CONFUSED)


def error_map(labels: ComparisonLabels, method: str, structure: str = "") -> NDArray[np.uint8]:
    """Return the kind of error of each voxel, 0 where there is none (k, j, i).

    Args:
        labels: All sampled.
        method: Name of the method.
        structure: Name of the one that is looked at; "": all, and taking one for another is a kind
            of error of its own.
    """
    if structure:
        found, true = (labels.mask(name, structure) for name in (method, REFERENCE))
        confused = np.zeros((), bool)
    else:
        values, true_values = labels.of(method), labels.of(REFERENCE)
        found, true = values != 0, true_values != 0
        confused = found & true & (values != true_values)
    errors = np.zeros(found.shape, np.uint8)
    errors[true & ~found] = MISSED.value
    errors[found & ~true] = EXTRA.value
    if confused.ndim:
        errors[confused] = CONFUSED.value
    return errors


class ErrorOverlay:
    """Lays error maps over the slices of the methods, as label maps that are not saved."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._columns: tuple[Column, ...] = ()

    def show(
        self,
        comparison: Comparison,
        columns: Sequence[Column],
        labels: ComparisonLabels,
        structure: str = "",
    ) -> Iterator[None]:
        """Show the errors of each method in its column, one method with each step.

        Args:
            comparison: Has a reference.
            columns: In the order of the methods.
            labels: All sampled.
            structure: Name of the one that is looked at; "": all.
        """
        columns = tuple(columns)
        if columns != self._columns:
            self.clear()
            self._columns = columns
            self._nodes = [_add_map(comparison.volume, each.label) for each in comparison.methods]
        for shown, column, node in zip(comparison.methods, columns, self._nodes, strict=True):
            node.SetIJKToRASMatrix(matrix_to_vtk(local_affine(comparison.volume)))
            node.SetAndObserveTransformNodeID(comparison.volume.GetTransformNodeID())
            errors = error_map(labels, shown.name, structure)
            node.SetAndObserveImageData(array_to_image(errors))
            column.composite_node.SetLabelVolumeID(node.GetID())
            yield

    def set_opacity(self, opacity: float) -> None:
        """Make the errors more or less opaque, 0 to 1."""
        for column in self._columns:
            column.composite_node.SetLabelOpacity(opacity)

    def clear(self) -> None:
        """Show no errors and remove what showed them."""
        for column, node in zip(self._columns, self._nodes, strict=True):
            if column.composite_node.GetLabelVolumeID() == node.GetID():
                column.composite_node.SetLabelVolumeID(None)
            if node.GetScene() is not None:
                node.GetScene().RemoveNode(node.GetDisplayNode())
                node.GetScene().RemoveNode(node)
        self._nodes, self._columns = [], ()


def _add_map(volume: Any, method: str) -> Any:
    scene = volume.GetScene()
    node = _unsaved(scene, LABEL_VOLUME_CLASS, f"Errors of {method}")
    node.SetHideFromEditors(1)
    scene.AddNode(node)
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetSaveWithScene(0)
    node.GetDisplayNode().SetAndObserveColorNodeID(_colours(scene).GetID())
    return node


def _colours(scene: Any) -> Any:
    node = scene.GetSingletonNode(COLOURS_TAG, COLOURS_CLASS)
    if node is not None:
        return node
    node = _unsaved(scene, COLOURS_CLASS, "Errors against the reference")
    node.SetSingletonTag(COLOURS_TAG)
    node.SetTypeToUser()
    node.SetNumberOfColors(len(KINDS) + 1)
    node.SetHideFromEditors(1)
    node.SetColor(0, "No error", 0.0, 0.0, 0.0, 0.0)
    for kind in KINDS:
        node.SetColor(kind.value, kind.label, *colour_fractions(kind.colour), 1.0)
    return scene.AddNode(node)


def _unsaved(scene: Any, class_name: str, name: str) -> Any:
    node = scene.CreateNodeByClass(class_name)
    node.UnRegister(None)
    node.SetName(name)
    node.SetSaveWithScene(0)
    return node
