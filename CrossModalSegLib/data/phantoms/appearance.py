"""How tissues look in contrast-enhanced CT and in balanced steady-state (bSSFP) MR."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from CrossModalSegLib.data.phantoms.anatomy import Points, SmoothField
from CrossModalSegLib.data.phantoms.drawing import Interval, between
from CrossModalSegLib.data.phantoms.painting import Paint, Palette, Tissue

Image = NDArray[np.float32]
Triple = tuple[float, float, float]

TEXTURE_LENGTH_MM = 6.0
"""Over which fat, muscle and the organs vary."""

CT_HU: dict[Tissue, Interval] = {
    Tissue.AIR: (-1000, -995),
    Tissue.FAT: (-115, -85),
    # Strands of vessels and nodes raise the mean of the fat inside the chest.
    Tissue.MEDIASTINAL_FAT: (-100, -60),
    Tissue.EPICARDIAL_FAT: (-100, -60),
    Tissue.MUSCLE: (35, 65),
    Tissue.RIB: (380, 600),
    Tissue.VERTEBRA: (310, 420),
    Tissue.DISC: (80, 120),
    Tissue.LUNG: (-860, -760),
    Tissue.LUNG_VESSEL: (-100, 150),
    Tissue.LIVER: (80, 120),
    Tissue.GUT: (20, 60),
    # Perfused by the contrast agent.
    Tissue.MYOCARDIUM: (80, 130),
    Tissue.RIGHT_WALL: (80, 110),
    Tissue.PAPILLARY: (100, 140),
}
"""Hounsfield units of everything that is not blood."""

CT_OF_LEFT_HEART: dict[Tissue, Interval] = {
    Tissue.LEFT_VENTRICLE: (0.93, 1.03),
    Tissue.LEFT_ATRIUM: (0.97, 1.07),
    Tissue.ASCENDING_AORTA: (0.95, 1.05),
    Tissue.AORTIC_ARCH: (0.95, 1.05),
    Tissue.DESCENDING_AORTA: (0.93, 1.03),
    Tissue.PULMONARY_VEIN: (0.98, 1.08),
}
"""Arterial blood relative to the enhancement of the left heart."""

CT_OF_RIGHT_HEART: dict[Tissue, Interval] = {
    Tissue.RIGHT_VENTRICLE: (1.0, 1.0),
    Tissue.RIGHT_ATRIUM: (0.8, 1.1),
    Tissue.PULMONARY_ARTERY: (0.9, 1.2),
    # The agent may still be flowing in through the superior vein, never through the inferior.
    Tissue.SUPERIOR_CAVA: (0.9, 1.6),
    Tissue.INFERIOR_CAVA: (0.5, 0.9),
}
"""Venous blood relative to the enhancement of the right heart."""

MR_OF_BLOOD: dict[Tissue, Interval] = {
    Tissue.AIR: (0.02, 0.02),
    Tissue.MUSCLE: (0.22, 0.36),
    Tissue.RIB: (0.12, 0.3),
    Tissue.VERTEBRA: (0.35, 0.6),
    Tissue.DISC: (0.4, 0.8),
    Tissue.LUNG: (0.03, 0.10),
    Tissue.LUNG_VESSEL: (0.3, 0.6),
    Tissue.LIVER: (0.35, 0.6),
    Tissue.GUT: (0.3, 0.8),
    # bSSFP weighs by T2/T1: blood stands 1.8 to 3.2 times above myocardium.
    Tissue.MYOCARDIUM: (0.32, 0.48),
    Tissue.LEFT_VENTRICLE: (0.95, 1.05),
    Tissue.LEFT_ATRIUM: (0.88, 1.02),
    # Fast flow dephases.
    Tissue.ASCENDING_AORTA: (0.84, 1.0),
    Tissue.AORTIC_ARCH: (0.8, 0.98),
    Tissue.DESCENDING_AORTA: (0.8, 1.0),
    Tissue.PULMONARY_VEIN: (0.7, 0.95),
    Tissue.RIGHT_VENTRICLE: (0.88, 1.02),
    Tissue.RIGHT_ATRIUM: (0.88, 1.02),
    Tissue.PULMONARY_ARTERY: (0.75, 1.0),
    Tissue.SUPERIOR_CAVA: (0.8, 1.0),
    Tissue.INFERIOR_CAVA: (0.8, 1.0),
}
"""Signal relative to the blood of the left ventricle."""

MR_OF_FAT: dict[Tissue, Interval] = {
    Tissue.FAT: (1.0, 1.0),
    Tissue.MEDIASTINAL_FAT: (0.8, 1.0),
    Tissue.EPICARDIAL_FAT: (0.85, 1.0),
}
"""Fat relative to the fat under the skin."""

VARIATION: dict[Tissue, float] = {
    Tissue.FAT: 1.0,
    Tissue.MEDIASTINAL_FAT: 1.0,
    Tissue.EPICARDIAL_FAT: 1.0,
    Tissue.MUSCLE: 1.0,
    Tissue.LIVER: 1.0,
    Tissue.GUT: 3.0,
}
"""How strongly a tissue varies within itself, relative to the other tissues."""

CT_VARIATION_HU = 12.0
MR_VARIATION = 0.03


@dataclass(frozen=True, kw_only=True)
class CtScan:
    """The drawn acquisition of one CT."""

    left_heart_hu: float = between(280, 430)
    right_to_left_heart: float = between(0.35, 1.0)
    """Timing of the contrast agent: late scans find little of it left on the right."""
    blur_mm: float = between(1.0, 1.4)
    """Standard deviation of the point spread."""
    noise_hu: float = between(18, 35)
    noise_grain_mm: float = between(1.4, 2.2)
    """Standard deviation of the reconstruction kernel that correlates the noise within a slice."""


@dataclass(frozen=True, kw_only=True)
class MrScan:
    """The drawn acquisition of one bSSFP MR; signals relative to blood."""

    blood_units: float = between(450, 1000)
    """Scanner units of the blood of the left ventricle."""
    fat_to_blood: float = between(0.65, 0.9)
    cancellation: float = between(0.35, 0.65)
    """Signal lost in a voxel half fat and half water, which are out of phase."""
    bias_strength: float = between(0.15, 0.3)
    front_gain: float = between(0.2, 0.4)
    """How much brighter the front is than the back, over 120 mm: the coil lies on the chest."""
    flow: float = between(0.03, 0.07)
    noise: float = between(0.012, 0.03)
    blur_voxels: float = between(0.4, 0.5)
    """Truncation of k-space blurs by voxels, not by millimetres."""


BIAS_LENGTH_MM = 45.0
FLOW_LENGTH_MM = 11.0
COIL_DEPTH_MM = 120.0


def _draw_table(table: dict[Tissue, Interval], rng: np.random.Generator) -> dict[Tissue, float]:
    return {tissue: float(rng.uniform(*interval)) for tissue, interval in table.items()}


def ct_palette(scan: CtScan, rng: np.random.Generator) -> Palette:
    """Draw the HU of every tissue."""
    left = scan.left_heart_hu
    right = left * scan.right_to_left_heart
    values = _draw_table(CT_HU, rng)
    values |= {t: v * left for t, v in _draw_table(CT_OF_LEFT_HEART, rng).items()}
    values |= {t: v * right for t, v in _draw_table(CT_OF_RIGHT_HEART, rng).items()}
    variation = {tissue: CT_VARIATION_HU * amount for tissue, amount in VARIATION.items()}
    return Palette(values, variation, SmoothField.draw(rng, TEXTURE_LENGTH_MM))


def mr_palette(scan: MrScan, rng: np.random.Generator) -> Palette:
    """Draw the signal of every tissue relative to blood."""
    values = _draw_table(MR_OF_BLOOD, rng)
    values |= {t: v * scan.fat_to_blood for t, v in _draw_table(MR_OF_FAT, rng).items()}
    values[Tissue.RIGHT_WALL] = values[Tissue.PAPILLARY] = values[Tissue.MYOCARDIUM]
    variation = {tissue: MR_VARIATION * amount for tissue, amount in VARIATION.items()}
    return Palette(values, variation, SmoothField.draw(rng, TEXTURE_LENGTH_MM))


def scan_ct(
    signal_kji: Image, spacing_kji_mm: Triple, scan: CtScan, rng: np.random.Generator
) -> Image:
    """Blur and add noise that is correlated within slices; return HU as scanners store them."""
    blur = [scan.blur_mm / spacing for spacing in spacing_kji_mm]
    grain = [0.0, *(scan.noise_grain_mm / spacing for spacing in spacing_kji_mm[1:])]
    noise = rng.standard_normal(signal_kji.shape, dtype=np.float32)
    noise = ndimage.gaussian_filter(noise, grain, mode="wrap")
    noise *= np.float32(scan.noise_hu / max(float(noise.std()), 1e-6))
    image = ndimage.gaussian_filter(signal_kji, blur, mode="nearest") + noise
    clipped: Image = np.clip(np.rint(image), -1024, 3071).astype(np.float32)
    return clipped


def scan_mr(
    paint: Paint,
    points_ras: Points,
    shape_kji: tuple[int, int, int],
    scan: MrScan,
    rng: np.random.Generator,
) -> Image:
    """Apply phase cancellation, blur, coil profile, flow and Rician noise.

    `points_ras` are the voxel centres, relative to the middle of the body.
    """
    flow = 1 + scan.flow * SmoothField.draw(rng, FLOW_LENGTH_MM).at(points_ras) * paint.blood
    lost = np.float32(4 * scan.cancellation) * paint.fat * paint.water
    signal = (paint.signal * flow * (1 - lost)).reshape(shape_kji)
    signal = ndimage.gaussian_filter(signal, scan.blur_voxels, mode="nearest")
    bias = np.exp(scan.bias_strength * SmoothField.draw(rng, BIAS_LENGTH_MM).at(points_ras))
    coil = 1 + scan.front_gain * np.clip(points_ras[1] / COIL_DEPTH_MM, -1, 1)
    signal *= (bias * coil).reshape(shape_kji)
    real, imaginary = rng.standard_normal((2, *shape_kji), dtype=np.float32) * np.float32(
        scan.noise
    )
    magnitude = np.hypot(signal + real, imaginary)
    image: Image = np.rint(magnitude * np.float32(scan.blood_units)).astype(np.float32)
    return image
