"""Volumes and segmentations of the scene as a data set on the disk, without keeping Slicer waiting.

The data set is a list, `cases.csv`, beside its files: an image and, of pairs, a segmentation for
each case. Whose scan it is comes from the subject hierarchy where that knows the patient.
"""

from __future__ import annotations

import csv
import io
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from CrossModalSegLib.bridge.scene import import_slicer
from CrossModalSegLib.bridge.training.data_choice import ScenePairs, SceneVolumes
from CrossModalSegLib.bridge.training.drawn_segments import DrawnSegment, copy_segment, write_drawn
from CrossModalSegLib.bridge.volume_export import VolumeCopy, write_exchange_file
from CrossModalSegLib.core.errors import LabelError, storage_errors
from CrossModalSegLib.data.case_ids import safe_case_id

LIST_FILE = "cases.csv"
IMAGES, LABELS = "images", "labels"


@dataclass
class _Case:
    """One volume on its way.

    Attributes:
        name: Of its files.
        subject: Whose scan it is.
        label_node: A segmentation, a label map, or None.
    """

    name: str
    subject: str
    volume_node: Any
    label_node: Any
    image: VolumeCopy | None = None
    labels: VolumeCopy | None = None
    segments: list[DrawnSegment] | None = None


class SceneExport:
    """Copies nodes on the thread that owns the scene, a part at a time, and writes them in another.

    Args:
        data: What to export.
        folder: Exists, and gets the files.

    Raises:
        CrossModalSegError: A node is empty or under a transform that is not linear.
    """

    def __init__(self, data: ScenePairs | SceneVolumes, folder: Path) -> None:
        self.root = folder / LIST_FILE
        """What `prepare` is to read."""
        self._folder = folder
        pairs = data.pairs if isinstance(data, ScenePairs) else [(v, None) for v in data.volumes]
        self._cases = _named(pairs)
        self._pending = deque(self._cases)
        self._segment_ids: deque[str] = deque()
        self._has_list = False

    @property
    def count(self) -> int:
        """How many cases there are."""
        return len(self._cases)

    @property
    def done(self) -> int:
        """How many cases were copied."""
        return len(self._cases) - len(self._pending)

    @property
    def is_copied(self) -> bool:
        """Whether everything was copied and written."""
        return self._has_list

    def step(self, seconds: float) -> Callable[[], None] | None:
        """Copy voxels for about so long.

        Returns:
            What another thread is to do before the next step: write the case that is whole now,
            or the list of all.

        Raises:
            CrossModalSegError: A node is empty, was changed so that it cannot be used any more, or
                is under a transform that is not linear.
        """
        if not self._pending:
            return None if self._has_list else self._write_list
        end = time.perf_counter() + seconds
        case = self._pending[0]
        while not self._copy_part(case):
            if time.perf_counter() >= end:
                return None
        self._pending.popleft()
        return partial(self._write_case, case)

    def without_paths(self, text: str) -> str:
        """Name nodes in a message, not the files by which they were handed over."""
        for case in self._cases:
            image, label = self._folder / _image_path(case), self._folder / _label_path(case)
            text = text.replace(str(image), f"The volume {case.volume_node.GetName()!r}")
            if case.label_node is not None:
                text = text.replace(str(label), f"The segmentation {case.label_node.GetName()!r}")
        return text

    def _write_case(self, case: _Case) -> None:
        """Write a case and forget its voxels; any thread may."""
        image, labels, segments = case.image, case.labels, case.segments
        for name in (IMAGES, LABELS):
            with storage_errors(self._folder):
                (self._folder / name).mkdir(exist_ok=True)
        if image is not None:
            write_exchange_file(image.volume, self._folder / _image_path(case))
        if labels is not None:
            write_exchange_file(labels.volume, self._folder / _label_path(case))
        elif image is not None and segments is not None:
            path = self._folder / _label_path(case)
            with storage_errors(path):
                write_drawn(segments, image.volume, path)
        case.image = case.labels = case.segments = None

    def _write_list(self) -> None:
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(("image", "label", "subject", "case"))
        for case in self._cases:
            label = _label_path(case) if case.label_node is not None else ""
            writer.writerow((_image_path(case), label, case.subject, case.name))
        with storage_errors(self.root):
            self.root.write_text(text.getvalue(), encoding="utf-8")
        self._has_list = True

    def _copy_part(self, case: _Case) -> bool:
        """Copy some slices or one segment; return whether the case is whole."""
        if case.image is None:
            case.image = VolumeCopy(case.volume_node)
            self._begin_labels(case)
            return False
        if not case.image.step():
            return False
        if case.labels is not None:
            return case.labels.step()
        if case.segments is not None and self._segment_ids:
            case.segments.append(copy_segment(case.label_node, self._segment_ids.popleft()))
        return not self._segment_ids

    def _begin_labels(self, case: _Case) -> None:
        node = case.label_node
        if node is None:
            return
        if not node.IsA("vtkMRMLSegmentationNode"):
            case.labels = VolumeCopy(node)
            return
        self._segment_ids = deque(node.GetSegmentation().GetSegmentIDs())
        if not self._segment_ids:
            raise LabelError(
                f"The segmentation {node.GetName()!r} has no segments; expected the task's "
                "structures.",
                hint="Choose another segmentation.",
            )
        case.segments = []


def subject_of(node: Any) -> str:
    """Return whose scan a volume is by the subject hierarchy; "" where that does not know."""
    slicer = import_slicer()
    scene = node.GetScene()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = hierarchy.GetItemByDataNode(node) if hierarchy is not None else 0
    if not item:
        return ""
    names = slicer.vtkMRMLSubjectHierarchyConstants
    patient = hierarchy.GetAttributeFromItemAncestor(
        item, names.GetDICOMPatientIDAttributeName(), names.GetDICOMLevelPatient()
    )
    return str(patient or "").strip()


def _named(pairs: Sequence[tuple[Any, Any]]) -> list[_Case]:
    """Return the cases with names that differ, capitals or not."""
    taken: set[str] = set()
    cases = []
    for volume_node, label_node in pairs:
        wished = safe_case_id(volume_node.GetName() or "volume")
        name, number = wished, 2
        while name.casefold() in taken:
            name, number = f"{wished}-{number}", number + 1
        taken.add(name.casefold())
        subject = subject_of(volume_node) or name
        cases.append(_Case(name, subject, volume_node, label_node))
    return cases


def _image_path(case: _Case) -> str:
    return f"{IMAGES}/{case.name}.nrrd"


def _label_path(case: _Case) -> str:
    is_drawn = case.label_node is not None and case.label_node.IsA("vtkMRMLSegmentationNode")
    return f"{LABELS}/{case.name}{'.seg.nrrd' if is_drawn else '.nrrd'}"
