"""Runs that wait for their turn."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from CrossModalSegLib.core.errors import RunError
from CrossModalSegLib.training.run_queue import RunQueue

ARGUMENTS = ("train", "--run", "somewhere")


@pytest.fixture
def queue(tmp_path: Path) -> RunQueue:
    return RunQueue(tmp_path)


def test_nothing_is_made_before_something_is_added(queue: RunQueue, tmp_path: Path) -> None:
    assert queue.all_entries() == []
    assert list(tmp_path.iterdir()) == []


def test_runs_wait_in_the_order_in_which_they_were_added(queue: RunQueue) -> None:
    for name in ("zebra", "adder", "mole"):
        queue.add(name, ARGUMENTS)
    assert [entry.name for entry in queue.entries()] == ["zebra", "adder", "mole"]
    assert queue.entries()[0].arguments == ARGUMENTS


def test_an_entry_is_removed_once(queue: RunQueue) -> None:
    entry = queue.add("mole", ARGUMENTS)
    assert queue.remove(entry)
    assert not queue.remove(entry)
    assert queue.entries() == []


@pytest.mark.parametrize("name", ["", "../mole", "Mole", "-mole", "a" * 81])
def test_names_that_are_no_folder_are_refused(queue: RunQueue, name: str) -> None:
    with pytest.raises(RunError, match="not a name"):
        queue.add(name, ARGUMENTS)


def test_a_name_waits_only_once(queue: RunQueue) -> None:
    queue.add("mole", ARGUMENTS)
    with pytest.raises(RunError, match="waits already"):
        queue.add("mole", ARGUMENTS)


def test_only_trainings_can_be_queued(queue: RunQueue) -> None:
    with pytest.raises(RunError, match="training"):
        queue.add("mole", ("models", "delete", "mine"))


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"name": "mole"}',
        '{"name": "other", "arguments": ["train"]}',
        '{"name": "mole", "arguments": ["models", "delete", "mine"]}',
        '{"name": "mole", "arguments": ["train", 3]}',
    ],
)
def test_damaged_and_foreign_files_wait_for_nothing(queue: RunQueue, content: str) -> None:
    file = queue.add("mole", ARGUMENTS).file
    file.write_text(content, encoding="utf-8")
    (queue.folder / "notes.json").write_text(json.dumps({"name": "notes"}), encoding="utf-8")
    assert queue.entries() == []


def test_a_failure_is_kept_until_the_run_is_queued_again(queue: RunQueue) -> None:
    entry = queue.add("mole", ARGUMENTS)
    queue.note_failed(entry, {"event": "error", "message": "No labels.", "hint": "Add some."})
    queue.remove(entry)
    (failed,) = queue.failed()
    assert (failed.name, failed.arguments) == ("mole", ARGUMENTS)
    assert failed.error["message"] == "No labels."
    queue.add("mole", ARGUMENTS)
    assert queue.failed() == []


def test_the_work_is_forsaken_when_its_companion_is_gone(queue: RunQueue) -> None:
    assert not queue.is_forsaken()
    companion = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    queue.set_companion(companion.pid)
    assert not queue.is_forsaken()
    companion.kill()
    companion.communicate()
    assert queue.is_forsaken()
    queue.set_companion(None)
    assert not queue.is_forsaken()


def test_a_companion_has_to_exist(queue: RunQueue) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with pytest.raises(RunError, match=str(gone.pid)):
        queue.set_companion(gone.pid)


def test_nobody_works_at_first(queue: RunQueue) -> None:
    assert queue.worker() is None
