"""Lines of a worker's input."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from CrossModalSegLib.inference.worker_requests import (
    MAX_LINE_BYTES,
    NoArguments,
    RequestError,
    SegmentArguments,
    WarmUpArguments,
    read_lines,
    read_request,
)


def line(**content: Any) -> bytes:
    return json.dumps({"v": 1, "job": "j1", "command": "devices", **content}).encode()


SEGMENT = {"model": "m", "inputs": ["a ä.nrrd"], "output": "b.nrrd"}


def test_a_request_to_segment_has_defaults_for_all_but_the_essential() -> None:
    request = read_request(line(command="segment", arguments=SEGMENT))
    assert (request.job, request.command) == ("j1", "segment")
    assert request.arguments == SegmentArguments(
        model="m", inputs=(Path("a ä.nrrd"),), output=Path("b.nrrd")
    )


def test_every_option_is_read() -> None:
    options = {
        "device": "cpu",
        "precision": "32-true",
        "uncertainty": "u.nrrd",
        "structures": ["MYO"],
        "ras_to_box": list(range(16)),
        "modality": "ct",
        "overwrite": True,
    }
    arguments = read_request(line(command="segment", arguments={**SEGMENT, **options})).arguments
    assert isinstance(arguments, SegmentArguments)
    assert arguments.ras_to_box == tuple(float(n) for n in range(16))
    assert arguments.structures == ("MYO",)
    assert arguments.overwrite


def test_other_commands_have_their_own_arguments() -> None:
    assert read_request(line(command="warm_up", arguments={"model": "m"})).arguments == (
        WarmUpArguments(model="m")
    )
    for command in ("devices", "cancel", "quit"):
        assert read_request(line(command=command)).arguments == NoArguments()


def test_to_quit_needs_no_job() -> None:
    assert read_request(b'{"v": 1, "command": "quit"}').command == "quit"
    assert read_request(line(job="worker", command="quit")).command == "quit"


@pytest.mark.parametrize(
    ("content", "job", "message"),
    [
        (b"hello", "worker", "not valid JSON"),
        (b"\xff\xfe{}", "worker", "not UTF-8"),
        (b"[" * 100_000, "worker", "not valid JSON"),
        (b"[1]", "worker", "expected a JSON object"),
        (b'{"v":1}', "worker", "the job None, expected a text"),
        (line(job=7), "worker", "the job 7, expected a text"),
        (line(job=""), "worker", "the job '', expected a text"),
        (line(job="worker"), "worker", "expected a text other than 'worker'"),
        (line(v=2), "j1", "version 2, expected 1"),
        (line(command="sing"), "j1", "No command of the worker 'sing'"),
        (line(command=None), "j1", "No command of the worker 'None'"),
        (line(argument={}), "j1", "unknown keys: argument"),
        (line(arguments=[1]), "j1", r"devices is \[1\]"),
        (line(arguments={"x": 1}), "j1", "unknown key 'x'"),
        (line(command="segment"), "j1", "lacks 'model', 'inputs', 'output'"),
        (line(command="segment", arguments={**SEGMENT, "inputs": "a"}), "j1", "expected a list"),
        (line(command="segment", arguments={**SEGMENT, "overwrite": 1}), "j1", "expected bool"),
        (line(command="segment", arguments={**SEGMENT, "modalty": ""}), "j1", "'modalty'"),
        (b'{"v":1,"job":"j1","command":"segment","arguments":{"model":NaN}}', "worker", "NaN"),
        (b'{"x":"' + b"x" * MAX_LINE_BYTES + b'"}', "worker", "more than 1048576 bytes"),
    ],
)
def test_what_is_no_request_is_explained_to_the_job_that_was_meant(
    content: bytes, job: str, message: str
) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        read_request(content)
    assert caught.value.job == job


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


def test_lines_arrive_whole_as_soon_as_they_are_complete(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    lines = read_lines(reading)
    os.write(writing, b"one\ntw")
    assert next(lines) == b"one"
    os.write(writing, b"o\n\nfour")
    assert [next(lines), next(lines)] == [b"two", b""]
    os.close(writing)
    assert list(lines) == []  # the last one was broken off


def test_a_line_of_a_million_characters_takes_no_more_memory_than_it_may(
    pipe: tuple[int, int],
) -> None:
    reading, writing = pipe

    def write() -> None:
        for _ in range(40):
            os.write(writing, b"x" * 2**16)
        os.write(writing, b"\nshort\n")
        os.close(writing)

    thread = threading.Thread(target=write)
    thread.start()
    long, short = read_lines(reading)
    thread.join()
    assert len(long) == MAX_LINE_BYTES + 1
    assert short == b"short"
