"""Runs of pip that install nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence

import pytest

from CrossModalSegLib.bridge.pip_runs import NO_NETWORK, NO_SPACE, install_with_pip
from CrossModalSegLib.bridge.processes import launch_process
from CrossModalSegLib.core.errors import MissingDependencyError

Commands = list[list[str]]


def pip_that(program: str, commands: Commands) -> object:
    def launch(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        commands.append(list(command))
        return launch_process([sys.executable, "-c", program], environment)

    return launch


def test_pip_is_asked_for_exactly_these_packages_and_its_lines_are_told() -> None:
    commands: Commands = []
    lines: list[str] = []
    launch = pip_that("import time; print('Collecting a', flush=True); time.sleep(.3)", commands)
    install_with_pip(["a>=1", "b>=2,<3"], lines.append, launch=launch)  # type: ignore[arg-type]
    (command,) = commands
    assert command[1:4] == ["-m", "pip", "install"]
    assert command[-2:] == ["a>=1", "b>=2,<3"]
    assert "--no-deps" in command
    assert "--force-reinstall" not in command
    assert "Collecting a" in lines
    assert len(lines) >= 2  # it also speaks while pip is silent


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("ERROR: Could not find a version that satisfies the requirement a", NO_NETWORK),
        ("OSError: [Errno 28] No space left on device", NO_SPACE),
        ("ERROR: odd", "It said last: ERROR: odd"),
    ],
)
def test_a_failure_says_why(said: str, reason: str) -> None:
    launch = pip_that(f"import sys; print({said!r}, file=sys.stderr); sys.exit(1)", [])
    with pytest.raises(MissingDependencyError) as caught:
        install_with_pip(["a"], lambda _: None, launch=launch)  # type: ignore[arg-type]
    assert reason in caught.value.message


def test_the_real_pip_without_a_network_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    with pytest.raises(MissingDependencyError, match="could not be reached"):
        install_with_pip(["crossmodalseg-no-such-package>=1"], lambda _: None)


def test_a_python_that_is_not_there_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "CrossModalSegLib.bridge.pip_runs.python_executable", lambda: "/no/such/python"
    )
    with pytest.raises(MissingDependencyError, match="could not be started"):
        install_with_pip(["a"], lambda _: None)


def test_inside_slicer_its_own_way_is_used_and_its_errors_are_ours() -> None:
    asked: list[list[str]] = []

    class Packaging:
        def pip_install(self, requirements: list[str], *, requester: str) -> None:
            asked.append(requirements)
            raise subprocess.CalledProcessError(2, requester)

    with pytest.raises(MissingDependencyError, match="exit status 2"):
        install_with_pip(["a>=1"], lambda _: None, again=True, packaging=Packaging())
    assert asked[0][-1] == "a>=1"
    assert {"--no-deps", "--force-reinstall"} <= set(asked[0])
