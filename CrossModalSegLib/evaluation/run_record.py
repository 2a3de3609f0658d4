"""What a run's journal says of it as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from CrossModalSegLib.core.errors import ConfigError
from CrossModalSegLib.core.events import Event
from CrossModalSegLib.evaluation.figures import LABEL_FREE_SCORE
from CrossModalSegLib.training.journal import read_journal
from CrossModalSegLib.training.memory_use import GPU_MEMORY, PROCESS_MEMORY
from CrossModalSegLib.training.run_folder import RunFolder

RunEnd = Literal["running", "finished", "cancelled", "failed", "killed"]


@dataclass
class RunRecord:
    """One run, as far as it has come.

    Attributes:
        config: Its configuration.
        state: "killed": no process trains it and the journal does not say why.
        done: Iterations.
        total: Iterations of the whole run; 0: not known.
        scores: Label-free score by iteration.
        messages: Warnings and errors: the event, its message with the hint.
        previews: Pictures that are still there, oldest first.
        peak_mib: Most memory that the process had when it told, and that torch held on the GPU.
    """

    config: dict[str, Any]
    state: RunEnd = "killed"
    done: int = 0
    total: int = 0
    scores: dict[int, float] = field(default_factory=dict)
    messages: list[tuple[str, str]] = field(default_factory=list)
    previews: list[tuple[Path, str]] = field(default_factory=list)
    peak_mib: dict[str, float] = field(default_factory=dict)

    @property
    def best_score(self) -> tuple[int, float] | None:
        """Iteration and value of the highest label-free score; of equal ones the last."""
        return max(self.scores.items(), key=lambda item: (item[1], item[0]), default=None)

    def take(self, event: Event) -> None:
        """Add the next event of the journal."""
        kind = event.get("event")
        if kind in {"done", "error", "cancelled"}:
            ends: dict[str, RunEnd] = {"done": "finished", "error": "failed"}
            self.state = ends.get(str(kind), "cancelled")
        if kind in {"stage", "progress"}:
            self.state = "killed"  # it went on; what comes later says how it ended
        if kind == "progress" and event.get("stage") == "train":
            self.done, self.total = int(event["done"]), int(event["total"])
        elif kind == "metrics":
            self._take_metrics(int(event["step"]), event["values"])
        elif kind == "preview":
            self.previews.append((Path(event["path"]), str(event["caption"])))
        elif kind in {"warning", "error"}:
            text = f"{event.get('message', '')} {event.get('hint', '')}".strip()
            self.messages.append((str(kind), text))

    def _take_metrics(self, step: int, values: dict[str, float | None]) -> None:
        score = values.get(LABEL_FREE_SCORE)
        if score is not None:
            self.scores = {old: value for old, value in self.scores.items() if old < step}
            self.scores[step] = score  # what a resumed run repeats counts once
        for name in (PROCESS_MEMORY, GPU_MEMORY):
            mib = values.get(name)
            if mib is not None:
                self.peak_mib[name] = max(mib, self.peak_mib.get(name, 0.0))


def read_run(folder: Path) -> RunRecord:
    """Read what a run has written so far.

    Raises:
        RunError: The folder is no run.
        ConfigError: It was not written by this program.
    """
    run = RunFolder.open(folder)
    record = RunRecord(config=run.read_config())
    is_alive = run.lock_holder() is not None
    try:
        for event in read_journal(run.journal_file):
            record.take(event)
    except FileNotFoundError:
        pass
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"{run.journal_file} holds an event that lacks something: {error!r}.",
            hint="It was written by another program, or changed since.",
        ) from error
    if is_alive and record.state == "killed":
        record.state = "running"
    here = {path.name: path for path in run.previews.glob("*.png")}  # the run may have moved
    record.previews = [(here[p.name], c) for p, c in record.previews if p.name in here]
    return record
