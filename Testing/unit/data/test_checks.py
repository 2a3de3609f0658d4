"""Checks that save weeks: what must be found, and what must not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.checks import check_case, check_shared_images, check_spacings
from CrossModalSegLib.data.phantoms.cardiac import make_cardiac_subject

AFFINE = np.diag([-1.5, -1.5, 2.0, 1.0])
TASK = TASKS["abdomen"]


def body() -> tuple[Volume, Volume]:
    """Return a CT-like body with four organs, and their labels."""
    k, j, i = np.mgrid[:24, :48, :48]
    array = np.full(k.shape, -1000.0)
    array[(j - 24) ** 2 / 300 + (i - 24) ** 2 / 480 < 1] = -50
    labels = np.zeros(k.shape, np.uint8)
    places = {1: (13, 16, 14), 2: (8, 34, 17), 3: (10, 34, 30), 4: (16, 28, 36)}
    for value, (z, y, x) in places.items():
        near = (k - z) ** 2 + (j - y) ** 2 + (i - x) ** 2 < 20
        labels[near] = value
        array[near] = 90 + 20 * value
    array += np.random.default_rng(0).normal(0, 12, array.shape) + 3 * k
    return Volume(array.astype(np.float32), AFFINE), Volume(labels, AFFINE)


def kinds(image: Volume, labels: Volume | None) -> list[str]:
    found = check_case("a", image, labels, TASK, is_ct=True)
    assert all(finding.case == "a" and finding.hint for finding in found)
    return [finding.kind for finding in found]


def test_nothing_is_wrong_with_a_good_case() -> None:
    assert kinds(*body()) == []
    assert kinds(body()[0], None) == []


@pytest.mark.parametrize(
    ("axis", "name"), [(0, "top-bottom"), (1, "front-back"), (2, "left-right")]
)
def test_flipped_labels_are_found_with_their_axis(axis: int, name: str) -> None:
    image, labels = body()
    flipped = labels.with_array(np.flip(labels.array_kji, axis))
    found = check_case("a", image, flipped, TASK, is_ct=True)
    (flip,) = [finding for finding in found if finding.kind == "flipped_labels"]
    assert f"flipped {name} (" in flip.message


def test_sides_that_are_swapped_in_both_files_are_found() -> None:
    image, labels = body()
    mirror = [volume.with_array(volume.array_kji[..., ::-1]) for volume in (image, labels)]
    assert kinds(*mirror) == ["swapped_sides"]


def test_labels_in_the_air_are_found() -> None:
    image, labels = body()
    away = labels.with_array(np.roll(labels.array_kji, 26, axis=1))
    assert "labels_outside" in kinds(image, away)


def test_lungs_are_in_the_body() -> None:
    image, labels = body()
    array, lungs = image.array_kji.copy(), labels.array_kji.copy()
    array[4:20, 18:30, 16:32] = -850
    lungs[4:20, 19:29, 17:31] = 1
    assert "labels_outside" not in kinds(image.with_array(array), labels.with_array(lungs))


def test_faint_structures_raise_no_alarm() -> None:
    image, labels = body()
    generator = np.random.default_rng(3)
    shades = gaussian_filter(generator.normal(0, 400, image.shape_kji), 4)
    inside = np.where(image.array_kji > -500, 40 + shades, -1000).astype(np.float32)
    for axes in ((), (0,), (1,), (0, 2)):
        flipped = labels.with_array(np.flip(labels.array_kji, axes))
        found = check_case("a", image.with_array(inside), flipped, TASKS["cardiac"], is_ct=True)
        assert "flipped_labels" not in {finding.kind for finding in found}


@pytest.mark.parametrize("modality", ["ct", "mr_bssfp"])
def test_of_phantoms_flips_are_found_and_nothing_else(modality: Any) -> None:
    task = TASKS["cardiac"]
    for seed in (1, 2):
        subject = make_cardiac_subject(modality, seed)
        image, labels = subject.image, subject.labels
        assert check_case("a", image, labels, task, is_ct=modality == "ct") == []
        for axis in range(3):
            flipped = labels.with_array(np.flip(labels.array_kji, axis))
            found = check_case("a", image, flipped, task, is_ct=modality == "ct")
            assert "flipped_labels" in {finding.kind for finding in found}


def reordered(order: Any) -> list[str]:
    image, _ = body()
    return kinds(image.with_array(image.array_kji[order]), None)


def test_slices_out_of_order_are_found() -> None:
    generator = np.random.default_rng(1)
    k = np.arange(24)
    assert reordered(k[::-1]) == []
    smooth = Volume(
        np.cumsum(generator.normal(0, 20, (24, 8, 8)), axis=0).astype(np.float32), AFFINE
    )
    thrown = smooth.with_array(smooth.array_kji[generator.permutation(24)])
    assert kinds(smooth, None) == []
    assert kinds(thrown, None) == ["slice_order"]
    by_text = sorted(range(24), key=lambda number: str(number + 1))  # 1, 10, 11, ..., 2, 20, ...
    assert kinds(smooth.with_array(smooth.array_kji[by_text]), None) == ["slice_order"]
    ramp = np.arange(24.0)[:, None, None] * 10 + generator.normal(0, 1, (24, 8, 8))
    volume = Volume(ramp[np.r_[0:24:2, 1:24:2]].astype(np.float32), AFFINE)
    assert kinds(volume, None) == ["slice_order"]


def test_spacing_outliers_are_named(make_cohort: Any) -> None:
    cases = list(make_cohort("a", range(1, 5)).cases)
    assert not list(check_spacings(cases))
    cases[2] = replace(cases[2], spacing_mm=(2.0, 2.0, 5.0))
    (finding,) = check_spacings(cases)
    assert (finding.case, finding.kind) == (cases[2].id, "spacing_outlier")
    assert "2.00x2.00x5.00 mm, usual here is 2.00x2.00x2.00 mm" in finding.message


def test_images_in_both_domains_are_named(make_cohort: Any) -> None:
    first, second = make_cohort("a", range(1, 4)), make_cohort("b", range(3, 6))
    assert check_shared_images(second.cases, first.cases) == ["b3 (subject b3)"]
