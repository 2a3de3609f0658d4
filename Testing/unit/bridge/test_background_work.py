"""Work in a thread whose end is told on the thread that polls."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from CrossModalSegLib.bridge.background_work import BackgroundWork
from CrossModalSegLib.core.errors import BundleError


@pytest.fixture
def work() -> Iterator[BackgroundWork]:
    work = BackgroundWork()
    yield work
    work.shutdown()


def never(_value: object) -> None:
    pytest.fail("was told what did not happen")


def poll_until_told(work: BackgroundWork) -> None:
    end = time.monotonic() + 5
    while work.is_active and time.monotonic() < end:
        work.poll()
    assert not work.is_active


def test_work_runs_elsewhere_and_its_result_is_told_here(work: BackgroundWork) -> None:
    told: list[Any] = []

    def on_result(thread: int) -> None:
        told.append((thread, threading.get_ident(), work.is_active))

    assert work.start(threading.get_ident, on_result, never)
    poll_until_told(work)
    ((worker, teller, was_active),) = told
    assert worker != threading.get_ident() == teller
    assert not was_active  # further work may be begun from there
    work.poll()
    assert len(told) == 1


def test_an_error_is_told_as_it_was_raised(work: BackgroundWork) -> None:
    error = BundleError("no")
    told: list[Exception] = []

    def fail() -> None:
        raise error

    work.start(fail, never, told.append)
    poll_until_told(work)
    assert told == [error]


def test_one_thing_at_a_time_and_no_poll_waits_for_it(work: BackgroundWork) -> None:
    gate = threading.Event()
    results: list[bool] = []
    assert work.start(lambda: gate.wait(5), results.append, never)
    assert not work.start(lambda: True, never, never)
    began = time.monotonic()
    work.poll()
    assert time.monotonic() - began < 0.1
    assert work.is_active
    gate.set()
    poll_until_told(work)
    assert results == [True]


def test_what_runs_is_finished_at_the_end_and_told_to_nobody() -> None:
    work = BackgroundWork()
    done: list[str] = []

    def write() -> None:
        time.sleep(0.05)
        done.append("written")

    work.start(write, never, never)
    work.shutdown()
    work.poll()
    assert done == ["written"]
