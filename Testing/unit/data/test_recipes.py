"""Preprocessing as the papers did it, and its options."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from CrossModalSegLib.core.config import from_dict, to_dict
from CrossModalSegLib.core.errors import ConfigError, InputFileError, UnknownNameError
from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.bias_field import correct_bias_field
from CrossModalSegLib.data.foreground import crop_to_foreground, foreground, paste, same_part
from CrossModalSegLib.data.intensity import IntensityRule, scale_intensities
from CrossModalSegLib.data.preprocessing import (
    Preprocessing,
    crop_volume,
    default_preprocessing,
    prepare_image,
)
from CrossModalSegLib.data.recipes import RECIPES, recipe


def noise(shape: tuple[int, int, int] = (6, 8, 10)) -> NDArray[Any]:
    return np.random.default_rng(0).normal(200, 50, shape).astype(np.float32)


@pytest.mark.parametrize(("modality", "low", "high"), [("ct", -2.8, 3.2), ("mr_bssfp", -1.8, 4.4)])
def test_sifa_clips_the_top_and_maps_z_scores_to_its_range(
    modality: str, low: float, high: float
) -> None:
    settings = recipe("sifa", TASKS["cardiac"], MODALITIES[modality])
    assert (settings.slicing, settings.matrix) == ("coronal", (256, 256))
    array = noise()
    clipped = np.minimum(array, np.percentile(array, 98))
    z = (clipped - clipped.mean()) / clipped.std()
    expected = np.clip((z - low) / (high - low) * 2 - 1, -1, 1)
    np.testing.assert_allclose(scale_intensities(array, settings.intensity), expected, atol=1e-4)


def test_released_z_scores_are_mapped_as_they_are() -> None:
    settings = recipe("sifa_release", TASKS["cardiac"], MODALITIES["mr_bssfp"])
    array = np.array([-9.0, -1.8, 1.3, 4.4, 9.0], np.float32)
    expected = [-1.0, -1.0, 0.0, 1.0, 1.0]
    np.testing.assert_allclose(scale_intensities(array, settings.intensity), expected, atol=1e-6)


def test_the_abdomen_has_its_window_and_matrix() -> None:
    ct = recipe("abdomen", TASKS["abdomen"], MODALITIES["ct"])
    assert (ct.matrix, ct.intensity.window_hu) == ((512, 512), (-350.0, 350.0))
    assert (ct.spacing_mm, ct.slice_spacing_mm) == ((1.0, 1.0), 4.0)
    mr = recipe("abdomen", TASKS["abdomen"], MODALITIES["mr_t2spir"])
    assert (mr.intensity.kind, mr.spacing_mm) == ("robust_zscore", (1.0, 1.0))
    assert mr.slice_spacing_mm is None


def test_brats_takes_the_whole_slice() -> None:
    settings = recipe("brats", TASKS["whole_tumour"], MODALITIES["t2"])
    assert (settings.slicing, settings.matrix) == ("axial", (240, 240))


def test_recipes_refuse_other_tasks_and_unknown_names() -> None:
    with pytest.raises(ConfigError, match="robust"):
        recipe("sifa", TASKS["abdomen"], MODALITIES["ct"])
    with pytest.raises(UnknownNameError, match="Did you mean 'abdomen'"):
        recipe("abdomn", TASKS["abdomen"], MODALITIES["ct"])


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_travel_as_json(name: str) -> None:
    tasks, make = RECIPES[name]
    settings = make(TASKS[tasks[0] if tasks else "cardiac"], MODALITIES["ct"])
    assert from_dict(Preprocessing, to_dict(settings), "test") == settings


def test_slices_cannot_lie_at_one_place() -> None:
    settings = recipe("abdomen", TASKS["abdomen"], MODALITIES["ct"])
    with pytest.raises(ConfigError, match=r"slice_spacing_mm is 0\.0"):
        replace(settings, slice_spacing_mm=0.0)


def test_a_fixed_rule_needs_its_range() -> None:
    with pytest.raises(ConfigError, match="fixed_range"):
        IntensityRule(kind="fixed")


def test_splines_are_nearer_to_a_smooth_image_than_lines() -> None:
    def wave(step: float) -> NDArray[Any]:
        places = np.arange(40) * step
        return np.sin(places / 5)[:, None] * np.sin(places / 7)[None, :]

    affine = np.diag([-2.0, -2.0, 2.0, 1.0])
    volume = Volume(np.stack([wave(2.0)] * 2).astype(np.float32), affine)
    rule = IntensityRule(kind="fixed", fixed_range=(-1.0, 1.0))
    errors = {}
    interpolations: tuple[Literal["linear", "spline"], ...] = ("linear", "spline")
    for interpolation in interpolations:
        settings = Preprocessing(
            slicing="axial",
            matrix=(59, 59),
            intensity=rule,
            spacing_mm=(1.0, 1.0),
            interpolation=interpolation,
        )
        start = 39 - 29.0  # the middle of the volume, in mm, less half the matrix
        places = start + np.arange(59)
        expected = np.sin(places / 5)[:, None] * np.sin(places / 7)[None, :]
        errors[interpolation] = float(np.abs(prepare_image(volume, settings)[0] - expected).max())
    assert errors["spline"] < errors["linear"] / 20


def head() -> Volume:
    """Return a bright ball off centre in dark noise."""
    k, j, i = np.mgrid[:30, :40, :50]
    inside = (k - 12) ** 2 + (j - 26) ** 2 + (i - 15) ** 2 < 81
    array = np.random.default_rng(0).normal(4, 1, inside.shape) + 100 * inside
    array[0, 0, 49] = 200  # a spot outside
    return Volume(array.astype(np.float32), np.diag([-1.0, -1.0, 2.0, 1.0]))


def test_the_foreground_is_the_largest_bright_part() -> None:
    mask = foreground(head(), is_ct=False)
    assert mask.sum() == (head().array_kji[:, :, :40] > 50).sum()


def test_cropping_keeps_every_voxel_at_its_place() -> None:
    volume = head()
    part = crop_to_foreground(volume, is_ct=False)
    assert part.shape_kji == (21, 27, 27)  # 17 voxels and 5 mm, which end at no border here
    back = paste(part, volume, fill=-99)
    kept = back.array_kji > -50
    assert np.array_equal(back.array_kji[kept], volume.array_kji[kept])
    assert kept.sum() == part.array_kji.size
    assert np.array_equal(same_part(volume, part).array_kji, part.array_kji)


def test_a_crop_moves_the_matrix_to_the_patient() -> None:
    settings = default_preprocessing(TASKS["abdomen"], MODALITIES["t2"], matrix=(24, 24))
    cropped = replace(settings, crop="foreground")
    assert crop_volume(head(), settings).shape_kji == head().shape_kji
    whole = prepare_image(crop_volume(head(), settings), settings)
    part = prepare_image(crop_volume(head(), cropped), cropped)
    assert (part > 0).mean() > 1.5 * (whole > 0).mean()


def test_air_is_no_foreground_in_ct() -> None:
    volume = head()
    hounsfield = volume.with_array(volume.array_kji * 10 - 1000)
    assert foreground(hounsfield, is_ct=True).sum() == foreground(volume, is_ct=False).sum()


def test_n4_removes_shading() -> None:
    k, j, i = np.mgrid[:24, :32, :32].astype(np.float32)
    inside = (k - 12) ** 2 / 1.5 + (j - 16) ** 2 + (i - 16) ** 2 < 160
    shading = np.exp((i - 16) / 40)
    volume = Volume((inside * shading * 100).astype(np.float32), np.eye(4) * 4)
    corrected = correct_bias_field(volume).array_kji[inside]
    shaded = volume.array_kji[inside]
    assert corrected.std() / corrected.mean() < 0.4 * shaded.std() / shaded.mean()


def test_n4_refuses_negative_intensities() -> None:
    with pytest.raises(InputFileError, match="at least 0"):
        correct_bias_field(Volume(noise() - 500, np.eye(4)))
