"""The worker as a real process with a real, tiny model: what a program that drives it relies on."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from CrossModalSegLib.bundle.library import ModelLibrary
from CrossModalSegLib.bundle.schema import BundleConfig, Modalities
from CrossModalSegLib.bundle.writing import write_bundle
from CrossModalSegLib.core.config import to_dict
from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.preprocessing import default_preprocessing
from CrossModalSegLib.data.volume_files import read_image, read_labels, write_volume
from CrossModalSegLib.inference.predictor import Predictor
from CrossModalSegLib.methods import build_method

ROOT = Path(__file__).parents[2]
SECONDS = 60.0
TERMINAL = {"done", "error", "cancelled"}

CANCEL_SECONDS = 3.0
"""A batch is over long before, also on a machine that does much else."""

NOISY = """
import os, sys
import CrossModalSegLib.inference.worker_jobs as jobs
segment = jobs.WorkerCommands._segment
def noisy(self, arguments, reporter):
    print("a library prints")
    os.write(1, b"and so does native code\\n")
    assert sys.stdin.read() == ""  # and nobody can take a request away
    segment(self, arguments, reporter)
jobs.WorkerCommands._segment = noisy
from CrossModalSegLib.cli.main import main
sys.exit(main(["worker"]))
"""


class Driver:
    """A process and what it says."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.events: list[dict[str, Any]] = []
        self._incoming: queue.Queue[bytes] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def send(self, job: str, command: str, **arguments: Any) -> None:
        request = {"v": 1, "job": job, "command": command, "arguments": arguments}
        self.send_line(json.dumps(request, ensure_ascii=False).encode())

    def send_line(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def wait_for(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the first event that is wanted, of those that came or will come."""
        known = next(filter(wanted, self.events), None)
        while known is None:
            line = self._incoming.get(timeout=SECONDS)
            event: dict[str, Any] = json.loads(line)  # nothing but JSON comes
            self.events.append(event)
            known = event if wanted(event) else None
        return known

    def end_of(self, job: str) -> dict[str, Any]:
        return self.wait_for(lambda e: e["job"] == job and e["event"] in TERMINAL)

    def ends(self, *jobs: str) -> list[tuple[str, str]]:
        ends = [(e["job"], e["event"]) for e in self.events if e["event"] in TERMINAL]
        return [end for end in ends if end[0] in jobs]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._incoming.put(line)


@contextmanager
def started(home: Path, *command: str) -> Iterator[Driver]:
    """Start a worker and see to it that it ends."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "CROSSMODALSEG_HOME": str(home),
        "OMP_NUM_THREADS": "1",
    }
    pipe = subprocess.PIPE
    words = command or ("-m", "CrossModalSegLib", "worker")
    with subprocess.Popen(
        [sys.executable, "-u", *words], env=environment, stdin=pipe, stdout=pipe, stderr=pipe
    ) as process:
        try:
            yield Driver(process)
        finally:
            process.kill()


def make_bundle(path: Path, matrix: int) -> None:
    method = build_method(
        "source_only", {"num_classes": 5, "backbone": {"name": "unet", "width": 4, "levels": 3}}
    )
    task, target = TASKS["cardiac"], MODALITIES["mr_bssfp"]
    config = BundleConfig(
        name=path.name,
        title="Tiny",
        method="source_only",
        method_settings=to_dict(method.config),
        task=task,
        modalities=Modalities(source=MODALITIES["ct"], target=target),
        preprocessing=default_preprocessing(task, target, matrix=(matrix, matrix)),
    )
    weights = {
        name: tensor
        for name, tensor in method.state_dict().items()
        if name.partition(".")[0] in method.deployed
    }
    write_bundle(path, config, weights)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a user's folder with a model "tiny", and volumes that are quick and slow."""
    folder = tmp_path_factory.mktemp("worker ä")
    make_bundle(folder / "models" / "tiny", 16)
    make_bundle(folder / "models" / "slow", 128)
    generator = np.random.default_rng(0)
    for name, shape in (("small", (9, 12, 10)), ("long", (6, 1600, 6))):
        voxels = generator.normal(100, 20, shape).astype(np.float32)
        write_volume(Volume(voxels, np.diag([-1.5, -1.0, 2.0, 1.0])), folder / f"{name}.nrrd")
    (folder / "broken.nrrd").write_bytes(b"NRRD0004\nnothing")
    return folder


@pytest.fixture(scope="module")
def worker(home: Path) -> Iterator[Driver]:
    """Return a worker that several tests share, as users do."""
    with started(home) as driver:
        driver.wait_for(lambda e: e["event"] == "stage" and e["stage"] == "ready")
        yield driver


def wish(home: Path, name: str, output: str, model: str = "tiny") -> dict[str, Any]:
    return {
        "model": model,
        "inputs": [str(home / f"{name}.nrrd")],
        "output": str(home / output),
        "device": "cpu",
        "precision": "32-true",
    }


def is_progress_of(job: str) -> Callable[[dict[str, Any]], bool]:
    return lambda e: e["job"] == job and e["event"] == "progress" and e["stage"] == "slices"


def test_a_bad_job_between_two_good_ones_hurts_neither(home: Path, worker: Driver) -> None:
    worker.send("good 1", "segment", **wish(home, "small", "1.nrrd"))
    worker.send("bad", "segment", **wish(home, "broken", "2.nrrd"))
    worker.send("good 2", "segment", **wish(home, "small", "3 ö.seg.nrrd"))
    worker.end_of("good 2")
    assert worker.ends("good 1", "bad", "good 2") == [
        ("good 1", "done"),
        ("bad", "error"),
        ("good 2", "done"),
    ]
    failed = worker.end_of("bad")
    assert failed["kind"] == "input_file"
    assert "broken.nrrd" in failed["message"]
    assert not (home / "2.nrrd").exists()
    expected = Predictor.from_bundle(
        ModelLibrary(home / "models").open("tiny"), device="cpu", precision="32-true"
    ).segment(read_image(home / "small.nrrd"))
    assert np.array_equal(read_labels(home / "1.nrrd").array_kji, expected.labels.array_kji)
    assert worker.end_of("good 1")["summary"]["voxels"] == expected.voxels
    assert worker.end_of("good 2")["outputs"] == [str(home / "3 ö.seg.nrrd")]


def test_a_warm_model_is_not_loaded_again(worker: Driver) -> None:
    worker.send("warm", "warm_up", model="slow", device="cpu", precision="32-true")
    assert worker.end_of("warm")["summary"]["device"] == "cpu"
    worker.send("again", "warm_up", model="slow", device="cpu", precision="32-true")
    worker.end_of("again")
    loads = [e for e in worker.events if e["job"] == "again" and e["event"] == "progress"]
    assert [e["done"] for e in loads] == [2]  # of two steps: nothing was read


def test_a_job_is_cancelled_in_the_middle_and_leaves_nothing(home: Path, worker: Driver) -> None:
    worker.send("long", "segment", **wish(home, "long", "cancelled.nrrd", "slow"))
    worker.send("next", "segment", **wish(home, "small", "next.nrrd"))
    first = worker.wait_for(is_progress_of("long"))
    assert first["done"] < first["total"] == 1600
    began = time.monotonic()
    worker.send("long", "cancel")
    assert worker.end_of("long")["event"] == "cancelled"
    assert time.monotonic() - began < CANCEL_SECONDS
    assert worker.end_of("next")["event"] == "done"
    assert not (home / "cancelled.nrrd").exists()
    assert not list(home.glob(".*"))


def test_a_waiting_job_is_cancelled_while_another_runs(home: Path, worker: Driver) -> None:
    worker.send("first", "segment", **wish(home, "long", "first.nrrd", "slow"))
    worker.send("waiting", "segment", **wish(home, "small", "waiting.nrrd"))
    worker.wait_for(is_progress_of("first"))
    worker.send("waiting", "cancel")
    assert worker.end_of("waiting")["event"] == "cancelled"
    assert not worker.ends("first")
    worker.send("first", "cancel")
    worker.end_of("first")
    assert not (home / "waiting.nrrd").exists()
    assert [e["event"] for e in worker.events if e["job"] == "waiting"] == ["cancelled"]


@pytest.mark.parametrize(
    ("line", "job"),
    [
        (b"garbage", "worker"),
        (b"\xff\xfe\x00 not utf-8", "worker"),
        (b'{"v":1,"job":"half", "command', "worker"),
        (b'{"v":1,"job":"lone \\ud800","command":"sing"}', "lone \ud800"),
        (b'{"v":9,"job":"later","command":"devices"}', "later"),
        (b"[" * 50_000, "worker"),
        (b"x" * 2_000_000, "worker"),
    ],
    ids=["words", "bytes", "half", "surrogate", "version", "deep", "long"],
)
def test_lines_that_are_no_requests_are_answered(worker: Driver, line: bytes, job: str) -> None:
    known = len(worker.events)
    worker.send_line(line)
    worker.send(f"after {known}", "devices")
    worker.end_of(f"after {known}")
    errors = [e for e in worker.events[known:] if e["event"] == "error"]
    assert [(e["job"], e["kind"]) for e in errors] == [(job, "request")]


def test_devices_are_explained(worker: Driver) -> None:
    worker.send("devices", "devices")
    summary = worker.end_of("devices")["summary"]
    assert "cpu" in [device["name"] for device in summary["devices"]]
    assert summary["explanation"]


def test_all_that_can_be_asked_for_at_once(home: Path, worker: Driver) -> None:
    options = {
        "uncertainty": str(home / "all uncertainty.nrrd"),
        "structures": ["MYO", "AA"],
        "ras_to_box": np.diag([0.2, 0.2, 0.2, 1.0]).ravel().tolist(),
        "modality": "mr_bssfp",
    }
    worker.send("all", "segment", **wish(home, "small", "all.nrrd"), **options)
    done = worker.end_of("all")
    assert done["event"] == "done"
    assert done["outputs"] == [str(home / "all.nrrd"), options["uncertainty"]]
    assert list(done["summary"]["volumes_ml"]) == ["MYO", "AA"]
    labels = read_labels(home / "all.nrrd").array_kji
    uncertainty = read_image(home / "all uncertainty.nrrd").array_kji
    assert set(np.unique(labels)) <= {0, 1, 4}
    assert np.argwhere(uncertainty).max(axis=0).tolist() == [2, 5, 3]  # within 5 mm of the origin


def test_quit_ends_it_well(home: Path) -> None:
    with started(home) as driver:
        driver.send("worker", "quit")
        assert driver.process.wait(SECONDS) == 0
        assert driver.process.stderr is not None
        assert driver.process.stderr.read() == b""


def test_the_end_of_its_input_ends_it_also_in_the_middle_of_a_job(home: Path) -> None:
    with started(home) as driver:
        driver.send("long", "segment", **wish(home, "long", "never.nrrd", "slow"))
        driver.wait_for(is_progress_of("long"))
        assert driver.process.stdin is not None
        driver.process.stdin.close()
        assert driver.end_of("long")["event"] == "cancelled"
        assert driver.process.wait(SECONDS) == 0
    assert not (home / "never.nrrd").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_signal_ends_it_as_it_ends_other_commands(home: Path) -> None:
    with started(home) as driver:
        driver.wait_for(lambda e: e["event"] == "stage")
        driver.process.send_signal(signal.SIGTERM)
        assert driver.process.wait(SECONDS) == 130


def test_whatever_libraries_print_events_stay_whole(home: Path) -> None:
    with started(home, "-c", NOISY) as driver:
        driver.send("noisy", "segment", **wish(home, "small", "noisy.nrrd"))
        assert driver.end_of("noisy")["event"] == "done"
        driver.send("worker", "quit")
        assert driver.process.wait(SECONDS) == 0
        assert driver.process.stderr is not None
        said = driver.process.stderr.read()
    assert b"a library prints" in said
    assert b"native code" in said
