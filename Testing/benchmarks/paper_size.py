"""Memory and time of every method at its paper's size.

    python Testing/benchmarks/paper_size.py --device cuda
    python Testing/benchmarks/paper_size.py --device cpu --presets dsan:paper_cardiac --batch 1

For each preset and each of its stages a child process builds the networks as a training would,
runs one step at the preset's batch and slice size, and tells its peak memory: on a GPU what torch
allocated, on a CPU the process's resident set, with and without what imports took. On a GPU it
then times more steps and extrapolates them to the whole stage. Slices are random numbers,
augmented as in training; reading them from a disk is left out. "predict" is the prediction of one
batch.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from CrossModalSegLib.core.config import to_dict, write_json  # noqa: E402
from CrossModalSegLib.core.tasks import TASKS  # noqa: E402

if TYPE_CHECKING:
    import torch

    from CrossModalSegLib.core.tensors import UnpairedBatch
    from CrossModalSegLib.training.engine import Engine
    from CrossModalSegLib.training.settings import Preset

GIB = 2**30
WARM_UP_STEPS = 10

PAPER_SIZES = {
    ("bigl", "paper_brain_tumour"): (240, 240),
    ("bigl", "paper_cardiac"): (256, 256),
    ("glua", "paper_cardiac"): (256, 256),
    ("glua", "paper_abdomen"): (512, 512),
}
"""Rows and columns where a preset names none."""

PAPER_HOURS = {("dsan", "paper_cardiac"): 10.0, ("dsan", "paper_whole_tumour"): 24.0}
"""What papers say of a whole training: DSAN, Sec. IV.A.2, on a V100 with 32 GB; others nothing."""

DEFAULT = ("bigl:paper_brain_tumour", "dsan:paper_cardiac", "glua:paper_cardiac")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--presets", nargs="+", default=DEFAULT, metavar="METHOD:PRESET")
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto")
    parser.add_argument("--batch", type=int, help="slices of each domain; default: the preset's")
    parser.add_argument("--size", type=int, help="rows and columns; default: the paper's")
    parser.add_argument("--precision", help="like bf16-mixed; default: the preset's")
    parser.add_argument("--stages", nargs="+", help="only these, or predict")
    parser.add_argument("--iterations", type=int, help="timed steps; default: 200 on a GPU, else 0")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        sys.stdout.write(json.dumps(measure(options.presets[0], options.child, options)))
        return
    rows = [row for name in options.presets for row in measure_stages(name, options)]
    write_table(rows)
    if options.json:
        write_json(options.json, {"v": 1, "rows": rows})


def measure_stages(name: str, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield one row for each stage of a preset, each measured in a process of its own."""
    command = [sys.executable, __file__, "--presets", name, "--device", options.device]
    for option in ("batch", "size", "precision", "iterations"):
        value = getattr(options, option)
        command += [] if value is None else [f"--{option}", str(value)]
    for stage in options.stages or ("predict", *stage_names(name)):
        child = subprocess.run(
            [*command, "--child", stage], check=False, stdout=subprocess.PIPE, text=True
        )
        if child.returncode:
            sys.stderr.write(f"{name}, {stage}: the process ended with {child.returncode}\n")
            continue
        yield json.loads(child.stdout)


def stage_names(name: str) -> tuple[str, ...]:
    """Return the stages of a preset, without a byte for its networks."""
    import torch

    from CrossModalSegLib.methods import build_method

    method, preset = read_preset(name)
    with torch.device("meta"):
        return tuple(stage.name for stage in build_method(method, to_dict(preset.method)).stages())


def read_preset(name: str) -> tuple[str, Preset]:
    """Read METHOD:PRESET; the task is the one whose name the preset ends in, or the heart."""
    from CrossModalSegLib.training.preset_files import task_of_preset
    from CrossModalSegLib.training.settings import load_preset

    method, _, preset = name.partition(":")
    return method, load_preset(method, preset, TASKS[task_of_preset(preset) or "cardiac"])


def measure(name: str, stage: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run one stage's step, or the prediction, and tell what it took."""
    import torch

    from CrossModalSegLib.methods import build_method
    from CrossModalSegLib.training.engine import Engine
    from CrossModalSegLib.training.settings import preset_from_dict, preset_to_dict

    method, preset = read_preset(name)
    settings = preset_to_dict(preset)
    settings["training"]["batch_size"] = options.batch or preset.training.batch_size
    settings["training"]["precision"] = options.precision or preset.training.precision
    preset = preset_from_dict(method, settings, name)
    key = (method, name.partition(":")[2])
    size = preset.data.matrix or PAPER_SIZES.get(key, (64, 64))
    size = (options.size, options.size) if options.size else size

    imported = peak_bytes()
    torch.manual_seed(0)
    engine = Engine(build_method(method, to_dict(preset.method)), preset.training, options.device)
    row: dict[str, Any] = {
        "method": method,
        "preset": key[1],
        "stage": stage,
        "size": list(size),
        "batch": preset.training.batch_size,
        "device": device_name(engine),
        "precision": str(engine.fabric._precision.precision),
        "torch": torch.__version__,
        "paper_hours": PAPER_HOURS.get(key),
    }
    if stage == "predict":
        predict(engine, draw(preset, size))
        return row | memory(engine, imported)
    engine.begin_stage([each.name for each in engine.stages].index(stage))
    row["stage_iterations"] = engine.stage.iterations
    engine.run_iteration(draw(preset, size))
    row |= memory(engine, imported)
    is_on_gpu = engine.fabric.device.type == "cuda"
    timed = options.iterations if options.iterations is not None else 200 * is_on_gpu
    if timed:
        row["timed_iterations"] = timed
        row["seconds_per_iteration"] = seconds(engine, preset, size, timed)
        row["stage_hours"] = row["seconds_per_iteration"] * engine.stage.iterations / 3600
    return row


def draw(preset: Preset, size: tuple[int, int]) -> UnpairedBatch:
    """Return a batch of noise, augmented as training does it."""
    import torch

    from CrossModalSegLib.core.tensors import UnpairedBatch

    count, generator = preset.training.batch_size, torch.Generator().manual_seed(0)
    x_s, x_t = (torch.rand(count, 1, *size, generator=generator) * 2 - 1 for _ in range(2))
    y_s = torch.randint(0, preset.method.num_classes, (count, *size), generator=generator)
    augment = preset.training.spatial
    x_s, labels = augment(x_s, y_s, generator)
    x_t, _ = augment(x_t, None, generator)
    return UnpairedBatch(x_s=x_s, y_s=y_s if labels is None else labels, x_t=x_t)


def predict(engine: Engine, batch: UnpairedBatch) -> torch.Tensor:
    """Segment one batch with the networks that a bundle would hold."""
    import torch

    with torch.no_grad(), engine.autocast():
        return engine.deployed_model().predict(engine.fabric.to_device(batch.x_t))


def seconds(engine: Engine, preset: Preset, size: tuple[int, int], iterations: int) -> float:
    """Return the mean time of a step, its batch's drawing included."""
    import torch

    def synchronise() -> None:
        if engine.fabric.device.type == "cuda":
            torch.cuda.synchronize()

    for _ in range(min(WARM_UP_STEPS, iterations)):
        engine.run_iteration(draw(preset, size))
    synchronise()
    began = time.perf_counter()
    for _ in range(iterations):
        engine.run_iteration(draw(preset, size))
    synchronise()
    return (time.perf_counter() - began) / iterations


def memory(engine: Engine, imported: int) -> dict[str, float]:
    """Return the peak memory so far in GiB; `imported`: what the process had before any network."""
    import torch

    if engine.fabric.device.type == "cuda":
        return {
            "peak_gib": torch.cuda.max_memory_allocated() / GIB,
            "reserved_gib": torch.cuda.max_memory_reserved() / GIB,
        }
    return {"peak_gib": peak_bytes() / GIB, "without_imports_gib": (peak_bytes() - imported) / GIB}


def peak_bytes() -> int:
    """Return the largest resident set of this process so far."""
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) * (1 if sys.platform == "darwin" else 1024)


def device_name(engine: Engine) -> str:
    """Return the GPU's name, or "cpu"."""
    import torch

    device = engine.fabric.device
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def write_table(rows: Sequence[dict[str, Any]]) -> None:
    """Print the numbers, and what papers say of theirs."""
    titles = ("preset", "stage", "slices", "precision", "peak GiB", "s/step", "hours", "paper's")
    widths = (24, 10, 14, 12, 9, 9, 9, 9)
    lines = ["  ".join(f"{title:<{width}}" for title, width in zip(titles, widths, strict=True))]
    for row in rows:
        slices = f"{row['batch']} x {row['size'][0]}x{row['size'][1]}"
        cells = [
            f"{row['method']} {row['preset'].removeprefix('paper_')}",
            row["stage"],
            slices,
            row["precision"],
            f"{row['peak_gib']:.2f}",
            _number(row.get("seconds_per_iteration"), ".3f"),
            _number(row.get("stage_hours"), ".1f"),
            _number(row["paper_hours"], ".0f"),
        ]
        lines.append("  ".join(f"{cell:<{w}}" for cell, w in zip(cells, widths, strict=True)))
    sys.stdout.write("\n".join(lines) + "\n")


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


if __name__ == "__main__":
    main()
