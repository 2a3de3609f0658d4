"""First run: what is missing, why, and a button that gets it after asking."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer
from slicer.i18n import tr as _

from CrossModalSegLib.bridge.segment_service import SegmentService, text_of
from CrossModalSegLib.core.errors import Cancelled, CrossModalSegError

FRAME_STYLE = "QFrame#installationFrame { background: #cfe2ff; } QLabel { color: #052c65; }"


class InstallationPanel:
    """The frame on top of the page, there only while something is missing.

    Args:
        ui: Widgets of SegmentPage.ui.
        service: Knows the installer.
        on_changed: Called when what is installed has changed.
    """

    def __init__(self, ui: Any, service: SegmentService, on_changed: Callable[[], None]) -> None:
        self._ui = ui
        self._service = service
        self._on_changed = on_changed
        self.is_ready = False
        self.is_verifying = False
        """Whether imports are being tried, beside Slicer; `check` tells what came out."""
        ui.installationFrame.setStyleSheet(FRAME_STYLE)
        ui.installButton.clicked.connect(self._install)
        ui.checkAgainButton.clicked.connect(self._check_again)

    def check(self) -> None:
        """Look at what is installed; quick, and nothing is imported."""
        state = self._service.installer.check()
        self.is_ready, self.is_verifying = state.ready, state.is_verifying
        self._ui.installationFrame.setVisible(not state.ready)
        self._ui.installationLabel.setText(state.explanation)

    def _check_again(self, *_args: object) -> None:
        self._service.installer.forget()
        self.check()
        self._on_changed()

    def _install(self, *_args: object) -> None:
        self._ui.installButton.setEnabled(False)
        try:
            self._service.installer.install(on_line=self._show_line, ask=self._ask)
        except Cancelled:
            self._show_line(_("Nothing was installed."))
        except CrossModalSegError as error:
            self._ui.installationLabel.setText(text_of(error))
            return
        finally:
            self._ui.installButton.setEnabled(True)
        self._service.jobs.restart()
        self._check_again()

    def _show_line(self, line: str) -> None:
        self._ui.statusLabel.setText(line)
        slicer.app.processEvents()

    @staticmethod
    def _ask(question: str) -> bool:
        return bool(slicer.util.confirmOkCancelDisplay(question))
