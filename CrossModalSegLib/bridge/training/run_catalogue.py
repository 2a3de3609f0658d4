"""All runs of a workspace: those that wait, those that are trained, those that have ended."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from CrossModalSegLib.bridge.training.run_entry import RunEntry
from CrossModalSegLib.bridge.training.run_log import Message
from CrossModalSegLib.bridge.training.run_monitor import RunMonitor, folder_bytes
from CrossModalSegLib.bridge.training.workspace import Workspace
from CrossModalSegLib.training.run_queue import RunQueue

MAX_POINTS = 2
"""Of curves that nobody sees."""

Stamp = tuple[int, int]
"""Time of change in nanoseconds and size of a run's journal."""


class RunCatalogue:
    """Lists runs. Journals are read on from where the last reading ended.

    Both readings take as long as the disk does: call them in one background thread.

    Args:
        workspace: Of the user; it need not be there yet.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._queue = RunQueue(workspace.folder)
        self._monitors: dict[str, RunMonitor] = {}
        self._sizes: dict[str, tuple[Stamp, int]] = {}

    def read(self) -> tuple[RunEntry, ...]:
        """Return runs that are trained, those that wait, and the others, newest first.

        Sizes are those of the last `measure`.
        """
        waiting = {entry.name: entry.arguments for entry in self._queue.entries()}
        runs = [self._run_entry(folder, waiting) for folder in self._folders()]
        folders = {entry.name for entry in runs}
        self._monitors = {n: m for n, m in self._monitors.items() if n in folders}
        active = [run for run in runs if run.is_active]
        queued = {run.name: run for run in runs if run.state == "queued"}
        new = {name: self._new(name, arguments) for name, arguments in waiting.items()}
        in_order = [
            (new | queued)[name] for name in waiting if name in queued or name not in folders
        ]
        ended = [run for run in runs if not run.is_active and run.state != "queued"]
        return (*active, *in_order, *self._not_started(folders), *ended)

    def measure(self) -> tuple[RunEntry, ...]:
        """Return the same with what each run takes on the disk; only what changed is measured."""
        for folder in self._folders():
            stamp = _stamp(folder)
            if self._sizes.get(folder.name, (None, 0))[0] != stamp:
                self._sizes[folder.name] = (stamp, folder_bytes(folder))
        return self.read()

    def _folders(self) -> list[Path]:
        """Return the folders of runs, the one that said something last first."""
        try:
            places = list(self._workspace.runs.iterdir())
        except OSError:  # there are none yet
            return []
        runs = (p for p in places if not p.name.startswith(".") and (p / "config.json").is_file())
        return sorted(runs, key=lambda run: (_stamp(run)[0], run.name), reverse=True)

    def _run_entry(self, folder: Path, waiting: Mapping[str, tuple[str, ...]]) -> RunEntry:
        if folder.name not in self._monitors:
            self._monitors[folder.name] = RunMonitor(folder, max_points=MAX_POINTS)
        monitor = self._monitors[folder.name]
        monitor.poll()
        while monitor.has_more:
            if not monitor.poll():
                break
        log, waits = monitor.log, folder.name in waiting and not monitor.is_alive
        size = self._sizes.get(folder.name)
        return RunEntry(
            name=folder.name,
            folder=folder,
            state="queued" if waits else monitor.state,
            config=monitor.configuration(),
            arguments=waiting.get(folder.name, ()),
            done=log.done,
            total=log.total,
            best_score=log.best.value,
            last=log.messages[-1] if log.messages else None,
            size_bytes=None if size is None else size[1],
            is_resumable=monitor.is_resumable and not waits,
        )

    def _new(self, name: str, arguments: tuple[str, ...]) -> RunEntry:
        folder = self._workspace.runs / name
        return RunEntry(name=name, folder=folder, state="queued", arguments=arguments)

    def _not_started(self, folders: Collection[str]) -> Iterator[RunEntry]:
        """Yield those that failed before they had a folder, unless they were tried again since."""
        for entry in self._queue.failed():
            if entry.name in folders:
                continue
            error = entry.error
            text, hint = str(error.get("message", "")), str(error.get("hint", ""))
            yield RunEntry(
                name=entry.name,
                folder=self._workspace.runs / entry.name,
                state="not started",
                arguments=entry.arguments,
                last=Message("error", text, hint, 0.0, str(error.get("kind", ""))),
            )


def _stamp(folder: Path) -> Stamp:
    try:
        status = (folder / "journal.jsonl").stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size
