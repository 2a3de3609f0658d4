"""What label values of datasets mean."""

from __future__ import annotations

from dataclasses import replace

import pytest

from CrossModalSegLib.core.errors import LabelError, UnknownNameError
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.data.label_schemes import LabelScheme

CARDIAC, BRAIN = TASKS["cardiac"], TASKS["brain_tumour"]


def test_values_of_a_task_that_is_named_are_mapped_and_strays_with_them() -> None:
    scheme = LabelScheme(values={"cardiac": {205: 1, 420: 2}}, strays={421: 420, 7: 0})
    assert scheme.value_map(CARDIAC) == {0: 0, 205: 1, 420: 2, 421: 2, 7: 0}
    strays = {value: value for value in range(4)} | {421: 0, 7: 0}
    assert scheme.value_map(BRAIN) == strays
    assert LabelScheme(values={"cardiac": {1: 1}}).value_map(BRAIN) is None


def test_names_of_classes_give_the_values_of_any_task() -> None:
    scheme = LabelScheme(names={0: "background", 1: "Left_Ventricle", 2: "myo", 3: "RV"})
    assert scheme.value_map(CARDIAC) == {0: 0, 1: 3, 2: 1, 3: 0}
    assert scheme.value_map(BRAIN) is None
    own = replace(CARDIAC, name="my_heart")
    assert scheme.value_map(own) == {0: 0, 1: 3, 2: 1, 3: 0}


def test_what_is_said_of_names_comes_first() -> None:
    scheme = LabelScheme(names={1: "LV", 2: "Wand"})
    assert scheme.value_map(CARDIAC) is None
    assert scheme.value_map(CARDIAC, {"lv": "LVC", "Wand": "MYO"}) == {0: 0, 1: 3, 2: 1}
    assert scheme.value_map(CARDIAC, {"lv": "LVC", "Wand": ""}) == {0: 0, 1: 3, 2: 0}
    with pytest.raises(UnknownNameError, match="LVX"):
        scheme.value_map(CARDIAC, {"LV": "LVX"})


def test_a_name_of_several_classes_is_refused() -> None:
    scheme = LabelScheme(names={1: "whole tumour"})
    with pytest.raises(LabelError, match="stands for the classes 1, 2, 3"):
        scheme.value_map(BRAIN)
    assert scheme.value_map(TASKS["whole_tumour"]) == {0: 0, 1: 1}
