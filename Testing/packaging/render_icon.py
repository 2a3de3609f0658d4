"""Render the extension's icon, drawn as SVG, to the PNG files that Slicer and the index show.

.venv/bin/python Testing/packaging/render_icon.py
"""

from __future__ import annotations

import sys
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QImage, QPainter
from PySide6.QtSvg import QSvgRenderer

ROOT = Path(__file__).resolve().parents[2]
DRAWING = ROOT / "Resources" / "Icons" / "CrossModalSeg.svg"
SIZE = 128
RENDERED = (
    ROOT / "Resources" / "Icons" / "CrossModalSeg.png",
    ROOT / "CrossModalSeg" / "Resources" / "Icons" / "CrossModalSeg.png",
)
"""The icon of the extension in the catalogue, and that of the module in Slicer."""


def render(size: int = SIZE) -> QImage:
    """Draw the icon on a transparent square of `size` pixels."""
    renderer = QSvgRenderer(str(DRAWING))
    image = QImage(size, size, QImage.Format.Format_ARGB32)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    renderer.render(painter)
    painter.end()
    return image


def main() -> int:
    """Write the PNG files."""
    image = render()
    for path in RENDERED:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not image.save(str(path)):
            sys.stderr.write(f"{path} could not be written.\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
