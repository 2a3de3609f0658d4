"""One press of Apply, from volume nodes to a segmentation in the scene."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from CrossModalSegLib.bridge.background_work import BackgroundWork
from CrossModalSegLib.bridge.jobs import WorkerJobs
from CrossModalSegLib.bridge.region_of_interest import ras_to_box
from CrossModalSegLib.bridge.reported_errors import reported_error
from CrossModalSegLib.bridge.result_placement import wanted_structures
from CrossModalSegLib.bridge.run_folder import RunFolder
from CrossModalSegLib.bridge.run_progress import ProgressBar, RunProgress
from CrossModalSegLib.bridge.run_request import (
    RunInputs,
    RunNotice,
    RunOutcome,
    SegmentRequest,
    State,
)
from CrossModalSegLib.bridge.run_result import (
    Preparation,
    RunResult,
    place_run_result,
    prepare_run_result,
    read_result,
)
from CrossModalSegLib.bridge.volume_export import VolumeCopy, VolumesExport
from CrossModalSegLib.core.errors import (
    Cancelled,
    CrossModalSegError,
    InputFileError,
    RunError,
    storage_errors,
)
from CrossModalSegLib.core.events import Event
from CrossModalSegLib.core.tasks import Task

__all__ = ["RunNotice", "RunOutcome", "RunProgress", "SegmentRequest", "SegmentRun"]

COPY_SECONDS = 0.03
"""How long voxels are copied in one poll."""

_TERMINAL = frozenset({"done", "error", "cancelled"})


class SegmentRun:
    """Exports volume nodes, asks the worker, places the result in the scene. Qt-free.

    Everything happens in `poll`, in steps that are short until the result is placed; files are
    written and read by a thread. Nothing is added to the scene before the result is there.

    Args:
        jobs: The worker.
        temporary_folder: Where the run's own folder is made; None: the system's place.
        on_progress: Called from `poll`.
        on_end: Called from `poll`, once.
    """

    def __init__(
        self,
        jobs: WorkerJobs,
        *,
        temporary_folder: Path | None = None,
        on_progress: Callable[[RunProgress], None],
        on_end: Callable[[RunOutcome], None],
    ) -> None:
        self._jobs = jobs
        self._temporary_folder = temporary_folder
        self._on_progress = on_progress
        self._on_end = on_end
        self._step: Callable[[], None] | None = None
        self._is_cancelled = False
        self._job = ""
        self._bar = ProgressBar()
        self._work = BackgroundWork()
        self._events: deque[Event] = deque()
        self._warnings: dict[RunNotice, None] = {}
        self._summary: Mapping[str, Any] = {}

    @property
    def is_active(self) -> bool:
        """Whether the run was started and has not ended."""
        return self._step is not None

    def start(
        self,
        volume_nodes: Sequence[Any],
        request: SegmentRequest,
        *,
        task: Task,
        output_node: Any = None,
        roi_node: Any = None,
    ) -> None:
        """Begin; nothing is waited for.

        Args:
            volume_nodes: The inputs of the model, in its order; the first one's grid is the
                result's.
            request: Model and options.
            task: Of the model.
            output_node: Segmentation to update; None: a new one.
            roi_node: Markups box outside of which nothing is segmented; None: everywhere.

        Raises:
            RunError: The run was started before, or without a volume.
            CrossModalSegError: An input cannot be used.
        """
        if self._job or self.is_active or not volume_nodes:
            raise RunError(
                f"A run was started with {len(volume_nodes)} volumes; expected at least one, and a "
                "run that was not started before.",
                hint="Make a new run for each press of Apply.",
            )
        wanted_structures(task, request.structures)
        box = None if roi_node is None else ras_to_box(roi_node)
        self._inputs = RunInputs(tuple(volume_nodes), request, task, output_node, box)
        copies = [VolumeCopy(node) for node in volume_nodes]
        with storage_errors(self._temporary_folder or "The folder for temporary files"):
            self._folder = RunFolder(self._temporary_folder)
        self._folder.hold("run")
        self._export = VolumesExport(copies, self._folder.path)
        self._started = time.monotonic()
        self._step = self._copy

    def poll(self) -> None:
        """Let events arrive and take the next small step."""
        self._jobs.poll()
        if self._step is None:
            return
        try:
            self._go_on(self._step)
        except Cancelled:
            self._end("cancelled")
        except CrossModalSegError as error:
            self._end("failed", error=self._in_words_of_the_scene(error))
        except Exception as error:
            logging.getLogger(__name__).exception("A segmentation failed unexpectedly.")
            message = f"The segmentation failed unexpectedly: {type(error).__name__}: {error}."
            hint = "Please report this, with what the log says."
            self._end("failed", error=RunError(message, hint=hint))

    def cancel(self) -> None:
        """Stop; the outcome comes from the next `poll`, and the scene stays as it was."""
        if not self.is_active:
            return
        self._is_cancelled = True
        if self._job:
            self._jobs.cancel(self._job)

    def _go_on(self, step: Callable[[], None]) -> None:
        if self._is_cancelled:
            raise Cancelled
        self._require_nodes()
        step()

    def _copy(self) -> None:
        """Copy voxels for a moment; when all are copied, let them be written."""
        is_copied = self._export.copy(COPY_SECONDS)
        self._tell(self._bar.at("export", self._export.share))
        if is_copied:
            self._grid = self._export.grid
            self._in_thread(self._export.write, self._submit)

    def _submit(self, _written: None) -> None:
        request, folder = self._inputs.request, self._folder.path
        uncertainty = folder / "uncertainty.nrrd"
        self._outputs = [folder / "labels.nrrd"] + [uncertainty] * request.with_uncertainty
        arguments = {
            "model": request.model,
            "inputs": [str(path) for path in self._export.paths],
            "output": str(self._outputs[0]),
            "device": request.device,
            "precision": request.precision,
            "uncertainty": str(uncertainty) if request.with_uncertainty else "",
            "quality": request.with_quality,
            "flips": list(request.flips),
            "structures": list(request.structures),
            "ras_to_box": self._inputs.ras_to_box,
            "modality": request.modality,
            "overwrite": False,
        }
        self._folder.hold("job")
        self._job = self._jobs.submit("segment", arguments, self._hear)
        self._tell(self._bar.at("wait"))
        self._step = self._follow

    def _hear(self, event: Event) -> None:
        """Keep an event for the next step; called by the jobs, also after the run has ended."""
        if event["event"] in _TERMINAL:
            self._folder.release("job")
        if self.is_active:
            self._events.append(event)

    def _follow(self) -> None:
        """Work through what the worker said."""
        while self._events and self._step == self._follow:
            event = self._events.popleft()
            if event["event"] == "warning":
                self._warn(event)
            elif event["event"] == "error":
                raise reported_error(event)
            elif event["event"] == "cancelled":
                raise Cancelled
            elif event["event"] == "done":
                self._read(event)
            elif (progress := self._bar.of_event(event)) is not None:
                self._tell(progress)

    def _read(self, event: Event) -> None:
        self._summary = event.get("summary", {})
        for warning in self._summary.get("warnings", ()):
            self._warn(warning)
        self._tell(self._bar.at("import"))
        outputs, grid, inputs = self._outputs, self._grid, self._inputs
        structures = inputs.request.structures
        self._in_thread(
            lambda: read_result(outputs, grid, inputs.task, structures), self._take_result
        )

    def _take_result(self, result: RunResult) -> None:
        """Say what comes now, so that it can be seen before it is done."""
        self._tell(self._bar.at("place"))
        self._step = lambda: self._prepare(result)

    def _prepare(self, result: RunResult) -> None:
        """Make segments and surfaces beside the scene."""
        work = prepare_run_result(result, self._inputs)
        self._in_thread(work, lambda preparation: self._place(result, preparation))

    def _place(self, result: RunResult, preparation: Preparation) -> None:
        placed = place_run_result(result, preparation, self._inputs)
        if placed is None:
            self._step = lambda: self._prepare(result)
            return
        node, uncertainty_node = placed
        self._tell(self._bar.at("place", 1.0))
        self._end(
            "done",
            segmentation_node=node,
            uncertainty_node=uncertainty_node,
            volumes=result.volumes,
        )

    def _require_nodes(self) -> None:
        for node in self._inputs.nodes:
            if node.GetScene() is None:
                raise InputFileError(
                    f"The volume {node.GetName()!r} was removed from the scene while it "
                    "was segmented; nothing was added.",
                    hint="Load it again, or choose another volume.",
                )

    def _in_thread(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Run work beside the scene; its result or error arrives in a later step."""
        folder = self._folder
        folder.hold("thread")

        def run() -> Any:
            try:
                return work()
            finally:
                folder.release("thread")

        self._work.start(run, then, _raise)
        self._step = self._work.poll

    def _warn(self, warning: Mapping[str, Any]) -> None:
        kind, message, hint = (str(warning.get(key, "")) for key in ("kind", "message", "hint"))
        self._warnings[RunNotice(kind, self._export.without_paths(message), hint)] = None

    def _tell(self, progress: RunProgress) -> None:
        self._on_progress(progress)

    def _in_words_of_the_scene(self, error: CrossModalSegError) -> CrossModalSegError:
        """Name volumes, not the files by which they were handed over."""
        error.message = self._export.without_paths(error.message)
        error.hint = self._export.without_paths(error.hint)
        return error

    def _end(self, state: State, **found: Any) -> None:
        self._step = None
        if state != "done" and self._job:
            self._jobs.cancel(self._job)
        self._events.clear()
        self._folder.release("run")
        outcome = RunOutcome(
            state=state,
            warnings=tuple(self._warnings),
            seconds=time.monotonic() - self._started,
            summary=self._summary,
            **found,
        )
        self._on_end(outcome)


def _raise(error: Exception) -> None:
    raise error
