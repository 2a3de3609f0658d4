"""All models of a comparison, one after another, each on every volume."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from CrossModalSegLib.bridge.comparison.adopted_segmentations import adopt
from CrossModalSegLib.bridge.comparison.comparison import Comparison, Shown
from CrossModalSegLib.bridge.comparison.comparison_request import (
    ComparisonRequest,
    method_name,
    reason_not_to_compare,
)
from CrossModalSegLib.bridge.comparison.result_folder import earlier_result, keep_result
from CrossModalSegLib.bridge.model_catalogue import ModelCard
from CrossModalSegLib.bridge.run_progress import RunProgress
from CrossModalSegLib.bridge.run_request import RunOutcome, SegmentRequest
from CrossModalSegLib.bridge.segment_service import SegmentService
from CrossModalSegLib.core.errors import CrossModalSegError, InputFileError, RunError
from CrossModalSegLib.core.tasks import Task


class Failure(NamedTuple):
    """A method that gave no result.

    Attributes:
        label: Of the model or segmentation.
        volume: Name of the volume.
        error: Why.
    """

    label: str
    volume: str
    error: CrossModalSegError


@dataclass(frozen=True, kw_only=True, eq=False)
class ComparisonOutcome:
    """What came of it.

    Attributes:
        state: "done" also if some models failed; "cancelled" if the user stopped it.
        comparisons: One for each volume for which there is at least one method.
        failures: Methods that gave no result.
        warnings: What the user should know about results.
    """

    state: Literal["done", "cancelled"]
    comparisons: tuple[Comparison, ...] = ()
    failures: tuple[Failure, ...] = ()
    warnings: tuple[str, ...] = ()


class _Job(NamedTuple):
    volume: Any
    card: ModelCard


class ComparisonRun:
    """Runs what is missing and collects what is there. Qt-free; everything happens in `poll`.

    Args:
        service: The worker, which the Segment page uses too.
        on_progress: Called with the share of all that is done, and what is being done.
        on_end: Called once.
    """

    def __init__(
        self,
        service: SegmentService,
        *,
        on_progress: Callable[[float, str], None],
        on_end: Callable[[ComparisonOutcome], None],
    ) -> None:
        self._service = service
        self._on_progress = on_progress
        self._on_end = on_end
        self._request: ComparisonRequest | None = None
        self._pending: deque[_Job] = deque()
        self._present: _Job | None = None
        self._total = 0
        self._results: dict[tuple[str, str], Any] = {}
        self._failures: list[Failure] = []
        self._warnings: dict[str, None] = {}
        self._is_cancelled = False

    @property
    def is_active(self) -> bool:
        """Whether it was started and has not ended."""
        return self._request is not None

    def start(self, request: ComparisonRequest) -> None:
        """Begin; call `poll` until it has ended.

        Raises:
            RunError: It runs already, or something is missing in the request.
        """
        reason = reason_not_to_compare(request)
        if self.is_active or (request.models and self._service.is_busy):
            reason = "A volume is being segmented. Wait until it is done, or cancel it."
        if reason:
            raise RunError(reason)
        self._request = request
        self._failures, self._warnings = [], {}
        self._pending = deque(
            _Job(volume, card) for volume in request.volumes for card in request.models
        )
        self._total = len(self._pending)

    def poll(self) -> None:
        """Let events arrive and take the next small step."""
        self._service.poll()
        if self._request is None or self._present is not None:
            return
        if self._is_cancelled:
            self._end(ComparisonOutcome(state="cancelled"))
        elif self._pending:
            self._begin(self._pending.popleft())
        else:
            self._collect(self._request)

    def cancel(self) -> None:
        """Stop; results that are there already stay in the scene."""
        if self.is_active:
            self._is_cancelled = True
            self._pending.clear()
            if self._present is not None:
                self._service.cancel()

    def _begin(self, job: _Job) -> None:
        request, card = self._request, job.card
        name = str(job.volume.GetName())
        if job.volume.GetScene() is None:
            error = InputFileError(
                f"The volume {name!r} was removed from the scene before it was segmented.",
                hint="Load it again, or choose another volume.",
            )
            self._fail(card.title, name, error)
            return
        wanted = SegmentRequest(
            model=card.name,
            model_title=card.title,
            device=request.device if request is not None else "auto",
            with_surfaces=False,
        )
        self._present = job
        try:
            self._service.begin(
                [job.volume],
                wanted,
                output_node=earlier_result(job.volume, card.name),
                callbacks=(self._tell, self._take),
            )
        except CrossModalSegError as error:
            self._fail(card.title, name, error)
            self._present = None

    def _tell(self, progress: RunProgress) -> None:
        job = self._present
        if job is None:
            return
        done = self._total - len(self._pending) - 1
        text = f"{job.card.title} ({done + 1} of {self._total}): {progress.message}"
        self._on_progress((done + progress.fraction) / self._total, text)

    def _take(self, outcome: RunOutcome) -> None:
        """Keep a result; the next model begins with the next poll."""
        job, self._present = self._present, None
        if job is None:
            return
        if outcome.error is not None:
            self._fail(job.card.title, str(job.volume.GetName()), outcome.error)
        elif outcome.state == "cancelled":
            self._is_cancelled = True  # also by the Segment page's button
            self._pending.clear()
        else:
            keep_result(outcome.segmentation_node, job.volume, job.card.name)
            self._results[job.volume.GetID(), job.card.name] = outcome.segmentation_node
            for warning in outcome.warnings:
                text = f"{job.card.title}: {warning.message} {warning.hint}"
                self._warnings[text.strip()] = None

    def _fail(self, label: str, volume: str, error: CrossModalSegError) -> None:
        self._failures.append(Failure(label, volume, error))

    def _collect(self, request: ComparisonRequest) -> None:
        comparisons = [
            self._comparison(request, volume)
            for volume in request.volumes
            if volume.GetScene() is not None
        ]
        outcome = ComparisonOutcome(
            state="done",
            comparisons=tuple(each for each in comparisons if each.methods),
            failures=tuple(self._failures),
            warnings=tuple(self._warnings),
        )
        self._end(outcome)

    def _comparison(self, request: ComparisonRequest, volume: Any) -> Comparison:
        if request.task is None:
            raise RunError("No task is given; expected one.")
        methods = []
        for card in request.models:
            node = self._results.get((volume.GetID(), card.name))
            if node is not None and node.GetScene() is not None:
                methods.append(Shown(card.name, card.title, node))
        for node in request.of_volume(request.segmentations, volume):
            adopted = self._adopted(node, request.task, volume)
            if adopted is not None:
                name = method_name(node.GetName(), [shown.name for shown in methods])
                methods.append(Shown(name, str(node.GetName()), adopted))
        references = request.of_volume(request.references, volume)
        reference = self._adopted(references[0], request.task, volume) if references else None
        return Comparison(volume, request.task, tuple(methods), reference)

    def _adopted(self, node: Any, task: Task, volume: Any) -> Any:
        """Return a segmentation under the task's names; None if it cannot be used any more."""
        if node.GetScene() is None:
            return None
        try:
            return adopt(node, task)
        except CrossModalSegError as error:
            self._fail(str(node.GetName()), str(volume.GetName()), error)
            return None

    def _end(self, outcome: ComparisonOutcome) -> None:
        self._request = None
        self._is_cancelled = False
        self._results.clear()
        self._on_end(outcome)
