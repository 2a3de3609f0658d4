"""Fields on a regular lattice, interpolated between its nodes, and fronts that cross it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from CrossModalSegLib.data.phantoms.anatomy import Points

Field = NDArray[np.float32]
"""(x, y, z) one number a node."""

Rows = NDArray[np.float32]
"""(n, channels) one row a point."""

UNREACHED_MM = np.float32(1e4)
"""Arrival time of a node that no front has reached."""


@dataclass(frozen=True, eq=False)
class Frame:
    """The nodes of a lattice whose axes point right, anterior and superior.

    Attributes:
        shape: Nodes along each axis.
        origin_ras: The first node, in mm.
        spacing_mm: Distance of neighbours, the same along all axes.
    """

    shape: tuple[int, int, int]
    origin_ras: tuple[float, float, float]
    spacing_mm: float

    @property
    def cell_ml(self) -> float:
        """What one node stands for."""
        return self.spacing_mm**3 / 1000

    def nodes_ras(self) -> Points:
        """Return the places of all nodes, (3, x * y * z) in the order of the flattened array."""
        index = np.indices(self.shape, dtype=np.float32).reshape(3, -1)
        origin = np.array(self.origin_ras, dtype=np.float32)[:, np.newaxis]
        return index * np.float32(self.spacing_mm) + origin

    def nearest_node(self, point_ras: NDArray[np.float64]) -> tuple[int, int, int]:
        """Return the index of the node nearest to a point, (3,)."""
        index = np.rint((point_ras - np.array(self.origin_ras)) / self.spacing_mm).astype(int)
        x, y, z = np.clip(index, 0, np.array(self.shape) - 1)
        return int(x), int(y), int(z)

    def box(self, centre: tuple[int, int, int], reach_mm: float) -> tuple[slice, slice, slice]:
        """Return where the nodes within a reach of one of them lie, along each axis."""
        nodes = int(np.ceil(reach_mm / self.spacing_mm))
        x, y, z = (
            slice(max(0, c - nodes), min(size, c + nodes + 1))
            for c, size in zip(centre, self.shape, strict=True)
        )
        return x, y, z

    def part(self, box: tuple[slice, slice, slice]) -> Frame:
        """Return the frame of a box of nodes."""
        x, y, z = (len(range(size)[s]) for s, size in zip(box, self.shape, strict=True))
        first, second, third = (
            origin + s.start * self.spacing_mm
            for s, origin in zip(box, self.origin_ras, strict=True)
        )
        return Frame((x, y, z), (first, second, third), self.spacing_mm)


@dataclass(frozen=True, eq=False)
class Lattice:
    """Several fields on one frame.

    Attributes:
        frame: The nodes.
        values: (x, y, z, channels) float32.
    """

    frame: Frame
    values: NDArray[np.float32]

    def at(self, points_ras: Points) -> Rows:
        """Interpolate linearly at each point; beyond the border as on it."""
        frame = self.frame
        last = np.array(frame.shape, dtype=np.float32)[:, np.newaxis] - 1
        origin = np.array(frame.origin_ras, dtype=np.float32)[:, np.newaxis]
        index = np.clip((points_ras - origin) * np.float32(1 / frame.spacing_mm), 0, last)
        low = np.minimum(index.astype(np.int32), last.astype(np.int32) - 1)
        share = index - low
        _, y, z = frame.shape
        flat = (low[0] * y + low[1]) * z + low[2]
        rows = self.values.reshape(-1, self.values.shape[-1])
        total = np.zeros((points_ras.shape[1], rows.shape[1]), dtype=np.float32)
        weights = [(1 - share[axis], share[axis]) for axis in range(3)]
        for i, j, k in product((0, 1), repeat=3):
            weight = weights[0][i] * weights[1][j] * weights[2][k]
            total += rows.take(flat + ((i * y + j) * z + k), axis=0) * weight[:, np.newaxis]
        return total


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, int, int], width_nodes: float
) -> Field:
    """Return noise of mean 0 and variance 1, smoothed by a Gaussian of this standard deviation."""
    white = rng.standard_normal(shape, dtype=np.float32)
    smooth = ndimage.gaussian_filter(white, width_nodes, mode="wrap", truncate=3.0)
    noise: Field = (smooth - smooth.mean()) / smooth.std()
    return noise


def arrival_times(
    speed: Field, spacing_mm: float, start: tuple[int, int, int], *, rounds: int = 200
) -> Field:
    """Return when a front that starts at one node arrives at the others (the eikonal equation).

    Godunov's upwind scheme (Rouy and Tourin 1992, DOI 10.1137/0729053), all nodes at once, until
    nothing changes.

    Args:
        speed: Above 0, relative to the fastest; the times are mm at speed 1.
        spacing_mm: Distance of neighbours.
        start: Where the front starts.
        rounds: At most; a front crosses at least one node a round.
    """
    cost = np.asarray(spacing_mm / speed, dtype=np.float32)
    times = np.full([n + 2 for n in speed.shape], UNREACHED_MM, dtype=np.float32)
    inner = times[1:-1, 1:-1, 1:-1]
    inner[start] = 0
    for _ in range(rounds):
        nearer = np.minimum(_upwind(times, cost), inner)
        change = float((inner - nearer).max())
        inner[...] = nearer
        if change < 0.01:
            break
    return inner.copy()


def _upwind(times: Any, cost: Field) -> Field:
    """Return the times that follow from the earlier neighbour along each axis."""
    x = np.minimum(times[:-2, 1:-1, 1:-1], times[2:, 1:-1, 1:-1])
    y = np.minimum(times[1:-1, :-2, 1:-1], times[1:-1, 2:, 1:-1])
    z = np.minimum(times[1:-1, 1:-1, :-2], times[1:-1, 1:-1, 2:])
    x, y = np.minimum(x, y), np.maximum(x, y)
    y, z = np.minimum(y, z), np.maximum(y, z)
    x, y = np.minimum(x, y), np.maximum(x, y)
    later, last = y - x, z - x
    by_one = cost
    by_two = (later + np.sqrt(np.maximum(2 * cost * cost - later * later, 0))) / 2
    both = later + last
    three = both * both - 3 * (later * later + last * last - cost * cost)
    by_three = (both + np.sqrt(np.maximum(three, 0))) / 3
    arrival: Field = x + np.where(
        by_one <= later, by_one, np.where(by_two <= last, by_two, by_three)
    )
    return arrival
