"""What surrounds the heart: chest wall, lungs, mediastinum, upper abdomen.

Positions are RAS mm in the frame of the anatomy: its origin lies a little to the left of the body's
midline, at the level of the atria. Sizes are those of adults at end-inspiration, chosen by eye from
atlas sections; only their order of magnitude matters to the labelled structures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from CrossModalSegLib.data.phantoms.anatomy import (
    Bands,
    Either,
    Ellipsoid,
    Grown,
    HalfSpace,
    Inside,
    Outside,
    RandomVessels,
    Shape,
    SmoothField,
    Tube,
)
from CrossModalSegLib.data.phantoms.drawing import between, jitter
from CrossModalSegLib.data.phantoms.painting import Structure, Tissue

MIDLINE_RIGHT_MM = 23.0
"""The body's midline lies to the right of the origin, for the heart lies to the left."""

LONG_MM = 1e4
"""Long enough for an axis of a shape that runs through the whole field of view."""

CHEST_WALL_MM = 10.0
"""Ribs and the muscle between them."""

VESSEL_SPACING_MM = 11.0
"""Correlation length of the fields whose common zeros are the lung vessels."""


@dataclass(frozen=True, kw_only=True)
class Thorax:
    """The drawn sizes of one chest."""

    body_half_width_mm: float = between(160, 185)
    body_half_depth_mm: float = between(105, 122)
    chest_half_width_mm: float = between(132, 150)
    chest_half_depth_mm: float = between(84, 94)
    rib_period_mm: float = between(24, 30)
    rib_thickness_mm: float = between(10, 14)
    rib_phase_mm: float = between(0, 30)
    vertebra_period_mm: float = between(23, 27)
    disc_thickness_mm: float = between(5, 8)
    vertebra_phase_mm: float = between(0, 25)
    spine_radius_mm: float = between(16, 20)
    spine_shift_mm: tuple[float, float, float] = jitter(2, 4, 0)
    mediastinum_half_width_mm: float = between(38, 46)
    mediastinum_half_depth_mm: float = between(78, 90)
    right_dome_top_mm: float = between(-60, -44)
    left_dome_top_mm: float = between(-76, -62)
    liver_edge_right_mm: float = between(-50, -20)
    stomach_half_width_mm: float = between(26, 38)
    stomach_half_height_mm: float = between(14, 22)
    stomach_shift_mm: tuple[float, float, float] = jitter(8, 10, 6)
    stomach_air_chance: float = between(0, 1)
    lung_vessel_radius_mm: float = between(1.0, 1.7)

    @property
    def stomach_holds_air(self) -> bool:
        """Seven stomachs in ten hold a bubble."""
        return self.stomach_air_chance < 0.7


def chest(thorax: Thorax) -> Shape:
    """Return the outer surface of the rib cage."""
    return Ellipsoid(
        (MIDLINE_RIGHT_MM + 2, -20, 0),
        (thorax.chest_half_width_mm, thorax.chest_half_depth_mm, LONG_MM),
    )


def below_diaphragm(thorax: Thorax) -> Shape:
    """Return the abdomen: a right and a left dome over a floor."""
    right_height, left_height = 70.0, 62.0
    right = (MIDLINE_RIGHT_MM + 50, -8, thorax.right_dome_top_mm - right_height)
    left = (MIDLINE_RIGHT_MM - 72, -8, thorax.left_dome_top_mm - left_height)
    floor = HalfSpace((0, 0, thorax.left_dome_top_mm - 16), (0, 0, 1))
    return Either(
        (
            Ellipsoid(right, (95, 100, right_height)),
            Ellipsoid(left, (88, 100, left_height)),
            floor,
        )
    )


def chest_wall(thorax: Thorax, rng: np.random.Generator) -> list[Structure]:
    """Return skin to pleura, then the lungs with their vessels."""
    body = Ellipsoid(
        (MIDLINE_RIGHT_MM, -20, 0),
        (thorax.body_half_width_mm, thorax.body_half_depth_mm, LONG_MM),
    )
    cage = chest(thorax)
    ribs = Bands(
        thorax.rib_period_mm,
        thorax.rib_thickness_mm,
        thorax.rib_phase_mm,
        midline_right_mm=MIDLINE_RIGHT_MM,
        side_slope=0.35,
        front_slope=0.3,
    )
    shell = Inside((Grown(cage, -1), Outside(Grown(cage, 1 - CHEST_WALL_MM))))
    lungs = Inside((Grown(cage, -CHEST_WALL_MM), Outside(below_diaphragm(thorax))))
    vessels = RandomVessels(
        SmoothField.draw(rng, VESSEL_SPACING_MM, waves=20),
        SmoothField.draw(rng, VESSEL_SPACING_MM, waves=20),
        VESSEL_SPACING_MM,
        thorax.lung_vessel_radius_mm,
    )
    return [
        Structure(Tissue.FAT, body),
        Structure(Tissue.MUSCLE, cage),
        Structure(Tissue.RIB, Inside((shell, ribs))),
        Structure(Tissue.LUNG, lungs),
        Structure(Tissue.LUNG_VESSEL, Inside((lungs, vessels))),
    ]


def mediastinum(thorax: Thorax) -> list[Structure]:
    """Return the fat between the lungs, and the airway in it."""
    middle = Ellipsoid(
        (18, -10, 10),
        (thorax.mediastinum_half_width_mm, thorax.mediastinum_half_depth_mm, 150),
    )
    within = Grown(chest(thorax), -CHEST_WALL_MM)
    fat = Inside((middle, within, Outside(below_diaphragm(thorax))))
    carina = (20, -38, 70)
    airway = Either(
        (
            Tube([(MIDLINE_RIGHT_MM, -30, 200), carina], 8),
            Tube([carina, (52, -38, 42)], 6),
            Tube([carina, (-18, -42, 38)], 5.5),
        )
    )
    return [Structure(Tissue.MEDIASTINAL_FAT, fat), Structure(Tissue.AIR, airway)]


def abdomen(thorax: Thorax) -> list[Structure]:
    """Return liver, gut and stomach below the diaphragm."""
    below = Inside((Grown(chest(thorax), -CHEST_WALL_MM), below_diaphragm(thorax)))
    liver_side = HalfSpace((thorax.liver_edge_right_mm, 0, -80), (-1, 0, 0.35))
    structures = [
        Structure(Tissue.GUT, below),
        Structure(Tissue.LIVER, Inside((below, liver_side))),
    ]
    if thorax.stomach_holds_air:
        stomach = Ellipsoid(
            np.array((-48, 5, thorax.left_dome_top_mm - 26)) + thorax.stomach_shift_mm,
            (thorax.stomach_half_width_mm, 30, thorax.stomach_half_height_mm),
        )
        structures.append(Structure(Tissue.AIR, Inside((stomach, Grown(below, -4)))))
    return structures


def skeleton(thorax: Thorax) -> list[Structure]:
    """Return the spine with its discs, and the sternum."""
    right, front, _ = thorax.spine_shift_mm
    column = Ellipsoid(
        (MIDLINE_RIGHT_MM - 1 + right, -76 + front, 0),
        (thorax.spine_radius_mm, thorax.spine_radius_mm, LONG_MM),
    )
    discs = Bands(thorax.vertebra_period_mm, thorax.disc_thickness_mm, thorax.vertebra_phase_mm)
    front_of_chest = thorax.chest_half_depth_mm - 20 - CHEST_WALL_MM / 2
    sternum = Ellipsoid((MIDLINE_RIGHT_MM, front_of_chest, 25), (17, 7, 85))
    return [
        Structure(Tissue.VERTEBRA, column),
        Structure(Tissue.DISC, Inside((column, discs))),
        Structure(Tissue.RIB, sternum),
    ]
