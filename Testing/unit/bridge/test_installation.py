"""What is missing, asked for, installed and remembered; no pip runs here."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from CrossModalSegLib.bridge.installation import Installer
from CrossModalSegLib.bridge.installation_record import InstallationRecord
from CrossModalSegLib.bridge.installation_tools import InstallationTools
from CrossModalSegLib.bridge.requirements import (
    PROTECTED,
    Group,
    read_requirements,
    requirements_of,
)
from CrossModalSegLib.core.errors import Cancelled, MissingDependencyError

REQUIREMENTS = tuple(
    read_requirements(["# [predict]", "safetensors>=0.5  # 1.3 MB", "tyro>=0.9,<2  # 0.8 MB"])
)

GOOD = {"safetensors": "0.5", "tyro": "1.0.17", "torch": "2.8.0+cu128"}


class Verdict:
    """A verification that takes as many polls as it is told."""

    def __init__(self, failures: dict[str, str], polls: int = 0) -> None:
        self.failures = failures
        self.polls = polls
        self.is_stopped = False

    def stop(self) -> None:
        self.is_stopped = True

    def poll(self) -> dict[str, str] | None:
        self.polls -= 1
        return None if self.polls >= 0 else self.failures

    def wait(self, breathe: Callable[[], None]) -> dict[str, str]:
        breathe()
        return self.failures


@dataclass
class Machine:
    """What is installed, what works, and what was asked of pip and of the PyTorch extension."""

    folder: Path
    installed: dict[str, str] = field(default_factory=lambda: dict(GOOD))
    failures: dict[str, str] = field(default_factory=dict)
    polls: int = 0
    has_extension: bool = True
    wants_torch: bool = True
    error: BaseException | None = None
    torch_error: Exception | None = None
    pip: list[list[str]] = field(default_factory=list)
    torch: list[str] = field(default_factory=list)
    verified: list[list[str]] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    answer: bool = True

    def pip_install(self, requirements: list[str], *, requester: str) -> None:
        assert requester == "CrossModalSeg"
        self.pip.append(requirements)
        if self.error is not None:
            raise self.error
        for text in requirements:
            if ">=" in text:
                name = text.partition(">=")[0]
                self.installed[name] = GOOD[name]
                self.failures.pop(name, None)

    def installTorch(  # noqa: N802
        self,
        *,
        askConfirmation: bool,  # noqa: N803
        torchVersionRequirement: str,  # noqa: N803
    ) -> object:
        assert askConfirmation
        self.torch.append(f"install{torchVersionRequirement}")
        if self.torch_error is not None:
            raise self.torch_error
        if not self.wants_torch:
            return None
        self.installed["torch"] = GOOD["torch"]
        self.failures.pop("torch", None)
        return ModuleType("torch")

    def uninstallTorch(self) -> None:  # noqa: N802
        self.torch.append("uninstall")

    def verify(self, modules: list[str]) -> Any:
        self.verified.append(modules)
        return Verdict(dict(self.failures), self.polls)

    def ask(self, question: str) -> bool:
        self.questions.append(question)
        return self.answer

    @property
    def record(self) -> InstallationRecord:
        return InstallationRecord("predict", self.folder)

    def installer(self) -> Installer:
        tools = InstallationTools(
            packaging=self,
            torch_installer=lambda: self if self.has_extension else None,
            verify=self.verify,
            version_of=self.installed.get,
            has_module=lambda name: name in self.installed,
        )
        return Installer(tools=tools, record=self.record, requirements=REQUIREMENTS)

    def install(self) -> Any:
        return self.installer().install(on_line=self.lines.append, ask=self.ask)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "record")


@pytest.fixture(autouse=True)
def torch_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a Slicer that has just started, whatever other tests have imported."""
    if "torch" in sys.modules:
        monkeypatch.delitem(sys.modules, "torch")


def test_all_there_is_ready_and_imports_are_tried_once(machine: Machine) -> None:
    installer = machine.installer()
    state = installer.check()
    assert state.ready
    assert state.is_verifying
    assert machine.verified == [["safetensors", "tyro", "torch"]]
    assert not installer.check().is_verifying
    again = machine.installer().check()
    assert again.ready
    assert again.torch == "ready"
    assert len(machine.verified) == 1
    assert machine.install().ready
    assert machine.questions == []


def test_after_an_update_imports_are_tried_again(machine: Machine) -> None:
    installer = machine.installer()
    installer.check()
    installer.check()
    machine.installed["torch"] = "2.9.0"
    assert installer.check().is_verifying
    assert len(machine.verified) == 2


def test_missing_and_old_packages_are_named(machine: Machine) -> None:
    del machine.installed["safetensors"], machine.installed["torch"]
    machine.installed["tyro"] = "0.8.14"
    state = machine.installer().check()
    assert not state.ready
    assert state.missing == ("safetensors", "tyro")
    assert state.torch == "missing"
    for word in ("PyTorch", "safetensors", "tyro", "about 2 MB", "before you agree"):
        assert word in state.explanation
    assert machine.verified == []


def test_what_is_missing_is_installed_after_asking_and_nothing_else(machine: Machine) -> None:
    del machine.installed["safetensors"], machine.installed["torch"]
    state = machine.install()
    assert state.ready
    (question,) = machine.questions
    assert "safetensors>=0.5: about 1 MB" in question
    assert "PyTorch, through" in question
    assert "GB" in question
    assert "tyro" not in question
    (arguments,) = machine.pip
    assert [text for text in arguments if not text.startswith("--")] == ["safetensors>=0.5"]
    assert "--no-deps" in arguments
    assert machine.torch == ["install>=2.6"]
    assert any("PyTorch" in line for line in machine.lines)
    assert machine.record.read().state == "tried"


def test_without_consent_nothing_happens(machine: Machine) -> None:
    machine.installed.clear()
    machine.answer = False
    with pytest.raises(Cancelled):
        machine.install()
    assert machine.pip == []
    assert machine.torch == []
    assert machine.record.read().state == "unknown"


def test_no_to_the_extension_is_no_error(machine: Machine) -> None:
    del machine.installed["torch"]
    machine.wants_torch = False
    with pytest.raises(Cancelled):
        machine.install()
    state = machine.installer().check()
    assert state.torch == "missing"
    assert state.last_failure == ""


def test_a_torch_that_cannot_be_imported_is_broken_and_replaced(machine: Machine) -> None:
    machine.failures["torch"] = "OSError: [WinError 126] fbgemm.dll"
    installer = machine.installer()
    assert installer.check().ready
    state = installer.check()
    assert not state.ready
    assert state.torch == "broken"
    assert "WinError 126" in state.explanation
    state = machine.install()
    assert state.ready
    assert "again, as it is damaged" in machine.questions[0]
    assert machine.torch == ["uninstall", "install>=2.6"]
    assert machine.pip == []


@pytest.mark.parametrize("leftover", ["files", "record", "old"])
def test_a_half_removed_or_old_torch_is_broken(machine: Machine, leftover: str) -> None:
    machine.installed["torch"] = "1.13.1"
    tools = InstallationTools(
        version_of=lambda name: None if leftover == "files" else machine.installed.get(name),
        has_module=lambda _: leftover != "record",
        verify=machine.verify,
    )
    installer = Installer(tools=tools, record=machine.record, requirements=())
    assert installer.check().torch == "broken"
    assert machine.verified == []


def test_a_torch_that_slicer_has_loaded_is_not_replaced(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.failures["torch"] = "ImportError"
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    with pytest.raises(MissingDependencyError, match="Restart Slicer"):
        machine.install()
    assert machine.torch == []


def test_a_damaged_package_is_installed_over(machine: Machine) -> None:
    machine.failures["tyro"] = "ImportError: half"
    state = machine.install()
    assert state.ready
    (arguments,) = machine.pip
    assert "--force-reinstall" in arguments
    assert arguments[-1] == "tyro>=0.9,<2"


def test_without_a_network_the_way_by_hand_is_told_and_the_failure_remembered(
    machine: Machine,
) -> None:
    machine.installed.clear()
    machine.error = subprocess.CalledProcessError(1, ["pip"])
    with pytest.raises(MissingDependencyError, match=r"slicer-requirements\.txt"):
        machine.install()
    assert machine.torch == []
    state = machine.installer().check()
    assert not state.ready
    assert "exit status 1" in state.last_failure
    assert "The last installation failed" in state.explanation
    assert machine.verified == []
    installer = machine.installer()
    installer.forget()
    assert installer.check().last_failure == ""


def test_what_was_put_there_by_hand_after_a_failure_counts(machine: Machine) -> None:
    machine.installed.clear()
    machine.error = OSError("no network")
    with pytest.raises(MissingDependencyError):
        machine.install()
    machine.installed.update(GOOD)
    installer = machine.installer()
    installer.check()
    state = installer.check()
    assert state.ready
    assert state.last_failure == ""


def test_a_failing_extension_is_told_and_remembered(machine: Machine) -> None:
    del machine.installed["torch"]
    machine.torch_error = ValueError("no backend")
    with pytest.raises(MissingDependencyError, match="no backend"):
        machine.install()
    assert "no backend" in machine.installer().check().last_failure


def test_without_the_extension_its_name_is_told(machine: Machine) -> None:
    del machine.installed["torch"]
    machine.has_extension = False
    with pytest.raises(MissingDependencyError, match="Extensions Manager"):
        machine.install()


def test_an_interrupted_installation_is_not_trusted_until_imports_were_tried(
    machine: Machine,
) -> None:
    del machine.installed["tyro"]
    machine.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        machine.install()
    machine.installed["tyro"] = "1.0.17"  # its record was written, its files were not
    machine.failures["tyro"] = "ImportError: half"
    machine.error = None
    installer = machine.installer()
    state = installer.check()
    assert not state.ready
    assert state.is_verifying
    assert "interrupted" in state.explanation
    state = installer.check()
    assert state.missing == ("tyro",)
    assert machine.install().ready
    assert "--force-reinstall" in machine.pip[-1]


def test_what_is_installed_and_still_fails_is_an_error_with_the_reason(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    del machine.installed["tyro"]
    monkeypatch.setattr(machine, "verify", lambda _: Verdict({"tyro": "SyntaxError: old"}))
    with pytest.raises(MissingDependencyError, match="SyntaxError: old"):
        machine.install()
    assert machine.installer().check().missing == ("tyro",)


def test_slicer_can_end_while_imports_are_tried(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdict = Verdict({}, polls=99)
    monkeypatch.setattr(machine, "verify", lambda _: verdict)
    installer = machine.installer()
    assert installer.check().is_verifying
    installer.shutdown()
    installer.shutdown()
    assert verdict.is_stopped
    assert machine.record.read().state != "tried"


def test_until_a_new_verdict_is_there_the_old_one_is_told(machine: Machine) -> None:
    machine.failures["torch"] = "ImportError"
    installer = machine.installer()
    installer.check()
    installer.check()
    machine.failures.clear()
    machine.polls = 1
    installer.forget()
    assert installer.check().torch == "broken"
    assert installer.check().torch == "ready"


@pytest.mark.parametrize("group", ["predict", "train"])
@pytest.mark.parametrize("is_damaged", [False, True])
def test_pip_is_never_asked_for_what_is_protected(
    machine: Machine, group: Group, *, is_damaged: bool
) -> None:
    """With the real list, everything missing or damaged."""
    needed = requirements_of(group)
    failures = {each.module: "ImportError" for each in needed} if is_damaged else {}
    tools = InstallationTools(
        packaging=machine,
        torch_installer=lambda: machine,
        verify=lambda _: Verdict(failures),
        version_of=lambda _: "99" if is_damaged else None,
        has_module=lambda _: is_damaged,
    )
    unbounded = tuple(replace(each, bounds=">=1") for each in needed)
    installer = Installer(group, tools=tools, record=machine.record, requirements=unbounded)
    machine.error = RuntimeError("stop here")
    with pytest.raises(MissingDependencyError):
        installer.install(on_line=machine.lines.append, ask=machine.ask)
    (arguments,) = machine.pip
    names = {text.partition(">=")[0] for text in arguments if not text.startswith("--")}
    assert names == {each.name for each in needed}
    assert not names & PROTECTED
    assert "--no-deps" in arguments


def test_looking_takes_no_time_and_imports_nothing(tmp_path: Path) -> None:
    tools = InstallationTools(verify=lambda _: Verdict({}))
    installer = Installer(tools=tools, record=InstallationRecord("predict", tmp_path))
    before = {name.partition(".")[0] for name in sys.modules}
    installer.check()
    begin = time.perf_counter()
    state = installer.check()
    assert time.perf_counter() - begin < 0.05
    assert state.ready, state
    new = {name.partition(".")[0] for name in sys.modules} - before
    assert not new & {"torch", "tyro", "jaxtyping", "safetensors"}
