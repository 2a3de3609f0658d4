"""DICOM objects that hold labels: which structures, of which series.

Segmentations (SEG: binary, fractional and label maps) and structure sets (RTSTRUCT). What they say
of their series and structures is read here, their voxels by `data.dicom_segment_voxels` and
`data.dicom_contour_voxels`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from CrossModalSegLib.core.tasks import CodedConcept
from CrossModalSegLib.data.dicom_files import dicom_dataset, first, sop_class
from CrossModalSegLib.data.structures import Structure

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

SEGMENTATION, STRUCTURE_SET = "segmentation object (SEG)", "structure set (RTSTRUCT)"

_KINDS = {
    "1.2.840.10008.5.1.4.1.1.66.4": SEGMENTATION,
    "1.2.840.10008.5.1.4.1.1.66.7": SEGMENTATION,
    "1.2.840.10008.5.1.4.1.1.481.3": STRUCTURE_SET,
}
"""By SOP class; the second is the SEG of label maps."""


@dataclass(frozen=True, kw_only=True)
class LabelObject:
    """A file that holds labels.

    Attributes:
        path: The file.
        kind: What it is, in words.
        series: UIDs of the series that it was drawn on.
        frames_of_reference: UIDs of the coordinate systems that it is given in.
        structures: What was drawn.
    """

    path: Path
    kind: str
    series: frozenset[str]
    frames_of_reference: frozenset[str]
    structures: tuple[Structure, ...]


def label_kind(path: Path) -> str:
    """Return which kind of label object a DICOM file is, by its SOP class; "" for others."""
    return _KINDS.get(sop_class(path), "")


def read_label_object(path: Path) -> LabelObject:
    """Read what a label object holds, without its voxels.

    Raises:
        InputFileError: The file is damaged, or lacks what the standard asks for.
    """
    with dicom_dataset(path) as dataset:
        is_segmentation = _KINDS.get(str(dataset.SOPClassUID)) == SEGMENTATION
        read = _read_segmentation if is_segmentation else _read_structure_set
        return read(path, dataset)


def objects_of_series(
    objects: Sequence[LabelObject], series_uid: str, frame_of_reference: str
) -> list[LabelObject]:
    """Return the objects that were drawn on a series; or else those in its coordinate system.

    Scans of one session may share a coordinate system; then a segmentation of one holds for all.
    """
    own = [entry for entry in objects if series_uid in entry.series]
    return own or [entry for entry in objects if frame_of_reference in entry.frames_of_reference]


def _read_segmentation(path: Path, dataset: Dataset) -> LabelObject:
    frame_of_reference = str(dataset.get("FrameOfReferenceUID", ""))
    return LabelObject(
        path=path,
        kind=SEGMENTATION,
        series=frozenset(
            str(item.SeriesInstanceUID) for item in dataset.get("ReferencedSeriesSequence", ())
        ),
        frames_of_reference=frozenset({frame_of_reference} - {""}),
        structures=tuple(
            Structure(
                number=int(item.SegmentNumber),
                name=str(item.get("SegmentLabel", "")),
                type=_code(first(item, "SegmentedPropertyTypeCodeSequence")),
                modifier=_modifier(first(item, "SegmentedPropertyTypeCodeSequence")),
            )
            for item in dataset.SegmentSequence
        ),
    )


def _read_structure_set(path: Path, dataset: Dataset) -> LabelObject:
    series, frames = set(), set()
    for reference in dataset.get("ReferencedFrameOfReferenceSequence", ()):
        frames.add(str(reference.get("FrameOfReferenceUID", "")))
        for study in reference.get("RTReferencedStudySequence", ()):
            for item in study.get("RTReferencedSeriesSequence", ()):
                series.add(str(item.SeriesInstanceUID))
    codes = {
        int(item.ReferencedROINumber): first(item, "RTROIIdentificationCodeSequence")
        for item in dataset.get("RTROIObservationsSequence", ())
    }
    structures = []
    for item in dataset.StructureSetROISequence:
        frames.add(str(item.get("ReferencedFrameOfReferenceUID", "")))
        number = int(item.ROINumber)
        code = codes.get(number)
        structures.append(
            Structure(
                number=number,
                name=str(item.get("ROIName", "")),
                type=_code(code),
                modifier=_modifier(code),
            )
        )
    return LabelObject(
        path=path,
        kind=STRUCTURE_SET,
        series=frozenset(series),
        frames_of_reference=frozenset(frames - {""}),
        structures=tuple(structures),
    )


def _modifier(item: Dataset | None) -> CodedConcept | None:
    """Return the modifier of a code: a side, say."""
    return _code(first(item, "SegmentedPropertyTypeModifierCodeSequence")) if item else None


def _code(item: Dataset | None) -> CodedConcept | None:
    if item is None:
        return None
    scheme, value = str(item.get("CodingSchemeDesignator", "")), str(item.get("CodeValue", ""))
    return CodedConcept(scheme=scheme, value=value, meaning=str(item.get("CodeMeaning", "")))
