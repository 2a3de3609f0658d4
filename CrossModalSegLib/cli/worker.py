"""`worker`: a process that stays, keeps models warm, and segments what it is asked to."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import ClassVar, Literal

from CrossModalSegLib.cli.command import Command, UsageError, explained
from CrossModalSegLib.cli.signals import STANDARD_INPUT
from CrossModalSegLib.core.events import Reporter

THREAD_SETTINGS = {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_NUM_THREADS": "1"}
"""Read by the libraries when torch and numpy are imported, which is later.

Threads that wait for others sleep and leave the cores to Slicer and to a training, instead of
spinning; the products of small matrices that numpy makes here gain nothing from several threads.
"""


@dataclass(frozen=True, kw_only=True)
class Worker(Command):
    """Segment on demand and keep models warm, for other programs such as 3D Slicer.

    Takes jobs as JSON lines on standard input and answers with events on standard output: commands
    segment, warm_up, devices, cancel and quit. It opens no port, and ends with its standard input.
    """

    reads_standard_input: ClassVar[bool] = True

    progress: Literal["json"] = "json"
    """Events are the only thing on standard output."""

    def run(self, reporter: Reporter) -> None:
        """Work until the command to quit or the end of standard input.

        Raises:
            UsageError: There is no standard input.
            Cancelled: A signal asked the program to stop.
        """
        from CrossModalSegLib.inference.worker_jobs import WorkerCommands
        from CrossModalSegLib.inference.worker_loop import WorkerLoop

        for name, value in THREAD_SETTINGS.items():
            os.environ.setdefault(name, value)
        requests = take_standard_input()
        loop = WorkerLoop(WorkerCommands().run, reporter.relay, explained, reporter.cancel)
        loop.run(requests)


def take_standard_input() -> int:
    """Return a descriptor for standard input alone, and leave an empty one in its place.

    No library that reads standard input can take a request then. On Windows more depends on it:
    while one thread waits for a line, loading a library that asks what its standard input is would
    wait too.

    Raises:
        UsageError: It is closed.
    """
    try:
        requests = os.dup(STANDARD_INPUT)
    except OSError as error:
        raise UsageError(
            "The worker takes its jobs from standard input, which is closed.",
            hint="Start it with a pipe, as Slicer does; to segment one volume, use `segment`.",
        ) from error
    if sys.platform == "win32":
        import msvcrt

        msvcrt.setmode(requests, os.O_BINARY)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, STANDARD_INPUT)
    os.close(empty)
    return requests
