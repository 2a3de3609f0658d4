"""A run is known by its folder alone: what it does, how far it is, how it ended."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from CrossModalSegLib.bridge.training.run_monitor import (
    RunMonitor,
    folder_bytes,
    living_process,
)
from CrossModalSegLib.training.run_folder import Journal, RunFolder


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", {"method": "dsan"})


@pytest.fixture
def monitor(run: RunFolder) -> RunMonitor:
    clock = iter(range(0, 100_000, 10))  # so that every poll looks at the process
    return RunMonitor(run.path, clock=lambda: float(next(clock)))


@pytest.fixture
def other_process() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def tell(run: RunFolder, *events: dict[str, Any]) -> None:
    journal = Journal(run.journal_file)
    for number, event in enumerate(events):
        journal({"v": 1, "job": "main", "time": 100.0 + number, **event})
    journal.close()


def lock_by(run: RunFolder, pid: int, host: str = "", started: float | None = None) -> None:
    lock = {
        "v": 1,
        "pid": pid,
        "host": host or socket.gethostname(),
        "started": started or psutil.Process(pid).create_time(),
    }
    run.lock_file.write_text(json.dumps(lock), encoding="utf-8")


BEGUN = (
    {"event": "stage", "stage": "warm_up", "total": 40},
    {"event": "stage", "stage": "adapt", "total": 60},
    {"event": "stage", "stage": "train", "total": 100},
)


def progress(done: int) -> dict[str, Any]:
    return {"event": "progress", "stage": "train", "done": done, "total": 100, "eta_seconds": 7.5}


def test_a_running_run_tells_stage_progress_curves_and_memory(
    run: RunFolder, monitor: RunMonitor, other_process: subprocess.Popen[bytes]
) -> None:
    lock_by(run, other_process.pid)
    assert monitor.poll()
    states: list[str] = [monitor.state]
    metrics = {"event": "metrics", "step": 50, "values": {"seg_s": 0.5, "gpu_memory_mib": 812.0}}
    tell(run, *BEGUN, metrics, progress(50))
    assert monitor.poll()
    assert [*states, monitor.state] == ["starting", "running"]
    assert monitor.is_active
    assert not monitor.is_resumable
    log = monitor.log
    assert (log.done, log.total, log.eta_seconds, log.stage) == (50, 100, 7.5, "adapt")
    assert log.curves["seg_s"].points == ((50.0, 0.5),)
    monitor.poll()
    assert monitor.memory.process_mib
    assert monitor.memory.process_mib > 1
    assert monitor.memory.gpu_mib == 812.0


def test_pause_and_its_end(
    run: RunFolder, monitor: RunMonitor, other_process: subprocess.Popen[bytes]
) -> None:
    lock_by(run, other_process.pid)
    tell(run, *BEGUN, progress(20), {"event": "stage", "stage": "paused", "total": None})
    monitor.poll()
    states: list[str] = [monitor.state]
    assert monitor.log.done == 20
    tell(run, *BEGUN, progress(40))
    monitor.poll()
    assert [*states, monitor.state] == ["paused", "running"]
    assert list(monitor.log.stages) == ["warm_up", "adapt"]


@pytest.mark.parametrize(
    ("event", "state"),
    [
        ({"event": "done", "outputs": ["bundle"], "summary": {"iterations": 100}}, "finished"),
        ({"event": "cancelled"}, "cancelled"),
        ({"event": "error", "kind": "device", "message": "no memory", "hint": "less"}, "failed"),
        (None, "killed"),
    ],
)
def test_how_a_run_has_ended(
    run: RunFolder, monitor: RunMonitor, event: dict[str, Any] | None, state: str
) -> None:
    tell(run, *BEGUN, progress(60), *([] if event is None else [event]))
    monitor.poll()
    assert monitor.state == state
    assert monitor.is_resumable == (state != "finished")
    run.config_file.unlink()
    assert not monitor.is_resumable


def test_an_error_is_kept_with_its_hint(run: RunFolder, monitor: RunMonitor) -> None:
    tell(run, {"event": "error", "kind": "device", "message": "no memory", "hint": "less"})
    monitor.poll()
    (message,) = monitor.log.messages
    assert (message.event, message.message, message.hint) == ("error", "no memory", "less")


def test_a_resumed_run_takes_back_its_end(
    run: RunFolder, monitor: RunMonitor, other_process: subprocess.Popen[bytes]
) -> None:
    tell(run, *BEGUN, progress(60), {"event": "cancelled"})
    monitor.poll()
    lock_by(run, other_process.pid)
    tell(run, *BEGUN, progress(61))
    monitor.poll()
    assert monitor.state == "running"


def test_a_stale_lock_is_recognised(run: RunFolder, monitor: RunMonitor) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    started = psutil.Process(process.pid).create_time()
    process.wait()
    lock_by(run, process.pid, started=started)
    tell(run, *BEGUN, progress(10))
    monitor.poll()
    assert monitor.state == "killed"


def test_another_process_with_the_same_number_is_not_ours(run: RunFolder) -> None:
    lock_by(run, os.getpid(), started=12345.0)
    assert living_process(run.path) is None


def test_a_run_on_another_computer_counts_as_alive(run: RunFolder, monitor: RunMonitor) -> None:
    lock_by(run, os.getpid(), host="elsewhere")
    tell(run, *BEGUN, progress(10))
    monitor.poll()
    assert monitor.state == "running"
    assert monitor.memory.process_mib is None


def test_nothing_new_is_no_change(run: RunFolder, monitor: RunMonitor) -> None:
    tell(run, *BEGUN)
    assert monitor.poll()
    assert not monitor.poll()


def test_a_replaced_journal_starts_afresh(run: RunFolder, monitor: RunMonitor) -> None:
    tell(run, *BEGUN, progress(90), {"event": "done", "outputs": [], "summary": {}})
    monitor.poll()
    run.journal_file.unlink()
    tell(run, BEGUN[2], progress(1))
    monitor.poll()
    assert monitor.state == "killed"
    assert monitor.log.done == 1


def test_requests_go_into_the_control_file(run: RunFolder, monitor: RunMonitor) -> None:
    monitor.ask("pause")
    assert run.read_request() == "pause"


def test_disk_use(run: RunFolder) -> None:
    (run.checkpoints / "last.ckpt").write_bytes(b"x" * 1000)
    before = folder_bytes(run.path)
    (run.previews / "a.png").write_bytes(b"x" * 500)
    assert folder_bytes(run.path) - before == 500
    assert folder_bytes(run.path / "not there") == 0
