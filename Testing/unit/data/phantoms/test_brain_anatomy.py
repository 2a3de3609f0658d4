"""The healthy brain of one person."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from CrossModalSegLib.data.phantoms.anatomy import Points
from CrossModalSegLib.data.phantoms.brain_anatomy import (
    Brain,
    BrainPose,
    Channel,
    Healthy,
    draw_brain,
    shaped_brain,
)
from CrossModalSegLib.data.phantoms.brain_atlas import load_atlas


@cache
def person(seed: int = 0) -> Brain:
    return draw_brain(load_atlas(), np.random.default_rng(seed))


def grid_of_points(step_mm: float = 3.0) -> Points:
    right, front, up = (np.arange(a, b, step_mm) for a, b in ((-75, 76), (-110, 76), (-75, 86)))
    grid = np.meshgrid(right, front, up, indexing="ij")
    return np.stack(grid).reshape(3, -1).astype(np.float32)


def shares_of(brain: Brain, points: Points) -> NDArray[np.float32]:
    return brain.tissues_at(points, brain.fields_at(points))


def test_shares_are_shares_and_fill_the_inside() -> None:
    shares = shares_of(person(), grid_of_points())
    assert shares.min() >= 0
    assert shares.max() <= 1.001
    total = shares.sum(axis=0)
    assert ((total < 0.01) | (total > 0.99)).mean() > 0.9
    assert 1.5 < total.sum() * 27e-6 < 2.1  # litres; heads are in the size of the atlas


def test_people_are_sharper_than_the_average_of_many() -> None:
    points = grid_of_points()
    own = shares_of(person(), points)[: Healthy.VESSEL]
    average = load_atlas().tissue.at(points).T
    inside = average.sum(axis=0) > 0.99
    assert own[:, inside].max(axis=0).mean() > average[:, inside].max(axis=0).mean() + 0.03


def test_people_differ_in_their_folds_and_not_in_their_plan() -> None:
    points = grid_of_points()
    first, second = (shares_of(person(seed), points)[Healthy.GM] for seed in (0, 1))
    likeness = float(np.corrcoef(first, second)[0, 1])
    assert 0.3 < likeness < 0.9


def test_wide_ventricles_hold_more_fluid_and_atrophy_widens_sulci() -> None:
    points = grid_of_points()
    is_deep = person().fields_at(points)[:, Channel.DEPTH] > 15

    def fluid(ventricle_mm: float, sulci: float) -> tuple[float, float]:
        """Return mL of fluid deep in the brain and near its surface."""
        shape = replace(person().shape, ventricle_mm=ventricle_mm, sulci=sulci)
        brain = shaped_brain(load_atlas(), person().pose, shape, np.random.default_rng(5))
        shares = shares_of(brain, points)[Healthy.CSF] * 27e-3
        return float(shares[is_deep].sum()), float(shares[~is_deep].sum())

    narrow, wide, shrunken = fluid(0.0, 0.5), fluid(3.0, 0.5), fluid(0.0, 1.2)
    assert 10 < wide[0] - narrow[0] < 40
    assert shrunken[1] > 1.2 * narrow[1]


def test_small_vessel_disease_takes_white_matter_beside_the_ventricles_only() -> None:
    points = grid_of_points()
    healthy = replace(person(), shape=replace(person().shape, caps=0.0))
    ill = replace(person(), shape=replace(person().shape, caps=0.7))
    without, with_it = shares_of(healthy, points), shares_of(ill, points)
    caps = with_it[Healthy.CAPS]
    assert not without[Healthy.CAPS].any()
    np.testing.assert_allclose(with_it[Healthy.WM] + caps, without[Healthy.WM], atol=1e-5)
    distance = person().fields_at(points)[:, Channel.VENTRICLE]
    assert 0.5 < caps.sum() * 27e-3 < 40  # mL
    assert np.abs(distance[caps > 0]).max() < 7


def test_pose_and_size_map_patient_space_to_the_head_and_back() -> None:
    pose = BrainPose(
        size=(0.9, 0.95, 1.0), turn_degrees=(10.0, -5.0, 3.0), position_ras_mm=(3.0, -2.0, 1.0)
    )
    brain = replace(person(), pose=pose)
    heads = np.random.default_rng(0).uniform(-60, 60, (20, 3))
    places = np.stack([brain.to_patient(head) for head in heads], axis=1)
    np.testing.assert_allclose(brain.to_head(places.astype(np.float32)).T, heads, atol=1e-3)
    np.testing.assert_allclose(brain.to_patient(np.zeros(3)), pose.position_ras_mm)
    # Upright, a head of nine tenths of the width reaches nine tenths as far to the right.
    upright = replace(brain, pose=replace(pose, turn_degrees=(0.0, 0.0, 0.0)))
    np.testing.assert_allclose(upright.to_patient(np.array([60.0, 0, 0])), (57.0, -2.0, 1.0))


@pytest.mark.parametrize("seed", range(3))
def test_vessels_are_few_and_near_the_surface_or_in_the_ventricles(seed: int) -> None:
    points = grid_of_points()
    fields = person(seed).fields_at(points)
    vessel = person(seed).tissues_at(points, fields)[Healthy.VESSEL]
    inside = fields[:, Channel.DEPTH] > 0
    assert 0.001 < vessel[inside].mean() < 0.03
    deep = (fields[:, Channel.DEPTH] > 19) & (fields[:, Channel.VENTRICLE] > 0)
    assert vessel[deep].max() < 0.05
