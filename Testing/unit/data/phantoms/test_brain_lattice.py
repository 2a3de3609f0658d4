"""Interpolation on a lattice, and fronts that cross it."""

from __future__ import annotations

import heapq
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from CrossModalSegLib.data.phantoms.brain_lattice import (
    Frame,
    Lattice,
    arrival_times,
    smooth_noise,
)

FRAME = Frame((9, 7, 5), (-10.0, 4.0, 2.5), 3.0)


def dijkstra(speed: NDArray[np.float32], start: tuple[int, int, int]) -> NDArray[np.float64]:
    """Return the arrival times along paths from node to neighbouring node, diagonals included."""
    times = np.full(speed.shape, np.inf)
    times[start] = 0.0
    queue: list[tuple[float, tuple[int, ...]]] = [(0.0, start)]
    while queue:
        time, node = heapq.heappop(queue)
        if time > times[node]:
            continue
        for step in product((-1, 0, 1), repeat=3):
            other = tuple(a + b for a, b in zip(node, step, strict=True))
            if not any(step) or not all(
                0 <= a < n for a, n in zip(other, speed.shape, strict=True)
            ):
                continue
            slowness = (1 / speed[node] + 1 / speed[other]) / 2
            arrival = time + float(np.linalg.norm(step)) * slowness
            if arrival < times[other]:
                times[other] = arrival
                heapq.heappush(queue, (arrival, other))
    return times


def test_linear_fields_are_interpolated_exactly_and_kept_beyond_the_border() -> None:
    rng = np.random.default_rng(0)
    nodes = FRAME.nodes_ras()
    slopes = rng.normal(size=(2, 3)).astype(np.float32)
    lattice = Lattice(FRAME, (slopes @ nodes).T.reshape(*FRAME.shape, 2).astype(np.float32))
    low, high = nodes.min(axis=1, keepdims=True), nodes.max(axis=1, keepdims=True)
    inside = (low + (high - low) * rng.random((3, 500))).astype(np.float32)
    np.testing.assert_allclose(lattice.at(inside), (slopes @ inside).T, atol=1e-4)
    outside = inside + np.float32(100)
    np.testing.assert_allclose(lattice.at(outside), (slopes @ np.broadcast_to(high, (3, 500))).T)


def test_interpolation_agrees_with_scipy() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(*FRAME.shape, 1)).astype(np.float32)
    index = rng.uniform(0, 1, (3, 300)) * (np.array(FRAME.shape)[:, np.newaxis] - 1)
    points = index * FRAME.spacing_mm + np.array(FRAME.origin_ras)[:, np.newaxis]
    expected = ndimage.map_coordinates(values[..., 0], index, order=1)
    found = Lattice(FRAME, values).at(points.astype(np.float32))[:, 0]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_box_is_where_its_frame_says() -> None:
    box = FRAME.box((7, 1, 2), 6.0)
    assert box == (slice(5, 9), slice(0, 4), slice(0, 5))
    part = FRAME.part(box)
    whole = FRAME.nodes_ras().reshape(3, *FRAME.shape)[:, *box].reshape(3, -1)
    np.testing.assert_allclose(part.nodes_ras(), whole)
    assert FRAME.nearest_node(np.array([11.2, 6.9, 8.9])) == (7, 1, 2)
    assert FRAME.nearest_node(np.array([900.0, -900.0, 0.0])) == (8, 0, 0)


def test_noise_has_unit_variance_and_the_width_that_was_asked_for() -> None:
    noise = smooth_noise(np.random.default_rng(2), (40, 40, 40), 2.0)
    assert float(noise.mean()) == pytest.approx(0, abs=1e-4)
    assert float(noise.std()) == pytest.approx(1, abs=1e-4)
    shifted = [float((noise * np.roll(noise, step, axis=0)).mean()) for step in (1, 4)]
    # White noise after a Gaussian of width w correlates as exp(-(d / 2w)^2).
    assert shifted == pytest.approx([np.exp(-1 / 16), np.exp(-1)], abs=0.05)


def test_a_front_of_even_speed_arrives_after_the_distance() -> None:
    times = arrival_times(np.full((25, 25, 25), 0.5, np.float32), 2.0, (12, 12, 12))
    offsets = np.indices((25, 25, 25)) - 12
    distance = 2.0 * np.sqrt((offsets**2).sum(axis=0))
    assert times[12, 12, 12] == 0
    np.testing.assert_allclose(times[12, 12], 2 * distance[12, 12], rtol=1e-5)  # along an axis
    assert np.abs(times / 2 - distance).max() < 0.12 * distance.max()
    assert (times / 2 >= distance - 1e-3).all()


def test_fronts_go_round_what_is_slow() -> None:
    rng = np.random.default_rng(3)
    speed = np.exp(0.5 * smooth_noise(rng, (14, 14, 14), 1.5))
    speed[7, :10] = 0.02
    times = arrival_times(speed, 1.0, (3, 3, 7))
    behind = times[11, 3, 7]
    assert behind > 1.5 * 8 / float(speed.max())
    reference = dijkstra(speed, (3, 3, 7))
    reached = (reference < 30) & (speed > 0.05)
    assert reached.sum() > 1000
    assert float(np.median(times[reached] / np.maximum(reference[reached], 1))) == pytest.approx(
        1, abs=0.1
    )
    assert np.corrcoef(times[reached], reference[reached])[0, 1] > 0.98
