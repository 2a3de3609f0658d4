"""A brain phantom: T1, T1ce, T2 and FLAIR of a person with a glioma, who does not exist.

Every subject has a brain, a tumour and, in each modality, an acquisition of its own. All modalities
of a subject lie on one grid and are skull-stripped, as in BraTS. The subject is defined in patient
space, so the same seed on another grid is the same person scanned otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from CrossModalSegLib.core.errors import ConfigError, UnknownNameError
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.phantoms.anatomy import SmoothField
from CrossModalSegLib.data.phantoms.brain_anatomy import Brain, draw_brain
from CrossModalSegLib.data.phantoms.brain_atlas import load_atlas
from CrossModalSegLib.data.phantoms.brain_growth import grow_tumour
from CrossModalSegLib.data.phantoms.brain_rendering import Filling, fill_voxels
from CrossModalSegLib.data.phantoms.brain_signal import (
    BrainModality,
    Material,
    Relaxation,
    Scan,
    draw_materials,
    draw_scan,
    draw_sequence,
    materials_facts,
    signals_of,
)
from CrossModalSegLib.data.phantoms.brain_tumour import Tumour, draw_plan
from CrossModalSegLib.data.phantoms.grid import PhantomGrid

BRAIN_PHANTOM_VERSION = 1
"""Raise it with any change of a drawn number or its order: scores of versions do not compare."""

BRAIN_MODALITIES: tuple[BrainModality, ...] = get_args(BrainModality)

CENTRE_HEAD_MM = (0.0, -17.0, 4.0)
"""Middle of the brain's box, from the anterior commissure."""

MATRIX_IJK, SPACING_MM = (96, 96, 84), (2.0, 2.0, 2.0)
"""The usual protocol, which covers the brain."""

_PATIENT_STREAMS = ("brain", "tumour", "materials")

BIAS_LENGTH_MM = 60.0
"""Over which the receive field of the coils varies."""

TEXTURE_SHARE = 0.025
"""How much tissues vary within themselves."""


@dataclass(frozen=True, eq=False)
class Patient:
    """A person with a tumour, before any scan; `materials` is how their tissues relax."""

    brain: Brain
    tumour: Tumour
    materials: dict[Material, Relaxation]


@dataclass(frozen=True, eq=False)
class BrainSubject:
    """A case: its images by modality, its labels on the same grid, and what was drawn."""

    images: dict[BrainModality, Volume]
    labels: Volume
    facts: dict[str, Any]


def make_brain_subject(
    modalities: Sequence[BrainModality], seed: int, *, grid: PhantomGrid | None = None
) -> BrainSubject:
    """Make one subject in some modalities; it is the same in whichever others are made with it.

    Args:
        modalities: Which images; scanner units from 0 to about 3000, 0 outside the brain.
        seed: Not negative.
        grid: What to acquire; by default axial with 2 mm voxels, centred on the brain.

    Raises:
        ConfigError: The seed is negative, or a modality is missing or there twice.
        UnknownNameError: There is no such modality.
        MissingDependencyError: nilearn, which carries the anatomy, is not installed.
    """
    _check(modalities, seed)
    patient = draw_patient(seed)
    grid = grid or PhantomGrid(matrix_ijk=MATRIX_IJK, spacing_mm=SPACING_MM)
    affine = grid.affine_ras(patient.brain.to_patient(np.array(CENTRE_HEAD_MM)))
    filling = fill_voxels(patient.brain, patient.tumour, grid, affine)
    facts = _facts(patient, seed)
    images: dict[BrainModality, Volume] = {}
    for modality in modalities:
        rng = _streams(seed)[len(_PATIENT_STREAMS) + BRAIN_MODALITIES.index(modality)]
        sequence, scan = draw_sequence(modality, rng), draw_scan(rng)
        signals = signals_of(patient.materials, modality, sequence)
        image = _acquire(filling, signals, scan, grid, rng)
        images[modality] = Volume(image, affine)
        facts["scans"][modality] = {**asdict(sequence), **asdict(scan)}
    return BrainSubject(images, Volume(_labels(filling, grid), affine), facts)


def draw_patient(seed: int) -> Patient:
    """Draw a person with a tumour."""
    brain_rng, tumour_rng, material_rng, *_ = _streams(seed)
    plan = draw_plan(tumour_rng)
    brain, tumour = grow_tumour(draw_brain(load_atlas(), brain_rng), plan, tumour_rng)
    return Patient(brain, tumour, draw_materials(material_rng))


def _streams(seed: int) -> list[np.random.Generator]:
    """Return the random streams of a seed: brain, tumour, materials, and one a modality."""
    count = len(_PATIENT_STREAMS) + len(BRAIN_MODALITIES)
    return [np.random.default_rng(stream) for stream in np.random.SeedSequence([seed]).spawn(count)]


def _facts(patient: Patient, seed: int) -> dict[str, Any]:
    """Return what was drawn, scans still to come, fit for JSON."""
    return {
        "phantom": "brain",
        "version": BRAIN_PHANTOM_VERSION,
        "seed": seed,
        "pose": asdict(patient.brain.pose),
        "shape": asdict(patient.brain.shape),
        "tumour": patient.tumour.facts(),
        "materials": materials_facts(patient.materials),
        "scans": {},
    }


def _check(modalities: Sequence[BrainModality], seed: int) -> None:
    for modality in modalities:
        if modality not in BRAIN_MODALITIES:
            raise UnknownNameError("brain phantom modality", modality, BRAIN_MODALITIES)
    if not modalities or len(set(modalities)) < len(modalities):
        raise ConfigError(
            f"The brain phantom's modalities are {list(modalities)}, expected one or more of "
            f"{', '.join(BRAIN_MODALITIES)}, each once."
        )
    if seed < 0:
        raise ConfigError(f"The phantom's seed is {seed}, expected a whole number of at least 0.")


def _acquire(
    filling: Filling,
    signals: NDArray[np.float32],
    scan: Scan,
    grid: PhantomGrid,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Turn tissue into what the scanner stores: mixed signals, blur, bias and Rician noise.

    The signals of a voxel add up with their signs, before the magnitude is taken.
    """
    mixed = filling.materials @ signals * (1 + np.float32(TEXTURE_SHARE) * filling.texture)
    full = np.zeros(grid.shape_kji, dtype=np.float32)
    full.ravel()[filling.voxels] = mixed
    full = ndimage.gaussian_filter(full, scan.blur_voxels, mode="constant", truncate=3.0)
    field = SmoothField.draw(rng, BIAS_LENGTH_MM).at(filling.centres_ras)
    signal = full.ravel()[filling.voxels] * np.exp(np.float32(scan.bias_strength) * field)
    real, imaginary = rng.standard_normal((2, signal.size), dtype=np.float32) * np.float32(
        scan.noise
    )
    magnitude = np.hypot(signal + real, imaginary) * np.float32(scan.white_units)
    image = np.zeros(grid.shape_kji, dtype=np.float32)
    image.ravel()[filling.voxels] = np.maximum(np.rint(magnitude), 1)
    return image


def _labels(filling: Filling, grid: PhantomGrid) -> NDArray[np.uint8]:
    """Return the label of the largest share; where tumour is most, of its largest part."""
    labels = np.zeros(grid.shape_kji, dtype=np.uint8)
    labels.ravel()[filling.voxels] = filling.label_shares.argmax(axis=1)
    return labels
