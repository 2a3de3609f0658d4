"""Qt's event loop as it runs inside Slicer: Python's other threads wait while it idles.

Slicer's loop is C++ that never lets go of Python's lock (GIL), so a thread runs only while some
slot in Python lets it: code that relies on threads would work in tests and stand still in Slicer.
PySide6 lets go of the lock; where its libraries allow, the loop is called here without doing so.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import PySide6
import shiboken6
from PySide6 import QtCore

_EXEC = "_ZN10QEventLoop4execE6QFlagsINS_17ProcessEventsFlagEE"
"""`int QEventLoop::exec(ProcessEventsFlags)`, as compilers on Linux and macOS name it."""

_LIBRARIES = {
    "linux": "Qt/lib/libQt6Core.so.6",
    "darwin": "Qt/lib/QtCore.framework/Versions/A/QtCore",
}


def _locked_exec() -> Callable[[Any], None] | None:
    name = _LIBRARIES.get(sys.platform)
    path = Path(PySide6.__path__[0]) / name if name else None
    if path is None or not path.is_file():
        return None
    function = getattr(ctypes.PyDLL(str(path)), _EXEC, None)  # PyDLL keeps the lock
    if function is None:
        return None
    function.argtypes = [ctypes.c_void_p, ctypes.c_int]

    def run(loop: QtCore.QEventLoop) -> None:
        function(shiboken6.getCppPointer(loop)[0], 0)

    return run


_run = _locked_exec()
KEEPS_LOCK = _run is not None
"""Whether threads wait here as they do in Slicer."""


def run_loop(milliseconds: int) -> None:
    """Let Qt work and idle for a while."""
    loop = QtCore.QEventLoop()
    timer = QtCore.QTimer()
    timer.setSingleShot(True)
    timer.setTimerType(QtCore.Qt.TimerType.PreciseTimer)
    timer.timeout.connect(loop.quit)
    timer.start(milliseconds)
    if _run is not None:
        _run(loop)
    else:
        loop.exec()
