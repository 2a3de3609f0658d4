"""Waiting and running jobs."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from CrossModalSegLib.core.errors import CrossModalSegError
from CrossModalSegLib.core.events import CancelToken
from CrossModalSegLib.inference.worker_queue import Job, JobQueue, LinkedToken
from CrossModalSegLib.inference.worker_requests import NoArguments, Request


def make_job(name: str) -> Job:
    request = Request(job=name, command="devices", arguments=NoArguments())
    return Job(request, lambda _: None, CancelToken(), lambda _: None)


@pytest.fixture
def dropped() -> list[Job]:
    return []


@pytest.fixture
def queue(dropped: list[Job]) -> JobQueue:
    return JobQueue(dropped.append)


def test_jobs_come_out_in_their_order(queue: JobQueue) -> None:
    jobs = [make_job(name) for name in "abc"]
    assert all(queue.add(job) for job in jobs)
    assert [queue.take(0.0) for _ in range(4)] == [*jobs, None]


def test_a_name_is_taken_until_its_job_has_ended(queue: JobQueue) -> None:
    job = make_job("a")
    queue.add(job)
    assert not queue.add(make_job("a"))
    assert queue.take(0.0) is job
    assert queue.holds("a")
    assert not queue.add(make_job("a"))
    queue.finish(job)
    assert not queue.holds("a")
    assert queue.add(make_job("a"))


def test_the_end_of_one_job_is_not_that_of_another_of_its_name(queue: JobQueue) -> None:
    former, present = make_job("a"), make_job("a")
    queue.add(present)
    queue.take(0.0)
    queue.finish(former)
    assert queue.holds("a")


@pytest.mark.parametrize("end", ["done", "error", "cancelled"])
def test_who_hears_of_the_end_may_use_the_name_again(queue: JobQueue, end: str) -> None:
    free: list[bool] = []
    request = Request(job="a", command="devices", arguments=NoArguments())
    job = Job(request, lambda _: free.append(not queue.holds("a")), CancelToken(), queue.finish)
    queue.add(job)
    queue.take(0.0)
    job.reporter.stage("work")
    endings: dict[str, Callable[[], None]] = {
        "done": lambda: job.reporter.done([], {}),
        "error": lambda: job.reporter.error(CrossModalSegError("No.")),
        "cancelled": job.reporter.cancelled,
    }
    endings[end]()
    assert free == [False, True]


def test_a_waiting_job_is_dropped_and_a_running_one_asked(
    queue: JobQueue, dropped: list[Job]
) -> None:
    running, waiting = make_job("a"), make_job("b")
    queue.add(running)
    queue.add(waiting)
    queue.take(0.0)
    queue.cancel("b")
    assert dropped == [waiting]
    queue.cancel("a")
    assert dropped == [waiting]
    assert running.reporter.cancel.is_set()
    queue.cancel("c")


def test_closing_asks_the_running_job_drops_the_others_and_takes_nothing_more(
    queue: JobQueue, dropped: list[Job]
) -> None:
    jobs = [make_job(name) for name in "abc"]
    for job in jobs:
        queue.add(job)
    queue.take(0.0)
    queue.close()
    assert queue.is_closed
    assert jobs[0].reporter.cancel.is_set()
    assert dropped == jobs[1:]
    assert not queue.add(make_job("d"))
    assert queue.take(0.0) is None


def test_who_waits_wakes_up_when_a_job_comes(queue: JobQueue) -> None:
    job = make_job("a")
    timer = threading.Timer(0.05, queue.add, [job])
    timer.start()
    assert queue.take(10.0) is job
    timer.join()


def test_a_job_stops_with_the_program() -> None:
    program = CancelToken()
    token = LinkedToken(program)
    assert not token.is_set()
    program.set()
    assert token.is_set()
    alone = LinkedToken(CancelToken())
    alone.set()
    assert alone.is_set()
