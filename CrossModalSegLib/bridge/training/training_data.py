"""The data of a training: two domains, looked at and prepared one after the other."""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from CrossModalSegLib.bridge.training.data_choice import (
    ROLES,
    DomainRequest,
    Role,
    ScenePairs,
    SceneVolumes,
    reason_not_to_check,
)
from CrossModalSegLib.bridge.training.data_preparation import DomainPreparation, Goal
from CrossModalSegLib.bridge.training.data_summary import (
    DataFinding,
    DomainSummary,
    findings_of_both,
)
from CrossModalSegLib.bridge.training.preparation_steps import (
    PreparationOutcome,
    PreparationProgress,
)
from CrossModalSegLib.core.errors import CrossModalSegError
from CrossModalSegLib.core.tasks import load_task
from CrossModalSegLib.data.cohort_record import CohortRecord


@dataclass(frozen=True, kw_only=True)
class DomainState:
    """What is known of one domain's data as they are chosen now.

    Attributes:
        request: What is wanted; None: it cannot be said yet.
        summary: Of what was looked at or prepared; None before, or if something else is chosen
            now.
        cohort: The prepared cohort.
        picture: Its contact sheet.
        error: Why looking at it or preparing it failed.
    """

    request: DomainRequest | None = None
    summary: DomainSummary | None = None
    cohort: Path | None = None
    picture: Path | None = None
    error: CrossModalSegError | None = None

    @property
    def record(self) -> CohortRecord | None:
        """What the prepared cohort says."""
        return self.summary.record if self.summary is not None else None

    @property
    def reason_not_to_prepare(self) -> str:
        """What stands against making a cohort of it; "" if nothing does."""
        if self.cohort is not None:
            return "It is prepared already."
        if self.summary is None:
            return "Check the data first."
        if not self.summary.good_cases:
            return "None of the cases can be used."
        return ""


class TrainingData:
    """Source and target; call `poll` every 20 to 50 ms while it is busy.

    Args:
        cohorts: Folder of the user's cohorts.
        on_changed: Called when something else is known than before.
        on_progress: Called while something runs.
        command: What the library's commands are given to; by default the library.
    """

    def __init__(
        self,
        cohorts: Path,
        on_changed: Callable[[], None],
        on_progress: Callable[[Role, PreparationProgress], None],
        *,
        command: Sequence[str] | None = None,
    ) -> None:
        self._on_changed = on_changed
        self._on_progress = on_progress
        self._states: dict[Role, DomainState] = {role: DomainState() for role in ROLES}
        self._former: dict[Role, DomainState] = {role: DomainState() for role in ROLES}
        self._waiting: deque[tuple[Role, Goal]] = deque()
        self._running: tuple[Role, DomainRequest] | None = None
        self._both_of: tuple[DomainState, DomainState] | None = None
        self._both: tuple[DataFinding, ...] = ()
        self._preparation = DomainPreparation(
            cohorts, self._hear_progress, self._take, command=command
        )

    @property
    def is_busy(self) -> bool:
        """Whether something is being looked at or prepared, or is going to be."""
        return self._running is not None or bool(self._waiting)

    @property
    def log_text(self) -> str:
        """What a bug report needs."""
        return self._preparation.log.errors_text()

    def state(self, role: Role) -> DomainState:
        """Return what is known of a domain."""
        return self._states[role]

    def set_request(self, role: Role, request: DomainRequest | None) -> None:
        """Say what is chosen now; of what was chosen before, only the last cohort is remembered."""
        state, former = self._states[role], self._former[role]
        if request == state.request:
            return
        if state.cohort is not None:
            self._former[role] = state
        is_former = former.request is not None and request == former.request
        self._states[role] = former if is_former else DomainState(request=request)

    def reason_not_to_check(self) -> str:
        """Return why nothing can be looked at; "" if a domain can be."""
        reasons = [self._reason_not_to_check(role) for role in ROLES]
        return "" if "" in reasons else next(filter(None, reasons), "")

    def reason_not_to_prepare(self) -> str:
        """Return why no domain can be prepared; "" if one can be."""
        reasons = [self._states[role].reason_not_to_prepare for role in ROLES]
        return "" if "" in reasons else next(filter(None, reasons), "")

    def check(self) -> None:
        """Look at the data of each domain that is chosen."""
        self._queue("check", [role for role in ROLES if not self._reason_not_to_check(role)])

    def prepare(self) -> None:
        """Make a cohort of each domain that was looked at."""
        ready = [role for role in ROLES if not self._states[role].reason_not_to_prepare]
        self._queue("prepare", ready)

    def cancel(self) -> None:
        """Stop; what is known stays known."""
        self._waiting.clear()
        self._preparation.cancel()

    def poll(self) -> None:
        """Take the next small step."""
        if self._running is not None:
            self._preparation.poll()
        if self._running is None and self._waiting:
            self._start(*self._waiting.popleft())

    def shutdown(self) -> None:
        """Stop now, and tell nobody."""
        self._waiting.clear()
        self._preparation.shutdown()

    def forget_scene(self) -> None:
        """Let go of nodes, before a scene is closed."""
        of_scene = (ScenePairs, SceneVolumes)
        if self._running is not None and isinstance(self._running[1].data, of_scene):
            self.cancel()
        for states in (self._states, self._former):
            for role, state in states.items():
                if state.request is not None and isinstance(state.request.data, of_scene):
                    states[role] = DomainState()

    def findings_of_both(self) -> tuple[DataFinding, ...]:
        """Return what two prepared domains say together; nothing before both are."""
        source, target = (self._states[role] for role in ROLES)
        if source.cohort is None or target.cohort is None:
            return ()
        if self._both_of is None or any(map(operator.is_not, (source, target), self._both_of)):
            self._both_of = source, target
            records = source.record, target.record
            self._both = ()
            if records[0] is not None and records[1] is not None:
                folders = source.cohort, target.cohort
                self._both = findings_of_both(records[0], records[1], folders)
        return self._both

    def reason_not_ready(self, role: Role) -> str:
        """Return why a domain cannot be trained with; "" if it can."""
        state = self._states[role]
        if state.request is None:
            return f"Choose the {role}'s data."
        if self._running is not None and self._running[0] == role:
            return f"The {role}'s data are being prepared."
        if state.cohort is None or state.summary is None:
            return reason_not_to_check(state.request) or f"Check and prepare the {role}'s data."
        record = state.record
        if record is not None and record.task.name != _task_name(state.request):
            return (
                f"The {role} is a cohort for {record.task.label}: choose that task, or other data."
            )
        return next((f.text for f in state.summary.findings if f.is_blocking), "")

    def _reason_not_to_check(self, role: Role) -> str:
        request = self._states[role].request
        return f"Choose the {role}'s data." if request is None else reason_not_to_check(request)

    def _queue(self, goal: Goal, roles: Sequence[Role]) -> None:
        if not self.is_busy:
            self._waiting.extend((role, goal) for role in roles)
            self._on_changed()

    def _start(self, role: Role, goal: Goal) -> None:
        request = self._states[role].request
        if request is None or reason_not_to_check(request):
            return
        if goal == "check":
            self._states[role] = DomainState(request=request)
        self._running = (role, request)
        self._preparation.start(request, goal)
        self._on_changed()

    def _hear_progress(self, progress: PreparationProgress) -> None:
        if self._running is not None:
            self._on_progress(self._running[0], progress)

    def _take(self, outcome: PreparationOutcome) -> None:
        running, self._running = self._running, None
        if running is None:
            return
        role, request = running
        state = self._states[role]
        if state.request == request and outcome.state != "cancelled":
            self._states[role] = DomainState(
                request=request,
                summary=outcome.summary or state.summary,
                cohort=outcome.cohort,
                picture=outcome.picture,
                error=outcome.error,
            )
        self._on_changed()


def _task_name(request: DomainRequest) -> str:
    try:
        return load_task(request.task).name
    except CrossModalSegError:
        return request.task
