"""What produced a comparison: the provenance of all its scores, and the files themselves."""

from __future__ import annotations

from collections.abc import Mapping

from CrossModalSegLib import __version__
from CrossModalSegLib.evaluation.comparison import Comparison
from CrossModalSegLib.evaluation.provenance import Provenance, package_versions


def merged_provenance(comparison: Comparison, command: str, seeds: Mapping[str, int]) -> Provenance:
    """Return one provenance: hashes of all models and cohorts, and what this comparison used."""
    bundles: dict[str, str] = {}
    cohorts: dict[str, str] = {}
    tasks, tolerances = [], []
    for source in comparison.files:
        provenance = source.provenance
        if provenance is None:
            continue
        where = f" ({source.path})" if len(comparison.files) > 1 else ""
        bundles |= {f"{name}{where}": hashed for name, hashed in provenance.bundle_hashes.items()}
        cohorts |= {f"{name}{where}": hashed for name, hashed in provenance.cohort_hashes.items()}
        tasks.append(provenance.task)
        tolerances.append(provenance.nsd_tolerance_mm)
    return Provenance(
        version=__version__,
        command=command,
        task=", ".join(dict.fromkeys(tasks)),
        policy=comparison.policy,
        nsd_tolerance_mm=next((value for value in tolerances if value is not None), None),
        missing_predictions={
            method: cases
            for source in comparison.files
            if source.provenance is not None
            for method, cases in source.provenance.missing_predictions.items()
        },
        bundle_hashes=bundles,
        cohort_hashes=cohorts,
        score_hashes={str(source.path): source.content_hash for source in comparison.files},
        packages=package_versions(),
        seeds=dict(seeds),
    )


def source_facts(comparison: Comparison) -> dict[str, str]:
    """Return what the report says of each scores file."""
    return {
        f"Scores {index}": f"{source.path} (SHA-256 {source.content_hash[:16]})"
        + (f", {source.direction}" if source.direction else "")
        for index, source in enumerate(comparison.files, start=1)
    }
