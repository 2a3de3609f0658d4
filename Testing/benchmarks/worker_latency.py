"""Show how long a warm worker takes from a request to the segmentation on the disk.

    python Testing/benchmarks/worker_latency.py --rounds 5

The worker is a real process with the model that ships; the volume is smooth noise in a body, as
large as a brain scan. What is asked for differs from row to row, and rows take turns: whatever else
the machine does hits all of them, so that ratios to the first row mean something where seconds do
not. Processor seconds are those of the worker, of all its threads.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psutil
from scipy import ndimage

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from CrossModalSegLib.core.config import write_json  # noqa: E402
from CrossModalSegLib.core.volume import Volume  # noqa: E402
from CrossModalSegLib.data.volume_encoding import write_nrrd  # noqa: E402

MODEL = "cardiac_ct_to_mr_bssfp_dsan"

SHAPE_IJK = (240, 240, 155)

TARGET_SECONDS = 3.3
"""Of 5 s from Apply to the overlay; the rest is Slicer's."""

STAGES = ("load", "read", "slices", "restore")

VARIANTS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "with uncertainty": {"uncertainty": "uncertainty.nrrd"},
    "a box of a third": {"ras_to_box": "third"},
    "float32": {"precision": "32-true"},
}


class Worker:
    """A worker process that is asked one thing at a time."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._usage = psutil.Process(process.pid)

    def ask(self, job: str, command: str, **arguments: Any) -> dict[str, float]:
        """Return the seconds until the answer, of the processor, and of each stage."""
        assert self._process.stdin is not None
        request = {"v": 1, "job": job, "command": command, "arguments": arguments}
        used, began = self._processor_seconds(), time.perf_counter()
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        stages = dict(self._stages(job, began))
        wall = time.perf_counter() - began
        return {"wall": wall, "processor": self._processor_seconds() - used, **stages}

    def wait_until_ready(self) -> None:
        """Wait for the event that says that jobs are taken."""
        self._event()

    def _stages(self, job: str, began: float) -> Iterator[tuple[str, float]]:
        stage, since = "", began
        while True:
            event = self._event()
            now = time.perf_counter()
            if event["event"] == "error":
                raise SystemExit(f"{job}: {event['message']}")
            if event["event"] in {"stage", "done"} and stage:
                yield stage, now - since
            if event["event"] == "stage":
                stage, since = event["stage"], now
            if event["event"] == "done":
                return

    def _event(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        event: dict[str, Any] = json.loads(self._process.stdout.readline())
        return event

    def _processor_seconds(self) -> float:
        times = self._usage.cpu_times()
        return float(times.user + times.system)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="how often each row is measured")
    parser.add_argument("--threads", type=int, default=0, help="of the worker; 0: as it chooses")
    parser.add_argument("--size", type=int, nargs=3, default=SHAPE_IJK, metavar=("I", "J", "K"))
    parser.add_argument("--model", default=MODEL, help="name or path of a bundle")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        volume = make_volume(tuple(options.size))
        write_nrrd(volume, Path(scratch) / "scan.nrrd", compressed=False)
        started, rows = measure(Path(scratch), options.model, options.rounds, options.threads)
    write_tables(started, rows, options.threads)
    if options.json:
        write_json(options.json, {"v": 1, "started": started, "rows": rows})


def measure(
    folder: Path, model: str, rounds: int, threads: int
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Return the seconds of the start, and of each variant its medians."""
    began = time.perf_counter()
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in VARIANTS}
    with running_worker(threads) as worker:
        worker.wait_until_ready()
        started = {"ready": time.perf_counter() - began}
        started["warm_up"] = worker.ask("warm", "warm_up", model=model, device="cpu")["wall"]
        for number in range(rounds + 1):
            for name, changes in VARIANTS.items():
                wish = wish_of(folder, model, changes)
                taken = worker.ask(f"{name} {number}", "segment", **wish)
                if number:  # the first round loads models and fills caches
                    measured[name].append(taken)
    return started, [summarise(name, taken) for name, taken in measured.items()]


def wish_of(folder: Path, model: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Return what the worker is asked for."""
    wish = {
        "model": model,
        "inputs": [str(folder / "scan.nrrd")],
        "output": str(folder / "labels.nrrd"),
        "device": "cpu",
        "overwrite": True,
        **changes,
    }
    if "uncertainty" in changes:
        wish["uncertainty"] = str(folder / changes["uncertainty"])
    if "ras_to_box" in changes:  # a third of each axis, in the middle: the volume is centred
        width, depth, height = (size / 6 for size in SHAPE_IJK)
        box = np.diag([1 / width, 1 / depth, 1 / height, 1.0])
        wish["ras_to_box"] = box.ravel().tolist()
    return wish


def summarise(name: str, taken: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Return the medians of several measurements, and the best wall time."""
    keys = ("wall", "processor", *STAGES)
    medians = {key: median(entry[key] for entry in taken) for key in keys}
    return {"variant": name, "best": min(entry["wall"] for entry in taken), **medians}


def make_volume(shape_ijk: tuple[int, ...]) -> Volume:
    """Return smooth noise in an ellipsoid, centred, with voxels of 1 mm."""
    shape_kji = tuple(shape_ijk[::-1])
    generator = np.random.default_rng(0)
    coarse = generator.normal(size=(12, 16, 16)).astype(np.float32)
    factors = [size / small for size, small in zip(shape_kji, coarse.shape, strict=True)]
    smooth = ndimage.zoom(coarse, factors, order=1)
    k, j, i = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape_kji], indexing="ij", sparse=True)
    body = k**2 + j**2 + i**2 < 0.8
    voxels = (300 + 100 * smooth + 5 * generator.normal(size=shape_kji)) * body
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])
    affine[:3, 3] = [n / 2 * sign for n, sign in zip(shape_ijk, (1, 1, -1), strict=True)]
    return Volume(voxels.astype(np.float32), affine)


@contextmanager
def running_worker(threads: int) -> Iterator[Worker]:
    """Start a worker, and end it by the end of its input."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    environment["PYTHONPATH"] = str(REPOSITORY)
    if threads:
        environment |= dict.fromkeys(names, str(threads))
    command = [sys.executable, "-u", "-m", "CrossModalSegLib", "worker"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment) as process:
        yield Worker(process)


def write_tables(started: dict[str, float], rows: Sequence[dict[str, Any]], threads: int) -> None:
    """Print the numbers."""
    cold = f"Cold: ready after {started['ready']:.2f} s, then {started['warm_up']:.2f} s to import"
    count = threads or "its own number of"
    lines = [
        f"{cold} torch and load the model.",
        f"Warm, {count} threads, seconds (median; target of wall {TARGET_SECONDS}):",
    ]
    titles = ("wall", "best", "processor", *STAGES, "wall ratio", "cpu ratio")
    lines.append(f"{'':18}" + "".join(f"{title:>11}" for title in titles))
    first = rows[0]
    for row in rows:
        numbers = [row[key] for key in ("wall", "best", "processor", *STAGES)]
        numbers += [row[key] / first[key] for key in ("wall", "processor")]
        lines.append(f"{row['variant']:18}" + "".join(f"{number:11.2f}" for number in numbers))
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
