"""The geometry gate: a landmark has the same RAS at every hop.

file -> volume -> slices -> (a network that tells the truth) -> volume -> file -> .seg.nrrd
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from CrossModalSegLib.core.geometry import affine_from
from CrossModalSegLib.core.tasks import TASKS, Slicing
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.intensity import IntensityRule
from CrossModalSegLib.data.preprocessing import (
    Preprocessing,
    prepare_image,
    prepare_labels,
    prepared_affine,
    restore_map,
    restore_probabilities,
)
from CrossModalSegLib.data.segmentation_files import read_segmentation, write_segmentation
from CrossModalSegLib.data.volume_files import read_image, read_labels, write_volume

Point = np.ndarray

CARDIAC = TASKS["cardiac"]
LEFT, RIGHT, FRONT, TOP = 1, 2, 3, 4
LANDMARKS_RAS = {
    LEFT: (-13.0, 2.0, -3.0),
    RIGHT: (11.0, -5.0, 1.0),
    FRONT: (3.0, 12.0, -5.0),
    TOP: (-4.0, -3.0, 13.0),
}
"""In the frame of the patient, before the scanner is tilted; no mirror image of one another."""

CENTRE_RAS = np.array([4.0, -7.0, 21.0])
SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".mha")
SLICINGS: tuple[Slicing, ...] = ("axial", "coronal", "sagittal")
ORDERS = {"axial": (0, 1, 2), "coronal": (0, 2, 1), "sagittal": (1, 2, 0)}
FLIPS = list(itertools.product((1, -1), repeat=3))
TILT = Rotation.from_euler("xyz", [12, -17, 9], degrees=True).as_matrix()
SPACINGS_MM = {"cube": (1.5, 1.5, 1.5), "flat": (0.6, 0.6, 8.0), "uneven": (1.1, 1.3, 2.9)}


MATRIX = (96, 97)
INTENSITY_STEP = 50
LINEAR = IntensityRule(kind="window_hu", window_hu=(0.0, 220.0))


@dataclass(frozen=True)
class Scan:
    """Boxes at the landmarks, as labels and as intensities of 50 a label on noise below 20."""

    image: Volume
    labels: Volume

    @property
    def landmarks_ras(self) -> dict[int, Point]:
        return centroids_ras(self.labels.array_kji, self.labels.affine_ras)


def make_scan(
    *,
    stored: str = "axial",
    flips: tuple[int, ...] = (1, 1, 1),
    spacing: str = "uneven",
    tilt: np.ndarray = TILT,
    dtype: str = "int16",
) -> Scan:
    """Sample the landmarks on a grid that is centred on them; the sizes are odd and differ."""
    spacing_mm = np.array(SPACINGS_MM[spacing])
    directions = tilt @ (np.eye(3)[:, ORDERS[stored]] * flips)
    shape_ijk = np.array([44, 46, 48]) // spacing_mm // 2 * 2 + [1, 3, 5]
    affine_ras = affine_from(spacing_mm.tolist(), directions, (0, 0, 0))
    affine_ras[:3, 3] = CENTRE_RAS - affine_ras[:3, :3] @ ((shape_ijk - 1) / 2)
    labels = np.zeros(shape_ijk[::-1].astype(int), np.uint8)
    for value, place in LANDMARKS_RAS.items():
        point_ras = tilt @ place + CENTRE_RAS
        index_ijk = np.rint(np.linalg.solve(affine_ras, [*point_ras, 1])[:3])
        draw_box(labels, value, index_ijk, np.rint(2.5 / spacing_mm))
    return scan_of(labels, affine_ras, dtype)


def draw_box(labels: np.ndarray, value: int, centre_ijk: np.ndarray, half_ijk: np.ndarray) -> None:
    index_ijk = np.indices(labels.shape)[::-1]
    distance = np.abs(index_ijk - centre_ijk.reshape(3, 1, 1, 1))
    labels[(distance <= half_ijk.reshape(3, 1, 1, 1)).all(axis=0)] = value


def scan_of(labels: np.ndarray, affine_ras: np.ndarray, dtype: str) -> Scan:
    noise = np.random.default_rng(0).integers(0, 20, labels.shape)
    image = (noise + INTENSITY_STEP * labels).astype(dtype)
    return Scan(Volume(image, affine_ras), Volume(labels, affine_ras))


def centroids_ras(array_kji: np.ndarray, affine_ras: np.ndarray) -> dict[int, Point]:
    """Return the centroid of each landmark."""
    points = {}
    for value in LANDMARKS_RAS:
        index_kji = np.argwhere(array_kji == value)
        assert len(index_kji), f"landmark {value} is gone"
        points[value] = np.asarray(affine_ras @ [*index_kji.mean(axis=0)[::-1], 1])[:3]
    return points


def bright_boxes(image: np.ndarray) -> np.ndarray:
    """Find the labels in the intensities."""
    return np.asarray(np.floor(image / INTENSITY_STEP))


def assert_same_places(
    hop: str, found: dict[int, Point], expected: dict[int, Point], tolerance_mm: float = 1e-4
) -> None:
    for value, point in expected.items():
        distance_mm = np.linalg.norm(found[value] - point)
        assert distance_mm <= tolerance_mm, f"{hop}: landmark {value} is {distance_mm:.3g} mm off"


def truthful_network(slices: np.ndarray) -> Iterator[np.ndarray]:
    for labels in slices:
        yield np.stack([labels == value for value in CARDIAC.known_values]).astype(np.float32)


def settings_of(slicing: Slicing, spacing_mm: tuple[float, float] | None = None) -> Preprocessing:
    return Preprocessing(slicing=slicing, matrix=MATRIX, intensity=LINEAR, spacing_mm=spacing_mm)


def walk(scan: Scan, folder: Path, suffix: str, slicing: Slicing) -> None:
    """Go the whole way and compare at every hop."""
    expected, rules = scan.landmarks_ras, settings_of(slicing)
    write_volume(scan.image, folder / f"Bild é 1{suffix}")
    write_volume(scan.labels, folder / f"Maske é 1{suffix}")
    image = read_image(folder / f"Bild é 1{suffix}")
    labels = read_labels(folder / f"Maske é 1{suffix}", task=CARDIAC)
    for hop, array in (("image", bright_boxes(image.array_kji)), ("labels", labels.array_kji)):
        assert_same_places(f"{hop} file", centroids_ras(array, image.affine_ras), expected)

    affine_ras = prepared_affine(image, rules)
    image_slices, label_slices = prepare_image(image, rules), prepare_labels(labels, rules)
    shown = bright_boxes(np.rint(image_slices * 110 + 110))
    for hop, array in (("image", shown), ("label", label_slices)):
        assert_same_places(f"{hop} slices", centroids_ras(array, affine_ras), expected)

    back = restore_map(image_slices, image, rules).array_kji
    np.testing.assert_array_equal(np.rint(back * 110 + 110), scan.image.array_kji)
    restored = restore_probabilities(truthful_network(label_slices), image, rules)
    np.testing.assert_array_equal(restored.array_kji, scan.labels.array_kji)
    np.testing.assert_array_equal(restored.affine_ras, image.affine_ras)
    for ending in (suffix, ".seg.nrrd"):
        path = folder / f"Ergebnis é 1{ending}"
        write_segmentation(restored, CARDIAC, path)
        read = read_segmentation(path, CARDIAC)
        assert_same_places(ending, centroids_ras(read.array_kji, read.affine_ras), expected)


@pytest.mark.parametrize("tilt", [np.eye(3), TILT], ids=["straight", "oblique"])
@pytest.mark.parametrize("flips", FLIPS, ids=str)
@pytest.mark.parametrize("stored", ORDERS)
def test_landmarks_stay_whatever_the_stored_orientation(
    tmp_path: Path, stored: str, flips: tuple[int, ...], tilt: np.ndarray
) -> None:
    scan = make_scan(stored=stored, flips=flips, tilt=tilt)
    for suffix, slicing in zip((".nii.gz", ".nrrd", ".mha"), SLICINGS, strict=True):
        folder = tmp_path / slicing
        walk(scan, folder, suffix, slicing)


@pytest.mark.parametrize("dtype", ["int16", "uint8", "float32"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_landmarks_stay_in_every_format_and_type(tmp_path: Path, suffix: str, dtype: str) -> None:
    walk(make_scan(dtype=dtype), tmp_path, suffix, "coronal")


@pytest.mark.parametrize("spacing", SPACINGS_MM)
@pytest.mark.parametrize("stored", ORDERS)
@pytest.mark.parametrize("slicing", SLICINGS)
def test_landmarks_stay_however_anisotropic_the_voxels_are(
    tmp_path: Path, slicing: Slicing, stored: str, spacing: str
) -> None:
    walk(make_scan(stored=stored, spacing=spacing), tmp_path, ".nii.gz", slicing)


@pytest.mark.parametrize("slicing", SLICINGS)
@pytest.mark.parametrize("stored", ORDERS)
def test_landmarks_stay_in_a_single_slice(tmp_path: Path, slicing: Slicing, stored: str) -> None:
    labels = np.zeros((1, 21, 33), np.uint8)
    for value, centre_ij in enumerate([(5, 4), (9, 15), (17, 7), (26, 13)], start=1):
        draw_box(labels, value, np.array([*centre_ij, 0]), np.array([value, 2, 0]))
    affine_ras = affine_from((0.6, 0.6, 8.0), TILT @ np.eye(3)[:, ORDERS[stored]], (4, -7, 21))
    walk(scan_of(labels, affine_ras, "int16"), tmp_path, ".nii.gz", slicing)


@pytest.mark.parametrize("spacing_mm", [(0.8, 0.9), (1.7, 1.4)])
@pytest.mark.parametrize("slicing", SLICINGS)
@pytest.mark.parametrize("stored", ORDERS)
def test_landmarks_move_by_less_than_half_a_voxel_when_slices_are_resampled(
    slicing: Slicing, stored: str, spacing_mm: tuple[float, float]
) -> None:
    scan = make_scan(stored=stored, spacing="cube")
    rules = settings_of(slicing, spacing_mm)
    slices = prepare_labels(scan.labels, rules)
    half_mm = max(1.5, *spacing_mm) / 2
    found = centroids_ras(slices, prepared_affine(scan.labels, rules))
    assert_same_places("slices", found, scan.landmarks_ras, half_mm)
    restored = restore_probabilities(truthful_network(slices), scan.labels, rules)
    found = centroids_ras(restored.array_kji, restored.affine_ras)
    assert_same_places("restored", found, scan.landmarks_ras, half_mm)


@pytest.mark.parametrize("flips", FLIPS, ids=str)
@pytest.mark.parametrize("stored", ORDERS)
def test_left_right_front_and_top_are_where_radiologists_look_for_them(
    stored: str, flips: tuple[int, ...]
) -> None:
    scan = make_scan(stored=stored, flips=flips)
    axial, coronal, sagittal = (
        {
            value: np.argwhere(prepare_labels(scan.labels, settings_of(slicing)) == value).mean(0)
            for value in LANDMARKS_RAS
        }
        for slicing in SLICINGS
    )  # mean (slice, row, column) of each landmark
    for view in (axial, coronal):
        assert view[RIGHT][2] < view[LEFT][2]
    assert axial[FRONT][1] == min(point[1] for point in axial.values())
    assert axial[TOP][0] == max(point[0] for point in axial.values())
    for view in (coronal, sagittal):
        assert view[TOP][1] == min(point[1] for point in view.values())
    assert coronal[FRONT][0] == min(point[0] for point in coronal.values())
    assert sagittal[FRONT][2] == min(point[2] for point in sagittal.values())
    assert sagittal[RIGHT][0] < sagittal[LEFT][0]
