"""Show that sampling from a large cohort needs the memory of a small one.

    python Testing/benchmarks/cohort_memory.py --volumes 5 500 --size 64 --batches 300

For each number of volumes a child process draws batches from a labelled source and an unlabelled
target cohort of that size. Anonymous memory is what the process itself holds (RssAnon of
/proc/self/status; where there is none, the unique set size). Pages of mapped files are not in it:
the system keeps them as long as nobody else needs the memory, and drops them without writing.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from CrossModalSegLib.core.config import to_dict, write_json  # noqa: E402
from CrossModalSegLib.core.modalities import MODALITIES  # noqa: E402
from CrossModalSegLib.core.tasks import TASKS  # noqa: E402
from CrossModalSegLib.core.volume import Volume  # noqa: E402
from CrossModalSegLib.data.adapters import CaseFiles  # noqa: E402
from CrossModalSegLib.data.cohort import Cohort  # noqa: E402
from CrossModalSegLib.data.cohort_writer import CohortSettings, prepare_cohort  # noqa: E402
from CrossModalSegLib.data.preprocessing import default_preprocessing  # noqa: E402
from CrossModalSegLib.data.splits import SplitRule  # noqa: E402
from CrossModalSegLib.data.volume_files import write_volume  # noqa: E402

MIB = 2**20
BATCH_SIZE = 8
WARM_UP_BATCHES = 5


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--volumes", type=int, nargs="+", default=[5, 500], help="cohort sizes")
    parser.add_argument("--size", type=int, default=64, help="slices, rows and columns")
    parser.add_argument("--batches", type=int, default=300, help="batches drawn in each child")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    parser.add_argument("--child", type=Path, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        source, target = options.child
        sys.stdout.write(json.dumps(sample(source, target, options.batches)))
        return
    rows = [measure(count, options.size, options.batches) for count in options.volumes]
    write_table(rows)
    if options.json:
        write_json(options.json, {"v": 1, "rows": rows})


def measure(volumes: int, size: int, batches: int) -> dict[str, float]:
    """Make two cohorts of `volumes` volumes and sample from them in a child process."""
    with tempfile.TemporaryDirectory() as scratch:
        folders = [
            make_cohort(Path(scratch) / name, volumes, size) for name in ("source", "target")
        ]
        stored = sum(path.stat().st_size for f in folders for path in f.rglob("*.npy"))
        command: list[str | Path] = [sys.executable, __file__, "--child", *folders]
        command += ["--batches", str(batches)]
        child = subprocess.run(command, capture_output=True, text=True, check=True)
    return {"volumes": volumes, "stored_mib": stored / MIB, **json.loads(child.stdout)}


def sample(source: Path, target: Path, batches: int) -> dict[str, float]:
    """Draw batches and return the growth of this process's own memory, in MiB."""
    from CrossModalSegLib.data.sampling import UnpairedSampler

    imported = anonymous_bytes()
    sampler = UnpairedSampler(Cohort.open(source), Cohort.open(target), BATCH_SIZE, seed=0)
    for _ in range(WARM_UP_BATCHES):
        sampler.next()
    opened = anonymous_bytes()
    largest = opened
    for _ in range(batches):
        sampler.next()
        largest = max(largest, anonymous_bytes())
    return {
        "imported_mib": imported / MIB,
        "opened_mib": opened / MIB,
        "largest_mib": largest / MIB,
        "growth_mib": (largest - imported) / MIB,
    }


def anonymous_bytes() -> int:
    """Return the memory of this process that is not backed by files."""
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    import psutil

    return int(psutil.Process().memory_full_info().uss)


def make_cohort(folder: Path, volumes: int, size: int) -> Path:
    """Prepare one volume the ordinary way and copy its case until there are enough."""
    task, modality = TASKS["cardiac"], MODALITIES["ct"]
    generator = np.random.default_rng(volumes)
    image = generator.normal(0, 200, (size, size, size)).astype(np.float32)
    labels = generator.integers(0, 5, image.shape).astype(np.uint8)
    files = folder / "files"
    write_volume(Volume(image, np.eye(4)), files / "image.nii")
    write_volume(Volume(labels, np.eye(4)), files / "label.nii")
    settings = CohortSettings(
        task=task,
        modality=modality,
        preprocessing=default_preprocessing(task, modality, matrix=(size, size)),
        dataset="folder",
        split=SplitRule(fractions=(1.0, 0.0, 0.0)),
    )
    case = CaseFiles(id="0", subject="0", image=files / "image.nii", label=files / "label.nii")
    cohort = prepare_cohort([case], settings, folder / "cohort")
    first = cohort.cases[0]
    for number in range(1, volumes):
        shutil.copytree(cohort.case_folder(first), cohort.folder / "cases" / str(number))
    copies = [replace(first, id=str(n), subject=str(n)) for n in range(volumes)]
    record = replace(cohort.record, cases=tuple(copies))
    write_json(cohort.folder / "cohort.json", to_dict(record))
    return cohort.folder


def write_table(rows: Sequence[dict[str, float]]) -> None:
    """Print the numbers in MiB."""
    columns = ("volumes", "stored_mib", "imported_mib", "opened_mib", "largest_mib", "growth_mib")
    titles = ("volumes", "on disk", "imported", "opened", "largest", "growth")
    lines = ["Anonymous memory in MiB (volumes in each of two cohorts; files of both on disk):"]
    lines.append("  ".join(f"{title:>9}" for title in titles))
    lines += ["  ".join(f"{row[column]:9.1f}" for column in columns) for row in rows]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
