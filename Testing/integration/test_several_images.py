"""Several images of each case from the command line: prepare, train, look, segment."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from CrossModalSegLib.cli.main import main
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.volume_files import read_image, read_labels, write_volume

NAMES = ("flair", "t1", "t2")
AFFINE_RAS = np.diag([-2.0, -2.0, 3.0, 1.0])

OVERRIDES = (
    "method.iterations=4",
    "method.backbone.width=4",
    "method.backbone.levels=2",
    "training.batch_size=2",
    "training.log_every=2",
    "training.checkpoint_every=4",
    "training.validate_every=4",
    "training.preview_every=4",
)


def run(*words: str | Path) -> int:
    return main([str(word) for word in words])


def write_subject(folder: Path, seed: int) -> None:
    """Write FLAIR, T1 and a finer T2 of one tumour."""
    generator = np.random.default_rng(seed)
    labels = np.zeros((6, 18, 20), np.uint8)
    labels[1:5, 4:13, 5:15] = 2
    labels[2:4, 6:11, 8:13] = 1
    labels[2:4, 8, 10] = 3
    for number, name in enumerate(NAMES):
        image = generator.normal(300, 30, labels.shape) + 90.0 * number * (labels > 0)
        affine = AFFINE_RAS
        if name == "t2":
            image = np.repeat(np.repeat(image, 2, axis=1), 2, axis=2)
            affine = np.diag([-1.0, -1.0, 3.0, 1.0])
            affine[:2, 3] = 0.5
        write_volume(Volume(image.astype(np.float32), affine), folder / f"image_{name}.nii.gz")
    write_volume(Volume(labels, AFFINE_RAS), folder / "label.nii.gz")


def test_from_files_to_a_segmentation_by_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CROSSMODALSEG_HOME", str(tmp_path / "home"))
    for case in range(4):
        write_subject(tmp_path / "raw" / f"p{case}", case)
    silent, json_lines = ("--progress", "silent"), ("--progress", "json")
    prepare = (
        "prepare",
        "--root",
        "raw",
        "--modality",
        *NAMES,
        "--task",
        "brain_tumour",
        "--domain",
        "all",
    )
    assert run(*prepare, "--matrix", "16", "16", "--output", "cohort", *silent) == 0
    assert run("inspect", "cohort", "--verify", *silent) == 0
    assert (tmp_path / "cohort-contact-sheet.png").is_file()
    train = ("train", "--method", "supervised", "--preset", "quick", "--source", "cohort")
    changes = [word for change in OVERRIDES for word in ("--override", change)]
    assert run(*train, "--run", "run", *changes, "--device", "cpu", *silent) == 0

    capsys.readouterr()
    assert run("models", "info", "run/bundle", *json_lines) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])["summary"]
    assert said["inputs"] == ["FLAIR MR", "T1 MR", "T2 MR"]

    images = [Path("raw") / "p0" / f"image_{name}.nii.gz" for name in NAMES]
    segment = ("segment", "--model", "run/bundle", "--device", "cpu", *silent)
    assert run(*segment, "--input", *images, "--output", "p0.nii.gz") == 0
    labels, flair = read_labels(tmp_path / "p0.nii.gz"), read_image(tmp_path / images[0])
    assert labels.shape_kji == flair.shape_kji
    np.testing.assert_allclose(labels.affine_ras, flair.affine_ras, atol=1e-5)
    assert run(*segment, "--input", "raw", "--output", "all") == 0
    assert sorted(path.name for path in (tmp_path / "all").glob("*.nii.gz")) == [
        f"p{case}.nii.gz" for case in range(4)
    ]
    again = read_labels(tmp_path / "all" / "p0.nii.gz")
    assert np.array_equal(again.array_kji, labels.array_kji)
    assert run(*segment, "--input", *images[:2], "--output", "two.nii.gz") == 1
    assert not (tmp_path / "two.nii.gz").exists()


def test_a_method_that_translates_refuses_such_cohorts_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for domain in ("a", "b"):
        for case in range(3):
            write_subject(tmp_path / domain / f"{domain}{case}", case + 10 * (domain == "b"))
        words = (
            "prepare",
            "--root",
            domain,
            "--modality",
            "flair",
            "t1",
            "--task",
            "brain_tumour",
            "--domain",
            "all",
        )
        options = ("--matrix", "16", "16", "--output", f"cohort_{domain}", "--progress", "silent")
        assert run(*words, *options) == 0
    capsys.readouterr()
    train = ("train", "--method", "dsan", "--preset", "quick", "--source", "cohort_a")
    assert run(*train, "--target", "cohort_b", "--run", "run", "--progress", "json") == 1
    assert "dsan works on single images" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()
