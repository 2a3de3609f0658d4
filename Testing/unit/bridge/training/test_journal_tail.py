"""A journal is read once, line by line, whatever happens to the file."""

from __future__ import annotations

import json
import time
import tracemalloc
from pathlib import Path
from typing import Any

import psutil
import pytest

from CrossModalSegLib.bridge.training.curves import Curve, Curves
from CrossModalSegLib.bridge.training.journal_tail import MAX_LINE_BYTES, JournalTail


def line(step: int, **values: float) -> bytes:
    event = {"v": 1, "job": "main", "event": "metrics", "time": 0.0, "step": step, "values": values}
    return json.dumps(event).encode() + b"\n"


def steps(events: list[dict[str, Any]]) -> list[int]:
    return [event["step"] for event in events]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def append(path: Path, content: bytes) -> None:
    with path.open("ab") as stream:
        stream.write(content)


def test_only_what_is_new_is_returned(journal: Path) -> None:
    tail = JournalTail(journal)
    assert tail.read() == []
    append(journal, line(1) + line(2))
    assert steps(tail.read()) == [1, 2]
    assert tail.read() == []
    append(journal, line(3))
    assert steps(tail.read()) == [3]
    assert tail.restarts == 0


def test_half_a_line_waits_for_the_rest(journal: Path) -> None:
    tail = JournalTail(journal)
    whole = line(7, loss=0.5)
    append(journal, line(6) + whole[:20])
    assert steps(tail.read()) == [6]
    append(journal, whole[20:])
    assert steps(tail.read()) == [7]


def test_lines_that_are_no_events_are_skipped(journal: Path) -> None:
    append(journal, b"half a li\n[1, 2]\n\xff\xfe\n\n" + line(1))
    assert steps(JournalTail(journal).read()) == [1]


def test_a_line_without_end_does_not_fill_the_memory(journal: Path) -> None:
    tail = JournalTail(journal)
    append(journal, b"x" * (MAX_LINE_BYTES + 10))
    while tail.has_more:
        assert tail.read() == []
    assert len(tail._rest) <= MAX_LINE_BYTES
    append(journal, b"xxx\n" + line(4))
    assert steps(tail.read()) == [4]


def test_a_replaced_and_a_shortened_journal_are_read_from_the_beginning(journal: Path) -> None:
    tail = JournalTail(journal)
    append(journal, line(1) + line(2))
    tail.read()
    other = journal.with_name("other")
    append(other, line(10) + line(11) + line(12))
    other.replace(journal)
    assert steps(tail.read()) == [10, 11, 12]
    assert tail.restarts == 1
    journal.write_bytes(line(20))
    assert steps(tail.read()) == [20]
    assert tail.restarts == 2


def test_a_long_journal_is_read_in_pieces(journal: Path) -> None:
    append(journal, b"".join(line(step) for step in range(500)))
    tail = JournalTail(journal)
    seen: list[int] = []
    reads = 0
    while tail.has_more:
        seen += steps(tail.read(limit_bytes=1000))
        reads += 1
    assert seen == list(range(500))
    assert reads > 10


def test_a_million_lines_cost_little_memory_and_each_new_line_little_time(journal: Path) -> None:
    with journal.open("wb") as stream:
        for first in range(0, 1_000_000, 1000):
            steps_here = range(first, first + 1000)
            stream.write(b"".join(line(step, loss=1.0 / (1 + step)) for step in steps_here))
    tail, curves = JournalTail(journal), Curves()
    process, taken = psutil.Process(), 0
    resident_bytes = process.memory_info().rss
    while taken < 990_000:
        for event in tail.read():
            curves.take(event)
            taken += 1
    assert process.memory_info().rss - resident_bytes < 30e6
    tracemalloc.start()
    while tail.has_more:
        for event in tail.read():
            curves.take(event)
            taken += 1
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken == 1_000_000
    assert peak_bytes < 8e6
    append(journal, line(1_000_001))
    began = time.process_time()
    assert steps(tail.read()) == [1_000_001]
    assert time.process_time() - began < 0.05


def test_a_curve_is_thinned_by_averaging_and_keeps_its_level() -> None:
    curve = Curve(max_points=8)
    for iteration in range(1000):
        curve.add(iteration, float(iteration % 2))
    assert len(curve.points) <= 9
    assert all(value == pytest.approx(0.5) for _, value in curve.points[:-1])
    iterations = [iteration for iteration, _ in curve.points]
    assert iterations == sorted(iterations)
    assert iterations[-1] > 900


def test_a_curve_with_few_points_is_exact() -> None:
    curve = Curve()
    curve.add(20, 3.0)
    curve.add(40, 2.0)
    assert curve.points == ((20.0, 3.0), (40.0, 2.0))
    assert curve.last == 2.0
    assert Curve().last is None


def test_a_resumed_run_replaces_what_it_repeats() -> None:
    curves = Curves()
    for step, loss in ((10, 1.0), (20, 0.5), (30, 0.4), (20, 0.6)):
        curves.take(json.loads(line(step, loss=loss)))
    assert curves["loss"].points == ((10.0, 1.0), (20.0, 0.6))


def test_what_is_no_number_is_no_point() -> None:
    curves = Curves()
    curves.take({"event": "metrics", "step": 1, "values": {"a": None, "b": "x", "c": True, "d": 2}})
    curves.take({"event": "metrics", "step": None, "values": {"d": 3}})
    curves.take({"event": "progress", "step": 2, "values": {"d": 4}})
    assert list(curves) == ["d"]
    assert curves["d"].points == ((1.0, 2.0),)
