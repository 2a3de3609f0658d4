"""Which models ship, and what becomes of them on the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from CrossModalSegLib.bundle.reading import read_bundle
from CrossModalSegLib.bundle.schema import (
    BundleConfig,
    CohortReference,
    Modalities,
    TrainingProvenance,
)
from CrossModalSegLib.bundle.writing import write_bundle
from CrossModalSegLib.cli.benchmark_folder import BenchmarkFolder, open_folder
from CrossModalSegLib.cli.benchmark_results import read_results
from CrossModalSegLib.cli.benchmark_settings import trial_settings
from CrossModalSegLib.cli.benchmark_state import new_state, write_state
from CrossModalSegLib.cli.benchmark_suite import Suite, Trial, load_suite
from CrossModalSegLib.core.config import to_dict
from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.data.phantoms.cardiac import make_cardiac_subject
from CrossModalSegLib.data.phantoms.grid import PhantomGrid
from CrossModalSegLib.data.preprocessing import default_preprocessing
from CrossModalSegLib.data.volume_files import write_volume
from CrossModalSegLib.evaluation.provenance import Provenance
from CrossModalSegLib.evaluation.score_folder import write_score_folder
from CrossModalSegLib.methods import build_method
from Testing.packaging import make_pretrained
from Testing.packaging.model_choice import mean_agreements
from Testing.unit.made_benchmark import made_record

TINY_GRID = PhantomGrid(matrix_ijk=(32, 16, 32), spacing_mm=(6.0, 10.0, 6.0), orientation="LPS")


def test_agreement_is_the_mean_dice_with_the_other_models() -> None:
    subjects = [
        {
            "a": np.array([1, 1, 2, 0], dtype=np.uint8),
            "b": np.array([1, 1, 0, 0], dtype=np.uint8),
            "c": np.array([1, 0, 2, 2], dtype=np.uint8),
        }
    ]
    # a-b: structure 1: 4/4, 2: 0/1; a-c: 2/3, 2/3; b-c: 2/3, 0/2
    expected = {"a": (0.5 + 2 / 3) / 2, "b": (0.5 + 1 / 3) / 2, "c": (2 / 3 + 1 / 3) / 2}
    assert mean_agreements(subjects, [1, 2]) == pytest.approx(expected)


def test_voxels_of_all_subjects_count_together() -> None:
    one = {"a": np.array([1, 1, 1], np.uint8), "b": np.array([1, 1, 1], np.uint8)}
    two = {"a": np.array([1, 0, 0], np.uint8), "b": np.array([0, 0, 0], np.uint8)}
    assert mean_agreements([one, two], [1]) == pytest.approx({"a": 6 / 7, "b": 6 / 7})


def test_models_that_find_nothing_agree_on_nothing() -> None:
    empty = np.zeros(4, np.uint8)
    found = np.array([1, 0, 0, 0], np.uint8)
    agreements = mean_agreements([{"a": empty, "b": empty, "c": found, "d": found}], [1])
    assert agreements["c"] > agreements["a"] == 0


class Trained:
    """A benchmark's folder with random models of two methods."""

    def __init__(self, path: Path) -> None:
        self.suite: Suite = load_suite("phantom")
        self.folder: BenchmarkFolder = open_folder(path, self.suite)
        self.direction = self.suite.directions[0]
        for number in range(2):
            subject = make_cardiac_subject("mr_bssfp", number, grid=TINY_GRID)
            case = self.folder.data("cardiac", "mr_bssfp_train") / f"case_{number}"
            write_volume(subject.image, case / "image.nii.gz")

    def add(self, name: str, dice: float) -> None:
        rows = {row.name: row for row in self.suite.rows}
        trial = Trial(self.direction, rows[name], 0)
        settings = trial_settings(self.suite, self.direction, rows[name], "quick")
        place = self.folder.trial(trial)
        write_state(
            place,
            replace(
                new_state(trial, settings, phantom={}, sources="0", device="cpu"),
                status="finished",
            ),
        )
        self._write_bundle(place.bundle, name)
        records = [
            made_record(name, f"case_{number}", region.name, dice)
            for number in range(3)
            for region in TASKS["cardiac"].regions
        ]
        place.scores.mkdir(parents=True)
        provenance = Provenance(version="0", command="", task="cardiac", policy="brats")
        write_score_folder(place.scores, records, provenance)

    def _write_bundle(self, path: Path, name: str) -> None:
        torch.manual_seed(len(name))
        backbone = {"name": "unet", "width": 4, "levels": 2}
        method = build_method(name, {"num_classes": 5, "backbone": backbone})
        weights = {
            key: tensor
            for key, tensor in method.state_dict().items()
            if key.partition(".")[0] in method.deployed
        }
        source, target = MODALITIES["ct"], MODALITIES["mr_bssfp"]
        cohorts = (
            CohortReference(domain="source", dataset="folder", content_hash="a", num_cases=20),
            CohortReference(domain="target", dataset="folder", content_hash="b", num_cases=20),
        )
        config = BundleConfig(
            name="trained",
            title="Trained",
            method=name,
            method_settings=to_dict(method.config),
            task=TASKS["cardiac"],
            modalities=Modalities(source=source, target=target),
            preprocessing=default_preprocessing(
                TASKS["cardiac"], target, matrix=(16, 16), spacing_mm=(12.0, 12.0)
            ),
            training=TrainingProvenance(preset="quick", seed=0, cohorts=cohorts),
        )
        write_bundle(path, config, weights)


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trained:
    monkeypatch.setattr(make_pretrained, "UNSEEN_SEEDS", (1,))
    monkeypatch.setattr(
        make_pretrained,
        "unseen_image",
        lambda _, seed: make_cardiac_subject("mr_bssfp", seed, grid=TINY_GRID).image,
    )
    monkeypatch.setattr(make_pretrained, "LEAST_AGREEMENT", 0.0)  # of random networks
    float32 = dict([*make_pretrained.COMPARISONS.items()][:1])  # bfloat16 takes most of the time
    monkeypatch.setattr(make_pretrained, "COMPARISONS", float32)
    monkeypatch.setattr(make_pretrained, "DIRECTIONS", ("cardiac_ct_to_mr",))
    trained = Trained(tmp_path / "benchmark")
    trained.add("dsan", 0.7)
    return trained


def make(trained: Trained, output: Path, *options: str) -> int:
    return make_pretrained.main([str(trained.folder.path), "--output", str(output), *options])


def test_a_named_model_ships_in_half_precision_with_its_scores(
    trained: Trained, tmp_path: Path
) -> None:
    output = tmp_path / "pretrained"
    assert make(trained, output, "--choose", "cardiac_ct_to_mr=dsan") == 0
    (path,) = output.iterdir()
    assert path.name == "cardiac_ct_to_mr_bssfp_dsan"
    bundle = read_bundle(path)
    weights = load_file(path / "models" / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values() if tensor.is_floating_point()} == {
        torch.float16
    }
    (scores,) = bundle.config.scores
    assert (scores.domain, scores.split, scores.num_cases) == ("target", "test", 3)
    assert scores.means["dice"]["LVC"] == pytest.approx(0.7)
    for text in (bundle.config.description, bundle.config.intended_use):
        assert "trained on synthetic phantoms only" in text.lower()
        assert "must not be used on patients" in text
    command = "--tasks cardiac_ct_to_mr --methods dsan --seeds 0 --preset quick"
    assert command in bundle.config.description
    assert "named beforehand" in bundle.config.description


def test_scores_on_unseen_subjects_do_not_choose(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained.add("glua", 0.99)
    agreements = {"dsan": 0.8, "glua": 0.3}
    monkeypatch.setattr(make_pretrained, "agreements_of", lambda *_: agreements)
    output = tmp_path / "pretrained"
    assert make(trained, output) == 0
    assert [path.name for path in output.iterdir()] == ["cardiac_ct_to_mr_bssfp_dsan"]
    description = read_bundle(output / "cardiac_ct_to_mr_bssfp_dsan").config.description
    assert "Chosen without labels" in description
    assert "0.800" in description


def test_agreement_is_measured_on_the_targets_training_subjects(trained: Trained) -> None:
    trained.add("glua", 0.5)
    results = read_results(trained.folder, trained.suite)
    candidates = {name: results.of(trained.direction, name)[0] for name in ("dsan", "glua")}
    agreements = make_pretrained.agreements_of(candidates, trained.suite, trained.folder.path)
    assert agreements["dsan"] == agreements["glua"]  # there are but two
    assert 0 <= agreements["dsan"] < 1


def test_one_method_alone_cannot_be_chosen_from(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="expected at least two to choose from"):
        make(trained, tmp_path / "pretrained")
    with pytest.raises(SystemExit, match="glua was not run"):
        make(trained, tmp_path / "pretrained", "--choose", "cardiac_ct_to_mr=glua")


def test_a_model_that_changes_or_is_too_large_is_not_written(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "pretrained"
    monkeypatch.setattr(make_pretrained, "LARGEST_BYTES", 1000)
    assert make(trained, output, "--choose", "cardiac_ct_to_mr=dsan") == 1
    monkeypatch.setattr(make_pretrained, "LARGEST_BYTES", 2**21)
    monkeypatch.setattr(make_pretrained, "LEAST_AGREEMENT", 1.1)
    assert make(trained, output, "--choose", "cardiac_ct_to_mr=dsan") == 1
    assert not output.exists()


def test_dice_is_over_all_subjects() -> None:
    first = [np.array([1, 1]), np.array([0, 0])]
    second = [np.array([1, 1]), np.array([1, 0])]
    assert [*make_pretrained.dices(first, second, (1, 2))] == [pytest.approx(4 / 5), 1.0]


def test_every_direction_that_ships_is_one_of_the_suite() -> None:
    names = {direction.name for direction in load_suite("phantom").directions}
    assert set(make_pretrained.DIRECTIONS) <= names
    rows = {row.name for row in load_suite("phantom").rows}
    assert set(make_pretrained.METHODS_THAT_SHIP) <= rows
