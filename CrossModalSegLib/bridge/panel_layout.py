"""Put the views of a case together: headings, orientation letters, legend, scale bar."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.bridge.case_panel import CasePanel
from CrossModalSegLib.bridge.drawing import REFERENCE_COLOUR
from CrossModalSegLib.bridge.planes import ANTERIOR_VIEW_LETTERS, EdgeLetters, SlicePlane
from CrossModalSegLib.bridge.segmentations import structures_of
from CrossModalSegLib.core.config import atomic_write
from CrossModalSegLib.core.tasks import Colour

Tiles = list[list[NDArray[np.uint8]]]
"""Pictures by column, then by row: axial, coronal, sagittal, 3D."""

SCALE_BAR_MM = 20.0
SURFACE_ROW = "3D, from the front"

_DOTS_PER_INCH = 100
_GAP_PX, _LEFT_PX, _TOP_PX, _LINE_PX = 6, 36, 92, 24
_PAPER, _INK, _MUTED, _LETTER = "#14161a", "#f2f4f7", "#a7afba", "#ffe08a"
_LEGEND_POINTS = 10.0


def write_panel(panel: CasePanel, tiles: Tiles, path: Path, note: str = "") -> None:
    """Write the picture of a case as PNG.

    Args:
        panel: What the tiles show.
        tiles: Square pictures of `panel.tile_px`, by column and row.
        path: Replaced if it is there.
        note: Remark at the lower edge.

    Raises:
        StorageError: The disk is full or not writable.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    sheet = _Sheet(panel, len(tiles), note)
    for column, pictures in enumerate(tiles):
        for row, picture in enumerate(pictures):
            sheet.place(picture, column, row)
    sheet.write_headings()
    sheet.write_legend()
    FigureCanvasAgg(sheet.figure)
    with atomic_write(path) as temporary:
        sheet.figure.savefig(
            temporary, dpi=_DOTS_PER_INCH, facecolor=_PAPER, metadata={"Software": None}
        )


class _Sheet:
    """A figure on which things are placed by pixel, from the upper left."""

    def __init__(self, panel: CasePanel, columns: int, note: str) -> None:
        from matplotlib.figure import Figure

        self.panel, self.planes = panel, panel.planes()
        self._step = panel.tile_px + _GAP_PX
        self._width = _LEFT_PX + max(columns, 1) * self._step
        self._legend_lines = self._wrap_legend()
        self._notes = self._wrap_notes(note)
        lines = len(self._legend_lines) + len(self._notes)
        rows = len(self.planes) + 1
        self._height = _TOP_PX + rows * self._step + lines * _LINE_PX + 2 * _GAP_PX
        size = (self._width / _DOTS_PER_INCH, self._height / _DOTS_PER_INCH)
        self.figure: Any = Figure(figsize=size, dpi=_DOTS_PER_INCH)

    def place(self, picture: NDArray[np.uint8], column: int, row: int) -> None:
        """Place one view with its orientation letters."""
        left, top = _LEFT_PX + column * self._step, _TOP_PX + row * self._step
        size = self.panel.tile_px
        axes = self.figure.add_axes(
            (
                left / self._width,
                1 - (top + size) / self._height,
                size / self._width,
                size / self._height,
            )
        )
        axes.imshow(picture, interpolation="nearest")
        axes.set_axis_off()
        is_slice = row < len(self.planes)
        letters = self.planes[row].letters if is_slice else ANTERIOR_VIEW_LETTERS
        self._write_letters(left, top, letters)
        if column == 0 and is_slice:
            self._draw_scale_bar(left, top, self.planes[row])

    def write_headings(self) -> None:
        """Write the title, the names of columns with their captions, and of rows."""
        half = self.panel.tile_px / 2
        self._text(_LEFT_PX, 22, self.panel.title, size=13, weight="bold", align="left")
        for column, name in enumerate(self.panel.columns):
            middle = _LEFT_PX + column * self._step + half
            self._text(middle, 52, name, size=12, weight="bold")
            self._text(middle, 74, self.panel.captions.get(name, ""), size=9.5, colour=_MUTED)
        names = [*(plane.orientation.capitalize() for plane in self.planes), SURFACE_ROW]
        for row, name in enumerate(names):
            middle = _TOP_PX + row * self._step + half
            self._text(_LEFT_PX / 2, middle, name, size=11, rotation=90)

    def write_legend(self) -> None:
        """Write which colour is which structure, then the notes."""
        y = _TOP_PX + (len(self.planes) + 1) * self._step + _LINE_PX / 2
        for line in self._legend_lines:
            x = float(_LEFT_PX)
            for text, colour, is_outline in line:
                self._draw_key(x, y, colour, is_outline=is_outline)
                self._text(x + 22, y, text, size=_LEGEND_POINTS, align="left")
                x += _legend_width(text)
            y += _LINE_PX
        for text in self._notes:
            self._text(_LEFT_PX, y, text, size=9, colour=_MUTED, align="left")
            y += _LINE_PX

    def _write_letters(self, left: float, top: float, letters: EdgeLetters) -> None:
        size, inset = self.panel.tile_px, 11
        middle = size / 2
        for x, y, letter in (
            (inset, middle, letters.left),
            (size - inset, middle, letters.right),
            (middle, inset, letters.top),
            (middle, size - inset, letters.bottom),
        ):
            self._text(left + x, top + y, letter, size=11, weight="bold", colour=_LETTER)

    def _draw_scale_bar(self, left: float, top: float, plane: SlicePlane) -> None:
        length = SCALE_BAR_MM / plane.field_of_view_mm * plane.size_px
        if length > plane.size_px / 2:
            return
        x, y = left + plane.size_px - 14 - length, top + plane.size_px - 14
        self._line((x, x + length), (y, y), _LETTER, width=2)
        self._text(x + length / 2, y - 9, f"{SCALE_BAR_MM / 10:g} cm", size=8, colour=_LETTER)

    def _draw_key(self, x: float, y: float, colour: Colour, *, is_outline: bool) -> None:
        shade = tuple(part / 255 for part in colour)
        if is_outline:
            self._line((x, x + 14), (y, y), shade, width=2.5)
        else:
            self._line((x, x + 14), (y, y), shade, width=9)

    def _text(  # noqa: PLR0913  (the attributes of a text)
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float,
        colour: str = _INK,
        weight: str = "normal",
        align: str = "center",
        rotation: float = 0,
    ) -> None:
        from matplotlib.patheffects import withStroke

        self.figure.text(
            x / self._width,
            1 - y / self._height,
            text.replace("$", r"\$"),
            fontsize=size,
            color=colour,
            weight=weight,
            ha=align,
            va="center",
            rotation=rotation,
            path_effects=[withStroke(linewidth=2, foreground=_PAPER)],
        )

    def _line(
        self, x: tuple[float, float], y: tuple[float, float], colour: Any, width: float
    ) -> None:
        from matplotlib.lines import Line2D

        self.figure.add_artist(
            Line2D(
                [value / self._width for value in x],
                [1 - value / self._height for value in y],
                color=colour,
                linewidth=width,
                solid_capstyle="butt",
            )
        )

    def _wrap_legend(self) -> list[list[tuple[str, Colour, bool]]]:
        """Break the legend into lines that fit the sheet."""
        keys = [
            (
                entry.label if entry.label == entry.name else f"{entry.label} ({entry.name})",
                entry.colour,
                False,
            )
            for entry in structures_of(self.panel.task)
        ]
        if self.panel.reference is not None:
            keys.append(("Outline of the reference", REFERENCE_COLOUR, True))
        lines: list[list[tuple[str, Colour, bool]]] = [[]]
        used = float(_LEFT_PX)
        for key in keys:
            if lines[-1] and used + _legend_width(key[0]) > self._width:
                lines.append([])
                used = float(_LEFT_PX)
            lines[-1].append(key)
            used += _legend_width(key[0])
        return lines

    def _wrap_notes(self, note: str) -> list[str]:
        right, front, top = self.planes[0].centre_ras
        place = (
            f"Planes through {abs(right):.1f} mm {'R' if right >= 0 else 'L'}, "
            f"{abs(front):.1f} mm {'A' if front >= 0 else 'P'}, "
            f"{abs(top):.1f} mm {'S' if top >= 0 else 'I'}"
        )
        characters = max(20, math.floor((self._width - _LEFT_PX) / 6.5))
        return [line for text in (place, note) for line in textwrap.wrap(text, characters)]


def _legend_width(text: str) -> float:
    """Return the pixels that a key of the legend takes, colour and gap included."""
    from matplotlib.textpath import TextPath

    pixels = _LEGEND_POINTS * _DOTS_PER_INCH / 72
    return float(22 + TextPath((0, 0), text, size=pixels).get_extents().width + 26)
