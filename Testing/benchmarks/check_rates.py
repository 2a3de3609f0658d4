"""Show what the checks of `prepare` find, and how often they are wrong, on phantoms.

    python Testing/benchmarks/check_rates.py --subjects 30

Every subject is checked as it is, which must give no warning, and with each of these mistakes:

left-right, front-back, top-bottom   the labels are flipped
half a view away                     the labels are moved by half the size of the image, along the
                                     axis of each third subject in turn
shuffled, interleaved, as text       slices in random order; every second one first; in the order of
                                     their numbers as text (1, 10, 11, ..., 2)

each once as made, and once with noise of a quarter of the tissue's standard deviation.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from CrossModalSegLib.core.config import write_json  # noqa: E402
from CrossModalSegLib.core.geometry import AXIS_OF_LETTER, orientation_code  # noqa: E402
from CrossModalSegLib.core.tasks import TASKS, Task  # noqa: E402
from CrossModalSegLib.core.volume import Volume  # noqa: E402
from CrossModalSegLib.data.checks import check_case  # noqa: E402
from CrossModalSegLib.data.phantoms.brain import make_brain_subject  # noqa: E402
from CrossModalSegLib.data.phantoms.cardiac import make_cardiac_subject  # noqa: E402

FLIPS = ("left-right", "front-back", "top-bottom")
MOVED = "half a view away"
ORDERS = ("shuffled", "interleaved", "as text")
FOUND_BY = {
    **dict.fromkeys(FLIPS, "flipped_labels"),
    MOVED: "labels_outside",
    **dict.fromkeys(ORDERS, "slice_order"),
}
NOISE = 0.25
BRAIN_MODALITIES: tuple[Any, ...] = ("t1", "t1ce", "t2", "flair")

Rates = dict[str, Counter[str]]
"""By modality: how many images, false alarms and mistakes of each kind found; and by any check."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--subjects", type=int, default=30, help="of each phantom")
    parser.add_argument("--phantoms", nargs="+", default=["cardiac", "brain"])
    parser.add_argument("--seed", type=int, default=1000, help="of the first subject")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    options = parser.parse_args(arguments)
    seeds = range(options.seed, options.seed + options.subjects)
    rates = measure(options.phantoms, seeds)
    write_table(rates)
    if options.json:
        write_json(
            options.json, {"v": 1, "rates": {name: dict(row) for name, row in rates.items()}}
        )


def measure(phantoms: Sequence[str], seeds: Sequence[int]) -> Rates:
    """Check every subject, right and with each mistake."""
    rates: Rates = defaultdict(Counter)
    for seed in seeds:
        for name, task, image, labels in subjects(phantoms, seed):
            for given in (image, noisy(image, seed)):
                count(rates[name], given, labels, task, seed)
    return rates


def subjects(phantoms: Sequence[str], seed: int) -> Iterator[tuple[str, Task, Volume, Volume]]:
    """Yield modality, task, image and labels of one subject of each phantom."""
    if "cardiac" in phantoms:
        modalities: tuple[Any, ...] = ("ct", "mr_bssfp")
        for modality in modalities:
            heart = make_cardiac_subject(modality, seed)
            yield modality, TASKS["cardiac"], heart.image, heart.labels
    if "brain" in phantoms:
        brain = make_brain_subject(BRAIN_MODALITIES, seed)
        for modality in BRAIN_MODALITIES:
            yield modality, TASKS["brain_tumour"], brain.images[modality], brain.labels


def noisy(image: Volume, seed: int) -> Volume:
    """Add noise, as to a scan of poor quality."""
    array = image.array_kji
    tissue = array[array > np.median(array)]
    noise = np.random.default_rng(seed).normal(0, NOISE * tissue.std(), array.shape)
    return image.with_array((array + noise).astype(np.float32))


def count(row: Counter[str], image: Volume, labels: Volume, task: Task, seed: int) -> None:
    """Check one image as it is, and with each mistake."""
    is_ct = bool(image.array_kji.min() < -500)
    row["images"] += 1
    found = check_case("right", image, labels, task, is_ct=is_ct)
    row["false alarms"] += bool(found)
    row.update(f"false {kind}" for kind in {finding.kind for finding in found})
    for mistake, kind in FOUND_BY.items():
        wrong_image, wrong_labels = with_mistake(mistake, image, labels, seed)
        found = check_case("wrong", wrong_image, wrong_labels, task, is_ct=is_ct)
        is_found = any(finding.kind == kind for finding in found)
        if mistake in FLIPS:
            is_found = any(f"when flipped {mistake} (" in finding.message for finding in found)
        row[mistake] += is_found
        row[f"any {mistake}"] += bool(found)


def with_mistake(mistake: str, image: Volume, labels: Volume, seed: int) -> tuple[Volume, Volume]:
    """Return image and labels with one mistake."""
    if mistake in FLIPS:
        letters = orientation_code(image.affine_ras)[::-1]
        patient_axes = [AXIS_OF_LETTER[letter] for letter in letters]
        flipped = np.flip(labels.array_kji, patient_axes.index(FLIPS.index(mistake)))
        return image, labels.with_array(np.ascontiguousarray(flipped))
    if mistake == MOVED:
        axis = seed % 3
        return image, labels.with_array(
            np.roll(labels.array_kji, labels.shape_kji[axis] // 2, axis=axis)
        )
    order = order_of(mistake, len(image.array_kji), seed)
    return image.with_array(image.array_kji[order]), labels.with_array(labels.array_kji[order])


def order_of(mistake: str, depth: int, seed: int) -> NDArray[np.intp]:
    """Return in which order slices come."""
    order = np.arange(depth)
    if mistake == "shuffled":
        return np.random.default_rng(seed).permutation(order)
    if mistake == "interleaved":
        return np.concatenate([order[::2], order[1::2]])
    return np.array(sorted(range(depth), key=lambda number: str(number + 1)))


def write_table(rates: Rates) -> None:
    """Print the rates in percent."""
    names = ["false alarms", *FOUND_BY]
    lines = [" ".join(["modality".ljust(10), "images", *(name.rjust(16) for name in names)])]
    for modality, row in rates.items():
        cells = [f"{100 * row[name] / row['images']:14.1f} %" for name in names]
        lines.append(" ".join([modality.ljust(10), f"{row['images']:6d}", *cells]))
        wrong = {name: number for name, number in row.items() if name.startswith("false ")}
        if row["false alarms"]:
            lines.append(f"           {wrong}")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
