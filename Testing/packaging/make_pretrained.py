"""Make the model that ships from what `crossmodalseg demo` trained.

.venv/bin/python Testing/packaging/make_pretrained.py demo-output

The weights are stored in half precision. The program prints how well the labels agree with those
of the full weights on phantoms that nobody has seen, and writes nothing if they do not. What counts
is the agreement in float32 arithmetic, where storage is the only difference. In bfloat16 arithmetic
the full weights already differ from themselves in float32 as much; both are printed beside it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from CrossModalSegLib.bundle.deployment import load_method  # noqa: E402
from CrossModalSegLib.bundle.packing import copy_bundle  # noqa: E402
from CrossModalSegLib.bundle.reading import Bundle, read_bundle  # noqa: E402
from CrossModalSegLib.bundle.schema import BundleConfig, MeasuredScores  # noqa: E402
from CrossModalSegLib.bundle.writing import write_bundle  # noqa: E402
from CrossModalSegLib.data.phantoms.cardiac import make_cardiac_subject  # noqa: E402
from CrossModalSegLib.inference.predictor import Predictor  # noqa: E402

NAME = "cardiac_ct_to_mr_bssfp_dsan"
METHOD = "dsan"
METRICS = ("dice", "assd_mm", "hd95_mm")

LEAST_AGREEMENT = 0.999
"""Dice of each structure between labels of half and of full precision."""

UNSEEN_SEEDS = tuple(range(900_001, 900_009))

FLOAT32, BFLOAT16 = "32-true", "bf16-mixed"

Run = tuple[str, str]
"""Which weights, in which arithmetic."""

COMPARISONS: dict[str, tuple[Run, Run]] = {
    "half with full weights, float32": (("half", FLOAT32), ("full", FLOAT32)),
    "half with full weights, bfloat16": (("half", BFLOAT16), ("full", BFLOAT16)),
    "full weights, bfloat16 with float32": (("full", BFLOAT16), ("full", FLOAT32)),
}
"""The first decides."""

DESCRIPTION = (
    "Made to try the program out: trained on synthetic phantoms only, never on images of people. "
    "It must not be used on patients. Adapted from labelled CT phantoms to bSSFP MR phantoms with "
    "DSAN (Han et al., IEEE TMI 2022, https://arxiv.org/abs/2101.06853), preset quick, using 18 "
    "target subjects without labels. Weights in half precision; the scores are those of the full "
    "ones, on phantoms."
)

INTENDED_USE = (
    "Demonstration on the phantoms that the program makes. Trained on synthetic phantoms only; "
    "must not be used on patients. Research use only. Not for diagnosis or treatment."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the bundle."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("demo", type=Path, help="folder that the demo wrote")
    parser.add_argument("--output", type=Path, default=ROOT / "CrossModalSegLib" / "pretrained")
    options = parser.parse_args(arguments)
    full = read_bundle(options.demo / "runs" / METHOD / "bundle")
    config = describe(full.config, options.demo)
    halved = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in load_method(full).state_dict().items()
    }
    with tempfile.TemporaryDirectory() as scratch:
        small = write_bundle(Path(scratch) / NAME, config, halved)
        agreement = compare(full, small)
        for name, dices in agreement.items():
            sys.stdout.write(f"{name}: Dice min {min(dices):.5f}, mean {fmean(dices):.5f}\n")
        if min(agreement[next(iter(COMPARISONS))]) < LEAST_AGREEMENT:
            sys.stdout.write(f"Not written: expected at least {LEAST_AGREEMENT}.\n")
            return 1
        copy_bundle(small, options.output / NAME, overwrite=True)
    sys.stdout.write(f"{options.output / NAME}: {small.num_bytes} bytes\n")
    return 0


def describe(config: BundleConfig, demo: Path) -> BundleConfig:
    """Return what the bundle says, with what the demo measured on unseen subjects."""
    return replace(
        config,
        name=NAME,
        title="Cardiac substructures on bSSFP MR phantoms, DSAN",
        description=DESCRIPTION,
        intended_use=INTENDED_USE,
        scores=(measured_scores(demo),),
    )


def measured_scores(demo: Path) -> MeasuredScores:
    """Return the means over the demo's test subjects, which nothing was chosen by."""
    records = json.loads((demo / "scores.json").read_text(encoding="utf-8"))
    provenance = json.loads((demo / "provenance.json").read_text(encoding="utf-8"))
    records = [record for record in records if record["method"] == METHOD]
    regions = list(dict.fromkeys(record["region"] for record in records))
    means = {
        metric: {
            region: fmean(r[metric] for r in records if r["region"] == region) for region in regions
        }
        for metric in METRICS
    }
    return MeasuredScores(
        domain="target",
        split="test",
        num_cases=len({record["case"] for record in records}),
        policy=provenance["policy"],
        means=means,
    )


def compare(full: Bundle, small: Bundle) -> dict[str, list[float]]:
    """Return the Dice of every structure of every unseen phantom, for each comparison."""
    runs = {run for pair in COMPARISONS.values() for run in pair}
    bundles = {"full": full, "half": small}
    predictors = {
        (weights, precision): Predictor.from_bundle(
            bundles[weights], device="cpu", precision=precision
        )
        for weights, precision in runs
    }
    agreement: dict[str, list[float]] = {name: [] for name in COMPARISONS}
    for seed in UNSEEN_SEEDS:
        image = make_cardiac_subject("mr_bssfp", seed).image
        labels = {run: p.segment(image).labels.array_kji for run, p in predictors.items()}
        for name, (one, other) in COMPARISONS.items():
            agreement[name] += dices(labels[one], labels[other], full.config.task.known_values[1:])
    return agreement


def dices(
    first: NDArray[np.uint8], second: NDArray[np.uint8], values: Sequence[int]
) -> Iterator[float]:
    """Yield the Dice of each value of two label maps."""
    for value in values:
        one, other = first == value, second == value
        size = np.count_nonzero(one) + np.count_nonzero(other)
        yield 2 * np.count_nonzero(one & other) / size if size else 1.0


if __name__ == "__main__":
    sys.exit(main())
