"""How bright tissue is in T1, T1ce, T2 and FLAIR: spin echo and inversion recovery at 3 T."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.data.phantoms.drawing import Interval, between, draw

BrainModality = Literal["t1", "t1ce", "t2", "flair"]
"""In the order of their random streams."""

R1_PER_SECOND_MM, R2_PER_SECOND_MM = 4.5, 5.5
"""Relaxivities of a gadolinium agent at 3 T, in 1 / (s mM); agents differ (Rohrer et al. 2005,
DOI 10.1097/01.rli.0000184756.66360.d3)."""


class Material(IntEnum):
    """Everything in a brain that has a signal of its own."""

    CSF = 0
    GM = 1
    WM = 2
    VESSEL = 3
    NCR = 4
    """Necrosis: fluid, rich in protein."""
    NET = 5
    """Solid tumour that does not enhance."""
    ED = 6
    ET = 7


@dataclass(frozen=True, kw_only=True)
class Relaxation:
    """What spins of a tissue do, and the gadolinium that gathers in it after injection.

    Attributes:
        density: Of protons, relative to water.
        t1_ms: Longitudinal relaxation.
        t2_ms: Transverse relaxation.
        agent_mm: Concentration in mM.
    """

    density: float
    t1_ms: float
    t2_ms: float
    agent_mm: float = 0.0

    def enhanced(self) -> Relaxation:
        """Return the same with the agent in it: rates add up."""
        r1 = 1000 / self.t1_ms + R1_PER_SECOND_MM * self.agent_mm
        r2 = 1000 / self.t2_ms + R2_PER_SECOND_MM * self.agent_mm
        return Relaxation(density=self.density, t1_ms=1000 / r1, t2_ms=1000 / r2)


MATERIALS: dict[Material, Relaxation] = {
    Material.CSF: Relaxation(density=1.0, t1_ms=3800, t2_ms=1830),
    Material.GM: Relaxation(density=0.78, t1_ms=1270, t2_ms=85),
    Material.WM: Relaxation(density=0.66, t1_ms=750, t2_ms=76),
    Material.VESSEL: Relaxation(density=0.75, t1_ms=1600, t2_ms=60, agent_mm=0.25),
    Material.NCR: Relaxation(density=0.97, t1_ms=2300, t2_ms=400),
    Material.NET: Relaxation(density=0.85, t1_ms=1600, t2_ms=180),
    Material.ED: Relaxation(density=0.79, t1_ms=1340, t2_ms=142),
    Material.ET: Relaxation(density=0.82, t1_ms=1430, t2_ms=140, agent_mm=0.18),
}
"""Means over subjects. They lie near what was measured at 3 T (for example Stanisz et al. 2005,
DOI 10.1002/mrm.20605) and are set so that the contrasts to white matter are those of a labelled
glioma."""

VARIATION: dict[Material, float] = {
    Material.CSF: 0.03,
    Material.GM: 0.02,
    Material.WM: 0.02,
    Material.VESSEL: 0.1,
    Material.NCR: 0.12,
    Material.NET: 0.1,
    Material.ED: 0.06,
    Material.ET: 0.06,
}
"""By which part T1 and T2 differ at most between subjects; together, since both follow water."""


@dataclass(frozen=True, kw_only=True)
class Sequence:
    """Timing of a spin echo, after an inversion where that is not None; ms."""

    repetition_ms: float
    echo_ms: float
    inversion_ms: float | None = None

    def signal(self, tissue: Relaxation) -> float:
        """Return the signal; negative where an inverted tissue has not recovered to 0."""
        recovered = 1 - np.exp(-self.repetition_ms / tissue.t1_ms)
        if self.inversion_ms is not None:
            recovered += 2 * (
                np.exp(-self.repetition_ms / tissue.t1_ms)
                - np.exp(-self.inversion_ms / tissue.t1_ms)
            )
        return float(tissue.density * recovered * np.exp(-self.echo_ms / tissue.t2_ms))


SEQUENCES: dict[BrainModality, dict[str, Interval]] = {
    "t1": {"repetition_ms": (700, 850), "echo_ms": (11, 15)},
    "t1ce": {"repetition_ms": (380, 480), "echo_ms": (7, 10)},
    "t2": {"repetition_ms": (3000, 4200), "echo_ms": (76, 92)},
    "flair": {
        "repetition_ms": (9000, 10000),
        "echo_ms": (95, 115),
        "inversion_ms": (2440, 2560),
    },
}
"""Protocols, in the order of `BrainModality`."""


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What differs between scanners, beside the timing."""

    white_units: float = between(250, 900)
    """Scanner units of white matter."""
    bias_strength: float = between(0.03, 0.1)
    """Standard deviation of the logarithm of the receive field."""
    noise: float = between(0.015, 0.04)
    """Of each channel, relative to white matter."""
    blur_voxels: float = between(0.3, 0.5)
    """Truncation of k-space blurs by voxels, not by millimetres."""


def draw_sequence(modality: BrainModality, rng: np.random.Generator) -> Sequence:
    """Draw the timing of a protocol."""
    return Sequence(**{name: float(rng.uniform(*ms)) for name, ms in SEQUENCES[modality].items()})


def draw_scan(rng: np.random.Generator) -> Scan:
    """Draw a scanner."""
    return draw(Scan, rng)


def draw_materials(rng: np.random.Generator) -> dict[Material, Relaxation]:
    """Draw the relaxation of one subject's tissues."""
    drawn: dict[Material, Relaxation] = {}
    for material, mean in MATERIALS.items():
        water, density, agent = rng.uniform(-1, 1, 3)
        factor = 1 + VARIATION[material] * water
        drawn[material] = Relaxation(
            density=mean.density * (1 + 0.02 * density),
            t1_ms=mean.t1_ms * factor,
            t2_ms=mean.t2_ms * factor,
            agent_mm=mean.agent_mm * (1 + 0.25 * agent),
        )
    return drawn


def signals_of(
    materials: dict[Material, Relaxation], modality: BrainModality, sequence: Sequence
) -> NDArray[np.float32]:
    """Return the signal of each material relative to white matter, (materials,)."""
    tissues = [materials[material] for material in Material]
    if modality == "t1ce":
        tissues = [tissue.enhanced() for tissue in tissues]
    signals = np.array([sequence.signal(tissue) for tissue in tissues])
    return np.asarray(signals / signals[Material.WM], dtype=np.float32)


def materials_facts(materials: dict[Material, Relaxation]) -> dict[str, Any]:
    """Return what was drawn, fit for JSON."""
    return {material.name: asdict(relaxation) for material, relaxation in materials.items()}
