"""Which files become which, before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from CrossModalSegLib.bundle.reading import Bundle
from CrossModalSegLib.core.errors import ConfigError, InputFileError, OutputExistsError
from CrossModalSegLib.core.paths import VOLUME_SUFFIXES, case_name, volume_suffix
from CrossModalSegLib.data.adapters.case_files import require_no_problems
from CrossModalSegLib.data.adapters.folder import EXPECTED, find_folder
from CrossModalSegLib.inference.outputs import require_writable

SIDECAR_SUFFIX = ".json"

MAP_SUFFIX = ".nii.gz"
"""Ending of uncertainty maps in a folder."""


@dataclass(frozen=True, kw_only=True)
class SegmentOptions:
    """What a user may ask for.

    Attributes:
        device: "auto", "cuda", "mps" or "cpu".
        precision: "auto", "32-true", "bf16-mixed" or "16-mixed".
        batch_size: Slices at once; None: by their size.
        suffix: Ending of the files in an output folder.
        overwrite: Whether outputs that are there may be replaced.
        task: Task that is wanted; refuse bundles for another one. "": any.
        modality: Modality of the images; refuse bundles for another one. "": any.
        structures: Names of regions or classes that are kept; none: all.
        uncertainty: File of the uncertainty map of one volume, or folder of those of several, each
            named like its case; None: none are made.
    """

    device: str = "auto"
    precision: str = "auto"
    batch_size: int | None = None
    suffix: str = ".nii.gz"
    overwrite: bool = False
    task: str = ""
    modality: str = ""
    structures: tuple[str, ...] = ()
    uncertainty: Path | None = None

    def __post_init__(self) -> None:
        """Refuse endings that cannot be written.

        Raises:
            ConfigError: See above.
        """
        if self.suffix not in VOLUME_SUFFIXES:
            raise ConfigError(
                f"The ending {self.suffix!r} was given, expected one of "
                f"{', '.join(VOLUME_SUFFIXES)}."
            )


@dataclass(frozen=True, kw_only=True)
class SegmentedCase:
    """One case and where its segmentation goes, and its uncertainty map if one is wanted."""

    case: str
    image: Path
    output: Path
    uncertainty: Path | None = None

    @property
    def sidecar(self) -> Path:
        """JSON file with volumes, time, device and warnings."""
        return self.output.with_name(case_name(self.output) + SIDECAR_SUFFIX)


def plan_cases(
    bundle: Bundle, inputs: Sequence[Path], output: Path, options: SegmentOptions
) -> list[SegmentedCase]:
    """Return what goes where; compute and write nothing.

    Raises:
        InputFileError: An input is missing, or the output's ending is unknown.
        CohortError: A folder is in no clear layout.
        ConfigError: Several inputs for one output file, or an output would replace an input.
        OutputExistsError: An output is there and `options.overwrite` is False.
    """
    images = _find_images(inputs, bundle.config.modalities.target.name)
    is_file = len(inputs) == 1 and not inputs[0].is_dir() and _is_file_name(output)
    if is_file:
        cases = [SegmentedCase(case=case, image=image, output=output) for case, image in images]
    else:
        _require_folder(output)
        cases = [
            SegmentedCase(case=case, image=image, output=output / f"{case}{options.suffix}")
            for case, image in images
        ]
    if options.uncertainty is not None:
        cases = [_with_map(case, options.uncertainty, is_file=is_file) for case in cases]
    _require_outputs(cases, overwrite=options.overwrite)
    return cases


def _with_map(case: SegmentedCase, uncertainty: Path, *, is_file: bool) -> SegmentedCase:
    """Return a case with the place of its uncertainty map."""
    if not (is_file and _is_file_name(uncertainty)):
        _require_folder(uncertainty)
        uncertainty = uncertainty / f"{case.case}{MAP_SUFFIX}"
    require_writable(uncertainty, is_map=True)
    return replace(case, uncertainty=uncertainty)


def _find_images(inputs: Sequence[Path], modality: str) -> list[tuple[str, Path]]:
    """Return name and image of each case."""
    if not inputs:
        raise InputFileError("No input was given.", hint="Give a volume file or a folder.")
    missing = [path for path in inputs if not path.exists()]
    if missing:
        raise InputFileError(
            f"There is no {missing[0]}.", hint="Check the path; give a volume file or a folder."
        )
    folders = [path for path in inputs if path.is_dir()]
    if not folders:
        images = [(_case_of(path), path) for path in inputs]
    elif len(inputs) == 1:
        images = _find_in_folder(folders[0], modality)
    else:
        raise ConfigError(
            f"{folders[0]} is a folder, given beside other inputs.",
            hint="Give one folder, or any number of files.",
        )
    require_no_problems(_doubles(images), inputs[0].parent, "Segment them into two folders.")
    return images


def _find_in_folder(folder: Path, modality: str) -> list[tuple[str, Path]]:
    discovery = find_folder(folder, modality)
    if discovery is None or not discovery.cases:
        raise InputFileError(
            f"{folder} holds no volumes that can be read.",
            hint=f"Expected {EXPECTED}. Convert DICOM series to one of these first.",
        )
    return [(case.id, case.image) for case in discovery.cases]


def _case_of(path: Path) -> str:
    """Return the name of the case: the file's, or its folder's for `<case>/image.*`."""
    name = case_name(path)
    is_generic = name == "image" or name.startswith("image_")
    return path.absolute().parent.name if is_generic else name


def _doubles(images: Iterable[tuple[str, Path]]) -> list[str]:
    seen: dict[str, Path] = {}
    doubles = []
    for case, path in images:
        first = seen.setdefault(case.casefold(), path)
        if first is not path:
            doubles.append(f"{first} and {path} name the same case {case!r}")
    return doubles


def _is_file_name(output: Path) -> bool:
    """Tell whether an output for one file is meant as a file.

    Raises:
        InputFileError: It has an ending that cannot be written.
    """
    if output.is_dir():
        return False
    if not volume_suffix(output) and output.suffix:
        raise InputFileError(
            f"{output} has the ending {output.suffix!r}, which cannot be written.",
            hint=f"Use one of {', '.join(VOLUME_SUFFIXES)}, or a folder.",
        )
    return bool(volume_suffix(output))


def _require_folder(output: Path) -> None:
    if output.is_file() or volume_suffix(output):
        raise ConfigError(
            f"The output {output} is a file, but the input is a folder or several files.",
            hint="Give a folder as output.",
        )


def _require_outputs(cases: Sequence[SegmentedCase], *, overwrite: bool) -> None:
    """Refuse outputs that are there, or that are inputs."""
    images = {case.image.resolve() for case in cases}
    for case in cases:
        for path in filter(None, (case.output, case.sidecar, case.uncertainty)):
            if path.resolve() in images:
                raise ConfigError(
                    f"The output {path} would replace the input.",
                    hint="Choose another output; inputs are never replaced.",
                )
            if path.exists() and not overwrite:
                raise OutputExistsError(path)
        if case.uncertainty is not None and case.uncertainty.resolve() == case.output.resolve():
            raise ConfigError(
                f"Segmentation and uncertainty map are both to become {case.output}.",
                hint="Give the map another file or folder.",
            )
