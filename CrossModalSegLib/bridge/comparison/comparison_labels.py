"""What the methods and the reference say of each voxel of the volume, found out bit by bit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.bridge.comparison.comparison import Comparison
from CrossModalSegLib.bridge.comparison.segment_matching import find_segment
from CrossModalSegLib.bridge.comparison.segment_sampling import make_voxels, sample_segment
from CrossModalSegLib.bridge.segmentations import structures_of
from CrossModalSegLib.bridge.volumes import node_view
from CrossModalSegLib.core.tasks import Task
from CrossModalSegLib.core.volume import Volume

REFERENCE = ""
"""Stands for the reference, among names of methods."""


class ComparisonLabels:
    """Label maps on the volume's grid, sampled one structure at a time, kept until they change.

    Args:
        comparison: Whose segmentations are looked at.

    Raises:
        GeometryError: The volume is under a transform that is not linear.
        InputFileError: The volume is empty.
    """

    def __init__(self, comparison: Comparison) -> None:
        self._comparison = comparison
        view = node_view(comparison.volume)
        self.grid = Volume(np.broadcast_to(np.uint8(0), view.shape_kji), view.affine_ras)
        self._maps: dict[str, NDArray[np.uint8]] = {}
        self._times: dict[str, int] = {}
        self.version = 0
        """Grows with each label map that is sampled."""
        self._steps: Iterator[None] = iter(())
        self._begin()

    @property
    def is_ready(self) -> bool:
        """Whether everything has been sampled and nothing was changed since."""
        return not self._stale()

    def step(self) -> bool:
        """Sample one structure of one segmentation; return whether all is done.

        Raises:
            GeometryError: A segmentation is under a transform that is not linear.
        """
        if next(self._steps, "end") == "end" and self._stale():
            self._begin()
        return self.is_ready

    def finish(self) -> None:
        """Sample all that is left.

        Raises:
            GeometryError: A segmentation is under a transform that is not linear.
        """
        while not self.step():
            pass

    def of(self, name: str) -> NDArray[np.uint8]:
        """Return the label map (k, j, i) of a method, or with `REFERENCE` that of the reference."""
        return self._maps[name]

    def mask(self, name: str, structure: str) -> NDArray[np.bool_]:
        """Return where a method sees a structure (k, j, i)."""
        values = next(e.values for e in structures_of(self._comparison.task) if e.name == structure)
        is_wanted = np.zeros(256, bool)
        is_wanted[list(values)] = True
        found: NDArray[np.bool_] = is_wanted[self._maps[name]]
        return found

    def _begin(self) -> None:
        self._steps = self._sample()

    def _nodes(self) -> Mapping[str, Any]:
        nodes = {shown.name: shown.segmentation for shown in self._comparison.methods}
        if self._comparison.reference is not None:
            nodes[REFERENCE] = self._comparison.reference
        return nodes

    def _stale(self) -> dict[str, Any]:
        """Return the segmentations that have to be sampled, again or for the first time."""
        nodes = self._nodes().items()
        return {name: node for name, node in nodes if self._times.get(name) != _time(node)}

    def _sample(self) -> Iterator[None]:
        for name, node in self._stale().items():
            make_voxels(node)
            time = _time(node)
            labels = np.zeros(self.grid.shape_kji, np.uint8)
            for value, segment_id in _painted(node, self._comparison.task):
                sample_segment(node, segment_id, self.grid, labels, value)
                yield
            self._maps[name] = labels
            self._times[name] = time
            self.version += 1
            yield


def _painted(node: Any, task: Task) -> Iterator[tuple[int, str]]:
    """Yield class values and the segments to paint them with, inner structures after outer ones.

    What an outer structure keeps after the next inner one has taken its classes is one class.
    """
    structures = sorted(structures_of(task), key=lambda entry: -len(entry.values))
    for index, entry in enumerate(structures):
        own = set(entry.values)
        for inner in structures[index + 1 :]:
            if set(inner.values) < set(entry.values):
                own -= set(inner.values)
        segment_id = find_segment(node, entry, task)
        if segment_id:
            yield min(own), segment_id


def _time(node: Any) -> int:
    """Return a number that changes with the segments and with where they are."""
    segmentation, transform = node.GetSegmentation(), node.GetParentTransformNode()
    times = [segmentation.GetMTime()]
    times += [segmentation.GetSegment(each).GetMTime() for each in segmentation.GetSegmentIDs()]
    if transform is not None:
        times.append(transform.GetTransformToWorldMTime())
    return int(max(times))
