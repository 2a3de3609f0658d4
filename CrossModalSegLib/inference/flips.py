"""Test-time flips: the mean of what a network says of an image and of its mirror images.

Which axes make sense depends on the anatomy. A brain is nearly its own mirror image left to right,
so that flips of this kind average errors away. A heart or an abdomen is not: its mirror image is
anatomy that the network has never seen, and flips make results worse. Hence nothing is flipped
unless somebody names an axis.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from CrossModalSegLib.core.errors import ConfigError, UnknownNameError
from CrossModalSegLib.core.geometry import AXIS_OF_LETTER
from CrossModalSegLib.core.tasks import Slicing, Task
from CrossModalSegLib.data.preprocessing import ORIENTATION_OF_SLICING

FLIPS = ("left-right", "anterior-posterior", "superior-inferior")
"""Names of the patient's axes R-L, A-P and S-I."""

Dims = tuple[int, ...]
"""Dimensions of (batch, channel, row, column) that are flipped together."""

_SIDES = frozenset({"24028007", "7771000"})
"""SNOMED CT: right, left."""


def flipped_dims(names: Sequence[str], task: Task, slicing: Slicing) -> tuple[Dims, ...]:
    """Return every combination of flips of slices, without that of none.

    Args:
        names: Of `FLIPS`.
        task: Of the model.
        slicing: Plane of its slices.

    Raises:
        UnknownNameError: There is no such axis.
        ConfigError: The axis runs across the slices, which a network of slices does not see, or
            the task tells left from right.
    """
    dims = [_dim(name, slicing) for name in dict.fromkeys(names)]
    if "left-right" in names and _tells_sides(task):
        raise ConfigError(
            f"A left-right flip was asked for, but the task {task.name!r} has a right and a left "
            "structure, which change places in a mirror image.",
            hint="Leave this flip out.",
        )
    counts = range(1, len(dims) + 1)
    return tuple(combined for n in counts for combined in itertools.combinations(dims, n))


def with_flips(
    plain: Tensor, predict: Callable[[Tensor], Tensor], images: Tensor, flips: Sequence[Dims]
) -> Tensor:
    """Return the mean of the probabilities of images and of their flips, flipped back.

    Args:
        plain: The probabilities of the images as they are.
        predict: Gives those of others.
        images: (batch, channel, row, column).
        flips: Dimensions that are flipped together, of each flip.
    """
    total = plain.float()
    for dims in flips:
        total = total + torch.flip(predict(torch.flip(images, dims)).float(), dims)
    return total / (1 + len(flips))


def _dim(name: str, slicing: Slicing) -> int:
    if name not in FLIPS:
        raise UnknownNameError("flip", name, FLIPS)
    column, row, _ = (AXIS_OF_LETTER[letter] for letter in ORIENTATION_OF_SLICING[slicing])
    dims = {column: -1, row: -2}
    axis = FLIPS.index(name)
    if axis not in dims:
        within = " and ".join(FLIPS[known] for known in sorted(dims))
        raise ConfigError(
            f"A flip {name!r} was asked for, but the model sees {slicing} slices one by one: it "
            "would change nothing.",
            hint=f"Within these slices lie {within}.",
        )
    return dims[axis]


def _tells_sides(task: Task) -> bool:
    terms = [entry.terminology for entry in task.classes]
    terms += [region.terminology for region in task.regions]
    sides = {term.modifier.value for term in terms if term is not None and term.modifier}
    return bool(sides & _SIDES)
