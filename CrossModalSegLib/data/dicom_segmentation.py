"""Segmentations as DICOM segmentation objects (SEG) of the series that was segmented.

Format: DICOM PS3.3, A.51 and C.8.20. Frames lie where the series' own slices lie, and name them as
their sources. highdicom and pydicom write it; they are imported when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib import __version__
from CrossModalSegLib.core.errors import GeometryError, InputFileError, MissingDependencyError
from CrossModalSegLib.core.geometry import describe_grid, ras_to_lps
from CrossModalSegLib.core.tasks import CodedConcept, Region, StructureClass, Task
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.dicom_frames import FrameLayout, frame_layout
from CrossModalSegLib.data.slicer_segments import UNSPECIFIED
from CrossModalSegLib.data.volume_files import new_file, require_known_labels

DICOM_SUFFIX = ".dcm"

MANUFACTURER = "CrossModalSeg contributors"
PRODUCT = "CrossModalSeg"

SERIES_NUMBER_STEP = 100
"""Added to the number of the source series, so that the result is listed after it."""

_LAST_SERIES_NUMBER = 2**31 - 1 - SERIES_NUMBER_STEP

_LONG_STRING = 64
"""Characters of DICOM's value representation LO."""

_REQUIRED_EVEN_IF_EMPTY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber"),
    *("StudyID", "StudyDate", "StudyTime"),
)
"""Tags of type 2 that anonymisation often removes altogether; the object then has them empty."""

_SEXES = ("M", "F", "O", "")


@dataclass(frozen=True, kw_only=True)
class DicomOrigin:
    """What was segmented, and by what.

    Attributes:
        series: The files that were segmented, sorted as `DicomSeries.files`: one a slice, or one
            multi-frame file.
        model: Name of the model that did it.
        model_version: By which its very weights are known again.
    """

    series: tuple[Path, ...]
    model: str
    model_version: str


def write_dicom_segmentation(
    labels: Volume,
    task: Task,
    path: Path,
    *,
    origin: DicomOrigin,
    structures: Sequence[Region] | None = None,
    overwrite: bool = False,
) -> None:
    """Write labels of a task as a binary segmentation object.

    One segment a class or, where the task's regions are nested, one a region; these overlap.
    Segments that are empty are described all the same.

    Args:
        labels: Values of the task's classes, on the grid of the series.
        task: Its names, colours and codes are those of the segments.
        path: The file.
        origin: Series and model.
        structures: Those that become segments instead.
        overwrite: Whether a file that is there may be replaced.

    Raises:
        LabelError: A value is not one of the task's.
        GeometryError: The labels do not lie on the grid of the series.
        InputFileError: The series lacks what a segmentation object has to refer to.
        MissingDependencyError: highdicom or pydicom is not installed.
        OutputExistsError: The file exists and `overwrite` is False.
        StorageError: The disk is full or not writable.
    """
    require_known_labels(labels.array_kji, task, path)
    segments: Sequence[StructureClass | Region] = task.classes
    if structures is not None or task.nested:
        segments = task.regions if structures is None else structures
    series = origin.series
    with _dicom_errors(series[0]):
        sources = [_read_source(file) for file in series]
        layout = frame_layout(series[0]) if len(series) == 1 else None
        slices = np.asarray(labels.array_kji).astype(np.uint8)
        if layout is None:
            places_lps = np.array([[float(n) for n in s.ImagePositionPatient] for s in sources])
        else:
            places_lps, slices = _places(layout), _in_order_of_frames(slices, layout)
        _require_places(labels, places_lps, (sources[0].Rows, sources[0].Columns), series[0])
        descriptions = _describe(segments, origin)
        created = _segmentation(sources, _layers(slices, segments), descriptions, origin)
    with new_file(path, overwrite=overwrite) as temporary:
        created.save_as(temporary, enforce_file_format=True)


def require_dicom_writer() -> None:
    """Refuse to go on where DICOM segmentation objects cannot be written.

    Raises:
        MissingDependencyError: highdicom or pydicom is not installed.
    """
    with _dicom_errors(Path()):
        import highdicom  # noqa: F401
        import pydicom  # noqa: F401


def _places(layout: FrameLayout) -> NDArray[np.float64]:
    """Return the places (slice, LPS in mm) of the first pixels of a file's slices.

    Raises:
        ValueError: The frames do not say where they lie.
    """
    if layout.affine_lps is None:
        raise ValueError(layout.problem)
    steps = np.outer(np.arange(len(layout.order)), layout.affine_lps[:3, 2])
    return np.asarray(layout.affine_lps[:3, 3] + steps)


def _in_order_of_frames(slices: NDArray[np.uint8], layout: FrameLayout) -> NDArray[np.uint8]:
    frames = np.empty_like(slices)
    frames[list(layout.order)] = slices
    return frames


def _require_places(
    labels: Volume, places_lps: NDArray[np.float64], size: tuple[int, int], where: Path
) -> None:
    """Refuse labels whose slices do not lie where those of a series do.

    Raises:
        GeometryError: See above.
    """
    affine_lps = ras_to_lps(labels.affine_ras)
    is_same = labels.shape_kji == (len(places_lps), *size)
    if is_same:
        steps = np.outer(np.arange(len(places_lps)), affine_lps[:3, 2])
        distance_mm = np.linalg.norm(affine_lps[:3, 3] + steps - places_lps, axis=1).max()
        is_same = bool(distance_mm < labels.spacing_mm[2] / 2)
    if not is_same:
        raise GeometryError(
            f"The segmentation ({describe_grid(labels)}) does not lie on the grid of its DICOM "
            f"series {where.parent}, of {len(places_lps)} slices of {size[1]}x{size[0]} pixels.",
            hint="Give the series that was segmented.",
        )


def _layers(
    frames: NDArray[np.uint8], segments: Sequence[StructureClass | Region]
) -> NDArray[np.uint8]:
    """Return 0 and 1 of each segment, as (frame, row, column, segment)."""
    layers = np.empty((*frames.shape, len(segments)), np.uint8)
    for index, segment in enumerate(segments):
        values = (segment.value,) if isinstance(segment, StructureClass) else segment.values
        layers[..., index] = np.isin(frames, values)
    return layers


def _read_source(path: Path) -> Any:
    """Return a source's header, with the tags that a reference to it needs."""
    from pydicom import dcmread

    header = dcmread(path, stop_before_pixels=True)
    for keyword in _REQUIRED_EVEN_IF_EMPTY:
        if keyword not in header:
            setattr(header, keyword, "")
    if header.PatientSex not in _SEXES:
        header.PatientSex = ""
    return header


def _segmentation(
    sources: Sequence[Any], pixels: NDArray[np.uint8], descriptions: Sequence[Any], by: DicomOrigin
) -> Any:
    from highdicom import UID
    from highdicom.seg import Segmentation, SegmentationTypeValues
    from pydicom.uid import ExplicitVRLittleEndian

    first = sources[0]
    number = first.get("SeriesNumber") or 0
    title = first.get("SeriesDescription") or first.get("Modality", "")
    is_listed_after = 0 <= number <= _LAST_SERIES_NUMBER
    return Segmentation(
        source_images=sources,
        pixel_array=pixels,
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=descriptions,
        series_instance_uid=UID(),
        series_number=number + SERIES_NUMBER_STEP if is_listed_after else SERIES_NUMBER_STEP,
        sop_instance_uid=UID(),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=PRODUCT,
        software_versions=__version__,
        device_serial_number=by.model_version[:_LONG_STRING] or "none",
        series_description=f"Segmentation of {title}"[:_LONG_STRING],
        content_label="SEGMENTATION",
        content_description=by.model[:_LONG_STRING],
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )


def _describe(segments: Sequence[StructureClass | Region], by: DicomOrigin) -> list[Any]:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.color import CIELabColor
    from highdicom.seg import SegmentAlgorithmTypeValues, SegmentDescription
    from pydicom.sr.codedict import codes

    identification = AlgorithmIdentificationSequence(
        name=by.model[:_LONG_STRING],
        family=codes.cid7162.ArtificialIntelligence,
        version=by.model_version[:_LONG_STRING],
        source=f"{PRODUCT} {__version__}",
    )
    descriptions = []
    for number, segment in enumerate(segments, start=1):
        terms = segment.terminology or UNSPECIFIED
        description = SegmentDescription(
            segment_number=number,
            segment_label=segment.label[:_LONG_STRING],
            segmented_property_category=_code(terms.category),
            segmented_property_type=_code(terms.type),
            algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=identification,
            anatomic_regions=[_code(terms.region)] if terms.region else None,
            display_color=CIELabColor.from_rgb(*segment.colour),
        )
        if terms.modifier is not None:
            kind = description.SegmentedPropertyTypeCodeSequence[0]
            kind.SegmentedPropertyTypeModifierCodeSequence = [_code(terms.modifier)]
        description.SegmentDescription = segment.name
        descriptions.append(description)
    return descriptions


def _code(concept: CodedConcept) -> Any:
    from highdicom.sr import CodedConcept as DicomConcept

    return DicomConcept(concept.value, concept.scheme, concept.meaning)


@contextmanager
def _dicom_errors(where: Path) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"The Python package {error.name!r} is needed to write DICOM segmentations and is not "
            "installed.",
            hint=f"Install it (pip install {error.name}), or choose another ending for the output, "
            "e.g. .seg.nrrd.",
        ) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputFileError(
            f"{where}: a DICOM segmentation cannot refer to this series: {error}",
            hint="Tags that it needs were removed, by anonymisation for example. Choose another "
            "ending for the output, e.g. .seg.nrrd.",
        ) from error
