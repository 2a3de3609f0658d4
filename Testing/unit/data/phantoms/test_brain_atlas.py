"""The anatomy that nilearn carries."""

from __future__ import annotations

import importlib.machinery
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from CrossModalSegLib.core.errors import InputFileError, MissingDependencyError
from CrossModalSegLib.data.phantoms import brain_atlas
from CrossModalSegLib.data.phantoms.brain_atlas import load_atlas


def test_shares_fill_the_brain_and_nothing_else() -> None:
    tissue = load_atlas().tissue
    total = tissue.values.sum(axis=-1)
    inside = total > 0
    assert tissue.values.min() >= 0
    # A few voxels of grey and white matter add up to a little more than one.
    assert np.abs(total[inside] - 1).max() < 0.01
    assert 1750 < inside.sum() / 1000 < 1950  # mL; 1 mm voxels
    for side in range(3):
        ends = np.moveaxis(inside, side, 0)[[0, -1]]
        assert not ends.any()


def test_places_of_the_atlas_hold_what_anatomy_says() -> None:
    atlas = load_atlas()
    # MNI coordinates: body of the left lateral ventricle, genu of the corpus callosum, left
    # putamen, white matter of the right centrum semiovale, and the air in front of the face.
    places = {
        "ventricle": ((-8, 8, 18), (1, 0, 0)),
        "callosum": ((0, 26, 2), (0, 0, 1)),
        "centrum": ((26, -20, 34), (0, 0, 1)),
        "air": ((0, 90, 0), (0, 0, 0)),
    }
    for name, (place, expected) in places.items():
        found = atlas.tissue.at(np.array(place, dtype=np.float32)[:, np.newaxis])[0]
        np.testing.assert_allclose(found, expected, atol=0.15, err_msg=name)
    putamen = atlas.tissue.at(np.array([[-25], [4], [2]], dtype=np.float32))[0]
    assert putamen[1] > 0.5


def test_the_coarse_fields_know_depth_ventricles_and_cerebrum() -> None:
    atlas = load_atlas()

    def at(place: tuple[float, float, float]) -> tuple[int, int, int]:
        return atlas.frame.nearest_node(np.array(place))

    assert atlas.depth_mm[at((26, -20, 34))] > 15
    assert atlas.depth_mm[at((0, 95, 0))] < -10
    assert atlas.ventricle_mm[at((-8, 8, 18))] <= 0
    assert 10 < atlas.ventricle_mm[at((30, -20, 40))] < 40
    np.testing.assert_allclose(atlas.away[at((0, -20, 70))], (0, 0, 1), atol=0.3)
    for place in ((40, 20, 20), (-50, -20, -20), (20, -90, 5), (50, -50, -5)):
        assert atlas.cerebrum[at(place)] > 0.95
    for place in ((30, -65, -40), (0, -55, -20), (0, -25, -30), (-20, -75, -35)):
        assert atlas.cerebrum[at(place)] < 0.05


def test_the_two_sides_are_nearly_alike() -> None:
    atlas = load_atlas()
    rng = np.random.default_rng(0)
    points = rng.uniform((5, -90, -20), (60, 50, 60), (4000, 3)).T.astype(np.float32)
    mirrored = points * np.array([[-1], [1], [1]], dtype=np.float32)
    here, there = atlas.tissue.at(points), atlas.tissue.at(mirrored)
    assert np.abs(here - there).mean() < 0.02


def test_the_atlas_is_read_without_importing_nilearn() -> None:
    code = (
        "import sys\n"
        "from CrossModalSegLib.data.phantoms.brain_atlas import load_atlas\n"
        "load_atlas()\n"
        "assert load_atlas() is load_atlas()\n"
        "print('nilearn' in sys.modules, 'torch' in sys.modules)\n"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    assert printed.split() == ["False", "False"]


def test_a_missing_anatomy_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brain_atlas, "find_spec", lambda _name: None)
    with pytest.raises(MissingDependencyError, match="Install nilearn"):
        load_atlas.__wrapped__()
    spec = importlib.machinery.ModuleSpec("nilearn", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(brain_atlas, "find_spec", lambda _name: spec)
    with pytest.raises(InputFileError, match="no ICBM 152 T1 map"):
        load_atlas.__wrapped__()
