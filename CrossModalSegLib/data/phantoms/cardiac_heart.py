"""The heart and the great vessels, with the four labelled structures.

Chambers and aorta have the size of adults, between systole and diastole (order of magnitude from
Kawel-Boehm et al. 2020, doi:10.1186/s12968-020-00683-3); positions are chosen by eye and are
RAS mm in the frame of the anatomy.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from CrossModalSegLib.data.phantoms.anatomy import (
    Either,
    Ellipsoid,
    HalfSpace,
    Inside,
    Outside,
    Shape,
    Tube,
    Vector,
    moved,
    unit,
)
from CrossModalSegLib.data.phantoms.drawing import between, jitter
from CrossModalSegLib.data.phantoms.painting import Structure, Tissue


class CardiacLabel(IntEnum):
    """The label values of the cardiac task."""

    MYO = 1
    LAC = 2
    LVC = 3
    AA = 4


@dataclass(frozen=True, kw_only=True)
class Pathology:
    """How a disease scales the sizes of a healthy heart; 1 is healthy."""

    lv_length: float = 1.0
    lv_radius: float = 1.0
    wall: float = 1.0
    la_size: float = 1.0
    aorta_radius: float = 1.0


DISEASES: dict[str, tuple[float, dict[str, tuple[float, float]]]] = {
    "dilated_lv": (0.2, {"lv_length": (1.05, 1.15), "lv_radius": (1.12, 1.25), "wall": (0.85, 1)}),
    "hypertrophic_lv": (0.2, {"lv_radius": (0.85, 0.95), "wall": (1.2, 1.45)}),
    "enlarged_la": (0.25, {"la_size": (1.12, 1.28)}),
    "dilated_aorta": (0.25, {"aorta_radius": (1.15, 1.35)}),
}
"""Name -> (how often it is drawn, what it scales). Far commoner than in the population."""


def draw_pathology(rng: np.random.Generator) -> tuple[list[str], Pathology]:
    """Draw diseases; a left ventricle is dilated or hypertrophic, never both."""
    names: list[str] = []
    scales: dict[str, float] = {}
    for name, (chance, effects) in DISEASES.items():
        present = rng.uniform() < chance
        drawn = {part: float(rng.uniform(*interval)) for part, interval in effects.items()}
        if present and not (name == "hypertrophic_lv" and "dilated_lv" in names):
            names.append(name)
            scales |= drawn
    return names, Pathology(**scales)


@dataclass(frozen=True, kw_only=True)
class Heart:
    """The drawn sizes of one healthy heart."""

    lv_half_length_mm: float = between(40, 48)
    lv_radius_mm: float = between(21, 26)
    lv_roundness: float = between(0.92, 1.08)
    wall_mm: float = between(8, 11)
    axis_shift: tuple[float, float, float] = jitter(0.1, 0.12, 0.15)
    centre_shift_mm: tuple[float, float, float] = jitter(5, 5, 5)
    rv_semi_axes_mm: tuple[float, float, float] = between((36, 25, 29), (42, 29, 34))
    rv_shift_mm: tuple[float, float, float] = jitter(3, 3, 3)
    rv_wall_mm: float = between(2.5, 4)
    ra_semi_axes_mm: tuple[float, float, float] = between((20, 22, 24), (25, 27, 29))
    ra_shift_mm: tuple[float, float, float] = jitter(4, 4, 3)
    la_semi_axes_mm: tuple[float, float, float] = between((26, 19, 21), (31, 23, 26))
    la_shift_mm: tuple[float, float, float] = jitter(3, 3, 3)
    la_behind_base_mm: float = between(14, 18)
    aorta_radius_mm: float = between(12.5, 16)
    aorta_bend_mm: tuple[float, float, float] = jitter(5, 3, 4)
    pulmonary_artery_radius_mm: float = between(10, 13)
    pulmonary_vein_radius_mm: float = between(5, 7)
    pulmonary_vein_rise_mm: tuple[float, float, float] = jitter(0, 6, 6)
    cava_radius_mm: float = between(8, 11)
    descending_radius_mm: float = between(9.5, 12.5)
    pericardium_semi_axes_mm: tuple[float, float, float] = between((62, 46, 54), (70, 54, 62))
    papillary_radius_mm: float = between(2.5, 4)
    papillary_shift_mm: tuple[float, float, float] = jitter(3, 3, 3)


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Where the left ventricle lies, and what is measured from it."""

    centre: Vector
    axis: Vector
    """From base to apex: to the left, to the front and down."""
    half_length_mm: float
    radius_mm: float
    wall_mm: float
    left_atrium: Vector
    right_atrium: Vector

    @property
    def base(self) -> Vector:
        """The middle of the mitral plane."""
        return self.centre - self.axis * self.half_length_mm * 0.5


def find_landmarks(heart: Heart, pathology: Pathology) -> Landmarks:
    """Place the chambers."""
    axis = unit(np.array((-0.68, 0.48, -0.5)) + heart.axis_shift)
    centre = np.array((-18.0, 8.0, -18.0)) + heart.centre_shift_mm
    half_length = heart.lv_half_length_mm * pathology.lv_length
    behind = half_length * 0.5 + heart.la_behind_base_mm * pathology.la_size
    left_atrium = centre - axis * behind + np.array((0, -12, 6)) + heart.la_shift_mm
    return Landmarks(
        centre=centre,
        axis=axis,
        half_length_mm=half_length,
        radius_mm=heart.lv_radius_mm * pathology.lv_radius,
        wall_mm=heart.wall_mm * pathology.wall,
        left_atrium=left_atrium,
        right_atrium=np.array((42.0, -6.0, 4.0)) + heart.ra_shift_mm,
    )


def right_heart(heart: Heart, marks: Landmarks, above_diaphragm: Shape) -> list[Structure]:
    """Return the fat around the heart, the right chambers and the vessels that join them."""
    pericardium = Ellipsoid(moved(marks.centre, 16, 2, 10), heart.pericardium_semi_axes_mm)
    rv_centre = moved(marks.centre, 26, 20, -2) + heart.rv_shift_mm
    length, width, height = heart.rv_semi_axes_mm
    wall = heart.rv_wall_mm
    rv_outer = Ellipsoid(rv_centre, (length + wall, width + wall, height + wall), marks.axis)
    atrium = marks.right_atrium
    trunk = moved(marks.centre, 10, 14, 52)
    bifurcation = moved(marks.centre, 2, -16, 62)
    arteries = Either(
        (
            Tube(
                [moved(marks.centre, 22, 30, 22), trunk, bifurcation],
                heart.pulmonary_artery_radius_mm,
            ),
            Tube(
                [bifurcation, moved(marks.centre, 75, -30, 56)],
                heart.pulmonary_artery_radius_mm * 0.8,
            ),
            Tube(
                [bifurcation, moved(marks.centre, -50, -34, 58)],
                heart.pulmonary_artery_radius_mm * 0.75,
            ),
        )
    )
    superior = Tube([moved(atrium, -2, -6, 10), (38, -8, 200)], heart.cava_radius_mm)
    inferior = Tube([moved(atrium, -4, -8, -12), (34, -24, -160)], heart.cava_radius_mm * 1.15)
    return [
        Structure(Tissue.INFERIOR_CAVA, inferior),
        Structure(Tissue.EPICARDIAL_FAT, Inside((pericardium, above_diaphragm))),
        Structure(Tissue.RIGHT_WALL, rv_outer),
        Structure(
            Tissue.RIGHT_VENTRICLE, Ellipsoid(rv_centre, (length, width, height), marks.axis)
        ),
        Structure(Tissue.RIGHT_ATRIUM, Ellipsoid(atrium, heart.ra_semi_axes_mm)),
        Structure(Tissue.SUPERIOR_CAVA, superior),
        Structure(Tissue.PULMONARY_ARTERY, arteries),
    ]


def pulmonary_veins(heart: Heart, marks: Landmarks) -> list[Structure]:
    """Return two veins a side, entering the back of the left atrium."""
    _, upper, lower = heart.pulmonary_vein_rise_mm
    veins: list[Shape] = []
    for side in (-1, 1):
        for height, rise in ((6, 18 + upper), (-3, -12 + lower)):
            start = moved(marks.left_atrium, side * 14, -4, height)
            end = moved(marks.left_atrium, side * 62, -16, height + rise)
            veins.append(Tube([start, end], heart.pulmonary_vein_radius_mm))
    return [Structure(Tissue.PULMONARY_VEIN, Either(tuple(veins)))]


def left_heart(heart: Heart, marks: Landmarks, pathology: Pathology) -> list[Structure]:
    """Return the labelled structures, the arch and the descending aorta, in painting order."""
    behind_base = HalfSpace(marks.base, -marks.axis)
    cavity, wall = _left_ventricle(heart, marks)
    ventricle = Inside((wall, behind_base))
    semi = tuple(size * pathology.la_size for size in heart.la_semi_axes_mm)
    atrium = Either(
        (
            Ellipsoid(marks.left_atrium, (semi[0], semi[1], semi[2])),
            Tube([marks.left_atrium, marks.base - marks.axis * 2], 13.0),
        )
    )
    ascending, rest = _aorta(heart, marks, heart.aorta_radius_mm * pathology.aorta_radius)
    return [
        *rest,
        Structure(Tissue.MYOCARDIUM, ventricle, CardiacLabel.MYO),
        Structure(Tissue.LEFT_ATRIUM, Inside((atrium, Outside(ventricle))), CardiacLabel.LAC),
        Structure(Tissue.ASCENDING_AORTA, Inside((ascending, Outside(ventricle))), CardiacLabel.AA),
        Structure(Tissue.LEFT_VENTRICLE, Inside((cavity, behind_base)), CardiacLabel.LVC),
        Structure(
            Tissue.PAPILLARY,
            Inside((cavity, behind_base, _papillary_muscles(heart, marks))),
            detail=True,
        ),
    ]


def _left_ventricle(heart: Heart, marks: Landmarks) -> tuple[Shape, Shape]:
    """Return the cavity and what the epicardium encloses, both not yet cut at the base."""
    length, radius, wall = marks.half_length_mm, marks.radius_mm, marks.wall_mm
    cavity = Ellipsoid(marks.centre, (length, radius, radius * heart.lv_roundness), marks.axis)
    enclosed = Ellipsoid(
        marks.centre + marks.axis * wall * 0.15,
        (length + wall, radius + wall, radius * heart.lv_roundness + wall),
        marks.axis,
    )
    return cavity, enclosed


def _papillary_muscles(heart: Heart, marks: Landmarks) -> Shape:
    """Return two muscles that stand in the cavity, one to the front and one at the back."""
    across = unit(np.cross(marks.axis, (0, 0, 1)))
    muscles = []
    for side in (-1, 1):
        foot = marks.centre + across * side * marks.radius_mm * 0.55 + heart.papillary_shift_mm
        muscles.append(Tube([foot, foot + marks.axis * 16], heart.papillary_radius_mm))
    return Either(tuple(muscles))


def _aorta(heart: Heart, marks: Landmarks, radius_mm: float) -> tuple[Shape, list[Structure]]:
    """Return the ascending aorta, and the arch and descending aorta to paint under it."""
    root = moved(marks.centre - marks.axis * marks.half_length_mm * 0.45, 9, 6, 4)
    bend = np.asarray(heart.aorta_bend_mm)
    middle = moved(root, 12, 4, 28) + bend * (0.8, 0.5, 0)
    top = moved(root, 20, -2, 58) + bend
    summit = moved(top, -8, -16, 20)
    behind = np.array((-4.0, -46.0, summit[2] + 4))
    descent = np.array((-4.0, -56.0, summit[2] - 14))
    arch = Tube([top, summit, behind, descent], radius_mm * 0.85)
    descending = Tube([descent, (-6, -58, 0), (-4, -58, -200)], heart.descending_radius_mm)
    return Tube([root, middle, top], radius_mm), [
        Structure(Tissue.DESCENDING_AORTA, descending),
        Structure(Tissue.AORTIC_ARCH, arch),
    ]
