"""Which files become which, before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from CrossModalSegLib.core.errors import ConfigError, InputFileError, OutputExistsError
from CrossModalSegLib.core.modalities import Modality
from CrossModalSegLib.data.adapters.case_files import CaseFiles
from CrossModalSegLib.inference.case_inputs import dicom_series, find_cases
from CrossModalSegLib.inference.outputs import (
    DICOM_SUFFIX,
    OUTPUT_SUFFIXES,
    output_name,
    output_suffix,
    require_dicom_writer,
    require_writable,
)

SIDECAR_SUFFIX = ".json"

MAP_SUFFIX = ".nii.gz"
"""Ending of maps in a folder."""


@dataclass(frozen=True, kw_only=True)
class SegmentOptions:
    """What a user may ask for.

    Attributes:
        device: "auto", "cuda", "mps" or "cpu".
        precision: "auto", "32-true", "bf16-mixed" or "16-mixed".
        batch_size: Slices at once; None: as many as fit and are of use.
        suffix: Ending of the files in an output folder; "": .dcm for DICOM, else .nii.gz.
        overwrite: Whether outputs that are there may be replaced.
        task: Task that is wanted; refuse bundles for another one. "": any.
        modality: Modality of the images; refuse bundles for another one. "": any.
        series: Part of the description of the DICOM series that is meant; "": any.
        structures: Names of regions or classes that are kept; none: all.
        region: Region of interest: six bounds in mm or a mask's file (`region.read_area`).
        flips: Names of `flips.FLIPS`.
        largest_component: Whether only the largest parts are kept; None: as the bundle says.
        minimum_ml: Smaller parts are removed; None: as the bundle says.
        uncertainty: File of the uncertainty map of one volume, or folder of those of several, each
            named like its case; None: none are made.
        probabilities: Folder in which each case gets one of its own, with a map of each class;
            None: none are made.
        maps: The same for what the method has to show.
        quality: Whether to say how good each result probably is.
    """

    device: str = "auto"
    precision: str = "auto"
    batch_size: int | None = None
    suffix: str = ""
    overwrite: bool = False
    task: str = ""
    modality: str = ""
    series: str = ""
    structures: tuple[str, ...] = ()
    region: tuple[str, ...] = ()
    flips: tuple[str, ...] = ()
    largest_component: bool | None = None
    minimum_ml: float | None = None
    uncertainty: Path | None = None
    probabilities: Path | None = None
    maps: Path | None = None
    quality: bool = False

    def __post_init__(self) -> None:
        """Refuse endings that cannot be written.

        Raises:
            ConfigError: See above.
        """
        if self.suffix and self.suffix not in OUTPUT_SUFFIXES:
            raise ConfigError(
                f"The ending {self.suffix!r} was given, expected one of "
                f"{', '.join(OUTPUT_SUFFIXES)}."
            )


@dataclass(frozen=True, kw_only=True)
class SegmentedCase:
    """One case and where its segmentation goes, and its maps if they are wanted.

    Attributes:
        files: Its images.
        output: File of the segmentation.
        uncertainty: File of the uncertainty map.
        probabilities: Folder of a map of each class.
        maps: Folder of what the method has to show.
    """

    files: CaseFiles
    output: Path
    uncertainty: Path | None = None
    probabilities: Path | None = None
    maps: Path | None = None

    @property
    def case(self) -> str:
        """Name of the case."""
        return self.files.id

    @property
    def sidecar(self) -> Path:
        """JSON file with volumes, time, device and warnings."""
        return self.output.with_name(output_name(self.output) + SIDECAR_SUFFIX)

    @property
    def new_files(self) -> tuple[Path, ...]:
        """The files whose names are known before anything is computed, the sidecar left out."""
        return tuple(path for path in (self.output, self.uncertainty) if path is not None)

    @property
    def new_folders(self) -> tuple[Path, ...]:
        """The folders that are filled."""
        return tuple(path for path in (self.probabilities, self.maps) if path is not None)


def plan_cases(
    modalities: Sequence[Modality], inputs: Sequence[Path], output: Path, options: SegmentOptions
) -> list[SegmentedCase]:
    """Return what goes where; compute and write nothing.

    Raises:
        InputFileError: An input is missing, there is another number of images than the model
            takes, or the output's ending is unknown.
        CohortError: A folder is in no clear layout.
        ConfigError: Several cases for one output file, an output would replace an input, or a
            DICOM segmentation is asked for of images that are not DICOM.
        OutputExistsError: An output is there and `options.overwrite` is False.
        MissingDependencyError: Packages that write DICOM are missing.
    """
    found = find_cases(inputs, modalities, options.series)
    is_file = len(found) == 1 and not _is_folder_of_cases(inputs, found) and _is_file_name(output)
    if not is_file:
        _require_folder(output)
    cases = [
        SegmentedCase(files=case, output=output if is_file else output / _file_name(case, options))
        for case in found
    ]
    cases = [_with_maps(case, options, is_file=is_file) for case in cases]
    require_outputs(cases, sidecars=True, overwrite=options.overwrite)
    return cases


def require_outputs(cases: Sequence[SegmentedCase], *, sidecars: bool, overwrite: bool) -> None:
    """Refuse outputs that are there, that are inputs or each other, or that cannot be written.

    Args:
        cases: All of them.
        sidecars: Whether JSON files are written, too.
        overwrite: Whether what is there may be replaced.

    Raises:
        InputFileError: An ending is unknown.
        ConfigError: Outputs are inputs or each other, or a DICOM segmentation is asked for of
            images that are not DICOM.
        OutputExistsError: An output is there and `overwrite` is False.
        MissingDependencyError: Packages that write DICOM are missing.
    """
    for case in cases:
        require_writable(case.output)
        if case.uncertainty is not None:
            require_writable(case.uncertainty, is_map=True)
        _require_dicom_source(case)
    images = {path.resolve() for case in cases for path in case.files.files()}
    seen: set[Path] = set()
    for path in _outputs(cases, sidecars=sidecars):
        resolved = path.resolve()
        if resolved in images or resolved in seen:
            raise ConfigError(
                f"The output {path} would replace the input or another output.",
                hint="Give each of them a name of its own; inputs are never replaced.",
            )
        seen.add(resolved)
        is_filled = path.is_dir() and any(path.iterdir())
        if (path.is_file() or is_filled) and not overwrite:
            raise OutputExistsError(path)


def _outputs(cases: Sequence[SegmentedCase], *, sidecars: bool) -> Iterator[Path]:
    for case in cases:
        yield from case.new_files
        yield from case.new_folders
        if sidecars:
            yield case.sidecar


def _require_dicom_source(case: SegmentedCase) -> None:
    if output_suffix(case.output) != DICOM_SUFFIX:
        return
    if not dicom_series(case.files):
        raise ConfigError(
            f"A DICOM segmentation ({case.output.name}) was asked for, but {case.files.image} is "
            "no DICOM series to which it could refer.",
            hint="Give the folder of the series as input, or use another ending, e.g. .seg.nrrd.",
        )
    require_dicom_writer()


def _with_maps(case: SegmentedCase, options: SegmentOptions, *, is_file: bool) -> SegmentedCase:
    """Return a case with the places of its maps."""
    uncertainty = options.uncertainty
    if uncertainty is not None and not (is_file and _is_file_name(uncertainty)):
        _require_folder(uncertainty)
        uncertainty = uncertainty / f"{case.case}{MAP_SUFFIX}"
    for folder in (options.probabilities, options.maps):
        if folder is not None:
            _require_folder(folder)
    return replace(
        case,
        uncertainty=uncertainty,
        probabilities=None if options.probabilities is None else options.probabilities / case.case,
        maps=None if options.maps is None else options.maps / case.case,
    )


def _file_name(case: CaseFiles, options: SegmentOptions) -> str:
    usual = DICOM_SUFFIX if dicom_series(case) else ".nii.gz"
    return f"{case.id}{options.suffix or usual}"


def _is_folder_of_cases(inputs: Sequence[Path], cases: Sequence[CaseFiles]) -> bool:
    """Tell whether a folder was given that might hold several cases; a DICOM series is one."""
    return len(inputs) == 1 and inputs[0].is_dir() and not dicom_series(cases[0])


def _is_file_name(output: Path) -> bool:
    """Tell whether an output for one case is meant as a file.

    Raises:
        InputFileError: It has an ending that cannot be written.
    """
    if output.is_dir():
        return False
    if not output_suffix(output) and output.suffix:
        raise InputFileError(
            f"{output} has the ending {output.suffix!r}, which cannot be written.",
            hint=f"Use one of {', '.join(OUTPUT_SUFFIXES)}, or a folder.",
        )
    return bool(output_suffix(output))


def _require_folder(output: Path) -> None:
    if output.is_file() or output_suffix(output):
        raise ConfigError(
            f"The output {output} is a file, but the input is a folder or several files.",
            hint="Give a folder as output.",
        )
