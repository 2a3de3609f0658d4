"""Preprocessing as the papers did it, by name, and a default for scans that are none of these.

============  =====================================================================================
robust        the task's plane and the modality's window or robust z-score; any size and spacing
sifa          cardiac: coronal 256x256; top 2 % clipped, z-score of the volume, a fixed map to
              [-1, 1] (MR -1.8 to 4.4, CT -2.8 to 3.2). SIFA's region is centred on the labels,
              which prediction cannot know: here the matrix is centred on the volume, at 1 mm
sifa_release  the same for what SIFA and MPSCL released as z-scores: the fixed map alone
brats         axial 240x240 at 1 mm, the whole slice (BiGL), z-score of the brain
              (DSAN, section 4.1)
abdomen       axial 512x512 (GLUA); CT clipped to +-350 HU at 1x1x4 mm, as in a public recipe; MR
              robust z-score at 1 mm, its thick slices (5.5 to 9 mm in CHAOS) as they are
============  =====================================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from CrossModalSegLib.core.errors import ConfigError, UnknownNameError
from CrossModalSegLib.core.modalities import Modality
from CrossModalSegLib.core.tasks import Task
from CrossModalSegLib.data.intensity import SIFA_RANGES, IntensityRule, intensity_rule
from CrossModalSegLib.data.preprocessing import Preprocessing, default_preprocessing

ABDOMEN_HU = (-350.0, 350.0)
ABDOMEN_SLICE_MM = 4.0

_Recipe = Callable[[Task, Modality], Preprocessing]


def recipe(name: str, task: Task, modality: Modality) -> Preprocessing:
    """Return a recipe for a task and a modality.

    Raises:
        UnknownNameError: No such recipe.
        ConfigError: The recipe is for other tasks.
    """
    if name not in RECIPES:
        raise UnknownNameError("recipe", name, RECIPES)
    tasks, make = RECIPES[name]
    if tasks and task.name not in tasks:
        raise ConfigError(
            f"The recipe {name!r} is for the tasks {', '.join(tasks)}, not for {task.name!r}.",
            hint="Use the recipe robust, which fits all tasks.",
        )
    return make(task, modality)


def _robust(task: Task, modality: Modality) -> Preprocessing:
    return default_preprocessing(task, modality, matrix=(256, 256))


def _sifa(task: Task, modality: Modality) -> Preprocessing:
    rule = IntensityRule(
        kind="fixed_zscore",
        percentiles=(0.0, 98.0),
        fixed_range=SIFA_RANGES["ct" if modality.is_ct else "mr"],
    )
    base = default_preprocessing(task, modality, matrix=(256, 256), spacing_mm=(1.0, 1.0))
    return replace(base, slicing="coronal", intensity=rule)


def _sifa_release(task: Task, modality: Modality) -> Preprocessing:
    rule = IntensityRule(kind="fixed", fixed_range=SIFA_RANGES["ct" if modality.is_ct else "mr"])
    base = default_preprocessing(task, modality, matrix=(256, 256))
    return replace(base, slicing="coronal", intensity=rule)


def _brats(task: Task, modality: Modality) -> Preprocessing:
    base = default_preprocessing(task, modality, matrix=(240, 240), spacing_mm=(1.0, 1.0))
    return replace(base, slicing="axial")


def _abdomen(task: Task, modality: Modality) -> Preprocessing:
    base = default_preprocessing(task, modality, matrix=(512, 512), spacing_mm=(1.0, 1.0))
    if not modality.is_ct:
        return replace(base, slicing="axial")
    rule = replace(intensity_rule(modality), window_hu=ABDOMEN_HU)
    return replace(base, slicing="axial", intensity=rule, slice_spacing_mm=ABDOMEN_SLICE_MM)


RECIPES: dict[str, tuple[tuple[str, ...], _Recipe]] = {
    "robust": ((), _robust),
    "sifa": (("cardiac",), _sifa),
    "sifa_release": (("cardiac",), _sifa_release),
    "brats": (("brain_tumour", "whole_tumour"), _brats),
    "abdomen": (("abdomen",), _abdomen),
}
"""By name: the tasks it is for (none: all), and what makes it."""
