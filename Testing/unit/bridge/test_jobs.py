"""The worker's client, with a real process that behaves well or badly."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from CrossModalSegLib.bridge.jobs import WorkerJobs
from CrossModalSegLib.core.events import Event
from Testing.frozen_heap import frozen_heap

Poll = Callable[..., float]

TERMINAL = {"done", "error", "cancelled"}


@pytest.fixture
def jobs(fake_worker: list[str]) -> Iterator[WorkerJobs]:
    worker = WorkerJobs(command=fake_worker)
    yield worker
    worker.shutdown(1.0)


class Listener:
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    @property
    def kinds(self) -> list[str]:
        return [event["event"] for event in self.events]

    @property
    def ends(self) -> list[str]:
        return [kind for kind in self.kinds if kind in TERMINAL]


def test_a_job_tells_its_progress_and_its_end(jobs: WorkerJobs, poll_until: Poll) -> None:
    heard = Listener()
    job = jobs.submit("echo", {"text": "näve"}, heard)
    assert list(jobs.active_jobs) == [job]
    assert heard.events == []
    poll_until(jobs, lambda: heard.ends)
    assert heard.kinds[-1] == "done"
    assert "progress" in heard.kinds
    assert heard.events[-1]["summary"] == {"text": "näve"}
    assert not jobs.active_jobs
    assert jobs.is_running


def test_nothing_is_started_before_the_first_job(jobs: WorkerJobs) -> None:
    jobs.poll()
    assert not jobs.is_running
    assert jobs.log.count == 0


def test_jobs_end_in_order_in_the_same_process(jobs: WorkerJobs, poll_until: Poll) -> None:
    heard = [Listener() for _ in range(3)]
    ends: list[int] = []
    for number, listener in enumerate(heard):

        def tell(event: Event, number: int = number, listener: Listener = listener) -> None:
            listener(event)
            ends.append(number)

        jobs.submit("pid", {}, tell)
    poll_until(jobs, lambda: len(ends) == 3)
    assert ends == [0, 1, 2]
    assert len({listener.events[-1]["summary"]["pid"] for listener in heard}) == 1


def test_an_error_is_told_and_logged(jobs: WorkerJobs, poll_until: Poll) -> None:
    heard = Listener()
    jobs.submit("fail", {}, heard)
    poll_until(jobs, lambda: heard.ends)
    assert heard.events[-1]["kind"] == "device"
    assert "No GPU. Choose the processor." in jobs.log.errors_text()


def test_a_running_job_obeys_cancel_at_once(jobs: WorkerJobs, poll_until: Poll) -> None:
    heard, next_one = Listener(), Listener()
    job = jobs.submit("slow", {}, heard)
    poll_until(jobs, lambda: heard.events)
    jobs.cancel(job)
    assert heard.ends == []
    assert poll_until(jobs, lambda: heard.ends) < 0.5
    assert heard.ends == ["cancelled"]
    jobs.submit("echo", {}, next_one)
    poll_until(jobs, lambda: next_one.ends)
    assert next_one.ends == ["done"]


def test_a_queued_job_is_cancelled_while_another_one_runs(
    jobs: WorkerJobs, poll_until: Poll
) -> None:
    running, queued = Listener(), Listener()
    first = jobs.submit("slow", {}, running)
    second = jobs.submit("echo", {}, queued)
    jobs.cancel(second)
    poll_until(jobs, lambda: queued.ends)
    assert queued.kinds == ["cancelled"]
    assert jobs.active_jobs == (first,)
    jobs.cancel(first)
    poll_until(jobs, lambda: running.ends)


def test_cancel_is_told_in_time_by_a_worker_that_is_stuck(
    jobs: WorkerJobs, poll_until: Poll
) -> None:
    heard, after = Listener(), Listener()
    job = jobs.submit("deaf", {"seconds": 1.5}, heard)
    poll_until(jobs, lambda: heard.events)
    jobs.cancel(job)
    assert poll_until(jobs, lambda: heard.ends) < 0.8
    assert heard.ends == ["cancelled"]
    jobs.submit("echo", {}, after)
    poll_until(jobs, lambda: after.ends)
    assert after.ends == ["done"]
    assert heard.ends == ["cancelled"]  # the late "done" was dropped


def test_a_job_that_is_done_when_cancel_arrives_ends_as_cancelled(
    jobs: WorkerJobs, poll_until: Poll
) -> None:
    heard, other = Listener(), Listener()
    job = jobs.submit("echo", {}, heard)
    jobs.submit("slow", {}, other)
    time.sleep(0.5)  # the answer waits unread
    jobs.cancel(job)
    poll_until(jobs, lambda: heard.ends)
    assert heard.kinds == ["cancelled"]


def test_a_worker_that_does_not_obey_is_killed_and_the_others_go_to_a_new_one(
    fake_worker: list[str], poll_until: Poll
) -> None:
    skipped = 0.0
    jobs = WorkerJobs(command=fake_worker, clock=lambda: time.monotonic() + skipped)
    deaf, waiting = Listener(), Listener()
    job = jobs.submit("deaf", {"seconds": 60}, deaf)
    jobs.submit("echo", {"number": 7}, waiting)
    poll_until(jobs, lambda: deaf.events)
    jobs.cancel(job)
    poll_until(jobs, lambda: deaf.ends)
    assert waiting.events == []
    skipped = 5.0
    poll_until(jobs, lambda: waiting.ends)
    assert waiting.ends == ["done"]
    assert waiting.events[-1]["summary"] == {"number": 7}
    assert deaf.ends == ["cancelled"]
    assert "did not obey" in jobs.log.errors_text()
    jobs.shutdown()


def test_a_job_is_given_to_a_second_worker_but_not_to_a_third(
    fake_worker: list[str], poll_until: Poll
) -> None:
    skipped = 0.0
    jobs = WorkerJobs(command=fake_worker, clock=lambda: time.monotonic() + skipped)
    heard = [Listener() for _ in range(3)]
    names = [jobs.submit("deaf", {"seconds": 60}, listener) for listener in heard]
    for name, listener in zip(names[:2], heard[:2], strict=True):
        poll_until(jobs, lambda listener=listener: listener.events)
        jobs.cancel(name)
        poll_until(jobs, lambda listener=listener: listener.ends)
        skipped += 5.0
    poll_until(jobs, lambda: heard[2].ends)
    assert heard[2].events[-1]["kind"] == "WorkerDied"
    assert [listener.ends for listener in heard] == [["cancelled"], ["cancelled"], ["error"]]
    jobs.shutdown()


def test_a_death_is_told_to_every_job_with_the_last_words(
    jobs: WorkerJobs, poll_until: Poll
) -> None:
    first, second = Listener(), Listener()
    jobs.submit("die", {}, first)
    jobs.submit("echo", {}, second)
    poll_until(jobs, lambda: first.ends and second.ends)
    for listener in (first, second):
        assert listener.ends == ["error"]
        assert listener.events[-1]["kind"] == "WorkerDied"
        assert "something awful" in listener.events[-1]["message"]
        assert "exit code 3" in listener.events[-1]["message"]
        assert listener.events[-1]["hint"]
    assert not jobs.is_running


def test_after_a_death_the_next_job_starts_a_new_worker(jobs: WorkerJobs, poll_until: Poll) -> None:
    dead, alive = Listener(), Listener()
    jobs.submit("die", {}, dead)
    poll_until(jobs, lambda: dead.ends)
    jobs.submit("echo", {}, alive)
    poll_until(jobs, lambda: alive.ends)
    assert alive.ends == ["done"]


def test_a_job_that_is_submitted_before_the_death_was_noticed_is_not_lost(
    jobs: WorkerJobs, poll_until: Poll
) -> None:
    first, second = Listener(), Listener()
    jobs.submit("pid", {}, first)
    poll_until(jobs, lambda: first.ends)
    process = psutil.Process(first.events[-1]["summary"]["pid"])
    process.kill()
    while jobs.is_running:  # without a poll
        time.sleep(0.01)
    jobs.submit("echo", {}, second)
    poll_until(jobs, lambda: second.ends)
    assert second.ends == ["done"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_worker_that_the_system_killed_is_explained_by_memory(
    jobs: WorkerJobs, poll_until: Poll
) -> None:
    first, second = Listener(), Listener()
    jobs.submit("pid", {}, first)
    poll_until(jobs, lambda: first.ends)
    jobs.submit("slow", {}, second)
    poll_until(jobs, lambda: second.events)
    os.kill(first.events[-1]["summary"]["pid"], signal.SIGKILL)
    poll_until(jobs, lambda: second.ends)
    assert "memory" in second.events[-1]["hint"]


def test_a_worker_that_refuses_to_start_is_an_error_that_names_the_reason(
    fake_worker: list[str], poll_until: Poll
) -> None:
    jobs = WorkerJobs(command=[*fake_worker, "--refuse"])
    heard = Listener()
    jobs.submit("echo", {}, heard)
    poll_until(jobs, lambda: heard.ends)
    assert "No module named 'torch'" in heard.events[-1]["message"]
    assert "install the packages" in heard.events[-1]["hint"]


def test_a_program_that_is_not_there_is_an_error_of_the_job(
    tmp_path: Path, poll_until: Poll
) -> None:
    jobs = WorkerJobs(command=[str(tmp_path / "nothing")])
    heard = Listener()
    jobs.submit("echo", {}, heard)
    assert heard.events == []
    poll_until(jobs, lambda: heard.ends)
    assert heard.events[-1]["kind"] == "WorkerDied"
    assert jobs.active_jobs == ()


def test_lines_that_are_no_events_are_logged_and_do_no_harm(
    jobs: WorkerJobs, poll_until: Poll
) -> None:
    heard = Listener()
    jobs.submit("garbage", {}, heard)
    poll_until(jobs, lambda: heard.ends)
    assert heard.kinds == ["done"]
    assert heard.events[0]["summary"] == {"text": "naïve"}
    texts = [text for _, text in jobs.log.lines]
    assert "hello" in texts
    assert "\ufffd\ufffd" in texts


def test_a_flood_of_progress_blocks_no_poll_and_only_the_newest_is_told(
    jobs: WorkerJobs, poll_until: Poll
) -> None:
    heard = Listener()
    longest = 0.0
    jobs.submit("flood", {"count": 20000}, heard)

    class Timed:
        def poll(self) -> None:
            nonlocal longest
            begin = time.perf_counter()
            jobs.poll()
            longest = max(longest, time.perf_counter() - begin)

    with frozen_heap():
        poll_until(Timed(), lambda: heard.ends, 20.0)
    assert heard.ends == ["done"]
    assert heard.events[-2]["done"] == 19999
    assert len(heard.events) < 2000
    assert longest < 0.1


def test_a_listener_that_fails_harms_no_other_one(jobs: WorkerJobs, poll_until: Poll) -> None:
    heard = Listener()

    def fail(event: Event) -> None:
        raise KeyError(event["event"])

    jobs.submit("echo", {}, fail)
    jobs.submit("echo", {}, heard)
    poll_until(jobs, lambda: heard.ends)
    assert heard.ends == ["done"]
    assert jobs.active_jobs == ()
    assert "KeyError" in jobs.log.errors_text()


def test_a_listener_may_submit_and_poll(jobs: WorkerJobs, poll_until: Poll) -> None:
    inner = Listener()

    def begin_another(event: Event) -> None:
        if event["event"] == "done":
            jobs.submit("echo", {}, inner)
            poll_until(jobs, lambda: inner.ends)

    jobs.submit("echo", {}, begin_another)
    poll_until(jobs, lambda: inner.ends)
    assert inner.ends == ["done"]


def test_arguments_that_json_does_not_know_are_refused_before_anything_starts(
    jobs: WorkerJobs,
) -> None:
    with pytest.raises(TypeError):
        jobs.submit("echo", {"path": Path("x")}, Listener())
    with pytest.raises(ValueError, match="Out of range"):
        jobs.submit("echo", {"number": float("nan")}, Listener())
    assert jobs.active_jobs == ()
    assert not jobs.is_running


def test_restart_ends_jobs_as_cancelled_and_the_next_one_has_another_process(
    jobs: WorkerJobs, poll_until: Poll
) -> None:
    first, slow, second = Listener(), Listener(), Listener()
    jobs.submit("pid", {}, first)
    poll_until(jobs, lambda: first.ends)
    jobs.submit("slow", {}, slow)
    begin = time.perf_counter()
    jobs.restart()
    assert time.perf_counter() - begin < 0.1
    jobs.submit("pid", {}, second)
    poll_until(jobs, lambda: slow.ends and second.ends)
    assert slow.ends == ["cancelled"]
    assert first.events[-1]["summary"] != second.events[-1]["summary"]


def test_shutdown_tells_every_job_and_leaves_no_process(jobs: WorkerJobs, poll_until: Poll) -> None:
    child, slow = Listener(), Listener()
    jobs.submit("child", {}, child)
    poll_until(jobs, lambda: child.ends)
    jobs.submit("slow", {}, slow)
    jobs.shutdown()
    assert slow.ends == ["cancelled"]
    assert not jobs.is_running
    assert not is_alive(child.events[-1]["summary"]["pid"])


def test_shutdown_kills_a_worker_that_does_not_quit(
    fake_worker: list[str], poll_until: Poll
) -> None:
    jobs = WorkerJobs(command=[*fake_worker, "--stubborn"])
    heard = Listener()
    jobs.submit("pid", {}, heard)
    poll_until(jobs, lambda: heard.ends)
    begin = time.monotonic()
    jobs.shutdown(0.3)
    assert 0.2 < time.monotonic() - begin < 1.5
    assert not is_alive(heard.events[-1]["summary"]["pid"])
    jobs.shutdown()  # again does nothing


def is_alive(pid: int) -> bool:
    deadline = time.monotonic() + 2.0
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return False
        except psutil.NoSuchProcess:
            return False
        time.sleep(0.02)
    return True


def test_the_real_worker_tells_of_its_devices(poll_until: Poll) -> None:
    pytest.importorskip("CrossModalSegLib.cli.worker")
    jobs = WorkerJobs()
    heard: Any = Listener()
    jobs.submit("devices", {}, heard)
    poll_until(jobs, lambda: heard.ends, 60.0)
    assert heard.ends == ["done"], heard.events
    assert "cpu" in [device["name"] for device in heard.events[-1]["summary"]["devices"]]
    jobs.shutdown()
    assert not jobs.is_running
