"""The small files of a run: lock, control, journal."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import psutil
import pytest

from CrossModalSegLib.core.errors import OutputExistsError, RunError
from CrossModalSegLib.core.events import CancelToken
from CrossModalSegLib.training.run_folder import (
    Journal,
    RunFolder,
    read_journal,
    wait_while_paused,
)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", {"method": "dsan"})


def test_a_folder_that_holds_something_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputExistsError):
        RunFolder.create(tmp_path, {})
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_folder_without_configuration_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no config\.json"):
        RunFolder.open(tmp_path)


def test_a_run_of_another_version_is_refused(folder: RunFolder) -> None:
    folder.config_file.write_text('{"v": 99}', encoding="utf-8")
    with pytest.raises(RunError, match="another version"):
        RunFolder.open(folder.path)


def write_lock(folder: RunFolder, **changes: object) -> None:
    me = psutil.Process()
    lock = {"v": 1, "pid": me.pid, "host": socket.gethostname(), "started": me.create_time()}
    folder.lock_file.write_text(json.dumps({**lock, **changes}), encoding="utf-8")


def test_a_living_process_holds_its_lock(folder: RunFolder) -> None:
    write_lock(folder)
    assert folder.lock_holder() is not None
    with pytest.raises(RunError, match="is being trained"), folder.locked():
        pass


def test_a_lock_on_another_computer_holds(folder: RunFolder) -> None:
    write_lock(folder, host="elsewhere", pid=1)
    assert folder.lock_holder() is not None


@pytest.mark.parametrize("changes", [{"pid": 2**22 + 5}, {"started": 1.0}])
def test_a_lock_whose_process_is_gone_is_taken_over(
    folder: RunFolder, changes: dict[str, object]
) -> None:
    """Gone: no such process, or another one that got the same number later."""
    write_lock(folder, **changes)
    assert folder.lock_holder() is None
    with folder.locked():
        assert folder.lock_holder() is not None
    assert not folder.lock_file.exists()


def test_requests_are_read_back_and_nonsense_asks_for_nothing(folder: RunFolder) -> None:
    assert folder.read_request() is None
    folder.write_request("pause")
    assert folder.read_request() == "pause"
    folder.control_file.write_text('{"v": 1, "request": "explode"}', encoding="utf-8")
    assert folder.read_request() is None
    folder.control_file.write_text('{"v": 1, "requ', encoding="utf-8")
    assert folder.read_request() is None
    folder.clear_request()
    assert not folder.control_file.exists()


def test_a_pause_ends_when_the_run_is_cancelled(folder: RunFolder) -> None:
    folder.write_request("pause")
    cancel = CancelToken()
    cancel.set()
    assert wait_while_paused(folder, cancel, poll_seconds=0.001) == "pause"


def test_a_line_that_a_kill_cut_short_spoils_no_other(folder: RunFolder) -> None:
    journal = Journal(folder.journal_file)
    journal({"event": "stage"})
    journal.close()
    with folder.journal_file.open("ab") as stream:
        stream.write(b'{"event": "pro')
    journal = Journal(folder.journal_file)
    journal({"event": "done", "text": "é"})
    journal.close()
    assert [event["event"] for event in read_journal(folder.journal_file)] == ["stage", "done"]
