"""How a glioma grows: two fronts leave one place in the brain.

The oedema's front runs fast along white matter, slowly through grey matter and hardly through
fluid; the core's is more like a ball. A region is what its front has reached when it holds the
drawn volume. Travelling fronts describe gliomas well (Konukoglu et al. 2010,
DOI 10.1109/TMI.2009.2026413). The core pushes the brain aside.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.data.phantoms.brain_anatomy import Brain, Channel
from CrossModalSegLib.data.phantoms.brain_lattice import (
    Field,
    Frame,
    Lattice,
    arrival_times,
    smooth_noise,
)
from CrossModalSegLib.data.phantoms.brain_tumour import Depth, Tumour, TumourPlan

REACH_MM = 66.0
"""Fronts are followed within a box of this half-width about the origin."""

TIRED_MM = 25.0
"""Towards the end of the reach fronts slow down, over this distance."""

GREY_SPEED, FLUID_SPEED, OUTSIDE_SPEED = 0.2, 0.02, 0.01
"""Of the oedema's front, relative to white matter."""

BELOW_TENTORIUM = 0.1
"""How much slower the front is in cerebellum and brain stem."""

FALX_MM = 3.0
"""Half-width of the sheet between the hemispheres, which the corpus callosum alone crosses."""

SPEED_NODES, EDGE_NODES, RIM_NODES, TEXTURE_NODES = 2.5, 1.2, 1.8, 0.8
"""Widths in nodes of the noise in the oedema's speed, at the edge of the core, in the thickness of
the enhancing rim, and within tissues."""

CORE_ALONG_WHITE = 0.35
"""How much the core's front follows white matter; the rest is a ball."""

ORIGIN_DEPTH_MM = (9.0, 32.0)
"""How deep in the brain tumours begin,"""

ORIGIN_FROM_VENTRICLE_MM = 7.0
"""and how far from the ventricles at least."""

MASS_REACH_MM = 22.0
"""Scale over which the displacement by the core fades, beside its radius."""

SKULL_MM = 12.0
"""Tissue that is nearer to the surface gives way less."""

EFFACED = 1.5
"""Logarithm of how much narrower the sulci at the tumour are."""

THINNEST_RIM_MM = 1.5
FAR_MM = np.float32(30.0)


@dataclass(frozen=True, eq=False)
class _Ground:
    """The brain around the origin.

    Attributes:
        frame: Nodes of the box.
        start: The origin's node in it.
        shares: Of CSF, GM and WM, (x, y, z, 3).
        slow: Factor of the fronts' speed that is a matter of place.
        falx: 1 between the hemispheres, else 0.
    """

    frame: Frame
    start: tuple[int, int, int]
    shares: NDArray[np.float32]
    slow: Field
    falx: Field

    def nodes_of(self, volume_ml: float) -> float:
        """Return how many nodes hold a volume."""
        return volume_ml / self.frame.cell_ml

    def away_mm(self) -> Field:
        """Return the straight distance to the origin."""
        offset = np.indices(self.frame.shape, dtype=np.float32)
        offset -= np.array(self.start, dtype=np.float32).reshape(3, 1, 1, 1)
        away: Field = np.sqrt((offset**2).sum(axis=0)) * np.float32(self.frame.spacing_mm)
        return away


def grow_tumour(brain: Brain, plan: TumourPlan, rng: np.random.Generator) -> tuple[Brain, Tumour]:
    """Grow a tumour; returns the person with the displaced brain, and the tumour."""
    frame = brain.person.frame
    start = _draw_origin(brain, rng)
    origin = np.array(frame.origin_ras) + np.array(start) * frame.spacing_mm
    brain = _displaced(brain, origin.astype(np.float32), plan)
    ground = _ground(brain, start)
    regions = _regions(ground, plan, rng)
    first, second, third = (float(value) for value in origin)
    return brain, Tumour(plan, (first, second, third), Lattice(ground.frame, regions))


def _draw_origin(brain: Brain, rng: np.random.Generator) -> tuple[int, int, int]:
    """Draw a node in deep white matter of the cerebrum."""
    atlas = brain.atlas
    low, high = ORIGIN_DEPTH_MM
    is_possible = (atlas.depth_mm > low) & (atlas.depth_mm < high) & (atlas.cerebrum > 0.9)
    is_possible &= atlas.ventricle_mm > ORIGIN_FROM_VENTRICLE_MM
    weight = np.where(is_possible, atlas.shares[..., 2], 0).astype(np.float64).ravel()
    node = rng.choice(weight.size, p=weight / weight.sum())
    x, y, z = np.unravel_index(int(node), atlas.frame.shape)
    return int(x), int(y), int(z)


def _displaced(brain: Brain, origin: NDArray[np.float32], plan: TumourPlan) -> Brain:
    """Return the brain pushed away by the core as by a ball that swells, and its sulci narrowed.

    A ball of volume v that swells at the origin moves what was at radius r to the cube root of
    r^3 + 3 v / 4 pi, since tissue keeps its volume; further away and at the skull it gives way.
    """
    frame = brain.person.frame
    offset = frame.nodes_ras() - origin[:, np.newaxis]
    radius = np.maximum(np.linalg.norm(offset, axis=0), np.float32(1e-3))
    swollen = 3000 * plan.core_ml * plan.size.mass / (4 * np.pi)
    shift = radius - np.cbrt(np.maximum(radius**3 - np.float32(swollen), 0))
    core_mm = np.cbrt(3000 * plan.core_ml / (4 * np.pi))
    fade = np.exp(-((np.maximum(radius - core_mm, 0) / MASS_REACH_MM) ** 2))
    values = brain.person.values.copy()
    rows = values.reshape(-1, values.shape[-1])
    skull = np.clip(rows[:, Channel.DEPTH] / SKULL_MM, 0, 1)
    rows[:, : Channel.UP + 1] -= (offset * (shift * fade * skull / radius)).T
    whole_mm = np.cbrt(3000 * plan.whole_ml / (4 * np.pi))
    rows[:, Channel.FLUID] -= EFFACED * np.exp(-((radius / (1.3 * whole_mm)) ** 2))
    return replace(brain, person=Lattice(frame, values)).settled()


def _ground(brain: Brain, start: tuple[int, int, int]) -> _Ground:
    frame = brain.person.frame
    box = frame.box(start, REACH_MM)
    part = frame.part(box)
    nodes = part.nodes_ras()
    bent = nodes + brain.person.values[box].reshape(-1, len(Channel))[:, : Channel.UP + 1].T
    average = Lattice(brain.atlas.frame, brain.atlas.shares)
    shares = average.at(bent).reshape(*part.shape, 3)
    falx = (np.abs(bent[0]) < FALX_MM).astype(np.float32).reshape(part.shape)
    slow = BELOW_TENTORIUM + np.float32(1 - BELOW_TENTORIUM) * brain.atlas.cerebrum[box] ** 2
    x, y, z = (node - s.start for node, s in zip(start, box, strict=True))
    return _Ground(part, (x, y, z), shares, slow, falx)


def _regions(ground: _Ground, plan: TumourPlan, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the fields of `Depth`, (x, y, z, 4)."""
    shape = ground.frame.shape
    fluid, grey, white = np.moveaxis(ground.shares, -1, 0)
    speed = OUTSIDE_SPEED + FLUID_SPEED * fluid + GREY_SPEED * grey * (1 - ground.falx) + white
    spread = np.exp(plan.size.spread * smooth_noise(rng, shape, SPEED_NODES))
    away = ground.away_mm()
    speed *= ground.slow * spread * np.clip((REACH_MM - away) / TIRED_MM, 0.01, 1)
    times = arrival_times(speed, ground.frame.spacing_mm, ground.start)
    ball = CORE_ALONG_WHITE * times + (1 - CORE_ALONG_WHITE) * away / np.sqrt(spread)
    ball += np.float32(plan.size.edge_mm) * smooth_noise(rng, shape, EDGE_NODES)
    core = _depth_mm(ball, grey + white, ground.nodes_of(plan.core_ml))
    core = np.minimum(core, FAR_MM)
    fields = np.empty((*shape, len(Depth)), dtype=np.float32)
    fields[..., Depth.CORE] = core
    fields[..., Depth.NECROSIS] = _necrosis(core, ground, plan, rng)
    likely = white + (grey / 2)
    reached = np.where(core > 0, 0, times)
    whole = _depth_mm(reached, likely, ground.nodes_of(plan.whole_ml))
    fields[..., Depth.OEDEMA] = np.maximum(whole, core)
    fields[..., Depth.TEXTURE] = smooth_noise(rng, shape, TEXTURE_NODES)
    return fields


def _necrosis(
    core: Field, ground: _Ground, plan: TumourPlan, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return how far inside the necrosis each node of the core lies."""
    if plan.kind == "non_enhancing":
        return core
    rim = core + np.float32(1.5 * plan.size.edge_mm) * smooth_noise(rng, core.shape, RIM_NODES)
    inner = np.where(core > 0, rim, -FAR_MM)
    is_brain = (core > 0).astype(np.float32)
    depth = _depth_mm(-inner, is_brain, ground.nodes_of(plan.necrosis_ml))
    inside: Field = np.minimum(depth, core - np.float32(THINNEST_RIM_MM))
    return inside


def _depth_mm(times: Field, weight: Field, nodes: float) -> Field:
    """Return how long before its end a front arrived: it ends when it has reached that much weight.

    Args:
        times: When the front arrives at each node.
        weight: How much of a node counts.
        nodes: Sum of the weights to reach.
    """
    order = np.argsort(times, axis=None, kind="stable")
    reached = np.cumsum(weight.ravel()[order], dtype=np.float64)
    last = int(np.searchsorted(reached, nodes))
    end = times.ravel()[order[min(last, order.size - 1)]]
    depth: Field = np.clip(end - times, -FAR_MM, FAR_MM)
    return depth
