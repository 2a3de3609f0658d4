"""Make the models that ship from what `crossmodalseg benchmark` trained.

.venv/bin/python Testing/packaging/make_pretrained.py benchmark-output
.venv/bin/python Testing/packaging/make_pretrained.py benchmark-output --choose DIRECTION=METHOD

Of each direction one model ships: that of the named method, or the one that `model_choice` takes
without a label of the target, each method standing with its first seed. What it scored on the
unseen subjects has no part in that; it is written into the model.

Weights are stored in half precision. The program prints how well the labels agree with those of the
full weights on phantoms that nobody has seen, and writes nothing if they do not. What counts is the
agreement in float32 arithmetic, where storage is the only difference. In bfloat16 arithmetic the
full weights already differ from themselves in float32 as much; both are printed beside it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from CrossModalSegLib.bundle.deployment import load_method  # noqa: E402
from CrossModalSegLib.bundle.packing import copy_bundle  # noqa: E402
from CrossModalSegLib.bundle.reading import Bundle, read_bundle  # noqa: E402
from CrossModalSegLib.bundle.schema import (  # noqa: E402
    BundleConfig,
    MeasuredScores,
    default_bundle_name,
)
from CrossModalSegLib.bundle.writing import write_bundle  # noqa: E402
from CrossModalSegLib.cli.benchmark_data import training_images  # noqa: E402
from CrossModalSegLib.cli.benchmark_folder import BenchmarkFolder  # noqa: E402
from CrossModalSegLib.cli.benchmark_results import Results, TrialResult, read_results  # noqa: E402
from CrossModalSegLib.cli.benchmark_suite import Suite, SuiteDirection, load_suite  # noqa: E402
from CrossModalSegLib.core.volume import Volume  # noqa: E402
from CrossModalSegLib.data.phantoms.brain import make_brain_subject  # noqa: E402
from CrossModalSegLib.data.phantoms.cardiac import make_cardiac_subject  # noqa: E402
from CrossModalSegLib.data.volume_files import read_image  # noqa: E402
from CrossModalSegLib.evaluation.records import ScoreRecord  # noqa: E402
from CrossModalSegLib.inference.predictor import Predictor  # noqa: E402
from CrossModalSegLib.methods import METHODS  # noqa: E402
from Testing.packaging.model_choice import Labels, mean_agreements  # noqa: E402

DIRECTIONS = ("cardiac_ct_to_mr", "cardiac_mr_to_ct", "brain_t2_to_flair", "brain_t1_to_t2")
"""Of the suite: those whose models ship."""

METHODS_THAT_SHIP = ("bigl", "dsan", "glua")

METRICS = ("dice", "assd_mm", "hd95_mm")

LEAST_AGREEMENT = 0.999
"""Dice of each structure over all unseen phantoms, between labels of half and full precision."""

LARGEST_BYTES = 2 * 2**20

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

INTENDED_USE = (
    "Demonstration on the phantoms that the program makes. Trained on synthetic phantoms only; "
    "must not be used on patients. Research use only. Not for diagnosis or treatment."
)


@dataclass(frozen=True)
class Choice:
    """A model that ships, and why it is this one.

    Attributes:
        result: The trial.
        reason: For people.
    """

    result: TrialResult
    reason: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the bundles.

    Returns:
        1 if one of them is not good enough; the others are written.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("benchmark", type=Path, help="folder that the benchmark wrote")
    parser.add_argument("--suite", default="phantom", help="suite of the benchmark")
    parser.add_argument(
        "--choose",
        action="append",
        default=[],
        metavar="DIRECTION=METHOD",
        help="ship this method's model instead of deciding; of the named directions alone",
    )
    parser.add_argument("--output", type=Path, default=ROOT / "CrossModalSegLib" / "pretrained")
    options = parser.parse_args(arguments)
    named = dict(entry.split("=", 1) for entry in options.choose)
    suite = load_suite(options.suite)
    results = read_results(BenchmarkFolder(options.benchmark), suite)
    is_good = True
    for direction in suite.directions:
        if direction.name in (named or DIRECTIONS):
            choice = choose(results, direction, options.benchmark, named.get(direction.name, ""))
            is_good &= ship(choice, options.output)
    return 0 if is_good else 1


def choose(results: Results, direction: SuiteDirection, folder: Path, method: str = "") -> Choice:
    """Choose a method's model, or return that of the named one.

    Raises:
        SystemExit: Nothing was scored that could be chosen.
    """
    scored = {name: results.of(direction, name) for name in METHODS_THAT_SHIP}
    candidates = {name: found[0] for name, found in scored.items() if found}
    if method:
        if method not in candidates:
            raise SystemExit(f"{direction.name}: {method} was not run.")
        return Choice(candidates[method], "The method was named beforehand.")
    if len(candidates) < 2:
        raise SystemExit(
            f"{direction.name}: {', '.join(candidates) or 'no method'} was run; expected at least "
            "two to choose from, or --choose."
        )
    agreements = agreements_of(candidates, results.suite, folder)
    for name, agreement in agreements.items():
        sys.stdout.write(f"{direction.name}, {name}: agrees by {agreement:.3f} with the others\n")
    best = max(agreements, key=agreements.__getitem__)
    others = ", ".join(METHODS[name].title for name in candidates if name != best)
    return Choice(
        candidates[best],
        f"Chosen without labels: on the target's training subjects it agrees best with {others} "
        f"(mean Dice {agreements[best]:.3f}).",
    )


def agreements_of(
    candidates: Mapping[str, TrialResult], suite: Suite, folder: Path
) -> dict[str, float]:
    """Return how well each model agrees with the others on the target's training subjects."""
    direction = next(iter(candidates.values())).trial.direction
    bundles = {name: read_bundle(result.folder.bundle) for name, result in candidates.items()}
    predictors = {name: Predictor.from_bundle(b, device="cpu") for name, b in bundles.items()}
    task = next(iter(bundles.values())).config.task

    def subjects() -> Iterator[dict[str, Labels]]:
        for path in training_images(BenchmarkFolder(folder), suite, direction):
            image = read_image(path)
            yield {name: p.segment(image).labels.array_kji for name, p in predictors.items()}

    return mean_agreements(subjects(), task.known_values[1:])


def ship(choice: Choice, output: Path) -> bool:
    """Write a model in half precision, unless that changes what it does or it is too large."""
    full = read_bundle(choice.result.folder.bundle)
    config = describe(full.config, choice)
    halved = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in load_method(full).state_dict().items()
    }
    sys.stdout.write(f"{config.name}\n")
    with tempfile.TemporaryDirectory() as scratch:
        small = write_bundle(Path(scratch) / config.name, config, halved)
        agreement = compare(full, small)
        for name, dices in agreement.items():
            sys.stdout.write(f"  {name}: Dice min {min(dices):.5f}, mean {fmean(dices):.5f}\n")
        least = min(agreement[next(iter(COMPARISONS))])
        if least < LEAST_AGREEMENT or small.num_bytes > LARGEST_BYTES:
            sys.stdout.write(
                f"  Not written: {small.num_bytes} bytes, expected at most {LARGEST_BYTES}; "
                f"agreement at least {LEAST_AGREEMENT}.\n"
            )
            return False
        copy_bundle(small, output / config.name, overwrite=True)
    sys.stdout.write(f"  {output / config.name}: {small.num_bytes} bytes\n")
    return True


def describe(config: BundleConfig, choice: Choice) -> BundleConfig:
    """Return what the bundle says, with what was measured on unseen subjects."""
    method, modalities = METHODS[config.method], config.modalities
    target = next(c for c in config.training.cohorts if c.domain == "target")
    source = modalities.source.label
    return replace(
        config,
        name=default_bundle_name(config.method, config.task, modalities),
        title=f"{config.task.label} on {modalities.target.label} phantoms, {method.title}",
        description=(
            "Made to try the program out: trained on synthetic phantoms only, never on images of "
            f"people. It must not be used on patients. Adapted from labelled {source} phantoms to "
            f"{modalities.target.label} phantoms with {method.title} ({method.reference}), using "
            f"{target.num_cases} target subjects without labels. {choice.reason} Made by: "
            f"{command_of(choice.result)}. Weights in half precision; the scores are those of the "
            "full ones, on phantoms that no training has seen."
        ),
        intended_use=INTENDED_USE,
        scores=(measured_scores(choice.result.records),),
    )


def command_of(result: TrialResult) -> str:
    """Return the command that trains this model again."""
    trial, state = result.trial, result.state
    return (
        f"crossmodalseg benchmark --tasks {trial.direction.name} --methods {trial.row.name} "
        f"--seeds {trial.seed} --preset {state.preset} --output benchmark-output"
    )


def measured_scores(records: Sequence[ScoreRecord]) -> MeasuredScores:
    """Return the means over the unseen subjects, which nothing was chosen by."""
    regions = list(dict.fromkeys(record.region for record in records))
    means = {
        metric: {
            region: fmean(r.value(metric) or 0.0 for r in records if r.region == region)
            for region in regions
        }
        for metric in METRICS
    }
    return MeasuredScores(
        domain="target",
        split="test",
        num_cases=len({record.case for record in records}),
        policy="brats",
        means=means,
    )


def compare(full: Bundle, small: Bundle) -> dict[str, list[float]]:
    """Return the Dice of every structure over all unseen phantoms, for each comparison."""
    runs = {run for pair in COMPARISONS.values() for run in pair}
    bundles = {"full": full, "half": small}
    predictors = {
        (weights, precision): Predictor.from_bundle(
            bundles[weights], device="cpu", precision=precision
        )
        for weights, precision in runs
    }
    values = full.config.task.known_values[1:]
    labels: dict[Run, list[Labels]] = {run: [] for run in runs}
    for seed in UNSEEN_SEEDS:
        image = unseen_image(full.config.modalities.target.name, seed)
        for run, predictor in predictors.items():
            labels[run].append(predictor.segment(image).labels.array_kji)
    return {
        name: [*dices(labels[one], labels[other], values)]
        for name, (one, other) in COMPARISONS.items()
    }


def unseen_image(modality: str, seed: int) -> Volume:
    """Return the image of a phantom."""
    if modality in {"ct", "mr_bssfp"}:
        return make_cardiac_subject(modality, seed).image  # type: ignore[arg-type]
    return make_brain_subject([modality], seed).images[modality]  # type: ignore[list-item, index]


def dices(
    first: Sequence[Labels], second: Sequence[Labels], values: Sequence[int]
) -> Iterator[float]:
    """Yield the Dice of each value of two lists of label maps, over all of their voxels."""
    for value in values:
        pairs = [(one == value, other == value) for one, other in zip(first, second, strict=True)]
        size = sum(np.count_nonzero(one) + np.count_nonzero(other) for one, other in pairs)
        overlap = sum(np.count_nonzero(one & other) for one, other in pairs)
        yield 2 * overlap / size if size else 1.0


if __name__ == "__main__":
    sys.exit(main())
