"""What the list of runs says in sentences."""

from __future__ import annotations

from pathlib import Path

from slicer.i18n import tr as _

from CrossModalSegLib.bridge.training.run_entry import RunEntry


def no_runs(folder: Path) -> str:
    """Say that there is nothing, and where it would be."""
    text: str = _("No trainings yet. Those that you start are kept in {folder}.")
    return text.format(folder=folder)


def delete_question(entry: RunEntry) -> str:
    """Ask whether a run is really to go."""
    if entry.state == "queued" and not entry.has_folder:
        text: str = _("Take the run {name} out of the queue?")
    elif entry.state == "queued":
        text = _("Take the rest of the run {name} out of the queue? What it has made stays.")
    elif entry.is_usable:
        text = _("Delete the run {name} with its model, checkpoints and pictures? ")
        text += _("Models that were taken over for Segment stay. This cannot be undone.")
    else:
        text = _("Delete the run {name} with all that it has made? This cannot be undone.")
    return text.format(name=entry.name)


def details_text(entry: RunEntry) -> str:
    """Say how a run is, what it said last, and what can be done."""
    parts = [_state_sentence(entry)]
    if entry.last is not None and entry.state in {"failed", "not started"}:
        parts.append(f"{entry.last.message} {entry.last.hint}".strip())
    if entry.is_resumable and entry.batch_size:
        parts.append(_("It was trained with {n} slices in a batch.").format(n=entry.batch_size))
    return " ".join(parts)


def _state_sentence(entry: RunEntry) -> str:
    texts = {
        "queued": _("Waits for its turn."),
        "starting": _("Is being started."),
        "running": _("Is being trained: iteration {done} of {total}."),
        "paused": _("Paused at iteration {done} of {total}."),
        "finished": _("Finished after {total} iterations."),
        "cancelled": _("Cancelled at iteration {done} of {total}; its state is saved."),
        "failed": _("Failed after iteration {done} of {total}."),
        "killed": _(
            "Its process was ended from outside after iteration {done} of {total}: by the system, "
            "which does that when memory runs out, by a shutdown, or by a person. It can go on."
        ),
        "not started": _("Failed before it began."),
    }
    return str(texts[entry.state]).format(done=entry.done, total=entry.total)
