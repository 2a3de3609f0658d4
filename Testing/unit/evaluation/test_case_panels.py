"""Pictures of cases show the right slice, side and error; cases are chosen by the rule."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from CrossModalSegLib.core.errors import GeometryError, InputFileError, UnknownNameError
from CrossModalSegLib.core.geometry import reorient
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.evaluation.case_choice import choose_cases
from CrossModalSegLib.evaluation.case_panels import (
    ERRORS,
    OUTLIERS,
    CaseVolumes,
    PanelStyle,
    draw_case,
)
from CrossModalSegLib.evaluation.figure_style import png_bytes

TASK = TASKS["cardiac"]


def case(orientation: str = "RAS") -> CaseVolumes:
    """Return a cube with a prediction that misses its left half and adds a voxel on the right."""
    labels = np.zeros((20, 24, 28), np.uint8)
    labels[8:14, 8:14, 8:14] = 1
    predicted = labels.copy()
    predicted[:, :, 8:11] = 0  # i grows to the right of the patient: the left half
    predicted[10, 10, 20] = 2
    affine = np.diag([1.5, 1.5, 3.0, 1.0])
    grid = [Volume(array, affine) for array in (labels.astype(np.float32), labels, predicted)]
    image, reference, prediction = (reorient(volume, orientation) for volume in grid)
    return CaseVolumes(case="a", image=image, reference=reference, predictions={"dsan": prediction})


def picture(volumes: CaseVolumes, row: int, column: int) -> Any:
    figure = draw_case(volumes, TASK, title="Typical case: a", labels={"dsan": "DSAN"})
    axes = figure.axes[row * 2 + column]
    return np.asarray(axes.get_images()[0].get_array())


def painted(pixels: Any, colour: tuple[int, int, int]) -> Any:
    """Return where a colour was laid over white or black at three quarters."""
    over = [0.25 * ground + 0.75 * np.array(colour) / 255 for ground in (0.0, 1.0)]
    return np.any([np.isclose(pixels, value).all(axis=2) for value in over], axis=0)


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "SAL"])
def test_errors_are_where_they_are_on_the_side_that_radiologists_see(orientation: str) -> None:
    errors = picture(case(orientation), row=1, column=1)  # axial
    missed = painted(errors, ERRORS["missed"])
    extra = painted(errors, ERRORS["too much"])
    assert missed.sum() == 3 * 6
    assert extra.sum() in (0, 1)  # the slice is the largest of the reference
    columns = np.flatnonzero(missed.any(axis=0))
    right_half = np.flatnonzero((errors == 1.0).all(axis=2).any(axis=0))
    assert columns.min() > right_half.max()  # the patient's left is on the right


def test_the_reference_has_no_errors_and_every_method_its_column() -> None:
    volumes = case()
    figure = draw_case(volumes, TASK, title="t", labels={"dsan": "DSAN"}, scores={"dsan": "50 %"})
    assert len(figure.axes) == 6 * 2
    titles = [axes.get_title() for axes in figure.axes[:2]]
    assert titles == ["Reference", "DSAN\n50 %"]
    for row in (1, 3, 5):
        own = np.asarray(figure.axes[row * 2].get_images()[0].get_array())
        assert not any(painted(own, colour).any() for colour in ERRORS.values())
    assert png_bytes(figure).startswith(b"\x89PNG")


def test_a_wrong_structure_is_an_error_of_its_own() -> None:
    volumes = case()
    assert volumes.reference is not None
    swapped = volumes.reference.with_array(2 * volumes.reference.array_kji)
    errors = picture(replace(volumes, predictions={"dsan": swapped}), row=1, column=1)
    assert painted(errors, ERRORS["another structure"]).sum() == 36
    assert not painted(errors, ERRORS["missed"]).any()


def test_cases_without_image_or_labels_can_be_drawn() -> None:
    volumes = case()
    assert volumes.reference is not None
    empty = volumes.reference.with_array(np.zeros_like(volumes.reference.array_kji))
    bare = replace(volumes, image=None, reference=empty, predictions={"dsan": empty})
    assert draw_case(bare, TASK, title="t").axes


def three_methods() -> CaseVolumes:
    """Return a case without a reference, in which one of three methods differs."""
    volumes = case()
    right = volumes.reference
    assert right is not None
    predictions = {"a": right, "odd": volumes.predictions["dsan"], "c": right}
    return replace(volumes, reference=None, predictions=predictions)


def test_without_a_reference_a_method_that_differs_from_most_is_marked() -> None:
    figure = draw_case(three_methods(), TASK, title="t")
    assert [axes.get_title() for axes in figure.axes[:3]] == ["a", "odd", "c"]
    (colour,) = OUTLIERS.values()
    marked = []
    for axes in figure.axes[3:6]:  # the second row of the axial plane
        pixels = np.asarray(axes.get_images()[0].get_array())
        marked.append(int(painted(pixels, colour).sum()))
    assert marked == [0, 3 * 6, 0]


def test_figures_as_in_papers_have_the_bare_image_first_and_the_reference_last() -> None:
    volumes = case()
    style = PanelStyle(planes=("coronal",), with_errors=False, as_in_papers=True)
    figure = draw_case(volumes, TASK, title="", labels={"dsan": "D$AN"}, style=style)
    assert [axes.get_title() for axes in figure.axes] == ["Image", r"D\$AN", "Reference"]
    pixels = [np.asarray(axes.get_images()[0].get_array()) for axes in figure.axes]
    is_grey = [bool(np.allclose(each, each[..., :1])) for each in pixels]
    assert is_grey == [True, False, False]


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "SAL"])
def test_a_point_decides_which_slice_is_shown(orientation: str) -> None:
    volumes = case(orientation)
    style = PanelStyle(planes=("axial",), with_errors=False, point_ras=(15.0, 15.0, 3 * 10.2))
    figure = draw_case(volumes, TASK, title="t", style=style)
    pixels = np.asarray(figure.axes[1].get_images()[0].get_array())
    colour = 0.5 * np.array(TASK.classes[1].colour) / 255  # the surplus voxel lies in slice 10
    assert np.isclose(pixels, colour).all(axis=2).sum() == 1
    elsewhere = PanelStyle(planes=("axial",), with_errors=False, point_ras=(15.0, 15.0, 3 * 8.0))
    figure = draw_case(volumes, TASK, title="t", style=elsewhere)
    pixels = np.asarray(figure.axes[1].get_images()[0].get_array())
    assert not np.isclose(pixels, colour).all(axis=2).any()


def test_a_picture_is_as_wide_as_was_asked_for() -> None:
    figure = draw_case(case(), TASK, title="t")
    for width_px in (333, 1001):
        header = png_bytes(figure, width_px=width_px)[16:20]
        assert int.from_bytes(header, "big") == width_px


def test_a_case_without_any_label_map_is_refused() -> None:
    with pytest.raises(InputFileError, match="no label map"):
        CaseVolumes(case="a", image=case().image, reference=None, predictions={})


def test_volumes_on_other_grids_are_refused() -> None:
    volumes = case()
    assert volumes.reference is not None
    moved = Volume(volumes.reference.array_kji, np.diag([1.5, 1.5, 2.0, 1.0]))
    with pytest.raises(GeometryError, match="prediction of dsan"):
        replace(volumes, predictions={"dsan": moved})


def test_typical_best_and_worst_case_are_those_of_the_adapted_methods(compare: Any) -> None:
    dice = {"source_only": [[0.1, 0.5, 0.1, 0.1]], "glua": [[0.5, 0.2, 0.9, 0.6]]}
    (direction,) = compare({"": dice}).directions
    chosen = {entry.kind: entry.case for entry in choose_cases(direction)}
    assert chosen == {"typical": "c0", "best": "c2", "worst": "c1"}  # median .55: the first
    by_bound = {entry.kind: entry.case for entry in choose_cases(direction, "source_only")}
    assert by_bound == {"typical": "c0", "best": "c1"}  # no case twice
    with pytest.raises(UnknownNameError):
        choose_cases(direction, "dsen")
