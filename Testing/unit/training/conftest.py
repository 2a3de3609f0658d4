"""Tiny cohorts and runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from Testing.unit.tiny_cohorts import tiny_cohort

TINY_SETTINGS = (
    "method.iterations=6",
    "method.backbone.width=4",
    "method.backbone.levels=3",
    "training.batch_size=3",
    "training.log_every=2",
    "training.checkpoint_every=2",
    "training.validate_every=3",
    "training.preview_every=6",
)


@pytest.fixture
def tiny_settings() -> tuple[str, ...]:
    """Return overrides that make a run of any method a matter of seconds."""
    return TINY_SETTINGS


@pytest.fixture(scope="session")
def cohorts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Prepare a labelled CT cohort and an unlabelled MR cohort of blocks, 16x16, 4 subjects."""
    folder = tmp_path_factory.mktemp("cohorts")
    return {
        "source": tiny_cohort(folder, "ct", seed=1, labels="required"),
        "target": tiny_cohort(folder, "mr_bssfp", seed=2, labels="ignored"),
    }


@pytest.fixture(scope="session")
def padded_cohorts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Prepare the same with 24x24 slices: smaller ones are too small for the critics of GLUA."""
    folder = tmp_path_factory.mktemp("padded cohorts")
    return {
        "source": tiny_cohort(folder, "ct", seed=1, labels="required", size=24),
        "target": tiny_cohort(folder, "mr_bssfp", seed=2, labels="ignored", size=24),
    }
