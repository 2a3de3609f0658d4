"""A small worker that speaks the protocol, well or badly, as a real process."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FAKE_WORKER = """
import json, os, queue, subprocess, sys, threading, time

jobs, cancelled = queue.Queue(), set()
current = None

def send(job, event, **fields):
    line = {"v": 1, "job": job, "event": event, "time": time.time(), **fields}
    sys.stdout.write(json.dumps(line) + "\\n")
    sys.stdout.flush()

def read():
    for line in sys.stdin:
        request = json.loads(line)
        command, job = request["command"], request["job"]
        if command == "cancel":
            cancelled.add(job)
            if job != current:
                send(job, "cancelled")
        elif command == "quit" and "--stubborn" not in sys.argv:
            os._exit(0)
        else:
            jobs.put(request)
    if "--stubborn" not in sys.argv:
        os._exit(0)

def run(job, command, arguments):
    if command == "echo":
        for done in range(3):
            send(job, "progress", stage="work", done=done, total=3, eta_seconds=None)
        send(job, "done", outputs=[], summary=arguments)
    elif command == "flood":
        for done in range(arguments["count"]):
            send(job, "progress", stage="work", done=done, total=None, eta_seconds=None)
        send(job, "done", outputs=[], summary={})
    elif command == "slow":
        send(job, "stage", stage="work", total=None)
        while job not in cancelled:
            time.sleep(0.01)
        send(job, "cancelled")
    elif command == "deaf":
        send(job, "stage", stage="work", total=None)
        time.sleep(arguments["seconds"])
        send(job, "done", outputs=[], summary={})
    elif command == "die":
        print("Traceback: something awful", file=sys.stderr, flush=True)
        send(job, "stage", stage="work", total=None)
        os._exit(3)
    elif command == "garbage":
        sys.stdout.buffer.write(b"hello\\n\\xff\\xfe\\n[1]\\n{\\"job\\": 1}\\n\\n{\\"v\\":1,\\n")
        sys.stdout.flush()
        send(job, "done", outputs=[], summary={"text": "na\\u00efve"})
    elif command == "child":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        send(job, "done", outputs=[], summary={"pid": child.pid})
    elif command == "fail":
        send(job, "error", kind="device", message="No GPU.", hint="Choose the processor.")
    elif command == "pid":
        send(job, "done", outputs=[], summary={"pid": os.getpid()})

if "--refuse" in sys.argv:
    sys.exit("ModuleNotFoundError: No module named 'torch'")
send("worker", "stage", stage="ready", total=None)
threading.Thread(target=read, daemon=True).start()
while True:
    request = jobs.get()
    current = request["job"]
    if current not in cancelled:
        run(current, request["command"], request["arguments"])
    current = None
"""


@pytest.fixture
def fake_worker(tmp_path: Path) -> list[str]:
    script = tmp_path / "fake_worker.py"
    script.write_text(textwrap.dedent(FAKE_WORKER), encoding="utf-8")
    return [sys.executable, "-u", str(script)]


@pytest.fixture
def poll_until() -> Callable[..., float]:
    """Return a function that polls as a GUI does until a condition holds, and says how long."""

    def wait(job: Any, condition: Callable[[], Any], seconds: float = 10.0) -> float:
        begin = time.monotonic()
        while not condition():
            job.poll()
            assert time.monotonic() - begin < seconds, "It never happened."
            time.sleep(0.01)
        return time.monotonic() - begin

    return wait
