"""A process behind queues."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from CrossModalSegLib.bridge.piped_process import MAX_WAITING_LINES, PipedProcess
from CrossModalSegLib.bridge.processes import launch_process


def started(program: str) -> PipedProcess:
    return PipedProcess(launch_process([sys.executable, "-u", "-c", program], os.environ))


def wait_until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "It never happened."
        time.sleep(0.01)


def test_lines_of_both_streams_are_taken_and_then_it_has_ended() -> None:
    process = started("import sys; print('out'); print('err', file=sys.stderr); sys.exit(4)")
    wait_until(lambda: process.exit_code is not None)
    taken = []
    while not process.has_ended:
        taken += process.take(1, 1.0)
    assert sorted(taken) == [("stderr", b"err" + os.linesep.encode()), ("stdout", b"out\n")]
    assert process.exit_code == 4


def test_what_is_sent_arrives_and_the_end_of_input_after_it() -> None:
    process = started("import sys; print(sys.stdin.read().upper())")
    process.send(b"one\n")
    process.send(b"two\n")
    process.close_input()
    wait_until(lambda: process.exit_code is not None)
    lines = []
    while not process.has_ended:
        lines += [line.strip() for _, line in process.take(10, 1.0)]
    assert lines[:2] == [b"ONE", b"TWO"]


def test_sending_never_waits_for_a_process_that_does_not_read() -> None:
    process = started("import time; time.sleep(60)")
    begin = time.perf_counter()
    process.send(b"x" * 10_000_000)
    assert time.perf_counter() - begin < 0.5
    process.kill()
    wait_until(lambda: process.has_ended)


def test_a_process_that_says_too_much_waits_and_can_still_be_killed() -> None:
    process = started("while True: print('x' * 100)")
    time.sleep(0.5)
    assert process.exit_code is None
    process.kill()
    count = 0
    end = time.monotonic() + 5
    while not process.has_ended:
        assert time.monotonic() < end
        count += len(process.take(1000, 0.1))
    assert count <= 2 * MAX_WAITING_LINES


def test_taking_keeps_to_its_limit() -> None:
    process = started("for i in range(50): print(i)")
    wait_until(lambda: process.exit_code is not None)
    time.sleep(0.1)
    assert len(process.take(20, 1.0)) == 20
    assert len(process.take(20, 0.0)) == 0
    assert len(process.take(100, 1.0)) == 30


def test_a_process_whose_output_ends_before_it_is_torn() -> None:
    process = started("import os, time; os.close(1); os.close(2); time.sleep(60)")
    wait_until(lambda: process.is_torn)
    assert not process.has_ended
    process.kill()
    wait_until(lambda: process.has_ended)
    assert not process.is_torn
