"""Events drawn for people: moving bars on a terminal, plain lines in a pipe or file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.text import Text

from CrossModalSegLib.cli.summaries import phrase_number, phrase_seconds, summary_parts
from CrossModalSegLib.core.events import Event

PLAIN_WIDTH = 120
"""Of tables where there is no terminal whose width could be asked."""

SECONDS_BETWEEN_LINES = 10.0
"""In plain lines; a log of hours stays readable."""

LISTED_OUTPUTS = 10

REFRESHES_PER_SECOND = 4


def terminal_display() -> TerminalDisplay:
    """Return bars if standard output is a terminal, else lines."""
    if sys.stdout.isatty():
        return BarDisplay(Console(highlight=False), Console(stderr=True, highlight=False))
    return LineDisplay(
        Console(highlight=False, width=PLAIN_WIDTH), Console(stderr=True, highlight=False)
    )


class TerminalDisplay:
    """What bars and lines have in common: warnings, errors and results.

    Args:
        output: Progress and results.
        errors: Warnings and errors.
    """

    def __init__(self, output: Console, errors: Console) -> None:
        self.output, self.errors = output, errors
        self._handlers: dict[str, Callable[[Event], None]] = {
            "stage": self.stage,
            "progress": self.show_progress,
            "metrics": self.metrics,
            "preview": self.preview,
            "warning": self.warning,
            "error": self.error,
            "cancelled": self.cancelled,
            "done": self.done,
        }

    def __enter__(self) -> Self:
        """Begin to show."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing is left to be done."""

    def __call__(self, event: Event) -> None:
        """Show one event; those of later versions that we do not know are passed over."""
        handler = self._handlers.get(event["event"])
        if handler is not None:
            handler(event)

    def stage(self, event: Event) -> None:
        """Show that a stage begins."""

    def show_progress(self, event: Event) -> None:
        """Show how far a stage is."""

    def metrics(self, event: Event) -> None:
        """Show numbers of a step."""

    def preview(self, event: Event) -> None:
        """Name a picture."""
        self.output.print(Text(f"{event['caption']}: {event['path']}", "dim"), soft_wrap=True)

    def warning(self, event: Event) -> None:
        """Show a warning."""
        self._say("Warning", "bold yellow", event)

    def error(self, event: Event) -> None:
        """Show why the command failed."""
        self._say("Error", "bold red", event)

    def cancelled(self, event: Event) -> None:
        """Say that the command stopped on demand."""
        del event
        self.errors.print(Text("Cancelled.", "bold yellow"))

    def done(self, event: Event) -> None:
        """Show what was made, and the summary."""
        for part in summary_parts(event["summary"]):
            self.output.print(part, soft_wrap=isinstance(part, Text))
        outputs = event["outputs"]
        for path in outputs[:LISTED_OUTPUTS]:
            self.output.print(Text.assemble(("Written: ", "green"), path), soft_wrap=True)
        if len(outputs) > LISTED_OUTPUTS:
            self.output.print(Text(f"and {len(outputs) - LISTED_OUTPUTS} more"))

    def _say(self, title: str, style: str, event: Event) -> None:
        text = Text.assemble((f"{title}: ", style), event["message"])
        self.errors.print(text, soft_wrap=True)
        if event["hint"]:
            self.errors.print(Text(event["hint"]), soft_wrap=True)


class LineDisplay(TerminalDisplay):
    """Plain lines, not more often than every few seconds.

    Args:
        output: Progress and results.
        errors: Warnings and errors.
        clock: Seconds; replaced in tests.
    """

    def __init__(
        self, output: Console, errors: Console, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(output, errors)
        self._clock = clock
        self._last_line = clock()
        self._finished: set[str] = set()
        self._metrics = ""

    def stage(self, event: Event) -> None:
        """Name a stage of unknown length, of which no progress will be heard."""
        if event["total"] is None:
            self._line(event["stage"])

    def show_progress(self, event: Event) -> None:
        """Print how far a stage is, if it is the first time it ends or if it is time again."""
        name, done, total = event["stage"], event["done"], event["total"]
        is_first_end = done == total and name not in self._finished
        if is_first_end:
            self._finished.add(name)
        if is_first_end or self._clock() - self._last_line >= SECONDS_BETWEEN_LINES:
            count = f"{done}" if total is None else f"{done}/{total}"
            remaining = _remaining(event)
            self._line(f"{name} {count}{remaining and ', '}{remaining}{self._metrics}")
            self._metrics = ""

    def metrics(self, event: Event) -> None:
        """Keep the numbers for the next line."""
        self._metrics = f"; {_metrics_line(event)}"

    def _line(self, text: str) -> None:
        self._last_line = self._clock()
        self.output.print(Text(text), soft_wrap=True)


class BarDisplay(TerminalDisplay):
    """A bar for each stage that makes progress, and the latest numbers below."""

    def __init__(self, output: Console, errors: Console) -> None:
        super().__init__(output, errors)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[remaining]}"),
            console=output,
        )
        self._tasks: dict[str, TaskID] = {}
        self._numbers = Text("", "dim", no_wrap=True, overflow="ellipsis")
        self._live = Live(
            Group(self._bars, self._numbers),
            console=output,
            refresh_per_second=REFRESHES_PER_SECOND,
        )

    def __enter__(self) -> Self:
        """Begin to draw at the first progress; quick commands leave no empty lines."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop drawing."""
        self._stop()

    def stage(self, event: Event) -> None:
        """Show a stage of unknown length at once, others when they first make progress."""
        name = event["stage"]
        if event["total"] is None or name in self._tasks:
            self._show(name, 0, event["total"], "")

    def show_progress(self, event: Event) -> None:
        """Move the bar."""
        self._show(event["stage"], event["done"], event["total"], _remaining(event))

    def metrics(self, event: Event) -> None:
        """Replace the numbers below the bars."""
        self._numbers.plain = _metrics_line(event)

    def error(self, event: Event) -> None:
        """Leave the bars as they are and say why the command failed."""
        self._stop()
        super().error(event)

    def cancelled(self, event: Event) -> None:
        """Leave the bars as they are and say that the command stopped."""
        self._stop()
        super().cancelled(event)

    def done(self, event: Event) -> None:
        """Leave the bars as they are and show what was made."""
        self._stop()
        super().done(event)

    def _show(self, name: str, done: int, total: int | None, remaining: str) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=total, remaining=remaining)
        self._bars.update(self._tasks[name], completed=done, total=total, remaining=remaining)
        self._live.start()

    def _stop(self) -> None:
        self._live.stop()


def _remaining(event: Mapping[str, Any]) -> str:
    eta = event["eta_seconds"]
    if eta is None or event["done"] == event["total"]:
        return ""
    return f"{phrase_seconds(eta)} left"


def _metrics_line(event: Event) -> str:
    numbers = (
        f"{name} {phrase_number(value)}"
        for name, value in event["values"].items()
        if not name.endswith("memory_mib")  # for logs and charts
    )
    return f"step {event['step']}: {', '.join(numbers)}"
