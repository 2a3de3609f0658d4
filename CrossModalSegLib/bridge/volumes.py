"""Volumes of the library and volume nodes of Slicer, with exact voxels and geometry."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.bridge.scene import import_slicer, import_vtk
from CrossModalSegLib.core.errors import GeometryError, InputFileError
from CrossModalSegLib.core.geometry import Affine, check_affine, is_same_grid
from CrossModalSegLib.core.volume import Volume

SCALAR_VOLUME_CLASS = "vtkMRMLScalarVolumeNode"


def volume_to_node(
    volume: Volume, scene: Any, name: str, *, node_class: str = SCALAR_VOLUME_CLASS
) -> Any:
    """Add `volume` to a scene as a node of its own, with a display node.

    Args:
        volume: Any orientation, oblique and flipped grids included.
        scene: A `vtkMRMLScene`, `slicer.mrmlScene` for example.
        name: What users see.
        node_class: Class of the volume node.

    Raises:
        GeometryError: The grid is sheared or degenerate.
    """
    check_affine(volume.affine_ras, name)
    node = scene.AddNewNodeByClass(node_class, name)
    node.SetIJKToRASMatrix(matrix_to_vtk(volume.affine_ras))
    node.SetAndObserveImageData(array_to_image(volume.array_kji))
    node.CreateDefaultDisplayNodes()
    return node


def node_to_volume(node: Any) -> Volume:
    """Copy a volume node's voxels and its place in the patient, parent transforms applied.

    Raises:
        InputFileError: The node has no voxels, or several values a voxel.
        GeometryError: The node is under a transform that is not linear or that shears the grid.
    """
    view = node_view(node)
    return view.with_array(view.array_kji.copy())


def node_view(node: Any) -> Volume:
    """Return what `node_to_volume` copies as a view, good until the node's image changes.

    Raises:
        InputFileError: The node has no voxels, or several values a voxel.
        GeometryError: The node is under a transform that is not linear or that shears the grid.
    """
    image, name = node.GetImageData(), node.GetName()
    if image is None or image.GetNumberOfPoints() == 0 or image.GetPointData().GetScalars() is None:
        raise InputFileError(
            f"Volume {name!r} is empty; expected an image with voxels.",
            hint="Load the image again, or choose another volume.",
        )
    if image.GetNumberOfScalarComponents() != 1:
        raise InputFileError(
            f"Volume {name!r} has {image.GetNumberOfScalarComponents()} values a voxel; "
            "expected one.",
            hint="Choose a scalar volume; colour and vector volumes cannot be segmented.",
        )
    affine_ras = world_matrix(node) @ local_affine(node)
    check_affine(affine_ras, f"Volume {name!r}")
    return Volume(image_to_array(image), affine_ras)


def local_affine(node: Any) -> Affine:
    """Return a volume node's matrix from voxel index to RAS, parent transforms not applied."""
    matrix = import_vtk().vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return matrix_from_vtk(matrix)


def set_window(node: Any, low: float, high: float) -> None:
    """Show a volume with `low` as black and `high` as white."""
    display = node.GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevel(high - low, (high + low) / 2)


def world_matrix(node: Any) -> Affine:
    """Return the 4x4 matrix from a node's own coordinates to the world's RAS.

    Raises:
        GeometryError: A transform above the node is not linear.
    """
    transform = node.GetParentTransformNode()
    if transform is None:
        return np.eye(4)
    if not transform.IsTransformToWorldLinear():
        raise GeometryError(
            f"{node.GetName()!r} is under the transform {transform.GetName()!r}, which is not "
            "linear; expected none or a linear one.",
            hint="Harden the transform in the Data module first (right click on the "
            "transform column).",
        )
    matrix = import_vtk().vtkMatrix4x4()
    transform.GetMatrixTransformToWorld(matrix)
    return matrix_from_vtk(matrix)


def in_frame_of(volume_node: Any, volume: Volume) -> Volume:
    """Return a volume of the world in the coordinates below the transform of a volume node.

    Raises:
        GeometryError: The transform is not linear.
    """
    to_world, own = world_matrix(volume_node), local_affine(volume_node)
    if volume_node.GetImageData() is not None:
        width, height, depth = volume_node.GetImageData().GetDimensions()
        grid = Volume(np.broadcast_to(np.uint8(0), (depth, height, width)), to_world @ own)
        if is_same_grid(volume, grid):
            return Volume(volume.array_kji, own)  # without the rounding of there and back
    return Volume(volume.array_kji, np.linalg.inv(to_world) @ volume.affine_ras)


def array_to_image(array_kji: NDArray[Any], image: Any = None) -> Any:
    """Copy an array into `image`, by default a new `vtkImageData`, whose own geometry is unit."""
    vtk = import_vtk()
    from vtk.util.numpy_support import numpy_to_vtk

    image = vtk.vtkImageData() if image is None else image
    depth, height, width = array_kji.shape
    image.SetDimensions(width, height, depth)
    scalars = numpy_to_vtk(_supported(array_kji).ravel(), deep=True)
    scalars.SetName("ImageScalars")
    image.GetPointData().SetScalars(scalars)
    return image


def image_to_array(image: Any) -> NDArray[Any]:
    """View the voxels of a `vtkImageData` as an array (k, j, i)."""
    from vtk.util.numpy_support import vtk_to_numpy

    width, height, depth = image.GetDimensions()
    scalars: NDArray[Any] = vtk_to_numpy(image.GetPointData().GetScalars())
    return scalars.reshape(depth, height, width)


def matrix_to_vtk(matrix: Affine) -> Any:
    """Return a 4x4 matrix as `vtkMatrix4x4`."""
    result = import_vtk().vtkMatrix4x4()
    result.DeepCopy([float(value) for value in matrix.ravel()])
    return result


def matrix_from_vtk(matrix: Any) -> Affine:
    """Return a `vtkMatrix4x4` as an array."""
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def place_beside(node: Any, neighbour: Any) -> None:
    """Put a node next to another in the subject hierarchy, where DICOM export looks for it."""
    scene = node.GetScene()
    hierarchy = import_slicer().vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    if hierarchy is None:
        return
    parent = hierarchy.GetItemParent(_hierarchy_item(hierarchy, neighbour))
    hierarchy.SetItemParent(_hierarchy_item(hierarchy, node), parent)


def _hierarchy_item(hierarchy: Any, node: Any) -> int:
    """Return a node's item; outside the application nothing makes items by itself."""
    item = int(hierarchy.GetItemByDataNode(node))
    return item or int(hierarchy.CreateItem(hierarchy.GetSceneItemID(), node))


def _supported(array_kji: NDArray[Any]) -> NDArray[Any]:
    """Return the array in a type that VTK has: native byte order, no bool, no half precision."""
    if array_kji.dtype == np.bool_:
        return np.ascontiguousarray(array_kji, dtype=np.uint8)
    if array_kji.dtype == np.float16:
        return np.ascontiguousarray(array_kji, dtype=np.float32)
    return np.ascontiguousarray(array_kji, dtype=array_kji.dtype.newbyteorder("="))
