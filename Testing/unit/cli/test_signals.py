"""Ways to ask a command to stop."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from CrossModalSegLib.cli.signals import (
    _read_requests,
    cancelling_signals,
    is_cancel_request,
    obey_standard_input,
)
from CrossModalSegLib.core.events import CancelToken


def test_the_first_signal_asks_and_the_second_interrupts(
    capfd: pytest.CaptureFixture[str],
) -> None:
    cancel = CancelToken()
    with cancelling_signals(cancel):
        signal.raise_signal(signal.SIGINT)
        assert cancel.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    assert "press Ctrl-C again" in capfd.readouterr().err


def test_former_handlers_come_back() -> None:
    former = signal.getsignal(signal.SIGINT)
    with cancelling_signals(CancelToken()):
        assert signal.getsignal(signal.SIGINT) is not former
    assert signal.getsignal(signal.SIGINT) is former


def test_signals_that_the_parent_ignores_stay_ignored() -> None:
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        cancel = CancelToken()
        with cancelling_signals(cancel):
            signal.raise_signal(signal.SIGINT)
        assert not cancel.is_set()
    finally:
        signal.signal(signal.SIGINT, former)


def test_other_threads_are_left_alone() -> None:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with cancelling_signals(CancelToken()):
                pass
        except ValueError as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not failures


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"cancel", True),
        (b" cancel \r", True),
        (b'{"v": 1, "command": "cancel"}', True),
        (b'{"command": "devices"}', False),
        (b'["cancel"]', False),
        (b"cancel that", False),
        (b"\xff\xfe", False),
        (b"[" * 100_000, False),
    ],
)
def test_only_a_request_to_cancel_cancels(line: bytes, *, expected: bool) -> None:
    assert is_cancel_request(line) is expected


def test_a_line_that_arrives_in_pieces_is_understood() -> None:
    cancel = CancelToken()
    reading, writing = os.pipe()
    thread = threading.Thread(target=_read_requests, args=(reading, cancel))
    thread.start()
    for piece in (b'nonsense\n{"comm', b'and": "can', b'cel"}\n'):
        assert not cancel.is_set()
        os.write(writing, piece)
        time.sleep(0.01)
    thread.join(timeout=5)
    assert cancel.is_set()
    os.close(reading)
    os.close(writing)


def test_the_end_of_input_asks_for_nothing() -> None:
    cancel = CancelToken()
    reading, writing = os.pipe()
    os.write(writing, b"cancel")  # no line: it has no end
    os.close(writing)
    _read_requests(reading, cancel)
    os.close(reading)
    assert not cancel.is_set()


def test_nothing_reads_an_input_that_is_no_pipe() -> None:
    assert obey_standard_input(CancelToken()) is None
