"""The models that ship with the program."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import CrossModalSegLib
from CrossModalSegLib.bundle.library import ModelLibrary
from CrossModalSegLib.bundle.reading import Bundle, read_bundle
from CrossModalSegLib.core.errors import BundleError
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.phantoms.brain import make_brain_subject
from CrossModalSegLib.data.phantoms.cardiac import make_cardiac_subject
from CrossModalSegLib.data.phantoms.grid import PhantomGrid
from CrossModalSegLib.inference.predictor import Predictor

NAME = "cardiac_ct_to_mr_bssfp_dsan"
"""The one that documentation and other tests name."""

SHIPPED_FOLDER = Path(CrossModalSegLib.__file__).parent / "pretrained"
SHIPPED = sorted(path.name for path in SHIPPED_FOLDER.iterdir() if path.is_dir())

MAX_BYTES, MAX_BYTES_TOGETHER = 2 * 2**20, 8 * 2**20

MACHINE_PATHS = re.compile(r"(/home/|/root|/tmp|/Users/|[A-Z]:\\\\|\\\\Users\\\\)")

UNSEEN_SEED = 424_242
LEAST_DICE = {"cardiac": 0.6, "brain_tumour": 0.2, "whole_tumour": 0.2}
HEART_GRID = PhantomGrid(matrix_ijk=(48, 24, 48), spacing_mm=(5.0, 8.0, 5.0), orientation="LPS")
BRAIN_GRID = PhantomGrid(matrix_ijk=(48, 60, 10), spacing_mm=(4.0, 4.0, 12.0))

each = pytest.mark.parametrize("name", SHIPPED)


@pytest.fixture
def library(tmp_path: Path) -> ModelLibrary:
    """Return the library of a user who has no models yet."""
    return ModelLibrary(tmp_path / "models")


def test_all_of_them_can_be_used_and_are_small(library: ModelLibrary) -> None:
    entries = library.entries()
    assert [entry.name for entry in entries] == SHIPPED
    assert NAME in SHIPPED
    for entry in entries:
        assert entry.origin == "shipped"
        assert entry.problem == ""
        assert entry.num_bytes is not None
        assert entry.num_bytes <= MAX_BYTES
        assert read_bundle(entry.path).config.name == entry.name
    assert sum(entry.num_bytes or 0 for entry in entries) <= MAX_BYTES_TOGETHER


@each
def test_they_say_that_they_know_phantoms_only(library: ModelLibrary, name: str) -> None:
    config = library.open(name).config
    assert "phantom" in config.title
    for text in (config.description, config.intended_use):
        assert "trained on synthetic phantoms only" in text.lower()
        assert "must not be used on patients" in text


@each
def test_they_say_what_was_measured_and_on_what(library: ModelLibrary, name: str) -> None:
    config = library.open(name).config
    (scores,) = config.scores
    assert (scores.domain, scores.split, scores.num_cases) == ("target", "test", 12)
    dice = scores.means["dice"]
    assert set(dice) == {region.name for region in config.task.regions}
    assert all(0 < value < 1 for value in dice.values())
    assert config.training.seed is not None
    assert config.training.preset
    assert "no target labels" in config.training.selection
    assert len(config.training.cohorts) == 2


@each
def test_they_name_no_place_of_the_machine_that_made_them(library: ModelLibrary, name: str) -> None:
    for file, content in library.open(name).read_files().items():
        if not file.endswith(".safetensors"):
            assert not MACHINE_PATHS.search(content.decode("utf-8")), file


def test_they_are_exported_but_not_deleted(library: ModelLibrary, tmp_path: Path) -> None:
    library.export(NAME, tmp_path / "copy.zip")
    copy, original = read_bundle(tmp_path / "copy.zip"), library.open(NAME)
    assert copy.content_hash == original.content_hash
    with pytest.raises(BundleError, match="ships with the program and cannot be deleted"):
        library.delete(NAME)
    assert library.open(NAME).content_hash == original.content_hash


@each
def test_each_finds_something_in_a_phantom_that_nobody_has_seen(
    library: ModelLibrary, name: str
) -> None:
    bundle = library.open(name)
    image, labels = unseen(bundle)
    result = Predictor.from_bundle(bundle, device="cpu").segment(image)
    found, truth = result.labels.array_kji > 0, labels.array_kji > 0
    dice = 2 * np.count_nonzero(found & truth) / (found.sum() + truth.sum())
    assert dice > LEAST_DICE[bundle.config.task.name]
    if bundle.config.task.name == "cardiac":
        assert all(result.voxels.values())


def unseen(bundle: Bundle) -> tuple[Volume, Volume]:
    """Return image and labels of a phantom of the model's modality."""
    modality = bundle.config.modalities.target.name
    if bundle.config.task.name == "cardiac":
        assert modality in {"ct", "mr_bssfp"}
        heart = make_cardiac_subject(modality, UNSEEN_SEED, grid=HEART_GRID)  # type: ignore[arg-type]
        return heart.image, heart.labels
    brain = make_brain_subject([modality], UNSEEN_SEED, grid=BRAIN_GRID)  # type: ignore[list-item]
    return brain.images[modality], brain.labels  # type: ignore[index]
