"""Runs on cohorts whose cases have several images, up to the bundle and its predictions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from CrossModalSegLib.bundle.deployment import load_method
from CrossModalSegLib.bundle.reading import read_bundle
from CrossModalSegLib.core.errors import Cancelled, InputFileError, MismatchError
from CrossModalSegLib.core.events import CancelToken, Event, Reporter, silent_reporter
from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.adapters import discover
from CrossModalSegLib.data.channels import combine_preprocessing
from CrossModalSegLib.data.cohort import Cohort
from CrossModalSegLib.data.cohort_writer import CohortSettings, prepare_cohort
from CrossModalSegLib.data.preprocessing import default_preprocessing
from CrossModalSegLib.data.volume_files import read_image, write_volume
from CrossModalSegLib.inference.predictor import Predictor
from CrossModalSegLib.training.checkpoints import load_checkpoint
from CrossModalSegLib.training.run_folder import RunFolder
from CrossModalSegLib.training.settings import load_preset
from CrossModalSegLib.training.slices import fixed_slices
from CrossModalSegLib.training.train import RunRequest, resume, train

NAMES = ("t1", "flair")
AFFINE_RAS = np.diag([-2.0, -2.0, 2.0, 1.0])

RequestMaker = Callable[..., RunRequest]


def write_subject(folder: Path, seed: int) -> None:
    """Write T1, FLAIR, T2 and labels: oedema is bright in FLAIR and invisible in the others."""
    generator = np.random.default_rng(seed)
    labels = np.zeros((8, 16, 16), np.uint8)
    row, column = generator.integers(1, 8, size=2)
    labels[1:7, row : row + 7, column : column + 7] = 2
    labels[2:6, row + 2 : row + 5, column + 2 : column + 5] = 1
    labels[3:5, row + 3, column + 3] = 3
    bright = {"t1": 0.0, "flair": 400.0, "t2": 0.0}
    for name, gain in bright.items():
        image = generator.normal(300, 30, labels.shape) + gain * (labels > 0)
        write_volume(Volume(image.astype(np.float32), AFFINE_RAS), folder / f"image_{name}.nii.gz")
    write_volume(Volume(labels, AFFINE_RAS), folder / "label.nii.gz")


def prepare(root: Path, output: Path, *names: str) -> Path:
    task = TASKS["brain_tumour"]
    modalities = [MODALITIES[name] for name in names]
    each = [default_preprocessing(task, entry, matrix=(16, 16)) for entry in modalities]
    settings = CohortSettings(
        task=task,
        modality=modalities[0],
        further_modalities=tuple(modalities[1:]),
        preprocessing=combine_preprocessing(each),
        dataset="folder",
    )
    prepare_cohort(discover("folder", root, names).cases, settings, output)
    return output


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Prepare T1 + FLAIR of one half of the subjects, T1 + T2 and T1 alone of the other half."""
    root = tmp_path_factory.mktemp("several")
    for case in range(10):
        write_subject(root / ("first" if case < 6 else "second") / f"p{case}", case)
    return {
        "raw": root,
        "both": prepare(root / "first", root / "both", *NAMES),
        "other": prepare(root / "second", root / "other", "t1", "t2"),
        "one": prepare(root / "second", root / "one", "t1"),
    }


@pytest.fixture
def request_for(
    folders: dict[str, Path], tiny_settings: tuple[str, ...], tmp_path: Path
) -> RequestMaker:
    def make(name: str, *more: str, method: str = "supervised", target: str = "") -> RunRequest:
        return RunRequest(
            method=method,
            preset="quick",
            source=folders["both"],
            target=folders[target] if target else None,
            run=tmp_path / name,
            overrides=(*tiny_settings, *more),
            device="cpu",
        )

    return make


def states_are_equal(first: Any, second: Any) -> bool:
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(
            states_are_equal(first[key], second[key]) for key in first
        )
    if isinstance(first, (list, tuple)):
        return all(states_are_equal(a, b) for a, b in zip(first, second, strict=True))
    return bool(first == second)


def test_the_network_has_a_channel_for_each_image(request_for: RequestMaker) -> None:
    bundle = read_bundle(train(request_for("run"), silent_reporter()))
    config = bundle.config
    assert [modality.name for modality in config.modalities.inputs] == list(NAMES)
    assert config.modalities.target == MODALITIES["t1"]
    assert config.method_settings["backbone"]["in_channels"] == 2
    assert config.preprocessing.num_channels == 2
    assert config.target_statistics is not None
    assert len(config.further_statistics) == 1
    assert config.name == "brain_tumour_t1_flair_supervised"
    assert "T1 MR + FLAIR MR" in config.title
    first = next(iter(load_method(bundle).state_dict().values()))
    assert first.shape[1] == 2


def test_stopping_and_resuming_ends_at_the_same_bits(request_for: RequestMaker) -> None:
    whole, parts = request_for("whole"), request_for("parts")
    train(whole, silent_reporter())
    cancel = CancelToken()

    def stop_at_step_two(event: Event) -> None:
        if event["event"] == "metrics" and event["step"] == 2:
            cancel.set()

    with pytest.raises(Cancelled):
        train(parts, Reporter(sinks=[stop_at_step_two], cancel=cancel))
    resume(parts.run, silent_reporter(), device="cpu")
    states = [load_checkpoint(RunFolder(r.run).last_checkpoint) for r in (whole, parts)]
    assert states_are_equal(*states)


def test_what_only_the_second_image_shows_is_learned_and_found(
    request_for: RequestMaker, folders: dict[str, Path]
) -> None:
    """Every voxel of the tumour looks like its surroundings in T1: FLAIR alone gives it away."""
    changes = ("method.iterations=50", "method.learning_rate=0.02", "training.batch_size=6")
    quiet = tuple(f"training.{what}_every=50" for what in ("preview", "validate", "checkpoint"))
    bundle = read_bundle(train(request_for("run", *changes, *quiet), silent_reporter()))
    predictor = Predictor.from_bundle(bundle, device="cpu", precision="32-true")
    case = folders["raw"] / "second" / "p8"
    images = [read_image(case / f"image_{name}.nii.gz") for name in NAMES]
    tumour = read_image(case / "label.nii.gz").array_kji > 0

    def dice(*given: Volume) -> float:
        found = predictor.segment(given).labels.array_kji > 0
        return float(2 * (found & tumour).sum() / (found.sum() + tumour.sum()))

    right = dice(*images)
    assert right > 0.7
    assert dice(*reversed(images)) < right - 0.3
    with pytest.raises(InputFileError, match="expected 2"):
        predictor.segment(images[0])


@pytest.mark.parametrize("method", ["source_only", "source_only_augmented"])
def test_a_lower_bound_takes_several_images_too(request_for: RequestMaker, method: str) -> None:
    request = request_for("run", "method.iterations=2", method=method, target="other")
    config = read_bundle(train(request, silent_reporter())).config
    assert [modality.name for modality in config.modalities.inputs] == ["t1", "t2"]
    assert "T1 MR + FLAIR MR alone and applied to T1 MR + T2 MR" in config.description


def test_methods_that_translate_images_refuse_several(request_for: RequestMaker) -> None:
    request = request_for("run", method="dsan", target="other")
    with pytest.raises(MismatchError, match=r"dsan works on single images.* 2\..*supervised"):
        train(request, silent_reporter())
    assert not request.run.exists()


def test_domains_with_other_numbers_of_images_are_refused(request_for: RequestMaker) -> None:
    request = request_for("run", method="source_only", target="one")
    with pytest.raises(MismatchError, match=r"2 images \(t1, flair\).*1 \(t1\)"):
        train(request, silent_reporter())
    assert not request.run.exists()


def test_the_channels_are_set_by_the_cohort_not_by_the_preset(
    tiny_settings: tuple[str, ...],
) -> None:
    task = TASKS["brain_tumour"]
    for channels in (1, 4):
        preset = load_preset("supervised", "quick", task, tiny_settings, num_channels=channels)
        assert preset.method.backbone.in_channels == channels  # type: ignore[attr-defined]
        assert preset.method.backbone.width == 4  # type: ignore[attr-defined]


def test_the_fixed_slices_have_channels_in_order(folders: dict[str, Path]) -> None:
    cohort = Cohort.open(folders["both"])
    slices = fixed_slices(cohort, cohort)
    assert slices.x_s.shape[1:] == (2, 16, 16)
    assert slices.x_t is not None
    assert slices.x_t.shape == slices.x_s.shape
    assert slices.shown[0].shape[1:] == (2, 16, 16)
    case = (cohort.in_split("validation") or cohort.in_split("train"))[0]
    rows = np.unique(np.linspace(0.8, 0.9 * 7, 8).astype(int))
    stored = np.asarray(cohort.images(case)[rows], np.float32)
    assert np.array_equal(slices.x_s[: len(rows)].numpy(), stored)


def test_the_bundle_of_one_image_is_as_ever(
    folders: dict[str, Path], request_for: RequestMaker
) -> None:
    request = replace(request_for("run", "method.iterations=2"), source=folders["one"])
    config = read_bundle(train(request, silent_reporter())).config
    assert config.modalities.inputs == ()
    assert config.further_statistics == ()
    assert config.name == "brain_tumour_t1_supervised"
