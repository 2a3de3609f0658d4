"""Processes that answer as `prepare` and `inspect` do, at once, with cohorts made beforehand."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.adapters import CaseFiles
from CrossModalSegLib.data.cohort import Cohort
from CrossModalSegLib.data.cohort_writer import CohortSettings, prepare_cohort
from CrossModalSegLib.data.preprocessing import default_preprocessing
from CrossModalSegLib.data.splits import SplitRule
from CrossModalSegLib.data.volume_files import write_volume

PROGRAM = """
import json, shutil, struct, sys, time, zlib
from pathlib import Path

def send(event, **fields):
    line = {"v": 1, "job": "main", "event": event, "time": 0.0, **fields}
    print(json.dumps(line), flush=True)

def chunk(kind, data):
    crc = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + crc

here, command, arguments = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
with (here / "commands.txt").open("a", encoding="utf-8") as stream:
    stream.write(json.dumps([command, *arguments]) + chr(10))

def option(name):
    return arguments[arguments.index(name) + 1]

if (here / "hold").exists():
    send("progress", stage="survey", done=1, total=4, eta_seconds=None)
    sys.stdin.readline()
    send("cancelled")
    sys.exit(130)
if (here / "error.json").exists():
    send("error", **json.loads((here / "error.json").read_text()))
    sys.exit(1)
if command == "inspect":
    picture = Path(option("--output"))
    rows = b"".join(bytes([0]) + bytes([40 * n] * 3 * 8) for n in range(6))
    header = struct.pack(">IIBBBBB", 8, 6, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    picture.write_bytes(bytes([137]) + b"PNG" + bytes([13, 10, 26, 10]) + parts)
    send("done", outputs=[str(picture)], summary={})
    sys.exit(0)
role = "source" if option("--labels") == "required" else "target"
for done in range(1, 3):
    send("progress", stage="survey", done=done, total=2, eta_seconds=None)
if "--dry-run" in arguments:
    cases = json.loads((here / f"{role}.json").read_text())
    send("warning", kind="ignored", message="Recognised folder. Ignored: x.", hint="")
    send("done", outputs=[], summary={"dataset": "folder, two cases", "cases": cases})
    sys.exit(0)
shutil.copytree(here / role, option("--output"))
first = f"{role}0"
send("warning", kind="flipped", message=f"Case {first!r}: it may be flipped.", hint="Look.")
send("done", outputs=[option("--output")], summary={"cases": {}})
"""


def survey_row(case: str, problems: str = "", spacing_mm: str = "1x1x1") -> dict[str, object]:
    """Return a row of `prepare --dry-run`."""
    row: dict[str, object] = {"case": case, "files": 2, "size": "16x16x8", "spacing_mm": spacing_mm}
    return row | {"label_values": "0 1", "problems": problems}


def make_cohort(
    folder: Path, role: str, *, subjects: tuple[str, ...] = (), modality: str = "", task: str = ""
) -> Cohort:
    """Prepare a tiny cohort within this process; the last class is nowhere, one is in one case.

    Args:
        folder: Gets it.
        role: "source" with labels, "target" without.
        subjects: By default `<role>0` and `<role>1`.
        modality: By default "ct" for the source.
        task: By default "cardiac".
    """
    cases = []
    for number, subject in enumerate(subjects or (f"{role}0", f"{role}1")):
        place = folder.parent / f"{folder.name}-files"
        place.mkdir(parents=True, exist_ok=True)
        seed = number + 10 * (role == "target")
        image = np.random.default_rng(seed).normal(0, 100, (16, 8, 16)).astype(np.float32)
        labels = np.zeros(image.shape, np.uint8)
        labels[4:8, 2:6, 4:8] = 1
        labels[4:8, 2:6, 8 : 8 + 2 * number] = 2
        grid = Volume(image, np.diag([-1.0, -1.0, 1.0, 1.0]))
        write_volume(grid, place / f"{subject}.nrrd")
        label = place / f"{subject}-label.nrrd" if role == "source" else None
        if label is not None:
            write_volume(grid.with_array(labels), label)
        image_file = place / f"{subject}.nrrd"
        cases.append(CaseFiles(id=subject, subject=subject, image=image_file, label=label))
    kind = MODALITIES[modality or ("ct" if role == "source" else "mr_bssfp")]
    the_task = TASKS[task or "cardiac"]
    settings = CohortSettings(
        task=the_task,
        modality=kind,
        preprocessing=default_preprocessing(the_task, kind, matrix=(16, 16)),
        dataset="folder",
        labels="required" if role == "source" else "ignored",
        split=SplitRule(fractions=(1.0, 0.0, 0.0)),
    )
    return prepare_cohort(cases, settings, folder)


def fake_commands(folder: Path) -> list[str]:
    """Return what a command is given to.

    In the folder are `source` and `target`, the cohorts that `prepare` makes; `source.json` and
    `target.json`, the tables of its dry run; `commands.txt`, all that was asked. A file `hold`
    makes commands wait for cancel, `error.json` makes them fail.
    """
    script = folder / "commands.py"
    script.write_text(PROGRAM, encoding="utf-8")
    return [sys.executable, "-u", str(script), str(folder)]
