"""A timer that lets Qt-free work take its next small step."""

from __future__ import annotations

from collections.abc import Callable

import qt

MILLISECONDS = 25


class Poller:
    """Calls a function again and again while Qt is idle.

    Args:
        step: Must return within a few milliseconds.
        milliseconds: Between the calls.
    """

    def __init__(self, step: Callable[[], None], milliseconds: int = MILLISECONDS) -> None:
        self._timer = qt.QTimer()
        self._timer.setInterval(milliseconds)
        self._timer.timeout.connect(step)

    def start(self) -> None:
        """Begin, or go on."""
        self._timer.start()

    def stop(self) -> None:
        """Call no more."""
        self._timer.stop()
