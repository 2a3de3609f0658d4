"""What fills each voxel of a brain with a tumour."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from CrossModalSegLib.data.phantoms.brain import Patient, draw_patient
from CrossModalSegLib.data.phantoms.brain_lattice import Lattice
from CrossModalSegLib.data.phantoms.brain_rendering import Filling, fill_voxels
from CrossModalSegLib.data.phantoms.brain_signal import Material
from CrossModalSegLib.data.phantoms.brain_tumour import TumourLabel
from CrossModalSegLib.data.phantoms.grid import PhantomGrid

RING_SEED = 1


@cache
def patient() -> Patient:
    return draw_patient(RING_SEED)


def about_the_tumour(
    matrix_ijk: tuple[int, int, int], spacing_mm: tuple[float, float, float]
) -> tuple[PhantomGrid, NDArray[np.float64]]:
    """Return a grid about the tumour's origin, and its affine."""
    origin = patient().brain.to_patient(np.array(patient().tumour.origin_head))
    grid = PhantomGrid(matrix_ijk=matrix_ijk, spacing_mm=spacing_mm, orientation="RAS")
    return grid, grid.affine_ras(origin)


@cache
def fine() -> Filling:
    grid, affine = about_the_tumour((48, 48, 20), (2.0, 2.0, 2.0))
    return fill_voxels(patient().brain, patient().tumour, grid, affine)


def test_shares_of_materials_and_of_labels_add_up() -> None:
    filling = fine()
    assert filling.materials.min() >= 0
    total = filling.materials.sum(axis=1)
    assert total.min() > 0.5
    assert total.max() < 1.01
    assert filling.label_shares.min() > -1e-5
    np.testing.assert_allclose(filling.label_shares.sum(axis=1), 1, atol=1e-5)


def test_labels_follow_what_is_there() -> None:
    filling = fine()
    shares, materials = filling.label_shares, filling.materials
    is_necrosis, is_oedema, is_enhancing = (shares[:, label] > 0.95 for label in TumourLabel)
    assert min(mask.sum() for mask in (is_necrosis, is_oedema, is_enhancing)) > 100
    assert materials[is_necrosis, Material.NCR].mean() > 0.8
    assert materials[is_enhancing, Material.ET].mean() > 0.8
    assert materials[is_oedema, Material.ED].mean() > 0.7
    assert materials[is_oedema, Material.CSF].max() < 0.1
    no_tumour = shares[:, 0] > 0.999
    assert not materials[no_tumour][:, [Material.NCR, Material.NET, Material.ET]].any()


def test_oedema_leaves_fluid_and_the_rest_of_the_brain_as_they_were() -> None:
    grid, affine = about_the_tumour((48, 48, 20), (2.0, 2.0, 2.0))
    tumour = patient().tumour
    nothing = Lattice(tumour.regions.frame, np.full_like(tumour.regions.values, -30))
    before = fill_voxels(patient().brain, replace(tumour, regions=nothing), grid, affine)
    after = fine()
    np.testing.assert_array_equal(before.voxels, after.voxels)
    assert not before.label_shares[:, 1:].any()
    untouched = after.label_shares[:, 0] == 1
    np.testing.assert_array_equal(before.materials[untouched], after.materials[untouched])
    oedema = (after.label_shares[:, [TumourLabel.NCR, TumourLabel.ET]].max(axis=1) == 0) & (
        after.label_shares[:, TumourLabel.ED] > 0.3
    )
    fluid = before.materials[:, Material.CSF]
    assert (oedema & (fluid > 0.2)).sum() > 20
    np.testing.assert_allclose(after.materials[oedema, Material.CSF], fluid[oedema], atol=1e-5)
    assert (after.label_shares[oedema, TumourLabel.ED] <= 1 - fluid[oedema] + 1e-5).all()


def test_edges_are_partial_volume_not_steps() -> None:
    largest = fine().label_shares.max(axis=1)
    mixed = (largest < 0.9).mean()
    assert 0.02 < mixed < 0.4


def test_thick_voxels_hold_the_mean_of_thin_ones() -> None:
    thick_grid, affine = about_the_tumour((24, 24, 10), (4.0, 4.0, 4.0))
    thick = fill_voxels(patient().brain, patient().tumour, thick_grid, affine)
    shape = (20, 48, 48)
    full = np.zeros((int(np.prod(shape)), fine().label_shares.shape[1] - 1), dtype=np.float32)
    full[fine().voxels] = fine().label_shares[:, 1:]
    means = full.reshape(10, 2, 24, 2, 24, 2, -1).mean(axis=(1, 3, 5)).reshape(-1, 3)
    np.testing.assert_allclose(thick.label_shares[:, 1:], means[thick.voxels], atol=0.25)
    difference = np.abs(thick.label_shares[:, 1:] - means[thick.voxels]).mean()
    assert difference < 0.005


def test_only_the_brain_is_kept_and_nothing_of_it_is_lost() -> None:
    grid = PhantomGrid(matrix_ijk=(24, 26, 24), spacing_mm=(8.0, 8.0, 8.0))
    affine = grid.affine_ras(np.array([0.0, -18.0, 5.0]))
    filling = fill_voxels(patient().brain, patient().tumour, grid, affine)
    assert len(np.unique(filling.voxels)) == filling.voxels.size
    points = patient().brain.to_head(grid.centres_ras(affine))
    fields = patient().brain.fields_at(points)
    at_centre = patient().brain.tissues_at(points, fields).sum(axis=0)
    kept = np.zeros(at_centre.size, dtype=bool)
    kept[filling.voxels] = True
    assert kept[at_centre > 0.99].mean() > 0.98
    assert not kept[fields[:, -1] < -8].any()
    volume_ml = kept.sum() * 0.512
    assert 1200 < volume_ml < 2000


def test_a_grid_beside_the_head_holds_nothing() -> None:
    grid = PhantomGrid(matrix_ijk=(3, 3, 3), spacing_mm=(2.0, 2.0, 2.0))
    affine = grid.affine_ras(np.array([300.0, 0.0, 0.0]))
    filling = fill_voxels(patient().brain, patient().tumour, grid, affine)
    assert filling.voxels.size == 0
    assert filling.label_shares.shape == (0, 4)


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 6.0), (3.0, 3.0, 3.0)])
def test_volumes_do_not_depend_on_the_voxel(spacing_mm: tuple[float, float, float]) -> None:
    i, j, k = (round(96 / spacing) for spacing in spacing_mm)
    grid, affine = about_the_tumour((i, j, k), spacing_mm)
    other = fill_voxels(patient().brain, patient().tumour, grid, affine)
    whole_grid, whole_affine = about_the_tumour((48, 48, 48), (2.0, 2.0, 2.0))
    same = fill_voxels(patient().brain, patient().tumour, whole_grid, whole_affine)
    ml = float(np.prod(spacing_mm)) / 1000
    sums = other.label_shares[:, 1:].sum(axis=0) * ml
    expected = same.label_shares[:, 1:].sum(axis=0) * 0.008
    np.testing.assert_allclose(sums, expected, rtol=0.03)
