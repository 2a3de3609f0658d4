"""Several images of one case in a prediction: their order, their grids, their number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from CrossModalSegLib.bundle.schema import BundleConfig, Modalities
from CrossModalSegLib.core.errors import GeometryError, InputFileError
from CrossModalSegLib.core.geometry import reorient
from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.intensity import IntensityRule
from CrossModalSegLib.data.statistics import describe_cohort, sample_intensities
from CrossModalSegLib.inference.bundle_match import require_images
from CrossModalSegLib.inference.modality_check import KIND
from CrossModalSegLib.inference.predictor import Predictor
from CrossModalSegLib.inference.wishes import Wishes
from CrossModalSegLib.methods.base import Method

VolumeMaker = Callable[..., Volume]

T1, T2, FLAIR = (MODALITIES[name] for name in ("t1", "t2", "flair"))


@pytest.fixture
def second(method: Method) -> Method:
    """Return a model that looks at the second of three images alone."""

    class SecondBands(type(method)):  # type: ignore[misc]
        takes_several_images = True

        def logits(self, x_t: Tensor) -> Tensor:
            assert x_t.shape[1] == 3
            scores: Tensor = self.bands(x_t[:, 1:2])
            return scores

    return SecondBands(method.config)


@pytest.fixture
def three(config: BundleConfig) -> BundleConfig:
    """Return what its bundle says: the second image's classes are the intensities 10 to 14."""
    shifted = IntensityRule(kind="window_hu", window_hu=(10.0, 14.0))
    return replace(
        config,
        modalities=Modalities(source=T1, target=T1, inputs=(T1, T2, FLAIR)),
        preprocessing=replace(
            config.preprocessing,
            further_intensities=(shifted, config.preprocessing.intensity),
        ),
    )


@pytest.fixture
def predictor(second: Method, three: BundleConfig) -> Predictor:
    return Predictor(second, three, device="cpu", precision="32-true", batch_size=4)


def shifted(volume: Volume) -> Volume:
    return volume.with_array(volume.array_kji + np.float32(10))


def test_each_image_gets_the_rule_of_its_place(
    predictor: Predictor, make_volume: VolumeMaker
) -> None:
    first, second, third = (make_volume((6, 5, 7), seed=seed) for seed in range(3))
    result = predictor.segment([first, shifted(second), third])
    assert np.array_equal(result.labels.array_kji, second.array_kji)
    assert not np.array_equal(
        predictor.segment([first, shifted(third), second]).labels.array_kji, second.array_kji
    )


def block(shape_kji: tuple[int, int, int], mm: float, corner_ras: Any) -> Volume:
    """Return a grid of cubes whose first voxel centre is half a cube from a corner."""
    affine = np.diag([mm, mm, mm, 1.0])
    affine[:3, 3] = np.asarray(corner_ras) + mm / 2
    return Volume(np.zeros(shape_kji, np.float32), affine)


def test_the_result_lies_on_the_first_grid_with_the_second_images_landmark_in_place(
    predictor: Predictor,
) -> None:
    """The second image is finer, turned and larger; its block off the middle stays where it is."""
    coarse = block((12, 12, 12), 2.0, (0, 0, 0))
    coarse = coarse.with_array(np.random.default_rng(0).uniform(0, 4, (12, 12, 12)))
    coarse = Volume(coarse.array_kji.astype(np.float32), coarse.affine_ras)
    fine = block((30, 30, 30), 1.0, (-3, -3, -3))
    values = np.full((30, 30, 30), 10.0, np.float32)
    values[3 + 4 : 3 + 10, 3 + 12 : 3 + 20, 3 + 2 : 3 + 6] = 13.0  # k 2-4, j 6-9, i 1-2 of coarse
    fine = reorient(fine.with_array(values), "PIL")
    result = predictor.segment([coarse, fine, coarse], wishes=Wishes(uncertainty=True))
    assert np.array_equal(result.labels.affine_ras, coarse.affine_ras)
    found = result.labels.array_kji
    inside, near = np.zeros((2, 12, 12, 12), bool)
    inside[2:5, 6:10, 1:3] = True
    near[1:6, 5:11, 0:4] = True  # smoothing to the coarser grid reaches one voxel further
    assert found[3, 7, 1] == 3
    assert (found[inside] > 0).all()
    assert not found[~near].any()
    np.testing.assert_allclose(np.argwhere(found).mean(axis=0), (3.0, 7.5, 1.5), atol=0.1)
    assert result.uncertainty is not None
    assert result.uncertainty.shape_kji == coarse.shape_kji


def test_another_number_of_images_is_refused_with_what_is_expected(
    predictor: Predictor, make_volume: VolumeMaker, config: BundleConfig, method: Method
) -> None:
    volume = make_volume((6, 5, 7))
    for images in (volume, [volume], [volume] * 2, [volume] * 4, []):
        with pytest.raises(InputFileError, match=r"expected 3: .*T1 MR, T2 MR, FLAIR MR") as caught:
            predictor.segment(images)
        assert "in this order" in caught.value.hint
    single = Predictor(method, config, device="cpu")
    with pytest.raises(InputFileError, match="2 images of a case were given, expected 1"):
        single.segment([volume, volume])
    assert single.segment([volume]).labels.array_kji.any()


def test_a_sequence_of_one_is_one_image(
    method: Method, config: BundleConfig, make_volume: VolumeMaker
) -> None:
    predictor = Predictor(method, config, device="cpu")
    volume = make_volume((4, 5, 6))
    one, listed = predictor.segment(volume), predictor.segment([volume])
    assert np.array_equal(one.labels.array_kji, listed.labels.array_kji)
    require_images(config, 1)


def test_an_image_that_does_not_meet_the_first_is_refused(
    predictor: Predictor, make_volume: VolumeMaker
) -> None:
    first, second = make_volume((6, 5, 7)), make_volume((6, 5, 7))
    affine = second.affine_ras.copy()
    affine[2, 3] += 500
    with pytest.raises(GeometryError, match="no place in common"):
        predictor.segment([first, Volume(second.array_kji, affine), first])


def test_each_image_is_compared_with_its_own_statistics(
    second: Method, three: BundleConfig
) -> None:
    """Images in the wrong order: those that are unlike what stood in their place say so."""
    usual = []
    for low, high in ((-1.0, -0.6), (-0.2, 0.2), (0.6, 1.0)):
        samples = [
            sample_intensities(np.random.default_rng(seed).uniform(low, high, (4, 24, 24)))
            for seed in range(3)
        ]
        usual.append(describe_cohort(samples, samples, 12, None))
    wide = IntensityRule(kind="fixed", fixed_range=(-1.0, 1.0))
    config = replace(
        three,
        preprocessing=replace(
            three.preprocessing, intensity=wide, further_intensities=(wide, wide), matrix=(8, 8)
        ),
        target_statistics=usual[0],
        further_statistics=tuple(usual[1:]),
    )
    predictor = Predictor(second, config, device="cpu")
    images = []
    for low, high in ((-1.0, -0.6), (-0.2, 0.2), (0.6, 1.0)):
        values = np.random.default_rng(9).uniform(low, high, (8, 8, 8)).astype(np.float32)
        images.append(Volume(values, np.diag([-1.0, -1.0, 1.0, 1.0])))
    right = predictor.segment(images)
    assert not [notice for notice in right.warnings if notice.kind == KIND]
    swapped = predictor.segment([images[0], images[2], images[1]])
    unlike = [notice.message for notice in swapped.warnings if notice.kind == KIND]
    assert len(unlike) == 1
    assert "the intensities of T2 MR and FLAIR MR differ" in unlike[0]


def test_warming_up_uses_the_models_channels(predictor: Predictor) -> None:
    predictor.warm_up()
