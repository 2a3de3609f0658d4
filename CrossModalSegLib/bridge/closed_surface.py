"""Closed surfaces as Slicer makes them, by a thread beside the program's own.

Slicer's own conversion keeps Python's lock from beginning to end; VTK's filters give it back while
they work. Whether they were put together as the Slicer at hand does it is tried on a small shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.bridge.scene import import_slicer, import_vtk
from CrossModalSegLib.bridge.segments import without_empty_margins
from CrossModalSegLib.bridge.volumes import (
    array_to_image,
    image_to_array,
    matrix_from_vtk,
    matrix_to_vtk,
)
from CrossModalSegLib.core.geometry import Affine

ITERATIONS = 20
"""Of the smoothing in earlier Slicers, whatever the smoothing factor (0 to 1)."""

ITERATIONS_BY_FACTOR = 40
"""How many more a smoothing factor of 1 adds in Slicer 5.12."""

_TRIAL_SHAPE = (7, 8, 9)


@dataclass(frozen=True)
class SurfaceRecipe:
    """How surfaces are smoothed, by a windowed sinc filter.

    Attributes:
        pass_band: Of the filter, 0 to 2 as VTK counts it; less is smoother.
        iterations: Of the filter; 0: no smoothing.
    """

    pass_band: float
    iterations: int


@dataclass(frozen=True, eq=False)
class SegmentVoxels:
    """Voxels of a segment, good for any thread.

    Attributes:
        array_kji: (k, j, i), values of all segments of an image.
        value: Of this segment.
        first_ijk: Voxel index of the array's first element.
        affine: 4x4, from voxel index to the segmentation's own coordinates in mm.
    """

    array_kji: NDArray[Any]
    value: int
    first_ijk: tuple[int, int, int]
    affine: Affine

    @classmethod
    def of_image(cls, image: Any, value: int, array_kji: NDArray[Any] | None = None) -> Self:
        """Return the voxels of a `vtkOrientedImageData`.

        Args:
            image: Where they are.
            value: Of the segment.
            array_kji: A copy of the image's voxels; None: look at the image's own.
        """
        i, _, j, _, k, _ = image.GetExtent()
        matrix = import_vtk().vtkMatrix4x4()
        image.GetImageToWorldMatrix(matrix)
        array_kji = image_to_array(image) if array_kji is None else array_kji
        return cls(array_kji, value, (i, j, k), matrix_from_vtk(matrix))


def surface_recipe(segmentation: Any) -> SurfaceRecipe | None:
    """Return how Slicer makes the surfaces of a segmentation, by its conversion parameters.

    Returns:
        None where surfaces made by `closed_surface` would not be exactly Slicer's: it was told to
        decimate them, to smooth several as one, or makes them in a way that is not known here.
    """
    rule = import_slicer().vtkBinaryLabelmapToClosedSurfaceConversionRule()
    joint = segmentation.GetConversionParameter(rule.GetJointSmoothingParameterName())
    if joint not in {"", "0"}:
        return None
    factor = float(segmentation.GetConversionParameter(rule.GetSmoothingFactorParameterName()) or 0)
    pass_band = 10.0 ** (-4 * factor)
    trial = _trial_voxels()
    slicers = slicers_surface(segmentation, _oriented_image(trial), trial.value)
    for iterations in (round(ITERATIONS + ITERATIONS_BY_FACTOR * factor), ITERATIONS):
        recipe = SurfaceRecipe(pass_band, iterations if factor > 0 else 0)
        if _is_same(closed_surface(trial, recipe), slicers):
            return recipe
    return None


def slicers_surface(segmentation: Any, image: Any, value: int) -> Any:
    """Return the closed surface that Slicer makes of an image's value, None if it makes none.

    Args:
        segmentation: Gives the conversion parameters, and stays as it is.
        image: A `vtkOrientedImageData`.
        value: Of the voxels inside.
    """
    slicer = import_slicer()
    converter = slicer.vtkSegmentationConverter
    labelmap = converter.GetBinaryLabelmapRepresentationName()
    closed = converter.GetClosedSurfaceRepresentationName()
    alone = slicer.vtkSegmentation()
    alone.SetSourceRepresentationName(labelmap)
    alone.CopyConversionParameters(segmentation)
    segment = slicer.vtkSegment()
    segment.SetLabelValue(value)
    segment.AddRepresentation(labelmap, image)
    alone.AddSegment(segment, "alone")
    alone.CreateRepresentation(closed)
    return segment.GetRepresentation(closed)


def closed_surface(voxels: SegmentVoxels, recipe: SurfaceRecipe) -> Any:
    """Return a segment's closed surface, an empty one of an empty segment; any thread may.

    Returns:
        `vtkPolyData` with normals, in the segmentation's own coordinates.
    """
    vtk = import_vtk()
    inside, first_ijk = _with_margin(voxels)
    if inside is None:
        return vtk.vtkPolyData()
    i, j, k = first_ijk
    depth, height, width = inside.shape
    image = array_to_image(inside)
    image.SetExtent(i, i + width - 1, j, j + height - 1, k, k + depth - 1)
    edges = vtk.vtkDiscreteFlyingEdges3D()
    edges.SetInputData(image)
    edges.SetValue(0, 1)
    edges.ComputeNormalsOff()
    edges.ComputeGradientsOff()
    edges.ComputeScalarsOff()
    last = edges
    if recipe.iterations:
        last = _smoother(recipe)
        last.SetInputConnection(edges.GetOutputPort())
    transform = vtk.vtkTransform()
    transform.SetMatrix(matrix_to_vtk(voxels.affine))
    placed = vtk.vtkTransformPolyDataFilter()
    placed.SetTransform(transform)
    placed.SetInputConnection(last.GetOutputPort())
    normals = vtk.vtkPolyDataNormals()
    normals.ConsistencyOn()
    normals.SplittingOff()
    normals.SetInputConnection(placed.GetOutputPort())
    normals.Update()
    return normals.GetOutput()


def _smoother(recipe: SurfaceRecipe) -> Any:
    smoother = import_vtk().vtkWindowedSincPolyDataFilter()
    smoother.SetPassBand(recipe.pass_band)
    smoother.SetNumberOfIterations(recipe.iterations)
    smoother.BoundarySmoothingOff()
    smoother.FeatureEdgeSmoothingOff()
    smoother.NonManifoldSmoothingOn()
    smoother.NormalizeCoordinatesOn()
    return smoother


def _with_margin(
    voxels: SegmentVoxels,
) -> tuple[NDArray[np.uint8] | None, tuple[int, int, int]]:
    """Return 1 inside and 0 outside with a margin, and where it begins (i, j, k); None if empty."""
    inside, (k, j, i) = without_empty_margins(voxels.array_kji == voxels.value)
    if not inside.any():
        return None, voxels.first_ijk
    first_i, first_j, first_k = voxels.first_ijk
    return np.pad(inside.astype(np.uint8), 1), (first_i + i - 1, first_j + j - 1, first_k + k - 1)


def _trial_voxels() -> SegmentVoxels:
    """Return a small shape without symmetry, on a mirrored and oblique grid."""
    array_kji = np.zeros(_TRIAL_SHAPE, np.uint8)
    array_kji[1:6, 1:5, 2:7] = 1
    array_kji[2:4, 4:7, 1:4] = 1
    array_kji[3:5, 2:4, 3:8] = 2
    affine = np.array(
        [[0.0, -1.2, 0.0, 11.0], [0.72, 0.0, 1.28, -7.0], [-0.54, 0.0, 1.5, 3.0], [0, 0, 0, 1]]
    )
    affine[:3, 2] = np.cross(affine[:3, 1], affine[:3, 0])
    return SegmentVoxels(array_kji, 1, (0, 0, 0), affine)


def _oriented_image(voxels: SegmentVoxels) -> Any:
    image = import_slicer().vtkOrientedImageData()
    array_to_image(voxels.array_kji, image)
    image.SetImageToWorldMatrix(matrix_to_vtk(voxels.affine))
    return image


def _is_same(one: Any, other: Any) -> bool:
    """Tell whether two surfaces have the same points, normals and triangles."""
    from vtk.util.numpy_support import vtk_to_numpy

    if other is None or other.GetPointData().GetNormals() is None:
        return False
    pairs = (
        (one.GetPoints().GetData(), other.GetPoints().GetData()),
        (one.GetPointData().GetNormals(), other.GetPointData().GetNormals()),
        (one.GetPolys().GetConnectivityArray(), other.GetPolys().GetConnectivityArray()),
    )
    return all(np.array_equal(vtk_to_numpy(a), vtk_to_numpy(b)) for a, b in pairs)
