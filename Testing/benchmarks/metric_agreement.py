"""Compare the metrics with MONAI, medpy and DeepMind's surface-distance: numbers, time and memory.

    python Testing/benchmarks/metric_agreement.py --pairs 1000 --libraries FOLDER --json out.json

medpy and surface-distance are no dependencies; what is not installed, nor in FOLDER (made by
`pip install --no-deps --target FOLDER medpy surface-distance`), is left out and said to be.

Differences by definition, measured here:

- medpy's `hd95` is the 95th percentile of both directions together, and its `assd` the mean over
  the voxels of both surfaces. Ours are the larger of two percentiles and the mean of two means
  (CONTRACTS). From our distances, pooled in the same way, its numbers come out exactly.
- surface-distance puts a surface between voxels (at corners of 2x2x2 neighbourhoods) and weighs
  each piece by its area. Its numbers are others, by less than a voxel's diagonal for the means.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from CrossModalSegLib.core.tasks import TASKS  # noqa: E402
from CrossModalSegLib.core.volume import Volume  # noqa: E402
from CrossModalSegLib.evaluation.scores import CaseLabels, score_case  # noqa: E402
from CrossModalSegLib.metrics import overlap  # noqa: E402
from CrossModalSegLib.metrics.surface import SurfaceDistances, surface_pair  # noqa: E402
from Testing.benchmarks.mask_pairs import Mask, MaskPair, mask_pairs  # noqa: E402

TOLERANCE_MM = 1.0
BRATS_SHAPE_KJI = (155, 240, 240)

Scores = dict[str, float]


def main() -> None:
    """Read the command line, compare, and tell."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=1_000)
    parser.add_argument("--libraries", type=Path, help="folder with medpy and surface-distance")
    parser.add_argument("--repeats", type=int, default=3, help="of the timing; the median counts")
    parser.add_argument("--json", type=Path, help="also write the result here")
    parser.add_argument("--memory-of", choices=SHAPES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        sys.stdout.write(json.dumps(peak_of(options.memory_of)))
        return
    if options.libraries:
        sys.path.append(str(options.libraries))
    others = {name: make for name, make in OTHERS.items() if is_there(name)}
    result = {
        "pairs": options.pairs,
        "left_out": sorted(OTHERS.keys() - others),
        "agreement": agreement(options.pairs, others),
        "speed": speed(options.repeats),
        "memory": {name: measure_memory(name) for name in SHAPES},
    }
    text = json.dumps(result, indent=2)
    sys.stdout.write(text + "\n")
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")


def is_there(name: str) -> bool:
    """Tell whether a library can be imported."""
    try:
        import_module(name)
    except ImportError:
        return False
    return True


def own_scores(pair: MaskPair) -> Scores:
    """Return our metrics, and those of the others made of our distances."""
    prediction, reference = pair.prediction, pair.reference
    distances = surface_pair(prediction, reference).distances(pair.spacing_kji)
    both = np.concatenate([distances.from_prediction, distances.from_reference])
    return {
        "dice": overlap.dice(prediction, reference),
        "jaccard": overlap.jaccard(prediction, reference),
        "precision": overlap.precision(prediction, reference),
        "recall": overlap.recall(prediction, reference),
        **surface_scores(distances),
        "hd95_pooled": float(np.percentile(both, 95)),
        "assd_pooled": float(both.mean()),
    }


def surface_scores(distances: SurfaceDistances) -> Scores:
    """Return our metrics of surfaces."""
    return {
        "nsd": distances.surface_dice(TOLERANCE_MM),
        "hd": distances.hd,
        "hd95": distances.hd95,
        "asd": distances.asd,
        "assd": distances.assd,
    }


def medpy_scores(pair: MaskPair) -> Scores:
    """Ask medpy."""
    metrics: Any = import_module("medpy.metric.binary")
    masks, spacing = (pair.prediction, pair.reference), pair.spacing_kji
    return {
        "dice": metrics.dc(*masks),
        "jaccard": metrics.jc(*masks),
        "precision": metrics.precision(*masks),
        "recall": metrics.recall(*masks),
        "hd": metrics.hd(*masks, spacing),
        "asd": metrics.asd(*masks, spacing),
        "hd95_pooled": metrics.hd95(*masks, spacing),
        "assd_pooled": metrics.assd(*masks, spacing),
        "hd95": metrics.hd95(*masks, spacing),
        "assd": metrics.assd(*masks, spacing),
    }


def deepmind_scores(pair: MaskPair) -> Scores:
    """Ask surface-distance; its first mask is the reference."""
    library: Any = import_module("surface_distance.metrics")
    masks = pair.reference, pair.prediction
    distances = library.compute_surface_distances(*masks, pair.spacing_kji)
    from_reference, from_prediction = library.compute_average_surface_distance(distances)
    return {
        "dice": library.compute_dice_coefficient(*masks),
        "nsd": library.compute_surface_dice_at_tolerance(distances, TOLERANCE_MM),
        "hd": library.compute_robust_hausdorff(distances, 100),
        "hd95": library.compute_robust_hausdorff(distances, 95),
        "asd": from_prediction,
        "assd": (from_reference + from_prediction) / 2,
    }


def monai_scores(pair: MaskPair) -> Scores:
    """Ask MONAI, one direction at a time."""
    import torch
    from monai.metrics.hausdorff_distance import compute_hausdorff_distance
    from monai.metrics.meandice import compute_dice
    from monai.metrics.surface_dice import compute_surface_dice
    from monai.metrics.surface_distance import compute_average_surface_distance

    first, second = (
        torch.tensor(mask.copy())[None, None].float() for mask in (pair.prediction, pair.reference)
    )
    both: dict[str, Any] = {"include_background": True, "spacing": list(pair.spacing_kji)}
    means = [
        float(compute_average_surface_distance(*way, **both))
        for way in ((first, second), (second, first))
    ]

    def hausdorff(percentile: float | None) -> float:
        return max(
            float(compute_hausdorff_distance(*way, percentile=percentile, directed=True, **both))
            for way in ((first, second), (second, first))
        )

    return {
        "dice": float(compute_dice(first, second)),
        "nsd": float(compute_surface_dice(first, second, class_thresholds=[1.0], **both)),
        "hd": hausdorff(None),
        "hd95": hausdorff(95),
        "asd": means[0],
        "assd": sum(means) / 2,
    }


OTHERS: Mapping[str, Callable[[MaskPair], Scores]] = {
    "monai": monai_scores,
    "medpy": medpy_scores,
    "surface_distance": deepmind_scores,
}


def agreement(count: int, others: Mapping[str, Callable[[MaskPair], Scores]]) -> dict[str, Any]:
    """Return the largest and the median difference of each metric to each library.

    Distances are in voxel diagonals, so that all spacings count alike.
    """
    differences: dict[str, dict[str, list[float]]] = {name: {} for name in others}
    for pair in mask_pairs(count):
        own = own_scores(pair)
        diagonal = float(np.linalg.norm(pair.spacing_kji))
        for name, ask in others.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                theirs = ask(pair)
            for metric, value in theirs.items():
                unit = 1.0 if metric in RATIOS else diagonal
                found = differences[name].setdefault(metric, [])
                found.append(abs(own[metric] - float(value)) / unit)
    return {
        name: {
            metric: {"largest": max(values), "median": float(np.median(values))}
            for metric, values in by_metric.items()
        }
        for name, by_metric in differences.items()
    }


RATIOS = frozenset({"dice", "jaccard", "precision", "recall", "nsd"})


def ball(centre: tuple[int, int, int], radius: int) -> Mask:
    """Return a ball in a volume of the size of BraTS's."""
    k, j, i = np.ogrid[tuple(slice(size) for size in BRATS_SHAPE_KJI)]
    squared = (k - centre[0]) ** 2 + (j - centre[1]) ** 2 + (i - centre[2]) ** 2
    return np.asarray(squared < radius**2)


def ragged(shift: int) -> Mask:
    """Return a tenth of the volume in many ragged parts: the largest surfaces to be expected."""
    from scipy import ndimage

    noise = ndimage.gaussian_filter(np.random.default_rng(0).random(BRATS_SHAPE_KJI), 4)
    return np.asarray(np.roll(noise, shift, axis=1) > np.quantile(noise, 0.9))


SHAPES: Mapping[str, Callable[[], tuple[Mask, Mask]]] = {
    "tumour, radius 18": lambda: (ball((80, 120, 100), 18), ball((77, 118, 108), 18)),
    "tumour, radius 45": lambda: (ball((80, 120, 100), 45), ball((77, 118, 108), 45)),
    "far apart": lambda: (ball((30, 40, 40), 15), ball((120, 200, 200), 15)),
    "ragged": lambda: (ragged(0), ragged(3)),
}


def speed(repeats: int) -> dict[str, Any]:
    """Time the same metrics by turns: ours, and medpy's if it is there."""
    rows = {}
    for name, make in SHAPES.items():
        pair = MaskPair(name, *make(), (1.0, 1.0, 1.0))
        times: dict[str, list[float]] = {"ours": [], "medpy": []}
        for _ in range(repeats):
            times["ours"].append(timed(own_scores, pair))
            if is_there("medpy"):
                times["medpy"].append(timed(medpy_once, pair))
        rows[name] = {key: float(np.median(values)) for key, values in times.items() if values}
        if times["medpy"]:
            rows[name]["times_faster"] = rows[name]["medpy"] / rows[name]["ours"]
    return rows


def medpy_once(pair: MaskPair) -> None:
    """Ask medpy for each of the four metrics that the comparison is about, once."""
    metrics: Any = import_module("medpy.metric.binary")
    masks = pair.prediction, pair.reference
    metrics.dc(*masks)
    for metric in (metrics.asd, metrics.assd, metrics.hd95):
        metric(*masks, pair.spacing_kji)


def timed(function: Callable[[MaskPair], Any], pair: MaskPair) -> float:
    """Return the seconds that one call takes."""
    started = time.perf_counter()
    function(pair)
    return time.perf_counter() - started


def measure_memory(name: str) -> dict[str, float]:
    """Return the memory of a process of its own that scores a case from its label maps."""
    command = [sys.executable, __file__, "--memory-of", name]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    peaks: dict[str, float] = json.loads(result.stdout)
    return peaks


def peak_of(name: str) -> dict[str, float]:
    """Return the resident memory of this process: with the label maps, and at most, in MiB."""
    affine = np.diag([0.7, 0.7, 3.0, 1.0])
    labels = [Volume(mask.astype(np.uint8), affine) for mask in SHAPES[name]()]
    case = CaseLabels(case="a", prediction=labels[0], reference=labels[1])
    score_case(case, TASKS["brain_tumour"], method="m")  # what imports take is not counted
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = _status_mib("VmRSS")
    score_case(case, TASKS["brain_tumour"], method="m")
    return {"with_label_maps_mib": before, "peak_mib": _status_mib("VmHWM")}


def _status_mib(field: str) -> float:
    """Return a field of the system's notes on this process (Linux)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.startswith(f"{field}:"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
