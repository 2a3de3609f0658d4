"""Voxels within contours: scan conversion by hand numbers and second implementations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from matplotlib.path import Path as Outline
from numpy.typing import NDArray
from pydicom import dcmread
from scipy.spatial.transform import Rotation

from CrossModalSegLib.core.errors import GeometryError, InputFileError
from CrossModalSegLib.core.geometry import affine_from, ras_to_lps
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.dicom_contour_voxels import (
    contour_notes,
    contour_voxels,
    even_odd_mask,
)
from CrossModalSegLib.data.dicom_reading import read_series
from Testing.unit.dicom_files import write_series
from Testing.unit.label_object_files import pixel_outlines, write_structure_set

TURN = Rotation.from_euler("xyz", [12, -25, 40], degrees=True).as_matrix()


def box(left: float, top: float, right: float, bottom: float) -> NDArray[np.float64]:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def test_pixels_whose_centre_is_inside_count() -> None:
    mask = even_odd_mask([box(0.6, 1.4, 3.4, 3.6)], (5, 6))
    expected = np.zeros((5, 6), bool)
    expected[2:4, 1:4] = True
    np.testing.assert_array_equal(mask, expected)


def test_a_contour_within_another_is_a_hole_and_an_island_in_it_is_filled() -> None:
    rings = [box(-0.5, -0.5, 8.5, 8.5), box(1.5, 1.5, 6.5, 6.5), box(3.5, 3.5, 4.5, 4.5)]
    mask = even_odd_mask(rings, (9, 9))
    assert mask.sum() == 81 - 25 + 1
    assert mask[4, 4]
    assert not mask[3, 3]
    np.testing.assert_array_equal(even_odd_mask(rings[::-1], (9, 9)), mask)


def test_a_hole_may_be_joined_to_the_outline_by_a_cut() -> None:
    outer, inner = box(-0.5, -0.5, 6.5, 6.5), box(1.5, 1.5, 4.5, 4.5)
    keyhole = np.vstack([outer, outer[:1], inner, inner[:1]])
    np.testing.assert_array_equal(
        even_odd_mask([keyhole], (7, 7)), even_odd_mask([outer, inner], (7, 7))
    )


def test_polygons_with_a_common_edge_share_no_pixel_and_leave_none_out() -> None:
    halves = [box(0, 0, 3, 5), box(3, 0, 6, 5)]  # the edge runs through centres
    left, right = (even_odd_mask([half], (8, 8)) for half in halves)
    assert not (left & right).any()
    np.testing.assert_array_equal(left | right, even_odd_mask([box(0, 0, 6, 5)], (8, 8)))


def test_what_lies_outside_the_image_is_cut_off() -> None:
    mask = even_odd_mask([box(-9, -9, 2.5, 1.5), box(4.5, 2.5, 90, 90)], (4, 6))
    expected = np.zeros((4, 6), bool)
    expected[:2, :3] = True
    expected[3, 5] = True
    np.testing.assert_array_equal(mask, expected)
    assert not even_odd_mask([box(10, 10, 12, 12)], (4, 6)).any()


def test_a_polygon_without_area_holds_nothing_though_its_line_runs_through_centres() -> None:
    line = np.array([[0.0037, 0.0037], [0.0037, 0.0037], [-1.5463, -1.5463]])
    assert not even_odd_mask([line], (11, 13)).any()


ROUNDING = 1e-9


def slow_mask(polygons: list[NDArray[np.float64]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Count, for each pixel, the edges that a ray to the right crosses."""
    mask = np.zeros(shape, bool)
    for row, column in np.ndindex(*shape):
        crossings = 0
        for polygon in polygons:
            for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
                if (y0 <= row) != (y1 <= row):
                    x = x0 + (row - y0) * (x1 - x0) / (y1 - y0)
                    assume(abs(x - column) > ROUNDING)  # on an edge, either answer is right
                    crossings += x > column
        mask[row, column] = crossings % 2
    return mask


coordinates = st.integers(-400, 1700).map(lambda n: n / 100 + 0.0037)  # on no centre
polygons_of_points = st.lists(
    st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=9), min_size=1, max_size=4
)


@settings(deadline=None, max_examples=80)
@given(drawn=polygons_of_points)
def test_any_polygons_are_filled_as_by_counting_crossings(
    drawn: list[list[tuple[float, float]]],
) -> None:
    polygons = [np.array(points) for points in drawn]
    expected = slow_mask(polygons, (11, 13))
    np.testing.assert_array_equal(even_odd_mask(polygons, (11, 13)), expected)


@settings(deadline=None, max_examples=40)
@given(
    angles=st.lists(st.floats(0, 6.28), min_size=3, max_size=12, unique=True),
    seed=st.integers(0, 999),
)
def test_simple_polygons_are_filled_as_by_matplotlib(angles: list[float], seed: int) -> None:
    around = np.sort(angles)
    assume(np.diff(around, append=around[0] + 2 * np.pi).max() < np.pi)
    radius = np.random.default_rng(seed).uniform(2, 9, len(around))
    polygon = np.column_stack([np.cos(around), np.sin(around)]) * radius[:, None] + [9.013, 8.017]
    rows, columns = np.mgrid[:18, :20]
    points = np.column_stack([columns.ravel(), rows.ravel()])
    expected = Outline(polygon).contains_points(points).reshape(rows.shape)
    np.testing.assert_array_equal(even_odd_mask([polygon], (18, 20)), expected)


@pytest.fixture
def series(tmp_path: Path) -> list[Path]:
    array = np.random.default_rng(1).integers(0, 900, (6, 7, 9)).astype(np.float32)
    volume = Volume(array, affine_from((0.7, 1.3, 2.5), TURN, (12.5, -30.25, 5.0)))
    return write_series(tmp_path / "scan", volume)


@pytest.fixture
def grid(series: list[Path]) -> Volume:
    return read_series(series)


def read(path: Path, grid: Volume, numbers: set[int] | None = None) -> np.ndarray[Any, Any]:
    found = np.zeros(grid.shape_kji, np.uint8)
    for number, where in contour_voxels(path, numbers or {1, 2}, grid):
        found[where] = number
    return found


def placed(
    grid: Volume, polygon: NDArray[np.float64], k: float | NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return points in LPS of a polygon of (column, row) in slice k."""
    index = np.column_stack([polygon, np.broadcast_to(k, len(polygon)), np.ones(len(polygon))])
    return np.asarray((index @ ras_to_lps(grid.affine_ras).T)[:, :3])


def test_contours_of_an_oblique_series_give_back_every_voxel(
    tmp_path: Path, series: list[Path], grid: Volume
) -> None:
    labels = np.zeros(grid.shape_kji, np.uint8)
    labels[1, 2, 2:8] = 1
    labels[1, 3:6, 2] = 2
    labels[2:5, 2, 2] = 2
    labels[4, 5, 7] = labels[0, 0, 0] = labels[5, 6, 8] = 1
    contours = {
        name: pixel_outlines(grid.with_array(labels == n)) for n, name in ((1, "a"), (2, "b"))
    }
    path = write_structure_set(tmp_path / "rt.dcm", series, contours)
    np.testing.assert_array_equal(read(path, grid), labels)
    np.testing.assert_array_equal(read(path, grid, {2}), labels // 2 * 2)


def test_a_ring_is_drawn_by_two_contours(tmp_path: Path, series: list[Path], grid: Volume) -> None:
    rings = [placed(grid, box(0.5, 0.5, 6.5, 5.5), 3), placed(grid, box(2.5, 1.5, 4.5, 4.5), 3)]
    path = write_structure_set(tmp_path / "rt.dcm", series, {"ring": rings})
    expected = np.zeros(grid.shape_kji, np.uint8)
    expected[3, 1:6, 1:7] = 1
    expected[3, 2:5, 3:5] = 0
    np.testing.assert_array_equal(read(path, grid), expected)


@pytest.mark.parametrize(
    ("k", "message"),
    [
        (2.4, "0.40 slices beside"),
        (6.0, "outside the image"),
        (-1.0, "outside the image"),
        (np.array([1.0, 1.0, 2.0, 2.0]), "slices beside"),
    ],
)
def test_contours_of_another_series_are_refused(
    tmp_path: Path, series: list[Path], grid: Volume, k: Any, message: str
) -> None:
    contours = {"a": [placed(grid, box(0.5, 0.5, 6.5, 5.5), k)]}
    path = write_structure_set(tmp_path / "rt.dcm", series, contours)
    with pytest.raises(GeometryError, match=message):
        read(path, grid)


def test_a_contour_beside_the_image_is_refused(
    tmp_path: Path, series: list[Path], grid: Volume
) -> None:
    contours = {"a": [placed(grid, box(20, 0, 26, 5), 2)]}
    path = write_structure_set(tmp_path / "rt.dcm", series, contours)
    with pytest.raises(GeometryError, match="outside the image"):
        read(path, grid)


def test_points_and_open_lines_enclose_nothing_and_are_told(
    tmp_path: Path, series: list[Path], grid: Volume
) -> None:
    line, area = box(0.5, 0.5, 6.5, 5.5), box(0.5, 0.5, 1.5, 1.5)
    path = write_structure_set(
        tmp_path / "rt.dcm",
        series,
        {"line": [placed(grid, line, 2)], "area": [placed(grid, area, 2)]},
        kinds={"line": "OPEN_PLANAR"},
    )
    assert np.argwhere(read(path, grid)).tolist() == [[2, 1, 1]]
    notes = contour_notes(path, {1: "line", 2: "area"}, grid)
    assert notes == ["1 contours of 'line' are not closed and enclose nothing"]


def test_slices_that_were_left_out_are_told(
    tmp_path: Path, series: list[Path], grid: Volume
) -> None:
    area = box(0.5, 0.5, 2.5, 2.5)
    contours = {"a": [placed(grid, area, k) for k in (0, 2, 4)], "b": [placed(grid, area, 1)]}
    path = write_structure_set(tmp_path / "rt.dcm", series, contours)
    (note,) = contour_notes(path, {1: "a", 2: "b"}, grid)
    assert note == "'a' has contours in 3 of the 5 slices from its first to its last"


def test_damaged_structure_sets_are_refused(
    tmp_path: Path, series: list[Path], grid: Volume
) -> None:
    contours = {"a": [placed(grid, box(0.5, 0.5, 2.5, 2.5), 1)]}
    path = write_structure_set(tmp_path / "rt.dcm", series, contours)
    dataset = dcmread(path)
    dataset.ROIContourSequence[0].ContourSequence[0].ContourData = ["1", "2", "3", "4"]
    dataset.save_as(tmp_path / "odd.dcm")
    with pytest.raises(InputFileError, match="cannot be understood"):
        read(tmp_path / "odd.dcm", grid)
    (tmp_path / "short.dcm").write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputFileError, match="cannot be understood"):
        read(tmp_path / "short.dcm", grid)
