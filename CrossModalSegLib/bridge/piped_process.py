"""A process whose lines are read, and whose input is written, without ever waiting for it."""

from __future__ import annotations

import subprocess
import threading
import time
from contextlib import suppress
from queue import Empty, Full, Queue, SimpleQueue
from typing import IO, Literal

from CrossModalSegLib.bridge.processes import kill_tree

Stream = Literal["stdout", "stderr"]

MAX_WAITING_LINES = 4096
"""More than these wait in the pipe, and then the process waits."""

MAX_LINE_BYTES = 1_000_000
"""Longer ones are cut: they are no events."""

PUT_SECONDS = 0.2


class PipedProcess:
    """Threads read and write; the owner takes what is there.

    Args:
        process: With pipes on its three streams.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._lines: Queue[tuple[Stream, bytes]] = Queue(MAX_WAITING_LINES)
        self._requests: SimpleQueue[bytes | None] = SimpleQueue()
        self._is_killed = threading.Event()
        self._readers = (
            self._start(self._read, "stdout", process.stdout),
            self._start(self._read, "stderr", process.stderr),
        )
        self._start(self._write, process.stdin)

    @property
    def pid(self) -> int:
        """Of the process that was started, which may be a launcher."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    @property
    def is_torn(self) -> bool:
        """Whether it has exited but somebody still writes for it, or lives but says no more."""
        return (self.exit_code is None) == self._has_output_ended

    @property
    def has_ended(self) -> bool:
        """Whether it has exited and all that it said was taken."""
        is_over = self.exit_code is not None and self._has_output_ended
        return is_over and self._lines.empty()

    def send(self, line: bytes) -> None:
        """Write to its input, soon; lost if it has ended."""
        self._requests.put(line)

    def close_input(self) -> None:
        """End its input after what was sent before."""
        self._requests.put(None)

    def take(self, limit: int, seconds: float) -> list[tuple[Stream, bytes]]:
        """Return the lines that wait: at most `limit`, and no longer than `seconds`."""
        taken: list[tuple[Stream, bytes]] = []
        end = time.perf_counter() + seconds
        with suppress(Empty):
            while len(taken) < limit and time.perf_counter() < end:
                taken.append(self._lines.get_nowait())
        return taken

    def kill(self, seconds: float = 0.0) -> None:
        """Kill it with its descendants; what it said before can still be taken."""
        kill_tree(self._process, seconds)
        self._is_killed.set()
        self.close_input()

    @property
    def _has_output_ended(self) -> bool:
        return not any(reader.is_alive() for reader in self._readers)

    def _start(self, target: object, *arguments: object) -> threading.Thread:
        thread = threading.Thread(
            target=target,  # type: ignore[arg-type]
            args=arguments,
            name=f"pipe of process {self.pid}",
            daemon=True,
        )
        thread.start()
        return thread

    def _read(self, name: Stream, stream: IO[bytes]) -> None:
        with suppress(OSError, ValueError), stream:
            while line := stream.readline(MAX_LINE_BYTES):
                if not self._put((name, line)):
                    return

    def _put(self, line: tuple[Stream, bytes]) -> bool:
        """Wait for room; nobody makes any once the process was killed."""
        while True:
            try:
                self._lines.put(line, timeout=PUT_SECONDS)
            except Full:
                if self._is_killed.is_set():
                    return False
            else:
                return True

    def _write(self, stream: IO[bytes]) -> None:
        with suppress(OSError, ValueError), stream:
            while (line := self._requests.get()) is not None:
                stream.write(line)
                stream.flush()
