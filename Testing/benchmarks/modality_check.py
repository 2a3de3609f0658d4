"""How well scans that are not what a model was made for are recognised, on phantoms.

    python Testing/benchmarks/modality_check.py --subjects 40 --seed 930000 --output table.md
    python Testing/benchmarks/modality_check.py --model whole_tumour_t2_to_flair_glua

The model is one for cardiac bSSFP MR, or for FLAIR MR of the brain. Every kind of scan is made of
the same unseen subjects; it is warned of above a score of 1. Choose seeds by which no threshold was
chosen; those were 700000 to 700015.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from CrossModalSegLib.bundle.library import ModelLibrary  # noqa: E402
from CrossModalSegLib.inference.predictor import Predictor  # noqa: E402
from Testing.benchmarks.spoiled_scans import BRAIN, HEART, ScanKinds  # noqa: E402

MODEL = "cardiac_ct_to_mr_bssfp_dsan"

Rows = list[dict[str, Any]]


def main() -> None:
    """Read the command line, measure, and tell."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--subjects", type=int, default=40)
    parser.add_argument("--seed", type=int, default=930_000)
    parser.add_argument("--output", type=Path, help="also write the table here; .json for numbers")
    options = parser.parse_args()
    kinds = BRAIN if "flair" in options.model else HEART
    found = measure(options.model, options.seed, options.subjects, kinds)
    rows = summarise(found, kinds)
    text = table(rows)
    sys.stdout.write(text)
    if options.output:
        is_json = options.output.suffix == ".json"
        options.output.write_text(json.dumps(rows, indent=2) if is_json else text, encoding="utf-8")


def measure(
    model: str, first_seed: int, count: int, kinds: ScanKinds = HEART
) -> dict[str, np.ndarray]:
    """Return (subject, 3) of each kind: intensities, features and score."""
    predictor = Predictor.from_bundle(ModelLibrary().open(model), device="cpu", precision="32-true")
    found = defaultdict(list)
    for seed, subject in kinds.subjects(first_seed, count):
        for kind, spoil in {**kinds.usual, **kinds.unusual}.items():
            unlikeness = predictor.segment(spoil(subject, seed)).unlikeness
            if unlikeness is None or unlikeness.features is None:
                raise SystemExit(f"The model {model} does not say what it sees in its target.")
            found[kind].append((unlikeness.intensities, unlikeness.features, unlikeness.score))
        sys.stderr.write(f"{seed}\n")
    return {kind: np.array(values, dtype=np.float64) for kind, values in found.items()}


def summarise(found: dict[str, np.ndarray], kinds: ScanKinds = HEART) -> Rows:
    """Return ranges, the share that is warned of, and the area under the curve against usual ones.

    The areas are against scans of the first kind, which are as those of training.
    """
    usual = next(iter(found.values()))[:, 2]
    rows = []
    for kind, values in found.items():
        row: dict[str, Any] = {"kind": kind, "cases": len(values), "is_usual": kind in kinds.usual}
        for column, name in enumerate(("intensities", "features", "score")):
            low, median, high = np.quantile(values[:, column], (0, 0.5, 1))
            row[name] = {"lowest": low, "median": median, "highest": high}
        row["warned"] = float((values[:, 2] > 1).mean())
        row["auc"] = area(usual, values[:, 2])
        rows.append(row)
    return rows


def area(usual: np.ndarray, unusual: np.ndarray) -> float:
    """Return how often an unusual scan has a higher score than a usual one; ties count half."""
    higher = (unusual[:, None] > usual).mean()
    return float(higher + (unusual[:, None] == usual).mean() / 2)


def table(rows: Rows) -> str:
    """Return the rows in Markdown."""
    lines = [
        "| scan | cases | intensities | features | score | warned of | AUC |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        ranges = " | ".join(_range(row[name]) for name in ("intensities", "features", "score"))
        auc = "" if row["is_usual"] else f"{row['auc']:.3f}"
        share = f"{row['warned']:.0%}"
        lines.append(f"| {row['kind']} | {row['cases']} | {ranges} | {share} | {auc} |")
    return "\n".join(lines) + "\n"


def _range(values: dict[str, float]) -> str:
    return f"{values['median']:.2f} ({values['lowest']:.2f} to {values['highest']:.2f})"


if __name__ == "__main__":
    main()
