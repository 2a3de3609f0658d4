"""Volumes and methods for tests of comparisons, and the views that an application would make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from CrossModalSegLib.bridge.comparison.comparison import Comparison, Shown
from CrossModalSegLib.bridge.comparison.comparison_grid import ComparisonGrid
from CrossModalSegLib.bridge.result_placement import place_segments
from CrossModalSegLib.bridge.scene import HeadlessScene, import_slicer
from CrossModalSegLib.bridge.views import Picture, SliceView
from CrossModalSegLib.bridge.volumes import set_window, volume_to_node
from CrossModalSegLib.core.tasks import TASKS, Task
from CrossModalSegLib.core.volume import Volume

CARDIAC = TASKS["cardiac"]
COLOURS = {entry.value: np.array(entry.colour) for entry in CARDIAC.classes}


def add_volume(session: HeadlessScene, grid: Volume, name: str = "scan") -> Any:
    """Add a black scan."""
    node = volume_to_node(grid.with_array(np.zeros(grid.shape_kji, np.float32)), session.mrml, name)
    set_window(node, 0.0, 100.0)
    return node


def compare(
    volume: Any,
    methods: Sequence[Volume],
    reference: Volume | None = None,
    *,
    task: Task = CARDIAC,
) -> Comparison:
    """Put label maps into the scene as methods "m1", "m2"... and as their reference."""
    shown = [
        Shown(f"m{number}", f"Method {number}", place_segments(labels, task, volume, f"M{number}"))
        for number, labels in enumerate(methods, start=1)
    ]
    true = None if reference is None else place_segments(reference, task, volume, "Expert")
    return Comparison(volume, task, tuple(shown), true)


def only(labels: Volume, value: int) -> Volume:
    """Return what has one value, the rest being background."""
    return labels.with_array(np.where(labels.array_kji == value, value, 0).astype(np.uint8))


def shifted(labels: Volume, voxels: int, axis: int = 2) -> Volume:
    """Return labels moved along an axis of the array; what leaves comes in at the other side."""
    return labels.with_array(np.roll(labels.array_kji, voxels, axis=axis))


def linking(session: HeadlessScene) -> Any:
    """Return what links views in the application; make it before the views."""
    logic = import_slicer().vtkMRMLSliceLinkLogic()
    logic.SetMRMLApplicationLogic(session.application)
    logic.SetMRMLScene(session.mrml)
    session.on_close(lambda: logic.SetMRMLScene(None))
    return logic


def settle(grid: ComparisonGrid) -> None:
    """Let everything be done that takes time."""
    for _ in range(1000):
        grid.poll()
        if not grid.is_busy:
            break
    grid.poll()
    assert not grid.is_busy


def draw(views: Sequence[SliceView], size_px: int) -> list[Picture]:
    """Draw what the nodes of the views say."""
    return [view.render_as_set(size_px) for view in views]


def has_colour(picture: Picture, colour: Any, *, tolerance: int = 3) -> bool:
    """Tell whether a picture has at least ten pixels of a colour."""
    near = np.abs(picture.astype(int) - np.asarray(colour)).max(axis=2) <= tolerance
    return int(near.sum()) >= 10
