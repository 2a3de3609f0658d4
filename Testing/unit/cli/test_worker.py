"""The worker's own input."""

from __future__ import annotations

import subprocess
import sys

import pytest

from CrossModalSegLib.cli.command import UsageError
from CrossModalSegLib.cli.main import main, read_command
from CrossModalSegLib.cli.worker import Worker, take_standard_input

TAKEN = """
import os, sys
from CrossModalSegLib.cli.worker import take_standard_input
requests = take_standard_input()
assert requests != 0
print([sys.stdin.read(), os.read(requests, 99).decode()])
"""


def test_standard_input_is_the_workers_alone() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", TAKEN], input="a request", capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == str(["", "a request"])


def test_without_standard_input_it_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(_: int) -> int:
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr("os.dup", closed)
    with pytest.raises(UsageError, match="which is closed"):
        take_standard_input()


def test_its_events_are_json_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    command = read_command(["worker"])
    assert isinstance(command, Worker)
    assert command.progress == "json"
    assert command.reads_standard_input
    assert main(["worker", "--progress", "terminal"]) == 2
    assert capsys.readouterr().out == ""


def test_how_threads_wait_is_settled_before_a_library_asks() -> None:
    program = (
        "import os, sys\n"
        "import CrossModalSegLib.cli.worker as worker\n"
        "assert not {'numpy', 'torch'} & set(sys.modules)\n"
        "os.environ['OPENBLAS_NUM_THREADS'] = '5'  # whoever chose keeps it\n"
        "worker.Worker().run(__import__('CrossModalSegLib.core.events', fromlist=['x'])"
        ".silent_reporter())\n"
        "print(os.environ['OMP_WAIT_POLICY'], os.environ['OPENBLAS_NUM_THREADS'])\n"
        "assert not {'numpy', 'torch'} & set(sys.modules)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], input="", capture_output=True, text=True, check=True
    )
    assert ran.stdout == "PASSIVE 5\n"
