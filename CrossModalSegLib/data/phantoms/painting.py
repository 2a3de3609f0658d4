"""Painting structures over one another, with partial volume at their edges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.data.phantoms.anatomy import Points, Shape, SmoothField


class Tissue(StrEnum):
    """Everything that has a signal of its own."""

    AIR = "air"
    FAT = "fat"
    MEDIASTINAL_FAT = "mediastinal_fat"
    EPICARDIAL_FAT = "epicardial_fat"
    MUSCLE = "muscle"
    RIB = "rib"
    VERTEBRA = "vertebra"
    DISC = "disc"
    LUNG = "lung"
    LUNG_VESSEL = "lung_vessel"
    LIVER = "liver"
    GUT = "gut"
    MYOCARDIUM = "myocardium"
    RIGHT_WALL = "right_wall"
    PAPILLARY = "papillary"
    LEFT_VENTRICLE = "left_ventricle"
    LEFT_ATRIUM = "left_atrium"
    ASCENDING_AORTA = "ascending_aorta"
    AORTIC_ARCH = "aortic_arch"
    DESCENDING_AORTA = "descending_aorta"
    PULMONARY_VEIN = "pulmonary_vein"
    RIGHT_VENTRICLE = "right_ventricle"
    RIGHT_ATRIUM = "right_atrium"
    PULMONARY_ARTERY = "pulmonary_artery"
    SUPERIOR_CAVA = "superior_cava"
    INFERIOR_CAVA = "inferior_cava"


FATS = frozenset({Tissue.FAT, Tissue.MEDIASTINAL_FAT, Tissue.EPICARDIAL_FAT})
AIRY = frozenset({Tissue.AIR, Tissue.LUNG})
BLOODS = frozenset(
    {
        Tissue.LEFT_VENTRICLE,
        Tissue.LEFT_ATRIUM,
        Tissue.ASCENDING_AORTA,
        Tissue.AORTIC_ARCH,
        Tissue.DESCENDING_AORTA,
        Tissue.PULMONARY_VEIN,
        Tissue.RIGHT_VENTRICLE,
        Tissue.RIGHT_ATRIUM,
        Tissue.PULMONARY_ARTERY,
        Tissue.SUPERIOR_CAVA,
        Tissue.INFERIOR_CAVA,
    }
)


@dataclass(frozen=True, eq=False)
class Structure:
    """A shape made of one tissue; label 0 is a distractor.

    A structure that is only a `detail` (a papillary muscle within the cavity) changes the signal
    but leaves the label of what lies beneath, as experts delineate.
    """

    tissue: Tissue
    shape: Shape
    label: int = 0
    detail: bool = False


@dataclass(frozen=True, eq=False)
class Palette:
    """The signal of each tissue, and how strongly it varies within the tissue."""

    values: Mapping[Tissue, float]
    variation: Mapping[Tissue, float]
    texture: SmoothField


@dataclass(frozen=True, eq=False)
class Paint:
    """What fills each voxel: (n,) arrays, and (labels + 1, n) shares of each label.

    Fat, water and blood are fractions of the volume. Blood is also water; air is neither.
    """

    signal: NDArray[np.float32]
    fat: NDArray[np.float32]
    water: NDArray[np.float32]
    blood: NDArray[np.float32]
    label_shares: NDArray[np.float32]
    tissue: NDArray[np.uint8]

    def averaged(self, samples: int) -> Paint:
        """Average (samples * n,) points, the voxel varying fastest, to n voxels.

        The tissue is that of the sample nearest to the middle.
        """
        tissue = self.tissue.reshape(samples, -1)[samples // 2]
        means = {
            name: getattr(self, name).reshape(samples, -1).mean(axis=0)
            for name in ("signal", "fat", "water", "blood")
        }
        labels = len(self.label_shares)
        shares = self.label_shares.reshape(labels, samples, -1).mean(axis=1)
        return Paint(**means, label_shares=shares, tissue=tissue)

    @staticmethod
    def joined(parts: Sequence[Paint]) -> Paint:
        """Put runs of voxels together."""
        return Paint(
            **{
                item.name: np.concatenate([getattr(part, item.name) for part in parts], axis=-1)
                for item in fields(Paint)
            }
        )


SIGNAL, FAT, WATER, BLOOD, FIRST_LABEL = range(5)
"""Rows of the array that is painted on; the label shares begin at the last."""

TISSUE_INDEX = {tissue: index for index, tissue in enumerate(Tissue)}


def paint(
    structures: Iterable[Structure],
    palette: Palette,
    points_ras: Points,
    *,
    edge_width_mm: float,
    num_labels: int,
) -> Paint:
    """Paint the structures in order, the last on top, at each point.

    Across an edge the share of a structure falls linearly over `edge_width_mm`: what a cubic
    sample holds of a plane through it.
    """
    layers = np.zeros((FIRST_LABEL + num_labels + 1, points_ras.shape[1]), dtype=np.float32)
    layers[SIGNAL] = palette.values[Tissue.AIR]
    layers[FIRST_LABEL] = 1
    tissue = np.full(points_ras.shape[1], TISSUE_INDEX[Tissue.AIR], dtype=np.uint8)
    texture = palette.texture.at(points_ras)
    for item in structures:
        share = np.clip(0.5 - item.shape.distance_mm(points_ras) / np.float32(edge_width_mm), 0, 1)
        (touched,) = np.nonzero(share)
        if touched.size == 0:
            continue
        part = share[touched]
        depth = FIRST_LABEL if item.detail else len(layers)
        under = layers[:depth, touched]
        under += part * (_colour(item, palette, len(layers))[:depth] - under)
        variation = palette.variation.get(item.tissue, 0.0)
        under[SIGNAL] += part * np.float32(variation) * texture[touched]
        layers[:depth, touched] = under
        tissue[touched[part > 0.5]] = TISSUE_INDEX[item.tissue]
    return Paint(
        signal=layers[SIGNAL],
        fat=layers[FAT],
        water=layers[WATER],
        blood=layers[BLOOD],
        label_shares=layers[FIRST_LABEL:],
        tissue=tissue,
    )


def _colour(item: Structure, palette: Palette, depth: int) -> NDArray[np.float32]:
    """Return the (depth, 1) layers of a point that the structure fills."""
    colour = np.zeros((depth, 1), dtype=np.float32)
    colour[SIGNAL] = palette.values[item.tissue]
    colour[FAT] = item.tissue in FATS
    colour[WATER] = item.tissue not in FATS | AIRY
    colour[BLOOD] = item.tissue in BLOODS
    colour[FIRST_LABEL + item.label] = 1
    return colour
