"""Starts the process that works off the queue, and lets it outlive this program or not."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from CrossModalSegLib.bridge.processes import library_command, library_environment, own_group
from CrossModalSegLib.bridge.training.training_request import TrainingRequest, require_name
from CrossModalSegLib.bridge.training.workspace import Workspace
from CrossModalSegLib.core.errors import CrossModalSegError, RunError, storage_errors
from CrossModalSegLib.training.run_queue import FailedEntry, QueueEntry, RunQueue

LOOK_SECONDS = 1.0
"""Between two looks at the queue and at who works it off."""

MAX_STARTS = 3
"""So often in a row it is started for the same entry before it is given up."""

LOG_NAME = "queue.log"
LOG_BYTES_IN_MESSAGE = 600

_detached: list[subprocess.Popen[bytes]] = []
"""Processes that may outlive this program; kept so that nobody takes them for forgotten."""


class QueueRunner:
    """Queues trainings and sees to it that they are trained.

    Args:
        workspace: Whose queue.
        command: Runs the library.
        clock: Seconds.
    """

    def __init__(
        self,
        workspace: Workspace,
        command: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.workspace = workspace
        self.queue = RunQueue(workspace.folder)
        self.waiting: tuple[QueueEntry, ...] = ()
        self.failed: tuple[FailedEntry, ...] = ()
        self.is_working = False
        """Whether some process works the queue off, by the latest look."""
        self.problem: CrossModalSegError | None = None
        """Why the queue is not worked off though it was asked for."""
        self.keeps_running = True
        """Whether trainings go on when this program ends."""
        self._command = list(command or library_command())
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._is_wanted = False
        self._starts: list[Path] = []
        self._next_look = -1.0

    @property
    def log_file(self) -> Path:
        """What the process that works off the queue says."""
        return self.workspace.logs / LOG_NAME

    def add(self, request: TrainingRequest) -> str:
        """Queue a training and have it begun as soon as its turn comes.

        Returns:
            The name of its run.

        Raises:
            RunError: No run can have that name.
            StorageError: The disk is full or not writable.
        """
        if request.name:
            require_name(request.name, self.workspace)
        name = request.name or self.workspace.free_name(
            f"{Path(request.task).stem}_{request.method}"
        )
        self.queue.add(name, request.options(self.workspace.runs / name))
        self.start()
        return name

    def add_resumed(self, name: str, options: Sequence[str] = ()) -> None:
        """Queue the rest of a run that has stopped before its end.

        Args:
            name: Of the run.
            options: Further ones of `train --resume`.

        Raises:
            RunError: It waits already.
            StorageError: The disk is full or not writable.
        """
        run = self.workspace.runs / name
        self.queue.add(name, ["train", "--run", str(run), "--resume", *options])
        self.start()

    def withdraw(self, name: str) -> bool:
        """Take a run that waits out of the queue; tell whether it was still there."""
        entries = [entry for entry in self.queue.entries() if entry.name == name]
        is_done = [self.queue.remove(entry) for entry in entries]
        self._next_look = -1.0
        return any(is_done)

    def start(self) -> None:
        """Have what waits trained."""
        self._is_wanted, self._starts, self.problem = True, [], None
        self._next_look = -1.0
        self.poll()

    def keep_running(self, *, is_kept: bool) -> None:
        """Let trainings go on when this program ends, or end with it; also while they run.

        Raises:
            StorageError: The disk is full or not writable.
        """
        self.keeps_running = is_kept
        if self.is_working:
            self.queue.set_companion(None if is_kept else os.getpid())

    def poll(self) -> bool:
        """Look at the queue now and then; start its process if there is none and there should be.

        Returns:
            Whether it was looked at.
        """
        now = self._clock()
        if now < self._next_look:
            return False
        self._next_look = now + LOOK_SECONDS
        self.waiting, self.failed = tuple(self.queue.entries()), tuple(self.queue.failed())
        _reap()
        is_starting = self._process is not None and self._process.poll() is None
        self.is_working = is_starting or self._has_worker()
        if not self.waiting:
            self._starts = []
        elif not self.is_working and self._is_wanted:
            self._launch()
        return True

    def _has_worker(self) -> bool:
        try:
            return self.queue.worker() is not None
        except ImportError:  # the training packages are not installed: nothing trains here
            return False

    def _launch(self) -> None:
        first = self.waiting[0].file
        if self._starts.count(first) >= MAX_STARTS:
            self._is_wanted = False
            self.problem = RunError(
                f"The queue could not be worked off. {self._last_words()}".strip(),
                hint=f"See {self.log_file}.",
            )
            return
        self._starts.append(first)
        command = [*self._command, "runs", "work", str(self.workspace.folder)]
        command += ["--progress", "silent"]
        if not self.keeps_running:
            command += ["--with-process", str(os.getpid())]
        try:
            self._process = _launch_detached(command, self.log_file)
        except (OSError, CrossModalSegError) as error:
            self._is_wanted = False
            self.problem = RunError(f"The queue could not be worked off: {error}")
        else:
            self.is_working = True

    def _last_words(self) -> str:
        try:
            content = self.log_file.read_bytes()[-LOG_BYTES_IN_MESSAGE:]
        except OSError:
            return ""
        return content.decode("utf-8", errors="replace").strip()


def _launch_detached(command: Sequence[str], log_file: Path) -> subprocess.Popen[bytes]:
    """Start a process that lives on when this one ends, and that nobody has to read.

    Raises:
        OSError: It cannot be started.
        StorageError: Its log cannot be written.
    """
    with storage_errors(log_file):
        log_file.parent.mkdir(parents=True, exist_ok=True)
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=library_environment(),
                **own_group(),
            )
    _detached.append(process)
    return process


def _reap() -> None:
    """Let go of those that have ended."""
    _detached[:] = [process for process in _detached if process.poll() is None]
