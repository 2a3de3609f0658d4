"""Time and memory of segmenting one volume, beside MONAI's SliceInferer with the same network.

    python Testing/benchmarks/predict_speed.py
    python Testing/benchmarks/predict_speed.py --preset dsan:small --matrix 64 --shape 64 96 96

Every way runs in a process of its own, one after the other. "ours" is everything from an array to
labels on its grid: preparing, predicting, restoring and cleaning. "SliceInferer" is the network
alone in float32, on slices that were prepared before. Weights are random, with normalisations
calibrated on noise, so labels mean nothing; that both ways agree shows that they compute the same.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from CrossModalSegLib.bundle.deployment import load_method  # noqa: E402
from CrossModalSegLib.bundle.reading import read_bundle  # noqa: E402
from CrossModalSegLib.bundle.schema import BundleConfig, Modalities  # noqa: E402
from CrossModalSegLib.bundle.writing import write_bundle  # noqa: E402
from CrossModalSegLib.core.config import to_dict, write_json  # noqa: E402
from CrossModalSegLib.core.modalities import MODALITIES  # noqa: E402
from CrossModalSegLib.core.tasks import TASKS  # noqa: E402
from CrossModalSegLib.core.volume import Volume  # noqa: E402
from CrossModalSegLib.data.intensity import IntensityRule  # noqa: E402
from CrossModalSegLib.data.preprocessing import Preprocessing  # noqa: E402
from CrossModalSegLib.inference.predictor import Predictor  # noqa: E402
from CrossModalSegLib.inference.prepared import prepare_case  # noqa: E402
from CrossModalSegLib.methods import build_method  # noqa: E402
from CrossModalSegLib.training.settings import load_preset  # noqa: E402

if TYPE_CHECKING:
    from numpy.typing import NDArray

GIB = 2**30
MONAI = "SliceInferer, float32"
WAYS = ("ours", "ours, float32", MONAI)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every way and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--preset", default="glua:paper_cardiac", metavar="METHOD:PRESET")
    parser.add_argument("--matrix", type=int, default=256, help="rows and columns of a slice")
    parser.add_argument("--shape", type=int, nargs=3, default=(155, 240, 240), metavar="N")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        way, folder = options.child
        sys.stdout.write(json.dumps(measure(way, Path(folder), options)))
        return
    with tempfile.TemporaryDirectory() as folder:
        write_model(options.preset, options.matrix, Path(folder) / "bundle")
        rows = [run_child(way, folder, options) for way in WAYS]
        compare(rows, Path(folder))
    write_table(rows)
    if options.json:
        write_json(options.json, {"v": 1, "shape": list(options.shape), "rows": rows})


def run_child(way: str, folder: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure one way in a fresh process."""
    command = [sys.executable, __file__, "--child", way, folder, "--device", options.device]
    command += ["--shape", *map(str, options.shape)]
    child = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    row: dict[str, Any] = json.loads(child.stdout)
    return row


def write_model(name: str, matrix: int, output: Path) -> None:
    """Write a bundle of a preset's networks with random weights."""
    import torch

    method_name, _, preset_name = name.partition(":")
    preset = load_preset(method_name, preset_name, TASKS["cardiac"])
    settings = to_dict(preset.method)
    torch.manual_seed(0)
    method = build_method(method_name, settings)
    for child in list(dict(method.named_children())):
        if child not in method.deployed:
            delattr(method, child)
    method.train()
    with torch.no_grad():
        for _ in range(20):  # so that activations keep to a range
            method.predict(torch.randn(2, 1, matrix // 2, matrix // 2))
    config = BundleConfig(
        name="speed",
        title="Random weights",
        method=method_name,
        method_settings=settings,
        task=TASKS["cardiac"],
        modalities=Modalities(source=MODALITIES["ct"], target=MODALITIES["mr_bssfp"]),
        preprocessing=Preprocessing(
            slicing="axial",
            spacing_mm=(1.0, 1.0),
            matrix=(matrix, matrix),
            intensity=IntensityRule(kind="window_hu", window_hu=(0.0, 1000.0)),
        ),
    )
    write_bundle(output, config, method.state_dict())


def head(shape_kji: Sequence[int]) -> Volume:
    """Return noise in an ellipsoid that fills most of a volume, 0 around it, at 1 mm."""
    axes = [np.linspace(-1, 1, size, dtype=np.float32) for size in shape_kji]
    k, j, i = np.meshgrid(*axes, indexing="ij")
    inside = (k / 0.85) ** 2 + (j / 0.8) ** 2 + (i / 0.65) ** 2 < 1
    noise = np.random.default_rng(0).normal(500, 100, tuple(shape_kji)).astype(np.float32)
    return Volume(noise * inside, np.diag([-1.0, -1.0, 1.0, 1.0]))


def measure(way: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Segment the volume once, and a second time for the clock."""
    volume = head(options.shape)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    segment, precision = prepare_way(way, folder, volume, options.device)
    seconds = []
    for _ in ("first", "warm"):
        began = time.perf_counter()
        np.save(folder / f"{WAYS.index(way)}.npy", segment())
        seconds.append(time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "way": way,
        "precision": precision,
        "first_seconds": seconds[0],
        "warm_seconds": seconds[1],
        "peak_gib": peak / GIB,
        "without_imports_gib": (peak - before) / GIB,
    }


def prepare_way(
    way: str, folder: Path, volume: Volume, device: str
) -> tuple[Callable[[], NDArray[Any]], str]:
    """Return what segments the volume, and the arithmetic that it uses."""
    bundle = read_bundle(folder / "bundle")
    if way == MONAI:
        return slice_inferer(volume, bundle.config.preprocessing, load_method(bundle)), "32-true"
    precision = "32-true" if "float32" in way else "auto"
    predictor = Predictor.from_bundle(bundle, device=device, precision=precision)
    return lambda: predictor.segment(volume).labels.array_kji, predictor.precision


def slice_inferer(
    volume: Volume, settings: Preprocessing, method: Any
) -> Callable[[], NDArray[Any]]:
    """Return a run of MONAI's SliceInferer over prepared slices, eight at once."""
    import torch
    from monai.inferers.inferer import SliceInferer

    case = prepare_case([volume], settings)
    images = torch.from_numpy(case.all_slices[:, 0])[None, None]
    inferer = SliceInferer(roi_size=settings.matrix, sw_batch_size=8, spatial_dim=0)

    def segment() -> NDArray[Any]:
        with torch.inference_mode():
            probabilities = inferer(images, method.predict)
        labels, _ = case.restore(
            iter(np.moveaxis(probabilities[0].numpy(), 1, 0)), with_uncertainty=False
        )
        return labels.array_kji

    return segment


def compare(rows: list[dict[str, Any]], folder: Path) -> None:
    """Add the ratios and how many voxels have the labels of the last way."""
    labels = [np.load(folder / f"{index}.npy") for index in range(len(rows))]
    for row, found in zip(rows, labels, strict=True):
        row["times_as_fast"] = rows[-1]["warm_seconds"] / row["warm_seconds"]
        row["equal_voxels"] = float((found == labels[-1]).mean())


def write_table(rows: list[dict[str, Any]]) -> None:
    """Print the rows as Markdown."""
    sys.stdout.write("| | arithmetic | first (s) | warm (s) | ratio | peak (GiB) | equal |\n")
    sys.stdout.write("|---|---|---:|---:|---:|---:|---:|\n")
    for row in rows:
        sys.stdout.write(
            f"| {row['way']} | {row['precision']} | {row['first_seconds']:.1f} "
            f"| {row['warm_seconds']:.1f} | {row['times_as_fast']:.1f} | {row['peak_gib']:.2f} "
            f"| {100 * row['equal_voxels']:.2f} % |\n"
        )


if __name__ == "__main__":
    main()
