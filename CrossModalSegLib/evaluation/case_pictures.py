"""Pictures of the chosen cases, read from where images and label maps lie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from CrossModalSegLib.core.errors import CohortError, InputFileError
from CrossModalSegLib.core.tasks import Task
from CrossModalSegLib.data.segmentation_files import read_segmentation
from CrossModalSegLib.data.volume_files import read_image
from CrossModalSegLib.evaluation.case_choice import ChosenCase, choose_cases
from CrossModalSegLib.evaluation.case_panels import CaseVolumes, draw_case
from CrossModalSegLib.evaluation.comparison import Comparison, Direction
from CrossModalSegLib.evaluation.pairing import find_label_maps
from CrossModalSegLib.evaluation.significance import AVERAGE, case_values


@dataclass(frozen=True, kw_only=True)
class CaseSources:
    """Where the files of the cases lie.

    Attributes:
        task: Of the label maps.
        references: Folder of reference label maps.
        predictions: Folder of each method's label maps; methods without one are not drawn.
        images: Folder of images, `<case>.nii.gz` or `<case>/image.nii.gz`; None: no background.
        image_stem: Name of the image in the folder of a case, where it is another.
        focus: Method by which cases are chosen; "": by all adapted ones.
    """

    task: Task
    references: Path
    predictions: Mapping[str, Path]
    images: Path | None = None
    image_stem: str = "image"
    focus: str = ""


def draw_chosen_cases(
    comparison: Comparison, sources: CaseSources
) -> Iterator[tuple[ChosenCase, Figure, str]]:
    """Yield the typical, best and worst case of the first direction, drawn, with a caption.

    A method that lacks the prediction of a case is left out of its picture.

    Raises:
        CohortError: A folder belongs to a method that was not scored.
        InputFileError: An image or reference of a chosen case is missing or cannot be read.
        GeometryError: The files of a case do not lie on one grid.
    """
    direction = comparison.directions[0]
    unknown = sorted(set(sources.predictions) - set(direction.methods))
    if unknown:
        raise CohortError(
            f"Predictions were given of {', '.join(unknown)}, which was not scored; the scores are "
            f"of {', '.join(direction.methods)}."
        )
    for chosen in choose_cases(direction, sources.focus):
        volumes = _read_case(chosen.case, direction, sources)
        title = f"{chosen.kind.capitalize()} case: {chosen.case}"
        figure = draw_case(
            volumes,
            sources.task,
            title=title,
            labels=comparison.labels,
            scores=_scores(direction, chosen.case, volumes),
        )
        caption = (
            f"{title} (mean Dice {chosen.dice:.1f} %). Columns: reference and methods; rows: "
            "three planes, each with segmentation and errors."
        )
        yield chosen, figure, caption


def _read_case(case: str, direction: Direction, sources: CaseSources) -> CaseVolumes:
    reference = read_segmentation(
        _required(find_label_maps(sources.references), case, sources.references), sources.task
    )
    image = None
    if sources.images is not None:
        found = find_label_maps(sources.images, sources.image_stem)
        image = read_image(_required(found, case, sources.images))
    predictions = {}
    for method in direction.methods:
        if method not in sources.predictions:
            continue
        path = find_label_maps(sources.predictions[method]).get(case)
        if path is not None:
            predictions[method] = read_segmentation(path, sources.task)
    return CaseVolumes(case=case, image=image, reference=reference, predictions=predictions)


def _required(found: Mapping[str, Path], case: str, folder: Path) -> Path:
    if case not in found:
        raise InputFileError(
            f"{folder} holds no file of case {case!r}, which is to be drawn.",
            hint="Give the folder that the scores were made from.",
        )
    return found[case]


def _scores(direction: Direction, case: str, volumes: CaseVolumes) -> dict[str, str]:
    scores = {}
    for method in volumes.predictions:
        value = case_values(direction, method, "dice", AVERAGE).get(case)
        if value is not None:
            scores[method] = f"Dice {value:.1f} %"
    return scores
