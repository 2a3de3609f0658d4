"""What is drawn of a tumour, and what part of any place belongs to it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from CrossModalSegLib.data.phantoms.brain_lattice import Frame, Lattice
from CrossModalSegLib.data.phantoms.brain_tumour import Depth, Tumour, TumourPlan, TumourSize

SIZE = TumourSize(
    log_whole_ml=float(np.log(80.0)), core=0.5, necrosis=0.25, mass=0.5, edge_mm=2.0, spread=0.4
)


def ball(kind: str = "ring") -> Tumour:
    """Return a tumour of concentric balls: necrosis 6 mm, core 12 mm, oedema 20 mm."""
    frame = Frame((21, 21, 21), (-30.0, -30.0, -30.0), 3.0)
    radius = np.linalg.norm(frame.nodes_ras(), axis=0).reshape(frame.shape)
    values = np.zeros((*frame.shape, len(Depth)), dtype=np.float32)
    for depth, reach in ((Depth.OEDEMA, 20), (Depth.CORE, 12), (Depth.NECROSIS, 6)):
        values[..., depth] = reach - radius
    plan = TumourPlan(kind=kind, size=SIZE)  # type: ignore[arg-type]
    return Tumour(plan, (0.0, 0.0, 0.0), Lattice(frame, values))


def along_an_axis(*right_mm: float) -> np.ndarray:
    points = np.zeros((3, len(right_mm)), dtype=np.float32)
    points[0] = right_mm
    return points


def test_volumes_follow_from_the_drawn_places_in_their_intervals() -> None:
    plan = TumourPlan(kind="ring", size=SIZE)
    assert plan.whole_ml == pytest.approx(80)
    assert plan.core_ml == pytest.approx(80 * 0.35)
    assert plan.necrosis_ml == pytest.approx(80 * 0.35 * 0.3)
    assert TumourPlan(kind="non_enhancing", size=SIZE).necrosis_ml == pytest.approx(80 * 0.575)


def test_shares_are_one_inside_zero_outside_and_a_half_on_the_surface() -> None:
    shares = ball().shares_at(along_an_axis(3, 9, 15, 18, 27), 1.0)
    np.testing.assert_allclose(shares.core, [1, 1, 0, 0, 0])
    np.testing.assert_allclose(shares.necrosis, [1, 0, 0, 0, 0])
    np.testing.assert_allclose(shares.oedema, [0, 0, 1, 1, 0])
    np.testing.assert_allclose(ball().shares_at(along_an_axis(12), 1.0).core, [0.5], atol=0.01)


def test_shares_rise_over_the_given_width_and_never_exceed_one_together() -> None:
    places = along_an_axis(*np.linspace(0, 28, 200))
    for width in (0.5, 3.0):
        shares = ball().shares_at(places, width)
        assert (shares.oedema + shares.core).max() <= 1 + 1e-6
        assert (shares.necrosis <= shares.core).all()
        rising = ((shares.core > 0.01) & (shares.core < 0.99)).sum() * 28 / 199
        assert rising == pytest.approx(width, abs=0.4)


def test_points_outside_the_box_are_not_near() -> None:
    near = ball().is_near(along_an_axis(-31, -29, 0, 29, 31))
    assert near.tolist() == [False, True, True, True, False]


def test_a_choice_of_points_keeps_their_order() -> None:
    shares = ball().shares_at(along_an_axis(3, 15, 27), 1.0)
    some = shares.only(np.array([True, False, True]))
    np.testing.assert_allclose(some.core, [1, 0])
    np.testing.assert_allclose(some.depth_mm, shares.depth_mm[[0, 2]])


def test_facts_survive_json() -> None:
    facts = ball().facts()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["kind"] == "ring"
    assert facts["core_ml"] == pytest.approx(28)
