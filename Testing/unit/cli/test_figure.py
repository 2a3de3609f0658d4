"""A case as a figure, from the command line."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from CrossModalSegLib.cli.command import UsageError
from CrossModalSegLib.cli.figure import Figure
from CrossModalSegLib.core.errors import GeometryError, OutputExistsError
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.volume_files import write_volume


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Any]:
    labels = np.zeros((6, 10, 12), np.uint8)
    labels[2:4, 3:7, 3:8] = 1
    other = np.roll(labels, 2, axis=2)
    affine = np.diag([2.0, 2.0, 3.0, 1.0])
    for name, array in (("a", labels), ("b", other), ("image", labels.astype(np.float32))):
        write_volume(Volume(array, affine), tmp_path / f"{name}.nii.gz")
    return {
        "task": "whole_tumour",
        "segmentations": (f"a={tmp_path / 'a.nii.gz'}", f"b={tmp_path / 'b.nii.gz'}"),
        "image": tmp_path / "image.nii.gz",
        "output": tmp_path / "figure.png",
    }


def width_of(path: Path) -> int:
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG")
    (width,) = struct.unpack(">I", content[16:20])
    return int(width)


def test_a_figure_is_as_wide_as_was_asked_for(
    files: dict[str, Any], tmp_path: Path, reporter: Reporter, heard: Any
) -> None:
    options = {**files, "reference": tmp_path / "a.nii.gz"}
    Figure(**options, width=777, planes=("axial",), caption=("a=Dice 100 %",)).run(reporter)
    assert width_of(files["output"]) == 777
    assert heard.summary == {"methods": ["a", "b"]}
    with pytest.raises(OutputExistsError):
        Figure(**options).run(reporter)
    Figure(**options, overwrite=True, errors="no", point=(6.0, 8.0, 6.0)).run(reporter)
    assert width_of(files["output"]) > 777


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"width": 100}, "200 to 12000"),
        ({"planes": ()}, "one or more planes"),
        ({"planes": ("axial", "axial")}, "each once"),
        ({"output": Path("figure.jpg")}, r"ends in \.png"),
        ({"segmentations": ("a.nii.gz",)}, "METHOD=VALUE"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    files: dict[str, Any], reporter: Reporter, wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        Figure(**{**files, **wrong}).run(reporter)
    assert not files["output"].exists()


def test_files_of_another_grid_are_refused(
    files: dict[str, Any], tmp_path: Path, reporter: Reporter
) -> None:
    moved = Volume(np.zeros((6, 10, 12), np.uint8), np.eye(4))
    write_volume(moved, tmp_path / "b.nii.gz", overwrite=True)
    with pytest.raises(GeometryError):
        Figure(**files).run(reporter)
