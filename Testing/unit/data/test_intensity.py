"""Intensities end in [-1, 1] by the rule of their modality."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from CrossModalSegLib.core.config import from_dict, to_dict
from CrossModalSegLib.core.errors import ConfigError, InputFileError
from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.data.intensity import IntensityRule, intensity_rule, scale_intensities

WINDOW = IntensityRule(kind="window_hu", window_hu=(-200.0, 300.0))
ZSCORE = IntensityRule(kind="robust_zscore", percentiles=(0.0, 100.0), clip_sigma=2.0)


def image_of(*values: float) -> np.ndarray:
    return np.array(values, np.float32).reshape(1, 1, -1)


def test_the_window_is_linear_and_clipped() -> None:
    scaled = scale_intensities(image_of(-1000, -200, 50, 175, 300, 3000), WINDOW)
    np.testing.assert_allclose(scaled.ravel(), [-1, -1, 0, 0.5, 1, 1])


def test_the_zscore_by_hand() -> None:
    # above the minimum: 1 3 5 7, mean 4, standard deviation sqrt(5)
    scaled = scale_intensities(image_of(0, 1, 3, 5, 7), ZSCORE)
    expected = (np.array([0, 1, 3, 5, 7]) - 4) / (2 * np.sqrt(5))
    np.testing.assert_allclose(scaled.ravel(), expected, rtol=1e-6)


def test_bright_outliers_are_clipped_before_the_statistics() -> None:
    generator = np.random.default_rng(0)
    plain = generator.normal(100, 10, (10, 20, 20)).astype(np.float32)
    with_outliers = plain.copy()
    with_outliers.flat[:20] = 1e6
    rule = intensity_rule(MODALITIES["t2"])
    difference = scale_intensities(plain, rule) - scale_intensities(with_outliers, rule)
    assert np.abs(difference.ravel()[20:]).max() < 0.05


def test_the_empty_surroundings_of_a_stripped_brain_do_not_count() -> None:
    generator = np.random.default_rng(0)
    brain = generator.uniform(50, 150, (4, 10, 10)).astype(np.float32)
    surrounded = np.pad(brain, ((0, 0), (30, 30), (30, 30)))
    rule = intensity_rule(MODALITIES["t1"])
    inside = scale_intensities(surrounded, rule)[:, 30:40, 30:40]
    np.testing.assert_allclose(inside, scale_intensities(brain, rule), atol=0.02)


@settings(deadline=None, max_examples=50)
@example(values=[0.0, 9e-39, -5.0])
@given(
    values=st.lists(st.floats(-1e4, 1e4, width=32), min_size=2, max_size=40).filter(
        lambda v: len(set(v)) > 1
    )
)
def test_any_image_with_contrast_ends_between_minus_one_and_one(values: list[float]) -> None:
    scaled = scale_intensities(image_of(*values), intensity_rule(MODALITIES["flair"]))
    assert scaled.dtype == np.float32
    assert np.isfinite(scaled).all()
    assert -1 <= scaled.min() < scaled.max() <= 1


def test_a_few_bright_voxels_on_nothing_survive() -> None:
    image = np.zeros((20, 20, 20), np.int16)
    image[5, 6, 7], image[7, 6, 5] = 100, 200
    scaled = scale_intensities(image, intensity_rule(MODALITIES["t1"]))
    assert scaled[5, 6, 7] > scaled[0, 0, 0]


def test_the_input_stays_as_it_was() -> None:
    image = image_of(0, 1, 3, 5, 7)
    scale_intensities(image, ZSCORE)
    assert image.ravel().tolist() == [0, 1, 3, 5, 7]


@pytest.mark.parametrize("rule", [WINDOW, ZSCORE])
@pytest.mark.parametrize(
    ("values", "reason"),
    [((5, 5, 5), "constant"), ((1, np.nan, 2), "NaN"), ((1, np.inf, 2), "NaN or infinite")],
)
def test_images_without_contrast_are_refused(
    rule: IntensityRule, values: tuple[float, ...], reason: str
) -> None:
    with pytest.raises(InputFileError, match=reason):
        scale_intensities(image_of(*values), rule)


@pytest.mark.parametrize("values", [(-900, -800), (400, 900)])
def test_an_image_outside_the_window_is_refused(values: tuple[float, ...]) -> None:
    with pytest.raises(InputFileError, match="outside the window"):
        scale_intensities(image_of(*values), WINDOW)


def test_modalities_have_their_rule() -> None:
    assert intensity_rule(MODALITIES["ct"]).window_hu == MODALITIES["ct"].window_hu
    assert intensity_rule(MODALITIES["ct"]).kind == "window_hu"
    assert intensity_rule(MODALITIES["mr_bssfp"]).kind == "robust_zscore"


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "window_hu"},
        {"kind": "window_hu", "window_hu": [300, -200]},
        {"kind": "robust_zscore", "percentiles": [99, 1]},
        {"kind": "robust_zscore", "percentiles": [0, 101]},
        {"kind": "robust_zscore", "clip_sigma": 0},
        {"kind": "robust_z_score"},
    ],
)
def test_rules_that_cannot_be_applied_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        from_dict(IntensityRule, wrong, "rule")


@pytest.mark.parametrize("rule", [WINDOW, ZSCORE])
def test_rules_survive_json(rule: IntensityRule) -> None:
    assert from_dict(IntensityRule, to_dict(rule), "rule") == rule
