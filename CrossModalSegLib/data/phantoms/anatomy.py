"""Shapes in patient space (RAS, mm) that know how far any point lies from their surface.

Distances are negative inside. Shapes are analytic, so a subject does not depend on the grid it is
sampled on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.float32]
"""(3, n) RAS coordinates in mm."""

Values = NDArray[np.float32]
"""(n,) one number a point."""


Vector = NDArray[np.float64]
"""(3,) a place or a direction, RAS."""


class Shape(Protocol):
    """Anything with a signed distance."""

    def distance_mm(self, points_ras: Points) -> Values:
        """Return the signed distance of each point to the surface, negative inside."""
        ...


def unit(vector: ArrayLike) -> Vector:
    """Return the vector scaled to length one."""
    array = np.asarray(vector, dtype=np.float64)
    return np.asarray(array / np.linalg.norm(array), dtype=np.float64)


def moved(point_ras: ArrayLike, right: float, anterior: float, superior: float) -> Vector:
    """Return a point that lies this far, in mm, from the given one."""
    shift = np.array((right, anterior, superior), dtype=np.float64)
    return np.add(np.asarray(point_ras, dtype=np.float64), shift)


def _column(vector: ArrayLike) -> NDArray[np.float32]:
    return np.asarray(vector, dtype=np.float32).reshape(3, 1)


def _length(vectors: Points) -> Values:
    length: Values = np.sqrt(np.einsum("dn,dn->n", vectors, vectors))
    return length


@dataclass(frozen=True, eq=False)
class Ellipsoid:
    """An ellipsoid whose first semi-axis lies along `axis_ras`, the third as superior as it can."""

    centre_ras: ArrayLike
    semi_axes_mm: tuple[float, float, float]
    axis_ras: ArrayLike = (1.0, 0.0, 0.0)

    def distance_mm(self, points_ras: Points) -> Values:
        """Return the distance to first order: (r - 1) / |gradient of r|, r = 1 on the surface."""
        first = unit(self.axis_ras)
        second = unit(np.cross((0.0, 0.0, 1.0), first))
        frame = np.stack([first, second, np.cross(first, second)])
        inverse = np.reciprocal(_column(self.semi_axes_mm))
        scaled: Points = (frame.astype(np.float32) * inverse) @ (
            points_ras - _column(self.centre_ras)
        )
        radius = _length(scaled)
        slope = np.maximum(_length(scaled * inverse), np.float32(1e-6))
        return np.asarray(radius * (radius - 1) / slope, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Tube:
    """A polyline of points with a radius; round at both ends."""

    path_ras: Sequence[ArrayLike]
    radius_mm: float

    def distance_mm(self, points_ras: Points) -> Values:
        """Return the distance to the nearest segment of the path, minus the radius."""
        path = np.asarray(self.path_ras, dtype=np.float32)
        nearest = np.full(points_ras.shape[1], np.inf, dtype=np.float32)
        for start, end in pairwise(path):
            along = end - start
            offset = points_ras - _column(start)
            share = np.clip((along / (along @ along)) @ offset, 0, 1)
            offset -= along[:, np.newaxis] * share
            nearest = np.minimum(nearest, np.einsum("dn,dn->n", offset, offset))
        return np.sqrt(nearest) - np.float32(self.radius_mm)


@dataclass(frozen=True, eq=False)
class HalfSpace:
    """Everything behind a plane; the normal points outwards."""

    point_ras: ArrayLike
    normal_ras: ArrayLike

    def distance_mm(self, points_ras: Points) -> Values:
        """Return the exact distance to the plane."""
        normal = unit(self.normal_ras)
        return normal.astype(np.float32) @ points_ras - np.float32(
            normal @ np.asarray(self.point_ras)
        )


@dataclass(frozen=True, eq=False)
class Bands:
    """Parallel bands along the body axis, sloping down to the sides and to the front.

    A band lies where z + side_slope |x - midline| + front_slope y is near a multiple of the period.
    """

    period_mm: float
    thickness_mm: float
    phase_mm: float
    midline_right_mm: float = 0.0
    side_slope: float = 0.0
    front_slope: float = 0.0

    def distance_mm(self, points_ras: Points) -> Values:
        """Return the distance to the nearest band, measured along the body axis."""
        right, front, height = points_ras
        level = height + np.float32(self.side_slope) * np.abs(
            right - np.float32(self.midline_right_mm)
        )
        level = level + np.float32(self.front_slope) * front + np.float32(self.phase_mm)
        period = np.float32(self.period_mm)
        away: Values = np.abs(np.mod(level, period) - period / 2)
        return away - np.float32(self.thickness_mm / 2)


@dataclass(frozen=True, eq=False)
class Inside:
    """What all the shapes share."""

    shapes: tuple[Shape, ...]

    def distance_mm(self, points_ras: Points) -> Values:
        """Return the largest distance."""
        distances = np.stack([shape.distance_mm(points_ras) for shape in self.shapes])
        return np.asarray(distances.max(axis=0), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Either:
    """What any of the shapes covers."""

    shapes: tuple[Shape, ...]

    def distance_mm(self, points_ras: Points) -> Values:
        """Return the smallest distance."""
        distances = np.stack([shape.distance_mm(points_ras) for shape in self.shapes])
        return np.asarray(distances.min(axis=0), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Outside:
    """Everything that the shape does not cover."""

    shape: Shape

    def distance_mm(self, points_ras: Points) -> Values:
        """Return the negated distance."""
        return -self.shape.distance_mm(points_ras)


@dataclass(frozen=True, eq=False)
class Grown:
    """The shape with its surface moved outwards (inwards where negative)."""

    shape: Shape
    margin_mm: float

    def distance_mm(self, points_ras: Points) -> Values:
        """Return the distance less the margin."""
        return self.shape.distance_mm(points_ras) - np.float32(self.margin_mm)


@dataclass(frozen=True, eq=False)
class SmoothField:
    """A random function of space: mean 0, variance 1, Gaussian correlation.

    Random Fourier features (Rahimi and Recht 2007): a sum of cosines whose wave vectors are normal
    with standard deviation 1 / length. It can be evaluated at any point.
    """

    wave_vectors: NDArray[np.float32]
    phases: NDArray[np.float32]

    @staticmethod
    def draw(rng: np.random.Generator, length_mm: float, waves: int = 16) -> SmoothField:
        """Draw a field that varies over `length_mm`."""
        vectors = rng.standard_normal((waves, 3)) / length_mm
        phases = rng.uniform(0, 2 * np.pi, (waves, 1))
        return SmoothField(vectors.astype(np.float32), phases.astype(np.float32))

    def at(self, points_ras: Points) -> Values:
        """Return the value at each point."""
        waves = np.cos(self.wave_vectors @ points_ras + self.phases)
        return np.asarray(waves.sum(axis=0) * np.sqrt(2 / len(self.phases)), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class RandomVessels:
    """Winding tubes: the curves on which two random fields vanish together."""

    first: SmoothField
    second: SmoothField
    length_mm: float
    radius_mm: float

    def distance_mm(self, points_ras: Points) -> Values:
        """Return the distance to the nearest curve to first order, minus the radius.

        The gradient of a unit field of this length is about 1 / length.
        """
        away = np.hypot(self.first.at(points_ras), self.second.at(points_ras))
        return np.float32(self.length_mm) * away - np.float32(self.radius_mm)


@dataclass(frozen=True, eq=False)
class Warp:
    """A smooth random displacement of space."""

    fields: tuple[SmoothField, SmoothField, SmoothField]
    amplitude_mm: float

    @staticmethod
    def draw(rng: np.random.Generator, length_mm: float, amplitude_mm: float) -> Warp:
        """Draw a displacement with this standard deviation per axis."""
        first, second, third = (SmoothField.draw(rng, length_mm, waves=10) for _ in range(3))
        return Warp((first, second, third), amplitude_mm)

    def apply(self, points_ras: Points) -> Points:
        """Return the displaced points."""
        shift = np.stack([field.at(points_ras) for field in self.fields])
        return points_ras + np.float32(self.amplitude_mm) * shift
