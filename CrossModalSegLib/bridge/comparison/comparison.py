"""What is compared: one volume, the segmentations of it, and what they are held against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from CrossModalSegLib.core.tasks import Task

MIN_METHODS = 2
MAX_METHODS = 8


@dataclass(frozen=True, eq=False)
class Shown:
    """A method that takes part.

    Attributes:
        name: Unique among the methods of a comparison; of a model its name, otherwise of the form
            of a file name.
        label: What people read, in corners, tables and figures.
        segmentation: Its `vtkMRMLSegmentationNode`.
    """

    name: str
    label: str
    segmentation: Any


@dataclass(frozen=True, eq=False)
class Comparison:
    """One volume with what methods found in it. Of several volumes, there is one for each.

    Attributes:
        volume: `vtkMRMLScalarVolumeNode` that was segmented.
        task: Which structures are looked for, in all segmentations.
        methods: In the order of the columns.
        reference: `vtkMRMLSegmentationNode` that is held to be true; None: there is none.
    """

    volume: Any
    task: Task
    methods: tuple[Shown, ...]
    reference: Any | None = None

    @property
    def is_whole(self) -> bool:
        """Whether all its nodes are still in a scene."""
        nodes = [self.volume, *(shown.segmentation for shown in self.methods)]
        if self.reference is not None:
            nodes.append(self.reference)
        return all(node.GetScene() is not None for node in nodes)
