"""How predicted and true Dice go along, on phantoms of good and bad quality.

    python Testing/benchmarks/predicted_dice.py --subjects 12 --seed 940000 --output table.md

The predicted Dice is the agreement of a result with those of slightly changed images
(`inference/agreement.py`); the true one is with the phantom's own labels. Choose seeds by which
nothing was chosen: those were 710000 to 710011.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from CrossModalSegLib.bundle.library import ModelLibrary  # noqa: E402
from CrossModalSegLib.inference.predictor import Predictor  # noqa: E402
from CrossModalSegLib.inference.wishes import Wishes  # noqa: E402
from CrossModalSegLib.metrics.overlap import dice  # noqa: E402
from Testing.benchmarks.spoiled_scans import DEGRADED, subjects  # noqa: E402

MODEL = "cardiac_ct_to_mr_bssfp_dsan"

Rows = list[dict[str, Any]]


def main() -> None:
    """Read the command line, measure, and tell."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--subjects", type=int, default=12)
    parser.add_argument("--seed", type=int, default=940_000)
    parser.add_argument("--output", type=Path, help="also write the table here; .json for numbers")
    options = parser.parse_args()
    cases = measure(options.model, options.seed, options.subjects)
    text = table(cases)
    sys.stdout.write(text)
    if options.output:
        is_json = options.output.suffix == ".json"
        content = json.dumps(cases, indent=2) if is_json else text
        options.output.write_text(content, encoding="utf-8")


def measure(model: str, first_seed: int, count: int) -> Rows:
    """Return predicted and true Dice of each case by region; None where nothing is found."""
    predictor = Predictor.from_bundle(ModelLibrary().open(model), device="cpu", precision="32-true")
    regions = predictor.config.task.regions
    cases = []
    for seed, subject in subjects(first_seed, count):
        for kind, spoil in DEGRADED.items():
            result = predictor.segment(spoil(subject, seed), wishes=Wishes(quality=True))
            predicted = dict(result.predicted_dice or {})
            true = {
                region.name: dice(
                    np.isin(result.labels.array_kji, region.values),
                    np.isin(subject.labels.array_kji, region.values),
                )
                for region in regions
            }
            cases.append({"seed": seed, "kind": kind, "predicted": predicted, "true": true})
        sys.stderr.write(f"{seed}\n")
    return cases


def table(cases: Rows) -> str:
    """Return means of each kind of scan, and correlations over all, in Markdown."""
    lines = ["| scan | cases | predicted Dice | true Dice |", "|---|---:|---:|---:|"]
    for kind in dict.fromkeys(case["kind"] for case in cases):
        pairs = means([case for case in cases if case["kind"] == kind])
        predicted, true = (_spread(pairs[:, column]) for column in (0, 1))
        lines.append(f"| {kind} | {len(pairs)} | {predicted} | {true} |")
    lines += ["", "| of | pairs | Pearson | Spearman | predicted minus true |"]
    lines.append("|---|---:|---:|---:|---:|")
    lines.append(_correlations("cases (mean of structures)", means(cases)))
    usual = [case for case in cases if case["kind"] == next(iter(DEGRADED))]
    lines.append(_correlations("cases as they are", means(usual)))
    lines.append(_correlations("structures of cases", structures(cases)))
    return "\n".join(lines) + "\n"


def means(cases: Rows) -> np.ndarray:
    """Return (case, 2): predicted and true Dice, means over the structures."""
    pairs = [
        (case["predicted"]["mean"], np.mean(list(case["true"].values())))
        for case in cases
        if case["predicted"]["mean"] is not None
    ]
    return np.array(pairs, dtype=np.float64)


def structures(cases: Rows) -> np.ndarray:
    """Return (structure of a case, 2)."""
    pairs = [
        (case["predicted"][name], true)
        for case in cases
        for name, true in case["true"].items()
        if case["predicted"][name] is not None and true is not None
    ]
    return np.array(pairs, dtype=np.float64)


def _correlations(name: str, pairs: np.ndarray) -> str:
    pearson = stats.pearsonr(pairs[:, 0], pairs[:, 1]).statistic
    spearman = stats.spearmanr(pairs[:, 0], pairs[:, 1]).statistic
    difference = float((pairs[:, 0] - pairs[:, 1]).mean())
    return f"| {name} | {len(pairs)} | {pearson:.2f} | {spearman:.2f} | {difference:+.2f} |"


def _spread(values: np.ndarray) -> str:
    return f"{values.mean():.3f} ± {values.std(ddof=1):.3f}"


if __name__ == "__main__":
    main()
