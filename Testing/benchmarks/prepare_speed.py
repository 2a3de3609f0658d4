"""Show what preparing costs: where the time goes, what a second worker gives, and the memory.

    python Testing/benchmarks/prepare_speed.py --volumes 16 --size 192 --slices 155

Share of computing: the same number of files and slices is prepared once at full size and once with
slices of 4 x 4 pixels. Python does the same work in both, SimpleITK and numpy next to none in the
second; what the second takes is therefore Python's share (and that of opening files).

Workers: wall-clock time with one and with two processes, start of the processes included.

Memory: largest resident memory of this process and its children together, for half and for all of
the volumes: it must not grow with their number.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # workers are compared, not threads

import numpy as np  # noqa: E402
import psutil  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from CrossModalSegLib.core.config import write_json  # noqa: E402
from CrossModalSegLib.core.modalities import MODALITIES  # noqa: E402
from CrossModalSegLib.core.tasks import TASKS  # noqa: E402
from CrossModalSegLib.core.volume import Volume  # noqa: E402
from CrossModalSegLib.data.adapters import CaseFiles  # noqa: E402
from CrossModalSegLib.data.cohort_writer import CohortSettings, prepare_good_cases  # noqa: E402
from CrossModalSegLib.data.preprocessing import default_preprocessing  # noqa: E402
from CrossModalSegLib.data.volume_files import write_volume  # noqa: E402

MIB = 2**20
THIN = 4
SPACING_MM = 1.2
"""Of the prepared slices; the volumes have 1 mm, so that every slice is resampled."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--volumes", type=int, default=16)
    parser.add_argument("--size", type=int, default=192, help="rows and columns")
    parser.add_argument("--slices", type=int, default=155)
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        folder, count, workers = options.child
        sys.stdout.write(json.dumps(prepare(Path(folder), int(count), int(workers))))
        return
    with tempfile.TemporaryDirectory() as scratch:
        full, thin = Path(scratch) / "full", Path(scratch) / "thin"
        make_volumes(full, options.volumes, (options.slices, options.size, options.size))
        make_volumes(thin, options.volumes, (options.slices, THIN, THIN))
        result = measure(full, thin, options.volumes)
    write_table(result)
    if options.json:
        write_json(options.json, {"v": 1, **result})


def measure(full: Path, thin: Path, volumes: int) -> dict[str, float]:
    """Prepare in child processes and return seconds and MiB."""
    run_child(full, volumes, 1)  # files into the system's memory
    one, two = run_child(full, volumes, 1), run_child(full, volumes, 2)
    half = run_child(full, max(2, volumes // 2), 2)
    python = run_child(thin, volumes, 1)
    return {
        "volumes": volumes,
        "seconds_one_worker": one["seconds"],
        "seconds_two_workers": two["seconds"],
        "speed_up": one["seconds"] / two["seconds"],
        "computing_share": 1.0 - python["seconds"] / one["seconds"],
        "memory_mib_one_worker": one["memory_mib"],
        "memory_mib_two_workers": two["memory_mib"],
        "memory_mib_two_workers_half": half["memory_mib"],
        "volume_mib": one["volume_mib"],
    }


def run_child(folder: Path, volumes: int, workers: int) -> dict[str, float]:
    """Prepare in a fresh process."""
    command: list[str | Path] = [sys.executable, __file__, "--child", folder]
    command += [str(volumes), str(workers)]
    child = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(child.stdout)
    return result


def prepare(folder: Path, volumes: int, workers: int) -> dict[str, float]:
    """Prepare the first volumes of a folder; return seconds and the largest memory."""
    task, modality = TASKS["abdomen"], MODALITIES["ct"]
    files = sorted(folder.glob("*_image.nii.gz"))[:volumes]
    cases = [
        CaseFiles(
            id=path.name[:3],
            subject=path.name[:3],
            image=path,
            label=path.with_name(f"{path.name[:3]}_label.nii.gz"),
        )
        for path in files
    ]
    size = THIN if folder.name == "thin" else 256
    preprocessing = default_preprocessing(
        task, modality, matrix=(size, size), spacing_mm=(SPACING_MM, SPACING_MM)
    )
    settings = CohortSettings(
        task=task, modality=modality, preprocessing=preprocessing, dataset="folder"
    )
    with tempfile.TemporaryDirectory() as scratch, MemoryWatch() as largest:
        began = time.perf_counter()
        cohort = prepare_good_cases(cases, settings, Path(scratch) / "c", workers=workers).cohort
        seconds = time.perf_counter() - began
        stored = float(np.prod(cohort.cases[0].shape)) * 4
    return {"seconds": seconds, "memory_mib": largest[0] / MIB, "volume_mib": stored / MIB}


class MemoryWatch:
    """Note the largest memory of this process and its children together, ten times a second."""

    def __init__(self) -> None:
        self._largest = [0.0]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> list[float]:
        self._thread.start()
        return self._largest

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._stop.wait(0.1):
            total = 0
            for process in (me, *me.children(recursive=True)):
                try:
                    total += process.memory_info().rss
                except psutil.Error:  # it has just ended
                    continue
            self._largest[0] = max(self._largest[0], total)


def make_volumes(folder: Path, count: int, shape: tuple[int, int, int]) -> None:
    """Write CT-like images of noise in a cylinder, and balls as labels."""
    affine = np.diag([-1.0, -1.0, 2.0, 1.0])
    k, j, i = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    inside = j**2 + i**2 < 0.8
    for number in range(count):
        generator = np.random.default_rng(number)
        image = np.where(inside, generator.normal(40, 30, shape), -1000).astype(np.int16)
        labels = np.zeros(shape, np.uint8)
        for value, (x, y) in enumerate(((-0.4, -0.3), (-0.4, 0.4), (0.4, 0.4), (0.4, -0.3)), 1):
            labels[(k / 2) ** 2 + (j - y) ** 2 + (i - x) ** 2 < 0.06] = value
        image[labels > 0] += 80
        write_volume(Volume(image, affine), folder / f"{number:03d}_image.nii.gz")
        write_volume(Volume(labels, affine), folder / f"{number:03d}_label.nii.gz")


def write_table(result: dict[str, float]) -> None:
    """Print the numbers."""
    width = max(len(name) for name in result)
    lines = [f"{name.replace('_', ' '):<{width}}  {value:10.3f}" for name, value in result.items()]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
