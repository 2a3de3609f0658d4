"""What training needs beyond prediction: said on top of the page, and got after asking."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer
from slicer.i18n import tr as _

from CrossModalSegLib.bridge.installation import Installer
from CrossModalSegLib.bridge.segment_service import text_of
from CrossModalSegLib.core.errors import Cancelled, CrossModalSegError
from CrossModalSegLib.widget.installation_panel import FRAME_STYLE


class TrainInstallation:
    """The frame on top of the page, there only while something is missing.

    Args:
        ui: Widgets of TrainPage.ui.
        installer: Of the packages for training.
        on_installed: Called when packages came: what runs has others in memory.
    """

    def __init__(self, ui: Any, installer: Installer, on_installed: Callable[[], None]) -> None:
        self._ui, self._installer, self._on_installed = ui, installer, on_installed
        self.is_ready = False
        ui.installationFrame.setStyleSheet(FRAME_STYLE)
        ui.installButton.clicked.connect(self._install)
        ui.checkAgainButton.clicked.connect(self._check_again)
        ui.installationFrame.setVisible(False)

    def check(self) -> None:
        """Look at what is installed; quick, and nothing is imported."""
        state = self._installer.check()
        self.is_ready = state.ready
        self._ui.installationFrame.setVisible(not state.ready)
        self._ui.installationLabel.setText(state.explanation)
        self._ui.statusLabel.setText("")

    def cleanup(self) -> None:
        """Try no imports any more."""
        self._installer.shutdown()

    def _check_again(self, *_args: object) -> None:
        self._installer.forget()
        self.check()

    def _install(self, *_args: object) -> None:
        self._ui.installButton.setEnabled(False)
        try:
            self._installer.install(on_line=self._show_line, ask=self._ask)
        except Cancelled:
            self._show_line(_("Nothing was installed."))
        except CrossModalSegError as error:
            self._ui.installationLabel.setText(text_of(error))
            return
        finally:
            self._ui.installButton.setEnabled(True)
        self._on_installed()
        self._check_again()

    def _show_line(self, line: str) -> None:
        self._ui.statusLabel.setText(line)
        slicer.app.processEvents()

    @staticmethod
    def _ask(question: str) -> bool:
        return bool(slicer.util.confirmOkCancelDisplay(question))
