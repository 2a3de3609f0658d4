"""What the worker wrote for a run: read and checked by any thread, placed by the scene's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from CrossModalSegLib.bridge.result_placement import (
    place_prepared,
    recipe_of_result,
    wanted_structures,
)
from CrossModalSegLib.bridge.run_request import RunInputs
from CrossModalSegLib.bridge.segment_preparation import PreparedSegment, prepare_segments
from CrossModalSegLib.bridge.segmentations import check_values
from CrossModalSegLib.bridge.structure_volumes import StructureVolume, measure_structures
from CrossModalSegLib.bridge.uncertainty_map import place_uncertainty
from CrossModalSegLib.bridge.volumes import in_frame_of, node_view
from CrossModalSegLib.core.errors import GeometryError
from CrossModalSegLib.core.geometry import Affine, require_same_grid
from CrossModalSegLib.core.tasks import Task
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.nrrd_reading import read_nrrd


@dataclass(frozen=True, kw_only=True, eq=False)
class RunResult:
    """Labels, sizes of structures, and where the model was unsure."""

    labels: Volume
    volumes: tuple[StructureVolume, ...]
    uncertainty: Volume | None


@dataclass(frozen=True, eq=False)
class Preparation:
    """Segments as they come into the scene, and the frame of the volume that they were made for."""

    affine_ras: Affine
    segments: list[PreparedSegment]


def read_result(
    outputs: Sequence[Path], grid: Volume, task: Task, structures: Sequence[str]
) -> RunResult:
    """Read what the worker wrote; any thread may.

    Args:
        outputs: The labels, and the uncertainty map if there is one.
        grid: Of the volume that was handed over.
        task: Of the model.
        structures: Names of those that are kept; none given: all.

    Raises:
        InputFileError: A file is missing or damaged.
        GeometryError: A result does not lie on the volume's grid.
        LabelError: The labels hold values that the task does not know.
    """
    label_path, *others = outputs
    labels = read_nrrd(label_path)
    require_same_grid(labels, grid, "The result", "the volume")
    check_values(labels, task, "The result")
    volumes = measure_structures(labels, task, structures)
    uncertainty = read_nrrd(others[0]) if others else None
    if uncertainty is not None:
        require_same_grid(uncertainty, grid, "The uncertainty map", "the volume")
    return RunResult(labels=labels, volumes=volumes, uncertainty=uncertainty)


def prepare_run_result(result: RunResult, inputs: RunInputs) -> Callable[[], Preparation]:
    """Look at the scene for what a thread needs to prepare the result's way into it.

    Returns:
        The work; any thread may do it.

    Raises:
        CrossModalSegError: The volume was changed so that the result does not belong to it.
    """
    volume_node, request, task = inputs.nodes[0], inputs.request, inputs.task
    local = in_frame_of(volume_node, _on_present_grid(result.labels, volume_node))
    recipe = recipe_of_result(volume_node, _output_of(inputs), with_surfaces=request.with_surfaces)
    wanted = wanted_structures(task, request.structures)
    return lambda: Preparation(
        local.affine_ras, prepare_segments(local, wanted, nested=task.nested, recipe=recipe)
    )


def place_run_result(
    result: RunResult, preparation: Preparation, inputs: RunInputs
) -> tuple[Any, Any] | None:
    """Put a result into the scene of its volume, where the volume is by now.

    Returns:
        The segmentation node, and the node of the uncertainty map or None; nothing if the volume
        was given another place since the result was prepared, which must then be done anew.

    Raises:
        CrossModalSegError: The volume was changed so that the result does not belong to it.
    """
    volume_node, request = inputs.nodes[0], inputs.request
    labels = _on_present_grid(result.labels, volume_node)
    if not np.array_equal(in_frame_of(volume_node, labels).affine_ras, preparation.affine_ras):
        return None
    name = f"{volume_node.GetName()} - {request.title}"
    node = place_prepared(
        preparation.segments,
        inputs.task,
        volume_node,
        volume_node.GetScene().GenerateUniqueName(name),
        output_node=_output_of(inputs),
        with_surfaces=request.with_surfaces,
    )
    if result.uncertainty is None:
        return node, None
    uncertainty = _on_present_grid(result.uncertainty, volume_node)
    return node, place_uncertainty(uncertainty, volume_node, node, f"{name} - uncertainty")


def _output_of(inputs: RunInputs) -> Any:
    """Return the segmentation to update, None if there is none, or not any more."""
    node = inputs.output_node
    return None if node is None or node.GetScene() is None else node


def _on_present_grid(volume: Volume, volume_node: Any) -> Volume:
    """Return voxels where those of the input are by now: it may have been moved."""
    present = node_view(volume_node)
    if present.shape_kji != volume.shape_kji:
        raise GeometryError(
            f"The volume {volume_node.GetName()!r} was given other voxels while it was segmented: "
            f"{present.shape_ijk} in place of {volume.shape_ijk}.",
            hint="Apply the model to it again.",
        )
    return Volume(volume.array_kji, present.affine_ras)
