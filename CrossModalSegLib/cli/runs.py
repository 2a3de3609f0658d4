"""`runs`: training runs on this computer, finished or not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from CrossModalSegLib.cli.command import Command
from CrossModalSegLib.core.errors import ConfigError, OutputExistsError, RunError
from CrossModalSegLib.core.events import Event, Reporter

if TYPE_CHECKING:
    from CrossModalSegLib.training.run_folder import RunFolder

POLL_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class ListRuns(Command):
    """List the training runs in a folder and how far they are."""

    folder: tyro.conf.Positional[Path] = Path()
    """A run, or a folder of runs."""

    def run(self, reporter: Reporter) -> None:
        """List them."""
        reporter.done([], {"runs": [_row(run) for run in _find_runs(self.folder)]})


@dataclass(frozen=True, kw_only=True)
class FollowRun(Command):
    """Show the progress of a run that some other process trains, until it ends.

    Ctrl-C stops the watching, not the run.
    """

    folder: tyro.conf.Positional[Path]
    """The run's folder."""

    def run(self, reporter: Reporter) -> None:
        """Relay the run's events as they come.

        Raises:
            RunError: The folder is no run, or the process that trained it is gone.
            Cancelled: The user has seen enough.
        """
        from CrossModalSegLib.training.run_folder import RunFolder

        run = RunFolder.open(self.folder)
        position = 0
        while True:
            reporter.check_cancelled()
            is_alive = run.lock_holder() is not None  # asked first: what it wrote last is read
            events, position = _events_from(run, position)
            for event in events:
                reporter.relay(event)
            if events and events[-1]["event"] in {"done", "error", "cancelled"}:
                return
            if not is_alive:
                raise RunError(
                    f"No process trains {self.folder} any more, and it has not come to its end.",
                    hint=f"Go on with: crossmodalseg train --run {self.folder} --resume",
                )
            time.sleep(POLL_SECONDS)


@dataclass(frozen=True, kw_only=True)
class PlotRuns(Command):
    """Draw losses and scores of one or more runs over their iterations."""

    folders: tyro.conf.Positional[tuple[Path, ...]]
    """The runs' folders."""
    output: Path = Path("runs.png")
    """PNG file to write."""
    overwrite: bool = False
    """Replace an output that exists."""

    def run(self, reporter: Reporter) -> None:
        """Draw them.

        Raises:
            RunError: A folder is no run.
            ConfigError: No run has made a step yet, or the output is no .png.
            OutputExistsError: The output exists and is not to be replaced.
        """
        if self.output.suffix.lower() != ".png":
            raise ConfigError(f"The output is {self.output}, expected a file that ends in .png.")
        if self.output.exists() and not self.overwrite:
            raise OutputExistsError(self.output)
        from CrossModalSegLib.core.config import atomic_write
        from CrossModalSegLib.evaluation.figure_style import png_bytes
        from CrossModalSegLib.evaluation.figures import learning_curves
        from CrossModalSegLib.training.run_folder import RunFolder

        runs = [RunFolder.open(folder) for folder in self.folders]
        journals = {str(run.path): run.journal_file for run in runs}
        with atomic_write(self.output) as temporary:
            temporary.write_bytes(png_bytes(learning_curves(journals)))
        reporter.done([self.output], {"runs": len(runs)})


@dataclass(frozen=True, kw_only=True)
class WorkRuns(Command):
    """Train the runs that wait in a workspace, one after another, until none waits any more.

    Further ones may be added meanwhile. Stopping this asks the present run to save its state.
    """

    workspace: tyro.conf.Positional[Path]
    """Folder with `queue` and `runs`."""
    with_process: Annotated[int | None, tyro.conf.arg(metavar="PID")] = None
    """End when this process ends, however that happens. Default: go on whoever ends."""

    def run(self, reporter: Reporter) -> None:
        """Train them.

        Raises:
            RunError: Another process does that already, or there is no process PID.
            Cancelled: It was asked to stop.
        """
        from CrossModalSegLib.training.queue_work import work_off
        from CrossModalSegLib.training.run_queue import RunQueue

        queue = RunQueue(self.workspace)
        if (holder := queue.worker()) is not None:
            raise RunError(
                f"Process {holder['pid']} on {holder['host']} works off {queue.folder} already.",
                hint="It trains what is added, too.",
            )
        queue.set_companion(self.with_process)
        ended = work_off(queue, reporter)
        rows = [{"run": name, "end": end} for name, end in ended.items()]
        reporter.done([queue.runs / name for name in ended], {"runs": rows})


def _find_runs(folder: Path) -> list[RunFolder]:
    """Return the folder itself, or the runs up to two levels below it.

    Raises:
        RunError: There is no such folder.
    """
    from CrossModalSegLib.training.run_folder import RunFolder

    if not folder.is_dir():
        raise RunError(f"There is no folder {folder}.", hint="Give a run, or a folder of runs.")
    patterns = ("config.json", "*/config.json", "*/*/config.json")
    places = [path.parent for pattern in patterns for path in sorted(folder.glob(pattern))]
    runs = []
    for place in places:
        if place.name.startswith("."):
            continue
        try:
            run = RunFolder.open(place)
            is_run = "method" in run.read_config()
        except (RunError, ConfigError):
            continue  # some other program's config.json
        if is_run:
            runs.append(run)
    return runs


def _row(run: RunFolder) -> dict[str, Any]:
    config = run.read_config()
    step = total = None
    ending = ""
    for event in _events_from(run, 0)[0]:
        kind = event["event"]
        if kind == "progress" and event["stage"] == "train":
            step, total = event["done"], event["total"]
        ending = kind if kind in {"done", "error", "cancelled"} else ""
    if run.lock_holder() is not None:
        state = "paused" if run.read_request() == "pause" else "running"
    else:
        state = {"done": "finished", "error": "failed", "cancelled": "cancelled"}.get(
            ending, "stopped"
        )
    return {
        "run": str(run.path),
        "method": config["method"],
        "preset": config["preset"],
        "state": state,
        "iterations": "0" if step is None else f"{step}/{total}",
        "bundle": run.bundle.is_dir(),
    }


def _events_from(run: RunFolder, position: int) -> tuple[list[Event], int]:
    """Return the whole lines of the journal from a position on, and where they end."""
    if not run.journal_file.is_file():
        return [], position
    with run.journal_file.open("rb") as stream:
        stream.seek(position)
        lines = stream.read().split(b"\n")
    position += sum(len(line) + 1 for line in lines[:-1])
    return list(_parsed(lines[:-1])), position


def _parsed(lines: list[bytes]) -> Iterator[Event]:
    from CrossModalSegLib.core.config import parse_json

    for line in lines:
        try:
            event = parse_json(line.decode("utf-8", errors="replace"), "journal")
        except ConfigError:
            continue  # a killed process may have left half a line
        if "event" in event:
            yield event
