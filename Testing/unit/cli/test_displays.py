"""Events as JSON, and as nothing."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from CrossModalSegLib.cli.displays import JsonDisplay, SilentDisplay, display_for
from CrossModalSegLib.cli.terminal import LineDisplay
from CrossModalSegLib.core.errors import CohortError
from CrossModalSegLib.core.events import Reporter

STRAY = """
import os
from CrossModalSegLib.cli.displays import JsonDisplay
with JsonDisplay() as display:
    print("stray print")
    os.write(1, b"stray bytes of a native library\\n")
    os.system("echo stray child")
    display({"event": "stage", "name": "naïve ✓", "path": "a\\udcffb"})
print("after")
"""

UNREAD = """
import sys
from CrossModalSegLib.cli.displays import JsonDisplay
with JsonDisplay() as display:
    sys.stdin.read()
    for number in range(3):
        display({"event": "progress", "done": number})
print("went on", file=sys.stderr)
"""


def test_each_event_is_one_line_of_json_on_standard_output(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with JsonDisplay() as display:
        reporter = Reporter(sinks=[display])
        reporter.stage("prepare", 2)
        reporter.done(["a\nb"], {"Å": 1})
        print("not an event")  # noqa: T201
    out, err = capsys.readouterr()
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["event"] for event in events] == ["stage", "done"]
    assert events[1]["outputs"] == ["a\nb"]
    assert err == "not an event\n"


def test_nothing_but_events_reaches_a_real_standard_output() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", STRAY], capture_output=True, encoding="utf-8", check=True
    )
    first, after = ran.stdout.splitlines()
    assert json.loads(first) == {"event": "stage", "name": "naïve ✓", "path": "a\udcffb"}
    assert after == "after"
    assert ran.stderr.count("stray") == 3


def test_the_work_goes_on_when_nobody_reads_its_events_any_more() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", UNREAD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.close()
        errors = process.stderr.read()
    assert errors == "went on\n"
    assert process.returncode == 0


def test_silence_is_broken_by_errors_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with SilentDisplay() as display:
        reporter = Reporter(sinks=[display])
        reporter.stage("prepare", 2)
        reporter.warning("kind", "Something.")
        reporter.done([], {"cases": 3})
        reporter.error(CohortError("It is empty.", hint="Fill it."))
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "Error: It is empty.\nFill it.\n"


def test_displays_are_chosen_by_name() -> None:
    assert isinstance(display_for("json"), JsonDisplay)
    assert isinstance(display_for("silent"), SilentDisplay)
    assert isinstance(display_for("terminal"), LineDisplay)  # tests have no terminal
