"""Works off a queue of training runs, one after another, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, cast

from CrossModalSegLib.core.config import parse_json
from CrossModalSegLib.core.errors import ConfigError, CrossModalSegError, storage_errors
from CrossModalSegLib.core.events import CancelToken, Event, Reporter
from CrossModalSegLib.training.folder_lock import locked
from CrossModalSegLib.training.run_folder import RunFolder
from CrossModalSegLib.training.run_queue import QueueEntry, RunQueue

LOOK_SECONDS = 0.5
"""Between two looks at the trainer, the queue and those who may want it to stop."""

COMMAND = (sys.executable, "-u", "-m", "CrossModalSegLib")


def work_off(
    queue: RunQueue, reporter: Reporter, *, command: Sequence[str] = COMMAND
) -> dict[str, str]:
    """Train what waits until nothing waits any more.

    A run that fails does not stop the others. Who wants this to stop cancels `reporter`, or is the
    queue's companion and ends: the present run is then asked to save its state, and what waits goes
    on waiting.

    Args:
        queue: May be added to meanwhile.
        reporter: Told which run is trained.
        command: Runs this program.

    Returns:
        Run -> "done", "error", "cancelled" or "withdrawn".

    Raises:
        RunError: Another process works off this queue.
        Cancelled: It was asked to stop.
    """
    with storage_errors(queue.folder):
        queue.folder.mkdir(parents=True, exist_ok=True)
        queue.logs.mkdir(parents=True, exist_ok=True)
    ended: dict[str, str] = {}
    with locked(queue.lock_file, f"{queue.folder} is being worked off", "It does what is added."):
        while not queue.is_forsaken() and (waiting := queue.entries()):
            reporter.check_cancelled()
            entry = waiting[0]
            reporter.stage(entry.name)
            ended[entry.name] = _Training(queue, entry, command).run(reporter.cancel)
            reporter.check_cancelled()
    return ended


class _Training:
    """The process that trains one run."""

    def __init__(self, queue: RunQueue, entry: QueueEntry, command: Sequence[str]) -> None:
        self._queue, self._entry = queue, entry
        self._folder = RunFolder(queue.runs / entry.name)
        self._command = [*command, *entry.arguments, "--progress", "json"]
        self._is_ours = False
        """Whether the entry was taken out of the queue by us: the run has a folder."""

    def run(self, cancel: CancelToken) -> str:
        """Train, and return how that ended."""
        if self._folder.config_file.is_file():  # resumed, or begun before and cut short
            self._take_out()
            if not self._entry.is_resumed:
                return "error"
        with storage_errors(self._queue.logs), self._log_file().open("ab") as log:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=dict(_environment()),
            )
        listener = _EndListener(cast("IO[bytes]", process.stdout))
        while process.poll() is None:
            self._look(process, cancel)
            time.sleep(LOOK_SECONDS)
        listener.join()
        return self._conclude(listener.end, process.returncode)

    def _look(self, process: subprocess.Popen[bytes], cancel: CancelToken) -> None:
        has_folder = self._folder.config_file.is_file()
        if not self._is_ours and not self._entry.file.exists():
            self._is_ours = True  # somebody withdrew it
            process.terminate()
        elif has_folder and not self._is_ours:
            self._take_out()
        if has_folder and (cancel.is_set() or self._queue.is_forsaken()):
            self._folder.write_request("cancel")  # again and again: a run that begins forgets it

    def _take_out(self) -> None:
        self._queue.remove(self._entry)
        self._is_ours = True

    def _conclude(self, end: Event | None, exit_code: int) -> str:
        if self._folder.config_file.is_file():
            self._take_out()
            return "error" if end is None else str(end["event"])
        if not self._queue.remove(self._entry):
            return "withdrawn"
        event = end or _unsaid_end(exit_code)
        if event["event"] == "error":
            self._queue.note_failed(self._entry, event)
        return str(event["event"])

    def _log_file(self) -> Path:
        return self._queue.logs / f"{self._entry.name}.log"


class _EndListener(threading.Thread):
    """Reads a trainer's events, so that it never waits, and keeps how it ended."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(name="events of a training", daemon=True)
        self.end: Event | None = None
        self._stream = stream
        self.start()

    def run(self) -> None:
        """Read to the end."""
        with self._stream:
            for line in self._stream:
                if b'"error"' in line or b'"done"' in line or b'"cancelled"' in line:
                    self.end = _ending(line) or self.end


def _ending(line: bytes) -> Event | None:
    try:
        event: dict[str, Any] = parse_json(line.decode("utf-8", errors="replace"), "event")
    except ConfigError:
        return None
    return event if event.get("event") in {"error", "done", "cancelled"} else None


def _unsaid_end(exit_code: int) -> Event:
    events: list[Event] = []
    Reporter("train", [events.append]).error(
        CrossModalSegError(
            f"The training ended before it began, without a word (exit code {exit_code}).",
            hint="Its log may tell more.",
        )
    )
    return events[0]


def _environment() -> Mapping[str, str]:
    """Return an environment in which the same library is found, from whatever folder."""
    library = str(Path(__file__).resolve().parents[2])
    former = os.environ.get("PYTHONPATH", "")
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (library, former)))}
