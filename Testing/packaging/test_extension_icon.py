"""The icon is drawn once, as SVG; the PNG files are renderings of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage

from Testing.packaging.list_installed_files import ICON, ROOT
from Testing.packaging.render_icon import RENDERED, SIZE, render

CLOSE = 12
"""Levels of 255 by which a few pixels on edges may differ between versions of Qt."""


def pixels(image: QImage) -> NDArray[np.int16]:
    image = image.convertToFormat(QImage.Format.Format_RGBA8888)
    data = np.frombuffer(image.constBits(), dtype=np.uint8)
    rows = data.reshape(image.height(), image.bytesPerLine())[:, : 4 * image.width()]
    return rows.reshape(image.height(), image.width(), 4).astype(np.int16)


@pytest.mark.parametrize("path", RENDERED, ids=["extension", "module"])
def test_the_png_file_is_the_drawing(path: Path) -> None:
    stored = pixels(QImage(str(path)))
    assert stored.shape == (SIZE, SIZE, 4)
    difference = np.abs(stored - pixels(render()))
    assert np.mean(difference > CLOSE) < 0.01, "run Testing/packaging/render_icon.py"


def test_the_icon_of_the_catalogue_is_one_of_them() -> None:
    assert ROOT / ICON in RENDERED


def test_the_corners_are_transparent() -> None:
    alpha = pixels(render())[..., 3]
    assert alpha[0, 0] == alpha[-1, -1] == alpha[0, -1] == alpha[-1, 0] == 0


@pytest.mark.parametrize("size", [16, 32])
def test_both_slices_and_the_structure_can_be_told_apart_when_small(size: int) -> None:
    whole = render().scaled(
        size,
        size,
        Qt.AspectRatioMode.KeepAspectRatio,
        Qt.TransformationMode.SmoothTransformation,
    )
    rgb = pixels(whole)[..., :3].astype(float)
    scale = size / SIZE
    first, second, rim, core = (
        rgb[round(y * scale), round(x * scale)]
        for x, y in ((16, 78), (104, 102), (88, 88), (66, 66))
    )
    colours = [first, second, rim, core]
    for number, colour in enumerate(colours):
        for other in colours[number + 1 :]:
            assert np.linalg.norm(colour - other) > 60, (size, colours)
