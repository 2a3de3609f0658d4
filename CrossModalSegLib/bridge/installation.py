"""What is installed inside Slicer, what is missing, and how it is got: after asking, never before.

Small packages come by pip, each on its own, so that nothing that Slicer brings is ever moved.
PyTorch comes through the PyTorch extension. Nothing of it is imported here: torch in Slicer's own
process would lock its files, so another process tries the imports.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from CrossModalSegLib.bridge.installation_record import InstallationNote, InstallationRecord
from CrossModalSegLib.bridge.installation_survey import TORCH_MODULE, Survey, TorchState, survey
from CrossModalSegLib.bridge.installation_texts import HOW_BY_HAND, explain, question
from CrossModalSegLib.bridge.installation_tools import (
    InstallationTools,
    install_torch,
    tools_of_slicer,
)
from CrossModalSegLib.bridge.pip_runs import OnLine, install_with_pip
from CrossModalSegLib.bridge.requirements import Group, Requirement, requirements_of
from CrossModalSegLib.bridge.verification import Failures, Trial
from CrossModalSegLib.core.errors import Cancelled, CrossModalSegError, MissingDependencyError


@dataclass(frozen=True, kw_only=True)
class InstallationState:
    """What is there.

    Attributes:
        ready: Whether everything is there, as far as is known.
        missing: Packages that are missing, too old or damaged; without PyTorch.
        torch: How it stands with PyTorch.
        explanation: All of that in words for the user, with what to do.
        is_verifying: Whether imports are being tried; `check` again in some seconds.
        last_failure: Why the last installation failed, for those who would ask again.
    """

    ready: bool
    missing: tuple[str, ...]
    torch: TorchState
    explanation: str
    is_verifying: bool = False
    last_failure: str = ""


class Installer:
    """Looks at what is installed, and installs what is missing.

    Args:
        group: What the packages are for; training needs more.
        tools: By default Slicer's, as far as they are there.
        record: What is remembered; by default in the user's folder.
        requirements: By default the list that comes with the library.
    """

    def __init__(
        self,
        group: Group = "predict",
        *,
        tools: InstallationTools | None = None,
        record: InstallationRecord | None = None,
        requirements: tuple[Requirement, ...] | None = None,
    ) -> None:
        self._tools = tools or tools_of_slicer()
        self._record = record or InstallationRecord(group)
        self._requirements = requirements_of(group) if requirements is None else requirements
        self._verification: Trial | None = None

    def check(self) -> InstallationState:
        """Look at what is there; takes milliseconds and imports nothing.

        If nobody has ever tried the imports of what is there, that begins now, beside Slicer.
        """
        found = self._look()
        self._take_verdict(found)
        note = self._record.read()
        is_tried = note.state == "tried" and note.versions == found.versions
        if found.seems_complete and not is_tried and self._verification is None:
            self._begin_to_verify()
        return self._state(_with_failures(found, note), note)

    def forget(self) -> None:
        """Have the imports tried again, whatever is remembered; `check` tells what came out.

        Until that is known, what was known before is told.
        """
        note = self._record.read()
        if note.state == "failed":
            self._record.write(InstallationNote())
        if self._verification is None and self._look().seems_complete:
            self._begin_to_verify()

    def install(self, *, on_line: OnLine, ask: Callable[[str], bool]) -> InstallationState:
        """Install what is missing or damaged; returns when that is done.

        Args:
            on_line: Told what happens, often enough to keep a window alive (but for PyTorch and
                Slicer's own dialog).
            ask: Shown what would be installed and how large it is; nothing is done without True.

        Raises:
            Cancelled: The user does not want it.
            MissingDependencyError: It failed; the message says why and the hint what to do.
        """
        if self._look().seems_complete:
            self._verify(on_line)
        found = _with_failures(self._look(), self._record.read())
        if not found.wanted and found.torch == "ready":
            return self.check()
        if not ask(question(found.wanted, found.torch)):
            raise Cancelled
        self._record.write(InstallationNote(state="installing"))
        try:
            self._install(found, on_line)
        except Cancelled:
            self._record.write(InstallationNote())
            raise
        except CrossModalSegError as error:
            error.hint = error.hint or HOW_BY_HAND
            self._record.write(InstallationNote(state="failed", message=str(error)))
            raise
        if failures := self._verify(on_line):
            said = " ".join(f"{name}: {why}." for name, why in failures.items())
            raise MissingDependencyError(
                f"The packages were installed, but cannot all be used. {said}",
                hint="Restart Slicer and install again.",
            )
        return self.check()

    def shutdown(self) -> None:
        """End what runs beside Slicer; imports that are being tried stay untried."""
        if self._verification is not None:
            self._verification.stop()
            self._verification = None

    def _install(self, found: Survey, on_line: OnLine) -> None:
        for packages, again in ((found.absent, False), (found.damaged, True)):
            if packages:
                texts = [each.text for each in packages]
                on_line(f"Installing {', '.join(texts)}.")
                install_with_pip(
                    texts,
                    on_line,
                    again=again,
                    packaging=self._tools.packaging,
                    launch=self._tools.launch,
                )
        if found.torch != "ready":
            on_line("Installing PyTorch. This takes minutes, and Slicer may not answer meanwhile.")
            install_torch(self._tools.torch_installer(), again=found.torch == "broken")

    def _look(self) -> Survey:
        importlib.invalidate_caches()
        return survey(self._requirements, self._tools.version_of, self._tools.has_module)

    def _verify(self, on_line: OnLine) -> Failures:
        """Try the imports and wait for what comes out."""
        verification = self._verification or self._begin_to_verify()
        if verification is None:
            return {}
        failures = verification.wait(lambda: on_line("Trying what is installed."))
        self._take_verdict(self._look())
        return failures

    def _begin_to_verify(self) -> Trial | None:
        modules = [*(each.module for each in self._requirements), TORCH_MODULE]
        try:
            self._verification = self._tools.verify(modules)
        except OSError:  # no process can be started; the worker will say so
            self._verification = None
        return self._verification

    def _take_verdict(self, found: Survey) -> None:
        """Remember what came out, if that is known by now."""
        failures = None if self._verification is None else self._verification.poll()
        if failures is not None:
            self._verification = None
            note = InstallationNote(state="tried", versions=found.versions, failures=failures)
            self._record.write(note)

    def _state(self, found: Survey, note: InstallationNote) -> InstallationState:
        was_interrupted = note.state == "installing"
        is_complete = not found.wanted and found.torch == "ready"
        return InstallationState(
            ready=is_complete and not was_interrupted,
            missing=tuple(each.name for each in found.wanted),
            torch=found.torch,
            explanation=explain(found, failure=note.message, was_interrupted=was_interrupted),
            is_verifying=self._verification is not None,
            last_failure=note.message,
        )


def _with_failures(found: Survey, note: InstallationNote) -> Survey:
    """Add what is remembered of just these versions."""
    is_about_these = note.state == "tried" and note.versions == found.versions
    return replace(found, failures=note.failures) if is_about_these else found
