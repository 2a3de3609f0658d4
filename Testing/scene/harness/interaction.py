"""What a user does, and what a test wants to know of a window."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from PySide6 import QtCore, QtGui, QtWidgets

from Testing.frozen_heap import frozen_heap
from Testing.scene.harness.event_loop import run_loop
from Testing.scene.harness.failures import failures
from Testing.scene.harness.pythonqt import unwrap

TICK_MILLISECONDS = 10
SETTLING_ROUNDS = 4
"""After which nested layouts have the size that they want."""

LOOK_MILLISECONDS = 20
"""Between two looks at a condition: Python is not run more often than in Slicer."""


def process_events(seconds: float = 0.0) -> None:
    """Let Qt work, at least for a while; then raise what went wrong in it."""
    QtWidgets.QApplication.processEvents()
    if seconds:
        run_loop(round(1000 * seconds))
    failures.raise_any()


def wait_until(condition: Callable[[], Any], seconds: float = 10.0, *, what: str = "") -> None:
    """Let Qt work until something is so.

    Raises:
        AssertionError: It did not happen in time, or a slot raised.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"Not within {seconds} s: {what or 'what was waited for'}")
        run_loop(LOOK_MILLISECONDS)
        failures.raise_any()


def click(button: Any) -> None:
    """Press a button, or the header of a collapsible one.

    Raises:
        AssertionError: A user could not: it is hidden or disabled.
    """
    widget = _usable(button)
    widget.click()
    process_events()


def choose(box: Any, text: str) -> None:
    """Choose an entry of a combo box or of a box of nodes by what it says.

    Raises:
        AssertionError: It is not there, or the box cannot be used.
    """
    widget = _usable(box)
    inner = widget if isinstance(widget, QtWidgets.QComboBox) else widget._box
    index = inner.findText(text)
    texts = [inner.itemText(row) for row in range(inner.count())]
    assert index >= 0, f"{text!r} is none of: {', '.join(texts)}"
    inner.setCurrentIndex(index)
    inner.activated.emit(index)
    process_events()


def enter_text(edit: Any, text: str) -> None:
    """Replace what a line edit says, as by typing.

    Raises:
        AssertionError: A user could not.
    """
    widget = _usable(edit)
    assert not widget.isReadOnly(), f"{widget.objectName()} can only be read"
    widget.setText(text)
    process_events()


def tool_tip(widget: Any) -> str:
    """Return what a user reads who points at a widget."""
    return str(unwrap(widget).toolTip())


def screenshot(
    widget: Any, path: Path, *, width: int | None = None, height: int | None = None
) -> None:
    """Save a picture of a widget, as high as what it has to show.

    Args:
        widget: Is shown if it is not yet.
        path: Of a PNG; replaced.
        width: In pixels; by default what it has.
        height: In pixels; by default what its contents need.
    """
    inner = unwrap(widget)
    inner.show()
    for _ in range(SETTLING_ROUNDS):
        process_events()
        inner.resize(width or inner.width(), height or _needed_height(inner))
    picture = QtGui.QImage(inner.size(), QtGui.QImage.Format.Format_RGB32)
    picture.fill(inner.palette().window().color())
    inner.render(picture)
    path.parent.mkdir(parents=True, exist_ok=True)
    assert picture.save(str(path)), f"{path} could not be written"


class GuiClock:
    """Ticks every 10 ms while Qt is free, and knows the longest time that it was not.

    Time in which other programs had the processor does not count, where the system tells it, and
    neither does the garbage of other tests.

    Attributes:
        longest_gap_seconds: Between two ticks, so far.
        ticks: So far.
    """

    def __init__(self) -> None:
        self.longest_gap_seconds = 0.0
        self.ticks = 0
        self._last = self._last_delay = 0.0
        self._timer = QtCore.QTimer()
        self._timer.setTimerType(QtCore.Qt.TimerType.PreciseTimer)
        self._timer.setInterval(TICK_MILLISECONDS)
        self._timer.timeout.connect(self._tick)
        self._heap = frozen_heap()

    def __enter__(self) -> Self:
        """Begin to tick."""
        self._heap.__enter__()
        self._last, self._last_delay = time.monotonic(), _delayed_seconds()
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Tick no more; the time since the last tick counts too."""
        self._tick()
        self._timer.stop()
        self._heap.__exit__(kind, error, trace)

    def _tick(self) -> None:
        now, delay = time.monotonic(), _delayed_seconds()
        gap = now - self._last - (delay - self._last_delay)
        self.longest_gap_seconds = max(self.longest_gap_seconds, gap)
        self._last, self._last_delay = now, delay
        self.ticks += 1


def _delayed_seconds() -> float:
    """Return how long this thread could have run and had no processor, since it began."""
    try:
        text = Path("/proc/thread-self/schedstat").read_text("ascii")
    except OSError:
        return 0.0
    return int(text.split()[1]) / 1e9


def _needed_height(widget: QtWidgets.QWidget) -> int:
    layout = widget.layout()
    needed = layout.totalHeightForWidth(widget.width()) if layout is not None else -1
    return max(needed, widget.sizeHint().height())


def _usable(widget: Any) -> Any:
    inner = unwrap(widget)
    process_events()
    name = inner.objectName()
    assert inner.isVisible(), f"{name} is hidden; nobody can use it"
    assert inner.isEnabled(), f"{name} is disabled: {inner.toolTip()}"
    return inner
