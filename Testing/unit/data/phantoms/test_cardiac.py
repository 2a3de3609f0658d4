"""The cardiac phantom: who is imaged, how tissue looks, and that the grid does not matter."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from CrossModalSegLib.core.errors import ConfigError, UnknownNameError
from CrossModalSegLib.core.geometry import orientation_code
from CrossModalSegLib.data.phantoms import cardiac
from CrossModalSegLib.data.phantoms.appearance import CtScan, ct_palette
from CrossModalSegLib.data.phantoms.cardiac import (
    CardiacModality,
    PhantomSubject,
    draw_person,
    make_cardiac_subject,
    paint_person,
)
from CrossModalSegLib.data.phantoms.cardiac_heart import CardiacLabel
from CrossModalSegLib.data.phantoms.drawing import draw
from CrossModalSegLib.data.phantoms.grid import PhantomGrid
from CrossModalSegLib.data.phantoms.painting import TISSUE_INDEX, Tissue

MODALITIES: tuple[CardiacModality, ...] = ("ct", "mr_bssfp")
SEEDS = range(6)
MEASURED_SEEDS = range(3)
AXIAL = PhantomGrid(matrix_ijk=(62, 58, 58), spacing_mm=(3.0, 3.0, 3.0))
PLAUSIBLE_ML = {
    CardiacLabel.MYO: (40, 300),
    CardiacLabel.LAC: (20, 180),
    CardiacLabel.LVC: (25, 260),
    CardiacLabel.AA: (15, 180),
}


@cache
def _subject(modality: CardiacModality, seed: int) -> PhantomSubject:
    return make_cardiac_subject(modality, seed)


@cache
def _tissue(modality: CardiacModality, seed: int) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Return an image on the axial grid and the tissue at each of its voxels."""
    image = make_cardiac_subject(modality, seed, grid=AXIAL).image
    known = MODALITIES.index(modality)
    stream = np.random.SeedSequence([seed, known]).spawn(1)[0]
    person = draw_person(np.random.default_rng(stream))
    rng = np.random.default_rng(0)
    painted = paint_person(person, ct_palette(draw(CtScan, rng), rng), AXIAL, image.affine_ras)
    return image.array_kji, painted.tissue.reshape(image.shape_kji)


def _median_within(modality: CardiacModality, seed: int, *tissues: Tissue) -> float:
    """Return the median signal away from the edges of the tissues."""
    image, tissue = _tissue(modality, seed)
    mask = np.isin(tissue, [TISSUE_INDEX[name] for name in tissues])
    inner = ndimage.binary_erosion(mask)
    if inner.sum() < 20:
        pytest.fail(f"Too little {tissues} in view to measure")
    return float(np.median(image[inner]))


def _digest(subject: PhantomSubject) -> str:
    arrays = (subject.image.array_kji, subject.labels.array_kji, subject.image.affine_ras)
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


def _volumes_ml(subject: PhantomSubject) -> dict[CardiacLabel, float]:
    labels = subject.labels
    return {
        label: float((labels.array_kji == label).sum() * labels.voxel_ml) for label in CardiacLabel
    }


def _centroid_ras(subject: PhantomSubject, label: CardiacLabel) -> NDArray[np.float64]:
    index_ijk = np.argwhere(subject.labels.array_kji == label).mean(axis=0)[::-1]
    affine = subject.labels.affine_ras
    return np.asarray(affine[:3, :3] @ index_ijk + affine[:3, 3])


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("seed", SEEDS)
def test_every_structure_has_a_plausible_volume(modality: CardiacModality, seed: int) -> None:
    for label, volume_ml in _volumes_ml(_subject(modality, seed)).items():
        low, high = PLAUSIBLE_ML[label]
        assert low < volume_ml < high, (label.name, volume_ml)


@pytest.mark.parametrize("modality", MODALITIES)
def test_image_and_labels_share_one_grid_with_the_documented_types(
    modality: CardiacModality,
) -> None:
    subject = _subject(modality, 0)
    assert subject.image.array_kji.dtype == np.float32
    assert subject.labels.array_kji.dtype == np.uint8
    assert set(np.unique(subject.labels.array_kji)) == {0, *CardiacLabel}
    assert np.isfinite(subject.image.array_kji).all()
    np.testing.assert_array_equal(subject.image.affine_ras, subject.labels.affine_ras)


def test_default_grids_are_axial_ct_and_oblique_coronal_mr() -> None:
    ct, mr = _subject("ct", 0).image, _subject("mr_bssfp", 0).image
    assert ct.shape_ijk == (64, 40, 64)
    assert mr.shape_ijk == (64, 64, 24)
    assert orientation_code(ct.affine_ras) == "LPS"
    assert orientation_code(mr.affine_ras) == "LIP"
    assert mr.spacing_mm[2] == pytest.approx(5.0)
    assert np.count_nonzero(np.abs(mr.affine_ras[:3, :3]) > 1e-3) > 3
    assert np.abs(ct.affine_ras[:3, 3]).min() > 0


@pytest.mark.parametrize("modality", MODALITIES)
def test_another_process_makes_the_same_bytes(modality: CardiacModality) -> None:
    code = (
        "import hashlib\n"
        "from CrossModalSegLib.data.phantoms.cardiac import make_cardiac_subject\n"
        f"s = make_cardiac_subject({modality!r}, 3)\n"
        "a = (s.image.array_kji, s.labels.array_kji, s.image.affine_ras)\n"
        "print(hashlib.sha256(b''.join(x.tobytes() for x in a)).hexdigest())\n"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    assert printed.strip() == _digest(_subject(modality, 3))


def test_seeds_and_modalities_are_different_people() -> None:
    subjects = [_subject(modality, seed) for modality in MODALITIES for seed in SEEDS]
    hearts = {json.dumps(subject.facts["heart"]) for subject in subjects}
    assert len(hearts) == len(subjects)
    assert len({round(_volumes_ml(s)[CardiacLabel.LVC], 3) for s in subjects}) == len(subjects)


def test_facts_survive_json() -> None:
    facts = _subject("mr_bssfp", 1).facts
    assert json.loads(json.dumps(facts))["version"] == cardiac.CARDIAC_PHANTOM_VERSION
    assert facts["modality"] == "mr_bssfp"


def test_diseases_change_the_heart_they_are_named_for() -> None:
    drawn = [draw_person(np.random.default_rng(seed)) for seed in range(60)]
    names = {name for person in drawn for name in person.diseases}
    assert names == {"dilated_lv", "hypertrophic_lv", "enlarged_la", "dilated_aorta"}
    assert any(not person.diseases for person in drawn)
    for person in drawn:
        assert (person.pathology.aorta_radius > 1) == ("dilated_aorta" in person.diseases)
        assert (person.pathology.wall > 1) == ("hypertrophic_lv" in person.diseases)


@pytest.mark.parametrize("seed", MEASURED_SEEDS)
def test_ct_contrasts_are_those_of_enhanced_ct(seed: int) -> None:
    assert -870 < _median_within("ct", seed, Tissue.LUNG) < -740
    fats = (Tissue.FAT, Tissue.MEDIASTINAL_FAT, Tissue.EPICARDIAL_FAT)
    assert -125 < _median_within("ct", seed, *fats) < -50
    assert 70 < _median_within("ct", seed, Tissue.MYOCARDIUM) < 150
    assert 250 < _median_within("ct", seed, Tissue.LEFT_VENTRICLE) < 450
    assert 250 < _median_within("ct", seed, Tissue.ASCENDING_AORTA) < 460
    assert _median_within("ct", seed, Tissue.VERTEBRA) > 300
    assert 60 < _median_within("ct", seed, Tissue.LIVER) < 140


@pytest.mark.parametrize("seed", MEASURED_SEEDS)
def test_mr_contrasts_are_those_of_bssfp(seed: int) -> None:
    blood = _median_within("mr_bssfp", seed, Tissue.LEFT_VENTRICLE)
    assert 1.8 < blood / _median_within("mr_bssfp", seed, Tissue.MYOCARDIUM) < 3.2
    assert _median_within("mr_bssfp", seed, Tissue.LUNG) < 0.25 * blood
    fat = _median_within("mr_bssfp", seed, Tissue.MEDIASTINAL_FAT, Tissue.EPICARDIAL_FAT)
    assert 0.35 * blood < fat < 1.25 * blood


def test_right_heart_enhancement_follows_the_drawn_timing() -> None:
    for seed in MEASURED_SEEDS:
        right = _median_within("ct", seed, Tissue.RIGHT_VENTRICLE)
        left = _median_within("ct", seed, Tissue.LEFT_VENTRICLE)
        timing = _subject("ct", seed).facts["scan"]["right_to_left_heart"]
        assert right / left == pytest.approx(timing, abs=0.12)


def test_fat_and_water_cancel_where_they_meet() -> None:
    image, tissue = _tissue("mr_bssfp", 2)
    fat = np.isin(
        tissue, [TISSUE_INDEX[t] for t in (Tissue.MEDIASTINAL_FAT, Tissue.EPICARDIAL_FAT)]
    )
    blood = np.isin(tissue, [TISSUE_INDEX[t] for t in (Tissue.ASCENDING_AORTA, Tissue.AORTIC_ARCH)])
    rim = (fat & ndimage.binary_dilation(blood)) | (blood & ndimage.binary_dilation(fat))
    sides = min(np.median(image[ndimage.binary_erosion(mask)]) for mask in (fat, blood))
    assert np.median(image[rim]) < 0.92 * sides


@pytest.mark.parametrize("modality", MODALITIES)
def test_the_same_subject_has_the_same_volumes_on_another_grid(modality: CardiacModality) -> None:
    fine = PhantomGrid(matrix_ijk=(100, 90, 28), spacing_mm=(2.1, 2.1, 8.0))
    coarse, other = (_volumes_ml(make_cardiac_subject(modality, 1, grid=g)) for g in (AXIAL, fine))
    for label in CardiacLabel:
        assert other[label] == pytest.approx(coarse[label], rel=0.05), label.name


@pytest.mark.parametrize(
    "grid",
    [
        PhantomGrid(matrix_ijk=(64, 64, 48), spacing_mm=(3.0, 3.0, 3.0), orientation="RSA"),
        PhantomGrid(matrix_ijk=(40, 72, 72), spacing_mm=(4.5, 3.0, 3.0), orientation="AIL"),
        PhantomGrid(
            matrix_ijk=(72, 56, 72), spacing_mm=(3.0, 3.0, 3.0), tilt_degrees=(12.0, -8.0, 20.0)
        ),
    ],
    ids=["flipped", "permuted", "oblique"],
)
def test_structures_stay_in_place_on_any_orientation(grid: PhantomGrid) -> None:
    here = make_cardiac_subject("ct", 2, grid=AXIAL)
    there = make_cardiac_subject("ct", 2, grid=grid)
    assert orientation_code(there.image.affine_ras) == grid.orientation
    for label in CardiacLabel:
        np.testing.assert_allclose(
            _centroid_ras(there, label), _centroid_ras(here, label), atol=1.0, err_msg=label.name
        )


@pytest.mark.parametrize("modality", MODALITIES)
def test_the_heart_lies_as_in_people(modality: CardiacModality) -> None:
    subject = _subject(modality, 4)
    right, front, up = range(3)
    myocardium, atrium, ventricle, aorta = (_centroid_ras(subject, label) for label in CardiacLabel)
    assert ventricle[right] < aorta[right]
    assert ventricle[front] > atrium[front]
    assert aorta[up] > atrium[up] > ventricle[up]
    assert np.linalg.norm(myocardium - ventricle) < 15


@pytest.mark.parametrize("matrix_ijk", [(5, 7, 1), (1, 1, 1), (17, 3, 9)])
def test_any_matrix_can_be_acquired(matrix_ijk: tuple[int, int, int]) -> None:
    grid = PhantomGrid(matrix_ijk=matrix_ijk, spacing_mm=(0.6, 11.0, 8.0), orientation="SRP")
    for modality in MODALITIES:
        subject = make_cardiac_subject(modality, 0, grid=grid)
        assert subject.image.shape_ijk == matrix_ijk
        assert np.isfinite(subject.image.array_kji).all()


def test_a_grid_stays_where_it_was_put() -> None:
    grid = PhantomGrid(
        matrix_ijk=(3, 3, 3), spacing_mm=(2.0, 2.0, 2.0), centre_ras_mm=(10.0, 20.0, 30.0)
    )
    affine = make_cardiac_subject("ct", 0, grid=grid).image.affine_ras
    np.testing.assert_allclose(affine @ (1, 1, 1, 1), (10, 20, 30, 1))


@pytest.mark.parametrize(
    "arguments",
    [
        {"matrix_ijk": (0, 4, 4), "spacing_mm": (1.0, 1.0, 1.0)},
        {"matrix_ijk": (4, 4, 4), "spacing_mm": (1.0, -1.0, 1.0)},
        {"matrix_ijk": (4, 4, 4), "spacing_mm": (1.0, float("nan"), 1.0)},
        {"matrix_ijk": (4, 4, 4), "spacing_mm": (1.0, 1.0, 1.0), "orientation": "LRS"},
        {"matrix_ijk": (4, 4, 4), "spacing_mm": (1.0, 1.0, 1.0), "orientation": "LPX"},
    ],
)
def test_impossible_grids_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        PhantomGrid(**arguments)


def test_unknown_modality_and_negative_seed_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="mr_bssfp"):
        make_cardiac_subject("mr_bsfp", 0)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="seed"):
        make_cardiac_subject("ct", -1)


def test_brighter_fat_changes_nothing_but_the_fat() -> None:
    usual, bright = (
        _subject("mr_bssfp", 0),
        make_cardiac_subject("mr_bssfp", 0, fat_to_blood=(1.15, 1.5)),
    )
    assert (usual.labels.array_kji == bright.labels.array_kji).all()
    assert (usual.image.affine_ras == bright.image.affine_ras).all()
    scans = usual.facts["scan"], bright.facts["scan"]
    assert {name for name in scans[0] if scans[0][name] != scans[1][name]} == {"fat_to_blood"}
    assert 1.15 <= scans[1]["fat_to_blood"] <= 1.5
    tissues = usual.facts["tissues"], bright.facts["tissues"]
    changed = {name for name in tissues[0] if tissues[0][name] != tissues[1][name]}
    assert changed == {"fat", "mediastinal_fat", "epicardial_fat"}


@pytest.mark.parametrize("seed", MEASURED_SEEDS)
def test_fat_is_as_much_brighter_as_was_drawn(seed: int) -> None:
    usual, tissue = _tissue("mr_bssfp", seed)
    subject = make_cardiac_subject("mr_bssfp", seed, grid=AXIAL, fat_to_blood=(1.15, 1.5))
    drawn = subject.facts["scan"]["fat_to_blood"]
    before = _subject("mr_bssfp", seed).facts["scan"]["fat_to_blood"]
    inside = ndimage.binary_erosion(tissue == TISSUE_INDEX[Tissue.FAT])
    ratio = np.median(subject.image.array_kji[inside] / usual[inside])
    assert ratio == pytest.approx(drawn / before, rel=0.05)


@pytest.mark.parametrize(
    ("modality", "fat_to_blood"),
    [("ct", (1.0, 2.0)), ("mr_bssfp", (2.0, 1.0)), ("mr_bssfp", (0.0, 1.0))],
)
def test_impossible_fat_is_refused(
    modality: CardiacModality, fat_to_blood: tuple[float, float]
) -> None:
    with pytest.raises(ConfigError, match="fat_to_blood"):
        make_cardiac_subject(modality, 0, fat_to_blood=fat_to_blood)
