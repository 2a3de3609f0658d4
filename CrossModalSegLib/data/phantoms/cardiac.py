"""A cardiac phantom: contrast-enhanced CT or bSSFP MR of a person who does not exist.

Every subject has an anatomy, diseases and an acquisition of its own. The subject is defined in
patient space, so the same seed on another grid is the same person scanned otherwise.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.core.errors import ConfigError, UnknownNameError
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.phantoms import appearance
from CrossModalSegLib.data.phantoms.anatomy import Outside, Points, Warp
from CrossModalSegLib.data.phantoms.appearance import CtScan, MrScan
from CrossModalSegLib.data.phantoms.cardiac_heart import (
    CardiacLabel,
    Heart,
    Pathology,
    draw_pathology,
    find_landmarks,
    left_heart,
    pulmonary_veins,
    right_heart,
)
from CrossModalSegLib.data.phantoms.cardiac_thorax import (
    Thorax,
    abdomen,
    below_diaphragm,
    chest_wall,
    mediastinum,
    skeleton,
)
from CrossModalSegLib.data.phantoms.drawing import Interval, between, draw, jitter
from CrossModalSegLib.data.phantoms.grid import PhantomGrid
from CrossModalSegLib.data.phantoms.painting import Paint, Palette, Structure, paint

CARDIAC_PHANTOM_VERSION = 1
"""Raise it with any change of a drawn number or its order: scores of versions do not compare."""

CardiacModality = Literal["ct", "mr_bssfp"]

FAT_STREAM = 1_000
"""Number of the random stream of `fat_to_blood`; those of the modalities are smaller."""

WARP_LENGTH_MM = 20.0
"""Over which the smooth random displacement of the anatomy varies."""


@dataclass(frozen=True, kw_only=True)
class Pose:
    """How large a person is and how they lie in the scanner."""

    size: float = between(0.88, 1.14)
    roll_degrees: float = between(-8.5, 8.5)
    """Turn within the coronal plane."""
    position_ras_mm: tuple[float, float, float] = jitter(25, 30, 60)
    """Of the origin of the anatomy."""
    warp_mm: float = between(1.5, 3.0)


@dataclass(frozen=True, kw_only=True)
class FieldOfView:
    """How the operator placed the default grid."""

    zoom: float = between(0.96, 1.04)
    offset_ras_mm: tuple[float, float, float] = jitter(12, 6, 12)
    tilt_degrees: tuple[float, float, float] = jitter(6, 4, 4)


@dataclass(frozen=True, eq=False)
class Person:
    """The anatomy of one subject."""

    pose: Pose
    warp: Warp
    heart: Heart
    thorax: Thorax
    pathology: Pathology
    diseases: tuple[str, ...]
    structures: tuple[Structure, ...]

    def to_anatomy(self, points_ras: Points) -> Points:
        """Return where points of patient space lie in the frame of the anatomy."""
        angle = np.deg2rad(self.pose.roll_degrees)
        turn = np.array(
            [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]],
            dtype=np.float32,
        )
        centred = points_ras - np.array(self.pose.position_ras_mm, dtype=np.float32)[:, np.newaxis]
        return self.warp.apply((turn / np.float32(self.pose.size)) @ centred)


@dataclass(frozen=True, eq=False)
class PhantomSubject:
    """A case: its image, its labels on the same grid, and what was drawn (fit for JSON)."""

    image: Volume
    labels: Volume
    facts: dict[str, Any]


def make_cardiac_subject(
    modality: CardiacModality,
    seed: int,
    *,
    grid: PhantomGrid | None = None,
    fat_to_blood: Interval | None = None,
) -> PhantomSubject:
    """Make one subject.

    Args:
        modality: "ct" gives HU, "mr_bssfp" arbitrary scanner units from 0 to about 1500.
        seed: Not negative. CT and MR subjects of one seed are different people.
        grid: What to acquire; by default CT is axial with 3 mm voxels and MR coronal and slightly
            oblique with 5 mm slices, both differing a little between subjects.
        fat_to_blood: Of MR, the range of fat's signal relative to blood; None: the usual one. All
            else about the subject stays as it is.

    Raises:
        ConfigError: The seed is negative, or the range is none or not of MR.
        UnknownNameError: There is no such modality.
    """
    known = get_args(CardiacModality)
    if modality not in known:
        raise UnknownNameError("cardiac phantom modality", modality, known)
    if seed < 0:
        raise ConfigError(f"The phantom's seed is {seed}, expected a whole number of at least 0.")
    if fat_to_blood is not None:
        _check_fat(modality, fat_to_blood)
    streams = np.random.SeedSequence([seed, known.index(modality)]).spawn(3)
    anatomy_rng, scan_rng, noise_rng = (np.random.default_rng(stream) for stream in streams)
    person = draw_person(anatomy_rng)
    view = draw(FieldOfView, scan_rng)
    grid = grid or default_grid(modality, person.pose, view)
    affine = grid.affine_ras(np.array(person.pose.position_ras_mm))
    scan: CtScan | MrScan
    if modality == "ct":
        scan = draw(CtScan, scan_rng)
        palette = appearance.ct_palette(scan, scan_rng)
    else:
        scan = draw(MrScan, scan_rng)
        if fat_to_blood is not None:
            scan = replace(scan, fat_to_blood=_draw_fat(seed, fat_to_blood))
        palette = appearance.mr_palette(scan, scan_rng)
    painted = paint_person(person, palette, grid, affine)
    image = _acquire(painted, person, scan, grid, affine, noise_rng)
    labels = painted.label_shares.argmax(axis=0).astype(np.uint8).reshape(image.shape)
    facts = _facts(modality, seed, person, view, scan, palette)
    return PhantomSubject(Volume(image, affine), Volume(labels, affine), facts)


def _check_fat(modality: CardiacModality, fat_to_blood: Interval) -> None:
    low, high = fat_to_blood
    if modality != "mr_bssfp" or not 0 < low <= high < np.inf:
        raise ConfigError(
            f"fat_to_blood is {fat_to_blood} for {modality}, expected two rising numbers above 0, "
            "for mr_bssfp."
        )


def _draw_fat(seed: int, fat_to_blood: Interval) -> float:
    """Draw from a stream of its own, so that nothing else changes."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, FAT_STREAM]))
    return float(rng.uniform(*fat_to_blood))


def draw_person(rng: np.random.Generator) -> Person:
    """Draw an anatomy with its diseases."""
    pose = draw(Pose, rng)
    warp = Warp.draw(rng, WARP_LENGTH_MM, pose.warp_mm)
    diseases, pathology = draw_pathology(rng)
    heart, thorax = draw(Heart, rng), draw(Thorax, rng)
    marks = find_landmarks(heart, pathology)
    structures = (
        *chest_wall(thorax, rng),
        *mediastinum(thorax),
        *abdomen(thorax),
        *skeleton(thorax),
        *right_heart(heart, marks, Outside(below_diaphragm(thorax))),
        *pulmonary_veins(heart, marks),
        *left_heart(heart, marks, pathology),
    )
    return Person(pose, warp, heart, thorax, pathology, tuple(diseases), structures)


def default_grid(modality: CardiacModality, pose: Pose, view: FieldOfView) -> PhantomGrid:
    """Return the usual protocol of the modality, placed as the operator did."""
    right, front, up = np.add(pose.position_ras_mm, view.offset_ras_mm)
    centre = (float(right), float(front), float(up))
    fine = 3.0 * view.zoom
    if modality == "ct":
        return PhantomGrid(
            matrix_ijk=(64, 40, 64), spacing_mm=(fine, fine, fine), centre_ras_mm=centre
        )
    return PhantomGrid(
        matrix_ijk=(64, 64, 24),
        spacing_mm=(fine, fine, 5.0),
        orientation="LIP",
        tilt_degrees=view.tilt_degrees,
        centre_ras_mm=centre,
    )


def paint_person(
    person: Person, palette: Palette, grid: PhantomGrid, affine_ras: NDArray[np.float64]
) -> Paint:
    """Fill every voxel of the grid, a bounded number of them at a time."""
    edge_width_mm = grid.sample_width_mm / person.pose.size
    samples = int(np.prod(grid.samples_ijk))
    parts: list[Paint] = []
    for points in grid.chunks(affine_ras):
        painted = paint(
            person.structures,
            palette,
            person.to_anatomy(points),
            edge_width_mm=edge_width_mm,
            num_labels=len(CardiacLabel),
        )
        parts.append(painted.averaged(samples))
    return Paint.joined(parts)


def _acquire(
    painted: Paint,
    person: Person,
    scan: CtScan | MrScan,
    grid: PhantomGrid,
    affine_ras: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Turn tissue into what the scanner stores."""
    if isinstance(scan, CtScan):
        i, j, k = grid.spacing_mm
        return appearance.scan_ct(painted.signal.reshape(grid.shape_kji), (k, j, i), scan, rng)
    position = np.array(person.pose.position_ras_mm, dtype=np.float32)[:, np.newaxis]
    centred = grid.centres_ras(affine_ras) - position
    return appearance.scan_mr(painted, centred, grid.shape_kji, scan, rng)


def _facts(
    modality: CardiacModality,
    seed: int,
    person: Person,
    view: FieldOfView,
    scan: CtScan | MrScan,
    palette: Palette,
) -> dict[str, Any]:
    return {
        "phantom": "cardiac",
        "version": CARDIAC_PHANTOM_VERSION,
        "modality": modality,
        "seed": seed,
        "diseases": list(person.diseases),
        "pathology": asdict(person.pathology),
        "pose": asdict(person.pose),
        "heart": asdict(person.heart),
        "thorax": asdict(person.thorax),
        "field_of_view": asdict(view),
        "scan": asdict(scan),
        "tissues": {tissue.value: value for tissue, value in palette.values.items()},
    }
