"""What the Train page says of a run."""

from __future__ import annotations

from CrossModalSegLib.bridge.training.estimate import duration_text
from CrossModalSegLib.bridge.training.run_log import RunLog
from CrossModalSegLib.bridge.training.run_monitor import MemoryUse, RunMonitor

STATES = {
    "starting": "Starting",
    "running": "Training",
    "paused": "Paused",
    "finished": "Finished",
    "cancelled": "Cancelled; its state is saved",
    "failed": "Failed",
    "killed": "Stopped without a word",
}


def state_text(monitor: RunMonitor) -> str:
    """Return what a run does or how it ended, in a sentence or two."""
    state, log = monitor.state, monitor.log
    text = STATES[state]
    errors = [each for each in log.messages if each.event == "error"]
    if state == "failed" and errors:
        return f"{text}: {errors[-1].message} {errors[-1].hint}".strip()
    if state == "killed":
        hint = "Resume it." if monitor.is_resumable else "It has no saved state."
        return f"{text}: its process is gone. {hint}"
    if state == "finished":
        score = log.summary.get("label_free_score")
        chosen = log.summary.get("chosen_iteration")
        if isinstance(score, (int, float)):
            return f"{text}. Label-free score {score:.3f}, model of iteration {chosen}."
    return f"{text}."


def progress_text(log: RunLog) -> str:
    """Return how far a run is: iteration, stage, time that remains."""
    if not log.total:
        return ""
    parts = [f"Iteration {log.done} of {log.total}"]
    if log.stage and log.ending is None:
        parts.append(f"stage {log.stage}")
    if log.eta_seconds is not None and log.ending is None and not log.is_paused:
        parts.append(f"about {duration_text(log.eta_seconds)} left")
    return ", ".join(parts)


def memory_text(memory: MemoryUse) -> str:
    """Return how much memory a training takes at present; "" if that is not known."""
    parts = []
    if memory.process_mib is not None:
        parts.append(f"{memory.process_mib / 1024:.1f} GiB")
    if memory.gpu_mib is not None:
        parts.append(f"{memory.gpu_mib / 1024:.1f} GiB on the GPU")
    return f"Memory: {', '.join(parts)}" if parts else ""


def queue_text(waiting: int, *, is_working: bool) -> str:
    """Return how many runs wait, and for what; "" if none does."""
    if not waiting:
        return ""
    runs = "1 run waits" if waiting == 1 else f"{waiting} runs wait"
    return f"{runs} for the one that is trained." if is_working else f"{runs}; nothing is trained."
