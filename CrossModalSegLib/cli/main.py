"""The program `crossmodalseg`: reads the command line, runs a command, ends with its exit code."""

from __future__ import annotations

import inspect
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Union, cast

import tyro

from CrossModalSegLib import __version__
from CrossModalSegLib.cli.benchmark import Benchmark
from CrossModalSegLib.cli.command import (
    PROGRAM,
    Command,
    NegativeAnswer,
    UsageError,
    explained,
)
from CrossModalSegLib.cli.compare import Compare
from CrossModalSegLib.cli.demo import Demo
from CrossModalSegLib.cli.displays import display_for
from CrossModalSegLib.cli.doctor import Doctor
from CrossModalSegLib.cli.evaluate import Evaluate
from CrossModalSegLib.cli.figure import Figure
from CrossModalSegLib.cli.inspect import Inspect
from CrossModalSegLib.cli.methods import Methods
from CrossModalSegLib.cli.models import (
    DeleteModel,
    ExportModel,
    ImportModel,
    ListModels,
    ShowModel,
)
from CrossModalSegLib.cli.phantom import Phantom
from CrossModalSegLib.cli.prepare import Prepare
from CrossModalSegLib.cli.run_report import ReportRun
from CrossModalSegLib.cli.runs import FollowRun, ListRuns, PlotRuns, WorkRuns
from CrossModalSegLib.cli.segment import Segment
from CrossModalSegLib.cli.signals import cancelling_signals, obey_standard_input
from CrossModalSegLib.cli.train import Train
from CrossModalSegLib.cli.worker import Worker
from CrossModalSegLib.core.errors import Cancelled
from CrossModalSegLib.core.events import Reporter

DONE, FAILED, MISUSED, CANCELLED = 0, 1, 2, 130
"""Exit codes (CONTRACTS: Command line)."""

DESCRIPTION = """Segmentation of one imaging modality, learned from labels of another.

The usual order: prepare a labelled source and an unlabelled target cohort, train, segment,
evaluate. `crossmodalseg demo` shows all of it on phantoms. For research use only."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: The command line without the program's name; by default the process's own.

    Returns:
        0 done, 1 error, 2 usage, 130 cancelled.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a letter that it lacks is no reason to fail
            stream.reconfigure(errors="replace")
    if arguments == ["--version"]:
        print(f"{PROGRAM} {__version__}")
        return DONE
    try:
        command = read_command(arguments)
    except SystemExit as stop:  # help was shown, or usage explained
        return stop.code if isinstance(stop.code, int) else MISUSED
    return run_command(command)


def read_command(arguments: Sequence[str]) -> Command:
    """Return the command that a command line asks for.

    Raises:
        SystemExit: Help was asked for, or the command line cannot be understood.
    """
    command = tyro.cli(
        _command_type(arguments),
        args=list(arguments),
        prog=PROGRAM,
        description=DESCRIPTION,
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    return cast("Command", command)


def run_command(command: Command) -> int:
    """Run a command, show its events, and return its exit code."""
    with display_for(command.progress) as display:
        reporter = Reporter(sinks=[display])
        if command.progress == "json" and not command.reads_standard_input:
            obey_standard_input(reporter.cancel)
        with cancelling_signals(reporter.cancel):
            code = _run(command, reporter)
    _leave_standard_output()
    return code


def _run(command: Command, reporter: Reporter) -> int:
    try:
        command.run(reporter)
    except NegativeAnswer:
        return FAILED
    except (Cancelled, KeyboardInterrupt):
        reporter.cancelled()
        return CANCELLED
    except Exception as error:  # noqa: BLE001  (the last place where anything can be said of it)
        reporter.error(explained(error))
        return MISUSED if isinstance(error, UsageError) else FAILED
    return DONE


def _leave_standard_output() -> None:
    """Flush it now: at the program's end, a reader that is gone would be an error."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@dataclass(frozen=True)
class _Group:
    """Commands of a command."""

    summary: str
    commands: dict[str, type[Command]]


COMMANDS: dict[str, type[Command] | _Group] = {
    "demo": Demo,
    "benchmark": Benchmark,
    "doctor": Doctor,
    "phantom": Phantom,
    "prepare": Prepare,
    "inspect": Inspect,
    "methods": Methods,
    "train": Train,
    "segment": Segment,
    "evaluate": Evaluate,
    "compare": Compare,
    "figure": Figure,
    "models": _Group(
        "List, import, export and delete models.",
        {
            "list": ListModels,
            "info": ShowModel,
            "import": ImportModel,
            "export": ExportModel,
            "delete": DeleteModel,
        },
    ),
    "runs": _Group(
        "List, follow, plot, report and queue training runs.",
        {
            "list": ListRuns,
            "follow": FollowRun,
            "plot": PlotRuns,
            "report": ReportRun,
            "work": WorkRuns,
        },
    ),
    "worker": Worker,
}


def _command_type(arguments: Sequence[str]) -> Any:
    """Return what tyro is to read: all commands, in one line each where help may list them."""
    words = [word for word in arguments[:2] if not word.startswith("-")]
    entry = COMMANDS.get(words[0]) if words else None
    if isinstance(entry, _Group):
        entry = entry.commands.get(words[1]) if len(words) > 1 else None
    members = []
    for name, member in COMMANDS.items():
        if isinstance(member, _Group):
            inner = _union([_entry(key, c, entry) for key, c in member.commands.items()])
            marker = tyro.conf.subcommand(name, description=member.summary)
            members.append(Annotated[inner, marker])
        else:
            members.append(_entry(name, member, entry))
    return _union(members)


def _entry(name: str, command: type[Command], chosen: object) -> Any:
    """Return a command under its name, described in full if it is the chosen one."""
    text = inspect.getdoc(command) or ""
    description = text if command is chosen else text.partition("\n")[0]
    return Annotated[command, tyro.conf.subcommand(name, description=description)]


def _union(members: list[Any]) -> Any:
    return Union[tuple(members)]  # noqa: UP007  (the members are only known here)
