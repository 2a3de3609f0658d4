"""Several models as one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from CrossModalSegLib.bundle.schema import BundleConfig, Modalities, PostProcessing
from CrossModalSegLib.core.errors import ConfigError, MismatchError
from CrossModalSegLib.core.events import Event, Reporter
from CrossModalSegLib.core.geometry import affine_from
from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.inference import stacks
from CrossModalSegLib.inference.ensemble import Ensemble, common_rules, require_alike
from CrossModalSegLib.inference.predictor import Predictor
from CrossModalSegLib.inference.region import RegionOfInterest
from CrossModalSegLib.inference.wishes import Wishes
from CrossModalSegLib.methods.base import Method

VolumeMaker = Callable[..., Volume]


@pytest.fixture
def oblique(make_volume: VolumeMaker) -> Volume:
    turn = Rotation.from_euler("xyz", [10.0, -20, 15], degrees=True).as_matrix()
    return make_volume((9, 12, 11), affine_from((1.0, 1.5, 2.0), turn, (5.0, -8.0, 3.0)))


def predictor(method: Method, config: BundleConfig, **preprocessing: Any) -> Predictor:
    settings = replace(config.preprocessing, **preprocessing)
    return Predictor(
        method, replace(config, preprocessing=settings), device="cpu", precision="32-true"
    )


def soft(method: Method, sharpness: float) -> Method:
    """Return a method that is less sure, and so differs."""
    other = type(method)(method.config)
    other.load_state_dict({k: v * sharpness for k, v in method.state_dict().items()})
    return other


EVERYTHING = Wishes(probabilities=True, uncertainty=True)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_copies_of_a_model_say_together_what_it_says_alone(
    method: Method, config: BundleConfig, oblique: Volume, number: int
) -> None:
    unsure = soft(method, 0.02)
    single = predictor(unsure, config, spacing_mm=(1.3, 1.1)).segment(oblique, wishes=EVERYTHING)
    models = [predictor(unsure, config, spacing_mm=(1.3, 1.1)) for _ in range(number)]
    several = Ensemble(models).segment(oblique, wishes=EVERYTHING)
    assert np.array_equal(several.labels.array_kji, single.labels.array_kji)
    assert len(np.unique(single.labels.array_kji)) > 3
    assert several.voxels == single.voxels
    for found, expected in ((several, single),):
        assert found.uncertainty is not None
        assert expected.uncertainty is not None
        np.testing.assert_allclose(
            found.uncertainty.array_kji, expected.uncertainty.array_kji, atol=1e-6
        )
    assert several.probabilities is not None
    assert single.probabilities is not None
    for name, volume in single.probabilities.items():
        np.testing.assert_allclose(
            several.probabilities[name].array_kji, volume.array_kji, atol=1e-6
        )


def test_probabilities_are_averaged_over_planes_and_spacings(
    method: Method, config: BundleConfig, oblique: Volume
) -> None:
    models = [
        predictor(soft(method, 0.02), config),
        predictor(soft(method, 0.05), config, slicing="axial", spacing_mm=(1.5, 2.5)),
        predictor(soft(method, 0.5), config, slicing="sagittal", matrix=(10, 10)),
    ]
    found = Ensemble(models).segment(oblique, wishes=EVERYTHING)
    alone = [model.segment(oblique, wishes=EVERYTHING).probabilities for model in models]
    stack = np.stack([[v.array_kji for v in one.values()] for one in alone if one is not None])
    mean = stack.mean(axis=0)
    assert found.probabilities is not None
    for index, volume in enumerate(found.probabilities.values()):
        np.testing.assert_allclose(volume.array_kji, mean[index], atol=1e-6)
    assert np.array_equal(found.labels.array_kji, mean.argmax(axis=0))
    entropy = -(mean * np.log(np.maximum(mean, 1e-38))).sum(axis=0) / np.log(5)
    assert found.uncertainty is not None
    np.testing.assert_allclose(found.uncertainty.array_kji, entropy, atol=1e-5)
    assert np.array_equal(found.labels.affine_ras, oblique.affine_ras)


def test_a_region_of_interest_and_structures_are_kept_to(
    method: Method, config: BundleConfig, oblique: Volume
) -> None:
    to_ras = np.diag([3.0, 3.0, 3.0, 1.0])
    to_ras[:3, 3] = (oblique.affine_ras @ (5, 6, 4, 1.0))[:3]
    region = RegionOfInterest(np.asarray(np.linalg.inv(to_ras), np.float64))
    models = [predictor(method, config), predictor(method, config, slicing="axial")]
    wishes = Wishes(region=region, structures=("AA", "MYO"), uncertainty=True)
    result = Ensemble(models).segment(oblique, wishes=wishes)
    inside = region.mask(oblique).array_kji & np.isin(oblique.array_kji, (1, 4))
    assert np.array_equal(result.labels.array_kji, oblique.array_kji * inside)
    assert list(result.voxels) == ["MYO", "AA"]
    assert result.uncertainty is not None
    assert not result.uncertainty.array_kji[~region.mask(oblique).array_kji].any()


def test_stacks_beyond_a_size_are_kept_on_the_disk(
    method: Method, config: BundleConfig, oblique: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = [predictor(soft(method, 0.02), config), predictor(method, config, slicing="axial")]
    expected = Ensemble(models).segment(oblique).labels.array_kji
    monkeypatch.setattr(stacks, "LARGEST_IN_MEMORY", 1000)
    kinds: list[type] = []
    empty = stacks._empty

    def watched(shape: tuple[int, int, int, int]) -> Any:
        stack = empty(shape)
        kinds.append(type(stack))
        return stack

    monkeypatch.setattr(stacks, "_empty", watched)
    assert np.array_equal(Ensemble(models).segment(oblique).labels.array_kji, expected)
    assert kinds == [np.memmap, np.memmap]


def test_one_stage_counts_the_slices_of_all_models(
    method: Method, config: BundleConfig, oblique: Volume
) -> None:
    events: list[Event] = []
    models = [predictor(method, config), predictor(method, config, slicing="axial")]
    Ensemble(models).segment(oblique, Reporter(sinks=[events.append]))
    stages = [event for event in events if event["event"] == "stage"]
    assert [(stage["stage"], stage["total"]) for stage in stages] == [("slices", 12 + 9)]
    assert events[-1]["done"] == 21


def test_maps_are_named_by_their_model(
    method: Method, config: BundleConfig, oblique: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    def maps(self: Method, x_t: torch.Tensor) -> dict[str, torch.Tensor]:
        del self
        return {"seen": x_t}

    monkeypatch.setattr(type(method), "maps", maps)
    models = [predictor(method, config), predictor(method, replace(config, name="other"))]
    found = Ensemble(models).segment(oblique, wishes=Wishes(maps=True)).maps
    assert found is not None
    assert list(found) == ["bands_seen", "other_seen"]


def test_labels_are_cleaned_as_all_models_want(config: BundleConfig) -> None:
    one = replace(config, post_processing=PostProcessing(largest_component=True, minimum_ml=1.0))
    two = replace(config, post_processing=PostProcessing(largest_component=False, minimum_ml=2.0))
    assert common_rules([one, two]) == PostProcessing(minimum_ml=1.0)
    assert common_rules([one, one]) == one.post_processing


def test_models_of_other_tasks_or_images_are_refused(config: BundleConfig) -> None:
    require_alike([config, replace(config, name="other")])
    with pytest.raises(ConfigError, match="No model"):
        require_alike([])
    abdomen = replace(config, task=TASKS["abdomen"])
    with pytest.raises(MismatchError, match="for the task 'cardiac', 'bands' for 'abdomen'"):
        require_alike([config, abdomen])
    renamed = replace(config.task.classes[0], name="other")
    custom = replace(config.task, classes=(renamed, *config.task.classes[1:]))
    with pytest.raises(MismatchError, match="with the same classes"):
        require_alike([config, replace(config, task=custom)])
    ct = Modalities(source=MODALITIES["mr_bssfp"], target=MODALITIES["ct"])
    with pytest.raises(MismatchError, match="takes bSSFP MR images, 'bands' takes CT"):
        require_alike([config, replace(config, modalities=ct)])
