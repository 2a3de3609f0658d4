"""What a trained model sees in its target, and sees again when it predicts."""

from __future__ import annotations

from pathlib import Path

import pytest

from CrossModalSegLib.bundle import feature_statistics
from CrossModalSegLib.bundle.deployment import load_method
from CrossModalSegLib.bundle.reading import Bundle, read_bundle
from CrossModalSegLib.core.events import silent_reporter
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.cohort import Cohort
from CrossModalSegLib.data.volume_files import read_image
from CrossModalSegLib.inference.predictor import Predictor
from CrossModalSegLib.inference.region import RegionOfInterest
from CrossModalSegLib.inference.wishes import Wishes
from CrossModalSegLib.training import target_features
from CrossModalSegLib.training.target_features import measure_features
from CrossModalSegLib.training.train import RunRequest, train


@pytest.fixture(scope="module")
def bundle(cohorts: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Return what a tiny run leaves, when three cases are enough to say what is usual."""
    overrides = (
        *("method.iterations=6", "method.backbone.width=4", "method.backbone.levels=3"),
        *("training.batch_size=3", "training.validate_every=3", "training.preview_every=100"),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feature_statistics, "FEWEST_CASES", 3)
        request = RunRequest(
            method="source_only_augmented",
            preset="quick",
            source=cohorts["source"],
            target=cohorts["target"],
            run=tmp_path_factory.mktemp("runs") / "run",
            overrides=overrides,
            device="cpu",
        )
        return read_bundle(train(request, silent_reporter()))


def target_scans(cohorts: dict[str, Path]) -> list[Volume]:
    root = cohorts["target"].parent / "raw mr_bssfp"
    return [read_image(path) for path in sorted(root.glob("*/image.nii.gz"))]


def test_a_bundle_says_what_its_model_sees_in_the_target(
    bundle: Bundle, cohorts: dict[str, Path]
) -> None:
    usual = bundle.config.target_features
    assert usual is not None
    cohort = Cohort.open(cohorts["target"])
    seen = [case for case in cohort.cases if case.split != "test"]
    assert len(usual.case_distances) == len(seen) >= 3
    assert len(usual.mean) == 2 * 16 * 2 * 2  # halves, channels, rows, columns
    again = measure_features(load_method(bundle), cohort)
    assert again is None  # of so few cases nobody can tell, usually


def test_prediction_sees_in_a_scan_what_training_saw(
    bundle: Bundle, cohorts: dict[str, Path]
) -> None:
    usual = bundle.config.target_features
    assert usual is not None
    predictor = Predictor.from_bundle(bundle, device="cpu", precision="32-true", batch_size=2)
    found = []
    for scan in target_scans(cohorts):
        for wishes in (Wishes(), Wishes(flips=("left-right",))):
            unlikeness = predictor.segment(scan, wishes=wishes).unlikeness
            assert unlikeness is not None
            assert unlikeness.features is not None
            found.append(unlikeness.features)
    assert found[::2] == pytest.approx(found[1::2])  # flipped copies do not count
    assert min(found) < 1.0  # near the mean of what it was learned from


def test_what_is_seen_of_a_part_alone_is_not_compared(
    bundle: Bundle, cohorts: dict[str, Path]
) -> None:
    scan = target_scans(cohorts)[0]
    region = RegionOfInterest.from_bounds((-24, -2, -6, -2, -24, -2))
    predictor = Predictor.from_bundle(bundle, device="cpu")
    unlikeness = predictor.segment(scan, wishes=Wishes(region=region)).unlikeness
    assert unlikeness is not None
    assert unlikeness.features is None
    assert unlikeness.intensities is not None


def test_something_else_is_far_away(bundle: Bundle, cohorts: dict[str, Path]) -> None:
    predictor = Predictor.from_bundle(bundle, device="cpu")
    scan = target_scans(cohorts)[0]
    other = scan.with_array(-scan.array_kji)
    usual, unusual = (predictor.segment(image).unlikeness for image in (scan, other))
    assert usual is not None
    assert unusual is not None
    assert (unusual.score or 0) > (usual.score or 0)


def test_of_large_cohorts_and_volumes_a_part_is_looked_at() -> None:
    assert target_features._spread(5, 48) == [0, 1, 2, 3, 4]
    assert target_features._spread(100, 4) == [0, 33, 66, 99]
    assert target_features._spread(1, 4) == [0]
