"""Surfaces and their distances: by hand, by brute force, and by MONAI."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.metrics.hausdorff_distance import compute_hausdorff_distance
from monai.metrics.surface_distance import compute_average_surface_distance

from CrossModalSegLib.core.errors import GeometryError, LabelError
from CrossModalSegLib.metrics.masks import Mask
from CrossModalSegLib.metrics.surface import Distances, surface_distances, surface_of

SHAPE = (7, 8, 9)
UNIT = (1.0, 1.0, 1.0)
SPACING_KJI = (8.0, 0.6, 0.7)


def voxels(*places: tuple[int, ...]) -> Mask:
    mask = np.zeros(SHAPE, dtype=bool)
    for place in places:
        mask[place] = True
    return mask


def box(*sides: slice) -> Mask:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[sides] = True
    return mask


def ball(centre: tuple[int, int, int], radius: int) -> Mask:
    """Return a ball in a volume of the size of BraTS's."""
    k, j, i = np.ogrid[:155, :240, :240]
    squared = (k - centre[0]) ** 2 + (j - centre[1]) ** 2 + (i - centre[2]) ** 2
    return np.asarray(squared < radius**2)


def slow_surface(mask: Mask) -> Mask:
    """Look at the six neighbours of every voxel, one by one."""
    surface = np.zeros_like(mask)
    for place in np.argwhere(mask):
        for axis in range(3):
            for step in (-1, 1):
                neighbour = place.copy()
                neighbour[axis] += step
                outside = (neighbour < 0).any() or (neighbour >= mask.shape).any()
                if outside or not mask[tuple(neighbour)]:
                    surface[tuple(place)] = True
    return surface


def slow_distances(of: Mask, to: Mask, spacing: tuple[float, ...]) -> Distances:
    """Compare every surface voxel with every other."""
    points, others = (np.argwhere(slow_surface(mask)) * spacing for mask in (of, to))
    between = np.linalg.norm(points[:, None] - others[None], axis=2)
    return np.asarray(between.min(axis=1), dtype=np.float64)


def random_masks(seed: int, density: float = 0.5) -> tuple[Mask, Mask]:
    generator = np.random.default_rng(seed)
    prediction, reference = generator.random((2, *SHAPE)) < density
    reference[1:4, 1:5, 1:5] = True  # an interior, so that surfaces differ from masks
    prediction[3, 3, 3] = True
    return prediction, reference


def test_a_solid_box_keeps_its_shell_only() -> None:
    surface = surface_of(box(slice(1, 6), slice(1, 6), slice(1, 6)))
    assert surface.sum() == 5**3 - 3**3
    assert not surface[3, 3, 3]
    assert surface[1, 3, 3]


def test_the_border_of_the_volume_counts_as_background() -> None:
    everything = np.ones((4, 5, 6), dtype=bool)
    assert surface_of(everything).sum() == 4 * 5 * 6 - 2 * 3 * 4


def test_a_diagonal_neighbour_in_the_background_makes_no_surface() -> None:
    mask = box(slice(0, 5), slice(0, 5), slice(0, 5))
    mask[1, 1, 2] = False  # shares an edge with (2, 2, 2), no face
    assert not surface_of(mask)[2, 2, 2]
    assert surface_of(mask)[2, 1, 2]


@pytest.mark.parametrize("seed", range(3))
def test_the_surface_is_that_of_the_slow_search(seed: int) -> None:
    mask, _ = random_masks(seed, density=0.8)
    np.testing.assert_array_equal(surface_of(mask), slow_surface(mask))


def test_each_axis_has_its_own_spacing() -> None:
    for axis, spacing in enumerate(SPACING_KJI):
        moved = [1, 1, 1]
        moved[axis] += 3
        found = surface_distances(voxels((1, 1, 1)), voxels((*moved,)), SPACING_KJI)
        assert found.hd == found.hd95 == found.asd == found.assd == pytest.approx(3 * spacing)


def test_one_voxel_in_two_places_is_as_far_as_the_diagonal() -> None:
    found = surface_distances(voxels((0, 0, 0)), voxels((1, 3, 4)), (12.0, 1.0, 1.0))
    assert found.hd == pytest.approx(13.0)


def test_the_nearest_voxel_in_mm_need_not_be_the_nearest_in_voxels() -> None:
    prediction, reference = voxels((3, 3, 3)), voxels((4, 3, 3), (3, 3, 6))
    assert surface_distances(prediction, reference, UNIT).asd == pytest.approx(1.0)
    in_mm = surface_distances(prediction, reference, SPACING_KJI)
    assert in_mm.asd == pytest.approx(3 * 0.7)
    assert in_mm.hd == pytest.approx(8.0)


def test_directions_differ_and_assd_weighs_them_alike() -> None:
    prediction, reference = voxels((0, 0, 0)), voxels((0, 0, 0), (0, 0, 3), (0, 0, 6))
    found = surface_distances(prediction, reference, UNIT)
    assert found.asd == 0
    assert sorted(found.from_reference) == [0, 3, 6]
    assert found.assd == pytest.approx((0 + 3) / 2)  # not (0 + 0 + 3 + 6) / 4
    assert surface_distances(reference, prediction, UNIT).asd == pytest.approx(3.0)


def test_hd95_is_the_larger_directed_percentile_and_leaves_out_a_far_voxel() -> None:
    line = np.zeros((1, 1, 210), dtype=bool)
    line[..., :100] = True
    with_outlier = line.copy()
    with_outlier[..., 199] = True  # one of 101 voxels, 100 away
    found = surface_distances(with_outlier, line, UNIT)
    assert found.hd == pytest.approx(100.0)
    assert found.hd95 == 0
    few = np.zeros_like(line)
    few[..., :2] = True  # from 0, 1 to 0..99: 95th percentile of 0, 0, 1, 2, ..., 98
    assert surface_distances(few, line, UNIT).hd95 == pytest.approx(98 - 0.05 * 99)


def test_nested_boxes_have_the_hollow_between_them_as_distance() -> None:
    inner = box(slice(2, 5), slice(2, 5), slice(2, 5))
    outer = box(slice(0, 7), slice(0, 7), slice(0, 7))
    found = surface_distances(inner, outer, UNIT)
    np.testing.assert_allclose(found.from_prediction, 2.0)
    assert found.hd == pytest.approx(np.sqrt(12))  # from corner to corner


def test_identical_masks_are_at_no_distance() -> None:
    mask, _ = random_masks(0)
    found = surface_distances(mask, mask, SPACING_KJI)
    assert found.hd == found.hd95 == found.asd == found.assd == 0


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), spacing=st.sampled_from([UNIT, SPACING_KJI, (0.3, 5.0, 2.0)]))
def test_distances_are_those_of_brute_force(seed: int, spacing: tuple[float, ...]) -> None:
    prediction, reference = random_masks(seed, density=0.05)
    found = surface_distances(prediction, reference, spacing)
    there = slow_distances(prediction, reference, spacing)
    back = slow_distances(reference, prediction, spacing)
    np.testing.assert_allclose(found.from_prediction, there)
    np.testing.assert_allclose(found.from_reference, back)


@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")  # MONAI's own call
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("spacing", [UNIT, SPACING_KJI])
def test_figures_are_those_of_monai(seed: int, spacing: tuple[float, ...]) -> None:
    prediction, reference = random_masks(seed, density=0.1)
    tensors = [torch.tensor(mask)[None, None].float() for mask in (prediction, reference)]
    there, back = (tensors[0], tensors[1]), (tensors[1], tensors[0])

    def hausdorff(pair: tuple[torch.Tensor, torch.Tensor], percentile: float | None) -> float:
        distance = compute_hausdorff_distance(
            *pair, include_background=True, percentile=percentile, directed=True, spacing=[*spacing]
        )
        return float(distance.item())

    def average(pair: tuple[torch.Tensor, torch.Tensor]) -> float:
        distance = compute_average_surface_distance(
            *pair, include_background=True, spacing=[*spacing]
        )
        return float(distance.item())

    found = surface_distances(prediction, reference, spacing)
    assert found.hd == pytest.approx(max(hausdorff(there, None), hausdorff(back, None)))
    assert found.hd95 == pytest.approx(max(hausdorff(there, 95), hausdorff(back, 95)))
    assert found.asd == pytest.approx(average(there))
    assert found.assd == pytest.approx((average(there) + average(back)) / 2)


def test_an_empty_mask_has_no_surface_to_measure_from() -> None:
    empty = np.zeros(SHAPE, dtype=bool)
    with pytest.raises(LabelError, match="prediction holds no voxel"):
        surface_distances(empty, voxels((0, 0, 0)), UNIT)
    with pytest.raises(LabelError, match="reference holds no voxel"):
        surface_distances(voxels((0, 0, 0)), empty, UNIT)


@pytest.mark.parametrize(
    "spacing", [(1.0, 1.0), (1.0, 0.0, 1.0), (1.0, -1.0, 1.0), (1.0, np.nan, 1.0)]
)
def test_a_spacing_that_is_none_is_refused(spacing: tuple[float, ...]) -> None:
    with pytest.raises(GeometryError, match="expected 3 positive numbers"):
        surface_distances(voxels((0, 0, 0)), voxels((0, 0, 0)), spacing)


def test_masks_of_two_grids_are_refused() -> None:
    mask = voxels((0, 0, 0))
    with pytest.raises(GeometryError, match="shape"):
        surface_distances(mask, mask[1:], UNIT)


def test_three_regions_of_a_brats_volume_take_at_most_four_seconds() -> None:
    started = time.process_time()
    for radius in (45, 30, 18):
        surface_distances(ball((80, 120, 100), radius), ball((77, 118, 108), radius), UNIT)
    assert time.process_time() - started < 4
