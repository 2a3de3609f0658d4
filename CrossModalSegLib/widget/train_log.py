"""What a training said: warnings and errors of its journal, then the end of its log file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from CrossModalSegLib.bridge.training.run_log import RunLog

TAIL_BYTES = 20_000


class TrainLog:
    """Shows them while the section is open.

    Args:
        ui: Widgets of TrainProgressPanel.ui.
    """

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        self._file: Path | None = None
        self._shown = ""

    def set_file(self, file: Path) -> None:
        """Show the log of another run."""
        self._file, self._shown = file, ""
        self._ui.logText.setPlainText("")

    def update(self, log: RunLog | None) -> None:
        """Show what is there now."""
        if self._ui.logButton.collapsed:
            return
        lines = []
        for message in log.messages if log is not None else ():
            clock = time.strftime("%H:%M:%S", time.localtime(message.time))
            lines.append(f"{clock}  {message.event}: {message.message} {message.hint}".rstrip())
        text = "\n".join([*lines, *_tail(self._file)])
        if text != self._shown:
            self._shown = text
            self._ui.logText.setPlainText(text)
            bar = self._ui.logText.verticalScrollBar()
            bar.setValue(bar.maximum)


def _tail(file: Path | None) -> list[str]:
    """Return the last lines of a file; none if there is no file."""
    if file is None:
        return []
    try:
        with file.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - TAIL_BYTES))
            text = stream.read().decode("utf-8", errors="replace")
    except OSError:
        return []
    lines = text.splitlines()
    return lines[1:] if size > TAIL_BYTES else lines
