"""What happens during one prediction, kept and told."""

from __future__ import annotations

from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.inference.result import Notice


class NoticeLog:
    """Keeps the notices of one prediction and sends them as events, each once.

    Args:
        reporter: Gets them, and is asked whether to stop.
    """

    def __init__(self, reporter: Reporter) -> None:
        self.reporter = reporter
        self.notices: list[Notice] = []

    def add(self, notice: Notice) -> None:
        """Keep and send a notice."""
        if notice not in self.notices:
            self.notices.append(notice)
            self.reporter.warning(notice.kind, notice.message, notice.hint)


class SliceCount:
    """Tells how many slices are done, of those of all models that take part.

    Args:
        reporter: Gets the progress, and is asked whether to stop.
        total: Number of slices.
        stage: Name of what is done.
    """

    def __init__(self, reporter: Reporter, total: int, stage: str = "slices") -> None:
        self._reporter, self._total, self._stage = reporter, total, stage
        self._done = 0
        reporter.check_cancelled()
        reporter.stage(stage, total)

    def check_cancelled(self) -> None:
        """Stop if the user wants it.

        Raises:
            Cancelled: See above.
        """
        self._reporter.check_cancelled()

    def add(self, count: int) -> None:
        """Say that so many more are done."""
        self._done += count
        self._reporter.progress(self._stage, self._done, self._total)
