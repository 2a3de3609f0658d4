"""Label maps of a task and Slicer's segmentations: names, colours, terminology, surfaces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.bridge.scene import import_slicer, import_vtk
from CrossModalSegLib.bridge.segments import (
    colour_fractions,
    make_segment,
    oriented_image,
    structure_images,
)
from CrossModalSegLib.bridge.volumes import (
    image_to_array,
    matrix_to_vtk,
    place_beside,
    world_matrix,
)
from CrossModalSegLib.core.errors import LabelError
from CrossModalSegLib.core.geometry import check_affine
from CrossModalSegLib.core.tasks import Colour, Region, Task
from CrossModalSegLib.core.volume import Volume


def labels_to_node(
    labels: Volume,
    task: Task,
    scene: Any,
    name: str,
    *,
    reference: Any = None,
    with_surfaces: bool = True,
) -> Any:
    """Add a label map to a scene as a segmentation with one segment for each structure.

    Structures that are not in the label map become empty segments, so that a result always lists
    the same structures.

    Args:
        labels: Values of the task's classes.
        task: Gives names, colours, terminology, and whether structures are nested: then they
            become overlapping segments.
        scene: A `vtkMRMLScene`, `slicer.mrmlScene` for example.
        name: What users see.
        reference: Volume node that was segmented; gives the reference geometry and the place in
            the subject hierarchy.
        with_surfaces: Whether to make closed surfaces, for 3D views.

    Raises:
        LabelError: The label map holds values that the task does not know.
        GeometryError: The grid is sheared or degenerate.
    """
    check_affine(labels.affine_ras, name)
    check_values(labels, task, name)
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    node.SetSourceRepresentationToBinaryLabelmap()
    structures = structures_of(task)
    for structure, image, label_value in structure_images(labels, structures, nested=task.nested):
        segment = make_segment(structure, image, label_value)
        node.GetSegmentation().AddSegment(segment, structure.name)
    _set_reference_geometry(node, labels, reference)
    if with_surfaces:
        node.CreateClosedSurfaceRepresentation()
    return node


def node_to_labels(node: Any, task: Task, grid: Volume) -> Volume:
    """Sample a segmentation of a task on the grid of `grid`, parent transforms applied.

    Segments are found by the task's structure names, as identifier or as segment name. Where
    segments of a task that is not nested overlap, the later structure wins.

    Raises:
        LabelError: The segmentation has none of the task's structures.
        GeometryError: The node is under a transform that is not linear.
    """
    structures = structures_of(task)
    found = {entry.name: _segment_id(node, entry) for entry in structures}
    if not any(found.values()):
        raise LabelError(
            f"Segmentation {node.GetName()!r} has none of the structures of {task.label}; expected "
            f"some of {', '.join(entry.label for entry in structures)}.",
            hint="Choose another segmentation, or rename its segments.",
        )
    masks = [
        _mask(node, found[entry.name], grid)
        if found[entry.name]
        else np.zeros(grid.shape_kji, bool)
        for entry in structures
    ]
    return Volume(_merge(masks, structures), grid.affine_ras)


def structures_of(task: Task) -> tuple[Region, ...]:
    """Return what a task is shown as: its regions when nested, otherwise one for each class."""
    if task.nested:
        return task.regions
    return tuple(
        Region(
            name=entry.name,
            label=entry.label,
            values=(entry.value,),
            colour=entry.colour,
            terminology=entry.terminology,
        )
        for entry in task.classes
    )


def volume_of(node: Any) -> Any:
    """Return the volume node that a segmentation was made of, None if it is gone."""
    return node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole())


def style_as_fill(node: Any, *, fill_opacity: float = 0.45, outline_thickness: int = 2) -> None:
    """Show segments in their colours, filled and outlined."""
    display = node.GetDisplayNode()
    display.Visibility2DFillOn()
    display.Visibility2DOutlineOn()
    display.SetOpacity2DFill(fill_opacity)
    display.SetOpacity2DOutline(1.0)
    display.SetSliceIntersectionThickness(outline_thickness)


def style_as_outline(node: Any, colour: Colour, *, thickness: int = 2) -> None:
    """Show segments as outlines of one colour in slices, and not at all in 3D."""
    display = node.GetDisplayNode()
    display.Visibility2DFillOff()
    display.Visibility2DOutlineOn()
    display.SetOpacity2DOutline(1.0)
    display.SetSliceIntersectionThickness(thickness)
    display.Visibility3DOff()
    for segment_id in node.GetSegmentation().GetSegmentIDs():
        display.SetSegmentOverrideColor(segment_id, *colour_fractions(colour))


def _set_reference_geometry(node: Any, labels: Volume, reference: Any) -> None:
    if reference is not None:
        node.SetReferenceImageGeometryParameterFromVolumeNode(reference)
        place_beside(node, reference)
        return
    converter = import_slicer().vtkSegmentationConverter
    empty = oriented_image(labels.array_kji, labels)
    node.GetSegmentation().SetConversionParameter(
        converter.GetReferenceImageGeometryParameterName(), converter.SerializeImageGeometry(empty)
    )


def _mask(node: Any, segment_id: str, grid: Volume) -> NDArray[np.bool_]:
    """Sample one segment on a grid."""
    slicer, vtk = import_slicer(), import_vtk()
    segment_image = slicer.vtkOrientedImageData()
    node.GetBinaryLabelmapRepresentation(segment_id, segment_image)
    if segment_image.IsEmpty():
        return np.zeros(grid.shape_kji, dtype=bool)
    to_world = vtk.vtkTransform()
    to_world.SetMatrix(matrix_to_vtk(world_matrix(node)))
    target = oriented_image(np.zeros(grid.shape_kji, dtype=np.uint8), grid)
    sampled = slicer.vtkOrientedImageData()
    slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
        segment_image, target, sampled, 0, 0, to_world
    )
    mask: NDArray[np.bool_] = image_to_array(sampled) != 0
    return mask


def _merge(masks: Sequence[NDArray[np.bool_]], structures: Sequence[Region]) -> NDArray[np.uint8]:
    """Paint structures from the one of most classes to the one of fewest, inner over outer.

    What an outer structure keeps after the next inner one has taken its classes is one class.
    """
    merged = np.zeros(masks[0].shape, dtype=np.uint8)
    order = sorted(range(len(masks)), key=lambda index: -len(structures[index].values))
    for position, index in enumerate(order):
        own = set(structures[index].values)
        for inner in order[position + 1 :]:
            if set(structures[inner].values) < set(structures[index].values):
                own -= set(structures[inner].values)
        if len(own) != 1:
            raise LabelError(
                f"Structure {structures[index].label!r} stands for several classes "
                f"({sorted(own)}); expected one that no inner structure has.",
                hint="Read the label map from its file instead.",
            )
        merged[masks[index]] = own.pop()
    return merged


def _segment_id(node: Any, structure: Region) -> str:
    segmentation = node.GetSegmentation()
    if segmentation.GetSegment(structure.name) is not None:
        return structure.name
    for name in (structure.label, structure.name):
        segment_id = segmentation.GetSegmentIdBySegmentName(name)
        if segment_id:
            return str(segment_id)
    return ""


def check_values(labels: Volume, task: Task, name: str) -> None:
    """Refuse label maps with values that a task does not know.

    Raises:
        LabelError: See above.
    """
    is_unsigned = labels.array_kji.dtype.kind == "u"
    if is_unsigned and labels.array_kji.size and labels.array_kji.max() < task.num_classes:
        return
    unknown = sorted(set(np.unique(labels.array_kji).tolist()) - set(task.known_values))
    if unknown:
        raise LabelError(
            f"{name!r} holds the label values {unknown}; {task.label} knows "
            f"{list(task.known_values)}.",
            hint="Choose the task that the labels belong to.",
        )
