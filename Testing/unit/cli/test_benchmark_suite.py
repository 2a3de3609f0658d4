"""The suites that ship, and what a suite may say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from CrossModalSegLib.cli.benchmark_settings import trial_settings
from CrossModalSegLib.cli.benchmark_suite import Suite, choose_trials, load_suite
from CrossModalSegLib.core.config import from_dict
from CrossModalSegLib.core.errors import ConfigError, UnknownNameError

MINIMAL: dict[str, Any] = {
    "title": "Minimal",
    "data": {"heart": {"phantom": "cardiac"}},
    "directions": [
        {
            "name": "there",
            "title": "There",
            "group": "heart",
            "data": "heart",
            "task": "cardiac",
            "source": "ct",
            "target": "mr_bssfp",
        },
        {
            "name": "back",
            "title": "Back",
            "group": "heart",
            "data": "heart",
            "task": "cardiac",
            "source": "mr_bssfp",
            "target": "ct",
        },
    ],
    "rows": [
        {"name": "source_only", "method": "source_only"},
        {"name": "half", "method": "dsan", "ablation_of": "dsan", "only": ["there"]},
        {"name": "dsan", "method": "dsan"},
    ],
}


def minimal(**changes: object) -> Suite:
    return from_dict(Suite, {**MINIMAL, **changes}, "test")


@pytest.fixture(scope="module")
def shipped() -> Suite:
    return load_suite("phantom")


@pytest.fixture(scope="module", params=["phantom", "phantom_ablations"])
def any_shipped(request: pytest.FixtureRequest) -> Suite:
    return load_suite(request.param)


def test_the_shipped_suite_has_the_directions_of_the_papers(shipped: Suite) -> None:
    domains = {d.name: (d.task, d.source, d.target, d.metrics) for d in shipped.directions}
    assert domains == {
        "cardiac_ct_to_mr": ("cardiac", "ct", "mr_bssfp", ("dice", "assd_voxels")),
        "cardiac_mr_to_ct": ("cardiac", "mr_bssfp", "ct", ("dice", "assd_voxels")),
        "cardiac_ct_to_mr_bright_fat": ("cardiac", "ct", "mr_bssfp", ("dice", "assd_voxels")),
        "brain_t1_to_t2": ("brain_tumour", "t1", "t2", ("dice", "hd95_mm")),
        "brain_t2_to_flair": ("whole_tumour", "t2", "flair", ("dice", "hd_mm")),
        "brain_t2_to_t1": ("whole_tumour", "t2", "t1", ("dice", "hd_mm")),
        "brain_t2_to_t1ce": ("whole_tumour", "t2", "t1ce", ("dice", "hd_mm")),
    }
    assert all((d.training_subjects, d.test_subjects) == (20, 12) for d in shipped.data.values())


def test_the_shipped_suite_has_bounds_methods_and_ablations(shipped: Suite) -> None:
    main = [row.name for row in shipped.rows if not row.ablation_of]
    source_only = ["source_only", "source_only_augmented", "source_only_remapped"]
    assert main == [*source_only, "supervised", "supervised_multimodal", "bigl", "dsan", "glua"]
    assert {row.ablation_of for row in shipped.rows} == {"", "bigl", "dsan", "glua"}


@pytest.mark.parametrize("preset", ["quick", "small"])
def test_every_row_of_the_shipped_suites_can_be_trained(any_shipped: Suite, preset: str) -> None:
    for trial in choose_trials(any_shipped, rows=(), directions=(), seeds=(0,)):
        settings = trial_settings(any_shipped, trial.direction, trial.row, preset)
        assert settings.iterations > 0, trial.name


def test_every_ablation_changes_its_method_and_is_like_no_other(any_shipped: Suite) -> None:
    direction = any_shipped.directions[0]
    hashes = {
        row.name: trial_settings(any_shipped, direction, row, "small").content_hash
        for row in any_shipped.rows_of(direction)
        if row.method in {"bigl", "dsan", "glua"}
    }
    assert len(set(hashes.values())) == len(hashes)


def test_the_ablations_of_the_benchmark_are_some_of_the_papers(shipped: Suite) -> None:
    papers = {row.name: row for row in load_suite("phantom_ablations").rows}
    for row in shipped.rows:
        if row.ablation_of:
            assert row.overrides == papers[row.name].overrides


def test_the_multimodal_bound_sees_all_modalities_of_a_brain(shipped: Suite) -> None:
    (row,) = (row for row in shipped.rows if row.name == "supervised_multimodal")
    runs_on = [direction for direction in shipped.directions if row.runs_on(direction)]
    assert [direction.name for direction in runs_on] == ["brain_t1_to_t2"]
    assert row.inputs(runs_on[0]) == ("t2", "t1", "t1ce", "flair")
    settings = trial_settings(shipped, runs_on[0], row, "quick")
    assert settings.values["method"]["backbone"]["in_channels"] == 4


def test_a_direction_takes_the_preset_of_its_task_where_there_is_one(shipped: Suite) -> None:
    by_name = {direction.name: direction for direction in shipped.directions}
    rows = {row.name: row for row in shipped.rows}
    heart = trial_settings(shipped, by_name["cardiac_ct_to_mr"], rows["dsan"], "paper")
    brain = trial_settings(shipped, by_name["brain_t2_to_flair"], rows["dsan"], "paper")
    assert (heart.preset, brain.preset) == ("paper_cardiac", "paper_whole_tumour")
    assert (
        trial_settings(shipped, by_name["brain_t2_to_t1"], rows["dsan"], "quick").preset == "quick"
    )


def test_a_seed_is_finished_in_all_directions_before_the_next_begins() -> None:
    trials = choose_trials(minimal(), rows=(), directions=(), seeds=(1, 0))
    assert [trial.name for trial in trials] == [
        "there/source_only/seed_1",
        "there/half/seed_1",
        "there/dsan/seed_1",
        "back/source_only/seed_1",
        "back/dsan/seed_1",
        "there/source_only/seed_0",
        "there/half/seed_0",
        "there/dsan/seed_0",
        "back/source_only/seed_0",
        "back/dsan/seed_0",
    ]


def test_a_part_is_chosen_by_names_of_rows_directions_and_groups() -> None:
    def names(**chosen: tuple[str, ...]) -> list[str]:
        given = {"rows": (), "directions": (), **chosen}
        trials = choose_trials(minimal(), **given, seeds=(0,))
        return [f"{trial.direction.name}/{trial.row.name}" for trial in trials]

    assert names(rows=("dsan",)) == ["there/dsan", "back/dsan"]
    assert names(rows=("half",)) == ["there/half"]
    assert names(directions=("back",)) == ["back/source_only", "back/dsan"]
    assert names(directions=("heart",)) == names()


def test_unknown_names_are_told_with_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"'dasn'.*'dsan'"):
        choose_trials(minimal(), rows=("dasn",), directions=(), seeds=(0,))
    with pytest.raises(UnknownNameError, match=r"'forth'.*there"):
        choose_trials(minimal(), rows=(), directions=("forth",), seeds=(0,))
    with pytest.raises(UnknownNameError, match=r"'phantoms'.*'phantom'"):
        load_suite("phantoms")


@pytest.mark.parametrize(
    ("part", "index", "change", "message"),
    [
        ("rows", 0, {"name": "dsan"}, "two rows of the name 'dsan'"),
        ("rows", 1, {"ablation_of": "glua"}, "No row of the suite 'glua'"),
        ("rows", 1, {"only": ["brain"]}, "No direction of the suite 'brain'"),
        ("rows", 1, {"overides": []}, "unknown key 'overides'.*'overrides'"),
        ("directions", 0, {"name": "back"}, "two directions of the name 'back'"),
        ("directions", 0, {"data": "liver"}, "No data of the suite 'liver'"),
        ("directions", 0, {"task": "abdomen"}, "No task of a cardiac phantom 'abdomen'"),
        ("directions", 0, {"target": "t2"}, "No modality of a cardiac phantom 't2'"),
    ],
)
def test_a_suite_that_contradicts_itself_is_refused(
    part: str, index: int, change: dict[str, object], message: str
) -> None:
    entries = [dict(entry) for entry in MINIMAL[part]]
    entries[index] |= change
    with pytest.raises(ConfigError, match=message):
        minimal(**{part: entries})


def test_a_suite_of_ones_own_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        """
        title = "Mine"
        directions = []
        [data.heart]
        phantom = "cardiac"
        test_subjects = 3
        [[rows]]
        name = "source_only"
        method = "source_only"
        """,
        encoding="utf-8",
    )
    suite = load_suite(str(file))
    assert suite.title == "Mine"
    assert suite.data["heart"].test_subjects == 3
