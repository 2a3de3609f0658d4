"""From a finished run to a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from CrossModalSegLib.bundle.schema import BundleConfig, Provenance
from CrossModalSegLib.bundle.writing import write_bundle
from CrossModalSegLib.core.config import to_dict
from CrossModalSegLib.training.session import TrainingSession

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
    config = bundle_config(session, run_config)
    write_bundle(session.folder.bundle, config, session.deployed_weights(), overwrite=True)
    return session.folder.bundle


def bundle_config(session: TrainingSession, run_config: Mapping[str, Any]) -> BundleConfig:
    """Describe the run's model."""
    inputs, method = session.inputs, session.engine.method
    source, target, task = inputs.source, inputs.target, inputs.task
    cohorts = run_config["cohorts"]
    is_supervised = cohorts["target"] is None
    return BundleConfig(
        name=f"{task.name}_{source.modality.name}_{target.modality.name}_{run_config['method']}",
        title=f"{task.label} on {target.modality.label}, {method.title}",
        description=_describe(session, is_supervised=is_supervised),
        method=run_config["method"],
        method_settings=to_dict(method.config),
        task=task,
        source=source.modality,
        target=target.modality,
        preprocessing=target.preprocessing,
        target_statistics=target.statistics,
        provenance=Provenance(
            source_hash=cohorts["source"]["hash"],
            target_hash=(cohorts["target"] or cohorts["source"])["hash"],
            seed=inputs.seed,
            preset=run_config["preset"],
            overrides=tuple(run_config["overrides"]),
            iterations=session.engine.step_count,
            chosen_iteration=session.best_step,
            selection_rule=(
                SELECTION_RULE if method.uses_target else SELECTION_RULE_WITHOUT_TARGET
            ),
            label_free_score=None if session.best is None else session.best.total,
            saw_target_labels=is_supervised,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            versions=run_config["versions"],
        ),
    )


def _describe(session: TrainingSession, *, is_supervised: bool) -> str:
    inputs, method = session.inputs, session.engine.method
    subjects = len({case.subject for case in inputs.target.in_split("train")})
    name = inputs.target.modality.label
    if is_supervised:
        return f"Trained on {subjects} labelled {name} subjects: an upper bound, no adaptation."
    if not method.uses_target:
        label = inputs.source.modality.label
        return f"Trained on labelled {label} alone and applied to {name} without adaptation."
    reference = f" ({method.reference})" if method.reference else ""
    return (
        f"Adapted from labelled {inputs.source.modality.label} to {name} with {method.title}"
        f"{reference}, using {subjects} target subjects without labels."
    )
