"""Pictures that a run draws of itself: translated slices and predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import qt

from CrossModalSegLib.bridge.training.run_log import Preview

LEAST_WIDTH_PX = 260
FRAME_PX = 40


class TrainPreviews:
    """Shows the newest picture, or an earlier one that the user went back to.

    Args:
        ui: Widgets of TrainProgressPanel.ui.
    """

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        self._previews: tuple[Preview, ...] = ()
        self._index = -1
        self._is_newest = True
        self._shown: tuple[Any, ...] = ()
        ui.previousPreviewButton.clicked.connect(lambda *_args: self._step(-1))
        ui.nextPreviewButton.clicked.connect(lambda *_args: self._step(1))
        self.clear()

    def clear(self) -> None:
        """Show nothing."""
        self._previews, self._index, self._is_newest, self._shown = (), -1, True, ()
        self._ui.previewLabel.clear()
        self._ui.previewCaption.setText("")
        self._update_buttons()

    def update(self, previews: Sequence[Preview]) -> None:
        """Take in the pictures that there are now."""
        self._previews = tuple(previews)
        if self._is_newest or self._index >= len(self._previews):
            self._index = len(self._previews) - 1
        self._show()

    def _step(self, by: int) -> None:
        self._index = min(max(0, self._index + by), len(self._previews) - 1)
        self._is_newest = self._index == len(self._previews) - 1
        self._show()

    def _show(self) -> None:
        self._update_buttons()
        if self._index < 0 or self._ui.previewButton.collapsed:
            return
        preview = self._previews[self._index]
        width = max(LEAST_WIDTH_PX, self._ui.previewButton.width - FRAME_PX)
        if (preview, width) == self._shown:
            return
        pixmap = qt.QPixmap(str(preview.path))
        if pixmap.isNull():  # not there any more
            self._ui.previewLabel.setText(str(preview.path))
        else:
            scaled = pixmap.scaledToWidth(width, qt.Qt.SmoothTransformation)
            self._ui.previewLabel.setPixmap(scaled)
        self._ui.previewCaption.setText(preview.caption)
        self._shown = (preview, width)

    def _update_buttons(self) -> None:
        self._ui.previousPreviewButton.setEnabled(self._index > 0)
        self._ui.nextPreviewButton.setEnabled(self._index < len(self._previews) - 1)
