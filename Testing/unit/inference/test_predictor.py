"""A network that returns its input returns the volume exactly, whatever its grid."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from CrossModalSegLib.bundle.reading import Bundle
from CrossModalSegLib.bundle.schema import BundleConfig, PostProcessing
from CrossModalSegLib.core.errors import (
    Cancelled,
    ConfigError,
    DeviceError,
    GeometryError,
    InputFileError,
    MismatchError,
)
from CrossModalSegLib.core.events import Event, Reporter
from CrossModalSegLib.core.geometry import affine_from, reorient
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.intensity import IntensityRule
from CrossModalSegLib.data.statistics import describe_cohort, sample_intensities
from CrossModalSegLib.inference.bundle_match import require_match
from CrossModalSegLib.inference.predictor import Predictor
from CrossModalSegLib.inference.region import RegionOfInterest
from CrossModalSegLib.inference.wishes import Wishes
from CrossModalSegLib.methods.base import Method

VolumeMaker = Callable[..., Volume]

CODES = [
    "".join(letters)
    for axes in itertools.permutations(("RL", "AP", "SI"))
    for letters in itertools.product(*axes)
]

BATCH_SIZE = 4


def assert_exact(predictor: Predictor, volume: Volume, reporter: Reporter | None = None) -> None:
    result = predictor.segment(volume, reporter)
    assert result.labels.array_kji.dtype == np.uint8
    assert np.array_equal(result.labels.array_kji, volume.array_kji)
    assert np.array_equal(result.labels.affine_ras, volume.affine_ras)


@pytest.mark.parametrize("depth", [1, 2, BATCH_SIZE, BATCH_SIZE + 1, 2 * BATCH_SIZE + 1])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_every_slice_is_predicted(
    method: Method, config: BundleConfig, make_volume: VolumeMaker, depth: int, precision: str
) -> None:
    predictor = Predictor(method, config, device="cpu", precision=precision, batch_size=BATCH_SIZE)
    assert_exact(predictor, make_volume((9, depth, 11)))  # coronal slices lie along j


@pytest.mark.parametrize("code", CODES)
def test_every_orientation_comes_back_as_it_was(
    method: Method, config: BundleConfig, make_volume: VolumeMaker, code: str
) -> None:
    predictor = Predictor(method, config, device="cpu", batch_size=BATCH_SIZE)
    assert_exact(predictor, reorient(make_volume((7, 5, 9)), code))


@pytest.mark.parametrize("slicing", ["axial", "coronal", "sagittal"])
@pytest.mark.parametrize("tilt_degrees", [3.0, 30.0, 45.0, 80.0, 170.0])
def test_oblique_and_anisotropic_volumes_come_back_as_they_were(
    method: Method,
    config: BundleConfig,
    make_volume: VolumeMaker,
    slicing: Any,
    tilt_degrees: float,
) -> None:
    turn = Rotation.from_euler("xyz", [tilt_degrees, -20, 10], degrees=True).as_matrix()
    volume = make_volume((6, 11, 13), affine_from((0.6, 0.6, 8.0), turn, (-10.0, 20.0, 30.0)))
    settings = replace(config.preprocessing, slicing=slicing)
    assert_exact(Predictor(method, replace(config, preprocessing=settings), device="cpu"), volume)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int32, np.float64])
@pytest.mark.parametrize("shape_kji", [(1, 1, 3), (23, 1, 1), (24, 3, 24), (13, 2, 17)])
def test_voxels_of_any_type_and_odd_sizes_come_back_as_they_were(
    method: Method,
    config: BundleConfig,
    make_volume: VolumeMaker,
    kind: type[np.generic],
    shape_kji: tuple[int, int, int],
) -> None:
    volume = make_volume(shape_kji)
    assert_exact(
        Predictor(method, config, device="cpu"), volume.with_array(volume.array_kji.astype(kind))
    )


def test_what_lies_outside_the_models_field_of_view_is_background(
    method: Method, config: BundleConfig, make_volume: VolumeMaker
) -> None:
    volume = make_volume((30, 3, 10))
    labels = Predictor(method, config, device="cpu").segment(volume).labels.array_kji
    assert np.array_equal(labels[3:-3], volume.array_kji[3:-3])
    assert not labels[:3].any()
    assert not labels[-3:].any()


def test_resampled_slices_come_back_to_the_volumes_grid(
    method: Method, config: BundleConfig
) -> None:
    array = np.zeros((20, 2, 20), np.float32)
    array[5:15, :, 4:10] = 3.0
    volume = Volume(array, np.diag([1.0, 4.0, 1.0, 1.0]))
    settings = replace(config.preprocessing, spacing_mm=(1.5, 1.5))
    predictor = Predictor(method, replace(config, preprocessing=settings), device="cpu")
    labels = predictor.segment(volume).labels.array_kji
    inner = labels[6:14, :, 5:9]
    assert (inner == 3).all()
    assert not labels[:4].any()
    assert np.array_equal(labels[0:20, 0], labels[0:20, 1])


def test_a_model_of_cropped_images_looks_where_the_patient_is(
    method: Method, config: BundleConfig
) -> None:
    array = np.zeros((40, 3, 40), np.float32)
    array[28:38, :, 2:12] = 3.0
    volume = Volume(array, np.diag([1.0, 4.0, 1.0, 1.0]))
    height, width = config.preprocessing.matrix
    assert max(height, width) < 40  # the whole does not fit, the part does
    predictor = Predictor(method, config, device="cpu")
    assert not np.array_equal(predictor.segment(volume).labels.array_kji, array)
    rule = IntensityRule(kind="fixed", fixed_range=(0.0, 4.0))  # of an MR: no Hounsfield units
    settings = replace(config.preprocessing, crop="foreground", intensity=rule)
    predictor = Predictor(method, replace(config, preprocessing=settings), device="cpu")
    result = predictor.segment(volume, wishes=Wishes(probabilities=True))
    assert np.array_equal(result.labels.array_kji, array)
    assert np.array_equal(result.labels.affine_ras, volume.affine_ras)
    assert result.probabilities is not None
    assert result.probabilities["background"].array_kji[0, 0, 0] == 1.0


def test_volumes_are_measured_in_millilitres(
    method: Method, config: BundleConfig, make_volume: VolumeMaker
) -> None:
    volume = make_volume((8, 6, 5))
    result = Predictor(method, config, device="cpu").segment(volume)
    expected_ml = int((volume.array_kji == 1).sum()) * 3.0 / 1000
    assert result.volumes_ml["MYO"] == pytest.approx(expected_ml)
    assert set(result.volumes_ml) == {"MYO", "LAC", "LVC", "AA"}
    assert result.seconds > 0
    assert result.device == "cpu"
    assert result.warnings == ()
    assert result.probabilities is None


def test_probabilities_lie_on_the_volumes_grid_and_sum_to_one(
    method: Method, config: BundleConfig, make_volume: VolumeMaker
) -> None:
    volume = make_volume((30, 3, 10))
    predictor = Predictor(method, config, device="cpu", batch_size=2)
    result = predictor.segment(volume, wishes=Wishes(probabilities=True))
    assert result.probabilities is not None
    assert list(result.probabilities) == ["background", "MYO", "LAC", "LVC", "AA"]
    stack = np.stack([part.array_kji for part in result.probabilities.values()])
    np.testing.assert_allclose(stack.sum(axis=0), 1.0, atol=1e-5)
    assert np.array_equal(stack.argmax(axis=0), result.labels.array_kji)
    assert np.array_equal(result.probabilities["AA"].affine_ras, volume.affine_ras)


def test_a_loaded_bundle_predicts_like_its_method(bundle: Bundle, make_volume: VolumeMaker) -> None:
    volume = make_volume((8, 6, 5))
    for given in (bundle, bundle.path, str(bundle.path)):
        predictor = Predictor.from_bundle(given, device="cpu")
        predictor.warm_up()
        assert_exact(predictor, volume)


def test_progress_reaches_the_last_slice(
    method: Method, config: BundleConfig, make_volume: VolumeMaker
) -> None:
    events: list[Event] = []
    predictor = Predictor(method, config, device="cpu", batch_size=4)
    assert_exact(predictor, make_volume((5, 9, 5)), Reporter(sinks=[events.append]))
    assert [(e["event"], e["stage"]) for e in events[:2]] == [
        ("stage", "slices"),
        ("progress", "slices"),
    ]
    assert [(e["done"], e["total"]) for e in events[1:]] == [(4, 9), (8, 9), (9, 9)]


def test_it_stops_between_batches_when_asked_to(
    method: Method, config: BundleConfig, make_volume: VolumeMaker
) -> None:
    seen: list[Event] = []
    reporter = Reporter(sinks=[seen.append])

    def cancel_soon(event: Event) -> None:
        if event["event"] == "progress":
            reporter.cancel.set()

    reporter.add_sink(cancel_soon)
    predictor = Predictor(method, config, device="cpu", batch_size=2)
    with pytest.raises(Cancelled):
        predictor.segment(make_volume((5, 9, 5)), reporter)
    assert [e["done"] for e in seen if e["event"] == "progress"] == [2]


def test_an_empty_result_is_warned_of(method: Method, config: BundleConfig) -> None:
    array = np.zeros((5, 5, 5), np.float32)
    array[0, 0, 0] = 0.1
    events: list[Event] = []
    reporter = Reporter(sinks=[events.append])
    result = Predictor(method, config, device="cpu").segment(Volume(array, np.eye(4)), reporter)
    assert [notice.kind for notice in result.warnings] == ["nothing_found"]
    warning = next(event for event in events if event["event"] == "warning")
    assert "none of its structures" in warning["message"]
    assert "Myocardium" in warning["hint"]


def test_post_processing_is_the_bundles(method: Method, config: BundleConfig) -> None:
    array = np.zeros((6, 6, 6), np.float32)
    array[0, 0, 0] = array[3:5, 3:5, 3:5] = 2.0
    volume = Volume(array, np.eye(4))
    cleaning = replace(config, post_processing=PostProcessing(largest_component=True))
    kept = Predictor(method, cleaning, device="cpu").segment(volume).labels.array_kji
    assert int((kept == 2).sum()) == 8
    assert_exact(Predictor(method, config, device="cpu"), volume)


def oblique(make_volume: VolumeMaker) -> Volume:
    turn = Rotation.from_euler("xyz", [10.0, -20, 15], degrees=True).as_matrix()
    return make_volume((9, 12, 11), affine_from((1.0, 1.5, 2.0), turn, (5.0, -8.0, 3.0)))


def box_around(
    volume: Volume, centre_ijk: tuple[int, int, int], half_mm: float
) -> RegionOfInterest:
    to_ras = np.diag([half_mm, half_mm, half_mm, 1.0])
    to_ras[:3, 3] = (volume.affine_ras @ (*centre_ijk, 1.0))[:3]
    return RegionOfInterest(np.asarray(np.linalg.inv(to_ras), np.float64))


def watch_slices(method: Method, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list to which the number of slices of each prediction is added."""
    predicted: list[int] = []
    predict = method.predict

    def watched(x_t: Any) -> Any:
        predicted.append(len(x_t))
        return predict(x_t)

    monkeypatch.setattr(method, "predict", watched)
    return predicted


@pytest.mark.parametrize("slicing", ["axial", "coronal", "sagittal"])
def test_inside_a_region_of_interest_labels_are_those_of_the_whole_and_outside_background(
    method: Method,
    config: BundleConfig,
    make_volume: VolumeMaker,
    monkeypatch: pytest.MonkeyPatch,
    slicing: Any,
) -> None:
    volume = oblique(make_volume)
    config = replace(config, preprocessing=replace(config.preprocessing, slicing=slicing))
    predictor = Predictor(method, config, device="cpu")
    region = box_around(volume, (5, 6, 4), 3.0)
    whole = predictor.segment(volume, wishes=Wishes(uncertainty=True))
    predicted = watch_slices(method, monkeypatch)
    part = predictor.segment(
        volume, wishes=Wishes(region=region, uncertainty=True, probabilities=True)
    )
    inside = region.mask(volume).array_kji
    assert 0 < int(inside.sum()) < inside.size / 4
    assert np.array_equal(part.labels.array_kji, whole.labels.array_kji * inside)
    assert whole.uncertainty is not None
    assert part.uncertainty is not None
    assert np.array_equal(part.uncertainty.array_kji, whole.uncertainty.array_kji * inside)
    depth = {"axial": 9, "coronal": 12, "sagittal": 11}[slicing]
    assert sum(predicted) < depth
    assert part.probabilities is not None
    assert part.probabilities["background"].array_kji[~inside].max() == 1.0


def test_intensities_are_scaled_by_the_whole_volume_whatever_the_region(
    method: Method, config: BundleConfig, make_volume: VolumeMaker
) -> None:
    volume = make_volume((8, 9, 10))
    volume.array_kji[:, 0] = 40.0  # outside the region, and would change its z-scores
    rule = replace(config.preprocessing.intensity, kind="robust_zscore", window_hu=None)
    zscores = replace(config, preprocessing=replace(config.preprocessing, intensity=rule))
    predictor = Predictor(method, zscores, device="cpu")
    region = box_around(volume, (5, 6, 4), 3.5)
    inside = region.mask(volume).array_kji
    whole = predictor.segment(volume).labels.array_kji
    assert np.array_equal(
        predictor.segment(volume, wishes=Wishes(region=region)).labels.array_kji, whole * inside
    )


def test_rules_that_clean_see_the_inside_of_the_region_alone(
    method: Method, config: BundleConfig
) -> None:
    array = np.zeros((10, 3, 10), np.float32)
    array[0:5, 1, 0:5] = array[8, 1, 8] = 2.0
    volume = Volume(array, np.eye(4))
    cleaning = replace(config, post_processing=PostProcessing(largest_component=True))
    region = box_around(volume, (8, 1, 8), 1.5)
    labels = (
        Predictor(method, cleaning, device="cpu")
        .segment(volume, wishes=Wishes(region=region))
        .labels
    )
    assert int((labels.array_kji == 2).sum()) == 1


def test_a_region_beside_the_volume_is_an_error_before_anything_is_computed(
    method: Method,
    config: BundleConfig,
    make_volume: VolumeMaker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    predicted = watch_slices(method, monkeypatch)
    volume = make_volume((5, 5, 5))
    with pytest.raises(GeometryError, match="holds no voxel"):
        Predictor(method, config, device="cpu").segment(
            volume, wishes=Wishes(region=box_around(volume, (99, 0, 0), 2.0))
        )
    assert predicted == []


def test_only_the_structures_that_were_asked_for_are_kept_and_measured(
    method: Method, config: BundleConfig, make_volume: VolumeMaker
) -> None:
    volume = make_volume((7, 6, 8))
    result = Predictor(method, config, device="cpu").segment(
        volume, wishes=Wishes(structures=("AA", "LAC"))
    )
    kept = np.isin(volume.array_kji, (2, 4))
    assert np.array_equal(result.labels.array_kji, volume.array_kji * kept)
    assert result.voxels == {
        "LAC": int((volume.array_kji == 2).sum()),
        "AA": int((volume.array_kji == 4).sum()),
    }


def test_classes_that_no_region_needs_are_kept_unless_structures_are_chosen(
    method: Method, config: BundleConfig, make_volume: VolumeMaker
) -> None:
    task = replace(config.task, regions=config.task.regions[:1])
    predictor = Predictor(method, replace(config, task=task), device="cpu")
    assert_exact(predictor, make_volume((7, 6, 8)))


def test_the_uncertainty_map_lies_on_the_volumes_grid_and_is_not_made_unasked(
    method: Method, config: BundleConfig, make_volume: VolumeMaker
) -> None:
    volume = oblique(make_volume)
    volume.array_kji[0, 0, 0] = 1.5  # between two classes
    predictor = Predictor(method, config, device="cpu", precision="32-true")
    assert predictor.segment(volume).uncertainty is None
    uncertainty = predictor.segment(volume, wishes=Wishes(uncertainty=True)).uncertainty
    assert uncertainty is not None
    assert np.array_equal(uncertainty.affine_ras, volume.affine_ras)
    assert uncertainty.array_kji[0, 0, 0] == pytest.approx(np.log(2) / np.log(5), abs=1e-3)
    assert uncertainty.array_kji.ravel()[1:].max() < 0.01


def test_a_scan_unlike_the_training_target_is_warned_of(
    method: Method, config: BundleConfig, make_volume: VolumeMaker
) -> None:
    usual = np.random.default_rng(0).uniform(-1, -0.6, (5, 24, 24)).astype(np.float32)
    samples = [sample_intensities(usual)] * 3
    trained = replace(config, target_statistics=describe_cohort(samples, samples, 15, None))
    events: list[Event] = []
    reporter = Reporter(sinks=[events.append])
    result = Predictor(method, trained, device="cpu").segment(make_volume((24, 5, 24)), reporter)
    assert [notice.kind for notice in result.warnings] == ["unlike_training"]
    assert [event["kind"] for event in events if event["event"] == "warning"] == ["unlike_training"]


def test_images_that_cannot_be_segmented_are_refused(method: Method, config: BundleConfig) -> None:
    predictor = Predictor(method, config, device="cpu")
    for value in (1.0, np.nan):
        with pytest.raises(InputFileError):
            predictor.segment(Volume(np.full((3, 3, 3), value, np.float32), np.eye(4)))


def test_a_device_that_is_not_there_is_an_error(
    method: Method, config: BundleConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(DeviceError, match="'cuda' was asked for"):
        Predictor(method, config, device="cuda")


def test_another_task_or_modality_than_the_bundles_is_refused(config: BundleConfig) -> None:
    require_match(config)
    require_match(config, task="cardiac", modality="mr_bssfp")
    with pytest.raises(MismatchError, match="for the task 'cardiac', not for 'abdomen'"):
        require_match(config, task="abdomen")
    with pytest.raises(MismatchError, match=r"bSSFP MR images \('mr_bssfp'\), not for 'ct'"):
        require_match(config, modality="ct")


class Sided(torch.nn.Module):
    """A method that tells what lies to the patient's right from what lies to the left."""

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.method = method

    def predict(self, x_t: torch.Tensor) -> torch.Tensor:
        probabilities = self.method.predict(x_t)
        half = x_t.shape[-1] // 2
        probabilities[..., :half] = torch.eye(probabilities.shape[1])[0][:, None, None]
        return probabilities


def test_flips_average_what_is_said_of_mirror_images(
    method: Method, config: BundleConfig, make_volume: VolumeMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(method, "predict", Sided(copy.deepcopy(method)).predict)
    volume = make_volume((24, 4, 24))
    predictor = Predictor(method, config, device="cpu", precision="32-true")
    plain = predictor.segment(volume, wishes=Wishes(probabilities=True))
    wishes = Wishes(probabilities=True, flips=("left-right",))
    flipped = predictor.segment(volume, wishes=wishes)
    assert plain.probabilities is not None
    assert flipped.probabilities is not None
    # Each side is seen once of two times: where the class is not background, both count a half.
    for name, value in (("MYO", 1), ("AA", 4)):
        found = flipped.probabilities[name].array_kji[volume.array_kji == value]
        np.testing.assert_allclose(found, 0.5, atol=1e-3)
    blind = plain.probabilities["MYO"].array_kji[..., volume.array_kji.shape[2] // 2 :]
    seen = plain.probabilities["MYO"].array_kji[..., : volume.array_kji.shape[2] // 2]
    assert min(blind.max(), seen.max()) == 0.0  # columns run from right to left


def test_flips_that_make_no_sense_are_refused_before_anything_is_computed(
    method: Method, config: BundleConfig, make_volume: VolumeMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    predicted = watch_slices(method, monkeypatch)
    predictor = Predictor(method, config, device="cpu")
    with pytest.raises(ConfigError, match="would change nothing"):
        predictor.segment(make_volume((4, 4, 4)), wishes=Wishes(flips=("anterior-posterior",)))
    assert predicted == []


def test_maps_of_the_method_come_back_to_the_volumes_grid(
    method: Method, config: BundleConfig, make_volume: VolumeMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def maps(x_t: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"input": x_t, "pair": torch.cat([x_t + 1, x_t + 2], dim=1)}

    volume = oblique(make_volume)
    predictor = Predictor(method, config, device="cpu", precision="32-true", batch_size=2)
    assert predictor.segment(volume).maps is None
    assert predictor.segment(volume, wishes=Wishes(maps=True)).maps == {}
    monkeypatch.setattr(method, "maps", maps)
    found = predictor.segment(volume, wishes=Wishes(maps=True)).maps
    assert found is not None
    assert list(found) == ["input", "pair_1", "pair_2"]
    expected = volume.array_kji / 2 - 1
    for name, offset in (("input", 0), ("pair_1", 1), ("pair_2", 2)):
        np.testing.assert_allclose(found[name].array_kji, expected + offset, atol=1e-6)
        assert np.array_equal(found[name].affine_ras, volume.affine_ras)


def test_users_rules_replace_the_bundles(method: Method, config: BundleConfig) -> None:
    array = np.zeros((6, 6, 6), np.float32)
    array[0, 0, 0] = array[3:5, 3:5, 3:5] = 2.0
    volume = Volume(array, np.eye(4))
    cleaning = replace(config, post_processing=PostProcessing(largest_component=True))
    predictor = Predictor(method, cleaning, device="cpu")
    kept = predictor.segment(volume, wishes=Wishes(post_processing=PostProcessing())).labels
    assert int((kept.array_kji == 2).sum()) == 9
    small = Wishes(post_processing=PostProcessing(minimum_ml=0.01))
    assert not predictor.segment(volume, wishes=small).labels.array_kji.any()


def test_only_what_is_asked_for_is_kept_after_cleaning(
    method: Method, config: BundleConfig
) -> None:
    """A speck of enhancing tumour is core, and stays when core is asked for."""
    task = TASKS["brain_tumour"]
    tumour = replace(
        config,
        task=task,
        method_settings={**config.method_settings, "num_classes": 4},
        post_processing=PostProcessing(minimum_ml=0.005),
    )
    bands = type(method)(replace(method.config, num_classes=4))
    array = np.full((6, 6, 6), 0.0, np.float32)
    array[1:5, 1:5, 1:5] = 4 / 3
    array[2, 2, 2] = 4.0
    predictor = Predictor(bands, tumour, device="cpu", precision="32-true")
    result = predictor.segment(Volume(array, np.eye(4)), wishes=Wishes(structures=("TC",)))
    assert result.voxels == {"TC": 64}
    assert int((result.labels.array_kji == 1).sum()) == 64
