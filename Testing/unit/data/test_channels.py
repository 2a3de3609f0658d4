"""Several images of one case: brought to one grid, each with its own rule, in their order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from CrossModalSegLib.core.errors import GeometryError
from CrossModalSegLib.core.geometry import reorient
from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.channels import (
    combine_preprocessing,
    crop_images,
    on_grid_of_first,
    prepare_images,
    resample_to_grid,
)
from CrossModalSegLib.data.preprocessing import Preprocessing, default_preprocessing, prepare_image

CODES = ("RAS", "LPS", "LIP", "PIL", "SLA", "AIR")


def settings_of(*names: str, **options: Any) -> Preprocessing:
    """Return axial settings of modalities, 16x16."""
    each = [
        default_preprocessing(TASKS["brain_tumour"], MODALITIES[name], matrix=(16, 16))
        for name in names
    ]
    return replace(combine_preprocessing(each), **options)


def grid_of(
    shape_kji: tuple[int, int, int], spacing_mm: tuple[float, float, float], degrees: float = 0.0
) -> Volume:
    """Return an empty grid, turned about S, whose middle is at RAS (0, 0, 0)."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0]])
    affine = np.eye(4)
    affine[:3, :3] = np.vstack([turn, [0, 0, 1]]) @ np.diag(spacing_mm)
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape_kji[::-1]) - 1) / 2)
    return Volume(np.zeros(shape_kji, np.float32), affine)


def places_ras(grid: Volume) -> Any:
    """Return the place of each voxel, (3, k, j, i), in RAS mm."""
    k, j, i = np.indices(grid.shape_kji)
    index = np.stack([i, j, k, np.ones_like(i)]).reshape(4, -1)
    return (grid.affine_ras @ index)[:3].reshape(3, *grid.shape_kji)


def with_landmark(grid: Volume, centre_ras: tuple[float, float, float], mm: float = 4.0) -> Volume:
    """Draw a smooth ball somewhere off the middle."""
    away = places_ras(grid) - np.array(centre_ras)[:, None, None, None]
    return grid.with_array((100 * np.exp(-(away**2).sum(0) / mm**2)).astype(np.float32))


def centre_of(volume: Volume) -> Any:
    """Return the centre of mass, RAS mm."""
    weights = volume.array_kji.astype(np.float64)
    return (places_ras(volume) * weights).sum((1, 2, 3)) / weights.sum()


LANDMARK = (9.0, -6.0, 4.0)
"""Right, back, top: no two axes alike."""


@pytest.mark.parametrize("degrees", [0.0, 20.0])
@pytest.mark.parametrize("spacing_mm", [(2.0, 2.0, 2.0), (1.0, 1.5, 3.0)])
def test_a_landmark_keeps_its_place_on_another_grid(
    degrees: float, spacing_mm: tuple[float, float, float]
) -> None:
    image = with_landmark(grid_of((24, 40, 44), (1.2, 1.4, 2.0), degrees), LANDMARK)
    shape = tuple(round(48 / mm) for mm in reversed(spacing_mm))
    grid = grid_of(shape, spacing_mm)  # type: ignore[arg-type]
    resampled = resample_to_grid(image, grid)
    assert resampled.shape_kji == grid.shape_kji
    assert np.array_equal(resampled.affine_ras, grid.affine_ras)
    np.testing.assert_allclose(centre_of(resampled), LANDMARK, atol=0.15)
    assert resampled.array_kji.dtype == np.float32


@given(
    st.sampled_from(CODES),
    st.tuples(*[st.floats(0.6, 3.0)] * 3),
    st.tuples(*[st.floats(-2.0, 2.0)] * 3),
)
def test_a_linear_image_is_resampled_exactly_inside(
    code: str, spacing_mm: tuple[float, float, float], shift_mm: tuple[float, float, float]
) -> None:
    """Whatever the axes: f = 2 R - 3 A + 5 S is the same on any finer grid within the image."""
    image = grid_of((20, 20, 20), (3.0, 3.0, 3.0))
    slope = np.array([2.0, -3.0, 5.0])
    values = np.tensordot(slope, places_ras(image), 1)
    turned = reorient(image.with_array(values.astype(np.float32)), code)
    affine = grid_of((8, 8, 8), spacing_mm).affine_ras.copy()
    affine[:3, 3] += shift_mm
    grid = Volume(np.zeros((8, 8, 8), np.float32), affine)
    found = resample_to_grid(turned, grid).array_kji
    np.testing.assert_allclose(found, np.tensordot(slope, places_ras(grid), 1), atol=1e-3)


@pytest.mark.parametrize("code", CODES)
def test_the_same_grid_with_other_axes_keeps_every_bit(code: str) -> None:
    image = grid_of((5, 6, 7), (1.1, 1.3, 2.1), degrees=12.0)
    values = np.random.default_rng(0).normal(size=image.shape_kji).astype(np.float32)
    image = image.with_array(values)
    assert np.array_equal(resample_to_grid(reorient(image, code), image).array_kji, values)
    assert np.array_equal(resample_to_grid(image, image).array_kji, values)


def test_beyond_the_image_there_is_its_minimum() -> None:
    image = grid_of((4, 4, 4), (2.0, 2.0, 2.0))
    image = image.with_array(np.full(image.shape_kji, 7.0, np.float32))
    image.array_kji[0, 0, 0] = -3.0
    wide = resample_to_grid(image, grid_of((12, 12, 12), (1.0, 1.0, 1.0)))
    outside = np.abs(places_ras(wide)).max(axis=0) > 4.0  # a voxel's half beyond the outer centres
    assert (wide.array_kji[outside] == -3.0).all()
    assert (wide.array_kji[~outside] > -3.0).any()
    assert wide.array_kji[6, 6, 6] == 7.0


def test_a_coarser_grid_is_smoothed_against_aliasing() -> None:
    fine = grid_of((32, 8, 8), (1.0, 1.0, 1.0))
    stripes = np.where(np.arange(32) % 2, 10.0, -10.0)[:, None, None]
    fine = fine.with_array(np.broadcast_to(stripes, fine.shape_kji).astype(np.float32))
    coarse = resample_to_grid(fine, grid_of((8, 8, 8), (1.0, 1.0, 4.0)))
    assert np.abs(coarse.array_kji[1:-1]).max() < 0.5


def test_images_that_do_not_meet_are_refused_with_both_grids() -> None:
    first = grid_of((4, 4, 4), (1.0, 1.0, 1.0))
    affine = first.affine_ras.copy()
    affine[0, 3] += 300
    with pytest.raises(GeometryError, match=r"no place in common: 4x4x4.*298"):
        on_grid_of_first([first, Volume(np.zeros((4, 4, 4), np.float32), affine)])


def noise(seed: int, scale: float = 50.0) -> Volume:
    grid = grid_of((6, 16, 16), (1.0, 1.0, 2.0))
    values = np.random.default_rng(seed).normal(0, scale, grid.shape_kji)
    return grid.with_array(values.astype(np.float32))


def test_each_channel_is_prepared_by_its_own_rule_in_order() -> None:
    settings = settings_of("t1", "ct", "flair")
    images = [noise(seed, 300.0) for seed in (1, 2, 3)]
    slices = prepare_images(images, settings)
    assert slices.shape == (6, 3, 16, 16)
    for channel, name in enumerate(("t1", "ct", "flair")):
        alone = prepare_image(images[channel], settings_of(name))
        assert np.array_equal(slices[:, channel], alone)
    hu = prepare_image(images[1], settings_of("ct"))
    assert not np.array_equal(prepare_image(images[1], settings_of("t1")), hu)


def test_one_image_is_prepared_as_ever() -> None:
    settings = settings_of("t2")
    slices = prepare_images([noise(1)], settings)
    assert np.array_equal(slices[:, 0], prepare_image(noise(1), settings))
    assert settings.of_channel(0) is settings


def test_n4_is_for_the_mr_images_alone() -> None:
    settings = settings_of("t1", "ct", bias_correction="n4")
    assert settings.of_channel(0).bias_correction == "n4"
    assert settings.of_channel(1).bias_correction == "none"
    assert settings_of("ct", bias_correction="n4").of_channel(0).bias_correction == "n4"


def test_all_images_are_cropped_to_the_foreground_of_the_first() -> None:
    first = grid_of((10, 40, 40), (1.0, 1.0, 1.0))
    body = np.zeros(first.shape_kji, np.float32)
    body[2:8, 20:34, 4:16] = 100 + np.arange(12)
    second = noise_on(first)
    parts = crop_images(
        [first.with_array(body), second], settings_of("t1", "t2", crop="foreground")
    )
    assert parts[0].shape_kji == parts[1].shape_kji != first.shape_kji
    np.testing.assert_array_equal(parts[0].affine_ras, parts[1].affine_ras)
    k, j, i = 0, 15, 0  # a margin of 5 mm around the body, as far as there is room
    shape = parts[1].shape_kji
    window = second.array_kji[k : k + shape[0], j : j + shape[1], i : i + shape[2]]
    assert np.array_equal(parts[1].array_kji, window)


def noise_on(grid: Volume) -> Volume:
    values = np.random.default_rng(9).normal(size=grid.shape_kji)
    return grid.with_array(values.astype(np.float32))
