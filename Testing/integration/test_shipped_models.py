"""The models that ship with the program."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from CrossModalSegLib.bundle.library import ModelLibrary
from CrossModalSegLib.bundle.reading import Bundle, read_bundle
from CrossModalSegLib.core.errors import BundleError
from CrossModalSegLib.data.phantoms.cardiac import make_cardiac_subject
from CrossModalSegLib.data.phantoms.grid import PhantomGrid
from CrossModalSegLib.inference.predictor import Predictor

NAME = "cardiac_ct_to_mr_bssfp_dsan"
MAX_BYTES = 2 * 2**20

MACHINE_PATHS = re.compile(r"(/home/|/root|/tmp|/Users/|[A-Z]:\\\\|\\\\Users\\\\)")

UNSEEN_SEED = 424_242
TINY_GRID = PhantomGrid(matrix_ijk=(48, 24, 48), spacing_mm=(5.0, 8.0, 5.0), orientation="LPS")


@pytest.fixture
def library(tmp_path: Path) -> ModelLibrary:
    """Return the library of a user who has no models yet."""
    return ModelLibrary(tmp_path / "models")


@pytest.fixture
def bundle(library: ModelLibrary) -> Bundle:
    return library.open(NAME)


def test_all_of_them_can_be_used_and_are_small(library: ModelLibrary) -> None:
    entries = library.entries()
    assert [entry.name for entry in entries] == [NAME]
    for entry in entries:
        assert entry.origin == "shipped"
        assert entry.problem == ""
        assert entry.num_bytes <= MAX_BYTES
        assert read_bundle(entry.path).config.name == entry.name


def test_they_say_that_they_know_phantoms_only(bundle: Bundle) -> None:
    assert "phantom" in bundle.config.title
    for text in (bundle.config.description, bundle.config.intended_use):
        assert "trained on synthetic phantoms only" in text.lower()
        assert "must not be used on patients" in text


def test_they_say_what_was_measured_and_on_what(bundle: Bundle) -> None:
    (scores,) = bundle.config.scores
    assert (scores.domain, scores.split, scores.num_cases) == ("target", "test", 12)
    dice = scores.means["dice"]
    assert set(dice) == set(bundle.config.task.class_names)
    assert sum(dice.values()) / len(dice) == pytest.approx(0.785, abs=0.001)
    assert bundle.config.training.seed == 0
    assert len(bundle.config.training.cohorts) == 2


def test_they_name_no_place_of_the_machine_that_made_them(bundle: Bundle) -> None:
    for name, content in bundle.read_files().items():
        if not name.endswith(".safetensors"):
            assert not MACHINE_PATHS.search(content.decode("utf-8")), name


def test_they_are_exported_but_not_deleted(library: ModelLibrary, tmp_path: Path) -> None:
    library.export(NAME, tmp_path / "copy.zip")
    copy, original = read_bundle(tmp_path / "copy.zip"), library.open(NAME)
    assert copy.content_hash == original.content_hash
    with pytest.raises(BundleError, match="ships with the program and cannot be deleted"):
        library.delete(NAME)
    assert library.open(NAME).content_hash == original.content_hash


def test_one_finds_the_heart_of_a_phantom_that_nobody_has_seen(bundle: Bundle) -> None:
    subject = make_cardiac_subject("mr_bssfp", UNSEEN_SEED, grid=TINY_GRID)
    result = Predictor.from_bundle(bundle, device="cpu").segment(subject.image)
    found, truth = result.labels.array_kji > 0, subject.labels.array_kji > 0
    dice = 2 * np.count_nonzero(found & truth) / (found.sum() + truth.sum())
    assert dice > 0.6
    assert all(result.voxels.values())
