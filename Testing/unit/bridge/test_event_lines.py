"""Events and requests as lines."""

from __future__ import annotations

import json

import pytest

from CrossModalSegLib.bridge.event_lines import (
    decode_event,
    died_event,
    encode_request,
    is_update_of,
)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"hello\n",
        b"\xff\xfe\n",
        b"[]\n",
        b"null\n",
        b'{"job": 1, "event": "done"}\n',
        b'{"job": "a"}\n',
        b'{"job": "a", "event": "do',
        b"[" * 100_000,
    ],
)
def test_a_line_that_is_no_event_is_none(line: bytes) -> None:
    assert decode_event(line) is None


def test_an_event_is_decoded() -> None:
    line = '{"v": 1, "job": "a", "event": "done", "summary": {"näme": 1}}\n'.encode()
    event = decode_event(line)
    assert event is not None
    assert event["summary"] == {"näme": 1}


def test_a_request_is_one_line_in_utf8() -> None:
    line = encode_request("a", "segment", {"model": "naïve\nname"})
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line) == {
        "v": 1,
        "job": "a",
        "command": "segment",
        "arguments": {"model": "naïve\nname"},
    }


def test_only_newer_progress_of_the_same_stage_and_job_replaces() -> None:
    former = {"job": "a", "event": "progress", "stage": "load", "done": 1}
    assert is_update_of({**former, "done": 2}, former)
    for change in ({"job": "b"}, {"stage": "slices"}, {"event": "stage"}):
        assert not is_update_of({**former, **change}, former)
        assert not is_update_of(former, {**former, **change})


@pytest.mark.parametrize(
    ("exit_code", "said", "word"),
    [
        (-9, [], "memory"),
        (1, ["MemoryError"], "memory"),
        (1, ["ModuleNotFoundError: No module named 'monai'"], "install"),
        (1, ["boom"], "report"),
    ],
)
def test_a_death_has_a_hint_that_fits(exit_code: int, said: list[str], word: str) -> None:
    event = died_event("a", exit_code, said)
    assert event["kind"] == "WorkerDied"
    assert str(exit_code) in event["message"]
    assert all(line in event["message"] for line in said)
    assert word in event["hint"]
