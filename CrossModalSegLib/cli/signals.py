"""Wishes to stop: Ctrl-C, a signal of the system, or a line on standard input."""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from CrossModalSegLib.core.events import CancelToken

_SIGNAL_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
"""Those of them that the system has: SIGHUP not on Windows, SIGBREAK only there."""

STANDARD_INPUT = 0


@contextmanager
def cancelling_signals(cancel: CancelToken) -> Iterator[None]:
    """Set `cancel` at the first signal; a second one raises KeyboardInterrupt where it strikes.

    Signals that the program's parent ignores (`nohup`, jobs in the background) stay ignored.
    Outside the main thread, where Python knows no signals, nothing happens.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        del number, frame
        if cancel.is_set():
            raise KeyboardInterrupt
        cancel.set()
        # Written directly: the signal may have struck in the middle of a print.
        os.write(2, b"\nStopping at the next safe point; press Ctrl-C again to stop at once.\n")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in _SIGNAL_NAMES if hasattr(signal, name)]
    former: dict[int, Any] = {number: signal.getsignal(number) for number in numbers}
    obeyed = [number for number in numbers if former[number] != signal.SIG_IGN]
    for number in obeyed:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number in obeyed:
            signal.signal(number, former[number] or signal.SIG_DFL)


def obey_standard_input(cancel: CancelToken) -> threading.Thread | None:
    """Set `cancel` when a line on standard input asks for it, if standard input is a pipe.

    The end of standard input asks for nothing: a training run may outlive who started it.

    Returns:
        The thread that reads, which never keeps the program alive; None if nobody can write.
    """
    if not _is_pipe(STANDARD_INPUT):
        return None
    thread = threading.Thread(
        target=_read_requests, args=(STANDARD_INPUT, cancel), name="standard input", daemon=True
    )
    thread.start()
    return thread


def is_cancel_request(line: bytes) -> bool:
    """Tell whether a line is `cancel` or a JSON object whose command is that."""
    text = line.decode("utf-8", errors="replace").strip()
    if text == "cancel":
        return True
    try:
        request = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(request, dict) and request.get("command") == "cancel"


def _read_requests(descriptor: int, cancel: CancelToken) -> None:
    """Read the descriptor itself: a buffered stream would be locked when the program ends."""
    pending = b""
    while not cancel.is_set():
        try:
            received = os.read(descriptor, 4096)
        except OSError:
            return
        if not received:
            return
        *lines, pending = (pending + received).split(b"\n")
        pending = pending[-4096:]
        if any(is_cancel_request(line) for line in lines):
            cancel.set()


def _is_pipe(descriptor: int) -> bool:
    if sys.stdin is None or sys.stdin.closed:
        return False
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
