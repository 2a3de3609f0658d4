"""The healthy brain of one person: the atlas bent, folded anew, aged and placed in the scanner."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.data.phantoms.anatomy import Points, Warp
from CrossModalSegLib.data.phantoms.brain_atlas import BrainAtlas
from CrossModalSegLib.data.phantoms.brain_lattice import Lattice, Rows, smooth_noise
from CrossModalSegLib.data.phantoms.drawing import between, draw, jitter
from CrossModalSegLib.data.phantoms.grid import rotation

WARP_LENGTH_MM = 30.0
"""Over which the smooth random displacement of the anatomy varies."""

FOLD_NODES = 1.2
"""Standard deviation, in nodes, of the noise that makes the folds of each cortex its own."""

TEXTURE_NODES = 1.0
"""The same of what varies within tissues."""

SHARPNESS = 2.0
"""Power of the atlas' average shares: a person has less mixed tissue than the mean of 152 have."""

WALL_MM = 9.0
"""Over which the displacement of the ventricles' walls fades."""

VESSEL_LENGTH_MM, VESSEL_RADIUS_MM = 5.0, 0.7
"""Vessels run where two noises vanish together, which vary over this length."""

CAPS_MM = 5.0
"""Reach of the bright caps around the ventricles of older people."""


class Channel(IntEnum):
    """What the lattice of a person holds at each node."""

    RIGHT = 0
    FRONT = 1
    UP = 2
    FLUID = 3
    """Logarithm of the gain of CSF."""
    GREY = 4
    """The same of grey matter."""
    TEXTURE = 5
    VENTRICLE = 6
    """Distance to the ventricles' wall in mm, negative inside."""
    DEPTH = 7
    """Below the surface of the brain in mm, negative outside."""


@dataclass(frozen=True, kw_only=True)
class BrainPose:
    """How large a brain is and how it lies in the scanner."""

    size: tuple[float, float, float] = between((0.9, 0.9, 0.9), (1.0, 1.0, 1.0))
    """Relative to the atlas, which is larger than most brains."""
    turn_degrees: tuple[float, float, float] = jitter(4, 3, 4)
    position_ras_mm: tuple[float, float, float] = jitter(4, 4, 4)
    """Of the atlas' origin, the anterior commissure."""


@dataclass(frozen=True, kw_only=True)
class BrainShape:
    """In what a brain differs from the average."""

    warp_mm: float = between(1.5, 3.0)
    ventricle_mm: float = between(-0.5, 4.0)
    """How far the walls of the ventricles lie outwards."""
    sulci: float = between(0.3, 1.3)
    """Logarithm of the gain of CSF in sulci, wider with age."""
    folding: float = between(0.5, 0.9)
    """How much the folds differ from the average, as a standard deviation of log shares."""
    caps: float = between(0.0, 0.7)
    """Share of diseased tissue beside the ventricles, as of small vessel disease."""


class Healthy(IntEnum):
    """Rows of the tissue shares of a brain without a tumour."""

    CSF = 0
    GM = 1
    WM = 2
    VESSEL = 3
    CAPS = 4
    """White matter beside the ventricles with small vessel disease."""


@dataclass(frozen=True, eq=False)
class Brain:
    """A person without a tumour.

    Attributes:
        atlas: What is varied.
        shape: The drawn shape.
        pose: The drawn pose.
        person: The fields of `Channel` on the coarse lattice, in the frame of the head: RAS mm
            about the anterior commissure, before pose and size.
    """

    atlas: BrainAtlas
    shape: BrainShape
    pose: BrainPose
    person: Lattice

    def settled(self) -> Brain:
        """Return the person with the distances that follow from the displacement of each node."""
        atlas, values = self.atlas, self.person.values.copy()
        rows = values.reshape(-1, values.shape[-1])
        bent = atlas.frame.nodes_ras() + rows[:, : Channel.UP + 1].T
        distances = np.stack([atlas.ventricle_mm, atlas.depth_mm], axis=-1)
        rows[:, Channel.VENTRICLE : Channel.DEPTH + 1] = Lattice(atlas.frame, distances).at(bent)
        return replace(self, person=Lattice(atlas.frame, values))

    def to_head(self, points_ras: Points) -> Points:
        """Return where points of patient space lie in the frame of the head."""
        size = np.array(self.pose.size, dtype=np.float32)[:, np.newaxis]
        position = np.array(self.pose.position_ras_mm, dtype=np.float32)[:, np.newaxis]
        turn = rotation(self.pose.turn_degrees).T.astype(np.float32)
        return np.asarray((turn @ (points_ras - position)) / size, dtype=np.float32)

    def to_patient(self, point_head: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where one point of the head, (3,), lies in patient space."""
        turned = rotation(self.pose.turn_degrees) @ (point_head * np.array(self.pose.size))
        return np.asarray(turned + np.array(self.pose.position_ras_mm))

    def fields_at(self, points_head: Points) -> Rows:
        """Return the channels of the person at points of the head, (n, channels)."""
        return self.person.at(points_head)

    def tissues_at(self, points_head: Points, fields: Rows) -> NDArray[np.float32]:
        """Return the shares of `Healthy` tissues, (5, n); what they lack to 1 is outside the brain.

        Args:
            points_head: In the frame of the head.
            fields: `fields_at` of the same points.
        """
        bent = points_head + fields[:, : Channel.UP + 1].T
        shares = np.empty((len(Healthy), points_head.shape[1]), dtype=np.float32)
        average = self.atlas.tissue.at(bent).T
        gain = np.exp(fields[:, Channel.FLUID : Channel.GREY + 1].T)
        inside = average.sum(axis=0)
        average[: Healthy.WM] *= gain
        average **= SHARPNESS
        vessel = _vessel_share(fields, np.float32(self.shape.folding)) * inside
        rest = (inside - vessel) / np.maximum(average.sum(axis=0), np.float32(1e-6))
        shares[: Healthy.VESSEL] = average * rest
        shares[Healthy.VESSEL] = vessel
        caps = np.float32(self.shape.caps) * _caps_share(fields)
        shares[Healthy.CAPS] = shares[Healthy.WM] * caps
        shares[Healthy.WM] *= 1 - caps
        return shares


def draw_brain(atlas: BrainAtlas, rng: np.random.Generator) -> Brain:
    """Draw a person."""
    pose, shape = draw(BrainPose, rng), draw(BrainShape, rng)
    return shaped_brain(atlas, pose, shape, rng)


def shaped_brain(
    atlas: BrainAtlas, pose: BrainPose, shape: BrainShape, rng: np.random.Generator
) -> Brain:
    """Draw what pose and shape leave open: where the brain bends, and its folds."""
    frame = atlas.frame
    nodes = frame.nodes_ras()
    warp = Warp.draw(rng, WARP_LENGTH_MM, shape.warp_mm).apply(nodes) - nodes
    values = np.empty((*frame.shape, len(Channel)), dtype=np.float32)
    fade = np.exp(-np.abs(atlas.ventricle_mm) / np.float32(WALL_MM))[..., np.newaxis]
    values[..., : Channel.UP + 1] = warp.T.reshape(*frame.shape, 3)
    values[..., : Channel.UP + 1] -= np.float32(shape.ventricle_mm) * fade * atlas.away
    folds = [smooth_noise(rng, frame.shape, FOLD_NODES) for _ in range(2)]
    values[..., Channel.FLUID] = shape.sulci + shape.folding * folds[0]
    values[..., Channel.GREY] = shape.folding * folds[1]
    values[..., Channel.TEXTURE] = smooth_noise(rng, frame.shape, TEXTURE_NODES)
    return Brain(atlas, shape, pose, Lattice(frame, values)).settled()


def _vessel_share(fields: Rows, folding: np.float32) -> NDArray[np.float32]:
    """Return the share of vessels: winding tubes near the surface, and the choroid plexus."""
    curve = np.hypot(fields[:, Channel.GREY] / folding, fields[:, Channel.TEXTURE])
    near_surface = np.clip(1.5 - fields[:, Channel.DEPTH] / 12, 0, 1)
    tube = np.clip(VESSEL_RADIUS_MM + 0.5 - VESSEL_LENGTH_MM * curve, 0, 1) * near_surface
    in_ventricle = np.clip(-1 - fields[:, Channel.VENTRICLE] / 2, 0, 1)
    plexus = np.clip(3 * fields[:, Channel.TEXTURE] - 2.5, 0, 0.8) * in_ventricle
    return np.asarray(np.maximum(tube, plexus), dtype=np.float32)


def _caps_share(fields: Rows) -> NDArray[np.float32]:
    """Return how much of the white matter beside the ventricles is diseased, 0 to 1."""
    closeness = np.clip(1.3 - np.abs(fields[:, Channel.VENTRICLE]) / CAPS_MM, 0, 1)
    share = closeness * np.clip(0.5 + 0.5 * fields[:, Channel.TEXTURE], 0, 1)
    return np.asarray(share, dtype=np.float32)
