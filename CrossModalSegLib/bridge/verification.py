"""Whether packages can really be imported, tried in another process.

What is installed by half says "already satisfied" for ever, and importing torch in Slicer itself
would lock its files. Importing takes seconds, so the answer is waited for or asked for again.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from CrossModalSegLib.bridge.processes import (
    kill_tree,
    library_environment,
    own_group,
    python_executable,
)

MAX_SECONDS = 300.0
"""The first import of torch reads a gigabyte, on a slow disk with a virus scanner."""

PROGRAM = """
import importlib, json, sys
for name in sys.argv[1:]:
    print(json.dumps({"trying": name}), flush=True)
    try:
        module = importlib.import_module(name)
        if name == "torch":
            module.zeros(2).sum()
    except BaseException as error:
        print(json.dumps({"failed": name, "why": f"{type(error).__name__}: {error}"}), flush=True)
    else:
        print(json.dumps({"works": name}), flush=True)
"""
"""What the process runs; a module that takes the process down was the last one tried."""

LaunchProgram = Callable[..., "subprocess.Popen[Any]"]
Failures = dict[str, str]
"""Modules that cannot be imported, and why."""


class Trial(Protocol):
    """Imports that are being tried."""

    def poll(self) -> Failures | None:
        """Return what failed, or None while that is not known."""

    def wait(self, breathe: Callable[[], None]) -> Failures:
        """Return what failed, once that is known, and breathe meanwhile."""

    def stop(self) -> None:
        """End it without a verdict."""


class Verification:
    """A try that runs beside the program.

    Args:
        modules: What to import, in order.
        python: By default the Python that runs the library.
        environment: Of the process; by default the library's.
        popen: Starts the process.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(
        self,
        modules: Sequence[str],
        *,
        python: str | None = None,
        environment: Mapping[str, str] | None = None,
        popen: LaunchProgram = subprocess.Popen,
    ) -> None:
        self._modules = tuple(modules)
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the verdict)
        self._end = time.monotonic() + MAX_SECONDS
        self._failures: Failures | None = None
        self._process = popen(
            [python or python_executable(), "-c", PROGRAM, *modules],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.DEVNULL,
            env=dict(environment or library_environment()),
            **own_group(),
        )

    def poll(self) -> Failures | None:
        """Return what failed, or None while it is being tried."""
        if self._failures is None:
            exit_code = self._process.poll()
            if exit_code is None and time.monotonic() < self._end:
                return None
            if exit_code is None:
                kill_tree(self._process)
            self._failures = self._read(exit_code)
        return self._failures

    def wait(self, breathe: Callable[[], None] = lambda: None) -> Failures:
        """Return what failed, once that is known.

        Args:
            breathe: Called every 0.1 s, so that a program can show that it lives.
        """
        while (failures := self.poll()) is None:
            breathe()
            time.sleep(0.1)
        return failures

    def stop(self) -> None:
        """End the process without a verdict."""
        if self._failures is None:
            kill_tree(self._process)
            self._process.wait()
            self._output.close()
            self._failures = {}

    def _read(self, exit_code: int | None) -> Failures:
        self._output.seek(0)
        lines = self._output.read().decode("utf-8", errors="replace").splitlines()
        self._output.close()
        how = "did not end in time" if exit_code is None else f"ended with exit code {exit_code}"
        failures = dict.fromkeys(self._modules, f"the process {how}")
        for report in filter(None, map(_report, lines)):
            if "works" in report:
                failures.pop(report["works"], None)
            elif "failed" in report:
                failures[report["failed"]] = report["why"]
        return failures


def _report(line: str) -> dict[str, str] | None:
    """Return what a line reports; modules print other things, too."""
    try:
        report = json.loads(line)
    except ValueError:
        return None
    return report if isinstance(report, dict) else None
