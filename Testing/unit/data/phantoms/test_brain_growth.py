"""Growth of gliomas in a brain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from CrossModalSegLib.data.phantoms import brain_growth
from CrossModalSegLib.data.phantoms.brain_anatomy import Brain, Channel, draw_brain
from CrossModalSegLib.data.phantoms.brain_atlas import load_atlas
from CrossModalSegLib.data.phantoms.brain_growth import REACH_MM, grow_tumour
from CrossModalSegLib.data.phantoms.brain_lattice import Lattice
from CrossModalSegLib.data.phantoms.brain_tumour import (
    CORE_OF_WHOLE,
    KIND_SHARES,
    NECROSIS_OF_CORE,
    Depth,
    Tumour,
    TumourKind,
    TumourPlan,
    draw_plan,
)

SEEDS = range(4)


@cache
def healthy() -> Brain:
    return draw_brain(load_atlas(), np.random.default_rng(11))


@cache
def grown(seed: int, kind: TumourKind = "ring") -> tuple[Brain, Tumour]:
    rng = np.random.default_rng(seed)
    plan = replace(draw_plan(rng), kind=kind)
    return grow_tumour(healthy(), plan, rng)


def shares_in_box(brain: Brain, tumour: Tumour) -> NDArray[np.float32]:
    """Return the average CSF, GM and WM where the tumour's nodes lie after the displacement."""
    nodes = tumour.regions.frame.nodes_ras()
    bent = nodes + brain.fields_at(nodes)[:, : Channel.UP + 1].T
    average = Lattice(brain.atlas.frame, brain.atlas.shares)
    return average.at(bent).reshape(*tumour.regions.frame.shape, 3)


def inside(tumour: Tumour, depth: Depth) -> NDArray[np.bool_]:
    return np.asarray(tumour.regions.values[..., depth] > 0)


def all_seeds() -> Iterator[tuple[Brain, Tumour]]:
    return (grown(seed) for seed in SEEDS)


def test_regions_are_nested() -> None:
    for _, tumour in all_seeds():
        whole, core, necrosis = (
            inside(tumour, d) for d in (Depth.OEDEMA, Depth.CORE, Depth.NECROSIS)
        )
        assert not (necrosis & ~core).any()
        assert not (core & ~whole).any()
        assert core.sum() > necrosis.sum() > 0


def test_core_and_necrosis_have_the_planned_volumes() -> None:
    for brain, tumour in all_seeds():
        cell_ml = tumour.regions.frame.cell_ml
        brain_share = 1 - shares_in_box(brain, tumour)[..., 0]
        core = inside(tumour, Depth.CORE)
        assert brain_share[core].sum() * cell_ml == pytest.approx(tumour.plan.core_ml, rel=0.15)
        # The rim's least thickness may take some of what was planned as necrosis.
        assert inside(tumour, Depth.NECROSIS).sum() * cell_ml <= 1.1 * tumour.plan.necrosis_ml + 0.1


def test_necrosis_has_tumour_all_around() -> None:
    for _, tumour in all_seeds():
        necrosis, core = inside(tumour, Depth.NECROSIS), tumour.regions.values[..., Depth.CORE]
        assert core[necrosis].min() >= 1.5


def test_the_tumour_hangs_together() -> None:
    for _, tumour in all_seeds():
        whole = inside(tumour, Depth.OEDEMA)
        parts, _ = ndimage.label(whole, structure=np.ones((3, 3, 3)))
        assert np.bincount(parts[whole]).max() > 0.95 * whole.sum()


def test_oedema_prefers_white_matter_and_spares_ventricles() -> None:
    for brain, tumour in all_seeds():
        shares = shares_in_box(brain, tumour)
        core = inside(tumour, Depth.CORE)
        oedema = inside(tumour, Depth.OEDEMA) & ~core
        near = ndimage.binary_dilation(oedema, iterations=2) & ~oedema & ~core
        assert shares[oedema][:, 2].mean() > shares[near][:, 2].mean() + 0.15
        in_ventricle = shares[..., 0] > 0.8
        assert (in_ventricle & oedema).sum() < 0.02 * oedema.sum()


def test_the_falx_is_no_way_to_the_other_side() -> None:
    """Nodes of grey matter between the hemispheres are reached much later than their neighbours."""
    for brain, tumour in all_seeds():
        frame = tumour.regions.frame
        oedema = inside(tumour, Depth.OEDEMA)
        bent = frame.nodes_ras() + brain.fields_at(frame.nodes_ras())[:, : Channel.UP + 1].T
        between = (np.abs(bent[0]) < 2).reshape(frame.shape)
        shares = shares_in_box(brain, tumour)
        grey_there = between & (shares[..., 1] > 0.5) & (shares[..., 2] < 0.1)
        assert (oedema & grey_there).sum() <= 0.02 * oedema.sum()


def test_origins_lie_in_deep_white_matter_of_both_hemispheres_of_the_cerebrum() -> None:
    origins = []
    atlas = load_atlas()
    for seed in range(40):
        rng = np.random.default_rng(seed)
        origins.append(brain_growth._draw_origin(healthy(), rng))
    index = tuple(np.array(origins).T)
    assert (atlas.cerebrum[index] > 0.9).all()
    assert (atlas.depth_mm[index] > 9).all()
    assert (atlas.ventricle_mm[index] > 7).all()
    assert atlas.shares[index][:, 2].mean() > 0.7
    right = atlas.frame.origin_ras[0] + np.array(origins)[:, 0] * 3
    assert 10 < (right > 0).sum() < 30


def test_the_core_pushes_the_brain_away_and_keeps_its_volume() -> None:
    brain, tumour = grown(1)
    origin = np.array(tumour.origin_head, dtype=np.float32)[:, np.newaxis]
    nodes = brain.person.frame.nodes_ras()
    before, after = (
        (nodes + b.person.values.reshape(-1, len(Channel))[:, : Channel.UP + 1].T)
        for b in (healthy(), brain)
    )
    shift = np.linalg.norm(after - before, axis=0)
    away = np.linalg.norm(nodes - origin, axis=0)
    radius = np.cbrt(3000 * tumour.plan.core_ml / (4 * np.pi))
    depth = healthy().person.values[..., Channel.DEPTH].ravel()
    ring = (np.abs(away - radius) < 2) & (depth > 14)
    swollen = 3000 * tumour.plan.core_ml * tumour.plan.size.mass / (4 * np.pi)
    expected = radius - np.cbrt(radius**3 - swollen)
    assert float(np.median(shift[ring])) == pytest.approx(expected, rel=0.25)
    assert shift[away > radius + 60].max() < 0.1
    assert shift[depth <= 0].max() == 0
    # What is looked up lies nearer to the origin: tissue has moved outwards.
    assert (np.linalg.norm(after - before + nodes - origin, axis=0) <= away + 1e-3).all()


def test_fronts_end_within_the_box() -> None:
    size = draw_plan(np.random.default_rng(0)).size
    largest = TumourPlan(kind="ring", size=replace(size, log_whole_ml=float(np.log(145.0))))
    for seed in range(3):
        _, tumour = grow_tumour(healthy(), largest, np.random.default_rng(seed))
        whole = inside(tumour, Depth.OEDEMA)
        away = tumour.regions.frame.nodes_ras() - np.array(tumour.origin_head)[:, np.newaxis]
        assert np.abs(away[:, whole.ravel()]).max() < REACH_MM - 3


def test_tumours_without_enhancement_are_label_one_throughout() -> None:
    _, tumour = grown(2, "non_enhancing")
    np.testing.assert_array_equal(inside(tumour, Depth.NECROSIS), inside(tumour, Depth.CORE))


def test_plans_stay_within_their_intervals_and_all_kinds_occur() -> None:
    plans = [draw_plan(np.random.default_rng(seed)) for seed in range(300)]
    for kind, share in KIND_SHARES.items():
        of_kind = [plan for plan in plans if plan.kind == kind]
        assert len(of_kind) / len(plans) == pytest.approx(share, abs=0.08)
        for plan in of_kind:
            low, high = CORE_OF_WHOLE[kind]
            assert low <= plan.core_ml / plan.whole_ml <= high
            low, high = NECROSIS_OF_CORE[kind]
            assert low - 1e-9 <= plan.necrosis_ml / plan.core_ml <= high + 1e-9
    assert min(plan.whole_ml for plan in plans) >= 28
    assert max(plan.whole_ml for plan in plans) <= 145
