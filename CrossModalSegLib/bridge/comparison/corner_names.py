"""The names of the methods in the upper left corners of their views."""

from __future__ import annotations

from typing import Any

from CrossModalSegLib.bridge.scene import import_vtk

FONT_PIXELS = 15
MARGIN_PIXELS = 8


class CornerName:
    """A text over everything else in one view.

    It is an actor of its own: Slicer writes the view's corner annotation anew all the time.

    Args:
        window: `vtkRenderWindow` of the view.
    """

    def __init__(self, window: Any) -> None:
        vtk = import_vtk()
        self._renderer = _foremost(window)
        self._actor = vtk.vtkTextActor()
        self._actor.GetPositionCoordinate().SetCoordinateSystemToNormalizedViewport()
        self._actor.SetPosition(0.0, 1.0)
        style = self._actor.GetTextProperty()
        style.SetFontFamilyToArial()
        style.SetFontSize(FONT_PIXELS)
        style.BoldOn()
        style.ShadowOn()
        style.SetColor(1.0, 1.0, 1.0)
        style.SetVerticalJustificationToTop()
        style.SetLineOffset(MARGIN_PIXELS)
        self._renderer.AddViewProp(self._actor)

    def set_text(self, text: str) -> None:
        """Show a text; "": none."""
        self._actor.SetInput(f" {text}" if text else "")

    def remove(self) -> None:
        """Take the text out of the view."""
        self._renderer.RemoveViewProp(self._actor)


def _foremost(window: Any) -> Any:
    """Return the renderer of the highest layer among those that fill the window."""
    renderers = window.GetRenderers()
    found = [renderers.GetItemAsObject(index) for index in range(renderers.GetNumberOfItems())]
    filling = [each for each in found if tuple(each.GetViewport()) == (0.0, 0.0, 1.0, 1.0)]
    return max(filling or found, key=lambda renderer: renderer.GetLayer())
