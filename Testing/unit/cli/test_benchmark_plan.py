"""What is done, what is left, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from CrossModalSegLib.cli.benchmark_folder import BenchmarkFolder, open_folder
from CrossModalSegLib.cli.benchmark_plan import (
    Plan,
    clear_outdated,
    make_plan,
    require_unchanged,
    seeds_there,
)
from CrossModalSegLib.cli.benchmark_settings import trial_settings
from CrossModalSegLib.cli.benchmark_state import new_state, read_state, write_state
from CrossModalSegLib.cli.benchmark_suite import Suite, choose_trials, load_suite
from CrossModalSegLib.core.errors import ConfigError, RunError

DIRECTION = "cardiac_ct_to_mr"

Planner = Callable[..., Plan]


@pytest.fixture(scope="module")
def suite() -> Suite:
    return load_suite("phantom")


@pytest.fixture
def folder(tmp_path: Path, suite: Suite) -> BenchmarkFolder:
    return open_folder(tmp_path, suite)


@pytest.fixture
def changed(suite: Suite) -> Suite:
    """Return the suite with longer trainings."""
    return replace(suite, overrides=("method.iterations=9",))


def plan(suite: Suite, folder: BenchmarkFolder, *rows: str, seeds: tuple[int, ...] = (0,)) -> Plan:
    trials = choose_trials(suite, rows=rows, directions=(DIRECTION,), seeds=seeds)
    return make_plan(suite, folder, trials, "quick")


def begin(suite: Suite, folder: BenchmarkFolder, *rows: str, seeds: tuple[int, ...] = (0,)) -> None:
    """Note trials as begun, as the benchmark does."""
    for planned in plan(suite, folder, *rows, seeds=seeds).trials:
        settings = trial_settings(suite, planned.trial.direction, planned.trial.row, "quick")
        state = new_state(planned.trial, settings, phantom={}, sources="0" * 64, device="cpu")
        write_state(planned.folder, state)


def finish(planned_plan: Plan) -> None:
    for planned in planned_plan.trials:
        state = read_state(planned.folder)
        assert state is not None
        write_state(planned.folder, replace(state, status="finished"))
        planned.folder.scores.mkdir()
        (planned.folder.scores / "scores.json").write_text("[]")


def test_only_what_is_scored_and_noted_as_finished_is_finished(
    suite: Suite, folder: BenchmarkFolder
) -> None:
    assert not plan(suite, folder, "dsan").trials[0].is_finished
    begin(suite, folder, "dsan")
    assert not plan(suite, folder, "dsan").trials[0].is_finished
    finish(plan(suite, folder, "dsan"))
    finished = plan(suite, folder, "dsan").trials[0]
    assert finished.is_finished
    assert finished.effort == 0
    (finished.folder.scores / "scores.json").unlink()
    again = plan(suite, folder, "dsan").trials[0]
    assert not again.is_finished
    assert again.effort > 0


def test_a_trial_whose_hindsight_can_be_had_is_not_finished(
    suite: Suite, folder: BenchmarkFolder
) -> None:
    begin(suite, folder, "dsan")
    finish(plan(suite, folder, "dsan"))
    (planned,) = plan(suite, folder, "dsan").trials
    checkpoint = planned.folder.run / "checkpoints" / "last.ckpt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    assert not plan(suite, folder, "dsan").trials[0].is_finished
    planned.folder.last.mkdir()
    (planned.folder.last / "scores.json").write_text("[]")
    assert plan(suite, folder, "dsan").trials[0].is_finished


def test_a_row_that_cannot_be_planned_does_not_stop_the_others(
    suite: Suite, folder: BenchmarkFolder
) -> None:
    rows = tuple(
        replace(row, overrides=("method.nonsense=1",)) if row.name == "dsan" else row
        for row in suite.rows
    )
    made = plan(replace(suite, rows=rows), folder, "source_only", "dsan")
    assert [planned.trial.row.name for planned in made.trials] == ["source_only"]
    (error,) = made.failures.values()
    assert list(made.failures) == [f"{DIRECTION}/dsan/seed_0"]
    assert isinstance(error, ConfigError)


def test_changed_settings_are_refused_with_what_changed(
    suite: Suite, changed: Suite, folder: BenchmarkFolder
) -> None:
    begin(suite, folder, "dsan")
    require_unchanged(plan(suite, folder, "dsan"), folder, overwrite=False)
    with pytest.raises(RunError, match=r"method\.iterations was 1000, is 9.*--overwrite"):
        require_unchanged(plan(changed, folder, "dsan"), folder, overwrite=False)
    require_unchanged(plan(changed, folder, "dsan"), folder, overwrite=True)


def test_rows_that_are_not_chosen_do_not_matter(
    suite: Suite, changed: Suite, folder: BenchmarkFolder
) -> None:
    begin(suite, folder, "dsan")
    require_unchanged(plan(changed, folder, "source_only"), folder, overwrite=False)


def test_seeds_of_one_row_are_never_mixed_even_when_overwriting(
    suite: Suite, changed: Suite, folder: BenchmarkFolder
) -> None:
    begin(suite, folder, "dsan", seeds=(0, 1))
    with pytest.raises(RunError, match=r"dsan/seed_0, cardiac_ct_to_mr/dsan/seed_1\. Of"):
        require_unchanged(plan(changed, folder, "dsan", seeds=(2,)), folder, overwrite=False)
    with pytest.raises(RunError, match=r"now: cardiac_ct_to_mr/dsan/seed_0\. Of"):
        require_unchanged(plan(changed, folder, "dsan", seeds=(1,)), folder, overwrite=True)
    require_unchanged(plan(changed, folder, "dsan", seeds=(0, 1)), folder, overwrite=True)


def test_overwriting_removes_what_was_trained_otherwise_and_nothing_else(
    suite: Suite, changed: Suite, folder: BenchmarkFolder
) -> None:
    begin(suite, folder, "source_only", "dsan")
    same = clear_outdated(plan(suite, folder, "dsan"), overwrite=True, rerun=False)
    assert same.trials[0].before is not None
    renewed = clear_outdated(plan(changed, folder, "dsan"), overwrite=True, rerun=False)
    assert renewed.trials[0].before is None
    assert not renewed.trials[0].folder.path.exists()
    assert plan(suite, folder, "source_only").trials[0].before is not None


def test_a_rerun_removes_the_chosen_trials(suite: Suite, folder: BenchmarkFolder) -> None:
    begin(suite, folder, "source_only", "dsan")
    renewed = clear_outdated(plan(suite, folder, "dsan"), overwrite=False, rerun=True)
    assert renewed.trials[0].before is None
    assert plan(suite, folder, "dsan").trials[0].before is None
    assert plan(suite, folder, "source_only").trials[0].before is not None


def test_seeds_are_read_from_the_folders(tmp_path: Path) -> None:
    for name in ("seed_10", "seed_2", "seed_x", "notes"):
        (tmp_path / name).mkdir()
    assert seeds_there(tmp_path) == (2, 10)
    assert seeds_there(tmp_path / "nothing") == ()
