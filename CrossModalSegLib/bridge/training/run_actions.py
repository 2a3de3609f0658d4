"""What can be done with a run of the list: delete it, report of it, use its model."""

from __future__ import annotations

from pathlib import Path

from CrossModalSegLib.bridge.training.run_entry import RunEntry
from CrossModalSegLib.bridge.training.run_monitor import living_process
from CrossModalSegLib.bridge.training.workspace import Workspace
from CrossModalSegLib.core.errors import RunError
from CrossModalSegLib.data.output_folders import remove_folder
from CrossModalSegLib.training.run_queue import RunQueue

REPORT_FILE = "report.html"


def delete_run(workspace: Workspace, entry: RunEntry) -> None:
    """Remove a run with its log; one that waits is only taken out of the queue.

    Raises:
        RunError: It is being trained, or is a link to somewhere else.
        StorageError: It is not ours to remove.
    """
    queue = RunQueue(workspace.folder)
    if entry.state == "queued":
        for waiting in queue.entries():
            if waiting.name == entry.name:
                queue.remove(waiting)
        return
    if entry.has_folder:
        _delete_folder(workspace, entry.folder)
    queue.forget_failed(entry.name)
    (workspace.logs / f"{entry.name}.log").unlink(missing_ok=True)


def report_arguments(entry: RunEntry) -> tuple[str, ...]:
    """Return the command that writes the report of a run."""
    output = str(report_file(entry))
    return "runs", "report", str(entry.folder), "--output", output, "--overwrite"


def report_file(entry: RunEntry) -> Path:
    """Return where the report of a run is written."""
    return entry.folder / REPORT_FILE


def bundle_folder(entry: RunEntry) -> Path:
    """Return where a finished run has its model."""
    return entry.folder / "bundle"


def resume_options(entry: RunEntry, batch_size: int) -> tuple[str, ...]:
    """Return the options of `train --resume` that go on with a run.

    Args:
        entry: The run.
        batch_size: Slices of each domain in a batch.
    """
    device = str(entry.config.get("device", "auto"))
    smaller = () if batch_size == entry.batch_size else ("--batch-size", str(batch_size))
    return ("--device", device, *smaller)


def suggested_batch_size(entry: RunEntry) -> int:
    """Return the batch to go on with: half of it where memory ran out, or may have."""
    size = entry.batch_size or 1
    return max(1, size // 2) if entry.is_short_of_memory else size


def _delete_folder(workspace: Workspace, folder: Path) -> None:
    pid = living_process(folder)
    if pid is not None:
        raise RunError(
            f"{folder} is being trained by process {pid}.",
            hint="Cancel that training first.",
        )
    if folder.is_symlink() or folder.resolve().parent != workspace.runs.resolve():
        raise RunError(
            f"{folder} is a link to {folder.resolve()}, outside the workspace.",
            hint="Remove the link yourself.",
        )
    remove_folder(folder)
