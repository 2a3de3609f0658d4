"""Jumps from structure to structure, to slices by number, and the whole volume in sight."""

from __future__ import annotations

import numpy as np
import pytest

from CrossModalSegLib.bridge.comparison.comparison_labels import ComparisonLabels
from CrossModalSegLib.bridge.comparison.comparison_layout import Arrangement, ComparisonLayout
from CrossModalSegLib.bridge.comparison.structure_jumps import (
    fit_to_volume,
    jump_to,
    next_structure,
    slice_axis,
    slice_point,
    structure_centre,
)
from CrossModalSegLib.bridge.planes import ORIENTATIONS, Orientation
from CrossModalSegLib.bridge.scene import HeadlessScene
from CrossModalSegLib.core.volume import Volume
from Testing.scene.compared import add_volume, compare, shifted

Centres = dict[int, tuple[float, float, float]]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_centre_of_a_structure_is_where_it_is(
    session: HeadlessScene, labels: Volume, centres_ras: Centres, orientation: Orientation
) -> None:
    comparison = compare(add_volume(session, labels), [labels, labels])
    sampled = ComparisonLabels(comparison)
    sampled.finish()
    centre = structure_centre(comparison, sampled, "LVC", orientation)
    assert centre is not None
    assert np.linalg.norm(np.subtract(centre, centres_ras[3])) < 4.0


def test_the_reference_says_where_a_structure_is_if_it_has_it(
    session: HeadlessScene, plain_labels: Volume, centres_ras: Centres
) -> None:
    volume = add_volume(session, plain_labels)
    moved = shifted(plain_labels, 6, axis=0)
    comparison = compare(volume, [moved, moved], plain_labels)
    sampled = ComparisonLabels(comparison)
    sampled.finish()
    centre = structure_centre(comparison, sampled, "MYO", "axial")
    assert centre == pytest.approx(centres_ras[1], abs=1.5)


def test_the_slice_with_most_of_a_structure_is_chosen(
    session: HeadlessScene, plain_grid: Volume
) -> None:
    array = np.zeros(plain_grid.shape_kji, np.uint8)
    array[5:40, 20, 20] = 1
    array[12, 18:30, 18:30] = 1
    labels = plain_grid.with_array(array)
    comparison = compare(add_volume(session, plain_grid), [labels, labels])
    sampled = ComparisonLabels(comparison)
    sampled.finish()
    centre = structure_centre(comparison, sampled, "MYO", "axial")
    assert centre is not None
    index_ijk = np.linalg.inv(plain_grid.affine_ras) @ (*centre, 1.0)
    assert index_ijk[2] == pytest.approx(12)
    assert structure_centre(comparison, sampled, "AA", "axial") is None


def test_structures_follow_one_another_round_and_round() -> None:
    names = ["MYO", "LAC", "AA"]
    assert next_structure(names, "", 1) == "MYO"
    assert next_structure(names, "", -1) == "AA"
    assert next_structure(names, "MYO", 1) == "LAC"
    assert next_structure(names, "AA", 1) == "MYO"
    assert next_structure(names, "MYO", -1) == "AA"


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_slice_by_its_number_goes_through_its_voxels(
    grid: Volume, orientation: Orientation
) -> None:
    axis = slice_axis(grid.affine_ras, orientation)
    point = slice_point(grid, orientation, 7)
    index_ijk = np.linalg.inv(grid.affine_ras) @ (*point, 1.0)
    assert index_ijk[axis] == pytest.approx(7)
    along = int(np.argmax(np.abs(grid.affine_ras[:3, axis])))
    assert along == {"sagittal": 0, "coronal": 1, "axial": 2}[orientation]


def test_jumping_moves_the_slices_and_centres_only_what_is_out_of_sight(
    session: HeadlessScene, plain_labels: Volume
) -> None:
    volume = add_volume(session, plain_labels)
    columns = ComparisonLayout(session.mrml).show(2, Arrangement())
    for column in columns:
        column.slice_node.SetDimensions(200, 100, 1)
    fit_to_volume(columns, volume)
    width_mm, height_mm, _ = columns[0].slice_node.GetFieldOfView()
    assert height_mm == pytest.approx(104.0)
    assert width_mm == pytest.approx(208.0)
    jump_to(columns, (20.0, 10.0, 12.0))
    for column in columns:
        place = [column.slice_node.GetSliceToRAS().GetElement(row, 3) for row in range(3)]
        assert place == pytest.approx([0.0, 0.0, 12.0])
    for column in columns:
        column.slice_node.SetDimensions(100, 100, 1)
    fit_to_volume(columns, volume, stay=True)
    assert [column.slice_node.GetSliceOffset() for column in columns] == pytest.approx([12.0] * 2)
    assert columns[0].slice_node.GetFieldOfView()[0] == pytest.approx(108.0)
    jump_to(columns, (150.0, 0.0, 0.0))
    assert columns[0].slice_node.GetSliceToRAS().GetElement(0, 3) == pytest.approx(150.0)
