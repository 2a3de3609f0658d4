"""Data of one domain on their way to a cohort, by processes; the scene is only copied from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from CrossModalSegLib.bridge.background_work import BackgroundWork
from CrossModalSegLib.bridge.command_job import CommandJob
from CrossModalSegLib.bridge.job_log import JobLog
from CrossModalSegLib.bridge.reported_errors import reported_error
from CrossModalSegLib.bridge.run_folder import RunFolder
from CrossModalSegLib.bridge.training.data_choice import (
    CohortFolder,
    DatasetFolder,
    DomainRequest,
    cohort_name,
    prepare_arguments,
    reason_not_to_check,
)
from CrossModalSegLib.bridge.training.data_export import DataExport, export_of
from CrossModalSegLib.bridge.training.data_summary import prepared, surveyed
from CrossModalSegLib.bridge.training.preparation_steps import (
    PreparationOutcome,
    PreparationProgress,
    State,
    progress_at_start,
    progress_of,
)
from CrossModalSegLib.core.errors import CrossModalSegError, RunError, storage_errors
from CrossModalSegLib.core.events import Event

Goal = Literal["check", "prepare"]

SHEETS, EXPORTS = "contact-sheets", "exports"
"""Folders beside the cohorts: of their pictures, and of what is on its way to become one."""

STEP_SECONDS = 0.02
"""For one step on the thread that owns the scene."""

_HOLDER = "preparation"

_FIELDS = {
    "--domain": "'The same patients have both kinds of scan'",
    "--label-": "'Meaning of labels'",
    "--split": "'Split' under 'Preprocessing'",
    "--recipe": "'Recipe' under 'Preprocessing'",
}
"""Where the page has what the command line's hints speak of."""


class DomainPreparation:
    """Checks or prepares data of one domain; call `poll` every 20 to 50 ms.

    Args:
        cohorts: Folder of the user's cohorts; made when something is written.
        on_progress: Called from `poll`.
        on_end: Called from `poll`, or from `start` where nothing can be begun; once.
        command: What the library's commands are given to; by default the library.
        log: Gets what the processes say.
    """

    def __init__(
        self,
        cohorts: Path,
        on_progress: Callable[[PreparationProgress], None],
        on_end: Callable[[PreparationOutcome], None],
        *,
        command: Sequence[str] | None = None,
        log: JobLog | None = None,
    ) -> None:
        self.log = log or JobLog()
        self._cohorts = cohorts
        self._on_progress = on_progress
        self._on_end = on_end
        self._command = command
        self._work = BackgroundWork()
        self._job: CommandJob | None = None
        self._folder: RunFolder | None = None
        self._export: DataExport | None = None
        self._request: DomainRequest | None = None
        self._goal: Goal = "check"
        self._warnings: list[Event] = []
        self._summary: dict[str, Any] = {}
        self._is_cancelled = False

    @property
    def is_active(self) -> bool:
        """Whether it was started and its end was not told yet."""
        return self._request is not None

    def start(self, request: DomainRequest, goal: Goal) -> None:
        """Begin; nothing is waited for.

        Raises:
            RunError: It is active already, or the request says too little.
        """
        reason = reason_not_to_check(request)
        if self.is_active or reason:
            raise RunError(reason or "Data are being prepared already; expected none.")
        self._request, self._goal, self._is_cancelled = request, goal, False
        self._warnings, self._summary = [], {}
        try:
            self._begin(request)
        except CrossModalSegError as error:
            self._end("failed", error=error)

    def poll(self) -> None:
        """Take the next small step; progress and end are told here."""
        if self._job is not None:
            self._job.poll()
        elif self._work.is_active:
            self._work.poll()
        elif self._export is not None and self.is_active:
            self._step_export(self._export)

    def cancel(self) -> None:
        """Stop; the end comes from a later `poll`. A next try takes up the cases that are done."""
        if not self.is_active:
            return
        self._is_cancelled = True
        if self._job is not None:
            self._job.cancel()

    def shutdown(self) -> None:
        """Stop now, and tell nobody."""
        self._on_end = self._on_progress = _ignore
        self._is_cancelled = True
        if self._job is not None:
            self._job.shutdown(seconds=1.0)
        self._work.shutdown()
        self._let_go()

    # Steps

    def _begin(self, request: DomainRequest) -> None:
        data = request.data
        if isinstance(data, CohortFolder):
            self._inspect(data.path)
        elif isinstance(data, DatasetFolder):
            self._prepare(data.path)
        elif data is not None:
            with storage_errors(self._cohorts):
                self._folder = RunFolder(self._cohorts.parent / EXPORTS)
            self._folder.hold(_HOLDER)
            self._export = export_of(data, self._folder.path)

    def _step_export(self, export: DataExport) -> None:
        if self._is_cancelled:
            self._end("cancelled")
            return
        text = f"Copying, {export.done} of {export.count} cases"
        self._tell(PreparationProgress(text=text, fraction=export.done / export.count))
        try:
            work = export.step(STEP_SECONDS)
        except CrossModalSegError as error:
            self._end("failed", error=error)
            return
        if work is not None:
            self._work.start(work, self._ignore_result, self._fail)
        elif export.is_copied:
            self._prepare(export.root)

    def _prepare(self, root: Path) -> None:
        request = self._required_request()
        arguments = prepare_arguments(request, root, self._output(request))
        if self._goal == "check":
            arguments.append("--dry-run")
        self._run(arguments)

    def _inspect(self, cohort: Path) -> None:
        self._cohort = cohort
        place = hashlib.sha256(str(cohort.absolute()).encode()).hexdigest()[:8]
        self._picture = self._cohorts.parent / SHEETS / f"{cohort.name}-{place}.png"
        with storage_errors(self._picture):
            self._picture.parent.mkdir(parents=True, exist_ok=True)
        self._run(["inspect", str(cohort), "--output", str(self._picture), "--overwrite"])

    def _run(self, arguments: Sequence[str]) -> None:
        self._tell(progress_at_start(arguments))
        self._job = CommandJob(arguments, self._hear, command=self._command, log=self.log)
        self._job.start()

    def _read(self) -> None:
        """Read the finished cohort, in another thread: thousands of cases take a while."""
        request, cohort = self._required_request(), self._cohort
        summary, warnings = dict(self._summary), list(self._warnings)
        self._work.start(
            lambda: prepared(cohort, request.role, summary, warnings),
            lambda found: self._end(
                "done", summary=found, cohort=self._cohort, picture=self._picture
            ),
            self._fail,
        )

    # What the processes say

    def _hear(self, event: Event) -> None:
        kind = event["event"]
        if kind == "warning":
            self._warnings.append(event)
        elif kind == "progress":
            self._tell(progress_of(event))
        elif kind == "done":
            self._job = None
            self._go_on(event)
        elif kind == "cancelled":
            self._job = None
            self._end("cancelled")
        elif kind == "error":
            self._job = None
            self._end("failed", error=self._explained(event))

    def _go_on(self, event: Event) -> None:
        """Do what comes after a command that has done its work."""
        request = self._required_request()
        outputs, summary = event.get("outputs") or [], event.get("summary") or {}
        try:
            if isinstance(request.data, CohortFolder) or self._summary:
                self._read()
            elif self._goal == "check":
                self._end("done", summary=surveyed(summary, self._named(self._warnings)))
            else:
                self._summary = summary
                self._warnings = self._named(self._warnings)
                self._inspect(Path(outputs[0]))
        except CrossModalSegError as error:
            self._end("failed", error=error)

    def _named(self, warnings: Sequence[Event]) -> list[Event]:
        """Return warnings that speak of nodes, not of the files they were exported to."""
        export = self._export
        if export is None:
            return list(warnings)
        return [
            event | {"message": export.without_paths(str(event.get("message", "")))}
            for event in warnings
        ]

    def _explained(self, event: Event) -> CrossModalSegError:
        """Return a command's error in words that fit the page."""
        named = self._named([event])[0]
        hint = str(named.get("hint", ""))
        places = [field for option, field in _FIELDS.items() if option in hint]
        if places:
            hint = f"{hint} On this page: {', '.join(places)}."
        return reported_error(named | {"hint": hint})

    def _fail(self, error: Exception) -> None:
        if isinstance(error, CrossModalSegError):
            self._end("failed", error=error)
            return
        self._end("failed", error=RunError(f"{type(error).__name__}: {error}"))
        raise error

    def _ignore_result(self, _result: object) -> None:
        """The next poll goes on, or ends if that was asked for."""

    def _tell(self, progress: PreparationProgress) -> None:
        self._on_progress(progress)

    def _end(self, state: State, **found: Any) -> None:
        self._let_go()
        self._on_end(PreparationOutcome(state=state, **found))

    def _let_go(self) -> None:
        self._request, self._job, self._export = None, None, None
        if self._folder is not None:
            self._folder.release(_HOLDER)
            self._folder = None

    def _required_request(self) -> DomainRequest:
        if self._request is None:
            raise RunError("Nothing is being prepared; expected a request.")
        return self._request

    def _output(self, request: DomainRequest) -> Path:
        """Return a folder that no cohort has; a try that was stopped is taken up."""
        wished = cohort_name(request)
        name, number = wished, 2
        while (self._cohorts / name).exists():
            name, number = f"{wished}-{number}", number + 1
        return self._cohorts / name


def cohorts_in(folder: Path) -> list[Path]:
    """Return the cohorts of a folder, by name; none if it cannot be read."""
    try:
        return sorted(path.parent for path in folder.glob("*/cohort.json") if not _is_hidden(path))
    except OSError:
        return []


def _is_hidden(path: Path) -> bool:
    return path.parent.name.startswith(".")


def _ignore(_told: object) -> None:
    """Nobody is told any more."""
