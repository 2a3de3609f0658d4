"""What the Segment page and scripts share: the worker, the models, what is installed.

One for each running Slicer; Qt-free. Nothing is started before it is needed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from CrossModalSegLib.bridge.installation import Installer
from CrossModalSegLib.bridge.jobs import WorkerJobs
from CrossModalSegLib.bridge.model_catalogue import ModelCard, ModelCatalogue
from CrossModalSegLib.bridge.segment_run import (
    RunOutcome,
    RunProgress,
    SegmentRequest,
    SegmentRun,
)
from CrossModalSegLib.core.errors import CrossModalSegError, RunError, UnknownNameError

POLL_SECONDS = 0.02

OnProgress = Callable[[RunProgress], None]
OnEnd = Callable[[RunOutcome], None]


class SegmentService:
    """Segments volumes of the scene, one at a time, in a process that stays warm.

    Args:
        jobs: The worker; by default one that starts when it is first needed.
        catalogue: The models; by default those of the user and those that ship.
        installer: What is installed and how to get the rest; by default that of this Slicer.
    """

    def __init__(
        self,
        *,
        jobs: WorkerJobs | None = None,
        catalogue: ModelCatalogue | None = None,
        installer: Installer | None = None,
    ) -> None:
        self.jobs = jobs or WorkerJobs()
        self.catalogue = catalogue or ModelCatalogue()
        self.installer = installer or Installer()
        self.run: SegmentRun | None = None
        """The latest run."""

    @property
    def is_busy(self) -> bool:
        """Whether a volume is being segmented."""
        return self.run is not None and self.run.is_active

    def model(self, name: str) -> ModelCard:
        """Return the card of a model.

        Raises:
            UnknownNameError: There is none of that name.
        """
        cards = {card.name: card for card in self.catalogue.entries()}
        if name not in cards:
            raise UnknownNameError("model", name, cards)
        return cards[name]

    def begin(
        self,
        volume_nodes: Sequence[Any],
        request: SegmentRequest,
        *,
        output_node: Any = None,
        roi_node: Any = None,
        callbacks: tuple[OnProgress, OnEnd] | None = None,
    ) -> SegmentRun:
        """Start to segment; call `poll` until the run has ended.

        Args:
            volume_nodes: The inputs of the model, in its order.
            request: Model and options.
            output_node: Segmentation to replace; None: a new one.
            roi_node: Markups box; None: the whole volume.
            callbacks: Called from `poll` with each progress and with the outcome.

        Raises:
            RunError: Another volume is being segmented.
            UnknownNameError: There is no such model.
            CrossModalSegError: An input cannot be used; nothing was started.
        """
        if self.is_busy:
            raise RunError(
                "A volume is being segmented; expected none.",
                hint="Wait until it is done, or cancel it.",
            )
        card = self.model(request.model)
        on_progress, on_end = callbacks or (_ignore, _ignore)
        run = SegmentRun(self.jobs, on_progress=on_progress, on_end=on_end)
        run.start(volume_nodes, request, task=card.task, output_node=output_node, roi_node=roi_node)
        self.run = run
        return run

    def segment_and_wait(
        self,
        volume_nodes: Sequence[Any],
        request: SegmentRequest,
        *,
        output_node: Any = None,
        roi_node: Any = None,
        on_progress: OnProgress | None = None,
    ) -> RunOutcome:
        """Segment and return when the result is in the scene; the rest as for `begin`.

        Raises:
            CrossModalSegError: It failed.
        """
        outcomes: list[RunOutcome] = []
        self.begin(
            volume_nodes,
            request,
            output_node=output_node,
            roi_node=roi_node,
            callbacks=(on_progress or _ignore, outcomes.append),
        )
        try:
            while not outcomes:
                self.poll()
                time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            self.cancel()
            raise
        outcome = outcomes[0]
        if outcome.error is not None:
            raise outcome.error
        if outcome.state != "done":
            raise RunError("The segmentation was cancelled.", hint="Start it again.")
        return outcome

    def poll(self) -> None:
        """Let events arrive; the run's when there is one."""
        if self.is_busy and self.run is not None:
            self.run.poll()
        else:
            self.jobs.poll()

    def cancel(self) -> None:
        """Stop the run, if there is one; the scene stays as it was."""
        if self.is_busy and self.run is not None:
            self.run.cancel()

    def shutdown(self) -> None:
        """Stop everything; the worker's processes end."""
        self.cancel()
        self.jobs.shutdown()
        self.installer.shutdown()


def text_of(error: CrossModalSegError) -> str:
    """Return an error as the shell shows it too."""
    return f"{error.message}\n{error.hint}".strip()


def _ignore(_: object) -> None:
    """Callback of those who do not want to know."""
