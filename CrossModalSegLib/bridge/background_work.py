"""Work with files beside the program's own thread, for pages that must not freeze."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

YIELD_SECONDS = 0.005
"""Given to the other thread at each poll: inside Slicer, Qt's own loop runs with Python's lock."""

OnResult = Callable[[Any], None]
OnError = Callable[[Exception], None]


class BackgroundWork:
    """Runs one function at a time in a thread; tells the result on the thread that polls."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="CrossModalSeg")
        self._future: Future[Any] | None = None
        self._listeners: tuple[OnResult, OnError] | None = None

    @property
    def is_active(self) -> bool:
        """Whether something runs, or has ended and was not told yet."""
        return self._future is not None

    def start(self, work: Callable[[], Any], on_result: OnResult, on_error: OnError) -> bool:
        """Begin, unless something runs already.

        Args:
            work: Runs in the thread; touches neither Qt nor the scene.
            on_result: Called from `poll` with what it returned.
            on_error: Called from `poll` with what it raised.

        Returns:
            Whether it was begun.
        """
        if self._future is not None:
            return False
        self._listeners = (on_result, on_error)
        self._future = self._executor.submit(work)
        return True

    def poll(self) -> None:
        """Tell of the end of the work; call it regularly, from one thread."""
        future, listeners = self._future, self._listeners
        if future is None or listeners is None:
            return
        wait([future], timeout=YIELD_SECONDS)
        if not future.done():
            return
        self._future = self._listeners = None
        on_result, on_error = listeners
        error = future.exception()
        if error is None:
            on_result(future.result())
        elif isinstance(error, Exception):
            on_error(error)
        else:
            raise error

    def shutdown(self) -> None:
        """Wait for what runs, so that nothing is left half-written, and tell nobody."""
        self._future = self._listeners = None
        self._executor.shutdown(wait=True)
