"""Tasks, modalities and the names in error messages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from CrossModalSegLib.core.errors import ConfigError, UnknownNameError
from CrossModalSegLib.core.modalities import MODALITIES, load_modality
from CrossModalSegLib.core.tasks import TASKS, Task, load_task, task_from_dict, task_to_dict


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_a_task_survives_its_dictionary(task: Task) -> None:
    assert task_from_dict(task_to_dict(task), "task") == task


def test_brain_tumour_regions_are_the_challenges() -> None:
    regions = {region.name: region.values for region in TASKS["brain_tumour"].regions}
    assert regions == {"WT": (1, 2, 3), "TC": (1, 3), "ET": (3,)}
    assert TASKS["brain_tumour"].nested


def test_cardiac_classes_are_those_of_the_contract() -> None:
    assert TASKS["cardiac"].class_names == ("MYO", "LAC", "LVC", "AA")
    assert TASKS["cardiac"].num_classes == 5
    assert TASKS["cardiac"].known_values == (0, 1, 2, 3, 4)


def test_colours_of_one_task_differ() -> None:
    for task in TASKS.values():
        colours = [region.colour for region in task.regions]
        assert len(set(colours)) == len(colours)


def test_an_unknown_task_comes_with_a_suggestion() -> None:
    with pytest.raises(UnknownNameError, match=r"No task 'cardic'\. Did you mean 'cardiac'"):
        load_task("cardic")


def test_an_unknown_region_comes_with_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="MYO"):
        TASKS["cardiac"].region("XYZ")


def test_a_custom_task_is_read_from_toml(tmp_path: Path) -> None:
    file = tmp_path / "knee.toml"
    file.write_text(
        """
        name = "knee"
        label = "Knee"
        slicing = "sagittal"
        [[classes]]
        value = 1
        name = "femur"
        label = "Femur"
        colour = [200, 200, 100]
        [[regions]]
        name = "femur"
        label = "Femur"
        values = [1]
        colour = [200, 200, 100]
        """,
        encoding="utf-8",
    )
    task = load_task(str(file))
    assert (task.name, task.slicing, task.num_classes) == ("knee", "sagittal", 2)


def test_gaps_between_class_values_are_refused() -> None:
    classes = TASKS["cardiac"].classes
    with pytest.raises(ConfigError, match="without gaps"):
        replace(TASKS["cardiac"], classes=(classes[0], classes[2]))


def test_a_region_of_an_unknown_class_is_refused() -> None:
    task = TASKS["cardiac"]
    with pytest.raises(ConfigError, match="expected some of"):
        replace(task, regions=(replace(task.regions[0], values=(9,)),))


def test_only_ct_has_a_window_in_hounsfield_units() -> None:
    assert [m.name for m in MODALITIES.values() if m.is_ct] == ["ct"]


def test_an_unknown_modality_comes_with_a_suggestion() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'flair'"):
        load_modality("flare")


def test_an_empty_window_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "odd.toml"
    file.write_text('name = "odd"\nlabel = "Odd"\nwindow_hu = [100, -100]\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="lower < upper"):
        load_modality(str(file))
