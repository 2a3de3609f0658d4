"""Command lines, exit codes, and what help costs."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

import pytest

from CrossModalSegLib import __version__
from CrossModalSegLib.cli.command import Command, NegativeAnswer, UsageError
from CrossModalSegLib.cli.main import COMMANDS, main, read_command, run_command
from CrossModalSegLib.cli.train import Train
from CrossModalSegLib.core.errors import Cancelled, CohortError
from CrossModalSegLib.core.events import Reporter

HEAVY = ("torch", "monai", "SimpleITK", "matplotlib", "numpy", "scipy", "pandas")

IMPORTS = f"""
import sys
from CrossModalSegLib.cli.main import main
assert main([*sys.argv[1:], "--help"]) == 0
heavy = [name for name in {HEAVY} if name in sys.modules]
assert not heavy, heavy
"""


@dataclass(frozen=True, kw_only=True)
class Failing(Command):
    """A command that ends as it is told."""

    ending: BaseException | None = None

    def run(self, reporter: Reporter) -> None:
        reporter.stage("work", 1)
        if self.ending is not None:
            raise self.ending
        reporter.done([], {})


@pytest.mark.parametrize(
    ("ending", "code", "last_event"),
    [
        (None, 0, "done"),
        (CohortError("It is empty."), 1, "error"),
        (UsageError("Not so."), 2, "error"),
        (Cancelled(), 130, "cancelled"),
        (KeyboardInterrupt(), 130, "cancelled"),
        (ZeroDivisionError("by zero"), 1, "error"),
        (MemoryError(), 1, "error"),
        (ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn"), 1, "error"),
    ],
)
def test_each_ending_has_its_exit_code_and_event(
    ending: BaseException | None,
    code: int,
    last_event: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_command(Failing(progress="json", ending=ending)) == code
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events] == ["stage", last_event]


def test_the_unforeseen_is_shown_with_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    run_command(Failing(ending=ZeroDivisionError("by zero")))
    errors = capsys.readouterr().err
    assert "Traceback" in errors
    assert "Error: Something unforeseen happened: ZeroDivisionError: by zero" in errors


def test_expected_errors_have_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    run_command(Failing(ending=CohortError("It is empty.", hint="Fill it.")))
    assert capsys.readouterr().err == "Error: It is empty.\nFill it.\n"


def test_a_missing_package_is_named_with_the_way_to_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_command(Failing(ending=ModuleNotFoundError("No module named 'torch'", name="torch")))
    errors = capsys.readouterr().err
    assert "'torch'" in errors
    assert "doctor" in errors
    assert "Traceback" not in errors


def test_a_negative_answer_is_an_error_without_more_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_command(Failing(ending=NegativeAnswer())) == 1
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["trian"],
        ["train", "--run"],
        ["train", "--rnu", "x"],
        ["models"],
        ["phantom", "cardiac", "--modality", "xray", "--subjects", "1", "--output", "x"],
        ["segment", "--model", "m", "--input", "i", "--output", "o", "--device", "tpu"],
    ],
)
def test_a_command_line_that_cannot_be_understood_is_a_usage_error(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err


def test_a_misspelt_command_is_answered_with_those_that_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["trian"])
    assert "train" in capsys.readouterr().err


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"crossmodalseg {__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert command in capsys.readouterr().out


def test_options_are_read_into_the_command() -> None:
    line = "train --run r --method dsan --override a.b=1 --override a.c=[1, 2] --seed 3"
    words = line.replace("[1, 2]", "[1,2]").split()
    command = read_command(words)
    assert isinstance(command, Train)
    assert command.override == ("a.b=1", "a.c=[1,2]")
    assert command.seed == 3
    assert not command.overwrite


@pytest.mark.parametrize("command", [[], ["train"], ["models", "import"], ["worker"]])
def test_help_imports_nothing_heavy(command: list[str]) -> None:
    subprocess.run([sys.executable, "-c", IMPORTS, *command], check=True, stdout=subprocess.DEVNULL)
