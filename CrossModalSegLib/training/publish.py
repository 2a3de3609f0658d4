"""From a finished run to a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from CrossModalSegLib.bundle.deployment import load_method
from CrossModalSegLib.bundle.schema import (
    BundleConfig,
    CohortReference,
    Domain,
    Modalities,
    TrainingProvenance,
    default_bundle_name,
    without_files,
)
from CrossModalSegLib.bundle.writing import write_bundle
from CrossModalSegLib.core.config import to_dict
from CrossModalSegLib.data.cohort import Cohort
from CrossModalSegLib.training.session import TrainingSession
from CrossModalSegLib.training.target_features import measure_features

SELECTION_RULE = (
    "highest source validation Dice minus half the loss of the target predictions against their "
    "own pseudo-labels; no target labels"
)
SELECTION_RULE_WITHOUT_TARGET = "highest validation Dice on the labelled cohort it was trained on"


def publish_bundle(session: TrainingSession, run_config: Mapping[str, Any]) -> Path:
    """Write the bundle of the model that the label-free rule chose.

    A bundle that an interrupted attempt left is replaced.

    Raises:
        StorageError: The disk is full; the run can be resumed to try again.
    """
    config, weights = bundle_config(session, run_config), session.deployed_weights()
    bundle = write_bundle(session.folder.bundle, config, weights, overwrite=True)
    method = load_method(bundle, session.engine.fabric.device)
    features = measure_features(method, session.inputs.target)
    if features is not None:
        described = replace(config, target_features=features)
        write_bundle(session.folder.bundle, described, weights, overwrite=True)
    return session.folder.bundle


def bundle_config(session: TrainingSession, run_config: Mapping[str, Any]) -> BundleConfig:
    """Describe the run's model."""
    inputs, method = session.inputs, session.engine.method
    source, target, task = inputs.source, inputs.target, inputs.task
    inputs_of_case = target.modalities if target.num_channels > 1 else ()
    modalities = Modalities(source=source.modality, target=target.modality, inputs=inputs_of_case)
    is_supervised = run_config["cohorts"]["target"] is None
    return BundleConfig(
        name=default_bundle_name(run_config["method"], task, modalities),
        title=f"{task.label} on {modalities.images_label}, {method.title}",
        description=_describe(session, is_supervised=is_supervised),
        method=run_config["method"],
        method_settings=without_files(to_dict(method.config)),
        task=task,
        modalities=modalities,
        preprocessing=target.preprocessing,
        target_statistics=target.statistics,
        further_statistics=target.record.further_statistics,
        training=_provenance(session, run_config, is_supervised=is_supervised),
        references=(method.reference,) if method.reference else (),
    )


def _provenance(
    session: TrainingSession, run_config: Mapping[str, Any], *, is_supervised: bool
) -> TrainingProvenance:
    inputs, best = session.inputs, session.best
    cohorts = [_reference("source", inputs.source)]
    if not is_supervised:
        cohorts.append(_reference("target", inputs.target))
    uses_target = session.engine.method.uses_target
    return TrainingProvenance(
        preset=run_config["preset"],
        overrides=tuple(run_config["overrides"]),
        settings=run_config["settings"]["training"],
        seed=inputs.seed,
        iterations=session.engine.step_count,
        chosen_iteration=session.best_step,
        selection=SELECTION_RULE if uses_target else SELECTION_RULE_WITHOUT_TARGET,
        selection_score=None if best is None else best.total,
        cohorts=tuple(cohorts),
        versions=run_config["versions"],
        device=session.engine.fabric.device.type,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _reference(domain: Domain, cohort: Cohort) -> CohortReference:
    return CohortReference(
        domain=domain,
        dataset=cohort.record.dataset,
        content_hash=cohort.content_hash,
        num_cases=len(cohort.in_split("train")) + len(cohort.in_split("validation")),
        images=tuple(m.label for m in cohort.modalities) if cohort.num_channels > 1 else (),
    )


def _label(cohort: Cohort) -> str:
    return " + ".join(modality.label for modality in cohort.modalities)


def _describe(session: TrainingSession, *, is_supervised: bool) -> str:
    inputs, method = session.inputs, session.engine.method
    subjects = len({case.subject for case in inputs.target.in_split("train")})
    name = _label(inputs.target)
    if is_supervised:
        return f"Trained on {subjects} labelled {name} subjects: an upper bound, no adaptation."
    if not method.uses_target:
        label = _label(inputs.source)
        return f"Trained on labelled {label} alone and applied to {name} without adaptation."
    reference = f" ({method.reference})" if method.reference else ""
    return (
        f"Adapted from labelled {inputs.source.modality.label} to {name} with {method.title}"
        f"{reference}, using {subjects} target subjects without labels."
    )
